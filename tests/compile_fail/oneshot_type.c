/* The answer of a oneshot is received into the wrong type. gcc: "static assertion failed: …", clang:
 * "static_assert failed due to requirement …: …", each with the text below. */
/* expect: the type of the value is not the type the channel was declared for */
#include <kioto.h>

kio_oneshot_type(answer, int);

int receive_wrong(struct answer_rx *rx);

int receive_wrong(struct answer_rx *rx)
{
    float wrong; /* as large as the right one */

    return kio_oneshot_try_recv(rx, &wrong);
}
