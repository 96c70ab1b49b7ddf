// learning/scores.h: the rows that say how models forecast and what actions earn.
//
// Layer: agents/learning.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_LEARNING_SCORES_H
#define CEREBRO_AGENTS_LEARNING_SCORES_H

#include "agents/learning/memory.h"
#include "agents/learning/policy.h"

// learning_area is how a model does in one place or with one carrier; zero is empty.
typedef struct learning_area {
    br_decayed loss;
    br_decayed positive;
} learning_area;

// learning_tuning is how fast the past fades.
typedef struct learning_tuning {
    double decay;              // per forecast
    int64_t area_half_life_ms;
    int64_t worth_half_life_ms;
} learning_tuning;

// learning_score_note judges one forecast of a model.
//   areas     names such as "city/pasto" that it is also counted for; empty ones are passed over
//   errors    RT_EINVAL the forecast is no probability
rt_err learning_score_note(const learning_memory *memory, const learning_tuning *tuning,
                           rt_tenant tenant, uint16_t model, double probability, bool positive,
                           const rt_str *areas, size_t area_count, int64_t at_ms) RT_MUST_USE;
// learning_score_read and learning_score_write copy a model's score.
learning_score learning_score_read(const learning_memory *memory, rt_tenant tenant,
                                   uint16_t model);
void learning_score_write(const learning_memory *memory, rt_tenant tenant, uint16_t model,
                          const learning_score *score);
// learning_score_auc is the model's AUC; false while only one kind of outcome was seen.
bool learning_score_auc(const learning_memory *memory, rt_tenant tenant, uint16_t model,
                        double *ret_auc);
// learning_score_reset forgets how a model did (it begins anew).
void learning_score_reset(const learning_memory *memory, rt_tenant tenant, uint16_t model);
// learning_area_read copies how a model does in an area.
learning_area learning_area_read(const learning_memory *memory, rt_tenant tenant, uint16_t model,
                                 uint16_t area);

// learning_worth_note adds a reward to an action.
//   errors    RT_EINVAL not finite
rt_err learning_worth_note(const learning_memory *memory, const learning_tuning *tuning,
                           rt_tenant tenant, uint16_t action, double reward, bool first,
                           int64_t at_ms) RT_MUST_USE;
// learning_worth_read and learning_worth_write copy an action's worth.
learning_worth learning_worth_read(const learning_memory *memory, rt_tenant tenant,
                                   uint16_t action);
void learning_worth_write(const learning_memory *memory, rt_tenant tenant, uint16_t action,
                          const learning_worth *worth);

// learning_once tells whether `what` may be said again, and if so that it was said now.
bool learning_once(const learning_memory *memory, rt_tenant tenant, rt_str what, int64_t at_ms,
                   int64_t every_ms);

#endif
