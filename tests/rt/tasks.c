/* Tasks on both flavors: spawn, join, abort, detach, shutdown, other threads. SEMANTICS.md, Futures
 * and tasks. */
#include "support/rt.h"

#include "base/mem.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* ---- what is spawned ---------------------------------------------------------------------- */

struct answer {
    async_fn(int);
    int value;
    int yields;
    struct kio_yield y;
};

static void answer_drop(struct answer *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(answer, answer_drop)
{
    async_begin;
    for (; self->yields > 0; self->yields--)
        await(kio_yield_now(&self->y));
    async_return(self->value);
}

struct forever {
    async_fn(int);
    struct kio_sleep nap;
};

static void forever_drop(struct forever *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(forever, forever_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, INT64_MAX));
    async_return(0);
}

/* ---- join --------------------------------------------------------------------------------- */

struct join_one {
    async_fn(int);
    int yields;
    struct kio_join_handle h;
};

async(join_one)
{
    async_begin;
    kio_spawn(&self->h, answer, .value = 7, .yields = self->yields);
    assert_true(kio_task_id(&self->h) != 0);
    await(&self->h);
    assert_int_equal(self->h.out, 0);
    assert_true(kio_is_finished(&self->h));
    async_return(*kio_output(&self->h, int));
}

static void a_handle_gives_the_result(void **state)
{
    (void)state;
    assert_int_equal(run(join_one), 7);
    assert_int_equal(run(join_one, .yields = 100), 7);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

struct spawn_many {
    async_fn(int);
    int count, i, sum;
    struct kio_join_handle *hs;
};

static void spawn_many_drop(struct spawn_many *self)
{
    for (int i = 0; i < self->count; i++)
        kio_drop(&self->hs[i]);
    free(self->hs);
}

async(spawn_many, spawn_many_drop)
{
    async_begin;
    self->hs = calloc((size_t)self->count, sizeof *self->hs);
    for (self->i = 0; self->i < self->count; self->i++)
        kio_spawn(&self->hs[self->i], answer, .value = 1, .yields = self->i % 5);
    for (self->i = 0; self->i < self->count; self->i++) {
        await(&self->hs[self->i]);
        self->sum += *kio_output(&self->hs[self->i], int);
    }
    async_return(self->sum);
}

static void ten_thousand_tasks_are_joined(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_many, .count = amount(10000)), amount(10000));
    assert_int_equal(ki_load_seq_cst(&drops), amount(10000));
}

/* ---- abort and detach --------------------------------------------------------------------- */

struct aborter {
    async_fn(int);
    bool by_copy;
    struct kio_join_handle h;
    struct kio_yield y;
};

async(aborter)
{
    async_begin;
    kio_spawn(&self->h, forever);
    await(kio_yield_now(&self->y));
    if (self->by_copy)
        kio_abort_by(kio_abort_handle(&self->h));
    else
        kio_abort(&self->h);
    await(&self->h);
    async_return(self->h.out);
}

static void an_aborted_task_is_dropped_and_says_so(void **state)
{
    (void)state;
    assert_int_equal(run(aborter), -ECANCELED);
    assert_int_equal(run(aborter, .by_copy = true), -ECANCELED);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

struct late_abort {
    async_fn(int);
    struct kio_join_handle h;
    struct kio_abort_handle a;
};

async(late_abort)
{
    async_begin;
    kio_spawn(&self->h, answer, .value = 3);
    self->a = kio_abort_handle(&self->h);
    await(&self->h);
    kio_abort(&self->h); /* it had ended: it keeps its result */
    assert_int_equal(*kio_output(&self->h, int), 3);
    kio_drop(&self->h);
    kio_abort_by(self->a); /* gone: nothing happens */
    async_return(0);
}

static void an_ended_task_keeps_its_result(void **state)
{
    (void)state;
    assert_int_equal(run(late_abort), 0);
}

struct detacher {
    async_fn(int);
    struct kio_join_handle h;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    int value;
};

struct reporter {
    async_fn(void);
    struct kio_tx tx;
    struct kio_yield y;
    struct kio_send send;
    int value;
};

static void reporter_drop(struct reporter *self)
{
    kio_tx_drop(&self->tx);
}

async(reporter, reporter_drop)
{
    async_begin;
    await(kio_yield_now(&self->y));
    self->value = 99;
    await(kio_send(&self->send, &self->tx, &self->value));
    async_return();
}

static void detacher_drop(struct detacher *self)
{
    kio_rx_drop(&self->rx);
}

async(detacher, detacher_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1), 0);
    kio_spawn(&self->h, reporter, .tx = self->tx);
    kio_drop(&self->h);
    await(kio_recv(&self->recv, &self->rx, &self->value));
    async_return(self->value);
}

