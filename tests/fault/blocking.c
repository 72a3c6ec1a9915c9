/* The blocking pool and name lookup, with every call failing once; threads that cannot be had. */
#include "support/faults.h"
#include "support/pool.h"

#include "base/lock.h"

#include <grp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *twice(void *arg)
{
    return (void *)((intptr_t)arg * 2);
}

struct job {
    async_fn(void);
    struct kio_join_handle a, b;
    struct kio_yield yield;
};

async(job)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_spawn_blocking(&self->a, twice, (void *)21));
    await(&self->a);
    FAULT_TRY(self->a.out);
    faults_check(*kio_output(&self->a, void *) == (void *)42);
    FAULT_TRY(kio_spawn_blocking(&self->a, twice, (void *)1));
    FAULT_TRY(kio_spawn_blocking(&self->b, twice, (void *)2));
    await(&self->a);
    await(&self->b);
    FAULT_TRY(self->a.out);
    FAULT_TRY(self->b.out);
    faults_check(*kio_output(&self->b, void *) == (void *)4);
    faults_complete();
    async_return();
}

static void blocking_jobs(void)
{
    faults_in_runtime(job);
}

struct in_place {
    async_fn(void);
    struct kio_yield yield;
};

async(in_place)
{
    async_begin;
    faults_on();
    faults_check(kio_block_in_place(twice, (void *)4) == (void *)8);
    await(kio_yield_now(&self->yield));
    faults_check(kio_block_in_place(twice, (void *)5) == (void *)10);
    faults_complete();
    async_return();
}

static void calls_in_place(void)
{
    faults_in_runtime(in_place);
}

struct names {
    async_fn(void);
    struct kio_lookup numeric, name;
};

async(names)
{
    async_begin;
    faults_on();
    await(kio_lookup_host(&self->numeric, "127.0.0.1:80"));
    FAULT_TRY(self->numeric.out);
    faults_check(kio_addr_port(&self->numeric.addrs[0]) == 80);
    await(kio_lookup_host(&self->name, "localhost:81"));
    FAULT_TRY(self->name.out);
    faults_check(kio_addr_port(&self->name.addrs[0]) == 81);
    faults_complete();
    async_return();
}

static void names_are_looked_up(void)
{
    faults_in_runtime(names);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(blocking_jobs, FAULT_DETERMINISTIC),
    SCENARIO(calls_in_place, FAULT_MULTI_ONLY),
    SCENARIO(names_are_looked_up),
};

/* ---- no thread to be had, at the worst moments -------------------------------------------- */

/* A pool without a runtime, whose threads are held where they leave. */
static ki_atomic(uint32_t) leaving, may_leave, did_run, did_cancel;

static void on_thread(void *arg, bool start)
{
    (void)arg;
    if (start)
        return;
    ki_fetch_add_seq_cst(&leaving, 1);
    ki_futex_wake(&leaving, 1);
    while (!ki_load_acquire(&may_leave))
        ki_futex_wait(&may_leave, 0, KIO_SEC);
}

static void on_quiet(void *arg)
{
    (void)arg;
}

static void run_it(struct ki_job *job)
{
    (void)job;
    ki_fetch_add_seq_cst(&did_run, 1);
    ki_futex_wake(&did_run, 1);
}

static void cancel_it(struct ki_job *job)
{
    (void)job;
    ki_fetch_add_seq_cst(&did_cancel, 1);
}

static struct ki_blocking *pool;
static struct ki_job jobs[2];

static void open_pool(unsigned max, int64_t keep_alive_ns)
{
    ki_store_relaxed(&leaving, 0);
    ki_store_relaxed(&may_leave, 0);
    ki_store_relaxed(&did_run, 0);
    ki_store_relaxed(&did_cancel, 0);
    jobs[0] = jobs[1] = (struct ki_job){ .run = run_it, .cancel = cancel_it };
    pool = pool_new(max, keep_alive_ns, on_thread, on_quiet);
}

static void close_pool(void)
{
    ki_store_release(&may_leave, 1);
    ki_futex_wake(&may_leave, INT32_MAX);
    assert_int_equal(ki_blocking_shutdown(pool, -1), 0);
    ki_blocking_free(pool);
}

