// Design notes.
//
// One row per customer (profile), one per order (whose it is, what became of it), one per trigger
// and segment (learned rewards of the options), and work rows: decisions whose reward is awaited,
// cases held back over night, and two queues that say which order and decision rows are oldest.
//
// A case goes through `decide`: bring profile and order up to date, choose, and then either say
// nothing, hold it until the quiet hours end, or propose. A held case is chosen anew when its timer
// fires, because by then the order may have arrived or somebody else may have called.
//
// Contacts are counted when a decision says that a contact won, whoever proposed it: what was only
// proposed has bothered nobody.

#include "agents/customer/config.h"
#include "agents/customer/rows.h"
#include "brain/agent/agent.h"
#include "runtime/base/hash.h"

#define HOLD_PREFIX "hold/"
#define CHOICE_MODEL "next-best-action"
#define CHURN_MODEL "churn-risk"

typedef enum slot_name {
    CREATED_CUSTOMER,
    CREATED_VALUE,
    CREATED_PROMISED,
    DELIVERED_CUSTOMER,
    CANCELLED_CUSTOMER,
    DELAY_CUSTOMER,
    DELAY_RISK,
    DELAY_HOURS,
    DELAY_VALUE,
    FAILED_CUSTOMER,
    FAILED_ATTEMPT,
    FAILED_REASON,
    ISSUE_CUSTOMER,
    ISSUE_KIND,
    RESOLVED_CUSTOMER,
    RESOLVED_SOLVED,
    INQUIRY_ORDER,
    INQUIRY_MOOD,
    FEEDBACK_ORDER,
    FEEDBACK_SCORE,
    REWARDED_SEQ,
    REWARDED_REWARD,
    TIMER_KEY,
    SLOT_COUNT,
} slot_name;

static const struct {
    const char *event;
    const char *field;
} bindings[SLOT_COUNT] = {
    [CREATED_CUSTOMER] = {"order.created", "customer_id"},
    [CREATED_VALUE] = {"order.created", "value"},
    [CREATED_PROMISED] = {"order.created", "promised_at"},
    [DELIVERED_CUSTOMER] = {"order.delivered", "customer_id"},
    [CANCELLED_CUSTOMER] = {"order.cancelled", "customer_id"},
    [DELAY_CUSTOMER] = {"delay.detected", "customer_id"},
    [DELAY_RISK] = {"delay.detected", "risk"},
    [DELAY_HOURS] = {"delay.detected", "delay_hours"},
    [DELAY_VALUE] = {"delay.detected", "value"},
    [FAILED_CUSTOMER] = {"delivery.failed", "customer_id"},
    [FAILED_ATTEMPT] = {"delivery.failed", "attempt"},
    [FAILED_REASON] = {"delivery.failed", "reason"},
    [ISSUE_CUSTOMER] = {"issue.reported", "customer_id"},
    [ISSUE_KIND] = {"issue.reported", "kind"},
    [RESOLVED_CUSTOMER] = {"issue.resolved", "customer_id"},
    [RESOLVED_SOLVED] = {"issue.resolved", "solved"},
    [INQUIRY_ORDER] = {"customer.inquiry", "order_id"},
    [INQUIRY_MOOD] = {"customer.inquiry", "mood"},
    [FEEDBACK_ORDER] = {"customer.feedback", "order_id"},
    [FEEDBACK_SCORE] = {"customer.feedback", "score"},
    [REWARDED_SEQ] = {"decision.rewarded", "decision_seq"},
    [REWARDED_REWARD] = {"decision.rewarded", "reward"},
    [TIMER_KEY] = {"timer.fired", "key"},
};

typedef struct customer_state {
    customer_rows rows;
    customer_config config;
    int64_t morning_spread_ms;
    int slots[SLOT_COUNT];
} customer_state;

// One case with whose it is.
typedef struct subject {
    rt_str customer;
    rt_str order; // empty when the case is about no order
} subject;

