/* Tasks, and what lives on the heap beside them, with every call failing once. */
#include "support/faults.h"

/* ---- a task of some kind, with a destructor ----------------------------------------------- */

struct work {
    async_fn(int);
    int value;
    int *dropped;
    struct kio_yield yield;
};

static ki_atomic(int) made, ended;

static void work_drop(struct work *self)
{
    (void)self;
    ki_fetch_add_relaxed(&ended, 1);
}

async(work, work_drop)
{
    async_begin;
    await(kio_yield_now(&self->yield));
    async_return(self->value);
}

/* As work, but so large that a task of it has an allocation of its own. */
struct large {
    async_fn(int);
    char room[20000];
    struct kio_yield yield;
};

static void large_drop(struct large *self)
{
    (void)self;
    ki_fetch_add_relaxed(&ended, 1);
}

async(large, large_drop)
{
    async_begin;
    await(kio_yield_now(&self->yield));
    async_return(7);
}

struct sleeper {
    async_fn(int);
    struct kio_sleep nap;
};

static void sleeper_drop(struct sleeper *self)
{
    (void)self;
    ki_fetch_add_relaxed(&ended, 1);
}

async(sleeper, sleeper_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, 3600 * KIO_SEC));
    async_return(0);
}

static void begin(void)
{
    ki_store_relaxed(&made, 0);
    ki_store_relaxed(&ended, 0);
    faults_on();
}

/* Another future whose destructor counts is made now. */
static void one_more(void)
{
    ki_fetch_add_relaxed(&made, 1);
}

/* After the runtime's end: each destructor ran exactly once, whatever failed. */
static void check_drops(void)
{
    faults_check(ki_load_relaxed(&made) == ki_load_relaxed(&ended));
}

/* ---- spawn, join, abort ------------------------------------------------------------------- */

struct tasks {
    async_fn(void);
    struct kio_join_handle a, b, c;
};

async(tasks)
{
    async_begin;
    begin();
    one_more();
    FAULT_TRY(kio_spawn(&self->a, work, .value = 3));
    one_more();
    FAULT_TRY(kio_spawn(&self->b, large));
    one_more();
    FAULT_TRY(kio_spawn(&self->c, sleeper));
    await(&self->a);
    faults_check(self->a.out == 0 && *kio_output(&self->a, int) == 3);
    await(&self->b);
    faults_check(self->b.out == 0 && *kio_output(&self->b, int) == 7);
    kio_abort(&self->c);
    await(&self->c);
    faults_check(self->c.out == -ECANCELED);
    one_more();
    FAULT_TRY(kio_spawn(NULL, sleeper)); /* the runtime's end drops it */
    faults_complete();
    async_return();
}

static void tasks_are_spawned_joined_and_aborted(void)
{
    faults_in_runtime(tasks);
    check_drops();
}

/* More than a queue and an arena's first region hold. */
struct crowd {
    async_fn(void);
    struct kio_join_handle all[400];
    int i;
};

async(crowd)
{
    async_begin;
    begin();
    for (self->i = 0; self->i < 400; self->i++) {
        one_more();
        FAULT_TRY(kio_spawn(&self->all[self->i], work, .value = self->i));
    }
    for (self->i = 0; self->i < 400; self->i++) {
        await(&self->all[self->i]);
        faults_check(*kio_output(&self->all[self->i], int) == self->i);
    }
    faults_complete();
    async_return();
}

static void four_hundred_tasks(void)
{
    faults_in_runtime(crowd);
    check_drops();
}

struct named {
    async_fn(void);
    char text[40];
};

async(named)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_task_set_name("one with a name that is not short at all"));
    FAULT_TRY(kio_task_set_name("another"));
    faults_check(strcmp(kio_current_task_name(), "another") == 0);
    faults_complete();
    async_return();
}

static void a_task_gets_a_name(void)
{
    faults_in_runtime(named);
}

/* ---- sets, scopes, trackers --------------------------------------------------------------- */

struct joining {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    int i, sum;
};

static void joining_drop(struct joining *self)
{
    kio_join_set_drop(&self->set);
}

async(joining, joining_drop)
{
    async_begin;
    begin();
    for (self->i = 0; self->i < 40; self->i++) {
        one_more();
        FAULT_TRY(kio_join_set_spawn(&self->set, work, .value = self->i));
    }
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->sum += *kio_output(&self->next.handle, int);
    }
    faults_check(self->sum == 39 * 40 / 2);
    one_more();
    FAULT_TRY(kio_join_set_spawn(&self->set, sleeper));
    faults_complete();
    async_return();
}

static void a_join_set(void)
{
    faults_in_runtime(joining);
    check_drops();
}

struct scoped {
    async_fn(void);
    struct kio_scope scope;
    int i;
};

async(scoped)
{
    async_begin;
    begin();
    for (self->i = 0; self->i < 5; self->i++) {
        one_more();
        FAULT_TRY(kio_scope_spawn(&self->scope, work, .value = 0));
    }
    await(kio_scope_join(&self->scope));
    faults_check(self->scope.out == 0);
    one_more();
    FAULT_TRY(kio_scope_spawn(&self->scope, sleeper));
    faults_complete();
    async_return();
}

static void a_scope(void)
{
    faults_in_runtime(scoped);
    check_drops();
}

struct tracked {
    async_fn(void);
    struct kio_task_tracker tracker;
    struct kio_tracker_wait wait;
};

