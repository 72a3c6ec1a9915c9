/* Hooks: of tasks, of workers that sleep, and what they may do; which worker a thread is. Tokio's task_hooks,
 * rt_poll_callbacks, rt_common_before_park, rt_worker_index. */
#include "support/rt.h"

#include "base/mem.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static void open_with(const struct kio_hooks *hooks, bool timed)
{
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                        .workers = 1,
                                                                        .time_polls = timed,
                                                                        .hooks = *hooks }),
                     0);
}

/* ---- what is spawned ---------------------------------------------------------------------- */

struct three_yields {
    async_fn(int);
    int i;
    struct kio_yield y;
};

async(three_yields)
{
    async_begin;
    for (self->i = 0; self->i < 3; self->i++)
        await(kio_yield_now(&self->y));
    async_return(33);
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

struct idle {
    async_fn(void);
};

async(idle)
{
    async_begin;
    async_return();
}

/* ---- what is told -------------------------------------------------------------------------- */

/* Of the tasks with this function, or all. */
struct told {
    const char *function;
    ki_atomic(int) spawns, begins, ends_of_polls, ends, aborts, dropped_before;
    ki_atomic(uint64_t) id;
    ki_atomic(int) line, out;
    ki_atomic(int64_t) waited, waited_after;
    bool in_poll; /* one worker */
    char name[20];
};

static bool is_meant(struct told *t, const struct kio_task_info *task)
{
    if (t->function && strcmp(t->function, task->function))
        return false;
    assert_string_equal(task->file, __FILE__);
    assert_true(task->line > 0);
    return true;
}

static void on_spawn(const struct kio_task_info *task, void *arg)
{
    struct told *t = arg;

    if (!is_meant(t, task))
        return;
    ki_fetch_add_seq_cst(&t->spawns, 1);
    ki_store_seq_cst(&t->id, task->id);
    if (task->spawn_file)
        assert_string_equal(task->spawn_file, __FILE__);
    ki_store_seq_cst(&t->line, task->spawn_line);
    assert_true(task->waited == -1);
    snprintf(t->name, sizeof t->name, "%s", task->name ? task->name : "");
}

static void on_poll_begin(const struct kio_task_info *task, void *arg)
{
    struct told *t = arg;

    if (!is_meant(t, task))
        return;
    assert_false(t->in_poll);
    t->in_poll = true;
    assert_int_equal(task->id, ki_load_seq_cst(&t->id));
    assert_int_equal(task->spawn_line, ki_load_seq_cst(&t->line));
    ki_fetch_add_seq_cst(&t->begins, 1);
    ki_store_seq_cst(&t->waited, task->waited);
    assert_int_equal(kio_worker_index(), 0);
}

static void on_poll_end(const struct kio_task_info *task, void *arg)
{
    struct told *t = arg;

    if (!is_meant(t, task))
        return;
    assert_true(t->in_poll);
    t->in_poll = false;
    assert_int_equal(task->id, ki_load_seq_cst(&t->id));
    ki_fetch_add_seq_cst(&t->ends_of_polls, 1);
    ki_store_seq_cst(&t->waited_after, task->waited);
}

static void on_end(const struct kio_task_info *task, void *arg)
{
    struct told *t = arg;

    if (!is_meant(t, task))
        return;
    assert_true(task->waited == -1);
    ki_fetch_add_seq_cst(&t->ends, 1);
    ki_fetch_add_seq_cst(&t->aborts, task->aborted);
    ki_store_seq_cst(&t->dropped_before, ki_load_seq_cst(&drops));
    if (task->out_size == sizeof(int))
        ki_store_seq_cst(&t->out, *(const int *)task->out);
    assert_true(task->aborted || task->out_size || !task->out);
}

static struct kio_hooks all_of(struct told *t)
{
    return (struct kio_hooks){
        .on_task_spawn = on_spawn,
        .on_task_end = on_end,
        .on_poll_begin = on_poll_begin,
        .on_poll_end = on_poll_end,
        .arg = t,
    };
}

static void start(struct told *t, const char *function, bool timed)
{
    *t = (struct told){ .function = function };
    open_with(&(struct kio_hooks){ 0 }, false);
    kio_runtime_free(rt); /* a scheduler without hooks lies in the pool: hooks come and go with a runtime */
    {
        struct kio_hooks hooks = all_of(t);

        open_with(&hooks, timed);
    }
    ki_store_seq_cst(&drops, 0);
}

static int finish(void **state)
{
    (void)state;
    kio_runtime_free(rt);
    rt = NULL;
    return 0;
}

#define HOOK(test) cmocka_unit_test_teardown(test, finish)

/* ---- tasks --------------------------------------------------------------------------------- */

struct join_three {
    async_fn(int);
    struct kio_join_handle h;
    uint64_t id;
};

async(join_three)
{
    async_begin;
    kio_spawn(&self->h, three_yields);
    self->id = kio_task_id(&self->h);
    await(&self->h);
    async_return((int)self->id);
}

static void every_poll_of_a_task_is_told_before_and_after(void **state)
{
    static struct told t;
    int id;

    (void)state;
    start(&t, "three_yields", false);
    id = run(join_three);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&t.spawns), 1);
    assert_int_equal(ki_load_seq_cst(&t.begins), 4);
    assert_int_equal(ki_load_seq_cst(&t.ends_of_polls), 4);
    assert_int_equal(ki_load_seq_cst(&t.ends), 1);
    assert_int_equal(ki_load_seq_cst(&t.aborts), 0);
    assert_int_equal(ki_load_seq_cst(&t.id), id);
    assert_int_equal(ki_load_seq_cst(&t.out), 33);
    assert_true(ki_load_seq_cst(&t.waited) == -1);
}

