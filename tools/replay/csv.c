#include "tools/replay/csv.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// The reader owns one writable copy of the text. Unquoting only ever shortens a field, so it is
// done where the field stands. Source: RFC 4180, 2005; a bare LF ends a record as well, and a
// quote inside an unquoted field is an ordinary character, as spreadsheets write it.

#define CSV_MAGIC 0x63737631u

struct csv {
    uint32_t magic;
    char *text;
    char *at;
    char *end;
    uint64_t line;        // of the character at `at`
    uint64_t record_line; // where the last record began
    size_t column_count;
    rt_str columns[CSV_FIELDS_MAX];
    rt_str fields[CSV_FIELDS_MAX];
    char name[128];
};

static rt_err
fail_at(const csv *c, const char *what)
{
    return rt_fail(RT_EPROTO, "%s:%llu: %s", c->name, (unsigned long long)c->record_line, what);
}

// Stands behind a field: true when a record goes on, false when it ended here.
static bool
pass_separator(csv *c)
{
    if (c->at == c->end) {
        return false;
    }
    if (*c->at == ',') {
        c->at++;
        return true;
    }
    c->at += *c->at == '\r' ? 2 : 1;
    c->line++;
    return false;
}

static bool
at_boundary(const csv *c)
{
    if (c->at == c->end || *c->at == ',' || *c->at == '\n') {
        return true;
    }
    return *c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n';
}

static rt_str
read_plain(csv *c)
{
    char *begin = c->at;

    while (!at_boundary(c)) {
        c->at++;
    }
    return (rt_str){begin, (size_t)(c->at - begin)};
}

static rt_err
read_quoted(csv *c, rt_str *ret_field)
{
    char *begin = ++c->at;
    char *to = begin;

    while (c->at < c->end) {
        if (*c->at == '"') {
            if (c->at + 1 == c->end || c->at[1] != '"') {
                c->at++;
                *ret_field = (rt_str){begin, (size_t)(to - begin)};
                return at_boundary(c) ? RT_OK : fail_at(c, "text after a closing quote");
            }
            c->at++;
        } else if (*c->at == '\n') {
            c->line++;
        }
        *to++ = *c->at++;
    }
    return fail_at(c, "a quoted field does not end");
}

static rt_err
read_record(csv *c, size_t *ret_count)
{
    size_t count = 0;
    bool more = true;

    c->record_line = c->line;
    while (more) {
        if (count == CSV_FIELDS_MAX) {
            return fail_at(c, "too many fields");
        }
        if (c->at < c->end && *c->at == '"') {
            rt_err err = read_quoted(c, &c->fields[count]);

            if (err != RT_OK) {
                return err;
            }
        } else {
            c->fields[count] = read_plain(c);
        }
        count++;
        more = pass_separator(c);
    }
    *ret_count = count;
    return RT_OK;
}

static void
pass_empty_lines(csv *c)
{
    while (c->at < c->end) {
        bool crlf = *c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n';

        if (*c->at != '\n' && !crlf) {
            return;
        }
        c->at += crlf ? 2 : 1;
        c->line++;
    }
}

static rt_err
read_header(csv *c)
{
    rt_err err = RT_OK;

    if (c->end - c->at >= 3 && memcmp(c->at, "\xef\xbb\xbf", 3) == 0) {
        c->at += 3;
    }
    pass_empty_lines(c);
    c->record_line = c->line;
    if (c->at == c->end) {
        return fail_at(c, "no header line");
    }
    err = read_record(c, &c->column_count);
    if (err == RT_OK) {
        memcpy(c->columns, c->fields, sizeof(c->columns));
    }
    return err;
}

// Takes `text`, which must come from the allocator.
static rt_err
open_owned(const char *name, char *text, size_t len, csv **ret_csv)
{
    csv *c = rt_new(csv);
    rt_err err = RT_OK;

    c->magic = CSV_MAGIC;
    c->text = text;
    c->at = text;
    c->end = text + len;
    c->line = 1;
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    err = read_header(c);
    if (err != RT_OK) {
        csv_close(c);
        return err;
    }
    *ret_csv = c;
    return RT_OK;
}

static rt_err
read_file(const char *path, char **ret_text, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    size_t cap = 1 << 20;
    size_t len = 0;
    size_t got = 0;
    char *text = NULL;
    rt_err err = RT_OK;

    if (file == NULL) {
        return rt_fail(RT_ENOTFOUND, "cannot open %s", path);
    }
    text = rt_realloc(NULL, cap);
    while ((got = fread(text + len, 1, cap - len, file)) > 0) {
        len += got;
        if (len > CSV_FILE_BYTES_MAX) {
            err = rt_fail(RT_ELIMIT, "%s is larger than 1 GiB", path);
            break;
        }
        if (len == cap) {
            cap *= 2;
            text = rt_realloc(text, cap);
        }
    }
    if (err == RT_OK && ferror(file) != 0) {
        err = rt_fail(RT_EIO, "cannot read %s", path);
    }
    (void)fclose(file); // opened for reading only
    if (err != RT_OK) {
        rt_free(text);
        return err;
    }
    *ret_text = text;
    *ret_len = len;
    return RT_OK;
}

rt_err
csv_open(const char *path, csv **ret_csv)
{
    char *text = NULL;
    size_t len = 0;
    rt_err err = read_file(path, &text, &len);

    return err != RT_OK ? err : open_owned(path, text, len, ret_csv);
}

rt_err
csv_open_text(const char *name, rt_str text, csv **ret_csv)
{
    char *copy = rt_realloc(NULL, text.len + 1);

    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return open_owned(name, copy, text.len, ret_csv);
}

void
csv_close(csv *c)
{
    if (c == NULL) {
        return;
    }
    RT_CHECK(c, CSV_MAGIC);
    c->magic = 0;
    rt_free(c->text);
    rt_free(c);
}

rt_err
csv_column(const csv *c, const char *name, size_t *ret_column)
{
    RT_CHECK(c, CSV_MAGIC);
    for (size_t i = 0; i < c->column_count; i++) {
        if (rt_str_is(c->columns[i], name)) {
            *ret_column = i;
            return RT_OK;
        }
    }
    return rt_fail(RT_EUNKNOWN, "%s has no column %s", c->name, name);
}

rt_err
csv_next(csv *c, const rt_str **ret_fields)
{
    size_t count = 0;
    rt_err err = RT_OK;

    RT_CHECK(c, CSV_MAGIC);
    pass_empty_lines(c);
    if (c->at == c->end) {
        return RT_EEND;
    }
    err = read_record(c, &count);
    if (err != RT_OK) {
        return err;
    }
    if (count != c->column_count) {
        return rt_fail(RT_EPROTO, "%s:%llu: %zu fields, the header has %zu", c->name,
                       (unsigned long long)c->record_line, count, c->column_count);
    }
    *ret_fields = c->fields;
    return RT_OK;
}

const char *
csv_name(const csv *c)
{
    RT_CHECK(c, CSV_MAGIC);
    return c->name;
}

uint64_t
csv_line(const csv *c)
{
    RT_CHECK(c, CSV_MAGIC);
    return c->record_line;
}
