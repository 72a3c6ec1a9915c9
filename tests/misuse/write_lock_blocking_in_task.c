/* The blocking form of an rwlock's write lock inside a task. */
/* expect: write_lock_blocking_in_task\.c:[0-9]+: kio_blocking_write_lock inside a task */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_rwlock lock;
    struct kio_rw_guard guard;
};

async(async_main)
{
    async_begin;
    kio_blocking_write_lock(&self->guard, &self->lock);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
