/*
 * The watchdog: a thread that finds workers stuck in one poll, says where, and calls in a spare.
 */
#ifndef KI_RUNTIME_WATCHDOG_H
#define KI_RUNTIME_WATCHDOG_H

#include <kioto/runtime.h>

struct ki_sched;
struct ki_watchdog;

/* Before the scheduler is opened. 0 or a negative errno. */
KIO_MUST_USE int ki_watchdog_start(struct ki_watchdog **out, struct ki_sched *sched,
                                   const struct kio_runtime_config *config);
/* When no worker runs any more. NULL: nothing happens. */
void ki_watchdog_stop(struct ki_watchdog *dog);

/* Stuck polls found so far. NULL: 0. */
uint64_t ki_watchdog_count(struct ki_watchdog *dog);

#endif
