/* What the scheduler calls and no test of it is about: threads, clocks, signals, the blocking pool. */
#include "mc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "future/combine.h"
#include "sched/blocking.h"
#include "task/tracker.h"

#include <errno.h>
#include <pthread.h>

int64_t ki_clock_now(void)
{
    return 1;
}

int ki_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, size_t stack_size,
                    const char *name, unsigned index);
int ki_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, size_t stack_size,
                    const char *name, unsigned index)
{
    (void)thread, (void)fn, (void)arg, (void)stack_size, (void)name, (void)index;
    return -EAGAIN;
}

int ki_interrupt_self(void)
{
    return (int)mc_self();
}

bool ki_interrupt_admit(int signal, bool admit)
{
    (void)signal, (void)admit;
    return false;
}

struct ki_rand *ki_fair_from(struct ki_rand *rand)
{
    return rand;
}

void ki_tracker_leave(struct kio_tracker_ *t)
{
    (void)t;
}
