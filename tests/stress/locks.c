/* Locks and what else tasks wait for each other with. */
#include "stress.h"


/* ---- mutex, rwlock ------------------------------------------------------------------------ */

/* What the locks guard is plain memory: the thread sanitizer sees whether they do. */
struct guarded {
    struct shared shared;
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    uint64_t owner, entries;
};

struct locker {
    PLAY;
    struct guarded *of;
    uint64_t id;
    int left;
    struct kio_lock lock;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_join join;
};

static void locker_drop(struct locker *self)
{
    unshare(self->of); /* the guard was released before: it is a child */
    died(&self->life);
}

async(locker, locker_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        switch (roll(&self->dice, 6)) {
        case 0:
            await(kio_timeout(&self->limit, a_while(&self->dice), kio_lock(&self->lock, &self->of->mutex)));
            if (self->limit.out)
                continue;
            break;
        case 1:
            await(kio_select(&self->select, kio_lock(&self->lock, &self->of->mutex),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->select.out != 0)
                continue;
            break;
        case 2:
            kio_unlock(&self->lock);
            if (kio_try_lock(&self->lock, &self->of->mutex))
                continue;
            break;
        case 3: /* a kept arm */
            async_let(kio_lock(&self->lock, &self->of->mutex));
            await(kio_select(&self->select, kio_yield_now(&self->yield), &self->lock));
            if (self->select.out != 1)
                await(&self->lock);
            break;
        case 4: /* has it while the other is waited for */
            await(kio_join(&self->join, kio_lock(&self->lock, &self->of->mutex),
                           kio_sleep(&self->nap, a_while(&self->dice))));
            break;
        default:
            await(kio_lock(&self->lock, &self->of->mutex));
            break;
        }
        self->of->owner = self->id;
        self->of->entries++;
        if (chance(&self->dice, 30))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 8));
        else if (chance(&self->dice, 30))
            await(kio_yield_now(&self->yield));
        must(self->of->owner == self->id);
        if (chance(&self->dice, 70)) {
            kio_drop(&self->select); /* who keeps what has ended lets go */
            kio_drop(&self->join);
            kio_drop(&self->limit);
            kio_unlock(&self->lock);
        }
    }
    async_return();
}

struct rw_locker {
    PLAY;
    struct guarded *of;
    uint64_t id, found;
    int left;
    bool write;
    struct kio_rw_guard guard;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_timeout limit;
};

static void rw_locker_drop(struct rw_locker *self)
{
    unshare(self->of);
    died(&self->life);
}

static struct kio_rw_guard *rw_lock(struct rw_locker *self)
{
    return self->write ? kio_write_lock(&self->guard, &self->of->rw)
                       : kio_read_lock(&self->guard, &self->of->rw);
}

async(rw_locker, rw_locker_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        self->write = chance(&self->dice, 30);
        if (chance(&self->dice, 40)) {
            await(kio_timeout(&self->limit, a_while(&self->dice), rw_lock(self)));
            if (self->limit.out)
                continue;
        } else {
            await(rw_lock(self));
        }
        if (self->write) {
            self->of->owner = self->id;
            self->of->entries++;
        }
        self->found = self->of->entries;
        if (chance(&self->dice, 50))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 8));
        must(self->found == self->of->entries);
        if (self->write) {
            must(self->of->owner == self->id);
            if (chance(&self->dice, 30)) {
                kio_rw_downgrade(&self->guard);
                await(kio_yield_now(&self->yield));
                must(self->found == self->of->entries);
            }
        }
        kio_drop(&self->limit);
        kio_rw_unlock(&self->guard);
    }
    async_return();
}

