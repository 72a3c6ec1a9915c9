/* The channels of a program, and what is done to them beside futures. */
#include "fuzz.h"

struct kio_tx tx[2];
struct kio_rx rx[2];
size_t cap_of[2];
struct kio_oneshot_tx once_tx[2];
struct kio_oneshot_rx once_rx[2];
struct kio_watch_tx watch_tx;
struct kio_watch_rx watch_rx[2];
uint64_t watch_seen[2];
bool watch_marked[2];
struct kio_broadcast_tx broadcast_tx;
struct kio_broadcast_rx broadcast_rx[2];
uint64_t broadcast_next[2];
struct kio_permit permits[4];
struct kio_owned_permit owned[2];

static struct kio_weak_tx weak[2];
static struct kio_broadcast_weak_tx broadcast_weak;
static uint64_t broadcast_sent, watch_sent;

static void open_mpsc(int i)
{
    if (tx[i].chan || rx[i].chan || weak[i].chan || owned[i].chan)
        return;
    cap_of[i] = i ? SIZE_MAX : 1 + byte() % 4;
    must((i ? kio_mpsc_unbounded(&tx[i], &rx[i], sizeof(uint32_t))
            : kio_mpsc_channel(&tx[i], &rx[i], sizeof(uint32_t), cap_of[i])) == 0);
    kio_rx_on_drop(&rx[i], message_destroyed);
    messages_opened(i);
}

static void open_others(int i)
{
    uint64_t zero = 0;

    if (!once_tx[i].once && !once_rx[i].once)
        must(kio_oneshot_channel(&once_tx[i], &once_rx[i], sizeof(uint32_t)) == 0);
    if (!watch_tx.watch && !watch_rx[0].watch && !watch_rx[1].watch) {
        must(kio_watch_channel(&watch_tx, &watch_rx[0], sizeof zero, &zero) == 0);
        watch_sent = watch_seen[0] = 0;
        watch_marked[0] = false;
    }
    if (!broadcast_tx.channel && !broadcast_rx[0].channel && !broadcast_rx[1].channel &&
        !broadcast_weak.channel) {
        must(kio_broadcast_channel(&broadcast_tx, &broadcast_rx[0], sizeof zero, 1 + byte() % 3) == 0);
        broadcast_next[0] = broadcast_sent = 0;
    }
}

void channels_reset(void)
{
    messages_reset();
    for (int i = 0; i < 2; i++) {
        open_mpsc(i);
        open_others(i);
    }
}

/* ---- mpsc --------------------------------------------------------------------------------- */

/* A pending future borrows the sender, and so does a script. */
static bool sender_is_free(int i)
{
    return !in_use((unsigned)(TX + i)) && (i || !scripts_alive());
}

static void try_mpsc(int i)
{
    uint32_t m = 0;
    int err;

    if (tx[i].chan && byte() & 1) {
        m = message_new();
        err = kio_try_send(&tx[i], &m);
        must(err == 0 || err == -EPIPE || (err == -EAGAIN && i == 0));
        if (err)
            message_back(m);
        else
            message_sent(m, true);
    } else if (rx[i].chan && !in_use((unsigned)(RX + i))) {
        err = kio_try_recv(&rx[i], &m);
        must(err == 1 || err == 0 || err == -EAGAIN);
        if (err == 1)
            message_received(m, i);
    }
}

static void permit_step(int i)
{
    struct kio_permit *p = &permits[byte() % COUNT(permits)];
    struct kio_reserved some = { { NULL }, 0 };
    uint32_t m;
    int err;

    switch (byte() % 8) {
    case 0:
    case 1:
        if (!p->chan)
            break;
        m = message_new();
        if (kio_permit_send(p, &m))
            message_back(m);
        else
            message_sent(m, true);
        break;
    case 2:
        kio_permit_drop(p);
        break;
    case 3:
        if (tx[i].chan && !p->chan)
            (void)!kio_try_reserve(&tx[i], p);
        break;
    case 4:
        if (!tx[i].chan)
            break;
        err = kio_try_reserve_many(&tx[i], byte() % 4, &some);
        must(err == 0 || err == -EPIPE || err == -EAGAIN || err == -EINVAL);
        if (!err && !p->chan)
            (void)kio_reserved_next(&some, p);
        kio_reserved_drop(&some);
        break;
    case 5:
        if (tx[i].chan && !owned[i].chan && sender_is_free(i) && !kio_try_reserve_owned(&tx[i], &owned[i]))
            must(!tx[i].chan);
        break;
    case 6:
        if (!owned[i].chan || tx[i].chan)
            break;
        m = message_new();
        if (kio_owned_permit_send(&owned[i], &m, &tx[i]))
            message_back(m);
        else
            message_sent(m, true);
        must(tx[i].chan && !owned[i].chan);
        break;
    default:
        if (owned[i].chan && !tx[i].chan && byte() & 1)
            kio_owned_permit_release(&owned[i], &tx[i]);
        else
            kio_owned_permit_drop(&owned[i]);
        break;
    }
}

