#include "brain/expr/template.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// A template is a row of parts, each a literal text or an expression. The end of "${...}" is the
// first '}' outside of quotes and of the braces of maps. All parts are compiled even
// after a mistake, so that one run shows every finding.

#define TEMPLATE_MAGIC 0x7e3b0001u
#define CODE_SYNTAX "B2101"
#define CODE_LIMIT "B2120"

typedef struct part {
    rt_str text; // literal, when expr is NULL
    br_expr *expr;
} part;

struct br_template {
    uint32_t magic;
    bool is_typed; // one expression whose value keeps its kind
    char *literals;
    size_t literal_len;
    part parts[BR_TEMPLATE_PARTS_MAX];
    size_t count;
};

typedef struct builder {
    rt_str source;
    const rt_node *where;
    const br_expr_env *env;
    rt_diag *diag;
    br_template *tpl;
    bool is_failed;
} builder;

static void
refuse(builder *b, const char *code, size_t pos, size_t len, const char *why)
{
    rt_mark mark = {1, (uint32_t)pos + 1, (uint32_t)len};

    if (b->where != NULL) {
        mark = rt_node_mark_at(b->where, pos, len);
    }
    rt_diag_add(b->diag, RT_SEVERITY_ERROR, code, mark, NULL, "%s", why);
    b->is_failed = true;
}

static part *
add_part(builder *b)
{
    if (b->tpl->count == BR_TEMPLATE_PARTS_MAX) {
        refuse(b, CODE_LIMIT, 0, b->source.len, "too many ${...} in one text");
        return NULL;
    }
    return &b->tpl->parts[b->tpl->count++];
}

// Appends literal text, to the last part when that is literal too.
static void
add_literal(builder *b, rt_str text)
{
    br_template *tpl = b->tpl;
    char *to = tpl->literals + tpl->literal_len;
    part *last = tpl->count > 0 ? &tpl->parts[tpl->count - 1] : NULL;

    if (text.len == 0) {
        return;
    }
    memcpy(to, text.ptr, text.len);
    tpl->literal_len += text.len;
    if (last == NULL || last->expr != NULL) {
        last = add_part(b);
        if (last == NULL) {
            return;
        }
        *last = (part){.text = {to, 0}};
    }
    last->text.len += text.len;
}

static void
add_expression(builder *b, rt_str source)
{
    br_expr *expr = NULL;
    part *slot = NULL;

    if (br_expr_compile(source, b->where, b->env, RT_KIND_NONE, b->diag, &expr) != RT_OK) {
        b->is_failed = true;
        return;
    }
    slot = add_part(b);
    if (slot == NULL) {
        br_expr_free(expr);
        return;
    }
    *slot = (part){.expr = expr};
}

// Finds the '}' that ends an expression; false at the end of the text.
static bool
find_end(rt_str source, size_t at, size_t *ret_end)
{
    char quote = '\0';
    bool is_raw = false;
    size_t braces = 0;

    for (; at < source.len; at++) {
        char c = source.ptr[at];

        if (quote == '\0' && c == '}' && braces == 0) {
            *ret_end = at;
            return true;
        }
        if (quote == '\0' && (c == '{' || c == '}')) {
            braces = c == '{' ? braces + 1 : braces - 1;
        }
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            is_raw = source.ptr[at - 1] == 'r' || source.ptr[at - 1] == 'R';
        } else if (quote != '\0' && c == '\\' && !is_raw) {
            at++;
        } else if (c == quote) {
            quote = '\0';
        }
    }
    return false;
}

static void
build_text(builder *b)
{
    rt_str source = b->source;
    size_t run = 0; // first byte not yet added
    size_t at = rt_str_starts(source, RT_STR("==")) ? 1 : 0;

    run = at;
    while (at + 1 < source.len && !b->is_failed) {
        rt_str rest = {source.ptr + at, source.len - at};
        size_t end = 0;

        if (rt_str_starts(rest, RT_STR("$${"))) {
            add_literal(b, (rt_str){source.ptr + run, at - run});
            at += 3;
            run = at - 2;
            continue;
        }
        if (!rt_str_starts(rest, RT_STR("${"))) {
            at++;
            continue;
        }
        add_literal(b, (rt_str){source.ptr + run, at - run});
        if (!find_end(source, at + 2, &end)) {
            refuse(b, CODE_SYNTAX, at, 2, "'${' is not closed; write '$${' for the characters");
            return;
        }
        add_expression(b, (rt_str){source.ptr + at + 2, end - at - 2});
        at = end + 1;
        run = at;
    }
    add_literal(b, (rt_str){source.ptr + run, source.len - run});
}

