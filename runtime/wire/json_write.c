#include "runtime/wire/json.h"

#include <inttypes.h>
#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// The writer of what json.c reads. It walks the msgpack with the cursor and an array of open
// containers, without recursion, and always writes valid JSON: whatever a string holds, a double
// that is none in JSON, and map keys of any scalar type have a form here.

#define INDENT 2

// Length of the well-formed UTF-8 character at `at`, 0 when it is none.
static size_t
character_length(rt_str text, size_t at)
{
    uint8_t lead = (uint8_t)text.ptr[at];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (len == 1) {
        return 1;
    }
    if (text.len - at < len || !rt_utf8_valid((rt_str){text.ptr + at, len})) {
        return 0;
    }
    return len;
}

// Appends one character that must not stand in a JSON string as it is.
static void
put_escape(rt_text *out, char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letter[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;

    if (found != NULL) {
        rt_text_printf(out, "\\%c", letter[found - plain]);
    } else {
        rt_text_printf(out, "\\u%04x", (unsigned)(uint8_t)c);
    }
}

void
rt_json_string(rt_text *out, rt_str value)
{
    size_t run = 0; // first byte not yet written
    size_t at = 0;

    rt_text_cstr(out, "\"");
    while (at < value.len) {
        char c = value.ptr[at];
        bool is_special = (uint8_t)c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
        size_t len = is_special ? 0 : character_length(value, at);

        if (len > 0) {
            at += len;
            continue;
        }
        rt_text_put(out, value.ptr + run, at - run);
        if (is_special) {
            put_escape(out, c);
        } else {
            rt_text_cstr(out, "\xef\xbf\xbd"); // U+FFFD for what is not UTF-8
        }
        at++;
        run = at;
    }
    if (at > run) {
        rt_text_put(out, value.ptr + run, at - run);
    }
    rt_text_cstr(out, "\"");
}

static void
put_base64(rt_text *out, rt_bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    rt_text_cstr(out, "\"");
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = RT_MIN(bytes.len - i, (size_t)3);
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        char four[4];

        group |= have > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        group |= have > 2 ? (uint32_t)bytes.ptr[i + 2] : 0;
        for (size_t k = 0; k < 4; k++) {
            four[k] = k <= have ? digits[group >> (18 - 6 * k) & 63] : '=';
        }
        rt_text_put(out, four, 4);
    }
    rt_text_cstr(out, "\"");
}

static void
put_f64(rt_text *out, double value)
{
    char buf[RT_F64_CAP];
    size_t len = 0;

    if (!isfinite(value)) {
        rt_text_cstr(out, "null");
        return;
    }
    len = rt_format_f64(value, buf, sizeof(buf));
    rt_text_put(out, buf, len);
    // A double stays a double when it is read back.
    if (memchr(buf, '.', len) == NULL && memchr(buf, 'e', len) == NULL) {
        rt_text_cstr(out, ".0");
    }
}

typedef struct level {
    uint32_t left; // keys and values still to come
    bool is_map;
    bool is_first;
} level;

typedef struct writer {
    rt_text *out;
    bool is_pretty;
    size_t depth;
    level levels[RT_MP_DEPTH_MAX];
} writer;

static void
put_line_break(writer *w)
{
    if (!w->is_pretty) {
        return;
    }
    rt_text_cstr(w->out, "\n");
    for (size_t i = 0; i < w->depth * INDENT; i++) {
        rt_text_cstr(w->out, " ");
    }
}

// Whether the token that follows stands at a map key.
static bool
is_at_key(const writer *w)
{
    return w->depth > 0 && w->levels[w->depth - 1].is_map && w->levels[w->depth - 1].left % 2 == 0;
}

// Writes what stands before an element: a comma, a line break, or the colon after a key.
static void
put_separator(writer *w)
{
    level *top = w->depth > 0 ? &w->levels[w->depth - 1] : NULL;

    if (top == NULL) {
        return;
    }
    if (top->is_map && !is_at_key(w)) {
        rt_text_cstr(w->out, w->is_pretty ? ": " : ":");
    } else {
        rt_text_cstr(w->out, top->is_first ? "" : ",");
        put_line_break(w);
    }
    top->is_first = false;
    top->left--;
}

