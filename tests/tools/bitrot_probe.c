// bitrot_probe: opens data directories as the programs do at their start, reads everything, and
// says what came out; for a test that damaged them before.
//
// usage: bitrot_probe
// Reads lines "CONFIG DATA_DIR STORE_DIR" and answers each with one line of JSON. STORE_DIR (or -)
// is a store that is written to when all went well, for what was accepted must bear that, too. Each
// is done in a child process, so that whatever a damaged file does to it is seen from outside: the
// answer then is {"died": SIGNAL}, or {"died": "hang"} after HANG_SECONDS. What would be mended at
// a start is mended.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "tools/braind/settings.h"

#define HANG_SECONDS 30
#define LINE_MAX 2048
#define SAID_MAX 65536
#define DAMAGED_SHOWN_MAX 8

typedef struct probe {
    settings settings;
    rt_loop *loop;
    rt_text said; // warnings and errors of the log
    char detail[RT_ERR_DETAIL_MAX];
    const char *where; // it was refused
    rt_err err;
    br_inspection brain;
    uint64_t journal_hash; // over all records
    uint64_t records;
    uint64_t last_seq;
    uint32_t damaged_segments;
    bool is_beginning_missing;
    uint64_t host_hash[BR_HOSTS_MAX];
} probe;

static void
on_log(void *user, rt_log_level level, const char *line)
{
    if (level == RT_LOG_WARN || level == RT_LOG_ERROR) {
        rt_text_printf(user, "%s\n", line);
    }
}

// Notes that it goes no further.
static bool
refuse(probe *p, const char *where, rt_err err)
{
    if (err != RT_OK && p->where == NULL) {
        p->where = where;
        p->err = err;
        (void)snprintf(p->detail, sizeof(p->detail), "%s", rt_err_detail());
    }
    return err != RT_OK;
}

// --- the parts of a start ------------------------------------------------------------------------

static bool
load_settings(probe *p, const char *config_file, const char *data_dir)
{
    char set[LINE_MAX + 16];
    settings_flags flags = {.config_file = config_file, .sets = {set}, .set_count = 1};
    rt_err err = RT_OK;

    (void)snprintf(set, sizeof(set), "data.dir=%s", data_dir);
    err = settings_load(&flags, &p->settings);
    if (err == RT_OK) {
        err = br_check_playbooks(p->settings.pack, p->settings.playbook_dir, p->settings.diag);
    }
    if (err != RT_OK && rt_diag_errors(p->settings.diag) > 0) {
        rt_diag_render(p->settings.diag, &p->said);
    }
    return !refuse(p, "config", err);
}

static bool
inspect_brain(probe *p)
{
    br_host_entry hosts[BR_HOSTS_MAX];
    br_brain_config config = settings_brain(&p->settings, hosts);
    char path[LINE_MAX];
    rt_lock *lock = NULL;
    rt_err err = rt_dir_make(p->settings.data_dir);

    (void)snprintf(path, sizeof(path), "%s/LOCK", p->settings.data_dir);
    if (err == RT_OK) {
        err = rt_lock_take(path, &lock);
    }
    if (err == RT_OK) {
        err = br_brain_inspect(p->loop, &config, p->settings.diag, &p->brain);
    }
    rt_lock_free(lock);
    return !refuse(p, "brain", err);
}

static bool
agents_hear(const rt_record *record)
{
    return record->kind == RT_RECORD_EVENT || record->kind == RT_RECORD_PLAYBOOKS ||
           (record->kind == RT_RECORD_DECISION && (record->flags & RT_RECORD_SAID) != 0);
}

