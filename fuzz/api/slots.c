/* The slots: building, polling and dropping futures in them, and noticing that one is over. */
#include "fuzz.h"

struct slot slots[SLOTS];

bool is_arm_of_live(const struct slot *s)
{
    int index = (int)(s - slots);

    for (int i = 0; i < SLOTS; i++) {
        for (unsigned a = 0; slots[i].kind && a < slots[i].arm_count; a++) {
            if (slots[i].arms[a] == index)
                return true;
        }
    }
    return false;
}

bool in_use(unsigned object)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].kind && slots[i].uses >> object & 1 && kio_is_live_(slots[i].f))
            return true;
    }
    return false;
}

size_t kept_locks(const char *name, bool write)
{
    size_t count = 0;

    for (int i = 0; i < SLOTS; i++) {
        const struct slot *s = &slots[i];

        if (!s->kind || s->f->state != KIO_KEPT || strcmp(s->kind->name, name) != 0)
            continue;
        count += strcmp(name, "rwlock") != 0 || FUTURE(s, kio_rw_guard)->write == write;
    }
    return count;
}

/* What is known when a future is over: by a poll of ours, a combinator's, or a drop. */
static void record(struct slot *s)
{
    if (!s->kind || s->recorded || kio_is_live_(s->f))
        return;
    s->recorded = true;
    if (s->kind->over)
        s->kind->over(s);
}

void record_all(void)
{
    for (int i = 0; i < SLOTS; i++)
        record(&slots[i]);
}

void vacate(struct slot *s)
{
    if (!s->kind)
        return;
    kio_drop_(s->f);
    must(!kio_is_live_(s->f));
    record_all(); /* its arms are over as well */
    free(s->memory);
    free(s->extra);
    *s = (struct slot){ 0 };
}

/* A slot whose future nobody owns or has polled, for an arm. */
struct kio_any_ *arm_of(struct slot *s)
{
    int i = (int)(byte() % SLOTS);
    struct slot *arm = &slots[i];

    if (arm == s || !arm->kind || !kio_is_live_(arm->f) || arm->f->prev || arm->polled ||
        is_arm_of_live(arm))
        return NULL;
    for (unsigned a = 0; a < s->arm_count; a++) {
        if (s->arms[a] == i)
            return NULL;
    }
    s->arms[s->arm_count++] = i;
    return (struct kio_any_ *)arm->f;
}

void build(struct slot *s)
{
    static const struct {
        const struct kind *const *kinds;
        const size_t *count;
    } files[] = {
        { channel_kinds, &channel_kinds_count }, { sync_kinds, &sync_kinds_count },
        { time_kinds, &time_kinds_count },       { combine_kinds, &combine_kinds_count },
        { task_kinds, &task_kinds_count },       { flow_kinds, &flow_kinds_count },
    };
    unsigned b = byte();
    const struct kind *kind;

    for (size_t i = 0;; i = (i + 1) % COUNT(files)) {
        if (b < *files[i].count) {
            kind = files[i].kinds[b];
            break;
        }
        b -= (unsigned)*files[i].count;
    }
    if (s->kind && (is_arm_of_live(s) || s->f->prev))
        return;
    vacate(s);
    s->of = (int)(byte() % 2);
    if (kind->build(s))
        s->kind = kind;
    else
        *s = (struct slot){ 0 };
}

void poll_slot(struct slot *s, kio_context *cx)
{
    if (!s->kind || !kio_is_live_(s->f) || s->f->prev || is_arm_of_live(s))
        return;
    s->polled = true;
    if (kio_future_poll(s->f, cx) == KIO_READY) {
        must(!kio_is_live_(s->f));
        record_all();
        if (s->kind->ready)
            s->kind->ready(s);
    }
    record_all();
}

/* Without giving its memory back. */
void drop_slot(struct slot *s)
{
    if (s->kind && !s->f->prev && !is_arm_of_live(s))
        kio_drop_(s->f);
    record_all();
}

/* Combinators first, then what they had. all: also those that may outlive their runtime. */
void end_slots(bool all)
{
    for (int round = 0; round < SLOTS; round++) {
        for (int i = 0; i < SLOTS; i++) {
            if (slots[i].kind && !is_arm_of_live(&slots[i]) &&
                (all || slots[i].arm_count || slots[i].kind->needs_runtime))
                vacate(&slots[i]);
        }
    }
}
