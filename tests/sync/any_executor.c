/* Every primitive and every combinator under an executor of a few lines: they depend on wakers alone. */
#include "support/leaf.h"
#include "base/mem.h"

#include <kioto/abortable.h>
#include <kioto/channel.h>
#include <kioto/combine.h>
#include <kioto/future_queue.h>
#include <kioto/shared.h>
#include <kioto/sync.h>

#include <errno.h>
#include <string.h>

/* ---- the executor ------------------------------------------------------------------------- */

struct task {
    struct kio_wakeable wakeable;
    kio_future *future;
    bool woken;
};

static void wake(struct kio_wakeable *self)
{
    ((struct task *)self)->woken = true;
}

static const kio_waker_type task_type = { .name = "a few lines", .wake = wake };

/* Polls who woke until nobody does. How many have not ended. */
static int execute(struct task *tasks, int count)
{
    int left = count;

    for (int i = 0; i < count; i++) {
        kio_context cx;

        if (!tasks[i].woken || !tasks[i].future)
            continue;
        tasks[i].woken = false;
        kio_context_init(&cx, (kio_waker){ &tasks[i].wakeable });
        if (kio_future_poll(tasks[i].future, &cx) == KIO_READY)
            tasks[i].future = NULL;
        left = count;
        i = -1; /* from the first again */
    }
    for (int i = 0; i < count; i++)
        left -= !tasks[i].future;
    return left;
}

#define TASKS 6

static struct task tasks[TASKS];

#define SPAWN(i, fut) tasks[i] = (struct task){ { &task_type }, &(fut)->kio, true }

static int before(void **state)
{
    (void)state;
    memset(tasks, 0, sizeof tasks);
    return 0;
}

/* ---- lets the others run ------------------------------------------------------------------ */

struct pause {
    KIO_ASYNC_FN(void);
};

static kio_poll pause_poll(kio_future *f, kio_context *cx)
{
    if (f->state) {
        kio_finish(f);
        return KIO_READY;
    }
    f->state = f;
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type pause_type = {
    .name = "pause",
    .size = sizeof(struct pause),
    .poll = pause_poll,
};

static struct pause *rest(struct pause *slot)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &pause_type };
    return slot;
}

/* ---- what they share ---------------------------------------------------------------------- */

static struct {
    struct kio_semaphore two;
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    struct kio_notify notify;
    struct kio_barrier barrier;
    struct kio_once_cell once;
    struct kio_set_once set;
    int inside, most, count, leaders, initialised;
} shared;

static void enter(void)
{
    shared.inside++;
    if (shared.inside > shared.most)
        shared.most = shared.inside;
}

/* ---- locks -------------------------------------------------------------------------------- */

struct locks {
    async_fn(void);
    int who, i;
    struct pause pause;
    struct kio_acquire acquire;
    struct kio_permits permits;
    struct kio_lock lock;
    struct kio_rw_guard rw;
};

async(locks)
{
    async_begin;
    for (self->i = 0; self->i < 10; self->i++) {
        await(kio_acquire(&self->acquire, &shared.two, 1 + (size_t)self->i % 2));
        await(rest(&self->pause));
        kio_release(&shared.two, 1 + (size_t)self->i % 2);
        await(kio_permits(&self->permits, &shared.two, 2));
        await(rest(&self->pause));
        kio_permits_release(&self->permits);
        await(kio_lock(&self->lock, &shared.mutex));
        enter();
        await(rest(&self->pause));
        shared.inside--;
        shared.count++;
        kio_unlock(&self->lock);
        if ((self->who + self->i) % 3)
            await(kio_read_lock(&self->rw, &shared.rw));
        else
            await(kio_write_lock(&self->rw, &shared.rw));
        await(rest(&self->pause));
        kio_rw_unlock(&self->rw);
    }
    async_return();
}

static void locks_and_semaphores(void **state)
{
    static struct locks at[TASKS];

    (void)state;
    memset(&shared, 0, sizeof shared);
    kio_semaphore_init(&shared.two, 2);
    for (int i = 0; i < TASKS; i++)
        SPAWN(i, async_call(&at[i], locks, .who = i));
    assert_int_equal(execute(tasks, TASKS), 0);
    assert_int_equal(shared.count, 10 * TASKS);
    assert_int_equal(shared.most, 1);
    assert_int_equal(kio_semaphore_available(&shared.two), 2);
}

/* ---- signals ------------------------------------------------------------------------------ */

struct signals {
    async_fn(void);
    int who;
    struct pause pause;
    struct kio_notified notified;
    struct kio_barrier_wait arrive;
    struct kio_once_init once;
    struct kio_set_once_wait set;
};

async(signals)
{
    async_begin;
    await(kio_barrier_wait(&self->arrive, &shared.barrier));
    shared.leaders += self->arrive.out;
    if (self->who)
        await(kio_notified(&self->notified, &shared.notify)); /* and pass it on */
    kio_notify_one(&shared.notify);
    await(kio_once_init(&self->once, &shared.once));
    if (self->once.out) {
        await(rest(&self->pause));
        shared.initialised++;
        kio_once_done(&self->once);
    }
    if (self->arrive.out)
        assert_int_equal(kio_set_once(&shared.set, &shared.count), 0);
    await(kio_set_once_wait(&self->set, &shared.set));
    ++*(int *)self->set.out;
    async_return();
}

