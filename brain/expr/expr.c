#include "brain/expr/expr.h"

#include <stdio.h>

#include "brain/expr/expr_internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// The stages share one br__compiler, whose arena ends with the compilation; what a compiled
// expression keeps is copied into an arena of its own. Both are bounded by the limits on source and
// nodes, so they cannot run out and the stages assert it.

#define COMPILE_BYTES (4 * 1024 * 1024)
#define EXPR_BYTES (2 * 1024 * 1024)
#define VALUES_BYTES (256 * 1024)
#define FOLD_STEPS (10 * BR_EXPR_STEPS_MAX)
#define REASON_MAX 300

const char *
br__code_text(br__code code)
{
    static const char *const texts[] = {
#define X(name, text) [BR__##name] = (text),
        BR__CODES
#undef X
    };

    RT_ASSERT(code < BR__CODE_COUNT);
    return texts[code];
}

// The place of a span of the source in the file.
static rt_mark
mark_of(const br__compiler *c, br__span span)
{
    uintptr_t text = c->where != NULL ? (uintptr_t)c->where->text.ptr : 0;
    uintptr_t source = (uintptr_t)c->source.ptr;
    rt_mark mark = {.line = 1, .column = 1, .length = 0};

    RT_ASSERT(span.pos <= c->source.len && span.len <= c->source.len - span.pos);
    if (c->where != NULL) {
        bool is_view = source >= text && source <= text + c->where->text.len;

        return rt_node_mark_at(c->where, (is_view ? source - text : 0) + span.pos, span.len);
    }
    for (size_t i = 0; i < span.pos; i++) {
        if (c->source.ptr[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((uint8_t)c->source.ptr[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    for (size_t i = span.pos; i < (size_t)span.pos + span.len && c->source.ptr[i] != '\n'; i++) {
        mark.length += ((uint8_t)c->source.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return mark;
}

void
br__report(br__compiler *c, const char *code, br__span span, const char *help, const char *fmt, ...)
{
    char reason[REASON_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    c->is_failed = true;
    rt_diag_add(c->diag, RT_SEVERITY_ERROR, code, mark_of(c, span), help, "%s", reason);
}

bool
br__no_memory(br__compiler *c)
{
    br__report(c, BR__LIMIT, (br__span){0, 0}, NULL, "no memory for the expression");
    return false;
}

void
br__warn(br__compiler *c, const char *code, br__span span, const char *help, const char *fmt, ...)
{
    char reason[REASON_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    rt_diag_add(c->diag, RT_SEVERITY_WARNING, code, mark_of(c, span), help, "%s", reason);
}

static bool
is_readable(br__compiler *c)
{
    br__span start = {0, 0};

    if (c->source.len > BR_EXPR_BYTES_MAX) {
        br__report(c, BR__LIMIT, start, NULL, "expression of %zu bytes, at most %d are read",
                   c->source.len, BR_EXPR_BYTES_MAX);
        return false;
    }
    if (!rt_utf8_valid(c->source)) {
        br__report(c, BR__SYNTAX, start, NULL, "the expression is not UTF-8");
        return false;
    }
    return true;
}

rt_err
br__compile_as(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
               br__mode mode, rt_diag *diag, br_expr **ret_expr)
{
    br__compiler c = {.source = source, .where = where, .env = env, .diag = diag};
    br_expr *expr = NULL;
    bool is_sound = false;

    RT_ASSERT(env != NULL && env->resolve != NULL);
    if (!is_readable(&c)) {
        return RT_ECONFIG;
    }
    c.arena = rt_arena_new(COMPILE_BYTES);
    c.is_unchecked = mode.is_unchecked;
    expr = rt_new(br_expr);
    expr->magic = BR__EXPR_MAGIC;
    expr->arena = rt_arena_new(EXPR_BYTES);
    expr->values = rt_arena_new(VALUES_BYTES);
    expr->want = want;
    c.kept = (br__limits){.arena = expr->values, .steps = FOLD_STEPS};
    is_sound = br__lex(&c) && br__parse(&c) && br__check(&c, want, mode.keeps_result);
    if (is_sound && mode.folds) {
        br__fold(&c);
    }
    if (is_sound && env->reasons != BR_REASONS_OFF) {
        br__reason(&c, want);
    }
    is_sound = is_sound && br__emit(&c, expr) && !c.is_failed;
    rt_arena_free(c.arena);
    if (!is_sound) {
        br_expr_free(expr);
        return RT_ECONFIG;
    }
    *ret_expr = expr;
    return RT_OK;
}

rt_err
br__compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want, bool folds,
            rt_diag *diag, br_expr **ret_expr)
{
    br__mode mode = {.folds = folds, .keeps_result = true};

    return br__compile_as(source, where, env, want, mode, diag, ret_expr);
}

rt_err
br_expr_compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
                rt_diag *diag, br_expr **ret_expr)
{
    br__mode mode = {.folds = true};

    return br__compile_as(source, where, env, want, mode, diag, ret_expr);
}

void
br_expr_free(br_expr *expr)
{
    if (expr == NULL) {
        return;
    }
    RT_CHECK(expr, BR__EXPR_MAGIC);
    rt_arena_free(expr->arena);
    rt_arena_free(expr->values);
    expr->magic = 0;
    rt_free(expr);
}

rt_str
br_expr_source(const br_expr *expr)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    return expr->source;
}

rt_kind
br_expr_kind(const br_expr *expr)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    return expr->kind;
}

size_t
br_expr_conjunct_count(const br_expr *expr)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    return expr->conjunct_count;
}

rt_str
br_expr_conjunct_text(const br_expr *expr, size_t index)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    RT_ASSERT(index < expr->conjunct_count);
    return (rt_str){expr->source.ptr + expr->conjuncts[index].span.pos,
                    expr->conjuncts[index].span.len};
}

size_t
br_expr_conjunct_vars(const br_expr *expr, size_t index, const br_expr_use **ret_uses)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    RT_ASSERT(index < expr->conjunct_count);
    *ret_uses = expr->uses + expr->conjuncts[index].use_begin;
    return expr->conjuncts[index].use_count;
}

const char *
br_expr_fault_text(br_expr_fault fault)
{
    switch (fault) {
    case BR_FAULT_NONE:
        return "no fault";
    case BR_FAULT_NO_SUCH_KEY:
        return "no such key";
    case BR_FAULT_NO_OVERLOAD:
        return "no such overload";
    case BR_FAULT_OVERFLOW:
        return "overflow";
    case BR_FAULT_DIVIDE_ZERO:
        return "division by zero";
    case BR_FAULT_CONVERSION:
        return "conversion failed";
    case BR_FAULT_NO_MEMORY:
        return "memory limit reached";
    case BR_FAULT_STEPS:
        return "too many steps";
    case BR_FAULT_RANGE:
        return "index out of range";
    case BR_FAULT_ARGUMENT:
        return "invalid argument";
    case BR_FAULT_KEY_TYPE:
        return "unsupported key type";
    case BR_FAULT_DUPLICATE_KEY:
        return "key given twice";
    case BR_FAULT_EMPTY:
        return "optional without a value";
    case BR_FAULT_TOO_DEEP:
        return "nested too deeply";
    case BR_FAULT_RESULT:
        return "a value of this type has no place here";
    }
    return "unknown fault";
}

// Appends a value as it would be written in an expression, so that "28" is not taken for 28.
static void
put_value(rt_text *out, rt_value value)
{
    if (value.kind == RT_KIND_NONE) {
        rt_text_cstr(out, "(absent)");
    } else if (value.kind == RT_KIND_STR) {
        rt_text_cstr(out, "\"");
        rt_value_format(out, value);
        rt_text_cstr(out, "\"");
    } else {
        rt_value_format(out, value);
    }
}

// What a part read, and its source: "data.delay_min = 28 → data.delay_min > 30 ".
static void
put_part(rt_text *out, const br_expr *expr, size_t index, br_expr_load load, const void *user)
{
    const br_expr_use *uses = NULL;
    size_t count = br_expr_conjunct_vars(expr, index, &uses);

    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            rt_text_str(out, RT_STR(", "));
        }
        rt_text_str(out, uses[i].path);
        rt_text_str(out, RT_STR(" = "));
        put_value(out, load(user, uses[i].slot));
    }
    if (count > 0) {
        rt_text_str(out, RT_STR(" → "));
    }
    rt_text_str(out, br_expr_conjunct_text(expr, index));
    rt_text_str(out, RT_STR(" "));
}

