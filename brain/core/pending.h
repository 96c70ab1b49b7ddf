// brain/core/pending.h: events that are journaled but not yet decided, in journal order.
//
// Layer: brain/core.   Threads: brain loop.
// A bounded FIFO. What a decision needs of its event is copied here, because by then the
// record's bytes may be gone: texts and the playbooks' consultation, in one byte ring that is freed
// from its head as decisions are made.
#ifndef CEREBRO_BRAIN_CORE_PENDING_H
#define CEREBRO_BRAIN_CORE_PENDING_H

#include "brain/core/core_msgs.h"
#include "runtime/wire/event.h"

#define BR_PENDING_MAX 16384
#define BR_PENDING_RESERVE 2048 // kept free of producers' events for those the brain makes itself
#define BR_PENDING_PAYLOAD_MAX (256u * 1024)   // a larger event takes no part in a course
#define BR_PENDING_BYTES (64u * 1024 * 1024)

typedef struct br_undecided {
    uint64_t seq;
    const rt_event_type *type;
    rt_tenant tenant;
    uint8_t depth;
    rt_str id;
    rt_str subject;
    rt_str correlation;
    int64_t at_ms;         // when it was recorded
    rt_bytes consultation; // encoded msg_consultation; empty when no playbook was looked at
    rt_bytes payload;      // of its record, when a course of a playbook needs it; else empty
    uint64_t waiting;      // bit per host that has not answered
    int64_t deadline_us;   // monotonic
    size_t ring_end;       // position in the byte ring after this event's bytes
} br_undecided;

typedef struct br_pending br_pending;

// br_pending_new makes an empty FIFO.
br_pending *br_pending_new(void) RT_MUST_USE;
// br_pending_free releases it.
void br_pending_free(br_pending *pending);
// br_pending_room tells whether one more event of any size still fits beside `reserve` others.
bool br_pending_room(const br_pending *pending, size_t reserve);
// br_pending_push adds an event (texts and bytes copied); br_pending_room must have said yes.
//   payload   of its record, or empty
br_undecided *br_pending_push(br_pending *pending, const rt_event *event, rt_bytes consultation,
                              rt_bytes payload);
// br_pending_head is the oldest event, or NULL.
br_undecided *br_pending_head(br_pending *pending);
// br_pending_pop removes the oldest.
void br_pending_pop(br_pending *pending);
// br_pending_count is the number of events waiting.
size_t br_pending_count(const br_pending *pending);
// br_pending_expect sets a host's bit on every event.
void br_pending_expect(br_pending *pending, unsigned host);
// br_pending_answered clears a host's bit on every event up to `upto_seq`.
void br_pending_answered(br_pending *pending, unsigned host, uint64_t upto_seq);

#endif
