// Design notes.
// Reads the journal's files beside a running brain or of a stopped one. Nothing of the brain is
// needed: event records name their fields, decisions are compiled messages. The journal reads
// forwards only, so the newest records are looked for segment by segment from the end, each try
// going back twice as far.
#include <stdio.h>

#include "brain/core/core_msgs.h"
#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/query.h"
#include "tools/brainctl/value.h"

#define ITEM_MAX ((size_t)64 * 1024 * 1024)
#define DECISION_ARENA_MAX ((size_t)64 * 1024 * 1024)
#define SEGMENTS_MAX 65536
#define OUTCOMES_MAX 64

typedef struct segments {
    uint64_t *first;
    size_t count;
} segments;

typedef struct offline {
    ctl_run *run;
    const ctl_query *query;
    char dir[1024];
    rt_arena *arena; // of one decision
    uint32_t kinds;
} offline;

static uint32_t
kinds_of(rt_str list)
{
    static const struct {
        const char *name;
        rt_record_kind kind;
    } names[] = {{"event", RT_RECORD_EVENT}, {"decision", RT_RECORD_DECISION}};
    uint32_t kinds = 0;
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        kinds |= memmem(list.ptr, list.len, names[i].name, strlen(names[i].name)) != NULL
                     ? 1u << names[i].kind
                     : 0;
    }
    return kinds;
}

static bool
type_matches(rt_str pattern, rt_str type)
{
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        return rt_str_starts(type, (rt_str){pattern.ptr, pattern.len - 1});
    }
    return pattern.len == 0 || rt_str_equal(pattern, type);
}

static bool
wanted(const ctl_query *query, rt_str type, rt_str subject)
{
    return type_matches(query->type, type) &&
           (query->subject.len == 0 || rt_str_equal(query->subject, subject));
}

static void
begin_item(ctl_map *item, const rt_record *record, const char *kind)
{
    ctl_map_u64(item, "seq", record->seq);
    rt_mpw_i64(ctl_map_key(item, "at_ms"), record->at_ms);
    ctl_map_str(item, "kind", rt_str_of(kind));
}

static bool
keep(offline *o, ctl_map *item, rt_bytes *ret_item)
{
    rt_bytes copy = rt_arena_copy(o->run->arena, ctl_map_end(item));
    bool kept = copy.ptr != NULL && !item->w.failed;
    ctl_map_fini(item);
    *ret_item = copy;
    return kept;
}

// An event as the journal holds it: an array, see runtime/wire/event_record.c.
typedef struct stored_event {
    rt_str type;
    rt_bytes data;
    int64_t time_ms;
    uint64_t tenant;
    uint64_t priority;
    uint64_t flags;
    uint64_t depth;
    uint64_t sequence;
    rt_str id;
    rt_str source;
    rt_str subject;
    rt_str correlation;
    rt_str causation;
    rt_bytes context;
} stored_event;

static bool
read_event(rt_bytes payload, stored_event *e)
{
    rt_mp mp = rt_mp_init(payload);
    uint32_t count;
    uint64_t form;
    return rt_mp_array(&mp, &count) == RT_OK && count >= 15 && rt_mp_u64(&mp, &form) == RT_OK &&
           rt_mp_str(&mp, &e->type) == RT_OK && rt_mp_raw(&mp, &e->data) == RT_OK &&
           rt_mp_i64(&mp, &e->time_ms) == RT_OK && rt_mp_u64(&mp, &e->tenant) == RT_OK &&
           rt_mp_u64(&mp, &e->priority) == RT_OK && rt_mp_u64(&mp, &e->flags) == RT_OK &&
           rt_mp_u64(&mp, &e->depth) == RT_OK && rt_mp_u64(&mp, &e->sequence) == RT_OK &&
           rt_mp_str(&mp, &e->id) == RT_OK && rt_mp_str(&mp, &e->source) == RT_OK &&
           rt_mp_str(&mp, &e->subject) == RT_OK && rt_mp_str(&mp, &e->correlation) == RT_OK &&
           rt_mp_str(&mp, &e->causation) == RT_OK && rt_mp_bin(&mp, &e->context) == RT_OK;
}

static void
write_event(ctl_map *item, const stored_event *e)
{
    char at[RT_RFC3339_CAP];
    char tenant[32];
    ctl_map event = ctl_map_begin(ITEM_MAX);
    (void)snprintf(tenant, sizeof(tenant), "#%llu", (unsigned long long)e->tenant);
    ctl_map_str(&event, "specversion", RT_STR("1.0"));
    ctl_map_str(&event, "id", e->id);
    ctl_map_str(&event, "source", e->source);
    ctl_map_str(&event, "type", e->type);
    ctl_map_str(&event, "subject", e->subject);
    ctl_map_str(&event, "tenant", rt_str_of(tenant)); // names stand in the configuration only
    ctl_map_str(&event, "correlationid", e->correlation);
    ctl_map_str(&event, "causationid", e->causation);
    if (e->time_ms != INT64_MIN) {
        ctl_map_str(&event, "time", rt_str_of(rt_format_rfc3339(e->time_ms, at)));
    }
    rt_mpw_raw(ctl_map_key(&event, "data"), e->data);
    rt_mpw_raw(ctl_map_key(item, "event"), ctl_map_end(&event));
    ctl_map_fini(&event);
}

