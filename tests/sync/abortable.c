/* Futures that somebody else can end: who is polled, who is dropped, when it is too late. */
#include "support/case.h"
#include "support/leaf.h"

#include <kioto/abortable.h>

#include <errno.h>
#include <pthread.h>

static struct kio_cancel_token token;

static int setup(void **state)
{
    case_setup(state);
    return kio_cancel_token_new(&token, NULL);
}

static int teardown(void **state)
{
    kio_cancel_token_drop(&token);
    return case_teardown(state);
}

static void one_that_is_not_aborted_ends_as_its_future_does(void **state)
{
    struct kio_abortable job = { 0 };
    struct leaf f;

    (void)state;
    PENDING(kio_abortable(&job, &token, leaf(&f, 7)));
    leaf_tell(&f);
    WAKES(1);
    READY(&job);
    assert_int_equal(job.out, 0);
    assert_int_equal(f.out, 7);
    assert_int_equal(f.drops, 1);
    kio_cancel(&token); /* too late */
    WAKES(1);
}

static void an_abort_wakes_it_and_the_future_is_dropped_unpolled(void **state)
{
    struct kio_abortable job = { 0 };
    struct leaf f;

    (void)state;
    PENDING(kio_abortable(&job, &token, leaf(&f, 7)));
    kio_cancel(&token);
    WAKES(1);
    leaf_tell(&f); /* ready as well, and not looked at */
    assert_int_equal(f.drops, 0); /* an abort is a request */
    READY(&job);
    assert_int_equal(job.out, -ECANCELED);
    assert_int_equal(f.polls, 1);
    assert_int_equal(f.drops, 1);
}

static void one_aborted_before_its_first_poll_never_runs(void **state)
{
    struct kio_abortable job = { 0 };
    struct leaf f;

    (void)state;
    kio_cancel(&token);
    READY(kio_abortable(&job, &token, leaf(&f, 7)));
    assert_int_equal(job.out, -ECANCELED);
    assert_int_equal(f.polls, 0);
    assert_int_equal(f.drops, 1);
}

static void one_that_is_dropped_drops_its_future_at_any_time(void **state)
{
    struct kio_abortable job = { 0 };
    struct leaf f;

    (void)state;
    kio_abortable(&job, &token, leaf(&f, 7));
    kio_drop(&job);
    assert_int_equal(f.drops, 1);
    PENDING(kio_abortable(&job, &token, leaf(&f, 7)));
    kio_drop(&job);
    assert_int_equal(f.drops, 1);
    kio_cancel(&token);
    WAKES(0); /* nobody waits for it any more */
}

static void a_result_that_keeps_something_keeps_it(void **state)
{
    struct kio_abortable job = { 0 };
    struct leaf f;

    (void)state;
    leaf(&f, 7)->keeps = true;
    f.ready = true;
    READY(kio_abortable(&job, &token, &f));
    assert_int_equal(f.drops, 0);
    kio_drop(&job);
    assert_int_equal(f.drops, 1);
}

static void a_parent_token_aborts_all_below_it(void **state)
{
    struct kio_cancel_token child;
    struct kio_abortable a = { 0 }, b = { 0 };
    struct leaf f, g;

    (void)state;
    assert_int_equal(kio_cancel_token_new(&child, &token), 0);
    PENDING(kio_abortable(&a, &child, leaf(&f, 1)));
    PENDING(kio_abortable(&b, &token, leaf(&g, 2)));
    kio_cancel_token_drop(&child); /* the future holds it */
    kio_cancel(&token);
    WAKES(2);
    READY(&a);
    READY(&b);
    assert_int_equal(a.out + b.out, 2 * -ECANCELED);
}

struct owner {
    async_fn(int);
    struct leaf *mine;
    struct kio_abortable job;
};

async(owner)
{
    async_begin;
    async_let(self->mine);
    await(kio_abortable(&self->job, &token, self->mine));
    if (self->job.out == -ECANCELED)
        await(self->mine); /* it lives on */
    async_return(self->mine->out);
}

static void a_future_that_the_caller_owns_outlives_the_abort(void **state)
{
    struct owner o = { 0 };
    struct leaf f;

    (void)state;
    PENDING(async_call(&o, owner, .mine = leaf(&f, 7)));
    kio_cancel(&token);
    PENDING(&o);
    assert_int_equal(f.drops, 0);
    leaf_tell(&f);
    READY(&o);
    assert_int_equal(o.out, 7);
    assert_int_equal(f.drops, 1);
}

static void *cancel(void *arg)
{
    struct kio_cancel_token *mine = arg;

    kio_cancel(mine);
    kio_cancel_token_drop(mine);
    return NULL;
}

static void another_thread_may_abort_it(void **state)
{
    struct kio_cancel_token theirs = kio_cancel_token_clone(&token);
    struct kio_abortable job = { 0 };
    pthread_t thread;
    struct leaf f;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel, &theirs), 0);
    kio_abortable(&job, &token, leaf(&f, 7));
    block_on(&l, &job);
    assert_int_equal(job.out, -ECANCELED);
    pthread_join(thread, NULL);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_that_is_not_aborted_ends_as_its_future_does),
        T(an_abort_wakes_it_and_the_future_is_dropped_unpolled),
        T(one_aborted_before_its_first_poll_never_runs),
        T(one_that_is_dropped_drops_its_future_at_any_time),
        T(a_result_that_keeps_something_keeps_it),
        T(a_parent_token_aborts_all_below_it),
        T(a_future_that_the_caller_owns_outlives_the_abort),
        T(another_thread_may_abort_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
