/* The blocking pool of a runtime with spares: a test thread that runs the jobs it is given. */
#ifndef MC_POOL_H
#define MC_POOL_H

#include "mc.h"
#include "base/atomic.h"
#include "sched/blocking.h"

static struct ki_job *posted_job;
static uint32_t posted;

int ki_blocking_submit(struct ki_blocking *b, struct ki_job *submitted, enum ki_lane lane)
{
    (void)b, (void)lane;
    MC_ASSERT(!posted_job);
    posted_job = submitted;
    MC_ASSERT(!ki_bare_load_relaxed(&posted));
    ki_bare_store_release(&posted, 1);
    return 0;
}

static void run_posted(void)
{
    struct ki_job *mine;

    mc_wait(&posted);
    mine = posted_job;
    posted_job = NULL;
    mine->run(mine);
}

static inline void pool_thread(void)
{
    for (;;)
        run_posted();
}

#endif
