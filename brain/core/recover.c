// Design notes.
// After a crash the saved state reflects the journal up to applied_seq; everything after it is
// folded again. Recorded decisions are applied, not made again. Events without a decision are found
// again (they may lie before applied_seq, so reading begins at the last decided one) and wait for
// their agents anew; their playbooks are consulted from the context recorded with them.
#include <stdio.h>

#include "brain/core/internal.h"
#include "brain/core/rehearse.h"
#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"

#define PLAYBOOK_PATHS_MAX BR_PLAYBOOKS_MAX
#define PLAYBOOK_DIRS_MAX 64

typedef struct recovering {
    br_brain *brain;
    rt_arena *arena;
    rt_diag *diag;
} recovering;

// Situations of events already folded are read back from their records.
static rt_err
wait_again(recovering *r, const rt_event *event, rt_bytes payload)
{
    br_brain *brain = r->brain;
    br_situation *situation = brain->situation;
    memset(situation, 0, sizeof(*situation));
    situation->event = event;
    situation->plan = br_pack_plan_of(brain->config.pack, event);
    situation->now_ms = event->at_ms;
    br_situation_decode(situation, event->context);
    if (!br_pending_room(brain->pending, 0)) {
        return rt_fail(RT_ELIMIT, "more undecided events than this brain can hold");
    }
    br_undecided *item = br__wait(brain, event, situation, payload);
    item->deadline_us = rt_clock_mono_us() + brain->config.deadline_ms * 1000;
    return RT_OK;
}

static rt_err
recover_event(recovering *r, const rt_record *record)
{
    br_brain *brain = r->brain;
    rt_event event;
    rt_err err = rt_event_decode_record(br_pack_catalog(brain->config.pack), record->seq,
                                        record->at_ms, record->payload, &event);
    if (err == RT_EUNKNOWN && record->seq <= brain->state->applied_seq) {
        return RT_OK; // its type is gone from the catalogue; it is folded already
    }
    if (err != RT_OK) {
        return err;
    }
    bool is_folded = record->seq <= brain->state->applied_seq;
    if (RT_PLANTED(recovery_folds_twice)) {
        is_folded = record->seq < brain->state->applied_seq;
    }
    if ((record->flags & RT_RECORD_UNDECIDED) != 0) {
        err = wait_again(r, &event, record->payload); // reading began behind the last one decided
    }
    if (err == RT_OK && !is_folded) {
        br_state_situate(brain->state, &event, event.at_ms, brain->situation);
        br_state_apply_event(brain->state, &event, brain->situation);
    }
    return err;
}

static rt_err
recover_decision(recovering *r, const rt_record *record)
{
    br_brain *brain = r->brain;
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(r->arena);
    rt_err err = rt_msg_decode(&msg_decision_def, &mp, r->arena, &decision);
    if (err != RT_OK || record->seq <= brain->state->applied_seq) {
        return err;
    }
    const br_undecided *head = br_pending_head(brain->pending);
    if (head == NULL || head->seq != decision.event_seq) {
        return rt_fail(RT_ECORRUPT, "record %llu decides on event %llu, which is not the next",
                       (unsigned long long)record->seq, (unsigned long long)decision.event_seq);
    }
    br_pending_pop(brain->pending);
    br_state_apply_decision(brain->state, record, &decision);
    return RT_OK;
}

static rt_err
recover_record(recovering *r, const rt_record *record)
{
    br_state *state = r->brain->state;
    if (record->kind == RT_RECORD_EVENT) {
        return recover_event(r, record);
    }
    if (record->kind == RT_RECORD_DECISION) {
        return recover_decision(r, record);
    }
    if (record->seq <= state->applied_seq) {
        return RT_OK;
    }
    if (record->kind == RT_RECORD_PLAYBOOKS) {
        br_playbooks *set;
        rt_err err =
            br_state_decode_playbooks(r->brain->config.pack, record->payload, r->diag, &set);
        if (err != RT_OK) {
            return err;
        }
        br_state_apply_playbooks(state, record, set);
    }
    if (record->kind == RT_RECORD_START) {
        br_state_apply_start(state, record);
    }
    if (record->kind == RT_RECORD_REJECT) {
        br_state_apply_reject(state, record);
    }
    return RT_OK;
}

