/* A member's result is read as another type. */
/* expect: queue_output_type\.c:[0-9]+: kio_future_queue_output of answer, whose result has 4 bytes */
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
    struct kio_future_queue_next next;
    long value;
};

async(async_main)
{
    async_begin;
    if (kio_future_queue_add(&self->queue, answer))
        async_return();
    await(kio_future_queue_next(&self->next, &self->queue));
    self->value = *kio_future_queue_output(&self->next, long);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
