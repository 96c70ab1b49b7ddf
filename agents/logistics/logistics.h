// logistics/logistics.h: the logistics agent: delays, carriers, failed attempts.
//
// Layer: agents/logistics.   Threads: as brain/agent/agent.h.
#ifndef CEREBRO_AGENTS_LOGISTICS_LOGISTICS_H
#define CEREBRO_AGENTS_LOGISTICS_LOGISTICS_H

#include "brain/agent/agent.h"

extern const br_agent_def logistics_agent;

#endif
