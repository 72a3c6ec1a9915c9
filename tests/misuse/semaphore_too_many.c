/* More permits are given back than there may be. */
/* expect: semaphore_too_many\.c:[0-9]+: kio_release: a semaphore has at most KIO_SEMAPHORE_MAX permits */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_semaphore s;
};

async(async_main)
{
    async_begin;
    kio_semaphore_init(&self->s, KIO_SEMAPHORE_MAX - 1);
    kio_release(&self->s, 1);
    kio_release(&self->s, 1);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
