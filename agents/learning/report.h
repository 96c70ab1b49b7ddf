// learning/report.h: the daily report: how models and actions did, and what should be changed.
//
// Layer: agents/learning.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_LEARNING_REPORT_H
#define CEREBRO_AGENTS_LEARNING_REPORT_H

#include "agents/learning/scores.h"
#include "brain/agent/agent.h"

// learning_report_limits says from how much evidence on a change is proposed.
typedef struct learning_report_limits {
    int64_t model_samples;
    int64_t area_samples;
    int64_t action_samples;
    int64_t improvement_every_ms;
    double reward_sd;
} learning_report_limits;

// learning_report says as much of the report as fits into one answer, beginning at item *cursor
// (0 = the first), and moves *cursor on; 0 when the report is complete.
//   errors    those of br_emit and br_propose
rt_err learning_report(br_agent *self, const learning_memory *memory,
                       const learning_tuning *tuning, const learning_report_limits *limits,
                       rt_tenant tenant, int64_t at_ms, uint64_t *cursor) RT_MUST_USE;

#endif
