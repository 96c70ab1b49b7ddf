#include "runtime/wire/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>

#include "runtime/base/check.h"
#include "runtime/base/map.h"

// Design notes.
// Reading takes three steps. A strict scanner first refuses everything RFC 8259 refuses and cJSON
// lets pass (raw control characters, "\u0000", lone surrogates, trailing bytes), and bounds the
// depth, so that cJSON's recursion is bounded too. Then cJSON builds its tree. Then the tree is
// walked in document order, and a cursor over the scanned text walks along from number to number,
// because cJSON keeps only the double of a number while we want the exact integer.
//
// Invariant: in a scanned text, a '-' or a digit outside a string always begins a number.
//
// No function here recurses; levels stand in an array of RT_JSON_DEPTH_MAX entries.

#define NUMBER_MAX 63 // cJSON copies a number into 64 bytes
#define DUP_LINEAR_MAX 16

typedef struct scan {
    rt_str text;
    size_t at;
    size_t depth;
    char open[RT_JSON_DEPTH_MAX]; // '{' or '[' of each open container
} scan;

// Records the refusal with the place in lines and columns (characters) of the text.
static rt_err
refuse(rt_str text, size_t at, rt_err err, const char *why)
{
    uint32_t line = 1;
    uint32_t column = 1;

    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((uint8_t)text.ptr[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return rt_fail(err, "JSON line %" PRIu32 " column %" PRIu32 ": %s", line, column, why);
}

static rt_err
refuse_here(const scan *s, const char *why)
{
    return refuse(s->text, s->at, RT_EPROTO, s->at == s->text.len ? "text ends early" : why);
}

// The byte at the cursor, 0 at the end (a NUL in the text is refused like any control character).
static char
peek(const scan *s)
{
    return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

static void
skip_space(scan *s)
{
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r') {
        s->at++;
    }
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Reads "\uXXXX" at the cursor and moves past it; false when it is not one.
static bool
scan_unit(scan *s, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    if (s->text.len - s->at < 6 || s->text.ptr[s->at] != '\\' || s->text.ptr[s->at + 1] != 'u') {
        return false;
    }
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(s->text.ptr[s->at + i]);

        if (digit < 0) {
            return false;
        }
        unit = unit * 16 + (uint32_t)digit;
    }
    s->at += 6;
    *ret_unit = unit;
    return true;
}

// Passes over one escape, surrogate pairs as a whole.
static rt_err
scan_escape(scan *s)
{
    size_t start = s->at;
    uint32_t unit = 0;
    uint32_t low = 0;
    char c = s->at + 1 < s->text.len ? s->text.ptr[s->at + 1] : '\0';

    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
            return refuse_here(s, "unknown escape in a string");
        }
        s->at += 2;
        return RT_OK;
    }
    if (!scan_unit(s, &unit)) {
        return refuse_here(s, "\\u wants four hexadecimal digits");
    }
    if (unit == 0) {
        return refuse(s->text, start, RT_EPROTO, "\\u0000 is not allowed");
    }
    if (unit >= 0xd800 && unit <= 0xdfff) {
        if (unit >= 0xdc00 || !scan_unit(s, &low) || low < 0xdc00 || low > 0xdfff) {
            return refuse(s->text, start, RT_EPROTO, "half a surrogate pair");
        }
    }
    return RT_OK;
}

static rt_err
scan_string(scan *s)
{
    if (peek(s) != '"') {
        return refuse_here(s, "a string in double quotes was expected");
    }
    s->at++;
    while (peek(s) != '"') {
        rt_err err = RT_OK;

        if (s->at == s->text.len || (uint8_t)peek(s) < 0x20) {
            return refuse_here(s, "control character in a string");
        }
        if (peek(s) != '\\') {
            s->at++;
            continue;
        }
        err = scan_escape(s);
        if (err != RT_OK) {
            return err;
        }
    }
    s->at++;
    return RT_OK;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Passes over digits; false when there is none.
static bool
scan_digits(scan *s)
{
    size_t start = s->at;

    while (is_digit(peek(s))) {
        s->at++;
    }
    return s->at > start;
}

static rt_err
scan_number(scan *s)
{
    size_t start = s->at;
    bool is_zero = false;

    if (peek(s) == '-') {
        s->at++;
    }
    is_zero = peek(s) == '0';
    if (!scan_digits(s)) {
        return refuse_here(s, "a digit was expected");
    }
    if (is_zero && s->at - start > (s->text.ptr[start] == '-' ? 2u : 1u)) {
        return refuse(s->text, start, RT_EPROTO, "number begins with 0");
    }
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s)) {
            return refuse_here(s, "a digit was expected after the point");
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->at++;
        }
        if (!scan_digits(s)) {
            return refuse_here(s, "a digit was expected in the exponent");
        }
    }
    if (s->at - start > NUMBER_MAX) {
        return refuse(s->text, start, RT_ELIMIT, "number longer than 63 characters");
    }
    return RT_OK;
}

