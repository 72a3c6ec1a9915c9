/* Kioto: compiler check, version, and the attributes used by every public header. */
#ifndef KIOTO_CONFIG_H
#define KIOTO_CONFIG_H

#if !defined(__GNUC__)
#error "Kioto needs GNU C: gcc 12 or later, or clang 14 or later"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KIO_VERSION_MAJOR 0
#define KIO_VERSION_MINOR 1
#define KIO_VERSION_PATCH 0
#define KIO_VERSION       "0.1.0"

#ifdef __cplusplus
#error "Kioto is a C library: async functions need labels as values and designated initialisers"
#endif

#define KIO_API      __attribute__((visibility("default")))
#define KIO_MUST_USE __attribute__((warn_unused_result))
#define KIO_NORETURN __attribute__((noreturn))
#define KIO_COLD     __attribute__((cold, noinline))

/* A branch hint wraps the whole condition. */
#define KIO_NOINLINE __attribute__((noinline))
#define KIO_ALWAYS_INLINE inline __attribute__((always_inline))
#define kio_likely_(cond)   __builtin_expect(!!(cond), 1)
#define kio_unlikely_(cond) __builtin_expect(!!(cond), 0)

/* The place of a call, for guards' messages. */
struct kio_place {
    const char *file;
    int line;
};

#define KIO_HERE_ ((struct kio_place){ __FILE__, __LINE__ })

#endif
