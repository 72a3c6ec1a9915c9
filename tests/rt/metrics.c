/* Metrics: every number against something counted apart, and the text against the numbers. */
#include "support/rt.h"

#include "sched/times.h"

#include <ctype.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static int open_timed(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){
                                    .flavor = rt_flavor, .workers = 1, .time_polls = true });
}

static int open_one(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 1 });
}

static struct kio_metrics metrics(void)
{
    struct kio_metrics m;

    kio_metrics_read(rt, &m);
    return m;
}

static void nap_ms(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- tasks and polls ---------------------------------------------------------------------- */

static ki_atomic(int) polled;

/* Counts its own polls. */
static kio_poll counted_poll(kio_future *f, kio_context *cx);

struct counted {
    async_fn(void);
    int left;
};

static const kio_future_type counted_type = {
    .name = "counted",
    .size = sizeof(struct counted),
    .poll = counted_poll,
};

static kio_poll counted_poll(kio_future *f, kio_context *cx)
{
    struct counted *self = (struct counted *)f;

    ki_fetch_add_seq_cst(&polled, 1);
    f->state = f;
    if (self->left-- > 0) {
        kio_waker_wake_by_ref(cx->waker);
        return KIO_PENDING;
    }
    kio_finish(f);
    return KIO_READY;
}

struct many {
    async_fn(void);
    int count, polls_each, own_polls;
    struct kio_join_handle *hs;
    int i;
};

static void many_drop(struct many *self)
{
    for (int i = 0; i < self->count; i++)
        kio_drop(&self->hs[i]);
    free(self->hs);
}

async(many, many_drop)
{
    async_begin;
    self->hs = calloc((size_t)self->count, sizeof *self->hs);
    for (self->i = 0; self->i < self->count; self->i++)
        kio_spawn(&self->hs[self->i], counted, .left = self->polls_each - 1);
    for (self->i = 0; self->i < self->count; self->i++)
        await(&self->hs[self->i]);
    async_return();
}

static void spawned_ended_and_polls_balance(void **state)
{
    int count = amount(500);
    struct kio_metrics m;

    (void)state;
    ki_store_seq_cst(&polled, 0);
    assert_int_equal(metrics().tasks_spawned, 0);
    assert_int_equal(metrics().polls, 0);
    run(many, .count = count, .polls_each = 7);
    m = metrics();
    assert_int_equal(m.tasks_spawned, count + 1);
    assert_int_equal(m.tasks_ended, count + 1);
    assert_int_equal(m.tasks_alive, 0);
    assert_int_equal(ki_load_seq_cst(&polled), 7 * count);
    /* the main task's polls on top: one at least, one for each handle and one more at most */
    assert_in_range(m.polls, 7 * count + 1, 8 * count + 2);
    assert_int_equal(m.queue_depth + m.inject_depth, 0);
    assert_int_equal(m.flavor, rt_flavor);
    assert_false(m.timed);
    assert_int_equal(m.poll_time.count, 0);
}

static void the_workers_shares_add_up(void **state)
{
    struct kio_metrics m;
    struct kio_worker_metrics w, sum = { 0 };

    (void)state;
    run(many, .count = amount(300), .polls_each = 5);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0); /* nothing is counted any more */
    m = metrics();
    assert_int_equal(m.workers, kio_runtime_workers(rt));
    assert_int_equal(m.workers_known, m.workers);
    for (unsigned i = 0; i < m.workers_known; i++) {
        assert_int_equal(kio_metrics_worker(rt, i, &w), 0);
        assert_false(w.spare);
        sum.polls += w.polls;
        sum.parks += w.parks;
        sum.turns += w.turns;
        sum.steals += w.steals;
        sum.stolen_tasks += w.stolen_tasks;
        sum.tasks_ended += w.tasks_ended;
        sum.tasks_spawned += w.tasks_spawned;
    }
    assert_int_equal(kio_metrics_worker(rt, m.workers_known, &w), -EINVAL);
    assert_int_equal(w.polls, 0);
    assert_int_equal(sum.polls, m.polls);
    assert_int_equal(sum.parks, m.parks);
    assert_int_equal(sum.turns, m.turns);
    assert_int_equal(sum.steals, m.steals);
    assert_int_equal(sum.stolen_tasks, m.stolen_tasks);
    assert_int_equal(sum.tasks_ended, m.tasks_ended);
    assert_int_equal(sum.tasks_spawned + 1, m.tasks_spawned); /* main came from outside */
    assert_int_equal(m.tasks_ended, m.tasks_spawned);
}

