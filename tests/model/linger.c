/*
 * A task that waits stays NOTIFIED while its worker polls what it has just woken (sched/worker.c): others
 * wake it, a beat comes, or a dump. No wake is lost, no task is in two queues or polled by two, it does not
 * wait for a poll that takes long, and for a dump it is idle.
 *
 * Sources: src/sched/queue.c src/sched/lifo.c src/sched/sched.c src/sched/look.c src/sched/watch.c
 * Sources: src/sched/spare.c
 * Sources: src/sched/times.c src/task/task.c src/task/handle.c src/task/arena.c
 * Sources: src/future/future.c src/future/waker.c src/base/lock.c tests/model/checker/doors.c
 * Sources: tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=300 -DKI_SEARCH_ROUNDS=1 -DKI_SEARCH_PAUSES=0
 * Defines: -DKI_TURN_INTERVAL=9 -DKI_QUEUE_MIN=4u -DKI_QUEUE_MAX=8u -DKI_QUEUE_STEAL=2u
 * Defines: -DKI_LINGER_LOOKS=0
 */
#include "sched/worker.c"

#include "checker/pool.h"
#include "checker/workers.h"

/* task wakes next in each poll, and lingers while that is polled. */
static struct ki_task *task, *next;

/* ---- the worker ------------------------------------------------------------------------------ */

static void begin(void)
{
    begin_with(2);
    next = spawn_on(0, 2);
    run_own(0);
    ki_store_relaxed(&flags[1], 1);
    task = spawn_on(0, 1);
    probe_of(task)->wakes[0] = next;
}

/* As a channel there and back: next wakes task. */
static void begin_there_and_back(void)
{
    begin();
    probe_of(next)->wakes[0] = task;
}

static void run_as_0(void)
{
    run_own(0);
}

static void set_and_run_as_0(void)
{
    ki_store_relaxed(&flags[0], 1);
    run_own(0);
}

/* ---- beside it ------------------------------------------------------------------------------- */

static void wake_task(void)
{
    wake_by(task, 0);
}

/* By a worker's task. */
static void wake_as_1(void)
{
    ki_worker_here = &m->workers[1].w;
    wake_by(task, 0);
    run_own(1);
}

/* Twice: at the second one it is stuck. */
static struct ki_task *beats(struct mworker *w)
{
    struct ki_task *t = steal_stuck(w);

    return t ? t : steal_stuck(w);
}

static void beat_as_1(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    ki_worker_here = &w->w;
    if ((t = beats(w)))
        run_task(w, t);
    run_own(1);
}

static void all_is_over(void)
{
    mc_outcome(ki_load_relaxed(&m->inject.pushed));
    run_what_comes(0);
    run_what_comes(1);
    MC_ASSERT(drops() == 2);
    MC_ASSERT(!m->workers[0].lingers && !ki_lifo_has(&m->workers[0].linger));
    nothing_queued();
}

static void was_taken_and_was_not(void)
{
    MC_ASSERT(mc_seen(0) && mc_seen(1));
}

/* ---- a poll that takes long -------------------------------------------------------------------- */

static uint32_t inside, go_on;

/* If task lingers, next's poll goes on until task's second one. */
static void block(void)
{
    ki_bare_store_release(&inside, 1);
    if (m->workers[0].lingers)
        mc_wait(&go_on);
}

static void unblock(void)
{
    if (probe_of(task)->polls == 2)
        ki_bare_store_release(&go_on, 1);
}

static void begin_blocking(void)
{
    begin();
    inside = go_on = 0;
    probe_of(next)->does = block;
    probe_of(task)->does = unblock;
}

static void wake_and_work_as_1(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    wake_task();
    mc_wait(&inside);
    ki_worker_here = &w->w;
    if ((t = beats(w)) || (t = beats(w)))
        run_task(w, t);
    run_what_comes(1);
}

/* It lingers when the wake comes. */
static void wake_inside_and_work_as_1(void)
{
    mc_wait(&inside);
    wake_task();
    run_what_comes(1);
}

/* What lingered is taken out by the one that steps aside. */
static void *nothing(void *arg)
{
    MC_ASSERT(!ki_lifo_has(&m->workers[0].linger));
    return arg;
}

static void step_aside(void)
{
    ki_multi_step_aside(&m->workers[0].w, nothing, NULL);
}

static void begin_aside(void)
{
    begin();
    probe_of(next)->does = step_aside;
}

/* The watchdog. */
static void free_stuck(void)
{
    MC_ASSERT(ki_sched_enter(&m->base));
    ki_multi_free_next(&m->workers[0].w);
    ki_sched_leave(&m->base);
}

static void wake_and_free(void)
{
    wake_task();
    mc_wait(&inside);
    free_stuck();
    run_what_comes(1);
}

