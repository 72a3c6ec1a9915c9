/* A pipe in memory: two rings under one lock. */
#include <kioto/io.h>

#include "../base/lock.h"
#include "../base/mem.h"

#include <errno.h>
#include <string.h>

/* One direction. `reader` and `writer` wait in it: at most one each. */
struct half {
    char *ring;
    size_t head, count;
    bool ended; /* no more is written */
    bool deaf;  /* nobody reads */
    struct kio_waiter_ *reader, *writer;
};

struct duplex {
    struct ki_lock lock;
    unsigned ends;
    size_t size;
    struct half half[2]; /* [i]: what end i writes */
    char bytes[];
};

/* Which end a stream is: the low bit of its data. */
static struct duplex *duplex_of(const struct kio_stream *s)
{
    return (struct duplex *)((uintptr_t)s->data & ~(uintptr_t)1);
}

static unsigned end_of(const struct kio_stream *s)
{
    return (uintptr_t)s->data & 1;
}

static void lock(struct duplex *d)
{
    ki_lock(&d->lock, KI_RANK_IO);
}

static void unlock(struct duplex *d)
{
    ki_unlock(&d->lock, KI_RANK_IO);
}

/* Under the lock: whoever waits there is to be woken after it. */
static kio_waker take(struct kio_waiter_ **at)
{
    struct kio_waiter_ *waiter = *at;
    kio_waker waker = { NULL };

    if (waiter) {
        waker = waiter->waker;
        *at = NULL;
        /* release: pairs with op_forget, which looks without the lock: the waiter may be gone now */
        ki_bare_store_release(&waiter->waker.to, NULL);
    }
    return waker;
}

/* Under the lock; gives back a waker to drop after it. */
static kio_waker wait_at(struct kio_waiter_ **at, struct kio_waiter_ *waiter, kio_waker waker)
{
    kio_waker old = waiter->waker;

    *at = waiter;
    if (kio_waker_will_wake(old, waker))
        return (kio_waker){ NULL };
    waiter->waker = kio_waker_clone(waker);
    return old;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t get(struct half *h, size_t size, char *buf, size_t len)
{
    size_t n = min(len, h->count);
    size_t first = min(n, size - h->head);

    memcpy(buf, h->ring + h->head, first);
    memcpy(buf + first, h->ring, n - first);
    h->head = (h->head + n) % size;
    h->count -= n;
    return n;
}

static size_t put(struct half *h, size_t size, const char *buf, size_t len)
{
    size_t n = min(len, size - h->count);
    size_t tail = (h->head + h->count) % size;
    size_t first = min(n, size - tail);

    memcpy(h->ring + tail, buf, first);
    memcpy(h->ring, buf + first, n - first);
    h->count += n;
    return n;
}

static kio_poll duplex_read(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                            void *buf, size_t len, ssize_t *out)
{
    struct duplex *d = duplex_of(s);
    struct half *h = &d->half[!end_of(s)];
    kio_waker wake = { NULL };
    kio_waker old = { NULL };
    kio_poll answer = KIO_READY;

    lock(d);
    if (h->count) {
        *out = (ssize_t)get(h, d->size, buf, len);
        wake = take(&h->writer);
    } else if (h->ended) {
        *out = 0;
    } else {
        old = wait_at(&h->reader, waiter, cx->waker);
        answer = KIO_PENDING;
    }
    if (answer == KIO_READY && h->reader == waiter)
        old = take(&h->reader); /* polled without a wake */
    unlock(d);
    kio_waker_drop(old);
    kio_waker_wake(wake);
    return answer;
}

static kio_poll duplex_write(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                             const void *buf, size_t len, ssize_t *out)
{
    struct duplex *d = duplex_of(s);
    struct half *h = &d->half[end_of(s)];
    kio_waker wake = { NULL };
    kio_waker old = { NULL };
    kio_poll answer = KIO_READY;

    lock(d);
    if (h->deaf || h->ended) {
        *out = -EPIPE;
    } else if (h->count < d->size) {
        *out = (ssize_t)put(h, d->size, buf, len);
        wake = take(&h->reader);
    } else {
        old = wait_at(&h->writer, waiter, cx->waker);
        answer = KIO_PENDING;
    }
    if (answer == KIO_READY && h->writer == waiter)
        old = take(&h->writer); /* polled without a wake */
    unlock(d);
    kio_waker_drop(old);
    kio_waker_wake(wake);
    return answer;
}

static kio_poll duplex_shutdown(struct kio_stream *s, kio_context *cx, struct kio_waiter_ *waiter,
                                ssize_t *out)
{
    struct duplex *d = duplex_of(s);
    kio_waker wake;

    (void)cx;
    (void)waiter;
    lock(d);
    d->half[end_of(s)].ended = true;
    wake = take(&d->half[end_of(s)].reader);
    unlock(d);
    kio_waker_wake(wake);
    *out = 0;
    return KIO_READY;
}

static void duplex_forget(struct kio_stream *s, struct kio_waiter_ *waiter)
{
    struct duplex *d = duplex_of(s);
    kio_waker old;

    lock(d);
    for (int i = 0; i < 2; i++) {
        if (d->half[i].reader == waiter)
            d->half[i].reader = NULL;
        if (d->half[i].writer == waiter)
            d->half[i].writer = NULL;
    }
    old = waiter->waker;
    waiter->waker.to = NULL;
    unlock(d);
    kio_waker_drop(old);
}

static void duplex_close(struct kio_stream *s)
{
    struct duplex *d = duplex_of(s);
    struct half *mine = &d->half[end_of(s)];
    struct half *theirs = &d->half[!end_of(s)];
    kio_waker wake[4];
    bool last;

    lock(d);
    mine->ended = theirs->deaf = true;
    wake[0] = take(&mine->reader);
    wake[1] = take(&mine->writer);
    wake[2] = take(&theirs->reader);
    wake[3] = take(&theirs->writer);
    last = --d->ends == 0;
    unlock(d);
    for (int i = 0; i < 4; i++)
        kio_waker_wake(wake[i]);
    if (last)
        ki_mem_free(d);
}

static const struct kio_stream_type duplex_type = {
    .name = "duplex",
    .read = duplex_read,
    .write = duplex_write,
    .shutdown = duplex_shutdown,
    .forget = duplex_forget,
    .close = duplex_close,
};

int kio_duplex(struct kio_stream *a, struct kio_stream *b, size_t size)
{
    struct duplex *d;

    *a = *b = (struct kio_stream){ 0 };
    if (!size)
        return -EINVAL;
    d = size > SIZE_MAX / 4 ? NULL : ki_mem_zalloc(sizeof *d + 2 * size);
    if (!d)
        return -ENOMEM;
    d->size = size;
    d->ends = 2;
    d->half[0].ring = d->bytes;
    d->half[1].ring = d->bytes + size;
    *a = (struct kio_stream){ .stream_type = &duplex_type, .data = d };
    *b = (struct kio_stream){ .stream_type = &duplex_type, .data = (char *)d + 1 };
    return 0;
}
