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
push_const(br__parser *p, rt_value value, br__span span)
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
    return push_const(p, RT_I64((int64_t)(is_negative ? 0 - token->magnitude : token->magnitude)),
                      span);
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
        return push_const(p, RT_F64(-number->real), span);
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

static bool
refuse_function(br__parser *p, const br__token *token, bool is_method)
{
    rt_str names[BR__FUNCTIONS_MAX];
    size_t count = br__function_names(names);
    rt_str name = token_text(p, token);
    char help[96];
    bool is_in_library =
        is_method && br__operand(p, 0)->code == BR__LOAD && br__is_library(br__operand(p, 0)->path);

    if (is_in_library || br__is_later(name)) {
        br__report(p->c, BR__UNSUPPORTED, token->span, NULL, "not supported yet: %.*s()",
                   RT_STR_ARG(name));
        return false;
    }
    br__report(p->c, BR__UNKNOWN, token->span,
               rt_diag_did_you_mean(name, names, count, help, sizeof(help)),
               "unknown function '%.*s'", RT_STR_ARG(name));
    return false;
}

// Makes the node of a call whose arguments are the operands above e->base.
static bool
close_call(br__parser *p, const br__entry *e, uint16_t end)
{
    const br__function *f = br__function_of(e->code);
    size_t argc = p->operand_count - e->base;
    br__node *node = NULL;

    if (argc < f->argc_min || argc > f->argc_max) {
        br__report(p->c, BR__TYPE, br__span_between(e->start, end), NULL,
                   "no such overload: %s() with %zu argument%s", br__code_text(e->code),
                   argc - (e->is_method ? 1 : 0), argc - (e->is_method ? 1 : 0) == 1 ? "" : "s");
        return false;
    }
    if (!br__add_node(p, e->code, argc, br__span_between(e->start, end), &node)) {
        return false;
    }
    node->is_method = e->is_method;
    p->wants_value = false;
    return true;
}

