/* Many tasks, many channels, again and again: Tokio's rt_threaded. Completion is the result. */
#include "support/rt.h"

#include <sched.h>

struct counts {
    async_fn(void);
    ki_atomic(int) *done;
};

async(counts)
{
    async_begin;
    ki_fetch_add_seq_cst(self->done, 1);
    async_return();
}

static void thousands_of_short_tasks_from_outside_all_run(void **state)
{
    static ki_atomic(int) done;

    (void)state;
    for (int round = 0; round < 5; round++) {
        ki_store_seq_cst(&done, 0);
        for (int i = 0; i < amount(1000); i++)
            assert_int_equal(kio_spawn_on(rt, NULL, counts, .done = &done), 0);
        assert_int_equal(kio_runtime_drain(rt, -1), 0);
        assert_int_equal(ki_load_seq_cst(&done), amount(1000));
    }
}

/* ---- chains of channels ----------------------------------------------------------------------- */

struct forwards {
    async_fn(void);
    struct kio_rx rx;
    struct kio_tx tx;
    struct kio_recv recv;
    struct kio_send send;
    int value;
};

static void forwards_drop(struct forwards *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(forwards, forwards_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            async_return();
        await(kio_send(&self->send, &self->tx, &self->value));
    }
}

/* The end of a chain: sends each message round again, the last one out. */
struct cycles {
    async_fn(void);
    int left;
    struct kio_rx rx;
    struct kio_tx again, out_;
    struct kio_recv recv;
    struct kio_send send;
    int value;
};

static void cycles_drop(struct cycles *self)
{
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->again);
    kio_tx_drop(&self->out_);
}

async(cycles, cycles_drop)
{
    async_begin;
    while (self->left-- > 0) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        assert_int_equal(self->recv.out, 1);
        await(kio_send(&self->send, self->left ? &self->again : &self->out_, &self->value));
    }
    async_return();
}

#define TRACKS 20
#define CYCLES 5

struct tracks {
    async_fn(int);
    int length, i, sum, value;
    struct kio_tx start[TRACKS];
    struct kio_rx finish[TRACKS];
    struct kio_send send;
    struct kio_recv recv;
};

static void tracks_drop(struct tracks *self)
{
    for (int i = 0; i < TRACKS; i++) {
        kio_tx_drop(&self->start[i]);
        kio_rx_drop(&self->finish[i]);
    }
}

static void make_track(struct tracks *self, int which)
{
    struct kio_rx rx, next_rx;
    struct kio_tx tx;

    assert_int_equal(kio_mpsc_channel(&self->start[which], &rx, sizeof(int), 10), 0);
    for (int k = 0; k < self->length; k++) {
        assert_int_equal(kio_mpsc_channel(&tx, &next_rx, sizeof(int), 10), 0);
        assert_int_equal(kio_spawn_on(NULL, NULL, forwards, .rx = rx, .tx = tx), 0);
        rx = next_rx;
    }
    assert_int_equal(kio_mpsc_channel(&tx, &self->finish[which], sizeof(int), 10), 0);
    assert_int_equal(kio_spawn_on(NULL, NULL, cycles, .left = CYCLES, .rx = rx,
                                  .again = kio_tx_clone(&self->start[which]), .out_ = tx),
                     0);
}

async(tracks, tracks_drop)
{
    async_begin;
    for (self->i = 0; self->i < TRACKS; self->i++)
        make_track(self, self->i);
    for (self->i = 0; self->i < TRACKS; self->i++)
        await(kio_send(&self->send, &self->start[self->i], &self->i));
    for (self->i = 0; self->i < TRACKS; self->i++) {
        await(kio_recv(&self->recv, &self->finish[self->i], &self->value));
        assert_int_equal(self->recv.out, 1);
        self->sum += self->value;
    }
    async_return(self->sum);
}

static void messages_go_round_through_thousands_of_tasks(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++)
        assert_int_equal(run(tracks, .length = amount(100)), TRACKS * (TRACKS - 1) / 2);
}

/* ---- the queue from outside beside one that never is empty --------------------------------------- */

struct successor {
    async_fn(void);
    ki_atomic(bool) *stop;
};

async_declare(successor);

async(successor)
{
    async_begin;
    if (!ki_load_seq_cst(self->stop))
        kio_spawn(NULL, successor, .stop = self->stop);
    async_return();
}

/* A worker with tasks of its own for ever still takes what comes from outside, often. */
static void tasks_from_outside_run_beside_a_worker_that_always_has_its_own(void **state)
{
    static ki_atomic(bool) stop;
    static ki_atomic(int) done;
    struct kio_runtime *own;

    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip(); /* drain would run them on this thread, which spawns */
    ki_store_seq_cst(&stop, false);
    ki_store_seq_cst(&done, 0);
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .workers = 1 }), 0);
    assert_int_equal(kio_spawn_on(own, NULL, successor, .stop = &stop), 0);
    for (int i = 0; i < amount(2000); i++) {
        assert_int_equal(kio_spawn_on(own, NULL, counts, .done = &done), 0);
        while (i % 100 == 0 && ki_load_seq_cst(&done) <= i) /* each of these is waited for */
            sched_yield();
    }
    ki_store_seq_cst(&stop, true);
    assert_int_equal(kio_runtime_drain(own, -1), 0);
    assert_int_equal(ki_load_seq_cst(&done), amount(2000));
    kio_runtime_free(own);
}

RT_MAIN(RT(thousands_of_short_tasks_from_outside_all_run),
        RT(messages_go_round_through_thousands_of_tasks),
        RT(tasks_from_outside_run_beside_a_worker_that_always_has_its_own))
