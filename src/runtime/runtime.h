/* What a runtime is made of. Inside src/runtime and src/debug only. */
#ifndef KI_RUNTIME_RUNTIME_H
#define KI_RUNTIME_RUNTIME_H

#include "../driver/driver.h"
#include "../future/thread_waker.h"
#include "../sched/blocking.h"
#include "../sched/sched.h"
#include "context.h"
#include "watchdog.h"

#include <pthread.h>

/* stuck.c: a sleep in which nothing is left that could wake. */
struct ki_stuck {
    uint64_t polls;   /* when it began */
    int64_t since_ns; /* likewise */
    int64_t next_ns;  /* how long after that it is looked at next */
    bool said;
};

struct kio_join_handle;

struct kio_runtime {
    enum kio_flavor flavor; /* deterministic is current_thread, and seeded */
    uint64_t id;
    bool seeded;
    struct ki_sched *sched;
    struct ki_drivers *drivers;
    struct ki_blocking *blocking;
    struct ki_watchdog *watchdog; /* NULL: none */
    struct kio_hooks hooks;
    char name[12];
    ki_atomic(uint32_t) closing; /* shutdown has begun: no new tasks */
    bool sched_closed;           /* every task was dropped; by who shuts down */
    bool of_parent;              /* this process was forked from the one that made it */
    struct ki_lock waiting_lock;
    struct ki_waiting_thread *waiting; /* current_thread: see block_on.c; under the lock */
    int64_t stuck_after_ns;            /* negative: never */
    bool stuck_asked;                  /* also when other threads may wake */
    struct ki_stuck stuck;             /* current_thread: of the thread that runs */
    struct kio_runtime *next;          /* of all; under the lock below */
    int64_t dumped_ns;                 /* when a dump last looked at it; 0: never; likewise */
    pthread_mutex_t looking;           /* current_thread: a dump asks it, or it closes */
};

/* All runtimes, for the dump. While the lock is held, none is made or freed. */
void ki_runtimes_lock(void);
void ki_runtimes_unlock(void);
struct kio_runtime *ki_runtimes_first(void);

/* Somebody leaves a current_thread runtime, or had it for a moment: threads in block_on look. */
void ki_runtime_wake_waiting(struct kio_runtime *rt);

/* A thread in block_on while another one runs the tasks. On its stack. */
struct ki_waiting_thread {
    struct ki_waiting_thread *next;
    struct ki_thread_waker *waker;
};

/* Makes rt this thread's runtime, with the driver of worker i; gives what was before. */
struct ki_context {
    struct kio_runtime *runtime;
    struct ki_driver *driver;
};
struct ki_context ki_context_set(struct ki_context to);

/* The handle of what was made, in the slot; a child of scope if it lies in scope's struct. */
void ki_handle_build(struct kio_join_handle *handle, const struct kio_nursery_ *made,
                     kio_future *scope);

/* Whether this thread has it entered, so that it is, or will be, its current one. */
bool ki_context_is_entered(const struct kio_runtime *rt);

/* A guard fails inside a task. */
void ki_guard_no_task(const char *call);
/* As well in a task or job of rt. */
void ki_guard_outside(const struct kio_runtime *rt, const char *what);
/* current_thread: runs tasks on this thread until done(arg). False at once: another thread does. */
bool ki_runtime_run_here(struct kio_runtime *rt, bool (*done)(void *), void *arg);

/* Whether this thread belongs to rt's blocking pool. */
bool ki_context_on_pool_of(const struct kio_runtime *rt);
void ki_context_set_pool(struct kio_runtime *rt);

/* current_thread: nothing is left to run. */
void ki_stuck_before_sleep(struct kio_runtime *rt);
/* Reports if the sleep has lasted as long as the config says; gives when to look again, negative:
 * when something has happened. */
int64_t ki_stuck_look(struct kio_runtime *rt, struct ki_stuck *stuck);

/* Checks and completes a configuration. 0 or -EINVAL. */
KIO_MUST_USE int ki_config_complete(struct kio_runtime_config *config);

#endif
