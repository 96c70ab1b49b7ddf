#include "brain/expr/expr_stack.h"

#include "runtime/base/check.h"

// Design notes.
// Operator precedence parsing with two stacks instead of recursion: operands (nodes) and entries
// (operators and brackets that wait). The parser is always in one of two states: a value is
// expected, or an operator is. A node is made when its last operand is known, so nodes come out in
// postorder.
//
// Invariant: the operands above an entry's `base` belong to that entry or to later ones.
//
// Precedence from weak to strong: ?: || && relations + - * / % prefix. A conditional between ? and
// : needs parentheses, as in CEL's grammar.

static const br__token *
token_at(const br__parser *p, size_t ahead)
{
    return &p->c->tokens[RT_MIN(p->at + ahead, p->c->token_count - 1)];
}

static rt_str
token_text(const br__parser *p, const br__token *token)
{
    return (rt_str){p->c->source.ptr + token->span.pos, token->span.len};
}

static bool
push_const(br__parser *p, br__value value, br__span span)
{
    br__node *node = NULL;

    if (!br__add_node(p, BR__CONST, 0, span, &node)) {
        return false;
    }
    node->value = value;
    p->wants_value = false;
    return true;
}

static bool
on_int(br__parser *p, const br__token *token, br__span span, bool is_negative)
{
    uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);

    if (token->magnitude > max) {
        br__report(p->c, BR__SYNTAX, span, NULL, "integer does not fit in 64 bits");
        return false;
    }
    return push_const(
        p, br__of_int((int64_t)(is_negative ? 0 - token->magnitude : token->magnitude)), span);
}

static bool
on_minus(br__parser *p)
{
    const br__token *minus = token_at(p, 0);
    const br__token *number = token_at(p, 1);
    br__span span = br__span_between(minus->span.pos, br__end_of(number->span));

    p->at++;
    if (number->kind == BR__T_INT) {
        p->at++;
        return on_int(p, number, span, true);
    }
    if (number->kind == BR__T_DOUBLE) {
        p->at++;
        return push_const(p, br__of_double(-number->real), span);
    }
    return br__push_entry(p, (br__entry){.kind = BR__E_PREFIX,
                                         .precedence = BR__P_PREFIX,
                                         .code = BR__NEG,
                                         .base = (uint16_t)p->operand_count,
                                         .span = minus->span});
}

// CEL's grammar repeats one prefix operator, but does not mix the two.
static bool
check_prefix(br__parser *p, br__code code, const br__token *token)
{
    const br__entry *top = br__top_entry(p);

    if (top != NULL && top->kind == BR__E_PREFIX && top->code != code) {
        br__report(p->c, BR__SYNTAX, token->span, "use parentheses", "'!' and '-' in a row");
        return false;
    }
    return true;
}

static bool
on_prefix(br__parser *p)
{
    const br__token *token = token_at(p, 0);

    if (token->kind == BR__T_OPERATOR) {
        return check_prefix(p, BR__NEG, token) && on_minus(p);
    }
    p->at++;
    return check_prefix(p, BR__NOT, token) &&
           br__push_entry(p, (br__entry){.kind = BR__E_PREFIX,
                                         .precedence = BR__P_PREFIX,
                                         .code = BR__NOT,
                                         .base = (uint16_t)p->operand_count,
                                         .span = token->span});
}

static bool open_call(br__parser *p, const br__function *f, bool is_method, uint16_t start);

static bool
refuse_function(br__parser *p, const br__token *token, rt_str name, bool is_method)
{
    rt_str names[BR__NAMES_MAX];
    size_t count = br__function_names(names);
    char help[96];

    // it has no value, which && and || may absorb
    if (p->c->is_unchecked && (is_method || !br__is_reserved(name))) {
        return open_call(p, br__find_function(rt_str_of(br__code_text(BR__NO_FUNCTION))), is_method,
                         is_method ? br__operand(p, 0)->outer.pos : token->span.pos);
    }
    if (br__is_later(name)) {
        br__report(p->c, BR__UNSUPPORTED, token->span, NULL, "not supported yet: %.*s()",
                   RT_STR_ARG(name));
        return false;
    }
    br__report(p->c, BR__UNKNOWN, token->span,
               rt_diag_did_you_mean(name, names, count, help, sizeof(help)),
               "unknown function '%.*s'", RT_STR_ARG(name));
    return false;
}

