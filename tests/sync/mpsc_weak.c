/* Weak senders of an mpsc channel, and the counts. TOKIO.md M7. */
#include "support/chan.h"

static void a_weak_sender_is_upgraded_while_a_sender_lives(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_weak_tx weak = kio_tx_downgrade(&tx);
        struct kio_tx again;

        assert_int_equal(kio_tx_upgrade(&weak, &again), 0);
        assert_true(kio_tx_same(&tx, &again));
        kio_tx_drop(&tx);
        assert_int_equal(kio_try_send(&again, &(int){ 5 }), 0);
        assert_int_equal(recv_now(), 5);
        kio_tx_drop(&again);
        kio_weak_tx_drop(&weak);
        kio_weak_tx_drop(&weak); /* of an empty one: nothing */
    }
}

static void a_weak_sender_is_not_upgraded_after_the_last_sender(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_weak_tx weak = kio_tx_downgrade(&tx);
        struct kio_tx again;

        kio_tx_drop(&tx);
        assert_int_equal(kio_tx_upgrade(&weak, &again), -EPIPE);
        assert_null(again.chan);
        kio_weak_tx_drop(&weak);
    }
}

static void a_weak_sender_of_a_dropped_clone_is_not_upgraded_either(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_tx clone = kio_tx_clone(&tx);
        struct kio_weak_tx weak = kio_tx_downgrade(&clone);
        struct kio_tx again;

        kio_tx_drop(&clone);
        kio_tx_drop(&tx);
        assert_int_equal(kio_tx_upgrade(&weak, &again), -EPIPE);
        kio_weak_tx_drop(&weak);
    }
}

static void an_owned_permit_keeps_weak_senders_upgradable(void **state)
{
    (void)state;
    for (int permit_first = 0; permit_first < 2; permit_first++) {
        struct kio_owned_permit permit;
        struct kio_weak_tx weak;
        struct kio_tx other, again;

        open_channel(1);
        other = kio_tx_clone(&tx);
        if (!permit_first)
            weak = kio_tx_downgrade(&other);
        assert_int_equal(kio_try_reserve_owned(&tx, &permit), 0);
        if (permit_first)
            weak = kio_tx_downgrade(&other);
        kio_tx_drop(&other);
        assert_int_equal(kio_tx_upgrade(&weak, &again), 0);
        kio_tx_drop(&again);
        kio_owned_permit_drop(&permit);
        assert_int_equal(kio_tx_upgrade(&weak, &again), -EPIPE);
        kio_weak_tx_drop(&weak);
        close_channel();
    }
}

static void weak_senders_do_not_count_as_senders(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_weak_tx one = kio_tx_downgrade(&tx);
        struct kio_weak_tx two = kio_weak_tx_clone(&one);
        struct kio_tx again;

        kio_tx_drop(&tx);
        assert_int_equal(kio_tx_upgrade(&one, &again), -EPIPE);
        assert_int_equal(kio_tx_upgrade(&two, &again), -EPIPE);
        kio_weak_tx_drop(&one);
        kio_weak_tx_drop(&two);
    }
}

static void a_channel_with_weak_senders_alone_is_closed(void **state)
{
    (void)state;
    BOTH_KINDS(10)
    {
        struct kio_tx clone = kio_tx_clone(&tx);
        struct kio_weak_tx weak = kio_tx_downgrade(&clone);
        struct kio_recv recv = { 0 };
        static int got;

        kio_tx_drop(&clone);
        PENDING(&l, kio_recv(&recv, &rx, &got));
        kio_tx_drop(&tx);
        assert_int_equal(l.wakes, 1);
        assert_true(kio_rx_is_closed(&rx));
        READY(&l, &recv);
        assert_int_equal(recv.out, 0);
        kio_weak_tx_drop(&weak);
    }
}

