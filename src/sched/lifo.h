/*
 * A worker's LIFO slot: the task that it runs next. Its owner puts in and takes out at every wake,
 * with plain loads and stores; a thief comes when the owner has been in one poll for long, some times a
 * second at most, and pays for both.
 *
 *   owner:  load task; store task; light barrier; load claimed
 *   thief:  store claimed; heavy barrier; load task; compare-and-swap task -> NULL      under `lock`
 *
 * The race: the owner has loaded the task, and has not stored yet, when a thief takes the same one. By
 * the barriers (base/barrier.h) either the owner's store is visible to the thief, whose load or
 * compare-and-swap finds another task or none; or the owner sees `claimed`, and settles: it waits for the
 * thief's lock, and reads which task was stolen. `claimed` stays set until the owner has settled, so the
 * owner does at most one thing without knowing, and meanwhile no other thief begins.
 *
 * Without barriers everybody takes by an exchange; the owner still fills an empty slot by a store, because
 * nobody else does.
 *
 * With exchanges on every wake a round trip between two tasks costs 15 ns more (of 130).
 */
#ifndef KI_SCHED_LIFO_H
#define KI_SCHED_LIFO_H

#include "../base/barrier.h"
#include "../base/lock.h"
#include "../task/task.h"

struct ki_lifo {
    KI_CACHE_ALIGNED ki_atomic(struct ki_task *) task;
    ki_atomic(uint32_t) claimed; /* a thief came, and the owner has not settled */
    struct ki_lock lock;
    struct ki_task *stolen; /* by that thief; under lock */
};

/* Owner: what became of `old`, which was in the slot before: it, or NULL: it was stolen. */
KIO_COLD struct ki_task *ki_lifo_settle(struct ki_lifo *l, struct ki_task *old);

/* Anybody but the owner: the task, or NULL. */
struct ki_task *ki_lifo_steal(struct ki_lifo *l);

/* Anybody: whether there was a task a moment ago. */
static inline bool ki_lifo_has(struct ki_lifo *l)
{
    return ki_load_relaxed(&l->task) != NULL; /* a look: who takes it looks again */
}

static inline struct ki_task *ki_lifo_swap_(struct ki_lifo *l, struct ki_task *task)
{
    struct ki_task *old = ki_load_relaxed(&l->task); /* only we fill it */

    if (!ki_barriers()) {
        if (old)
            return ki_xchg_acq_rel(&l->task, task); /* pairs with ki_lifo_steal */
        ki_store_release(&l->task, task);           /* as above */
        return NULL;
    }
    ki_store_release(&l->task, task); /* pairs with ki_lifo_steal: what is in the task */
    ki_barrier_light();               /* pairs with ki_lifo_steal's heavy one */
    if (kio_unlikely_(ki_load_relaxed(&l->claimed)))
        return ki_lifo_settle(l, old);
    return old;
}

/* Owner: puts it there; gives what was there, or NULL. */
static inline struct ki_task *ki_lifo_push(struct ki_lifo *l, struct ki_task *task)
{
    return ki_lifo_swap_(l, task);
}

/* Owner: the task, or NULL. */
static inline struct ki_task *ki_lifo_take(struct ki_lifo *l)
{
    return ki_lifo_has(l) ? ki_lifo_swap_(l, NULL) : NULL; /* mostly it is empty */
}

/* Nobody uses it any more: what is in it does not count. */
static inline void ki_lifo_forget(struct ki_lifo *l)
{
    ki_store_relaxed(&l->task, NULL); /* only ki_lifo_has looks */
}

#endif
