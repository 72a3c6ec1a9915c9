/* echo and http: serve until SIGTERM. */
#include "bench.h"

#include "http_server.h"

static struct kio_listener listen_on_port(void)
{
    struct kio_listener listener;
    struct kio_addr addr;
    char text[64];
    int err;

    snprintf(text, sizeof text, "127.0.0.1:%s", bench_port);
    err = kio_tcp_listen(&listener, text, NULL);
    if (err) {
        fprintf(stderr, "cannot listen on %s: %s\n", text, strerror(-err));
        exit(1);
    }
    kio_listener_addr(&listener, &addr);
    printf("listening on %u\n", kio_addr_port(&addr));
    fflush(stdout);
    return listener;
}

struct echo_conn {
    async_fn(void);
    struct kio_tcp_stream conn;
    union { /* one at a time, so one place for both */
        struct kio_read read;
        struct kio_write_all write;
    };
    char buf[1024];
};

static void echo_conn_drop(struct echo_conn *self)
{
    kio_close(&self->conn);
}

async(echo_conn, echo_conn_drop)
{
    async_begin;
    for (;;) {
        await(kio_read(&self->read, &self->conn, self->buf, sizeof self->buf));
        if (self->read.out <= 0)
            async_return();
        await(kio_write_all(&self->write, &self->conn, self->buf, (size_t)self->read.out));
        if (self->write.out)
            async_return();
    }
}

struct echo_root {
    async_fn(void);
    struct kio_listener listener;
    struct kio_accept accept;
    struct kio_tcp_stream conn;
};

async(echo_root)
{
    async_begin;
    self->listener = listen_on_port();
    for (;;) {
        await(kio_accept(&self->accept, &self->listener, &self->conn));
        if (self->accept.out == 0) {
            kio_tcp_nodelay(&self->conn, true);
            kio_spawn(NULL, echo_conn, .conn = self->conn);
        }
    }
}

void bench_echo(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, echo_root);
}

static const struct http_page pages[] = {
    { "/", "Hello, World!", 13 },
    { NULL, "not found", 9 },
};

struct http_root {
    async_fn(void);
    struct http_server server;
};

async(http_root)
{
    async_begin;
    await(async_call(&self->server, http_server, .listener = listen_on_port(), .pages = pages));
    async_return();
}

void bench_http(struct kio_runtime *rt)
{
    kio_runtime_block_on(rt, http_root);
}
