/* A function that looks at a watch's value uses that watch. */
/* expect: kio_watch_peek inside a function that looks at the value of the same channel */
/* expect: use the channel after the function has returned */
#include <kioto.h>

static struct kio_watch_tx tx;
static struct kio_watch_rx rx;

static void look(const void *value, void *arg)
{
    int again;

    (void)value;
    (void)arg;
    kio_watch_peek(&tx, &again);
}

int main(void)
{
    int value = 1;

    if (kio_watch_channel(&tx, &rx, sizeof value, &value))
        return 1;
    kio_watch_borrow(&rx, look, NULL);
    return 0;
}
