// harness/audit_kit.h: journals for the tests of the checker, written by the real journal, event
// and message code on the simulated disk, record by record as the test says.
//
// Layer: tests (links brain and the simulated seams).   Threads: one.
// Where a record goes and its checksums are always right; what stands in it is the test's affair.
#ifndef CEREBRO_TESTS_HARNESS_AUDIT_KIT_H
#define CEREBRO_TESTS_HARNESS_AUDIT_KIT_H

#include "brain/core/core_msgs.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "tests/audit/audit.h"
#include "tests/harness/pack_kit.h"

#define AUDIT_KIT_DIR "/data/journal"
#define AUDIT_KIT_MINUTE_MS ((int64_t)60 * 1000)
#define AUDIT_KIT_HOUR_MS (60 * AUDIT_KIT_MINUTE_MS)
#define AUDIT_KIT_DAY_MS (24 * AUDIT_KIT_HOUR_MS)
#define AUDIT_KIT_NOON_MS (20000 * AUDIT_KIT_DAY_MS + 17 * AUDIT_KIT_HOUR_MS) // 12:00 at UTC-5
#define AUDIT_KIT_PER_MINUTE 6
#define AUDIT_KIT_CANDIDATES 4
#define AUDIT_KIT_INSTANCE "abcd1234"

static const char AUDIT_KIT_PACK[] =
    "kind: actions\n"
    "actions:\n"
    "  call: {resource: customer, group: contact, contact: true, executor: publish, cooldown: 2h,\n"
    "    budget: {per_target_day: 2}, args: {text: {type: str, required: true}}}\n"
    "  move: {resource: parcel, group: carrier, executor: publish, args: {by: {type: str}}}\n"
    "  note: {budget: {per_tenant_hour: 3}}\n"
    "  free: {}\n"
    "  hook: {executor: webhook, webhook: shop, args: {n: {type: f64}, s: {type: str}}}\n"
    "  reset: {executor: emit, emits: model.reset, args: {model: {type: str, required: true}}}\n";
static const char AUDIT_KIT_EVENTS[] =
    "kind: catalog\nevents:\n  thing.happened: {doc: Something., fields: {n: {type: i64, doc: "
    "Number.}}}\n";
static const char AUDIT_KIT_ENTITIES[] =
    "kind: entities\nentities:\n  customer: {}\n  parcel: {}\n";
static const char AUDIT_KIT_PLAYBOOK[] =
    "kind: playbook\nid: calm\nevents: [thing.happened]\nwhen: 'true'\n"
    "throttle: {key: event.subject, per: 6h}\n"
    "do:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_BOUNDED[] =
    "kind: playbook\nid: open\nevents: [thing.happened]\n"
    "calendar: {from: \"09:00\", until: \"17:00\", days: [mon, tue, wed, thu, fri], "
    "holidays: false}\n"
    "budget:\n  - {what: actions, limit: 2, window: 1d}\n"
    "do:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_ASKS[] =
    "kind: playbook\nid: asks\nevents: [thing.happened]\napprove: {ttl: 2h, quorum: 2}\n"
    "do:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_PAIR[] =
    "kind: playbook\nid: pair\npattern:\n  count: {event: thing.happened, at_least: 2}\n"
    "  key: event.subject\n  within: 1h\ndo:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_UNTIL[] =
    "kind: playbook\nid: until\nevents: [thing.happened]\n"
    "throttle: {key: event.subject, per: 6h, until: {event: thing.happened}}\n"
    "do:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_COLLECTS[] =
    "kind: playbook\nid: collects\nevents: [thing.happened]\n"
    "throttle: {key: event.subject, collect: {within: 1h, at_least: 2}}\n"
    "do:\n  - {action: free, target: 'a/1'}\n";
static const char AUDIT_KIT_CONFIG[] =
    "tenants:\n"
    "  - {id: 1, name: alpha, utc_offset: \"-05:00\"}\n"
    "  - {id: 2, name: beta}\n"
    "limits: {actions_per_minute: 6}\n"
    "gate: {quiet_from: \"21:00\", quiet_until: \"08:00\"}\n"
    "dedup: {events_max: 1024, window: 1d}\n"
    "webhooks:\n"
    "  - {name: shop, url: \"https://shop.example\", attempts: 3}\n";

