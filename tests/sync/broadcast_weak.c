/* Weak senders of a broadcast channel, and the counts. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/broadcast.h>

#include <errno.h>

static struct kio_broadcast_tx tx;
static struct kio_broadcast_rx rx;
static struct kio_broadcast_weak_tx weak;
static long before;

static int open_channel(void **state)
{
    (void)state;
    before = ki_mem_alive();
    return kio_broadcast_channel(&tx, &rx, sizeof(int), 4);
}

static int close_channel(void **state)
{
    (void)state;
    kio_broadcast_tx_drop(&tx);
    kio_broadcast_rx_drop(&rx);
    kio_broadcast_weak_tx_drop(&weak);
    return ki_mem_alive() == before ? 0 : -1;
}

static void no_upgrade(void)
{
    struct kio_broadcast_tx again;

    assert_int_equal(kio_broadcast_upgrade(&weak, &again), -EPIPE);
    assert_null(again.channel);
}

static void a_weak_sender_is_upgraded_while_a_sender_lives(void **state)
{
    struct kio_broadcast_tx again;
    int value = 20;

    (void)state;
    weak = kio_broadcast_downgrade(&tx);
    assert_int_equal(kio_broadcast_upgrade(&weak, &again), 0);
    kio_broadcast_tx_drop(&tx);
    assert_int_equal(kio_broadcast_send(&again, &value), 1);
    kio_broadcast_tx_drop(&again);
    value = 0;
    assert_int_equal(kio_broadcast_try_recv(&rx, &value, NULL), 1);
    assert_int_equal(value, 20);
    no_upgrade();
}

static void a_weak_sender_is_not_upgraded_after_the_last_sender(void **state)
{
    (void)state;
    weak = kio_broadcast_downgrade(&tx);
    kio_broadcast_tx_drop(&tx);
    no_upgrade();
}

static void a_weak_sender_of_a_dropped_clone_is_not_upgraded_either(void **state)
{
    struct kio_broadcast_tx clone = kio_broadcast_tx_clone(&tx);

    (void)state;
    weak = kio_broadcast_downgrade(&clone);
    kio_broadcast_tx_drop(&clone);
    kio_broadcast_tx_drop(&tx);
    no_upgrade();
}

static void weak_senders_do_not_count_as_senders(void **state)
{
    struct kio_broadcast_weak_tx second;
    struct kio_broadcast_tx again;

    (void)state;
    weak = kio_broadcast_downgrade(&tx);
    second = kio_broadcast_weak_tx_clone(&weak);
    assert_int_equal(kio_broadcast_strong_count(&tx), 1);
    assert_int_equal(kio_broadcast_weak_count(&tx), 2);
    kio_broadcast_tx_drop(&tx);
    no_upgrade();
    assert_int_equal(kio_broadcast_upgrade(&second, &again), -EPIPE);
    assert_int_equal(kio_broadcast_strong_count(&weak), 0);
    assert_int_equal(kio_broadcast_weak_count(&weak), 2);
    kio_broadcast_weak_tx_drop(&second);
    assert_int_equal(kio_broadcast_weak_count(&rx), 1);
}

static void a_channel_with_weak_senders_alone_is_closed(void **state)
{
    int value;

    (void)state;
    weak = kio_broadcast_downgrade(&tx);
    assert_false(kio_broadcast_is_closed(&rx));
    kio_broadcast_tx_drop(&tx);
    assert_int_equal(kio_broadcast_strong_count(&weak), 0);
    assert_int_equal(kio_broadcast_weak_count(&weak), 1);
    assert_true(kio_broadcast_is_closed(&rx));
    assert_int_equal(kio_broadcast_try_recv(&rx, &value, NULL), 0);
}

static void every_handle_tells_the_same_counts(void **state)
{
    struct kio_broadcast_tx clone = kio_broadcast_tx_clone(&tx);
    struct kio_broadcast_weak_tx weak2 = kio_broadcast_downgrade(&clone);

    (void)state;
    weak = kio_broadcast_downgrade(&tx);
    for (size_t n = 2;; n--) {
        assert_int_equal(kio_broadcast_strong_count(&tx), n);
        assert_int_equal(kio_broadcast_strong_count(&weak), n);
        assert_int_equal(kio_broadcast_strong_count(&rx), n);
        assert_int_equal(kio_broadcast_weak_count(&tx), n);
        assert_int_equal(kio_broadcast_weak_count(&weak), n);
        assert_int_equal(kio_broadcast_weak_count(&rx), n);
        if (n == 1)
            break;
        assert_int_equal(kio_broadcast_strong_count(&clone), n);
        assert_int_equal(kio_broadcast_weak_count(&weak2), n);
        kio_broadcast_tx_drop(&clone);
        kio_broadcast_weak_tx_drop(&weak2);
    }
    kio_broadcast_weak_tx_drop(&weak);
    assert_int_equal(kio_broadcast_weak_count(&tx), 0);
    assert_int_equal(kio_broadcast_weak_count(&rx), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, open_channel, close_channel)
    const struct CMUnitTest tests[] = {
        T(a_weak_sender_is_upgraded_while_a_sender_lives),
        T(a_weak_sender_is_not_upgraded_after_the_last_sender),
        T(a_weak_sender_of_a_dropped_clone_is_not_upgraded_either),
        T(weak_senders_do_not_count_as_senders),
        T(a_channel_with_weak_senders_alone_is_closed),
        T(every_handle_tells_the_same_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
