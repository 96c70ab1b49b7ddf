#include "brain/expr/regex.h"

#include "brain/expr/expr_internal.h"
#include "runtime/base/check.h"

// Design notes.
// The program is made while the pattern is read, without a tree. Every operand is a run of
// instructions at the end of the program whose jumps are relative, so that it can be moved (an
// alternative or a loop puts an instruction before it) and copied (a{3}). What waits is a stack of
// groups: where a group, its present alternative and its last atom begin, and its flags.
//
// Matching runs all states at once, one code point at a time (Pike's machine without captures). The
// set of states is a list and a bit for each instruction; following jumps uses a stack, no
// recursion.

typedef enum re_code { RE_SET, RE_ANY, RE_SPLIT, RE_JUMP, RE_ASSERT, RE_MATCH, RE_NEVER } re_code;

typedef enum re_assertion {
    RE_TEXT_BEGIN,
    RE_TEXT_END,
    RE_LINE_BEGIN,
    RE_LINE_END,
    RE_WORD,
    RE_NO_WORD,
} re_assertion;

typedef struct re_op {
    uint16_t code;
    uint16_t count; // SET: ranges; ASSERT: which
    int32_t arg;    // SET: first range; SPLIT, JUMP: relative
} re_op;

struct br__regex {
    re_op *ops;
    uint32_t op_count;
    br__range *ranges;
};

#define FLAG_CASELESS 1U
#define FLAG_MULTILINE 2U
#define FLAG_DOT_ALL 4U
#define POINT_MAX 0x10ffffU
#define NO_POINT UINT32_MAX

typedef struct re_group {
    uint32_t begin;  // its first instruction
    uint32_t branch; // of the alternative being read
    uint32_t jumps;  // ends of its alternatives so far, as a chain of jumps
    uint32_t atom;   // last atom of it
    bool has_atom;
    bool has_jumps;
    unsigned flags; // before the group
} re_group;

typedef struct re_builder {
    rt_str text;
    size_t at;
    const char *why;
    size_t why_at;
    rt_err err;
    re_op ops[BR__REGEX_OPS_MAX];
    uint32_t op_count;
    br__range ranges[BR__REGEX_RANGES_MAX];
    uint32_t range_count;
    re_group groups[BR__REGEX_DEPTH_MAX + 1];
    size_t depth;
    unsigned flags;
} re_builder;

static bool
refuse_at(re_builder *b, size_t at, rt_err err, const char *why)
{
    b->err = err;
    b->why = why;
    b->why_at = at;
    return false;
}

static bool
refuse(re_builder *b, const char *why)
{
    return refuse_at(b, b->at, RT_EINVAL, why);
}

static char
look(const re_builder *b, size_t ahead)
{
    return b->at + ahead < b->text.len ? b->text.ptr[b->at + ahead] : '\0';
}

static bool
is_at(const re_builder *b, const char *what)
{
    return rt_str_starts((rt_str){b->text.ptr + b->at, b->text.len - b->at}, rt_str_of(what));
}

static bool
put(re_builder *b, re_op op)
{
    if (b->op_count == BR__REGEX_OPS_MAX) {
        return refuse_at(b, b->at, RT_ELIMIT, "the pattern is too large");
    }
    b->ops[b->op_count++] = op;
    return true;
}

// Puts an instruction before the operand that begins at `at`.
static bool
put_before(re_builder *b, uint32_t at, re_op op)
{
    if (!put(b, op)) {
        return false;
    }
    memmove(&b->ops[at + 1], &b->ops[at], (b->op_count - 1 - at) * sizeof(b->ops[0]));
    b->ops[at] = op;
    return true;
}

static bool
add_range(re_builder *b, uint32_t first, uint32_t last)
{
    if (b->range_count == BR__REGEX_RANGES_MAX) {
        return refuse_at(b, b->at, RT_ELIMIT, "the pattern is too large");
    }
    b->ranges[b->range_count++] = (br__range){first, last};
    return true;
}

