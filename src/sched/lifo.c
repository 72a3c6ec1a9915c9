#include "lifo.h"

KIO_COLD struct ki_task *ki_lifo_settle(struct ki_lifo *l, struct ki_task *old)
{
    ki_lock(&l->lock, KI_RANK_LEAF);
    if (l->stolen == old)
        old = NULL;
    l->stolen = NULL;
    ki_store_relaxed(&l->claimed, 0); /* the next thief's lock orders it */
    ki_unlock(&l->lock, KI_RANK_LEAF);
    return old;
}

static struct ki_task *steal_locked(struct ki_lifo *l)
{
    struct ki_task *task;

    if (ki_load_relaxed(&l->claimed)) /* written under the lock */
        return NULL;
    ki_store_relaxed(&l->claimed, 1); /* before the look at task: the barrier */
    ki_barrier_heavy();
    task = ki_load_relaxed(&l->task); /* the exchange below acquires */
    /* acq_rel: pairs with ki_lifo_push */
    if (task && ki_cas_strong_acq_rel(&l->task, &task, NULL))
        l->stolen = task;
    return l->stolen;
}

struct ki_task *ki_lifo_steal(struct ki_lifo *l)
{
    struct ki_task *task;

    if (!ki_lifo_has(l))
        return NULL;
    if (!ki_barriers())
        return ki_xchg_acq_rel(&l->task, NULL); /* pairs with ki_lifo_push */
    ki_lock(&l->lock, KI_RANK_LEAF);
    task = steal_locked(l);
    ki_unlock(&l->lock, KI_RANK_LEAF);
    return task;
}
