/* What a runtime is and who runs what on it: names, entering, block_on from several threads, spawns from
 * everywhere. Tokio's rt_basic, rt_common, rt_handle, rt_handle_block_on, rt_local. */
#include "support/rt.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(int ms)
{
    struct timespec left = { .tv_nsec = ms * 1000000L };

    while (nanosleep(&left, &left))
        ;
}

static struct kio_runtime *another(enum kio_flavor flavor, const char *name)
{
    struct kio_runtime *own;

    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = flavor,
                                                                        .workers = 2,
                                                                        .name = name }),
                     0);
    return own;
}

/* ---- what it is ----------------------------------------------------------------------------- */

static void runtimes_have_ids_names_and_flavors(void **state)
{
    struct kio_runtime *one = another(rt_flavor, "one"), *two = another(rt_flavor, "a long, long name");
    struct kio_runtime *seeded = another(KIO_DETERMINISTIC, NULL);

    (void)state;
    assert_true(kio_runtime_id(one) && kio_runtime_id(one) == kio_runtime_id(one));
    assert_true(kio_runtime_id(one) != kio_runtime_id(two));
    assert_string_equal(kio_runtime_name(rt), "kioto");
    assert_string_equal(kio_runtime_name(one), "one");
    assert_int_equal(strncmp(kio_runtime_name(two), "a long, long name", 10), 0);
    assert_int_equal(kio_runtime_flavor(rt), rt_flavor);
    assert_int_equal(kio_runtime_flavor(seeded), KIO_DETERMINISTIC);
    assert_int_equal(kio_runtime_workers(rt), rt_flavor == KIO_MULTI_THREAD ? 2 : 1);
    kio_runtime_free(one);
    kio_runtime_free(two);
    kio_runtime_free(seeded);
}

static void a_blank_name_is_refused(void **state)
{
    struct kio_runtime *own;

    (void)state;
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .name = "" }), -EINVAL);
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .name = " \t" }), -EINVAL);
    assert_null(own);
}

static void the_smallest_runtimes_work(void **state)
{
    struct kio_runtime *own;

    (void)state;
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){
                                               .flavor = rt_flavor, .workers = 1, .max_blocking = 1 }),
                     0);
    kio_runtime_free(own);
}

/* ---- entering ------------------------------------------------------------------------------- */

struct idle {
    async_fn(int);
};

async(idle)
{
    async_begin;
    async_return(1);
}

struct joins {
    async_fn(int);
    struct kio_join_handle *h;
};

async(joins)
{
    async_begin;
    await(self->h);
    assert_int_equal(self->h->out, 0);
    async_return(*kio_output(self->h, int));
}

static void an_entered_runtime_is_the_current_one_until_it_is_left(void **state)
{
    struct kio_runtime *other = another(rt_flavor, NULL);
    struct kio_runtime *outer, *inner;
    struct kio_join_handle h = { 0 };

    (void)state;
    assert_null(kio_runtime_current());
    outer = kio_runtime_enter(rt);
    assert_null(outer);
    assert_ptr_equal(kio_runtime_current(), rt);
    inner = kio_runtime_enter(other);
    assert_ptr_equal(kio_runtime_current(), other);
    kio_runtime_leave(inner);
    assert_ptr_equal(kio_runtime_current(), rt);
    assert_int_equal(kio_spawn(&h, idle), 0);
    kio_runtime_leave(outer);
    assert_null(kio_runtime_current());
    assert_int_equal(run(joins, .h = &h), 1);
    kio_runtime_free(other);
}

static void a_runtime_is_entered_a_hundred_times(void **state)
{
    struct kio_runtime *before[100];

    (void)state;
    for (int i = 0; i < 100; i++)
        before[i] = kio_runtime_enter(rt);
    for (int i = 99; i >= 0; i--) {
        assert_ptr_equal(kio_runtime_current(), rt);
        kio_runtime_leave(before[i]);
    }
    assert_null(kio_runtime_current());
}

static struct kio_runtime *left_behind;

static void *makes_a_runtime(void *arg)
{
    (void)arg;
    left_behind = another(rt_flavor, NULL);
    return NULL;
}

static void a_runtime_is_used_and_freed_by_other_threads_than_its_maker(void **state)
{
    struct kio_join_handle h = { 0 };
    struct kio_runtime *before;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, makes_a_runtime, NULL), 0);
    pthread_join(thread, NULL);
    before = kio_runtime_enter(left_behind);
    assert_int_equal(kio_spawn(&h, idle), 0);
    kio_runtime_leave(before);
    assert_int_equal(kio_runtime_block_on(left_behind, joins, .h = &h), 1);
    kio_runtime_free(left_behind);
}

