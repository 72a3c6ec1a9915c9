/* select, case by case, with channels. Fairness, ownership and drops are in combine.c and kept.c. */
#include "support/case.h"
#include "support/leaf.h"

#include <kioto/channel.h>
#include <kioto/combine.h>

#include <errno.h>

static struct leaf *ready(struct leaf *slot, int value)
{
    leaf(slot, value)->ready = true;
    return slot;
}

static void one_ready_arm_is_taken_at_the_first_poll(void **state)
{
    struct kio_select s = { 0 };
    struct leaf a;

    (void)state;
    READY(kio_select(&s, ready(&a, 1)));
    assert_int_equal(s.out, 0);
    assert_int_equal(a.out, 1);
    READY(kio_select_biased(&s, ready(&a, 2)));
    assert_int_equal(s.out, 0);
    assert_int_equal(a.out, 2);
    WAKES(0);
}

static void of_no_arms_the_else_is_taken(void **state)
{
    struct kio_select s = { 0 };

    (void)state;
    READY(kio_select(&s));
    assert_int_equal(s.out, -1);
    READY(kio_select_biased(&s));
    assert_int_equal(s.out, -1);
}

static void of_two_ready_arms_one_is_polled_and_the_other_dropped(void **state)
{
    struct kio_select s = { 0 };
    struct leaf a, b;

    (void)state;
    READY(kio_select(&s, ready(&a, 1), ready(&b, 2)));
    assert_int_equal(a.polls + b.polls, 1);
    assert_int_equal(a.drops + b.drops, 2);
    assert_in_range(s.out, 0, 1);
}

/* An arm that goes on where another select's winner left off. */
struct nested {
    async_fn(int);
    struct leaf *first, *second;
    struct kio_select outer, inner;
};

async(nested)
{
    async_begin;
    await(kio_select(&self->outer, self->first));
    switch (self->outer.out) {
    case 0:
        await(kio_select(&self->inner, self->second));
        switch (self->inner.out) {
        case 0:
            async_return(self->first->out + self->second->out);
        }
    }
    async_return(-1);
}

static void a_select_in_the_branch_of_a_select(void **state)
{
    struct nested n = { 0 };
    struct leaf a, b;

    (void)state;
    READY(async_call(&n, nested, .first = ready(&a, 1), .second = ready(&b, 2)));
    assert_int_equal(n.out, 3);
    PENDING(async_call(&n, nested, .first = ready(&a, 1), .second = leaf(&b, 2)));
    leaf_tell(&b);
    READY(&n);
    assert_int_equal(n.out, 3);
}

/* ---- with channels ------------------------------------------------------------------------ */

struct pair {
    struct kio_oneshot_tx tx1, tx2;
    struct kio_oneshot_rx rx1, rx2;
    struct kio_oneshot_recv r1, r2;
    int v1, v2;
};

static void open_pair(struct pair *p)
{
    *p = (struct pair){ 0 };
    assert_int_equal(kio_oneshot_channel(&p->tx1, &p->rx1, sizeof(int)), 0);
    assert_int_equal(kio_oneshot_channel(&p->tx2, &p->rx2, sizeof(int)), 0);
}

static void close_pair(struct pair *p)
{
    kio_oneshot_tx_drop(&p->tx1);
    kio_oneshot_tx_drop(&p->tx2);
    kio_oneshot_rx_drop(&p->rx1);
    kio_oneshot_rx_drop(&p->rx2);
}

static void the_arm_whose_message_is_there_wins(void **state)
{
    struct kio_select s = { 0 };
    struct pair p;
    int one = 1;

    (void)state;
    open_pair(&p);
    assert_int_equal(kio_oneshot_send(&p.tx1, &one), 0);
    READY(kio_select(&s, kio_oneshot_recv(&p.r1, &p.rx1, &p.v1), kio_oneshot_recv(&p.r2, &p.rx2, &p.v2)));
    assert_int_equal(s.out, 0);
    assert_int_equal(p.v1, 1);
    close_pair(&p);
}

