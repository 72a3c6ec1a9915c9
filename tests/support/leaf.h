/*
 * A leaf future that ends when it is told, and counts what happens to it.
 */
#ifndef TESTS_SUPPORT_LEAF_H
#define TESTS_SUPPORT_LEAF_H

#include "support/little.h"

struct leaf {
    KIO_ASYNC_FN(int);
    bool ready;
    bool keeps; /* ends with kio_finish_keep() */
    int value;
    int polls, drops;
    kio_waker waker; /* a clone of the last poll's */
};

/* Makes a leaf in slot, whatever the slot's bytes were. */
struct leaf *leaf(struct leaf *slot, int value);
/* count leaves, valued 0 .. count - 1. */
void leaves(struct leaf *at, int count);
/* It is ready from now on; wakes who polled it last. */
void leaf_tell(struct leaf *l);
int leaves_polls(const struct leaf *at, int count);
int leaves_drops(const struct leaf *at, int count);

#endif