static rt_value
slot(const customer_state *st, const rt_event *event, slot_name name)
{
    return event->slots[st->slots[name]];
}

static rt_str
slot_str(const customer_state *st, const rt_event *event, slot_name name)
{
    rt_value value = slot(st, event, name);

    return value.kind == RT_KIND_STR ? value.s : (rt_str){NULL, 0};
}

static rt_str
subject_key(const rt_event *event, const char *kind)
{
    rt_str found;
    rt_str key;

    if (rt_subject_split(event->subject, &found, &key) && rt_str_is(found, kind) &&
        customer_usable_id(key)) {
        return key;
    }
    return (rt_str){NULL, 0};
}

// Who it concerns: the event says so, else the order's row, else what the brain remembers.
static rt_str
customer_of(const customer_state *st, const rt_event *event, rt_str given, rt_str order,
            rt_arena *arena)
{
    customer_order row;
    rt_str known;
    rt_value context;

    if (customer_usable_id(given)) {
        return given;
    }
    if (customer_order_read(&st->rows, event->tenant, order, &row, &known) && known.len > 0) {
        return rt_arena_str(arena, known);
    }
    context = rt_event_context(event, "order.customer_id");
    if (context.kind == RT_KIND_STR && customer_usable_id(context.s)) {
        return context.s;
    }
    return (rt_str){NULL, 0};
}

// The pointer lasts until the profiles change next.
static customer_profile *
profile_of(const customer_state *st, const rt_event *event, rt_str customer)
{
    return customer_profile_edit(&st->rows, event->tenant, customer, event->time_ms);
}

static rt_str
hold_key(rt_arena *arena, const subject *who)
{
    rt_str name = who->order.len > 0 ? who->order : who->customer;

    return rt_arena_printf(arena, HOLD_PREFIX "%.*s", RT_STR_ARG(name));
}

// Puts the case aside until the quiet hours end. The morning's first minutes are spread by
// customer, so that the executors do not get a whole night at once.
static rt_err
hold(br_agent *self, const customer_state *st, const rt_event *event, const customer_case *what,
     const subject *who, int64_t until_ms)
{
    rt_str name = hold_key(br_agent_arena(self), who);
    uint64_t spread = st->morning_spread_ms > 0 ? (uint64_t)st->morning_spread_ms : 1;

    if (name.len == 0) {
        return RT_ENOMEM;
    }
    customer_hold(&st->rows, event->tenant, name, what, who->customer, who->order);
    until_ms += (int64_t)(rt_hash64(rt_bytes_of_str(who->customer), 0) % spread);
    return br_timer_set(self, name, until_ms, event->subject);
}

static rt_err
predict(br_agent *self, const char *model, uint64_t version, double value, msg_factor *factors,
        uint32_t factor_count)
{
    msg_prediction prediction = {
        .model = rt_str_of(model),
        .version = version,
        .value = value,
        .factors = {factors, factor_count},
    };

    return br_predict(self, &prediction);
}

static void
write_args(const customer_case *what, const customer_choice *choice, rt_str order,
           int64_t voucher_cop, rt_str text, rt_mpw *w)
{
    bool about_order = order.len > 0 && choice->option != CUSTOMER_CASE;
    uint32_t pairs = 1;

    pairs += about_order ? 1 : 0;
    pairs += choice->option == CUSTOMER_COMPENSATE || choice->option == CUSTOMER_CASE ? 1 : 0;
    rt_mpw_map(w, pairs);
    if (about_order) {
        rt_mpw_cstr(w, "order_id");
        rt_mpw_str(w, order);
    }
    if (choice->option == CUSTOMER_COMPENSATE) {
        rt_mpw_cstr(w, "amount");
        rt_mpw_f64(w, (double)voucher_cop);
    }
    if (choice->option == CUSTOMER_CASE) {
        rt_mpw_cstr(w, "kind");
        rt_mpw_cstr(w, what->detail != CUSTOMER_DETAIL_NONE
                           ? customer_detail_name((customer_detail)what->detail)
                           : customer_trigger_name((customer_trigger)what->trigger));
    }
    rt_mpw_cstr(w, "text");
    rt_mpw_str(w, text);
}