struct forever {
    async_fn(void);
    struct kio_sleep nap;
};

async(forever)
{
    async_begin;
    await(kio_sleep(&self->nap, 3600 * KIO_SEC));
    async_return();
}

struct some_forever {
    async_fn(struct kio_metrics);
    struct kio_join_handle h[10];
    struct kio_yield y;
    int i;
};

async(some_forever)
{
    async_begin;
    for (int i = 0; i < 10; i++)
        kio_spawn(&self->h[i], forever);
    while (metrics().timers < 10)
        await(kio_yield_now(&self->y));
    self->out = metrics();
    for (self->i = 0; self->i < 5; self->i++) {
        kio_abort(&self->h[self->i]);
        await(&self->h[self->i]);
    }
    assert_int_equal(metrics().timers, 5);
    assert_int_equal(metrics().tasks_alive, 6);
    async_return(self->out);
}

static void aborted_and_dropped_tasks_end_too(void **state)
{
    struct kio_metrics m = run(some_forever);

    (void)state;
    assert_int_equal(m.tasks_alive, 11);
    assert_int_equal(m.timers, 10);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    assert_int_equal(m.tasks_spawned, 11);
    assert_int_equal(m.tasks_ended, 11);
    assert_int_equal(m.timers, 0);
}

/* ---- queues ------------------------------------------------------------------------------- */

struct fills_queue {
    async_fn(uint64_t);
    struct kio_join_handle h[20];
    int i;
};

async(fills_queue)
{
    async_begin;
    for (int i = 0; i < 20; i++)
        kio_spawn(&self->h[i], counted);
    self->out = metrics().queue_depth; /* the only worker is here: nobody takes them */
    for (self->i = 0; self->i < 20; self->i++)
        await(&self->h[self->i]);
    async_return(self->out);
}

static void the_depth_is_what_was_queued(void **state)
{
    (void)state;
    assert_int_equal(run(fills_queue), 20);
    assert_int_equal(metrics().queue_depth, 0);
}

static ki_atomic(int) others;

struct other {
    async_fn(void);
};

async(other)
{
    async_begin;
    ki_fetch_add_seq_cst(&others, 1);
    async_return();
}

struct must_be_robbed {
    async_fn(void);
    struct kio_join_handle h[20];
    int i;
};

async(must_be_robbed)
{
    async_begin;
    ki_store_seq_cst(&others, 0);
    for (int i = 0; i < 20; i++)
        kio_spawn(&self->h[i], other);
    while (ki_load_seq_cst(&others) < 20)
        nap_ms();
    for (self->i = 0; self->i < 20; self->i++)
        await(&self->h[self->i]);
    async_return();
}

static void what_is_stolen_is_counted(void **state)
{
    struct kio_metrics m;

    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    run(must_be_robbed);
    m = metrics();
    assert_in_range(m.stolen_tasks, 20, 1000);
    assert_in_range(m.steals, 1, m.stolen_tasks);
}

static void *spawn_outside(void *arg)
{
    for (int i = 0; i < 30; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, other), 0);
    return arg;
}

struct waits_for_others {
    async_fn(void);
    struct kio_yield y;
};

async(waits_for_others)
{
    async_begin;
    while (ki_load_seq_cst(&others) < 30)
        await(kio_yield_now(&self->y));
    async_return();
}

static void tasks_from_other_threads_are_counted(void **state)
{
    pthread_t thread;
    struct kio_metrics m;

    (void)state;
    ki_store_seq_cst(&others, 0);
    pthread_create(&thread, NULL, spawn_outside, NULL);
    run(waits_for_others);
    pthread_join(thread, NULL);
    m = metrics();
    assert_int_equal(m.tasks_spawned, 31);
    assert_int_equal(m.tasks_ended, 31);
    assert_in_range(m.remote_schedules, 31, 1000);
}

/* ---- sleeping, jobs, fds ------------------------------------------------------------------ */

struct naps {
    async_fn(void);
    struct kio_sleep nap;
    int i;
};

async(naps)
{
    async_begin;
    for (self->i = 0; self->i < 3; self->i++)
        await(kio_sleep(&self->nap, 2 * KIO_MS));
    async_return();
}

static void sleeps_of_workers_are_counted(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(naps);
    m = metrics();
    assert_true(m.parks >= 1);
    assert_true(m.turns >= 1);
    assert_int_equal(m.timers, 0);
}