static void every_spawn_is_told_where_it_is_made_before_the_task_runs(void **state)
{
    static struct told t;
    uint64_t last = 0;
    int i, line = 0;

    (void)state;
    start(&t, "three_yields", false);
    for (i = 0; i < 8; i++) {
        line = __LINE__ + 1;
        assert_int_equal(kio_spawn_on(rt, NULL, three_yields), 0);
        assert_int_equal(ki_load_seq_cst(&t.spawns), i + 1);
        assert_int_equal(ki_load_seq_cst(&t.line), line);
        assert_true(ki_load_seq_cst(&t.id) != last);
        last = ki_load_seq_cst(&t.id);
        assert_int_equal(kio_runtime_drain(rt, -1), 0); /* one at a time: ids are compared */
    }
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0); /* the last hook has returned */
    assert_int_equal(ki_load_seq_cst(&t.ends), 8);
}

static void the_function_of_block_on_is_a_task_too(void **state)
{
    static struct told t;

    (void)state;
    start(&t, NULL, false);
    run(idle);
    assert_int_equal(ki_load_seq_cst(&t.spawns), 1);
    assert_int_equal(ki_load_seq_cst(&t.ends), 1);
    assert_int_equal(ki_load_seq_cst(&t.line), 0); /* no kio_spawn */
}

static void an_end_is_told_before_who_joins_knows(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "three_yields", false);
    for (int i = 0; i < 100; i++) {
        run(join_three);
        assert_int_equal(ki_load_seq_cst(&t.ends), i + 1);
    }
}

struct abort_one {
    async_fn(void);
    struct kio_join_handle h;
    struct kio_yield y;
};

async(abort_one)
{
    async_begin;
    kio_spawn(&self->h, forever);
    await(kio_yield_now(&self->y));
    kio_abort(&self->h);
    await(&self->h);
    assert_int_equal(self->h.out, -ECANCELED);
    async_return();
}

