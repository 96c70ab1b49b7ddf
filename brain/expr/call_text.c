#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Texts count code points, bytes are compared: for UTF-8 that gives the same order. A place in a
// text is found by walking it, so a function costs the length of its text; long texts cost steps.

#define BYTES_PER_STEP 64

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static bool
are_texts(const br__value *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (args[i].kind != BR__STRING) {
            return false;
        }
    }
    return true;
}

static br__value
find_text(br__code code, rt_str text, rt_str part)
{
    bool is_found = true;

    if (part.len > text.len) {
        return br__of_bool(false);
    }
    if (part.len > 0) {
        is_found = code == BR__CONTAINS
                       ? memmem(text.ptr, text.len, part.ptr, part.len) != NULL
                       : memcmp(code == BR__ENDS_WITH ? text.ptr + text.len - part.len : text.ptr,
                                part.ptr, part.len) == 0;
    }
    return br__of_bool(is_found);
}

static br__value
match_text(rt_str text, rt_str pattern, br__limits *limits)
{
    uint64_t budget = (uint64_t)limits->steps * BR__LOOKS_PER_STEP;
    br__regex *regex = NULL;
    const char *why = NULL;
    size_t at = 0;
    bool is_match = false;
    rt_err err = RT_OK;

    if (limits->arena == NULL || !br__spend(limits, 16 + pattern.len)) {
        return br__fault(limits->arena == NULL ? BR_FAULT_NO_MEMORY : BR_FAULT_STEPS);
    }
    err = br__regex_compile(pattern, limits->arena, &regex, &why, &at);
    if (err != RT_OK) {
        return br__fault(err == RT_ENOMEM ? BR_FAULT_NO_MEMORY : BR_FAULT_ARGUMENT);
    }
    budget = (uint64_t)limits->steps * BR__LOOKS_PER_STEP;
    if (br__regex_matches(regex, text, &budget, &is_match) != RT_OK) {
        return br__fault(BR_FAULT_STEPS);
    }
    limits->steps = (uint32_t)(budget / BR__LOOKS_PER_STEP);
    return br__of_bool(is_match);
}

static br__value
change_case(br__code code, rt_str text, br__limits *limits)
{
    char *to = br__room(limits, text.len);
    char first = code == BR__LOWER_ASCII ? 'A' : 'a';

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        to[i] = c >= first && c < first + 26 ? (char)(c ^ 0x20) : c;
    }
    return br__of_text((rt_str){to, text.len});
}

