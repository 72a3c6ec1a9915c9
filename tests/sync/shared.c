/* Shared futures: who polls, who is woken, when the future and its result go. */
#include "support/case.h"

#include <kioto/shared.h>
#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static int polls, drops;

struct job {
    async_fn(int);
    struct kio_notify *go;
    int turns, value;
    struct kio_notified wait;
};

static void job_drop(struct job *self)
{
    (void)self;
    drops++;
}

async(job, job_drop)
{
    polls++;
    async_begin;
    for (; self->turns > 0; self->turns--)
        await(kio_notified(&self->wait, self->go));
    async_return(self->value);
}

static struct kio_notify go;
static struct little m; /* a second task */

static int setup(void **state)
{
    polls = drops = 0;
    go = (struct kio_notify){ 0 };
    little_init(&m);
    return case_setup(state);
}

static int teardown(void **state)
{
    if (m.clones != m.drops)
        return -1;
    return case_teardown(state);
}

static void all_who_wait_get_the_same_result_of_one_run(void **state)
{
    struct kio_shared a, b;
    struct kio_shared_wait wa = { 0 }, wb = { 0 }, late = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .turns = 1, .value = 7), 0);
    b = kio_shared_clone(&a);
    PENDING(kio_shared_wait(&wa, &a));
    assert_int_equal(poll_once(&m, kio_shared_wait(&wb, &b)), KIO_PENDING);
    assert_int_equal(polls, 1); /* it was polled, and not woken since */
    kio_notify_one(&go);
    WAKES(1);
    assert_int_equal(m.wakes, 1);
    assert_int_equal(poll_once(&m, &wb), KIO_READY);
    assert_int_equal(polls, 2);
    WAKES(1); /* once is enough */
    READY(&wa);
    assert_int_equal(polls, 2);
    assert_int_equal(wa.out + wb.out, 0);
    assert_int_equal(*kio_shared_output(&a, int), 7);
    assert_ptr_equal(kio_shared_output(&a, int), kio_shared_output(&b, int));
    READY(kio_shared_wait(&late, &b)); /* it has ended: at once */
    assert_int_equal(drops, 1);
    kio_shared_drop(&a);
    assert_int_equal(*kio_shared_output(&b, int), 7);
    kio_shared_drop(&b);
    kio_shared_drop(&b); /* empty */
}

static void nothing_runs_before_somebody_waits(void **state)
{
    struct kio_shared a;

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .value = 7), 0);
    assert_int_equal(polls, 0);
    assert_false(kio_shared_is_done(&a));
    kio_shared_drop(&a);
    assert_int_equal(polls, 0);
    assert_int_equal(drops, 1);
}

static void the_last_to_go_cancels_it(void **state)
{
    struct kio_shared a, b;
    struct kio_shared_wait wa = { 0 }, wb = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .turns = 1), 0);
    b = kio_shared_clone(&a);
    PENDING(kio_shared_wait(&wa, &a));
    PENDING(kio_shared_wait(&wb, &b));
    kio_shared_drop(&a);
    kio_drop(&wa);
    kio_shared_drop(&b);
    assert_int_equal(drops, 0); /* a wait keeps it as a handle does */
    kio_drop(&wb);
    assert_int_equal(drops, 1);
    assert_null(go.line.first); /* and what it waited for is left */
}

/* The one that polled it is given up, a wake comes, and nobody polls that one again. */
static void one_that_is_not_polled_any_more_holds_up_nobody(void **state)
{
    struct kio_shared a;
    struct kio_shared_wait stalled = { 0 }, wait = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .turns = 2, .value = 3), 0);
    PENDING(kio_shared_wait(&stalled, &a));
    assert_int_equal(poll_once(&m, kio_shared_wait(&wait, &a)), KIO_PENDING);
    for (int i = 1; i <= 2; i++) {
        kio_notify_one(&go);
        assert_int_equal(m.wakes, i);
        assert_int_equal(poll_once(&m, &wait), i == 2 ? KIO_READY : KIO_PENDING);
    }
    assert_int_equal(*kio_shared_output(&a, int), 3);
    kio_drop(&stalled);
    kio_shared_drop(&a);
}

static void one_that_was_woken_and_dropped_loses_no_wake(void **state)
{
    struct kio_shared a;
    struct kio_shared_wait first = { 0 }, second = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .turns = 1), 0);
    PENDING(kio_shared_wait(&first, &a));
    kio_notify_one(&go);
    kio_drop(&first);
    assert_int_equal(poll_once(&m, kio_shared_wait(&second, &a)), KIO_READY);
    kio_shared_drop(&a);
}

/* It wakes itself and asks to let others run: as a future of its own would do. */
struct yields {
    async_fn(int);
    int turns;
    struct kio_notify own;
    struct kio_notified wait;
};

async(yields)
{
    async_begin;
    for (; self->turns > 0; self->turns--) {
        async_let(kio_notified(&self->wait, &self->own));
        (void)kio_future_poll(&self->wait.kio, cx); /* leaves the waker */
        kio_notify_one(&self->own);
        kio_waker_wake_by_ref(cx->waker);
        await(&self->wait);
    }
    async_return(1);
}

