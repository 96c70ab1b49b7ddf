// Design notes.
//
// A decision is worth remembering when an action won, a policy chose, or a model whose forecasts we
// can judge said something. Whose decision it is follows from its subject, from what its actions
// are aimed at, and from the order they name.

#include "agents/learning/intake.h"

#include <math.h>

#include "agents/learning/policy.h"

#define CHOICE_MODEL "next-best-action"

static rt_str
subject_key(rt_str subject, const char *kind)
{
    rt_str found;
    rt_str key;

    if (rt_subject_split(subject, &found, &key) && rt_str_is(found, kind)) {
        return key;
    }
    return (rt_str){NULL, 0};
}

static rt_str
first_of(rt_str a, rt_str b)
{
    return a.len > 0 ? a : b;
}

static void
take_predictions(const learning_memory *memory, rt_tenant tenant, const msg_decision *decision,
                 learning_decision *row)
{
    const msg_prediction *predictions = decision->predictions.items;

    for (uint32_t i = 0; i < decision->predictions.count; i++) {
        const msg_prediction *p = &predictions[i];
        uint16_t model;
        if (row->prediction_count == LEARNING_PREDICTIONS_MAX ||
            learning_label_of(p->model) == LEARNING_LABEL_NONE || !(p->value >= 0.0) ||
            p->value > 1.0) {
            continue;
        }
        model = learning_name_of(memory, tenant, 'm', p->model);
        if (model != 0) {
            row->models[row->prediction_count] = model;
            row->values[row->prediction_count++] = p->value;
            row->chosen = rt_str_is(p->model, CHOICE_MODEL) ? 1 : row->chosen;
        }
    }
}

// The order an action is about, when its arguments name one.
static rt_str
order_of(const msg_proposal *proposal)
{
    rt_mp value;
    rt_str order;

    if (rt_mp_find(proposal->args, RT_STR("order_id"), &value) &&
        rt_mp_str(&value, &order) == RT_OK) {
        return order;
    }
    return (rt_str){NULL, 0};
}

static void
take_actions(const learning_memory *memory, rt_tenant tenant, const msg_decision *decision,
             learning_decision *row, rt_str *order, rt_str *customer)
{
    const msg_candidate *candidates = decision->candidates.items;
    double best = -HUGE_VAL;

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_candidate *c = &candidates[i];
        uint16_t action;
        *order = first_of(*order, order_of(&c->proposal));
        *customer = first_of(*customer, subject_key(c->proposal.target, "customer"));
        if (!rt_str_is(c->verdict, "won") || c->proposal.veto ||
            row->action_count == LEARNING_ACTIONS_MAX) {
            continue;
        }
        action = learning_name_of(memory, tenant, 'a', c->proposal.action);
        if (action == 0) {
            continue;
        }
        row->actions[row->action_count++] = action;
        if (c->score > best) { // the first one names the decision in decision.rewarded
            uint16_t first = row->actions[0];
            row->actions[0] = action;
            row->actions[row->action_count - 1] = first;
            best = c->score;
        }
    }
}

void
learning_take(const learning_memory *memory, int64_t at_ms, const msg_decision *decision)
{
    rt_tenant tenant = {(uint16_t)decision->tenant};
    rt_str order = subject_key(decision->subject, "order");
    rt_str customer = subject_key(decision->subject, "customer");
    learning_decision row;
    learning_order known;

    memset(&row, 0, sizeof(row));
    row.at_ms = at_ms;
    take_predictions(memory, tenant, decision, &row);
    take_actions(memory, tenant, decision, &row, &order, &customer);
    if (row.action_count == 0 && row.prediction_count == 0) {
        return;
    }
    row.event_type = learning_name_of(memory, tenant, 'e', decision->event_type);
    if (learning_order_get(memory, tenant, order, &known)) {
        customer = first_of(customer, learning_order_customer(&known));
    }
    learning_decision_add(memory, tenant, decision->event_seq, &row, decision->subject, customer);
    if (order.len > 0) {
        learning_order_link(memory, tenant, order, decision->event_seq, at_ms);
    }
    learning_customer_link(memory, tenant, customer, decision->event_seq, at_ms);
}
