// Our msgpack cursor and writer against msgpack-c: each must read what the other wrote.
#include <msgpack.h>

#include "runtime/base/rng.h"
#include "runtime/wire/mp.h"
#include "tests/harness/check.h"

#define ROUNDS 20000
#define ITEMS_MAX 24

// One random scalar, said to both sides in the same words.
typedef struct scalar {
    rt_mp_type type;
    int64_t i;
    uint64_t u;
    double f;
    bool b;
    char text[80];
    size_t len;
} scalar;

static scalar
draw(rt_rng *rng)
{
    static const rt_mp_type types[] = {RT_MP_NIL,   RT_MP_BOOL, RT_MP_INT, RT_MP_UINT,
                                       RT_MP_FLOAT, RT_MP_STR,  RT_MP_BIN};
    scalar s = {.type = types[rt_rng_below(rng, RT_COUNT(types))]};
    unsigned shift = (unsigned)rt_rng_below(rng, 64);
    s.i = (int64_t)(rt_rng_u64(rng) >> shift) * (rt_rng_chance(rng, 0.5) ? 1 : -1);
    s.u = rt_rng_u64(rng) | UINT64_C(1) << 63;
    s.f = rt_rng_normal(rng) * 1e6;
    s.b = rt_rng_chance(rng, 0.5);
    s.len = (size_t)rt_rng_below(rng, sizeof(s.text));
    for (size_t i = 0; i < s.len; i++) {
        s.text[i] = (char)('a' + rt_rng_below(rng, 26));
    }
    return s;
}

static void
write_ours(rt_mpw *w, const scalar *s)
{
    switch (s->type) {
    case RT_MP_BOOL:
        rt_mpw_bool(w, s->b);
        break;
    case RT_MP_INT:
        rt_mpw_i64(w, s->i);
        break;
    case RT_MP_UINT:
        rt_mpw_u64(w, s->u);
        break;
    case RT_MP_FLOAT:
        rt_mpw_f64(w, s->f);
        break;
    case RT_MP_STR:
        rt_mpw_str(w, (rt_str){s->text, s->len});
        break;
    case RT_MP_BIN:
        rt_mpw_bin(w, (rt_bytes){(const uint8_t *)s->text, s->len});
        break;
    case RT_MP_NIL:
    case RT_MP_ARRAY:
    case RT_MP_MAP:
    case RT_MP_EXT:
        rt_mpw_nil(w);
        break;
    }
}

static void
write_theirs(msgpack_packer *packer, const scalar *s)
{
    switch (s->type) {
    case RT_MP_BOOL:
        s->b ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case RT_MP_INT:
        msgpack_pack_int64(packer, s->i);
        break;
    case RT_MP_UINT:
        msgpack_pack_uint64(packer, s->u);
        break;
    case RT_MP_FLOAT:
        msgpack_pack_double(packer, s->f);
        break;
    case RT_MP_STR:
        msgpack_pack_str_with_body(packer, s->text, s->len);
        break;
    case RT_MP_BIN:
        msgpack_pack_bin_with_body(packer, s->text, s->len);
        break;
    case RT_MP_NIL:
    case RT_MP_ARRAY:
    case RT_MP_MAP:
    case RT_MP_EXT:
        msgpack_pack_nil(packer);
        break;
    }
}

static void
check_read_by_us(rt_mp *mp, const scalar *s)
{
    rt_mp_token token;

    CHECK_OK(rt_mp_next(mp, &token));
    CHECK_INT(token.type, s->type);
    if (s->type == RT_MP_INT) {
        CHECK_INT(token.i, s->i);
    } else if (s->type == RT_MP_UINT) {
        CHECK_U64(token.u, s->u);
    } else if (s->type == RT_MP_FLOAT) {
        CHECK_TRUE(memcmp(&token.f, &s->f, sizeof(s->f)) == 0);
    } else if (s->type == RT_MP_BOOL) {
        CHECK_TRUE(token.b == s->b);
    } else if (s->type == RT_MP_STR || s->type == RT_MP_BIN) {
        CHECK_TRUE(token.bytes.len == s->len && memcmp(token.bytes.ptr, s->text, s->len) == 0);
    }
}

