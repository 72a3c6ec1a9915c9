/* A worker's run queue, by itself: order, growth, and thieves. src/sched/queue.h */
#include "support/rt.h"

#include "base/mem.h"
#include "sched/queue.h"

#include <pthread.h>

/* Never run: only their addresses go through the queue. */
static struct ki_task tasks[200000];

static void tasks_come_out_in_the_order_they_went_in(void **state)
{
    struct ki_queue q;

    (void)state;
    assert_int_equal(ki_queue_init(&q), 0);
    assert_null(ki_queue_pop(&q));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++)
            assert_true(ki_queue_push(&q, &tasks[i]));
        for (int i = 0; i < 200; i++)
            assert_ptr_equal(ki_queue_pop(&q), &tasks[i]);
        assert_null(ki_queue_pop(&q));
    }
    ki_queue_free(&q);
}

static void a_full_ring_doubles_and_keeps_the_order(void **state)
{
    struct ki_queue q;

    (void)state;
    assert_int_equal(ki_queue_init(&q), 0);
    for (int i = 0; i < 100; i++) { /* so that it is full across the ring's end */
        assert_true(ki_queue_push(&q, &tasks[i]));
        assert_ptr_equal(ki_queue_pop(&q), &tasks[i]);
    }
    for (uint32_t i = 0; i < KI_QUEUE_MAX; i++)
        assert_true(ki_queue_push(&q, &tasks[i]));
    assert_false(ki_queue_push(&q, &tasks[0]));
    assert_int_equal(ki_queue_len(&q), KI_QUEUE_MAX);
    for (uint32_t i = 0; i < KI_QUEUE_MAX; i++)
        assert_ptr_equal(ki_queue_pop(&q), &tasks[i]);
    assert_null(ki_queue_pop(&q));
    ki_queue_free(&q);
}

static void without_memory_a_full_ring_takes_no_more(void **state)
{
    struct ki_queue q;

    (void)state;
    assert_int_equal(ki_queue_init(&q), 0);
    for (uint32_t i = 0; i < KI_QUEUE_MIN; i++)
        assert_true(ki_queue_push(&q, &tasks[i]));
    ki_mem_fail_at(1);
    assert_false(ki_queue_push(&q, &tasks[KI_QUEUE_MIN]));
    ki_mem_fail_at(0);
    assert_true(ki_queue_push(&q, &tasks[KI_QUEUE_MIN]));
    ki_queue_free(&q);
    ki_mem_fail_at(1);
    assert_int_equal(ki_queue_init(&q), -ENOMEM);
    ki_mem_fail_at(0);
}

static void a_thief_takes_half_the_oldest_first(void **state)
{
    struct ki_queue own, from;

    (void)state;
    assert_int_equal(ki_queue_init(&own), 0);
    assert_int_equal(ki_queue_init(&from), 0);
    assert_null(ki_queue_steal(&own, &from));
    for (int i = 0; i < 5; i++)
        assert_true(ki_queue_push(&from, &tasks[i]));
    assert_ptr_equal(ki_queue_steal(&own, &from), &tasks[0]);
    assert_ptr_equal(ki_queue_pop(&own), &tasks[1]);
    assert_ptr_equal(ki_queue_pop(&own), &tasks[2]);
    assert_null(ki_queue_pop(&own));
    assert_ptr_equal(ki_queue_pop(&from), &tasks[3]);
    for (uint32_t i = 0; i < 4 * KI_QUEUE_MIN; i++)
        assert_true(ki_queue_push(&from, &tasks[i]));
    assert_non_null(ki_queue_steal(&own, &from));
    assert_int_equal(ki_queue_len(&own), KI_QUEUE_STEAL - 1);
    ki_queue_free(&own);
    ki_queue_free(&from);
}

