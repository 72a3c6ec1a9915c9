/*
 * Kioto's heart: futures, wakers, and async functions.
 *
 * A *future* is a struct that starts with `async_fn(T)` and has a type with a `poll`. It does
 * nothing until it is polled; poll answers *pending* (a wake was arranged) or *ready* (the result
 * is in `out`). An *async function* is a future whose poll is written top to bottom:
 *
 *     struct count_to {
 *         async_fn(int);              // the result's type
 *         int last;                   // parameter
 *         int i;                      // survives the await below
 *         struct kio_sleep nap;       // slot: the future being awaited lives here
 *     };
 *
 *     async(count_to)
 *     {
 *         async_begin;
 *         for (self->i = 1; self->i <= self->last; self->i++)
 *             await(kio_sleep(&self->nap, 10 * KIO_MS));
 *         async_return(self->i);
 *     }
 *
 * Conventions that hold for every future:
 * - A slot is zeroed memory before its first use (a zeroed future is empty: dropping it does
 *   nothing). Calling builds the future in place; what lived in the slot is dropped first.
 * - A future that returned pending is a child of the async function that awaits it, and must not
 *   move. A parent that ends or is dropped drops its live children, newest first.
 * - What survives an await is a field of `self`; a C local does not.
 * - poll, drop: only by the owner, on one thread at a time. Wakers: any thread.
 */
#ifndef KIOTO_ASYNC_H
#define KIOTO_ASYNC_H

#include "config.h"

/* ---- futures ---------------------------------------------------------------------------- */

typedef enum kio_poll { KIO_PENDING, KIO_READY } kio_poll;

typedef struct kio_future kio_future;
typedef struct kio_context kio_context;

typedef struct kio_waker {
    struct kio_wakeable *to; /* NULL: none */
} kio_waker;

/* What kind of future a type describes: how the task dump (debug.h) reads its state. */
enum kio_kind {
    KIO_KIND_LEAF,  /* written by hand */
    KIO_KIND_ASYNC, /* made by async(): state points at a struct kio_site */
    KIO_KIND_ANY,   /* goes on as soon as one of its members is ready */
    KIO_KIND_AROUND, /* sets something up around its child's polls and drop: a kio_task_local_scope */
    KIO_KIND_WAITER, /* private: has a waker where others have their children */
};

/*
 * What a future waits for or has, written by its type's `waits` for the task dump. A lock that two
 * futures name by the same `at` is the same: so the dump says who waits for whom.
 */
#define KIO_PLACES 100 /* places in a line that are counted */
struct kio_waits {
    const char *what;   /* "mutex": static text; NULL: nothing */
    const void *at;     /* its address */
    const void *holder; /* the task that has it, by kio_run.self or its frame; NULL: not known */
    uint32_t place;     /* in its line; 1: the next; 0: in none; KIO_PLACES + 1: further back */
    uint32_t line;      /* how many wait in it; KIO_PLACES + 1: that or more */
    bool has;           /* this future has it, or was handed it and has not looked yet */
    bool shares;        /* with has: only some of it, and who waits may get it from others */
    bool ends;          /* a channel: whose frames have its address may have the other end */
    char text[64];      /* the rest, for people */
};

typedef struct kio_future_type {
    const char *name;
    const char *file;
    int line;
    uint32_t size; /* bytes of the whole struct */
    kio_poll (*poll)(kio_future *self, kio_context *cx);
    /* Releases what the future holds; once in its life; may be NULL. Children are dropped before. */
    void (*drop)(kio_future *self);
    uint32_t out_offset, out_size; /* where the result lies; size 0: none */
    enum kio_kind kind;
    bool late; /* holds nothing before its first poll: one that was never polled is dropped without drop */
    /* What the future waits on, for the task dump: at most `cap` bytes of text. May be NULL. */
    void (*describe)(const kio_future *self, char *text, size_t cap);
    /* More than a text: what it waits for or has; asked of live ones that were polled, and of kept
     * ones. As describe, it may be called on any thread, while nobody polls the task: it may lock
     * what the future waits for, but wakes nobody and does not block. May be NULL. */
    void (*waits)(const kio_future *self, struct kio_waits *to);
    /* Calls each for every future that it polls, its own and others'. NULL: it polls its children. */
    void (*members)(const kio_future *self, void (*each)(void *arg, const kio_future *member),
                    void *arg);
} kio_future_type;