// Turns the field that is asked for into the question, or reports that it is none.
static bool
close_has(br__parser *p, br__span span)
{
    br__node *node = &p->c->nodes[p->operands[p->operand_count - 1]];
    bool is_path = node->code == BR__LOAD && memchr(node->path.ptr, '.', node->path.len) != NULL;

    if (!is_path && node->code != BR__SELECT) {
        br__report(p->c, BR__SYNTAX, span, "such as has(data.weight)", "has() wants a field");
        return false;
    }
    node->code = is_path ? BR__HAS : BR__TEST;
    node->span = span;
    node->outer = span;
    p->wants_value = false;
    return true;
}

// Makes the node of a call whose arguments are the operands above e->base.
static bool
close_call(br__parser *p, const br__entry *e, uint16_t end)
{
    const br__function *f = br__find_function(rt_str_of(br__code_text(e->code)));
    size_t argc = p->operand_count - e->base;
    br__span span = br__span_between(e->start, end);
    br__code code = e->code;
    br__node *node = NULL;

    if ((argc < f->argc_min || argc > f->argc_max) && p->c->is_unchecked && e->var_count == 0 &&
        e->code != BR__HAS) {
        code = BR__NO_FUNCTION;
    } else if (argc < f->argc_min || argc > f->argc_max) {
        size_t written = argc - (e->is_method ? 1 : 0) + e->var_count;

        br__report(p->c, BR__TYPE, span, NULL, "no such overload: %s() with %zu argument%s",
                   br__code_text(e->code), written, written == 1 ? "" : "s");
        return false;
    }
    if (e->code == BR__HAS) {
        return close_has(p, span);
    }
    if (!br__add_node(p, code, argc, span, &node)) {
        return false;
    }
    node->is_method = e->is_method;
    node->var_count = e->var_count;
    for (size_t i = 0; i < e->var_count; i++) {
        node->vars[i] = token_text(p, &p->c->tokens[e->var_first + 2 * i]);
    }
    p->wants_value = false;
    return true;
}

// Reads the variables of a macro, at the cursor behind its opening parenthesis.
static bool
read_variables(br__parser *p, br__entry *e)
{
    bool is_pair = e->code >= BR__TRANSFORM_LIST && e->code <= BR__TRANSFORM_MAP_ENTRY;
    bool may_be_pair = e->code >= BR__ALL && e->code <= BR__EXISTS_ONE_2;
    size_t count = 1;

    if (is_pair || (may_be_pair && token_at(p, 2)->kind == BR__T_IDENT &&
                    token_at(p, 3)->kind == BR__T_COMMA)) {
        count = 2;
    }
    e->var_first = (uint16_t)p->at;
    e->var_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        const br__token *name = token_at(p, 0);

        if (name->kind != BR__T_IDENT || token_at(p, 1)->kind != BR__T_COMMA ||
            br__is_reserved(token_text(p, name))) {
            br__report(p->c, BR__SYNTAX, name->span,
                       count == 2 ? "such as .all(key, value, value > 0)"
                                  : "such as .all(x, x > 0)",
                       "%s() wants a name here, and what is done with it behind a comma",
                       br__code_text(e->code));
            return false;
        }
        p->at += 2;
    }
    if (count == 2 && rt_str_equal(token_text(p, &p->c->tokens[e->var_first]),
                                   token_text(p, &p->c->tokens[e->var_first + 2]))) {
        br__report(p->c, BR__SYNTAX, p->c->tokens[e->var_first + 2].span, NULL,
                   "both variables have one name");
        return false;
    }
    return true;
}

