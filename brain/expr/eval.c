#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// A stack machine over br__value. A value of kind FAULT on the stack is a fault, with its code in
// `i` and the instruction that raised it in `len`, so that faults travel through strict operators
// unchanged and && || absorb them as CEL defines: false decides &&, true decides ||, whatever the
// other side is.
// What conditions are mostly made of (comparing numbers and texts of one type) is done in the loop
// itself, everything else in operator.c and call.c.
// A macro is a loop of instructions: LOOP takes the range, NEXT gives the variables the next
// element or ends the loop, and the macro's own instruction takes what its body gave. Every round
// costs as many steps of the budget as it has instructions.

typedef struct frame {
    const br__value *items;
    uint32_t count;
    uint32_t at;
    bool is_map;
    br__value accu;
    br__value *built; // of a list, or pairs of a map
    uint32_t built_count;
    uint32_t built_cap;
} frame;

typedef struct machine {
    const br_expr *expr;
    br_expr_load load;
    const void *user;
    br__limits *limits;
    br_expr_watch watch; // NULL: not traced
    void *watcher;
    size_t reports;
    br__value locals[BR__LOCALS_MAX];
    frame frames[BR_EXPR_LOOPS_MAX];
} machine;

static bool
is_fault(br__value value)
{
    return value.kind == BR__FAULT;
}

// Joins both sides of && (absorbs = false) or || (absorbs = true), commutative with faults.
static br__value
apply_logic(br__value a, br__value b, bool absorbs)
{
    bool is_a_bool = a.kind == BR__BOOL;
    bool is_b_bool = b.kind == BR__BOOL;

    if ((is_a_bool && a.b == absorbs) || (is_b_bool && b.b == absorbs)) {
        return br__of_bool(absorbs);
    }
    if (is_a_bool && is_b_bool) {
        return br__of_bool(!absorbs);
    }
    if (is_fault(a)) {
        return a;
    }
    return is_fault(b) ? b : br__fault(BR_FAULT_NO_OVERLOAD);
}

