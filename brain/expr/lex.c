#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// All tokens are made before parsing, so that the parser may look ahead freely; a source of
// BR_EXPR_BYTES_MAX bytes has at most as many tokens. Escapes are decoded here.

typedef struct lexer {
    br__compiler *c;
    rt_str source;
    size_t at;
    char *decoded; // text of all strings; together never longer than the source
    size_t decoded_len;
} lexer;

static char
peek(const lexer *l, size_t ahead)
{
    return l->at + ahead < l->source.len ? l->source.ptr[l->at + ahead] : '\0';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int
hex_digit(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static br__span
span_of(size_t pos, size_t len)
{
    return (br__span){(uint16_t)pos, (uint16_t)len};
}

static br__token *
add_token(lexer *l, br__token_kind kind, size_t start)
{
    br__token *token = &l->c->tokens[l->c->token_count++];

    *token = (br__token){.kind = kind, .span = span_of(start, l->at - start)};
    return token;
}

static void
skip_blanks(lexer *l)
{
    for (;;) {
        char c = peek(l, 0);

        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            l->at++;
        } else if (c == '/' && peek(l, 1) == '/') {
            while (l->at < l->source.len && peek(l, 0) != '\n') {
                l->at++;
            }
        } else {
            return;
        }
    }
}

static void
add_integer(lexer *l, size_t start, uint64_t value)
{
    bool is_unsigned = peek(l, 0) == 'u' || peek(l, 0) == 'U';

    l->at += is_unsigned ? 1 : 0;
    add_token(l, is_unsigned ? BR__T_UINT : BR__T_INT, start)->magnitude = value;
}

static bool
lex_hex(lexer *l, size_t start)
{
    uint64_t value = 0;
    size_t digits = 0;

    l->at += 2;
    while (hex_digit(peek(l, 0)) >= 0) {
        if (value >> 60 != 0) {
            br__report(l->c, BR__SYNTAX, span_of(start, l->at + 1 - start), NULL,
                       "integer does not fit in 64 bits");
            return false;
        }
        value = value * 16 + (uint64_t)hex_digit(peek(l, 0));
        l->at++;
        digits++;
    }
    if (digits == 0) {
        br__report(l->c, BR__SYNTAX, span_of(start, 2), NULL, "hexadecimal digits expected");
        return false;
    }
    add_integer(l, start, value);
    return true;
}

static void
skip_digits(lexer *l)
{
    while (is_digit(peek(l, 0))) {
        l->at++;
    }
}

// Passes over an exponent when a whole one stands here.
static bool
skip_exponent(lexer *l)
{
    size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-' ? 1 : 0;

    if ((peek(l, 0) != 'e' && peek(l, 0) != 'E') || !is_digit(peek(l, 1 + sign))) {
        return false;
    }
    l->at += 1 + sign;
    skip_digits(l);
    return true;
}

static bool
lex_real(lexer *l, size_t start)
{
    char digits[256] = "0"; // ".5" is CEL but not our number grammar
    size_t len = l->at - start;
    double value = 0;

    if (len + 1 < sizeof(digits)) {
        memcpy(digits + 1, l->source.ptr + start, len);
    }
    if (len + 1 >= sizeof(digits) || rt_parse_f64((rt_str){digits, len + 1}, &value) != RT_OK) {
        br__report(l->c, BR__SYNTAX, span_of(start, len), NULL, "number out of range");
        return false;
    }
    add_token(l, BR__T_DOUBLE, start)->real = value;
    return true;
}

static bool
lex_number(lexer *l)
{
    size_t start = l->at;
    uint64_t value = 0;
    bool is_real = false;

    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X')) {
        return lex_hex(l, start);
    }
    skip_digits(l);
    if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
        l->at++;
        skip_digits(l);
        is_real = true;
    }
    is_real = skip_exponent(l) || is_real;
    if (is_real) {
        return lex_real(l, start);
    }
    for (size_t i = start; i < l->at; i++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(l->source.ptr[i] - '0'), &value)) {
            br__report(l->c, BR__SYNTAX, span_of(start, l->at - start), NULL,
                       "integer does not fit in 64 bits");
            return false;
        }
    }
    add_integer(l, start, value);
    return true;
}

// Reads `count` digits of a base after `skip` bytes and moves past them.
static bool
lex_digits(lexer *l, size_t skip, size_t count, uint32_t base, uint32_t *ret_point)
{
    uint32_t point = 0;

    for (size_t i = 0; i < count; i++) {
        int digit = hex_digit(peek(l, skip + i));

        if (digit < 0 || (uint32_t)digit >= base) {
            return false;
        }
        point = point * base + (uint32_t)digit;
    }
    l->at += skip + count;
    *ret_point = point;
    return true;
}

