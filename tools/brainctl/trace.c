// Design notes.
// The journal reads forwards only, and what is wanted are its newest events: each try begins eight
// times as far from the end as the one before, until enough was found. Only the playbook itself is
// compiled, out of each set that was live at one of them: what others say is in the record.
#include "tools/brainctl/trace_internal.h"

#include "runtime/base/alloc.h"
#include "runtime/journal/journal.h"
#include "tools/brainctl/output.h"

#define FIRST_SPAN 8192 // records
#define ARENA_MAX ((size_t)64 * 1024 * 1024)

ctl_tracer *
ctl_tracer_new(ctl_run *run, const br_pack *pack, const char *journal, const ctl_sets *sets)
{
    ctl_tracer *t = rt_new(ctl_tracer);
    t->run = run;
    t->pack = pack;
    t->journal = journal;
    t->sets = sets;
    t->waiting = rt_map_new();
    t->arena = rt_arena_new(ARENA_MAX);
    t->situation = rt_new(br_situation);
    return t;
}

static void
free_kept(ctl_tracer *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        rt_free(t->kept[i].bytes);
    }
    rt_free(t->kept);
    t->kept = NULL;
}

void
ctl_tracer_free(ctl_tracer *t)
{
    if (t == NULL) {
        return;
    }
    free_kept(t);
    for (size_t i = 0; i < t->rule_count; i++) {
        br_playbooks_free(t->rules[i].rules);
    }
    rt_free(t->rules);
    rt_map_free(t->waiting);
    rt_arena_free(t->arena);
    rt_free(t->situation);
    rt_free(t);
}

static const br_playbooks *
compile_in(ctl_tracer *t, const ctl_set *set)
{
    const br_playbook_file *file = ctl_set_file(set, rt_str_of(t->query.playbook));
    rt_diag *diag;
    if (file == NULL) {
        return NULL;
    }
    for (size_t i = t->rule_count; i > 0; i--) {
        if (rt_str_equal(t->rules[i - 1].text, file->text)) {
            return t->rules[i - 1].rules;
        }
    }
    if (t->rule_count == t->rule_cap) {
        t->rule_cap = RT_MAX(t->rule_cap * 2, (size_t)8);
        t->rules = rt_realloc(t->rules, sizeof(ctl__compiled) * t->rule_cap);
    }
    ctl__compiled *c = &t->rules[t->rule_count++];
    *c = (ctl__compiled){.set = set, .text = file->text};
    diag = rt_diag_new();
    if (br_playbooks_restore(t->pack, file, 1, set->version, diag, &c->rules) != RT_OK) {
        ctl_note(t->run, "as it was in v%llu it does not fit the pack of today",
                 (unsigned long long)set->version);
    }
    rt_diag_free(diag);
    return c->rules;
}

const br_playbooks *
ctl__rules_in(ctl_tracer *t, const ctl_set *set)
{
    if (t->last_set != set) {
        t->last_rules = compile_in(t, set);
        t->last_set = set;
    }
    return t->last_rules;
}

// --- finding -------------------------------------------------------------------------------------

void
ctl__kept_forget(ctl_tracer *t)
{
    free_kept(t);
    rt_map_free(t->waiting);
    t->waiting = rt_map_new();
    t->cap = 0;
    t->first = 0;
    t->count = 0;
}

ctl_kept *
ctl__kept_new(ctl_tracer *t)
{
    if (t->count == t->cap && t->cap < t->query.last) {
        size_t cap = RT_MIN(RT_MAX(t->cap * 2, (size_t)16), (size_t)t->query.last);
        t->kept = rt_realloc(t->kept, sizeof(ctl_kept) * cap); // first is 0 until it is full
        memset(t->kept + t->cap, 0, sizeof(ctl_kept) * (cap - t->cap));
        t->cap = cap;
    }
    if (t->count < t->cap) {
        return &t->kept[(t->first + t->count++) % t->cap];
    }
    ctl_kept *oldest = &t->kept[t->first];
    (void)rt_map_del(t->waiting, (rt_bytes){(const uint8_t *)&oldest->seq, sizeof(oldest->seq)});
    t->first = (t->first + 1) % t->cap;
    return oldest;
}

