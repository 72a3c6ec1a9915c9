/* A runtime's life: put together, shut down, freed. */
#include "runtime.h"
#include "../base/biased.h"
#include "../base/mem.h"
#include "../base/thread.h"
#include "../driver/readiness.h"
#include "../future/guard.h"
#include "../future/nodes.h"
#include "../sched/hooks.h"

#include <kioto/debug.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the parts ask of the runtime ---------------------------------------------------- */

static void *driver_of(void *arg, unsigned i)
{
    struct ki_drivers *all = ((struct kio_runtime *)arg)->drivers;

    return i < all->count ? &all->each[i] : ki_drivers_more(all);
}

static void on_worker(void *arg, void *driver, bool start)
{
    struct kio_runtime *rt = arg;

    if (start) {
        ki_context_set((struct ki_context){ rt, driver });
        if (rt->hooks.on_start)
            rt->hooks.on_start(rt->hooks.arg);
    } else {
        if (rt->hooks.on_stop)
            rt->hooks.on_stop(rt->hooks.arg);
        ki_context_set((struct ki_context){ NULL, NULL });
    }
}

static void on_pool_thread(void *arg, bool start)
{
    ki_context_set_pool(start ? arg : NULL);
}

static void on_pool_quiet(void *arg)
{
    ki_drivers_quiet(((struct kio_runtime *)arg)->drivers);
}

static void before_sleep(void *arg)
{
    ki_stuck_before_sleep(arg);
}

static unsigned jobs_busy(void *arg)
{
    return ki_blocking_busy(((struct kio_runtime *)arg)->blocking);
}

/* ---- all of them --------------------------------------------------------------------------- */

static ki_atomic(uint64_t) next_id = 1;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kio_runtime *all;

void ki_runtimes_lock(void)
{
    pthread_mutex_lock(&all_lock);
}

void ki_runtimes_unlock(void)
{
    pthread_mutex_unlock(&all_lock);
}

struct kio_runtime *ki_runtimes_first(void)
{
    return all;
}

static void enlist(struct kio_runtime *rt)
{
    ki_runtimes_lock();
    rt->next = all;
    all = rt;
    ki_runtimes_unlock();
}

static void delist(struct kio_runtime *rt)
{
    struct kio_runtime **at;

    ki_runtimes_lock();
    for (at = &all; *at != rt; at = &(*at)->next)
        ;
    *at = rt->next;
    ki_runtimes_unlock();
}

/* ---- in a forked child -------------------------------------------------------------------- */

/* None of the runtimes' threads are here, and other threads may have held any lock at that moment. So
 * the parent's runtimes are as after a shutdown, without a destructor run, and what the process's
 * runtimes share is begun anew; what it had is the parent's, and stays where it is. */
static void forked(void)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

    all_lock = fresh;
    for (struct kio_runtime *rt = all; rt; rt = rt->next) {
        rt->of_parent = true;
        ki_store_seq_cst(&rt->closing, 1);
        ki_store_seq_cst(&rt->sched->closed, 1);
    }
    all = NULL;
    ki_thread_forked();
    ki_biases_forked();
    ki_thread_wakers_forked();
    ki_nodes_forked();
    ki_scheds_forked();
    ki_readies_forked();
}

static pthread_once_t watch_forks_once = PTHREAD_ONCE_INIT;

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forked); /* fails without memory: then forks are not watched */
}

/* ---- making ------------------------------------------------------------------------------- */

static int open_sched(struct kio_runtime *rt, const struct kio_runtime_config *c)
{
    rt->sched = ki_sched_get(rt->flavor);
    if (!rt->sched)
        return -ENOMEM;
    rt->sched->hooks = c->hooks;
    ki_arena_observe(&rt->sched->arena, c->time_polls, ki_hooks_on_tasks(&c->hooks));
    rt->sched->before_sleep = before_sleep;
    rt->sched->before_sleep_arg = rt;
    if (c->watchdog) {
        int err = ki_watchdog_start(&rt->watchdog, rt->sched, c); /* before any worker runs */

        if (err)
            return err;
    }
    if (rt->flavor == KIO_CURRENT_THREAD)
        return ki_current_open(rt->sched, &rt->drivers->park, &rt->drivers->each[0], c->seed,
                               rt->seeded, c->time_polls);
    return ki_multi_open(rt->sched, &(struct ki_multi_config){
                                        .park = &rt->drivers->park,
                                        .blocking = rt->blocking,
                                        .spares = c->max_blocking,
                                        .driver_of = driver_of,
                                        .on_thread = on_worker,
                                        .arg = rt,
                                        .workers = c->workers,
                                        .times = c->time_polls,
                                        .stack_size = c->stack_size,
                                        .name = rt->name,
                                        .seed = c->seed,
                                    });
}

static int open_blocking(struct kio_runtime *rt, const struct kio_runtime_config *c)
{
    return ki_blocking_new(&rt->blocking, &(struct ki_blocking_config){
                                              .max_threads = c->max_blocking,
                                              .keep_alive_ns = c->blocking_keep_alive,
                                              .stack_size = c->stack_size,
                                              .name = rt->name,
                                              .on_thread = on_pool_thread,
                                              .on_quiet = on_pool_quiet,
                                              .arg = rt,
                                          });
}

static void release(struct kio_runtime *rt)
{
    ki_watchdog_stop(rt->watchdog);
    ki_blocking_free(rt->blocking);
    if (rt->sched)
        ki_sched_put(rt->sched);
    ki_drivers_free(rt->drivers);
    pthread_mutex_destroy(&rt->looking);
    ki_mem_free(rt);
}