// A loaded value whose kind is not the declared one.
static br__value
accept_other(rt_value value, rt_kind kind)
{
    if (value.kind == RT_KIND_NONE) {
        return br__fault(BR_FAULT_NO_SUCH_KEY);
    }
    if (kind == RT_KIND_NONE) {
        return br__of_rt(value);
    }
    if (value.kind == RT_KIND_I64 && kind == RT_KIND_F64) {
        return br__of_double((double)value.i);
    }
    if (value.kind == RT_KIND_I64 && (kind == RT_KIND_TIME || kind == RT_KIND_DURATION)) {
        return (br__value){.kind = (uint8_t)kind, .i = value.i};
    }
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static br__value
accept_loaded(rt_value value, rt_kind kind)
{
    if (RT_LIKELY(value.kind == kind) && kind != RT_KIND_NONE) {
        return br__of_rt(value);
    }
    return accept_other(value, kind);
}

static br__value
accept_raw(br__limits *limits, rt_value value)
{
    if (value.kind != RT_KIND_STR) {
        return br__fault(value.kind == RT_KIND_NONE ? BR_FAULT_NO_SUCH_KEY : BR_FAULT_NO_OVERLOAD);
    }
    return br__opened(limits,
                      (br__value){.kind = BR__RAW, .s = value.s.ptr, .len = (uint32_t)value.s.len});
}

// Notes the instruction in a fault that was just raised.
static br__value
raise_at(br__value value, uint32_t pc)
{
    if (RT_UNLIKELY(is_fault(value)) && value.len == 0) {
        value.len = pc + 1;
    }
    return value;
}

// What a watcher is told of a value that has no kind outside: its text.
static rt_value
shown_value(const machine *m, br__value value)
{
    rt_value outside = RT_NONE;
    rt_text text;

    if (is_fault(value) || br__to_rt(value, &outside) || m->limits->arena == NULL) {
        return outside;
    }
    rt_text_init(&text, 1024);
    br__put_value(&text, m->limits, value);
    outside = RT_TEXT(rt_arena_str(m->limits->arena, rt_utf8_whole(rt_text_view(&text))));
    rt_text_fini(&text);
    return outside.s.ptr != NULL ? outside : RT_NONE;
}

static void
report(machine *m, uint32_t pc, br__value value)
{
    br__span span = m->expr->spans[pc];

    if (span.len > 0 && m->reports < BR_EXPR_TRACE_MAX) {
        m->reports++;
        m->watch(m->watcher, (rt_str){m->expr->source.ptr + span.pos, span.len},
                 shown_value(m, value), is_fault(value) ? (br_expr_fault)value.i : BR_FAULT_NONE);
    }
}

// The first instruction behind a loop.
static uint32_t
end_of_loop(const machine *m, const br__op *next)
{
    return m->expr->ops[next->arg].arg;
}

// Begins a loop over a list or map; a fault when it is none.
static br__value
begin_loop(machine *m, const br__op *op, br__value range)
{
    frame *f = &m->frames[op->argc & ((1U << BR__LOOP_VARS) - 1)];

    range = br__opened(m->limits, range);
    if (range.kind != BR__LIST && range.kind != BR__MAP) {
        return is_fault(range) ? range : br__fault(BR_FAULT_NO_OVERLOAD);
    }
    *f = (frame){.items = range.items, .count = range.len, .is_map = range.kind == BR__MAP};
    f->accu = op->kind == BR__ALL ? br__of_bool(true) : br__of_bool(false);
    if (op->kind == BR__EXISTS_ONE || op->kind == BR__EXISTS_ONE_2) {
        f->accu = br__of_int(0);
    }
    return br__of_bool(true);
}

static br__value
finish_loop(machine *m, br__code code, const frame *f)
{
    switch ((unsigned)code) {
    case BR__EXISTS_ONE:
    case BR__EXISTS_ONE_2:
        return br__of_bool(f->accu.i == 1);
    case BR__FILTER:
    case BR__MAP_EACH:
    case BR__TRANSFORM_LIST:
        return br__list(f->built, f->built_count);
    case BR__TRANSFORM_MAP:
    case BR__TRANSFORM_MAP_ENTRY:
        return br__map(m->limits, f->built, f->built_count / 2);
    default:
        return f->accu;
    }
}

// Gives the variables of a loop the next element; false at the end, when *ret_result is its value.
static bool
next_round(machine *m, const br__op *op, uint32_t pc, br__value *ret_result)
{
    frame *f = &m->frames[op->argc & ((1U << BR__LOOP_VARS) - 1)];
    br__value *locals = &m->locals[op->argc >> BR__LOOP_SHIFT];
    bool is_pair = (op->argc >> BR__LOOP_VARS & 3) == 2;
    size_t at = f->at;

    if (at == f->count) {
        *ret_result = finish_loop(m, (br__code)op->kind, f);
        return false;
    }
    if (!br__spend(m->limits, op->arg - pc)) {
        *ret_result = br__fault(BR_FAULT_STEPS);
        return false;
    }
    f->at++;
    if (f->is_map) {
        locals[0] = f->items[2 * at];
        if (is_pair) {
            locals[1] = br__opened(m->limits, f->items[2 * at + 1]);
        }
    } else if (is_pair) {
        locals[0] = br__of_int((int64_t)at);
        locals[1] = br__opened(m->limits, f->items[at]);
    } else {
        locals[0] = br__opened(m->limits, f->items[at]);
    }
    return true;
}

static bool
append(machine *m, frame *f, br__value value)
{
    if (f->built_count == f->built_cap) {
        uint32_t cap = f->built_cap > 0 ? 2 * f->built_cap : (f->is_map ? 2 : 1) * f->count;
        br__value *grown = br__room(m->limits, RT_MAX(cap, 2U) * sizeof(*grown));

        if (grown == NULL) {
            f->accu = br__fault(BR_FAULT_NO_MEMORY);
            return false;
        }
        if (f->built_count > 0) {
            memcpy(grown, f->built, f->built_count * sizeof(*grown));
        }
        f->built = grown;
        f->built_cap = RT_MAX(cap, 2U);
    }
    f->built[f->built_count++] = value;
    return true;
}

static bool
append_entries(machine *m, frame *f, br__value map)
{
    if (map.kind != BR__MAP || !br__spend(m->limits, map.len)) {
        f->accu = br__fault(map.kind != BR__MAP ? BR_FAULT_NO_OVERLOAD : BR_FAULT_STEPS);
        return false;
    }
    for (size_t i = 0; i < 2 * (size_t)map.len; i++) {
        if (!append(m, f, map.items[i])) {
            return false;
        }
    }
    return true;
}

// Takes what the body of all() or exists() gave; false when that decides. Faults are absorbed.
static bool
take_verdict(frame *f, br__value body, bool absorbs)
{
    if (body.kind == BR__BOOL) {
        f->accu = body.b == absorbs ? body : f->accu;
        return body.b != absorbs;
    }
    if (f->accu.kind == BR__BOOL) {
        f->accu = is_fault(body) ? body : br__fault(BR_FAULT_NO_OVERLOAD);
    }
    return true;
}

// Takes what the body of a macro gave for one element.
//   returns   false when the loop ends here with f->accu
static bool
take_body(machine *m, br__code code, frame *f, br__value body, const br__value *locals)
{
    bool wants_bool = code == BR__FILTER || code == BR__EXISTS_ONE || code == BR__EXISTS_ONE_2;

    if (code == BR__ALL || code == BR__EXISTS) {
        return take_verdict(f, body, code == BR__EXISTS);
    }
    if (is_fault(body) || (wants_bool && body.kind != BR__BOOL)) {
        f->accu = is_fault(body) ? body : br__fault(BR_FAULT_NO_OVERLOAD);
        return false;
    }
    switch ((unsigned)code) {
    case BR__FILTER:
        return !body.b || append(m, f, locals[0]);
    case BR__TRANSFORM_MAP:
        return append(m, f, locals[0]) && append(m, f, body);
    case BR__TRANSFORM_MAP_ENTRY:
        return append_entries(m, f, body);
    case BR__MAP_EACH:
    case BR__TRANSFORM_LIST:
        return append(m, f, body);
    default:
        f->accu.i += body.b ? 1 : 0;
        return true;
    }
}

// Opens an optional for optMap(): false when the macro ends with *io_value.
static bool
open_optional(machine *m, const br__op *op, br__value *io_value)
{
    br__value value = *io_value;

    if (value.kind != BR__OPTIONAL) {
        *io_value = is_fault(value) ? value : br__fault(BR_FAULT_NO_OVERLOAD);
        return false;
    }
    if (value.items == NULL) {
        return false;
    }
    m->locals[op->argc] = br__opened(m->limits, value.items[0]);
    return true;
}

static br__value
close_optional(machine *m, br__code code, br__value value)
{
    if (is_fault(value) || (code == BR__OPT_FLAT_MAP && value.kind == BR__OPTIONAL)) {
        return value;
    }
    return code == BR__OPT_MAP ? br__some(m->limits, value) : br__fault(BR_FAULT_NO_OVERLOAD);
}

// Whether a sorted list has a value; the elements are of one kind, so another kind is compared with
// each of them.
static br__value
apply_in_sorted(br__value value, br__value list, br__limits *limits)
{
    size_t low = 0;
    size_t count = list.len;

    if (is_fault(value) || value.kind != list.items[0].kind) {
        br__value args[2] = {value, list};

        return br__apply(BR__IN, args, 2, limits);
    }
    while (count > 0) {
        int order = 0;
        bool is_ordered = false;
        size_t half = count / 2;

        (void)br__order(value, list.items[low + half], &order, &is_ordered);
        if (order == 0) {
            return br__of_bool(true);
        }
        low += order > 0 ? half + 1 : 0;
        count = order > 0 ? count - half - 1 : half;
    }
    return br__of_bool(false);
}

static br__value
apply_match(br__value value, const br__regex *regex, br__limits *limits)
{
    uint64_t budget = (uint64_t)limits->steps * BR__LOOKS_PER_STEP;
    bool is_match = false;

    if (value.kind != BR__STRING) {
        return is_fault(value) ? value : br__fault(BR_FAULT_NO_OVERLOAD);
    }
    if (br__regex_matches(regex, br__text(value), &budget, &is_match) != RT_OK) {
        return br__fault(BR_FAULT_STEPS);
    }
    limits->steps = (uint32_t)(budget / BR__LOOKS_PER_STEP);
    return br__of_bool(is_match);
}

// Compares two values of one kind that conditions are mostly made of; false for all others.
static bool
compare_quickly(br__code code, br__value a, br__value b, br__value *ret_value)
{
    bool is_less = false;
    bool is_equal = false;
    bool holds = false;

    if (a.kind == BR__INT && b.kind == BR__INT) {
        is_less = a.i < b.i;
        is_equal = a.i == b.i;
    } else if (a.kind == BR__DOUBLE && b.kind == BR__DOUBLE && a.f == a.f && b.f == b.f) {
        is_less = a.f < b.f;
        is_equal = a.f == b.f;
    } else if (a.kind == BR__STRING && b.kind == BR__STRING && code <= BR__NE) {
        is_equal = a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
    } else {
        return false;
    }
    switch ((unsigned)code) {
    case BR__EQ:
        holds = is_equal;
        break;
    case BR__NE:
        holds = !is_equal;
        break;
    case BR__LT:
        holds = is_less;
        break;
    case BR__LE:
        holds = is_less || is_equal;
        break;
    case BR__GT:
        holds = !is_less && !is_equal;
        break;
    default:
        holds = !is_less;
        break;
    }
    *ret_value = br__of_bool(holds);
    return true;
}

// Runs the instructions begin..end-1 and returns the one value they leave.
static br__value
run(machine *m, uint32_t begin, uint32_t end)
{
    br__value stack[BR_EXPR_STACK_MAX];
    const br_expr *expr = m->expr;
    uint32_t top = 0;
    uint32_t pc = begin;

    while (pc < end) {
        const br__op *op = &expr->ops[pc];
        uint32_t at = pc++;
        br__value value;

        switch ((unsigned)op->code) {
        case BR__CONST:
            stack[top++] = raise_at(expr->consts[op->arg], at);
            continue; // not worth a report
        case BR__LOAD:
            stack[top++] = accept_loaded(m->load(m->user, op->arg), (rt_kind)op->kind);
            break;
        case BR__EQ:
        case BR__NE:
        case BR__LT:
        case BR__LE:
        case BR__GT:
        case BR__GE:
            top--;
            if (!compare_quickly((br__code)op->code, stack[top - 1], stack[top], &stack[top - 1])) {
                stack[top - 1] = br__apply((br__code)op->code, &stack[top - 1], 2, m->limits);
            }
            break;
        case BR__IN:
            top--;
            stack[top - 1] = br__in(stack[top - 1], stack[top], m->limits);
            break;
        case BR__LOAD_RAW:
            stack[top++] = accept_raw(m->limits, m->load(m->user, op->arg));
            break;
        case BR__HAS:
            stack[top++] = br__of_bool(m->load(m->user, op->arg).kind != RT_KIND_NONE);
            break;
        case BR__LOCAL:
            stack[top++] = m->locals[op->arg];
            break;
        case BR__SET_LOCAL:
            m->locals[op->arg] = stack[--top];
            continue;
        case BR__SELECT:
        case BR__OPT_SELECT:
        case BR__TEST:
            stack[top] = expr->consts[op->arg];
            stack[top - 1] = br__apply((br__code)op->code, &stack[top - 1], 2, m->limits);
            break;
        case BR__JUMP_FALSE:
        case BR__JUMP_TRUE:
            if (stack[top - 1].kind == BR__BOOL &&
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
            if (stack[top - 1].kind != BR__BOOL) {
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
        case BR__JUMP_SOME:
            value = stack[top - 1];
            if (value.kind != BR__OPTIONAL || value.items == NULL) {
                continue;
            }
            stack[top - 1] =
                op->kind == BR__OR_VALUE ? br__opened(m->limits, value.items[0]) : value;
            pc = op->arg;
            break;
        case BR__COND:
            break;
        case BR__IN_SORTED:
            stack[top - 1] = apply_in_sorted(stack[top - 1], expr->consts[op->arg], m->limits);
            break;
        case BR__MATCH:
            stack[top - 1] = apply_match(stack[top - 1], expr->regexes[op->arg], m->limits);
            break;
        case BR__LOOP:
            value = begin_loop(m, op, stack[--top]);
            if (!is_fault(value)) {
                continue;
            }
            stack[top++] = value;
            pc = op->arg;
            break;
        case BR__NEXT:
            if (next_round(m, op, at, &value)) {
                continue;
            }
            stack[top++] = value;
            pc = op->arg;
            break;
        case BR__KEEP:
            value = stack[--top];
            if (value.kind == BR__BOOL) {
                pc = value.b ? pc : op->arg;
                continue;
            }
            stack[top++] = is_fault(value) ? value : br__fault(BR_FAULT_NO_OVERLOAD);
            pc = end_of_loop(m, op);
            break;
        case BR__ALL:
        case BR__EXISTS:
        case BR__EXISTS_ONE:
        case BR__EXISTS_ONE_2:
        case BR__FILTER:
        case BR__MAP_EACH:
        case BR__TRANSFORM_LIST:
        case BR__TRANSFORM_MAP:
        case BR__TRANSFORM_MAP_ENTRY: {
            frame *f = &m->frames[op->argc];
            const br__value *locals = &m->locals[expr->ops[op->arg].argc >> BR__LOOP_SHIFT];

            if (take_body(m, (br__code)op->code, f, stack[--top], locals)) {
                pc = op->arg;
                continue;
            }
            stack[top++] = f->accu;
            break;
        }
        case BR__OPT_BEGIN:
            if (open_optional(m, op, &stack[top - 1])) {
                top--;
                continue;
            }
            pc = op->arg;
            break;
        case BR__OPT_MAP:
        case BR__OPT_FLAT_MAP:
            stack[top - 1] = close_optional(m, (br__code)op->code, stack[top - 1]);
            break;
        default:
            top -= op->argc;
            stack[top] = br__apply((br__code)op->code, &stack[top], op->argc, m->limits);
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

// Runs all conjuncts; *ret_decisive is the one that decided.
static br__value
run_all(machine *m, uint32_t *ret_decisive)
{
    const br_expr *expr = m->expr;
    br__value all = br__of_bool(true);
    uint32_t decisive = expr->conjunct_count;

    RT_CHECK(expr, BR__EXPR_MAGIC);
    if (expr->conjunct_count == 1) {
        all = run(m, expr->conjuncts[0].begin, expr->conjuncts[0].end);
        *ret_decisive = br__is_true(all) ? 1 : 0;
        return all;
    }
    for (uint32_t i = 0; i < expr->conjunct_count; i++) {
        br__value one = run(m, expr->conjuncts[i].begin, expr->conjuncts[i].end);

        if (one.kind == BR__BOOL) {
            if (one.b) {
                continue;
            }
            all = one;
            decisive = i;
            break;
        }
        if (decisive == expr->conjunct_count) {
            all = is_fault(one) ? one : br__fault(BR_FAULT_NO_OVERLOAD);
            decisive = i;
        }
    }
    *ret_decisive = decisive;
    return all;
}

static void
evaluate(machine *m, br_expr_result *ret_result)
{
    const br_expr *expr = m->expr;
    uint32_t decisive = 0;
    br__value all = run_all(m, &decisive);
    rt_value value = RT_NONE;
    br__span span = expr->conjuncts[RT_MIN(decisive, expr->conjunct_count - 1)].span;

    if (!is_fault(all)) {
        if (!br__to_rt(all, &value)) {
            all = br__fault(BR_FAULT_RESULT);
        } else if (expr->want != RT_KIND_NONE && value.kind != expr->want) {
            all = br__fault(BR_FAULT_NO_OVERLOAD);
        }
    }
    if (is_fault(all) && all.len > 0) {
        span = expr->spans[all.len - 1];
    }
    ret_result->failed_conjunct = decisive;
    ret_result->fault = is_fault(all) ? (br_expr_fault)all.i : BR_FAULT_NONE;
    ret_result->value = is_fault(all) ? RT_NONE : value;
    ret_result->fault_pos = span.pos;
    ret_result->fault_len = span.len;
}

// NB: the variables and loops of a machine are set before they are read; clearing them would cost
// more than most conditions.
static void
start(machine *m, const br_expr *expr, br_expr_load load, const void *user, br__limits *limits)
{
    m->expr = expr;
    m->load = load;
    m->user = user;
    m->limits = limits;
    m->watch = NULL;
    m->watcher = NULL;
    m->reports = 0;
}

void
br_expr_eval(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
             br_expr_result *ret_result)
{
    br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
    machine m;

    start(&m, expr, load, user, &limits);
    evaluate(&m, ret_result);
}

br__value
br__evaluate(const br_expr *expr, br_expr_load load, const void *user, br__limits *limits)
{
    machine m;
    uint32_t ignored = 0;

    start(&m, expr, load, user, limits);
    return run_all(&m, &ignored);
}

void
br_expr_trace(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
              br_expr_watch watch, void *watcher, br_expr_result *ret_result)
{
    br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
    machine m;

    start(&m, expr, load, user, &limits);
    m.watch = watch;
    m.watcher = watcher;
    evaluate(&m, ret_result);
}
