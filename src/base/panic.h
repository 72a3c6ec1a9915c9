/*
 * Broken contracts. ki_assert: Kioto's own invariant; ki_assert_slow: walks a structure, debug
 * builds only. Both name the place and abort. User mistakes go through future/guard.h.
 */
#ifndef KI_BASE_PANIC_H
#define KI_BASE_PANIC_H

#include <kioto/config.h>

KIO_NORETURN KIO_COLD void ki_panic(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define ki_assert(cond)                                                                            \
    do {                                                                                           \
        if (kio_unlikely_(!(cond)))                                                                \
            ki_panic(__FILE__, __LINE__, "invariant broken: %s", #cond);                           \
    } while (0)

#ifdef KIOTO_DEBUG
#define ki_assert_slow(cond) ki_assert(cond)
#else
#define ki_assert_slow(cond) ((void)0)
#endif

#endif
