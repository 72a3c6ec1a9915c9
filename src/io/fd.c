#include "fd.h"
#include "../future/guard.h"
#include "../future/leaf.h"
#include "../runtime/context.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int ki_fd_open(struct kio_fd *fd, int number, unsigned flags)
{
    struct ki_poller *poller = ki_context_poller();
    struct ki_ready *ready;
    int err;

    *fd = (struct kio_fd){ .fd = -1 };
    if (!poller)
        ki_guard_fail(ki_guard_here(), "open it in a task, or after kio_runtime_enter",
                      "an fd needs a runtime's reactor, and this thread has no runtime");
    err = ki_ready_open(&ready, poller, number, flags);
    if (err)
        return err;
    *fd = (struct kio_fd){ .fd = number, .ready = ready };
    return 0;
}

int kio_fd_open(struct kio_fd *fd, int number)
{
    int flags = fcntl(number, F_GETFL);

    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(number, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return ki_fd_open(fd, number, KI_READ | KI_WRITE);
}

int kio_fd_release(struct kio_fd *fd)
{
    struct ki_ready *ready = fd->ready;
    int number = fd->fd;

    if (!ready)
        return -1;
    fd->ready = NULL; /* before who waits is woken: it sees that it is closed */
    fd->fd = -1;
    ki_ready_close(ready);
    return number;
}

void kio_fd_close(struct kio_fd *fd)
{
    int number = kio_fd_release(fd);

    if (number >= 0)
        close(number);
}

bool ki_fd_blocked(struct kio_fd *fd, unsigned dir, uint32_t tick, int *err)
{
    ki_ready_clear(fd->ready, dir, tick);
    if (ki_ready_alive(fd->ready))
        return false;
    *err = -ESHUTDOWN;
    return true;
}

void ki_fd_forget(struct kio_fd *fd, struct kio_waiter_ *waiter)
{
    if (fd->ready)
        ki_ready_forget(fd->ready, waiter);
}

/* ---- readable, writable ------------------------------------------------------------------- */

/* What the kernel says now: 0: not ready. */
static int look(const struct kio_readiness *self)
{
    struct pollfd p = {
        .fd = self->fd->fd,
        .events = self->direction == KI_READ ? POLLIN | POLLPRI | POLLRDHUP : POLLOUT,
    };
    int n;

    do {
        n = poll(&p, 1, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : p.revents;
}

static kio_poll readiness_poll(kio_future *f, kio_context *cx)
{
    struct kio_readiness *self = (struct kio_readiness *)f;
    uint32_t tick;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    for (;;) {
        int seen;

        if (ki_fd_poll(self->fd, self->direction, &self->waiter, cx, &tick, &self->out) ==
            KIO_PENDING)
            return KIO_PENDING;
        if (self->out)
            break;
        seen = look(self);
        if (seen) {
            self->out = seen < 0 ? seen : 0;
            break;
        }
        if (ki_fd_blocked(self->fd, self->direction, tick, &self->out))
            break;
    }
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void readiness_drop(kio_future *f)
{
    struct kio_readiness *self = (struct kio_readiness *)f;

    ki_fd_forget(self->fd, &self->waiter);
}

static void readiness_describe(const kio_future *f, char *text, size_t cap)
{
    const struct kio_readiness *self = (const struct kio_readiness *)f;

    snprintf(text, cap, "fd %d", self->fd->fd);
}

static const kio_future_type readiness_type = {
    .name = "kio_readable or kio_writable",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_readiness),
    .poll = readiness_poll,
    .drop = readiness_drop,
    .out_offset = offsetof(struct kio_readiness, out),
    .out_size = sizeof(int),
    .describe = readiness_describe,
};

static struct kio_readiness *make(struct kio_readiness *slot, struct kio_fd *fd, unsigned direction,
                                  const char *call)
{
    kio_guard_borrow_(fd, call, "fd");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_readiness){
        .kio = { .type = &readiness_type },
        .fd = fd,
        .direction = direction,
    };
    return slot;
}

struct kio_readiness *kio_readable(struct kio_readiness *slot, struct kio_fd *fd)
{
    return make(slot, fd, KI_READ, "kio_readable");
}

struct kio_readiness *kio_writable(struct kio_readiness *slot, struct kio_fd *fd)
{
    return make(slot, fd, KI_WRITE, "kio_writable");
}
