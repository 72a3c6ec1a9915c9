/* Between the checker's own files. */
#ifndef MC_INSIDE_H
#define MC_INSIDE_H

#include "mc.h"

#define MC_LOCS    160  /* atomic variables in an execution */
#define MC_HISTORY 250  /* stores to one of them */
#define MC_STEPS   1500 /* operations in an execution */

enum mc_order { MC_RELAXED, MC_ACQUIRE, MC_RELEASE, MC_ACQ_REL, MC_SEQ_CST };

static inline bool mc_acquires(enum mc_order o)
{
    return o == MC_ACQUIRE || o == MC_ACQ_REL || o == MC_SEQ_CST;
}

static inline bool mc_releases(enum mc_order o)
{
    return o == MC_RELEASE || o == MC_ACQ_REL || o == MC_SEQ_CST;
}

enum mc_kind {
    MC_LOAD,
    MC_STORE,
    MC_RMW,
    MC_CAS,
    MC_CAS_WEAK,
    MC_TAKE,       /* waits for zero, or for non-zero; then stores val */
    MC_WAIT,
    MC_SPIN,
    MC_TIMED_WAIT, /* until the word is not expected any more, or nobody else can go on */
    MC_FUTEX_WAIT, /* sleeps if the word is still expected */
    MC_FUTEX_WOKEN,
    MC_FUTEX_WAKE,
    MC_CHOOSE,
};

enum mc_rmw { MC_XCHG, MC_ADD, MC_SUB, MC_AND, MC_OR, MC_XOR };

struct mc_op {
    enum mc_kind kind;
    enum mc_rmw rmw;
    enum mc_order order, failure;
    unsigned size; /* bytes; choose: alternatives */
    void *addr;
    uint64_t val, expected;
    const void *pc;
    int loc;          /* -1: none */
    uint64_t out;     /* what was read */
    bool ok;          /* of a compare-and-swap */
    unsigned from;    /* the store that was read */
};

/* What a thread knows: of each thread how far, of each variable which store at least. */
struct mc_view {
    uint16_t clock[MC_THREADS + 1];
    uint8_t at[MC_LOCS];
};

/* ---- memory.c ------------------------------------------------------------------------------ */

void mc_memory_reset(void);
void mc_memory_join(unsigned into, unsigned from); /* threads */
int mc_loc_of(void *addr, unsigned size);
unsigned mc_loc_size(void *addr);                  /* 0: no atomic variable */
unsigned mc_last(int loc);                         /* its newest store */
unsigned mc_oldest(unsigned tid, int loc, bool seq_cst); /* that a load may give */
uint64_t mc_value(int loc, unsigned store);
uint32_t mc_writer(int loc, unsigned store);       /* the event that stored it; 0: none */
/* Carry out: what is read from `store` (true: it raised mc_seq_cst); what is written becomes the newest. */
unsigned mc_seq_cst(int loc);                      /* the oldest for seq_cst loads */
bool mc_read(unsigned tid, int loc, unsigned store, enum mc_order order);
void mc_write(unsigned tid, int loc, uint64_t val, enum mc_order order, bool rmw, uint32_t event);
void mc_know_last(unsigned tid, int loc);
void mc_know_all(unsigned tid);                    /* the last of each: time has passed */
void mc_tick(unsigned tid);
void mc_access(unsigned tid, const void *addr, size_t size, bool write, bool atomic, const void *pc);
bool mc_is_thread_local(const void *addr, size_t size);
void mc_switch_locals(unsigned from, unsigned to);
/* Memory as it was before the execution. */
void mc_memory_undo(void);

/* ---- mc.c ---------------------------------------------------------------------------------- */

void mc_do(struct mc_op *op);
bool mc_running(void); /* a test's code, not the checker's */
bool mc_on_stack(const void *addr);

#endif
