/*
 * What users of other runtimes were bitten by, for every kind of channel: dropping a receive loses
 * nothing; a closed channel wakes everyone who waits; unbounded channels free their memory as they
 * drain; wakers go with their ends; destructors may use the channel.
 */
#include "support/chan.h"

#include <kioto/broadcast.h>
#include <kioto/combine.h>
#include <kioto/watch.h>

#include <stdlib.h>

#define MANY 100 /* more than are woken at a time */

static struct little each[MANY];

static void init_each(void)
{
    for (int i = 0; i < MANY; i++)
        little_init(&each[i]);
}

static void each_was_woken_once_and_let_go(void)
{
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(each[i].wakes, 1);
        assert_int_equal(each[i].clones, each[i].drops);
    }
}

/* ---- cancel safety of every receive --------------------------------------------------------- */

static struct kio_oneshot_tx otx;
static struct kio_oneshot_rx orx;
static struct kio_watch_tx wtx;
static struct kio_watch_rx wrx;
static struct kio_broadcast_tx btx;
static struct kio_broadcast_rx brx;

static int got[4];

static bool is_five(const void *value, void *arg)
{
    (void)arg;
    return *(const int *)value == 5;
}

static union {
    struct kio_recv recv;
    struct kio_recv_many many;
    struct kio_oneshot_recv once;
    struct kio_watch_changed changed;
    struct kio_watch_wait_for wait_for;
    struct kio_broadcast_recv broadcast;
} slot;

static kio_future *recv_future(void)
{
    return &kio_recv(&slot.recv, &rx, &got[0])->kio;
}

static kio_future *recv_many_future(void)
{
    return &kio_recv_many(&slot.many, &rx, got, 4)->kio;
}

static kio_future *oneshot_future(void)
{
    return &kio_oneshot_recv(&slot.once, &orx, &got[0])->kio;
}

static kio_future *changed_future(void)
{
    return &kio_watch_changed(&slot.changed, &wrx)->kio;
}

static kio_future *wait_for_future(void)
{
    return &kio_watch_wait_for(&slot.wait_for, &wrx, is_five, NULL, &got[0])->kio;
}

static kio_future *broadcast_future(void)
{
    return &kio_broadcast_recv(&slot.broadcast, &brx, &got[0])->kio;
}

static void mpsc_send(void)
{
    send_now(5);
}

static void oneshot_send(void)
{
    assert_int_equal(kio_oneshot_send(&otx, &(int){ 5 }), 0);
}

static void watch_send(void)
{
    assert_int_equal(kio_watch_send(&wtx, &(int){ 5 }), 0);
}

static void broadcast_send(void)
{
    assert_int_equal(kio_broadcast_send(&btx, &(int){ 5 }), 1);
}

static const struct {
    kio_future *(*receive)(void);
    void (*send)(void);
} receives[] = {
    { recv_future, mpsc_send },           { recv_many_future, mpsc_send },
    { oneshot_future, oneshot_send },     { changed_future, watch_send },
    { wait_for_future, watch_send },      { broadcast_future, broadcast_send },
};

/* Dropped unpolled, while it waits, and when it was woken: each time the next one gets the message. */
static void a_dropped_receive_of_any_kind_took_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof receives / sizeof receives[0]; i++) {
        int zero = 0;

        open_channel(4);
        assert_int_equal(kio_oneshot_channel(&otx, &orx, sizeof(int)), 0);
        assert_int_equal(kio_watch_channel(&wtx, &wrx, sizeof(int), &zero), 0);
        assert_int_equal(kio_broadcast_channel(&btx, &brx, sizeof(int), 4), 0);
        got[0] = -1;
        kio_drop_(receives[i].receive());
        kio_future *f = receives[i].receive();

        assert_int_equal(little_poll(&l, f), KIO_PENDING);
        kio_drop_(f);
        assert_int_equal(l.clones, l.drops);
        f = receives[i].receive();
        assert_int_equal(little_poll(&l, f), KIO_PENDING);
        receives[i].send();
        assert_int_equal(l.wakes, 1);
        kio_drop_(f); /* it was woken, and does not look any more */
        assert_int_equal(got[0], -1);
        f = receives[i].receive();
        assert_int_equal(little_poll(&l, f), KIO_READY);
        if (receives[i].receive != changed_future)
            assert_int_equal(got[0], 5);
        assert_int_equal(l.clones, l.drops);
        kio_oneshot_tx_drop(&otx);
        kio_oneshot_rx_drop(&orx);
        kio_watch_tx_drop(&wtx);
        kio_watch_rx_drop(&wrx);
        kio_broadcast_tx_drop(&btx);
        kio_broadcast_rx_drop(&brx);
        close_channel();
    }
}

