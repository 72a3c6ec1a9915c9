/* Semaphores and permits under a little executor: counts, closing, forgetting, threads that block. */
#include "support/case.h"

#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define HAS(count) assert_int_equal(kio_semaphore_available(&s), count)

static struct kio_semaphore s;

static void no_permits_is_allowed_and_nobody_gets_one(void **state)
{
    struct kio_acquire a = { 0 };

    (void)state;
    kio_semaphore_init(&s, 0);
    assert_int_equal(kio_try_acquire(&s, 1), -EAGAIN);
    assert_int_equal(kio_try_acquire(&s, 0), 0);
    PENDING(kio_acquire(&a, &s, 1));
    kio_drop(&a);
}

static void try_acquire_takes_what_is_free_and_never_waits(void **state)
{
    (void)state;
    kio_semaphore_init(&s, 42);
    assert_int_equal(kio_try_acquire(&s, 42), 0);
    assert_int_equal(kio_try_acquire(&s, 1), -EAGAIN);
    kio_release(&s, 42);
    assert_int_equal(kio_try_acquire(&s, 32), 0);
    assert_int_equal(kio_try_acquire(&s, 10), 0);
    assert_int_equal(kio_try_acquire(&s, 1), -EAGAIN);
}

static void a_released_or_added_permit_goes_to_who_waits(void **state)
{
    struct kio_acquire a = { 0 }, b = { 0 };

    (void)state;
    kio_semaphore_init(&s, 1);
    assert_int_equal(kio_try_acquire(&s, 1), 0);
    PENDING(kio_acquire(&a, &s, 1));
    PENDING(kio_acquire(&b, &s, 1));
    kio_release(&s, 1); /* back */
    WAKES(1);
    READY(&a);
    kio_release(&s, 1); /* one more than there was, as far as the semaphore knows */
    WAKES(2);
    READY(&b);
    HAS(0);
}

static void permits_are_added_to_open_and_to_closed_ones(void **state)
{
    (void)state;
    for (size_t size = 0; size < 4; size++) {
        for (size_t add = 0; add < 4; add++) {
            kio_semaphore_init(&s, size);
            kio_release(&s, add);
            HAS(size + add);
            assert_false(kio_semaphore_is_closed(&s));
            kio_semaphore_init(&s, size);
            kio_semaphore_close(&s);
            kio_release(&s, add);
            HAS(size + add);
            assert_true(kio_semaphore_is_closed(&s));
        }
    }
}

static void forgetting_takes_what_is_free_from_open_and_from_closed_ones(void **state)
{
    (void)state;
    for (size_t size = 0; size < 4; size++) {
        for (size_t count = 0; count < 4; count++) {
            size_t taken = count < size ? count : size;

            kio_semaphore_init(&s, size);
            assert_int_equal(kio_semaphore_forget(&s, count), taken);
            HAS(size - taken);
            assert_false(kio_semaphore_is_closed(&s));
            kio_semaphore_init(&s, size);
            kio_semaphore_close(&s);
            assert_int_equal(kio_semaphore_forget(&s, count), taken);
            HAS(size - taken);
            assert_true(kio_semaphore_is_closed(&s));
        }
    }
}

/* tokio-rs/tokio#8021: forgetting the permits of a closed semaphore opened it again. */
static void a_semaphore_closed_then_forgotten_stays_closed(void **state)
{
    struct kio_acquire a = { 0 };

    (void)state;
    for (size_t size = 0; size < 3; size++) {
        kio_semaphore_init(&s, size);
        kio_semaphore_close(&s);
        kio_semaphore_forget(&s, 3);
        kio_release(&s, 3);
        READY(kio_acquire(&a, &s, 1));
        assert_int_equal(a.out, -EPIPE);
        assert_int_equal(kio_try_acquire(&s, 1), -EPIPE);
    }
}