static rt_str
reason_of(rt_arena *arena, const customer_case *what, const customer_choice *choice,
          customer_segment segment, const subject *who, int64_t contacts_week)
{
    rt_str about = who->order.len > 0 ? who->order : who->customer;

    return rt_arena_printf(
        arena,
        "%s on %s %.*s (severity %.2f), %s customer with %lld contacts in 7 days: %s is expected "
        "to earn %.2f after costs, doing nothing %.2f.",
        customer_trigger_name((customer_trigger)what->trigger),
        who->order.len > 0 ? "order" : "customer", RT_STR_ARG(about), choice->severity,
        customer_segment_name(segment), (long long)contacts_week,
        customer_action_name(choice->option), choice->net, choice->nothing);
}

// What an option's worth is made of, for explanations.
static uint32_t
write_factors(const customer_config *config, const customer_profile *profile,
              const customer_choice *choice, int64_t now_ms, msg_factor factors[8])
{
    double money = (double)choice->cost_cop / config->cop_per_reward;
    bool contact = choice->option < CUSTOMER_CASE;
    uint32_t n = 0;

    factors[n++] = (msg_factor){RT_STR("mean_reward"), choice->mean, choice->mean};
    factors[n++] = (msg_factor){RT_STR("nothing"), choice->nothing, -choice->nothing};
    factors[n++] = (msg_factor){RT_STR("fatigue"), choice->fatigue,
                                contact ? -choice->fatigue : 0.0};
    factors[n++] = (msg_factor){RT_STR("cost_cop"), (double)choice->cost_cop, -money};
    factors[n++] = (msg_factor){RT_STR("severity"), choice->severity,
                                choice->net - choice->mean + money +
                                    (contact ? choice->fatigue : 0.0)};
    factors[n++] = (msg_factor){RT_STR("contacts_7d"),
                                (double)customer_contacts(profile, now_ms, 7 * CUSTOMER_DAY_MS),
                                0.0};
    factors[n++] = (msg_factor){RT_STR("churn_risk"),
                                customer_churn_risk(config, profile, now_ms), 0.0};
    factors[n++] = (msg_factor){RT_STR("lifetime_cop"),
                                customer_lifetime_cop(config, profile, now_ms), 0.0};
    return n;
}

static rt_err
propose(br_agent *self, const customer_state *st, const rt_event *event,
        const customer_profile *profile, const customer_case *what, const customer_choice *choice,
        customer_segment segment, uint64_t version, const subject *who)
{
    rt_arena *arena = br_agent_arena(self);
    bool is_case = choice->option == CUSTOMER_CASE;
    int64_t voucher = customer_voucher_cop(&st->config, what);
    int64_t week = customer_contacts(profile, event->at_ms, 7 * CUSTOMER_DAY_MS);
    msg_factor factors[8];
    uint32_t factor_count =
        write_factors(&st->config, profile, choice, event->at_ms, factors);
    rt_text text;
    rt_mpw args;
    rt_err err = RT_ENOMEM;

    rt_text_init(&text, CUSTOMER_TEXT_MAX);
    rt_mpw_init(&args, 2 * CUSTOMER_TEXT_MAX);
    customer_text(what, choice->option, segment, who->order, voucher, &text);
    write_args(what, choice, who->order, voucher, rt_text_view(&text), &args);
    if (!args.failed && !text.truncated) {
        msg_proposal proposal = {
            .model = rt_arena_printf(arena, CHOICE_MODEL "/%llu", (unsigned long long)version),
            .action = rt_str_of(customer_action_name(choice->option)),
            .target = is_case ? rt_arena_printf(arena, "order/%.*s", RT_STR_ARG(who->order))
                              : rt_arena_printf(arena, "customer/%.*s", RT_STR_ARG(who->customer)),
            .args = rt_mpw_view(&args),
            .priority = choice->priority,
            .confidence = choice->confidence,
            .value = choice->net < 0.0 ? 0.0 : choice->net > 1.0 ? 1.0 : choice->net,
            .cost_cop = choice->cost_cop,
            .propensity = choice->propensity,
            .reason = reason_of(arena, what, choice, segment, who, week),
            .factors = {factors, factor_count},
        };
        err = br_propose(self, &proposal);
    }
    rt_mpw_fini(&args);
    rt_text_fini(&text);
    return err;
}

