/* Join handles are made by whoever spawns. */
#ifndef KI_TASK_HANDLE_H
#define KI_TASK_HANDLE_H

#include "task.h"

#include <kioto/task.h>

/* Builds the handle in its slot, whose old content is dropped first; task NULL: error says why. */
void ki_handle_init(struct kio_join_handle *handle, struct ki_task *task, int error);

#endif
