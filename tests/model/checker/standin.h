/*
 * Included by the compiler before everything else in the code under test (-include): what of the
 * project the checker replaces.
 *
 *   base/cpu.h    a pause in a loop waits for a change of what was loaded last
 *   base/lock.h   a lock is one operation that waits, so that a lock that is held costs no schedules
 *                 of its own; not where MC_REAL_LOCK is defined: then it is what is tested
 *   base/barrier.h  both barriers are operations: see mc.h
 *   futexes, memory, panics: in hooks.c
 */
#ifndef MC_STANDIN_H
#define MC_STANDIN_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *mc_memcpy(void *to, const void *from, size_t size);
void *mc_memset(void *to, int byte, size_t size);
long mc_syscall(long number, ...);
int mc_sched_yield(void);
int mc_madvise(void *at, size_t size, int what);
void mc_spin(void);
void mc_take(uint32_t *word);
_Bool mc_has_barriers(void);
void mc_light(void);
void mc_heavy(void);

#define memcpy      mc_memcpy
#define memset      mc_memset
#define syscall     mc_syscall
#define sched_yield mc_sched_yield
#define madvise     mc_madvise

#define KI_BASE_CPU_H
#define KI_CACHE_LINE    64
#define KI_CACHE_ALIGNED _Alignas(KI_CACHE_LINE)

static inline void ki_cpu_pause(void)
{
    mc_spin();
}

static inline uint64_t ki_cpu_ticks(void)
{
    return 0;
}

static inline uintptr_t ki_cpu_stack(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

#define KI_BASE_BARRIER_H
#define ki_barriers()       mc_has_barriers()
#define ki_barrier_light()  mc_light()
#define ki_barrier_heavy()  mc_heavy()
#define ki_barriers_init()  ((void)0)

#ifndef MC_REAL_LOCK
#define KI_BASE_BIASED_H /* a usual lock */
#define ki_biased                   ki_lock
#define ki_biased_lock(lock, rank)   ki_lock(lock, rank)
#define ki_biased_try_lock(lock, rank) (ki_lock(lock, rank), true) /* who does not get it locks it next */
#define ki_biased_lock_alone(lock, rank) ki_lock(lock, rank)
#define ki_biased_unlock(lock, rank) ki_unlock(lock, rank)
#define ki_biased_free(lock)         ((void)0)
#define ki_bias_begin()              ((void)0)
#define ki_bias_end()                ((void)0)
#define ki_bias_look()               ((void)0)
#define ki_lock(lock, rank) ki_lock_real(lock, rank)
#include "base/lock.h"
#undef ki_lock
#define ki_lock(lock, rank) (ki_rank_enter(rank), mc_take((uint32_t *)&(lock)->word))
#endif

#endif
