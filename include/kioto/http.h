/*
 * kioto-http: an HTTP(S) client on libcurl, driven by Kioto's reactor and timers.
 *
 *     await(kio_http_get(&self->get, "https://example.org/"));
 *     if (self->get.out.error)
 *         fprintf(stderr, "%s: %s\n", self->url, self->get.out.message);
 *     else
 *         use(self->get.out.body.data, self->get.out.body.len);
 *
 * HTTP/1.1 and HTTP/2, redirects, compression, proxies from the environment, and connections that
 * are kept and used again by all requests of a runtime. Link with kioto-http.
 */
#ifndef KIOTO_HTTP_H
#define KIOTO_HTTP_H

#include "runtime.h"

struct kio_bytes {
    char *data; /* ends in a zero byte that len does not count */
    size_t len;
};

struct kio_http_response {
    int error;            /* 0: there is an answer, whatever its status; negative: errno */
    const char *message;  /* the error as a sentence; NULL without one */
    int status;           /* 200, 404, … */
    const char *headers;  /* of the last answer, as received, lines ending in \r\n */
    const char *url;      /* the last one, after redirects */
    int http_version;     /* 10, 11, 20 */
    struct kio_bytes body;
};

/* Everything zero: a GET with the defaults. */
struct kio_http_request {
    const char *url;
    const char *method;          /* NULL: GET, or POST with a body */
    const char *const *headers;  /* "Name: value", ended by NULL */
    const void *body;
    size_t body_len;
    kio_duration timeout;        /* for the whole request; 0: none */
    kio_duration connect_timeout;/* 0: 30 s */
    kio_duration stall_timeout;  /* not a byte for so long; whole seconds; 0: none */
    int max_redirects;           /* 0: 10; negative: none are followed */
    size_t max_body;             /* bytes of a body in memory; 0: no limit */
    bool stream;                 /* the body is fetched by kio_http_read() */
    const char *ca_file;         /* PEM certificates to trust; NULL: the system's */
    const char *ca_dir;
    const char *proxy;           /* NULL: http_proxy, https_proxy, no_proxy; "": none */
    const char *user_agent;      /* NULL: kioto/VERSION */
};

/* A request. Its answer lives in it: until the slot is used again or dropped, or the async function
 * that awaited it ends. */
struct kio_http_get {
    KIO_ASYNC_FN(struct kio_http_response);
    /* private from here on */
    void *transfer;
};

/**
 * kio_http_get(slot, url): fetch a page.
 *
 * url      http:// or https://; copied
 *
 * Out:     .error 0 and the answer; or a negative errno and .message: -EINVAL: the URL; -ENOENT: no
 *          such host; -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT; -EKEYREJECTED: the certificate is
 *          not trusted; -ELOOP: too many redirects; -EMSGSIZE: larger than max_body;
 *          -EPROTONOSUPPORT; -ENOMEM; -EIO: see the message
 * Cancel:  safe: ends the transfer
 * Threads: owner, in a task
 * Since:   0.1
 * See:     kio_http_fetch(); examples/page_sizes.c
 */
KIO_API struct kio_http_get *kio_http_get(struct kio_http_get *slot, const char *url);

/* kio_http_fetch(slot, request): as kio_http_get(), with everything that can be chosen. The request
 * is copied, but for the body, which is borrowed until the future ends. With .stream the future
 * is ready when the headers are there, and .body is empty. */
KIO_API struct kio_http_get *kio_http_fetch(struct kio_http_get *slot,
                                            const struct kio_http_request *request);

/* kio_http_header(response, name): a header's value, up to its \r, and its length; NULL: none. */
KIO_API const char *kio_http_header(const struct kio_http_response *response, const char *name,
                                    size_t *len);

struct kio_http_read {
    KIO_ASYNC_FN(ssize_t); /* bytes; 0: the body has ended; negative: as a request's error */
    const char *message;   /* the error as a sentence */
    /* private from here on */
    struct kio_http_get *get;
    char *buf;
    size_t len;
};

/* kio_http_read(slot, get, buf, len): the next bytes of a body fetched with .stream. The transfer is
 * held up when its reader is slow, so memory stays bounded (about 256 KiB). Cancel: safe */
KIO_API struct kio_http_read *kio_http_read(struct kio_http_read *slot, struct kio_http_get *get,
                                            void *buf, size_t len);

#endif
