/*
 * Waiting for a root task on a thread that is no worker.
 *
 * multi_thread: the root runs on the workers, this thread sleeps.
 * current_thread: this thread runs tasks until the root is over. While another thread is doing
 * that, this one sleeps in the runtime's list of waiting threads; the runner wakes them all when it
 * leaves, and one of them takes over.
 */
#include "runtime.h"
#include "../future/guard.h"

#include <kioto/task.h>

#include <errno.h>
#include <string.h>

static bool poll_handle(struct kio_join_handle *handle, struct ki_thread_waker *waker)
{
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &waker->wakeable });
    return kio_poll_(&handle->kio, &cx) == KIO_READY;
}

/* How long to sleep until the next look whether all workers sleep for good: seldom, in a runtime that
 * has something to do. */
static int64_t next_look(struct kio_runtime *rt, struct ki_stuck *stuck, int64_t step_ns)
{
    int64_t since_ns = stuck->since_ns;
    int64_t in_ns = step_ns < 0 ? -1 : ki_stuck_look(rt, stuck);

    if (step_ns < 0 || stuck->said)
        return -1;
    if (since_ns && stuck->since_ns == since_ns)
        return in_ns;
    return step_ns < 32 * rt->stuck_after_ns ? 2 * step_ns : step_ns;
}

static void wait_multi(struct kio_runtime *rt, struct kio_join_handle *handle,
                       struct ki_thread_waker *waker)
{
    struct ki_stuck stuck = { 0 };
    int64_t step_ns = rt->stuck_after_ns;

    for (;;) {
        uint32_t seen = ki_thread_waker_count(waker);

        if (poll_handle(handle, waker))
            return;
        ki_thread_waker_sleep(waker, seen, step_ns);
        if (ki_thread_waker_count(waker) == seen)
            step_ns = next_look(rt, &stuck, step_ns);
    }
}

bool ki_runtime_run_here(struct kio_runtime *rt, bool (*done)(void *), void *arg)
{
    struct ki_context before =
        ki_context_set((struct ki_context){ rt, &rt->drivers->each[0] });
    bool ran = ki_current_run(rt->sched, done, arg);

    ki_context_set(before);
    return ran;
}

struct root {
    struct kio_runtime *rt;
    struct kio_join_handle handle;
};

/* While the runtime is being closed nobody runs tasks: who closes it drops them. */
static bool may_leave(void *arg)
{
    struct root *root = arg;

    /* relaxed: who closes wakes the thread until it has left */
    return kio_is_finished(&root->handle) || ki_load_relaxed(&root->rt->closing);
}

static void join_waiting(struct kio_runtime *rt, struct ki_waiting_thread *self)
{
    ki_lock(&rt->waiting_lock, KI_RANK_RUNTIME);
    self->next = rt->waiting;
    rt->waiting = self;
    ki_unlock(&rt->waiting_lock, KI_RANK_RUNTIME);
}

static void leave_waiting(struct kio_runtime *rt, struct ki_waiting_thread *self)
{
    struct ki_waiting_thread **at;

    ki_lock(&rt->waiting_lock, KI_RANK_RUNTIME);
    for (at = &rt->waiting; *at != self; at = &(*at)->next)
        ;
    *at = self->next;
    ki_unlock(&rt->waiting_lock, KI_RANK_RUNTIME);
}

/* The runner leaves: the others look whether to take over. A thread that joins the list later
 * finds that nobody runs, because it tries after it joined. */
void ki_runtime_wake_waiting(struct kio_runtime *rt)
{
    ki_lock(&rt->waiting_lock, KI_RANK_RUNTIME);
    for (struct ki_waiting_thread *at = rt->waiting; at; at = at->next)
        kio_waker_wake_by_ref((kio_waker){ &at->waker->wakeable });
    ki_unlock(&rt->waiting_lock, KI_RANK_RUNTIME);
}

