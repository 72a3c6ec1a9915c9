/* What the code under test calls and no test is about: guards, task-locals. */
#include "mc.h"
#include "future/guard.h"
#include "future/leaf.h"
#include "future/task_local.h"

_Thread_local struct ki_here ki_here;

void ki_guard_fail(struct kio_place at, const char *fix, const char *what, ...)
{
    (void)at;
    (void)fix;
    mc_fail("a guard: %s", what);
}

struct kio_place ki_guard_here(void)
{
    return (struct kio_place){ NULL, 0 };
}

void ki_borrow_fault(const char *call, const char *what)
{
    mc_fail("%s was given a C local as %s", call, what);
}

void kio_guard_borrow_(const void *ptr, const char *call, const char *what)
{
    (void)ptr;
    (void)call;
    (void)what;
}

void ki_task_local_ends(kio_future *f)
{
    mc_fail("%s has task-locals", f->type->name);
}
