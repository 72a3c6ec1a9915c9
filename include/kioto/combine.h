/*
 * Combinators: several futures in one task.
 *
 *     await(kio_join(&self->both, &self->a, &self->b));          // all of them, of any types
 *     await(kio_join_all(&self->all, self->pages, 4));           // an array of one type
 *     await(kio_select(&self->race,                              // .out: which was first
 *                      kio_recv(&self->cat, &self->cat_rx, &self->name),
 *                      &self->report));
 *
 * Results are in the futures' own `out`. Who owns a future decides what becomes of it: one that
 * nobody owns yet becomes the combinator's, and is dropped when that ends; one that the async
 * function owns (async_let) lives on and can be used again, the counterpart of Rust's `&mut fut`.
 * A future that has finished is skipped. For a number of futures that changes while they run there
 * is kio_future_set. Combinators need no runtime and work under any executor.
 */
#ifndef KIOTO_COMBINE_H
#define KIOTO_COMBINE_H

#include "async.h"

#define KIO_ARMS_MAX 16

/* What has a future first; stands in for NULL where a member is looked up. */
struct kio_any_ {
    kio_future kio;
};

/* A future's struct as a kio_future *; NULL stays NULL; anything else does not compile. */
#define KIO_ARM_(x)                                                                                \
    ((void)sizeof((_Generic((x), void *: (struct kio_any_ *)0, default: (x)))->kio),               \
     (kio_future *)(void *)(x))

#define KIO_ARMS_(...)                                                                             \
    KIO_ARMS__(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, )(__VA_ARGS__)
#define KIO_ARMS__(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count, ...)                     \
    KIO_CAT_(KIO_ARMS_, count)
#define KIO_ARMS_1(a)       KIO_ARM_(a)
#define KIO_ARMS_2(a, ...)  KIO_ARM_(a), KIO_ARMS_1(__VA_ARGS__)
#define KIO_ARMS_3(a, ...)  KIO_ARM_(a), KIO_ARMS_2(__VA_ARGS__)
#define KIO_ARMS_4(a, ...)  KIO_ARM_(a), KIO_ARMS_3(__VA_ARGS__)
#define KIO_ARMS_5(a, ...)  KIO_ARM_(a), KIO_ARMS_4(__VA_ARGS__)
#define KIO_ARMS_6(a, ...)  KIO_ARM_(a), KIO_ARMS_5(__VA_ARGS__)
#define KIO_ARMS_7(a, ...)  KIO_ARM_(a), KIO_ARMS_6(__VA_ARGS__)
#define KIO_ARMS_8(a, ...)  KIO_ARM_(a), KIO_ARMS_7(__VA_ARGS__)
#define KIO_ARMS_9(a, ...)  KIO_ARM_(a), KIO_ARMS_8(__VA_ARGS__)
#define KIO_ARMS_10(a, ...) KIO_ARM_(a), KIO_ARMS_9(__VA_ARGS__)
#define KIO_ARMS_11(a, ...) KIO_ARM_(a), KIO_ARMS_10(__VA_ARGS__)
#define KIO_ARMS_12(a, ...) KIO_ARM_(a), KIO_ARMS_11(__VA_ARGS__)
#define KIO_ARMS_13(a, ...) KIO_ARM_(a), KIO_ARMS_12(__VA_ARGS__)
#define KIO_ARMS_14(a, ...) KIO_ARM_(a), KIO_ARMS_13(__VA_ARGS__)
#define KIO_ARMS_15(a, ...) KIO_ARM_(a), KIO_ARMS_14(__VA_ARGS__)
#define KIO_ARMS_16(a, ...) KIO_ARM_(a), KIO_ARMS_15(__VA_ARGS__)

#define KIO_WITH_ARMS_(make, slot, ...)                                                            \
    ({                                                                                             \
        kio_future *const arms_[] = { __VA_OPT__(KIO_ARMS_(__VA_ARGS__)) };                        \
        make(slot, arms_, sizeof arms_ / sizeof arms_[0]);                                         \
    })

/* Up to 16 futures. Private. */
struct kio_arms_ {
    uint8_t count;
    uint8_t turn; /* join: the arm this poll begins with */
    uint8_t step; /* how much further the next one does */
    kio_future *at[KIO_ARMS_MAX];
};

