/* An array with a member that was never made. */
/* expect: join_empty_member\.c:[0-9]+: kio_join_all was given an empty slot */
/* expect: fix: make each future in its slot first */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep naps[3];
    struct kio_join_all all;
};

async(async_main)
{
    async_begin;
    kio_sleep(&self->naps[0], KIO_MS);
    kio_sleep(&self->naps[2], KIO_MS);
    await(kio_join_all(&self->all, self->naps, 3));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
