/*
 * Every channel under an executor of ten lines: nothing of the runtime is behind them. What two
 * async functions of this file tell each other goes through wakers alone.
 */
#include "support/chan.h"

#include <kioto/broadcast.h>
#include <kioto/combine.h>
#include <kioto/watch.h>

#include <stdlib.h>

/* ---- the executor ---------------------------------------------------------------------------- */

struct job {
    kio_future *f;
    struct little l;
    uint32_t seen; /* wakes there were at the last poll */
    bool started, done;
};

/* Polls whoever was woken, until nobody is. True: all have ended. */
static bool run_all(struct job *jobs, int count)
{
    int left = count;

    for (bool polled = true; polled;) {
        polled = false;
        for (struct job *j = jobs; j < jobs + count; j++) {
            if (j->done || (j->started && j->seen == j->l.wakes))
                continue;
            polled = j->started = true;
            j->seen = j->l.wakes;
            j->done = little_poll(&j->l, j->f) == KIO_READY;
            left -= j->done;
        }
    }
    return !left;
}

static void both_end(kio_future *one, kio_future *other)
{
    struct job jobs[2] = { { .f = one }, { .f = other } };

    for (int i = 0; i < 2; i++)
        little_init(&jobs[i].l);
    assert_true(run_all(jobs, 2));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jobs[i].l.clones, jobs[i].l.drops);
        assert_true(jobs[i].l.polls > 1); /* they really waited for each other */
    }
}

/* ---- mpsc ------------------------------------------------------------------------------------ */

enum how { SEND, PERMIT, MANY, OWNED, HOWS };

#define MESSAGES 50

struct sender {
    async_fn(void);
    enum how how;
    struct kio_tx tx;
    int next;
    struct kio_permit permit;
    struct kio_reserved permits;
    struct kio_owned_permit owned;
    struct kio_send send;
    struct kio_reserve reserve;
    struct kio_reserve_many many;
    struct kio_reserve_owned reserve_owned;
    struct kio_tx_closed closed;
};

async(sender)
{
    async_begin;
    while (self->next < MESSAGES) {
        if (self->how == SEND) {
            await(kio_send(&self->send, &self->tx, &self->next));
            assert_int_equal(self->send.out, 0);
            self->next++;
        } else if (self->how == PERMIT) {
            await(kio_reserve(&self->reserve, &self->tx, &self->permit));
            assert_int_equal(kio_permit_send(&self->permit, &self->next), 0);
            self->next++;
        } else if (self->how == MANY) {
            await(kio_reserve_many(&self->many, &self->tx, 2, &self->permits));
            assert_int_equal(self->many.out, 0);
            while (kio_reserved_next(&self->permits, &self->permit)) {
                assert_int_equal(kio_permit_send(&self->permit, &self->next), 0);
                self->next++;
            }
        } else {
            await(kio_reserve_owned(&self->reserve_owned, &self->tx, &self->owned));
            assert_int_equal(kio_owned_permit_send(&self->owned, &self->next, &self->tx), 0);
            self->next++;
        }
    }
    await(kio_tx_closed(&self->closed, &self->tx)); /* the receiver has all of them */
    kio_tx_drop(&self->tx);
    async_return();
}

struct receiver {
    async_fn(void);
    bool by_many;
    struct kio_rx rx;
    int count, value, values[3];
    struct kio_recv recv;
    struct kio_recv_many many;
};

async(receiver)
{
    async_begin;
    while (self->count < MESSAGES) {
        if (self->by_many) {
            await(kio_recv_many(&self->many, &self->rx, self->values, 3));
            assert_true(self->many.out > 0);
            for (size_t i = 0; i < self->many.out; i++)
                assert_int_equal(self->values[i], self->count++);
        } else {
            await(kio_recv(&self->recv, &self->rx, &self->value));
            assert_int_equal(self->recv.out, 1);
            assert_int_equal(self->value, self->count++);
        }
    }
    kio_rx_drop(&self->rx);
    async_return();
}

