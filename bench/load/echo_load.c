/* A bare epoll client: CONNS connections that each send 64 bytes and wait for their return.
 * echo_load PORT CONNS SECONDS: prints requests and requests/s. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int conns = argc > 2 ? atoi(argv[2]) : 64;
    double seconds = argc > 3 ? atof(argv[3]) : 3;
    int ep = epoll_create1(0), on = 1;
    char buf[SIZE] = "x";
    long requests = 0;
    double start, end;

    if (argc < 2)
        return 2;
    addr.sin_port = htons((uint16_t)atoi(argv[1]));
    for (int i = 0; i < conns; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
            perror("connect");
            return 1;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        if (send(fd, buf, SIZE, 0) != SIZE)
            return 1;
    }
    start = now();
    for (end = start + seconds; now() < end;) {
        struct epoll_event evs[256];
        int n = epoll_wait(ep, evs, 256, 100);

        for (int i = 0; i < n; i++) {
            /* 64 bytes arrive whole on loopback; anything else is an error of the server */
            if (recv(evs[i].data.fd, buf, SIZE, MSG_WAITALL) != SIZE ||
                send(evs[i].data.fd, buf, SIZE, 0) != SIZE) {
                perror("echo");
                return 1;
            }
            requests++;
        }
    }
    printf("%ld %.0f\n", requests, (double)requests / (now() - start));
    return 0;
}