/* A task's outermost future has no siblings: its first two words are the last of the task's header. */
struct kio_future {
    /* private */
    kio_future *next; /* the owner's next older child */
    uintptr_t prev;   /* odd: the address of the pointer that leads here, and 1; even: nobody owns it */
    /* public */
    const kio_future_type *type; /* NULL: an empty slot */
    /* private from here on */
    const void *state; /* NULL: never polled; KIO_DONE, KIO_KEPT: over; else its own */
    union {
        kio_future *child; /* newest first */
        kio_waker waker;   /* KIO_KIND_WAITER: under the lock of what it waits for */
    };
};

/* How an await names itself: where to resume, the awaited expression, its line. */
struct kio_site {
    const void *resume;
    const char *text;
    int line;
};

KIO_API extern const char kio_over_[2];
#define KIO_DONE ((const void *)&kio_over_[0]) /* over, everything released */
#define KIO_KEPT ((const void *)&kio_over_[1]) /* over, out's resources live until the slot is vacated */

KIO_API void kio_drop_(kio_future *f);
KIO_API void kio_finish_slow_(kio_future *f);
KIO_API void kio_await_fault_(const kio_future *parent, const kio_future *f,
                              const struct kio_site *site);
KIO_API void kio_moved_fault_(const kio_future *parent);
KIO_API void kio_made_slow_(const kio_future *f, struct kio_place at);
KIO_API void kio_slot_check_(const kio_future *f, const struct kio_site *site);

static inline bool kio_is_over_(const kio_future *f)
{
    return (uintptr_t)f->state - (uintptr_t)kio_over_ <= 1;
}

/* kio_is_live_: made and not over. A waiter that is being dropped is live until its drop returns. */
static inline bool kio_is_live_(const kio_future *f)
{
    return f->type && !kio_is_over_(f);
}

/* The newest child; NULL: none. */
static inline kio_future *kio_child_(const kio_future *f)
{
    return f->type->kind == KIO_KIND_WAITER ? NULL : f->child;
}

/* Never polled. A waiter's state may be its own from the making on: it is odd until the first poll. */
static inline bool kio_is_fresh_(const kio_future *f)
{
    return !f->state || (f->type->kind == KIO_KIND_WAITER && !kio_is_over_(f) && (uintptr_t)f->state & 1);
}

static inline bool kio_is_owned_(const kio_future *f)
{
    return f->prev & 1;
}

/* Whether `parent` owns it, and it is its newest child. */
static inline bool kio_is_newest_(const kio_future *parent, const kio_future *f)
{
    return f->prev == (uintptr_t)&parent->child + 1;
}

static inline void kio_unlink_(kio_future *f)
{
    if (!kio_is_owned_(f))
        return;
    *(kio_future **)(f->prev - 1) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->prev = 0;
}

static inline void kio_adopt_(kio_future *parent, kio_future *f)
{
    if (parent->child == f)
        return;
    kio_unlink_(f);
    f->next = parent->child;
    f->prev = (uintptr_t)&parent->child + 1;
    if (f->next)
        f->next->prev = (uintptr_t)&f->next + 1;
    parent->child = f;
}

/**
 * kio_finish(f): end a future written by hand: call it last in poll, before returning ready.
 *
 * Its children are dropped, newest first, then its type's drop runs, once.
 *
 * Threads: owner
 * Since:   0.1
 * See:     kio_finish_keep(), examples/future_by_hand.c
 */
static inline void kio_finish(kio_future *f)
{
    kio_unlink_(f);
    if (kio_unlikely_(f->type->drop || f->child)) /* in this order: a waiter has a drop, and no child */
        kio_finish_slow_(f);
    else
        f->state = KIO_DONE;
}

/**
 * kio_finish_keep(f): end a future whose result refers to what it holds.
 *
 * Its type's drop runs later: when the slot is used again or dropped, or when the async function
 * that awaited it ends. Children are left alone until then.
 *
 * Threads: owner
 * Since:   0.1
 * See:     kio_finish()
 */
static inline void kio_finish_keep(kio_future *f)
{
    f->state = KIO_KEPT;
}

static inline kio_poll kio_poll_(kio_future *f, kio_context *cx)
{
    return f->type->poll(f, cx);
}

/* Whether something has to be dropped before a future may be built there. */
static inline bool kio_is_taken_(const kio_future *f)
{
    return f->state != KIO_DONE && f->type;
}

/* Called for every slot that a future is about to be built in. */
static inline void kio_vacate_(kio_future *f)
{
    if (kio_unlikely_(kio_is_taken_(f)))
        kio_drop_(f);
}

/* kio_is_live(fut), kio_is_done(fut): fut points to any future's struct. */
#define kio_is_live(fut) kio_is_live_(&(fut)->kio)
#define kio_is_done(fut) kio_is_over_(&(fut)->kio)