static void what_the_loser_waited_for_is_still_there(void **state)
{
    struct kio_oneshot_recv again = { 0 };
    struct kio_select s = { 0 };
    struct pair p;
    int one = 1, two = 2;

    (void)state;
    open_pair(&p);
    assert_int_equal(kio_oneshot_send(&p.tx1, &one), 0);
    assert_int_equal(kio_oneshot_send(&p.tx2, &two), 0);
    READY(kio_select(&s, kio_oneshot_recv(&p.r1, &p.rx1, &p.v1), kio_oneshot_recv(&p.r2, &p.rx2, &p.v2)));
    if (s.out == 0)
        READY(kio_oneshot_recv(&again, &p.rx2, &p.v2));
    else
        READY(kio_oneshot_recv(&again, &p.rx1, &p.v1));
    assert_int_equal(again.out, 1);
    assert_int_equal(10 * p.v1 + p.v2, 12);
    close_pair(&p);
}

static void a_disabled_arm_is_not_polled_and_the_other_wakes(void **state)
{
    struct kio_select s = { 0 };
    struct pair p;
    int one = 1;
    bool enabled = false;
    struct leaf never;

    (void)state;
    open_pair(&p);
    leaf(&never, 0);
    PENDING(kio_select(&s, enabled ? &never : NULL, kio_oneshot_recv(&p.r1, &p.rx1, &p.v1)));
    PENDING(&s);
    assert_int_equal(never.polls, 0);
    assert_int_equal(kio_oneshot_send(&p.tx1, &one), 0);
    WAKES(1);
    READY(&s);
    assert_int_equal(s.out, 1);
    close_pair(&p);
}

/* A loop of selects as a join: an arm that has given its value is disabled. */
struct both {
    async_fn(int);
    struct pair *p;
    struct kio_select s;
    bool has1, has2;
};

async(both)
{
    async_begin;
    async_let(kio_oneshot_recv(&self->p->r1, &self->p->rx1, &self->p->v1));
    async_let(kio_oneshot_recv(&self->p->r2, &self->p->rx2, &self->p->v2));
    while (!self->has1 || !self->has2) {
        await(kio_select(&self->s, self->has1 ? NULL : &self->p->r1, self->has2 ? NULL : &self->p->r2));
        if (self->s.out == 0)
            self->has1 = true;
        else
            self->has2 = true;
    }
    async_return(0);
}

static void a_loop_of_selects_joins(void **state)
{
    struct both both = { 0 };
    int one = 123, two = 456;
    struct pair p;

    (void)state;
    open_pair(&p);
    PENDING(async_call(&both, both, .p = &p));
    assert_int_equal(kio_oneshot_send(&p.tx1, &one), 0);
    WAKES(1);
    PENDING(&both);
    assert_int_equal(kio_oneshot_send(&p.tx2, &two), 0);
    WAKES(2);
    READY(&both);
    assert_int_equal(p.v1, 123);
    assert_int_equal(p.v2, 456);
    close_pair(&p);
}

/* Rust's pattern that does not match: the arm has ended, its value is no use, and it is not polled
 * again. Here the caller looks at the value and selects among the others. */
struct unless_none {
    async_fn(int);
    struct leaf *maybe; /* gives 0 for nothing */
    struct pair *p;
    struct kio_select s;
};

async(unless_none)
{
    async_begin;
    async_let(self->maybe);
    async_let(kio_oneshot_recv(&self->p->r1, &self->p->rx1, &self->p->v1));
    do {
        await(kio_select(&self->s, self->maybe, &self->p->r1));
    } while (self->s.out == 0 && !self->maybe->out);
    async_return(self->s.out);
}

