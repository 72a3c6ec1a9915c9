#include "driver.h"
#include "../base/mem.h"

#include <errno.h>

/* Wakers collected under the lock and woken after it. 32 as Tokio: two cache lines of pointers
 * and more than most turns have. */
#define KI_FIRE_BATCH 32

_Thread_local struct ki_driver *ki_driver_here;

static void lock(struct ki_driver *d)
{
    if (d->all->shared)
        ki_lock(&d->lock, KI_RANK_WHEEL);
}

static void unlock(struct ki_driver *d)
{
    if (d->all->shared)
        ki_unlock(&d->lock, KI_RANK_WHEEL);
}

/* Under the lock: what others may read without it. relaxed: a hint, the wheel is looked at under
 * its lock; sleepers that miss a change are woken by the beat (sched/idle.h). */
static void publish_locked(struct ki_driver *d)
{
    ki_store_relaxed(&d->next_ns, ki_wheel_next(&d->wheel));
}

/* This one and ki_timer_take are inline for the link-time optimiser: with more than one caller it would
 * keep the call in the hot one, which costs 20 instructions a timer. */
inline void ki_timer_arm(struct ki_driver *d, struct kio_timer_ *t, kio_waker waker)
{
    t->waker = kio_waker_clone(waker);
    lock(d);
    ki_wheel_arm(&d->wheel, t);
    if (t->deadline_ns < ki_load_relaxed(&d->next_ns))
        ki_store_relaxed(&d->next_ns, t->deadline_ns);
    unlock(d);
}

static bool is_armed(const struct kio_timer_ *t)
{
    /* acquire: pairs with fire, which lets go of the timer with its store of NULL */
    struct kio_timer_ *const *prev = ki_bare_load_acquire(&t->prev);

    return prev && prev != &t->next; /* an orphan */
}

bool ki_timer_rearm(struct ki_driver *d, struct kio_timer_ *t, kio_waker waker)
{
    kio_waker old = { NULL };
    bool armed;

    if (!is_armed(t))
        return false;
    lock(d);
    armed = t->prev != NULL;
    if (armed && !kio_waker_will_wake(t->waker, waker)) {
        old = t->waker;
        t->waker = kio_waker_clone(waker);
    }
    unlock(d);
    kio_waker_drop(old);
    return armed;
}

inline kio_waker ki_timer_take(struct ki_driver *d, struct kio_timer_ *t)
{
    kio_waker waker = { NULL };

    if (!is_armed(t))
        return waker;
    lock(d);
    if (t->prev) {
        ki_wheel_cancel(&d->wheel, t);
        waker = t->waker;
        t->waker.to = NULL;
        ki_bare_store_relaxed(&t->prev, NULL); /* we are its owner */
    }
    unlock(d);
    return waker;
}

/* Wakes what is due; with a batch of wakers at a time, because no foreign code runs under a lock. */
static void fire(struct ki_driver *d, int64_t now_ns)
{
    unsigned count;

    do {
        kio_waker batch[KI_FIRE_BATCH];
        struct kio_timer_ *t;

        count = 0;
        lock(d);
        while (count < KI_FIRE_BATCH && (t = ki_wheel_take(&d->wheel, now_ns))) {
            batch[count++] = t->waker;
            __builtin_prefetch(t->waker.to, 1); /* a task that slept for long is in no cache */
            t->waker.to = NULL;
            /* release: pairs with is_armed: from here on it is the owner's */
            ki_bare_store_release(&t->prev, NULL);
        }
        publish_locked(d);
        unlock(d);
        for (unsigned i = 0; i < count; i++)
            kio_waker_wake(batch[i]);
    } while (count == KI_FIRE_BATCH);
}

/* As fire(), for a clock that shows exact instants: of the tick's timers only those due by now_ns.
 * True: there may be more. */
static bool fire_exactly(struct ki_driver *d, int64_t now_ns)
{
    int64_t tick_end = now_ns > INT64_MAX - KI_TICK_NS ? INT64_MAX
                                                       : (now_ns + KI_TICK_NS - 1) & ~(KI_TICK_NS - 1);
    kio_waker batch[KI_FIRE_BATCH];
    struct kio_timer_ *later = NULL;
    struct kio_timer_ *t;
    unsigned count = 0;

    while (count < KI_FIRE_BATCH && (t = ki_wheel_take(&d->wheel, tick_end))) {
        if (t->deadline_ns > now_ns) {
            t->next = later;
            later = t;
            continue;
        }
        batch[count++] = t->waker;
        t->waker.to = NULL;
        ki_bare_store_relaxed(&t->prev, NULL); /* this thread's, as its owner */
    }
    while ((t = later)) {
        later = t->next;
        ki_wheel_arm(&d->wheel, t);
    }
    for (unsigned i = 0; i < count; i++)
        kio_waker_wake(batch[i]);
    return count == KI_FIRE_BATCH;
}

