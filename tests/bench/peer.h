// bench/peer.h: the nearest job done by other systems, one run of each.
//
// Layer: tests/bench.   Threads: one owner; a run has threads of its own.   Blocks: yes.
// A run starts the system's server on free loopback ports with an empty data directory, warms it
// up, floods it, and ends it. It may leave threads and memory behind: the caller gives it a process
// of its own.
#ifndef CEREBRO_TESTS_BENCH_PEER_H
#define CEREBRO_TESTS_BENCH_PEER_H

#include <stdint.h>

#include "runtime/base/err.h"
#include "tests/bench/daemon.h"
#include "tests/bench/load.h"

typedef struct peer_config {
    const load_events *events;
    const char *dir;      // data go below it
    daemon_config braind; // for Cerebro itself
    const char *loop;     // asyncio_loop.py
    int64_t seconds;
} peer_config;

typedef struct peer_result {
    uint64_t events;
    double per_s; // from the first send until the last is consumed and acknowledged
    uint64_t p50_us;
    uint64_t p99_us; // from the send to the consumer
    double cpu_us_per_event; // of the server, all threads
} peer_result;

// peer_cerebro is flood-64 of the end-to-end benchmark.
//   errors    those of case_run
rt_err peer_cerebro(const peer_config *config, peer_result *ret_result) RT_MUST_USE;
// peer_nats publishes to a JetStream stream in files, and has a push consumer that acknowledges.
//   errors    RT_EIO, RT_EUNREACH the server; RT_ETIMEOUT not all was consumed; RT_ECORRUPT what
//             was consumed is not what was sent
rt_err peer_nats(const peer_config *config, peer_result *ret_result) RT_MUST_USE;
// peer_redis_always adds to a stream and has a consumer group that acknowledges; appendfsync
// always.
//   errors    those of peer_nats
rt_err peer_redis_always(const peer_config *config, peer_result *ret_result) RT_MUST_USE;
// peer_redis_everysec is the same with appendfsync everysec.
//   errors    those of peer_nats
rt_err peer_redis_everysec(const peer_config *config, peer_result *ret_result) RT_MUST_USE;
// peer_asyncio runs asyncio_loop.py.
//   errors    RT_EIO, RT_EPROTO it ended or wrote something else
rt_err peer_asyncio(const peer_config *config, peer_result *ret_result) RT_MUST_USE;

#endif
