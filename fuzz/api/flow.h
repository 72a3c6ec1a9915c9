/* Iterators and streams of a program: shared by flow.c and flow_kinds.c. */
#ifndef FUZZ_API_FLOW_H
#define FUZZ_API_FLOW_H

#include "fuzz.h"

struct any_iter {
    KIO_ITER;
};

/* A chain of iterators that keeps the order of its numbers, unless it says otherwise. */
struct pipe_of {
    struct kio_iter_range ranges[3];
    struct kio_iter_chain chain;
    struct kio_iter_merge merge;
    struct kio_iter_zip zip;
    struct kio_iter_set set;
    struct kio_iter_map map;
    struct kio_iter_filter filter;
    struct kio_iter_filter_map filter_map;
    struct kio_iter_skip skip;
    struct kio_iter_take take;
    struct kio_iter_skip_while skip_while;
    struct kio_iter_take_while take_while;
    struct kio_iter_throttle throttle;
    struct kio_iter_timeout timeout;
    struct kio_iter_peekable peekable;
    struct kio_iter_buffered buffered;
    struct numbered jobs[3];
    struct any_iter *top;
    bool unordered, ended;
    int64_t last;   /* given by top */
    int64_t peeked; /* seen last by a peek, before what stands on the peekable changed it */
};

extern struct kio_stream ends[2];
void stream_fill(int end, char *bytes, size_t len);   /* with what is to be written there next */
void stream_took(int end, ssize_t out);               /* of that */
void stream_gave(int end, const char *bytes, ssize_t out);

#endif
