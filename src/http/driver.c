/*
 * What moves curl on: a task for its timer, and one for each socket it asks about.
 *
 * A socket's registration must end before curl closes the fd: curl says CURL_POLL_REMOVE first, and
 * the callback releases the kio_fd there and then. The task only sees that it is gone.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>

/* ---- sockets ------------------------------------------------------------------------------ */

/* Owned by its task; curl knows it until CURL_POLL_REMOVE. Under the client's lock. */
struct sock {
    struct client *client;
    struct kio_fd io;
    curl_socket_t fd;
    int want; /* CURL_POLL_IN, _OUT, _INOUT */
    bool gone;
    kio_waker task;
};

struct sock_task {
    KIO_ASYNC_FN(void);
    struct sock *sock;
    struct kio_readiness in, out_ready;
};

static void sock_drop(kio_future *f)
{
    struct sock_task *self = (struct sock_task *)f;
    struct sock *s = self->sock;
    struct client *c = s->client;

    ki_http_lock(c);
    kio_drop(&self->in);
    kio_drop(&self->out_ready);
    if (!s->gone) {
        curl_multi_assign(c->multi, s->fd, NULL);
        kio_fd_release(&s->io);
    }
    kio_waker_drop(s->task);
    free(s);
    ki_http_unlock_unref(c);
}

static bool is_ready(struct kio_readiness *r, struct kio_fd *io, bool wanted, bool in,
                     kio_context *cx)
{
    if (!wanted) {
        kio_drop(r);
        return false;
    }
    if (!kio_is_live(r))
        in ? kio_readable(r, io) : kio_writable(r, io);
    return kio_future_poll(&r->kio, cx) == KIO_READY;
}

static void leave_waker(kio_waker *at, kio_waker waker)
{
    kio_waker old = *at;

    if (kio_waker_will_wake(old, waker))
        return;
    *at = kio_waker_clone(waker);
    kio_waker_drop(old);
}

static kio_poll sock_poll(kio_future *f, kio_context *cx)
{
    struct sock_task *self = (struct sock_task *)f;
    struct sock *s = self->sock;
    struct client *c = s->client;
    bool gone;

    f->state = f;
    ki_http_lock(c);
    leave_waker(&s->task, cx->waker);
    while (!s->gone) {
        int running;
        int events = 0;

        if (is_ready(&self->in, &s->io, s->want & CURL_POLL_IN, true, cx))
            events |= CURL_CSELECT_IN;
        if (is_ready(&self->out_ready, &s->io, s->want & CURL_POLL_OUT, false, cx))
            events |= CURL_CSELECT_OUT;
        if (!events)
            break;
        curl_multi_socket_action(c->multi, s->fd, events, &running);
        ki_http_collect(c);
    }
    gone = s->gone;
    ki_http_unlock(c);
    if (!gone)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type sock_task_type = {
    .name = "kio_http socket",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct sock_task),
    .poll = sock_poll,
    .drop = sock_drop,
};

static int sock_new(struct client *c, curl_socket_t fd, int what)
{
    struct sock *s = calloc(1, sizeof *s);
    int err;

    if (!s)
        return -ENOMEM;
    *s = (struct sock){ .client = c, .fd = fd, .want = what };
    err = kio_fd_open(&s->io, fd);
    if (err) {
        free(s);
        return err;
    }
    c->refs++;
    curl_multi_assign(c->multi, fd, s);
    /* One that fails runs the destructor now, which undoes the above. */
    return kio_spawn(NULL, sock_task, .sock = s);
}

int ki_http_on_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *sock)
{
    struct client *c = client;
    struct sock *s = sock;

    if (!s) {
        int err = what == CURL_POLL_REMOVE ? 0 : sock_new(c, fd, what);

        /* Told of it, curl would end every transfer of the client, at its next call, which may
         * never come. One is enough. */
        if (err)
            ki_http_lose(c, easy, err);
        return 0;
    }
    if (what == CURL_POLL_REMOVE) {
        kio_fd_release(&s->io);
        s->gone = true;
    } else {
        s->want = what;
    }
    kio_waker_wake_by_ref(s->task);
    return 0;
}

/* ---- the timer ---------------------------------------------------------------------------- */

struct keeper {
    KIO_ASYNC_FN(void);
    struct client *client;
    struct kio_sleep sleep;
};

static void keeper_drop(kio_future *f)
{
    struct keeper *self = (struct keeper *)f;

    kio_drop(&self->sleep);
    ki_http_forget(self->client);
}

static kio_poll keeper_poll(kio_future *f, kio_context *cx)
{
    struct keeper *self = (struct keeper *)f;
    struct client *c = self->client;

    f->state = f;
    ki_http_lock(c);
    leave_waker(&c->keeper, cx->waker);
    for (;;) {
        int running;

        if (c->timer_changed) {
            c->timer_changed = false;
            kio_drop(&self->sleep);
            if (c->timer_ms >= 0)
                kio_sleep(&self->sleep, c->timer_ms * KIO_MS);
        }
        if (!kio_is_live(&self->sleep) || kio_future_poll(&self->sleep.kio, cx) == KIO_PENDING)
            break;
        curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        ki_http_collect(c);
    }
    ki_http_unlock(c);
    return KIO_PENDING; /* it ends with the runtime */
}

static const kio_future_type keeper_type = {
    .name = "kio_http timer",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct keeper),
    .poll = keeper_poll,
    .drop = keeper_drop,
};

int ki_http_on_timer(CURLM *multi, long timeout_ms, void *client)
{
    struct client *c = client;

    (void)multi;
    c->timer_ms = timeout_ms;
    c->timer_changed = true;
    kio_waker_wake_by_ref(c->keeper);
    return 0;
}

int ki_http_start_keeper(struct client *c)
{
    return kio_spawn(NULL, keeper, .client = c);
}
