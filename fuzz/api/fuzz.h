/*
 * What the parts of the fuzz target `api` share: the bytes, the slots, the objects that futures
 * work on, and what is known about them. All of it lives for one input, on one thread.
 */
#ifndef FUZZ_API_H
#define FUZZ_API_H

#include <kioto.h>
#include <kioto/iter.h>
#include <kioto/test.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define must(cond) ((cond) ? (void)0 : broken(#cond, __FILE__, __LINE__))
KIO_NORETURN void broken(const char *text, const char *file, int line);

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UNTOUCHED    INT_MAX /* an `out` that no poll has set: the future was dropped */

/* ---- the bytes ---------------------------------------------------------------------------- */

extern const uint8_t *code, *code_end;
unsigned byte(void); /* 0 behind the end */
kio_duration short_time(void); /* -2 ms to 23 ms */

/* ---- messages: each of them arrives once, comes back once, or is destroyed once ------------- */

void messages_reset(void);
uint32_t message_new(void);
void message_sent(uint32_t m, bool in_order); /* in_order: it was sent at this moment */
void message_back(uint32_t m);
void message_received(uint32_t m, int channel);
void message_destroyed(void *message);
void messages_opened(int channel);
void messages_all_settled(void);

/* ---- slots -------------------------------------------------------------------------------- */

#define SLOTS 10
#define MANY  12

struct slot;

/* A kind of future. */
struct kind {
    const char *name;
    bool (*build)(struct slot *s);  /* false: not legal now, nothing was built */
    void (*ready)(struct slot *s);  /* a poll of ours said so */
    void (*over)(struct slot *s);   /* it has ended, or was dropped; once */
    void (*change)(struct slot *s); /* what may be done to it beside polls */
    bool needs_runtime;             /* does not outlive it */
};

struct slot {
    const struct kind *kind; /* NULL: empty */
    void *memory;            /* a heap block of exactly the future's size */
    kio_future *f;
    bool polled, recorded;
    int of;            /* which channel, token, … */
    uint32_t uses;     /* objects that it borrows while it is live */
    int arms[3];
    unsigned arm_count;
    void *extra;       /* a second block, for arrays */
    size_t need;
    uint32_t message, messages[3];
    kio_instant due;
    struct kio_permit permit;
    struct kio_reserved reserved;
    struct kio_owned_permit owned;
    uint64_t number;
    char bytes[16];
};

extern struct slot slots[SLOTS];

#define MAKE(type, ...)                                                                            \
    ({                                                                                             \
        struct type *made = s->memory = calloc(1, sizeof(struct type));                            \
        must(made);                                                                                \
        __VA_ARGS__;                                                                               \
        s->f = &made->kio;                                                                         \
        true;                                                                                      \
    })
#define FUTURE(s, type) ((struct type *)(s)->memory)

/* Something that a future borrows, or that only one of them may wait for at a time. */
enum object {
    TX, RX = TX + 2, ONCE_TX = RX + 2, ONCE_RX = ONCE_TX + 2, WATCH_TX = ONCE_RX + 2, WATCH_RX,
    BROADCAST_TX = WATCH_RX + 2, BROADCAST_RX, FUTURE_SET = BROADCAST_RX + 2, FUTURE_QUEUE, DELAYS, TASKS,
    TICKS, PIPE, READS, WRITES = READS + 2, OBJECTS = WRITES + 2,
};
_Static_assert(OBJECTS <= 32, "a bit of uses for each");

bool in_use(unsigned object);
bool is_arm_of_live(const struct slot *s);
void build(struct slot *s);
void vacate(struct slot *s);
void poll_slot(struct slot *s, kio_context *cx);
void drop_slot(struct slot *s);
void record_all(void);
void end_slots(bool all);
size_t kept_locks(const char *name, bool write); /* slots that hold one of that kind */