// Says what the journal found when it was opened: what was cut must not go unnoticed, and neither
// must damage that stops nothing.
static void
tell_journal(br_brain *brain, const rt_journal_info *info)
{
    if (info->torn_bytes > 0) {
        brain->metrics.journal_cut_bytes += info->torn_bytes;
        rt_log_warn("journal-tail-cut",
                    "bytes=%llu records=%llu after_seq=%llu: written and not acknowledged when the "
                    "last run ended",
                    (unsigned long long)info->torn_bytes, (unsigned long long)info->torn_records,
                    (unsigned long long)info->last_seq);
    }
    if (info->damaged_marks > 0) {
        brain->metrics.journal_damage += info->damaged_marks;
        rt_log_warn("journal-mark-damaged",
                    "segments=%u: notes of what was durable cannot be read; all records are fine",
                    info->damaged_marks);
    }
    if (info->is_beginning_missing) {
        brain->metrics.journal_damage++;
        rt_log_error("journal-beginning-missing",
                     "first_seq=%llu: the segments before are gone and not by retention; restore "
                     "them from a backup",
                     (unsigned long long)info->first_seq);
    }
}

rt_err
br__recover(br_brain *brain, rt_diag *diag)
{
    char dir[1024];
    rt_journal_reader *reader;
    rt_journal_info info = rt_journal_info_get(brain->journal);
    br_state *state = brain->state;
    tell_journal(brain, &info);
    if (state->applied_seq > info.last_seq) {
        return rt_fail(RT_ECORRUPT,
                       "the state reflects record %llu but the journal ends at %llu: restore the "
                       "journal, or the whole data directory, from a backup",
                       (unsigned long long)state->applied_seq, (unsigned long long)info.last_seq);
    }
    if (info.last_seq == 0) {
        return RT_OK;
    }
    // what is decided is applied, so all that may wait or is to be folded lies behind this
    uint64_t from = state->meta.decided_seq + 1;
    from -= RT_PLANTED(recovery_decides_twice) && from > 1;
    uint64_t saved_seq = state->applied_seq;
    if (state->applied_seq + 1 < info.first_seq) {
        return rt_fail(RT_ECORRUPT,
                       "the journal begins at %llu, after the state's %llu: restore the data "
                       "directory from a backup",
                       (unsigned long long)info.first_seq, (unsigned long long)state->applied_seq);
    }
    snprintf(dir, sizeof(dir), "%s/journal", brain->config.data_dir);
    rt_err err = rt_journal_reader_open(dir, RT_MAX(from, info.first_seq), &reader);
    if (err != RT_OK) {
        return err;
    }
    recovering r = {.brain = brain, .arena = rt_arena_new(BR_TURN_ARENA_BYTES), .diag = diag};
    rt_record record;
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        if (RT_PLANTED(recovery_drops_last) && record.seq == info.last_seq) {
            continue;
        }
        err = recover_record(&r, &record);
        if (err != RT_OK) {
            break;
        }
    }
    rt_journal_reader_close(reader);
    rt_arena_free(r.arena);
    if (err == RT_EEND) {
        rt_log_info("recovered", "records=%llu undecided=%zu torn_records=%llu last_seq=%llu",
                    (unsigned long long)(info.last_seq - saved_seq),
                    br_pending_count(brain->pending), (unsigned long long)info.torn_records,
                    (unsigned long long)info.last_seq);
        return RT_OK;
    }
    return err;
}

typedef struct dir_files {
    const char *dir;
    rt_arena *arena;
    br_playbook_file *files;
    size_t count;
    rt_err err;
} dir_files;

static void
on_file(void *user, const char *name)
{
    dir_files *walk = user;
    size_t len = strlen(name);
    rt_str text;
    if (len < 6 || strcmp(name + len - 5, ".yaml") != 0 || walk->err != RT_OK) {
        return;
    }
    rt_str path = rt_arena_printf(walk->arena, "%s/%s", walk->dir, name);
    walk->err = path.ptr == NULL ? RT_ENOMEM
                                 : rt_file_read_all(path.ptr, BR_PLAYBOOK_BYTES_MAX, walk->arena,
                                                    &text);
    if (walk->err == RT_OK && walk->count == PLAYBOOK_PATHS_MAX) {
        walk->err = rt_fail(RT_ELIMIT, "more than %d playbooks", PLAYBOOK_PATHS_MAX);
    }
    if (walk->err == RT_OK) {
        walk->files[walk->count++] = (br_playbook_file){path, text};
    }
}