static ki_atomic(int) let_go;

static void *hold(void *arg)
{
    while (!ki_load_seq_cst(&let_go))
        nap_ms();
    return arg;
}

struct jobs {
    async_fn(void);
    struct kio_join_handle h[4];
    struct kio_sleep nap;
    int i;
};

async(jobs)
{
    async_begin;
    ki_store_seq_cst(&let_go, 0);
    for (int i = 0; i < 4; i++)
        kio_spawn_blocking(&self->h[i], hold, NULL);
    while (metrics().blocking_jobs < 2) /* max_blocking: the others wait */
        await(kio_sleep(&self->nap, KIO_MS));
    assert_int_equal(metrics().blocking_threads, 2);
    assert_int_equal(metrics().blocking_idle, 0);
    assert_int_equal(metrics().blocking_queue_depth, 2);
    assert_int_equal(metrics().tasks_alive, 1); /* jobs are apart */
    ki_store_seq_cst(&let_go, 1);
    for (self->i = 0; self->i < 4; self->i++)
        await(&self->h[self->i]);
    async_return();
}

static int open_two_jobs(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor, .max_blocking = 2 });
}

static void the_pool_is_counted(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(jobs);
    m = metrics();
    assert_int_equal(m.blocking_jobs, 4);
    assert_int_equal(m.blocking_queue_depth, 0);
    assert_in_range(m.blocking_threads, 1, 2);
}

struct opens {
    async_fn(void);
    struct kio_stream in, out_;
};

static void opens_drop(struct opens *self)
{
    kio_close(&self->in);
    kio_close(&self->out_);
}

async(opens, opens_drop)
{
    int fds[2];

    async_begin;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(kio_stream_open(&self->in, fds[0]), 0);
    assert_int_equal(kio_stream_open(&self->out_, fds[1]), 0);
    assert_int_equal(metrics().fds, 2);
    kio_close(&self->in);
    assert_int_equal(metrics().fds, 1);
    assert_int_equal(metrics().fds_registered, 2);
    async_return();
}

struct writes_later {
    async_fn(void);
    int fd;
    struct kio_sleep nap;
};

async(writes_later)
{
    async_begin;
    await(kio_sleep(&self->nap, 2 * KIO_MS));
    assert_int_equal(metrics().io_events, 0); /* nothing came yet */
    assert_int_equal(write(self->fd, "x", 1), 1);
    async_return();
}

struct waits_for_byte {
    async_fn(void);
    struct kio_stream in;
    struct kio_read read;
    int fds[2];
    char byte;
    struct writes_later later;
    struct kio_join both;
};

static void waits_for_byte_drop(struct waits_for_byte *self)
{
    kio_close(&self->in);
    close(self->fds[1]);
}

async(waits_for_byte, waits_for_byte_drop)
{
    async_begin;
    assert_int_equal(pipe(self->fds), 0);
    assert_int_equal(kio_stream_open(&self->in, self->fds[0]), 0);
    await(kio_join(&self->both, kio_read(&self->read, &self->in, &self->byte, 1),
                   async_call(&self->later, writes_later, .fd = self->fds[1])));
    async_return();
}

static void events_of_fds_are_counted(void **state)
{
    (void)state;
    run(waits_for_byte);
    assert_int_equal(metrics().io_events, 1);
    assert_int_equal(metrics().fds_registered, 1);
    assert_int_equal(metrics().fds, 0);
}

static void fds_are_counted_while_they_are_open(void **state)
{
    (void)state;
    run(opens);
    assert_int_equal(metrics().fds, 0);
}

/* ---- spares ------------------------------------------------------------------------------- */

static void *see_spare(void *arg)
{
    (void)arg;
    while (metrics().spares_active != 1)
        nap_ms();
    return NULL;
}

struct in_place {
    async_fn(void);
    struct kio_join_handle h;
};

async(in_place)
{
    async_begin;
    kio_block_in_place(see_spare, NULL);
    async_return();
}

static void a_spare_counts_as_a_further_worker(void **state)
{
    struct kio_worker_metrics w;

    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        skip();
    run(in_place);
    while (metrics().spares_active)
        nap_ms();
    assert_int_equal(metrics().workers, 1);
    assert_int_equal(metrics().workers_known, 2);
    assert_int_equal(kio_metrics_worker(rt, 1, &w), 0);
    assert_true(w.spare);
}

/* ---- histograms --------------------------------------------------------------------------- */

