// brain/core/backtest.h: decides a recorded journal again with another set of playbooks.
//
// Layer: brain/core.   Threads: one. Needs no clock: time is in the records.
// A fork of the state is folded along the journal. What came from outside is taken as it was
// recorded: producers' events, operators' commands, samples, and what agents said (their proposals,
// predictions, timers and events). What the brain itself made of it is made again and follows the
// edited decisions: throttles, cooldowns, limits, actions in flight, verifications, raised events.
// Where the record knows what became of something, it is believed; where it cannot know, this is
// assumed:
//   an action that was also taken then   ends where and as its recorded outcome says
//   a new action                         is executed at once, whatever its executor; with `emits`
//                                        it raises that event first
//   an action that is lost               is gone, with its outcome and all that this caused
//   a timer set by both                  fires where it fired; a new one when the clock passes it
//   an event that only the edited set    is heard by no agent; playbooks hear it, and it is decided
//   causes                               before the next event from outside
// So an unchanged set comes to the recorded decisions byte by byte, however events were interleaved
// then. An edited one comes to exactly what a brain decides that really runs it over the same
// events when
//   - agents would have said the same (always so without agents),
//   - no outcome of a new action fails, and
//   - every event is decided and its actions are done before the next one is taken: clock.source
//     events with clock.lag_max 0, or a producer that waits. Events of one millisecond may be taken
//     together when they arrive together in both runs.
// Closer together, an event may be taken a few places earlier or later than a live brain would.
#ifndef CEREBRO_BRAIN_CORE_BACKTEST_H
#define CEREBRO_BRAIN_CORE_BACKTEST_H

#include "brain/core/state.h"

// One event that somebody said something on, then or now.
typedef struct br_backtest_pair {
    uint64_t event_seq; // of the record; 0: only the edited set has this event
    uint64_t after_seq; // the record that was read last
    int64_t at_ms;
    const msg_decision *recorded; // NULL: there was no such event
    const msg_decision *again;    // NULL: the event is lost
    bool equal;                   // but for names that hold a version of the set
} br_backtest_pair;

// Where it stands.
typedef struct br_backtest_progress {
    uint64_t seq;
    int64_t at_ms;
    uint64_t records;
    uint64_t events;
} br_backtest_progress;

typedef struct br_backtest_config {
    const char *journal_dir;
    br_state_config state;
    const br_playbook_file *files; // the edited set, whole
    size_t file_count;
    uint64_t version; // it is compiled with; the recorded one makes equal decisions equal bytes
    int64_t since_ms;  // events before are decided as they were; 0 = none
    uint64_t until_seq; // 0 = to the end
    bool clock_from_events; // as the journal was recorded: clock.source
    bool verify; // the journal's hashes as well, not only its checksums
    // Told of every pair, equal or not; may be NULL. What it is shown lasts until it returns.
    void (*on_pair)(void *user, const br_backtest_pair *pair);
    // Told of every event of the period that playbooks are asked about, before they are; its number
    // is `event_seq` of the decision made again. May be NULL.
    void (*on_known)(void *user, const br_situation *known);
    // Asked for events that happen after the end of the record, one after the other, each with all
    // that it leads to; false ends it. Type, tenant and data are set, time_ms may be INT64_MIN: at
    // once. May be NULL.
    bool (*next_event)(void *user, rt_event *ret_event);
    // Shown the state at the end; may be NULL.
    void (*on_end)(void *user, const br_state *state);
    // Told now and then; false stops it (RT_EINTR is not an error of it: the result so far holds).
    bool (*on_progress)(void *user, const br_backtest_progress *progress);
    void *user;
} br_backtest_config;

typedef struct br_backtest_result {
    uint64_t first_seq; // of the journal; above 1 its beginning was recycled
    uint64_t last_seq;
    int64_t first_at_ms; // of what was decided again
    int64_t last_at_ms;
    uint64_t records;
    uint64_t events;      // recorded ones in the period
    uint64_t decisions;   // made again
    uint64_t differences; // pairs that are not equal
    uint64_t events_lost; // recorded events that do not happen now
    uint64_t events_new;
    uint64_t assumed;   // outcomes of new actions
    uint64_t undecided; // at the end
    bool is_partial;    // the beginning is missing: what was known of entities is read from the
                        // records, throttles and limits begin empty
    bool was_stopped;
} br_backtest_result;

// br_backtest runs it.
//   errors    RT_ECONFIG the set has findings (in `diag`) · RT_ENOTFOUND · RT_ECORRUPT · RT_ELIMIT
rt_err br_backtest(const br_backtest_config *config, rt_diag *diag,
                   br_backtest_result *ret_result) RT_MUST_USE;

#endif
