#include "runtime/wire/diag.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/wire/json.h"

// Design notes.
// A finding keeps the number of its source, so findings of many files may stand in one list and be
// rendered after the parse, when the caller's text is gone. Columns count characters, as editors
// do, not bytes. The quoted line is made safe for a terminal: control characters become '?', and
// of a very long line only the part around the finding is shown.

#define DIAG_MAGIC 0xd1a60001u
#define FINDINGS_FIRST 4
#define MESSAGE_MAX 400
#define HELP_MAX 240
#define CODE_MAX 12
#define FRAME_COLUMNS 120
#define FRAME_BEFORE 60
#define NAME_MAX 64

typedef struct source {
    char *file;
    char *text;
    size_t len;
} source;

typedef struct finding {
    size_t source; // 1 + index, 0 = none
    size_t rank;   // while sorting: the first source of the same name
    rt_severity severity;
    rt_mark mark;
    char code[CODE_MAX];
    char message[MESSAGE_MAX];
    char help[HELP_MAX]; // empty = none
} finding;

struct rt_diag {
    uint32_t magic;
    source *sources;
    size_t source_count;
    finding *findings;
    size_t count;
    size_t cap;
    size_t errors;
    size_t warnings;
};

rt_diag *
rt_diag_new(void)
{
    rt_diag *diag = rt_new(rt_diag);

    diag->magic = DIAG_MAGIC;
    return diag;
}

void
rt_diag_free(rt_diag *diag)
{
    if (diag == NULL) {
        return;
    }
    RT_CHECK(diag, DIAG_MAGIC);
    for (size_t i = 0; i < diag->source_count; i++) {
        rt_free(diag->sources[i].file);
        rt_free(diag->sources[i].text);
    }
    rt_free(diag->sources);
    rt_free(diag->findings);
    diag->magic = 0;
    rt_free(diag);
}

