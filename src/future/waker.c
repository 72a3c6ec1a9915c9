#include "waker.h"

/* A wake may come so late that the memory of the task it is for was given back to the kernel, or is
 * being set up for a new task (with the same type: memory that held a task header never holds
 * anything else there). The wake function orders what follows. */
void kio_waker_wake_by_ref(kio_waker waker)
{
    const kio_waker_type *type = kio_waker_type_of_(waker);

    if (type)
        type->wake(waker.to);
}
