/* What an abort does at each moment of a task's life, and the ids that its code sees. TOKIO.md J3, J4, J7. */
#include "support/rt.h"

#include <pthread.h>

/* ---- the moments ----------------------------------------------------------------------------- */

struct waits {
    async_fn(int);
    struct kio_notify *go;
    ki_atomic(int) *polls;
    uint64_t *id_at_end;
    struct kio_notified wait;
};

static void waits_drop(struct waits *self)
{
    if (self->id_at_end)
        *self->id_at_end = kio_current_task_id();
    ki_fetch_add_seq_cst(&drops, 1);
}

async(waits, waits_drop)
{
    async_begin;
    if (self->polls)
        ki_fetch_add_seq_cst(self->polls, 1);
    await(kio_notified(&self->wait, self->go));
    async_return(7);
}

static struct kio_notify never;

struct early {
    async_fn(void);
    ki_atomic(int) polls;
    struct kio_join_handle task;
};

async(early)
{
    async_begin;
    kio_spawn(&self->task, waits, .go = &never, .polls = &self->polls);
    assert_false(kio_is_finished(&self->task));
    kio_abort(&self->task);
    kio_abort(&self->task); /* twice is once */
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_false(kio_is_finished(&self->task)); /* a request: it takes effect on its runtime */
    await(&self->task);
    assert_int_equal(self->task.out, -ECANCELED);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_int_equal(ki_load_seq_cst(&self->polls), 0); /* its body never ran */
    async_return();
}

static void an_abort_before_the_first_poll_drops_what_never_ran(void **state)
{
    (void)state;
    run(early);
}

/* Aborts itself in its last poll, or in one after which it waits. */
struct own_end {
    async_fn(int);
    struct kio_abort_handle *self_abort;
    struct kio_notify *go;
    bool goes_on;
    struct kio_notified wait;
    struct kio_yield y;
};

