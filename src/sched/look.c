/*
 * Looking at tasks while they run, for the dump.
 *
 * A task's frame may be read by others only while nobody polls it. The dump does not stop workers:
 * it takes one task at a time, by the bit HELD in its state word, for as long as it takes to copy
 * what it wants (some microseconds), under the lock `look`.
 *
 *   hold     cas  LIVE.. -> LIVE.. | HELD     and by what was there: idle, queued or running
 *   release  fetch_and ~HELD
 *
 * Who takes a task finds HELD in its state, and waits for the lock before it goes on (ki_look_wait):
 *   to_running  the frame is read: the poll has to wait
 *   to_over     the task was running: its frame is not read, but it must not end meanwhile
 * to_idle and wakes leave the bit.
 *
 * On multi_thread a worker only looks at the state when it begins a poll, which costs nothing; that it
 * polls is in its run.self alone. While a dump is made it says so in the state as well (RUNNING).
 *
 *   worker:  store run.self; light barrier; load looks, state; ..poll..; state; store run.self
 *   dump:    looks + 1; heavy barrier; for each task: hold; load every run.self
 *
 * The races: a worker that did not see `looks` had stored run.self when the barrier was made, so the dump
 * finds it there until the poll has ended and the state says so (acquire there pairs with the release of
 * the store behind the poll, and of each later one: the frame is the last poll's). A worker that saw it sets
 * RUNNING by an exchange: either that finds HELD, or the hold finds RUNNING. Between the poll's end and
 * run.self a dump takes the task for running, which does no harm. A worker that steps aside sets RUNNING
 * first. Without barriers (base/barrier.h) `looks` is never 0.
 *
 * What lingers (worker.c) is NOTIFIED, and for a dump idle: so it takes all that do before it begins, and
 * while it is made none does.
 *
 * And: the dump holds an idle task, a waker queues it and a worker takes it. The worker's
 * exchange removes HELD; it then waits for the lock, so the dump's release, which clears a bit that
 * is gone already, still comes before the poll, and so before any next life of the slot.
 *
 * SEEN is left on every task that is not running. Each poll takes it away. So a later look tells who
 * has not been polled since, without a clock in the hot path; and who has, within one dump.
 *
 * Rejected: stopping every worker at a safe point (the dump would wait for a worker that is stuck in
 * a poll, which is what one wants to see); polling each task in a trace mode, as Tokio does (a wake
 * for each; tokio #6035, #6185).
 *
 * current_thread: the state word is the running thread's own, so the dump is made on that thread, or
 * while there is none; ki_current_ask.
 */
#include "sched.h"
#include "../future/guard.h"

/* True: it is held, *was is its state before. */
static bool hold(struct ki_task *task, bool mark, uint32_t *was)
{
    uint16_t cur = ki_load_relaxed(&task->state); /* the exchange checks it */

    do {
        if (!(cur & KI_TASK_LIVE))
            return false;
        /* acq_rel: pairs with the last poll's end, whose frame is read next. */
    } while (!ki_cas_weak_acq_rel(&task->state, &cur,
                                  cur | KI_TASK_HELD |
                                      (mark && !(cur & KI_TASK_RUNNING) ? KI_TASK_SEEN : 0)));
    *was = cur;
    return true;
}

/* Takes the bits back. */
static void release(struct ki_task *task, uint32_t bits)
{
    /* acq_rel: pairs with task_to_running: what was read is not written before. */
    ki_fetch_and_acq_rel(&task->state, ~bits);
}

struct look {
    struct ki_sched *sched;
    bool mark;
    void (*visit)(const struct ki_looked *, void *);
    void *arg;
};