static char *
copy_text(const char *text, size_t len)
{
    char *copy = rt_alloc(len + 1);

    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

void
rt_diag_source(rt_diag *diag, const char *file, rt_str text)
{
    RT_CHECK(diag, DIAG_MAGIC);
    RT_ASSERT(file != NULL);
    diag->sources = rt_realloc(diag->sources, (diag->source_count + 1) * sizeof(source));
    diag->sources[diag->source_count++] = (source){
        .file = copy_text(file, strlen(file)),
        .text = copy_text(text.ptr, text.len),
        .len = text.len,
    };
}

static bool
starts_character(char c)
{
    return ((uint8_t)c & 0xc0) != 0x80;
}

// Whether the bytes of one character may go to a terminal: no control character (C1 in its two
// bytes too), and UTF-8.
static bool
is_visible(rt_str character)
{
    uint8_t first = (uint8_t)character.ptr[0];

    if (character.len == 1 && (first < 0x20 || first == 0x7f)) {
        return false;
    }
    if (character.len == 2 && first == 0xc2 && (uint8_t)character.ptr[1] < 0xa0) {
        return false;
    }
    return rt_utf8_valid(character);
}

// Views the character that begins at `at`, up to the next that begins.
static rt_str
character_at(const char *at, const char *end)
{
    const char *next = at + 1;

    while (next < end && !starts_character(*next)) {
        next++;
    }
    return (rt_str){at, (size_t)(next - at)};
}

// Replaces what a terminal must not be given: names in a message may be quoted from anywhere, and
// "%.40s" may have cut one inside a character.
static void
make_visible(char *text)
{
    const char *end = text + strlen(text);
    char *to = text;

    for (const char *at = text; at < end;) {
        rt_str c = character_at(at, end);

        if (is_visible(c)) {
            memmove(to, c.ptr, c.len);
            to += c.len;
        } else {
            *to++ = *at == '\n' ? '\n' : '?';
        }
        at += c.len;
    }
    *to = '\0';
}

// Copies as much as fits and never leaves half a UTF-8 character at the end.
static void
copy_bounded(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);

    if (len >= cap) {
        len = cap - 1;
        while (len > 0 && ((uint8_t)from[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    memcpy(to, from, len);
    to[len] = '\0';
}

void
rt_diag_add(rt_diag *diag, rt_severity severity, const char *code, rt_mark mark, const char *help,
            const char *fmt, ...)
{
    char message[MESSAGE_MAX * 2];
    finding *f = NULL;
    va_list args;

    RT_CHECK(diag, DIAG_MAGIC);
    if (severity == RT_SEVERITY_ERROR) {
        diag->errors++;
    } else {
        diag->warnings++;
    }
    if (diag->count == RT_DIAG_MAX) {
        return;
    }
    if (diag->count == diag->cap) {
        diag->cap = diag->cap > 0 ? diag->cap * 2 : FINDINGS_FIRST;
        diag->findings = rt_realloc(diag->findings, diag->cap * sizeof(finding));
    }
    f = &diag->findings[diag->count++];
    f->source = diag->source_count;
    f->severity = severity;
    f->mark = mark;
    copy_bounded(f->code, sizeof(f->code), code);
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    make_visible(message);
    copy_bounded(f->message, sizeof(f->message), message);
    copy_bounded(f->help, sizeof(f->help), help != NULL ? help : "");
    make_visible(f->help);
}

size_t
rt_diag_errors(const rt_diag *diag)
{
    RT_CHECK(diag, DIAG_MAGIC);
    return diag->errors;
}

size_t
rt_diag_warnings(const rt_diag *diag)
{
    RT_CHECK(diag, DIAG_MAGIC);
    return diag->warnings;
}

// The first source of the same name: a file may have been read twice.
static size_t
rank_of(const rt_diag *diag, const finding *f)
{
    size_t rank = 1;

    if (f->source == 0) {
        return 0;
    }
    while (strcmp(diag->sources[rank - 1].file, diag->sources[f->source - 1].file) != 0) {
        rank++;
    }
    return rank;
}

static bool
stands_before(const finding *a, const finding *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    if (a->mark.line != b->mark.line) {
        return a->mark.line < b->mark.line;
    }
    return a->mark.column < b->mark.column;
}

static bool
says_the_same(const finding *a, const finding *b)
{
    return a->rank == b->rank && a->severity == b->severity && a->mark.line == b->mark.line &&
           a->mark.column == b->mark.column && strcmp(a->code, b->code) == 0 &&
           strcmp(a->message, b->message) == 0;
}

static void
drop_repeated(rt_diag *diag)
{
    size_t kept = 0;

    for (size_t i = 0; i < diag->count; i++) {
        const finding *f = &diag->findings[i];
        bool is_repeated = false;

        // Equal ones stand among those of the same place, which are neighbours.
        for (size_t k = kept; k > 0 && !is_repeated; k--) {
            const finding *before = &diag->findings[k - 1];

            if (before->mark.line != f->mark.line || before->mark.column != f->mark.column) {
                break;
            }
            is_repeated = says_the_same(before, f);
        }
        if (!is_repeated) {
            diag->findings[kept++] = *f;
        } else if (f->severity == RT_SEVERITY_ERROR) {
            diag->errors--;
        } else {
            diag->warnings--;
        }
    }
    diag->count = kept;
}

void
rt_diag_sort(rt_diag *diag)
{
    RT_CHECK(diag, DIAG_MAGIC);
    for (size_t i = 0; i < diag->count; i++) {
        diag->findings[i].rank = rank_of(diag, &diag->findings[i]);
    }
    for (size_t i = 1; i < diag->count; i++) {
        finding f = diag->findings[i];
        size_t at = i;

        for (; at > 0 && stands_before(&f, &diag->findings[at - 1]); at--) {
            diag->findings[at] = diag->findings[at - 1];
        }
        diag->findings[at] = f;
    }
    drop_repeated(diag);
}

size_t
rt_diag_count(const rt_diag *diag)
{
    RT_CHECK(diag, DIAG_MAGIC);
    return diag->count;
}

static const char *
severity_name(rt_severity severity)
{
    return severity == RT_SEVERITY_ERROR ? "error" : "warning";
}

static const source *
source_of(const rt_diag *diag, const finding *f)
{
    return f->source > 0 ? &diag->sources[f->source - 1] : NULL;
}

rt_finding
rt_diag_at(const rt_diag *diag, size_t index)
{
    RT_CHECK(diag, DIAG_MAGIC);
    RT_ASSERT(index < diag->count);
    const finding *f = &diag->findings[index];
    const source *src = source_of(diag, f);
    return (rt_finding){.file = src != NULL ? src->file : "<input>",
                        .severity = f->severity,
                        .mark = f->mark,
                        .code = f->code,
                        .message = f->message,
                        .help = f->help[0] != '\0' ? f->help : NULL};
}

// Views line `number` (from 1) without its end of line; false past the last one.
static bool
find_line(const source *src, uint32_t number, rt_str *ret_line)
{
    const char *at = src->text;
    const char *end = src->text + src->len;
    const char *stop = NULL;

    for (uint32_t line = 1; line < number; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        if (newline == NULL) {
            return false;
        }
        at = newline + 1;
    }
    stop = memchr(at, '\n', (size_t)(end - at));
    if (stop == NULL) {
        stop = end;
    }
    if (stop > at && stop[-1] == '\r') {
        stop--;
    }
    *ret_line = (rt_str){at, (size_t)(stop - at)};
    return true;
}

// Characters of a text, or `most` when there are more.
static size_t
count_characters(rt_str text, size_t most)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len && count < most; i++) {
        count += starts_character(text.ptr[i]) ? 1 : 0;
    }
    return count;
}

// Appends the characters first..last-1 of a line, safe for a terminal: one "?" for each that is
// not.
static void
put_visible(rt_text *out, rt_str line, size_t first, size_t last)
{
    const char *end = line.ptr + line.len;
    size_t at = 0; // character that follows

    for (const char *from = line.ptr; from < end && at <= last;) {
        rt_str c = character_at(from, end);

        at += starts_character(*from) ? 1 : 0; // else no character begins: a line of broken UTF-8
        if (at > first && at <= last) {
            rt_text_str(out, is_visible(c) ? c : *from == '\t' ? RT_STR("\t") : RT_STR("?"));
        }
        from += c.len;
    }
}

// Appends the padding under characters first..last-1; tabs stay tabs so that the caret lines up.
static void
put_padding(rt_text *out, rt_str line, size_t first, size_t last)
{
    size_t at = 0;

    for (size_t i = 0; i < line.len && at <= last; i++) {
        if (!starts_character(line.ptr[i])) {
            continue;
        }
        at++;
        if (at > first && at <= last) {
            rt_text_cstr(out, line.ptr[i] == '\t' ? "\t" : " ");
        }
    }
}

// Appends the quoted line and the carets below it.
static void
put_frame(rt_text *out, const source *src, rt_mark mark)
{
    rt_str line = {NULL, 0};
    size_t width = 0;
    size_t column = mark.column > 0 ? mark.column - 1 : 0;
    size_t first = 0;
    size_t last = 0;
    size_t carets = RT_MAX(mark.length, 1u);

    if (!find_line(src, mark.line, &line)) {
        return;
    }
    width = count_characters(line, column + FRAME_COLUMNS + 2); // more of it is not shown
    column = RT_MIN(column, width);
    first =
        column > FRAME_COLUMNS - FRAME_BEFORE && width > FRAME_COLUMNS ? column - FRAME_BEFORE : 0;
    last = RT_MIN(width, first + FRAME_COLUMNS);
    carets = RT_MAX(RT_MIN(carets, last - RT_MIN(column, last)), (size_t)1);
    rt_text_printf(out, "%6" PRIu32 " | %s", mark.line, first > 0 ? "..." : "");
    put_visible(out, line, first, last);
    rt_text_printf(out, "%s\n       | %s", last < width ? "..." : "", first > 0 ? "   " : "");
    put_padding(out, line, first, column);
    for (size_t i = 0; i < carets; i++) {
        rt_text_cstr(out, "^");
    }
    rt_text_cstr(out, "\n");
}

// Appends "file:line:col: ", with what is known of it.
static void
put_place(rt_text *out, const source *src, rt_mark mark)
{
    rt_text_cstr(out, src != NULL ? src->file : "<input>");
    if (mark.line > 0) {
        rt_text_printf(out, ":%" PRIu32 ":%" PRIu32, mark.line, RT_MAX(mark.column, 1u));
    }
    rt_text_cstr(out, ": ");
}

static void
put_overflow(const rt_diag *diag, rt_text *out)
{
    size_t all = diag->errors + diag->warnings;

    if (all > diag->count) {
        rt_text_printf(out, "... and %zu more findings\n", all - diag->count);
    }
}

void
rt_diag_render(const rt_diag *diag, rt_text *out)
{
    RT_CHECK(diag, DIAG_MAGIC);
    for (size_t i = 0; i < diag->count; i++) {
        const finding *f = &diag->findings[i];
        const source *src = source_of(diag, f);

        put_place(out, src, f->mark);
        rt_text_printf(out, "%s[%s]: %s\n", severity_name(f->severity), f->code, f->message);
        if (src != NULL && f->mark.line > 0) {
            put_frame(out, src, f->mark);
        }
        if (f->help[0] != '\0') {
            rt_text_printf(out, "       = help: %s\n", f->help);
        }
    }
    put_overflow(diag, out);
}

void
rt_diag_render_gcc(const rt_diag *diag, rt_text *out)
{
    RT_CHECK(diag, DIAG_MAGIC);
    for (size_t i = 0; i < diag->count; i++) {
        const finding *f = &diag->findings[i];

        put_place(out, source_of(diag, f), f->mark);
        rt_text_printf(out, "%s: %s [%s]\n", severity_name(f->severity), f->message, f->code);
    }
    put_overflow(diag, out);
}

static void
put_json_finding(rt_text *out, const source *src, const finding *f)
{
    rt_text_cstr(out, "{\"file\":");
    rt_json_string(out, rt_str_of(src != NULL ? src->file : "<input>"));
    rt_text_printf(out,
                   ",\"line\":%" PRIu32 ",\"column\":%" PRIu32 ",\"length\":%" PRIu32
                   ",\"severity\":\"%s\",\"code\":",
                   f->mark.line, f->mark.column, f->mark.length, severity_name(f->severity));
    rt_json_string(out, rt_str_of(f->code));
    rt_text_cstr(out, ",\"message\":");
    rt_json_string(out, rt_str_of(f->message));
    rt_text_cstr(out, ",\"help\":");
    if (f->help[0] != '\0') {
        rt_json_string(out, rt_str_of(f->help));
    } else {
        rt_text_cstr(out, "null");
    }
    rt_text_cstr(out, "}");
}

void
rt_diag_render_json(const rt_diag *diag, rt_text *out)
{
    RT_CHECK(diag, DIAG_MAGIC);
    rt_text_cstr(out, "[");
    for (size_t i = 0; i < diag->count; i++) {
        rt_text_cstr(out, i > 0 ? "," : "");
        put_json_finding(out, source_of(diag, &diag->findings[i]), &diag->findings[i]);
    }
    rt_text_cstr(out, "]");
}

const char *
rt_diag_did_you_mean(rt_str given, const rt_str *names, size_t count, char *buf, size_t cap)
{
    // A slip in a very short name is as likely another name: allow less there.
    unsigned limit = given.len < 2 ? 0 : given.len < 4 ? 1 : 2;
    unsigned best = limit + 1;
    const rt_str *nearest = NULL;

    RT_ASSERT(cap > 0);
    for (size_t i = 0; i < count; i++) {
        unsigned distance = rt_edit_distance(given, names[i], limit);

        if (names[i].len <= NAME_MAX && distance < best) {
            best = distance;
            nearest = &names[i];
        }
    }
    if (nearest == NULL) {
        return NULL;
    }
    (void)snprintf(buf, cap, "did you mean '%.*s'?", RT_STR_ARG(*nearest));
    return buf;
}
