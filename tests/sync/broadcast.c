/* broadcast under a little executor. SEMANTICS.md, Sync. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/broadcast.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct kio_broadcast_tx tx;
static struct kio_broadcast_rx rx, rx2;
static struct kio_broadcast_recv recv_slot, recv_slot2;
static struct little l, l2;
static int value, value2;
static long before;

/* rx and rx2 from the start */
static void open_channel(size_t capacity)
{
    little_init(&l);
    little_init(&l2);
    before = ki_mem_alive();
    assert_int_equal(kio_broadcast_channel(&tx, &rx, sizeof(int), capacity), 0);
    rx2 = kio_broadcast_subscribe(&tx);
}

static void close_channel(void)
{
    kio_drop(&recv_slot);
    kio_drop(&recv_slot2);
    kio_broadcast_tx_drop(&tx);
    kio_broadcast_rx_drop(&rx);
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(ki_mem_alive(), before);
    assert_int_equal(l.clones, l.drops);
    assert_int_equal(l2.clones, l2.drops);
}

#define PENDING(l, fut) assert_int_equal(poll_once(l, fut), KIO_PENDING)
#define READY(l, fut)   assert_int_equal(poll_once(l, fut), KIO_READY)

static void send(int v, int receivers)
{
    assert_int_equal(kio_broadcast_send(&tx, &v), receivers);
}

static void sends(int from, int to)
{
    for (int v = from; v <= to; v++)
        assert_true(kio_broadcast_send(&tx, &v) > 0);
}

static void gets(struct kio_broadcast_rx *from, int wanted)
{
    int got = -1;

    assert_int_equal(kio_broadcast_try_recv(from, &got, NULL), 1);
    assert_int_equal(got, wanted);
}

static void missed(struct kio_broadcast_rx *from, uint64_t wanted)
{
    uint64_t count = 0;
    int got = -1;

    assert_int_equal(kio_broadcast_try_recv(from, &got, &count), -EOVERFLOW);
    assert_int_equal(count, wanted);
    assert_int_equal(got, -1);
}

static void nothing(struct kio_broadcast_rx *from, int why)
{
    int got = -1;

    assert_int_equal(kio_broadcast_try_recv(from, &got, NULL), why);
    assert_int_equal(got, -1);
}

#define empty(from) nothing(from, -EAGAIN)
#define ended(from) nothing(from, 0)

/* ---- each gets each ----------------------------------------------------------------------- */

static void try_recv_gives_what_was_sent_once_to_each_receiver(void **state)
{
    (void)state;
    open_channel(16);
    empty(&rx);
    empty(&rx2);
    send(7, 2);
    gets(&rx, 7);
    gets(&rx2, 7);
    empty(&rx);
    empty(&rx2);
    close_channel();
}

static void every_receiver_that_waits_is_woken_and_no_other(void **state)
{
    (void)state;
    open_channel(16);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    PENDING(&l2, kio_broadcast_recv(&recv_slot2, &rx2, &value2));
    send(7, 2);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(l2.wakes, 1);
    READY(&l, &recv_slot);
    READY(&l2, &recv_slot2);
    assert_int_equal(value, 7);
    assert_int_equal(value2, 7);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    kio_broadcast_recv(&recv_slot2, &rx2, &value2); /* not polled: it does not wait */
    send(8, 2);
    assert_int_equal(l.wakes, 2);
    assert_int_equal(l2.wakes, 1);
    READY(&l, &recv_slot);
    READY(&l2, &recv_slot2);
    assert_int_equal(value, 8);
    assert_int_equal(value2, 8);
    close_channel();
}

static void the_task_that_polled_last_is_woken(void **state)
{
    (void)state;
    open_channel(1);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    PENDING(&l2, &recv_slot);
    send(1, 2);
    assert_int_equal(l.wakes, 0);
    assert_int_equal(l2.wakes, 1);
    close_channel();
}

