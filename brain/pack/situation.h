// brain/pack/situation.h: what the brain knows at the moment an event arrives, and how expressions
// read it.
//
// Layer: brain/pack.   Threads: brain loop.
// A situation is built from state as it stood before the event: attributes of the touched entities,
// features of the keys it names, and short-term memory figures of its subject. It is written into
// the event's journal record as its context, so agents, explanations and backtests see exactly what
// the brain saw. Paths in expressions:
//   event.type .id .source .subject .time .priority     data.<field>     <entity>.<attribute>
//   feature.<group>.<stat>     memory.events .events_24h .age_ms .idle_ms     now
#ifndef CEREBRO_BRAIN_PACK_SITUATION_H
#define CEREBRO_BRAIN_PACK_SITUATION_H

#include "brain/pack/pack.h"

struct br_places; // brain/memory/place.h

typedef struct br_situation {
    const rt_event *event;
    const br_plan *plan;
    int64_t now_ms;
    rt_str keys[BR_TOUCHES_MAX]; // key of each touched entity; empty = not named
    rt_value attributes[BR_TOUCHES_MAX][BR_ATTRIBUTES_MAX];
    double features[BR_PLAN_GROUPS_MAX][BR_STATS_MAX];
    bool has_group[BR_PLAN_GROUPS_MAX]; // the event names a key of that group
    rt_str group_keys[BR_PLAN_GROUPS_MAX];
    int64_t memory_events;     // events of the subject ever
    int64_t memory_events_24h; // of those in short-term memory within 24 h
    int64_t memory_age_ms;     // since the subject was first seen
    int64_t memory_idle_ms;    // since it was last seen; -1 when new
    struct br_places *places;  // where its rows stand; NULL = nobody notes it
} br_situation;

typedef struct br_env {
    const br_pack *pack;
    const rt_event_type *type; // paths are resolved for events of this type
    const br_plan *plan;       // usually br_pack_plan(pack, type)
} br_env;

// br_env_expr makes the environment that br_expr_compile needs; `env` must outlive the compilation.
br_expr_env br_env_expr(br_env *env);
// br_situation_load is the br_expr_load of an environment made by br_env_expr; user = br_situation.
rt_value br_situation_load(const void *user, uint32_t slot);
// br_situation_decode restores attributes, features and memory figures from a recorded context into
// a situation whose event, plan and now_ms are set; what the context does not hold is absent.
void br_situation_decode(br_situation *situation, rt_bytes context);
// br_situation_encode writes the context map of an event.
void br_situation_encode(const br_situation *situation, rt_mpw *w);

#endif
