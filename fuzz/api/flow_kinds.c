/* Kinds of futures that take the next of something: sets, queues, iterators, streams. */
#include "flow.h"

static bool set_build(struct slot *s)
{
    if (in_use(FUTURE_SET))
        return false;
    s->uses = 1u << FUTURE_SET;
    return MAKE(kio_future_set_next, kio_future_set_next(made, &set); made->out = UNTOUCHED);
}

static void set_ready(struct slot *s)
{
    struct kio_future_set_next *f = FUTURE(s, kio_future_set_next);

    if (f->out == 0)
        must(kio_future_set_len(&set) == 0);
    else
        must(f->out == 1 && abs(*kio_future_set_output(f, int)) <= 8);
}

static const struct kind set_kind = {
    .name = "future_set_next", .build = set_build, .ready = set_ready, .needs_runtime = true,
};

static bool queue_build(struct slot *s)
{
    if (in_use(FUTURE_QUEUE))
        return false;
    s->uses = 1u << FUTURE_QUEUE;
    return MAKE(kio_future_queue_next, kio_future_queue_next(made, &queue); made->out = UNTOUCHED);
}

/* In the order in which they were put in. */
static void queue_over(struct slot *s)
{
    struct kio_future_queue_next *f = FUTURE(s, kio_future_queue_next);
    int got;

    if (f->out != 1)
        return;
    got = *kio_future_queue_output(f, int);
    must((got < 0 ? -1 - got : got) == queue_next_number);
    queue_next_number++;
}

static const struct kind queue_kind = {
    .name = "future_queue_next", .build = queue_build, .over = queue_over, .needs_runtime = true,
};

static bool delay_build(struct slot *s)
{
    if (in_use(DELAYS) || !kio_is_live(&delays))
        return false;
    s->uses = 1u << DELAYS;
    return MAKE(kio_delay_queue_next, kio_delay_queue_next(made, &delays, &s->message);
                made->out = UNTOUCHED);
}

static void delay_over(struct slot *s)
{
    struct kio_delay_queue_next *f = FUTURE(s, kio_delay_queue_next);

    if (f->out == 1)
        delay_came(s->message, f->deadline, f->key);
    else
        must(f->out == UNTOUCHED || kio_delay_queue_len(&delays) == 0);
}

static const struct kind delay_kind = {
    .name = "delay_queue_next", .build = delay_build, .over = delay_over, .needs_runtime = true,
};

/* ---- iterators ---------------------------------------------------------------------------- */

static bool pipe_is_free(struct slot *s)
{
    s->uses = 1u << PIPE;
    return iterators && !in_use(PIPE);
}

static bool item_build(struct slot *s)
{
    return pipe_is_free(s) &&
           MAKE(kio_iter_next, kio_iter_next(made, iterators->top, (int64_t *)&s->number);
                made->out = UNTOUCHED);
}

static void item_over(struct slot *s)
{
    if (FUTURE(s, kio_iter_next)->out != UNTOUCHED)
        iterators_gave(FUTURE(s, kio_iter_next)->out, (int64_t)s->number);
}

static const struct kind item_kind = {
    .name = "iter_next", .build = item_build, .over = item_over, .needs_runtime = true,
};

static bool collect_build(struct slot *s)
{
    int64_t *items;

    if (!pipe_is_free(s))
        return false;
    items = s->extra = calloc(4, sizeof *items);
    must(items);
    return MAKE(kio_iter_collect, kio_iter_collect(made, iterators->top, items, 4));
}

/* Also what a dropped one had taken counts. */
static void collect_over(struct slot *s)
{
    struct kio_iter_collect *f = FUTURE(s, kio_iter_collect);

    must(kio_iter_collected(f) <= 4);
    for (size_t i = 0; i < kio_iter_collected(f); i++)
        iterators_gave(1, ((int64_t *)s->extra)[i]);
}

static const struct kind collect_kind = {
    .name = "iter_collect", .build = collect_build, .over = collect_over, .needs_runtime = true,
};

static bool peek_build(struct slot *s)
{
    return pipe_is_free(s) && kio_is_live(&iterators->peekable) &&
           MAKE(kio_iter_peek, kio_iter_peek(made, &iterators->peekable); made->out = UNTOUCHED);
}