static void an_aborted_task_and_one_that_a_shutdown_drops_end_after_their_destructors(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "forever", false);
    run(abort_one);
    assert_int_equal(ki_load_seq_cst(&t.ends), 1);
    assert_int_equal(ki_load_seq_cst(&t.aborts), 1);
    assert_int_equal(ki_load_seq_cst(&t.dropped_before), 1);
    assert_int_equal(ki_load_seq_cst(&t.begins), ki_load_seq_cst(&t.ends_of_polls));
    assert_int_equal(kio_spawn_on(rt, NULL, forever), 0);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&t.ends), 2);
    assert_int_equal(ki_load_seq_cst(&t.aborts), 2);
    assert_int_equal(ki_load_seq_cst(&t.dropped_before), 2);
    assert_int_equal(ki_load_seq_cst(&t.spawns), 2);
}

struct named {
    async_fn(void);
    struct kio_join_handle h, set;
    char text[20];
};

async(named)
{
    async_begin;
    kio_spawn_named(&self->h, "the one", three_yields);
    assert_int_equal(kio_task_name(&self->h, self->text, sizeof self->text), 7);
    assert_string_equal(self->text, "the one");
    await(&self->h);
    assert_int_equal(*kio_output(&self->h, int), 33);
    async_return();
}

static void a_name_given_with_the_spawn_is_told(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "three_yields", false);
    run(named);
    assert_string_equal(t.name, "the one");
    assert_int_equal(ki_load_seq_cst(&t.begins), 4);
    assert_true(ki_load_seq_cst(&t.line) > 0);
}

struct parent {
    async_fn(void);
    struct kio_scope scope;
};

async(parent)
{
    async_begin;
    kio_scope_spawn(&self->scope, three_yields);
    await(kio_scope_join(&self->scope));
    async_return();
}

static void children_of_a_scope_are_told_by_their_own_function(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "three_yields", false);
    run(parent);
    assert_int_equal(ki_load_seq_cst(&t.spawns), 1);
    assert_int_equal(ki_load_seq_cst(&t.begins), 4);
    assert_int_equal(ki_load_seq_cst(&t.ends), 1);
    assert_true(ki_load_seq_cst(&t.line) > 0);
}

static void *nothing(void *arg)
{
    return arg;
}

struct joins_job {
    async_fn(void);
    struct kio_join_handle h;
    char text[20];
};

async(joins_job)
{
    async_begin;
    assert_int_equal(kio_spawn_blocking_named(&self->h, "a job", nothing, NULL), 0);
    assert_int_equal(kio_task_name(&self->h, self->text, sizeof self->text), 5);
    assert_string_equal(self->text, "a job");
    await(&self->h);
    async_return();
}

static void jobs_are_not_told(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "kio_spawn_blocking", false);
    run(joins_job);
    assert_int_equal(ki_load_seq_cst(&t.spawns), 0);
    assert_int_equal(ki_load_seq_cst(&t.ends), 0);
}

static void without_memory_the_place_is_not_known(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "three_yields", false);
    run(idle); /* the root's slot is there */
    if (rt_flavor == KIO_CURRENT_THREAD) {
        assert_int_equal(kio_spawn_on(rt, NULL, three_yields), 0);
        assert_true(ki_load_seq_cst(&t.line) > 0);
        ki_mem_fail_at(1);
        assert_int_equal(kio_spawn_on(rt, NULL, three_yields), 0);
        ki_mem_fail_at(0);
        assert_int_equal(ki_load_seq_cst(&t.line), 0);
        assert_int_equal(ki_load_seq_cst(&t.spawns), 2);
    }
}

/* ---- how long it waited -------------------------------------------------------------------- */

static void wait_ms(int ms)
{
    struct timespec left = { .tv_nsec = ms * 1000000L };

    while (nanosleep(&left, &left))
        ;
}

struct blocks_then_joins {
    async_fn(void);
    struct kio_join_handle h;
};

async(blocks_then_joins)
{
    async_begin;
    kio_spawn(&self->h, idle);
    wait_ms(50);
    await(&self->h);
    async_return();
}