// The function's name and opening parenthesis stand at the cursor; a method's receiver is the
// topmost operand.
static bool
open_call(br__parser *p, const br__function *f, bool is_method, uint16_t start)
{
    const br__token *name = token_at(p, 0);
    br__entry e = {.kind = BR__E_CALL,
                   .code = f->code,
                   .is_method = is_method,
                   .base = (uint16_t)(p->operand_count - (is_method ? 1 : 0)),
                   .start = start,
                   .span = name->span};

    if ((is_method ? !f->is_method : !f->is_global) && p->c->is_unchecked) {
        e.code = BR__NO_FUNCTION;
    } else if (is_method ? !f->is_method : !f->is_global) {
        br__report(p->c, BR__TYPE, name->span, is_method ? NULL : "write text.function(...)",
                   "%s() is %s", br__code_text(e.code),
                   is_method ? "called without a receiver" : "called on a value");
        return false;
    }
    p->at += 2;
    if (br__is_macro(e.code) && !read_variables(p, &e)) {
        return false;
    }
    if (token_at(p, 0)->kind == BR__T_CLOSE && e.var_count == 0) {
        p->at++;
        return close_call(p, &e, br__end_of(token_at(p, 0)[-1].span));
    }
    p->wants_value = true;
    return br__push_entry(p, e);
}

static bool
open_function(br__parser *p)
{
    const br__token *name = token_at(p, 0);
    const br__function *f = br__find_function(token_text(p, name));

    return f != NULL ? open_call(p, f, false, name->span.pos)
                     : refuse_function(p, name, token_text(p, name), false);
}

// "math" and "." before the cursor's "greatest(": the operand is no value but part of the name.
static bool
open_qualified(br__parser *p, rt_str library)
{
    const br__token *token = token_at(p, 0);
    uint16_t start = br__operand(p, 0)->outer.pos;
    rt_str name = rt_arena_printf(p->c->arena, "%.*s.%.*s", RT_STR_ARG(library),
                                  RT_STR_ARG(token_text(p, token)));
    const br__function *f = NULL;

    if (name.ptr == NULL) {
        return br__no_memory(p->c);
    }
    f = br__find_function(name);
    if (f == NULL) {
        return refuse_function(p, token, name, true);
    }
    p->operand_count--;
    p->c->node_count--;
    return open_call(p, f, false, start);
}

static bool
open_method(br__parser *p)
{
    const br__token *name = token_at(p, 0);
    const br__node *receiver = br__operand(p, 0);
    const br__function *f = br__find_function(token_text(p, name));

    if (receiver->code == BR__LOAD && br__is_library(receiver->path) &&
        receiver->span.len == receiver->outer.len) {
        return open_qualified(p, receiver->path);
    }
    return f != NULL ? open_call(p, f, true, receiver->outer.pos)
                     : refuse_function(p, name, token_text(p, name), true);
}

// Reads name.name... at the cursor; the last name before a parenthesis is a method and stays.
static br__span
read_path(br__parser *p, rt_str *ret_path)
{
    size_t first = p->at;
    br__span span = token_at(p, 0)->span;
    char *joined = NULL;
    size_t len = 0;

    p->at++;
    while (token_at(p, 0)->kind == BR__T_DOT && token_at(p, 1)->kind == BR__T_IDENT &&
           token_at(p, 2)->kind != BR__T_OPEN) {
        p->at += 2;
    }
    span = br__span_between(span.pos, br__end_of(p->c->tokens[p->at - 1].span));
    // Blanks around the dots are no part of the path.
    joined = rt_arena_alloc(p->c->arena, span.len);
    if (joined == NULL) {
        (void)br__no_memory(p->c); // fails the compilation; until then the path is empty
        *ret_path = RT_STR("");
        return span;
    }
    for (size_t i = first; i < p->at; i++) {
        rt_str part = token_text(p, &p->c->tokens[i]);

        memcpy(joined + len, part.ptr, part.len);
        len += part.len;
    }
    *ret_path = (rt_str){joined, len};
    return span;
}

static bool
on_path(br__parser *p, uint16_t start, bool is_absolute)
{
    const br__token *token = token_at(p, 0);
    rt_str name = token_text(p, token);
    br__node *node = NULL;
    rt_str path = {NULL, 0};
    br__span span;

    if (br__is_reserved(name)) {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "'%.*s' is a reserved word",
                   RT_STR_ARG(name));
        return false;
    }
    span = read_path(p, &path);
    if (!br__add_node(p, BR__LOAD, 0, br__span_between(start, br__end_of(span)), &node)) {
        return false;
    }
    node->path = path;
    node->is_absolute = is_absolute;
    p->wants_value = false;
    return true;
}

