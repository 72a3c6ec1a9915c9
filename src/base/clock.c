#include "clock.h"

#include <time.h>

int64_t ki_clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t ki_clock_coarse(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void ki_clock_init(struct ki_clock *clock)
{
    *clock = (struct ki_clock){ .now_ns = ki_clock_now(), .ticks = ki_cpu_ticks() };
    clock->counter_ok = clock->ticks != 0;
}

int64_t ki_clock_refresh(struct ki_clock *clock)
{
    int64_t now_ns;
    uint64_t ticks;

    if (clock->paused)
        return clock->now_ns;
    /* Counter first: an interrupt between the two readings makes the bound larger, not smaller. */
    ticks = ki_cpu_ticks();
    now_ns = ki_clock_now() + clock->shift_ns;
    /* A counter slower than 1 GHz would let "stale" times pass for fresh. */
    if (clock->counter_ok && now_ns - clock->now_ns > KI_CLOCK_STALE_NS &&
        ticks - clock->ticks < (uint64_t)(now_ns - clock->now_ns) / 64 * 63)
        clock->counter_ok = false;
    clock->ticks = ticks;
    if (now_ns > clock->now_ns)
        clock->now_ns = now_ns;
    return clock->now_ns;
}

void ki_clock_pause(struct ki_clock *clock)
{
    ki_clock_refresh(clock);
    clock->paused = true;
}

void ki_clock_resume(struct ki_clock *clock)
{
    if (!clock->paused)
        return;
    clock->shift_ns = clock->now_ns - ki_clock_now();
    clock->paused = false;
    clock->ticks = ki_cpu_ticks();
}

void ki_clock_jump(struct ki_clock *clock, int64_t at_ns)
{
    if (at_ns > clock->now_ns)
        clock->now_ns = at_ns;
}
