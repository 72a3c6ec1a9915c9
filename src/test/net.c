/*
 * A network in memory.
 *
 * A connection is two halves, one for each direction. A write makes a segment with the time at which
 * it arrives; a task a half, the pump, moves segments over when their time has come and nothing
 * parts the hosts. Everything happens on the runtime's one thread, so nothing is locked, and every
 * choice is drawn from the runtime's seed.
 *
 * Life: a connection is counted by its two ends and its two pumps. A pump ends with the last byte, with
 * a cut, or when nobody reads any more.
 */
#include <kioto/task.h>
#include <kioto/test.h>

#include "../base/mem.h"
#include "../future/combine.h"
#include "../future/guard.h"
#include "../future/leaf.h"
#include "../runtime/runtime.h"

#include <errno.h>
#include <string.h>

#define WINDOW 65536

/* What is known about two hosts; b NULL: a and any other. */
struct pair {
    struct pair *next;
    struct kio_net_link link;
    bool has_link, parted;
    char *b;
    char a[];
};

struct kio_net {
    struct kio_net_link link;
    struct pair *pairs;
    struct kio_net_port_ *ports;
    struct kio_notify joined;
};

struct segment {
    struct segment *next;
    kio_instant at;
    size_t len, read; /* len 0: the end */
    char bytes[];
};

struct half {
    struct segment *way, **way_end;      /* travelling, in order */
    struct segment *arrived, **arrived_end;
    size_t flying;                       /* bytes sent and not read */
    kio_instant last_at;
    bool ended;                          /* no more is sent */
    bool deaf;                           /* nobody reads */
    bool over;                           /* the end has arrived */
    struct kio_waiter_ *reader, *writer;
    struct kio_notify work;
};

struct conn {
    struct kio_net *net;
    unsigned refs;
    bool cut;
    struct conn *next; /* in a port's backlog */
    struct half half[2]; /* [i]: what end i sends; end 0 is who connected */
    char *host[2];
    char names[];
};

struct kio_net_port_ {
    struct kio_net *net;
    struct kio_net_port_ *next;
    struct conn *first, **end; /* not accepted yet */
    struct kio_waiter_ *waiter;
    char address[];
};

/* ---- hosts and links ---------------------------------------------------------------------- */

int kio_net_new(struct kio_net **net, const struct kio_net_link *link)
{
    *net = ki_mem_zalloc(sizeof **net);
    if (!*net)
        return -ENOMEM;
    if (link)
        (*net)->link = *link;
    return 0;
}

void kio_net_free(struct kio_net *net)
{
    if (!net)
        return;
    if (net->ports)
        ki_guard_fail(ki_guard_here(), "kio_net_close() every listener first",
                      "kio_net_free while somebody listens at %s", net->ports->address);
    while (net->pairs) {
        struct pair *pair = net->pairs;

        net->pairs = pair->next;
        ki_mem_free(pair);
    }
    ki_mem_free(net);
}

static bool is(const struct pair *pair, const char *a, const char *b)
{
    if (!pair->b || !b)
        return !pair->b && !b && !strcmp(pair->a, a);
    return (!strcmp(pair->a, a) && !strcmp(pair->b, b)) ||
           (!strcmp(pair->a, b) && !strcmp(pair->b, a));
}

static struct pair *find(struct kio_net *net, const char *a, const char *b)
{
    struct pair *pair = net->pairs;

    while (pair && !is(pair, a, b))
        pair = pair->next;
    return pair;
}

static struct pair *find_or_make(struct kio_net *net, const char *a, const char *b)
{
    struct pair *pair = find(net, a, b);
    size_t a_len = strlen(a) + 1;
    size_t b_len = b ? strlen(b) + 1 : 0;

    if (pair)
        return pair;
    pair = ki_mem_zalloc(sizeof *pair + a_len + b_len);
    if (!pair)
        return NULL;
    memcpy(pair->a, a, a_len);
    if (b)
        pair->b = memcpy(pair->a + a_len, b, b_len);
    pair->next = net->pairs;
    net->pairs = pair;
    return pair;
}

