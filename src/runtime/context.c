#include "runtime.h"

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

struct kio_runtime *kio_runtime_enter(struct kio_runtime *rt)
{
    struct kio_runtime *before = current;

    current = rt;
    return before;
}

void kio_runtime_leave(struct kio_runtime *before)
{
    current = before;
}
