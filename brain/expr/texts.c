// Design notes.
// Expressions of a set are found by what they must have: a part that compares one variable with
// constant texts is two or three instructions, and since && is false when any side is, whatever
// the others are, the whole is false for every other text.
#include "brain/expr/expr_internal.h"
#include "runtime/base/check.h"

static bool
take_text(br_expr_texts *texts, br__value value)
{
    if (value.kind != BR__STRING || texts->count == BR_EXPR_TEXTS_MAX) {
        return false;
    }
    texts->texts[texts->count++] = br__text(value);
    return true;
}

static bool
take_list(br_expr_texts *texts, br__value list)
{
    bool ok = list.kind == BR__LIST;

    for (uint32_t i = 0; ok && i < list.len; i++) {
        ok = take_text(texts, list.items[i]);
    }
    return ok;
}

// The texts of: LOAD CONST EQ, CONST LOAD EQ, LOAD CONST IN or LOAD IN_SORTED.
static bool
read_program(const br_expr *expr, const br__conjunct *conjunct, br_expr_texts *texts)
{
    const br__op *ops = expr->ops + conjunct->begin;
    uint32_t count = conjunct->end - conjunct->begin;
    bool turned = count == 3 && ops[0].code == BR__CONST;
    const br__op *load = turned ? &ops[1] : &ops[0];
    const br__op *constant = turned ? &ops[0] : &ops[1];

    if ((count != 2 && count != 3) || load->code != BR__LOAD || load->kind != RT_KIND_STR) {
        return false;
    }
    texts->slot = load->arg;
    if (count == 2) {
        return ops[1].code == BR__IN_SORTED && take_list(texts, expr->consts[ops[1].arg]);
    }
    if (constant->code != BR__CONST) {
        return false;
    }
    if (ops[2].code == BR__EQ) {
        return take_text(texts, expr->consts[constant->arg]);
    }
    return ops[2].code == BR__IN && !turned && take_list(texts, expr->consts[constant->arg]);
}

static bool
asks_whether_there_is(const br_expr *expr, uint32_t slot)
{
    for (uint32_t i = 0; i < expr->conjunct_count; i++) {
        const br__conjunct *conjunct = &expr->conjuncts[i];
        const br__op *op = &expr->ops[conjunct->begin];

        if (conjunct->end == conjunct->begin + 1 && op->code == BR__HAS && op->arg == slot) {
            return true;
        }
    }
    return false;
}

bool
br_expr_conjunct_texts(const br_expr *expr, size_t index, br_expr_texts *ret_texts)
{
    const br_expr_use *uses = NULL;

    ret_texts->count = 0;
    if (br_expr_conjunct_vars(expr, index, &uses) != 1 ||
        !read_program(expr, &expr->conjuncts[index], ret_texts)) {
        return false;
    }
    ret_texts->is_false_absent =
        uses->is_there || asks_whether_there_is(expr, ret_texts->slot);
    return true;
}
