/* A local set that is run by a task which moves between threads. */
/* expect: a local set is run by a task of a multi_thread runtime, which moves between threads */
/* expect: fix: run it on a thread of its own */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
};

async(async_main)
{
    async_begin;
    if (kio_local_set_new(&self->set))
        async_return();
    await(kio_local_set_wait(&self->run, &self->set));
    async_return();
}

kio_main(async_main, .flavor = KIO_MULTI_THREAD, .workers = 1)
