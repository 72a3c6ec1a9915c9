/* The machine's limit for `echo`: one thread, one epoll, nothing else. epoll-bench LABEL ct echo [PORT] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static void answer(int fd)
{
    char buf[1024];

    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n) {
            close(fd);
            return;
        }
        if ((size_t)n < sizeof buf)
            return; /* level-triggered: what comes later is told */
    }
}

/* All that wait: one a turn would leave most of a thousand connections unserved for seconds. */
static void accept_all(int listener, int ep)
{
    struct epoll_event ev = { .events = EPOLLIN };
    int one = 1;

    while ((ev.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(ev.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event evs[256], ev = { .events = EPOLLIN };
    socklen_t len = sizeof addr;
    int one = 1;
    int listener, ep;

    if (argc == 2) {
        puts("echo");
        return 0;
    }
    addr.sin_port = htons((uint16_t)(argc > 4 ? atoi(argv[4]) : 0));
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 4096))
        return fail("listen");
    getsockname(listener, (struct sockaddr *)&addr, &len);
    printf("listening on %u\n", ntohs(addr.sin_port));
    fflush(stdout);
    ep = epoll_create1(EPOLL_CLOEXEC);
    ev.data.fd = listener;
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(ep, evs, 256, -1);

        for (int i = 0; i < n; i++) {
            if (evs[i].data.fd == listener)
                accept_all(listener, ep);
            else
                answer(evs[i].data.fd);
        }
    }
}
