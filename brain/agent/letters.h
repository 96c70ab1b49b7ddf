// brain/agent/letters.h: records that an agent gave up, until the brain has a durable dead letter.
//
// Layer: brain/agent.   Threads: the host's loop thread.
// An agent passes over a record that it could not take three times, so the record is lost unless
// the dead letter is written. A failure is kept here, over restarts too, and sent again until the
// brain says that it is settled; the brain knows one it has seen.
#ifndef CEREBRO_BRAIN_AGENT_LETTERS_H
#define CEREBRO_BRAIN_AGENT_LETTERS_H

#include "brain/core/core_msgs.h"
#include "runtime/store/store.h"

#define BR_LETTERS_MAX 4096

typedef struct br_letters br_letters;

// br_letters_open reads what the last cut kept in `table`, which holds nothing else.
//   errors    RT_ECORRUPT
rt_err br_letters_open(rt_table *table, br_letters **ret_letters) RT_MUST_USE;
// br_letters_free releases them; the table stays as it is. NULL is fine.
void br_letters_free(br_letters *letters);
// br_letters_add keeps a copy of a failure and numbers it; beyond BR_LETTERS_MAX the oldest goes.
void br_letters_add(br_letters *letters, const msg_failure *failure);
// br_letters_take lists those not sent yet, oldest first, and counts them as sent; texts view
// `letters` until it next changes. Empty when the arena has no room.
rt_msg_list br_letters_take(br_letters *letters, rt_arena *arena) RT_MUST_USE;
// br_letters_again counts all as not sent: the link is another, or nothing was heard of them.
void br_letters_again(br_letters *letters);
// br_letters_settle forgets the failure of that number, if it is here.
void br_letters_settle(br_letters *letters, uint64_t number);
// br_letters_count is how many are kept; br_letters_waiting how many of them are not sent.
size_t br_letters_count(const br_letters *letters);
size_t br_letters_waiting(const br_letters *letters);

#endif
