// sim/brittle.h: an agent that cannot take certain orders, and stumbles over others at first.
//
// Layer: tests/sim.   Threads: one.
// It predicts something about every order it took, so that the journal shows which those are. An
// order is poison by its id alone: it fails in every life and in every replay.
#ifndef CEREBRO_TESTS_SIM_BRITTLE_H
#define CEREBRO_TESTS_SIM_BRITTLE_H

#include "brain/agent/agent.h"

#define BRITTLE_NAME "brittle"

extern const br_agent_def brittle_def;

// brittle_begin forgets what it stumbled over; one order in `poison_every` is poison (0: none).
void brittle_begin(uint64_t poison_every);
// brittle_failures counts the handlers that failed since.
uint64_t brittle_failures(void);
// brittle_check reads a whole journal: each poisoned order is one dead letter after three tries,
// and was predicted nothing about; every other was, unless the agent was recorded as missing.
//   ret_text  on false: what is wrong
bool brittle_check(const char *journal_dir, const rt_catalog *catalog, char *ret_text, size_t cap);

#endif
