/*
 * Who may have the other end of a channel. Handles are plain structs without an owner, but they lie in
 * frames, and a frame's size is known: so each frame is searched, word by word, for the addresses of
 * the channels that somebody waits for. A second look at the tasks, because the channels are known
 * after the first.
 *
 * It is a hint: a handle on the heap or inside a queued message is not found, and a copy that was
 * moved away (a message that was sent) is found where it was.
 */
#include "dump.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;

    return x < y ? -1 : x > y;
}

static int by_channel(const void *a, const void *b)
{
    const struct ki_mention *x = a;
    const struct ki_mention *y = b;
    int order = by_value(&x->at, &y->at);

    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

void ki_dump_channels(struct ki_dump *d)
{
    size_t count = 0;

    for (size_t i = 0; i < d->nodes.count; i++) {
        const void **at;

        if (!d->nodes.at[i].waits.ends || !d->nodes.at[i].waits.at)
            continue;
        at = ki_dump_add(d, channels);
        if (at)
            *at = d->nodes.at[i].waits.at;
    }
    if (!d->channels.count)
        return;
    qsort(d->channels.at, d->channels.count, sizeof *d->channels.at, by_value);
    for (size_t i = 0; i < d->channels.count; i++) {
        if (!count || d->channels.at[count - 1] != d->channels.at[i])
            d->channels.at[count++] = d->channels.at[i];
    }
    d->channels.count = count;
}

/* Other threads write some words of the frame under the locks of what it waits for: a word that is
 * read torn or late is an address that is not found. So thread sanitizer is told to look away. */
typedef const void *any_word __attribute__((may_alias));

__attribute__((no_sanitize("thread"), noinline)) static const void *word_of(const kio_future *frame,
                                                                            size_t i)
{
    return ((const volatile any_word *)frame)[i];
}

static bool is_channel(const struct ki_dump *d, const void *word)
{
    size_t from = 0;
    size_t count = d->channels.count;

    while (count) {
        size_t half = count / 2;

        if (d->channels.at[from + half] == word)
            return true;
        if ((uintptr_t)d->channels.at[from + half] < (uintptr_t)word) {
            from += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

static void mention(struct ki_dump *d, const void *at, size_t entry)
{
    struct ki_mention *m = d->mentions.at;
    size_t count = d->mentions.count;

    if (count && m[count - 1].at == at && m[count - 1].entry == entry)
        return; /* one handle after another, often */
    m = ki_dump_add(d, mentions);
    if (m)
        *m = (struct ki_mention){ at, entry };
}

static void search(const struct ki_looked *seen, void *arg)
{
    struct ki_dump *d = arg;
    const kio_future *frame;
    size_t entry;

    if (!seen->walkable || !ki_dump_find(d, seen->task, &entry) || d->entries.at[entry].id != seen->id)
        return;
    frame = d->entries.at[entry].frame;
    if (!frame)
        return; /* it was being made */
    for (size_t i = 0; i < frame->type->size / sizeof(void *); i++) {
        const void *word = word_of(frame, i);

        if (is_channel(d, word))
            mention(d, word, entry);
    }
}

struct asked {
    struct ki_dump *d;
    struct kio_runtime *rt;
};

static void look(void *arg)
{
    struct asked *asked = arg;

    ki_look(asked->rt->sched, false, search, asked->d);
}

/* A current_thread runtime was at rest a moment ago; if it is not now, this is left out. */
#define KI_ENDS_PATIENCE_NS 20000000

void ki_dump_mentions(struct ki_dump *d, struct kio_runtime *rt)
{
    struct asked asked = { d, rt };
    uint64_t polled;
    int err;

    if (!d->channels.count)
        return;
    if (rt->flavor == KIO_MULTI_THREAD) {
        look(&asked);
    } else if (!pthread_mutex_trylock(&rt->looking)) {
        err = ki_current_ask(rt->sched, look, &asked, KI_ENDS_PATIENCE_NS, &polled);
        (void)err; /* then nothing is known */
        pthread_mutex_unlock(&rt->looking);
        ki_runtime_wake_waiting(rt);
    }
    if (d->mentions.count)
        qsort(d->mentions.at, d->mentions.count, sizeof *d->mentions.at, by_channel);
}

size_t ki_dump_ends(const struct ki_dump *d, const struct ki_node *node,
                    void (*each)(void *arg, size_t entry), void *arg)
{
    const struct ki_mention *m = d->mentions.at;
    size_t named = 0;
    size_t last = node->entry;

    if (!node->waits.ends)
        return 0;
    for (size_t i = 0; i < d->mentions.count; i++) {
        if (m[i].at != node->waits.at || m[i].entry == node->entry || m[i].entry == last)
            continue;
        last = m[i].entry;
        each(arg, last);
        named++;
    }
    return named;
}
