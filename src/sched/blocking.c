#include "blocking.h"
#include "../base/clock.h"
#include "../base/cpu.h"
#include "../base/lock.h"
#include "../base/mem.h"
#include "../base/thread.h"

#include <errno.h>

/* How long jobs wait before another thread takes one: about what starting one costs. */
#define KI_GROW_NS 50000

/* A lane that ends a job in less time is not helped: threads that come for the next one that often stand
 * in each other's way. */
#define KI_BRISK_NS 1000

/* Lookups at a time: enough that a few slow servers do not hold the rest up. */
#define KI_LOOKUP_THREADS 32

/* What who comes with a job has to do. */
enum door {
    DOOR_SHUT,    /* start a thread first, or go away: none may be there, or the pool ends */
    DOOR_CALL,    /* leave it, and call a thread: those there are may be busy for long */
    DOOR_WATCHED, /* leave it: somebody looks */
};

/* A thread of the pool, on its stack. */
struct member {
    struct ki_list link;    /* in idle, while it is */
    ki_atomic(uint32_t) go; /* a futex; 1: called */
    bool watching;          /* the sentinel, there or on its way */
};

struct lane {
    struct ki_blocking *pool;
    pthread_mutex_t lock;
    pthread_cond_t quiet;        /* shutdown waits here: no thread is left */
    struct ki_job *first;        /* the queue */
    struct ki_list idle;         /* threads that wait for a job, called in turn */
    struct member *dozing;       /* the sentinel between two looks */
    unsigned max;
    unsigned threads;      /* alive */
    unsigned takers;       /* of them those that look at the queue again: not the ones that leave */
    unsigned idles;        /* of them those in idle */
    unsigned started;      /* ever: numbers the threads */
    bool sentinel;         /* one thread watches the pace, or is on its way to */
    bool closing;
    bool has_ended;        /* `ended` is a thread that has left the loop and is to be joined */
    pthread_t ended;
    int64_t look_ns;       /* when the sentinel looks */
    int64_t mark_ns;       /* since when it counts, and from what number of `back` */
    uint64_t mark;
    uint64_t taken;        /* jobs begun so far */
    uint64_t back;         /* of them ended */
    uint64_t canceled;
    ki_atomic(uint64_t) over; /* back and canceled, at the last moment at which none was queued */
    /* The door, where jobs come in. The threads look there when they have run out of jobs: it is a line of
     * its own, and one that two cores touch in turn costs more than a short job. */
    KI_CACHE_ALIGNED struct ki_lock door_lock;
    enum door door;
    struct ki_job *in_first, *in_last; /* what came; in_last is garbage while in_first is NULL */
    ki_atomic(uint64_t) submitted;     /* ever */
};

struct ki_blocking {
    struct ki_blocking_config config;
    struct lane lanes[KI_LANE_COUNT];
};

static void *thread_main(void *arg);

/* ---- the door ----------------------------------------------------------------------------- */

static enum door lock_door(struct lane *lane)
{
    ki_lock(&lane->door_lock, KI_RANK_BLOCKING);
    return lane->door;
}

static void unlock_door(struct lane *lane, enum door door)
{
    lane->door = door;
    ki_unlock(&lane->door_lock, KI_RANK_BLOCKING);
}

/* Door locked. */
static void bring_in(struct lane *lane, struct ki_job *job)
{
    job->next = NULL;
    if (lane->in_first)
        lane->in_last->next = job;
    else
        lane->in_first = job;
    lane->in_last = job;
    /* relaxed: the end of this job, or of the one that it came from, brings it to ki_blocking_busy */
    ki_store_relaxed(&lane->submitted, ki_load_relaxed(&lane->submitted) + 1);
}

/* Lock held: the queue is empty. True: it was. Otherwise who comes next calls, unless somebody watches. */
static bool look_outside(struct lane *lane)
{
    enum door door = lock_door(lane);

    lane->first = lane->in_first;
    lane->in_first = NULL;
    if (!lane->first && !lane->sentinel && door == DOOR_WATCHED)
        door = DOOR_CALL;
    unlock_door(lane, door);
    return lane->first;
}

/* Lock held: no thread is to be had just now; the next one who comes tries again. */
static void call_next_time(struct lane *lane)
{
    enum door door = lock_door(lane);

    unlock_door(lane, door == DOOR_WATCHED ? DOOR_CALL : door);
}

/* Lock held: nothing is queued. False: now there is. Otherwise this thread does not look again. */
static bool leave_locked(struct lane *lane)
{
    enum door door = lock_door(lane);
    bool leaves = !lane->in_first;

    if (leaves && --lane->takers == 0)
        door = DOOR_SHUT;
    unlock_door(lane, door);
    return leaves;
}

