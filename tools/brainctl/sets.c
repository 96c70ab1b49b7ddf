#include "tools/brainctl/sets.h"

#include "brain/core/core_msgs.h"
#include "runtime/base/alloc.h"
#include "runtime/journal/journal.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/value.h"

#define DECISION_ARENA_MAX ((size_t)64 * 1024 * 1024)

// What stands behind the files: [by, how, reason].
static void
read_note(ctl_run *run, rt_mp *mp, ctl_set *set)
{
    uint32_t three;
    rt_str by;
    rt_str how;
    rt_str reason;
    if (rt_mp_array(mp, &three) == RT_OK && three >= 3 && rt_mp_str(mp, &by) == RT_OK &&
        rt_mp_str(mp, &how) == RT_OK && rt_mp_str(mp, &reason) == RT_OK) {
        set->by = rt_arena_str(run->arena, by);
        set->how = rt_arena_str(run->arena, how);
        set->reason = rt_arena_str(run->arena, reason);
    }
}

// A PLAYBOOKS record: [version, [[name, text] ...]], and who made it live.
static rt_err
read_set(ctl_run *run, const rt_record *record, ctl_set *ret_set)
{
    uint32_t parts = 0;
    uint32_t two;
    rt_mp mp = rt_mp_init(record->payload);
    ctl_set set = {.seq = record->seq, .at_ms = record->at_ms};
    rt_err err = rt_mp_array(&mp, &parts);
    if (err == RT_OK) {
        err = rt_mp_u64(&mp, &set.version);
    }
    if (err == RT_OK) {
        err = rt_mp_array(&mp, &set.count);
    }
    if (err == RT_OK && set.count > BR_PLAYBOOKS_MAX) {
        err = rt_fail(RT_ELIMIT, "record %llu holds %u playbooks",
                      (unsigned long long)record->seq, set.count);
    }
    set.files = err == RT_OK ? rt_arena_array(run->arena, br_playbook_file, set.count + 1) : NULL;
    for (uint32_t i = 0; err == RT_OK && i < set.count; i++) {
        rt_str name;
        rt_str text;
        err = rt_mp_array(&mp, &two);
        err = err == RT_OK ? rt_mp_str(&mp, &name) : err;
        err = err == RT_OK ? rt_mp_str(&mp, &text) : err;
        if (err == RT_OK) {
            set.files[i] = (br_playbook_file){rt_arena_str(run->arena, name),
                                              rt_arena_str(run->arena, text)};
        }
    }
    if (err == RT_OK && parts >= 3) {
        read_note(run, &mp, &set);
    }
    if (err == RT_OK) {
        set.hash = br_playbooks_hash(set.files, set.count);
        *ret_set = set;
    }
    return err;
}

static void
add_set(ctl_sets *sets, const ctl_set *set)
{
    if (sets->count == sets->cap) {
        sets->cap = RT_MAX(sets->cap * 2, 8u);
        sets->sets = rt_realloc(sets->sets, sizeof(ctl_set) * sets->cap);
    }
    sets->sets[sets->count++] = *set;
}

static void
add_mode(ctl_sets *sets, const ctl_mode_change *mode)
{
    if (sets->mode_count == sets->mode_cap) {
        sets->mode_cap = RT_MAX(sets->mode_cap * 2, 8u);
        sets->modes = rt_realloc(sets->modes, sizeof(ctl_mode_change) * sets->mode_cap);
    }
    sets->modes[sets->mode_count++] = *mode;
}

static bool
holds(rt_bytes payload, const char *word)
{
    return memmem(payload.ptr, payload.len, word, strlen(word)) != NULL;
}

// An operator's: the event playbook.mode_set, an array as runtime/wire/event_record.c has it.
static void
read_mode_event(ctl_run *run, const rt_record *record, ctl_sets *sets)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    uint64_t form;
    rt_str type;
    rt_bytes data;
    if (rt_mp_array(&mp, &count) != RT_OK || rt_mp_u64(&mp, &form) != RT_OK ||
        rt_mp_str(&mp, &type) != RT_OK || !rt_str_is(type, "playbook.mode_set") ||
        rt_mp_raw(&mp, &data) != RT_OK) {
        return;
    }
    add_mode(sets, &(ctl_mode_change){
                       .seq = record->seq,
                       .at_ms = record->at_ms,
                       .playbook = rt_arena_str(run->arena, ctl_str(data, "playbook")),
                       .mode = rt_arena_str(run->arena, ctl_str(data, "mode")),
                       .percent = ctl_has(data, "percent") ? ctl_f64(data, "percent") : 100,
                       .by = rt_arena_str(run->arena, ctl_str(data, "by")),
                       .reason = rt_arena_str(run->arena, ctl_str(data, "reason"))});
}

