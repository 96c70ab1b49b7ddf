// Design notes.
// What a condition cannot be is looked for after folding, in three steps, each one loop over the
// nodes:
// 1. Every comparison of a variable with a constant is a claim: the variable lies in an interval,
//    or is one of some texts, or is none of them. A claim is held against what the catalogue says
//    of the variable: a text that is not in its closed list, an interval outside of its bounds.
// 2. Claims that an && joins are held against each other in pairs. Intervals of one line that meet
//    in pairs have a point in common, so pairs are enough; of texts, pairs find what people write.
// 3. From the leaves to the root: can it be true, can it be false? A condition that cannot be true
//    never fires. Absent fields only take values away, so "never" holds with them too; "always"
//    does not, and is said of what reads nothing only.
// An || below an && is impossible when each of its sides contradicts a claim beside it.
#include <inttypes.h>
#include <stdio.h>

#include "brain/expr/expr_internal.h"

#define HELP_BYTES 240
#define NAMES 64
#define CLAIMS_MAX 128 // of one condition; what is beyond is not looked at
#define SECOND_MS 1000

typedef enum claim_kind { CLAIM_NONE, CLAIM_INTERVAL, CLAIM_NOT_POINT, CLAIM_ONE_OF, CLAIM_NONE_OF }
claim_kind;

typedef struct claim {
    claim_kind kind;
    uint16_t node;     // the comparison
    uint16_t variable; // its LOAD
    uint16_t constant;
    double low; // INTERVAL, and NOT_POINT as low == high
    double high;
    bool low_open;
    bool high_open;
} claim;

typedef struct reasoner {
    br__compiler *c;
    claim claims[CLAIMS_MAX];
    size_t claim_count;
    uint16_t claim_of[BR__NODES_MAX]; // 1 + index, 0 = none
    bool can_be_true[BR__NODES_MAX];
    bool can_be_false[BR__NODES_MAX];
    bool is_told[BR__NODES_MAX]; // why it cannot be: said already
} reasoner;

static const br__node *
node_at(const reasoner *r, uint16_t index)
{
    return &r->c->nodes[index];
}

static uint16_t
skip_same(const reasoner *r, uint16_t index)
{
    while (node_at(r, index)->code == BR__SAME) {
        index = node_at(r, index)->first_child;
    }
    return index;
}

static bool
is_variable(const reasoner *r, uint16_t index)
{
    const br__node *node = node_at(r, index);
    return node->code == BR__LOAD && !node->is_local && node->rest.len == 0 && !node->is_raw;
}

// Numbers, instants and durations on one line; ms, for instants and durations.
static bool
number_of(br__value value, double *ret_number)
{
    switch (value.kind) {
    case BR__INT:
    case BR__TIME:
    case BR__DURATION:
        *ret_number = (double)value.i;
        return true;
    case BR__UINT:
        *ret_number = (double)value.u;
        return true;
    case BR__DOUBLE:
        *ret_number = value.f;
        return value.f == value.f;
    default:
        return false;
    }
}

static br__code
mirrored(br__code code)
{
    switch ((unsigned)code) {
    case BR__LT:
        return BR__GT;
    case BR__LE:
        return BR__GE;
    case BR__GT:
        return BR__LT;
    case BR__GE:
        return BR__LE;
    default:
        return code;
    }
}

static br__code
negated(br__code code)
{
    switch ((unsigned)code) {
    case BR__LT:
        return BR__GE;
    case BR__LE:
        return BR__GT;
    case BR__GT:
        return BR__LE;
    case BR__GE:
        return BR__LT;
    case BR__EQ:
        return BR__NE;
    default:
        return BR__EQ;
    }
}

static void
claim_number(claim *made, br__code code, double number)
{
    *made = (claim){.kind = code == BR__NE ? CLAIM_NOT_POINT : CLAIM_INTERVAL,
                    .low = number,
                    .high = number};
    if (code == BR__LT || code == BR__LE) {
        made->low = -1e308;
        made->high_open = code == BR__LT;
    } else if (code == BR__GT || code == BR__GE) {
        made->high = 1e308;
        made->low_open = code == BR__GT;
    }
}

