/* The blocking form of a receive from an unbounded channel inside a task. */
/* expect: blocking_unbounded_in_task\.c:[0-9]+: kio_blocking_recv inside a task */
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
    if (kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)))
        async_return(1);
    async_return(kio_blocking_recv(&self->rx, &self->value));
}

kio_main(async_main)
