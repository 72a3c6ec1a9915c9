/* The end of a runtime, in every state of its tasks: TOKIO.md 2.7 (R1 to R7), and what is used
 * afterwards. Waiting for tasks that end by themselves: drain.c. */
#include "support/rt.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(int ms)
{
    struct timespec left = { .tv_nsec = ms * 1000000L };

    while (nanosleep(&left, &left))
        ;
}

static void count_drop(void)
{
    ki_fetch_add_seq_cst(&drops, 1);
}

/* ---- tasks in every state ------------------------------------------------------------------- */

struct forever {
    async_fn(int);
    struct kio_sleep nap;
};

static void forever_drop(struct forever *self)
{
    (void)self;
    count_drop();
}

async(forever, forever_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return(1);
}

struct ends {
    async_fn(int);
};

static void ends_drop(struct ends *self)
{
    (void)self;
    count_drop();
}

async(ends, ends_drop)
{
    async_begin;
    async_return(7);
}

struct spins {
    async_fn(int);
    struct kio_yield y;
};

static void spins_drop(struct spins *self)
{
    (void)self;
    count_drop();
}

async(spins, spins_drop)
{
    async_begin;
    for (;;)
        await(kio_yield_now(&self->y));
}

struct reads {
    async_fn(int);
    struct kio_fd fd;
    int number;
    struct kio_readiness wait;
};

static void reads_drop(struct reads *self)
{
    kio_fd_close(&self->fd);
    count_drop();
}

async(reads, reads_drop)
{
    async_begin;
    assert_int_equal(kio_fd_open(&self->fd, self->number), 0);
    await(kio_readable(&self->wait, &self->fd));
    async_return(self->wait.out);
}

struct states {
    async_fn(int);
    struct kio_join_handle *h;
    int pipe_end;
    struct kio_yield y;
    int i;
};

/* h[0] waits for a timer, [1] has ended, [2] is always ready, [3] waits for an fd, [4] is not begun. */
async(states)
{
    async_begin;
    kio_spawn(&self->h[0], forever);
    kio_spawn(&self->h[1], ends);
    kio_spawn(&self->h[2], spins);
    kio_spawn(&self->h[3], reads, .number = self->pipe_end);
    for (self->i = 0; self->i < 20 || !kio_is_finished(&self->h[1]); self->i++)
        await(kio_yield_now(&self->y));
    kio_spawn(&self->h[4], forever);
    async_return(0);
}

static void tasks_in_every_state_are_dropped_once(void **state)
{
    struct kio_join_handle h[5] = { 0 };
    int ends_of_pipe[2];

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0);
    run(states, .h = h, .pipe_end = ends_of_pipe[0]);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 5);
    for (int i = 0; i < 5; i++)
        assert_true(kio_is_finished(&h[i]));
    assert_int_equal(*kio_output(&h[1], int), 7); /* an ended task keeps its result */
    for (int i = 0; i < 5; i++)
        kio_drop(&h[i]);
    close(ends_of_pipe[1]);
}

/* J8: a handle that is awaited on another runtime says so. */
struct joins {
    async_fn(int);
    struct kio_join_handle *h;
};

async(joins)
{
    async_begin;
    await(self->h);
    async_return(self->h->out);
}

static void handles_from_before_and_after_the_end_say_canceled_and_shut_down(void **state)
{
    struct kio_join_handle before = { 0 }, after = { 0 }, job = { 0 };
    struct kio_runtime *outer;

    (void)state;
    assert_int_equal(kio_spawn_on(rt, &before, forever), 0);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_spawn_on(rt, &after, forever), -ESHUTDOWN);
    outer = kio_runtime_enter(rt);
    assert_int_equal(kio_spawn_blocking(&job, NULL, NULL), -ESHUTDOWN);
    kio_runtime_leave(outer);
    assert_int_equal(kio_block_on(joins, .h = &before), -ECANCELED);
    assert_int_equal(kio_block_on(joins, .h = &after), -ESHUTDOWN);
    assert_int_equal(kio_block_on(joins, .h = &job), -ESHUTDOWN);
    kio_drop(&before);
    kio_drop(&after);
    kio_drop(&job);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

