/*
 * The driver: implements sched/park.h. One turn = a wait, the timers that are due, then the I/O
 * that was fetched; what they wake goes to the calling worker's queue, in that order.
 *
 * One struct ki_driver a worker (its wheel and its clock), one struct ki_drivers a runtime (the
 * poller). On current_thread the one wheel needs no lock and the wait's timeout is the alarm. On
 * multi_thread each wheel has a lock, because a timer may be cancelled from another worker, and
 * because whoever comes by fires what is due in any wheel; the alarm of the sleepers is a timerfd
 * in the epoll set, so the kernel wakes one of them.
 *
 * Access: wheel and a timer's links, waker: under the lock (multi_thread), or the thread's own; whether a
 * timer's prev is NULL its owner sees without it. clock: the worker's own. next_ns: written under the
 * lock, read by everybody.
 *
 * A timer does not know its driver: its owner remembers it from the arming on, and hands it to each call.
 */
#ifndef KI_DRIVER_DRIVER_H
#define KI_DRIVER_DRIVER_H

#include "../base/clock.h"
#include "../base/lock.h"
#include "../sched/park.h"
#include "poller.h"
#include "wheel.h"

struct ki_drivers;

struct ki_driver {
    struct ki_drivers *all;
    struct ki_clock clock;
    struct ki_lock lock;
    ki_atomic(int64_t) next_ns; /* no timer of the wheel is due before; INT64_MAX: none */
    struct ki_wheel wheel;
    struct ki_driver *older; /* link of ki_drivers.more; fixed */
};

struct ki_drivers {
    struct ki_park park;
    struct ki_poller poller;
    unsigned count;
    bool shared; /* multi_thread: lock, and use the timerfd */
    struct ki_lock alarm_lock;
    ki_atomic(int64_t) alarm_ns; /* the timerfd fires then; INT64_MAX: it does not */
    /* Jobs in flight hold the jump of a paused clock; may be NULL. */
    unsigned (*busy)(void *arg);
    void *busy_arg;
    ki_atomic(uint32_t) held; /* a paused clock waits for the jobs' end */
    ki_atomic(struct ki_driver *) more; /* of spare workers; a new one comes first, none goes */
    struct ki_driver each[];
};

/* This thread's; NULL: no runtime here. */
extern _Thread_local struct ki_driver *ki_driver_here;

/* NULL and *err: a negative errno. */
KIO_MUST_USE struct ki_drivers *ki_drivers_new(unsigned count, bool shared, int *err);
void ki_drivers_free(struct ki_drivers *all);
/* multi_thread: one more; its timers are looked after by everybody. NULL: no memory. One caller at
 * a time. */
KIO_MUST_USE struct ki_driver *ki_drivers_more(struct ki_drivers *all);

/* Now by this driver's clock, at most a little later; see base/clock.h. */
static inline int64_t ki_driver_now(struct ki_driver *d)
{
    return ki_clock_bound(&d->clock);
}

/* Arms a timer that is not armed; its deadline_ns is set. The waker is cloned. */
void ki_timer_arm(struct ki_driver *d, struct kio_timer_ *t, kio_waker waker);

/* Of one that was armed: still armed, its waker is now this one, true. Fired, or an orphan: false. */
bool ki_timer_rearm(struct ki_driver *d, struct kio_timer_ *t, kio_waker waker);

/* Its runtime, and with it its driver, was freed while it was armed. */
static inline bool ki_timer_is_orphan(const struct kio_timer_ *t)
{
    /* relaxed: nobody polls it while its runtime is freed */
    return ki_bare_load_relaxed(&t->prev) == &t->next;
}

/* Still armed, in another runtime than this thread's. */
static inline bool ki_timer_is_elsewhere(const struct ki_driver *d, const struct kio_timer_ *t)
{
    /* relaxed: the driver is older than the timer's arming, which is the caller's own. Of one that is not
     * armed it may be gone. */
    return ki_bare_load_relaxed(&t->prev) && !ki_timer_is_orphan(t) && ki_driver_here &&
           d->all != ki_driver_here->all;
}

/* Of one that was armed: afterwards nobody else touches it. Gives its waker to the caller, of one that fired
 * an empty one. */
kio_waker ki_timer_take(struct ki_driver *d, struct kio_timer_ *t);

static inline void ki_timer_cancel(struct ki_driver *d, struct kio_timer_ *t)
{
    kio_waker_drop(ki_timer_take(d, t));
}

/* The last job has ended: a paused clock that waits for it goes on. Any thread. */
void ki_drivers_quiet(struct ki_drivers *all);

/* Timers armed in all wheels: a statistic. Any thread. */
size_t ki_drivers_timers(struct ki_drivers *all);

/* Paused clock only: goes to the next timer due up to at_ns, and fires what is due then; true:
 * there was none, and the clock shows at_ns. */
bool ki_driver_step(struct ki_driver *d, int64_t at_ns);
/* Before the first timer, on a paused clock: it shows at_ns. */
void ki_driver_start_at(struct ki_driver *d, int64_t at_ns);

#endif