/* ---- who runs what ---------------------------------------------------------------------------- */

struct tells {
    async_fn(void);
    struct kio_oneshot_tx tx;
    int value;
};

static void tells_drop(struct tells *self)
{
    kio_oneshot_tx_drop(&self->tx);
}

async(tells, tells_drop)
{
    async_begin;
    kio_oneshot_send(&self->tx, &self->value);
    async_return();
}

struct hears {
    async_fn(int);
    struct kio_oneshot_rx *rx;
    struct kio_oneshot_recv recv;
    int value;
};

async(hears)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, self->rx, &self->value));
    async_return(self->recv.out ? self->value : -1);
}

static void on_current_thread_tasks_stand_still_outside_of_block_on(void **state)
{
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    int value;

    (void)state;
    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof(int)), 0);
    assert_int_equal(kio_spawn_on(rt, NULL, tells, .tx = tx, .value = 42), 0);
    if (rt_flavor == KIO_CURRENT_THREAD) {
        wait_ms(20);
        assert_int_equal(kio_oneshot_try_recv(&rx, &value), -EAGAIN);
        assert_int_equal(run(hears, .rx = &rx), 42);
    } else { /* they run whether or not anybody blocks */
        for (int i = 0; i < 10000 && kio_oneshot_try_recv(&rx, &value) == -EAGAIN; i++)
            wait_ms(1);
        assert_int_equal(value, 42);
    }
    kio_oneshot_rx_drop(&rx);
}

/* Counts its polls; ready when it was told. */
struct counted {
    async_fn(void);
    ki_atomic(int) *polls;
    struct kio_notified wait;
    struct kio_notify *notify;
    int rounds;
};

