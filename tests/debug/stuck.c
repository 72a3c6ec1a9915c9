/*
 * Programs that are stuck, each in a process of its own whose stderr is read here: this program
 * again, with the scenario's name as its argument.
 */
#include <kioto.h>

#include "base/atomic.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- scenarios ---------------------------------------------------------------------------- */

static struct kio_mutex left, right;

struct taker {
    async_fn(void);
    const char *name;
    struct kio_mutex *first, *second;
    struct kio_barrier *both;
    struct kio_lock one, two;
    struct kio_barrier_wait wait;
};

async(taker)
{
    async_begin;
    kio_task_set_name(self->name);
    await(kio_lock(&self->one, self->first));
    await(kio_barrier_wait(&self->wait, self->both));
    await(kio_lock(&self->two, self->second));
    async_return();
}

struct deadlock {
    async_fn(int);
    struct kio_barrier both;
    struct kio_join_handle alice, bob;
};

async(deadlock)
{
    async_begin;
    kio_task_set_name("main");
    kio_barrier_init(&self->both, 2);
    kio_spawn(&self->alice, taker, .name = "alice", .first = &left, .second = &right,
              .both = &self->both);
    kio_spawn(&self->bob, taker, .name = "bob", .first = &right, .second = &left, .both = &self->both);
    await(&self->alice);
    async_return(1);
}

/* Ends after a while; nothing is said although stuck_after is shorter. */
struct sleeps {
    async_fn(int);
    struct kio_sleep nap;
};

async(sleeps)
{
    async_begin;
    await(kio_sleep(&self->nap, 100 * KIO_MS));
    async_return(0);
}

static void *block_for_a_while(void *arg)
{
    usleep(100000);
    return arg;
}

struct waits_for_job {
    async_fn(int);
    struct kio_join_handle job;
};

async(waits_for_job)
{
    async_begin;
    kio_spawn_blocking(&self->job, block_for_a_while, NULL);
    await(&self->job);
    async_return(0);
}

/* A task that holds up its thread, and one that waits. */
struct waits_for_ever {
    async_fn(void);
    struct kio_notify never;
    struct kio_notified n;
};

async(waits_for_ever)
{
    async_begin;
    kio_task_set_name("waiter");
    await(kio_notified(&self->n, &self->never));
    async_return();
}

struct blocks {
    async_fn(int);
    struct kio_join_handle waiter;
    struct kio_sleep nap;
};

async(blocks)
{
    async_begin;
    kio_task_set_name("blocker");
    kio_spawn(&self->waiter, waits_for_ever);
    await(kio_sleep(&self->nap, 10 * KIO_MS));
    if (write(STDERR_FILENO, "ready\n", 6) != 6)
        abort();
    for (;;)
        pause();
    async_return(0);
}

static void *sleep_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static int scenario(const char *name, bool multi)
{
    struct kio_runtime *rt;
    struct kio_runtime_config config = {
        .flavor = multi ? KIO_MULTI_THREAD : KIO_CURRENT_THREAD,
        .workers = 2,
        .stuck_after = 30 * KIO_MS,
        .dump_signal = strcmp(name, "signal") ? 0 : SIGUSR1,
    };
    pthread_t other;
    int status = 0;

    if (kio_runtime_new(&rt, &config))
        return 99;
    if (!strcmp(name, "other_thread"))
        pthread_create(&other, NULL, sleep_for_ever, NULL);
    if (!strcmp(name, "deadlock") || !strcmp(name, "other_thread"))
        status = kio_runtime_block_on(rt, deadlock);
    else if (!strcmp(name, "sleeps"))
        status = kio_runtime_block_on(rt, sleeps);
    else if (!strcmp(name, "job"))
        status = kio_runtime_block_on(rt, waits_for_job);
    else
        status = kio_runtime_block_on(rt, blocks);
    kio_runtime_free(rt);
    return status;
}

/* ---- the process -------------------------------------------------------------------------- */

static char own_path[4096];

struct process {
    pid_t pid;
    int err; /* its stderr */
    size_t len;
    char text[65536];
};

static void start(struct process *p, const char *name, bool multi)
{
    int fds[2];

    *p = (struct process){ 0 };
    assert_int_equal(pipe(fds), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (!p->pid) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl(own_path, own_path, name, multi ? "multi" : "current", (char *)NULL);
        _exit(98);
    }
    close(fds[1]);
    p->err = fds[0];
}

