#include "client.h"

#include <stdlib.h>

/* Connections at a time, in all: more requests wait for one of them. Far below the usual limit of
 * 1024 fds, and enough to keep any server busy. */
#define KI_CONNECTIONS 256L

/* Clients by runtime. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct client *table;
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

void ki_http_lock(struct client *c)
{
    pthread_mutex_lock(&c->lock);
}

void ki_http_unlock(struct client *c)
{
    pthread_mutex_unlock(&c->lock);
}

static void client_free(struct client *c)
{
    /* Nothing is registered any more: what curl still says about cached connections is past. */
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, NULL);
    curl_multi_cleanup(c->multi);
    kio_waker_drop(c->keeper);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void ki_http_unlock_unref(struct client *c)
{
    bool last = --c->refs == 0;

    ki_http_unlock(c);
    if (last)
        client_free(c);
}

/* The sum of errors: all of these are CURLM_OK, or it is no client. */
static int set_options(CURLM *multi, struct client *c)
{
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, ki_http_on_socket) |
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c) |
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, ki_http_on_timer) |
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c) |
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, KI_CONNECTIONS) |
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, KI_CONNECTIONS);
}

static struct client *client_new(struct kio_runtime *rt)
{
    struct client *c = calloc(1, sizeof *c);
    pthread_mutexattr_t attr;

    if (!c)
        return NULL;
    c->multi = curl_multi_init();
    if (!c->multi || set_options(c->multi, c)) {
        curl_multi_cleanup(c->multi);
        free(c);
        return NULL;
    }
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&c->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    c->refs = 1; /* the keeper's */
    c->runtime = rt;
    c->timer_ms = -1;
    return c;
}

/* The keeper is dropped or could not be spawned: its runtime ends. */
void ki_http_forget(struct client *c)
{
    struct client **at;

    pthread_mutex_lock(&table_lock);
    for (at = &table; *at && *at != c; at = &(*at)->next)
        ;
    if (*at)
        *at = c->next;
    pthread_mutex_unlock(&table_lock);
    ki_http_lock(c);
    ki_http_unlock_unref(c);
}

struct client *ki_http_client(void)
{
    struct kio_runtime *rt = kio_runtime_current();
    struct client *c;
    bool is_new = false;

    pthread_once(&curl_once, init_curl);
    if (curl_state != CURLE_OK)
        return NULL;
    pthread_mutex_lock(&table_lock);
    for (c = table; c && c->runtime != rt; c = c->next)
        ;
    if (!c && (c = client_new(rt))) {
        is_new = true;
        c->next = table;
        table = c;
    }
    if (c) {
        ki_http_lock(c);
        c->refs++;
        ki_http_unlock(c);
    }
    pthread_mutex_unlock(&table_lock);
    if (is_new && ki_http_start_keeper(c)) {
        /* The keeper's destructor has forgotten it. */
        ki_http_lock(c);
        ki_http_unlock_unref(c);
        return NULL;
    }
    return c;
}

void ki_http_collect(struct client *c)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(c->multi, &left))) {
        struct transfer *t;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        ki_http_ended(t, msg->data.result);
    }
    while (c->lost) {
        struct transfer *t = c->lost;

        c->lost = t->next_lost;
        if (t->started)
            ki_http_ended(t, CURLE_ABORTED_BY_CALLBACK);
    }
}