static void a_slow_receiver_gets_everything_in_order(void **state)
{
    (void)state;
    open_channel(16);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    PENDING(&l2, kio_broadcast_recv(&recv_slot2, &rx2, &value2));
    sends(1, 2);
    READY(&l, &recv_slot);
    assert_int_equal(value, 1);
    READY(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    assert_int_equal(value, 2);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    send(3, 2);
    READY(&l, &recv_slot);
    assert_int_equal(value, 3);
    READY(&l2, &recv_slot2);
    assert_int_equal(value2, 1);
    gets(&rx2, 2);
    gets(&rx2, 3);
    close_channel();
}

static void receivers_may_go_while_messages_remain(void **state)
{
    (void)state;
    open_channel(16);
    sends(1, 2);
    gets(&rx, 1);
    gets(&rx2, 1);
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(kio_broadcast_tx_len(&tx), 1);
    kio_broadcast_rx_drop(&rx);
    assert_int_equal(kio_broadcast_tx_len(&tx), 0);
    close_channel();
}

static void a_send_to_nobody_fails_and_a_new_receiver_gets_the_next(void **state)
{
    int v = 1;

    (void)state;
    open_channel(16);
    kio_broadcast_rx_drop(&rx);
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(kio_broadcast_send(&tx, &v), -EPIPE);
    rx = kio_broadcast_subscribe(&tx);
    send(2, 1);
    gets(&rx, 2);
    empty(&rx);
    close_channel();
}

static void no_capacity_and_too_much_are_errors(void **state)
{
    struct kio_broadcast_tx t;
    struct kio_broadcast_rx r;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&t, &r, sizeof(int), 0), -EINVAL);
    assert_null(t.channel);
    assert_null(r.channel);
    assert_int_equal(kio_broadcast_channel(&t, &r, sizeof(int), SIZE_MAX / 2 + 1), -ENOMEM);
    assert_int_equal(kio_broadcast_channel(&t, &r, 0, SIZE_MAX / 2 + 1), -ENOMEM);
    ki_mem_fail_at(1);
    assert_int_equal(kio_broadcast_channel(&t, &r, sizeof(int), 1), -ENOMEM);
    kio_broadcast_tx_drop(&t);
    kio_broadcast_rx_drop(&r);
}

/* ---- the end ------------------------------------------------------------------------------ */

static void the_last_sender_that_goes_wakes_every_receiver(void **state)
{
    struct kio_broadcast_tx second;

    (void)state;
    open_channel(16);
    second = kio_broadcast_tx_clone(&tx);
    PENDING(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    PENDING(&l2, kio_broadcast_recv(&recv_slot2, &rx2, &value2));
    kio_broadcast_tx_drop(&tx);
    PENDING(&l, &recv_slot);
    PENDING(&l2, &recv_slot2);
    assert_int_equal(l.wakes, 0);
    kio_broadcast_tx_drop(&second);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(l2.wakes, 1);
    READY(&l, &recv_slot);
    READY(&l2, &recv_slot2);
    assert_int_equal(recv_slot.out, 0);
    assert_int_equal(recv_slot2.out, 0);
    close_channel();
}

static void what_is_kept_is_received_after_the_last_sender(void **state)
{
    (void)state;
    open_channel(2);
    sends(1, 2);
    kio_broadcast_tx_drop(&tx);
    gets(&rx, 1);
    gets(&rx, 2);
    ended(&rx);
    ended(&rx);
    assert_true(kio_broadcast_is_closed(&rx));
    close_channel();
}

static void closed_is_ready_when_the_last_receiver_goes(void **state)
{
    struct kio_broadcast_closed closed = { 0 };

    (void)state;
    open_channel(1);
    PENDING(&l, kio_broadcast_closed(&closed, &tx));
    kio_broadcast_rx_drop(&rx);
    assert_int_equal(l.wakes, 0);
    PENDING(&l, &closed);
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(l.wakes, 1);
    READY(&l, &closed);
    close_channel();
}

static void a_new_receiver_opens_it_again(void **state)
{
    struct kio_broadcast_closed closed = { 0 };

    (void)state;
    open_channel(1);
    PENDING(&l, kio_broadcast_closed(&closed, &tx));
    kio_broadcast_rx_drop(&rx);
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(l.wakes, 1);
    rx = kio_broadcast_subscribe(&tx);
    PENDING(&l, &closed);
    kio_broadcast_rx_drop(&rx);
    assert_int_equal(l.wakes, 2);
    READY(&l, &closed);
    READY(&l, kio_broadcast_closed(&closed, &tx)); /* nobody came since */
    rx = kio_broadcast_subscribe(&tx);
    PENDING(&l, kio_broadcast_closed(&closed, &tx));
    kio_broadcast_rx_drop(&rx);
    READY(&l, &closed);
    close_channel();
}

/* ---- who lags ----------------------------------------------------------------------------- */

static void a_receiver_within_the_capacity_misses_nothing(void **state)
{
    (void)state;
    open_channel(2);
    sends(1, 2);
    gets(&rx, 1);
    gets(&rx, 2);
    empty(&rx);
    gets(&rx2, 1);
    gets(&rx2, 2);
    empty(&rx2);
    close_channel();
}

static void who_lags_is_told_how_many_and_goes_on_with_the_oldest_kept(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        for (int lost = 1; lost <= 2; lost++) {
            open_channel(2);
            sends(1, 2 + lost);
            if (closes)
                kio_broadcast_tx_drop(&tx);
            missed(&rx, (uint64_t)lost);
            gets(&rx, lost + 1);
            gets(&rx, lost + 2);
            nothing(&rx, closes ? 0 : -EAGAIN);
            close_channel();
        }
    }
}

