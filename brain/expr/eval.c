#include "brain/expr/expr_internal.h"

#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// A stack machine over rt_value. A value of kind NONE on the stack is a fault, with its code in `i`
// below and the instruction that raised it above, so that faults travel through strict operators
// unchanged and && || absorb them as CEL defines: false decides &&, true decides ||, whatever the
// other side is.
// Comparisons and arithmetic of equal kinds are done here; everything rarer is in call.c.

#define FAULT_BITS 8

static bool
is_fault(rt_value value)
{
    return value.kind == RT_KIND_NONE;
}

static int
sign_of(bool is_less, bool is_greater)
{
    return is_less ? -1 : is_greater ? 1 : 0;
}

// Compares an integer with a double as CEL does: the integer as a double, so that from 2^53 on
// neighbours are equal. NaN never gets here.
static int
compare_mixed(int64_t whole, double real)
{
    return sign_of((double)whole<real, (double)whole> real);
}

static int
compare_text(rt_str a, rt_str b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : sign_of(a.len<b.len, a.len> b.len);
}

// Orders two values; *ret_is_ordered is false for NaN.
//   returns   false when the kinds have no order
static bool
compare(rt_value a, rt_value b, int *ret_order, bool *ret_is_ordered)
{
    *ret_is_ordered = true;
    if (a.kind == b.kind) {
        switch (a.kind) {
        case RT_KIND_I64:
        case RT_KIND_TIME:
        case RT_KIND_DURATION:
            *ret_order = sign_of(a.i<b.i, a.i> b.i);
            return true;
        case RT_KIND_F64:
            *ret_order = sign_of(a.f<b.f, a.f> b.f);
            *ret_is_ordered = !isnan(a.f) && !isnan(b.f);
            return true;
        case RT_KIND_STR:
            *ret_order = compare_text(a.s, b.s);
            return true;
        case RT_KIND_BOOL:
            *ret_order = sign_of(!a.b && b.b, a.b && !b.b);
            return true;
        case RT_KIND_NONE:
            return false;
        }
    }
    if (a.kind == RT_KIND_I64 && b.kind == RT_KIND_F64) {
        *ret_is_ordered = !isnan(b.f);
        *ret_order = *ret_is_ordered ? compare_mixed(a.i, b.f) : 0;
        return true;
    }
    if (a.kind == RT_KIND_F64 && b.kind == RT_KIND_I64) {
        *ret_is_ordered = !isnan(a.f);
        *ret_order = *ret_is_ordered ? -compare_mixed(b.i, a.f) : 0;
        return true;
    }
    return false;
}

bool
br__equal(rt_value a, rt_value b)
{
    int order = 0;
    bool is_ordered = false;

    if (a.kind == RT_KIND_STR && b.kind == RT_KIND_STR) {
        return rt_str_equal(a.s, b.s);
    }
    return compare(a, b, &order, &is_ordered) && is_ordered && order == 0;
}

static rt_value
apply_order(br__code code, rt_value a, rt_value b)
{
    int order = 0;
    bool is_ordered = false;

    if (!compare(a, b, &order, &is_ordered)) {
        return br__fault(BR_FAULT_NO_OVERLOAD);
    }
    if (!is_ordered) {
        return RT_BOOL(false);
    }
    if (code == BR__LT) {
        return RT_BOOL(order < 0);
    }
    if (code == BR__LE) {
        return RT_BOOL(order <= 0);
    }
    return RT_BOOL(code == BR__GT ? order > 0 : order >= 0);
}

static rt_value
apply_i64(br__code code, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool is_overflown = false;

    if ((code == BR__DIV || code == BR__MOD) && b == 0) {
        return br__fault(BR_FAULT_DIVIDE_ZERO);
    }
    if (code == BR__ADD) {
        is_overflown = __builtin_add_overflow(a, b, &result);
    } else if (code == BR__SUB) {
        is_overflown = __builtin_sub_overflow(a, b, &result);
    } else if (code == BR__MUL) {
        is_overflown = __builtin_mul_overflow(a, b, &result);
    } else if (a == INT64_MIN && b == -1) {
        is_overflown = true;
    } else {
        result = code == BR__DIV ? a / b : a % b;
    }
    return is_overflown ? br__fault(BR_FAULT_OVERFLOW) : RT_I64(result);
}

