/* ping_pong, mpsc, oneshot, select. */
#include "bench.h"

/* ---- ping_pong ---------------------------------------------------------------------------- */

struct ponger {
    async_fn(void);
    struct kio_rx rx;
    struct kio_tx tx;
    struct kio_recv recv;
    struct kio_send send;
    uint64_t value;
};

static void ponger_drop(struct ponger *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(ponger, ponger_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            async_return();
        await(kio_send(&self->send, &self->tx, &self->value));
    }
}

struct pinger {
    async_fn(void);
    long n, i;
    double start;
    struct kio_rx rx;
    struct kio_tx tx;
    struct kio_recv recv;
    struct kio_send send;
    uint64_t value;
};

static void pinger_drop(struct pinger *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(pinger, pinger_drop)
{
    struct kio_tx pong_tx;
    struct kio_rx ping_rx;

    async_begin;
    if (kio_mpsc_channel(&self->tx, &ping_rx, sizeof(uint64_t), 1) ||
        kio_mpsc_channel(&pong_tx, &self->rx, sizeof(uint64_t), 1))
        abort();
    kio_spawn(NULL, ponger, .rx = ping_rx, .tx = pong_tx);
    self->start = wall_seconds();
    for (self->i = 0; self->i < self->n; self->i++) {
        self->value = (uint64_t)self->i;
        await(kio_send(&self->send, &self->tx, &self->value));
        await(kio_recv(&self->recv, &self->rx, &self->value));
    }
    report("ping_pong", "round_trip", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");
    async_return();
}

void bench_ping_pong(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, pinger, .n = scale(1000000));
}

/* ---- mpsc --------------------------------------------------------------------------------- */

struct producer {
    async_fn(void);
    struct kio_tx tx;
    long n;
    struct kio_send send;
    uint64_t value;
};

static void producer_drop(struct producer *self)
{
    kio_tx_drop(&self->tx);
}

async(producer, producer_drop)
{
    async_begin;
    for (; self->n > 0; self->n--) {
        self->value = (uint64_t)self->n;
        await(kio_send(&self->send, &self->tx, &self->value));
    }
    async_return();
}

struct consumer {
    async_fn(void);
    int producers;
    size_t cap;
    long n, got;
    double start;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    uint64_t value;
};

static void consumer_drop(struct consumer *self)
{
    kio_rx_drop(&self->rx);
}

async(consumer, consumer_drop)
{
    char name[32];

    async_begin;
    if (kio_mpsc_channel(&self->tx, &self->rx, sizeof(uint64_t), self->cap))
        abort();
    self->start = wall_seconds();
    for (int i = 0; i < self->producers; i++)
        kio_spawn(NULL, producer, .tx = kio_tx_clone(&self->tx), .n = self->n / self->producers);
    kio_tx_drop(&self->tx);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->got++;
    }
    snprintf(name, sizeof name, "mpsc_p%d_c%zu", self->producers, self->cap);
    report(name, "per_msg", (wall_seconds() - self->start) / (double)self->got * 1e9, "ns");
    async_return();
}

void bench_mpsc(struct kio_runtime *rt)
{
    long n = scale(2000000);

    kio_runtime_block_on(rt, consumer, .producers = 1, .cap = 32, .n = n);
    kio_runtime_block_on(rt, consumer, .producers = 1, .cap = 1024, .n = n);
    kio_runtime_block_on(rt, consumer, .producers = 8, .cap = 32, .n = n);
    kio_runtime_block_on(rt, consumer, .producers = 8, .cap = 1024, .n = n);
}

/* ---- oneshot ------------------------------------------------------------------------------ */

struct request {
    uint64_t input;
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
        kio_oneshot_send(&self->r.reply, &self->r.input);
    }
}

struct client {
    async_fn(void);
    long n, i;
    double start;
    struct kio_tx tx;
    struct kio_send send;
    struct request r;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    uint64_t answer;
};

static void client_drop(struct client *self)
{
    kio_tx_drop(&self->tx);
}

async(client, client_drop)
{
    struct kio_rx rx;

    async_begin;
    if (kio_mpsc_channel(&self->tx, &rx, sizeof(struct request), 32))
        abort();
    kio_spawn(NULL, server, .rx = rx);
    self->start = wall_seconds();
    for (self->i = 0; self->i < self->n; self->i++) {
        if (kio_oneshot_channel(&self->r.reply, &self->rx, sizeof(uint64_t)))
            abort();
        await(kio_send(&self->send, &self->tx, &self->r));
        await(kio_oneshot_recv(&self->recv, &self->rx, &self->answer));
    }
    report("oneshot_reqresp", "per_request", (wall_seconds() - self->start) / (double)self->n * 1e9,
           "ns");
    self->start = wall_seconds();
    for (self->i = 0; self->i < self->n; self->i++) {
        struct kio_oneshot_tx tx;

        if (kio_oneshot_channel(&tx, &self->rx, sizeof(uint64_t)))
            abort();
        uint64_t value = (uint64_t)self->i;
        kio_oneshot_send(&tx, &value);
        await(kio_oneshot_recv(&self->recv, &self->rx, &self->answer));
    }
    report("oneshot_local", "per_op", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");
    async_return();
}

void bench_oneshot(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, client, .n = scale(1000000));
}

/* ---- select ------------------------------------------------------------------------------- */

struct selector {
    async_fn(void);
    long n, got;
    double start;
    struct kio_rx a, b;
    struct kio_recv ra, rb;
    struct kio_select s;
    uint64_t va, vb;
};

static void selector_drop(struct selector *self)
{
    kio_rx_drop(&self->a);
    kio_rx_drop(&self->b);
}

async(selector, selector_drop)
{
    struct kio_tx ta, tb;

    async_begin;
    if (kio_mpsc_channel(&ta, &self->a, sizeof(uint64_t), 32) ||
        kio_mpsc_channel(&tb, &self->b, sizeof(uint64_t), 32))
        abort();
    kio_spawn(NULL, producer, .tx = ta, .n = self->n / 2);
    kio_spawn(NULL, producer, .tx = tb, .n = self->n / 2);
    self->start = wall_seconds();
    while (self->got < self->n) {
        await(kio_select(&self->s, kio_recv(&self->ra, &self->a, &self->va),
                         kio_recv(&self->rb, &self->b, &self->vb)));
        if (self->s.out == 0 ? self->ra.out : self->rb.out)
            self->got++;
    }
    report("select2", "per_select", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");
    async_return();
}

void bench_select(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, selector, .n = scale(1000000));
}
