#include "tests/audit/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "tests/audit/internal.h"

// Design notes.
// The journal is read once, from its beginning. Whatever is checked is worked out from records, the
// pack's YAML, the configured limits and what witnesses saw; nothing is taken over from the code
// under test, so that its mistakes are not made here as well.
//
// A journal whose beginning was recycled is judged by what is left of it: what refers to records
// that are gone is passed over, and counts begin at zero, so that no limit is said to be broken
// which was not.

static void
open_tables(audit *a)
{
    a->events = audit__table_of(3 * sizeof(uint64_t));
    a->sequences = audit__table_of(sizeof(uint64_t));
    a->actions = audit__table_of(sizeof(audit__intent));
    a->places = audit__table_of(sizeof(audit__key));
    a->timers = audit__table_of(sizeof(int64_t));
    a->throttles = audit__table_of(sizeof(int64_t));
    a->periods = audit__table_of(sizeof(int64_t));
    a->untils = audit__table_of(sizeof(audit__key));
    a->failures = audit__table_of(sizeof(uint64_t));
    a->letters = audit__table_of(sizeof(uint64_t));
    a->named = audit__table_of(sizeof(uint64_t));
}

audit *
audit_new(const audit_pack *pack, const audit_limits *limits, unsigned expected)
{
    audit *a = audit__alloc(sizeof(*a));

    a->pack = pack;
    a->limits = *limits;
    a->expected = expected;
    a->decision = audit__alloc(sizeof(*a->decision));
    a->witness = audit__witness_new();
    a->budget = audit__budget_new();
    a->rules = audit__rules_new();
    open_tables(a);
    return a;
}

void
audit_free(audit *a)
{
    if (a == NULL) {
        return;
    }
    audit__table *tables[] = {&a->events,    &a->sequences, &a->actions,  &a->places, &a->timers,
                              &a->throttles, &a->periods,   &a->failures, &a->letters,
                              &a->named,     &a->untils};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        audit__table_fini(tables[i]);
    }
    audit__witness_free(a->witness);
    audit__budget_free(a->budget);
    audit__rules_free(a->rules);
    audit__free(a->decision);
    audit__free(a->notes);
    audit__free(a);
}

void
audit_on_record(audit *a, void (*call)(void *user, const audit_record *record), void *user)
{
    a->on_record = call;
    a->on_record_user = user;
}

const char *
audit_error(const audit *a)
{
    return a->error;
}

const audit_figures *
audit_figures_of(const audit *a)
{
    return &a->figures;
}

uint64_t
audit_violation_count(const audit *a)
{
    return a->violation_count;
}

const audit_violation *
audit_violation_at(const audit *a, size_t index)
{
    return index < a->violation_count && index < AUDIT_KEPT_MAX ? &a->kept[index] : NULL;
}

void
audit__say(audit *a, uint64_t seq, const char *rule, const char *fmt, ...)
{
    va_list args;

    if (a->violation_count < AUDIT_KEPT_MAX) {
        audit_violation *v = &a->kept[a->violation_count];

        v->seq = seq;
        (void)snprintf(v->rule, sizeof(v->rule), "%s", rule);
        va_start(args, fmt);
        (void)vsnprintf(v->text, sizeof(v->text), fmt, args);
        va_end(args);
    }
    a->violation_count++;
}

audit__note *
audit__note_of(audit *a, uint64_t seq)
{
    uint64_t first = a->figures.first_seq;

    if (a->figures.records == 0 || seq < first || seq - first >= a->figures.records) {
        return NULL;
    }
    return &a->notes[seq - first];
}

uint64_t
audit__head(audit__str id, audit__str type, audit__str subject)
{
    const audit__str parts[] = {id, type, subject};

    return audit__key_of(0, parts, 3).a;
}

// --- records of other kinds -------------------------------------------------------------------

