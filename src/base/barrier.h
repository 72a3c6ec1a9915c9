/*
 * Two barriers that belong together, for words that one thread uses all the time and others hardly
 * ever. An order of a store before a load of another word ("I am here: is anybody?") costs both sides a
 * full barrier, 2 to 6 ns. Here the side that is in a hurry only keeps its compiler from changing the
 * order (light); the other one has the kernel run a barrier on every processor that runs a thread of
 * this process (heavy: 1 to 50 us). Then of
 *
 *     often:  store A; light; load B              rarely:  store B; heavy; load A
 *
 * at least one sees the other's store, as if both had a full barrier: at the time of the heavy one, the
 * other thread is somewhere in its program order. If it is past its load of B, its store to A is
 * visible now; if it is not, it will load the new B.
 *
 * membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED, Linux 4.14. Where it is not to be had, and under thread
 * sanitizers, which do not know it, ki_barriers() is false; whoever uses these has another way then.
 */
#ifndef KI_BASE_BARRIER_H
#define KI_BASE_BARRIER_H

#include "atomic.h"
#include "cpu.h"

#include <stdbool.h>

#if defined(__SANITIZE_THREAD__)
#define KI_HAVE_BARRIERS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KI_HAVE_BARRIERS 0
#else
#define KI_HAVE_BARRIERS 1
#endif
#else
#define KI_HAVE_BARRIERS 1
#endif

/* Alone in its cache line: everybody reads it all the time. */
struct ki_barriers {
    KI_CACHE_ALIGNED ki_atomic(bool) on;
};
extern struct ki_barriers ki_barriers_here;

/* Whether there are any. The answer changes once, from no to yes, in ki_barriers_init(). */
static inline bool ki_barriers(void)
{
    /* relaxed: who reads it was told of its scheduler later than that */
    return KI_HAVE_BARRIERS && ki_load_relaxed(&ki_barriers_here.on);
}

/* Before the first scheduler is opened; any number of times. A forked child inherits it. */
void ki_barriers_init(void);

static inline void ki_barrier_light(void)
{
    ki_compiler_barrier();
}

/* Only if ki_barriers(). */
void ki_barrier_heavy(void);

#endif
