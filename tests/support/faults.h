/*
 * Faults: one call of the C library, of the kernel or of curl fails, once, and everything that
 * follows is looked at.
 *
 * A scenario is a small program that does something real and says which errors it was given. The
 * driver runs it with the nth call of X failing with errno E, for n = 1, 2, … until the scenario no
 * longer makes an nth call, for every call X of the table in faults.c and every E that X may give.
 * After each run it checks:
 *   - the error arrived at the scenario; or it is one that nobody is to notice (EINTR, a hint that
 *     was not followed), and then the scenario did all it had to do;
 *   - memory, fds and threads are what they were;
 *   - the scenario works when nothing fails.
 * A run that hangs is ended by an alarm that says which run it was.
 *
 * Calls are replaced by the linker (--wrap), in the tests of tests/fault only, and only in what is
 * linked statically: Kioto's own calls, not those of libc or curl.
 */
#ifndef TESTS_SUPPORT_FAULTS_H
#define TESTS_SUPPORT_FAULTS_H

#include "support/rt.h"

/* What the caller of a call that failed is to do about it. */
enum fault_then {
    FAULT_REPORTED, /* pass the error on */
    FAULT_HIDDEN,   /* go on: nobody notices */
    FAULT_EITHER,   /* one or the other, as there is another way or not */
};

struct fault {
    int error;            /* errno; FAULT_SHORT: the call does less than it was asked to */
    enum fault_then then;
    int told;             /* the error the caller gets to see, if it is another */
};

#define FAULT_SHORT (-1)
#define FAULTS_MAX  16

struct fault_call {
    const char *name;
    const struct fault faults[FAULTS_MAX]; /* up to one with error 0 */
    unsigned number;                       /* by faults_list */
};

enum {
    FAULT_ALONE = 1,         /* each run in a process of its own, where no pool is warm */
    FAULT_CURRENT_ONLY = 2,
    FAULT_MULTI_ONLY = 4,
    FAULT_DETERMINISTIC = 8, /* that flavor too */
    FAULT_NO_LIMIT = 16,     /* not under a real limit of fds */
    FAULT_THREADS = 32,      /* leaves a thread, once */
};

struct fault_scenario {
    const char *name;
    void (*body)(void);
    unsigned flags;
};

#define SCENARIO(name, ...) { #name, name, 0 __VA_OPT__(| ) __VA_ARGS__ }

/* Runs all of them; prints what was run. Aborts at the first thing that is wrong. */
void faults_run(const struct fault_scenario *scenarios, size_t count);
/* The same with real limits: no more than k fds can be opened, for k = 0, 1, … until it works. */
void faults_run_out_of_fds(const struct fault_scenario *scenarios, size_t count);

#define FAULTS_TEST(test, run_them)                                                                \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_them(scenarios, sizeof scenarios / sizeof scenarios[0]);                               \
    }

/* A main for the array `scenarios`, and more tests; the second one is for scenarios that open fds. */
#define FAULTS_MAIN(...)                                                                           \
    FAULTS_TEST(every_call_fails_once, faults_run)                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { cmocka_unit_test(every_call_fails_once) __VA_OPT__(, ) \
                                                __VA_ARGS__ };                                     \
                                                                                                   \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }
#define FAULTS_FDS_MAIN(...)                                                                       \
    FAULTS_TEST(fds_run_out, faults_run_out_of_fds)                                                \
    FAULTS_MAIN(cmocka_unit_test(fds_run_out) __VA_OPT__(, ) __VA_ARGS__)

/* ---- for scenarios ------------------------------------------------------------------------ */

/* From here to the scenario's end calls fail. */
void faults_on(void);
/* Not on this thread, for a while: what the test does for itself. */
void faults_pause(void);
void faults_resume(void);

/* Says that an error was given; true if err is one. */
bool faults_saw(int err);
/* The scenario did all it had to do. */
void faults_complete(void);
/* Whether a call was made to fail in this run. */
bool faults_reached(void);
/* The error that is to be told in this run, negative; 0: none yet. For scenarios that only hear of a
 * failure, and not which. */
int faults_given(void);

/* Gives up with a message, in any thread, if it does not hold. */
#define faults_check(cond) ((cond) ? (void)0 : faults_broken(#cond, __FILE__, __LINE__))
KIO_NORETURN void faults_broken(const char *text, const char *file, int line);

/* Runs an async function on a runtime of the flavor under test, which is made before calls fail (the
 * function begins with faults_on) and freed while they do. */
#define faults_in_runtime(name, ...)                                                               \
    do {                                                                                           \
        faults_open();                                                                             \
        (void)kio_runtime_block_on(rt, name __VA_OPT__(, ) __VA_ARGS__);                           \
        kio_runtime_free(rt);                                                                      \
    } while (0)
void faults_open(void);

/* In an async function: ends it if err is an error. */
#define FAULT_TRY(err)                                                                             \
    do {                                                                                           \
        if (faults_saw((int)(err)))                                                                \
            async_return();                                                                        \
    } while (0)

/* For a test of its own: the next call of that name fails so; first, if there is one, is called just
 * before. Until faults_off(). */
void faults_fail(const char *name, int error, void (*first)(void));
void faults_off(void);

/* ---- for the wrappers --------------------------------------------------------------------- */

/* 0: go on; otherwise what the call is to give, also in errno. */
int faults_hit(struct fault_call *call);

/* Calls that files of wrappers have, a list for each. */
struct fault_calls {
    struct fault_call *const *calls; /* up to a NULL */
    struct fault_calls *next;
};
void faults_list(struct fault_calls *more);

#endif
