/*
 * Join sets: tasks that belong together, taken in the order in which they end.
 *
 *     kio_join_set_spawn(&self->set, fetch, .url = url);
 *     …
 *     for (;;) {
 *         await(kio_join_next(&self->next, &self->set));
 *         if (!self->next.out)
 *             break;                                        // no task is left
 *         if (self->next.handle.out == 0)
 *             use(*kio_output(&self->next.handle, int));
 *     }
 *
 * Dropping the set aborts what is in it, so a set in an async function's struct, dropped by its
 * destructor, leaves no task behind.
 */
#ifndef KIOTO_JOIN_SET_H
#define KIOTO_JOIN_SET_H

#include "local.h"
#include "task.h"

#include <errno.h>

/* Zeroed: empty. Stays where it is while it has tasks. */
struct kio_join_set {
    /* private from here on */
    size_t count;
    void *blocks;
    void *turn; /* the block to look at first; NULL: the newest */
    struct kio_abort_handle last; /* of the task spawned last */
};

KIO_API struct kio_join_handle *kio_join_set_place_(struct kio_join_set *set, void **place);
KIO_API int kio_join_set_placed_(struct kio_join_set *set, void *place, int err);

/**
 * kio_join_set_spawn(set, name, .param = v, …): run an async function as a task of the set.
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN: nothing was spawned, the parameters were released
 * Threads: owner of the set, with a current runtime
 * Since:   0.1
 * See:     kio_join_set_spawned(): its abort handle and its id
 */
#define kio_join_set_spawn(set, name, ...)                                                         \
    kio_join_set_spawn_on(set, NULL, name __VA_OPT__(, ) __VA_ARGS__)

/* kio_join_set_spawn_on(set, rt, name, …): on a given runtime. kio_join_set_spawn_local(set, name, …):
 * as kio_spawn_local(), where local tasks run. kio_join_set_spawn_local_on(set, local, name, …): as
 * kio_local_spawn(), in a given local set. */
#define kio_join_set_spawn_on(set, rt, name, ...)                                                  \
    kio_join_set_spawn_by_(kio_spawn_on(rt, place_handle_, name __VA_OPT__(, ) __VA_ARGS__), set,  \
                           name __VA_OPT__(, ) __VA_ARGS__)
#define kio_join_set_spawn_local(set, name, ...)                                                   \
    kio_join_set_spawn_local_on(set, NULL, name __VA_OPT__(, ) __VA_ARGS__)
#define kio_join_set_spawn_local_on(set, local, name, ...)                                         \
    kio_join_set_spawn_by_(                                                                        \
        kio_local_spawn(local, place_handle_, name __VA_OPT__(, ) __VA_ARGS__), set,               \
        name __VA_OPT__(, ) __VA_ARGS__)

/* spawn: an expression that makes the task with its handle in place_handle_, and gives 0 or an error. */
#define kio_join_set_spawn_by_(spawn, set, name, ...)                                              \
    ({                                                                                             \
        struct kio_join_set *const set_ = (set);                                                   \
        void *place_;                                                                              \
        struct kio_join_handle *const place_handle_ = kio_join_set_place_(set_, &place_);          \
        int set_err_;                                                                              \
        if (__builtin_expect(place_handle_ != NULL, 1)) {                                          \
            set_err_ = spawn;                                                                      \
        } else {                                                                                   \
            struct name lost_set_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };\
            kio_drop_(&lost_set_.kio);                                                             \
            set_err_ = -ENOMEM;                                                                    \
        }                                                                                          \
        kio_join_set_placed_(set_, place_, set_err_);                                              \
    })

/* kio_join_set_spawn_blocking(set, fn, arg): as kio_spawn_blocking(), in the set. */
KIO_API int kio_join_set_spawn_blocking(struct kio_join_set *set, kio_blocking_fn fn, void *arg);

/* kio_join_set_spawned(set): the abort handle of the task that was spawned last into the set, for
 * kio_abort_by() and kio_abort_task_id(). */
static inline struct kio_abort_handle kio_join_set_spawned(const struct kio_join_set *set)
{
    return set->last;
}

/* kio_join_set_len(set): tasks that were not taken yet. */
static inline size_t kio_join_set_len(const struct kio_join_set *set)
{
    return set->count;
}

/* kio_join_set_abort_all(set): asks every task to end; kio_join_next still gives each. */
KIO_API void kio_join_set_abort_all(struct kio_join_set *set);
/* kio_join_set_detach_all(set): lets every task go on by itself; the set is empty. */
KIO_API void kio_join_set_detach_all(struct kio_join_set *set);
/* kio_join_set_drop(set): aborts every task and forgets it; the set is empty. */
KIO_API void kio_join_set_drop(struct kio_join_set *set);

struct kio_join_next {
    KIO_ASYNC_FN(int);             /* 1: a task has ended; 0: the set is empty */
    struct kio_join_handle handle; /* of that task: out, kio_output, kio_task_id */
    /* private from here on */
    struct kio_join_set *set;
    bool all;
};

/**
 * kio_join_next(slot, set): wait until a task of the set has ended, and take it out.
 *
 * Out:     1, and .handle; 0: there is none
 * Cancel:  safe: no task is taken
 * Threads: owner
 * Cost:    a wake polls the handles of the tasks that ended
 * Since:   0.1
 */
KIO_API struct kio_join_next *kio_join_next(struct kio_join_next *slot, struct kio_join_set *set);

/**
 * kio_join_set_try_next(set, handle): take a task that has ended, without waiting.
 *
 * handle   written when there is one: as kio_join_next's, to be read and dropped; what lived there is
 *          dropped. In the struct of the async function that this stands in it becomes its child
 *
 * Returns: 1: one was taken; 0: none has ended, or the set is empty
 * Threads: owner
 * Since:   0.1
 */
#define kio_join_set_try_next(set, handle) kio_join_set_try_next_(set, handle, KIO_SCOPE_)
KIO_API int kio_join_set_try_next_(struct kio_join_set *set, struct kio_join_handle *handle,
                                   kio_future *scope);

/* kio_join_set_shutdown(slot, set): aborts every task and waits until all have ended; out is 0. */
KIO_API struct kio_join_next *kio_join_set_shutdown(struct kio_join_next *slot,
                                                    struct kio_join_set *set);

#endif
