#include "http_server.h"

#include <llhttp/llhttp.h>
#include <stdio.h>
#include <string.h>

/* ---- one connection ----------------------------------------------------------------------- */

struct http_conn {
    async_fn(void);
    struct kio_tcp_stream conn; /* owned from the start */
    const struct http_page *pages;

    llhttp_t parser;
    char path[256];
    size_t path_len;
    bool complete; /* a request is there */
    bool keep_alive;

    struct kio_read read;
    struct kio_write_all write;
    char in[4096];
    size_t have, used;
    const struct http_page *page;
    char head[512]; /* and a short body behind it: one segment, one system call */
    size_t head_len, text_len;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *self = parser->data;

    if (self->path_len + len >= sizeof self->path)
        return HPE_USER;
    memcpy(self->path + self->path_len, at, len);
    self->path_len += len;
    return HPE_OK;
}

static int on_complete(llhttp_t *parser)
{
    struct http_conn *self = parser->data;

    self->complete = true;
    self->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED; /* one request at a time: what follows stays in the buffer */
}

static const llhttp_settings_t settings = { .on_url = on_url, .on_message_complete = on_complete };

static void http_conn_drop(struct http_conn *self)
{
    kio_close(&self->conn);
}

static const struct http_page *find_page(struct http_conn *self)
{
    const struct http_page *page = self->pages;

    self->path[self->path_len] = '\0';
    while (page->path && strcmp(page->path, self->path) != 0)
        page++;
    return page;
}

static void answer(struct http_conn *self)
{
    const struct http_page *page = find_page(self);
    size_t len = (size_t)snprintf(self->head, sizeof self->head,
                                  "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
                                  "Content-Length: %zu\r\nConnection: %s\r\n\r\n",
                                  page->path ? "200 OK" : "404 Not Found", page->len,
                                  self->keep_alive ? "keep-alive" : "close");

    self->page = page;
    self->head_len = len;
    self->text_len = page->len;
    if (page->len <= sizeof self->head - len) {
        memcpy(self->head + len, page->text, page->len);
        self->head_len = len + page->len;
        self->text_len = 0;
    }
}

/* Feeds the parser; false: this is no HTTP. */
static bool parse(struct http_conn *self)
{
    llhttp_errno_t err = llhttp_execute(&self->parser, self->in + self->used,
                                        self->have - self->used);

    if (err == HPE_PAUSED) {
        self->used = (size_t)(llhttp_get_error_pos(&self->parser) - self->in);
        llhttp_resume(&self->parser);
        return true;
    }
    self->used = self->have;
    return err == HPE_OK;
}

async(http_conn, http_conn_drop)
{
    async_begin;
    llhttp_init(&self->parser, HTTP_REQUEST, &settings);
    self->parser.data = self;
    do {
        self->complete = false;
        self->path_len = 0;
        while (!self->complete) {
            if (self->used == self->have) {
                await(kio_read(&self->read, &self->conn, self->in, sizeof self->in));
                if (self->read.out <= 0)
                    async_return();
                self->have = (size_t)self->read.out;
                self->used = 0;
            }
            if (!parse(self))
                async_return();
        }
        answer(self);
        await(kio_write_all(&self->write, &self->conn, self->head, self->head_len));
        if (self->write.out)
            async_return();
        if (self->text_len) {
            await(kio_write_all(&self->write, &self->conn, self->page->text, self->text_len));
            if (self->write.out)
                async_return();
        }
    } while (self->keep_alive);
    async_return();
}

/* ---- accepting ---------------------------------------------------------------------------- */

static void http_server_drop(struct http_server *self)
{
    kio_listener_close(&self->listener);
}

async(http_server, http_server_drop)
{
    async_begin;
    for (;;) {
        await(kio_accept(&self->accept, &self->listener, &self->conn));
        if (self->accept.out == 0) {
            kio_tcp_nodelay(&self->conn, true);
            kio_spawn(NULL, http_conn, .conn = self->conn, .pages = self->pages);
        } else {
            await(kio_sleep(&self->pause, 50 * KIO_MS)); /* out of fds: others will end */
        }
    }
}
