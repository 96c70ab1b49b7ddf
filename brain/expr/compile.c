#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Folding. A strict operator of constants becomes a constant, unless it has no value (1 / 0 stays
// and fails when it is reached, as CEL says). && || and ?: with a constant side lose the side that
// cannot matter; the node then becomes SAME, the value of its only living child.
//
// Emission. The nodes stand in postorder, so their instructions are written in one pass; the jumps
// of && || and ?: go in when the first (or second) operand has just been written, and are patched
// when the operator itself is reached. The && at the top are not emitted at all: each of their
// operands is a conjunct, a program of its own, and br_expr_eval joins them.
//
// Invariant: a conjunct leaves exactly one value on the stack.

static bool
is_strict(br__code code)
{
    return (code >= BR__NOT && code <= BR__IN) || (code >= BR__MAKE_LIST && code <= BR__TEST) ||
           code >= BR__SIZE;
}

static br__node *
node_at(br__compiler *c, uint16_t index)
{
    return &c->nodes[index];
}

static void
kill_subtree(br__compiler *c, uint16_t index)
{
    for (uint16_t i = c->nodes[index].begin; i <= index; i++) {
        c->nodes[i].is_dead = true;
    }
}

static void
become_const(br__compiler *c, uint16_t index, br__value value)
{
    br__node *node = node_at(c, index);

    kill_subtree(c, index);
    node->is_dead = false;
    node->code = BR__CONST;
    node->value = value;
    node->first_child = BR__NO_NODE;
    node->argc = 0;
}

// Keeps one child; the others are dead.
static void
become_child(br__compiler *c, uint16_t index, uint16_t keep)
{
    br__node *node = node_at(c, index);

    if (node_at(c, keep)->code == BR__CONST) {
        become_const(c, index, node_at(c, keep)->value);
        return;
    }
    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (at != keep) {
            kill_subtree(c, at);
        }
    }
    node->code = BR__SAME;
    node->first_child = keep;
    node->argc = 1;
    c->nodes[keep].next = BR__NO_NODE;
}

// The operands of a strict node: its children, and the name of a field.
static void
fold_strict(br__compiler *c, uint16_t index)
{
    const br__node *node = node_at(c, index);
    bool has_name = node->code >= BR__SELECT && node->code <= BR__TEST;
    br__value *args = NULL;
    size_t argc = 0;
    br__value value;

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (c->nodes[at].code != BR__CONST || c->nodes[at].value.kind == BR__FAULT) {
            return;
        }
    }
    // Lists keep what they are made of, so the operands lie where the values do.
    args = br__room(&c->kept, (node->argc + 1U) * sizeof(*args));
    if (args == NULL) {
        return;
    }
    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        args[argc++] = c->nodes[at].value;
    }
    if (has_name) {
        value = br__copy_text(&c->kept, node->path);
        if (value.kind == BR__FAULT) {
            return;
        }
        args[argc++] = value;
    }
    value = br__apply(node->code, args, argc, &c->kept);
    if (value.kind != BR__FAULT) {
        become_const(c, index, value);
    }
}

static bool
is_bool_const(const br__node *node, bool value)
{
    return node->code == BR__CONST &&
           (value ? br__is_true(node->value) : br__is_false(node->value));
}

// && and ||: `absorbs` is the value that decides alone. The neutral value may only go when the
// other side is surely a bool or a fault.
static void
fold_logic(br__compiler *c, uint16_t index, bool absorbs)
{
    uint16_t left = node_at(c, index)->first_child;
    uint16_t right = node_at(c, left)->next;

    if (is_bool_const(node_at(c, left), absorbs) || is_bool_const(node_at(c, right), absorbs)) {
        become_const(c, index, br__of_bool(absorbs));
    } else if (is_bool_const(node_at(c, left), !absorbs) &&
               node_at(c, right)->type == BR__TY_BOOL && !c->is_unchecked) {
        become_child(c, index, right);
    } else if (is_bool_const(node_at(c, right), !absorbs) &&
               node_at(c, left)->type == BR__TY_BOOL && !c->is_unchecked) {
        become_child(c, index, left);
    }
}