static int open_parts(struct kio_runtime *rt, const struct kio_runtime_config *c)
{
    int err;

    rt->drivers = ki_drivers_new(c->workers, rt->flavor == KIO_MULTI_THREAD, &err);
    if (!rt->drivers)
        return err;
    rt->drivers->busy = jobs_busy;
    rt->drivers->busy_arg = rt;
    if (c->start_paused)
        ki_clock_pause(&rt->drivers->each[0].clock);
    if (rt->seeded)
        ki_driver_start_at(&rt->drivers->each[0], KIO_SEC);
    err = open_blocking(rt, c);
    return err ? err : open_sched(rt, c); /* last: workers start here */
}

int kio_runtime_new(struct kio_runtime **out, const struct kio_runtime_config *config)
{
    struct kio_runtime_config c = config ? *config : (struct kio_runtime_config){ 0 };
    struct kio_runtime *rt;
    int err = ki_config_complete(&c);

    *out = NULL;
    pthread_once(&watch_forks_once, watch_forks);
    if (!err && c.dump_signal)
        err = kio_dump_on_signal(c.dump_signal);
    if (err)
        return err;
    rt = ki_mem_zalloc(sizeof *rt);
    if (!rt)
        return -ENOMEM;
    rt->seeded = c.flavor == KIO_DETERMINISTIC;
    rt->flavor = rt->seeded ? KIO_CURRENT_THREAD : c.flavor;
    rt->id = ki_fetch_add_relaxed(&next_id, 1); /* only uniqueness matters */
    pthread_mutex_init(&rt->looking, NULL);
    rt->hooks = c.hooks;
    rt->stuck_after_ns = c.stuck_after;
    rt->stuck_asked = config && config->stuck_after > 0;
    strncpy(rt->name, c.name, sizeof rt->name - 1);
    err = open_parts(rt, &c);
    if (err) {
        release(rt);
        return err;
    }
    enlist(rt);
    *out = rt;
    return 0;
}

struct kio_runtime *kio_main_begin_(const struct kio_runtime_config *config)
{
    struct kio_runtime *rt;
    int err = kio_runtime_new(&rt, config);

    if (err) {
        fprintf(stderr, "kioto: the runtime cannot start: %s\n", strerror(-err));
        exit(EXIT_FAILURE);
    }
    return rt;
}

unsigned kio_runtime_workers(const struct kio_runtime *rt)
{
    return rt->drivers->count;
}

enum kio_flavor kio_runtime_flavor(const struct kio_runtime *rt)
{
    return rt->seeded ? KIO_DETERMINISTIC : rt->flavor;
}

const char *kio_runtime_name(const struct kio_runtime *rt)
{
    return rt->name;
}

uint64_t kio_runtime_id(const struct kio_runtime *rt)
{
    return rt->id;
}

/* ---- ending ------------------------------------------------------------------------------- */

static int try_close_current(struct kio_runtime *rt)
{
    struct ki_context before = ki_context_set((struct ki_context){ rt, driver_of(rt, 0) });
    int err;

    pthread_mutex_lock(&rt->looking); /* a dump takes the runtime for a moment */
    err = ki_current_close(rt->sched);
    pthread_mutex_unlock(&rt->looking);
    ki_context_set(before);
    return err;
}

/* Who runs the tasks leaves after its poll, because `closing` is set: it is told to look. */
static int close_current(struct kio_runtime *rt, int64_t limit)
{
    int64_t step_ns = 50000;

    while (try_close_current(rt) == -EBUSY) {
        if (ki_clock_now() >= limit)
            return -ETIMEDOUT;
        rt->drivers->park.unpark(&rt->drivers->park);
        ki_thread_nap(step_ns);
        step_ns = step_ns < 5000000 ? 2 * step_ns : step_ns;
    }
    return 0;
}

static int close_sched(struct kio_runtime *rt, int64_t timeout_ns, int64_t limit)
{
    return rt->flavor == KIO_CURRENT_THREAD ? close_current(rt, limit)
                                            : ki_multi_close(rt->sched, timeout_ns);
}

void ki_guard_outside(const struct kio_runtime *rt, const char *what)
{
    if (ki_worker_of(rt->sched) || ki_context_on_pool_of(rt))
        ki_guard_fail(ki_guard_here(),
                      "let the main task return, and shut down where block_on was called",
                      "a runtime is %s from one of its own tasks or jobs", what);
}

int kio_runtime_shutdown(struct kio_runtime *rt, kio_duration timeout)
{
    int64_t limit = timeout < 0 ? INT64_MAX : ki_clock_add(ki_clock_now(), timeout);
    int err;

    if (rt->of_parent)
        return 0; /* nothing of it runs here */
    ki_guard_outside(rt, "shut down");
    ki_store_seq_cst(&rt->closing, 1); /* a hint to spawners; the gate decides */
    if (!rt->sched_closed) {
        err = close_sched(rt, timeout, limit);
        if (err)
            return err;
        rt->sched_closed = true;
        ki_ready_orphan(&rt->drivers->poller);
    }
    if (timeout >= 0) {
        timeout = limit - ki_clock_now();
        timeout = timeout < 0 ? 0 : timeout;
    }
    return ki_blocking_shutdown(rt->blocking, timeout);
}

void kio_runtime_free(struct kio_runtime *rt)
{
    if (!rt)
        return;
    if (ki_context_is_entered(rt))
        ki_guard_fail(ki_guard_here(), "kio_runtime_leave it first",
                      "kio_runtime_free of a runtime that this thread has entered");
    if (rt->of_parent) {
        ki_drivers_free(rt->drivers); /* our copies of its fds; the rest may be in use there */
        rt->drivers = NULL;
        return;
    }
    (void)kio_runtime_shutdown(rt, -1); /* waits for ever, so it ends well */
    delist(rt);
    release(rt);
}
