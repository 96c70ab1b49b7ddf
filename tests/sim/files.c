#include "tests/sim/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/file.h"

// Design notes. This is the one place of the simulation that touches the real disk, before any run.

#define FILES_MAX 128
#define FILE_BYTES_MAX (256u * 1024)
#define PATH_CAP 512

typedef struct loaded {
    char path[PATH_CAP]; // on the simulated disk
    char *text;
    size_t len;
} loaded;

static loaded files[FILES_MAX];
static size_t file_count;

static void
give_up(const char *path)
{
    (void)fprintf(stderr, "sim: cannot read %s\n", path);
    exit(2);
}

static void
load_file(const char *from, const char *to)
{
    loaded *file = &files[file_count++];
    FILE *f = fopen(from, "rb");

    if (f == NULL || file_count == FILES_MAX) {
        give_up(from);
    }
    (void)snprintf(file->path, sizeof(file->path), "%s", to);
    file->text = rt_new_array(char, FILE_BYTES_MAX);
    file->len = fread(file->text, 1, FILE_BYTES_MAX - 1, f); // it ends with a NUL
    (void)fclose(f);
}

// Makes an action a webhook, so that every kind of executor is at work.
static void
use_webhook(const char *name)
{
    static const char was[] = "executor: publish";
    static const char becomes[] = "executor: webhook\n    webhook: shop";
    char *changed = rt_new_array(char, FILE_BYTES_MAX + 256);
    size_t i = 0;
    const char *action = NULL;
    const char *place = NULL;

    while (i < file_count && strcmp(files[i].path, "/packs/logistics/actions.yaml") != 0) {
        i++;
    }
    if (i < file_count) {
        action = strstr(files[i].text, name);
        place = action != NULL ? strstr(action, was) : NULL;
    }
    if (place == NULL) {
        give_up(name);
    }
    files[i].len = (size_t)snprintf(changed, FILE_BYTES_MAX + 256, "%.*s%s%s",
                                    (int)(place - files[i].text), files[i].text, becomes,
                                    place + sizeof(was) - 1);
    rt_free(files[i].text);
    files[i].text = changed;
}

// Bounds a playbook more tightly, so that a day brings enough that has to be agreed to or waits.
static void
add_block(const char *path, const char *block)
{
    size_t len = strlen(block);
    size_t i = 0;

    while (i < file_count && strcmp(files[i].path, path) != 0) {
        i++;
    }
    if (i == file_count || files[i].len + len + 1 > FILE_BYTES_MAX) {
        give_up(path);
    }
    memcpy(files[i].text + files[i].len, block, len + 1);
    files[i].len += len;
}

// The cases that playbooks bring along stand last. Every start of every life would play them.
static void
cut_cases(void)
{
    for (size_t i = 0; i < file_count; i++) {
        char *cases = strncmp(files[i].path, "/playbooks/", 11) == 0
                          ? strstr(files[i].text, "\ntests:")
                          : NULL;

        if (cases != NULL) {
            files[i].len = (size_t)(cases - files[i].text) + 1;
            files[i].text[files[i].len] = '\0';
        }
    }
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const loaded *)a)->path, ((const loaded *)b)->path);
}

// Loads *.yaml of a directory and of its sub-directories (one level).
static void
load_dir(const char *from, const char *to, bool deeper)
{
    DIR *dir = opendir(from);
    char source[PATH_CAP];
    char target[PATH_CAP];

    if (dir == NULL) {
        give_up(from);
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const char *dot = strrchr(entry->d_name, '.');

        (void)snprintf(source, sizeof(source), "%.250s/%.250s", from, entry->d_name);
        (void)snprintf(target, sizeof(target), "%.250s/%.250s", to, entry->d_name);
        if (dot != NULL && strcmp(dot, ".yaml") == 0) {
            load_file(source, target);
        } else if (dot == NULL && deeper && entry->d_type == DT_DIR) {
            load_dir(source, target, false);
        }
    }
    (void)closedir(dir);
}

void
files_load(const char *source_root)
{
    static const char ask[] = "\napprove: {roles: [supervisor], ttl: 2h}\n";
    static const char held_back[] =
        "\nbudget:\n  - {what: actions, limit: 1, window: 2h, on_exceed: hold}\n";
    char path[PATH_CAP];

    (void)snprintf(path, sizeof(path), "%.400s/config/packs", source_root);
    load_dir(path, "/packs", true);
    (void)snprintf(path, sizeof(path), "%.400s/playbooks", source_root);
    load_dir(path, "/playbooks", true);
    // in the order of names, whatever order the real directory has
    qsort(files, file_count, sizeof(files[0]), by_path);
    cut_cases();
    use_webhook("  open_case:");
    use_webhook("  notify_customer:");
    add_block("/playbooks/logistics/failed-delivery-attempt.yaml", ask);
    add_block("/playbooks/logistics/stuck-parcel.yaml", ask);
    add_block("/playbooks/logistics/high-value-order.yaml", ask);
    add_block("/playbooks/logistics/address-corrected.yaml", ask);
    add_block("/playbooks/logistics/bad-rating.yaml", held_back);
    add_block("/playbooks/logistics/not-shipped.yaml", held_back);
    add_block("/playbooks/logistics/wrong-item.yaml", held_back);
}

void
files_write_text(const char *path, rt_str text)
{
    char dir[PATH_CAP];
    rt_err err = RT_OK;

    (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
    err = rt_dir_make(dir);
    if (err == RT_OK) {
        err = rt_file_replace(path, rt_bytes_of_str(text));
    }
    RT_ASSERT(err == RT_OK); // the disk is healthy when this is called
}

void
files_write(void)
{
    for (size_t i = 0; i < file_count; i++) {
        files_write_text(files[i].path, (rt_str){files[i].text, files[i].len});
    }
}

void
files_write_playbook(unsigned number, bool broken)
{
    size_t first = 0;
    char *text = NULL;
    int len = 0;

    while (first < file_count && strncmp(files[first].path, "/playbooks/", 11) != 0) {
        first++;
    }
    RT_ASSERT(first < file_count);
    first += number % (file_count - first);
    text = rt_new_array(char, FILE_BYTES_MAX + 256);
    len = snprintf(text, FILE_BYTES_MAX + 256, "%.*s\n%s%u\n", (int)files[first].len,
                   files[first].text, broken ? "]no such thing: " : "# variant ", number);
    files_write_text(files[first].path, (rt_str){text, (size_t)len});
    rt_free(text);
}
