/* TCP between Kioto and plain sockets, and when things go wrong. SEMANTICS.md, I/O. */
#include "support/rt.h"
#include "driver/readiness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a listener of the test, and plain clients -------------------------------------------- */

static int plain_connect(int port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void reset_on_close(int fd)
{
    struct linger now = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static int port_of(const struct kio_listener *l)
{
    struct kio_addr addr;

    assert_int_equal(kio_listener_addr(l, &addr), 0);
    return kio_addr_port(&addr);
}

/* A connection: ours, and the plain end. */
struct pair {
    async_fn(int);
    struct kio_tcp_stream *ours;
    int *theirs;
    struct kio_listener listener;
    struct kio_accept accept;
};

static void pair_drop(struct pair *self)
{
    kio_listener_close(&self->listener);
}

async(pair, pair_drop)
{
    async_begin;
    assert_int_equal(kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL), 0);
    *self->theirs = plain_connect(port_of(&self->listener));
    await(kio_accept(&self->accept, &self->listener, self->ours));
    assert_int_equal(self->accept.out, 0);
    assert_true(kio_addr_port(&self->accept.peer) != 0);
    async_return(0);
}

/* ---- reading and writing ------------------------------------------------------------------ */

struct talk {
    async_fn(int);
    struct pair pair;
    struct kio_tcp_stream conn;
    int plain;
    char buf[100];
    struct kio_read read;
    struct kio_read_exact exact;
    struct kio_write_all write;
    struct kio_shutdown shut;
};

static void talk_drop(struct talk *self)
{
    kio_close(&self->conn);
    close(self->plain);
}

async(talk, talk_drop)
{
    async_begin;
    await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = &self->plain));
    await(kio_write_all(&self->write, &self->conn, "hello", 5));
    assert_int_equal(self->write.out, 0);
    assert_int_equal(recv(self->plain, self->buf, 5, MSG_WAITALL), 5);
    assert_memory_equal(self->buf, "hello", 5);

    assert_int_equal(send(self->plain, "abcdefgh", 8, 0), 8);
    await(kio_read(&self->read, &self->conn, self->buf, 3));
    assert_int_equal(self->read.out, 3);
    await(kio_read_exact(&self->exact, &self->conn, self->buf, 5));
    assert_int_equal(self->exact.out, 0);
    assert_memory_equal(self->buf, "defgh", 5);
    await(kio_read(&self->read, &self->conn, self->buf, 0));
    assert_int_equal(self->read.out, 0);

    /* Half closed by the peer: the rest, then the end; writing goes on. */
    assert_int_equal(send(self->plain, "xy", 2, 0), 2);
    shutdown(self->plain, SHUT_WR);
    await(kio_read_exact(&self->exact, &self->conn, self->buf, 5));
    assert_int_equal(self->exact.out, -ENODATA);
    assert_int_equal(self->exact.count, 2);
    await(kio_read(&self->read, &self->conn, self->buf, 5));
    assert_int_equal(self->read.out, 0);
    await(kio_write_all(&self->write, &self->conn, "still", 5));
    assert_int_equal(self->write.out, 0);
    assert_int_equal(recv(self->plain, self->buf, 5, MSG_WAITALL), 5);

    /* And by us. */
    await(kio_shutdown(&self->shut, &self->conn));
    assert_int_equal(self->shut.out, 0);
    assert_int_equal(recv(self->plain, self->buf, 5, 0), 0);
    async_return(0);
}

static void bytes_go_both_ways_and_halves_close(void **state)
{
    (void)state;
    assert_int_equal(run(talk), 0);
}

/* ---- the peer resets ---------------------------------------------------------------------- */

struct resets {
    async_fn(int);
    struct pair pair;
    struct kio_tcp_stream conn;
    int plain;
    char buf[100];
    struct kio_read read;
    struct kio_write_all write;
    struct kio_sleep nap;
};

static void resets_drop(struct resets *self)
{
    kio_close(&self->conn);
}

