/* Locks, semaphores, once and set once inside tasks, on both flavors: who is aborted lets go, who waits
 * on another worker is woken, joins and selects leave everybody a turn. */
#include "support/rt.h"

#include <pthread.h>

#define READY_OR_FAIL(call) assert_int_equal(call, 0)

/* ---- a future that holds or awaits a lock is ended early ----------------------------------- */

struct holds_for_ever {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_lock guard;
    struct kio_notify never;
    struct kio_notified wait;
};

async(holds_for_ever)
{
    async_begin;
    await(kio_lock(&self->guard, self->mutex));
    await(kio_notified(&self->wait, &self->never));
    async_return();
}

struct times_out {
    async_fn(void);
    bool held; /* by us, so that the other only waits for it */
    struct kio_mutex mutex;
    struct kio_lock guard;
    struct holds_for_ever other;
    struct kio_timeout limit;
};

async(times_out)
{
    async_begin;
    if (self->held)
        await(kio_lock(&self->guard, &self->mutex));
    async_call(&self->other, holds_for_ever, .mutex = &self->mutex);
    await(kio_timeout(&self->limit, KIO_MS, &self->other));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    if (self->held)
        kio_unlock(&self->guard);
    READY_OR_FAIL(kio_try_lock(&self->guard, &self->mutex)); /* it is free, and in nobody's line */
    async_return();
}

static void a_lock_is_free_again_when_its_holder_times_out(void **state)
{
    (void)state;
    run(times_out);
}

static void a_lock_is_free_again_when_one_that_waits_times_out(void **state)
{
    (void)state;
    run(times_out, .held = true);
}

struct aborts {
    async_fn(void);
    struct kio_mutex mutex;
    struct kio_join_handle tasks[5];
    struct kio_lock guard;
    int i;
};

async(aborts)
{
    async_begin;
    for (int i = 0; i < 5; i++)
        kio_spawn(&self->tasks[i], holds_for_ever, .mutex = &self->mutex);
    for (self->i = 0; self->i < 5; self->i++) {
        kio_abort(&self->tasks[self->i]); /* not begun, waiting, or holding */
        await(&self->tasks[self->i]);
        assert_int_equal(self->tasks[self->i].out, -ECANCELED);
    }
    await(kio_lock(&self->guard, &self->mutex));
    async_return();
}

static void an_aborted_task_lets_go_of_its_lock_and_of_its_place(void **state)
{
    (void)state;
    run(aborts);
}

/* ---- semaphores ---------------------------------------------------------------------------- */

struct takes {
    async_fn(void);
    struct kio_semaphore *s;
    size_t count;
    struct kio_permits permits;
};

async(takes)
{
    async_begin;
    await(kio_permits(&self->permits, self->s, self->count));
    assert_int_equal(self->permits.out, 0);
    async_return(); /* and gives back */
}

struct gives {
    async_fn(void);
    struct kio_semaphore s;
    struct kio_permits mine;
    struct kio_join_handle task;
};

async(gives)
{
    async_begin;
    kio_semaphore_init(&self->s, 1);
    READY_OR_FAIL(kio_try_permits(&self->mine, &self->s, 1));
    kio_spawn(&self->task, takes, .s = &self->s, .count = 1);
    kio_permits_release(&self->mine);
    await(&self->task);
    kio_semaphore_init(&self->s, 0);
    kio_spawn(&self->task, takes, .s = &self->s, .count = 1);
    kio_release(&self->s, 1); /* adds one */
    await(&self->task);
    assert_int_equal(kio_semaphore_available(&self->s), 1);
    async_return();
}

static void a_task_gets_the_permit_that_another_gives_back_or_adds(void **state)
{
    (void)state;
    run(gives);
}

struct takes_many {
    async_fn(void);
    struct kio_semaphore *s;
    struct kio_oneshot_tx tx;
    struct kio_permits ten, thirty_two;
};

async(takes_many)
{
    async_begin;
    await(kio_permits(&self->ten, self->s, 10));
    READY_OR_FAIL(kio_oneshot_send(&self->tx, &(int){ 0 }));
    await(kio_permits(&self->thirty_two, self->s, 32));
    async_return();
}

struct many {
    async_fn(void);
    struct kio_semaphore s;
    struct kio_permits mine;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    struct kio_join_handle task;
    int value;
};

