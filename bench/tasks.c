/* spawn_join, yield, mem_pending, mem_notify, parallel. */
#include "bench.h"

#include <unistd.h>

/* ---- spawn_join --------------------------------------------------------------------------- */

#define BATCH 1000

struct trivial {
    async_fn(int);
    int value;
};

async(trivial)
{
    async_begin;
    async_return(self->value + 1);
}

struct spawn_join {
    async_fn(void);
    long n, done;
    int i;
    long sum;
    double start;
    struct kio_join_handle h[BATCH];
};

async(spawn_join)
{
    async_begin;
    self->start = wall_seconds();
    for (; self->done < self->n; self->done += BATCH) {
        for (self->i = 0; self->i < BATCH; self->i++)
            kio_spawn(&self->h[self->i], trivial, .value = self->i);
        for (self->i = 0; self->i < BATCH; self->i++) {
            await(&self->h[self->i]);
            self->sum += *kio_output(&self->h[self->i], int);
        }
    }
    if (self->sum != self->done / BATCH * (BATCH * (BATCH + 1) / 2))
        abort();
    report("spawn_join", "per_task", (wall_seconds() - self->start) / (double)self->done * 1e9, "ns");
    async_return();
}

void bench_spawn_join(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, spawn_join, .n = scale(1000000));
}

/* ---- yield -------------------------------------------------------------------------------- */

struct yielder {
    async_fn(void);
    int n;
    struct kio_yield y;
};

async(yielder)
{
    async_begin;
    for (; self->n > 0; self->n--)
        await(kio_yield_now(&self->y));
    async_return();
}

struct yields {
    async_fn(void);
    int i;
    double start;
    struct kio_join_handle h[1000];
};

async(yields)
{
    async_begin;
    self->start = wall_seconds();
    for (self->i = 0; self->i < 1000; self->i++)
        kio_spawn(&self->h[self->i], yielder, .n = 1000);
    for (self->i = 0; self->i < 1000; self->i++)
        await(&self->h[self->i]);
    report("yield", "per_yield", (wall_seconds() - self->start) / 1e6 * 1e9, "ns");
    async_return();
}

void bench_yield(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, yields);
}

/* ---- mem_pending -------------------------------------------------------------------------- */

struct never {
    KIO_ASYNC_FN(void);
};

static kio_poll never_poll(kio_future *f, kio_context *cx)
{
    (void)cx;
    f->state = f;
    return KIO_PENDING;
}

static const kio_future_type never_type = {
    .name = "never",
    .size = sizeof(struct never),
    .poll = never_poll,
};

struct pending {
    async_fn(void);
    long i, n;
    size_t before;
    struct kio_yield y;
};

async(pending)
{
    async_begin;
    self->before = resident_bytes();
    for (self->i = 0; self->i < self->n; self->i++) {
        kio_spawn(NULL, never);
        if (self->i % 1000 == 0)
            await(kio_yield_now(&self->y));
    }
    await(kio_yield_now(&self->y));
    report("mem_pending", "per_task", (double)(resident_bytes() - self->before) / (double)self->n, "B");
    async_return();
}

void bench_mem_pending(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, pending, .n = scale(1000000));
}

/* ---- mem_notify --------------------------------------------------------------------------- */

struct waiter {
    async_fn(void);
    struct kio_notify *notify;
    struct kio_notified notified;
};

async(waiter)
{
    async_begin;
    await(kio_notified(&self->notified, self->notify));
    async_return();
}

struct parked {
    async_fn(void);
    long i, n;
    size_t before;
    struct kio_notify notify;
    struct kio_yield y;
};

async(parked)
{
    async_begin;
    self->before = resident_bytes();
    for (self->i = 0; self->i < self->n; self->i++) {
        kio_spawn(NULL, waiter, .notify = &self->notify);
        if (self->i % 1000 == 0)
            await(kio_yield_now(&self->y));
    }
    await(kio_yield_now(&self->y));
    report("mem_notify", "per_task", (double)(resident_bytes() - self->before) / (double)self->n, "B");
    fflush(stdout);
    _exit(0); /* the others still borrow notify */
}

void bench_mem_notify(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, parked, .n = scale(1000000));
}

/* ---- parallel: 10 us of computation a task ------------------------------------------------ */

struct compute {
    async_fn(uint64_t);
    uint64_t seed;
};

async(compute)
{
    async_begin;
    uint64_t x = self->seed | 1;

    for (int i = 0; i < 5000; i++) { /* about 10 us: a chain of dependent multiplications */
        x ^= x >> 13;
        x *= UINT64_C(0x9e3779b97f4a7c15);
    }
    async_return(x);
}

struct parallel {
    async_fn(void);
    long n, done;
    int i;
    double start;
    struct kio_join_handle h[BATCH];
};

async(parallel)
{
    async_begin;
    self->start = wall_seconds();
    for (; self->done < self->n; self->done += BATCH) {
        for (self->i = 0; self->i < BATCH; self->i++)
            kio_spawn(&self->h[self->i], compute, .seed = (uint64_t)self->i);
        for (self->i = 0; self->i < BATCH; self->i++)
            await(&self->h[self->i]);
    }
    report("parallel", "per_task", (wall_seconds() - self->start) / (double)self->done * 1e9, "ns");
    async_return();
}

void bench_parallel(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, parallel, .n = scale(100000));
}
