#include "runtime/wire/yaml.h"

#include <inttypes.h>

#include "runtime/base/check.h"

// Design notes.
// Reading of the tree that yaml.c builds: children by key, typed values with defaults, and the way
// back from an offset in a scalar's text to its place in the file.
//
// Places: YAML folds, indents and escapes, but it never adds, drops or reorders visible characters.
// So the n-th byte of the text that is no blank comes from the n-th such byte of the raw scalar
// (an escape in double quotes decodes to one or more bytes), and a blank is found by its distance
// from the visible byte before it.

#define CODE_TYPE "B2003"
#define CODE_RANGE "B2004"
#define NAMES_MAX 64

const rt_node *
rt_node_get(const rt_node *map, const char *key)
{
    if (map == NULL || map->kind != RT_NODE_MAP) {
        return NULL;
    }
    for (const rt_node *child = map->child; child != NULL; child = child->next) {
        if (rt_str_is(child->key, key)) {
            return child;
        }
    }
    return NULL;
}

size_t
rt_node_only(const rt_node *map, const char *const *allowed, const char *code, rt_diag *diag)
{
    rt_str names[NAMES_MAX];
    size_t name_count = 0;
    size_t unknown = 0;

    if (map == NULL || map->kind != RT_NODE_MAP) {
        return 0;
    }
    while (allowed[name_count] != NULL) {
        RT_ASSERT(name_count < NAMES_MAX);
        names[name_count] = rt_str_of(allowed[name_count]);
        name_count++;
    }
    for (const rt_node *child = map->child; child != NULL; child = child->next) {
        char help[96];
        bool is_known = false;

        for (size_t i = 0; i < name_count && !is_known; i++) {
            is_known = rt_str_equal(child->key, names[i]);
        }
        if (!is_known) {
            unknown++;
            rt_diag_add(diag, RT_SEVERITY_ERROR, code, child->key_mark,
                        rt_diag_did_you_mean(child->key, names, name_count, help, sizeof(help)),
                        "unknown key '%.*s'", RT_STR_ARG(child->key));
        }
    }
    return unknown;
}

static void
report(rt_diag *diag, const rt_node *child, const char *code, const char *help, const char *want)
{
    rt_diag_add(diag, RT_SEVERITY_ERROR, code, child->mark, help, "'%.*s' wants %s",
                RT_STR_ARG(child->key), want);
}

// The scalar child `key`, or NULL when absent or reported. `is_text` lets quotes pass.
static const rt_node *
find_scalar(const rt_node *map, const char *key, bool is_text, const char *want, rt_diag *diag)
{
    const rt_node *child = rt_node_get(map, key);

    if (child == NULL) {
        return NULL;
    }
    if (child->kind != RT_NODE_SCALAR) {
        report(diag, child, CODE_TYPE, NULL, want);
        return NULL;
    }
    if (child->style == RT_SCALAR_PLAIN && child->text.len == 0) {
        report(diag, child, CODE_TYPE, is_text ? "write \"\" for an empty text" : NULL, want);
        return NULL;
    }
    if (!is_text && child->style != RT_SCALAR_PLAIN) {
        report(diag, child, CODE_TYPE, "leave the quotes out", want);
        return NULL;
    }
    return child;
}

rt_str
rt_node_str(const rt_node *map, const char *key, rt_str fallback, rt_diag *diag)
{
    const rt_node *child = find_scalar(map, key, true, "a text", diag);

    return child != NULL ? child->text : fallback;
}

int64_t
rt_node_i64(const rt_node *map, const char *key, int64_t fallback, int64_t min, int64_t max,
            rt_diag *diag)
{
    const rt_node *child = find_scalar(map, key, false, "a whole number", diag);
    int64_t value = 0;
    rt_err err = RT_OK;

    if (child == NULL) {
        return fallback;
    }
    err = rt_parse_i64(child->text, &value);
    if (err == RT_EINVAL) {
        report(diag, child, CODE_TYPE, NULL, "a whole number");
        return fallback;
    }
    if (err != RT_OK || value < min || value > max) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_RANGE, child->mark, NULL,
                    "'%s' must be from %" PRId64 " to %" PRId64, key, min, max);
        return fallback;
    }
    return value;
}

double
rt_node_f64(const rt_node *map, const char *key, double fallback, double min, double max,
            rt_diag *diag)
{
    const rt_node *child = find_scalar(map, key, false, "a number", diag);
    double value = 0;
    rt_err err = RT_OK;

    if (child == NULL) {
        return fallback;
    }
    err = rt_parse_f64(child->text, &value);
    if (err == RT_EINVAL) {
        report(diag, child, CODE_TYPE, NULL, "a number");
        return fallback;
    }
    if (err != RT_OK || !(value >= min && value <= max)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_RANGE, child->mark, NULL,
                    "'%s' must be from %g to %g", key, min, max);
        return fallback;
    }
    return value;
}

bool
rt_node_bool(const rt_node *map, const char *key, bool fallback, rt_diag *diag)
{
    const rt_node *child = find_scalar(map, key, false, "true or false", diag);

    if (child == NULL) {
        return fallback;
    }
    if (rt_str_is(child->text, "true")) {
        return true;
    }
    if (rt_str_is(child->text, "false")) {
        return false;
    }
    report(diag, child, CODE_TYPE, "other spellings, such as yes or on, are not taken",
           "true or false");
    return fallback;
}

