/*
 * kioto-stress: random mixes of everything, on real threads, with every object counted.
 *
 * A *play* is an async function that sets something up (a channel, a mutex, a tree of combinators),
 * has others take part in it, and comes to its end by itself, whatever happens to those others. So
 * any play may run as a task, be aborted, dropped or detached at any moment, or be an arm of a
 * select: the *conductor* and the plain threads outside do that, until the round's runtime is shut
 * down. What must hold then: everything that was made was destroyed, once.
 *
 * Every decision is drawn from a play's own dice, which it got from whoever made it, so the seed
 * determines what is tried, whichever thread it runs on. The order in which the threads get to it
 * is not repeatable on multi_thread.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include "base/atomic.h"
#include "base/rand.h"

#include <kioto.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An out that its future has not written: it never ended, or was dropped. */
#define UNTOUCHED INT_MAX

/* ---- what is counted (count.c) ------------------------------------------------------------ */

enum kind {
    K_PLAY,    /* frames of async functions: their destructor ran once */
    K_SHARED,  /* what the members of a play share */
    K_MESSAGE, /* given to a channel, received or destroyed */
    K_PERMIT,  /* held: of a channel, of a semaphore */
    K_PROBE,   /* futures by hand */
    K_JOB,     /* arguments of blocking jobs */
    K_STREAM,  /* ends of connections */
    KINDS
};

/* In whatever is counted; a copy is the same one, moved. */
struct life {
    enum kind kind;
    uint32_t magic;
};

struct life born(enum kind kind);
/* Ends it; fails if that happened before. */
void died(struct life *life);
/* An operation was done: the hang monitor sees progress. */
void did(void);
/* Of which task did something, and when, in order: on the deterministic runtime the same for the same
 * seed. */
extern uint64_t digest;
uint64_t operations(void);
uint64_t made_so_far(enum kind kind);
long alive_now(enum kind kind);
/* Everything that was born has died. Says what has not; false then. */
bool balanced(void);

extern uint64_t seed_now; /* of the round, for messages */
extern const char *cell;  /* flavor and workers, for messages */
KIO_NORETURN void failed(const char *file, int line, const char *text);
#define must(cond) ((cond) ? (void)0 : failed(__FILE__, __LINE__, #cond))

/* Evenly in 0 .. n - 1. */
static inline uint32_t roll(struct ki_rand *dice, uint32_t n)
{
    return ki_rand_below(dice, n);
}

static inline bool chance(struct ki_rand *dice, uint32_t percent)
{
    return roll(dice, 100) < percent;
}

/* Dice for somebody else. */
static inline struct ki_rand split(struct ki_rand *dice)
{
    struct ki_rand other;

    ki_rand_seed(&other, ki_rand_next(dice));
    return other;
}

/* Some hundreds of microseconds, often nothing, sometimes several milliseconds. */
kio_duration a_while(struct ki_rand *dice);

/* ---- what the members of a play share ----------------------------------------------------- */

/* First member. Destroyed when the last one lets go; `end` sees it when nobody else does. */
struct shared {
    ki_atomic(int) refs;
    struct life life;
    void (*end)(void *shared);
};

void *share_new(size_t size, void (*end)(void *shared));
/* One more reference, as a value. */
#define share(s) ((__typeof__(s))share_((struct shared *)(s)))
void *share_(struct shared *s);
/* Gives one back; of NULL: nothing. */
#define unshare(s) unshare_((struct shared *)(s))
void unshare_(struct shared *s);

/* ---- messages ----------------------------------------------------------------------------- */

/* Owns a block of its own, so that one received twice is freed twice. */
struct message {
    uint32_t from, seq;
    uint32_t *block;
};

struct message message_new(uint32_t from, uint32_t seq);
/* The receiver's, or the channel's destructor. */
void message_end(void *message);

/* ---- the round (main.c) ------------------------------------------------------------------- */