/* ---- more threads ------------------------------------------------------------------------- */

/* Lock held, also while the thread starts: nobody else leaves a job to one that may not come. */
static int start_locked(struct lane *lane)
{
    const struct ki_blocking_config *config = &lane->pool->config;
    pthread_t thread;
    int err = ki_thread_start(&thread, thread_main, lane, config->stack_size, config->name,
                              lane->started);

    if (err)
        return err;
    lane->started++;
    lane->threads++;
    lane->takers++;
    lane->sentinel = true; /* see thread_main */
    return 0;
}

/* Lock held. To be woken after the unlock; it may have gone by then, and the kernel wakes nobody. */
static ki_atomic(uint32_t) *call_locked(struct lane *lane)
{
    struct member *m = ki_container(ki_list_pop_front(&lane->idle), struct member, link);

    lane->idles--;
    m->watching = lane->sentinel = true;
    ki_store_relaxed(&m->go, 1); /* the lock orders it, and what there is to do */
    return &m->go;
}

static void wake_called(ki_atomic(uint32_t) *go)
{
    if (go)
        ki_futex_wake(go, 1);
}

/* Lock held: jobs are queued, or at the door; somebody must watch. anew: the pace, from now on. *go: whom to
 * wake after the unlock. An error leaves them to those that run. Not once the pool ends: its jobs are
 * canceled, and who brought one before may come here when nobody waits for threads any more. */
static int watch_locked(struct lane *lane, bool anew, ki_atomic(uint32_t) **go)
{
    int err = 0;

    if (lane->sentinel || lane->closing || (!lane->idles && lane->takers >= lane->max))
        return 0;
    if (anew) {
        lane->mark = lane->back;
        lane->mark_ns = ki_clock_now();
        lane->look_ns = lane->mark_ns + KI_GROW_NS;
    }
    if (lane->idles)
        *go = call_locked(lane);
    else
        err = start_locked(lane);
    if (err)
        call_next_time(lane);
    return err;
}

/* ---- submitting --------------------------------------------------------------------------- */

/* Lock held: no thread may be there. */
static int bring_to_thread(struct lane *lane, struct ki_job *job)
{
    ki_atomic(uint32_t) *none = NULL;
    int err = lane->closing   ? -ESHUTDOWN
              : !lane->takers ? watch_locked(lane, true, &none)
                              : 0;

    if (err)
        return err;
    (void)lock_door(lane); /* who shuts it holds the lock */
    bring_in(lane, job);
    unlock_door(lane, DOOR_WATCHED);
    return 0;
}

/* brought: the job is in, at a door of which one is to call. */
static KIO_COLD int submit_and_call(struct lane *lane, struct ki_job *job, bool brought)
{
    ki_atomic(uint32_t) *go = NULL;
    int err;

    pthread_mutex_lock(&lane->lock);
    err = brought ? 0 : bring_to_thread(lane, job);
    if (!err)
        (void)watch_locked(lane, true, &go);
    pthread_mutex_unlock(&lane->lock);
    wake_called(go);
    return err;
}

int ki_blocking_submit(struct ki_blocking *pool, struct ki_job *job, enum ki_lane which)
{
    struct lane *lane = &pool->lanes[which];
    enum door door = lock_door(lane);

    if (door != DOOR_SHUT)
        bring_in(lane, job);
    unlock_door(lane, door == DOOR_CALL ? DOOR_WATCHED : door);
    return door == DOOR_WATCHED ? 0 : submit_and_call(lane, job, door == DOOR_CALL);
}

/* ---- the queue ---------------------------------------------------------------------------- */

/* Lock held. No thread but this one runs a job or is about to. */
static bool is_only_one(const struct lane *lane)
{
    return lane->takers == lane->idles + 1;
}

/* Lock held, on the sentinel. */
static bool must_help(struct lane *lane)
{
    int64_t now;

    if (is_only_one(lane))
        return true;
    now = ki_clock_now();
    if (now < lane->look_ns)
        return false;
    if ((int64_t)(lane->back - lane->mark) * KI_BRISK_NS < now - lane->mark_ns)
        return true;
    lane->mark = lane->back;
    lane->mark_ns = now;
    lane->look_ns = now + KI_GROW_NS;
    return false;
}

/* Lock held. Until then, or until it is called. */
static void doze(struct lane *lane, struct member *me, int64_t until_ns)
{
    int64_t now = ki_clock_now();

    ki_store_relaxed(&me->go, 0); /* the lock orders it with call_locked */
    pthread_mutex_unlock(&lane->lock);
    if (now < until_ns)
        ki_futex_wait(&me->go, 0, until_ns == INT64_MAX ? -1 : until_ns - now);
    pthread_mutex_lock(&lane->lock);
    if (ki_list_linked(&me->link)) {
        ki_list_remove(&me->link);
        lane->idles--;
    }
}

