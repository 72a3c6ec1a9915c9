/* Unix sockets: listening by path, and pairs. Connecting: connect.c, with a Unix address. */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

int kio_unix_listen(struct kio_listener *listener, const char *path)
{
    char text[sizeof(struct sockaddr_un) + 8];
    struct kio_addr addr;

    *listener = (struct kio_listener){ .io = { .fd = -1 } };
    if (!path || snprintf(text, sizeof text, "unix:%s", path) >= (int)sizeof text ||
        kio_addr_parse(&addr, text))
        return -EINVAL;
    return ki_listen(listener, &addr, NULL);
}

static int open_end(struct kio_stream *s, int fd)
{
    int err;

    *s = (struct kio_stream){ 0 };
    err = ki_fd_open(&s->io, fd, KI_WRITE);
    if (!err)
        s->stream_type = &ki_socket_stream_type;
    return err;
}

int kio_unix_pair_(struct kio_stream *a, struct kio_stream *b)
{
    int fds[2];
    int err;

    *a = *b = (struct kio_stream){ 0 };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
        return -errno;
    err = open_end(a, fds[0]);
    if (err) {
        close(fds[0]);
        close(fds[1]);
        return err;
    }
    err = open_end(b, fds[1]);
    if (err) {
        kio_close(a);
        close(fds[1]);
    }
    return err;
}