async(many)
{
    struct kio_oneshot_tx tx;

    async_begin;
    kio_semaphore_init(&self->s, 42);
    READY_OR_FAIL(kio_try_permits(&self->mine, &self->s, 32));
    READY_OR_FAIL(kio_oneshot_channel(&tx, &self->rx, sizeof(int)));
    kio_spawn(&self->task, takes_many, .s = &self->s, .tx = tx);
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    assert_int_equal(self->recv.out, 1);
    kio_permits_release(&self->mine);
    await(&self->task);
    assert_int_equal(kio_semaphore_available(&self->s), 42);
    kio_oneshot_rx_drop(&self->rx);
    async_return();
}

static void a_task_that_holds_ten_waits_for_thirty_two(void **state)
{
    (void)state;
    run(many);
}

struct crowd {
    async_fn(void);
    struct kio_semaphore s;
    struct kio_join_handle *tasks;
    int i;
};

async(crowd)
{
    async_begin;
    kio_semaphore_init(&self->s, 5);
    for (int i = 0; i < 1000; i++)
        kio_spawn(&self->tasks[i], takes, .s = &self->s, .count = 1);
    for (self->i = 0; self->i < 1000; self->i++)
        await(&self->tasks[self->i]);
    assert_int_equal(kio_semaphore_available(&self->s), 5);
    async_return();
}

static void a_thousand_tasks_share_five_permits(void **state)
{
    static struct kio_join_handle tasks[1000];

    (void)state;
    run(crowd, .tasks = tasks);
}

/* ---- rwlock -------------------------------------------------------------------------------- */

struct adds {
    async_fn(void);
    struct kio_rwlock *rw;
    struct kio_barrier *barrier;
    int *sum;
    int add, left;
    struct kio_rw_guard guard;
    struct kio_barrier_wait wait;
};

async(adds)
{
    async_begin;
    for (self->left = amount(1000); self->left; self->left--) {
        await(kio_write_lock(&self->guard, self->rw));
        *self->sum += self->add;
        kio_rw_unlock(&self->guard);
    }
    await(kio_barrier_wait(&self->wait, self->barrier));
    async_return();
}

struct contended {
    async_fn(void);
    struct kio_rwlock rw;
    struct kio_barrier barrier;
    struct kio_join_handle tasks[4];
    struct kio_barrier_wait wait;
    struct kio_rw_guard guard;
    int i, sum;
};

async(contended)
{
    static const int numbers[] = { 2, 3, 5, 7 };

    async_begin;
    kio_barrier_init(&self->barrier, 5);
    for (int i = 0; i < 4; i++)
        kio_spawn(&self->tasks[i], adds, .rw = &self->rw, .barrier = &self->barrier, .sum = &self->sum,
                  .add = numbers[i]);
    await(kio_barrier_wait(&self->wait, &self->barrier));
    await(kio_read_lock(&self->guard, &self->rw));
    assert_int_equal(self->sum, 17 * amount(1000));
    kio_rw_unlock(&self->guard);
    for (self->i = 0; self->i < 4; self->i++)
        await(&self->tasks[self->i]); /* they use what lies in this frame */
    async_return();
}

static void tasks_that_write_a_shared_sum_lose_nothing(void **state)
{
    (void)state;
    run(contended);
}

/* ---- once, set once ------------------------------------------------------------------------ */

struct gets_or_inits {
    async_fn(int);
    struct kio_once_cell *cell;
    int *value;
    int mine;
    bool fails;
    struct kio_once_init once;
    struct kio_yield y;
};

async(gets_or_inits)
{
    async_begin;
    await(kio_once_init(&self->once, self->cell));
    if (self->once.out) {
        await(kio_yield_now(&self->y));
        if (self->fails)
            async_return(-EIO);
        *self->value = self->mine;
        kio_once_done(&self->once);
    }
    async_return(*self->value);
}

struct initialises {
    async_fn(void);
    bool first_fails;
    struct kio_once_cell cell;
    struct kio_join_handle a, b;
    int value, result_a, result_b;
};

async(initialises)
{
    async_begin;
    kio_spawn(&self->a, gets_or_inits, .cell = &self->cell, .value = &self->value, .mine = 5,
              .fails = self->first_fails);
    kio_spawn(&self->b, gets_or_inits, .cell = &self->cell, .value = &self->value, .mine = 10);
    await(&self->a);
    self->result_a = *kio_output(&self->a, int);
    await(&self->b);
    self->result_b = *kio_output(&self->b, int);
    if (!self->first_fails)
        assert_int_equal(self->result_a, self->result_b); /* of one of the two */
    else
        assert_int_equal(self->result_b, 10);
    assert_true(self->result_a == -EIO || self->result_a == self->value);
    assert_true(kio_once_is_done(&self->cell));
    async_return();
}

