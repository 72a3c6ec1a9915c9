/*
 * Task-locals: a list of bindings, innermost first, of what this thread polls now (ki_here.locals).
 *
 * A scope puts its binding in front of the list before it polls or drops its future, and takes it
 * out afterwards; polls nest, so it always is the first then. Between polls the list does not know
 * it: so it moves with its task from thread to thread for free. Who polls another task inside of a
 * poll (local sets), or drops its frame (scopes of tasks), begins with an empty list.
 */
#include "task_local.h"
#include "combine.h"
#include "guard.h"

static void enter(struct kio_binding_ *binding)
{
    binding->outer = ki_here.locals;
    ki_here.locals = binding;
}

static void leave(struct kio_binding_ *binding)
{
    ki_here.locals = binding->outer;
}

void *kio_task_local_get_(const struct kio_task_local *key)
{
    for (const struct kio_binding_ *b = ki_here.locals; b; b = b->outer) {
        if (b->key == key)
            return b->value;
    }
    return NULL;
}

void *kio_task_local_call(const struct kio_task_local *key, void *value, void *(*fn)(void *arg),
                          void *arg)
{
    struct kio_binding_ binding = { .key = key, .value = value };
    void *result;

    enter(&binding);
    result = fn(arg);
    leave(&binding);
    return result;
}

static kio_poll scope_poll(kio_future *f, kio_context *cx)
{
    struct kio_task_local_scope *self = (struct kio_task_local_scope *)f;
    kio_poll answer;

    f->state = self;
    enter(&self->binding);
    answer = kio_is_over_(self->inner) ? KIO_READY : kio_poll_(self->inner, cx);
    leave(&self->binding);
    return answer == KIO_PENDING ? KIO_PENDING : ki_finish_with_kept(f);
}

void ki_task_local_ends(kio_future *f)
{
    enter(&((struct kio_task_local_scope *)f)->binding);
}

/* After its children: pairs with ki_task_local_ends. */
static void scope_drop(kio_future *f)
{
    leave(&((struct kio_task_local_scope *)f)->binding);
}

static void scope_describe(const kio_future *f, char *text, size_t cap)
{
    const char *name = ((const struct kio_task_local_scope *)f)->binding.key->name;

    snprintf(text, cap, "%s", name ? name : "");
}

static const kio_future_type scope_type = {
    .name = "kio_task_local_scope",
    .size = sizeof(struct kio_task_local_scope),
    .poll = scope_poll,
    .drop = scope_drop,
    .kind = KIO_KIND_AROUND,
    .describe = scope_describe,
};

struct kio_task_local_scope *kio_task_local_scope_(struct kio_task_local_scope *slot,
                                                   const struct kio_task_local *key, void *value,
                                                   kio_future *inner)
{
    kio_guard_borrow_(value, "kio_task_local_scope", "value");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_task_local_scope){
        .kio = { .type = &scope_type },
        .binding = { .key = key, .value = value },
        .inner = inner,
    };
    ki_take_in(&slot->kio, inner, "kio_task_local_scope");
    return slot;
}
