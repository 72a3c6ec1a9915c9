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

/* ---- where they run -------------------------------------------------------------------------- */

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

/* ---- run_until, and spawning inside ---------------------------------------------------------- */

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

/* ---- wakes ----------------------------------------------------------------------------------- */

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

/* ---- ends ------------------------------------------------------------------------------------ */

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

/* ---- from outside ---------------------------------------------------------------------------- */

/* Checks its thread when it is dropped. */
struct stays {
    async_fn(void);
    pthread_t thread;
    struct kio_notified wait;
};

static void stays_drop(struct stays *self)
{
    assert_true(pthread_equal(self->thread, pthread_self()));
    ki_fetch_add_seq_cst(&drops, 1);
}

async(stays, stays_drop)
{
    async_begin;
    await(kio_notified(&self->wait, &never));
    async_return();
}

static void *aborts_later(void *arg)
{
    usleep(2000);
    kio_abort(arg);
    return arg;
}

struct aborted {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
    pthread_t thread;
};

static void aborted_drop(struct aborted *self)
{
    kio_local_set_drop(&self->set);
}

async(aborted, aborted_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, stays, .thread = pthread_self());
    assert_int_equal(pthread_create(&self->thread, NULL, aborts_later, &self->task), 0);
    await(kio_local_set_wait(&self->run, &self->set));
    pthread_join(self->thread, NULL);
    await(&self->task);
    assert_int_equal(self->task.out, -ECANCELED);
    async_return();
}
ON_ONE_THREAD(aborted)

static void an_abort_by_another_thread_drops_the_task_on_its_own(void **state)
{
    (void)state;
    run_aborted();
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

static void *other_thread(void *arg)
{
    assert_false(pthread_equal(*(pthread_t *)arg, pthread_self()));
    return arg;
}

struct has_job {
    async_fn(void);
    pthread_t thread;
    struct kio_join_handle job;
};

async(has_job)
{
    async_begin;
    self->thread = pthread_self();
    kio_spawn_blocking(&self->job, other_thread, &self->thread);
    await(&self->job);
    assert_int_equal(self->job.out, 0);
    assert_true(pthread_equal(self->thread, pthread_self()));
    async_return();
}

struct jobs {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
};

static void jobs_drop(struct jobs *self)
{
    kio_local_set_drop(&self->set);
}

async(jobs, jobs_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, has_job);
    await(kio_local_run_until(&self->run, &self->set, &self->task));
    assert_int_equal(self->task.out, 0);
    async_return();
}
ON_ONE_THREAD(jobs)

static void a_job_of_a_local_task_runs_elsewhere_and_the_task_goes_on_here(void **state)
{
    (void)state;
    run_jobs();
}

/* A local task's handle, awaited by a task of the runtime's workers. */
struct awaits_local {
    async_fn(int);
    struct kio_join_handle *task;
    struct kio_notify *go;
};

async(awaits_local)
{
    async_begin;
    kio_notify_one(self->go);
    await(self->task);
    assert_int_equal(self->task->out, 0);
    async_return(*kio_output(self->task, int));
}

static struct kio_join_handle given;

struct says {
    async_fn(int);
    pthread_t thread;
    struct kio_notify *go;
    struct kio_notified wait;
};

async(says)
{
    async_begin;
    await(kio_notified(&self->wait, self->go));
    assert_true(pthread_equal(self->thread, pthread_self()));
    async_return(42);
}

struct elsewhere {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_notify go;
    struct kio_join_handle away;
};

static void elsewhere_drop(struct elsewhere *self)
{
    kio_local_set_drop(&self->set);
}

async(elsewhere, elsewhere_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &given, says, .thread = pthread_self(), .go = &self->go);
    kio_spawn_on(rt, &self->away, awaits_local, .task = &given, .go = &self->go);
    await(kio_local_run_until(&self->run, &self->set, &self->away));
    assert_int_equal(*kio_output(&self->away, int), 42);
    kio_drop(&given);
    async_return();
}
ON_ONE_THREAD(elsewhere)

static void the_handle_of_a_local_task_is_awaited_by_a_task_elsewhere(void **state)
{
    (void)state;
    run_elsewhere();
}

