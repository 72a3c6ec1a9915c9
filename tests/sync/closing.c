/* Who waits is woken one after another when something closes, with the lock let go in between. One that
 * is polled in such a moment, before its turn, ends; nobody comes back to it. */
#include "support/little.h"

#include <kioto.h>

#include <errno.h>
#include <string.h>

#define MANY 40 /* more than are woken at once */

/* When it is woken, the last in the line is polled, and its memory used for something else. */
struct hasty {
    struct kio_wakeable wakeable;
    struct little little;
    kio_future *last;
    int *out, seen; /* out NULL: it has none */
    int expect;
    size_t size;
};

static void hasty_wake(struct kio_wakeable *self)
{
    struct hasty *h = (struct hasty *)self;

    if (!h->last)
        return;
    assert_int_equal(little_poll(&h->little, h->last), KIO_READY);
    h->seen = h->out ? *h->out : h->expect;
    memset(h->last, 0xaa, h->size);
    h->last = NULL;
}

static const kio_waker_type hasty_type = { .name = "hasty", .wake = hasty_wake };

static void hasty_init(struct hasty *h, kio_future *last, int *out, size_t size)
{
    *h = (struct hasty){
        .wakeable = { &hasty_type },
        .last = last,
        .out = out,
        .expect = -EPIPE,
        .size = size,
    };
    little_init(&h->little);
}

static void wait_hastily(struct hasty *h, kio_future *f)
{
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &h->wakeable });
    assert_int_equal(kio_future_poll(f, &cx), KIO_PENDING);
}

static void check_untouched(const struct hasty *h, const void *memory)
{
    assert_null(h->last);
    assert_int_equal(h->seen, h->expect);
    for (size_t i = 0; i < h->size; i++)
        assert_int_equal(((const unsigned char *)memory)[i], 0xaa);
}

static void send_polled_while_the_receiver_goes_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_send sends[MANY] = { 0 };
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 1), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &sends[MANY - 1].kio, &sends[MANY - 1].out, sizeof sends[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_send(&sends[i], &tx, &value)->kio);
    kio_rx_drop(&rx);
    check_untouched(&h, &sends[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &sends[i]), KIO_READY);
    kio_tx_drop(&tx);
    little_settle(&h.little);
}

static void reserve_polled_during_a_close_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_reserve reserves[MANY] = { 0 };
    struct kio_permit permits[MANY];
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 1), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &reserves[MANY - 1].kio, &reserves[MANY - 1].out, sizeof reserves[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_reserve(&reserves[i], &tx, &permits[i])->kio);
    kio_rx_close(&rx);
    check_untouched(&h, &reserves[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &reserves[i]), KIO_READY);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    little_settle(&h.little);
}

static void reserve_many_polled_during_a_close_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_reserve_many reserves[MANY] = { 0 };
    struct kio_reserved places[MANY];
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 3), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &reserves[MANY - 1].kio, &reserves[MANY - 1].out, sizeof reserves[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_reserve_many(&reserves[i], &tx, 3, &places[i])->kio);
    kio_rx_close(&rx);
    check_untouched(&h, &reserves[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &reserves[i]), KIO_READY);
    assert_int_equal(kio_rx_capacity(&rx), 2); /* what the first had collected came back */
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    little_settle(&h.little);
}

static void reserve_owned_polled_during_a_close_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_reserve_owned reserves[MANY] = { 0 };
    struct kio_owned_permit permits[MANY];
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 1), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &reserves[MANY - 1].kio, &reserves[MANY - 1].out, sizeof reserves[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_reserve_owned(&reserves[i], &tx, &permits[i])->kio);
    kio_rx_close(&rx);
    check_untouched(&h, &reserves[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &reserves[i]), KIO_READY);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    little_settle(&h.little);
}

static void closed_polled_during_a_close_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_tx_closed closed[MANY] = { 0 };
    struct hasty h;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), 1), 0);
    hasty_init(&h, &closed[MANY - 1].kio, NULL, sizeof closed[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_tx_closed(&closed[i], &tx)->kio);
    kio_rx_close(&rx);
    check_untouched(&h, &closed[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &closed[i]), KIO_READY);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    little_settle(&h.little);
}

static void what_waits_for_a_watch_leaves_the_line(void **state)
{
    struct kio_watch_tx tx;
    struct kio_watch_rx rx[MANY] = { 0 };
    struct kio_watch_changed changed[MANY] = { 0 };
    struct kio_watch_closed closed[MANY] = { 0 };
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx[0], sizeof value, &value), 0);
    for (int i = 1; i < MANY; i++)
        rx[i] = kio_watch_subscribe(&tx);
    hasty_init(&h, &changed[MANY - 1].kio, &changed[MANY - 1].out, sizeof changed[0]);
    h.expect = 0;
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_watch_changed(&changed[i], &rx[i])->kio);
    assert_int_equal(kio_watch_send(&tx, &value), 0);
    check_untouched(&h, &changed[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &changed[i]), KIO_READY);

    hasty_init(&h, &closed[MANY - 1].kio, NULL, sizeof closed[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_watch_closed(&closed[i], &tx)->kio);
    for (int i = 0; i < MANY; i++)
        kio_watch_rx_drop(&rx[i]);
    check_untouched(&h, &closed[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &closed[i]), KIO_READY);
    kio_watch_tx_drop(&tx);
    little_settle(&h.little);
}

