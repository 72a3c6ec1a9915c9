/* The blocking form of a oneshot's receive inside a task. */
/* expect: blocking_oneshot_in_task\.c:[0-9]+: kio_oneshot_blocking_recv inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    int value;
};

async(async_main)
{
    async_begin;
    if (kio_oneshot_channel(&self->tx, &self->rx, sizeof(int)))
        async_return(1);
    async_return(kio_oneshot_blocking_recv(&self->rx, &self->value));
}

kio_main(async_main)
