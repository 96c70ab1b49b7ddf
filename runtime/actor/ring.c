#include "runtime/actor/ring.h"

#include <stdatomic.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Positions count bytes since the beginning and never wrap (2^64); their low bits are the place. A
// record that does not fit before the end of the ring goes to its beginning, behind a mark that the
// reader skips. Each side keeps its own copy of the other's position and looks at the shared one
// only when the copy says that it has to wait, so that the two do not fight over cache lines.
//
//   writer: fills records, then stores `published` with release
//   reader: loads `published` with acquire, reads records, then stores `consumed` with release
//   writer: loads `consumed` with acquire before it writes over a place
//
// Invariant: consumed <= published <= write_at <= consumed + bytes.

#define HEAD_BYTES 8u // of a record: its length, then padding
#define SKIP UINT32_MAX
#define LINE_BYTES 64

struct rt__ring {
    uint8_t *place;
    uint32_t bytes;
    // The writer's.
    _Alignas(LINE_BYTES) uint64_t write_at;
    uint64_t written; // of write_at, what was published
    uint64_t consumed_seen;
    _Alignas(LINE_BYTES) _Atomic uint64_t published; // writer -> reader, see above
    // The reader's.
    _Alignas(LINE_BYTES) uint64_t read_at;
    uint64_t published_seen;
    _Alignas(LINE_BYTES) _Atomic uint64_t consumed; // reader -> writer, see above
};

rt__ring *
rt__ring_new(uint32_t bytes)
{
    rt__ring *ring = rt_alloc_aligned(sizeof(rt__ring));

    RT_ASSERT(bytes >= RT__RING_BYTES_MIN && bytes <= RT__RING_BYTES_MAX);
    RT_ASSERT((bytes & (bytes - 1)) == 0);
    ring->place = rt_alloc_aligned(bytes);
    ring->bytes = bytes;
    return ring;
}

void
rt__ring_free(rt__ring *ring)
{
    if (ring != NULL) {
        rt_free(ring->place);
        rt_free(ring);
    }
}

uint32_t
rt__ring_record_max(const rt__ring *ring)
{
    return ring->bytes / 2 - HEAD_BYTES;
}

static uint64_t
size_of(uint32_t len)
{
    return ((uint64_t)len + 7) / 8 * 8 + HEAD_BYTES;
}

static uint32_t *
head_at(rt__ring *ring, uint64_t at)
{
    return (uint32_t *)(void *)(ring->place + (at & (ring->bytes - 1)));
}

static bool
has_room(rt__ring *ring, uint64_t need)
{
    if (ring->write_at + need - ring->consumed_seen <= ring->bytes) {
        return true;
    }
    ring->consumed_seen = atomic_load_explicit(&ring->consumed, memory_order_acquire);
    return ring->write_at + need - ring->consumed_seen <= ring->bytes;
}

void *
rt__ring_put(rt__ring *ring, uint32_t len)
{
    uint64_t to_end = ring->bytes - (ring->write_at & (ring->bytes - 1));
    uint64_t size = size_of(len);
    uint64_t skip = size <= to_end ? 0 : to_end;
    uint32_t *head = NULL;

    RT_ASSERT(len <= rt__ring_record_max(ring));
    if (!has_room(ring, skip + size)) {
        return NULL;
    }
    if (skip > 0) {
        *head_at(ring, ring->write_at) = SKIP;
        ring->write_at += skip;
    }
    head = head_at(ring, ring->write_at);
    *head = len;
    ring->write_at += size;
    return (uint8_t *)head + HEAD_BYTES;
}

uint64_t
rt__ring_mark(const rt__ring *ring)
{
    return ring->write_at;
}

void
rt__ring_undo(rt__ring *ring, uint64_t mark)
{
    RT_ASSERT(mark >= ring->written && mark <= ring->write_at);
    ring->write_at = mark;
}

bool
rt__ring_publish(rt__ring *ring)
{
    if (ring->written == ring->write_at) {
        return false;
    }
    ring->written = ring->write_at;
    atomic_store_explicit(&ring->published, ring->write_at, memory_order_release);
    return true;
}

static bool
has_record(rt__ring *ring)
{
    if (ring->read_at == ring->published_seen) {
        ring->published_seen = atomic_load_explicit(&ring->published, memory_order_acquire);
    }
    return ring->read_at != ring->published_seen;
}

const void *
rt__ring_peek(rt__ring *ring, uint32_t *ret_len)
{
    uint32_t *head = NULL;

    if (!has_record(ring)) {
        return NULL;
    }
    head = head_at(ring, ring->read_at);
    if (*head == SKIP) { // a record follows it: the two are published together
        ring->read_at += ring->bytes - (ring->read_at & (ring->bytes - 1));
        head = head_at(ring, ring->read_at);
    }
    *ret_len = *head;
    return (const uint8_t *)head + HEAD_BYTES;
}

void
rt__ring_pop(rt__ring *ring)
{
    uint32_t len = 0;
    const void *record = rt__ring_peek(ring, &len);

    RT_ASSERT(record != NULL);
    ring->read_at += size_of(len);
    atomic_store_explicit(&ring->consumed, ring->read_at, memory_order_release);
}