static void buckets_double_from_a_microsecond(void **state)
{
    (void)state;
    assert_int_equal(ki_times_bucket(-5), 0);
    assert_int_equal(ki_times_bucket(0), 0);
    assert_int_equal(ki_times_bucket(1000), 0);
    assert_int_equal(ki_times_bucket(1001), 1);
    assert_int_equal(ki_times_bucket(2000), 1);
    assert_int_equal(ki_times_bucket(2001), 2);
    assert_int_equal(ki_times_bucket(INT64_C(1000) << 21), 21);
    assert_int_equal(ki_times_bucket((INT64_C(1000) << 21) + 1), 22);
    assert_int_equal(ki_times_bucket(INT64_MAX), 22);
}

struct slow {
    async_fn(void);
    struct kio_join_handle h;
};

async(slow)
{
    async_begin;
    kio_spawn(&self->h, counted, .left = 3);
    nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); /* a poll of 5 ms; the other waits */
    await(&self->h);
    async_return();
}

static uint64_t from_bucket(const struct kio_histogram *h, unsigned first)
{
    uint64_t n = 0;

    for (unsigned i = first; i < KIO_HISTOGRAM_BUCKETS; i++)
        n += h->bucket[i];
    return n;
}

static void every_poll_and_every_wait_is_measured(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(slow);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    assert_true(m.timed);
    assert_int_equal(m.poll_time.count, m.polls);
    assert_int_equal(m.schedule_latency.count, m.polls);
    assert_int_equal(from_bucket(&m.poll_time, 0), m.poll_time.count);
    assert_true(m.poll_time.sum_ns >= 5000000);
    assert_true(m.schedule_latency.sum_ns >= 5000000);
    /* longer than 4096 us */
    assert_true(from_bucket(&m.poll_time, ki_times_bucket(5000000)) >= 1);
    assert_true(from_bucket(&m.schedule_latency, ki_times_bucket(5000000)) >= 1);
}

static void large_and_small_tasks_are_measured(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(many, .count = amount(300), .polls_each = 3);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    assert_int_equal(m.poll_time.count, m.polls);
    assert_int_equal(m.schedule_latency.count, m.polls);
}

/* ---- the text ----------------------------------------------------------------------------- */

/* One sample line: kioto_name{label="value",…} number */
struct sample {
    char name[64], runtime[32], worker[8], le[16];
    double value;
};

static const char *parse_label(const char *at, struct sample *s)
{
    char name[16] = "", value[32] = "";
    size_t n = 0;

    while (isalpha((unsigned char)*at) && n < sizeof name - 1)
        name[n++] = *at++;
    assert_int_equal(*at++, '=');
    assert_int_equal(*at++, '"');
    for (n = 0; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        assert_true(*at && n < sizeof value - 1);
        value[n++] = *at;
    }
    if (strcmp(name, "runtime") == 0)
        snprintf(s->runtime, sizeof s->runtime, "%s", value);
    else if (strcmp(name, "worker") == 0)
        snprintf(s->worker, sizeof s->worker, "%.7s", value);
    else if (strcmp(name, "le") == 0)
        snprintf(s->le, sizeof s->le, "%.15s", value);
    else
        fail_msg("a label %s", name);
    return at + 1;
}

static struct sample parse_sample(const char *line)
{
    struct sample s = { .value = 0 };
    size_t n = strcspn(line, "{");
    const char *at = line + n;
    char *end;

    assert_true(n < sizeof s.name && *at == '{');
    memcpy(s.name, line, n);
    for (n = 0; s.name[n]; n++)
        assert_true(islower((unsigned char)s.name[n]) || s.name[n] == '_');
    do
        at = parse_label(at + 1, &s);
    while (*at == ',');
    assert_int_equal(*at++, '}');
    assert_int_equal(*at++, ' ');
    s.value = strtod(at, &end);
    assert_int_equal(*end, '\0');
    return s;
}

#define SAMPLES_MAX 400

static struct sample samples[SAMPLES_MAX];
static int sample_count;

/* Every sample belongs to the family that the two lines before it announced. */
static void parse(char *text)
{
    char family[64] = "", type[16] = "";

    sample_count = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %63s", family), 1);
            assert_true(line[strlen(line) - 1] == '.');
        } else if (line[0] == '#') {
            char name[64];

            assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, type), 2);
            assert_string_equal(name, family);
            assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") ||
                        !strcmp(type, "histogram"));
            assert_int_equal(!strcmp(type, "counter"),
                             strlen(name) > 6 && !strcmp(name + strlen(name) - 6, "_total"));
        } else {
            struct sample s = parse_sample(line);

            assert_memory_equal(s.name, family, strlen(family));
            if (strcmp(type, "histogram") != 0)
                assert_string_equal(s.name, family);
            assert_true(sample_count < SAMPLES_MAX);
            samples[sample_count++] = s;
        }
    }
}

