/* What a runtime is made of. Inside src/runtime only. */
#ifndef KI_RUNTIME_RUNTIME_H
#define KI_RUNTIME_RUNTIME_H

#include "../driver/driver.h"
#include "../future/thread_waker.h"
#include "../sched/blocking.h"
#include "../sched/sched.h"
#include "context.h"

struct kio_join_handle;

struct kio_runtime {
    enum kio_flavor flavor;
    struct ki_sched *sched;
    struct ki_drivers *drivers;
    struct ki_blocking *blocking;
    struct kio_hooks hooks;
    char name[12];
    ki_atomic(uint32_t) closing; /* shutdown has begun: no new tasks */
    bool sched_closed;           /* every task was dropped; by who shuts down */
    struct ki_lock waiting_lock;
    struct ki_waiting_thread *waiting; /* current_thread: see block_on.c; under the lock */
};

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

/* Whether this thread belongs to rt's blocking pool. */
bool ki_context_on_pool_of(const struct kio_runtime *rt);
void ki_context_set_pool(struct kio_runtime *rt);

/* Checks and completes a configuration. 0 or -EINVAL. */
KIO_MUST_USE int ki_config_complete(struct kio_runtime_config *config);

#endif