static rt_err
scan_word(scan *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < RT_COUNT(words); i++) {
        rt_str rest = {s->text.ptr + s->at, s->text.len - s->at};

        if (rt_str_starts(rest, rt_str_of(words[i]))) {
            s->at += strlen(words[i]);
            return RT_OK;
        }
    }
    return refuse_here(s, "a value was expected");
}

static rt_err
scan_key(scan *s)
{
    rt_err err = RT_OK;

    skip_space(s);
    err = scan_string(s);
    if (err != RT_OK) {
        return err;
    }
    skip_space(s);
    if (peek(s) != ':') {
        return refuse_here(s, "':' was expected");
    }
    s->at++;
    return RT_OK;
}

static char
closing(char open)
{
    return open == '{' ? '}' : ']';
}

// Opens a container; an empty one is closed again and *ret_is_whole set.
static rt_err
scan_open(scan *s, bool *ret_is_whole)
{
    char open = peek(s);

    if (s->depth == RT_JSON_DEPTH_MAX) {
        return refuse(s->text, s->at, RT_ELIMIT, "nested too deeply");
    }
    s->at++;
    skip_space(s);
    if (peek(s) == closing(open)) {
        s->at++;
        *ret_is_whole = true;
        return RT_OK;
    }
    s->open[s->depth++] = open;
    *ret_is_whole = false;
    return open == '{' ? scan_key(s) : RT_OK;
}

static rt_err
scan_value(scan *s, bool *ret_is_whole)
{
    char c = '\0';

    skip_space(s);
    c = peek(s);
    *ret_is_whole = true;
    if (c == '{' || c == '[') {
        return scan_open(s, ret_is_whole);
    }
    if (c == '"') {
        return scan_string(s);
    }
    return c == '-' || is_digit(c) ? scan_number(s) : scan_word(s);
}

// After a value: closes containers until one goes on, or all are closed.
static rt_err
scan_after(scan *s)
{
    while (s->depth > 0) {
        char open = s->open[s->depth - 1];

        skip_space(s);
        if (peek(s) == ',') {
            s->at++;
            return open == '{' ? scan_key(s) : RT_OK;
        }
        if (peek(s) != closing(open)) {
            return refuse_here(s,
                               open == '{' ? "',' or '}' was expected" : "',' or ']' was expected");
        }
        s->at++;
        s->depth--;
    }
    return RT_OK;
}

// Checks that the text is exactly one JSON value within our limits.
static rt_err
scan_text(rt_str text)
{
    scan s = {.text = text};
    rt_err err = RT_OK;

    do {
        bool is_whole = false;

        err = scan_value(&s, &is_whole);
        if (err == RT_OK && is_whole) {
            err = scan_after(&s);
        }
    } while (err == RT_OK && s.depth > 0);
    if (err != RT_OK) {
        return err;
    }
    skip_space(&s);
    return s.at == text.len ? RT_OK : refuse_here(&s, "text after the value");
}

static rt_err
check_utf8(rt_str text)
{
    size_t at = 0;

    if (rt_utf8_valid(text)) {
        return RT_OK;
    }
    while (at < text.len) {
        const char *newline = memchr(text.ptr + at, '\n', text.len - at);
        size_t end = newline != NULL ? (size_t)(newline - text.ptr) + 1 : text.len;

        if (!rt_utf8_valid((rt_str){text.ptr + at, end - at})) {
            break;
        }
        at = end;
    }
    return refuse(text, at, RT_EUTF8, "this line is not UTF-8");
}

// Views the next number of a scanned text and moves past it.
static rt_str
next_number(rt_str text, size_t *at)
{
    bool is_inside = false;
    size_t start = 0;

    while (is_inside || (!is_digit(text.ptr[*at]) && text.ptr[*at] != '-')) {
        if (text.ptr[*at] == '"') {
            is_inside = !is_inside;
        }
        *at += is_inside && text.ptr[*at] == '\\' ? 2 : 1;
        RT_ASSERT(*at < text.len);
    }
    start = *at;
    while (*at < text.len && text.ptr[*at] != '\0' && strchr("+-.eE0123456789", text.ptr[*at])) {
        (*at)++;
    }
    return (rt_str){text.ptr + start, *at - start};
}

