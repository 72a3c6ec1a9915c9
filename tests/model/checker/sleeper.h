/* A task as a future's user knows it: something to be woken, counted, that parks itself. */
#ifndef MC_SLEEPER_H
#define MC_SLEEPER_H

#include "mc.h"
#include "base/atomic.h"

#include <kioto/async.h>

struct sleeper {
    struct kio_wakeable wakeable;
    ki_atomic(uint32_t) woken;
    ki_atomic(uint32_t) refs;
};

/* What was written before a wake, also one that finds the mark set, is seen by the poll after it: as
 * every waker promises, and as a task's state word keeps it by a read-modify-write. */
static inline void sleeper_wake(struct kio_wakeable *self)
{
    ki_xchg_acq_rel(&((struct sleeper *)self)->woken, 1);
}

static inline void sleeper_clone(struct kio_wakeable *self)
{
    ki_fetch_add_relaxed(&((struct sleeper *)self)->refs, 1);
}

static inline void sleeper_drop(struct kio_wakeable *self)
{
    struct sleeper *s = (struct sleeper *)self;

    if (ki_fetch_sub_acq_rel(&s->refs, 1) == 1)
        mc_free(s);
}

static const kio_waker_type sleeper_type = { "sleeper", sleeper_wake, sleeper_clone, sleeper_drop };

static inline struct sleeper *sleeper_new(void)
{
    struct sleeper *s = mc_alloc(sizeof *s, 16, true);

    s->wakeable.type = &sleeper_type;
    ki_store_relaxed(&s->refs, 1);
    return s;
}

static inline kio_waker sleeper_waker(struct sleeper *s)
{
    return (kio_waker){ &s->wakeable };
}

static inline void sleeper_park(struct sleeper *s)
{
    mc_wait((uint32_t *)&s->woken);
}

/* Polls until it is ready. */
static inline void sleeper_run(struct sleeper *s, kio_future *f)
{
    kio_context cx;

    kio_context_init(&cx, sleeper_waker(s));
    while (kio_poll_(f, &cx) != KIO_READY)
        sleeper_park(s);
}

static inline kio_poll sleeper_poll(struct sleeper *s, kio_future *f)
{
    kio_context cx;

    kio_context_init(&cx, sleeper_waker(s));
    return kio_poll_(f, &cx);
}

#endif