// The period of a playbook's throttle and what bounds it, from its YAML.
static void
note_playbook(audit *a, uint64_t seq, audit__str name, audit__str text)
{
    char why[256] = "";
    audit__yaml *yaml = audit__yaml_new(text.ptr, text.len, why);
    audit__node *root = NULL;
    audit__str id = {"", 0};
    audit__str per = {"", 0};
    audit__str until = {"", 0};
    audit__node *throttle = NULL;
    int64_t period_ms = 0;

    if (yaml == NULL) {
        audit__say(a, seq, "playbooks", "playbook %.*s cannot be read: %s", STR_ARG(name), why);
        return;
    }
    root = audit__yaml_root(yaml);
    id = audit__yaml_text(audit__yaml_get(yaml, root, "id"));
    throttle = audit__yaml_get(yaml, root, "throttle");
    per = audit__yaml_text(audit__yaml_get(yaml, throttle, "per"));
    until = audit__yaml_text(
        audit__yaml_get(yaml, audit__yaml_get(yaml, throttle, "until"), "event"));
    if (per.len > 0 && !audit__duration_ms(per, &period_ms)) {
        audit__say(a, seq, "playbooks", "playbook %.*s: throttle per %.*s", STR_ARG(name),
                   STR_ARG(per));
    }
    if (period_ms > 0) {
        int64_t *kept = audit__table_put(&a->periods, audit__hash(id.ptr, id.len), NULL);

        *kept = period_ms;
    }
    if (until.len > 0) {
        *(audit__key *)audit__table_put(&a->untils, audit__hash(id.ptr, id.len), NULL) =
            audit__hash(until.ptr, until.len);
    }
    audit__rules_read(a, yaml, root);
    audit__yaml_free(yaml);
}

// [version, [[name, text] ...]]
static void
see_playbooks(audit *a, const audit_record *record)
{
    audit__mp mp = audit__mp_of(record->payload, record->payload_len);
    uint32_t two = audit__mp_array(&mp);
    uint64_t version = audit__mp_u64(&mp);
    uint32_t count = audit__mp_array(&mp);

    a->figures.playbook_sets++;
    audit__table_fini(&a->periods);
    audit__table_fini(&a->untils);
    a->periods = audit__table_of(sizeof(int64_t));
    a->untils = audit__table_of(sizeof(audit__key));
    audit__rules_clear(a);
    for (uint32_t i = 0; i < count && !mp.bad; i++) {
        uint32_t pair = audit__mp_array(&mp);
        audit__str name = audit__mp_str(&mp);
        audit__str text = audit__mp_str(&mp);

        if (pair == 2 && !mp.bad) {
            note_playbook(a, record->seq, name, text);
        }
    }
    if (mp.bad || two < 2) {
        audit__say(a, record->seq, "playbooks", "no playbook set");
        return;
    }
    if ((a->playbooks != 0 || !a->recycled) && version != a->playbooks + 1) {
        audit__say(a, record->seq, "playbooks", "version %" PRIu64 " follows %" PRIu64, version,
                   a->playbooks);
    }
    if (a->figures.undecided > 0) {
        audit__say(a, record->seq, "playbooks",
                   "version %" PRIu64 " goes live while %" PRIu64 " events are undecided", version,
                   a->figures.undecided);
    }
    a->playbooks = version;
}

// [instance, build, hash of the catalogue]
static void
see_start(audit *a, const audit_record *record)
{
    audit__mp mp = audit__mp_of(record->payload, record->payload_len);
    uint32_t count = audit__mp_array(&mp);
    audit__str instance = audit__mp_str(&mp);

    a->figures.starts++;
    if (mp.bad || count < 2 || instance.len == 0 || instance.len >= AUDIT_INSTANCE_CAP) {
        audit__say(a, record->seq, "start", "a start without a name");
        return;
    }
    if (a->instance[0] == '\0' && !a->recycled) {
        memcpy(a->instance, instance.ptr, instance.len);
    }
}