struct kio_join {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_arms_ arms;
};

/**
 * kio_join(slot, future, …): run up to 16 futures of any types, side by side, to their ends.
 *
 * Each poll begins with another future, so that one that is always busy does not use up the
 * task's budget before the others.
 *
 * Cancel:  as the futures'
 * Threads: owner
 * Cost:    a wake polls all that have not ended; for many use kio_join_all()
 * Since:   0.1
 * See:     kio_try_join(), kio_join_all()
 */
#define kio_join(slot, ...) KIO_WITH_ARMS_(kio_join_, slot, __VA_ARGS__)
KIO_API struct kio_join *kio_join_(struct kio_join *slot, kio_future *const *arms, size_t count);

/* kio_join_biased(slot, future, …): as kio_join(), every poll in the order written: the first ones use
 * the budget first. */
#define kio_join_biased(slot, ...) KIO_WITH_ARMS_(kio_join_biased_, slot, __VA_ARGS__)
KIO_API struct kio_join *kio_join_biased_(struct kio_join *slot, kio_future *const *arms,
                                          size_t count);

struct kio_try_join {
    KIO_ASYNC_FN(int); /* 0, or the first error */
    /* private from here on */
    struct kio_arms_ arms;
};

/**
 * kio_try_join(slot, future, …): run up to 16 futures side by side until one fails.
 *
 * A future has failed when its out, an int or a 64-bit integer, is negative. Then the others that
 * nobody else owns are dropped before this ends.
 *
 * Out:     0: all have ended well; otherwise the first error
 * Errors:  the futures'
 * Cancel:  as the futures'
 * Threads: owner
 * Cost:    as kio_join()
 * Since:   0.1
 * See:     kio_try_join_all(); src/future/join.c
 */
#define kio_try_join(slot, ...) KIO_WITH_ARMS_(kio_try_join_, slot, __VA_ARGS__)
KIO_API struct kio_try_join *kio_try_join_(struct kio_try_join *slot, kio_future *const *arms,
                                           size_t count);

/* kio_try_join_biased(slot, future, …): as kio_try_join(), every poll in the order written. */
#define kio_try_join_biased(slot, ...) KIO_WITH_ARMS_(kio_try_join_biased_, slot, __VA_ARGS__)
KIO_API struct kio_try_join *kio_try_join_biased_(struct kio_try_join *slot, kio_future *const *arms,
                                                  size_t count);

struct kio_select {
    KIO_ASYNC_FN(int); /* index of the arm that was ready; -1: no arm was enabled */
    /* private from here on */
    bool biased;
    bool holds; /* in its first poll or before: its arms are not linked yet */
    bool quick; /* then, and two arms in random order: has a short path */
    struct kio_arms_ arms;
};

/**
 * kio_select(slot, arm, …): wait for the first of up to 16 futures.
 *
 * Arms are polled in a random order, so that one that is always ready does not starve the others.
 * An arm that is NULL or has finished is disabled. The losers that nobody else owns are dropped
 * before this ends.
 *
 * Out:     the index of the arm that ended; -1: all were disabled
 * Cancel:  as the arms'
 * Threads: owner
 * Since:   0.1
 * See:     kio_select_biased(); examples/cat_dog_race.c
 */
#define kio_select(slot, ...) KIO_WITH_ARMS_(kio_select_, slot, __VA_ARGS__)
KIO_API struct kio_select *kio_select_(struct kio_select *slot, kio_future *const *arms,
                                       size_t count);

/* kio_select_biased(slot, arm, …): as kio_select(), arms polled in the order written. */
#define kio_select_biased(slot, ...) KIO_WITH_ARMS_(kio_select_biased_, slot, __VA_ARGS__)
KIO_API struct kio_select *kio_select_biased_(struct kio_select *slot, kio_future *const *arms,
                                              size_t count);

/* An array of futures of one type. Private. */
struct kio_many_ {
    char *base;
    size_t stride, count;
    size_t next;    /* the first round: members before it have been polled; few: this round */
    size_t left;    /* members that have not ended */
    union {
        size_t polled; /* in this poll */
        size_t turn;   /* few: the member this round began with */
    };
    bool yielded;   /* a member was woken by its own poll */
    void *nodes;    /* a waker for each member; NULL: few members, or no memory */
    void *todo;     /* members that woke and have not been polled since */
};