static void clones_and_drops_are_counted(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_tx clone = kio_tx_clone(&tx);

        assert_int_equal(kio_tx_strong_count(&tx), 2);
        assert_int_equal(kio_tx_strong_count(&clone), 2);
        assert_int_equal(kio_tx_strong_count(&rx), 2);
        kio_tx_drop(&clone);
        assert_int_equal(kio_tx_strong_count(&tx), 1);
        assert_int_equal(kio_tx_strong_count(&rx), 1);
    }
}

static void downgrades_and_drops_are_counted(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_weak_tx weak = kio_tx_downgrade(&tx);

        assert_int_equal(kio_tx_weak_count(&tx), 1);
        assert_int_equal(kio_tx_weak_count(&weak), 1);
        assert_int_equal(kio_tx_weak_count(&rx), 1);
        kio_weak_tx_drop(&weak);
        assert_int_equal(kio_tx_weak_count(&tx), 0);
        assert_int_equal(kio_tx_weak_count(&rx), 0);
    }
}

static void every_handle_tells_the_same_counts(void **state)
{
    (void)state;
    BOTH_KINDS(1)
    {
        struct kio_tx clone = kio_tx_clone(&tx);
        struct kio_weak_tx weak = kio_tx_downgrade(&tx);
        struct kio_weak_tx weak2 = kio_tx_downgrade(&clone);

        for (size_t n = 2;; n--) {
            assert_int_equal(kio_tx_strong_count(&tx), n);
            assert_int_equal(kio_tx_strong_count(&weak), n);
            assert_int_equal(kio_tx_strong_count(&rx), n);
            assert_int_equal(kio_tx_weak_count(&tx), n);
            assert_int_equal(kio_tx_weak_count(&weak), n);
            assert_int_equal(kio_tx_weak_count(&rx), n);
            if (n == 1)
                break;
            assert_int_equal(kio_tx_strong_count(&clone), n);
            assert_int_equal(kio_tx_strong_count(&weak2), n);
            assert_int_equal(kio_tx_weak_count(&clone), n);
            assert_int_equal(kio_tx_weak_count(&weak2), n);
            kio_tx_drop(&clone);
            kio_weak_tx_drop(&weak2);
        }
        kio_weak_tx_drop(&weak);
    }
}

static int destroyed;

static void destroy(void *message)
{
    (void)message;
    destroyed++;
}

static void messages_do_not_outlive_the_receiver_in_a_channel_kept_by_weak_senders(void **state)
{
    (void)state;
    BOTH_KINDS(3)
    {
        struct kio_weak_tx weak = kio_tx_downgrade(&tx);
        struct kio_send third = { 0 };
        static int value = 3;

        destroyed = 0;
        kio_rx_on_drop(&rx, destroy);
        send_now(1);
        send_now(2);
        kio_send(&third, &tx, &value);
        recv_now();
        recv_now();
        READY(&l, &third);
        kio_rx_drop(&rx);
        assert_int_equal(destroyed, 1); /* the two others are the receiver's */
        assert_int_equal(kio_try_send(&tx, &value), -EPIPE);
        kio_tx_drop(&tx);
        kio_weak_tx_drop(&weak);
        assert_int_equal(destroyed, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weak_sender_is_upgraded_while_a_sender_lives),
        cmocka_unit_test(a_weak_sender_is_not_upgraded_after_the_last_sender),
        cmocka_unit_test(a_weak_sender_of_a_dropped_clone_is_not_upgraded_either),
        cmocka_unit_test(an_owned_permit_keeps_weak_senders_upgradable),
        cmocka_unit_test(weak_senders_do_not_count_as_senders),
        cmocka_unit_test(a_channel_with_weak_senders_alone_is_closed),
        cmocka_unit_test(clones_and_drops_are_counted),
        cmocka_unit_test(downgrades_and_drops_are_counted),
        cmocka_unit_test(every_handle_tells_the_same_counts),
        cmocka_unit_test(messages_do_not_outlive_the_receiver_in_a_channel_kept_by_weak_senders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
