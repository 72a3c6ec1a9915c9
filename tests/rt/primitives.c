/* Every primitive inside tasks, on both flavors: tasks that move, wakes that cross workers. */
#include "support/rt.h"

/* ---- many producers, one consumer, every message once ------------------------------------- */

struct producer {
    async_fn(void);
    struct kio_tx tx;
    int first, count;
    int i, value;
    struct kio_send send;
    struct kio_yield y;
};

static void producer_drop(struct producer *self)
{
    kio_tx_drop(&self->tx);
}

async(producer, producer_drop)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        self->value = self->first + self->i;
        await(kio_send(&self->send, &self->tx, &self->value));
        if (self->send.out)
            async_return();
        if (self->i % 7 == 0)
            await(kio_yield_now(&self->y));
    }
    async_return();
}

struct consumer {
    async_fn(int64_t);
    size_t cap;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    int value, count;
    int64_t sum;
};

static void consumer_drop(struct consumer *self)
{
    kio_rx_drop(&self->rx);
}

async(consumer, consumer_drop)
{
    async_begin;
    if (self->cap)
        assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), self->cap), 0);
    else
        assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    for (int i = 0; i < 8; i++)
        kio_spawn(NULL, producer, .tx = kio_tx_clone(&self->tx), .first = i * 10000,
                  .count = amount(10000));
    kio_tx_drop(&self->tx);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->sum += self->value;
        self->count++;
    }
    assert_int_equal(self->count, 8 * amount(10000));
    async_return(self->sum);
}

static void channels_carry_every_message_once(void **state)
{
    int64_t n = amount(10000);
    int64_t want = 0;

    (void)state;
    for (int64_t i = 0; i < 8; i++)
        want += i * 10000 * n + n * (n - 1) / 2;
    assert_int_equal(run(consumer, .cap = 1), want);
    assert_int_equal(run(consumer, .cap = 64), want);
    assert_int_equal(run(consumer, .cap = 0), want);
}

/* ---- requests and replies ----------------------------------------------------------------- */

struct request {
    int input;
    struct kio_oneshot_tx reply;
};

struct server {
    async_fn(void);
    struct kio_rx rx;
    struct kio_recv recv;
    struct request r;
};

static void server_drop(struct server *self)
{
    kio_oneshot_tx_drop(&self->r.reply);
    kio_rx_drop(&self->rx);
}

async(server, server_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->r));
        if (!self->recv.out)
            async_return();
        int answer = self->r.input * 2;
        if (self->r.input % 5 == 0)
            kio_oneshot_tx_drop(&self->r.reply); /* no answer */
        else
            kio_oneshot_send(&self->r.reply, &answer);
    }
}

struct client {
    async_fn(int);
    struct kio_tx tx;
    int i, good, answer;
    struct request r;
    struct kio_oneshot_rx rx;
    struct kio_send send;
    struct kio_oneshot_recv recv;
};

static void client_drop(struct client *self)
{
    kio_oneshot_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(client, client_drop)
{
    async_begin;
    for (self->i = 0; self->i < amount(1000); self->i++) {
        self->r.input = self->i;
        assert_int_equal(kio_oneshot_channel(&self->r.reply, &self->rx, sizeof(int)), 0);
        await(kio_send(&self->send, &self->tx, &self->r));
        assert_int_equal(self->send.out, 0);
        await(kio_oneshot_recv(&self->recv, &self->rx, &self->answer));
        if (self->i % 5 == 0)
            assert_int_equal(self->recv.out, 0);
        else
            self->good += self->recv.out == 1 && self->answer == 2 * self->i;
    }
    async_return(self->good);
}

struct exchange {
    async_fn(int);
    struct kio_join_handle clients[6];
    struct kio_join_all all;
    struct kio_tx tx;
    int good;
};

async(exchange)
{
    struct kio_rx rx;

    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &rx, sizeof(struct request), 3), 0);
    kio_spawn(NULL, server, .rx = rx);
    for (int i = 0; i < 6; i++)
        kio_spawn(&self->clients[i], client, .tx = kio_tx_clone(&self->tx));
    kio_tx_drop(&self->tx);
    await(kio_join_all(&self->all, self->clients, 6));
    for (int i = 0; i < 6; i++)
        self->good += *kio_output(&self->clients[i], int);
    async_return(self->good);
}

static void requests_get_their_replies(void **state)
{
    int n = amount(1000);

    (void)state;
    assert_int_equal(run(exchange), 6 * (n - (n + 4) / 5));
}

/* ---- a select loop that drops sends and receives loses nothing ---------------------------- */

