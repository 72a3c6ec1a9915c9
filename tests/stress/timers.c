/* Time: never early, reset, cancelled, awaited again, from whatever worker. */
#include "stress.h"

struct sleeps {
    PLAY;
    int left;
    kio_instant due;
    struct kio_sleep nap, kept, other;
    struct kio_yield yield;
    struct kio_select select;
    struct kio_timeout limit;
};

static void sleeps_drop(struct sleeps *self)
{
    died(&self->life);
}

async(sleeps, sleeps_drop)
{
    async_begin;
    async_let(kio_sleep(&self->kept, a_while(&self->dice)));
    for (self->left = (int)roll(&self->dice, 30); self->left; self->left--) {
        did();
        switch (roll(&self->dice, 8)) {
        case 0:
            self->due = kio_now() + a_while(&self->dice);
            await(kio_sleep_until(&self->nap, self->due));
            must(kio_now() >= self->due);
            break;
        case 1: /* dropped in the wheel */
            await(kio_select(&self->select, kio_sleep(&self->nap, 10 * KIO_SEC),
                             kio_sleep(&self->other, a_while(&self->dice))));
            must(self->select.out == 1);
            break;
        case 2: /* the kept one moves while it waits */
            if (kio_is_live(&self->kept))
                await(kio_select(&self->select, &self->kept, kio_yield_now(&self->yield)));
            self->due = kio_now() + a_while(&self->dice);
            kio_sleep_reset(&self->kept, self->due);
            break;
        case 3:
            if (kio_is_live(&self->kept)) {
                self->due = kio_sleep_deadline(&self->kept);
                await(&self->kept);
                must(kio_now() >= self->due);
            }
            kio_sleep_reset(&self->kept, kio_now() + a_while(&self->dice));
            break;
        case 4:
            self->due = kio_now() + 2 * KIO_MS;
            await(kio_timeout_at(&self->limit, self->due, kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->limit.out)
                must(kio_now() >= self->due);
            break;
        case 5: /* a thousand resets do not matter */
            for (int i = 0; i < 20; i++)
                kio_sleep_reset(&self->kept, kio_now() + roll(&self->dice, 1000) * KIO_MS);
            kio_sleep_reset(&self->kept, kio_now() + KIO_MS);
            break;
        case 6:
            kio_drop(&self->kept);
            async_let(kio_sleep(&self->kept, a_while(&self->dice)));
            break;
        default:
            await(kio_yield_now(&self->yield)); /* goes on on another worker, perhaps */
            break;
        }
    }
    async_return();
}
PLAY_IS(sleeps, false);

struct intervals {
    PLAY;
    int left;
    kio_instant last;
    struct kio_interval interval;
    struct kio_tick tick;
    struct kio_sleep nap;
    struct kio_timeout limit;
    bool held; /* burst and skip: ticks are on the grid */
};

static void intervals_drop(struct intervals *self)
{
    died(&self->life);
}

async(intervals, intervals_drop)
{
    async_begin;
    must(kio_interval(&self->interval, 0) == -EINVAL);
    must(kio_interval(&self->interval, 200 * KIO_US + a_while(&self->dice)) == 0);
    kio_interval_missed(&self->interval, (enum kio_missed_tick)roll(&self->dice, 3));
    for (self->left = (int)roll(&self->dice, 20); self->left; self->left--) {
        did();
        if (chance(&self->dice, 50)) {
            await(kio_timeout(&self->limit, a_while(&self->dice), kio_tick(&self->tick, &self->interval)));
            if (self->limit.out)
                continue;
        } else {
            await(kio_tick(&self->tick, &self->interval));
        }
        must(kio_now() >= self->tick.out);
        must(self->tick.out > self->last);
        self->last = self->tick.out;
        if (chance(&self->dice, 20))
            await(kio_sleep(&self->nap, a_while(&self->dice)));
        if (chance(&self->dice, 10))
            kio_interval_reset(&self->interval);
    }
    async_return();
}
PLAY_IS(intervals, false);

struct probes {
    PLAY;
    int left;
    struct probe one, two;
    struct kio_select select;
    struct kio_join join;
};

static void probes_drop(struct probes *self)
{
    died(&self->life);
}

async(probes, probes_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 20); self->left; self->left--) {
        did();
        switch (roll(&self->dice, 4)) {
        case 0:
            await(kio_select(&self->select, probe(&self->one, &self->dice, 1),
                             probe(&self->two, &self->dice, 2)));
            must(self->select.out == 0 ? self->one.out == 1 : self->two.out == 2);
            break;
        case 1:
            await(kio_join(&self->join, probe(&self->one, &self->dice, 1),
                           probe(&self->two, &self->dice, 2)));
            must(self->one.out == 1 && self->two.out == 2);
            break;
        default:
            await(probe(&self->one, &self->dice, self->left));
            must(self->one.out == self->left);
            break;
        }
    }
    async_return();
}
PLAY_IS(probes, false);
