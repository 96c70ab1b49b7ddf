#include "tools/brainctl/render.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/civil.h"

#define GAP 2
#define LAST_COLUMN_MIN 12
#define POOL_MAX ((size_t)64 * 1024 * 1024)
#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS "\xe2\x80\xa6"

typedef struct range {
    uint32_t first;
    uint32_t last;
} range;

// Source: Unicode 15, East Asian Width W and F, without the rarely used planes.
static const range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
                             {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                             {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                             {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF},
                             {0x20000, 0x3FFFD}};
static const range empty[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
                              {0x064B, 0x065F}, {0x200B, 0x200F}, {0x202A, 0x202E},
                              {0x2060, 0x2064}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F},
                              {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};

static bool
in_ranges(const range *ranges, size_t count, uint32_t point)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

// Reads one character; its length, or 0 when it is damaged.
static size_t
read_point(rt_str text, uint32_t *ret_point)
{
    const uint8_t *at = (const uint8_t *)text.ptr;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (len > text.len || !rt_utf8_valid((rt_str){text.ptr, len})) {
        return 0;
    }
    uint32_t point = len == 1 ? at[0] : at[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        point = point << 6 | (at[i] & 0x3Fu);
    }
    *ret_point = point;
    return len;
}

static uint32_t
point_width(uint32_t point)
{
    if (in_ranges(empty, RT_COUNT(empty), point)) {
        return 0;
    }
    return in_ranges(wide, RT_COUNT(wide), point) ? 2 : 1;
}

uint32_t
ctl_width(rt_str text)
{
    uint32_t width = 0;
    while (text.len > 0) {
        uint32_t point = 0;
        size_t len = read_point(text, &point);
        width += len > 0 ? point_width(point) : 1;
        len = RT_MAX(len, (size_t)1);
        text = (rt_str){text.ptr + len, text.len - len};
    }
    return width;
}

static bool
is_control(uint32_t point)
{
    // C0, DEL, C1, and the marks that turn the direction of writing round
    return point < 0x20 || (point >= 0x7F && point < 0xA0) ||
           (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

void
ctl_clean(rt_text *out, rt_str text)
{
    while (text.len > 0) {
        uint32_t point = 0;
        size_t len = read_point(text, &point);
        if (len == 0) {
            rt_text_cstr(out, REPLACEMENT);
            len = 1;
        } else if (point == '\n' || point == '\t' || point == '\r') {
            rt_text_cstr(out, " ");
        } else if (is_control(point)) {
            rt_text_cstr(out, REPLACEMENT);
        } else {
            rt_text_put(out, text.ptr, len);
        }
        text = (rt_str){text.ptr + len, text.len - len};
    }
}

void
ctl_styled(rt_text *out, bool color, ctl_style style, rt_str text)
{
    static const char *const codes[] = {
        [CTL_PLAIN] = "",        [CTL_BOLD] = "\033[1m",    [CTL_DIM] = "\033[2m",
        [CTL_GREEN] = "\033[32m", [CTL_YELLOW] = "\033[33m", [CTL_RED] = "\033[31m",
        [CTL_CYAN] = "\033[36m",
    };
    bool coded = color && style != CTL_PLAIN;
    if (coded) {
        rt_text_cstr(out, codes[style]);
    }
    rt_text_str(out, text);
    if (coded) {
        rt_text_cstr(out, "\033[0m");
    }
}

// The beginning of a text that takes at most `width` columns.
static rt_str
cut(rt_str text, uint32_t width)
{
    size_t used = 0;
    uint32_t columns = 0;
    while (used < text.len) {
        uint32_t point = 0;
        size_t len = read_point((rt_str){text.ptr + used, text.len - used}, &point);
        uint32_t wide_by = len > 0 ? point_width(point) : 1;
        if (columns + wide_by > width) {
            break;
        }
        columns += wide_by;
        used += RT_MAX(len, (size_t)1);
    }
    return (rt_str){text.ptr, used};
}

static void
spaces(rt_text *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rt_text_cstr(out, " ");
    }
}

void
ctl_pad(rt_text *out, bool color, ctl_style style, rt_str text, uint32_t width, bool right)
{
    uint32_t has = ctl_width(text);
    if (right && has < width) {
        spaces(out, width - has);
    }
    if (has > width) {
        rt_text part;
        rt_text_init(&part, POOL_MAX);
        rt_text_str(&part, cut(text, width > 0 ? width - 1 : 0));
        rt_text_cstr(&part, ELLIPSIS);
        ctl_styled(out, color, style, rt_text_view(&part));
        rt_text_fini(&part);
        return;
    }
    ctl_styled(out, color, style, text);
    if (!right && has < width) {
        spaces(out, width - has);
    }
}

void
ctl_grid_init(ctl_grid *grid, const ctl_column *columns, size_t count)
{
    RT_ASSERT(count > 0 && count <= CTL_COLUMNS_MAX);
    *grid = (ctl_grid){.columns = columns, .column_count = count};
    rt_text_init(&grid->pool, POOL_MAX);
}

void
ctl_grid_fini(ctl_grid *grid)
{
    rt_text_fini(&grid->pool);
    rt_free(grid->cells);
    *grid = (ctl_grid){0};
}

static void
add_cell(ctl_grid *grid, ctl_style style, size_t offset)
{
    if (grid->cell_count == grid->cell_cap) {
        grid->cell_cap = RT_MAX(grid->cell_cap * 2, (size_t)256);
        grid->cells = rt_realloc(grid->cells, sizeof(ctl_cell) * grid->cell_cap);
    }
    grid->cells[grid->cell_count++] = (ctl_cell){offset, grid->pool.len - offset, style};
}

void
ctl_grid_str(ctl_grid *grid, ctl_style style, rt_str text)
{
    size_t offset = grid->pool.len;
    ctl_clean(&grid->pool, text);
    add_cell(grid, style, offset);
}

void
ctl_grid_cstr(ctl_grid *grid, ctl_style style, const char *text)
{
    ctl_grid_str(grid, style, rt_str_of(text));
}

void
ctl_grid_printf(ctl_grid *grid, ctl_style style, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); // cells are short
    va_end(args);
    ctl_grid_cstr(grid, style, text);
}

static rt_str
cell_text(const ctl_grid *grid, size_t i)
{
    return (rt_str){grid->pool.ptr + grid->cells[i].offset, grid->cells[i].len};
}

static void
measure(const ctl_grid *grid, bool headers, uint32_t width, uint32_t indent,
        uint32_t widths[CTL_COLUMNS_MAX])
{
    size_t last = grid->column_count - 1;
    uint32_t total = indent;
    for (size_t c = 0; c < grid->column_count; c++) {
        widths[c] = headers ? ctl_width(rt_str_of(grid->columns[c].title)) : 0;
        for (size_t i = c; i < grid->cell_count; i += grid->column_count) {
            widths[c] = RT_MAX(widths[c], ctl_width(cell_text(grid, i)));
        }
        if (grid->columns[c].max > 0) {
            widths[c] = RT_MIN(widths[c], grid->columns[c].max);
        }
        total += c < last ? widths[c] + GAP : 0;
    }
    if (width > 0) {
        uint32_t left = width > total + LAST_COLUMN_MIN ? width - total : LAST_COLUMN_MIN;
        widths[last] = RT_MIN(widths[last], left);
    }
}

static void
end_line(rt_text *out)
{
    while (out->len > 0 && out->ptr[out->len - 1] == ' ') {
        out->ptr[--out->len] = '\0';
    }
    rt_text_cstr(out, "\n");
}

// No spaces at the end of a line: the last column is filled up only when it is aligned right.
static void
write_cell(const ctl_grid *grid, rt_text *out, bool color, ctl_style style, rt_str text, size_t c,
           const uint32_t *widths)
{
    bool last = c + 1 == grid->column_count;
    bool right = grid->columns[c].right;
    uint32_t width = widths[c];
    if (last && !right) {
        width = RT_MIN(width, ctl_width(text));
    }
    ctl_pad(out, color, style, text, width, right);
    spaces(out, last ? 0 : GAP);
}

void
ctl_grid_write(const ctl_grid *grid, rt_text *out, bool headers, bool color, uint32_t indent,
               uint32_t width)
{
    uint32_t widths[CTL_COLUMNS_MAX];
    RT_ASSERT(grid->cell_count % grid->column_count == 0);
    measure(grid, headers, width, indent, widths);
    if (headers) {
        spaces(out, indent);
        for (size_t c = 0; c < grid->column_count; c++) {
            write_cell(grid, out, color, CTL_DIM, rt_str_of(grid->columns[c].title), c, widths);
        }
        end_line(out);
    }
    for (size_t i = 0; i < grid->cell_count; i++) {
        size_t c = i % grid->column_count;
        spaces(out, c == 0 ? indent : 0);
        write_cell(grid, out, color, grid->cells[i].style, cell_text(grid, i), c, widths);
        if (c + 1 == grid->column_count) {
            end_line(out);
        }
    }
}

void
ctl_clock(rt_text *out, int64_t at_ms)
{
    rt_civil c = rt_civil_from_ms(at_ms);
    rt_text_printf(out, "%02d:%02d:%02d.%03d", c.hour, c.minute, c.second, c.ms);
}

void
ctl_time(rt_text *out, int64_t at_ms)
{
    rt_civil c = rt_civil_from_ms(at_ms);
    rt_text_printf(out, "%04d-%02d-%02d ", c.year, c.month, c.day);
    ctl_clock(out, at_ms);
}

void
ctl_grid_time(ctl_grid *grid, int64_t at_ms)
{
    rt_text text;
    rt_text_init(&text, 64);
    ctl_time(&text, at_ms);
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    rt_text_fini(&text);
}

void
ctl_count(rt_text *out, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    for (int i = 0; i < len; i++) {
        rt_text_put(out, &digits[i], 1);
        if (i + 1 < len && (len - i - 1) % 3 == 0) {
            rt_text_cstr(out, ",");
        }
    }
}

void
ctl_bytes(rt_text *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < RT_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    rt_text_printf(out, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void
ctl_us(rt_text *out, double us)
{
    if (us < 1000) {
        rt_text_printf(out, "%.0f us", us);
    } else if (us < 1e6) {
        rt_text_printf(out, "%.1f ms", us / 1e3);
    } else {
        rt_text_printf(out, "%.1f s", us / 1e6);
    }
}

void
ctl_number(rt_text *out, double value)
{
    double size = fabs(value);
    if (value == floor(value) && size < 1e15) {
        rt_text_printf(out, "%.0f", value + 0.0); // -0 + 0 is 0; clang 14 drops a test for it
    } else if (size >= 1000) {
        rt_text_printf(out, "%.1f", value);
    } else {
        rt_text_printf(out, "%.3g", value);
    }
}
