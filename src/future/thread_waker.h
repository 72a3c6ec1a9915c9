/*
 * A waker for a thread that sleeps: a futex word in memory that is never freed, so that a wake that
 * comes after the thread went on finds a word, at worst another thread's, which looks again.
 */
#ifndef KI_FUTURE_THREAD_WAKER_H
#define KI_FUTURE_THREAD_WAKER_H

#include "../base/lock.h"

#include <kioto/async.h>

struct ki_thread_waker {
    struct kio_wakeable wakeable;
    ki_atomic(uint32_t) wakes; /* counts; a futex */
    struct ki_thread_waker *pooled;
};

/* From a pool; without memory one that all such threads share. Given back by put. */
struct ki_thread_waker *ki_thread_waker_get(void);
void ki_thread_waker_put(struct ki_thread_waker *w);
void ki_thread_wakers_forked(void); /* in a forked child: the pool is begun anew */

/* The count before looking at what is waited for; then sleep if it still is that. */
static inline uint32_t ki_thread_waker_count(struct ki_thread_waker *w)
{
    /* acquire: pairs with the wake's increment: the look that follows sees what was waited for, or the sleep
     * finds another count. */
    return ki_load_acquire(&w->wakes);
}

/* max_ns: negative: for ever. */
static inline void ki_thread_waker_sleep(struct ki_thread_waker *w, uint32_t count, int64_t max_ns)
{
    ki_futex_wait(&w->wakes, count, max_ns);
}

#endif