/* ---- a closed channel wakes everyone who waits ---------------------------------------------- */

static union waits {
    struct kio_send send;
    struct kio_reserve reserve;
    struct kio_reserve_many many;
    struct kio_reserve_owned owned;
    struct kio_tx_closed closed;
} waits[MANY];

static struct kio_tx senders[MANY];
static struct kio_permit permits[MANY];
static struct kio_reserved several[MANY];
static struct kio_owned_permit owned[MANY];

static kio_future *wait_at(int i)
{
    static int value = 1;

    switch (i % 5) {
    case 0:
        return &kio_send(&waits[i].send, &senders[i], &value)->kio;
    case 1:
        return &kio_reserve(&waits[i].reserve, &senders[i], &permits[i])->kio;
    case 2:
        return &kio_reserve_many(&waits[i].many, &senders[i], 2, &several[i])->kio;
    case 3:
        return &kio_reserve_owned(&waits[i].owned, &senders[i], &owned[i])->kio;
    default:
        return &kio_tx_closed(&waits[i].closed, &senders[i])->kio;
    }
}

static void an_mpsc_channel_that_closes_wakes_everyone_who_waits(void **state)
{
    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        kio_future *f[MANY];

        init_each();
        open_channel(2);
        send_now(1);
        send_now(2);
        for (int i = 0; i < MANY; i++) {
            senders[i] = kio_tx_clone(&tx);
            f[i] = wait_at(i);
            assert_int_equal(little_poll(&each[i], f[i]), KIO_PENDING);
        }
        if (drops)
            kio_rx_drop(&rx);
        else
            kio_rx_close(&rx);
        each_was_woken_once_and_let_go();
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(little_poll(&each[i], f[i]), KIO_READY);
            if (i % 5 == 0)
                assert_int_equal(waits[i].send.out, -EPIPE);
            else if (i % 5 == 1)
                assert_int_equal(waits[i].reserve.out, -EPIPE);
            else if (i % 5 == 2)
                assert_int_equal(waits[i].many.out, -EPIPE);
            else if (i % 5 == 3)
                assert_int_equal(waits[i].owned.out, -EPIPE);
            kio_tx_drop(&senders[i]);
        }
        close_channel();
    }
}

static void a_watch_that_closes_wakes_everyone_who_waits(void **state)
{
    static struct kio_watch_rx receivers[MANY];
    static struct kio_watch_changed changed[MANY];
    static struct kio_watch_wait_for wait_for[MANY];
    static struct kio_watch_closed closed[MANY];
    int zero = 0;

    (void)state;
    init_each();
    assert_int_equal(kio_watch_channel(&wtx, &wrx, sizeof zero, &zero), 0);
    for (int i = 0; i < MANY; i++) {
        receivers[i] = kio_watch_rx_clone(&wrx);
        if (i % 2)
            PENDING(&each[i], kio_watch_changed(&changed[i], &receivers[i]));
        else
            PENDING(&each[i], kio_watch_wait_for(&wait_for[i], &receivers[i], is_five, NULL, NULL));
    }
    kio_watch_tx_drop(&wtx);
    each_was_woken_once_and_let_go();
    for (int i = 0; i < MANY; i++) {
        if (i % 2)
            READY(&each[i], &changed[i]);
        else
            READY(&each[i], &wait_for[i]);
        assert_int_equal(i % 2 ? changed[i].out : wait_for[i].out, -EPIPE);
        kio_watch_rx_drop(&receivers[i]);
    }
    kio_watch_rx_drop(&wrx);

    init_each();
    assert_int_equal(kio_watch_channel(&wtx, &wrx, sizeof zero, &zero), 0);
    for (int i = 0; i < MANY; i++)
        PENDING(&each[i], kio_watch_closed(&closed[i], &wtx));
    kio_watch_rx_drop(&wrx);
    each_was_woken_once_and_let_go();
    for (int i = 0; i < MANY; i++)
        READY(&each[i], &closed[i]);
    kio_watch_tx_drop(&wtx);
}

