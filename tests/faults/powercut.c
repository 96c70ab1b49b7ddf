// powercut: makes disks as a power cut may leave them out of a tape, and opens each of them.
//
// usage: powercut images --tape T [--base DIR] [--list FILE] --seed S --first I --count N
//                        [--from PERCENT] [--keep DIR] SETTINGS...
//        powercut serve SETTINGS...
//
// SETTINGS are braind's own flags; images are made in data.dir. The image with number I is made by
// (seed, I) alone, out of one tape. Output: one line a failed image, then one line of figures.
//
// `serve` checks the data directories it is told, one line each: the directory, a tab, the file
// with the list of promises. It answers each with "held RECORDS ACKNOWLEDGED" or "failed TEXT".
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "tests/faults/check.h"
#include "tests/faults/disk.h"
#include "tests/faults/tree.h"

// Design notes.
// Crash points are drawn first and sorted, so that the tape is played once. Each image is opened in
// a child process that shares the loaded pack; a crash or a hang of it is a failed image like any
// other.

#define SECONDS_MAX 60 // of one image
#define WHOLE_EVERY 4  // every so many images go on with agents until all is decided
#define TEXT_MAX 1024
#define MILLISECONDS 1000

typedef struct options {
    const char *tape;
    const char *base;
    const char *list;
    const char *keep; // where the (last) image is left unopened
    uint64_t seed;
    uint64_t first;
    uint64_t count;
    uint64_t from_percent;
    settings_flags flags;
} options;

typedef struct cut {
    uint64_t number; // of the image
    uint64_t point;  // it has the first so many entries of the tape
} cut;

typedef struct outcome {
    bool held;
    check_figures figures;
    char text[TEXT_MAX];
} outcome;

typedef struct totals {
    uint64_t images;
    uint64_t failed;
    uint64_t whole;
    uint64_t acknowledged;
    uint64_t published;
    uint64_t torn;     // images whose journal had a torn end
    uint64_t recycled; // images whose journal has no beginning
    uint64_t lossy;    // images without something that was written
    disk_figures disk;
} totals;

typedef struct place_list {
    uint64_t *all;       // of every entry
    size_t count;
    uint64_t *syncs; // points right before a sync
    size_t sync_count;
    uint64_t *others; // points right before anything but a sync or a write
    size_t other_count;
} place_list;

// --- the list so far ---

static rt_bytes
read_list(const char *path)
{
    uint8_t *bytes = NULL;
    struct stat info;
    int fd = -1;

    if (path == NULL) {
        return (rt_bytes){NULL, 0};
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        (void)fprintf(stderr, "powercut: cannot read %s\n", path);
        exit(2);
    }
    bytes = rt_alloc((size_t)info.st_size + 1);
    if (read(fd, bytes, (size_t)info.st_size) != info.st_size) {
        (void)fprintf(stderr, "powercut: cannot read %s\n", path);
        exit(2);
    }
    (void)close(fd); // only read from
    return (rt_bytes){bytes, (size_t)info.st_size};
}

static rt_bytes
joined(rt_bytes before, rt_bytes now)
{
    uint8_t *bytes = rt_alloc(before.len + now.len + 1);

    if (before.len > 0) {
        memcpy(bytes, before.ptr, before.len);
    }
    if (now.len > 0) {
        memcpy(bytes + before.len, now.ptr, now.len);
    }
    return (rt_bytes){bytes, before.len + now.len};
}

// --- a child that opens one image ---

static void
on_late(int signo)
{
    static const char text[] = "it hangs\n";

    (void)signo;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0) {
        _exit(4);
    }
    _exit(3);
}

