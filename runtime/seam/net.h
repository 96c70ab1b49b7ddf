// seam/net.h: message doors and links. Real: the Scalability Protocols over TCP (and a Unix socket
// for control); simulated: in-memory links with delay, loss, duplication and cuts.
//
// Layer: runtime/seam.   Threads: everything here is called on, and calls back on, the loop thread.
// Any nng library can talk to a door. The doors themselves speak nng's protocol without it: 1.5.2
// does not outlive a client that resets its connection with requests outstanding
// (runtime/real/sp.c).
#ifndef CEREBRO_RUNTIME_SEAM_NET_H
#define CEREBRO_RUNTIME_SEAM_NET_H

#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "runtime/seam/loop.h"

typedef struct rt_net_limits {
    size_t message_bytes_max; // larger messages are dropped by the transport
    uint32_t connections_max; // further connections are closed at once
    uint32_t inflight_max;    // requests being answered (REP) or messages queued (PULL, links)
} rt_net_limits;

typedef struct rt_net_stats {
    uint64_t connections;         // open now
    uint64_t connections_refused; // over the limit, since start, as all that follows
    uint64_t handshakes_failed;   // wrong, half, too slow, or too many of them at a time
    uint64_t messages_oversize;   // announced larger than allowed: the peer was hung up on
    uint64_t messages_malformed;  // against the protocol: the same
    uint64_t peers_slow;          // that read nothing for long: the same
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t messages_dropped; // publications nobody took in time
} rt_net_stats;

// --- acknowledged ingest: request and reply -------------------------------------------------
typedef struct rt_rep rt_rep;
typedef struct rt_request rt_request; // one request waiting for its reply

// Called with a request; `body` stays valid until rt_request_reply. Backpressure: at most
// inflight_max requests are handed out before replies; the rest waits in the transport.
typedef void (*rt_on_request)(void *user, rt_request *request, rt_bytes body);

// rt_rep_listen opens a REP door at a loopback tcp:// address.
//   errors    RT_EBUSY address in use · RT_EINVAL bad address · RT_EIO
rt_err rt_rep_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_request on_request,
                     void *user, rt_rep **ret_rep) RT_MUST_USE;
// rt_request_reply sends the answer and ends the request (also when the peer is gone).
void rt_request_reply(rt_request *request, rt_bytes body);
// rt_rep_pause stops handing out requests (true) or goes on (false); waiting ones stay in
// transport.
void rt_rep_pause(rt_rep *rep, bool paused);
// rt_rep_stats copies counters.
rt_net_stats rt_rep_stats(const rt_rep *rep);

// --- fire and forget ------------------------------------------------------------------------
typedef struct rt_pull rt_pull;
typedef struct rt_parcel rt_parcel; // one received message, kept until released

// Called with a message; it stays valid until rt_parcel_free.
typedef void (*rt_on_parcel)(void *user, rt_parcel *parcel, rt_bytes body);
// rt_parcel_free releases a received message.
void rt_parcel_free(rt_parcel *parcel);
// rt_pull_listen opens a PULL door; at most inflight_max parcels are out at a time.
rt_err rt_pull_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_parcel on_parcel,
                      void *user, rt_pull **ret_pull) RT_MUST_USE;
// rt_pull_pause stops or resumes handing out messages.
void rt_pull_pause(rt_pull *pull, bool paused);
// rt_pull_stats copies counters.
rt_net_stats rt_pull_stats(const rt_pull *pull);

// --- publications ---------------------------------------------------------------------------
typedef struct rt_pub rt_pub;
// rt_pub_listen opens a PUB door.
rt_err rt_pub_listen(rt_loop *loop, const char *url, rt_net_limits limits,
                     rt_pub **ret_pub) RT_MUST_USE;
// rt_pub_send publishes one message (topic is the beginning of the body); never blocks; a slow
// subscriber loses messages and finds out by the sequence number inside.
void rt_pub_send(rt_pub *pub, rt_bytes body);
// rt_pub_stats copies counters.
rt_net_stats rt_pub_stats(const rt_pub *pub);

// --- links between two loops or processes (nng PAIR) ----------------------------------------
typedef struct rt_link rt_link;
typedef struct rt_link_events {
    rt_on_parcel on_parcel;
    void (*on_up)(void *user);   // the peer is there
    void (*on_down)(void *user); // the peer is gone; what was not delivered is lost
    void *user;
} rt_link_events;

// rt_link_listen waits for one peer at the address (inproc:// or loopback tcp://).
rt_err rt_link_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
                      rt_link **ret_link) RT_MUST_USE;