static void a_broadcast_that_closes_wakes_everyone_who_waits(void **state)
{
    static struct kio_broadcast_rx receivers[MANY];
    static struct kio_broadcast_recv recvs[MANY];
    static struct kio_broadcast_closed closed[MANY];
    static int values[MANY];

    (void)state;
    init_each();
    assert_int_equal(kio_broadcast_channel(&btx, &brx, sizeof(int), 4), 0);
    for (int i = 0; i < MANY; i++) {
        receivers[i] = kio_broadcast_resubscribe(&brx);
        PENDING(&each[i], kio_broadcast_recv(&recvs[i], &receivers[i], &values[i]));
    }
    kio_broadcast_tx_drop(&btx);
    each_was_woken_once_and_let_go();
    for (int i = 0; i < MANY; i++) {
        READY(&each[i], &recvs[i]);
        assert_int_equal(recvs[i].out, 0);
        kio_broadcast_rx_drop(&receivers[i]);
    }
    kio_broadcast_rx_drop(&brx);

    init_each();
    assert_int_equal(kio_broadcast_channel(&btx, &brx, sizeof(int), 4), 0);
    for (int i = 0; i < MANY; i++)
        PENDING(&each[i], kio_broadcast_closed(&closed[i], &btx));
    kio_broadcast_rx_drop(&brx);
    each_was_woken_once_and_let_go();
    for (int i = 0; i < MANY; i++)
        READY(&each[i], &closed[i]);
    kio_broadcast_tx_drop(&btx);
}

/* ---- a select that drops a pending send ------------------------------------------------------ */

/* The channel is full; the send is dropped with the select again and again. The message stays with the
 * caller: it is neither lost nor sent twice. Its place in the line is lost, which a reservation keeps. */
