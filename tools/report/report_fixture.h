// report/report_fixture.h: journal records for the tests, as the brain writes them.
//
// Layer: tests of tools/report.
#ifndef CEREBRO_TOOLS_REPORT_REPORT_FIXTURE_H
#define CEREBRO_TOOLS_REPORT_REPORT_FIXTURE_H

#include <stdio.h>

#include "brain/core/core_msgs.h"
#include "runtime/wire/event.h"
#include "tests/harness/check.h"
#include "tools/report/ledger.h"

#define KIT_DAY INT64_C(86400000)

static const char kit_catalog_text[] =
    "kind: catalog\n"
    "events:\n"
    "  order.created:\n"
    "    doc: d\n"
    "    fields:\n"
    "      state: {type: str, doc: d}\n"
    "      city: {type: str, doc: d}\n"
    "      promised_at: {type: time, doc: d}\n"
    "  order.delivered:\n"
    "    doc: d\n"
    "  order.cancelled:\n"
    "    doc: d\n"
    "  action.executed:\n"
    "    doc: d\n"
    "    fields:\n"
    "      action_id: {type: str, doc: d}\n"
    "      action: {type: str, doc: d}\n"
    "      status: {type: str, doc: d}\n"
    "  decision.rewarded:\n"
    "    doc: d\n"
    "    fields:\n"
    "      cause: {type: str, doc: d}\n"
    "      reward: {type: f64, doc: d}\n"
    "  playbook.verified:\n"
    "    doc: d\n"
    "    fields:\n"
    "      playbook: {type: str, doc: d}\n"
    "      held: {type: bool, doc: d}\n"
    "  anomaly.detected:\n"
    "    doc: d\n"
    "    fields:\n"
    "      metric: {type: str, doc: d}\n"
    "      scope: {type: str, doc: d}\n"
    "      severity: {type: str, doc: d}\n"
    "      value: {type: f64, doc: d}\n"
    "  anomaly.cleared:\n"
    "    doc: d\n"
    "    fields:\n"
    "      metric: {type: str, doc: d}\n"
    "      scope: {type: str, doc: d}\n"
    "  healing.completed:\n"
    "    doc: d\n"
    "    fields:\n"
    "      playbook: {type: str, doc: d}\n"
    "      outcome: {type: str, doc: d}\n"
    "      steps: {type: i64, doc: d}\n";

// Writes records into one buffer; numbers count up from 1.
typedef struct kit {
    rt_catalog *catalog;
    rt_mpw payload; // of the newest record
    uint64_t seq;
} kit;

typedef struct kit_field {
    const char *name;
    rt_value value;
} kit_field;

// KIT_S, KIT_T, KIT_F, KIT_I and KIT_B make one field.
#define KIT_S(field, text) {field, RT_TEXT(RT_STR(text))}
#define KIT_T(field, ms) {field, RT_TIME(ms)}
#define KIT_F(field, number) {field, RT_F64(number)}
#define KIT_I(field, number) {field, RT_I64(number)}
#define KIT_B(field, truth) {field, RT_BOOL(truth)}

// kit_open loads the little catalogue.
static inline void
kit_open(kit *k)
{
    rt_diag *diag = rt_diag_new();

    *k = (kit){.catalog = rt_catalog_new()};
    CHECK_OK(rt_catalog_load(k->catalog, "kit", rt_str_of(kit_catalog_text), diag));
    rt_diag_free(diag);
    rt_mpw_init(&k->payload, 65536);
}

// kit_close releases it.
static inline void
kit_close(kit *k)
{
    rt_mpw_fini(&k->payload);
    rt_catalog_free(k->catalog);
}

// kit_event writes an event; `own` is one of the brain's.
static inline rt_record
kit_event(kit *k, const char *type, const char *subject, int64_t at_ms, bool own,
          const kit_field *fields, size_t count)
{
    char id[32];
    const rt_event_type *found = rt_catalog_find(k->catalog, rt_str_of(type));
    rt_event event = {.type = found,
                      .time_ms = at_ms,
                      .internal = own,
                      .source = RT_STR("/shop"),
                      .subject = rt_str_of(subject)};

    CHECK_TRUE(found != NULL);
    k->seq++;
    (void)snprintf(id, sizeof(id), "e%llu", (unsigned long long)k->seq);
    event.id = rt_str_of(id);
    for (size_t i = 0; i < count; i++) {
        int slot = rt_event_type_slot(found, rt_str_of(fields[i].name));

        CHECK_TRUE(slot >= 0);
        event.slots[slot] = fields[i].value;
    }
    rt_mpw_clear(&k->payload);
    rt_event_encode(&event, &k->payload);
    return (rt_record){.seq = k->seq,
                       .at_ms = at_ms,
                       .kind = RT_RECORD_EVENT,
                       .payload = rt_mpw_view(&k->payload)};
}

// kit_decision writes a decision.
static inline rt_record
kit_decision(kit *k, const msg_decision *decision, int64_t at_ms)
{
    rt_mpw_clear(&k->payload);
    rt_msg_encode(&msg_decision_def, decision, &k->payload);
    return (rt_record){.seq = ++k->seq,
                       .at_ms = at_ms,
                       .kind = RT_RECORD_DECISION,
                       .flags = RT_RECORD_SAID,
                       .payload = rt_mpw_view(&k->payload)};
}

// kit_created writes an order of a state with its promise; returns the number of the event.
static inline rt_record
kit_created(kit *k, const char *subject, rt_str state, int64_t at_ms, int64_t promised_ms)
{
    kit_field fields[] = {{"state", RT_TEXT(state)}, KIT_T("promised_at", promised_ms)};

    return kit_event(k, "order.created", subject, at_ms, false, fields, 2);
}

// kit_row finds a row of a table, or fails.
static inline const tally_row *
kit_row(const tally *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (rt_str_is(t->rows[i].name, name)) {
            return &t->rows[i];
        }
    }
    fail_msg("no row '%s'", name);
    return NULL;
}

#endif
