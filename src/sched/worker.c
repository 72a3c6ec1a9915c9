/*
 * The work-stealing scheduler: workers that run their own queues, steal from each other, and sleep.
 *
 * Where a task goes:
 *   woken or spawned by the running task   the LIFO slot (what was there goes to the queue's back):
 *                                          it runs next, with its data still in the cache; three
 *                                          times in a row at most
 *   yielded, woken during its own poll     the queue's back
 *   woken by the driver                    the queue's back, in the order of the events
 *   woken or spawned by another thread     the inject queue
 *
 * Where a worker looks: LIFO slot, own queue (and every 61 polls: timers, I/O, the inject queue),
 * inject queue, others' queues; then it looks around for some microseconds more (a sleeping worker
 * costs 25 us to wake, its waker a system call), then it sleeps in the driver.
 *
 * A worker stuck in one poll strands nothing: its queue can be stolen at any time; its LIFO slot
 * when it has been in the same poll for two beats of a sleeper's alarm (idle.h). Stealing it
 * sooner takes a task from the cache it is warm in, for nothing (tokio #8065: 30 % slower).
 *
 * The slot is an atomic pointer: only the owner puts a task in, so an empty slot is filled by a
 * plain store; everybody takes by exchange.
 */
#include "sched.h"
#include "idle.h"
#include "inject.h"
#include "queue.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/thread.h"
#include "../future/guard.h"

#include <errno.h>

/* LIFO runs in a row before the queue gets a turn; 3 as Tokio (#5712). */
#define KI_LIFO_MAX 3

/* What a worker takes from the inject queue at once, at most. */
#define KI_INJECT_TAKE 128

/* Rounds of looking around before sleep. A round of pauses is about 1 us; waking a sleeper costs
 * its waker a system call and takes 25 us, so some tens of microseconds here pay for themselves. */
#define KI_SEARCH_ROUNDS 16
#define KI_SEARCH_PAUSES 24

struct mworker {
    struct ki_worker w;
    struct ki_multi *multi;
    unsigned index;
    unsigned lifo_runs;
    pthread_t thread;
    struct ki_here *here; /* of its thread, while that runs; under ki_sched.look */
    KI_CACHE_ALIGNED ki_atomic(struct ki_task *) lifo;
    uint64_t polls_seen; /* what who beat last saw in w.polls; under ki_multi.beat */
    struct ki_queue queue;
};

struct ki_multi {
    struct ki_sched base;
    struct ki_multi_config config;
    char *memory;            /* of the workers: aligned by hand, see ki_multi_open */
    struct mworker *workers; /* while open */
    unsigned count;
    ki_atomic(uint32_t) ending;
    ki_atomic(uint32_t) running; /* threads that have not finished their loop; a futex */
    struct ki_lock beat;
    KI_CACHE_ALIGNED struct ki_inject inject;
    KI_CACHE_ALIGNED struct ki_idle idle;
};

static struct ki_multi *multi_of(struct ki_sched *sched)
{
    return (struct ki_multi *)sched; /* its first member */
}

static struct mworker *mworker_of(struct ki_worker *w)
{
    return (struct mworker *)w; /* its first member */
}

static void notify(struct ki_multi *m, bool strict)
{
    ki_idle_notify(&m->idle, m->base.park, strict);
}

/* ---- putting tasks in queues -------------------------------------------------------------- */

static void push_foreign(struct ki_multi *m, struct ki_task *task)
{
    ki_inject_push(&m->inject, task, task, 1);
    notify(m, true);
}

static void push_back(struct mworker *w, struct ki_task *task)
{
    if (kio_unlikely_(!ki_queue_push(&w->queue, task)))
        push_foreign(w->multi, task); /* 65536 wait in ours already, or there is no memory */
}

/* Work for somebody else, if there is more than this worker runs next. */
static void share(struct mworker *w)
{
    if (ki_load_relaxed(&w->multi->idle.sleepers) && ki_queue_len(&w->queue) > 1)
        notify(w->multi, false);
}