static void a_dropped_handle_lets_the_task_go_on(void **state)
{
    (void)state;
    assert_int_equal(run(detacher), 99);
}

/* ---- never inside the spawner's call ------------------------------------------------------ */

static ki_atomic(int) ran;

struct marks {
    async_fn(void);
};

async(marks)
{
    async_begin;
    ki_fetch_add_seq_cst(&ran, 1);
    async_return();
}

struct spawner {
    async_fn(int);
    struct kio_join_handle h;
    int at_once;
};

async(spawner)
{
    async_begin;
    ki_store_seq_cst(&ran, 0);
    kio_spawn(&self->h, marks);
    self->at_once = ki_load_seq_cst(&ran);
    await(&self->h);
    async_return(self->at_once);
}

static void a_task_does_not_run_inside_the_spawn_on_current_thread(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_int_equal(run(spawner), 0);
    else
        run(spawner);
    assert_int_equal(ki_load_seq_cst(&ran), 1);
}

/* ---- memory ------------------------------------------------------------------------------- */

struct big {
    async_fn(int);
    char bytes[100000];
};

async(big)
{
    async_begin;
    memset(self->bytes, 1, sizeof self->bytes);
    async_return(self->bytes[99999]);
}

struct spawn_big {
    async_fn(int);
    bool fail;
    struct kio_join_handle h;
    int err;
};

async(spawn_big)
{
    async_begin;
    if (self->fail)
        ki_mem_fail_at(1);
    self->err = kio_spawn(&self->h, big);
    await(&self->h);
    if (self->h.out) {
        assert_int_equal(self->err, self->h.out);
        async_return(self->h.out);
    }
    async_return(*kio_output(&self->h, int));
}

static void a_large_task_lies_in_an_allocation_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_big), 1);
}

static void a_spawn_without_memory_is_an_error_of_the_handle(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_big, .fail = true), -ENOMEM);
}

static void a_spawn_that_fails_releases_what_it_was_given(void **state)
{
    (void)state;
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_spawn_on(rt, NULL, answer, .value = 1), -ESHUTDOWN);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

/* ---- shutdown ----------------------------------------------------------------------------- */

struct leaves {
    async_fn(int);
    int count;
    struct kio_yield y;
};

async(leaves)
{
    async_begin;
    for (int i = 0; i < self->count; i++)
        kio_spawn(NULL, forever);
    await(kio_yield_now(&self->y));
    async_return(0);
}

static void shutdown_drops_every_task(void **state)
{
    (void)state;
    run(leaves, .count = 1000);
    assert_int_equal(kio_runtime_shutdown(rt, KIO_SEC), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 1000);
    assert_int_equal(kio_runtime_shutdown(rt, KIO_SEC), 0); /* twice is fine */
}

struct holder {
    async_fn(void);
    struct kio_join_handle *handle;
};

async(holder)
{
    async_begin;
    kio_spawn(self->handle, forever);
    async_return();
}

static void handles_outlive_the_runtime(void **state)
{
    struct kio_join_handle h = { 0 };
    struct kio_runtime *other;

    (void)state;
    assert_int_equal(kio_runtime_new(&other, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                          .workers = 2 }),
                     0);
    kio_runtime_block_on(other, holder, .handle = &h);
    kio_runtime_free(other);
    assert_true(kio_is_finished(&h));
    kio_abort(&h);
    kio_drop(&h);
}

/* ---- from other threads ------------------------------------------------------------------- */

static void *spawn_from_here(void *arg)
{
    ki_atomic(int) *errors = arg;

    for (int i = 0; i < amount(2000); i++) {
        if (kio_spawn_on(rt, NULL, answer, .value = i, .yields = i % 3))
            ki_fetch_add_seq_cst(errors, 1);
    }
    return NULL;
}

struct wait_for_drops {
    async_fn(int);
    int count;
    struct kio_sleep nap;
};

