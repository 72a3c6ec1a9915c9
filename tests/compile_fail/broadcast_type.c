/* A broadcast is received into the wrong type. */
/* expect: the type of the value is not the type the channel was declared for */
#include <kioto.h>

kio_broadcast_type(news, int);

struct reader {
    async_fn(void);
    struct news_rx rx;
    long wrong;
    struct kio_broadcast_recv recv;
};

async(reader)
{
    async_begin;
    await(kio_broadcast_recv(&self->recv, &self->rx, &self->wrong));
    async_return();
}
