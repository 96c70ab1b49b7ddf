// brain/expr/expr_stack.h: the two stacks of the condition parser.
//
// Layer: brain/expr, for parse.c and expr_stack.c only.
// Invariant: the operands above an entry's `base` belong to that entry or to later ones.
#ifndef CEREBRO_BRAIN_EXPR_EXPR_STACK_H
#define CEREBRO_BRAIN_EXPR_EXPR_STACK_H

#include "brain/expr/expr_internal.h"

#define BR__ENTRIES_MAX 256

typedef enum br__entry_kind {
    BR__E_BINARY,
    BR__E_PREFIX,
    BR__E_PAREN,
    BR__E_CALL,
    BR__E_LIST,
    BR__E_MAP,
    BR__E_INDEX,
    BR__E_QUESTION, // a ? b, the colon is still to come
    BR__E_COLON, // a ? b : c
} br__entry_kind;

typedef enum br__precedence {
    BR__P_BARRIER, // brackets and BR__E_QUESTION: nothing is taken across them
    BR__P_CONDITION,
    BR__P_OR,
    BR__P_AND,
    BR__P_RELATION,
    BR__P_SUM,
    BR__P_PRODUCT,
    BR__P_PREFIX,
} br__precedence;

typedef struct br__entry {
    br__entry_kind kind;
    br__precedence precedence;
    br__code code;
    bool is_method;
    bool is_optional;       // INDEX: [?
    bool is_entry_optional; // LIST, MAP: the element being read began with ?
    uint8_t var_count;      // CALL of a macro: its variables, from token `var_first` on
    uint16_t var_first;
    uint16_t base; // operands below this entry
    uint16_t start; // of the source it spans
    br__span span; // its token
} br__entry;

typedef struct br__parser {
    br__compiler *c;
    size_t at; // token
    bool wants_value;
    bool is_done;
    br__entry entries[BR__ENTRIES_MAX];
    size_t entry_count;
    size_t nesting;
    uint16_t operands[BR__NODES_MAX];
    size_t operand_count;
} br__parser;

// br__end_of is the place behind a span.
static inline uint16_t
br__end_of(br__span span)
{
    return (uint16_t)(span.pos + span.len);
}

// br__span_between is the span from start to end.
static inline br__span
br__span_between(uint16_t start, uint16_t end)
{
    return (br__span){start, (uint16_t)(end - start)};
}

// br__add_node makes a node of the topmost `argc` operands and puts it in their place; false when
// it reported a limit.
bool br__add_node(br__parser *p, br__code code, size_t argc, br__span span, br__node **ret_node);

// br__push_entry lets an operator or bracket wait; false when it reported a limit.
bool br__push_entry(br__parser *p, br__entry e);

// br__pop_entry takes the innermost waiting entry.
br__entry br__pop_entry(br__parser *p);

// br__top_entry is the innermost waiting entry, NULL when none waits.
const br__entry *br__top_entry(const br__parser *p);

// br__operand is the node of an operand, 0 = the topmost.
const br__node *br__operand(const br__parser *p, size_t from_top);

// br__reduce_from makes nodes of all waiting operators at least as strong as `floor`; false when it
// reported a limit.
bool br__reduce_from(br__parser *p, br__precedence floor);

#endif
