#include "tests/audit/internal.h"

// Design notes.
// A cursor that cannot leave its message: every length is compared with what is left before it is
// used. Skipping counts the values still to come in place of calling itself.

audit__mp
audit__mp_of(const void *bytes, size_t len)
{
    return (audit__mp){.at = bytes, .end = (const uint8_t *)bytes + len};
}

static bool
has(const audit__mp *mp, size_t len)
{
    return (size_t)(mp->end - mp->at) >= len;
}

// Reads a big-endian number of `len` bytes.
static uint64_t
number(audit__mp *mp, size_t len)
{
    uint64_t value = 0;

    if (!has(mp, len)) {
        mp->bad = true;
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | *mp->at++;
    }
    return value;
}

static audit__str
bytes(audit__mp *mp, uint64_t len)
{
    audit__str s = {(const char *)mp->at, (size_t)len};

    if (mp->bad || !has(mp, len)) {
        mp->bad = true;
        return (audit__str){"", 0};
    }
    mp->at += len;
    return s;
}

static audit__token
whole(uint64_t value)
{
    bool fits = value <= INT64_MAX;

    return (audit__token){
        .type = fits ? MP_INT : MP_U64, .i = fits ? (int64_t)value : 0, .u = value};
}

static audit__token
negative(int64_t value)
{
    return (audit__token){.type = MP_INT, .i = value, .u = value >= 0 ? (uint64_t)value : 0};
}

static audit__token
text(audit__mp *mp, audit__type type, uint64_t len)
{
    return (audit__token){.type = type, .s = bytes(mp, len)};
}

static audit__token
list(audit__type type, uint64_t count)
{
    return (audit__token){.type = type, .count = (uint32_t)count};
}

static audit__token
real(audit__mp *mp, size_t len)
{
    audit__token token = {.type = MP_F64};
    uint64_t bits = number(mp, len);

    if (len == 4) {
        uint32_t half = (uint32_t)bits;
        float f = 0;

        memcpy(&f, &half, sizeof(f));
        token.f = (double)f;
    } else {
        memcpy(&token.f, &bits, sizeof(token.f));
    }
    return token;
}

// Types from 0xc0 to 0xdf.
static audit__token
long_form(audit__mp *mp, uint8_t head)
{
    switch (head) {
    case 0xc0:
        return (audit__token){.type = MP_NIL};
    case 0xc2:
    case 0xc3:
        return (audit__token){.type = MP_BOOL, .b = head == 0xc3};
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return text(mp, MP_BIN, number(mp, (size_t)1 << (head - 0xc4)));
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return text(mp, MP_EXT, number(mp, (size_t)1 << (head - 0xc7)) + 1);
    case 0xca:
        return real(mp, 4);
    case 0xcb:
        return real(mp, 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return whole(number(mp, (size_t)1 << (head - 0xcc)));
    case 0xd0:
        return negative((int8_t)number(mp, 1));
    case 0xd1:
        return negative((int16_t)number(mp, 2));
    case 0xd2:
        return negative((int32_t)number(mp, 4));
    case 0xd3:
        return negative((int64_t)number(mp, 8));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return text(mp, MP_EXT, ((uint64_t)1 << (head - 0xd4)) + 1);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return text(mp, MP_STR, number(mp, (size_t)1 << (head - 0xd9)));
    case 0xdc:
    case 0xdd:
        return list(MP_ARRAY, number(mp, head == 0xdc ? 2 : 4));
    case 0xde:
    case 0xdf:
        return list(MP_MAP, number(mp, head == 0xde ? 2 : 4));
    default:
        mp->bad = true;
        return (audit__token){.type = MP_BAD};
    }
}

audit__token
audit__mp_next(audit__mp *mp)
{
    audit__token token = {.type = MP_BAD};
    uint8_t head = 0;

    if (mp->bad || !has(mp, 1)) {
        mp->bad = true;
        return token;
    }
    head = *mp->at++;
    if (head < 0x80) {
        token = whole(head);
    } else if (head < 0x90) {
        token = list(MP_MAP, head & 0x0f);
    } else if (head < 0xa0) {
        token = list(MP_ARRAY, head & 0x0f);
    } else if (head < 0xc0) {
        token = text(mp, MP_STR, head & 0x1f);
    } else if (head >= 0xe0) {
        token = negative((int8_t)head);
    } else {
        token = long_form(mp, head);
    }
    if (mp->bad) {
        token.type = MP_BAD;
    }
    return token;
}

static audit__token
want(audit__mp *mp, audit__type type)
{
    audit__token token = audit__mp_next(mp);

    if (token.type != type) {
        mp->bad = true;
        return (audit__token){.type = MP_BAD, .s = {"", 0}};
    }
    return token;
}

uint32_t
audit__mp_array(audit__mp *mp)
{
    return want(mp, MP_ARRAY).count;
}

uint32_t
audit__mp_map(audit__mp *mp)
{
    return want(mp, MP_MAP).count;
}

uint64_t
audit__mp_u64(audit__mp *mp)
{
    audit__token token = audit__mp_next(mp);

    if (token.type == MP_U64 || (token.type == MP_INT && token.i >= 0)) {
        return token.u;
    }
    mp->bad = true;
    return 0;
}

int64_t
audit__mp_i64(audit__mp *mp)
{
    return want(mp, MP_INT).i;
}

double
audit__mp_f64(audit__mp *mp)
{
    audit__token token = audit__mp_next(mp);

    if (token.type == MP_INT) {
        return (double)token.i;
    }
    mp->bad = mp->bad || token.type != MP_F64;
    return token.f;
}

bool
audit__mp_bool(audit__mp *mp)
{
    return want(mp, MP_BOOL).b;
}

audit__str
audit__mp_str(audit__mp *mp)
{
    uint8_t head = !mp->bad && has(mp, 1) ? *mp->at : 0;

    if (head >= 0xa0 && head < 0xc0) { // nearly all of them are this short
        mp->at++;
        return bytes(mp, head & 0x1f);
    }
    return want(mp, MP_STR).s;
}

audit__str
audit__mp_bin(audit__mp *mp)
{
    return want(mp, MP_BIN).s;
}

// Passes over what is one byte, or a short text; false when it is something else.
static bool
skip_short(audit__mp *mp)
{
    uint8_t head = has(mp, 1) ? *mp->at : 0xc1;

    if (head >= 0xa0 && head < 0xc0) {
        mp->at++;
        (void)bytes(mp, head & 0x1f);
        return true;
    }
    if (head < 0x80 || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3) {
        mp->at++;
        return true;
    }
    return false;
}

void
audit__mp_skip(audit__mp *mp)
{
    for (uint64_t left = 1; left > 0 && !mp->bad; left--) {
        if (skip_short(mp)) {
            continue;
        }
        audit__token token = audit__mp_next(mp);

        if (token.type == MP_ARRAY) {
            left += token.count;
        } else if (token.type == MP_MAP) {
            left += (uint64_t)token.count * 2;
        }
    }
}

audit__str
audit__mp_raw(audit__mp *mp)
{
    const uint8_t *from = mp->at;

    audit__mp_skip(mp);
    return (audit__str){(const char *)from, mp->bad ? 0 : (size_t)(mp->at - from)};
}