static void wait_current(struct kio_runtime *rt, struct root *root, struct ki_thread_waker *waker)
{
    struct ki_waiting_thread self = { .waker = waker };
    struct kio_join_handle *handle = &root->handle;

    join_waiting(rt, &self);
    while (!kio_is_finished(handle)) {
        uint32_t seen = ki_thread_waker_count(waker);

        if (ki_runtime_run_here(rt, may_leave, root) && kio_is_finished(handle))
            break;
        if (!poll_handle(handle, waker))
            ki_thread_waker_sleep(waker, seen, -1);
    }
    leave_waiting(rt, &self);
    ki_runtime_wake_waiting(rt); /* whether it ran or not: nobody may be running now */
    if (!kio_is_over_(&handle->kio))
        poll_handle(handle, waker);
}

void ki_guard_no_task(const char *call)
{
    if (ki_here.root)
        ki_guard_fail(ki_guard_here(),
                      "await the function instead, or kio_spawn it and await its handle",
                      "%s inside a task: it would block the thread that runs the tasks", call);
}

static const char *advice(const struct kio_runtime *rt, int error)
{
    if (error == -ENOMEM)
        return "free memory before";
    if (rt->of_parent)
        return "make a runtime in the child: the threads of this one are its parent's";
    return "block on it before shutdown, or use kio_runtime_try_block_on";
}

struct kio_nursery_ kio_root_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                    struct kio_runtime **own)
{
    struct kio_nursery_ made;
    struct kio_place at = { type->file, type->line };

    ki_guard_no_task("kio_block_on");
    if (own) {
        int err = kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD });

        if (err)
            ki_guard_fail(at, "use kio_runtime_new, which returns this error",
                          "kio_block_on(%s) cannot make a runtime: %s", type->name, strerror(-err));
        *own = rt;
    }
    if (!rt)
        ki_guard_fail(at, "make one with kio_runtime_new", "kio_runtime_block_on(%s) got no runtime",
                      type->name);
    made = kio_task_alloc_(rt, type);
    if (!made.frame)
        ki_guard_fail(at, advice(rt, made.error), "kio_runtime_block_on(%s): %s", type->name,
                      strerror(-made.error));
    return made;
}

struct kio_nursery_ kio_root_try_(struct kio_runtime *rt, const kio_future_type *type)
{
    ki_guard_no_task("kio_runtime_try_block_on");
    if (!rt)
        ki_guard_fail((struct kio_place){ type->file, type->line }, "make one with kio_runtime_new",
                      "kio_runtime_try_block_on(%s) got no runtime", type->name);
    return kio_task_alloc_(rt, type);
}

int kio_root_try_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out)
{
    struct root root = { .rt = rt };
    const kio_future_type *type;
    struct ki_thread_waker *waker;
    int err;

    if (!made->frame)
        return made->error;
    type = ((kio_future *)made->frame)->type;
    waker = ki_thread_waker_get();
    (void)kio_task_start_(rt, made, &root.handle, NULL); /* it was allocated: no error */
    if (rt->flavor == KIO_CURRENT_THREAD)
        wait_current(rt, &root, waker);
    else
        wait_multi(rt, &root.handle, waker);
    ki_thread_waker_put(waker);
    err = root.handle.out;
    if (!err && out && type->out_size)
        memcpy(out, kio_output_(&root.handle, type->out_size), type->out_size);
    kio_drop(&root.handle);
    return err;
}

void kio_root_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out)
{
    const kio_future_type *type = ((kio_future *)made->frame)->type;

    if (kio_root_try_run_(rt, made, out))
        ki_guard_fail((struct kio_place){ type->file, type->line },
                      "shut a runtime down after every kio_runtime_block_on has returned, or use "
                      "kio_runtime_try_block_on",
                      "the runtime was shut down while kio_runtime_block_on(%s) waited", type->name);
}

void kio_root_end_(struct kio_runtime *own)
{
    kio_runtime_free(own);
}
