// brain/agent/unconfirmed.h: answers that the brain has not confirmed yet.
//
// Layer: brain/agent.   Threads: the host's loop thread.
// An answer may be lost with the link or with the brain, and the record it answers is never fed
// again once a cut holds it. So a host keeps every answer until a durable decision covers its
// record, saves the kept ones with each cut, and repeats them in hello.
#ifndef CEREBRO_BRAIN_AGENT_UNCONFIRMED_H
#define CEREBRO_BRAIN_AGENT_UNCONFIRMED_H

#include "brain/core/core_msgs.h"
#include "runtime/store/store.h"

#define BR_UNCONFIRMED_COUNT_MAX RT_MSG_LIST_MAX
#define BR_UNCONFIRMED_BYTES_MAX (16u * 1024 * 1024)

typedef struct br_unconfirmed br_unconfirmed;

// br_unconfirmed_open reads what the last cut kept in `table`, which holds nothing else.
//   errors    RT_ECORRUPT
rt_err br_unconfirmed_open(rt_table *table, br_unconfirmed **ret_unconfirmed) RT_MUST_USE;
// br_unconfirmed_free releases it; the table stays as it is. NULL is fine.
void br_unconfirmed_free(br_unconfirmed *unconfirmed);
// br_unconfirmed_add keeps a copy of an answer; beyond a limit the oldest go.
void br_unconfirmed_add(br_unconfirmed *unconfirmed, const msg_answer *answer);
// br_unconfirmed_confirm forgets answers for records up to `decided_seq`.
void br_unconfirmed_confirm(br_unconfirmed *unconfirmed, uint64_t decided_seq);
// br_unconfirmed_save brings the table up to date, before a cut.
void br_unconfirmed_save(br_unconfirmed *unconfirmed);
// br_unconfirmed_list reads all kept answers, in order of seq (of those to one record the oldest
// first), into `arena`; texts view `unconfirmed`.
//   errors    RT_ENOMEM
rt_err br_unconfirmed_list(const br_unconfirmed *unconfirmed, rt_arena *arena,
                       rt_msg_list *ret_answers) RT_MUST_USE;
// br_unconfirmed_count is the number kept.
size_t br_unconfirmed_count(const br_unconfirmed *unconfirmed);

#endif
