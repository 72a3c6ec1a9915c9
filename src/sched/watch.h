/*
 * The seam to the watchdog: what it may see of a worker, and how it sleeps while nothing runs.
 *
 * A worker is in a poll while its run.self is a task; which poll it is, `polls` tells. Both are
 * stored for other reasons or cost a store a poll, so a watchdog adds nothing to one. It looks some
 * times in each threshold: the same poll in all of them is a worker that is stuck.
 *
 * While no worker is awake the watchdog sleeps on `asleep`. The race: the last worker parks while
 * the watchdog looks, or one wakes: the worker stores awake, then loads asleep; the watchdog stores
 * asleep, then loads every awake; all seq_cst (store-load on two words), so one sees the other.
 *
 * Access: awake, tid: the worker's thread writes. the rest: the watchdog alone.
 */
#ifndef KI_SCHED_WATCH_H
#define KI_SCHED_WATCH_H

#include "../base/lock.h"

struct ki_watch {
    ki_atomic(uint32_t) asleep; /* a futex */
    int signal;                 /* asks a stuck thread for its stack, see base/interrupt.h */
};

struct ki_watched {
    ki_atomic(uint32_t) awake;
    ki_atomic(int) tid; /* the kernel's number of the thread that works; 0: none */
    bool was_blocked;   /* current_thread: the signal was, before */
    uint64_t seen_polls;
    int64_t seen_ns; /* when that poll was seen first */
    bool in_poll;
    bool reported, told; /* found stuck; and it had not moved on when that was to be told */
    bool covered;        /* a spare was asked to stand in */
};

/* The worker will run tasks from now on; after a sleep, or at its start. */
static inline void ki_watch_awake(struct ki_watch *watch, struct ki_watched *w)
{
    /* before the look at asleep: see the race. The exchange only chooses one to wake: any order would do. */
    ki_store_seq_cst(&w->awake, 1);
    if (ki_load_seq_cst(&watch->asleep) && ki_xchg_seq_cst(&watch->asleep, 0))
        ki_futex_wake(&watch->asleep, 1);
}

static inline void ki_watch_asleep(struct ki_watched *w)
{
    /* relaxed: a watchdog that sees it late looks once more than needed */
    ki_store_relaxed(&w->awake, 0);
}

/* The thread that works for w from now on, or (end) no more. */
void ki_watch_begin(struct ki_watch *watch, struct ki_watched *w);
void ki_watch_end(struct ki_watch *watch, struct ki_watched *w);

#endif
