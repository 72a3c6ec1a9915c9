/* What the scheduler calls and no test of it is about: threads, clocks, signals, the blocking pool. */
#include "mc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "future/combine.h"
#include "base/thread.h"
#include "sched/blocking.h"
#include "sched/hooks.h"
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

int ki_thread_id(void)
{
    return (int)mc_self() + 1;
}

void ki_hook_poll(ki_task_hook hook, struct ki_task *task, int64_t waited, void *arg)
{
    (void)hook, (void)task, (void)waited, (void)arg;
    mc_fail("no runtime here has hooks for tasks");
}

void ki_hook_end(const struct kio_hooks *h, struct ki_task *task, bool aborted)
{
    (void)h, (void)task, (void)aborted;
    mc_fail("no runtime here has hooks for tasks");
}
