/*
 * Time: durations, sleeping, intervals, timeouts, and a clock that tests can stop.
 *
 *     await(kio_sleep(&self->nap, 50 * KIO_MS));
 *
 *     await(kio_timeout(&self->limit, 5 * KIO_SEC, kio_recv(&self->recv, &self->rx, &self->msg)));
 *     if (self->limit.out == -ETIMEDOUT)
 *         …                                           // the receive was dropped
 *
 * A duration is int64 nanoseconds, an instant nanoseconds of the monotonic clock. Timers lie on a
 * grid of 0.26 ms: never early, at most one tick late on an idle runtime. Zero, negative and past
 * are ready at the first poll; a duration beyond the clock's range means "far".
 * Every future here needs a runtime, and may be dropped while pending (Cancel: safe).
 */
#ifndef KIOTO_TIME_H
#define KIOTO_TIME_H

#include "async.h"

typedef int64_t kio_duration; /* nanoseconds */
typedef int64_t kio_instant;  /* nanoseconds of the runtime's monotonic clock */

#define KIO_NS  INT64_C(1)
#define KIO_US  INT64_C(1000)
#define KIO_MS  INT64_C(1000000)
#define KIO_SEC INT64_C(1000000000)
#define KIO_MIN (60 * KIO_SEC)

/* One entry of a timer wheel. Private. */
struct kio_timer_ {
    kio_waker waker;
    struct kio_timer_ *next, **prev; /* prev NULL: not armed */
    int64_t deadline_ns;
};

/**
 * kio_now(): the time of the current runtime's clock, or the system's monotonic one outside.
 *
 * Returns: nanoseconds; stands still while the clock is paused
 * Threads: any
 * Cost:    one clock reading
 * Since:   0.1
 */
KIO_API kio_instant kio_now(void);

/* A future that is ready at a point in time. */
struct kio_sleep {
    KIO_AROUND_WAKER_(void, struct kio_timer_ timer); /* private */
};

/**
 * kio_sleep(slot, duration): wait for a while.
 *
 * The time runs from this call, not from the first poll.
 *
 * slot     where the future lives, in the caller's state; what lived there is dropped
 * duration nanoseconds; zero or less: ready at the first poll
 *
 * Cancel:  safe
 * Threads: owner
 * Cost:    no allocation, no system call
 * Since:   0.1
 * See:     kio_sleep_until(), kio_sleep_reset(); src/time/sleep.c
 */
KIO_API struct kio_sleep *kio_sleep(struct kio_sleep *slot, kio_duration duration);

/* kio_sleep_until(slot, deadline): wait until an instant. As kio_sleep(). */
KIO_API struct kio_sleep *kio_sleep_until(struct kio_sleep *slot, kio_instant deadline);

/**
 * kio_sleep_reset(sleep, deadline): move a sleep that lives in its slot to another instant.
 *
 * Works while it waits, before its first poll and after it ended (then it can be awaited again).
 * An async function that awaits or owns it goes on owning it. An instant that is past wakes whoever
 * waits. The timer moves to the runtime that this is called on, as it does to one that polls it. While it
 * waits on a current_thread runtime nobody else's thread may touch it.
 *
 * Threads: owner, on a runtime
 * Cost:    no allocation, however often
 * Since:   0.1
 */
KIO_API void kio_sleep_reset(struct kio_sleep *sleep, kio_instant deadline);

/* kio_sleep_deadline(sleep): the instant it waits for. */
static inline kio_instant kio_sleep_deadline(const struct kio_sleep *sleep)
{
    return sleep->timer.deadline_ns;
}

/* What an interval does when its owner came late (by more than 5 ms). */
enum kio_missed_tick {
    KIO_TICK_BURST, /* catch up: the missed ticks follow at once */
    KIO_TICK_DELAY, /* the next tick is one period after this one was seen */
    KIO_TICK_SKIP,  /* the next tick is the next multiple of the period that lies ahead */
};

struct kio_tick;

struct kio_interval {
    /* private from here on */
    kio_instant next;
    kio_duration period;
    enum kio_missed_tick missed;
    struct kio_tick *waiting; /* NULL: none */
};

/**
 * kio_interval(interval, period): ticks at a steady rate; the first tick is at once.
 *
 * interval written; a plain struct: nothing to release
 * period   nanoseconds, more than zero
 *
 * Returns: 0
 * Errors:  -EINVAL: the period is zero or negative; interval is untouched
 * Threads: owner
 * Since:   0.1
 * See:     kio_tick(), kio_interval_missed()
 */