// The texts of a constant: itself, or the elements of a list of texts.
static size_t
texts_of(br__value value, const br__value **ret_texts, br__value *self)
{
    if (value.kind == BR__LIST) {
        *ret_texts = value.items;
        return value.len;
    }
    *self = value;
    *ret_texts = self;
    return 1;
}

static bool
is_text_set(br__value value)
{
    br__value self;
    const br__value *texts;
    size_t count = texts_of(value, &texts, &self);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].kind != BR__STRING) {
            return false;
        }
    }
    return count > 0;
}

// What a comparison claims; `is_not` when a ! stands before it.
static bool
make_claim(const reasoner *r, uint16_t index, bool is_not, claim *ret_claim)
{
    const br__node *node = node_at(r, index);
    br__code code = node->code;
    double number = 0;
    if ((code < BR__EQ || code > BR__IN) || node->argc != 2) {
        return false;
    }
    uint16_t left = skip_same(r, node->first_child);
    uint16_t right = skip_same(r, node_at(r, node->first_child)->next);
    if (code != BR__IN && node_at(r, left)->code == BR__CONST) {
        uint16_t swapped = left;
        left = right;
        right = swapped;
        code = mirrored(code);
    }
    if (!is_variable(r, left) || node_at(r, right)->code != BR__CONST) {
        return false;
    }
    br__value value = node_at(r, right)->value;
    bool is_texts = is_text_set(value) && (code == BR__EQ || code == BR__NE || code == BR__IN);
    bool is_number = code != BR__IN && number_of(value, &number);
    if (is_texts) {
        bool is_none = is_not != (code == BR__NE);
        *ret_claim = (claim){.kind = is_none ? CLAIM_NONE_OF : CLAIM_ONE_OF};
    } else if (is_number) {
        claim_number(ret_claim, is_not ? negated(code) : code, number);
    }
    ret_claim->node = index;
    ret_claim->variable = left;
    ret_claim->constant = right;
    return is_texts || is_number;
}

static bool
has_text(const reasoner *r, const claim *a, br__value text)
{
    br__value self;
    const br__value *texts;
    size_t count = texts_of(node_at(r, a->constant)->value, &texts, &self);
    for (size_t i = 0; i < count; i++) {
        if (rt_str_equal(br__text(texts[i]), br__text(text))) {
            return true;
        }
    }
    return false;
}

// Whether no text of `a` is one that `b` allows.
static bool
are_texts_apart(const reasoner *r, const claim *a, const claim *b)
{
    br__value self;
    const br__value *texts;
    size_t count = texts_of(node_at(r, a->constant)->value, &texts, &self);
    for (size_t i = 0; i < count; i++) {
        if (has_text(r, b, texts[i]) == (b->kind == CLAIM_ONE_OF)) {
            return false;
        }
    }
    return true;
}

static bool
are_intervals_apart(const claim *a, const claim *b)
{
    const claim *below = a->low <= b->low ? a : b;
    const claim *above = below == a ? b : a;
    if (a->kind == CLAIM_NOT_POINT || b->kind == CLAIM_NOT_POINT) {
        const claim *hole = a->kind == CLAIM_NOT_POINT ? a : b;
        const claim *point = hole == a ? b : a;
        return point->kind == CLAIM_INTERVAL && point->low == point->high &&
               point->low == hole->low;
    }
    // Of two that begin at one place, the open one begins after it.
    if (a->low == b->low) {
        return (a->low == a->high && b->low_open) || (b->low == b->high && a->low_open);
    }
    return below->high < above->low ||
           (below->high == above->low && (below->high_open || above->low_open));
}

static bool
are_apart(const reasoner *r, const claim *a, const claim *b)
{
    bool texts = a->kind == CLAIM_ONE_OF || a->kind == CLAIM_NONE_OF;
    bool others = b->kind == CLAIM_ONE_OF || b->kind == CLAIM_NONE_OF;
    if (node_at(r, a->variable)->slot != node_at(r, b->variable)->slot || texts != others) {
        return false;
    }
    if (!texts) {
        return are_intervals_apart(a, b);
    }
    if (a->kind == CLAIM_NONE_OF) {
        return b->kind == CLAIM_ONE_OF && are_texts_apart(r, b, a);
    }
    return are_texts_apart(r, a, b);
}

