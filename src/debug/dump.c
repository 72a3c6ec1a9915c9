/*
 * The task dump as text. Everything is gathered first, so that a task's line can name others and
 * nothing is held while the text goes out, which may block.
 */
#include "dump.h"

#include <kioto/debug.h>

#include <errno.h>
#include <stdlib.h>

/* Named in one line; more are counted. */
#define KI_NAMED_MAX 4

static void print_task(FILE *to, const struct ki_dump *d, size_t entry)
{
    const struct ki_entry *e = &d->entries.at[entry];

    fprintf(to, "task %llu", (unsigned long long)e->id);
    if (e->name)
        fprintf(to, " \"%s\"", d->pool.at + e->name);
    else if (e->type)
        fprintf(to, " (%s)", e->type->name);
}

/* ---- what a future waits for -------------------------------------------------------------- */

struct naming {
    FILE *to;
    const struct ki_dump *d;
    const char *lead;
    size_t self; /* whose line it is */
    size_t count;
};

static void name_task(void *arg, size_t entry)
{
    struct naming *n = arg;

    if (n->count++ >= KI_NAMED_MAX)
        return;
    fputs(n->count == 1 ? n->lead : ", ", n->to);
    if (entry == n->self)
        fputs("this task", n->to);
    else
        print_task(n->to, n->d, entry);
}

static void print_line(FILE *to, const struct kio_waits *w)
{
    const char *more = w->line > KIO_PLACES ? "more than " : "";
    uint32_t line = w->line > KIO_PLACES ? KIO_PLACES : w->line;

    if (w->place > KIO_PLACES)
        fprintf(to, ", behind %u others in line", KIO_PLACES);
    else if (w->place)
        fprintf(to, ", %u of %s%u in line", w->place, more, line);
    else if (w->line)
        fprintf(to, ", %s%u in line", more, line);
}

static void print_waits(FILE *to, const struct ki_dump *d, const struct ki_node *node)
{
    const struct kio_waits *w = &node->waits;
    struct naming naming = { to, d, w->ends ? ", known to " : ", held by ", node->entry, 0 };

    if (w->at && w->at == w->holder) {
        size_t entry;

        if (ki_dump_find(d, w->holder, &entry))
            print_task(to, d, entry);
        else
            fputs("a task that has begun or ended meanwhile", to);
        return;
    }
    if (w->has)
        fputs(node->role == KI_ROLE_KEPT ? "has " : "was given, and has not looked: ", to);
    fprintf(to, "%s %p", w->what, w->at);
    if (w->text[0])
        fprintf(to, ", %s", w->text);
    print_line(to, w);
    if (w->has)
        return;
    if (w->ends)
        ki_dump_ends(d, node, name_task, &naming);
    else if (!ki_dump_holders(d, node, true, name_task, &naming) && w->holder)
        fputs(", held by a task that is not shown", to);
    if (naming.count > KI_NAMED_MAX)
        fprintf(to, " and %zu more", naming.count - KI_NAMED_MAX);
}

/* ---- a task ------------------------------------------------------------------------------- */

static void print_function(FILE *to, const struct ki_node *node)
{
    fputs(node->type->name, to);
    if (node->type->file)
        fprintf(to, " (%s:%d)", node->type->file, node->type->line);
}

static void print_node(FILE *to, const struct ki_dump *d, const struct ki_node *node)
{
    bool quiet = !node->waits.what || (node->role == KI_ROLE_KEPT && !node->waits.has);

    fprintf(to, "%*s%s", 2 * node->depth, "", node->beside ? "+ " : "  ");
    print_function(to, node);
    if (node->unstarted)
        fputs(node->type->kind == KIO_KIND_ASYNC ? ", not started" : ", not polled yet", to);
    else if (node->role == KI_ROLE_KEPT && quiet)
        fputs(", finished", to);
    else if (node->beside && node->role == KI_ROLE_UNPOLLED)
        fputs(", not polled", to);
    if (node->site)
        fprintf(to, ", %sline %d: %s", node->role == KI_ROLE_NEUTRAL ? "has waited in " : "",
                node->site->line, node->site->text);
    if (!quiet) {
        fputs(": ", to);
        print_waits(to, d, node);
    } else if (node->text) {
        fprintf(to, ": %s", d->pool.at + node->text);
    }
    fputc('\n', to);
}

