/* A socket may give less than was asked for and have more: epoll says nothing of the rest. */
#include "support/rt.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads until `want` bytes are there. */
struct drain {
    async_fn(int);
    int fd;
    size_t want, got;
    struct kio_stream s;
    struct kio_sleep nap;
    struct kio_read read;
    int reads;
    char buf[64];
};

static void drain_drop(struct drain *self)
{
    kio_close(&self->s);
}

async(drain, drain_drop)
{
    async_begin;
    assert_int_equal(kio_stream_open(&self->s, self->fd), 0);
    await(kio_sleep(&self->nap, 5 * KIO_MS)); /* epoll has said what there is to say */
    while (self->got < self->want) {
        await(kio_read(&self->read, &self->s, self->buf + self->got, sizeof self->buf - self->got));
        assert_true(self->read.out > 0);
        self->got += (size_t)self->read.out;
        self->reads++;
    }
    async_return(self->reads);
}

static void pass_fd(int to, int fd, const char *text)
{
    char room[CMSG_SPACE(sizeof fd)] = { 0 };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = room,
        .msg_controllen = sizeof room,
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    assert_int_equal(sendmsg(to, &msg, 0), (ssize_t)iov.iov_len);
}

static void bytes_behind_a_passed_fd_are_read(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(send(fds[1], "abc", 3, 0), 3);
    pass_fd(fds[1], STDERR_FILENO, "def");
    assert_int_equal(send(fds[1], "ghi", 3, 0), 3);
    assert_true(run(drain, .fd = fds[0], .want = 9) > 1); /* the kernel stops at the fd */
    close(fds[1]);
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, len), 0);
    fds[0] = accept(listener, NULL, NULL);
    assert_true(fds[0] >= 0);
    close(listener);
}

static void bytes_behind_an_urgent_one_are_read(void **state)
{
    int fds[2];
    char peek[8];

    (void)state;
    tcp_pair(fds);
    assert_int_equal(send(fds[1], "abc", 3, 0), 3);
    assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
    assert_int_equal(send(fds[1], "def", 3, 0), 3);
    assert_int_equal(recv(fds[0], peek, 3, MSG_PEEK | MSG_WAITALL), 3);
    assert_true(run(drain, .fd = fds[0], .want = 6) > 1); /* the kernel stops at the mark */
    close(fds[1]);
}

static void packets_behind_a_packet_are_read(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(fds[1], "abc", 3, 0), 3);
    assert_int_equal(run(drain, .fd = fds[0], .want = 9), 3);
    close(fds[1]);
}

RT_MAIN(RT(bytes_behind_a_passed_fd_are_read), RT(bytes_behind_an_urgent_one_are_read),
        RT(packets_behind_a_packet_are_read))
