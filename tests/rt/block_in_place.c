/* kio_block_in_place: a worker blocks, the others' work goes on. What blocks waits for what the
 * other tasks do, so a test that fails hangs; there is no limit of time. */
#include "support/rt.h"

#include "base/mem.h"
#include "runtime/runtime.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static ki_atomic(int) arrived; /* of whatever the test counts */

static void *wait_until_arrived(void *count)
{
    while (ki_load_seq_cst(&arrived) < *(int *)count)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return count;
}

static int open_one(void **state)
{
    (void)state;
    ki_store_seq_cst(&arrived, 0);
    ki_store_seq_cst(&drops, 0);
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .workers = 1 });
}

static int open_two(void **state)
{
    (void)state;
    ki_store_seq_cst(&arrived, 0);
    ki_store_seq_cst(&drops, 0);
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .workers = 2 });
}

static void until_spares_are(unsigned count)
{
    while (ki_multi_spares(rt->sched) != count)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- the others go on --------------------------------------------------------------------- */

struct yielder {
    async_fn(void);
    int turns;
    struct kio_yield y;
};

async(yielder)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(kio_yield_now(&self->y));
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

struct sleeper {
    async_fn(void);
    kio_duration each;
    int turns;
    struct kio_sleep nap;
};

async(sleeper)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(kio_sleep(&self->nap, self->each));
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

struct blocks {
    async_fn(int);
    int want;
    struct kio_join_handle a, b;
};

async(blocks)
{
    async_begin;
    kio_spawn(&self->a, yielder, .turns = 1000);
    kio_spawn(&self->b, sleeper, .each = 2 * KIO_MS, .turns = 3);
    {
        int want = self->want; /* a C local: nothing moves to another thread */

        assert_ptr_equal(kio_block_in_place(wait_until_arrived, &want), &want);
    }
    assert_int_equal(ki_load_seq_cst(&arrived), self->want);
    await(&self->a);
    await(&self->b);
    async_return(self->a.out + self->b.out);
}

/* Both were queued at the worker that blocks: one in its queue, one in its LIFO slot. */
static void tasks_and_timers_go_on_while_the_only_worker_blocks(void **state)
{
    (void)state;
    assert_int_equal(run(blocks, .want = 2), 0);
    until_spares_are(0);
}

struct twice {
    async_fn(void);
    struct blocks b;
};

async(twice)
{
    async_begin;
    await(async_call(&self->b, blocks, .want = 2));
    ki_store_seq_cst(&arrived, 0);
    await(async_call(&self->b, blocks, .want = 2));
    async_return();
}

static void it_blocks_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        ki_store_seq_cst(&arrived, 0);
        run(twice);
    }
    until_spares_are(0);
}

/* ---- many at once ------------------------------------------------------------------------- */

static pthread_barrier_t all_here;

static void *meet(void *arg)
{
    pthread_barrier_wait(&all_here);
    return arg;
}

struct meets {
    async_fn(void);
};

async(meets)
{
    async_begin;
    kio_block_in_place(meet, NULL);
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

#define PARTY 20

struct party {
    async_fn(void);
    struct kio_join_handle hs[PARTY];
    int i;
};

async(party)
{
    async_begin;
    for (int i = 0; i < PARTY; i++)
        kio_spawn(&self->hs[i], meets);
    for (self->i = 0; self->i < PARTY; self->i++)
        await(&self->hs[self->i]);
    async_return();
}

/* None returns before all have been called: so there were twenty threads. */
static void twenty_block_at_once_on_two_workers(void **state)
{
    (void)state;
    pthread_barrier_init(&all_here, NULL, PARTY);
    for (int i = 0; i < 3; i++)
        run(party);
    pthread_barrier_destroy(&all_here);
    assert_int_equal(ki_load_seq_cst(&arrived), 3 * PARTY);
    until_spares_are(0);
}

/* ---- what may be done inside -------------------------------------------------------------- */

struct five {
    async_fn(int);
    struct kio_yield y;
};

async(five)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return(5);
}

