/*
 * A small HTTP/1.1 server: pages by path, connections that are kept, parsing by llhttp.
 *
 *     kio_spawn(&self->server, http_server, .listener = listener, .pages = pages);
 */
#ifndef EXAMPLES_SUPPORT_HTTP_SERVER_H
#define EXAMPLES_SUPPORT_HTTP_SERVER_H

#include <kioto.h>

struct http_page {
    const char *path; /* NULL ends the list */
    const char *text;
    size_t len;
};

/* Accepts until it is dropped or aborted; connections are tasks of their own. */
struct http_server {
    async_fn(void);
    struct kio_listener listener;  /* owned from the start */
    const struct http_page *pages; /* borrowed for as long as the runtime lives */

    struct kio_accept accept;
    struct kio_tcp_stream conn;
    struct kio_sleep pause;
};
async_declare(http_server);

#endif
