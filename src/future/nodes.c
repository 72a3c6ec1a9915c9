#include "nodes.h"
#include "../base/lock.h"
#include "../base/mem.h"

#include <string.h>

#define KI_NODES_MIN    16u
#ifndef KI_NODES_POOLED /* smaller when it is model checked */
#define KI_NODES_POOLED 4096u
#endif
#define KI_NODES_SIZES  9 /* 16, 32 .. 4096 */

static struct ki_lock pool_lock;
static struct ki_nodes *pool[KI_NODES_SIZES];

static struct ki_nodes *block_of(struct ki_node *node)
{
    return ki_container(node - node->index, struct ki_nodes, at);
}

static struct ki_node *node_of(struct kio_wakeable *wakeable)
{
    return (struct ki_node *)wakeable; /* its first member */
}

static void wake(struct kio_wakeable *self)
{
    struct ki_node *node = node_of(self);
    struct ki_nodes *nodes = block_of(node);
    struct ki_node *first;

    if (ki_xchg_acq_rel(&node->queued, 1)) /* see the header */
        return;
    first = ki_load_relaxed(&nodes->woke);
    do {
        node->next = first;
    } while (!ki_cas_weak_release(&nodes->woke, &first, node)); /* pairs with ki_nodes_take */
    ki_cell_wake(&nodes->parent);
}

static void clone_counted(struct kio_wakeable *self)
{
    ki_fetch_add_relaxed(&block_of(node_of(self))->refs, 1); /* from one that lives */
}

static void unref(struct ki_nodes *nodes)
{
    /* acq_rel: who frees comes after everybody's last use */
    if (ki_fetch_sub_acq_rel(&nodes->refs, 1) == 1)
        ki_mem_free(nodes);
}

static void drop_counted(struct kio_wakeable *self)
{
    unref(block_of(node_of(self)));
}

static const kio_waker_type pooled_type = { .name = "member", .wake = wake };

static const kio_waker_type counted_type = {
    .name = "member",
    .wake = wake,
    .clone = clone_counted,
    .drop = drop_counted,
};

static unsigned size_class(uint32_t cap)
{
    return (unsigned)__builtin_ctz(cap) - 4;
}

static uint32_t capacity_for(size_t count)
{
    uint32_t cap = KI_NODES_MIN;

    if (count > KI_NODES_POOLED)
        return (uint32_t)count;
    while (cap < count)
        cap *= 2;
    return cap;
}

static struct ki_nodes *from_pool(uint32_t cap)
{
    struct ki_nodes **at = &pool[size_class(cap)];
    struct ki_nodes *nodes;

    ki_lock(&pool_lock, KI_RANK_LEAF);
    nodes = *at;
    if (nodes)
        *at = nodes->pooled;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
    return nodes;
}

static struct ki_nodes *make(uint32_t cap)
{
    const kio_waker_type *type = cap > KI_NODES_POOLED ? &counted_type : &pooled_type;
    struct ki_nodes *nodes = ki_mem_zalloc(sizeof *nodes + cap * sizeof nodes->at[0]);

    if (!nodes)
        return NULL;
    if (cap <= KI_NODES_POOLED)
        ki_mem_keep(nodes);
    nodes->cap = cap;
    ki_store_relaxed(&nodes->refs, 1);
    for (uint32_t i = 0; i < cap; i++) {
        nodes->at[i].wakeable.type = type;
        nodes->at[i].index = i;
    }
    return nodes;
}

struct ki_nodes *ki_nodes_get(size_t count)
{
    uint32_t cap = capacity_for(count);
    struct ki_nodes *nodes;

    if (count > UINT32_MAX)
        return NULL;
    nodes = cap <= KI_NODES_POOLED ? from_pool(cap) : NULL;
    if (!nodes)
        return make(cap);
    if (ki_nodes_any(nodes)) /* the former owner's: not this one's to poll */
        ki_nodes_forget(ki_xchg_acquire(&nodes->woke, NULL)); /* pairs with wake */
    return nodes;
}

/* Nodes that nobody will poll: from here on a wake may queue them, for the block's next owner. */
void ki_nodes_forget(struct ki_node *list)
{
    for (struct ki_node *node = list, *next; node; node = next) {
        next = node->next;
        ki_node_polled(node);
    }
}

void ki_nodes_put(struct ki_nodes *nodes)
{
    struct ki_nodes **at;

    ki_cell_clear(&nodes->parent);
    if (nodes->cap > KI_NODES_POOLED) {
        unref(nodes);
        return;
    }
    at = &pool[size_class(nodes->cap)];
    ki_lock(&pool_lock, KI_RANK_LEAF);
    nodes->pooled = *at;
    *at = nodes;
    ki_unlock(&pool_lock, KI_RANK_LEAF);
}

static struct ki_nodes *parents[KI_NODES_SIZES] __attribute__((used)); /* see ki_scheds_forked */

void ki_nodes_forked(void)
{
    pool_lock = (struct ki_lock){ 0 };
    memcpy(parents, pool, sizeof pool);
    memset(pool, 0, sizeof pool);
}

struct ki_node *ki_nodes_look(struct ki_nodes *nodes)
{
    struct ki_node *woke;
    struct ki_node *list = NULL;

    if (!ki_load_relaxed(&nodes->woke)) /* a hint: see ki_nodes_take for who must not miss one */
        return NULL;
    woke = ki_xchg_acquire(&nodes->woke, NULL); /* pairs with wake */
    while (woke) {
        struct ki_node *next = woke->next;

        woke->next = list;
        list = woke;
        woke = next;
    }
    return list;
}

struct ki_node *ki_nodes_take(struct ki_nodes *nodes, kio_waker parent)
{
    ki_cell_set(&nodes->parent, parent); /* before the look: see the header */
    return ki_nodes_look(nodes);
}