// rt_link_dial connects to the address, again and again until it is there (100 ms .. 1 s).
rt_err rt_link_dial(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
                    rt_link **ret_link) RT_MUST_USE;
// rt_link_send queues one message (copied). RT_EFULL when inflight_max messages wait to leave,
// RT_ECLOSED when there is no peer.
rt_err rt_link_send(rt_link *link, rt_bytes body) RT_MUST_USE;
// rt_link_stats copies counters.
rt_net_stats rt_link_stats(const rt_link *link);

// --- clients (tools, tests, benchmarks) -----------------------------------------------------
typedef struct rt_client rt_client;
// rt_client_dial connects a REQ client for blocking use from a tool (no loop).
rt_err rt_client_dial(const char *url, int64_t timeout_ms, rt_client **ret_client) RT_MUST_USE;
// rt_client_call sends a request and waits for the reply, copied into `arena`.
//   errors    RT_ETIMEOUT · RT_ECLOSED the connection broke · RT_EUNREACH · RT_ENOMEM
rt_err rt_client_call(rt_client *client, rt_bytes body, rt_arena *arena,
                      rt_bytes *ret_reply) RT_MUST_USE;
// rt_client_send and rt_client_recv let several requests be outstanding: `index` < 256 names one.
rt_err rt_client_send(rt_client *client, uint32_t index, rt_bytes body) RT_MUST_USE;
rt_err rt_client_recv(rt_client *client, uint32_t index, rt_arena *arena,
                      rt_bytes *ret_reply) RT_MUST_USE;

typedef struct rt_sub rt_sub;
// rt_sub_dial subscribes to a topic prefix ("" = everything) for blocking use from a tool.
rt_err rt_sub_dial(const char *url, rt_str topic, rt_sub **ret_sub) RT_MUST_USE;
// rt_sub_recv waits for the next publication, copied into `arena`.   errors    RT_ETIMEOUT
rt_err rt_sub_recv(rt_sub *sub, int64_t timeout_ms, rt_arena *arena,
                   rt_bytes *ret_body) RT_MUST_USE;

// --- control: Unix socket with peer credentials ---------------------------------------------
typedef struct rt_ctl rt_ctl;
typedef struct rt_ctl_call rt_ctl_call; // one call waiting for its answer

// Called with a request frame; `body` stays valid until the answer. `uid` is the peer's user.
typedef void (*rt_on_ctl)(void *user, rt_ctl_call *call, uint32_t uid, rt_bytes body);
// rt_ctl_listen opens the control socket (directory 0700, socket 0600); frames are a 4-byte
// big-endian length and that many bytes, at most message_bytes_max.
//   errors    RT_EBUSY another live daemon listens there · RT_EIO
rt_err rt_ctl_listen(rt_loop *loop, const char *path, rt_net_limits limits, rt_on_ctl on_call,
                     void *user, rt_ctl **ret_ctl) RT_MUST_USE;
// rt_ctl_admit lets users of a group reach the socket (0660), and pass its directory when
// rt_ctl_listen made that (0710). Who they are is still told by each call.
//   errors    RT_EIO the group cannot be set, for example by one who is not in it
rt_err rt_ctl_admit(rt_ctl *ctl, uint32_t gid) RT_MUST_USE;
// rt_ctl_answer sends one frame; `last` ends the call. Several frames may answer one call.
void rt_ctl_answer(rt_ctl_call *call, rt_bytes body, bool last);
// rt_ctl_alive tells whether the peer is still there; a stream of answers ends early when not.
bool rt_ctl_alive(const rt_ctl_call *call);
// rt_ctl_stats copies counters: connections, refused, oversize, slow, and calls as messages.
rt_net_stats rt_ctl_stats(const rt_ctl *ctl);
// rt_ctl_close removes the socket and closes all connections.
void rt_ctl_close(rt_ctl *ctl);

typedef struct rt_ctl_client rt_ctl_client;
// rt_ctl_dial connects to a control socket for blocking use from a tool.
//   errors    RT_EUNREACH nobody listens · RT_EDENIED · RT_ETIMEOUT
rt_err rt_ctl_dial(const char *path, int64_t timeout_ms, rt_ctl_client **ret_client) RT_MUST_USE;
// rt_ctl_send sends one request frame; rt_ctl_recv waits for the next answer frame.
rt_err rt_ctl_send(rt_ctl_client *client, rt_bytes body) RT_MUST_USE;
rt_err rt_ctl_recv(rt_ctl_client *client, rt_arena *arena, rt_bytes *ret_body) RT_MUST_USE;
// rt_ctl_hangup closes the connection.
void rt_ctl_hangup(rt_ctl_client *client);

#endif