/* Spawns members, aborts some, goes; those that are detached go on. */
#define LOCK_PLAY(name, member)                                                                    \
    struct name {                                                                                  \
        PLAY;                                                                                      \
        struct guarded *of;                                                                        \
        struct kio_join_handle members[6];                                                         \
        struct kio_sleep nap;                                                                      \
        int i;                                                                                     \
    };                                                                                             \
    static void name##_drop(struct name *self)                                                     \
    {                                                                                              \
        unshare(self->of);                                                                         \
        died(&self->life);                                                                         \
    }                                                                                              \
    async(name, name##_drop)                                                                       \
    {                                                                                              \
        async_begin;                                                                               \
        self->of = share_new(sizeof *self->of, NULL);                                              \
        for (self->i = 0; self->i < 6; self->i++)                                                  \
            (void)kio_spawn(&self->members[self->i], member, .life = born(K_PLAY),                 \
                            .dice = split(&self->dice), .of = share(self->of),                     \
                            .id = (uint64_t)self->i + 1, .left = (int)roll(&self->dice, 20));      \
        await(kio_sleep(&self->nap, a_while(&self->dice)));                                        \
        for (self->i = 0; self->i < 6; self->i++) {                                                \
            did();                                                                                 \
            switch (roll(&self->dice, 4)) {                                                        \
            case 0:                                                                                \
                kio_abort(&self->members[self->i]);                                                \
                break;                                                                             \
            case 1:                                                                                \
                kio_drop(&self->members[self->i]);                                                 \
                break;                                                                             \
            case 2:                                                                                \
                post_abort(&self->dice, kio_abort_handle(&self->members[self->i]));                \
                break;                                                                             \
            default:                                                                               \
                await(&self->members[self->i]);                                                    \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        async_return();                                                                            \
    }                                                                                              \
    PLAY_IS(name, false)

LOCK_PLAY(mutex, locker);
LOCK_PLAY(rwlock, rw_locker);

/* ---- semaphore ---------------------------------------------------------------------------- */

struct pool {
    struct shared shared;
    struct kio_semaphore semaphore;
    size_t permits;
    ki_atomic(size_t) held;
};

static void pool_end(void *shared)
{
    struct pool *p = shared;

    must(kio_semaphore_available(&p->semaphore) == p->permits);
}

struct taker {
    PLAY;
    struct pool *of;
    size_t need;
    int left;
    struct life permits;
    struct kio_acquire acquire;
    struct kio_sleep nap;
    struct kio_timeout limit;
    struct kio_join join;
};

static void taker_took(struct taker *self)
{
    self->permits = born(K_PERMIT);
    must(ki_fetch_add_relaxed(&self->of->held, self->need) + self->need <= self->of->permits);
}

static void taker_give(struct taker *self)
{
    died(&self->permits);
    self->permits.magic = 0;
    ki_fetch_sub_relaxed(&self->of->held, self->need);
    self->acquire.out = UNTOUCHED;
    kio_release(&self->of->semaphore, self->need);
}

static void taker_drop(struct taker *self)
{
    if (self->permits.magic)
        taker_give(self);
    else if (self->need && self->acquire.out == 0) /* it had ended, and nobody was told */
        kio_release(&self->of->semaphore, self->need);
    unshare(self->of);
    died(&self->life);
}

static struct kio_acquire *take(struct taker *self)
{
    self->need = 1 + roll(&self->dice, (uint32_t)self->of->permits);
    kio_acquire(&self->acquire, &self->of->semaphore, self->need);
    self->acquire.out = UNTOUCHED;
    return &self->acquire;
}

async(taker, taker_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        switch (roll(&self->dice, 4)) {
        case 0:
            await(kio_timeout(&self->limit, a_while(&self->dice), take(self)));
            if (self->limit.out)
                continue;
            break;
        case 1:
            await(kio_join(&self->join, take(self), kio_sleep(&self->nap, a_while(&self->dice) / 4)));
            break;
        case 2:
            self->need = 1;
            self->acquire.out = kio_try_acquire(&self->of->semaphore, 1);
            if (self->acquire.out == -EAGAIN)
                continue;
            break;
        default:
            await(take(self));
            break;
        }
        if (self->acquire.out == -EPIPE)
            async_return();
        must(self->acquire.out == 0);
        taker_took(self);
        if (chance(&self->dice, 50))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 8));
        taker_give(self);
    }
    async_return();
}

