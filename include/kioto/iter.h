/*
 * Async iterators, the counterpart of Rust's Stream: values that come one after another, with
 * waiting in between.
 *
 *     struct report {
 *         async_fn(void);
 *         struct kio_rx lines;
 *         struct kio_iter_rx all;
 *         struct kio_iter_filter errors;
 *         struct kio_iter_chunks batches;
 *         struct line batch[100];
 *         struct kio_iter_next next;
 *         size_t count;
 *     };
 *     ...
 *     kio_iter_rx(&self->all, &self->lines);
 *     kio_iter_filter(&self->errors, &self->all, is_error, NULL);
 *     kio_iter_chunks(&self->batches, &self->errors, self->batch, 100, KIO_SEC);
 *     for (;;) {
 *         await(kio_iter_next(&self->next, &self->batches, &self->count));
 *         if (self->next.out <= 0)
 *             break;                                  // 0: ended; negative: an error
 *         write_out(self->batch, self->count);
 *     }
 *
 * An iterator is built in place, like a future, and is a child of whoever it was handed to: an
 * adapter owns its source, the async function in whose struct the outermost lies owns that. So
 * dropping the outermost drops all, and kio_drop() works on iterators too. It does nothing until
 * its next value is asked for, and only while somebody waits for that: what `buffered` has in
 * flight stands still while the consumer awaits something else.
 *
 * Items are copied, of one size for each iterator: the size of what the pointer points to that
 * kio_iter_next() gets.
 * Items that own something are better passed as pointers: dropping an iterator drops what it has
 * in hand without a destructor.
 *
 * Iterators need no runtime, but for those with a time in them, and belong to one task at a time.
 */
#ifndef KIOTO_ITER_H
#define KIOTO_ITER_H

#include <kioto/channel.h>
#include <kioto/combine.h>
#include <kioto/sync.h>
#include <kioto/time.h>

/* The largest item that an adapter or kio_iter_each() holds on its way: map, filter_map, map_while, zip,
 * peekable, buffered. */
#define KIO_ITEM_MAX 256

#define KIO_FOREVER INT64_MAX

/* What a next() of a type's own answers: */
#define KIO_ITER_WAITS INT32_MIN /* nothing yet, a wake was arranged */

struct kio_iter;

/* next: 1: *item was written; 0: it has ended; negative: an error; KIO_ITER_WAITS. Is not called
 * again after 0. */
typedef int kio_iter_fn(struct kio_iter *self, kio_context *cx, void *item);

/* A kind of iterator. */
typedef struct kio_iter_type {
    kio_future_type kio; /* .name, .size and perhaps .drop; made by KIO_ITER_TYPE() */
    kio_iter_fn *next;
} kio_iter_type;

/* The head of every iterator. */
struct kio_iter {
    kio_future kio;
    /* private from here on */
    size_t size; /* of an item; 0: any */
    bool over, owned;
};

/* First member of an iterator's struct. */
#define KIO_ITER                                                                                   \
    union {                                                                                        \
        kio_future kio;                                                                            \
        struct kio_iter iter;                                                                      \
    }

/**
 * KIO_ITER_TYPE(name, struct, next[, drop]): defines `name`, the type of an iterator by hand.
 *
 * next     int next(struct kio_iter *, kio_context *, void *item), see kio_iter_fn
 * drop     void drop(kio_future *): releases what it holds; runs once
 *
 * Since:   0.1
 * See:     kio_iter_init(); examples/streams.c
 */
#define KIO_ITER_TYPE(name_, struct_, next_, ...)                                                  \
    const kio_iter_type name_ = {                                                                  \
        .kio = {                                                                                   \
            .name = #struct_,                                                                      \
            .file = __FILE__,                                                                      \
            .line = __LINE__,                                                                      \
            .size = sizeof(struct struct_),                                                        \
            .poll = kio_iter_poll_,                                                                \
            __VA_OPT__(.drop = __VA_ARGS__)                                                        \
        },                                                                                         \
        .next = next_,                                                                             \
    }
KIO_API kio_poll kio_iter_poll_(kio_future *f, kio_context *cx); /* a guard: not to be awaited */