// Reports what can never be: an error, or a warning where it may be in another setting.
static void
tell_never(reasoner *r, uint16_t index, const char *code, br__span span, const char *help,
           const char *text)
{
    if (r->c->env->reasons == BR_REASONS_ERROR) {
        br__report(r->c, code, span, help, "%s", text);
    } else {
        br__warn(r->c, code, span, help, "%s", text);
    }
    r->is_told[index] = true;
}

static void
check_text(reasoner *r, const claim *a, br__value text, br__span span)
{
    const rt_field *field = node_at(r, a->variable)->field;
    rt_str path = node_at(r, a->variable)->path;
    char help[HELP_BYTES];
    char why[HELP_BYTES];
    size_t len = 0;
    for (uint32_t i = 0; i < field->value_count; i++) {
        if (rt_str_equal(field->values[i], br__text(text))) {
            return;
        }
    }
    if (rt_diag_did_you_mean(br__text(text), field->values, field->value_count, help,
                             sizeof(help)) == NULL) {
        for (uint32_t i = 0; i < field->value_count && len < sizeof(help); i++) {
            len += (size_t)snprintf(help + len, sizeof(help) - len, "%s%.*s",
                                    i == 0 ? "it is one of " : ", ",
                                    RT_STR_ARG(field->values[i]));
        }
    }
    (void)snprintf(why, sizeof(why), "%.*s is never \"%.*s\"", RT_STR_ARG(path),
                   RT_MIN((int)text.len, 80), text.s);
    tell_never(r, a->node, BR__NO_VALUE, span, help, why);
}

// Each text of the constant at its own place: a folded list has kept its elements' nodes.
static void
check_texts(reasoner *r, const claim *a)
{
    const rt_field *field = node_at(r, a->variable)->field;
    const br__node *constant = node_at(r, a->constant);
    if (field == NULL || field->values == NULL) {
        return;
    }
    if (constant->value.kind == BR__STRING) {
        check_text(r, a, constant->value, constant->span);
        return;
    }
    for (uint16_t i = constant->begin; i < a->constant; i++) {
        const br__node *element = node_at(r, i);
        if (element->code == BR__CONST && element->value.kind == BR__STRING) {
            check_text(r, a, element->value, element->span);
        }
    }
}

static void
bounds_text(const rt_field *field, char *buf)
{
    if (field->has_min && field->has_max) {
        (void)snprintf(buf, HELP_BYTES, "from %.15g to %.15g", field->min, field->max);
    } else {
        (void)snprintf(buf, HELP_BYTES, "%s %.15g", field->has_min ? "at least" : "at most",
                       field->has_min ? field->min : field->max);
    }
}

static bool
lies_inside(const claim *bounds, const claim *a)
{
    if (a->kind == CLAIM_NOT_POINT) {
        return a->low < bounds->low || a->low > bounds->high;
    }
    return (a->low < bounds->low || (a->low == bounds->low && !a->low_open)) &&
           (a->high > bounds->high || (a->high == bounds->high && !a->high_open));
}

static void
check_bounds(reasoner *r, const claim *a)
{
    const br__node *node = node_at(r, a->node);
    const br__node *variable = node_at(r, a->variable);
    const rt_field *field = variable->field;
    char bounds[HELP_BYTES];
    char why[HELP_BYTES * 2];
    if (field == NULL || (!field->has_min && !field->has_max) || variable->type == BR__TY_TIME) {
        return;
    }
    claim range = {.kind = CLAIM_INTERVAL,
                   .low = field->has_min ? field->min : -1e308,
                   .high = field->has_max ? field->max : 1e308};
    bounds_text(field, bounds);
    (void)snprintf(why, sizeof(why), "%.*s is %s", RT_MIN((int)variable->path.len, 100),
                   variable->path.ptr, bounds);
    if (are_intervals_apart(&range, a)) {
        char text[HELP_BYTES * 3];
        (void)snprintf(text, sizeof(text), "never true: %s", why);
        tell_never(r, a->node, BR__OUTSIDE, node->span, NULL, text);
        r->can_be_true[a->node] = false;
    } else if (lies_inside(&range, a)) {
        br__warn(r->c, BR__INSIDE, node->span, "leave it out, or ask has() for what may be absent",
                 "always true: %s", why);
    }
}

