// report/ledger.h: what a run consisted of, counted from its journal.
//
// Layer: tools/report (may use runtime/**, brain/core/core_msgs.h).   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPORT_LEDGER_H
#define CEREBRO_TOOLS_REPORT_LEDGER_H

#include "brain/core/core_msgs.h"
#include "tools/report/entry.h"
#include "tools/report/forecast.h"
#include "tools/report/tally.h"

#define LEDGER_INCIDENTS_MAX 2000 // anomalies kept one by one
#define LEDGER_NAME_CAP 96

// Columns of the tables.
enum { EVENTS_EXTERNAL, EVENTS_INTERNAL };
enum {
    SAID_PROPOSED,
    SAID_WON,
    SAID_LOST,
    SAID_REFUSED,
    SAID_VETOED,
    SAID_SHADOW,
    SAID_VETOES,
    SAID_DECISIONS, // by event type only: decisions on which somebody said something
};
enum { ACTION_DECIDED, ACTION_EXECUTED, ACTION_FAILED, ACTION_UNKNOWN, ACTION_CANCELLED };
enum {
    BOOK_FIRED,
    BOOK_FALSE,
    BOOK_THROTTLED,
    BOOK_ERROR,
    BOOK_HELD,     // verifications
    BOOK_NOT_HELD,
    BOOK_OTHER,
};
enum { ANOMALY_RAISED, ANOMALY_WORSE, ANOMALY_CLEARED };
enum { HEALING_HEALED, HEALING_ESCALATED, HEALING_STEPS };

// One anomaly from its first report to its end.
typedef struct ledger_incident {
    char metric[LEDGER_NAME_CAP];
    char kind[LEDGER_NAME_CAP];
    char scope[LEDGER_NAME_CAP];
    char severity[16]; // the worst it had
    int64_t from_ms;
    int64_t until_ms; // INT64_MIN: still on
    double value;
    double low;
    double high;
    uint32_t reports;
} ledger_incident;

// The newest report of the learning agent on one model.
typedef struct ledger_lesson {
    char model[LEDGER_NAME_CAP];
    uint64_t reports;
    int64_t samples; // of all its reports
    double auc; // NaN where it said nothing
    double log_loss;
    double base_log_loss;
    double mean_reward;
} ledger_lesson;

#define LEDGER_LESSONS_MAX 64

typedef struct ledger {
    uint64_t records;
    uint64_t bytes; // of payloads
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t starts;
    uint64_t playbook_sets;
    uint64_t unreadable; // records that could not be decoded
    int64_t first_ms;    // brain's clock
    int64_t last_ms;
    uint64_t external;
    uint64_t internal;
    uint64_t repeated; // external events whose source and id came before
    uint64_t decisions;
    uint64_t said;      // of those, with a proposal or a prediction
    uint64_t with_missing; // agents that did not answer in time
    uint64_t predictions;
    uint64_t repeated_actions; // outcomes "executed" beyond the first of an action
    uint64_t depth_max;

    tally events;     // by type
    tally said_by;    // by proposer
    tally said_on;    // by event type
    tally conflicts;  // "loser action < winner action"
    tally vetoes;
    tally refusals;   // "action: reason"
    tally actions;    // by type
    tally playbooks;  // by id
    tally anomalies;  // by metric
    tally healing;    // by remediation playbook; sum: milliseconds
    tally rewards;    // by cause; sum: rewards
    tally improvements; // by route
    tally rejects;    // "door error path"
    tally missing;    // by agent

    ledger_incident *incidents;
    size_t incident_count;
    ledger_lesson lessons[LEDGER_LESSONS_MAX];
    size_t lesson_count;

    forecast *forecast;
    const char *model; // whose predictions are judged
    bool delivered_only;
    rt_map *ids;       // of external events: source and id
    rt_map *done;      // action ids that were executed
    rt_arena *arena;   // of one record
} ledger;

// ledger_init prepares an empty one; `model` names the predictions that are joined to orders,
// `delivered_only` leaves out orders that never came (forecast.h).
void ledger_init(ledger *l, const char *model, bool delivered_only);
// ledger_fini releases it.
void ledger_fini(ledger *l);
// ledger_take counts one record.
void ledger_take(ledger *l, const rt_record *record);
// ledger_sort puts the largest rows first; nothing may be taken afterwards.
void ledger_sort(ledger *l);
// ledger_reason shortens the cause of a refusal to what can be counted: "cooldown", "quiet hours".
rt_str ledger_reason(rt_str why);

#endif