struct semaphore {
    PLAY;
    struct pool *of;
    struct kio_join_handle members[6];
    struct kio_sleep nap;
    int i;
};

static void semaphore_drop(struct semaphore *self)
{
    unshare(self->of);
    died(&self->life);
}

async(semaphore, semaphore_drop)
{
    async_begin;
    self->of = share_new(sizeof *self->of, pool_end);
    self->of->permits = 1 + roll(&self->dice, 4);
    kio_semaphore_init(&self->of->semaphore, self->of->permits);
    for (self->i = 0; self->i < 6; self->i++)
        (void)kio_spawn(&self->members[self->i], taker, .life = born(K_PLAY), .dice = split(&self->dice),
                        .of = share(self->of), .left = (int)roll(&self->dice, 20));
    for (self->i = 0; self->i < 6; self->i++) {
        did();
        await(kio_sleep(&self->nap, a_while(&self->dice) / 2));
        if (chance(&self->dice, 5))
            kio_semaphore_close(&self->of->semaphore);
        if (chance(&self->dice, 30))
            kio_abort(&self->members[self->i]);
        else if (chance(&self->dice, 50))
            kio_drop(&self->members[self->i]);
        else
            await(&self->members[self->i]);
    }
    async_return();
}
PLAY_IS(semaphore, false);

/* ---- notify, barrier, once ---------------------------------------------------------------- */

struct meeting {
    struct shared shared;
    struct kio_notify notify;
    struct kio_barrier barrier;
    struct kio_once_cell once;
    int value; /* what once guards */
};

struct member {
    PLAY;
    struct meeting *of;
    int what, left;
    struct kio_notified notified;
    struct kio_barrier_wait barrier;
    struct kio_once_init once;
    struct kio_sleep nap;
    struct kio_timeout limit;
};

static void member_drop(struct member *self)
{
    unshare(self->of);
    died(&self->life);
}

async(member, member_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        if (self->what == 0) {
            switch (roll(&self->dice, 3)) {
            case 0:
                kio_notify_one(&self->of->notify);
                break;
            case 1:
                kio_notify_waiters(&self->of->notify);
                break;
            default:
                kio_notified(&self->notified, &self->of->notify);
                if (chance(&self->dice, 30))
                    (void)kio_notified_enable(&self->notified);
                await(kio_timeout(&self->limit, a_while(&self->dice), &self->notified));
                break;
            }
        } else if (self->what == 1) {
            await(kio_timeout(&self->limit, a_while(&self->dice),
                              kio_barrier_wait(&self->barrier, &self->of->barrier)));
            if (self->limit.out == 0)
                must(self->barrier.out == 0 || self->barrier.out == 1);
        } else {
            await(kio_once_init(&self->once, &self->of->once));
            if (self->once.out == 0) {
                must(self->of->value == 42);
                must(kio_once_is_done(&self->of->once));
                async_return();
            }
            must(self->of->value != 42);
            self->of->value = 7;
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
            if (chance(&self->dice, 40)) {
                self->of->value = 42;
                kio_once_done(&self->once);
            } else {
                kio_drop(&self->once); /* the next one tries */
            }
        }
    }
    async_return();
}

