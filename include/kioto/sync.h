/*
 * Sync: semaphore, mutex, rwlock, notify, barrier, once, set once, cancel tokens; and with them
 * watch.h and broadcast.h.
 *
 *     await(kio_lock(&self->guard, &self->shared->mutex));
 *     …                                     // across awaits too
 *     kio_unlock(&self->guard);             // or let the guard's function end or be dropped
 *
 * Semaphore, mutex, rwlock, notify, barrier, once and set once are plain structs without an
 * allocation; zeroed or initialised, they stay where they are and are used by any thread. What waits
 * in them keeps FIFO order. All of it works under any executor. They must outlive who waits in them:
 * where a task may be the last that needs one, keep it in counted memory whose count the task's
 * destructor gives back; what the task waits for has left the line by then.
 *
 * A guard is a future that has ended and holds the lock: it belongs to the async function that
 * awaited it and is released with it, at the latest.
 *
 * try_ forms never wait, and take nothing from those who do. blocking_ forms are for threads that run
 * no tasks: the thread sleeps; inside a task a guard fails.
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

#define KIO_SEMAPHORE_MAX (SIZE_MAX >> 3)

/* kio_semaphore_init(s, permits): as many may be acquired; 0 is allowed. More than KIO_SEMAPHORE_MAX: a
 * guard fails. No memory: nothing to release. */
KIO_API void kio_semaphore_init(struct kio_semaphore *s, size_t permits);

struct kio_acquire {
    KIO_WAITER_FN_(int); /* 0; -EPIPE: the semaphore was closed */
    /* private from here on */
    bool waiting, granted;
    struct kio_semaphore *of;
    size_t need;
};

/**
 * kio_acquire(slot, semaphore, count): wait for count permits and take them all at once.
 *
 * Out:     0; -EPIPE: it was closed
 * Cancel:  safe: none were taken; the place in the line is lost
 * Order:   first come, first served, for whole requests: a large one is not overtaken
 * Threads: owner
 * Since:   0.1
 * See:     kio_release(), kio_permits(), which gives them back by itself; src/sync/semaphore.c
 */
KIO_API struct kio_acquire *kio_acquire(struct kio_acquire *slot, struct kio_semaphore *semaphore,
                                        size_t count);
/* kio_try_acquire(s, count): 0; -EAGAIN: not so many, or others wait; -EPIPE. Threads: any */
KIO_API KIO_MUST_USE int kio_try_acquire(struct kio_semaphore *s, size_t count);
/**
 * kio_blocking_acquire(semaphore, count): as kio_acquire(), for a thread that runs no tasks.
 *
 * Returns: 0; -EPIPE: it was closed
 * Threads: any; inside a task a guard fails
 * Cost:    blocks; two system calls when it waits
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_blocking_acquire(struct kio_semaphore *semaphore, size_t count);
/* kio_release(s, count): gives permits back, or adds new ones. More than KIO_SEMAPHORE_MAX in all: a
 * guard fails. Threads: any */
KIO_API void kio_release(struct kio_semaphore *s, size_t count);
/**
 * kio_semaphore_forget(semaphore, count): take permits away for good.
 *
 * Only those that are free now: what others hold, or wait for, is not touched. A closed one stays
 * closed.
 *
 * Returns: how many there were to take, at most count
 * Threads: any
 * Since:   0.1
 */
KIO_API size_t kio_semaphore_forget(struct kio_semaphore *semaphore, size_t count);
/* kio_semaphore_close(s): everybody who waits, and who comes later, gets -EPIPE. Threads: any */
KIO_API void kio_semaphore_close(struct kio_semaphore *s);
KIO_API bool kio_semaphore_is_closed(struct kio_semaphore *s);
/* kio_semaphore_available(s): permits that are free. Threads: any */
KIO_API size_t kio_semaphore_available(struct kio_semaphore *s);

/* ---- permits that come back by themselves ------------------------------------------------- */

struct kio_permits {
    KIO_ASYNC_FN(int); /* 0: it holds them; -EPIPE: the semaphore was closed */
    size_t count;      /* permits it holds */
    /* private from here on */
    struct kio_semaphore *of;
    struct kio_acquire acquire;
};

