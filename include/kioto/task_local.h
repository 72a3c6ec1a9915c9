/*
 * Task-locals: values that follow a future wherever it is polled.
 *
 *     static struct kio_task_local request_id;              // the key is its address
 *
 *     await(kio_task_local_scope(&self->scoped, &request_id, &self->id, &self->handler));
 *
 *     // in handler, and in whatever it calls or awaits, also after an await on another worker:
 *     uint64_t *id = kio_task_local_get(&request_id, uint64_t);     // NULL outside of a scope
 *
 * A scope is a future around another: while that one is polled or dropped, the key has the value.
 * Scopes nest; the innermost counts. Joins and selects inside of it, and what they poll, see it, the
 * branches beside it do not. A spawned task does not inherit it: hand values over as parameters. It
 * depends on no runtime.
 */
#ifndef KIOTO_TASK_LOCAL_H
#define KIOTO_TASK_LOCAL_H

#include "async.h"

/* A key: static, used by its address. */
struct kio_task_local {
    const char *name; /* for you and the task dump; may be NULL */
};

/* A key that has a value on this thread now. Private. */
struct kio_binding_ {
    const struct kio_task_local *key;
    void *value;
    const struct kio_binding_ *outer;
};

struct kio_task_local_scope {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_binding_ binding;
    kio_future *inner;
};

/**
 * kio_task_local_scope(slot, key, value, future): run a future with a task-local value.
 *
 * Ready when the future is; its result is in its own struct. The value is there too when the future's
 * destructors run.
 *
 * slot     where the scope lives; what lived there is dropped
 * key      borrowed, static
 * value    borrowed until the scope has ended or was dropped; not a C local. NULL: as if unset
 * future   adopted if nobody owns it
 *
 * Cancel:  as the future
 * Threads: owner
 * Cost:    two writes a poll
 * Since:   0.1
 * See:     kio_task_local_get(), kio_task_local_call(); src/future/task_local.c
 */
#define kio_task_local_scope(slot, key, value, future)                                             \
    kio_task_local_scope_(slot, key, value, &(future)->kio)
KIO_API struct kio_task_local_scope *kio_task_local_scope_(struct kio_task_local_scope *slot,
                                                           const struct kio_task_local *key,
                                                           void *value, kio_future *inner);

/**
 * kio_task_local_get(key, T): the value of a key.
 *
 * Returns: T *, what the innermost scope around the code that runs now was given; NULL: there is none.
 *          Valid while that scope lives
 * Threads: any
 * Cost:    a step for each scope around
 * Since:   0.1
 */
#define kio_task_local_get(key, T) ((T *)kio_task_local_get_(key))
KIO_API void *kio_task_local_get_(const struct kio_task_local *key);

/* kio_task_local_call(key, value, fn, arg): a scope around a plain call; gives what fn(arg) returns.
 * Threads: any */
KIO_API void *kio_task_local_call(const struct kio_task_local *key, void *value,
                                  void *(*fn)(void *arg), void *arg);

#endif
