/* kio_spawn_local on a thread that runs no tasks, though it has entered a runtime. */
/* expect: kio_spawn_local where no local tasks run */
/* expect: fix: call it in a task of a current_thread runtime, or in what kio_local_run_until runs */
#include <kioto.h>

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

int main(void)
{
    struct kio_runtime *rt, *before;

    if (kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD }))
        return 1;
    before = kio_runtime_enter(rt);
    kio_spawn_local(NULL, nothing);
    kio_runtime_leave(before);
    return 0;
}
