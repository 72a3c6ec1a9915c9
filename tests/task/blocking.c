/* Blocking in place and on the pool: one inside the other, runtimes inside runtimes, budgets. */
#include "support/little.h"
#include "support/rt.h"

#include <unistd.h>

static int in_tests;

static void *short_nap(void *arg)
{
    usleep(1000);
    return arg;
}

/* ---- one inside the other -------------------------------------------------------------------- */

static void *in_place(void *arg)
{
    return kio_block_in_place(short_nap, arg);
}

static void *pool_then_place(void *arg)
{
    assert_ptr_equal(kio_block_in_place(short_nap, arg), arg);
    return arg;
}

struct nests {
    async_fn(void);
    struct kio_join_handle job;
    int i;
};

async(nests)
{
    async_begin;
    for (self->i = 0; self->i < amount(20); self->i++) {
        if (rt_flavor == KIO_MULTI_THREAD)
            assert_ptr_equal(kio_block_in_place(in_place, &in_tests), &in_tests);
        kio_spawn_blocking(&self->job, pool_then_place, &in_tests);
        await(&self->job);
        assert_ptr_equal(*kio_output(&self->job, void *), &in_tests);
    }
    async_return();
}

struct spawns_nests {
    async_fn(void);
    struct kio_join_handle task;
};

async(spawns_nests)
{
    async_begin;
    kio_spawn(&self->task, nests);
    await(&self->task);
    assert_int_equal(self->task.out, 0);
    async_return();
}

static void blocking_in_place_nests_and_on_the_pool_it_only_calls(void **state)
{
    (void)state;
    run(nests); /* in what block_on runs */
    run(spawns_nests);
}

/* ---- runtimes inside a task ------------------------------------------------------------------ */

struct small {
    async_fn(uint64_t);
    struct kio_yield y;
};

async(small)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return(kio_current_task_id());
}

struct spawns_small {
    async_fn(uint64_t);
    struct kio_join_handle task;
};

async(spawns_small)
{
    async_begin;
    kio_spawn(&self->task, small);
    await(&self->task);
    async_return(*kio_output(&self->task, uint64_t));
}

static void *inner_runtime(void *arg)
{
    *(uint64_t *)arg = kio_block_on(spawns_small);
    return arg;
}

struct outer {
    async_fn(void);
    struct kio_join_handle job;
    uint64_t mine, inner;
};

async(outer)
{
    async_begin;
    self->mine = kio_current_task_id();
    if (rt_flavor == KIO_MULTI_THREAD) {
        kio_block_in_place(inner_runtime, &self->inner);
    } else {
        kio_spawn_blocking(&self->job, inner_runtime, &self->inner);
        await(&self->job);
    }
    assert_true(self->inner != 0);
    assert_true(self->inner != self->mine);
    assert_true(kio_current_task_id() == self->mine);
    async_return();
}

static void a_runtime_runs_inside_a_blocking_call_and_ids_come_back(void **state)
{
    (void)state;
    run(outer);
}

struct frees {
    async_fn(void);
    struct kio_runtime *other;
    int i;
};

async(frees)
{
    async_begin;
    for (self->i = 0; self->i < 4; self->i++) {
        assert_int_equal(
            kio_runtime_new(&self->other, &(struct kio_runtime_config){
                                              .flavor = self->i % 2 ? KIO_CURRENT_THREAD
                                                                    : KIO_MULTI_THREAD,
                                              .workers = 1,
                                          }),
            0);
        if (self->i / 2)
            kio_runtime_shutdown(self->other, 0);
        kio_runtime_free(self->other);
    }
    assert_ptr_equal(kio_runtime_current(), rt);
    async_return();
}

static void a_task_may_shut_down_and_free_another_runtime(void **state)
{
    (void)state;
    run(frees);
}

/* ---- no budget where nothing can yield ------------------------------------------------------- */

#define MESSAGES 200 /* more than a budget */

static struct kio_tx tx;
static struct kio_rx rx;

static void *takes_all(void *arg)
{
    int v, count = 0;

    while (kio_blocking_recv(&rx, &v) == 1)
        count++;
    *(int *)arg = count;
    return arg;
}