static void notify_barrier_once_and_set_once(void **state)
{
    static struct signals at[TASKS];

    (void)state;
    memset(&shared, 0, sizeof shared);
    kio_barrier_init(&shared.barrier, TASKS);
    for (int i = 0; i < TASKS; i++)
        SPAWN(i, async_call(&at[i], signals, .who = i));
    assert_int_equal(execute(tasks, TASKS), 0);
    assert_int_equal(shared.leaders, 1);
    assert_int_equal(shared.initialised, 1);
    assert_int_equal(shared.count, TASKS);
}

/* ---- channels ----------------------------------------------------------------------------- */

struct sends {
    async_fn(void);
    struct kio_tx *tx;
    struct kio_watch_tx *watch;
    struct kio_broadcast_tx *broadcast;
    struct kio_oneshot_tx *oneshot;
    int i;
    struct kio_send send;
    struct pause pause;
};

async(sends)
{
    async_begin;
    for (self->i = 1; self->i <= 10; self->i++) {
        await(kio_send(&self->send, self->tx, &self->i));
        assert_int_equal(self->send.out, 0);
        kio_watch_send(self->watch, &self->i);
        assert_int_equal(kio_broadcast_send(self->broadcast, &self->i), 2);
        await(rest(&self->pause));
    }
    assert_int_equal(kio_oneshot_send(self->oneshot, &self->i), 0);
    kio_tx_drop(self->tx);
    kio_watch_tx_drop(self->watch);
    kio_broadcast_tx_drop(self->broadcast);
    async_return();
}

struct receives {
    async_fn(void);
    struct kio_rx *rx;
    struct kio_oneshot_rx *oneshot;
    int value, sum;
    struct kio_recv recv;
    struct kio_oneshot_recv last;
};

async(receives)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->sum += self->value;
    }
    await(kio_oneshot_recv(&self->last, self->oneshot, &self->value));
    async_return();
}

struct watches {
    async_fn(void);
    struct kio_watch_rx *rx;
    int value;
    struct kio_watch_changed changed;
};

async(watches)
{
    async_begin;
    for (;;) {
        await(kio_watch_changed(&self->changed, self->rx));
        if (self->changed.out)
            async_return();
        kio_watch_get(self->rx, &self->value);
    }
}

struct listens {
    async_fn(void);
    struct kio_broadcast_rx *rx;
    int value, sum;
    struct kio_broadcast_recv recv;
};

async(listens)
{
    async_begin;
    for (;;) {
        await(kio_broadcast_recv(&self->recv, self->rx, &self->value));
        if (!self->recv.out)
            async_return();
        assert_int_equal(self->recv.out, 1);
        self->sum += self->value;
    }
}

static void channels(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_oneshot_tx otx;
    struct kio_oneshot_rx orx;
    struct kio_watch_tx wtx;
    struct kio_watch_rx wrx;
    struct kio_broadcast_tx btx;
    struct kio_broadcast_rx b1, b2;
    static struct sends sends;
    static struct receives receives;
    static struct watches watches;
    static struct listens l1, l2;
    long memory = ki_mem_alive();
    int zero = 0;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), 1), 0);
    assert_int_equal(kio_oneshot_channel(&otx, &orx, sizeof(int)), 0);
    assert_int_equal(kio_watch_channel(&wtx, &wrx, sizeof(int), &zero), 0);
    assert_int_equal(kio_broadcast_channel(&btx, &b1, sizeof(int), 4), 0);
    b2 = kio_broadcast_subscribe(&btx);
    SPAWN(0, async_call(&receives, receives, .rx = &rx, .oneshot = &orx));
    SPAWN(1, async_call(&watches, watches, .rx = &wrx));
    SPAWN(2, async_call(&l1, listens, .rx = &b1));
    SPAWN(3, async_call(&l2, listens, .rx = &b2));
    SPAWN(4, async_call(&sends, sends, .tx = &tx, .watch = &wtx, .broadcast = &btx, .oneshot = &otx));
    assert_int_equal(execute(tasks, 5), 0);
    assert_int_equal(receives.sum, 55);
    assert_int_equal(receives.value, 11);
    assert_int_equal(watches.value, 10);
    assert_int_equal(l1.sum + l2.sum, 110);
    kio_rx_drop(&rx);
    kio_oneshot_rx_drop(&orx);
    kio_watch_rx_drop(&wrx);
    kio_broadcast_rx_drop(&b1);
    kio_broadcast_rx_drop(&b2);
    assert_true(ki_mem_alive() <= memory + 2); /* what channels pool */
}

/* ---- combinators -------------------------------------------------------------------------- */

/* Ends with `value` after some turns of the others. */
struct slow {
    async_fn(int);
    int turns, value;
    struct pause pause;
};

async(slow)
{
    async_begin;
    for (; self->turns; self->turns--)
        await(rest(&self->pause));
    async_return(self->value);
}

#define N 12

