/* A worker that blocks strands nothing: SEMANTICS.md, Fairness; docs/design/scheduler.md. */
#include "support/rt.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static ki_atomic(int) ran;

struct runner {
    async_fn(void);
};

async(runner)
{
    async_begin;
    ki_fetch_add_seq_cst(&ran, 1);
    async_return();
}

/* Blocks its worker until the others ran: they can do so on another worker only. */
struct stuck {
    async_fn(int);
    int children, i;
    struct kio_join_handle h[20];
};

async(stuck)
{
    async_begin;
    ki_store_seq_cst(&ran, 0);
    for (self->i = 0; self->i < self->children; self->i++)
        kio_spawn(&self->h[self->i], runner);
    while (ki_load_seq_cst(&ran) < self->children)
        sched_yield();
    for (self->i = 0; self->i < self->children; self->i++)
        await(&self->h[self->i]);
    async_return(ki_load_seq_cst(&ran));
}

static void the_lifo_slot_of_a_stuck_worker_is_taken_by_another(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(stuck, .children = 1), 1);
}

static void the_queue_of_a_stuck_worker_is_taken_by_another(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(stuck, .children = 20), 20);
}

/* Steals that do not pay come first: two tasks of a channel, each of which is faster where the other one is.
 * A worker that rests for that still takes what a stuck one holds. */
struct sends {
    async_fn(void);
    struct kio_tx tx;
    int n;
    struct kio_send send;
};

static void sends_drop(struct sends *self)
{
    kio_tx_drop(&self->tx);
}

async(sends, sends_drop)
{
    async_begin;
    for (; self->n > 0; self->n--)
        await(kio_send(&self->send, &self->tx, &self->n));
    async_return();
}

struct storm {
    async_fn(int);
    struct kio_rx rx;
    struct kio_recv recv;
    int got, value, round;
    struct stuck stuck;
};

static void storm_drop(struct storm *self)
{
    kio_rx_drop(&self->rx);
}

async(storm, storm_drop)
{
    struct kio_tx tx;

    async_begin;
    for (self->round = 0; self->round < 5; self->round++) {
        if (kio_mpsc_channel(&tx, &self->rx, sizeof(int), 32))
            fail();
        for (int i = 0; i < 8; i++)
            kio_spawn(NULL, sends, .tx = kio_tx_clone(&tx), .n = 2000);
        kio_tx_drop(&tx);
        for (;;) {
            await(kio_recv(&self->recv, &self->rx, &self->value));
            if (!self->recv.out)
                break;
            self->got++;
        }
        kio_rx_drop(&self->rx);
        await(async_call(&self->stuck, stuck, .children = 20));
    }
    async_return(self->got);
}

static void the_queue_of_a_stuck_worker_is_taken_by_one_that_rests(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(storm), 5 * 8 * 2000);
}

/* What a busy worker runs next stays in its slot for a beat, also when the other one comes for its queue
 * again and again, and rests in between. */
struct next {
    async_fn(void);
    struct kio_rx rx;
    struct kio_recv recv;
    int value;
};

static void next_drop(struct next *self)
{
    kio_rx_drop(&self->rx);
}

async(next, next_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            async_return();
        ki_fetch_add_seq_cst(&ran, 1);
    }
}

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

struct busy {
    async_fn(int);
    struct kio_tx tx;
    struct kio_send send;
    struct kio_sleep nap;
    struct kio_join_handle next;
    int round, rounds, taken;
};

static void busy_drop(struct busy *self)
{
    kio_tx_drop(&self->tx);
}

async(busy, busy_drop)
{
    struct kio_rx rx;

    async_begin;
    if (kio_mpsc_channel(&self->tx, &rx, sizeof(int), 1))
        fail();
    kio_spawn(&self->next, next, .rx = rx);
    for (self->round = 0; self->round < 200 && self->rounds < 12; self->round++) {
        await(kio_sleep(&self->nap, 2 * KIO_MS)); /* the other one sleeps, or does by and by */
        ki_store_seq_cst(&ran, 0);
        await(kio_send(&self->send, &self->tx, &self->round));
        kio_instant begun = kio_now();
        for (int i = 0; i < 60; i++)
            kio_spawn(NULL, nothing);
        while (!ki_load_seq_cst(&ran) && kio_now() < begun + 5 * KIO_MS)
            sched_yield();
        if (kio_now() > begun + 8 * KIO_MS)
            continue; /* it had no processor for so long that it was stuck indeed */
        self->rounds++;
        self->taken += ki_load_seq_cst(&ran);
    }
    kio_tx_drop(&self->tx);
    await(&self->next);
    async_return(self->taken);
}

static void the_lifo_slot_of_a_busy_worker_is_not_taken_after_a_rest(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_in_range(run(busy), 0, 5);
}

/* A task that waits, and has just woken one that blocks, goes on elsewhere when a thread wakes it. */
struct blocks_when_told {
    async_fn(void);
    struct kio_rx rx;
    struct kio_recv recv;
    int value;
};

static void blocks_when_told_drop(struct blocks_when_told *self)
{
    kio_rx_drop(&self->rx);
}

static ki_atomic(int) inside;

async(blocks_when_told, blocks_when_told_drop)
{
    async_begin;
    await(kio_recv(&self->recv, &self->rx, &self->value));
    ki_store_seq_cst(&inside, 1);
    while (!ki_load_seq_cst(&ran))
        sched_yield();
    async_return();
}

