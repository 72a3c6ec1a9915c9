/* What happens when a future ends: its children go, newest first, then what it holds. */
#include "leaf.h"
#include "task_local.h"

const char kio_over_[2];

void kio_finish_slow_(kio_future *f)
{
    if (f->type->kind == KIO_KIND_WAITER) {
        f->type->drop(f); /* may need its state */
        f->state = KIO_DONE;
        return;
    }
    f->state = KIO_DONE;
    if (kio_unlikely_(f->type->kind == KIO_KIND_AROUND))
        ki_task_local_ends(f);
    while (f->child)
        kio_drop_(f->child);
    if (f->type->drop)
        f->type->drop(f);
}

void kio_drop_(kio_future *f)
{
    if (!f->type)
        return;
    if (ki_holds_nothing(f)) {
        ki_ready_now(f);
        return;
    }
    if (kio_is_live_(f)) {
        kio_finish(f);
        return;
    }
    kio_unlink_(f);
    if (f->state == KIO_KEPT)
        kio_finish_slow_(f);
}
