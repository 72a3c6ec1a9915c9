/* What many tasks have together and which is made by one of them: shared futures, values that are set once,
 * permits that move from guard to guard, futures that others abort. */
#include "stress.h"

/* ---- a shared future ---------------------------------------------------------------------- */

struct slow_pair {
    async_fn(int);
    struct life life;
    struct ki_rand dice;
    int number;
    struct probe probe;
    struct kio_sleep nap;
};

static void slow_pair_drop(struct slow_pair *self)
{
    died(&self->life);
}

async(slow_pair, slow_pair_drop)
{
    async_begin;
    await(probe(&self->probe, &self->dice, self->number));
    await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
    async_return(self->probe.out);
}

/* Waits with its handle, with patience or without, and hands a clone on now and then. */
struct sharer {
    PLAY;
    struct kio_shared of;
    int number, generation;
    struct kio_shared_wait wait;
    struct kio_timeout limit;
};

static void sharer_drop(struct sharer *self)
{
    kio_shared_drop(&self->of);
    died(&self->life);
}

async_declare(sharer);

static void one_more_sharer(struct sharer *self)
{
    (void)kio_spawn(NULL, sharer, .life = born(K_PLAY), .dice = split(&self->dice), .number = self->number,
                    .generation = self->generation + 1, .of = kio_shared_clone(&self->of));
}

async(sharer, sharer_drop)
{
    async_begin;
    did();
    if (self->generation < 3 && chance(&self->dice, 30))
        one_more_sharer(self);
    if (chance(&self->dice, 50)) {
        await(kio_timeout(&self->limit, a_while(&self->dice), kio_shared_wait(&self->wait, &self->of)));
        if (self->limit.out)
            async_return();
    } else {
        await(kio_shared_wait(&self->wait, &self->of));
    }
    must(kio_shared_is_done(&self->of));
    must(*kio_shared_output(&self->of, int) == self->number);
    async_return();
}

struct sharing {
    PLAY;
    int left, number;
    struct kio_shared of;
    struct kio_join_handle members[4];
    struct kio_shared_wait wait;
    struct kio_timeout limit;
};

static void sharing_drop(struct sharing *self)
{
    for (int i = 0; i < 4; i++) /* spawned by a plain function: nobody's */
        kio_drop(&self->members[i]);
    kio_shared_drop(&self->of);
    died(&self->life);
}

static void start_sharers(struct sharing *self)
{
    must(kio_share(&self->of, slow_pair, .life = born(K_PLAY), .dice = split(&self->dice),
                   .number = self->number) == 0);
    for (int i = 0; i < 4; i++) {
        struct kio_join_handle *h = &self->members[i];

        (void)kio_spawn(h, sharer, .life = born(K_PLAY), .dice = split(&self->dice), .number = self->number,
                        .of = kio_shared_clone(&self->of));
        if (chance(&self->dice, 20))
            post_abort(&self->dice, kio_abort_handle(h));
        else if (chance(&self->dice, 10))
            kio_abort(h);
    }
}

async(sharing, sharing_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 8); self->left; self->left--) {
        did();
        self->number = self->left;
        start_sharers(self);
        if (chance(&self->dice, 50)) {
            await(kio_timeout(&self->limit, a_while(&self->dice),
                              kio_shared_wait(&self->wait, &self->of)));
            if (!self->limit.out)
                must(*kio_shared_output(&self->of, int) == self->number);
        }
        kio_shared_drop(&self->of); /* the last handle, perhaps, and then the future is dropped */
    }
    async_return();
}
PLAY_IS(sharing, false);

/* ---- set once ----------------------------------------------------------------------------- */

struct once_set {
    struct shared shared;
    struct kio_set_once cell;
    int value[4]; /* written before it is set, by who sets it */
};

struct setter {
    PLAY;
    struct once_set *of;
    int number; /* below 4: sets it */
    struct kio_set_once_wait wait;
    struct kio_sleep nap;
    struct kio_timeout limit;
};

static void setter_drop(struct setter *self)
{
    unshare(self->of);
    died(&self->life);
}

async(setter, setter_drop)
{
    async_begin;
    did();
    if (self->number < 4) {
        if (chance(&self->dice, 50))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
        self->of->value[self->number] = 1000 + self->number;
        if (kio_set_once(&self->of->cell, &self->of->value[self->number]))
            must(kio_set_once_is_set(&self->of->cell));
    }
    await(kio_timeout(&self->limit, 3 * KIO_MS, kio_set_once_wait(&self->wait, &self->of->cell)));
    if (self->limit.out)
        async_return();
    must(self->wait.out == kio_set_once_get(&self->of->cell));
    must(*(int *)self->wait.out == 1000 + (int *)self->wait.out - self->of->value);
    async_return();
}

struct set_once {
    PLAY;
    struct once_set *of;
    int i;
    struct kio_join_handle members[6];
};

static void set_once_drop(struct set_once *self)
{
    unshare(self->of);
    died(&self->life);
}

