/*
 * The task dump, line by line. What differs from run to run is replaced: task ids are dropped (every
 * task of these tests has a name), addresses become #1, #2 in the order of the text, places keep the
 * file's name alone. Tasks are sorted by name.
 */
#include "support/rt.h"
#include "base/lock.h"

#include <kioto/debug.h>

#include <sched.h>
#include <unistd.h>

/* ---- a dump as text ----------------------------------------------------------------------- */

static char *text_of(int (*dump)(FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    assert_int_equal(dump(to), 0);
    fclose(to);
    return text;
}

static int dump_rt(FILE *to)
{
    return kio_runtime_dump(rt, to);
}

/* "task 12 "bob"" -> "task bob"; "/a/b/dump.c:31" -> "dump.c"; "line 7:" -> "line:". Addresses later. */
static void simplify(char *text)
{
    char *out = text;

    for (const char *in = text; *in;) {
        int skip = 0;
        unsigned long long id;

        if (sscanf(in, "task %llu%n", &id, &skip) == 1 && skip && (in == text || in[-1] != 'k')) {
            out += sprintf(out, "task");
            in += skip;
        } else if (*in == '"') {
            in++;
        } else if (!strncmp(in, ", not polled since the dump", 27)) {
            in = strchr(in, '\n');
        } else if (!strncmp(in, "line ", 5) && in[5] >= '0' && in[5] <= '9') {
            out += sprintf(out, "line");
            in += 5 + strspn(in + 5, "0123456789");
        } else if (*in == '/' && strchr(in, '\n') > strchr(in, ')')) {
            const char *end = strchr(in, ':');
            const char *name = end;

            while (name[-1] != '/')
                name--;
            while (name < end)
                *out++ = *name++;
            in = end + 1 + strspn(end + 1, "0123456789");
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

static void number_addresses(char *text)
{
    void *seen[32];
    int count = 0;
    char *out = text;

    for (const char *in = text; *in;) {
        void *at;
        int skip = 0;
        int i;

        if (strncmp(in, "0x", 2) || sscanf(in, "%p%n", &at, &skip) != 1) {
            *out++ = *in++;
            continue;
        }
        for (i = 0; i < count && seen[i] != at; i++)
            ;
        if (i == count)
            seen[count++] = at;
        out += sprintf(out, "#%d", i + 1);
        in += skip;
    }
    *out = '\0';
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The tasks between the first line and what was found, sorted. Gives a new text. */
static char *sort_tasks(const char *text)
{
    char *blocks[64];
    int count = 0;
    const char *at = strchr(text, '\n') + 1;
    char *sorted = calloc(1, strlen(text) + 1);

    strncpy(sorted, text, (size_t)(at - text));
    while (!strncmp(at, "task", 4)) {
        const char *end = strchr(at, '\n') + 1;

        while (*end == ' ')
            end = strchr(end, '\n') + 1;
        blocks[count++] = strndup(at, (size_t)(end - at));
        at = end;
    }
    qsort(blocks, (size_t)count, sizeof blocks[0], by_text);
    for (int i = 0; i < count; i++) {
        strcat(sorted, blocks[i]);
        free(blocks[i]);
    }
    return strcat(sorted, at);
}

static void assert_dump(int (*dump)(FILE *), const char *want)
{
    char *text = text_of(dump);
    char *sorted;

    simplify(text);
    sorted = sort_tasks(text);
    number_addresses(sorted);
    /* The first line tells the flavors apart; the numbers in it are compared. */
    if (strcmp(strchr(sorted, ':') + 2, want))
        fprintf(stderr, "%s\n-- is not --\n%s", strchr(sorted, ':') + 2, want);
    assert_string_equal(strchr(sorted, ':') + 2, want);
    free(text);
    free(sorted);
}

/* The number of tasks that are idle, as the dump's first line says. */
static int idle_tasks(void)
{
    char *text = text_of(dump_rt);
    int idle = -1;
    const char *at = strstr(text, " queued, ");

    if (at)
        sscanf(at, " queued, %d idle", &idle);
    free(text);
    return idle;
}

/* Until that many wait, seen from within a task: others run meanwhile. */
struct settle {
    async_fn(void);
    int idle;
    struct kio_sleep nap;
};

async(settle)
{
    async_begin;
    while (idle_tasks() != self->idle)
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

/* ---- trees, files and lines --------------------------------------------------------------- */

struct inner {
    async_fn(void);
    struct kio_oneshot_rx *rx;
    struct kio_oneshot_recv recv;
    int value;
};

enum { INNER_LINE = __LINE__ + 5 };

async(inner)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, self->rx, &self->value));
    async_return();
}

struct outer {
    async_fn(void);
    const char *name;
    struct kio_oneshot_rx rx;
    struct inner inner;
};

static void outer_drop(struct outer *self)
{
    kio_oneshot_rx_drop(&self->rx);
}

async(outer, outer_drop)
{
    async_begin;
    kio_task_set_name(self->name);
    await(async_call(&self->inner, inner, .rx = &self->rx));
    async_return();
}

struct tree {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_join_handle task;
    struct settle settle;
};

async(tree)
{
    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_oneshot_channel(&self->tx, &self->rx, sizeof(int)), 0);
    kio_spawn(&self->task, outer, .name = "waiter", .rx = self->rx);
    await(async_call(&self->settle, settle, .idle = 1));
    assert_dump(dump_rt,
                "1 running, 0 queued, 1 idle, 0 over, 0 blocking jobs\n"
                "task main: running, and makes this dump\n"
                "  tree (dump.c), has waited in line: async_call(&self->settle, settle, .idle = 1)\n"
                "    kio_join_handle, not started\n"
                "task waiter: idle\n"
                "  outer (dump.c), line: async_call(&self->inner, inner, .rx = &self->rx)\n"
                "    inner (dump.c), line: kio_oneshot_recv(&self->recv, self->rx, &self->value)\n"
                "      kio_oneshot_recv: oneshot #1\n");
    kio_oneshot_tx_drop(&self->tx);
    await(&self->task);
    async_return();
}

static void a_task_is_shown_with_what_it_awaits_as_a_tree(void **state)
{
    (void)state;
    run(tree);
}

RT_MAIN(RT(a_task_is_shown_with_what_it_awaits_as_a_tree))