int kio_net_set_link(struct kio_net *net, const char *a, const char *b,
                     const struct kio_net_link *link)
{
    struct pair *pair = find_or_make(net, a, b);

    if (!pair)
        return -ENOMEM;
    pair->has_link = true;
    pair->link = *link;
    return 0;
}

int kio_net_part(struct kio_net *net, const char *a, const char *b)
{
    struct pair *pair = find_or_make(net, a, b);

    if (!pair)
        return -ENOMEM;
    pair->parted = true;
    return 0;
}

void kio_net_join(struct kio_net *net, const char *a, const char *b)
{
    struct pair *pair = find(net, a, b);

    if (pair)
        pair->parted = false;
    kio_notify_waiters(&net->joined);
}

static bool parted(struct kio_net *net, const char *a, const char *b)
{
    if (!strcmp(a, b))
        return false; /* a host always reaches itself */
    for (struct pair *pair = net->pairs; pair; pair = pair->next) {
        if (pair->parted && (is(pair, a, b) || is(pair, a, NULL) || is(pair, b, NULL)))
            return true;
    }
    return false;
}

static const struct kio_net_link *link_of(struct kio_net *net, const char *a, const char *b)
{
    struct pair *pair = find(net, a, b);

    return pair && pair->has_link ? &pair->link : &net->link;
}

static kio_duration delay_of(const struct kio_net_link *link)
{
    uint64_t spread = link->delay_max > link->delay_min
                          ? (uint64_t)(link->delay_max - link->delay_min)
                          : 0;
    uint64_t part = ki_fair_below(UINT32_MAX);

    return link->delay_min + (kio_duration)((double)spread * (double)part / UINT32_MAX);
}

/* ---- connections -------------------------------------------------------------------------- */

static void free_segments(struct segment *s)
{
    while (s) {
        struct segment *next = s->next;

        ki_mem_free(s);
        s = next;
    }
}

static void unref(struct conn *c)
{
    if (--c->refs)
        return;
    for (int i = 0; i < 2; i++) {
        free_segments(c->half[i].way);
        free_segments(c->half[i].arrived);
    }
    ki_mem_free(c);
}

static void wake(struct kio_waiter_ **at)
{
    kio_waker waker = { NULL };

    if (*at) {
        waker = (*at)->waker;
        (*at)->waker.to = NULL;
        *at = NULL;
    }
    kio_waker_wake(waker);
}

static void wake_all(struct conn *c)
{
    for (int i = 0; i < 2; i++) {
        wake(&c->half[i].reader);
        wake(&c->half[i].writer);
        kio_notify_one(&c->half[i].work);
    }
    kio_notify_waiters(&c->net->joined); /* a pump that waits for that looks again */
}

/* Appends, with the time at which it arrives. */
static int send_segment(struct conn *c, unsigned i, const void *bytes, size_t len)
{
    const struct kio_net_link *link = link_of(c->net, c->host[0], c->host[1]);
    struct half *h = &c->half[i];
    struct segment *s = ki_mem_alloc(sizeof *s + len);
    kio_duration takes = delay_of(link);

    if (!s)
        return -ENOMEM;
    if (link->bytes_per_second)
        takes += (kio_duration)((double)len * 1e9 / (double)link->bytes_per_second);
    *s = (struct segment){ .at = kio_now() + takes, .len = len };
    if (s->at < h->last_at)
        s->at = h->last_at; /* in order */
    h->last_at = s->at;
    if (len)
        memcpy(s->bytes, bytes, len);
    *h->way_end = s;
    h->way_end = &s->next;
    h->flying += len;
    kio_notify_one(&h->work);
    return 0;
}

/* The first segment has come over. */
static void deliver(struct half *h)
{
    struct segment *s = h->way;

    h->way = s->next;
    if (!h->way)
        h->way_end = &h->way;
    s->next = NULL;
    if (!s->len) {
        h->over = true;
        ki_mem_free(s);
    } else {
        *h->arrived_end = s;
        h->arrived_end = &s->next;
    }
    wake(&h->reader);
}