static int
open_image(settings *s, const promises *known, rt_bytes list, bool whole, int out)
{
    outcome result = {0};
    rt_err err = RT_OK;

    (void)dup2(out, STDOUT_FILENO);
    (void)signal(SIGALRM, on_late);
    (void)alarm(SECONDS_MAX);
    err = check_data(s, known, list, whole, &result.figures);
    result.held = err == RT_OK;
    (void)snprintf(result.text, sizeof(result.text), "%s: %s", rt_err_name(err), rt_err_detail());
    return write(out, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 4;
}

static void
describe_end(int status, outcome *result)
{
    size_t len = strlen(result->text);

    result->held = false;
    if (WIFSIGNALED(status)) {
        (void)snprintf(result->text + len, sizeof(result->text) - len, "died of signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(result->text + len, sizeof(result->text) - len, "ended with %d",
                       WEXITSTATUS(status));
    }
}

static void
check_in_child(settings *s, const promises *known, rt_bytes list, bool whole,
               outcome *ret_result)
{
    int ends[2];
    int status = 0;
    ssize_t got = 0;
    pid_t child = -1;

    *ret_result = (outcome){0};
    (void)fflush(NULL);
    if (pipe(ends) != 0 || (child = fork()) < 0) {
        perror("powercut");
        exit(2);
    }
    if (child == 0) {
        _exit(open_image(s, known, list, whole, ends[1]));
    }
    (void)close(ends[1]);
    got = read(ends[0], ret_result, sizeof(*ret_result)); // smaller than a pipe's atomic write
    (void)close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)sizeof(*ret_result) || status != 0) {
        *ret_result = (outcome){0};
        describe_end(status, ret_result);
    }
}

// --- crash points ---

static place_list
read_places(const tape *t)
{
    place_list places = {0};
    uint64_t place = 0;
    const tape_entry *entry = NULL;
    size_t cap = 0;

    while ((entry = tape_next(t, &place)) != NULL) {
        if (places.count + 1 >= cap) {
            cap = cap > 0 ? cap * 2 : 4096;
            places.all = rt_realloc(places.all, cap * sizeof(uint64_t));
            places.syncs = rt_realloc(places.syncs, cap * sizeof(uint64_t));
            places.others = rt_realloc(places.others, cap * sizeof(uint64_t));
        }
        if (entry->kind == TAPE_SYNC) {
            places.syncs[places.sync_count++] = places.count;
        } else if (entry->kind != TAPE_WRITE) {
            places.others[places.other_count++] = places.count;
        }
        places.all[places.count++] = place;
    }
    return places;
}

static void
seed_image(rt_rng *rng, uint64_t seed, uint64_t number)
{
    rt_rng_seed(rng, seed, number);
}

// Points lie anywhere, right before a sync, or right before or behind something else that is no
// write: a third each.
static cut
draw_cut(const options *o, const place_list *places, uint64_t number)
{
    rt_rng rng;
    uint64_t low = places->count * o->from_percent / 100;
    uint64_t near = 0;
    cut c = {.number = number};

    seed_image(&rng, o->seed, number);
    c.point = low + rt_rng_below(&rng, places->count - low + 1);
    switch (rt_rng_below(&rng, 3)) {
    case 0:
        break;
    case 1:
        near = places->sync_count > 0 ? places->syncs[rt_rng_below(&rng, places->sync_count)] : 0;
        break;
    default:
        near = places->other_count > 0
                   ? places->others[rt_rng_below(&rng, places->other_count)] +
                         rt_rng_below(&rng, 2)
                   : 0;
        break;
    }
    c.point = near >= low && near > 0 ? near : c.point;
    return c;
}

static int
by_point(const void *a, const void *b)
{
    const cut *x = a;
    const cut *y = b;

    return x->point < y->point ? -1 : x->point > y->point;
}

// --- images ---

static void
add_figures(totals *sum, const outcome *result, const disk_figures *figures)
{
    sum->acknowledged += result->figures.acknowledged;
    sum->published += result->figures.published;
    sum->torn += result->figures.torn_bytes > 0 ? 1 : 0;
    sum->recycled += result->figures.is_recycled ? 1 : 0;
    sum->lossy += figures->lost_sectors + figures->lost_names > 0 ? 1 : 0;
    sum->disk.pending_calls += figures->pending_calls;
    sum->disk.pending_names += figures->pending_names;
    sum->disk.lost_sectors += figures->lost_sectors;
    sum->disk.lost_names += figures->lost_names;
}

