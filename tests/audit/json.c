#include <stdlib.h>

#include "tests/audit/internal.h"

// Design notes.
// Just enough JSON to compare a body with a msgpack map: members in any text form, strings with all
// their escapes, numbers by value. Values that are not scalars are passed over by their brackets.

static void
pass_space(audit__json *j)
{
    while (j->at < j->end &&
           (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')) {
        j->at++;
    }
}

bool
audit__json_char(audit__json *j, char c)
{
    pass_space(j);
    if (j->bad || j->at == j->end || *j->at != c) {
        return false;
    }
    j->at++;
    return true;
}

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static uint32_t
read_hex(audit__json *j)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = j->at < j->end ? hex_digit(*j->at++) : -1;

        j->bad = j->bad || digit < 0;
        value = value << 4 | (uint32_t)(digit < 0 ? 0 : digit);
    }
    return value;
}

static char *
put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

static char *
read_escape(audit__json *j, char *to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    char c = j->at < j->end ? *j->at++ : '\0';
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    uint32_t high = 0;

    if (known != NULL) {
        *to++ = means[known - from];
        return to;
    }
    j->bad = j->bad || c != 'u';
    high = read_hex(j);
    if (high >= 0xd800 && high < 0xdc00 && j->end - j->at >= 6 && j->at[0] == '\\') {
        j->at += 2;
        high = 0x10000 + ((high - 0xd800) << 10) + (read_hex(j) - 0xdc00);
    }
    return put_utf8(to, high);
}

audit__str
audit__json_str(audit__json *j)
{
    char *from = j->room;
    char *to = from;

    if (!audit__json_char(j, '"')) {
        j->bad = true;
        return (audit__str){"", 0};
    }
    while (j->at < j->end && *j->at != '"' && !j->bad) {
        char c = *j->at++;

        if (c == '\\') {
            to = read_escape(j, to);
        } else {
            *to++ = c;
        }
    }
    j->bad = j->bad || j->at == j->end;
    j->at += j->bad ? 0 : 1;
    j->room = to;
    return (audit__str){from, (size_t)(to - from)};
}

static bool
is_word(audit__json *j, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0) {
        return false;
    }
    j->at += len;
    return true;
}

// Passes over an array or object.
static void
pass_brackets(audit__json *j)
{
    size_t depth = 0;

    do {
        if (*j->at == '"') {
            (void)audit__json_str(j);
            continue;
        }
        depth += *j->at == '[' || *j->at == '{';
        depth -= *j->at == ']' || *j->at == '}';
        j->at++;
    } while (depth > 0 && j->at < j->end && !j->bad);
    j->bad = j->bad || depth > 0;
}

audit__token
audit__json_scalar(audit__json *j)
{
    audit__token token = {.type = MP_BAD};
    char *after = NULL;
    const char *from = NULL;

    pass_space(j);
    if (j->bad || j->at == j->end) {
        j->bad = true;
    } else if (*j->at == '"') {
        token = (audit__token){.type = MP_STR, .s = audit__json_str(j)};
    } else if (*j->at == '{' || *j->at == '[') {
        token.type = *j->at == '{' ? MP_MAP : MP_ARRAY;
        pass_brackets(j);
    } else if (is_word(j, "null")) {
        token.type = MP_NIL;
    } else if (is_word(j, "true") || is_word(j, "false")) {
        token = (audit__token){.type = MP_BOOL, .b = j->at[-2] == 'u'};
    } else {
        from = j->at; // a body ends with a NUL (witness.c), so no number runs past it
        token = (audit__token){.type = MP_F64, .f = strtod(from, &after)};
        j->at += after - from;
        j->bad = after == from;
    }
    return token;
}