static void mpsc_works_under_any_executor(void **state)
{
    static struct sender sender;
    static struct receiver receiver;

    (void)state;
    for (enum how how = SEND; how < HOWS; how++) {
        for (int by_many = 0; by_many < 2; by_many++) {
            BOTH_KINDS(2)
            {
                async_call(&sender, sender, .how = how, .tx = tx);
                async_call(&receiver, receiver, .by_many = by_many, .rx = rx);
                tx.chan = NULL;
                rx.chan = NULL;
                both_end(&receiver.kio, &sender.kio);
            }
        }
    }
}

/* ---- oneshot ---------------------------------------------------------------------------------- */

struct asker {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_tx other; /* waits for its receiver to go */
    int value;
    struct kio_oneshot_recv recv;
    struct kio_oneshot_closed closed;
};

async(asker)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    assert_int_equal(self->recv.out, 1);
    assert_int_equal(self->value, 42);
    await(kio_oneshot_closed(&self->closed, &self->other));
    kio_oneshot_tx_drop(&self->other);
    async_return();
}

struct answerer {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx other;
    struct kio_rx *turns;
    int value;
    struct kio_recv recv;
};

async(answerer)
{
    async_begin;
    await(kio_recv(&self->recv, self->turns, &self->value));
    self->value = 42;
    assert_int_equal(kio_oneshot_send(&self->tx, &self->value), 0);
    await(kio_recv(&self->recv, self->turns, &self->value));
    kio_oneshot_rx_drop(&self->other);
    async_return();
}

static void oneshot_works_under_any_executor(void **state)
{
    static struct asker asker;
    static struct answerer answerer;
    struct job jobs[2] = { { .f = &asker.kio }, { .f = &answerer.kio } };
    struct kio_oneshot_tx first, second;
    struct kio_oneshot_rx first_rx, second_rx;

    (void)state;
    open_channel(1);
    for (int i = 0; i < 2; i++)
        little_init(&jobs[i].l);
    assert_int_equal(kio_oneshot_channel(&first, &first_rx, sizeof(int)), 0);
    assert_int_equal(kio_oneshot_channel(&second, &second_rx, sizeof(int)), 0);
    async_call(&asker, asker, .rx = first_rx, .other = second);
    async_call(&answerer, answerer, .tx = first, .other = second_rx, .turns = &rx);
    assert_false(run_all(jobs, 2));
    send_now(0);
    assert_false(run_all(jobs, 2));
    assert_int_equal(asker.value, 42);
    send_now(0);
    assert_true(run_all(jobs, 2));
    assert_int_equal(jobs[0].l.clones, jobs[0].l.drops);
    close_channel();
}

/* ---- watch ------------------------------------------------------------------------------------ */

static bool is_last(const void *value, void *arg)
{
    (void)arg;
    return *(const int *)value == MESSAGES;
}

struct shower {
    async_fn(void);
    struct kio_watch_tx tx;
    struct kio_rx *seen; /* one message for each value the watcher has seen */
    int value, got;
    struct kio_recv recv;
    struct kio_watch_closed closed;
};

async(shower)
{
    async_begin;
    while (self->value++ < MESSAGES) {
        assert_int_equal(kio_watch_send(&self->tx, &self->value), 0);
        if (self->value <= MESSAGES / 2) {
            await(kio_recv(&self->recv, self->seen, &self->got));
            assert_int_equal(self->got, self->value);
        }
    }
    await(kio_watch_closed(&self->closed, &self->tx));
    kio_watch_tx_drop(&self->tx);
    async_return();
}

struct watcher {
    async_fn(void);
    struct kio_watch_rx rx;
    struct kio_tx *seen;
    int value;
    struct kio_watch_changed changed;
    struct kio_watch_wait_for wait_for;
};