static void who_lags_again_is_told_again(void **state)
{
    (void)state;
    open_channel(2);
    sends(1, 2);
    gets(&rx, 1);
    send(3, 2);
    missed(&rx2, 1);
    gets(&rx2, 2);
    gets(&rx, 2);
    gets(&rx, 3);
    sends(4, 5);
    missed(&rx2, 1);
    send(6, 2);
    missed(&rx2, 1);
    close_channel();
}

static void the_count_is_of_all_that_were_overwritten(void **state)
{
    (void)state;
    open_channel(4);
    sends(1, 4);
    gets(&rx, 1);
    sends(5, 8);
    missed(&rx, 3);
    for (int v = 5; v <= 8; v++)
        gets(&rx, v);
    empty(&rx);
    close_channel();
}

/* Another answer than Tokio's, which rounds the capacity up to a power of two. */
static void the_capacity_is_what_was_asked_for(void **state)
{
    (void)state;
    open_channel(3);
    sends(1, 3);
    assert_int_equal(kio_broadcast_rx_len(&rx), 3);
    gets(&rx, 1);
    send(4, 2);
    assert_int_equal(kio_broadcast_rx_len(&rx), 3);
    send(5, 2);
    assert_int_equal(kio_broadcast_rx_len(&rx), 4);
    missed(&rx, 1);
    for (int v = 3; v <= 5; v++)
        gets(&rx, v);
    empty(&rx);
    close_channel();
}