// Feeds the host what it has not applied, as the brain would.
static rt_err
feed(const probe *p, br_host *host)
{
    char dir[LINE_MAX];
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = RT_OK;

    (void)snprintf(dir, sizeof(dir), "%s/journal", p->settings.data_dir);
    err = rt_journal_reader_open(dir, br_host_applied(host) + 1, &reader);
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK && agents_hear(&record)) {
            err = br_host_feed(host, &record);
        }
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
inspect_host(probe *p, size_t index)
{
    const settings_host *entry = &p->settings.hosts[index];
    br_host_config config = settings_host_config(&p->settings, entry);
    br_host *host = NULL;
    bool is_lost = false;
    rt_err err = RT_OK;

    config.url = NULL;
    config.journal_first_seq = entry->outside ? 0 : p->brain.journal.first_seq;
    err = br_host_new(p->loop, &config, &host);
    if (err != RT_OK) {
        return err;
    }
    // What the brain says to its hello.
    is_lost = rt_kv_aside_count(config.dir) > 0 && br_host_applied(host) == 0;
    if (br_host_applied(host) > p->brain.journal.last_seq) {
        err = rt_fail(RT_ECORRUPT, "%s reflects record %" PRIu64 ", the journal ends at %" PRIu64,
                      config.dir, br_host_applied(host), p->brain.journal.last_seq);
    } else if (is_lost && p->brain.journal.first_seq > 1) {
        err = rt_fail(RT_ECORRUPT, "%s was damaged and cannot be rebuilt", config.dir);
    } else {
        if (br_host_applied(host) == 0) {
            rt_text_printf(&p->said, "host-begins-anew: %s\n", config.dir); // the brain's words
        }
        err = feed(p, host);
        p->host_hash[index] = br_host_hash(host);
    }
    br_host_free(host);
    return err;
}

// --- the full read -------------------------------------------------------------------------------

static void
on_segment(void *user, const rt_segment_report *report)
{
    probe *p = user;

    p->is_beginning_missing = p->is_beginning_missing || report->is_beginning_missing;
    if (report->err != RT_OK || report->is_beginning_missing || report->is_mark_damaged) {
        p->damaged_segments++;
        rt_text_printf(&p->said, "scrub: %016" PRIx64 ".seg %s%s%s\n", report->first_seq,
                       report->detail, report->is_beginning_missing ? "beginning missing" : "",
                       report->is_mark_damaged ? "mark damaged" : "");
    }
}

static rt_err
read_all(probe *p)
{
    char dir[LINE_MAX];
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = RT_OK;

    (void)snprintf(dir, sizeof(dir), "%s/journal", p->settings.data_dir);
    err = rt_journal_scrub(dir, on_segment, p);
    if (err == RT_OK) {
        err = rt_journal_reader_open(dir, 0, &reader);
    }
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK) {
            uint64_t facts[3] = {record.seq, (uint64_t)record.at_ms,
                                 (uint64_t)record.kind << 8 | record.flags};

            p->journal_hash = rt_hash64((rt_bytes){(const uint8_t *)facts, sizeof(facts)},
                                        rt_hash64(record.payload, p->journal_hash));
            p->records++;
            p->last_seq = record.seq;
        }
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

// --- writing -------------------------------------------------------------------------------------

typedef struct taken {
    rt_kv_batch *deletes; // of each third pair
    rt_kv_batch *puts;    // the same again
    uint64_t pairs;
} taken;

static rt_err
take_pair(void *user, rt_bytes key, rt_bytes value)
{
    taken *t = user;

    t->pairs++;
    if (t->pairs % 3 == 0) {
        rt_kv_batch_del(t->deletes, key);
        rt_kv_batch_put(t->puts, key, value);
    }
    return RT_OK;
}

// Takes a third of the pairs out of a store and puts them back, so that its free list and its inner
// pages are used; it has to be sound afterwards.
static rt_err
write_to(probe *p, const char *dir)
{
    uint64_t map_bytes = (uint64_t)rt_config_i64(p->settings.config, "data.store_max_bytes");
    taken t = {.deletes = rt_kv_batch_new(), .puts = rt_kv_batch_new()};
    rt_kv *kv = NULL;
    rt_err err = rt_kv_open(dir, map_bytes, &kv);

    if (err == RT_OK) {
        err = rt_kv_scan(kv, (rt_bytes){NULL, 0}, take_pair, &t);
    }
    for (int round = 0; err == RT_OK && round < 2; round++) {
        err = rt_kv_commit(kv, t.deletes);
        if (err == RT_OK) {
            err = rt_kv_commit(kv, t.puts);
        }
    }
    rt_kv_close(kv);
    if (err == RT_OK) {
        err = rt_kv_open(dir, map_bytes, &kv);
    }
    if (err == RT_OK) {
        rt_kv_close(kv);
    }
    rt_kv_batch_free(t.deletes);
    rt_kv_batch_free(t.puts);
    return err;
}

