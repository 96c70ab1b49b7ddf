#include "brain/expr/expr_stack.h"

#include "runtime/base/check.h"

// Design notes.
// Operands are nodes, entries are operators and brackets that wait for their last operand. A
// waiting operator becomes a node when something weaker, or a closing bracket, comes behind it.

static bool
refuse_limit(br__parser *p, br__span span, const char *what)
{
    br__report(p->c, BR__LIMIT, span, NULL, "%s", what);
    return false;
}

// Makes a node of the topmost `argc` operands and puts it in their place.
bool
br__add_node(br__parser *p, br__code code, size_t argc, br__span span, br__node **ret_node)
{
    br__compiler *c = p->c;
    uint16_t index = (uint16_t)c->node_count;
    br__node *node = NULL;

    RT_ASSERT(argc <= p->operand_count);
    if (c->node_count == BR__NODES_MAX) {
        return refuse_limit(p, span, "too many parts in one expression");
    }
    node = &c->nodes[c->node_count++];
    *node = (br__node){.code = code, .argc = (uint16_t)argc, .span = span, .outer = span};
    node->parent = BR__NO_NODE;
    node->next = BR__NO_NODE;
    node->first_child = BR__NO_NODE;
    node->begin = index;
    for (size_t i = argc; i > 0; i--) {
        uint16_t child = p->operands[--p->operand_count];

        c->nodes[child].parent = index;
        c->nodes[child].next = node->first_child;
        node->first_child = child;
    }
    if (argc > 0) {
        node->begin = c->nodes[node->first_child].begin;
    }
    p->operands[p->operand_count++] = index;
    *ret_node = node;
    return true;
}

static bool
is_nesting_entry(const br__entry *e)
{
    return e->kind != BR__E_BINARY && e->kind != BR__E_QUESTION && e->kind != BR__E_COLON;
}

bool
br__push_entry(br__parser *p, br__entry e)
{
    bool is_nesting = is_nesting_entry(&e);

    if (p->entry_count == BR__ENTRIES_MAX || (is_nesting && p->nesting == BR_EXPR_DEPTH_MAX)) {
        return refuse_limit(p, e.span, "nested too deeply");
    }
    p->nesting += is_nesting ? 1 : 0;
    p->entries[p->entry_count++] = e;
    return true;
}

br__entry
br__pop_entry(br__parser *p)
{
    br__entry e = p->entries[--p->entry_count];

    p->nesting -= is_nesting_entry(&e) ? 1 : 0;
    return e;
}

const br__entry *
br__top_entry(const br__parser *p)
{
    return p->entry_count > 0 ? &p->entries[p->entry_count - 1] : NULL;
}

const br__node *
br__operand(const br__parser *p, size_t from_top)
{
    return &p->c->nodes[p->operands[p->operand_count - 1 - from_top]];
}

// Makes the node of the topmost waiting operator.
static bool
reduce(br__parser *p)
{
    br__entry e = br__pop_entry(p);
    uint16_t end = br__end_of(br__operand(p, 0)->outer);
    br__node *node = NULL;

    switch (e.kind) {
    case BR__E_PREFIX:
        return br__add_node(p, e.code, 1, br__span_between(e.span.pos, end), &node);
    case BR__E_BINARY:
        return br__add_node(p, e.code, 2, br__span_between(br__operand(p, 1)->outer.pos, end),
                            &node);
    case BR__E_COLON:
        return br__add_node(p, BR__COND, 3, br__span_between(br__operand(p, 2)->outer.pos, end),
                            &node);
    case BR__E_PAREN:
    case BR__E_CALL:
    case BR__E_LIST:
    case BR__E_MAP:
    case BR__E_INDEX:
    case BR__E_QUESTION:
        break;
    }
    RT_UNREACHABLE("brackets are closed, not reduced");
}

// Makes nodes of all waiting operators at least as strong as `floor`.
bool
br__reduce_from(br__parser *p, br__precedence floor)
{
    const br__entry *top = NULL;

    while ((top = br__top_entry(p)) != NULL && top->precedence >= floor) {
        if (!reduce(p)) {
            return false;
        }
    }
    return true;
}