static void a_receive_that_awaits_is_told_as_a_try_recv_is(void **state)
{
    (void)state;
    open_channel(2);
    sends(10, 12);
    READY(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
    assert_int_equal(recv_slot.out, -EOVERFLOW);
    assert_int_equal(recv_slot.missed, 1);
    for (int v = 11; v <= 12; v++) {
        READY(&l, kio_broadcast_recv(&recv_slot, &rx, &value));
        assert_int_equal(recv_slot.out, 1);
        assert_int_equal(value, v);
    }
    close_channel();
}

static void who_caught_up_and_lags_again_is_told_of_the_new_ones_alone(void **state)
{
    (void)state;
    open_channel(2);
    for (int round = 0; round < 2; round++) {
        sends(3 * round + 1, 3 * round + 3);
        missed(&rx, 1);
        gets(&rx, 3 * round + 2);
        gets(&rx, 3 * round + 3);
        empty(&rx);
    }
    close_channel();
}

static void one_receiver_lags_and_the_other_does_not(void **state)
{
    (void)state;
    open_channel(2);
    sends(1, 2);
    gets(&rx, 1);
    gets(&rx, 2);
    sends(3, 4);
    gets(&rx, 3);
    gets(&rx, 4);
    missed(&rx2, 2);
    gets(&rx2, 3);
    gets(&rx2, 4);
    empty(&rx);
    empty(&rx2);
    close_channel();
}

static void who_was_told_and_did_not_read_is_told_of_what_was_overwritten_since(void **state)
{
    (void)state;
    open_channel(2);
    sends(1, 3);
    missed(&rx, 1);
    sends(4, 6);
    missed(&rx, 3);
    gets(&rx, 5);
    gets(&rx, 6);
    empty(&rx);
    close_channel();
}

static void a_channel_of_one_place_keeps_the_last(void **state)
{
    (void)state;
    open_channel(1);
    send(1, 2);
    gets(&rx, 1);
    empty(&rx);
    sends(2, 3);
    missed(&rx, 1);
    gets(&rx, 3);
    empty(&rx);
    kio_broadcast_tx_drop(&tx);
    ended(&rx);
    missed(&rx2, 2);
    gets(&rx2, 3);
    ended(&rx2);
    close_channel();
}

/* ---- lengths ------------------------------------------------------------------------------ */

static void the_length_counts_what_was_missed_until_it_is_told(void **state)
{
    (void)state;
    open_channel(2);
    assert_true(kio_broadcast_rx_is_empty(&rx));
    sends(1, 4);
    assert_int_equal(kio_broadcast_rx_len(&rx), 4);
    missed(&rx, 2);
    assert_int_equal(kio_broadcast_rx_len(&rx), 2);
    gets(&rx, 3);
    assert_int_equal(kio_broadcast_rx_len(&rx), 1);
    gets(&rx, 4);
    assert_int_equal(kio_broadcast_rx_len(&rx), 0);
    sends(5, 6);
    assert_int_equal(kio_broadcast_rx_len(&rx), 2);
    close_channel();
}

static void the_senders_length_is_what_some_receiver_has_yet_to_get(void **state)
{
    (void)state;
    open_channel(4);
    assert_int_equal(kio_broadcast_tx_len(&tx), 0);
    assert_true(kio_broadcast_tx_is_empty(&tx));
    sends(1, 3);
    assert_int_equal(kio_broadcast_tx_len(&tx), 3);
    assert_false(kio_broadcast_tx_is_empty(&tx));
    gets(&rx, 1);
    gets(&rx, 2);
    assert_int_equal(kio_broadcast_tx_len(&tx), 3);
    gets(&rx2, 1);
    assert_int_equal(kio_broadcast_tx_len(&tx), 2);
    sends(4, 6);
    assert_int_equal(kio_broadcast_tx_len(&tx), 4);
    close_channel();
}

static void the_senders_length_is_the_slowest_receivers(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    open_channel(16);
    for (int i = 0; i < 1000; i++) {
        uint64_t wanted;
        int got;
        int said = 1;

        switch (rand_r(&seed) % 4) {
        case 0:
            said = kio_broadcast_try_recv(&rx, &got, NULL);
            break;
        case 1:
            said = kio_broadcast_try_recv(&rx2, &got, NULL);
            break;
        default:
            send(i, 2);
        }
        assert_true(said == 1 || said == -EAGAIN || said == -EOVERFLOW);
        wanted = kio_broadcast_rx_len(&rx);
        if (wanted < kio_broadcast_rx_len(&rx2))
            wanted = kio_broadcast_rx_len(&rx2);
        assert_int_equal(kio_broadcast_tx_len(&tx), wanted > 16 ? 16 : wanted);
    }
    close_channel();
}

/* ---- resubscribe -------------------------------------------------------------------------- */

static void a_resubscribed_receiver_gets_what_comes_from_now_on(void **state)
{
    struct kio_broadcast_rx again;

    (void)state;
    open_channel(3);
    send(1, 2);
    again = kio_broadcast_resubscribe(&rx);
    empty(&again);
    gets(&rx, 1);
    send(2, 3);
    gets(&again, 2);
    send(3, 3);
    gets(&rx, 2);
    gets(&rx, 3);
    gets(&again, 3);
    empty(&again);
    kio_broadcast_rx_drop(&again);
    close_channel();
}

static void a_receiver_resubscribed_from_one_that_lags_does_not_lag(void **state)
{
    struct kio_broadcast_rx again;

    (void)state;
    open_channel(1);
    sends(1, 2);
    again = kio_broadcast_resubscribe(&rx);
    missed(&rx, 1);
    empty(&again);
    gets(&rx, 2);
    empty(&rx);
    empty(&again);
    kio_broadcast_rx_drop(&again);
    close_channel();
}

static void a_receiver_resubscribed_to_a_closed_channel_gets_the_end(void **state)
{
    struct kio_broadcast_rx again;

    (void)state;
    open_channel(2);
    send(1, 2);
    kio_broadcast_tx_drop(&tx);
    again = kio_broadcast_resubscribe(&rx);
    ended(&again);
    kio_broadcast_rx_drop(&again);
    close_channel();
}

static void both_ends_are_counted(void **state)
{
    struct kio_broadcast_tx second;

    (void)state;
    open_channel(1);
    second = kio_broadcast_tx_clone(&tx);
    assert_int_equal(kio_broadcast_strong_count(&rx), 2);
    assert_int_equal(kio_broadcast_receiver_count(&tx), 2);
    assert_true(kio_broadcast_same_channel(&tx, &second));
    assert_true(kio_broadcast_same_channel(&rx, &second));
    assert_false(kio_broadcast_is_closed(&rx));
    kio_broadcast_tx_drop(&second);
    close_channel();
}

/* ---- messages that own something ----------------------------------------------------------- */

static int references;

static void copied(void *message)
{
    assert_int_equal(*(int *)message, 7);
    references++;
}

static void dropped(void *message)
{
    assert_int_equal(*(int *)message, 7);
    references--;
}

static void send_owning(int receivers)
{
    references++; /* the channel's from here on */
    send(7, receivers);
}

static void open_owning(size_t capacity)
{
    references = 0;
    open_channel(capacity);
    assert_int_equal(kio_broadcast_on_drop(&tx, copied, dropped), 0);
}

static void each_copy_has_a_reference_and_the_last_has_the_channels(void **state)
{
    (void)state;
    open_owning(2);
    send_owning(2);
    assert_int_equal(references, 1);
    gets(&rx, 7);
    assert_int_equal(references, 2);
    gets(&rx2, 7);
    assert_int_equal(references, 2); /* rx's and rx2's */
    close_channel();
    assert_int_equal(references, 2);
}

static void an_overwritten_message_is_dropped_once(void **state)
{
    (void)state;
    open_owning(1);
    send_owning(2);
    send_owning(2);
    assert_int_equal(references, 1);
    missed(&rx, 1);
    gets(&rx, 7);
    assert_int_equal(references, 2);
    close_channel(); /* rx2 goes without it */
    assert_int_equal(references, 1);
}

static void messages_are_dropped_with_their_last_receiver(void **state)
{
    (void)state;
    open_owning(4);
    send_owning(2);
    send_owning(2);
    kio_broadcast_rx_drop(&rx);
    assert_int_equal(references, 2);
    gets(&rx2, 7); /* that one is the receiver's now */
    kio_broadcast_rx_drop(&rx2);
    assert_int_equal(references, 1);
    close_channel();
}

/* A destructor that uses the channel: it runs without a lock. */
static void send_more(void *message)
{
    int v = *(int *)message;

    references--;
    if (v == 7)
        send(1000, 1);
}

static void a_destructor_may_use_the_channel(void **state)
{
    (void)state;
    open_channel(2);
    assert_int_equal(kio_broadcast_on_drop(&rx, copied, send_more), 0);
    references = 2;
    kio_broadcast_rx_drop(&rx2);
    send(7, 1);
    rx2 = kio_broadcast_subscribe(&tx);
    kio_broadcast_rx_drop(&rx); /* the last for that message */
    gets(&rx2, 1000);
    assert_int_equal(references, 1);
    close_channel();
}

static void messages_too_large_to_own_are_an_error(void **state)
{
    struct kio_broadcast_tx t;
    struct kio_broadcast_rx r;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&t, &r, 257, 1), 0);
    assert_int_equal(kio_broadcast_on_drop(&t, copied, dropped), -EINVAL);
    kio_broadcast_tx_drop(&t);
    kio_broadcast_rx_drop(&r);
}

