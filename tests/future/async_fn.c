/* Async functions by themselves: no runtime, a little executor. API.md, promises 1 to 5. */
#include "support/little.h"

#include <kioto/combine.h>

#include <stdlib.h>
#include <string.h>

/* ---- a leaf that is ready when it is told ------------------------------------------------- */

struct gate {
    KIO_ASYNC_FN(int);
    bool *open;
    int value;
    kio_waker waker;
};

static int gates_polled, gates_dropped;
static char drop_order[16];

static kio_poll gate_poll(kio_future *f, kio_context *cx)
{
    struct gate *self = (struct gate *)f;

    gates_polled++;
    f->state = f;
    if (!*self->open) {
        kio_waker_drop(self->waker);
        self->waker = kio_waker_clone(cx->waker);
        return KIO_PENDING;
    }
    self->out = self->value;
    kio_finish(f);
    return KIO_READY;
}

static void gate_drop(kio_future *f)
{
    struct gate *self = (struct gate *)f;
    size_t n = strlen(drop_order);

    gates_dropped++;
    if (n + 1 < sizeof drop_order) {
        drop_order[n] = (char)('0' + self->value);
        drop_order[n + 1] = '\0';
    }
    kio_waker_drop(self->waker);
    self->waker.to = NULL;
}

static const kio_future_type gate_type = {
    .name = "gate",
    .size = sizeof(struct gate),
    .poll = gate_poll,
    .drop = gate_drop,
    .out_offset = offsetof(struct gate, out),
    .out_size = sizeof(int),
};

static struct gate *gate(struct gate *slot, bool *open, int value)
{
    kio_vacate_(&slot->kio);
    *slot = (struct gate){ .kio = { .type = &gate_type }, .open = open, .value = value };
    return slot;
}

static int reset(void **state)
{
    (void)state;
    gates_polled = gates_dropped = 0;
    drop_order[0] = '\0';
    return 0;
}

/* ---- results, loops, switch --------------------------------------------------------------- */

struct adder {
    async_fn(int);
    bool *open;
    int n, i, sum;
    struct gate one;
};

static int adders_dropped;

static void adder_drop(struct adder *self)
{
    (void)self;
    adders_dropped++;
}

async(adder, adder_drop)
{
    async_begin;
    for (self->i = 1; self->i <= self->n; self->i++) {
        await(gate(&self->one, self->open, self->i));
        self->sum += self->one.out;
    }
    async_return(self->sum);
}

