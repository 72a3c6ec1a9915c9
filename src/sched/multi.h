/*
 * What worker.c and spare.c share, and nobody else: a worker of multi_thread, and what the workers have
 * together. So the helpers have short names.
 */
#ifndef KI_SCHED_MULTI_H
#define KI_SCHED_MULTI_H

#include "sched.h"
#include "blocking.h"
#include "idle.h"
#include "inject.h"
#include "lifo.h"
#include "queue.h"
#include "worth.h"

#include <pthread.h>

struct mworker {
    struct ki_worker w;
    struct ki_multi *multi;
    unsigned index; /* spares count on from the workers */
    unsigned lifo_runs;
    pthread_t thread;
    struct ki_here *here; /* of its thread, while that runs; under ki_sched.look */
    bool is_spare;
    bool slept;       /* and has run nothing since */
    bool retiring;    /* a spare that was told that it is not needed */
    int64_t sleep_ns; /* at most; negative: until woken */
    struct ki_worth worth; /* of what it stole */
    struct ki_lifo lifo;
    struct ki_task *lingers; /* what the owner put in linger and did not take back; NULL: nothing */
    unsigned linger_skip;    /* so often it puts nothing there */
    struct ki_lifo linger;   /* the task polled last, when it waits: see worker.c */
    uint64_t polls_seen; /* what who beat last saw in w.polls; under ki_multi.beat */
    struct ki_queue queue;
    /* of spares */
    struct mworker *older;      /* the list of all; fixed */
    struct mworker *free;       /* the list of those that do nothing; under ki_multi.spare_lock */
    struct ki_job job;
};

struct ki_multi {
    struct ki_sched base;
    struct ki_multi_config config;
    char *memory;            /* of the workers: aligned by hand, see ki_multi_open */
    struct mworker *workers; /* while open */
    unsigned count;
    ki_atomic(uint32_t) ending;
    ki_atomic(uint32_t) looks; /* dumps that are being made, and one where there are no barriers */
    ki_atomic(uint32_t) running; /* threads that have not finished their loop; a futex */
    struct ki_lock beat;
    ki_atomic(struct mworker *) spares;   /* all there ever were; a new one comes first */
    ki_atomic(uint32_t) standing_in;      /* spares that run, or are about to */
    ki_atomic(int) surplus;               /* of them, those that are to retire; < 0: so many are
                                             missing, there was none to be had */
    struct ki_lock spare_lock;
    struct mworker *spare_free;
    unsigned spare_count;
    KI_CACHE_ALIGNED struct ki_inject inject;
    KI_CACHE_ALIGNED struct ki_idle idle;
};

static inline struct ki_multi *multi_of(struct ki_sched *sched)
{
    return (struct ki_multi *)sched; /* its first member */
}

static inline struct mworker *mworker_of(struct ki_worker *w)
{
    return (struct mworker *)w; /* its first member */
}

/* acquire: pairs with new_spare. */
#define each_spare(s, m)                                                                           \
    for (struct mworker *s = ki_load_acquire(&(m)->spares); s; s = s->older)

/* NULL: there is none with this index. */
static inline struct mworker *worker_at(struct ki_multi *m, unsigned index)
{
    if (index < m->count)
        return &m->workers[index];
    each_spare(s, m) {
        if (s->index == index)
            return s;
    }
    return NULL;
}

static inline void notify(struct ki_multi *m, bool strict)
{
    ki_idle_notify(&m->idle, m->base.park, strict);
}

static inline void push_foreign(struct ki_multi *m, struct ki_task *task)
{
    ki_task_stamp(task);
    ki_inject_push(&m->inject, task, task, 1);
    notify(m, true);
}

static inline bool is_ending(struct ki_multi *m)
{
    return ki_load_relaxed(&m->ending); /* relaxed: see ki_multi_close, whose wake ends a sleep that began */
}

/* 0 or -ENOMEM; afterwards there is something to fini either way. */
KIO_MUST_USE int ki_mworker_init(struct mworker *w, struct ki_multi *m, unsigned index);
void ki_mworker_fini(struct mworker *w);

/* This thread works for w, or (end) no more. */
void ki_mworker_begin(struct mworker *w, const char *stack_base);
void ki_mworker_end(struct mworker *w);
/* Runs tasks until the runtime ends, or a spare may retire. */
void ki_mworker_work(struct mworker *w);
/* It is counted in `running` no more; the last one drops every task. */
void ki_mworker_leave(struct mworker *w);

/* The owner's: nothing lingers any more. */
void ki_mworker_settle(struct mworker *w);
/* Anybody's, who is in the gate. */
void ki_multi_free_lingering(struct mworker *w);

/* In a poll, for which a dump will not find run.self from now on. */
void ki_multi_steps_aside(struct mworker *w);

/* Something that somebody asleep would have to be told about. */
bool ki_multi_has_work(struct ki_multi *m);

/* A spare that is not needed any more; asked every KI_TURN_INTERVAL polls, and before it looks around
 * for work: never in the hot path. */
bool ki_spare_may_retire(struct mworker *w);

#endif