// The other case of a letter, itself when there is none: ASCII, Latin-1, Greek and Cyrillic.
static uint32_t
other_case(uint32_t point)
{
    if ((point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z')) {
        return point ^ 0x20;
    }
    if ((point >= 0xc0 && point <= 0xde && point != 0xd7) ||
        (point >= 0xe0 && point <= 0xfe && point != 0xf7)) {
        return point ^ 0x20;
    }
    if (point >= 0x391 && point <= 0x3a9) {
        return point + 0x20;
    }
    if (point >= 0x3b1 && point <= 0x3c9 && point != 0x3c2) {
        return point - 0x20;
    }
    if (point >= 0x410 && point <= 0x42f) {
        return point + 0x20;
    }
    return point >= 0x430 && point <= 0x44f ? point - 0x20 : point;
}

#define CASED_MAX 0x44fU

// Adds the other cases of what a set holds from range `first` on.
static bool
fold_case(re_builder *b, uint32_t first)
{
    uint32_t count = b->range_count;

    for (uint32_t i = first; i < count; i++) {
        uint32_t last = RT_MIN(b->ranges[i].last, CASED_MAX);

        for (uint32_t point = b->ranges[i].first; point <= last; point++) {
            uint32_t other = other_case(point);
            bool is_inside = other >= b->ranges[i].first && other <= b->ranges[i].last;

            if (!is_inside && !add_range(b, other, other)) {
                return false;
            }
        }
    }
    return true;
}

// Sorts the ranges from `first` on and joins those that touch.
static void
normalize(re_builder *b, uint32_t first)
{
    uint32_t kept = first;

    for (uint32_t gap = (b->range_count - first) / 2; gap > 0; gap /= 2) {
        for (uint32_t i = first + gap; i < b->range_count; i++) {
            br__range moved = b->ranges[i];
            uint32_t at = i;

            for (; at >= first + gap && b->ranges[at - gap].first > moved.first; at -= gap) {
                b->ranges[at] = b->ranges[at - gap];
            }
            b->ranges[at] = moved;
        }
    }
    for (uint32_t i = first; i < b->range_count; i++) {
        if (kept > first && b->ranges[i].first <= b->ranges[kept - 1].last + 1) {
            b->ranges[kept - 1].last = RT_MAX(b->ranges[kept - 1].last, b->ranges[i].last);
        } else {
            b->ranges[kept++] = b->ranges[i];
        }
    }
    b->range_count = kept;
}

// Turns the sorted ranges from `first` on into everything else.
static bool
negate(re_builder *b, uint32_t first)
{
    uint32_t begin = 0;
    uint32_t kept = first;

    normalize(b, first);
    if (!add_range(b, 0, 0)) { // at most one range more
        return false;
    }
    b->range_count--;
    for (uint32_t i = first; i < b->range_count; i++) {
        br__range one = b->ranges[i];
        bool has_gap = one.first > begin;

        if (has_gap) {
            uint32_t from = begin;

            begin = one.last + 1;
            b->ranges[kept++] = (br__range){from, one.first - 1};
        } else {
            begin = one.last + 1;
        }
    }
    if (begin <= POINT_MAX) {
        b->ranges[kept++] = (br__range){begin, POINT_MAX};
    }
    b->range_count = kept;
    return true;
}

// Makes an instruction of the set whose ranges begin at `first`.
static bool
put_set(re_builder *b, uint32_t first)
{
    if ((b->flags & FLAG_CASELESS) != 0 && !fold_case(b, first)) {
        return false;
    }
    normalize(b, first);
    if (b->range_count == first) {
        return put(b, (re_op){.code = RE_NEVER});
    }
    return put(b, (re_op){.code = RE_SET,
                          .count = (uint16_t)(b->range_count - first),
                          .arg = (int32_t)first});
}

static bool
put_point(re_builder *b, uint32_t point)
{
    uint32_t first = b->range_count;

    return add_range(b, point, point) && put_set(b, first);
}

typedef struct re_class {
    const char *name;
    const char *pairs; // ranges of ASCII, two bytes each
} re_class;

static const re_class posix_classes[] = {
    {"alnum", "09AZaz"},
    {"alpha", "AZaz"},
    {"ascii", "\x01\x7f"},
    {"blank", "\t\t  "},
    {"cntrl", "\x01\x1f\x7f\x7f"},
    {"digit", "09"},
    {"graph", "!~"},
    {"lower", "az"},
    {"print", " ~"},
    {"punct", "!/:@[`{~"},
    {"space", "\t\r  "},
    {"upper", "AZ"},
    {"word", "09AZaz__"},
    {"xdigit", "09AFaf"},
};

static bool
add_pairs(re_builder *b, const char *pairs)
{
    for (; *pairs != '\0'; pairs += 2) {
        if (!add_range(b, (uint8_t)pairs[0], (uint8_t)pairs[1])) {
            return false;
        }
    }
    return true;
}

// Adds the set of a letter such as d or W, negated when it is a capital; false when it is no set.
static bool
add_letter_class(re_builder *b, char letter, bool *ret_is_class)
{
    uint32_t first = b->range_count;
    char small = (char)(letter | 0x20);
    const char *pairs = small == 'd'   ? "09"
                        : small == 'w' ? "09AZaz__"
                        : small == 's' ? "\t\n\f\r  "
                                       : NULL;

    *ret_is_class = pairs != NULL;
    if (pairs == NULL) {
        return true;
    }
    return add_pairs(b, pairs) && (letter == small || negate(b, first));
}

// Reads "pL" or "p{Greek}" behind a backslash.
static bool
add_unicode_class(re_builder *b)
{
    uint32_t first = b->range_count;
    size_t at = b->at - 1;
    bool is_negated = look(b, 0) == 'P';
    rt_str name = {b->text.ptr + b->at + 1, 1};
    const br__range *ranges = NULL;
    size_t count = 0;

    b->at++;
    if (look(b, 0) == '{') {
        const char *end = memchr(b->text.ptr + b->at, '}', b->text.len - b->at);

        if (end == NULL) {
            return refuse_at(b, at, RT_EINVAL, "the name of a class is not closed");
        }
        name = (rt_str){b->text.ptr + b->at + 1, (size_t)(end - b->text.ptr) - b->at - 1};
        if (name.len > 0 && name.ptr[0] == '^') {
            is_negated = !is_negated;
            name = (rt_str){name.ptr + 1, name.len - 1};
        }
        b->at = (size_t)(end - b->text.ptr) + 1;
    } else if (b->at < b->text.len) {
        b->at++;
    } else {
        return refuse_at(b, at, RT_EINVAL, "the name of a class is missing");
    }
    if (rt_str_is(name, "Any")) {
        return add_range(b, 0, POINT_MAX) && (!is_negated || negate(b, first));
    }
    ranges = br__unicode_class(name, &count);
    if (ranges == NULL) {
        return refuse_at(
            b, at, RT_EINVAL,
            "not supported yet: classes other than general categories such as \\p{Lu}");
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_range(b, ranges[i].first, ranges[i].last)) {
            return false;
        }
    }
    return !is_negated || negate(b, first);
}

