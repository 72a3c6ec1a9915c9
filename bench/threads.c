/* blocking, cross_wake, cache_line, blocked, latency. */
#include "bench.h"

#include <pthread.h>
#include <sched.h>

/* ---- blocking ----------------------------------------------------------------------------- */

static void *nothing(void *arg)
{
    return arg;
}

struct jobs {
    async_fn(void);
    long n, done;
    int i;
    double start;
    struct kio_join_handle h[1000];
};

async(jobs)
{
    async_begin;
    self->start = wall_seconds();
    for (; self->done < self->n; self->done += 1000) {
        for (self->i = 0; self->i < 1000; self->i++)
            kio_spawn_blocking(&self->h[self->i], nothing, NULL);
        for (self->i = 0; self->i < 1000; self->i++)
            await(&self->h[self->i]);
    }
    report("spawn_blocking_batch", "per_job",
           (wall_seconds() - self->start) / (double)self->done * 1e9, "ns");
    self->start = wall_seconds();
    for (self->i = 0; self->i < 20000; self->i++) {
        kio_spawn_blocking(&self->h[0], nothing, NULL);
        await(&self->h[0]);
    }
    report("spawn_blocking_seq", "per_job", (wall_seconds() - self->start) / 20000 * 1e9, "ns");
    async_return();
}

void bench_blocking(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, jobs, .n = scale(100000));
}

/* ---- cross_wake: two current-thread runtimes wake each other in turn ---------------------- */

struct side {
    async_fn(void);
    struct kio_rx rx;
    struct kio_tx tx;
    long n;
    bool first;
    struct kio_recv recv;
    struct kio_send send;
    char value;
};

static void side_drop(struct side *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(side, side_drop)
{
    async_begin;
    for (; self->n > 0; self->n--) {
        if (self->first)
            await(kio_send(&self->send, &self->tx, &self->value));
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->first)
            await(kio_send(&self->send, &self->tx, &self->value));
    }
    async_return();
}

struct ends {
    struct kio_rx rx;
    struct kio_tx tx;
    long n;
};

static void *other_side(void *arg)
{
    struct ends *e = arg;

    kio_block_on(side, .rx = e->rx, .tx = e->tx, .n = e->n);
    return NULL;
}

void bench_cross_wake(struct kio_runtime *rt)
{
    long n = scale(100000);
    struct ends mine = { .n = n }, theirs = { .n = n };
    pthread_t thread;
    double start;

    (void)rt;
    if (kio_mpsc_channel(&mine.tx, &theirs.rx, 1, 1) || kio_mpsc_channel(&theirs.tx, &mine.rx, 1, 1))
        abort();
    start = wall_seconds();
    if (pthread_create(&thread, NULL, other_side, &theirs))
        abort();
    kio_block_on(side, .rx = mine.rx, .tx = mine.tx, .n = n, .first = true);
    pthread_join(thread, NULL);
    report("cross_wake", "round_trip", (wall_seconds() - start) / (double)n * 1e9, "ns");
}

/* ---- cache_line: to the other core and back, which is what two workers share at ------------- */

