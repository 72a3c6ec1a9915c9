/*
 * A dump looks at tasks of multi_thread while they are spawned, polled, put to sleep, end, and while their
 * slots are used again: it reads no frame that somebody polls, nothing of a task that is gone, and says of
 * none what was true of another.
 *
 * Sources: src/sched/queue.c src/sched/lifo.c src/sched/sched.c src/sched/look.c src/sched/watch.c
 * Sources: src/sched/times.c src/task/task.c src/task/handle.c src/task/arena.c
 * Sources: src/future/future.c src/future/waker.c src/base/lock.c tests/model/checker/doors.c
 * Sources: tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=300 -DKI_SEARCH_ROUNDS=1 -DKI_SEARCH_PAUSES=0
 * Defines: -DKI_TURN_INTERVAL=9 -DKI_QUEUE_MIN=4u -DKI_QUEUE_MAX=8u -DKI_QUEUE_STEAL=2u
 * Defines: -DKI_SLOT_BATCH=1
 * Defines: -DKI_LINGER_LOOKS=0
 */
#include "sched/worker.c"

#include "checker/workers.h"
#include "task/handle.h"

static struct ki_task *task, *other;

bool ki_spare_may_retire(struct mworker *w)
{
    (void)w;
    return false;
}

/* ---- the dump ------------------------------------------------------------------------------- */

static unsigned polls_of_task, polls_of_other;

/* As gather.c: the name, the frame's type, and of one that stands still the frame. */
static void visit(const struct ki_looked *seen, void *arg)
{
    (void)arg;
    if (seen->is > KI_IS_RUNNING)
        return;
    MC_ASSERT(!ki_task_name(seen->task));
    MC_ASSERT(ki_task_future(seen->task)->type == &probe_type);
    if (seen->walkable) /* a race if a worker polls it now */
        *(seen->task == task ? &polls_of_task : &polls_of_other) = probe_of(seen->task)->polls;
}

static void look(void)
{
    ki_look(&m->base, true, visit, NULL);
}

/* ---- while it is polled ---------------------------------------------------------------------- */

static void begin(void)
{
    begin_with(1);
    task = spawn_on(0, 1);
}

static void begin_yielding(void)
{
    begin();
    probe_of(task)->yields = 1;
}

static void run_to_the_end(void)
{
    ki_store_relaxed(&flags[0], 1);
    run_own(0);
}

/* As if it were woken and came up at once. */
static void wake_and_poll(unsigned worker, struct ki_task *t, unsigned flag)
{
    ki_worker_here = &m->workers[worker].w;
    ki_store_relaxed(&flags[flag], 1);
    if (task_notify(t))
        run_task(&m->workers[worker], t);
    ki_worker_here = NULL;
}

static void run_twice(void)
{
    run_own(0);
    wake_and_poll(0, task, 0);
}

static void end(void)
{
    MC_ASSERT(drops() == 1);
    nothing_queued();
}

/* It is looked at from inside of its poll; another worker wakes it and polls it next. */
static void begin_two(void)
{
    begin_with(2);
    task = spawn_on(0, 1);
    probe_of(task)->does = look;
}

static void run_first(void)
{
    run_own(0);
}

static void wake_and_run_on_the_other(void)
{
    wake_and_poll(1, task, 0);
}

static void end_two(void)
{
    run_own(0);
    run_own(1);
    end();
}

/* ---- while it is spawned --------------------------------------------------------------------- */

/* The arena has memory already; this size of slots is new to it, so its chunk is too. */
static void spawn_and_run(void)
{
    struct ki_worker *w = &m->workers[0].w;

    other = probe_new(&m->base, &w->nest, sizeof(struct probe) + 64, 0);
    ki_multi_spawn(&m->base, w, other);
    run_to_the_end();
}

static void end_both(void)
{
    MC_ASSERT(drops() == 2);
    nothing_queued();
}

/* ---- while its slot is used again ------------------------------------------------------------ */

static struct kio_join_handle handle, next_handle;
static uint64_t first_id;

static void hatch(struct ki_task *t, struct kio_join_handle *h)
{
    ki_handle_init(h, t, 0);
    ki_store_relaxed(&t->join, 0);
}

static void begin_over(void)
{
    struct ki_worker *w;

    begin_with(2);
    w = &m->workers[0].w;
    task = probe_new(&m->base, &w->nest, sizeof(struct probe), 0);
    first_id = ki_task_id(task);
    hatch(task, &handle);
    ki_multi_spawn(&m->base, w, task);
    run_own(0);
}