static int
digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

static bool
read_digits(re_builder *b, size_t min, size_t max, int base, uint32_t *ret_point)
{
    uint32_t point = 0;
    size_t count = 0;

    while (count < max && point <= POINT_MAX && digit_of(look(b, 0)) < base) {
        point = point * (uint32_t)base + (uint32_t)digit_of(look(b, 0));
        b->at++;
        count++;
    }
    *ret_point = point;
    return count >= min && point <= POINT_MAX;
}

// Reads the escape of one code point behind a backslash.
static bool
read_escape(re_builder *b, uint32_t *ret_point)
{
    static const char letters[] = "afnrtv";
    static const char values[] = "\a\f\n\r\t\v";
    size_t at = b->at - 1;
    char c = look(b, 0);
    const char *found = c != '\0' ? strchr(letters, c) : NULL;
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (b->at >= b->text.len) {
        return refuse_at(b, at, RT_EINVAL, "a backslash at the end");
    }
    if (found != NULL) {
        *ret_point = (uint8_t)values[found - letters];
        b->at++;
        return true;
    }
    if (c == 'x') {
        bool is_braced = look(b, 1) == '{';

        b->at += is_braced ? 2 : 1;
        if (!read_digits(b, is_braced ? 1 : 2, is_braced ? SIZE_MAX : 2, 16, ret_point) ||
            (is_braced && look(b, 0) != '}')) {
            return refuse_at(b, at, RT_EINVAL, "hexadecimal digits expected");
        }
        b->at += is_braced ? 1 : 0;
        return true;
    }
    if (c == '0' || (c >= '1' && c <= '7' && look(b, 1) >= '0' && look(b, 1) <= '7')) {
        return read_digits(b, 1, 3, 8, ret_point) ||
               refuse_at(b, at, RT_EINVAL, "octal digits expected");
    }
    // an underscore may be escaped: RE2 takes it, because so many write it
    if (is_letter || (c >= '0' && c <= '9') || (uint8_t)c >= 0x80) {
        return refuse_at(b, at, RT_EINVAL, "unknown escape");
    }
    *ret_point = (uint8_t)c;
    b->at++;
    return true;
}