struct inside {
    struct kio_tx tx;
    struct kio_rx rx;
    int got;
};

struct sends {
    async_fn(void);
    struct kio_tx tx;
    struct kio_send send;
    int value;
};

static void sends_drop(struct sends *self)
{
    kio_tx_drop(&self->tx);
}

async(sends, sends_drop)
{
    async_begin;
    self->value = 37;
    await(kio_send(&self->send, &self->tx, &self->value));
    async_return();
}

static void *nested(void *arg)
{
    return (char *)arg + 1;
}

static void *use_everything(void *arg)
{
    struct inside *in = arg;

    assert_ptr_equal(kio_runtime_current(), rt);
    assert_int_equal(kio_current_task_id(), 0);
    assert_int_equal(kio_block_on(five), 5);
    assert_int_equal(kio_runtime_block_on(rt, five), 5);
    assert_int_equal(kio_spawn(NULL, sends, .tx = in->tx), 0);
    assert_int_equal(kio_blocking_recv(&in->rx, &in->got), 1);
    return kio_block_in_place(nested, arg);
}

struct uses {
    async_fn(int);
    struct inside in;
};

async(uses)
{
    uint64_t id;

    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->in.tx, &self->in.rx, sizeof(int), 1), 0);
    id = kio_current_task_id();
    assert_true(id != 0);
    assert_ptr_equal(kio_block_in_place(use_everything, &self->in), (char *)&self->in + 1);
    assert_int_equal(kio_current_task_id(), id);
    kio_rx_drop(&self->in.rx);
    async_return(self->in.got);
}

static void inside_one_may_spawn_and_block_on(void **state)
{
    (void)state;
    assert_int_equal(run(uses), 37);
}

static void outside_a_task_it_only_calls(void **state)
{
    int x = 0;

    (void)state;
    assert_ptr_equal(kio_block_in_place(nested, &x), (char *)&x + 1);
    assert_int_equal(ki_multi_spares(rt->sched), 0);
}

struct on_pool {
    async_fn(void *);
    struct kio_join_handle job;
};

static void *in_place_on_pool(void *arg)
{
    return kio_block_in_place(nested, arg);
}

async(on_pool)
{
    async_begin;
    kio_spawn_blocking(&self->job, in_place_on_pool, self);
    await(&self->job);
    async_return(*kio_output(&self->job, void *) == (char *)self + 1 ? self : NULL);
}

static void on_the_pool_it_only_calls(void **state)
{
    (void)state;
    assert_non_null(run(on_pool));
}

/* ---- spares ------------------------------------------------------------------------------- */

struct naps_once {
    async_fn(void);
    struct kio_sleep nap;
};

async(naps_once)
{
    async_begin;
    ki_fetch_add_seq_cst(&arrived, 1);
    await(kio_sleep(&self->nap, 40 * KIO_MS));
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

struct armed_on_spare {
    async_fn(void);
    struct kio_join_handle hs[50];
    int want;
    int i;
};

async(armed_on_spare)
{
    async_begin;
    for (int i = 0; i < 50; i++)
        kio_spawn(&self->hs[i], naps_once);
    self->want = 50;
    kio_block_in_place(wait_until_arrived, &self->want);
    for (self->i = 0; self->i < 50; self->i++)
        await(&self->hs[self->i]);
    async_return();
}

/* The spare armed the timers in a wheel of its own, and has retired (or not) when they are due. */
static void timers_of_a_spare_outlive_it(void **state)
{
    (void)state;
    run(armed_on_spare);
    assert_int_equal(ki_load_seq_cst(&arrived), 100);
    until_spares_are(0);
}

/* With no thread to be had the call is made all the same. */
static void without_a_spare_it_blocks(void **state)
{
    int x = 0;

    (void)state;
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){ .workers = 1,
                                                                        .max_blocking = 1 }),
                     0);
    pthread_barrier_init(&all_here, NULL, 2);
    ki_store_seq_cst(&arrived, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, meets), 0);
    while (ki_load_seq_cst(&arrived) < 4)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    pthread_barrier_destroy(&all_here);
    assert_ptr_equal(kio_block_in_place(nested, &x), (char *)&x + 1);
    kio_runtime_free(rt);
}

