/* A set of futures: who is polled, in which order they come, what is freed when. */
#include "support/leaf.h"
#include "base/mem.h"

#include <kioto/combine.h>

#include <errno.h>

#define SOME 40
#define MANY 1000

static int destroyed;

/* A member on the heap: ends with twice what its leaf gives. */
struct doubled {
    async_fn(long);
    struct leaf *on;
};

static void doubled_drop(struct doubled *self)
{
    (void)self;
    destroyed++;
}

async(doubled, doubled_drop)
{
    async_begin;
    await(self->on);
    async_return(2L * self->on->out);
}

static int reset(void **state)
{
    (void)state;
    destroyed = 0;
    return 0;
}

static void push_all(struct kio_future_set *set, struct leaf *m, int count)
{
    leaves(m, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(kio_future_set_push(set, &m[i]), 0);
}

static void members_come_in_the_order_in_which_they_end(void **state)
{
    static struct leaf m[SOME];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    const int order[] = { 31, 2, 17, 39, 0 };
    struct little l;

    (void)state;
    little_init(&l);
    push_all(&set, m, SOME);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(leaves_polls(m, SOME), SOME);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        leaf_tell(&m[order[i]]);
        assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        assert_int_equal(next.out, 1);
        assert_ptr_equal(next.future, &m[order[i]].kio);
        assert_int_equal(*kio_future_set_output(&next, int), order[i]);
        kio_future_set_next(&next, &set);
        assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    }
    assert_int_equal(kio_future_set_len(&set), SOME - 5);
    kio_drop(&next);
    kio_drop(&set);
    assert_int_equal(leaves_drops(m, SOME), SOME);
    assert_int_equal(l.clones, l.drops);
}

static void a_wake_polls_the_member_that_woke(void **state)
{
    static struct leaf m[MANY];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    push_all(&set, m, MANY);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    kio_waker_wake_by_ref(m[3].waker);
    kio_waker_wake_by_ref(m[900].waker);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(leaves_polls(m, MANY), MANY + 2);
    for (int i = 0; i < MANY; i++)
        leaf_tell(&m[i]);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        assert_int_equal(next.out, 1);
        kio_future_set_next(&next, &set);
    }
    assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
    assert_int_equal(next.out, 0);
    assert_int_equal(leaves_polls(m, MANY), 2 * MANY + 2);
    kio_drop(&set);
    assert_int_equal(l.clones, l.drops);
}

static void an_empty_set_is_at_its_end_and_can_be_filled_again(void **state)
{
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;
    struct leaf a;

    (void)state;
    little_init(&l);
    kio_drop(&set);
    kio_future_set_next(&next, &set);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_int_equal(next.out, 0);
    for (int i = 0; i < 3; i++) {
        leaf(&a, i)->ready = true;
        assert_int_equal(kio_future_set_push(&set, &a), 0);
        kio_future_set_next(&next, &set);
        assert_int_equal(poll_once(&l, &next), KIO_READY);
        assert_int_equal(*kio_future_set_output(&next, int), i);
        if (i == 1)
            kio_drop(&set);
    }
    kio_drop(&set);
}

static void a_dropped_next_takes_nothing(void **state)
{
    static struct leaf m[SOME];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    push_all(&set, m, SOME);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    leaf_tell(&m[8]);
    kio_drop(&next);
    assert_int_equal(kio_future_set_len(&set), SOME);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
    assert_ptr_equal(next.future, &m[8].kio);
    kio_drop(&set);
}

static void a_push_while_next_is_pending_wakes_it(void **state)
{
    static struct leaf m[2];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;
    uint32_t wakes;

    (void)state;
    little_init(&l);
    leaves(m, 2);
    assert_int_equal(kio_future_set_push(&set, &m[0]), 0);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    wakes = ki_load_seq_cst(&l.wakes);
    assert_int_equal(kio_future_set_push(&set, &m[1]), 0);
    assert_int_equal(ki_load_seq_cst(&l.wakes), wakes + 1);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    assert_int_equal(m[1].polls, 1);
    kio_drop(&next);
    kio_drop(&set);
}

