/*
 * Polling a task: the middle of both schedulers' loops. In a header so that it is inlined in each of them,
 * whatever else there is in the program: as a function of its own it costs 13 instructions a poll more.
 */
#ifndef KI_SCHED_POLL_H
#define KI_SCHED_POLL_H

#include "../future/guard.h"
#include "sched.h"

/* Of a task that is measured, or whose runtime has hooks for tasks. */
KIO_COLD kio_poll ki_worker_poll_observed(struct ki_worker *w, struct ki_task *task, uintptr_t *how);

static inline kio_poll ki_worker_poll_now(struct ki_worker *w, struct ki_task *task,
                                          uintptr_t *how)
{
    kio_future *f = ki_task_future(task);
    kio_context cx = { .waker = ki_task_waker(task), .run = &w->run };
    kio_poll answer;

    w->run.budget = KI_BUDGET;
    w->run.yielded = false;
    ki_count(&w->polls);
    ki_here_root(f);
    ki_here.task_name = ki_task_name(task);
    if (kio_unlikely_(ki_task_abort_asked(task))) {
        kio_drop_(f);
        *how = KI_JOIN_ABORTED;
        answer = KIO_READY;
    } else {
        answer = kio_poll_(f, &cx);
        *how = KI_JOIN_DONE;
        if (kio_unlikely_(answer == KIO_READY && f->state == KIO_KEPT))
            kio_drop_(f);
    }
    ki_here_root(NULL);
    if (answer == KIO_READY)
        ki_count_ended(w);
    return answer;
}

/* Polls the task's future, or drops it when its abort was asked for. KIO_READY: it is over, and
 * `how` says as what; the frame is destroyed. The caller has set run.self, and takes it back when the
 * task's state is that of a task that is not polled. */
static inline kio_poll ki_worker_poll(struct ki_worker *w, struct ki_task *task, uintptr_t *how)
{
    if (kio_unlikely_(task->flags & KI_TASK_OBSERVED))
        return ki_worker_poll_observed(w, task, how);
    return ki_worker_poll_now(w, task, how);
}

#endif