static rt_err
open_container(writer *w, const rt_mp_token *token)
{
    bool is_map = token->type == RT_MP_MAP;

    rt_text_cstr(w->out, is_map ? "{" : "[");
    if (token->count == 0) {
        rt_text_cstr(w->out, is_map ? "}" : "]");
        return RT_OK;
    }
    if (w->depth == RT_MP_DEPTH_MAX || token->count > RT_MP_ELEMENTS_MAX) {
        return rt_fail(RT_ELIMIT, "msgpack nested too deeply or too large for JSON");
    }
    w->levels[w->depth++] =
        (level){.left = token->count * (is_map ? 2 : 1), .is_map = is_map, .is_first = true};
    return RT_OK;
}

static void
close_containers(writer *w)
{
    while (w->depth > 0 && w->levels[w->depth - 1].left == 0) {
        bool is_map = w->levels[w->depth - 1].is_map;

        w->depth--;
        put_line_break(w);
        rt_text_cstr(w->out, is_map ? "}" : "]");
    }
}

static void
put_ext(rt_text *out, const rt_mp_token *token)
{
    rt_text_printf(out, "{\"ext\":%d,\"base64\":", token->ext_type);
    put_base64(out, token->bytes);
    rt_text_cstr(out, "}");
}

static rt_err
put_token(writer *w, const rt_mp_token *token)
{
    switch (token->type) {
    case RT_MP_NIL:
        rt_text_cstr(w->out, "null");
        return RT_OK;
    case RT_MP_BOOL:
        rt_text_cstr(w->out, token->b ? "true" : "false");
        return RT_OK;
    case RT_MP_INT:
        rt_text_printf(w->out, "%" PRId64, token->i);
        return RT_OK;
    case RT_MP_UINT:
        rt_text_printf(w->out, "%" PRIu64, token->u);
        return RT_OK;
    case RT_MP_FLOAT:
        put_f64(w->out, token->f);
        return RT_OK;
    case RT_MP_STR:
        rt_json_string(w->out, token->str);
        return RT_OK;
    case RT_MP_BIN:
        put_base64(w->out, token->bytes);
        return RT_OK;
    case RT_MP_EXT:
        put_ext(w->out, token);
        return RT_OK;
    case RT_MP_ARRAY:
    case RT_MP_MAP:
        return open_container(w, token);
    }
    RT_UNREACHABLE("every token type has its case");
}

// A JSON key is a string: other scalars are put in quotes, containers refused.
static rt_err
put_key(writer *w, const rt_mp_token *token)
{
    rt_err err = RT_OK;

    if (token->type == RT_MP_STR || token->type == RT_MP_BIN) {
        return put_token(w, token);
    }
    if (token->type == RT_MP_ARRAY || token->type == RT_MP_MAP || token->type == RT_MP_EXT) {
        return rt_fail(RT_EPROTO, "a msgpack container as map key has no JSON form");
    }
    rt_text_cstr(w->out, "\"");
    err = put_token(w, token);
    rt_text_cstr(w->out, "\"");
    return err;
}

static rt_err
write_json(rt_bytes mp, writer *w)
{
    rt_mp cursor = rt_mp_init(mp);

    do {
        rt_mp_token token;
        bool is_key = is_at_key(w);
        rt_err err = rt_mp_next(&cursor, &token);

        if (err != RT_OK) {
            return err;
        }
        put_separator(w);
        err = is_key ? put_key(w, &token) : put_token(w, &token);
        if (err != RT_OK) {
            return err;
        }
        close_containers(w);
    } while (w->depth > 0);
    if (!rt_mp_done(&cursor)) {
        return rt_fail(RT_EPROTO, "bytes after the msgpack value");
    }
    return w->out->truncated ? RT_ELIMIT : RT_OK;
}

// Takes back what was written before a failure.
static rt_err
write_or_nothing(rt_bytes mp, rt_text *out, bool is_pretty)
{
    writer w = {.out = out, .is_pretty = is_pretty};
    size_t start = out->len;
    rt_err err = write_json(mp, &w);

    if (err != RT_OK && out->ptr != NULL) {
        out->len = start;
        out->ptr[start] = '\0';
    }
    return err;
}

rt_err
rt_json_from_mp(rt_bytes mp, rt_text *out)
{
    return write_or_nothing(mp, out, false);
}

rt_err
rt_json_pretty(rt_bytes mp, rt_text *out)
{
    return write_or_nothing(mp, out, true);
}
