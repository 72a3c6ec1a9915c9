/*
 * Waiting until no task and no job is left.
 *
 * Workers count the tasks they spawn and end apart, without atomic read-modify-writes, so nobody is told
 * when the last one ends: it is looked for, every some milliseconds, which a shutdown can afford and
 * a spawn need not pay for.
 *
 * Why what is found is true. Both counts only grow, and a task is counted as spawned before it can
 * end. First all ends are added up, then all spawns. Let t be the moment between: what was added up
 * of ends is at most the ends at t, those are at most the spawns at t, and these at most what was
 * added up of spawns. If the sums are equal, so are all four: no task lived at t. A job may spawn too,
 * so no job may run at t: none did before and none after, and none began in between.
 */
#include "runtime.h"
#include "../base/thread.h"

#include <errno.h>

#define KI_DRAIN_FIRST_NS 100000
#define KI_DRAIN_STEP_NS  5000000

struct sums {
    uint64_t ended, spawned;
};

static void add_ended(struct ki_worker *w, unsigned index, void *arg)
{
    (void)index;
    ((struct sums *)arg)->ended += ki_load_acquire(&w->ended); /* pairs with ki_count_ended */
}

static void add_spawned(struct ki_worker *w, unsigned index, void *arg)
{
    (void)index;
    /* relaxed: the acquire of the ends brought the spawns before them */
    ((struct sums *)arg)->spawned += ki_load_relaxed(&w->spawned);
}

/* Jobs begun so far; *busy: some are queued or run. */
static uint64_t jobs(struct kio_runtime *rt, bool *busy)
{
    struct ki_blocking_stats pool;

    ki_blocking_stats(rt->blocking, &pool);
    *busy = ki_blocking_busy(rt->blocking);
    return pool.taken;
}

static bool is_empty(struct kio_runtime *rt)
{
    struct sums sums = { 0 };
    bool before, after;
    uint64_t taken = jobs(rt, &before);

    ki_sched_each(rt->sched, add_ended, &sums);
    ki_sched_each(rt->sched, add_spawned, &sums);
    sums.spawned += ki_load_relaxed(&rt->sched->spawned); /* as add_spawned */
    return sums.spawned == sums.ended && jobs(rt, &after) == taken && !before && !after;
}

struct drain {
    struct kio_runtime *rt;
    int64_t limit;
    bool empty;
};

static bool is_over(void *arg)
{
    struct drain *d = arg;

    d->empty = is_empty(d->rt);
    /* relaxed: who closes wakes the thread until it has left */
    return d->empty || ki_load_relaxed(&d->rt->closing) || ki_clock_now() >= d->limit;
}

/* As is_over, in the loop of who runs the tasks: the sleep that may follow ends soon. */
static bool is_over_here(void *arg)
{
    struct drain *d = arg;

    if (is_over(d))
        return true;
    d->rt->drivers->park.alarm(&d->rt->drivers->park, KI_DRAIN_STEP_NS);
    return false;
}

int kio_runtime_drain(struct kio_runtime *rt, kio_duration grace)
{
    struct drain d = {
        .rt = rt,
        .limit = grace < 0 ? INT64_MAX : ki_clock_add(ki_clock_now(), grace),
    };
    int64_t step_ns = KI_DRAIN_FIRST_NS;

    if (rt->of_parent)
        return -ESHUTDOWN;
    ki_guard_no_task("kio_runtime_drain");
    ki_guard_outside(rt, "drained");
    while (!is_over(&d)) {
        if (rt->flavor == KIO_CURRENT_THREAD && ki_runtime_run_here(rt, is_over_here, &d))
            continue;
        ki_thread_nap(step_ns);
        step_ns = step_ns < KI_DRAIN_STEP_NS ? 2 * step_ns : step_ns;
    }
    if (rt->flavor == KIO_CURRENT_THREAD)
        ki_runtime_wake_waiting(rt); /* nobody may be running now */
    if (d.empty)
        return 0;
    return ki_load_relaxed(&rt->closing) ? -ESHUTDOWN : -ETIMEDOUT; /* as is_over */
}