// 24 milliseconds are nobody's limit.
static void
check_unit(reasoner *r, const claim *a)
{
    rt_str path = node_at(r, a->variable)->path;
    br__value value = node_at(r, a->constant)->value;
    bool is_ms = path.len > 3 && memcmp(path.ptr + path.len - 3, "_ms", 3) == 0;
    if (is_ms && value.kind == BR__INT && value.i > 0 && value.i < SECOND_MS) {
        char help[HELP_BYTES];
        (void)snprintf(help, sizeof(help), "%" PRId64 "h are %" PRId64, value.i,
                       value.i * 3600000);
        br__warn(r->c, BR__UNIT, node_at(r, a->constant)->span, help,
                 "%.*s counts milliseconds, and this is less than a second",
                 RT_MIN((int)path.len, 100), path.ptr);
    }
}

static void
add_claim(reasoner *r, uint16_t index)
{
    const br__node *node = node_at(r, index);
    bool is_not = node->code == BR__NOT;
    uint16_t inner = is_not ? skip_same(r, node->first_child) : index;
    claim made = {0};
    if (r->claim_count == CLAIMS_MAX || !make_claim(r, inner, is_not, &made)) {
        return;
    }
    r->claims[r->claim_count++] = made;
    r->claim_of[index] = (uint16_t)r->claim_count;
    if (is_not) {
        return; // what it negates was looked at
    }
    if (made.kind == CLAIM_ONE_OF || made.kind == CLAIM_NONE_OF) {
        check_texts(r, &made);
        r->can_be_true[index] = made.kind == CLAIM_NONE_OF || !r->is_told[index];
    } else {
        check_bounds(r, &made);
        check_unit(r, &made);
    }
}

// The nearest operator above that is not of this code; `index` must be below `top`.
static bool
is_joined(const reasoner *r, uint16_t index, uint16_t top, br__code code)
{
    uint16_t at = node_at(r, index)->parent;
    while (at != top) {
        if (node_at(r, at)->code != code && node_at(r, at)->code != BR__SAME) {
            return false;
        }
        at = node_at(r, at)->parent;
    }
    return true;
}

static const claim *
claim_at(const reasoner *r, uint16_t index)
{
    return r->claim_of[index] > 0 ? &r->claims[r->claim_of[index] - 1] : NULL;
}

// A claim that `top` joins with others by &&, and that no value of `a` fulfils.
static const claim *
find_contrary(const reasoner *r, uint16_t top, const claim *a)
{
    for (uint16_t i = node_at(r, top)->begin; i < top; i++) {
        const claim *other = claim_at(r, i);
        if (other != NULL && !node_at(r, i)->is_dead && is_joined(r, i, top, BR__AND) &&
            are_apart(r, a, other)) {
            return other;
        }
    }
    return NULL;
}

// Whether each side of an || contradicts something beside the ||.
static bool
is_shut_out(const reasoner *r, uint16_t top, uint16_t either)
{
    size_t sides = 0;
    for (uint16_t i = node_at(r, either)->begin; i < either; i++) {
        const br__node *node = node_at(r, i);
        bool is_side = !node->is_dead && node->code != BR__OR && node->code != BR__SAME &&
                       is_joined(r, i, either, BR__OR);
        if (!is_side) {
            continue;
        }
        const claim *a = claim_at(r, i);
        if (r->can_be_true[i] && (a == NULL || find_contrary(r, top, a) == NULL)) {
            return false;
        }
        sides++;
    }
    return sides > 0;
}

static void
tell_contradiction(reasoner *r, uint16_t top, const claim *a, const claim *b)
{
    const br__node *first = node_at(r, RT_MIN(a->node, b->node));
    const br__node *second = node_at(r, RT_MAX(a->node, b->node));
    char text[HELP_BYTES];
    (void)snprintf(text, sizeof(text), "never true together with '%.*s'",
                   RT_MIN((int)first->span.len, 120), r->c->source.ptr + first->span.pos);
    tell_never(r, top, BR__NEVER, second->span, "one of the two is not what you mean, or || is",
               text);
}

