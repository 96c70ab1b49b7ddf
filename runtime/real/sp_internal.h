// real/sp_internal.h: shared by sp.c (ends, the thread) and sp_conn.c (connections).
//
// Layer: runtime/real, sp*.c only.   Threads: I/O, except what the lock guards.
#ifndef CEREBRO_RUNTIME_REAL_SP_INTERNAL_H
#define CEREBRO_RUNTIME_REAL_SP_INTERNAL_H

#include <netinet/in.h>

#include "runtime/real/internal.h"
#include "runtime/real/sp.h"

struct uv_loop_s;
struct uv_tcp_s;
struct uv_connect_s;
struct uv_poll_s;

#define RT__SP_SCRATCH 65536u // read at a time

// Connections waiting for something, oldest first.
typedef struct rt__sp_list {
    rt__sp_conn *first;
    rt__sp_conn *last;
} rt__sp_list;

struct rt__sp {
    uint32_t magic;
    const rt__sp_ops *ops;
    void *user;
    rt_net_limits limits;
    struct sockaddr_storage address;
    struct uv_poll_s *listener;
    int listen_fd;
    rt_timer *again; // dials, or accepts
    int64_t redial_ms;
    struct uv_connect_s *connect;
    bool dials;
    rt__sp *next; // of all ends
    // connections
    rt__sp_list shaking;
    rt__sp_list open;
    rt__sp_conn *parked_first;
    rt__sp_conn *parked_last;
    rt__sp_conn **slots;
    uint32_t slot_count;
    uint32_t next_slot; // where to look for a free one
    uint32_t shaking_count;
    uint32_t open_count;
    uint64_t generation;
    // guarded by the thread's lock
    rt__sp *next_woken;
    bool woken;
    rt_net_stats stats;
};

// rt__sp_lock guards stats and the list of woken ends; rt__sp_unlock ends that.
void rt__sp_lock(void);
void rt__sp_unlock(void);
// rt__sp_loop is the loop of the I/O thread.
struct uv_loop_s *rt__sp_loop(void);
// rt__sp_scratch is where bytes are read to, RT__SP_SCRATCH of them.
uint8_t *rt__sp_scratch(void);
// rt__sp_watch has rt__sp_look called soon and then about every 250 ms, while it says so.
void rt__sp_watch(void);

// rt__sp_conn_new makes a connection that has not shaken hands; NULL when there is no place.
rt__sp_conn *rt__sp_conn_new(rt__sp *sp);
// rt__sp_conn_tcp is its socket, to be accepted or connected.
struct uv_tcp_s *rt__sp_conn_tcp(rt__sp_conn *conn);
// rt__sp_conn_begin sends our half of the handshake and reads, when its socket is connected and it
// was not closed meanwhile.
void rt__sp_conn_begin(rt__sp_conn *conn);
// rt__sp_conn_close ends it, once; its memory goes when libuv has let go.
void rt__sp_conn_close(rt__sp_conn *conn);
// rt__sp_look closes connections of an end whose patience is over; true when it has to go on
// looking.
bool rt__sp_look(rt__sp *sp, int64_t now_us);
// rt__sp_closed tells a dialling end that its connection is gone.
void rt__sp_closed(rt__sp *sp);

#endif