static void mpsc_step(int i)
{
    switch (byte() % 8) {
    case 0:
        open_mpsc(i);
        break;
    case 1:
        if (sender_is_free(i))
            kio_tx_drop(&tx[i]);
        break;
    case 2:
        if (!in_use((unsigned)(RX + i)))
            kio_rx_drop(&rx[i]);
        break;
    case 3:
        if (rx[i].chan && !(byte() & 3))
            kio_rx_close(&rx[i]);
        break;
    case 4:
        if (tx[i].chan && !weak[i].chan)
            weak[i] = kio_tx_downgrade(&tx[i]);
        else
            kio_weak_tx_drop(&weak[i]);
        break;
    case 5:
        if (weak[i].chan && !tx[i].chan && !owned[i].chan)
            (void)!kio_tx_upgrade(&weak[i], &tx[i]);
        break;
    default:
        try_mpsc(i);
        break;
    }
}

/* ---- the others --------------------------------------------------------------------------- */

static void oneshot_step(int i)
{
    uint32_t m = 7;

    switch (byte() % 6) {
    case 0:
        open_others(i);
        break;
    case 1:
        if (once_tx[i].once && !in_use((unsigned)(ONCE_TX + i)))
            (void)kio_oneshot_send(&once_tx[i], &m);
        break;
    case 2:
        if (!in_use((unsigned)(ONCE_TX + i)))
            kio_oneshot_tx_drop(&once_tx[i]);
        break;
    case 3:
        if (!in_use((unsigned)(ONCE_RX + i)))
            kio_oneshot_rx_drop(&once_rx[i]);
        break;
    case 4:
        kio_oneshot_rx_close(&once_rx[i]);
        break;
    default:
        if (once_rx[i].once && !in_use((unsigned)(ONCE_RX + i)) &&
            kio_oneshot_try_recv(&once_rx[i], &m) == 1)
            must(m == 7);
        break;
    }
}

static void set_value(void *value, void *arg)
{
    *(uint64_t *)value = *(uint64_t *)arg;
}

static bool set_some(void *value, void *arg)
{
    if (*(uint64_t *)arg % 2)
        return false;
    set_value(value, arg);
    return true;
}

static void watch_step(int i)
{
    uint64_t n = watch_sent + 1, old;
    bool free = watch_rx[i].watch && !in_use((unsigned)(WATCH_RX + i));

    switch (byte() % 12) {
    case 0:
        if (watch_tx.watch && kio_watch_send(&watch_tx, &n) == 0)
            watch_sent = n;
        break;
    case 1:
        if (!watch_tx.watch)
            break;
        kio_watch_send_replace(&watch_tx, &n, &old);
        must(old <= watch_sent);
        watch_sent = n;
        break;
    case 2:
        if (!watch_tx.watch)
            break;
        kio_watch_send_modify(&watch_tx, set_value, &n);
        watch_sent = n;
        break;
    case 3:
        if (watch_tx.watch && kio_watch_send_if_modified(&watch_tx, set_some, &n))
            watch_sent = n;
        break;
    case 4:
        if (!in_use(WATCH_TX) && !(byte() & 3))
            kio_watch_tx_drop(&watch_tx);
        break;
    case 5:
        if (!in_use((unsigned)(WATCH_RX + i)) && byte() & 1)
            kio_watch_rx_drop(&watch_rx[i]);
        break;
    case 6:
        if (!watch_tx.watch || watch_rx[i].watch)
            break;
        watch_rx[i] = kio_watch_subscribe(&watch_tx);
        watch_seen[i] = watch_sent;
        watch_marked[i] = false;
        break;
    case 7:
        if (!watch_rx[!i].watch || watch_rx[i].watch)
            break;
        watch_rx[i] = kio_watch_rx_clone(&watch_rx[!i]);
        watch_seen[i] = watch_seen[!i];
        watch_marked[i] = watch_marked[!i];
        break;
    case 8:
        if (!free)
            break;
        kio_watch_get(&watch_rx[i], &old);
        must(old == watch_sent && kio_watch_has_changed(&watch_rx[i]) <= 0);
        watch_seen[i] = old;
        watch_marked[i] = false;
        break;
    case 9:
        if (!free)
            break;
        kio_watch_mark_changed(&watch_rx[i]);
        must(kio_watch_has_changed(&watch_rx[i]) == 1);
        watch_marked[i] = true;
        break;
    case 10:
        if (!free)
            break;
        kio_watch_mark_unchanged(&watch_rx[i]);
        must(kio_watch_has_changed(&watch_rx[i]) <= 0);
        watch_seen[i] = watch_sent;
        watch_marked[i] = false;
        break;
    default:
        open_others(i);
        break;
    }
}