/**
 * kio_iter_init(iter, type, size): make an iterator of a type of your own in its struct.
 *
 * What lived there is dropped. It becomes a child of the async function that calls this, if it
 * lies in that one's struct.
 *
 * type     static
 * size     bytes of an item
 *
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_init(self, type, size)                                                            \
    kio_iter_init_(&(self)->iter, &(type)->kio, size, KIO_SCOPE_)
KIO_API void kio_iter_init_(struct kio_iter *iter, const kio_future_type *type, size_t size,
                            kio_future *scope);

/* kio_iter_own(self, source): for adapters of your own: source is dropped with self. */
#define kio_iter_own(self, source) kio_iter_own_(&(self)->iter, &(source)->iter)
KIO_API void kio_iter_own_(struct kio_iter *self, struct kio_iter *source);

/* kio_iter_pull(source, cx, item): the source's next value, as a next() answers. */
KIO_API int kio_iter_pull(struct kio_iter *source, kio_context *cx, void *item);

/* ---- taking values ------------------------------------------------------------------------ */

struct kio_iter_next {
    KIO_ASYNC_FN(int); /* 1: a value; 0: it has ended; negative: an error */
    /* private from here on */
    struct kio_iter *of;
    void *item;
};

/**
 * kio_iter_next(slot, iter, item): wait for the next value.
 *
 * item     written when out is 1; borrowed until the future ends
 *
 * Out:     1: a value; 0: it has ended, and will give 0 from now on; negative: an error of the
 *          source: whether more comes after it is the source's to say (0 next time: no)
 * Cancel:  safe: a value is taken when out says so, or is still to come
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_next(slot, iter_, item)                                                           \
    kio_iter_next_(slot, &(iter_)->iter, item, KIO_VALUE_SIZE_(item))
KIO_API struct kio_iter_next *kio_iter_next_(struct kio_iter_next *slot, struct kio_iter *iter,
                                             void *item, size_t size);

struct kio_iter_collect {
    KIO_ASYNC_FN(ssize_t); /* how many were taken; negative: an error */
    /* private from here on */
    struct kio_iter *of;
    char *items;
    size_t size, max, count;
};

/**
 * kio_iter_collect(slot, iter, items, max): take values until it ends, or max of them.
 *
 * Out:     how many; a negative errno when the source gave one (kio_iter_collected(slot) says how
 *          many came before it)
 * Cancel:  safe: what was taken lies in items, kio_iter_collected() of it
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_collect(slot, iter_, items, max)                                                  \
    kio_iter_collect_(slot, &(iter_)->iter, items, KIO_VALUE_SIZE_(items), max)
KIO_API struct kio_iter_collect *kio_iter_collect_(struct kio_iter_collect *slot,
                                                   struct kio_iter *iter, void *items, size_t size,
                                                   size_t max);
static inline size_t kio_iter_collected(const struct kio_iter_collect *collect)
{
    return collect->count;
}

struct kio_iter_each {
    KIO_ASYNC_FN(ssize_t); /* how many were taken; negative: an error */
    /* private from here on */
    struct kio_iter *of;
    bool (*each)(void *arg, const void *item);
    void *arg;
    size_t count;
};

/**
 * kio_iter_each(slot, iter, each, arg): call each(arg, item) for every value, until it says no.
 *
 * For what folds (a sum in *arg), for "any" and "all", for what is done with every value and does not
 * wait. What waits belongs in a loop around kio_iter_next().
 *
 * each     false: no more
 * arg      borrowed until the future ends
 *
 * Out:     for how many it was called; a negative errno when the source gave one
 * Cancel:  safe: each() was called for what was taken
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_each(slot, iter_, each, arg) kio_iter_each_(slot, &(iter_)->iter, each, arg)
KIO_API struct kio_iter_each *kio_iter_each_(struct kio_iter_each *slot, struct kio_iter *iter,
                                             bool (*each)(void *arg, const void *item), void *arg);

/* ---- sources ------------------------------------------------------------------------------ */

struct kio_iter_array {
    KIO_ITER;
    /* private from here on */
    const char *at;
    size_t left;
};

/* kio_iter_array(slot, items, count): the items of an array, which is borrowed. */
#define kio_iter_array(slot, items, count)                                                         \
    kio_iter_array_(slot, items, sizeof *(items), count, KIO_SCOPE_)
KIO_API struct kio_iter_array *kio_iter_array_(struct kio_iter_array *slot, const void *items,
                                               size_t size, size_t count, kio_future *scope);

