/*
 * Metrics: adds up what the workers count, and writes it as text. Every number is read relaxed: they
 * are statistics, and nothing is concluded from one about another; see kioto/metrics.h.
 */
#include "../runtime/runtime.h"

#include <kioto/metrics.h>

#include <errno.h>
#include <string.h>

_Static_assert(KIO_HISTOGRAM_BUCKETS == KI_TIMES_BUCKETS, "one shape, inside and outside");

/* ---- reading ------------------------------------------------------------------------------ */

static void add_histogram(struct kio_histogram *to, const struct ki_histogram *from)
{
    to->sum_ns += ki_load_relaxed(&from->sum_ns);
    for (int i = 0; i < KIO_HISTOGRAM_BUCKETS; i++) {
        uint64_t n = ki_load_relaxed(&from->bucket[i]);

        to->bucket[i] += n;
        to->count += n; /* so the text's last bucket is the count, whatever is added meanwhile */
    }
}

static void read_worker(struct kio_runtime *rt, struct ki_worker *w, unsigned index,
                        struct kio_worker_metrics *m)
{
    *m = (struct kio_worker_metrics){
        .spare = index >= rt->drivers->count,
        .tasks_ended = ki_load_relaxed(&w->ended),
        .tasks_spawned = ki_load_relaxed(&w->spawned),
        .thread = ki_load_relaxed(&w->thread),
        .polls = ki_load_relaxed(&w->polls),
        .forced_yields = ki_load_relaxed(&w->forced),
        .steals = ki_load_relaxed(&w->steals),
        .stolen_tasks = ki_load_relaxed(&w->stolen),
        .parks = ki_load_relaxed(&w->parks),
        .turns = ki_load_relaxed(&w->turns),
        .queue_depth = rt->flavor == KIO_CURRENT_THREAD ? ki_current_depth(rt->sched)
                                                        : ki_multi_depth(w),
    };
    if (w->times) {
        add_histogram(&m->poll_time, &w->times->poll);
        add_histogram(&m->schedule_latency, &w->times->latency);
    }
}