struct counted {
    async_fn(void);
    int turns;
    struct kio_yield y;
    struct kio_sleep nap;
};

static void counted_drop(struct counted *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

static void *blink(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    return arg;
}

async(counted, counted_drop)
{
    async_begin;
    for (; self->turns; self->turns--) {
        kio_block_in_place(blink, NULL);
        await(kio_yield_now(&self->y));
        await(kio_sleep(&self->nap, KIO_MS));
    }
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

static void nothing_is_lost_among_spares_that_come_and_go(void **state)
{
    int many = amount(200);

    (void)state;
    for (int i = 0; i < many; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, counted, .turns = 5), 0);
    while (ki_load_seq_cst(&drops) < many)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_int_equal(ki_load_seq_cst(&arrived), many);
    until_spares_are(0);
}

/* ---- shutdown ----------------------------------------------------------------------------- */

struct blocks_only {
    async_fn(void);
    int want;
    struct kio_sleep nap;
};

static void blocks_only_drop(struct blocks_only *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(blocks_only, blocks_only_drop)
{
    async_begin;
    ki_fetch_add_seq_cst(&arrived, 1);
    kio_block_in_place(wait_until_arrived, &self->want);
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return();
}

static void a_shutdown_waits_for_what_blocks(void **state)
{
    (void)state;
    assert_int_equal(kio_spawn_on(rt, NULL, blocks_only, .want = 2), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, counted, .turns = 3), 0);
    while (ki_load_seq_cst(&arrived) < 1)
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    (void)kio_runtime_shutdown(rt, 0);
    ki_store_seq_cst(&arrived, 1000);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 51);
}

/* ---- regressions -------------------------------------------------------------------------- */

/* A spare armed a timer in its last poll, when the worker slept already, and retired: nobody set the
 * alarm. */
static ki_atomic(bool) may_go_on;

struct arms_late {
    async_fn(void);
    struct kio_sleep nap;
};

async(arms_late)
{
    async_begin;
    ki_store_seq_cst(&arrived, 1);
    while (!ki_load_seq_cst(&may_go_on))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    /* The worker has nothing to do now: it falls asleep meanwhile, and no beat wakes it. */
    for (int i = 0; i < 30; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    ki_store_seq_cst(&arrived, 2);
    async_return();
}

struct leaves_a_spare_behind {
    async_fn(void);
    int one;
};

async(leaves_a_spare_behind)
{
    async_begin;
    kio_spawn(NULL, arms_late);
    self->one = 1;
    kio_block_in_place(wait_until_arrived, &self->one); /* until the spare polls it */
    async_return();
}

static void a_timer_that_a_spare_armed_last_fires_though_it_retires(void **state)
{
    (void)state;
    ki_store_seq_cst(&may_go_on, false);
    run(leaves_a_spare_behind);
    ki_store_seq_cst(&may_go_on, true);
    while (ki_load_seq_cst(&arrived) < 2)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    until_spares_are(0);
}

/* tokio #7879, #6999, #7216: what had yielded, or been woken, before the worker blocked was not run until
 * it went on. */
struct blocks_for_others {
    async_fn(void);
    int count, i;
    struct kio_join_handle h[4];
    struct kio_yield y;
};

async(blocks_for_others)
{
    async_begin;
    for (self->i = 0; self->i < 4; self->i++)
        kio_spawn(&self->h[self->i], yielder, .turns = self->i);
    await(kio_yield_now(&self->y)); /* some have yielded by now, some have not begun */
    self->count = 4;
    kio_block_in_place(wait_until_arrived, &self->count);
    async_return();
}

static void what_had_yielded_runs_while_the_worker_blocks_7879(void **state)
{
    (void)state;
    run(blocks_for_others);
    assert_int_equal(ki_load_seq_cst(&arrived), 4);
}

/* A waker of a foreign executor, left in a yield before the worker blocks, is told at once. */
static void told(struct kio_wakeable *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&arrived, 1);
}

