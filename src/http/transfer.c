/* Requests: what curl is asked for, what it delivers, and what its errors are called here. */
#include "client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A streamed body is held up when this much waits to be read. */
#define KI_STREAM_HIGH (256 * 1024)
#define KI_REDIRECTS   10L

/* ---- what comes in; under the lock, from curl's callbacks --------------------------------- */

static bool append(struct kio_bytes *to, size_t *cap, const char *data, size_t len)
{
    if (to->len + len + 1 > *cap) {
        size_t bigger = *cap ? *cap * 2 : 4096;
        char *moved;

        while (bigger < to->len + len + 1)
            bigger *= 2;
        moved = realloc(to->data, bigger);
        if (!moved)
            return false;
        to->data = moved;
        *cap = bigger;
    }
    memcpy(to->data + to->len, data, len);
    to->len += len;
    to->data[to->len] = '\0';
    return true;
}

static void wake(struct transfer *t)
{
    kio_waker waker = t->waker;

    t->waker.to = NULL;
    kio_waker_wake(waker);
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;

    /* A status line begins the headers of another answer: a redirect's, a proxy's, 100-continue. */
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
        t->headers.len = 0;
    if (!append(&t->headers, &t->headers_cap, data, len)) {
        t->no_memory = true;
        return 0;
    }
    return len;
}

/* What was read makes room for what comes. */
static void compact(struct transfer *t)
{
    if (!t->body_at)
        return;
    t->body.len -= t->body_at;
    memmove(t->body.data, t->body.data + t->body_at, t->body.len);
    t->body_at = 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;

    if (t->stream) {
        t->headers_over = true;
        if (t->body.len - t->body_at >= KI_STREAM_HIGH) {
            t->paused = true;
            return CURL_WRITEFUNC_PAUSE;
        }
        compact(t);
    } else if (t->max_body && t->body.len + len > t->max_body) {
        t->too_large = true;
        return 0;
    }
    if (!append(&t->body, &t->body_cap, data, len)) {
        t->no_memory = true;
        return 0;
    }
    if (t->stream)
        wake(t);
    return len;
}

/* ---- errors ------------------------------------------------------------------------------- */

static int connect_error(CURL *easy)
{
    long err = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &err);
    return err > 0 ? -(int)err : -ECONNREFUSED;
}

static int errno_of(struct transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return -EPROTONOSUPPORT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -ENOENT;
    case CURLE_COULDNT_CONNECT:
        return connect_error(t->easy);
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return -ECONNRESET;
    case CURLE_SEND_ERROR:
        return -EPIPE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return -EKEYREJECTED;
    case CURLE_SSL_CACERT_BADFILE:
        return -ENOENT;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_WRITE_ERROR:
        return t->no_memory ? -ENOMEM : t->too_large ? -EMSGSIZE : -EIO;
    case CURLE_BAD_CONTENT_ENCODING:
        return -EBADMSG;
    default:
        return -EIO;
    }
}

static void set_error(struct transfer *t, int error, const char *message)
{
    t->error = error;
    snprintf(t->message, sizeof t->message, "%s", message);
}

void ki_http_lose(struct client *c, CURL *easy, int err)
{
    struct transfer *t = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    if (!t || t->lost)
        return;
    t->lost = err;
    t->next_lost = c->lost;
    c->lost = t;
}

void ki_http_ended(struct transfer *t, CURLcode result)
{
    t->done = true;
    t->result = result;
    t->error = errno_of(t, result);
    if (t->lost)
        set_error(t, t->lost, "the connection's socket cannot be watched");
    else if (t->too_large)
        set_error(t, t->error, "the body is larger than max_body");
    else if (t->no_memory)
        set_error(t, t->error, "out of memory");
    else if (t->error && !t->message[0])
        set_error(t, t->error, curl_easy_strerror(result));
    curl_multi_remove_handle(t->client->multi, t->easy);
    t->started = false;
    wake(t);
}

/* ---- asking ------------------------------------------------------------------------------- */

