/* Two futures that wait for the same delay queue: one of them would never be woken. */
/* expect: two futures wait for the same kio_delay_queue */
/* expect: fix: await one kio_delay_queue_next\(\) of a queue at a time */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_delay_queue queue;
    struct kio_delay_queue_next next[2];
    struct kio_join both;
    int value[2];
};

async(async_main)
{
    async_begin;
    kio_delay_queue(&self->queue, sizeof(int));
    if (kio_delay_queue_insert(&self->queue, &self->value[0], KIO_SEC, NULL))
        async_return();
    await(kio_join(&self->both, kio_delay_queue_next(&self->next[0], &self->queue, &self->value[0]),
                   kio_delay_queue_next(&self->next[1], &self->queue, &self->value[1])));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
