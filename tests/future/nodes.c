/* Wakers of single members: late ones, recycled ones, counted ones, and none for want of memory. */
#include "support/leaf.h"
#include "base/mem.h"

#include <kioto/combine.h>

#include <stdlib.h>

#define SOME 20
#define HUGE 5000 /* more than the pool keeps: wakers are counted */

static void a_wake_after_the_drop_does_nothing(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little l;
    kio_waker late;

    (void)state;
    little_init(&l);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    late = kio_waker_clone(m[7].waker);
    kio_drop(&all);
    assert_int_equal(leaves_drops(m, SOME), SOME);
    kio_waker_wake(late);
    assert_int_equal(ki_load_seq_cst(&l.wakes), 0);
    assert_int_equal(l.clones, l.drops);
}

static void a_late_wake_of_a_recycled_node_polls_one_member_more(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little first, second;
    kio_waker late;

    (void)state;
    little_init(&first);
    little_init(&second);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&first, &all), KIO_PENDING);
    late = kio_waker_clone(m[7].waker);
    kio_drop(&all);

    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&second, &all), KIO_PENDING);
    assert_true(kio_waker_will_wake(m[7].waker, late)); /* the same block: the pool is a stack */
    kio_waker_wake(late);
    assert_int_equal(ki_load_seq_cst(&first.wakes), 0);
    assert_int_equal(ki_load_seq_cst(&second.wakes), 1);
    assert_int_equal(run_until_stalled(&second, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, SOME), SOME + 1);
    assert_int_equal(m[7].polls, 2);
    for (int i = 0; i < SOME; i++)
        leaf_tell(&m[i]);
    assert_int_equal(run_until_stalled(&second, &all), KIO_READY);
    assert_int_equal(leaves_drops(m, SOME), SOME);
    assert_int_equal(second.clones, second.drops);
}

/* The former owner had more members than the new one: the node has no member. */
static void a_late_wake_of_a_node_beyond_the_members_is_ignored(void **state)
{
    static struct leaf m[16];
    struct kio_join_all all = { 0 };
    struct little l;
    kio_waker late;

    (void)state;
    little_init(&l);
    leaves(m, 16);
    kio_join_all(&all, m, 16);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    late = kio_waker_clone(m[15].waker);
    kio_drop(&all);
    leaves(m, 9);
    kio_join_all(&all, m, 9); /* blocks of 16 serve both */
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    kio_waker_wake(late);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, 9), 9);
    kio_drop(&all);
}

static void queued_nodes_do_not_reach_the_next_owner(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    for (int i = 0; i < SOME; i++)
        kio_waker_wake_by_ref(m[i].waker);
    kio_drop(&all);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, SOME), SOME);
    leaf_tell(&m[0]); /* and they can still be woken */
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    assert_true(kio_is_done(&m[0]));
    kio_drop(&all);
}

static void many_wakes_of_one_member_are_one_poll_and_one_wake(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    for (int i = 0; i < 100; i++)
        kio_waker_wake_by_ref(m[4].waker);
    assert_int_equal(ki_load_seq_cst(&l.wakes), 1);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, SOME), SOME + 1);
    kio_drop(&all);
}

static void wakes_go_to_the_task_that_polled_last(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little first, second;

    (void)state;
    little_init(&first);
    little_init(&second);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&first, &all), KIO_PENDING);
    assert_int_equal(poll_once(&second, &all), KIO_PENDING);
    assert_int_equal(first.clones, first.drops); /* it was let go */
    kio_waker_wake_by_ref(m[3].waker);
    assert_int_equal(ki_load_seq_cst(&first.wakes), 0);
    assert_int_equal(ki_load_seq_cst(&second.wakes), 1);
    kio_drop(&all);
    assert_int_equal(second.clones, second.drops);
}

static void a_counted_waker_outlives_its_block(void **state)
{
    static struct leaf m[HUGE];
    struct kio_join_all all = { 0 };
    struct little l;
    kio_waker late;
    long alive = ki_mem_alive();

    (void)state;
    little_init(&l);
    leaves(m, HUGE);
    kio_join_all(&all, m, HUGE);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    leaf_tell(&m[HUGE - 1]);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, HUGE), HUGE + 1);
    late = kio_waker_clone(m[1].waker);
    kio_drop(&all);
    assert_int_equal(ki_mem_alive(), alive + 1); /* the waker holds it */
    kio_waker_wake(late);
    assert_int_equal(ki_mem_alive(), alive);
    assert_int_equal(l.clones, l.drops);
}

static void without_memory_a_wake_polls_all(void **state)
{
    static struct leaf m[600]; /* a size no other test has left in the pool */
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    leaves(m, 600);
    ki_mem_fail_at(1);
    kio_join_all(&all, m, 600);
    ki_mem_fail_at(0);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    leaf_tell(&m[5]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    assert_int_equal(leaves_polls(m, 600), 2 * 600);
    for (int i = 0; i < 600; i++)
        leaf_tell(&m[i]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(leaves_drops(m, 600), 600);
    assert_int_equal(l.clones, l.drops);
}

static void the_second_join_of_a_size_allocates_nothing(void **state)
{
    static struct leaf m[SOME];
    struct kio_join_all all = { 0 };
    struct little l;
    long count;

    (void)state;
    little_init(&l);
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    kio_drop(&all);
    count = ki_mem_count();
    leaves(m, SOME);
    kio_join_all(&all, m, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    kio_drop(&all);
    assert_int_equal(ki_mem_count(), count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_after_the_drop_does_nothing),
        cmocka_unit_test(a_late_wake_of_a_recycled_node_polls_one_member_more),
        cmocka_unit_test(a_late_wake_of_a_node_beyond_the_members_is_ignored),
        cmocka_unit_test(queued_nodes_do_not_reach_the_next_owner),
        cmocka_unit_test(many_wakes_of_one_member_are_one_poll_and_one_wake),
        cmocka_unit_test(wakes_go_to_the_task_that_polled_last),
        cmocka_unit_test(a_counted_waker_outlives_its_block),
        cmocka_unit_test(without_memory_a_wake_polls_all),
        cmocka_unit_test(the_second_join_of_a_size_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
