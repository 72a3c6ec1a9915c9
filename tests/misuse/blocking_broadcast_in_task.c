/* The blocking form of a broadcast's receive inside a task. */
/* expect: blocking_broadcast_in_task\.c:[0-9]+: kio_broadcast_blocking_recv inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_broadcast_tx tx;
    struct kio_broadcast_rx rx;
    int value;
};

async(async_main)
{
    async_begin;
    if (kio_broadcast_channel(&self->tx, &self->rx, sizeof(int), 1))
        async_return(1);
    async_return(kio_broadcast_blocking_recv(&self->rx, &self->value, NULL));
}

kio_main(async_main)
