/* Local tasks: they stay on the thread that runs their set. On multi_thread that is a thread of the
 * blocking pool, inside kio_block_on. */
#include "support/rt.h"

#include "base/mem.h"

#include <pthread.h>
#include <unistd.h>

/* Checks its thread in each poll. */
struct bound {
    async_fn(int);
    pthread_t thread;
    int turns;
    struct kio_yield y;
};

static void bound_drop(struct bound *self)
{
    assert_true(pthread_equal(self->thread, pthread_self()));
    ki_fetch_add_seq_cst(&drops, 1);
}

async(bound, bound_drop)
{
    async_begin;
    while (self->turns--) {
        assert_true(pthread_equal(self->thread, pthread_self()));
        assert_true(kio_current_task_id() != 0);
        await(kio_yield_now(&self->y));
    }
    async_return(5);
}

struct endless {
    async_fn(void);
    struct kio_notify *never;
    struct kio_notified wait;
};

static void endless_drop(struct endless *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(endless, endless_drop)
{
    async_begin;
    await(kio_notified(&self->wait, self->never));
    async_return();
}

static struct kio_notify never;

/* ---- where they run ------------------------------------------------------------------------ */

/* Runs `body` by kio_block_on: here, or on a thread of the multi_thread runtime's pool. */
#define ON_ONE_THREAD(body)                                                                        \
    static void *body##_job(void *arg)                                                             \
    {                                                                                              \
        kio_block_on(body);                                                                        \
        return arg;                                                                                \
    }                                                                                              \
    struct body##_main {                                                                           \
        async_fn(void);                                                                            \
        struct kio_join_handle job;                                                                \
    };                                                                                             \
    async(body##_main)                                                                             \
    {                                                                                              \
        async_begin;                                                                               \
        kio_spawn_blocking(&self->job, body##_job, NULL);                                          \
        await(&self->job);                                                                         \
        assert_int_equal(self->job.out, 0);                                                        \
        async_return();                                                                            \
    }                                                                                              \
    static void run_##body(void)                                                                   \
    {                                                                                              \
        if (rt_flavor == KIO_CURRENT_THREAD)                                                       \
            run(body);                                                                             \
        else                                                                                       \
            run(body##_main);                                                                      \
    }

#define TASKS 200 /* more than one poll of a set runs */

struct many {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task[TASKS];
    int i, sum;
};

static void many_drop(struct many *self)
{
    kio_local_set_drop(&self->set);
}

async(many, many_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    await(kio_local_set_wait(&self->run, &self->set)); /* empty: ready at once */
    for (self->i = 0; self->i < TASKS; self->i++) {
        assert_int_equal(kio_local_spawn(&self->set, &self->task[self->i], bound,
                                         .thread = pthread_self(), .turns = self->i % 5),
                         0);
    }
    assert_int_equal(kio_local_set_len(&self->set), TASKS);
    await(kio_local_set_wait(&self->run, &self->set));
    assert_int_equal(kio_local_set_len(&self->set), 0);
    for (self->i = 0; self->i < TASKS; self->i++) {
        await(&self->task[self->i]);
        assert_int_equal(self->task[self->i].out, 0);
        self->sum += *kio_output(&self->task[self->i], int);
    }
    assert_int_equal(self->sum, 5 * TASKS);
    async_return();
}
ON_ONE_THREAD(many)

static void the_tasks_of_a_set_run_on_its_thread(void **state)
{
    (void)state;
    run_many();
    assert_int_equal(ki_load_seq_cst(&drops), TASKS);
}

/* ---- run_until, and spawning inside -------------------------------------------------------- */

struct spawner {
    async_fn(int);
    struct kio_join_handle child;
    int depth;
};

async(spawner)
{
    async_begin;
    if (self->depth == 0)
        async_return(1);
    kio_spawn_local(&self->child, spawner, .depth = self->depth - 1);
    await(&self->child);
    assert_int_equal(self->child.out, 0);
    async_return(1 + *kio_output(&self->child, int));
}

struct until {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct spawner main;
    struct kio_join_handle rest;
};

static void until_drop(struct until *self)
{
    kio_local_set_drop(&self->set);
}

async(until, until_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->rest, endless, .never = &never);
    await(kio_local_run_until(&self->run, &self->set, async_call(&self->main, spawner, .depth = 20)));
    assert_int_equal(self->main.out, 21);
    assert_int_equal(kio_local_set_len(&self->set), 1); /* the endless one waits for another run */
    assert_false(kio_is_finished(&self->rest));
    kio_local_set_drop(&self->set);
    await(&self->rest);
    assert_int_equal(self->rest.out, -ECANCELED);
    async_return();
}
ON_ONE_THREAD(until)

static void a_run_ends_with_its_future_and_a_dropped_set_drops_the_rest(void **state)
{
    (void)state;
    run_until();
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

struct plain {
    async_fn(void);
    struct kio_join_handle task[3];
    struct spawner direct;
    int i;
};

async(plain)
{
    async_begin;
    for (self->i = 0; self->i < 3; self->i++)
        kio_spawn_local(&self->task[self->i], bound, .thread = pthread_self(), .turns = 3);
    for (self->i = 0; self->i < 3; self->i++) {
        await(&self->task[self->i]);
        assert_int_equal(*kio_output(&self->task[self->i], int), 5);
    }
    await(async_call(&self->direct, spawner, .depth = 3));
    async_return();
}
ON_ONE_THREAD(plain)

static void spawn_local_works_without_a_set_on_current_thread(void **state)
{
    (void)state;
    run_plain();
    assert_int_equal(ki_load_seq_cst(&drops), 3);
}

/* ---- wakes --------------------------------------------------------------------------------- */

static struct kio_tx wire;

static void *sender(void *arg)
{
    for (int i = 1; i <= 100; i++) {
        if (i % 10 == 0)
            usleep(200); /* lets the set's thread go to sleep */
        assert_int_equal(kio_blocking_send(&wire, &i), 0);
    }
    return arg;
}

struct taker {
    async_fn(int);
    pthread_t thread;
    struct kio_rx rx;
    struct kio_recv recv;
    int value, sum;
};

static void taker_drop(struct taker *self)
{
    kio_rx_drop(&self->rx);
}

async(taker, taker_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        assert_true(pthread_equal(self->thread, pthread_self()));
        self->sum += self->value;
        if (self->value == 100)
            break;
    }
    async_return(self->sum);
}

struct listening {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle taker;
    struct kio_sleep nap;
    pthread_t thread;
};

static void listening_drop(struct listening *self)
{
    kio_local_set_drop(&self->set);
}

async(listening, listening_drop)
{
    struct kio_rx rx;

    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    assert_int_equal(kio_mpsc_channel(&wire, &rx, sizeof(int), 4), 0);
    kio_local_spawn(&self->set, &self->taker, taker, .thread = pthread_self(), .rx = rx);
    assert_int_equal(pthread_create(&self->thread, NULL, sender, NULL), 0);
    await(kio_local_run_until(&self->run, &self->set, &self->taker)); /* the handle is a future */
    pthread_join(self->thread, NULL);
    kio_tx_drop(&wire);
    assert_int_equal(self->taker.out, 0);
    assert_int_equal(*kio_output(&self->taker, int), 5050);
    async_return();
}
ON_ONE_THREAD(listening)

static void a_wake_from_another_thread_runs_the_task_on_its_own(void **state)
{
    (void)state;
    run_listening();
}

struct napper {
    async_fn(void);
    struct kio_sleep nap;
};

async(napper)
{
    async_begin;
    await(kio_sleep(&self->nap, 2 * KIO_MS));
    ki_fetch_add_seq_cst(&drops, 1);
    async_return();
}

struct timed {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    int i;
};

static void timed_drop(struct timed *self)
{
    kio_local_set_drop(&self->set);
}

async(timed, timed_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    for (self->i = 0; self->i < 50; self->i++)
        assert_int_equal(kio_local_spawn(&self->set, NULL, napper), 0);
    await(kio_local_set_wait(&self->run, &self->set));
    async_return();
}
ON_ONE_THREAD(timed)

static void local_tasks_have_the_runtimes_timers(void **state)
{
    (void)state;
    run_timed();
    assert_int_equal(ki_load_seq_cst(&drops), 50);
}

/* ---- ends ---------------------------------------------------------------------------------- */

struct leaver {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_timeout limit;
    struct kio_join_handle task;
    int i;
};

static void leaver_drop(struct leaver *self)
{
    kio_local_set_drop(&self->set);
    assert_true(kio_current_task_id() != 0); /* the owner's task is the running one again */
}

async(leaver, leaver_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    for (self->i = 0; self->i < 30; self->i++)
        assert_int_equal(kio_local_spawn(&self->set, NULL, endless, .never = &never), 0);
    kio_local_spawn(&self->set, &self->task, endless, .never = &never);
    await(kio_timeout(&self->limit, KIO_MS, kio_local_set_wait(&self->run, &self->set)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    assert_int_equal(kio_local_set_len(&self->set), 31); /* a run that ends leaves them in it */
    kio_abort(&self->task);
    await(kio_local_run_until(&self->run, &self->set, &self->task));
    assert_int_equal(self->task.out, -ECANCELED);
    async_return();
}
ON_ONE_THREAD(leaver)

static void a_dropped_run_leaves_the_tasks_and_a_dropped_set_drops_them(void **state)
{
    (void)state;
    run_leaver();
    assert_int_equal(ki_load_seq_cst(&drops), 31);
}

/* A task-local of who runs the set is not its tasks'. */
static struct kio_task_local key;

struct looks {
    async_fn(int);
};

async(looks)
{
    async_begin;
    async_return(kio_task_local_get(&key, int) ? 1 : 0);
}

struct inherits {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
    struct kio_task_local_scope scope;
    int value;
};

static void inherits_drop(struct inherits *self)
{
    kio_local_set_drop(&self->set);
}

async(inherits, inherits_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, looks);
    await(kio_task_local_scope(&self->scope, &key, &self->value,
                               kio_local_set_wait(&self->run, &self->set)));
    await(&self->task);
    assert_int_equal(*kio_output(&self->task, int), 0);
    async_return();
}
ON_ONE_THREAD(inherits)

static void local_tasks_do_not_see_the_task_locals_around_their_set(void **state)
{
    (void)state;
    run_inherits();
}

struct scoped {
    async_fn(int);
    int at;
    struct kio_scope scope;
};

struct adds {
    async_fn(int);
    int *at;
    struct kio_yield y;
};

async(adds)
{
    async_begin;
    await(kio_yield_now(&self->y));
    ++*self->at;
    async_return(0);
}

async(scoped)
{
    async_begin;
    assert_int_equal(kio_scope_spawn(&self->scope, adds, .at = &self->at), 0);
    assert_int_equal(kio_scope_spawn(&self->scope, adds, .at = &self->at), 0);
    await(kio_scope_join(&self->scope));
    async_return(self->at);
}

struct scopes {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
};

static void scopes_drop(struct scopes *self)
{
    kio_local_set_drop(&self->set);
}

async(scopes, scopes_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, scoped);
    await(kio_local_run_until(&self->run, &self->set, &self->task));
    assert_int_equal(*kio_output(&self->task, int), 2);
    async_return();
}
ON_ONE_THREAD(scopes)

static void a_local_task_may_have_a_scope_of_the_runtimes_tasks(void **state)
{
    (void)state;
    run_scopes();
}

RT_MAIN(RT(the_tasks_of_a_set_run_on_its_thread),
        RT(a_run_ends_with_its_future_and_a_dropped_set_drops_the_rest),
        RT(spawn_local_works_without_a_set_on_current_thread),
        RT(a_wake_from_another_thread_runs_the_task_on_its_own), RT(local_tasks_have_the_runtimes_timers),
        RT(a_dropped_run_leaves_the_tasks_and_a_dropped_set_drops_them),
        RT(local_tasks_do_not_see_the_task_locals_around_their_set),
        RT(a_local_task_may_have_a_scope_of_the_runtimes_tasks))