static bool
show_event(offline *o, const rt_record *record, rt_bytes *ret_item)
{
    stored_event e;
    if (!read_event(record->payload, &e) || !wanted(o->query, e.type, e.subject)) {
        return false;
    }
    ctl_map item = ctl_map_begin(ITEM_MAX);
    begin_item(&item, record, "event");
    ctl_map_bool(&item, "internal", (e.flags & 1) != 0);
    ctl_map_u64(&item, "depth", e.depth);
    ctl_map_bool(&item, "undecided", (record->flags & RT_RECORD_UNDECIDED) != 0);
    write_event(&item, &e);
    if (o->query->context && e.context.len > 0) {
        rt_mpw_raw(ctl_map_key(&item, "context"), e.context);
    }
    return keep(o, &item, ret_item);
}

static bool
read_decision(offline *o, const rt_record *record, msg_decision *ret_decision)
{
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(o->arena);
    return rt_msg_decode(&msg_decision_def, &mp, o->arena, ret_decision) == RT_OK;
}

static bool
show_decision(offline *o, const rt_record *record, rt_bytes *ret_item)
{
    msg_decision decision;
    bool said = (record->flags & RT_RECORD_SAID) != 0;
    if ((o->query->said && !said) || !read_decision(o, record, &decision) ||
        !wanted(o->query, decision.event_type, decision.subject)) {
        return false;
    }
    ctl_map item = ctl_map_begin(ITEM_MAX);
    begin_item(&item, record, "decision");
    ctl_map_bool(&item, "said", said);
    rt_msg_to_map(&msg_decision_def, &decision, ctl_map_key(&item, "decision"));
    return keep(o, &item, ret_item);
}

static bool
show(offline *o, const rt_record *record, rt_bytes *ret_item)
{
    if ((o->kinds >> record->kind & 1) == 0) {
        return false;
    }
    return record->kind == RT_RECORD_EVENT ? show_event(o, record, ret_item)
                                           : show_decision(o, record, ret_item);
}

static int
open_offline(ctl_run *run, const ctl_query *query, offline *o)
{
    *o = (offline){.run = run, .query = query, .kinds = kinds_of(rt_str_of(query->kind))};
    (void)snprintf(o->dir, sizeof(o->dir), "%s/journal", run->opt.values[CTL_FLAG_DATA]);
    if (!rt_file_exists(o->dir)) {
        return ctl_refuse(run, RT_ENOTFOUND, "the directory is data.dir of the brain's settings",
                          "there is no journal in %s", run->opt.values[CTL_FLAG_DATA]);
    }
    if (query->tenant.len > 0) {
        return ctl_refuse(run, RT_EINVAL, NULL, "a journal knows tenants by number only");
    }
    o->arena = rt_arena_new(DECISION_ARENA_MAX);
    return CTL_OK;
}

