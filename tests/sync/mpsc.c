/* mpsc under a little executor: no runtime. SEMANTICS.md, mpsc; TOKIO.md M clauses. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/channel.h>
#include <kioto/combine.h>

#include <errno.h>
#include <stdlib.h>

static struct kio_tx tx;
static struct kio_rx rx;
static struct little l;
static long blocks_before;

static void open_channel(size_t capacity)
{
    little_init(&l);
    blocks_before = ki_mem_alive();
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), capacity), 0);
}

static void close_channel(void)
{
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(ki_mem_alive(), blocks_before);
}

static void send_now(int value)
{
    assert_int_equal(kio_try_send(&tx, &value), 0);
}

static int recv_now(void)
{
    int value = -1;

    assert_int_equal(kio_try_recv(&rx, &value), 1);
    return value;
}

static void messages_arrive_in_order(void **state)
{
    (void)state;
    open_channel(3);
    for (int round = 0; round < 5; round++) {
        send_now(1);
        send_now(2);
        send_now(3);
        assert_int_equal(kio_rx_len(&rx), 3);
        assert_int_equal(recv_now(), 1);
        assert_int_equal(recv_now(), 2);
        assert_int_equal(recv_now(), 3);
    }
    close_channel();
}

static void no_capacity_and_no_memory_are_errors(void **state)
{
    struct kio_tx t;
    struct kio_rx r;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&t, &r, sizeof(int), 0), -EINVAL);
    assert_null(t.chan);
    assert_int_equal(kio_mpsc_channel(&t, &r, SIZE_MAX / 2, 3), -ENOMEM);
    ki_mem_fail_at(1);
    assert_int_equal(kio_mpsc_channel(&t, &r, 4, 3), -ENOMEM);
    kio_tx_drop(&t);
    kio_rx_drop(&r);
}

static void try_says_full_closed_and_empty(void **state)
{
    int value = 7;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_try_recv(&rx, &value), -EAGAIN);
    send_now(1);
    assert_int_equal(kio_try_send(&tx, &value), -EAGAIN);
    assert_int_equal(kio_tx_capacity(&tx), 0);
    assert_int_equal(kio_tx_max_capacity(&tx), 1);
    kio_rx_close(&rx);
    assert_true(kio_tx_is_closed(&tx));
    assert_int_equal(kio_try_send(&tx, &value), -EPIPE);
    assert_int_equal(recv_now(), 1);
    assert_int_equal(kio_try_recv(&rx, &value), 0);
    close_channel();
}

static void a_waiting_receive_is_woken_once_by_a_send(void **state)
{
    struct kio_recv recv = { 0 };
    static int value;

    (void)state;
    open_channel(4);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_PENDING);
    send_now(5);
    send_now(6);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 1);
    assert_int_equal(value, 5);
    assert_int_equal(l.clones, l.drops);
    close_channel();
}

static void the_last_sender_closes_and_what_is_queued_drains(void **state)
{
    struct kio_recv recv = { 0 };
    struct kio_tx other;
    static int value;

    (void)state;
    open_channel(4);
    other = kio_tx_clone(&tx);
    send_now(1);
    kio_tx_drop(&tx);
    assert_int_equal(recv_now(), 1);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_PENDING);
    kio_tx_drop(&other);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 0);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 0); /* for ever */
    close_channel();
}

static void a_receiver_that_goes_wakes_every_sender_with_epipe(void **state)
{
    static int values[3] = { 1, 2, 3 };
    struct kio_send sends[3] = { 0 };

    (void)state;
    open_channel(1);
    send_now(0);
    for (int i = 0; i < 3; i++) {
        kio_send(&sends[i], &tx, &values[i]);
        assert_int_equal(poll_once(&l, &sends[i]), KIO_PENDING);
    }
    kio_rx_drop(&rx);
    assert_int_equal(l.wakes, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll_once(&l, &sends[i]), KIO_READY);
        assert_int_equal(sends[i].out, -EPIPE);
    }
    close_channel();
}

static void room_goes_to_waiting_senders_first_come_first_served(void **state)
{
    static int values[3] = { 1, 2, 3 };
    struct kio_send sends[3] = { 0 };
    int barger = 9;

    (void)state;
    open_channel(1);
    send_now(0);
    for (int i = 0; i < 3; i++) {
        kio_send(&sends[i], &tx, &values[i]);
        assert_int_equal(poll_once(&l, &sends[i]), KIO_PENDING);
    }
    assert_int_equal(recv_now(), 0);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(kio_try_send(&tx, &barger), -EAGAIN); /* nobody overtakes */
    assert_int_equal(poll_once(&l, &sends[1]), KIO_PENDING);
    assert_int_equal(poll_once(&l, &sends[0]), KIO_READY);
    assert_int_equal(recv_now(), 1);
    assert_int_equal(poll_once(&l, &sends[1]), KIO_READY);
    assert_int_equal(recv_now(), 2);
    assert_int_equal(poll_once(&l, &sends[2]), KIO_READY);
    assert_int_equal(recv_now(), 3);
    close_channel();
}

