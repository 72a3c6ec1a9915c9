/* The HTTP client against a real nginx with TLS, and against servers that misbehave. */
#include <kioto.h>
#include <kioto/http.h>

#include "support/nginx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct nginx nginx;
static enum kio_flavor flavor;
static struct kio_runtime *rt;

static const char *url_of(const char *path)
{
    static char text[4][256];
    static int i;

    i = (i + 1) % 4;
    snprintf(text[i], sizeof text[i], "http://127.0.0.1:%d%s", nginx.port, path);
    return text[i];
}

static const char *tls_url_of(const char *path)
{
    static char text[256];

    snprintf(text, sizeof text, "https://localhost:%d%s", nginx.tls_port, path);
    return text;
}

static int open_runtime(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = flavor, .workers = 2 });
}

static int close_runtime(void **state)
{
    (void)state;
    kio_runtime_free(rt);
    return 0;
}

/* ---- one request, its answer copied out --------------------------------------------------- */

struct answer {
    int error, status, version;
    size_t len;
    char start[64];
    char message[256];
    char type[64];
};

struct fetch {
    async_fn(struct answer);
    struct kio_http_request request;
    struct kio_http_get get;
};

async(fetch)
{
    async_begin;
    await(kio_http_fetch(&self->get, &self->request));
    struct kio_http_response *r = &self->get.out;
    struct answer a = { r->error, r->status, r->http_version, r->body.len, "", "", "" };
    size_t len = 0;
    const char *type = kio_http_header(r, "content-type", &len);

    snprintf(a.start, sizeof a.start, "%s", r->body.data ? r->body.data : "");
    snprintf(a.message, sizeof a.message, "%s", r->message ? r->message : "");
    snprintf(a.type, sizeof a.type, "%.*s", (int)len, type ? type : "");
    async_return(a);
}

static struct answer get(const char *url)
{
    return kio_runtime_block_on(rt, fetch, .request = { .url = url });
}

static void a_page_arrives_with_status_headers_and_body(void **state)
{
    struct answer a = get(url_of("/hello"));

    (void)state;
    assert_int_equal(a.error, 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.version, 11);
    assert_string_equal(a.start, "hello\n");
    assert_string_equal(a.type, "text/plain");
}

static void a_404_is_an_answer_and_no_error(void **state)
{
    struct answer a = get(url_of("/missing"));

    (void)state;
    assert_int_equal(a.error, 0);
    assert_int_equal(a.status, 404);
}

static void a_chain_of_redirects_is_followed(void **state)
{
    struct answer a = get(url_of("/r1"));

    (void)state;
    assert_int_equal(a.status, 200);
    assert_string_equal(a.start, "hello\n");
}

static void redirects_are_left_alone_when_asked(void **state)
{
    struct answer a = kio_runtime_block_on(
        rt, fetch, .request = { .url = url_of("/r1"), .max_redirects = -1 });

    (void)state;
    assert_int_equal(a.error, 0);
    assert_int_equal(a.status, 302);
}

static void a_loop_of_redirects_is_an_error(void **state)
{
    struct answer a = get(url_of("/loop"));

    (void)state;
    assert_int_equal(a.error, -ELOOP);
    assert_true(strlen(a.message) > 10);
}

static void a_compressed_and_chunked_body_is_unpacked(void **state)
{
    struct answer a = get(url_of("/long.txt"));
    size_t want = 0;

    (void)state;
    for (int i = 0; i < 20000; i++)
        want += (size_t)snprintf(NULL, 0, "line %d of a text that compresses well\n", i);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.len, want);
    assert_memory_equal(a.start, "line 0 of a text", 16);
}

static void a_post_carries_its_headers_and_body(void **state)
{
    static const char *const headers[] = { "X-Test: seven", NULL };
    struct answer a = kio_runtime_block_on(
        rt, fetch,
        .request = { .url = url_of("/echo"), .headers = headers, .body = "12345", .body_len = 5 });

    (void)state;
    assert_string_equal(a.start, "POST seven 5\n");
}

static void http_2_is_spoken_over_tls_with_a_trusted_certificate(void **state)
{
    struct answer a = kio_runtime_block_on(
        rt, fetch, .request = { .url = tls_url_of("/hello"), .ca_file = nginx.ca_file });

    (void)state;
    assert_string_equal(a.message, "");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.version, 20);
    assert_string_equal(a.start, "hello\n");
}

static void an_untrusted_certificate_is_refused(void **state)
{
    struct answer a = get(tls_url_of("/hello"));

    (void)state;
    assert_int_equal(a.error, -EKEYREJECTED);
    assert_non_null(strstr(a.message, "certificate"));
}

static void a_ca_file_that_is_missing_is_named(void **state)
{
    struct answer a = kio_runtime_block_on(
        rt, fetch, .request = { .url = tls_url_of("/hello"), .ca_file = "/nonexistent.pem" });

    (void)state;
    assert_int_equal(a.error, -ENOENT);
    assert_non_null(strstr(a.message, "nonexistent"));
}