static void
fold_condition(br__compiler *c, uint16_t index)
{
    uint16_t test = node_at(c, index)->first_child;
    uint16_t then = node_at(c, test)->next;
    uint16_t other = node_at(c, then)->next;

    if (is_bool_const(node_at(c, test), true)) {
        become_child(c, index, then);
    } else if (is_bool_const(node_at(c, test), false)) {
        become_child(c, index, other);
    }
}

// Marks the && that join conjuncts: those reached from the root through && alone.
static void
mark_top(const br__compiler *c, bool *is_top)
{
    memset(is_top, 0, c->node_count * sizeof(*is_top));
    for (size_t i = c->node_count; i > 0; i--) {
        const br__node *node = &c->nodes[i - 1];
        bool is_reached = node->parent == BR__NO_NODE || is_top[node->parent];

        is_top[i - 1] = is_reached && node->code == BR__AND;
    }
}

void
br__fold(br__compiler *c)
{
    bool is_top[BR__NODES_MAX];

    mark_top(c, is_top);
    for (size_t i = 0; i < c->node_count; i++) {
        uint16_t index = (uint16_t)i;
        br__code code = c->nodes[i].code;

        if (is_top[i]) {
            continue;
        }
        if (code == BR__AND || code == BR__OR) {
            fold_logic(c, index, code == BR__OR);
        } else if (code == BR__COND) {
            fold_condition(c, index);
        } else if (is_strict(code)) {
            fold_strict(c, index);
        }
    }
}

typedef struct emitter {
    br__compiler *c;
    br_expr *expr;
    bool is_top[BR__NODES_MAX];
    uint32_t jump_at[BR__NODES_MAX];  // of && || and ?:, its first jump
    uint32_t leave_at[BR__NODES_MAX]; // of ?:, the jump past the other side
    uint16_t need[BR__NODES_MAX];     // stack height
    bool is_overflown;
    bool is_starved; // of memory
} emitter;

static uint32_t
put_op(emitter *e, br__code code, uint32_t arg, br__span span)
{
    uint32_t at = e->expr->op_count;

    if (at == BR_EXPR_OPS_MAX) {
        e->is_overflown = true;
        return 0;
    }
    e->expr->ops[at] = (br__op){.code = (uint8_t)code, .arg = arg};
    e->expr->spans[at] = span;
    e->expr->op_count++;
    return at;
}

// Values of constants were made in the program's arena.
static uint32_t
put_const(emitter *e, br__value value)
{
    uint32_t at = e->expr->const_count++;

    e->expr->consts[at] = value;
    return at;
}

static int
order_for_search(br__value a, br__value b)
{
    int order = 0;
    bool is_ordered = false;

    (void)br__order(a, b, &order, &is_ordered);
    return order;
}

// A sorted copy of a long list whose elements are all texts, or all integers; false for others.
static bool
sorted_list(emitter *e, br__value list, br__value *ret_sorted)
{
    br__value *items = NULL;

    if (list.kind != BR__LIST || list.len < BR__SORTED_MIN) {
        return false;
    }
    for (uint32_t i = 0; i < list.len; i++) {
        if (list.items[i].kind != list.items[0].kind ||
            (list.items[i].kind != BR__STRING && list.items[i].kind != BR__INT)) {
            return false;
        }
    }
    items = rt_arena_array(e->expr->arena, br__value, list.len);
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < list.len; i++) {
        uint32_t at = i;

        for (; at > 0 && order_for_search(items[at - 1], list.items[i]) > 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = list.items[i];
    }
    *ret_sorted = list;
    ret_sorted->items = items;
    return true;
}

// The last operand of a node that has some.
static const br__node *
last_child(const br__compiler *c, const br__node *node)
{
    uint16_t at = node->first_child;

    RT_ASSERT(at != BR__NO_NODE);
    while (c->nodes[at].next != BR__NO_NODE) {
        at = c->nodes[at].next;
    }
    return &c->nodes[at];
}

// The place of a constant's instruction when it is the last one written.
static bool
take_back_const(emitter *e, const br__node *node)
{
    const br_expr *expr = e->expr;

    if (node->code != BR__CONST || expr->op_count == 0 ||
        expr->ops[expr->op_count - 1].code != BR__CONST) {
        return false;
    }
    e->expr->op_count--;
    return true;
}