// Plays the tape up to the cut; the number of entries played so far is in *played.
static void
play(disk *d, const tape *t, uint64_t *place, uint64_t *played, uint64_t point)
{
    while (*played < point) {
        const tape_entry *entry = tape_next(t, place);

        RT_ASSERT(entry != NULL);
        if (disk_apply(d, entry, *place) != RT_OK) {
            (void)fprintf(stderr, "powercut: entry %llu: %s\n", (unsigned long long)*played + 1,
                          rt_err_detail());
            exit(2);
        }
        ++*played;
    }
}

static void
one_image(const options *o, settings *s, const promises *known, disk *d, const cut *c,
          rt_bytes before, totals *sum)
{
    rt_rng rng;
    disk_figures figures;
    outcome result = {.held = true};
    rt_bytes list = joined(before, disk_list(d));
    const char *data = o->keep != NULL ? o->keep : s->data_dir;
    disk_mode mode = DISK_ALL;
    bool whole = c->number % WHOLE_EVERY == 0;

    seed_image(&rng, o->seed ^ 0x9e3779b97f4a7c15ull, c->number);
    mode = (disk_mode)rt_rng_below(&rng, DISK_MODES);
    tree_remove(data);
    if (mkdir(data, 0700) != 0 || disk_image(d, mode, &rng, data, &figures) != RT_OK) {
        (void)fprintf(stderr, "powercut: image %llu: %s\n", (unsigned long long)c->number,
                      rt_err_detail());
        exit(2);
    }
    if (o->keep == NULL) {
        check_in_child(s, known, list, whole, &result);
        sum->whole += whole ? 1 : 0;
    } else {
        (void)fwrite(list.ptr, 1, list.len, stdout);
    }
    sum->images++;
    sum->failed += result.held ? 0 : 1;
    add_figures(sum, &result, &figures);
    if (!result.held) {
        static const char *const modes[] = {"all", "none", "some", "torn", "prefix"};

        (void)printf("failed %llu point %llu mode %s whole %d: %s\n",
                     (unsigned long long)c->number, (unsigned long long)c->point, modes[mode],
                     whole, result.text);
        (void)fflush(stdout);
    }
    rt_free((void *)(uintptr_t)list.ptr);
}

static int
images(const options *o, settings *s, const promises *known)
{
    tape *t = tape_open(o->tape);
    place_list places = {0};
    cut *cuts = rt_new_array(cut, o->count);
    rt_bytes before = read_list(o->list);
    totals sum = {0};
    disk *d = NULL;
    uint64_t place = 0;
    uint64_t played = 0;

    if (t == NULL || disk_new(o->base, &d) != RT_OK) {
        (void)fprintf(stderr, "powercut: %s\n", t == NULL ? strerror(errno) : rt_err_detail());
        return 2;
    }
    places = read_places(t);
    for (uint64_t i = 0; i < o->count; i++) {
        cuts[i] = draw_cut(o, &places, o->first + i);
    }
    qsort(cuts, o->count, sizeof(cut), by_point);
    for (uint64_t i = 0; i < o->count; i++) {
        play(d, t, &place, &played, cuts[i].point);
        one_image(o, s, known, d, &cuts[i], before, &sum);
    }
    if (o->keep != NULL) {
        return 0; // the list is the output
    }
    (void)printf("{\"images\":%llu,\"failed\":%llu,\"whole\":%llu,\"acknowledged\":%llu,"
                 "\"published\":%llu,\"torn\":%llu,\"recycled\":%llu,\"lossy\":%llu,"
                 "\"pending_calls\":%llu,\"pending_names\":%llu,\"lost_sectors\":%llu,"
                 "\"lost_names\":%llu,\"entries\":%zu}\n",
                 (unsigned long long)sum.images, (unsigned long long)sum.failed,
                 (unsigned long long)sum.whole, (unsigned long long)sum.acknowledged,
                 (unsigned long long)sum.published, (unsigned long long)sum.torn,
                 (unsigned long long)sum.recycled, (unsigned long long)sum.lossy,
                 (unsigned long long)sum.disk.pending_calls,
                 (unsigned long long)sum.disk.pending_names,
                 (unsigned long long)sum.disk.lost_sectors,
                 (unsigned long long)sum.disk.lost_names, places.count);
    return sum.failed == 0 ? 0 : 1;
}