static rt_err
say(br_agent *self, const customer_state *st, const rt_event *event,
    const customer_profile *profile, const customer_case *what, const customer_choice *choice,
    const subject *who)
{
    customer_segment segment = customer_segment_of(&st->config, profile, event->at_ms);
    customer_rewards learned =
        customer_rewards_read(&st->rows, event->tenant, what->trigger, segment);
    double churn = customer_churn_risk(&st->config, profile, event->at_ms);
    rt_err err = predict(self, CHOICE_MODEL, learned.update_count, (choice->mean + 1.0) / 2.0,
                         NULL, 0);

    if (err == RT_OK) {
        err = predict(self, CHURN_MODEL, 1, churn, NULL, 0);
    }
    if (err == RT_OK && choice->option != CUSTOMER_NOTHING) {
        err = propose(self, st, event, profile, what, choice, segment, learned.update_count, who);
    }
    if (err == RT_OK) {
        customer_awaited awaited = {what->trigger, segment, choice->option, 0};
        customer_await(&st->rows, event->tenant, event->seq, event->at_ms, &awaited);
    }
    return err;
}

// The one way from a case to an answer.
static rt_err
decide(br_agent *self, const customer_state *st, const rt_event *event, customer_case *what,
       const subject *who)
{
    customer_order order;
    rt_str owner;
    customer_profile profile;
    customer_segment segment;
    customer_choice choice;
    customer_rewards learned;
    int64_t quiet_until;

    if (!customer_usable_id(who->customer)) {
        return RT_OK; // nobody to decide about
    }
    if (customer_order_read(&st->rows, event->tenant, who->order, &order, &owner)) {
        what->delivered_ms = order.delivered_ms;
        what->cancelled = order.cancelled_ms != 0;
        what->value_cop = what->value_cop > 0.0 ? what->value_cop : order.value_cop;
    }
    what->has_order = customer_usable_id(who->order);
    profile = *profile_of(st, event, who->customer);
    segment = customer_segment_of(&st->config, &profile, event->at_ms);
    learned = customer_rewards_read(&st->rows, event->tenant, what->trigger, segment);
    if (customer_moot(what) || !customer_deserves(what)) {
        return RT_OK;
    }
    choice = customer_choose(&st->config, &profile, what, learned.options,
                             customer_eligible(&st->config, &profile, what, event->at_ms),
                             event->at_ms, br_agent_rng(self));
    quiet_until = customer_quiet_until(&st->config, event->at_ms,
                                       br_agent_utc_offset_ms(self, event->tenant));
    if (choice.option < CUSTOMER_CASE && quiet_until != 0) {
        return hold(self, st, event, what, who, quiet_until);
    }
    return say(self, st, event, &profile, what, &choice, who);
}

static rt_err
on_order_created(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_str customer = slot_str(st, event, CREATED_CUSTOMER);
    rt_str order = subject_key(event, "order");
    double value = rt_value_as_f64(slot(st, event, CREATED_VALUE), 0.0);
    customer_order row;
    rt_str owner;
    bool again = customer_order_read(&st->rows, event->tenant, order, &row, &owner) &&
                 row.promised_ms != 0;

    (void)self;
    row.promised_ms = rt_value_as_i64(slot(st, event, CREATED_PROMISED), 0);
    row.value_cop = value;
    customer_order_write(&st->rows, event->tenant, event->at_ms, order, &row, customer);
    if (customer_usable_id(customer) && !again) {
        customer_note_order(profile_of(st, event, customer), event->time_ms, value);
    }
    return RT_OK;
}

