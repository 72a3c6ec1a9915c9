/* The network in memory, on a runtime whose tasks move between threads. */
/* expect: kio_net_connect on a multi_thread runtime */
/* expect: fix: use a current_thread or deterministic runtime */
#include <kioto.h>
#include <kioto/test.h>

struct async_main {
    async_fn(void);
    struct kio_net *net;
    struct kio_stream stream;
    struct kio_net_connect connect;
};

async(async_main)
{
    async_begin;
    if (kio_net_new(&self->net, NULL))
        async_return();
    await(kio_net_connect(&self->connect, self->net, "a", "b:1", &self->stream));
    async_return();
}

kio_main(async_main, .flavor = KIO_MULTI_THREAD)
