// logistics/say.h: what the agent says, put into messages: predictions, proposals and delays.
//
// Layer: agents/logistics.   Threads: the host's loop. For handlers only.
#ifndef CEREBRO_AGENTS_LOGISTICS_SAY_H
#define CEREBRO_AGENTS_LOGISTICS_SAY_H

#include "agents/logistics/order.h"
#include "agents/logistics/policy.h"
#include "brain/agent/agent.h"

// A speaker writes arguments into a buffer that lives as long as the agent.
typedef struct logistics_speaker {
    br_agent *self;
    rt_mpw *scratch;
} logistics_speaker;

// A choice of carrier with what it was made from.
typedef struct logistics_verdict {
    const logistics_option *options;
    logistics_choice choice;
    rt_str city;
    rt_str from; // carrier that has the order; empty = none yet
    double days_left;
} logistics_verdict;

// A probable or certain delay, announced at `at_ms`.
typedef struct logistics_delay {
    double risk;
    int64_t at_ms;
    const char *why; // for people
} logistics_delay;

// logistics_say_risk records the forecast with the features that moved it most.
rt_err logistics_say_risk(logistics_speaker speaker, const logistics_risk *risk,
                          const double features[LOGISTICS_FEATURES]) RT_MUST_USE;
// logistics_say_carrier proposes assign_carrier, or reassign_carrier when there is one already.
rt_err logistics_say_carrier(logistics_speaker speaker, rt_str id,
                             const logistics_verdict *verdict) RT_MUST_USE;
// logistics_say_expedite proposes expedite_order.
rt_err logistics_say_expedite(logistics_speaker speaker, rt_str id, rt_str carrier,
                              const logistics_delay *delay) RT_MUST_USE;
// logistics_say_delay raises delay.detected.
rt_err logistics_say_delay(logistics_speaker speaker, rt_str id, const logistics_order *order,
                           const logistics_delay *delay) RT_MUST_USE;
// logistics_say_reschedule proposes reschedule_delivery.
rt_err logistics_say_reschedule(logistics_speaker speaker, rt_str id,
                                const logistics_window *window, int64_t attempt) RT_MUST_USE;
// logistics_say_capacity proposes capacity_alert.
rt_err logistics_say_capacity(logistics_speaker speaker, rt_str carrier, rt_str city,
                              int64_t capacity, int64_t load) RT_MUST_USE;
// logistics_say_veto forbids every action on an order.
rt_err logistics_say_veto(logistics_speaker speaker, rt_str id, rt_str reason) RT_MUST_USE;

#endif