/* ---- destructors ---------------------------------------------------------------------------- */

struct looks {
    async_fn(void);
    struct kio_sleep nap;
    struct kio_join_handle h;
};

/* R6: what a destructor spawns is refused; the runtime is the current one meanwhile. */
static void looks_drop(struct looks *self)
{
    assert_ptr_equal(kio_runtime_current(), rt);
    assert_int_equal(kio_spawn(NULL, ends), -ESHUTDOWN);
    kio_drop(&self->h);
    count_drop();
}

async(looks, looks_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return();
}

static void destructors_run_in_the_runtime_and_cannot_spawn(void **state)
{
    (void)state;
    assert_int_equal(kio_spawn_on(rt, NULL, looks), 0);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 2); /* its own and that of what it could not spawn */
    assert_null(kio_runtime_current());
}

struct pinger {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    int value;
};

/* The destructor of the first of two wakes the other one, which is dropped too. */
static void pinger_drop(struct pinger *self)
{
    kio_oneshot_send(&self->tx, &self->value);
    kio_oneshot_rx_drop(&self->rx);
    count_drop();
}

async(pinger, pinger_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    async_return();
}

struct sets_up_pingers {
    async_fn(void);
    struct kio_oneshot_tx tx[2];
    struct kio_oneshot_rx rx[2];
    struct kio_yield y;
    int i;
};

async(sets_up_pingers)
{
    async_begin;
    for (self->i = 0; self->i < 2; self->i++)
        assert_int_equal(kio_oneshot_channel(&self->tx[self->i], &self->rx[self->i], sizeof(int)), 0);
    kio_spawn(NULL, pinger, .tx = self->tx[0], .rx = self->rx[1]);
    kio_spawn(NULL, pinger, .tx = self->tx[1], .rx = self->rx[0]);
    for (self->i = 0; self->i < 10; self->i++)
        await(kio_yield_now(&self->y));
    async_return();
}

static void a_destructor_that_wakes_a_task_is_heard_by_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < amount(50); i++) {
        struct kio_runtime *own;

        assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                            .workers = 2 }),
                         0);
        kio_runtime_block_on(own, sets_up_pingers);
        kio_runtime_free(own);
    }
    assert_int_equal(ki_load_seq_cst(&drops), 2 * amount(50));
}

/* tokio #3869: a task whose destructor wakes by a waker that it kept. */
struct keeper {
    async_fn(void);
    kio_waker *kept;
    bool puts;
};

static kio_poll keeper_poll(kio_future *f, kio_context *cx)
{
    struct keeper *self = (struct keeper *)f;

    f->state = f;
    if (self->puts)
        *self->kept = kio_waker_clone(cx->waker);
    return KIO_PENDING;
}

static void keeper_drop(kio_future *f)
{
    struct keeper *self = (struct keeper *)f;

    if (!self->puts && self->kept->to)
        kio_waker_wake_by_ref(*self->kept);
    count_drop();
}

static const kio_future_type keeper_type = {
    .name = "keeper",
    .size = sizeof(struct keeper),
    .poll = keeper_poll,
    .drop = keeper_drop,
};

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

static void a_waker_is_used_in_a_destructor_and_after_the_runtime_3869(void **state)
{
    kio_waker kept = { NULL };

    (void)state;
    assert_int_equal(kio_spawn_on(rt, NULL, keeper, .kept = &kept, .puts = true), 0);
    assert_int_equal(kio_spawn_on(rt, NULL, keeper, .kept = &kept), 0);
    run(naps);
    assert_non_null(kept.to);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
    kio_waker_wake_by_ref(kept);
    kio_runtime_free(rt);
    rt = NULL;
    kio_waker_wake_by_ref(kept);
    kio_waker_drop(kio_waker_clone(kept)); /* its task's memory was given back */
    kio_waker_wake(kept);
}