struct pump {
    async_fn(void);
    struct conn *conn;
    unsigned i;
    struct kio_sleep way;
    struct kio_notified more, joined;
};

static void pump_drop(struct pump *self)
{
    unref(self->conn);
}

async(pump, pump_drop)
{
    struct conn *c = self->conn;
    struct half *h = &c->half[self->i];

    async_begin;
    for (;;) {
        while (!h->way && !h->deaf && !c->cut)
            await(kio_notified(&self->more, &h->work));
        if (h->deaf || c->cut)
            async_return();
        await(kio_sleep_until(&self->way, h->way->at));
        while (parted(c->net, c->host[0], c->host[1]) && !c->cut && !h->deaf)
            await(kio_notified(&self->joined, &c->net->joined));
        if (h->deaf || c->cut)
            async_return();
        deliver(h);
        if (h->over)
            async_return();
    }
}

/* ---- a connection's end as a stream ------------------------------------------------------- */

static struct conn *conn_of(const struct kio_stream *s)
{
    return (struct conn *)((uintptr_t)s->data & ~(uintptr_t)1);
}

static unsigned end_of(const struct kio_stream *s)
{
    return (uintptr_t)s->data & 1;
}

static kio_poll wait_at(struct kio_waiter_ **at, struct kio_waiter_ *waiter, kio_context *cx)
{
    *at = waiter;
    if (!kio_waker_will_wake(waiter->waker, cx->waker)) {
        kio_waker old = waiter->waker;

        waiter->waker = kio_waker_clone(cx->waker);
        kio_waker_drop(old);
    }
    return KIO_PENDING;
}

/* One read gives what lies in the first segment, or a random part of it. */
static size_t read_some(struct conn *c, struct half *h, char *buf, size_t len)
{
    struct segment *s = h->arrived;
    size_t n = s->len - s->read < len ? s->len - s->read : len;

    if (n > 1 && !link_of(c->net, c->host[0], c->host[1])->whole)
        n = 1 + ki_fair_below((uint32_t)(n < UINT32_MAX ? n : UINT32_MAX));
    memcpy(buf, s->bytes + s->read, n);
    s->read += n;
    h->flying -= n;
    if (s->read == s->len) {
        h->arrived = s->next;
        if (!h->arrived)
            h->arrived_end = &h->arrived;
        ki_mem_free(s);
    }
    return n;
}

static kio_poll net_read(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter, void *buf,
                         size_t len, ssize_t *out)
{
    struct conn *c = conn_of(s);
    struct half *h = &c->half[!end_of(s)];

    if (c->cut) {
        *out = -ECONNRESET;
    } else if (h->arrived) {
        *out = (ssize_t)read_some(c, h, buf, len);
        wake(&h->writer);
    } else if (h->over) {
        *out = 0;
    } else {
        return wait_at(&h->reader, waiter, cx);
    }
    if (h->reader == waiter)
        h->reader = NULL; /* polled without a wake */
    return KIO_READY;
}

static kio_poll net_write(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                          const void *buf, size_t len, ssize_t *out)
{
    struct conn *c = conn_of(s);
    struct half *h = &c->half[end_of(s)];
    size_t window = link_of(c->net, c->host[0], c->host[1])->window;

    if (!window)
        window = WINDOW;
    if (c->cut) {
        *out = -ECONNRESET;
    } else if (h->ended || h->deaf) {
        *out = -EPIPE;
    } else if (h->flying < window) {
        size_t n = len < window - h->flying ? len : window - h->flying;
        int err = send_segment(c, end_of(s), buf, n);

        *out = err ? err : (ssize_t)n;
    } else {
        return wait_at(&h->writer, waiter, cx);
    }
    if (h->writer == waiter)
        h->writer = NULL; /* polled without a wake */
    return KIO_READY;
}

static kio_poll net_shutdown(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                             ssize_t *out)
{
    struct conn *c = conn_of(s);
    struct half *h = &c->half[end_of(s)];

    (void)cx;
    (void)waiter;
    *out = 0;
    if (!h->ended && !c->cut)
        *out = send_segment(c, end_of(s), NULL, 0);
    if (!*out)
        h->ended = true;
    return KIO_READY;
}

