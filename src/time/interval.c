/* Ticks at a steady rate, and what to do when the owner came late. */
#include <kioto/time.h>

#include "../future/guard.h"

#include <errno.h>

/* Later than this is a missed tick; within it the plan stays as it was. 5 ms as Tokio: less is
 * the jitter of any busy machine. */
#define KI_TICK_LATE (5 * KIO_MS)

int kio_interval_at(struct kio_interval *interval, kio_instant first, kio_duration period)
{
    if (period <= 0)
        return -EINVAL;
    *interval = (struct kio_interval){ .next = first, .period = period };
    return 0;
}

int kio_interval(struct kio_interval *interval, kio_duration period)
{
    return kio_interval_at(interval, kio_now(), period);
}

void kio_interval_reset(struct kio_interval *interval)
{
    interval->next = kio_now() + interval->period;
}

static kio_instant after(const struct kio_interval *i, kio_instant due, kio_instant now)
{
    if (now - due > KI_TICK_LATE) {
        switch (i->missed) {
        case KIO_TICK_BURST:
            break;
        case KIO_TICK_DELAY:
            return now + i->period;
        case KIO_TICK_SKIP:
            return now + i->period - (now - due) % i->period;
        }
    }
    return due + i->period;
}

static kio_poll tick_poll(kio_future *f, kio_context *cx)
{
    struct kio_tick *self = (struct kio_tick *)f;
    kio_instant due = self->interval->next;

    if (!f->state) {
        kio_adopt_(f, &kio_sleep_until(&self->sleep, due)->kio);
        f->state = self;
    }
    if (kio_poll_(&self->sleep.kio, cx) == KIO_PENDING)
        return KIO_PENDING;
    self->interval->next = after(self->interval, due, kio_now());
    self->out = due;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type tick_type = {
    .name = "kio_tick",
    .size = sizeof(struct kio_tick),
    .poll = tick_poll,
    .out_offset = offsetof(struct kio_tick, out),
    .out_size = sizeof(kio_instant),
};

struct kio_tick *kio_tick(struct kio_tick *slot, struct kio_interval *interval)
{
    kio_guard_borrow_(interval, "kio_tick", "interval");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_tick){ .kio = { .type = &tick_type }, .interval = interval };
    return slot;
}
