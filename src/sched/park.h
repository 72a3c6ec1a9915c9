/*
 * The seam: how a worker sleeps and is woken. The scheduler declares it, the driver implements it.
 */
#ifndef KI_SCHED_PARK_H
#define KI_SCHED_PARK_H

#include <stdint.h>

/* What a turn took out of the kernel that was meant for whoever sleeps. */
enum {
    KI_TURN_WOKEN = 1, /* an unpark */
    KI_TURN_ALARM = 2, /* the alarm; timers have their own set again */
};

struct ki_park {
    /* One turn: timers that are due, I/O that is ready, waking what waits for them. Sleeps before
     * for at most max_ns (0: not at all; negative: until something happens). `local` is the
     * calling worker's driver. Gives KI_TURN_... */
    unsigned (*turn)(struct ki_park *self, void *local, int64_t max_ns);
    /* Any thread: one sleeping worker, or the next to sleep, comes back. */
    void (*unpark)(struct ki_park *self);
    /* Who sleeps must be woken within max_ns from now, even if nothing happens. */
    void (*alarm)(struct ki_park *self, int64_t max_ns);
};

#endif