async(wait_for_drops)
{
    async_begin;
    while (ki_load_seq_cst(&drops) < self->count)
        await(kio_sleep(&self->nap, KIO_MS));
    async_return(ki_load_seq_cst(&drops));
}

static void plain_threads_spawn(void **state)
{
    ki_atomic(int) errors = 0;
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spawn_from_here, &errors), 0);
    assert_int_equal(run(wait_for_drops, .count = 3 * amount(2000)), 3 * amount(2000));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ki_load_seq_cst(&errors), 0);
}

static void *block_from_here(void *arg)
{
    for (int i = 0; i < amount(200); i++) {
        if (run(join_one, .yields = i % 4) != 7)
            ki_fetch_add_seq_cst((ki_atomic(int) *)arg, 1);
    }
    return NULL;
}

static void several_threads_block_on_one_runtime(void **state)
{
    ki_atomic(int) wrong = 0;
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, block_from_here, &wrong), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ki_load_seq_cst(&wrong), 0);
}

/* ---- budget ------------------------------------------------------------------------------- */

struct greedy {
    async_fn(int);
    struct kio_rx rx;
    struct kio_recv recv;
    ki_atomic(int) *stop;
    int value, taken;
};

static void greedy_drop(struct greedy *self)
{
    kio_rx_drop(&self->rx);
}

/* A task whose awaits are all ready: it must still let the others run. */
async(greedy, greedy_drop)
{
    async_begin;
    while (!ki_load_seq_cst(self->stop)) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->taken++;
    }
    async_return(self->taken);
}

struct starved {
    async_fn(int);
    ki_atomic(int) stop;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_join_handle h;
    struct kio_yield y;
    int i;
};

static void starved_drop(struct starved *self)
{
    kio_tx_drop(&self->tx);
}

async(starved, starved_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    for (self->i = 0; self->i < 100000; self->i++)
        assert_int_equal(kio_try_send(&self->tx, &self->i), 0);
    kio_tx_drop(&self->tx); /* another worker may take all of them meanwhile */
    kio_spawn(&self->h, greedy, .rx = self->rx, .stop = &self->stop);
    await(kio_yield_now(&self->y));
    await(kio_yield_now(&self->y));
    ki_store_seq_cst(&self->stop, 1);
    await(&self->h);
    async_return(*kio_output(&self->h, int));
}

static void a_task_that_never_waits_lets_others_run(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_in_range(run(starved), 128, 1000); /* about two budgets of 128 */
    else
        assert_true(run(starved) <= 100000);
}

/* ---- blocking ----------------------------------------------------------------------------- */

static void *job(void *arg)
{
    assert_non_null(kio_runtime_current());
    return (char *)arg + 1;
}

struct blocker {
    async_fn(int);
    struct kio_join_handle h;
    char base[2];
};

async(blocker)
{
    async_begin;
    assert_int_equal(kio_spawn_blocking(&self->h, job, self->base), 0);
    await(&self->h);
    assert_int_equal(self->h.out, 0);
    async_return(*kio_output(&self->h, void *) == self->base + 1);
}

static void a_blocking_job_gives_its_result(void **state)
{
    (void)state;
    assert_int_equal(run(blocker), 1);
}

static ki_atomic(int) jobs_run;

static void *slow_job(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ki_fetch_add_seq_cst(&jobs_run, 1);
    return NULL;
}

struct many_jobs {
    async_fn(int);
    int i, canceled;
    struct kio_join_handle h[50];
};

async(many_jobs)
{
    async_begin;
    for (self->i = 0; self->i < 50; self->i++)
        assert_int_equal(kio_spawn_blocking(&self->h[self->i], slow_job, NULL), 0);
    kio_abort(&self->h[49]);
    for (self->i = 0; self->i < 50; self->i++) {
        await(&self->h[self->i]);
        self->canceled += self->h[self->i].out == -ECANCELED;
    }
    async_return(self->canceled);
}

static void jobs_run_side_by_side_and_one_that_has_not_begun_can_be_aborted(void **state)
{
    int canceled;

    (void)state;
    ki_store_seq_cst(&jobs_run, 0);
    canceled = run(many_jobs);
    assert_in_range(canceled, 0, 1); /* the last one may have begun */
    assert_int_equal(ki_load_seq_cst(&jobs_run), 50 - canceled);
}

static void *stay(void *arg)
{
    ki_atomic(int) *go = arg;

    while (!ki_load_seq_cst(go))
        usleep(1000);
    return NULL;
}