static rt_err
on_order_delivered(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_str order = subject_key(event, "order");
    rt_str customer = customer_of(st, event, slot_str(st, event, DELIVERED_CUSTOMER), order,
                                  br_agent_arena(self));
    customer_order row;
    rt_str owner;
    customer_profile *profile;

    (void)customer_order_read(&st->rows, event->tenant, order, &row, &owner); // may be new to us
    if (row.promised_ms == 0) {
        row.promised_ms = rt_value_as_i64(rt_event_context(event, "order.promised_at"), 0);
    }
    if (row.delivered_ms != 0) {
        return RT_OK; // told twice
    }
    row.delivered_ms = event->time_ms;
    customer_order_write(&st->rows, event->tenant, event->at_ms, order, &row, customer);
    if (customer_usable_id(customer)) {
        profile = profile_of(st, event, customer);
        profile->delivered++;
        profile->late += row.promised_ms != 0 && event->time_ms > row.promised_ms ? 1 : 0;
    }
    return RT_OK;
}

static rt_err
on_order_cancelled(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_arena *arena = br_agent_arena(self);
    rt_str order = subject_key(event, "order");
    subject who = {customer_of(st, event, slot_str(st, event, CANCELLED_CUSTOMER), order, arena),
                   order};
    customer_case what = {.trigger = CUSTOMER_CANCELLED, .happened_ms = event->time_ms};
    customer_order row;
    rt_str owner;

    (void)customer_order_read(&st->rows, event->tenant, order, &row, &owner); // may be new to us
    if (row.cancelled_ms != 0) {
        return RT_OK; // told twice
    }
    row.cancelled_ms = event->time_ms;
    customer_order_write(&st->rows, event->tenant, event->at_ms, order, &row, who.customer);
    if (customer_usable_id(who.customer)) {
        profile_of(st, event, who.customer)->cancelled++;
    }
    return decide(self, st, event, &what, &who);
}

static rt_err
on_delay_detected(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_arena *arena = br_agent_arena(self);
    rt_str order = subject_key(event, "order");
    subject who = {customer_of(st, event, slot_str(st, event, DELAY_CUSTOMER), order, arena),
                   order};
    customer_case what = {
        .trigger = CUSTOMER_DELAY,
        .happened_ms = event->time_ms,
        .risk = rt_value_as_f64(slot(st, event, DELAY_RISK), 1.0),
        .delay_hours = rt_value_as_f64(slot(st, event, DELAY_HOURS), 0.0),
        .value_cop = rt_value_as_f64(slot(st, event, DELAY_VALUE), 0.0),
    };

    return decide(self, st, event, &what, &who);
}

static rt_err
on_delivery_failed(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_arena *arena = br_agent_arena(self);
    rt_str order = subject_key(event, "order");
    subject who = {customer_of(st, event, slot_str(st, event, FAILED_CUSTOMER), order, arena),
                   order};
    customer_case what = {
        .trigger = CUSTOMER_FAILED,
        .detail = customer_detail_of(slot_str(st, event, FAILED_REASON)),
        .happened_ms = event->time_ms,
        .attempt = (int32_t)rt_value_as_i64(slot(st, event, FAILED_ATTEMPT), 1),
    };

    if (customer_usable_id(who.customer)) {
        profile_of(st, event, who.customer)->failed_attempts++;
    }
    return decide(self, st, event, &what, &who);
}