void
ctl__kept_bytes(ctl_kept *kept, rt_bytes payload, rt_bytes decision)
{
    size_t len = payload.len + decision.len;
    if (len > kept->cap) {
        kept->cap = RT_MAX(len, kept->cap * 2);
        uint8_t *bytes = rt_alloc(kept->cap);
        memcpy(bytes, payload.ptr, payload.len);
        rt_free(kept->bytes);
        kept->bytes = bytes;
    } else if (payload.ptr != kept->bytes) {
        memcpy(kept->bytes, payload.ptr, payload.len);
    }
    if (decision.len > 0) {
        memcpy(kept->bytes + payload.len, decision.ptr, decision.len);
    }
    kept->payload = (rt_bytes){kept->bytes, payload.len};
    kept->decision = (rt_bytes){kept->bytes + payload.len, decision.len};
}

void
ctl__expect(ctl_tracer *t, const ctl_kept *kept)
{
    rt_map_put(t->waiting, (rt_bytes){(const uint8_t *)&kept->seq, sizeof(kept->seq)},
               (uint64_t)(kept - t->kept));
}

void
ctl__decided(ctl_tracer *t, uint64_t seq, int64_t at_ms, rt_bytes decision)
{
    uint64_t place;
    if (!rt_map_get(t->waiting, (rt_bytes){(const uint8_t *)&seq, sizeof(seq)}, &place)) {
        return;
    }
    (void)rt_map_del(t->waiting, (rt_bytes){(const uint8_t *)&seq, sizeof(seq)});
    t->kept[place].decided_ms = at_ms;
    ctl__kept_bytes(&t->kept[place], t->kept[place].payload, decision);
}

// An event's type, without reading the rest of it.
static const rt_event_type *
type_of(const ctl_tracer *t, const rt_record *record)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    uint64_t form;
    rt_str type;
    bool ok = rt_mp_array(&mp, &count) == RT_OK && rt_mp_u64(&mp, &form) == RT_OK &&
              rt_mp_str(&mp, &type) == RT_OK;
    return ok ? rt_catalog_find(br_pack_catalog(t->pack), type) : NULL;
}

static bool
type_fits(rt_str pattern, rt_str type)
{
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        return rt_str_starts(type, (rt_str){pattern.ptr, pattern.len - 1});
    }
    return pattern.len == 0 || rt_str_equal(pattern, type);
}

bool
ctl__is_wanted(const ctl_tracer *t, const rt_event *event)
{
    const ctl_trace_query *q = &t->query;
    return type_fits(q->type, event->type->name) &&
           (q->subject.len == 0 || rt_str_equal(q->subject, event->subject)) &&
           (q->event_id.len == 0 || rt_str_equal(q->event_id, event->id));
}

static void
walk_event(ctl_tracer *t, const rt_record *record)
{
    const ctl_set *set = ctl_sets_at(t->sets, record->seq);
    const br_playbooks *rules = set != NULL ? ctl__rules_in(t, set) : NULL;
    const rt_event_type *type = rules != NULL ? type_of(t, record) : NULL;
    rt_str id = rt_str_of(t->query.playbook);
    if (type == NULL || record->at_ms < t->query.since_ms ||
        (t->query.seq != 0 && record->seq != t->query.seq) ||
        !br_playbooks_names(rules, id, type) ||
        rt_event_decode_record(br_pack_catalog(t->pack), record->seq, record->at_ms,
                               record->payload, &t->event) != RT_OK ||
        !br_playbooks_concerns(rules, id, &t->event) || !ctl__is_wanted(t, &t->event)) {
        return;
    }
    ctl_kept *kept = ctl__kept_new(t);
    kept->seq = record->seq;
    kept->at_ms = record->at_ms;
    kept->flags = record->flags;
    kept->set = set;
    kept->decided_ms = 0;
    ctl__kept_bytes(kept, record->payload, (rt_bytes){NULL, 0});
    if ((record->flags & RT_RECORD_UNDECIDED) != 0) {
        ctl__expect(t, kept);
    }
}

// A decision begins with its form's version and the number of its event.
static bool
decides_on(const rt_record *record, uint64_t *ret_seq)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    uint64_t version;
    return rt_mp_array(&mp, &count) == RT_OK && rt_mp_u64(&mp, &version) == RT_OK &&
           rt_mp_u64(&mp, ret_seq) == RT_OK;
}

static void
walk_decision(ctl_tracer *t, const rt_record *record)
{
    uint64_t seq;
    if (rt_map_count(t->waiting) > 0 && decides_on(record, &seq)) {
        ctl__decided(t, seq, record->at_ms, record->payload);
    }
}