/* ---- wakers ------------------------------------------------------------------------------- */

/* A waker whose last drop, and whose wake, sends into the channel that holds it. */
struct sender_waker {
    struct kio_wakeable wakeable;
    int references, sends;
};

static void sender_sends(struct sender_waker *w)
{
    int v = 1;

    w->sends++;
    assert_true(kio_broadcast_send(&tx, &v) > 0);
}

static void sender_clone(struct kio_wakeable *self)
{
    ((struct sender_waker *)self)->references++;
}

static void sender_drop(struct kio_wakeable *self)
{
    struct sender_waker *w = (struct sender_waker *)self;

    if (--w->references == 0)
        sender_sends(w);
}

static void sender_wake(struct kio_wakeable *self)
{
    (void)self;
}

static const kio_waker_type sender_type = {
    .name = "sender",
    .wake = sender_wake,
    .clone = sender_clone,
    .drop = sender_drop,
};

static void a_waker_that_sends_when_it_is_dropped_locks_nothing_up(void **state)
{
    struct sender_waker w = { .wakeable = { &sender_type }, .references = 1 };
    kio_context cx;

    (void)state;
    open_channel(16);
    kio_context_init(&cx, (kio_waker){ &w.wakeable });
    kio_broadcast_recv(&recv_slot, &rx, &value);
    assert_int_equal(kio_future_poll(&recv_slot.kio, &cx), KIO_PENDING);
    sender_drop(&w.wakeable); /* the channel has the last one */
    PENDING(&l, &recv_slot);  /* takes its place: it is dropped, and sends */
    assert_int_equal(w.sends, 1);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv_slot);
    w.references = 1;
    kio_broadcast_recv(&recv_slot, &rx, &value);
    assert_int_equal(kio_future_poll(&recv_slot.kio, &cx), KIO_PENDING);
    sender_drop(&w.wakeable);
    send(2, 2); /* wakes it, and so gives it back: it sends again */
    assert_int_equal(w.sends, 2);
    assert_int_equal(kio_broadcast_rx_len(&rx), 2);
    close_channel();
}

