/*
 * The end of a task meets its handle: the result is seen, the frame is freed once and by the last, an
 * abort reaches the task that it is for and no other.
 *
 * Sources: src/task/task.c src/task/handle.c src/task/arena.c src/future/future.c
 * Sources: src/future/waker.c tests/model/checker/doors.c tests/model/checker/sched_doors.c
 * Defines: -DKI_CHUNK_SIZE=1024 -DKI_SLOT_MAX=200
 */
#include "checker/sleeper.h"
#include "checker/tasks.h"
#include "task/handle.h"

#include <errno.h>

_Thread_local struct ki_worker *ki_worker_here;

static struct ki_sched sched;
static struct ki_task *task;
static struct kio_join_handle handle;
static struct kio_abort_handle abort_handle;
static struct sleeper *joiner, *other_joiner;
static ki_atomic(uint32_t) task_woken;
static int joined;

struct ki_arena *ki_sched_arena(struct ki_sched *s)
{
    return &s->arena;
}

static void wake_task(struct kio_wakeable *self)
{
    (void)self;
    ki_xchg_acq_rel(&task_woken, 1);
}

static const kio_waker_type task_type = { .name = "task", .wake = wake_task };

static void begin_sized(size_t size)
{
    mc_thread_local(&ki_worker_here, sizeof ki_worker_here);
    joiner = sleeper_new();
    other_joiner = sleeper_new();
    sched = (struct ki_sched){ .flavor = KIO_MULTI_THREAD };
    ki_arena_init(&sched.arena, &sched, &task_type);
    task = probe_new(&sched, NULL, size, 0);
    ki_handle_init(&handle, task, 0);
    ki_store_relaxed(&task->join, 0);
    ki_store_relaxed(&task->state, KI_TASK_LIVE);
    abort_handle = kio_abort_handle(&handle);
    joined = 1;
}

static void begin(void)
{
    begin_sized(sizeof(struct probe));
}

/* The frame is an allocation of its own: each use of it is checked against the free. */
static void begin_boxed(void)
{
    begin_sized(4096);
}

/* ---- the worker ---------------------------------------------------------------------------- */

static struct probe *frame(void)
{
    return (struct probe *)ki_task_future(task);
}

static void run(void)
{
    kio_context cx;

    kio_context_init(&cx, ki_task_waker(task));
    MC_ASSERT(kio_poll_(&frame()->kio, &cx) == KIO_READY);
    ki_store_relaxed(&task->state, 0);
    ki_task_over(task, KI_JOIN_DONE, NULL);
}

/* Ends when it is asked to. */
static void run_until_abort(void)
{
    mc_wait((uint32_t *)&task_woken);
    MC_ASSERT(ki_task_abort_asked(task));
    kio_drop_(&frame()->kio);
    ki_store_relaxed(&task->state, 0);
    ki_task_over(task, KI_JOIN_ABORTED, NULL);
}

/* Its slot is used again at once. */
static struct ki_task *next;

static void run_and_reuse(void)
{
    run();
    next = probe_new(&sched, NULL, sizeof(struct probe), 0);
}

/* Also for a task with a handle, as runtime/spawn.c makes them. */
static void run_and_hatch(void)
{
    run();
    kio_drop(&handle);
    next = probe_new(&sched, NULL, sizeof(struct probe), 0);
    MC_ASSERT(next == task);
    ki_store_release(&next->join, 0);
}

/* ---- the handle ---------------------------------------------------------------------------- */

static void join(void)
{
    sleeper_run(joiner, &handle.kio);
    joined = handle.out;
    if (!joined)
        MC_ASSERT(*(uint32_t *)kio_output_(&handle, sizeof(uint32_t)) == 42);
    kio_drop(&handle);
}

static void join_by_two(void)
{
    if (sleeper_poll(other_joiner, &handle.kio) == KIO_PENDING)
        sleeper_run(joiner, &handle.kio);
    MC_ASSERT(*(uint32_t *)kio_output_(&handle, sizeof(uint32_t)) == 42);
    kio_drop(&handle);
}

static void detach(void)
{
    kio_drop(&handle);
}

static void poll_and_detach(void)
{
    (void)sleeper_poll(joiner, &handle.kio);
    kio_drop(&handle);
}

