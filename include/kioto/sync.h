/*
 * Sync: semaphore, mutex, rwlock, notify, barrier, once, cancel tokens; and with them watch.h and
 * broadcast.h.
 *
 *     await(kio_lock(&self->guard, &self->shared->mutex));
 *     …                                     // across awaits too
 *     kio_unlock(&self->guard);             // or let the guard's function end or be dropped
 *
 * Semaphore, mutex, rwlock, notify, barrier and once are plain structs without an allocation; zeroed
 * or initialised, they stay where they are and are used by any thread. What waits in them keeps
 * FIFO order. All of it works under any executor.
 *
 * A guard is a future that has ended and holds the lock: it belongs to the async function that
 * awaited it and is released with it, at the latest.
 */
#ifndef KIOTO_SYNC_H
#define KIOTO_SYNC_H

#include "async.h"
#include "broadcast.h"
#include "watch.h"

/* A small lock inside a public struct. Private. */
struct kio_lock_ {
    uint32_t word;
};

struct kio_waiters_ {
    struct kio_waiter_ *first, **tail;
};

/* ---- semaphore ---------------------------------------------------------------------------- */

struct kio_semaphore {
    /* private from here on */
    struct kio_lock_ lock;
    bool closed;
    size_t permits;
    struct kio_waiters_ line;
};

/* kio_semaphore_init(s, permits): as many may be acquired. No memory: nothing to release. */
static inline void kio_semaphore_init(struct kio_semaphore *s, size_t permits)
{
    *s = (struct kio_semaphore){ .permits = permits };
}

struct kio_acquire {
    KIO_ASYNC_FN(int); /* 0; -EPIPE: the semaphore was closed */
    /* private from here on */
    struct kio_semaphore *of;
    size_t need;
    bool waiting, granted;
    struct kio_waiter_ waiter;
};

/**
 * kio_acquire(slot, semaphore, count): wait for count permits and take them all at once.
 *
 * Out:     0; -EPIPE: it was closed
 * Cancel:  safe: none were taken; the place in the line is lost
 * Order:   first come, first served, for whole requests: a large one is not overtaken
 * Threads: owner
 * Since:   0.1
 * See:     kio_release()
 */
KIO_API struct kio_acquire *kio_acquire(struct kio_acquire *slot, struct kio_semaphore *semaphore,
                                        size_t count);
/* kio_try_acquire(s, count): 0; -EAGAIN: not so many, or others wait; -EPIPE. Threads: any */
KIO_API KIO_MUST_USE int kio_try_acquire(struct kio_semaphore *s, size_t count);
/* kio_release(s, count): gives permits back, or adds new ones. Threads: any */
KIO_API void kio_release(struct kio_semaphore *s, size_t count);
/* kio_semaphore_close(s): everybody who waits, and who comes later, gets -EPIPE. Threads: any */
KIO_API void kio_semaphore_close(struct kio_semaphore *s);
KIO_API size_t kio_semaphore_available(struct kio_semaphore *s);

/* ---- mutex -------------------------------------------------------------------------------- */

/* Zeroed: unlocked. */
struct kio_mutex {
    /* private from here on */
    struct kio_lock_ lock;
    bool held;
    const void *holder; /* a task, for the dump */
    struct kio_waiters_ line;
};

struct kio_lock {
    KIO_ASYNC_FN(int); /* 0 */
    /* private from here on */
    struct kio_mutex *of;
    const void *task; /* whose poll asked last */
    bool waiting, granted;
    struct kio_waiter_ waiter;
};

/**
 * kio_lock(slot, mutex): lock; the slot is the guard.
 *
 * Released by kio_unlock(slot), when the slot is used again, or when the async function that
 * awaited it ends or is dropped. May be held across awaits.
 *
 * Cancel:  safe: the place in the line is lost
 * Order:   handed over first come, first served; who locks sees what was done under the lock before
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_lock *kio_lock(struct kio_lock *slot, struct kio_mutex *mutex);
/* kio_unlock(guard): the next in line gets it. Of one that holds nothing: nothing. */
#define kio_unlock(guard) kio_drop(guard)
/* kio_try_lock(slot, mutex): 0 and a guard, or -EAGAIN. */
#define kio_try_lock(slot, mutex) kio_try_lock_(slot, mutex, KIO_SCOPE_)
KIO_API KIO_MUST_USE int kio_try_lock_(struct kio_lock *slot, struct kio_mutex *mutex,
                                       kio_future *scope);

/* ---- rwlock ------------------------------------------------------------------------------- */

/* Zeroed: unlocked. */
struct kio_rwlock {
    /* private from here on */
    struct kio_lock_ lock;
    bool writing;
    size_t readers;
    const void *holder; /* the writer's task, for the dump */
    struct kio_waiters_ line;
};

struct kio_rw_guard {
    KIO_ASYNC_FN(int); /* 0 */
    /* private from here on */
    struct kio_rwlock *of;
    const void *task; /* whose poll asked last */
    bool write, waiting, granted;
    struct kio_waiter_ waiter;
};

/* kio_read_lock(slot, rwlock): shared with other readers; waits behind a writer that came before, so
 * writers are not starved. kio_write_lock: alone. The slot is the guard, as kio_lock()'s: released
 * by kio_rw_unlock(slot) or with its function. Cancel: safe */
