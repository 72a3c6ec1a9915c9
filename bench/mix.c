/*
 * mix: what servers do. 64 clients; each request spawns a handler that computes a little, yields,
 * computes and answers by oneshot; the client waits with a timeout that nearly never fires. After 16
 * requests a client is idle for a millisecond, so workers park and are woken all the time.
 */
#include "bench.h"

#define CLIENTS 64

static uint64_t compute(uint64_t x)
{
    for (int i = 0; i < 100; i++) /* about 150 ns */
        x = (x ^ x >> 13) * UINT64_C(0x9e3779b97f4a7c15);
    return x;
}

struct handler {
    async_fn(void);
    struct kio_oneshot_tx reply;
    uint64_t value;
    struct kio_yield y;
};

static void handler_drop(struct handler *self)
{
    kio_oneshot_tx_drop(&self->reply);
}

async(handler, handler_drop)
{
    async_begin;
    self->value = compute(self->value | 1);
    await(kio_yield_now(&self->y));
    self->value = compute(self->value);
    kio_oneshot_send(&self->reply, &self->value);
    async_return();
}

struct mix_client {
    async_fn(void);
    long n, i;
    double *samples;
    double start;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    struct kio_timeout limit;
    struct kio_sleep idle;
    uint64_t answer;
};

static void mix_client_drop(struct mix_client *self)
{
    kio_oneshot_rx_drop(&self->rx);
}

async(mix_client, mix_client_drop)
{
    async_begin;
    for (self->i = 0; self->i < self->n; self->i++) {
        struct kio_oneshot_tx reply;

        self->start = wall_seconds();
        if (kio_oneshot_channel(&reply, &self->rx, sizeof(uint64_t)))
            abort();
        kio_spawn(NULL, handler, .reply = reply, .value = (uint64_t)self->i);
        await(kio_timeout(&self->limit, KIO_SEC,
                          kio_oneshot_recv(&self->recv, &self->rx, &self->answer)));
        if (self->limit.out)
            kio_oneshot_rx_drop(&self->rx);
        self->samples[self->i] = wall_seconds() - self->start;
        if (self->i % 16 == 15)
            await(kio_sleep(&self->idle, KIO_MS));
    }
    async_return();
}

struct mix {
    async_fn(void);
    long n, each;
    int i;
    double start, took, *samples;
    struct kio_join_handle h[CLIENTS];
};

static void mix_drop(struct mix *self)
{
    free(self->samples);
}

async(mix, mix_drop)
{
    async_begin;
    self->each = self->n / CLIENTS;
    self->samples = calloc((size_t)self->n, sizeof *self->samples);
    if (!self->samples)
        abort();
    self->start = wall_seconds();
    for (self->i = 0; self->i < CLIENTS; self->i++)
        kio_spawn(&self->h[self->i], mix_client, .n = self->each,
                  .samples = self->samples + self->i * self->each);
    for (self->i = 0; self->i < CLIENTS; self->i++)
        await(&self->h[self->i]);
    self->took = wall_seconds() - self->start;
    report("mix", "requests", (double)(self->each * CLIENTS) / self->took, "1/s");
    report_percentiles("mix", self->samples, (size_t)(self->each * CLIENTS));
    async_return();
}

void bench_mix(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, mix, .n = scale(256000));
}
