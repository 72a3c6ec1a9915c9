/*
 * Waiting for a root task on a thread that is no worker.
 *
 * multi_thread: the root runs on the workers, this thread sleeps on a futex of its own.
 * current_thread: this thread runs tasks until the root is over. When another thread is doing
 * that, it waits on the runtime's `turns`: that counts when a root that somebody waits for ends,
 * and when the runner leaves, whereupon one of those who wait takes over.
 */
#include "runtime.h"
#include "../future/guard.h"

#include <kioto/task.h>

#include <errno.h>
#include <string.h>

struct thread_waker {
    struct kio_wakeable wakeable;
    ki_atomic(uint32_t) *word; /* goes up with each wake */
};

static void bump(ki_atomic(uint32_t) *word)
{
    /* seq_cst: after what is waited for has happened; pairs with the waiter's look at the word
     * before its look at that. The memory may be gone after this: a futex wake of an address
     * where nobody waits does nothing. */
    ki_fetch_add_seq_cst(word, 1);
    ki_futex_wake(word, INT32_MAX);
}

static void wake_thread(struct kio_wakeable *self)
{
    bump(((struct thread_waker *)self)->word);
}

static const kio_waker_type thread_waker_type = { .name = "thread in block_on", .wake = wake_thread };

static bool poll_handle(struct kio_join_handle *handle, struct thread_waker *waker)
{
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &waker->wakeable });
    return kio_poll_(&handle->kio, &cx) == KIO_READY;
}

static void wait_multi(struct kio_join_handle *handle)
{
    ki_atomic(uint32_t) word = 0;
    struct thread_waker waker = { { &thread_waker_type }, &word };

    for (;;) {
        uint32_t seen = ki_load_seq_cst(&word); /* see bump */

        if (poll_handle(handle, &waker))
            return;
        ki_futex_wait(&word, seen, -1);
    }
}

static bool is_over(void *handle)
{
    return kio_is_finished(handle);
}

static bool run_here(struct kio_runtime *rt, struct kio_join_handle *handle)
{
    struct ki_context before =
        ki_context_set((struct ki_context){ rt, &rt->drivers->each[0] });
    bool ran = ki_current_run(rt->sched, is_over, handle);

    ki_context_set(before);
    return ran;
}

static void wait_current(struct kio_runtime *rt, struct kio_join_handle *handle)
{
    struct thread_waker waker = { { &thread_waker_type }, &rt->turns };

    while (!is_over(handle)) {
        uint32_t seen = ki_load_seq_cst(&rt->turns); /* see bump */

        if (run_here(rt, handle))
            bump(&rt->turns);
        else if (!poll_handle(handle, &waker))
            ki_futex_wait(&rt->turns, seen, -1);
    }
    if (!kio_is_over_(&handle->kio))
        poll_handle(handle, &waker);
}

static void guard_no_task(void)
{
    if (ki_here.root)
        ki_guard_fail(ki_guard_here(),
                      "await the function instead, or kio_spawn it and await its handle",
                      "kio_block_on inside a task: it would block the thread that runs the tasks");
}

struct kio_nursery_ kio_root_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                    struct kio_runtime **own)
{
    struct kio_nursery_ made;
    struct kio_place at = { type->file, type->line };

    guard_no_task();
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
        ki_guard_fail(at, made.error == -ENOMEM ? "free memory before" : "block on it before shutdown",
                      "kio_runtime_block_on(%s): %s", type->name, strerror(-made.error));
    return made;
}

void kio_root_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out)
{
    const kio_future_type *type = ((kio_future *)made->frame)->type;
    struct kio_join_handle handle = { 0 };

    if (kio_task_start_(rt, made, &handle, NULL))
        return; /* not reached: it was allocated */
    if (rt->flavor == KIO_CURRENT_THREAD)
        wait_current(rt, &handle);
    else
        wait_multi(&handle);
    if (handle.out)
        ki_guard_fail((struct kio_place){ type->file, type->line },
                      "shut a runtime down after every kio_runtime_block_on has returned",
                      "the runtime was shut down while kio_runtime_block_on(%s) waited", type->name);
    if (type->out_size)
        memcpy(out, kio_output_(&handle, type->out_size), type->out_size);
    kio_drop(&handle);
}

void kio_root_end_(struct kio_runtime *own)
{
    kio_runtime_free(own);
}
