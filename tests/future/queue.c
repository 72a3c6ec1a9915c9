/* A queue of futures: who is polled, in which order they come, what is freed when. */
#include "support/case.h"
#include "support/leaf.h"

#include <kioto/future_queue.h>

#include <errno.h>

#define SOME 40

static int destroyed;

/* The wake nodes of sets are pooled: memory is not counted over a case. */
static int teardown(void **state)
{
    (void)state;
    destroyed = 0;
    return l.clones == l.drops ? 0 : -1;
}

/* A member on the heap: ends with twice what its leaf gives. */
struct doubled {
    async_fn(long);
    struct leaf *on;
};

static void doubled_drop(struct doubled *self)
{
    (void)self;
    destroyed++;
}

async(doubled, doubled_drop)
{
    async_begin;
    await(self->on);
    async_return(2L * self->on->out);
}

static void push_all(struct kio_future_queue *queue, struct leaf *m, int count)
{
    leaves(m, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(kio_future_queue_push(queue, &m[i]), 0);
}

static void members_come_in_the_order_in_which_they_were_put_in(void **state)
{
    static struct leaf m[SOME];
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };

    (void)state;
    push_all(&queue, m, SOME);
    kio_future_queue_next(&next, &queue);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(leaves_polls(m, SOME), SOME); /* side by side */
    for (int i = SOME; i-- > 1;) {
        leaf_tell(&m[i]); /* the last first */
        assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    }
    assert_int_equal(leaves_polls(m, SOME), 2 * SOME - 1); /* who woke, once */
    assert_int_equal(leaves_drops(m, SOME), SOME - 1);
    leaf_tell(&m[0]);
    for (int i = 0; i < SOME; i++) {
        assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        assert_int_equal(next.out, 1);
        assert_ptr_equal(next.future, &m[i].kio);
        assert_int_equal(*kio_future_queue_output(&next, int), i);
        assert_int_equal(kio_future_queue_len(&queue), SOME - 1 - i);
        kio_future_queue_next(&next, &queue);
    }
    READY(&next);
    assert_int_equal(next.out, 0);
    kio_drop(&queue);
    assert_int_equal(leaves_drops(m, SOME), SOME);
    assert_int_equal(leaves_polls(m, SOME), 2 * SOME);
}

static void it_is_filled_while_it_is_emptied(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    static struct leaf m[3 * SOME];
    int in = 0;

    (void)state;
    leaves(m, 3 * SOME);
    for (int out = 0; out < 3 * SOME; out++) {
        for (int i = 0; i < 3 && in < 3 * SOME; i++, in++) {
            m[in].ready = in % 2;
            assert_int_equal(kio_future_queue_push(&queue, &m[in]), 0);
        }
        kio_future_queue_next(&next, &queue);
        if (run_until_stalled(&l, &next) == KIO_PENDING) {
            leaf_tell(&m[out]);
            assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        }
        assert_int_equal(*kio_future_queue_output(&next, int), out);
    }
    assert_int_equal(kio_future_queue_len(&queue), 0);
    kio_drop(&queue);
    assert_int_equal(leaves_drops(m, 3 * SOME), 3 * SOME);
}

static void a_push_while_next_is_pending_is_run_as_well(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    struct leaf a, b;

    (void)state;
    assert_int_equal(kio_future_queue_push(&queue, leaf(&a, 1)), 0);
    PENDING(kio_future_queue_next(&next, &queue));
    assert_int_equal(kio_future_queue_push(&queue, leaf(&b, 2)), 0);
    WAKES(1);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(b.polls, 1);
    kio_drop(&next);
    kio_drop(&queue);
    assert_int_equal(a.drops + b.drops, 2);
}

static void a_dropped_next_takes_nothing(void **state)
{
    static struct leaf m[SOME];
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };

    (void)state;
    push_all(&queue, m, SOME);
    kio_future_queue_next(&next, &queue);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    leaf_tell(&m[0]);
    leaf_tell(&m[1]);
    kio_drop(&next);
    assert_int_equal(kio_future_queue_len(&queue), SOME);
    for (int i = 0; i < 2; i++) {
        kio_future_queue_next(&next, &queue);
        assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        assert_ptr_equal(next.future, &m[i].kio);
    }
    kio_drop(&queue);
}

static void members_on_the_heap_are_freed_when_the_next_is_taken(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    struct leaf a, b;

    (void)state;
    assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&a, 1)), 0);
    assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&b, 2)), 0);
    a.ready = b.ready = true;
    READY(kio_future_queue_next(&next, &queue));
    assert_int_equal(*kio_future_queue_output(&next, long), 2);
    READY(kio_future_queue_next(&next, &queue));
    assert_int_equal(*kio_future_queue_output(&next, long), 4);
    assert_int_equal(destroyed, 2);
    READY(kio_future_queue_next(&next, &queue));
    assert_int_equal(next.out, 0);
    kio_drop(&queue);
}

static void dropping_it_drops_all_ended_or_not(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    struct leaf a, b, c;
    long before = ki_mem_alive();

    (void)state;
    assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&a, 1)), 0);
    assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&b, 2)), 0);
    assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&c, 3)), 0);
    PENDING(kio_future_queue_next(&next, &queue));
    leaf_tell(&b);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(destroyed, 1);
    kio_drop(&next);
    kio_drop(&queue);
    kio_drop(&queue);
    assert_int_equal(destroyed, 3);
    assert_int_equal(a.drops + b.drops + c.drops, 3);
    assert_true(ki_mem_alive() <= before + 1); /* the pooled wake nodes */
}

