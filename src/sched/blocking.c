#include "blocking.h"
#include "../base/atomic.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/thread.h"

#include <errno.h>

/* How old the oldest job gets before another thread takes it: about what starting one costs. */
#define KI_GROW_NS 50000

/* Lookups at a time: enough that a few slow servers do not hold the rest up. */
#define KI_LOOKUP_THREADS 32

struct lane {
    struct ki_blocking *pool;
    pthread_mutex_t lock;
    pthread_cond_t work;   /* idle threads and the sentinel wait here */
    pthread_cond_t quiet;  /* shutdown waits here: no thread is left */
    struct ki_list queue;
    unsigned max;
    unsigned threads;      /* alive */
    unsigned idle;         /* of them waiting for a job, the sentinel not among them */
    unsigned roused;       /* idle ones that were signalled and have not woken yet */
    unsigned started;      /* ever: numbers the threads */
    unsigned queued;       /* length of queue */
    uint64_t taken;        /* jobs begun so far */
    bool sentinel;         /* one thread watches the queue's age, or is on its way to */
    bool closing;
    bool has_ended;        /* `ended` is a thread that has left the loop and is to be joined */
    pthread_t ended;
};

struct ki_blocking {
    struct ki_blocking_config config;
    ki_atomic(unsigned) busy;
    struct lane lanes[KI_LANE_COUNT];
};

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

static struct ki_job *oldest(struct lane *lane)
{
    return ki_list_empty(&lane->queue) ? NULL : ki_container(lane->queue.next, struct ki_job, link);
}

static void *thread_main(void *arg);

/* Lock held; let go while the thread starts. */
static int start_locked(struct lane *lane)
{
    const struct ki_blocking_config *config = &lane->pool->config;
    pthread_t thread;
    int err;

    lane->threads++;
    pthread_mutex_unlock(&lane->lock);
    err = ki_thread_start(&thread, thread_main, lane, config->stack_size, NULL, 0);
    pthread_mutex_lock(&lane->lock);
    if (err && --lane->threads == 0)
        pthread_cond_broadcast(&lane->quiet);
    return err;
}

/* Lock held: jobs are queued; somebody must watch their age. */
static int watch_locked(struct lane *lane)
{
    int err;

    if (lane->sentinel)
        return 0;
    if (lane->idle > lane->roused) {
        lane->roused++;
        pthread_cond_signal(&lane->work);
        return 0;
    }
    if (lane->threads >= lane->max)
        return 0;
    lane->sentinel = true; /* the new thread, see thread_main */
    err = start_locked(lane);
    if (err)
        lane->sentinel = false;
    return err;
}

/* Lock held. By address alone: the job may be gone. */
static bool is_queued(struct lane *lane, struct ki_job *job)
{
    for (struct ki_list *at = lane->queue.next; at != &lane->queue; at = at->next) {
        if (at == &job->link)
            return true;
    }
    return false;
}

int ki_blocking_submit(struct ki_blocking *pool, struct ki_job *job, enum ki_lane which)
{
    struct lane *lane = &pool->lanes[which];
    int err;

    job->queued_ns = ki_clock_now();
    pthread_mutex_lock(&lane->lock);
    if (lane->closing) {
        pthread_mutex_unlock(&lane->lock);
        return -ESHUTDOWN;
    }
    ki_list_push_back(&lane->queue, &job->link);
    lane->queued++;
    ki_fetch_add_seq_cst(&pool->busy, 1);
    err = watch_locked(lane);
    if (err && lane->threads == 0 && is_queued(lane, job)) {
        ki_list_remove(&job->link);
        lane->queued--;
        ki_fetch_sub_seq_cst(&pool->busy, 1);
    } else {
        err = 0; /* those that run will come to it, or a shutdown has cancelled it */
    }
    pthread_mutex_unlock(&lane->lock);
    return err;
}

/* Lock held. Waits for a job this thread should run; NULL: it is to end. watching: this thread is
 * the sentinel. */