static bool
read_posix_class(re_builder *b)
{
    bool is_negated = look(b, 2) == '^';
    uint32_t first = b->range_count;
    size_t at = b->at;

    b->at += is_negated ? 3 : 2;
    for (size_t i = 0; i < RT_COUNT(posix_classes); i++) {
        size_t len = strlen(posix_classes[i].name);

        if (is_at(b, posix_classes[i].name) && look(b, len) == ':' && look(b, len + 1) == ']') {
            b->at += len + 2;
            return add_pairs(b, posix_classes[i].pairs) && (!is_negated || negate(b, first));
        }
    }
    return refuse_at(b, at, RT_EINVAL, "unknown class name");
}

// One code point of a set, escaped or not.
static bool
read_set_point(re_builder *b, uint32_t *ret_point)
{
    if (b->at >= b->text.len) {
        return refuse(b, "'[' is not closed");
    }
    if (look(b, 0) == '\\') {
        b->at++;
        return read_escape(b, ret_point);
    }
    *ret_point = br__utf8_next(b->text, &b->at);
    return true;
}

static bool
read_set_item(re_builder *b)
{
    uint32_t low = 0;
    uint32_t high = 0;
    size_t at = b->at;
    bool is_class = false;

    if (is_at(b, "[:")) {
        return read_posix_class(b);
    }
    if (look(b, 0) == '\\' && (look(b, 1) == 'p' || look(b, 1) == 'P')) {
        b->at++;
        return add_unicode_class(b);
    }
    if (look(b, 0) == '\\' && look(b, 1) != '\0') {
        if (!add_letter_class(b, look(b, 1), &is_class)) {
            return false;
        }
        if (is_class) {
            b->at += 2;
            return true;
        }
    }
    if (!read_set_point(b, &low)) {
        return false;
    }
    high = low;
    if (look(b, 0) == '-' && look(b, 1) != ']' && b->at + 1 < b->text.len) {
        b->at++;
        if (!read_set_point(b, &high)) {
            return false;
        }
    }
    return high >= low ? add_range(b, low, high)
                       : refuse_at(b, at, RT_EINVAL, "a range whose end is below its begin");
}

static bool
read_set(re_builder *b)
{
    size_t at = b->at++;
    uint32_t first = b->range_count;
    bool is_negated = look(b, 0) == '^';
    bool is_first = true;

    b->at += is_negated ? 1 : 0;
    while (is_first || look(b, 0) != ']') {
        if (b->at >= b->text.len) {
            return refuse_at(b, at, RT_EINVAL, "'[' is not closed");
        }
        if (!read_set_item(b)) {
            return false;
        }
        is_first = false;
    }
    b->at++;
    if (is_negated) {
        return ((b->flags & FLAG_CASELESS) == 0 || fold_case(b, first)) && negate(b, first) &&
               (b->range_count > first ? put(b, (re_op){.code = RE_SET,
                                                        .count = (uint16_t)(b->range_count - first),
                                                        .arg = (int32_t)first})
                                       : put(b, (re_op){.code = RE_NEVER}));
    }
    return put_set(b, first);
}

// Marks where the next atom begins.
static re_group *
begin_atom(re_builder *b)
{
    re_group *g = &b->groups[b->depth];

    g->atom = b->op_count;
    g->has_atom = true;
    return g;
}

static bool
put_assertion(re_builder *b, re_assertion which)
{
    (void)begin_atom(b);
    return put(b, (re_op){.code = RE_ASSERT, .count = (uint16_t)which});
}

