/*
 * Workers of multi_thread beside each other: they steal from queues and slots, a spare stands in for one
 * that is blocked and retires, they end one after another while threads wake and spawn. No task is lost or
 * polled by two, and the last to leave drops what is left.
 *
 * Sources: src/sched/queue.c src/sched/lifo.c src/sched/sched.c src/sched/look.c src/sched/watch.c
 * Sources: src/sched/spare.c
 * Sources: src/sched/times.c src/task/task.c src/task/handle.c src/task/arena.c
 * Sources: src/future/future.c src/future/waker.c src/base/lock.c tests/model/checker/doors.c
 * Sources: tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=300 -DKI_SEARCH_ROUNDS=1 -DKI_SEARCH_PAUSES=0
 * Defines: -DKI_TURN_INTERVAL=2 -DKI_QUEUE_MIN=4u -DKI_QUEUE_MAX=8u -DKI_QUEUE_STEAL=2u
 * Defines: -DKI_LINGER_LOOKS=0
 */
#include "checker/mc.h"

#include <pthread.h>

/* The workers' threads are the test's: a join waits for what they set when they end. */
static uint32_t ended[2];

static int join_thread(pthread_t thread, void **out)
{
    (void)out;
    mc_wait(&ended[thread]);
    return 0;
}

#define pthread_join join_thread
#include "sched/worker.c"
#undef pthread_join

#include "checker/pool.h"
#include "checker/workers.h"

static struct ki_task *task, *other, *third;

/* ---- queues and slots ------------------------------------------------------------------------ */

/* One that waits: it was polled once. */
static struct ki_task *waiting(uint32_t needs)
{
    struct ki_task *t = spawn_on(0, needs);

    run_own(0);
    return t;
}

/* A task that wakes two: one stays in the slot, the other is pushed out of it. */
static void wake_two(void)
{
    task = spawn_on(0, 0);
    probe_of(task)->wakes[0] = other;
    probe_of(task)->wakes[1] = third;
}

static void begin_slot(void)
{
    begin_with(2);
    other = waiting(2);
    third = waiting(2);
    ki_store_relaxed(&flags[1], 1);
    wake_two();
}

static void run_as_0(void)
{
    run_own(0);
}

static void run_as_1(void)
{
    run_what_comes(1);
}

/* A beat comes: who is in the same poll as at the last one gives up its slot. */
static void beat_as_1(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    ki_worker_here = &w->w;
    if ((t = steal_stuck(w)) || (t = steal_stuck(w)))
        run_task(w, t);
    run_own(1);
}

static void all_three(void)
{
    run_what_comes(0);
    run_own(1);
    MC_ASSERT(drops() == 3);
    nothing_queued();
}

static void end_three(void)
{
    mc_outcome(ki_load_relaxed(&m->workers[1].w.polls));
    all_three();
}

static void some_were_taken(void)
{
    MC_ASSERT(mc_seen(0) && mc_seen(1));
}

/* The watchdog finds a worker stuck: what is in its slot goes to the inject queue. */
static void begin_empty(void)
{
    begin_with(2);
    ki_store_relaxed(&flags[1], 1);
}

static void spawn_and_wake_two(void)
{
    ki_store_relaxed(&flags[1], 0);
    other = waiting(2);
    third = waiting(2);
    ki_store_relaxed(&flags[1], 1);
    wake_two();
    run_own(0);
}

static void free_slot(void)
{
    MC_ASSERT(ki_sched_enter(&m->base));
    ki_multi_free_next(&m->workers[0].w);
    ki_multi_free_next(&m->workers[0].w);
    ki_sched_leave(&m->base);
}

static void end_freed(void)
{
    mc_outcome(ki_load_relaxed(&m->inject.pushed));
    all_three();
}

/* ---- the whole loop --------------------------------------------------------------------------- */

/* Up to the second end: the tests' end does the rest. */
static void loop(unsigned i)
{
    struct mworker *w = &m->workers[i];

    ki_worker_here = &w->w;
    while (drops() < 2) {
        struct ki_task *t = next_task(w);

        if (!t)
            t = search(w);
        if (t)
            run_task(w, t);
    }
    ki_worker_here = NULL;
}

static void loop_as_0(void)
{
    loop(0);
}

static void loop_as_1(void)
{
    loop(1);
}

/* ---- a spare beside a worker ------------------------------------------------------------------ */

static void *nothing(void *arg)
{
    return arg;
}

static void step_aside(void)
{
    ki_multi_step_aside(&m->workers[0].w, nothing, NULL);
}

