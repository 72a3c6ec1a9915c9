/*
 * An array of members, each with a waker of its own, so that a wake polls who woke.
 *
 * Up to KI_FEW members it is cheaper to poll all of them with the task's own waker. The same way
 * serves when there is no memory for the wakers: slower, not wrong.
 */
#include "combine.h"
#include "guard.h"
#include "nodes.h"

#define KI_FEW 8

void ki_many_init(struct kio_many_ *many, kio_future *owner, kio_future *first, size_t stride,
                  size_t count, const char *call)
{
    *many = (struct kio_many_){ .base = (char *)first, .stride = stride, .count = count };
    for (size_t i = 0; i < count; i++) {
        kio_future *f = ki_many_at(many, i);

        ki_take_in(owner, f, call);
        many->left += !kio_is_over_(f);
    }
    if (many->left > KI_FEW)
        many->nodes = ki_nodes_get(count);
}

/* Few: every poll goes once through all, from where the last one that ended was found. */
static size_t next_of_few(struct kio_many_ *many, kio_context *cx)
{
    for (; many->next < many->count; many->next++) {
        kio_future *f = ki_many_at(many, many->next);

        if (!kio_is_over_(f) && kio_poll_(f, cx) == KIO_READY) {
            many->left--;
            return many->next++;
        }
    }
    many->next = 0; /* the next poll goes through all again */
    return KI_MANY_PENDING;
}

/* Polls a member with its own waker. */
static bool poll_member(struct kio_many_ *many, size_t i, kio_context *cx)
{
    struct ki_nodes *nodes = many->nodes;
    kio_context own = { .waker = ki_node_waker(&nodes->at[i]), .run = cx->run };

    if (kio_poll_(ki_many_at(many, i), &own) == KIO_PENDING)
        return false;
    many->left--;
    return true;
}

/* Without budget the members would only wake themselves again: go on in the next poll. */
static bool out_of_budget(kio_context *cx)
{
    if (!cx->run || cx->run->budget > 0)
        return false;
    kio_waker_wake_by_ref(cx->waker);
    return true;
}

size_t ki_many_next(struct kio_many_ *many, kio_context *cx)
{
    struct ki_nodes *nodes = many->nodes;

    if (!nodes)
        return next_of_few(many, cx);
    for (;;) {
        struct ki_node *node = many->todo;

        if (many->next < many->count || node) {
            if (out_of_budget(cx))
                return KI_MANY_PENDING;
        }
        if (many->next < many->count) { /* the first round */
            size_t i = many->next++;

            if (!kio_is_over_(ki_many_at(many, i)) && poll_member(many, i, cx))
                return i;
            continue;
        }
        if (!node) {
            many->todo = node = ki_nodes_take(nodes, cx->waker);
            if (!node)
                return KI_MANY_PENDING;
        }
        many->todo = node->next;
        ki_node_polled(node);
        /* A late wake of an ended member, or of the block's former owner's. */
        if (node->index >= many->count || kio_is_over_(ki_many_at(many, node->index)))
            continue;
        if (poll_member(many, node->index, cx))
            return node->index;
    }
}

void ki_many_drop(struct kio_many_ *many)
{
    struct ki_nodes *nodes = many->nodes;

    if (!nodes)
        return;
    /* What is in hand goes back: from here on a wake may queue it, for the block's next owner. */
    for (struct ki_node *node = many->todo, *next; node; node = next) {
        next = node->next;
        ki_node_polled(node);
    }
    many->todo = many->nodes = NULL;
    ki_nodes_put(nodes);
}