static rt_value
apply_f64(br__code code, double a, double b)
{
    switch ((unsigned)code) {
    case BR__ADD:
        return RT_F64(a + b);
    case BR__SUB:
        return RT_F64(a - b);
    case BR__MUL:
        return RT_F64(a * b);
    case BR__DIV:
        return RT_F64(a / b);
    default:
        return br__fault(BR_FAULT_NO_OVERLOAD);
    }
}

static rt_value
make_time(rt_kind kind, int64_t ms, bool is_overflown)
{
    int64_t min = kind == RT_KIND_TIME ? BR__TIME_MIN_MS : -BR__DURATION_MAX_MS;
    int64_t max = kind == RT_KIND_TIME ? BR__TIME_MAX_MS : BR__DURATION_MAX_MS;

    if (is_overflown || ms < min || ms > max) {
        return br__fault(BR_FAULT_OVERFLOW);
    }
    return (rt_value){.kind = kind, .i = ms};
}

// + and - of instants and durations.
static rt_value
apply_time(br__code code, rt_value a, rt_value b)
{
    bool is_add = code == BR__ADD;
    int64_t ms = 0;
    bool is_overflown =
        is_add ? __builtin_add_overflow(a.i, b.i, &ms) : __builtin_sub_overflow(a.i, b.i, &ms);
    bool are_times = a.kind == RT_KIND_TIME && b.kind == RT_KIND_TIME;
    bool are_durations = a.kind == RT_KIND_DURATION && b.kind == RT_KIND_DURATION;

    if ((code != BR__ADD && code != BR__SUB) || (is_add && are_times) ||
        (!is_add && a.kind == RT_KIND_DURATION && b.kind == RT_KIND_TIME)) {
        return br__fault(BR_FAULT_NO_OVERLOAD);
    }
    return make_time(are_times || are_durations ? RT_KIND_DURATION : RT_KIND_TIME, ms,
                     is_overflown);
}

static rt_value
join_text(rt_str a, rt_str b, rt_arena *arena)
{
    char *to = arena != NULL ? rt_arena_alloc(arena, a.len + b.len) : NULL;

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    if (a.len > 0) {
        memcpy(to, a.ptr, a.len);
    }
    if (b.len > 0) {
        memcpy(to + a.len, b.ptr, b.len);
    }
    return RT_TEXT(((rt_str){to, a.len + b.len}));
}

static bool
is_time(rt_kind kind)
{
    return kind == RT_KIND_TIME || kind == RT_KIND_DURATION;
}

