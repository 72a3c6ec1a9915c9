/*
 * Name lookup: getaddrinfo on the blocking pool.
 *
 * The job and the future share a struct lookup, which two references hold: the resolver cannot be
 * interrupted, so a future that is dropped leaves the job to end on its own.
 */
#include <kioto/net.h>

#include "../base/list.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"
#include "../future/waker.h"
#include "../runtime/context.h"
#include "../sched/blocking.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

struct lookup {
    struct ki_job job;
    ki_atomic(uint32_t) refs;
    ki_atomic(uint32_t) over;
    struct ki_cell waiter;
    int out;
    struct kio_addr *addrs;
    char *port;   /* within host */
    char host[];
};

static void unref(struct lookup *l)
{
    /* acq_rel: who frees comes after the other's last use */
    if (ki_fetch_sub_acq_rel(&l->refs, 1) == 1) {
        ki_mem_free(l->addrs);
        ki_mem_free(l);
    }
}

static int errno_of(int gai)
{
    switch (gai) {
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno ? -errno : -EIO;
    case EAI_SERVICE:
        return -EINVAL;
    default:
        return -ENOENT;
    }
}

static int copy_list(struct lookup *l, const struct addrinfo *list)
{
    int count = 0;

    for (const struct addrinfo *at = list; at; at = at->ai_next)
        count += at->ai_addrlen <= sizeof(struct sockaddr_storage);
    l->addrs = count ? ki_mem_zalloc((size_t)count * sizeof *l->addrs) : NULL;
    if (!l->addrs)
        return count ? -ENOMEM : -ENOENT;
    count = 0;
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (at->ai_addrlen > sizeof(struct sockaddr_storage))
            continue;
        memcpy(&l->addrs[count].storage, at->ai_addr, at->ai_addrlen);
        l->addrs[count++].len = at->ai_addrlen;
    }
    return count;
}

static int resolve(struct lookup *l)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list;
    int gai = getaddrinfo(l->host, l->port, &hints, &list);
    int out;

    if (gai)
        return errno_of(gai);
    out = copy_list(l, list);
    freeaddrinfo(list);
    return out;
}

static void end(struct lookup *l, int out)
{
    l->out = out;
    ki_store_release(&l->over, 1); /* pairs with lookup_poll; the cell orders it with the look */
    ki_cell_wake(&l->waiter);
    unref(l);
}

static void run(struct ki_job *job)
{
    struct lookup *l = ki_container(job, struct lookup, job);

    end(l, resolve(l));
}

static void cancel(struct ki_job *job)
{
    end(ki_container(job, struct lookup, job), -ESHUTDOWN);
}

static kio_poll lookup_end(struct kio_lookup *self, int out)
{
    self->out = out;
    kio_finish_keep(&self->kio); /* the addresses stay */
    return KIO_READY;
}

static kio_poll lookup_poll(kio_future *f, kio_context *cx)
{
    struct kio_lookup *self = (struct kio_lookup *)f;
    struct lookup *l = self->job;

    if (self->addrs || !l)
        return lookup_end(self, self->out);
    if (!f->state) {
        struct ki_blocking *pool = ki_context_blocking();
        int err;

        if (!pool)
            ki_guard_fail(ki_guard_here(), "await it in a task",
                          "kio_lookup_host needs a runtime's blocking pool, and there is none here");
        f->state = f;
        ki_fetch_add_relaxed(&l->refs, 1); /* the job's; the pool publishes it */
        err = ki_blocking_submit(pool, &l->job, KI_LANE_LOOKUP);
        if (err) {
            unref(l);
            return lookup_end(self, err);
        }
    }
    ki_cell_set(&l->waiter, cx->waker); /* before the look */
    if (!ki_load_acquire(&l->over))
        return KIO_PENDING;
    self->addrs = l->addrs;
    return lookup_end(self, l->out);
}

static void lookup_drop(kio_future *f)
{
    struct kio_lookup *self = (struct kio_lookup *)f;
    struct lookup *l = self->job;

    self->addrs = NULL;
    self->job = NULL;
    if (!l)
        return;
    ki_cell_clear(&l->waiter);
    unref(l);
}

static void lookup_describe(const kio_future *f, char *text, size_t cap)
{
    const struct lookup *l = ((const struct kio_lookup *)f)->job;

    snprintf(text, cap, "%s", l ? l->host : "");
}

static const kio_future_type lookup_type = {
    .name = "kio_lookup_host",
    .size = sizeof(struct kio_lookup),
    .poll = lookup_poll,
    .drop = lookup_drop,
    .out_offset = offsetof(struct kio_lookup, out),
    .out_size = sizeof(int),
    .describe = lookup_describe,
};

/* "host:port", "[v6]:port": both parts without the brackets. */
static struct lookup *split(const char *name, int *err)
{
    const char *colon = strrchr(name, ':');
    size_t len = strlen(name);
    struct lookup *l;

    *err = -EINVAL;
    if (!colon || colon == name || !colon[1])
        return NULL;
    *err = -ENOMEM;
    l = ki_mem_zalloc(sizeof *l + len + 1);
    if (!l)
        return NULL;
    ki_store_relaxed(&l->refs, 1);
    l->job.run = run;
    l->job.cancel = cancel;
    if (name[0] == '[' && colon[-1] == ']') {
        memcpy(l->host, name + 1, len - 1);
        l->host[colon - name - 2] = '\0';
        l->port = l->host + (colon - name);
    } else {
        memcpy(l->host, name, len);
        l->host[colon - name] = '\0';
        l->port = l->host + (colon - name) + 1;
    }
    *err = 0;
    return l;
}

struct kio_lookup *kio_lookup_host(struct kio_lookup *slot, const char *name)
{
    struct kio_addr addr;
    int err;

    kio_vacate_(&slot->kio);
    *slot = (struct kio_lookup){ .kio = { .type = &lookup_type } };
    if (!name) {
        slot->out = -EINVAL;
        return slot;
    }
    slot->job = split(name, &err);
    slot->out = err;
    if (slot->job && !kio_addr_parse(&addr, name)) {
        struct lookup *l = slot->job;

        l->addrs = slot->addrs = ki_mem_alloc(sizeof addr);
        if (slot->addrs)
            *slot->addrs = addr;
        slot->out = slot->addrs ? 1 : -ENOMEM;
    }
    return slot;
}