/**
 * kio_permits(slot, semaphore, count): acquire permits; the slot is their guard.
 *
 * They come back by kio_permits_release(slot), when the slot is used again, or when the async
 * function that awaited it ends or is dropped.
 *
 * semaphore borrowed until they came back
 *
 * Out:     0; -EPIPE: it was closed, .count is 0
 * Cancel:  safe: none were taken; the place in the line is lost
 * Threads: owner
 * Order:   as kio_acquire()
 * Since:   0.1
 * See:     kio_try_permits(), kio_permits_split(); src/sync/permits.c
 */
KIO_API struct kio_permits *kio_permits(struct kio_permits *slot, struct kio_semaphore *semaphore,
                                        size_t count);
/* kio_permits_release(guard): gives them back now. Of one that holds nothing: nothing. */
#define kio_permits_release(guard) kio_drop(guard)
/* kio_try_permits(slot, s, count): 0 and a guard; -EAGAIN; -EPIPE. */
#define kio_try_permits(slot, s, count) kio_try_permits_(slot, s, count, KIO_SCOPE_)
KIO_API KIO_MUST_USE int kio_try_permits_(struct kio_permits *slot, struct kio_semaphore *s,
                                          size_t count, kio_future *scope);
/* kio_permits_forget(guard): it holds nothing any more; the semaphore never gets them back. */
KIO_API void kio_permits_forget(struct kio_permits *guard);
/* kio_permits_split(slot, from, count): moves count of a guard's permits to one of their own. 0;
 * -EINVAL: it holds fewer, nothing was moved. Threads: owner of both */
#define kio_permits_split(slot, from, count) kio_permits_split_(slot, from, count, KIO_SCOPE_)
KIO_API KIO_MUST_USE int kio_permits_split_(struct kio_permits *slot, struct kio_permits *from,
                                            size_t count, kio_future *scope);
/* kio_permits_merge(into, from): moves all permits of one guard to another; from holds nothing then.
 * Both are of one semaphore, or a guard fails. Threads: owner of both */
KIO_API void kio_permits_merge(struct kio_permits *into, struct kio_permits *from);

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
    KIO_WAITER_FN_(int); /* 0 */
    /* private from here on */
    bool waiting, granted;
    struct kio_mutex *of;
    const void *task; /* whose poll asked last */
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
/**
 * kio_blocking_lock(slot, mutex): lock from a thread that runs no tasks; the slot is the guard.
 *
 * Nobody but kio_unlock(slot) releases it.
 *
 * Threads: any; inside a task a guard fails
 * Order:   as kio_lock(), in the same line
 * Cost:    blocks; two system calls when it waits
 * Since:   0.1
 */
KIO_API void kio_blocking_lock(struct kio_lock *slot, struct kio_mutex *mutex);

/* ---- rwlock ------------------------------------------------------------------------------- */

/* Zeroed: unlocked, for any number of readers. */
struct kio_rwlock {
    /* private from here on */
    struct kio_lock_ lock;
    bool writing;
    size_t readers;
    size_t max_readers; /* 0: no limit */
    const void *holder; /* the writer's task, for the dump */
    struct kio_waiters_ line;
};

struct kio_rw_guard {
    KIO_WAITER_FN_(int); /* 0 */
    /* private from here on */
    bool write, waiting, granted;
    struct kio_rwlock *of;
    const void *task; /* whose poll asked last */
};

/* kio_rwlock_init(rw, max_readers): at most so many readers at once; others wait in the line. 0: a
 * guard fails. */
KIO_API void kio_rwlock_init(struct kio_rwlock *rw, size_t max_readers);

/* kio_read_lock(slot, rwlock): shared with other readers; waits behind a writer that came before, so
 * writers are not starved. kio_write_lock: alone. The slot is the guard, as kio_lock()'s: released
 * by kio_rw_unlock(slot) or with its function. Cancel: safe */
KIO_API struct kio_rw_guard *kio_read_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
KIO_API struct kio_rw_guard *kio_write_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
#define kio_rw_unlock(guard) kio_drop(guard)
/* kio_try_read_lock(slot, rw), kio_try_write_lock: 0 and a guard, or -EAGAIN: it would have to wait,
 * a reader also behind a writer that waits. */
