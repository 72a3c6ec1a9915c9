/* Results that keep resources: they stay until the slot is vacated or the function that awaited
 * them ends, through every combinator. */
#include "support/leaf.h"

#include <kioto/combine.h>

#include <errno.h>

static struct leaf *ready_keeper(struct leaf *slot, int value)
{
    leaf(slot, value);
    slot->ready = slot->keeps = true;
    return slot;
}

struct awaiter {
    async_fn(int);
    struct leaf *leaf;
    struct leaf pause;
};

async(awaiter)
{
    async_begin;
    await(self->leaf);
    await(leaf(&self->pause, 0));
    async_return(self->leaf->out);
}

static void a_kept_result_lives_until_its_awaiter_ends(void **state)
{
    struct awaiter a = { 0 };
    struct leaf kept;
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&a, awaiter, .leaf = ready_keeper(&kept, 7));
    assert_int_equal(poll_once(&l, &a), KIO_PENDING);
    assert_true(kio_is_done(&kept));
    assert_int_equal(kept.drops, 0);
    leaf_tell(&a.pause);
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    assert_int_equal(a.out, 7);
    assert_int_equal(kept.drops, 1);
}

static void a_kept_result_is_released_when_its_awaiter_is_dropped(void **state)
{
    struct awaiter a = { 0 };
    struct leaf kept;
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&a, awaiter, .leaf = ready_keeper(&kept, 7));
    assert_int_equal(poll_once(&l, &a), KIO_PENDING);
    kio_drop(&a);
    assert_int_equal(kept.drops, 1);
}

static void dropping_it_releases_it_once(void **state)
{
    struct leaf kept;
    struct little l;

    (void)state;
    little_init(&l);
    ready_keeper(&kept, 1);
    assert_int_equal(poll_once(&l, &kept), KIO_READY);
    assert_int_equal(kept.drops, 0);
    kio_drop(&kept);
    kio_drop(&kept);
    assert_int_equal(kept.drops, 1);
}

static void join_holds_kept_results_until_its_slot_is_vacated(void **state)
{
    struct kio_join both = { 0 };
    struct leaf kept, plain, other;
    struct little l;

    (void)state;
    little_init(&l);
    leaf(&plain, 2)->ready = true;
    kio_join(&both, ready_keeper(&kept, 1), &plain);
    assert_int_equal(poll_once(&l, &both), KIO_READY);
    assert_int_equal(kept.drops, 0);
    assert_int_equal(plain.drops, 1);
    kio_join(&both, leaf(&other, 3));
    assert_int_equal(kept.drops, 1);
    kio_drop(&both);
    assert_int_equal(other.drops, 1);
    assert_int_equal(kept.drops, 1);
}

static void using_a_kept_members_slot_again_takes_it_out_of_the_join(void **state)
{
    struct kio_join both = { 0 };
    struct leaf a, b;
    struct little l;

    (void)state;
    little_init(&l);
    kio_join(&both, ready_keeper(&a, 1), ready_keeper(&b, 2));
    assert_int_equal(poll_once(&l, &both), KIO_READY);
    kio_drop(&a);
    assert_int_equal(a.drops, 1);
    assert_int_equal(b.drops, 0);
    kio_drop(&both);
    assert_int_equal(a.drops, 1);
    assert_int_equal(b.drops, 1);
}

static void join_all_holds_kept_results(void **state)
{
    static struct leaf m[30];
    struct kio_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 30; i++)
        ready_keeper(&m[i], i);
    kio_join_all(&all, m, 30);
    assert_int_equal(poll_once(&l, &all), KIO_READY);
    assert_int_equal(leaves_drops(m, 30), 0);
    kio_drop(&all);
    assert_int_equal(leaves_drops(m, 30), 30);
}

static void try_join_all_drops_the_live_and_holds_the_kept(void **state)
{
    static struct leaf m[30];
    struct kio_try_join_all all = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    leaves(m, 30);
    ready_keeper(&m[0], 0);
    ready_keeper(&m[9], -EIO);
    kio_try_join_all(&all, m, 30);
    assert_int_equal(poll_once(&l, &all), KIO_READY);
    assert_int_equal(all.out, -EIO);
    assert_int_equal(m[0].drops + m[9].drops, 0);
    assert_int_equal(leaves_drops(m, 30), 28);
    assert_int_equal(m[29].polls, 0);
    kio_drop(&all);
    assert_int_equal(leaves_drops(m, 30), 30);
}

