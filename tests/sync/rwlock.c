/* Read-write locks under a little executor, and with threads that block. */
#include "support/case.h"

#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>

static void readers_share(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r[3] = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++)
        READY(kio_read_lock(&r[i], &rw));
    for (int i = 0; i < 3; i++)
        kio_rw_unlock(&r[i]);
}

static void a_writer_waits_for_a_reader_and_is_woken_by_its_end(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r = { 0 }, w = { 0 };

    (void)state;
    READY(kio_read_lock(&r, &rw));
    PENDING(kio_write_lock(&w, &rw));
    kio_rw_unlock(&r);
    WAKES(1);
    READY(&w);
    kio_rw_unlock(&w);
}

static void readers_and_writers_wait_for_a_writer(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r = { 0 }, w = { 0 }, v = { 0 };

    (void)state;
    READY(kio_write_lock(&w, &rw));
    PENDING(kio_read_lock(&r, &rw));
    PENDING(kio_write_lock(&v, &rw));
    kio_drop(&r);
    kio_drop(&v);
    kio_rw_unlock(&w);
    READY(kio_read_lock(&r, &rw));
    kio_rw_unlock(&r);
}

static void at_most_so_many_read_and_one_that_leaves_lets_one_in(void **state)
{
    struct kio_rwlock rw;
    static struct kio_rw_guard r[64];
    struct kio_rw_guard more = { 0 }, tried = { 0 };

    (void)state;
    kio_rwlock_init(&rw, 64);
    for (int i = 0; i < 64; i++)
        READY(kio_read_lock(&r[i], &rw));
    assert_int_equal(kio_try_read_lock(&tried, &rw), -EAGAIN);
    PENDING(kio_read_lock(&more, &rw));
    kio_rw_unlock(&r[5]);
    WAKES(1);
    READY(&more);
    assert_int_equal(kio_try_read_lock(&tried, &rw), -EAGAIN);
    kio_rw_unlock(&more);
    for (int i = 0; i < 64; i++)
        kio_rw_unlock(&r[i]);
    READY(kio_write_lock(&more, &rw));
    kio_rw_unlock(&more);
}

static void writers_come_in_the_order_of_their_first_poll(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r = { 0 }, first = { 0 }, second = { 0 };

    (void)state;
    READY(kio_read_lock(&r, &rw));
    kio_write_lock(&second, &rw); /* made first, polled last */
    kio_write_lock(&first, &rw);
    PENDING(&first);
    PENDING(&second);
    kio_rw_unlock(&r);
    PENDING(&second);
    READY(&first);
    kio_rw_unlock(&first);
    READY(&second);
    kio_rw_unlock(&second);
}

static void trying_never_waits_and_overtakes_nobody(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard a = { 0 }, b = { 0 }, w = { 0 };
    int value = 15;

    (void)state;
    assert_int_equal(kio_try_read_lock(&a, &rw), 0);
    assert_int_equal(value, 15);
    assert_int_equal(kio_try_write_lock(&w, &rw), -EAGAIN);
    assert_int_equal(kio_try_read_lock(&b, &rw), 0);
    PENDING(kio_write_lock(&w, &rw));
    kio_rw_unlock(&a);
    assert_int_equal(kio_try_read_lock(&a, &rw), -EAGAIN); /* the writer came first */
    kio_rw_unlock(&b);
    READY(&w);
    value = 1515;
    assert_int_equal(kio_try_read_lock(&a, &rw), -EAGAIN);
    kio_rw_unlock(&w);
    assert_int_equal(kio_try_read_lock(&a, &rw), 0);
    assert_int_equal(value, 1515);
    kio_rw_unlock(&a);
    assert_int_equal(kio_try_write_lock(&w, &rw), 0);
    kio_rw_unlock(&w);
}

static void a_downgrade_lets_readers_in_and_no_writer(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard w = { 0 }, r = { 0 }, v = { 0 };

    (void)state;
    READY(kio_write_lock(&w, &rw));
    PENDING(kio_read_lock(&r, &rw));
    PENDING(kio_write_lock(&v, &rw));
    WAKES(0);
    kio_rw_downgrade(&w);
    WAKES(1);
    READY(&r);
    PENDING(&v);
    kio_rw_unlock(&w);
    PENDING(&v);
    kio_rw_unlock(&r);
    READY(&v);
    kio_rw_unlock(&v);
}

static void a_lock_granted_and_never_seen_goes_to_the_next(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard w = { 0 }, v = { 0 }, r = { 0 };

    (void)state;
    READY(kio_write_lock(&w, &rw));
    PENDING(kio_write_lock(&v, &rw));
    PENDING(kio_read_lock(&r, &rw));
    kio_rw_unlock(&w);
    WAKES(1);
    kio_drop(&v);
    WAKES(2);
    READY(&r);
    kio_rw_unlock(&r);
}

/* ---- threads ------------------------------------------------------------------------------ */

static struct kio_rwlock shared;
static int even; /* odd only while a writer is in */

static void *write_some(void *arg)
{
    for (int i = 0; i < 100; i++) {
        struct kio_rw_guard guard = { 0 };

        kio_blocking_write_lock(&guard, &shared);
        even++;
        even++;
        kio_rw_unlock(&guard);
    }
    return arg;
}

static void *read_some(void *arg)
{
    for (int i = 0; i < 100; i++) {
        struct kio_rw_guard guard = { 0 };

        kio_blocking_read_lock(&guard, &shared);
        *(int *)arg += even % 2;
        kio_rw_unlock(&guard);
    }
    return NULL;
}

static void threads_that_block_read_together_and_write_alone(void **state)
{
    pthread_t threads[4];
    int odd[2] = { 0 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, NULL), 0);
        assert_int_equal(pthread_create(&threads[2 + i], NULL, read_some, &odd[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(even, 400);
    assert_int_equal(odd[0] + odd[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(readers_share),
        CASE(a_writer_waits_for_a_reader_and_is_woken_by_its_end),
        CASE(readers_and_writers_wait_for_a_writer),
        CASE(at_most_so_many_read_and_one_that_leaves_lets_one_in),
        CASE(writers_come_in_the_order_of_their_first_poll),
        CASE(trying_never_waits_and_overtakes_nobody),
        CASE(a_downgrade_lets_readers_in_and_no_writer),
        CASE(a_lock_granted_and_never_seen_goes_to_the_next),
        /* last: its threads' wakers are pooled from then on */
        cmocka_unit_test_setup(threads_that_block_read_together_and_write_alone, case_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
