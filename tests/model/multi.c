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
 */
#include "checker/park.h"
#include "checker/tasks.h"

#include "sched/worker.c"

static struct ki_multi *m;
static struct ki_task *task, *other;

/* ---- what is not part of it ----------------------------------------------------------------- */

struct ki_sched *ki_current_new(void)
{
    return NULL;
}

void ki_current_forget(struct ki_sched *s)
{
    (void)s;
}

struct ki_worker *ki_current_worker(struct ki_sched *s)
{
    (void)s;
    return NULL;
}

bool ki_spare_may_retire(struct mworker *w)
{
    (void)w;
    return false;
}

static void *driver_of(void *arg, unsigned i)
{
    (void)arg, (void)i;
    return m; /* anything */
}

static void on_thread(void *arg, void *driver, bool start)
{
    (void)arg, (void)driver, (void)start;
}

/* ---- a runtime ------------------------------------------------------------------------------ */

static void begin_with(unsigned workers)
{
    mc_thread_local(&ki_worker_here, sizeof ki_worker_here);
    mc_thread_local(&ki_here, sizeof ki_here);
    m = multi_of(ki_multi_new());
    m->config = (struct ki_multi_config){ .park = &the_park, .driver_of = driver_of,
                                          .on_thread = on_thread, .workers = workers };
    m->count = workers;
    m->workers = mc_alloc(workers * sizeof *m->workers, KI_CACHE_LINE, false);
    m->idle = (struct ki_idle){ .workers = workers };
    m->base.park = &the_park;
    ki_store_relaxed(&m->running, workers + 1);
    for (unsigned i = 0; i < workers; i++)
        MC_ASSERT(!ki_mworker_init(&m->workers[i], m, i));
    ki_store_relaxed(&m->base.closed, 0);
}

/* As spawned by worker 0, before it runs. */
static struct ki_task *spawn(uint32_t needs)
{
    struct ki_task *t = probe_new(&m->base, &m->workers[0].w.nest, sizeof(struct probe), needs);

    ki_multi_spawn(&m->base, &m->workers[0].w, t);
    return t;
}

static void begin_one(void)
{
    begin_with(1);
    task = spawn(3);
}

/* The task was polled and waits. */
static void poll_now(struct mworker *w)
{
    struct ki_task *t;

    ki_worker_here = &w->w;
    while ((t = next_task(w)))
        run_task(w, t);
    ki_worker_here = NULL;
}

static void begin_one_idle(void)
{
    begin_one();
    poll_now(&m->workers[0]);
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

static void wake_by(struct ki_task *t, unsigned flag)
{
    ki_store_relaxed(&flags[flag], 1);
    kio_waker_wake(ki_task_waker(t));
}

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

static void end(void)
{
    for (unsigned i = 0; i < m->count; i++) {
        MC_ASSERT(!ki_queue_len(&m->workers[i].queue));
        MC_ASSERT(!ki_lifo_has(&m->workers[i].lifo));
    }
    MC_ASSERT(!ki_load_relaxed(&m->base.visitors));
}

/* ---- the state word alone: two threads, each a worker, without sleeping ----------------------- */

static void begin_two(void)
{
    begin_with(2);
    task = spawn(3);
    other = NULL;
}

/* Polls what is in its queue and slot, or steals it. */
static void run_what_comes(unsigned i)
{
    struct mworker *w = &m->workers[i];
    struct ki_task *t;

    ki_worker_here = &w->w;
    while ((t = next_task(w)) || (t = steal(w)))
        run_task(w, t);
    ki_worker_here = NULL;
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
    end();
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
    end();
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

/* ---- a dump looks at the task ----------------------------------------------------------------- */

static unsigned looks;

static void visit(const struct ki_looked *seen, void *arg)
{
    const struct probe *p = (const struct probe *)ki_task_future(seen->task);

    (void)arg;
    if (seen->walkable)
        looks += p->polls; /* a race if a worker polls it now */
}

static void look(void)
{
    ki_look(&m->base, true, visit, NULL);
}

static void run_one_until_over(void)
{
    ki_store_relaxed(&flags[0], 1);
    ki_store_relaxed(&flags[1], 1);
    run_what_comes(0);
}

static void end_look(void)
{
    MC_ASSERT(drops() == 1);
    end();
}

static const struct mc_test tests[] = {
    { "wake_meets_poll", begin_two, { run_as_0, wake_as_worker_1 }, end_two },
    { "two_wakes_meet_poll", begin_two, { run_as_0, wake_once_as_worker_1, wake_1 }, end_two },
    { "slot_taken_by_a_thief", begin_slot, { replace_in_slot, take_from_slot }, end_slot },
    { "foreign_wake_meets_sleep", begin_one_idle, { work_one, wake_both_flags }, end },
    { "two_foreign_wakes", begin_one_idle, { work_one, wake_0, wake_1 }, end },
    { "foreign_spawn_meets_sleep", begin_one_idle, { work_one, spawn_foreign }, end },
    { "shutdown_meets_sleep", begin_one_idle, { work_to_the_end, close_it }, end_closed },
    { "wake_meets_shutdown", begin_one_idle, { leave, close_it, wake_0 }, end_closed },
    { "look_meets_poll", begin_two, { run_one_until_over, look }, end_look },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