/* NULL: fine; otherwise what is wrong with it. */
static const char *fault_of_url(const char *url)
{
    const char *colon;

    if (!url || !*url)
        return "the URL is empty";
    colon = strstr(url, "://");
    if (!colon)
        return "no scheme, want http:// or https://";
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return "scheme not supported, want http:// or https://";
    return NULL;
}

static long ms_of(kio_duration d)
{
    int64_t ms = (d + KIO_MS - 1) / KIO_MS;

    return ms > LONG_MAX ? LONG_MAX : (long)ms;
}

static bool set_headers(struct transfer *t, const char *const *headers)
{
    for (; headers && *headers; headers++) {
        struct curl_slist *more = curl_slist_append(t->headers_out, *headers);

        if (!more)
            return false;
        t->headers_out = more;
    }
    return true;
}

/* The first error is kept: a request without one of its options is another request, one that trusts
 * other certificates, say. */
static void keep(struct transfer *t, CURLcode code)
{
    if (!t->setting)
        t->setting = code;
}

#define set(t, option, value) keep(t, curl_easy_setopt((t)->easy, option, value))

/* One that this curl may have been built without, and that a request can do without. */
#define set_if_known(t, option, value)                                                             \
    keep(t, curl_easy_setopt((t)->easy, option, value) == CURLE_OUT_OF_MEMORY                      \
                ? CURLE_OUT_OF_MEMORY                                                              \
                : CURLE_OK)

static void set_limits(struct transfer *t, const struct kio_http_request *r)
{
    long redirects = r->max_redirects ? r->max_redirects : KI_REDIRECTS;

    set(t, CURLOPT_FOLLOWLOCATION, redirects > 0 ? 1L : 0L);
    set(t, CURLOPT_MAXREDIRS, redirects > 0 ? redirects : 0L);
    if (r->timeout > 0)
        set(t, CURLOPT_TIMEOUT_MS, ms_of(r->timeout));
    set(t, CURLOPT_CONNECTTIMEOUT_MS,
        ms_of(r->connect_timeout > 0 ? r->connect_timeout : 30 * KIO_SEC));
    if (r->stall_timeout > 0) {
        set(t, CURLOPT_LOW_SPEED_LIMIT, 1L);
        set(t, CURLOPT_LOW_SPEED_TIME, (ms_of(r->stall_timeout) + 999) / 1000);
    }
}

static void set_trust(struct transfer *t, const struct kio_http_request *r)
{
    if (r->ca_file)
        set(t, CURLOPT_CAINFO, r->ca_file);
    if (r->ca_dir)
        set(t, CURLOPT_CAPATH, r->ca_dir);
    if (r->proxy)
        set(t, CURLOPT_PROXY, r->proxy);
}

