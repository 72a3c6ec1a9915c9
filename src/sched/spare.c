/*
 * Spare workers: for each worker that is blocked (kio_block_in_place, or found stuck by the watchdog) a
 * spare worker runs on a thread of the blocking pool, so that as many run tasks as the runtime has
 * workers. It is a worker like the others, with a queue and timers of its own; the blocked one
 * keeps what it has, which others steal. When it goes on it adds to `surplus`, and any one spare
 * that sees this retires: it hands its queue on and lies in a free list until it is needed again.
 * surplus = spares that run or are about to - workers that are blocked. It is a number and brings nothing
 * along, so whoever changes it does so relaxed; tasks go through the queues.
 * Rejected: handing the blocked worker's core to another thread, as Tokio does: a thread that is
 * stuck somewhere in a poll may touch its core at any moment.
 */
#include "multi.h"
#include "../base/mem.h"
#include "../future/guard.h"

bool ki_spare_may_retire(struct mworker *w)
{
    int cur = ki_load_relaxed(&w->multi->surplus);

    /* relaxed: see above */
    while (cur > 0 && !w->retiring) {
        if (ki_cas_weak_relaxed(&w->multi->surplus, &cur, cur - 1))
            return w->retiring = true;
    }
    return w->retiring;
}

/* False: the runtime has ended, or is about to. */
static bool join_running(struct ki_multi *m)
{
    uint32_t cur = ki_load_relaxed(&m->running);

    do {
        if (cur < 2)
            return false;
        /* relaxed: it has done nothing yet, and what those wrote that left goes on to the last one through
         * every read-modify-write */
    } while (!ki_cas_weak_relaxed(&m->running, &cur, cur + 1));
    return true;
}

/* Of a spare that retires. Its timers stay in its wheel, for the others: but the alarm is set by who goes
 * to sleep, and who sleeps already knows nothing of those it armed last. So one comes back and sets it. */
static void hand_on(struct mworker *w)
{
    struct ki_task *task;

    ki_mworker_settle(w);
    while ((task = ki_lifo_take(&w->lifo)) || (task = ki_queue_pop(&w->queue)))
        push_foreign(w->multi, task);
    notify(w->multi, true);
}

static bool start_spare(struct ki_multi *m);

static void put_spare(struct mworker *w)
{
    struct ki_multi *m = w->multi;

    ki_lock(&m->spare_lock, KI_RANK_RUNTIME);
    w->free = m->spare_free;
    m->spare_free = w;
    ki_unlock(&m->spare_lock, KI_RANK_RUNTIME);
    ki_fetch_sub_release(&m->standing_in, 1); /* pairs with ki_multi_quiet; see there */
}

static void spare_main(struct ki_job *job)
{
    struct mworker *w = ki_container(job, struct mworker, job);
    struct ki_multi *m = w->multi;

    if (join_running(m)) {
        ki_mworker_begin(w, __builtin_frame_address(0));
        w->retiring = false;
        ki_mworker_work(w);
        if (is_ending(m))
            m->base.park->unpark(m->base.park); /* as worker_main */
        else
            hand_on(w);
        ki_mworker_leave(w);
        ki_mworker_end(w);
    }
    put_spare(w);
    (void)start_spare(m); /* somebody may have wanted one while there was none */
}

static void spare_cancel(struct ki_job *job)
{
    put_spare(ki_container(job, struct mworker, job));
}

/* Under spare_lock. */
static struct mworker *new_spare(struct ki_multi *m)
{
    struct mworker *w = m->spare_count < m->config.spares
                            ? ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *w)
                            : NULL;

    if (!w)
        return NULL;
    if (ki_mworker_init(w, m, m->count + m->spare_count)) {
        ki_mworker_fini(w); /* the driver stays in the runtime's list until that is freed */
        ki_mem_free(w);
        return NULL;
    }
    w->job = (struct ki_job){ .run = spare_main, .cancel = spare_cancel };
    w->is_spare = true;
    w->sleep_ns = KI_BEAT_NS; /* it looks at surplus then: who adds to it wakes nobody */
    w->older = ki_load_relaxed(&m->spares); /* written under the lock */
    ki_store_release(&m->spares, w);        /* pairs with each_spare */
    m->spare_count++;
    return w;
}

/* If one is missing and is to be had: under the lock, so that of one who misses a spare and one who
 * brings it back the second sees the other. */
static struct mworker *get_missing(struct ki_multi *m)
{
    struct mworker *w = NULL;

    ki_lock(&m->spare_lock, KI_RANK_RUNTIME);
    if (ki_load_relaxed(&m->surplus) < 0) { /* lowered before the lock was taken */
        w = m->spare_free;
        if (w)
            m->spare_free = w->free;
        else
            w = new_spare(m);
        if (w)
            ki_fetch_add_relaxed(&m->surplus, 1);
    }
    ki_unlock(&m->spare_lock, KI_RANK_RUNTIME);
    return w;
}

static bool start_spare(struct ki_multi *m)
{
    struct mworker *w = get_missing(m);

    if (!w)
        return false;
    /* relaxed: the pool brings it to the spare, and the spare's sleep to ki_multi_quiet */
    ki_fetch_add_relaxed(&m->standing_in, 1);
    if (!ki_blocking_submit(m->config.blocking, &w->job, KI_LANE_SPARE))
        return true;
    ki_fetch_sub_relaxed(&m->surplus, 1);
    put_spare(w);
    return false;
}

bool ki_multi_stand_in(struct ki_sched *sched)
{
    struct ki_multi *m = multi_of(sched);

    if (ki_fetch_sub_relaxed(&m->surplus, 1) > 0)
        return true; /* one that was to retire stays */
    return start_spare(m);
}

void ki_multi_stand_down(struct ki_sched *sched)
{
    ki_fetch_add_relaxed(&multi_of(sched)->surplus, 1);
}

static void free_next(struct ki_multi *m, struct ki_task *next)
{
    if (next)
        push_foreign(m, next);
    else if (ki_multi_has_work(m))
        notify(m, true);
}

void ki_multi_free_next(struct ki_worker *stuck)
{
    struct mworker *w = mworker_of(stuck);

    ki_multi_free_lingering(w);
    free_next(w->multi, ki_lifo_steal(&w->lifo));
}

void *ki_multi_step_aside(struct ki_worker *base, void *(*fn)(void *), void *arg)
{
    struct mworker *w = mworker_of(base);
    struct ki_here here = ki_here;
    struct kio_wakeable *self = base->run.self;
    void *out;

    (void)ki_multi_stand_in(base->sched);
    ki_mworker_settle(w);
    free_next(w->multi, ki_lifo_take(&w->lifo));
    ki_multi_steps_aside(w);
    /* The watchdog leaves it alone. release: as in task_to_running */
    ki_bare_store_release(&base->run.self, NULL);
    /* As any thread outside: what fn wakes and spawns goes where others find it. */
    ki_worker_here = NULL;
    ki_here_set((struct ki_here){ 0 });
    out = fn(arg);
    ki_here_set(here);
    ki_worker_here = base;
    ki_bare_store_release(&base->run.self, self);
    ki_multi_stand_down(base->sched);
    return out;
}

unsigned ki_multi_spares(struct ki_sched *sched)
{
    return ki_load_relaxed(&multi_of(sched)->standing_in); /* a statistic */
}