/* ---- threads that end ----------------------------------------------------------------------- */

static pthread_key_t key;

static void free_runtime(void *own)
{
    kio_runtime_free(own);
    count_drop();
}

static void *leaves_a_runtime(void *arg)
{
    struct kio_runtime *own;

    (void)arg;
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                        .workers = 2 }),
                     0);
    assert_int_equal(kio_spawn_on(own, NULL, forever), 0);
    kio_runtime_block_on(own, naps);
    pthread_setspecific(key, own);
    return NULL;
}

static void a_runtime_is_freed_while_its_thread_ends(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_key_create(&key, free_runtime), 0);
    assert_int_equal(pthread_create(&thread, NULL, leaves_a_runtime, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
    pthread_key_delete(key);
}

static void wake_kept(void *arg)
{
    kio_waker *kept = arg;

    kio_waker_wake_by_ref(*kept); /* its runtime is gone */
    kio_waker_wake(*kept);
    count_drop();
}

static void *leaves_a_waker(void *arg)
{
    struct kio_runtime *own;

    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                        .workers = 2 }),
                     0);
    assert_int_equal(kio_spawn_on(own, NULL, keeper, .kept = arg, .puts = true), 0);
    kio_runtime_block_on(own, naps);
    kio_runtime_free(own);
    pthread_setspecific(key, arg);
    return NULL;
}

static void a_waker_is_used_while_a_thread_ends(void **state)
{
    kio_waker kept = { NULL };
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_key_create(&key, wake_kept), 0);
    assert_int_equal(pthread_create(&thread, NULL, leaves_a_waker, &kept), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ki_load_seq_cst(&drops), 2); /* the keeper's and the key's */
    pthread_key_delete(key);
}

/* ---- wakes from other threads meanwhile ------------------------------------------------------ */

struct receives {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    int value;
};

static void receives_drop(struct receives *self)
{
    kio_oneshot_rx_drop(&self->rx);
    count_drop();
}

async(receives, receives_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    async_return();
}

struct senders {
    int count;
    struct kio_oneshot_tx *tx;
    ki_atomic(bool) begun;
};

static void *send_all(void *arg)
{
    struct senders *s = arg;

    ki_store_seq_cst(&s->begun, true);
    for (int i = 0; i < s->count; i++)
        kio_oneshot_send(&s->tx[i], &i); /* some come too late */
    return NULL;
}

struct yields {
    async_fn(void);
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return();
}

static void wakes_by_another_thread_meet_the_end(void **state)
{
    struct senders s = { .count = amount(10000) };

    (void)state;
    s.tx = calloc((size_t)s.count, sizeof *s.tx);
    for (int round = 0; round < 3; round++) {
        struct kio_runtime *own;
        pthread_t thread;

        ki_store_seq_cst(&drops, 0);
        ki_store_seq_cst(&s.begun, false);
        assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                            .workers = 2 }),
                         0);
        for (int i = 0; i < s.count; i++) {
            struct kio_oneshot_rx rx;

            assert_int_equal(kio_oneshot_channel(&s.tx[i], &rx, sizeof(int)), 0);
            assert_int_equal(kio_spawn_on(own, NULL, receives, .rx = rx), 0);
        }
        kio_runtime_block_on(own, yields);
        assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
        while (!ki_load_seq_cst(&s.begun))
            sched_yield();
        kio_runtime_free(own);
        pthread_join(thread, NULL);
        assert_int_equal(ki_load_seq_cst(&drops), s.count);
    }
    free(s.tx);
}

/* ---- jobs and timeouts ----------------------------------------------------------------------- */

static ki_atomic(bool) go;
static ki_atomic(int) begun;

static void *stay(void *arg)
{
    ki_fetch_add_seq_cst(&begun, 1);
    while (!ki_load_seq_cst(&go))
        wait_ms(1);
    return arg;
}