static void broadcast_step(int i)
{
    uint64_t number, missed;
    ssize_t count;
    int got;

    switch (byte() % 10) {
    case 0:
    case 1:
    case 2:
        if (!broadcast_tx.channel)
            break;
        count = kio_broadcast_send(&broadcast_tx, &broadcast_sent);
        must(count == -EPIPE || count == (ssize_t)kio_broadcast_receiver_count(&broadcast_tx));
        broadcast_sent += count >= 0;
        break;
    case 3:
        if (!in_use(BROADCAST_TX) && byte() & 1)
            kio_broadcast_tx_drop(&broadcast_tx);
        break;
    case 4:
        if (!in_use((unsigned)(BROADCAST_RX + i)) && byte() & 1)
            kio_broadcast_rx_drop(&broadcast_rx[i]);
        break;
    case 5:
        if (!broadcast_tx.channel || broadcast_rx[i].channel)
            break;
        broadcast_rx[i] = kio_broadcast_subscribe(&broadcast_tx);
        broadcast_next[i] = broadcast_sent;
        break;
    case 6:
        if (broadcast_tx.channel && !broadcast_weak.channel)
            broadcast_weak = kio_broadcast_downgrade(&broadcast_tx);
        else if (broadcast_weak.channel && !broadcast_tx.channel)
            (void)!kio_broadcast_upgrade(&broadcast_weak, &broadcast_tx);
        else
            kio_broadcast_weak_tx_drop(&broadcast_weak);
        break;
    case 7:
    case 8:
        if (!broadcast_rx[i].channel || in_use((unsigned)(BROADCAST_RX + i)))
            break;
        must(kio_broadcast_rx_len(&broadcast_rx[i]) == broadcast_sent - broadcast_next[i]);
        got = kio_broadcast_try_recv(&broadcast_rx[i], &number, &missed);
        if (got == 1)
            must(number == broadcast_next[i]++);
        else if (got == -EOVERFLOW)
            broadcast_next[i] += missed;
        else
            must(broadcast_next[i] == broadcast_sent && (got == 0 || got == -EAGAIN));
        break;
    default:
        open_others(i);
        break;
    }
}

void channels_step(void)
{
    int i = (int)(byte() % 2);

    switch (byte() % 6) {
    case 0:
        permit_step(i);
        break;
    case 1:
        oneshot_step(i);
        break;
    case 2:
        watch_step(i);
        break;
    case 3:
        broadcast_step(i);
        break;
    default:
        mpsc_step(i);
        break;
    }
}

void channels_check(void)
{
    for (int i = 0; i < 2; i++) {
        if (rx[i].chan) {
            must(kio_rx_len(&rx[i]) <= cap_of[i]);
            must(i || kio_rx_len(&rx[i]) + kio_rx_capacity(&rx[i]) <= cap_of[i]);
        }
    }
}

void channels_end(void)
{
    for (size_t i = 0; i < COUNT(permits); i++)
        kio_permit_drop(&permits[i]);
    for (int i = 0; i < 2; i++) {
        kio_owned_permit_drop(&owned[i]);
        kio_tx_drop(&tx[i]);
        kio_rx_drop(&rx[i]);
        kio_weak_tx_drop(&weak[i]);
        kio_oneshot_tx_drop(&once_tx[i]);
        kio_oneshot_rx_drop(&once_rx[i]);
        kio_watch_rx_drop(&watch_rx[i]);
        kio_broadcast_rx_drop(&broadcast_rx[i]);
    }
    kio_watch_tx_drop(&watch_tx);
    kio_broadcast_tx_drop(&broadcast_tx);
    kio_broadcast_weak_tx_drop(&broadcast_weak);
    messages_all_settled();
}
