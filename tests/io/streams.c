/* Streams of all kinds, lines, copying, any fd. */
#include "support/rt.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- duplex ------------------------------------------------------------------------------- */

struct echo_all {
    async_fn(void);
    struct kio_stream *s;
    struct kio_copy copy;
    struct kio_shutdown shut;
    char buf[7];
};

async(echo_all)
{
    async_begin;
    await(kio_copy(&self->copy, self->s, self->s, self->buf, sizeof self->buf));
    await(kio_shutdown(&self->shut, self->s));
    async_return();
}

struct duplex {
    async_fn(int);
    struct kio_stream a, b;
    struct kio_join_handle echo;
    struct kio_write_all write;
    struct kio_read_exact read;
    struct kio_read end;
    struct kio_join both;
    struct kio_shutdown shut;
    char out_[1000], in[1000];
};

static void duplex_drop(struct duplex *self)
{
    kio_close(&self->a);
    kio_close(&self->b);
}

struct echo_owner {
    async_fn(int64_t);
    struct kio_stream s; /* owned */
    struct echo_all echo;
};

static void echo_owner_drop(struct echo_owner *self)
{
    kio_close(&self->s);
}

async(echo_owner, echo_owner_drop)
{
    async_begin;
    await(async_call(&self->echo, echo_all, .s = &self->s));
    async_return(self->echo.copy.count);
}

async(duplex, duplex_drop)
{
    async_begin;
    for (size_t i = 0; i < sizeof self->out_; i++)
        self->out_[i] = (char)i;
    assert_int_equal(kio_duplex(&self->a, &self->b, 0), -EINVAL);
    assert_int_equal(kio_duplex(&self->a, &self->b, 16), 0);
    kio_spawn(&self->echo, echo_owner, .s = self->b);
    self->b = (struct kio_stream){ 0 };
    await(kio_join(&self->both, kio_write_all(&self->write, &self->a, self->out_, 1000),
                   kio_read_exact(&self->read, &self->a, self->in, 1000)));
    assert_int_equal(self->write.out, 0);
    assert_int_equal(self->read.out, 0);
    assert_memory_equal(self->in, self->out_, 1000);
    await(kio_shutdown(&self->shut, &self->a));
    await(kio_read(&self->end, &self->a, self->in, 1));
    assert_int_equal(self->end.out, 0);
    await(&self->echo);
    assert_int_equal(*kio_output(&self->echo, int64_t), 1000);
    await(kio_write_all(&self->write, &self->a, "x", 1));
    async_return(self->write.out);
}

static void a_duplex_carries_bytes_both_ways_and_ends(void **state)
{
    (void)state;
    assert_int_equal(run(duplex), -EPIPE);
}

/* ---- lines -------------------------------------------------------------------------------- */

struct lines {
    async_fn(int);
    struct kio_stream a, b;
    struct kio_write_all write;
    struct kio_lines reader;
    struct kio_next_line next;
    char buf[16];
};

static void lines_drop(struct lines *self)
{
    kio_close(&self->a);
    kio_close(&self->b);
}

async(lines, lines_drop)
{
    async_begin;
    assert_int_equal(kio_duplex(&self->a, &self->b, 100), 0);
    await(kio_write_all(&self->write, &self->a, "one\r\ntwo\n\nlast", 14));
    kio_close(&self->a);
    kio_lines(&self->reader, &self->b, self->buf, sizeof self->buf);
    await(kio_next_line(&self->next, &self->reader));
    assert_int_equal(self->next.out, 3);
    assert_memory_equal(self->next.line, "one", 3);
    await(kio_next_line(&self->next, &self->reader));
    assert_memory_equal(self->next.line, "two", 3);
    await(kio_next_line(&self->next, &self->reader));
    assert_int_equal(self->next.out, 0);
    assert_non_null(self->next.line);
    await(kio_next_line(&self->next, &self->reader));
    assert_int_equal(self->next.out, 4);
    await(kio_next_line(&self->next, &self->reader));
    assert_null(self->next.line);
    kio_close(&self->b);
    assert_int_equal(kio_duplex(&self->a, &self->b, 100), 0);
    await(kio_write_all(&self->write, &self->a, "a line that is too long\n", 24));
    kio_lines(&self->reader, &self->b, self->buf, sizeof self->buf);
    await(kio_next_line(&self->next, &self->reader));
    async_return((int)self->next.out);
}

static void lines_are_read_one_by_one(void **state)
{
    (void)state;
    assert_int_equal(run(lines), -EMSGSIZE);
}

/* ---- Unix sockets ------------------------------------------------------------------------- */

struct unix_talk {
    async_fn(int);
    struct kio_listener listener;
    struct kio_stream a, b;
    struct kio_connect_addr connect;
    struct kio_accept accept;
    struct kio_join both;
    struct kio_write_all write;
    struct kio_read read;
    struct kio_addr addr;
    char path[64], buf[8];
};

static void unix_drop(struct unix_talk *self)
{
    kio_listener_close(&self->listener);
    kio_close(&self->a);
    kio_close(&self->b);
}

