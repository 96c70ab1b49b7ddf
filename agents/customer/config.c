#include "agents/customer/config.h"

// tidy: table
const rt_param customer_params[CUSTOMER_PARAM_COUNT] = {
    {"contacts_per_day", RT_PARAM_I64, "3", 0, CUSTOMER_CONTACTS_MAX, "contacts",
     "Contacts of one customer within 24 hours."},
    {"contacts_per_week", RT_PARAM_I64, "6", 0, CUSTOMER_CONTACTS_MAX, "contacts",
     "Contacts of one customer within 7 days."},
    {"contact_gap", RT_PARAM_DURATION_MS, "2h", 0, 604800000, "ms",
     "Rest between two contacts that the customer did not ask for."},
    {"quiet_from", RT_PARAM_STR, "20:00", 0, 5, "", "Local time from which nobody is contacted."},
    {"quiet_to", RT_PARAM_STR, "07:00", 0, 5, "", "Local time until which nobody is contacted."},
    {"morning_spread", RT_PARAM_DURATION_MS, "30m", 0, 14400000, "ms",
     "Held contacts leave within this time after the quiet hours."},
    {"reward_half_life", RT_PARAM_DURATION_MS, "60d", 3600000, 315360000000, "ms",
     "How fast learned rewards fade."},
    {"reward_window", RT_PARAM_DURATION_MS, "14d", 3600000, 31536000000, "ms",
     "How long a decision waits for its reward."},
    {"prior_weight", RT_PARAM_F64, "8", 0.1, 10000, "cases",
     "How many cases the built-in expectation counts for."},
    {"reward_sd", RT_PARAM_F64, "0.5", 0.001, 2, "",
     "Spread of one case's reward; more explores more."},
    {"cop_per_reward", RT_PARAM_F64, "150000", 1, 1000000000, "cop",
     "Pesos that one unit of reward is worth."},
    {"fatigue_day", RT_PARAM_F64, "0.08", 0, 1, "reward",
     "What each contact of the last 24 hours takes from the next."},
    {"fatigue_week", RT_PARAM_F64, "0.02", 0, 1, "reward",
     "What each contact of the last 7 days takes from the next."},
    {"vip_spent", RT_PARAM_F64, "2000000", 0, 1000000000000, "cop",
     "Goods value from which a customer is a vip."},
    {"voucher_share", RT_PARAM_F64, "0.08", 0, 1, "ratio",
     "Voucher as a share of the order's value."},
    {"voucher_min", RT_PARAM_I64, "5000", 0, 10000000, "cop", "Smallest voucher."},
    {"voucher_max", RT_PARAM_I64, "40000", 0, 10000000, "cop", "Largest voucher."},
    {"message_cost", RT_PARAM_I64, "50", 0, 1000000, "cop", "Cost of a message."},
    {"call_cost", RT_PARAM_I64, "4000", 0, 10000000, "cop", "Cost of a call."},
    {"rhythm_prior", RT_PARAM_DURATION_MS, "45d", 86400000, 315360000000, "ms",
     "Time between orders assumed of a customer with few of them."},
    {"mood_prior", RT_PARAM_F64, "0.2", -1, 1, "", "Satisfaction of a customer who said nothing."},
    {"order_keep", RT_PARAM_DURATION_MS, "90d", 86400000, 315360000000, "ms",
     "How long an order is remembered."},
    {"orders_max", RT_PARAM_I64, "1000000", 1, 100000000, "rows",
     "Orders remembered per tenant; the oldest go first."},
    {"decisions_max", RT_PARAM_I64, "200000", 1, 100000000, "rows",
     "Decisions per tenant that wait for a reward."},
};

rt_err
customer_config_read(const br_agent *self, customer_config *config)
{
    rt_err err = customer_parse_minutes(br_agent_param_str(self, "quiet_from"),
                                        &config->quiet_from_min);

    if (err == RT_OK) {
        err = customer_parse_minutes(br_agent_param_str(self, "quiet_to"),
                                     &config->quiet_to_min);
    }
    if (err != RT_OK) {
        return RT_ECONFIG;
    }
    config->contacts_day = br_agent_param_i64(self, "contacts_per_day");
    config->contacts_week = br_agent_param_i64(self, "contacts_per_week");
    config->contact_gap_ms = br_agent_param_i64(self, "contact_gap");
    config->half_life_ms = br_agent_param_i64(self, "reward_half_life");
    config->prior_weight = br_agent_param_f64(self, "prior_weight");
    config->reward_sd = br_agent_param_f64(self, "reward_sd");
    config->cop_per_reward = br_agent_param_f64(self, "cop_per_reward");
    config->fatigue_day = br_agent_param_f64(self, "fatigue_day");
    config->fatigue_week = br_agent_param_f64(self, "fatigue_week");
    config->vip_spent_cop = br_agent_param_f64(self, "vip_spent");
    config->voucher_share = br_agent_param_f64(self, "voucher_share");
    config->voucher_min_cop = br_agent_param_i64(self, "voucher_min");
    config->voucher_max_cop = br_agent_param_i64(self, "voucher_max");
    config->message_cop = br_agent_param_i64(self, "message_cost");
    config->call_cop = br_agent_param_i64(self, "call_cost");
    config->rhythm_prior_ms = br_agent_param_i64(self, "rhythm_prior");
    config->mood_prior = br_agent_param_f64(self, "mood_prior");
    return RT_OK;
}