static void bad_urls_say_what_is_wrong(void **state)
{
    char *long_url;
    struct answer a = get("BAD_URL");

    (void)state;
    assert_int_equal(a.error, -EINVAL);
    assert_string_equal(a.message, "no scheme, want http:// or https://");
    assert_int_equal(get("").error, -EINVAL);
    assert_int_equal(get("ftp://127.0.0.1/").error, -EINVAL);
    assert_int_equal(get("http://127.0.0.1:99999/").error, -EINVAL);
    assert_int_equal(get("http://").error, -EINVAL);
    assert_int_equal(get(NULL).error, -EINVAL);

    long_url = malloc((1 << 20) + 64);
    memset(long_url, 'a', 1 << 20);
    memcpy(long_url, url_of("/"), strlen(url_of("/")));
    long_url[1 << 20] = '\0';
    a = get(long_url);
    assert_true(a.error < 0 || a.status == 414 || a.status == 400);
    memset(long_url, 'a', 1 << 20);
    assert_int_equal(get(long_url).error, -EINVAL);
    free(long_url);
}

static void a_refused_connection_is_refused(void **state)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
    char url[64];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    getsockname(fd, (struct sockaddr *)&addr, &len);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(addr.sin_port));
    assert_int_equal(get(url).error, -ECONNREFUSED);
    close(fd);
}

static void a_host_that_does_not_exist_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(get("http://nothing.invalid/").error, -ENOENT);
}

static void a_body_larger_than_allowed_is_an_error(void **state)
{
    struct answer a = kio_runtime_block_on(
        rt, fetch, .request = { .url = url_of("/big.bin"), .max_body = 1000 });

    (void)state;
    assert_int_equal(a.error, -EMSGSIZE);
    assert_string_equal(a.message, "the body is larger than max_body");
}

/* ---- servers that misbehave: a thread with a plain socket --------------------------------- */

struct rogue {
    int listener, port;
    const char *say; /* after the request; then: */
    bool stay;       /* keep the connection open, or close it */
    pthread_t thread;
    int conn;
};

static void *rogue_main(void *arg)
{
    struct rogue *r = arg;
    char buf[4096];

    r->conn = accept(r->listener, NULL, NULL);
    if (r->conn < 0)
        return NULL;
    if (recv(r->conn, buf, sizeof buf, 0) > 0 && r->say)
        send(r->conn, r->say, strlen(r->say), MSG_NOSIGNAL);
    while (r->stay && recv(r->conn, buf, sizeof buf, 0) > 0)
        ; /* until the client goes */
    close(r->conn);
    return NULL;
}

