/* Ticks at a steady rate, and what to do when the owner came late. */
#include <kioto/time.h>

#include "../base/clock.h"
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

/* A tick that waits follows. */
void kio_interval_reset_at(struct kio_interval *interval, kio_instant next)
{
    interval->next = next;
    if (interval->waiting)
        kio_sleep_reset(&interval->waiting->sleep, next);
}

void kio_interval_reset(struct kio_interval *interval)
{
    kio_interval_reset_at(interval, ki_clock_add(kio_now(), interval->period));
}

void kio_interval_reset_after(struct kio_interval *interval, kio_duration duration)
{
    kio_interval_reset_at(interval, ki_clock_add(kio_now(), duration));
}

void kio_interval_reset_immediately(struct kio_interval *interval)
{
    kio_interval_reset_at(interval, kio_now());
}

static kio_instant after(const struct kio_interval *i, kio_instant due, kio_instant now)
{
    uint64_t late = (uint64_t)now - (uint64_t)due; /* due is not later than now, perhaps far below 0 */

    if (late > KI_TICK_LATE) {
        switch (i->missed) {
        case KIO_TICK_BURST:
            break;
        case KIO_TICK_DELAY:
            return ki_clock_add(now, i->period);
        case KIO_TICK_SKIP:
            return ki_clock_add(now, i->period - (kio_duration)(late % (uint64_t)i->period));
        }
    }
    return ki_clock_add(due, i->period);
}

static kio_poll tick_poll(kio_future *f, kio_context *cx)
{
    struct kio_tick *self = (struct kio_tick *)f;
    kio_instant due = self->interval->next;

    if (!f->state) {
        kio_adopt_(f, &kio_sleep_until(&self->sleep, due)->kio);
        f->state = self;
    }
    if (kio_poll_(&self->sleep.kio, cx) == KIO_PENDING) {
        self->interval->waiting = self;
        return KIO_PENDING;
    }
    self->interval->next = after(self->interval, due, kio_now());
    self->out = due;
    kio_finish(f);
    return KIO_READY;
}

static void tick_drop(kio_future *f)
{
    struct kio_tick *self = (struct kio_tick *)f;

    if (self->interval->waiting == self)
        self->interval->waiting = NULL;
}

static const kio_future_type tick_type = {
    .name = "kio_tick",
    .size = sizeof(struct kio_tick),
    .poll = tick_poll,
    .drop = tick_drop,
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
