/*
 * The only file that includes <stdatomic.h>. Each operation is named with its order, so every
 * order in use can be grepped, and a checker can stand in for this file.
 *
 * There is no fence here on purpose: thread sanitizers do not model them. base/barrier.h has what stands
 * in for one.
 */
#ifndef KI_BASE_ATOMIC_H
#define KI_BASE_ATOMIC_H

#include <stdatomic.h>

#define ki_atomic(T) _Atomic(T)

#define ki_load_relaxed(p) atomic_load_explicit(p, memory_order_relaxed)
#define ki_load_acquire(p) atomic_load_explicit(p, memory_order_acquire)
#define ki_load_seq_cst(p) atomic_load_explicit(p, memory_order_seq_cst)

#define ki_store_relaxed(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define ki_store_release(p, v) atomic_store_explicit(p, v, memory_order_release)
#define ki_store_seq_cst(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)

#define ki_xchg_acquire(p, v) atomic_exchange_explicit(p, v, memory_order_acquire)
#define ki_xchg_acq_rel(p, v) atomic_exchange_explicit(p, v, memory_order_acq_rel)
#define ki_xchg_seq_cst(p, v) atomic_exchange_explicit(p, v, memory_order_seq_cst)

#define ki_fetch_add_relaxed(p, v) atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define ki_fetch_add_acq_rel(p, v) atomic_fetch_add_explicit(p, v, memory_order_acq_rel)
#define ki_fetch_add_seq_cst(p, v) atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define ki_fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit(p, v, memory_order_relaxed)
#define ki_fetch_sub_release(p, v) atomic_fetch_sub_explicit(p, v, memory_order_release)
#define ki_fetch_sub_acq_rel(p, v) atomic_fetch_sub_explicit(p, v, memory_order_acq_rel)
#define ki_fetch_sub_seq_cst(p, v) atomic_fetch_sub_explicit(p, v, memory_order_seq_cst)
#define ki_fetch_or_relaxed(p, v)  atomic_fetch_or_explicit(p, v, memory_order_relaxed)
#define ki_fetch_or_acq_rel(p, v)  atomic_fetch_or_explicit(p, v, memory_order_acq_rel)
#define ki_fetch_and_acq_rel(p, v) atomic_fetch_and_explicit(p, v, memory_order_acq_rel)

/* expected is a pointer, updated on failure; a failed exchange acquires (or is relaxed). */
#define ki_cas_weak_relaxed(p, expected, v)                                                        \
    atomic_compare_exchange_weak_explicit(p, expected, v, memory_order_relaxed,                    \
                                          memory_order_relaxed)
#define ki_cas_weak_release(p, expected, v)                                                        \
    atomic_compare_exchange_weak_explicit(p, expected, v, memory_order_release,                    \
                                          memory_order_relaxed)
#define ki_cas_weak_acq_rel(p, expected, v)                                                        \
    atomic_compare_exchange_weak_explicit(p, expected, v, memory_order_acq_rel,                    \
                                          memory_order_acquire)
#define ki_cas_strong_relaxed(p, expected, v)                                                      \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_relaxed,                  \
                                            memory_order_relaxed)
#define ki_cas_strong_acquire(p, expected, v)                                                      \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acquire,                  \
                                            memory_order_relaxed)
#define ki_cas_strong_acq_rel(p, expected, v)                                                      \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acq_rel,                  \
                                            memory_order_acquire)
#define ki_cas_strong_seq_cst(p, expected, v)                                                      \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_seq_cst,                  \
                                            memory_order_seq_cst)

/* Keeps the compiler from changing the order of what is before and behind it; the processor may. */
#define ki_compiler_barrier() atomic_signal_fence(memory_order_seq_cst)

/* For words that public headers declare without _Atomic. */
#define ki_bare_load_relaxed(p)     __atomic_load_n(p, __ATOMIC_RELAXED)
#define ki_bare_load_acquire(p)     __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define ki_bare_store_relaxed(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define ki_bare_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

#endif
