/* Jobs of the blocking pool together with the runtime: spawning from jobs, jobs that stay, and a pool that
 * may not lose one. Tokio's rt_common (…_from_blocking), rt_spawn_blocking. */
#include "support/rt.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(int ms)
{
    struct timespec left = { .tv_nsec = ms * 1000000L };

    while (nanosleep(&left, &left))
        ;
}

struct answers {
    async_fn(int);
    struct kio_sleep nap;
};

async(answers)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return(42);
}

static void *nothing(void *arg)
{
    return arg;
}

static void *spawn_task(void *arg)
{
    assert_ptr_equal(kio_runtime_current(), rt);
    assert_int_equal(kio_spawn((struct kio_join_handle *)arg, answers), 0);
    return arg;
}

static void *spawn_job(void *arg)
{
    assert_int_equal(kio_spawn_blocking((struct kio_join_handle *)arg, nothing, arg), 0);
    return arg;
}

static void *block_in_job(void *arg)
{
    *(int *)arg = kio_runtime_block_on(rt, answers) + kio_block_on(answers);
    return arg;
}

struct spawns_from_jobs {
    async_fn(int);
    struct kio_join_handle job, inner;
    int value;
};

async(spawns_from_jobs)
{
    async_begin;
    assert_int_equal(kio_spawn_blocking(&self->job, spawn_task, &self->inner), 0);
    await(&self->job);
    await(&self->inner);
    assert_int_equal(*kio_output(&self->inner, int), 42);
    assert_int_equal(kio_spawn_blocking(&self->job, spawn_job, &self->inner), 0);
    await(&self->job);
    await(&self->inner);
    assert_ptr_equal(*kio_output(&self->inner, void *), &self->inner);
    assert_int_equal(kio_spawn_blocking(&self->job, block_in_job, &self->value), 0);
    await(&self->job);
    async_return(self->value);
}

static void a_job_spawns_tasks_and_jobs_and_blocks_on_functions(void **state)
{
    (void)state;
    assert_int_equal(run(spawns_from_jobs), 84);
}

struct joins_job {
    async_fn(int);
    struct kio_join_handle *job;
};

async(joins_job)
{
    async_begin;
    await(self->job);
    async_return(self->job->out);
}

static void *slow(void *arg)
{
    wait_ms(20);
    return arg;
}

static void a_job_is_spawned_from_a_thread_and_goes_on_while_the_runtime_ends(void **state)
{
    struct kio_join_handle job = { 0 };
    struct kio_runtime *before = kio_runtime_enter(rt);
    struct kio_metrics m;

    (void)state;
    assert_int_equal(kio_spawn_blocking(&job, slow, &job), 0);
    kio_runtime_leave(before);
    do { /* it begins: one that has not would be canceled */
        kio_metrics_read(rt, &m);
    } while (!m.blocking_jobs);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_block_on(joins_job, .job = &job), 0);
    kio_drop(&job);
}

/* tokio #8056: between "a thread is idle" and "it has taken a job" a second job was left without one. Here
 * such a job would never begin, and its sender wait for ever. */
static void *drain_channel(void *rx)
{
    int value;

    while (kio_blocking_recv((struct kio_rx *)rx, &value))
        ;
    return NULL;
}

struct writer {
    async_fn(void);
    struct kio_tx tx[2];
    struct kio_rx rx[2];
    struct kio_join_handle job[2];
    struct kio_send send;
    bool sends;
    int i, value;
};

static void writer_drop(struct writer *self)
{
    for (int i = 0; i < 2; i++) {
        kio_tx_drop(&self->tx[i]);
        kio_rx_drop(&self->rx[i]);
    }
}

static void writer_start(struct writer *self)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kio_mpsc_channel(&self->tx[i], &self->rx[i], sizeof(int), 1), 0);
        assert_int_equal(kio_spawn_blocking(&self->job[i], drain_channel, &self->rx[i]), 0);
    }
}

/* Its jobs have been started before; ends when they have. */
async(writer, writer_drop)
{
    async_begin;
    for (self->i = 0; self->sends && self->i < 2; self->i++)
        await(kio_send(&self->send, &self->tx[self->i], &self->value));
    for (self->i = 0; self->i < 2; self->i++)
        kio_tx_drop(&self->tx[self->i]);
    for (self->i = 0; self->i < 2; self->i++)
        await(&self->job[self->i]);
    async_return();
}

struct stays_and_goes {
    async_fn(void);
    struct kio_join_handle quick;
    struct writer first, brief, second;
    int i, k;
};

async(stays_and_goes)
{
    async_begin;
    for (self->k = 0; self->k < 2; self->k++) {
        kio_spawn_blocking(&self->quick, nothing, NULL);
        await(&self->quick);
    }
    async_let(async_call(&self->first, writer, .sends = true));
    writer_start(&self->first);
    for (self->i = 0; self->i < 2; self->i++) {
        for (self->k = 0; self->k < 2; self->k++) {
            kio_spawn_blocking(&self->quick, nothing, NULL);
            await(&self->quick);
        }
        async_call(&self->brief, writer);
        writer_start(&self->brief);
        await(&self->brief);
    }
    async_let(async_call(&self->second, writer, .sends = true));
    writer_start(&self->second);
    await(&self->first);
    await(&self->second);
    async_return();
}

static void no_job_is_left_behind_when_others_stay_8056(void **state)
{
    (void)state;
    for (int i = 0; i < amount(128); i++) {
        struct kio_runtime *own;

        assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                            .workers = 1 }),
                         0);
        kio_runtime_block_on(own, stays_and_goes);
        kio_runtime_free(own);
    }
}

RT_MAIN(RT(a_job_spawns_tasks_and_jobs_and_blocks_on_functions),
        RT(a_job_is_spawned_from_a_thread_and_goes_on_while_the_runtime_ends),
        RT(no_job_is_left_behind_when_others_stay_8056))
