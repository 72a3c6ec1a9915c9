/* A box's result is read before the box has ended. */
/* expect: box_output_early\.c:[0-9]+: kio_boxed_output of a box that has not ended */
/* expect: fix: await the box, and look at its out first */
#include <kioto.h>

struct slow {
    async_fn(int);
    struct kio_sleep nap;
};

async(slow)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return(1);
}

struct async_main {
    async_fn(void);
    struct kio_boxed box;
    int early;
};

async(async_main)
{
    async_begin;
    kio_box(&self->box, slow);
    self->early = *kio_boxed_output(&self->box, int);
    await(&self->box);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
