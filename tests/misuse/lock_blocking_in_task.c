/* The blocking form of a lock inside a task. */
/* expect: lock_blocking_in_task\.c:[0-9]+: kio_blocking_lock inside a task */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_mutex mutex;
    struct kio_lock guard;
};

async(async_main)
{
    async_begin;
    kio_blocking_lock(&self->guard, &self->mutex);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