static void with_time_polls_a_poll_is_told_how_long_the_task_waited(void **state)
{
    static struct told t;

    (void)state;
    start(&t, "idle", true);
    run(blocks_then_joins); /* on multi_thread it waits in the slot of what runs next */
    assert_true(ki_load_seq_cst(&t.waited) >= 25 * KIO_MS);
    assert_true(ki_load_seq_cst(&t.waited) == ki_load_seq_cst(&t.waited_after));
    assert_int_equal(ki_load_seq_cst(&t.begins), 1);
}

/* ---- sleep --------------------------------------------------------------------------------- */

struct parker {
    struct kio_notify notify;
    ki_atomic(int) parks, unparks;
    bool once, spawns;
};

struct notifier {
    async_fn(void);
    struct kio_notify *notify;
};

async(notifier)
{
    async_begin;
    kio_notify_one(self->notify);
    async_return();
}

static void on_park(void *arg)
{
    struct parker *p = arg;

    ki_fetch_add_seq_cst(&p->parks, 1);
    assert_ptr_equal(kio_runtime_current(), rt);
    assert_int_equal(kio_worker_index(), 0);
    if (!p->once || ki_load_seq_cst(&p->parks) > 1)
        return;
    if (p->spawns)
        assert_int_equal(kio_spawn(NULL, notifier, .notify = &p->notify), 0);
    else
        kio_notify_one(&p->notify);
}

static void on_unpark(void *arg)
{
    ki_fetch_add_seq_cst(&((struct parker *)arg)->unparks, 1);
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

/* The park hook of multi_thread runs while rt is not written yet. */
static void open_parker(struct parker *p)
{
    open_with(&(struct kio_hooks){ .on_park = on_park, .on_unpark = on_unpark, .arg = p }, false);
}

static void open_quiet_parker(struct parker *p, void (*hook)(void *))
{
    open_with(&(struct kio_hooks){ .on_park = hook, .on_unpark = on_unpark, .arg = p }, false);
}

static ki_atomic(bool) armed; /* the hook may act */

static void when_armed(void *arg)
{
    struct parker *p = arg;

    if (!ki_load_seq_cst(&armed))
        return;
    on_park(p);
}

struct arms {
    async_fn(void);
    struct kio_notify *notify;
    struct kio_notified wait;
};

async(arms)
{
    async_begin;
    ki_store_seq_cst(&armed, true);
    await(kio_notified(&self->wait, self->notify));
    ki_store_seq_cst(&armed, false);
    async_return();
}

/* tokio #7835: the worker slept with the task in its queue. */
static void a_park_hook_that_wakes_a_task_keeps_the_worker_awake_7835(void **state)
{
    static struct parker p;

    (void)state;
    p = (struct parker){ .once = true };
    open_quiet_parker(&p, when_armed);
    run(arms, .notify = &p.notify);
    assert_in_range(ki_load_seq_cst(&p.parks), 1, 100);
}

static void a_park_hook_that_spawns_keeps_the_worker_awake_7835(void **state)
{
    static struct parker p;

    (void)state;
    p = (struct parker){ .once = true, .spawns = true };
    open_quiet_parker(&p, when_armed);
    run(arms, .notify = &p.notify);
    assert_in_range(ki_load_seq_cst(&p.parks), 1, 100);
}

struct late {
    async_fn(void);
    ki_atomic(bool) *done;
    struct kio_sleep nap;
};

async(late)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    ki_store_seq_cst(self->done, true);
    async_return();
}

static void wake_all(void *arg)
{
    kio_notify_waiters(&((struct parker *)arg)->notify);
}

struct yields {
    async_fn(void);
    struct kio_yield y;
};

async(yields)
{
    async_begin;
    await(kio_yield_now(&self->y));
    async_return();
}

