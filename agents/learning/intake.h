// learning/intake.h: from a decision record to a remembered decision.
//
// Layer: agents/learning.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_LEARNING_INTAKE_H
#define CEREBRO_AGENTS_LEARNING_INTAKE_H

#include "agents/learning/memory.h"
#include "brain/core/core_msgs.h"

// learning_take remembers a decision from which something can be learned, and links it to its order
// and customer.
void learning_take(const learning_memory *memory, int64_t at_ms, const msg_decision *decision);

#endif
