// Design notes.
// The longest common subsequence by the textbook table: playbooks have at most 64 KiB, so some
// hundred lines. Texts with more lines than the bound are shown whole, old and then new.
#include "tools/brainctl/text_diff.h"

#include "runtime/base/alloc.h"
#include "tools/brainctl/output.h"

#define LINES_MAX 4000
#define AROUND 2

typedef struct lines {
    rt_str *list;
    size_t count;
} lines;

static lines
split(rt_str text)
{
    lines l = {.list = rt_new_array(rt_str, LINES_MAX + 1)};
    while (text.len > 0 && l.count <= LINES_MAX) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        l.list[l.count++] = (rt_str){text.ptr, len};
        len += end != NULL;
        text = (rt_str){text.ptr + len, text.len - len};
    }
    return l;
}

static void
put_line(ctl_run *run, const char *sign, ctl_style style, rt_str line)
{
    ctl_put(run, style, rt_str_of(sign));
    ctl_put(run, style, line);
    ctl_end_line(run);
}

// table[i][j]: the longest common part of what begins at line i of `a` and line j of `b`.
static uint16_t *
measure(const lines *a, const lines *b)
{
    size_t width = b->count + 1;
    uint16_t *table = rt_new_array(uint16_t, (a->count + 1) * width);
    for (size_t i = a->count; i > 0; i--) {
        for (size_t j = b->count; j > 0; j--) {
            uint16_t *cell = &table[(i - 1) * width + j - 1];
            uint16_t down = table[i * width + j - 1];
            uint16_t right = table[(i - 1) * width + j];
            *cell = rt_str_equal(a->list[i - 1], b->list[j - 1])
                        ? (uint16_t)(table[i * width + j] + 1)
                        : RT_MAX(down, right);
        }
    }
    return table;
}

static bool
differs_near(const bool *differs, size_t at, size_t count)
{
    size_t from = at > AROUND ? at - AROUND : 0;
    for (size_t i = from; i <= at + AROUND && i < count; i++) {
        if (differs[i]) {
            return true;
        }
    }
    return false;
}

static void
put_merged(ctl_run *run, const lines *a, const lines *b, const uint16_t *table)
{
    size_t width = b->count + 1;
    size_t most = a->count + b->count + 1;
    rt_str *text = rt_new_array(rt_str, most);
    char *sign = rt_new_array(char, most);
    bool *differs = rt_new_array(bool, most);
    size_t count = 0;
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        bool both = i < a->count && j < b->count && rt_str_equal(a->list[i], b->list[j]);
        bool gone = !both && i < a->count &&
                    (j == b->count || table[(i + 1) * width + j] >= table[i * width + j + 1]);
        text[count] = both || gone ? a->list[i] : b->list[j];
        sign[count] = both ? ' ' : gone ? '-' : '+';
        differs[count++] = !both;
        i += both || gone;
        j += both || !gone;
    }
    for (size_t i = 0; i < count; i++) {
        if (differs_near(differs, i, count)) {
            const char prefix[] = {' ', ' ', sign[i], ' ', '\0'};
            put_line(run, prefix,
                     sign[i] == '-'   ? CTL_RED
                     : sign[i] == '+' ? CTL_GREEN
                                      : CTL_DIM,
                     text[i]);
        }
    }
    rt_free(text);
    rt_free(sign);
    rt_free(differs);
}

bool
ctl_text_diff(ctl_run *run, rt_str before, rt_str after)
{
    if (rt_str_equal(before, after)) {
        return false;
    }
    lines a = split(before);
    lines b = split(after);
    if (a.count > LINES_MAX || b.count > LINES_MAX) {
        put_line(run, "  - ", CTL_RED, before);
        put_line(run, "  + ", CTL_GREEN, after);
    } else {
        uint16_t *table = measure(&a, &b);
        put_merged(run, &a, &b, table);
        rt_free(table);
    }
    rt_free(a.list);
    rt_free(b.list);
    return true;
}
