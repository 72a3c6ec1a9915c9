/*
 * current_thread: wakes and spawns from other threads meet the running thread on its way to sleep.
 * No wake is lost, what wakers wrote is seen by the poll that follows, and after a close nobody touches
 * anything.
 *
 * Sources: src/sched/sched.c src/sched/look.c src/sched/watch.c src/sched/times.c src/task/task.c
 * Sources: src/task/handle.c src/task/arena.c src/future/future.c src/future/waker.c
 * Sources: src/base/lock.c tests/model/checker/doors.c tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=200
 */
#include "checker/park.h"
#include "checker/tasks.h"

#include "sched/current.c"

static struct ki_sched *sched;
static struct ki_task *task, *other;

struct ki_sched *ki_multi_new(void)
{
    return NULL;
}

void ki_multi_forget(struct ki_sched *s)
{
    (void)s;
}

void ki_multi_each(struct ki_sched *s, void (*visit)(struct ki_worker *, unsigned, void *), void *arg)
{
    (void)s, (void)visit, (void)arg;
}

int ki_multi_worker_of(struct ki_sched *s, const kio_future *f)
{
    (void)s, (void)f;
    return -1;
}

void ki_multi_look(struct ki_sched *s, bool begin)
{
    (void)s, (void)begin;
}

bool ki_multi_polls(struct ki_sched *s, const struct ki_task *t)
{
    (void)s, (void)t;
    return false;
}

static void nothing_left(void *arg)
{
    (void)arg;
}

static struct ki_task *spawn(uint32_t needs)
{
    struct ki_task *t = probe_new(sched, ki_current_nest(sched), sizeof(struct probe), needs);

    ki_current_spawn(sched, &current_of(sched)->worker, t);
    return t;
}

static void begin(void)
{
    mc_thread_local(&ki_worker_here, sizeof ki_worker_here);
    mc_thread_local(&ki_here, sizeof ki_here);
    sched = ki_current_new();
    sched->before_sleep = nothing_left;
    MC_ASSERT(!ki_current_open(sched, &the_park, NULL, 1, false, false));
    task = spawn(3);
}

static void begin_with_two(void)
{
    begin();
    other = spawn(2);
}

static bool all_over(void *arg)
{
    return drops() == (uintptr_t)arg;
}

static void run_one(void)
{
    MC_ASSERT(ki_current_run(sched, all_over, (void *)1));
}

static void run_two(void)
{
    MC_ASSERT(ki_current_run(sched, all_over, (void *)2));
}

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

/* The other one is the first to be parked by who drains. */
static void wake_around(void)
{
    kio_waker_wake(ki_task_waker(other));
    wake_by(task, 0);
    kio_waker_wake(ki_task_waker(other));
}

static void wake_two_tasks(void)
{
    ki_store_relaxed(&flags[0], 1);
    ki_store_relaxed(&flags[1], 1);
    kio_waker_wake(ki_task_waker(task));
    kio_waker_wake(ki_task_waker(other));
}

/* As a local set: in steps, by a task that is woken by unpark. */
static void run_in_steps(void)
{
    while (drops() < 1) {
        if (!ki_current_step(sched, 4) && drops() < 1)
            mc_wait((uint32_t *)&unparks);
    }
}

/* A task that another thread spawns. What it wrote comes along. */
static void spawn_foreign(void)
{
    struct ki_task *made;

    MC_ASSERT(ki_sched_enter(sched));
    made = probe_new(sched, NULL, sizeof(struct probe), 0);
    ki_current_spawn(sched, NULL, made);
    ki_sched_leave(sched);
    wake_both_flags();
}

/* ---- the slot of a task that ended is used again, while a wake of the old one is late -------- */

static void begin_reuse(void)
{
    begin();
    ki_store_relaxed(&flags[0], 1);
    ki_store_relaxed(&flags[1], 1);
}

static void run_reuse(void)
{
    run_one();
    other = spawn(4);
    MC_ASSERT(other == task);
    MC_ASSERT(ki_current_run(sched, all_over, (void *)2));
}

static void wake_late(void)
{
    kio_waker_wake(ki_task_waker(task)); /* whoever has the slot */
    ki_store_relaxed(&flags[2], 1);
    kio_waker_wake(ki_task_waker(task));
}

/* A slot that is free for every thread: one takes it for a new task, while a late wake of the former
 * one puts it in the inbox and so brings the new task in. */
