/* Sleeping: a timer of the current worker's wheel, armed at the first poll. */
#include "../driver/driver.h"
#include "../future/guard.h"
#include "../future/leaf.h"

/* kio.state besides NULL and over: the driver that it was armed with. */
static struct ki_driver *driver_of(const kio_future *f)
{
    return (struct ki_driver *)f->state;
}

static struct ki_driver *driver_or_guard(const char *call)
{
    struct ki_driver *d = ki_driver_here;

    if (kio_unlikely_(!d))
        ki_guard_fail(ki_guard_here(), "poll it in a task: kio_block_on or kio_spawn",
                      "%s is polled on a thread that runs no tasks of a runtime", call);
    return d;
}

static kio_poll sleep_poll(kio_future *f, kio_context *cx)
{
    struct kio_sleep *self = (struct kio_sleep *)f;

    if (f->state && kio_unlikely_(ki_timer_is_elsewhere(driver_of(f), &self->timer)))
        kio_sleep_reset(self, self->timer.deadline_ns); /* to this runtime */
    if (f->state) {
        if (ki_timer_rearm(driver_of(f), &self->timer, cx->waker))
            return KIO_PENDING;
        if (kio_unlikely_(ki_timer_is_orphan(&self->timer)))
            f->state = NULL;
    }
    if (!f->state) {
        struct ki_driver *d = driver_or_guard("kio_sleep");

        if (!ki_clock_has_come(&d->clock, self->timer.deadline_ns)) {
            ki_timer_arm(d, &self->timer, cx->waker);
            f->state = d;
            return KIO_PENDING;
        }
        if (!kio_coop_may_(cx))
            return KIO_PENDING;
    }
    kio_coop_did_(cx);
    return ki_ready_now(f); /* no longer armed */
}

static void sleep_drop(kio_future *f)
{
    if (f->state)
        ki_timer_cancel(driver_of(f), &((struct kio_sleep *)f)->timer);
}

static void sleep_describe(const kio_future *f, char *text, size_t cap)
{
    int64_t left = ((const struct kio_sleep *)f)->timer.deadline_ns - kio_now();

    snprintf(text, cap, "%lld ms left", (long long)(left / KIO_MS));
}

static const kio_future_type sleep_type = {
    .name = "kio_sleep",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_sleep),
    .poll = sleep_poll,
    .drop = sleep_drop,
    .describe = sleep_describe,
};

struct kio_sleep *kio_sleep_until(struct kio_sleep *slot, kio_instant deadline)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &sleep_type };
    slot->timer.deadline_ns = deadline;
    return slot;
}

struct kio_sleep *kio_sleep(struct kio_sleep *slot, kio_duration duration)
{
    struct ki_driver *d = ki_driver_here;

    /* The bound of now may lie ahead of now, which nothing must not wait for. */
    if (d && duration <= 0)
        return kio_sleep_until(slot, d->clock.now_ns);
    return kio_sleep_until(slot, ki_clock_add(d ? ki_driver_now(d) : ki_clock_now(), duration));
}

void kio_sleep_reset(struct kio_sleep *sleep, kio_instant deadline)
{
    kio_future *f = &sleep->kio;

    if (f->state && !kio_is_over_(f)) {
        struct ki_driver *d = driver_or_guard("kio_sleep_reset");
        kio_waker waker;

        /* The owner waits on: the waker stays, the timer moves (to this worker's wheel). Into the past:
         * it is over, as soon as the owner looks. */
        waker = ki_timer_take(driver_of(f), &sleep->timer);
        if (waker.to && deadline > d->clock.now_ns) {
            sleep->timer.deadline_ns = deadline;
            ki_timer_arm(d, &sleep->timer, waker);
            f->state = d;
            kio_waker_drop(waker);
            return;
        }
        kio_waker_wake(waker);
    }
    /* Not started, fired but not polled, or over: it starts anew at its next poll. */
    f->type = &sleep_type;
    f->state = NULL;
    sleep->timer.deadline_ns = deadline;
}