static void print_tree(FILE *to, const struct ki_dump *d, const struct ki_entry *e)
{
    size_t end = e->first + e->count;

    for (size_t i = e->first; i < end;) {
        const struct ki_node *node = &d->nodes.at[i++];

        if (!node->hidden) {
            print_node(to, d, node);
            continue;
        }
        fprintf(to, "%*s... and %u more\n", 2 + 2 * node->depth, "", node->hidden);
        while (i < end && d->nodes.at[i].depth >= node->depth)
            i++;
    }
}

static void print_state(FILE *to, const struct ki_seen *seen, const struct ki_entry *e)
{
    switch (e->is) {
    case KI_IS_IDLE:
        fputs("idle", to);
        break;
    case KI_IS_QUEUED:
        fputs("queued", to);
        break;
    case KI_IS_RUNNING:
        if (e->walked)
            fputs("running, and makes this dump", to);
        else if (e->worker >= 0)
            fprintf(to, "running on worker %d", e->worker);
        else
            fputs("running", to);
        break;
    case KI_IS_DONE:
        fputs("done, its handle has not been dropped", to);
        break;
    case KI_IS_ABORTED:
        fputs("aborted, its handle has not been dropped", to);
        break;
    case KI_IS_JOB:
        fputs("a blocking job, waits for a thread", to);
        break;
    case KI_IS_JOB_RUNNING:
        fputs("a blocking job, runs", to);
        break;
    }
    if (e->since_ns)
        fprintf(to, ", for %.3f s",
                seen->now_ns > e->since_ns ? (double)(seen->now_ns - e->since_ns) / 1e9 : 0.0);
    else if (e->unpolled && seen->before_ns)
        fprintf(to, ", not polled since the dump %.1f s ago", (double)seen->before_ns / 1e9);
}

