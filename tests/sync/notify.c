/* Notify under a little executor: permits, order, who was chosen and went away. */
#include "support/case.h"

#include <kioto/sync.h>

#include <stdlib.h>

static void a_notification_before_the_wait_is_kept_for_it(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 };

    (void)state;
    kio_notified(&a, &n); /* made, not in the line */
    kio_notify_one(&n);
    READY(&a);
    PENDING(kio_notified(&a, &n));
    kio_notify_one(&n);
    WAKES(1);
    READY(&a);
}

static void notify_one_wakes_one_the_first(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    WAKES(1);
    PENDING(&b);
    READY(&a);
    kio_drop(&b);
}

static void notify_last_wakes_one_the_last(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    kio_notify_last(&n);
    WAKES(1);
    PENDING(&a);
    READY(&b);
    kio_notify_last(&n);
    READY(&a);
    kio_notify_last(&n); /* nobody waits: kept, as the other kind */
    READY(kio_notified(&a, &n));
}

static void a_permit_serves_one_and_the_next_waits(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    kio_notify_one(&n);
    READY(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    WAKES(1);
    READY(&b);
}

static void one_that_went_before_the_notification_is_not_chosen(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    kio_drop(&a);
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    WAKES(1);
    READY(&b);
}

/* tokio-rs/tokio#4618 and after: a notification is not lost with the one that was chosen. */
static void a_notification_is_passed_on_when_the_chosen_is_dropped(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    PENDING(kio_notified(&c, &n));
    kio_notify_one(&n);
    kio_drop(&a);
    WAKES(2);
    PENDING(&c);
    READY(&b);
    kio_notify_one(&n);
    kio_drop(&c); /* nobody is left: kept */
    READY(kio_notified(&a, &n));
}

static void one_for_the_last_is_passed_on_to_the_last(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    PENDING(kio_notified(&c, &n));
    kio_notify_last(&n);
    kio_drop(&c);
    PENDING(&a);
    READY(&b);
    kio_drop(&a);
}

/* Of its own kind: who chose the first does not lose to who wakes all. */
static void a_notification_is_passed_on_also_when_all_were_woken_after_it(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, later = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    kio_notify_one(&n);
    kio_notify_waiters(&n);
    kio_drop(&a);
    READY(kio_notified(&later, &n));
}

/* ---- tokio-rs/tokio#7996: notify_waiters against notify_one ------------------------------- */

static void one_woken_with_all_leaves_the_permit_to_the_next(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified unpolled = { 0 }, next = { 0 };

    (void)state;
    kio_notified(&unpolled, &n);
    kio_notify_waiters(&n);
    kio_notify_one(&n);
    READY(&unpolled);
    READY(kio_notified(&next, &n));
    PENDING(kio_notified(&next, &n));
    kio_drop(&next);
}

static void one_woken_with_all_that_is_dropped_keeps_nothing(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    kio_notify_waiters(&n);
    kio_drop(&a);
    PENDING(kio_notified(&b, &n));
    kio_notify_waiters(&n);
    kio_notify_one(&n); /* nobody is in the line any more: kept */
    kio_drop(&b);
    READY(kio_notified(&b, &n));
}

static void a_permit_that_was_kept_survives_waking_all(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    kio_notify_one(&n);
    kio_notified(&a, &n);
    kio_notify_waiters(&n);
    READY(&a); /* as one of all */
    READY(kio_notified(&b, &n));
}

/* ---- enable ------------------------------------------------------------------------------- */

static void enable_tells_whether_it_was_notified(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 };

    (void)state;
    kio_notified(&a, &n);
    assert_false(kio_notified_enable(&a));
    PENDING(&a);
    assert_false(kio_notified_enable(&a));
    kio_notify_one(&n);
    WAKES(1);
    assert_true(kio_notified_enable(&a));
    READY(&a);
    assert_true(kio_notified_enable(&a)); /* over, and in no line */
    assert_null(n.line.first);
}

static void enable_takes_the_permit_and_a_drop_gives_it_back(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    kio_notify_one(&n);
    kio_notified(&a, &n);
    assert_true(kio_notified_enable(&a));
    kio_notified(&b, &n);
    assert_false(kio_notified_enable(&b));
    kio_drop(&a); /* it had not looked */
    READY(&b);
}

/* ---- wakers ------------------------------------------------------------------------------- */