static CURLcode set_options(struct transfer *t, const struct kio_http_request *r)
{
    set(t, CURLOPT_NOSIGNAL, 1L);
    set(t, CURLOPT_PRIVATE, t);
    set(t, CURLOPT_ERRORBUFFER, t->message);
    set(t, CURLOPT_PROTOCOLS_STR, "http,https");
    set(t, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set_if_known(t, CURLOPT_ACCEPT_ENCODING, "");
    set_if_known(t, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    set(t, CURLOPT_USERAGENT, r->user_agent ? r->user_agent : "kioto/" KIO_VERSION);
    set(t, CURLOPT_HEADERFUNCTION, on_header);
    set(t, CURLOPT_HEADERDATA, t);
    set(t, CURLOPT_WRITEFUNCTION, on_body);
    set(t, CURLOPT_WRITEDATA, t);
    set_limits(t, r);
    set_trust(t, r);
    if (r->body || r->body_len) {
        set(t, CURLOPT_POST, 1L);
        set(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        set(t, CURLOPT_POSTFIELDS, r->body ? r->body : "");
    }
    if (r->method && strcmp(r->method, "HEAD") == 0)
        set(t, CURLOPT_NOBODY, 1L);
    else if (r->method)
        set(t, CURLOPT_CUSTOMREQUEST, r->method);
    if (!set_headers(t, r->headers))
        return CURLE_OUT_OF_MEMORY;
    if (t->headers_out)
        set(t, CURLOPT_HTTPHEADER, t->headers_out);
    set(t, CURLOPT_URL, r->url);
    return t->setting;
}

static void transfer_free(struct transfer *t)
{
    struct client *c = t->client;

    if (c) {
        ki_http_lock(c);
        if (t->started)
            curl_multi_remove_handle(c->multi, t->easy);
        t->started = false;
        ki_http_collect(c); /* it is in no list any more */
        ki_http_unlock_unref(c);
    }
    kio_waker_drop(t->waker);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers_out);
    free(t->headers.data);
    free(t->body.data);
    free(t->url_text);
    free(t);
}

/* ---- the future --------------------------------------------------------------------------- */

static kio_poll get_end(struct kio_http_get *self)
{
    struct transfer *t = self->transfer;
    struct kio_http_response *r = &self->out;
    char *url = NULL;
    long number = 0;

    if (t->error) {
        r->error = t->error;
        r->message = t->message;
    }
    r->headers = t->headers.data ? t->headers.data : "";
    if (!t->stream)
        r->body = t->body;
    if (!r->body.data)
        r->body.data = t->message + sizeof t->message - 1; /* an empty text */
    if (t->easy && curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &number) == CURLE_OK)
        r->status = (int)number;
    if (t->easy && curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK)
        r->url = url;
    if (t->easy && curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &number) == CURLE_OK)
        r->http_version = number == CURL_HTTP_VERSION_2_0   ? 20
                          : number == CURL_HTTP_VERSION_1_1 ? 11
                          : number == CURL_HTTP_VERSION_1_0 ? 10
                                                            : 0;
    kio_finish_keep(&self->kio);
    return KIO_READY;
}

/* Hands it to curl, in the runtime's client. */
static void start(struct transfer *t)
{
    struct client *c = ki_http_client();

    t->done = true;
    if (!c) {
        set_error(t, -ENOMEM, "out of memory");
        return;
    }
    ki_http_lock(c);
    t->client = c;
    if (curl_multi_add_handle(c->multi, t->easy) == CURLM_OK) {
        t->started = true;
        t->done = false;
    } else {
        set_error(t, -ENOMEM, "out of memory");
    }
    ki_http_unlock(c);
}

static void leave_waker(struct transfer *t, kio_waker waker)
{
    kio_waker old = t->waker;

    if (kio_waker_will_wake(old, waker))
        return;
    t->waker = kio_waker_clone(waker);
    kio_waker_drop(old);
}

static kio_poll get_poll(kio_future *f, kio_context *cx)
{
    static const struct kio_http_response no_memory = { .error = -ENOMEM, .message = "out of memory" };
    struct kio_http_get *self = (struct kio_http_get *)f;
    struct transfer *t = self->transfer;
    bool over;

    if (!t) {
        self->out = no_memory;
        kio_finish(f);
        return KIO_READY;
    }
    if (!f->state && !t->error)
        start(t);
    f->state = f;
    if (!t->client)
        return get_end(self);
    ki_http_lock(t->client);
    over = t->done || (t->stream && t->headers_over);
    if (!over)
        leave_waker(t, cx->waker);
    ki_http_unlock(t->client);
    return over ? get_end(self) : KIO_PENDING;
}

static void get_drop(kio_future *f)
{
    struct kio_http_get *self = (struct kio_http_get *)f;

    if (self->transfer)
        transfer_free(self->transfer);
    self->transfer = NULL;
}

static void get_describe(const kio_future *f, char *text, size_t cap)
{
    const struct transfer *t = ((const struct kio_http_get *)f)->transfer;

    snprintf(text, cap, "%s", t && t->url_text ? t->url_text : "");
}