KIO_API KIO_MUST_USE int kio_interval(struct kio_interval *interval, kio_duration period);

/* kio_interval_at(interval, first, period): as kio_interval(), the first tick at an instant. */
KIO_API KIO_MUST_USE int kio_interval_at(struct kio_interval *interval, kio_instant first,
                                         kio_duration period);

/* kio_interval_missed(interval, what): how to go on after missed ticks; burst until called. */
static inline void kio_interval_missed(struct kio_interval *interval, enum kio_missed_tick what)
{
    interval->missed = what;
}

/* kio_interval_period(interval): nanoseconds from tick to tick. */
static inline kio_duration kio_interval_period(const struct kio_interval *interval)
{
    return interval->period;
}

/**
 * kio_interval_reset(interval): have the next tick one period from now, and go on from there.
 *
 * A tick that waits meanwhile waits for the new time.
 *
 * Threads: owner
 * Since:   0.1
 * See:     kio_interval_reset_immediately(): now; kio_interval_reset_after(): a duration from now;
 *          kio_interval_reset_at(): at an instant
 */
KIO_API void kio_interval_reset(struct kio_interval *interval);
KIO_API void kio_interval_reset_immediately(struct kio_interval *interval);
KIO_API void kio_interval_reset_after(struct kio_interval *interval, kio_duration duration);
KIO_API void kio_interval_reset_at(struct kio_interval *interval, kio_instant next);

struct kio_tick {
    KIO_ASYNC_FN(kio_instant); /* the instant the tick was due at */
    /* private from here on */
    struct kio_interval *interval;
    struct kio_sleep sleep;
};

/**
 * kio_tick(slot, interval): wait for the next tick.
 *
 * interval borrowed until the future ends
 *
 * Out:     the instant at which the tick was due
 * Cancel:  safe: the tick is not used up
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_tick *kio_tick(struct kio_tick *slot, struct kio_interval *interval);

struct kio_timeout {
    KIO_ASYNC_FN(int); /* 0: the future ended; -ETIMEDOUT */
    /* private from here on */
    kio_future *inner;
    struct kio_sleep limit;
};

/**
 * kio_timeout(slot, duration, future): give a future a time limit.
 *
 * The future is polled first, so one that is ready wins even with a limit of zero. When the time
 * is over the future is dropped, unless the caller owns it (async_let).
 *
 * future   pointer to any future's struct; its result is in its own `out`
 *
 * Out:     0: the future has ended; -ETIMEDOUT: it has not
 * Cancel:  as the future's
 * Threads: owner
 * Since:   0.1
 */
#define kio_timeout(slot, duration, future) kio_timeout_(slot, duration, &(future)->kio)
KIO_API struct kio_timeout *kio_timeout_(struct kio_timeout *slot, kio_duration duration,
                                         kio_future *inner);

/* kio_timeout_at(slot, deadline, future): as kio_timeout(), until an instant. */
#define kio_timeout_at(slot, deadline, future) kio_timeout_at_(slot, deadline, &(future)->kio)
KIO_API struct kio_timeout *kio_timeout_at_(struct kio_timeout *slot, kio_instant deadline,
                                            kio_future *inner);

/**
 * kio_time_pause(): stop the current runtime's clock.
 *
 * While it stands, a runtime that has nothing to run jumps to its next timer, so an hour of
 * sleeps takes no time. Jobs on the blocking pool hold the jump. kio_time_resume() goes on from
 * the time shown.
 *
 * Returns: 0
 * Errors:  -ENOTSUP: not on a current_thread runtime
 * Threads: on the runtime
 * Since:   0.1
 */
KIO_API int kio_time_pause(void);
KIO_API int kio_time_resume(void);

struct kio_time_advance {
    KIO_ASYNC_FN(int);
    /* private from here on */
    bool arrived;
    kio_duration by;
    kio_instant until;
};

/**
 * kio_time_advance(slot, duration): move a paused clock by hand.
 *
 * Timers that come due on the way fire in order, each at its own time, and the tasks they wake
 * run before the clock moves on.
 *
 * Out:     0; -ENOTSUP: the clock is not paused
 * Cancel:  partial: the clock stays where it got to
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_time_advance *kio_time_advance(struct kio_time_advance *slot,
                                                  kio_duration duration);

#endif