static int compare_ids(const void *a, const void *b)
{
    const struct ki_entry *x = *(const struct ki_entry *const *)a;
    const struct ki_entry *y = *(const struct ki_entry *const *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static void print_entry(FILE *to, const struct ki_dump *d, const struct ki_seen *seen,
                        const struct ki_entry *e)
{
    print_task(to, d, (size_t)(e - d->entries.at));
    fputs(": ", to);
    print_state(to, seen, e);
    fputc('\n', to);
    print_tree(to, d, e);
}

/* In the order of their ids; without memory for that, as they come. */
static void print_entries(FILE *to, const struct ki_dump *d, const struct ki_seen *seen)
{
    const struct ki_entry **sorted = ki_mem_alloc((seen->count + 1) * sizeof *sorted);

    for (size_t i = 0; sorted && i < seen->count; i++)
        sorted[i] = &d->entries.at[seen->first + i];
    if (sorted)
        qsort(sorted, seen->count, sizeof *sorted, compare_ids);
    for (size_t i = 0; i < seen->count; i++)
        print_entry(to, d, seen, sorted ? sorted[i] : &d->entries.at[seen->first + i]);
    ki_mem_free(sorted);
}

/* ---- a runtime ---------------------------------------------------------------------------- */

static size_t count_of(const struct ki_dump *d, const struct ki_seen *seen, enum ki_task_is is)
{
    size_t count = 0;

    for (size_t i = 0; i < seen->count; i++)
        count += d->entries.at[seen->first + i].is == is;
    return count;
}

static void print_runtime(FILE *to, const struct ki_dump *d, const struct ki_seen *seen)
{
    fprintf(to, "runtime %s, ", seen->name);
    if (seen->flavor == KIO_CURRENT_THREAD)
        fputs("current_thread", to);
    else
        fprintf(to, "multi_thread with %u worker%s", seen->workers, seen->workers == 1 ? "" : "s");
    if (seen->closing) {
        fputs(": shutting down\n", to);
        return;
    }
    if (seen->stuck) {
        fprintf(to, ": task %llu has been polled for a second and does not come back: the tasks cannot "
                    "be looked at meanwhile\n",
                (unsigned long long)seen->stuck_in);
        return;
    }
    fprintf(to, ": %zu running, %zu queued, %zu idle, %zu over, %zu blocking jobs\n",
            count_of(d, seen, KI_IS_RUNNING), count_of(d, seen, KI_IS_QUEUED),
            count_of(d, seen, KI_IS_IDLE),
            count_of(d, seen, KI_IS_DONE) + count_of(d, seen, KI_IS_ABORTED),
            count_of(d, seen, KI_IS_JOB) + count_of(d, seen, KI_IS_JOB_RUNNING));
    print_entries(to, d, seen);
}

/* ---- findings ----------------------------------------------------------------------------- */

static void print_edge(FILE *to, const struct ki_dump *d, const struct ki_edge *edge)
{
    const struct kio_waits *w = &d->nodes.at[edge->node].waits;

    fputs("  ", to);
    print_task(to, d, edge->from);
    fputs(" waits for ", to);
    if (w->at != w->holder)
        fprintf(to, "%s %p, held by ", w->what, w->at);
    if (edge->to == edge->from)
        fputs("itself", to);
    else
        print_task(to, d, edge->to);
    fputc('\n', to);
}

static void print_cycles(FILE *to, const struct ki_dump *d)
{
    for (size_t i = 0; i < d->cycles.count; i++) {
        const struct ki_cycle *cycle = &d->cycles.at[i];

        fputs(cycle->definite
                  ? "cycle: waits for ever, each for the next:\n"
                  : "cycle: each waits for the next, unless something else that it waits for comes:\n",
              to);
        for (size_t k = 0; k < cycle->count; k++)
            print_edge(to, d, &d->edges.at[d->cycle_edges.at[cycle->first + k]]);
    }
}

static bool waits_for(const struct ki_node *node, const void *at)
{
    return node->role == KI_ROLE_POLLED && !node->stalled && !node->waits.has && node->waits.at == at;
}

static void print_futurelock(FILE *to, const struct ki_dump *d, const struct ki_node *node)
{
    const struct kio_waits *w = &node->waits;
    size_t count = 0;

    for (size_t i = 0; i < d->nodes.count; i++) {
        if (!waits_for(&d->nodes.at[i], w->at))
            continue;
        if (count == 0) {
            fputs("futurelock: in ", to);
            print_task(to, d, node->entry);
            fputs(", ", to);
            print_function(to, &d->nodes.at[node->function]);
            fprintf(to, " is not polled and has %s%s %p\n  which is waited for by ",
                    w->has ? "" : "a place in the line of ", w->what, w->at);
        }
        if (count++ < KI_NAMED_MAX) {
            fputs(count > 1 ? ", " : "", to);
            print_task(to, d, d->nodes.at[i].entry);
        }
    }
    if (count > KI_NAMED_MAX)
        fprintf(to, " and %zu more", count - KI_NAMED_MAX);
    if (count)
        fputc('\n', to);
}

/* A future that nobody polls has a lock, or will be handed it, and somebody waits for that. */
static void print_futurelocks(FILE *to, const struct ki_dump *d)
{
    for (size_t i = 0; i < d->nodes.count; i++) {
        const struct ki_node *node = &d->nodes.at[i];

        if (node->stalled && node->waits.what && (node->waits.has || node->waits.place))
            print_futurelock(to, d, node);
    }
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* Writes it and frees it. */
static int write_dump(struct ki_dump *d, FILE *to)
{
    int err = 0;

    if (!d->by_task || !d->having) {
        fputs("no memory for the dump\n", to);
        d->lost = true;
    } else {
        for (size_t i = 0; i < d->seen.count; i++)
            print_runtime(to, d, &d->seen.at[i]);
        print_futurelocks(to, d);
        print_cycles(to, d);
        if (d->lost)
            fputs("some were left out: no memory\n", to);
    }
    if (d->lost)
        err = -ENOMEM;
    if ((fflush(to) || ferror(to)) && !err)
        err = -EIO;
    ki_mem_free(d->seen.at);
    ki_mem_free(d->entries.at);
    ki_mem_free(d->nodes.at);
    ki_mem_free(d->edges.at);
    ki_mem_free(d->cycles.at);
    ki_mem_free(d->cycle_edges.at);
    ki_mem_free(d->mentions.at);
    ki_mem_free(d->channels.at);
    ki_mem_free(d->pool.at);
    ki_mem_free(d->by_task);
    ki_mem_free(d->having);
    return err;
}

int kio_dump(FILE *to)
{
    struct ki_dump d = { 0 };

    ki_runtimes_lock();
    for (struct kio_runtime *rt = ki_runtimes_first(); rt; rt = rt->next)
        ki_dump_gather(&d, rt);
    if (ki_dump_index(&d)) {
        ki_dump_cycles(&d);
        for (struct kio_runtime *rt = ki_runtimes_first(); rt; rt = rt->next)
            ki_dump_mentions(&d, rt);
    }
    ki_runtimes_unlock();
    return write_dump(&d, to);
}

int kio_runtime_dump(struct kio_runtime *rt, FILE *to)
{
    struct ki_dump d = { 0 };

    ki_runtimes_lock();
    ki_dump_gather(&d, rt);
    if (ki_dump_index(&d)) {
        ki_dump_cycles(&d);
        ki_dump_mentions(&d, rt);
    }
    ki_runtimes_unlock();
    return write_dump(&d, to);
}
