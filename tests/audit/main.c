// audit: checks what a brain left in its data directory. See README.md.
//
// usage: audit DATA_DIR [--pack DIR]... [--config FILE] [--set KEY=VALUE]... [--acked FILE]...
//              [--marker TENANT=TEXT]... [--drained] [--whole] [--no-dead] [--list] [-o json]
// Exit codes: 0 nothing wrong, 1 violations, 2 it could not be checked.
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/audit/internal.h"

// Design notes.
// The directory is only read, and may belong to a brain that is stopped, dead or running; beside a
// running one the newest group may be taken for a torn one.

#define PATH_CAP 1024
#define FILE_BYTES_MAX (16 * 1024 * 1024)
#define LINE_CAP 1024
#define ERROR_CAP 256
#define CANNOT 2

typedef struct options {
    const char *data;
    const char *config;
    char **argv;
    int argc;
    bool json;
    bool list;
    unsigned expected;
} options;

// --- files ------------------------------------------------------------------------------------

// The journal's directory; the file read last stays open.
typedef struct journal_dir {
    char path[PATH_CAP];
    char open_name[NAME_MAX + 1];
    int fd;
} journal_dir;

static bool
list_dir(void *user, void (*on_name)(void *to, const char *name), void *to)
{
    journal_dir *d = user;
    DIR *dir = opendir(d->path);

    if (dir == NULL) {
        return false;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        on_name(to, entry->d_name);
    }
    (void)closedir(dir);
    return true;
}

static bool
open_file(journal_dir *d, const char *name)
{
    char path[PATH_CAP + NAME_MAX + 2];

    if (d->fd >= 0 && strcmp(name, d->open_name) == 0) {
        return true;
    }
    if (d->fd >= 0) {
        (void)close(d->fd);
    }
    (void)snprintf(path, sizeof(path), "%s/%s", d->path, name);
    (void)snprintf(d->open_name, sizeof(d->open_name), "%s", name);
    d->fd = open(path, O_RDONLY | O_CLOEXEC);
    return d->fd >= 0;
}