static void visit_live(struct look *look, struct ki_task *task, uint32_t was)
{
    struct ki_looked seen = { .task = task, .id = ki_task_id(task), .worker = -1 };

    if (was & KI_TASK_RUNNING) {
        seen.is = KI_IS_RUNNING;
        seen.worker = look->sched->flavor == KIO_MULTI_THREAD
                          ? ki_multi_worker_of(look->sched, ki_task_future(task))
                          : 0;
        /* This thread's own: it stands still while it is in here. */
        seen.walkable = ki_here.root == ki_task_future(task);
    } else {
        /* relaxed: only whether a foreign wake is under way; what it brings is not read */
        bool woken = (was & KI_TASK_NOTIFIED) || (ki_load_relaxed(&task->inbox) & KI_INBOX_IN);

        seen.is = woken ? KI_IS_QUEUED : KI_IS_IDLE;
        seen.walkable = true;
        seen.unpolled = was & KI_TASK_SEEN;
        if (ki_task_wants_stamp(task)) {
            int64_t stamp = ki_bare_load_relaxed(ki_task_stamp_of(task)); /* a number to show */

            seen.since = stamp < 0 ? -stamp : stamp;
        }
    }
    look->visit(&seen, look->arg);
}

/* Not live: free, being made, a job, or over with a handle that is still there. */
static void visit_other(struct look *look, struct ki_task *task)
{
    /* acquire: pairs with ki_task_new: what follows is no older than the tag */
    uint64_t tag = ki_load_acquire(&task->tag);
    /* acquire: pairs with who makes a job, and with ki_task_over: the second look at the tag is no older */
    uint32_t state = ki_load_acquire(&task->state);
    uintptr_t join = ki_load_acquire(&task->join);
    struct ki_looked seen = { .task = task, .id = tag >> 1, .worker = -1 };

    if (!tag)
        return;
    if (state & KI_TASK_JOB)
        seen.is = state & KI_TASK_RUNNING ? KI_IS_JOB_RUNNING : KI_IS_JOB;
    else if (join == KI_JOIN_DONE || join == KI_JOIN_ABORTED)
        seen.is = join == KI_JOIN_DONE ? KI_IS_DONE : KI_IS_ABORTED;
    else
        return;
    if (ki_load_relaxed(&task->tag) == tag) /* still the same task's slot. relaxed: see above */
        look->visit(&seen, look->arg);
}

static void look_at(struct ki_task *task, void *arg)
{
    struct look *look = arg;
    uint32_t was;

    /* relaxed: free slots are passed over for nothing */
    if (!ki_load_relaxed(&task->tag) || !ki_sched_enter(look->sched))
        return;
    ki_lock(&look->sched->look, KI_RANK_RUNTIME);
    if (hold(task, look->mark, &was)) {
        bool hidden = look->sched->flavor == KIO_MULTI_THREAD && !(was & KI_TASK_RUNNING) &&
                      ki_multi_polls(look->sched, task);

        visit_live(look, task, hidden ? was | KI_TASK_RUNNING : was);
        release(task, hidden ? KI_TASK_HELD | KI_TASK_SEEN : KI_TASK_HELD);
    } else {
        visit_other(look, task);
    }
    ki_unlock(&look->sched->look, KI_RANK_RUNTIME);
    ki_sched_leave(look->sched);
}

void ki_look(struct ki_sched *sched, bool mark, void (*visit)(const struct ki_looked *, void *),
             void *arg)
{
    struct look look = { sched, mark, visit, arg };
    bool multi = sched->flavor == KIO_MULTI_THREAD;

    if (multi)
        ki_multi_look(sched, true);
    ki_arena_each(&sched->arena, look_at, &look);
    if (multi)
        ki_multi_look(sched, false);
}

bool ki_look_unmoved(struct ki_task *task, uint64_t id)
{
    /* relaxed, and the inbox too: what a poll or a wake brought is not read. A poll from which something came
     * that a later look at another task found is seen: that look acquired it (see hold). */
    uint32_t state = ki_load_relaxed(&task->state);

    return ki_task_id(task) == id && (state & KI_TASK_SEEN) && !(state & KI_TASK_NOTIFIED) &&
           !(ki_load_relaxed(&task->inbox) & KI_INBOX_IN);
}

void ki_look_wait(struct ki_task *task)
{
    struct ki_sched *sched = ki_chunk_of(task)->sched;

    ki_lock(&sched->look, KI_RANK_RUNTIME);
    ki_unlock(&sched->look, KI_RANK_RUNTIME);
}