static struct {
    _Alignas(64) long turn;
    int cpu[2];
    long n;
} line;

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void *take_turns(void *arg)
{
    long mine = (long)(intptr_t)arg;

    stay_on(line.cpu[mine]);
    for (long i = mine; i < 2 * line.n; i += 2) {
        while (__atomic_load_n(&line.turn, __ATOMIC_ACQUIRE) != i)
            ;
        __atomic_store_n(&line.turn, i + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* The table shows by it what machine it was: 60 ns where two processors share a cache, 450 where not. */
void bench_cache_line(struct kio_runtime *rt)
{
    pthread_t thread;
    cpu_set_t set;
    double start;
    int found = 0;

    (void)rt;
    if (bench_flavor != KIO_MULTI_THREAD || sched_getaffinity(0, sizeof set, &set))
        return;
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++) {
        if (CPU_ISSET(i, &set))
            line.cpu[found++] = i;
    }
    if (found < 2)
        return;
    line.n = scale(1000000);
    if (pthread_create(&thread, NULL, take_turns, (void *)1))
        abort();
    start = wall_seconds();
    take_turns(NULL);
    pthread_join(thread, NULL);
    report("cache_line", "round_trip", (wall_seconds() - start) / (double)line.n * 1e9, "ns");
}

/* ---- blocked: how long what a blocked worker holds has to wait for another --------------- */

static long seen_at; /* ns; 0: not yet */

static long now_ns(void)
{
    return (long)(wall_seconds() * 1e9);
}

struct witness {
    async_fn(void);
};

async(witness)
{
    async_begin;
    if (__atomic_load_n(&seen_at, __ATOMIC_ACQUIRE) == 0)
        __atomic_store_n(&seen_at, now_ns(), __ATOMIC_RELEASE);
    async_return();
}

struct blocked {
    async_fn(void);
    long i;
    int k, round, tasks;
    long start;
    double samples[3][100];
    struct kio_join_handle h[4];
    struct kio_sleep nap;
};

async(blocked)
{
    async_begin;
    for (self->round = 0; self->round < 3; self->round++) {
        self->tasks = 1 << self->round; /* the slot; and one in the queue; and three */
        for (self->i = 0; self->i < 100; self->i++) {
            await(kio_sleep(&self->nap, 2 * KIO_MS)); /* the other worker is asleep */
            seen_at = 0;
            self->start = now_ns();
            for (self->k = 0; self->k < self->tasks; self->k++)
                kio_spawn(&self->h[self->k], witness);
            while (__atomic_load_n(&seen_at, __ATOMIC_ACQUIRE) == 0)
                ; /* a poll that computes and never waits */
            self->samples[self->round][self->i] = (double)(seen_at - self->start) / 1e9;
            for (self->k = 0; self->k < self->tasks; self->k++)
                await(&self->h[self->k]);
        }
    }
    report_percentiles("blocked_lifo", self->samples[0], 100);
    report_percentiles("blocked_queue1", self->samples[1], 100);
    report_percentiles("blocked_queue3", self->samples[2], 100);
    async_return();
}

void bench_blocked(struct kio_runtime *rt)
{
    if (bench_flavor == KIO_MULTI_THREAD && bench_workers > 1)
        kio_runtime_block_on(rt, blocked);
}

/* ---- latency: wake to run, under load ----------------------------------------------------- */

#define SAMPLES 100000

/* The load: tasks that compute about 2 us and yield. */
struct load {
    async_fn(void);
    bool *stop;
    struct kio_yield y;
};

async(load)
{
    async_begin;
    while (!__atomic_load_n(self->stop, __ATOMIC_RELAXED)) {
        uint64_t x = 1;

        for (int i = 0; i < 1000; i++)
            x = (x ^ x >> 13) * UINT64_C(0x9e3779b97f4a7c15);
        __asm__ volatile("" ::"r"(x));
        await(kio_yield_now(&self->y));
    }
    async_return();
}

struct stamped {
    async_fn(void);
    struct kio_rx rx;
    struct kio_recv recv;
    double sent, *samples;
    long got;
};

static void stamped_drop(struct stamped *self)
{
    kio_rx_drop(&self->rx);
}

async(stamped, stamped_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->sent));
        if (!self->recv.out)
            async_return();
        if (self->got < SAMPLES)
            self->samples[self->got++] = wall_seconds() - self->sent;
    }
}

struct latency {
    async_fn(void);
    double *samples;
    struct kio_tx tx;
    struct kio_send send;
    struct kio_join_handle receiver, load[20];
    struct kio_yield y;
    bool stop;
    int i;
    double now;
};

static void latency_drop(struct latency *self)
{
    kio_tx_drop(&self->tx);
    free(self->samples);
}

async(latency, latency_drop)
{
    struct kio_rx rx;

    async_begin;
    self->samples = calloc(SAMPLES, sizeof *self->samples);
    if (!self->samples || kio_mpsc_channel(&self->tx, &rx, sizeof(double), 1))
        abort();
    kio_spawn(&self->receiver, stamped, .rx = rx, .samples = self->samples);
    for (self->i = 0; self->i < 20; self->i++)
        kio_spawn(&self->load[self->i], load, .stop = &self->stop);
    for (self->i = 0; self->i < SAMPLES; self->i++) {
        self->now = wall_seconds();
        await(kio_send(&self->send, &self->tx, &self->now));
        await(kio_yield_now(&self->y));
    }
    __atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
    kio_tx_drop(&self->tx);
    await(&self->receiver);
    for (self->i = 0; self->i < 20; self->i++)
        await(&self->load[self->i]);
    report_percentiles("latency", self->samples, SAMPLES);
    async_return();
}

void bench_latency(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, latency);
}