struct kio_iter_range {
    KIO_ITER;
    /* private from here on */
    int64_t at, end;
};

/* kio_iter_range(slot, from, end): the int64_t from, from + 1, … end - 1. */
#define kio_iter_range(slot, from, end) kio_iter_range_(slot, from, end, KIO_SCOPE_)
KIO_API struct kio_iter_range *kio_iter_range_(struct kio_iter_range *slot, int64_t from,
                                               int64_t end, kio_future *scope);

struct kio_iter_pending {
    KIO_ITER;
};

/* kio_iter_pending(slot): one that never gives anything and never ends. Fits items of any size. */
#define kio_iter_pending(slot) kio_iter_pending_(slot, KIO_SCOPE_)
KIO_API struct kio_iter_pending *kio_iter_pending_(struct kio_iter_pending *slot, kio_future *scope);

struct kio_iter_rx {
    KIO_ITER;
    /* private from here on */
    struct kio_chan_ *chan;
    struct kio_recv recv;
};

/* kio_iter_rx(slot, rx): the messages of an mpsc channel, until it is closed and drained. rx stays
 * the caller's, and must live on. */
#define kio_iter_rx(slot, rx) kio_iter_rx_(slot, (rx)->chan, KIO_SCOPE_)
KIO_API struct kio_iter_rx *kio_iter_rx_(struct kio_iter_rx *slot, struct kio_chan_ *chan,
                                         kio_future *scope);

struct kio_iter_broadcast {
    KIO_ITER;
    /* private from here on */
    struct kio_broadcast_rx_ *rx;
    struct kio_broadcast_recv recv;
};

/* kio_iter_broadcast(slot, rx, size): the messages of a broadcast channel, of `size` bytes; -EOVERFLOW
 * where some were missed, and it goes on. rx is borrowed. */
#define kio_iter_broadcast(slot, rx, size) kio_iter_broadcast_(slot, &(rx)->any_, size, KIO_SCOPE_)
KIO_API struct kio_iter_broadcast *kio_iter_broadcast_(struct kio_iter_broadcast *slot,
                                                       struct kio_broadcast_rx_ *rx, size_t size,
                                                       kio_future *scope);

struct kio_iter_watch {
    KIO_ITER;
    /* private from here on */
    struct kio_watch_rx_ *rx;
    struct kio_watch_changed changed;
    bool started;
};

/* kio_iter_watch(slot, rx, size): the value now, then each newer one, skipping those that were replaced
 * before they were asked for. rx is borrowed. */
#define kio_iter_watch(slot, rx, size) kio_iter_watch_(slot, &(rx)->any_, size, true, KIO_SCOPE_)
/* kio_iter_watch_changes(slot, rx, size): without the value now: only those newer than the last seen. */
#define kio_iter_watch_changes(slot, rx, size)                                                     \
    kio_iter_watch_(slot, &(rx)->any_, size, false, KIO_SCOPE_)
KIO_API struct kio_iter_watch *kio_iter_watch_(struct kio_iter_watch *slot, struct kio_watch_rx_ *rx,
                                               size_t size, bool now, kio_future *scope);

struct kio_iter_interval {
    KIO_ITER;
    /* private from here on */
    struct kio_interval interval;
    struct kio_tick tick;
    int error;
};

/* kio_iter_interval(slot, period): ticks (kio_instant) at a steady rate, the first at once. A period of
 * zero or less: -EINVAL, then the end. */
#define kio_iter_interval(slot, period) kio_iter_interval_(slot, period, KIO_SCOPE_)
KIO_API struct kio_iter_interval *kio_iter_interval_(struct kio_iter_interval *slot,
                                                     kio_duration period, kio_future *scope);
/* kio_iter_interval_of(ticks): its interval, for kio_interval_missed() and the resets. */
static inline struct kio_interval *kio_iter_interval_of(struct kio_iter_interval *ticks)
{
    return &ticks->interval;
}

/* ---- generators --------------------------------------------------------------------------- */

/* What an async function gives its values to: a pointer to it is a parameter of the function. */
struct kio_emitter {
    /* private from here on */
    void *to;
    size_t size;
    bool full;
};

struct kio_emit {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_emitter *emitter;
    const void *item;
};

