/*
 * A TCP echo server: one task a connection.
 *
 *     echo_server [address]          127.0.0.1:7777; port 0: the system picks one
 */
#include <kioto.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct echo {
    async_fn(void);
    struct kio_tcp_stream conn; /* owned from the start */

    struct kio_read read;
    struct kio_write_all write;
    char buf[4096];
};

static void echo_drop(struct echo *self)
{
    kio_close(&self->conn);
}

async(echo, echo_drop)
{
    async_begin;
    for (;;) {
        await(kio_read(&self->read, &self->conn, self->buf, sizeof self->buf));
        if (self->read.out <= 0)
            async_return(); /* 0: the peer is done; negative: it broke */
        await(kio_write_all(&self->write, &self->conn, self->buf, (size_t)self->read.out));
        if (self->write.out)
            async_return();
    }
}

struct async_main {
    async_fn(int);
    int argc;
    char **argv;

    struct kio_tcp_listener listener;
    struct kio_tcp_stream conn;
    struct kio_accept accept;
    struct kio_sleep pause;
};

static void async_main_drop(struct async_main *self)
{
    kio_listener_close(&self->listener);
}

async(async_main, async_main_drop)
{
    const char *address = self->argc > 1 ? self->argv[1] : "127.0.0.1:7777";
    struct kio_addr here;
    char text[KIO_ADDR_TEXT];
    int err;

    async_begin;
    err = kio_tcp_listen(&self->listener, address, NULL);
    if (err) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(-err));
        async_return(1);
    }
    kio_listener_addr(&self->listener, &here);
    printf("listening on %s\n", kio_addr_format(&here, text, sizeof text));
    fflush(stdout);
    for (;;) {
        await(kio_accept(&self->accept, &self->listener, &self->conn));
        if (self->accept.out == 0) {
            kio_spawn(NULL, echo, .conn = self->conn);
            continue;
        }
        /* Out of fds or memory: those that wait are accepted when others have gone. */
        fprintf(stderr, "accept: %s\n", strerror(-self->accept.out));
        await(kio_sleep(&self->pause, 100 * KIO_MS));
    }
}

kio_main_args(async_main)
