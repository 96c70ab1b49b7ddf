// real/sp.h: the Scalability Protocols over TCP, on a thread of their own: handshake, framing,
// bounds. What is on top (request, push, publish, pair) stands in the net_*.c.
//
// Layer: runtime/real only.   Threads: rt__sp_listen, rt__sp_dial, rt__sp_wake and rt__sp_stats
// any; everything else, and all callbacks, on the thread of the sockets ("I/O" in the comments).
#ifndef CEREBRO_RUNTIME_REAL_SP_H
#define CEREBRO_RUNTIME_REAL_SP_H

#include "runtime/seam/net.h"

// Numbers of the protocols in the handshake.
#define RT__SP_PAIR 0x10u
#define RT__SP_PUB 0x20u
#define RT__SP_SUB 0x21u
#define RT__SP_REQ 0x30u
#define RT__SP_REP 0x31u
#define RT__SP_PUSH 0x50u
#define RT__SP_PULL 0x51u

// A message on its way in, owned by whoever has it.
typedef struct rt__msg {
    struct rt__msg *next;
    uint64_t pipe; // the connection it came over
    size_t len;
    uint8_t bytes[];
} rt__msg;

// rt__msg_new makes one of `len` bytes, not set; NULL without memory.
rt__msg *rt__msg_new(size_t len) RT_MUST_USE;

// A message on its way out, with its length in front as it goes over the wire. Counted, so that
// many subscribers share one; the count belongs to the I/O thread.
typedef struct rt__sp_buf {
    struct rt__sp_buf *next;
    uint64_t pipe; // where to, for those who queue it
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
} rt__sp_buf;

// rt__sp_buf_new makes one of `len` bytes after the length, with one reference.
rt__sp_buf *rt__sp_buf_new(size_t len) RT_MUST_USE;
// rt__sp_buf_body is where these bytes go.
uint8_t *rt__sp_buf_body(rt__sp_buf *buf);
// rt__sp_buf_unref gives a reference back; I/O thread, or before anybody else has it.
void rt__sp_buf_unref(rt__sp_buf *buf);

typedef struct rt__sp rt__sp;           // a listening or dialling end
typedef struct rt__sp_conn rt__sp_conn; // a connection of it that has shaken hands

typedef struct rt__sp_ops {
    uint16_t self; // what this end is
    uint16_t peer; // what the other one has to be
    // A new connection; false refuses it (counted). Nothing may be sent on it before this returns.
    bool (*on_open)(void *user, rt__sp_conn *conn);
    // Takes a whole message. False: not now; it is offered again by rt__sp_resume, and nothing more
    // is read from that connection before.
    bool (*on_message)(void *user, rt__sp_conn *conn, rt__msg *msg);
    // The connection is gone; `unsent` messages were still waiting to leave. Only after on_open
    // took it.
    void (*on_close)(void *user, rt__sp_conn *conn, uint32_t unsent);
    // So many messages have left; may be NULL.
    void (*on_sent)(void *user, rt__sp_conn *conn, uint32_t count);
    // After rt__sp_wake.
    void (*on_wake)(void *user);
    uint32_t queue_max;  // messages waiting on one connection; past it the oldest goes. 0: any
    size_t choke_bytes;  // from a peer that leaves so much unread nothing is read. 0: any
    int64_t patience_ms; // a peer that reads nothing for so long is hung up on. 0: never
} rt__sp_ops;

// rt__sp_listen opens a loopback tcp:// address; `ops` outlives the process.
//   errors    RT_EBUSY RT_EINVAL RT_EIO
rt_err rt__sp_listen(const char *url, rt_net_limits limits, const rt__sp_ops *ops, void *user,
                     rt__sp **ret_sp) RT_MUST_USE;
// rt__sp_dial connects to one, again and again.
//   errors    RT_EINVAL
rt_err rt__sp_dial(const char *url, rt_net_limits limits, const rt__sp_ops *ops, void *user,
                   rt__sp **ret_sp) RT_MUST_USE;
// rt__sp_wake has on_wake called soon, once for many calls.
void rt__sp_wake(rt__sp *sp);
// rt__sp_stats adds the counters that are kept here: connections, refused, handshakes, oversize,
// slow peers.
void rt__sp_stats(rt__sp *sp, rt_net_stats *ret_stats);

// rt__sp_id names a connection for its life; never 0, and never again.
uint64_t rt__sp_id(const rt__sp_conn *conn);
// rt__sp_find is the open connection of that name, or NULL.
rt__sp_conn *rt__sp_find(rt__sp *sp, uint64_t id);
// rt__sp_send queues a message on a connection; takes the reference.
//   returns how many older ones were given up for it
uint32_t rt__sp_send(rt__sp_conn *conn, rt__sp_buf *buf);
// rt__sp_send_all queues it on every open connection; takes the reference.
//   returns how many older ones were given up for it
uint32_t rt__sp_send_all(rt__sp *sp, rt__sp_buf *buf);
// rt__sp_resume offers again what on_message did not take, a message of each connection in turn.
void rt__sp_resume(rt__sp *sp);
// rt__sp_hang_up ends a connection that broke the rules (counted as malformed).
void rt__sp_hang_up(rt__sp_conn *conn);

#endif
