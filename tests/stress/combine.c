/* Combinators around plays, probes and each other. */
#include "stress.h"

/* ---- nested ------------------------------------------------------------------------------- */

/* A tree of combinators with plays at its leaves. */
struct nested {
    PLAY;
    int depth;
    struct kio_boxed left, right, kept;
    struct probe probe;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_select select;
    struct kio_join join;
    struct kio_timeout limit;
    struct kio_unconstrained unconstrained;
};

static void nested_drop(struct nested *self)
{
    died(&self->life);
}

async_declare(nested);

static struct kio_boxed *part(struct nested *self, struct kio_boxed *slot)
{
    if (self->depth <= 0 || chance(&self->dice, 30))
        return any_play(&self->dice)->box(slot, split(&self->dice));
    return kio_box(slot, nested, .life = born(K_PLAY), .dice = split(&self->dice), .depth = self->depth - 1);
}

async(nested, nested_drop)
{
    async_begin;
    did();
    if (!self->depth)
        self->depth = 1 + (int)roll(&self->dice, 3);
    self->depth--;
    switch (roll(&self->dice, 8)) {
    case 0:
        await(kio_select(&self->select, part(self, &self->left), part(self, &self->right),
                         probe(&self->probe, &self->dice, 1)));
        must(self->select.out >= 0 && self->select.out <= 2);
        break;
    case 1:
        await(kio_select_biased(&self->select, NULL, part(self, &self->left),
                                kio_sleep(&self->nap, a_while(&self->dice))));
        must(self->select.out == 1 || self->select.out == 2);
        break;
    case 2:
        await(kio_join(&self->join, part(self, &self->left), part(self, &self->right),
                       probe(&self->probe, &self->dice, 7)));
        must(self->probe.out == 7);
        break;
    case 3:
        await(kio_timeout(&self->limit, a_while(&self->dice), part(self, &self->left)));
        break;
    case 4: /* kept: polled now and then, dropped by the end at the latest */
        async_let(part(self, &self->kept));
        await(kio_select(&self->select, &self->kept, part(self, &self->left)));
        if (kio_is_live(&self->kept))
            await(kio_timeout(&self->limit, a_while(&self->dice), &self->kept));
        break;
    case 5:
        await(kio_unconstrained(&self->unconstrained, part(self, &self->left)));
        break;
    case 6: /* made and never polled */
        part(self, &self->left);
        kio_drop(&self->left);
        async_let(part(self, &self->right));
        await(kio_yield_now(&self->yield));
        break;
    default:
        await(part(self, &self->left));
        break;
    }
    async_return();
}
PLAY_IS(nested, false);

/* ---- arrays ------------------------------------------------------------------------------- */

struct arrays {
    PLAY;
    int left, count;
    struct probe probes[20];
    struct kio_join_all all;
    struct kio_try_join_all try_all;
    struct kio_select_all first;
    struct kio_timeout limit;
};

static void arrays_drop(struct arrays *self)
{
    died(&self->life);
}

static struct probe *some_probes(struct arrays *self)
{
    self->count = 1 + (int)roll(&self->dice, 20);
    for (int i = 0; i < self->count; i++)
        probe(&self->probes[i], &self->dice, i);
    return self->probes;
}

async(arrays, arrays_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 10); self->left; self->left--) {
        did();
        some_probes(self);
        switch (roll(&self->dice, 4)) {
        case 0:
            await(kio_join_all(&self->all, self->probes, (size_t)self->count));
            for (int i = 0; i < self->count; i++)
                must(kio_is_done(&self->probes[i]) && self->probes[i].out == i);
            break;
        case 1:
            await(kio_try_join_all(&self->try_all, self->probes, (size_t)self->count));
            must(self->try_all.out == 0);
            break;
        case 2:
            await(kio_select_all(&self->first, self->probes, (size_t)self->count));
            must(self->first.out >= 0 && self->first.out < self->count);
            must(self->probes[self->first.out].out == self->first.out);
            break;
        default:
            await(kio_timeout(&self->limit, a_while(&self->dice) / 4,
                              kio_join_all(&self->all, self->probes, (size_t)self->count)));
            break;
        }
    }
    async_return();
}
PLAY_IS(arrays, false);

