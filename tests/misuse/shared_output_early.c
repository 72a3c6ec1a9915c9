/* The result of a shared future is read before it has ended. */
/* expect: shared_output_early\.c:[0-9]+: kio_shared_output of answer, which has not ended */
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
};

async(async_main)
{
    async_begin;
    if (kio_share(&self->shared, answer))
        async_return(1);
    async_return(*kio_shared_output(&self->shared, int));
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
