#include "runtime.h"
#include "../future/guard.h"

static _Thread_local struct kio_runtime *current;
static _Thread_local struct kio_runtime *pool_of;

struct ki_context ki_context_set(struct ki_context to)
{
    struct ki_context before = { current, ki_driver_here };

    current = to.runtime;
    ki_driver_here = to.driver;
    return before;
}

void ki_context_set_pool(struct kio_runtime *rt)
{
    current = pool_of = rt;
}

bool ki_context_on_pool_of(const struct kio_runtime *rt)
{
    return pool_of == rt;
}

struct kio_runtime *ki_context_runtime(void)
{
    return current;
}

struct ki_poller *ki_context_poller(void)
{
    return current ? &current->drivers->poller : NULL;
}

struct ki_blocking *ki_context_blocking(void)
{
    return current ? current->blocking : NULL;
}

struct kio_runtime *kio_runtime_current(void)
{
    return current;
}

/* What the innermost enters of this thread returned: they are to be given back in reverse order.
 * Otherwise a runtime that was left would be the current one again, perhaps after it was freed. */
#define KI_ENTERED 16

static _Thread_local struct {
    struct kio_runtime *before[KI_ENTERED];
    unsigned depth;
} entered;

struct kio_runtime *kio_runtime_enter(struct kio_runtime *rt)
{
    struct kio_runtime *before = current;

    if (entered.depth < KI_ENTERED)
        entered.before[entered.depth] = before;
    entered.depth++;
    current = rt;
    return before;
}

void kio_runtime_leave(struct kio_runtime *before)
{
    if (!entered.depth || (entered.depth <= KI_ENTERED && entered.before[entered.depth - 1] != before))
        ki_guard_fail(ki_guard_here(),
                      "leave on the thread that entered, the last one first, with what its enter returned",
                      "kio_runtime_leave that does not belong to this thread's last kio_runtime_enter");
    entered.depth--;
    current = before;
}

bool ki_context_is_entered(const struct kio_runtime *rt)
{
    bool found = entered.depth && current == rt;

    for (unsigned i = 0; i < entered.depth && i < KI_ENTERED; i++)
        found |= entered.before[i] == rt;
    return found;
}

int kio_worker_index(void)
{
    const struct ki_worker *w = ki_worker_here;

    if (!w)
        return -1;
    while (w->outer)
        w = w->outer;
    return w->sched->flavor == KIO_MULTI_THREAD ? (int)ki_multi_index(w) : 0;
}
