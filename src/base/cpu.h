/* What the processor has: cache line size, a pause for spin loops, a cycle counter, where its stack is. */
#ifndef KI_BASE_CPU_H
#define KI_BASE_CPU_H

#include <stdint.h>

/* x86-64 and arm64 server cores have 64-byte lines (Intel SDM vol. 3, 12.1; Arm Neoverse TRMs). */
#define KI_CACHE_LINE      64
#define KI_CACHE_ALIGNED   _Alignas(KI_CACHE_LINE)

static inline void ki_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A counter that runs at one rate on all cores and is cheaper to read than the clock; 0 where
 * there is none. Its rate is not known: see clock.h. */
static inline uint64_t ki_cpu_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t v;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
    return v;
#else
    return 0;
#endif
}

/* Where the C stack ends now: what lives on it lies at or above. By the register, because a frame
 * pointer costs each caller four instructions, and says where the caller's locals are not: if the
 * caller is inlined into the function whose locals are asked about they lie below it. */
static inline uintptr_t ki_cpu_stack(void)
{
#if defined(__x86_64__) && defined(__LP64__)
    uintptr_t sp;
    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
    return sp;
#elif defined(__aarch64__)
    uintptr_t sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}

#endif
