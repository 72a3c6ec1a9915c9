/*
 * An array of members, each with a waker of its own, so that a wake polls who woke.
 *
 * Up to KI_FEW members it is cheaper to poll all of them with the task's own waker: 18 ns a wake of
 * one of 8 against 21 with wakers, 25 against 21 at 12, and 22 ns less to set 8 up (members whose
 * poll does nothing; 2 vCPU EPYC; dearer members move the crossing down). The same way serves when
 * there is no memory for the wakers: slower, not wrong. Each poll starts one member further than the
 * last, so that one which uses up the task's budget does not starve the others.
 *
 * With wakers, one poll may go on taking members that woke while it ran (one fed another), but not
 * for ever. It hands the rest to its next poll, at once woken, when a member was woken by its own
 * poll (it asks to let others run: kio_yield_now), or when as many were polled as there are. Both
 * are known livelocks of such sets: tokio-rs/tokio#2390, rust-lang/futures-rs#2526.
 */
#include "combine.h"
#include "guard.h"
#include "nodes.h"

#define KI_FEW 8

void ki_many_init(struct kio_many_ *many, kio_future *owner, kio_future *first, size_t stride,
                  size_t count, const char *call)
{
    size_t left = 0; /* a member that counts takes a store and a load a round more, one after the other */

    *many = (struct kio_many_){ .base = (char *)first, .stride = stride, .count = count };
    if (count)
        kio_guard_borrow_(first, call, "an array of members");
    for (size_t i = 0; i < count; i++) {
        kio_future *f = (kio_future *)((char *)first + i * stride);

        ki_take_in(owner, f, call);
        left += !kio_is_over_(f);
    }
    many->left = left;
    if (left > KI_FEW)
        many->nodes = ki_nodes_get(count);
}

/* Few: every poll goes once round, on from where the last one that ended was found. */
static size_t next_of_few(struct kio_many_ *many, kio_context *cx)
{
    while (many->next < many->count) {
        size_t i = many->turn + many->next++;
        kio_future *f;

        if (i >= many->count)
            i -= many->count;
        f = ki_many_at(many, i);
        if (!kio_is_over_(f) && kio_poll_(f, cx) == KIO_READY) {
            many->left--;
            return i;
        }
    }
    many->next = 0;
    many->turn = many->turn + 1 < many->count ? many->turn + 1 : 0;
    return KI_MANY_PENDING;
}

/* Polls a member with its own waker. True: it has ended. */
static inline bool poll_member(struct kio_many_ *many, size_t i, kio_context *cx)
{
    struct ki_nodes *nodes = many->nodes;
    struct ki_node *node = &nodes->at[i];
    kio_context own = { .waker = ki_node_waker(node), .run = cx->run };

    if (kio_poll_(ki_many_at(many, i), &own) == KIO_PENDING) {
        /* relaxed: a hint; a wake by another thread at this moment costs one turn of the task */
        if (ki_load_relaxed(&node->queued))
            many->yielded = true;
        return false;
    }
    return true;
}

/* Pending: all that is left waits for a wake. */
static size_t pending(struct kio_many_ *many)
{
    many->polled = 0;
    many->yielded = false;
    return KI_MANY_PENDING;
}

/* Pending, although members want to be polled: they are in the next poll. */
static size_t go_on_later(struct kio_many_ *many, kio_context *cx)
{
    kio_waker_wake_by_ref(cx->waker);
    return pending(many);
}

/* Without budget the members would only wake themselves again. */
static bool out_of_budget(const kio_context *cx)
{
    return cx->run && cx->run->budget <= 0;
}

/* The first round goes through the array. KI_MANY_PENDING: it is through, or without budget. */
static size_t next_of_first_round(struct kio_many_ *many, kio_context *cx)
{
    while (many->next < many->count && !out_of_budget(cx)) {
        size_t i = many->next++;

        if (!kio_is_over_(ki_many_at(many, i)) && poll_member(many, i, cx)) {
            many->left--;
            return i;
        }
    }
    many->polled = many->next;
    return KI_MANY_PENDING;
}

/* The same for all that end, counted here: a member takes 2 ns less than by one call each. */
static void whole_first_round(struct kio_many_ *many, kio_context *cx)
{
    size_t i = many->next;
    size_t ended = 0;

    for (; i < many->count && !out_of_budget(cx); i++)
        ended += !kio_is_over_(ki_many_at(many, i)) && poll_member(many, i, cx);
    many->next = many->polled = i;
    many->left -= ended;
}

/* Those that woke since. */
static size_t next_of_woken(struct kio_many_ *many, kio_context *cx)
{
    struct ki_nodes *nodes = many->nodes;

    for (;;) {
        struct ki_node *node = many->todo;

        if (!node) {
            bool enough = many->yielded || many->polled >= many->count;

            /* Left where they are, they come in one batch with those that wake until then. */
            if (enough && ki_nodes_any(nodes))
                return go_on_later(many, cx);
            many->todo = node = ki_nodes_take(nodes, cx->waker);
            if (!node)
                return pending(many);
            if (enough)
                return go_on_later(many, cx);
        }
        if (out_of_budget(cx))
            return go_on_later(many, cx);
        many->todo = node->next;
        ki_node_polled(node);
        /* A late wake of an ended member, or of the block's former owner's. */
        if (node->index >= many->count || kio_is_over_(ki_many_at(many, node->index)))
            continue;
        many->polled++;
        if (poll_member(many, node->index, cx)) {
            many->left--;
            return node->index;
        }
    }
}

size_t ki_many_next(struct kio_many_ *many, kio_context *cx)
{
    if (!many->nodes)
        return next_of_few(many, cx);
    if (many->next < many->count) {
        size_t i = next_of_first_round(many, cx);

        if (i != KI_MANY_PENDING)
            return i;
        if (many->next < many->count)
            return go_on_later(many, cx);
    }
    return next_of_woken(many, cx);
}

bool ki_many_all(struct kio_many_ *many, kio_context *cx)
{
    if (many->nodes && many->next < many->count) {
        whole_first_round(many, cx);
        if (many->left && many->next < many->count) {
            go_on_later(many, cx);
            return false;
        }
    }
    while (many->left) {
        if (ki_many_next(many, cx) == KI_MANY_PENDING)
            return false;
    }
    return true;
}

void ki_many_drop(struct kio_many_ *many)
{
    struct ki_nodes *nodes = many->nodes;

    if (!nodes)
        return;
    ki_nodes_forget(many->todo);
    many->todo = many->nodes = NULL;
    ki_nodes_put(nodes);
}

void ki_many_each(const struct kio_many_ *many, void (*each)(void *arg, const kio_future *member),
                  void *arg)
{
    for (size_t i = 0; i < many->count; i++)
        each(arg, ki_many_at(many, i));
}