static void a_dropped_send_did_not_send_and_its_place_goes_on(void **state)
{
    static int values[2] = { 1, 2 };
    struct kio_send sends[2] = { 0 };

    (void)state;
    open_channel(1);
    send_now(0);
    for (int i = 0; i < 2; i++) {
        kio_send(&sends[i], &tx, &values[i]);
        assert_int_equal(poll_once(&l, &sends[i]), KIO_PENDING);
    }
    assert_int_equal(recv_now(), 0); /* the place is promised to the first */
    kio_drop(&sends[0]);             /* which is dropped before it takes it */
    assert_int_equal(l.wakes, 2);
    assert_int_equal(poll_once(&l, &sends[1]), KIO_READY);
    assert_int_equal(recv_now(), 2);
    assert_int_equal(kio_rx_len(&rx), 0);
    assert_int_equal(l.clones, l.drops);
    close_channel();
}

static void a_dropped_receive_took_nothing(void **state)
{
    struct kio_recv recv = { 0 };
    static int value = -1;

    (void)state;
    open_channel(4);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_PENDING);
    send_now(8);
    kio_drop(&recv);
    assert_int_equal(value, -1);
    assert_int_equal(recv_now(), 8);
    assert_int_equal(l.clones, l.drops);
    close_channel();
}

static void a_permit_holds_room_and_sends_later(void **state)
{
    struct kio_permit permit, other;
    int value = 4;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    assert_int_equal(kio_try_send(&tx, &value), -EAGAIN);
    assert_int_equal(kio_try_reserve(&tx, &other), -EAGAIN);
    assert_int_equal(kio_permit_send(&permit, &value), 0);
    assert_int_equal(recv_now(), 4);
    kio_permit_drop(&permit); /* used up: nothing to give back */
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_permit_drop(&permit);
    send_now(5);
    assert_int_equal(recv_now(), 5);
    close_channel();
}

static void a_closed_channel_ends_only_after_its_permits(void **state)
{
    struct kio_recv recv = { 0 };
    struct kio_permit permit;
    static int value = 6;

    (void)state;
    open_channel(2);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_rx_close(&rx);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_PENDING);
    assert_int_equal(kio_permit_send(&permit, &value), 0);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 1);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 0);
    close_channel();
}

static void a_permit_given_back_ends_a_closed_channel(void **state)
{
    struct kio_recv recv = { 0 };
    struct kio_permit permit;
    static int value;

    (void)state;
    open_channel(2);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_rx_close(&rx);
    kio_recv(&recv, &rx, &value);
    assert_int_equal(poll_once(&l, &recv), KIO_PENDING);
    kio_permit_drop(&permit);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &recv), KIO_READY);
    assert_int_equal(recv.out, 0);
    close_channel();
}

static void a_permit_may_outlive_everything(void **state)
{
    struct kio_permit permit;
    int value = 1;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(kio_permit_send(&permit, &value), -EPIPE);
    close_channel();
}

static void reserve_waits_its_turn(void **state)
{
    struct kio_reserve reserve = { 0 };
    static struct kio_permit permit;
    int value = 3;

    (void)state;
    open_channel(1);
    send_now(0);
    kio_reserve(&reserve, &tx, &permit);
    assert_int_equal(poll_once(&l, &reserve), KIO_PENDING);
    assert_int_equal(recv_now(), 0);
    assert_int_equal(poll_once(&l, &reserve), KIO_READY);
    assert_int_equal(reserve.out, 0);
    assert_int_equal(kio_permit_send(&permit, &value), 0);
    assert_int_equal(recv_now(), 3);
    close_channel();
}

static void closed_is_ready_when_the_receiver_goes(void **state)
{
    struct kio_tx_closed a = { 0 }, b = { 0 };

    (void)state;
    open_channel(1);
    kio_tx_closed(&a, &tx);
    kio_tx_closed(&b, &tx);
    assert_int_equal(poll_once(&l, &a), KIO_PENDING);
    assert_int_equal(poll_once(&l, &b), KIO_PENDING);
    kio_drop(&b);
    kio_rx_drop(&rx);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    close_channel();
}

static void weak_senders_do_not_keep_it_open(void **state)
{
    struct kio_weak_tx weak;
    struct kio_tx again;
    int value;

    (void)state;
    open_channel(1);
    weak = kio_tx_downgrade(&tx);
    assert_int_equal(kio_tx_upgrade(&weak, &again), 0);
    kio_tx_drop(&again);
    kio_tx_drop(&tx);
    assert_int_equal(kio_try_recv(&rx, &value), 0);
    assert_int_equal(kio_tx_upgrade(&weak, &again), -EPIPE);
    kio_weak_tx_drop(&weak);
    close_channel();
}

