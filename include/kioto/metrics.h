/*
 * Metrics: what a runtime has done and has in hand, read while it runs.
 *
 *     struct kio_metrics m;
 *
 *     kio_metrics_read(rt, &m);
 *     printf("%lu tasks, %lu polls\n", m.tasks_alive, m.polls);
 *
 *     kio_metrics_write(rt, file);                 // all of it, as Prometheus scrapes it
 *
 * Each worker counts for itself, with plain stores that nobody else writes, so counting costs no
 * atomic read-modify-write, and reading costs the workers nothing (a cache line that is fetched once
 * more). So the numbers are not one instant's: a task may be counted as ended before the worker
 * that spawned it is looked at. Once a runtime is shut down they balance: spawned = ended.
 *
 * The histograms need the clock and are off unless config.time_polls asks for them.
 */
#ifndef KIOTO_METRICS_H
#define KIOTO_METRICS_H

#include "runtime.h"

#include <stdio.h>

/* Buckets double from 1 us: bucket[i] counts what took at most 2^i us and more than the bucket
 * before; the last one what took longer than 2^21 us (2.1 s). */
#define KIO_HISTOGRAM_BUCKETS 23

struct kio_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t bucket[KIO_HISTOGRAM_BUCKETS];
};

struct kio_metrics {
    enum kio_flavor flavor;
    unsigned workers;              /* as configured */
    unsigned workers_known;        /* with the spares there have been: for kio_metrics_worker() */
    unsigned spares_active;        /* spares that stand in for blocked workers now */

    uint64_t tasks_alive;          /* spawned and not ended; jobs of the blocking pool apart */
    uint64_t tasks_spawned, tasks_ended;

    uint64_t polls;                /* of all workers, as the six below */
    uint64_t forced_yields;        /* polls that ended because the task's budget was used up */
    uint64_t steals, stolen_tasks; /* times a worker took from another's queue; tasks so taken */
    uint64_t parks;                /* times a worker slept */
    uint64_t turns;                /* times a worker looked at timers and I/O */
    uint64_t queue_depth;          /* tasks in the workers' queues */

    uint64_t inject_depth;         /* tasks in the queue from outside; current_thread: 0 */
    uint64_t remote_schedules;     /* tasks queued from outside: by threads that are no workers, or
                                      because a queue was full */

    unsigned blocking_threads;     /* of the pool, for jobs and name lookups; and of them idle */
    unsigned blocking_idle;
    uint64_t blocking_queue_depth; /* jobs that no thread has taken yet */
    uint64_t blocking_jobs;        /* begun so far */

    uint64_t timers;               /* armed */
    uint64_t fds;                  /* registered with the runtime's epoll */
    uint64_t fds_registered;       /* so far, also those that are closed */
    uint64_t io_events;            /* that the kernel reported of them so far */
    uint64_t stuck_polls;          /* found by the watchdog; 0 without one */

    bool timed;                    /* config.time_polls: the two below are measured */
    struct kio_histogram poll_time;         /* of each poll */
    struct kio_histogram schedule_latency;  /* from being queued to being polled */
};

/* One worker's share. */
struct kio_worker_metrics {
    bool spare;                    /* stands in for blocked workers, now or in the past */
    int thread;                    /* the kernel's id (gettid) of the thread that runs it, or did last;
                                      0: none yet */
    uint64_t tasks_spawned, tasks_ended;
    uint64_t polls, forced_yields;
    uint64_t steals, stolen_tasks;
    uint64_t parks;
    uint64_t turns;
    uint64_t queue_depth;
    struct kio_histogram poll_time, schedule_latency;
};

/**
 * kio_metrics_read(rt, metrics): what a runtime has done so far, and has in hand now.
 *
 * metrics  written
 *
 * Threads: any, also while it shuts down; not after kio_runtime_free() began
 * Cost:    O(workers); the locks of the blocking pool for a moment; no allocation
 * Since:   0.1
 * See:     kio_metrics_write(); docs/guide/11-production.md
 */
KIO_API void kio_metrics_read(struct kio_runtime *rt, struct kio_metrics *metrics);

/**
 * kio_metrics_worker(rt, index, metrics): one worker's share.
 *
 * index    below kio_metrics.workers_known; from kio_metrics.workers on they are spares
 * metrics  written; zero on error
 *
 * Returns: 0
 * Errors:  -EINVAL: there is no such worker
 * Threads: as kio_metrics_read()
 * Since:   0.1
 */
KIO_API int kio_metrics_worker(struct kio_runtime *rt, unsigned index,
                               struct kio_worker_metrics *metrics);

/**
 * kio_metrics_write(rt, to): everything in Prometheus' text format (version 0.0.4).
 *
 * Each line bears the label runtime, the configured name; those of a worker its index as well. Give
 * it out over HTTP as text/plain; version=0.0.4.
 *
 * to       borrowed for the call; locked by stdio meanwhile
 *
 * Returns: 0
 * Errors:  -EIO: the file has its error indicator set
 * Threads: as kio_metrics_read()
 * Since:   0.1
 */
KIO_API int kio_metrics_write(struct kio_runtime *rt, FILE *to);

#endif
