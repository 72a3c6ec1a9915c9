/* The blocking form of a send inside a task. */
/* expect: blocking_send_in_task\.c:[0-9]+: kio_blocking_send inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_tx tx;
    struct kio_rx rx;
    int value;
};

async(async_main)
{
    async_begin;
    if (kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1))
        async_return(1);
    async_return(kio_blocking_send(&self->tx, &self->value));
}

kio_main(async_main)