static bool
put_escaped(char *to, size_t *len, uint32_t point, bool is_bytes)
{
    if (!is_bytes) {
        return br__utf8_put(to, len, point);
    }
    to[(*len)++] = (char)point;
    return point < 0x100;
}

// Decodes the escape at the cursor; false when it is none. An escape is never shorter than what it
// stands for, so a buffer as long as the source is room enough.
static bool
lex_escape(lexer *l, char *to, size_t *len, bool is_bytes)
{
    static const char letters[] = "abfnrtv\\?\"'`";
    static const char values[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek(l, 1);
    const char *found = c != '\0' ? strchr(letters, c) : NULL;
    uint32_t point = 0;

    if (found != NULL) {
        to[(*len)++] = values[found - letters];
        l->at += 2;
        return true;
    }
    if (c == 'x' || c == 'X') {
        return lex_digits(l, 2, 2, 16, &point) && put_escaped(to, len, point, is_bytes);
    }
    if ((c == 'u' || c == 'U') && !is_bytes) {
        return lex_digits(l, 2, c == 'u' ? 4 : 8, 16, &point) && br__utf8_put(to, len, point);
    }
    return c >= '0' && c <= '3' && lex_digits(l, 1, 3, 8, &point) &&
           put_escaped(to, len, point, is_bytes);
}

// Whether the closing quote, one or three characters, stands at the cursor.
static bool
is_at_quote(const lexer *l, char quote, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        if (peek(l, i) != quote) {
            return false;
        }
    }
    return true;
}

// Reads a string whose quotes begin at the cursor.
static bool
lex_string(lexer *l, size_t start, bool is_raw, bool is_bytes)
{
    char quote = peek(l, 0);
    size_t width = is_at_quote(l, quote, 3) ? 3 : 1;
    char *to = l->decoded + l->decoded_len;
    size_t len = 0;

    l->at += width;
    while (!is_at_quote(l, quote, width)) {
        char c = peek(l, 0);
        size_t at = l->at;

        if (l->at >= l->source.len || (width == 1 && (c == '\n' || c == '\r'))) {
            br__report(l->c, BR__SYNTAX, span_of(start, l->at - start), NULL,
                       "the text is not closed");
            return false;
        }
        if (c != '\\' || is_raw) {
            to[len++] = c;
            l->at++;
        } else if (!lex_escape(l, to, &len, is_bytes)) {
            br__report(l->c, BR__SYNTAX, span_of(at, RT_MIN((size_t)2, l->source.len - at)),
                       "write \\\\ for a backslash", "unknown escape in a text");
            return false;
        }
    }
    l->at += width;
    l->decoded_len += len;
    add_token(l, is_bytes ? BR__T_BYTES : BR__T_STRING, start)->text = (rt_str){to, len};
    return true;
}

// Reads a string with prefix letters, if one stands here; *ret_is_string tells.
static bool
lex_prefixed_string(lexer *l, bool *ret_is_string)
{
    size_t start = l->at;
    size_t prefix = 0;
    bool is_bytes = false;
    bool is_raw = false;

    while (prefix < 2 && peek(l, prefix) != '\0' && strchr("rRbB", peek(l, prefix)) != NULL) {
        bool is_r = peek(l, prefix) == 'r' || peek(l, prefix) == 'R';

        if (is_r ? is_raw : is_bytes) {
            break;
        }
        is_raw = is_raw || is_r;
        is_bytes = is_bytes || !is_r;
        prefix++;
    }
    *ret_is_string = peek(l, prefix) == '"' || peek(l, prefix) == '\'';
    if (!*ret_is_string) {
        return true;
    }
    l->at += prefix;
    return lex_string(l, start, is_raw, is_bytes);
}

static void
lex_name(lexer *l)
{
    size_t start = l->at;
    br__token *token = NULL;
    rt_str name = {NULL, 0};

    while (is_name_start(peek(l, 0)) || is_digit(peek(l, 0))) {
        l->at++;
    }
    token = add_token(l, BR__T_IDENT, start);
    name = (rt_str){l->source.ptr + start, l->at - start};
    if (rt_str_is(name, "true")) {
        token->kind = BR__T_TRUE;
    } else if (rt_str_is(name, "false")) {
        token->kind = BR__T_FALSE;
    } else if (rt_str_is(name, "null")) {
        token->kind = BR__T_NULL;
    } else if (rt_str_is(name, "in")) {
        token->kind = BR__T_OPERATOR;
        token->code = BR__IN;
    }
}

typedef struct symbol {
    const char *text;
    br__token_kind kind;
    br__code code;
} symbol;