static bool
on_name(br__parser *p)
{
    const br__token *token = token_at(p, 0);

    if (token_at(p, 1)->kind == BR__T_OPEN) {
        return open_function(p);
    }
    return on_path(p, token->span.pos, false);
}

// A name that begins with a dot is looked for at the top, whatever the container.
static bool
on_absolute_name(br__parser *p)
{
    const br__token *dot = token_at(p, 0);

    if (token_at(p, 1)->kind != BR__T_IDENT) {
        br__report(p->c, BR__SYNTAX, dot->span, NULL, "a name was expected after '.'");
        return false;
    }
    p->at++;
    return token_at(p, 1)->kind == BR__T_OPEN ? open_function(p) : on_path(p, dot->span.pos, true);
}

// Takes the question mark that makes an element or key optional.
static void
begin_element(br__parser *p)
{
    if (token_at(p, 0)->kind == BR__T_QUESTION) {
        p->entries[p->entry_count - 1].is_entry_optional = true;
        p->at++;
    }
}

static bool
open_list(br__parser *p, br__entry_kind kind, br__token_kind close)
{
    const br__token *token = token_at(p, 0);
    br__node *node = NULL;
    br__code code = kind == BR__E_LIST ? BR__MAKE_LIST : BR__MAKE_MAP;

    p->at++;
    if (token_at(p, 0)->kind == BR__T_COMMA && token_at(p, 1)->kind == close) {
        p->at++; // the grammar has the last comma also where there is nothing before it
    }
    if (token_at(p, 0)->kind == close) {
        p->wants_value = false;
        p->at++;
        return br__add_node(p, code, 0,
                            br__span_between(token->span.pos, br__end_of(token_at(p, 0)[-1].span)),
                            &node);
    }
    if (!br__push_entry(p, (br__entry){.kind = kind,
                                       .base = (uint16_t)p->operand_count,
                                       .start = token->span.pos,
                                       .span = token->span})) {
        return false;
    }
    begin_element(p);
    return true;
}

// An element is complete; an optional one gets a node of its own.
static bool
end_element(br__parser *p)
{
    br__entry *e = &p->entries[p->entry_count - 1];
    br__node *node = NULL;

    if (!e->is_entry_optional) {
        return true;
    }
    e->is_entry_optional = false;
    return br__add_node(p, BR__ENTRY, 1, br__operand(p, 0)->outer, &node);
}

static bool
refuse_unsupported(br__parser *p, const char *what, const char *help)
{
    br__report(p->c, BR__UNSUPPORTED, token_at(p, 0)->span, help, "not supported yet: %s", what);
    return false;
}

static bool
refuse_missing_value(br__parser *p)
{
    const br__token *token = token_at(p, 0);

    if (token->kind == BR__T_END && p->at == 0) {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "the expression is empty");
    } else if (token->kind == BR__T_END) {
        br__report(p->c, BR__SYNTAX, p->c->tokens[p->at - 1].span, NULL,
                   "a value is missing at the end");
    } else {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "a value was expected before '%.*s'",
                   RT_STR_ARG(token_text(p, token)));
    }
    return false;
}

// In the state where a value is expected.
static bool
on_value(br__parser *p)
{
    const br__token *token = token_at(p, 0);

    switch (token->kind) {
    case BR__T_INT:
        p->at++;
        return on_int(p, token, token->span, false);
    case BR__T_DOUBLE:
        p->at++;
        return push_const(p, br__of_double(token->real), token->span);
    case BR__T_STRING:
        p->at++;
        return push_const(p, br__of_text(token->text), token->span);
    case BR__T_BYTES: {
        br__value bytes = br__of_text(token->text);

        bytes.kind = BR__BYTES;
        p->at++;
        return push_const(p, bytes, token->span);
    }
    case BR__T_UINT:
        p->at++;
        return push_const(p, br__of_uint(token->magnitude), token->span);
    case BR__T_NULL:
        p->at++;
        return push_const(p, (br__value){.kind = BR__NULL}, token->span);
    case BR__T_TRUE:
    case BR__T_FALSE:
        p->at++;
        return push_const(p, br__of_bool(token->kind == BR__T_TRUE), token->span);
    case BR__T_IDENT:
        return on_name(p);
    case BR__T_OPEN:
        p->at++;
        return br__push_entry(p, (br__entry){.kind = BR__E_PAREN,
                                             .base = (uint16_t)p->operand_count,
                                             .start = token->span.pos,
                                             .span = token->span});
    case BR__T_BRACKET:
        return open_list(p, BR__E_LIST, BR__T_BRACKET_CLOSE);
    case BR__T_BRACE:
        return open_list(p, BR__E_MAP, BR__T_BRACE_CLOSE);
    case BR__T_DOT:
        return on_absolute_name(p);
    case BR__T_NOT:
        return on_prefix(p);
    case BR__T_OPERATOR:
        return token->code == BR__SUB ? on_prefix(p) : refuse_missing_value(p);
    case BR__T_END:
    case BR__T_CLOSE:
    case BR__T_BRACKET_CLOSE:
    case BR__T_BRACE_CLOSE:
    case BR__T_COMMA:
    case BR__T_QUESTION:
    case BR__T_COLON:
    case BR__T_QUOTED:
        return refuse_missing_value(p);
    }
    RT_UNREACHABLE("every token kind has its case");
}