// The topmost && of a chain: all that it joins is looked at together.
static void
check_and(reasoner *r, uint16_t top)
{
    for (uint16_t i = node_at(r, top)->begin; i < top; i++) {
        const br__node *node = node_at(r, i);
        if (node->is_dead || !is_joined(r, i, top, BR__AND)) {
            continue;
        }
        const claim *a = claim_at(r, i);
        const claim *contrary = a != NULL ? find_contrary(r, top, a) : NULL;
        if (contrary != NULL) {
            r->can_be_true[top] = false;
            tell_contradiction(r, top, a, contrary);
            return;
        }
        if (node->code == BR__OR && is_shut_out(r, top, i)) {
            r->can_be_true[top] = false;
            tell_never(r, top, BR__NEVER, node->span, NULL,
                       "never true together with what stands beside it");
            return;
        }
    }
}

static void
join(reasoner *r, uint16_t index)
{
    const br__node *node = node_at(r, index);
    uint16_t left = node->first_child;
    uint16_t right = node_at(r, left)->next;
    if (node->code == BR__AND) {
        r->can_be_true[index] = r->can_be_true[left] && r->can_be_true[right];
    } else {
        r->can_be_true[index] = r->can_be_true[left] || r->can_be_true[right];
        r->can_be_false[index] = r->can_be_false[left] && r->can_be_false[right];
    }
    r->is_told[index] = r->is_told[left] || r->is_told[right];
}

static bool
is_chain_top(const reasoner *r, uint16_t index)
{
    uint16_t parent = node_at(r, index)->parent;
    while (parent != BR__NO_NODE && node_at(r, parent)->code == BR__SAME) {
        parent = node_at(r, parent)->parent;
    }
    return parent == BR__NO_NODE || node_at(r, parent)->code != BR__AND;
}

// What is made of constants only and was not folded has no value, whenever it is reached.
static void
check_value(reasoner *r, uint16_t index)
{
    const br__node *node = node_at(r, index);
    bool is_loop = br__is_macro(node->code) || node->code == BR__COND;
    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = node_at(r, at)->next) {
        if (node_at(r, at)->code != BR__CONST) {
            return;
        }
    }
    if (node->argc > 0 && !is_loop && node->code != BR__ENTRY) {
        tell_never(r, index, BR__FAULTY, node->span, NULL, "this never has a value");
    }
}

static void
visit(reasoner *r, uint16_t index)
{
    const br__node *node = node_at(r, index);
    uint16_t child = node->first_child;
    r->can_be_true[index] = true;
    r->can_be_false[index] = true;
    switch ((unsigned)node->code) {
    case BR__CONST:
        r->can_be_true[index] = !br__is_false(node->value);
        r->can_be_false[index] = !br__is_true(node->value);
        break;
    case BR__SAME:
        r->can_be_true[index] = r->can_be_true[child];
        r->can_be_false[index] = r->can_be_false[child];
        r->is_told[index] = r->is_told[child];
        break;
    case BR__NOT:
        r->can_be_true[index] = r->can_be_false[child]; // what has no value is not false either
        add_claim(r, index);
        break;
    case BR__AND:
        join(r, index);
        if (r->can_be_true[index] && is_chain_top(r, index)) {
            check_and(r, index);
        }
        break;
    case BR__OR:
        join(r, index);
        break;
    default:
        add_claim(r, index);
        check_value(r, index);
    }
}

void
br__reason(br__compiler *c, rt_kind want)
{
    reasoner *r = rt_arena_new_of(c->arena, reasoner);
    uint16_t root = (uint16_t)(c->node_count - 1);
    if (r == NULL) {
        return; // the next stage runs out of memory too, and says so
    }
    r->c = c;
    for (uint16_t i = 0; i <= root; i++) {
        if (!c->nodes[i].is_dead) {
            visit(r, i);
        }
    }
    br__span all = {0, (uint16_t)c->source.len};
    if (want != RT_KIND_BOOL) {
        return;
    }
    if (!r->can_be_true[root] && !r->is_told[root]) {
        tell_never(r, root, BR__NEVER, all, "to switch a playbook off write mode: \"off\"",
                   "the condition is never true");
    } else if (!r->can_be_false[root]) {
        br__warn(c, BR__ALWAYS, all, "leave it out, or say what it depends on",
                 "the condition is always true");
    }
}