static int
serve(settings *s, const promises *known)
{
    static char line[4096];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *tab = strchr(line, '\t');
        outcome result;

        line[strcspn(line, "\n")] = '\0';
        if (tab == NULL) {
            (void)fprintf(stderr, "powercut: a line without a tab\n");
            return 2;
        }
        *tab = '\0';
        s->data_dir = line;
        check_in_child(s, known, read_list(tab + 1), true, &result);
        if (result.held) {
            (void)printf("held %llu %llu\n", (unsigned long long)result.figures.records,
                         (unsigned long long)result.figures.acknowledged);
        } else {
            (void)printf("failed %s\n", result.text);
        }
        (void)fflush(stdout);
    }
    return 0;
}

// --- the command line ---

static bool
read_number(const char *text, uint64_t *ret_value)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value >= 0;

    *ret_value = (uint64_t)value;
    return ok;
}

static bool
take_option(options *o, const char *name, const char *value)
{
    if (strcmp(name, "--tape") == 0) {
        o->tape = value;
    } else if (strcmp(name, "--base") == 0) {
        o->base = value;
    } else if (strcmp(name, "--list") == 0) {
        o->list = value;
    } else if (strcmp(name, "--keep") == 0) {
        o->keep = value;
    } else if (strcmp(name, "--seed") == 0) {
        return read_number(value, &o->seed);
    } else if (strcmp(name, "--first") == 0) {
        return read_number(value, &o->first);
    } else if (strcmp(name, "--count") == 0) {
        return read_number(value, &o->count) && o->count > 0;
    } else if (strcmp(name, "--from") == 0) {
        return read_number(value, &o->from_percent) && o->from_percent <= 100;
    } else if (strcmp(name, "--config") == 0) {
        o->flags.config_file = value;
    } else if (strcmp(name, "--set") == 0 && o->flags.set_count < RT_COUNT(o->flags.sets)) {
        o->flags.sets[o->flags.set_count++] = value;
    } else {
        return false;
    }
    return true;
}

static bool
read_options(int argc, char **argv, options *o)
{
    bool ok = argc > 1;

    for (int i = 2; i < argc && ok; i += 2) {
        ok = i + 1 < argc && take_option(o, argv[i], argv[i + 1]);
    }
    return ok && o->flags.config_file != NULL;
}

int
main(int argc, char **argv)
{
    static options o = {.count = 1};
    static settings s;
    promises *known = NULL;
    bool is_images = argc > 1 && strcmp(argv[1], "images") == 0;
    bool is_serving = argc > 1 && strcmp(argv[1], "serve") == 0;
    rt_err err = RT_OK;

    if (!read_options(argc, argv, &o) || (!is_images && !is_serving) ||
        (is_images && o.tape == NULL)) {
        (void)fprintf(stderr, "usage: powercut images|serve ... (see the top of its source)\n");
        return 2;
    }
    rt_log_set_level(RT_LOG_ERROR);
    (void)umask(0077);
    err = settings_load(&o.flags, &s);
    if (err == RT_OK) {
        err = promises_open(&o.flags, &known);
    }
    if (err != RT_OK) {
        settings_print_findings(&s);
        (void)fprintf(stderr, "powercut: %s\n", rt_err_detail());
        return 2;
    }
    return is_images ? images(&o, &s, known) : serve(&s, known);
}