static br__precedence
precedence_of(br__code code)
{
    if (code == BR__OR) {
        return BR__P_OR;
    }
    if (code == BR__AND) {
        return BR__P_AND;
    }
    if (code == BR__ADD || code == BR__SUB) {
        return BR__P_SUM;
    }
    return code == BR__MUL || code == BR__DIV || code == BR__MOD ? BR__P_PRODUCT : BR__P_RELATION;
}

static bool
on_binary(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    br__precedence strength = precedence_of(token->code);

    if (!br__reduce_from(p, strength)) {
        return false;
    }
    p->at++;
    p->wants_value = true;
    return br__push_entry(p, (br__entry){.kind = BR__E_BINARY,
                                         .precedence = strength,
                                         .code = token->code,
                                         .base = (uint16_t)p->operand_count,
                                         .span = token->span});
}

static bool
on_question(br__parser *p)
{
    const br__token *token = token_at(p, 0);

    if (!br__reduce_from(p, BR__P_OR)) {
        return false;
    }
    if (p->entry_count > 0 && br__top_entry(p)->kind == BR__E_QUESTION) {
        br__report(p->c, BR__SYNTAX, token->span, "put the inner ?: in parentheses",
                   "':' was expected before '?'");
        return false;
    }
    p->at++;
    p->wants_value = true;
    return br__push_entry(p, (br__entry){.kind = BR__E_QUESTION,
                                         .precedence = BR__P_BARRIER,
                                         .base = (uint16_t)p->operand_count,
                                         .span = token->span});
}

#define MASK(kind) (1U << (kind))

// Closes everything up to the innermost bracket or question mark; it must be of one of `kinds`.
static bool
reduce_to(br__parser *p, unsigned kinds)
{
    const br__entry *top = NULL;
    const br__token *token = token_at(p, 0);

    if (!br__reduce_from(p, BR__P_CONDITION)) {
        return false;
    }
    top = br__top_entry(p);
    if (top != NULL && (MASK(top->kind) & kinds) != 0) {
        return true;
    }
    if (top != NULL && top->kind == BR__E_QUESTION) {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "':' was expected before '%.*s'",
                   RT_STR_ARG(token_text(p, token)));
    } else {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "'%.*s' was not opened",
                   RT_STR_ARG(token_text(p, token)));
    }
    return false;
}

// Whether a map's entry at the top has a key that waits for its value.
static bool
has_open_key(const br__parser *p)
{
    const br__entry *e = br__top_entry(p);

    return e->kind == BR__E_MAP && (p->operand_count - e->base) % 2 == 1;
}

static bool
refuse_colon(br__parser *p, bool is_wanted)
{
    const br__token *token = token_at(p, 0);

    br__report(p->c, BR__SYNTAX, token->span, "such as {\"key\": value}",
               is_wanted ? "':' and a value were expected before '%.*s'"
                         : "'%.*s' stands behind a value already",
               RT_STR_ARG(token_text(p, token)));
    return false;
}