static rt_value
apply_arithmetic(br__code code, rt_value a, rt_value b, rt_arena *arena)
{
    if (a.kind == RT_KIND_I64 && b.kind == RT_KIND_I64) {
        return apply_i64(code, a.i, b.i);
    }
    if (a.kind == RT_KIND_F64 && b.kind == RT_KIND_F64) {
        return apply_f64(code, a.f, b.f);
    }
    if (is_time(a.kind) && is_time(b.kind)) {
        return apply_time(code, a, b);
    }
    if (a.kind == RT_KIND_STR && b.kind == RT_KIND_STR && code == BR__ADD) {
        return join_text(a.s, b.s, arena);
    }
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static rt_value
apply_negation(br__code code, rt_value a)
{
    if (code == BR__NOT && a.kind == RT_KIND_BOOL) {
        return RT_BOOL(!a.b);
    }
    if (code == BR__NEG && a.kind == RT_KIND_I64) {
        return a.i == INT64_MIN ? br__fault(BR_FAULT_OVERFLOW) : RT_I64(-a.i);
    }
    if (code == BR__NEG && a.kind == RT_KIND_F64) {
        return RT_F64(-a.f);
    }
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

rt_value
br__apply(br__code code, const rt_value *args, size_t argc, rt_arena *arena)
{
    for (size_t i = 0; i < argc; i++) {
        if (is_fault(args[i])) {
            return args[i];
        }
    }
    if (code == BR__NOT || code == BR__NEG) {
        return apply_negation(code, args[0]);
    }
    if (code >= BR__ADD && code <= BR__MOD) {
        return apply_arithmetic(code, args[0], args[1], arena);
    }
    if (code == BR__EQ || code == BR__NE) {
        return RT_BOOL(br__equal(args[0], args[1]) == (code == BR__EQ));
    }
    if (code >= BR__LT && code <= BR__GE) {
        return apply_order(code, args[0], args[1]);
    }
    return br__call(code, args, argc, arena);
}

// Joins both sides of && (absorbs = false) or || (absorbs = true), commutative with faults.
static rt_value
apply_logic(rt_value a, rt_value b, bool absorbs)
{
    bool is_a_bool = a.kind == RT_KIND_BOOL;
    bool is_b_bool = b.kind == RT_KIND_BOOL;

    if ((is_a_bool && a.b == absorbs) || (is_b_bool && b.b == absorbs)) {
        return RT_BOOL(absorbs);
    }
    if (is_a_bool && is_b_bool) {
        return RT_BOOL(!absorbs);
    }
    if (is_fault(a)) {
        return a;
    }
    return is_fault(b) ? b : br__fault(BR_FAULT_NO_OVERLOAD);
}

static rt_value
apply_in(rt_value value, const rt_value *list, size_t count)
{
    bool is_found = false;

    if (is_fault(value)) {
        return value;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_fault(list[i])) {
            return list[i];
        }
        is_found = is_found || br__equal(value, list[i]);
    }
    return RT_BOOL(is_found);
}

// A loaded value as its declared kind.
static rt_value
accept_loaded(rt_value value, rt_kind kind)
{
    if (RT_LIKELY(value.kind == kind || kind == RT_KIND_NONE) && value.kind != RT_KIND_NONE) {
        return value;
    }
    if (value.kind == RT_KIND_NONE) {
        return br__fault(BR_FAULT_NO_SUCH_KEY);
    }
    if (value.kind == RT_KIND_I64 && kind == RT_KIND_F64) {
        return RT_F64((double)value.i);
    }
    if (value.kind == RT_KIND_I64 && is_time(kind)) {
        return (rt_value){.kind = kind, .i = value.i};
    }
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

typedef struct machine {
    const br_expr *expr;
    br_expr_load load;
    const void *user;
    rt_arena *arena;
    br_expr_watch watch; // NULL: not traced
    void *watcher;
} machine;

static br_expr_fault
fault_of(rt_value value)
{
    return is_fault(value) ? (br_expr_fault)(value.i & ((1 << FAULT_BITS) - 1)) : BR_FAULT_NONE;
}

// Notes the instruction in a fault that was just raised.
static rt_value
raise_at(rt_value value, uint32_t pc)
{
    if (RT_UNLIKELY(is_fault(value)) && value.i >> FAULT_BITS == 0) {
        value.i |= (int64_t)(pc + 1) << FAULT_BITS;
    }
    return value;
}

static void
report(const machine *m, uint32_t pc, rt_value value)
{
    br__span span = m->expr->spans[pc];

    if (span.len > 0) {
        m->watch(m->watcher, (rt_str){m->expr->source.ptr + span.pos, span.len}, value,
                 fault_of(value));
    }
}

// Runs the instructions begin..end-1 and returns the one value they leave.
static rt_value
run(const machine *m, uint32_t begin, uint32_t end)
{
    rt_value stack[BR_EXPR_STACK_MAX];
    const br_expr *expr = m->expr;
    uint32_t top = 0;
    uint32_t pc = begin;

    while (pc < end) {
        const br__op *op = &expr->ops[pc];
        uint32_t at = pc++;

        switch ((unsigned)op->code) {
        case BR__CONST:
            stack[top++] = expr->consts[op->arg];
            continue; // not worth a report
        case BR__LOAD:
            stack[top] = accept_loaded(m->load(m->user, op->arg), (rt_kind)op->kind);
            top++;
            break;
        case BR__HAS:
            stack[top++] = RT_BOOL(m->load(m->user, op->arg).kind != RT_KIND_NONE);
            break;
        case BR__JUMP_FALSE:
        case BR__JUMP_TRUE:
            if (stack[top - 1].kind == RT_KIND_BOOL &&
                stack[top - 1].b == (op->code == BR__JUMP_TRUE)) {
                pc = op->arg;
                break;
            }
            continue;
        case BR__AND:
        case BR__OR:
            top--;
            stack[top - 1] = apply_logic(stack[top - 1], stack[top], op->code == BR__OR);
            break;
        case BR__BRANCH:
            if (stack[top - 1].kind != RT_KIND_BOOL) {
                // The fault stays as the value of the whole ?:.
                if (!is_fault(stack[top - 1])) {
                    stack[top - 1] = raise_at(br__fault(BR_FAULT_NO_OVERLOAD), at);
                }
                pc = expr->ops[op->arg - 1].arg;
                continue;
            }
            top--;
            pc = stack[top].b ? pc : op->arg;
            continue;
        case BR__JUMP:
            pc = op->arg;
            continue;
        case BR__COND:
            break;
        case BR__IN:
            top -= op->argc;
            stack[top - 1] = apply_in(stack[top - 1], &stack[top], op->argc);
            break;
        case BR__IN_CONST:
            stack[top - 1] = apply_in(stack[top - 1], &expr->consts[op->arg], op->argc);
            break;
        default:
            top -= op->argc;
            stack[top] = br__apply((br__code)op->code, &stack[top], op->argc, m->arena);
            top++;
            break;
        }
        stack[top - 1] = raise_at(stack[top - 1], at);
        if (RT_UNLIKELY(m->watch != NULL)) {
            report(m, at, stack[top - 1]);
        }
    }
    RT_ASSERT(top == 1);
    return stack[0];
}

static void
set_result(const br_expr *expr, rt_value value, const br__conjunct *conjunct,
           br_expr_result *ret_result)
{
    uint32_t pc = is_fault(value) ? (uint32_t)(value.i >> FAULT_BITS) : 0;
    br__span span = pc > 0 ? expr->spans[pc - 1] : conjunct->span;

    ret_result->fault = fault_of(value);
    ret_result->value = ret_result->fault == BR_FAULT_NONE ? value : RT_NONE;
    ret_result->fault_pos = span.pos;
    ret_result->fault_len = span.len;
}

static void
evaluate(const machine *m, br_expr_result *ret_result)
{
    const br_expr *expr = m->expr;
    rt_value all = RT_BOOL(true);
    uint32_t decisive = expr->conjunct_count;

    RT_CHECK(expr, BR__EXPR_MAGIC);
    if (expr->conjunct_count == 1) {
        all = run(m, expr->conjuncts[0].begin, expr->conjuncts[0].end);
        if (!is_fault(all) && expr->want != RT_KIND_NONE && all.kind != expr->want) {
            all = br__fault(BR_FAULT_NO_OVERLOAD);
        }
        decisive = all.kind == RT_KIND_BOOL && all.b ? 1 : 0;
    } else {
        for (uint32_t i = 0; i < expr->conjunct_count; i++) {
            rt_value one = run(m, expr->conjuncts[i].begin, expr->conjuncts[i].end);
            bool is_true = one.kind == RT_KIND_BOOL && one.b;

            if (one.kind == RT_KIND_BOOL && !one.b) {
                all = one;
                decisive = i;
                break;
            }
            if (!is_true && decisive == expr->conjunct_count) {
                all = is_fault(one) ? one : br__fault(BR_FAULT_NO_OVERLOAD);
                decisive = i;
            }
        }
    }
    ret_result->failed_conjunct = decisive;
    set_result(expr, all, &expr->conjuncts[RT_MIN(decisive, expr->conjunct_count - 1)], ret_result);
}

void
br_expr_eval(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
             br_expr_result *ret_result)
{
    const machine m = {.expr = expr, .load = load, .user = user, .arena = arena};

    evaluate(&m, ret_result);
}

void
br_expr_trace(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
              br_expr_watch watch, void *watcher, br_expr_result *ret_result)
{
    const machine m = {.expr = expr,
                       .load = load,
                       .user = user,
                       .arena = arena,
                       .watch = watch,
                       .watcher = watcher};

    evaluate(&m, ret_result);
}
