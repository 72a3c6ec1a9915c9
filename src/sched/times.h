/*
 * How long polls take and queued tasks wait: histograms that one worker writes and anybody reads.
 *
 * Buckets double from 1 us: bucket i counts what took at most 2^i us, and longer than the one before;
 * the last takes the rest. Counters as a worker's others: relaxed loads and stores, a single writer.
 *
 * Only a runtime that was asked for it (config.time_polls) pays: two clock readings a poll, one for
 * each time a task is queued, and 8 bytes at the end of each task's slot for that time. In others
 * what remains is a look at the task's flags at each of these places.
 */
#ifndef KI_SCHED_TIMES_H
#define KI_SCHED_TIMES_H

#include "../base/atomic.h"

#include <kioto/config.h>

#define KI_TIMES_BUCKETS 23 /* up to 2.1 s, and longer */

struct ki_histogram {
    ki_atomic(uint64_t) sum_ns;
    ki_atomic(uint64_t) bucket[KI_TIMES_BUCKETS];
};

struct ki_times {
    struct ki_histogram poll;
    struct ki_histogram latency;
};

/* 0 or -ENOMEM. */
KIO_MUST_USE int ki_times_new(struct ki_times **out);
void ki_times_free(struct ki_times *times);

static inline unsigned ki_times_bucket(int64_t ns)
{
    uint64_t us = ns > 0 ? ((uint64_t)ns + 999) / 1000 : 0;
    unsigned i = us <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(us - 1);

    return i < KI_TIMES_BUCKETS ? i : KI_TIMES_BUCKETS - 1;
}

/* The worker's own. */
void ki_times_add(struct ki_histogram *h, int64_t ns);

#endif
