/* A queue of futures is awaited instead of its next member. */
/* expect: queue_awaited\.c:[0-9]+: a kio_future_queue was awaited */
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
    async_fn(void);
    struct kio_future_queue queue;
};

async(async_main)
{
    async_begin;
    if (kio_future_queue_add(&self->queue, answer))
        async_return();
    await(&self->queue);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
