/*
 * An exhaustive checker for small concurrent programs under the C11 memory model.
 *
 * A test is a few threads, each a function. mc_explore() runs them again and again, in one thread of
 * the process, until every schedule and every value that the model lets a load give has been seen.
 * The code under test is compiled from its own source with -fsanitize=thread, whose calls for each
 * atomic operation and each plain access end in hooks.c instead of the sanitizer's library: so
 * the orders that are checked are the very ones that base/atomic.h spells, and plain accesses are
 * checked for races without a word in the source. docs/design/model.md says what is modelled.
 */
#ifndef MC_H
#define MC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_THREADS 5

struct mc_test {
    const char *name;
    void (*setup)(void);                    /* before the threads start; happens before them */
    void (*thread[MC_THREADS])(void);       /* up to the first NULL */
    void (*final)(void);                    /* after all of them ended, with all they wrote */
    void (*at_rest)(void);                  /* threads that wait for ever are right: this checks instead */
    unsigned spurious;                      /* so many weak exchanges fail for nothing, at most */
    uint64_t limit;                         /* executions at most; 0: the usual. More is a failure */
    bool must_fail;                         /* of the checker's own tests */
    void (*done)(void);                     /* after the exploration: look at the outcomes */
};

/* Runs every test, or those whose names are given; options: see mc.c. The exit status. */
int mc_main(const struct mc_test *tests, size_t count, int argc, char **argv);

/* Explores twice, with and without reduction: whether the same outcomes are seen. */
bool mc_same_without_reduction(const struct mc_test *test, const char *program);

/* ---- inside of a test ---------------------------------------------------------------------- */

#define MC_ASSERT(cond) ((cond) ? (void)0 : mc_fail("%s:%d: %s", __FILE__, __LINE__, #cond))

_Noreturn void mc_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One of n, all of them in turn. */
unsigned mc_choose(unsigned n);
/* Waits until the word is 0, and sets it to 1; acquire. */
void mc_take(uint32_t *word);
/* Waits until the word is not 0, and sets it to 0; acquire and release. */
void mc_wait(uint32_t *word);
/* The barriers of base/barrier.h. A light one and a heavy one of another thread come one after the other,
 * and who comes second knows what the first one's thread did before; two light ones, and the other
 * threads of a heavy one, do not know of each other. Real ones promise no less. */
void mc_light(void);
void mc_heavy(void);
/* In setup: whether there are any. Else there are. */
void mc_barriers(bool on);
/* Inside a loop that waits for what it just loaded: goes on when there is something newer. */
void mc_spin(void);
/* The thread that runs: 1 and up; 0 in setup and final. */
unsigned mc_self(void);
/* A variable that each thread has its own of: called in setup. Zero when a thread starts. */
void mc_thread_local(void *var, size_t size);
/* Memory that is gone after the execution; align: a power of two. */
void *mc_alloc(size_t size, size_t align, bool zero);
void mc_free(void *ptr);
/* Blocks that are allocated now. */
unsigned mc_alive(void);
/* What this execution came to; each different value is counted. */
void mc_outcome(uint64_t value);
/* After the exploration. */
bool mc_seen(uint64_t outcome);
unsigned mc_outcomes(void);

#endif
