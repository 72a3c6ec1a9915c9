/* The result of a shared future is read as another type. */
/* expect: shared_output_type\.c:[0-9]+: kio_shared_output of answer, whose result has 4 bytes, as a type */
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
    await(kio_shared_wait(&self->wait, &self->shared));
    async_return(*kio_shared_output(&self->shared, long) > 0);
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
