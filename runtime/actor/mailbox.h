// actor/mailbox.h: bounded first-in first-out queue of journal records with an overflow policy.
//
// Layer: runtime/actor (may use runtime/base, runtime/journal).   Threads: one owner.
// Payloads are copied, so a record may wait longer than the buffer it came in. Two bounds, records
// and bytes; what happens at a bound is declared when the mailbox is made.
#ifndef CEREBRO_RUNTIME_ACTOR_MAILBOX_H
#define CEREBRO_RUNTIME_ACTOR_MAILBOX_H

#include "runtime/actor/overflow.h"
#include "runtime/journal/journal.h"

#define RT_MAILBOX_COUNT_MAX (1u << 20)

typedef struct rt_mailbox_config {
    uint32_t count_max; // records, 1..RT_MAILBOX_COUNT_MAX
    size_t bytes_max;   // of payloads
    rt_overflow overflow;
    // Called with each dropped record while it is still valid; may be NULL. It must not push.
    void (*on_drop)(void *user, const rt_record *record);
    void *user;
} rt_mailbox_config;

typedef struct rt_mailbox rt_mailbox;

// rt_mailbox_new makes an empty mailbox.
rt_mailbox *rt_mailbox_new(rt_mailbox_config config) RT_MUST_USE;
// rt_mailbox_free releases it and what waits in it (on_drop is not called); NULL is fine.
void rt_mailbox_free(rt_mailbox *mailbox);
// rt_mailbox_push appends a copy of the record.
//   errors    RT_EFULL at a bound with RT_OVERFLOW_REFUSE · RT_ELIMIT the record alone is larger
//             than bytes_max · RT_ENOMEM; nothing is dropped for a record that is refused
rt_err rt_mailbox_push(rt_mailbox *mailbox, const rt_record *record) RT_MUST_USE;
// rt_mailbox_peek views the oldest record until it is popped or dropped; NULL when empty.
const rt_record *rt_mailbox_peek(const rt_mailbox *mailbox);
// rt_mailbox_pop removes the oldest record; the mailbox must not be empty.
void rt_mailbox_pop(rt_mailbox *mailbox);
// rt_mailbox_count is the number of records waiting, rt_mailbox_bytes the size of their payloads.
size_t rt_mailbox_count(const rt_mailbox *mailbox);
size_t rt_mailbox_bytes(const rt_mailbox *mailbox);
// rt_mailbox_dropped is the number of records dropped since it was made.
uint64_t rt_mailbox_dropped(const rt_mailbox *mailbox);

#endif
