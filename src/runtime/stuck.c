/*
 * Deadlock: a runtime sleeps, somebody is in block_on, and nothing is left that could wake a task.
 *
 * What can be known. A task is woken by a timer, an fd, a job of the blocking pool, another task, or
 * a thread that is no worker. The first three are counted, tasks sleep all; a waker that a thread
 * holds is known to nobody (wakers are not counted). But if there is no such thread in the process,
 * nobody can: that is a deadlock for certain, and reported. With other threads it may be the normal
 * state of a program whose events come from them: reported only if the config asks for it.
 *
 * Order: the threads are counted first, then what they may have woken is looked at: one that woke
 * somebody and ended is seen by its wake.
 *
 * When it is looked at: current_thread, a sleep in which nothing is armed gets an alarm (a timerfd),
 * unless one is set already: so a program that sleeps and is woken a million times a second by other
 * threads sets one a second. multi_thread: the thread in block_on looks. After stuck_after, then each
 * time after twice as long, because a thread may end later. A timeout of each sleep was tried first:
 * 0.5 us a sleep (bench cross_wake).
 */
#include "runtime.h"
#include "../base/thread.h"

#include <kioto/debug.h>

static bool has_timers(struct kio_runtime *rt)
{
    for (unsigned i = 0; i < rt->drivers->count; i++) {
        struct ki_driver *d = &rt->drivers->each[i];

        /* relaxed: nobody arms or fires one while all sleep */
        if (rt->drivers->shared ? ki_load_relaxed(&d->next_ns) != INT64_MAX : d->wheel.count != 0)
            return true;
    }
    return false;
}

/* An event that will come, as far as anybody knows. */
static bool is_armed(struct kio_runtime *rt)
{
    return has_timers(rt) || ki_load_relaxed(&rt->drivers->poller.fds);
}

static bool is_quiet(struct kio_runtime *rt, uint64_t *polls)
{
    bool quiet = rt->flavor == KIO_CURRENT_THREAD ? ki_current_quiet(rt->sched, polls)
                                                  : ki_multi_quiet(rt->sched, polls);

    return quiet && !ki_blocking_busy(rt->blocking);
}

/* No thread but this one, the workers, idle ones of the pool, and those that only dump. A thread of
 * the pool that is just ending counts too much, which errs to the safe side. */
static bool is_alone(struct kio_runtime *rt)
{
    int own = 1 + (int)ki_blocking_threads(rt->blocking) + ki_load_relaxed(&ki_thread_idlers);
    int all = ki_thread_count();

    if (rt->flavor == KIO_MULTI_THREAD)
        own += (int)rt->drivers->count;
    return all > 0 && all <= own;
}

static void report(struct kio_runtime *rt, bool alone, int64_t slept_ns)
{
    if (alone)
        fprintf(stderr,
                "kioto: deadlock: nothing can wake a task of runtime %s any more: no timer, no fd, no "
                "job and no other thread is left\n",
                rt->name);
    else
        fprintf(stderr,
                "kioto: runtime %s has slept for %.1f s without a timer, an fd or a job: only another "
                "thread can wake it\n",
                rt->name, (double)slept_ns / 1e9);
    (void)kio_runtime_dump(rt, stderr);
}

/* Whether it was said. */
static bool say(struct kio_runtime *rt, const struct ki_stuck *stuck, int64_t slept_ns)
{
    bool alone = is_alone(rt); /* first: see above */
    uint64_t polls;

    if ((!alone && !rt->stuck_asked) || !is_quiet(rt, &polls) || is_armed(rt) || polls != stuck->polls)
        return false;
    report(rt, alone, slept_ns);
    return true;
}

int64_t ki_stuck_look(struct kio_runtime *rt, struct ki_stuck *stuck)
{
    int64_t now;
    uint64_t polls;
    bool quiet;

    if (rt->stuck_after_ns < 0 || is_armed(rt)) {
        stuck->since_ns = 0;
        return -1;
    }
    now = ki_clock_now();
    quiet = is_quiet(rt, &polls);
    if (!quiet || !stuck->since_ns || polls != stuck->polls)
        *stuck = (struct ki_stuck){ .polls = polls, .since_ns = now, .next_ns = rt->stuck_after_ns };
    else if (!stuck->said && now - stuck->since_ns >= stuck->next_ns) {
        stuck->said = say(rt, stuck, now - stuck->since_ns);
        stuck->next_ns = ki_clock_add(stuck->next_ns, stuck->next_ns);
    }
    return stuck->said ? -1 : stuck->next_ns - (now - stuck->since_ns);
}

void ki_stuck_before_sleep(struct kio_runtime *rt)
{
    int64_t in_ns;

    /* relaxed: this thread sets it and takes it */
    if (ki_load_relaxed(&rt->drivers->alarm_ns) != INT64_MAX || rt->stuck_after_ns < 0)
        return;
    in_ns = ki_stuck_look(rt, &rt->stuck);
    if (in_ns >= 0)
        rt->drivers->park.alarm(&rt->drivers->park, in_ns);
}