static void begin_free_slot(void)
{
    mc_thread_local(&ki_worker_here, sizeof ki_worker_here);
    mc_thread_local(&ki_here, sizeof ki_here);
    sched = ki_current_new();
    sched->before_sleep = nothing_left;
    MC_ASSERT(!ki_current_open(sched, &the_park, NULL, 1, false, false));
    task = probe_new(sched, NULL, sizeof(struct probe), 0);
    ki_task_release(task, NULL);
}

static void spawn_in_free_slot(void)
{
    struct ki_task *made;

    MC_ASSERT(ki_sched_enter(sched));
    made = probe_new(sched, NULL, sizeof(struct probe), 0);
    MC_ASSERT(made == task);
    ki_current_spawn(sched, NULL, made);
    ki_sched_leave(sched);
}

static void wake_free_slot(void)
{
    kio_waker_wake(ki_task_waker(task));
}

/* Both wait in the inbox; one is woken again while it may be on its way out. */
static bool stop_at_once(void *arg)
{
    unsigned *calls = arg;

    return ++*calls > 1;
}

static void begin_with_two_in_the_inbox(void)
{
    unsigned calls = 0;

    begin_with_two();
    (void)ki_current_run(sched, stop_at_once, &calls);
    ki_store_relaxed(&flags[1], 1);
    kio_waker_wake(ki_task_waker(task));
    kio_waker_wake(ki_task_waker(other));
}

/* ---- closing -------------------------------------------------------------------------------- */

static void close_it(void)
{
    int err = ki_current_close(sched);

    MC_ASSERT(!err);
    MC_ASSERT(drops() == 1);
    MC_ASSERT(!current_of(sched)->head);
}

/* It was run by another thread before: what that left behind is this one's now. */
static void run_a_little(void)
{
    unsigned calls = 0;

    (void)ki_current_run(sched, stop_at_once, &calls);
}

static void close_when_free(void)
{
    while (ki_current_close(sched))
        mc_spin();
    MC_ASSERT(drops() == 1);
}

/* ---- two threads that want to run it, and a question from outside --------------------------- */

static uint32_t ran_by; /* plain: `running` keeps them apart */

static bool once(void *arg)
{
    (void)arg;
    ran_by++;
    return true;
}

static void try_run(void)
{
    (void)ki_current_run(sched, once, NULL);
}

static unsigned answered;

static void question(void *arg)
{
    answered++;
    MC_ASSERT(arg == &answered);
    ran_by++;
}

static bool over_and_count(void *arg)
{
    ran_by++;
    return all_over(arg);
}

static void run_and_count(void)
{
    while (!ki_current_run(sched, over_and_count, (void *)1))
        mc_spin(); /* who asks has it */
}

static void ask(void)
{
    uint64_t polled;

    MC_ASSERT(!ki_current_ask(sched, question, &answered, 1000, &polled));
    MC_ASSERT(answered == 1);
    wake_both_flags();
}

static void run_once(void)
{
    (void)ki_current_run(sched, once, NULL);
}

static void ask_only(void)
{
    uint64_t polled;

    MC_ASSERT(!ki_current_ask(sched, question, &answered, 1000, &polled));
}

static void end(void)
{
    drain(current_of(sched)); /* late wakes: of slots without a task */
    MC_ASSERT(!current_of(sched)->head);
    MC_ASSERT(!ki_load_relaxed(&sched->visitors));
}

static const struct mc_test tests[] = {
    { "two_wakers_of_a_task", begin, { run_one, wake_0, wake_1 }, end },
    { "one_waker_twice", begin, { run_one, wake_both_flags }, end },
    { "two_tasks_in_the_inbox", begin_with_two, { run_two, wake_two_tasks }, end },
    { "one_of_two_woken_again", begin_with_two_in_the_inbox, { run_two, wake_0 }, end },
    { "last_of_two_woken_again", begin_with_two_in_the_inbox, { run_two, wake_around }, end },
    { "in_steps", begin, { run_in_steps, wake_0, wake_1 }, end },
    { "spawned_by_another_thread", begin, { run_two, spawn_foreign }, end },
    { "late_wake_of_a_used_slot", begin_reuse, { run_reuse, wake_late }, end },
    { "late_wake_brings_in_a_new_task", begin_free_slot,
      { run_one, spawn_in_free_slot, wake_free_slot }, end },
    { "wake_meets_close", begin, { close_it, wake_0 }, end },
    { "close_by_another_thread", begin, { run_a_little, close_when_free } },
    { "two_run", begin, { try_run, try_run } },
    { "asked_after_running", begin, { run_once, ask_only } },
    { "asked_while_running", begin, { run_and_count, ask }, end },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