/* First in every play's frame. */
#define PLAY                                                                                       \
    async_fn(void);                                                                                \
    struct life life;                                                                              \
    struct ki_rand dice

struct round {
    struct kio_runtime *rt;
    bool multi;         /* multi_thread: kio_block_in_place */
    bool threads;       /* other threads may take part: not on the deterministic runtime */
    ki_atomic(bool) stopping; /* relaxed, both: a hint to come to an end */
    ki_atomic(bool) resting;  /* to the threads outside: nothing new */
};

extern struct round now;

static inline bool stopping(void)
{
    return ki_load_relaxed(&now.stopping);
}

/* Whatever thread finds it there may abort that task, wake that task. */
void post_abort(struct ki_rand *dice, struct kio_abort_handle handle);
void post_waker(struct ki_rand *dice, kio_waker waker);
void abort_somebody(struct ki_rand *dice);
void wake_somebody(struct ki_rand *dice);

/* A blocking job's argument: lives until the round is over, when `clean` is run if the job was not. */
struct job {
    struct job *next;
    struct life life;
    bool ran;
    void (*clean)(struct job *job);
};

void *job_new(size_t size, void (*clean)(struct job *job));

/* ---- plays -------------------------------------------------------------------------------- */

struct play {
    const char *name;
    bool threads; /* needs other threads or the kernel: not on the deterministic runtime */
    int (*spawn)(struct kio_runtime *rt, struct kio_join_handle *handle, struct ki_rand dice);
    int (*spawn_in)(struct kio_join_set *set, struct ki_rand dice);
    struct kio_boxed *(*box)(struct kio_boxed *slot, struct ki_rand dice);
};

/* Behind the definition of the async function `name`: makes play_<name>. */
#define PLAY_IS(name_, threads_)                                                                   \
    static int spawn_##name_(struct kio_runtime *rt, struct kio_join_handle *handle,               \
                             struct ki_rand dice)                                                  \
    {                                                                                              \
        return kio_spawn_on(rt, handle, name_, .life = born(K_PLAY), .dice = dice);                \
    }                                                                                              \
    static int spawn_in_##name_(struct kio_join_set *set, struct ki_rand dice)                     \
    {                                                                                              \
        return kio_join_set_spawn(set, name_, .life = born(K_PLAY), .dice = dice);                 \
    }                                                                                              \
    static struct kio_boxed *box_##name_(struct kio_boxed *slot, struct ki_rand dice)              \
    {                                                                                              \
        return kio_box(slot, name_, .life = born(K_PLAY), .dice = dice);                           \
    }                                                                                              \
    const struct play play_##name_ = { #name_, threads_, spawn_##name_, spawn_in_##name_,          \
                                       box_##name_ }

/* One that may run in this round. */
const struct play *any_play(struct ki_rand *dice);

extern const struct play play_mpsc, play_oneshot, play_broadcast, play_watch;
extern const struct play play_mutex, play_rwlock, play_semaphore, play_notify, play_barrier, play_once,
    play_cancel;
extern const struct play play_sleeps, play_intervals, play_probes;
extern const struct play play_pipes, play_tcp, play_readiness;
extern const struct play play_handles, play_join_set, play_scope, play_tracker, play_local, play_blocking,
    play_in_place;
extern const struct play play_nested, play_arrays, play_future_set, play_iterators;
extern const struct play play_sharing, play_set_once, play_permits, play_abortable;
extern const struct play play_delays, play_ordered, play_iter_set;

/* ---- a future by hand (probe.c) ----------------------------------------------------------- */

/* Is ready after a number of polls; in between wakes itself, or leaves its waker for others to find. */
struct probe {
    KIO_ASYNC_FN(int); /* its number */
    struct life life;
    struct ki_rand dice;
    int number;
    int polls_left;
    kio_instant limit; /* ready at the first poll after it, too */
    struct kio_sleep nap;
};

struct probe *probe(struct probe *slot, struct ki_rand *dice, int number);

#endif
