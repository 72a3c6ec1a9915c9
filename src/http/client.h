/*
 * One client a runtime: a curl multi handle, the tasks that drive it, and the transfers in it.
 *
 * Access: everything, the multi handle first of all, under `lock`; curl's callbacks run under it.
 * Nothing waits under it, and waking a task only queues it. It is recursive: a callback may spawn a
 * socket's task, and if that fails the task's destructor runs there and then.
 * Tasks: the keeper sleeps for curl's timer; each socket that curl asks about has a task that waits
 * for readiness. They are spawned on the runtime and dropped when it ends; the keeper's end takes
 * the client out of the table.
 * Life: `refs` counts the keeper, the socket tasks and the transfers.
 */
#ifndef KI_HTTP_CLIENT_H
#define KI_HTTP_CLIENT_H

#include <kioto.h>
#include <kioto/http.h>

#include <curl/curl.h>
#include <pthread.h>

struct client {
    pthread_mutex_t lock;
    unsigned refs;
    CURLM *multi;
    struct kio_runtime *runtime;
    struct client *next; /* in the table */
    long timer_ms;       /* what curl asked for last; -1: nothing */
    bool timer_changed;
    kio_waker keeper;
    struct transfer *lost; /* those that ki_http_lose was told of; ki_http_collect ends them */
};

struct transfer {
    struct client *client;
    CURL *easy;
    struct curl_slist *headers_out;
    bool started, done, stream, headers_over, paused, no_memory, too_large;
    CURLcode setting;          /* the first option that could not be set */
    CURLcode result;
    kio_waker waker;           /* of the request or of a read */
    struct kio_bytes headers;  /* of the answer that is coming in */
    struct kio_bytes body;     /* in memory; or, streamed, what was not read yet */
    size_t headers_cap, body_cap, body_at, max_body;
    char *url_text;
    int lost;                  /* why its socket cannot be watched; 0: it is */
    struct transfer *next_lost;
    int error;
    char message[CURL_ERROR_SIZE];
};

/* The current runtime's client with one reference more; NULL: out of memory. */
struct client *ki_http_client(void);

/* The keeper ends: takes the client out of the table and gives its reference back. */
void ki_http_forget(struct client *c);

void ki_http_lock(struct client *c);
void ki_http_unlock(struct client *c);
/* Under the lock; unlocks, and frees with the last reference. */
void ki_http_unlock_unref(struct client *c);

/* Under the lock, not in a callback: hands ended transfers their results. */
void ki_http_collect(struct client *c);

/* transfer.c: under the lock: a transfer has ended. */
void ki_http_ended(struct transfer *t, CURLcode result);

/* transfer.c: under the lock, from a callback of curl's: the socket of a transfer cannot be watched. */
void ki_http_lose(struct client *c, CURL *easy, int err);

/* driver.c: curl's callbacks, to be set on the multi; the keeper. */
int ki_http_on_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *sock);
int ki_http_on_timer(CURLM *multi, long timeout_ms, void *client);
int ki_http_start_keeper(struct client *c);

#endif