static void as_many_permits_as_there_may_be(void **state)
{
    (void)state;
    kio_semaphore_init(&s, KIO_SEMAPHORE_MAX);
    HAS(KIO_SEMAPHORE_MAX);
    kio_semaphore_init(&s, 0);
    kio_release(&s, KIO_SEMAPHORE_MAX);
    HAS(KIO_SEMAPHORE_MAX);
    kio_semaphore_init(&s, KIO_SEMAPHORE_MAX - 1);
    kio_release(&s, 1);
    HAS(KIO_SEMAPHORE_MAX);
}

static void those_who_wait_are_served_in_the_order_of_their_first_poll(void **state)
{
    struct kio_acquire a[5] = { 0 };

    (void)state;
    kio_semaphore_init(&s, 0);
    for (int i = 0; i < 5; i++)
        PENDING(kio_acquire(&a[i], &s, 1));
    PENDING(&a[3]); /* polled again: keeps its place */
    kio_drop(&a[1]); /* leaves */
    PENDING(kio_acquire(&a[1], &s, 1)); /* and comes again: the last */
    static const int order[] = { 0, 2, 3, 4, 1 };
    for (int i = 0; i < 5; i++) {
        kio_release(&s, 1);
        WAKES(i + 1);
        for (int j = 4; j > i; j--)
            PENDING(&a[order[j]]);
        READY(&a[order[i]]);
    }
}

/* ---- permits with a guard ----------------------------------------------------------------- */

static void permits_come_back_with_their_guard(void **state)
{
    struct kio_permits p = { 0 }, q = { 0 };

    (void)state;
    kio_semaphore_init(&s, 1);
    assert_int_equal(kio_try_permits(&p, &s, 1), 0);
    assert_int_equal(p.count, 1);
    assert_int_equal(kio_try_permits(&q, &s, 1), -EAGAIN);
    PENDING(kio_permits(&q, &s, 1));
    kio_permits_release(&p);
    kio_permits_release(&p); /* twice is once */
    WAKES(1);
    READY(&q);
    assert_int_equal(q.out, 0);
    assert_int_equal(q.count, 1);
    HAS(0);
    READY(kio_permits(&q, &s, 1)); /* the slot is used again: released first */
    HAS(0);
    kio_permits_release(&q);
    HAS(1);
    kio_semaphore_close(&s);
    READY(kio_permits(&q, &s, 1));
    assert_int_equal(q.out, -EPIPE);
    assert_int_equal(kio_try_permits(&p, &s, 1), -EPIPE);
    HAS(1);
}

struct worker {
    async_fn(void);
    struct kio_semaphore *few;
    struct kio_permits permits;
    struct kio_notify *go;
    struct kio_notified wait;
};

async(worker)
{
    async_begin;
    await(kio_permits(&self->permits, self->few, 2));
    await(kio_notified(&self->wait, self->go));
    async_return();
}

static void permits_are_released_with_their_function_and_granted_ones_pass_on(void **state)
{
    struct kio_notify go = { 0 };
    struct worker a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    kio_semaphore_init(&s, 3);
    PENDING(async_call(&a, worker, .few = &s, .go = &go));
    PENDING(async_call(&b, worker, .few = &s, .go = &go));
    PENDING(async_call(&c, worker, .few = &s, .go = &go));
    kio_drop(&a); /* in the middle */
    WAKES(1);
    kio_drop(&b); /* it had them and did not know */
    WAKES(2);
    PENDING(&c);
    HAS(1);
    kio_notify_one(&go);
    READY(&c); /* ended */
    HAS(3);
}

static void forgotten_permits_never_come_back(void **state)
{
    struct kio_permits p = { 0 };

    (void)state;
    kio_semaphore_init(&s, 1);
    assert_int_equal(kio_try_permits(&p, &s, 1), 0);
    HAS(0);
    kio_permits_forget(&p);
    HAS(0);
    kio_permits_release(&p);
    HAS(0);
    assert_int_equal(kio_try_acquire(&s, 1), -EAGAIN);
}

static void merged_permits_come_back_together(void **state)
{
    struct kio_permits p = { 0 }, q = { 0 };

    (void)state;
    kio_semaphore_init(&s, 3);
    assert_int_equal(kio_try_permits(&p, &s, 1), 0);
    assert_int_equal(kio_try_permits(&q, &s, 2), 0);
    kio_permits_merge(&p, &q);
    assert_int_equal(p.count, 3);
    kio_permits_release(&q);
    HAS(0);
    kio_permits_release(&p);
    HAS(3);
}

