/* join, join_all, select: who is polled, who is dropped, who wins. SEMANTICS.md, Combinators. */
#include "support/leaf.h"

#include <kioto/combine.h>

#include <errno.h>

/* ---- join --------------------------------------------------------------------------------- */

static void join_waits_for_all(void **state)
{
    struct little l;
    struct leaf a, b;
    struct kio_join both = { 0 };

    (void)state;
    little_init(&l);
    kio_join(&both, leaf(&a, 1), leaf(&b, 2));
    assert_int_equal(run_until_stalled(&l, &both), KIO_PENDING);
    leaf_tell(&b);
    assert_int_equal(run_until_stalled(&l, &both), KIO_PENDING);
    leaf_tell(&a);
    assert_int_equal(run_until_stalled(&l, &both), KIO_READY);
    assert_int_equal(a.out, 1);
    assert_int_equal(b.out, 2);
    assert_int_equal(b.polls, 2); /* not again after it had ended */
    assert_int_equal(a.drops + b.drops, 2);
}

static void try_join_ends_at_the_first_error_and_drops_the_rest(void **state)
{
    struct little l;
    struct leaf a, b, c;
    struct kio_try_join all = { 0 };

    (void)state;
    little_init(&l);
    kio_try_join(&all, leaf(&a, 1), leaf(&b, -EIO), leaf(&c, 3));
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    leaf_tell(&b);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(all.out, -EIO);
    assert_int_equal(a.drops, 1);
    assert_int_equal(c.drops, 1);
    assert_false(kio_is_live(&a));
}

static void a_join_that_is_dropped_before_its_first_poll_drops_its_members(void **state)
{
    struct leaf a, b;
    struct kio_join both = { 0 };

    (void)state;
    kio_join(&both, leaf(&a, 1), leaf(&b, 2));
    kio_drop(&both);
    assert_int_equal(a.drops + b.drops, 2);
}

/* ---- join_all ----------------------------------------------------------------------------- */

#define MANY 1000

static void a_wake_polls_only_the_member_that_woke(void **state)
{
    static struct leaf members[MANY];
    struct little l;
    struct kio_join_all all = { 0 };
    int polls = 0;

    (void)state;
    little_init(&l);
    for (int i = 0; i < MANY; i++)
        leaf(&members[i], i);
    kio_join_all(&all, members, MANY);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    leaf_tell(&members[700]);
    leaf_tell(&members[3]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    for (int i = 0; i < MANY; i++)
        polls += members[i].polls;
    assert_int_equal(polls, MANY + 2);
    for (int i = MANY; i-- > 0;) {
        if (kio_is_live(&members[i]))
            leaf_tell(&members[i]);
    }
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(members[i].out, i);
        assert_int_equal(members[i].polls, 2);
        assert_int_equal(members[i].drops, 1);
    }
    assert_int_equal(l.clones, l.drops);
}

static void no_members_are_ready_at_once(void **state)
{
    struct little l;
    struct kio_join_all all = { 0 };
    struct leaf none[1];

    (void)state;
    little_init(&l);
    kio_join_all(&all, none, 0);
    assert_int_equal(poll_once(&l, &all), KIO_READY);
}