/**
 * kio_drop(fut): cancel a future, or release what a finished one keeps.
 *
 * Everything it holds is released before this returns. An empty slot or a finished future that
 * keeps nothing: nothing happens.
 *
 * fut      pointer to any future's struct
 *
 * Threads: owner
 * Since:   0.1
 */
#define kio_drop(fut) kio_drop_(&(fut)->kio)

/**
 * kio_future_poll(f, cx): poll a future by hand, as an executor does.
 *
 * f        &fut->kio; a guard fails when it is empty or over
 * cx       borrowed for the call
 *
 * Returns: KIO_READY, or KIO_PENDING after a wake of cx's waker was arranged
 * Threads: owner
 * Since:   0.1
 * See:     examples/future_by_hand.c
 */
KIO_API kio_poll kio_future_poll(kio_future *f, kio_context *cx);

/* ---- wakers ----------------------------------------------------------------------------- */

/*
 * Something that can be woken starts with a struct kio_wakeable; a waker points at it. Kioto's own
 * tasks are not counted (clone and drop are NULL): their memory is never given back to others, so
 * a late wake finds a task header, at worst another task's, which is polled once more than needed.
 */
struct kio_wakeable;

typedef struct kio_waker_type {
    const char *name;
    void (*wake)(struct kio_wakeable *self);  /* any thread; keeps the reference */
    void (*clone)(struct kio_wakeable *self); /* one reference more; NULL: not counted */
    void (*drop)(struct kio_wakeable *self);  /* one reference less; NULL: not counted */
} kio_waker_type;

struct kio_wakeable {
    const kio_waker_type *type;
};

/**
 * kio_waker_wake_by_ref(waker): have the task polled again; the waker stays valid.
 *
 * Threads: any
 * Order:   what was written before the wake is seen by the poll it causes
 * Since:   0.1
 */
KIO_API void kio_waker_wake_by_ref(kio_waker waker);

/* NULL: of an empty waker, or of a task whose memory was given back to the kernel with its runtime: it reads
 * as zero. Read atomically (relaxed: it is a constant), because that memory may just be set up anew. */
static inline const kio_waker_type *kio_waker_type_(kio_waker waker)
{
    return waker.to ? __atomic_load_n(&waker.to->type, __ATOMIC_RELAXED) : NULL;
}

/* kio_waker_clone(waker): one more reference. Threads: any */
static inline kio_waker kio_waker_clone(kio_waker waker)
{
    const kio_waker_type *type = kio_waker_type_(waker);

    if (type && type->clone)
        type->clone(waker.to);
    return waker;
}

/* kio_waker_drop(waker): gives a reference back; of an empty waker: nothing. Threads: any */
static inline void kio_waker_drop(kio_waker waker)
{
    const kio_waker_type *type = kio_waker_type_(waker);

    if (type && type->drop)
        type->drop(waker.to);
}

/* kio_waker_wake(waker): wakes and drops; of an empty waker: nothing. Threads: any */
static inline void kio_waker_wake(kio_waker waker)
{
    const kio_waker_type *type = kio_waker_type_(waker);

    if (!type)
        return;
    type->wake(waker.to); /* what is not counted may be gone afterwards */
    if (type->drop)
        type->drop(waker.to);
}

/* kio_waker_will_wake(a, b): whether both wake the same task. */
static inline bool kio_waker_will_wake(kio_waker a, kio_waker b)
{
    return a.to == b.to;
}

/* A place in a list of futures that wait for the same thing. Private. */
struct kio_waiter_ {
    kio_waker waker;
    struct kio_waiter_ *next, **prev; /* prev NULL: in no list */
};

/* What one poll of a task shares with everything polled inside it. Private. */
struct kio_run {
    int budget;                /* operations left before the task has to yield */
    bool yielded;              /* the task goes to the back of the queue after this poll */
    struct kio_wakeable *self; /* the task's own waker */
};

/* Handed down from the executor through every poll. Made by kio_context_init(). */
struct kio_context {
    kio_waker waker;     /* borrowed; clone it to keep it */
    struct kio_run *run; /* private; NULL under an executor without budgets */
};

/* kio_context_init(cx, waker): a context for an executor of your own; waker is borrowed. */
static inline void kio_context_init(kio_context *cx, kio_waker waker)
{
    *cx = (kio_context){ .waker = waker };
}

/*
 * The budget: a leaf future that could be ready for ever asks kio_coop_may_() first (false: the
 * task was woken again and the future answers pending) and tells kio_coop_did_() about progress.
 */
