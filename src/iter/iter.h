/* What every iterator starts with. */
#ifndef KI_ITER_ITER_H
#define KI_ITER_ITER_H

#include <kioto/iter.h>

/* An adapter: as kio_iter_init_(), and the source (NULL: none) becomes its own. call: for guards. */
void ki_iter_adapt(struct kio_iter *self, const kio_iter_type *type, size_t size,
                   struct kio_iter *source, kio_future *scope, const char *call);

/* A guard fails when the item is larger than what fits a buffer of KIO_ITEM_MAX bytes. */
void ki_iter_fits(const struct kio_iter *source, const char *call);

/* A leaf that is always ready takes a unit of the budget; false: answer KIO_ITER_WAITS. */
static inline bool ki_iter_may(kio_context *cx)
{
    if (!kio_coop_may_(cx))
        return false;
    kio_coop_did_(cx);
    return true;
}

#endif