static void add_times(struct kio_histogram *to, const struct kio_histogram *from)
{
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    for (int i = 0; i < KIO_HISTOGRAM_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
}

struct reading {
    struct kio_runtime *rt;
    struct kio_metrics *m;
};

static void add_worker(struct ki_worker *w, unsigned index, void *arg)
{
    struct reading *r = arg;
    struct kio_metrics *m = r->m;
    struct kio_worker_metrics one;

    read_worker(r->rt, w, index, &one);
    if (index >= m->workers_known)
        m->workers_known = index + 1;
    m->tasks_spawned += one.tasks_spawned;
    m->tasks_ended += one.tasks_ended;
    m->polls += one.polls;
    m->forced_yields += one.forced_yields;
    m->steals += one.steals;
    m->stolen_tasks += one.stolen_tasks;
    m->parks += one.parks;
    m->turns += one.turns;
    m->queue_depth += one.queue_depth;
    m->timed |= w->times != NULL;
    add_times(&m->poll_time, &one.poll_time);
    add_times(&m->schedule_latency, &one.schedule_latency);
}

static void read_sched(struct kio_runtime *rt, struct kio_metrics *m)
{
    struct reading r = { rt, m };
    size_t depth;

    m->flavor = rt->flavor;
    m->workers = m->workers_known = rt->drivers->count;
    ki_sched_each(rt->sched, add_worker, &r);
    m->tasks_spawned += ki_load_relaxed(&rt->sched->spawned);
    /* Not of one instant: what ended may have been spawned where was looked before. */
    m->tasks_alive = m->tasks_spawned > m->tasks_ended ? m->tasks_spawned - m->tasks_ended : 0;
    if (rt->flavor == KIO_CURRENT_THREAD) {
        m->remote_schedules = ki_current_inboxed(rt->sched);
        return;
    }
    ki_multi_injected(rt->sched, &depth, &m->remote_schedules);
    m->inject_depth = depth;
    m->spares_active = ki_multi_spares(rt->sched);
}

void kio_metrics_read(struct kio_runtime *rt, struct kio_metrics *m)
{
    struct ki_blocking_stats pool;

    *m = (struct kio_metrics){ 0 };
    read_sched(rt, m);
    ki_blocking_stats(rt->blocking, &pool);
    m->blocking_threads = pool.threads;
    m->blocking_idle = pool.idle;
    m->blocking_queue_depth = pool.queued;
    m->blocking_jobs = pool.taken;
    m->timers = ki_drivers_timers(rt->drivers);
    m->fds = ki_load_relaxed(&rt->drivers->poller.fds);
    m->fds_registered = ki_load_relaxed(&rt->drivers->poller.added);
    m->io_events = ki_load_relaxed(&rt->drivers->poller.events);
    m->stuck_polls = ki_watchdog_count(rt->watchdog);
}

struct one {
    struct kio_runtime *rt;
    unsigned index;
    bool found;
    struct kio_worker_metrics *m;
};

static void read_one(struct ki_worker *w, unsigned index, void *arg)
{
    struct one *one = arg;

    if (index != one->index)
        return;
    read_worker(one->rt, w, index, one->m);
    one->found = true;
}

int kio_metrics_worker(struct kio_runtime *rt, unsigned index, struct kio_worker_metrics *m)
{
    struct one one = { .rt = rt, .index = index, .m = m };

    *m = (struct kio_worker_metrics){ 0 };
    ki_sched_each(rt->sched, read_one, &one);
    return one.found ? 0 : -EINVAL;
}

/* ---- Prometheus' text --------------------------------------------------------------------- */

struct writer {
    struct kio_runtime *rt;
    FILE *to;
    char runtime[2 * sizeof((struct kio_runtime *)0)->name + 1]; /* the name, escaped */
};

static void escape(char *to, const char *from)
{
    for (; *from; from++) {
        if (*from == '"' || *from == '\\' || *from == '\n')
            *to++ = '\\';
        *to++ = *from == '\n' ? 'n' : *from;
    }
    *to = '\0';
}

static void head(struct writer *w, const char *name, const char *type, const char *help)
{
    fprintf(w->to, "# HELP kioto_%s %s\n# TYPE kioto_%s %s\n", name, help, name, type);
}

static void one_number(struct writer *w, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    head(w, name, type, help);
    fprintf(w->to, "kioto_%s{runtime=\"%s\"} %llu\n", name, w->runtime, (unsigned long long)value);
}

/* With a point, whatever the program's locale has there. */
static void seconds(FILE *to, uint64_t ns, int digits)
{
    uint64_t rest = ns % KIO_SEC;

    for (int i = digits; i < 9; i++)
        rest /= 10;
    fprintf(to, "%llu.%0*llu", (unsigned long long)(ns / KIO_SEC), digits, (unsigned long long)rest);
}

static void write_histogram(struct writer *w, const char *name, const char *help,
                            const struct kio_histogram *h)
{
    uint64_t sum = 0;

    head(w, name, "histogram", help);
    for (int i = 0; i < KIO_HISTOGRAM_BUCKETS; i++) {
        sum += h->bucket[i];
        fprintf(w->to, "kioto_%s_bucket{runtime=\"%s\",le=\"", name, w->runtime);
        if (i + 1 < KIO_HISTOGRAM_BUCKETS)
            seconds(w->to, (UINT64_C(1) << i) * 1000, 6);
        else
            fputs("+Inf", w->to);
        fprintf(w->to, "\"} %llu\n", (unsigned long long)sum);
    }
    fprintf(w->to, "kioto_%s_sum{runtime=\"%s\"} ", name, w->runtime);
    seconds(w->to, h->sum_ns, 9);
    fprintf(w->to, "\nkioto_%s_count{runtime=\"%s\"} %llu\n", name, w->runtime,
            (unsigned long long)h->count);
}

/* What each worker has of its own: a line for each. */
static const struct per_worker {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t in struct kio_worker_metrics */
} per_worker[] = {
    { "worker_polls_total", "counter", "Polls of tasks.", offsetof(struct kio_worker_metrics, polls) },
    { "worker_forced_yields_total", "counter", "Polls that ended because the budget was used up.",
      offsetof(struct kio_worker_metrics, forced_yields) },
    { "worker_steals_total", "counter", "Times tasks were taken from another worker's queue.",
      offsetof(struct kio_worker_metrics, steals) },
    { "worker_stolen_tasks_total", "counter", "Tasks taken from another worker's queue.",
      offsetof(struct kio_worker_metrics, stolen_tasks) },
    { "worker_parks_total", "counter", "Times the worker slept.",
      offsetof(struct kio_worker_metrics, parks) },
    { "worker_turns_total", "counter", "Times the worker looked at timers and I/O.",
      offsetof(struct kio_worker_metrics, turns) },
    { "worker_tasks_spawned_total", "counter", "Tasks spawned on the worker.",
      offsetof(struct kio_worker_metrics, tasks_spawned) },
    { "worker_tasks_ended_total", "counter", "Tasks ended on the worker.",
      offsetof(struct kio_worker_metrics, tasks_ended) },
    { "worker_queue_depth", "gauge", "Tasks in the worker's queue.",
      offsetof(struct kio_worker_metrics, queue_depth) },
};

static void write_workers(struct writer *w, unsigned count)
{
    for (size_t i = 0; i < sizeof per_worker / sizeof per_worker[0]; i++) {
        head(w, per_worker[i].name, per_worker[i].type, per_worker[i].help);
        for (unsigned k = 0; k < count; k++) {
            struct kio_worker_metrics m;
            uint64_t value;

            if (kio_metrics_worker(w->rt, k, &m))
                continue;
            memcpy(&value, (const char *)&m + per_worker[i].offset, sizeof value);
            fprintf(w->to, "kioto_%s{runtime=\"%s\",worker=\"%u\"} %llu\n", per_worker[i].name,
                    w->runtime, k, (unsigned long long)value);
        }
    }
}

int kio_metrics_write(struct kio_runtime *rt, FILE *to)
{
    struct writer w = { .rt = rt, .to = to };
    struct kio_metrics m;

    kio_metrics_read(rt, &m);
    escape(w.runtime, rt->name);
    flockfile(to);
    one_number(&w, "workers", "gauge", "Workers as configured.", m.workers);
    one_number(&w, "spare_workers", "gauge", "Spares that stand in for blocked workers.",
               m.spares_active);
    one_number(&w, "tasks_alive", "gauge", "Tasks spawned and not ended.", m.tasks_alive);
    one_number(&w, "tasks_spawned_total", "counter", "Tasks spawned.", m.tasks_spawned);
    one_number(&w, "tasks_ended_total", "counter", "Tasks ended, aborted or dropped.", m.tasks_ended);
    one_number(&w, "inject_queue_depth", "gauge", "Tasks in the queue from outside.", m.inject_depth);
    one_number(&w, "remote_schedules_total", "counter", "Tasks queued from outside the workers.",
               m.remote_schedules);
    one_number(&w, "blocking_threads", "gauge", "Threads of the blocking pool.", m.blocking_threads);
    one_number(&w, "blocking_idle_threads", "gauge", "Threads of the blocking pool without a job.",
               m.blocking_idle);
    one_number(&w, "blocking_queue_depth", "gauge", "Jobs that wait for a thread.",
               m.blocking_queue_depth);
    one_number(&w, "blocking_jobs_total", "counter", "Jobs begun.", m.blocking_jobs);
    one_number(&w, "timers", "gauge", "Timers armed.", m.timers);
    one_number(&w, "fds", "gauge", "File descriptors registered.", m.fds);
    one_number(&w, "fds_registered_total", "counter", "File descriptors registered so far.",
               m.fds_registered);
    one_number(&w, "io_events_total", "counter", "Events of file descriptors.", m.io_events);
    one_number(&w, "stuck_polls_total", "counter", "Polls the watchdog found stuck.", m.stuck_polls);
    write_workers(&w, m.workers_known);
    if (m.timed) {
        write_histogram(&w, "poll_duration_seconds", "How long polls take.", &m.poll_time);
        write_histogram(&w, "schedule_latency_seconds", "From being queued to being polled.",
                        &m.schedule_latency);
    }
    funlockfile(to);
    return ferror(to) ? -EIO : 0;
}
