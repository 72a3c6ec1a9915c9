#include "guard.h"

#include <stdarg.h>
#include <stdlib.h>

_Thread_local struct ki_here ki_here;

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

void ki_guard_fail(struct kio_place at, const char *fix, const char *what, ...)
{
    va_list args;

    fprintf(stderr, "kioto: %s:%d: ", text_or(at.file, "(unknown file)"), at.line);
    va_start(args, what);
    vfprintf(stderr, what, args);
    va_end(args);
    fprintf(stderr, "\n  fix: %s\n", fix);
    if (ki_here.root) {
        fprintf(stderr, "  in task %s:\n", text_or(ki_here.task_name, ki_here.root->type->name));
        ki_backtrace_print(stderr, ki_here.root);
    }
    fflush(stderr);
    abort();
}

/* The innermost async function on the chain of awaits; NULL: none. */
static const kio_future *innermost(const kio_future *f)
{
    const kio_future *found = NULL;

    for (; f && f->type; f = kio_child_(f)) {
        if (f->type->kind == KIO_KIND_ASYNC)
            found = f;
    }
    return found;
}

static int line_of(const kio_future *f)
{
    if (!f->state || kio_is_over_(f))
        return f->type->line;
    return ((const struct kio_site *)f->state)->line;
}

struct kio_place ki_guard_here(void)
{
    const kio_future *f = innermost(ki_here.root);

    if (!f)
        return (struct kio_place){ NULL, 0 };
    return (struct kio_place){ f->type->file, line_of(f) };
}

void kio_scope_(void)
{
}

void kio_await_fault_(const kio_future *parent, const kio_future *f, const struct kio_site *site)
{
    struct kio_place at = { parent->type->file, site->line };

    if (!f->type)
        ki_guard_fail(at, "make the future in its slot first: await(kio_sleep(&self->nap, 50 * KIO_MS))",
                      "%s awaits an empty slot: %s", parent->type->name, site->text);
    if (kio_is_over_(f))
        ki_guard_fail(at,
                      "a future is awaited once: make a new one in the slot, or read its `out`",
                      "%s awaits %s, a future that has finished: %s", parent->type->name,
                      f->type->name, site->text);
    for (const kio_future *c = parent->child; c; c = c->next) {
        if (c == f)
            return; /* one of this function's own, kept by async_let */
    }
    ki_guard_fail(at,
                  "a future has one owner: give each async function a slot of its own, or wait for "
                  "the first one's end",
                  "%s awaits %s, which another future is awaiting: %s", parent->type->name,
                  f->type->name, site->text);
}

void kio_moved_fault_(const kio_future *parent)
{
    struct kio_place at = { parent->type->file, line_of(parent) };

    ki_guard_fail(at,
                  "a future that was polled stays where it is: allocate it once and hand pointers "
                  "around, do not copy its struct",
                  "%s was moved (or its child was overwritten) after its first poll",
                  parent->type->name);
}

/* Every word of a new future that points into this poll's stack will dangle when it is resumed. */
void kio_made_slow_(const kio_future *f, struct kio_place at)
{
    const void *const *word = (const void *const *)f;
    size_t count = f->type->size / sizeof *word;

    if (!ki_here.stack_base || ki_on_poll_stack(f))
        return; /* no task; or the slot itself is a local: the await says so */
    for (size_t i = sizeof(kio_future) / sizeof *word; i < count; i++) {
        if (ki_on_poll_stack(word[i]))
            ki_guard_fail(at,
                          "keep what a future refers to in `self` (or static, or on the heap): a C "
                          "local is gone after the next await",
                          "%s was given a pointer to a C local (in its bytes %zu to %zu)",
                          f->type->name, i * sizeof *word, (i + 1) * sizeof *word - 1);
    }
}

void kio_slot_check_(const kio_future *f, const struct kio_site *site)
{
    struct kio_place at;

    if (!ki_on_poll_stack(f))
        return;
    at = ki_guard_here();
    at.line = site->line;
    ki_guard_fail(at, "make the slot a field of `self`: a C local is gone after this await",
                  "the awaited future %s lives in a C local: %s", f->type->name, site->text);
}

void ki_borrow_fault(const char *call, const char *what)
{
    ki_guard_fail(ki_guard_here(),
                  "keep it in `self` (or static, or on the heap): a C local is gone after the "
                  "next await",
                  "%s was given a C local as %s", call, what);
}

void kio_guard_borrow_(const void *ptr, const char *call, const char *what)
{
    ki_guard_borrow(ptr, call, what);
}

kio_poll kio_future_poll(kio_future *f, kio_context *cx)
{
    if (!f->type)
        ki_guard_fail(ki_guard_here(), "make the future first: async_call(slot, name, ...)",
                      "an empty slot was polled");
    if (kio_is_over_(f))
        ki_guard_fail(ki_guard_here(), "after KIO_READY a future is not polled again: read its `out`",
                      "%s was polled after it had finished", f->type->name);
    return kio_poll_(f, cx);
}