/* tokio #1885: woken from outside after the last run, and dropped then, on no runtime. */
struct once {
    async_fn(void);
    struct kio_local_set *set;
    struct kio_local_run run;
    struct kio_timeout limit;
};

async(once)
{
    async_begin;
    await(kio_timeout(&self->limit, KIO_MS, kio_local_set_wait(&self->run, self->set)));
    async_return();
}

static void a_set_is_dropped_with_tasks_that_were_woken_meanwhile(void **state)
{
    static struct kio_local_set set;
    struct kio_join_handle task = { 0 };
    struct kio_rx rx;

    (void)state;
    assert_int_equal(kio_local_set_new(&set), 0);
    assert_int_equal(kio_mpsc_channel(&wire, &rx, sizeof(int), 4), 0);
    kio_local_spawn(&set, &task, taker, .rx = rx);
    kio_block_on(once, .set = &set);
    kio_tx_drop(&wire); /* wakes it */
    kio_local_set_drop(&set);
    assert_true(kio_is_finished(&task));
    kio_drop(&task);
}

struct sleeps_long {
    async_fn(void);
    struct kio_sleep nap;
};

static void sleeps_long_drop(struct sleeps_long *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(sleeps_long, sleeps_long_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    async_return();
}

/* Its tasks' timers were armed on a runtime that is gone: dropped after it, or run on another. */
static void a_set_with_sleeping_tasks_outlives_its_runtime(void **state)
{
    static struct kio_local_set set;

    (void)state;
    for (int again = 0; again < 2; again++) {
        ki_store_seq_cst(&drops, 0);
        assert_int_equal(kio_local_set_new(&set), 0);
        for (int i = 0; i < 10; i++)
            assert_int_equal(kio_local_spawn(&set, NULL, sleeps_long), 0);
        kio_block_on(once, .set = &set); /* for 1 ms */
        while (again && kio_local_set_len(&set))
            kio_block_on(once, .set = &set);
        kio_local_set_drop(&set);
        assert_int_equal(ki_load_seq_cst(&drops), 10);
    }
}

/* ---- inside ---------------------------------------------------------------------------------- */

struct joined {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task[128];
    struct kio_join_all all;
    int i;
};

static void joined_drop(struct joined *self)
{
    kio_local_set_drop(&self->set);
}

async(joined, joined_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    for (self->i = 0; self->i < 128; self->i++) /* each spawns one and awaits it */
        kio_local_spawn(&self->set, &self->task[self->i], spawner, .depth = 1);
    await(kio_local_run_until(&self->run, &self->set, kio_join_all(&self->all, self->task, 128)));
    for (self->i = 0; self->i < 128; self->i++)
        assert_int_equal(*kio_output(&self->task[self->i], int), 2);
    async_return();
}
ON_ONE_THREAD(joined)

static void many_handles_of_local_tasks_are_joined_side_by_side(void **state)
{
    (void)state;
    run_joined();
}

/* More than a turn's worth of local tasks, spawned by what arrives and woken by a task outside. */
#define WAITERS 500

struct feeder {
    async_fn(void);
    struct kio_tx to;
    struct kio_oneshot_tx tx[WAITERS];
    struct kio_oneshot_rx rx;
    struct kio_sleep nap;
    int i;
};

static void feeder_drop(struct feeder *self)
{
    for (int i = 0; i < WAITERS; i++)
        kio_oneshot_tx_drop(&self->tx[i]);
    kio_tx_drop(&self->to);
}

async(feeder, feeder_drop)
{
    async_begin;
    for (self->i = 0; self->i < WAITERS; self->i++) {
        assert_int_equal(kio_oneshot_channel(&self->tx[self->i], &self->rx, sizeof(int)), 0);
        assert_int_equal(kio_try_send(&self->to, &self->rx), 0);
    }
    await(kio_sleep(&self->nap, 2 * KIO_MS));
    for (self->i = 0; self->i < WAITERS; self->i++)
        assert_int_equal(kio_oneshot_send(&self->tx[self->i], &self->i), 0);
    async_return();
}

struct once_waiter {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    int value;
};

static void once_waiter_drop(struct once_waiter *self)
{
    kio_oneshot_rx_drop(&self->rx);
    ki_fetch_add_seq_cst(&drops, 1);
}

async(once_waiter, once_waiter_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    assert_int_equal(self->recv.out, 1);
    async_return();
}

struct fed {
    async_fn(void);
    struct kio_rx rx;
    struct kio_recv recv;
    struct kio_oneshot_rx got;
    struct kio_sleep nap;
};

static void fed_drop(struct fed *self)
{
    kio_rx_drop(&self->rx);
}

async(fed, fed_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->got));
        if (!self->recv.out)
            break;
        assert_int_equal(kio_spawn_local(NULL, once_waiter, .rx = self->got), 0);
    }
    while (ki_load_seq_cst(&drops) < WAITERS)
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

