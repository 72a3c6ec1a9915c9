#include "lock.h"
#include "cpu.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A critical section here is some tens of instructions; a hundred pauses outlast it, and cost
 * less than the two system calls of a sleep. */
#ifndef KI_LOCK_SPINS /* fewer when it is model checked */
#define KI_LOCK_SPINS 100
#endif

/* Pauses between two looks, some 200 ns: the holder's core does a dozen operations on lines it has
 * in its cache, instead of one on each side in turn. Measured with eight producers on two workers:
 * 140 ns a message without, 55 with 8 pauses, 75 with 32. */
#ifndef KI_LOCK_BACKOFF
#define KI_LOCK_BACKOFF 8
#endif

/* The holder was descheduled: nobody wakes us, so look again after a growing nap. */
#define KI_LOCK_NAP_NS     50000
#define KI_LOCK_NAP_MAX_NS 1000000

_Thread_local uint32_t ki_friction;

void ki_futex_wait(ki_atomic(uint32_t) *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec limit = { timeout_ns / 1000000000, timeout_ns % 1000000000 };

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void ki_futex_wake(ki_atomic(uint32_t) *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void ki_lock_pause(struct ki_lock_wait *wait, ki_atomic(uint32_t) *word)
{
    if (!wait->looks)
        ki_friction++;
    if (++wait->looks % KI_LOCK_SPINS) {
        for (int k = 0; k < KI_LOCK_BACKOFF; k++)
            ki_cpu_pause();
    } else {
        unsigned naps = wait->looks / KI_LOCK_SPINS - 1; /* so far */

        ki_futex_wait(word, 1, naps > 4 ? KI_LOCK_NAP_MAX_NS : KI_LOCK_NAP_NS << naps);
    }
}

KIO_COLD void ki_lock_slow(struct ki_lock *lock)
{
    struct ki_lock_wait wait = { 0 };

    for (;;) {
        uint32_t free_word = 0;

        /* relaxed look first: spinning readers share the line. acquire: pairs with ki_unlock */
        if (ki_load_relaxed(&lock->word) == 0 && ki_cas_strong_acquire(&lock->word, &free_word, 1))
            return;
        ki_lock_pause(&wait, &lock->word);
    }
}

#ifdef KIOTO_DEBUG
static _Thread_local unsigned held[KI_RANK_COUNT];

void ki_rank_enter(enum ki_rank rank)
{
    for (int r = rank; r < KI_RANK_COUNT; r++)
        ki_assert(!held[r]);
    held[rank]++;
}

void ki_rank_leave(enum ki_rank rank)
{
    ki_assert(held[rank]);
    held[rank]--;
}
#endif
