/* A runtime of multi_thread without threads: tests are the workers. Behind sched/worker.c. */
#ifndef MC_WORKERS_H
#define MC_WORKERS_H

#include "park.h"
#include "tasks.h"

static struct ki_multi *m;

struct ki_sched *ki_current_new(void)
{
    return NULL;
}

void ki_current_forget(struct ki_sched *s)
{
    (void)s;
}

struct ki_worker *ki_current_worker(struct ki_sched *s)
{
    (void)s;
    return NULL;
}

static void *driver_of(void *arg, unsigned i)
{
    (void)arg, (void)i;
    return m; /* anything */
}

static void on_thread(void *arg, void *driver, bool start)
{
    (void)arg, (void)driver, (void)start;
}

static inline void begin_with(unsigned workers)
{
    mc_thread_local(&ki_worker_here, sizeof ki_worker_here);
    mc_thread_local(&ki_here, sizeof ki_here);
    m = multi_of(ki_multi_new());
    m->config = (struct ki_multi_config){ .park = &the_park, .driver_of = driver_of,
                                          .on_thread = on_thread, .workers = workers };
    m->count = workers;
    m->workers = mc_alloc(workers * sizeof *m->workers, KI_CACHE_LINE, false);
    m->idle = (struct ki_idle){ .workers = workers };
    m->base.park = &the_park;
    ki_store_relaxed(&m->running, workers + 1);
    for (unsigned i = 0; i < workers; i++)
        MC_ASSERT(!ki_mworker_init(&m->workers[i], m, i));
    ki_store_relaxed(&m->base.closed, 0);
}

/* As spawned by worker i, before it runs. */
static inline struct ki_task *spawn_on(unsigned i, uint32_t needs)
{
    struct ki_worker *w = &m->workers[i].w;
    struct ki_task *t = probe_new(&m->base, &w->nest, sizeof(struct probe), needs);

    ki_multi_spawn(&m->base, w, t);
    return t;
}

/* Polls what is in its slot and queue. */
static inline void run_own(unsigned i)
{
    struct mworker *w = &m->workers[i];
    struct ki_task *t;

    ki_worker_here = &w->w;
    while ((t = next_task(w)))
        run_task(w, t);
    ki_worker_here = NULL;
}

/* Polls what is in its slot and queue, or steals it. */
static inline void run_what_comes(unsigned i)
{
    struct mworker *w = &m->workers[i];
    struct ki_task *t;

    ki_worker_here = &w->w;
    while ((t = next_task(w)) || (t = steal(w)))
        run_task(w, t);
    ki_worker_here = NULL;
}

static inline void wake_by(struct ki_task *t, unsigned flag)
{
    ki_store_relaxed(&flags[flag], 1);
    kio_waker_wake(ki_task_waker(t));
}

static inline void nothing_queued(void)
{
    for (unsigned i = 0; i < m->count; i++) {
        MC_ASSERT(!ki_queue_len(&m->workers[i].queue));
        MC_ASSERT(!ki_lifo_has(&m->workers[i].lifo));
    }
    MC_ASSERT(!ki_load_relaxed(&m->inject.len));
    MC_ASSERT(!ki_load_relaxed(&m->base.visitors));
}

#endif
