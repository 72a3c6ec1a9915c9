/* sweep: the cost of one of n, for n = KIOTO_BENCH_N: it should not grow with n. */
#include "bench.h"

struct one {
    async_fn(void);
    kio_duration d;
    struct kio_sleep nap;
};

async(one)
{
    async_begin;
    if (self->d)
        await(kio_sleep(&self->nap, self->d));
    async_return();
}

struct gate {
    async_fn(void);
    struct kio_yield y;
};

async(gate)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return();
}

struct sweep {
    async_fn(void);
    long n, i;
    double start, cpu;
    struct kio_join_handle *h;
    struct gate *gates;
    struct kio_join_all all;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    uint64_t value;
};

static void sweep_drop(struct sweep *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
    free(self->h);
    free(self->gates);
}

async(sweep, sweep_drop)
{
    async_begin;
    self->h = calloc((size_t)self->n, sizeof *self->h);
    self->gates = calloc((size_t)self->n, sizeof *self->gates);
    if (!self->h || !self->gates)
        abort();

    self->start = wall_seconds(); /* n tasks alive at once */
    for (self->i = 0; self->i < self->n; self->i++)
        kio_spawn(&self->h[self->i], one);
    for (self->i = 0; self->i < self->n; self->i++) {
        await(&self->h[self->i]);
        kio_drop(&self->h[self->i]);
    }
    report("sweep_spawn", "per_item", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");

    self->cpu = cpu_seconds(); /* n timers of 1 to 1000 ms */
    for (self->i = 0; self->i < self->n; self->i++)
        kio_spawn(&self->h[self->i], one, .d = (self->i * 7919 % 1000 + 1) * KIO_MS);
    for (self->i = 0; self->i < self->n; self->i++) {
        await(&self->h[self->i]);
        kio_drop(&self->h[self->i]);
    }
    report("sweep_sleep", "per_item", (cpu_seconds() - self->cpu) / (double)self->n * 1e9, "ns");

    self->start = wall_seconds(); /* n members, each woken once */
    for (self->i = 0; self->i < self->n; self->i++)
        async_call(&self->gates[self->i], gate);
    await(kio_join_all(&self->all, self->gates, (size_t)self->n));
    report("sweep_join_all", "per_item", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");

    self->start = wall_seconds(); /* n messages queued, then received */
    if (kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(uint64_t)))
        abort();
    for (self->i = 0; self->i < self->n; self->i++) {
        uint64_t value = (uint64_t)self->i;

        if (kio_try_send(&self->tx, &value))
            abort();
    }
    kio_tx_drop(&self->tx);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
    }
    report("sweep_mpsc", "per_item", (wall_seconds() - self->start) / (double)self->n * 1e9, "ns");
    async_return();
}

void bench_sweep(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, sweep, .n = scale(1000000));
}
