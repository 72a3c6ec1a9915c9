/*
 * Join: fetches pages side by side and prints the size of each, or its error.
 *
 *     page_sizes [url...]
 *
 * Without arguments it starts a small HTTP server of its own on loopback and fetches from that,
 * and from BAD_URL, so it runs without the internet.
 */
#include <kioto.h>
#include <kioto/http.h>

#include "support/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page_size {
    ssize_t len;     /* or a negative errno */
    char error[128]; /* and what it means */
};

struct size_of_page {
    async_fn(struct page_size);
    const char *url;
    struct kio_http_get get;
};

async(size_of_page)
{
    async_begin;
    await(kio_http_get(&self->get, self->url));
    struct page_size size = { .len = (ssize_t)self->get.out.body.len };
    if (self->get.out.error) {
        /* The message lives in self->get, which ends with this function: it is copied. */
        size.len = self->get.out.error;
        snprintf(size.error, sizeof size.error, "%s", self->get.out.message);
    }
    async_return(size);
}

#define OWN_PAGES 4

struct async_main {
    async_fn(int);
    int argc;
    char **argv;

    int count;
    char **urls;
    char own[OWN_PAGES][64];
    char *own_urls[OWN_PAGES];
    struct kio_join_handle server;
    struct size_of_page *pages;
    struct kio_join_all all;
};

static void async_main_drop(struct async_main *self)
{
    free(self->pages);
}

/* A server with three pages; their addresses, and one that is none, are what will be fetched. */
static int serve_own(struct async_main *self)
{
    static char home[15321], play[6789];
    static const struct http_page pages[] = {
        { "/", home, sizeof home },
        { "/ip", "{ \"origin\": \"127.0.0.1\" }\n", 26 },
        { "/play", play, sizeof play },
        { NULL, "not found\n", 10 },
    };
    struct kio_listener listener;
    struct kio_addr addr;
    int err = kio_tcp_listen(&listener, "127.0.0.1:0", NULL);

    if (err)
        return err;
    memset(home, 'h', sizeof home);
    memset(play, 'p', sizeof play);
    kio_listener_addr(&listener, &addr);
    for (int i = 0; i < OWN_PAGES; i++) {
        self->own_urls[i] = self->own[i];
        if (pages[i].path)
            snprintf(self->own[i], sizeof self->own[i], "http://127.0.0.1:%u%s",
                     kio_addr_port(&addr), pages[i].path);
        else
            snprintf(self->own[i], sizeof self->own[i], "BAD_URL");
    }
    self->urls = self->own_urls;
    self->count = OWN_PAGES;
    return kio_spawn_on(NULL, &self->server, http_server, .listener = listener, .pages = pages);
}

async(async_main, async_main_drop)
{
    async_begin;
    self->count = self->argc - 1;
    self->urls = self->argv + 1;
    if (self->count == 0 && serve_own(self))
        async_return(1);
    self->pages = calloc((size_t)self->count, sizeof *self->pages);
    if (!self->pages)
        async_return(1);
    for (int i = 0; i < self->count; i++)
        async_call(&self->pages[i], size_of_page, .url = self->urls[i]);
    await(kio_join_all(&self->all, self->pages, (size_t)self->count));

    printf("{\n");
    for (int i = 0; i < self->count; i++) {
        struct page_size *size = &self->pages[i].out;

        if (size->len >= 0)
            printf("  %s: %zd bytes\n", self->urls[i], size->len);
        else
            printf("  %s: %s\n", self->urls[i], size->error);
    }
    printf("}\n");
    kio_abort(&self->server);
    kio_drop(&self->server);
    async_return(0);
}

kio_main_args(async_main)