// `in` a long list of constants, and matches() of a constant pattern, do their work once.
static bool
put_prepared(emitter *e, const br__node *node)
{
    const br__node *last = NULL;
    const char *why = NULL;
    size_t at = 0;
    br__regex *regex = NULL;
    br__value sorted;

    if (node->code != BR__IN && node->code != BR__MATCHES) {
        return false;
    }
    last = last_child(e->c, node);
    if (node->code == BR__IN && last->code == BR__CONST && sorted_list(e, last->value, &sorted) &&
        take_back_const(e, last)) {
        (void)put_op(e, BR__IN_SORTED, put_const(e, sorted), node->span);
        return true;
    }
    if (node->code != BR__MATCHES || last->code != BR__CONST || last->value.kind != BR__STRING ||
        br__regex_compile(br__text(last->value), e->expr->arena, &regex, &why, &at) != RT_OK ||
        !take_back_const(e, last)) {
        return false;
    }
    e->expr->regexes[e->expr->regex_count] = regex;
    (void)put_op(e, BR__MATCH, e->expr->regex_count++, node->span);
    return true;
}

static br__value
kept_text(emitter *e, rt_str text)
{
    rt_str copy = rt_arena_str(e->expr->arena, text);

    e->is_starved = e->is_starved || copy.ptr == NULL;
    return br__of_text(copy);
}

// A variable and the fields behind it.
static void
put_variable(emitter *e, const br__node *node)
{
    rt_str rest = node->rest;
    br__code load = node->is_local ? BR__LOCAL : node->is_raw ? BR__LOAD_RAW : BR__LOAD;
    bool is_slot_test = node->code == BR__HAS && rest.len == 0;
    uint32_t at =
        put_op(e, is_slot_test ? BR__HAS : load, node->is_local ? node->local : node->slot,
               rest.len == 0 ? node->span : (br__span){node->span.pos, (uint16_t)node->path.len});

    e->expr->ops[at].kind =
        (uint8_t)(node->type <= BR__TY_DURATION && rest.len == 0 ? node->type : BR__TY_DYN);
    while (rest.len > 0) {
        const char *dot = memchr(rest.ptr, '.', rest.len);
        rt_str field = dot != NULL ? (rt_str){rest.ptr, (size_t)(dot - rest.ptr)} : rest;
        bool is_last = field.len == rest.len;

        (void)put_op(e, is_last && node->code == BR__HAS ? BR__TEST : BR__SELECT,
                     put_const(e, kept_text(e, field)), node->span);
        rest = is_last ? RT_STR("") : (rt_str){dot + 1, rest.len - field.len - 1};
    }
}

// Ends a loop: back to the next element; its two jumps now know their end.
static void
put_loop_end(emitter *e, uint16_t index, const br__node *node)
{
    uint32_t loop = e->jump_at[index];
    uint32_t at = put_op(e, node->code, loop + 1, node->span);

    e->expr->ops[at].argc = node->loop;
    e->expr->ops[loop].arg = e->expr->op_count;
    e->expr->ops[loop + 1].arg = e->expr->op_count;
}

static void
put_node(emitter *e, uint16_t index)
{
    const br__node *node = &e->c->nodes[index];
    br__code code = node->code;
    uint32_t at = 0;

    if (code == BR__SAME || code == BR__TO_DYN || code == BR__BIND) {
        return;
    }
    if (code == BR__LOAD || code == BR__HAS) {
        put_variable(e, node);
        return;
    }
    if (br__is_loop(code)) {
        put_loop_end(e, index, node);
        return;
    }
    if (code == BR__CONST) {
        (void)put_op(e, code, put_const(e, node->value), node->span);
        return;
    }
    if (put_prepared(e, node)) {
        return;
    }
    if (code == BR__SELECT || code == BR__OPT_SELECT || code == BR__TEST) {
        (void)put_op(e, code, put_const(e, kept_text(e, node->path)), node->span);
        return;
    }
    at = put_op(e, code, node->slot, node->span);
    e->expr->ops[at].argc = node->argc;
    if (code == BR__AND || code == BR__OR || code == BR__OPT_OR || code == BR__OR_VALUE ||
        code == BR__OPT_MAP || code == BR__OPT_FLAT_MAP) {
        e->expr->ops[e->jump_at[index]].arg = e->expr->op_count;
    } else if (code == BR__COND) {
        // A faulty condition leaves through the jump that ends the first side.
        e->expr->ops[e->leave_at[index]].arg = at;
    }
}

