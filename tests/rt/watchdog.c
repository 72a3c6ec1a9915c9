/* The watchdog: what it says of a stuck worker while it is stuck, and what goes on meanwhile. What
 * blocks waits for the report, or for what other tasks do: a test that fails hangs; there is no
 * limit of time. */
#include "support/rt.h"

#include "base/mem.h"
#include "runtime/runtime.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Well above what a loaded machine makes of an honest poll; valgrind makes more of it. */
#define THRESHOLD ((getenv("KIOTO_TEST_QUICK") ? 300 : 150) * KIO_MS)

static ki_atomic(int) reports, overs, arrived;

/* The last report that named the task `block_here`; written before `reports` counts it. */
static struct {
    unsigned worker;
    uint64_t task_id;
    kio_duration lasted;
    char task[64], file[256], awaited[128], text[8192];
    int line, stack_depth;
} told;

static pthread_t told_on;

static void on_blocked(const struct kio_blocked *stuck, void *arg)
{
    (void)arg;
    if (stuck->over) {
        ki_fetch_add_seq_cst(&overs, 1);
        return;
    }
    told_on = pthread_self();
    told.worker = stuck->worker;
    told.task_id = stuck->task_id;
    told.lasted = stuck->lasted;
    told.line = stuck->line;
    told.stack_depth = stuck->stack_depth;
    snprintf(told.task, sizeof told.task, "%s", stuck->task ? stuck->task : "");
    snprintf(told.file, sizeof told.file, "%s", stuck->file ? stuck->file : "");
    snprintf(told.awaited, sizeof told.awaited, "%s", stuck->awaited ? stuck->awaited : "");
    snprintf(told.text, sizeof told.text, "%s", stuck->report);
    ki_fetch_add_seq_cst(&reports, 1);
}

static int open_with(struct kio_runtime_config config)
{
    ki_store_seq_cst(&reports, 0);
    ki_store_seq_cst(&overs, 0);
    ki_store_seq_cst(&arrived, 0);
    ki_store_seq_cst(&drops, 0);
    memset(&told, 0, sizeof told);
    config.flavor = rt_flavor;
    config.hooks.on_blocked = on_blocked;
    if (!config.workers)
        config.workers = 1;
    return kio_runtime_new(&rt, &config);
}

static int open_dog(void **state)
{
    (void)state;
    return open_with((struct kio_runtime_config){ .watchdog = THRESHOLD });
}

