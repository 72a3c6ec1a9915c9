/* What grows in a task's own hands: queues of delayed values and of futures, sets of iterators, futures
 * that are shared; and runtimes with hooks, drained before their end. */
#include "support/faults.h"

#include <string.h>

static ki_atomic(int) made;

/* Before each async function with a destructor is made. */
static void one_more(void)
{
    ki_fetch_add_seq_cst(&made, 1);
}

static void begin(void)
{
    ki_store_seq_cst(&made, 0);
    ki_store_seq_cst(&drops, 0);
    faults_on();
}

/* Each destructor ran, once, whatever failed. */
static void check_drops(void)
{
    faults_check(ki_load_seq_cst(&drops) == ki_load_seq_cst(&made));
}

struct number {
    async_fn(int);
    int value;
    struct kio_yield yield;
};

static void number_drop(struct number *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(number, number_drop)
{
    async_begin;
    await(kio_yield_now(&self->yield));
    async_return(self->value);
}

/* ---- delays ------------------------------------------------------------------------------- */

/* Values are counted like destructors. */
static void value_drop(void *value)
{
    (void)value;
    ki_fetch_add_seq_cst(&drops, 1);
}

struct delays {
    async_fn(void);
    struct kio_delay_queue queue;
    struct kio_delay_queue_next next;
    struct kio_delay_key keys[40];
    int i, value;
};

async(delays)
{
    async_begin;
    begin();
    kio_delay_queue_on_drop(kio_delay_queue(&self->queue, sizeof(int)), value_drop);
    for (self->i = 0; self->i < 40; self->i++) {
        FAULT_TRY(kio_delay_queue_insert(&self->queue, &self->i, self->i * 10 * KIO_US,
                                         &self->keys[self->i]));
        one_more();
    }
    faults_check(kio_delay_queue_reset(&self->queue, self->keys[0], KIO_MS) == 0);
    faults_check(kio_delay_queue_remove(&self->queue, self->keys[39], &self->value) == 0);
    value_drop(NULL);
    for (self->i = 1; self->i < 30; self->i++) {
        await(kio_delay_queue_next(&self->next, &self->queue, &self->value));
        faults_check(self->next.out == 1 && self->value == self->i);
        value_drop(NULL);
    }
    kio_delay_queue_shrink(&self->queue);
    FAULT_TRY(kio_delay_queue_reserve(&self->queue, 100));
    faults_complete();
    async_return(); /* with what is left */
}

static void a_delay_queue(void)
{
    faults_in_runtime(delays);
    check_drops();
}

/* ---- futures in order --------------------------------------------------------------------- */

struct in_order {
    async_fn(void);
    struct kio_future_queue queue;
    struct kio_future_queue_next next;
    struct number own;
    int i;
};

async(in_order)
{
    async_begin;
    begin();
    for (self->i = 0; self->i < 20; self->i++) {
        one_more();
        FAULT_TRY(kio_future_queue_add(&self->queue, number, .value = self->i));
    }
    one_more();
    async_call(&self->own, number, .value = 20);
    FAULT_TRY(kio_future_queue_push(&self->queue, &self->own));
    for (self->i = 0; self->i < 18; self->i++) {
        await(kio_future_queue_next(&self->next, &self->queue));
        faults_check(self->next.out == 1 && *kio_future_queue_output(&self->next, int) == self->i);
    }
    faults_complete();
    async_return(); /* with what is left */
}

static void a_queue_of_futures(void)
{
    faults_in_runtime(in_order);
    check_drops();
}

/* ---- iterators in a set ------------------------------------------------------------------- */

struct ranges {
    async_fn(void);
    struct kio_iter_range of[9];
    struct kio_iter_set set;
    struct kio_iter_next next;
    int64_t value;
    int i, count;
};

async(ranges)
{
    async_begin;
    begin();
    kio_iter_set(&self->set, sizeof(int64_t));
    for (self->i = 0; self->i < 9; self->i++)
        FAULT_TRY(kio_iter_set_add(&self->set, (uint64_t)self->i, kio_iter_range(&self->of[self->i], 0, 5)));
    for (;;) {
        await(kio_iter_next(&self->next, &self->set, &self->value));
        if (self->next.out <= 0)
            break;
        self->count++;
    }
    faults_check(self->count == 45);
    faults_complete();
    async_return();
}

static void a_set_of_iterators(void)
{
    faults_in_runtime(ranges);
}

/* ---- a shared future ---------------------------------------------------------------------- */

struct waiter {
    async_fn(int);
    struct kio_shared of;
    struct kio_shared_wait wait;
};

static void waiter_drop(struct waiter *self)
{
    kio_shared_drop(&self->of);
    ki_fetch_add_seq_cst(&drops, 1);
}

async(waiter, waiter_drop)
{
    async_begin;
    await(kio_shared_wait(&self->wait, &self->of));
    async_return(*kio_shared_output(&self->of, int));
}

struct share {
    async_fn(void);
    struct kio_shared of;
    struct kio_join_handle waiters[3];
    struct kio_cancel_token stop;
    struct kio_abortable abortable;
    struct kio_shared_wait wait;
    int i;
};

static void share_drop(struct share *self)
{
    kio_shared_drop(&self->of);
    kio_cancel_token_drop(&self->stop);
}

async(share, share_drop)
{
    async_begin;
    begin();
    one_more();
    FAULT_TRY(kio_share(&self->of, number, .value = 6));
    for (self->i = 0; self->i < 3; self->i++) {
        one_more();
        FAULT_TRY(kio_spawn(&self->waiters[self->i], waiter, .of = kio_shared_clone(&self->of)));
    }
    FAULT_TRY(kio_cancel_token_new(&self->stop, NULL));
    await(kio_abortable(&self->abortable, &self->stop, kio_shared_wait(&self->wait, &self->of)));
    faults_check(self->abortable.out == 0 && *kio_shared_output(&self->of, int) == 6);
    for (self->i = 0; self->i < 3; self->i++) {
        await(&self->waiters[self->i]);
        faults_check(*kio_output(&self->waiters[self->i], int) == 6);
    }
    faults_complete();
    async_return();
}

static void a_shared_future(void)
{
    faults_in_runtime(share);
    check_drops();
}

/* ---- hooks, names, a drain ---------------------------------------------------------------- */

static ki_atomic(int) begun, over;

static void on_spawn(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    faults_check(task->id);
    ki_fetch_add_seq_cst(&begun, 1);
}

static void on_end(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    faults_check(task->id);
    ki_fetch_add_seq_cst(&over, 1);
}

static void on_poll(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    faults_check(task->id);
}

struct named {
    async_fn(void);
    struct kio_join_handle first;
    struct kio_yield yield;
};

/* Its tasks are left to the drain. */
async(named)
{
    async_begin;
    one_more();
    FAULT_TRY(kio_spawn_named(&self->first, "the first", number, .value = 1));
    one_more();
    FAULT_TRY(kio_spawn(NULL, number, .value = 2));
    await(&self->first);
    faults_complete();
    async_return();
}

/* Without memory for where it was spawned a task is heard of all the same. */
static void a_runtime_with_hooks_is_drained(void)
{
    struct kio_runtime_config config = {
        .flavor = rt_flavor,
        .workers = 2,
        .hooks = { .on_task_spawn = on_spawn, .on_task_end = on_end, .on_poll_begin = on_poll,
                   .on_poll_end = on_poll },
    };
    struct kio_runtime *own;

    ki_store_seq_cst(&begun, 0);
    ki_store_seq_cst(&over, 0);
    begin();
    if (faults_saw(kio_runtime_new(&own, &config)))
        return;
    (void)faults_saw(kio_runtime_try_block_on(own, NULL, named));
    faults_check(kio_runtime_drain(own, -1) == 0);
    kio_runtime_free(own);
    faults_check(ki_load_seq_cst(&begun) == ki_load_seq_cst(&over));
    check_drops();
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_delay_queue, FAULT_DETERMINISTIC),
    SCENARIO(a_queue_of_futures, FAULT_DETERMINISTIC),
    SCENARIO(a_set_of_iterators, FAULT_DETERMINISTIC),
    SCENARIO(a_shared_future, FAULT_DETERMINISTIC),
    SCENARIO(a_runtime_with_hooks_is_drained, FAULT_DETERMINISTIC | FAULT_ALONE),
};

FAULTS_FDS_MAIN()