KIO_API struct kio_rw_guard *kio_read_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
KIO_API struct kio_rw_guard *kio_write_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
#define kio_rw_unlock(guard) kio_drop(guard)
/* kio_rw_downgrade(guard): a writer becomes a reader without letting a writer in between. */
KIO_API void kio_rw_downgrade(struct kio_rw_guard *guard);

/* ---- notify ------------------------------------------------------------------------------- */

/* Zeroed: no permit, nobody waits. */
struct kio_notify {
    /* private from here on */
    struct kio_lock_ lock;
    bool permit;
    uint64_t rounds; /* of kio_notify_waiters */
    struct kio_waiters_ line;
};

struct kio_notified {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_notify *of;
    uint64_t round;
    bool waiting, granted;
    struct kio_waiter_ waiter;
};

/**
 * kio_notified(slot, notify): wait to be notified.
 *
 * From this call on it is among those that kio_notify_waiters() wakes; among those that
 * kio_notify_one() chooses from its first poll on (or kio_notified_enable()).
 *
 * Cancel:  safe: a notification it was chosen for goes to the next
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_notified *kio_notified(struct kio_notified *slot, struct kio_notify *notify);
/* kio_notified_enable(slot): takes its place in the line, or the permit (then true), without being
 * polled. */
KIO_API bool kio_notified_enable(struct kio_notified *slot);
/* kio_notify_one(n): wakes the one that waits longest; if nobody does, one permit is kept (never
 * more) for the next. Threads: any */
KIO_API void kio_notify_one(struct kio_notify *n);
/* kio_notify_waiters(n): wakes all that wait now; keeps nothing. Threads: any */
KIO_API void kio_notify_waiters(struct kio_notify *n);

/* ---- barrier ------------------------------------------------------------------------------ */

struct kio_barrier {
    /* private from here on */
    struct kio_lock_ lock;
    size_t count, arrived;
    uint64_t rounds;
    struct kio_waiters_ line;
};

/* kio_barrier_init(b, count): count 0 counts as 1. */
static inline void kio_barrier_init(struct kio_barrier *b, size_t count)
{
    *b = (struct kio_barrier){ .count = count ? count : 1 };
}

struct kio_barrier_wait {
    KIO_ASYNC_FN(int); /* 1: this is the leader, the last to arrive; 0: another is */
    /* private from here on */
    struct kio_barrier *of;
    uint64_t round;
    bool waiting;
    struct kio_waiter_ waiter;
};

/* kio_barrier_wait(slot, barrier): waits until count tasks wait; then all go on, and the barrier
 * can be used again. Cancel: safe: it has not arrived */
KIO_API struct kio_barrier_wait *kio_barrier_wait(struct kio_barrier_wait *slot,
                                                  struct kio_barrier *barrier);

/* ---- once --------------------------------------------------------------------------------- */

/* Zeroed: not initialised. */
struct kio_once_cell {
    /* private from here on */
    struct kio_lock_ lock;
    uint8_t state;
    const void *holder; /* the task that initialises, for the dump */
    struct kio_waiters_ line;
};

struct kio_once_init {
    KIO_ASYNC_FN(int); /* 1: this one initialises; 0: it is initialised */
    /* private from here on */
    struct kio_once_cell *of;
    const void *task; /* whose poll asked last */
    bool waiting, granted;
    struct kio_waiter_ waiter;
};

/**
 * kio_once_init(slot, once): whether to initialise what the once guards.
 *
 *     await(kio_once_init(&self->once, &shared->once));
 *     if (self->once.out) {
 *         …                                     // may await
 *         kio_once_done(&self->once);
 *     }
 *
 * One gets 1; the others wait until it says done. If it is dropped or ends before that, the next
 * one gets 1.
 *
 * Cancel:  safe
 * Order:   what was done before kio_once_done is seen by who gets 0
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_once_init *kio_once_init(struct kio_once_init *slot, struct kio_once_cell *once);
KIO_API void kio_once_done(struct kio_once_init *guard);
/* kio_once_is_done(once). Threads: any */
KIO_API bool kio_once_is_done(struct kio_once_cell *once);

/* ---- cancel tokens ------------------------------------------------------------------------ */

struct kio_cancel_; /* opaque */

struct kio_cancel_token {
    /* private from here on */
    struct kio_cancel_ *node;
};

/* kio_cancel_token_new(token, parent): parent NULL: a root; otherwise cancelled with its parent (at
 * once if that is cancelled). 0 or -ENOMEM. Each token is dropped once. */
KIO_API KIO_MUST_USE int kio_cancel_token_new(struct kio_cancel_token *token,
                                              const struct kio_cancel_token *parent);
/* kio_cancel_token_clone(token): the same token once more, to be dropped on its own. */
KIO_API KIO_MUST_USE struct kio_cancel_token
kio_cancel_token_clone(const struct kio_cancel_token *token);
/* kio_cancel(token): cancels it and its children and wakes who waits for that. Never blocks; twice
 * is once. Threads: any */
KIO_API void kio_cancel(const struct kio_cancel_token *token);
KIO_API bool kio_is_cancelled(const struct kio_cancel_token *token);
KIO_API void kio_cancel_token_drop(struct kio_cancel_token *token);

struct kio_cancelled {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_cancel_ *node;
    struct kio_waiter_ waiter;
};

/* kio_cancelled(slot, token): ready when the token is cancelled. Cancel: safe */
KIO_API struct kio_cancelled *kio_cancelled(struct kio_cancelled *slot,
                                            const struct kio_cancel_token *token);

#endif
