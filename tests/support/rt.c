#include "support/rt.h"
#include "base/mem.h"
#include "driver/readiness.h"

struct kio_runtime *rt;
enum kio_flavor rt_flavor;
ki_atomic(int) drops;

static size_t fds_before;

int rt_open(void **state)
{
    (void)state;
    ki_store_relaxed(&drops, 0);
    fds_before = ki_ready_count();
    return kio_runtime_new(&rt, &(struct kio_runtime_config){
                                    .flavor = rt_flavor,
                                    .workers = getenv("KIOTO_TEST_WORKERS")
                                                   ? (unsigned)atoi(getenv("KIOTO_TEST_WORKERS"))
                                                   : 2,
                                });
}

int rt_close(void **state)
{
    (void)state;
    kio_runtime_free(rt);
    rt = NULL;
    if (ki_ready_count() != fds_before) {
        fprintf(stderr, "%zu registrations are left\n", ki_ready_count() - fds_before);
        return -1;
    }
    return 0;
}

__attribute__((constructor)) static void watch_memory(void)
{
    ki_mem_watch();
}