static void peek_ready(struct slot *s)
{
    struct kio_iter_peek *f = FUTURE(s, kio_iter_peek);

    must(f->out == 0 || f->out == -ETIMEDOUT || f->out == 1);
    if (f->out != 1 || iterators->unordered)
        return;
    must(*(int64_t *)f->item >= iterators->peeked);
    iterators->peeked = *(int64_t *)f->item;
    if (iterators->top == (struct any_iter *)&iterators->peekable)
        must(iterators->peeked > iterators->last);
}

static const struct kind peek_kind = {
    .name = "iter_peek", .build = peek_build, .ready = peek_ready, .needs_runtime = true,
};

/* ---- streams ------------------------------------------------------------------------------ */

static bool read_build(struct slot *s)
{
    unsigned object = (unsigned)(READS + s->of);

    if (!ends[s->of].stream_type || in_use(object))
        return false;
    s->uses = 1u << object;
    s->need = 1 + byte() % sizeof s->bytes;
    return MAKE(kio_read, kio_read(made, &ends[s->of], s->bytes, s->need); made->out = UNTOUCHED);
}

static void read_over(struct slot *s)
{
    ssize_t out = FUTURE(s, kio_read)->out;

    if (out != UNTOUCHED)
        stream_gave(s->of, s->bytes, out);
}

static const struct kind read_kind = { .name = "read", .build = read_build, .over = read_over };

static bool exact_build(struct slot *s)
{
    unsigned object = (unsigned)(READS + s->of);

    if (!ends[s->of].stream_type || in_use(object))
        return false;
    s->uses = 1u << object;
    s->need = byte() % (sizeof s->bytes + 1);
    return MAKE(kio_read_exact, kio_read_exact(made, &ends[s->of], s->bytes, s->need));
}

static void exact_over(struct slot *s)
{
    stream_gave(s->of, s->bytes, (ssize_t)FUTURE(s, kio_read_exact)->count);
}

static const struct kind exact_kind = { .name = "read_exact", .build = exact_build, .over = exact_over };

static bool write_is_free(struct slot *s)
{
    unsigned object = (unsigned)(WRITES + s->of);

    if (!ends[s->of].stream_type || in_use(object))
        return false;
    s->uses = 1u << object;
    s->need = 1 + byte() % sizeof s->bytes;
    stream_fill(s->of, s->bytes, s->need);
    return true;
}

static bool write_build(struct slot *s)
{
    return write_is_free(s) &&
           MAKE(kio_write, kio_write(made, &ends[s->of], s->bytes, s->need); made->out = UNTOUCHED);
}

static void write_over(struct slot *s)
{
    ssize_t out = FUTURE(s, kio_write)->out;

    if (out != UNTOUCHED)
        stream_took(s->of, out);
}

static const struct kind write_kind = { .name = "write", .build = write_build, .over = write_over };

static bool all_build(struct slot *s)
{
    return write_is_free(s) && MAKE(kio_write_all, kio_write_all(made, &ends[s->of], s->bytes, s->need));
}

static void all_over(struct slot *s)
{
    stream_took(s->of, (ssize_t)FUTURE(s, kio_write_all)->count);
}

static const struct kind all_kind = { .name = "write_all", .build = all_build, .over = all_over };

static bool shutdown_build(struct slot *s)
{
    return write_is_free(s) &&
           MAKE(kio_shutdown, kio_shutdown(made, &ends[s->of]); made->out = UNTOUCHED);
}

static void shutdown_ready(struct slot *s)
{
    must(FUTURE(s, kio_shutdown)->out <= 0);
}

static const struct kind shutdown_kind = {
    .name = "shutdown", .build = shutdown_build, .ready = shutdown_ready,
};

const struct kind *const flow_kinds[] = {
    &set_kind,  &queue_kind, &delay_kind, &item_kind,  &collect_kind,
    &peek_kind, &read_kind,  &exact_kind, &write_kind, &all_kind,
    &shutdown_kind,
};
const size_t flow_kinds_count = COUNT(flow_kinds);
