/* Task trackers: what is counted, and when a wait ends. As TaskTracker of tokio-util. */
#include "support/rt.h"

#include "base/mem.h"
#include "support/leaf.h"

#include <pthread.h>

/* ---- by hand, without a runtime ------------------------------------------------------------ */

static void a_wait_ends_when_it_is_closed_and_empty(void **state)
{
    struct kio_task_tracker t;
    struct kio_tracker_wait wait = { 0 }, second = { 0 };
    struct kio_tracked tracked = { 0 };
    struct leaf work = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    assert_int_equal(kio_task_tracker_new(&t), 0);
    kio_task_tracker_wait(&wait, &t);
    assert_int_equal(poll_once(&l, &wait), KIO_PENDING); /* empty, but open */
    leaf(&work, 3);
    kio_task_tracker_track(&tracked, &t, &work);
    assert_int_equal(kio_task_tracker_len(&t), 1); /* from its making on */
    assert_int_equal(poll_once(&l, &tracked), KIO_PENDING);
    assert_true(kio_task_tracker_close(&t));
    assert_false(kio_task_tracker_close(&t));
    assert_true(kio_task_tracker_is_closed(&t));
    assert_int_equal(run_until_stalled(&l, &wait), KIO_PENDING);
    leaf_tell(&work);
    assert_int_equal(poll_once(&l, &tracked), KIO_READY);
    assert_int_equal(work.out, 3);
    assert_int_equal(kio_task_tracker_len(&t), 0);
    assert_int_equal(run_until_stalled(&l, &wait), KIO_READY);
    kio_task_tracker_wait(&second, &t);
    assert_int_equal(poll_once(&l, &second), KIO_READY); /* at once */
    kio_task_tracker_drop(&t);
    kio_task_tracker_drop(&t); /* a zeroed one */
    little_settle(&l);
}

static void a_wait_sees_a_moment_that_is_over(void **state)
{
    struct kio_task_tracker t;
    struct kio_tracker_wait wait = { 0 }, late = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    assert_int_equal(kio_task_tracker_new(&t), 0);
    kio_task_tracker_wait(&wait, &t); /* made, never polled */
    kio_task_tracker_close(&t);
    assert_true(kio_task_tracker_reopen(&t));
    assert_false(kio_task_tracker_reopen(&t));
    kio_task_tracker_wait(&late, &t);
    assert_int_equal(poll_once(&l, &wait), KIO_READY);
    assert_int_equal(poll_once(&l, &late), KIO_PENDING);
    kio_drop(&late);
    kio_task_tracker_drop(&t);
    little_settle(&l);
}

static void a_dropped_future_leaves_and_wakes_who_waits_once(void **state)
{
    struct kio_task_tracker t, clone;
    struct kio_tracker_wait wait = { 0 };
    struct kio_tracked tracked[3] = { 0 };
    struct leaf work[3] = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    assert_int_equal(kio_task_tracker_new(&t), 0);
    clone = kio_task_tracker_clone(&t);
    leaves(work, 3);
    for (int i = 0; i < 3; i++)
        kio_task_tracker_track(&tracked[i], i ? &t : &clone, &work[i]);
    kio_task_tracker_drop(&clone);
    assert_int_equal(kio_task_tracker_len(&t), 3);
    kio_task_tracker_close(&t);
    kio_task_tracker_wait(&wait, &t);
    assert_int_equal(poll_once(&l, &wait), KIO_PENDING);
    kio_drop(&tracked[0]);
    kio_drop(&tracked[1]);
    assert_int_equal(ki_load_relaxed(&l.wakes), 0);
    kio_task_tracker_drop(&t); /* the future's own is enough */
    kio_drop(&tracked[2]);
    assert_int_equal(ki_load_relaxed(&l.wakes), 1);
    assert_int_equal(leaves_drops(work, 3), 3);
    assert_int_equal(poll_once(&l, &wait), KIO_READY);
    little_settle(&l);
}

/* ---- tasks --------------------------------------------------------------------------------- */

struct worker {
    async_fn(int);
    struct kio_task_tracker tracker; /* a clone, as a task that spawns more has */
    ki_atomic(int) *ended;
    int turns, children;
    struct kio_yield y;
};

static void worker_drop(struct worker *self)
{
    ki_fetch_add_seq_cst(self->ended, 1);
    kio_task_tracker_drop(&self->tracker);
}

async(worker, worker_drop)
{
    async_begin;
    while (self->turns--)
        await(kio_yield_now(&self->y));
    while (self->children--) {
        kio_task_tracker_spawn(&self->tracker, NULL, worker,
                               .tracker = kio_task_tracker_clone(&self->tracker),
                               .ended = self->ended, .turns = self->children);
    }
    async_return(9);
}

static void *job(void *arg)
{
    ki_fetch_add_seq_cst((ki_atomic(int) *)arg, 1);
    return arg;
}

struct crowd {
    async_fn(void);
    struct kio_task_tracker tracker;
    struct kio_tracker_wait wait;
    struct kio_join_handle handle, blocking, aborted;
    struct kio_yield y;
    ki_atomic(int) ended;
    int i;
};

static void crowd_drop(struct crowd *self)
{
    kio_task_tracker_drop(&self->tracker);
}

#define CROWD 30

