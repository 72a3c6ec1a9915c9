/* A blocking pool without a runtime. */
#ifndef TESTS_SUPPORT_POOL_H
#define TESTS_SUPPORT_POOL_H

#include "support/rt.h"

#include "sched/blocking.h"

static inline struct ki_blocking *pool_new(unsigned max, int64_t keep_alive_ns,
                                           void (*on_thread)(void *arg, bool start),
                                           void (*on_quiet)(void *arg))
{
    struct ki_blocking *pool;

    assert_int_equal(ki_blocking_new(&pool, &(struct ki_blocking_config){
                                                .max_threads = max,
                                                .keep_alive_ns = keep_alive_ns,
                                                .name = "pool",
                                                .on_thread = on_thread,
                                                .on_quiet = on_quiet,
                                            }),
                     0);
    return pool;
}

#endif