static void net_forget(struct kio_stream *s, struct kio_waiter_ *waiter)
{
    struct conn *c = conn_of(s);
    kio_waker old = waiter->waker;

    for (int i = 0; i < 2; i++) {
        if (c->half[i].reader == waiter)
            c->half[i].reader = NULL;
        if (c->half[i].writer == waiter)
            c->half[i].writer = NULL;
    }
    waiter->waker.to = NULL;
    kio_waker_drop(old);
}

static void net_close(struct kio_stream *s)
{
    struct conn *c = conn_of(s);
    unsigned i = end_of(s);

    if (!c->half[i].ended && !c->cut && send_segment(c, i, NULL, 0))
        c->cut = true; /* no memory to say goodbye */
    c->half[i].ended = true;
    c->half[!i].deaf = true;
    wake_all(c);
    unref(c);
}

static const struct kio_stream_type net_type = {
    .name = "kio_net",
    .read = net_read,
    .write = net_write,
    .shutdown = net_shutdown,
    .forget = net_forget,
    .close = net_close,
};

static struct kio_stream end(struct conn *c, unsigned i)
{
    return (struct kio_stream){ .stream_type = &net_type, .data = (char *)c + i };
}

void kio_net_cut(struct kio_stream *s)
{
    struct conn *c = conn_of(s);

    if (s->stream_type != &net_type)
        ki_guard_fail(ki_guard_here(), "hand over an end that kio_net_connect or kio_net_accept gave",
                      "kio_net_cut of a stream that is not of this network");
    c->cut = true;
    wake_all(c);
}

/* ---- listening ---------------------------------------------------------------------------- */

static struct kio_net_port_ *find_port(struct kio_net *net, const char *address)
{
    struct kio_net_port_ *port = net->ports;

    while (port && strcmp(port->address, address))
        port = port->next;
    return port;
}

int kio_net_listen(struct kio_net *net, struct kio_net_listener *listener, const char *address)
{
    size_t len = strlen(address) + 1;
    struct kio_net_port_ *port;

    listener->port = NULL;
    if (!strchr(address, ':'))
        return -EINVAL;
    if (find_port(net, address))
        return -EADDRINUSE;
    port = ki_mem_zalloc(sizeof *port + len);
    if (!port)
        return -ENOMEM;
    memcpy(port->address, address, len);
    port->net = net;
    port->end = &port->first;
    port->next = net->ports;
    net->ports = port;
    listener->port = port;
    return 0;
}

void kio_net_close(struct kio_net_listener *listener)
{
    struct kio_net_port_ *port = listener->port;
    struct kio_net_port_ **at;

    if (!port)
        return;
    listener->port = NULL;
    for (at = &port->net->ports; *at != port; at = &(*at)->next)
        ;
    *at = port->next;
    while (port->first) {
        struct conn *c = port->first;
        struct kio_stream mine = end(c, 1);

        port->first = c->next;
        kio_net_cut(&mine);
        kio_close(&mine);
    }
    wake(&port->waiter);
    ki_mem_free(port);
}

static kio_poll accept_poll(kio_future *f, kio_context *cx)
{
    struct kio_net_accept *self = (struct kio_net_accept *)f;
    struct kio_net_port_ *port = self->listener->port;
    struct conn *c;

    f->state = f;
    if (!port) {
        self->out = -EBADF;
        return ki_ready_now(f);
    }
    c = port->first;
    if (!c)
        return wait_at(&port->waiter, &self->waiter, cx);
    port->first = c->next;
    if (!port->first)
        port->end = &port->first;
    *self->stream = end(c, 1);
    self->out = 0;
    kio_finish(f);
    return KIO_READY;
}

static void accept_drop(kio_future *f)
{
    struct kio_net_accept *self = (struct kio_net_accept *)f;

    struct kio_net_port_ *port = self->listener->port;

    if (port && port->waiter == &self->waiter)
        port->waiter = NULL;
    kio_waker_drop(self->waiter.waker);
    self->waiter.waker.to = NULL;
}

