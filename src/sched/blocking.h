/*
 * Threads for calls that block: jobs in, more threads when they end too slowly.
 *
 * A job is owned by the pool from submit until run or cancel is called, exactly one of them, once.
 * Lanes keep kinds of jobs apart: a lane has a limit of threads of its own, so that slow name
 * lookups do not starve other jobs.
 *
 * Jobs come in at a lane's door, a line of its own under a lock of its own; the threads take all that is
 * there at once when their queue is empty. So who submits many and who runs them seldom touch the same
 * line. Nobody is woken for a job if somebody is certain to look at the door soon.
 *
 * Growth: a thread that ends a job takes the next one at once. While jobs are queued one further
 * thread, the sentinel, watches the pace: only when a lane has for KI_GROW_NS ended no job, or less than
 * one in KI_BRISK_NS, does the sentinel run one, and another becomes sentinel. So a hundred thousand short
 * jobs run on one or two threads (a thread a job costs 30 us each, Tokio's way), and ten that block run
 * side by side after a fraction of a millisecond.
 */
#ifndef KI_SCHED_BLOCKING_H
#define KI_SCHED_BLOCKING_H

#include "../base/list.h"

#include <kioto/config.h>

struct ki_blocking;

enum ki_lane {
    KI_LANE_JOBS,   /* kio_spawn_blocking, files */
    KI_LANE_LOOKUP, /* getaddrinfo */
    KI_LANE_SPARE,  /* spare workers: see spare.c */
    KI_LANE_COUNT,
};

struct ki_job {
    struct ki_job *next;                 /* private */
    void (*run)(struct ki_job *self);    /* on a pool thread */
    void (*cancel)(struct ki_job *self); /* the pool ended before it began; on the ending thread */
};

struct ki_blocking_config {
    unsigned max_threads;   /* of the jobs lane, at least 1 */
    int64_t keep_alive_ns;  /* an idle thread ends after this */
    size_t stack_size;      /* bytes; 0: the system's default */
    const char *name;       /* threads are called name-N; borrowed */
    void (*on_thread)(void *arg, bool start); /* on each pool thread, first and last */
    void (*on_quiet)(void *arg);              /* no job is left; on a pool thread */
    void *arg;
};

/* 0 or -ENOMEM. No thread is started before the first job. */
KIO_MUST_USE int ki_blocking_new(struct ki_blocking **out, const struct ki_blocking_config *config);

/* 0: the pool owns the job. -ESHUTDOWN, or the error of thread creation when no thread could be
 * started and none runs: the job is still the caller's. Any thread. */
KIO_MUST_USE int ki_blocking_submit(struct ki_blocking *pool, struct ki_job *job, enum ki_lane lane);

/* Whether jobs are queued or run: an auto-advancing clock waits for them. Any thread. */
bool ki_blocking_busy(struct ki_blocking *pool);

/* Threads alive in all lanes: for metrics and tests. Any thread. */
unsigned ki_blocking_threads(struct ki_blocking *pool);

/* Jobs and lookups, without the spares' lane. Any thread; locks each lane for a moment. */
struct ki_blocking_stats {
    unsigned threads; /* alive */
    unsigned idle;    /* of them, waiting for work */
    unsigned queued;  /* jobs that no thread has taken yet */
    uint64_t taken;   /* jobs begun so far */
};
void ki_blocking_stats(struct ki_blocking *pool, struct ki_blocking_stats *out);

/* Takes no more jobs and cancels those not begun. Waits for running ones, at most timeout_ns
 * (negative: for ever). 0, or -ETIMEDOUT: threads still run; call again. */
int ki_blocking_shutdown(struct ki_blocking *pool, int64_t timeout_ns);

/* After a shutdown that gave 0. NULL: nothing happens. */
void ki_blocking_free(struct ki_blocking *pool);

#endif