async(resets, resets_drop)
{
    async_begin;
    await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = &self->plain));
    reset_on_close(self->plain);
    await(kio_read(&self->read, &self->conn, self->buf, sizeof self->buf));
    assert_int_equal(self->read.out, -ECONNRESET);
    await(kio_write_all(&self->write, &self->conn, self->buf, sizeof self->buf));
    assert_int_equal(self->write.out, -EPIPE); /* and no SIGPIPE */
    async_return(0);
}

static void a_reset_is_an_error_and_no_signal(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(run(resets), 0);
}

/* ---- much, slowly ------------------------------------------------------------------------- */

#define MUCH (8 << 20)

static void *slow_reader(void *arg)
{
    static char buf[100000];
    int fd = *(int *)arg;
    long total = 0;
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal((unsigned char)buf[i], (unsigned char)((total + i) % 251));
        total += n;
    }
    return (void *)total;
}

struct flood {
    async_fn(int);
    struct pair pair;
    struct kio_tcp_stream conn;
    int *plain;
    char *data;
    pthread_t *reader;
    struct kio_write_all write;
};

static void flood_drop(struct flood *self)
{
    kio_close(&self->conn);
    free(self->data);
}

async(flood, flood_drop)
{
    async_begin;
    self->data = malloc(MUCH);
    for (long i = 0; i < MUCH; i++)
        self->data[i] = (char)(i % 251);
    await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = self->plain));
    assert_int_equal(pthread_create(self->reader, NULL, slow_reader, self->plain), 0);
    await(kio_write_all(&self->write, &self->conn, self->data, MUCH));
    assert_int_equal(self->write.out, 0);
    assert_int_equal(self->write.count, MUCH);
    async_return(0);
}

static void eight_mebibytes_arrive_whole(void **state)
{
    static int plain;
    pthread_t reader;
    void *total;

    (void)state;
    assert_int_equal(run(flood, .plain = &plain, .reader = &reader), 0);
    pthread_join(reader, &total);
    close(plain);
    assert_int_equal((long)total, MUCH);
}

/* ---- connecting --------------------------------------------------------------------------- */

struct connects {
    async_fn(int);
    struct kio_listener listener;
    struct kio_accept accept;
    struct kio_tcp_connect connect;
    struct kio_join both;
    struct kio_tcp_stream a, b;
    struct kio_read read;
    struct kio_write_all write;
    char name[64], buf[8];
    int closed_port;
};

static void connects_drop(struct connects *self)
{
    kio_listener_close(&self->listener);
    kio_close(&self->a);
    kio_close(&self->b);
}

async(connects, connects_drop)
{
    async_begin;
    assert_int_equal(kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL), 0);
    snprintf(self->name, sizeof self->name, "localhost:%d", port_of(&self->listener));
    await(kio_join(&self->both, kio_tcp_connect(&self->connect, &self->a, self->name),
                   kio_accept(&self->accept, &self->listener, &self->b)));
    assert_int_equal(self->connect.out, 0);
    assert_int_equal(kio_tcp_nodelay(&self->a, true), 0);
    await(kio_write_all(&self->write, &self->a, "ping", 4));
    await(kio_read(&self->read, &self->b, self->buf, sizeof self->buf));
    assert_int_equal(self->read.out, 4);

    self->closed_port = port_of(&self->listener);
    kio_listener_close(&self->listener);
    kio_close(&self->a);
    snprintf(self->name, sizeof self->name, "127.0.0.1:%d", self->closed_port);
    await(kio_tcp_connect(&self->connect, &self->a, self->name));
    assert_int_equal(self->connect.out, -ECONNREFUSED);
    assert_null(self->a.stream_type);
    await(kio_tcp_connect(&self->connect, &self->a, "nothing.invalid:80"));
    assert_true(self->connect.out == -ENOENT || self->connect.out == -EAGAIN);
    await(kio_tcp_connect(&self->connect, &self->a, "no-port"));
    assert_int_equal(self->connect.out, -EINVAL);
    async_return(0);
}

