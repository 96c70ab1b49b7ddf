#include "tools/brainctl/sets.h"

#include "runtime/base/alloc.h"
#include "runtime/journal/journal.h"
#include "tools/brainctl/output.h"

// A PLAYBOOKS record: [version, [[name, text] ...]].
static rt_err
read_set(ctl_run *run, const rt_record *record, ctl_set *ret_set)
{
    uint32_t two;
    rt_mp mp = rt_mp_init(record->payload);
    ctl_set set = {.seq = record->seq, .at_ms = record->at_ms};
    rt_err err = rt_mp_array(&mp, &two);
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

static rt_err
read_all(ctl_run *run, const char *journal, ctl_sets *sets)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_err err = rt_journal_reader_open(journal, 0, &reader);
    if (err != RT_OK) {
        return err;
    }
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        ctl_set set;
        sets->first_seq = sets->last_seq == 0 ? record.seq : sets->first_seq;
        sets->last_seq = record.seq;
        sets->last_at_ms = record.at_ms;
        if (record.kind == RT_RECORD_PLAYBOOKS && read_set(run, &record, &set) == RT_OK) {
            add_set(sets, &set);
        }
    }
    rt_journal_reader_close(reader);
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
    sets->sets = NULL;
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