static const kio_future_type get_type = {
    .name = "kio_http_get",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct kio_http_get),
    .poll = get_poll,
    .drop = get_drop,
    .out_offset = offsetof(struct kio_http_get, out),
    .out_size = sizeof(struct kio_http_response),
    .describe = get_describe,
};

static struct transfer *transfer_new(const struct kio_http_request *r)
{
    struct transfer *t = calloc(1, sizeof *t);
    const char *fault = fault_of_url(r->url);
    CURLcode code;

    if (!t)
        return NULL;
    t->stream = r->stream;
    t->max_body = r->max_body;
    t->url_text = r->url ? strdup(r->url) : NULL;
    if (fault) {
        set_error(t, -EINVAL, fault);
        return t;
    }
    if (r->timeout < 0 || r->connect_timeout < 0 || r->stall_timeout < 0) {
        set_error(t, -EINVAL, "a timeout is negative");
        return t;
    }
    t->easy = curl_easy_init();
    code = t->easy ? set_options(t, r) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK)
        set_error(t, errno_of(t, code), curl_easy_strerror(code));
    return t;
}

struct kio_http_get *kio_http_fetch(struct kio_http_get *slot, const struct kio_http_request *request)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_http_get){ .kio = { .type = &get_type }, .transfer = transfer_new(request) };
    return slot;
}

struct kio_http_get *kio_http_get(struct kio_http_get *slot, const char *url)
{
    return kio_http_fetch(slot, &(struct kio_http_request){ .url = url });
}

const char *kio_http_header(const struct kio_http_response *response, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *line = response->headers;

    for (; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        const char *value = line + name_len + 1;

        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        value += strspn(value, " \t");
        if (len)
            *len = strcspn(value, "\r\n");
        return value;
    }
    return NULL;
}

/* ---- reading a streamed body -------------------------------------------------------------- */

/* Under the lock. */
static size_t take_body(struct transfer *t, char *buf, size_t len)
{
    size_t there = t->body.len - t->body_at;
    size_t n = there < len ? there : len;

    if (n)
        memcpy(buf, t->body.data + t->body_at, n);
    t->body_at += n;
    if (t->body_at == t->body.len)
        t->body.len = t->body_at = 0;
    return n;
}

static kio_poll read_poll(kio_future *f, kio_context *cx)
{
    struct kio_http_read *self = (struct kio_http_read *)f;
    struct transfer *t = self->get->transfer;
    bool over = true;

    f->state = f;
    self->out = -EBADF; /* not streamed, or dropped */
    if (!t || !t->client || !t->stream) {
        kio_finish(f);
        return KIO_READY;
    }
    ki_http_lock(t->client);
    self->out = (ssize_t)take_body(t, self->buf, self->len);
    if (t->paused && t->body.len - t->body_at < KI_STREAM_HIGH / 2) {
        t->paused = false;
        if (t->started)
            curl_easy_pause(t->easy, CURLPAUSE_CONT); /* may call on_body */
        ki_http_collect(t->client);
        if (!self->out)
            self->out = (ssize_t)take_body(t, self->buf, self->len);
    }
    if (!self->out && self->len) {
        over = t->done;
        self->out = t->done ? t->error : 0;
        self->message = t->error ? t->message : NULL;
        if (!over)
            leave_waker(t, cx->waker);
    }
    ki_http_unlock(t->client);
    if (!over)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type read_type = {
    .name = "kio_http_read",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct kio_http_read),
    .poll = read_poll,
    .out_offset = offsetof(struct kio_http_read, out),
    .out_size = sizeof(ssize_t),
};

struct kio_http_read *kio_http_read(struct kio_http_read *slot, struct kio_http_get *get, void *buf,
                                    size_t len)
{
    kio_guard_borrow_(get, "kio_http_read", "get");
    kio_guard_borrow_(buf, "kio_http_read", "buf");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_http_read){
        .kio = { .type = &read_type },
        .get = get,
        .buf = buf,
        .len = len,
    };
    return slot;
}
