/*
 * What both schedulers share: a worker's kit, and the gate for wakes from other threads.
 *
 * A struct ki_sched is never freed: tasks' memory (type-stable, see task/arena.h) leads to it, and
 * a late wake may come at any time. When its runtime ends it goes to a pool and serves the next
 * runtime of the same flavor.
 *
 * The gate: a thread that is not one of the scheduler's own counts itself in `visitors` before it
 * looks at a task, and leaves at once when `closed` is set. Shutdown sets `closed`, waits until
 * nobody is inside, and only then lets go of queues and memory. Both sides are seq_cst: the
 * visitor's increment comes before its look at closed, the closer's store before its look at
 * visitors (store-load on two words), so one of them sees the other.
 */
#ifndef KI_SCHED_SCHED_H
#define KI_SCHED_SCHED_H

#include "../base/rand.h"
#include "../task/task.h"
#include "park.h"
#include "times.h"
#include "watch.h"

#include <kioto/runtime.h>

/* Operations a task may do in one poll before it has to yield; 128 as Tokio, whose users have
 * tuned their programs to it (tokio-rs blog 2020-04-preemption). */
#define KI_BUDGET 128

/* Polls between two looks at timers, I/O and the queue from outside. 61 as Tokio and Go: prime, so
 * that it does not fall in step with a program's own period. */
#ifndef KI_TURN_INTERVAL /* smaller when a model checker explores it */
#define KI_TURN_INTERVAL 61
#endif

struct ki_sched {
    struct ki_arena arena;
    enum kio_flavor flavor;
    ki_atomic(uint32_t) closed;
    ki_atomic(uint32_t) visitors;
    ki_atomic(uint64_t) spawned; /* by visitors; workers count their own */
    struct ki_park *park;   /* while open */
    struct ki_watch *watch; /* NULL: no watchdog */
    struct kio_hooks hooks;
    struct ki_lock look;     /* held while a dump looks at a task, see look.c */
    void (*before_sleep)(void *arg); /* current_thread: nothing is left to run */
    void *before_sleep_arg;
    struct ki_sched *pooled; /* link in the pool */
};

/* One per thread that runs tasks. */
struct ki_worker {
    struct ki_sched *sched;
    void *driver; /* this worker's part, for park->turn */
    struct ki_nest nest;
    struct kio_run run;
    struct ki_rand rand;
    unsigned tick;     /* polls since the last turn */
    bool in_turn;      /* the driver is waking tasks */
    struct ki_worker *outer; /* of a local set: the one whose task runs it */
    ki_atomic(uint64_t) polls;   /* owner writes; others watch it move */
    ki_atomic(uint64_t) spawned;
    ki_atomic(uint64_t) ended;
    ki_atomic(uint64_t) steals; /* times it took from another's queue, and how many tasks */
    ki_atomic(uint64_t) stolen;
    ki_atomic(uint64_t) parks;  /* times it slept */
    ki_atomic(uint64_t) turns;  /* times it looked at timers and I/O */
    ki_atomic(uint64_t) forced; /* polls that ended because the budget was used up */
    ki_atomic(int) thread;      /* that runs it, or did last: the kernel's id; 0: none yet */
    struct ki_times *times;     /* NULL: not measured */
    struct ki_watched watched;
};

/* The worker whose loop runs on this thread; NULL: none. */
extern _Thread_local struct ki_worker *ki_worker_here;

/* This thread's worker if it belongs to sched. */
static inline struct ki_worker *ki_worker_of(const struct ki_sched *sched)
{
    struct ki_worker *w = ki_worker_here;

    return w && w->sched == sched ? w : NULL;
}

/* Whether this thread runs sched's tasks, also when it is in a local set's inside of them. */
static inline bool ki_thread_runs(const struct ki_sched *sched)
{
    const struct ki_worker *w = ki_worker_here;

    while (w && w->sched != sched)
        w = w->outer;
    return w;
}

/* Owner only: a counter that others read. Relaxed: a statistic, not a signal. */
static KIO_ALWAYS_INLINE void ki_count(ki_atomic(uint64_t) *counter)
{
    ki_store_relaxed(counter, ki_load_relaxed(counter) + 1);
}

static inline void ki_count_more(ki_atomic(uint64_t) *counter, uint64_t more)
{
    ki_store_relaxed(counter, ki_load_relaxed(counter) + more); /* as ki_count */
}

