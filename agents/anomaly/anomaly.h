// anomaly/anomaly.h: the anomaly agent: tells when the business or the runtime leaves its usual
// range.
//
// Layer: agents/anomaly.   Threads: as brain/agent/agent.h.
#ifndef CEREBRO_AGENTS_ANOMALY_ANOMALY_H
#define CEREBRO_AGENTS_ANOMALY_ANOMALY_H

#include "brain/agent/agent.h"

extern const br_agent_def anomaly_agent;

#endif