static void names_are_connected_to_and_failures_told(void **state)
{
    (void)state;
    assert_int_equal(run(connects), 0);
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = { "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                                       "localhost:80", "[::1:80", "unix:", "1.2.3.4:x", "a:b:c" };
    struct kio_addr addr;
    char text[KIO_ADDR_TEXT];

    (void)state;
    assert_int_equal(kio_addr_parse(&addr, NULL), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(kio_addr_parse(&addr, bad[i]), -EINVAL);
    assert_int_equal(kio_addr_parse(&addr, "[2001:db8::1]:443"), 0);
    assert_string_equal(kio_addr_format(&addr, text, sizeof text), "[2001:db8::1]:443");
    assert_int_equal(kio_addr_parse(&addr, "192.0.2.1:80"), 0);
    assert_string_equal(kio_addr_format(&addr, text, sizeof text), "192.0.2.1:80");
    assert_int_equal(kio_addr_parse(&addr, "unix:@abc"), 0);
    assert_string_equal(kio_addr_format(&addr, text, sizeof text), "unix:@abc");
}

/* ---- out of fds --------------------------------------------------------------------------- */

struct exhausted {
    async_fn(int);
    struct kio_listener listener;
    struct kio_accept accept;
    struct kio_tcp_stream conn;
    struct kio_sleep nap;
    int plain, hoard[4096], hoarded;
    struct rlimit before;
};

static void exhausted_drop(struct exhausted *self)
{
    kio_listener_close(&self->listener);
    kio_close(&self->conn);
}

async(exhausted, exhausted_drop)
{
    async_begin;
    assert_int_equal(kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL), 0);
    self->plain = plain_connect(port_of(&self->listener));
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    getrlimit(RLIMIT_NOFILE, &self->before);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 128, self->before.rlim_max });
    while (self->hoarded < 4096 && (self->hoard[self->hoarded] = dup(0)) >= 0)
        self->hoarded++;
    await(kio_accept(&self->accept, &self->listener, &self->conn));
    int out = self->accept.out;
    while (self->hoarded > 0)
        close(self->hoard[--self->hoarded]);
    setrlimit(RLIMIT_NOFILE, &self->before);
    assert_int_equal(out, -EMFILE);
    await(kio_accept(&self->accept, &self->listener, &self->conn)); /* it was not lost */
    assert_int_equal(self->accept.out, 0);
    close(self->plain);
    async_return(0);
}

static void accept_without_fds_is_told_and_recovers(void **state)
{
    (void)state;
    assert_int_equal(run(exhausted), 0);
}

static void a_runtime_without_fds_is_an_error(void **state)
{
    struct kio_runtime *r;
    struct rlimit before;
    int hoard[4096], hoarded = 0;
    int err;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 128, before.rlim_max });
    while (hoarded < 4096 && (hoard[hoarded] = dup(0)) >= 0)
        hoarded++;
    for (int spare = 0; spare < 3; spare++) {
        err = kio_runtime_new(&r, &(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 2 });
        if (!err)
            kio_runtime_free(r);
        else if (err != -EMFILE)
            break;
        close(hoard[--hoarded]);
    }
    while (hoarded > 0)
        close(hoard[--hoarded]);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(err == 0 || err == -EMFILE);
}

/* ---- closing under a waiter; late events -------------------------------------------------- */

struct closer {
    async_fn(void);
    struct kio_tcp_stream *conn;
    struct kio_sleep nap;
};

async(closer)
{
    async_begin;
    await(kio_sleep(&self->nap, 5 * KIO_MS));
    kio_close(self->conn);
    async_return();
}

struct closed {
    async_fn(int);
    struct pair pair;
    struct kio_tcp_stream conn;
    int plain;
    struct kio_read read;
    struct closer closer;
    struct kio_join both;
    char buf[8];
};

async(closed)
{
    async_begin;
    await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = &self->plain));
    await(kio_join(&self->both, kio_read(&self->read, &self->conn, self->buf, 8),
                   async_call(&self->closer, closer, .conn = &self->conn)));
    close(self->plain);
    async_return((int)self->read.out);
}

