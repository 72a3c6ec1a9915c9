/* A FIFO of futures that wait, under the lock of what they wait for. */
#ifndef KI_SYNC_WAITERS_H
#define KI_SYNC_WAITERS_H

#include "../base/lock.h"

#include <kioto/sync.h>

/* tail: &first, or the last one's next; NULL: zeroed, nobody waits. */
#define ki_waiters kio_waiters_

static inline void ki_waiters_push(struct ki_waiters *q, struct kio_waiter_ *w)
{
    if (!q->first)
        q->tail = &q->first;
    w->next = NULL;
    w->prev = q->tail;
    *q->tail = w;
    q->tail = &w->next;
}

static inline void ki_waiters_remove(struct ki_waiters *q, struct kio_waiter_ *w)
{
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else if (q->tail == &w->next) /* not in a list that ki_waiters_wake_all took out */
        q->tail = w->prev;
    w->prev = NULL;
    w->next = NULL; /* see notify.c */
}

/* Leaves the waker there unless it is there already; gives back one to drop after the unlock. */
KIO_MUST_USE static inline kio_waker ki_waiter_set(struct kio_waiter_ *w, kio_waker waker)
{
    kio_waker old = w->waker;

    if (kio_waker_will_wake(old, waker))
        return (kio_waker){ NULL };
    w->waker = kio_waker_clone(waker);
    return old;
}

/* For the dump, under the lock: w's place in the line, and how many are in it; as far as it is worth
 * counting, because everybody in the line is asked. */
static inline void ki_waiters_place(const struct ki_waiters *q, const struct kio_waiter_ *w,
                                    struct kio_waits *to)
{
    for (const struct kio_waiter_ *at = q->first; at && to->line <= KIO_PLACES; at = at->next) {
        to->line++;
        if (at == w)
            to->place = to->line;
    }
    if (w->prev && !to->place)
        to->place = KIO_PLACES + 1;
}

/* Which task polls, for the dump; NULL: an executor of the user's own. */
static inline const void *ki_task_of_poll(const kio_context *cx)
{
    return cx->run ? cx->run->self : NULL;
}

/* The lock inside a public struct. */
static inline void ki_sync_lock(struct kio_lock_ *lock)
{
    ki_lock((struct ki_lock *)lock, KI_RANK_SYNC); /* of the same shape */
}

static inline void ki_sync_unlock(struct kio_lock_ *lock)
{
    ki_unlock((struct ki_lock *)lock, KI_RANK_SYNC);
}

static inline kio_waker ki_waker_take(kio_waker *at)
{
    kio_waker waker = *at;

    at->to = NULL;
    return waker;
}

/* Under the lock: the first in line leaves it. Its waker is to be woken after the unlock. */
static inline kio_waker ki_waiters_pop(struct ki_waiters *q)
{
    struct kio_waiter_ *w = q->first;

    ki_waiters_remove(q, w);
    return ki_waker_take(&w->waker);
}

/* Wakes everybody who waits now, some at a time; called and returns with the lock. Who comes
 * meanwhile is in the queue afterwards. */
static inline void ki_waiters_wake_all(struct ki_waiters *q, struct kio_lock_ *lock)
{
    struct ki_waiters now = { .first = q->first };

    q->first = NULL;
    if (now.first)
        now.first->prev = &now.first;
    while (now.first) {
        kio_waker batch[16];
        unsigned count = 0;

        while (now.first && count < 16)
            batch[count++] = ki_waiters_pop(&now);
        ki_sync_unlock(lock);
        for (unsigned i = 0; i < count; i++)
            kio_waker_wake(batch[i]);
        ki_sync_lock(lock);
    }
}

#endif
