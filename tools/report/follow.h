// report/follow.h: a sample of what a brain decides, while it decides.
//
// Layer: tools/report.   Threads: one owner.
// Of each kind of decision (what was done, whether somebody lost or was refused) the first is told,
// then the 16th, the 256th and so on: what is rare is seen, what is frequent does not flood.
#ifndef CEREBRO_TOOLS_REPORT_FOLLOW_H
#define CEREBRO_TOOLS_REPORT_FOLLOW_H

#include "runtime/base/text.h"
#include "runtime/journal/journal.h"
#include "tools/report/tally.h"

typedef struct follower {
    tally kinds;
    rt_arena *arena; // of one record
    rt_text key;
} follower;

// follower_init prepares it.
void follower_init(follower *f);
// follower_fini releases it.
void follower_fini(follower *f);
// follower_tell appends one line about the record, without its end, when it is worth one; false
// when not.
bool follower_tell(follower *f, const rt_record *record, rt_text *out);

#endif
