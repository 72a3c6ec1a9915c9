/* Sets, queues, tasks, iterators and streams, and what is done to them beside futures. */
#include "flow.h"

struct kio_future_set set;
struct kio_future_queue queue;
int queue_next_number;
struct kio_delay_queue delays;
struct kio_join_set tasks;
struct kio_task_tracker tracker;
struct kio_shared shared[2];
struct kio_interval interval;
struct kio_abort_handle aborts[4];
struct pipe_of *iterators;
struct kio_stream ends[2];

static int queue_number;

/* ---- delay queue -------------------------------------------------------------------------- */

#define DELAYED 12

static struct {
    bool in;
    kio_instant deadline;
    uint64_t order;
    struct kio_delay_key key;
} delayed[DELAYED];
static uint64_t delay_order;

void delay_came(uint32_t value, kio_instant deadline, struct kio_delay_key key)
{
    must(value < DELAYED && delayed[value].in && delayed[value].deadline == deadline);
    must(kio_now() >= deadline);
    for (int i = 0; i < DELAYED; i++) {
        must(!delayed[i].in || delayed[i].deadline > deadline ||
             (delayed[i].deadline == deadline && delayed[i].order >= delayed[value].order));
    }
    must(kio_delay_queue_reset(&delays, key, 0) == -ENOENT);
    delayed[value].in = false;
}

static void delay_dropped(void *value)
{
    uint32_t i = *(uint32_t *)value;

    must(i < DELAYED && delayed[i].in);
    delayed[i].in = false;
}

static size_t delayed_count(void)
{
    size_t count = 0;

    for (int i = 0; i < DELAYED; i++)
        count += delayed[i].in;
    return count;
}

static void delay_step(void)
{
    uint32_t i = byte() % DELAYED, got;
    kio_instant deadline = kio_now() + short_time();
    struct kio_delay_key key;
    int err;

    if (!kio_is_live(&delays))
        kio_delay_queue_on_drop(kio_delay_queue(&delays, sizeof i), delay_dropped);
    switch (byte() % 8) {
    case 0:
    case 1:
    case 2:
        if (delayed[i].in) {
            must(kio_delay_queue_reset_at(&delays, delayed[i].key, deadline) == 0);
        } else {
            must(kio_delay_queue_insert_at(&delays, &i, deadline, &delayed[i].key) == 0);
            delayed[i].in = true;
        }
        delayed[i].deadline = deadline;
        delayed[i].order = ++delay_order;
        break;
    case 3:
        err = kio_delay_queue_remove(&delays, delayed[i].key, &got);
        must(err == (delayed[i].in ? 0 : -ENOENT));
        must(err || got == i);
        delayed[i].in = false;
        break;
    case 4:
        if (in_use(DELAYS))
            break;
        err = kio_delay_queue_peek(&delays, &key) ? kio_delay_queue_deadline(&delays, key, &deadline) : 0;
        must(err == 0);
        err = kio_delay_queue_try_next(&delays, &got);
        if (err == 1)
            delay_came(got, deadline, key);
        else
            must(err == (delayed_count() ? -EAGAIN : 0));
        break;
    case 5:
        if (!(byte() & 3))
            kio_delay_queue_clear(&delays);
        break;
    case 6:
        kio_delay_queue_shrink(&delays);
        break;
    default:
        if (!(byte() & 7))
            kio_drop(&delays);
        break;
    }
    must(!kio_is_live(&delays) || kio_delay_queue_len(&delays) == delayed_count());
}

/* ---- iterators ---------------------------------------------------------------------------- */

static bool odd(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item & 1;
}

static bool small(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item < 25;
}

static bool below_three(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item < 3;
}

static void twice(void *arg, const void *in, void *out)
{
    (void)arg;
    *(int64_t *)out = 2 * *(const int64_t *)in;
}

static bool halves(void *arg, const void *in, void *out)
{
    (void)arg;
    *(int64_t *)out = *(const int64_t *)in / 2;
    return !(*(const int64_t *)in & 1);
}

static void first_of_two(void *arg, const void *a, const void *b, void *out)
{
    (void)arg;
    (void)b;
    *(int64_t *)out = *(const int64_t *)a;
}

static struct any_iter *source(struct pipe_of *p)
{
    struct kio_iter_range *r = p->ranges;