typedef struct audit_kit {
    br_pack *pack;
    audit_pack *limits_pack;
    audit_limits limits;
    rt_journal *journal;
    int64_t now_ms;
    uint16_t tenant;
    uint64_t playbooks; // what decisions say
    uint64_t next_id;
    uint64_t last_seq;
    rt_mpw wire;
    rt_mpw data;
    // the decision being made; audit_kit_decide clears it
    msg_decision decision;
    msg_candidate candidates[AUDIT_KIT_CANDIDATES];
    char ids[AUDIT_KIT_CANDIDATES][64];
    rt_mpw args[AUDIT_KIT_CANDIDATES];
    uint32_t candidate_count;
    audit *audit;
} audit_kit;

// audit_kit_open opens the journal, of which a segment has 1 MiB.
static inline void
audit_kit_open(audit_kit *k)
{
    rt_journal_config config = {AUDIT_KIT_DIR, 1 << 20, 64 << 20, true};

    CHECK_OK(rt_journal_open(&config, &k->journal));
}

// audit_kit_new makes an empty journal on an empty disk, and an audit of it.
static inline audit_kit *
audit_kit_new(unsigned expected)
{
    static const char *const texts[] = {AUDIT_KIT_PACK, AUDIT_KIT_EVENTS, AUDIT_KIT_ENTITIES};
    audit_kit *k = rt_new(audit_kit);
    char *core = drive_read("config/packs/core/catalog.yaml");
    char why[256] = "";

    sim_disk_reset();
    k->pack = pack_kit_of(texts, RT_COUNT(texts));
    k->limits_pack = audit_pack_new();
    CHECK_TRUE(audit_pack_add(k->limits_pack, "core", core, strlen(core)));
    for (size_t i = 0; i < RT_COUNT(texts); i++) {
        CHECK_TRUE(audit_pack_add(k->limits_pack, "pack", texts[i], strlen(texts[i])));
    }
    k->limits = audit_limits_defaults();
    CHECK_TRUE(audit_limits_read(&k->limits, AUDIT_KIT_CONFIG, strlen(AUDIT_KIT_CONFIG), why));
    rt_free(core);
    rt_mpw_init(&k->wire, 65536);
    rt_mpw_init(&k->data, 65536);
    for (int i = 0; i < AUDIT_KIT_CANDIDATES; i++) {
        rt_mpw_init(&k->args[i], 4096);
    }
    k->now_ms = AUDIT_KIT_NOON_MS;
    k->tenant = 1;
    k->playbooks = 1;
    k->audit = audit_new(k->limits_pack, &k->limits, expected);
    audit_kit_open(k);
    return k;
}

// audit_kit_free releases everything.
static inline void
audit_kit_free(audit_kit *k)
{
    if (k->journal != NULL) {
        rt_journal_close(k->journal);
    }
    audit_free(k->audit);
    audit_pack_free(k->limits_pack);
    br_pack_free(k->pack);
    rt_mpw_fini(&k->wire);
    rt_mpw_fini(&k->data);
    for (int i = 0; i < AUDIT_KIT_CANDIDATES; i++) {
        rt_mpw_fini(&k->args[i]);
    }
    rt_free(k);
}

// audit_kit_commit ends the group.
static inline void
audit_kit_commit(audit_kit *k)
{
    if (rt_journal_pending(k->journal) > 0) {
        CHECK_OK(rt_journal_commit(k->journal));
    }
}

// audit_kit_end finishes a record begun with rt_journal_begin; its number.
static inline uint64_t
audit_kit_end(audit_kit *k)
{
    rt_record record;

    CHECK_OK(rt_journal_end(k->journal, &record));
    k->last_seq = record.seq;
    return record.seq;
}

