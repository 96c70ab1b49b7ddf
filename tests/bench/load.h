// bench/load.h: events made before the measuring begins, and the messages they are sent in.
//
// Layer: tests/bench (may use tools/replay and runtime).   Threads: one owner.
// The generator's events are in its own time; here they are moved so that each happens now. Every
// time inside an event (promised_at, eta_at) moves with it, so what an event says stays the same.
#ifndef CEREBRO_TESTS_BENCH_LOAD_H
#define CEREBRO_TESTS_BENCH_LOAD_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

typedef struct load_events {
    uint8_t *bytes;
    size_t len;
    size_t *starts; // count + 1 offsets
    int64_t *at_ms; // the generator's time of each
    uint32_t count;
} load_events;

typedef struct load_messages {
    uint8_t *bytes;
    size_t *starts; // count + 1 offsets
    uint32_t *sizes; // events in each
    uint32_t count;
    uint32_t events;
} load_messages;

// load_generate draws `count` events of a last-mile operation, always the same for a seed.
//   errors    RT_ERANGE
rt_err load_generate(uint32_t count, uint64_t seed, load_events *ret_events) RT_MUST_USE;
// load_events_free releases them.
void load_events_free(load_events *events);
// load_pack makes messages of `batch` events each out of events[first .. first + count), moved to
// happen at `now_ms`; a batch of 1 is a bare map.
void load_pack(const load_events *events, uint32_t first, uint32_t count, uint32_t batch,
               int64_t now_ms, load_messages *ret_messages);
// load_message views one message.
rt_bytes load_message(const load_messages *messages, uint32_t index);
// load_messages_free releases them.
void load_messages_free(load_messages *messages);
// load_move adds `delta_ms` to every RFC 3339 instant in a msgpack value, in place; only whole
// seconds are added, so that no text changes its length.
void load_move(uint8_t *bytes, size_t len, int64_t delta_ms);

#endif