static bool
is_blank(uint32_t point)
{
    return (point >= '\t' && point <= '\r') || point == ' ' || point == 0x85 || point == 0xa0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
           point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

static br__value
trim_text(rt_str text)
{
    size_t begin = 0;
    size_t end = 0;
    bool is_begun = false;

    for (size_t at = 0; at < text.len;) {
        size_t here = at;

        if (!is_blank(br__utf8_next(text, &at))) {
            begin = is_begun ? begin : here;
            end = at;
            is_begun = true;
        }
    }
    return br__of_text((rt_str){text.ptr + begin, end - begin});
}

// The byte at which the code point of a number begins; false behind the end.
static bool
byte_of(rt_str text, int64_t point, size_t *ret_at)
{
    size_t at = 0;

    for (int64_t i = 0; i < point; i++) {
        if (at == text.len) {
            return false;
        }
        (void)br__utf8_next(text, &at);
    }
    *ret_at = at;
    return point >= 0;
}

static br__value
char_at(rt_str text, br__value index)
{
    size_t at = 0;
    size_t end = 0;

    if (index.kind != BR__INT) {
        return no_overload();
    }
    if (!byte_of(text, index.i, &at)) {
        return br__fault(BR_FAULT_RANGE);
    }
    end = at;
    if (at < text.len) {
        (void)br__utf8_next(text, &end);
    }
    return br__of_text((rt_str){text.ptr + at, end - at});
}

static br__value
index_of(rt_str text, rt_str part, size_t from)
{
    const char *found = NULL;

    if (part.len == 0) {
        return br__of_int(br__utf8_count((rt_str){text.ptr, from}));
    }
    found = from < text.len ? memmem(text.ptr + from, text.len - from, part.ptr, part.len) : NULL;
    return br__of_int(found != NULL ? br__utf8_count((rt_str){text.ptr, (size_t)(found - text.ptr)})
                                    : -1);
}

static br__value
last_index_of(rt_str text, rt_str part, size_t from)
{
    if (part.len == 0) {
        return br__of_int(br__utf8_count((rt_str){text.ptr, from}));
    }
    if (part.len > text.len) {
        return br__of_int(-1);
    }
    for (size_t at = RT_MIN(from, text.len - part.len) + 1; at > 0; at--) {
        if (memcmp(text.ptr + at - 1, part.ptr, part.len) == 0) {
            return br__of_int(br__utf8_count((rt_str){text.ptr, at - 1}));
        }
    }
    return br__of_int(-1);
}

static br__value
find_index(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    rt_str text = br__text(args[0]);
    rt_str part = args[1].kind == BR__STRING ? br__text(args[1]) : RT_STR("");
    size_t from = code == BR__INDEX_OF ? 0 : text.len;

    if (args[1].kind != BR__STRING || (argc == 3 && args[2].kind != BR__INT)) {
        return no_overload();
    }
    if (argc == 3 && !byte_of(text, args[2].i, &from)) {
        return br__fault(BR_FAULT_RANGE);
    }
    if (code == BR__INDEX_OF) {
        return index_of(text, part, from);
    }
    // Looking backwards costs the product of both lengths.
    return br__spend(limits, text.len * part.len / (16 * (size_t)BYTES_PER_STEP))
               ? last_index_of(text, part, from)
               : br__fault(BR_FAULT_STEPS);
}

static br__value
sub_text(rt_str text, const br__value *args, size_t argc)
{
    size_t begin = 0;
    size_t end = text.len;

    if (args[0].kind != BR__INT || (argc == 2 && args[1].kind != BR__INT)) {
        return no_overload();
    }
    if (!byte_of(text, args[0].i, &begin) || (argc == 2 && !byte_of(text, args[1].i, &end)) ||
        begin > end) {
        return br__fault(BR_FAULT_RANGE);
    }
    return br__of_text((rt_str){text.ptr + begin, end - begin});
}

// The length of the next piece of a text before a separator; an empty one separates code points.
static size_t
piece_length(rt_str rest, rt_str separator, bool is_first)
{
    const char *found = NULL;
    size_t at = 0;

    if (separator.len == 0) {
        if (rest.len > 0 && !is_first) {
            (void)br__utf8_next(rest, &at);
        }
        return at;
    }
    found = memmem(rest.ptr, rest.len, separator.ptr, separator.len);
    return found != NULL ? (size_t)(found - rest.ptr) : SIZE_MAX;
}

static br__value
replace_text(rt_str text, rt_str from, rt_str to, int64_t limit, br__limits *limits)
{
    rt_text out;
    br__value made;
    size_t at = 0;
    int64_t done = 0;

    rt_text_init(&out, BR_EXPR_TEXT_MAX);
    for (; limit < 0 || done < limit; done++) {
        rt_str rest = {text.ptr + at, text.len - at};
        size_t len = piece_length(rest, from, done == 0);

        if (len == SIZE_MAX || (from.len == 0 && done > 0 && rest.len == 0)) {
            break;
        }
        rt_text_put(&out, rest.ptr, len);
        rt_text_str(&out, to);
        at += len + from.len;
        if (out.truncated || !br__spend(limits, 1)) {
            rt_text_fini(&out);
            return br__fault(out.truncated ? BR_FAULT_NO_MEMORY : BR_FAULT_STEPS);
        }
    }
    rt_text_put(&out, text.ptr + at, text.len - at);
    made =
        out.truncated ? br__fault(BR_FAULT_NO_MEMORY) : br__copy_text(limits, rt_text_view(&out));
    rt_text_fini(&out);
    return made;
}

static br__value
call_replace(const br__value *args, size_t argc, br__limits *limits)
{
    if (!are_texts(args, 3) || (argc == 4 && args[3].kind != BR__INT)) {
        return no_overload();
    }
    return replace_text(br__text(args[0]), br__text(args[1]), br__text(args[2]),
                        argc == 4 ? args[3].i : -1, limits);
}

// Splits at most `limit` pieces off; *items NULL counts them only.
static size_t
split_text(rt_str text, rt_str separator, int64_t limit, br__value *items)
{
    size_t count = 0;
    size_t at = 0;

    if (limit == 0 || (separator.len == 0 && text.len == 0)) {
        return 0;
    }
    for (;;) {
        rt_str rest = {text.ptr + at, text.len - at};
        size_t len = piece_length(rest, separator, false);
        bool is_last = len == SIZE_MAX || (limit > 0 && (int64_t)count + 1 == limit) ||
                       (separator.len == 0 && len == rest.len);

        if (items != NULL) {
            items[count] = br__of_text((rt_str){rest.ptr, is_last ? rest.len : len});
        }
        count++;
        if (is_last) {
            return count;
        }
        at += len + separator.len;
    }
}

static br__value
call_split(const br__value *args, size_t argc, br__limits *limits)
{
    int64_t limit = argc == 3 ? args[2].i : -1;
    size_t count = 0;
    br__value *items = NULL;

    if (!are_texts(args, 2) || (argc == 3 && args[2].kind != BR__INT)) {
        return no_overload();
    }
    count = split_text(br__text(args[0]), br__text(args[1]), limit, NULL);
    if (!br__spend(limits, count / 4)) {
        return br__fault(BR_FAULT_STEPS);
    }
    items = br__room(limits, count * sizeof(*items));
    if (items == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    (void)split_text(br__text(args[0]), br__text(args[1]), limit, items);
    return br__list(items, count);
}

static br__value
call_join(const br__value *args, size_t argc, br__limits *limits)
{
    rt_str separator = argc == 2 && args[1].kind == BR__STRING ? br__text(args[1]) : RT_STR("");
    size_t len = 0;
    char *to = NULL;

    if (args[0].kind != BR__LIST || (argc == 2 && args[1].kind != BR__STRING)) {
        return no_overload();
    }
    for (uint32_t i = 0; i < args[0].len; i++) {
        if (args[0].items[i].kind != BR__STRING) {
            return no_overload();
        }
        len += args[0].items[i].len + (i > 0 ? separator.len : 0);
    }
    if (!br__spend(limits, args[0].len / 4)) {
        return br__fault(BR_FAULT_STEPS);
    }
    to = len <= BR_EXPR_TEXT_MAX ? br__room(limits, len) : NULL;
    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    len = 0;
    for (uint32_t i = 0; i < args[0].len; i++) {
        rt_str item = br__text(args[0].items[i]);

        if (i > 0 && separator.len > 0) {
            memcpy(to + len, separator.ptr, separator.len);
            len += separator.len;
        }
        if (item.len > 0) {
            memcpy(to + len, item.ptr, item.len);
            len += item.len;
        }
    }
    return br__of_text((rt_str){to, len});
}

static br__value
reverse_text(rt_str text, br__limits *limits)
{
    char *to = br__room(limits, text.len);
    size_t end = text.len;

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t at = 0; at < text.len;) {
        size_t here = at;

        (void)br__utf8_next(text, &at);
        end -= at - here;
        memcpy(to + end, text.ptr + here, at - here);
    }
    return br__of_text((rt_str){to, text.len});
}

static br__value
quote_text(rt_str text, br__limits *limits)
{
    static const char special[] = "\a\b\f\n\r\t\v\\\"";
    static const char letters[] = "abfnrtv\\\"";
    char *to = br__room(limits, 2 * text.len + 2);
    size_t len = 1;

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    to[0] = '"';
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.ptr[i] != '\0' ? strchr(special, text.ptr[i]) : NULL;

        if (found != NULL) {
            to[len++] = '\\';
        }
        to[len++] = found != NULL ? letters[found - special] : text.ptr[i];
    }
    to[len++] = '"';
    return br__of_text((rt_str){to, len});
}

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static br__value
encode(br__value value, br__limits *limits)
{
    size_t len = 0;
    char *to = br__room(limits, ((size_t)value.len + 2) / 3 * 4);

    if (value.kind != BR__BYTES) {
        return no_overload();
    }
    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t i = 0; i < value.len; i += 3) {
        size_t have = RT_MIN((size_t)3, value.len - i);
        uint32_t bits = (uint32_t)(uint8_t)value.s[i] << 16;

        bits |= have > 1 ? (uint32_t)(uint8_t)value.s[i + 1] << 8 : 0;
        bits |= have > 2 ? (uint32_t)(uint8_t)value.s[i + 2] : 0;
        for (size_t k = 0; k < 4; k++) {
            to[len++] = k <= have ? base64_letters[bits >> (18 - 6 * k) & 63] : '=';
        }
    }
    return br__of_text((rt_str){to, len});
}

