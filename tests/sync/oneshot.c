/* oneshot under a little executor. SEMANTICS.md, oneshot; TOKIO.md O clauses. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/channel.h>

#include <errno.h>

static struct kio_oneshot_tx tx;
static struct kio_oneshot_rx rx;
static struct kio_oneshot_recv recv_slot;
static struct little l;
static int value;
static long before;

static int open_channel(void **state)
{
    (void)state;
    little_init(&l);
    value = -1;
    before = ki_mem_alive();
    return kio_oneshot_channel(&tx, &rx, sizeof(int));
}

static int close_channel(void **state)
{
    (void)state;
    kio_drop(&recv_slot);
    kio_oneshot_tx_drop(&tx);
    kio_oneshot_rx_drop(&rx);
    return ki_mem_alive() == before && l.clones == l.drops ? 0 : -1;
}

static void send(int v, int expected)
{
    assert_int_equal(kio_oneshot_send(&tx, &v), expected);
}

static void a_value_sent_before_is_received_at_once(void **state)
{
    (void)state;
    send(5, 0);
    kio_oneshot_recv(&recv_slot, &rx, &value);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_READY);
    assert_int_equal(recv_slot.out, 1);
    assert_int_equal(value, 5);
}

static void a_waiting_receive_is_woken_by_the_send(void **state)
{
    (void)state;
    kio_oneshot_recv(&recv_slot, &rx, &value);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_PENDING);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_PENDING); /* without a wake */
    send(6, 0);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_READY);
    assert_int_equal(value, 6);
}

static void a_sender_dropped_without_sending_gives_zero(void **state)
{
    (void)state;
    kio_oneshot_recv(&recv_slot, &rx, &value);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_PENDING);
    kio_oneshot_tx_drop(&tx);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_READY);
    assert_int_equal(recv_slot.out, 0);
    assert_int_equal(value, -1);
}

static void a_send_to_nobody_fails(void **state)
{
    (void)state;
    assert_false(kio_oneshot_is_closed(&tx));
    kio_oneshot_rx_drop(&rx);
    assert_true(kio_oneshot_is_closed(&tx));
    send(1, -EPIPE);
}

static void close_refuses_sends_and_keeps_what_was_sent(void **state)
{
    (void)state;
    send(3, 0);
    kio_oneshot_rx_close(&rx);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 1);
    assert_int_equal(value, 3);
}

static void after_close_a_send_fails_and_receive_gives_zero(void **state)
{
    (void)state;
    kio_oneshot_rx_close(&rx);
    send(3, -EPIPE);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 0);
}

static void try_recv_says_not_yet(void **state)
{
    (void)state;
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), -EAGAIN);
}

static void closed_wakes_the_sender(void **state)
{
    struct kio_oneshot_closed closed = { 0 };

    (void)state;
    kio_oneshot_closed(&closed, &tx);
    assert_int_equal(poll_once(&l, &closed), KIO_PENDING);
    kio_oneshot_rx_drop(&rx);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &closed), KIO_READY);
}

static void a_dropped_receive_loses_nothing(void **state)
{
    (void)state;
    kio_oneshot_recv(&recv_slot, &rx, &value);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_PENDING);
    send(9, 0);
    kio_drop(&recv_slot);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 1);
    assert_int_equal(value, 9);
}

static int destroyed;

static void destroy(void *message)
{
    destroyed += *(int *)message;
}

static void a_value_nobody_took_is_destroyed(void **state)
{
    (void)state;
    destroyed = 0;
    kio_oneshot_on_drop(&rx, destroy);
    send(4, 0);
    kio_oneshot_rx_drop(&rx);
    assert_int_equal(destroyed, 4);
}

static void no_memory_is_an_error(void **state)
{
    struct kio_oneshot_tx t;
    struct kio_oneshot_rx r;

    (void)state;
    ki_mem_fail_at(1);
    assert_int_equal(kio_oneshot_channel(&t, &r, 8), -ENOMEM);
    kio_oneshot_tx_drop(&t);
    kio_oneshot_rx_drop(&r);
}

/* ---- two tasks ---------------------------------------------------------------------------- */

static void the_task_that_polled_last_is_woken_and_the_other_let_go(void **state)
{
    struct little other;

    (void)state;
    little_init(&other);
    kio_oneshot_recv(&recv_slot, &rx, &value);
    assert_int_equal(poll_once(&other, &recv_slot), KIO_PENDING);
    assert_int_equal(other.clones - other.drops, 1);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_PENDING);
    assert_int_equal(other.clones - other.drops, 0);
    assert_int_equal(l.clones - l.drops, 1);
    send(1, 0);
    assert_int_equal(other.wakes, 0);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_READY);
    assert_int_equal(value, 1);
}

static void the_sender_that_polled_closed_last_is_woken_and_the_other_let_go(void **state)
{
    struct kio_oneshot_closed closed = { 0 };
    struct little other;

    (void)state;
    little_init(&other);
    kio_oneshot_closed(&closed, &tx);
    assert_int_equal(poll_once(&other, &closed), KIO_PENDING);
    assert_int_equal(other.clones - other.drops, 1);
    assert_int_equal(poll_once(&l, &closed), KIO_PENDING);
    assert_int_equal(other.clones - other.drops, 0);
    kio_oneshot_rx_drop(&rx);
    assert_int_equal(other.wakes, 0);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &closed), KIO_READY);
}

