// real/net_internal.h: what the nng doors share: addresses, limits, counters and the way a message
// takes from nng's threads to the loop.
//
// Layer: runtime/real only.   Threads: as each comment says; "nng" means a thread of nng's.
#ifndef CEREBRO_RUNTIME_REAL_NET_INTERNAL_H
#define CEREBRO_RUNTIME_REAL_NET_INTERNAL_H

#include <pthread.h>

#include "runtime/real/internal.h"
#include "runtime/seam/net.h"

struct nng_socket_s;
struct nng_aio;
struct nng_msg;

#define RT__NET_URL_MAX 256
#define RT__NET_RECONNECT_MIN_MS 100
// Loopback only, so nobody is overrun; a brain that was restarted keeps its doors shut until its
// hosts are back, and each failed try doubles the pause.
#define RT__NET_RECONNECT_MAX_MS 1000

// rt__net_err translates an nng code and records it in the detail.
//   errors    RT_EBUSY RT_EINVAL RT_ECLOSED RT_EUNREACH RT_ETIMEOUT RT_ENOMEM RT_ELIMIT RT_EIO
rt_err rt__net_err(int nng_code, const char *what) RT_MUST_USE;

// rt__net_url checks an address and writes the form given to nng: inproc://name, or tcp:// to
// 127.0.0.1 or [::1] with a port ("localhost" becomes 127.0.0.1, so no resolver decides it).
//   errors    RT_EINVAL anything else; the detail says why
rt_err rt__net_url(const char *url, char ret_url[RT__NET_URL_MAX]) RT_MUST_USE;

// A lock, a wake-up and what both guard: nng threads fill, the loop empties. `wake` is NULL once
// the loop is gone; doors outlive their loop, because nng sockets are never closed.
typedef struct rt__doorbell {
    pthread_mutex_t lock;
    rt_wake *wake;
    bool rung;
    rt__owned owned;
} rt__doorbell;

// rt__doorbell_init ties a doorbell to the loop; on_ring runs there.
void rt__doorbell_init(rt__doorbell *bell, rt_loop *loop, void (*on_ring)(void *user), void *user);
// rt__doorbell_ring wakes the loop unless it was rung since the last rt__doorbell_hush; call it
// with the lock held, from any thread.
void rt__doorbell_ring(rt__doorbell *bell);
// rt__doorbell_hush says that the loop now takes everything; call it with the lock held.
void rt__doorbell_hush(rt__doorbell *bell);
// rt__doorbell_resume rings after a pause, in which the loop let a ring go without taking anything;
// takes the lock itself.
void rt__doorbell_resume(rt__doorbell *bell);

// Open connections of one socket, counted in nng's pipe callbacks.
typedef struct rt__net_gate {
    pthread_mutex_t lock;
    uint32_t connections_max;
    uint64_t connections; // with those being refused right now
    uint64_t refused;
} rt__net_gate;

// rt__net_gate_init counts and limits the connections of `socket`; before it listens.
//   errors    RT_EIO
rt_err rt__net_gate_init(rt__net_gate *gate, const struct nng_socket_s *socket,
                         uint32_t connections_max) RT_MUST_USE;
// rt__net_gate_stats adds the counters to `ret_stats`; any thread.
void rt__net_gate_stats(rt__net_gate *gate, rt_net_stats *ret_stats);

// rt__net_listen opens `url` on the socket with its limits set before the first connection.
//   errors    RT_EBUSY RT_EINVAL RT_EIO
rt_err rt__net_listen(const struct nng_socket_s *socket, const char *url,
                      size_t message_bytes_max) RT_MUST_USE;
// rt__net_dial connects in the background, again and again.
//   errors    RT_EINVAL RT_EIO
rt_err rt__net_dial(const struct nng_socket_s *socket, const char *url,
                    size_t message_bytes_max) RT_MUST_USE;

// What one receive aio brings from nng's threads to the loop (PULL and PAIR).
typedef struct rt__inbox rt__inbox;
typedef struct rt__inbox_events {
    // Called on the loop with each message. `pipe` names the connection it came over.
    void (*on_message)(void *user, rt_parcel *parcel, rt_bytes body, uint32_t pipe);
    // Called on the loop, before the messages and after them; NULL is fine.
    void (*on_drained)(void *user);
    void *user;
} rt__inbox_events;

// rt__inbox_new makes the inbox of a socket; nothing is received before rt__inbox_start.
rt__inbox *rt__inbox_new(rt_loop *loop, const struct nng_socket_s *socket, rt_net_limits limits,
                         rt__inbox_events events) RT_MUST_USE;
// rt__inbox_start begins to receive.
void rt__inbox_start(rt__inbox *inbox);
// rt__inbox_poke has the loop look at the inbox soon, messages or not; any thread.
void rt__inbox_poke(rt__inbox *inbox);
// rt__inbox_pause stops or resumes handing out.
void rt__inbox_pause(rt__inbox *inbox, bool paused);
// rt__inbox_stats adds messages received and dropped (oversize).
void rt__inbox_stats(rt__inbox *inbox, rt_net_stats *ret_stats);

#endif
