/* A guard that was never awaited is split. */
/* expect: permits_of_none\.c:[0-9]+: kio_permits_split of a guard that holds no permits */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_semaphore s;
    struct kio_permits p, q;
};

async(async_main)
{
    async_begin;
    kio_semaphore_init(&self->s, 1);
    kio_permits(&self->p, &self->s, 1);
    async_return(kio_permits_split(&self->q, &self->p, 0));
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