static void recv_many_takes_what_is_there(void **state)
{
    struct kio_recv_many many = { 0 };
    static int values[10];

    (void)state;
    open_channel(10);
    kio_recv_many(&many, &rx, values, 4);
    assert_int_equal(poll_once(&l, &many), KIO_PENDING);
    for (int i = 0; i < 6; i++)
        send_now(i);
    assert_int_equal(poll_once(&l, &many), KIO_READY);
    assert_int_equal(many.out, 4);
    assert_int_equal(values[3], 3);
    kio_recv_many(&many, &rx, values, 10);
    assert_int_equal(poll_once(&l, &many), KIO_READY);
    assert_int_equal(many.out, 2);
    kio_tx_drop(&tx);
    kio_recv_many(&many, &rx, values, 10);
    assert_int_equal(poll_once(&l, &many), KIO_READY);
    assert_int_equal(many.out, 0);
    close_channel();
}

static int destroyed;

static void count_destroyed(void *message)
{
    destroyed += *(int *)message;
}

static void messages_that_nobody_received_are_destroyed(void **state)
{
    (void)state;
    destroyed = 0;
    open_channel(4);
    kio_rx_on_drop(&rx, count_destroyed);
    send_now(1);
    send_now(10);
    send_now(100);
    assert_int_equal(recv_now(), 1);
    kio_rx_drop(&rx);
    assert_int_equal(destroyed, 110);
    close_channel();
}

static void an_unbounded_channel_frees_its_memory_as_it_drains(void **state)
{
    long before = ki_mem_alive();
    int value;

    (void)state;
    little_init(&l);
    assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int)), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100000; i++)
            assert_int_equal(kio_try_send(&tx, &i), 0);
        assert_true(ki_mem_alive() > before + 100);
        for (int i = 0; i < 100000; i++) {
            assert_int_equal(kio_try_recv(&rx, &value), 1);
            assert_int_equal(value, i);
        }
        assert_in_range(ki_mem_alive(), before, before + 2); /* the channel, one spare block */
    }
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(ki_mem_alive(), before);
}

static void an_unbounded_send_without_memory_loses_nothing(void **state)
{
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int)), 0);
    ki_mem_fail_at(1);
    assert_int_equal(kio_try_send(&tx, &value), -ENOMEM);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    assert_int_equal(kio_rx_len(&rx), 1);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
}

kio_channel_type(number, double);

static void typed_handles_carry_their_type(void **state)
{
    struct number_tx t;
    struct number_rx r;
    double value = 2.5;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&t, &r, sizeof(double), 2), 0);
    assert_int_equal(kio_try_send(&t, &value), 0);
    value = 0;
    assert_int_equal(kio_try_recv(&r, &value), 1);
    assert_true(value == 2.5);
    struct number_tx copy = kio_tx_clone(&t);
    assert_true(kio_tx_same(&t, &copy));
    kio_tx_drop(&copy);
    kio_tx_drop(&t);
    kio_rx_drop(&r);
}

static void a_message_of_no_bytes_is_a_message(void **state)
{
    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, 0, 2), 0);
    assert_int_equal(kio_try_send(&tx, NULL), 0);
    assert_int_equal(kio_try_send(&tx, NULL), 0);
    assert_int_equal(kio_try_send(&tx, NULL), -EAGAIN);
    assert_int_equal(kio_try_recv(&rx, NULL), 1);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
}

static void dropping_twice_is_dropping_once(void **state)
{
    (void)state;
    open_channel(1);
    kio_tx_drop(&tx);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    kio_rx_drop(&rx);
    close_channel();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order),
        cmocka_unit_test(no_capacity_and_no_memory_are_errors),
        cmocka_unit_test(try_says_full_closed_and_empty),
        cmocka_unit_test(a_waiting_receive_is_woken_once_by_a_send),
        cmocka_unit_test(the_last_sender_closes_and_what_is_queued_drains),
        cmocka_unit_test(a_receiver_that_goes_wakes_every_sender_with_epipe),
        cmocka_unit_test(room_goes_to_waiting_senders_first_come_first_served),
        cmocka_unit_test(a_dropped_send_did_not_send_and_its_place_goes_on),
        cmocka_unit_test(a_dropped_receive_took_nothing),
        cmocka_unit_test(a_permit_holds_room_and_sends_later),
        cmocka_unit_test(a_closed_channel_ends_only_after_its_permits),
        cmocka_unit_test(a_permit_given_back_ends_a_closed_channel),
        cmocka_unit_test(a_permit_may_outlive_everything),
        cmocka_unit_test(reserve_waits_its_turn),
        cmocka_unit_test(closed_is_ready_when_the_receiver_goes),
        cmocka_unit_test(weak_senders_do_not_keep_it_open),
        cmocka_unit_test(recv_many_takes_what_is_there),
        cmocka_unit_test(messages_that_nobody_received_are_destroyed),
        cmocka_unit_test(an_unbounded_channel_frees_its_memory_as_it_drains),
        cmocka_unit_test(an_unbounded_send_without_memory_loses_nothing),
        cmocka_unit_test(typed_handles_carry_their_type),
        cmocka_unit_test(a_message_of_no_bytes_is_a_message),
        cmocka_unit_test(dropping_twice_is_dropping_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