static int64_t
size_of(void *user, const char *name)
{
    journal_dir *d = user;
    struct stat st;

    return open_file(d, name) && fstat(d->fd, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int64_t
read_at(void *user, const char *name, uint64_t offset, void *buf, size_t len)
{
    journal_dir *d = user;

    return open_file(d, name) ? (int64_t)pread(d->fd, buf, len, (off_t)offset) : -1;
}

// The whole of a small file, ended with a NUL; NULL when it cannot be read.
static char *
read_file(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *text = NULL;

    if (f == NULL) {
        return NULL;
    }
    if (fstat(fileno(f), &st) == 0 && st.st_size >= 0 && st.st_size <= FILE_BYTES_MAX) {
        text = audit__alloc((size_t)st.st_size + 1);
        *ret_len = fread(text, 1, (size_t)st.st_size, f);
    }
    (void)fclose(f);
    return text;
}

// --- what is asked for ------------------------------------------------------------------------

static int
usage(void)
{
    (void)fprintf(stderr,
                  "usage: audit DATA_DIR [--pack DIR]... [--config FILE] [--set KEY=VALUE]...\n"
                  "             [--acked FILE]... [--marker TENANT=TEXT]... [--drained] [--whole]\n"
                  "             [--no-dead] [--list] [-o json]\n");
    return CANNOT;
}

// Calls back for every value of an option that may be given more than once.
static bool
each(const options *o, const char *name, bool (*call)(void *user, const char *value), void *user)
{
    for (int i = 1; i + 1 < o->argc; i++) {
        if (strcmp(o->argv[i], name) == 0 && !call(user, o->argv[i + 1])) {
            return false;
        }
    }
    return true;
}

static bool
parse(options *o, int argc, char **argv)
{
    static const char *const valued[] = {"--pack", "--set", "--acked", "--marker"};

    *o = (options){.argc = argc, .argv = argv};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        bool known = false;

        for (size_t v = 0; v < sizeof(valued) / sizeof(valued[0]); v++) {
            known = known || (more && strcmp(argv[i], valued[v]) == 0);
        }
        if (known) {
            i++;
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            o->config = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0 && more && strcmp(argv[i + 1], "json") == 0) {
            o->json = true;
            i++;
        } else if (strcmp(argv[i], "--drained") == 0) {
            o->expected |= AUDIT_DRAINED;
        } else if (strcmp(argv[i], "--whole") == 0) {
            o->expected |= AUDIT_WHOLE;
        } else if (strcmp(argv[i], "--no-dead") == 0) {
            o->expected |= AUDIT_NO_DEAD;
        } else if (strcmp(argv[i], "--list") == 0) {
            o->list = true;
        } else if (argv[i][0] != '-' && o->data == NULL) {
            o->data = argv[i];
        } else {
            return false;
        }
    }
    return o->data != NULL;
}

static bool
load_pack_dir(void *user, const char *path)
{
    audit_pack *pack = user;
    DIR *dir = opendir(path);
    bool ok = true;

    if (dir == NULL) {
        (void)fprintf(stderr, "audit: %s: cannot be read\n", path);
        return false;
    }
    for (struct dirent *entry = readdir(dir); ok && entry != NULL; entry = readdir(dir)) {
        char file[PATH_CAP + NAME_MAX + 2];
        const char *dot = strrchr(entry->d_name, '.');
        size_t len = 0;
        char *text = NULL;

        if (dot == NULL || strcmp(dot, ".yaml") != 0) {
            continue;
        }
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        text = read_file(file, &len);
        ok = text != NULL && audit_pack_add(pack, file, text, len);
        audit__free(text);
    }
    if (!ok) {
        (void)fprintf(stderr, "audit: %s: %s\n", path, audit_pack_error(pack));
    }
    (void)closedir(dir);
    return ok;
}

static bool
has_actions(const audit_pack *pack)
{
    if (pack->action_count == 0) {
        (void)fprintf(stderr, "audit: no action in any --pack\n");
    }
    return pack->action_count > 0;
}

static bool
set_limit(void *user, const char *setting)
{
    char error[ERROR_CAP] = "";
    bool ok = audit_limits_set(user, setting, error);

    if (!ok) {
        (void)fprintf(stderr, "audit: --set %s: %s\n", setting, error);
    }
    return ok;
}

static bool
load_limits(const options *o, audit_limits *limits)
{
    char error[ERROR_CAP] = "";
    size_t len = 0;
    char *text = NULL;
    bool ok = true;

    if (o->config != NULL) {
        text = read_file(o->config, &len);
        ok = text != NULL && audit_limits_read(limits, text, len, error);
        audit__free(text);
    }
    if (!ok) {
        (void)fprintf(stderr, "audit: %s: %s\n", o->config,
                      error[0] != '\0' ? error : "cannot be read");
    }
    return ok && each(o, "--set", set_limit, limits);
}

typedef struct loading {
    audit *a;
    const audit_limits *limits;
} loading;

// One line "seq TAB tenant TAB source TAB id".
static bool
take_acked(const loading *l, char *line)
{
    char *parts[4] = {line};
    uint64_t seq = 0;
    int tenant = 0;

    line[strcspn(line, "\n")] = '\0';
    for (int i = 1; i < 4; i++) {
        char *tab = strchr(parts[i - 1], '\t');

        if (tab == NULL) {
            return false;
        }
        *tab = '\0';
        parts[i] = tab + 1;
    }
    tenant = audit_tenant_find(l->limits, parts[1]);
    if (!audit__u64_of(audit__str_of(parts[0]), &seq) || tenant < 0) {
        return false;
    }
    audit_acked(l->a, seq, (uint16_t)tenant, parts[2], strlen(parts[2]), parts[3],
                strlen(parts[3]));
    return true;
}

static bool
load_acked(void *user, const char *path)
{
    const loading *l = user;
    FILE *f = fopen(path, "rb");
    char line[LINE_CAP];
    uint64_t number = 0;

    if (f == NULL) {
        (void)fprintf(stderr, "audit: %s: cannot be read\n", path);
        return false;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        number++;
        // a line without its end was being written when its writer died: it promises nothing
        if (strchr(line, '\n') != NULL && !take_acked(l, line)) {
            (void)fprintf(stderr,
                          "audit: %s:%" PRIu64 ": no line seq TAB tenant TAB source TAB id\n", path,
                          number);
            (void)fclose(f);
            return false;
        }
    }
    (void)fclose(f);
    return true;
}

static bool
take_marker(void *user, const char *setting)
{
    const loading *l = user;
    const char *equals = strchr(setting, '=');
    char name[AUDIT_NAME_CAP];
    int tenant = -1;

    if (equals != NULL && (size_t)(equals - setting) < sizeof(name)) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - setting), setting);
        tenant = audit_tenant_find(l->limits, name);
    }
    if (tenant < 0) {
        (void)fprintf(stderr, "audit: --marker %s: no TENANT=TEXT\n", setting);
        return false;
    }
    audit_marker(l->a, (uint16_t)tenant, equals + 1);
    return true;
}

// --- what is said -----------------------------------------------------------------------------

typedef struct figure {
    const char *name;
    size_t offset;
} figure;

#define FIGURE(name)                                                                               \
    {                                                                                              \
#name, offsetof(audit_figures, name)                                                       \
    }