// audit_kit_start records a start of the brain.
static inline uint64_t
audit_kit_start(audit_kit *k)
{
    rt_mpw *w = rt_journal_begin(k->journal, RT_RECORD_START, 0, k->now_ms);

    rt_mpw_array(w, 3);
    rt_mpw_cstr(w, AUDIT_KIT_INSTANCE);
    rt_mpw_cstr(w, "test");
    rt_mpw_u64(w, 1);
    return audit_kit_end(k);
}

// audit_kit_playbooks records that a set became live: one playbook is throttled, one bounded, one
// asks, one has a pattern, the throttle of one ends early, that of another collects.
static inline uint64_t
audit_kit_playbooks(audit_kit *k, uint64_t version)
{
    static const char *const texts[] = {AUDIT_KIT_PLAYBOOK, AUDIT_KIT_BOUNDED, AUDIT_KIT_ASKS,
                                        AUDIT_KIT_PAIR, AUDIT_KIT_UNTIL, AUDIT_KIT_COLLECTS};
    rt_mpw *w = rt_journal_begin(k->journal, RT_RECORD_PLAYBOOKS, 0, k->now_ms);

    rt_mpw_array(w, 2);
    rt_mpw_u64(w, version);
    rt_mpw_array(w, RT_COUNT(texts));
    for (size_t i = 0; i < RT_COUNT(texts); i++) {
        rt_mpw_array(w, 2);
        rt_mpw_cstr(w, "a.yaml");
        rt_mpw_cstr(w, texts[i]);
    }
    k->playbooks = version;
    return audit_kit_end(k);
}

// audit_kit_begin records what every journal begins with.
static inline void
audit_kit_begin(audit_kit *k)
{
    (void)audit_kit_start(k);
    (void)audit_kit_playbooks(k, 1);
    audit_kit_commit(k);
}

// audit_kit_write encodes an event as the brain does and journals it.
static inline uint64_t
audit_kit_write(audit_kit *k, rt_event *event, bool undecided)
{
    event->tenant = (rt_tenant){k->tenant};
    event->at_ms = k->now_ms;
    event->time_ms = event->time_ms == INT64_MIN ? k->now_ms : event->time_ms;
    rt_event_encode(event, rt_journal_begin(k->journal, RT_RECORD_EVENT,
                                            undecided ? RT_RECORD_UNDECIDED : 0, k->now_ms));
    return audit_kit_end(k);
}

// audit_kit_event records a producer's event with this id on this subject.
static inline uint64_t
audit_kit_event(audit_kit *k, const char *id, const char *subject)
{
    rt_event event;
    char json[512];

    (void)snprintf(json, sizeof(json),
                   "{\"id\": \"%s\", \"source\": \"/shop\", \"type\": \"thing.happened\", "
                   "\"subject\": \"%s\", \"data\": {\"n\": 1}}",
                   id, subject);
    pack_kit_event(k->pack, json, &k->wire, &event);
    return audit_kit_write(k, &event, true);
}

// audit_kit_any records a producer's event with an id of its own.
static inline uint64_t
audit_kit_any(audit_kit *k)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "e-%llu", (unsigned long long)++k->next_id);
    return audit_kit_event(k, id, "parcel/1");
}

// audit_kit_own records an event of the brain itself; `json` is its data.
static inline uint64_t
audit_kit_own(audit_kit *k, const char *type, const char *source, const char *id,
              const char *subject, const char *causation, uint8_t depth, const char *json)
{
    rt_event event;
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "{\"id\": \"%s\", \"source\": \"%s\", \"type\": \"%s\", \"subject\": \"%s\", "
                   "\"data\": %s}",
                   id, source, type, subject, json);
    pack_kit_event(k->pack, text, &k->wire, &event);
    event.internal = true;
    event.depth = depth;
    event.causation = rt_str_of(causation);
    return audit_kit_write(k, &event, false);
}