static void
put_outcome(rt_text *out, br_expr_fault fault, rt_value value)
{
    if (fault != BR_FAULT_NONE) {
        rt_text_str(out, RT_STR("has no value: "));
        rt_text_cstr(out, br_expr_fault_text(fault));
    } else {
        rt_text_str(out, RT_STR("is "));
        put_value(out, value);
    }
}

void
br_expr_explain(const br_expr *expr, size_t index, br_expr_load load, const void *user,
                rt_arena *arena, rt_text *out)
{
    br_expr one = *expr; // the conjunct alone
    br_expr_result result;

    RT_CHECK(expr, BR__EXPR_MAGIC);
    put_part(out, expr, index, load, user);
    one.conjuncts = expr->conjuncts + index;
    one.conjunct_count = 1;
    br_expr_eval(&one, load, user, arena, &result);
    put_outcome(out, result.fault, result.value);
}

void
br_expr_explain_failure(const br_expr *expr, const br_expr_result *result, br_expr_load load,
                        const void *user, rt_text *out)
{
    RT_CHECK(expr, BR__EXPR_MAGIC);
    if (result->failed_conjunct >= expr->conjunct_count) {
        rt_text_cstr(out, br_expr_fault_text(result->fault));
        return;
    }
    put_part(out, expr, result->failed_conjunct, load, user);
    put_outcome(out, result->fault, RT_BOOL(false));
}