#define MEETING_PLAY(name, what_, count_)                                                          \
    struct name {                                                                                  \
        PLAY;                                                                                      \
        struct meeting *of;                                                                        \
        struct kio_join_handle members[count_];                                                    \
        struct kio_sleep nap;                                                                      \
        int i;                                                                                     \
    };                                                                                             \
    static void name##_drop(struct name *self)                                                     \
    {                                                                                              \
        unshare(self->of);                                                                         \
        died(&self->life);                                                                         \
    }                                                                                              \
    async(name, name##_drop)                                                                       \
    {                                                                                              \
        async_begin;                                                                               \
        self->of = share_new(sizeof *self->of, NULL);                                              \
        kio_barrier_init(&self->of->barrier, count_ - 1);                                          \
        for (self->i = 0; self->i < count_; self->i++)                                             \
            (void)kio_spawn(&self->members[self->i], member, .life = born(K_PLAY),                 \
                            .dice = split(&self->dice), .of = share(self->of), .what = what_,      \
                            .left = 1 + (int)roll(&self->dice, 12));                               \
        for (self->i = 0; self->i < count_; self->i++) {                                           \
            did();                                                                                 \
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));                                \
            if (chance(&self->dice, 30))                                                           \
                kio_abort(&self->members[self->i]);                                                \
            if (chance(&self->dice, 60))                                                           \
                await(&self->members[self->i]);                                                    \
        }                                                                                          \
        async_return();                                                                            \
    }                                                                                              \
    PLAY_IS(name, false)

MEETING_PLAY(notify, 0, 5);
MEETING_PLAY(barrier, 1, 4);
MEETING_PLAY(once, 2, 5);

/* ---- cancel tokens ------------------------------------------------------------------------ */

struct branch {
    PLAY;
    struct kio_cancel_token token;
    int depth;
    bool told;
    struct kio_join_handle child;
    struct kio_cancelled cancelled;
    struct kio_sleep nap;
    struct kio_select select;
};

static void branch_drop(struct branch *self)
{
    kio_drop(&self->child); /* spawned by a plain function: nobody's */
    kio_cancel_token_drop(&self->token);
    died(&self->life);
}

static struct kio_cancel_token token_below(const struct kio_cancel_token *parent)
{
    struct kio_cancel_token token = { 0 };

    must(kio_cancel_token_new(&token, parent) == 0);
    return token;
}

async_declare(branch);

static void grow(struct branch *self)
{
    (void)kio_spawn(chance(&self->dice, 60) ? &self->child : NULL, branch, .life = born(K_PLAY),
                    .dice = split(&self->dice), .depth = self->depth - 1,
                    .token = chance(&self->dice, 70) ? token_below(&self->token)
                                                     : kio_cancel_token_clone(&self->token));
}

async(branch, branch_drop)
{
    async_begin;
    did();
    if (self->depth) {
        grow(self);
        if (chance(&self->dice, 50))
            grow(self); /* in the same slot, perhaps: the first is detached */
    }
    self->told = kio_is_cancelled(&self->token);
    if (chance(&self->dice, 20))
        kio_cancel(&self->token);
    await(kio_select(&self->select, kio_cancelled(&self->cancelled, &self->token),
                     kio_sleep(&self->nap, a_while(&self->dice))));
    if (self->select.out == 0)
        must(kio_is_cancelled(&self->token));
    else
        must(!self->told || self->select.out == 1);
    async_return();
}

struct cancel {
    PLAY;
    struct kio_cancel_token root;
    struct kio_join_handle first;
    struct kio_sleep nap;
    struct branch inner;
};

static void cancel_drop(struct cancel *self)
{
    kio_cancel_token_drop(&self->root);
    died(&self->life);
}

async(cancel, cancel_drop)
{
    async_begin;
    self->root = token_below(NULL);
    (void)kio_spawn(&self->first, branch, .life = born(K_PLAY), .dice = split(&self->dice),
                    .token = token_below(&self->root), .depth = 3);
    await(kio_sleep(&self->nap, a_while(&self->dice)));
    if (chance(&self->dice, 70))
        kio_cancel(&self->root);
    await(async_call(&self->inner, branch, .life = born(K_PLAY), .dice = split(&self->dice),
                     .token = kio_cancel_token_clone(&self->root), .depth = 1));
    if (chance(&self->dice, 50))
        await(&self->first);
    async_return();
}
PLAY_IS(cancel, false);
