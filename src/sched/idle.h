/*
 * Who searches, who sleeps, who is woken next.
 *
 * Sleepers are anonymous: all wait in one epoll, and the kernel picks one for each wake, each I/O
 * event and each timer. A worker that blocks in a task therefore never takes the driver with it.
 *
 *   sleepers   workers that sleep or are about to
 *   searching  workers that look for work in others' queues; at most half of them, so that a
 *              burst does not set everybody running through everybody's queues
 *   waking     a wake was sent and nobody has come back yet: no second one is needed
 *   resting    sleepers that no work in a queue is to wake (worth.h), for less than a millisecond
 *
 * Waking another core costs as much as three hundred yields, so it is done late and for one: only
 * when nobody searches and none is on its way, and when there is more work than the worker at
 * hand runs next. The last searcher that finds work passes it on, so a burst wakes one after
 * another as long as there is work.
 *
 * The race with going to sleep, for work pushed from outside (the inject queue): the pusher adds
 * to len, then looks at sleepers, searching and waking; the worker leaves searching, joins
 * sleepers, then looks at len; all seq_cst. If the pusher saw a searcher, that one looks again
 * after it left; if it saw waking, that one clears it and looks. So somebody sees the task.
 *
 * Work pushed on a worker's own queue is looked at with relaxed loads: a wake that is missed in
 * that window costs no task its turn, as the pusher is awake and runs it, only some parallelism
 * for a while: while one worker is awake and another asleep, the sleepers' alarm goes off every
 * 10 ms (KI_BEAT_NS), and who comes back looks through all queues.
 */
#ifndef KI_SCHED_IDLE_H
#define KI_SCHED_IDLE_H

#include "../base/atomic.h"
#include "../base/cpu.h"
#include "park.h"

#include <stdbool.h>

#define KI_BEAT_NS 10000000

struct ki_idle {
    unsigned workers;
    KI_CACHE_ALIGNED ki_atomic(uint32_t) sleepers;
    ki_atomic(uint32_t) searching;
    ki_atomic(uint32_t) waking;
    ki_atomic(uint32_t) resting;
};

/* Somebody sleeps whom work in a queue may wake. relaxed, both: see the last of the above. */
static inline bool ki_idle_wakeable(struct ki_idle *idle)
{
    uint32_t sleepers = ki_load_relaxed(&idle->sleepers);

    return sleepers && sleepers > ki_load_relaxed(&idle->resting);
}

/* There is work for somebody else. strict: pushed from outside, see the race above. */
static inline void ki_idle_notify(struct ki_idle *idle, struct ki_park *park, bool strict)
{
    uint32_t nobody = 0;

    if (strict) {
        /* seq_cst: sleepers, see the race. For the other two any order would do: who is seen among the
         * sleepers left searching and cleared waking before. */
        if (!ki_load_seq_cst(&idle->sleepers) || ki_load_seq_cst(&idle->searching))
            return;
    } else {
        /* relaxed: see above */
        if (!ki_idle_wakeable(idle) || ki_load_relaxed(&idle->searching) || ki_load_relaxed(&idle->waking))
            return;
    }
    /* seq_cst: as searching */
    if (ki_cas_strong_seq_cst(&idle->waking, &nobody, 1))
        park->unpark(park);
}

/* May this worker search? True: it counts as searching until ki_idle_found or _gave_up. */
static inline bool ki_idle_search(struct ki_idle *idle)
{
    /* relaxed: a bound, not a lock; one too many does no harm. The add in any order: that one searches only
     * saves a wake, that it has left is what must be seen. */
    if (2 * ki_load_relaxed(&idle->searching) >= idle->workers)
        return false;
    ki_fetch_add_seq_cst(&idle->searching, 1);
    return true;
}

/* True: this was the last one searching; if there is more work somebody must be told. (Any order would do:
 * who has found a task is awake, and looks at every queue before it sleeps.) */
static inline bool ki_idle_found(struct ki_idle *idle)
{
    return ki_fetch_sub_seq_cst(&idle->searching, 1) == 1;
}

/* About to sleep; look at the inject queue (and every other) once more after this. */
static inline void ki_idle_enter(struct ki_idle *idle, bool searching)
{
    if (searching)
        ki_fetch_sub_seq_cst(&idle->searching, 1); /* before the last look: see the race */
    /* Brings the store before it along for who sees this worker among the sleepers. */
    ki_fetch_add_seq_cst(&idle->sleepers, 1);
}

/* A worker that does not sleep got the wake; look at the queues after this. (Any order would do for no task
 * to be lost: who sees this worker asleep later acquires the store. seq_cst: if it stays awake for long, it
 * looks itself or somebody else is woken.) */
static inline void ki_idle_took_wake(struct ki_idle *idle)
{
    ki_store_seq_cst(&idle->waking, 0); /* before the look */
}

/* Back from sleep; look at the inject queue after this. */
static inline void ki_idle_leave(struct ki_idle *idle)
{
    ki_store_seq_cst(&idle->waking, 0); /* before the look at the inject queue: as ki_idle_took_wake */
    ki_fetch_sub_seq_cst(&idle->sleepers, 1); /* any order: one too many for a while costs a wake */
}

#endif
