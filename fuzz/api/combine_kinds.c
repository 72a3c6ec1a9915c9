/* Kinds of futures around others: other slots', or an array of their own. */
#include "fuzz.h"

static bool two_arms(struct slot *s, struct kio_any_ *arms[2])
{
    arms[0] = arm_of(s);
    arms[1] = arms[0] ? arm_of(s) : NULL;
    return arms[1] != NULL;
}

static bool select_build(struct slot *s)
{
    struct kio_any_ *arm[2];

    return two_arms(s, arm) && MAKE(kio_select, kio_select(made, arm[0], NULL, arm[1]));
}

static bool biased_build(struct slot *s)
{
    struct kio_any_ *arm[2];

    return two_arms(s, arm) && MAKE(kio_select, kio_select_biased(made, arm[0], NULL, arm[1]));
}

static void select_ready(struct slot *s)
{
    int out = FUTURE(s, kio_select)->out;

    must(out == -1 || out == 0 || out == 2);
    for (unsigned a = 0; a < s->arm_count; a++)
        must(!kio_is_live_(slots[s->arms[a]].f));
}

static const struct kind select_kind = {
    .name = "select", .build = select_build, .ready = select_ready,
};
static const struct kind biased_kind = {
    .name = "select_biased", .build = biased_build, .ready = select_ready,
};

static bool join_build(struct slot *s)
{
    struct kio_any_ *arm[2];

    if (!two_arms(s, arm))
        return false;
    return s->of ? MAKE(kio_join, kio_join(made, arm[0], arm[1]))
                 : MAKE(kio_join, kio_join_biased(made, arm[0], arm[1]));
}

static void arms_are_over(struct slot *s)
{
    for (unsigned a = 0; a < s->arm_count; a++)
        must(!kio_is_live_(slots[s->arms[a]].f));
}

static const struct kind join_kind = { .name = "join", .build = join_build, .ready = arms_are_over };

static bool try_join_build(struct slot *s)
{
    struct kio_any_ *arm[2];

    return two_arms(s, arm) && MAKE(kio_try_join, kio_try_join(made, arm[0], arm[1]));
}

static void try_join_ready(struct slot *s)
{
    must(FUTURE(s, kio_try_join)->out <= 0);
    arms_are_over(s); /* ended, or dropped */
}

static const struct kind try_join_kind = {
    .name = "try_join", .build = try_join_build, .ready = try_join_ready,
};

/* ---- one inside --------------------------------------------------------------------------- */

static bool timeout_build(struct slot *s)
{
    struct kio_any_ *arm = arm_of(s);

    s->due = kio_now() + short_time();
    return arm && MAKE(kio_timeout, kio_timeout_at(made, s->due, arm); made->out = UNTOUCHED);
}

static void timeout_ready(struct slot *s)
{
    int out = FUTURE(s, kio_timeout)->out;

    must(out == 0 || (out == -ETIMEDOUT && kio_now() >= s->due));
    arms_are_over(s);
}

static const struct kind timeout_kind = {
    .name = "timeout", .build = timeout_build, .ready = timeout_ready,
};

static bool unconstrained_build(struct slot *s)
{
    struct kio_any_ *arm = arm_of(s);

    return arm && MAKE(kio_unconstrained, kio_unconstrained(made, arm));
}

static const struct kind unconstrained_kind = {
    .name = "unconstrained", .build = unconstrained_build, .ready = arms_are_over,
};

static bool abortable_build(struct slot *s)
{
    struct kio_any_ *arm = tokens[s->of].node ? arm_of(s) : NULL;

    return arm && MAKE(kio_abortable, kio_abortable(made, &tokens[s->of], arm); made->out = UNTOUCHED);
}

static void abortable_ready(struct slot *s)
{
    must(FUTURE(s, kio_abortable)->out == 0 || FUTURE(s, kio_abortable)->out == -ECANCELED);
    arms_are_over(s);
}

static const struct kind abortable_kind = {
    .name = "abortable", .build = abortable_build, .ready = abortable_ready,
};

static bool tracked_build(struct slot *s)
{
    struct kio_any_ *arm = tracker.shared ? arm_of(s) : NULL;

    return arm && MAKE(kio_tracked, kio_task_tracker_track(made, &tracker, arm));
}

static const struct kind tracked_kind = {
    .name = "tracked", .build = tracked_build, .ready = arms_are_over,
};

static const struct kio_task_local key = { "key" };

static bool bound_build(struct slot *s)
{
    struct kio_any_ *arm = arm_of(s);

    return arm && MAKE(kio_task_local_scope, kio_task_local_scope(made, &key, &mutex, arm));
}

static void bound_ready(struct slot *s)
{
    must(!kio_task_local_get(&key, struct kio_mutex));
    arms_are_over(s);
}

static const struct kind bound_kind = {
    .name = "task_local_scope", .build = bound_build, .ready = bound_ready,
};

/* ---- an array ----------------------------------------------------------------------------- */

static struct numbered *array_of(struct slot *s)
{
    struct numbered *many = s->extra = calloc(MANY, sizeof *many);

    must(many);
    s->need = byte() % (MANY + 1);
    for (size_t i = 0; i < s->need; i++)
        async_call(&many[i], numbered, NUMBERED((int)i));
    return many;
}

static bool join_all_build(struct slot *s)
{
    struct numbered *many = array_of(s);

    return MAKE(kio_join_all, kio_join_all(made, many, s->need));
}

static void join_all_ready(struct slot *s)
{
    struct numbered *many = s->extra;

    for (int i = 0; i < (int)s->need; i++)
        must(!kio_is_live(&many[i]) && (many[i].out == i || many[i].out == -1 - i));
}

static const struct kind join_all_kind = {
    .name = "join_all", .build = join_all_build, .ready = join_all_ready, .needs_runtime = true,
};

static bool try_join_all_build(struct slot *s)
{
    struct numbered *many = array_of(s);

    return MAKE(kio_try_join_all, kio_try_join_all(made, many, s->need));
}

static void try_join_all_ready(struct slot *s)
{
    struct numbered *many = s->extra;
    int out = FUTURE(s, kio_try_join_all)->out;

    must(out <= 0 && (out == 0 || many[-1 - out].out == out));
    for (int i = 0; i < (int)s->need; i++)
        must(!kio_is_live(&many[i]) && (out || many[i].out == i));
}

static const struct kind try_join_all_kind = {
    .name = "try_join_all", .build = try_join_all_build, .ready = try_join_all_ready, .needs_runtime = true,
};

static bool select_all_build(struct slot *s)
{
    struct numbered *many = array_of(s);

    return MAKE(kio_select_all, kio_select_all(made, many, s->need));
}

static void select_all_ready(struct slot *s)
{
    struct numbered *many = s->extra;
    ssize_t out = FUTURE(s, kio_select_all)->out;

    must(out == -1 ? s->need == 0 : out < (ssize_t)s->need);
    must(out < 0 || many[out].out == out || many[out].out == -1 - out);
    for (size_t i = 0; i < s->need; i++)
        must(!kio_is_live(&many[i]));
}

static const struct kind select_all_kind = {
    .name = "select_all", .build = select_all_build, .ready = select_all_ready, .needs_runtime = true,
};

const struct kind *const combine_kinds[] = {
    &select_kind,  &biased_kind, &join_kind,     &try_join_kind,     &timeout_kind,    &unconstrained_kind,
    &abortable_kind, &tracked_kind, &bound_kind, &join_all_kind, &try_join_all_kind, &select_all_kind,
};
const size_t combine_kinds_count = COUNT(combine_kinds);