static void members_on_the_heap_are_freed_when_the_next_is_taken(void **state)
{
    static struct leaf on[SOME];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;
    long alive;

    (void)state;
    little_init(&l);
    leaves(on, SOME);
    for (int i = 0; i < SOME; i++)
        assert_int_equal(kio_future_set_add(&set, doubled, .on = &on[i]), 0);
    alive = ki_mem_alive();
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    for (int i = 0; i < SOME / 2; i++) {
        leaf_tell(&on[i]);
        assert_int_equal(run_until_stalled(&l, &next), KIO_READY);
        assert_int_equal(*kio_future_set_output(&next, long), 2 * i);
        assert_int_equal(destroyed, i + 1);
        assert_int_equal(ki_mem_alive(), alive - i);
        kio_future_set_next(&next, &set);
        assert_int_equal(ki_mem_alive(), alive - i - 1);
    }
    kio_drop(&set);
    assert_int_equal(destroyed, SOME);
    assert_int_equal(leaves_drops(on, SOME), SOME);
    kio_drop(&next);
    assert_int_equal(l.clones, l.drops);
}

static void dropping_the_set_frees_all_it_has(void **state)
{
    static struct leaf on[SOME];
    struct kio_future_set set = { 0 };
    struct leaf warm;
    long alive;

    (void)state;
    for (int turn = 0; turn < 2; turn++) { /* the first leaves wake nodes in the pool */
        alive = ki_mem_alive();
        leaves(on, SOME);
        for (int i = 0; i < SOME; i++)
            assert_int_equal(kio_future_set_add(&set, doubled, .on = &on[i]), 0);
        assert_int_equal(kio_future_set_push(&set, leaf(&warm, 0)), 0);
        kio_drop(&set);
        assert_int_equal(warm.drops, 1);
    }
    assert_int_equal(ki_mem_alive(), alive);
    assert_int_equal(destroyed, 2 * SOME);
}

static void kept_results_live_until_the_next_is_taken(void **state)
{
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;
    struct leaf a, b;

    (void)state;
    little_init(&l);
    leaf(&a, 1);
    a.ready = a.keeps = true;
    assert_int_equal(kio_future_set_push(&set, &a), 0);
    assert_int_equal(kio_future_set_push(&set, leaf(&b, 2)), 0);
    kio_future_set_next(&next, &set);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_int_equal(a.drops, 0);
    kio_future_set_next(&next, &set);
    assert_int_equal(a.drops, 1);
    kio_drop(&set);
    assert_int_equal(a.drops, 1);
    assert_int_equal(b.drops, 1);
}

static void a_finished_member_comes_at_once(void **state)
{
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;
    struct leaf a;

    (void)state;
    little_init(&l);
    leaf(&a, 1)->ready = true;
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    assert_int_equal(kio_future_set_push(&set, &a), 0);
    kio_future_set_next(&next, &set);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_ptr_equal(next.future, &a.kio);
    assert_int_equal(a.polls, 1);
    kio_drop(&set);
}

/* ---- inside an async function --------------------------------------------------------------- */

struct owner {
    async_fn(int);
    struct leaf *on;
    int count, i;
    struct kio_future_set set;
    struct kio_future_set_next next;
};

async(owner)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        if (kio_future_set_add(&self->set, doubled, .on = &self->on[self->i]))
            async_return(-ENOMEM);
    }
    self->i = 0;
    for (;;) {
        await(kio_future_set_next(&self->next, &self->set));
        if (!self->next.out)
            async_return(self->i);
        self->i += (int)*kio_future_set_output(&self->next, long);
    }
}

static void a_set_is_dropped_with_the_async_function_it_lies_in(void **state)
{
    static struct leaf on[SOME];
    struct owner o = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    leaves(on, SOME);
    async_call(&o, owner, .on = on, .count = SOME);
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    leaf_tell(&on[1]);
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    kio_drop(&o);
    assert_int_equal(destroyed, SOME);
    assert_int_equal(leaves_drops(on, SOME), SOME);
    assert_int_equal(l.clones, l.drops);
}

static void a_function_takes_all_its_members(void **state)
{
    static struct leaf on[SOME];
    struct owner o = { 0 };
    struct little l;
    int sum = 0;

    (void)state;
    little_init(&l);
    leaves(on, SOME);
    async_call(&o, owner, .on = on, .count = SOME);
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    for (int i = SOME; i-- > 0; sum += 2 * i)
        leaf_tell(&on[i]);
    assert_int_equal(run_until_stalled(&l, &o), KIO_READY);
    assert_int_equal(o.out, sum);
    assert_int_equal(destroyed, SOME);
    assert_int_equal(l.clones, l.drops);
}

