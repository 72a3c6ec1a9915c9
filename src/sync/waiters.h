/* A FIFO of futures that wait, under the lock of what they wait for. */
#ifndef KI_SYNC_WAITERS_H
#define KI_SYNC_WAITERS_H

#include "../base/atomic.h"

#include <kioto/async.h>

struct ki_waiters {
    struct kio_waiter_ *first;
    struct kio_waiter_ **tail; /* &first, or the last one's next; NULL: zeroed, nobody waits */
};

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
    else
        q->tail = w->prev;
    w->prev = NULL;
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

static inline kio_waker ki_waker_take(kio_waker *at)
{
    kio_waker waker = *at;

    at->to = NULL;
    return waker;
}

#endif
