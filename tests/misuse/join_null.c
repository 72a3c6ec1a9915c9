/* A join is given NULL, which only a select takes. */
/* expect: join_null\.c:[0-9]+: kio_join was given NULL */
/* expect: fix: leave it out, or use kio_select */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
    struct kio_join both;
};

async(async_main)
{
    async_begin;
    await(kio_join(&self->both, kio_sleep(&self->nap, KIO_MS), NULL));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
