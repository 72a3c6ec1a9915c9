/* Kinds of futures of channels. */
#include "fuzz.h"

/* ---- mpsc --------------------------------------------------------------------------------- */

static bool send_build(struct slot *s)
{
    if (!tx[s->of].chan)
        return false;
    s->uses = 1u << (TX + s->of);
    s->message = message_new();
    return MAKE(kio_send, kio_send(made, &tx[s->of], &s->message); made->out = UNTOUCHED);
}

static void send_over(struct slot *s)
{
    int out = FUTURE(s, kio_send)->out;

    must(out == 0 || out == -EPIPE || out == UNTOUCHED);
    if (out == 0)
        message_sent(s->message, false);
    else
        message_back(s->message);
}

static const struct kind send_kind = { .name = "send", .build = send_build, .over = send_over };

static bool recv_build(struct slot *s)
{
    if (!rx[s->of].chan || in_use((unsigned)(RX + s->of)))
        return false;
    s->uses = 1u << (RX + s->of);
    return MAKE(kio_recv, kio_recv(made, &rx[s->of], &s->message); made->out = UNTOUCHED);
}

static void recv_over(struct slot *s)
{
    if (FUTURE(s, kio_recv)->out == 1)
        message_received(s->message, s->of);
}

static const struct kind recv_kind = { .name = "recv", .build = recv_build, .over = recv_over };

static bool many_build(struct slot *s)
{
    if (!rx[s->of].chan || in_use((unsigned)(RX + s->of)))
        return false;
    s->uses = 1u << (RX + s->of);
    s->need = byte() % 4;
    return MAKE(kio_recv_many, kio_recv_many(made, &rx[s->of], s->messages, s->need);
                made->out = UNTOUCHED);
}

static void many_over(struct slot *s)
{
    size_t out = FUTURE(s, kio_recv_many)->out;

    if (out == UNTOUCHED)
        return;
    must(out <= s->need);
    for (size_t i = 0; i < out; i++)
        message_received(s->messages[i], s->of);
}

static const struct kind many_kind = { .name = "recv_many", .build = many_build, .over = many_over };

static bool reserve_build(struct slot *s)
{
    if (!tx[s->of].chan)
        return false;
    s->uses = 1u << (TX + s->of);
    return MAKE(kio_reserve, kio_reserve(made, &tx[s->of], &s->permit); made->out = UNTOUCHED);
}

static void keep_permit(struct kio_permit *permit)
{
    for (size_t i = 0; i < COUNT(permits) && permit->chan; i++) {
        if (!permits[i].chan) {
            permits[i] = *permit;
            permit->chan = NULL;
        }
    }
    kio_permit_drop(permit);
}

static void reserve_over(struct slot *s)
{
    if (FUTURE(s, kio_reserve)->out != 0)
        return;
    must(s->permit.chan);
    keep_permit(&s->permit);
}

static const struct kind reserve_kind = {
    .name = "reserve", .build = reserve_build, .over = reserve_over,
};

static bool places_build(struct slot *s)
{
    if (!tx[s->of].chan)
        return false;
    s->uses = 1u << (TX + s->of);
    s->need = byte() % 6;
    return MAKE(kio_reserve_many, kio_reserve_many(made, &tx[s->of], s->need, &s->reserved);
                made->out = UNTOUCHED);
}

static void places_over(struct slot *s)
{
    struct kio_permit permit = { { NULL } };
    int out = FUTURE(s, kio_reserve_many)->out;

    must((out == -EINVAL) == (s->need > cap_of[s->of]) || out == -EPIPE || out == UNTOUCHED);
    if (out)
        return;
    must(s->reserved.count == s->need);
    if (kio_reserved_next(&s->reserved, &permit))
        keep_permit(&permit);
    kio_reserved_drop(&s->reserved);
}

static const struct kind places_kind = {
    .name = "reserve_many", .build = places_build, .over = places_over,
};

static bool owned_build(struct slot *s)
{
    unsigned object = (unsigned)(TX + s->of);

    if (!tx[s->of].chan || owned[s->of].chan || in_use(object) || (s->of == 0 && scripts_alive()))
        return false;
    s->uses = 1u << object;
    return MAKE(kio_reserve_owned, kio_reserve_owned(made, &tx[s->of], &s->owned);
                made->out = UNTOUCHED);
}

static void owned_over(struct slot *s)
{
    if (FUTURE(s, kio_reserve_owned)->out != 0)
        return;
    must(s->owned.chan && !tx[s->of].chan && !owned[s->of].chan);
    must(kio_tx_strong_count(&s->owned) >= 1);
    owned[s->of] = s->owned;
}

static const struct kind owned_kind = {
    .name = "reserve_owned", .build = owned_build, .over = owned_over,
};

static bool closed_build(struct slot *s)
{
    if (!tx[s->of].chan)
        return false;
    s->uses = 1u << (TX + s->of);
    return MAKE(kio_tx_closed, kio_tx_closed(made, &tx[s->of]));
}

static void closed_ready(struct slot *s)
{
    must(kio_tx_is_closed(&tx[s->of]));
}

static const struct kind closed_kind = {
    .name = "tx_closed", .build = closed_build, .ready = closed_ready,
};

/* ---- oneshot ------------------------------------------------------------------------------ */

static bool oneshot_build(struct slot *s)
{
    if (!once_rx[s->of].once || in_use((unsigned)(ONCE_RX + s->of)))
        return false;
    s->uses = 1u << (ONCE_RX + s->of);
    return MAKE(kio_oneshot_recv, kio_oneshot_recv(made, &once_rx[s->of], &s->message));
}

