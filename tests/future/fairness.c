/* Members that are always busy do not starve the others, nor the other tasks. */
#include "support/little.h"

#include <kioto/combine.h>

/* A member that answers pending and wakes: itself, or another; and ends when told. */
struct busy {
    KIO_ASYNC_FN(void);
    bool ends;
    bool wakes_itself;
    int cost; /* budget a poll takes; pending without it */
    struct busy *feeds;
    int polls;
    kio_waker waker;
};

static kio_poll busy_poll(kio_future *f, kio_context *cx)
{
    struct busy *self = (struct busy *)f;

    self->polls++;
    f->state = f;
    self->waker = cx->waker; /* member wakers of small sets are not counted; the test's outlives all */
    if (self->cost && !kio_coop_may_(cx))
        return KIO_PENDING;
    for (int i = 0; i < self->cost; i++)
        kio_coop_did_(cx);
    if (self->ends) {
        kio_finish(f);
        return KIO_READY;
    }
    if (self->wakes_itself)
        kio_waker_wake_by_ref(cx->waker);
    if (self->feeds)
        kio_waker_wake_by_ref(self->feeds->waker);
    return KIO_PENDING;
}

static const kio_future_type busy_type = {
    .name = "busy",
    .size = sizeof(struct busy),
    .poll = busy_poll,
};

static void fill(struct busy *at, int count)
{
    for (int i = 0; i < count; i++)
        at[i] = (struct busy){ .kio = { .type = &busy_type } };
}

static void end(struct busy *b)
{
    b->ends = true;
    kio_waker_wake_by_ref(b->waker);
}

static int sum_polls(const struct busy *at, int count)
{
    int polls = 0;

    for (int i = 0; i < count; i++)
        polls += at[i].polls;
    return polls;
}

/* Polls once with a budget, as a task does. */
static kio_poll poll_with(struct little *l, kio_future *f, int budget)
{
    struct kio_run run = { .budget = budget, .self = &l->wakeable };
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &l->wakeable });
    cx.run = &run;
    return kio_future_poll(f, &cx);
}

#define SOME 20

/* tokio-rs/tokio#2390: such a set was polled for ever within one poll of its task. */
static void a_member_that_wakes_itself_is_polled_once_a_poll(void **state)
{
    static struct busy b[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, SOME);
    b[3].wakes_itself = true;
    kio_join_all(&all, b, SOME);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(poll_once(&l, &all), KIO_PENDING);
        assert_int_equal(b[3].polls, i);
        assert_true(ki_load_seq_cst(&l.wakes) >= (uint32_t)i); /* the task comes back */
    }
    assert_int_equal(sum_polls(b, SOME), SOME - 1 + 10); /* nobody else was bothered */
    for (int i = 0; i < SOME; i++)
        end(&b[i]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(l.clones, l.drops);
}

static void one_that_woke_is_polled_beside_one_that_always_wakes_itself(void **state)
{
    static struct busy b[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, SOME);
    b[0].wakes_itself = true;
    kio_join_all(&all, b, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    end(&b[SOME - 1]);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    assert_true(kio_is_done(&b[SOME - 1]));
    kio_drop(&all);
}

static void members_that_wake_each_other_for_ever_leave_the_task(void **state)
{
    static struct busy b[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, SOME);
    kio_join_all(&all, b, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    b[1].feeds = &b[2];
    b[2].feeds = &b[1];
    kio_waker_wake_by_ref(b[1].waker);
    for (int i = 0; i < 10; i++) {
        uint32_t wakes = ki_load_seq_cst(&l.wakes);
        int polls = sum_polls(b, SOME);

        assert_int_equal(poll_once(&l, &all), KIO_PENDING);
        assert_in_range(sum_polls(b, SOME) - polls, 2, 2 * SOME);
        assert_true(ki_load_seq_cst(&l.wakes) > wakes);
    }
    kio_drop(&all);
    assert_int_equal(l.clones, l.drops);
}

/* One member's work for another is still done in the same poll. */
static void a_member_that_another_woke_is_polled_in_the_same_poll(void **state)
{
    static struct busy b[SOME];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, SOME);
    kio_join_all(&all, b, SOME);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    b[5].feeds = &b[2];
    kio_waker_wake_by_ref(b[5].waker);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    assert_int_equal(b[5].polls, 2);
    assert_int_equal(b[2].polls, 2);
    kio_drop(&all);
}

/* tokio-rs/tokio#4612: the first branch used up the budget at every poll. */
static void join_gives_each_future_its_turn_at_the_budget(void **state)
{
    static struct busy b[3];
    struct kio_join all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, 3);
    b[0].cost = 128;
    b[0].wakes_itself = true;
    b[1].cost = b[2].cost = 1;
    b[1].ends = b[2].ends = true;
    kio_join(&all, &b[0], &b[1], &b[2]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(poll_with(&l, &all.kio, 128), KIO_PENDING);
    assert_true(kio_is_done(&b[1]));
    assert_true(kio_is_done(&b[2]));
    kio_drop(&all);
}

static void a_small_join_all_gives_each_member_its_turn_at_the_budget(void **state)
{
    static struct busy b[8];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    fill(b, 8);
    for (int i = 0; i < 8; i++) {
        b[i].cost = 128;
        b[i].wakes_itself = true;
    }
    kio_join_all(&all, b, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(poll_with(&l, &all.kio, 128), KIO_PENDING);
    for (int i = 0; i < 8; i++)
        b[i].ends = true;
    for (int i = 0; i < 8; i++) /* one a poll: each has cost the whole budget */
        assert_int_equal(poll_with(&l, &all.kio, 128), i < 7 ? KIO_PENDING : KIO_READY);
}

/* futures-rs#2526: without budget every member woke itself, and each was polled for each other. */
static void members_that_are_all_ready_take_one_budget_a_poll(void **state)
{
    static struct busy b[1000];
    struct kio_join_all all = { 0 };
    struct little l;
    int polls = 1;

    (void)state;
    little_init(&l);
    fill(b, 1000);
    for (int i = 0; i < 1000; i++) {
        b[i].cost = 1;
        b[i].ends = true;
    }
    kio_join_all(&all, b, 1000);
    while (poll_with(&l, &all.kio, 128) == KIO_PENDING)
        polls++;
    assert_int_equal(polls, 8);
    assert_int_equal(sum_polls(b, 1000), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_wakes_itself_is_polled_once_a_poll),
        cmocka_unit_test(one_that_woke_is_polled_beside_one_that_always_wakes_itself),
        cmocka_unit_test(members_that_wake_each_other_for_ever_leave_the_task),
        cmocka_unit_test(a_member_that_another_woke_is_polled_in_the_same_poll),
        cmocka_unit_test(join_gives_each_future_its_turn_at_the_budget),
        cmocka_unit_test(a_small_join_all_gives_each_member_its_turn_at_the_budget),
        cmocka_unit_test(members_that_are_all_ready_take_one_budget_a_poll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
