/* Queues in one task: of delayed values, of futures in order, of iterators. */
#include "stress.h"

/* ---- delays ------------------------------------------------------------------------------- */

#define DELAYS 16

/* A queue that is changed while it is waited for. Values own a block; their index is in `from`. */
struct delays {
    PLAY;
    int left;
    struct {
        bool in;
        kio_instant deadline;
        struct kio_delay_key key;
    } of[DELAYS];
    struct kio_delay_queue queue;
    struct kio_delay_queue_next next;
    struct message value;
    struct kio_sleep nap;
    struct kio_select select;
};

static void delays_drop(struct delays *self)
{
    if (self->next.out == 1)
        message_end(&self->value);
    died(&self->life);
}

static void delays_change(struct delays *self)
{
    uint32_t i = roll(&self->dice, DELAYS);
    kio_instant deadline = kio_now() + a_while(&self->dice);
    struct message m;

    switch (roll(&self->dice, 5)) {
    case 0:
        if (!self->of[i].in)
            break;
        must(kio_delay_queue_remove(&self->queue, self->of[i].key, &m) == 0 && m.from == i);
        message_end(&m);
        self->of[i].in = false;
        return;
    case 1:
        if (!self->of[i].in)
            must(kio_delay_queue_reset(&self->queue, self->of[i].key, 0) == -ENOENT);
        break;
    case 2:
        if (chance(&self->dice, 5)) {
            kio_delay_queue_clear(&self->queue);
            for (i = 0; i < DELAYS; i++)
                self->of[i].in = false;
            return;
        }
        kio_delay_queue_shrink(&self->queue);
        break;
    default:
        break;
    }
    if (self->of[i].in) {
        must(kio_delay_queue_reset_at(&self->queue, self->of[i].key, deadline) == 0);
    } else {
        m = message_new(i, (uint32_t)self->left);
        must(kio_delay_queue_insert_at(&self->queue, &m, deadline, &self->of[i].key) == 0);
    }
    self->of[i].in = true;
    self->of[i].deadline = deadline;
}

/* The earliest, and not before its time. */
static void delays_take(struct delays *self)
{
    if (self->next.out == 1) {
        uint32_t from = self->value.from;

        must(from < DELAYS && self->of[from].in && self->of[from].deadline == self->next.deadline);
        must(kio_now() >= self->next.deadline);
        for (int i = 0; i < DELAYS; i++)
            must(!self->of[i].in || self->of[i].deadline >= self->next.deadline);
        self->of[from].in = false;
        message_end(&self->value);
    }
    self->next.out = UNTOUCHED;
}

static struct kio_delay_queue_next *next_delay(struct delays *self)
{
    kio_delay_queue_next(&self->next, &self->queue, &self->value);
    self->next.out = UNTOUCHED;
    return &self->next;
}

async(delays, delays_drop)
{
    async_begin;
    self->next.out = UNTOUCHED;
    kio_delay_queue(&self->queue, sizeof(struct message));
    kio_delay_queue_on_drop(&self->queue, message_end);
    for (self->left = (int)roll(&self->dice, 60); self->left; self->left--) {
        did();
        if (chance(&self->dice, 60)) {
            delays_change(self);
            continue;
        }
        await(kio_select(&self->select, next_delay(self), kio_sleep(&self->nap, a_while(&self->dice))));
        delays_take(self);
        if (chance(&self->dice, 2))
            async_return(); /* with what is in it */
    }
    for (;;) {
        await(next_delay(self));
        if (!self->next.out)
            break;
        delays_take(self);
    }
    must(kio_delay_queue_is_empty(&self->queue));
    async_return();
}
PLAY_IS(delays, false);

/* ---- futures in order --------------------------------------------------------------------- */

struct turn {
    async_fn(int);
    struct life life;
    struct ki_rand dice;
    int number;
    struct probe probe;
};

static void turn_drop(struct turn *self)
{
    died(&self->life);
}

async(turn, turn_drop)
{
    async_begin;
    await(probe(&self->probe, &self->dice, self->number));
    async_return(self->probe.out);
}