static void write_and_parse(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_int_equal(kio_metrics_write(rt, to), 0);
    fclose(to);
    assert_int_equal(text[size - 1], '\n');
    parse(text);
    free(text);
}

/* The sum over all lines of a name. */
static double total(const char *name)
{
    double sum = 0;
    int found = 0;

    for (int i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            sum += samples[i].value;
            found++;
        }
    }
    assert_true(found > 0);
    return sum;
}

static void the_text_says_what_was_counted(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(many, .count = amount(200), .polls_each = 4);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    write_and_parse();
    for (int i = 0; i < sample_count; i++)
        assert_string_equal(samples[i].runtime, "kioto");
    assert_true(total("kioto_workers") == m.workers);
    assert_true(total("kioto_tasks_spawned_total") == (double)m.tasks_spawned);
    assert_true(total("kioto_tasks_ended_total") == (double)m.tasks_ended);
    assert_true(total("kioto_tasks_alive") == 0);
    assert_true(total("kioto_worker_polls_total") == (double)m.polls);
    assert_true(total("kioto_worker_forced_yields_total") == (double)m.forced_yields);
    assert_true(total("kioto_worker_parks_total") == (double)m.parks);
    assert_true(total("kioto_worker_turns_total") == (double)m.turns);
    assert_true(total("kioto_worker_steals_total") == (double)m.steals);
    assert_true(total("kioto_worker_stolen_tasks_total") == (double)m.stolen_tasks);
    assert_true(total("kioto_worker_tasks_ended_total") == (double)m.tasks_ended);
    assert_true(total("kioto_worker_tasks_spawned_total") == (double)m.tasks_spawned - 1);
    assert_true(total("kioto_remote_schedules_total") == (double)m.remote_schedules);
    for (const char *const *name = (const char *const[]){ "kioto_spare_workers",
                                                          "kioto_worker_queue_depth",
                                                          "kioto_inject_queue_depth",
                                                          "kioto_blocking_threads",
                                                          "kioto_blocking_idle_threads",
                                                          "kioto_blocking_queue_depth",
                                                          "kioto_blocking_jobs_total",
                                                          "kioto_timers",
                                                          "kioto_fds",
                                                          "kioto_fds_registered_total",
                                                          "kioto_io_events_total",
                                                          "kioto_stuck_polls_total",
                                                          NULL };
         *name; name++)
        assert_true(total(*name) == 0);
    for (int i = 0; i < sample_count; i++)
        assert_string_equal(samples[i].le, ""); /* no histogram was asked for */
}

static void check_histogram(const char *name, const struct kio_histogram *h)
{
    char bucket[80], count[80], sum[80];
    double before = 0;
    double le = 0;
    int found = 0;

    snprintf(bucket, sizeof bucket, "%s_bucket", name);
    snprintf(count, sizeof count, "%s_count", name);
    snprintf(sum, sizeof sum, "%s_sum", name);
    for (int i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, bucket) != 0)
            continue;
        assert_true(samples[i].value >= before); /* cumulative */
        assert_true(samples[i].value - before == (double)h->bucket[found]);
        before = samples[i].value;
        found++;
        if (found == KIO_HISTOGRAM_BUCKETS) {
            assert_string_equal(samples[i].le, "+Inf");
        } else {
            assert_true(strtod(samples[i].le, NULL) > le);
            le = strtod(samples[i].le, NULL);
        }
    }
    assert_int_equal(found, KIO_HISTOGRAM_BUCKETS);
    assert_true(le > 2.09 && le < 2.1);
    assert_true(total(count) == before && before == (double)h->count);
    assert_true(total(sum) > 0.005);
}

static void the_text_has_the_histograms(void **state)
{
    struct kio_metrics m;

    (void)state;
    run(slow);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    write_and_parse();
    check_histogram("kioto_poll_duration_seconds", &m.poll_time);
    check_histogram("kioto_schedule_latency_seconds", &m.schedule_latency);
}

static int open_odd_name(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 1,
                                                              .name = "a\"b\\c\n" });
}

