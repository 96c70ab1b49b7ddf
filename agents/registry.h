// agents/registry.h: every agent of this build, in start order.
//
// Layer: agents.   Threads: any (constants). Made from the list in agents/meson.build.
#ifndef CEREBRO_AGENTS_REGISTRY_H
#define CEREBRO_AGENTS_REGISTRY_H

#include "brain/agent/agent.h"

extern const br_agent_def *const agents_registry[];
extern const size_t agents_registry_count;

#endif