/* Owner only: a task has ended. release: pairs with who adds up whether all have (runtime/drain.c):
 * whoever sees this count sees every spawn that the task counted. */
static KIO_ALWAYS_INLINE void ki_count_ended(struct ki_worker *w)
{
    ki_store_release(&w->ended, ki_load_relaxed(&w->ended) + 1);
}

/* Owner only: the task goes back to the queue. Was that because its budget is used up? */
static inline void ki_count_forced(struct ki_worker *w)
{
    if (w->run.budget <= 0)
        ki_count(&w->forced);
}

/* False: the runtime is gone, do nothing (and do not leave). */
static inline bool ki_sched_enter(struct ki_sched *sched)
{
    ki_fetch_add_seq_cst(&sched->visitors, 1); /* before the look at closed: see the gate */
    if (!ki_load_seq_cst(&sched->closed))
        return true;
    ki_fetch_sub_relaxed(&sched->visitors, 1); /* relaxed: it has done nothing in here */
    return false;
}

static inline void ki_sched_leave(struct ki_sched *sched)
{
    /* release: pairs with ki_sched_close's look, for what the visitor did. It waits: no more is needed. */
    ki_fetch_sub_release(&sched->visitors, 1);
}

/* Nobody comes in any more; returns when the last visitor has left. */
void ki_sched_close(struct ki_sched *sched);

/* Drops the future of a task that will not be polled again. */
void ki_worker_drop(struct ki_task *task);

/* Queues a new task: from a worker of its own or (worker NULL) through the gate, already entered. */
void ki_current_spawn(struct ki_sched *sched, struct ki_worker *worker, struct ki_task *task);
void ki_multi_spawn(struct ki_sched *sched, struct ki_worker *worker, struct ki_task *task);

/* current_thread: see current.c */
KIO_MUST_USE struct ki_sched *ki_current_new(void);
/* 0 or -ENOMEM; seeded: tasks run, and turns are made, in an order drawn from the seed; times: measure. */
KIO_MUST_USE int ki_current_open(struct ki_sched *sched, struct ki_park *park, void *driver,
                                 uint64_t seed, bool seeded, bool times);
void ki_current_forget(struct ki_sched *sched); /* as ki_multi_forget */
/* Runs tasks on this thread until `done(arg)`; false at once if another thread is doing that. */
bool ki_current_run(struct ki_sched *sched, bool (*done)(void *), void *arg);
/* Runs up to max tasks inside a poll of another one (local sets), and does not sleep. True: more are
 * ready; false: the next wake from outside calls park->unpark. A guard fails inside its own tasks. */
bool ki_current_step(struct ki_sched *sched, unsigned max);
/* Of a local set, on its thread: tasks that have not ended; one was spawned; where slots come from. */
size_t ki_current_live(struct ki_sched *sched);
void ki_current_count(struct ki_sched *sched);
struct ki_nest *ki_current_nest(struct ki_sched *sched);
/* Drops every task and closes. 0, or -EBUSY: a thread is inside ki_current_run. */
int ki_current_close(struct ki_sched *sched);
/* Queued tasks, and tasks taken from the inbox so far. Any thread. */
size_t ki_current_depth(struct ki_sched *sched);
uint64_t ki_current_inboxed(struct ki_sched *sched);

/* multi_thread: see worker.c */
KIO_MUST_USE struct ki_sched *ki_multi_new(void);
struct ki_multi_config {
    struct ki_park *park;
    struct ki_blocking *blocking; /* lends spare workers their threads */
    unsigned spares;              /* at most so many at a time */
    /* The driver of worker i; of a spare (i counts on from workers): NULL, there is no memory. */
    void *(*driver_of)(void *arg, unsigned i);
    void (*on_thread)(void *arg, void *driver, bool start); /* on the worker's thread */
    void *arg;
    unsigned workers;
    bool times; /* measure */
    size_t stack_size;
    const char *name;
    uint64_t seed;
};
/* 0 or a negative errno (then nothing runs). */
KIO_MUST_USE int ki_multi_open(struct ki_sched *sched, const struct ki_multi_config *config);
/* Ends the workers, the last of which drops every task. 0, or -ETIMEDOUT: a worker is still in a
 * poll after timeout_ns (negative: wait for ever); call again. */
int ki_multi_close(struct ki_sched *sched, int64_t timeout_ns);
unsigned ki_multi_workers(struct ki_sched *sched);
/* Nothing of the runtime runs any more: the workers' memory and counts go. */
void ki_multi_forget(struct ki_sched *sched);

