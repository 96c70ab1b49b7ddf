#include "tests/sim/audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "brain/core/core_msgs.h"
#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/journal/journal.h"
#include "tests/sim/producer.h"

// Design notes.
// The journal is read once, from the beginning, with no code of the brain but the codecs, so that a
// mistake of the brain is not made here as well.

#define ARENA_BYTES_MAX (64u * 1024 * 1024)
#define PLACE_CAP 512

typedef struct audit {
    const br_pack *pack;
    audit_figures *figures;
    char *text;
    bool wrong;
    rt_map *events;    // producer_key -> seq
    rt_map *undecided; // seq (8 bytes) -> 1 + version of the live playbooks; 0 once decided
    rt_map *actions;   // action id -> seq of the intent; 0 once it has an outcome
    rt_map *in_flight; // tenant, target and group -> seq of the intent
    rt_map *hashes;    // seq -> hash of the decision
    const rt_map *posted;
    bool recycled;
    bool halted;
    uint64_t playbooks; // version of the live set; 0 when its record is gone
    int64_t last_at_ms;
    rt_arena *arena;
} audit;

static void
say(audit *a, const char *fmt, ...) RT_PRINTF(2, 3);

static void
say(audit *a, const char *fmt, ...)
{
    va_list args;

    if (a->wrong) {
        return; // the first finding counts
    }
    a->wrong = true;
    va_start(args, fmt);
    (void)vsnprintf(a->text, AUDIT_TEXT_MAX, fmt, args);
    va_end(args);
}

static rt_bytes
seq_key(const uint64_t *seq)
{
    return (rt_bytes){(const uint8_t *)seq, sizeof(*seq)};
}

static rt_bytes
place_key(uint64_t tenant, rt_str target, rt_str group, char *buf, size_t cap)
{
    int len = snprintf(buf, cap, "%llu %.*s %.*s", (unsigned long long)tenant, RT_STR_ARG(target),
                       RT_STR_ARG(group));

    return (rt_bytes){(const uint8_t *)buf, (size_t)len};
}

// --- events ---------------------------------------------------------------------------------

static void
see_outcome(audit *a, const rt_event *event)
{
    rt_value id = rt_event_field(event, "action_id");
    rt_value status = rt_event_field(event, "status");
    rt_bytes key = rt_bytes_of_str(id.s);
    const br_action *action = br_pack_action(a->pack, rt_event_field(event, "action").s);
    char buf[PLACE_CAP];
    uint64_t intent = 0;
    uint64_t posted = 0;

    a->figures->outcomes++;
    if (!rt_map_get(a->actions, key, &intent)) {
        if (a->recycled && (uint64_t)rt_value_as_i64(rt_event_field(event, "decision_seq"), 0) <
                               a->figures->first_seq) {
            return;
        }
        say(a, "record %llu: outcome of %.*s, which nobody intended",
            (unsigned long long)event->seq, RT_STR_ARG(id.s));
        return;
    }
    if (intent == 0) {
        say(a, "record %llu: second outcome of %.*s", (unsigned long long)event->seq,
            RT_STR_ARG(id.s));
        return;
    }
    // a webhook may be answered after the halt when it was sent before it (world.c sees to that)
    if (a->halted && rt_str_is(status.s, "executed") && !rt_map_get(a->posted, key, &posted)) {
        say(a, "record %llu: %.*s was executed while halted", (unsigned long long)event->seq,
            RT_STR_ARG(id.s));
    }
    (void)rt_map_put(a->actions, key, 0); // known, ended
    if (action != NULL && action->group.len > 0) {
        (void)rt_map_del(a->in_flight, place_key(event->tenant.v, event->subject, action->group,
                                                 buf, sizeof(buf))); // free again
    }
}

static void
see_own(audit *a, const rt_event *event)
{
    rt_str type = event->type->name;

    a->figures->internal++;
    a->figures->timers_fired += rt_str_is(type, "timer.fired");
    if (rt_str_is(type, "action.executed")) {
        see_outcome(a, event);
    } else if (rt_str_is(type, "system.halted")) {
        a->halted = true;
        a->figures->halts++;
    } else if (rt_str_is(type, "system.resumed")) {
        a->halted = false;
    } else if (rt_str_is(type, "message.dead_lettered")) {
        rt_value cause = rt_event_field(event, "cause");

        say(a, "record %llu: an agent failed: %.*s", (unsigned long long)event->seq,
            RT_STR_ARG(cause.s));
    }
}

