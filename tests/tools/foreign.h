// tools/foreign.h: the ingest door's protocol, written from its description alone.
//
// Layer: tests/tools (runtime/base for memory and numbers only).   Threads: one owner.
// A client that shared the daemon's own code for sockets, msgpack or JSON would agree with it also
// where both are wrong.
#ifndef CEREBRO_TESTS_TOOLS_FOREIGN_H
#define CEREBRO_TESTS_TOOLS_FOREIGN_H

#include "runtime/base/bytes.h"
#include "runtime/base/text.h"

// foreign_dial connects to a REP door on loopback and shakes hands; the socket, or -1.
int foreign_dial(uint16_t port, int patience_ms);

// foreign_ask sends one request and waits for its reply, dropping replies to others; false when the
// connection ended, was silent for `patience_ms`, or `*stop` became true.
bool foreign_ask(int fd, uint32_t number, rt_bytes body, int patience_ms, const volatile int *stop,
                 rt_text *reply);

// foreign_pack adds one JSON value to `packed` as msgpack; false when it is no JSON.
bool foreign_pack(rt_str json, rt_text *packed);
// foreign_pack_array starts an array of `count` values.
void foreign_pack_array(rt_text *packed, uint32_t count);

// What a reply says of one event.
typedef struct foreign_result {
    rt_str status; // ok, duplicate, or error
    uint64_t seq;
    rt_str code; // of an error
    rt_str path;
    rt_str text;
} foreign_result;

// foreign_results reads the fates of the events out of a reply in msgpack or JSON (`scratch` holds
// what the results view); their number, or -1 when the reply is not what it should be.
int foreign_results(rt_str reply, rt_text *scratch, foreign_result *results, int cap);

#endif