struct stuck {
    async_fn(void);
    ki_atomic(int) *go;
};

async(stuck)
{
    async_begin;
    kio_spawn_blocking(NULL, stay, (void *)self->go);
    async_return();
}

static void shutdown_waits_for_jobs_up_to_its_timeout(void **state)
{
    static ki_atomic(int) go;

    (void)state;
    ki_store_seq_cst(&go, 0);
    run(stuck, .go = &go);
    usleep(20000); /* it begins */
    assert_int_equal(kio_runtime_shutdown(rt, 20 * KIO_MS), -ETIMEDOUT);
    ki_store_seq_cst(&go, 1);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
}

/* ---- the rest ----------------------------------------------------------------------------- */

struct named {
    async_fn(int);
};

async(named)
{
    async_begin;
    assert_true(kio_current_task_id() != 0);
    assert_int_equal(kio_task_set_name("a name"), 0);
    async_return(0);
}

static void a_task_knows_its_id_and_takes_a_name(void **state)
{
    (void)state;
    assert_int_equal(kio_current_task_id(), 0);
    assert_int_equal(kio_task_set_name("none"), -EINVAL);
    assert_int_equal(run(named), 0);
}

static void bad_configurations_are_refused(void **state)
{
    struct kio_runtime *r;

    (void)state;
    assert_int_equal(kio_runtime_new(&r, &(struct kio_runtime_config){ .workers = 10000 }), -EINVAL);
    assert_null(r);
    assert_int_equal(kio_runtime_new(&r, &(struct kio_runtime_config){ .blocking_keep_alive = -1 }),
                     -EINVAL);
    assert_int_equal(kio_runtime_new(&r, &(struct kio_runtime_config){ .start_paused = true }),
                     -EINVAL);
    assert_int_equal(kio_runtime_new(&r, &(struct kio_runtime_config){ .flavor = 77 }), -EINVAL);
    setenv("KIOTO_WORKERS", "many", 1);
    assert_int_equal(kio_runtime_new(&r, NULL), -EINVAL);
    setenv("KIOTO_WORKERS", "3", 1);
    assert_int_equal(kio_runtime_new(&r, NULL), 0);
    assert_int_equal(kio_runtime_workers(r), 3);
    unsetenv("KIOTO_WORKERS");
    kio_runtime_free(r);
    kio_runtime_free(NULL);
}

static void every_allocation_of_a_runtime_may_fail(void **state)
{
    struct kio_runtime_config config = { .flavor = rt_flavor, .workers = 2 };
    struct kio_runtime *r;
    int failures = 0;

    (void)state;
    for (int n = 1; n < 20; n++) {
        long before = ki_mem_alive();
        int err;

        ki_mem_fail_at(n);
        err = kio_runtime_new(&r, &config);
        ki_mem_fail_at(0);
        if (!err) {
            kio_runtime_free(r);
            break;
        }
        assert_int_equal(err, -ENOMEM);
        assert_null(r);
        assert_in_range(ki_mem_alive() - before, 0, 1); /* a scheduler may have gone to the pool */
        failures++;
    }
    assert_in_range(failures, 3, 18);
}

RT_MAIN(RT(a_handle_gives_the_result), RT(ten_thousand_tasks_are_joined),
        RT(an_aborted_task_is_dropped_and_says_so), RT(an_ended_task_keeps_its_result),
        RT(a_dropped_handle_lets_the_task_go_on),
        RT(a_task_does_not_run_inside_the_spawn_on_current_thread),
        RT(a_large_task_lies_in_an_allocation_of_its_own),
        RT(a_spawn_without_memory_is_an_error_of_the_handle),
        RT(a_spawn_that_fails_releases_what_it_was_given), RT(shutdown_drops_every_task),
        RT(handles_outlive_the_runtime), RT(plain_threads_spawn),
        RT(several_threads_block_on_one_runtime), RT(a_task_that_never_waits_lets_others_run),
        RT(a_blocking_job_gives_its_result),
        RT(jobs_run_side_by_side_and_one_that_has_not_begun_can_be_aborted),
        RT(shutdown_waits_for_jobs_up_to_its_timeout), RT(a_task_knows_its_id_and_takes_a_name),
        RT(bad_configurations_are_refused), RT(every_allocation_of_a_runtime_may_fail))