static void *notify_once_inside(void *notify)
{
    while (!ki_load_seq_cst(&inside))
        sched_yield();
    kio_notify_one(notify);
    return NULL;
}

struct tells {
    async_fn(int);
    struct kio_notify notify;
    struct kio_tx tx;
    struct kio_send send;
    struct kio_notified notified;
    struct kio_sleep nap;
    struct kio_join_handle blocked;
    pthread_t thread;
    int value;
};

static void tells_drop(struct tells *self)
{
    kio_tx_drop(&self->tx);
}

async(tells, tells_drop)
{
    struct kio_rx rx;

    async_begin;
    ki_store_seq_cst(&ran, 0);
    ki_store_seq_cst(&inside, 0);
    assert_int_equal(kio_mpsc_channel(&self->tx, &rx, sizeof(int), 1), 0);
    kio_spawn(&self->blocked, blocks_when_told, .rx = rx);
    assert_int_equal(pthread_create(&self->thread, NULL, notify_once_inside, &self->notify), 0);
    await(kio_sleep(&self->nap, 5 * KIO_MS)); /* it waits */
    await(kio_send(&self->send, &self->tx, &self->value));
    await(kio_notified(&self->notified, &self->notify));
    ki_fetch_add_seq_cst(&ran, 1);
    await(&self->blocked);
    pthread_join(self->thread, NULL);
    async_return(ki_load_seq_cst(&ran));
}

static void who_waits_beside_a_stuck_task_goes_on_when_a_thread_wakes_it(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    for (int i = 0; i < amount(20); i++)
        assert_int_equal(run(tells), 1);
}

/* A timer that was armed by the stuck worker fires on another. */
struct late {
    async_fn(void);
    struct kio_sleep nap;
};

async(late)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    ki_fetch_add_seq_cst(&ran, 1);
    async_return();
}

struct stuck_timer {
    async_fn(int);
    struct kio_join_handle h;
    struct kio_yield y;
    int i;
};

async(stuck_timer)
{
    async_begin;
    ki_store_seq_cst(&ran, 0);
    kio_spawn(&self->h, late);
    for (self->i = 0; self->i < 10; self->i++) /* it arms its timer, on whichever worker */
        await(kio_yield_now(&self->y));
    while (!ki_load_seq_cst(&ran))
        sched_yield();
    await(&self->h);
    async_return(ki_load_seq_cst(&ran));
}

static void a_timer_of_a_stuck_worker_fires_on_another(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(stuck_timer), 1);
}

/* tokio #4730: the worker that had fetched the events blocked in a task that they woke, and nobody looked at
 * the driver any more. Here whoever sleeps sleeps in it. */
struct piped {
    int fds[2];
    struct kio_stream in, out;
};

static void piped_open(struct piped *p)
{
    assert_int_equal(pipe(p->fds), 0);
    assert_int_equal(kio_stream_open(&p->in, p->fds[0]), 0);
    assert_int_equal(kio_stream_open(&p->out, p->fds[1]), 0);
}

static void piped_close(struct piped *p)
{
    kio_close(&p->in);
    kio_close(&p->out);
}

struct blocks_after_event {
    async_fn(void);
    struct piped *first, *second;
    struct kio_read read;
    char byte;
};

async(blocks_after_event)
{
    async_begin;
    await(kio_read(&self->read, &self->first->in, &self->byte, 1));
    assert_int_equal(write(self->second->fds[1], "y", 1), 1);
    while (!ki_load_seq_cst(&ran)) /* until the other has read that */
        sched_yield();
    async_return();
}

struct reads_second {
    async_fn(void);
    struct piped *second;
    struct kio_read read;
    char byte;
};

async(reads_second)
{
    async_begin;
    await(kio_read(&self->read, &self->second->in, &self->byte, 1));
    ki_fetch_add_seq_cst(&ran, 1);
    async_return();
}

struct pipes {
    async_fn(int);
    struct piped first, second;
    struct kio_join_handle bad, good;
    struct kio_sleep nap;
};

static void pipes_drop(struct pipes *self)
{
    piped_close(&self->first);
    piped_close(&self->second);
}

async(pipes, pipes_drop)
{
    async_begin;
    ki_store_seq_cst(&ran, 0);
    piped_open(&self->first);
    piped_open(&self->second);
    kio_spawn(&self->bad, blocks_after_event, .first = &self->first, .second = &self->second);
    kio_spawn(&self->good, reads_second, .second = &self->second);
    await(kio_sleep(&self->nap, 20 * KIO_MS)); /* both workers sleep */
    assert_int_equal(write(self->first.fds[1], "x", 1), 1);
    await(&self->good);
    await(&self->bad);
    async_return(ki_load_seq_cst(&ran));
}

static void who_blocks_after_an_event_does_not_keep_the_driver_4730(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    assert_int_equal(run(pipes), 1);
}

RT_MAIN(RT(the_lifo_slot_of_a_stuck_worker_is_taken_by_another),
        RT(the_queue_of_a_stuck_worker_is_taken_by_another),
        RT(the_queue_of_a_stuck_worker_is_taken_by_one_that_rests),
        RT(the_lifo_slot_of_a_busy_worker_is_not_taken_after_a_rest),
        RT(who_waits_beside_a_stuck_task_goes_on_when_a_thread_wakes_it),
        RT(a_timer_of_a_stuck_worker_fires_on_another),
        RT(who_blocks_after_an_event_does_not_keep_the_driver_4730))
