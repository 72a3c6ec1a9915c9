#include "support/nginx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char config_text[] =
    "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
    "events { worker_connections 4096; }\n"
    "http {\n"
    "  access_log off; root %s/www; default_type text/plain;\n"
    "  client_body_temp_path %s/tmp; proxy_temp_path %s/tmp; fastcgi_temp_path %s/tmp;\n"
    "  uwsgi_temp_path %s/tmp; scgi_temp_path %s/tmp;\n"
    "  gzip on; gzip_min_length 1; gzip_types text/plain; keepalive_requests 100000;\n"
    "  server {\n"
    "    listen 127.0.0.1:%d backlog=2048; listen 127.0.0.1:%d ssl http2;\n"
    "    ssl_certificate %s/server.pem; ssl_certificate_key %s/server.key;\n"
    "    location = /hello { return 200 'hello\\n'; }\n"
    "    location = /r1 { return 302 /r2; }\n"
    "    location = /r2 { return 301 /hello; }\n"
    "    location = /loop { return 302 /loop; }\n"
    "    location = /conn { return 200 '$connection_requests\\n'; }\n"
    "    location = /echo { return 200 '$request_method $http_x_test $content_length\\n'; }\n"
    "  }\n"
    "}\n";

static int run(const char *command)
{
    int status = system(command);

    if (status)
        fprintf(stderr, "failed: %s\n", command);
    return status ? -1 : 0;
}

static int make_certificates(const char *dir)
{
    char text[1600];

    snprintf(text, sizeof text,
             "cd %s && { openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2"
             " -subj '/CN=Kioto test CA' && openssl req -newkey rsa:2048 -nodes -keyout server.key"
             " -out server.csr -subj '/CN=localhost' &&"
             " printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > ext &&"
             " openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
             " -out server.pem -days 2 -extfile ext; } > openssl.log 2>&1",
             dir);
    return run(text);
}

static int free_port(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int port = -1;

    if (fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof addr) &&
        !getsockname(fd, (struct sockaddr *)&addr, &len))
        port = ntohs(addr.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static int write_files(struct nginx *n)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "mkdir -p %s/www %s/tmp && truncate -s 100M %s/www/big.bin", n->dir,
             n->dir, n->dir);
    if (run(path))
        return -1;
    snprintf(path, sizeof path, "%s/www/long.txt", n->dir);
    f = fopen(path, "w");
    if (!f)
        return -1;
    for (int i = 0; i < 20000; i++)
        fprintf(f, "line %d of a text that compresses well\n", i);
    fclose(f);
    snprintf(path, sizeof path, "%s/conf", n->dir);
    f = fopen(path, "w");
    if (!f)
        return -1;
    fprintf(f, config_text, n->dir, n->dir, n->dir, n->dir, n->dir, n->dir, n->dir, n->dir, n->port,
            n->tls_port, n->dir, n->dir);
    fclose(f);
    return 0;
}

static int wait_for_port(int port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };

    for (int i = 0; i < 200; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int err = connect(fd, (struct sockaddr *)&addr, sizeof addr);

        close(fd);
        if (!err)
            return 0;
        usleep(50000);
    }
    return -1;
}

int nginx_start(struct nginx *n)
{
    char conf[96], prefix[96];

    *n = (struct nginx){ .dir = "/tmp/kioto-nginx-XXXXXX" };
    if (!mkdtemp(n->dir))
        return -1;
    chmod(n->dir, 0755);
    snprintf(n->ca_file, sizeof n->ca_file, "%s/ca.pem", n->dir);
    n->port = free_port();
    n->tls_port = free_port();
    if (make_certificates(n->dir) || write_files(n))
        return -1;
    snprintf(conf, sizeof conf, "%s/conf", n->dir);
    snprintf(prefix, sizeof prefix, "%s/", n->dir);
    n->pid = fork();
    if (n->pid == 0) {
        execl("/usr/sbin/nginx", "nginx", "-p", prefix, "-c", conf, (char *)NULL);
        execlp("nginx", "nginx", "-p", prefix, "-c", conf, (char *)NULL);
        _exit(127);
    }
    if (n->pid < 0 || wait_for_port(n->port)) {
        fprintf(stderr, "nginx does not start, see %s/error.log\n", n->dir);
        return -1;
    }
    return 0;
}

void nginx_stop(struct nginx *n)
{
    char command[96];

    if (n->pid > 0) {
        kill(n->pid, SIGTERM);
        waitpid(n->pid, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -rf %s", n->dir);
    (void)run(command);
}