/* What was to run next is stolen before the worker looks. It ends its work instead of a sleep. */
static unsigned no_sleep(struct ki_park *self, void *local, int64_t max_ns)
{
    (void)self, (void)local;
    if (max_ns) {
        MC_ASSERT(!m->workers[0].lingers);
        ki_store_relaxed(&m->ending, 1);
    }
    return 0;
}

static struct ki_park no_park = { no_sleep, park_unpark, park_alarm };

static void begin_to_sleep(void)
{
    begin();
    m->base.park = &no_park;
}

static void work_as_0(void)
{
    ki_worker_here = &m->workers[0].w;
    ki_mworker_work(&m->workers[0]);
    ki_worker_here = NULL;
}

static void take_next_as_1(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    ki_worker_here = &w->w;
    if ((t = ki_lifo_steal(&m->workers[0].lifo)))
        run_task(w, t);
    ki_worker_here = NULL;
}

static void end_asleep(void)
{
    wake_task();
    all_is_over();
}

/* ---- a dump -------------------------------------------------------------------------------------- */

static bool waits; /* next is in a poll, and nobody wakes the task: for a dump it is idle */
static uint32_t looked;

/* next comes first. */
static void visit(const struct ki_looked *seen, void *arg)
{
    (void)arg;
    if (seen->is > KI_IS_RUNNING)
        return;
    if (seen->walkable) /* a race if a worker polls it now */
        MC_ASSERT(probe_of(seen->task)->polls < 4);
    if (seen->task == next && probe_of(next)->does)
        waits = ki_bare_load_acquire(&inside);
    else if (seen->task == task && waits)
        MC_ASSERT(seen->is == KI_IS_IDLE);
}

static void look(void)
{
    ki_look(&m->base, true, visit, NULL);
}

static void look_from_within(void)
{
    ki_bare_store_release(&inside, 1);
    look();
}

static void begin_to_look(void (*does)(void))
{
    begin();
    inside = looked = 0;
    waits = false;
    probe_of(next)->does = does;
}

static void begin_looking(void)
{
    begin_to_look(look_from_within);
}

/* A poll that goes on until the dump is made. */
static void block_dumped(void)
{
    ki_bare_store_release(&inside, 1);
    mc_wait(&looked);
}

static void begin_dumped(void)
{
    begin_to_look(block_dumped);
}

static void begin_dumped_on_the_way(void)
{
    begin_to_look(NULL);
    probe_of(next)->wakes[0] = task;
}

static void look_as_1(void)
{
    ki_worker_here = &m->workers[1].w;
    look();
    ki_worker_here = NULL;
    ki_bare_store_release(&looked, 1);
}

/* ---- the end --------------------------------------------------------------------------------------- */

/* The last worker goes, in the middle of its loop, and drops what lingers. */
static void poll_and_leave(void)
{
    struct mworker *w = &m->workers[0];

    ki_worker_here = &w->w;
    run_task(w, next_task(w));
    mc_outcome(w->lingers == task);
    ki_mworker_leave(w);
    ki_worker_here = NULL;
}

static void begin_to_end(void)
{
    begin();
    ki_store_relaxed(&m->running, 2);
}

static void end_left(void)
{
    MC_ASSERT(drops() == 2);
    MC_ASSERT(!ki_load_relaxed(&m->base.visitors));
}

static const struct mc_test tests[] = {
    { "foreign_wake", begin, { run_as_0, wake_task }, all_is_over, .done = was_taken_and_was_not },
    { "wake_by_another_worker", begin, { run_as_0, wake_as_1 }, all_is_over },
    { "its_own_worker_wakes_it", begin_there_and_back, { set_and_run_as_0 }, all_is_over },
    { "both_wake_it", begin_there_and_back, { run_as_0, wake_task }, all_is_over },
    { "beat", begin_there_and_back, { set_and_run_as_0, beat_as_1 }, all_is_over },
    { "long_poll", begin_blocking, { run_as_0, wake_and_work_as_1 }, all_is_over },
    { "wake_in_a_long_poll", begin_blocking, { run_as_0, wake_inside_and_work_as_1 }, all_is_over },
    { "sleep", begin_to_sleep, { work_as_0, take_next_as_1 }, end_asleep },
    { "long_poll_seen_by_the_watchdog", begin_blocking, { run_as_0, wake_and_free }, all_is_over },
    { "steps_aside", begin_aside, { run_as_0, wake_task }, all_is_over },
    { "dump_by_its_worker", begin_looking, { run_as_0 } },
    { "dump_of_a_long_poll", begin_dumped, { run_as_0, look_as_1 } },
    { "dump_beside_it", begin_dumped_on_the_way, { set_and_run_as_0, look_as_1 }, all_is_over },
    { "end", begin_to_end, { poll_and_leave, wake_task }, end_left, .done = was_taken_and_was_not },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
