#include "http_server.h"

#include <llhttp/llhttp.h>
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

/* By hand: snprintf() would be half of the instructions of a request. */
static char *put(char *to, const char *text)
{
    size_t len = strlen(text);

    memcpy(to, text, len);
    return to + len;
}

static char *put_number(char *to, size_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(to, digits + at, sizeof digits - at);
    return to + sizeof digits - at;
}

static void answer(struct http_conn *self)
{
    const struct http_page *page = find_page(self);
    char *to = self->head;

    to = put(to, page->path ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 Not Found\r\n");
    to = put(to, "Content-Type: text/plain\r\nContent-Length: ");
    to = put_number(to, page->len);
    to = put(to, self->keep_alive ? "\r\nConnection: keep-alive\r\n\r\n"
                                  : "\r\nConnection: close\r\n\r\n");
    self->page = page;
    self->text_len = page->len;
    if (page->len <= sizeof self->head - (size_t)(to - self->head)) {
        memcpy(to, page->text, page->len);
        to += page->len;
        self->text_len = 0;
    }
    self->head_len = (size_t)(to - self->head);
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
