/* Where each message is: no more than one place, and none is forgotten. */
#include "fuzz.h"

#define MESSAGES 4096

enum fate { UNKNOWN, OFFERED, SENT, RECEIVED, DESTROYED, RETURNED };

static uint8_t fate[MESSAGES];
static uint32_t stamp[MESSAGES]; /* when it was seen to be sent; 0: not known */
static uint32_t used, next_message, clock_of_sends, last_stamp[2];

void messages_reset(void)
{
    memset(fate, 0, used);
    used = 0;
    next_message = 1; /* 0: none */
    clock_of_sends = 0;
}

void messages_opened(int channel)
{
    last_stamp[channel] = 0;
}

uint32_t message_new(void)
{
    uint32_t m = next_message++;

    must(m < MESSAGES);
    used = m + 1;
    fate[m] = OFFERED;
    stamp[m] = 0;
    return m;
}

void message_sent(uint32_t m, bool in_order)
{
    must(fate[m] == OFFERED || fate[m] == RECEIVED || fate[m] == DESTROYED);
    if (fate[m] == OFFERED)
        fate[m] = SENT;
    stamp[m] = in_order ? ++clock_of_sends : 0;
}

void message_back(uint32_t m)
{
    must(fate[m] == OFFERED);
    fate[m] = RETURNED;
}

void message_received(uint32_t m, int channel)
{
    must(m < MESSAGES);
    must(fate[m] == SENT || fate[m] == OFFERED);
    if (stamp[m]) {
        must(stamp[m] > last_stamp[channel]);
        last_stamp[channel] = stamp[m];
    }
    fate[m] = RECEIVED;
}

void message_destroyed(void *message)
{
    uint32_t m = *(uint32_t *)message;

    must(m < MESSAGES && (fate[m] == SENT || fate[m] == OFFERED));
    fate[m] = DESTROYED;
}

void messages_all_settled(void)
{
    for (uint32_t m = 0; m < used; m++)
        must(fate[m] != SENT && fate[m] != OFFERED);
}
