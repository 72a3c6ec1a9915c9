/* Reading and writing streams of any type: once, all of it, to the end. */
#include <kioto/io.h>

#include "fd_stream.h"
#include "../base/atomic.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <string.h>

void kio_close_(struct kio_stream *s)
{
    const struct kio_stream_type *type = s->stream_type;

    if (!type)
        return;
    s->stream_type = NULL; /* before who waits is woken: it sees that it is closed */
    type->close(s);
}

static void op_init(struct kio_io_ *op, struct kio_stream *s, const void *buf, size_t len,
                    const char *call)
{
    kio_guard_borrow_(s, call, "stream");
    kio_guard_borrow_(buf, call, "buf");
    *op = (struct kio_io_){ .stream = s, .buf = (char *)(uintptr_t)buf, .len = len };
}

/* The future is over or dropped: its waker is nowhere any more. */
static void op_forget(struct kio_io_ *op)
{
    /* acquire: pairs with duplex.c's take: who took the waker away is through with the waiter */
    if (ki_bare_load_acquire(&op->waiter.waker.to) && op->stream->stream_type)
        op->stream->stream_type->forget(op->stream, &op->waiter);
}

/* TCP by name: what most streams are, and each return after a system call is dear (docs/design/io.md). */
static kio_poll op_read(struct kio_io_ *op, kio_context *cx, size_t at, ssize_t *out)
{
    const struct kio_stream_type *type = op->stream->stream_type;

    if (type == &ki_tcp_stream_type && op->len)
        return ki_tcp_read(op->stream, cx, &op->waiter, op->buf + at, op->len - at, out);
    if (type && op->len)
        return type->read(op->stream, cx, &op->waiter, op->buf + at, op->len - at, out);
    *out = type ? 0 : -EBADF;
    return KIO_READY;
}

static kio_poll op_write(struct kio_io_ *op, kio_context *cx, size_t at, ssize_t *out)
{
    const struct kio_stream_type *type = op->stream->stream_type;

    if (type == &ki_tcp_stream_type && op->len)
        return ki_tcp_write(op->stream, cx, &op->waiter, op->buf + at, op->len - at, out);
    if (type && op->len)
        return type->write(op->stream, cx, &op->waiter, op->buf + at, op->len - at, out);
    *out = type ? 0 : -EBADF;
    return KIO_READY;
}

/* ---- once --------------------------------------------------------------------------------- */

static kio_poll read_poll(kio_future *f, kio_context *cx)
{
    struct kio_read *self = (struct kio_read *)f;

    f->state = f;
    if (!kio_coop_may_(cx) || op_read(&self->op, cx, 0, &self->out) == KIO_PENDING)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void read_drop(kio_future *f)
{
    op_forget(&((struct kio_read *)f)->op);
}

static const kio_future_type read_type = {
    .name = "kio_read",
    .size = sizeof(struct kio_read),
    .poll = read_poll,
    .drop = read_drop,
    .out_offset = offsetof(struct kio_read, out),
    .out_size = sizeof(ssize_t),
};

struct kio_read *kio_read_(struct kio_read *slot, struct kio_stream *s, void *buf, size_t len)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &read_type };
    op_init(&slot->op, s, buf, len, "kio_read");
    return slot;
}

static kio_poll write_poll(kio_future *f, kio_context *cx)
{
    struct kio_write *self = (struct kio_write *)f;

    f->state = f;
    if (!kio_coop_may_(cx) || op_write(&self->op, cx, 0, &self->out) == KIO_PENDING)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void write_drop(kio_future *f)
{
    op_forget(&((struct kio_write *)f)->op);
}

static const kio_future_type write_type = {
    .name = "kio_write",
    .size = sizeof(struct kio_write),
    .poll = write_poll,
    .drop = write_drop,
    .out_offset = offsetof(struct kio_write, out),
    .out_size = sizeof(ssize_t),
};

struct kio_write *kio_write_(struct kio_write *slot, struct kio_stream *s, const void *buf,
                             size_t len)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &write_type };
    op_init(&slot->op, s, buf, len, "kio_write");
    return slot;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static kio_poll read_exact_poll(kio_future *f, kio_context *cx)
{
    struct kio_read_exact *self = (struct kio_read_exact *)f;

    f->state = f;
    self->out = 0;
    while (self->count < self->op.len) {
        ssize_t n;

        if (!kio_coop_may_(cx) || op_read(&self->op, cx, self->count, &n) == KIO_PENDING)
            return KIO_PENDING;
        kio_coop_did_(cx);
        if (n <= 0) {
            self->out = n ? (int)n : -ENODATA;
            break;
        }
        self->count += (size_t)n;
    }
    return ki_ready_now(f);
}

