/* kio_runtime_drain: waiting for tasks and jobs that end by themselves. src/runtime/drain.c */
#include "support/rt.h"

#include <pthread.h>
#include <time.h>

static void wait_ms(int ms)
{
    struct timespec left = { .tv_nsec = ms * 1000000L };

    while (nanosleep(&left, &left))
        ;
}

static void count_drop(void)
{
    ki_fetch_add_seq_cst(&drops, 1);
}

struct forever {
    async_fn(int);
    struct kio_sleep nap;
};

static void forever_drop(struct forever *self)
{
    (void)self;
    count_drop();
}

async(forever, forever_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return(1);
}

struct ends {
    async_fn(int);
};

static void ends_drop(struct ends *self)
{
    (void)self;
    count_drop();
}

async(ends, ends_drop)
{
    async_begin;
    async_return(7);
}

struct works_until_told {
    async_fn(void);
    struct kio_cancel_token token;
    struct kio_cancelled told;
    struct kio_sleep nap;
    ki_atomic(int) *finished;
};

static void works_until_told_drop(struct works_until_told *self)
{
    kio_cancel_token_drop(&self->token);
    count_drop();
}

async(works_until_told, works_until_told_drop)
{
    async_begin;
    await(kio_cancelled(&self->told, &self->token));
    await(kio_sleep(&self->nap, 3 * KIO_MS)); /* says good bye */
    ki_fetch_add_seq_cst(self->finished, 1);
    async_return();
}

static void drain_waits_for_tasks_that_end_by_themselves(void **state)
{
    struct kio_cancel_token token;
    ki_atomic(int) finished = 0;

    (void)state;
    assert_int_equal(kio_runtime_drain(rt, -1), 0); /* nothing is there */
    assert_int_equal(kio_cancel_token_new(&token, NULL), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, works_until_told,
                                      .token = kio_cancel_token_clone(&token), .finished = &finished),
                         0);
    assert_int_equal(kio_runtime_drain(rt, 10 * KIO_MS), -ETIMEDOUT);
    assert_int_equal(ki_load_seq_cst(&drops), 0);
    kio_cancel(&token);
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&finished), 20);
    assert_int_equal(ki_load_seq_cst(&drops), 20);
    assert_int_equal(kio_spawn_on(rt, NULL, ends), 0); /* it goes on as before */
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 21);
    kio_cancel_token_drop(&token);
}

struct begets {
    async_fn(void);
    int generations;
    struct kio_yield y;
    struct kio_join_handle job;
};

static void begets_drop(struct begets *self)
{
    (void)self;
    count_drop();
}

async_declare(begets);

static void *spawn_from_job(void *arg)
{
    wait_ms(1);
    return (void *)(intptr_t)kio_spawn(NULL, begets, .generations = (int)(intptr_t)arg);
}

/* Each ends after it has given its place to the next, by a spawn or by a job that spawns. */
async(begets, begets_drop)
{
    async_begin;
    await(kio_yield_now(&self->y));
    if (self->generations > 0 && self->generations % 8 == 0)
        kio_spawn_blocking(NULL, spawn_from_job, (void *)(intptr_t)(self->generations - 1));
    else if (self->generations > 0)
        kio_spawn(NULL, begets, .generations = self->generations - 1);
    async_return();
}

static void drain_sees_no_gap_between_a_task_and_the_one_it_spawns(void **state)
{
    (void)state;
    for (int round = 0; round < amount(10); round++) {
        ki_store_seq_cst(&drops, 0);
        assert_int_equal(kio_spawn_on(rt, NULL, begets, .generations = 50), 0);
        assert_int_equal(kio_runtime_drain(rt, -1), 0);
        assert_int_equal(ki_load_seq_cst(&drops), 51);
    }
}

static void *end_it(void *arg)
{
    wait_ms(10);
    assert_int_equal(kio_runtime_shutdown(arg, -1), 0);
    return NULL;
}

static void drain_ends_when_the_runtime_does(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(kio_spawn_on(rt, NULL, forever), 0);
    assert_int_equal(pthread_create(&thread, NULL, end_it, rt), 0);
    assert_in_range(-kio_runtime_drain(rt, -1), 0, ESHUTDOWN); /* 0: all were dropped before the look */
    pthread_join(thread, NULL);
    assert_int_equal(kio_runtime_drain(rt, 0), 0); /* nothing is left */
}

/* Grace is real time: the paused clock jumps over an hour of sleep meanwhile. */
struct sleeps {
    async_fn(void);
    kio_duration time;
    struct kio_sleep nap;
};

async(sleeps)
{
    async_begin;
    await(kio_sleep(&self->nap, self->time));
    async_return();
}

static void drain_runs_a_paused_clock(void **state)
{
    struct kio_runtime *own;

    (void)state;
    if (rt_flavor == KIO_MULTI_THREAD)
        skip();
    assert_int_equal(
        kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor, .start_paused = true }),
        0);
    assert_int_equal(kio_spawn_on(own, NULL, sleeps, .time = 3600 * KIO_SEC), 0);
    assert_int_equal(kio_runtime_drain(own, 600 * KIO_SEC), 0);
    kio_runtime_free(own);
}

/* On current_thread one thread runs the tasks, and the other waits its turn. */
static void *drain_too(void *arg)
{
    return (void *)(intptr_t)kio_runtime_drain(arg, -1);
}

static void two_threads_drain_at_once(void **state)
{
    pthread_t thread;
    void *other;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, sleeps, .time = i * KIO_MS), 0);
    assert_int_equal(pthread_create(&thread, NULL, drain_too, rt), 0);
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
    pthread_join(thread, &other);
    assert_null(other);
}

RT_MAIN(RT(drain_waits_for_tasks_that_end_by_themselves),
        RT(drain_sees_no_gap_between_a_task_and_the_one_it_spawns),
        RT(drain_ends_when_the_runtime_does), RT(drain_runs_a_paused_clock),
        RT(two_threads_drain_at_once))