static void an_await_in_a_loop_resumes_where_it_was(void **state)
{
    struct little l;
    struct adder a = { 0 };
    bool open = false;

    (void)state;
    adders_dropped = 0;
    little_init(&l);
    async_call(&a, adder, .open = &open, .n = 3);
    assert_int_equal(gates_polled, 0); /* nothing before the first poll */
    assert_int_equal(poll_once(&l, &a), KIO_PENDING);
    assert_int_equal(poll_once(&l, &a), KIO_PENDING);
    assert_int_equal(a.i, 1);
    open = true;
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    assert_int_equal(a.out, 6);
    assert_int_equal(gates_dropped, 3);
    assert_int_equal(adders_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

struct switcher {
    async_fn(int);
    bool *open;
    int which;
    struct gate g;
};

async(switcher)
{
    async_begin;
    switch (self->which) {
    case 1:
        await(gate(&self->g, self->open, 10));
        /* fall through */
    case 2:
        await(gate(&self->g, self->open, 20));
        break;
    default:
        async_return(-1);
    }
    async_return(self->g.out + self->which);
}

static void an_await_inside_the_users_switch_works(void **state)
{
    struct little l;
    struct switcher s = { 0 };
    bool open = false;

    (void)state;
    little_init(&l);
    async_call(&s, switcher, .open = &open, .which = 1);
    assert_int_equal(poll_once(&l, &s), KIO_PENDING);
    open = true;
    assert_int_equal(poll_once(&l, &s), KIO_READY);
    assert_int_equal(s.out, 21);
    async_call(&s, switcher, .open = &open, .which = 7);
    assert_int_equal(poll_once(&l, &s), KIO_READY);
    assert_int_equal(s.out, -1);
}

struct results {
    async_fn(void *);
    struct gate g;
};

async(results)
{
    async_begin;
    async_return(self);
}

static void a_result_may_have_any_type(void **state)
{
    struct little l;
    struct results r = { 0 };

    (void)state;
    little_init(&l);
    async_call(&r, results);
    assert_int_equal(poll_once(&l, &r), KIO_READY);
    assert_ptr_equal(r.out, &r);
}

/* ---- dropping ----------------------------------------------------------------------------- */

struct parent {
    async_fn(void);
    bool *open;
    struct gate a, b, c;
};

static int parents_dropped;

static void parent_drop(struct parent *self)
{
    (void)self;
    parents_dropped++;
}

async(parent, parent_drop)
{
    async_begin;
    async_let(gate(&self->a, self->open, 1));
    async_let(gate(&self->b, self->open, 2));
    await(gate(&self->c, self->open, 3));
    async_return();
}

static void children_are_dropped_newest_first_when_the_parent_is_dropped(void **state)
{
    struct little l;
    struct parent p = { 0 };
    bool open = false;

    (void)state;
    parents_dropped = 0;
    little_init(&l);
    async_call(&p, parent, .open = &open);
    assert_int_equal(poll_once(&l, &p), KIO_PENDING);
    kio_drop(&p);
    assert_string_equal(drop_order, "321");
    assert_int_equal(parents_dropped, 1);
    kio_drop(&p); /* twice is once */
    assert_int_equal(parents_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

static void children_are_dropped_when_the_parent_ends(void **state)
{
    struct little l;
    struct parent p = { 0 };
    bool open = false;

    (void)state;
    little_init(&l);
    async_call(&p, parent, .open = &open);
    assert_int_equal(poll_once(&l, &p), KIO_PENDING);
    open = true;
    assert_int_equal(poll_once(&l, &p), KIO_READY);
    assert_string_equal(drop_order, "321");
}

static void one_that_never_started_is_destroyed_too(void **state)
{
    struct parent p = { 0 };
    bool open = false;

    (void)state;
    parents_dropped = 0;
    async_call(&p, parent, .open = &open);
    kio_drop(&p);
    assert_int_equal(parents_dropped, 1);
    assert_int_equal(gates_dropped, 0);
}

static void a_zeroed_slot_is_empty(void **state)
{
    struct parent p = { 0 };

    (void)state;
    parents_dropped = 0;
    kio_drop(&p);
    assert_false(kio_is_live(&p));
    assert_int_equal(parents_dropped, 0);
}

static void what_lived_in_a_slot_is_dropped_when_it_is_used_again(void **state)
{
    struct little l;
    struct parent p = { 0 };
    bool open = false;

    (void)state;
    parents_dropped = 0;
    little_init(&l);
    async_call(&p, parent, .open = &open);
    assert_int_equal(poll_once(&l, &p), KIO_PENDING);
    async_call(&p, parent, .open = &open);
    assert_int_equal(parents_dropped, 1);
    assert_string_equal(drop_order, "321");
    kio_drop(&p);
    assert_int_equal(parents_dropped, 2);
}

/* ---- slots in one place ------------------------------------------------------------------- */

struct turns {
    async_fn(int);
    bool *open, *open_other;
    int first;
    union {
        struct gate gate;
        struct adder adder;
    } at;
};

async(turns)
{
    async_begin;
    await(gate(&self->at.gate, self->open, 5));
    self->first = self->at.gate.out;
    await(async_call(&self->at.adder, adder, .open = self->open_other, .n = 2));
    async_return(10 * self->first + self->at.adder.out);
}

static void slots_that_are_never_live_together_share_a_union(void **state)
{
    struct little l;
    struct turns t = { 0 };
    bool open = false, open_other = false;

    (void)state;
    adders_dropped = 0;
    little_init(&l);
    async_call(&t, turns, .open = &open, .open_other = &open_other);
    assert_int_equal(poll_once(&l, &t), KIO_PENDING);
    open = true;
    assert_int_equal(poll_once(&l, &t), KIO_PENDING);
    assert_string_equal(drop_order, "5"); /* the gate's end; its place is the adder's now */
    open_other = true;
    assert_int_equal(poll_once(&l, &t), KIO_READY);
    assert_int_equal(t.out, 53);
    assert_string_equal(drop_order, "512"); /* each once */
    assert_int_equal(adders_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

static void who_is_dropped_drops_the_one_that_is_live_in_a_union(void **state)
{
    struct little l;
    struct turns t = { 0 };
    bool open = false, open_other = false;

    (void)state;
    adders_dropped = 0;
    little_init(&l);
    async_call(&t, turns, .open = &open, .open_other = &open_other);
    assert_int_equal(poll_once(&l, &t), KIO_PENDING);
    kio_drop(&t);
    assert_string_equal(drop_order, "5");
    async_call(&t, turns, .open = &open, .open_other = &open_other);
    open = true;
    assert_int_equal(poll_once(&l, &t), KIO_PENDING);
    kio_drop(&t);
    assert_int_equal(adders_dropped, 1);
    assert_string_equal(drop_order, "551"); /* the gate's end, and the adder's own gate */
    assert_int_equal(l.clones, l.drops);
}

static void a_live_one_is_dropped_by_another_that_takes_its_place(void **state)
{
    struct little l;
    struct turns t = { 0 };
    bool open = false;

    (void)state;
    adders_dropped = 0;
    little_init(&l);
    gate(&t.at.gate, &open, 7);
    assert_int_equal(poll_once(&l, &t.at.gate), KIO_PENDING);
    async_call(&t.at.adder, adder, .open = &open, .n = 0);
    assert_string_equal(drop_order, "7");
    assert_int_equal(poll_once(&l, &t.at.adder), KIO_READY);
    assert_int_equal(adders_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

/* ---- nested ------------------------------------------------------------------------------- */

struct deep {
    async_fn(int);
    int depth;
    bool *open;
    struct kio_boxed below;
    struct gate g;
};

async(deep)
{
    async_begin;
    if (self->depth == 0) {
        await(gate(&self->g, self->open, 1));
        async_return(self->g.out);
    }
    await(kio_box(&self->below, deep, .depth = self->depth - 1, .open = self->open));
    async_return(self->below.out ? self->below.out : 1 + *kio_boxed_output(&self->below, int));
}

static void recursion_goes_through_boxes(void **state)
{
    struct little l;
    struct deep d = { 0 };
    bool open = false;

    (void)state;
    little_init(&l);
    async_call(&d, deep, .depth = 100, .open = &open);
    assert_int_equal(poll_once(&l, &d), KIO_PENDING);
    assert_int_equal(poll_once(&l, &d), KIO_PENDING);
    open = true;
    assert_int_equal(poll_once(&l, &d), KIO_READY);
    assert_int_equal(d.out, 101);
}

static void a_deep_chain_is_dropped_whole(void **state)
{
    struct little l;
    struct deep d = { 0 };
    bool open = false;

    (void)state;
    little_init(&l);
    async_call(&d, deep, .depth = 100, .open = &open);
    assert_int_equal(poll_once(&l, &d), KIO_PENDING);
    kio_drop(&d);
    assert_int_equal(gates_dropped, 1);
    assert_int_equal(l.clones, l.drops);
}

/* ---- wakers ------------------------------------------------------------------------------- */

static void wakers_of_nothing_do_nothing(void **state)
{
    kio_waker none = { NULL };

    (void)state;
    kio_waker_wake(none);
    kio_waker_wake_by_ref(none);
    kio_waker_drop(none);
    assert_true(kio_waker_will_wake(none, kio_waker_clone(none)));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        T(an_await_in_a_loop_resumes_where_it_was),
        T(an_await_inside_the_users_switch_works),
        T(a_result_may_have_any_type),
        T(children_are_dropped_newest_first_when_the_parent_is_dropped),
        T(children_are_dropped_when_the_parent_ends),
        T(one_that_never_started_is_destroyed_too),
        T(a_zeroed_slot_is_empty),
        T(what_lived_in_a_slot_is_dropped_when_it_is_used_again),
        T(slots_that_are_never_live_together_share_a_union),
        T(who_is_dropped_drops_the_one_that_is_live_in_a_union),
        T(a_live_one_is_dropped_by_another_that_takes_its_place),
        T(recursion_goes_through_boxes),
        T(a_deep_chain_is_dropped_whole),
        T(wakers_of_nothing_do_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
