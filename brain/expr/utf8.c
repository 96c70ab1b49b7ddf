#include "brain/expr/expr_internal.h"

// Design notes.
// The functions of CEL count code points. What they are given was checked to be UTF-8 where it came
// in; a byte that fits nowhere would count as a code point of its own and is never read past the
// end.

uint32_t
br__utf8_next(rt_str text, size_t *at)
{
    uint8_t first = (uint8_t)text.ptr[(*at)++];
    size_t more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? first : first & (0x3fU >> more);

    for (; more > 0 && *at < text.len && ((uint8_t)text.ptr[*at] & 0xc0) == 0x80; more--) {
        point = point << 6 | ((uint8_t)text.ptr[(*at)++] & 0x3f);
    }
    return point;
}

bool
br__utf8_put(char *to, size_t *len, uint32_t point)
{
    char *at = to + *len;

    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return false;
    }
    if (point < 0x80) {
        at[0] = (char)point;
        *len += 1;
    } else if (point < 0x800) {
        at[0] = (char)(0xc0 | point >> 6);
        at[1] = (char)(0x80 | (point & 0x3f));
        *len += 2;
    } else if (point < 0x10000) {
        at[0] = (char)(0xe0 | point >> 12);
        at[1] = (char)(0x80 | (point >> 6 & 0x3f));
        at[2] = (char)(0x80 | (point & 0x3f));
        *len += 3;
    } else {
        at[0] = (char)(0xf0 | point >> 18);
        at[1] = (char)(0x80 | (point >> 12 & 0x3f));
        at[2] = (char)(0x80 | (point >> 6 & 0x3f));
        at[3] = (char)(0x80 | (point & 0x3f));
        *len += 4;
    }
    return true;
}

int64_t
br__utf8_count(rt_str text)
{
    int64_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        count += ((uint8_t)text.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}