static void look(void)
{
    if (kio_is_finished(&handle)) {
        MC_ASSERT(*(uint32_t *)kio_output_(&handle, sizeof(uint32_t)) == 42);
        kio_drop(&handle);
    }
}

static void abort_and_join(void)
{
    kio_abort(&handle);
    join();
}

static void abort_by_handle(void)
{
    kio_abort_by(abort_handle);
}

/* What was done before the end is seen by who asks whether it has come. */
static uint32_t before_end;

static void join_and_see(void)
{
    sleeper_run(joiner, &handle.kio);
    MC_ASSERT(before_end == 1);
    kio_drop(&handle);
}

static void look_and_see(void)
{
    if (kio_is_finished(&handle))
        MC_ASSERT(before_end == 1);
}

static void write_and_run(void)
{
    before_end = 1;
    run();
}

/* What has ended stays so, whoever has its slot. */
static void ask_twice(void)
{
    if (kio_abort_is_finished(abort_handle))
        MC_ASSERT(kio_abort_is_finished(abort_handle));
}

static void ask_abort_handle(void)
{
    if (kio_abort_is_finished(abort_handle))
        MC_ASSERT(before_end == 1);
}

/* ---- the runtime is gone, the handle is not -------------------------------------------------- */

static void begin_over(void)
{
    begin_boxed();
    run();
}

static void trim(void)
{
    ki_arena_trim(&sched.arena);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void freed(void)
{
    unsigned slots = 0;

    kio_drop(&handle);
    for (unsigned i = 0; i < KI_CLASS_COUNT; i++)
        slots += sched.arena.shared.count[i];
    MC_ASSERT(slots == 1);
    MC_ASSERT(!ki_task_in_use(task));
    MC_ASSERT(drops() == 1);
    kio_waker_drop(sleeper_waker(joiner));
    kio_waker_drop(sleeper_waker(other_joiner));
    MC_ASSERT(mc_alive() == 3); /* the arena's region, its descriptors and their table */
}

/* Whichever came first: the slot is in no list, or in one. */
static void trimmed(void)
{
    MC_ASSERT(!ki_task_in_use(task));
    MC_ASSERT(mc_alive() == 5); /* also the sleepers */
    trim();
    MC_ASSERT(probe_new(&sched, NULL, 4096, 0));
}

static void joined_and_freed(void)
{
    MC_ASSERT(joined == 0);
    freed();
}

static void aborted_and_freed(void)
{
    MC_ASSERT(joined == -ECANCELED);
    freed();
}

static void next_is_not_aborted(void)
{
    MC_ASSERT(!ki_task_abort_asked(next));
    MC_ASSERT(ki_task_id(next) != abort_handle.id);
}

static const struct mc_test tests[] = {
    { "end_and_join", begin, { run, join }, joined_and_freed },
    { "end_and_join_boxed", begin_boxed, { run, join }, joined_and_freed },
    { "end_and_join_by_two", begin, { run, join_by_two }, freed },
    { "end_and_detach", begin, { run, detach }, freed },
    { "end_and_detach_boxed", begin_boxed, { run, detach }, freed },
    { "end_and_poll_then_detach", begin_boxed, { run, poll_and_detach }, freed },
    { "end_and_look", begin_boxed, { run, look }, freed },
    { "abort_and_join", begin_boxed, { run_until_abort, abort_and_join }, aborted_and_freed },
    { "abort_by_another_and_join", begin, { run_until_abort, join, abort_by_handle },
      aborted_and_freed },
    { "abort_of_a_task_that_ends", begin_boxed, { run, join, abort_by_handle }, joined_and_freed },
    { "abort_of_a_slot_used_again", begin, { run_and_reuse, detach, abort_by_handle },
      next_is_not_aborted },
    { "finished_stays_finished", begin, { run_and_hatch, ask_twice }, next_is_not_aborted },
    { "abort_handle_tells_what_came_before", begin, { write_and_run, ask_abort_handle }, freed },
    { "join_tells_what_came_before", begin, { write_and_run, join_and_see }, freed },
    { "finished_tells_what_came_before", begin, { write_and_run, look_and_see }, freed },
    { "detach_meets_trim", begin_over, { trim, detach }, trimmed },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