static void rogue_start(struct rogue *r, const char *say, bool stay)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;

    *r = (struct rogue){ .listener = socket(AF_INET, SOCK_STREAM, 0), .say = say, .stay = stay };
    assert_int_equal(bind(r->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    getsockname(r->listener, (struct sockaddr *)&addr, &len);
    r->port = ntohs(addr.sin_port);
    listen(r->listener, 8);
    assert_int_equal(pthread_create(&r->thread, NULL, rogue_main, r), 0);
}

static void rogue_end(struct rogue *r)
{
    pthread_join(r->thread, NULL);
    close(r->listener);
}

static void a_server_that_stalls_runs_into_the_timeout(void **state)
{
    struct rogue r;
    char url[64];
    struct answer a;

    (void)state;
    rogue_start(&r, NULL, true);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", r.port);
    a = kio_runtime_block_on(rt, fetch, .request = { .url = url, .timeout = 200 * KIO_MS });
    assert_int_equal(a.error, -ETIMEDOUT);
    rogue_end(&r);
}

static void a_server_that_closes_in_mid_body_is_an_error(void **state)
{
    struct rogue r;
    char url[64];

    (void)state;
    rogue_start(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this", false);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", r.port);
    assert_int_equal(get(url).error, -ECONNRESET);
    rogue_end(&r);
}

struct impatient {
    async_fn(int);
    const char *url;
    struct kio_http_get get;
    struct kio_timeout limit;
};

async(impatient)
{
    async_begin;
    await(kio_timeout(&self->limit, 100 * KIO_MS, kio_http_get(&self->get, self->url)));
    async_return(self->limit.out);
}

static void a_future_dropped_in_mid_transfer_ends_the_connection(void **state)
{
    struct rogue r;
    char url[64];

    (void)state;
    rogue_start(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this", true);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", r.port);
    assert_int_equal(kio_runtime_block_on(rt, impatient, .url = url), -ETIMEDOUT);
    rogue_end(&r); /* its loop ends when the client has closed */
}

struct twice {
    async_fn(int);
    const char *url;
    struct fetch fetch;
    int i, last;
};

async(twice)
{
    async_begin;
    for (self->i = 0; self->i < 5; self->i++) {
        await(async_call(&self->fetch, fetch, .request = { .url = self->url }));
        self->last = atoi(self->fetch.out.start);
    }
    async_return(self->last);
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    assert_int_equal(kio_runtime_block_on(rt, twice, .url = url_of("/conn")), 5);
}

static void the_proxy_of_the_environment_is_asked(void **state)
{
    struct rogue r;
    char proxy[64];
    struct answer a;

    (void)state;
    rogue_start(&r, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy", false);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", r.port);
    setenv("http_proxy", proxy, 1);
    a = get("http://nothing.invalid/");
    unsetenv("http_proxy");
    assert_int_equal(a.error, 0);
    assert_string_equal(a.start, "proxy");
    rogue_end(&r);
}

/* ---- streamed ----------------------------------------------------------------------------- */

static size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (fscanf(f, "%*s %zu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * 4096;
}

struct stream {
    async_fn(int64_t);
    const char *url;
    struct kio_http_get get;
    struct kio_http_read read;
    int64_t total;
    size_t before, most;
    char buf[65536];
};

async(stream)
{
    async_begin;
    self->before = resident();
    await(kio_http_fetch(&self->get, &(struct kio_http_request){ .url = self->url, .stream = true }));
    if (self->get.out.error)
        async_return(self->get.out.error);
    if (self->get.out.status != 200)
        async_return(-EPROTO);
    for (;;) {
        await(kio_http_read(&self->read, &self->get, self->buf, sizeof self->buf));
        if (self->read.out < 0)
            async_return(self->read.out);
        if (!self->read.out)
            break;
        self->total += self->read.out;
        if (resident() > self->most)
            self->most = resident();
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what was freed */
    if (self->most > self->before + (20u << 20))
        async_return(-ENOMEM);
#endif
    async_return(self->total);
}

static void a_hundred_mebibytes_are_streamed_in_bounded_memory(void **state)
{
    (void)state;
    assert_int_equal(kio_runtime_block_on(rt, stream, .url = url_of("/big.bin")), 100 << 20);
}

/* ---- many --------------------------------------------------------------------------------- */

#define MANY 1000

struct many {
    async_fn(int);
    const char *url;
    struct fetch *fetches;
    struct kio_join_all all;
};

static void many_drop(struct many *self)
{
    free(self->fetches);
}

async(many, many_drop)
{
    async_begin;
    self->fetches = calloc(MANY, sizeof *self->fetches);
    for (int i = 0; i < MANY; i++)
        async_call(&self->fetches[i], fetch, .request = { .url = self->url });
    await(kio_join_all(&self->all, self->fetches, MANY));
    int good = 0;
    for (int i = 0; i < MANY; i++)
        good += self->fetches[i].out.error == 0 && self->fetches[i].out.status == 200 &&
                self->fetches[i].out.len == 6;
    async_return(good);
}

static void a_thousand_requests_are_joined(void **state)
{
    (void)state;
    assert_int_equal(kio_runtime_block_on(rt, many, .url = url_of("/hello")), MANY);
}

static int run_all(const char *name)
{
#define RT(test) cmocka_unit_test_setup_teardown(test, open_runtime, close_runtime)
    const struct CMUnitTest tests[] = {
        RT(a_page_arrives_with_status_headers_and_body),
        RT(a_404_is_an_answer_and_no_error),
        RT(a_chain_of_redirects_is_followed),
        RT(redirects_are_left_alone_when_asked),
        RT(a_loop_of_redirects_is_an_error),
        RT(a_compressed_and_chunked_body_is_unpacked),
        RT(a_post_carries_its_headers_and_body),
        RT(http_2_is_spoken_over_tls_with_a_trusted_certificate),
        RT(an_untrusted_certificate_is_refused),
        RT(a_ca_file_that_is_missing_is_named),
        RT(bad_urls_say_what_is_wrong),
        RT(a_refused_connection_is_refused),
        RT(a_host_that_does_not_exist_is_not_found),
        RT(a_body_larger_than_allowed_is_an_error),
        RT(a_server_that_stalls_runs_into_the_timeout),
        RT(a_server_that_closes_in_mid_body_is_an_error),
        RT(a_future_dropped_in_mid_transfer_ends_the_connection),
        RT(a_connection_is_used_again),
        RT(the_proxy_of_the_environment_is_asked),
        RT(a_hundred_mebibytes_are_streamed_in_bounded_memory),
        RT(a_thousand_requests_are_joined),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    int failed;

    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    if (nginx_start(&nginx))
        return 1;
    flavor = KIO_CURRENT_THREAD;
    failed = run_all("http on current_thread");
    flavor = KIO_MULTI_THREAD;
    failed += run_all("http on multi_thread");
    nginx_stop(&nginx);
    return failed;
}