static void
see_event(audit *a, const rt_record *record)
{
    rt_event event;
    char buf[PRODUCER_KEY_CAP];
    uint64_t before = 0;
    rt_err err = rt_event_decode_record(br_pack_catalog(a->pack), record->seq, record->at_ms,
                                        record->payload, &event);

    if (err != RT_OK) {
        say(a, "record %llu: %s: %s", (unsigned long long)record->seq, rt_err_name(err),
            rt_err_detail());
        return;
    }
    if ((record->flags & RT_RECORD_UNDECIDED) != 0) {
        (void)rt_map_put(a->undecided, seq_key(&record->seq), 1 + a->playbooks); // new
    }
    if (event.internal) {
        see_own(a, &event);
        return;
    }
    a->figures->external++;
    rt_bytes key = producer_key(event.tenant.v, event.source, event.id, buf);
    if (rt_map_get(a->events, key, &before)) {
        say(a, "record %llu: %s stands at %llu already", (unsigned long long)record->seq, buf,
            (unsigned long long)before);
    }
    (void)rt_map_put(a->events, key, record->seq); // new
    if ((record->flags & RT_RECORD_UNDECIDED) == 0) {
        say(a, "record %llu: a producer's event that nobody decides on",
            (unsigned long long)record->seq);
    }
}

// --- decisions ------------------------------------------------------------------------------

static void
see_winner(audit *a, const rt_record *record, const msg_decision *decision,
           const msg_candidate *winner)
{
    const br_action *action = br_pack_action(a->pack, winner->proposal.action);
    rt_bytes key = rt_bytes_of_str(winner->action_id);
    char buf[PLACE_CAP];
    uint64_t before = 0;

    a->figures->intents++;
    if (a->halted) {
        say(a, "record %llu: an action was admitted while halted", (unsigned long long)record->seq);
    }
    if (action == NULL) {
        say(a, "record %llu: no action '%.*s' in the pack", (unsigned long long)record->seq,
            RT_STR_ARG(winner->proposal.action));
        return;
    }
    if (!rt_map_put(a->actions, key, record->seq)) {
        say(a, "record %llu: %.*s is intended twice", (unsigned long long)record->seq,
            RT_STR_ARG(winner->action_id));
    }
    if (action->group.len == 0) {
        return;
    }
    rt_bytes place = place_key(decision->tenant, winner->proposal.target, action->group, buf,
                               sizeof(buf));
    if (rt_map_get(a->in_flight, place, &before)) {
        say(a, "record %llu: two actions in flight on %s (the other since %llu)",
            (unsigned long long)record->seq, buf, (unsigned long long)before);
    }
    (void)rt_map_put(a->in_flight, place, record->seq); // new
}

static void
see_decision(audit *a, const rt_record *record)
{
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);
    uint64_t open = 0;

    rt_arena_reset(a->arena);
    if (rt_msg_decode(&msg_decision_def, &mp, a->arena, &decision) != RT_OK) {
        say(a, "record %llu: %s", (unsigned long long)record->seq, rt_err_detail());
        return;
    }
    a->figures->decisions++;
    a->figures->missing += decision.missing.count > 0;
    if ((!rt_map_get(a->undecided, seq_key(&decision.event_seq), &open) || open == 0) &&
        decision.event_seq >= a->figures->first_seq) {
        say(a, "record %llu: a decision on %llu, which is not open",
            (unsigned long long)record->seq, (unsigned long long)decision.event_seq);
    }
    if (open > 1 && open != 1 + decision.playbooks) {
        say(a, "record %llu: decided by playbooks %llu, taken under %llu",
            (unsigned long long)record->seq, (unsigned long long)decision.playbooks,
            (unsigned long long)open - 1);
    }
    (void)rt_map_put(a->undecided, seq_key(&decision.event_seq), 0); // known
    (void)rt_map_put(a->hashes, seq_key(&record->seq), rt_hash64(record->payload, 0)); // new
    const msg_candidate *candidates = decision.candidates.items;
    for (uint32_t i = 0; i < decision.candidates.count; i++) {
        if (candidates[i].action_id.len > 0) {
            see_winner(a, record, &decision, &candidates[i]);
        }
    }
}

// A set: [version, files].
static void
see_playbooks(audit *a, const rt_record *record)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count = 0;

    a->figures->playbook_sets++;
    if (rt_mp_array(&mp, &count) != RT_OK || rt_mp_u64(&mp, &a->playbooks) != RT_OK) {
        say(a, "record %llu: no playbook set", (unsigned long long)record->seq);
    }
}