// Reads what stands literally between \Q and \E.
static bool
read_literal_text(re_builder *b)
{
    b->at++;
    while (b->at < b->text.len && !is_at(b, "\\E")) {
        (void)begin_atom(b);
        if (!put_point(b, br__utf8_next(b->text, &b->at))) {
            return false;
        }
    }
    b->at = RT_MIN(b->at + 2, b->text.len);
    return true;
}

static bool
read_backslash(re_builder *b)
{
    uint32_t point = 0;
    uint32_t first = b->range_count;
    bool is_class = false;
    char c = look(b, 1);

    b->at++;
    switch (c) {
    case 'A':
    case 'z':
    case 'b':
    case 'B':
        b->at++;
        return put_assertion(b, c == 'A'   ? RE_TEXT_BEGIN
                                : c == 'z' ? RE_TEXT_END
                                : c == 'b' ? RE_WORD
                                           : RE_NO_WORD);
    case 'Q':
        return read_literal_text(b);
    case 'C':
        return refuse_at(b, b->at - 1, RT_EINVAL, "not supported yet: \\C, a single byte");
    case 'p':
    case 'P':
        (void)begin_atom(b);
        return add_unicode_class(b) && put_set(b, first);
    default:
        break;
    }
    (void)begin_atom(b);
    if (c != '\0' && !add_letter_class(b, c, &is_class)) {
        return false;
    }
    if (is_class) {
        b->at++;
        return put_set(b, first);
    }
    return read_escape(b, &point) && put_point(b, point);
}

// Reads flags such as "i-s" up to ':' or ')'.
static bool
read_flags(re_builder *b, size_t at)
{
    bool is_off = false;

    for (; look(b, 0) != ':' && look(b, 0) != ')'; b->at++) {
        char c = look(b, 0);
        unsigned flag = c == 'i' ? FLAG_CASELESS : c == 'm' ? FLAG_MULTILINE : FLAG_DOT_ALL;

        if (c == '-' && !is_off) {
            is_off = true;
        } else if (c == 'i' || c == 'm' || c == 's') {
            b->flags = is_off ? b->flags & ~flag : b->flags | flag;
        } else if (c != 'U') { // greediness decides where a match is, not whether there is one
            return refuse_at(b, at, RT_EINVAL, "unknown form of a group");
        }
    }
    return true;
}

static bool
skip_group_name(re_builder *b, size_t at)
{
    size_t begin = b->at;

    while (digit_of(look(b, 0)) < 10 || look(b, 0) == '_' ||
           ((look(b, 0) | 0x20) >= 'a' && (look(b, 0) | 0x20) <= 'z')) {
        b->at++;
    }
    if (b->at == begin || look(b, 0) != '>') {
        return refuse_at(b, at, RT_EINVAL, "the name of a group is missing or not closed");
    }
    b->at++;
    return true;
}

static bool
open_group(re_builder *b)
{
    size_t at = b->at++;
    unsigned flags = b->flags;

    if (is_at(b, "?P<") || is_at(b, "?<")) {
        b->at += look(b, 1) == 'P' ? 3 : 2;
        if (look(b, 0) == '=' || look(b, 0) == '!') {
            return refuse_at(b, at, RT_EINVAL, "RE2 has no lookbehind");
        }
        if (!skip_group_name(b, at)) {
            return false;
        }
    } else if (look(b, 0) == '?') {
        b->at++;
        if (!read_flags(b, at)) {
            return false;
        }
        if (look(b, 0) == ')') { // for the rest of the group around it
            b->at++;
            return true;
        }
        b->at++;
    }
    (void)begin_atom(b);
    if (b->depth == BR__REGEX_DEPTH_MAX) {
        return refuse_at(b, at, RT_ELIMIT, "groups nested too deeply");
    }
    b->groups[++b->depth] = (re_group){.begin = b->op_count, .branch = b->op_count, .flags = flags};
    return true;
}

// Ends an alternative: a split goes before it, and a jump behind all alternatives after it. The
// jumps are patched when the group ends, along a chain.
static bool
end_branch(re_builder *b)
{
    re_group *g = &b->groups[b->depth];
    uint32_t len = b->op_count - g->branch;

    if (!put_before(b, g->branch, (re_op){.code = RE_SPLIT, .arg = (int32_t)len + 2})) {
        return false;
    }
    if (!put(b, (re_op){.code = RE_JUMP, .arg = g->has_jumps ? (int32_t)g->jumps : -1})) {
        return false;
    }
    g->jumps = b->op_count - 1;
    g->has_jumps = true;
    g->branch = b->op_count;
    g->has_atom = false;
    return true;
}

