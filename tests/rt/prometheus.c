/*
 * The metrics' text, read as strictly as Prometheus' format (version 0.0.4) is written down: a parser
 * that takes nothing else, given what a runtime writes while its tasks run.
 */
#include "support/rt.h"
#include "base/atomic.h"

#include <kioto/metrics.h>

#include <ctype.h>
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* ---- the parser --------------------------------------------------------------------------- */

#define NAME_MAX_   80
#define LABELS_MAX  160
#define SERIES_MAX  600
#define FAMILIES_MAX 60

enum type { NO_TYPE, COUNTER, GAUGE, HISTOGRAM };

struct family {
    char name[NAME_MAX_];
    enum type type;
    bool over; /* another one's lines came after its own */
};

/* name{labels}, the labels as written but le, which stands apart. */
struct series {
    char name[NAME_MAX_], labels[LABELS_MAX], le[32];
    double value;
};

static struct family families[FAMILIES_MAX];
static struct series all[SERIES_MAX], before[SERIES_MAX];
static int family_count, series_count, before_count;

static bool is_name(const char *text, bool label)
{
    if (!isalpha((unsigned char)text[0]) && text[0] != '_' && (label || text[0] != ':'))
        return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_' && (label || *text != ':'))
            return false;
    }
    return true;
}

/* The family whose lines these are: the last one, or a new one. */
static struct family *family_of(const char *name)
{
    for (int i = 0; i < family_count; i++) {
        if (strcmp(families[i].name, name) != 0)
            continue;
        assert_false(families[i].over); /* all its lines stand together */
        return &families[i];
    }
    if (family_count)
        families[family_count - 1].over = true;
    assert_true(family_count < FAMILIES_MAX);
    assert_true(is_name(name, false));
    snprintf(families[family_count].name, NAME_MAX_, "%s", name);
    families[family_count].type = NO_TYPE;
    families[family_count].over = false;
    return &families[family_count++];
}

static void parse_comment(char *line)
{
    char *rest = NULL;
    char *what = strtok_r(line, " ", &rest); /* "#" */
    char *kind = strtok_r(NULL, " ", &rest);
    char *name = strtok_r(NULL, " ", &rest);
    struct family *family;

    assert_string_equal(what, "#");
    assert_non_null(name);
    if (strcmp(kind, "HELP") == 0) {
        int known = family_count;

        (void)family_of(name);
        assert_int_equal(family_count, known + 1); /* once, before all others */
        assert_true(*rest);
        for (; *rest; rest++)
            assert_true(*rest != '\\' || rest[1] == '\\' || rest[1] == 'n');
        return;
    }
    assert_string_equal(kind, "TYPE");
    family = family_of(name);
    assert_int_equal(family->type, NO_TYPE); /* once */
    family->type = strcmp(rest, "counter") == 0 ? COUNTER
                   : strcmp(rest, "gauge") == 0 ? GAUGE
                                                : HISTOGRAM;
    if (family->type == HISTOGRAM)
        assert_string_equal(rest, "histogram");
}

/* From behind the brace to behind the closing one. */
static char *parse_labels(char *at, struct series *s)
{
    size_t len = 0;

    while (*at != '}') {
        char *end = strchr(at, '=');
        char *value;
        size_t size;

        assert_non_null(end);
        *end = '\0';
        assert_true(is_name(at, true));
        value = end + 1;
        assert_int_equal(*value++, '"');
        for (end = value; *end != '"'; end++) {
            assert_true(*end);
            if (*end == '\\') {
                end++;
                assert_true(*end == '\\' || *end == '"' || *end == 'n');
            }
        }
        size = (size_t)(end - value);
        if (strcmp(at, "le") == 0) {
            assert_true(size < sizeof s->le);
            memcpy(s->le, value, size);
        } else {
            assert_true(len + strlen(at) + size + 2 < LABELS_MAX);
            len += (size_t)sprintf(s->labels + len, "%s=", at);
            memcpy(s->labels + len, value, size);
            len += size;
            s->labels[len++] = ';';
        }
        at = end + 1;
        assert_true(*at == ',' || *at == '}');
        if (*at == ',')
            at++;
    }
    return at + 1;
}