/**
 * kio_emit(slot, emitter, item): inside a generator: give a value, and go on when the next is asked for.
 *
 * item     copied
 *
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 * See:     kio_iter_generator()
 */
#define kio_emit(slot, emitter, item) kio_emit_(slot, emitter, item, KIO_VALUE_SIZE_(item))
KIO_API struct kio_emit *kio_emit_(struct kio_emit *slot, struct kio_emitter *emitter,
                                   const void *item, size_t size);

struct kio_iter_generator {
    KIO_ITER;
    /* private from here on */
    struct kio_emitter emitter;
    kio_future *body;
};

/**
 * kio_iter_generator(slot, size, body_slot, name, .param = v, …): the values an async function emits.
 *
 *     struct lines { async_fn(int); struct kio_emitter *to; … struct kio_emit emit; };
 *     …
 *     await(kio_emit(&self->emit, self->to, &self->line));
 *
 *     kio_iter_generator(&self->iter, sizeof(struct line), &self->body, lines, .path = path);
 *
 * The function is an async_fn(int) with a parameter `to`, a struct kio_emitter *, which is set here.
 * Its result ends the iterator: 0, or a negative errno that is given before the end.
 *
 * body_slot    where the function's future lives; the iterator owns it
 *
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_generator(slot, size, body_slot, name, ...)                                       \
    ({                                                                                             \
        struct kio_iter_generator *gen_ =                                                          \
            kio_iter_generator_(slot, size, KIO_SCOPE_);                                           \
        kio_iter_body_(gen_, &KIO_CALL(body_slot, name,                                            \
                                       .to = &gen_->emitter __VA_OPT__(, ) __VA_ARGS__)->kio);     \
        gen_;                                                                                      \
    })
KIO_API void kio_iter_body_(struct kio_iter_generator *slot, kio_future *body);
KIO_API struct kio_iter_generator *kio_iter_generator_(struct kio_iter_generator *slot, size_t size,
                                                       kio_future *scope);

/* ---- adapters ----------------------------------------------------------------------------- */

struct kio_iter_map {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    void (*change)(void *arg, const void *in, void *out);
    void *arg;
};

/* kio_iter_map(slot, source, size, change, arg): change(arg, in, out) makes an item of `size` bytes from
 * each. */
#define kio_iter_map(slot, source, size, change, arg)                                              \
    kio_iter_map_(slot, &(source)->iter, size, change, arg, KIO_SCOPE_)
KIO_API struct kio_iter_map *kio_iter_map_(struct kio_iter_map *slot, struct kio_iter *source,
                                           size_t size,
                                           void (*change)(void *arg, const void *in, void *out),
                                           void *arg, kio_future *scope);

struct kio_iter_filter {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    bool (*keep)(void *arg, const void *item);
    void *arg;
};

/* kio_iter_filter(slot, source, keep, arg): those for which keep(arg, item) is true. */
#define kio_iter_filter(slot, source, keep, arg)                                                   \
    kio_iter_filter_(slot, &(source)->iter, keep, arg, KIO_SCOPE_)
KIO_API struct kio_iter_filter *kio_iter_filter_(struct kio_iter_filter *slot,
                                                 struct kio_iter *source,
                                                 bool (*keep)(void *arg, const void *item), void *arg,
                                                 kio_future *scope);

struct kio_iter_filter_map {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    bool (*change)(void *arg, const void *in, void *out);
    void *arg;
};

/* kio_iter_filter_map(slot, source, size, change, arg): filter and map in one: change(arg, in, out) makes
 * an item of `size` bytes, or says false: this one is left out. */
#define kio_iter_filter_map(slot, source, size, change, arg)                                       \
    kio_iter_filter_map_(slot, &(source)->iter, size, change, arg, true, KIO_SCOPE_)
/* kio_iter_map_while(slot, source, size, change, arg): the same, but the first false is the end; the source
 * is not asked again. In a struct kio_iter_filter_map. */
#define kio_iter_map_while(slot, source, size, change, arg)                                        \
    kio_iter_filter_map_(slot, &(source)->iter, size, change, arg, false, KIO_SCOPE_)
KIO_API struct kio_iter_filter_map *
kio_iter_filter_map_(struct kio_iter_filter_map *slot, struct kio_iter *source, size_t size,
                     bool (*change)(void *arg, const void *in, void *out), void *arg, bool to_the_end,
                     kio_future *scope);

