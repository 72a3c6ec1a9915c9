/*
 * A dump in memory: gather.c fills it from the tasks' frames, cycles.c finds who waits for whom,
 * dump.c writes it. Texts lie in one pool and are named by their offset.
 */
#ifndef KI_DEBUG_DUMP_H
#define KI_DEBUG_DUMP_H

#include "../base/mem.h"
#include "../runtime/runtime.h"

#include <string.h>

/* Deeper futures, and more of one owner's futures, are left out: the text is for people. */
#define KI_DUMP_DEPTH    64
#define KI_DUMP_SIBLINGS 16

enum ki_role {
    KI_ROLE_POLLED,   /* the task's next poll comes here */
    KI_ROLE_UNPOLLED, /* owned, live, and nobody polls it now */
    KI_ROLE_KEPT,     /* over, and keeps what its result refers to */
    KI_ROLE_NEUTRAL,  /* of a task that runs: nobody knows */
};

/* A future. Its children follow it, one deeper. */
struct ki_node {
    const kio_future_type *type;
    const struct kio_site *site; /* of a started async function */
    uint8_t depth;
    enum ki_role role;
    bool leaf;       /* polled, and polls nothing itself */
    bool unsure;     /* below something that goes on when another future is ready */
    bool stalled;    /* it, or what owns it, is not polled */
    bool unstarted;
    bool beside;     /* not what its owner awaits */
    uint32_t hidden; /* this and so many after it are left out of the text; 0: it is written */
    size_t text;     /* from describe; 0: none */
    size_t function; /* the node of the async function nearest above, or its own */
    size_t entry;    /* whose it is */
    struct kio_waits waits;
};

struct ki_entry {
    const struct ki_task *task;
    const kio_future *frame; /* NULL: not a live task */
    const kio_future_type *type;
    uint64_t id;
    enum ki_task_is is;
    int worker;
    bool walked, unpolled;
    int64_t since_ns;        /* it is idle or queued since then; 0: not known */
    size_t name;             /* 0: none */
    size_t first, count;     /* nodes */
};

/* What a runtime was when it was looked at. */
struct ki_seen {
    enum kio_flavor flavor;
    unsigned workers;
    char name[12];
    int64_t now_ns;
    int64_t before_ns;  /* since the dump before; 0: there was none */
    uint64_t stuck_in;  /* current_thread: its thread is in a poll of this task */
    bool stuck, closing;
    size_t first, count; /* entries */
};

/* The task waits for another one: through entries[from]'s node. */
struct ki_edge {
    size_t from, to, node;
};

/* Tasks that wait for each other: cycle_edges, each leading to the next one's task. */
struct ki_cycle {
    size_t first, count;
    bool definite; /* none of them waits for something else besides */
};

/* A task whose frame has the address of a channel that another one waits for. */
struct ki_mention {
    const void *at;
    size_t entry;
};

#define KI_DUMP_LIST(T)                                                                            \
    struct {                                                                                       \
        T *at;                                                                                     \
        size_t count, cap;                                                                         \
    }

struct ki_dump {
    bool lost; /* out of memory: something is left out */
    KI_DUMP_LIST(struct ki_seen) seen;
    KI_DUMP_LIST(struct ki_entry) entries;
    KI_DUMP_LIST(struct ki_node) nodes;
    KI_DUMP_LIST(struct ki_edge) edges;
    KI_DUMP_LIST(struct ki_cycle) cycles;
    KI_DUMP_LIST(size_t) cycle_edges;
    KI_DUMP_LIST(struct ki_mention) mentions; /* in the order of `at` */
    KI_DUMP_LIST(const void *) channels;      /* waited for; sorted, each once */
    KI_DUMP_LIST(char) pool; /* begins with an empty text */
    size_t *by_task;         /* entries, by the task's address */
    size_t *having;          /* nodes that have something, by its address */
    size_t having_count;
};

/* One more zeroed element; NULL: out of memory, and d->lost is set. */
#define ki_dump_add(d, list)                                                                       \
    ({                                                                                             \
        __auto_type list_ = &(d)->list;                                                            \
        list_->at = ki_dump_room_(d, list_->at, list_->count + 1, &list_->cap, sizeof *list_->at); \
        list_->count < list_->cap ? memset(&list_->at[list_->count++], 0, sizeof *list_->at)       \
                                  : NULL;                                                          \
    })
/* Room for need elements, if it can be had; gives the array back, moved or not. */
void *ki_dump_room_(struct ki_dump *d, void *at, size_t need, size_t *cap, size_t size);

/* gather.c: adds the runtime's tasks. */
void ki_dump_gather(struct ki_dump *d, struct kio_runtime *rt);

/* ends.c: which channels are waited for, after everything was gathered; then, runtime by runtime, who
 * mentions them. */
void ki_dump_channels(struct ki_dump *d);
void ki_dump_mentions(struct ki_dump *d, struct kio_runtime *rt);
/* Calls each for the tasks that mention what the node waits for, but its own. */
size_t ki_dump_ends(const struct ki_dump *d, const struct ki_node *node,
                    void (*each)(void *arg, size_t entry), void *arg);

/* cycles.c: after everything was gathered. False: out of memory. */
bool ki_dump_index(struct ki_dump *d);
/* The task with this header or frame. */
bool ki_dump_find(const struct ki_dump *d, const void *holder, size_t *entry);
/* Calls each for every task known to have what the node waits for; returns how many. shares: also for
 * those that have only a part of it. */
size_t ki_dump_holders(const struct ki_dump *d, const struct ki_node *node, bool shares,
                       void (*each)(void *arg, size_t entry), void *arg);
/* Finds tasks that wait for each other; before another dump may look at them. */
void ki_dump_cycles(struct ki_dump *d);

#endif