    kio_iter_range(&r[0], 0, byte() % 20);
    switch (byte() % 6) {
    case 0:
        return (struct any_iter *)kio_iter_chain(&p->chain, &r[0], kio_iter_range(&r[1], 20, 30));
    case 1:
        p->unordered = true;
        return (struct any_iter *)kio_iter_merge(&p->merge, &r[0], kio_iter_range(&r[1], 5, 9));
    case 2:
        return (struct any_iter *)kio_iter_zip(&p->zip, &r[0], kio_iter_range(&r[1], 0, byte() % 9),
                                               sizeof(int64_t), first_of_two, NULL);
    case 3:
        p->unordered = true;
        kio_iter_set(&p->set, sizeof(int64_t));
        for (unsigned i = 0; i < 3; i++)
            must(kio_iter_set_add(&p->set, i, kio_iter_range(&r[i], 0, byte() % 6)) == 0);
        return (struct any_iter *)&p->set;
    default:
        return (struct any_iter *)&r[0];
    }
}

/* Puts one more adapter on top, if it is not in the chain already. */
static void adapt(struct pipe_of *p, unsigned which)
{
#define ON_TOP(field, make)                                                                        \
    do {                                                                                           \
        if (!p->field.kio.type)                                                                    \
            p->top = (struct any_iter *)make;                                                      \
    } while (0)
    struct any_iter *top = p->top;

    switch (which) {
    case 0:
        ON_TOP(map, kio_iter_map(&p->map, top, sizeof(int64_t), twice, NULL));
        break;
    case 1:
        ON_TOP(filter, kio_iter_filter(&p->filter, top, odd, NULL));
        break;
    case 2:
        ON_TOP(filter_map, kio_iter_filter_map(&p->filter_map, top, sizeof(int64_t), halves, NULL));
        break;
    case 3:
        ON_TOP(skip, kio_iter_skip(&p->skip, top, byte() % 4));
        break;
    case 4:
        ON_TOP(take, kio_iter_take(&p->take, top, byte() % 16));
        break;
    case 5:
        ON_TOP(skip_while, kio_iter_skip_while(&p->skip_while, top, below_three, NULL));
        break;
    case 6:
        ON_TOP(take_while, kio_iter_take_while(&p->take_while, top, small, NULL));
        break;
    case 7:
        ON_TOP(throttle, kio_iter_throttle(&p->throttle, top, 2 * KIO_MS));
        break;
    case 8:
        ON_TOP(timeout, kio_iter_timeout(&p->timeout, top, KIO_MS));
        break;
    default:
        ON_TOP(peekable, kio_iter_peekable(&p->peekable, top));
        break;
    }
#undef ON_TOP
}

static void iterators_drop(void)
{
    if (!iterators)
        return;
    kio_drop(iterators->top);
    free(iterators);
    iterators = NULL;
}

static void iterators_step(void)
{
    struct pipe_of *p;

    if (in_use(PIPE))
        return;
    iterators_drop();
    p = iterators = calloc(1, sizeof *p);
    must(p);
    p->last = -1;
    p->top = source(p);
    for (unsigned left = byte() % 4; left; left--)
        adapt(p, byte() % 10);
}

void iterators_gave(int out, int64_t item)
{
    struct pipe_of *p = iterators;

    must(out == 1 || out == 0 || (out == -ETIMEDOUT && p->timeout.kio.type));
    must(!p->ended || out == 0);
    p->ended = out == 0;
    if (out != 1)
        return;
    must(p->unordered || item > p->last);
    p->last = item;
}

/* ---- streams ------------------------------------------------------------------------------ */

static size_t written[2], taken[2]; /* by the end that writes */

static char pattern(int end, size_t at)
{
    return (char)(at * 7 + (size_t)end * 100);
}

void stream_fill(int end, char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(end, written[end] + i);
}

void stream_took(int end, ssize_t out)
{
    must(out >= 0 || out == -EPIPE || out == -EBADF || out == -ECONNRESET);
    if (out > 0)
        written[end] += (size_t)out;
}

void stream_gave(int end, const char *bytes, ssize_t out)
{
    for (ssize_t i = 0; i < out; i++)
        must(bytes[i] == pattern(!end, taken[!end] + (size_t)i));
    if (out > 0)
        taken[!end] += (size_t)out;
}

static bool stream_is_free(int end)
{
    return !in_use((unsigned)(READS + end)) && !in_use((unsigned)(WRITES + end));
}

