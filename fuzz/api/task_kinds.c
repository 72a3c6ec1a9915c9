/* Kinds of futures that are tasks, or async functions themselves. */
#include "fuzz.h"

static bool box_build(struct slot *s)
{
    scripts_made++;
    return MAKE(kio_boxed, kio_box(made, script, .depth = 1));
}

static void box_ready(struct slot *s)
{
    must(FUTURE(s, kio_boxed)->out == 0 && *kio_boxed_output(FUTURE(s, kio_boxed), int) == 1);
}

static const struct kind box_kind = {
    .name = "box", .build = box_build, .ready = box_ready, .needs_runtime = true,
};

static bool call_build(struct slot *s)
{
    scripts_made++;
    return MAKE(script, async_call(made, script, .depth = 2));
}

static const struct kind call_kind = { .name = "call", .build = call_build, .needs_runtime = true };

static void task_abort(struct slot *s)
{
    kio_abort(s->memory);
}

static bool spawn_build(struct slot *s)
{
    scripts_made++;
    return MAKE(kio_join_handle, must(kio_spawn(made, script, .depth = 3) == 0);
                aborts[byte() % COUNT(aborts)] = kio_abort_handle(made); made->out = UNTOUCHED);
}

static bool tracked_spawn_build(struct slot *s)
{
    if (!tracker.shared)
        return false;
    scripts_made++;
    return MAKE(kio_join_handle,
                must(kio_task_tracker_spawn(&tracker, made, script, .depth = 3) == 0);
                made->out = UNTOUCHED);
}

static void handle_ready(struct slot *s)
{
    struct kio_join_handle *f = FUTURE(s, kio_join_handle);

    must(kio_is_finished(f) && (f->out == 0 || f->out == -ECANCELED));
    must(f->out || *kio_output(f, int) == 3);
}

static const struct kind spawn_kind = {
    .name = "spawn", .build = spawn_build, .ready = handle_ready, .change = task_abort,
};
static const struct kind tracked_spawn_kind = {
    .name = "tracker_spawn", .build = tracked_spawn_build, .ready = handle_ready, .change = task_abort,
};

static bool next_build(struct slot *s)
{
    if (in_use(TASKS))
        return false;
    s->uses = 1u << TASKS;
    return MAKE(kio_join_next, kio_join_next(made, &tasks); made->out = UNTOUCHED);
}

static void next_ready(struct slot *s)
{
    struct kio_join_next *f = FUTURE(s, kio_join_next);

    must(f->out == 1 || (f->out == 0 && kio_join_set_len(&tasks) == 0));
    if (f->out == 1 && f->handle.out == 0)
        must(*kio_output(&f->handle, int) >= -8);
}

static const struct kind next_kind = { .name = "join_next", .build = next_build, .ready = next_ready };

static bool tracker_wait_build(struct slot *s)
{
    return tracker.shared && MAKE(kio_tracker_wait, kio_task_tracker_wait(made, &tracker));
}

static const struct kind tracker_wait_kind = { .name = "tracker_wait", .build = tracker_wait_build };

static bool shared_build(struct slot *s)
{
    if (!shared[s->of].state)
        return false;
    return MAKE(kio_shared_wait, kio_shared_wait(made, &shared[s->of]); made->out = UNTOUCHED);
}

static void shared_ready(struct slot *s)
{
    must(FUTURE(s, kio_shared_wait)->out == 0);
}

static const struct kind shared_kind = {
    .name = "shared_wait", .build = shared_build, .ready = shared_ready, .needs_runtime = true,
};

const struct kind *const task_kinds[] = {
    &box_kind, &call_kind, &spawn_kind, &tracked_spawn_kind, &next_kind, &tracker_wait_kind, &shared_kind,
};
const size_t task_kinds_count = COUNT(task_kinds);