static void doze_idle(struct lane *lane, struct member *me, int64_t until_ns)
{
    ki_list_push_back(&lane->idle, &me->link); /* in turn: see docs/design/blocking.md */
    lane->idles++;
    doze(lane, me, until_ns);
}

static void doze_watching(struct lane *lane, struct member *me)
{
    lane->dozing = me;
    doze(lane, me, lane->look_ns);
    if (lane->dozing == me)
        lane->dozing = NULL;
}

/* Lock held: nothing is queued, so nothing is to be watched. False: nobody does, or one on its way. */
static bool end_watch(struct lane *lane, struct member *me)
{
    struct member *m = me->watching ? me : lane->dozing;

    if (!m)
        return false;
    m->watching = lane->sentinel = false;
    if (m != me) { /* idle from now on, though it wakes once more */
        ki_list_push_back(&lane->idle, &m->link);
        lane->idles++;
        lane->dozing = NULL;
    }
    return true;
}

/* Lock held: nothing is queued. False: it is written down what has ended. */
static bool write_over(struct lane *lane)
{
    uint64_t over = lane->back + lane->canceled;

    if (ki_load_relaxed(&lane->over) == over) /* written under the lock */
        return false;
    /* seq_cst: after the wakes that the jobs sent, a clock that finds nothing busy has them; before the looks
     * at the other lanes, and at who waits for this. */
    ki_store_seq_cst(&lane->over, over);
    return true;
}

/* Lock held: nothing is queued. False: everybody knows what has ended. */
static bool tell_over(struct lane *lane)
{
    const struct ki_blocking_config *config = &lane->pool->config;

    if (!write_over(lane))
        return false;
    pthread_mutex_unlock(&lane->lock);
    if (!ki_blocking_busy(lane->pool))
        config->on_quiet(config->arg);
    pthread_mutex_lock(&lane->lock);
    return true;
}

/* Lock held. Waits for a job this thread should run; NULL: it is to end, and counts no more. */
static struct ki_job *next_job(struct lane *lane, struct member *me)
{
    int64_t until = 0;

    for (;;) {
        if (lane->first || look_outside(lane)) {
            struct ki_job *job = lane->first;

            if (!me->watching || must_help(lane)) {
                lane->first = job->next;
                lane->taken++;
                return job;
            }
            doze_watching(lane, me);
            continue;
        }
        if (end_watch(lane, me) || tell_over(lane))
            continue;
        if (lane->closing || (until && ki_clock_now() >= until)) {
            if (leave_locked(lane))
                return NULL;
            continue;
        }
        if (!until)
            until = ki_clock_add(ki_clock_now(), lane->pool->config.keep_alive_ns);
        doze_idle(lane, me, until);
    }
}

/* Lock held. Threads end one by one, each joins the one before it; the last is joined by free. */
static void end_locked(struct lane *lane)
{
    bool join = lane->has_ended;
    pthread_t before = lane->ended;

    lane->ended = pthread_self();
    lane->has_ended = true;
    pthread_mutex_unlock(&lane->lock);
    if (join)
        pthread_join(before, NULL);
    pthread_mutex_lock(&lane->lock);
    if (--lane->threads == 0)
        pthread_cond_broadcast(&lane->quiet);
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    struct ki_blocking *pool = lane->pool;
    struct member me = { .watching = true }; /* started because jobs wait */
    struct ki_job *job;

    pool->config.on_thread(pool->config.arg, true);
    pthread_mutex_lock(&lane->lock);
    while ((job = next_job(lane, &me))) {
        bool helps = me.watching && !is_only_one(lane);
        ki_atomic(uint32_t) *go = NULL;

        if (me.watching)
            me.watching = lane->sentinel = false;
        /* Who is slow still is: the next one need not wait. No thread to be had: this one goes on alone. */
        if (lane->first || look_outside(lane))
            (void)watch_locked(lane, !helps, &go);
        pthread_mutex_unlock(&lane->lock);
        wake_called(go);
        job->run(job);
        pthread_mutex_lock(&lane->lock);
        lane->back++;
    }
    pthread_mutex_unlock(&lane->lock);
    pool->config.on_thread(pool->config.arg, false);
    pthread_mutex_lock(&lane->lock);
    end_locked(lane);
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

static void lane_init(struct lane *lane, struct ki_blocking *pool, unsigned max)
{
    pthread_condattr_t attr;

    lane->pool = pool;
    lane->max = max;
    ki_list_init(&lane->idle);
    pthread_mutex_init(&lane->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->quiet, &attr);
    pthread_condattr_destroy(&attr);
}

int ki_blocking_new(struct ki_blocking **out, const struct ki_blocking_config *config)
{
    struct ki_blocking *pool = ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *pool);

    if (!pool)
        return -ENOMEM;
    *pool = (struct ki_blocking){ .config = *config };
    lane_init(&pool->lanes[KI_LANE_JOBS], pool, config->max_threads);
    lane_init(&pool->lanes[KI_LANE_LOOKUP], pool, KI_LOOKUP_THREADS);
    lane_init(&pool->lanes[KI_LANE_SPARE], pool, config->max_threads);
    *out = pool;
    return 0;
}

