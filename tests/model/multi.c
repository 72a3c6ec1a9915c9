/*
 * multi_thread: a worker's loop, its task states and the gate, against wakes from threads outside, other
 * workers and shutdown. No task is lost or polled by two, and what wakers wrote is seen by the poll that
 * follows, also what a waker wrote that found the task woken already.
 *
 * Sources: src/sched/queue.c src/sched/lifo.c src/sched/sched.c src/sched/look.c src/sched/watch.c
 * Sources: src/sched/times.c src/task/task.c src/task/handle.c src/task/arena.c
 * Sources: src/future/future.c src/future/waker.c src/base/lock.c tests/model/checker/doors.c
 * Sources: tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=200 -DKI_SEARCH_ROUNDS=1 -DKI_SEARCH_PAUSES=0
 * Defines: -DKI_TURN_INTERVAL=4 -DKI_QUEUE_MIN=4u -DKI_QUEUE_MAX=8u -DKI_QUEUE_STEAL=2u
 * Defines: -DKI_LINGER_LOOKS=0
 */
#include "sched/worker.c"

#include "checker/workers.h"

static struct ki_task *task, *other;

/* ---- what is not part of it ----------------------------------------------------------------- */

bool ki_spare_may_retire(struct mworker *w)
{
    (void)w;
    return false;
}

/* ---- a worker -------------------------------------------------------------------------------- */

static struct ki_task *spawn(uint32_t needs)
{
    return spawn_on(0, needs);
}

static void begin_one(void)
{
    begin_with(1);
    task = spawn(3);
}

/* The task was polled and waits. */
static void begin_one_idle(void)
{
    begin_one();
    run_own(0);
}

/* Works until so many tasks are over. */
static void work_until(struct mworker *w, unsigned over)
{
    ki_worker_here = &w->w;
    while (drops() < over) {
        struct ki_task *t = next_task(w);

        if (!t)
            t = search(w);
        if (t)
            run_task(w, t);
    }
    ki_worker_here = NULL;
}

static void work_one(void)
{
    work_until(&m->workers[0], 1);
}

/* ---- threads outside ------------------------------------------------------------------------- */

static void wake_0(void)
{
    wake_by(task, 0);
}

static void wake_1(void)
{
    wake_by(task, 1);
}

static void wake_both_flags(void)
{
    wake_by(task, 0);
    wake_by(task, 1);
}

static void spawn_foreign(void)
{
    struct ki_task *made;

    MC_ASSERT(ki_sched_enter(&m->base));
    made = probe_new(&m->base, NULL, sizeof(struct probe), 0);
    ki_multi_spawn(&m->base, NULL, made);
    ki_sched_leave(&m->base);
}

/* ---- a rest ---------------------------------------------------------------------------------- */

/* Its end does not count: what comes from outside is to end it. */
static unsigned endless_turn(struct ki_park *self, void *local, int64_t max_ns)
{
    return park_turn(self, local, max_ns > 0 ? -1 : max_ns);
}

static struct ki_park endless_park = { endless_turn, park_unpark, park_alarm };

/* What the worker stole last was over at once. */
static void begin_resting(void)
{
    begin_with(2);
    m->base.park = &endless_park;
    ki_worth_stole(&m->workers[0].worth, 1);
}

/* ---- the state word alone: two threads, each a worker, without sleeping ----------------------- */

static void begin_two(void)
{
    begin_with(2);
    task = spawn(3);
    other = NULL;
}

static void run_as_0(void)
{
    run_what_comes(0);
}

/* A worker whose running task wakes the task: it goes to that worker's own queue. */
static void wake_as_worker_1(void)
{
    ki_worker_here = &m->workers[1].w;
    ki_store_relaxed(&flags[0], 1);
    kio_waker_wake(ki_task_waker(task));
    ki_store_relaxed(&flags[1], 1);
    kio_waker_wake(ki_task_waker(task));
    ki_worker_here = NULL;
    run_what_comes(1);
}

static void wake_once_as_worker_1(void)
{
    ki_worker_here = &m->workers[1].w;
    ki_store_relaxed(&flags[0], 1);
    kio_waker_wake(ki_task_waker(task));
    ki_worker_here = NULL;
}

/* Whatever is left is run now; then it is over. */
static void end_two(void)
{
    run_what_comes(0);
    run_what_comes(1);
    MC_ASSERT(drops() == 1);
    nothing_queued();
}

/* ---- the slot -------------------------------------------------------------------------------- */

static void begin_slot(void)
{
    begin_with(2);
    task = spawn(0);
    other = NULL;
}

static void replace_in_slot(void)
{
    ki_worker_here = &m->workers[0].w;
    other = spawn(0);
    push_next(&m->workers[0], ki_queue_pop(&m->workers[0].queue)); /* as if the one woke the other */
    run_what_comes(0);
}

static void take_from_slot(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    ki_worker_here = &w->w;
    t = ki_lifo_steal(&m->workers[0].lifo);
    if (t)
        run_task(w, t);
}

static void end_slot(void)
{
    MC_ASSERT(drops() == 2);
    nothing_queued();
}

/* ---- shutdown -------------------------------------------------------------------------------- */

static void work_to_the_end(void)
{
    worker_main(&m->workers[0]);
}

/* The last worker goes: it drops every task. */
static void leave(void)
{
    ki_worker_here = &m->workers[0].w;
    ki_mworker_leave(&m->workers[0]);
    ki_worker_here = NULL;
}

static void close_it(void)
{
    ki_store_seq_cst(&m->ending, 1);
    m->base.park->unpark(m->base.park);
    while (ki_load_acquire(&m->running))
        mc_spin();
    MC_ASSERT(drops() == 1);
    ki_arena_trim(&m->base.arena);
}

static void end_closed(void)
{
    MC_ASSERT(drops() == 1);
    MC_ASSERT(!ki_load_relaxed(&m->base.visitors));
}

static const struct mc_test tests[] = {
    { "wake_meets_poll", begin_two, { run_as_0, wake_as_worker_1 }, end_two },
    { "two_wakes_meet_poll", begin_two, { run_as_0, wake_once_as_worker_1, wake_1 }, end_two },
    { "slot_taken_by_a_thief", begin_slot, { replace_in_slot, take_from_slot }, end_slot },
    { "foreign_wake_meets_sleep", begin_one_idle, { work_one, wake_both_flags }, nothing_queued },
    { "two_foreign_wakes", begin_one_idle, { work_one, wake_0, wake_1 }, nothing_queued },
    { "foreign_spawn_meets_sleep", begin_one_idle, { work_one, spawn_foreign }, nothing_queued },
    { "foreign_spawn_meets_rest", begin_resting, { work_one, spawn_foreign }, nothing_queued },
    { "shutdown_meets_sleep", begin_one_idle, { work_to_the_end, close_it }, end_closed },
    { "wake_meets_shutdown", begin_one_idle, { leave, close_it, wake_0 }, end_closed },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
