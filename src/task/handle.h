/* Join handles are made by whoever spawns. */
#ifndef KI_TASK_HANDLE_H
#define KI_TASK_HANDLE_H

#include "task.h"

#include <kioto/task.h>

/* Where others have children a handle has the task it waits for; once it was dropped, the task's id, doubled,
 * and 1. 0: of none. */
static inline struct ki_task *ki_handle_task(const struct kio_join_handle *handle)
{
    struct kio_wakeable *to = handle->kio.waker.to;

    return (uintptr_t)to & 1 ? NULL : ki_task_of(to);
}

/* Builds the handle in its slot, whose old content is dropped first; task NULL: error says why. */
void ki_handle_init(struct kio_join_handle *handle, struct ki_task *task, int error);

#endif