static const kio_waker_type told_type = { .name = "told", .wake = told };

struct yields_by_hand {
    async_fn(void);
    struct kio_yield y;
};

async(yields_by_hand)
{
    static struct kio_wakeable wakeable = { &told_type };
    kio_context own;
    int one = 1;

    async_begin;
    kio_context_init(&own, (kio_waker){ &wakeable });
    async_let(kio_yield_now(&self->y));
    assert_int_equal(kio_future_poll(&self->y.kio, &own), KIO_PENDING);
    kio_block_in_place(wait_until_arrived, &one);
    async_return();
}

static void a_yield_polled_by_hand_has_woken_before_the_worker_blocks_7879(void **state)
{
    (void)state;
    run(yields_by_hand);
    assert_int_equal(ki_load_seq_cst(&arrived), 1);
}

/* tokio #5239: blocking in place again, in a task of block_on inside. */
struct blocks_inside {
    async_fn(int);
    int depth;
};

async_declare(blocks_inside);

static void *block_deeper(void *arg)
{
    *(int *)arg = run(blocks_inside, .depth = *(int *)arg - 1) + 1;
    return arg;
}

async(blocks_inside)
{
    async_begin;
    if (self->depth)
        kio_block_in_place(block_deeper, &self->depth);
    async_return(self->depth);
}

static void blocking_in_place_nests_through_block_on_5239(void **state)
{
    (void)state;
    for (int i = 0; i < amount(100); i++)
        assert_int_equal(run(blocks_inside, .depth = 3), 3);
}

/* Inside: a runtime of its own, a yield, a lock more often than the budget; after it: a yield. */
struct locks {
    async_fn(int);
    struct kio_mutex mutex;
    struct kio_lock lock;
    int i;
};

async(locks)
{
    async_begin;
    for (self->i = 0; self->i < 129; self->i++) {
        await(kio_lock(&self->lock, &self->mutex));
        kio_unlock(&self->lock);
    }
    async_return(self->i);
}

static void *yield_and_lock(void *arg)
{
    kio_block_on(yielder, .turns = 3);
    run(yielder, .turns = 3);
    assert_int_equal(run(locks), 129);
    return arg;
}

struct yields_after {
    async_fn(void);
    struct kio_yield y;
};

async(yields_after)
{
    async_begin;
    kio_block_in_place(yield_and_lock, NULL);
    await(kio_yield_now(&self->y));
    async_return();
}

static void inside_and_after_it_one_may_yield(void **state)
{
    (void)state;
    run(yields_after);
    assert_int_equal(ki_load_seq_cst(&arrived), 2);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, open_one, rt_close)
#define TWO(test) cmocka_unit_test_setup_teardown(test, open_two, rt_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(tasks_and_timers_go_on_while_the_only_worker_blocks),
        TWO(tasks_and_timers_go_on_while_the_only_worker_blocks),
        ONE(it_blocks_again_and_again),
        TWO(twenty_block_at_once_on_two_workers),
        ONE(inside_one_may_spawn_and_block_on),
        ONE(outside_a_task_it_only_calls),
        ONE(on_the_pool_it_only_calls),
        ONE(timers_of_a_spare_outlive_it),
        cmocka_unit_test(without_a_spare_it_blocks),
        ONE(nothing_is_lost_among_spares_that_come_and_go),
        TWO(nothing_is_lost_among_spares_that_come_and_go),
        ONE(a_shutdown_waits_for_what_blocks),
        TWO(a_shutdown_waits_for_what_blocks),
        ONE(a_timer_that_a_spare_armed_last_fires_though_it_retires),
        ONE(what_had_yielded_runs_while_the_worker_blocks_7879),
        ONE(a_yield_polled_by_hand_has_woken_before_the_worker_blocks_7879),
        ONE(blocking_in_place_nests_through_block_on_5239),
        ONE(inside_and_after_it_one_may_yield),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
