/* The blocking pool by itself: who runs a job, in which order, what is known. src/sched/blocking.c */
#include "support/pool.h"

#include "base/lock.h"

#include <pthread.h>
#include <unistd.h>

#define MANY 1000

struct counted {
    struct ki_job job;
    ki_atomic(uint32_t) *gate; /* waits until it is not 0; NULL: does not */
    struct counted *next;      /* submits it; NULL: none */
    int order;
};

static struct ki_blocking *pool;
static struct counted jobs[MANY];
static ki_atomic(uint32_t) begun, ran, canceled, quiets;

static void on_thread(void *arg, bool start)
{
    (void)arg, (void)start;
}

static void on_quiet(void *arg)
{
    (void)arg;
    ki_fetch_add_seq_cst(&quiets, 1);
}

static void wait_for(ki_atomic(uint32_t) *word, uint32_t value)
{
    uint32_t is;

    while ((is = ki_load_acquire(word)) < value)
        ki_futex_wait(word, is, KIO_SEC);
}

static void set(ki_atomic(uint32_t) *word)
{
    ki_store_release(word, 1);
    ki_futex_wake(word, INT32_MAX);
}

static void run_counted(struct ki_job *job)
{
    struct counted *self = ki_container(job, struct counted, job);

    if (self->gate)
        wait_for(self->gate, 1);
    if (self->next)
        assert_int_equal(ki_blocking_submit(pool, &self->next->job, KI_LANE_JOBS), 0);
    self->order = (int)ki_fetch_add_seq_cst(&begun, 1);
    ki_fetch_add_seq_cst(&ran, 1);
    ki_futex_wake(&ran, INT32_MAX);
}

static void cancel_counted(struct ki_job *job)
{
    (void)job;
    ki_fetch_add_seq_cst(&canceled, 1);
}

static void open_pool_for(unsigned max, int64_t keep_alive_ns)
{
    ki_store_relaxed(&begun, 0);
    ki_store_relaxed(&ran, 0);
    ki_store_relaxed(&canceled, 0);
    for (int i = 0; i < MANY; i++)
        jobs[i] = (struct counted){ .job = { .run = run_counted, .cancel = cancel_counted }, .order = -1 };
    pool = pool_new(max, keep_alive_ns, on_thread, on_quiet);
}

static void open_pool(unsigned max)
{
    open_pool_for(max, 100 * (int64_t)KIO_SEC);
}

static void close_pool(void)
{
    assert_int_equal(ki_blocking_shutdown(pool, -1), 0);
    assert_false(ki_blocking_busy(pool));
    ki_blocking_free(pool);
}

static void submit(int i)
{
    assert_int_equal(ki_blocking_submit(pool, &jobs[i].job, KI_LANE_JOBS), 0);
}

static struct ki_blocking_stats stats(void)
{
    struct ki_blocking_stats s;

    ki_blocking_stats(pool, &s);
    return s;
}

static void wait_idle(unsigned count)
{
    for (int i = 0; i < 10000 && stats().idle < count; i++)
        usleep(1000);
    assert_int_equal(stats().idle, count);
}

