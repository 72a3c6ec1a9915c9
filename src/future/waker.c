#include "waker.h"

/* The type is read atomically: a wake may come so late that the memory of the task it is for was
 * given back to the kernel, and reads as zero, or is being set up for a new task (with the same
 * type: memory that held a task header never holds anything else there). Relaxed: the type is a
 * constant; the wake function orders what follows. */
void kio_waker_wake_by_ref(kio_waker waker)
{
    const kio_waker_type *type = kio_waker_type_(waker);

    if (type)
        type->wake(waker.to);
}
