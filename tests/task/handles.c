/* Abort handles, ids and names, and spawning on a given runtime. */
#include "support/rt.h"

#include <pthread.h>

struct waiter {
    async_fn(int);
    struct kio_notify *go;
    struct kio_notified wait;
};

static void waiter_drop(struct waiter *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(waiter, waiter_drop)
{
    async_begin;
    await(kio_notified(&self->wait, self->go));
    async_return(1);
}

static struct kio_notify never;

static void *abort_it(void *arg)
{
    kio_abort_by(*(struct kio_abort_handle *)arg);
    return arg;
}

struct aborting {
    async_fn(void);
    struct kio_join_handle task;
    struct kio_abort_handle copies[3];
    struct kio_yield y;
    pthread_t thread;
};

async(aborting)
{
    async_begin;
    kio_spawn(&self->task, waiter, .go = &never);
    for (int i = 0; i < 3; i++)
        self->copies[i] = kio_abort_handle(&self->task);
    assert_int_equal(kio_abort_task_id(self->copies[0]), kio_task_id(&self->task));
    await(kio_yield_now(&self->y));
    assert_false(kio_abort_is_finished(self->copies[0]));
    assert_int_equal(pthread_create(&self->thread, NULL, abort_it, &self->copies[1]), 0);
    await(&self->task);
    pthread_join(self->thread, NULL);
    assert_int_equal(self->task.out, -ECANCELED);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
    assert_true(kio_abort_is_finished(self->copies[0]));
    kio_drop(&self->task); /* the slot may be another task's from here on */
    assert_true(kio_abort_is_finished(self->copies[2]));
    kio_abort_by(self->copies[2]);
    async_return();
}

static void an_abort_handle_is_a_value_for_any_thread(void **state)
{
    (void)state;
    run(aborting);
}

struct reuse {
    async_fn(void);
    struct kio_join_handle task, other;
    struct kio_abort_handle old;
    struct kio_notify go;
    struct kio_yield y;
    uint64_t last;
    int i;
};

async(reuse)
{
    async_begin;
    for (self->i = 0; self->i < amount(500); self->i++) {
        kio_spawn(&self->task, waiter, .go = &self->go);
        assert_true(kio_task_id(&self->task) != 0);
        assert_int_not_equal(kio_task_id(&self->task), self->last);
        self->last = kio_task_id(&self->task);
        self->old = kio_abort_handle(&self->task);
        kio_notify_one(&self->go);
        await(&self->task);
        assert_int_equal(self->task.out, 0);
        kio_drop(&self->task);
        kio_spawn(&self->other, waiter, .go = &self->go); /* mostly in the same slot */
        kio_abort_by(self->old);
        assert_true(kio_abort_is_finished(self->old));
        kio_notify_one(&self->go);
        await(&self->other);
        assert_int_equal(self->other.out, 0);
    }
    async_return();
}

static void an_old_abort_handle_never_means_a_new_task(void **state)
{
    (void)state;
    run(reuse);
}

static void it_outlives_the_runtime(void **state)
{
    struct kio_runtime *own;
    struct kio_join_handle task = { 0 };
    struct kio_abort_handle abort;

    (void)state;
    assert_int_equal(
        kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 1 }), 0);
    assert_int_equal(kio_spawn_on(own, &task, waiter, .go = &never), 0); /* from a plain thread */
    abort = kio_abort_handle(&task);
    assert_false(kio_abort_is_finished(abort));
    kio_runtime_free(own);
    assert_true(kio_abort_is_finished(abort));
    kio_abort_by(abort);
    kio_drop(&task);
    assert_true(kio_abort_is_finished(abort));
    assert_true(kio_abort_is_finished((struct kio_abort_handle){ 0 }));
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

/* ---- names --------------------------------------------------------------------------------- */

struct named {
    async_fn(void);
    struct kio_notify *renamed;
    struct kio_notify *go;
    struct kio_notified wait;
    char name[16];
};

async(named)
{
    async_begin;
    assert_null(kio_current_task_name());
    strcpy(self->name, "one");
    assert_int_equal(kio_task_set_name(self->name), 0);
    strcpy(self->name, "gone"); /* it was copied */
    assert_string_equal(kio_current_task_name(), "one");
    kio_notify_one(self->renamed);
    await(kio_notified(&self->wait, self->go));
    assert_string_equal(kio_current_task_name(), "one");
    for (int i = 0; i < 1000; i++) { /* while somebody reads it */
        snprintf(self->name, sizeof self->name, "n%d", i);
        assert_int_equal(kio_task_set_name(self->name), 0);
    }
    async_return();
}

