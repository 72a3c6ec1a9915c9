#include "hooks.h"

static struct kio_task_info info_of(struct ki_task *task)
{
    const struct ki_task_extra *extra = task->extra; /* only its own worker renames it */
    const kio_future_type *type = ki_task_future(task)->type;

    if (extra && extra->function)
        type = extra->function;
    return (struct kio_task_info){
        .id = ki_task_id(task),
        .name = ki_task_name(task),
        .function = type->name,
        .file = type->file,
        .line = type->line,
        .spawn_file = extra && extra->spawned ? extra->spawned->file : NULL,
        .spawn_line = extra && extra->spawned ? extra->spawned->line : 0,
        .waited = -1,
    };
}

void ki_hook_spawn(const struct kio_hooks *h, struct ki_task *task, const kio_future *future,
                   const struct kio_place *spawned)
{
    struct kio_task_info info;

    if (!task->extra)
        task->extra = ki_task_extra_new(""); /* without memory its place is not known */
    if (task->extra) {
        task->extra->function = future->type;
        task->extra->spawned = spawned;
    }
    if (!h->on_task_spawn)
        return;
    info = info_of(task);
    h->on_task_spawn(&info, h->arg);
}

void ki_hook_poll(ki_task_hook hook, struct ki_task *task, int64_t waited, void *arg)
{
    struct kio_task_info info;

    if (!hook)
        return;
    info = info_of(task);
    info.waited = waited;
    hook(&info, arg);
}

void ki_hook_end(const struct kio_hooks *h, struct ki_task *task, bool aborted)
{
    const kio_future *f = ki_task_future(task);
    struct kio_task_info info;

    if (!h->on_task_end)
        return;
    info = info_of(task);
    info.aborted = aborted;
    if (!aborted && f->type->out_size) {
        info.out = (const char *)f + f->type->out_offset;
        info.out_size = f->type->out_size;
    }
    h->on_task_end(&info, h->arg);
}
