/* A runtime is left that this thread has not entered. */
/* expect: kio_runtime_leave that does not belong to this thread's last kio_runtime_enter */
#include <kioto.h>

int main(void)
{
    kio_runtime_leave(NULL);
    return 0;
}
