/* Futures around another one: what becomes of it when the outer one is dropped, ends, or is not its
 * owner. */
#include "support/leaf.h"

#include <kioto.h>

struct around {
    kio_future *outer;
    struct kio_timeout timeout;
    struct kio_unconstrained unconstrained;
    struct leaf inner;
};

static void make_timeout(struct around *a)
{
    a->outer = &kio_timeout(&a->timeout, KIO_SEC, &a->inner)->kio;
}

static void make_unconstrained(struct around *a)
{
    a->outer = &kio_unconstrained(&a->unconstrained, &a->inner)->kio;
}

static void (*const makers[])(struct around *) = { make_timeout, make_unconstrained };

static void one_that_was_never_polled_drops_what_is_in_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct around a = { 0 };

        leaf(&a.inner, 0);
        makers[i](&a);
        kio_drop_(a.outer);
        assert_int_equal(a.inner.drops, 1);
        assert_false(kio_is_live(&a.inner));
    }
}

static void one_that_is_made_again_drops_what_was_in_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct around a = { 0 };

        leaf(&a.inner, 0);
        makers[i](&a);
        makers[i](&a); /* drops the leaf, then is given a finished one: its poll would say so */
        assert_int_equal(a.inner.drops, 1);
    }
}

static void a_future_that_somebody_owns_stays_theirs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct around a = { 0 };
        struct leaf owner = { 0 };

        leaf(&a.inner, 0);
        leaf(&owner, 0);
        kio_adopt_(&owner.kio, &a.inner.kio);
        makers[i](&a);
        kio_drop_(a.outer);
        assert_int_equal(a.inner.drops, 0);
        assert_true(kio_is_live(&a.inner));
        kio_drop(&owner);
        assert_int_equal(a.inner.drops, 1);
    }
}

/* Uses the budget as library futures do, for ever ready. */
struct greedy {
    KIO_ASYNC_FN(void);
    int turns;
};

static kio_poll greedy_poll(kio_future *f, kio_context *cx)
{
    struct greedy *self = (struct greedy *)f;

    f->state = f;
    while (self->turns < 1000) {
        if (!kio_coop_may_(cx))
            return KIO_PENDING;
        kio_coop_did_(cx);
        self->turns++;
    }
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type greedy_type = {
    .name = "greedy",
    .size = sizeof(struct greedy),
    .poll = greedy_poll,
};

static void unconstrained_has_no_budget_and_gives_the_old_one_back(void **state)
{
    struct greedy inner = { .kio = { .type = &greedy_type } };
    struct kio_unconstrained outer = { 0 };
    struct kio_run run = { .budget = 20 };
    struct little l;
    kio_context cx;

    (void)state;
    little_init(&l);
    kio_context_init(&cx, (kio_waker){ &l.wakeable });
    cx.run = &run;
    assert_int_equal(kio_future_poll(&inner.kio, &cx), KIO_PENDING);
    assert_int_equal(inner.turns, 20);
    assert_int_equal(ki_load_relaxed(&l.wakes), 1);
    run.budget = 3;
    kio_unconstrained(&outer, &inner);
    assert_int_equal(kio_future_poll(&outer.kio, &cx), KIO_READY);
    assert_int_equal(inner.turns, 1000);
    assert_int_equal(run.budget, 3);
    assert_int_equal(ki_load_relaxed(&l.wakes), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_was_never_polled_drops_what_is_in_it),
        cmocka_unit_test(one_that_is_made_again_drops_what_was_in_it),
        cmocka_unit_test(a_future_that_somebody_owns_stays_theirs),
        cmocka_unit_test(unconstrained_has_no_budget_and_gives_the_old_one_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