// Longer symbols first.
static const symbol symbols[] = {
    {"==", BR__T_OPERATOR, BR__EQ},        {"!=", BR__T_OPERATOR, BR__NE},
    {"<=", BR__T_OPERATOR, BR__LE},        {">=", BR__T_OPERATOR, BR__GE},
    {"&&", BR__T_OPERATOR, BR__AND},       {"||", BR__T_OPERATOR, BR__OR},
    {"<", BR__T_OPERATOR, BR__LT},         {">", BR__T_OPERATOR, BR__GT},
    {"+", BR__T_OPERATOR, BR__ADD},        {"-", BR__T_OPERATOR, BR__SUB},
    {"*", BR__T_OPERATOR, BR__MUL},        {"/", BR__T_OPERATOR, BR__DIV},
    {"%", BR__T_OPERATOR, BR__MOD},        {"!", BR__T_NOT, BR__NOT},
    {"(", BR__T_OPEN, BR__CODE_COUNT},     {")", BR__T_CLOSE, BR__CODE_COUNT},
    {"[", BR__T_BRACKET, BR__CODE_COUNT},  {"]", BR__T_BRACKET_CLOSE, BR__CODE_COUNT},
    {"{", BR__T_BRACE, BR__CODE_COUNT},    {"}", BR__T_BRACE_CLOSE, BR__CODE_COUNT},
    {".", BR__T_DOT, BR__CODE_COUNT},      {",", BR__T_COMMA, BR__CODE_COUNT},
    {"?", BR__T_QUESTION, BR__CODE_COUNT}, {":", BR__T_COLON, BR__CODE_COUNT},
};

// What people write who know another language.
static const char *
help_for(char c)
{
    switch (c) {
    case '=':
        return "equality is ==";
    case '&':
        return "and is &&";
    case '|':
        return "or is ||";
    default:
        return NULL;
    }
}

static bool
lex_symbol(lexer *l)
{
    size_t start = l->at;
    rt_str rest = {l->source.ptr + l->at, l->source.len - l->at};
    char c = peek(l, 0);

    for (size_t i = 0; i < RT_COUNT(symbols); i++) {
        if (rt_str_starts(rest, rt_str_of(symbols[i].text))) {
            l->at += strlen(symbols[i].text);
            add_token(l, symbols[i].kind, start)->code = symbols[i].code;
            return true;
        }
    }
    if ((uint8_t)c >= 0x20 && (uint8_t)c < 0x7f) {
        br__report(l->c, BR__SYNTAX, span_of(start, 1), help_for(c), "'%c' has no meaning here", c);
    } else {
        br__report(l->c, BR__SYNTAX, span_of(start, 1), "put texts in quotes",
                   "this character has no meaning here");
    }
    return false;
}

// Reads a field's name in back quotes, such as `content-type`.
static bool
lex_quoted_name(lexer *l)
{
    static const char others[] = "._-/ ";
    size_t start = l->at++;

    while (is_name_start(peek(l, 0)) || is_digit(peek(l, 0)) ||
           (peek(l, 0) != '\0' && strchr(others, peek(l, 0)) != NULL)) {
        l->at++;
    }
    if (peek(l, 0) != '`' || l->at == start + 1) {
        br__report(l->c, BR__SYNTAX, span_of(start, l->at - start), NULL,
                   "a name in back quotes has letters, digits, blanks and . _ - / alone");
        return false;
    }
    l->at++;
    add_token(l, BR__T_QUOTED, start)->text =
        (rt_str){l->source.ptr + start + 1, l->at - start - 2};
    return true;
}

static bool
lex_token(lexer *l)
{
    char c = peek(l, 0);
    bool is_string = false;

    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        return lex_number(l);
    }
    if (!lex_prefixed_string(l, &is_string)) {
        return false;
    }
    if (is_string) {
        return true;
    }
    if (is_name_start(c)) {
        lex_name(l);
        return true;
    }
    return c == '`' ? lex_quoted_name(l) : lex_symbol(l);
}

bool
br__lex(br__compiler *c)
{
    lexer l = {.c = c, .source = c->source};

    c->tokens = rt_arena_array(c->arena, br__token, c->source.len + 1);
    l.decoded = rt_arena_alloc(c->kept.arena, c->source.len + 1);
    if (c->tokens == NULL || l.decoded == NULL) {
        return br__no_memory(c);
    }
    skip_blanks(&l);
    while (l.at < l.source.len) {
        if (!lex_token(&l)) {
            return false;
        }
        skip_blanks(&l);
    }
    add_token(&l, BR__T_END, l.source.len);
    return true;
}
