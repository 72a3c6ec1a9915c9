/* What an mpsc channel tells of itself: closed, empty, length, capacity. TOKIO.md M1, M12. */
#include "support/chan.h"

static void it_is_closed_after_close_though_senders_live(void **state)
{
    (void)state;
    BOTH_KINDS(10)
    {
        assert_false(kio_rx_is_closed(&rx));
        assert_false(kio_tx_is_closed(&tx));
        kio_rx_close(&rx);
        assert_true(kio_rx_is_closed(&rx));
        assert_true(kio_tx_is_closed(&tx));
    }
}

static void it_is_closed_when_the_last_sender_is_gone(void **state)
{
    (void)state;
    BOTH_KINDS(10)
    {
        struct kio_tx other = kio_tx_clone(&tx);

        kio_tx_drop(&other);
        assert_false(kio_rx_is_closed(&rx));
        kio_tx_drop(&tx);
        assert_true(kio_rx_is_closed(&rx));
    }
}

static void it_is_not_closed_while_a_sender_lives_be_it_empty_or_full(void **state)
{
    (void)state;
    BOTH_KINDS(10)
    {
        assert_false(kio_rx_is_closed(&rx));
        for (int i = 0; i < 10; i++)
            send_now(i);
        assert_false(kio_rx_is_closed(&rx));
    }
}

static void it_is_closed_while_messages_are_queued_in_it(void **state)
{
    (void)state;
    for (int by_close = 0; by_close < 2; by_close++) {
        BOTH_KINDS(10)
        {
            for (int i = 0; i < 10; i++)
                send_now(i);
            if (by_close)
                kio_rx_close(&rx);
            else
                kio_tx_drop(&tx);
            assert_true(kio_rx_is_closed(&rx));
            assert_int_equal(recv_now(), 0);
        }
    }
}

static void it_is_not_closed_while_a_permit_is_out_without_senders(void **state)
{
    struct kio_permit permit;
    struct kio_owned_permit owned;

    (void)state;
    open_channel(10);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    kio_tx_drop(&tx);
    assert_false(kio_rx_is_closed(&rx)); /* a permit may outlive its sender */
    kio_permit_drop(&permit);
    assert_true(kio_rx_is_closed(&rx));
    close_channel();

    open_channel(10);
    assert_int_equal(kio_try_reserve_owned(&tx, &owned), 0);
    assert_null(tx.chan);
    assert_false(kio_rx_is_closed(&rx));
    kio_owned_permit_drop(&owned);
    assert_true(kio_rx_is_closed(&rx));
    close_channel();
}

static void length_follows_every_send_and_receive(void **state)
{
    (void)state;
    BOTH_KINDS(100)
    {
        assert_true(kio_rx_is_empty(&rx));
        assert_int_equal(kio_rx_len(&rx), 0);
        for (int i = 0; i < 100; i++) {
            send_now(i);
            assert_int_equal(kio_rx_len(&rx), i + 1);
            assert_false(kio_rx_is_empty(&rx));
        }
        kio_tx_drop(&tx);
        assert_int_equal(kio_rx_len(&rx), 100); /* the senders' end is no message */
        for (int i = 99; i >= 0; i--) {
            recv_now();
            assert_int_equal(kio_rx_len(&rx), i);
            assert_int_equal(kio_rx_is_empty(&rx), i == 0);
        }
        assert_int_equal(recv_nothing(), 0);
    }
}

static void a_channel_drained_by_try_recv_is_empty(void **state)
{
    int value;

    (void)state;
    BOTH_KINDS(10)
    {
        for (int i = 0; i < 10; i++)
            send_now(i);
        for (int i = 0; i < 9; i++)
            recv_now();
        assert_false(kio_rx_is_empty(&rx));
        while (kio_try_recv(&rx, &value) == 1)
            ;
        assert_true(kio_rx_is_empty(&rx));
    }
}

static void an_empty_channel_without_senders_has_no_length(void **state)
{
    (void)state;
    BOTH_KINDS(100)
    {
        kio_tx_drop(&tx);
        assert_int_equal(kio_rx_len(&rx), 0);
        assert_true(kio_rx_is_empty(&rx));
    }
}

static void length_stays_through_close_and_drop_in_either_order(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        BOTH_KINDS(100)
        {
            send_now(1);
            if (order == 2)
                kio_tx_drop(&tx);
            kio_rx_close(&rx);
            if (order == 1)
                kio_tx_drop(&tx);
            assert_int_equal(kio_rx_len(&rx), 1);
            assert_int_equal(recv_now(), 1);
        }
    }
}

/* tokio#6602: is_empty was wrong after every 32nd message. */
static void it_is_empty_after_each_of_256_messages(void **state)
{
    (void)state;
    BOTH_KINDS(33)
    {
        for (int i = 1; i < 257; i++) {
            send_now(i);
            assert_int_equal(recv_now(), i);
            assert_true(kio_rx_is_empty(&rx));
        }
    }
}

static void capacity_falls_by_messages_and_permits_and_the_maximum_stays(void **state)
{
    struct kio_permit permit;

    (void)state;
    open_channel(10);
    assert_int_equal(kio_tx_capacity(&tx), 10);
    assert_int_equal(kio_tx_max_capacity(&tx), 10);
    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    assert_int_equal(kio_tx_capacity(&tx), 9);
    assert_int_equal(kio_tx_max_capacity(&tx), 10);
    send_now(1);
    assert_int_equal(kio_tx_capacity(&tx), 8);
    assert_int_equal(kio_rx_capacity(&rx), 8);
    assert_int_equal(kio_rx_max_capacity(&rx), 10);
    assert_int_equal(kio_rx_len(&rx), 1); /* a permit is no message */
    kio_permit_drop(&permit);
    assert_int_equal(kio_tx_capacity(&tx), 9);
    close_channel();

    open_channel(SIZE_MAX);
    send_now(1);
    assert_true(kio_tx_capacity(&tx) == SIZE_MAX);
    close_channel();
}

static void senders_of_one_channel_are_the_same(void **state)
{
    struct kio_tx other, clone;
    struct kio_rx other_rx;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_mpsc_channel(&other, &other_rx, sizeof(int), 1), 0);
    clone = kio_tx_clone(&tx);
    assert_true(kio_tx_same(&tx, &clone));
    assert_false(kio_tx_same(&tx, &other));
    kio_tx_drop(&clone);
    kio_tx_drop(&other);
    kio_rx_drop(&other_rx);
    close_channel();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_closed_after_close_though_senders_live),
        cmocka_unit_test(it_is_closed_when_the_last_sender_is_gone),
        cmocka_unit_test(it_is_not_closed_while_a_sender_lives_be_it_empty_or_full),
        cmocka_unit_test(it_is_closed_while_messages_are_queued_in_it),
        cmocka_unit_test(it_is_not_closed_while_a_permit_is_out_without_senders),
        cmocka_unit_test(length_follows_every_send_and_receive),
        cmocka_unit_test(a_channel_drained_by_try_recv_is_empty),
        cmocka_unit_test(an_empty_channel_without_senders_has_no_length),
        cmocka_unit_test(length_stays_through_close_and_drop_in_either_order),
        cmocka_unit_test(it_is_empty_after_each_of_256_messages),
        cmocka_unit_test(capacity_falls_by_messages_and_permits_and_the_maximum_stays),
        cmocka_unit_test(senders_of_one_channel_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
