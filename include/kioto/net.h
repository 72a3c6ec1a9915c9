/*
 * Sockets: addresses, name lookup, TCP and Unix streams, UDP.
 *
 *     kio_tcp_listen(&self->listener, "127.0.0.1:8080", NULL);
 *     for (;;) {
 *         await(kio_accept(&self->accept, &self->listener, &self->conn));
 *         if (self->accept.out == 0)
 *             kio_spawn(NULL, serve, .conn = self->conn);
 *     }
 *
 *     await(kio_tcp_connect(&self->connect, &self->conn, "example.org:80"));
 *
 * A connection is a stream (io.h) and is closed with kio_close(). Once a future has handed a
 * stream over, its struct may be copied to its owner (a spawned task, say) as long as nothing
 * waits on it.
 */
#ifndef KIOTO_NET_H
#define KIOTO_NET_H

#include "io.h"

#include <sys/socket.h>

/* ---- addresses ---------------------------------------------------------------------------- */

/* An IPv4, IPv6 or Unix address. */
struct kio_addr {
    socklen_t len; /* 0: none */
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    };
};

/* kio_addr_parse(addr, text): "192.0.2.1:80", "[2001:db8::1]:80", "unix:/path" ("unix:@name":
 * abstract). 0, or -EINVAL: names are not looked up here. */
KIO_API KIO_MUST_USE int kio_addr_parse(struct kio_addr *addr, const char *text);
/* kio_addr_format(addr, text, cap): the same form; 56 bytes are enough for an IP. Returns text. */
KIO_API char *kio_addr_format(const struct kio_addr *addr, char *text, size_t cap);
#define KIO_ADDR_TEXT 128
/* kio_addr_port(addr): 0 for Unix addresses. */
KIO_API uint16_t kio_addr_port(const struct kio_addr *addr);

/* ---- names -------------------------------------------------------------------------------- */

struct kio_lookup {
    KIO_ASYNC_FN(int);      /* how many addresses; negative: errno */
    struct kio_addr *addrs; /* until the slot is used again or dropped */
    /* private from here on */
    void *job;
};

/**
 * kio_lookup_host(slot, name): find the addresses of "host:port".
 *
 * Runs getaddrinfo on the blocking pool, in threads of its own, so that slow name servers hold up
 * no other jobs. A numeric address is answered at once.
 *
 * Out:     how many addresses, at least one, in the resolver's order
 * Errors:  -ENOENT: no such name; -EAGAIN: the name server does not answer; -EINVAL: no port;
 *          -ENOMEM, -ESHUTDOWN
 * Cancel:  safe; the lookup goes on unseen until the resolver gives up
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_lookup *kio_lookup_host(struct kio_lookup *slot, const char *name);

/* ---- TCP ---------------------------------------------------------------------------------- */

struct kio_tcp_stream {
    KIO_STREAM_;
};

/* A socket that listens, TCP or Unix. Closed with kio_listener_close(). */
struct kio_listener {
    /* private from here on */
    struct kio_fd io;
};
#define kio_tcp_listener kio_listener

/* Everything zero: the defaults. */
struct kio_listen_options {
    int backlog;       /* connections that wait to be accepted; 0: 1024 */
    bool no_reuseaddr; /* do not set SO_REUSEADDR */
    bool reuseport;    /* SO_REUSEPORT: several listeners share the port */
    bool v6only;       /* IPV6_V6ONLY */
};

/**
 * kio_tcp_listen(listener, address, options): bind and listen.
 *
 * address  "127.0.0.1:8080", "[::]:80"; port 0: the system picks one, see kio_listener_addr()
 * options  NULL: the defaults
 *
 * Returns: 0
 * Errors:  -EINVAL: no numeric address; -EADDRINUSE, -EACCES, -EMFILE, … as bind(2), listen(2)
 * Threads: any with a current runtime
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_tcp_listen(struct kio_listener *listener, const char *address,
                                        const struct kio_listen_options *options);
/* kio_listener_addr(listener, addr): where it listens. 0 or a negative errno. */
KIO_API int kio_listener_addr(const struct kio_listener *listener, struct kio_addr *addr);
KIO_API void kio_listener_close(struct kio_listener *listener);

struct kio_accept {
    KIO_WAITER_FN_(int);    /* 0; negative: errno */
    struct kio_addr peer; /* who connected */
    /* private from here on */
    struct kio_listener *listener;
    struct kio_stream *stream;
};

/**
 * kio_accept(slot, listener, stream): wait for a connection.
 *
 * stream   written when out is 0; owned then
 *
 * Out:     0. -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS: the connection waits on; call again when
 *          something was closed (after a pause: it is ready at once). Connections that broke
 *          before they were accepted are passed over
 * Cancel:  safe
 * Threads: owner; several tasks may accept from one listener
 * Since:   0.1
 */
