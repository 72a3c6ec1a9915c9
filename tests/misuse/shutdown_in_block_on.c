/* A current_thread runtime is shut down while a thread is inside kio_runtime_block_on. */
/* expect: the runtime was shut down while kio_runtime_block_on\(forever\) waited */
/* expect: fix: shut a runtime down after every kio_runtime_block_on has returned, or use kio_ */
#include <kioto.h>

#include <pthread.h>

struct forever {
    async_fn(void);
    struct kio_sleep nap;
};

static void *end(void *rt)
{
    kio_runtime_shutdown(rt, -1);
    return NULL;
}

async(forever)
{
    static pthread_t thread;

    async_begin;
    if (pthread_create(&thread, NULL, end, kio_runtime_current()))
        async_return();
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return();
}

int main(void)
{
    struct kio_runtime *rt;

    if (kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD }))
        return 1;
    kio_runtime_block_on(rt, forever);
    return 0;
}
