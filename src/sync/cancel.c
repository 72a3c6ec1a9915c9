/*
 * Cancel tokens: a tree. One lock guards a whole tree (its root's), so that cancelling a node and
 * giving it a child are one after the other: a child is never missed.
 *
 * Life: `refs` of a node counts its tokens and its children; each child holds its parent.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>

struct kio_cancel_ {
    struct kio_cancel_ *root, *parent;
    struct kio_lock_ lock; /* used in the root */
    bool cancelled;
    size_t refs;
    struct ki_list sibling;
    struct ki_list children;
    struct ki_waiters line;
};

static struct kio_cancel_ *checked(struct kio_cancel_ *n, const char *call)
{
    if (kio_unlikely_(!n))
        ki_guard_fail(ki_guard_here(), "make the token first, and use it only until it is dropped",
                      "%s got an empty token", call);
    return n;
}

static void lock(struct kio_cancel_ *n)
{
    ki_sync_lock(&n->root->lock);
}

static void unlock(struct kio_cancel_ *n)
{
    ki_sync_unlock(&n->root->lock);
}

int kio_cancel_token_new(struct kio_cancel_token *token, const struct kio_cancel_token *parent)
{
    struct kio_cancel_ *up = parent ? checked(parent->node, "kio_cancel_token_new") : NULL;
    struct kio_cancel_ *n = ki_mem_zalloc(sizeof *n);

    token->node = n;
    if (!n)
        return -ENOMEM;
    ki_list_init(&n->children);
    n->refs = 1;
    n->root = up ? up->root : n;
    n->parent = up;
    if (!up)
        return 0;
    lock(up);
    up->refs++;
    n->cancelled = up->cancelled;
    ki_list_push_back(&up->children, &n->sibling);
    unlock(up);
    return 0;
}

struct kio_cancel_token kio_cancel_token_clone(const struct kio_cancel_token *token)
{
    struct kio_cancel_ *n = checked(token->node, "kio_cancel_token_clone");

    lock(n);
    n->refs++;
    unlock(n);
    return *token;
}

/* With the lock of the tree, which is let go at the end: gives a reference back, and those upwards
 * that depended on it. */
static void unlock_unref(struct kio_cancel_ *n)
{
    struct kio_cancel_ *root = n->root;
    struct kio_cancel_ *dead = NULL;

    while (n && --n->refs == 0) {
        struct kio_cancel_ *up = n->parent;

        if (up)
            ki_list_remove(&n->sibling);
        n->parent = dead; /* a list of what is freed after the unlock */
        dead = n;
        n = up;
    }
    ki_sync_unlock(&root->lock);
    while (dead) {
        n = dead->parent;
        ki_mem_free(dead);
        dead = n;
    }
}

/* Marks the subtree, moving all who wait into one line. With the lock. No recursion: the next node
 * in depth first order is found through the links. */
static void cancel_locked(struct kio_cancel_ *top, struct ki_waiters *all)
{
    struct kio_cancel_ *n = top;

    for (;;) {
        struct ki_list *next;

        if (!n->cancelled) {
            n->cancelled = true;
            while (n->line.first) {
                struct kio_waiter_ *w = n->line.first;

                ki_waiters_remove(&n->line, w);
                ki_waiters_push(all, w);
            }
            if (!ki_list_empty(&n->children)) {
                n = ki_container(n->children.next, struct kio_cancel_, sibling);
                continue;
            }
        }
        while (n != top && (next = n->sibling.next) == &n->parent->children)
            n = n->parent;
        if (n == top)
            return;
        n = ki_container(next, struct kio_cancel_, sibling);
    }
}

void kio_cancel(const struct kio_cancel_token *token)
{
    struct kio_cancel_ *n = checked(token->node, "kio_cancel");
    struct ki_waiters all = { 0 };

    lock(n);
    n->refs++; /* wakes may drop the last token */
    cancel_locked(n, &all);
    ki_waiters_wake_all(&all, &n->root->lock);
    unlock_unref(n);
}

bool kio_is_cancelled(const struct kio_cancel_token *token)
{
    struct kio_cancel_ *n = checked(token->node, "kio_is_cancelled");
    bool cancelled;

    lock(n);
    cancelled = n->cancelled;
    unlock(n);
    return cancelled;
}

void kio_cancel_token_drop(struct kio_cancel_token *token)
{
    struct kio_cancel_ *n = token->node;

    if (!n)
        return;
    token->node = NULL;
    lock(n);
    unlock_unref(n);
}

static kio_poll cancelled_poll(kio_future *f, kio_context *cx)
{
    struct kio_cancelled *self = (struct kio_cancelled *)f;
    struct kio_cancel_ *n = self->node;
    kio_waker old = { NULL };
    bool cancelled;

    f->state = f;
    lock(n);
    cancelled = n->cancelled;
    if (!cancelled) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&n->line, &self->waiter);
    }
    unlock(n);
    kio_waker_drop(old);
    if (!cancelled)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

/* The future holds a reference, so the token may be dropped while it waits. Where the waiter is
 * linked does not matter: its own line, or kio_cancel's. */
static void cancelled_drop(kio_future *f)
{
    struct kio_cancelled *self = (struct kio_cancelled *)f;
    struct kio_cancel_ *n = self->node;
    kio_waker old;

    lock(n);
    if (self->waiter.prev) {
        *self->waiter.prev = self->waiter.next;
        if (self->waiter.next)
            self->waiter.next->prev = self->waiter.prev;
        else if (n->line.tail == &self->waiter.next)
            n->line.tail = self->waiter.prev;
        self->waiter.prev = NULL;
    }
    old = ki_waker_take(&self->waiter.waker);
    unlock_unref(n);
    kio_waker_drop(old);
}

static void cancelled_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "cancel token";
    to->at = ((const struct kio_cancelled *)f)->node;
}

static const kio_future_type cancelled_type = {
    .name = "kio_cancelled",
    .waits = cancelled_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_cancelled),
    .poll = cancelled_poll,
    .drop = cancelled_drop,
};

struct kio_cancelled *kio_cancelled(struct kio_cancelled *slot, const struct kio_cancel_token *token)
{
    struct kio_cancel_ *n = checked(token->node, "kio_cancelled");

    kio_vacate_(&slot->kio);
    lock(n);
    n->refs++;
    unlock(n);
    *slot = (struct kio_cancelled){ .kio = { .type = &cancelled_type }, .node = n };
    return slot;
}
