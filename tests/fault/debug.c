/* Dumps, metrics, the watchdog, tests under seeds, with every call failing once. */
#include "support/faults.h"

#include <fcntl.h>
#include <kioto/debug.h>
#include <kioto/metrics.h>
#include <kioto/test.h>
#include <unistd.h>

static char *page;
static size_t page_len;

/* A file in memory, which is the test's own. */
static FILE *open_page(void)
{
    FILE *to;

    free(page);
    to = open_memstream(&page, &page_len);
    faults_check(to != NULL);
    return to;
}

static void close_page(FILE *to)
{
    faults_pause();
    fclose(to);
    faults_resume();
}

/* ---- a dump of two tasks that wait for each other ----------------------------------------- */

/* Of all: the philosophers sit on when the table's task has ended. */
static struct kio_mutex first, second;
static struct kio_barrier all;

struct philosopher {
    async_fn(void);
    struct kio_mutex *left, *right;
    struct kio_barrier_wait seated;
    struct kio_lock one, two;
};

async(philosopher)
{
    async_begin;
    await(kio_lock(&self->one, self->left));
    await(kio_barrier_wait(&self->seated, &all));
    await(kio_lock(&self->two, self->right));
    async_return();
}

struct table {
    async_fn(void);
    struct kio_join_handle a, b;
    struct kio_barrier_wait seated;
    FILE *to;
};

async(table)
{
    async_begin;
    kio_barrier_init(&all, 3);
    faults_check(!kio_spawn(&self->a, philosopher, .left = &first, .right = &second));
    faults_check(!kio_spawn(&self->b, philosopher, .left = &second, .right = &first));
    await(kio_barrier_wait(&self->seated, &all));
    self->to = open_page();
    faults_on();
    int err = kio_runtime_dump(kio_runtime_current(), self->to);

    close_page(self->to);
    FAULT_TRY(err);
    faults_check(strstr(page, "philosopher"));
    faults_complete();
    async_return();
}

static void a_dump(void)
{
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    faults_in_runtime(table);
}

/* ---- metrics ------------------------------------------------------------------------------ */

struct measured {
    async_fn(void);
    struct kio_yield yield;
    FILE *to;
};

async(measured)
{
    async_begin;
    self->to = open_page();
    faults_on();
    int err = kio_metrics_write(kio_runtime_current(), self->to);

    close_page(self->to);
    FAULT_TRY(err);
    faults_check(strstr(page, "kioto_workers"));
    faults_complete();
    async_return();
}

static void metrics(void)
{
    faults_in_runtime(measured);
}

/* ---- a stuck poll ------------------------------------------------------------------------- */

static ki_atomic(int) told, over;

static void on_blocked(const struct kio_blocked *s, void *arg)
{
    (void)arg;
    ki_store_release(s->over ? &over : &told, 1);
}

struct stuck {
    async_fn(void);
};

async(stuck)
{
    async_begin;
    for (int i = 0; i < 10000 && !ki_load_acquire(&told); i++)
        usleep(1000);
    async_return();
}

static void a_stuck_poll_is_told(void)
{
    int err;

    ki_store_relaxed(&told, 0);
    ki_store_relaxed(&over, 0);
    err = kio_runtime_new(&rt, &(struct kio_runtime_config){
                                   .flavor = rt_flavor,
                                   .workers = 1,
                                   .watchdog = 2 * KIO_MS,
                                   .hooks.on_blocked = on_blocked,
                               });
    faults_check(!err);
    faults_on();
    if (!faults_saw(kio_spawn_on(rt, NULL, stuck))) {
        for (int i = 0; i < 10000 && !ki_load_acquire(&over); i++)
            usleep(1000);
        if (ki_load_acquire(&told) && ki_load_acquire(&over))
            faults_complete();
    }
    kio_runtime_free(rt);
}

/* ---- tests under seeds: in processes of their own ----------------------------------------- */

struct seeded {
    async_fn(int);
    struct kio_yield yield;
};

async(seeded)
{
    async_begin;
    await(kio_yield_now(&self->yield));
    async_return(0);
}

/* Its children write what they have to say to stderr; only the parent's calls fail here. */
static void a_test_under_seeds(void)
{
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY);
    uint64_t failed;

    dup2(null, STDERR_FILENO);
    faults_on();
    failed = kio_test(1, seeded);
    faults_pause();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    faults_resume();
    if (failed)
        faults_saw(faults_given());
    else
        faults_complete();
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_dump),
    SCENARIO(metrics),
    SCENARIO(a_stuck_poll_is_told, FAULT_MULTI_ONLY),
    SCENARIO(a_test_under_seeds, FAULT_CURRENT_ONLY),
};

/* ---- a full disk -------------------------------------------------------------------------- */

struct full {
    async_fn(int);
    FILE *to;
    int (*write)(struct kio_runtime *, FILE *);
};

async(full)
{
    async_begin;
    async_return(self->write(kio_runtime_current(), self->to));
}

static void what_cannot_be_written_is_told(void **state)
{
    FILE *to = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(to);
    setvbuf(to, NULL, _IONBF, 0);
    rt_flavor = KIO_CURRENT_THREAD;
    faults_open();
    assert_int_equal(run(full, .to = to, .write = kio_runtime_dump), -EIO);
    assert_int_equal(run(full, .to = to, .write = kio_metrics_write), -EIO);
    kio_runtime_free(rt);
    fclose(to);
}

FAULTS_MAIN(cmocka_unit_test(what_cannot_be_written_is_told))