/* tokio #8222: a hook that always wakes somebody kept the worker from its timers. */
static void a_park_hook_that_always_wakes_does_not_hold_up_timers_8222(void **state)
{
    static struct parker p;
    ki_atomic(bool) done = false;
    int rounds = 0;

    (void)state;
    p = (struct parker){ 0 };
    open_quiet_parker(&p, wake_all);
    assert_int_equal(kio_spawn_on(rt, NULL, late, .done = &done), 0);
    run(yields);
    for (; rounds < 1000 && !ki_load_seq_cst(&done); rounds++) {
        run(waits, .notify = &p.notify);
        wait_ms(1);
    }
    assert_true(ki_load_seq_cst(&done));
}

static void sleeps_and_their_ends_are_told_in_pairs(void **state)
{
    static struct parker p;
    ki_atomic(bool) done = false;

    (void)state;
    if (rt_flavor == KIO_MULTI_THREAD)
        skip(); /* the hook would look at rt before it is written: the next test shows it there */
    p = (struct parker){ 0 };
    open_parker(&p);
    run(late, .done = &done);
    assert_in_range(ki_load_seq_cst(&p.parks), 1, 10);
    assert_int_equal(ki_load_seq_cst(&p.parks), ki_load_seq_cst(&p.unparks));
}

static void count_park(void *arg)
{
    ki_fetch_add_seq_cst(&((struct parker *)arg)->parks, 1);
}

static void a_shutdown_ends_every_sleep(void **state)
{
    static struct parker p;
    ki_atomic(bool) done = false;

    (void)state;
    p = (struct parker){ 0 };
    open_quiet_parker(&p, count_park);
    run(late, .done = &done);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_in_range(ki_load_seq_cst(&p.parks), 1, 20);
    assert_int_equal(ki_load_seq_cst(&p.parks), ki_load_seq_cst(&p.unparks));
}

/* A yield that is polled by hand in the hook wakes its waker at once, and with it the root. */
struct hand {
    struct kio_wakeable wakeable;
    struct parker *p;
};

static void hand_wake(struct kio_wakeable *self)
{
    kio_notify_one(&((struct hand *)self)->p->notify);
}

static const kio_waker_type hand_type = { .name = "hand", .wake = hand_wake };
static struct hand hand = { .wakeable = { &hand_type } };

static void yield_in_hook(void *arg)
{
    struct parker *p = arg;
    static struct kio_yield y;
    kio_context cx;

    if (!ki_load_seq_cst(&armed) || ki_fetch_add_seq_cst(&p->parks, 1))
        return;
    hand.p = p;
    kio_context_init(&cx, (kio_waker){ &hand.wakeable });
    y = (struct kio_yield){ 0 };
    assert_int_equal(kio_future_poll(&kio_yield_now(&y)->kio, &cx), KIO_PENDING);
    kio_drop(&y);
}

static void a_yield_polled_in_the_park_hook_wakes(void **state)
{
    static struct parker p;

    (void)state;
    p = (struct parker){ 0 };
    open_quiet_parker(&p, yield_in_hook);
    run(arms, .notify = &p.notify);
    assert_true(ki_load_seq_cst(&p.parks) >= 1);
}

/* ---- start and stop ------------------------------------------------------------------------ */

struct lives {
    ki_atomic(int) starts, stops;
};

static void on_start(void *arg)
{
    ki_fetch_add_seq_cst(&((struct lives *)arg)->starts, 1);
}

static void on_stop(void *arg)
{
    ki_fetch_add_seq_cst(&((struct lives *)arg)->stops, 1);
}

static void every_worker_that_starts_stops_and_every_task_is_dropped(void **state)
{
    struct lives l;

    (void)state;
    ki_store_seq_cst(&drops, 0);
    for (int i = 0; i < amount(40); i++) {
        l = (struct lives){ 0 };
        assert_int_equal(
            kio_runtime_new(&rt, &(struct kio_runtime_config){
                                     .flavor = rt_flavor,
                                     .workers = 3,
                                     .hooks = { .on_start = on_start, .on_stop = on_stop, .arg = &l } }),
            0);
        assert_int_equal(kio_spawn_on(rt, NULL, forever), 0);
        kio_runtime_free(rt);
        rt = NULL;
        assert_int_equal(ki_load_seq_cst(&l.starts), rt_flavor == KIO_MULTI_THREAD ? 3 : 0);
        assert_int_equal(ki_load_seq_cst(&l.stops), ki_load_seq_cst(&l.starts));
        assert_int_equal(ki_load_seq_cst(&drops), i + 1);
    }
}