struct kio_join_all {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_many_ many;
};

/**
 * kio_join_all(slot, futures, count): run an array of futures, side by side, to their ends.
 *
 * futures  pointer to the first struct; each was made by its constructor; count 0: ready at once
 *
 * Cancel:  as the futures'
 * Threads: owner
 * Cost:    a wake polls only the members that woke (from 9 on; one allocation, pooled, for their
 *          wakers; without memory for it a wake polls all)
 * Since:   0.1
 * See:     examples/page_sizes.c
 */
#define kio_join_all(slot, futures, count)                                                         \
    kio_join_all_(slot, &(futures)->kio, sizeof *(futures), count)
KIO_API struct kio_join_all *kio_join_all_(struct kio_join_all *slot, kio_future *first,
                                           size_t stride, size_t count);

struct kio_try_join_all {
    KIO_ASYNC_FN(int); /* 0, or the first error */
    /* private from here on */
    struct kio_many_ many;
};

/**
 * kio_try_join_all(slot, futures, count): run an array of futures side by side until one fails.
 *
 * futures  as kio_join_all()
 *
 * Out:     0: all have ended well; otherwise the first error, and the rest was dropped
 * Errors:  the futures'
 * Cancel:  as the futures'
 * Threads: owner
 * Cost:    as kio_join_all()
 * Since:   0.1
 * See:     kio_try_join(); src/future/join_all.c
 */
#define kio_try_join_all(slot, futures, count)                                                     \
    kio_try_join_all_(slot, &(futures)->kio, sizeof *(futures), count)
KIO_API struct kio_try_join_all *kio_try_join_all_(struct kio_try_join_all *slot,
                                                   kio_future *first, size_t stride, size_t count);

struct kio_select_all {
    KIO_ASYNC_FN(ssize_t); /* index of the first that ended; -1: none was live */
    /* private from here on */
    struct kio_many_ many;
};

/**
 * kio_select_all(slot, futures, count): wait for the first of an array of futures.
 *
 * Those that have finished are skipped. Of several that are ready at the first poll the one with the
 * lowest index is taken. The losers that nobody else owns are dropped before this ends.
 *
 * futures  as kio_join_all(); any number
 *
 * Out:     the index of the one that ended; -1: none was live
 * Cancel:  as the futures'
 * Threads: owner
 * Cost:    as kio_join_all()
 * Since:   0.1
 * See:     kio_select(); src/future/join_all.c
 */
#define kio_select_all(slot, futures, count)                                                       \
    kio_select_all_(slot, &(futures)->kio, sizeof *(futures), count)
KIO_API struct kio_select_all *kio_select_all_(struct kio_select_all *slot, kio_future *first,
                                               size_t stride, size_t count);

/* ---- boxed -------------------------------------------------------------------------------- */

struct kio_boxed {
    KIO_ASYNC_FN(int); /* 0: the future inside has ended; -ENOMEM: it could not be made */
    /* private from here on */
    kio_future *inner;
    int error;
};

/**
 * kio_box(slot, name, .param = v, …): make an async function's future on the heap.
 *
 * For recursion (a struct cannot contain itself), for a future whose type is chosen at run time,
 * and for large ones that are rarely needed. Without memory the parameters are released by the
 * function's destructor and out is -ENOMEM.
 *
 * Out:     0, or -ENOMEM; the result: *kio_boxed_output(slot, T)
 * Cancel:  as the function's
 * Threads: owner; may move until its first poll
 * Cost:    one allocation, freed when the slot is used again or dropped
 * Since:   0.1
 */
