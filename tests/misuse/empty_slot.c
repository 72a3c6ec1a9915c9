/* An empty slot is awaited. */
/* expect: empty_slot\.c:[0-9]+: async_main awaits an empty slot: &self->nap */
/* expect: fix: make the future in its slot first */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
};

async(async_main)
{
    async_begin;
    await(&self->nap);
    async_return();
}

kio_main(async_main)