// Takes text with its padding and without.
static br__value
decode(br__value value, br__limits *limits)
{
    size_t len = 0;
    size_t letters = value.len;
    uint32_t bits = 0;
    char *to = br__room(limits, (size_t)value.len);
    br__value made;

    if (value.kind != BR__STRING) {
        return no_overload();
    }
    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    while (value.len % 4 == 0 && letters > 0 && value.len - letters < 2 &&
           value.s[letters - 1] == '=') {
        letters--;
    }
    for (size_t i = 0; i < letters; i++) {
        const char *found = value.s[i] != '\0' ? strchr(base64_letters, value.s[i]) : NULL;

        if (found == NULL) {
            return br__fault(BR_FAULT_CONVERSION);
        }
        bits = bits << 6 | (uint32_t)(found - base64_letters);
        if (i % 4 != 0) {
            to[len++] = (char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    made = br__of_text((rt_str){to, len});
    made.kind = BR__BYTES;
    return letters % 4 == 1 ? br__fault(BR_FAULT_CONVERSION) : made;
}

br__value
br__call_text(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    if (code == BR__JOIN) {
        return call_join(args, argc, limits);
    }
    if (code == BR__ENCODE || code == BR__DECODE) {
        return code == BR__ENCODE ? encode(args[0], limits) : decode(args[0], limits);
    }
    if (args[0].kind != BR__STRING) {
        return no_overload();
    }
    if (!br__spend(limits, args[0].len / BYTES_PER_STEP / 16)) {
        return br__fault(BR_FAULT_STEPS);
    }
    switch ((unsigned)code) {
    case BR__LOWER_ASCII:
    case BR__UPPER_ASCII:
        return change_case(code, br__text(args[0]), limits);
    case BR__TRIM:
        return trim_text(br__text(args[0]));
    case BR__CHAR_AT:
        return char_at(br__text(args[0]), args[1]);
    case BR__INDEX_OF:
    case BR__LAST_INDEX_OF:
        return find_index(code, args, argc, limits);
    case BR__REPLACE:
        return call_replace(args, argc, limits);
    case BR__SPLIT:
        return call_split(args, argc, limits);
    case BR__SUBSTRING:
        return sub_text(br__text(args[0]), args + 1, argc - 1);
    case BR__REVERSE:
        return reverse_text(br__text(args[0]), limits);
    case BR__QUOTE:
        return quote_text(br__text(args[0]), limits);
    case BR__FORMAT:
        return br__format(br__text(args[0]), args[1], limits);
    default:
        break;
    }
    if (args[1].kind != BR__STRING) {
        return no_overload();
    }
    return code == BR__MATCHES ? match_text(br__text(args[0]), br__text(args[1]), limits)
                               : find_text(code, br__text(args[0]), br__text(args[1]));
}