static void tracked_drop(struct tracked *self)
{
    kio_task_tracker_drop(&self->tracker);
}

async(tracked, tracked_drop)
{
    async_begin;
    begin();
    FAULT_TRY(kio_task_tracker_new(&self->tracker));
    one_more();
    FAULT_TRY(kio_task_tracker_spawn(&self->tracker, NULL, work, .value = 1));
    one_more();
    FAULT_TRY(kio_task_tracker_spawn(&self->tracker, NULL, large));
    kio_task_tracker_close(&self->tracker);
    await(kio_task_tracker_wait(&self->wait, &self->tracker));
    faults_check(kio_task_tracker_len(&self->tracker) == 0);
    faults_complete();
    async_return();
}

static void a_task_tracker(void)
{
    faults_in_runtime(tracked);
    check_drops();
}

struct locals {
    async_fn(void);
    struct kio_local_set set;
    struct kio_join_handle here, own;
    struct kio_local_run run;
};

static void locals_drop(struct locals *self)
{
    kio_local_set_drop(&self->set);
}

async(locals, locals_drop)
{
    async_begin;
    begin();
    one_more();
    FAULT_TRY(kio_spawn_local(&self->here, work, .value = 4));
    await(&self->here);
    faults_check(*kio_output(&self->here, int) == 4);
    FAULT_TRY(kio_local_set_new(&self->set));
    one_more();
    FAULT_TRY(kio_local_spawn(&self->set, &self->own, work, .value = 5));
    await(kio_local_set_wait(&self->run, &self->set));
    await(&self->own);
    faults_check(*kio_output(&self->own, int) == 5);
    one_more();
    FAULT_TRY(kio_local_spawn(&self->set, NULL, sleeper));
    faults_complete();
    async_return();
}

static void local_tasks(void)
{
    faults_in_runtime(locals);
    check_drops();
}

/* ---- futures that need memory ------------------------------------------------------------- */

struct many {
    async_fn(void);
    struct kio_boxed box;
    struct kio_future_set set;
    struct kio_future_set_next next;
    struct work works[70];
    struct kio_join_all all;
    int i, sum;
};

async(many)
{
    async_begin;
    begin();
    one_more();
    await(kio_box(&self->box, work, .value = 9));
    FAULT_TRY(self->box.out);
    faults_check(*kio_boxed_output(&self->box, int) == 9);
    for (self->i = 0; self->i < 20; self->i++) {
        one_more();
        FAULT_TRY(kio_future_set_add(&self->set, work, .value = self->i));
    }
    for (;;) {
        await(kio_future_set_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->sum += *kio_future_set_output(&self->next, int);
    }
    faults_check(self->sum == 19 * 20 / 2);
    for (self->i = 0; self->i < 70; self->i++) {
        one_more();
        async_call(&self->works[self->i], work, .value = self->i);
    }
    await(kio_join_all(&self->all, self->works, 70));
    for (self->i = 0; self->i < 70; self->i++)
        faults_check(self->works[self->i].out == self->i);
    faults_complete();
    async_return();
}

static void boxes_sets_and_joins(void)
{
    faults_in_runtime(many);
    check_drops();
}

/* ---- iterators ---------------------------------------------------------------------------- */

struct squares {
    async_fn(void);
    struct kio_iter_range range;
    struct kio_iter_chunks chunks;
    struct kio_iter_next next;
    struct kio_sleep nap;
    struct kio_interval interval;
    struct kio_tick tick;
    struct kio_timeout limit;
    int64_t items[8];
    size_t count;
    int i, sum;
};

async(squares)
{
    async_begin;
    faults_on();
    kio_iter_range(&self->range, 0, 30);
    kio_iter_chunks(&self->chunks, &self->range, self->items, 8, KIO_SEC);
    for (;;) {
        await(kio_iter_next(&self->next, &self->chunks, &self->count));
        if (self->next.out <= 0)
            break;
        for (self->i = 0; self->i < (int)self->count; self->i++)
            self->sum += (int)self->items[self->i];
    }
    faults_check(self->sum == 29 * 30 / 2);
    /* Timers need no memory, and their waits may be cut short. */
    await(kio_sleep(&self->nap, 200 * KIO_US));
    FAULT_TRY(kio_interval(&self->interval, 100 * KIO_US));
    for (self->i = 0; self->i < 3; self->i++)
        await(kio_tick(&self->tick, &self->interval));
    await(kio_timeout(&self->limit, 100 * KIO_US, kio_sleep(&self->nap, KIO_SEC)));
    faults_check(self->limit.out == -ETIMEDOUT);
    faults_complete();
    async_return();
}

static void iterators_and_timers(void)
{
    faults_in_runtime(squares);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(tasks_are_spawned_joined_and_aborted, FAULT_DETERMINISTIC),
    SCENARIO(four_hundred_tasks, FAULT_ALONE),
    SCENARIO(a_task_gets_a_name),
    SCENARIO(a_join_set, FAULT_DETERMINISTIC),
    SCENARIO(a_scope, FAULT_DETERMINISTIC),
    SCENARIO(a_task_tracker),
    SCENARIO(local_tasks, FAULT_CURRENT_ONLY | FAULT_DETERMINISTIC),
    SCENARIO(boxes_sets_and_joins),
    SCENARIO(iterators_and_timers, FAULT_DETERMINISTIC),
};

FAULTS_MAIN()
