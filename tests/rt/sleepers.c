/* Workers that go to sleep while others wake them: no wake is lost, and afterwards all sleep. tokio #8373: a
 * worker stood in the list of sleepers twice after a wake that was not for a task. */
#include "support/rt.h"

#include "runtime/runtime.h"

#include <pthread.h>
#include <time.h>

static ki_atomic(bool) stop;

/* Wakes of workers that bring no task: a dump asks current_thread, whoever reads metrics does not. */
static void *disturb(void *arg)
{
    FILE *nowhere = fopen("/dev/null", "w");
    struct kio_metrics m;

    (void)arg;
    while (!ki_load_seq_cst(&stop)) {
        rt->drivers->park.unpark(&rt->drivers->park);
        (void)kio_runtime_dump(rt, nowhere);
        kio_metrics_read(rt, &m);
    }
    fclose(nowhere);
    return NULL;
}

struct replies {
    async_fn(void);
    struct kio_rx rx;
    struct kio_tx tx;
    struct kio_recv recv;
    struct kio_send send;
    int value;
};

static void replies_drop(struct replies *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(replies, replies_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            async_return();
        self->value++;
        await(kio_send(&self->send, &self->tx, &self->value));
    }
}

struct yields {
    async_fn(void);
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return();
}

static bool all_sleep(void)
{
    uint64_t polls;

    for (int i = 0; i < 2000; i++) {
        if (ki_multi_quiet(rt->sched, &polls))
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return false;
}

/* A plain thread asks and waits for the reply: each time the workers have gone to sleep, or are about to. */
static void every_wake_of_a_sleeping_worker_arrives_8373(void **state)
{
    struct kio_tx to, from_tx;
    struct kio_rx to_rx, from;
    pthread_t disturber;

    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip(); /* nobody sleeps outside of block_on there */
    ki_store_seq_cst(&stop, false);
    assert_int_equal(kio_mpsc_channel(&to, &to_rx, sizeof(int), 1), 0);
    assert_int_equal(kio_mpsc_channel(&from_tx, &from, sizeof(int), 1), 0);
    assert_int_equal(kio_spawn_on(rt, NULL, replies, .rx = to_rx, .tx = from_tx), 0);
    assert_int_equal(pthread_create(&disturber, NULL, disturb, NULL), 0);
    for (int i = 0; i < amount(3000); i++) {
        int value = i;

        assert_int_equal(kio_blocking_send(&to, &value), 0);
        assert_int_equal(kio_blocking_recv(&from, &value), 1);
        assert_int_equal(value, i + 1);
        if (i % 64 == 0) /* they fall asleep for good */
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    ki_store_seq_cst(&stop, true);
    pthread_join(disturber, NULL);
    assert_true(all_sleep());
    kio_tx_drop(&to);
    kio_rx_drop(&from);
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
    run(yields);
    assert_true(all_sleep());
}

/* It must be quiet for a moment of the system's clock: the workers' alarm is not a task's timer. They woke
 * each other every 10 ms once. */
static void a_runtime_without_work_sleeps_for_good(void **state)
{
    struct kio_metrics before, after;

    (void)state;
    run(yields);
    assert_true(all_sleep());
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    kio_metrics_read(rt, &before);
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    kio_metrics_read(rt, &after);
    assert_in_range(after.parks - before.parks, 0, 4);
}

RT_MAIN(RT(every_wake_of_a_sleeping_worker_arrives_8373), RT(a_runtime_without_work_sleeps_for_good))
