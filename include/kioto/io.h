/*
 * I/O: any pollable fd, and byte streams.
 *
 *     await(kio_read(&self->read, &self->conn, self->buf, sizeof self->buf));
 *     if (self->read.out <= 0)
 *         async_return();                       // 0: end of stream; negative: errno
 *     await(kio_write_all(&self->write, &self->conn, self->buf, self->read.out));
 *
 * A stream is a TCP or Unix connection, a pipe, one end of kio_duplex(), or what else has a
 * kio_stream_type. Its struct is owned by whoever keeps it and closed once with kio_close(); a
 * zeroed or closed one is empty, and closing that does nothing. Where a function takes a stream,
 * any struct that begins with KIO_STREAM_ will do (struct kio_tcp_stream).
 *
 * Buffers are the caller's and borrowed until the future ends; one that is dropped leaves nothing
 * behind. One future may wait to read and one to write a stream; a third is a guard's failure.
 */
#ifndef KIOTO_IO_H
#define KIOTO_IO_H

#include "async.h"

/* ---- any fd ------------------------------------------------------------------------------- */

/* An fd with the runtime's reactor behind it: sockets, pipes, eventfd, timerfd, inotify, … */
struct kio_fd {
    int fd;
    /* private from here on */
    void *ready; /* NULL: empty */
};

/**
 * kio_fd_open(fd, number): hand an open fd to the reactor.
 *
 * number   owned from now on when 0 is returned; is made non-blocking
 *
 * Returns: 0
 * Errors:  -EPERM: epoll does not take it (a regular file: always ready); -EEXIST: the reactor has
 *          it already; -ENOMEM; -EBADF; -ENOSPC. The fd is untouched and still the caller's
 * Threads: any with a current runtime; a guard fails without one
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_fd_open(struct kio_fd *fd, int number);

/* kio_fd_close(fd): closes; who waits on it gets -EBADF. Of an empty one: nothing. */
KIO_API void kio_fd_close(struct kio_fd *fd);
/* kio_fd_release(fd): as kio_fd_close(), but leaves the fd open and gives it to the caller. */
KIO_API int kio_fd_release(struct kio_fd *fd);

struct kio_readiness {
    KIO_WAITER_FN_(int); /* 0: ready; -EBADF: closed meanwhile; -ESHUTDOWN: the runtime ended */
    /* private from here on */
    struct kio_fd *fd;
    unsigned direction;
};

/**
 * kio_readable(slot, fd): wait until a read would not block (or would report an end or an error).
 *
 * Level-triggered: asks the kernel, so it may be awaited after any number of reads.
 *
 * Out:     0, or a negative errno
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_readiness *kio_readable(struct kio_readiness *slot, struct kio_fd *fd);
/* kio_writable(slot, fd): likewise for writing. */
KIO_API struct kio_readiness *kio_writable(struct kio_readiness *slot, struct kio_fd *fd);

/* ---- streams ------------------------------------------------------------------------------ */

struct kio_stream;

/*
 * What a stream can do. read, write and shutdown answer as a poll does: KIO_PENDING after cx's
 * waker was left (with `waiter` as its place), or KIO_READY and *out. forget: the future with that
 * waiter is dropped.
 */
struct kio_stream_type {
    const char *name;
    kio_poll (*read)(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter, void *buf,
                     size_t len, ssize_t *out);
    kio_poll (*write)(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                      const void *buf, size_t len, ssize_t *out);
    kio_poll (*shutdown)(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                         ssize_t *out);
    void (*forget)(struct kio_stream *s, struct kio_waiter_ *waiter);
    void (*close)(struct kio_stream *s);
};

/* The members every stream struct begins with. */
#define KIO_STREAM_                                                                                \
    const struct kio_stream_type *stream_type; /* NULL: empty */                                   \
    struct kio_fd io;                          /* of fd streams */                                 \
    void *data                                 /* of others */

struct kio_stream {
    KIO_STREAM_;
};

/* Any stream's struct as a struct kio_stream *; anything else does not compile. */
#define KIO_STREAM_OF_(s) ((void)sizeof((s)->stream_type), (struct kio_stream *)(void *)(s))

/* kio_stream_open(stream, fd): a stream on a pipe, a socket, a terminal; as kio_fd_open(). */
KIO_API KIO_MUST_USE int kio_stream_open(struct kio_stream *stream, int fd);

/* kio_close(stream): closes at once; who waits on it gets -EBADF. Of an empty one: nothing. */
#define kio_close(s) kio_close_(KIO_STREAM_OF_(s))
KIO_API void kio_close_(struct kio_stream *s);

struct kio_io_ {
    struct kio_stream *stream;
    char *buf;
    size_t len;
    struct kio_waiter_ waiter;
};

struct kio_read {
    KIO_ASYNC_FN(ssize_t); /* bytes; 0: end of stream (or len was 0); negative: errno */
    /* private from here on */
    struct kio_io_ op;
};

/**
 * kio_read(slot, stream, buf, len): read what is there, at most len bytes; waits for the first.
 *
 * Out:     bytes read; 0: the peer sends no more; -ECONNRESET and so on; -EBADF: closed meanwhile
 * Cancel:  safe: nothing was read
 * Threads: owner
 * Since:   0.1
 */