static void own_end_drop(struct own_end *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(own_end, own_end_drop)
{
    async_begin;
    await(kio_notified(&self->wait, self->go)); /* until the spawner has written the handle */
    kio_abort_by(*self->self_abort);
    if (self->goes_on)
        await(kio_yield_now(&self->y));
    async_return(7);
}

struct own_ends {
    async_fn(int);
    bool goes_on;
    struct kio_abort_handle abort;
    struct kio_notify go;
    struct kio_join_handle task;
};

async(own_ends)
{
    async_begin;
    kio_spawn(&self->task, own_end, .self_abort = &self->abort, .go = &self->go,
              .goes_on = self->goes_on);
    self->abort = kio_abort_handle(&self->task);
    kio_notify_one(&self->go);
    await(&self->task);
    async_return(self->task.out ? self->task.out : *kio_output(&self->task, int));
}

static void an_abort_during_the_last_poll_leaves_the_result(void **state)
{
    (void)state;
    assert_int_equal(run(own_ends), 7);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

static void an_abort_during_a_poll_takes_effect_when_the_task_waits(void **state)
{
    (void)state;
    assert_int_equal(run(own_ends, .goes_on = true), -ECANCELED);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

/* tokio #3964: an abort followed by the drop of the handle did nothing. */
struct forgets {
    async_fn(void);
    struct kio_join_handle task;
    struct kio_sleep nap;
    struct kio_yield y;
    int i;
};

async(forgets)
{
    async_begin;
    for (self->i = 0; self->i < amount(200); self->i++) {
        kio_spawn(&self->task, waits, .go = &never);
        if (self->i % 2)
            await(kio_yield_now(&self->y)); /* it waits already, or it never ran */
        kio_abort(&self->task);
        kio_drop(&self->task);
    }
    while (ki_load_seq_cst(&drops) < amount(200))
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

static void an_abort_is_not_lost_when_the_handle_is_dropped(void **state)
{
    (void)state;
    run(forgets);
    assert_int_equal(ki_load_seq_cst(&drops), amount(200));
}

/* tokio #3662: by another thread, which has the handle meanwhile. */
static void *aborts(void *arg)
{
    kio_abort(arg);
    return arg;
}

struct remote {
    async_fn(void);
    struct kio_join_handle task, after;
    struct kio_yield y;
    pthread_t thread;
};

async(remote)
{
    async_begin;
    kio_spawn(&self->task, waits, .go = &never);
    await(kio_yield_now(&self->y));
    assert_int_equal(pthread_create(&self->thread, NULL, aborts, &self->task), 0);
    pthread_join(self->thread, NULL);
    await(&self->task);
    assert_int_equal(self->task.out, -ECANCELED);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
    kio_spawn(&self->after, own_end, .go = &never); /* the runtime goes on */
    kio_abort(&self->after);
    await(&self->after);
    async_return();
}

static void an_abort_by_another_thread_is_seen_by_the_runtime(void **state)
{
    (void)state;
    run(remote);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

/* ---- ids ------------------------------------------------------------------------------------- */

struct knows {
    async_fn(uint64_t);
    struct kio_yield y;
};

async(knows)
{
    async_begin;
    self->out = kio_current_task_id();
    await(kio_yield_now(&self->y));
    assert_true(self->out == kio_current_task_id());
    async_return(self->out);
}

static void *job_id(void *arg)
{
    *(uint64_t *)arg = kio_current_task_id();
    return arg;
}

struct ids {
    async_fn(void);
    struct kio_join_handle a, b, job, late;
    struct kio_notify go;
    struct kio_yield y;
    uint64_t in_job, at_end, at_abort;
};

async(ids)
{
    async_begin;
    assert_true(kio_current_task_id() != 0); /* what block_on runs is a task too */
    kio_spawn(&self->a, knows);
    kio_spawn(&self->b, knows);
    assert_true(kio_task_id(&self->a) != kio_task_id(&self->b));
    await(&self->a);
    await(&self->b);
    assert_true(*kio_output(&self->a, uint64_t) == kio_task_id(&self->a));
    assert_true(*kio_output(&self->b, uint64_t) == kio_task_id(&self->b));
    assert_true(kio_task_id(&self->a) != kio_current_task_id());

    assert_int_equal(kio_spawn_blocking(&self->job, job_id, &self->in_job), 0);
    await(&self->job);
    assert_true(self->in_job == kio_task_id(&self->job));

    /* in a destructor: at the end, and after an abort */
    kio_spawn(&self->late, waits, .go = &self->go, .id_at_end = &self->at_end);
    self->at_abort = kio_task_id(&self->late);
    kio_notify_one(&self->go);
    await(&self->late);
    assert_true(self->at_end == self->at_abort);
    kio_spawn(&self->late, waits, .go = &never, .id_at_end = &self->at_abort);
    self->at_end = kio_task_id(&self->late);
    await(kio_yield_now(&self->y));
    kio_abort(&self->late);
    await(&self->late);
    assert_true(self->at_end == self->at_abort);
    async_return();
}

static void a_task_sees_the_id_that_its_handle_has(void **state)
{
    (void)state;
    assert_true(kio_current_task_id() == 0);
    run(ids);
    assert_true(kio_current_task_id() == 0);
}

/* ---- task-locals in tasks -------------------------------------------------------------------- */

static struct kio_task_local number = { "number" };

static int seen(void)
{
    int *value = kio_task_local_get(&number, int);

    return value ? *value : -1;
}

struct inner {
    async_fn(void);
    int want;
    ki_atomic(int) *at_end;
    struct kio_notify *go;
    struct kio_notified wait;
    struct kio_yield y;
    int i;
};

static void inner_drop(struct inner *self)
{
    ki_fetch_add_seq_cst(self->at_end, seen() == self->want);
}

async(inner, inner_drop)
{
    async_begin;
    for (self->i = 0; self->i < 20; self->i++) {
        assert_int_equal(seen(), self->want);
        await(kio_yield_now(&self->y)); /* perhaps on another worker */
    }
    if (self->go)
        await(kio_notified(&self->wait, self->go));
    async_return();
}

struct carries {
    async_fn(void);
    int value;
    ki_atomic(int) *at_end;
    struct kio_notify *go;
    struct inner inner;
    struct kio_task_local_scope scope;
    struct kio_join_handle child;
};

struct looks {
    async_fn(int);
};

async(looks)
{
    async_begin;
    async_return(seen());
}

async(carries)
{
    async_begin;
    assert_int_equal(seen(), -1);
    await(kio_task_local_scope(&self->scope, &number, &self->value,
                               async_call(&self->inner, inner, .want = self->value,
                                          .at_end = self->at_end, .go = self->go)));
    assert_int_equal(seen(), -1);
    kio_spawn(&self->child, looks);
    await(&self->child);
    assert_int_equal(*kio_output(&self->child, int), -1); /* not inherited */
    async_return();
}

struct locals {
    async_fn(void);
    ki_atomic(int) at_end;
    struct kio_join_handle task[8];
    struct kio_sleep nap;
    int i;
};

async(locals)
{
    async_begin;
    for (self->i = 0; self->i < 8; self->i++)
        kio_spawn(&self->task[self->i], carries, .value = self->i, .at_end = &self->at_end,
                  .go = self->i >= 6 ? &never : NULL);
    for (self->i = 0; self->i < 6; self->i++) {
        await(&self->task[self->i]);
        assert_int_equal(self->task[self->i].out, 0);
    }
    await(kio_sleep(&self->nap, 2 * KIO_MS));
    for (self->i = 6; self->i < 8; self->i++) {
        kio_abort(&self->task[self->i]);
        await(&self->task[self->i]);
        assert_int_equal(self->task[self->i].out, -ECANCELED);
    }
    assert_int_equal(ki_load_seq_cst(&self->at_end), 8);
    async_return();
}

static void a_task_local_follows_its_task_to_the_end_or_the_abort(void **state)
{
    (void)state;
    run(locals);
}

RT_MAIN(RT(an_abort_before_the_first_poll_drops_what_never_ran),
        RT(an_abort_during_the_last_poll_leaves_the_result),
        RT(an_abort_during_a_poll_takes_effect_when_the_task_waits),
        RT(an_abort_is_not_lost_when_the_handle_is_dropped),
        RT(an_abort_by_another_thread_is_seen_by_the_runtime),
        RT(a_task_sees_the_id_that_its_handle_has),
        RT(a_task_local_follows_its_task_to_the_end_or_the_abort))
