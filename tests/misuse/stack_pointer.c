/* A pointer to a C local is handed to a future that may outlive this poll. */
/* expect: stack_pointer\.c:[0-9]+: .*kio_recv.*value */
/* expect: fix: */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
};

async(async_main)
{
    int value;

    async_begin;
    if (kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1))
        async_return();
    await(kio_recv(&self->recv, &self->rx, &value));
    async_return();
}

kio_main(async_main)