/* ---- a set of futures --------------------------------------------------------------------- */

struct slow_number {
    async_fn(int);
    struct life life;
    struct ki_rand dice;
    int number;
    struct probe probe;
};

static void slow_number_drop(struct slow_number *self)
{
    died(&self->life);
}

async(slow_number, slow_number_drop)
{
    async_begin;
    await(probe(&self->probe, &self->dice, self->number));
    async_return(self->probe.out);
}

struct future_set {
    PLAY;
    int left, sum, taken;
    struct kio_future_set set;
    struct kio_future_set_next next;
    struct kio_timeout limit;
};

static void future_set_drop(struct future_set *self)
{
    died(&self->life);
}

async(future_set, future_set_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 60); self->left; self->left--) {
        did();
        if (chance(&self->dice, 60)) {
            must(kio_future_set_add(&self->set, slow_number, .life = born(K_PLAY), .dice = split(&self->dice),
                                    .number = self->left) == 0);
            self->sum += self->left;
            continue;
        }
        await(kio_timeout(&self->limit, a_while(&self->dice), kio_future_set_next(&self->next, &self->set)));
        if (self->limit.out == 0 && self->next.out == 1)
            self->taken += *kio_future_set_output(&self->next, int);
        if (chance(&self->dice, 3))
            async_return(); /* with what is in it */
    }
    for (;;) {
        await(kio_future_set_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->taken += *kio_future_set_output(&self->next, int);
    }
    must(self->taken == self->sum);
    async_return();
}
PLAY_IS(future_set, false);

/* ---- iterators ---------------------------------------------------------------------------- */

/* Counts into a channel; whoever reads it sees every number once, in order. */
struct counter {
    PLAY;
    struct kio_tx tx;
    int value, count;
    struct kio_send send;
    struct kio_sleep nap;
};

static void counter_drop(struct counter *self)
{
    kio_tx_drop(&self->tx);
    died(&self->life);
}

async(counter, counter_drop)
{
    async_begin;
    for (; self->value < self->count; self->value++) {
        did();
        if (chance(&self->dice, 20))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
        await(kio_send(&self->send, &self->tx, &self->value));
        if (self->send.out)
            async_return();
    }
    async_return();
}

struct iterators {
    PLAY;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_join_handle counter;
    struct kio_iter_rx source;
    struct kio_iter_chunks chunks;
    struct kio_iter_next next;
    struct kio_timeout limit;
    int batch[8], expect, count;
    size_t have;
};

static void iterators_drop(struct iterators *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
    died(&self->life);
}

async(iterators, iterators_drop)
{
    async_begin;
    must(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1 + roll(&self->dice, 6)) == 0);
    self->count = (int)roll(&self->dice, 60);
    (void)kio_spawn(&self->counter, counter, .life = born(K_PLAY), .dice = split(&self->dice),
                    .tx = kio_tx_clone(&self->tx), .count = self->count);
    if (chance(&self->dice, 20))
        post_abort(&self->dice, kio_abort_handle(&self->counter));
    kio_tx_drop(&self->tx);
    kio_iter_rx(&self->source, &self->rx);
    kio_iter_chunks(&self->chunks, &self->source, self->batch, 1 + roll(&self->dice, 8), 2 * KIO_MS);
    for (;;) {
        did();
        /* dropped while it gathers: nothing is lost */
        await(kio_timeout(&self->limit, 500 * KIO_US + a_while(&self->dice),
                          kio_iter_next(&self->next, &self->chunks, &self->have)));
        if (self->limit.out)
            continue;
        if (self->next.out <= 0)
            break;
        must(self->have >= 1 && self->have <= 8);
        for (size_t i = 0; i < self->have; i++)
            must(self->batch[i] == self->expect + (int)i);
        self->expect += (int)self->have;
    }
    await(&self->counter);
    if (self->counter.out == 0)
        must(self->expect == self->count);
    async_return();
}
PLAY_IS(iterators, false);
