/* A call that blocks, on a worker's own thread, while another worker does its duties. */
#include "../future/guard.h"
#include "runtime.h"

#include <kioto/task.h>

void *kio_block_in_place(kio_blocking_fn fn, void *arg)
{
    struct ki_worker *w = ki_worker_here;

    if (!w || !ki_here.root)
        return fn(arg); /* no task: the thread is the caller's, or is blocked in place already */
    if (w->sched->flavor == KIO_CURRENT_THREAD)
        ki_guard_fail(ki_guard_here(),
                      "use kio_spawn_blocking and await its handle, or a multi_thread runtime",
                      "kio_block_in_place on current_thread: no other worker could run its tasks");
    return ki_multi_step_aside(w, fn, arg);
}
