/* Everybody gets a turn: the budget, the slot of what runs next, yields, I/O and timers under load. Tokio's
 * rt_common (coop, ping_pong_saturation, yield_defers), TOKIO.md 2.6. */
#include "support/rt.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static struct kio_metrics metrics(void)
{
    struct kio_metrics m;

    kio_metrics_read(rt, &m);
    return m;
}

/* ---- budget ---------------------------------------------------------------------------------- */

/* Takes all that is in a channel in one poll, as far as it may; its result is how many. */
struct drains {
    async_fn(int);
    struct kio_rx *rx;
    struct kio_recv recv;
    int value;
};

static kio_poll drains_poll(kio_future *f, kio_context *cx)
{
    struct drains *self = (struct drains *)f;

    f->state = f;
    self->out = 0;
    for (;;) {
        kio_recv(&self->recv, self->rx, &self->value);
        if (kio_poll_(&self->recv.kio, cx) == KIO_PENDING) {
            kio_drop(&self->recv);
            break;
        }
        if (!self->recv.out)
            break;
        self->out++;
    }
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type drains_type = {
    .name = "drains",
    .size = sizeof(struct drains),
    .poll = drains_poll,
    .out_offset = offsetof(struct drains, out),
    .out_size = sizeof(int),
};

struct coop {
    async_fn(int);
    bool unconstrained;
    struct kio_tx tx;
    struct kio_rx rx;
    struct drains drains;
    struct kio_unconstrained around;
    int i;
};

static void coop_drop(struct coop *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(coop, coop_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    for (self->i = 0; self->i < 1000; self->i++)
        assert_int_equal(kio_try_send(&self->tx, &self->i), 0);
    kio_tx_drop(&self->tx);
    async_call(&self->drains, drains, .rx = &self->rx);
    if (self->unconstrained)
        await(kio_unconstrained(&self->around, &self->drains));
    else
        await(&self->drains);
    async_return(self->drains.out);
}

static void a_poll_takes_128_messages_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(run(coop), 128);
    assert_int_equal(run(coop, .unconstrained = true), 1000);
}

struct consumes {
    async_fn(int);
    int count, i, without;
    struct kio_consume_budget c;
};

async(consumes)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        await(kio_consume_budget(&self->c));
        self->without += !kio_has_budget();
    }
    async_return(self->without);
}

static void a_loop_that_consumes_budget_yields_each_128_rounds(void **state)
{
    uint64_t polls = metrics().polls;

    (void)state;
    assert_true(kio_has_budget()); /* of no task */
    assert_int_equal(run(consumes, .count = 1000), 7); /* after 128, 256 .. 896 */
    assert_int_equal(metrics().polls - polls, 8);
    assert_int_equal(metrics().forced_yields, 7);
}

/* Two that use the budget up in one poll are forced once. */
struct joins_consumers {
    async_fn(void);
    struct consumes a, b;
    struct kio_join both;
};

async(joins_consumers)
{
    async_begin;
    await(kio_join(&self->both, async_call(&self->a, consumes, .count = 128),
                   async_call(&self->b, consumes, .count = 100)));
    async_return();
}

static void a_forced_yield_is_counted_once_a_poll(void **state)
{
    (void)state;
    run(joins_consumers);
    assert_int_equal(metrics().forced_yields, 1);
}

struct blocks_first {
    async_fn(int);
    struct coop coop;
};

static void *nothing(void *arg)
{
    return arg;
}

async(blocks_first)
{
    async_begin;
    kio_block_in_place(nothing, NULL);
    await(async_call(&self->coop, coop));
    async_return(self->coop.out);
}

static void the_budget_counts_on_after_blocking_in_place(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(blocks_first), 128);
}

/* ---- the slot of what runs next ---------------------------------------------------------------- */

struct respawns {
    async_fn(void);
    ki_atomic(bool) *stop;
};

async_declare(respawns);