static void a_wake_during_its_poll_causes_one_more(void **state)
{
    struct kio_shared a;
    struct kio_shared_wait wa = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, yields, .turns = 3), 0);
    kio_shared_wait(&wa, &a);
    assert_int_equal(run_until_stalled(&l, &wa), KIO_READY);
    assert_int_equal(*kio_shared_output(&a, int), 1);
    kio_shared_drop(&a);
}

/* What another thread may do in the middle of its poll, done there: wake it, and wait for it. */
struct disturbed {
    KIO_ASYNC_FN(int);
    struct kio_shared_wait *other;
    int depth;
};

static kio_poll disturbed_poll(kio_future *f, kio_context *cx)
{
    struct disturbed *self = (struct disturbed *)f;

    assert_int_equal(self->depth++, 0); /* nobody polls it meanwhile */
    polls++;
    f->state = f;
    if (polls == 1) {
        kio_waker_wake_by_ref(cx->waker);
        assert_int_equal(poll_once(&m, self->other), KIO_PENDING);
    } else {
        self->out = 7;
        kio_finish(f);
    }
    self->depth--;
    return polls == 1 ? KIO_PENDING : KIO_READY;
}

static const kio_future_type disturbed_type = {
    .name = "disturbed",
    .size = sizeof(struct disturbed),
    .poll = disturbed_poll,
    .out_offset = offsetof(struct disturbed, out),
    .out_size = sizeof(int),
};

static void one_that_came_during_a_poll_is_woken_after_it_if_that_was_not_enough(void **state)
{
    struct kio_shared a;
    struct kio_shared_wait wa = { 0 }, wb = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, disturbed, .other = &wb), 0);
    kio_shared_wait(&wb, &a);
    PENDING(kio_shared_wait(&wa, &a));
    assert_int_equal(polls, 1);
    assert_int_equal(m.wakes, 1);
    kio_drop(&wa); /* woken as well; it does not come back */
    assert_int_equal(poll_once(&m, &wb), KIO_READY);
    assert_int_equal(*kio_shared_output(&a, int), 7);
    kio_shared_drop(&a);
}

static void who_sees_the_end_is_not_woken_for_it(void **state)
{
    struct kio_shared a;
    struct kio_shared_wait wa = { 0 };

    (void)state;
    assert_int_equal(kio_share(&a, job, .go = &go, .value = 7), 0);
    READY(kio_shared_wait(&wa, &a));
    WAKES(0);
    kio_shared_drop(&a);
}

static void without_memory_the_parameters_are_released(void **state)
{
    struct kio_shared a;

    (void)state;
    ki_mem_fail_at(1);
    assert_int_equal(kio_share(&a, job, .go = &go), -ENOMEM);
    assert_int_equal(drops, 1);
    kio_shared_drop(&a);
}

/* ---- threads ------------------------------------------------------------------------------ */

static void *await_it(void *arg)
{
    struct kio_shared mine = { arg };
    struct kio_shared_wait wait = { 0 };
    struct little own;
    int value;

    little_init(&own);
    kio_shared_wait(&wait, &mine);
    if ((uintptr_t)&own % 3 == 0) {
        poll_once(&own, &wait); /* looks and goes away */
        kio_drop(&wait);
        little_settle(&own);
        kio_shared_wait(&wait, &mine);
    }
    block_on(&own, &wait);
    value = *kio_shared_output(&mine, int);
    kio_shared_drop(&mine);
    return (void *)(intptr_t)value;
}

static void threads_poll_it_in_turn_and_all_see_the_result(void **state)
{
    int rounds = getenv("KIOTO_TEST_QUICK") ? 10 : 200;

    (void)state;
    for (int round = 0; round < rounds; round++) {
        struct kio_notify ticks = { 0 };
        struct kio_shared a;
        pthread_t threads[4];

        assert_int_equal(kio_share(&a, job, .go = &ticks, .turns = 20, .value = round), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, await_it, kio_shared_clone(&a).state), 0);
        while (!kio_shared_is_done(&a)) {
            kio_notify_one(&ticks);
            sched_yield(); /* on one processor (valgrind) the others come to their turn here alone */
        }
        for (int i = 0; i < 4; i++) {
            void *value;

            pthread_join(threads[i], &value);
            assert_int_equal((intptr_t)value, round);
        }
        kio_shared_drop(&a);
    }
    assert_int_equal(drops, rounds);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_who_wait_get_the_same_result_of_one_run),
        T(nothing_runs_before_somebody_waits),
        T(the_last_to_go_cancels_it),
        T(one_that_is_not_polled_any_more_holds_up_nobody),
        T(one_that_was_woken_and_dropped_loses_no_wake),
        T(a_wake_during_its_poll_causes_one_more),
        T(one_that_came_during_a_poll_is_woken_after_it_if_that_was_not_enough),
        T(who_sees_the_end_is_not_woken_for_it),
        T(without_memory_the_parameters_are_released),
        T(threads_poll_it_in_turn_and_all_see_the_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
