/* fork: a child may exec, _exit and make runtimes of its own; its parent's are as after a shutdown there,
 * and the parent does not notice. docs/guide/10-runtime.md */
#include "support/rt.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct answers {
    async_fn(int);
    struct kio_sleep nap;
};

static void answers_drop(struct answers *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(answers, answers_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return(7);
}

struct forever {
    async_fn(void);
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
    async_return();
}

static int status_of(pid_t child)
{
    int status;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define child_checks(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "child, line %d: %s\n", __LINE__, #condition);                         \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void a_child_may_exec_or_exit(void **state)
{
    pid_t child;

    (void)state;
    assert_int_equal(run(answers), 7);
    child = fork();
    if (!child)
        _exit(3);
    assert_int_equal(status_of(child), 3);
    child = fork();
    if (!child) {
        execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(status_of(child), 4);
    assert_int_equal(run(answers), 7);
}

/* Inside a task. */
struct forks {
    async_fn(int);
    pid_t child;
    struct kio_yield y;
};

async(forks)
{
    async_begin;
    await(kio_yield_now(&self->y));
    self->child = fork();
    if (!self->child)
        _exit(5);
    await(kio_yield_now(&self->y));
    async_return((int)self->child);
}

static void a_task_may_fork_a_child_that_exits(void **state)
{
    (void)state;
    assert_int_equal(status_of(run(forks)), 5);
    assert_int_equal(run(answers), 7);
}

static void use_the_parents(const kio_waker *kept, struct kio_fd *fd)
{
    struct kio_join_handle h = { 0 };
    int out = 0;

    child_checks(kio_spawn_on(rt, &h, forever) == -ESHUTDOWN && h.out == -ESHUTDOWN);
    kio_drop(&h);
    child_checks(kio_runtime_try_block_on(rt, &out, answers) == -ESHUTDOWN);
    child_checks(kio_runtime_drain(rt, -1) == -ESHUTDOWN);
    kio_waker_wake_by_ref(*kept);
    kio_fd_close(fd); /* its own copy: the parent's stays registered */
    child_checks(kio_runtime_shutdown(rt, -1) == 0);
    kio_runtime_free(rt);
}

struct keeps {
    async_fn(void);
    kio_waker *kept;
};

static kio_poll keeps_poll(kio_future *f, kio_context *cx)
{
    *((struct keeps *)f)->kept = kio_waker_clone(cx->waker);
    f->state = f;
    return KIO_PENDING;
}

static const kio_future_type keeps_type = {
    .name = "keeps",
    .size = sizeof(struct keeps),
    .poll = keeps_poll,
};

struct readable {
    async_fn(int);
    struct kio_fd *fd;
    struct kio_readiness wait;
};

async(readable)
{
    async_begin;
    await(kio_readable(&self->wait, self->fd));
    async_return(self->wait.out);
}

static void a_childs_runtime_works_beside_what_it_has_of_its_parents(void **state)
{
    static struct kio_fd fd;
    kio_waker kept = { NULL };
    struct kio_runtime *before;
    int ends[2];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(kio_spawn_on(rt, NULL, keeps, .kept = &kept), 0);
    assert_int_equal(run(answers), 7);
    before = kio_runtime_enter(rt);
    assert_int_equal(kio_fd_open(&fd, ends[0]), 0);
    kio_runtime_leave(before);
    child = fork();
    if (!child) {
        for (int i = 0; i < 3; i++)
            child_checks(kio_block_on(answers) == 7);
        use_the_parents(&kept, &fd);
        child_checks(kio_block_on(answers) == 7);
        _exit(ki_load_seq_cst(&drops) == 1 + 3 + 1 + 1 + 1 ? 0 : 2); /* what was refused is released */
    }
    assert_int_equal(status_of(child), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(run(readable, .fd = &fd), 0); /* the child's close did not unregister it */
    kio_waker_drop(kept);
    kio_fd_close(&fd);
    close(ends[1]);
    assert_int_equal(run(answers), 7);
}

/* The address sanitizer's own locks are not free in a child: its allocator asks for one when it has no block
 * of a size at hand. Without a quarantine it has what the last runtime freed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=0:thread_local_quarantine_size_kb=0";
}

/* Locks may be held by other threads at any moment. */
static ki_atomic(bool) stop;

static void *makes_runtimes(void *arg)
{
    (void)arg;
    while (!ki_load_seq_cst(&stop))
        kio_block_on(answers);
    return NULL;
}

static void a_fork_meets_threads_that_make_runtimes(void **state)
{
    pthread_t threads[2];

    (void)state;
    ki_store_seq_cst(&stop, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, makes_runtimes, NULL), 0);
    for (int i = 0; i < amount(100); i++) {
        pid_t child = fork();

        if (!child)
            _exit(kio_block_on(answers) == 7 ? 0 : 1);
        assert_int_equal(status_of(child), 0);
    }
    ki_store_seq_cst(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

/* Thread sanitizer starts no thread in a child of a program with threads. */
#if defined(__SANITIZE_THREAD__)
#define NO_THREADS_AFTER_FORK 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_THREADS_AFTER_FORK 1
#endif
#endif

static void a_child_may_have_workers_and_jobs(void **state)
{
    pid_t child;

    (void)state;
#ifdef NO_THREADS_AFTER_FORK
    skip();
#endif
    assert_int_equal(run(answers), 7);
    child = fork();
    if (!child) {
        struct kio_runtime *own;

        child_checks(kio_runtime_new(&own, &(struct kio_runtime_config){ .workers = 2 }) == 0);
        child_checks(kio_runtime_block_on(own, answers) == 7);
        kio_runtime_free(own);
        _exit(0);
    }
    assert_int_equal(status_of(child), 0);
}

RT_MAIN(RT(a_child_may_exec_or_exit), RT(a_task_may_fork_a_child_that_exits),
        RT(a_childs_runtime_works_beside_what_it_has_of_its_parents),
        RT(a_fork_meets_threads_that_make_runtimes), RT(a_child_may_have_workers_and_jobs))