typedef struct dir_names {
    rt_arena *arena;
    const char *dir;
    rt_str names[PLAYBOOK_DIRS_MAX];
    size_t count;
    rt_err err;
} dir_names;

static void
on_sub_dir(void *user, const char *name)
{
    dir_names *walk = user;
    if (strchr(name, '.') != NULL || walk->err != RT_OK) {
        return;
    }
    rt_str path = rt_arena_printf(walk->arena, "%s/%s", walk->dir, name);
    if (path.ptr == NULL) {
        walk->err = RT_ENOMEM;
    } else if (walk->count == PLAYBOOK_DIRS_MAX) {
        walk->err = rt_fail(RT_ELIMIT, "more than %d directories of playbooks", PLAYBOOK_DIRS_MAX);
    } else {
        walk->names[walk->count++] = path;
    }
}

// The directory itself and its direct sub-directories.
static rt_err
read_files(const char *dir, dir_files *walk)
{
    dir_names subs = {.arena = walk->arena, .dir = dir};
    walk->dir = dir;
    rt_err err = rt_dir_list(dir, on_file, walk);
    if (err == RT_OK) {
        err = rt_dir_list(dir, on_sub_dir, &subs);
    }
    if (err == RT_OK) {
        err = subs.err;
    }
    for (size_t i = 0; i < subs.count && err == RT_OK; i++) {
        walk->dir = subs.names[i].ptr;
        // what has no dot in its name and is no directory is no playbook either
        RT_IGNORE(rt_dir_list(walk->dir, on_file, walk));
    }
    return err != RT_OK ? err : walk->err;
}

static rt_err
compile_dir(const br_pack *pack, const char *dir, uint64_t version, rt_diag *diag,
            br_playbooks **ret_set)
{
    dir_files walk = {.arena = rt_arena_new(BR_TURN_ARENA_BYTES),
                      .files = rt_new_array(br_playbook_file, PLAYBOOK_PATHS_MAX)};
    rt_err err = read_files(dir, &walk);
    if (err == RT_OK) {
        err = br_playbooks_compile(pack, walk.files, walk.count, version, diag, ret_set);
    }
    if (err == RT_OK) {
        err = br_rehearse(pack, walk.files, walk.count, diag, NULL, NULL);
        if (err != RT_OK) {
            br_playbooks_free(*ret_set);
            *ret_set = NULL;
        }
    }
    rt_free(walk.files);
    rt_arena_free(walk.arena);
    return err;
}

rt_err
br_check_playbooks(const br_pack *pack, const char *dir, rt_diag *diag)
{
    br_playbooks *set = NULL;
    rt_err err = dir == NULL ? RT_OK : compile_dir(pack, dir, 1, diag, &set);
    br_playbooks_free(set);
    return err;
}

rt_err
br__load_playbooks(br_brain *brain, rt_diag *diag, br_playbooks **ret_set)
{
    br_playbooks *set = NULL;
    *ret_set = NULL;
    if (brain->config.playbook_dir == NULL) {
        return RT_OK;
    }
    rt_err err = compile_dir(brain->config.pack, brain->config.playbook_dir,
                             brain->state->meta.playbooks_version + 1, diag, &set);
    if (err != RT_OK) {
        return err;
    }
    size_t count = br_playbooks_file_count(set);
    br_playbook_file *files = rt_new_array(br_playbook_file, count + 1);
    for (size_t i = 0; i < count; i++) {
        files[i] = br_playbooks_file(set, i);
    }
    bool changed = br_playbooks_hash(files, count) != brain->state->meta.playbooks_hash;
    rt_free(files);
    if (changed) {
        *ret_set = set;
    } else {
        br_playbooks_free(set);
    }
    return RT_OK;
}
