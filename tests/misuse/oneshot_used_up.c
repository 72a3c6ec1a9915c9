/* A oneshot is received from after its end was received. */
/* expect: oneshot_used_up\.c:[0-9]+: kio_oneshot_recv got an empty handle */
/* expect: a oneshot handle is used once */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    int value;
    struct kio_oneshot_recv recv;
};

async(async_main)
{
    async_begin;
    if (kio_oneshot_channel(&self->tx, &self->rx, sizeof(int)))
        async_return(1);
    kio_oneshot_rx_close(&self->rx);
    if (kio_oneshot_try_recv(&self->rx, &self->value))
        async_return(1);
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    async_return(0);
}

kio_main(async_main)
