#include "brain/agent/blob.h"

#include "runtime/base/check.h"

// Design notes.
// Row (number, 0) begins with the length of the whole blob, so a missing later row is noticed.
// Numbers are written big-endian by the key, so they can be read back from its bytes.

#define CHUNK_MAX 32768
#define HEADER_BYTES 8

static rt_key
key_of(uint64_t number, uint64_t index)
{
    rt_key key = rt_key_number(RT_TENANT_SYSTEM, number);

    rt_key_u64(&key, index);
    return key;
}

static uint64_t
load_be64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static void
store_be64(uint8_t *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--) {
        at[i] = (uint8_t)value;
        value >>= 8;
    }
}

static void
put_chunk(rt_table *table, uint64_t number, uint64_t index, rt_bytes header, rt_bytes chunk)
{
    uint8_t row[HEADER_BYTES + CHUNK_MAX];
    rt_key key = key_of(number, index);

    memcpy(row, header.ptr, header.len);
    if (chunk.ptr != NULL) {
        memcpy(row + header.len, chunk.ptr, chunk.len);
    }
    rt_table_put(table, rt_key_bytes(&key), (rt_bytes){row, header.len + chunk.len});
}

void
br_blob_put(rt_table *table, uint64_t number, rt_bytes bytes)
{
    uint8_t header[HEADER_BYTES];
    size_t header_len = HEADER_BYTES;
    uint64_t index = 0;
    size_t at = 0;

    RT_ASSERT(bytes.ptr != NULL || bytes.len == 0);
    (void)br_blob_del(table, number); // a longer former blob must not leave its tail
    store_be64(header, bytes.len);
    do {
        size_t len = RT_MIN(bytes.len - at, (size_t)CHUNK_MAX);
        rt_bytes chunk = {bytes.ptr != NULL ? bytes.ptr + at : NULL, len};

        put_chunk(table, number, index++, (rt_bytes){header, header_len}, chunk);
        header_len = 0;
        at += len;
    } while (at < bytes.len);
}

rt_err
br_blob_get(const rt_table *table, uint64_t number, rt_arena *arena, rt_bytes *ret_bytes)
{
    rt_key key = key_of(number, 0);
    rt_bytes row = {NULL, 0};
    uint8_t *out = NULL;
    uint64_t len = 0;
    size_t at = 0;

    if (!rt_table_get(table, rt_key_bytes(&key), &row)) {
        return RT_ENOTFOUND;
    }
    if (row.len < HEADER_BYTES) {
        return rt_fail(RT_ECORRUPT, "blob %llu has no header", (unsigned long long)number);
    }
    len = load_be64(row.ptr);
    row = (rt_bytes){row.ptr + HEADER_BYTES, row.len - HEADER_BYTES};
    out = rt_arena_alloc(arena, len);
    if (out == NULL) {
        return rt_fail(RT_ENOMEM, "no room for a blob of %llu bytes", (unsigned long long)len);
    }
    for (uint64_t index = 1;; index++) {
        if (row.len > len - at) {
            return rt_fail(RT_ECORRUPT, "blob %llu is too long", (unsigned long long)number);
        }
        memcpy(out + at, row.ptr, row.len);
        at += row.len;
        if (at == len) {
            break;
        }
        key = key_of(number, index);
        if (row.len == 0 || !rt_table_get(table, rt_key_bytes(&key), &row)) {
            return rt_fail(RT_ECORRUPT, "blob %llu lacks row %llu", (unsigned long long)number,
                           (unsigned long long)index);
        }
    }
    *ret_bytes = (rt_bytes){out, len};
    return RT_OK;
}

bool
br_blob_del(rt_table *table, uint64_t number)
{
    uint64_t index = 0;

    for (;; index++) {
        rt_key key = key_of(number, index);

        if (!rt_table_del(table, rt_key_bytes(&key))) {
            return index > 0;
        }
    }
}

bool
br_blob_next(const rt_table *table, size_t *cursor, uint64_t *ret_number)
{
    rt_bytes key = {NULL, 0};
    rt_bytes value = {NULL, 0};

    while (rt_table_next(table, cursor, &key, &value)) {
        // tenant (2 bytes), number, index
        if (key.len == 2 + 8 + 8 && load_be64(key.ptr + 10) == 0) {
            *ret_number = load_be64(key.ptr + 2);
            return true;
        }
    }
    return false;
}
