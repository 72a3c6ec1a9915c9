/* The blocking form of receiving many inside a task. */
/* expect: blocking_recv_many_in_task\.c:[0-9]+: kio_blocking_recv_many inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_tx tx;
    struct kio_rx rx;
    int values[4];
};

async(async_main)
{
    async_begin;
    if (kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)))
        async_return(1);
    async_return((int)kio_blocking_recv_many(&self->rx, self->values, 4));
}

kio_main(async_main)
