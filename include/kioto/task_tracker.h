/*
 * Task trackers: wait until a crowd of tasks is gone, without keeping anything of them.
 *
 *     kio_task_tracker_spawn(&self->tracker, NULL, connection, .stream = stream);
 *     …
 *     kio_task_tracker_close(&self->tracker);                       // no more to come
 *     kio_cancel(&self->stop);                                      // those that are there: end
 *     await(kio_task_tracker_wait(&self->wait, &self->tracker));    // closed and empty
 *
 * For graceful shutdown, beside a cancel token. Unlike a kio_join_set it keeps no results, so it does
 * not grow while nobody asks; dropping it ends no task.
 */
#ifndef KIOTO_TASK_TRACKER_H
#define KIOTO_TASK_TRACKER_H

#include "sync.h"
#include "task.h"

struct kio_tracker_; /* opaque */

/* A handle; zeroed: none. Each is dropped once. */
struct kio_task_tracker {
    /* private from here on */
    struct kio_tracker_ *shared;
};

/* kio_task_tracker_new(tracker): an open one, with nothing in it. 0 or -ENOMEM. */
KIO_API KIO_MUST_USE int kio_task_tracker_new(struct kio_task_tracker *tracker);
/* kio_task_tracker_clone(tracker): the same tracker once more, to be dropped on its own. */
KIO_API KIO_MUST_USE struct kio_task_tracker
kio_task_tracker_clone(const struct kio_task_tracker *tracker);
/* kio_task_tracker_drop(tracker): gives the handle back; tasks go on. Of a zeroed one: nothing. */
KIO_API void kio_task_tracker_drop(struct kio_task_tracker *tracker);

/* kio_task_tracker_close(tracker), _reopen(tracker): closing lets wait end, it does not keep tasks
 * from being spawned. Whether that changed something. Threads: any */
KIO_API bool kio_task_tracker_close(const struct kio_task_tracker *tracker);
KIO_API bool kio_task_tracker_reopen(const struct kio_task_tracker *tracker);
KIO_API bool kio_task_tracker_is_closed(const struct kio_task_tracker *tracker);
/* kio_task_tracker_len(tracker): tasks and futures that are tracked now. Threads: any */
KIO_API size_t kio_task_tracker_len(const struct kio_task_tracker *tracker);

KIO_API struct kio_nursery_ kio_tracked_alloc_(const struct kio_task_tracker *tracker,
                                               struct kio_runtime *rt, const kio_future_type *type);

/**
 * kio_task_tracker_spawn(tracker, handle, name, .param = v, …): run an async function as a tracked
 * task.
 *
 * As kio_spawn(). The task leaves the tracker when its frame is destroyed, before its join handle is
 * ready.
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN: nothing was spawned or tracked, the parameters were released
 * Threads: any with a current runtime
 * Cost:    two allocations
 * Since:   0.1
 * See:     kio_task_tracker_wait(); src/task/tracker.c
 */
#define kio_task_tracker_spawn(tracker, handle, name, ...)                                         \
    kio_task_tracker_spawn_on(tracker, NULL, handle, name __VA_OPT__(, ) __VA_ARGS__)

/* kio_task_tracker_spawn_on(tracker, rt, handle, name, …): on a given runtime, from any thread. */
#define kio_task_tracker_spawn_on(tracker, rt, handle, name, ...)                                  \
    kio_spawn_from_(kio_tracked_alloc_(tracker, on_, &name##_type), rt, handle,                    \
                    name __VA_OPT__(, ) __VA_ARGS__)

/* kio_task_tracker_spawn_blocking(tracker, handle, fn, arg): as kio_spawn_blocking(), tracked. */
#define kio_task_tracker_spawn_blocking(tracker, handle, fn, arg)                                  \
    kio_tracked_blocking_(tracker, handle, fn, arg, KIO_SCOPE_)
KIO_API int kio_tracked_blocking_(const struct kio_task_tracker *tracker,
                                  struct kio_join_handle *handle, kio_blocking_fn fn, void *arg,
                                  kio_future *scope);

struct kio_tracked {
    KIO_ASYNC_FN(void);
    /* private from here on */
    kio_future *inner;
    struct kio_tracker_ *shared;
};

/* kio_task_tracker_track(slot, tracker, future): a future around another, tracked from now until that
 * has ended or is dropped; its result is in its own struct. Cancel: as the future */
#define kio_task_tracker_track(slot, tracker, future)                                              \
    kio_task_tracker_track_(slot, tracker, &(future)->kio)
KIO_API struct kio_tracked *kio_task_tracker_track_(struct kio_tracked *slot,
                                                    const struct kio_task_tracker *tracker,
                                                    kio_future *inner);

struct kio_tracker_wait {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_tracker_ *shared;
    struct kio_notified quiet;
};

/**
 * kio_task_tracker_wait(slot, tracker): wait until the tracker is closed and empty.
 *
 * Ready when it is, or was for a moment since the future was made: also if it was opened again
 * meanwhile. An open tracker is waited for although it is empty.
 *
 * Cancel:  safe
 * Threads: owner
 * Order:   what the tasks did is seen afterwards
 * Since:   0.1
 */
KIO_API struct kio_tracker_wait *kio_task_tracker_wait(struct kio_tracker_wait *slot,
                                                       const struct kio_task_tracker *tracker);

#endif