static void a_send_dropped_by_a_select_loses_no_message_but_its_place(void **state)
{
    static struct kio_select select;
    static struct kio_send send, rival_send;
    static struct kio_reserve reserve;
    static struct kio_oneshot_recv other;
    static struct kio_permit permit;
    static int value = 7, rival = 9, ignored;
    struct little m;

    (void)state;
    for (int reserves = 0; reserves < 2; reserves++) {
        little_init(&m);
        open_channel(1);
        send_now(0);
        if (reserves)
            PENDING(&l, kio_reserve(&reserve, &tx, &permit)); /* owned here, not by the select */
        for (int turn = 0; turn < 3; turn++) {
            assert_int_equal(kio_oneshot_channel(&otx, &orx, sizeof(int)), 0);
            kio_oneshot_recv(&other, &orx, &ignored);
            if (!reserves)
                kio_select(&select, kio_send(&send, &tx, &value), &other);
            else
                kio_select(&select, &other);
            PENDING(&l, &select);
            if (turn == 0)
                PENDING(&m, kio_send(&rival_send, &tx, &rival)); /* comes after the first try */
            oneshot_send();
            READY(&l, &select);
            assert_int_equal(select.out, reserves ? 0 : 1);
        }
        assert_int_equal(kio_rx_len(&rx), 1); /* the send that was dropped did not send */
        assert_int_equal(recv_now(), 0);
        if (reserves) {
            READY(&l, &reserve); /* its turn: it has been in the line all the time */
            assert_int_equal(kio_permit_send(&permit, &value), 0);
            assert_int_equal(recv_now(), 7);
            READY(&m, &rival_send);
            assert_int_equal(recv_now(), 9);
        } else {
            READY(&m, &rival_send);
            assert_int_equal(recv_now(), 9);
            READY(&l, kio_send(&send, &tx, &value)); /* the same message, sent again */
            assert_int_equal(recv_now(), 7);
        }
        assert_int_equal(recv_nothing(), -EAGAIN);
        assert_int_equal(m.clones, m.drops);
        close_channel();
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void the_memory_of_an_unbounded_channel_follows_its_length(void **state)
{
    const int top = getenv("KIOTO_TEST_QUICK") ? 20000 : 200000;
    long at_top, peak = 0;
    int next = 0, first = 0;

    (void)state;
    open_channel(SIZE_MAX);
    while (next < top)
        send_now(next++);
    at_top = ki_mem_alive() - blocks_before;
    assert_true(at_top > 10);
    for (int quarter = 3; quarter >= 0; quarter--) { /* down in steps: with each the blocks go */
        while (next - first > top / 4 * quarter)
            assert_int_equal(recv_now(), first++);
        assert_in_range(ki_mem_alive() - blocks_before, 0, at_top * quarter / 4 + 3);
    }
    for (int i = 0; i < top; i++) { /* a few in it for a long time: nothing grows */
        send_now(next++);
        if (next - first > 3)
            assert_int_equal(recv_now(), first++);
        if (ki_mem_alive() - blocks_before > peak)
            peak = ki_mem_alive() - blocks_before;
    }
    assert_in_range(peak, 1, 4); /* the channel, the block in use, the next, a spare */
    close_channel();
}

static void a_dropped_unbounded_channel_frees_what_was_queued(void **state)
{
    (void)state;
    open_channel(SIZE_MAX);
    for (int i = 0; i < 5000; i++)
        send_now(i);
    kio_rx_drop(&rx);
    assert_int_equal(ki_mem_alive() - blocks_before, 1); /* the sender's end */
    close_channel();
}

/* ---- who waits, and where wakers stay --------------------------------------------------------- */

/* TOKIO.md M11 */
static void the_task_that_polled_the_receive_last_is_woken(void **state)
{
    struct kio_recv recv = { 0 };
    struct little first;
    static int value;

    (void)state;
    little_init(&first);
    open_channel(4);
    PENDING(&first, kio_recv(&recv, &rx, &value));
    PENDING(&l, &recv);
    assert_int_equal(first.clones, first.drops);
    send_now(1);
    assert_int_equal(first.wakes, 0);
    assert_int_equal(l.wakes, 1);
    READY(&l, &recv);
    close_channel();
}

/* tokio#7886, #8095: the receiver's waker stayed in the channel, and with it the task's memory. */
static void a_receiver_that_goes_gives_its_waker_back(void **state)
{
    struct kio_recv recv = { 0 };
    static int value;

    (void)state;
    open_channel(1);
    PENDING(&l, kio_recv(&recv, &rx, &value));
    assert_int_equal(l.clones - l.drops, 1);
    kio_rx_drop(&rx);
    assert_int_equal(l.clones, l.drops);
    kio_drop(&recv);
    close_channel();
}

/* ---- recv_many of a closed channel, tokio#7991 ------------------------------------------------ */

static void recv_many_of_a_closed_channel_leaves_the_values_alone(void **state)
{
    struct kio_recv_many many = { 0 };
    static int values[2];

    (void)state;
    BOTH_KINDS(1)
    {
        values[0] = 1;
        values[1] = 2;
        kio_rx_close(&rx);
        READY(&l, kio_recv_many(&many, &rx, values + 1, 1));
        assert_int_equal(many.out, 0);
        assert_int_equal(values[0], 1);
        assert_int_equal(values[1], 2);
    }
}

static void recv_many_dropped_while_it_waits_says_that_nothing_came(void **state)
{
    struct kio_recv_many many = { 0 };
    static int values[2];

    (void)state;
    BOTH_KINDS(1)
    {
        PENDING(&l, kio_recv_many(&many, &rx, values, 2));
        kio_drop(&many);
        assert_int_equal(many.out, 0);
    }
}

static void recv_many_takes_up_to_its_limit_and_then_the_rest_and_the_end(void **state)
{
    struct kio_recv_many many = { 0 };
    static int values[32];

    (void)state;
    BOTH_KINDS(100)
    {
        READY(&l, kio_recv_many(&many, &rx, values, 0));
        assert_int_equal(many.out, 0);
        for (int i = 0; i < 10; i++)
            send_now(i);
        READY(&l, kio_recv_many(&many, &rx, values, 0)); /* also when there are some */
        assert_int_equal(many.out, 0);
        READY(&l, kio_recv_many(&many, &rx, values, 9));
        assert_int_equal(many.out, 9);
        READY(&l, kio_recv_many(&many, &rx, values + 9, 9));
        assert_int_equal(many.out, 1);
        for (int i = 0; i < 10; i++)
            assert_int_equal(values[i], i);
        for (int i = 0; i < 4; i++)
            send_now(i);
        for (int i = 0; i < 4; i++) {
            READY(&l, kio_recv_many(&many, &rx, values, 1));
            assert_int_equal(many.out, 1);
            assert_int_equal(values[0], i);
        }
        PENDING(&l, kio_recv_many(&many, &rx, values, 4));
        send_now(77);
        kio_tx_drop(&tx);
        READY(&l, &many);
        assert_int_equal(many.out, 1);
        READY(&l, kio_recv_many(&many, &rx, values, 4));
        assert_int_equal(many.out, 0);
    }
}

/* ---- destructors ------------------------------------------------------------------------------ */

struct owning {
    struct kio_tx tx;
};

static int destroyed;

/* Uses the channel that is being drained: tries to send, and drops a sender of it. */
static void destroy_owning(void *message)
{
    struct owning *m = message;
    struct owning more = { 0 };

    destroyed++;
    assert_int_equal(kio_try_send(&m->tx, &more), -EPIPE);
    kio_tx_drop(&m->tx);
}

/* tokio#7094 is about destructors that panic; what is left of it here: the drain goes on to its end,
 * whatever a destructor does with the channel. */
static void destructors_may_use_the_channel_that_drains(void **state)
{
    struct kio_tx t;
    struct kio_rx r;
    long before = ki_mem_alive();

    (void)state;
    for (int unbounded = 0; unbounded < 2; unbounded++) {
        destroyed = 0;
        if (unbounded)
            assert_int_equal(kio_mpsc_unbounded(&t, &r, sizeof(struct owning)), 0);
        else
            assert_int_equal(kio_mpsc_channel(&t, &r, sizeof(struct owning), 200), 0);
        kio_rx_on_drop(&r, destroy_owning);
        for (int i = 0; i < 200; i++) {
            struct owning message = { kio_tx_clone(&t) };

            assert_int_equal(kio_try_send(&t, &message), 0);
        }
        kio_tx_drop(&t);
        kio_rx_drop(&r); /* the senders that are left lie in the channel itself */
        assert_int_equal(destroyed, 200);
        assert_int_equal(ki_mem_alive(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dropped_receive_of_any_kind_took_nothing),
        cmocka_unit_test(an_mpsc_channel_that_closes_wakes_everyone_who_waits),
        cmocka_unit_test(a_watch_that_closes_wakes_everyone_who_waits),
        cmocka_unit_test(a_broadcast_that_closes_wakes_everyone_who_waits),
        cmocka_unit_test(a_send_dropped_by_a_select_loses_no_message_but_its_place),
        cmocka_unit_test(the_memory_of_an_unbounded_channel_follows_its_length),
        cmocka_unit_test(a_dropped_unbounded_channel_frees_what_was_queued),
        cmocka_unit_test(the_task_that_polled_the_receive_last_is_woken),
        cmocka_unit_test(a_receiver_that_goes_gives_its_waker_back),
        cmocka_unit_test(recv_many_of_a_closed_channel_leaves_the_values_alone),
        cmocka_unit_test(recv_many_dropped_while_it_waits_says_that_nothing_came),
        cmocka_unit_test(recv_many_takes_up_to_its_limit_and_then_the_rest_and_the_end),
        cmocka_unit_test(destructors_may_use_the_channel_that_drains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
