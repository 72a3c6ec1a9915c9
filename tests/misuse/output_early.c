/* A result is fetched before the task has ended. */
/* expect: output_early\.c:[0-9]+: kio_output of a task that has not ended */
#include <kioto.h>

struct slow {
    async_fn(int);
    struct kio_sleep nap;
};

async(slow)
{
    async_begin;
    await(kio_sleep(&self->nap, 10 * KIO_SEC));
    async_return(1);
}

struct async_main {
    async_fn(int);
    struct kio_join_handle h;
};

async(async_main)
{
    async_begin;
    kio_spawn(&self->h, slow);
    async_return(*kio_output(&self->h, int));
}

kio_main(async_main)
