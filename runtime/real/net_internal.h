// real/net_internal.h: what the doors and links share: addresses, the way a message takes from the
// thread of the sockets to a loop.
//
// Layer: runtime/real only.   Threads: as each comment says.
#ifndef CEREBRO_RUNTIME_REAL_NET_INTERNAL_H
#define CEREBRO_RUNTIME_REAL_NET_INTERNAL_H

#include <pthread.h>

#include "runtime/real/internal.h"
#include "runtime/real/sp.h"
#include "runtime/seam/net.h"

struct sockaddr_storage;

#define RT__NET_URL_MAX 256
#define RT__NET_RECONNECT_MIN_MS 100
// Loopback only, so nobody is overrun; a brain that was restarted keeps its doors shut until its
// hosts are back, and each failed try doubles the pause.
#define RT__NET_RECONNECT_MAX_MS 1000

// rt__net_err translates an nng code (of the tools' clients) and records it in the detail.
//   errors    RT_EBUSY RT_EINVAL RT_ECLOSED RT_EUNREACH RT_ETIMEOUT RT_ENOMEM RT_ELIMIT RT_EIO
rt_err rt__net_err(int nng_code, const char *what) RT_MUST_USE;

// rt__net_url checks an address and writes its plain form: inproc://name, or tcp:// to 127.0.0.1 or
// [::1] with a port ("localhost" becomes 127.0.0.1, so no resolver decides it).
//   errors    RT_EINVAL anything else; the detail says why
rt_err rt__net_url(const char *url, char ret_url[RT__NET_URL_MAX]) RT_MUST_USE;
// rt__net_address is the socket address of a tcp:// one.
//   errors    RT_EINVAL anything else
rt_err rt__net_address(const char *url, struct sockaddr_storage *ret_address) RT_MUST_USE;

// A lock, a wake-up and what both guard: other threads fill, the loop empties. `wake` is NULL once
// the loop is gone; doors outlive their loop.
typedef struct rt__doorbell {
    pthread_mutex_t lock;
    rt_wake *wake;
    bool rung;
    rt__owned owned;
} rt__doorbell;

// rt__doorbell_init ties a doorbell to the loop; on_ring runs there.
void rt__doorbell_init(rt__doorbell *bell, rt_loop *loop, void (*on_ring)(void *user), void *user);
// rt__doorbell_fini unties it again, when nobody has it yet.
void rt__doorbell_fini(rt__doorbell *bell);
// rt__doorbell_ring wakes the loop unless it was rung since the last rt__doorbell_hush; call it
// with the lock held, from any thread.
void rt__doorbell_ring(rt__doorbell *bell);
// rt__doorbell_hush says that the loop now takes everything; call it with the lock held.
void rt__doorbell_hush(rt__doorbell *bell);
// rt__doorbell_resume rings after a pause, in which the loop let a ring go without taking anything;
// takes the lock itself.
void rt__doorbell_resume(rt__doorbell *bell);

// Where messages wait for a loop: bounded, with the peers' comings and goings in their place among
// them.
typedef struct rt__inbox rt__inbox;
typedef struct rt__inbox_events {
    // Called on the loop with each message; `pipe` names the connection it came over.
    void (*on_message)(void *user, rt_parcel *parcel, rt_bytes body, uint64_t pipe);
    // Called on the loop when a peer came or went; NULL when nobody says so.
    void (*on_peer)(void *user, uint64_t pipe, bool up);
    // Called without a lock by whoever made room after rt__inbox_put found none.
    void (*on_room)(void *user);
    void *user;
} rt__inbox_events;

// rt__inbox_new makes an inbox of at most inflight_max messages, with those not yet freed.
rt__inbox *rt__inbox_new(rt_loop *loop, rt_net_limits limits,
                         rt__inbox_events events) RT_MUST_USE;
// rt__inbox_free releases one that nobody fills yet.
void rt__inbox_free(rt__inbox *inbox);
// rt__inbox_put takes a message; false when there is no room, then on_room follows. Any thread.
bool rt__inbox_put(rt__inbox *inbox, rt__msg *msg) RT_MUST_USE;
// rt__inbox_peer notes that a peer came or went; any thread.
void rt__inbox_peer(rt__inbox *inbox, uint64_t pipe, bool up);
// rt__inbox_drop counts a message that could not be taken; any thread.
void rt__inbox_drop(rt__inbox *inbox);
// rt__inbox_pause stops or resumes handing out.
void rt__inbox_pause(rt__inbox *inbox, bool paused);
// rt__inbox_stats adds messages received and dropped.
void rt__inbox_stats(rt__inbox *inbox, rt_net_stats *ret_stats);

// The two kinds of link behind rt_link: net_link.c over tcp, net_pair.c within the process.
typedef struct rt__link_ops {
    rt_err (*send)(void *self, rt_bytes body, uint64_t pipe);
    void (*down)(void *self); // on the loop, when it hears that the peer is gone; may be NULL
    void (*stats)(void *self, rt_net_stats *ret_stats);
} rt__link_ops;

// rt__pair_open opens one end of an inproc:// link; `inbox` hears of the peer and gets what it
// sends.
//   errors    RT_EBUSY that end is open already · RT_EIO
rt_err rt__pair_open(const char *url, bool listens, rt_net_limits limits, rt__inbox *inbox,
                     void **ret_self) RT_MUST_USE;
// rt__pair_room moves on what waits for room in the inbox of that end.
void rt__pair_room(void *self);
extern const rt__link_ops rt__pair_ops;

#endif
