/* Room that is kept: kio_reserve, several at once, with the sender. TOKIO.md M1, M3, M5, M6, M8. */
#include "support/chan.h"

#include <stdbool.h>

static struct little a, b; /* who waits; l is the receiver's */

static int setup(void **state)
{
    (void)state;
    little_init(&a);
    little_init(&b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return a.clones == a.drops && b.clones == b.drops ? 0 : -1;
}

static struct kio_permit reserve_now(void)
{
    struct kio_permit permit;

    assert_int_equal(kio_try_reserve(&tx, &permit), 0);
    return permit;
}

static void permit_send(struct kio_permit *permit, int value)
{
    assert_int_equal(kio_permit_send(permit, &value), 0);
}

/* ---- one ---------------------------------------------------------------------------------- */

static void a_permit_and_a_send_arrive_in_order_and_then_the_end(void **state)
{
    struct kio_reserve reserve = { 0 };
    static struct kio_permit permit;

    (void)state;
    open_channel(16);
    READY(&a, kio_reserve(&reserve, &tx, &permit));
    assert_int_equal(reserve.out, 0);
    permit_send(&permit, 1);
    send_now(2);
    kio_tx_drop(&tx);
    assert_int_equal(recv_now(), 1);
    assert_int_equal(recv_now(), 2);
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

static void a_received_message_and_a_dropped_permit_each_let_one_in(void **state)
{
    struct kio_reserve third = { 0 }, fourth = { 0 }, fifth = { 0 };
    static struct kio_permit permits[3];
    struct kio_permit one, two;

    (void)state;
    open_channel(2);
    one = reserve_now();
    two = reserve_now();
    PENDING(&a, kio_reserve(&third, &tx, &permits[0]));
    PENDING(&b, kio_reserve(&fourth, &tx, &permits[1]));
    permit_send(&one, 1);
    assert_int_equal(a.wakes, 0); /* the place is the message's now */
    assert_int_equal(recv_now(), 1);
    assert_int_equal(a.wakes, 1);
    assert_int_equal(b.wakes, 0);
    kio_permit_drop(&two);
    assert_int_equal(b.wakes, 1);
    PENDING(&l, kio_reserve(&fifth, &tx, &permits[2])); /* both places are promised */
    kio_drop(&fifth);
    kio_drop(&third);
    kio_drop(&fourth);
    assert_int_equal(kio_tx_capacity(&tx), 2);
    close_channel();
}

static void a_dropped_reservation_is_passed_over(void **state)
{
    struct kio_reserve first = { 0 }, second = { 0 };
    static struct kio_permit permits[2];

    (void)state;
    open_channel(1);
    send_now(0);
    PENDING(&a, kio_reserve(&first, &tx, &permits[0]));
    PENDING(&b, kio_reserve(&second, &tx, &permits[1]));
    kio_drop(&first);
    assert_int_equal(recv_now(), 0);
    assert_int_equal(a.wakes, 0);
    assert_int_equal(b.wakes, 1);
    kio_drop(&second);
    kio_tx_drop(&tx);
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

static void a_promised_place_is_not_for_a_try_send(void **state)
{
    struct kio_reserve reserve = { 0 };
    static struct kio_permit permit;
    int value = 1337;

    (void)state;
    open_channel(1);
    permit = reserve_now();
    permit_send(&permit, 1);
    PENDING(&a, kio_reserve(&reserve, &tx, &permit));
    assert_int_equal(recv_now(), 1);
    assert_int_equal(a.wakes, 1);
    assert_int_equal(kio_try_send(&tx, &value), -EAGAIN);
    READY(&a, &reserve);
    permit_send(&permit, 2);
    assert_int_equal(recv_now(), 2);
    close_channel();
}

static void close_fails_who_waits_and_lets_a_permit_send(void **state)
{
    struct kio_reserve waits = { 0 };
    struct kio_recv recv = { 0 };
    static struct kio_permit second;
    static int got;
    struct kio_permit first;

    (void)state;
    open_channel(1);
    first = reserve_now();
    PENDING(&a, kio_reserve(&waits, &tx, &second));
    kio_rx_close(&rx);
    assert_int_equal(a.wakes, 1);
    READY(&a, &waits);
    assert_int_equal(waits.out, -EPIPE);
    assert_null(second.chan);
    PENDING(&l, kio_recv(&recv, &rx, &got));
    permit_send(&first, 123);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    assert_int_equal(got, 123);
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

/* Another answer than Tokio's, whose reservation fails although the place was assigned to it. */
static void a_place_promised_before_a_close_is_kept_and_its_return_ends_the_channel(void **state)
{
    struct kio_reserve reserve = { 0 };
    struct kio_recv recv = { 0 };
    static struct kio_permit permit;
    static int got;
    struct kio_permit first;

    (void)state;
    open_channel(1);
    first = reserve_now();
    PENDING(&a, kio_reserve(&reserve, &tx, &permit));
    kio_permit_drop(&first);
    assert_int_equal(a.wakes, 1); /* promised, not yet taken */
    kio_rx_close(&rx);
    PENDING(&l, kio_recv(&recv, &rx, &got));
    READY(&a, &reserve);
    assert_int_equal(reserve.out, 0);
    assert_int_equal(l.wakes, 0);
    kio_permit_drop(&permit);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    assert_int_equal(recv.out, 0);
    close_channel();
}

static void a_promised_reservation_that_is_dropped_ends_a_closed_channel(void **state)
{
    struct kio_reserve reserve = { 0 };
    struct kio_recv recv = { 0 };
    static struct kio_permit permit;
    static int got;
    struct kio_permit first;

    (void)state;
    open_channel(1);
    first = reserve_now();
    PENDING(&a, kio_reserve(&reserve, &tx, &permit));
    kio_permit_drop(&first);
    kio_rx_close(&rx);
    PENDING(&l, kio_recv(&recv, &rx, &got));
    kio_drop(&reserve);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    assert_int_equal(recv.out, 0);
    close_channel();
}

static void a_waiting_reservation_woken_by_close_leaves_nothing_behind(void **state)
{
    struct kio_reserve reserve = { 0 };
    static struct kio_permit permit;
    struct kio_permit first;

    (void)state;
    open_channel(1);
    first = reserve_now();
    PENDING(&a, kio_reserve(&reserve, &tx, &permit));
    kio_rx_close(&rx);
    kio_permit_drop(&first);
    assert_int_equal(a.wakes, 1);
    kio_drop(&reserve);
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

static void a_full_channel_has_no_permit_and_a_dropped_one_is_free_again(void **state)
{
    struct kio_permit permit, other;

    (void)state;
    open_channel(1);
    permit = reserve_now();
    assert_int_equal(kio_try_reserve(&tx, &other), -EAGAIN);
    assert_null(other.chan);
    permit_send(&permit, 5);
    assert_int_equal(recv_now(), 5);
    permit = reserve_now();
    kio_permit_drop(&permit);
    permit = reserve_now();
    kio_permit_drop(&permit);
    close_channel();
}

static void a_dropped_permit_goes_to_who_waits(void **state)
{
    struct kio_reserve reserve = { 0 };
    static struct kio_permit second;
    struct kio_permit first;

    (void)state;
    open_channel(1);
    first = reserve_now();
    PENDING(&a, kio_reserve(&reserve, &tx, &second));
    kio_permit_drop(&first);
    assert_int_equal(a.wakes, 1);
    READY(&a, &reserve);
    assert_int_equal(reserve.out, 0);
    kio_permit_drop(&second);
    close_channel();
}

/* ---- the last one, in a closed channel ----------------------------------------------------- */

enum last { DROPPED, SENT, OWNED_DROPPED, OWNED_SENT, OWNED_RELEASED, PERMITS_DROPPED, LASTS };

/* A permit of some kind is out; the receiver waits in a closed channel (or one without a sender);
 * the permit ends. tokio#8260, #8075: releasing some kinds did not wake. */
static void end_last(enum last last, bool by_close)
{
    struct kio_recv recv = { 0 };
    struct kio_permit permit = { 0 };
    struct kio_reserved permits = { 0 };
    struct kio_owned_permit owned = { 0 };
    static int got;
    struct kio_tx back = { 0 };
    int value = 7;
    bool sends = last == SENT || last == OWNED_SENT;

    open_channel(100);
    if (last == DROPPED || last == SENT)
        permit = reserve_now();
    else if (last == PERMITS_DROPPED)
        assert_int_equal(kio_try_reserve_many(&tx, 3, &permits), 0);
    else
        assert_int_equal(kio_try_reserve_owned(&tx, &owned), 0);
    if (by_close)
        kio_rx_close(&rx);
    else
        kio_tx_drop(&tx);
    PENDING(&l, kio_recv(&recv, &rx, &got));
    switch (last) {
    case DROPPED:
        kio_permit_drop(&permit);
        break;
    case SENT:
        assert_int_equal(kio_permit_send(&permit, &value), 0);
        break;
    case OWNED_DROPPED:
        kio_owned_permit_drop(&owned);
        break;
    case OWNED_SENT:
        assert_int_equal(kio_owned_permit_send(&owned, &value, &back), 0);
        break;
    case OWNED_RELEASED:
        kio_owned_permit_release(&owned, &back);
        break;
    case PERMITS_DROPPED:
        kio_reserved_drop(&permits);
        break;
    case LASTS:
        break;
    }
    if (!by_close && last == OWNED_RELEASED)
        kio_tx_drop(&back); /* the sender was in the permit */
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    assert_int_equal(recv.out, sends);
    kio_tx_drop(&back);
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

static void the_last_permit_wakes_the_receiver_of_a_closed_channel_however_it_ends(void **state)
{
    (void)state;
    for (enum last last = DROPPED; last < LASTS; last++)
        end_last(last, true);
}

/* The receiver was not woken when it waited for a permit alone, without senders and not closed. */
static void the_last_permit_wakes_the_receiver_when_no_sender_is_left(void **state)
{
    (void)state;
    for (enum last last = DROPPED; last < LASTS; last++)
        end_last(last, false);
}

static void a_last_permit_that_finds_no_memory_wakes_the_receiver(void **state)
{
    struct kio_recv recv = { 0 };
    static int got;
    struct kio_permit permit;

    (void)state;
    open_channel(SIZE_MAX);
    permit = reserve_now();
    kio_rx_close(&rx);
    PENDING(&l, kio_recv(&recv, &rx, &got));
    ki_mem_fail_at(1);
    assert_int_equal(kio_permit_send(&permit, &got), -ENOMEM);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    assert_int_equal(recv.out, 0);
    close_channel();
}

/* tokio#7686, #8074: TOKIO.md M8. Every way to be closed, with and without a permit out. */
static void try_recv_says_not_yet_while_a_permit_is_out_and_the_end_after_it(void **state)
{
    (void)state;
    for (int by_close = 0; by_close < 2; by_close++) {
        for (int sends = 0; sends < 2; sends++) {
            struct kio_permit permit;

            open_channel(5);
            permit = reserve_now();
            assert_int_equal(recv_nothing(), -EAGAIN);
            if (by_close)
                kio_rx_close(&rx);
            else
                kio_tx_drop(&tx);
            assert_int_equal(recv_nothing(), -EAGAIN);
            if (sends) {
                permit_send(&permit, 9);
                assert_int_equal(recv_now(), 9);
            }
            kio_permit_drop(&permit);
            assert_int_equal(recv_nothing(), 0);
            close_channel();

            open_channel(5);
            if (by_close)
                kio_rx_close(&rx);
            else
                kio_tx_drop(&tx);
            assert_int_equal(recv_nothing(), 0);
            close_channel();
        }
    }
}

/* ---- several ------------------------------------------------------------------------------ */

static void more_permits_than_the_channel_has_are_einval(void **state)
{
    struct kio_reserve_many many = { 0 };
    static struct kio_reserved permits;
    const size_t too_many[] = { 2, (SIZE_MAX >> 3) + 1, SIZE_MAX };

    (void)state;
    open_channel(1);
    for (int i = 0; i < 3; i++) {
        READY(&a, kio_reserve_many(&many, &tx, too_many[i], &permits));
        assert_int_equal(many.out, -EINVAL);
        assert_int_equal(kio_try_reserve_many(&tx, too_many[i], &permits), -EINVAL);
        assert_null(permits.chan);
    }
    assert_int_equal(kio_tx_capacity(&tx), 1);
    close_channel();
    open_channel(SIZE_MAX);
    assert_int_equal(kio_try_reserve_many(&tx, SIZE_MAX, &permits), -EINVAL);
    assert_int_equal(kio_try_reserve_many(&tx, SIZE_MAX >> 3, &permits), 0);
    kio_reserved_drop(&permits);
    close_channel();
}

static void no_permits_are_there_at_once_in_a_full_channel_and_not_in_a_closed_one(void **state)
{
    struct kio_reserve_many many = { 0 };
    static struct kio_reserved permits;
    struct kio_permit permit;

    (void)state;
    open_channel(1);
    for (int full = 0; full < 2; full++) {
        assert_int_equal(kio_try_reserve_many(&tx, 0, &permits), 0);
        assert_false(kio_reserved_next(&permits, &permit));
        READY(&a, kio_reserve_many(&many, &tx, 0, &permits));
        assert_int_equal(many.out, 0);
        assert_false(kio_reserved_next(&permits, &permit));
        if (!full)
            send_now(1);
    }
    kio_rx_drop(&rx);
    assert_int_equal(kio_try_reserve_many(&tx, 0, &permits), -EPIPE);
    READY(&a, kio_reserve_many(&many, &tx, 0, &permits));
    assert_int_equal(many.out, -EPIPE);
    close_channel();
}

static void each_permit_of_many_sends_one_message(void **state)
{
    struct kio_reserve_many many = { 0 };
    static struct kio_reserved permits;

    (void)state;
    for (int tries = 0; tries < 2; tries++) {
        open_channel(100);
        for (int count = 0; count < 100; count++) {
            struct kio_permit permit;
            int sent = 0;

            if (tries) {
                assert_int_equal(kio_try_reserve_many(&tx, (size_t)count, &permits), 0);
            } else {
                READY(&a, kio_reserve_many(&many, &tx, (size_t)count, &permits));
                assert_int_equal(many.out, 0);
            }
            assert_int_equal(permits.count, count);
            while (kio_reserved_next(&permits, &permit)) {
                permit_send(&permit, sent);
                assert_int_equal(recv_now(), sent++);
            }
            assert_int_equal(sent, count);
            assert_int_equal(recv_nothing(), -EAGAIN);
        }
        close_channel();
    }
}

static void many_permits_of_a_closed_channel_are_epipe(void **state)
{
    struct kio_reserve_many many = { 0 };
    static struct kio_reserved permits;

    (void)state;
    open_channel(100);
    kio_rx_drop(&rx);
    READY(&a, kio_reserve_many(&many, &tx, 10, &permits));
    assert_int_equal(many.out, -EPIPE);
    assert_int_equal(kio_try_reserve_many(&tx, 10, &permits), -EPIPE);
    close_channel();
}

static void reserving_many_is_all_or_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n < 30; n++) {
        for (size_t k = 0; k < n; k++) {
            struct kio_reserved permits, more;

            open_channel(n);
            assert_int_equal(kio_try_reserve_many(&tx, n, &permits), 0);
            assert_int_equal(permits.count, n);
            assert_int_equal(kio_tx_capacity(&tx), 0);
            assert_int_equal(kio_try_reserve_many(&tx, 1, &more), -EAGAIN);
            for (size_t i = 0; i < k; i++) {
                struct kio_permit permit;

                assert_true(kio_reserved_next(&permits, &permit));
                permit_send(&permit, 0);
            }
            kio_reserved_drop(&permits);
            kio_reserved_drop(&permits); /* of an empty one: nothing */
            assert_int_equal(kio_tx_capacity(&tx), n - k);
            assert_int_equal(kio_try_reserve_many(&tx, 1, &more), 0);
            kio_reserved_drop(&more);
            if (n - k + 1 <= n)
                assert_int_equal(kio_try_reserve_many(&tx, n - k + 1, &more), -EAGAIN);
            for (size_t i = 0; i < k; i++)
                recv_now();
            assert_int_equal(kio_tx_capacity(&tx), n);
            close_channel();
        }
    }
}

static void dropped_permits_go_to_who_waits_for_many(void **state)
{
    struct kio_reserve_many waits = { 0 };
    static struct kio_reserved first, second;

    (void)state;
    for (size_t n = 1; n < 100; n++) {
        little_init(&a);
        open_channel(n);
        assert_int_equal(kio_try_reserve_many(&tx, n, &first), 0);
        PENDING(&a, kio_reserve_many(&waits, &tx, n, &second));
        kio_reserved_drop(&first);
        assert_int_equal(a.wakes, 1); /* once, when it has all of them */
        READY(&a, &waits);
        assert_int_equal(second.count, n);
        kio_reserved_drop(&second);
        assert_int_equal(kio_tx_capacity(&tx), n);
        close_channel();
    }
}

/* TOKIO.md M3 */
static void who_waits_for_many_collects_places_and_is_not_overtaken(void **state)
{
    struct kio_reserve_many many = { 0 };
    struct kio_send send = { 0 };
    static struct kio_reserved permits;
    static int value = 8;
    int barger = 9;

    (void)state;
    open_channel(3);
    send_now(0);
    send_now(1);
    PENDING(&a, kio_reserve_many(&many, &tx, 3, &permits)); /* has one, waits for two */
    PENDING(&b, kio_send(&send, &tx, &value));
    assert_int_equal(kio_tx_capacity(&tx), 0);
    assert_int_equal(recv_now(), 0);
    assert_int_equal(a.wakes, 0);
    assert_int_equal(b.wakes, 0); /* one place got free, but it is not b's turn */
    assert_int_equal(kio_try_send(&tx, &barger), -EAGAIN);
    PENDING(&a, &many);
    assert_int_equal(recv_now(), 1);
    assert_int_equal(a.wakes, 1);
    READY(&a, &many);
    assert_int_equal(many.out, 0);
    PENDING(&b, &send);
    kio_reserved_drop(&permits);
    assert_int_equal(b.wakes, 1);
    READY(&b, &send);
    assert_int_equal(recv_now(), 8);
    assert_int_equal(kio_tx_capacity(&tx), 3);
    close_channel();
}

static void what_a_dropped_reservation_had_collected_goes_to_those_behind(void **state)
{
    struct kio_reserve_many many = { 0 };
    struct kio_send sends[2] = { 0 };
    static struct kio_reserved permits;
    static int values[2] = { 5, 6 };

    (void)state;
    open_channel(3);
    send_now(0);
    PENDING(&a, kio_reserve_many(&many, &tx, 3, &permits)); /* has two */
    for (int i = 0; i < 2; i++)
        PENDING(&b, kio_send(&sends[i], &tx, &values[i]));
    kio_drop(&many);
    assert_int_equal(b.wakes, 2);
    for (int i = 0; i < 2; i++)
        READY(&b, &sends[i]);
    assert_int_equal(recv_now(), 0);
    assert_int_equal(recv_now(), 5);
    assert_int_equal(recv_now(), 6);
    assert_int_equal(kio_tx_capacity(&tx), 3);
    close_channel();
}

/* tokio#8260 */
static void a_reservation_of_many_that_fails_or_is_dropped_ends_a_closed_channel(void **state)
{
    struct kio_reserve_many many = { 0 };
    struct kio_recv recv = { 0 };
    static struct kio_reserved permits;
    static int got;

    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        struct kio_permit permit;

        open_channel(2);
        permit = reserve_now();
        PENDING(&a, kio_reserve_many(&many, &tx, 2, &permits)); /* has one, waits for the other */
        kio_rx_close(&rx);
        PENDING(&l, kio_recv(&recv, &rx, &got));
        kio_permit_drop(&permit);
        assert_int_equal(l.wakes, 0); /* the collected place is still out */
        if (drops) {
            kio_drop(&many);
        } else {
            READY(&a, &many);
            assert_int_equal(many.out, -EPIPE);
        }
        assert_int_equal(l.wakes, 1);
        READY(&l, &recv);
        assert_int_equal(recv.out, 0);
        close_channel();
    }
}

static void many_places_promised_before_a_close_are_kept_and_not_after_the_receiver(void **state)
{
    struct kio_reserve_many many = { 0 };
    static struct kio_reserved permits;

    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        struct kio_permit permit;

        little_init(&a);
        open_channel(2);
        permit = reserve_now();
        PENDING(&a, kio_reserve_many(&many, &tx, 2, &permits));
        kio_permit_drop(&permit);
        assert_int_equal(a.wakes, 1); /* it has both, and has not looked yet */
        if (drops)
            kio_rx_drop(&rx);
        else
            kio_rx_close(&rx);
        READY(&a, &many);
        assert_int_equal(many.out, drops ? -EPIPE : 0);
        assert_int_equal(permits.count, drops ? 0 : 2);
        if (!drops) {
            assert_true(kio_reserved_next(&permits, &permit));
            permit_send(&permit, 5);
            assert_int_equal(recv_now(), 5);
            assert_int_equal(recv_nothing(), -EAGAIN); /* one more is out */
            kio_reserved_drop(&permits);
            assert_int_equal(recv_nothing(), 0);
        }
        assert_int_equal(kio_tx_capacity(&tx), 2);
        close_channel();
    }
}

static void many_permits_outlive_everything(void **state)
{
    struct kio_reserved permits;
    struct kio_permit one;
    int value = 1;

    (void)state;
    open_channel(3);
    assert_int_equal(kio_try_reserve_many(&tx, 3, &permits), 0);
    assert_true(kio_reserved_next(&permits, &one));
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(kio_permit_send(&one, &value), -EPIPE);
    kio_reserved_drop(&permits);
    close_channel();
}

/* ---- with the sender ---------------------------------------------------------------------- */

static void an_owned_permit_takes_the_sender_along_and_gives_it_back(void **state)
{
    struct kio_reserve_owned reserve = { 0 };
    static struct kio_owned_permit permit;
    struct kio_tx back;
    int value = 3;

    (void)state;
    open_channel(1);
    READY(&a, kio_reserve_owned(&reserve, &tx, &permit));
    assert_int_equal(reserve.out, 0);
    assert_null(tx.chan);
    assert_false(kio_rx_is_closed(&rx));
    assert_int_equal(kio_tx_strong_count(&rx), 1);
    assert_int_equal(kio_owned_permit_send(&permit, &value, &back), 0);
    assert_null(permit.chan);
    assert_int_equal(recv_now(), 3);
    assert_int_equal(kio_try_send(&back, &value), 0);
    assert_int_equal(recv_now(), 3);
    assert_int_equal(kio_try_reserve_owned(&back, &permit), 0);
    kio_owned_permit_release(&permit, &back);
    assert_int_equal(kio_tx_capacity(&back), 1);
    kio_tx_drop(&back);
    kio_owned_permit_drop(&permit); /* of an empty one: nothing */
    assert_int_equal(recv_nothing(), 0);
    close_channel();
}

static void an_owned_reservation_that_is_dropped_or_fails_leaves_the_sender(void **state)
{
    struct kio_reserve_owned reserve = { 0 };
    static struct kio_owned_permit permit;

    (void)state;
    open_channel(1);
    send_now(1);
    PENDING(&a, kio_reserve_owned(&reserve, &tx, &permit));
    assert_int_equal(recv_now(), 1); /* promised to it */
    kio_drop(&reserve);
    assert_non_null(tx.chan);
    assert_int_equal(kio_tx_capacity(&tx), 1);
    kio_rx_drop(&rx);
    READY(&a, kio_reserve_owned(&reserve, &tx, &permit));
    assert_int_equal(reserve.out, -EPIPE);
    assert_int_equal(kio_try_reserve_owned(&tx, &permit), -EPIPE);
    assert_non_null(tx.chan);
    assert_null(permit.chan);
    close_channel();
}

static void a_full_channel_has_no_owned_permit(void **state)
{
    struct kio_owned_permit permit;

    (void)state;
    open_channel(1);
    send_now(1);
    assert_int_equal(kio_try_reserve_owned(&tx, &permit), -EAGAIN);
    assert_non_null(tx.chan);
    close_channel();
}

static int destroyed;

static void destroy(void *message)
{
    destroyed += *(int *)message;
}

static void a_receiver_that_goes_fails_every_way_to_reserve_and_destroys_the_queue(void **state)
{
    struct kio_reserve reserve = { 0 };
    struct kio_reserve_many many = { 0 };
    static struct kio_permit permit;
    static struct kio_reserved permits;
    struct kio_owned_permit owned;
    int value = 1;

    (void)state;
    destroyed = 0;
    open_channel(100);
    kio_rx_on_drop(&rx, destroy);
    send_now(4);
    kio_rx_drop(&rx);
    assert_int_equal(destroyed, 4);
    READY(&a, kio_reserve(&reserve, &tx, &permit));
    assert_int_equal(reserve.out, -EPIPE);
    READY(&a, kio_reserve_many(&many, &tx, 10, &permits));
    assert_int_equal(many.out, -EPIPE);
    assert_int_equal(kio_try_send(&tx, &value), -EPIPE);
    assert_int_equal(kio_try_reserve(&tx, &permit), -EPIPE);
    assert_int_equal(kio_try_reserve_owned(&tx, &owned), -EPIPE);
    assert_int_equal(destroyed, 4);
    close_channel();
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_permit_and_a_send_arrive_in_order_and_then_the_end),
        T(a_received_message_and_a_dropped_permit_each_let_one_in),
        T(a_dropped_reservation_is_passed_over),
        T(a_promised_place_is_not_for_a_try_send),
        T(close_fails_who_waits_and_lets_a_permit_send),
        T(a_place_promised_before_a_close_is_kept_and_its_return_ends_the_channel),
        T(a_promised_reservation_that_is_dropped_ends_a_closed_channel),
        T(a_waiting_reservation_woken_by_close_leaves_nothing_behind),
        T(a_full_channel_has_no_permit_and_a_dropped_one_is_free_again),
        T(a_dropped_permit_goes_to_who_waits),
        T(the_last_permit_wakes_the_receiver_of_a_closed_channel_however_it_ends),
        T(the_last_permit_wakes_the_receiver_when_no_sender_is_left),
        T(a_last_permit_that_finds_no_memory_wakes_the_receiver),
        T(try_recv_says_not_yet_while_a_permit_is_out_and_the_end_after_it),
        T(more_permits_than_the_channel_has_are_einval),
        T(no_permits_are_there_at_once_in_a_full_channel_and_not_in_a_closed_one),
        T(each_permit_of_many_sends_one_message),
        T(many_permits_of_a_closed_channel_are_epipe),
        T(reserving_many_is_all_or_nothing),
        T(dropped_permits_go_to_who_waits_for_many),
        T(who_waits_for_many_collects_places_and_is_not_overtaken),
        T(what_a_dropped_reservation_had_collected_goes_to_those_behind),
        T(a_reservation_of_many_that_fails_or_is_dropped_ends_a_closed_channel),
        T(many_places_promised_before_a_close_are_kept_and_not_after_the_receiver),
        T(many_permits_outlive_everything),
        T(an_owned_permit_takes_the_sender_along_and_gives_it_back),
        T(an_owned_reservation_that_is_dropped_or_fails_leaves_the_sender),
        T(a_full_channel_has_no_owned_permit),
        T(a_receiver_that_goes_fails_every_way_to_reserve_and_destroys_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
