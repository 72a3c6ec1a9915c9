/*
 * Tasks: futures that a runtime polls on its own.
 *
 *     kio_spawn(&self->worker, worker, .queue = rx);       // struct kio_join_handle worker;
 *     …
 *     await(&self->worker);                                // .out: 0, or -ECANCELED after an abort
 *     int n = *kio_output(&self->worker, int);             // the task's result
 *
 * A task is one allocation: a header of 32 bytes and the future. Spawning takes over what its
 * parameters hand over, also when it fails: the future's destructor runs then, and the handle
 * gives the error. A task runs whether or not it is awaited.
 */
#ifndef KIOTO_TASK_H
#define KIOTO_TASK_H

#include "runtime.h"

/* A task's end, as a future. Dropped: the task is detached and goes on. */
struct kio_join_handle {
    KIO_ASYNC_FN(int); /* 0: it ended; -ECANCELED: aborted; or why it could not be spawned */
};

KIO_API int kio_task_start_(struct kio_runtime *rt, struct kio_nursery_ *made,
                            struct kio_join_handle *handle, kio_future *scope);

/**
 * kio_spawn(handle, name, .param = v, …): run an async function as a task of its own.
 *
 * It is queued and never runs inside this call; on multi_thread another worker may start it at
 * once. A handle that lies in the struct of the async function that spawns becomes its child: when
 * that function ends, the handle is dropped. Any other handle is awaited, joined or dropped
 * (kio_drop) by the user; NULL detaches the task at once.
 *
 * handle   where the join handle is made; what lived there is dropped; NULL: none
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN: nothing was spawned, the parameters were released by the
 *          function's destructor; the handle's out says the same
 * Threads: any with a current runtime; a guard fails without one
 * Cost:    one allocation, from the worker's free list
 * Since:   0.1
 * See:     kio_spawn_on(), kio_abort(), kio_output(); examples/ping_channel.c
 */
#define kio_spawn(handle, name, ...) kio_spawn_on(NULL, handle, name __VA_OPT__(, ) __VA_ARGS__)

/* kio_spawn_on(rt, handle, name, .param = v, …): as kio_spawn(), on a given runtime (NULL: the
 * current one), from any thread. */
