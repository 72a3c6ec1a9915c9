/* The chain of awaits as text: a read-only walk over the frames; needs no debug information. */
#include "guard.h"

/* Deeper chains than this are cut: the text is for people. */
#define KI_BACKTRACE_DEPTH 64

static void print_one(FILE *to, int depth, const kio_future *f)
{
    const kio_future_type *type = f->type;

    fprintf(to, "    %2d: %s", depth, type->name);
    if (type->file)
        fprintf(to, " (%s:%d)", type->file, type->line);
    if (kio_is_fresh_(f))
        fputs(", not started", to);
    else if (kio_is_over_(f))
        fputs(", finished", to);
    else if (type->kind == KIO_KIND_ASYNC) {
        const struct kio_site *site = f->state;

        fprintf(to, ", line %d: %s", site->line, site->text);
    }
    if (type->describe && kio_is_live_(f)) {
        char text[128];

        type->describe(f, text, sizeof text);
        fprintf(to, ", %s", text);
    }
    fputc('\n', to);
}

static void print_tree(FILE *to, int depth, const kio_future *f)
{
    if (depth == KI_BACKTRACE_DEPTH) {
        fprintf(to, "    ... deeper ones left out\n");
        return;
    }
    print_one(to, depth, f);
    for (const kio_future *c = kio_child_(f); c; c = c->next) {
        if (c->type)
            print_tree(to, depth + 1, c);
    }
}

void ki_backtrace_print(FILE *to, const kio_future *root)
{
    print_tree(to, 0, root);
}