static void what_waits_for_a_broadcast_leaves_the_line(void **state)
{
    struct kio_broadcast_tx tx;
    struct kio_broadcast_rx rx[MANY] = { 0 };
    struct kio_broadcast_recv recvs[MANY] = { 0 };
    struct kio_broadcast_closed closed[MANY] = { 0 };
    struct hasty h;
    int value = 1, got[MANY];

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &rx[0], sizeof value, 2), 0);
    for (int i = 1; i < MANY; i++)
        rx[i] = kio_broadcast_subscribe(&tx);
    hasty_init(&h, &recvs[MANY - 1].kio, &recvs[MANY - 1].out, sizeof recvs[0]);
    h.expect = 1;
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_broadcast_recv(&recvs[i], &rx[i], &got[i])->kio);
    assert_int_equal(kio_broadcast_send(&tx, &value), MANY);
    check_untouched(&h, &recvs[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &recvs[i]), KIO_READY);

    hasty_init(&h, &closed[MANY - 1].kio, NULL, sizeof closed[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_broadcast_closed(&closed[i], &tx)->kio);
    for (int i = 0; i < MANY; i++)
        kio_broadcast_rx_drop(&rx[i]);
    check_untouched(&h, &closed[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &closed[i]), KIO_READY);
    kio_broadcast_tx_drop(&tx);
    little_settle(&h.little);
}

static void what_waits_for_all_to_be_woken_leaves_the_line(void **state)
{
    struct kio_notify notify = { 0 };
    struct kio_notified notified[MANY] = { 0 };
    struct kio_set_once cell = { 0 };
    struct kio_set_once_wait waits[MANY] = { 0 };
    struct kio_cancel_token token;
    struct kio_cancelled cancelled[MANY] = { 0 };
    struct hasty h;

    (void)state;
    hasty_init(&h, &notified[MANY - 1].kio, NULL, sizeof notified[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_notified(&notified[i], &notify)->kio);
    kio_notify_waiters(&notify);
    check_untouched(&h, &notified[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &notified[i]), KIO_READY);

    hasty_init(&h, &waits[MANY - 1].kio, NULL, sizeof waits[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_set_once_wait(&waits[i], &cell)->kio);
    assert_int_equal(kio_set_once(&cell, &h), 0);
    check_untouched(&h, &waits[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &waits[i]), KIO_READY);

    assert_int_equal(kio_cancel_token_new(&token, NULL), 0);
    hasty_init(&h, &cancelled[MANY - 1].kio, NULL, sizeof cancelled[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_cancelled(&cancelled[i], &token)->kio);
    kio_cancel(&token);
    check_untouched(&h, &cancelled[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &cancelled[i]), KIO_READY);
    kio_cancel_token_drop(&token);
    little_settle(&h.little);
}

static void barrier_and_once_polled_before_their_turn_leave_the_line(void **state)
{
    struct kio_barrier barrier;
    struct kio_barrier_wait waits[MANY + 1] = { 0 };
    struct kio_once_cell cell = { 0 };
    struct kio_once_init inits[MANY + 1] = { 0 };
    struct hasty h;

    (void)state;
    kio_barrier_init(&barrier, MANY + 1);
    hasty_init(&h, &waits[MANY - 1].kio, &waits[MANY - 1].out, sizeof waits[0]);
    h.expect = 0;
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_barrier_wait(&waits[i], &barrier)->kio);
    assert_int_equal(poll_once(&h.little, kio_barrier_wait(&waits[MANY], &barrier)), KIO_READY);
    check_untouched(&h, &waits[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &waits[i]), KIO_READY);

    assert_int_equal(poll_once(&h.little, kio_once_init(&inits[MANY], &cell)), KIO_READY);
    hasty_init(&h, &inits[MANY - 1].kio, &inits[MANY - 1].out, sizeof inits[0]);
    h.expect = 0;
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_once_init(&inits[i], &cell)->kio);
    kio_once_done(&inits[MANY]);
    check_untouched(&h, &inits[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &inits[i]), KIO_READY);
    kio_drop(&inits[MANY]);
    little_settle(&h.little);
}

static void acquire_polled_while_the_semaphore_closes_leaves_the_line(void **state)
{
    struct kio_semaphore semaphore;
    struct kio_acquire acquires[MANY] = { 0 };
    struct hasty h;

    (void)state;
    kio_semaphore_init(&semaphore, 0);
    hasty_init(&h, &acquires[MANY - 1].kio, &acquires[MANY - 1].out, sizeof acquires[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_acquire(&acquires[i], &semaphore, 1)->kio);
    kio_semaphore_close(&semaphore);
    check_untouched(&h, &acquires[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &acquires[i]), KIO_READY);
    little_settle(&h.little);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_polled_while_the_receiver_goes_leaves_the_line),
        cmocka_unit_test(reserve_polled_during_a_close_leaves_the_line),
        cmocka_unit_test(reserve_many_polled_during_a_close_leaves_the_line),
        cmocka_unit_test(reserve_owned_polled_during_a_close_leaves_the_line),
        cmocka_unit_test(closed_polled_during_a_close_leaves_the_line),
        cmocka_unit_test(what_waits_for_a_watch_leaves_the_line),
        cmocka_unit_test(what_waits_for_a_broadcast_leaves_the_line),
        cmocka_unit_test(what_waits_for_all_to_be_woken_leaves_the_line),
        cmocka_unit_test(barrier_and_once_polled_before_their_turn_leave_the_line),
        cmocka_unit_test(acquire_polled_while_the_semaphore_closes_leaves_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