struct kio_iter_take_while {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    bool (*keep)(void *arg, const void *item);
    void *arg;
};

/* kio_iter_take_while(slot, source, keep, arg): those before the first for which keep(arg, item) is
 * false; that one is lost. */
#define kio_iter_take_while(slot, source, keep, arg)                                               \
    kio_iter_take_while_(slot, &(source)->iter, keep, arg, KIO_SCOPE_)
KIO_API struct kio_iter_take_while *kio_iter_take_while_(struct kio_iter_take_while *slot,
                                                         struct kio_iter *source,
                                                         bool (*keep)(void *arg, const void *item),
                                                         void *arg, kio_future *scope);

struct kio_iter_take {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    uint64_t left;
};

/* kio_iter_take(slot, source, n): the first n. It ends after the nth without asking for another. */
#define kio_iter_take(slot, source, n) kio_iter_take_(slot, &(source)->iter, n, KIO_SCOPE_)
KIO_API struct kio_iter_take *kio_iter_take_(struct kio_iter_take *slot, struct kio_iter *source,
                                             uint64_t n, kio_future *scope);

struct kio_iter_skip {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    uint64_t left;
};

/* kio_iter_skip(slot, source, n): all but the first n. */
#define kio_iter_skip(slot, source, n) kio_iter_skip_(slot, &(source)->iter, n, KIO_SCOPE_)
KIO_API struct kio_iter_skip *kio_iter_skip_(struct kio_iter_skip *slot, struct kio_iter *source,
                                             uint64_t n, kio_future *scope);

struct kio_iter_skip_while {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    bool (*skip)(void *arg, const void *item); /* NULL: one was kept */
    void *arg;
};

/* kio_iter_skip_while(slot, source, skip, arg): from the first on for which skip(arg, item) is false. */
#define kio_iter_skip_while(slot, source, skip, arg)                                               \
    kio_iter_skip_while_(slot, &(source)->iter, skip, arg, KIO_SCOPE_)
KIO_API struct kio_iter_skip_while *kio_iter_skip_while_(struct kio_iter_skip_while *slot,
                                                         struct kio_iter *source,
                                                         bool (*skip)(void *arg, const void *item),
                                                         void *arg, kio_future *scope);

struct kio_iter_peekable {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    bool holds;
    uint64_t held[KIO_ITEM_MAX / 8];
};

/* kio_iter_peekable(slot, source): the same items, and kio_iter_peek() shows the next one before it is
 * taken. */
#define kio_iter_peekable(slot, source) kio_iter_peekable_(slot, &(source)->iter, KIO_SCOPE_)
KIO_API struct kio_iter_peekable *kio_iter_peekable_(struct kio_iter_peekable *slot,
                                                     struct kio_iter *source, kio_future *scope);

struct kio_iter_peek {
    KIO_ASYNC_FN(int); /* 1: there is a next value; 0: it has ended; negative: an error */
    void *item;        /* that value, in its place: it may be changed; valid until it is taken */
    /* private from here on */
    struct kio_iter_peekable *of;
};

/**
 * kio_iter_peek(slot, peekable): wait until there is a next value, and look at it.
 *
 * It stays where it is: the next kio_iter_next() takes it at once, as whoever looked left it.
 *
 * Out:     1, and .item; 0: it has ended; negative: an error of the source, which is used up by this
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_iter_peek *kio_iter_peek(struct kio_iter_peek *slot, struct kio_iter_peekable *of);

struct kio_iter_zip {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *of[2];
    void (*pair)(void *arg, const void *a, const void *b, void *out);
    void *arg;
    bool holds;
    uint64_t held[KIO_ITEM_MAX / 8];
};

/* kio_iter_zip(slot, a, b, size, pair, arg): pair(arg, x, y, out) makes an item of `size` bytes from the
 * next of a and the next of b. Ends with the first of them to end; one of a that then has no partner is
 * lost. */
#define kio_iter_zip(slot, a, b, size, pair, arg)                                                  \
    kio_iter_zip_(slot, &(a)->iter, &(b)->iter, size, pair, arg, KIO_SCOPE_)
KIO_API struct kio_iter_zip *
kio_iter_zip_(struct kio_iter_zip *slot, struct kio_iter *a, struct kio_iter *b, size_t size,
              void (*pair)(void *arg, const void *a, const void *b, void *out), void *arg,
              kio_future *scope);

