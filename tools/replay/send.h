// replay/send.h: sends a stream to a brain, in batches that are each acknowledged.
//
// Layer: tools/replay.   Threads: one owner.   Blocks: yes.
// A batch is a msgpack array of event maps; the answer names the fate of every event in it. What
// was not answered is sent again with the same ids (the brain then answers "duplicate"), what the
// brain had no room for is sent again after a pause, and what it refused is counted and named.
#ifndef CEREBRO_TOOLS_REPLAY_SEND_H
#define CEREBRO_TOOLS_REPLAY_SEND_H

#include "runtime/base/arena.h"
#include "tools/replay/stream.h"

#define SEND_BATCH_MAX 4096  // events
#define SEND_WINDOW_MAX 64   // batches outstanding
#define SEND_REASONS_MAX 3   // of refusals that are kept in words
#define SEND_REASON_CAP 256
#define SEND_BODY_BYTES_MAX ((size_t)512 * 1024) // a batch is closed when it is this long
#define SEND_BUSY_MAX_MS ((int64_t)300 * 1000)   // how long a full brain is asked again

// Where batches go; a test puts its own in place of the socket.
typedef struct send_door {
    void *self;
    rt_err (*send)(void *self, uint32_t slot, rt_bytes body); // a request on a slot
    // waits for its answer a while; RT_ETIMEOUT when there is none yet
    rt_err (*recv)(void *self, uint32_t slot, rt_arena *arena, rt_bytes *ret_reply);
    int64_t (*now_ms)(void *self); // monotonic
    void (*sleep_ms)(void *self, int64_t ms);
} send_door;

typedef struct send_config {
    uint32_t batch;     // events in a request, 1..SEND_BATCH_MAX
    uint32_t window;    // requests outstanding, 1..SEND_WINDOW_MAX; above 1 they may overtake
    int64_t timeout_ms; // without any answer before it gives up
    double speed;       // event time per wall time; 0 = as fast as it goes
    void (*on_progress)(void *user, uint64_t settled, int64_t event_ms); // may be NULL
    void *user;
} send_config;

typedef struct send_totals {
    uint64_t events; // settled: accepted + duplicates + rejected
    uint64_t accepted;
    uint64_t duplicates;
    uint64_t rejected;
    uint64_t retried; // events sent again because the brain had no room
    uint64_t resent;  // requests sent again because nobody answered
    uint64_t requests;
    uint32_t reason_count;
    char reasons[SEND_REASONS_MAX][SEND_REASON_CAP];
} send_totals;

// send_stream sends everything the stream holds.
//   ret_totals also filled in on failure, with what was settled until then
//   errors    RT_EUNREACH nobody answered for timeout_ms · RT_EBUSY the brain stayed full ·
//             RT_EPROTO an answer that cannot be understood · those of the stream
rt_err send_stream(stream *s, const send_door *door, const send_config *config,
                   send_totals *ret_totals) RT_MUST_USE;

#endif