// Writes what stands behind the range of a macro: it takes the range and fills the variables.
static void
put_scope(emitter *e, uint16_t index, const br__node *macro)
{
    br__span none = {0, 0};
    uint16_t packed = (uint16_t)(macro->local << BR__LOOP_SHIFT |
                                 macro->var_count << BR__LOOP_VARS | macro->loop);
    uint32_t at = 0;

    if (macro->code == BR__BIND) {
        (void)put_op(e, BR__SET_LOCAL, macro->local, none);
        return;
    }
    if (!br__is_loop(macro->code)) {
        e->jump_at[index] = put_op(e, BR__OPT_BEGIN, 0, none);
        e->expr->ops[e->jump_at[index]].argc = macro->local;
        return;
    }
    at = put_op(e, BR__LOOP, 0, macro->span);
    e->jump_at[index] = at;
    e->expr->ops[at].kind = (uint8_t)macro->code;
    e->expr->ops[at].argc = packed;
    at = put_op(e, BR__NEXT, 0, macro->span);
    e->expr->ops[at].kind = (uint8_t)macro->code;
    e->expr->ops[at].argc = packed;
}

// Writes what stands behind the operand of a macro.
static void
put_after_macro_operand(emitter *e, uint16_t index, const br__node *macro, const br__node *node)
{
    if (macro->first_child == index) {
        put_scope(e, node->parent, macro);
    } else if (node->next != BR__NO_NODE) {
        uint32_t at = put_op(e, BR__KEEP, e->jump_at[node->parent] + 1, macro->span);

        e->expr->ops[at].argc = macro->loop;
    }
}

// Writes the jumps that stand behind a node as an operand of its parent.
static void
put_jumps_after(emitter *e, uint16_t index)
{
    const br__node *node = &e->c->nodes[index];
    const br__node *parent = node->parent != BR__NO_NODE ? &e->c->nodes[node->parent] : NULL;
    br__span none = {0, 0};

    if (parent == NULL || parent->is_dead || e->is_top[node->parent]) {
        return;
    }
    if (br__is_macro(parent->code)) {
        put_after_macro_operand(e, index, parent, node);
    } else if ((parent->code == BR__OPT_OR || parent->code == BR__OR_VALUE) &&
               parent->first_child == index) {
        e->jump_at[node->parent] = put_op(e, BR__JUMP_SOME, 0, none);
        e->expr->ops[e->jump_at[node->parent]].kind = (uint8_t)parent->code;
    } else if ((parent->code == BR__AND || parent->code == BR__OR) &&
               parent->first_child == index) {
        e->jump_at[node->parent] =
            put_op(e, parent->code == BR__AND ? BR__JUMP_FALSE : BR__JUMP_TRUE, 0, parent->span);
    } else if (parent->code == BR__COND && parent->first_child == index) {
        e->jump_at[node->parent] = put_op(e, BR__BRANCH, 0, node->span);
    } else if (parent->code == BR__COND && node->next != BR__NO_NODE) {
        e->leave_at[node->parent] = put_op(e, BR__JUMP, 0, none);
        e->expr->ops[e->jump_at[node->parent]].arg = e->expr->op_count;
    }
}

// Stack height that a node needs, from its children's.
static void
measure(emitter *e, uint16_t index)
{
    const br__node *node = &e->c->nodes[index];
    uint16_t before = 0;
    uint16_t need = 1;

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = e->c->nodes[at].next) {
        need = RT_MAX(need, (uint16_t)(before + e->need[at]));
        // The sides of ?: stand where its condition stood, and so does what a macro does.
        before = (uint16_t)(before + (node->code == BR__COND || br__is_macro(node->code) ? 0 : 1));
    }
    e->need[index] = need;
}

static void
add_use(emitter *e, br__conjunct *conjunct, const br__node *node)
{
    for (uint32_t i = 0; i < conjunct->use_count; i++) {
        if (rt_str_equal(e->expr->uses[conjunct->use_begin + i].path, node->path)) {
            return;
        }
    }
    e->expr->uses[e->expr->use_count++] = (br_expr_use){
        .path = rt_arena_str(e->expr->arena, node->path),
        .slot = node->slot,
        .is_there = node->is_there,
        .kind = node->code == BR__LOAD && node->rest.len == 0 && node->type <= BR__TY_DURATION
                    ? (rt_kind)node->type
                    : RT_KIND_NONE,
    };
    conjunct->use_count++;
}