static kio_poll counted_poll(kio_future *f, kio_context *cx)
{
    struct counted *self = (struct counted *)f;

    ki_fetch_add_seq_cst(self->polls, 1);
    f->state = f;
    while (self->rounds) {
        if (!kio_is_live(&self->wait)) {
            kio_notified(&self->wait, self->notify);
            kio_adopt_(f, &self->wait.kio);
        }
        if (kio_poll_(&self->wait.kio, cx) == KIO_PENDING)
            return KIO_PENDING;
        self->rounds--;
    }
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type counted_type = {
    .name = "counted",
    .size = sizeof(struct counted),
    .poll = counted_poll,
};

struct yields {
    async_fn(void);
    int count;
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    do
        await(kio_yield_now(&self->y));
    while (--self->count > 0);
    async_return();
}

static void nobody_is_polled_without_a_wake(void **state)
{
    struct kio_notify notify = { 0 };
    ki_atomic(int) polls = 0;

    (void)state;
    if (rt_flavor == KIO_MULTI_THREAD)
        skip(); /* there a task may run between any two of these lines */
    assert_int_equal(kio_spawn_on(rt, NULL, counted, .polls = &polls, .notify = &notify, .rounds = 2), 0);
    run(yields);
    assert_int_equal(ki_load_seq_cst(&polls), 1);
    run(yields, .count = 10);
    assert_int_equal(ki_load_seq_cst(&polls), 1);
    kio_notify_one(&notify);
    assert_int_equal(ki_load_seq_cst(&polls), 1);
    run(yields);
    assert_int_equal(ki_load_seq_cst(&polls), 2);
    kio_notify_one(&notify);
    run(yields, .count = 10);
    assert_int_equal(ki_load_seq_cst(&polls), 3);
}

struct chain {
    async_fn(int);
    int depth;
    struct kio_join_handle h;
};

async_declare(chain);

async(chain)
{
    async_begin;
    if (!self->depth)
        async_return(5);
    kio_spawn(&self->h, chain, .depth = self->depth - 1);
    await(&self->h);
    async_return(*kio_output(&self->h, int) + 1);
}

static void tasks_spawn_tasks_and_await_them(void **state)
{
    struct kio_metrics m;

    (void)state;
    assert_int_equal(run(chain, .depth = 2), 7);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    kio_metrics_read(rt, &m);
    assert_int_equal(m.tasks_spawned, 3);
    assert_int_equal(m.tasks_ended, 3);
    assert_int_equal(m.remote_schedules, 1); /* the root alone came from outside */
}

struct two_hops {
    async_fn(int);
    struct kio_oneshot_tx tx1, tx2;
    struct kio_oneshot_rx rx1, rx2;
    struct hears hear;
};

struct passes_on {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_tx tx;
    struct kio_oneshot_recv recv;
    int value;
};

static void passes_on_drop(struct passes_on *self)
{
    kio_oneshot_rx_drop(&self->rx);
    kio_oneshot_tx_drop(&self->tx);
}

async(passes_on, passes_on_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    kio_oneshot_send(&self->tx, &self->value);
    async_return();
}

static void two_hops_drop(struct two_hops *self)
{
    kio_oneshot_rx_drop(&self->rx2);
}

async(two_hops, two_hops_drop)
{
    async_begin;
    assert_int_equal(kio_oneshot_channel(&self->tx1, &self->rx1, sizeof(int)), 0);
    assert_int_equal(kio_oneshot_channel(&self->tx2, &self->rx2, sizeof(int)), 0);
    kio_spawn(NULL, tells, .tx = self->tx1, .value = 9);
    kio_spawn(NULL, passes_on, .rx = self->rx1, .tx = self->tx2);
    await(async_call(&self->hear, hears, .rx = &self->rx2));
    async_return(self->hear.out);
}

static void what_one_task_sends_another_passes_on(void **state)
{
    (void)state;
    assert_int_equal(run(two_hops), 9);
}

/* A thread sends; tasks wait; a channel collects. */
struct crowd {
    async_fn(int);
    int count, i, sum, value;
    struct kio_oneshot_tx *txs;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    pthread_t thread;
};

struct member {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    struct kio_tx tx;
    int value;
};

static void member_drop(struct member *self)
{
    kio_oneshot_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(member, member_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    assert_int_equal(kio_try_send(&self->tx, &self->value), 0);
    async_return();
}

static void *send_to_all(void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < c->count; i++)
        assert_int_equal(kio_oneshot_send(&c->txs[i], &i), 0);
    return NULL;
}

static void crowd_drop(struct crowd *self)
{
    pthread_join(self->thread, NULL);
    free(self->txs);
    kio_rx_drop(&self->rx);
}

async(crowd, crowd_drop)
{
    async_begin;
    self->txs = calloc((size_t)self->count, sizeof *self->txs);
    assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    for (self->i = 0; self->i < self->count; self->i++) {
        struct kio_oneshot_rx rx;

        assert_int_equal(kio_oneshot_channel(&self->txs[self->i], &rx, sizeof(int)), 0);
        kio_spawn(NULL, member, .rx = rx, .tx = kio_tx_clone(&self->tx));
    }
    kio_tx_drop(&self->tx);
    assert_int_equal(pthread_create(&self->thread, NULL, send_to_all, self), 0);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->sum += self->value;
    }
    async_return(self->sum);
}

struct in_task {
    async_fn(int);
    int count;
    struct kio_join_handle h;
};

async(in_task)
{
    async_begin;
    kio_spawn(&self->h, crowd, .count = self->count);
    await(&self->h);
    async_return(*kio_output(&self->h, int));
}

static void hundreds_of_tasks_are_woken_by_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(crowd, .count = 200), 199 * 200 / 2);
    assert_int_equal(run(in_task, .count = 500), 499 * 500 / 2);
}

/* ---- threads ------------------------------------------------------------------------------------ */

struct job {
    struct kio_oneshot_tx tx;
    bool waits, spawns;
};

static void *tell_or_spawn(void *arg)
{
    struct job *j = arg;
    int value = 17;

    if (j->waits)
        wait_ms(10);
    if (j->spawns)
        assert_int_equal(kio_spawn_on(rt, NULL, tells, .tx = j->tx, .value = value), 0);
    else
        kio_oneshot_send(&j->tx, &value);
    return NULL;
}

/* Beside a task that is always ready, with `busy`; which goes on until it is dropped. */
struct always {
    async_fn(void);
};