static void nap_ms(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void block_until(ki_atomic(int) *count, int at_least)
{
    while (ki_load_seq_cst(count) < at_least)
        nap_ms();
}

static void nap_thresholds(int count)
{
    for (kio_duration ms = count * THRESHOLD / KIO_MS; ms; ms--)
        nap_ms();
}

static void until_spares_are(unsigned count)
{
    while (rt_flavor == KIO_MULTI_THREAD && ki_multi_spares(rt->sched) != count)
        nap_ms();
}

/* ---- what is said ------------------------------------------------------------------------- */

struct inner {
    async_fn(void);
    struct kio_sleep pause;
};

/* Not inlined: its name, or its place, is in the C stack. */
static KIO_NOINLINE void block_until_told(void)
{
    block_until(&reports, 1);
    __asm__ volatile(""); /* no tail call */
}

async(inner)
{
    async_begin;
    await(kio_sleep(&self->pause, 50 * KIO_MS)); /* not over at its first poll, also under valgrind */
    block_until_told();
    async_return();
}

struct block_here {
    async_fn(uint64_t);
    const char *name;
    struct inner inner;
};

async(block_here)
{
    async_begin;
    if (self->name)
        kio_task_set_name(self->name);
    await(async_call(&self->inner, inner));
    async_return(kio_current_task_id());
}

static void a_stuck_poll_is_told_while_it_is_stuck(void **state)
{
    uint64_t id = run(block_here, .name = "the blocker");

    (void)state;
    assert_int_equal(ki_load_seq_cst(&reports), 1);
    assert_string_equal(told.task, "the blocker");
    assert_int_equal(told.task_id, id);
    assert_int_equal(told.worker, 0);
    assert_true(told.lasted >= THRESHOLD);
    assert_non_null(strstr(told.file, "watchdog.c"));
    assert_true(told.line > 0);
    assert_non_null(strstr(told.awaited, "kio_sleep(&self->pause"));
    assert_non_null(strstr(told.text, "task the blocker"));
    assert_non_null(strstr(told.text, " 0: block_here"));
    assert_non_null(strstr(told.text, " 1: inner"));
    assert_false(pthread_equal(told_on, pthread_self()));
    block_until(&overs, 1); /* and that it went on */
    until_spares_are(0);
}

static void a_task_without_a_name_is_called_by_its_function(void **state)
{
    (void)state;
    run(block_here);
    assert_string_equal(told.task, "block_here");
}

static void the_stack_shows_where_it_blocks(void **state)
{
    (void)state;
    run(block_here);
#if defined(__GLIBC__)
    assert_true(told.stack_depth >= 4);
    assert_non_null(strstr(told.text, "\n     0: "));
#else
    assert_non_null(strstr(told.text, "no <execinfo.h>"));
#endif
}

struct first_poll {
    async_fn(void);
};

async(first_poll)
{
    async_begin;
    block_until(&reports, 1);
    async_return();
}

static void before_the_first_await_there_is_none_to_tell(void **state)
{
    (void)state;
    run(first_poll);
    assert_string_equal(told.task, "first_poll");
    assert_string_equal(told.file, "");
    assert_non_null(strstr(told.text, "passed no await yet"));
}

/* ---- a long loop, not a call -------------------------------------------------------------- */

struct spins {
    async_fn(void);
};

async(spins)
{
    async_begin;
    while (!ki_load_seq_cst(&reports))
        ;
    async_return();
}

static void a_loop_is_found_like_a_call(void **state)
{
    (void)state;
    run(spins);
    assert_string_equal(told.task, "spins");
}

/* ---- once a poll, each poll --------------------------------------------------------------- */

struct stuck_twice {
    async_fn(void);
    int i;
    struct kio_yield y;
};

async(stuck_twice)
{
    async_begin;
    for (self->i = 1; self->i <= 3; self->i++) {
        block_until(&reports, self->i);
        nap_thresholds(2); /* not told again */
        assert_int_equal(ki_load_seq_cst(&reports), self->i);
        await(kio_yield_now(&self->y));
    }
    async_return();
}

static void each_stuck_poll_is_told_once(void **state)
{
    (void)state;
    run(stuck_twice);
    assert_int_equal(ki_load_seq_cst(&reports), 3);
    block_until(&overs, 3);
    assert_int_equal(ki_load_seq_cst(&overs), 3);
    assert_int_equal(ki_watchdog_count(rt->watchdog), 3);
    until_spares_are(0);
}

/* ---- nothing is told of what is not stuck ------------------------------------------------- */

struct busy {
    async_fn(void);
    int turns;
    struct kio_yield y;
    struct kio_sleep nap;
};

async(busy)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(kio_yield_now(&self->y));
    await(kio_sleep(&self->nap, 30 * KIO_MS));
    async_return();
}

static int open_patient(void **state)
{
    (void)state;
    return open_with((struct kio_runtime_config){ .watchdog = 60 * KIO_SEC });
}

static void short_polls_and_idle_workers_are_left_alone(void **state)
{
    (void)state;
    run(busy, .turns = amount(100000));
    assert_int_equal(ki_load_seq_cst(&reports), 0);
    assert_int_equal(ki_watchdog_count(rt->watchdog), 0);
}

struct blocks_in_place {
    async_fn(void);
};

static void *for_two_thresholds(void *arg)
{
    nap_thresholds(2);
    return arg;
}

async(blocks_in_place)
{
    async_begin;
    kio_block_in_place(for_two_thresholds, NULL);
    async_return();
}

static void a_call_in_place_is_no_fault(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return; /* it has none */
    run(blocks_in_place);
    assert_int_equal(ki_load_seq_cst(&reports), 0);
    until_spares_are(0);
}

/* ---- the others go on (multi_thread) ------------------------------------------------------ */

struct ticks {
    async_fn(void);
    int turns;
    struct kio_sleep nap;
};

async(ticks)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(kio_sleep(&self->nap, KIO_MS));
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

struct yields {
    async_fn(void);
    int turns;
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(kio_yield_now(&self->y));
    ki_fetch_add_seq_cst(&arrived, 1);
    async_return();
}