#define kio_box(slot, name, ...)                                                                   \
    ({                                                                                             \
        struct name *in_ = kio_box_alloc_(sizeof(struct name));                                    \
        if (__builtin_expect(in_ != NULL, 1)) {                                                    \
            *in_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_made_(&in_->kio);                                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_boxed_(slot, in_ ? &in_->kio : NULL);                                                  \
    })
KIO_API void *kio_box_alloc_(size_t size);
KIO_API struct kio_boxed *kio_boxed_(struct kio_boxed *slot, kio_future *inner);

/* kio_boxed_output(boxed, T): the result, as a T *, until the slot is used again or dropped. A
 * guard fails when it has not ended or has a result of another size. */
#define kio_boxed_output(boxed, T) ((T *)kio_boxed_output_(boxed, sizeof(T)))
KIO_API void *kio_boxed_output_(const struct kio_boxed *boxed, size_t size);

/* ---- a set that grows and shrinks ---------------------------------------------------------- */

/*
 * Futures of any types, run side by side in one task, taken in the order in which they end:
 *
 *     for (int i = 0; i < 10; i++)
 *         if (kio_future_set_add(&self->set, fetch, .url = self->urls[i]))
 *             async_return(-ENOMEM);
 *     for (;;) {
 *         await(kio_future_set_next(&self->next, &self->set));
 *         if (!self->next.out)
 *             break;                                        // the set is empty
 *         self->sum += *kio_future_set_output(&self->next, int);
 *     }
 *
 * They run only while a kio_future_set_next() is awaited. Members may be added at any time, also
 * by a member. A set is a future's child like any other: it is dropped, with all in it, when the
 * async function in whose struct it lies ends; elsewhere kio_drop(&set) does it.
 */

/* Zeroed: empty. Stays where it is while it has members. */
struct kio_future_set {
    KIO_ASYNC_FN(void);
    /* private from here on */
    size_t count;
    void *blocks; /* a ring; the one to look at first */
    void *room;   /* the one to put a new member in */
};

/**
 * kio_future_set_push(set, future): put a future that lives in a slot into the set.
 *
 * A future that has finished is given by the next kio_future_set_next().
 *
 * future   pointer to its struct; borrowed until it is taken or the set is dropped: neither drop
 *          it nor use its slot again before. Nobody's yet: the set owns it
 *
 * Returns: 0
 * Errors:  -ENOMEM: it is not in the set, and as it was
 * Threads: owner
 * Cost:    constant; the set's memory doubles when it is full
 * Since:   0.1
 */
#define kio_future_set_push(set, future)                                                           \
    kio_future_set_push_(set, &(future)->kio, false, KIO_SCOPE_)

/**
 * kio_future_set_add(set, name, .param = v, …): make an async function's future in the set.
 *
 * It lives on the heap until it was taken and the slot of that kio_future_set_next() is used again
 * or dropped.
 *
 * Returns: 0
 * Errors:  -ENOMEM: the parameters were released by the function's destructor
 * Threads: owner
 * Cost:    one allocation; the set's memory doubles when it is full
 * Since:   0.1
 */
#define kio_future_set_add(set, name, ...)                                                         \
    ({                                                                                             \
        struct name *in_ = kio_box_alloc_(sizeof(struct name));                                    \
        if (__builtin_expect(in_ != NULL, 1)) {                                                    \
            *in_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_made_(&in_->kio);                                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_future_set_push_(set, in_ ? &in_->kio : NULL, true, KIO_SCOPE_);                       \
    })
KIO_API int kio_future_set_push_(struct kio_future_set *set, kio_future *future, bool boxed,
                                 kio_future *scope);

/* kio_future_set_len(set): members that were not taken yet. */
static inline size_t kio_future_set_len(const struct kio_future_set *set)
{
    return set->count;
}

struct kio_future_set_next {
    KIO_ASYNC_FN(int);  /* 1: a member has ended; 0: the set is empty */
    kio_future *future; /* that member: the first member of its struct */
    /* private from here on */
    bool boxed, owned;
    struct kio_future_set *set;
};

/**
 * kio_future_set_next(slot, set): wait until a member has ended, and take it out of the set.
 *
 * set      borrowed until the future ends; one at a time
 *
 * Out:     1, and .future; 0: the set is empty
 * Cancel:  safe: no member is taken; the members wait until the next one
 * Threads: owner
 * Cost:    a wake polls the members that woke
 * Since:   0.1
 * See:     kio_future_set_output(); kio_join_set for tasks
 */
KIO_API struct kio_future_set_next *kio_future_set_next(struct kio_future_set_next *slot,
                                                        struct kio_future_set *set);

/* kio_future_set_output(next, T): the taken member's result, as a T *, until next's slot is used
 * again or dropped. A guard fails when out was not 1 or the result has another size. */
#define kio_future_set_output(next, T) ((T *)kio_future_set_output_(next, sizeof(T)))
KIO_API void *kio_future_set_output_(const struct kio_future_set_next *next, size_t size);

#endif
