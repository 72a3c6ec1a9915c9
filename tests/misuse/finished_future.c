/* A future that has finished is awaited again. */
/* expect: finished_future\.c:[0-9]+: async_main awaits kio_sleep, a future that has finished: &self->nap */
/* expect: fix: a future is awaited once */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
};

async(async_main)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    await(&self->nap);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
