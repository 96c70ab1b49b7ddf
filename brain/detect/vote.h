// detect/vote.h: makes one verdict from several detectors' readings of the same value.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// One detector alone is often wrong in its own way; two that agree rarely are.
#ifndef CEREBRO_BRAIN_DETECT_VOTE_H
#define CEREBRO_BRAIN_DETECT_VOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brain/detect/reading.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

#define BR_VOTE_READINGS_MAX 8

typedef enum br_severity {
    BR_SEVERITY_NONE = 0,
    BR_SEVERITY_INFO = 1,     // somebody alarms, too few to believe it
    BR_SEVERITY_WARNING = 2,  // enough agree
    BR_SEVERITY_CRITICAL = 3, // enough agree, and all do or they do so strongly
} br_severity;

typedef struct br_vote_config {
    uint32_t votes_needed;
    double critical_score; // mean score of those that alarm
    int64_t refractory_ms; // silence after a raise, unless things get worse
} br_vote_config;

#define BR_VOTE_DEFAULTS                                                                           \
    ((br_vote_config){.votes_needed = 2, .critical_score = 2.0, .refractory_ms = 3600000})

// br_vote is what must be remembered between verdicts; zero is a fresh one.
typedef struct br_vote {
    int64_t raised_at_ms;
    uint32_t raised_severity; // 0 = nothing was raised yet
    uint32_t raised_count;
} br_vote;

typedef struct br_verdict {
    br_severity severity;
    bool raised;      // tell someone now: at least a warning, and not within the silence
    bool above;       // the value lies above what was expected
    uint32_t votes;
    uint32_t voters;  // detectors that were ready
    double score;     // mean score of those that alarm, or of all ready ones when none does
    double low;       // expected range: median of the ready detectors' bounds
    double high;
} br_verdict;

// br_severity_text is "none", "info", "warning" or "critical".
const char *br_severity_text(br_severity severity);

// br_vote_count weighs the readings of one value. With no ready reading the verdict is none.
//   errors    RT_EINVAL no readings or more than BR_VOTE_READINGS_MAX, votes_needed 0,
//             refractory_ms < 0, a score or bound not finite
rt_err br_vote_count(br_vote *state, const br_vote_config *config, const br_reading *readings,
                     size_t count, int64_t at_ms, br_verdict *ret_verdict) RT_MUST_USE;

#endif
