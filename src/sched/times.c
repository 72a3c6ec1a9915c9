#include "times.h"
#include "../base/mem.h"

#include <errno.h>

int ki_times_new(struct ki_times **out)
{
    *out = ki_mem_zalloc(sizeof **out);
    return *out ? 0 : -ENOMEM;
}

void ki_times_free(struct ki_times *times)
{
    ki_mem_free(times);
}

static void add(ki_atomic(uint64_t) *counter, uint64_t more)
{
    ki_store_relaxed(counter, ki_load_relaxed(counter) + more); /* one writer, only counted */
}

void ki_times_add(struct ki_histogram *h, int64_t ns)
{
    add(&h->sum_ns, ns > 0 ? (uint64_t)ns : 0);
    add(&h->bucket[ki_times_bucket(ns)], 1);
}
