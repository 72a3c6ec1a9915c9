/*
 * A lock of four bytes for critical sections of some tens of instructions, and the bare futex to
 * park a thread on. A zeroed lock is free.
 *
 * word: 0 free, 1 held. Taking it is one compare-and-swap (a store while the process has one thread,
 * see alone.h), giving it back one plain store: no exchange and no system call, because nobody is
 * ever woken. Who finds it held spins, then sleeps on the futex for a short while and looks again
 * (the holder was descheduled: some 50 us to 1 ms are no loss then). A futex mutex that wakes its
 * sleepers was measured at 11 ns a lock and unlock, this one at 6: the second read-modify-write is the
 * difference.
 *
 * Locks have a rank, in lock order; taking one of a lower or equal rank than one already held is
 * a bug that debug builds find (KIOTO_DEBUG). No foreign code runs under a lock: wakers are
 * collected and woken after the unlock.
 */
#ifndef KI_BASE_LOCK_H
#define KI_BASE_LOCK_H

#include "alone.h"
#include "panic.h"

enum ki_rank {
    KI_RANK_RUNTIME,
    KI_RANK_BLOCKING,
    KI_RANK_SYNC,
    KI_RANK_IO,
    KI_RANK_WHEEL,
    KI_RANK_INJECT,
    KI_RANK_SLAB,
    KI_RANK_LEAF, /* taken last: nothing is locked under it */
    KI_RANK_COUNT,
};

struct ki_lock {
    ki_atomic(uint32_t) word;
};

void ki_lock_slow(struct ki_lock *lock);

/* Times this thread had to wait for a lock. It wraps. */
extern _Thread_local uint32_t ki_friction;

/* Zeroed at first. Between two looks at something that is held: waits a little, then longer; at most
 * while word is 1. */
struct ki_lock_wait {
    unsigned looks;
};
void ki_lock_pause(struct ki_lock_wait *wait, ki_atomic(uint32_t) *word);

#ifdef KIOTO_DEBUG
void ki_rank_enter(enum ki_rank rank);
void ki_rank_leave(enum ki_rank rank);
#else
#define ki_rank_enter(rank) ((void)(rank))
#define ki_rank_leave(rank) ((void)(rank))
#endif

static inline void ki_lock(struct ki_lock *lock, enum ki_rank rank)
{
    uint32_t free_word = 0;

    ki_rank_enter(rank);
    /* relaxed: alone, so nobody holds it. Otherwise acquire: pairs with the release in ki_unlock. */
    if (ki_alone())
        ki_store_relaxed(&lock->word, 1);
    else if (!ki_cas_strong_acquire(&lock->word, &free_word, 1))
        ki_lock_slow(lock);
}

static inline bool ki_try_lock(struct ki_lock *lock, enum ki_rank rank)
{
    uint32_t free_word = 0;

    if (!ki_cas_strong_acquire(&lock->word, &free_word, 1))
        return false;
    ki_rank_enter(rank);
    return true;
}

static inline void ki_unlock(struct ki_lock *lock, enum ki_rank rank)
{
    ki_rank_leave(rank);
    /* release: pairs with the acquire in ki_lock, ki_try_lock and ki_lock_slow. */
    ki_store_release(&lock->word, 0);
}

/* Sleeps while *word == expected, at most timeout_ns (negative: for ever). May return early. */
void ki_futex_wait(ki_atomic(uint32_t) *word, uint32_t expected, int64_t timeout_ns);
void ki_futex_wake(ki_atomic(uint32_t) *word, int count);

#endif
