/*
 * Hooks for tasks: what the program wants to hear of each.
 *
 * Tasks of a runtime that has any are KI_TASK_HOOKED from birth. In others what remains is a look at
 * the flags where a task is spawned; where it is polled they are looked at anyway (times.h).
 * No lock is held when a hook is called.
 */
#ifndef KI_SCHED_HOOKS_H
#define KI_SCHED_HOOKS_H

#include "../task/task.h"

#include <kioto/runtime.h>

typedef void (*ki_task_hook)(const struct kio_task_info *task, void *arg);

static inline bool ki_hooks_on_tasks(const struct kio_hooks *h)
{
    return h->on_task_spawn || h->on_task_end || h->on_poll_begin || h->on_poll_end;
}

/* Before it is queued. future: what was spawned. */
KIO_COLD void ki_hook_spawn(const struct kio_hooks *h, struct ki_task *task,
                            const kio_future *future, const struct kio_place *spawned);
/* hook may be NULL. */
KIO_COLD void ki_hook_poll(ki_task_hook hook, struct ki_task *task, int64_t waited, void *arg);
/* Its frame is destroyed, and nobody knows yet that it has ended. */
KIO_COLD void ki_hook_end(const struct kio_hooks *h, struct ki_task *task, bool aborted);

#endif