static void read_exact_drop(kio_future *f)
{
    op_forget(&((struct kio_read_exact *)f)->op);
}

static const kio_future_type read_exact_type = {
    .name = "kio_read_exact",
    .size = sizeof(struct kio_read_exact),
    .poll = read_exact_poll,
    .drop = read_exact_drop,
    .out_offset = offsetof(struct kio_read_exact, out),
    .out_size = sizeof(int),
};

struct kio_read_exact *kio_read_exact_(struct kio_read_exact *slot, struct kio_stream *s, void *buf,
                                       size_t len)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &read_exact_type };
    slot->count = 0;
    op_init(&slot->op, s, buf, len, "kio_read_exact");
    return slot;
}

static kio_poll write_all_poll(kio_future *f, kio_context *cx)
{
    struct kio_write_all *self = (struct kio_write_all *)f;

    f->state = f;
    self->out = 0;
    while (self->count < self->op.len) {
        ssize_t n;

        if (!kio_coop_may_(cx) || op_write(&self->op, cx, self->count, &n) == KIO_PENDING)
            return KIO_PENDING;
        kio_coop_did_(cx);
        if (n <= 0) {
            self->out = n ? (int)n : -EIO; /* a stream that takes nothing */
            break;
        }
        self->count += (size_t)n;
    }
    return ki_ready_now(f);
}

static void write_all_drop(kio_future *f)
{
    op_forget(&((struct kio_write_all *)f)->op);
}

static const kio_future_type write_all_type = {
    .name = "kio_write_all",
    .size = sizeof(struct kio_write_all),
    .poll = write_all_poll,
    .drop = write_all_drop,
    .out_offset = offsetof(struct kio_write_all, out),
    .out_size = sizeof(int),
};

struct kio_write_all *kio_write_all_(struct kio_write_all *slot, struct kio_stream *s,
                                     const void *buf, size_t len)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &write_all_type };
    slot->count = 0;
    op_init(&slot->op, s, buf, len, "kio_write_all");
    return slot;
}

/* ---- shutdown ----------------------------------------------------------------------------- */

static kio_poll shutdown_poll(kio_future *f, kio_context *cx)
{
    struct kio_shutdown *self = (struct kio_shutdown *)f;
    struct kio_stream *s = self->op.stream;
    ssize_t out = -EBADF;

    f->state = f;
    if (s->stream_type && s->stream_type->shutdown(s, cx, &self->op.waiter, &out) == KIO_PENDING)
        return KIO_PENDING;
    self->out = (int)out;
    return ki_ready_now(f);
}

static void shutdown_drop(kio_future *f)
{
    op_forget(&((struct kio_shutdown *)f)->op);
}

static const kio_future_type shutdown_type = {
    .name = "kio_shutdown",
    .size = sizeof(struct kio_shutdown),
    .poll = shutdown_poll,
    .drop = shutdown_drop,
    .out_offset = offsetof(struct kio_shutdown, out),
    .out_size = sizeof(int),
};

struct kio_shutdown *kio_shutdown_(struct kio_shutdown *slot, struct kio_stream *s)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &shutdown_type };
    op_init(&slot->op, s, NULL, 0, "kio_shutdown");
    return slot;
}

/* ---- copy --------------------------------------------------------------------------------- */