struct blocks_all {
    async_fn(void);
    struct kio_join_handle a, b, c;
    int want;
};

async(blocks_all)
{
    async_begin;
    kio_spawn(&self->a, yields, .turns = 500);
    kio_spawn(&self->b, ticks, .turns = 5);
    kio_spawn(&self->c, ticks, .turns = 1);
    block_until(&arrived, 3); /* the only worker, stuck until all of them have run */
    await(&self->a);
    await(&self->b);
    await(&self->c);
    async_return();
}

static void tasks_and_timers_go_on_beside_a_stuck_worker(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return; /* there they wait: the next test */
    run(blocks_all);
    assert_int_equal(ki_load_seq_cst(&arrived), 3);
    block_until(&reports, 1); /* the spare may be done before the text is */
    assert_non_null(strstr(told.text, "a spare worker runs the other tasks meanwhile"));
    until_spares_are(0);
}

static void on_current_thread_they_wait_and_that_is_said(void **state)
{
    (void)state;
    if (rt_flavor != KIO_CURRENT_THREAD)
        return;
    run(block_here);
    assert_non_null(strstr(told.text, "every other task of this runtime waits for it"));
}

/* Tasks that come from outside while every worker is stuck. */
struct stuck_until {
    async_fn(void);
    int want;
};

async(stuck_until)
{
    async_begin;
    block_until(&arrived, self->want);
    async_return();
}

static int open_two(void **state)
{
    (void)state;
    return open_with((struct kio_runtime_config){ .watchdog = THRESHOLD, .workers = 2 });
}

static void tasks_from_outside_run_though_every_worker_is_stuck(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return;
    for (int i = 0; i < 6; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, stuck_until, .want = 10), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, ticks, .turns = 2), 0);
    block_until(&arrived, 10);
    until_spares_are(0);
    /* six were stuck at once, or as many as came to run before the ticks had ended */
    assert_in_range(ki_watchdog_count(rt->watchdog), 2, 6);
}

/* Sends back what comes, byte by byte: the driver has to be turned for each. */
struct echoes {
    async_fn(void);
    int fd;
    struct kio_stream stream;
    struct kio_read read;
    struct kio_write_all write;
    char byte;
};

static void echoes_drop(struct echoes *self)
{
    kio_close(&self->stream);
}

async(echoes, echoes_drop)
{
    async_begin;
    assert_int_equal(kio_stream_open(&self->stream, self->fd), 0);
    for (;;) {
        await(kio_read(&self->read, &self->stream, &self->byte, 1));
        if (self->read.out <= 0)
            async_return();
        await(kio_write_all(&self->write, &self->stream, &self->byte, 1));
    }
}

struct talks {
    async_fn(int);
    struct kio_join_handle echo;
    int plain;
};

/* With calls that block, in the poll of the only worker. */
static int talk(int fd)
{
    int same = 0;

    for (char out = 'a'; out <= 'z'; out++) {
        char in = 0;

        assert_int_equal(write(fd, &out, 1), 1);
        assert_int_equal(read(fd, &in, 1), 1);
        same += in == out;
    }
    close(fd);
    return same;
}

async(talks)
{
    int fds[2];

    async_begin;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    kio_spawn(&self->echo, echoes, .fd = fds[0]);
    self->out = talk(fds[1]);
    await(&self->echo);
    async_return(self->out);
}

static void sockets_go_on_beside_a_stuck_worker(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return;
    assert_int_equal(run(talks), 26);
    until_spares_are(0);
}

/* ---- without names; shutdown -------------------------------------------------------------- */

static int open_mute(void **state)
{
    (void)state;
    return open_with((struct kio_runtime_config){ .watchdog = THRESHOLD, .watchdog_signal = -1 });
}

static void without_a_signal_it_tells_less(void **state)
{
    uint64_t id = run(block_here, .name = "the blocker");

    (void)state;
    assert_int_equal(told.task_id, id);
    assert_string_equal(told.task, "");
    assert_int_equal(told.stack_depth, 0);
    assert_non_null(strstr(told.text, "watchdog_signal is negative"));
}

/* ---- the signal --------------------------------------------------------------------------- */

static volatile sig_atomic_t own_signals;

static void on_own_signal(int signal)
{
    (void)signal;
    own_signals++;
}

