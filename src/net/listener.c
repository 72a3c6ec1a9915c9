/* Sockets that listen: TCP and Unix. */
#include "socket.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than the kernel's limit (net.core.somaxconn) does no harm; it cuts. */
#define KI_BACKLOG 1024

int ki_socket(const struct kio_addr *addr, int type)
{
    int fd = socket(addr->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static int set_option(int fd, int level, int name, bool on)
{
    int value = 1;

    return on && setsockopt(fd, level, name, &value, sizeof value) ? -errno : 0;
}

static int prepare(int fd, const struct kio_addr *addr, const struct kio_listen_options *o)
{
    int family = addr->sa.sa_family;
    int err = 0;

    if (family != AF_UNIX)
        err = set_option(fd, SOL_SOCKET, SO_REUSEADDR, !o->no_reuseaddr);
    if (!err && family != AF_UNIX)
        err = set_option(fd, SOL_SOCKET, SO_REUSEPORT, o->reuseport);
    if (!err && family == AF_INET6)
        err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6only);
    if (!err && bind(fd, &addr->sa, addr->len))
        err = -errno;
    if (!err && listen(fd, o->backlog > 0 ? o->backlog : KI_BACKLOG))
        err = -errno;
    return err;
}

int ki_listen(struct kio_listener *listener, const struct kio_addr *addr,
              const struct kio_listen_options *options)
{
    static const struct kio_listen_options defaults;
    int fd = ki_socket(addr, SOCK_STREAM);
    int err;

    *listener = (struct kio_listener){ .io = { .fd = -1 } };
    if (fd < 0)
        return fd;
    err = prepare(fd, addr, options ? options : &defaults);
    if (!err)
        err = ki_fd_open(&listener->io, fd, KI_READ | KI_SHARED);
    if (err)
        close(fd);
    return err;
}

int kio_tcp_listen(struct kio_listener *listener, const char *address,
                   const struct kio_listen_options *options)
{
    struct kio_addr addr;
    int err = kio_addr_parse(&addr, address);

    *listener = (struct kio_listener){ .io = { .fd = -1 } };
    if (err || addr.sa.sa_family == AF_UNIX)
        return -EINVAL;
    return ki_listen(listener, &addr, options);
}

int ki_sockname(const struct kio_fd *fd, struct kio_addr *addr)
{
    addr->len = sizeof addr->storage;
    if (!fd->ready)
        return -EBADF;
    return getsockname(fd->fd, &addr->sa, &addr->len) ? -errno : 0;
}

int kio_listener_addr(const struct kio_listener *listener, struct kio_addr *addr)
{
    return ki_sockname(&listener->io, addr);
}

void kio_listener_close(struct kio_listener *listener)
{
    kio_fd_close(&listener->io);
}

/* ---- accept ------------------------------------------------------------------------------- */

/* Errors of a connection that broke before it was accepted (accept(2) passes them on): the next
 * one may be fine. */
static bool is_the_connections(int err)
{
    switch (err) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EINTR:
        return true;
    default:
        return false;
    }
}

static int open_stream(struct kio_stream *stream, int fd, int family)
{
    int err;

    *stream = (struct kio_stream){ 0 };
    /* Writable from the start; whether something is there to read epoll says soon. */
    err = ki_fd_open(&stream->io, fd, KI_WRITE);
    if (err)
        close(fd);
    else
        stream->stream_type = ki_stream_type(family);
    return err;
}

/* 0, an error, or -EAGAIN: nobody is there. */
static int accept_one(struct kio_accept *self)
{
    int fd;

    do {
        self->peer.len = sizeof self->peer.storage;
        fd = accept4(self->listener->io.fd, &self->peer.sa, &self->peer.len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && is_the_connections(errno));
    if (fd < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return open_stream(self->stream, fd, self->peer.sa.sa_family);
}

static kio_poll accept_poll(kio_future *f, kio_context *cx)
{
    struct kio_accept *self = (struct kio_accept *)f;
    struct kio_fd *io = &self->listener->io;
    uint32_t tick;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    for (;;) {
        if (ki_fd_poll(io, KI_READ, &self->waiter, cx, &tick, &self->out) == KIO_PENDING)
            return KIO_PENDING;
        if (self->out)
            break;
        self->out = accept_one(self);
        /* Other errors leave it ready: a connection that found no fd is tried again. */
        if (self->out != -EAGAIN || ki_fd_blocked(io, KI_READ, tick, &self->out))
            break;
    }
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void accept_drop(kio_future *f)
{
    struct kio_accept *self = (struct kio_accept *)f;

    ki_fd_forget(&self->listener->io, &self->waiter);
}

static void accept_describe(const kio_future *f, char *text, size_t cap)
{
    snprintf(text, cap, "fd %d", ((const struct kio_accept *)f)->listener->io.fd);
}

static const kio_future_type accept_type = {
    .name = "kio_accept",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_accept),
    .poll = accept_poll,
    .drop = accept_drop,
    .out_offset = offsetof(struct kio_accept, out),
    .out_size = sizeof(int),
    .describe = accept_describe,
};

struct kio_accept *kio_accept_(struct kio_accept *slot, struct kio_listener *listener,
                               struct kio_stream *stream)
{
    kio_guard_borrow_(listener, "kio_accept", "listener");
    kio_guard_borrow_(stream, "kio_accept", "stream");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_accept){
        .kio = { .type = &accept_type },
        .listener = listener,
        .stream = stream,
    };
    return slot;
}