struct starts_jobs {
    async_fn(void);
    struct kio_join_handle *h;
    int count, i;
    struct kio_sleep nap;
};

async(starts_jobs)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++)
        assert_int_equal(kio_spawn_blocking(&self->h[self->i], stay, NULL), 0);
    while (!ki_load_seq_cst(&begun))
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

/* R2: with a timeout of zero it only begins; the rest goes on in the background. */
static void a_timeout_of_zero_leaves_the_running_job_to_itself(void **state)
{
    struct kio_join_handle h[2] = { 0 };
    struct kio_runtime *own;

    (void)state;
    ki_store_seq_cst(&go, false);
    ki_store_seq_cst(&begun, 0);
    assert_int_equal(
        kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor, .max_blocking = 1 }), 0);
    assert_int_equal(kio_spawn_on(own, NULL, forever), 0);
    kio_runtime_block_on(own, starts_jobs, .h = h, .count = 2);
    assert_int_equal(kio_runtime_shutdown(own, 20 * KIO_MS), -ETIMEDOUT);
    assert_int_equal(kio_runtime_shutdown(own, 0), -ETIMEDOUT);
    assert_int_equal(ki_load_seq_cst(&drops), 1); /* tasks do not wait for jobs */
    assert_false(kio_is_finished(&h[0]));
    assert_true(kio_is_finished(&h[1])); /* K5: it had not begun, and never will */
    ki_store_seq_cst(&go, true);
    kio_runtime_free(own);
    assert_true(kio_is_finished(&h[0]));
    assert_int_equal(ki_load_seq_cst(&begun), 1);
    assert_null(*kio_output(&h[0], void *)); /* it ended with its result */
    kio_drop(&h[0]);
    kio_drop(&h[1]);
}

static void an_idle_pool_is_not_waited_for(void **state)
{
    struct kio_join_handle h = { 0 };
    struct kio_metrics m;

    (void)state;
    ki_store_seq_cst(&go, true);
    ki_store_seq_cst(&begun, 0);
    run(starts_jobs, .h = &h, .count = 1); /* its thread would stay for 10 s */
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    kio_drop(&h);
    kio_metrics_read(rt, &m);
    assert_int_equal(m.blocking_threads, 0);
    assert_int_equal(m.blocking_idle, 0);
}

/* tokio #7910, #7918, #7922: counts of idle threads went wrong when the end met jobs that came and went. */
static void *nothing(void *arg)
{
    return arg;
}

struct floods {
    async_fn(void);
    int count, i;
    struct kio_yield y;
};

async(floods)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        kio_spawn_blocking(NULL, nothing, NULL);
        if (self->i % 16 == 0)
            await(kio_yield_now(&self->y));
    }
    async_return();
}

static void idle_threads_are_counted_right_when_the_end_comes_under_load_7910(void **state)
{
    (void)state;
    for (int i = 0; i < amount(40); i++) {
        struct kio_runtime *own;
        struct kio_metrics m;

        assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                            .max_blocking = 4 }),
                         0);
        kio_runtime_block_on(own, floods, .count = 50);
        assert_int_equal(kio_runtime_shutdown(own, -1), 0);
        kio_metrics_read(own, &m);
        assert_int_equal(m.blocking_threads, 0);
        assert_int_equal(m.blocking_idle, 0);
        assert_int_equal(m.blocking_queue_depth, 0);
        kio_runtime_free(own);
    }
}

/* ---- block_on and the end --------------------------------------------------------------------- */

struct blocked {
    ki_atomic(int) err, inside;
};

static void *try_block(void *arg)
{
    struct blocked *b = arg;
    int out = -1;
    int err = kio_runtime_try_block_on(rt, &out, forever);

    assert_int_equal(out, -1);
    ki_store_seq_cst(&b->err, err);
    return NULL;
}