/* As in runtime/drain.c: first all that ended, then all that came; if the sums are equal there was nothing
 * between the two. seq_cst: see write_over; relaxed: the end of a job brings along that it came, and who sees
 * neither need not know of it. */
bool ki_blocking_busy(struct ki_blocking *pool)
{
    uint64_t over = 0, submitted = 0;

    for (int i = 0; i < KI_LANE_COUNT; i++)
        over += ki_load_seq_cst(&pool->lanes[i].over);
    for (int i = 0; i < KI_LANE_COUNT; i++)
        submitted += ki_load_relaxed(&pool->lanes[i].submitted);
    return over != submitted;
}

unsigned ki_blocking_threads(struct ki_blocking *pool)
{
    unsigned count = 0;

    for (int i = 0; i < KI_LANE_COUNT; i++) {
        pthread_mutex_lock(&pool->lanes[i].lock);
        count += pool->lanes[i].threads;
        pthread_mutex_unlock(&pool->lanes[i].lock);
    }
    return count;
}

void ki_blocking_stats(struct ki_blocking *pool, struct ki_blocking_stats *out)
{
    *out = (struct ki_blocking_stats){ 0 };
    for (int i = 0; i < KI_LANE_SPARE; i++) {
        struct lane *lane = &pool->lanes[i];

        pthread_mutex_lock(&lane->lock);
        out->threads += lane->threads;
        out->idle += lane->idles;
        /* relaxed: it may grow at any moment */
        out->queued += (unsigned)(ki_load_relaxed(&lane->submitted) - lane->taken - lane->canceled);
        out->taken += lane->taken;
        pthread_mutex_unlock(&lane->lock);
    }
}

static void cancel_queued(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->closing = true;
    (void)lock_door(lane);
    unlock_door(lane, DOOR_SHUT);
    while (lane->idles)
        wake_called(call_locked(lane));
    while (lane->first || look_outside(lane)) {
        struct ki_job *job = lane->first;

        lane->first = job->next;
        pthread_mutex_unlock(&lane->lock);
        job->cancel(job);
        pthread_mutex_lock(&lane->lock);
        lane->canceled++;
    }
    (void)write_over(lane);
    pthread_mutex_unlock(&lane->lock);
}

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ns)
{
    struct timespec ts = {
        .tv_sec = (time_t)(at_ns / 1000000000),
        .tv_nsec = (long)(at_ns % 1000000000),
    };

    if (at_ns == INT64_MAX)
        pthread_cond_wait(cond, lock);
    else
        pthread_cond_timedwait(cond, lock, &ts);
}

static int wait_quiet(struct lane *lane, int64_t limit_ns)
{
    int err = 0;

    pthread_mutex_lock(&lane->lock);
    while (lane->threads && !err) {
        if (ki_clock_now() >= limit_ns)
            err = -ETIMEDOUT;
        else
            wait_until(&lane->quiet, &lane->lock, limit_ns);
    }
    pthread_mutex_unlock(&lane->lock);
    return err;
}

int ki_blocking_shutdown(struct ki_blocking *pool, int64_t timeout_ns)
{
    int64_t limit = timeout_ns < 0 ? INT64_MAX : ki_clock_add(ki_clock_now(), timeout_ns);
    int err = 0;

    for (int i = 0; i < KI_LANE_COUNT; i++)
        cancel_queued(&pool->lanes[i]);
    for (int i = 0; i < KI_LANE_COUNT; i++) {
        int late = wait_quiet(&pool->lanes[i], limit);

        err = err ? err : late;
    }
    return err;
}

void ki_blocking_free(struct ki_blocking *pool)
{
    if (!pool)
        return;
    for (int i = 0; i < KI_LANE_COUNT; i++) {
        struct lane *lane = &pool->lanes[i];

        if (lane->has_ended)
            pthread_join(lane->ended, NULL);
        pthread_cond_destroy(&lane->quiet);
        pthread_mutex_destroy(&lane->lock);
    }
    ki_mem_free(pool);
}
