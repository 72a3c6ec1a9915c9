/*
 * Shared: one future that many await, each with a handle of its own.
 *
 *     struct kio_shared page;                                // a handle
 *     if (kio_share(&page, fetch, .url = url))
 *         return -ENOMEM;
 *     kio_spawn(NULL, show, .page = kio_shared_clone(&page));
 *     kio_spawn(NULL, store, .page = page);
 *
 *     async(show, show_drop)                                 // its drop: kio_shared_drop(&self->page)
 *     {
 *         async_begin;
 *         await(kio_shared_wait(&self->wait, &self->page));
 *         print(kio_shared_output(&self->page, struct body));
 *         async_return();
 *     }
 *
 * The future runs while at least one waits for it, in the polls of those who wait: one at a time. Its
 * result stays until the last handle is dropped; a future whose last handle goes before it has ended
 * is dropped then, which cancels it. Unlike a task it needs no runtime, and does nothing by itself.
 */
#ifndef KIOTO_SHARED_H
#define KIOTO_SHARED_H

#include "combine.h"

struct kio_shared_; /* opaque */

struct kio_shared {
    /* private from here on */
    struct kio_shared_ *state;
};

/**
 * kio_share(handle, name, .param = v, …): make an async function's future that many can await.
 *
 * handle   written: a handle, or empty (-ENOMEM)
 *
 * Returns: 0
 * Errors:  -ENOMEM: the parameters were released by the function's destructor
 * Threads: any; what the function touches must not be bound to a thread if its handles are not
 * Cost:    one allocation, freed with the last handle
 * Since:   0.1
 * See:     kio_shared_wait(); src/sync/shared.c
 */
#define kio_share(handle, name, ...)                                                               \
    ({                                                                                             \
        struct name *in_ = kio_share_alloc_(sizeof(struct name));                                  \
        if (__builtin_expect(in_ != NULL, 1)) {                                                    \
            *in_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_made_(&in_->kio);                                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_share_(handle, in_ ? &in_->kio : NULL);                                                \
    })
KIO_API void *kio_share_alloc_(size_t size);
KIO_API KIO_MUST_USE int kio_share_(struct kio_shared *handle, kio_future *future);

/* kio_shared_clone(handle): one handle more, to be dropped on its own. Threads: any */
KIO_API KIO_MUST_USE struct kio_shared kio_shared_clone(const struct kio_shared *handle);
/* kio_shared_drop(handle): of the last one: the future is dropped, or its result. Of an empty one:
 * nothing. Threads: any */
KIO_API void kio_shared_drop(struct kio_shared *handle);
/* kio_shared_is_done(handle): whether the result is there. Threads: any */
KIO_API bool kio_shared_is_done(const struct kio_shared *handle);

struct kio_shared_wait {
    KIO_WAITER_FN_(int); /* 0: it has ended */
    /* private from here on */
    struct kio_shared_ *state;
};

/**
 * kio_shared_wait(slot, handle): run a shared future to its end, together with others who wait.
 *
 * Whoever is polled after the future was woken polls it; all who wait are woken, so one that is not
 * polled any more holds up nobody. A future that has ended is not polled again.
 *
 * handle   borrowed for the call; this keeps a reference of its own until it ends or is dropped
 *
 * Out:     0; the result: kio_shared_output(handle, T)
 * Errors:  none
 * Cancel:  safe: the future stays as it is for the others; of the last one and the last handle: it
 *          is dropped
 * Threads: owner; others may wait on other threads
 * Order:   what the future wrote before it ended is seen by all
 * Cost:    no allocation; a wake of the future wakes all who wait
 * Since:   0.1
 * See:     kio_share(), kio_shared_output(); src/sync/shared.c
 */
KIO_API struct kio_shared_wait *kio_shared_wait(struct kio_shared_wait *slot,
                                                const struct kio_shared *handle);

/* kio_shared_output(handle, T): the result, as a const T *, until the last handle is dropped. All
 * handles give the same place. A guard fails when it has not ended or has a result of another size. */
#define kio_shared_output(handle, T) ((const T *)kio_shared_output_(handle, sizeof(T)))
KIO_API const void *kio_shared_output_(const struct kio_shared *handle, size_t size);

#endif
