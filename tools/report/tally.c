#include "tools/report/tally.h"

#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

#define NAMES_BYTES_MAX ((size_t)256 * 1024 * 1024)

void
tally_init(tally *t)
{
    *t = (tally){.index = rt_map_new(), .names = rt_arena_new(NAMES_BYTES_MAX)};
}

void
tally_fini(tally *t)
{
    rt_map_free(t->index);
    rt_arena_free(t->names);
    rt_free(t->rows);
    *t = (tally){0};
}

tally_row *
tally_at(tally *t, rt_str name)
{
    uint64_t at = 0;

    RT_ASSERT(t->index != NULL);
    if (rt_map_get(t->index, rt_bytes_of_str(name), &at)) {
        return &t->rows[at];
    }
    if (t->count == t->cap) {
        t->cap = RT_MAX(t->cap * 2, 16);
        t->rows = rt_realloc(t->rows, t->cap * sizeof(tally_row));
    }
    (void)rt_map_put(t->index, rt_bytes_of_str(name), t->count); // it is new
    t->rows[t->count] = (tally_row){.name = rt_arena_str(t->names, name)};
    return &t->rows[t->count++];
}

void
tally_add(tally *t, rt_str name, size_t column)
{
    RT_ASSERT(column < TALLY_COLUMNS);
    tally_at(t, name)->count[column]++;
}

uint64_t
tally_total(const tally *t, size_t column)
{
    uint64_t total = 0;

    RT_ASSERT(column < TALLY_COLUMNS);
    for (size_t i = 0; i < t->count; i++) {
        total += t->rows[i].count[column];
    }
    return total;
}

static int
compare_names(rt_str a, rt_str b)
{
    int order = memcmp(a.ptr, b.ptr, RT_MIN(a.len, b.len));

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_rows(const void *a, const void *b, void *column)
{
    const tally_row *x = a;
    const tally_row *y = b;
    size_t at = *(size_t *)column;

    if (x->count[at] != y->count[at]) {
        return x->count[at] > y->count[at] ? -1 : 1;
    }
    return compare_names(x->name, y->name);
}

void
tally_sort(tally *t, size_t column)
{
    RT_ASSERT(column < TALLY_COLUMNS);
    if (t->count > 0) {
        qsort_r(t->rows, t->count, sizeof(tally_row), compare_rows, &column);
    }
    rt_map_free(t->index);
    t->index = NULL;
}