/* Digits and a point, whatever the locale. */
static double parse_number(const char *at)
{
    double value = 0, unit = 1;
    bool fraction = false;

    assert_true(isdigit((unsigned char)*at));
    for (; *at; at++) {
        if (*at == '.') {
            assert_false(fraction);
            fraction = true;
            continue;
        }
        assert_true(isdigit((unsigned char)*at));
        value = value * 10 + (*at - '0');
        unit *= fraction ? 10 : 1;
    }
    return value / unit;
}

static const char *without_suffix(const char *name, char *to)
{
    static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
    size_t len = strlen(name);

    for (int i = 0; i < 3; i++) {
        size_t suffix = strlen(suffixes[i]);

        if (len > suffix && strcmp(name + len - suffix, suffixes[i]) == 0) {
            memcpy(to, name, len - suffix);
            to[len - suffix] = '\0';
            return suffixes[i];
        }
    }
    strcpy(to, name);
    return "";
}

static void parse_sample(char *line)
{
    struct series s = { .value = 0 };
    char *at = line + strcspn(line, "{ ");
    char base[NAME_MAX_];
    const char *suffix;
    struct family *family;

    assert_true((size_t)(at - line) < sizeof s.name);
    memcpy(s.name, line, (size_t)(at - line));
    assert_true(is_name(s.name, false));
    if (*at == '{')
        at = parse_labels(at + 1, &s);
    assert_int_equal(*at, ' ');
    s.value = parse_number(at + 1); /* and no time stamp */
    suffix = without_suffix(s.name, base);
    family = &families[family_count - 1];
    assert_true(family_count > 0 && family->type != NO_TYPE);
    if (family->type == HISTOGRAM) {
        assert_string_equal(base, family->name);
        assert_true(*suffix && (*s.le != '\0') == (strcmp(suffix, "_bucket") == 0));
    } else {
        assert_string_equal(s.name, family->name);
        assert_string_equal(s.le, "");
    }
    for (int i = 0; i < series_count; i++)
        assert_false(!strcmp(all[i].name, s.name) && !strcmp(all[i].labels, s.labels) &&
                     !strcmp(all[i].le, s.le));
    assert_true(series_count < SERIES_MAX);
    all[series_count++] = s;
}

static const struct series *find(const struct series *in, int count, const char *name, const char *labels)
{
    for (int i = 0; i < count; i++) {
        if (!strcmp(in[i].name, name) && !strcmp(in[i].labels, labels))
            return &in[i];
    }
    return NULL;
}

/* Buckets rise, their bounds too, the last is +Inf and the count. */
static void check_buckets(const struct family *f)
{
    char bucket[NAME_MAX_ + 10], count[NAME_MAX_ + 10], sum[NAME_MAX_ + 10];
    const char *labels = NULL;
    double last = 0, bound = 0;
    bool infinite = false;

    snprintf(bucket, sizeof bucket, "%s_bucket", f->name);
    snprintf(count, sizeof count, "%s_count", f->name);
    snprintf(sum, sizeof sum, "%s_sum", f->name);
    for (int i = 0; i < series_count; i++) {
        if (strcmp(all[i].name, bucket) != 0)
            continue;
        if (!labels)
            labels = all[i].labels;
        assert_string_equal(all[i].labels, labels);
        assert_false(infinite); /* nothing after it */
        assert_true(all[i].value >= last);
        last = all[i].value;
        infinite = strcmp(all[i].le, "+Inf") == 0;
        if (!infinite) {
            assert_true(parse_number(all[i].le) > bound);
            bound = parse_number(all[i].le);
        }
    }
    assert_true(infinite);
    assert_non_null(find(all, series_count, sum, labels));
    assert_non_null(find(all, series_count, count, labels));
    assert_true(find(all, series_count, count, labels)->value == last);
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) > strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* Counters do not go back from one reading to the next, nor buckets. */
static void check_against_before(void)
{
    for (int i = 0; i < before_count; i++) {
        const struct series *b = &before[i];
        const struct series *now = NULL;

        if (!ends_with(b->name, "_total") && !ends_with(b->name, "_bucket"))
            continue;
        for (int k = 0; k < series_count && !now; k++) {
            if (!strcmp(all[k].name, b->name) && !strcmp(all[k].labels, b->labels) &&
                !strcmp(all[k].le, b->le))
                now = &all[k];
        }
        assert_non_null(now);
        assert_true(now->value >= b->value);
    }
    memcpy(before, all, sizeof all);
    before_count = series_count;
}