struct ordered {
    PLAY;
    int left, put, taken;
    struct kio_future_queue queue;
    struct kio_future_queue_next next;
    struct kio_timeout limit;
};

static void ordered_drop(struct ordered *self)
{
    died(&self->life);
}

async(ordered, ordered_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 60); self->left; self->left--) {
        did();
        if (chance(&self->dice, 60)) {
            must(kio_future_queue_add(&self->queue, turn, .life = born(K_PLAY), .dice = split(&self->dice),
                                      .number = self->put) == 0);
            self->put++;
            continue;
        }
        await(kio_timeout(&self->limit, a_while(&self->dice),
                          kio_future_queue_next(&self->next, &self->queue)));
        if (self->limit.out == 0 && self->next.out == 1) {
            must(*kio_future_queue_output(&self->next, int) == self->taken);
            self->taken++;
        }
        if (chance(&self->dice, 3))
            async_return(); /* with what is in it */
    }
    for (; self->taken < self->put; self->taken++) {
        await(kio_future_queue_next(&self->next, &self->queue));
        must(self->next.out == 1 && *kio_future_queue_output(&self->next, int) == self->taken);
    }
    must(kio_future_queue_len(&self->queue) == 0);
    async_return();
}
PLAY_IS(ordered, false);

/* ---- a set of iterators ------------------------------------------------------------------- */

#define STREAMS 4

/* Counts into its channel and goes. */
struct streamer {
    PLAY;
    struct kio_tx tx;
    int value, count;
    struct kio_send send;
    struct kio_sleep nap;
};

static void streamer_drop(struct streamer *self)
{
    kio_tx_drop(&self->tx);
    died(&self->life);
}

async(streamer, streamer_drop)
{
    async_begin;
    for (; self->value < self->count; self->value++) {
        did();
        if (chance(&self->dice, 10))
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
        await(kio_send(&self->send, &self->tx, &self->value));
        if (self->send.out)
            async_return();
    }
    async_return();
}

struct iter_set {
    PLAY;
    struct kio_rx rx[STREAMS];
    int expect[STREAMS], left, value;
    unsigned i;
    struct kio_iter_rx source[STREAMS];
    struct kio_iter_set set;
    struct kio_iter_next next;
    struct kio_timeout limit;
};

static void iter_set_drop(struct iter_set *self)
{
    for (int i = 0; i < STREAMS; i++)
        kio_rx_drop(&self->rx[i]);
    died(&self->life);
}

static void one_more_stream(struct iter_set *self, unsigned i)
{
    struct kio_tx tx;

    (void)kio_iter_set_remove(&self->set, i);
    kio_rx_drop(&self->rx[i]);
    must(kio_mpsc_channel(&tx, &self->rx[i], sizeof(int), 1 + roll(&self->dice, 4)) == 0);
    (void)kio_spawn(NULL, streamer, .life = born(K_PLAY), .dice = split(&self->dice), .tx = tx,
                    .count = (int)roll(&self->dice, 40));
    self->expect[i] = 0;
    must(kio_iter_set_add(&self->set, i, kio_iter_rx(&self->source[i], &self->rx[i])) == 0);
    must(kio_iter_set_has(&self->set, i));
}

async(iter_set, iter_set_drop)
{
    async_begin;
    kio_iter_set(&self->set, sizeof(int));
    for (self->i = 0; self->i < STREAMS; self->i++)
        one_more_stream(self, self->i);
    for (self->left = (int)roll(&self->dice, 120); self->left; self->left--) {
        did();
        if (chance(&self->dice, 4))
            one_more_stream(self, roll(&self->dice, STREAMS));
        await(kio_timeout(&self->limit, 3 * KIO_MS, kio_iter_next(&self->next, &self->set, &self->value)));
        if (self->limit.out)
            continue;
        if (self->next.out == 0) {
            must(kio_iter_set_len(&self->set) == 0);
            async_return();
        }
        must(self->next.out == 1 && self->set.key < STREAMS);
        must(self->value == self->expect[self->set.key]);
        self->expect[self->set.key]++;
    }
    async_return();
}
PLAY_IS(iter_set, false);
