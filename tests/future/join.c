/* join and try_join: results, wakes, order of polls, sizes. More is in combine.c and fairness.c. */
#include "support/case.h"
#include "support/leaf.h"

#include <kioto/channel.h>
#include <kioto/combine.h>
#include <kioto/sync.h>

#include <errno.h>
#include <string.h>

/* Writes its number each time it is polled; wakes itself, and ends at the fourth turn. */
static char order[64];

struct turns {
    KIO_ASYNC_FN(int);
    char name;
    int left;
};

static kio_poll turns_poll(kio_future *f, kio_context *cx)
{
    struct turns *self = (struct turns *)f;

    f->state = f;
    strncat(order, &self->name, 1);
    if (--self->left) {
        kio_waker_wake_by_ref(cx->waker);
        return KIO_PENDING;
    }
    self->out = 0;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type turns_type = {
    .name = "turns",
    .size = sizeof(struct turns),
    .poll = turns_poll,
    .out_offset = offsetof(struct turns, out),
    .out_size = sizeof(int),
};

static struct turns *turns(struct turns *slot, char name)
{
    *slot = (struct turns){ .kio = { .type = &turns_type }, .name = name, .left = 4 };
    return slot;
}

static struct leaf *ready(struct leaf *slot, int value)
{
    leaf(slot, value)->ready = true;
    return slot;
}

static void ready_ones_give_their_results_at_the_first_poll(void **state)
{
    struct kio_join join = { 0 };
    struct kio_try_join try = { 0 };
    struct leaf a, b;

    (void)state;
    READY(kio_join(&join, ready(&a, 1)));
    assert_int_equal(a.out, 1);
    READY(kio_join_biased(&join, ready(&a, 2)));
    assert_int_equal(a.out, 2);
    READY(kio_join(&join, ready(&a, 1), ready(&b, 2)));
    assert_int_equal(10 * a.out + b.out, 12);
    READY(kio_join_biased(&join, ready(&a, 3), ready(&b, 4)));
    assert_int_equal(10 * a.out + b.out, 34);
    READY(kio_try_join(&try, ready(&a, 1)));
    assert_int_equal(try.out, 0);
    READY(kio_try_join_biased(&try, ready(&a, 2)));
    assert_int_equal(a.out, 2);
    READY(kio_try_join(&try, ready(&a, 1), ready(&b, 2)));
    assert_int_equal(10 * a.out + b.out, 12);
    READY(kio_try_join_biased(&try, ready(&a, 3), ready(&b, 4)));
    assert_int_equal(10 * a.out + b.out, 34);
    assert_int_equal(try.out, 0);
    WAKES(0);
}

static void of_none_they_are_ready(void **state)
{
    struct kio_join join = { 0 };
    struct kio_try_join try = { 0 };

    (void)state;
    READY(kio_join(&join));
    READY(kio_join_biased(&join));
    READY(kio_try_join(&try));
    assert_int_equal(try.out, 0);
    READY(kio_try_join_biased(&try));
    assert_int_equal(try.out, 0);
}

struct values {
    struct kio_oneshot_tx tx1, tx2, tx3;
    struct kio_oneshot_rx rx1, rx2, rx3;
    struct kio_oneshot_recv r1, r2, r3;
    const char *text;
    uint32_t number, never;
};

static void open_values(struct values *v, size_t first_size)
{
    *v = (struct values){ 0 };
    assert_int_equal(kio_oneshot_channel(&v->tx1, &v->rx1, first_size), 0);
    assert_int_equal(kio_oneshot_channel(&v->tx2, &v->rx2, sizeof(uint32_t)), 0);
    assert_int_equal(kio_oneshot_channel(&v->tx3, &v->rx3, sizeof(uint32_t)), 0);
}

static void close_values(struct values *v)
{
    kio_oneshot_tx_drop(&v->tx1);
    kio_oneshot_tx_drop(&v->tx2);
    kio_oneshot_tx_drop(&v->tx3);
    kio_oneshot_rx_drop(&v->rx1);
    kio_oneshot_rx_drop(&v->rx2);
    kio_oneshot_rx_drop(&v->rx3);
}

static const char hello[] = "hello";

static void join_waits_for_two_of_different_types(void **state)
{
    struct kio_join join = { 0 };
    const char *text = hello;
    uint32_t number = 123;
    struct values v;

    (void)state;
    open_values(&v, sizeof v.text);
    PENDING(kio_join(&join, kio_oneshot_recv(&v.r1, &v.rx1, &v.text),
                     kio_oneshot_recv(&v.r2, &v.rx2, &v.number)));
    assert_int_equal(kio_oneshot_send(&v.tx2, &number), 0);
    WAKES(1);
    PENDING(&join);
    assert_int_equal(kio_oneshot_send(&v.tx1, &text), 0);
    WAKES(2);
    READY(&join);
    assert_ptr_equal(v.text, hello);
    assert_int_equal(v.number, 123);
    close_values(&v);
}

static void try_join_waits_for_two_of_different_types(void **state)
{
    struct kio_try_join join = { 0 };
    const char *text = hello;
    uint32_t number = 123;
    struct values v;

    (void)state;
    open_values(&v, sizeof v.text);
    PENDING(kio_try_join(&join, kio_oneshot_recv(&v.r1, &v.rx1, &v.text),
                         kio_oneshot_recv(&v.r2, &v.rx2, &v.number)));
    assert_int_equal(kio_oneshot_send(&v.tx2, &number), 0);
    WAKES(1);
    PENDING(&join);
    assert_int_equal(kio_oneshot_send(&v.tx1, &text), 0);
    WAKES(2);
    READY(&join);
    assert_int_equal(join.out, 0);
    assert_ptr_equal(v.text, hello);
    assert_int_equal(v.number, 123);
    close_values(&v);
}

/* A receive as a function that fails when the sender went. */
struct must_get {
    async_fn(int);
    struct kio_oneshot_rx *rx;
    uint32_t *value;
    struct kio_oneshot_recv recv;
};

async(must_get)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, self->rx, self->value));
    async_return(self->recv.out ? 0 : -EPIPE);
}