struct after_tick {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct fed fed;
    struct kio_join_handle outside;
};

static void after_tick_drop(struct after_tick *self)
{
    kio_local_set_drop(&self->set);
}

async(after_tick, after_tick_drop)
{
    struct kio_tx tx;
    struct kio_rx rx;

    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(struct kio_oneshot_rx)), 0);
    kio_spawn(&self->outside, feeder, .to = tx);
    await(kio_local_run_until(&self->run, &self->set, async_call(&self->fed, fed, .rx = rx)));
    async_return();
}
ON_ONE_THREAD(after_tick)

static void more_tasks_than_a_turn_runs_are_woken_and_all_run(void **state)
{
    (void)state;
    run_after_tick();
    assert_int_equal(ki_load_seq_cst(&drops), WAITERS);
}

/* A task that is spawned by another arm wakes the run. */
struct spawns_into {
    async_fn(void);
    struct kio_local_set *set;
    struct kio_join_handle task;
};

async(spawns_into)
{
    async_begin;
    kio_local_spawn(self->set, &self->task, spawner, .depth = 0);
    await(&self->task);
    async_return();
}

struct waker {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct endless inner;
    struct spawns_into other;
    struct kio_select select;
};

static void waker_drop(struct waker *self)
{
    kio_local_set_drop(&self->set);
}

async(waker, waker_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    await(kio_select_biased(
        &self->select,
        kio_local_run_until(&self->run, &self->set, async_call(&self->inner, endless, .never = &never)),
        async_call(&self->other, spawns_into, .set = &self->set)));
    assert_int_equal(self->select.out, 1);
    async_return();
}
ON_ONE_THREAD(waker)

static void a_spawn_beside_the_run_wakes_it(void **state)
{
    (void)state;
    run_waker();
}

/* Destructors that wake tasks of the same set, which is being dropped. */
struct chained {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    int value;
};

static void chained_drop(struct chained *self)
{
    kio_oneshot_tx_drop(&self->tx);
    kio_oneshot_rx_drop(&self->rx);
    ki_fetch_add_seq_cst(&drops, 1);
}

async(chained, chained_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    fail_msg("nobody sends");
    async_return();
}

struct rings {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_yield y;
    int i;
};

static void rings_drop(struct rings *self)
{
    kio_local_set_drop(&self->set);
}

async(rings, rings_drop)
{
    struct kio_oneshot_tx tx[9];
    struct kio_oneshot_rx rx[9];

    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(kio_oneshot_channel(&tx[i], &rx[i], sizeof(int)), 0);
    for (int i = 0; i < 9; i++) /* each waits for the one before, the first for the last */
        kio_local_spawn(&self->set, NULL, chained, .tx = tx[i], .rx = rx[(i + 8) % 9]);
    await(kio_local_run_until(&self->run, &self->set, kio_yield_now(&self->y)));
    kio_local_set_drop(&self->set);
    assert_int_equal(ki_load_seq_cst(&drops), 9);
    async_return();
}
ON_ONE_THREAD(rings)

static void destructors_may_wake_tasks_of_the_set_that_is_dropped(void **state)
{
    (void)state;
    run_rings();
}

/* Sets inside sets: each task has an id of its own, and the outer one's comes back. */
struct own_id {
    async_fn(uint64_t);
};

async(own_id)
{
    async_begin;
    async_return(kio_current_task_id());
}

struct outer {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
    uint64_t id;
};

static void outer_drop(struct outer *self)
{
    kio_local_set_drop(&self->set);
}

