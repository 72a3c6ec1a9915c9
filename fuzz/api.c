/*
 * Fuzz target: bytes are a program that drives the public API.
 *
 * The program runs in the main task of a deterministic runtime. It has slots, each a heap block of
 * exactly a future's size: it builds futures there (api/ *_kinds.c), polls them by hand with its own
 * waker or with counted ones that change from poll to poll, makes them arms of combinators, drops
 * them and frees the block; it moves time, lets tasks run (api/scripts.c), and uses the other ends of
 * what they wait for (api/channels.c, sync.c, flow.c). After each step: messages arrive once and in
 * order, permits and guards are not more than there are, no timer is early. At the end: nothing is
 * left, every clone of a waker was dropped, every destructor ran once.
 *
 * One step in sixteen asks for something illegal (api/guards.c): then the guard must say so. Its
 * abort() is ours and leads back here, and all that was said above must hold as if nothing had been
 * tried. The last bytes of some programs are steps outside of any task, with what has outlived the
 * runtime.
 */
#include "base/mem.h"

#include "api/fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_tour(void);

void broken(const char *text, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    raise(SIGABRT);
    _exit(1);
}

/* ---- the bytes ---------------------------------------------------------------------------- */

const uint8_t *code, *code_end;

unsigned byte(void)
{
    return code < code_end ? *code++ : 0;
}

kio_duration short_time(void)
{
    return (kio_duration)byte() * 100 * KIO_US - 2 * KIO_MS;
}

/* ---- wakers that count -------------------------------------------------------------------- */

static struct counted {
    struct kio_wakeable wakeable;
    long refs, wakes;
} counted[3];

static void counted_wake(struct kio_wakeable *w)
{
    must(((struct counted *)w)->refs > 0);
    ((struct counted *)w)->wakes++;
}

static void counted_clone(struct kio_wakeable *w)
{
    ((struct counted *)w)->refs++;
}

static void counted_drop(struct kio_wakeable *w)
{
    must(--((struct counted *)w)->refs > 0);
}

static const kio_waker_type counted_type = { "counted", counted_wake, counted_clone, counted_drop };

/* which: of them; 3: the task's own. */
static void poll_with(struct slot *s, unsigned which, kio_context *cx)
{
    kio_context own;

    if (which < 3) {
        kio_context_init(&own, (kio_waker){ &counted[which].wakeable });
        cx = &own;
    }
    poll_slot(s, cx);
}

/* ---- steps -------------------------------------------------------------------------------- */

enum { IN_TASK = 400, OUTSIDE = 40 }; /* steps at most */

struct machine {
    async_fn(void);
    struct kio_runtime *rt;
    struct kio_yield yield;
    struct kio_sleep nap;
    struct kio_time_advance advance;
    int step;
};

async(machine)
{
    async_begin;
    for (self->step = 0; code < code_end && self->step < IN_TASK; self->step++) {
        unsigned op = byte();
        struct slot *s = &slots[(op >> 4) % SLOTS];

        switch (op & 15) {
        case 0:
        case 1:
        case 2:
            build(s);
            break;
        case 3:
        case 4:
        case 5:
            poll_with(s, byte() % 4, cx);
            break;
        case 6:
            if (!is_arm_of_live(s))
                vacate(s);
            break;
        case 7:
            await(kio_yield_now(&self->yield));
            break;
        case 8:
            await(kio_sleep(&self->nap, short_time()));
            break;
        case 9:
            await(kio_time_advance(&self->advance, (kio_duration)byte() * 100 * KIO_US));
            must(self->advance.out == 0);
            break;
        case 10:
            if (s->kind && s->kind->change)
                s->kind->change(s);
            break;
        case 11:
            channels_step();
            break;
        case 12:
            sync_step();
            break;
        case 13:
            flow_step();
            break;
        case 14:
            drop_slot(s);
            break;
        default:
            if (op == 0xff)
                async_return(); /* the rest is done outside */
            wrong_step(self->rt, cx);
            break;
        }
        record_all();
        channels_check();
        sync_check();
        flow_check();
    }
    async_return();
}

static void outside(void)
{
    for (int step = 0; code < code_end && step < OUTSIDE; step++) {
        unsigned op = byte();
        struct slot *s = &slots[(op >> 4) % SLOTS];

        switch (op & 7) {
        case 0:
        case 1:
            poll_with(s, byte() % 3, NULL);
            break;
        case 2:
            if (!is_arm_of_live(s))
                vacate(s);
            break;
        case 3:
            channels_step();
            break;
        case 4:
            sync_step();
            break;
        case 5:
            wrong_step(NULL, NULL);
            break;
        default:
            drop_slot(s);
            break;
        }
        record_all();
        channels_check();
        sync_check();
    }
}

/* ---- one program -------------------------------------------------------------------------- */

static struct kio_runtime *new_runtime(unsigned seed)
{
    struct kio_runtime *rt;

    must(kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_DETERMINISTIC,
                                                            .seed = 1 + seed,
                                                            .stuck_after = -1 }) == 0);
    return rt;
}

static void once_in_the_process(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    ki_mem_watch();
    guards_open();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kio_runtime *rt, *before;
    long blocks;

    once_in_the_process();
    if (size < 2)
        return 0;
    blocks = ki_mem_alive();
    code = data + 1;
    code_end = data + size;
    for (int i = 0; i < 3; i++)
        counted[i] = (struct counted){ { &counted_type }, 1, 0 };
    rt = new_runtime(data[0] >> 3 & 15);
    channels_reset();
    sync_reset(data[0]);
    flow_reset();
    kio_runtime_block_on(rt, machine, .rt = rt);
    before = kio_runtime_enter(rt);
    end_slots(!(data[0] & 0x80)); /* or some outlive it */
    flow_end(false);
    kio_runtime_leave(before);
    kio_runtime_free(rt);
    outside();
    end_slots(true);
    flow_end(true);
    channels_end();
    sync_end();
    for (int i = 0; i < 3; i++)
        must(counted[i].refs == 1);
    must(ki_mem_alive() == blocks);
    return 0;
}

struct tourist {
    async_fn(void);
    struct kio_runtime *rt;
};

async(tourist)
{
    async_begin;
    guards_tour(self->rt, cx);
    async_return();
}

/* Every guard of api/guards.c once, with what it says on stdout. */
void fuzz_tour(void)
{
    struct kio_runtime *rt;

    once_in_the_process();
    rt = new_runtime(1);
    kio_runtime_block_on(rt, tourist, .rt = rt);
    kio_runtime_free(rt);
    guards_tour(NULL, NULL);
}
