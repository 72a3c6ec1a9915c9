/* Which addresses lie on the C stack of a poll: what the guard of borrowed pointers asks. */
#include "future/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int elsewhere;

/* Inlined into a function it still sees that function's locals. */
static void a_local_of_the_function_that_asks_is_on_it(void **state)
{
    struct ki_here before = ki_here;
    int local = 0;
    int *volatile at = &local;
    void *heap = malloc(16);

    (void)state;
    assert_false(ki_on_poll_stack(at)); /* nothing is polled */
    ki_here_set((struct ki_here){ .stack_base = (const char *)__builtin_frame_address(0) + 256 });
    assert_true(ki_on_poll_stack(at));
    assert_false(ki_on_poll_stack(heap));
    assert_false(ki_on_poll_stack(&elsewhere));
    assert_false(ki_on_poll_stack(NULL));
    assert_false(ki_on_poll_stack((const char *)__builtin_frame_address(0) + 256)); /* above: the runtime's */
    ki_here_set(before);
    free(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_of_the_function_that_asks_is_on_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