// [door, error, path, text, the input's beginning]
static void
see_reject(audit *a, const audit_record *record)
{
    audit__mp mp = audit__mp_of(record->payload, record->payload_len);
    uint32_t count = audit__mp_array(&mp);

    a->figures.rejects++;
    for (int i = 0; i < 4; i++) {
        (void)audit__mp_str(&mp);
    }
    (void)audit__mp_bin(&mp);
    if (mp.bad || count < 5) {
        audit__say(a, record->seq, "reject", "a refusal that cannot be read");
    }
}

static void
check_head(audit *a, const audit_record *record)
{
    uint8_t allowed = record->kind == KIND_EVENT      ? FLAG_UNDECIDED
                      : record->kind == KIND_DECISION ? FLAG_SAID
                                                      : 0;

    if (record->at_ms < a->last_at_ms) {
        audit__say(a, record->seq, "clock", "the clock goes back from %" PRId64 " to %" PRId64,
                   a->last_at_ms, record->at_ms);
    }
    a->last_at_ms = record->at_ms;
    if ((record->flags & ~allowed) != 0) {
        audit__say(a, record->seq, "record", "flags %u of a record of kind %u", record->flags,
                   record->kind);
    }
}

void
audit__see_record(audit *a, const audit_record *record)
{
    audit_figures *f = &a->figures;

    if (f->records == 0) {
        f->first_seq = record->seq;
        a->recycled = record->seq > 1;
        a->last_at_ms = record->at_ms;
    }
    if (f->records == a->note_cap) {
        a->note_cap = a->note_cap > 0 ? a->note_cap * 2 : 1024;
        a->notes = audit__grow(a->notes, a->note_cap * sizeof(audit__note));
    }
    a->notes[f->records] = (audit__note){.playbooks = (uint32_t)a->playbooks};
    f->records++;
    f->last_seq = record->seq;
    check_head(a, record);
    if (a->on_record != NULL) {
        a->on_record(a->on_record_user, record);
    }
    switch (record->kind) {
    case KIND_EVENT:
        audit__see_event(a, record);
        break;
    case KIND_DECISION:
        audit__see_decision(a, record);
        break;
    case KIND_PLAYBOOKS:
        see_playbooks(a, record);
        break;
    case KIND_REJECT:
        see_reject(a, record);
        break;
    default:
        see_start(a, record);
        break;
    }
}

// --- the whole --------------------------------------------------------------------------------

static void
check_undecided(audit *a)
{
    for (uint64_t i = 0; i < a->figures.records && a->figures.undecided > 0; i++) {
        const audit__note *note = &a->notes[i];

        if ((note->flags & (NOTE_UNDECIDED | NOTE_DECIDED)) == NOTE_UNDECIDED) {
            audit__say(a, a->figures.first_seq + i, "undecided", "was never decided");
        }
    }
}

static void
check_in_flight(audit *a)
{
    audit__key key;
    const audit__intent *intent = NULL;

    for (size_t cursor = 0; (intent = audit__table_next(&a->actions, &cursor, &key)) != NULL;) {
        if (intent->state == ACTION_IN_FLIGHT) {
            audit__say(a, intent->seq, "outcome-missing", "action %s-%" PRIu64 "-%u has no outcome",
                       a->instance, intent->event_seq, intent->number);
        }
    }
}

bool
audit_run(audit *a, const audit_files *files)
{
    if (!audit__read_segments(a, files)) {
        return false;
    }
    if ((a->expected & AUDIT_WHOLE) != 0 && a->recycled) {
        audit__say(a, a->figures.first_seq, "beginning", "the journal begins at %" PRIu64,
                   a->figures.first_seq);
    }
    if ((a->expected & AUDIT_DRAINED) != 0 && !a->stopped) {
        check_undecided(a);
        check_in_flight(a);
    }
    audit__witness_end(a);
    return true;
}