static void
patch_jumps(re_builder *b)
{
    re_group *g = &b->groups[b->depth];
    int32_t at = g->has_jumps ? (int32_t)g->jumps : -1;

    while (at >= 0) {
        int32_t next = b->ops[at].arg;

        b->ops[at].arg = (int32_t)b->op_count - at;
        at = next;
    }
}

static bool
close_group(re_builder *b)
{
    if (b->depth == 0) {
        return refuse(b, "')' was not opened");
    }
    b->at++;
    patch_jumps(b);
    b->flags = b->groups[b->depth].flags;
    b->depth--; // its atom is the group
    return true;
}

// Puts the loop of * + or ? around the atom that begins at `atom`.
static bool
put_loop(re_builder *b, uint32_t atom, char kind)
{
    int32_t len = (int32_t)(b->op_count - atom);

    if (kind == '+') {
        return put(b, (re_op){.code = RE_SPLIT, .arg = -len});
    }
    if (!put_before(b, atom, (re_op){.code = RE_SPLIT, .arg = kind == '*' ? len + 2 : len + 1})) {
        return false;
    }
    return kind == '?' || put(b, (re_op){.code = RE_JUMP, .arg = -(len + 1)});
}

static bool
copy_atom(re_builder *b, uint32_t atom, uint32_t len)
{
    if (len > BR__REGEX_OPS_MAX - b->op_count) {
        return refuse_at(b, b->at, RT_ELIMIT, "the pattern is too large");
    }
    memmove(&b->ops[b->op_count], &b->ops[atom], len * sizeof(b->ops[0]));
    b->op_count += len;
    return true;
}

// a{min,max}: `min` copies, then (a(a)?)? or a*; max below 0 is without end.
static bool
put_repeat(re_builder *b, uint32_t atom, int32_t min, int32_t max)
{
    uint32_t len = b->op_count - atom;
    uint32_t optional = 0;

    if (max == 0) {
        b->op_count = atom;
        return true;
    }
    if (min == 0) {
        if (max < 0) {
            return put_loop(b, atom, '*');
        }
    } else {
        for (int32_t i = 1; i < min; i++) {
            if (!copy_atom(b, atom, len)) {
                return false;
            }
        }
        if (max < 0) {
            return put_loop(b, b->op_count - len, '+');
        }
    }
    // Each further copy may be left out, with all behind it.
    optional = (uint32_t)(max - RT_MAX(min, 1));
    for (uint32_t i = 0; i < optional; i++) {
        if (!put(b, (re_op){.code = RE_SPLIT, .arg = (int32_t)((optional - i) * (len + 1))}) ||
            !copy_atom(b, atom, len)) {
            return false;
        }
    }
    return min > 0 || put_loop(b, atom, '?');
}

// Reads {n}, {n,} or {n,m}; false when the brace is a plain character.
static bool
read_counts(re_builder *b, int32_t *ret_min, int32_t *ret_max)
{
    size_t at = b->at;
    int64_t counts[2] = {0, -1};
    size_t digits = 0;

    b->at++;
    for (size_t i = 0; i < 2; i++) {
        size_t first = b->at;

        while (digit_of(look(b, 0)) < 10) {
            counts[i] = (counts[i] < 0 ? 0 : counts[i]) * 10 + digit_of(look(b, 0));
            counts[i] = RT_MIN(counts[i], 100000);
            b->at++;
        }
        digits += i == 0 ? b->at - first : 0;
        if (i == 0 && look(b, 0) != ',') {
            counts[1] = counts[0];
            break;
        }
        b->at += i == 0 ? 1 : 0;
    }
    if (digits == 0 || look(b, 0) != '}') {
        b->at = at;
        return false;
    }
    b->at++;
    *ret_min = (int32_t)counts[0];
    *ret_max = (int32_t)counts[1];
    return true;
}