async(crowd, crowd_drop)
{
    async_begin;
    assert_int_equal(kio_task_tracker_new(&self->tracker), 0);
    for (self->i = 0; self->i < CROWD; self->i++) {
        kio_task_tracker_spawn(&self->tracker, NULL, worker,
                               .tracker = kio_task_tracker_clone(&self->tracker),
                               .ended = &self->ended, .turns = self->i % 4, .children = 5);
    }
    kio_task_tracker_spawn(&self->tracker, &self->handle, worker, .ended = &self->ended);
    kio_task_tracker_spawn_blocking(&self->tracker, &self->blocking, job, &self->ended);
    kio_task_tracker_spawn_on(&self->tracker, rt, &self->aborted, worker, .ended = &self->ended,
                              .turns = 1000000);
    kio_abort(&self->aborted);
    kio_task_tracker_close(&self->tracker); /* more may come all the same */
    await(kio_task_tracker_wait(&self->wait, &self->tracker));
    assert_int_equal(ki_load_seq_cst(&self->ended), CROWD * 6 + 3);
    assert_int_equal(kio_task_tracker_len(&self->tracker), 0);
    await(&self->handle);
    assert_int_equal(*kio_output(&self->handle, int), 9); /* results are where they always are */
    await(&self->aborted);
    assert_int_equal(self->aborted.out, -ECANCELED);
    await(&self->blocking);
    assert_ptr_equal(*kio_output(&self->blocking, void *), &self->ended);
    async_return();
}

static void a_crowd_is_waited_for_with_all_it_has_spawned(void **state)
{
    (void)state;
    run(crowd);
}

struct named {
    async_fn(void);
    struct kio_yield y;
};

async(named)
{
    async_begin;
    assert_int_equal(kio_task_set_name("first"), 0);
    await(kio_yield_now(&self->y));
    assert_int_equal(kio_task_set_name("a second and longer name"), 0);
    async_return();
}

struct naming {
    async_fn(void);
    struct kio_task_tracker tracker;
    struct kio_join_handle handle;
};

static void naming_drop(struct naming *self)
{
    kio_task_tracker_drop(&self->tracker);
}

async(naming, naming_drop)
{
    async_begin;
    assert_int_equal(kio_task_tracker_new(&self->tracker), 0);
    kio_task_tracker_spawn(&self->tracker, &self->handle, named);
    await(&self->handle);
    assert_int_equal(kio_task_tracker_len(&self->tracker), 0);
    async_return();
}

static void a_tracked_task_may_take_names(void **state)
{
    (void)state;
    run(naming);
}

static void tasks_that_the_shutdown_drops_leave_too(void **state)
{
    static struct kio_task_tracker t;
    static ki_atomic(int) ended;

    (void)state;
    ki_store_seq_cst(&ended, 0);
    assert_int_equal(kio_task_tracker_new(&t), 0);
    for (int i = 0; i < 10; i++) {
        kio_task_tracker_spawn_on(&t, rt, NULL, worker, .ended = &ended, .turns = 100000000);
        assert_true(kio_task_tracker_len(&t) >= 1);
    }
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&ended), 10);
    assert_int_equal(kio_task_tracker_len(&t), 0);
    assert_int_equal(kio_task_tracker_spawn_on(&t, rt, NULL, worker, .ended = &ended), -ESHUTDOWN);
    assert_int_equal(ki_load_seq_cst(&ended), 11);
    assert_int_equal(kio_task_tracker_len(&t), 0);
    kio_task_tracker_drop(&t);
}

struct poor {
    async_fn(void);
    struct kio_task_tracker tracker;
    struct kio_join_handle handle;
    ki_atomic(int) ended;
    int i;
};

static void poor_drop(struct poor *self)
{
    kio_task_tracker_drop(&self->tracker);
}

async(poor, poor_drop)
{
    async_begin;
    ki_mem_fail_at(1);
    assert_int_equal(kio_task_tracker_new(&self->tracker), -ENOMEM);
    assert_int_equal(kio_task_tracker_new(&self->tracker), 0);
    ki_mem_fail_at(1);
    assert_int_equal(kio_task_tracker_spawn(&self->tracker, &self->handle, worker, .ended = &self->ended),
                     -ENOMEM);
    assert_int_equal(ki_load_seq_cst(&self->ended), 1);
    await(&self->handle);
    assert_int_equal(self->handle.out, -ENOMEM);
    ki_mem_fail_at(1);
    assert_int_equal(
        kio_task_tracker_spawn_blocking(&self->tracker, &self->handle, job, &self->ended), -ENOMEM);
    await(&self->handle);
    assert_int_equal(self->handle.out, -ENOMEM);
    assert_int_equal(kio_task_tracker_len(&self->tracker), 0);
    async_return();
}

static void what_could_not_be_spawned_is_not_counted(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD) /* one thread: nobody else allocates */
        run(poor);
}

RT_MAIN(cmocka_unit_test(a_wait_ends_when_it_is_closed_and_empty),
        cmocka_unit_test(a_wait_sees_a_moment_that_is_over),
        cmocka_unit_test(a_dropped_future_leaves_and_wakes_who_waits_once),
        RT(a_crowd_is_waited_for_with_all_it_has_spawned), RT(a_tracked_task_may_take_names),
        RT(tasks_that_the_shutdown_drops_leave_too), RT(what_could_not_be_spawned_is_not_counted))
