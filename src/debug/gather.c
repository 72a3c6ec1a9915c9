/*
 * Reading tasks: one at a time, while it is held (sched/look.c); nothing here wakes or waits.
 *
 * What is polled is found from the root: a suspended async function polls its newest child, which
 * is what it awaits; anything else polls its `members`, or its children. Futures of an owner that
 * are not among those are not polled until the owner comes to await them: if such a one has a lock,
 * or a place in its line, that is a futurelock.
 */
#include "dump.h"

#include <stdio.h>

void *ki_dump_room_(struct ki_dump *d, void *at, size_t need, size_t *cap, size_t size)
{
    size_t more = need > *cap * 2 ? need : *cap * 2;
    void *bigger;

    if (need <= *cap)
        return at;
    bigger = ki_mem_realloc(at, more * size);
    if (!bigger) {
        d->lost = true;
        return at;
    }
    *cap = more;
    return bigger;
}

/* The text's offset in the pool; 0: none, or no memory. */
static size_t keep(struct ki_dump *d, const char *text)
{
    size_t len = strlen(text) + 1;
    size_t at = d->pool.count;

    d->pool.at = ki_dump_room_(d, d->pool.at, at + len, &d->pool.cap, 1);
    if (at + len > d->pool.cap)
        return 0;
    memcpy(d->pool.at + at, text, len);
    d->pool.count = at + len;
    return at;
}

struct walk {
    struct ki_dump *d;
    size_t entry;
    bool running; /* of this thread's own task: what is polled is not known */
    /* Futures reached as somebody's members: their owners do not list them again. A hash table with
     * open addressing. */
    const kio_future **members;
    size_t member_count, member_cap;
};

/* How a future is reached. */
struct way {
    uint8_t depth;
    enum ki_role role;
    bool unsure, stalled, beside;
    size_t function;
};

/* A list of futures of one owner. */
struct list {
    struct walk *w;
    struct way way;
    size_t count;
    size_t cut; /* the node at which the text stops; with count > KI_DUMP_SIBLINGS */
};

static void walk(struct walk *w, const kio_future *f, struct way way);

