/* A task of a local set drops the set. */
/* expect: a local set is dropped by one of its own tasks */
/* expect: fix: drop it where it is run, outside of its tasks */
#include <kioto.h>

static struct kio_local_set set;

struct dropper {
    async_fn(void);
};

async(dropper)
{
    async_begin;
    kio_local_set_drop(&set);
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_local_run run;
};

async(async_main)
{
    async_begin;
    if (kio_local_set_new(&set) || kio_local_spawn(&set, NULL, dropper))
        async_return();
    await(kio_local_set_wait(&self->run, &set));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