// A function name and its opening parenthesis stand at the cursor; a method's receiver is the
// topmost operand.
static bool
open_call(br__parser *p, bool is_method)
{
    const br__token *name = token_at(p, 0);
    br__entry e = {.kind = BR__E_CALL,
                   .code = br__find_function(token_text(p, name)),
                   .is_method = is_method,
                   .base = (uint16_t)(p->operand_count - (is_method ? 1 : 0)),
                   .start = is_method ? br__operand(p, 0)->outer.pos : name->span.pos,
                   .span = name->span};

    if (e.code == BR__CODE_COUNT) {
        return refuse_function(p, name, is_method);
    }
    if (is_method ? !br__function_of(e.code)->is_method : !br__function_of(e.code)->is_global) {
        br__report(p->c, BR__TYPE, name->span, is_method ? NULL : "write text.function(...)",
                   "%s() is %s", br__code_text(e.code),
                   is_method ? "called without a receiver" : "called on a value");
        return false;
    }
    p->at += 2;
    if (token_at(p, 0)->kind == BR__T_CLOSE) {
        p->at++;
        return close_call(p, &e, br__end_of(token_at(p, 0)[-1].span));
    }
    p->wants_value = true;
    return br__push_entry(p, e);
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
on_has(br__parser *p)
{
    uint16_t start = token_at(p, 0)->span.pos;
    br__node *node = NULL;
    rt_str path = {NULL, 0};
    bool is_field = false;
    bool is_name = token_at(p, 2)->kind == BR__T_IDENT;

    p->at += 2;
    if (is_name) {
        (void)read_path(p, &path);
        is_field = memchr(path.ptr, '.', path.len) != NULL;
    }
    if (!is_field || token_at(p, 0)->kind != BR__T_CLOSE) {
        br__report(p->c, is_name ? BR__SYNTAX : BR__UNSUPPORTED,
                   br__span_between(start, br__end_of(token_at(p, 0)->span)),
                   "such as has(data.weight)",
                   is_name ? "has() wants a field" : "not supported yet: has() without a field");
        return false;
    }
    p->at++;
    if (!br__add_node(p, BR__HAS, 0,
                      br__span_between(start, br__end_of(p->c->tokens[p->at - 1].span)), &node)) {
        return false;
    }
    node->path = path;
    p->wants_value = false;
    return true;
}

static bool
on_name(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    rt_str name = token_text(p, token);
    br__node *node = NULL;
    rt_str path = {NULL, 0};
    br__span span;

    if (token_at(p, 1)->kind == BR__T_OPEN) {
        return rt_str_is(name, "has") ? on_has(p) : open_call(p, false);
    }
    if (br__is_reserved(name)) {
        br__report(p->c, BR__SYNTAX, token->span, NULL, "'%.*s' is a reserved word",
                   RT_STR_ARG(name));
        return false;
    }
    span = read_path(p, &path);
    if (!br__add_node(p, BR__LOAD, 0, span, &node)) {
        return false;
    }
    node->path = path;
    p->wants_value = false;
    return true;
}

static bool
open_list(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    br__node *node = NULL;

    p->at++;
    if (token_at(p, 0)->kind == BR__T_BRACKET_CLOSE) {
        p->wants_value = false;
        p->at++;
        return br__add_node(p, BR__LIST, 0,
                            br__span_between(token->span.pos, br__end_of(token_at(p, 0)[-1].span)),
                            &node);
    }
    return br__push_entry(p, (br__entry){.kind = BR__E_LIST,
                                         .base = (uint16_t)p->operand_count,
                                         .start = token->span.pos,
                                         .span = token->span});
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
        return push_const(p, RT_F64(token->real), token->span);
    case BR__T_STRING:
        p->at++;
        return push_const(p, RT_TEXT(token->text), token->span);
    case BR__T_TRUE:
    case BR__T_FALSE:
        p->at++;
        return push_const(p, RT_BOOL(token->kind == BR__T_TRUE), token->span);
    case BR__T_IDENT:
        return on_name(p);
    case BR__T_OPEN:
        p->at++;
        return br__push_entry(p, (br__entry){.kind = BR__E_PAREN,
                                             .base = (uint16_t)p->operand_count,
                                             .start = token->span.pos,
                                             .span = token->span});
    case BR__T_BRACKET:
        return open_list(p);
    case BR__T_NOT:
        return on_prefix(p);
    case BR__T_OPERATOR:
        return token->code == BR__SUB ? on_prefix(p) : refuse_missing_value(p);
    case BR__T_NULL:
        return refuse_unsupported(p, "null", "a field is there or absent: ask has(data.field)");
    case BR__T_BRACE:
        return refuse_unsupported(p, "maps", NULL);
    case BR__T_DOT:
        return refuse_unsupported(p, "a name that begins with a dot", NULL);
    case BR__T_END:
    case BR__T_CLOSE:
    case BR__T_BRACKET_CLOSE:
    case BR__T_BRACE_CLOSE:
    case BR__T_COMMA:
    case BR__T_QUESTION:
    case BR__T_COLON:
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

// Closes everything up to the innermost bracket or question mark; it must be of `kind`.
static bool
reduce_to(br__parser *p, br__entry_kind kind, br__entry_kind other)
{
    const br__entry *top = NULL;
    const br__token *token = token_at(p, 0);

    if (!br__reduce_from(p, BR__P_CONDITION)) {
        return false;
    }
    top = br__top_entry(p);
    if (top != NULL && (top->kind == kind || top->kind == other)) {
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

static bool
on_colon(br__parser *p)
{
    if (!reduce_to(p, BR__E_QUESTION, BR__E_QUESTION)) {
        return false;
    }
    p->entries[p->entry_count - 1].kind = BR__E_COLON;
    p->entries[p->entry_count - 1].precedence = BR__P_CONDITION;
    p->at++;
    p->wants_value = true;
    return true;
}

static bool
on_close(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    br__entry e;

    if (!reduce_to(p, BR__E_PAREN, BR__E_CALL)) {
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
on_bracket_close(br__parser *p)
{
    const br__token *token = token_at(p, 0);
    br__node *node = NULL;
    br__entry e;

    if (!reduce_to(p, BR__E_LIST, BR__E_LIST)) {
        return false;
    }
    e = br__pop_entry(p);
    p->at++;
    return br__add_node(p, BR__LIST, p->operand_count - e.base,
                        br__span_between(e.start, br__end_of(token->span)), &node);
}

static bool
on_comma(br__parser *p)
{
    if (!reduce_to(p, BR__E_CALL, BR__E_LIST)) {
        return false;
    }
    p->at++;
    // A list may end with a comma.
    p->wants_value =
        br__top_entry(p)->kind != BR__E_LIST || token_at(p, 0)->kind != BR__T_BRACKET_CLOSE;
    return true;
}

static bool
on_dot(br__parser *p)
{
    if (token_at(p, 1)->kind != BR__T_IDENT) {
        br__report(p->c, BR__SYNTAX, token_at(p, 0)->span, NULL,
                   "a field or function was expected after '.'");
        return false;
    }
    if (token_at(p, 2)->kind != BR__T_OPEN) {
        return refuse_unsupported(p, "a field of a computed value", NULL);
    }
    p->at++;
    return open_call(p, true);
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
        return refuse_unsupported(p, "an index [...]", NULL);
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
    case BR__T_BRACE_CLOSE:
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