static void begin_no_task(void)
{
    begin_with(2);
    m->config.spares = 1;
}

/* A task that blocks, and another one. */
static void begin_spare(void)
{
    begin_with(2);
    m->config.spares = 1;
    task = spawn_on(0, 0);
    probe_of(task)->does = step_aside;
    MC_ASSERT(ki_queue_pop(&m->workers[0].queue) == task);
    spawn_on(0, 0);
}

/* The first worker is in a poll that blocks, and ends with that. */
static void block_and_go_on(void)
{
    struct mworker *w = &m->workers[0];

    ki_worker_here = &w->w;
    run_task(w, task);
    ki_worker_here = NULL;
}

static void block(void)
{
    (void)ki_multi_stand_in(&m->base);
}

/* It has more than it runs when it is told to retire. */
static void begin_spare_with_three(void)
{
    begin_spare();
    spawn_on(0, 0);
    spawn_on(0, 0);
}

/* One of its tasks waits, and lingers while the one that it woke is to run next. */
static void begin_spare_with_two_that_talk(void)
{
    begin_no_task();
    third = waiting(2);
    ki_store_relaxed(&flags[1], 1);
    task = spawn_on(0, 0);
    probe_of(task)->does = step_aside;
    MC_ASSERT(ki_queue_pop(&m->workers[0].queue) == task);
    other = spawn_on(0, 1);
    probe_of(other)->wakes[0] = third;
}

/* Looks once. */
static void steal_as_1(void)
{
    struct mworker *w = &m->workers[1];
    struct ki_task *t;

    ki_worker_here = &w->w;
    if ((t = steal(w)))
        run_task(w, t);
    ki_worker_here = NULL;
}

/* A dump meets who steps aside: the frame is still the poll's. It may hold the task polled before. */
static void begin_aside(void)
{
    begin_with(1);
    other = spawn_on(0, 1);
    MC_ASSERT(ki_queue_pop(&m->workers[0].queue) == other);
    task = spawn_on(0, 0);
    probe_of(task)->does = step_aside;
    MC_ASSERT(ki_queue_pop(&m->workers[0].queue) == task);
}

static void poll_and_block(void)
{
    struct mworker *w = &m->workers[0];

    ki_worker_here = &w->w;
    run_task(w, other);
    run_task(w, task);
    ki_worker_here = NULL;
}

static void visit(const struct ki_looked *seen, void *arg)
{
    const struct probe *p = probe_of(seen->task);

    (void)arg;
    if (seen->walkable) /* a race if it is polled now: polls is written before it steps aside, out later */
        MC_ASSERT(p->polls <= 1 && !p->out);
}

static void look(void)
{
    ki_look(&m->base, true, visit, NULL);
}

static void end_aside(void)
{
    MC_ASSERT(drops() == 1);
    nothing_queued();
}

static void end_blocked(void)
{
    MC_ASSERT(ki_multi_spares(&m->base) == 1);
}

static void retired(unsigned tasks)
{
    mc_outcome(ki_load_relaxed(&m->spares->w.polls));
    run_what_comes(1);
    MC_ASSERT(drops() == tasks);
    MC_ASSERT(!ki_load_relaxed(&m->surplus));
    MC_ASSERT(!ki_multi_spares(&m->base));
    MC_ASSERT(ki_load_relaxed(&m->running) == 3);
    MC_ASSERT(m->spare_free && !m->spare_free->free);
    MC_ASSERT(!m->spare_free->lingers && !ki_lifo_has(&m->spare_free->linger));
    nothing_queued();
}

static void spare_has_retired(void)
{
    retired(2);
}

static void spare_has_retired_from_three(void)
{
    bool handed_on = ki_load_relaxed(&m->inject.pushed);

    retired(4);
    mc_outcome(handed_on);
}