#define kio_accept(slot, listener, s) kio_accept_(slot, listener, KIO_STREAM_OF_(s))
KIO_API struct kio_accept *kio_accept_(struct kio_accept *slot, struct kio_listener *listener,
                                       struct kio_stream *stream);

struct kio_connect_addr {
    KIO_WAITER_FN_(int); /* 0; negative: errno */
    /* private from here on */
    struct kio_addr addr;
    struct kio_stream *stream;
    struct kio_stream trying;
};

/* kio_connect_addr(slot, stream, addr): connect to one address, TCP or Unix; stream is written when
 * out is 0. Cancel: safe: the attempt is closed */
#define kio_connect_addr(slot, s, addr) kio_connect_addr_(slot, KIO_STREAM_OF_(s), addr)
KIO_API struct kio_connect_addr *kio_connect_addr_(struct kio_connect_addr *slot,
                                                   struct kio_stream *stream,
                                                   const struct kio_addr *addr);

struct kio_tcp_connect {
    KIO_ASYNC_FN(int); /* 0; negative: errno, of the last address tried */
    /* private from here on */
    const char *name;
    struct kio_stream *stream;
    int at;
    struct kio_lookup lookup;
    struct kio_connect_addr connect;
};

/**
 * kio_tcp_connect(slot, stream, name): connect to "host:port", trying its addresses in order.
 *
 * name     borrowed until the future ends
 * stream   written when out is 0; owned then
 *
 * Out:     0; -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH, … of the last address; errors of
 *          kio_lookup_host()
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 */
#define kio_tcp_connect(slot, s, name) kio_tcp_connect_(slot, KIO_STREAM_OF_(s), name)
KIO_API struct kio_tcp_connect *kio_tcp_connect_(struct kio_tcp_connect *slot,
                                                 struct kio_stream *stream, const char *name);

/* kio_tcp_nodelay(stream, on): send small writes at once. 0 or a negative errno. */
#define kio_tcp_nodelay(s, on) kio_tcp_nodelay_(KIO_STREAM_OF_(s), on)
KIO_API int kio_tcp_nodelay_(struct kio_stream *s, bool on);
/* Addresses of both ends. 0 or a negative errno. */
#define kio_local_addr(s, addr) kio_local_addr_(KIO_STREAM_OF_(s), addr)
#define kio_peer_addr(s, addr)  kio_peer_addr_(KIO_STREAM_OF_(s), addr)
KIO_API int kio_local_addr_(const struct kio_stream *s, struct kio_addr *addr);
KIO_API int kio_peer_addr_(const struct kio_stream *s, struct kio_addr *addr);

/* ---- Unix --------------------------------------------------------------------------------- */

/* kio_unix_listen(listener, path): as kio_tcp_listen(); "@name" is abstract. A socket file that is in
 * the way is not removed: -EADDRINUSE. */
KIO_API KIO_MUST_USE int kio_unix_listen(struct kio_listener *listener, const char *path);
/* kio_unix_pair(a, b): two streams connected to each other. 0 or a negative errno. */
#define kio_unix_pair(a, b) kio_unix_pair_(KIO_STREAM_OF_(a), KIO_STREAM_OF_(b))
KIO_API KIO_MUST_USE int kio_unix_pair_(struct kio_stream *a, struct kio_stream *b);

/* ---- UDP ---------------------------------------------------------------------------------- */

struct kio_udp {
    /* private from here on */
    struct kio_fd io;
};

/* kio_udp_bind(udp, address): "127.0.0.1:0". 0 or a negative errno. Closed with kio_udp_close(). */
KIO_API KIO_MUST_USE int kio_udp_bind(struct kio_udp *udp, const char *address);
KIO_API int kio_udp_addr(const struct kio_udp *udp, struct kio_addr *addr);
KIO_API void kio_udp_close(struct kio_udp *udp);

struct kio_datagram {
    KIO_WAITER_FN_(ssize_t); /* bytes of the datagram; negative: errno */
    struct kio_addr addr;  /* received: from whom */
    /* private from here on */
    struct kio_udp *udp;
    void *buf;
    size_t len;
};

/* kio_udp_send(slot, udp, buf, len, to): sends one datagram. Cancel: safe: it was not sent */
KIO_API struct kio_datagram *kio_udp_send(struct kio_datagram *slot, struct kio_udp *udp,
                                          const void *buf, size_t len, const struct kio_addr *to);
/* kio_udp_recv(slot, udp, buf, len): receives one; what does not fit is lost. Cancel: safe */
KIO_API struct kio_datagram *kio_udp_recv(struct kio_datagram *slot, struct kio_udp *udp, void *buf,
                                          size_t len);

#endif
