/* fds with a registration: shared by streams, sockets and kio_fd. */
#ifndef KI_IO_FD_H
#define KI_IO_FD_H

#include "../driver/readiness.h"

#include <kioto/io.h>

#include <errno.h>

/* As kio_fd_open; flags as ki_ready_open's; the fd is non-blocking already. */
KIO_MUST_USE int ki_fd_open(struct kio_fd *fd, int number, unsigned flags);

/* The fd's registration; NULL: it was closed. */
static inline struct ki_ready *ki_fd_ready(const struct kio_fd *fd)
{
    return fd->ready;
}

/* Waits as ki_ready_poll. *err: -EBADF: closed meanwhile (then KIO_READY). */
static inline kio_poll ki_fd_poll(struct kio_fd *fd, unsigned dir, struct kio_waiter_ *waiter,
                                  kio_context *cx, uint32_t *tick, int *err)
{
    *err = 0;
    if (kio_unlikely_(!fd->ready)) {
        *err = -EBADF;
        return KIO_READY;
    }
    return ki_ready_poll(fd->ready, dir, waiter, cx, tick);
}

/* A call gave -EAGAIN. False: go round again (wait); true: nothing will ever come, *err says why. */
bool ki_fd_blocked(struct kio_fd *fd, unsigned dir, uint32_t tick, int *err);

void ki_fd_forget(struct kio_fd *fd, struct kio_waiter_ *waiter);

extern const struct kio_stream_type ki_fd_stream_type;     /* read, write: any fd */
extern const struct kio_stream_type ki_socket_stream_type; /* recv, send: no SIGPIPE */
extern const struct kio_stream_type ki_tcp_stream_type;    /* as that; a short read says: empty */

#endif
