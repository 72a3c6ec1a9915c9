/*
 * Who waits for whom: an edge leads from a task to each one that has what it waits for; a depth
 * first search finds the cycles, at least one in each knot of tasks.
 *
 * Tasks were looked at one after another while others ran, so what the edges say may never have been
 * true at one instant. A cycle is shown only if none of its tasks was polled or woken since it was
 * looked at (ki_look_unmoved): then each still waited, and still had what it had, when the last of
 * them was looked at. Locks are taken and released by polls alone.
 *
 * Who has some of a semaphore's permits is named to who waits for others, but no edge leads there:
 * permits may come from anybody.
 */
#include "dump.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
    return a < b ? -1 : a > b;
}

static int compare_tasks(const void *a, const void *b, void *arg)
{
    const struct ki_dump *d = arg;

    return by_address(d->entries.at[*(const size_t *)a].task, d->entries.at[*(const size_t *)b].task);
}

static int compare_having(const void *a, const void *b, void *arg)
{
    const struct ki_dump *d = arg;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    int order = by_address(d->nodes.at[i].waits.at, d->nodes.at[j].waits.at);
    uint64_t x = d->entries.at[d->nodes.at[i].entry].id, y = d->entries.at[d->nodes.at[j].entry].id;

    if (!order) /* so one task's stand together, in the order in which the tasks are shown */
        order = (x > y) - (x < y);
    return order ? order : (i > j) - (i < j);
}

/* The first place in a sorted list whose address is not below `at`. */
static size_t lower_bound(const struct ki_dump *d, const size_t *list, size_t count, bool tasks,
                          const void *at)
{
    size_t from = 0;

    while (count) {
        size_t half = count / 2;
        size_t i = list[from + half];
        const void *here = tasks ? (const void *)d->entries.at[i].task : d->nodes.at[i].waits.at;

        if (by_address(here, at) < 0) {
            from += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return from;
}

static bool index_having(struct ki_dump *d)
{
    size_t count = 0;

    for (size_t i = 0; i < d->nodes.count; i++)
        count += d->nodes.at[i].waits.has;
    d->having = ki_mem_alloc((count + 1) * sizeof *d->having);
    if (!d->having)
        return false;
    for (size_t i = 0; i < d->nodes.count; i++) {
        if (d->nodes.at[i].waits.has)
            d->having[d->having_count++] = i;
    }
    qsort_r(d->having, count, sizeof *d->having, compare_having, d);
    return true;
}

bool ki_dump_index(struct ki_dump *d)
{
    d->by_task = ki_mem_alloc((d->entries.count + 1) * sizeof *d->by_task);
    if (!d->by_task)
        return false;
    for (size_t i = 0; i < d->entries.count; i++)
        d->by_task[i] = i;
    qsort_r(d->by_task, d->entries.count, sizeof *d->by_task, compare_tasks, d);
    ki_dump_channels(d);
    return index_having(d);
}

/* By its header, or (kio_try_lock knows no more) by its frame, which takes longer. */
bool ki_dump_find(const struct ki_dump *d, const void *holder, size_t *entry)
{
    size_t i = lower_bound(d, d->by_task, d->entries.count, true, holder);

    if (i < d->entries.count && d->entries.at[d->by_task[i]].task == holder) {
        *entry = d->by_task[i];
        return true;
    }
    for (i = 0; i < d->entries.count; i++) {
        if (d->entries.at[i].frame == holder) {
            *entry = i;
            return true;
        }
    }
    return false;
}

size_t ki_dump_holders(const struct ki_dump *d, const struct ki_node *node, bool shares,
                       void (*each)(void *arg, size_t entry), void *arg)
{
    const void *at = node->waits.at;
    size_t last = SIZE_MAX;
    size_t count = 0;
    size_t entry;

    if (!node->waits.what || node->waits.has)
        return 0;
    if (node->waits.holder && ki_dump_find(d, node->waits.holder, &entry)) {
        each(arg, entry);
        return 1;
    }
    for (size_t i = lower_bound(d, d->having, d->having_count, false, at);
         i < d->having_count && d->nodes.at[d->having[i]].waits.at == at; i++) {
        const struct ki_node *having = &d->nodes.at[d->having[i]];

        if (having->entry == last || (having->waits.shares && !shares))
            continue;
        last = having->entry;
        each(arg, last);
        count++;
    }
    return count;
}

/* ---- cycles ------------------------------------------------------------------------------- */

struct from {
    struct ki_dump *d;
    size_t node;
};

static void add_edge(void *arg, size_t entry)
{
    struct from *from = arg;
    struct ki_edge *edge = ki_dump_add(from->d, edges);

    if (edge)
        *edge = (struct ki_edge){ from->d->nodes.at[from->node].entry, entry, from->node };
}

/* In the order of the tasks, because the nodes are. */
static void add_edges(struct ki_dump *d)
{
    for (size_t i = 0; i < d->nodes.count; i++) {
        const struct ki_node *node = &d->nodes.at[i];

        if (node->role == KI_ROLE_POLLED && node->leaf && !node->stalled)
            ki_dump_holders(d, node, false, add_edge, &(struct from){ d, i });
    }
}

enum colour { NEW, ON_PATH, SEARCHED };

struct search {
    struct ki_dump *d;
    size_t *first;   /* edge of each entry; one more at the end */
    size_t *next;    /* edge to follow next */
    size_t *path;    /* edges from the search's root */
    uint8_t *colour; /* of each entry */
};

static bool still_true(const struct ki_dump *d, const size_t *edges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ki_entry *e = &d->entries.at[d->edges.at[edges[i]].from];

        if (!ki_look_unmoved((struct ki_task *)e->task, e->id))
            return false;
    }
    return true;
}

static bool is_definite(const struct ki_dump *d, const size_t *edges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (d->nodes.at[d->edges.at[edges[i]].node].unsure)
            return false;
    }
    return true;
}

