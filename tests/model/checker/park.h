/*
 * A scheduler's park: an eventfd in a few lines. An unpark adds to a counter, which one sleeper takes
 * whole. Acquire and release, and no more: nobody documents a stronger order of the kernel's. No alarm
 * ever goes off; a sleep with an end ends by itself when nobody else can go on.
 */
#ifndef MC_PARK_H
#define MC_PARK_H

#include "mc.h"
#include "base/atomic.h"
#include "base/lock.h"
#include "sched/park.h"

static ki_atomic(uint32_t) unparks;

static unsigned park_turn(struct ki_park *self, void *local, int64_t max_ns)
{
    (void)self, (void)local;
    if (max_ns < 0) {
        mc_wait((uint32_t *)&unparks);
        return KI_TURN_WOKEN;
    }
    if (max_ns > 0)
        ki_futex_wait(&unparks, 0, max_ns);
    if (!ki_xchg_acq_rel(&unparks, 0))
        return 0;
    return KI_TURN_WOKEN;
}

static void park_unpark(struct ki_park *self)
{
    (void)self;
    ki_xchg_acq_rel(&unparks, 1);
}

static void park_alarm(struct ki_park *self, int64_t max_ns)
{
    (void)self, (void)max_ns;
}

static struct ki_park the_park = { park_turn, park_unpark, park_alarm };

#endif
