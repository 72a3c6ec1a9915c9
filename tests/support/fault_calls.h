/* How a call is wrapped, and its line in the table of calls. */
#ifndef TESTS_SUPPORT_FAULT_CALLS_H
#define TESTS_SUPPORT_FAULT_CALLS_H

#include "support/faults.h"

/* The lines of the table. */
#define CALL(id, text, ...)                                                                        \
    static struct fault_call call_##id = { .name = text, .faults = { __VA_ARGS__ } }
#define REPORTED(e)      { e, FAULT_REPORTED, e }
#define TOLD_AS(e, told) { e, FAULT_REPORTED, told }
#define HIDDEN(e)        { e, FAULT_HIDDEN, 0 }
#define EITHER(e)        { e, FAULT_EITHER, e }

/* A function that stands before `name`: __wrap_name, which may call __real_name. The build reads the
 * names from lines that begin with WRAP. */
#define WRAP(type, name, params)                                                                   \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params

/* The same for one with `...`, whose arguments are passed on as words; __real_name is declared before. */
#define WRAP_WORDS(type, name, params)                                                             \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params

/* The most frequent kinds: gives -1 with errno; gives the error; gives NULL. */
#define WRAP_ERRNO(type, name, params, args)                                                       \
    WRAP(type, name, params) { return faults_hit(&call_##name) ? -1 : __real_##name args; }
#define WRAP_DIRECT(type, name, params, args)                                                      \
    WRAP(type, name, params)                                                                       \
    {                                                                                              \
        int err = faults_hit(&call_##name);                                                        \
                                                                                                   \
        return err ? err : __real_##name args;                                                     \
    }
#define WRAP_NULL(type, name, params, args)                                                        \
    WRAP(type, name, params) { return faults_hit(&call_##name) ? NULL : __real_##name args; }

#endif