static struct ki_task *use_again(void)
{
    struct ki_worker *w = &m->workers[0].w;

    ki_worker_here = w;
    kio_drop(&handle);
    other = probe_new(&m->base, &w->nest, sizeof(struct probe), 0);
    MC_ASSERT(other == task);
    hatch(other, &next_handle);
    return other;
}

/* The first one ran to its end, the next one is aborted. */
static void use_again_and_abort(void)
{
    struct ki_task *t = use_again();

    kio_abort(&next_handle);
    ki_multi_spawn(&m->base, &m->workers[0].w, t);
    run_own(0);
}

static void visit_over(const struct ki_looked *seen, void *arg)
{
    (void)arg;
    if (seen->is == KI_IS_DONE)
        MC_ASSERT(seen->id == first_id);
    if (seen->is == KI_IS_ABORTED)
        MC_ASSERT(seen->id != first_id);
}

static void look_for_what_is_over(void)
{
    ki_look(&m->base, true, visit_over, NULL);
}

/* By a thread that is no worker; another worker may have it next. */
static void put_back(void)
{
    kio_drop(&handle);
}

/* A worker has free slots enough and gives some away, of which another makes tasks. */
static void begin_with_slots(void)
{
    begin_with(2);
    for (unsigned i = 0; i < 4; i++)
        task = spawn_on(0, 0);
    for (unsigned i = 0; i < 3; i++) {
        ki_worker_here = &m->workers[0].w;
        run_task(&m->workers[0], next_task(&m->workers[0]));
    }
    ki_worker_here = NULL;
}

static void give_away(void)
{
    run_own(0);
}

static void spawn_on_the_other(void)
{
    ki_worker_here = &m->workers[1].w;
    other = spawn_on(1, 0);
    run_own(1);
}

static void end_with_slots(void)
{
    MC_ASSERT(drops() == 5);
    nothing_queued();
}

static void end_other(void)
{
    MC_ASSERT(drops() == 2);
    MC_ASSERT(!ki_task_in_use(task));
    nothing_queued();
}

/* The next one is a job of the blocking pool, as runtime/spawn.c makes them. */
static void use_again_for_a_job(void)
{
    ki_store_release(&use_again()->state, KI_TASK_JOB);
}

static void visit_job(const struct ki_looked *seen, void *arg)
{
    (void)arg;
    if (seen->is == KI_IS_JOB)
        MC_ASSERT(seen->id != first_id);
}

static void look_for_jobs(void)
{
    ki_look(&m->base, true, visit_job, NULL);
}

static void end_over(void)
{
    kio_drop(&next_handle);
    nothing_queued();
}

/* ---- whether it has moved -------------------------------------------------------------------- */

static void begin_moving(void)
{
    begin_with(1);
    task = spawn_on(0, 3);
    other = spawn_on(0, 3);
    run_own(0);
}

/* The task is polled, then the other one. */
static void poll_both(void)
{
    wake_and_poll(0, task, 0);
    wake_and_poll(0, other, 0);
}

/* Slots are visited in the order in which they were carved: the task first. */
static void look_whether_it_moved(void)
{
    look();
    if (polls_of_task == 1 && polls_of_other == 2)
        MC_ASSERT(!ki_look_unmoved(task, ki_task_id(task)));
}

static const struct mc_test tests[] = {
    { "look_meets_the_only_poll", begin, { run_to_the_end, look }, end },
    { "look_meets_two_polls", begin, { run_twice, look }, end },
    { "look_meets_a_yield", begin_yielding, { run_to_the_end, look }, end },
    { "look_meets_two_workers", begin_two, { run_first, wake_and_run_on_the_other }, end_two },
    { "look_meets_a_spawn", begin, { spawn_and_run, look }, end_both },
    { "slots_given_away_meet_a_spawn", begin_with_slots, { give_away, spawn_on_the_other },
      end_with_slots },
    { "look_meets_a_slot_put_back", begin_over, { put_back, spawn_on_the_other, look }, end_other },
    { "look_meets_a_slot_used_again", begin_over, { use_again_and_abort, look_for_what_is_over },
      end_over },
    { "look_meets_a_job", begin_over, { use_again_for_a_job, look_for_jobs } },
    { "look_knows_what_moved", begin_moving, { poll_both, look_whether_it_moved } },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