struct combines {
    async_fn(int);
    struct slow at[N];
    struct kio_join join;
    struct kio_try_join try_join;
    struct kio_join_all join_all;
    struct kio_try_join_all try_join_all;
    struct kio_select select;
    struct kio_select_all select_all;
    struct kio_boxed boxed;
    struct kio_future_set set;
    struct kio_future_set_next ended;
    struct kio_future_queue queue;
    struct kio_future_queue_next next;
    int i, order;
};

static void make_all(struct combines *self)
{
    for (int i = 0; i < N; i++)
        async_call(&self->at[i], slow, .turns = N - i, .value = i); /* the last ends first */
}

async(combines)
{
    async_begin;
    make_all(self);
    await(kio_join(&self->join, &self->at[0], &self->at[1], &self->at[2]));
    assert_int_equal(self->at[0].out + self->at[1].out + self->at[2].out, 3);
    make_all(self);
    self->at[2].value = -EIO;
    await(kio_try_join(&self->try_join, &self->at[0], &self->at[1], &self->at[2]));
    assert_int_equal(self->try_join.out, -EIO);
    make_all(self);
    await(kio_join_all(&self->join_all, self->at, N));
    for (int i = 0; i < N; i++)
        assert_int_equal(self->at[i].out, i);
    make_all(self);
    self->at[7].value = -EPIPE;
    await(kio_try_join_all(&self->try_join_all, self->at, N));
    assert_int_equal(self->try_join_all.out, -EPIPE);
    make_all(self);
    await(kio_select(&self->select, &self->at[3], &self->at[9], NULL, &self->at[6]));
    assert_int_equal(self->select.out, 1);
    make_all(self);
    await(kio_select_all(&self->select_all, self->at, N));
    assert_int_equal(self->select_all.out, N - 1);
    await(kio_box(&self->boxed, slow, .turns = 3, .value = 5));
    assert_int_equal(*kio_boxed_output(&self->boxed, int), 5);
    make_all(self);
    for (int i = 0; i < N; i++)
        assert_int_equal(kio_future_set_push(&self->set, &self->at[i]), 0);
    for (self->i = N; self->i-- > 0;) { /* in the order of their ends */
        await(kio_future_set_next(&self->ended, &self->set));
        assert_int_equal(*kio_future_set_output(&self->ended, int), self->i);
    }
    make_all(self);
    for (int i = 0; i < N; i++)
        assert_int_equal(kio_future_queue_push(&self->queue, &self->at[i]), 0);
    for (self->i = 0; self->i < N; self->i++) { /* in the order they were put in */
        await(kio_future_queue_next(&self->next, &self->queue));
        assert_int_equal(*kio_future_queue_output(&self->next, int), self->i);
    }
    async_return(self->i);
}

static void combinators(void **state)
{
    static struct combines at[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        SPAWN(i, async_call(&at[i], combines));
    assert_int_equal(execute(tasks, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(at[i].out, N);
}

/* ---- shared and abortable ----------------------------------------------------------------- */

struct asks {
    async_fn(int);
    struct kio_shared *answer;
    struct kio_shared_wait wait;
};

async(asks)
{
    async_begin;
    await(kio_shared_wait(&self->wait, self->answer));
    async_return(*kio_shared_output(self->answer, int));
}

struct stops {
    async_fn(int);
    struct kio_cancel_token *token;
    struct slow slow;
    struct kio_abortable job;
    struct kio_cancelled cancelled;
};

async(stops)
{
    async_begin;
    await(kio_abortable(&self->job, self->token, async_call(&self->slow, slow, .turns = 1000000)));
    await(kio_cancelled(&self->cancelled, self->token));
    async_return(self->job.out);
}

struct aborts {
    async_fn(void);
    struct kio_cancel_token *token;
    struct pause pause;
};

async(aborts)
{
    async_begin;
    await(rest(&self->pause));
    kio_cancel(self->token);
    async_return();
}

static void shared_and_abortable_futures_and_cancel_tokens(void **state)
{
    struct kio_shared answer;
    struct kio_cancel_token token;
    static struct asks asks[3];
    static struct stops stops;
    static struct aborts aborts;

    (void)state;
    assert_int_equal(kio_share(&answer, slow, .turns = 5, .value = 42), 0);
    assert_int_equal(kio_cancel_token_new(&token, NULL), 0);
    for (int i = 0; i < 3; i++)
        SPAWN(i, async_call(&asks[i], asks, .answer = &answer));
    SPAWN(3, async_call(&aborts, aborts, .token = &token));
    SPAWN(4, async_call(&stops, stops, .token = &token));
    assert_int_equal(execute(tasks, 5), 0);
    assert_int_equal(asks[0].out + asks[1].out + asks[2].out, 3 * 42);
    assert_int_equal(stops.out, -ECANCELED);
    kio_shared_drop(&answer);
    kio_cancel_token_drop(&token);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, before)
    const struct CMUnitTest tests[] = {
        T(locks_and_semaphores),
        T(notify_barrier_once_and_set_once),
        T(channels),
        T(combinators),
        T(shared_and_abortable_futures_and_cancel_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
