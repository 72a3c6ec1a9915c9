/* A future written by hand, with children of its own, in every place an async function's is used:
 * await, join, select, a box, a set, under an executor by hand. */
#include "support/leaf.h"

#include <kioto/combine.h>

/* Ends when both of its leaves have; its destructor counts. */
struct pair {
    KIO_ASYNC_FN(int);
    struct leaf a, b;
};

static int pairs_dropped;

static kio_poll pair_poll(kio_future *f, kio_context *cx)
{
    struct pair *self = (struct pair *)f;

    if (!f->state) {
        f->state = f;
        kio_adopt_(f, &leaf(&self->a, 1)->kio);
        kio_adopt_(f, &leaf(&self->b, 2)->kio);
    }
    if (kio_is_live(&self->a))
        kio_future_poll(&self->a.kio, cx);
    if (kio_is_live(&self->b))
        kio_future_poll(&self->b.kio, cx);
    if (kio_is_live(&self->a) || kio_is_live(&self->b))
        return KIO_PENDING;
    self->out = self->a.out + self->b.out;
    kio_finish(f);
    return KIO_READY;
}

static void pair_drop(kio_future *f)
{
    (void)f;
    pairs_dropped++;
}

KIO_DECLARE(pair);
const kio_future_type pair_type = {
    .name = "pair",
    .size = sizeof(struct pair),
    .poll = pair_poll,
    .drop = pair_drop,
    .out_offset = offsetof(struct pair, out),
    .out_size = sizeof(int),
};

static int reset(void **state)
{
    (void)state;
    pairs_dropped = 0;
    return 0;
}

static void tell_both(struct pair *p)
{
    leaf_tell(&p->a);
    leaf_tell(&p->b);
}

struct caller {
    async_fn(int);
    struct pair p;
};

async(caller)
{
    async_begin;
    await(async_call(&self->p, pair));
    async_return(self->p.out);
}

static void it_is_awaited(void **state)
{
    struct caller c = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&c, caller);
    assert_int_equal(run_until_stalled(&l, &c), KIO_PENDING);
    leaf_tell(&c.p.b);
    assert_int_equal(run_until_stalled(&l, &c), KIO_PENDING);
    assert_int_equal(c.p.b.polls, 2);
    leaf_tell(&c.p.a);
    assert_int_equal(run_until_stalled(&l, &c), KIO_READY);
    assert_int_equal(c.out, 3);
    assert_int_equal(c.p.b.polls, 2); /* not after its end */
    assert_int_equal(pairs_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

static void its_children_go_with_it(void **state)
{
    struct caller c = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&c, caller);
    assert_int_equal(run_until_stalled(&l, &c), KIO_PENDING);
    leaf_tell(&c.p.a);
    assert_int_equal(run_until_stalled(&l, &c), KIO_PENDING);
    kio_drop(&c);
    assert_int_equal(c.p.a.drops, 1);
    assert_int_equal(c.p.b.drops, 1);
    assert_int_equal(pairs_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

static void it_is_joined_and_selected(void **state)
{
    struct pair p = { 0 }, q = { 0 };
    struct kio_join both = { 0 };
    struct kio_select race = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    kio_join(&both, async_call(&p, pair), async_call(&q, pair));
    assert_int_equal(run_until_stalled(&l, &both), KIO_PENDING);
    tell_both(&p);
    tell_both(&q);
    assert_int_equal(run_until_stalled(&l, &both), KIO_READY);
    assert_int_equal(p.out + q.out, 6);

    kio_select(&race, async_call(&p, pair), async_call(&q, pair));
    assert_int_equal(run_until_stalled(&l, &race), KIO_PENDING);
    tell_both(&q);
    assert_int_equal(run_until_stalled(&l, &race), KIO_READY);
    assert_int_equal(race.out, 1);
    assert_int_equal(p.a.drops + p.b.drops, 2); /* the loser, with its children */
    assert_int_equal(pairs_dropped, 4);
    assert_int_equal(l.clones, l.drops);
}

static void many_of_it_are_joined_with_their_children_on_members_wakers(void **state)
{
    static struct pair p[30];
    struct kio_join_all all = { 0 };
    struct little l;
    int polls = 0;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 30; i++)
        async_call(&p[i], pair);
    kio_join_all(&all, p, 30);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    tell_both(&p[11]); /* two wakes of one member are one poll of it */
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    for (int i = 0; i < 30; i++)
        polls += p[i].a.polls + p[i].b.polls;
    assert_int_equal(polls, 2 * 30 + 2);
    assert_int_equal(p[11].out, 3);
    kio_drop(&all);
    assert_int_equal(pairs_dropped, 30);
    assert_int_equal(l.clones, l.drops);
}

static void it_lives_in_a_box_and_in_a_set(void **state)
{
    struct kio_boxed box = { 0 };
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    kio_box(&box, pair);
    assert_int_equal(run_until_stalled(&l, &box), KIO_PENDING);
    tell_both((struct pair *)box.inner);
    assert_int_equal(run_until_stalled(&l, &box), KIO_READY);
    assert_int_equal(*kio_boxed_output(&box, int), 3);
    kio_drop(&box);

    assert_int_equal(kio_future_set_add(&set, pair), 0);
    assert_int_equal(kio_future_set_add(&set, pair), 0);
    kio_future_set_next(&next, &set);
    assert_int_equal(run_until_stalled(&l, &next), KIO_PENDING);
    kio_drop(&set);
    kio_drop(&next);
    assert_int_equal(pairs_dropped, 3);
    assert_int_equal(l.clones, l.drops);
}

/* What one executor began another may end: the waker of the last poll counts. */
static void another_executor_goes_on_with_it(void **state)
{
    struct pair p = { 0 };
    struct little first, second;

    (void)state;
    little_init(&first);
    little_init(&second);
    async_call(&p, pair);
    assert_int_equal(poll_once(&first, &p), KIO_PENDING);
    assert_int_equal(poll_once(&second, &p), KIO_PENDING);
    assert_int_equal(first.clones, first.drops);
    tell_both(&p);
    assert_int_equal(ki_load_seq_cst(&first.wakes), 0);
    assert_int_equal(ki_load_seq_cst(&second.wakes), 2);
    assert_int_equal(poll_once(&second, &p), KIO_READY);
    assert_int_equal(second.clones, second.drops);
}

static void a_spurious_poll_changes_nothing(void **state)
{
    struct pair p = { 0 };
    struct little l;

    (void)state;
    little_init(&l);
    async_call(&p, pair);
    for (int i = 0; i < 10; i++)
        assert_int_equal(poll_once(&l, &p), KIO_PENDING);
    tell_both(&p);
    assert_int_equal(poll_once(&l, &p), KIO_READY);
    assert_int_equal(p.out, 3);
    assert_int_equal(l.clones, l.drops);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        T(it_is_awaited),
        T(its_children_go_with_it),
        T(it_is_joined_and_selected),
        T(many_of_it_are_joined_with_their_children_on_members_wakers),
        T(it_lives_in_a_box_and_in_a_set),
        T(another_executor_goes_on_with_it),
        T(a_spurious_poll_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
