/* Typed handles of every kind of channel, used by the same names as the others. What must not compile
 * is in tests/compile_fail. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/broadcast.h>
#include <kioto/channel.h>
#include <kioto/watch.h>

#include <errno.h>

struct point {
    double x, y;
};

kio_channel_type(points, struct point);
kio_oneshot_type(answer, struct point);
kio_watch_type(place, struct point);
kio_broadcast_type(news, struct point);

static struct little l;
static long before;

static int setup(void **state)
{
    (void)state;
    little_init(&l);
    before = ki_mem_alive();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return ki_mem_alive() == before && l.clones == l.drops ? 0 : -1;
}

#define READY(fut) assert_int_equal(poll_once(&l, fut), KIO_READY)

static void typed_handles_are_as_large_as_the_others(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct points_tx), sizeof(void *));
    assert_int_equal(sizeof(struct points_reserved), sizeof(struct kio_reserved));
    assert_int_equal(sizeof(struct answer_rx), sizeof(void *));
    assert_int_equal(sizeof(struct place_rx), sizeof(struct kio_watch_rx));
    assert_int_equal(sizeof(struct news_rx), sizeof(struct kio_broadcast_rx));
}

static void a_typed_mpsc_channel_does_everything(void **state)
{
    static struct points_tx tx, copy;
    static struct points_rx rx;
    static struct points_weak_tx weak;
    static struct points_permit permit;
    static struct points_reserved permits;
    static struct points_owned_permit owned;
    static struct kio_send send;
    static struct kio_recv recv;
    static struct kio_recv_many recv_many;
    static struct kio_reserve reserve;
    static struct kio_reserve_many many;
    static struct kio_reserve_owned reserve_owned;
    static struct kio_tx_closed closed;
    static struct point in = { 1, 2 }, out[8];

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(struct point), 8), 0);
    READY(kio_send(&send, &tx, &in));
    READY(kio_reserve(&reserve, &tx, &permit));
    assert_int_equal(kio_permit_send(&permit, &in), 0);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_permit_drop(&permit);
    READY(kio_reserve_many(&many, &tx, 2, &permits));
    assert_true(kio_reserved_next(&permits, &permit));
    assert_int_equal(kio_permit_send(&permit, &in), 0);
    kio_reserved_drop(&permits);
    assert_int_equal(kio_try_reserve_many(&tx, 3, &permits), 0);
    assert_int_equal(permits.count, 3);
    kio_reserved_drop(&permits);
    READY(kio_reserve_owned(&reserve_owned, &tx, &owned));
    assert_int_equal(kio_owned_permit_send(&owned, &in, &tx), 0);
    assert_int_equal(kio_try_reserve_owned(&tx, &owned), 0);
    kio_owned_permit_release(&owned, &tx);
    assert_int_equal(kio_blocking_send(&tx, &in), 0);
    weak = kio_tx_downgrade(&tx);
    assert_int_equal(kio_tx_upgrade(&weak, &copy), 0);
    assert_true(kio_tx_same(&tx, &copy));
    assert_int_equal(kio_tx_strong_count(&rx), 2);
    assert_int_equal(kio_tx_weak_count(&rx), 1);
    kio_tx_drop(&copy);
    kio_weak_tx_drop(&weak);
    assert_int_equal(kio_rx_len(&rx), 5);
    READY(kio_recv(&recv, &rx, &out[0]));
    assert_int_equal(kio_try_recv(&rx, &out[1]), 1);
    assert_int_equal(kio_blocking_recv(&rx, &out[2]), 1);
    READY(kio_recv_many(&recv_many, &rx, &out[3], 1));
    assert_int_equal(kio_blocking_recv_many(&rx, &out[4], 4), 1);
    for (int i = 0; i < 5; i++)
        assert_true(out[i].x == 1 && out[i].y == 2);
    kio_rx_close(&rx);
    READY(kio_tx_closed(&closed, &tx));
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(struct point)), 0);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
}

static void a_typed_oneshot_does_everything(void **state)
{
    static struct answer_tx tx;
    static struct answer_rx rx;
    static struct kio_oneshot_recv recv;
    static struct kio_oneshot_closed closed;
    static struct point in = { 1, 2 }, out;

    (void)state;
    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof(struct point)), 0);
    assert_false(kio_oneshot_is_closed(&tx));
    assert_int_equal(kio_oneshot_try_recv(&rx, &out), -EAGAIN);
    assert_int_equal(kio_oneshot_send(&tx, &in), 0);
    assert_false(kio_oneshot_is_empty(&rx));
    READY(kio_oneshot_recv(&recv, &rx, &out));
    assert_true(out.y == 2);
    assert_true(kio_oneshot_is_terminated(&rx));
    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof(struct point)), 0);
    kio_oneshot_rx_close(&rx);
    READY(kio_oneshot_closed(&closed, &tx));
    kio_oneshot_tx_drop(&tx);
    assert_int_equal(kio_oneshot_blocking_recv(&rx, &out), 0);
    kio_oneshot_rx_drop(&rx);
}

static void move(void *value, void *arg)
{
    ((struct point *)value)->x += *(double *)arg;
}

static bool is_far(const void *value, void *arg)
{
    (void)arg;
    return ((const struct point *)value)->x > 5;
}

static void a_typed_watch_does_everything(void **state)
{
    static struct place_tx tx, tx2;
    static struct place_rx rx, rx2;
    static struct kio_watch_changed changed;
    static struct kio_watch_wait_for wait_for;
    static struct point at = { 1, 2 }, out;
    double by = 9;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof(struct point), &at), 0);
    tx2 = kio_watch_tx_clone(&tx);
    rx2 = kio_watch_subscribe(&tx);
    assert_int_equal(kio_watch_send(&tx2, &at), 0);
    READY(kio_watch_changed(&changed, &rx));
    kio_watch_get(&rx, &out);
    kio_watch_peek(&tx, &out);
    assert_true(out.x == 1);
    kio_watch_send_modify(&tx, move, &by);
    READY(kio_watch_wait_for(&wait_for, &rx2, is_far, NULL, &out));
    assert_true(out.x == 10);
    kio_watch_send_replace(&tx, &at, &out);
    assert_true(out.x == 10);
    assert_true(kio_watch_same_channel(&rx, &tx2));
    kio_watch_tx_drop(&tx);
    kio_watch_tx_drop(&tx2);
    kio_watch_rx_drop(&rx);
    kio_watch_rx_drop(&rx2);
}

static void a_typed_broadcast_does_everything(void **state)
{
    static struct news_tx tx, tx2;
    static struct news_rx rx, rx2, rx3;
    static struct news_weak_tx weak;
    static struct kio_broadcast_recv recv;
    static struct point in = { 1, 2 }, out;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &rx, sizeof(struct point), 4), 0);
    rx2 = kio_broadcast_subscribe(&tx);
    rx3 = kio_broadcast_resubscribe(&rx2);
    weak = kio_broadcast_downgrade(&tx);
    assert_int_equal(kio_broadcast_upgrade(&weak, &tx2), 0);
    assert_int_equal(kio_broadcast_send(&tx2, &in), 3);
    READY(kio_broadcast_recv(&recv, &rx, &out));
    assert_int_equal(kio_broadcast_try_recv(&rx2, &out, NULL), 1);
    assert_int_equal(kio_broadcast_blocking_recv(&rx3, &out, NULL), 1);
    assert_true(out.y == 2);
    kio_broadcast_tx_drop(&tx);
    kio_broadcast_tx_drop(&tx2);
    kio_broadcast_weak_tx_drop(&weak);
    kio_broadcast_rx_drop(&rx);
    kio_broadcast_rx_drop(&rx2);
    kio_broadcast_rx_drop(&rx3);
}

/* A size that only the run time knows is not checked when it compiles, and may be right. */
static void the_size_may_be_known_at_run_time_only(void **state)
{
    struct points_tx tx;
    struct points_rx rx;
    volatile size_t size = sizeof(struct point);

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, size, 1), 0);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
}

/* The first blocking call leaves a waker that later ones use again. */
static int block_once(void **state)
{
    struct answer_tx tx;
    struct answer_rx rx;
    struct point out;

    (void)state;
    if (kio_oneshot_channel(&tx, &rx, sizeof(struct point)))
        return -1;
    kio_oneshot_tx_drop(&tx);
    return kio_oneshot_blocking_recv(&rx, &out);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(typed_handles_are_as_large_as_the_others),
        T(a_typed_mpsc_channel_does_everything),
        T(a_typed_oneshot_does_everything),
        T(a_typed_watch_does_everything),
        T(a_typed_broadcast_does_everything),
        T(the_size_may_be_known_at_run_time_only),
    };

    return cmocka_run_group_tests(tests, block_once, NULL);
}