struct chooser {
    async_fn(int);
    struct kio_tx tx;
    struct kio_rx rx;
    int sent, got, value, in;
    struct kio_send send;
    struct kio_recv recv;
    struct kio_yield y;
    struct kio_select s;
};

static void chooser_drop(struct chooser *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

/* Sends 0, 1, 2 … on one side of a channel of one and receives on the other, in one select: each
 * arm is dropped again and again while it waits. */
async(chooser, chooser_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1), 0);
    while (self->got < amount(5000)) {
        self->value = self->sent;
        await(kio_select(&self->s,
                         self->sent < amount(5000) ? kio_send(&self->send, &self->tx, &self->value)
                                                   : NULL,
                         kio_recv(&self->recv, &self->rx, &self->in),
                         self->got % 3 ? NULL : kio_yield_now(&self->y)));
        if (self->s.out == 0) {
            assert_int_equal(self->send.out, 0);
            self->sent++;
        } else if (self->s.out == 1) {
            assert_int_equal(self->in, self->got); /* in order, none missing, none twice */
            self->got++;
        }
    }
    async_return(self->got);
}

static void a_select_that_drops_sends_and_receives_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(chooser), amount(5000));
}

/* ---- timers ------------------------------------------------------------------------------- */

struct napper {
    async_fn(int);
    int i, count;
    struct kio_sleep nap, other;
    struct kio_select s;
    struct kio_timeout t;
    struct kio_interval every;
    struct kio_tick tick;
};

async(napper)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        await(kio_select(&self->s, kio_sleep(&self->nap, self->i % 3 * 300 * KIO_US),
                         kio_sleep(&self->other, self->i % 2 * 400 * KIO_US)));
        await(kio_timeout(&self->t, 100 * KIO_US, kio_sleep(&self->nap, KIO_SEC)));
        assert_int_equal(self->t.out, -ETIMEDOUT);
    }
    assert_int_equal(kio_interval(&self->every, KIO_MS), 0);
    for (self->i = 0; self->i < 5; self->i++)
        await(kio_tick(&self->tick, &self->every));
    async_return(self->count);
}

struct nappers {
    async_fn(int);
    struct kio_join_handle h[40];
    int i, sum;
};

async(nappers)
{
    async_begin;
    for (self->i = 0; self->i < 40; self->i++)
        kio_spawn(&self->h[self->i], napper, .count = amount(40));
    for (self->i = 0; self->i < 40; self->i++) {
        await(&self->h[self->i]);
        self->sum += *kio_output(&self->h[self->i], int);
    }
    async_return(self->sum);
}

static void timers_are_armed_and_dropped_on_every_worker(void **state)
{
    (void)state;
    assert_int_equal(run(nappers), 40 * amount(40));
}

/* ---- tasks aborted at random moments ------------------------------------------------------ */

struct victim {
    async_fn(void);
    struct kio_sleep nap;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    struct kio_select s;
    int value;
};

static void victim_drop(struct victim *self)
{
    ki_fetch_add_seq_cst(&drops, 1);
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(victim, victim_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1), 0);
    for (;;)
        await(kio_select(&self->s, kio_sleep(&self->nap, 50 * KIO_US),
                         kio_recv(&self->recv, &self->rx, &self->value)));
}

struct killer {
    async_fn(int);
    int rounds, i, j;
    struct kio_join_handle h[16];
    struct kio_yield y;
    struct kio_sleep nap;
    struct kio_join_all all;
};

async(killer)
{
    async_begin;
    for (self->i = 0; self->i < self->rounds; self->i++) {
        for (self->j = 0; self->j < 16; self->j++)
            kio_spawn(&self->h[self->j], victim);
        if (self->i % 3 == 0)
            await(kio_yield_now(&self->y));
        else if (self->i % 3 == 1)
            await(kio_sleep(&self->nap, self->i % 10 * 30 * KIO_US));
        for (self->j = 0; self->j < 16; self->j++)
            kio_abort(&self->h[self->j]);
        await(kio_join_all(&self->all, self->h, 16));
        for (self->j = 0; self->j < 16; self->j++)
            assert_int_equal(self->h[self->j].out, -ECANCELED);
    }
    async_return(self->rounds);
}

static void aborted_tasks_are_destroyed_once(void **state)
{
    (void)state;
    assert_int_equal(run(killer, .rounds = amount(200)), amount(200));
    assert_int_equal(ki_load_seq_cst(&drops), 16 * amount(200));
}

RT_MAIN(RT(channels_carry_every_message_once), RT(requests_get_their_replies),
        RT(a_select_that_drops_sends_and_receives_loses_nothing),
        RT(timers_are_armed_and_dropped_on_every_worker), RT(aborted_tasks_are_destroyed_once))
