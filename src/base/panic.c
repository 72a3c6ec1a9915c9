#include "panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ki_panic(const char *file, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "kioto: %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    fflush(stderr);
    va_end(args);
    abort();
}