static void spare_has_retired_from_two_that_talk(void)
{
    wake_by(other, 0);
    retired(3);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void begin_to_end(void)
{
    begin_with(2);
    m->workers[1].thread = 1;
    task = waiting(1);
}

static void work(unsigned i)
{
    worker_main(&m->workers[i]);
    ki_bare_store_release(&ended[i], 1);
}

static void work_as_0(void)
{
    work(0);
}

/* Both sleep; one wake is for one of them, who hands it on. */
static void sleep_to_the_end(unsigned i)
{
    struct mworker *w = &m->workers[i];

    ki_worker_here = &w->w;
    while (!is_ending(m))
        turn(w, -1);
    m->base.park->unpark(m->base.park);
    ki_mworker_leave(w);
    ki_bare_store_release(&ended[i], 1);
}

static void sleep_as_0(void)
{
    sleep_to_the_end(0);
}

static void sleep_as_1(void)
{
    sleep_to_the_end(1);
}

static void begin_one_to_end(void)
{
    begin_with(1);
    task = waiting(1);
}

static void close_all(void)
{
    MC_ASSERT(!ki_multi_close(&m->base, -1));
    MC_ASSERT(drops() == 1);
    ki_multi_forget(&m->base);
}

/* The task is polled once more, then both workers go; the last one drops it. */
static void poll_and_leave(void)
{
    ki_worker_here = &m->workers[0].w;
    wake_by(task, 1);
    run_own(0);
    ki_worker_here = &m->workers[0].w;
    ki_mworker_leave(&m->workers[0]);
}

static void leave(void)
{
    ki_worker_here = &m->workers[1].w;
    ki_mworker_leave(&m->workers[1]);
}

static void end_left(void)
{
    MC_ASSERT(drops() == 1);
    MC_ASSERT(!ki_load_relaxed(&m->running));
}

/* The last to leave may be a spare, whose thread nobody joins. */
static void begin_spare_to_end(void)
{
    begin_with(1);
    m->config.spares = 1;
    task = waiting(1);
    (void)ki_multi_stand_in(&m->base);
}

static void leave_0(void)
{
    ki_worker_here = &m->workers[0].w;
    ki_mworker_leave(&m->workers[0]);
    ki_bare_store_release(&ended[0], 1);
}

static void run_the_spare(void)
{
    run_posted();
}

static void close_with_spare(void)
{
    MC_ASSERT(!ki_multi_close(&m->base, -1));
    MC_ASSERT(drops() == 1);
}

/* ---- whether all is quiet ---------------------------------------------------------------------- */

static void begin_quiet(void)
{
    begin_with(1);
    task = waiting(3);
}

static void work_for_ever(void)
{
    work(0);
}

/* As runtime/stuck.c: what was woken is polled, or there is something to be seen. */
static void wake_and_look(void)
{
    uint64_t before = 0;
    uint64_t polls;

    wake_by(task, 0);
    for (unsigned i = 0; i < 2; i++) {
        if (!ki_multi_quiet(&m->base, &polls) || (i && polls != before))
            return;
        before = polls;
    }
    MC_ASSERT(polls == 2);
}

static void polled_twice(void)
{
    MC_ASSERT(probe_of(task)->polls == 2);
    nothing_queued();
}

static const struct mc_test tests[] = {
    { "slot_beside_a_thief_of_the_queue", begin_slot, { run_as_0, run_as_1 }, end_three },
    { "slot_taken_at_a_beat", begin_slot, { run_as_0, beat_as_1 }, end_three, .done = some_were_taken },
    { "slot_freed_from_outside", begin_empty, { spawn_and_wake_two, free_slot }, end_freed,
      .done = some_were_taken },
    { "two_loops", begin_slot, { loop_as_0, loop_as_1 }, end_three, .at_rest = end_three },
    { "new_spare_meets_a_thief", begin_no_task, { block, steal_as_1 }, end_blocked },
    { "look_meets_who_steps_aside", begin_aside, { poll_and_block, look }, end_aside },
    { "spare_runs_and_retires", begin_spare, { block_and_go_on, pool_thread },
      .at_rest = spare_has_retired, .done = some_were_taken },
    { "spare_retires_with_a_queue", begin_spare_with_three, { block_and_go_on, pool_thread },
      .at_rest = spare_has_retired_from_three, .done = some_were_taken },
    { "spare_retires_and_one_lingers", begin_spare_with_two_that_talk, { block_and_go_on, pool_thread },
      .at_rest = spare_has_retired_from_two_that_talk },
    { "spare_beside_a_thief", begin_spare, { block_and_go_on, pool_thread, steal_as_1 },
      .at_rest = spare_has_retired, .done = some_were_taken },
    { "two_leave", begin_to_end, { poll_and_leave, leave }, end_left },
    { "close_meets_a_worker", begin_one_to_end, { close_all, work_as_0 } },
    { "close_meets_two_sleepers", begin_to_end, { close_all, sleep_as_0, sleep_as_1 } },
    { "close_meets_a_last_spare", begin_spare_to_end, { close_with_spare, run_the_spare, leave_0 } },
    { "quiet_is_true", begin_quiet, { work_for_ever, wake_and_look }, .at_rest = polled_twice },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
