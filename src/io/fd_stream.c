/*
 * Streams on fds. The call is tried first and readiness waited for after EAGAIN, so a byte that is
 * there costs one system call.
 *
 * A TCP socket that gave less than was asked for is empty: the next read waits without another call
 * to be told so, unless the peer has hung up (then the end is still to be read) or has sent urgent data
 * (at which a read stops; see bits_of in epoll.c). Others may give less and have more, so there it is
 * not concluded: pipes, terminals, packets, and Unix sockets, whose reads stop at a passed fd.
 */
#include "fd_stream.h"

#include <netinet/in.h>
#include <unistd.h>

static ssize_t do_read(int fd, void *buf, size_t len)
{
    return read(fd, buf, len);
}

static ssize_t do_write(int fd, void *buf, size_t len)
{
    return write(fd, buf, len);
}

static kio_poll fd_read(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter, void *buf,
                        size_t len, ssize_t *out)
{
    return ki_fd_transfer(s, KI_READ, cx, waiter, buf, len, out, do_read, false);
}

static kio_poll fd_write(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                         const void *buf, size_t len, ssize_t *out)
{
    return ki_fd_transfer(s, KI_WRITE, cx, waiter, (void *)(uintptr_t)buf, len, out, do_write, false);
}

static kio_poll socket_read(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                            void *buf, size_t len, ssize_t *out)
{
    return ki_fd_transfer(s, KI_READ, cx, waiter, buf, len, out, ki_do_recv, false);
}

static kio_poll socket_write(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                             const void *buf, size_t len, ssize_t *out)
{
    return ki_fd_transfer(s, KI_WRITE, cx, waiter, (void *)(uintptr_t)buf, len, out, ki_do_send, false);
}

static kio_poll tcp_read(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter, void *buf,
                         size_t len, ssize_t *out)
{
    return ki_tcp_read(s, cx, waiter, buf, len, out);
}

static kio_poll tcp_write(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                          const void *buf, size_t len, ssize_t *out)
{
    return ki_tcp_write(s, cx, waiter, buf, len, out);
}

static kio_poll socket_shutdown(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                                ssize_t *out)
{
    (void)cx;
    (void)waiter;
    if (!s->io.ready)
        *out = -EBADF;
    else
        *out = shutdown(s->io.fd, SHUT_WR) ? -errno : 0;
    return KIO_READY;
}

/* Another fd has no half to close. */
static kio_poll fd_shutdown(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                            ssize_t *out)
{
    (void)s;
    (void)cx;
    (void)waiter;
    *out = -EOPNOTSUPP;
    return KIO_READY;
}

static void fd_forget(struct kio_stream *s, struct kio_waiter_ *waiter)
{
    ki_fd_forget(&s->io, waiter);
}

static void fd_close(struct kio_stream *s)
{
    kio_fd_close(&s->io);
}

const struct kio_stream_type ki_fd_stream_type = {
    .name = "fd",
    .read = fd_read,
    .write = fd_write,
    .shutdown = fd_shutdown,
    .forget = fd_forget,
    .close = fd_close,
};

const struct kio_stream_type ki_socket_stream_type = {
    .name = "socket",
    .read = socket_read,
    .write = socket_write,
    .shutdown = socket_shutdown,
    .forget = fd_forget,
    .close = fd_close,
};

const struct kio_stream_type ki_tcp_stream_type = {
    .name = "socket",
    .read = tcp_read,
    .write = tcp_write,
    .shutdown = socket_shutdown,
    .forget = fd_forget,
    .close = fd_close,
};

int kio_stream_open(struct kio_stream *stream, int fd)
{
    int protocol;
    socklen_t len = sizeof protocol;
    bool socket = getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0;
    int err;

    *stream = (struct kio_stream){ 0 };
    if (!socket && errno != ENOTSOCK)
        return -errno; /* a socket taken for another fd would be written to with SIGPIPE */
    err = kio_fd_open(&stream->io, fd);
    if (err)
        return err;
    stream->stream_type = !socket                   ? &ki_fd_stream_type
                          : protocol == IPPROTO_TCP ? &ki_tcp_stream_type
                                                    : &ki_socket_stream_type;
    return 0;
}
