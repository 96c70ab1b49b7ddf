// base/hash.h: hashing and checksums.
//
// Layer: runtime/base.   Threads: any.   Sources: XXH3 (libxxhash); CRC-32C RFC 3720 appendix
// B.4 (hardware instruction when there is one); SHA-256 FIPS 180-4 and HMAC RFC 2104 (libcrypto).
#ifndef CEREBRO_RUNTIME_BASE_HASH_H
#define CEREBRO_RUNTIME_BASE_HASH_H

#include "runtime/base/bytes.h"

#define RT_SHA256_LEN 32

typedef struct rt_hash128 {
    uint64_t lo;
    uint64_t hi;
} rt_hash128;

// rt_hash64 is XXH3-64 with a seed; never used against an attacker without a secret seed.
uint64_t rt_hash64(rt_bytes bytes, uint64_t seed);
// rt_hash128_of is XXH3-128 with a seed.
rt_hash128 rt_hash128_of(rt_bytes bytes, uint64_t seed);
// rt_crc32c extends `crc` (0 to begin) over bytes.
uint32_t rt_crc32c(uint32_t crc, rt_bytes bytes);
// rt_crc32c_by_table is rt_crc32c without the processor's instruction: slower, same answer.
uint32_t rt_crc32c_by_table(uint32_t crc, rt_bytes bytes);
// rt_sha256_chain computes SHA-256(previous || bytes) into `out`; `previous` and `out` may alias.
void rt_sha256_chain(const uint8_t previous[RT_SHA256_LEN], rt_bytes bytes,
                     uint8_t out[RT_SHA256_LEN]);
// rt_hmac_sha256 signs `bytes` with `key` into `out`.
void rt_hmac_sha256(rt_bytes key, rt_bytes bytes, uint8_t out[RT_SHA256_LEN]);
// rt_hex writes 2*len lower-case digits and a NUL; `cap` must hold them.
void rt_hex(rt_bytes bytes, char *out, size_t cap);

#endif
