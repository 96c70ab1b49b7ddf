// store/key.h: order-preserving row keys, tenant first; no key is built anywhere else.
//
// Layer: runtime/store.   Threads: any.
#ifndef CEREBRO_RUNTIME_STORE_KEY_H
#define CEREBRO_RUNTIME_STORE_KEY_H

#include "runtime/base/bytes.h"
#include "runtime/base/id.h"

#define RT_KEY_MAX 240

typedef struct rt_key {
    uint8_t len; // bytes used
    bool overflow; // a part did not fit: such a key must not be used (rt_key_bytes asserts)
    uint8_t bytes[RT_KEY_MAX];
} rt_key;

// rt_key_of starts a key with its tenant (2 bytes, big-endian).
rt_key rt_key_of(rt_tenant tenant);
// rt_key_str appends text with its length (1 byte), so that parts never run together.
void rt_key_str(rt_key *key, rt_str text);
// rt_key_u64 appends a big-endian number (sorts numerically).
void rt_key_u64(rt_key *key, uint64_t value);
// rt_key_text is the common case: tenant and one text of at most 200 bytes (longer: its hash).
rt_key rt_key_text(rt_tenant tenant, rt_str text);
// rt_key_pair is tenant and two texts.
rt_key rt_key_pair(rt_tenant tenant, rt_str first, rt_str second);
// rt_key_number is tenant and a number.
rt_key rt_key_number(rt_tenant tenant, uint64_t number);
// rt_key_bytes views the finished key.
rt_bytes rt_key_bytes(const rt_key *key);
// rt_key_tenant reads the tenant back.
rt_tenant rt_key_tenant(rt_bytes key);
// rt_key_part views text part number `index` of a key made of text parts; {NULL,0} without.
rt_str rt_key_part(rt_bytes key, unsigned index);

#endif