static void kept_results_live_until_the_next_is_taken(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    struct leaf a, b;

    (void)state;
    leaf(&a, 1)->keeps = true;
    leaf(&b, 2)->keeps = true;
    b.ready = true;
    assert_int_equal(kio_future_queue_push(&queue, &a), 0);
    assert_int_equal(kio_future_queue_push(&queue, &b), 0);
    PENDING(kio_future_queue_next(&next, &queue));
    assert_int_equal(b.drops, 0); /* it has ended, and waits for its turn */
    leaf_tell(&a);
    READY(&next);
    assert_int_equal(a.drops, 0);
    READY(kio_future_queue_next(&next, &queue));
    assert_int_equal(a.drops, 1);
    assert_int_equal(b.drops, 0);
    kio_drop(&next);
    assert_int_equal(b.drops, 1);
    kio_drop(&queue);
}

static void one_that_had_finished_comes_in_its_turn(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct kio_future_queue_next next = { 0 };
    struct leaf a, b;

    (void)state;
    leaf(&b, 2)->ready = true;
    READY(&b);
    assert_int_equal(kio_future_queue_push(&queue, leaf(&a, 1)), 0);
    assert_int_equal(kio_future_queue_push(&queue, &b), 0);
    PENDING(kio_future_queue_next(&next, &queue));
    leaf_tell(&a);
    READY(&next);
    assert_ptr_equal(next.future, &a.kio);
    READY(kio_future_queue_next(&next, &queue));
    assert_ptr_equal(next.future, &b.kio);
    assert_int_equal(b.polls, 1);
    kio_drop(&queue);
}

struct parent {
    async_fn(int);
    struct leaf *leaves;
    struct kio_future_queue queue;
    struct kio_future_queue_next next;
    int sum;
};

async(parent)
{
    async_begin;
    for (int i = 0; i < 3; i++)
        assert_int_equal(kio_future_queue_add(&self->queue, doubled, .on = &self->leaves[i]), 0);
    for (;;) {
        await(kio_future_queue_next(&self->next, &self->queue));
        if (!self->next.out)
            async_return(self->sum);
        self->sum = 10 * self->sum + (int)*kio_future_queue_output(&self->next, long);
    }
}

static void it_is_dropped_with_the_async_function_it_lies_in(void **state)
{
    struct parent p = { 0 };
    struct leaf m[3];

    (void)state;
    leaves(m, 3);
    PENDING(async_call(&p, parent, .leaves = m));
    leaf_tell(&m[1]);
    PENDING(&p);
    kio_drop(&p);
    assert_int_equal(destroyed, 3);
    leaves(m, 3);
    PENDING(async_call(&p, parent, .leaves = m));
    for (int i = 3; i-- > 0;)
        leaf_tell(&m[i]);
    READY(&p);
    assert_int_equal(p.out, 24);
    assert_int_equal(destroyed, 6);
}

/* The nth allocation of an add fails: the member (1), the ring (2), the set's block (3), its nodes (4). */
static void without_memory_an_add_says_so_and_releases_its_parameters(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 4; nth++) {
        struct kio_future_queue queue = { 0 };
        struct kio_future_queue_next next = { 0 };
        struct leaf a, b;
        int err;

        destroyed = 0;
        ki_mem_fail_at(nth);
        err = kio_future_queue_add(&queue, doubled, .on = leaf(&a, 1));
        ki_mem_fail_at(0);
        assert_int_equal(err, nth == 4 && !err ? 0 : -ENOMEM); /* nodes may come from the pool */
        assert_int_equal(destroyed, err ? 1 : 0);
        assert_int_equal(kio_future_queue_add(&queue, doubled, .on = leaf(&b, 2)), 0);
        a.ready = b.ready = true;
        READY(kio_future_queue_next(&next, &queue));
        assert_int_equal(*kio_future_queue_output(&next, long), err ? 4 : 2);
        kio_drop(&next);
        kio_drop(&queue);
    }
}

static void a_push_without_memory_leaves_the_future_as_it_was(void **state)
{
    struct kio_future_queue queue = { 0 };
    struct leaf a;

    (void)state;
    for (int nth = 1; nth <= 2; nth++) {
        ki_mem_fail_at(nth);
        assert_int_equal(kio_future_queue_push(&queue, leaf(&a, 1)), -ENOMEM);
        ki_mem_fail_at(0);
        assert_false(kio_is_owned_(&a.kio)); /* nobody's */
        assert_int_equal(a.drops, 0);
        assert_int_equal(kio_future_queue_len(&queue), 0);
        kio_drop(&queue);
        assert_int_equal(a.drops, 0);
    }
    kio_drop(&a);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, case_setup, teardown)
    const struct CMUnitTest tests[] = {
        T(members_come_in_the_order_in_which_they_were_put_in),
        T(it_is_filled_while_it_is_emptied),
        T(a_push_while_next_is_pending_is_run_as_well),
        T(a_dropped_next_takes_nothing),
        T(members_on_the_heap_are_freed_when_the_next_is_taken),
        T(dropping_it_drops_all_ended_or_not),
        T(kept_results_live_until_the_next_is_taken),
        T(one_that_had_finished_comes_in_its_turn),
        T(it_is_dropped_with_the_async_function_it_lies_in),
        T(without_memory_an_add_says_so_and_releases_its_parameters),
        T(a_push_without_memory_leaves_the_future_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