/* ---- which worker -------------------------------------------------------------------------- */

static void *index_here(void *arg)
{
    *(int *)arg = kio_worker_index();
    return NULL;
}

struct asks {
    async_fn(int);
    int in_job, in_place;
    struct kio_join_handle h;
    struct kio_worker_metrics m;
    struct kio_local_set set;
};

async(asks)
{
    async_begin;
    kio_spawn_blocking(&self->h, index_here, &self->in_job);
    await(&self->h);
    assert_int_equal(self->in_job, -1);
    if (kio_runtime_flavor(kio_runtime_current()) == KIO_MULTI_THREAD) {
        kio_block_in_place(index_here, &self->in_place);
        assert_int_equal(self->in_place, -1);
    }
    assert_int_equal(
        kio_metrics_worker(kio_runtime_current(), (unsigned)kio_worker_index(), &self->m), 0);
    assert_int_equal(self->m.thread, gettid());
    async_return(kio_worker_index());
}

static void a_thread_knows_which_worker_it_is(void **state)
{
    (void)state;
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                        .workers = 4 }),
                     0);
    assert_int_equal(kio_worker_index(), -1);
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_int_equal(run(asks), 0);
    else
        assert_in_range(run(asks), 0, 3);
    assert_int_equal(kio_worker_index(), -1);
}

static void *block_there(void *arg)
{
    run(idle);
    *(int *)arg = gettid();
    return NULL;
}

static int worker_thread(void)
{
    struct kio_worker_metrics m;

    assert_int_equal(kio_metrics_worker(rt, 0, &m), 0);
    return m.thread;
}

static void the_thread_of_current_thread_is_who_ran_it_last(void **state)
{
    pthread_t thread;
    int there = 0;

    (void)state;
    if (rt_flavor == KIO_MULTI_THREAD)
        skip();
    open_with(&(struct kio_hooks){ 0 }, false);
    assert_int_equal(worker_thread(), 0);
    run(idle);
    assert_int_equal(worker_thread(), gettid());
    assert_int_equal(pthread_create(&thread, NULL, block_there, &there), 0);
    pthread_join(thread, NULL);
    assert_int_equal(worker_thread(), there);
    run(idle);
    assert_int_equal(worker_thread(), gettid());
}

RT_MAIN(HOOK(every_poll_of_a_task_is_told_before_and_after),
        HOOK(every_spawn_is_told_where_it_is_made_before_the_task_runs),
        HOOK(the_function_of_block_on_is_a_task_too), HOOK(an_end_is_told_before_who_joins_knows),
        HOOK(an_aborted_task_and_one_that_a_shutdown_drops_end_after_their_destructors),
        HOOK(a_name_given_with_the_spawn_is_told),
        HOOK(children_of_a_scope_are_told_by_their_own_function), HOOK(jobs_are_not_told),
        HOOK(without_memory_the_place_is_not_known),
        HOOK(with_time_polls_a_poll_is_told_how_long_the_task_waited),
        HOOK(a_park_hook_that_wakes_a_task_keeps_the_worker_awake_7835),
        HOOK(a_park_hook_that_spawns_keeps_the_worker_awake_7835),
        HOOK(a_park_hook_that_always_wakes_does_not_hold_up_timers_8222),
        HOOK(sleeps_and_their_ends_are_told_in_pairs), HOOK(a_shutdown_ends_every_sleep),
        HOOK(a_yield_polled_in_the_park_hook_wakes),
        HOOK(every_worker_that_starts_stops_and_every_task_is_dropped),
        HOOK(a_thread_knows_which_worker_it_is),
        HOOK(the_thread_of_current_thread_is_who_ran_it_last))