#define kio_read(slot, s, buf, len) kio_read_(slot, KIO_STREAM_OF_(s), buf, len)
KIO_API struct kio_read *kio_read_(struct kio_read *slot, struct kio_stream *s, void *buf,
                                   size_t len);

struct kio_write {
    KIO_ASYNC_FN(ssize_t); /* bytes taken; negative: errno */
    /* private from here on */
    struct kio_io_ op;
};

/* kio_write(slot, stream, buf, len): write what fits now, at least one byte. -EPIPE, -ECONNRESET: the
 * peer is gone (no signal is raised). Cancel: safe: nothing was written */
#define kio_write(slot, s, buf, len) kio_write_(slot, KIO_STREAM_OF_(s), buf, len)
KIO_API struct kio_write *kio_write_(struct kio_write *slot, struct kio_stream *s, const void *buf,
                                     size_t len);

struct kio_read_exact {
    KIO_ASYNC_FN(int); /* 0; -ENODATA: the stream ended before; negative: errno */
    size_t count;      /* bytes read so far, also after a drop */
    /* private from here on */
    struct kio_io_ op;
};

/* kio_read_exact(slot, stream, buf, len): fill the buffer. Cancel: partial: count tells */
#define kio_read_exact(slot, s, buf, len) kio_read_exact_(slot, KIO_STREAM_OF_(s), buf, len)
KIO_API struct kio_read_exact *kio_read_exact_(struct kio_read_exact *slot, struct kio_stream *s,
                                               void *buf, size_t len);

struct kio_write_all {
    KIO_ASYNC_FN(int); /* 0; negative: errno */
    size_t count;      /* bytes written so far, also after a drop */
    /* private from here on */
    struct kio_io_ op;
};

/* kio_write_all(slot, stream, buf, len): write everything. Cancel: partial: count tells */
#define kio_write_all(slot, s, buf, len) kio_write_all_(slot, KIO_STREAM_OF_(s), buf, len)
KIO_API struct kio_write_all *kio_write_all_(struct kio_write_all *slot, struct kio_stream *s,
                                             const void *buf, size_t len);

struct kio_shutdown {
    KIO_ASYNC_FN(int); /* 0; negative: errno */
    /* private from here on */
    struct kio_io_ op;
};

/* kio_shutdown(slot, stream): says that nothing more will be written; the peer reads to the end. */
#define kio_shutdown(slot, s) kio_shutdown_(slot, KIO_STREAM_OF_(s))
KIO_API struct kio_shutdown *kio_shutdown_(struct kio_shutdown *slot, struct kio_stream *s);

struct kio_copy {
    KIO_ASYNC_FN(int64_t); /* bytes copied until the source's end; negative: errno */
    int64_t count;         /* bytes written so far, also after an error or a drop */
    /* private from here on */
    struct kio_stream *from, *to;
    char *buf;
    size_t size, have, done;
    struct kio_read read;
    struct kio_write write;
};

/* kio_copy(slot, from, to, buf, size): copies until from ends, through the caller's buffer; does not
 * shut to down. Cancel: partial: bytes in the buffer are lost */
#define kio_copy(slot, from, to, buf, size)                                                        \
    kio_copy_(slot, KIO_STREAM_OF_(from), KIO_STREAM_OF_(to), buf, size)
KIO_API struct kio_copy *kio_copy_(struct kio_copy *slot, struct kio_stream *from,
                                   struct kio_stream *to, void *buf, size_t size);

/* A line reader over a stream and the caller's buffer. A plain struct: nothing to release. */
struct kio_lines {
    /* private from here on */
    struct kio_stream *stream;
    char *buf;
    size_t cap, start, end;
    bool over;
};

/* kio_lines(lines, stream, buf, cap): reads lines of up to cap bytes, end of line included. */
#define kio_lines(lines, s, buf, cap) kio_lines_(lines, KIO_STREAM_OF_(s), buf, cap)
KIO_API void kio_lines_(struct kio_lines *lines, struct kio_stream *s, char *buf, size_t cap);

struct kio_next_line {
    KIO_ASYNC_FN(ssize_t); /* bytes of the line, without \n or \r\n; negative: errno */
    const char *line;      /* in the buffer, until the next call; NULL: the stream has ended */
    /* private from here on */
    struct kio_lines *lines;
    struct kio_read read;
};

/* kio_next_line(slot, lines): the next line; the last one may lack its end of line. -EMSGSIZE: longer
 * than the buffer. Cancel: safe: what was read stays in the buffer */
KIO_API struct kio_next_line *kio_next_line(struct kio_next_line *slot, struct kio_lines *lines);

/* kio_duplex(a, b, size): two ends of a pipe in memory, each direction holding up to size bytes; for
 * tests and for protocols inside a process. 0, -EINVAL (size 0), -ENOMEM. */
KIO_API KIO_MUST_USE int kio_duplex(struct kio_stream *a, struct kio_stream *b, size_t size);

#endif
