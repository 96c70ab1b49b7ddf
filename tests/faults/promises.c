#include "tests/faults/promises.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/map.h"
#include "runtime/base/text.h"
#include "tests/audit/audit.h"

#define PATH_CAP (PATH_MAX + NAME_MAX)
#define FILE_BYTES_MAX (4u * 1024 * 1024)
#define DECISION 2 // kind of a record
#define TEXT_CAP 256

struct promises {
    audit_pack *pack;
    audit_limits limits;
};

// --- reading ---

typedef struct journal_dir {
    const char *path;
    char open_name[NAME_MAX + 1];
    int fd;
} journal_dir;

static bool
list_dir(void *user, void (*on_name)(void *to, const char *name), void *to)
{
    const journal_dir *d = user;
    DIR *dir = opendir(d->path);
    const struct dirent *entry = NULL;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        on_name(to, entry->d_name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return dir != NULL;
}

static bool
open_file(journal_dir *d, const char *name)
{
    char path[PATH_CAP];

    if (d->fd >= 0 && strcmp(name, d->open_name) == 0) {
        return true;
    }
    if (d->fd >= 0) {
        (void)close(d->fd); // only read from
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
    struct stat info;

    return open_file(d, name) && fstat(d->fd, &info) == 0 ? (int64_t)info.st_size : -1;
}

static int64_t
read_at(void *user, const char *name, uint64_t offset, void *buf, size_t len)
{
    journal_dir *d = user;

    return open_file(d, name) ? (int64_t)pread(d->fd, buf, len, (off_t)offset) : -1;
}

// A small file as text; NULL when it cannot be read.
static char *
read_text(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;

    if (file == NULL) {
        return NULL;
    }
    text = rt_alloc(FILE_BYTES_MAX + 1);
    *ret_len = fread(text, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    return text;
}

// --- packs and limits ---

static rt_err
add_pack_dir(promises *p, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    rt_err err = dir != NULL ? RT_OK : rt_fail(RT_ECONFIG, "%s cannot be read", path);

    while (err == RT_OK && (entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        char file[PATH_CAP];
        char *text = NULL;
        size_t len = 0;

        if (dot == NULL || strcmp(dot, ".yaml") != 0) {
            continue;
        }
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        text = read_text(file, &len);
        if (text == NULL || !audit_pack_add(p->pack, file, text, len)) {
            err = rt_fail(RT_ECONFIG, "%s: %s", file, audit_pack_error(p->pack));
        }
        rt_free(text);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return err;
}

static rt_err
set_limits(promises *p, const settings_flags *flags)
{
    char error[TEXT_CAP] = "cannot be read";
    size_t len = 0;
    char *text = read_text(flags->config_file, &len);
    bool ok = text != NULL && audit_limits_read(&p->limits, text, len, error);

    rt_free(text);
    for (size_t i = 0; ok && i < flags->set_count; i++) {
        ok = audit_limits_set(&p->limits, flags->sets[i], error);
    }
    return ok ? RT_OK : rt_fail(RT_ECONFIG, "%s: %s", flags->config_file, error);
}

// Packs stand beside the configuration, or where a setting says.
static const char *
pack_dir(const settings_flags *flags, const char *key, const char *beside, char path[PATH_CAP])
{
    const char *slash = strrchr(flags->config_file, '/');

    (void)snprintf(path, PATH_CAP, "%.*s/%s",
                   slash != NULL ? (int)(slash - flags->config_file) : 1,
                   slash != NULL ? flags->config_file : ".", beside);
    for (size_t i = 0; i < flags->set_count; i++) {
        if (strncmp(flags->sets[i], key, strlen(key)) == 0) {
            (void)snprintf(path, PATH_CAP, "%s", flags->sets[i] + strlen(key));
        }
    }
    return path;
}

rt_err
promises_open(const settings_flags *flags, promises **ret_promises)
{
    promises *p = rt_new(promises);
    char path[PATH_CAP];
    rt_err err = RT_OK;

    p->pack = audit_pack_new();
    p->limits = audit_limits_defaults();
    err = add_pack_dir(p, pack_dir(flags, "pack.core=", "packs/core", path));
    if (err == RT_OK) {
        err = add_pack_dir(p, pack_dir(flags, "pack.dir=", "packs/logistics", path));
    }
    if (err == RT_OK) {
        err = set_limits(p, flags);
    }
    if (err == RT_OK) {
        *ret_promises = p;
    }
    return err;
}

// --- the list ---

static rt_str
next_word(rt_str *line)
{
    rt_str word = {line->ptr, 0};

    while (word.len < line->len && line->ptr[word.len] != ' ') {
        word.len++;
    }
    line->ptr += RT_MIN(word.len + 1, line->len);
    line->len -= RT_MIN(word.len + 1, line->len);
    return word;
}

// Hands an acknowledgement to the audit, keeps a publication.
static rt_err
take_line(rt_str line, audit *a, rt_map *published)
{
    rt_str whole = line;
    rt_str letter = next_word(&line);
    int64_t seq = 0;
    int64_t tenant = 0;
    bool ok = rt_parse_i64(next_word(&line), &seq) == RT_OK;

    if (ok && rt_str_is(letter, "P")) {
        (void)rt_map_put(published, (rt_bytes){(const uint8_t *)&seq, sizeof(seq)}, 0);
        return RT_OK;
    }
    ok = ok && rt_str_is(letter, "A") && rt_parse_i64(next_word(&line), &tenant) == RT_OK;
    if (ok) {
        rt_str source = next_word(&line);

        audit_acked(a, (uint64_t)seq, (uint16_t)tenant, source.ptr, source.len, line.ptr,
                    line.len);
    }
    return ok ? RT_OK
              : rt_fail(RT_EPROTO, "a line of the list that cannot be read: %.*s",
                        RT_STR_ARG(whole));
}

static rt_err
take_list(rt_bytes list, audit *a, rt_map *published)
{
    size_t from = 0;
    rt_err err = RT_OK;

    for (size_t i = 0; i < list.len && err == RT_OK; i++) {
        if (list.ptr[i] == '\n') {
            err = take_line((rt_str){(const char *)list.ptr + from, i - from}, a, published);
            from = i + 1;
        }
    }
    return err;
}

// A published decision that is in the journal is ticked off.
static void
on_record(void *user, const audit_record *record)
{
    rt_map *published = user;
    rt_bytes key = {(const uint8_t *)&record->seq, sizeof(record->seq)};
    uint64_t seen = 0;

    if (record->kind == DECISION && rt_map_get(published, key, &seen)) {
        (void)rt_map_put(published, key, 1);
    }
}

static rt_err
check_published(rt_map *published, uint64_t first_seq, promises_kept *kept)
{
    size_t cursor = 0;
    rt_bytes key;
    uint64_t seen = 0;

    while (rt_map_next(published, &cursor, &key, &seen)) {
        uint64_t seq = 0;

        memcpy(&seq, key.ptr, sizeof(seq));
        if (seen == 0 && seq >= first_seq) {
            return rt_fail(RT_ECORRUPT, "published, and not in the journal: decision %llu",
                           (unsigned long long)seq);
        }
        kept->published++;
    }
    return RT_OK;
}

static rt_err
judge(const audit *a, rt_map *published, promises_kept *kept)
{
    const audit_violation *first = audit_violation_at(a, 0);
    const audit_figures *figures = audit_figures_of(a);

    if (first != NULL) {
        return rt_fail(RT_ECORRUPT, "audit: %llu violations, the first: %s at %llu: %s",
                       (unsigned long long)audit_violation_count(a), first->rule,
                       (unsigned long long)first->seq, first->text);
    }
    kept->records = figures->records;
    kept->first_seq = figures->first_seq;
    kept->acknowledged = figures->acked;
    return check_published(published, figures->first_seq, kept);
}

rt_err
promises_check(const promises *p, const char *dir, rt_bytes list, bool drained,
               promises_kept *ret_kept)
{
    journal_dir from = {.path = dir, .fd = -1};
    audit_files files = {list_dir, size_of, read_at, &from};
    audit *a = audit_new(p->pack, &p->limits, drained ? AUDIT_DRAINED | AUDIT_NO_DEAD : 0);
    rt_map *published = rt_map_new();
    rt_err err = take_list(list, a, published);

    *ret_kept = (promises_kept){0};
    audit_on_record(a, on_record, published);
    if (err == RT_OK && !audit_run(a, &files)) {
        err = rt_fail(RT_ECORRUPT, "audit: %s", audit_error(a));
    }
    if (err == RT_OK) {
        err = judge(a, published, ret_kept);
    }
    if (from.fd >= 0) {
        (void)close(from.fd); // only read from
    }
    rt_map_free(published);
    audit_free(a);
    return err;
}