/* tokio #5041: indices that wrapped were taken for others. Every operation across their end. */
static void indices_wrap(void **state)
{
    struct ki_queue q, other;

    (void)state;
    assert_int_equal(ki_queue_init(&q), 0);
    assert_int_equal(ki_queue_init(&other), 0);
    for (uint32_t before = 1; before < 2 * KI_QUEUE_MIN; before += 37) {
        uint32_t start = 0u - before;

        ki_store_relaxed(&q.head, start);
        ki_store_relaxed(&q.tail, start);
        q.head_seen = start;
        for (uint32_t i = 0; i < 3 * KI_QUEUE_MIN; i++) /* the ring grows on its way over the end */
            assert_true(ki_queue_push(&q, &tasks[i]));
        assert_int_equal(ki_queue_len(&q), 3 * KI_QUEUE_MIN);
        for (uint32_t i = 0; i < KI_QUEUE_MIN; i++)
            assert_ptr_equal(ki_queue_pop(&q), &tasks[i]);
        for (uint32_t i = KI_QUEUE_MIN; ki_queue_len(&q); i += KI_QUEUE_STEAL) {
            uint32_t half = (ki_queue_len(&q) + 1) / 2;

            if (half < KI_QUEUE_STEAL) { /* the rest one by one */
                for (; ki_queue_len(&q); i++)
                    assert_ptr_equal(ki_queue_pop(&q), &tasks[i]);
                break;
            }
            assert_ptr_equal(ki_queue_steal(&other, &q), &tasks[i]);
            for (uint32_t k = 1; k < KI_QUEUE_STEAL; k++)
                assert_ptr_equal(ki_queue_pop(&other), &tasks[i + k]);
            assert_null(ki_queue_pop(&other));
        }
        assert_null(ki_queue_pop(&q));
    }
    ki_queue_free(&q);
    ki_queue_free(&other);
}

/* ---- threads ------------------------------------------------------------------------------ */

static struct ki_queue shared;
static ki_atomic(int) times[200000];
static ki_atomic(bool) all_in;

static void saw(struct ki_task *task)
{
    ki_fetch_add_relaxed(&times[task - tasks], 1);
}

static void *thief(void *arg)
{
    struct ki_queue own;
    struct ki_task *task;
    long taken = 0;

    (void)arg;
    assert_int_equal(ki_queue_init(&own), 0);
    for (;;) {
        bool last = ki_load_acquire(&all_in);

        task = ki_queue_steal(&own, &shared);
        if (!task && last && !ki_queue_len(&shared))
            break;
        for (; task; task = ki_queue_pop(&own)) {
            saw(task);
            taken++;
        }
    }
    ki_queue_free(&own);
    return (void *)taken;
}

/* The owner lets the ring grow again and again while thieves take from it. */
static void every_task_is_taken_once_while_the_ring_grows(void **state)
{
    int n = amount(200000);
    pthread_t threads[2];
    long stolen = 0;

    (void)state;
    assert_int_equal(ki_queue_init(&shared), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thief, NULL), 0);
    for (int i = 0; i < n; i++) {
        struct ki_task *task;

        while (!ki_queue_push(&shared, &tasks[i]))
            sched_yield();
        if (i % 3 == 0 && (task = ki_queue_pop(&shared)))
            saw(task);
    }
    ki_store_release(&all_in, true);
    for (struct ki_task *task; (task = ki_queue_pop(&shared));)
        saw(task);
    for (int i = 0; i < 2; i++) {
        void *taken;

        pthread_join(threads[i], &taken);
        stolen += (long)taken;
    }
    for (int i = 0; i < n; i++)
        assert_int_equal(ki_load_relaxed(&times[i]), 1);
    assert_true(stolen <= n);
    ki_queue_free(&shared);
}

int main(void)
{
    const struct CMUnitTest tests_of_queue[] = {
        cmocka_unit_test(tasks_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_full_ring_doubles_and_keeps_the_order),
        cmocka_unit_test(without_memory_a_full_ring_takes_no_more),
        cmocka_unit_test(a_thief_takes_half_the_oldest_first),
        cmocka_unit_test(indices_wrap),
        cmocka_unit_test(every_task_is_taken_once_while_the_ring_grows),
    };

    ki_mem_watch();
    return cmocka_run_group_tests(tests_of_queue, NULL, NULL);
}