static kio_poll copy_end(struct kio_copy *self, int64_t out)
{
    self->out = out;
    kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll copy_poll(kio_future *f, kio_context *cx)
{
    struct kio_copy *self = (struct kio_copy *)f;

    f->state = f;
    for (;;) {
        if (self->done == self->have) {
            if (!kio_is_live(&self->read))
                kio_adopt_(f, &kio_read_(&self->read, self->from, self->buf, self->size)->kio);
            if (kio_poll_(&self->read.kio, cx) == KIO_PENDING)
                return KIO_PENDING;
            if (self->read.out <= 0)
                return copy_end(self, self->read.out ? self->read.out : self->count);
            self->have = (size_t)self->read.out;
            self->done = 0;
        }
        if (!kio_is_live(&self->write))
            kio_adopt_(f, &kio_write_(&self->write, self->to, self->buf + self->done,
                                      self->have - self->done)->kio);
        if (kio_poll_(&self->write.kio, cx) == KIO_PENDING)
            return KIO_PENDING;
        if (self->write.out <= 0)
            return copy_end(self, self->write.out ? self->write.out : -EIO);
        self->done += (size_t)self->write.out;
        self->count += self->write.out;
    }
}

static const kio_future_type copy_type = {
    .name = "kio_copy",
    .size = sizeof(struct kio_copy),
    .poll = copy_poll,
    .out_offset = offsetof(struct kio_copy, out),
    .out_size = sizeof(int64_t),
};

struct kio_copy *kio_copy_(struct kio_copy *slot, struct kio_stream *from, struct kio_stream *to,
                           void *buf, size_t size)
{
    kio_guard_borrow_(buf, "kio_copy", "buf");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_copy){
        .kio = { .type = &copy_type },
        .from = from,
        .to = to,
        .buf = buf,
        .size = size,
    };
    return slot;
}

/* ---- lines -------------------------------------------------------------------------------- */

void kio_lines_(struct kio_lines *lines, struct kio_stream *s, char *buf, size_t cap)
{
    *lines = (struct kio_lines){ .stream = s, .buf = buf, .cap = cap };
}

/* Whether a line is in the buffer: then it is in self. */
static bool find_line(struct kio_next_line *self)
{
    struct kio_lines *l = self->lines;
    char *start = l->buf + l->start;
    char *end = memchr(start, '\n', l->end - l->start);
    size_t len;

    if (!end && !(l->over && l->end > l->start))
        return false;
    len = end ? (size_t)(end - start) : l->end - l->start;
    l->start += len + (end != NULL);
    if (end && len && start[len - 1] == '\r')
        len--;
    self->line = start;
    self->out = (ssize_t)len;
    return true;
}

static kio_poll next_line_end(struct kio_next_line *self)
{
    kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll next_line_poll(kio_future *f, kio_context *cx)
{
    struct kio_next_line *self = (struct kio_next_line *)f;
    struct kio_lines *l = self->lines;

    f->state = f;
    while (!find_line(self)) {
        self->line = NULL;
        self->out = 0;
        if (l->over)
            return next_line_end(self);
        if (!kio_is_live(&self->read)) {
            memmove(l->buf, l->buf + l->start, l->end - l->start);
            l->end -= l->start;
            l->start = 0;
            if (l->end == l->cap) {
                self->out = -EMSGSIZE;
                return next_line_end(self);
            }
            kio_adopt_(f, &kio_read_(&self->read, l->stream, l->buf + l->end, l->cap - l->end)->kio);
        }
        if (kio_poll_(&self->read.kio, cx) == KIO_PENDING)
            return KIO_PENDING;
        if (self->read.out < 0) {
            self->out = self->read.out;
            return next_line_end(self);
        }
        l->end += (size_t)self->read.out;
        l->over = self->read.out == 0;
    }
    return next_line_end(self);
}

static const kio_future_type next_line_type = {
    .name = "kio_next_line",
    .size = sizeof(struct kio_next_line),
    .poll = next_line_poll,
    .out_offset = offsetof(struct kio_next_line, out),
    .out_size = sizeof(ssize_t),
};

struct kio_next_line *kio_next_line(struct kio_next_line *slot, struct kio_lines *lines)
{
    kio_guard_borrow_(lines, "kio_next_line", "lines");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_next_line){ .kio = { .type = &next_line_type }, .lines = lines };
    return slot;
}