static void try_join_ends_early_with_the_error_and_leaves_the_rest(void **state)
{
    struct must_get a = { 0 }, b = { 0 }, c = { 0 };
    struct kio_try_join join = { 0 };
    uint32_t number = 123;
    struct values v;

    (void)state;
    open_values(&v, sizeof v.never);
    async_call(&a, must_get, .rx = &v.rx1, .value = &v.never);
    async_call(&b, must_get, .rx = &v.rx2, .value = &v.number);
    async_call(&c, must_get, .rx = &v.rx3, .value = &v.never);
    PENDING(kio_try_join(&join, &a, &b, &c));
    assert_int_equal(kio_oneshot_send(&v.tx2, &number), 0);
    WAKES(1);
    PENDING(&join);
    kio_oneshot_tx_drop(&v.tx1);
    WAKES(2);
    READY(&join);
    assert_int_equal(join.out, -EPIPE);
    assert_int_equal(v.number, 123);
    assert_false(kio_is_live(&c));
    close_values(&v);
}

static void each_poll_begins_with_the_next_one(void **state)
{
    struct kio_join join = { 0 };
    struct kio_try_join try = { 0 };
    struct turns a, b, c;

    (void)state;
    order[0] = 0;
    kio_join(&join, turns(&a, '1'), turns(&b, '2'), turns(&c, '3'));
    assert_int_equal(run_until_stalled(&l, &join), KIO_READY);
    assert_string_equal(order, "123231312123");
    order[0] = 0;
    kio_try_join(&try, turns(&a, '1'), turns(&b, '2'), turns(&c, '3'));
    assert_int_equal(run_until_stalled(&l, &try), KIO_READY);
    assert_string_equal(order, "123231312123");
}

static void biased_each_poll_is_in_the_order_written(void **state)
{
    struct kio_join join = { 0 };
    struct kio_try_join try = { 0 };
    struct turns a, b, c;

    (void)state;
    order[0] = 0;
    kio_join_biased(&join, turns(&a, '1'), turns(&b, '2'), turns(&c, '3'));
    assert_int_equal(run_until_stalled(&l, &join), KIO_READY);
    assert_string_equal(order, "123123123123");
    order[0] = 0;
    kio_try_join_biased(&try, turns(&a, '1'), turns(&b, '2'), turns(&c, '3'));
    assert_int_equal(run_until_stalled(&l, &try), KIO_READY);
    assert_string_equal(order, "123123123123");
}

/* Its size does not follow that of the futures, which lie elsewhere: 40 bytes of a future, eight of
 * counts, 16 pointers. */
static void a_join_has_room_for_sixteen_and_no_more(void **state)
{
    (void)state;
    assert_true(sizeof(struct kio_join) <= sizeof(kio_future) + 16 + 16 * sizeof(void *));
    assert_true(sizeof(struct kio_try_join) <= sizeof(kio_future) + 16 + 16 * sizeof(void *));
}

static void sixteen_are_joined(void **state)
{
    static struct leaf m[16];
    struct kio_join join = { 0 };

    (void)state;
    leaves(m, 16);
    PENDING(kio_join(&join, &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &m[6], &m[7], &m[8], &m[9],
                     &m[10], &m[11], &m[12], &m[13], &m[14], &m[15]));
    for (int i = 0; i < 16; i++)
        leaf_tell(&m[i]);
    READY(&join);
    assert_int_equal(leaves_drops(m, 16), 16);
}

static void the_callers_names_are_not_taken(void **state)
{
    struct kio_join join = { 0 };
    struct leaf a;
    const int arms = 2, slot = 3, COUNT = 4;

    (void)state;
    READY(kio_join(&join, ready(&a, COUNT)));
    assert_int_equal(a.out, COUNT);
    assert_int_equal(arms + slot, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ready_ones_give_their_results_at_the_first_poll),
        CASE(of_none_they_are_ready),
        CASE(join_waits_for_two_of_different_types),
        CASE(try_join_waits_for_two_of_different_types),
        CASE(try_join_ends_early_with_the_error_and_leaves_the_rest),
        CASE(each_poll_begins_with_the_next_one),
        CASE(biased_each_poll_is_in_the_order_written),
        CASE(a_join_has_room_for_sixteen_and_no_more),
        CASE(sixteen_are_joined),
        CASE(the_callers_names_are_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