// audit_kit_propose adds a candidate that won to the decision being made; the candidate, to be
// changed. `json` are its arguments, or NULL.
static inline msg_candidate *
audit_kit_propose(audit_kit *k, const char *action, const char *target, const char *json)
{
    uint32_t i = k->candidate_count++;
    msg_candidate *c = &k->candidates[i];

    CHECK_TRUE(i < AUDIT_KIT_CANDIDATES);
    rt_mpw_clear(&k->args[i]);
    if (json != NULL) {
        CHECK_OK(rt_json_to_mp(rt_str_of(json), &k->args[i]));
    }
    *c = (msg_candidate){.proposal = {.agent = RT_STR("tester"),
                                      .action = rt_str_of(action),
                                      .target = rt_str_of(target),
                                      .args = rt_mpw_view(&k->args[i]),
                                      .priority = 50,
                                      .confidence = 0.5,
                                      .propensity = 1},
                         .score = 25,
                         .verdict = RT_STR("won"),
                         .why = RT_STR(""),
                         .action_id = RT_STR("?")};
    return c;
}

// audit_kit_verdict makes a candidate one that did not win.
static inline void
audit_kit_verdict(msg_candidate *c, const char *verdict, const char *why)
{
    c->verdict = rt_str_of(verdict);
    c->why = rt_str_of(why);
    c->action_id = RT_STR("");
}

// audit_kit_number gives the winners their action ids.
static inline void
audit_kit_number(audit_kit *k, uint64_t event_seq)
{
    unsigned number = 0;

    for (uint32_t i = 0; i < k->candidate_count; i++) {
        if (rt_str_is(k->candidates[i].action_id, "?")) {
            (void)snprintf(k->ids[i], sizeof(k->ids[i]), AUDIT_KIT_INSTANCE "-%llu-%u",
                           (unsigned long long)event_seq, number++);
            k->candidates[i].action_id = rt_str_of(k->ids[i]);
        }
    }
}

// audit_kit_encode fills the decision's head from an event of audit_kit_event and encodes it.
static inline void
audit_kit_encode(audit_kit *k, uint64_t event_seq, const char *id, const char *subject, rt_mpw *w)
{
    msg_decision *d = &k->decision;

    audit_kit_number(k, event_seq);
    d->event_seq = event_seq;
    d->event_id = rt_str_of(id);
    d->event_type = d->event_type.len > 0 ? d->event_type : RT_STR("thing.happened");
    d->tenant = d->tenant == 0 ? k->tenant : d->tenant;
    d->subject = rt_str_of(subject);
    d->playbooks = k->playbooks;
    d->candidates = (rt_msg_list){k->candidates, k->candidate_count};
    rt_msg_encode(&msg_decision_def, d, w);
}

// audit_kit_decide_on records the decision on an event with this id and subject.
static inline uint64_t
audit_kit_decide_on(audit_kit *k, uint64_t event_seq, const char *id, const char *subject)
{
    bool said = k->candidate_count > 0 || k->decision.predictions.count > 0;

    audit_kit_encode(
        k, event_seq, id, subject,
        rt_journal_begin(k->journal, RT_RECORD_DECISION, said ? RT_RECORD_SAID : 0, k->now_ms));
    k->decision = (msg_decision){0};
    k->candidate_count = 0;
    return audit_kit_end(k);
}

// audit_kit_decide records the decision on the newest event of audit_kit_any.
static inline uint64_t
audit_kit_decide(audit_kit *k, uint64_t event_seq)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "e-%llu", (unsigned long long)k->next_id);
    return audit_kit_decide_on(k, event_seq, id, "parcel/1");
}

// audit_kit_end_action records the outcome of action `number` decided with an event.
static inline uint64_t
audit_kit_end_action(audit_kit *k, uint64_t event_seq, unsigned number, const char *action,
                     const char *target, const char *status, unsigned attempts)
{
    char id[64];
    char own[96];
    char json[512];

    (void)snprintf(id, sizeof(id), AUDIT_KIT_INSTANCE "-%llu-%u", (unsigned long long)event_seq,
                   number);
    (void)snprintf(own, sizeof(own), "%s/%llu", id,
                   (unsigned long long)rt_journal_next_seq(k->journal));
    (void)snprintf(json, sizeof(json),
                   "{\"action_id\": \"%s\", \"action\": \"%s\", \"decision_seq\": %llu, "
                   "\"status\": \"%s\", \"attempts\": %u, \"detail\": \"HTTP 500\"}",
                   id, action, (unsigned long long)event_seq, status, attempts);
    return audit_kit_own(k, "action.executed", "/brain/outbox", own, target, id, 1, json);
}