// Writes the program of one conjunct, whose root is node `index`.
static void
put_conjunct(emitter *e, uint16_t index)
{
    br_expr *expr = e->expr;
    br__conjunct *conjunct = &expr->conjuncts[expr->conjunct_count++];

    *conjunct = (br__conjunct){
        .begin = expr->op_count,
        .use_begin = expr->use_count,
        .span = e->c->nodes[index].span,
    };
    for (uint16_t i = e->c->nodes[index].begin; i <= index; i++) {
        const br__node *node = &e->c->nodes[i];

        if (node->is_dead) {
            continue;
        }
        if ((node->code == BR__LOAD || node->code == BR__HAS) && !node->is_local && !node->is_raw) {
            add_use(e, conjunct, node);
        }
        measure(e, i);
        put_node(e, i);
        put_jumps_after(e, i);
    }
    conjunct->end = expr->op_count;
}

static bool
allocate(const br__compiler *c, br_expr *expr)
{
    // A path of many fields has a constant for each; none is shorter than two bytes of the source.
    size_t consts = 2 * c->node_count + c->source.len / 2 + 1;
    size_t ops = RT_MIN(c->node_count * 3 + c->source.len / 2, BR_EXPR_OPS_MAX);
    size_t regexes = 0;

    for (size_t i = 0; i < c->node_count; i++) {
        regexes += c->nodes[i].code == BR__MATCHES;
    }
    expr->ops = rt_arena_array(expr->arena, br__op, ops);
    expr->spans = rt_arena_array(expr->arena, br__span, ops);
    expr->consts = rt_arena_array(expr->arena, br__value, consts);
    expr->conjuncts = rt_arena_array(expr->arena, br__conjunct, c->node_count);
    expr->uses = rt_arena_array(expr->arena, br_expr_use, c->node_count);
    expr->regexes = rt_arena_array(expr->arena, br__regex *, regexes);
    expr->source = rt_arena_str(expr->arena, c->source);
    return expr->ops != NULL && expr->spans != NULL && expr->consts != NULL &&
           expr->conjuncts != NULL && expr->uses != NULL && expr->regexes != NULL &&
           expr->source.ptr != NULL;
}

static rt_kind
outside_kind(br__type type)
{
    return type == BR__TY_UINT       ? RT_KIND_I64
           : type <= BR__TY_DURATION ? (rt_kind)type
                                     : RT_KIND_NONE;
}

static rt_str
write_type(const br__compiler *c, br__type type, rt_arena *arena)
{
    rt_text out;
    rt_str copy;

    rt_text_init(&out, 4096);
    br__type_put(c, type, &out);
    copy = rt_arena_str(arena, rt_text_view(&out));
    rt_text_fini(&out);
    return copy;
}

bool
br__emit(br__compiler *c, br_expr *ret_expr)
{
    emitter *e = rt_arena_new_of(c->arena, emitter);
    uint16_t need = 0;

    if (e == NULL || !allocate(c, ret_expr)) {
        return br__no_memory(c);
    }
    e->c = c;
    e->expr = ret_expr;
    ret_expr->kind = outside_kind(c->nodes[c->node_count - 1].type);
    ret_expr->type = write_type(c, c->nodes[c->node_count - 1].type, ret_expr->arena);
    mark_top(c, e->is_top);
    for (uint16_t i = 0; i < (uint16_t)c->node_count; i++) { // at most BR__NODES_MAX
        uint16_t parent = c->nodes[i].parent;

        if (!e->is_top[i] && (parent == BR__NO_NODE || e->is_top[parent])) {
            put_conjunct(e, i);
            need = RT_MAX(need, e->need[i]);
        }
    }
    if (e->is_starved) {
        return br__no_memory(c);
    }
    if (e->is_overflown || need > BR_EXPR_STACK_MAX) {
        br__report(c, BR__LIMIT, c->nodes[c->node_count - 1].span, "split it",
                   "the expression is too large");
        return false;
    }
    return true;
}
