// actor/ring.h: bounded first-in first-out bytes from one thread to one other.
//
// Layer: runtime/actor (may use runtime/base).   Threads: one writer, one reader.
// Records of any length up to half the ring lie in one piece each. The writer sees its records at
// once and may take back what it has not published; the reader sees what was published.
#ifndef CEREBRO_RUNTIME_ACTOR_RING_H
#define CEREBRO_RUNTIME_ACTOR_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"

#define RT__RING_BYTES_MIN 1024u
#define RT__RING_BYTES_MAX (64u * 1024 * 1024)

typedef struct rt__ring rt__ring;

// rt__ring_new makes a ring of `bytes`, a power of two within the two bounds.
rt__ring *rt__ring_new(uint32_t bytes) RT_MUST_USE;
// rt__ring_free releases it when neither side uses it any more; NULL is fine.
void rt__ring_free(rt__ring *ring);
// rt__ring_record_max is the longest record that it takes.
uint32_t rt__ring_record_max(const rt__ring *ring);

// rt__ring_put begins a record of `len` bytes at the writer's end and returns its place, aligned
// to 8 bytes, to be filled before the next publishing; NULL when the ring is full.
void *rt__ring_put(rt__ring *ring, uint32_t len) RT_MUST_USE;
// rt__ring_mark is where the writer stands; rt__ring_undo takes back all records after a mark.
uint64_t rt__ring_mark(const rt__ring *ring);
void rt__ring_undo(rt__ring *ring, uint64_t mark);
// rt__ring_publish shows the reader all records so far; false when there is none it has not seen.
bool rt__ring_publish(rt__ring *ring);

// rt__ring_peek views the oldest record until rt__ring_pop; NULL when none is published.
const void *rt__ring_peek(rt__ring *ring, uint32_t *ret_len);
// rt__ring_pop removes the record that was peeked at.
void rt__ring_pop(rt__ring *ring);

#endif
