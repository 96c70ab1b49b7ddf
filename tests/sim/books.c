#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/seam/file.h"
#include "tests/sim/internal.h"

// Design notes.
// What producers, subscribers and the webhooks' receiver see goes to the independent checker of
// tests/audit while the brain lives; at the end it reads the journal from the simulated disk.

#define PACK_BYTES_MAX (1024u * 1024)
#define PATH_CAP 512

// --- the pack ---------------------------------------------------------------------------------

typedef struct pack_dir {
    audit_pack *pack;
    const char *path;
    bool ok;
} pack_dir;

static void
on_pack_file(void *user, const char *name)
{
    pack_dir *dir = user;
    char path[PATH_CAP];
    rt_arena *arena = rt_arena_new(PACK_BYTES_MAX);
    rt_str text = {"", 0};

    (void)snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    dir->ok = dir->ok && rt_file_read_all(path, PACK_BYTES_MAX, arena, &text) == RT_OK &&
              audit_pack_add(dir->pack, path, text.ptr, text.len);
    rt_arena_free(arena);
}

audit_pack *
books_pack(void)
{
    static const char *const dirs[] = {"/packs/core", "/packs/logistics"};
    audit_pack *pack = audit_pack_new();

    for (size_t i = 0; i < RT_COUNT(dirs); i++) {
        pack_dir dir = {pack, dirs[i], true};
        rt_err err = rt_dir_list(dirs[i], on_pack_file, &dir);

        if (err != RT_OK || !dir.ok) {
            (void)fprintf(stderr, "sim: %s: %s\n", dirs[i], audit_pack_error(pack));
        }
        RT_ASSERT(err == RT_OK && dir.ok); // the files of the source tree
    }
    return pack;
}

// --- the witnesses ----------------------------------------------------------------------------

static audit_limits
limits_of(const world *w)
{
    const br_gate_config *gate = &w->config.state.gate;
    audit_limits limits = {.known = true,
                           .actions_per_minute = gate->actions_per_minute,
                           .quiet_from_min = gate->quiet_from_min,
                           .quiet_until_min = gate->quiet_until_min,
                           .dedup_events = w->config.state.dedup_events,
                           .dedup_window_ms = w->config.state.dedup_window_ms,
                           .webhook_attempts = w->config.webhooks[0].attempts};

    for (size_t i = 0; i < TENANTS; i++) {
        audit_tenant *tenant = &limits.tenants[limits.tenant_count++];

        tenant->number = world_tenants[i].number;
        tenant->utc_offset_ms = world_tenants[i].utc_offset_ms;
        (void)snprintf(tenant->name, sizeof(tenant->name), "%s", world_tenants[i].name);
    }
    return limits;
}

void
books_open(world *w, const audit_pack *pack)
{
    audit_limits limits = limits_of(w);
    unsigned whole = w->draw.small_journal ? 0 : AUDIT_WHOLE;
    unsigned no_dead = w->draw.poison_every > 0 ? 0 : AUDIT_NO_DEAD;

    w->books = audit_new(pack, &limits, AUDIT_DRAINED | no_dead | whole);
    for (size_t i = 0; i < TENANTS; i++) {
        char mark[16];

        (void)snprintf(mark, sizeof(mark), SHOP_MARK "%u", world_tenants[i].number);
        audit_marker(w->books, world_tenants[i].number, mark);
    }
}

void
books_on_acked(void *user, uint16_t tenant, rt_str source, rt_str id, uint64_t seq)
{
    world *w = user;

    audit_acked(w->books, seq, tenant, source.ptr, source.len, id.ptr, id.len);
}

// --- the journal ------------------------------------------------------------------------------

typedef struct names {
    void (*on_name)(void *to, const char *name);
    void *to;
} names;

static void
on_name(void *user, const char *name)
{
    const names *n = user;

    n->on_name(n->to, name);
}

static bool
list_journal(void *user, void (*call)(void *to, const char *name), void *to)
{
    names n = {call, to};

    (void)user;
    return rt_dir_list(JOURNAL_DIR, on_name, &n) == RT_OK;
}

static rt_file *
open_segment(const char *name)
{
    char path[PATH_CAP];
    rt_file *file = NULL;

    (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%s", name);
    return rt_file_open(path, RT_FILE_READ, &file) == RT_OK ? file : NULL;
}

static int64_t
segment_size(void *user, const char *name)
{
    rt_file *file = open_segment(name);
    uint64_t bytes = 0;
    bool ok = file != NULL && rt_file_size(file, &bytes) == RT_OK;

    (void)user;
    rt_file_close(file);
    return ok ? (int64_t)bytes : -1;
}

static int64_t
segment_read(void *user, const char *name, uint64_t offset, void *buf, size_t len)
{
    rt_file *file = open_segment(name);
    size_t got = 0;
    bool ok = file != NULL && rt_file_pread(file, buf, len, offset, &got) == RT_OK;

    (void)user;
    rt_file_close(file);
    return ok ? (int64_t)got : -1;
}

// Whether damage that the auditor met is found by the journal's own verification too.
static bool
is_found(const audit_violation *v)
{
    rt_journal_info info;

    return strncmp(v->rule, "segment", 7) == 0 ||
           (strcmp(v->rule, "crc") == 0 &&
            rt_journal_verify(JOURNAL_DIR, &info) == RT_ECORRUPT);
}

void
books_check(world *w)
{
    static const audit_files files = {list_journal, segment_size, segment_read, NULL};
    const audit_violation *first = NULL;

    if (!audit_run(w->books, &files)) {
        world_violated(w, "the journal cannot be audited: %s", audit_error(w->books));
    }
    w->result->audit = *audit_figures_of(w->books);
    first = audit_violation_at(w->books, 0);
    if (first != NULL && w->rotten && is_found(first)) {
        w->result->detected = true; // in a place that no start reads
    } else if (first != NULL) {
        world_violated(w, "record %llu: %s: %s (%llu violations)", (unsigned long long)first->seq,
                       first->rule, first->text,
                       (unsigned long long)audit_violation_count(w->books));
    }
    for (size_t i = 0; audit_violation_at(w->books, i) != NULL; i++) {
        const audit_violation *v = audit_violation_at(w->books, i);

        world_say(w, "record %llu: %s: %s", (unsigned long long)v->seq, v->rule, v->text);
    }
}