bool ki_driver_step(struct ki_driver *d, int64_t at_ns)
{
    int64_t next = ki_wheel_earliest(&d->wheel);

    if (next > at_ns) {
        ki_clock_jump(&d->clock, at_ns);
        return true;
    }
    ki_clock_jump(&d->clock, next);
    while (fire_exactly(d, d->clock.now_ns))
        ;
    return false;
}

void ki_driver_start_at(struct ki_driver *d, int64_t at_ns)
{
    d->clock.now_ns = at_ns;
    ki_wheel_init(&d->wheel, at_ns);
}

/* ---- the alarm ---------------------------------------------------------------------------- */

/* The sleepers' timerfd goes off at the earlier of what is set and at_ns. */
static void set_alarm(struct ki_drivers *all, int64_t at_ns)
{
    /* relaxed look first: mostly an earlier one is set. The lock keeps an earlier setting from
     * being overwritten by a later one. */
    if (ki_load_relaxed(&all->alarm_ns) <= at_ns)
        return;
    ki_lock(&all->alarm_lock, KI_RANK_LEAF);
    if (ki_load_relaxed(&all->alarm_ns) > at_ns) {
        ki_store_relaxed(&all->alarm_ns, at_ns);
        ki_poller_set_timer(&all->poller, at_ns);
    }
    ki_unlock(&all->alarm_lock, KI_RANK_LEAF);
}

/* It fired: it has to be set again. */
static void took_alarm(struct ki_drivers *all, const struct ki_polled *seen)
{
    if (kio_unlikely_(seen->timer))
        ki_store_relaxed(&all->alarm_ns, INT64_MAX); /* relaxed: as in set_alarm */
}

static void alarm_in(struct ki_park *park, int64_t max_ns)
{
    struct ki_drivers *all = (struct ki_drivers *)park;

    /* One clock reading a park, not one a poll. */
    set_alarm(all, ki_clock_add(ki_clock_now(), max_ns));
}

/* current_thread's waits have a timeout of their own; its timerfd is made when it is first wanted. */
static void alarm_alone(struct ki_park *park, int64_t max_ns)
{
    struct ki_drivers *all = (struct ki_drivers *)park;

    if (ki_poller_need_timer(&all->poller))
        alarm_in(park, max_ns);
}

/* ---- current_thread ----------------------------------------------------------------------- */

/* Without an fd there is nothing to find, and a worker that is awake needs no wake. relaxed: an fd that
 * another thread registers is seen a turn later. */
static void look(struct ki_drivers *all, int64_t wait_ns, struct ki_polled *seen)
{
    if (wait_ns == 0 && !ki_load_relaxed(&all->poller.fds)) {
        seen->count = 0; /* the events are not looked at then */
        seen->woken = seen->timer = false;
    } else {
        ki_poller_wait(&all->poller, wait_ns, seen);
    }
}

static void turn_paused(struct ki_drivers *all, struct ki_driver *d, int64_t max_ns)
{
    /* Nothing to run: jump to the next timer, unless a job or a wake may still come first. A job
     * that is not busy any more has sent its wakes: so that is asked before the poll. `held` asks
     * to be woken when the last job ends; seq_cst: before the look at busy, see ki_drivers_quiet. */
    bool busy = false;
    struct ki_polled seen;

    if (max_ns != 0 && all->busy) {
        ki_store_seq_cst(&all->held, 1);
        busy = all->busy(all->busy_arg) != 0;
    }
    ki_poller_wait(&all->poller, 0, &seen);
    if (max_ns != 0 && !seen.count && !seen.woken && !seen.timer) {
        if (busy || ki_wheel_earliest(&d->wheel) == INT64_MAX)
            ki_poller_wait(&all->poller, max_ns, &seen);
        else
            ki_driver_step(d, INT64_MAX - 1);
    }
    took_alarm(all, &seen);
    ki_poller_deliver(&seen);
}

void ki_drivers_quiet(struct ki_drivers *all)
{
    /* seq_cst: after the last job left `busy`; pairs with turn_paused. The exchange only chooses one to
     * wake: any order would do. */
    if (ki_load_seq_cst(&all->held) && ki_xchg_seq_cst(&all->held, 0))
        ki_poller_wake(&all->poller);
}

static unsigned turn_alone(struct ki_park *park, void *local, int64_t max_ns)
{
    struct ki_drivers *all = (struct ki_drivers *)park; /* its first member */
    struct ki_driver *d = local;
    struct ki_polled seen;
    int64_t wait_ns = max_ns;

    if (d->clock.paused) {
        turn_paused(all, d, max_ns);
        return 0;
    }
    if (max_ns != 0) {
        int64_t next = ki_wheel_next(&d->wheel);
        int64_t until = next == INT64_MAX ? INT64_MAX : next - ki_clock_refresh(&d->clock);

        if (until < 0)
            until = 0;
        if (until != INT64_MAX && (max_ns < 0 || until < max_ns))
            wait_ns = until;
    }
    look(all, wait_ns, &seen);
    took_alarm(all, &seen);
    if (d->wheel.count)
        fire(d, ki_clock_refresh(&d->clock));
    ki_poller_deliver(&seen);
    return 0; /* one thread: what it takes is its own */
}