/* Reads until the text is there, or the process has ended. */
static bool says(struct process *p, const char *what)
{
    while (!strstr(p->text, what)) {
        ssize_t n = read(p->err, p->text + p->len, sizeof p->text - 1 - p->len);

        if (n <= 0)
            return false;
        p->len += (size_t)n;
        p->text[p->len] = '\0';
    }
    return true;
}

static void expect(struct process *p, const char *what)
{
    if (!says(p, what))
        fail_msg("'%s' is not in:\n%s", what, p->text);
}

static int end(struct process *p, bool by_force)
{
    int status;

    if (by_force)
        kill(p->pid, SIGKILL);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    close(p->err);
    return status;
}

/* ---- the tests ---------------------------------------------------------------------------- */

static void is_reported(bool multi)
{
    struct process p;

    start(&p, "deadlock", multi);
    expect(&p, "held by task");
    expect(&p, "cycle: waits for ever, each for the next:\n");
    expect(&p, "\" waits for mutex 0x");
    assert_memory_equal(p.text, "kioto: deadlock: nothing can wake a task of runtime kioto any more", 66);
    end(&p, true);
}

static void a_deadlock_on_current_thread_is_reported_with_its_cycle(void **state)
{
    (void)state;
    is_reported(false);
}

static void a_deadlock_on_multi_thread_is_reported_with_its_cycle(void **state)
{
    (void)state;
    is_reported(true);
}

static void with_another_thread_the_report_says_that_it_may_wake(void **state)
{
    struct process p;

    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        start(&p, "other_thread", multi);
        expect(&p, "without a timer, an fd or a job: only another thread can wake it\n");
        expect(&p, "cycle: waits for ever");
        assert_null(strstr(p.text, "deadlock:"));
        end(&p, true);
    }
}

static void a_timer_or_a_job_is_no_deadlock(void **state)
{
    const char *names[] = { "sleeps", "job" };
    struct process p;

    (void)state;
    for (int i = 0; i < 4; i++) {
        start(&p, names[i / 2], i % 2);
        assert_false(says(&p, "deadlock"));
        assert_string_equal(p.text, "");
        assert_int_equal(end(&p, false), 0);
    }
}

static void a_signal_dumps_while_a_worker_is_stuck_in_a_poll(void **state)
{
    struct process p;

    (void)state;
    start(&p, "signal", true);
    expect(&p, "ready\n");
    kill(p.pid, SIGUSR1);
    expect(&p, "multi_thread with 2 workers: 1 running, 0 queued, 1 idle");
    expect(&p, "\"blocker\": running on worker ");
    expect(&p, "\"waiter\": idle\n  waits_for_ever (");
    expect(&p, "kio_notified: notify 0x");
    kill(p.pid, SIGUSR1); /* and the second says for how long */
    expect(&p, "\"waiter\": idle, not polled since the dump ");
    end(&p, true);
}

static void a_signal_while_the_one_thread_is_stuck_says_which_task_holds_it_up(void **state)
{
    struct process p;

    (void)state;
    start(&p, "signal", false);
    expect(&p, "ready\n");
    kill(p.pid, SIGUSR1);
    expect(&p, "runtime kioto, current_thread: task ");
    expect(&p, " has been polled for a second and does not come back");
    end(&p, true);
}

static void a_signal_that_cannot_be_caught_is_refused(void **state)
{
    struct kio_runtime *rt;

    (void)state;
    assert_int_equal(kio_dump_on_signal(SIGKILL), -EINVAL);
    assert_int_equal(kio_dump_on_signal(-3), -EINVAL);
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){ .dump_signal = SIGSTOP }),
                     -EINVAL);
    assert_null(rt);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadlock_on_current_thread_is_reported_with_its_cycle),
        cmocka_unit_test(a_deadlock_on_multi_thread_is_reported_with_its_cycle),
        cmocka_unit_test(with_another_thread_the_report_says_that_it_may_wake),
        cmocka_unit_test(a_timer_or_a_job_is_no_deadlock),
        cmocka_unit_test(a_signal_dumps_while_a_worker_is_stuck_in_a_poll),
        cmocka_unit_test(a_signal_while_the_one_thread_is_stuck_says_which_task_holds_it_up),
        cmocka_unit_test(a_signal_that_cannot_be_caught_is_refused),
    };
    ssize_t len = readlink("/proc/self/exe", own_path, sizeof own_path - 1);

    if (argc > 2)
        return scenario(argv[1], !strcmp(argv[2], "multi"));
    if (len < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