struct naming {
    async_fn(void);
    struct kio_join_handle task;
    struct kio_notify renamed, go;
    struct kio_notified wait;
    struct kio_yield y;
    char text[16];
};

async(naming)
{
    async_begin;
    kio_spawn(&self->task, named, .renamed = &self->renamed, .go = &self->go);
    await(kio_notified(&self->wait, &self->renamed));
    assert_int_equal(kio_task_name(&self->task, self->text, sizeof self->text), 3);
    assert_string_equal(self->text, "one");
    assert_int_equal(kio_task_name(&self->task, self->text, 3), 3);
    assert_string_equal(self->text, "on");
    kio_notify_one(&self->go);
    while (!kio_is_finished(&self->task)) {
        kio_task_name(&self->task, self->text, sizeof self->text);
        assert_true(self->text[0] == 'n' || !strcmp(self->text, "one"));
        await(kio_yield_now(&self->y));
    }
    kio_task_name(&self->task, self->text, sizeof self->text);
    assert_string_equal(self->text, "n999"); /* also after the end */
    kio_drop(&self->task);
    assert_int_equal(kio_task_name(&self->task, self->text, sizeof self->text), 0);
    assert_string_equal(self->text, "");
    async_return();
}

static void a_name_is_read_through_the_handle(void **state)
{
    (void)state;
    assert_null(kio_current_task_name());
    assert_int_equal(kio_task_set_name("nobody"), -EINVAL);
    run(naming);
}

/* ---- a given runtime ----------------------------------------------------------------------- */

struct where {
    async_fn(struct kio_runtime *);
};

async(where)
{
    async_begin;
    async_return(kio_runtime_current());
}

struct elsewhere {
    async_fn(void);
    struct kio_runtime *other;
    struct kio_join_handle task;
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void elsewhere_drop(struct elsewhere *self)
{
    kio_join_set_drop(&self->set);
}

async(elsewhere, elsewhere_drop)
{
    async_begin;
    kio_spawn_on(self->other, &self->task, where);
    await(&self->task); /* woken by the other runtime's worker */
    assert_ptr_equal(*kio_output(&self->task, struct kio_runtime *), self->other);
    for (self->i = 0; self->i < 10; self->i++)
        assert_int_equal(kio_join_set_spawn_on(&self->set, self->i % 2 ? self->other : NULL, where), 0);
    for (self->i = 0; self->i < 10; self->i++) {
        await(kio_join_next(&self->next, &self->set));
        assert_int_equal(self->next.handle.out, 0);
    }
    assert_ptr_equal(kio_runtime_current(), rt);
    async_return();
}

static void a_task_runs_on_the_runtime_it_was_given(void **state)
{
    struct kio_runtime *other;

    (void)state;
    assert_int_equal(kio_runtime_new(&other, &(struct kio_runtime_config){ .workers = 1 }), 0);
    run(elsewhere, .other = other);
    kio_runtime_free(other);
}

/* ---- wakers after the end ------------------------------------------------------------------- */

static kio_waker kept[300]; /* tasks enough for memory that is given back when the runtime ends */
static int kept_count;

struct keeps {
    async_fn(void);
};

static kio_poll keeps_poll(kio_future *f, kio_context *cx)
{
    f->state = f;
    kept[kept_count++] = kio_waker_clone(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type keeps_type = {
    .name = "keeps",
    .size = sizeof(struct keeps),
    .poll = keeps_poll,
};

struct keeping {
    async_fn(void);
    struct kio_yield y;
};

async(keeping)
{
    async_begin;
    for (int i = 0; i < 299; i++)
        kio_spawn(NULL, keeps);
    await(kio_yield_now(&self->y));
    await(kio_yield_now(&self->y));
    async_return();
}

/* Cloning, waking and dropping used to read through a type that was gone. */
static void wakers_are_of_no_effect_when_their_runtime_is_gone(void **state)
{
    (void)state;
    kept_count = 0;
    kio_block_on(keeping); /* on a current_thread runtime of its own */
    assert_int_equal(kept_count, 299);
    for (int i = 0; i < kept_count; i++) {
        kio_waker more = kio_waker_clone(kept[i]);

        kio_waker_wake_by_ref(more);
        kio_waker_drop(more);
        kio_waker_wake(kept[i]);
    }
}

RT_MAIN(RT(an_abort_handle_is_a_value_for_any_thread), RT(an_old_abort_handle_never_means_a_new_task),
        RT(it_outlives_the_runtime), RT(a_name_is_read_through_the_handle),
        RT(a_task_runs_on_the_runtime_it_was_given),
        RT(wakers_are_of_no_effect_when_their_runtime_is_gone))