struct kio_iter_chain {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *of[2];
};

/* kio_iter_chain(slot, first, second): all of the first, then all of the second. */
#define kio_iter_chain(slot, first, second)                                                        \
    kio_iter_chain_(slot, &(first)->iter, &(second)->iter, KIO_SCOPE_)
KIO_API struct kio_iter_chain *kio_iter_chain_(struct kio_iter_chain *slot, struct kio_iter *first,
                                               struct kio_iter *second, kio_future *scope);

struct kio_iter_merge {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *of[2];
    uint8_t turn;
};

/* kio_iter_merge(slot, a, b): the items of both as they come; when both have one, in turn. Ends when both
 * have ended. For more than two merge merges. */
#define kio_iter_merge(slot, a, b) kio_iter_merge_(slot, &(a)->iter, &(b)->iter, KIO_SCOPE_)
KIO_API struct kio_iter_merge *kio_iter_merge_(struct kio_iter_merge *slot, struct kio_iter *a,
                                               struct kio_iter *b, kio_future *scope);

/* ---- a set of iterators ------------------------------------------------------------------- */

struct kio_iter_member_;

struct kio_iter_set {
    KIO_ITER;
    uint64_t key; /* whose the last item was */
    /* private from here on */
    struct kio_iter_member_ *at;
    uint32_t count, room, turn;
    kio_waker waker;
};

/**
 * kio_iter_set(slot, size): many iterators of one item size as one, that come and go.
 *
 * Made empty. Its items are those of its members as they come, in turn when several have one; .key says
 * whose the last was. A member that ends leaves. When no member is left the set has ended, until another
 * is added.
 *
 * size     bytes of an item
 *
 * Threads: owner
 * Cost:    a wake asks the members one after the other until one has an item
 * Since:   0.1
 * See:     kio_iter_set_add(); kio_iter_merge() for two; src/iter/set.c
 */
#define kio_iter_set(slot, size) kio_iter_set_(slot, size, KIO_SCOPE_)
KIO_API struct kio_iter_set *kio_iter_set_(struct kio_iter_set *slot, size_t size, kio_future *scope);

/* kio_iter_set_add(set, key, iter): hands an iterator over to the set, which drops it at its end. One that
 * has this key already is dropped. 0; -ENOMEM: iter is as it was. Who waits for the set's next item is
 * woken. */
#define kio_iter_set_add(set, key, iter_) kio_iter_set_add_(set, key, &(iter_)->iter)
KIO_API KIO_MUST_USE int kio_iter_set_add_(struct kio_iter_set *set, uint64_t key,
                                           struct kio_iter *iter);
/* kio_iter_set_has(set, key): whether there is such a member. _remove(set, key): drops it; false: there was
 * none. _clear(set): drops all. _len(set): members that have not ended. */
KIO_API bool kio_iter_set_has(const struct kio_iter_set *set, uint64_t key);
KIO_API bool kio_iter_set_remove(struct kio_iter_set *set, uint64_t key);
KIO_API void kio_iter_set_clear(struct kio_iter_set *set);
static inline size_t kio_iter_set_len(const struct kio_iter_set *set)
{
    return set->count;
}

/* ---- adapters with a time ----------------------------------------------------------------- */

struct kio_iter_throttle {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    kio_duration duration;
    struct kio_sleep sleep;
};

/* kio_iter_throttle(slot, source, pause): after each item a pause before the next is asked for. */
#define kio_iter_throttle(slot, source, pause)                                                     \
    kio_iter_throttle_(slot, &(source)->iter, pause, KIO_SCOPE_)
KIO_API struct kio_iter_throttle *kio_iter_throttle_(struct kio_iter_throttle *slot,
                                                     struct kio_iter *source, kio_duration pause,
                                                     kio_future *scope);

struct kio_iter_timeout {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    kio_duration duration;
    bool again;
    struct kio_sleep sleep;
};

/* kio_iter_timeout(slot, source, limit): -ETIMEDOUT when an item takes longer than this to come, once
 * for each item; the source goes on, and so does this. */
#define kio_iter_timeout(slot, source, limit)                                                      \
    kio_iter_timeout_(slot, &(source)->iter, limit, false, KIO_SCOPE_)
