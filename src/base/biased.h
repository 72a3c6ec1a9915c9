/*
 * A lock that costs the thread that always takes it no read-modify-write: after some thousand times in a
 * row by one thread it is biased to that thread, which from then on says that it holds it in a word of its
 * own. The first other thread that wants it takes the bias away, for good or for long.
 *
 * word: 0 free; 1 held; an even number: biased to the thread whose slot has that number, which holds it
 * while slot->holds points to it.
 *
 *   owner:  store holds; light barrier; load word: the bias is there: it is held     else as a usual lock
 *   other:  compare-and-swap word bias -> 1; heavy barrier; wait while holds is it: it is held
 *
 * The race: both at once. By the barriers (base/barrier.h) either the owner's holds is seen, and waited
 * for; or the owner sees that the bias is gone. The owner may see that, and take holds back, after the
 * other one began to wait: then that waits a moment for nothing. release of holds pairs with that look.
 *
 * The price is the other thread's heavy barrier, 1 to 50 us, once after KI_BIAS_AFTER locks that did
 * without 2 to 6 ns each, and next time after 16 times as many. So it is for what is often used by one
 * thread alone: a channel between tasks of one worker. With a usual lock a round trip between two such
 * tasks costs 28 ns more (of 100).
 *
 * A slot belongs to a thread that runs tasks, while it does: a bias to a thread that has ended is one to
 * the next thread with that slot. Threads without one, and all of them where there are no barriers, use
 * it as a usual lock. A thread holds one biased lock at a time.
 */
#ifndef KI_BASE_BIASED_H
#define KI_BASE_BIASED_H

#include "barrier.h"
#include "lock.h"

#ifndef KI_BIAS_AFTER /* fewer when it is model checked */
#define KI_BIAS_AFTER 4096u
#define KI_BIAS_LATER 4 /* after each time it was taken away, 2 to this power as many */
#define KI_BIAS_SLOTS 64
#endif

struct ki_biased {
    ki_atomic(uint32_t) word;
    uint32_t streak;  /* like all that follows, of who holds it: times in a row by `last` */
    uint16_t last;    /* the number of the slot of who held it last; 0: none */
    uint16_t revoked; /* times, as far as it is counted */
};

struct ki_bias_slot {
    KI_CACHE_ALIGNED ki_atomic(struct ki_biased *) holds; /* by its bias */
    ki_atomic(uint32_t) biases; /* locks that are biased to it */
    uint32_t number;
    ki_atomic(uint32_t) taken;
};

struct ki_bias_thread {
    struct ki_bias_slot *slot; /* NULL: it has none */
    bool tried;                /* there was none to be had */
    unsigned begun;            /* times */
    unsigned usual;            /* the slot it had last, so that its locks stay biased to it */
};
extern _Thread_local struct ki_bias_thread ki_bias_here;

/* This thread runs tasks from now on, and no more. Begun twice it is ended twice. */
void ki_bias_begin(void);
void ki_bias_end(void);
void ki_bias_get(void);

/* Now and then between the two: a process with one thread needs no bias until it has more. */
static inline void ki_bias_look(void)
{
    if (kio_unlikely_(!ki_bias_here.slot) && !ki_alone() && !ki_bias_here.tried)
        ki_bias_get();
}

void ki_biases_forked(void); /* in a forked child: the other threads are not here */

void ki_biased_lock_slow(struct ki_biased *b);
/* Its memory goes. */
void ki_biased_free(struct ki_biased *b);

/* When ki_alone(). relaxed: as ki_lock; a bias is to who is not here any more. */
static inline void ki_biased_take_alone(struct ki_biased *b)
{
    ki_store_relaxed(&b->word, 1);
}

static inline void ki_biased_lock_alone(struct ki_biased *b, enum ki_rank rank)
{
    ki_rank_enter(rank);
    ki_biased_take_alone(b);
}

/* False: it is held, or biased to another thread. */
static inline bool ki_biased_take(struct ki_biased *b)
{
    struct ki_bias_slot *me;
    uint32_t free_word = 0;

    if (ki_alone()) {
        ki_biased_take_alone(b);
        return true;
    }
    me = ki_bias_here.slot;
    /* relaxed: only this thread makes it more. Without one it looks at nothing: of a lock that two threads
     * fight for, a look costs as much as the exchange. */
    if (me && ki_load_relaxed(&me->biases)) {
        /* Before the look at word: the barrier. release: as in the unlock, which it may hide. */
        ki_store_release(&me->holds, b);
        ki_barrier_light();
        /* relaxed: if it is biased nobody else has held it since; see ki_biased_lock_slow */
        if (kio_likely_(ki_load_relaxed(&b->word) == me->number))
            return true;
        ki_store_release(&me->holds, NULL); /* as above */
    }
    return ki_cas_strong_acquire(&b->word, &free_word, 1); /* pairs with ki_biased_unlock */
}

static inline void ki_biased_lock(struct ki_biased *b, enum ki_rank rank)
{
    ki_rank_enter(rank);
    if (!ki_biased_take(b))
        ki_biased_lock_slow(b);
}

/* For who has another function for when it does not get it, and so needs no call in this one. */
static inline bool ki_biased_try_lock(struct ki_biased *b, enum ki_rank rank)
{
    if (!ki_biased_take(b))
        return false;
    ki_rank_enter(rank);
    return true;
}

/* Under the lock, which is not biased: what word is to be when it is let go. */
static inline uint32_t ki_biased_word(struct ki_biased *b, struct ki_bias_slot *me)
{
    if (b->last != me->number) {
        b->last = (uint16_t)me->number;
        b->streak = 0;
    }
    if (kio_likely_(++b->streak < KI_BIAS_AFTER << KI_BIAS_LATER * b->revoked))
        return 0;
    ki_fetch_add_relaxed(&me->biases, 1); /* a count */
    return me->number;
}

static inline void ki_biased_unlock(struct ki_biased *b, enum ki_rank rank)
{
    struct ki_bias_slot *me = ki_bias_here.slot;
    uint32_t word = 0;

    ki_rank_leave(rank);
    if (ki_alone()) {
        if (kio_unlikely_(me != NULL))
            ki_store_relaxed(&me->holds, NULL); /* relaxed: alone, since a moment ago it may be */
    } else if (!me) {
        b->last = 0;
    } else if (ki_load_relaxed(&me->holds) == b) { /* only we write it */
        ki_store_release(&me->holds, NULL);        /* pairs with ki_biased_lock_slow */
        return;
    } else {
        word = ki_biased_word(b, me);
    }
    /* release: pairs with the acquire in ki_biased_lock and its slow half. */
    ki_store_release(&b->word, word);
}

#endif
