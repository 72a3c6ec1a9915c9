/* Mutexes under a little executor, and with threads that block. The rest is in primitives.c. */
#include "support/case.h"

#include <kioto/combine.h>
#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>

static void one_after_another_sees_what_was_done_under_the_lock(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock g = { 0 };
    int value = 100;

    (void)state;
    for (int expected = 100; expected > 97; expected--) {
        READY(kio_lock(&g, &m));
        assert_int_equal(g.out, 0);
        assert_int_equal(value, expected);
        value--;
        kio_unlock(&g);
    }
}

static void unlocking_wakes_the_next_and_it_has_the_lock(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 };

    (void)state;
    READY(kio_lock(&a, &m));
    PENDING(kio_lock(&b, &m));
    WAKES(0);
    kio_unlock(&a);
    WAKES(1);
    READY(&b);
    kio_unlock(&b);
}

static void try_lock_never_waits(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 };

    (void)state;
    assert_int_equal(kio_try_lock(&a, &m), 0);
    assert_int_equal(kio_try_lock(&b, &m), -EAGAIN);
    kio_unlock(&b); /* holds nothing */
    assert_int_equal(kio_try_lock(&b, &m), -EAGAIN);
    kio_unlock(&a);
    assert_int_equal(kio_try_lock(&b, &m), 0);
    kio_unlock(&b);
}

static void a_lock_that_is_dropped_while_pending_leaves_the_line(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    READY(kio_lock(&a, &m));
    PENDING(kio_lock(&b, &m));
    PENDING(kio_lock(&c, &m));
    kio_drop(&b);
    kio_unlock(&a);
    WAKES(1);
    READY(&c);
    kio_unlock(&c);
    assert_int_equal(kio_try_lock(&a, &m), 0);
    kio_unlock(&a);
}

/* The next one asks with another waker than before: the last one counts. */
static void the_waker_of_the_last_poll_is_woken(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 };
    struct little before;

    (void)state;
    little_init(&before);
    READY(kio_lock(&a, &m));
    assert_int_equal(poll_once(&before, kio_lock(&b, &m)), KIO_PENDING);
    PENDING(&b);
    kio_unlock(&a);
    assert_int_equal(before.wakes, 0);
    WAKES(1);
    READY(&b);
    kio_unlock(&b);
    assert_int_equal(before.clones, before.drops);
}

/* ---- one guard for each way to end -------------------------------------------------------- */

struct locks {
    async_fn(int);
    struct kio_mutex *mutex;
    struct kio_lock guard;
    int error;
};

async(locks)
{
    async_begin;
    await(kio_lock(&self->guard, self->mutex));
    if (self->error)
        async_return(self->error); /* no unlock on the way out */
    kio_unlock(&self->guard);
    async_return(0);
}

static void a_guard_is_released_on_every_way_out_of_its_function(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock g = { 0 };
    struct locks f = { 0 };

    (void)state;
    READY(async_call(&f, locks, .mutex = &m, .error = -EIO));
    assert_int_equal(kio_try_lock(&g, &m), 0);
    kio_unlock(&g);
    READY(async_call(&f, locks, .mutex = &m));
    assert_int_equal(kio_try_lock(&g, &m), 0);
    kio_unlock(&g);
}

struct tries {
    async_fn(int);
    struct kio_mutex *mutex;
    struct kio_lock guard;
};

async(tries)
{
    async_begin;
    async_return(kio_try_lock(&self->guard, self->mutex)); /* a guard of self's: released now */
}

static void a_guard_that_was_tried_is_released_with_its_function(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock g = { 0 };
    struct tries f = { 0 };

    (void)state;
    READY(async_call(&f, tries, .mutex = &m));
    assert_int_equal(f.out, 0);
    assert_int_equal(kio_try_lock(&g, &m), 0);
    kio_unlock(&g);
}

/* ---- threads ------------------------------------------------------------------------------ */

static struct kio_mutex shared;
static int count;

static void *block(void *arg)
{
    for (int i = 0; i < 100; i++) {
        struct kio_lock guard = { 0 };

        kio_blocking_lock(&guard, &shared);
        count++;
        kio_unlock(&guard);
    }
    return arg;
}

static void threads_that_block_stand_in_the_same_line(void **state)
{
    struct kio_lock g = { 0 };
    pthread_t threads[3];

    (void)state;
    READY(kio_lock(&g, &shared));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, block, NULL), 0);
    for (int i = 0; i < 100; i++) {
        count++;
        kio_unlock(&g);
        kio_lock(&g, &shared);
        block_on(&l, &g);
    }
    kio_unlock(&g);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count, 400);
    assert_false(shared.held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_after_another_sees_what_was_done_under_the_lock),
        CASE(unlocking_wakes_the_next_and_it_has_the_lock),
        CASE(try_lock_never_waits),
        CASE(a_lock_that_is_dropped_while_pending_leaves_the_line),
        CASE(the_waker_of_the_last_poll_is_woken),
        CASE(a_guard_is_released_on_every_way_out_of_its_function),
        CASE(a_guard_that_was_tried_is_released_with_its_function),
        /* last: its threads' wakers are pooled from then on */
        cmocka_unit_test_setup(threads_that_block_stand_in_the_same_line, case_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