static void push_next(struct mworker *w, struct ki_task *task)
{
    struct ki_task *old = ki_load_relaxed(&w->lifo);

    if (w->w.in_turn) {
        push_back(w, task);
        return;
    }
    if (!old) {
        ki_store_release(&w->lifo, task); /* pairs with take_lifo by a thief */
        return;
    }
    old = ki_xchg_acq_rel(&w->lifo, task);
    if (old) {
        push_back(w, old);
        share(w);
    }
}

static struct ki_task *take_lifo(struct mworker *w)
{
    /* relaxed look first: mostly it is empty. acq_rel: pairs with push_next. */
    return ki_load_relaxed(&w->lifo) ? ki_xchg_acq_rel(&w->lifo, NULL) : NULL;
}

/* ---- the state word ----------------------------------------------------------------------- */

/* True: the caller must queue the task. acq_rel: see task.h; also when it was NOTIFIED already. */
static bool task_notify(struct ki_task *task)
{
    uint32_t old = ki_fetch_or_acq_rel(&task->state, KI_TASK_NOTIFIED);

    return (old & (KI_TASK_LIVE | KI_TASK_NOTIFIED | KI_TASK_RUNNING)) == KI_TASK_LIVE;
}

static void task_to_running(struct ki_task *task)
{
    /* An exchange: it acquires from every wake since the last poll, not only the first one. */
    uint32_t old = ki_xchg_acq_rel(&task->state, KI_TASK_LIVE | KI_TASK_RUNNING);

    if (kio_unlikely_(old != (KI_TASK_LIVE | KI_TASK_NOTIFIED))) {
        ki_assert((old & (KI_TASK_LIVE | KI_TASK_NOTIFIED | KI_TASK_RUNNING)) ==
                  (KI_TASK_LIVE | KI_TASK_NOTIFIED));
        if (old & KI_TASK_HELD)
            ki_look_wait(task);
    }
}

/* False: it was woken during the poll, and is NOTIFIED now. */
static bool task_to_idle(struct ki_task *task)
{
    uint32_t expected = KI_TASK_LIVE | KI_TASK_RUNNING;

    /* acq_rel: pairs with task_notify and the next task_to_running. */
    if (ki_cas_strong_acq_rel(&task->state, &expected, KI_TASK_LIVE))
        return true;
    /* Woken, or looked at by a dump, whose bit stays. acq_rel: as above. */
    return !(ki_fetch_and_acq_rel(&task->state, ~KI_TASK_RUNNING) & KI_TASK_NOTIFIED);
}

static void task_to_notified(struct ki_task *task)
{
    /* as task_to_idle */
    uint32_t old = ki_xchg_acq_rel(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);

    if (kio_unlikely_(old & KI_TASK_HELD))
        ki_look_wait(task);
}

static void task_to_over(struct ki_task *task)
{
    /* acq_rel: pairs with task_notify: late wakes find nothing */
    uint32_t old = ki_xchg_acq_rel(&task->state, 0);

    if (kio_unlikely_(old & KI_TASK_HELD))
        ki_look_wait(task);
}

static void wake(struct kio_wakeable *self)
{
    struct ki_task *task = ki_task_of(self);
    struct ki_chunk *chunk = ki_chunk_of(task);
    struct ki_worker *w;

    if (kio_unlikely_(!chunk))
        return; /* its memory was given back: its runtime ended long ago */
    w = ki_worker_of(chunk->sched);
    if (w) {
        if (task_notify(task))
            push_next(mworker_of(w), task);
        return;
    }
    if (!ki_sched_enter(chunk->sched))
        return;
    if (task_notify(task))
        push_foreign(multi_of(chunk->sched), task);
    ki_sched_leave(chunk->sched);
}

static const kio_waker_type waker_type = { .name = "task on multi_thread", .wake = wake };

