/*
 * Whether the process has one thread. Then nobody can look at a word between its read and its write,
 * and an exchange may be a load and a store: less than 1 ns instead of 2 to 6, by processor, and no
 * wait for every store before it (a message through a channel on current_thread: 27 ns with locked
 * instructions of 6 ns, 15 without). As libstdc++ does for the counts of shared_ptr.
 *
 * The C library says it before pthread_create() makes the second thread, which orders everything
 * before it; a word is left the same whichever way it was written, so a change of answer between a
 * lock and its unlock does no harm. Not for words that a signal handler changes.
 */
#ifndef KI_BASE_ALONE_H
#define KI_BASE_ALONE_H

#include "atomic.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(KI_NEVER_ALONE) /* a model checker's threads are not the C library's */
static inline bool ki_alone(void)
{
    return false;
}
#elif __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
static inline bool ki_alone(void)
{
    return __libc_single_threaded;
}
#else
static inline bool ki_alone(void)
{
    return false; /* musl does not tell */
}
#endif

/* As ki_xchg_acq_rel and ki_cas_strong_acq_rel. */
static inline uintptr_t ki_word_xchg(ki_atomic(uintptr_t) *word, uintptr_t value)
{
    uintptr_t old;

    if (!ki_alone())
        return ki_xchg_acq_rel(word, value); /* pairs with the others of the same word */
    old = ki_load_relaxed(word);             /* relaxed: alone */
    ki_store_relaxed(word, value);
    return old;
}

static inline bool ki_word_cas(ki_atomic(uintptr_t) *word, uintptr_t *expected, uintptr_t value)
{
    uintptr_t old;

    if (!ki_alone())
        return ki_cas_strong_acq_rel(word, expected, value); /* as ki_word_xchg */
    old = ki_load_relaxed(word); /* relaxed: alone */
    if (old != *expected) {
        *expected = old;
        return false;
    }
    ki_store_relaxed(word, value);
    return true;
}

#endif