static kio_poll always_poll(kio_future *f, kio_context *cx)
{
    f->state = f;
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type always_type = {
    .name = "always",
    .size = sizeof(struct always),
    .poll = always_poll,
};

struct hears_beside {
    async_fn(int);
    struct kio_oneshot_rx *rx;
    struct kio_join_handle busy, h;
    bool in_task;
    struct hears hear;
    int value;
};

async(hears_beside)
{
    async_begin;
    kio_spawn(&self->busy, always);
    if (self->in_task) {
        kio_spawn(&self->h, hears, .rx = self->rx);
        await(&self->h);
        self->value = *kio_output(&self->h, int);
    } else {
        await(async_call(&self->hear, hears, .rx = self->rx));
        self->value = self->hear.out;
    }
    kio_abort(&self->busy);
    await(&self->busy);
    async_return(self->value);
}

static void another_thread_is_heard_idle_or_under_load(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct job job = { .waits = i & 1, .spawns = i & 2 };
        struct kio_oneshot_rx rx;
        pthread_t thread;

        assert_int_equal(kio_oneshot_channel(&job.tx, &rx, sizeof(int)), 0);
        assert_int_equal(pthread_create(&thread, NULL, tell_or_spawn, &job), 0);
        if (i & 4)
            assert_int_equal(run(hears_beside, .rx = &rx, .in_task = i & 8), 17);
        else
            assert_int_equal(run(hears, .rx = &rx), 17);
        pthread_join(thread, NULL);
        kio_oneshot_rx_drop(&rx);
    }
}

/* B3: two threads block on one runtime; whichever runs the tasks, the timers go on for both. */
struct first {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_tx tx;
    struct kio_oneshot_recv recv;
    struct kio_sleep nap;
    int value;
};

static void first_drop(struct first *self)
{
    kio_oneshot_rx_drop(&self->rx);
    kio_oneshot_tx_drop(&self->tx);
}

async(first, first_drop)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    kio_oneshot_send(&self->tx, &self->value);
    async_return();
}

struct second {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    struct kio_sleep nap;
    int value;
};

static void second_drop(struct second *self)
{
    kio_oneshot_rx_drop(&self->rx);
    kio_oneshot_tx_drop(&self->tx);
}

async(second, second_drop)
{
    async_begin;
    kio_oneshot_send(&self->tx, &self->value);
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    async_return();
}

struct pair {
    struct kio_oneshot_tx tx[2];
    struct kio_oneshot_rx rx[2];
};

static void *block_first(void *arg)
{
    struct pair *p = arg;

    run(first, .rx = p->rx[0], .tx = p->tx[1]);
    return NULL;
}

static void *block_second(void *arg)
{
    struct pair *p = arg;

    run(second, .tx = p->tx[0], .rx = p->rx[1]);
    return NULL;
}

static void timers_go_on_for_every_thread_in_block_on(void **state)
{
    (void)state;
    for (int i = 0; i < amount(20); i++) {
        struct pair p;
        pthread_t a, b;

        for (int k = 0; k < 2; k++)
            assert_int_equal(kio_oneshot_channel(&p.tx[k], &p.rx[k], sizeof(int)), 0);
        assert_int_equal(pthread_create(&a, NULL, block_first, &p), 0);
        assert_int_equal(pthread_create(&b, NULL, block_second, &p), 0);
        pthread_join(a, NULL);
        pthread_join(b, NULL);
    }
}

struct notifies {
    async_fn(void);
    struct kio_notify *notify;
};

async(notifies)
{
    async_begin;
    kio_notify_one(self->notify);
    async_return();
}

struct waits {
    async_fn(void);
    struct kio_notify *notify;
    struct kio_notified wait;
};

async(waits)
{
    async_begin;
    await(kio_notified(&self->wait, self->notify));
    async_return();
}

static void *notify_from_block_on(void *arg)
{
    wait_ms(5);
    run(notifies, .notify = arg);
    return NULL;
}

static void a_block_on_wakes_another_threads(void **state)
{
    struct kio_notify notify = { 0 };
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, notify_from_block_on, &notify), 0);
    run(waits, .notify = &notify);
    pthread_join(thread, NULL);
}

/* ---- several runtimes ---------------------------------------------------------------------------- */

struct makes {
    async_fn(void);
    struct kio_runtime **made;
};

async(makes)
{
    async_begin;
    *self->made = another(rt_flavor, "inner");
    async_return();
}

static void a_runtime_is_made_inside_another_and_used_after(void **state)
{
    struct kio_runtime *inner;

    (void)state;
    run(makes, .made = &inner);
    assert_int_equal(kio_runtime_block_on(inner, idle), 1);
    kio_runtime_free(inner);
}

