/* A runtime's configuration: what zero stands for, and what is refused. */
#include "runtime.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define KI_WORKERS_MAX       1024
#define KI_MAX_BLOCKING      512 /* as Tokio */
#define KI_STUCK_AFTER       KIO_SEC
#define KI_STUCK_MAX         (INT64_MAX / 64) /* it is doubled some times */
#define KI_WATCHDOG_MIN      KIO_MS
#define KI_KEEP_ALIVE        (10 * KIO_SEC)

static unsigned cpu_count(void)
{
    cpu_set_t set;

    /* The CPUs this process may use, not those the machine has. */
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int default_workers(unsigned *workers)
{
    const char *text = getenv("KIOTO_WORKERS");
    char *end;
    long n;

    if (!text || !*text) {
        *workers = cpu_count();
        return 0;
    }
    n = strtol(text, &end, 10);
    if (*end || n < 1 || n > KI_WORKERS_MAX)
        return -EINVAL;
    *workers = (unsigned)n;
    return 0;
}

static int default_seed(uint64_t *seed)
{
    const char *text = getenv("KIOTO_SEED");
    char *end;

    *seed = 1;
    if (!text || !*text)
        return 0;
    *seed = strtoull(text, &end, 0);
    return *end || !*seed ? -EINVAL : 0;
}

static bool is_blank(const char *text)
{
    return !text[strspn(text, " \t\n")];
}

int ki_config_complete(struct kio_runtime_config *c)
{
    int err = 0;

    if ((unsigned)c->flavor > KIO_DETERMINISTIC)
        return -EINVAL;
    if (c->workers > KI_WORKERS_MAX || c->blocking_keep_alive < 0 || c->stuck_after > KI_STUCK_MAX)
        return -EINVAL;
    if (c->name && is_blank(c->name))
        return -EINVAL;
    if (c->watchdog < 0 || (c->watchdog && c->watchdog < KI_WATCHDOG_MIN))
        return -EINVAL;
    if (c->flavor == KIO_DETERMINISTIC) {
        c->start_paused = true;
        if (!c->seed)
            err = default_seed(&c->seed);
    }
    if (c->flavor != KIO_MULTI_THREAD)
        c->workers = 1;
    else if (c->start_paused)
        return -EINVAL;
    else if (!c->workers)
        err = default_workers(&c->workers);
    if (!c->max_blocking)
        c->max_blocking = KI_MAX_BLOCKING;
    if (!c->blocking_keep_alive)
        c->blocking_keep_alive = KI_KEEP_ALIVE;
    if (!c->name)
        c->name = "kioto";
    if (!c->stuck_after)
        c->stuck_after = KI_STUCK_AFTER;
    if (!c->watchdog_signal)
        c->watchdog_signal = SIGURG; /* unused by nearly all, ignored by default: Go's choice too */
    if (!c->seed)
        c->seed = (uint64_t)ki_clock_now();
    return err;
}
