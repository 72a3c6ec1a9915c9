/* Sockets, with every call failing once, and without fds. */
#include "support/faults.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- an echo: a listener, a connection, a task that answers ------------------------------- */

struct echo {
    async_fn(void);
    struct kio_stream s;
    struct kio_read read;
    struct kio_write_all write;
    char buf[64];
};

static void echo_drop(struct echo *self)
{
    kio_close(&self->s);
}

async(echo, echo_drop)
{
    async_begin;
    for (;;) {
        await(kio_read(&self->read, &self->s, self->buf, sizeof self->buf));
        FAULT_TRY(self->read.out);
        if (!self->read.out)
            async_return();
        await(kio_write_all(&self->write, &self->s, self->buf, (size_t)self->read.out));
        FAULT_TRY(self->write.out);
    }
}

/* Takes the first connection that it can get: errors are said, and it tries again. */
struct serve {
    async_fn(void);
    struct kio_listener listener;
    struct kio_accept accept;
    struct kio_stream s;
    struct kio_join_handle echo;
    int tries;
};

/* Without a listener connections that wait are reset, and the client hears of it. */
static void serve_drop(struct serve *self)
{
    kio_listener_close(&self->listener);
}

async(serve, serve_drop)
{
    async_begin;
    for (self->tries = 0; self->tries < 3; self->tries++) {
        await(kio_accept(&self->accept, &self->listener, &self->s));
        if (!faults_saw(self->accept.out))
            break;
    }
    if (self->accept.out)
        async_return();
    FAULT_TRY(kio_spawn(&self->echo, echo, .s = self->s));
    await(&self->echo);
    async_return();
}

/* Says hello, and hears it. */
struct client {
    async_fn(bool);
    struct kio_stream *s;
    struct kio_write_all write;
    struct kio_read_exact read;
    struct kio_shutdown shut;
    char buf[16];
};

async(client)
{
    async_begin;
    await(kio_write_all(&self->write, self->s, "hello", 5));
    if (faults_saw((int)self->write.out))
        async_return(false);
    await(kio_read_exact(&self->read, self->s, self->buf, 5));
    if (faults_saw((int)self->read.out))
        async_return(false);
    await(kio_shutdown(&self->shut, self->s));
    if (faults_saw((int)self->shut.out))
        async_return(false);
    async_return(memcmp(self->buf, "hello", 5) == 0);
}

enum how { BY_ADDRESS, BY_NAME, UNIX };

struct talk {
    async_fn(void);
    enum how how;
    struct kio_listener listener, lent;
    struct kio_addr addr, other;
    struct kio_join_handle server;
    struct kio_stream s;
    struct kio_connect_addr by_addr;
    struct kio_tcp_connect by_name;
    struct client client;
    char text[KIO_ADDR_TEXT];
    bool fine;
};

static void talk_drop(struct talk *self)
{
    kio_close(&self->s);
    kio_listener_close(&self->listener);
}

static int open_listener(struct talk *self)
{
    static const struct kio_listen_options options = { .reuseport = true };

    if (self->how == UNIX) {
        snprintf(self->text, sizeof self->text, "@kioto-fault-%d", (int)getpid());
        return kio_unix_listen(&self->listener, self->text);
    }
    return kio_tcp_listen(&self->listener, "127.0.0.1:0", &options);
}

async(talk, talk_drop)
{
    async_begin;
    faults_on();
    FAULT_TRY(open_listener(self));
    FAULT_TRY(kio_listener_addr(&self->listener, &self->addr));
    self->lent = self->listener;
    self->listener = (struct kio_listener){ 0 };
    FAULT_TRY(kio_spawn(&self->server, serve, .listener = self->lent));
    if (self->how == BY_NAME) {
        snprintf(self->text, sizeof self->text, "127.0.0.1:%d", kio_addr_port(&self->addr));
        await(kio_tcp_connect(&self->by_name, &self->s, self->text));
        FAULT_TRY(self->by_name.out);
    } else {
        await(kio_connect_addr(&self->by_addr, &self->s, &self->addr));
        FAULT_TRY(self->by_addr.out);
    }
    FAULT_TRY(kio_peer_addr(&self->s, &self->other));
    if (self->how != UNIX)
        FAULT_TRY(kio_tcp_nodelay(&self->s, true));
    await(async_call(&self->client, client, .s = &self->s));
    kio_close(&self->s);
    self->fine = self->client.out;
    if (!self->fine)
        async_return();
    await(&self->server);
    faults_complete();
    async_return();
}

static void tcp_by_address(void)
{
    faults_in_runtime(talk, .how = BY_ADDRESS);
}

static void tcp_by_name(void)
{
    faults_in_runtime(talk, .how = BY_NAME);
}

static void unix_by_path(void)
{
    faults_in_runtime(talk, .how = UNIX);
}

/* ---- a pair, datagrams -------------------------------------------------------------------- */

struct paired {
    async_fn(void);
    struct kio_stream a, b;
    struct kio_join_handle echo;
    struct client client;
};

static void paired_drop(struct paired *self)
{
    kio_close(&self->a);
    kio_close(&self->b);
}

async(paired, paired_drop)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_unix_pair(&self->a, &self->b));
    FAULT_TRY(kio_spawn(&self->echo, echo, .s = self->b));
    self->b = (struct kio_stream){ 0 };
    await(async_call(&self->client, client, .s = &self->a));
    kio_close(&self->a);
    await(&self->echo);
    if (self->client.out)
        faults_complete();
    async_return();
}

/* A spawn that fails releases what it was given, so b is closed either way. */
static void a_unix_pair(void)
{
    faults_in_runtime(paired);
}

struct datagrams {
    async_fn(void);
    struct kio_udp a, b;
    struct kio_addr to;
    struct kio_datagram send, recv;
    char buf[16];
};

static void datagrams_drop(struct datagrams *self)
{
    kio_udp_close(&self->a);
    kio_udp_close(&self->b);
}

async(datagrams, datagrams_drop)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_udp_bind(&self->a, "127.0.0.1:0"));
    FAULT_TRY(kio_udp_bind(&self->b, "127.0.0.1:0"));
    FAULT_TRY(kio_udp_addr(&self->b, &self->to));
    await(kio_udp_send(&self->send, &self->a, "hello", 5, &self->to));
    FAULT_TRY(self->send.out);
    await(kio_udp_recv(&self->recv, &self->b, self->buf, sizeof self->buf));
    FAULT_TRY(self->recv.out);
    faults_check(self->recv.out == 5);
    faults_complete();
    async_return();
}

static void udp(void)
{
    faults_in_runtime(datagrams);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(tcp_by_address), SCENARIO(tcp_by_name), SCENARIO(unix_by_path),
    SCENARIO(a_unix_pair),    SCENARIO(udp),
};

FAULTS_FDS_MAIN()