static void tasks_of_two_runtimes_talk(void **state)
{
    struct kio_runtime *other = another(KIO_MULTI_THREAD, "other");
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;

    (void)state;
    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof(int)), 0);
    assert_int_equal(kio_spawn_on(other, NULL, tells, .tx = tx, .value = 8), 0);
    assert_int_equal(run(hears, .rx = &rx), 8);
    kio_oneshot_rx_drop(&rx);
    kio_runtime_free(other);
}

/* Each waits for the other: nobody leaks when the runtime is freed. */
struct cycle {
    async_fn(void);
    struct kio_join_handle *other;
    struct kio_yield y;
};

static void cycle_drop(struct cycle *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(cycle, cycle_drop)
{
    async_begin;
    while (!kio_task_id(self->other))
        await(kio_yield_now(&self->y));
    await(self->other);
    async_return();
}

static void tasks_that_wait_for_each_other_are_dropped_with_the_runtime(void **state)
{
    struct kio_runtime *own = another(KIO_CURRENT_THREAD, "cycle");
    struct kio_join_handle h[2] = { 0 };

    (void)state;
    assert_int_equal(kio_spawn_on(own, &h[0], cycle, .other = &h[1]), 0);
    assert_int_equal(kio_spawn_on(own, &h[1], cycle, .other = &h[0]), 0);
    kio_runtime_block_on(own, yields, .count = 5);
    assert_int_equal(ki_load_seq_cst(&drops), 0);
    kio_runtime_free(own);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

/* ---- chance ---------------------------------------------------------------------------------------- */

struct chooses {
    async_fn(unsigned);
    struct kio_select s;
    struct kio_yield a, b, c;
    int i;
};

async(chooses)
{
    async_begin;
    for (self->i = 0; self->i < 16; self->i++) {
        await(kio_select(&self->s, kio_yield_now(&self->a), kio_yield_now(&self->b),
                         kio_yield_now(&self->c)));
        self->out = self->out * 3 + (unsigned)self->s.out;
    }
    async_return(self->out);
}

static unsigned chosen(uint64_t seed)
{
    struct kio_runtime *own;
    unsigned once, twice;

    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){
                                               .flavor = KIO_DETERMINISTIC, .seed = seed }),
                     0);
    once = kio_runtime_block_on(own, chooses);
    twice = kio_runtime_block_on(own, chooses);
    assert_true(once != twice); /* it goes on, and does not begin again */
    kio_runtime_free(own);
    return once ^ twice;
}

static void a_seed_repeats_what_is_chosen_over_several_block_ons(void **state)
{
    (void)state;
    assert_int_equal(chosen(4711), chosen(4711));
    assert_true(chosen(4711) != chosen(4712));
}

struct clock_now {
    async_fn(kio_instant);
};

async(clock_now)
{
    async_begin;
    async_return(kio_now());
}

static void a_paused_start_stands_still(void **state)
{
    struct kio_runtime *own;
    kio_instant at;

    (void)state;
    assert_int_equal(kio_runtime_new(&own, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                        .start_paused = true }),
                     rt_flavor == KIO_MULTI_THREAD ? -EINVAL : 0);
    if (!own)
        return;
    at = kio_runtime_block_on(own, clock_now);
    for (int i = 0; i < 5; i++) {
        wait_ms(1);
        assert_true(kio_runtime_block_on(own, clock_now) == at);
    }
    kio_runtime_free(own);
}

RT_MAIN(RT(runtimes_have_ids_names_and_flavors), RT(a_blank_name_is_refused),
        RT(the_smallest_runtimes_work), RT(an_entered_runtime_is_the_current_one_until_it_is_left),
        RT(a_runtime_is_entered_a_hundred_times),
        RT(a_runtime_is_used_and_freed_by_other_threads_than_its_maker),
        RT(on_current_thread_tasks_stand_still_outside_of_block_on), RT(nobody_is_polled_without_a_wake),
        RT(tasks_spawn_tasks_and_await_them), RT(what_one_task_sends_another_passes_on),
        RT(hundreds_of_tasks_are_woken_by_a_thread), RT(another_thread_is_heard_idle_or_under_load),
        RT(timers_go_on_for_every_thread_in_block_on), RT(a_block_on_wakes_another_threads),
        RT(a_runtime_is_made_inside_another_and_used_after), RT(tasks_of_two_runtimes_talk),
        RT(tasks_that_wait_for_each_other_are_dropped_with_the_runtime),
        RT(a_seed_repeats_what_is_chosen_over_several_block_ons), RT(a_paused_start_stands_still))