// The guardrails': a write of a decision.
static void
read_mode_write(ctl_run *run, const rt_record *record, rt_arena *arena, ctl_sets *sets)
{
    static const char *const names[] = {"off", "shadow", "canary", "live"};
    msg_decision decision;
    msg_mode mode;
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(arena);
    if (rt_msg_decode(&msg_decision_def, &mp, arena, &decision) != RT_OK) {
        return;
    }
    const msg_write *writes = decision.writes.items;
    for (uint32_t i = 0; i < decision.writes.count; i++) {
        mp = rt_mp_init(writes[i].value);
        if (rt_str_is(writes[i].what, "mode") &&
            rt_msg_decode(&msg_mode_def, &mp, arena, &mode) == RT_OK &&
            mode.mode < RT_COUNT(names)) {
            add_mode(sets, &(ctl_mode_change){.seq = mode.seq,
                                              .at_ms = mode.at_ms,
                                              .playbook = rt_arena_str(run->arena,
                                                                       writes[i].playbook),
                                              .mode = rt_str_of(names[mode.mode]),
                                              .percent = mode.percent,
                                              .by = rt_arena_str(run->arena, mode.by),
                                              .reason = rt_arena_str(run->arena, mode.reason)});
        }
    }
}

static rt_err
read_all(ctl_run *run, const char *journal, ctl_sets *sets)
{
    rt_arena *arena = rt_arena_new(DECISION_ARENA_MAX);
    rt_journal_reader *reader;
    rt_record record;
    rt_err err = rt_journal_reader_open(journal, 0, &reader);
    if (err != RT_OK) {
        rt_arena_free(arena);
        return err;
    }
    if (!ctl_given(run, CTL_FLAG_VERIFY)) {
        rt_journal_reader_trust(reader);
    }
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        ctl_set set;
        sets->first_seq = sets->last_seq == 0 ? record.seq : sets->first_seq;
        sets->last_seq = record.seq;
        sets->last_at_ms = record.at_ms;
        if (record.kind == RT_RECORD_PLAYBOOKS && read_set(run, &record, &set) == RT_OK) {
            add_set(sets, &set);
        } else if (record.kind == RT_RECORD_EVENT) {
            read_mode_event(run, &record, sets);
        } else if (record.kind == RT_RECORD_DECISION && holds(record.payload, "guardrails")) {
            read_mode_write(run, &record, arena, sets);
        }
    }
    rt_journal_reader_close(reader);
    rt_arena_free(arena);
    return err == RT_EEND ? RT_OK : err;
}

int
ctl_sets_read(ctl_run *run, const char *journal, ctl_sets *ret_sets)
{
    ctl_sets sets = {.count = 0};
    rt_err err = read_all(run, journal, &sets);
    if (err == RT_ENOTFOUND || (err == RT_OK && sets.last_seq == 0)) {
        ctl_sets_free(&sets);
        return ctl_refuse(run, RT_ENOTFOUND, "--data DIR is data.dir of the brain's settings",
                          "there is no journal in %s", journal);
    }
    if (err != RT_OK) {
        ctl_sets_free(&sets);
        return ctl_fail(run, err, "brain-verify --scrub names all damage");
    }
    *ret_sets = sets;
    return CTL_OK;
}

void
ctl_sets_free(ctl_sets *sets)
{
    rt_free(sets->sets);
    rt_free(sets->modes);
    sets->sets = NULL;
    sets->modes = NULL;
}

const ctl_set *
ctl_sets_version(const ctl_sets *sets, uint64_t version)
{
    for (size_t i = sets->count; i > 0; i--) {
        if (sets->sets[i - 1].version == version) {
            return &sets->sets[i - 1];
        }
    }
    return NULL;
}

const ctl_set *
ctl_sets_at(const ctl_sets *sets, uint64_t seq)
{
    const ctl_set *found = NULL;
    for (size_t i = 0; i < sets->count && sets->sets[i].seq <= seq; i++) {
        found = &sets->sets[i];
    }
    return found;
}

const ctl_set *
ctl_sets_on(const ctl_sets *sets, int64_t at_ms)
{
    const ctl_set *found = NULL;
    for (size_t i = 0; i < sets->count && sets->sets[i].at_ms <= at_ms; i++) {
        found = &sets->sets[i];
    }
    return found;
}

static rt_str
trim(rt_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = (rt_str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && memchr(" \t\r", text.ptr[text.len - 1], 3) != NULL) {
        text.len--;
    }
    return text;
}

// The loader wants it at the left margin and as plain text, so a line is enough to find it; whether
// it is a good one the loader says.
rt_str
ctl_playbook_id(rt_str text)
{
    const rt_str key = RT_STR("id:");
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        rt_str line = {text.ptr, end != NULL ? (size_t)(end - text.ptr) : text.len};
        if (rt_str_starts(line, key)) {
            line = (rt_str){line.ptr + key.len, line.len - key.len};
            const char *comment = memmem(line.ptr, line.len, " #", 2);
            line.len = comment != NULL ? (size_t)(comment - line.ptr) : line.len;
            line = trim(line);
            bool quoted = line.len >= 2 && (line.ptr[0] == '"' || line.ptr[0] == '\'') &&
                          line.ptr[line.len - 1] == line.ptr[0];
            return quoted ? (rt_str){line.ptr + 1, line.len - 2} : line;
        }
        size_t len = line.len + (end != NULL);
        text = (rt_str){text.ptr + len, text.len - len};
    }
    return RT_STR("");
}

const br_playbook_file *
ctl_set_file(const ctl_set *set, rt_str id)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (rt_str_equal(ctl_playbook_id(set->files[i].text), id)) {
            return &set->files[i];
        }
    }
    return NULL;
}