static bool
parse_u64(rt_str digits, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (!is_digit(digits.ptr[i]) || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

static rt_err
write_number(rt_str text, size_t *at, rt_mpw *out)
{
    rt_str number = next_number(text, at);
    size_t start = *at - number.len;
    bool is_real = memchr(number.ptr, '.', number.len) || memchr(number.ptr, 'e', number.len) ||
                   memchr(number.ptr, 'E', number.len);
    double real = 0;
    int64_t whole = 0;
    uint64_t large = 0;

    if (is_real) {
        if (rt_parse_f64(number, &real) != RT_OK) {
            return refuse(text, start, RT_EPROTO, "number out of range");
        }
        rt_mpw_f64(out, real);
    } else if (rt_parse_i64(number, &whole) == RT_OK) {
        rt_mpw_i64(out, whole);
    } else if (parse_u64(number, &large)) {
        rt_mpw_u64(out, large);
    } else {
        return refuse(text, start, RT_EPROTO, "integer does not fit in 64 bits");
    }
    return RT_OK;
}

static rt_err
refuse_duplicate(const char *key)
{
    return rt_fail(RT_EDUP, "JSON: key '%.64s' appears twice in one object", key);
}

static rt_err
check_keys_by_map(const cJSON *object)
{
    rt_map *seen = rt_map_new();
    const cJSON *member = NULL;
    rt_err err = RT_OK;

    cJSON_ArrayForEach(member, object)
    {
        if (!rt_map_put(seen, rt_bytes_of_str(rt_str_of(member->string)), 0)) {
            err = refuse_duplicate(member->string);
            break;
        }
    }
    rt_map_free(seen);
    return err;
}

static rt_err
check_keys(const cJSON *object, int count)
{
    const cJSON *a = NULL;

    if (count > DUP_LINEAR_MAX) {
        return check_keys_by_map(object);
    }
    cJSON_ArrayForEach(a, object)
    {
        for (const cJSON *b = a->next; b != NULL; b = b->next) {
            if (strcmp(a->string, b->string) == 0) {
                return refuse_duplicate(a->string);
            }
        }
    }
    return RT_OK;
}

// Writes one node; of a container its header only.
static rt_err
write_node(const cJSON *node, rt_str text, size_t *number_at, rt_mpw *out)
{
    int count = 0;

    if (node->string != NULL) {
        rt_mpw_cstr(out, node->string);
    }
    if (cJSON_IsObject(node)) {
        count = cJSON_GetArraySize(node);
        rt_mpw_map(out, (uint32_t)count);
        return check_keys(node, count);
    }
    if (cJSON_IsArray(node)) {
        rt_mpw_array(out, (uint32_t)cJSON_GetArraySize(node));
    } else if (cJSON_IsString(node)) {
        rt_mpw_cstr(out, node->valuestring);
    } else if (cJSON_IsNumber(node)) {
        return write_number(text, number_at, out);
    } else if (cJSON_IsBool(node)) {
        rt_mpw_bool(out, cJSON_IsTrue(node));
    } else {
        rt_mpw_nil(out);
    }
    return RT_OK;
}

// Writes the whole tree in document order.
static rt_err
write_tree(const cJSON *root, rt_str text, rt_mpw *out)
{
    const cJSON *resume[RT_JSON_DEPTH_MAX]; // what follows each open container
    const cJSON *node = root;
    size_t depth = 0;
    size_t number_at = 0;

    while (node != NULL || depth > 0) {
        rt_err err = RT_OK;

        if (node == NULL) {
            node = resume[--depth];
            continue;
        }
        err = write_node(node, text, &number_at, out);
        if (err != RT_OK) {
            return err;
        }
        if (node->child != NULL) {
            RT_ASSERT(depth < RT_JSON_DEPTH_MAX);
            resume[depth++] = node->next;
            node = node->child;
        } else {
            node = node->next;
        }
    }
    return RT_OK;
}

rt_err
rt_json_to_mp(rt_str json, rt_mpw *out)
{
    size_t start = out->len;
    cJSON *root = NULL;
    rt_err err = RT_OK;

    if (json.len > RT_JSON_BYTES_MAX) {
        return rt_fail(RT_ELIMIT, "JSON of %zu bytes, at most %d are read", json.len,
                       RT_JSON_BYTES_MAX);
    }
    err = check_utf8(json);
    if (err == RT_OK) {
        err = scan_text(json);
    }
    if (err != RT_OK) {
        return err;
    }
    root = cJSON_ParseWithLength(json.ptr, json.len);
    if (root == NULL) {
        return rt_fail(RT_EPROTO, "JSON was not understood");
    }
    err = write_tree(root, json, out);
    cJSON_Delete(root);
    if (err == RT_OK && out->failed) {
        err = rt_fail(RT_ELIMIT, "JSON needs more than %zu bytes of msgpack", out->max);
    }
    if (err != RT_OK) {
        out->len = start;
    }
    return err;
}
