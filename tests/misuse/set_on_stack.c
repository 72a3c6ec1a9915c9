/* A set in a C local would be gone with its members at the first await. */
/* expect: set_on_stack\.c:[0-9]+: kio_future_set was given a C local as the set */
/* expect: fix: keep it in `self` */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
};

async(async_main)
{
    async_begin;
    struct kio_future_set set = { 0 };
    if (kio_future_set_push(&set, kio_sleep(&self->nap, KIO_MS)))
        async_return();
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
