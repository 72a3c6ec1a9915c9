/* For tasks that are tracked: leaving, and jobs. */
#ifndef KI_TASK_TRACKER_H
#define KI_TASK_TRACKER_H

#include <kioto/task.h>

struct kio_tracker_;
struct ki_task_extra;

/* One task less. Called by ki_task_over. */
void ki_tracker_leave(struct kio_tracker_ *t);

/* Given by the runtime: as kio_spawn_blocking_, with an extra that is freed with the task or, on
 * error, at once. */
int ki_spawn_blocking_with(struct kio_join_handle *handle, kio_blocking_fn fn, void *arg,
                           kio_future *scope, struct ki_task_extra *extra);
/* Given by the runtime: a handle (may be NULL) of what could not be spawned. */
void ki_handle_failed(struct kio_join_handle *handle, int error, kio_future *scope);

#endif
