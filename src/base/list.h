/* An intrusive doubly linked list with a sentinel: a node knows neither its list nor its length. */
#ifndef KI_BASE_LIST_H
#define KI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ki_list {
    struct ki_list *next, *prev; /* of the sentinel: first and last */
};

#define ki_container(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline void ki_list_init(struct ki_list *l)
{
    l->next = l->prev = l;
}

static inline bool ki_list_empty(const struct ki_list *l)
{
    return l->next == l;
}

/* A node that was never linked (zeroed) or was removed is not linked. */
static inline bool ki_list_linked(const struct ki_list *node)
{
    return node->next != NULL;
}

static inline void ki_list_push_back(struct ki_list *l, struct ki_list *node)
{
    node->next = l;
    node->prev = l->prev;
    l->prev->next = node;
    l->prev = node;
}

static inline void ki_list_push_front(struct ki_list *l, struct ki_list *node)
{
    node->prev = l;
    node->next = l->next;
    l->next->prev = node;
    l->next = node;
}

static inline void ki_list_remove(struct ki_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* The first node, unlinked; NULL when empty. */
static inline struct ki_list *ki_list_pop_front(struct ki_list *l)
{
    struct ki_list *node = l->next;

    if (node == l)
        return NULL;
    ki_list_remove(node);
    return node;
}

#endif