static bool
read_repeat(re_builder *b)
{
    re_group *g = &b->groups[b->depth];
    size_t at = b->at;
    char kind = look(b, 0);
    int32_t min = 0;
    int32_t max = 0;

    if (kind == '{') {
        if (!read_counts(b, &min, &max)) {
            (void)begin_atom(b);
            b->at++;
            return put_point(b, '{');
        }
        if (min > BR__REGEX_REPEAT_MAX || max > BR__REGEX_REPEAT_MAX || (max >= 0 && max < min)) {
            return refuse_at(b, at, RT_EINVAL, "bad number of repetitions");
        }
    } else {
        b->at++;
    }
    if (!g->has_atom) {
        return refuse_at(b, at, RT_EINVAL, "nothing to repeat");
    }
    if (look(b, 0) == '?') {
        b->at++;
    }
    if (look(b, 0) == '*' || look(b, 0) == '+' || look(b, 0) == '?') {
        return refuse(b, "a repetition of a repetition");
    }
    return kind == '{' ? put_repeat(b, g->atom, min, max) : put_loop(b, g->atom, kind);
}

static bool
read_item(re_builder *b)
{
    bool is_multiline = (b->flags & FLAG_MULTILINE) != 0;

    switch (look(b, 0)) {
    case '(':
        return open_group(b);
    case ')':
        return close_group(b);
    case '|':
        b->at++;
        return end_branch(b);
    case '*':
    case '+':
    case '?':
    case '{':
        return read_repeat(b);
    case '[':
        (void)begin_atom(b);
        return read_set(b);
    case '\\':
        return read_backslash(b);
    case '^':
        b->at++;
        return put_assertion(b, is_multiline ? RE_LINE_BEGIN : RE_TEXT_BEGIN);
    case '$':
        b->at++;
        return put_assertion(b, is_multiline ? RE_LINE_END : RE_TEXT_END);
    case '.':
        b->at++;
        (void)begin_atom(b);
        return put(b, (re_op){.code = RE_ANY, .count = (b->flags & FLAG_DOT_ALL) != 0});
    default:
        (void)begin_atom(b);
        return put_point(b, br__utf8_next(b->text, &b->at));
    }
}

static bool
read_pattern(re_builder *b)
{
    b->groups[0] = (re_group){.begin = 0};
    while (b->at < b->text.len) {
        if (!read_item(b)) {
            return false;
        }
    }
    if (b->depth > 0) {
        return refuse(b, "'(' is not closed");
    }
    patch_jumps(b);
    return put(b, (re_op){.code = RE_MATCH});
}

rt_err
br__regex_compile(rt_str pattern, rt_arena *arena, br__regex **ret_regex, const char **ret_why,
                  size_t *ret_at)
{
    re_builder b;
    br__regex *regex = NULL;

    b.text = pattern;
    b.at = 0;
    b.op_count = 0;
    b.range_count = 0;
    b.depth = 0;
    b.flags = 0;
    if (!read_pattern(&b)) {
        *ret_why = b.why;
        *ret_at = b.why_at;
        return b.err;
    }
    *ret_why = "memory limit reached";
    *ret_at = 0;
    regex = rt_arena_new_of(arena, br__regex);
    if (regex == NULL) {
        return RT_ENOMEM;
    }
    regex->op_count = b.op_count;
    regex->ops = rt_arena_array(arena, re_op, b.op_count);
    regex->ranges = rt_arena_array(arena, br__range, b.range_count);
    if (regex->ops == NULL || regex->ranges == NULL) {
        return RT_ENOMEM;
    }
    memcpy(regex->ops, b.ops, b.op_count * sizeof(b.ops[0]));
    memcpy(regex->ranges, b.ranges, b.range_count * sizeof(b.ranges[0]));
    *ret_regex = regex;
    return RT_OK;
}

typedef struct re_states {
    uint16_t list[BR__REGEX_OPS_MAX];
    uint32_t count;
} re_states;

typedef struct re_machine {
    const br__regex *regex;
    re_states states[2];
    uint64_t seen[BR__REGEX_OPS_MAX / 64];
    uint16_t stack[BR__REGEX_OPS_MAX + 1];
    uint64_t looks;
} re_machine;

static bool
is_word(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') || point == '_' ||
           (point >= 'a' && point <= 'z');
}