static struct ki_job *next_job(struct lane *lane, bool watching)
{
    int64_t until = ki_clock_add(ki_clock_now(), lane->pool->config.keep_alive_ns);

    for (;;) {
        struct ki_job *job = oldest(lane);

        if (watching && (!job || job->queued_ns + KI_GROW_NS <= ki_clock_now() ||
                         lane->threads == lane->idle + 1)) /* nobody runs: why wait? */
            lane->sentinel = watching = false;
        if (job && !watching) {
            ki_list_remove(&job->link);
            lane->queued--;
            lane->taken++;
            return job;
        }
        if (job) {
            wait_until(&lane->work, &lane->lock, job->queued_ns + KI_GROW_NS);
            continue;
        }
        if (lane->closing || ki_clock_now() >= until)
            return NULL;
        lane->idle++;
        wait_until(&lane->work, &lane->lock, until);
        lane->idle--;
        if (lane->roused)
            lane->roused--;
        if (oldest(lane) && !lane->sentinel)
            lane->sentinel = watching = true;
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

static void run_job(struct ki_blocking *pool, struct ki_job *job)
{
    job->run(job);
    /* seq_cst: after the wakes that the job sent; a clock that finds nothing busy has them. */
    if (ki_fetch_sub_seq_cst(&pool->busy, 1) == 1)
        pool->config.on_quiet(pool->config.arg);
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    struct ki_blocking *pool = lane->pool;
    bool watching = true; /* started because jobs wait */
    struct ki_job *job;
    unsigned number;

    pool->config.on_thread(pool->config.arg, true);
    pthread_mutex_lock(&lane->lock);
    number = lane->started++;
    pthread_mutex_unlock(&lane->lock);
    ki_thread_name(pthread_self(), pool->config.name, number);
    pthread_mutex_lock(&lane->lock);
    while ((job = next_job(lane, watching))) {
        watching = false;
        if (oldest(lane))
            (void)watch_locked(lane); /* no thread to be had: this one goes on alone */
        pthread_mutex_unlock(&lane->lock);
        run_job(pool, job);
        pthread_mutex_lock(&lane->lock);
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
    ki_list_init(&lane->queue);
    pthread_mutex_init(&lane->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->work, &attr);
    pthread_cond_init(&lane->quiet, &attr);
    pthread_condattr_destroy(&attr);
}

int ki_blocking_new(struct ki_blocking **out, const struct ki_blocking_config *config)
{
    struct ki_blocking *pool = ki_mem_zalloc(sizeof *pool);

    if (!pool)
        return -ENOMEM;
    pool->config = *config;
    lane_init(&pool->lanes[KI_LANE_JOBS], pool, config->max_threads);
    lane_init(&pool->lanes[KI_LANE_LOOKUP], pool, KI_LOOKUP_THREADS);
    lane_init(&pool->lanes[KI_LANE_SPARE], pool, config->max_threads);
    *out = pool;
    return 0;
}

unsigned ki_blocking_busy(struct ki_blocking *pool)
{
    return ki_load_seq_cst(&pool->busy); /* see run_job */
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
        out->idle += lane->idle;
        out->queued += lane->queued;
        out->taken += lane->taken;
        pthread_mutex_unlock(&lane->lock);
    }
}

static void cancel_queued(struct lane *lane)
{
    struct ki_list *link;

    pthread_mutex_lock(&lane->lock);
    lane->closing = true;
    pthread_cond_broadcast(&lane->work);
    while ((link = ki_list_pop_front(&lane->queue))) {
        struct ki_job *job = ki_container(link, struct ki_job, link);

        lane->queued--;
        pthread_mutex_unlock(&lane->lock);
        job->cancel(job);
        ki_fetch_sub_seq_cst(&lane->pool->busy, 1);
        pthread_mutex_lock(&lane->lock);
    }
    pthread_mutex_unlock(&lane->lock);
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
        pthread_cond_destroy(&lane->work);
        pthread_mutex_destroy(&lane->lock);
    }
    ki_mem_free(pool);
}
