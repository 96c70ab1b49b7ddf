// replay/csv.h: RFC 4180 records out of a file or a text.
//
// Layer: tools/replay (may use runtime/**).   Threads: one owner.
// Understands a byte order mark, CRLF or LF, quoted fields with commas, newlines and doubled
// quotes. The whole text is kept in memory and fields are unquoted in place, so that their views
// stay valid until csv_close: a table is loaded without copying a cell.
#ifndef CEREBRO_TOOLS_REPLAY_CSV_H
#define CEREBRO_TOOLS_REPLAY_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define CSV_FIELDS_MAX 64
#define CSV_FILE_BYTES_MAX ((size_t)1 << 30)

typedef struct csv csv;

// csv_open reads a file and its first record, the column names.
//   errors    RT_ENOTFOUND RT_EIO RT_ELIMIT too large · RT_EPROTO no header
rt_err csv_open(const char *path, csv **ret_csv) RT_MUST_USE;

// csv_open_text does the same on a text, which is copied; `name` stands in error details.
//   errors    RT_EPROTO no header
rt_err csv_open_text(const char *name, rt_str text, csv **ret_csv) RT_MUST_USE;

// csv_close releases it and every field view; NULL is fine.
void csv_close(csv *c);

// csv_column finds a column by its name.
//   errors    RT_EUNKNOWN no such column
rt_err csv_column(const csv *c, const char *name, size_t *ret_column) RT_MUST_USE;

// csv_next reads the next record; it has as many fields as the header. Empty lines are passed over.
//   ret_fields  valid until the next csv_next; the views in it until csv_close
//   errors    RT_EEND no more · RT_EPROTO with file and line in the detail
rt_err csv_next(csv *c, const rt_str **ret_fields) RT_MUST_USE;

// csv_name is the path or name it was opened with, for messages.
const char *csv_name(const csv *c);

// csv_line is the line on which the last record began, counted from 1.
uint64_t csv_line(const csv *c);

#endif
