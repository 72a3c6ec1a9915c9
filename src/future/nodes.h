/*
 * Wake nodes: a waker for each member of a combinator, so that a wake tells who woke.
 *
 * Layout: a block holds `cap` nodes and what they share: the stack of members that woke, and the
 * cell with the combinator's own waker. A node finds its block by its index.
 * Life: blocks up to KI_NODES_POOLED nodes are kept in a pool, by size, and never freed: their
 * wakers are not counted, and a late wake finds a node, at worst of another combinator, which
 * polls one member more than needed. Larger ones count their wakers and are freed with the last.
 *
 * A node's `queued`: 0 -> 1 by the waker that then pushes it, 1 -> 0 by the combinator before it
 * polls the member; both exchanges, acq_rel, so that what any waker wrote is seen by that poll.
 *
 * The race: a wake comes while the combinator looks. It leaves its waker in the cell first, then
 * takes the stack; the waker pushes first, then takes from the cell. See future/waker.h.
 */
#ifndef KI_FUTURE_NODES_H
#define KI_FUTURE_NODES_H

#include "waker.h"
#include "../base/list.h"

struct ki_node {
    struct kio_wakeable wakeable;
    struct ki_node *next; /* in the stack, or in who took it */
    uint32_t index;
    ki_atomic(uint32_t) queued;
};

struct ki_nodes {
    struct ki_nodes *pooled;
    uint32_t cap;
    ki_atomic(size_t) refs;         /* counted blocks: wakers, and the combinator */
    ki_atomic(struct ki_node *) woke;
    struct ki_cell parent;
    struct ki_node at[];
};

/* A block for count members, or NULL: out of memory. */
KIO_MUST_USE struct ki_nodes *ki_nodes_get(size_t count);
void ki_nodes_put(struct ki_nodes *nodes);
void ki_nodes_forked(void); /* in a forked child: the pool is begun anew */
/* For a list from ki_nodes_take() that is not going to be polled; before ki_nodes_put(). */
void ki_nodes_forget(struct ki_node *list);

/* Those that woke since the last call, first one first, linked by next; still queued. Leaves cx's
 * waker for the next. */
struct ki_node *ki_nodes_take(struct ki_nodes *nodes, kio_waker parent);

/* The same for a look in passing: the waker that is there stays. */
struct ki_node *ki_nodes_look(struct ki_nodes *nodes);

/* Whether some woke. relaxed: a hint; ki_nodes_take() looks for good. */
static inline bool ki_nodes_any(struct ki_nodes *nodes)
{
    return ki_load_relaxed(&nodes->woke) != NULL;
}

static inline kio_waker ki_node_waker(struct ki_node *node)
{
    return (kio_waker){ &node->wakeable };
}

/* The member is about to be polled: from here on a wake queues it again. */
static inline void ki_node_polled(struct ki_node *node)
{
    ki_xchg_acq_rel(&node->queued, 0); /* see above */
}

#endif
