/*
 * Abortable: a future that somebody else can end.
 *
 *     kio_cancel_token_new(&self->stop, NULL);               // clones of it go to whoever may stop this
 *     await(kio_abortable(&self->job, &self->stop, async_call(&self->copy, copy_all, .to = self->to)));
 *     if (self->job.out == -ECANCELED)
 *         …                                                  // elsewhere: kio_cancel(&stop)
 *
 * The handle is a cancel token (sync.h): it can be cloned, used on any thread, hung below another
 * token, and kept longer than the future. A task of its own is ended by kio_abort() instead.
 */
#ifndef KIOTO_ABORTABLE_H
#define KIOTO_ABORTABLE_H

#include "sync.h"

struct kio_abortable {
    KIO_ASYNC_FN(int); /* 0: the future has ended, its result is in its out; -ECANCELED: aborted */
    /* private from here on */
    kio_future *inner;
    struct kio_cancelled cancelled;
};

/**
 * kio_abortable(slot, token, future): run a future to its end, or until a token is cancelled.
 *
 * Once the token is cancelled the future is not polled again; it is dropped before this ends, unless
 * the async function owns it (async_let): then it lives on. A future whose last poll has made it
 * ready is not aborted any more.
 *
 * token    borrowed for the call; this keeps a reference of its own
 * future   pointer to its struct; nobody's yet: this owns it
 *
 * Out:     0; -ECANCELED
 * Errors:  none of its own
 * Cancel:  as the future's
 * Threads: owner; kio_cancel() on any
 * Cost:    no allocation; a poll looks at the token, under its lock
 * Since:   0.1
 * See:     kio_cancel(), kio_select(); src/sync/abortable.c
 */
#define kio_abortable(slot, token, future) kio_abortable_(slot, token, &(future)->kio)
KIO_API struct kio_abortable *kio_abortable_(struct kio_abortable *slot,
                                             const struct kio_cancel_token *token, kio_future *future);

#endif
