/* The runtime's clock as users see it: reading, pausing, moving it by hand. */
#include "../driver/driver.h"

#include <errno.h>

kio_instant kio_now(void)
{
    return ki_driver_here ? ki_clock_refresh(&ki_driver_here->clock) : ki_clock_now();
}

/* A clock can stand still where one thread alone looks at it. */
static struct ki_driver *stoppable(void)
{
    return ki_driver_here && !ki_driver_here->all->shared ? ki_driver_here : NULL;
}

int kio_time_pause(void)
{
    struct ki_driver *d = stoppable();

    if (!d)
        return -ENOTSUP;
    ki_clock_pause(&d->clock);
    return 0;
}

int kio_time_resume(void)
{
    struct ki_driver *d = stoppable();

    if (!d)
        return -ENOTSUP;
    ki_clock_resume(&d->clock);
    return 0;
}

/* Each poll fires the timers of one instant, then goes to the back of the queue, so that what
 * they woke runs before the clock moves on. */
static kio_poll advance_poll(kio_future *f, kio_context *cx)
{
    struct kio_time_advance *self = (struct kio_time_advance *)f;
    struct ki_driver *d = stoppable();

    if (!d || !d->clock.paused) {
        self->out = -ENOTSUP;
        kio_finish(f);
        return KIO_READY;
    }
    if (!f->state) {
        f->state = self;
        self->until = ki_clock_add(d->clock.now_ns, self->by);
    }
    if (self->arrived) {
        self->out = 0;
        kio_finish(f);
        return KIO_READY;
    }
    self->arrived = ki_driver_step(d, self->until);
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type advance_type = {
    .name = "kio_time_advance",
    .size = sizeof(struct kio_time_advance),
    .poll = advance_poll,
    .out_offset = offsetof(struct kio_time_advance, out),
    .out_size = sizeof(int),
};

struct kio_time_advance *kio_time_advance(struct kio_time_advance *slot, kio_duration duration)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_time_advance){ .kio = { .type = &advance_type }, .by = duration };
    return slot;
}