static rt_err
on_issue_reported(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    subject who = {slot_str(st, event, ISSUE_CUSTOMER), subject_key(event, "order")};
    customer_case what = {
        .trigger = CUSTOMER_ISSUE,
        .detail = customer_detail_of(slot_str(st, event, ISSUE_KIND)),
        .happened_ms = event->time_ms,
    };
    customer_profile *profile;
    rt_err err = RT_OK;

    if (customer_usable_id(who.customer)) {
        profile = profile_of(st, event, who.customer);
        profile->issues_open++;
        profile->issues_total++;
        err = customer_note_mood(profile, event->time_ms, -0.6, 1.0);
    }
    return err == RT_OK ? decide(self, st, event, &what, &who) : err;
}

static rt_err
on_issue_resolved(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_str customer = slot_str(st, event, RESOLVED_CUSTOMER);
    rt_value solved = slot(st, event, RESOLVED_SOLVED);
    customer_profile *profile;

    (void)self;
    if (!customer_usable_id(customer)) {
        return RT_OK;
    }
    profile = profile_of(st, event, customer);
    profile->issues_open -= profile->issues_open > 0 ? 1 : 0;
    return customer_note_mood(profile, event->time_ms, solved.b ? 0.5 : -0.8, 1.0);
}

static rt_err
on_customer_inquiry(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    subject who = {subject_key(event, "customer"), slot_str(st, event, INQUIRY_ORDER)};
    rt_value mood = slot(st, event, INQUIRY_MOOD);
    customer_case what = {
        .trigger = CUSTOMER_INQUIRY,
        .happened_ms = event->time_ms,
        .mood = rt_value_as_f64(mood, 0.0),
    };
    customer_profile *profile;
    rt_err err = RT_OK;

    if (!customer_usable_id(who.customer)) {
        return RT_OK;
    }
    profile = profile_of(st, event, who.customer);
    what.repeated = customer_note_inquiry(profile, event->time_ms);
    if (mood.kind != RT_KIND_NONE) {
        err = customer_note_mood(profile, event->time_ms, what.mood, 0.5);
    }
    return err == RT_OK ? decide(self, st, event, &what, &who) : err;
}

static rt_err
on_customer_feedback(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    subject who = {subject_key(event, "customer"), slot_str(st, event, FEEDBACK_ORDER)};
    int64_t score = rt_value_as_i64(slot(st, event, FEEDBACK_SCORE), 3);
    customer_case what = {
        .trigger = CUSTOMER_FEEDBACK,
        .happened_ms = event->time_ms,
        .score = (int32_t)score,
    };
    customer_profile *profile;
    rt_err err;

    if (!customer_usable_id(who.customer)) {
        return RT_OK;
    }
    profile = profile_of(st, event, who.customer);
    profile->last_score = (uint32_t)score;
    err = customer_note_mood(profile, event->time_ms, ((double)score - 3.0) / 2.0, 1.0);
    return err == RT_OK ? decide(self, st, event, &what, &who) : err;
}

static rt_err
on_customer_lost(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    rt_str customer = subject_key(event, "customer");

    (void)self;
    if (customer_usable_id(customer)) {
        profile_of(st, event, customer)->lost_ms = event->time_ms;
    }
    return RT_OK;
}

static rt_err
on_decision_rewarded(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    uint64_t seq = (uint64_t)rt_value_as_i64(slot(st, event, REWARDED_SEQ), 0);
    customer_awaited awaited;
    customer_rewards *learned;
    bool first;

    (void)self;
    if (!customer_awaited_read(&st->rows, event->tenant, seq, &awaited)) {
        return RT_OK; // somebody else's decision
    }
    if (awaited.option >= CUSTOMER_OPTIONS) {
        return rt_fail(RT_ECORRUPT, "awaited decision %llu has option %u",
                       (unsigned long long)seq, awaited.option);
    }
    first = awaited.rewarded == 0;
    awaited.rewarded = 1;
    customer_awaited_write(&st->rows, event->tenant, seq, &awaited);
    learned = customer_rewards_edit(&st->rows, event->tenant, awaited.trigger, awaited.segment);
    learned->update_count++;
    return customer_learn(&st->config, &learned->options[awaited.option],
                          rt_value_as_f64(slot(st, event, REWARDED_REWARD), 0.0), first,
                          event->at_ms);
}