// audit_kit_act records an event, its decision for one action, and that it was executed; the event.
static inline uint64_t
audit_kit_act(audit_kit *k, const char *action, const char *target, const char *json)
{
    uint64_t seq = audit_kit_any(k);

    (void)audit_kit_propose(k, action, target, json);
    (void)audit_kit_decide(k, seq);
    audit_kit_commit(k);
    (void)audit_kit_end_action(k, seq, 0, action, target, "executed", 1);
    audit_kit_commit(k);
    return seq;
}

typedef struct audit_kit_names {
    void (*on_name)(void *to, const char *name);
    void *to;
} audit_kit_names;

static inline void
audit_kit_on_name(void *user, const char *name)
{
    const audit_kit_names *names = user;

    names->on_name(names->to, name);
}

static inline bool
audit_kit_list(void *user, void (*on_name)(void *to, const char *name), void *to)
{
    audit_kit_names names = {on_name, to};

    (void)user;
    return rt_dir_list(AUDIT_KIT_DIR, audit_kit_on_name, &names) == RT_OK;
}

static inline rt_file *
audit_kit_file(const char *name)
{
    char path[256];
    rt_file *file = NULL;

    (void)snprintf(path, sizeof(path), AUDIT_KIT_DIR "/%s", name);
    CHECK_OK(rt_file_open(path, RT_FILE_WRITE, &file));
    return file;
}

static inline int64_t
audit_kit_size(void *user, const char *name)
{
    rt_file *file = audit_kit_file(name);
    uint64_t bytes = 0;

    (void)user;
    CHECK_OK(rt_file_size(file, &bytes));
    rt_file_close(file);
    return (int64_t)bytes;
}

static inline int64_t
audit_kit_read(void *user, const char *name, uint64_t offset, void *buf, size_t len)
{
    rt_file *file = audit_kit_file(name);
    size_t got = 0;

    (void)user;
    CHECK_OK(rt_file_pread(file, buf, len, offset, &got));
    rt_file_close(file);
    return (int64_t)got;
}

// audit_kit_run ends the journal and audits it.
static inline void
audit_kit_run(audit_kit *k)
{
    audit_files files = {audit_kit_list, audit_kit_size, audit_kit_read, NULL};

    if (k->journal != NULL) {
        audit_kit_commit(k);
        rt_journal_close(k->journal);
        k->journal = NULL;
    }
    CHECK_TRUE(audit_run(k->audit, &files));
}

// audit_kit_fine wants nothing to be wrong; it frees the kit.
static inline void
audit_kit_fine(audit_kit *k)
{
    audit_kit_run(k);
    if (audit_violation_count(k->audit) > 0) {
        const audit_violation *v = audit_violation_at(k->audit, 0);

        fail_msg("record %llu: %s: %s", (unsigned long long)v->seq, v->rule, v->text);
    }
    audit_kit_free(k);
}

// audit_kit_found wants one violation, of this rule by this record; it frees the kit.
static inline void
audit_kit_found(audit_kit *k, const char *rule, uint64_t seq)
{
    const audit_violation *v = NULL;

    audit_kit_run(k);
    for (size_t i = 0; (v = audit_violation_at(k->audit, i)) != NULL; i++) {
        if (i > 0 || strcmp(v->rule, rule) != 0 || v->seq != seq) {
            print_error("record %llu: %s: %s\n", (unsigned long long)v->seq, v->rule, v->text);
        }
    }
    CHECK_U64(audit_violation_count(k->audit), 1);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, rule);
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, seq);
    audit_kit_free(k);
}

#endif
