// bench/peer_server.h: a peer's server, and the windowed flood that brokers are measured with.
//
// Layer: tests/bench.   Threads: see each function.
#ifndef CEREBRO_TESTS_BENCH_PEER_SERVER_H
#define CEREBRO_TESTS_BENCH_PEER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/peer.h"
#include "tests/bench/process.h"

#define PEER_OUTSTANDING 16384 // sent and not yet consumed: as many as flood-64 has
#define PEER_WARM_UP_US 700000 // sent first and not counted

typedef struct peer_server {
    pid_t pid;
    uint16_t port;
    char dir[600];
} peer_server;

// What producers and consumer of one run share. Its counts go on from warm-up to measured load.
typedef struct peer_flood {
    const load_events *events;
    int64_t begin_us; // of the load at hand
    int64_t end_us;   // no sending after it
    _Atomic uint64_t sent;     // producers
    _Atomic uint64_t consumed; // consumer, and acknowledged
    _Atomic bool broken;       // somebody failed: all stop
} peer_flood;

// peer_server_dir makes the directory of a server.
//   errors    RT_EIO
rt_err peer_server_dir(const peer_config *config, const char *name,
                       peer_server *ret_server) RT_MUST_USE;
// peer_server_start runs it; what it says goes to a file in its directory.
//   errors    RT_EIO
rt_err peer_server_start(peer_server *server, char *const *argv) RT_MUST_USE;
// peer_server_stop ends it and removes its directory.
void peer_server_stop(peer_server *server);

// peer_pause sleeps for a tenth of a millisecond. Any thread.
void peer_pause(void);
// peer_flood_take reserves the next `count` events to be sent, waiting while too many are
// outstanding; false when the load is over. Producers' threads.
bool peer_flood_take(peer_flood *flood, uint32_t count, uint64_t *ret_first);
// peer_flood_event views one event's bytes. Any thread.
rt_bytes peer_flood_event(const peer_flood *flood, uint64_t index);
// peer_flood_settle waits until all that was sent is consumed.
//   errors    RT_ETIMEOUT, RT_EIO somebody failed
rt_err peer_flood_settle(peer_flood *flood) RT_MUST_USE;

#endif