static void
see_record(audit *a, const rt_record *record)
{
    if (a->figures->records == 0) {
        a->figures->first_seq = record->seq;
        a->recycled = record->seq > 1;
    }
    if (record->seq != a->figures->first_seq + a->figures->records) {
        say(a, "record %llu is out of order", (unsigned long long)record->seq);
    }
    a->figures->records++;
    if (record->at_ms < a->last_at_ms) {
        say(a, "record %llu: the brain's clock went back", (unsigned long long)record->seq);
    }
    a->last_at_ms = record->at_ms;
    switch (record->kind) {
    case RT_RECORD_EVENT:
        see_event(a, record);
        break;
    case RT_RECORD_DECISION:
        see_decision(a, record);
        break;
    case RT_RECORD_PLAYBOOKS:
        see_playbooks(a, record);
        break;
    case RT_RECORD_START:
        a->figures->starts++;
        break;
    case RT_RECORD_REJECT:
    case RT_RECORD_COMMIT:
        break;
    }
}

// --- the whole ------------------------------------------------------------------------------

static void
check_end(audit *a)
{
    rt_bytes key;
    uint64_t value = 0;

    for (size_t cursor = 0; rt_map_next(a->undecided, &cursor, &key, &value);) {
        if (value != 0) {
            uint64_t seq = 0;

            memcpy(&seq, key.ptr, sizeof(seq));
            say(a, "event %llu was never decided", (unsigned long long)seq);
        }
    }
    for (size_t cursor = 0; rt_map_next(a->actions, &cursor, &key, &value);) {
        if (value != 0) {
            say(a, "action %.*s has no outcome", (int)key.len, (const char *)key.ptr);
        }
    }
}

static void
check_witness(audit *a, const audit_witness *witness)
{
    rt_bytes key;
    uint64_t value = 0;
    uint64_t found = 0;

    for (size_t i = 0; i < witness->acked_count; i++) {
        for (size_t cursor = 0; rt_map_next(witness->acked[i], &cursor, &key, &value);) {
            if (value < a->figures->first_seq) {
                continue;
            }
            if (!rt_map_get(a->events, key, &found) || found != value) {
                say(a, "%.*s was acknowledged as %llu and stands at %llu", (int)key.len,
                    (const char *)key.ptr, (unsigned long long)value, (unsigned long long)found);
            }
        }
    }
    for (size_t cursor = 0; rt_map_next(witness->posted, &cursor, &key, &value) && !a->recycled;) {
        if (!rt_map_get(a->actions, key, &found)) {
            say(a, "webhook %.*s was sent and is not in the journal", (int)key.len,
                (const char *)key.ptr);
        }
    }
    for (size_t cursor = 0; rt_map_next(witness->published, &cursor, &key, &value);) {
        uint64_t seq = 0;

        memcpy(&seq, key.ptr, sizeof(seq));
        if (seq >= a->figures->first_seq &&
            (!rt_map_get(a->hashes, key, &found) || found != value)) {
            say(a, "decision %llu was published and is not what the journal has",
                (unsigned long long)seq);
        }
    }
}

static void
read_all(audit *a, const char *dir)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = rt_journal_reader_open(dir, 1, &reader);

    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK) {
            see_record(a, &record);
        }
    }
    if (err != RT_EEND) {
        say(a, "after record %llu: %s: %s", (unsigned long long)a->figures->records,
            rt_err_name(err), rt_err_detail());
    }
    if (reader != NULL) {
        rt_journal_reader_close(reader);
    }
}

bool
audit_journal(const char *dir, const br_pack *pack, const audit_witness *witness,
              audit_figures *ret_figures, char ret_text[AUDIT_TEXT_MAX])
{
    audit a = {
        .pack = pack, .figures = ret_figures, .text = ret_text, .posted = witness->posted};
    rt_map **maps[] = {&a.events, &a.undecided, &a.actions, &a.in_flight, &a.hashes};

    memset(ret_figures, 0, sizeof(*ret_figures));
    a.arena = rt_arena_new(ARENA_BYTES_MAX);
    for (size_t i = 0; i < RT_COUNT(maps); i++) {
        *maps[i] = rt_map_new();
    }
    read_all(&a, dir);
    if (a.recycled && !witness->recycled) {
        say(&a, "the journal begins at %llu", (unsigned long long)ret_figures->first_seq);
    }
    check_end(&a);
    check_witness(&a, witness);
    for (size_t i = 0; i < RT_COUNT(maps); i++) {
        rt_map_free(*maps[i]);
    }
    rt_arena_free(a.arena);
    return !a.wrong;
}
