// How a trace looks: a tree of parts for people, a list for programs.
#include <stdio.h>

#include "tools/brainctl/output.h"
#include "tools/brainctl/trace.h"
#include "tools/brainctl/value.h"

#define VALUE_COLUMN 60 // of the values, where the parts leave room
#define LINE_MAX ((size_t)64 * 1024)

static void
put_value(rt_text *out, rt_value value)
{
    bool quoted = value.kind == RT_KIND_STR;
    rt_text plain;
    rt_text_init(&plain, LINE_MAX);
    rt_value_format(&plain, value);
    rt_text_cstr(out, quoted ? "\"" : "");
    ctl_clean(out, rt_text_view(&plain));
    rt_text_cstr(out, quoted ? "\"" : "");
    rt_text_fini(&plain);
}

static ctl_style
value_style(rt_value value, br_expr_fault fault)
{
    if (fault != BR_FAULT_NONE) {
        return CTL_RED;
    }
    return value.kind == RT_KIND_BOOL ? value.b ? CTL_GREEN : CTL_YELLOW : CTL_PLAIN;
}

static void
put_line(ctl_run *run, uint32_t indent, rt_str text, ctl_style style, rt_str value)
{
    rt_text clean;
    rt_text_init(&clean, LINE_MAX);
    ctl_clean(&clean, text);
    uint32_t width = indent + ctl_width(rt_text_view(&clean));
    ctl_say(run, "%*s", (int)indent, "");
    ctl_styled(&run->out, run->color, CTL_DIM, rt_text_view(&clean));
    ctl_say(run, "%*s", width + 2 < VALUE_COLUMN ? (int)(VALUE_COLUMN - width) : 2, "");
    ctl_styled(&run->out, run->color, style, value);
    ctl_end_line(run);
    rt_text_fini(&clean);
}

static void
put_part(ctl_run *run, const br_trace_part *part, uint32_t indent)
{
    rt_text value;
    rt_text_init(&value, LINE_MAX);
    if (!part->is_seen) {
        rt_text_cstr(&value, "not looked at");
    } else if (part->fault != BR_FAULT_NONE) {
        rt_text_cstr(&value, br_expr_fault_text(part->fault));
    } else {
        put_value(&value, part->value);
    }
    put_line(run, indent + 2 * part->depth, part->text,
             part->is_seen ? value_style(part->value, part->fault) : CTL_DIM,
             rt_text_view(&value));
    rt_text_fini(&value);
}

void
ctl_trace_put(ctl_run *run, const br_trace *trace, uint32_t indent)
{
    for (uint32_t i = 0; i < trace->expr_count; i++) {
        const br_trace_expr *e = &trace->exprs[i];
        ctl_say(run, "%*s", (int)indent, "");
        ctl_put(run, CTL_CYAN, rt_str_of(e->block));
        if (e->name.len > 0) {
            ctl_say(run, " ");
            ctl_put(run, CTL_BOLD, e->name);
        }
        ctl_end_line(run);
        for (uint32_t p = 0; p < e->part_count; p++) {
            put_part(run, &e->parts[p], indent + 2);
        }
    }
}

// A number, truth value or text as itself, an instant or a length of time as text.
static void
write_value(rt_mpw *w, rt_value value)
{
    rt_text text;
    if (value.kind != RT_KIND_TIME && value.kind != RT_KIND_DURATION) {
        rt_value_write(w, value);
        return;
    }
    rt_text_init(&text, 256);
    rt_value_format(&text, value);
    rt_mpw_str(w, rt_text_view(&text));
    rt_text_fini(&text);
}

static void
write_outcome(ctl_map *map, rt_value value, br_expr_fault fault)
{
    if (fault != BR_FAULT_NONE) {
        ctl_map_str(map, "fault", rt_str_of(br_expr_fault_text(fault)));
    } else {
        write_value(ctl_map_key(map, "value"), value);
    }
}

static void
write_parts(rt_mpw *w, const br_trace_expr *e)
{
    rt_mpw_array(w, e->part_count);
    for (uint32_t p = 0; p < e->part_count; p++) {
        const br_trace_part *part = &e->parts[p];
        ctl_map map = ctl_map_begin(LINE_MAX);
        ctl_map_str(&map, "text", part->text);
        ctl_map_u64(&map, "depth", part->depth);
        ctl_map_bool(&map, "looked_at", part->is_seen);
        if (part->is_seen) {
            write_outcome(&map, part->value, part->fault);
        }
        rt_mpw_raw(w, ctl_map_end(&map));
        ctl_map_fini(&map);
    }
}

void
ctl_trace_write(rt_mpw *w, const br_trace *trace)
{
    rt_mpw_array(w, trace->expr_count);
    for (uint32_t i = 0; i < trace->expr_count; i++) {
        const br_trace_expr *e = &trace->exprs[i];
        ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
        ctl_map_str(&map, "block", rt_str_of(e->block));
        ctl_map_str(&map, "name", e->name);
        ctl_map_str(&map, "source", e->source);
        write_outcome(&map, e->value, e->fault);
        write_parts(ctl_map_key(&map, "parts"), e);
        rt_mpw_raw(w, ctl_map_end(&map));
        ctl_map_fini(&map);
    }
}
