/* A real nginx on loopback, with TLS by a CA made for the occasion, in a folder of its own. */
#ifndef TESTS_SUPPORT_NGINX_H
#define TESTS_SUPPORT_NGINX_H

#include <sys/types.h>

struct nginx {
    pid_t pid;
    int port, tls_port;
    char dir[64];
    char ca_file[96];
};

/* 0, or -1: nginx or openssl is missing or fails; says why on stderr. */
int nginx_start(struct nginx *n);
void nginx_stop(struct nginx *n);

#endif