static void a_thread_in_try_block_on_is_told_of_the_end(void **state)
{
    struct blocked b[3] = { 0 };
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, try_block, &b[i]), 0);
    wait_ms(20);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    for (int i = 0; i < 3; i++) {
        int err;

        pthread_join(threads[i], NULL);
        err = ki_load_seq_cst(&b[i].err);
        assert_true(err == -ECANCELED || err == -ESHUTDOWN); /* a late one never began */
    }
    assert_int_equal(ki_load_seq_cst(&drops), 3);
}

static void try_block_on_gives_the_result_or_says_why_not(void **state)
{
    int out = 0;

    (void)state;
    assert_int_equal(kio_runtime_try_block_on(rt, &out, ends), 0);
    assert_int_equal(out, 7);
    assert_int_equal(kio_runtime_try_block_on(rt, NULL, ends), 0);
    assert_int_equal(kio_runtime_try_block_on(rt, NULL, naps), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    out = 5;
    assert_int_equal(kio_runtime_try_block_on(rt, &out, ends), -ESHUTDOWN);
    assert_int_equal(out, 5);
    assert_int_equal(ki_load_seq_cst(&drops), 3); /* what it was given is released */
}

/* tokio #4862: a job that sleeps in block_on when the runtime ends. */
static void *sleep_in_job(void *arg)
{
    struct blocked *b = arg;

    ki_store_seq_cst(&b->inside, 1);
    ki_store_seq_cst(&b->err, kio_runtime_try_block_on(rt, NULL, forever));
    return NULL;
}

struct starts_sleeper {
    async_fn(void);
    struct blocked *b;
    struct kio_sleep nap;
};

async(starts_sleeper)
{
    async_begin;
    assert_int_equal(kio_spawn_blocking(NULL, sleep_in_job, self->b), 0);
    while (!ki_load_seq_cst(&self->b->inside))
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

static void a_job_that_sleeps_in_block_on_is_told_of_the_end_4862(void **state)
{
    static struct blocked b;

    (void)state;
    b = (struct blocked){ 0 };
    run(starts_sleeper, .b = &b);
    wait_ms(5);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_true(ki_load_seq_cst(&b.err) == -ECANCELED || ki_load_seq_cst(&b.err) == -ESHUTDOWN);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

/* ---- timers and I/O afterwards: R4 -------------------------------------------------------------- */

struct waits_for {
    async_fn(int);
    struct kio_readiness *wait;
    struct kio_fd *fd;
};

async(waits_for)
{
    async_begin;
    await(kio_readable(self->wait, self->fd));
    async_return(self->wait->out);
}

static void io_of_a_runtime_that_has_ended_is_an_error_elsewhere(void **state)
{
    static struct kio_fd fd;
    static struct kio_readiness wait;
    struct kio_runtime *outer = kio_runtime_enter(rt);
    int ends_of_pipe[2];

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(kio_fd_open(&fd, ends_of_pipe[0]), 0);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_block_on(waits_for, .wait = &wait, .fd = &fd), -ESHUTDOWN);
    assert_int_equal(write(ends_of_pipe[1], "x", 1), 1); /* ready: no need to wait, so no error */
    assert_int_equal(kio_block_on(waits_for, .wait = &wait, .fd = &fd), 0);
    kio_fd_close(&fd);
    assert_int_equal(kio_fd_open(&fd, ends_of_pipe[1]), -ESHUTDOWN);
    kio_runtime_leave(outer);
    close(ends_of_pipe[1]);
}

/* A task of one runtime waits for another's fd, whose runtime ends meanwhile. */
static void *wait_elsewhere(void *arg)
{
    static struct kio_readiness wait;

    return (void *)(intptr_t)kio_block_on(waits_for, .wait = &wait, .fd = arg);
}

static void who_waits_for_io_when_its_runtime_ends_is_woken(void **state)
{
    static struct kio_fd fd;
    struct kio_runtime *outer = kio_runtime_enter(rt);
    int ends_of_pipe[2];
    pthread_t thread;
    void *out;

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(kio_fd_open(&fd, ends_of_pipe[0]), 0);
    kio_runtime_leave(outer);
    assert_int_equal(pthread_create(&thread, NULL, wait_elsewhere, &fd), 0);
    wait_ms(10);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    pthread_join(thread, &out);
    assert_int_equal((intptr_t)out, -ESHUTDOWN);
    kio_fd_close(&fd);
    close(ends_of_pipe[1]);
}

struct naps_there {
    async_fn(int);
    struct kio_sleep *nap;
};

async(naps_there)
{
    async_begin;
    await(self->nap);
    async_return(1);
}

/* A sleep belongs to who polls it, not to where it was made. */
static void a_sleep_made_before_the_end_fires_elsewhere(void **state)
{
    static struct kio_sleep nap;
    struct kio_runtime *outer = kio_runtime_enter(rt);

    (void)state;
    kio_sleep(&nap, 2 * KIO_MS);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_block_on(naps_there, .nap = &nap), 1);
    kio_sleep(&nap, KIO_MS);
    kio_runtime_leave(outer);
    assert_int_equal(kio_block_on(naps_there, .nap = &nap), 1);
}

/* ---- I/O that goes on --------------------------------------------------------------------------- */

struct echoes {
    async_fn(void);
    int fds[2];
    bool writes;
    struct kio_fd fd;
    struct kio_readiness wait;
    struct kio_sleep nap;
};

static void echoes_drop(struct echoes *self)
{
    kio_fd_close(&self->fd);
    count_drop();
}

async(echoes, echoes_drop)
{
    char byte;

    async_begin;
    assert_int_equal(kio_fd_open(&self->fd, self->fds[self->writes]), 0);
    for (;;) {
        if (self->writes) {
            await(kio_writable(&self->wait, &self->fd));
            (void)!write(self->fds[1], "x", 1);
            await(kio_sleep(&self->nap, KIO_MS / 2));
        } else {
            await(kio_readable(&self->wait, &self->fd));
            (void)!read(self->fds[0], &byte, 1);
        }
    }
}

static void events_that_arrive_during_the_end_are_harmless(void **state)
{
    (void)state;
    for (int i = 0; i < amount(20); i++) {
        struct kio_runtime *own;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                            .workers = 2 }),
                         0);
        kio_spawn_on(own, NULL, echoes, .fds = { fds[0], fds[1] });
        kio_spawn_on(own, NULL, echoes, .fds = { fds[0], fds[1] }, .writes = true);
        kio_runtime_block_on(own, naps);
        kio_runtime_free(own);
    }
    assert_int_equal(ki_load_seq_cst(&drops), 2 * amount(20));
}