struct takes {
    async_fn(int);
    struct kio_recv recv;
    int value, count;
};

async(takes)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &rx, &self->value));
        if (!self->recv.out)
            async_return(self->count);
        self->count++;
    }
}

static void *blocks_on_takes(void *arg)
{
    *(int *)arg = kio_block_on(takes);
    return arg;
}

struct budget {
    async_fn(void);
    int count, way, i;
    struct kio_join_handle job;
};

async(budget)
{
    async_begin;
    for (self->way = 0; self->way < 2; self->way++) {
        assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int)), 0);
        for (self->i = 0; self->i < MESSAGES; self->i++)
            assert_int_equal(kio_try_send(&tx, &self->i), 0);
        kio_tx_drop(&tx);
        if (rt_flavor == KIO_MULTI_THREAD) {
            kio_block_in_place(self->way ? blocks_on_takes : takes_all, &self->count);
        } else {
            kio_spawn_blocking(&self->job, self->way ? blocks_on_takes : takes_all, &self->count);
            await(&self->job);
        }
        assert_int_equal(self->count, MESSAGES);
        kio_rx_drop(&rx);
    }
    async_return();
}

static void a_blocking_call_takes_more_than_a_budget(void **state)
{
    (void)state;
    run(budget);
}

/* ---- unconstrained, yield -------------------------------------------------------------------- */

struct turns {
    async_fn(void);
    ki_atomic(int) *count, *stop;
    struct kio_yield y;
};

async(turns)
{
    async_begin;
    while (!ki_load_seq_cst(self->stop)) {
        ki_fetch_add_seq_cst(self->count, 1);
        await(kio_yield_now(&self->y));
    }
    async_return();
}

struct many_ready {
    async_fn(void);
    struct kio_sleep none;
    int i;
};

async(many_ready)
{
    async_begin;
    for (self->i = 0; self->i < 1000; self->i++)
        await(kio_sleep(&self->none, 0));
    async_return();
}

struct constrained {
    async_fn(int); /* turns of the other task meanwhile */
    bool free;
    ki_atomic(int) count, stop;
    struct kio_join_handle other;
    struct many_ready inner;
    struct kio_unconstrained unconstrained;
    struct kio_yield y;
};

async(constrained)
{
    async_begin;
    kio_spawn(&self->other, turns, .count = &self->count, .stop = &self->stop);
    await(kio_yield_now(&self->y));
    ki_store_seq_cst(&self->count, 0);
    async_call(&self->inner, many_ready);
    if (self->free)
        await(kio_unconstrained(&self->unconstrained, &self->inner));
    else
        await(&self->inner);
    self->out = ki_load_seq_cst(&self->count);
    ki_store_seq_cst(&self->stop, 1);
    await(&self->other);
    async_return(self->out);
}

static void a_future_without_a_budget_never_has_to_yield(void **state)
{
    (void)state;
    if (rt_flavor != KIO_CURRENT_THREAD)
        return; /* where the other task runs at the same time anyway */
    assert_in_range(run(constrained), 7, 8); /* 1000 / 128 */
    assert_int_equal(run(constrained, .free = true), 0);
}

static void a_yield_under_a_foreign_executor_is_pending_once_and_wakes(void **state)
{
    struct little l;
    struct kio_yield y = { 0 };

    (void)state;
    little_init(&l);
    kio_yield_now(&y);
    assert_int_equal(poll_once(&l, &y), KIO_PENDING);
    assert_int_equal(ki_load_seq_cst(&l.wakes), 1);
    assert_int_equal(poll_once(&l, &y), KIO_READY);
}

RT_MAIN(RT(blocking_in_place_nests_and_on_the_pool_it_only_calls),
        RT(a_runtime_runs_inside_a_blocking_call_and_ids_come_back),
        RT(a_task_may_shut_down_and_free_another_runtime),
        RT(a_blocking_call_takes_more_than_a_budget),
        RT(a_future_without_a_budget_never_has_to_yield),
        RT(a_yield_under_a_foreign_executor_is_pending_once_and_wakes))