static void
check_read_by_them(const msgpack_object *object, const scalar *s)
{
    if (s->type == RT_MP_INT && s->i >= 0) {
        CHECK_INT(object->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        CHECK_U64(object->via.u64, (uint64_t)s->i);
    } else if (s->type == RT_MP_INT) {
        CHECK_INT(object->type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
        CHECK_INT(object->via.i64, s->i);
    } else if (s->type == RT_MP_UINT) {
        CHECK_INT(object->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        CHECK_U64(object->via.u64, s->u);
    } else if (s->type == RT_MP_FLOAT) {
        CHECK_TRUE(object->via.f64 == s->f);
    } else if (s->type == RT_MP_BOOL) {
        CHECK_TRUE(object->via.boolean == s->b);
    } else if (s->type == RT_MP_STR) {
        CHECK_INT(object->type, MSGPACK_OBJECT_STR);
        CHECK_TRUE(object->via.str.size == s->len);
        CHECK_TRUE(s->len == 0 || memcmp(object->via.str.ptr, s->text, s->len) == 0);
    } else if (s->type == RT_MP_BIN) {
        CHECK_INT(object->type, MSGPACK_OBJECT_BIN);
        CHECK_TRUE(object->via.bin.size == s->len);
    } else {
        CHECK_INT(object->type, MSGPACK_OBJECT_NIL);
    }
}

static void
test_mp_reads_what_msgpack_c_wrote(void **state)
{
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 0);
    for (int round = 0; round < ROUNDS; round++) {
        scalar items[ITEMS_MAX];
        uint32_t count = (uint32_t)rt_rng_below(&rng, ITEMS_MAX);
        uint32_t read = 0;
        msgpack_sbuffer buffer;
        msgpack_packer packer;

        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        msgpack_pack_array(&packer, count);
        for (uint32_t i = 0; i < count; i++) {
            items[i] = draw(&rng);
            write_theirs(&packer, &items[i]);
        }
        rt_mp mp = rt_mp_init((rt_bytes){(const uint8_t *)buffer.data, buffer.size});

        CHECK_OK(rt_mp_array(&mp, &read));
        CHECK_INT(read, count);
        for (uint32_t i = 0; i < count; i++) {
            check_read_by_us(&mp, &items[i]);
        }
        CHECK_TRUE(rt_mp_done(&mp));
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void
test_msgpack_c_reads_what_mp_wrote(void **state)
{
    rt_rng rng;
    rt_mpw w;

    (void)state;
    rt_rng_seed(&rng, 2, 0);
    rt_mpw_init(&w, 65536);
    for (int round = 0; round < ROUNDS; round++) {
        scalar items[ITEMS_MAX];
        uint32_t count = (uint32_t)rt_rng_below(&rng, ITEMS_MAX);
        size_t offset = 0;
        msgpack_unpacked result;

        rt_mpw_clear(&w);
        rt_mpw_array(&w, count);
        for (uint32_t i = 0; i < count; i++) {
            items[i] = draw(&rng);
            write_ours(&w, &items[i]);
        }
        msgpack_unpacked_init(&result);

        CHECK_INT(msgpack_unpack_next(&result, (const char *)w.ptr, w.len, &offset),
                  MSGPACK_UNPACK_SUCCESS);
        CHECK_TRUE(offset == w.len);
        CHECK_INT(result.data.via.array.size, count);
        for (uint32_t i = 0; i < count; i++) {
            check_read_by_them(&result.data.via.array.ptr[i], &items[i]);
        }
        msgpack_unpacked_destroy(&result);
    }
    rt_mpw_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mp_reads_what_msgpack_c_wrote),
        cmocka_unit_test(test_msgpack_c_reads_what_mp_wrote),
    };
    return CHECK_RUN(tests);
}