static bool
on_colon(br__parser *p)
{
    br__entry *top = NULL;

    if (!reduce_to(p, MASK(BR__E_QUESTION) | MASK(BR__E_MAP))) {
        return false;
    }
    top = &p->entries[p->entry_count - 1];
    if (top->kind == BR__E_QUESTION) {
        top->kind = BR__E_COLON;
        top->precedence = BR__P_CONDITION;
    } else if (!has_open_key(p)) {
        return refuse_colon(p, false);
    }
    p->at++;
    p->wants_value = true;
    return true;
}

static bool
on_close(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    br__entry e;

    if (!reduce_to(p, MASK(BR__E_PAREN) | MASK(BR__E_CALL))) {
        return false;
    }
    e = br__pop_entry(p);
    p->at++;
    if (e.kind == BR__E_CALL) {
        return close_call(p, &e, br__end_of(token->span));
    }
    p->c->nodes[p->operands[p->operand_count - 1]].outer =
        br__span_between(e.start, br__end_of(token->span));
    return true;
}

static bool
close_index(br__parser *p, const br__entry *e, uint16_t end)
{
    br__node *node = NULL;

    return br__add_node(p, e->is_optional ? BR__OPT_INDEX : BR__INDEX, 2,
                        br__span_between(e->start, end), &node);
}

static bool
on_bracket_close(br__parser *p)
{
    uint16_t end = br__end_of(token_at(p, 0)->span);
    br__node *node = NULL;
    br__entry e;

    if (!reduce_to(p, MASK(BR__E_LIST) | MASK(BR__E_INDEX)) || !end_element(p)) {
        return false;
    }
    e = br__pop_entry(p);
    p->at++;
    if (e.kind == BR__E_INDEX) {
        return close_index(p, &e, end);
    }
    return br__add_node(p, BR__MAKE_LIST, p->operand_count - e.base, br__span_between(e.start, end),
                        &node);
}

static bool
on_brace_close(br__parser *p)
{
    uint16_t end = br__end_of(token_at(p, 0)->span);
    br__node *node = NULL;
    br__entry e;

    if (!reduce_to(p, MASK(BR__E_MAP))) {
        return false;
    }
    if (has_open_key(p)) {
        return refuse_colon(p, true);
    }
    if (!end_element(p)) {
        return false;
    }
    e = br__pop_entry(p);
    p->at++;
    return br__add_node(p, BR__MAKE_MAP, p->operand_count - e.base, br__span_between(e.start, end),
                        &node);
}

static bool
on_comma(br__parser *p)
{
    br__token_kind close = BR__T_END;

    if (!reduce_to(p, MASK(BR__E_CALL) | MASK(BR__E_LIST) | MASK(BR__E_MAP))) {
        return false;
    }
    if (has_open_key(p)) {
        return refuse_colon(p, true);
    }
    if (!end_element(p)) {
        return false;
    }
    p->at++;
    // A list and a map may end with a comma.
    if (br__top_entry(p)->kind != BR__E_CALL) {
        close = br__top_entry(p)->kind == BR__E_LIST ? BR__T_BRACKET_CLOSE : BR__T_BRACE_CLOSE;
        begin_element(p);
    }
    p->wants_value = token_at(p, 0)->kind != close;
    return true;
}

static bool
open_index(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    bool is_optional = token_at(p, 1)->kind == BR__T_QUESTION;

    p->at += is_optional ? 2 : 1;
    p->wants_value = true;
    return br__push_entry(p, (br__entry){.kind = BR__E_INDEX,
                                         .is_optional = is_optional,
                                         .base = (uint16_t)(p->operand_count - 1),
                                         .start = br__operand(p, 0)->outer.pos,
                                         .span = token->span});
}

// (name).field: the same path as without parentheses.
static bool
extend_path(br__parser *p, const br__token *name)
{
    br__node *node = &p->c->nodes[p->operands[p->operand_count - 1]];

    node->path = rt_arena_printf(p->c->arena, "%.*s.%.*s", RT_STR_ARG(node->path),
                                 RT_STR_ARG(token_text(p, name)));
    if (node->path.ptr == NULL) {
        return br__no_memory(p->c);
    }
    node->span = br__span_between(node->outer.pos, br__end_of(name->span));
    node->outer = node->span;
    p->at++;
    return true;
}