void ki_multi_spawn(struct ki_sched *sched, struct ki_worker *worker, struct ki_task *task)
{
    /* release: a late wake of the slot's former task may look at it; the queue publishes the rest */
    ki_store_release(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
    if (worker)
        push_next(mworker_of(worker), task);
    else
        push_foreign(multi_of(sched), task);
}

/* ---- looking for work --------------------------------------------------------------------- */

/* Takes a fair share of the inject queue: the first to run, the rest to the own queue. */
static struct ki_task *take_injected(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    size_t max = ki_load_relaxed(&m->inject.len) / m->count + 1;
    struct ki_task *list;
    struct ki_task *first;

    if (max > KI_INJECT_TAKE)
        max = KI_INJECT_TAKE;
    if (!ki_inject_pop(&m->inject, &list, max))
        return NULL;
    first = list;
    for (struct ki_task *task = first->next; task;) {
        struct ki_task *next = task->next;

        push_back(w, task);
        task = next;
    }
    return first;
}

static struct ki_task *steal(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    unsigned start = ki_rand_below(&w->w.rand, m->count);

    for (unsigned i = 0; i < m->count; i++) {
        struct mworker *victim = &m->workers[(start + i) % m->count];
        struct ki_task *task = victim == w ? NULL : ki_queue_steal(&w->queue, &victim->queue);

        if (task)
            return task;
    }
    return take_injected(w);
}

/* The alarm went off: a worker that is in the same poll as at the last beat gives up its slot. */
static struct ki_task *steal_stuck(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    struct ki_task *task = NULL;

    if (!ki_try_lock(&m->beat, KI_RANK_LEAF))
        return NULL;
    for (unsigned i = 0; i < m->count && !task; i++) {
        struct mworker *victim = &m->workers[i];
        uint64_t polls = ki_load_relaxed(&victim->w.polls); /* a statistic is enough here */

        if (victim != w && polls == victim->polls_seen)
            task = take_lifo(victim);
        victim->polls_seen = polls;
    }
    ki_unlock(&m->beat, KI_RANK_LEAF);
    return task;
}

static unsigned turn(struct mworker *w, int64_t max_ns)
{
    unsigned taken;

    w->w.tick = 0;
    w->w.in_turn = true;
    taken = w->multi->base.park->turn(w->multi->base.park, w->w.driver, max_ns);
    w->w.in_turn = false;
    share(w);
    return taken;
}

/* Something that somebody asleep would have to be told about. */
static bool work_anywhere(struct ki_multi *m)
{
    if (ki_load_seq_cst(&m->inject.len)) /* seq_cst: see idle.h */
        return true;
    for (unsigned i = 0; i < m->count; i++) {
        if (ki_queue_len(&m->workers[i].queue))
            return true;
    }
    return false;
}

static bool is_ending(struct ki_multi *m)
{
    return ki_load_seq_cst(&m->ending); /* seq_cst: pairs with ki_multi_close, as inject.len */
}

static struct ki_task *sleep_until_woken(struct mworker *w, bool searching)
{
    struct ki_multi *m = w->multi;
    bool may_sleep;

    ki_idle_enter(&m->idle, searching);
    may_sleep = !work_anywhere(m) && !is_ending(m);
    if (may_sleep && m->base.hooks.on_park)
        m->base.hooks.on_park(m->base.hooks.arg);
    /* As long as somebody is awake, the sleepers look after it every beat. */
    if (may_sleep && ki_load_relaxed(&m->idle.sleepers) < m->count)
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
    turn(w, may_sleep ? -1 : 0);
    if (ki_idle_leave(&m->idle))
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
    if (may_sleep && m->base.hooks.on_unpark)
        m->base.hooks.on_unpark(m->base.hooks.arg);
    return steal_stuck(w);
}

static struct ki_task *search(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    struct ki_task *task = take_injected(w);
    bool searching;

    if (task)
        return task;
    searching = ki_idle_search(&m->idle);
    for (unsigned round = 0; searching && round < KI_SEARCH_ROUNDS && !is_ending(m); round++) {
        task = steal(w);
        if (task) {
            if (ki_idle_found(&m->idle) && work_anywhere(m))
                notify(m, false);
            return task;
        }
        for (unsigned i = 0; i < KI_SEARCH_PAUSES; i++)
            ki_cpu_pause();
    }
    return sleep_until_woken(w, searching);
}

/* A look at the driver by a worker that goes on working. What was meant for a sleeper it hands on:
 * without that `waking` would stay set for ever, and nobody be woken again. */
static void busy_turn(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    unsigned taken = turn(w, 0);

    if (kio_unlikely_(taken & KI_TURN_WOKEN)) {
        ki_idle_took_wake(&m->idle);
        if (work_anywhere(m))
            notify(m, true);
    }
    if (kio_unlikely_((taken & KI_TURN_ALARM) && ki_load_relaxed(&m->idle.sleepers)))
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
}

static struct ki_task *next_task(struct mworker *w)
{
    struct ki_task *task;

    if (kio_unlikely_(++w->w.tick >= KI_TURN_INTERVAL)) {
        busy_turn(w);
        task = take_injected(w);
        if (task)
            return task;
    }
    if (w->lifo_runs < KI_LIFO_MAX && (task = take_lifo(w))) {
        w->lifo_runs++;
        return task;
    }
    w->lifo_runs = 0;
    task = ki_queue_pop(&w->queue);
    return task ? task : take_lifo(w);
}

static void run_task(struct mworker *w, struct ki_task *task)
{
    uintptr_t how;

    task_to_running(task);
    if (ki_worker_poll(&w->w, task, &how) == KIO_READY) {
        task_to_over(task);
        ki_task_over(task, how, &w->w.nest);
    } else if (w->w.run.yielded) {
        task_to_notified(task);
        push_back(w, task);
        share(w);
    } else if (!task_to_idle(task)) {
        push_back(w, task);
        share(w);
    }
}

/* ---- life --------------------------------------------------------------------------------- */

/* From here on a wake finds NOTIFIED and queues nothing. */
static void mute_task(struct ki_task *task, void *arg)
{
    (void)arg;
    if (ki_load_acquire(&task->state) & KI_TASK_LIVE)
        ki_store_release(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
}

static void drop_task(struct ki_task *task, void *arg)
{
    struct mworker *w = arg;

    if (!(ki_load_acquire(&task->state) & KI_TASK_LIVE))
        return;
    ki_worker_drop(task);
    ki_count(&w->w.ended);
    ki_store_release(&task->state, 0);
    ki_task_over(task, KI_JOIN_ABORTED, &w->w.nest);
}

/* The last worker to leave drops every task; nobody runs and nobody comes in any more. */
static void drop_all(struct mworker *w)
{
    struct ki_arena *arena = &w->multi->base.arena;

    ki_sched_close(&w->multi->base);
    ki_arena_each(arena, mute_task, NULL);
    ki_arena_each(arena, drop_task, w);
}

static void show_here(struct mworker *w, struct ki_here *here)
{
    ki_lock(&w->multi->base.look, KI_RANK_RUNTIME);
    w->here = here;
    ki_unlock(&w->multi->base.look, KI_RANK_RUNTIME);
}

static void *worker_main(void *arg)
{
    struct mworker *w = arg;
    struct ki_multi *m = w->multi;

    ki_worker_here = &w->w;
    ki_here = (struct ki_here){ .stack_base = __builtin_frame_address(0) };
    show_here(w, &ki_here);
    m->config.on_thread(m->config.arg, w->index, true);
    while (!is_ending(m)) {
        struct ki_task *task = next_task(w);

        if (!task)
            task = search(w);
        if (task)
            run_task(w, task);
    }
    show_here(w, NULL);
    m->base.park->unpark(m->base.park); /* the next sleeper, that it may end too */
    /* acq_rel: the last one sees everything the others did. */
    if (ki_fetch_sub_acq_rel(&m->running, 1) == 2) {
        drop_all(w);
        ki_store_release(&m->running, 0); /* pairs with ki_multi_close */
        ki_futex_wake(&m->running, 1);
    }
    m->config.on_thread(m->config.arg, w->index, false);
    ki_worker_here = NULL;
    return NULL;
}

struct ki_sched *ki_multi_new(void)
{
    struct ki_multi *m = ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *m);

    if (!m)
        return NULL;
    *m = (struct ki_multi){ .base = { .flavor = KIO_MULTI_THREAD } };
    ki_arena_init(&m->base.arena, &m->base, &waker_type);
    ki_store_relaxed(&m->base.closed, 1);
    return &m->base;
}

unsigned ki_multi_workers(struct ki_sched *sched)
{
    return multi_of(sched)->count;
}

bool ki_multi_quiet(struct ki_sched *sched, uint64_t *polls)
{
    struct ki_multi *m = multi_of(sched);
    bool quiet;

    *polls = 0;
    if (!ki_sched_enter(sched))
        return false;
    quiet = ki_load_seq_cst(&m->idle.sleepers) == m->count && !work_anywhere(m);
    for (unsigned i = 0; i < m->count; i++) {
        *polls += ki_load_relaxed(&m->workers[i].w.polls); /* a statistic */
        quiet &= !ki_load_relaxed(&m->workers[i].lifo);    /* a sleeper's is empty for good */
    }
    ki_sched_leave(sched);
    return quiet;
}

int ki_multi_worker_of(struct ki_sched *sched, const kio_future *f)
{
    struct ki_multi *m = multi_of(sched);

    for (unsigned i = 0; i < m->count; i++) {
        struct ki_here *here = m->workers[i].here;

        /* relaxed: see ki_worker_poll */
        if (here && ki_bare_load_relaxed(&here->root) == f)
            return (int)i;
    }
    return -1;
}

static int start_thread(struct ki_multi *m, struct mworker *w)
{
    return ki_thread_start(&w->thread, worker_main, w, m->config.stack_size, m->config.name,
                           w->index);
}

static void join_threads(struct ki_multi *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(m->workers[i].thread, NULL);
}

static void forget_workers(struct ki_multi *m)
{
    for (unsigned i = 0; i < m->count; i++)
        ki_queue_free(&m->workers[i].queue);
    ki_mem_free(m->workers);
    m->workers = NULL;
    m->inject = (struct ki_inject){ 0 };
    ki_arena_trim(&m->base.arena);
}

int ki_multi_open(struct ki_sched *sched, const struct ki_multi_config *config)
{
    struct ki_multi *m = multi_of(sched);
    unsigned started = 0;
    int err = 0;

    m->workers = ki_mem_alloc_aligned(KI_CACHE_LINE, config->workers * sizeof *m->workers);
    if (!m->workers)
        return -ENOMEM;
    m->config = *config;
    m->count = config->workers;
    m->idle = (struct ki_idle){ .workers = config->workers };
    sched->park = config->park;
    ki_store_relaxed(&m->ending, 0); /* the threads' start publishes these */
    ki_store_relaxed(&m->running, config->workers + 1);
    for (unsigned i = 0; i < m->count; i++) {
        m->workers[i] = (struct mworker){ .multi = m, .index = i };
        if (ki_queue_init(&m->workers[i].queue))
            err = -ENOMEM;
        m->workers[i].w.sched = sched;
        m->workers[i].w.driver = config->driver_of(config->arg, i);
        ki_rand_seed(&m->workers[i].w.rand, config->seed + i);
    }
    if (err) {
        forget_workers(m);
        return err;
    }
    ki_store_seq_cst(&sched->closed, 0); /* seq_cst: as every store to closed */
    while (started < m->count && !(err = start_thread(m, &m->workers[started])))
        started++;
    if (!err)
        return 0;
    /* Those that started end again; the missing ones count as ended. */
    ki_fetch_sub_acq_rel(&m->running, m->count - started);
    ki_store_seq_cst(&m->ending, 1);
    sched->park->unpark(sched->park);
    join_threads(m, started);
    ki_sched_close(sched);
    forget_workers(m);
    return err;
}

int ki_multi_close(struct ki_sched *sched, int64_t timeout_ns)
{
    struct ki_multi *m = multi_of(sched);
    int64_t limit = timeout_ns < 0 ? INT64_MAX : ki_clock_add(ki_clock_now(), timeout_ns);
    uint32_t left;

    ki_store_seq_cst(&m->ending, 1); /* before the wake; pairs with is_ending before the sleep */
    sched->park->unpark(sched->park);
    /* acquire: pairs with the last worker's store of 0 */
    while ((left = ki_load_acquire(&m->running)) != 0) {
        int64_t now = ki_clock_now();

        if (now >= limit)
            return -ETIMEDOUT;
        ki_futex_wait(&m->running, left, limit == INT64_MAX ? -1 : limit - now);
    }
    join_threads(m, m->count);
    forget_workers(m);
    return 0;
}
