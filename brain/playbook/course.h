// brain/playbook/course.h: what playbooks do over several events: patterns, holds, approvals.
//
// Layer: brain/memory.   Threads: brain loop.
// A course runs when an event is decided, at its place in the journal, with what earlier decisions
// left behind (progress.h). It changes nothing: it adds to what the playbooks said of the event,
// and the writes and timers that it asks for take effect when the decision is folded.
#ifndef CEREBRO_BRAIN_PLAYBOOK_COURSE_H
#define CEREBRO_BRAIN_PLAYBOOK_COURSE_H

#include "brain/playbook/playbook.h"
#include "brain/memory/progress.h"

#define BR_WRITES_MAX 256 // of one decision

typedef struct br_course {
    const br_playbooks *set;
    const br_progress *progress;
    // the event decided on
    const rt_event_type *type;
    rt_tenant tenant;
    uint64_t seq;
    int64_t at_ms; // of the event
    int64_t now_ms; // of the decision
    rt_str subject;
    rt_bytes payload; // its record's payload; empty when no playbook asked for it
    rt_arena *arena;
    msg_consultation *said; // its lists grow
    rt_msg_list timers;     // of msg_timer, set whatever becomes of the proposals
    rt_msg_list writes;     // of msg_write
    // made when they are needed
    rt_event *event;
    br_situation *situation;
    bool failed; // the arena's limit
} br_course;

// br_playbooks_follow tells whether a course has to run for an event, beside what `said` holds of
// it; then the payload of its record is kept until its decision.
bool br_playbooks_follow(const br_playbooks *set, const rt_event *event,
                         const msg_consultation *said);
// br_course_follow goes on with everything that the event belongs to.
//   errors    RT_ENOMEM the arena's limit · RT_EPROTO a damaged payload
rt_err br_course_follow(br_course *course) RT_MUST_USE;

#endif