static void one_of_two_tasks_initialises_for_both(void **state)
{
    (void)state;
    run(initialises);
}

static void the_second_initialises_when_the_first_fails(void **state)
{
    (void)state;
    run(initialises, .first_fails = true);
}

struct sets {
    async_fn(void);
    struct kio_set_once *cell;
    int *value;
};

async(sets)
{
    async_begin;
    *self->value = 20;
    READY_OR_FAIL(kio_set_once(self->cell, self->value));
    async_return();
}

static void *set_in_thread(void *arg)
{
    static int four = 4;

    READY_OR_FAIL(kio_set_once(arg, &four));
    return NULL;
}

struct waits_for_it {
    async_fn(void);
    struct kio_set_once by_task, by_thread;
    struct kio_set_once_wait wait;
    struct kio_join_handle task;
    pthread_t thread;
    int value;
};

async(waits_for_it)
{
    async_begin;
    kio_spawn(&self->task, sets, .cell = &self->by_task, .value = &self->value);
    await(kio_set_once_wait(&self->wait, &self->by_task));
    assert_int_equal(*(int *)self->wait.out, 20);
    await(&self->task);
    READY_OR_FAIL(pthread_create(&self->thread, NULL, set_in_thread, &self->by_thread));
    await(kio_set_once_wait(&self->wait, &self->by_thread));
    assert_int_equal(*(int *)self->wait.out, 4);
    pthread_join(self->thread, NULL);
    async_return();
}

static void a_task_gets_what_another_or_a_thread_sets(void **state)
{
    (void)state;
    run(waits_for_it);
}

/* ---- joins and selects in a task ----------------------------------------------------------- */

struct acquires {
    async_fn(int);
    struct kio_semaphore *s;
    int rounds, each;
    int i, k;
    struct kio_permits permits;
};

async(acquires)
{
    async_begin;
    for (self->i = 0; self->i < self->rounds; self->i++) {
        for (self->k = 0; self->k < self->each; self->k++) {
            await(kio_permits(&self->permits, self->s, 1));
            kio_permits_release(&self->permits);
        }
    }
    async_return(self->i);
}

struct joined {
    async_fn(void);
    size_t permits;
    bool try;
    struct kio_semaphore s;
    struct acquires greedy, little;
    struct kio_join join;
    struct kio_try_join try_join;
};

async(joined)
{
    async_begin;
    kio_semaphore_init(&self->s, self->permits);
    async_call(&self->greedy, acquires, .s = &self->s, .rounds = 5, .each = 128);
    async_call(&self->little, acquires, .s = &self->s, .rounds = 5, .each = 1);
    if (self->try)
        await(kio_try_join(&self->try_join, &self->greedy, &self->little));
    else
        await(kio_join(&self->join, &self->greedy, &self->little));
    assert_int_equal(self->greedy.out, 5);
    assert_int_equal(self->little.out, 5);
    async_return();
}

static void one_that_uses_up_the_budget_does_not_starve_the_other(void **state)
{
    (void)state;
    for (size_t permits = 1; permits <= 10; permits += 9) {
        run(joined, .permits = permits);
        run(joined, .permits = permits, .try = true);
    }
}

struct feeds {
    async_fn(void);
    struct kio_tx tx1, tx2;
    struct kio_yield y;
};

static void feeds_drop(struct feeds *self)
{
    kio_tx_drop(&self->tx1);
    kio_tx_drop(&self->tx2);
}

async(feeds, feeds_drop)
{
    async_begin;
    READY_OR_FAIL(kio_try_send(&self->tx2, &(int){ 1 }));
    await(kio_yield_now(&self->y));
    READY_OR_FAIL(kio_try_send(&self->tx1, &(int){ 2 }));
    await(kio_yield_now(&self->y));
    READY_OR_FAIL(kio_try_send(&self->tx2, &(int){ 4 }));
    await(kio_yield_now(&self->y));
    async_return();
}

struct two_streams {
    async_fn(void);
    struct kio_rx rx1, rx2;
    struct kio_recv r1, r2;
    struct kio_select s;
    bool over1, over2;
    int v1, v2, sum, count;
};

