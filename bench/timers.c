/* join_all, timers, timer_cancel, mem_sleep. */
#include "bench.h"

/* ---- join_all ----------------------------------------------------------------------------- */

#define MEMBERS 1000

struct ready {
    async_fn(int);
    int value;
};

async(ready)
{
    async_begin;
    async_return(self->value);
}

struct napper {
    async_fn(void);
    struct kio_sleep nap;
};

async(napper)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

struct join_all {
    async_fn(void);
    long rounds, i;
    double start;
    struct ready ready[MEMBERS];
    struct napper naps[MEMBERS];
    struct kio_join_all all;
};

async(join_all)
{
    async_begin;
    self->start = wall_seconds();
    for (self->i = 0; self->i < self->rounds; self->i++) {
        for (int j = 0; j < MEMBERS; j++)
            async_call(&self->ready[j], ready, .value = j);
        await(kio_join_all(&self->all, self->ready, MEMBERS));
    }
    report("join_all_ready", "per_future",
           (wall_seconds() - self->start) / (double)self->rounds / MEMBERS * 1e9, "ns");
    self->start = wall_seconds();
    for (self->i = 0; self->i < 200; self->i++) {
        for (int j = 0; j < MEMBERS; j++)
            async_call(&self->naps[j], napper);
        await(kio_join_all(&self->all, self->naps, MEMBERS));
    }
    report("join_all_sleep1ms", "per_round", (wall_seconds() - self->start) / 200 * 1e6, "us");
    async_return();
}

void bench_join_all(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, join_all, .rounds = scale(2000));
}

/* ---- timers: 1M tasks sleeping 0-999 ms --------------------------------------------------- */

struct sleeper {
    async_fn(void);
    kio_duration d;
    struct kio_sleep nap;
};

async(sleeper)
{
    async_begin;
    await(kio_sleep(&self->nap, self->d));
    async_return();
}

struct timers {
    async_fn(void);
    long n, i;
    uint64_t rand;
    double start, cpu;
    struct kio_join_handle *h;
};

static void timers_drop(struct timers *self)
{
    free(self->h);
}

async(timers, timers_drop)
{
    async_begin;
    self->h = calloc((size_t)self->n, sizeof *self->h);
    self->rand = 42;
    self->start = wall_seconds();
    self->cpu = cpu_seconds();
    for (self->i = 0; self->i < self->n; self->i++) {
        self->rand = self->rand * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        kio_spawn(&self->h[self->i], sleeper, .d = (int64_t)((self->rand >> 33) % 1000) * KIO_MS);
    }
    for (self->i = 0; self->i < self->n; self->i++) {
        await(&self->h[self->i]);
        kio_drop(&self->h[self->i]);
    }
    report("timers_1M", "wall", wall_seconds() - self->start, "s");
    report("timers_1M", "cpu", cpu_seconds() - self->cpu, "s");
    report("timers_1M", "peak_rss", (double)peak_bytes() / (1 << 20), "MiB");
    async_return();
}

void bench_timers(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, timers, .n = scale(1000000));
}

/* ---- timer_cancel: made and cancelled, 1000 live ------------------------------------------ */

struct cancels {
    async_fn(void);
    long n, i;
    uint64_t rand;
    double start;
    struct kio_sleep naps[1000];
    struct kio_yield y;
};

/* Arms by polling once, as a select does, and cancels by making another in the slot. */
struct arm {
    KIO_ASYNC_FN(void);
    struct cancels *of;
};

static kio_poll arm_poll(kio_future *f, kio_context *cx)
{
    struct cancels *self = ((struct arm *)f)->of;

    for (int k = 0; k < 100 && self->i < self->n; k++, self->i++) {
        struct kio_sleep *nap = &self->naps[self->i % 1000];

        self->rand = self->rand * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        kio_sleep(nap, KIO_SEC + (int64_t)(self->rand >> 34) % 60 * KIO_SEC);
        if (kio_future_poll(&nap->kio, cx) == KIO_READY)
            abort();
    }
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type arm_type = { .name = "arm", .size = sizeof(struct arm), .poll = arm_poll };

struct cancel_root {
    async_fn(void);
    struct cancels c;
    struct arm arm;
};

static void cancel_drop(struct cancel_root *self)
{
    for (int i = 0; i < 1000; i++)
        kio_drop(&self->c.naps[i]);
}

async(cancel_root, cancel_drop)
{
    async_begin;
    self->c.n = scale(1000000);
    self->c.rand = 1;
    self->c.start = wall_seconds();
    while (self->c.i < self->c.n)
        await(async_call(&self->arm, arm, .of = &self->c));
    report("timer_cancel", "per_timer", (wall_seconds() - self->c.start) / (double)self->c.n * 1e9,
           "ns");
    async_return();
}

void bench_timer_cancel(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, cancel_root);
}

/* ---- mem_sleep ---------------------------------------------------------------------------- */

struct mem_sleep {
    async_fn(void);
    long n, i;
    size_t before;
    struct kio_sleep nap;
    struct kio_yield y;
};

async(mem_sleep)
{
    async_begin;
    self->before = resident_bytes();
    for (self->i = 0; self->i < self->n; self->i++) {
        kio_spawn(NULL, sleeper, .d = 600 * KIO_SEC);
        if (self->i % 1000 == 0)
            await(kio_yield_now(&self->y));
    }
    await(kio_sleep(&self->nap, 100 * KIO_MS));
    report("mem_sleep", "per_task", (double)(resident_bytes() - self->before) / (double)self->n, "B");
    async_return();
}

void bench_mem_sleep(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, mem_sleep, .n = scale(1000000));
}