static bool
holds(re_assertion which, uint32_t before, uint32_t after)
{
    switch (which) {
    case RE_TEXT_BEGIN:
        return before == NO_POINT;
    case RE_TEXT_END:
        return after == NO_POINT;
    case RE_LINE_BEGIN:
        return before == NO_POINT || before == '\n';
    case RE_LINE_END:
        return after == NO_POINT || after == '\n';
    case RE_WORD:
        return is_word(before) != is_word(after);
    case RE_NO_WORD:
        return is_word(before) == is_word(after);
    }
    RT_UNREACHABLE("every assertion has its case");
}

// Pushes an instruction that was not seen at this place of the text.
static void
visit(re_machine *m, uint32_t pc, size_t *top)
{
    if ((m->seen[pc / 64] >> (pc % 64) & 1) == 0) {
        m->seen[pc / 64] |= UINT64_C(1) << (pc % 64);
        m->stack[(*top)++] = (uint16_t)pc;
    }
}

// Adds the states that `pc` leads to without reading; true when one of them is the match.
static bool
add_states(re_machine *m, re_states *to, uint32_t pc, uint32_t before, uint32_t after)
{
    size_t top = 0;

    visit(m, pc, &top);
    while (top > 0) {
        uint32_t at = m->stack[--top];
        const re_op *op = &m->regex->ops[at];

        m->looks++;
        switch (op->code) {
        case RE_MATCH:
            return true;
        case RE_JUMP:
            visit(m, (uint32_t)((int32_t)at + op->arg), &top);
            break;
        case RE_SPLIT:
            visit(m, at + 1, &top);
            visit(m, (uint32_t)((int32_t)at + op->arg), &top);
            break;
        case RE_ASSERT:
            if (holds((re_assertion)op->count, before, after)) {
                visit(m, at + 1, &top);
            }
            break;
        case RE_SET:
        case RE_ANY:
            to->list[to->count++] = (uint16_t)at;
            break;
        default:
            break;
        }
    }
    return false;
}

static bool
is_in_set(const br__range *ranges, size_t count, uint32_t point)
{
    size_t low = 0;

    while (count > 0) {
        size_t half = count / 2;

        if (point > ranges[low + half].last) {
            low += half + 1;
            count -= half + 1;
        } else if (point < ranges[low + half].first) {
            count = half;
        } else {
            return true;
        }
    }
    return false;
}

static bool
takes(const br__regex *regex, const re_op *op, uint32_t point)
{
    return op->code == RE_ANY ? op->count != 0 || point != '\n'
                              : is_in_set(&regex->ranges[op->arg], op->count, point);
}

rt_err
br__regex_matches(const br__regex *regex, rt_str text, uint64_t *io_budget, bool *ret_is_match)
{
    re_machine m;
    size_t at = 0;
    uint32_t before = NO_POINT;
    size_t now = 0;
    size_t seen_bytes = ((regex->op_count + 63) / 64) * sizeof(m.seen[0]);

    m.regex = regex;
    m.looks = 0;
    m.states[0].count = 0;
    memset(m.seen, 0, seen_bytes);
    for (;;) {
        size_t next_at = at;
        uint32_t point = at < text.len ? br__utf8_next(text, &next_at) : NO_POINT;
        uint32_t after = NO_POINT;
        re_states *from = &m.states[now];
        re_states *to = &m.states[1 - now];

        // A match may begin at every place.
        if (add_states(&m, from, 0, before, point)) {
            *ret_is_match = true;
            return RT_OK;
        }
        if (m.looks > *io_budget) {
            *io_budget = 0;
            return RT_ELIMIT;
        }
        if (point == NO_POINT) {
            *io_budget -= m.looks;
            *ret_is_match = false;
            return RT_OK;
        }
        if (next_at < text.len) {
            size_t ahead = next_at;

            after = br__utf8_next(text, &ahead);
        }
        memset(m.seen, 0, seen_bytes);
        to->count = 0;
        for (uint32_t i = 0; i < from->count; i++) {
            m.looks++;
            if (takes(regex, &regex->ops[from->list[i]], point) &&
                add_states(&m, to, from->list[i] + 1U, point, after)) {
                *ret_is_match = true;
                return RT_OK;
            }
        }
        now = 1 - now;
        at = next_at;
        before = point;
    }
}