static void
run(probe *p, const char *config_file, const char *data_dir, const char *store_dir)
{
    if (!load_settings(p, config_file, data_dir)) {
        return;
    }
    if (inspect_brain(p)) {
        for (size_t i = 0; i < p->settings.host_count; i++) {
            if (refuse(p, p->settings.hosts[i].name, inspect_host(p, i))) {
                break;
            }
        }
    }
    if (!refuse(p, "read", read_all(p)) && p->where == NULL && strcmp(store_dir, "-") != 0) {
        (void)refuse(p, "write", write_to(p, store_dir));
    }
}

// --- the answer ----------------------------------------------------------------------------------

static void
print_string(const char *key, rt_str text)
{
    (void)printf("\"%s\":\"", key);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '"' || c == '\\' || c < ' ' || c > '~') {
            (void)printf("\\u%04x", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)putchar('"');
}

static void
answer(const probe *p)
{
    (void)printf("{");
    print_string("where", rt_str_of(p->where != NULL ? p->where : ""));
    (void)printf(",");
    print_string("error", rt_str_of(p->err != RT_OK ? rt_err_name(p->err) : ""));
    (void)printf(",");
    print_string("detail", rt_str_of(p->detail));
    (void)printf(",");
    print_string("said", rt_text_view(&p->said));
    (void)printf(",\"state\":\"%016" PRIx64 "\",\"applied\":%" PRIu64 ",\"rebuilt\":%" PRIu64
                 ",\"undecided\":%" PRIu64 ",\"torn_bytes\":%" PRIu64 ",\"first_seq\":%" PRIu64
                 ",\"records\":%" PRIu64 ",\"last_seq\":%" PRIu64 ",\"journal\":\"%016" PRIx64
                 "\",\"damaged_segments\":%u,\"hosts\":{",
                 p->brain.state_hash, p->brain.applied_seq, p->brain.states_rebuilt,
                 p->brain.undecided, p->brain.journal.torn_bytes, p->brain.journal.first_seq,
                 p->records, p->last_seq, p->journal_hash, p->damaged_segments);
    for (size_t i = 0; i < p->settings.host_count; i++) {
        (void)printf("%s\"%s\":\"%016" PRIx64 "\"", i > 0 ? "," : "", p->settings.hosts[i].name,
                     p->host_hash[i]);
    }
    (void)printf("}}\n");
    (void)fflush(stdout);
}

static void
probe_one(char *line)
{
    static probe p;
    char *data_dir = strchr(line, ' ');
    char *store_dir = data_dir != NULL ? strchr(data_dir + 1, ' ') : NULL;

    (void)alarm(HANG_SECONDS);
    if (store_dir == NULL) {
        _exit(2);
    }
    *data_dir = '\0';
    data_dir++;
    *store_dir = '\0';
    store_dir++;
    rt_text_init(&p.said, SAID_MAX);
    rt_log_set_sink(on_log, &p.said);
    p.loop = rt_loop_new();
    run(&p, line, data_dir, store_dir);
    answer(&p);
    _exit(0); // threads of the store may sleep; nothing is owed to anybody
}

int
main(void)
{
    char line[LINE_MAX];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        int status = 0;
        pid_t child = 0;

        line[strcspn(line, "\n")] = '\0';
        child = fork();
        if (child == 0) {
            probe_one(line);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            return 1;
        }
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
            (void)printf("{\"died\":\"hang\"}\n");
        } else if (WIFSIGNALED(status)) {
            (void)printf("{\"died\":%d}\n", WTERMSIG(status));
        } else if (WEXITSTATUS(status) != 0) {
            (void)printf("{\"died\":\"exit code %d\"}\n", WEXITSTATUS(status));
        }
        (void)fflush(stdout);
    }
    return 0;
}