static void one_thread_runs_jobs_in_the_order_they_came(void **state)
{
    ki_atomic(uint32_t) open = 0;

    (void)state;
    open_pool(1);
    jobs[MANY / 2].gate = &open; /* those behind it come in while it runs, or wait already */
    for (int i = 0; i < MANY; i++)
        submit(i);
    wait_for(&ran, MANY / 2);
    set(&open);
    wait_for(&ran, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(jobs[i].order, i);
    assert_int_equal(stats().threads, 1);
    assert_int_equal(stats().taken, MANY);
    assert_int_equal(stats().queued, 0);
    close_pool();
}

static void jobs_that_wait_for_the_last_one_each_get_a_thread(void **state)
{
    ki_atomic(uint32_t) last = 0;

    (void)state;
    open_pool(20);
    for (int round = 0; round < 2; round++) { /* in the second one the threads are there */
        for (int i = 0; i < 19; i++) {
            jobs[i].gate = &last;
            submit(i);
        }
        submit(19);
        wait_for(&ran, (uint32_t)(20 * round + 1));
        assert_int_equal(jobs[19].order, 20 * round);
        set(&last);
        wait_idle(20);
        ki_store_relaxed(&last, 0);
    }
    assert_int_equal(stats().threads, 20);
    close_pool();
}

static void a_job_behind_a_running_one_is_run_by_another_thread(void **state)
{
    ki_atomic(uint32_t) open = 0;

    (void)state;
    open_pool(2);
    jobs[0].gate = &open;
    submit(0);
    while (stats().taken == 0)
        usleep(100);
    for (int i = 1; i < MANY; i++) {
        submit(i);
        if (i % 10 == 0)
            wait_for(&ran, (uint32_t)i);
    }
    wait_for(&ran, MANY - 1);
    set(&open);
    wait_for(&ran, MANY);
    close_pool();
}

static void a_pool_is_busy_until_the_last_of_jobs_that_submit_jobs(void **state)
{
    (void)state;
    open_pool(3);
    ki_store_relaxed(&quiets, 0);
    for (int i = 0; i < MANY - 1; i++)
        jobs[i].next = &jobs[i + 1];
    assert_false(ki_blocking_busy(pool));
    submit(0);
    while (ki_blocking_busy(pool))
        ;
    assert_int_equal(ki_load_acquire(&ran), MANY);
    for (int i = 0; i < 10000 && !ki_load_acquire(&quiets); i++)
        usleep(1000);
    assert_int_not_equal(ki_load_acquire(&quiets), 0);
    close_pool();
}

/* The threads' keep-alive ends at any moment of a submit. Tokio #8056. */
static void no_job_is_left_to_a_thread_whose_time_is_up(void **state)
{
    (void)state;
    open_pool_for(3, 20000);
    for (int i = 0; i < MANY; i++) {
        submit(i);
        if (i % 3 == 0)
            wait_for(&ran, (uint32_t)i + 1);
        if (i % 7 == 0)
            usleep((useconds_t)(i % 60));
    }
    wait_for(&ran, MANY);
    close_pool();
}

static ki_atomic(uint32_t) refused;

static void *submits(void *arg)
{
    int part = *(int *)arg;

    for (int i = part; i < MANY; i += 4) {
        int err = ki_blocking_submit(pool, &jobs[i].job, KI_LANE_JOBS);

        assert_true(!err || err == -ESHUTDOWN);
        ki_fetch_add_seq_cst(&refused, err != 0);
    }
    return NULL;
}

static void a_job_is_run_or_canceled_or_refused_when_the_pool_ends(void **state)
{
    int parts[4] = { 0, 1, 2, 3 };
    pthread_t threads[4];

    (void)state;
    for (int round = 0; round < 50; round++) {
        open_pool(2);
        ki_store_relaxed(&refused, 0);
        for (int t = 0; t < 4; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, submits, &parts[t]), 0);
        usleep((useconds_t)round * 10);
        assert_int_equal(ki_blocking_shutdown(pool, -1), 0);
        for (int t = 0; t < 4; t++)
            pthread_join(threads[t], NULL);
        assert_int_equal(ki_blocking_threads(pool), 0); /* none was started for who came late */
        assert_int_equal(ki_load_relaxed(&ran) + ki_load_relaxed(&canceled) + ki_load_relaxed(&refused),
                         MANY);
        close_pool();
    }
}

static void what_is_queued_when_the_pool_ends_is_canceled(void **state)
{
    ki_atomic(uint32_t) open = 0;

    (void)state;
    open_pool(1);
    jobs[0].gate = &open;
    for (int i = 0; i < 10; i++)
        submit(i);
    while (stats().taken == 0)
        usleep(100);
    for (int i = 10; i < 20; i++) /* those may be at the door, the others in the queue */
        submit(i);
    assert_int_equal(stats().queued, 19);
    assert_int_equal(ki_blocking_shutdown(pool, 0), -ETIMEDOUT);
    assert_int_equal(ki_load_acquire(&canceled), 19);
    assert_int_equal(stats().queued, 0);
    assert_true(ki_blocking_busy(pool));
    assert_int_equal(ki_blocking_submit(pool, &jobs[20].job, KI_LANE_JOBS), -ESHUTDOWN);
    set(&open);
    close_pool();
    assert_int_equal(ki_load_acquire(&ran), 1);
}

int main(void)
{
    const struct CMUnitTest tests_of_pool[] = {
        cmocka_unit_test(one_thread_runs_jobs_in_the_order_they_came),
        cmocka_unit_test(jobs_that_wait_for_the_last_one_each_get_a_thread),
        cmocka_unit_test(a_job_behind_a_running_one_is_run_by_another_thread),
        cmocka_unit_test(a_pool_is_busy_until_the_last_of_jobs_that_submit_jobs),
        cmocka_unit_test(no_job_is_left_to_a_thread_whose_time_is_up),
        cmocka_unit_test(a_job_is_run_or_canceled_or_refused_when_the_pool_ends),
        cmocka_unit_test(what_is_queued_when_the_pool_ends_is_canceled),
    };

    return cmocka_run_group_tests(tests_of_pool, NULL, NULL);
}
