#include "runtime/store/key.h"

#include <endian.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

// Design notes.
// A text that is too long is replaced by a part of 65 bytes: 0xff, which no UTF-8 text holds, and
// the SHA-256 of the text in hexadecimal. So an id of any length has a key of its own, and nobody
// outside can choose a text whose key is that of another.

#define TENANT_BYTES 2
#define TEXT_MAX 200 // of the only text of a key
#define PAIR_MAX 118 // of each of two
#define DIGEST_MARK 0xffu
#define DIGEST_BYTES (1 + 2 * RT_SHA256_LEN)

_Static_assert(TENANT_BYTES + 1 + TEXT_MAX <= RT_KEY_MAX, "one text fits");
_Static_assert(TENANT_BYTES + 2 * (1 + PAIR_MAX) <= RT_KEY_MAX, "two texts fit");
_Static_assert(DIGEST_BYTES <= PAIR_MAX, "a digest fits where a text does");

// Room for `len` more bytes, or NULL after marking the key unusable.
static uint8_t *
extend(rt_key *key, size_t len)
{
    uint8_t *at = key->bytes + key->len;

    if (key->overflow || len > RT_KEY_MAX - (size_t)key->len) {
        key->overflow = true;
        return NULL;
    }
    key->len = (uint8_t)(key->len + len);
    return at;
}

rt_key
rt_key_of(rt_tenant tenant)
{
    rt_key key;

    key.len = TENANT_BYTES;
    key.overflow = false;
    key.bytes[0] = (uint8_t)(tenant.v >> 8);
    key.bytes[1] = (uint8_t)tenant.v;
    return key;
}

void
rt_key_str(rt_key *key, rt_str text)
{
    uint8_t *at = text.len <= UINT8_MAX ? extend(key, 1 + text.len) : NULL;

    if (at == NULL) {
        key->overflow = true;
        return;
    }
    at[0] = (uint8_t)text.len;
    if (text.len > 0) {
        memcpy(at + 1, text.ptr, text.len);
    }
}

void
rt_key_u64(rt_key *key, uint64_t value)
{
    uint8_t *at = extend(key, sizeof(value));

    if (at != NULL) {
        value = htobe64(value);
        memcpy(at, &value, sizeof(value));
    }
}

static void
append_digest(rt_key *key, rt_str text)
{
    static const uint8_t nothing[RT_SHA256_LEN];
    uint8_t digest[RT_SHA256_LEN];
    char part[DIGEST_BYTES + 1];

    rt_sha256_chain(nothing, rt_bytes_of_str(text), digest);
    part[0] = (char)DIGEST_MARK;
    rt_hex((rt_bytes){digest, sizeof(digest)}, part + 1, sizeof(part) - 1);
    rt_key_str(key, (rt_str){part, DIGEST_BYTES});
}

static void
append_text(rt_key *key, rt_str text, size_t max)
{
    if (text.len <= max) {
        rt_key_str(key, text);
    } else {
        append_digest(key, text);
    }
}

rt_key
rt_key_text(rt_tenant tenant, rt_str text)
{
    rt_key key = rt_key_of(tenant);

    append_text(&key, text, TEXT_MAX);
    return key;
}

static uint8_t *
put_text(uint8_t *at, rt_str text)
{
    *at = (uint8_t)text.len;
    if (text.len > 0) {
        memcpy(at + 1, text.ptr, text.len);
    }
    return at + 1 + text.len;
}

rt_key
rt_key_pair(rt_tenant tenant, rt_str first, rt_str second)
{
    rt_key key = rt_key_of(tenant);

    if (first.len <= PAIR_MAX && second.len <= PAIR_MAX) { // nearly always
        key.len = (uint8_t)(put_text(put_text(key.bytes + key.len, first), second) - key.bytes);
        return key;
    }
    append_text(&key, first, PAIR_MAX);
    append_text(&key, second, PAIR_MAX);
    return key;
}

rt_key
rt_key_number(rt_tenant tenant, uint64_t number)
{
    rt_key key = rt_key_of(tenant);

    rt_key_u64(&key, number);
    return key;
}

rt_bytes
rt_key_bytes(const rt_key *key)
{
    RT_ASSERT(!key->overflow);
    return (rt_bytes){key->bytes, key->len};
}

rt_tenant
rt_key_tenant(rt_bytes key)
{
    if (key.len < TENANT_BYTES) {
        return RT_TENANT_SYSTEM;
    }
    return (rt_tenant){(uint16_t)(key.ptr[0] << 8 | key.ptr[1])};
}

rt_str
rt_key_part(rt_bytes key, unsigned index)
{
    size_t at = TENANT_BYTES;

    while (at < key.len && at + 1 + key.ptr[at] <= key.len) {
        if (index == 0) {
            return (rt_str){(const char *)key.ptr + at + 1, key.ptr[at]};
        }
        index--;
        at += 1 + (size_t)key.ptr[at];
    }
    return (rt_str){NULL, 0};
}
