/*
 * The waker cell: one place where a future leaves its waker for another thread to take.
 *
 * Layout: one word: 0 empty, or the wakeable's address; KI_WAKED (1): a wake came, and stays until
 * the next registration takes it.
 * Access: register by the owner's thread alone; wake by any.
 * Transitions, one read-modify-write each:
 *   ki_cell_set   any -> waker      gives back what was there: a waker to drop, or "waked"
 *   ki_cell_wake  any -> KI_WAKED   takes the waker that was there and wakes it
 *   ki_cell_take  any -> 0          the owner leaves
 * The race: the owner registers, then looks at the condition a last time; the other side changes
 * the condition, then wakes. Both exchanges are acq_rel on one word, so one of them comes second:
 * either the wake finds the waker, or the registration finds KI_WAKED and sees the condition.
 */
#ifndef KI_FUTURE_WAKER_H
#define KI_FUTURE_WAKER_H

#include "../base/atomic.h"

#include <kioto/async.h>

struct ki_cell {
    ki_atomic(uintptr_t) word;
};

#define KI_WAKED ((uintptr_t)1)

static inline void ki_cell_drop_old(uintptr_t old)
{
    if (old > KI_WAKED)
        kio_waker_drop((kio_waker){ (struct kio_wakeable *)old });
}

/* Leaves a clone of waker. True: a wake came since the last call; look at the condition again
 * (in any case look at it after this call). */
static inline bool ki_cell_set(struct ki_cell *cell, kio_waker waker)
{
    uintptr_t old;

    /* Same waker as before: nothing to do. relaxed: only the owner writes wakers here, and the
     * condition is looked at afterwards through its own atomics. A wake that came in between
     * took the waker and will have been delivered. */
    old = ki_load_relaxed(&cell->word);
    if (old == (uintptr_t)waker.to)
        return false;
    kio_waker_clone(waker);
    /* acq_rel: pairs with ki_cell_wake on both sides, see the race above. */
    old = ki_xchg_acq_rel(&cell->word, (uintptr_t)waker.to);
    ki_cell_drop_old(old);
    return old == KI_WAKED;
}

/* Wakes who waits. The mark stays when nobody did. */
static inline void ki_cell_wake(struct ki_cell *cell)
{
    /* acq_rel: pairs with ki_cell_set. */
    uintptr_t old = ki_xchg_acq_rel(&cell->word, KI_WAKED);

    if (old > KI_WAKED)
        kio_waker_wake((kio_waker){ (struct kio_wakeable *)old });
}

/* The owner stops waiting. Any order would do: it takes back its own waker, and looks at nothing that a wake
 * brings. */
static inline void ki_cell_clear(struct ki_cell *cell)
{
    ki_cell_drop_old(ki_xchg_acq_rel(&cell->word, 0));
}

/* The same when nobody else can reach the cell any more. */
static inline void ki_cell_clear_alone(struct ki_cell *cell)
{
    ki_cell_drop_old(ki_load_relaxed(&cell->word));
}

#endif