static void an_arm_that_has_ended_is_not_polled_again(void **state)
{
    struct unless_none f = { 0 };
    struct leaf none;
    struct pair p;
    int one = 1;

    (void)state;
    open_pair(&p);
    PENDING(async_call(&f, unless_none, .maybe = ready(&none, 0), .p = &p));
    PENDING(&f);
    assert_int_equal(none.polls, 1);
    assert_int_equal(kio_oneshot_send(&p.tx1, &one), 0);
    READY(&f);
    assert_int_equal(f.out, 1);
    assert_int_equal(none.polls, 1);
    close_pair(&p);
}

/* Two channels until both are closed and drained. */
struct drain {
    async_fn(int);
    struct kio_rx *rx1, *rx2;
    struct kio_recv r1, r2;
    struct kio_select s;
    int v1, v2, sum;
    bool over1, over2;
};

async(drain)
{
    async_begin;
    for (;;) {
        await(kio_select(&self->s, self->over1 ? NULL : kio_recv(&self->r1, self->rx1, &self->v1),
                         self->over2 ? NULL : kio_recv(&self->r2, self->rx2, &self->v2)));
        switch (self->s.out) {
        case 0:
            self->over1 = !self->r1.out;
            self->sum += self->r1.out ? self->v1 : 0;
            break;
        case 1:
            self->over2 = !self->r2.out;
            self->sum += self->r2.out ? self->v2 : 0;
            break;
        default:
            async_return(self->sum);
        }
    }
}

static void two_channels_are_drained_and_then_the_else_is_taken(void **state)
{
    struct kio_tx tx1, tx2;
    struct kio_rx rx1, rx2;
    struct drain d = { 0 };

    (void)state;
    assert_int_equal(kio_mpsc_unbounded(&tx1, &rx1, sizeof(int)), 0);
    assert_int_equal(kio_mpsc_unbounded(&tx2, &rx2, sizeof(int)), 0);
    PENDING(async_call(&d, drain, .rx1 = &rx1, .rx2 = &rx2));
    assert_int_equal(kio_try_send(&tx2, &(int){ 1 }), 0);
    PENDING(&d);
    assert_int_equal(d.sum, 1);
    assert_int_equal(kio_try_send(&tx1, &(int){ 20 }), 0);
    assert_int_equal(kio_try_send(&tx2, &(int){ 300 }), 0);
    kio_tx_drop(&tx1);
    kio_tx_drop(&tx2);
    READY(&d);
    assert_int_equal(d.out, 321);
    kio_rx_drop(&rx1);
    kio_rx_drop(&rx2);
}

/* ---- biased, and how many ----------------------------------------------------------------- */

static void biased_takes_the_first_that_is_ready(void **state)
{
    struct kio_select s = { 0 };
    struct leaf a, b, c;

    (void)state;
    for (int i = 0; i < 20; i++) {
        READY(kio_select_biased(&s, leaf(&a, 1), ready(&b, 2), ready(&c, 3)));
        assert_int_equal(s.out, 1);
        assert_int_equal(a.polls, 1);
        assert_int_equal(c.polls, 0);
    }
}

/* Each is ready at its second poll; who ends disables itself and those before it. */
struct counts {
    async_fn(int);
    struct leaf *one, *two, *three;
    struct kio_select s;
    int count;
};

async(counts)
{
    async_begin;
    async_let(self->one);
    async_let(self->two);
    async_let(self->three);
    for (;;) {
        await(kio_select_biased(&self->s, self->count < 2 ? self->two : NULL,
                                self->count < 3 ? self->three : NULL, self->count < 1 ? self->one : NULL));
        if (self->s.out < 0)
            async_return(self->count);
        self->count++;
        if (self->count == 1)
            assert_int_equal(self->s.out, 2); /* the only one that was ready */
        else
            assert_int_equal(self->s.out, self->count - 2);
    }
}

static void biased_arms_that_become_ready_later_are_taken_in_order(void **state)
{
    struct counts c = { 0 };
    struct leaf one, two, three;

    (void)state;
    PENDING(async_call(&c, counts, .one = ready(&one, 1), .two = leaf(&two, 2), .three = leaf(&three, 3)));
    assert_int_equal(c.count, 1);
    leaf_tell(&three);
    leaf_tell(&two);
    READY(&c);
    assert_int_equal(c.out, 3);
}

