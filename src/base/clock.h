/*
 * Monotonic nanoseconds, and a reading that is cheaper than the clock.
 *
 * ki_clock_now() asks the kernel (26 ns). A timer made in a poll needs "now", but only so well: a
 * struct ki_clock keeps the last reading with the processor's tick counter beside it, and while
 * the counter has moved by less than KI_CLOCK_STALE_TICKS it answers with the last reading plus
 * KI_CLOCK_STALE_NS, an upper bound of the time since (counters run at 1 GHz or more; one that
 * proves slower is not trusted). So a deadline is never early, and at most that much late.
 *
 * A paused clock stands still until it is moved by hand: virtual time for tests.
 */
#ifndef KI_BASE_CLOCK_H
#define KI_BASE_CLOCK_H

#include "cpu.h"

#include <kioto/config.h>

#define KI_CLOCK_STALE_TICKS 65536
#define KI_CLOCK_STALE_NS    65536
#define KI_CLOCK_FAR_NS      50000000

struct ki_clock {
    int64_t now_ns;
    uint64_t ticks;    /* counter at that reading */
    bool counter_ok;   /* the counter exists and runs at 1 GHz or more */
    bool paused;
    int64_t shift_ns;  /* added to the kernel's time: what pauses took out and advances put in */
};

int64_t ki_clock_now(void);

void ki_clock_init(struct ki_clock *clock);
/* Reads the kernel's clock (unless paused) and returns now. */
int64_t ki_clock_refresh(struct ki_clock *clock);
void ki_clock_pause(struct ki_clock *clock);
void ki_clock_resume(struct ki_clock *clock);
/* Paused only: moves to at_ns; never back. */
void ki_clock_jump(struct ki_clock *clock, int64_t at_ns);

/* Now, or at most KI_CLOCK_STALE_NS later than now; never earlier than it was at the call. */
static inline int64_t ki_clock_bound(struct ki_clock *clock)
{
    if (clock->paused)
        return clock->now_ns;
    if (clock->counter_ok && ki_cpu_ticks() - clock->ticks < KI_CLOCK_STALE_TICKS)
        return clock->now_ns + KI_CLOCK_STALE_NS;
    return ki_clock_refresh(clock);
}

/* The kernel's time at its last tick, 10 ms ago at the most and mostly less: 3 ns. */
int64_t ki_clock_coarse(void);

/* Whether an instant has come. A far one has not by a look at the coarse time, which the counter is 8 ns
 * dearer than; were that ever later than KI_CLOCK_FAR_NS, one that has come would be armed, to fire soon. */
static inline bool ki_clock_has_come(struct ki_clock *clock, int64_t at_ns)
{
    if (at_ns <= clock->now_ns)
        return true;
    if (clock->paused || at_ns - KI_CLOCK_FAR_NS > ki_clock_coarse() + clock->shift_ns)
        return false;
    return at_ns <= ki_clock_refresh(clock);
}

/* deadline = now + d without overflow: INT64_MAX is "never". */
static inline int64_t ki_clock_add(int64_t now_ns, int64_t d_ns)
{
    int64_t sum;

    if (d_ns <= 0)
        return now_ns;
    return __builtin_add_overflow(now_ns, d_ns, &sum) ? INT64_MAX : sum;
}

#endif