static void split_permits_come_back_apart(void **state)
{
    struct kio_permits p1 = { 0 }, p2 = { 0 }, p3 = { 0 }, p4 = { 0 }, p5 = { 0 };

    (void)state;
    kio_semaphore_init(&s, 5);
    assert_int_equal(kio_try_permits(&p1, &s, 3), 0);
    assert_int_equal(kio_permits_split(&p2, &p1, 1), 0);
    HAS(2);
    assert_int_equal(p1.count, 2);
    assert_int_equal(p2.count, 1);
    assert_int_equal(kio_permits_split(&p3, &p1, 0), 0);
    assert_int_equal(p3.count, 0);
    kio_permits_release(&p1);
    HAS(4);
    assert_int_equal(kio_permits_split(&p4, &p2, 1), 0);
    assert_int_equal(p2.count, 0);
    assert_int_equal(kio_permits_split(&p5, &p2, 1), -EINVAL);
    kio_permits_release(&p2);
    kio_permits_release(&p3);
    HAS(4);
    kio_permits_release(&p4);
    HAS(5);
}

/* ---- threads ------------------------------------------------------------------------------ */

static void blocking_acquire_takes_what_is_free(void **state)
{
    (void)state;
    kio_semaphore_init(&s, 5);
    assert_int_equal(kio_blocking_acquire(&s, 1), 0);
    HAS(4);
    assert_int_equal(kio_blocking_acquire(&s, 3), 0);
    HAS(1);
    kio_release(&s, 4);
    kio_semaphore_close(&s);
    assert_int_equal(kio_blocking_acquire(&s, 1), -EPIPE);
    assert_int_equal(kio_blocking_acquire(&s, 2), -EPIPE);
    HAS(5);
}

static void *block(void *arg)
{
    *(int *)arg = kio_blocking_acquire(&s, 2);
    return NULL;
}

static void wait_until_somebody_waits(void)
{
    while (kio_try_acquire(&s, 1) == 0) { /* refused once somebody is in the line */
        kio_release(&s, 1);
        sched_yield(); /* on one processor (valgrind) that one comes to its turn here alone */
    }
}

static void a_thread_blocks_until_permits_or_the_close_come(void **state)
{
    pthread_t thread;
    int got = 1;

    (void)state;
    kio_semaphore_init(&s, 1);
    assert_int_equal(pthread_create(&thread, NULL, block, &got), 0);
    wait_until_somebody_waits();
    kio_release(&s, 1);
    pthread_join(thread, NULL);
    assert_int_equal(got, 0);
    HAS(0);
    kio_release(&s, 1);
    assert_int_equal(pthread_create(&thread, NULL, block, &got), 0);
    wait_until_somebody_waits();
    kio_semaphore_close(&s);
    pthread_join(thread, NULL);
    assert_int_equal(got, -EPIPE);
    HAS(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_permits_is_allowed_and_nobody_gets_one),
        CASE(try_acquire_takes_what_is_free_and_never_waits),
        CASE(a_released_or_added_permit_goes_to_who_waits),
        CASE(permits_are_added_to_open_and_to_closed_ones),
        CASE(forgetting_takes_what_is_free_from_open_and_from_closed_ones),
        CASE(a_semaphore_closed_then_forgotten_stays_closed),
        CASE(as_many_permits_as_there_may_be),
        CASE(those_who_wait_are_served_in_the_order_of_their_first_poll),
        CASE(permits_come_back_with_their_guard),
        CASE(permits_are_released_with_their_function_and_granted_ones_pass_on),
        CASE(forgotten_permits_never_come_back),
        CASE(merged_permits_come_back_together),
        CASE(split_permits_come_back_apart),
        /* last: threads' wakers are pooled from then on */
        cmocka_unit_test_setup(blocking_acquire_takes_what_is_free, case_setup),
        cmocka_unit_test_setup(a_thread_blocks_until_permits_or_the_close_come, case_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