static const kio_future_type accept_type = {
    .name = "kio_net_accept",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_net_accept),
    .poll = accept_poll,
    .drop = accept_drop,
    .out_offset = offsetof(struct kio_net_accept, out),
    .out_size = sizeof(int),
};

struct kio_net_accept *kio_net_accept(struct kio_net_accept *slot, struct kio_net_listener *listener,
                                      struct kio_stream *stream)
{
    kio_guard_borrow_(listener, "kio_net_accept", "listener");
    kio_guard_borrow_(stream, "kio_net_accept", "stream");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_net_accept){
        .kio = { .type = &accept_type },
        .listener = listener,
        .stream = stream,
    };
    return slot;
}

/* ---- connecting --------------------------------------------------------------------------- */

/* NULL: no memory. Hosts: who connects, and the address without its service. */
static struct conn *make_conn(struct kio_net *net, const char *from, const char *to)
{
    size_t from_len = strlen(from) + 1;
    size_t to_len = (size_t)(strrchr(to, ':') - to);
    struct conn *c = ki_mem_zalloc(sizeof *c + from_len + to_len + 1);

    if (!c)
        return NULL;
    c->net = net;
    c->host[0] = memcpy(c->names, from, from_len);
    c->host[1] = memcpy(c->names + from_len, to, to_len); /* and the zero behind it */
    for (int i = 0; i < 2; i++) {
        c->half[i].way_end = &c->half[i].way;
        c->half[i].arrived_end = &c->half[i].arrived;
    }
    c->refs = 2; /* the ends */
    return c;
}

static int establish(struct kio_net_connect *self)
{
    struct kio_net_port_ *port = find_port(self->net, self->to);
    struct conn *c;

    if (!port)
        return -ECONNREFUSED;
    c = make_conn(self->net, self->from, self->to);
    if (!c)
        return -ENOMEM;
    for (unsigned i = 0; i < 2; i++) {
        c->refs++; /* given back by the pump's destructor, also when it cannot be made */
        if (kio_spawn(NULL, pump, .conn = c, .i = i)) {
            c->cut = true;
            wake_all(c);
            unref(c);
            unref(c);
            return -ENOMEM;
        }
    }
    *port->end = c;
    port->end = &c->next;
    wake(&port->waiter);
    *self->stream = end(c, 0);
    return 0;
}

static const char *host_part(const char *address, char *to, size_t cap)
{
    size_t len = (size_t)(strrchr(address, ':') - address);

    len = len < cap ? len : cap - 1;
    memcpy(to, address, len);
    to[len] = '\0';
    return to;
}

static bool way_blocked(struct kio_net_connect *self)
{
    char host[256];

    return parted(self->net, self->from, host_part(self->to, host, sizeof host));
}

static kio_duration there_and_back(struct kio_net_connect *self)
{
    char host[256];
    const struct kio_net_link *link =
        link_of(self->net, self->from, host_part(self->to, host, sizeof host));

    return delay_of(link) + delay_of(link);
}

async(kio_net_connect)
{
    async_begin;
    if (!strchr(self->to, ':') || strlen(self->to) > 255)
        async_return(-EINVAL);
    await(kio_sleep(&self->way, there_and_back(self)));
    while (way_blocked(self))
        await(kio_notified(&self->joined, &self->net->joined));
    async_return(establish(self));
}

struct kio_net_connect *kio_net_connect(struct kio_net_connect *slot, struct kio_net *net,
                                        const char *from, const char *to, struct kio_stream *stream)
{
    struct kio_runtime *rt = ki_context_runtime();

    if (rt && rt->flavor == KIO_MULTI_THREAD)
        ki_guard_fail(ki_guard_here(), "use a current_thread or deterministic runtime: see kioto/test.h",
                      "kio_net_connect on a multi_thread runtime");
    kio_guard_borrow_(stream, "kio_net_connect", "stream");
    return async_call(slot, kio_net_connect, .net = net, .from = from, .to = to, .stream = stream);
}
