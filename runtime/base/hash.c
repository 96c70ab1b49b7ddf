#include "runtime/base/hash.h"

#define XXH_INLINE_ALL
// The SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP, which looks its algorithm up
// again on every use: for records of 100 bytes the lookup costs more than the hash.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include "runtime/base/attr.h"
#include "runtime/base/check.h"

// Design notes.
// CRC-32C has two ways with one answer: the SSE4.2 instruction, chosen when the processor has it,
// and a table. The instruction takes 3 cycles but a new one can start each cycle, so large inputs
// run as three interleaved lanes of LANE bytes. Joining lanes needs "crc advanced over n zero
// bytes", that is crc * x^(8n) mod P: one carry-less multiplication by x^(8n-33) followed by a
// crc32 of the 64-bit product, which itself multiplies by x^32 (and the reflected product by x).
// Source: Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", 2011.

#define LANE_LONG 1024
#define LANE_SHORT 128
#define HMAC_BLOCK 64

static const uint32_t crc_table[256] = {
#include "runtime/base/crc32c.def"
};

uint64_t
rt_hash64(rt_bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

rt_hash128
rt_hash128_of(rt_bytes bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.ptr, bytes.len, seed);

    return (rt_hash128){hash.low64, hash.high64};
}

static uint32_t
crc_by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc = crc_table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
    }
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CRC_TARGET RT_TARGET("sse4.2,pclmul")

// x^(8n-33) and x^(16n-33) mod P, reflected, for a lane of n bytes.
typedef struct lane_factors {
    size_t lane;
    uint32_t over_one;
    uint32_t over_two;
} lane_factors;

static uint64_t
load64(const uint8_t *p)
{
    uint64_t word = 0;

    memcpy(&word, p, sizeof(word));
    return word;
}

CRC_TARGET static uint64_t
advance(uint64_t crc, uint32_t factor)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi32_si128((int)factor), 0);

    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

// Runs as many groups of three lanes as fit; moves *p and *len past them.
CRC_TARGET static uint64_t
crc_lanes(uint64_t crc, const uint8_t **p, size_t *len, const lane_factors *by)
{
    size_t lane = by->lane;

    while (*len >= 3 * lane) {
        uint64_t second = 0;
        uint64_t third = 0;
        const uint8_t *at = *p;

        for (size_t i = 0; i < lane; i += 8) {
            crc = _mm_crc32_u64(crc, load64(at + i));
            second = _mm_crc32_u64(second, load64(at + lane + i));
            third = _mm_crc32_u64(third, load64(at + 2 * lane + i));
        }
        crc = advance(crc, by->over_two) ^ advance(second, by->over_one) ^ third;
        *p += 3 * lane;
        *len -= 3 * lane;
    }
    return crc;
}

CRC_TARGET static uint32_t
crc_by_instruction(uint32_t start, const uint8_t *p, size_t len)
{
    static const lane_factors by_long = {LANE_LONG, 0x170076fa, 0xa51b6135};
    static const lane_factors by_short = {LANE_SHORT, 0x0d3b6092, 0xb9e02b86};
    uint64_t crc = start;

    crc = crc_lanes(crc, &p, &len, &by_long);
    crc = crc_lanes(crc, &p, &len, &by_short);
    while (len >= 8) {
        crc = _mm_crc32_u64(crc, load64(p));
        p += 8;
        len -= 8;
    }
    while (len > 0) {
        crc = _mm_crc32_u8((uint32_t)crc, *p);
        p++;
        len--;
    }
    return (uint32_t)crc;
}
#endif

uint32_t
rt_crc32c(uint32_t crc, rt_bytes bytes)
{
    RT_ASSERT(bytes.ptr != NULL || bytes.len == 0);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
        return ~crc_by_instruction(~crc, bytes.ptr, bytes.len);
    }
#endif
    return ~crc_by_table(~crc, bytes.ptr, bytes.len);
}

uint32_t
rt_crc32c_by_table(uint32_t crc, rt_bytes bytes)
{
    return ~crc_by_table(~crc, bytes.ptr, bytes.len);
}

void
rt_sha256_chain(const uint8_t previous[RT_SHA256_LEN], rt_bytes bytes, uint8_t out[RT_SHA256_LEN])
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, previous, RT_SHA256_LEN);
    SHA256_Update(&ctx, bytes.ptr, bytes.len);
    SHA256_Final(out, &ctx);
}

void
rt_hmac_sha256(rt_bytes key, rt_bytes bytes, uint8_t out[RT_SHA256_LEN])
{
    uint8_t inner[HMAC_BLOCK] = {0};
    uint8_t outer[HMAC_BLOCK];
    SHA256_CTX ctx;

    if (key.len > HMAC_BLOCK) {
        SHA256(key.ptr, key.len, inner);
    } else if (key.len > 0) {
        memcpy(inner, key.ptr, key.len);
    }
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, inner, HMAC_BLOCK);
    SHA256_Update(&ctx, bytes.ptr, bytes.len);
    SHA256_Final(out, &ctx);
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, outer, HMAC_BLOCK);
    SHA256_Update(&ctx, out, RT_SHA256_LEN);
    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}

void
rt_hex(rt_bytes bytes, char *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";

    RT_ASSERT(cap > 2 * bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[bytes.ptr[i] >> 4];
        out[2 * i + 1] = digits[bytes.ptr[i] & 15];
    }
    out[2 * bytes.len] = '\0';
}