async(outer, outer_drop)
{
    async_begin;
    self->id = kio_current_task_id();
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, own_id);
    await(kio_local_run_until(&self->run, &self->set, &self->task));
    assert_true(*kio_output(&self->task, uint64_t) == kio_task_id(&self->task));
    assert_true(kio_task_id(&self->task) != self->id);
    assert_true(kio_current_task_id() == self->id);
    async_return();
}

struct nested {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
};

static void nested_drop(struct nested *self)
{
    kio_local_set_drop(&self->set);
}

async(nested, nested_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, outer);
    await(kio_local_run_until(&self->run, &self->set, &self->task));
    assert_int_equal(self->task.out, 0);
    async_return();
}
ON_ONE_THREAD(nested)

static void sets_nest_and_each_task_has_its_id(void **state)
{
    (void)state;
    run_nested();
}

/* Takes from the budget until there is none, and says how much there was. */
struct drains {
    async_fn(int);
};

static kio_poll drains_poll(kio_future *f, kio_context *cx)
{
    struct drains *self = (struct drains *)f;

    while (kio_coop_may_(cx)) {
        kio_coop_did_(cx);
        self->out++;
    }
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type drains_type = {
    .name = "drains",
    .size = sizeof(struct drains),
    .poll = drains_poll,
    .out_offset = offsetof(struct drains, out),
    .out_size = sizeof(int),
};

struct drainer {
    async_fn(int);
    struct drains drains;
};

async(drainer)
{
    async_begin;
    self->drains = (struct drains){ .kio = { .type = &drains_type } };
    await(&self->drains);
    async_return(self->drains.out);
}

struct budgets {
    async_fn(void);
    struct kio_local_set set;
    struct kio_local_run run;
    struct kio_join_handle task;
    struct drainer inner;
    struct kio_sleep none;
    struct kio_yield y;
    int i;
};

static void budgets_drop(struct budgets *self)
{
    kio_local_set_drop(&self->set);
}

async(budgets, budgets_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    kio_local_spawn(&self->set, &self->task, drainer);
    await(kio_yield_now(&self->y)); /* a fresh budget */
    for (self->i = 0; self->i < 28; self->i++)
        await(kio_sleep(&self->none, 0));
    await(kio_local_run_until(&self->run, &self->set, async_call(&self->inner, drainer)));
    assert_int_equal(self->inner.out, 100); /* what was left of the runner's own */
    await(kio_local_set_wait(&self->run, &self->set));
    await(&self->task);
    assert_int_equal(*kio_output(&self->task, int), 128);
    async_return();
}
ON_ONE_THREAD(budgets)

static void the_future_of_a_run_shares_its_tasks_budget_and_local_tasks_have_their_own(void **state)
{
    (void)state;
    run_budgets();
}

RT_MAIN(RT(the_tasks_of_a_set_run_on_its_thread),
        RT(a_run_ends_with_its_future_and_a_dropped_set_drops_the_rest),
        RT(spawn_local_works_without_a_set_on_current_thread),
        RT(a_wake_from_another_thread_runs_the_task_on_its_own), RT(local_tasks_have_the_runtimes_timers),
        RT(a_dropped_run_leaves_the_tasks_and_a_dropped_set_drops_them),
        RT(local_tasks_do_not_see_the_task_locals_around_their_set),
        RT(a_local_task_may_have_a_scope_of_the_runtimes_tasks),
        RT(an_abort_by_another_thread_drops_the_task_on_its_own),
        RT(a_job_of_a_local_task_runs_elsewhere_and_the_task_goes_on_here),
        RT(the_handle_of_a_local_task_is_awaited_by_a_task_elsewhere),
        RT(a_set_is_dropped_with_tasks_that_were_woken_meanwhile),
        RT(a_set_with_sleeping_tasks_outlives_its_runtime),
        RT(many_handles_of_local_tasks_are_joined_side_by_side),
        RT(more_tasks_than_a_turn_runs_are_woken_and_all_run), RT(a_spawn_beside_the_run_wakes_it),
        RT(destructors_may_wake_tasks_of_the_set_that_is_dropped), RT(sets_nest_and_each_task_has_its_id),
        RT(the_future_of_a_run_shares_its_tasks_budget_and_local_tasks_have_their_own))
