/* A worker that blocks strands nothing: SEMANTICS.md, Fairness; docs/design/scheduler.md. */
#include "support/rt.h"

#include <sched.h>

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

RT_MAIN(RT(the_lifo_slot_of_a_stuck_worker_is_taken_by_another),
        RT(the_queue_of_a_stuck_worker_is_taken_by_another),
        RT(a_timer_of_a_stuck_worker_fires_on_another))