static void members_that_had_finished_are_skipped(void **state)
{
    struct little l;
    struct leaf members[3];
    struct kio_join_all all = { 0 };

    (void)state;
    little_init(&l);
    for (int i = 0; i < 3; i++)
        leaf(&members[i], i);
    members[1].ready = true;
    assert_int_equal(poll_once(&l, &members[1]), KIO_READY);
    kio_join_all(&all, members, 3);
    leaf_tell(&members[0]);
    leaf_tell(&members[2]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(members[1].polls, 1);
}

static void try_join_all_stops_at_an_error(void **state)
{
    static struct leaf members[20];
    struct little l;
    struct kio_try_join_all all = { 0 };
    int dropped = 0;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 20; i++)
        leaf(&members[i], i == 13 ? -EPIPE : i);
    kio_try_join_all(&all, members, 20);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    leaf_tell(&members[13]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(all.out, -EPIPE);
    for (int i = 0; i < 20; i++)
        dropped += members[i].drops;
    assert_int_equal(dropped, 20);
}

static void select_all_gives_the_index(void **state)
{
    static struct leaf members[20];
    struct little l;
    struct kio_select_all first = { 0 };

    (void)state;
    little_init(&l);
    for (int i = 0; i < 20; i++)
        leaf(&members[i], i);
    kio_select_all(&first, members, 20);
    assert_int_equal(run_until_stalled(&l, &first), KIO_PENDING);
    leaf_tell(&members[17]);
    assert_int_equal(run_until_stalled(&l, &first), KIO_READY);
    assert_int_equal(first.out, 17);
    assert_int_equal(members[0].drops, 1);
}

/* ---- select ------------------------------------------------------------------------------- */

static void the_first_one_wins_and_the_losers_are_dropped(void **state)
{
    struct little l;
    struct leaf a, b, c;
    struct kio_select race = { 0 };

    (void)state;
    little_init(&l);
    kio_select(&race, leaf(&a, 1), leaf(&b, 2), leaf(&c, 3));
    assert_int_equal(run_until_stalled(&l, &race), KIO_PENDING);
    leaf_tell(&b);
    assert_int_equal(run_until_stalled(&l, &race), KIO_READY);
    assert_int_equal(race.out, 1);
    assert_int_equal(b.out, 2);
    assert_int_equal(a.drops, 1);
    assert_int_equal(c.drops, 1);
    assert_int_equal(l.clones, l.drops);
}

struct owner {
    async_fn(void);
    struct leaf *mine, *other;
    struct kio_select race;
    int first, second;
};

async(owner)
{
    async_begin;
    async_let(self->mine);
    await(kio_select(&self->race, self->mine, self->other));
    self->first = self->race.out;
    await(kio_select(&self->race, self->mine));
    self->second = self->race.out;
    async_return();
}

static void one_that_the_caller_owns_lives_on_and_is_selected_again(void **state)
{
    struct little l;
    struct leaf mine, other;
    struct owner o = { 0 };

    (void)state;
    little_init(&l);
    async_call(&o, owner, .mine = leaf(&mine, 1), .other = leaf(&other, 2));
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    leaf_tell(&other);
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    assert_int_equal(mine.drops, 0);
    leaf_tell(&mine);
    assert_int_equal(run_until_stalled(&l, &o), KIO_READY);
    assert_int_equal(o.first, 1);
    assert_int_equal(o.second, 0);
    assert_int_equal(mine.drops, 1);
}

static void null_and_finished_arms_are_disabled_and_none_left_is_the_else(void **state)
{
    struct little l;
    struct leaf a, b;
    struct kio_select race = { 0 };

    (void)state;
    little_init(&l);
    leaf(&a, 1)->ready = true;
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    kio_select(&race, &a, NULL, leaf(&b, 2));
    leaf_tell(&b);
    assert_int_equal(poll_once(&l, &race), KIO_READY);
    assert_int_equal(race.out, 2);
    kio_select(&race, NULL, &a);
    assert_int_equal(poll_once(&l, &race), KIO_READY);
    assert_int_equal(race.out, -1);
}

static void ready_arms_win_equally_often(void **state)
{
    struct little l;
    int wins[3] = { 0 };

    (void)state;
    little_init(&l);
    for (int i = 0; i < 3000; i++) {
        struct leaf members[3];
        struct kio_select race = { 0 };

        for (int j = 0; j < 3; j++)
            leaf(&members[j], j)->ready = true;
        kio_select(&race, &members[0], &members[1], &members[2]);
        assert_int_equal(poll_once(&l, &race), KIO_READY);
        wins[race.out]++;
    }
    for (int j = 0; j < 3; j++)
        assert_in_range(wins[j], 800, 1200); /* 1000 expected; 200 are seven deviations */
}

static void biased_polls_top_down(void **state)
{
    struct little l;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 100; i++) {
        struct leaf a, b;
        struct kio_select race = { 0 };

        leaf(&a, 1)->ready = true;
        leaf(&b, 2)->ready = true;
        kio_select_biased(&race, &a, &b);
        assert_int_equal(poll_once(&l, &race), KIO_READY);
        assert_int_equal(race.out, 0);
        assert_int_equal(b.polls, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_waits_for_all),
        cmocka_unit_test(try_join_ends_at_the_first_error_and_drops_the_rest),
        cmocka_unit_test(a_join_that_is_dropped_before_its_first_poll_drops_its_members),
        cmocka_unit_test(a_wake_polls_only_the_member_that_woke),
        cmocka_unit_test(no_members_are_ready_at_once),
        cmocka_unit_test(members_that_had_finished_are_skipped),
        cmocka_unit_test(try_join_all_stops_at_an_error),
        cmocka_unit_test(select_all_gives_the_index),
        cmocka_unit_test(the_first_one_wins_and_the_losers_are_dropped),
        cmocka_unit_test(one_that_the_caller_owns_lives_on_and_is_selected_again),
        cmocka_unit_test(null_and_finished_arms_are_disabled_and_none_left_is_the_else),
        cmocka_unit_test(ready_arms_win_equally_often),
        cmocka_unit_test(biased_polls_top_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