// Reads from a record to the end; stops early when `limit` items were found (0 = never).
static rt_err
read_from(offline *o, uint64_t from, uint64_t limit, ctl_found *found)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_bytes item;
    rt_err err = rt_journal_reader_open(o->dir, from, &reader);
    if (err != RT_OK) {
        return err;
    }
    while ((limit == 0 || found->count < limit) &&
           (err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        found->last_seq = record.seq;
        if (show(o, &record, &item)) {
            ctl_found_add(found, item);
        }
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

static void
on_segment(void *user, const char *name)
{
    segments *list = user;
    uint64_t seq = 0;
    size_t i = 0;
    for (; i < 16; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = name[i] != '\0' ? strchr(digits, name[i]) : NULL;
        if (digit == NULL) {
            return;
        }
        seq = seq << 4 | (uint64_t)(digit - digits);
    }
    if (strcmp(name + i, ".seg") == 0 && list->count < SEGMENTS_MAX) {
        list->first[list->count++] = seq;
    }
}

static void
keep_newest(ctl_found *found, uint64_t limit)
{
    if (found->count > limit) {
        memmove(found->items, found->items + (found->count - limit), sizeof(rt_bytes) * limit);
        found->count = limit;
    }
}

static rt_err
read_newest(offline *o, uint64_t limit, ctl_found *found)
{
    segments list = {.first = rt_new_array(uint64_t, SEGMENTS_MAX)};
    rt_err err = rt_dir_list(o->dir, on_segment, &list); // names sort as their numbers do
    for (size_t back = 1; err == RT_OK; back *= 2) {
        size_t i = list.count > back ? list.count - back : 0;
        found->count = 0;
        err = read_from(o, list.count > 0 ? list.first[i] : 0, 0, found);
        if (i == 0 || found->count >= limit) {
            break;
        }
    }
    keep_newest(found, limit);
    rt_free(list.first);
    return err;
}

int
ctl_offline_query(ctl_run *run, const ctl_query *query, ctl_found *ret_found)
{
    offline o;
    ctl_found found = {0};
    int code = open_offline(run, query, &o);
    if (code != CTL_OK) {
        return code;
    }
    rt_err err = query->newest ? read_newest(&o, query->limit, &found)
                               : read_from(&o, query->from, query->limit, &found);
    rt_arena_free(o.arena);
    if (err != RT_OK) {
        ctl_found_free(&found);
        return ctl_fail(run, err, NULL);
    }
    *ret_found = found;
    return CTL_OK;
}

static bool
is_outcome(const rt_record *record, uint64_t event_seq)
{
    static const char *const types[] = {"action.executed", "decision.rewarded",
                                        "feedback.received", "playbook.verified"};
    stored_event e;
    if (!read_event(record->payload, &e)) {
        return false;
    }
    for (size_t i = 0; i < RT_COUNT(types); i++) {
        if (rt_str_is(e.type, types[i])) {
            return ctl_u64(e.data, "decision_seq") == event_seq;
        }
    }
    return false;
}

typedef struct explained {
    rt_bytes event;
    rt_bytes decision;
    rt_bytes outcomes[OUTCOMES_MAX];
    uint32_t outcome_count;
} explained;

static rt_err
first_record(offline *o, rt_journal_reader **reader, uint64_t seq, rt_record *ret_record)
{
    rt_err err = rt_journal_reader_open(o->dir, seq, reader);
    if (err == RT_OK) {
        err = rt_journal_reader_next(*reader, ret_record);
    }
    if (err == RT_EEND || (err == RT_OK && ret_record->seq != seq)) {
        err = rt_fail(RT_ENOTFOUND, "the journal does not hold record %llu",
                      (unsigned long long)seq);
    }
    return err;
}

// Reads the event itself, also when its decision's number was given.
static rt_err
find_event(offline *o, rt_journal_reader **reader, uint64_t *seq, explained *e)
{
    rt_record record;
    msg_decision decision;
    rt_err err = first_record(o, reader, *seq, &record);
    if (err == RT_OK && record.kind == RT_RECORD_DECISION && read_decision(o, &record, &decision)) {
        *seq = decision.event_seq;
        rt_journal_reader_close(*reader);
        *reader = NULL;
        err = first_record(o, reader, *seq, &record);
    }
    if (err == RT_OK && (record.kind != RT_RECORD_EVENT || !show(o, &record, &e->event))) {
        err = rt_fail(RT_ENOTFOUND, "record %llu is neither an event nor a decision",
                      (unsigned long long)*seq);
    }
    return err;
}

static rt_err
find_consequences(offline *o, rt_journal_reader *reader, uint64_t seq, explained *e)
{
    rt_record record;
    rt_err err = RT_OK;
    while (e->outcome_count < OUTCOMES_MAX &&
           (err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        rt_bytes item;
        if (record.kind == RT_RECORD_DECISION && e->decision.len == 0) {
            msg_decision decision;
            if (read_decision(o, &record, &decision) && decision.event_seq == seq) {
                RT_IGNORE(show(o, &record, &e->decision)); // without it there is none
            }
        } else if (record.kind == RT_RECORD_EVENT && e->decision.len > 0 &&
                   is_outcome(&record, seq) && show(o, &record, &item)) {
            e->outcomes[e->outcome_count++] = item;
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

int
ctl_offline_explain(ctl_run *run, uint64_t seq, rt_bytes *ret_answer)
{
    ctl_query all = {.kind = "event,decision", .context = true};
    offline o;
    explained e = {.outcome_count = 0};
    rt_journal_reader *reader = NULL;
    int code = open_offline(run, &all, &o);
    if (code != CTL_OK) {
        return code;
    }
    rt_err err = find_event(&o, &reader, &seq, &e);
    if (err == RT_OK && ctl_bool(e.event, "undecided")) {
        err = find_consequences(&o, reader, seq, &e);
    }
    rt_journal_reader_close(reader);
    rt_arena_free(o.arena);
    if (err != RT_OK) {
        return ctl_fail(run, err, NULL);
    }
    ctl_map answer = ctl_map_begin(ITEM_MAX);
    rt_mpw_raw(ctl_map_key(&answer, "event"), e.event);
    if (e.decision.len > 0) {
        rt_mpw_raw(ctl_map_key(&answer, "decision"), e.decision);
    }
    rt_mpw_array(ctl_map_key(&answer, "outcomes"), e.outcome_count);
    for (uint32_t i = 0; i < e.outcome_count; i++) {
        rt_mpw_raw(&answer.w, e.outcomes[i]);
    }
    ctl_map_bool(&answer, "end", true);
    *ret_answer = rt_arena_copy(run->arena, ctl_map_end(&answer));
    ctl_map_fini(&answer);
    return ret_answer->ptr != NULL ? CTL_OK : ctl_refuse(run, RT_ENOMEM, NULL, "too much to show");
}