static void a_name_is_escaped(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_int_equal(kio_metrics_write(rt, to), 0);
    fclose(to);
    assert_non_null(strstr(text, "kioto_workers{runtime=\"a\\\"b\\\\c\\n\"} 1\n"));
    free(text);
}

static void a_full_file_is_reported(void **state)
{
    FILE *to = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(to);
    setvbuf(to, NULL, _IONBF, 0);
    assert_int_equal(kio_metrics_write(rt, to), -EIO);
    fclose(to);
}

/* ---- at the end --------------------------------------------------------------------------- */

struct never_run {
    async_fn(void);
};

async(never_run)
{
    async_begin;
    async_return();
}

/* Fills the queue of its worker and stays in its poll until the runtime ends. */
struct hoarder {
    async_fn(void);
    ki_atomic(int) *ready;
};

async(hoarder)
{
    async_begin;
    for (int i = 0; i < 50; i++)
        (void)kio_spawn(NULL, never_run);
    ki_store_seq_cst(self->ready, 1);
    while (kio_spawn(NULL, never_run) != -ESHUTDOWN)
        nap_ms();
    async_return();
}

static void nothing_is_queued_after_the_end(void **state)
{
    static ki_atomic(int) ready;
    struct kio_metrics m;

    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return; /* there nobody runs when it ends */
    ki_store_seq_cst(&ready, 0);
    assert_int_equal(kio_spawn_on(rt, NULL, hoarder, .ready = &ready), 0);
    while (!ki_load_seq_cst(&ready))
        nap_ms();
    assert_true(metrics().queue_depth >= 50);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    m = metrics();
    assert_int_equal(m.queue_depth, 0);
    assert_int_equal(m.inject_depth, 0);
    assert_int_equal(m.tasks_alive, 0);
    assert_int_equal(m.tasks_spawned, m.tasks_ended);
}

/* ---- while it runs ------------------------------------------------------------------------ */

static ki_atomic(int) reading, stop_reading;

static void *read_on(void *arg)
{
    FILE *to = fopen("/dev/null", "w");
    uint64_t polls = 0;

    while (!ki_load_seq_cst(&stop_reading)) {
        struct kio_metrics m = metrics();

        assert_true(m.polls >= polls); /* counters never go back */
        polls = m.polls;
        assert_int_equal(kio_metrics_write(rt, to), 0);
        ki_store_seq_cst(&reading, 1);
    }
    fclose(to);
    return arg;
}

static void counters_are_read_while_tasks_run(void **state)
{
    pthread_t thread;

    (void)state;
    ki_store_seq_cst(&reading, 0);
    ki_store_seq_cst(&stop_reading, 0);
    pthread_create(&thread, NULL, read_on, NULL);
    while (!ki_load_seq_cst(&reading))
        nap_ms();
    for (int i = 0; i < 5; i++) {
        run(many, .count = amount(200), .polls_each = 4);
        run(naps);
    }
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0); /* read during that too */
    ki_store_seq_cst(&stop_reading, 1);
    pthread_join(thread, NULL);
    assert_int_equal(metrics().tasks_spawned, metrics().tasks_ended);
}

#define ONE(test)   cmocka_unit_test_setup_teardown(test, open_one, rt_close)
#define TIMED(test) cmocka_unit_test_setup_teardown(test, open_timed, rt_close)

RT_MAIN(RT(spawned_ended_and_polls_balance), RT(the_workers_shares_add_up),
        RT(aborted_and_dropped_tasks_end_too), ONE(the_depth_is_what_was_queued),
        RT(what_is_stolen_is_counted), RT(tasks_from_other_threads_are_counted),
        RT(sleeps_of_workers_are_counted),
        cmocka_unit_test_setup_teardown(the_pool_is_counted, open_two_jobs, rt_close),
        RT(fds_are_counted_while_they_are_open), RT(events_of_fds_are_counted),
        ONE(a_spare_counts_as_a_further_worker),
        cmocka_unit_test(buckets_double_from_a_microsecond),
        TIMED(every_poll_and_every_wait_is_measured), TIMED(large_and_small_tasks_are_measured),
        RT(the_text_says_what_was_counted), TIMED(the_text_has_the_histograms),
        cmocka_unit_test_setup_teardown(a_name_is_escaped, open_odd_name, rt_close),
        RT(a_full_file_is_reported), ONE(nothing_is_queued_after_the_end),
        RT(counters_are_read_while_tasks_run),
        TIMED(counters_are_read_while_tasks_run))