// Reads a number with a unit by `parse`.
static int64_t
read_quantity(const rt_node *map, const char *key, int64_t fallback, const char *want,
              rt_err (*parse)(rt_str, int64_t *), rt_diag *diag)
{
    const rt_node *child = find_scalar(map, key, true, want, diag);
    int64_t value = 0;
    rt_err err = RT_OK;

    if (child == NULL) {
        return fallback;
    }
    err = parse(child->text, &value);
    if (err == RT_ERANGE) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_RANGE, child->mark, NULL, "'%s' is too large",
                    key);
        return fallback;
    }
    if (err != RT_OK) {
        report(diag, child, CODE_TYPE, NULL, want);
        return fallback;
    }
    return value;
}

int64_t
rt_node_duration_ms(const rt_node *map, const char *key, int64_t fallback, rt_diag *diag)
{
    return read_quantity(map, key, fallback, "a duration such as 250ms, 10s, 5m, 24h, 7d or 1h30m",
                         rt_parse_duration_ms, diag);
}

int64_t
rt_node_size_bytes(const rt_node *map, const char *key, int64_t fallback, rt_diag *diag)
{
    return read_quantity(map, key, fallback, "a size such as 512, 64KiB, 1MiB or 8GiB",
                         rt_parse_size_bytes, diag);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Visible bytes a double-quoted escape of `len` raw bytes stands for.
static size_t
escape_width(const char *escape, size_t len)
{
    uint32_t point = 0;

    if (len == 2) {
        // \N is two bytes and \_ too, \L and \P three; blanks are not visible.
        if (strchr("tnr \t\n\r", escape[1]) != NULL) {
            return 0;
        }
        return strchr("N_", escape[1]) != NULL ? 2 : strchr("LP", escape[1]) != NULL ? 3 : 1;
    }
    for (size_t i = 2; i < len; i++) {
        char c = escape[i];

        point = point * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (point < 0x80) {
        return is_blank((char)point) ? 0 : 1;
    }
    return point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

// One step through a raw scalar: *ret_len raw bytes stand for *ret_width visible bytes of text.
static void
raw_step(rt_str raw, size_t at, char quote, size_t *ret_len, size_t *ret_width)
{
    size_t left = raw.len - at;
    size_t len = 1;

    *ret_width = is_blank(raw.ptr[at]) ? 0 : 1;
    if (quote == '\'' && left > 1 && raw.ptr[at] == '\'' && raw.ptr[at + 1] == '\'') {
        len = 2;
    } else if (quote == '"' && raw.ptr[at] == '\\' && left > 1) {
        char c = raw.ptr[at + 1];

        len = c == 'x' ? 4 : c == 'u' ? 6 : c == 'U' ? 10 : 2;
        len = RT_MIN(len, left);
        *ret_width = escape_width(raw.ptr + at, len);
    }
    *ret_len = len;
}

// Where the content begins: after the quote, or after the header line of a block.
static size_t
content_start(const rt_node *scalar)
{
    const char *newline = NULL;

    if (scalar->style == RT_SCALAR_PLAIN || scalar->raw.len == 0) {
        return 0;
    }
    if (scalar->style == RT_SCALAR_QUOTED) {
        return 1;
    }
    newline = memchr(scalar->raw.ptr, '\n', scalar->raw.len);
    return newline != NULL ? (size_t)(newline - scalar->raw.ptr) + 1 : scalar->raw.len;
}

// Raw offset of the text byte at `offset`; *ret_len raw bytes stand for it.
static size_t
raw_offset(const rt_node *scalar, size_t offset, size_t *ret_len)
{
    char quote = scalar->style == RT_SCALAR_QUOTED ? scalar->raw.ptr[0] : '\0';
    size_t at = content_start(scalar);
    size_t target = RT_MIN(offset, scalar->text.len);
    size_t blanks = 0; // between the last visible byte before the target and the target
    size_t wanted = 0; // visible bytes before the target
    size_t seen = 0;
    size_t len = 0;
    size_t width = 0;
    bool is_visible = target < scalar->text.len && !is_blank(scalar->text.ptr[target]);

    for (size_t i = 0; i < target; i++) {
        bool is_counted = !is_blank(scalar->text.ptr[i]);

        wanted += is_counted ? 1 : 0;
        blanks = is_counted ? 0 : blanks + 1;
    }
    while (at < scalar->raw.len) {
        raw_step(scalar->raw, at, quote, &len, &width);
        if (seen + width > wanted) {
            break; // this step holds the next visible byte
        }
        if (!is_visible && seen == wanted) {
            break; // just behind the visible byte before the blank
        }
        seen += width;
        at += len;
    }
    *ret_len = is_visible ? len : 1;
    return is_visible ? at : RT_MIN(at + blanks, scalar->raw.len);
}

rt_mark
rt_node_mark_at(const rt_node *scalar, size_t offset, size_t length)
{
    rt_mark mark = scalar->mark;
    size_t start = 0;
    size_t end = 0;
    size_t width = 0;
    size_t len = 0;

    if (scalar->kind != RT_NODE_SCALAR || scalar->raw.len == 0) {
        return mark;
    }
    start = raw_offset(scalar, offset, &len);
    for (size_t i = 0; i < start; i++) {
        if (scalar->raw.ptr[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((uint8_t)scalar->raw.ptr[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    end = length > 0 ? raw_offset(scalar, offset + length - 1, &len) + len : start;
    for (size_t i = start; i < end && i < scalar->raw.len; i++) {
        if (scalar->raw.ptr[i] == '\n') {
            break;
        }
        width += ((uint8_t)scalar->raw.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    mark.length = (uint32_t)width;
    return mark;
}
