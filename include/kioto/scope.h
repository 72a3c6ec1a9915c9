/*
 * Scopes: child tasks that may borrow from their parent's frame.
 *
 *     struct total {
 *         async_fn(int);
 *         int parts[4];                     // the children write here, on other workers
 *         struct kio_scope scope;           // zeroed: empty
 *         int i;
 *     };
 *
 *     async(total)
 *     {
 *         async_begin;
 *         for (self->i = 0; self->i < 4; self->i++)
 *             kio_scope_spawn(&self->scope, part, .number = self->i, .to = &self->parts[self->i]);
 *         await(kio_scope_join(&self->scope));
 *         if (self->scope.out)              // the first error of a child
 *             async_return(self->scope.out);
 *         async_return(self->parts[0] + self->parts[1] + self->parts[2] + self->parts[3]);
 *     }
 *
 * A child is a task: it runs on any worker, at the same time as its parent. What makes borrowing safe
 * is the end: the parent's function does not end, and is not dropped, before every child has ended
 * or been dropped. So a child's parameters may point into `self` of the parent, at what lived there
 * when the child was spawned, and a child gives its results by writing there; there are no handles.
 *
 * A child fails by a negative result (as kio_try_join() reads it). The first failure cancels the
 * others, so does kio_scope_cancel(), and so does the end or the drop of the function whose struct
 * the scope lies in. A canceled child is dropped where it waits; one that is being polled, after that
 * poll. docs/decisions/0008-scopes.md has the argument.
 */
#ifndef KIOTO_SCOPE_H
#define KIOTO_SCOPE_H

#include "sync.h"
#include "task.h"

struct kio_scope_child_;

/* Zeroed: empty. Lies in the struct of the async function that spawns into it. */
struct kio_scope {
    KIO_ASYNC_FN(int); /* 0; the first error of a child; -ECANCELED: some were canceled */
    /* private from here on */
    struct kio_lock_ lock;
    uint32_t canceled;
    int error;
    bool cut;      /* a child was dropped before its end */
    bool dropping; /* the owner drops the children */
    size_t count;
    struct kio_scope_child_ *fresh; /* children that were not told that the scope is canceled */
    struct kio_scope_child_ *told;  /* those that were; while dropping: that have to be waited for */
    kio_waker joiner;
    void *dropper; /* the thread that waits in the drop */
};

KIO_API struct kio_nursery_ kio_scope_alloc_(struct kio_scope *scope, const kio_future_type *type,
                                             kio_future *owner);
KIO_API int kio_scope_start_(struct kio_scope *scope, struct kio_nursery_ *made);
KIO_API struct kio_scope *kio_scope_join_(struct kio_scope *scope, kio_future *owner);

/**
 * kio_scope_spawn(scope, name, .param = v, …): run an async function as a child task.
 *
 * Its parameters may point into the struct of the function that spawns. The scope becomes that
 * function's newest child, so that everything there is when a child begins is there until it ends.
 * Functions that were handed a pointer to the scope, among them its children, may spawn into it too:
 * children that outlive the spawner, who may lend them only what the scope's owner lent him.
 *
 * scope    in the struct of the async function that this stands in; elsewhere it must be open already
 *
 * Returns: 0
 * Errors:  -ENOMEM, -ESHUTDOWN, -ECANCELED (the scope is canceled): nothing was spawned, the
 *          parameters were released by the function's destructor
 * Threads: the owner and its children, at once; inside a task: a guard fails elsewhere
 * Cost:    one allocation, from the worker's free list, and a lock
 * Since:   0.1
 * See:     kio_scope_join(); src/task/scope.c; examples/scope.c
 */
#define kio_scope_spawn(scope, name, ...)                                                          \
    ({                                                                                             \
        static const struct kio_place at_ = { __FILE__, __LINE__ };                                \
        struct kio_scope *const in_ = (scope);                                                     \
        struct kio_nursery_ made_ = kio_scope_alloc_(in_, &name##_type, KIO_SCOPE_);               \
        made_.at = &at_;                                                                           \
        if (__builtin_expect(made_.frame != NULL, 1)) {                                            \
            *(struct name *)made_.frame =                                                          \
                (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };       \
            kio_made_((kio_future *)made_.frame);                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_scope_start_(in_, &made_);                                                             \
    })

/**
 * kio_scope_join(scope): wait until every child has ended.
 *
 * Gives the scope itself, which is the future. With no child it is ready at once. Afterwards the
 * scope is empty and can be used again.
 *
 * Out:     0; the result of the first child that failed; -ECANCELED: none failed, but some were
 *          canceled before their end
 * Cancel:  dropping it (kio_drop(), the end of its owner) cancels every child and returns when all
 *          are gone. A select or a timeout that ends leaves it, as everything that is owned
 * Threads: owner
 * Order:   what the children wrote is seen afterwards
 * Since:   0.1
 */
#define kio_scope_join(scope) kio_scope_join_(scope, KIO_SCOPE_)

/**
 * kio_scope_cancel(scope): ask every child to end.
 *
 * Each is dropped at its next suspension, on its worker. Does not wait: kio_scope_join() does.
 * What is spawned afterwards, until the join has ended, is refused with -ECANCELED.
 *
 * Threads: the owner and its children
 * Since:   0.1
 */
KIO_API void kio_scope_cancel(struct kio_scope *scope);

/* kio_scope_len(scope): children that have not ended. Threads: the owner and its children */
KIO_API size_t kio_scope_len(struct kio_scope *scope);

#endif