/* Where it begins: with the task that was there first. */
static size_t oldest(const struct ki_dump *d, const size_t *edges, size_t count)
{
    size_t found = 0;

    for (size_t i = 1; i < count; i++) {
        if (d->entries.at[d->edges.at[edges[i]].from].id < d->entries.at[d->edges.at[edges[found]].from].id)
            found = i;
    }
    return found;
}

static void add_cycle(struct ki_dump *d, const size_t *edges, size_t count)
{
    struct ki_cycle *cycle = ki_dump_add(d, cycles);
    size_t begin = oldest(d, edges, count);

    if (!cycle)
        return;
    cycle->first = d->cycle_edges.count;
    cycle->definite = is_definite(d, edges, count);
    for (size_t i = 0; i < count; i++) {
        size_t *edge = ki_dump_add(d, cycle_edges);

        if (!edge)
            return;
        *edge = edges[(begin + i) % count];
        cycle->count++;
    }
}

/* Without recursion: a chain may be as long as there are tasks. */
static void search_from(struct search *s, size_t root)
{
    struct ki_dump *d = s->d;
    size_t depth = 0;
    size_t at = root;

    s->colour[root] = ON_PATH;
    for (;;) {
        size_t edge = s->next[at];
        size_t to;

        if (edge == s->first[at + 1]) {
            s->colour[at] = SEARCHED;
            if (!depth)
                return;
            at = d->edges.at[s->path[--depth]].from;
            continue;
        }
        s->next[at]++;
        to = d->edges.at[edge].to;
        if (s->colour[to] == SEARCHED)
            continue;
        s->path[depth++] = edge;
        if (s->colour[to] == NEW) {
            s->colour[to] = ON_PATH;
            at = to;
            continue;
        }
        for (size_t i = depth; i-- > 0;) {
            if (d->edges.at[s->path[i]].from != to)
                continue;
            if (still_true(d, s->path + i, depth - i))
                add_cycle(d, s->path + i, depth - i);
            break;
        }
        depth--;
    }
}

void ki_dump_cycles(struct ki_dump *d)
{
    size_t n = d->entries.count;
    struct search s = { .d = d };

    add_edges(d);
    s.first = ki_mem_alloc((n + 1) * sizeof *s.first);
    s.next = ki_mem_alloc((n + 1) * sizeof *s.next);
    s.path = ki_mem_alloc((n + 1) * sizeof *s.path);
    s.colour = ki_mem_zalloc(n + 1);
    if (!s.first || !s.next || !s.path || !s.colour) {
        d->lost = true;
    } else {
        size_t edge = 0;

        for (size_t i = 0; i <= n; i++) {
            while (edge < d->edges.count && d->edges.at[edge].from < i)
                edge++;
            s.first[i] = s.next[i] = edge;
        }
        for (size_t i = 0; i < n; i++) {
            if (s.colour[i] == NEW)
                search_from(&s, i);
        }
    }
    ki_mem_free(s.first);
    ki_mem_free(s.next);
    ki_mem_free(s.path);
    ki_mem_free(s.colour);
}