/* Kinds, by file. */
#define KINDS_OF(file) extern const struct kind *const file[]; extern const size_t file##_count
KINDS_OF(channel_kinds);
KINDS_OF(sync_kinds);
KINDS_OF(time_kinds);
KINDS_OF(combine_kinds);
KINDS_OF(task_kinds);
KINDS_OF(flow_kinds);
struct kio_any_ *arm_of(struct slot *s); /* a slot's future for a combinator; NULL: none legal */

/* ---- objects ------------------------------------------------------------------------------ */

extern struct kio_tx tx[2]; /* 0 bounded, 1 not */
extern struct kio_rx rx[2];
extern size_t cap_of[2];
extern struct kio_oneshot_tx once_tx[2];
extern struct kio_oneshot_rx once_rx[2];
extern struct kio_watch_tx watch_tx;
extern struct kio_watch_rx watch_rx[2];
extern uint64_t watch_seen[2]; /* at least this value was seen */
extern bool watch_marked[2];   /* by hand: the next one may be that again */
extern struct kio_broadcast_tx broadcast_tx;
extern struct kio_broadcast_rx broadcast_rx[2];
extern uint64_t broadcast_next[2];
extern struct kio_permit permits[4];
extern struct kio_owned_permit owned[2];

void channels_reset(void);
void channels_step(void);
void channels_check(void);
void channels_end(void);

extern struct kio_mutex mutex;
extern struct kio_rwlock rwlock;
extern struct kio_semaphore semaphore;
extern size_t permits_in_all, permits_held; /* held: by scripts, and what spare guards have not */
extern struct kio_permits spare;
extern struct kio_notify notify;
extern struct kio_barrier barrier;
extern size_t barrier_count, barrier_leaders, barrier_ended;
extern struct kio_once_cell once_cell;
extern bool once_was_done;
extern struct kio_set_once set_once;
extern struct kio_cancel_token tokens[3];
extern bool inside_mutex;

void sync_reset(unsigned seed);
void sync_step(void);
void sync_check(void);
void sync_end(void);

extern struct kio_future_set set;
extern struct kio_future_queue queue;
extern int queue_next_number;
extern struct kio_delay_queue delays;
extern struct kio_join_set tasks;
extern struct kio_task_tracker tracker;
extern struct kio_shared shared[2];
extern struct kio_interval interval;
extern struct kio_abort_handle aborts[4];
extern struct pipe_of *iterators;

void flow_reset(void);
void flow_step(void);
void flow_check(void);
void flow_end(bool runtime_is_gone);
void delay_came(uint32_t value, kio_instant deadline, struct kio_delay_key key);
struct kio_iter *iterators_top(void); /* NULL: none */
void iterators_gave(int out, int64_t item);

/* ---- async functions ---------------------------------------------------------------------- */

extern long scripts_made, scripts_dropped;
static inline bool scripts_alive(void)
{
    return scripts_made != scripts_dropped;
}

/* One that reads the same bytes. */
struct script {
    async_fn(int); /* its depth */
    int depth;
    uint32_t message;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_send send;
    struct kio_lock lock;
    struct kio_acquire acquire;
    struct kio_permits permits;
    struct kio_notified notified;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_boxed box;
    struct kio_scope scope;
    struct kio_cancelled cancelled;
    struct kio_shared_wait wait;
    size_t held;
    bool inside; /* the mutex */
    int left;
};
async_declare(script);

/* One that gives its number, at once, after a yield, or after a sleep; every eighth fails. */
struct numbered {
    async_fn(int);
    int n;
    unsigned how;
    struct kio_yield yield;
    struct kio_sleep nap;
};
async_declare(numbered);
#define NUMBERED(number) .n = (scripts_made++, (number)), .how = byte()

/* ---- guards ------------------------------------------------------------------------------- */

void guards_open(void); /* once in the process: what they need from earlier runtimes */
/* A wrong call, chosen by a byte, in a task (cx) or outside of all (NULL): its guard must say so. */
void wrong_step(struct kio_runtime *rt, kio_context *cx);
/* All of them, with what each said on stdout. */
void guards_tour(struct kio_runtime *rt, kio_context *cx);

#endif