static void oneshot_ready(struct slot *s)
{
    must(FUTURE(s, kio_oneshot_recv)->out == 0 || s->message == 7);
    must(kio_oneshot_is_terminated(&once_rx[s->of]));
}

static const struct kind oneshot_kind = {
    .name = "oneshot_recv", .build = oneshot_build, .ready = oneshot_ready,
};

static bool once_closed_build(struct slot *s)
{
    if (!once_tx[s->of].once || in_use((unsigned)(ONCE_TX + s->of)))
        return false;
    s->uses = 1u << (ONCE_TX + s->of);
    return MAKE(kio_oneshot_closed, kio_oneshot_closed(made, &once_tx[s->of]));
}

static void once_closed_ready(struct slot *s)
{
    must(kio_oneshot_is_closed(&once_tx[s->of]));
}

static const struct kind once_closed_kind = {
    .name = "oneshot_closed", .build = once_closed_build, .ready = once_closed_ready,
};

/* ---- watch -------------------------------------------------------------------------------- */

static bool changed_build(struct slot *s)
{
    if (!watch_rx[s->of].watch || in_use((unsigned)(WATCH_RX + s->of)))
        return false;
    s->uses = 1u << (WATCH_RX + s->of);
    return MAKE(kio_watch_changed, kio_watch_changed(made, &watch_rx[s->of]); made->out = UNTOUCHED);
}

static void saw(int of, uint64_t value)
{
    must(value > watch_seen[of] || (value == watch_seen[of] && watch_marked[of]));
    watch_seen[of] = value;
    watch_marked[of] = false;
}

static void changed_over(struct slot *s)
{
    uint64_t value;

    if (FUTURE(s, kio_watch_changed)->out != 0)
        return;
    kio_watch_peek(&watch_rx[s->of], &value);
    saw(s->of, value);
}

static const struct kind changed_kind = {
    .name = "watch_changed", .build = changed_build, .over = changed_over,
};

static bool at_least(const void *value, void *arg)
{
    return *(const uint64_t *)value >= *(uint64_t *)arg;
}

static bool wait_for_build(struct slot *s)
{
    uint64_t *want;

    if (!watch_rx[s->of].watch || in_use((unsigned)(WATCH_RX + s->of)))
        return false;
    s->uses = 1u << (WATCH_RX + s->of);
    want = s->extra = malloc(sizeof *want);
    must(want);
    *want = watch_seen[s->of] + byte() % 4;
    return MAKE(kio_watch_wait_for,
                kio_watch_wait_for(made, &watch_rx[s->of], at_least, want, &s->number);
                made->out = UNTOUCHED);
}

static void wait_for_over(struct slot *s)
{
    if (FUTURE(s, kio_watch_wait_for)->out != 0)
        return;
    must(s->number >= *(uint64_t *)s->extra && s->number >= watch_seen[s->of]);
    watch_seen[s->of] = s->number;
    watch_marked[s->of] = false;
}

static const struct kind wait_for_kind = {
    .name = "watch_wait_for", .build = wait_for_build, .over = wait_for_over,
};

static bool watch_closed_build(struct slot *s)
{
    if (!watch_tx.watch)
        return false;
    s->uses = 1u << WATCH_TX;
    return MAKE(kio_watch_closed, kio_watch_closed(made, &watch_tx));
}

static void watch_closed_ready(struct slot *s)
{
    (void)s;
    must(kio_watch_is_closed(&watch_tx) && kio_watch_receiver_count(&watch_tx) == 0);
}

static const struct kind watch_closed_kind = {
    .name = "watch_closed", .build = watch_closed_build, .ready = watch_closed_ready,
};

/* ---- broadcast ---------------------------------------------------------------------------- */

static bool broadcast_build(struct slot *s)
{
    if (!broadcast_rx[s->of].channel || in_use((unsigned)(BROADCAST_RX + s->of)))
        return false;
    s->uses = 1u << (BROADCAST_RX + s->of);
    return MAKE(kio_broadcast_recv, kio_broadcast_recv(made, &broadcast_rx[s->of], &s->number);
                made->out = UNTOUCHED);
}

static void broadcast_over(struct slot *s)
{
    struct kio_broadcast_recv *f = FUTURE(s, kio_broadcast_recv);

    if (f->out == 1) {
        must(s->number == broadcast_next[s->of]);
        broadcast_next[s->of]++;
    } else if (f->out == -EOVERFLOW) {
        must(f->missed > 0);
        broadcast_next[s->of] += f->missed;
    }
}

static const struct kind broadcast_kind = {
    .name = "broadcast_recv", .build = broadcast_build, .over = broadcast_over,
};

static bool unheard_build(struct slot *s)
{
    if (!broadcast_tx.channel)
        return false;
    s->uses = 1u << BROADCAST_TX;
    return MAKE(kio_broadcast_closed, kio_broadcast_closed(made, &broadcast_tx));
}

static void unheard_ready(struct slot *s)
{
    (void)s;
    must(kio_broadcast_receiver_count(&broadcast_tx) == 0);
}

static const struct kind unheard_kind = {
    .name = "broadcast_closed", .build = unheard_build, .ready = unheard_ready,
};

const struct kind *const channel_kinds[] = {
    &send_kind,   &recv_kind,    &many_kind,        &reserve_kind, &places_kind,
    &owned_kind,  &closed_kind,  &oneshot_kind,     &once_closed_kind, &changed_kind,
    &wait_for_kind, &watch_closed_kind, &broadcast_kind, &unheard_kind,
};
const size_t channel_kinds_count = COUNT(channel_kinds);