async(respawns)
{
    async_begin;
    if (!ki_load_seq_cst(self->stop))
        kio_spawn(NULL, respawns, .stop = self->stop);
    async_return();
}

struct yields {
    async_fn(void);
    int count;
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    while (self->count-- > 0)
        await(kio_yield_now(&self->y));
    async_return();
}

static void tasks_that_spawn_their_successors_leave_turns_to_others(void **state)
{
    ki_atomic(bool) stop = false;

    (void)state;
    assert_int_equal(kio_spawn_on(rt, NULL, respawns, .stop = &stop), 0);
    run(yields, .count = 100);
    ki_store_seq_cst(&stop, true);
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
}

struct pinger {
    async_fn(void);
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    ki_atomic(bool) *stop;
    int value;
};

static void pinger_drop(struct pinger *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(pinger, pinger_drop)
{
    async_begin;
    while (!self->stop || !ki_load_seq_cst(self->stop)) {
        if (self->stop)
            assert_int_equal(kio_try_send(&self->tx, &self->value), 0);
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        if (!self->stop)
            (void)!kio_try_send(&self->tx, &self->value); /* who asks may have stopped */
    }
    async_return();
}

struct saturates {
    async_fn(int);
    ki_atomic(bool) stop;
    struct kio_join_handle *hs;
    struct kio_join_handle h;
    int count, i;
};

static void saturates_drop(struct saturates *self)
{
    for (int i = 0; i < 2 * self->count; i++)
        kio_drop(&self->hs[i]);
    free(self->hs);
}

async(saturates, saturates_drop)
{
    async_begin;
    self->hs = calloc(2 * (size_t)self->count, sizeof *self->hs);
    for (self->i = 0; self->i < self->count; self->i++) {
        struct kio_tx tx1, tx2;
        struct kio_rx rx1, rx2;

        assert_int_equal(kio_mpsc_unbounded(&tx1, &rx1, sizeof(int)), 0);
        assert_int_equal(kio_mpsc_unbounded(&tx2, &rx2, sizeof(int)), 0);
        kio_spawn(&self->hs[2 * self->i], pinger, .tx = tx1, .rx = rx2, .stop = &self->stop);
        kio_spawn(&self->hs[2 * self->i + 1], pinger, .tx = tx2, .rx = rx1);
    }
    kio_spawn(&self->h, yields, .count = 5);
    await(&self->h);
    ki_store_seq_cst(&self->stop, true);
    for (self->i = 0; self->i < 2 * self->count; self->i++)
        await(&self->hs[self->i]);
    async_return(0);
}

static void pairs_that_wake_each_other_for_ever_leave_turns_to_others(void **state)
{
    (void)state;
    assert_int_equal(run(saturates, .count = 100), 0);
}

/* tokio's 2.6.7, slatedb #1998: a task that yielded waited for ever beside one that is always ready. */
struct always {
    async_fn(void);
    ki_atomic(int) *polls;
};

static kio_poll always_poll(kio_future *f, kio_context *cx)
{
    ki_fetch_add_relaxed(((struct always *)f)->polls, 1);
    f->state = f;
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type always_type = {
    .name = "always",
    .size = sizeof(struct always),
    .poll = always_poll,
};

struct beside_always {
    async_fn(int);
    ki_atomic(int) polls;
    int count, rounds;
    struct kio_join_handle h;
    struct kio_yield y;
};

async(beside_always)
{
    async_begin;
    kio_spawn(&self->h, always, .polls = &self->polls);
    for (self->rounds = 0; self->rounds < self->count; self->rounds++)
        await(kio_yield_now(&self->y));
    kio_abort(&self->h);
    await(&self->h);
    async_return(ki_load_relaxed(&self->polls));
}

static void one_that_yields_runs_beside_one_that_is_always_ready_1998(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_in_range(run(beside_always, .count = 100), 99, 101); /* turn by turn */
    else
        run(beside_always, .count = 100);
}

/* ---- timers and I/O under load ------------------------------------------------------------------- */

static int listen_here(struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    *addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)addr, sizeof *addr), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

struct naps {
    async_fn(void);
    struct kio_sleep nap;
};

async(naps)
{
    async_begin;
    await(kio_sleep(&self->nap, 2 * KIO_MS));
    async_return();
}

struct reads {
    async_fn(void);
    int number;
    struct kio_fd fd;
    struct kio_readiness wait;
};

static void reads_drop(struct reads *self)
{
    kio_fd_close(&self->fd);
}

async(reads, reads_drop)
{
    async_begin;
    assert_int_equal(kio_fd_open(&self->fd, self->number), 0);
    await(kio_readable(&self->wait, &self->fd));
    assert_int_equal(self->wait.out, 0);
    async_return();
}

static void *write_later(void *arg)
{
    usleep(5000);
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static void timers_and_io_come_beside_a_hundred_tasks_that_are_always_ready(void **state)
{
    static ki_atomic(int) polls;
    pthread_t thread;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, always, .polls = &polls), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_later, &ends[1]), 0);
    run(reads, .number = ends[0]);
    run(naps);
    pthread_join(thread, NULL);
    close(ends[1]);
}