RT_MAIN(RT(tasks_in_every_state_are_dropped_once),
        RT(handles_from_before_and_after_the_end_say_canceled_and_shut_down),
        RT(destructors_run_in_the_runtime_and_cannot_spawn),
        RT(a_destructor_that_wakes_a_task_is_heard_by_nobody),
        RT(a_waker_is_used_in_a_destructor_and_after_the_runtime_3869),
        RT(a_runtime_is_freed_while_its_thread_ends), RT(a_waker_is_used_while_a_thread_ends),
        RT(wakes_by_another_thread_meet_the_end),
        RT(a_timeout_of_zero_leaves_the_running_job_to_itself), RT(an_idle_pool_is_not_waited_for),
        RT(idle_threads_are_counted_right_when_the_end_comes_under_load_7910),
        RT(a_thread_in_try_block_on_is_told_of_the_end),
        RT(try_block_on_gives_the_result_or_says_why_not),
        RT(a_job_that_sleeps_in_block_on_is_told_of_the_end_4862),
        RT(io_of_a_runtime_that_has_ended_is_an_error_elsewhere),
        RT(who_waits_for_io_when_its_runtime_ends_is_woken),
        RT(a_sleep_made_before_the_end_fires_elsewhere),
        RT(events_that_arrive_during_the_end_are_harmless))
