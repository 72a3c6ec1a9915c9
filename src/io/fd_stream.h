/* A call on a stream's fd: in a header, because the usual ones (TCP) are inlined where they are polled. */
#ifndef KI_IO_FD_STREAM_H
#define KI_IO_FD_STREAM_H

#include "fd.h"

#include <errno.h>
#include <sys/socket.h>

typedef ssize_t (*ki_fd_call)(int fd, void *buf, size_t len);

static inline ssize_t ki_do_recv(int fd, void *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

static inline ssize_t ki_do_send(int fd, void *buf, size_t len)
{
    return send(fd, buf, len, MSG_NOSIGNAL);
}

/* drains: a call that gave less than was asked for has emptied it. */
static KIO_ALWAYS_INLINE kio_poll ki_fd_transfer(struct kio_stream *s, unsigned dir, kio_context *cx,
                                                 struct kio_waiter_ *waiter, void *buf, size_t len,
                                                 ssize_t *out, ki_fd_call call, bool drains)
{
    uint32_t tick;
    int err;

    for (;;) {
        ssize_t n;

        if (ki_fd_poll(&s->io, dir, waiter, cx, &tick, &err) == KIO_PENDING)
            return KIO_PENDING;
        if (err) {
            *out = err;
            return KIO_READY;
        }
        do {
            n = call(s->io.fd, buf, len);
        } while (n < 0 && errno == EINTR);
        if (n >= 0) {
            if (drains && n > 0 && (size_t)n < len)
                ki_ready_drained(s->io.ready, dir, tick);
            *out = n;
            return KIO_READY;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            *out = -errno;
            return KIO_READY;
        }
        if (ki_fd_blocked(&s->io, dir, tick, &err)) {
            *out = err;
            return KIO_READY;
        }
    }
}

static KIO_ALWAYS_INLINE kio_poll ki_tcp_read(struct kio_stream *s, kio_context *cx,
                                              struct kio_waiter_ *waiter, void *buf, size_t len,
                                              ssize_t *out)
{
    return ki_fd_transfer(s, KI_READ, cx, waiter, buf, len, out, ki_do_recv, true);
}

static KIO_ALWAYS_INLINE kio_poll ki_tcp_write(struct kio_stream *s, kio_context *cx,
                                               struct kio_waiter_ *waiter, const void *buf, size_t len,
                                               ssize_t *out)
{
    return ki_fd_transfer(s, KI_WRITE, cx, waiter, (void *)(uintptr_t)buf, len, out, ki_do_send, true);
}

#endif
