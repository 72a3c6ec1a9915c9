/* What was made and what was destroyed. */
#include "stress.h"

#define ALIVE 0xa11fe5u
#define DEAD  0xdeadu

/* Counters are relaxed: they must not order what the plays do, or they would hide races. Each thread
 * adds to one of several lines, or the counting would be what is measured. */
#define LINES 16

static struct line {
    ki_atomic(uint64_t) made[KINDS], ended[KINDS], done;
    char pad[64];
} lines[LINES];

static ki_atomic(unsigned) threads;
static _Thread_local struct line *mine;

uint64_t seed_now;
const char *cell = "?";

static struct line *line(void)
{
    if (!mine)
        mine = &lines[ki_fetch_add_relaxed(&threads, 1) % LINES];
    return mine;
}

struct life born(enum kind kind)
{
    ki_fetch_add_relaxed(&line()->made[kind], 1);
    return (struct life){ kind, ALIVE };
}

void died(struct life *life)
{
    must(life->magic == ALIVE);
    life->magic = DEAD;
    ki_fetch_add_relaxed(&line()->ended[life->kind], 1);
}

uint64_t digest = 14695981039346656037u;

/* FNV. On the deterministic runtime there is one thread that comes here. */
static void digest_one(uint64_t value)
{
    digest = (digest ^ value) * 1099511628211u;
}

void did(void)
{
    ki_fetch_add_relaxed(&line()->done, 1);
    if (!now.threads) {
        digest_one(kio_current_task_id());
        digest_one((uint64_t)kio_now());
    }
}

uint64_t operations(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < LINES; i++)
        sum += ki_load_relaxed(&lines[i].done);
    return sum;
}

uint64_t made_so_far(enum kind kind)
{
    uint64_t sum = 0;

    for (int i = 0; i < LINES; i++)
        sum += ki_load_relaxed(&lines[i].made[kind]);
    return sum;
}

/* Ended first: what ends meanwhile was counted as made before. */
long alive_now(enum kind kind)
{
    uint64_t ended = 0;

    for (int i = 0; i < LINES; i++)
        ended += ki_load_relaxed(&lines[i].ended[kind]);
    return (long)(made_so_far(kind) - ended);
}

bool balanced(void)
{
    static const char *const names[KINDS] = {
        "frames", "shared objects", "messages", "permits", "probes", "jobs", "streams",
    };
    bool even = true;

    for (int k = 0; k < KINDS; k++) {
        if (alive_now((enum kind)k)) {
            fprintf(stderr, "stress: %ld %s are left of %llu\n", alive_now((enum kind)k), names[k],
                    (unsigned long long)made_so_far((enum kind)k));
            even = false;
        }
    }
    return even;
}

void failed(const char *file, int line_, const char *text)
{
    fprintf(stderr, "stress: %s:%d: does not hold: %s\nstress: %s; to try it again: KIOTO_SEED=%llu\n",
            file, line_, text, cell, (unsigned long long)seed_now);
    abort();
}

kio_duration a_while(struct ki_rand *dice)
{
    switch (roll(dice, 8)) {
    case 0:
    case 1:
        return 0;
    case 2:
        return 3 * KIO_MS;
    case 3:
        return roll(dice, 10) * KIO_MS;
    default:
        return roll(dice, 900) * KIO_US;
    }
}

void *share_new(size_t size, void (*end)(void *shared))
{
    struct shared *s = calloc(1, size);

    must(s);
    s->refs = 1;
    s->life = born(K_SHARED);
    s->end = end;
    return s;
}

void *share_(struct shared *s)
{
    ki_fetch_add_relaxed(&s->refs, 1);
    return s;
}

void unshare_(struct shared *s)
{
    /* acq_rel: the last one sees what the others did with it, and destroys it */
    if (!s || ki_fetch_sub_acq_rel(&s->refs, 1) != 1)
        return;
    if (s->end)
        s->end(s);
    died(&s->life);
    free(s);
}

struct message message_new(uint32_t from, uint32_t seq)
{
    struct message m = { from, seq, malloc(sizeof *m.block) };

    must(m.block);
    *m.block = from * 31 + seq;
    (void)born(K_MESSAGE);
    return m;
}

void message_end(void *message)
{
    struct message *m = message;
    struct life life = { K_MESSAGE, ALIVE };

    must(m->block && *m->block == m->from * 31 + m->seq);
    *m->block = ~0u;
    free(m->block);
    m->block = NULL;
    died(&life);
}