static const figure figures[] = {
    FIGURE(segments),     FIGURE(bytes),        FIGURE(groups),        FIGURE(torn_bytes),
    FIGURE(records),      FIGURE(first_seq),    FIGURE(last_seq),      FIGURE(external),
    FIGURE(internal),     FIGURE(undecided),    FIGURE(decisions),     FIGURE(candidates),
    FIGURE(intents),      FIGURE(outcomes),     FIGURE(executed),      FIGURE(failed),
    FIGURE(unknown),      FIGURE(cancelled),    FIGURE(in_flight),     FIGURE(missing),
    FIGURE(timers_fired), FIGURE(starts),       FIGURE(playbook_sets), FIGURE(halts),
    FIGURE(rejects),      FIGURE(dead_letters), FIGURE(retries),       FIGURE(acked),
};

static uint64_t
value_of(const audit_figures *f, const figure *which)
{
    uint64_t value = 0;

    memcpy(&value, (const char *)f + which->offset, sizeof(value));
    return value;
}

// A JSON string; what is no printable ASCII is escaped byte by byte.
static void
print_string(const char *text)
{
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)printf("\\%c", *text);
        } else if (*text < ' ' || *text == '\x7f') {
            (void)printf("\\u%04x", (unsigned)(uint8_t)*text);
        } else {
            (void)putchar(*text);
        }
    }
    (void)putchar('"');
}

static void
print_json(const audit *a)
{
    const audit_violation *v = NULL;

    (void)printf("{\"violations\": %" PRIu64 ", \"found\": [", audit_violation_count(a));
    for (size_t i = 0; (v = audit_violation_at(a, i)) != NULL; i++) {
        (void)printf("%s{\"seq\": %" PRIu64 ", \"rule\": \"%s\", \"text\": ", i > 0 ? ", " : "",
                     v->seq, v->rule);
        print_string(v->text);
        (void)putchar('}');
    }
    (void)printf("]");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        (void)printf(", \"%s\": %" PRIu64, figures[i].name,
                     value_of(audit_figures_of(a), &figures[i]));
    }
    (void)printf("}\n");
}

static void
print_text(const audit *a)
{
    const audit_violation *v = NULL;
    uint64_t count = audit_violation_count(a);

    for (size_t i = 0; (v = audit_violation_at(a, i)) != NULL; i++) {
        (void)printf("record %" PRIu64 ": %s: %s\n", v->seq, v->rule, v->text);
    }
    if (count > AUDIT_KEPT_MAX) {
        (void)printf("and %" PRIu64 " more\n", count - AUDIT_KEPT_MAX);
    }
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        (void)printf("%s%s %" PRIu64, i > 0 ? ", " : "", figures[i].name,
                     value_of(audit_figures_of(a), &figures[i]));
    }
    (void)printf("\n%" PRIu64 " violations\n", count);
}

static void
print_record(void *user, const audit_record *r)
{
    static const char *const kinds[] = {"", "event", "decision", "playbooks", "reject", "start"};

    (void)user;
    (void)printf("{\"seq\": %" PRIu64 ", \"at_ms\": %" PRId64 ", \"kind\": \"%s\", \"flags\": %u, "
                 "\"group\": %" PRIu64 ", \"bytes\": %zu, \"crc\": \"%08x\", \"chain\": \"",
                 r->seq, r->at_ms, r->kind < KIND_COMMIT ? kinds[r->kind] : "", r->flags, r->group,
                 r->payload_len, r->crc);
    for (int i = 0; i < AUDIT_SHA_BYTES; i++) {
        (void)printf("%02x", r->chain[i]);
    }
    (void)printf("\"}\n");
}

static int
run(const options *o, audit *a)
{
    journal_dir dir = {.fd = -1};
    audit_files files = {list_dir, size_of, read_at, &dir};
    bool ok = false;

    (void)snprintf(dir.path, sizeof(dir.path), "%s/journal", o->data);
    if (o->list) {
        audit_on_record(a, print_record, NULL);
    }
    ok = audit_run(a, &files);
    if (dir.fd >= 0) {
        (void)close(dir.fd);
    }
    if (!ok) {
        (void)fprintf(stderr, "audit: %s: %s\n", o->data, audit_error(a));
        return CANNOT;
    }
    if (o->json) {
        print_json(a);
    } else {
        print_text(a);
    }
    return audit_violation_count(a) > 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
    options o;
    audit_limits *limits = NULL;
    audit_pack *pack = NULL;
    audit *a = NULL;
    int code = CANNOT;

    if (!parse(&o, argc, argv)) {
        return usage();
    }
    limits = audit__alloc(sizeof(*limits));
    *limits = audit_limits_defaults();
    pack = audit_pack_new();
    if (load_limits(&o, limits) && each(&o, "--pack", load_pack_dir, pack) && has_actions(pack)) {
        loading l = {NULL, limits};

        a = audit_new(pack, limits, o.expected);
        l.a = a;
        if (each(&o, "--acked", load_acked, &l) && each(&o, "--marker", take_marker, &l)) {
            code = run(&o, a);
        }
    }
    audit_free(a);
    audit_pack_free(pack);
    audit__free(limits);
    if (fflush(stdout) != 0) {
        code = CANNOT;
    }
    return code;
}
