#include "runtime/base/hash.h"

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static rt_bytes
bytes_of(const char *text)
{
    return rt_bytes_of_str(rt_str_of(text));
}

static void
check_hex(const uint8_t digest[RT_SHA256_LEN], const char *want)
{
    char hex[2 * RT_SHA256_LEN + 1];

    rt_hex((rt_bytes){digest, RT_SHA256_LEN}, hex, sizeof(hex));
    CHECK_CSTR(hex, want);
}

// Vectors of RFC 3720, appendix B.4, and the customary check value.
static void
test_crc32c_known_vectors(void **state)
{
    uint8_t block[32];

    (void)state;
    CHECK_U64(rt_crc32c(0, (rt_bytes){NULL, 0}), 0);
    CHECK_U64(rt_crc32c(0, bytes_of("123456789")), 0xe3069283);
    memset(block, 0, sizeof(block));
    CHECK_U64(rt_crc32c(0, (rt_bytes){block, 32}), 0x8a9136aa);
    memset(block, 0xff, sizeof(block));
    CHECK_U64(rt_crc32c(0, (rt_bytes){block, 32}), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) {
        block[i] = i;
    }
    CHECK_U64(rt_crc32c(0, (rt_bytes){block, 32}), 0x46dd794e);
    CHECK_U64(rt_crc32c_by_table(0, (rt_bytes){block, 32}), 0x46dd794e);
}

static void
test_crc32c_instruction_and_table_agree_at_every_length(void **state)
{
    enum { LEN = 20000 };
    uint8_t *data = rt_new_array(uint8_t, LEN);
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    for (size_t i = 0; i < LEN; i++) {
        data[i] = (uint8_t)rt_rng_u64(&rng);
    }
    for (size_t len = 0; len < LEN - 8; len += len < 900 ? 1 : 307) {
        // Odd starts as well: the lanes must not care for alignment.
        rt_bytes view = {data + len % 8, len};
        uint32_t start = (uint32_t)rt_rng_u64(&rng);

        CHECK_U64(rt_crc32c(start, view), rt_crc32c_by_table(start, view));
    }
    rt_free(data);
}

static void
test_crc32c_extends_piece_by_piece(void **state)
{
    uint8_t data[5000];
    uint32_t whole = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 31);
    }
    whole = rt_crc32c(0, (rt_bytes){data, sizeof(data)});
    for (size_t cut = 0; cut <= sizeof(data); cut += 97) {
        uint32_t first = rt_crc32c(0, (rt_bytes){data, cut});

        CHECK_U64(rt_crc32c(first, (rt_bytes){data + cut, sizeof(data) - cut}), whole);
    }
}

static void
test_hash64_matches_xxh3_and_depends_on_seed(void **state)
{
    (void)state;
    // XXH3_64bits("") with seed 0, from the specification's test vectors.
    CHECK_U64(rt_hash64((rt_bytes){NULL, 0}, 0), UINT64_C(0x2d06800538d394c2));
    CHECK_TRUE(rt_hash64(bytes_of("order-1"), 1) != rt_hash64(bytes_of("order-1"), 2));
    CHECK_TRUE(rt_hash64(bytes_of("order-1"), 1) != rt_hash64(bytes_of("order-2"), 1));
    CHECK_U64(rt_hash64(bytes_of("order-1"), 1), rt_hash64(bytes_of("order-1"), 1));
}

static void
test_hash128_matches_xxh3(void **state)
{
    rt_hash128 empty = rt_hash128_of((rt_bytes){NULL, 0}, 0);

    (void)state;
    CHECK_U64(empty.lo, UINT64_C(0x6001c324468d497f));
    CHECK_U64(empty.hi, UINT64_C(0x99aa06d3014798d8));
}

static void
test_sha256_chain_is_sha256_of_both_parts(void **state)
{
    // SHA-256 of 32 zero bytes, and of 32 zero bytes followed by "abc".
    uint8_t previous[RT_SHA256_LEN] = {0};
    uint8_t out[RT_SHA256_LEN];

    (void)state;
    rt_sha256_chain(previous, (rt_bytes){NULL, 0}, out);
    check_hex(out, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    rt_sha256_chain(previous, bytes_of("abc"), out);
    check_hex(out, "365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370");
}

static void
test_sha256_chain_may_write_over_previous(void **state)
{
    uint8_t link[RT_SHA256_LEN] = {0};
    uint8_t first[RT_SHA256_LEN];
    uint8_t second[RT_SHA256_LEN];

    (void)state;
    rt_sha256_chain(link, bytes_of("one"), first);
    rt_sha256_chain(first, bytes_of("two"), second);
    rt_sha256_chain(link, bytes_of("one"), link);
    rt_sha256_chain(link, bytes_of("two"), link);

    CHECK_BYTES(((rt_bytes){link, RT_SHA256_LEN}), ((rt_bytes){second, RT_SHA256_LEN}));
}

// RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
static void
test_hmac_sha256_known_vectors(void **state)
{
    uint8_t key[131];
    uint8_t out[RT_SHA256_LEN];

    (void)state;
    memset(key, 0x0b, 20);
    rt_hmac_sha256((rt_bytes){key, 20}, bytes_of("Hi There"), out);
    check_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    rt_hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"), out);
    check_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    rt_hmac_sha256((rt_bytes){key, sizeof(key)},
                   bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    check_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// Keys of exactly one block and of one byte more, where padding turns into hashing the key.
static void
test_hmac_sha256_keys_around_a_block(void **state)
{
    uint8_t key[65];
    uint8_t out[RT_SHA256_LEN];

    (void)state;
    memset(key, 0xaa, sizeof(key));
    rt_hmac_sha256((rt_bytes){key, 64}, bytes_of("m"), out);
    check_hex(out, "cdb5d9cab7afaa5ababb13c058c1744bfc88f7b7fc848616dbb904d3fc058a1e");
    rt_hmac_sha256((rt_bytes){key, 65}, bytes_of("m"), out);
    check_hex(out, "12ece7a3b0130597c5b0238352d806a2ee5037a54e6f6214600afcc0c59aa6d1");
}

static void
test_hex_writes_lower_case_and_a_nul(void **state)
{
    const uint8_t bytes[] = {0x00, 0x0f, 0xa0, 0xff};
    char out[9];

    (void)state;
    rt_hex((rt_bytes){bytes, sizeof(bytes)}, out, sizeof(out));
    CHECK_CSTR(out, "000fa0ff");
    rt_hex((rt_bytes){NULL, 0}, out, 1);
    CHECK_CSTR(out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_vectors),
        cmocka_unit_test(test_crc32c_instruction_and_table_agree_at_every_length),
        cmocka_unit_test(test_crc32c_extends_piece_by_piece),
        cmocka_unit_test(test_hash64_matches_xxh3_and_depends_on_seed),
        cmocka_unit_test(test_hash128_matches_xxh3),
        cmocka_unit_test(test_sha256_chain_is_sha256_of_both_parts),
        cmocka_unit_test(test_sha256_chain_may_write_over_previous),
        cmocka_unit_test(test_hmac_sha256_known_vectors),
        cmocka_unit_test(test_hmac_sha256_keys_around_a_block),
        cmocka_unit_test(test_hex_writes_lower_case_and_a_nul),
    };

    return CHECK_RUN(tests);
}
