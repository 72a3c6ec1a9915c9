#include "sched.h"
#include "../base/barrier.h"
#include "hooks.h"
#include "poll.h"
#include "../base/clock.h"
#include "../future/guard.h"

#include <sched.h>

_Thread_local struct ki_worker *ki_worker_here;

/* Schedulers without a runtime. */
static struct ki_lock pool_lock;
static struct ki_sched *pool;

struct ki_arena *ki_sched_arena(struct ki_sched *sched)
{
    return &sched->arena;
}

void ki_sched_close(struct ki_sched *sched)
{
    ki_store_seq_cst(&sched->closed, 1); /* before the look at visitors: see the gate */
    while (ki_load_seq_cst(&sched->visitors))
        sched_yield(); /* a visit is a handful of instructions */
}

struct ki_sched *ki_sched_get(enum kio_flavor flavor)
{
    struct ki_sched **at;
    struct ki_sched *found;

    ki_lock(&pool_lock, KI_RANK_LEAF);
    for (at = &pool; *at && (*at)->flavor != flavor; at = &(*at)->pooled)
        ;
    found = *at;
    if (found)
        *at = found->pooled;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
    if (found)
        return found;
    ki_barriers_init();
    return flavor == KIO_CURRENT_THREAD ? ki_current_new() : ki_multi_new();
}

/* What was pooled when the process was forked: leak checkers see that it is not lost. */
static struct ki_sched *parents __attribute__((used));

void ki_scheds_forked(void)
{
    pool_lock = (struct ki_lock){ 0 };
    parents = pool;
    pool = NULL;
}

void ki_sched_put(struct ki_sched *sched)
{
    if (sched->flavor == KIO_MULTI_THREAD)
        ki_multi_forget(sched);
    else
        ki_current_forget(sched);
    sched->watch = NULL;
    ki_store_relaxed(&sched->spawned, 0); /* nobody else has it */
    sched->hooks = (struct kio_hooks){ 0 };
    ki_arena_observe(&sched->arena, false, false);
    ki_lock(&pool_lock, KI_RANK_LEAF);
    sched->pooled = pool;
    pool = sched;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
}

void ki_sched_each(struct ki_sched *sched, void (*visit)(struct ki_worker *, unsigned, void *),
                   void *arg)
{
    if (sched->flavor == KIO_CURRENT_THREAD)
        visit(ki_current_worker(sched), 0, arg);
    else
        ki_multi_each(sched, visit, arg);
}

/* How long it waited in a queue, and it is queued no more; negative: not known. */
static int64_t take_stamp(struct ki_worker *w, struct ki_task *task, int64_t now)
{
    int64_t *stamp = ki_task_stamp_of(task);
    int64_t queued = ki_bare_load_relaxed(stamp); /* the queue published it */

    ki_bare_store_relaxed(stamp, 0); /* a wake from now on is another one */
    if (!queued)
        return -1;
    ki_times_add(&w->times->latency, now - queued);
    return now - queued;
}

static void end_measure(struct ki_worker *w, struct ki_task *task, int64_t start, kio_poll answer)
{
    int64_t now = ki_clock_now();

    ki_times_add(&w->times->poll, now - start);
    if (answer == KIO_PENDING)
        ki_bare_store_relaxed(ki_task_stamp_of(task), -now); /* for a dump; nobody queues it yet */
}

kio_poll ki_worker_poll_observed(struct ki_worker *w, struct ki_task *task, uintptr_t *how)
{
    const struct kio_hooks *hooks = &w->sched->hooks;
    bool stamped = task->flags & KI_TASK_STAMPED;
    bool hooked = task->flags & KI_TASK_HOOKED;
    bool told = hooked && !ki_task_abort_asked(task); /* an abort drops it: that is no poll */
    int64_t start = stamped ? ki_clock_now() : 0;
    int64_t waited = stamped ? take_stamp(w, task, start) : -1;
    kio_poll answer;

    if (told)
        ki_hook_poll(hooks->on_poll_begin, task, waited, hooks->arg);
    answer = ki_worker_poll_now(w, task, how);
    if (stamped)
        end_measure(w, task, start, answer);
    if (told)
        ki_hook_poll(hooks->on_poll_end, task, waited, hooks->arg);
    if (hooked && answer == KIO_READY)
        ki_hook_end(hooks, task, *how == KI_JOIN_ABORTED);
    return answer;
}

void ki_worker_drop(struct ki_task *task)
{
    kio_future *f = ki_task_future(task);

    ki_here_root(f);
    ki_here.task_name = ki_task_name(task);
    kio_drop_(f);
    ki_here_root(NULL);
    if (task->flags & KI_TASK_HOOKED)
        ki_hook_end(&ki_chunk_of(task)->sched->hooks, task, true);
}