// Reads from a record on; *ret_first_ms is when the first one was.
static rt_err
walk(ctl_tracer *t, uint64_t from, int64_t *ret_first_ms)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_err err = rt_journal_reader_open(t->journal, from, &reader);
    bool is_first = true;
    if (err != RT_OK) {
        return err;
    }
    rt_journal_reader_trust(reader); // all of it was read before, to find the sets
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        if (is_first) {
            *ret_first_ms = record.at_ms;
            is_first = false;
        }
        if (record.kind == RT_RECORD_EVENT) {
            walk_event(t, &record);
        } else if (record.kind == RT_RECORD_DECISION) {
            walk_decision(t, &record);
        }
        if (record.seq >= t->sets->last_seq ||
            (t->query.seq != 0 && record.seq > t->query.seq && rt_map_count(t->waiting) == 0)) {
            err = RT_EEND; // a brain that runs writes on
            break;
        }
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

int
ctl_tracer_find(ctl_tracer *t, const ctl_trace_query *query)
{
    uint64_t last = t->sets->last_seq;
    uint64_t span = FIRST_SPAN;
    bool enough = false;
    t->query = *query;
    t->query.last = RT_MIN(RT_MAX(query->last, 1u), (uint64_t)CTL_TRACED_MAX);
    while (!enough) {
        int64_t first_ms = INT64_MAX;
        uint64_t from = query->seq != 0 ? query->seq : last > span ? last - span + 1 : 1;
        from = RT_MAX(from, t->sets->first_seq);
        ctl__kept_forget(t);
        rt_err err = walk(t, from, &first_ms);
        if (err != RT_OK) {
            return ctl_fail(t->run, err, "brain-verify --scrub names all damage");
        }
        enough = query->seq != 0 || from <= t->sets->first_seq || t->count == t->query.last ||
                 (query->event_id.len > 0 && t->count > 0) || first_ms < query->since_ms;
        span *= 8;
    }
    return CTL_OK;
}

size_t
ctl_tracer_count(const ctl_tracer *t)
{
    return t->count;
}

// --- one event -----------------------------------------------------------------------------------

// What follows the condition is settled at the decision, and parts of patterns are put together.
static bool
agrees(const ctl_traced *traced, rt_str playbook)
{
    const msg_consulted *recorded =
        traced->decision != NULL ? ctl_consulted_of(traced->decision, playbook) : NULL;
    rt_str said = traced->trace.verdict;
    if (recorded == NULL || said.len == 0 || rt_str_is(said, "matched")) {
        return traced->decision == NULL || (recorded != NULL) == (said.len > 0) || said.len == 0;
    }
    if (rt_str_is(said, "fired")) {
        return !rt_str_is(recorded->verdict, "false") && !rt_str_is(recorded->verdict, "error");
    }
    return rt_str_equal(said, recorded->verdict);
}

static rt_err
evaluate(ctl_tracer *t, const ctl_kept *kept, ctl_traced *traced)
{
    rt_str id = rt_str_of(t->query.playbook);
    rt_err err = rt_event_decode_record(br_pack_catalog(t->pack), kept->seq, kept->at_ms,
                                        kept->payload, &t->event);
    if (err != RT_OK) {
        return err;
    }
    memset(t->situation, 0, sizeof(*t->situation));
    t->situation->event = &t->event;
    t->situation->plan = br_pack_plan_of(t->pack, &t->event);
    t->situation->now_ms = kept->at_ms;
    br_situation_decode(t->situation, t->event.context);
    err = br_playbooks_trace(ctl__rules_in(t, kept->set), id, t->situation, t->arena,
                             &traced->trace);
    if (err == RT_OK && kept->decision.len > 0) {
        rt_mp mp = rt_mp_init(kept->decision);
        err = rt_msg_decode(&msg_decision_def, &mp, t->arena, &t->decision);
    }
    return err;
}

int
ctl_tracer_at(ctl_tracer *t, size_t index, ctl_traced *ret_traced)
{
    const ctl_kept *kept = &t->kept[(t->first + index) % t->cap];
    rt_str id = rt_str_of(t->query.playbook);
    ctl_traced *r = ret_traced;
    rt_arena_reset(t->arena);
    memset(r, 0, sizeof(*r));
    r->seq = kept->seq;
    r->at_ms = kept->at_ms;
    r->version = kept->set->version;
    r->event = &t->event;
    rt_err err = evaluate(t, kept, r);
    if (err != RT_OK) {
        return ctl_fail(t->run, err, NULL);
    }
    if (kept->decision.len > 0) {
        r->decision = &t->decision;
        r->verdict = ctl_verdict_of(&t->decision, id, t->arena);
    } else {
        r->verdict.why = RT_STR("it is not decided yet");
    }
    r->agrees = agrees(r, id);
    return CTL_OK;
}