static void sixteen_arms_are_written_and_more_are_an_array(void **state)
{
    static struct leaf m[64];
    struct kio_select s = { 0 };
    struct kio_select_all all = { 0 };

    (void)state;
    leaves(m, 64);
    for (int i = 0; i < 64; i++)
        m[i].ready = true;
    READY(kio_select(&s, &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &m[6], &m[7], &m[8], &m[9], &m[10],
                     &m[11], &m[12], &m[13], &m[14], &m[15]));
    assert_in_range(s.out, 0, 15);
    assert_int_equal(leaves_polls(m, 16), 1);
    assert_int_equal(leaves_drops(m, 16), 16);
    leaves(m, 64);
    for (int i = 0; i < 64; i++)
        m[i].ready = true;
    READY(kio_select_all(&all, m, 64));
    assert_int_equal(leaves_polls(m, 64), 1);
    assert_int_equal(leaves_drops(m, 64), 64);
}

/* Its size does not follow that of the futures: 40 bytes of a future, 24 of its own, 16 pointers. */
static void a_select_has_room_for_sixteen_and_no_more(void **state)
{
    (void)state;
    assert_true(sizeof(struct kio_select) <= sizeof(kio_future) + 24 + 16 * sizeof(void *));
}

/* ---- the budget --------------------------------------------------------------------------- */

/* A leaf that is ready while there is budget, as a receive of a full channel is. */
struct costs {
    KIO_ASYNC_FN(int);
    int polls;
};

static kio_poll costs_poll(kio_future *f, kio_context *cx)
{
    ((struct costs *)f)->polls++;
    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type costs_type = {
    .name = "costs",
    .size = sizeof(struct costs),
    .poll = costs_poll,
};

static void without_budget_a_select_polls_no_arm_and_comes_back(void **state)
{
    struct kio_run run = { .budget = 128, .self = &l.wakeable };
    kio_context cx;

    (void)state;
    kio_context_init(&cx, (kio_waker){ &l.wakeable });
    cx.run = &run;
    for (int i = 0; i <= 128; i++) {
        struct costs a = { .kio = { .type = &costs_type } };
        struct kio_select s = { 0 };
        struct leaf b;

        kio_select_biased(&s, &a, ready(&b, 1));
        if (i < 128) {
            assert_int_equal(kio_future_poll(&s.kio, &cx), KIO_READY);
            assert_int_equal(s.out, 0);
            continue;
        }
        assert_int_equal(kio_future_poll(&s.kio, &cx), KIO_PENDING);
        assert_int_equal(a.polls + b.polls, 0);
        WAKES(1);
        run.budget = 128; /* the task's next poll */
        assert_int_equal(kio_future_poll(&s.kio, &cx), KIO_READY);
        assert_int_equal(s.out, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_ready_arm_is_taken_at_the_first_poll),
        CASE(of_no_arms_the_else_is_taken),
        CASE(of_two_ready_arms_one_is_polled_and_the_other_dropped),
        CASE(a_select_in_the_branch_of_a_select),
        CASE(the_arm_whose_message_is_there_wins),
        CASE(what_the_loser_waited_for_is_still_there),
        CASE(a_disabled_arm_is_not_polled_and_the_other_wakes),
        CASE(a_loop_of_selects_joins),
        CASE(an_arm_that_has_ended_is_not_polled_again),
        CASE(two_channels_are_drained_and_then_the_else_is_taken),
        CASE(biased_takes_the_first_that_is_ready),
        CASE(biased_arms_that_become_ready_later_are_taken_in_order),
        CASE(a_select_has_room_for_sixteen_and_no_more),
        CASE(without_budget_a_select_polls_no_arm_and_comes_back),
        /* last: the wake nodes of an array are pooled from then on */
        cmocka_unit_test_setup(sixteen_arms_are_written_and_more_are_an_array, case_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