int main(void)
{
#define T(test) cmocka_unit_test(test)
    const struct CMUnitTest tests[] = {
        T(try_recv_gives_what_was_sent_once_to_each_receiver),
        T(every_receiver_that_waits_is_woken_and_no_other),
        T(the_task_that_polled_last_is_woken),
        T(a_slow_receiver_gets_everything_in_order),
        T(receivers_may_go_while_messages_remain),
        T(a_send_to_nobody_fails_and_a_new_receiver_gets_the_next),
        T(no_capacity_and_too_much_are_errors),
        T(the_last_sender_that_goes_wakes_every_receiver),
        T(what_is_kept_is_received_after_the_last_sender),
        T(closed_is_ready_when_the_last_receiver_goes),
        T(a_new_receiver_opens_it_again),
        T(a_receiver_within_the_capacity_misses_nothing),
        T(who_lags_is_told_how_many_and_goes_on_with_the_oldest_kept),
        T(who_lags_again_is_told_again),
        T(the_count_is_of_all_that_were_overwritten),
        T(the_capacity_is_what_was_asked_for),
        T(a_receive_that_awaits_is_told_as_a_try_recv_is),
        T(who_caught_up_and_lags_again_is_told_of_the_new_ones_alone),
        T(one_receiver_lags_and_the_other_does_not),
        T(who_was_told_and_did_not_read_is_told_of_what_was_overwritten_since),
        T(a_channel_of_one_place_keeps_the_last),
        T(the_length_counts_what_was_missed_until_it_is_told),
        T(the_senders_length_is_what_some_receiver_has_yet_to_get),
        T(the_senders_length_is_the_slowest_receivers),
        T(a_resubscribed_receiver_gets_what_comes_from_now_on),
        T(a_receiver_resubscribed_from_one_that_lags_does_not_lag),
        T(a_receiver_resubscribed_to_a_closed_channel_gets_the_end),
        T(both_ends_are_counted),
        T(each_copy_has_a_reference_and_the_last_has_the_channels),
        T(an_overwritten_message_is_dropped_once),
        T(messages_are_dropped_with_their_last_receiver),
        T(a_destructor_may_use_the_channel),
        T(messages_too_large_to_own_are_an_error),
        T(a_waker_that_sends_when_it_is_dropped_locks_nothing_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