static void stream_step(void)
{
    int end = (int)(byte() & 1);

    if (ends[0].stream_type || ends[1].stream_type) {
        if (!(byte() & 3))
            kio_close(&ends[end]); /* whoever waits gets -EBADF */
        return;
    }
    if (!stream_is_free(0) || !stream_is_free(1))
        return;
    must(kio_duplex(&ends[0], &ends[1], 8) == 0);
    memset(written, 0, sizeof written);
    memset(taken, 0, sizeof taken);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void interval_step(void)
{
    switch (byte() % 4) {
    case 0:
        kio_interval_reset(&interval);
        break;
    case 1:
        kio_interval_reset_immediately(&interval);
        break;
    case 2:
        kio_interval_reset_at(&interval, kio_now() + short_time());
        break;
    default:
        kio_interval_missed(&interval, byte() % 3);
        break;
    }
}

static void tasks_step(void)
{
    static struct kio_join_handle ended;

    switch (byte() % 10) {
    case 0:
    case 1:
    case 2:
        must(kio_join_set_spawn(&tasks, numbered, NUMBERED((int)(byte() % 8))) == 0);
        break;
    case 3:
        if (!(byte() & 3))
            kio_join_set_abort_all(&tasks);
        break;
    case 4:
        if (!in_use(TASKS) && byte() & 1)
            kio_join_set_detach_all(&tasks);
        break;
    case 5:
        if (in_use(TASKS) || kio_join_set_try_next(&tasks, &ended) == 0)
            break;
        must(kio_is_finished(&ended));
        kio_drop(&ended);
        break;
    case 6:
        kio_abort_by(kio_join_set_spawned(&tasks));
        break;
    case 7:
        if (tracker.shared)
            (void)(byte() & 1 ? kio_task_tracker_close(&tracker) : kio_task_tracker_reopen(&tracker));
        break;
    default:
        kio_abort_by(aborts[byte() % COUNT(aborts)]);
        break;
    }
}

static void shared_step(void)
{
    struct kio_shared *h = &shared[byte() % 2];

    if (!h->state && !shared[0].state && !shared[1].state)
        must(kio_share(h, numbered, NUMBERED(3)) == 0);
    else if (!h->state)
        *h = kio_shared_clone(h == shared ? &shared[1] : &shared[0]);
    else if (kio_shared_is_done(h))
        must(*kio_shared_output(h, int) == 3 || *kio_shared_output(h, int) == -4);
    else if (byte() & 1)
        kio_shared_drop(h);
}

void flow_step(void)
{
    switch (byte() % 12) {
    case 0:
    case 1:
        must(kio_future_set_add(&set, numbered, NUMBERED((int)(byte() % 8))) == 0);
        break;
    case 2:
    case 3:
        must(kio_future_queue_add(&queue, numbered, NUMBERED(queue_number)) == 0);
        queue_number++;
        break;
    case 4:
    case 5:
        delay_step();
        break;
    case 6:
        iterators_step();
        break;
    case 7:
        stream_step();
        break;
    case 8:
        interval_step();
        break;
    case 9:
        shared_step();
        break;
    default:
        tasks_step();
        break;
    }
}

void flow_reset(void)
{
    memset(delayed, 0, sizeof delayed);
    memset(aborts, 0, sizeof aborts);
    delay_order = 0;
    queue_number = queue_next_number = 0;
    interval = (struct kio_interval){ 0 };
    must(kio_interval_at(&interval, 0, 3 * KIO_MS) == 0);
    must(kio_task_tracker_new(&tracker) == 0);
    must(kio_duplex(&ends[0], &ends[1], 8) == 0);
    memset(written, 0, sizeof written);
    memset(taken, 0, sizeof taken);
    scripts_made = scripts_dropped = 0;
}

void flow_check(void)
{
    for (int end = 0; end < 2; end++) { /* what is under way has not been counted yet */
        if (!in_use((unsigned)(WRITES + end)) && !in_use((unsigned)(READS + !end)))
            must(taken[end] <= written[end] && written[end] - taken[end] <= 8);
    }
    must(kio_future_queue_len(&queue) <= (size_t)(queue_number - queue_next_number));
}

void flow_end(bool runtime_is_gone)
{
    if (!runtime_is_gone) {
        iterators_drop();
        kio_drop(&set);
        kio_drop(&queue);
        kio_drop(&delays);
        must(delayed_count() == 0);
        kio_join_set_drop(&tasks);
        memset(&set, 0, sizeof set);
        memset(&queue, 0, sizeof queue);
        memset(&tasks, 0, sizeof tasks);
        return;
    }
    for (int i = 0; i < 2; i++) {
        kio_shared_drop(&shared[i]);
        kio_close(&ends[i]);
    }
    must(kio_task_tracker_len(&tracker) == 0);
    kio_task_tracker_drop(&tracker);
    must(scripts_made == scripts_dropped);
}
