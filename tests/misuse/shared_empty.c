/* A handle is used after it was dropped. */
/* expect: shared_empty\.c:[0-9]+: kio_shared_wait got an empty handle */
#include <kioto.h>

struct answer {
    async_fn(int);
};

async(answer)
{
    async_begin;
    async_return(42);
}

struct async_main {
    async_fn(int);
    struct kio_shared shared;
    struct kio_shared_wait wait;
};

async(async_main)
{
    async_begin;
    if (kio_share(&self->shared, answer))
        async_return(1);
    kio_shared_drop(&self->shared);
    await(kio_shared_wait(&self->wait, &self->shared));
    async_return(0);
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
