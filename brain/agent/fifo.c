// Design notes.
//
// Two rows shapes: "#" name → bounds, and "#" name number → time and value. Numbers never come
// back, so that a replay that pops at other moments still names the same rows.

#include "brain/agent/fifo.h"

#include "runtime/base/check.h"

typedef struct bounds {
    uint64_t first; // number of the oldest entry
    uint64_t next;  // number the next entry gets; first == next: empty
} bounds;

static rt_key
bounds_key(br_fifo fifo)
{
    return rt_key_pair(fifo.tenant, RT_STR("#"), rt_str_of(fifo.name));
}

static rt_key
entry_key(br_fifo fifo, uint64_t number)
{
    rt_key key = bounds_key(fifo);

    rt_key_u64(&key, number);
    return key;
}

static bounds
read_bounds(br_fifo fifo)
{
    rt_key key = bounds_key(fifo);
    rt_bytes row;
    bounds found = {0, 0};

    if (rt_table_get(fifo.table, rt_key_bytes(&key), &row) && row.len == sizeof(found)) {
        memcpy(&found, row.ptr, sizeof(found));
    }
    return found;
}

static void
write_bounds(br_fifo fifo, bounds now)
{
    rt_key key = bounds_key(fifo);

    rt_table_put(fifo.table, rt_key_bytes(&key), (rt_bytes){(const uint8_t *)&now, sizeof(now)});
}

void
br_fifo_push(br_fifo fifo, int64_t at_ms, rt_bytes value)
{
    uint8_t row[sizeof(at_ms) + BR_FIFO_VALUE_MAX];
    bounds now = read_bounds(fifo);
    rt_key key = entry_key(fifo, now.next);

    RT_ASSERT(value.len <= BR_FIFO_VALUE_MAX);
    memcpy(row, &at_ms, sizeof(at_ms));
    if (value.len > 0) {
        memcpy(row + sizeof(at_ms), value.ptr, value.len);
    }
    rt_table_put(fifo.table, rt_key_bytes(&key), (rt_bytes){row, sizeof(at_ms) + value.len});
    now.next++;
    write_bounds(fifo, now);
}

bool
br_fifo_head(br_fifo fifo, int64_t *ret_at_ms, rt_bytes *ret_value)
{
    bounds now = read_bounds(fifo);
    rt_key key = entry_key(fifo, now.first);
    rt_bytes row;

    if (now.first == now.next || !rt_table_get(fifo.table, rt_key_bytes(&key), &row) ||
        row.len < sizeof(*ret_at_ms)) {
        return false;
    }
    memcpy(ret_at_ms, row.ptr, sizeof(*ret_at_ms));
    *ret_value = (rt_bytes){row.ptr + sizeof(*ret_at_ms), row.len - sizeof(*ret_at_ms)};
    return true;
}

void
br_fifo_pop(br_fifo fifo)
{
    bounds now = read_bounds(fifo);
    rt_key key = entry_key(fifo, now.first);

    if (now.first == now.next) {
        return;
    }
    (void)rt_table_del(fifo.table, rt_key_bytes(&key)); // its absence is what we want
    now.first++;
    write_bounds(fifo, now);
}

uint64_t
br_fifo_count(br_fifo fifo)
{
    bounds now = read_bounds(fifo);

    return now.next - now.first;
}