/* A spare worker runs tasks in place of one that is blocked, until ki_multi_stand_down. False:
 * there is none to be had yet. Any thread while the blocking pool lives. */
bool ki_multi_stand_in(struct ki_sched *sched);
void ki_multi_stand_down(struct ki_sched *sched);
/* What a worker that is stuck would run next goes where others find it. */
void ki_multi_free_next(struct ki_worker *stuck);
/* On a worker, in a poll: fn(arg) with a spare in its place. */
void *ki_multi_step_aside(struct ki_worker *w, void *(*fn)(void *), void *arg);
/* A dump begins or ends: in between ki_multi_polls() is right about tasks that are HELD. */
void ki_multi_look(struct ki_sched *sched, bool begin);
/* Whether a worker is in a poll of the task that its state word does not tell of. */
bool ki_multi_polls(struct ki_sched *sched, const struct ki_task *task);
/* Queued tasks of a worker; and those from outside, waiting and so far. Any thread. */
size_t ki_multi_depth(struct ki_worker *w);
void ki_multi_injected(struct ki_sched *sched, size_t *depth, uint64_t *pushed);
/* Of workers and spares, as ki_multi_each visits them. */
unsigned ki_multi_index(const struct ki_worker *w);
/* Spares that stand in now, or are about to. */
unsigned ki_multi_spares(struct ki_sched *sched);

/* Calls visit for every worker there ever was, spares too. While the runtime lives. Any thread. */
void ki_sched_each(struct ki_sched *sched, void (*visit)(struct ki_worker *w, unsigned index, void *),
                   void *arg);
void ki_multi_each(struct ki_sched *sched, void (*visit)(struct ki_worker *w, unsigned index, void *),
                   void *arg);
struct ki_worker *ki_current_worker(struct ki_sched *sched);

/* ---- looking at tasks: look.c ------------------------------------------------------------- */

enum ki_task_is {
    KI_IS_IDLE,
    KI_IS_QUEUED,
    KI_IS_RUNNING,
    KI_IS_DONE,
    KI_IS_ABORTED,
    KI_IS_JOB, /* of the blocking pool, waiting for a thread */
    KI_IS_JOB_RUNNING,
};

struct ki_looked {
    struct ki_task *task;
    uint64_t id;
    enum ki_task_is is;
    int worker;    /* running: on which worker; -1: not known any more */
    bool walkable; /* its frame stands still while it is looked at, and its name */
    bool unpolled; /* not polled since a look before this one */
    int64_t since; /* measured: since when it is idle or queued, as ki_clock_now(); 0: not known */
};

/* Visits every task; current_thread: on its own thread, or while nobody runs it. What is visited is
 * held: visit must not wake, block or lock anything of a rank below KI_RANK_SYNC. mark: later looks, and
 * ki_look_unmoved(), tell who was polled since. */
void ki_look(struct ki_sched *sched, bool mark, void (*visit)(const struct ki_looked *, void *),
             void *arg);
/* Whether the task has not been polled or woken since the last ki_look() that marked. */
bool ki_look_unmoved(struct ki_task *task, uint64_t id);
/* For who takes a task out of HELD: returns when nobody looks at it any more. */
KIO_COLD void ki_look_wait(struct ki_task *task);

/* Whether nothing has been woken that was not polled, or a worker looks for something. *polls: counts
 * all polls. */
bool ki_current_quiet(struct ki_sched *sched, uint64_t *polls);
bool ki_multi_quiet(struct ki_sched *sched, uint64_t *polls);

/* multi_thread: the worker that polls the task with this future, or -1. Inside the gate, under look. */
int ki_multi_worker_of(struct ki_sched *sched, const kio_future *f);

/* current_thread: calls fn on the thread that runs tasks, between two polls, or here if no thread
 * does. 0, or -EBUSY: that thread has been in one poll for timeout_ns; fn was not called and will
 * not be. *polled is the id of that poll's task then. */
KIO_MUST_USE int ki_current_ask(struct ki_sched *sched, void (*fn)(void *), void *arg,
                                int64_t timeout_ns, uint64_t *polled);

/* The pool of schedulers. */
KIO_MUST_USE struct ki_sched *ki_sched_get(enum kio_flavor flavor);
void ki_sched_put(struct ki_sched *sched);
void ki_scheds_forked(void); /* in a forked child: the pool is begun anew */

#endif