async(unix_talk, unix_drop)
{
    async_begin;
    snprintf(self->path, sizeof self->path, "@kioto-test-%d", getpid());
    assert_int_equal(kio_unix_listen(&self->listener, self->path), 0);
    assert_int_equal(kio_unix_listen(&(struct kio_listener){ 0 }, NULL), -EINVAL);
    assert_int_equal(kio_listener_addr(&self->listener, &self->addr), 0);
    await(kio_join(&self->both, kio_connect_addr(&self->connect, &self->a, &self->addr),
                   kio_accept(&self->accept, &self->listener, &self->b)));
    assert_int_equal(self->connect.out, 0);
    await(kio_write_all(&self->write, &self->a, "unix", 4));
    await(kio_read(&self->read, &self->b, self->buf, 8));
    async_return((int)self->read.out);
}

static void unix_sockets_connect(void **state)
{
    (void)state;
    assert_int_equal(run(unix_talk), 4);
}

/* ---- UDP ---------------------------------------------------------------------------------- */

struct udp_talk {
    async_fn(int);
    struct kio_udp a, b;
    struct kio_datagram send, recv;
    struct kio_addr to;
    char buf[16];
};

static void udp_drop(struct udp_talk *self)
{
    kio_udp_close(&self->a);
    kio_udp_close(&self->b);
}

async(udp_talk, udp_drop)
{
    async_begin;
    assert_int_equal(kio_udp_bind(&self->a, "nonsense"), -EINVAL);
    assert_int_equal(kio_udp_bind(&self->a, "127.0.0.1:0"), 0);
    assert_int_equal(kio_udp_bind(&self->b, "127.0.0.1:0"), 0);
    assert_int_equal(kio_udp_addr(&self->b, &self->to), 0);
    await(kio_udp_send(&self->send, &self->a, "datagram", 8, &self->to));
    assert_int_equal(self->send.out, 8);
    await(kio_udp_recv(&self->recv, &self->b, self->buf, sizeof self->buf));
    assert_int_equal(kio_udp_addr(&self->a, &self->to), 0);
    assert_int_equal(kio_addr_port(&self->recv.addr), kio_addr_port(&self->to));
    async_return((int)self->recv.out);
}

static void datagrams_arrive_with_their_sender(void **state)
{
    (void)state;
    assert_int_equal(run(udp_talk), 8);
}

/* ---- any fd ------------------------------------------------------------------------------- */

struct any_fd {
    async_fn(int);
    struct kio_fd fd;
    struct kio_readiness ready;
    struct kio_timeout limit;
    uint64_t one;
    int number, file;
};

static void any_fd_drop(struct any_fd *self)
{
    kio_fd_close(&self->fd);
}

async(any_fd, any_fd_drop)
{
    async_begin;
    self->number = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(kio_fd_open(&self->fd, self->number), 0);
    await(kio_timeout(&self->limit, 5 * KIO_MS, kio_readable(&self->ready, &self->fd)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    self->one = 1;
    assert_int_equal(write(self->number, &self->one, 8), 8);
    await(kio_readable(&self->ready, &self->fd));
    assert_int_equal(self->ready.out, 0);
    await(kio_readable(&self->ready, &self->fd)); /* level: nothing was read */
    assert_int_equal(read(self->number, &self->one, 8), 8);
    await(kio_timeout(&self->limit, 5 * KIO_MS, kio_readable(&self->ready, &self->fd)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    await(kio_writable(&self->ready, &self->fd));
    assert_int_equal(self->ready.out, 0);

    struct kio_fd other;
    self->file = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(kio_fd_open(&other, self->file), -EPERM);
    close(self->file);
    assert_int_equal(kio_fd_open(&other, self->file), -EBADF);
    assert_int_equal(kio_fd_open(&other, self->number), -EEXIST);
    kio_fd_close(&self->fd);
    kio_fd_close(&self->fd);
    await(kio_readable(&self->ready, &self->fd));
    async_return(self->ready.out);
}

static void any_fd_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(any_fd), -EBADF);
}

struct pipes {
    async_fn(int);
    struct kio_stream r, w;
    struct kio_read read;
    struct kio_write_all write;
    char buf[8];
    int fds[2];
};

static void pipes_drop(struct pipes *self)
{
    kio_close(&self->r);
    kio_close(&self->w);
}

async(pipes, pipes_drop)
{
    async_begin;
    assert_int_equal(pipe(self->fds), 0);
    assert_int_equal(kio_stream_open(&self->r, self->fds[0]), 0);
    assert_int_equal(kio_stream_open(&self->w, self->fds[1]), 0);
    await(kio_write_all(&self->write, &self->w, "pipe", 4));
    await(kio_read(&self->read, &self->r, self->buf, 8));
    assert_int_equal(self->read.out, 4);
    kio_close(&self->w);
    await(kio_read(&self->read, &self->r, self->buf, 8));
    async_return((int)self->read.out);
}

static void pipes_are_streams(void **state)
{
    (void)state;
    assert_int_equal(run(pipes), 0);
}

RT_MAIN(RT(a_duplex_carries_bytes_both_ways_and_ends), RT(lines_are_read_one_by_one),
        RT(unix_sockets_connect), RT(datagrams_arrive_with_their_sender), RT(any_fd_is_waited_for),
        RT(pipes_are_streams))
