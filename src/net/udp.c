/* UDP: datagrams to and from anybody. */
#include "socket.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int kio_udp_bind(struct kio_udp *udp, const char *address)
{
    struct kio_addr addr;
    int fd;
    int err;

    *udp = (struct kio_udp){ .io = { .fd = -1 } };
    if (kio_addr_parse(&addr, address) || addr.sa.sa_family == AF_UNIX)
        return -EINVAL;
    fd = ki_socket(&addr, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    err = bind(fd, &addr.sa, addr.len) ? -errno : ki_fd_open(&udp->io, fd, KI_WRITE | KI_SHARED);
    if (err)
        close(fd);
    return err;
}

int kio_udp_addr(const struct kio_udp *udp, struct kio_addr *addr)
{
    return ki_sockname(&udp->io, addr);
}

void kio_udp_close(struct kio_udp *udp)
{
    kio_fd_close(&udp->io);
}

static ssize_t send_one(struct kio_datagram *self)
{
    return sendto(self->udp->io.fd, self->buf, self->len, MSG_NOSIGNAL, &self->addr.sa,
                  self->addr.len);
}

static ssize_t recv_one(struct kio_datagram *self)
{
    self->addr.len = sizeof self->addr.storage;
    return recvfrom(self->udp->io.fd, self->buf, self->len, 0, &self->addr.sa, &self->addr.len);
}

static kio_poll transfer(struct kio_datagram *self, kio_context *cx, unsigned dir,
                         ssize_t (*call)(struct kio_datagram *))
{
    uint32_t tick;
    int err;

    self->kio.state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    for (;;) {
        if (ki_fd_poll(&self->udp->io, dir, &self->waiter, cx, &tick, &err) == KIO_PENDING)
            return KIO_PENDING;
        self->out = err;
        if (err)
            break;
        do {
            self->out = call(self);
        } while (self->out < 0 && errno == EINTR);
        if (self->out < 0)
            self->out = -errno;
        if (self->out != -EAGAIN)
            break;
        if (ki_fd_blocked(&self->udp->io, dir, tick, &err)) {
            self->out = err;
            break;
        }
    }
    kio_coop_did_(cx);
    return ki_ready_now(&self->kio);
}

static kio_poll send_poll(kio_future *f, kio_context *cx)
{
    return transfer((struct kio_datagram *)f, cx, KI_WRITE, send_one);
}

static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    return transfer((struct kio_datagram *)f, cx, KI_READ, recv_one);
}

static void datagram_drop(kio_future *f)
{
    struct kio_datagram *self = (struct kio_datagram *)f;

    ki_fd_forget(&self->udp->io, &self->waiter);
}

static const kio_future_type send_type = {
    .name = "kio_udp_send",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_datagram),
    .poll = send_poll,
    .drop = datagram_drop,
    .out_offset = offsetof(struct kio_datagram, out),
    .out_size = sizeof(ssize_t),
};

static const kio_future_type recv_type = {
    .name = "kio_udp_recv",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_datagram),
    .poll = recv_poll,
    .drop = datagram_drop,
    .out_offset = offsetof(struct kio_datagram, out),
    .out_size = sizeof(ssize_t),
};

struct kio_datagram *kio_udp_send(struct kio_datagram *slot, struct kio_udp *udp, const void *buf,
                                  size_t len, const struct kio_addr *to)
{
    struct kio_addr copy = *to;

    kio_guard_borrow_(udp, "kio_udp_send", "udp");
    kio_guard_borrow_(buf, "kio_udp_send", "buf");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_datagram){
        .kio = { .type = &send_type },
        .addr = copy,
        .udp = udp,
        .buf = (void *)(uintptr_t)buf,
        .len = len,
    };
    return slot;
}

struct kio_datagram *kio_udp_recv(struct kio_datagram *slot, struct kio_udp *udp, void *buf,
                                  size_t len)
{
    kio_guard_borrow_(udp, "kio_udp_recv", "udp");
    kio_guard_borrow_(buf, "kio_udp_recv", "buf");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_datagram){
        .kio = { .type = &recv_type },
        .udp = udp,
        .buf = buf,
        .len = len,
    };
    return slot;
}
