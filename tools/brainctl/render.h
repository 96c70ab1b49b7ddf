// brainctl/render.h: text for people: tables, styles, widths, times and sizes.
//
// Layer: tools/brainctl.   Threads: any.
// Whatever comes from events is cleaned before it is shown: no control characters, so that data
// cannot send escape codes to a terminal.
#ifndef CEREBRO_TOOLS_BRAINCTL_RENDER_H
#define CEREBRO_TOOLS_BRAINCTL_RENDER_H

#include "runtime/base/text.h"

#define CTL_COLUMNS_MAX 16

typedef enum ctl_style {
    CTL_PLAIN,
    CTL_BOLD,
    CTL_DIM,
    CTL_GREEN,
    CTL_YELLOW,
    CTL_RED,
    CTL_CYAN,
} ctl_style;

typedef struct ctl_column {
    const char *title;
    bool right;   // numbers
    uint32_t max; // longer cells are cut; 0 = never
} ctl_column;

typedef struct ctl_cell {
    size_t offset;
    size_t len;
    ctl_style style;
} ctl_cell;

typedef struct ctl_grid {
    const ctl_column *columns;
    size_t column_count;
    rt_text pool;
    ctl_cell *cells;
    size_t cell_count;
    size_t cell_cap;
} ctl_grid;

// ctl_width is the number of terminal columns that a text takes (wide characters two, combining
// none).
uint32_t ctl_width(rt_str text);
// ctl_clean appends text without control characters; damaged UTF-8 becomes U+FFFD.
void ctl_clean(rt_text *out, rt_str text);
// ctl_styled appends text in a style, with escape codes when `color`.
void ctl_styled(rt_text *out, bool color, ctl_style style, rt_str text);
// ctl_pad appends text cut or filled up to `width` columns.
void ctl_pad(rt_text *out, bool color, ctl_style style, rt_str text, uint32_t width, bool right);

// ctl_grid_init begins a table; ctl_grid_fini frees it.
void ctl_grid_init(ctl_grid *grid, const ctl_column *columns, size_t count);
void ctl_grid_fini(ctl_grid *grid);
// ctl_grid_str, ctl_grid_cstr and ctl_grid_printf fill the next cell.
void ctl_grid_str(ctl_grid *grid, ctl_style style, rt_str text);
void ctl_grid_cstr(ctl_grid *grid, ctl_style style, const char *text);
void ctl_grid_printf(ctl_grid *grid, ctl_style style, const char *fmt, ...) RT_PRINTF(3, 4);
// ctl_grid_write appends the table, indented; the last column is cut at `width` (0 = never).
void ctl_grid_write(const ctl_grid *grid, rt_text *out, bool headers, bool color, uint32_t indent,
                    uint32_t width);

// ctl_time appends "2026-11-20 09:14:22.118" (UTC); ctl_clock only the time of day.
void ctl_time(rt_text *out, int64_t at_ms);
// ctl_grid_time adds a cell with what ctl_time writes.
void ctl_grid_time(ctl_grid *grid, int64_t at_ms);
void ctl_clock(rt_text *out, int64_t at_ms);
// ctl_count appends a number with thousands separated.
void ctl_count(rt_text *out, uint64_t value);
// ctl_bytes appends "1.8 GiB"; ctl_us "0.8 ms".
void ctl_bytes(rt_text *out, uint64_t bytes);
void ctl_us(rt_text *out, double us);
// ctl_number appends a figure with as many digits as people read.
void ctl_number(rt_text *out, double value);

#endif
