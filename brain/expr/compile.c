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
    return (code >= BR__NOT && code <= BR__GE) || code >= BR__SIZE;
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
become_const(br__compiler *c, uint16_t index, rt_value value)
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

static void
fold_strict(br__compiler *c, uint16_t index)
{
    rt_value args[3];
    size_t argc = 0;
    rt_value value;
    const br__node *node = node_at(c, index);

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (c->nodes[at].code != BR__CONST) {
            return;
        }
        RT_ASSERT(argc < RT_COUNT(args));
        args[argc++] = c->nodes[at].value;
    }
    value = br__apply(node->code, args, argc, c->arena);
    if (value.kind != RT_KIND_NONE) {
        become_const(c, index, value);
    }
}

static bool
is_bool_const(const br__node *node, bool value)
{
    return node->code == BR__CONST && node->value.kind == RT_KIND_BOOL && node->value.b == value;
}

// && and ||: `absorbs` is the value that decides alone. The neutral value may only go when the
// other side is surely a bool or a fault.
static void
fold_logic(br__compiler *c, uint16_t index, bool absorbs)
{
    uint16_t left = node_at(c, index)->first_child;
    uint16_t right = node_at(c, left)->next;

    if (is_bool_const(node_at(c, left), absorbs) || is_bool_const(node_at(c, right), absorbs)) {
        become_const(c, index, RT_BOOL(absorbs));
    } else if (is_bool_const(node_at(c, left), !absorbs) &&
               node_at(c, right)->type == RT_KIND_BOOL) {
        become_child(c, index, right);
    } else if (is_bool_const(node_at(c, right), !absorbs) &&
               node_at(c, left)->type == RT_KIND_BOOL) {
        become_child(c, index, left);
    }
}

static void
fold_condition(br__compiler *c, uint16_t index)
{
    uint16_t test = node_at(c, index)->first_child;
    uint16_t then = node_at(c, test)->next;
    uint16_t other = node_at(c, then)->next;
    uint16_t keep = node_at(c, test)->value.b ? then : other;

    if (node_at(c, test)->code == BR__CONST && node_at(c, test)->value.kind == RT_KIND_BOOL) {
        become_child(c, index, keep);
    }
}

static void
fold_in(br__compiler *c, uint16_t index)
{
    const br__node *value = node_at(c, node_at(c, index)->first_child);
    const br__node *list = node_at(c, value->next);
    bool is_found = false;

    if (value->code != BR__CONST) {
        return;
    }
    for (uint16_t at = list->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (c->nodes[at].code != BR__CONST) {
            return;
        }
        is_found = is_found || br__equal(value->value, c->nodes[at].value);
    }
    become_const(c, index, RT_BOOL(is_found));
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
        } else if (code == BR__IN) {
            fold_in(c, index);
        } else if (is_strict(code)) {
            fold_strict(c, index);
        }
    }
}

typedef struct emitter {
    br__compiler *c;
    br_expr *expr;
    bool is_top[BR__NODES_MAX];
    uint32_t jump_at[BR__NODES_MAX]; // of && || and ?:, its first jump
    uint32_t leave_at[BR__NODES_MAX]; // of ?:, the jump past the other side
    uint16_t need[BR__NODES_MAX]; // stack height
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

static uint32_t
put_const(emitter *e, rt_value value)
{
    uint32_t at = e->expr->const_count++;

    RT_ASSERT(at < BR__NODES_MAX);
    if (value.kind == RT_KIND_STR) {
        value.s = rt_arena_str(e->expr->arena, value.s);
        e->is_starved = e->is_starved || value.s.ptr == NULL;
    }
    e->expr->consts[at] = value;
    return at;
}

static bool
is_const_list(const br__compiler *c, const br__node *list)
{
    for (uint16_t at = list->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (c->nodes[at].code != BR__CONST) {
            return false;
        }
    }
    return true;
}

static bool
is_in_const_list(const br__compiler *c, const br__node *node)
{
    const br__node *parent = node->parent != BR__NO_NODE ? &c->nodes[node->parent] : NULL;

    return parent != NULL && parent->code == BR__LIST && is_const_list(c, parent);
}

static void
put_in(emitter *e, const br__node *node)
{
    const br__compiler *c = e->c;
    const br__node *list = &c->nodes[c->nodes[node->first_child].next];
    uint32_t first = e->expr->const_count;
    uint32_t at = 0;

    if (!is_const_list(c, list)) {
        at = put_op(e, BR__IN, 0, node->span);
    } else {
        for (uint16_t k = list->first_child; k != BR__NO_NODE; k = c->nodes[k].next) {
            (void)put_const(e, c->nodes[k].value);
        }
        at = put_op(e, BR__IN_CONST, first, node->span);
    }
    e->expr->ops[at].argc = list->argc;
}

static void
put_node(emitter *e, uint16_t index)
{
    const br__node *node = &e->c->nodes[index];
    br__code code = node->code;
    uint32_t at = 0;

    if (code == BR__SAME || code == BR__LIST || code == BR__TO_DYN ||
        (code == BR__CONST && is_in_const_list(e->c, node))) {
        return;
    }
    if (code == BR__IN) {
        put_in(e, node);
        return;
    }
    if (code == BR__CONST) {
        (void)put_op(e, code, put_const(e, node->value), node->span);
        return;
    }
    at = put_op(e, code, node->slot, node->span);
    e->expr->ops[at].kind = (uint8_t)node->type;
    e->expr->ops[at].argc = node->argc;
    if (code == BR__AND || code == BR__OR) {
        e->expr->ops[e->jump_at[index]].arg = e->expr->op_count;
    } else if (code == BR__COND) {
        // A faulty condition leaves through the jump that ends the first side.
        e->expr->ops[e->leave_at[index]].arg = at;
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
    if ((parent->code == BR__AND || parent->code == BR__OR) && parent->first_child == index) {
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
        // The sides of ?: stand where its condition stood.
        before = (uint16_t)(before + (node->code == BR__COND ? 0 : 1));
    }
    if (node->code == BR__LIST) {
        need = is_const_list(e->c, node) ? 1 : RT_MAX(need, node->argc);
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
        .kind = node->code == BR__LOAD ? node->type : RT_KIND_NONE,
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
        if (node->code == BR__LOAD || node->code == BR__HAS) {
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
    expr->ops = rt_arena_array(expr->arena, br__op, RT_MIN(c->node_count * 3, BR_EXPR_OPS_MAX));
    expr->spans = rt_arena_array(expr->arena, br__span, RT_MIN(c->node_count * 3, BR_EXPR_OPS_MAX));
    expr->consts = rt_arena_array(expr->arena, rt_value, c->node_count);
    expr->conjuncts = rt_arena_array(expr->arena, br__conjunct, c->node_count);
    expr->uses = rt_arena_array(expr->arena, br_expr_use, c->node_count);
    expr->source = rt_arena_str(expr->arena, c->source);
    return expr->ops != NULL && expr->spans != NULL && expr->consts != NULL &&
           expr->conjuncts != NULL && expr->uses != NULL && expr->source.ptr != NULL;
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
    ret_expr->kind = c->nodes[c->node_count - 1].type;
    mark_top(c, e->is_top);
    for (uint16_t i = 0; i < c->node_count; i++) {
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