static void both_ends_that_go_give_their_wakers_back(void **state)
{
    struct kio_oneshot_closed closed = { 0 };
    struct little sender;

    (void)state;
    little_init(&sender);
    assert_int_equal(poll_once(&sender, kio_oneshot_closed(&closed, &tx)), KIO_PENDING);
    assert_int_equal(poll_once(&l, kio_oneshot_recv(&recv_slot, &rx, &value)), KIO_PENDING);
    kio_drop(&closed);
    kio_oneshot_tx_drop(&tx);
    kio_oneshot_rx_drop(&rx);
    assert_int_equal(sender.clones, sender.drops);
    assert_int_equal(l.clones, l.drops);
}

/* ---- closed, by the receiver -------------------------------------------------------------- */

static void close_wakes_the_sender_and_the_receive_that_waits(void **state)
{
    struct kio_oneshot_closed closed = { 0 };
    struct little sender;

    (void)state;
    little_init(&sender);
    assert_int_equal(poll_once(&sender, kio_oneshot_closed(&closed, &tx)), KIO_PENDING);
    assert_int_equal(poll_once(&l, kio_oneshot_recv(&recv_slot, &rx, &value)), KIO_PENDING);
    kio_oneshot_rx_close(&rx);
    assert_int_equal(sender.wakes, 1);
    assert_int_equal(l.wakes, 1);
    assert_true(kio_oneshot_is_closed(&tx));
    assert_int_equal(poll_once(&sender, &closed), KIO_READY);
    assert_int_equal(sender.clones, sender.drops);
    send(1, -EPIPE);
    assert_int_equal(poll_once(&l, &recv_slot), KIO_READY);
    assert_int_equal(recv_slot.out, 0);
}

static void after_close_without_a_send_the_receive_gives_zero(void **state)
{
    (void)state;
    kio_oneshot_rx_close(&rx);
    assert_int_equal(poll_once(&l, kio_oneshot_recv(&recv_slot, &rx, &value)), KIO_READY);
    assert_int_equal(recv_slot.out, 0);
    assert_int_equal(value, -1);
}

/* ---- used up ------------------------------------------------------------------------------ */

static void a_receiver_that_is_used_up_says_the_end_and_can_be_closed(void **state)
{
    (void)state;
    send(17, 0);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 1);
    assert_int_equal(value, 17);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 0);
    kio_oneshot_rx_close(&rx);
}

static void a_receiver_used_up_by_a_receive_says_the_end_too(void **state)
{
    (void)state;
    send(17, 0);
    assert_int_equal(poll_once(&l, kio_oneshot_recv(&recv_slot, &rx, &value)), KIO_READY);
    assert_int_equal(value, 17);
    assert_int_equal(kio_oneshot_try_recv(&rx, &value), 0);
    kio_oneshot_rx_close(&rx);
}

/* How a message or its absence comes about, and how it is received: what the receiver tells before,
 * between and after. */
static void tells(void (*comes)(void), bool by_try, bool full)
{
    assert_false(kio_oneshot_is_terminated(&rx));
    assert_true(kio_oneshot_is_empty(&rx));
    comes();
    assert_false(kio_oneshot_is_terminated(&rx));
    assert_int_equal(kio_oneshot_is_empty(&rx), !full);
    if (by_try) {
        assert_int_equal(kio_oneshot_try_recv(&rx, &value), full);
    } else {
        assert_int_equal(poll_once(&l, kio_oneshot_recv(&recv_slot, &rx, &value)), KIO_READY);
        assert_int_equal(recv_slot.out, full);
    }
    assert_true(kio_oneshot_is_terminated(&rx));
    assert_true(kio_oneshot_is_empty(&rx));
}

static void by_send(void)
{
    send(17, 0);
}

static void by_drop(void)
{
    kio_oneshot_tx_drop(&tx);
}

static void by_close(void)
{
    kio_oneshot_rx_close(&rx);
}

static void is_empty_and_is_terminated_around_a_send_and_a_receive(void **state)
{
    (void)state;
    tells(by_send, false, true);
}

static void is_empty_and_is_terminated_around_a_send_and_a_try_recv(void **state)
{
    (void)state;
    tells(by_send, true, true);
}

static void is_empty_and_is_terminated_around_a_sender_that_goes(void **state)
{
    (void)state;
    tells(by_drop, false, false);
}

static void is_empty_and_is_terminated_around_a_close(void **state)
{
    (void)state;
    tells(by_close, false, false);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, open_channel, close_channel)
    const struct CMUnitTest tests[] = {
        T(a_value_sent_before_is_received_at_once),
        T(a_waiting_receive_is_woken_by_the_send),
        T(a_sender_dropped_without_sending_gives_zero),
        T(a_send_to_nobody_fails),
        T(close_refuses_sends_and_keeps_what_was_sent),
        T(after_close_a_send_fails_and_receive_gives_zero),
        T(try_recv_says_not_yet),
        T(closed_wakes_the_sender),
        T(a_dropped_receive_loses_nothing),
        T(a_value_nobody_took_is_destroyed),
        T(no_memory_is_an_error),
        T(the_task_that_polled_last_is_woken_and_the_other_let_go),
        T(the_sender_that_polled_closed_last_is_woken_and_the_other_let_go),
        T(both_ends_that_go_give_their_wakers_back),
        T(close_wakes_the_sender_and_the_receive_that_waits),
        T(after_close_without_a_send_the_receive_gives_zero),
        T(a_receiver_that_is_used_up_says_the_end_and_can_be_closed),
        T(a_receiver_used_up_by_a_receive_says_the_end_too),
        T(is_empty_and_is_terminated_around_a_send_and_a_receive),
        T(is_empty_and_is_terminated_around_a_send_and_a_try_recv),
        T(is_empty_and_is_terminated_around_a_sender_that_goes),
        T(is_empty_and_is_terminated_around_a_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
