/* Permits of two semaphores are merged. */
/* expect: permits_of_two\.c:[0-9]+: kio_permits_merge of permits of two semaphores */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_semaphore s, t;
    struct kio_permits p, q;
};

async(async_main)
{
    async_begin;
    kio_semaphore_init(&self->s, 1);
    kio_semaphore_init(&self->t, 1);
    await(kio_permits(&self->p, &self->s, 1));
    await(kio_permits(&self->q, &self->t, 1));
    kio_permits_merge(&self->p, &self->q);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
