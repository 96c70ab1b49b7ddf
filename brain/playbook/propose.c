// Builds what a playbook asks for: targets and arguments from templates.
#include "brain/playbook/internal.h"

#define BR_ARGS_BYTES_MAX 16384

typedef struct proposing {
    br_expr_load load;
    const void *user;
    rt_arena *arena;
} proposing;

static bool
argument_value(const proposing *p, const br_argument *arg, rt_value *ret_value, rt_str *ret_why)
{
    *ret_value = arg->constant;
    if (arg->template == NULL) {
        return true;
    }
    rt_err err = br_template_value(arg->template, p->load, p->user, p->arena, ret_value);
    if (err != RT_OK) {
        *ret_why = rt_arena_printf(p->arena, "%s", rt_err_detail());
    }
    return err == RT_OK;
}

static bool
build_args(const proposing *p, const br_step *step, rt_bytes *ret_args, rt_str *ret_why)
{
    rt_mpw w;
    rt_mpw_init(&w, BR_ARGS_BYTES_MAX);
    rt_mpw_map(&w, step->arg_count);
    bool ok = true;
    for (uint32_t i = 0; i < step->arg_count && ok; i++) {
        rt_value value;
        rt_str why;
        ok = argument_value(p, &step->args[i], &value, &why);
        if (ok) {
            rt_mpw_str(&w, step->args[i].name);
            rt_value_write(&w, value);
        } else {
            *ret_why = rt_arena_printf(p->arena, "argument %.*s: %.*s",
                                       RT_STR_ARG(step->args[i].name), RT_STR_ARG(why));
        }
    }
    *ret_args = rt_arena_copy(p->arena, rt_mpw_view(&w));
    ok = ok && !w.failed && ret_args->ptr != NULL;
    rt_mpw_fini(&w);
    return ok;
}

static bool
build_step(const proposing *p, const br_playbook *playbook, const br_step *step,
           msg_proposal *ret, rt_str *ret_why)
{
    *ret = (msg_proposal){.agent = playbook->agent,
                          .model = playbook->model,
                          .action = step->action->name,
                          .priority = playbook->priority,
                          .confidence = playbook->confidence,
                          .value = step->value,
                          .cost_cop = step->cost_cop,
                          .propensity = 1,
                          .reason = playbook->info.doc};
    rt_value target;
    if (br_template_value(step->target, p->load, p->user, p->arena, &target) != RT_OK) {
        *ret_why = rt_arena_printf(p->arena, "target: %s", rt_err_detail());
        return false;
    }
    if (target.kind != RT_KIND_STR) {
        *ret_why = RT_STR("target: it is no text");
        return false;
    }
    ret->target = target.s;
    return build_args(p, step, &ret->args, ret_why);
}

bool
br__propose(const br_playbook *playbook, const br_steps *steps, br_expr_load load,
            const void *user, rt_arena *arena, msg_proposal *ret, rt_str *ret_why)
{
    proposing p = {load, user, arena};
    for (uint32_t i = 0; i < steps->count; i++) {
        if (!build_step(&p, playbook, &steps->steps[i], &ret[i], ret_why)) {
            return false;
        }
    }
    return true;
}
