#include "task.h"
#include "tracker.h"
#include "../base/alone.h"
#include "../base/clock.h"
#include "../base/mem.h"

#include <string.h>

/* Ids are taken from here a thousand at a time. Relaxed: only uniqueness matters. */
static ki_atomic(uint64_t) next_ids = 1;

static uint64_t new_id(struct ki_nest *nest)
{
    if (!nest)
        return ki_fetch_add_relaxed(&next_ids, 1);
    if (nest->next_id == nest->last_id) {
        nest->next_id = ki_fetch_add_relaxed(&next_ids, 1000);
        nest->last_id = nest->next_id + 1000;
    }
    return nest->next_id++;
}

struct ki_task *ki_task_new(struct ki_arena *arena, struct ki_nest *nest, size_t frame_size)
{
    bool boxed = frame_size > KI_SLOT_MAX - KI_TASK_FRAME - sizeof(int64_t);
    void *frame = boxed ? ki_mem_alloc(frame_size) : NULL;
    struct ki_task *task;
    size_t size = (boxed ? sizeof *task + sizeof frame : KI_TASK_FRAME + frame_size) + arena->stamp_size;

    if (boxed && !frame)
        return NULL;
    if (frame_size % 16 == 0)
        size = (size + 15) & ~(size_t)15; /* it may want to be 16-aligned; no other size does */
    task = ki_arena_get(arena, nest ? &nest->slots : NULL, size);
    if (!task) {
        ki_mem_free(frame);
        return NULL;
    }
    task->flags = (boxed ? KI_TASK_BOXED : 0) | arena->task_flags;
    if (kio_unlikely_(arena->stamp_size))
        ki_bare_store_relaxed(ki_task_stamp_of(task), 0); /* not queued yet */
    /* release: the tag pairs with a dump's look at what is not live, which takes nothing of the slot's last
     * task for this one's (sched/look.c): so join comes first. Join pairs with kio_abort_is_finished of that
     * task: who sees this one's sees that the tag is another. */
    ki_store_release(&task->join, KI_JOIN_DETACHED);
    ki_store_release(&task->tag, new_id(nest) << 1);
    if (boxed) {
        task->next = NULL; /* otherwise part of the frame, which the caller writes */
        task->extra = NULL;
        *(void **)(task + 1) = frame;
    }
    return task;
}

void ki_task_release(struct ki_task *task, struct ki_nest *nest)
{
    struct ki_arena *arena;

    if (task->flags & KI_TASK_BOXED)
        ki_mem_free(*(void **)(task + 1));
    ki_mem_free(task->extra);
    task->extra = NULL;
    arena = ki_sched_arena(ki_chunk_of(task)->sched);
    ki_arena_put(arena, nest ? &nest->slots : NULL, task);
}

void ki_task_over(struct ki_task *task, uintptr_t how, struct ki_nest *nest)
{
    uintptr_t join;

    if (kio_unlikely_(task->extra && task->extra->tracker))
        ki_tracker_leave(task->extra->tracker);
    /* acq_rel: pairs with the handle's exchange in either order, see the header. */
    join = ki_word_xchg(&task->join, how);
    if (join == KI_JOIN_DETACHED)
        ki_task_release(task, nest);
    else if (join)
        kio_waker_wake((kio_waker){ (struct kio_wakeable *)join });
}

void ki_task_stamp_slow(struct ki_task *task)
{
    int64_t *stamp = ki_task_stamp_of(task);

    if (ki_bare_load_relaxed(stamp) <= 0)
        ki_bare_store_relaxed(stamp, ki_clock_now());
}

void ki_arena_observe(struct ki_arena *arena, bool stamped, bool hooked)
{
    arena->stamp_size = stamped ? sizeof(int64_t) : 0;
    arena->task_flags = (stamped ? KI_TASK_STAMPED : 0) | (hooked ? KI_TASK_HOOKED : 0);
}

struct ki_task_extra *ki_task_extra_new(const char *name)
{
    struct ki_task_extra *extra = ki_mem_zalloc(sizeof *extra + strlen(name));

    if (extra)
        strcpy(extra->name, name);
    return extra;
}
