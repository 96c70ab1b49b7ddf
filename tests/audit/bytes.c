#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "tests/audit/internal.h"

// Design notes.
// CRC-32C is computed from its polynomial, eight bytes a step (slicing-by-8, M. E. Kounavis and
// F. L. Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators",
// 2005); the tables are made at the first use. Keys are hashes of 128 bits, so that tables need not
// hold texts: of 10^8 of them two are equal with a probability below 10^-22.

#define CRC_POLYNOMIAL 0x82f63b78u // 0x1edc6f41 reflected
#define MIX_A 0x9e3779b97f4a7c15ull
#define MIX_B 0xc2b2ae3d27d4eb4full
#define MIX_C 0xff51afd7ed558ccdull
#define MIX_D 0xc4ceb9fe1a85ec53ull

struct audit__sha {
    EVP_MD *method;
    EVP_MD_CTX *context;
};

static void
out_of_memory(void)
{
    (void)fprintf(stderr, "audit: out of memory\n");
    exit(2);
}

void *
audit__alloc(size_t bytes)
{
    void *ptr = calloc(1, bytes > 0 ? bytes : 1);

    if (ptr == NULL) {
        out_of_memory();
    }
    return ptr;
}

void *
audit__grow(void *old, size_t bytes)
{
    void *ptr = realloc(old, bytes);

    if (ptr == NULL) {
        out_of_memory();
    }
    return ptr;
}

void
audit__free(void *ptr)
{
    free(ptr);
}

// --- checksum ---------------------------------------------------------------------------------

static uint32_t crc_tables[8][256];

static void
make_crc_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC_POLYNOMIAL : 0);
        }
        crc_tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++) {
            uint32_t before = crc_tables[t - 1][i];

            crc_tables[t][i] = (before >> 8) ^ crc_tables[0][before & 0xff];
        }
    }
}

uint32_t
audit__crc32c(uint32_t crc, const uint8_t *bytes, size_t len)
{
    if (crc_tables[0][1] == 0) {
        make_crc_tables();
    }
    crc = ~crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                              (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);

        crc = crc_tables[7][low & 0xff] ^ crc_tables[6][low >> 8 & 0xff] ^
              crc_tables[5][low >> 16 & 0xff] ^ crc_tables[4][low >> 24] ^ crc_tables[3][bytes[4]] ^
              crc_tables[2][bytes[5]] ^ crc_tables[1][bytes[6]] ^ crc_tables[0][bytes[7]];
    }
    for (; len > 0; len--, bytes++) {
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ *bytes) & 0xff];
    }
    return ~crc;
}

// --- keys -------------------------------------------------------------------------------------

static uint64_t
spread(uint64_t x)
{
    x ^= x >> 33;
    x *= MIX_C;
    x ^= x >> 33;
    x *= MIX_D;
    x ^= x >> 33;
    return x;
}

static uint64_t
turn(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void
mix(audit__key *key, uint64_t word)
{
    key->a = turn(key->a ^ word * MIX_A, 29) * MIX_B;
    key->b = turn(key->b + word * MIX_C, 37) * MIX_D + MIX_A;
}

static void
mix_bytes(audit__key *key, const char *bytes, size_t len)
{
    uint64_t word = 0;

    mix(key, len);
    for (; len >= 8; len -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        mix(key, word);
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, bytes, len);
        mix(key, word);
    }
}

static audit__key
finish(audit__key key)
{
    audit__key out = {spread(key.a ^ turn(key.b, 17)), spread(key.b + turn(key.a, 41))};

    out.a += out.a == 0; // a key of zeros is an empty slot
    return out;
}

audit__key
audit__key_of(uint64_t number, const audit__str *texts, size_t count)
{
    audit__key key = {MIX_A, MIX_B};

    mix(&key, number);
    for (size_t i = 0; i < count; i++) {
        mix_bytes(&key, texts[i].ptr, texts[i].len);
    }
    return finish(key);
}

audit__key
audit__hash(const void *bytes, size_t len)
{
    audit__key key = {MIX_B, MIX_A};

    mix_bytes(&key, bytes, len);
    return finish(key);
}

// --- texts ------------------------------------------------------------------------------------

audit__str
audit__str_of(const char *text)
{
    return (audit__str){text, strlen(text)};
}

bool
audit__same(audit__str a, audit__str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
audit__is(audit__str a, const char *text)
{
    return audit__same(a, audit__str_of(text));
}

bool
audit__starts(audit__str a, const char *text)
{
    size_t len = strlen(text);

    return a.len >= len && memcmp(a.ptr, text, len) == 0;
}

bool
audit__u64_of(audit__str text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 19) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = value;
    return true;
}

// --- chain ------------------------------------------------------------------------------------

audit__sha *
audit__sha_new(void)
{
    audit__sha *sha = audit__alloc(sizeof(*sha));

    sha->method = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha->context = EVP_MD_CTX_new();
    if (sha->method == NULL || sha->context == NULL) {
        (void)fprintf(stderr, "audit: libcrypto has no SHA-256\n");
        exit(2);
    }
    return sha;
}

void
audit__sha_free(audit__sha *sha)
{
    EVP_MD_CTX_free(sha->context);
    EVP_MD_free(sha->method);
    free(sha);
}

void
audit__sha_chain(audit__sha *sha, const uint8_t before[AUDIT_SHA_BYTES], const uint8_t *bytes,
                 size_t len, uint8_t ret[AUDIT_SHA_BYTES])
{
    unsigned ret_len = 0;

    if (EVP_DigestInit_ex2(sha->context, sha->method, NULL) != 1 ||
        EVP_DigestUpdate(sha->context, before, AUDIT_SHA_BYTES) != 1 ||
        EVP_DigestUpdate(sha->context, bytes, len) != 1 ||
        EVP_DigestFinal_ex(sha->context, ret, &ret_len) != 1) {
        (void)fprintf(stderr, "audit: SHA-256 failed\n");
        exit(2);
    }
}