static void the_waker_of_the_last_poll_is_woken(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 };
    struct little before;

    (void)state;
    little_init(&before);
    assert_int_equal(poll_once(&before, kio_notified(&a, &n)), KIO_PENDING);
    PENDING(&a);
    kio_notify_one(&n);
    WAKES(1);
    assert_int_equal(before.wakes, 0);
    READY(&a);
}

static struct kio_notify in_drop;
static int waker_drops;

static void wake_nothing(struct kio_wakeable *self)
{
    (void)self;
}

static void clone_nothing(struct kio_wakeable *self)
{
    (void)self;
}

static void notify_all_in_drop(struct kio_wakeable *self)
{
    (void)self;
    waker_drops++;
    kio_notify_waiters(&in_drop);
}

static void a_waker_that_notifies_when_it_is_dropped_does_not_deadlock(void **state)
{
    static const kio_waker_type type = { "drops", wake_nothing, clone_nothing, notify_all_in_drop };
    struct kio_wakeable wakeable = { &type };
    struct kio_notified a = { 0 };
    kio_context cx;

    (void)state;
    kio_context_init(&cx, (kio_waker){ &wakeable });
    kio_notified(&a, &in_drop);
    assert_int_equal(kio_future_poll(&a.kio, &cx), KIO_PENDING);
    kio_notify_waiters(&in_drop);
    assert_int_equal(waker_drops, 1);
    kio_drop(&a);
}

static void more_than_a_batch_are_woken_and_one_may_leave_meanwhile(void **state)
{
    static struct kio_notified many[100];
    struct kio_notify n = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++)
        PENDING(kio_notified(&many[i], &n));
    kio_drop(&many[50]);
    kio_notify_waiters(&n);
    WAKES(99);
    for (int i = 0; i < 100; i++) {
        if (i != 50)
            READY(&many[i]);
    }
}

/* ---- counted ------------------------------------------------------------------------------ */

struct counted {
    struct kio_notify notify;
    int refs;
};

static void unref(struct counted *c)
{
    if (--c->refs == 0)
        free(c);
}

struct waits_for_its_own {
    async_fn(void);
    struct counted *counted; /* owned: one reference */
    struct kio_notified wait;
};

static void waits_for_its_own_drop(struct waits_for_its_own *self)
{
    unref(self->counted);
}

async(waits_for_its_own, waits_for_its_own_drop)
{
    async_begin;
    await(kio_notified(&self->wait, &self->counted->notify));
    async_return();
}

/* The wait is a child, and dropped before its function's destructor: ASan would see it otherwise. */
static void a_task_may_be_the_last_that_has_the_notify_it_waits_for(void **state)
{
    struct counted *c = calloc(1, sizeof *c);
    struct waits_for_its_own a = { 0 }, b = { 0 };

    (void)state;
    assert_non_null(c);
    c->refs = 2;
    PENDING(async_call(&a, waits_for_its_own, .counted = c));
    PENDING(async_call(&b, waits_for_its_own, .counted = c));
    kio_notify_one(&c->notify);
    READY(&a);
    kio_drop(&b); /* frees it */
    assert_int_equal(l.clones, l.drops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_notification_before_the_wait_is_kept_for_it),
        CASE(notify_one_wakes_one_the_first),
        CASE(notify_last_wakes_one_the_last),
        CASE(a_permit_serves_one_and_the_next_waits),
        CASE(one_that_went_before_the_notification_is_not_chosen),
        CASE(a_notification_is_passed_on_when_the_chosen_is_dropped),
        CASE(one_for_the_last_is_passed_on_to_the_last),
        CASE(a_notification_is_passed_on_also_when_all_were_woken_after_it),
        CASE(one_woken_with_all_leaves_the_permit_to_the_next),
        CASE(one_woken_with_all_that_is_dropped_keeps_nothing),
        CASE(a_permit_that_was_kept_survives_waking_all),
        CASE(enable_tells_whether_it_was_notified),
        CASE(enable_takes_the_permit_and_a_drop_gives_it_back),
        CASE(the_waker_of_the_last_poll_is_woken),
        CASE(a_waker_that_notifies_when_it_is_dropped_does_not_deadlock),
        CASE(more_than_a_batch_are_woken_and_one_may_leave_meanwhile),
        CASE(a_task_may_be_the_last_that_has_the_notify_it_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