static void select_holds_the_winners_result_and_drops_the_losers(void **state)
{
    struct kio_select race = { 0 };
    struct leaf winner, loser;
    struct little l;

    (void)state;
    little_init(&l);
    kio_select(&race, leaf(&loser, 1), ready_keeper(&winner, 2));
    assert_int_equal(poll_once(&l, &race), KIO_READY);
    assert_int_equal(race.out, 1);
    assert_int_equal(winner.drops, 0);
    assert_int_equal(loser.drops, 1);
    kio_drop(&race);
    assert_int_equal(winner.drops, 1);
    assert_int_equal(l.clones, l.drops);
}

/* Two arms of a select that somebody else polled, before it did. */
static void select_holds_all_results_that_were_kept_before_its_first_poll(void **state)
{
    struct kio_select race = { 0 };
    struct leaf a, b;
    struct little l;

    (void)state;
    little_init(&l);
    for (int polled = 0; polled < 2; polled++) {
        kio_select(&race, ready_keeper(&a, 1), ready_keeper(&b, 2));
        assert_int_equal(poll_once(&l, &a), KIO_READY);
        assert_int_equal(poll_once(&l, &b), KIO_READY);
        if (polled) {
            assert_int_equal(poll_once(&l, &race), KIO_READY);
            assert_int_equal(race.out, -1);
            assert_int_equal(a.drops + b.drops, 0);
        }
        kio_drop(&race);
        assert_int_equal(a.drops, 1);
        assert_int_equal(b.drops, 1);
    }
    assert_int_equal(l.clones, l.drops);
}

/* The body of one answer per turn, as a loop over select takes them. */
struct looper {
    async_fn(int);
    struct leaf *keeper, *rival;
    struct kio_select race;
    struct leaf pause;
    int turns, dropped_before_turn[3];
};

async(looper)
{
    async_begin;
    for (self->turns = 0; self->turns < 3; self->turns++) {
        self->dropped_before_turn[self->turns] = self->keeper->drops;
        if (kio_is_done(self->keeper))
            kio_drop(self->keeper);
        int drops = self->keeper->drops;
        ready_keeper(self->keeper, self->turns)->drops = drops;
        await(kio_select_biased(&self->race, self->keeper, leaf(self->rival, 1)));
    }
    await(leaf(&self->pause, 0));
    async_return(self->keeper->out);
}

static void a_loop_of_selects_holds_one_result_at_a_time(void **state)
{
    struct looper loop = { 0 };
    struct leaf keeper, rival;
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&loop, looper, .keeper = leaf(&keeper, 0), .rival = leaf(&rival, 0));
    assert_int_equal(poll_once(&l, &loop), KIO_PENDING);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop.dropped_before_turn[i], i ? i - 1 : 0);
    assert_int_equal(keeper.drops, 2);
    leaf_tell(&loop.pause);
    assert_int_equal(poll_once(&l, &loop), KIO_READY);
    assert_int_equal(keeper.drops, 3);
    assert_int_equal(loop.out, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_result_lives_until_its_awaiter_ends),
        cmocka_unit_test(a_kept_result_is_released_when_its_awaiter_is_dropped),
        cmocka_unit_test(dropping_it_releases_it_once),
        cmocka_unit_test(join_holds_kept_results_until_its_slot_is_vacated),
        cmocka_unit_test(using_a_kept_members_slot_again_takes_it_out_of_the_join),
        cmocka_unit_test(join_all_holds_kept_results),
        cmocka_unit_test(try_join_all_drops_the_live_and_holds_the_kept),
        cmocka_unit_test(select_holds_the_winners_result_and_drops_the_losers),
        cmocka_unit_test(select_holds_all_results_that_were_kept_before_its_first_poll),
        cmocka_unit_test(a_loop_of_selects_holds_one_result_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
