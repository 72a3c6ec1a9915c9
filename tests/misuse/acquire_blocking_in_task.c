/* The blocking form of an acquire inside a task, although there is a permit. */
/* expect: acquire_blocking_in_task\.c:[0-9]+: kio_blocking_acquire inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
    struct kio_semaphore s;
};

async(async_main)
{
    async_begin;
    kio_semaphore_init(&self->s, 1);
    async_return(kio_blocking_acquire(&self->s, 1));
}

kio_main(async_main)
