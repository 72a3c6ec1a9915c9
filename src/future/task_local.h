/* For kio_finish_slow_: a scope of a task-local, type->kind KIO_KIND_AROUND, is about to drop its
 * future. */
#ifndef KI_FUTURE_TASK_LOCAL_H
#define KI_FUTURE_TASK_LOCAL_H

#include <kioto/task_local.h>

KIO_COLD void ki_task_local_ends(kio_future *f);

#endif