#define kio_try_read_lock(slot, rw)  kio_try_rw_lock_(slot, rw, false, KIO_SCOPE_)
#define kio_try_write_lock(slot, rw) kio_try_rw_lock_(slot, rw, true, KIO_SCOPE_)
KIO_API KIO_MUST_USE int kio_try_rw_lock_(struct kio_rw_guard *slot, struct kio_rwlock *rw,
                                          bool write, kio_future *scope);
/* kio_blocking_read_lock(slot, rw), kio_blocking_write_lock: from a thread that runs no tasks, as
 * kio_blocking_lock(). */
KIO_API void kio_blocking_read_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
KIO_API void kio_blocking_write_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw);
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
    KIO_WAITER_FN_(void); /* private: see src/sync/notify.c */
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
/* kio_notified_enable(slot): takes its place in the line, or the permit, without being polled. True:
 * it is notified, also when it has ended. */
KIO_API bool kio_notified_enable(struct kio_notified *slot);
/* kio_notify_one(n): wakes the one that waits longest; if nobody does, one permit is kept (never
 * more) for the next. Threads: any */
KIO_API void kio_notify_one(struct kio_notify *n);
/* kio_notify_last(n): as kio_notify_one(), for the one that came last. Threads: any */
KIO_API void kio_notify_last(struct kio_notify *n);
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
    KIO_WAITER_FN_(int); /* 1: this is the leader, the last to arrive; 0: another is */
    /* private from here on */
    bool waiting;
    struct kio_barrier *of;
    uint64_t round;
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
    KIO_WAITER_FN_(int); /* 1: this one initialises; 0: it is initialised */
    /* private from here on */
    bool waiting, granted;
    struct kio_once_cell *of;
    const void *task; /* whose poll asked last */
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
/* kio_try_once_init(slot, once): 1: this one initialises, as after kio_once_init(); 0: it is
 * initialised; -EBUSY: another one is at it. */
#define kio_try_once_init(slot, once) kio_try_once_init_(slot, once, KIO_SCOPE_)
KIO_API KIO_MUST_USE int kio_try_once_init_(struct kio_once_init *slot, struct kio_once_cell *once,
                                            kio_future *scope);
/* kio_once_is_done(once). Threads: any */
KIO_API bool kio_once_is_done(struct kio_once_cell *once);

/* ---- set once ----------------------------------------------------------------------------- */

/*
 * A pointer that is set once and then read by all, for instance to a configuration that is loaded
 * while others start. Zeroed: not set. What it points to stays its owner's.
 */
struct kio_set_once {
    /* private from here on */
    struct kio_lock_ lock;
    bool set;
    void *value;
    struct kio_waiters_ line;
};

struct kio_set_once_wait {
    KIO_WAITER_FN_(void *); /* what was set */
    /* private from here on */
    struct kio_set_once *of;
};

/**
 * kio_set_once(cell, value): set it, and wake all who wait for it.
 *
 * Returns: 0; -EEXIST: it was set before, and stays as it is
 * Threads: any
 * Order:   what was written before is seen by who gets the pointer
 * Cost:    wakes all
 * Since:   0.1
 * See:     src/sync/set_once.c
 */
KIO_API KIO_MUST_USE int kio_set_once(struct kio_set_once *cell, void *value);
/* kio_set_once_get(cell): what was set; NULL: nothing yet. Threads: any */
KIO_API void *kio_set_once_get(struct kio_set_once *cell);
/* kio_set_once_is_set(cell): also true when NULL was set. Threads: any */
KIO_API bool kio_set_once_is_set(struct kio_set_once *cell);
/* kio_set_once_take(cell): what was set, or NULL; it is empty again and can be set once more. Threads:
 * any; who got the pointer before still has it */
KIO_API void *kio_set_once_take(struct kio_set_once *cell);
/* kio_set_once_wait(slot, cell): ready when it is set. Out: what was set. Cancel: safe. Threads: owner */
KIO_API struct kio_set_once_wait *kio_set_once_wait(struct kio_set_once_wait *slot,
                                                    struct kio_set_once *cell);

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
    KIO_WAITER_FN_(void);
    /* private from here on */
    struct kio_cancel_ *node;
};

/* kio_cancelled(slot, token): ready when the token is cancelled. Cancel: safe */
KIO_API struct kio_cancelled *kio_cancelled(struct kio_cancelled *slot,
                                            const struct kio_cancel_token *token);

#endif