static void a_job_is_not_left_to_a_thread_that_is_leaving(void **state)
{
    (void)state;
    open_pool(4, 1000);
    assert_int_equal(ki_blocking_submit(pool, &jobs[0], KI_LANE_JOBS), 0);
    while (!ki_load_acquire(&leaving))
        ki_futex_wait(&leaving, 0, -1);
    faults_fail("pthread_create", EAGAIN, NULL);
    assert_int_equal(ki_blocking_submit(pool, &jobs[1], KI_LANE_JOBS), -EAGAIN);
    assert_true(faults_reached());
    faults_off();
    assert_int_equal(ki_blocking_busy(pool), 0);
    assert_int_equal(ki_blocking_submit(pool, &jobs[1], KI_LANE_JOBS), 0);
    while (ki_load_acquire(&did_run) < 2)
        ki_futex_wait(&did_run, 1, -1);
    close_pool();
    assert_int_equal(ki_load_relaxed(&did_cancel), 0);
}

/* Without any fault: the pool's only thread has seen its last job, and is still there. */
static void a_pool_of_one_runs_a_job_while_its_thread_leaves(void **state)
{
    (void)state;
    open_pool(1, 1000);
    assert_int_equal(ki_blocking_submit(pool, &jobs[0], KI_LANE_JOBS), 0);
    while (!ki_load_acquire(&leaving))
        ki_futex_wait(&leaving, 0, -1);
    assert_int_equal(ki_blocking_submit(pool, &jobs[1], KI_LANE_JOBS), 0);
    for (int i = 0; i < 5000 && ki_load_acquire(&did_run) < 2; i++)
        usleep(1000);
    assert_int_equal(ki_load_acquire(&did_run), 2);
    close_pool();
}

static pthread_t second;
static ki_atomic(int) second_got; /* 1: nothing yet; otherwise what submit gave */

static void *submit_second(void *arg)
{
    (void)arg;
    ki_store_release(&second_got, ki_blocking_submit(pool, &jobs[1], KI_LANE_JOBS));
    return NULL;
}

/* The first one's thread is about to fail: another comes with a job. It has time to get through; if it
 * waits for the first one, as it should, that time is lost. */
static void another_comes(void)
{
    faults_pause();
    assert_int_equal(pthread_create(&second, NULL, submit_second, NULL), 0);
    faults_resume();
    for (int i = 0; i < 50 && ki_load_acquire(&second_got) == 1; i++)
        usleep(1000);
}

static void a_job_is_not_left_to_a_thread_that_cannot_be_started(void **state)
{
    (void)state;
    ki_store_relaxed(&second_got, 1);
    open_pool(4, KIO_SEC);
    ki_store_relaxed(&may_leave, 1);
    faults_fail("pthread_create", EAGAIN, another_comes);
    assert_int_equal(ki_blocking_submit(pool, &jobs[0], KI_LANE_JOBS), -EAGAIN);
    assert_true(faults_reached());
    faults_off();
    pthread_join(second, NULL);
    assert_int_equal(ki_load_relaxed(&second_got), 0);
    for (int i = 0; i < 5000 && !ki_load_acquire(&did_run); i++)
        usleep(1000);
    assert_int_equal(ki_load_acquire(&did_run), 1);
    close_pool();
    assert_int_equal(ki_load_relaxed(&did_cancel), 0);
}

/* ---- a real limit ------------------------------------------------------------------------- */

/* As somebody who may have no more threads (root may always have some). */
static bool without_threads(void)
{
    struct rlimit none = { 1, 1 };

    if (getuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
        return false;
    return setrlimit(RLIMIT_NPROC, &none) == 0;
}

struct asks {
    async_fn(int);
    struct kio_join_handle job;
};

async(asks)
{
    async_begin;
    int err = kio_spawn_blocking(&self->job, twice, (void *)21);

    if (err)
        async_return(err);
    await(&self->job);
    async_return(self->job.out);
}

/* The exit status says what was given; 99: no such limit here. */
static void ask_without_threads(void)
{
    struct kio_runtime *one;
    struct kio_runtime *many;
    int err;

    if (!without_threads())
        _exit(99);
    err = kio_runtime_new(&many, &(struct kio_runtime_config){ .workers = 2 });
    if (err != -EAGAIN)
        _exit(1);
    if (kio_runtime_new(&one, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD }))
        _exit(2);
    if (kio_runtime_block_on(one, asks) != -EAGAIN)
        _exit(3);
    kio_runtime_free(one);
    _exit(0);
}

static void no_thread_may_be_started_really(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        ask_without_threads();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

FAULTS_FDS_MAIN(cmocka_unit_test(a_job_is_not_left_to_a_thread_that_is_leaving),
                cmocka_unit_test(a_pool_of_one_runs_a_job_while_its_thread_leaves),
                cmocka_unit_test(a_job_is_not_left_to_a_thread_that_cannot_be_started),
                cmocka_unit_test(no_thread_may_be_started_really))