// The night is over: what was held is decided anew.
static rt_err
on_timer_fired(br_agent *self, void *state, const rt_event *event)
{
    const customer_state *st = state;
    customer_held held;
    subject who;

    if (!customer_held_take(&st->rows, event->tenant, slot_str(st, event, TIMER_KEY), &held)) {
        return RT_OK;
    }
    who = (subject){{held.customer, held.customer_len}, {held.order, held.order_len}};
    return decide(self, st, event, &held.what, &who);
}

static void
count_contact(const customer_state *st, rt_tenant tenant, const msg_proposal *proposal,
              int64_t at_ms)
{
    customer_profile *profile;
    rt_str kind;
    rt_str customer;

    if (!customer_is_contact(proposal->action) ||
        !rt_subject_split(proposal->target, &kind, &customer) || !rt_str_is(kind, "customer") ||
        !customer_usable_id(customer)) {
        return;
    }
    profile = customer_profile_edit(&st->rows, tenant, customer, at_ms);
    customer_note_contact(profile, at_ms);
    if (rt_str_is(proposal->action, customer_action_name(CUSTOMER_COMPENSATE))) {
        profile->compensated_ms = at_ms;
    }
}

static rt_err
on_decision(br_agent *self, void *state, const rt_record *record, const msg_decision *decision)
{
    const customer_state *st = state;
    rt_tenant tenant = {(uint16_t)decision->tenant};
    const msg_candidate *candidates = decision->candidates.items;

    (void)self;
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_candidate *candidate = &candidates[i];
        if (rt_str_is(candidate->verdict, "won")) {
            count_contact(st, tenant, &candidate->proposal, record->at_ms);
        } else if (rt_str_is(candidate->proposal.agent, "customer")) {
            customer_awaited_drop(&st->rows, tenant, decision->event_seq); // it was not done
        }
    }
    return RT_OK;
}

static rt_err
init(br_agent *self, void *state)
{
    customer_state *st = state;
    rt_err err = customer_config_read(self, &st->config);

    st->rows.order_keep_ms = br_agent_param_i64(self, "order_keep");
    st->rows.orders_max = br_agent_param_i64(self, "orders_max");
    st->rows.reward_window_ms = br_agent_param_i64(self, "reward_window");
    st->rows.decisions_max = br_agent_param_i64(self, "decisions_max");
    st->morning_spread_ms = br_agent_param_i64(self, "morning_spread");
    for (size_t i = 0; err == RT_OK && i < SLOT_COUNT; i++) {
        err = br_agent_bind(self, bindings[i].event, bindings[i].field, &st->slots[i]);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 0, "profiles", &st->rows.profiles);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 1, "orders", &st->rows.orders);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 2, "rewards", &st->rows.rewards);
    }
    return err == RT_OK ? br_agent_table(self, 3, "work", &st->rows.work) : err;
}

static const br_handler handlers[] = {
    {"order.created", on_order_created},
    {"order.delivered", on_order_delivered},
    {"order.cancelled", on_order_cancelled},
    {"delay.detected", on_delay_detected},
    {"delivery.failed", on_delivery_failed},
    {"issue.reported", on_issue_reported},
    {"issue.resolved", on_issue_resolved},
    {"customer.inquiry", on_customer_inquiry},
    {"customer.feedback", on_customer_feedback},
    {"customer.lost", on_customer_lost},
    {"decision.rewarded", on_decision_rewarded},
    {"timer.fired", on_timer_fired},
};

const br_agent_def customer_agent = {
    .id = 2,
    .name = "customer",
    .doc = "Decides whether, when and how to contact a customer, or to open a case.",
    .state_size = sizeof(customer_state),
    .init = init,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .on_decision = on_decision,
    .params = customer_params,
    .param_count = CUSTOMER_PARAM_COUNT,
};