/* A task that waits by yields for what another learns from the kernel: the driver is looked at meanwhile,
 * after at most 61 of them; alone, after each. */
struct yields_until {
    async_fn(int);
    ki_atomic(bool) *flag;
    bool by_budget;
    int rounds;
    struct kio_yield y;
    struct kio_consume_budget c;
    int i;
};

async(yields_until)
{
    async_begin;
    for (; !ki_load_seq_cst(self->flag); self->rounds++) {
        if (!self->by_budget)
            await(kio_yield_now(&self->y));
        for (self->i = 0; self->by_budget && self->i < 129; self->i++)
            await(kio_consume_budget(&self->c));
    }
    async_return(self->rounds);
}

struct accepts {
    async_fn(void);
    int number;
    ki_atomic(bool) *flag;
    struct reads reads;
};

async(accepts)
{
    async_begin;
    await(async_call(&self->reads, reads, .number = self->number));
    ki_store_seq_cst(self->flag, true);
    async_return();
}

struct connects {
    async_fn(int);
    bool by_budget;
    ki_atomic(bool) flag;
    struct sockaddr_in addr;
    int listener, peer;
    struct yields_until yields;
    struct accepts accepts;
    struct kio_join both;
    struct kio_yield y;
};

async(connects)
{
    async_begin;
    self->listener = listen_here(&self->addr);
    self->peer = socket(AF_INET, SOCK_STREAM, 0);
    async_let(async_call(&self->accepts, accepts, .number = self->listener, .flag = &self->flag));
    assert_int_equal(connect(self->peer, (struct sockaddr *)&self->addr, sizeof self->addr), 0);
    await(kio_join(&self->both,
                   async_call(&self->yields, yields_until, .flag = &self->flag,
                              .by_budget = self->by_budget),
                   &self->accepts));
    close(self->peer);
    async_return(self->yields.out);
}

static void a_task_that_only_yields_lets_the_driver_be_looked_at(void **state)
{
    (void)state;
    assert_in_range(run(connects), 0, 200);
    assert_in_range(run(connects, .by_budget = true), 0, 200);
}

RT_MAIN(RT(a_poll_takes_128_messages_and_no_more),
        RT(a_loop_that_consumes_budget_yields_each_128_rounds), RT(a_forced_yield_is_counted_once_a_poll),
        RT(the_budget_counts_on_after_blocking_in_place),
        RT(tasks_that_spawn_their_successors_leave_turns_to_others),
        RT(pairs_that_wake_each_other_for_ever_leave_turns_to_others),
        RT(one_that_yields_runs_beside_one_that_is_always_ready_1998),
        RT(timers_and_io_come_beside_a_hundred_tasks_that_are_always_ready),
        RT(a_task_that_only_yields_lets_the_driver_be_looked_at))
