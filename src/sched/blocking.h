/*
 * Threads for calls that block: jobs in, threads that grow with the age of the queue.
 *
 * A job is owned by the pool from submit until run or cancel is called, exactly one of them, once.
 * Lanes keep kinds of jobs apart: a lane has a limit of threads of its own, so that slow name
 * lookups do not starve other jobs.
 */
#ifndef KI_SCHED_BLOCKING_H
#define KI_SCHED_BLOCKING_H

#include "../base/list.h"

#include <kioto/config.h>

struct ki_blocking;

enum ki_lane {
    KI_LANE_JOBS,   /* kio_spawn_blocking, files */
    KI_LANE_LOOKUP, /* getaddrinfo */
    KI_LANE_COUNT,
};

struct ki_job {
    struct ki_list link;
    void (*run)(struct ki_job *self);    /* on a pool thread */
    void (*cancel)(struct ki_job *self); /* the pool ended before it began; on the ending thread */
    int64_t queued_ns;                   /* private */
};

struct ki_blocking_config {
    unsigned max_threads;   /* of the jobs lane, at least 1 */
    int64_t keep_alive_ns;  /* an idle thread ends after this */
    size_t stack_size;      /* bytes; 0: the system's default */
    const char *name;       /* threads are called name-N */
};

/* 0 or -ENOMEM. No thread is started before the first job. */
KIO_MUST_USE int ki_blocking_new(struct ki_blocking **out, const struct ki_blocking_config *config);

/* 0: the pool owns the job. -ESHUTDOWN, or the error of thread creation when no thread could be
 * started and none runs: the job is still the caller's. Any thread. */
KIO_MUST_USE int ki_blocking_submit(struct ki_blocking *pool, struct ki_job *job, enum ki_lane lane);

/* Queued and running jobs: an auto-advancing clock waits for them. Any thread. */
unsigned ki_blocking_busy(struct ki_blocking *pool);

/* Takes no more jobs and cancels those not begun. Waits for running ones, at most timeout_ns
 * (negative: for ever). 0, or -ETIMEDOUT: threads still run; the pool then frees itself when the
 * last one ends. Frees the pool. */
int ki_blocking_shutdown(struct ki_blocking *pool, int64_t timeout_ns);

#endif