static void parse(char *text, size_t size)
{
    char *rest = NULL;

    family_count = series_count = 0;
    assert_true(size > 0 && text[size - 1] == '\n');
    assert_null(strstr(text, "\n\n"));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            parse_comment(line);
        else
            parse_sample(line);
    }
    for (int i = 0; i < family_count; i++) {
        assert_true(families[i].type != NO_TYPE);
        assert_int_equal(families[i].type == COUNTER, ends_with(families[i].name, "_total"));
        if (families[i].type == HISTOGRAM)
            check_buckets(&families[i]);
    }
    check_against_before();
}

static void scrape(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    assert_int_equal(kio_metrics_write(rt, to), 0);
    fclose(to);
    parse(text, size);
    free(text);
}

/* ---- what is scraped ---------------------------------------------------------------------- */

struct busy {
    async_fn(void);
    int rounds;
    struct kio_yield yield;
    struct kio_sleep nap;
    struct kio_join_handle job;
};

static void *nothing(void *arg)
{
    return arg;
}

async(busy)
{
    async_begin;
    for (; self->rounds; self->rounds--) {
        await(kio_yield_now(&self->yield));
        if (self->rounds % 8 == 0)
            await(kio_sleep(&self->nap, 200 * KIO_US));
        if (self->rounds % 16 == 0) {
            kio_spawn_blocking(&self->job, nothing, NULL);
            await(&self->job);
        }
    }
    async_return();
}

struct crowd {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void crowd_drop(struct crowd *self)
{
    kio_join_set_drop(&self->set);
}

async(crowd, crowd_drop)
{
    async_begin;
    for (self->i = 0; self->i < 20; self->i++)
        kio_join_set_spawn(&self->set, busy, .rounds = 40);
    do
        await(kio_join_next(&self->next, &self->set));
    while (self->next.out);
    async_return();
}

static ki_atomic(uint32_t) over;

static void *run_crowds(void *arg)
{
    int *count = arg;

    while ((*count)-- > 0)
        run(crowd);
    ki_store_seq_cst(&over, 1);
    return NULL;
}

static void each_scrape_of_a_busy_runtime_is_well_formed_and_no_counter_goes_back(void **state)
{
    int crowds = amount(40);
    int scrapes = 0;
    pthread_t thread;

    (void)state;
    before_count = 0;
    ki_store_seq_cst(&over, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_crowds, &crowds), 0);
    while (!ki_load_seq_cst(&over) || !scrapes) {
        scrape();
        scrapes++;
    }
    pthread_join(thread, NULL);
    scrape();
    assert_true(find(all, series_count, "kioto_poll_duration_seconds_count", "runtime=kioto;")->value > 0);
    assert_true(find(all, series_count, "kioto_blocking_jobs_total", "runtime=kioto;")->value > 0);
}

/* A locale whose decimal point is a comma, made for the occasion. */
static bool set_comma(char *folder)
{
    char command[200];

    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    if (system(command) == -1 || setenv("LOCPATH", folder, 1))
        return false;
    return setlocale(LC_NUMERIC, "de_DE.UTF-8") && *localeconv()->decimal_point == ',';
}

static void numbers_have_a_point_in_every_locale(void **state)
{
    char folder[] = "/tmp/kioto-locale-XXXXXX";
    char command[80];
    bool comma = set_comma(folder);

    (void)state;
    before_count = 0;
    run(crowd);
    scrape();
    setlocale(LC_NUMERIC, "C");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)!system(command);
    if (!comma)
        skip(); /* no localedef here: only the C locale was tried */
}

static int open_timed(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 2,
                                                              .time_polls = true });
}

#define TIMED(test) cmocka_unit_test_setup_teardown(test, open_timed, rt_close)

RT_MAIN(TIMED(each_scrape_of_a_busy_runtime_is_well_formed_and_no_counter_goes_back),
        TIMED(numbers_have_a_point_in_every_locale))