async(two_streams)
{
    struct kio_tx tx1, tx2;

    async_begin;
    READY_OR_FAIL(kio_mpsc_unbounded(&tx1, &self->rx1, sizeof(int)));
    READY_OR_FAIL(kio_mpsc_unbounded(&tx2, &self->rx2, sizeof(int)));
    kio_spawn(NULL, feeds, .tx1 = tx1, .tx2 = tx2);
    for (;;) {
        await(kio_select(&self->s, self->over1 ? NULL : kio_recv(&self->r1, &self->rx1, &self->v1),
                         self->over2 ? NULL : kio_recv(&self->r2, &self->rx2, &self->v2)));
        if (self->s.out < 0)
            break;
        if (self->s.out == 0 && self->r1.out) {
            self->sum += self->v1;
            self->count++;
        } else if (self->s.out == 0) {
            self->over1 = true;
        } else if (self->r2.out) {
            self->sum += self->v2;
            self->count++;
        } else {
            self->over2 = true;
        }
    }
    assert_int_equal(self->count, 3);
    assert_int_equal(self->sum, 7);
    kio_rx_drop(&self->rx1);
    kio_rx_drop(&self->rx2);
    async_return();
}

static void a_select_takes_what_a_task_sends_on_two_channels(void **state)
{
    (void)state;
    run(two_streams);
}

/* A disabled arm is not run, an hour of it costs nothing. */
struct with_a_condition {
    async_fn(void);
    bool biased;
    struct kio_sleep hour;
    struct kio_yield y;
    struct kio_select s;
};

async(with_a_condition)
{
    async_begin;
    if (self->biased)
        await(kio_select_biased(&self->s, self->biased ? NULL : kio_sleep(&self->hour, 3600 * KIO_SEC),
                                kio_yield_now(&self->y)));
    else
        await(kio_select(&self->s, self->biased ? kio_sleep(&self->hour, 3600 * KIO_SEC) : NULL,
                         kio_yield_now(&self->y)));
    assert_int_equal(self->s.out, 1);
    async_return();
}

static void a_sleep_whose_condition_is_false_is_not_waited_for(void **state)
{
    (void)state;
    run(with_a_condition);
    run(with_a_condition, .biased = true);
}

/* ---- shared futures ------------------------------------------------------------------------ */

struct expensive {
    async_fn(int);
    int *runs;
    struct kio_yield y;
    struct kio_sleep nap;
};

async(expensive)
{
    async_begin;
    ++*self->runs;
    await(kio_yield_now(&self->y));
    await(kio_sleep(&self->nap, KIO_MS)); /* armed by one task, awaited by all */
    async_return(42);
}

struct asks {
    async_fn(int);
    struct kio_shared answer;
    struct kio_shared_wait wait;
};

static void asks_drop(struct asks *self)
{
    kio_shared_drop(&self->answer);
}

async(asks, asks_drop)
{
    async_begin;
    await(kio_shared_wait(&self->wait, &self->answer));
    async_return(*kio_shared_output(&self->answer, int));
}

struct ask_all {
    async_fn(void);
    struct kio_join_handle tasks[20];
    struct kio_shared answer;
    int runs, i, sum;
};

async(ask_all)
{
    async_begin;
    READY_OR_FAIL(kio_share(&self->answer, expensive, .runs = &self->runs));
    for (int i = 0; i < 20; i++)
        kio_spawn(&self->tasks[i], asks, .answer = kio_shared_clone(&self->answer));
    kio_shared_drop(&self->answer);
    kio_abort(&self->tasks[0]); /* who polled it may go */
    for (self->i = 0; self->i < 20; self->i++) {
        await(&self->tasks[self->i]);
        self->sum += self->tasks[self->i].out ? 0 : *kio_output(&self->tasks[self->i], int);
    }
    assert_int_equal(self->runs, 1);
    assert_true(self->sum == 42 * 19 || self->sum == 42 * 20);
    async_return();
}

static void twenty_tasks_share_one_run_of_a_future(void **state)
{
    (void)state;
    for (int i = 0; i < amount(50); i++)
        run(ask_all);
}

RT_MAIN(RT(a_lock_is_free_again_when_its_holder_times_out),
        RT(a_lock_is_free_again_when_one_that_waits_times_out),
        RT(an_aborted_task_lets_go_of_its_lock_and_of_its_place),
        RT(a_task_gets_the_permit_that_another_gives_back_or_adds),
        RT(a_task_that_holds_ten_waits_for_thirty_two),
        RT(a_thousand_tasks_share_five_permits),
        RT(tasks_that_write_a_shared_sum_lose_nothing),
        RT(one_of_two_tasks_initialises_for_both),
        RT(the_second_initialises_when_the_first_fails),
        RT(a_task_gets_what_another_or_a_thread_sets),
        RT(one_that_uses_up_the_budget_does_not_starve_the_other),
        RT(a_select_takes_what_a_task_sends_on_two_channels),
        RT(a_sleep_whose_condition_is_false_is_not_waited_for),
        RT(twenty_tasks_share_one_run_of_a_future))
