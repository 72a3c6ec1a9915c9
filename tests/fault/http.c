/* The HTTP client against a small server, with every call failing once. */
#include "support/faults.h"

#include <kioto/http.h>

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server: a process, a connection at a time, one answer ------------------------------ */

static int server_port;
static pid_t server;

static void answer(int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    char request[4096];

    if (recv(fd, request, sizeof request, 0) > 0)
        (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    close(fd);
}

static KIO_NORETURN void serve(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            answer(fd);
    }
}

static void start_server(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 100), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    server_port = ntohs(addr.sin_port);
    server = fork();
    if (server == 0)
        serve(listener);
    assert_true(server > 0);
    close(listener);
}

/* ---- requests ----------------------------------------------------------------------------- */

struct fetch {
    async_fn(void);
    bool stream;
    char url[100], ca[20];
    struct kio_http_get get;
    struct kio_http_read read;
    char body[16];
    size_t got;
};

async(fetch)
{
    async_begin;
    snprintf(self->url, sizeof self->url, "http://127.0.0.1:%d/page", server_port);
    static const char *const headers[] = { "X-One: 1", "X-Two: 2", NULL };

    faults_on();
    await(kio_http_fetch(&self->get, &(struct kio_http_request){
                                         .url = self->url,
                                         .headers = headers,
                                         .ca_file = "/nowhere",
                                         .user_agent = "fault",
                                         .stream = self->stream,
                                         .timeout = 3600 * KIO_SEC,
                                     }));
    FAULT_TRY(self->get.out.error);
    faults_check(self->get.out.status == 200);
    while (self->stream) {
        await(kio_http_read(&self->read, &self->get, self->body + self->got, 16 - self->got));
        FAULT_TRY(self->read.out);
        if (!self->read.out)
            break;
        self->got += (size_t)self->read.out;
    }
    faults_check(memcmp(self->stream ? self->body : self->get.out.body.data, "hello", 5) == 0);
    faults_complete();
    async_return();
}

static void a_page(void)
{
    faults_in_runtime(fetch, .stream = false);
}

static void a_page_in_pieces(void)
{
    faults_in_runtime(fetch, .stream = true);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_page),
    SCENARIO(a_page_in_pieces),
};

FAULTS_TEST(every_call_fails_once, faults_run)

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_call_fails_once) };

    int failed;

    start_server();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    kill(server, SIGKILL);
    return failed;
}