rt_err
br_template_compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_diag *diag,
                    br_template **ret_template)
{
    builder b = {.source = source, .where = where, .env = env, .diag = diag};
    bool is_typed = rt_str_starts(source, RT_STR("=")) && !rt_str_starts(source, RT_STR("=="));

    if (source.len > BR_TEMPLATE_BYTES_MAX || !rt_utf8_valid(source)) {
        refuse(&b, CODE_LIMIT, 0, 0, "text too long, or not UTF-8");
        return RT_ECONFIG;
    }
    b.tpl = rt_new(br_template);
    b.tpl->magic = TEMPLATE_MAGIC;
    b.tpl->is_typed = is_typed;
    b.tpl->literals = rt_new_array(char, source.len + 1);
    if (is_typed) {
        add_expression(&b, (rt_str){source.ptr + 1, source.len - 1});
    } else {
        build_text(&b);
    }
    if (b.is_failed) {
        br_template_free(b.tpl);
        return RT_ECONFIG;
    }
    *ret_template = b.tpl;
    return RT_OK;
}

void
br_template_free(br_template *tpl)
{
    if (tpl == NULL) {
        return;
    }
    RT_CHECK(tpl, TEMPLATE_MAGIC);
    for (size_t i = 0; i < tpl->count; i++) {
        br_expr_free(tpl->parts[i].expr);
    }
    rt_free(tpl->literals);
    tpl->magic = 0;
    rt_free(tpl);
}

rt_kind
br_template_kind(const br_template *tpl)
{
    RT_CHECK(tpl, TEMPLATE_MAGIC);
    return tpl->is_typed ? br_expr_kind(tpl->parts[0].expr) : RT_KIND_STR;
}

static rt_err
evaluate(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
         rt_value *ret_value)
{
    br_expr_result result;
    rt_str source = br_expr_source(expr);

    br_expr_eval(expr, load, user, arena, &result);
    if (result.fault == BR_FAULT_NONE) {
        *ret_value = result.value;
        return RT_OK;
    }
    return rt_fail(result.fault == BR_FAULT_NO_SUCH_KEY ? RT_EMISSING
                   : result.fault == BR_FAULT_NO_MEMORY ? RT_ENOMEM
                                                        : RT_EINVAL,
                   "%.*s: %s", (int)result.fault_len, source.ptr + result.fault_pos,
                   br_expr_fault_text(result.fault));
}

static rt_err
render_parts(const br_template *tpl, br_expr_load load, const void *user, rt_arena *arena,
             rt_text *out)
{
    for (size_t i = 0; i < tpl->count; i++) {
        rt_value value = RT_TEXT(tpl->parts[i].text);

        if (tpl->parts[i].expr != NULL) {
            rt_err err = evaluate(tpl->parts[i].expr, load, user, arena, &value);

            if (err != RT_OK) {
                return err;
            }
        }
        rt_value_format(out, value);
    }
    return out->truncated ? rt_fail(RT_ELIMIT, "text longer than %zu bytes", out->max) : RT_OK;
}

rt_err
br_template_render(const br_template *tpl, br_expr_load load, const void *user, rt_arena *arena,
                   rt_text *out)
{
    size_t start = out->len;
    rt_err err = RT_OK;

    RT_CHECK(tpl, TEMPLATE_MAGIC);
    err = render_parts(tpl, load, user, arena, out);
    if (err != RT_OK && out->ptr != NULL) {
        out->len = start;
        out->ptr[start] = '\0';
    }
    return err;
}

rt_err
br_template_value(const br_template *tpl, br_expr_load load, const void *user, rt_arena *arena,
                  rt_value *ret_value)
{
    rt_text text;
    rt_str copy = {NULL, 0};
    rt_err err = RT_OK;

    RT_CHECK(tpl, TEMPLATE_MAGIC);
    if (tpl->is_typed) {
        return evaluate(tpl->parts[0].expr, load, user, arena, ret_value);
    }
    rt_text_init(&text, BR_TEMPLATE_BYTES_MAX * 8);
    err = render_parts(tpl, load, user, arena, &text);
    if (err == RT_OK) {
        copy = rt_arena_str(arena, rt_text_view(&text));
        err = copy.ptr != NULL ? RT_OK : RT_ENOMEM;
    }
    rt_text_fini(&text);
    if (err == RT_OK) {
        *ret_value = RT_TEXT(copy);
    }
    return err;
}