#define kio_spawn_on(rt, handle, name, ...)                                                        \
    kio_spawn_from_(kio_task_alloc_(on_, &name##_type), rt, handle,                                \
                    name __VA_OPT__(, ) __VA_ARGS__)

/**
 * kio_spawn_named(handle, text, name, .param = v, …): as kio_spawn(), and the task has a name.
 *
 * As if it called kio_task_set_name() first, but hooks and dumps know the name before its first poll.
 *
 * text     copied
 *
 * Returns: as kio_spawn()
 * Errors:  as kio_spawn()
 * Threads: as kio_spawn()
 * Cost:    a second allocation, for the name
 * Since:   0.1
 * See:     kio_task_name(), kio_spawn_blocking_named()
 */
#define kio_spawn_named(handle, text, name, ...)                                                   \
    kio_spawn_from_(kio_named_alloc_(on_, &name##_type, text), NULL, handle,                       \
                    name __VA_OPT__(, ) __VA_ARGS__)
KIO_API struct kio_nursery_ kio_named_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                             const char *text);

/* alloc: an expression that gives a struct kio_nursery_ for name on the runtime on_. */
#define kio_spawn_from_(alloc, rt, handle, name, ...)                                              \
    ({                                                                                             \
        static const struct kio_place at_ = { __FILE__, __LINE__ };                                \
        struct kio_runtime *const on_ = (rt);                                                      \
        struct kio_nursery_ made_ = alloc;                                                         \
        made_.at = &at_;                                                                           \
        if (__builtin_expect(made_.frame != NULL, 1)) {                                            \
            *(struct name *)made_.frame =                                                          \
                (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };       \
            kio_made_((kio_future *)made_.frame);                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_task_start_(on_, &made_, handle, KIO_SCOPE_);                                          \
    })

/**
 * kio_abort(handle): ask for the end of a task.
 *
 * A request: it takes effect at the task's next suspension, where its future is dropped, on its
 * runtime. A task that had ended keeps its result; a blocking job that runs is not stopped.
 *
 * Threads: any
 * Since:   0.1
 */
KIO_API void kio_abort(const struct kio_join_handle *handle);

/* kio_is_finished(handle): whether the task has ended; its frame is destroyed then. Threads: any */
KIO_API bool kio_is_finished(const struct kio_join_handle *handle);

/* Aborts a task without owning it: a plain value, copied freely, valid for ever. */
struct kio_abort_handle {
    /* private from here on */
    void *task;
    uint64_t id;
};

/* kio_abort_handle(handle): as many as you like; of a task that was never spawned: does nothing. */
KIO_API struct kio_abort_handle kio_abort_handle(const struct kio_join_handle *handle);
/* kio_abort_by(abort): as kio_abort(); of a task that is gone: nothing happens. Threads: any */
KIO_API void kio_abort_by(struct kio_abort_handle abort);
/* kio_abort_is_finished(abort): whether that task has ended. Valid for ever, also when the join handle
 * was dropped and the runtime is gone. Threads: any */
KIO_API bool kio_abort_is_finished(struct kio_abort_handle abort);

/* kio_abort_task_id(abort): as kio_task_id(). */
static inline uint64_t kio_abort_task_id(struct kio_abort_handle abort)
{
    return abort.id;
}

/**
 * kio_output(handle, T): the result of a task that has ended.
 *
 * Returns: T *, valid until the handle is dropped or its slot used again
 * Errors:  a guard fails when the task has not ended, was aborted, or has a result of another size
 * Threads: owner
 * Since:   0.1
 */
#define kio_output(handle, T) ((T *)kio_output_(handle, sizeof(T)))
KIO_API void *kio_output_(const struct kio_join_handle *handle, size_t size);

/* kio_task_id(handle): a number no other task of this process ever had; 0: it was never spawned. */
KIO_API uint64_t kio_task_id(const struct kio_join_handle *handle);

/* kio_current_task_id(): of the task, or the job of kio_spawn_blocking(), that runs on this thread; also in
 * its future's destructor. 0: none. */
KIO_API uint64_t kio_current_task_id(void);

/* kio_task_set_name(name): names the running task, for messages and dumps; name is copied. Returns
 * 0, -ENOMEM, or -EINVAL outside a task. */
KIO_API int kio_task_set_name(const char *name);
/* kio_current_task_name(): of the task that runs on this thread, until it is renamed; NULL: none. */
KIO_API const char *kio_current_task_name(void);
/* kio_task_name(handle, text, cap): writes the task's name to text, at most cap bytes with the 0 at
 * its end, also when the task has ended. Returns its length; 0: it has none. Threads: any */
KIO_API size_t kio_task_name(const struct kio_join_handle *handle, char *text, size_t cap);

struct kio_yield {
    KIO_ASYNC_FN(void);
};

/* kio_yield_now(slot): lets other tasks run: this one goes to the back of the queue. Cancel: safe */
KIO_API struct kio_yield *kio_yield_now(struct kio_yield *slot);

/* Called on a thread of the blocking pool, with the runtime entered; may block. */
typedef void *(*kio_blocking_fn)(void *arg);

/**
 * kio_spawn_blocking(handle, fn, arg): run a call that blocks on a thread of its own.
 *
 * The handle is as a task's; the result is a void *: *kio_output(&self->job, void *).
 *
 * arg      handed to fn; must live until fn returns, also when the handle is dropped
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN, -EAGAIN: no thread could be started and none runs; fn is not called
 * Threads: any with a current runtime
 * Cancel:  dropping the handle detaches; kio_abort() prevents a job that has not begun
 * Since:   0.1
 * See:     examples/blocking_pitfall.c
 */
#define kio_spawn_blocking(handle, fn, arg) kio_spawn_blocking_(handle, fn, arg, KIO_SCOPE_)
KIO_API int kio_spawn_blocking_(struct kio_join_handle *handle, kio_blocking_fn fn, void *arg,
                                kio_future *scope);

/* kio_spawn_blocking_named(handle, text, fn, arg): as kio_spawn_blocking(), and the job has a name, for
 * dumps and kio_task_name(). text is copied. */
#define kio_spawn_blocking_named(handle, text, fn, arg)                                            \
    kio_spawn_blocking_named_(handle, text, fn, arg, KIO_SCOPE_)
KIO_API int kio_spawn_blocking_named_(struct kio_join_handle *handle, const char *text,
                                      kio_blocking_fn fn, void *arg, kio_future *scope);

/**
 * kio_block_in_place(fn, arg): run a call that blocks here and now, without holding up others.
 *
 * Inside a task on multi_thread: while fn runs a spare worker does this worker's duties, so that
 * every other task, timer and socket goes on; only what is in the same task (other branches of its
 * select or join) stops. Cheaper than kio_spawn_blocking() for a call that needs the task's own
 * data, since nothing moves to another thread: arg may point to a C local. Inside fn the runtime is
 * entered but no task runs: it may spawn, use the blocking forms of send and receive, and
 * kio_block_on(). On a thread that runs no task it only calls fn.
 *
 * arg      handed to fn
 *
 * Returns: what fn returns
 * Errors:  a guard fails on current_thread, where nobody could take over; none otherwise: when no
 *          thread can be had (max_blocking of them stand in already) this worker is missing
 *          meanwhile
 * Threads: any
 * Cost:    a thread of the blocking pool, kept for a while; tens of nanoseconds when a spare is still
 *          at work from the last call, otherwise waking or starting its thread
 * Since:   0.1
 * See:     kio_spawn_blocking(); src/sched/spare.c; docs/guide/11-production.md
 */
KIO_API void *kio_block_in_place(kio_blocking_fn fn, void *arg);

struct kio_consume_budget {
    KIO_ASYNC_FN(void);
};

/**
 * kio_consume_budget(slot): take part in the budget: for loops that compute and never wait.
 *
 * Takes one operation from the task's budget of 128 and is ready; with none left the task yields
 * first. So an await in each round of a long loop costs little, and others get their turn.
 *
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 * See:     kio_yield_now(), kio_has_budget()
 */
KIO_API struct kio_consume_budget *kio_consume_budget(struct kio_consume_budget *slot);

/* kio_has_budget(): whether the task that runs on this thread may do more in this poll; true outside of
 * tasks and inside kio_unconstrained(). */
KIO_API bool kio_has_budget(void);

struct kio_unconstrained {
    KIO_ASYNC_FN(void);
    /* private from here on */
    kio_future *inner;
};

/* kio_unconstrained(slot, future): runs a future without a budget: it never has to yield. */
#define kio_unconstrained(slot, future) kio_unconstrained_(slot, &(future)->kio)
KIO_API struct kio_unconstrained *kio_unconstrained_(struct kio_unconstrained *slot,
                                                     kio_future *inner);

#endif
