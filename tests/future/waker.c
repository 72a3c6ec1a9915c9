/* Wakers and the cell one is left in: who is woken, how often, and what is counted. */
#include "support/little.h"
#include "base/cpu.h"
#include "base/lock.h"
#include "future/waker.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static kio_waker waker_of(struct little *l)
{
    return (kio_waker){ &l->wakeable };
}

static uint32_t wakes(struct little *l)
{
    return ki_load_seq_cst(&l->wakes);
}

static void a_counted_waker_is_dropped_as_often_as_it_was_cloned(void **state)
{
    struct little l;
    kio_waker a, b;

    (void)state;
    little_init(&l);
    a = kio_waker_clone(waker_of(&l));
    b = kio_waker_clone(a);
    kio_waker_wake_by_ref(a);
    assert_int_equal(l.drops, 0);
    kio_waker_wake(a); /* wakes and drops */
    assert_int_equal(l.drops, 1);
    kio_waker_drop(b);
    assert_int_equal(l.clones, 2);
    assert_int_equal(l.drops, 2);
    assert_int_equal(wakes(&l), 2);
}

static void wakers_are_the_same_if_they_wake_the_same_task(void **state)
{
    struct little a, b;

    (void)state;
    little_init(&a);
    little_init(&b);
    assert_true(kio_waker_will_wake(waker_of(&a), waker_of(&a)));
    assert_false(kio_waker_will_wake(waker_of(&a), waker_of(&b)));
}

static void a_cell_wakes_once_and_lets_go(void **state)
{
    struct ki_cell cell = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    assert_false(ki_cell_set(&cell, waker_of(&l)));
    ki_cell_wake(&cell);
    ki_cell_wake(&cell);
    assert_int_equal(wakes(&l), 1);
    assert_int_equal(l.clones, 1);
    assert_int_equal(l.drops, 1);
}

static void a_wake_before_the_waker_is_told_to_who_leaves_it(void **state)
{
    struct ki_cell cell = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    ki_cell_wake(&cell);
    assert_true(ki_cell_set(&cell, waker_of(&l)));
    assert_int_equal(wakes(&l), 0);
    ki_cell_wake(&cell);
    assert_int_equal(wakes(&l), 1);
    assert_true(ki_cell_set(&cell, waker_of(&l)));
    ki_cell_clear(&cell);
    assert_int_equal(l.clones, l.drops);
}

static void a_cell_replaces_the_waker_and_keeps_the_same_one(void **state)
{
    struct ki_cell cell = { 0 };
    struct little a, b;

    (void)state;
    little_init(&a);
    little_init(&b);
    ki_cell_set(&cell, waker_of(&a));
    ki_cell_set(&cell, waker_of(&a));
    assert_int_equal(a.clones, 1);
    ki_cell_set(&cell, waker_of(&b));
    assert_int_equal(a.drops, 1);
    ki_cell_wake(&cell);
    assert_int_equal(wakes(&a), 0);
    assert_int_equal(wakes(&b), 1);
    assert_int_equal(b.clones, b.drops);
}

static void a_cleared_cell_wakes_nobody(void **state)
{
    struct ki_cell cell = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    ki_cell_set(&cell, waker_of(&l));
    ki_cell_clear(&cell);
    ki_cell_wake(&cell);
    assert_int_equal(wakes(&l), 0);
    assert_int_equal(l.clones, l.drops);
}

/* ---- a condition that another thread makes true, once a round ------------------------------- */

struct baton {
    KIO_ASYNC_FN(void);
    uint32_t wanted;
    long seen;
};

static struct ki_cell cell;
static ki_atomic(uint32_t) passed;
static ki_atomic(uint32_t) taken;
static long message; /* plain: written before the wake, read after it */

static kio_poll baton_poll(kio_future *f, kio_context *cx)
{
    struct baton *self = (struct baton *)f;

    f->state = f;
    ki_cell_set(&cell, cx->waker);
    if (ki_load_acquire(&passed) < self->wanted)
        return KIO_PENDING;
    self->seen = message;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type baton_type = {
    .name = "baton",
    .size = sizeof(struct baton),
    .poll = baton_poll,
};

static uint32_t rounds(void)
{
    return getenv("KIOTO_TEST_QUICK") ? 100 : 50000;
}

static void *pass(void *arg)
{
    (void)arg;
    for (uint32_t round = 1; round <= rounds(); round++) {
        for (uint32_t spin = round % 50; spin > 0; spin--)
            ki_cpu_pause();
        message = round;
        ki_store_release(&passed, round);
        ki_cell_wake(&cell); /* once: a lost one is a test that never ends */
        while (ki_load_acquire(&taken) < round)
            sched_yield();
    }
    return NULL;
}

static void a_wake_by_another_thread_is_never_lost(void **state)
{
    pthread_t thread;
    struct little l;

    (void)state;
    little_init(&l);
    assert_int_equal(pthread_create(&thread, NULL, pass, NULL), 0);
    for (uint32_t round = 1; round <= rounds(); round++) {
        struct baton baton = { .kio = { .type = &baton_type }, .wanted = round };

        for (;;) {
            uint32_t seen = wakes(&l);

            if (poll_once(&l, &baton) == KIO_READY)
                break;
            ki_futex_wait(&l.wakes, seen, -1);
        }
        assert_int_equal(baton.seen, round);
        ki_store_release(&taken, round);
    }
    pthread_join(thread, NULL);
    ki_cell_clear(&cell);
    assert_int_equal(l.clones, l.drops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counted_waker_is_dropped_as_often_as_it_was_cloned),
        cmocka_unit_test(wakers_are_the_same_if_they_wake_the_same_task),
        cmocka_unit_test(a_cell_wakes_once_and_lets_go),
        cmocka_unit_test(a_wake_before_the_waker_is_told_to_who_leaves_it),
        cmocka_unit_test(a_cell_replaces_the_waker_and_keeps_the_same_one),
        cmocka_unit_test(a_cleared_cell_wakes_nobody),
        cmocka_unit_test(a_wake_by_another_thread_is_never_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