static const kio_future **place_of(const kio_future **table, size_t cap, const kio_future *f)
{
    size_t i = ((uintptr_t)f >> 4) * 0x9e3779b97f4a7c15u >> 20 & (cap - 1);

    while (table[i] && table[i] != f)
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static bool is_member(const struct walk *w, const kio_future *f)
{
    return w->member_cap && *place_of(w->members, w->member_cap, f);
}

static bool grow_members(struct walk *w)
{
    size_t cap = w->member_cap ? w->member_cap * 2 : 64;
    const kio_future **table = ki_mem_zalloc(cap * sizeof *table);

    if (!table)
        return false;
    for (size_t i = 0; i < w->member_cap; i++) {
        if (w->members[i])
            *place_of(table, cap, w->members[i]) = w->members[i];
    }
    ki_mem_free(w->members);
    w->members = table;
    w->member_cap = cap;
    return true;
}

static void add_member(struct walk *w, const kio_future *f)
{
    const kio_future **at;

    if (2 * w->member_count >= w->member_cap && !grow_members(w)) {
        w->d->lost = true;
        return;
    }
    at = place_of(w->members, w->member_cap, f);
    w->member_count += !*at;
    *at = f;
}

static bool is_shown(const kio_future *f)
{
    return f->type && f->state != KIO_DONE;
}

static void walk_one(struct list *list, const kio_future *f, enum ki_role role)
{
    struct way way = list->way;
    size_t at = list->w->d->nodes.count;

    way.role = f->state == KIO_KEPT ? KI_ROLE_KEPT : role;
    if (++list->count == KI_DUMP_SIBLINGS + 1)
        list->cut = at;
    walk(list->w, f, way);
}

/* The text leaves out what is behind the cut. */
static void end_list(struct list *list)
{
    if (list->count > KI_DUMP_SIBLINGS && list->cut < list->w->d->nodes.count)
        list->w->d->nodes.at[list->cut].hidden = (uint32_t)(list->count - KI_DUMP_SIBLINGS);
}

static void walk_member(void *arg, const kio_future *f)
{
    struct list *list = arg;

    if (!is_shown(f))
        return;
    add_member(list->w, f);
    walk_one(list, f, list->way.role);
}

static void count_member(void *arg, const kio_future *f)
{
    *(size_t *)arg += kio_is_live_(f);
}

/* What a future that is no async function polls. */
static void walk_members(struct walk *w, const kio_future *f, struct list *list)
{
    size_t live = 0;

    /* One that is over polls nothing; what it once polled may be other futures' slots now. */
    if (!f->type->members || f->state == KIO_KEPT) {
        for (const kio_future *c = kio_child_(f); c; c = c->next) {
            if (is_shown(c) && !is_member(w, c))
                walk_one(list, c, list->way.role);
        }
        return;
    }
    f->type->members(f, count_member, &live);
    list->way.unsure |= f->type->kind == KIO_KIND_ANY && live > 1;
    f->type->members(f, walk_member, list);
}

/* What an async function awaits, then what else it owns. */
static void walk_children(struct walk *w, const kio_future *f, struct list *list)
{
    const kio_future *c = f->child;
    enum ki_role rest = w->running ? KI_ROLE_NEUTRAL : KI_ROLE_UNPOLLED;
    bool stalled = list->way.stalled;

    if (c && f->state && is_shown(c)) { /* live and started, so it is suspended there */
        walk_one(list, c, list->way.role);
        c = c->next;
    }
    list->way.beside = !w->running;
    for (; c; c = c->next) {
        if (!is_shown(c) || is_member(w, c))
            continue;
        list->way.stalled = stalled || (rest == KI_ROLE_UNPOLLED && kio_is_live_(c));
        walk_one(list, c, rest);
    }
}

static void ask(struct walk *w, struct ki_node *node, const kio_future *f)
{
    char text[128] = "";

    /* What is polled has been polled, also where its type keeps no state. */
    if (f->type->waits && (!kio_is_fresh_(f) || node->role == KI_ROLE_POLLED))
        f->type->waits(f, &node->waits);
    else if (f->type->describe && kio_is_live_(f))
        f->type->describe(f, text, sizeof text);
    if (text[0])
        node->text = keep(w->d, text);
}

static void walk(struct walk *w, const kio_future *f, struct way way)
{
    bool is_async = f->type->kind == KIO_KIND_ASYNC;
    size_t at = w->d->nodes.count;
    struct ki_node *node = way.depth < KI_DUMP_DEPTH ? ki_dump_add(w->d, nodes) : NULL;
    struct list below = { .w = w, .way = way };

    if (!node)
        return;
    *node = (struct ki_node){
        .type = f->type,
        .site = is_async && kio_is_live_(f) ? f->state : NULL,
        .depth = way.depth,
        .role = way.role,
        .unsure = way.unsure,
        .stalled = way.stalled,
        .beside = way.beside,
        .unstarted = kio_is_fresh_(f) && (is_async || way.role != KI_ROLE_POLLED),
        .function = is_async ? at : way.function,
        .entry = w->entry,
    };
    below.way.depth++;
    below.way.beside = false;
    below.way.function = node->function;
    ask(w, node, f); /* the last use of node: the array may move */
    if (is_async)
        walk_children(w, f, &below);
    else if (f->state)
        walk_members(w, f, &below);
    end_list(&below);
    w->d->nodes.at[at].leaf = kio_is_live_(f) && !below.count;
}

static void walk_task(struct ki_dump *d, size_t entry, const kio_future *root)
{
    struct ki_entry *e = &d->entries.at[entry];
    struct walk w = { .d = d, .entry = entry, .running = e->is == KI_IS_RUNNING };
    struct way way = {
        .role = w.running ? KI_ROLE_NEUTRAL : KI_ROLE_POLLED,
        .function = d->nodes.count,
    };

    e->first = d->nodes.count;
    e->walked = true;
    walk(&w, root, way);
    e->count = d->nodes.count - e->first;
    ki_mem_free(w.members);
}

static void visit(const struct ki_looked *seen, void *arg)
{
    struct ki_dump *d = arg;
    struct ki_entry *entry = ki_dump_add(d, entries);
    const char *name;

    if (!entry)
        return;
    *entry = (struct ki_entry){
        .task = seen->task,
        .id = seen->id,
        .is = seen->is,
        .worker = seen->worker,
        .unpolled = seen->unpolled,
        .since_ns = seen->since,
    };
    if (seen->is > KI_IS_RUNNING)
        return;
    name = ki_task_name(seen->task);
    entry->name = name ? keep(d, name) : 0;
    entry->frame = ki_task_future(seen->task);
    entry->type = entry->frame->type; /* a root's never changes */
    if (seen->walkable)
        walk_task(d, d->entries.count - 1, entry->frame);
}

struct asked {
    struct ki_dump *d;
    struct kio_runtime *rt;
};

static void look(void *arg)
{
    struct asked *asked = arg;

    ki_look(asked->rt->sched, true, visit, asked->d);
}

/* How long a current_thread runtime has to come to the end of a poll. */
#define KI_DUMP_PATIENCE_NS 1000000000

void ki_dump_gather(struct ki_dump *d, struct kio_runtime *rt)
{
    struct ki_seen *seen = ki_dump_add(d, seen);
    struct asked asked = { d, rt };
    int64_t now = ki_clock_now();

    if (!seen || (!d->pool.count && !ki_dump_add(d, pool)))
        return;
    seen->flavor = rt->flavor;
    seen->workers = kio_runtime_workers(rt);
    memcpy(seen->name, rt->name, sizeof seen->name);
    seen->now_ns = now;
    seen->before_ns = rt->dumped_ns ? now - rt->dumped_ns : 0;
    seen->first = d->entries.count;
    rt->dumped_ns = now;
    if (rt->flavor == KIO_MULTI_THREAD) {
        look(&asked);
    } else if (pthread_mutex_trylock(&rt->looking)) {
        seen->closing = true; /* its destructors run, and may be waiting for this thread */
    } else {
        seen->stuck =
            ki_current_ask(rt->sched, look, &asked, KI_DUMP_PATIENCE_NS, &seen->stuck_in) != 0;
        pthread_mutex_unlock(&rt->looking);
        ki_runtime_wake_waiting(rt); /* the runtime may have looked taken to them */
    }
    seen->count = d->entries.count - seen->first;
}
