/*
 * Local tasks: tasks bound to one thread.
 *
 *     kio_spawn_local(&self->job, job, .data = data);       // on current_thread: as kio_spawn
 *
 *     // a set of them, polled by the task that waits for it:
 *     if (kio_local_set_new(&self->set))
 *         async_return(-ENOMEM);
 *     kio_local_spawn(&self->set, &self->job, job, .data = data);
 *     await(kio_local_run_until(&self->run, &self->set, &self->main));
 *
 * For data that must not leave a thread. The tasks of a set run inside the polls of the future that
 * runs it, each with its own waker and budget: so on the thread that polls that one. Tasks of a
 * multi_thread runtime move between threads, hence a guard keeps sets out of them: there, give a set
 * a thread of its own, one that calls kio_block_on() (a job of kio_spawn_blocking() may). Wakes come
 * from any thread.
 *
 * Dropping a set drops its tasks; their handles then give -ECANCELED.
 */
#ifndef KIOTO_LOCAL_H
#define KIOTO_LOCAL_H

#include "task.h"

struct kio_local_; /* opaque */

/* Zeroed: none. */
struct kio_local_set {
    /* private from here on */
    struct kio_local_ *local;
};

/* kio_local_set_new(set): an empty one. 0 or -ENOMEM. To be dropped. */
KIO_API KIO_MUST_USE int kio_local_set_new(struct kio_local_set *set);
/* kio_local_set_drop(set): drops its tasks, here and now, on this thread. A guard fails inside one of
 * them. Of a zeroed one: nothing. Threads: the set's, or any while nobody runs it */
KIO_API void kio_local_set_drop(struct kio_local_set *set);
/* kio_local_set_len(set): tasks that have not ended. Threads: the set's */
KIO_API size_t kio_local_set_len(const struct kio_local_set *set);

KIO_API struct kio_nursery_ kio_local_alloc_(const struct kio_local_set *set,
                                             const kio_future_type *type);
KIO_API int kio_local_start_(struct kio_nursery_ *made, struct kio_join_handle *handle,
                             kio_future *scope);

/**
 * kio_local_spawn(set, handle, name, .param = v, …): run an async function as a task of a set.
 *
 * As kio_spawn(), but the task runs when the set does.
 *
 * set      NULL: as kio_spawn_local()
 *
 * Returns: 0
 * Errors:  -ENOMEM: nothing was spawned, the parameters were released
 * Threads: the set's; before it first runs: one
 * Since:   0.1
 * See:     kio_local_run_until(); src/runtime/local.c
 */
#define kio_local_spawn(set, handle, name, ...)                                                    \
    ({                                                                                             \
        static const struct kio_place at_ = { __FILE__, __LINE__ };                                \
        struct kio_nursery_ made_ = kio_local_alloc_(set, &name##_type);                           \
        made_.at = &at_;                                                                           \
        if (__builtin_expect(made_.frame != NULL, 1)) {                                            \
            *(struct name *)made_.frame =                                                          \
                (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };       \
            kio_made_((kio_future *)made_.frame);                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_local_start_(&made_, handle, KIO_SCOPE_);                                              \
    })

/**
 * kio_spawn_local(handle, name, .param = v, …): run an async function as a task of this thread.
 *
 * In the set that runs here (in its tasks and in what kio_local_run_until() runs); otherwise on the
 * current_thread runtime whose task this is. A guard fails elsewhere.
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN: nothing was spawned, the parameters were released
 * Threads: one that runs a set or a current_thread runtime
 * Since:   0.1
 */
#define kio_spawn_local(handle, name, ...)                                                         \
    kio_local_spawn(NULL, handle, name __VA_OPT__(, ) __VA_ARGS__)

struct kio_local_run {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_local_ *local;
    kio_future *inner; /* NULL: until no task is left */
};

/**
 * kio_local_run_until(slot, set, future): run a future together with a set's tasks.
 *
 * Ready when the future is; its result is in its own struct. Tasks of the set that have not ended
 * wait for the next run. The future may kio_spawn_local(). A poll runs up to 61 tasks, then lets
 * others have a turn.
 *
 * slot     where the future lives; what lived there is dropped
 * set      borrowed until this has ended
 * future   adopted if nobody owns it
 *
 * Cancel:  as the future; the tasks stay in the set
 * Threads: owner, always the same thread; one future at a time runs a set: a guard fails otherwise
 * Since:   0.1
 * See:     kio_local_set_wait()
 */
#define kio_local_run_until(slot, set, future) kio_local_run_until_(slot, set, &(future)->kio)
KIO_API struct kio_local_run *kio_local_run_until_(struct kio_local_run *slot,
                                                   const struct kio_local_set *set,
                                                   kio_future *inner);

/* kio_local_set_wait(slot, set): runs the set until no task is left. Cancel: safe, they stay in it */
KIO_API struct kio_local_run *kio_local_set_wait(struct kio_local_run *slot,
                                                 const struct kio_local_set *set);

#endif