static bool
on_dot(br__parser *p)
{
    bool is_optional = token_at(p, 1)->kind == BR__T_QUESTION;
    const br__token *name = token_at(p, is_optional ? 2 : 1);
    br__node *node = NULL;
    uint16_t start = br__operand(p, 0)->outer.pos;

    if (name->kind != BR__T_IDENT && name->kind != BR__T_QUOTED) {
        br__report(p->c, BR__SYNTAX, token_at(p, 0)->span, NULL,
                   "a field or function was expected after '.'");
        return false;
    }
    p->at += is_optional ? 2 : 1;
    if (name->kind == BR__T_IDENT && !is_optional) {
        if (token_at(p, 1)->kind == BR__T_OPEN) {
            return open_method(p);
        }
        if (br__operand(p, 0)->code == BR__LOAD) {
            return extend_path(p, name);
        }
    }
    p->at++;
    if (!br__add_node(p, is_optional ? BR__OPT_SELECT : BR__SELECT, 1,
                      br__span_between(start, br__end_of(name->span)), &node)) {
        return false;
    }
    node->path = name->kind == BR__T_QUOTED ? name->text : token_text(p, name);
    return true;
}

static bool
on_end(br__parser *p)
{
    const br__entry *top = NULL;

    if (!br__reduce_from(p, BR__P_CONDITION)) {
        return false;
    }
    top = br__top_entry(p);
    if (top != NULL) {
        br__report(p->c, BR__SYNTAX, top->span, NULL, "%s",
                   top->kind == BR__E_QUESTION ? "'?' without ':'"
                   : top->kind == BR__E_LIST   ? "'[' is not closed"
                   : top->kind == BR__E_INDEX  ? "'[' is not closed"
                   : top->kind == BR__E_MAP    ? "'{' is not closed"
                                               : "'(' is not closed");
        return false;
    }
    p->is_done = true;
    return true;
}

// Two values in a row; people who know other languages write words for operators.
static bool
refuse_missing_operator(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    rt_str text = token_text(p, token);
    const char *help = rt_str_is(text, "and") || rt_str_is(text, "AND")  ? "and is &&"
                       : rt_str_is(text, "or") || rt_str_is(text, "OR")  ? "or is ||"
                       : rt_str_is(text, "not") || rt_str_is(text, "is") ? "use == or !="
                                                                         : NULL;

    br__report(p->c, BR__SYNTAX, token->span, help, "an operator was expected before '%.*s'",
               RT_STR_ARG(text));
    return false;
}

// In the state where an operator is expected.
static bool
on_operator(br__parser *p)
{
    switch (token_at(p, 0)->kind) {
    case BR__T_OPERATOR:
        return on_binary(p);
    case BR__T_QUESTION:
        return on_question(p);
    case BR__T_COLON:
        return on_colon(p);
    case BR__T_CLOSE:
        return on_close(p);
    case BR__T_BRACKET_CLOSE:
        return on_bracket_close(p);
    case BR__T_COMMA:
        return on_comma(p);
    case BR__T_DOT:
        return on_dot(p);
    case BR__T_END:
        return on_end(p);
    case BR__T_BRACKET:
        return open_index(p);
    case BR__T_BRACE_CLOSE:
        return on_brace_close(p);
    case BR__T_BRACE:
        return refuse_unsupported(p, "messages {...}", NULL);
    case BR__T_IDENT:
    case BR__T_INT:
    case BR__T_DOUBLE:
    case BR__T_STRING:
    case BR__T_TRUE:
    case BR__T_FALSE:
    case BR__T_NULL:
    case BR__T_OPEN:
    case BR__T_NOT:
    case BR__T_UINT:
    case BR__T_BYTES:
    case BR__T_QUOTED:
        return refuse_missing_operator(p);
    }
    RT_UNREACHABLE("every token kind has its case");
}

bool
br__parse(br__compiler *c)
{
    br__parser p = {.c = c, .wants_value = true};

    // Every node has a token of its own.
    c->nodes = rt_arena_array(c->arena, br__node, RT_MIN(c->token_count, BR__NODES_MAX));
    if (c->nodes == NULL) {
        return br__no_memory(c);
    }
    while (!p.is_done) {
        if (!(p.wants_value ? on_value(&p) : on_operator(&p))) {
            return false;
        }
    }
    RT_ASSERT(p.operand_count == 1 && p.operands[0] == c->node_count - 1);
    return true;
}
