// harness/decisions.h: decision records for agents that hear them, on top of drive.h.
//
// Layer: tests (links brain).   Threads: one.
// The tests say what the coordinator would have made of the last answer: every candidate gets one
// verdict, and the record goes through the codec like in the journal.
#ifndef CEREBRO_TESTS_HARNESS_DECISIONS_H
#define CEREBRO_TESTS_HARNESS_DECISIONS_H

#include "tests/harness/drive.h"

// decisions_feed feeds a decision record at `at_ms`; what is said about it is in d->last.
static inline void
decisions_feed(drive *d, const msg_decision *decision, int64_t at_ms)
{
    rt_event about = {.type = rt_catalog_find(d->catalog, RT_STR("timer.fired")),
                      .tenant = DRIVE_TENANT};
    rt_mpw w;
    rt_record record = {.seq = ++d->seq, .at_ms = at_ms, .kind = RT_RECORD_DECISION};

    rt_mpw_init(&w, DRIVE_RECORD_MAX);
    rt_msg_encode(&msg_decision_def, decision, &w);
    CHECK_FALSE(w.failed);
    record.payload = rt_mpw_view(&w);
    CHECK_OK(br_runner_feed(d->runner, &record, (int64_t)record.seq));
    drive_take(d, &about);
    rt_mpw_fini(&w);
}

// decisions_settle decides the last answer: all its proposals get `verdict` ("won", "refused" ...).
// Does nothing when nothing was proposed or predicted. Returns the decided event's seq.
static inline uint64_t
decisions_settle(drive *d, const char *event_type, const char *subject, const char *verdict,
                 int64_t at_ms)
{
    msg_candidate candidates[BR_ANSWER_PROPOSALS_MAX] = {0};
    const msg_proposal *proposals = d->last.proposals.items;
    msg_decision decision = {.event_seq = d->seq,
                             .event_type = rt_str_of(event_type),
                             .tenant = DRIVE_TENANT.v,
                             .subject = rt_str_of(subject),
                             .predictions = d->last.predictions};
    uint64_t seq = d->seq;

    for (uint32_t i = 0; i < d->last.proposals.count; i++) {
        candidates[i].proposal = proposals[i];
        candidates[i].score = (double)proposals[i].priority * proposals[i].confidence;
        candidates[i].verdict = rt_str_of(verdict);
        candidates[i].why = RT_STR("because the test says so");
    }
    decision.candidates = (rt_msg_list){candidates, d->last.proposals.count};
    if (decision.candidates.count > 0 || decision.predictions.count > 0) {
        decisions_feed(d, &decision, at_ms);
    }
    return seq;
}

#endif
