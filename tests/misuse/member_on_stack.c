/* A combinator is given a future that lives in a C local. */
/* expect: member_on_stack\.c:[0-9]+: kio_select was given a C local as a member */
/* expect: fix: keep it in `self` */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
    struct kio_select race;
};

async(async_main)
{
    async_begin;
    struct kio_sleep local = { 0 };
    await(kio_select(&self->race, kio_sleep(&self->nap, KIO_MS), kio_sleep(&local, KIO_MS)));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
