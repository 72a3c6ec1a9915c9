/* Connecting: to one address, and to a name. */
#include "socket.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0: connected; -EINPROGRESS; or an error. */
static int begin(struct kio_connect_addr *self)
{
    int fd = ki_socket(&self->addr, SOCK_STREAM);
    int opened;
    int err;

    if (fd < 0)
        return fd;
    err = connect(fd, &self->addr.sa, self->addr.len) ? -errno : 0;
    if (err == -EINTR)
        err = -EINPROGRESS; /* it goes on, as after EINPROGRESS (POSIX) */
    if (err && err != -EINPROGRESS) {
        close(fd);
        return err;
    }
    self->trying = (struct kio_stream){ 0 };
    /* Registered after connect: before, epoll would report a hang-up. */
    opened = ki_fd_open(&self->trying.io, fd, err ? 0 : KI_WRITE);
    if (opened) {
        close(fd);
        return opened;
    }
    self->trying.stream_type = ki_stream_type(self->addr.sa.sa_family);
    return err;
}

/* Writable, or an error: SO_ERROR tells, and clears it. -EAGAIN: neither. */
static int outcome(int fd)
{
    struct kio_addr peer = { .len = sizeof peer.storage };
    int err = 0;
    socklen_t len = sizeof err;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
        return -errno;
    if (err)
        return -err;
    if (getpeername(fd, &peer.sa, &peer.len) == 0)
        return 0;
    return errno == ENOTCONN ? -EAGAIN : -errno;
}

static kio_poll connect_end(struct kio_connect_addr *self, int out)
{
    self->out = out;
    if (out == 0) {
        *self->stream = self->trying;
        self->trying.stream_type = NULL;
    }
    kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll connect_poll(kio_future *f, kio_context *cx)
{
    struct kio_connect_addr *self = (struct kio_connect_addr *)f;
    uint32_t tick;
    int err;

    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    if (!f->state) {
        f->state = f;
        err = begin(self);
        if (err != -EINPROGRESS)
            return connect_end(self, err);
    }
    for (;;) {
        if (ki_fd_poll(&self->trying.io, KI_WRITE, &self->waiter, cx, &tick, &err) == KIO_PENDING)
            return KIO_PENDING;
        if (!err)
            err = outcome(self->trying.io.fd);
        if (err != -EAGAIN || ki_fd_blocked(&self->trying.io, KI_WRITE, tick, &err)) {
            kio_coop_did_(cx);
            return connect_end(self, err);
        }
    }
}

static void connect_drop(kio_future *f)
{
    struct kio_connect_addr *self = (struct kio_connect_addr *)f;

    ki_fd_forget(&self->trying.io, &self->waiter);
    kio_close(&self->trying);
}

static void connect_describe(const kio_future *f, char *text, size_t cap)
{
    kio_addr_format(&((const struct kio_connect_addr *)f)->addr, text, cap);
}

static const kio_future_type connect_type = {
    .name = "kio_connect_addr",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_connect_addr),
    .poll = connect_poll,
    .drop = connect_drop,
    .out_offset = offsetof(struct kio_connect_addr, out),
    .out_size = sizeof(int),
    .describe = connect_describe,
};

struct kio_connect_addr *kio_connect_addr_(struct kio_connect_addr *slot, struct kio_stream *stream,
                                           const struct kio_addr *addr)
{
    struct kio_addr copy = *addr; /* it may lie in what is dropped next */

    kio_guard_borrow_(stream, "kio_connect_addr", "stream");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_connect_addr){
        .kio = { .type = &connect_type },
        .addr = copy,
        .stream = stream,
    };
    return slot;
}

/* ---- by name ------------------------------------------------------------------------------ */

KIO_ASYNC(kio_tcp_connect)
{
    KIO_BEGIN;
    KIO_AWAIT(kio_lookup_host(&self->lookup, self->name));
    if (self->lookup.out < 0)
        KIO_RETURN(self->lookup.out);
    for (;;) {
        KIO_AWAIT(kio_connect_addr_(&self->connect, self->stream, &self->lookup.addrs[self->at]));
        if (!self->connect.out || ++self->at == self->lookup.out)
            KIO_RETURN(self->connect.out);
    }
}

struct kio_tcp_connect *kio_tcp_connect_(struct kio_tcp_connect *slot, struct kio_stream *stream,
                                         const char *name)
{
    kio_guard_borrow_(stream, "kio_tcp_connect", "stream");
    kio_guard_borrow_(name, "kio_tcp_connect", "name");
    return KIO_CALL(slot, kio_tcp_connect, .name = name, .stream = stream);
}

/* ---- a stream's socket -------------------------------------------------------------------- */

int kio_tcp_nodelay_(struct kio_stream *s, bool on)
{
    int value = on;

    if (!s->io.ready)
        return -EBADF;
    return setsockopt(s->io.fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) ? -errno : 0;
}

int kio_local_addr_(const struct kio_stream *s, struct kio_addr *addr)
{
    return ki_sockname(&s->io, addr);
}

int kio_peer_addr_(const struct kio_stream *s, struct kio_addr *addr)
{
    addr->len = sizeof addr->storage;
    if (!s->io.ready)
        return -EBADF;
    return getpeername(s->io.fd, &addr->sa, &addr->len) ? -errno : 0;
}