static void the_programs_own_signals_reach_its_handler(void **state)
{
    struct sigaction action = { .sa_handler = on_own_signal };

    (void)state;
    own_signals = 0;
    if (rt_flavor == KIO_CURRENT_THREAD) /* once: before the watchdog's first use of this signal */
        assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
    assert_int_equal(open_with((struct kio_runtime_config){ .watchdog = THRESHOLD,
                                                            .watchdog_signal = SIGUSR2 }),
                     0);
    raise(SIGUSR2);
    pthread_kill(pthread_self(), SIGUSR2);
    kill(getpid(), SIGUSR2); /* the other threads block it, or hand it on as well */
    run(block_here, .name = "the blocker");
    assert_string_equal(told.task, "the blocker");
    while (own_signals < 3)
        nap_ms();
    assert_int_equal(own_signals, 3); /* the watchdog's is not among them */
    kio_runtime_free(rt);
}

static void a_thread_that_blocks_the_signal_lets_it_through_while_it_runs_tasks(void **state)
{
    sigset_t urg, now;

    (void)state;
    sigemptyset(&urg);
    sigaddset(&urg, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urg, NULL);
    run(block_here, .name = "the blocker");
    assert_string_equal(told.task, "the blocker");
    pthread_sigmask(SIG_UNBLOCK, &urg, &now);
    assert_int_equal(sigismember(&now, SIGURG), 1); /* as it was before */
}

static void a_runtime_whose_worker_is_stuck_ends_when_it_goes_on(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return; /* it would be shut down inside block_on */
    assert_int_equal(kio_spawn_on(rt, NULL, stuck_until, .want = 1), 0);
    block_until(&reports, 1);
    assert_int_equal(kio_runtime_shutdown(rt, 0), -ETIMEDOUT);
    ki_store_seq_cst(&arrived, 1);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
}

static void wrong_thresholds_and_signals_are_refused(void **state)
{
    struct kio_runtime *none;

    (void)state;
    assert_int_equal(kio_runtime_new(&none, &(struct kio_runtime_config){ .watchdog = -1 }), -EINVAL);
    assert_int_equal(kio_runtime_new(&none, &(struct kio_runtime_config){ .watchdog = 1000 }), -EINVAL);
    assert_int_equal(kio_runtime_new(&none, &(struct kio_runtime_config){ .watchdog = KIO_SEC,
                                                                          .watchdog_signal = 9 }),
                     -EINVAL);
}

static void every_allocation_of_a_watched_runtime_may_fail(void **state)
{
    struct kio_runtime_config config = { .flavor = rt_flavor, .workers = 2, .watchdog = KIO_SEC };
    int failures = 0;

    (void)state;
    for (int n = 1; n < 20; n++) {
        struct kio_runtime *r;
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
    assert_in_range(failures, 4, 18);
}

#define DOG(test) cmocka_unit_test_setup_teardown(test, open_dog, rt_close)

RT_MAIN(DOG(a_stuck_poll_is_told_while_it_is_stuck), DOG(a_task_without_a_name_is_called_by_its_function),
        DOG(the_stack_shows_where_it_blocks), DOG(before_the_first_await_there_is_none_to_tell),
        DOG(a_loop_is_found_like_a_call), DOG(each_stuck_poll_is_told_once),
        cmocka_unit_test_setup_teardown(short_polls_and_idle_workers_are_left_alone, open_patient,
                                        rt_close),
        DOG(a_call_in_place_is_no_fault), DOG(tasks_and_timers_go_on_beside_a_stuck_worker),
        DOG(sockets_go_on_beside_a_stuck_worker),
        DOG(on_current_thread_they_wait_and_that_is_said),
        cmocka_unit_test_setup_teardown(tasks_from_outside_run_though_every_worker_is_stuck, open_two,
                                        rt_close),
        cmocka_unit_test_setup_teardown(without_a_signal_it_tells_less, open_mute, rt_close),
        cmocka_unit_test(the_programs_own_signals_reach_its_handler),
        DOG(a_thread_that_blocks_the_signal_lets_it_through_while_it_runs_tasks),
        DOG(a_runtime_whose_worker_is_stuck_ends_when_it_goes_on),
        cmocka_unit_test(wrong_thresholds_and_signals_are_refused),
        cmocka_unit_test(every_allocation_of_a_watched_runtime_may_fail))