static void closing_wakes_who_waits_with_ebadf(void **state)
{
    (void)state;
    assert_int_equal(run(closed), -EBADF);
}

struct reuse {
    async_fn(int);
    struct pair pair;
    struct kio_tcp_stream conn;
    int plain, i, number;
    struct kio_read read;
    struct kio_timeout limit;
    char buf[8];
};

static void reuse_drop(struct reuse *self)
{
    kio_close(&self->conn);
}

/* An fd is closed while its event is on the way, and the number used again at once: the new
 * connection must not believe it is readable. */
async(reuse, reuse_drop)
{
    async_begin;
    for (self->i = 0; self->i < 50; self->i++) {
        await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = &self->plain));
        assert_int_equal(send(self->plain, "x", 1, 0), 1); /* its event will come late */
        kio_close(&self->conn);
        close(self->plain);
        await(async_call(&self->pair, pair, .ours = &self->conn, .theirs = &self->plain));
        await(kio_timeout(&self->limit, KIO_MS, kio_read(&self->read, &self->conn, self->buf, 8)));
        assert_int_equal(self->limit.out, -ETIMEDOUT);
        kio_close(&self->conn);
        close(self->plain);
    }
    async_return(0);
}

static void a_late_event_never_reaches_a_new_fd(void **state)
{
    (void)state;
    assert_int_equal(run(reuse), 0);
}

static void a_late_token_is_forgotten(void **state)
{
    struct kio_runtime *before = kio_runtime_enter(rt);
    struct kio_fd fd;
    int pipes[2];
    struct ki_ready *r;
    uint64_t token;

    (void)state;
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    assert_int_equal(kio_fd_open(&fd, pipes[0]), 0);
    r = fd.ready;
    token = (uint64_t)r->gen << 32 | r->index;
    ki_ready_clear(r, KI_READ, ki_load_relaxed(&r->word));
    assert_int_equal(kio_fd_release(&fd), pipes[0]);
    assert_int_equal(kio_fd_open(&fd, pipes[0]), 0);
    assert_ptr_equal(fd.ready, r); /* the same registration, another generation */
    ki_ready_clear(r, KI_READ, ki_load_relaxed(&r->word));
    ki_ready_event(token, KI_READ);
    assert_int_equal(ki_load_relaxed(&r->word) & KI_READ, 0);
    kio_fd_close(&fd);
    close(pipes[1]);
    kio_runtime_leave(before);
}

/* ---- fds that outlive their runtime ------------------------------------------------------- */

struct keeps {
    async_fn(int);
    struct kio_tcp_stream *conn;
    int *plain;
    struct pair pair;
};

async(keeps)
{
    async_begin;
    await(async_call(&self->pair, pair, .ours = self->conn, .theirs = self->plain));
    async_return(0);
}

static void a_stream_outlives_its_runtime(void **state)
{
    static struct kio_tcp_stream conn;
    static int plain;
    struct kio_runtime *other;

    (void)state;
    assert_int_equal(kio_runtime_new(&other, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                          .workers = 2 }),
                     0);
    kio_runtime_block_on(other, keeps, .conn = &conn, .plain = &plain);
    kio_runtime_free(other);
    kio_close(&conn);
    kio_close(&conn);
    close(plain);
}

RT_MAIN(RT(bytes_go_both_ways_and_halves_close), RT(a_reset_is_an_error_and_no_signal),
        RT(eight_mebibytes_arrive_whole), RT(names_are_connected_to_and_failures_told),
        RT(bad_addresses_are_refused), RT(accept_without_fds_is_told_and_recovers),
        RT(a_runtime_without_fds_is_an_error), RT(closing_wakes_who_waits_with_ebadf),
        RT(a_late_event_never_reaches_a_new_fd), RT(a_late_token_is_forgotten),
        RT(a_stream_outlives_its_runtime))
