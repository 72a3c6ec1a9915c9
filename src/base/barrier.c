#include "barrier.h"
#include "panic.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ki_barriers ki_barriers_here;

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

void ki_barriers_init(void)
{
    if (KI_HAVE_BARRIERS && !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
        ki_store_relaxed(&ki_barriers_here.on, true); /* see ki_barriers */
}

/* ENOMEM: no memory for a set of processors just now (kernel/sched/membarrier.c); it comes back. Nothing
 * else is possible after the registration, unless somebody forbids the call later on. */
void ki_barrier_heavy(void)
{
    while (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        if (errno != ENOMEM)
            ki_panic(__FILE__, __LINE__,
                     "membarrier(2) fails (errno %d), which it did not when the runtime was made: allow it "
                     "in the seccomp filter, or install the filter before the first runtime",
                     errno);
        sched_yield();
    }
}