/* Every allocation fails once: nothing leaks, the error arrives. */
static void without_memory_an_add_says_so_and_releases_its_parameters(void **state)
{
    static struct leaf on[SOME];
    struct kio_future_set set = { 0 };
    long alive;
    int failed = 0;

    (void)state;
    for (int i = 0; i < SOME; i++) /* fills the pool of wake nodes */
        kio_future_set_push(&set, leaf(&on[i], i));
    kio_drop(&set);
    alive = ki_mem_alive();
    for (long n = 1; n < SOME; n++) {
        int added = 0;

        destroyed = 0;
        leaves(on, SOME);
        ki_mem_fail_at(n);
        for (int i = 0; i < SOME; i++) {
            int err = kio_future_set_add(&set, doubled, .on = &on[i]);

            assert_true(err == 0 || err == -ENOMEM);
            failed += err != 0;
            added += !err;
            assert_int_equal(kio_future_set_len(&set), added);
        }
        ki_mem_fail_at(0);
        kio_drop(&set);
        assert_int_equal(destroyed, SOME);
        assert_int_equal(ki_mem_alive(), alive);
    }
    assert_int_equal(failed, SOME - 1);
}

/* ---- fairness ------------------------------------------------------------------------------- */

/* Wakes itself for ever; takes from the budget if there is one. */
static int spins;

static kio_poll spin_poll(kio_future *f, kio_context *cx)
{
    spins++;
    f->state = f;
    kio_waker_wake_by_ref(cx->waker);
    kio_coop_did_(cx);
    return KIO_PENDING;
}

static const kio_future_type spin_type = {
    .name = "spin",
    .size = sizeof(struct kio_any_),
    .poll = spin_poll,
};

static void one_that_wakes_itself_for_ever_leaves_the_task_and_starves_no_block(void **state)
{
    static struct kio_any_ spin[16];
    static struct leaf m[SOME];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 16; i++) { /* the first block, whole */
        spin[i].kio = (kio_future){ .type = &spin_type };
        assert_int_equal(kio_future_set_push(&set, &spin[i]), 0);
    }
    push_all(&set, m, SOME);
    kio_future_set_next(&next, &set);
    spins = 0;
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(poll_once(&l, &next), KIO_PENDING);
        assert_int_equal(spins, 16 * i);
    }
    assert_int_equal(leaves_polls(m, SOME), SOME);
    leaf_tell(&m[SOME - 1]);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_ptr_equal(next.future, &m[SOME - 1].kio);
    kio_drop(&set);
    assert_int_equal(l.clones, l.drops);
}

static void a_block_that_uses_up_the_budget_does_not_starve_the_others(void **state)
{
    static struct kio_any_ spin[16];
    static struct leaf m[SOME];
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct kio_run run = { 0 };
    struct little l;
    kio_context cx;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 16; i++) {
        spin[i].kio = (kio_future){ .type = &spin_type };
        assert_int_equal(kio_future_set_push(&set, &spin[i]), 0);
    }
    push_all(&set, m, SOME);
    kio_future_set_next(&next, &set);
    kio_context_init(&cx, (kio_waker){ &l.wakeable });
    cx.run = &run;
    for (int i = 0; i < 6; i++) {
        run.budget = 10;
        assert_int_equal(kio_future_poll(&next.kio, &cx), KIO_PENDING);
    }
    assert_int_equal(leaves_polls(m, SOME), SOME);
    kio_drop(&next);
    kio_drop(&set);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        T(members_come_in_the_order_in_which_they_end),
        T(a_wake_polls_the_member_that_woke),
        T(an_empty_set_is_at_its_end_and_can_be_filled_again),
        T(a_dropped_next_takes_nothing),
        T(a_push_while_next_is_pending_wakes_it),
        T(members_on_the_heap_are_freed_when_the_next_is_taken),
        T(dropping_the_set_frees_all_it_has),
        T(kept_results_live_until_the_next_is_taken),
        T(a_finished_member_comes_at_once),
        T(a_set_is_dropped_with_the_async_function_it_lies_in),
        T(a_function_takes_all_its_members),
        T(without_memory_an_add_says_so_and_releases_its_parameters),
        T(one_that_wakes_itself_for_ever_leaves_the_task_and_starves_no_block),
        T(a_block_that_uses_up_the_budget_does_not_starve_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