/* ---- multi_thread ------------------------------------------------------------------------- */

/* acquire: pairs with ki_drivers_more. */
#define each_more(d, all)                                                                          \
    for (struct ki_driver *d = ki_load_acquire(&(all)->more); d; d = d->older)

static int64_t earliest_of_all(struct ki_drivers *all)
{
    int64_t best = INT64_MAX;

    for (unsigned i = 0; i < all->count; i++) {
        int64_t next = ki_load_relaxed(&all->each[i].next_ns); /* see publish_locked */

        if (next < best)
            best = next;
    }
    each_more(d, all) {
        int64_t next = ki_load_relaxed(&d->next_ns);

        if (next < best)
            best = next;
    }
    return best;
}

static void fire_all(struct ki_drivers *all, int64_t now_ns)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (ki_load_relaxed(&all->each[i].next_ns) <= now_ns)
            fire(&all->each[i], now_ns);
    }
    each_more(d, all) {
        if (ki_load_relaxed(&d->next_ns) <= now_ns)
            fire(d, now_ns);
    }
}

static unsigned turn_shared(struct ki_park *park, void *local, int64_t max_ns)
{
    struct ki_drivers *all = (struct ki_drivers *)park;
    struct ki_driver *mine = local;
    struct ki_polled seen;
    int64_t next;

    if (max_ns != 0 && (next = earliest_of_all(all)) != INT64_MAX)
        set_alarm(all, next);
    look(all, max_ns, &seen);
    took_alarm(all, &seen);
    if (earliest_of_all(all) != INT64_MAX)
        fire_all(all, ki_clock_refresh(&mine->clock));
    /* The one who took the alarm may be busy for long: the sleepers need one. */
    if (seen.timer && (next = earliest_of_all(all)) != INT64_MAX)
        set_alarm(all, next);
    ki_poller_deliver(&seen);
    return (seen.woken ? KI_TURN_WOKEN : 0u) | (seen.timer ? KI_TURN_ALARM : 0u);
}

/* ---- life --------------------------------------------------------------------------------- */

static void unpark(struct ki_park *park)
{
    ki_poller_wake(&((struct ki_drivers *)park)->poller);
}

size_t ki_drivers_timers(struct ki_drivers *all)
{
    size_t count = 0;

    for (unsigned i = 0; i < all->count; i++)
        count += ki_bare_load_relaxed(&all->each[i].wheel.count); /* see wheel.h */
    each_more(d, all)
        count += ki_bare_load_relaxed(&d->wheel.count);
    return count;
}

static void init_driver(struct ki_driver *d, struct ki_drivers *all)
{
    d->all = all;
    ki_clock_init(&d->clock);
    ki_wheel_init(&d->wheel, d->clock.now_ns);
    ki_store_relaxed(&d->next_ns, INT64_MAX);
}

struct ki_drivers *ki_drivers_new(unsigned count, bool shared, int *err)
{
    struct ki_drivers *all = ki_mem_zalloc(sizeof *all + count * sizeof all->each[0]);

    *err = -ENOMEM;
    if (!all)
        return NULL;
    *err = ki_poller_open(&all->poller, shared);
    if (*err) {
        ki_mem_free(all);
        return NULL;
    }
    all->park = (struct ki_park){
        .turn = shared ? turn_shared : turn_alone,
        .unpark = unpark,
        .alarm = shared ? alarm_in : alarm_alone,
    };
    all->count = count;
    all->shared = shared;
    ki_store_relaxed(&all->alarm_ns, INT64_MAX);
    for (unsigned i = 0; i < count; i++)
        init_driver(&all->each[i], all);
    return all;
}

struct ki_driver *ki_drivers_more(struct ki_drivers *all)
{
    struct ki_driver *d = ki_mem_zalloc(sizeof *d);

    if (!d)
        return NULL;
    init_driver(d, all);
    d->older = ki_load_relaxed(&all->more); /* one caller at a time */
    ki_store_release(&all->more, d);        /* pairs with each_more */
    return d;
}

/* What is still armed belongs to futures that are not the runtime's: they look again, and arm their
 * timers where they are polled. */
static void leave_orphans(struct ki_driver *d)
{
    struct kio_timer_ *t;

    while ((t = ki_wheel_any(&d->wheel))) {
        kio_waker waker = t->waker;

        t->waker.to = NULL;
        /* see ki_timer_is_orphan. release: as in fire, though nobody polls it while its runtime is freed */
        ki_bare_store_release(&t->prev, &t->next);
        kio_waker_wake(waker);
    }
}

void ki_drivers_free(struct ki_drivers *all)
{
    struct ki_driver *d = all ? ki_load_relaxed(&all->more) : NULL; /* nobody else is left */

    if (!all)
        return;
    for (unsigned i = 0; i < all->count; i++)
        leave_orphans(&all->each[i]);
    while (d) {
        struct ki_driver *older = d->older;

        leave_orphans(d);
        ki_mem_free(d);
        d = older;
    }
    ki_poller_close(&all->poller);
    ki_mem_free(all);
}
