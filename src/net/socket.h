/* Making sockets; shared by TCP, Unix and UDP. */
#ifndef KI_NET_SOCKET_H
#define KI_NET_SOCKET_H

#include "../io/fd.h"

#include <kioto/net.h>

/* A non-blocking socket of the address's family, or a negative errno. */
int ki_socket(const struct kio_addr *addr, int type);
/* Binds and, with a backlog, listens; on error the fd is closed. 0 or a negative errno. */
KIO_MUST_USE int ki_listen(struct kio_listener *listener, const struct kio_addr *addr,
                           const struct kio_listen_options *options);
/* How a stream socket of an address's family is read and written. */
static inline const struct kio_stream_type *ki_stream_type(int family)
{
    return family == AF_UNIX ? &ki_socket_stream_type : &ki_tcp_stream_type;
}

int ki_sockname(const struct kio_fd *fd, struct kio_addr *addr);

#endif