/* kio_iter_timeout_repeating(slot, source, limit): -ETIMEDOUT again and again, each time that `limit`
 * passes without an item. In a struct kio_iter_timeout. */
#define kio_iter_timeout_repeating(slot, source, limit)                                            \
    kio_iter_timeout_(slot, &(source)->iter, limit, true, KIO_SCOPE_)
KIO_API struct kio_iter_timeout *kio_iter_timeout_(struct kio_iter_timeout *slot,
                                                   struct kio_iter *source, kio_duration limit,
                                                   bool again, kio_future *scope);

struct kio_iter_chunks {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    char *items;
    size_t item_size, max, count;
    kio_duration limit;
    struct kio_sleep sleep;
    int error;
};

/**
 * kio_iter_chunks(slot, source, items, max, limit): batches of up to max items.
 *
 * A batch is given when it is full, or when `limit` has passed since its first item came, or when the
 * source has ended. Each value is a size_t: how many lie in items, which the next batch overwrites.
 *
 * items    array of max items; borrowed
 * limit    nanoseconds; KIO_FOREVER: only full batches (and the last); 0: as soon as the source has no
 *          more at hand (no runtime is needed)
 *
 * Cancel:  safe: what was gathered stays for the next kio_iter_next()
 * Threads: owner
 * Since:   0.1
 */
#define kio_iter_chunks(slot, source, items, max, limit)                                           \
    kio_iter_chunks_(slot, &(source)->iter, items, sizeof *(items), max, limit, KIO_SCOPE_)
KIO_API struct kio_iter_chunks *kio_iter_chunks_(struct kio_iter_chunks *slot,
                                                 struct kio_iter *source, void *items, size_t size,
                                                 size_t max, kio_duration limit, kio_future *scope);

/* kio_iter_chunks_gathered(chunks): how many lie in items for the next batch, when it is not waited for. */
static inline size_t kio_iter_chunks_gathered(const struct kio_iter_chunks *chunks)
{
    return chunks->count;
}

/* ---- several futures in flight ------------------------------------------------------------ */

struct kio_iter_buffered {
    KIO_ITER;
    /* private from here on */
    struct kio_iter *source;
    struct kio_future_set set;
    struct kio_future_set_next next;
    void (*start)(void *arg, const void *item, void *slot);
    void *arg;
    char *slots;
    size_t stride, count;
    size_t head, used; /* ordered: a ring of slots in flight or done */
    bool ordered, drained;
    kio_future *given; /* whose result was given last */
};

/**
 * kio_iter_buffered(slot, source, jobs, count, start, arg): a future for each item, up to count at
 * once; their results in the order of the items.
 *
 *     static void start(void *arg, const void *item, void *slot)
 *     {
 *         async_call((struct fetch *)slot, fetch, .url = *(const char *const *)item);
 *     }
 *     …
 *     kio_iter_buffered(&self->pages, &self->urls, self->jobs, 8, start, NULL);
 *
 * Items of this iterator are the futures' results (`out`). They run only while the next item is
 * awaited: work that must go on meanwhile belongs in tasks.
 *
 * jobs     array of count async functions' structs, of one type; borrowed, empty
 * start    makes a future in a slot
 *
 * Cancel:  safe: what is in flight stays
 * Errors:  -ENOMEM, once; what could not be started is dropped, the rest goes on
 * Threads: owner
 * Since:   0.1
 * See:     kio_iter_buffer_unordered(): as they end
 */
#define kio_iter_buffered(slot, source, jobs, count, start, arg)                                   \
    kio_iter_buffered_(slot, &(source)->iter, jobs, sizeof *(jobs), sizeof((jobs)->out), count, start, \
                       arg, true, KIO_SCOPE_)
#define kio_iter_buffer_unordered(slot, source, jobs, count, start, arg)                           \
    kio_iter_buffered_(slot, &(source)->iter, jobs, sizeof *(jobs), sizeof((jobs)->out), count, start, \
                       arg, false, KIO_SCOPE_)
KIO_API struct kio_iter_buffered *
kio_iter_buffered_(struct kio_iter_buffered *slot, struct kio_iter *source, void *jobs,
                   size_t stride, size_t out_size, size_t count,
                   void (*start)(void *arg, const void *item, void *slot), void *arg, bool ordered,
                   kio_future *scope);

#endif