static inline bool kio_coop_may_(kio_context *cx)
{
    if (kio_unlikely_(cx->run && cx->run->budget <= 0)) {
        kio_waker_wake_by_ref(cx->waker);
        return false;
    }
    return true;
}

static inline void kio_coop_did_(kio_context *cx)
{
    if (cx->run)
        cx->run->budget--;
}

/* ---- async functions -------------------------------------------------------------------- */

#define KIO_CAT__(a, b) a##b
#define KIO_CAT_(a, b)  KIO_CAT__(a, b)

/* void has no object: the result of an async_fn(void) is an empty struct. */
struct kio_nothing_ {};
#define KIO_OUT_(T)                                                                                \
    __typeof__(_Generic((T(*)(void))0,                                                             \
               void (*)(void): *(struct kio_nothing_ *)0,                                          \
               default: ((T(*)(void))0)()))

/* Two members, so that what follows lies close to a small result. */
#define KIO_ASYNC_FN(T)                                                                            \
    kio_future kio;                                                                                \
    KIO_OUT_(T) out

/* As KIO_ASYNC_FN, for a type of KIO_KIND_WAITER: with a `waiter`, whose waker is the header's. Private. */
#define KIO_WAITER_FN_(T) KIO_AROUND_WAKER_(T, struct kio_waiter_ waiter)

/* What begins with a waker lies over the end of the header. */
#define KIO_AROUND_WAKER_(T, member)                                                               \
    union {                                                                                        \
        struct {                                                                                   \
            kio_future kio;                                                                        \
            char rest_[sizeof(struct { member; }) - sizeof(kio_waker)];                            \
        };                                                                                         \
        struct {                                                                                   \
            void *header_[4];                                                                      \
            member;                                                                                \
        };                                                                                         \
    };                                                                                             \
    KIO_OUT_(T) out

_Static_assert(offsetof(kio_future, waker) == 4 * sizeof(void *), "see KIO_WAITER_FN_");

/*
 * Inside an async body `kio_scope_` is the future whose body it is; everywhere else it is this
 * function, so that a macro can ask for "the async function I stand in" and get NULL outside.
 */
KIO_API void kio_scope_(void);
#define KIO_SCOPE_ _Generic(kio_scope_, kio_future *: kio_scope_, default: (kio_future *)NULL)

#ifdef NDEBUG
#define kio_made_(f)             ((void)0)
#define kio_slot_here_(f, site)  ((void)0)
#else
#define kio_made_(f)             kio_made_slow_(f, KIO_HERE_)
#define kio_slot_here_(f, site)  kio_slot_check_(f, site)
#endif

#define KIO_CALL(slot, name, ...)                                                                  \
    ({                                                                                             \
        struct name *const slot_ = (slot);                                                         \
        kio_vacate_(&slot_->kio);                                                                  \
        *slot_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };      \
        kio_made_(&slot_->kio);                                                                    \
        slot_;                                                                                     \
    })

#define KIO_DECLARE(name) extern const kio_future_type name##_type

#define KIO_ASYNC(name_, ...)                                                                      \
    KIO_DECLARE(name_);                                                                            \
    static kio_poll name_##_poll(struct name_ *self, kio_context *cx, kio_future *kio_scope_);     \
    static kio_poll name_##_poll_(kio_future *f, kio_context *cx)                                  \
    {                                                                                              \
        return name_##_poll((struct name_ *)f, cx, f);                                             \
    }                                                                                              \
    __VA_OPT__(static void name_##_drop_(kio_future *f) { __VA_ARGS__((struct name_ *)f); })       \
    const kio_future_type name_##_type = {                                                         \
        .name = #name_,                                                                            \
        .file = __FILE__,                                                                          \
        .line = __LINE__,                                                                          \
        .size = sizeof(struct name_),                                                              \
        .poll = name_##_poll_,                                                                     \
        .out_offset = offsetof(struct name_, out),                                                 \
        .out_size = sizeof(((struct name_ *)0)->out),                                              \
        .kind = KIO_KIND_ASYNC,                                                                    \
        __VA_OPT__(.drop = name_##_drop_)                                                          \
    };                                                                                             \
    static kio_poll name_##_poll(struct name_ *self, kio_context *cx,                              \
                                 kio_future *kio_scope_ __attribute__((unused)))

#define KIO_BEGIN                                                                                  \
    do {                                                                                           \
        __label__ start_;                                                                          \
        static const struct kio_site site_ = { &&start_, "start", __LINE__ };                      \
        (void)cx;                                                                                  \
        if (!self->kio.state)                                                                      \
            self->kio.state = &site_;                                                              \
        goto *((const struct kio_site *)self->kio.state)->resume;                                  \
    start_:;                                                                                       \
    } while (0)

