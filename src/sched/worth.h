/*
 * Does stealing pay? A stolen task costs both workers the cache lines it touches, 60 to 250 ns each, and
 * what it then shares with those that stayed behind costs that again and again. So a worker looks back when
 * it has run dry: if the work was over in no time, or its channels and locks went to and fro all the while,
 * it rests, twice as long each time, before it looks for work in others' queues again. Work that pays
 * ends that.
 *
 * It rests asleep in the driver: I/O, timers and what is pushed from outside wake it as ever; only work in
 * others' queues does not. So what that costs is bounded: a worker that gets stuck in one poll keeps what
 * is in its queue for KI_REST_MAX_NS longer, if the other one rests.
 *
 * Eight producers and a consumer on two workers: 150 000 steals for 2 million messages, 250 ns each where
 * the cores are far from each other, 50 where they are near; with rests 200 steals and 29 ns.
 */
#ifndef KI_SCHED_WORTH_H
#define KI_SCHED_WORTH_H

#include "../base/lock.h"

#include <stdbool.h>
#include <stdint.h>

/* A steal costs 1 to 3 us in all: less work than that many times over was not worth it. */
#define KI_STEAL_PAYS_NS 10000
#define KI_REST_MIN_NS   50000
#define KI_REST_MAX_NS   200000

/* What one contended look at a lock costs; friction is too much when it is half of the time. */
#define KI_FRICTION_NS 1000

struct ki_worth {
    int64_t since;   /* it runs what it stole; 0: it has run dry, or stole nothing */
    int64_t rest_ns; /* the last one; 0: the last steal paid */
    uint32_t friction;
};

/* The worker has stolen, and runs that from now on. */
static inline void ki_worth_stole(struct ki_worth *w, int64_t now_ns)
{
    w->since = now_ns;
    w->friction = ki_friction;
}

/* It runs what it stole, and fights with others for it. */
static inline bool ki_worth_grates(const struct ki_worth *w, int64_t now_ns)
{
    return (int64_t)(ki_friction - w->friction) * KI_FRICTION_NS > (now_ns - w->since) / 2;
}

/* Looks back at what it stole, which is done, or grates: how long to rest; 0: not at all. */
static inline int64_t ki_worth_judge(struct ki_worth *w, int64_t now_ns)
{
    int64_t ran_ns = now_ns - w->since;
    bool grates = ki_worth_grates(w, now_ns);

    w->since = 0;
    if (ran_ns >= KI_STEAL_PAYS_NS && !grates)
        return w->rest_ns = 0;
    w->rest_ns = w->rest_ns ? 2 * w->rest_ns : KI_REST_MIN_NS;
    if (w->rest_ns > KI_REST_MAX_NS)
        w->rest_ns = KI_REST_MAX_NS;
    return w->rest_ns;
}

#endif
