#include "thread_waker.h"
#include "../base/mem.h"

static struct ki_lock pool_lock;
static struct ki_thread_waker *pool;

static void wake(struct kio_wakeable *self)
{
    struct ki_thread_waker *w = (struct ki_thread_waker *)self; /* its first member */

    /* acq_rel: after what is waited for has happened; pairs with ki_thread_waker_count. */
    ki_fetch_add_acq_rel(&w->wakes, 1);
    ki_futex_wake(&w->wakes, INT32_MAX);
}

static const kio_waker_type type = { .name = "thread", .wake = wake };

static struct ki_thread_waker shared = { .wakeable = { &type } };

struct ki_thread_waker *ki_thread_waker_get(void)
{
    struct ki_thread_waker *w;

    ki_lock(&pool_lock, KI_RANK_LEAF);
    w = pool;
    if (w)
        pool = w->pooled;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
    if (w)
        return w;
    w = ki_mem_zalloc(sizeof *w);
    if (!w)
        return &shared;
    ki_mem_keep(w);
    w->wakeable.type = &type;
    return w;
}

static struct ki_thread_waker *parents __attribute__((used)); /* see ki_scheds_forked */

void ki_thread_wakers_forked(void)
{
    pool_lock = (struct ki_lock){ 0 };
    parents = pool;
    pool = NULL;
}

void ki_thread_waker_put(struct ki_thread_waker *w)
{
    if (w == &shared)
        return;
    ki_lock(&pool_lock, KI_RANK_LEAF);
    w->pooled = pool;
    pool = w;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
}
