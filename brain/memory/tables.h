// brain/memory/tables.h: the stable numbers of the brain's tables on disk; never renumber.
//
// Layer: brain/memory.
#ifndef CEREBRO_BRAIN_MEMORY_TABLES_H
#define CEREBRO_BRAIN_MEMORY_TABLES_H

enum {
    BR_TABLE_META = 1,      // clock and counters of the fold
    BR_TABLE_SUBJECT = 2,   // short-term memory
    BR_TABLE_LONGTERM = 3,  // long-term memory
    BR_TABLE_FEATURE = 4,   // features
    BR_TABLE_DEDUP = 5,     // recently seen event ids
    BR_TABLE_SEQUENCE = 6,  // last number per producer
    BR_TABLE_GATE = 7,      // cooldowns and budgets
    BR_TABLE_OUTBOX = 8,    // actions between intent and outcome
    BR_TABLE_TIMER = 9,     // durable timers
    BR_TABLE_THROTTLE = 10, // playbook throttles
    BR_TABLE_SIMILAR = 11,  // past decisions by situation, with rewards
    BR_TABLE_DEAD = 12,     // dead letters
    BR_TABLE_PROGRESS = 13, // what playbooks keep in mind from one event to another
};

#endif
