// playbook/template.h: arguments of actions: text with ${expressions}, or one typed value.
//
// Layer: brain/expr (may use runtime/base and runtime/wire).   Threads: a compiled template is
// immutable; compiling has one owner.
// "Tu pedido ${order.id} llega el ${data.eta_at}" is text; "= data.value_cop * 2" is a typed value
// of any kind. "$${" stands for "${", and "==" at the start for "=".
#ifndef CEREBRO_BRAIN_EXPR_TEMPLATE_H
#define CEREBRO_BRAIN_EXPR_TEMPLATE_H

#include "brain/expr/expr.h"

#define BR_TEMPLATE_BYTES_MAX 8192
#define BR_TEMPLATE_PARTS_MAX 64

typedef struct br_template br_template;

// br_template_compile checks the text and its expressions.
//   where     as for br_expr_compile
//   ret_template gives; free with br_template_free
//   errors    RT_ECONFIG with findings in `diag`
rt_err br_template_compile(rt_str source, const rt_node *where, const br_expr_env *env,
                           rt_diag *diag, br_template **ret_template) RT_MUST_USE;

// br_template_free releases it; NULL is fine.
void br_template_free(br_template *tpl);

// br_template_kind is the kind of its value: text unless it is typed; RT_KIND_NONE when known at
// run time only.
rt_kind br_template_kind(const br_template *tpl);

// br_template_value computes the value: the text made in `arena`, or the typed value.
//   ret_value views loaded values, the template or the arena
//   errors    RT_EMISSING a field is absent · RT_EINVAL an expression has no value · RT_ENOMEM;
//             the detail names the expression
rt_err br_template_value(const br_template *tpl, br_expr_load load, const void *user,
                         rt_arena *arena, rt_value *ret_value) RT_MUST_USE;

// br_template_render appends the value as text, whatever its kind; on failure `out` is as before.
//   errors    as br_template_value · RT_ELIMIT `out` is full
rt_err br_template_render(const br_template *tpl, br_expr_load load, const void *user,
                          rt_arena *arena, rt_text *out) RT_MUST_USE;

#endif