#define KIO_RETURN(...)                                                                            \
    do {                                                                                           \
        __VA_OPT__(self->out = (__VA_ARGS__);)                                                     \
        kio_finish(&self->kio);                                                                    \
        return KIO_READY;                                                                          \
    } while (0)

#define KIO_LET(future) kio_adopt_(&self->kio, &(future)->kio)

/* Whether a slot is a member of parent's own struct. */
static inline bool kio_is_within_(const kio_future *parent, const kio_future *f)
{
    return (uintptr_t)f - (uintptr_t)parent < parent->type->size;
}

/*
 * Guards that stay on in release: an empty slot, a finished future, somebody else's future. That an
 * owned future is this function's own is seen at once if it is its newest child; else it is looked
 * up among the children, but in release not for a slot of its own struct: a function that spawned
 * a thousand tasks has a thousand children.
 */
static inline void kio_await_check_(const kio_future *parent, const kio_future *f,
                                    const struct kio_site *site)
{
#ifdef NDEBUG
    bool looks_within = true;
#else
    bool looks_within = false;
#endif

    if (kio_unlikely_(!f->type || kio_is_over_(f) ||
                      (kio_is_owned_(f) && !kio_is_newest_(parent, f) &&
                       !(looks_within && kio_is_within_(parent, f)))))
        kio_await_fault_(parent, f, site);
}

/* The awaited child still points back at this frame, unless the frame was moved. */
static inline void kio_resume_check_(const kio_future *parent)
{
    if (kio_unlikely_(!parent->child || !kio_is_newest_(parent, parent->child)))
        kio_moved_fault_(parent);
}

#define KIO_AWAIT_(future_, text_)                                                                 \
    do {                                                                                           \
        __label__ resume_;                                                                         \
        static const struct kio_site site_ = { &&resume_, text_, __LINE__ };                       \
        kio_future *f_ = &(future_)->kio;                                                          \
        kio_await_check_(&self->kio, f_, &site_);                                                  \
        kio_slot_here_(f_, &site_);                                                                \
        if (kio_poll_(f_, cx) == KIO_PENDING) {                                                    \
            kio_adopt_(&self->kio, f_);                                                            \
            self->kio.state = &site_;                                                              \
            return KIO_PENDING;                                                                    \
        resume_:                                                                                   \
            kio_resume_check_(&self->kio);                                                         \
            f_ = self->kio.child;                                                                  \
            if (kio_poll_(f_, cx) == KIO_PENDING)                                                  \
                return KIO_PENDING;                                                                \
        }                                                                                          \
        if (f_->state == KIO_KEPT)                                                                 \
            kio_adopt_(&self->kio, f_);                                                            \
    } while (0)

#define KIO_AWAIT(future_) KIO_AWAIT_(future_, #future_)

/*
 * The keywords. Each has a prefixed spelling above; KIOTO_NO_KEYWORDS leaves only those.
 *
 *   async_fn(T)               first member of an async function's struct; async_fn(void): no result
 *   async(name[, drop])       its body; `self` is the struct, `cx` the context. drop(struct name *)
 *                             runs exactly once for every future made
 *   async_declare(name)       in a header, for an async function defined elsewhere
 *   async_begin               first statement of the body
 *   async_call(slot, name, .param = v, ...)   makes the future in slot and gives slot back
 *   await(future)             a statement: runs a future to its end
 *   async_let(future)         makes it a child of this async function without running it
 *   async_return(v)           ends with a result; every path ends in one
 */
#ifndef KIOTO_NO_KEYWORDS
#define async_fn(T)            KIO_ASYNC_FN(T)
#define async(...)             KIO_ASYNC(__VA_ARGS__)
#define async_declare(name)    KIO_DECLARE(name)
#define async_begin            KIO_BEGIN
#define async_call(slot, ...)  KIO_CALL(slot, __VA_ARGS__)
#define await(future)          KIO_AWAIT_(future, #future)
#define async_let(future)      KIO_LET(future)
#define async_return(...)      KIO_RETURN(__VA_ARGS__)
#endif

/* ---- guards ----------------------------------------------------------------------------- */

/* For constructors: a pointer that a future will keep must not point into the C stack of this
 * poll, which is gone when the future is polled again. `what` names the parameter. */
KIO_API void kio_guard_borrow_(const void *ptr, const char *call, const char *what);

#endif
