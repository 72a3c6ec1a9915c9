/* Kinds of futures of time. */
#include "fuzz.h"

static bool sleep_build(struct slot *s)
{
    s->due = kio_now() + short_time();
    return MAKE(kio_sleep, kio_sleep_until(made, s->due));
}

static void sleep_ready(struct slot *s)
{
    must(kio_now() >= s->due);
}

static void sleep_change(struct slot *s)
{
    if (is_arm_of_live(s))
        return;
    s->due = kio_now() + short_time();
    kio_sleep_reset(s->memory, s->due);
    s->recorded = false;
}

static const struct kind sleep_kind = {
    .name = "sleep",
    .build = sleep_build,
    .ready = sleep_ready,
    .change = sleep_change,
    .needs_runtime = true,
};

static bool yield_build(struct slot *s)
{
    return MAKE(kio_yield, kio_yield_now(made));
}

static const struct kind yield_kind = { .name = "yield", .build = yield_build };

static bool tick_build(struct slot *s)
{
    if (in_use(TICKS))
        return false;
    s->uses = 1u << TICKS;
    return MAKE(kio_tick, kio_tick(made, &interval); made->out = INT64_MIN);
}

static void tick_ready(struct slot *s)
{
    must(kio_now() >= FUTURE(s, kio_tick)->out);
}

static const struct kind tick_kind = {
    .name = "tick", .build = tick_build, .ready = tick_ready, .needs_runtime = true,
};

const struct kind *const time_kinds[] = { &sleep_kind, &yield_kind, &tick_kind };
const size_t time_kinds_count = COUNT(time_kinds);