async(set_once, set_once_drop)
{
    async_begin;
    self->of = share_new(sizeof *self->of, NULL);
    for (self->i = 0; self->i < 6; self->i++) {
        (void)kio_spawn(&self->members[self->i], setter, .life = born(K_PLAY), .dice = split(&self->dice),
                        .of = share(self->of), .number = self->i);
        if (chance(&self->dice, 15))
            kio_abort(&self->members[self->i]);
    }
    for (self->i = 0; self->i < 6; self->i++)
        await(&self->members[self->i]);
    async_return();
}
PLAY_IS(set_once, false);

/* ---- permits as guards -------------------------------------------------------------------- */

#define PERMITS 5

struct pool {
    struct shared shared;
    struct kio_semaphore semaphore;
};

static void pool_end(void *shared)
{
    struct pool *pool = shared;

    must(kio_semaphore_available(&pool->semaphore) == PERMITS);
}

struct holder {
    PLAY;
    struct pool *pool;
    int left;
    struct kio_permits first, second;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_timeout limit;
    struct kio_select select;
};

static void holder_drop(struct holder *self)
{
    unshare(self->pool); /* the guards are children: they went before */
    died(&self->life);
}

async(holder, holder_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        switch (roll(&self->dice, 4)) {
        case 0:
            await(kio_permits(&self->first, &self->pool->semaphore, 1 + roll(&self->dice, PERMITS)));
            break;
        case 1:
            await(kio_timeout(&self->limit, a_while(&self->dice),
                              kio_permits(&self->first, &self->pool->semaphore,
                                          roll(&self->dice, PERMITS + 1))));
            break;
        case 2:
            await(kio_select(&self->select, kio_permits(&self->first, &self->pool->semaphore, 2),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            break;
        default:
            (void)!kio_try_permits(&self->first, &self->pool->semaphore, 1);
            break;
        }
        if (self->first.kio.state != KIO_KEPT)
            continue;
        if (kio_permits_split(&self->second, &self->first, roll(&self->dice, 3)) == 0) {
            await(kio_yield_now(&self->yield));
            if (chance(&self->dice, 50))
                kio_permits_merge(&self->first, &self->second);
        }
        if (chance(&self->dice, 30))
            await(kio_sleep(&self->nap, a_while(&self->dice)));
        must(self->first.count + self->second.count <= PERMITS);
        kio_permits_release(&self->first);
        kio_permits_release(&self->second);
    }
    async_return();
}

struct permits {
    PLAY;
    struct pool *pool;
    int i;
    struct kio_join_handle members[4];
};

static void permits_drop(struct permits *self)
{
    unshare(self->pool);
    died(&self->life);
}

async(permits, permits_drop)
{
    async_begin;
    self->pool = share_new(sizeof *self->pool, pool_end);
    kio_semaphore_init(&self->pool->semaphore, PERMITS);
    for (self->i = 0; self->i < 4; self->i++) {
        (void)kio_spawn(&self->members[self->i], holder, .life = born(K_PLAY), .dice = split(&self->dice),
                        .pool = share(self->pool), .left = (int)roll(&self->dice, 25));
        if (chance(&self->dice, 20))
            post_abort(&self->dice, kio_abort_handle(&self->members[self->i]));
    }
    for (self->i = 0; self->i < 4; self->i++)
        await(&self->members[self->i]);
    async_return();
}
PLAY_IS(permits, false);

/* ---- abortable ---------------------------------------------------------------------------- */

/* Has a clone of the token, and cancels it sometime. */
struct canceller {
    PLAY;
    struct kio_cancel_token token;
    struct kio_sleep nap;
};

static void canceller_drop(struct canceller *self)
{
    kio_cancel_token_drop(&self->token);
    died(&self->life);
}

async(canceller, canceller_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, a_while(&self->dice)));
    if (chance(&self->dice, 80))
        kio_cancel(&self->token);
    async_return();
}

struct abortable {
    PLAY;
    int left;
    struct kio_cancel_token token;
    struct kio_boxed inner;
    struct kio_abortable around;
    struct kio_timeout limit;
};

static void abortable_drop(struct abortable *self)
{
    kio_cancel_token_drop(&self->token);
    died(&self->life);
}

async(abortable, abortable_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 6); self->left; self->left--) {
        did();
        kio_cancel_token_drop(&self->token);
        must(kio_cancel_token_new(&self->token, NULL) == 0);
        (void)kio_spawn(NULL, canceller, .life = born(K_PLAY), .dice = split(&self->dice),
                        .token = kio_cancel_token_clone(&self->token));
        self->around.out = UNTOUCHED;
        any_play(&self->dice)->box(&self->inner, split(&self->dice));
        await(kio_timeout(&self->limit, 5 * KIO_MS,
                          kio_abortable(&self->around, &self->token, &self->inner)));
        must(!kio_is_live(&self->inner));
        if (self->limit.out == 0 && self->around.out)
            must(self->around.out == -ECANCELED && kio_is_cancelled(&self->token));
    }
    async_return();
}
PLAY_IS(abortable, false);