async(watcher)
{
    async_begin;
    while (self->value < MESSAGES / 2) {
        await(kio_watch_changed(&self->changed, &self->rx));
        assert_int_equal(self->changed.out, 0);
        kio_watch_get(&self->rx, &self->value);
        assert_int_equal(kio_try_send(self->seen, &self->value), 0);
    }
    await(kio_watch_wait_for(&self->wait_for, &self->rx, is_last, NULL, &self->value));
    assert_int_equal(self->wait_for.out, 0);
    assert_int_equal(self->value, MESSAGES);
    kio_watch_rx_drop(&self->rx);
    async_return();
}

static void watch_works_under_any_executor(void **state)
{
    static struct shower shower;
    static struct watcher watcher;
    struct kio_watch_tx t;
    struct kio_watch_rx r;
    int zero = 0;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_watch_channel(&t, &r, sizeof(int), &zero), 0);
    async_call(&shower, shower, .tx = t, .seen = &rx);
    async_call(&watcher, watcher, .rx = r, .seen = &tx);
    both_end(&watcher.kio, &shower.kio);
    close_channel();
}

/* ---- broadcast -------------------------------------------------------------------------------- */

struct speaker {
    async_fn(void);
    struct kio_broadcast_tx tx;
    struct kio_rx *heard;
    int value, got;
    struct kio_recv recv;
    struct kio_broadcast_closed closed;
};

async(speaker)
{
    async_begin;
    while (self->value++ < MESSAGES) {
        assert_int_equal(kio_broadcast_send(&self->tx, &self->value), 1);
        await(kio_recv(&self->recv, self->heard, &self->got));
        assert_int_equal(self->got, self->value);
    }
    await(kio_broadcast_closed(&self->closed, &self->tx));
    kio_broadcast_tx_drop(&self->tx);
    async_return();
}

struct listener {
    async_fn(void);
    struct kio_broadcast_rx rx;
    struct kio_tx *heard;
    int value;
    struct kio_broadcast_recv recv;
};

async(listener)
{
    async_begin;
    while (self->value < MESSAGES) {
        await(kio_broadcast_recv(&self->recv, &self->rx, &self->value));
        assert_int_equal(self->recv.out, 1);
        assert_int_equal(kio_try_send(self->heard, &self->value), 0);
    }
    kio_broadcast_rx_drop(&self->rx);
    async_return();
}

static void broadcast_works_under_any_executor(void **state)
{
    static struct speaker speaker;
    static struct listener listener;
    struct kio_broadcast_tx t;
    struct kio_broadcast_rx r;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_broadcast_channel(&t, &r, sizeof(int), 2), 0);
    async_call(&speaker, speaker, .tx = t, .heard = &rx);
    async_call(&listener, listener, .rx = r, .heard = &tx);
    both_end(&listener.kio, &speaker.kio);
    close_channel();
}

/* ---- two that wait for each other ------------------------------------------------------------- */

/* The executor really depends on wakes: whoever is not woken is not polled, and that shows. */
static void who_is_not_woken_stays_where_it_is(void **state)
{
    static struct receiver one, two;
    struct job jobs[2] = { { .f = &one.kio }, { .f = &two.kio } };
    struct kio_tx t;
    struct kio_rx r;

    (void)state;
    open_channel(1);
    assert_int_equal(kio_mpsc_channel(&t, &r, sizeof(int), 1), 0);
    for (int i = 0; i < 2; i++)
        little_init(&jobs[i].l);
    async_call(&one, receiver, .rx = rx);
    async_call(&two, receiver, .rx = r);
    assert_false(run_all(jobs, 2));
    assert_int_equal(jobs[0].l.polls, 1);
    assert_int_equal(jobs[1].l.polls, 1);
    kio_drop(&one);
    kio_drop(&two);
    kio_tx_drop(&t);
    kio_rx_drop(&r);
    close_channel();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mpsc_works_under_any_executor),
        cmocka_unit_test(oneshot_works_under_any_executor),
        cmocka_unit_test(watch_works_under_any_executor),
        cmocka_unit_test(broadcast_works_under_any_executor),
        cmocka_unit_test(who_is_not_woken_stays_where_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
