// customer/policy.h: what is known of a customer and which next step is worth most; pure.
//
// Layer: agents/customer (may use runtime/base, brain/math).   Threads: any.
// Nothing here knows events, tables or clocks: the agent brings what it read and the time.
#ifndef CEREBRO_AGENTS_CUSTOMER_POLICY_H
#define CEREBRO_AGENTS_CUSTOMER_POLICY_H

#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"
#include "runtime/base/text.h"

#define CUSTOMER_PROFILE_VERSION 1
#define CUSTOMER_CONTACTS_MAX 16  // contacts remembered per customer; caps cannot exceed it
#define CUSTOMER_INQUIRIES_MAX 4
#define CUSTOMER_TEXT_MAX 512
#define CUSTOMER_HOUR_MS INT64_C(3600000)
#define CUSTOMER_DAY_MS (24 * CUSTOMER_HOUR_MS)

typedef enum customer_trigger {
    CUSTOMER_DELAY,
    CUSTOMER_FAILED,
    CUSTOMER_ISSUE,
    CUSTOMER_INQUIRY,
    CUSTOMER_FEEDBACK,
    CUSTOMER_CANCELLED,
    CUSTOMER_TRIGGERS,
} customer_trigger;

typedef enum customer_option {
    CUSTOMER_NOTIFY,
    CUSTOMER_COMPENSATE,
    CUSTOMER_CALL,
    CUSTOMER_CASE,
    CUSTOMER_NOTHING,
    CUSTOMER_OPTIONS,
} customer_option;

typedef enum customer_segment {
    CUSTOMER_NEW,
    CUSTOMER_REGULAR,
    CUSTOMER_VIP,
    CUSTOMER_AT_RISK,
    CUSTOMER_SEGMENTS,
} customer_segment;

// What precisely happened: reason of a failed delivery, kind of an issue.
typedef enum customer_detail {
    CUSTOMER_DETAIL_NONE,
    CUSTOMER_ABSENT,
    CUSTOMER_WRONG_ADDRESS,
    CUSTOMER_REFUSED,
    CUSTOMER_UNSAFE,
    CUSTOMER_CLOSED,
    CUSTOMER_VEHICLE,
    CUSTOMER_LATE,
    CUSTOMER_DAMAGED,
    CUSTOMER_LOST,
    CUSTOMER_WRONG_ITEM,
    CUSTOMER_BILLING,
    CUSTOMER_OTHER,
    CUSTOMER_DETAILS,
} customer_detail;

// customer_profile is one customer's row: fixed size, no pointers, zero is a customer never seen.
typedef struct customer_profile {
    uint32_t version;
    uint32_t orders;
    uint32_t delivered;
    uint32_t late;
    uint32_t cancelled;
    uint32_t failed_attempts;
    uint32_t issues_open;
    uint32_t issues_total;
    uint32_t last_score; // 1..5, 0 = never rated
    uint32_t gap_count;  // inter-order gaps seen
    uint32_t contact_next;
    uint32_t inquiry_next;
    int64_t first_ms;
    int64_t last_ms;
    int64_t last_order_ms;
    int64_t compensated_ms;
    int64_t lost_ms;     // 0 = has not left
    double spent_cop;
    double gap_ms;       // smoothed time between orders
    br_decayed mood;     // tone and scores, -1..1
    int64_t contacts_ms[CUSTOMER_CONTACTS_MAX];
    int64_t inquiries_ms[CUSTOMER_INQUIRIES_MAX];
} customer_profile;

// customer_case is one thing that happened to a customer, reduced to what decides.
typedef struct customer_case {
    uint32_t trigger;    // customer_trigger
    uint32_t detail;     // customer_detail
    int64_t happened_ms;
    int64_t delivered_ms; // of the order; 0 = not yet
    double value_cop;     // of the order, 0 = unknown
    double delay_hours;
    double risk;         // of being late, 0..1
    double mood;         // -1..1
    int32_t attempt;
    int32_t score;       // 1..5
    bool has_order;
    bool repeated;       // asked again and again
    bool cancelled;      // the order will not come
    uint8_t unused[5];   // no padding: the struct is stored
} customer_case;

_Static_assert(sizeof(customer_case) == 72, "customer_case is stored: no padding");
_Static_assert(sizeof(customer_profile) == 48 + 5 * 8 + 2 * 8 + 24 + 20 * 8,
               "customer_profile is stored: no padding");

typedef struct customer_config {
    int64_t contacts_day;
    int64_t contacts_week;
    int64_t contact_gap_ms;
    int64_t quiet_from_min; // minutes after local midnight
    int64_t quiet_to_min;
    int64_t half_life_ms;   // of learned rewards
    double prior_weight;    // cases the prior counts for
    double reward_sd;       // spread of one case's reward
    double cop_per_reward;
    double fatigue_day;     // reward lost per contact of the last 24 h
    double fatigue_week;
    double vip_spent_cop;
    double voucher_share;
    int64_t voucher_min_cop;
    int64_t voucher_max_cop;
    int64_t message_cop;
    int64_t call_cop;
    int64_t rhythm_prior_ms;
    double mood_prior;
} customer_config;

// customer_choice is the chosen option with everything needed to explain it.
typedef struct customer_choice {
    customer_option option;
    double propensity; // probability that the draw chose it
    double mean;       // expected reward before costs
    double net;        // after fatigue and money
    double nothing;    // the same of doing nothing
    double confidence; // probability that it beats doing nothing
    double severity;
    double fatigue;
    int64_t cost_cop;
    int64_t priority;
} customer_choice;

// customer_note_order takes a new order into the profile.
void customer_note_order(customer_profile *profile, int64_t at_ms, double value_cop);
// customer_note_mood takes a tone or rating, -1..1, with its weight.
//   errors    RT_EINVAL weight negative or not finite
rt_err customer_note_mood(customer_profile *profile, int64_t at_ms, double mood,
                          double weight) RT_MUST_USE;
// customer_note_contact remembers that the customer was contacted.
void customer_note_contact(customer_profile *profile, int64_t at_ms);
// customer_note_inquiry remembers an inquiry and tells whether it is the third within 24 hours.
bool customer_note_inquiry(customer_profile *profile, int64_t at_ms);

// customer_contacts counts contacts in the `window_ms` before now.
int64_t customer_contacts(const customer_profile *profile, int64_t now_ms, int64_t window_ms);
// customer_satisfaction is the decayed mood, -1..1.
double customer_satisfaction(const customer_config *config, const customer_profile *profile,
                             int64_t now_ms);
// customer_churn_risk is the probability that the customer does not come back: recency against the
// customer's own rhythm, satisfaction and open issues.
double customer_churn_risk(const customer_config *config, const customer_profile *profile,
                           int64_t now_ms);
// customer_lifetime_cop is the goods value expected in the next year.
double customer_lifetime_cop(const customer_config *config, const customer_profile *profile,
                             int64_t now_ms);
// customer_segment_of puts a customer into a segment.
customer_segment customer_segment_of(const customer_config *config,
                                     const customer_profile *profile, int64_t now_ms);

// customer_severity says how bad the case is, 0..1.
double customer_severity(const customer_case *what);
// customer_deserves tells whether the case asks for a decision at all.
bool customer_deserves(const customer_case *what);
// customer_moot tells that delivery or cancellation settled the case: nothing is left to say.
bool customer_moot(const customer_case *what);
// customer_parse_minutes reads "20:00" as minutes after midnight.
//   errors    RT_EINVAL another form
rt_err customer_parse_minutes(rt_str text, int64_t *ret_minutes) RT_MUST_USE;
// customer_quiet_until is 0 outside the quiet hours, else the moment they end (same clock).
int64_t customer_quiet_until(const customer_config *config, int64_t now_ms, int64_t utc_offset_ms);
// customer_eligible is the set of options allowed now, bit per customer_option; nothing always is.
uint32_t customer_eligible(const customer_config *config, const customer_profile *profile,
                           const customer_case *what, int64_t now_ms);
// customer_voucher_cop is the amount of a compensation, in whole thousands of pesos.
int64_t customer_voucher_cop(const customer_config *config, const customer_case *what);
// customer_cost_cop is what an option costs.
int64_t customer_cost_cop(const customer_config *config, const customer_case *what,
                          customer_option option);
// customer_prior is the reward expected of an option before anything was learned.
double customer_prior(customer_trigger trigger, customer_option option);

// customer_choose draws once from what is believed of each eligible option (Thompson sampling on
// a normal belief about the mean reward) and takes the best draw after fatigue and money.
//   rewards   learned rewards of the case's trigger and the customer's segment, one per option
customer_choice customer_choose(const customer_config *config, const customer_profile *profile,
                                const customer_case *what,
                                const br_decayed rewards[CUSTOMER_OPTIONS], uint32_t eligible,
                                int64_t now_ms, rt_rng *rng);
// customer_learn adds a reward to an option; `first` says that it is the decision's first, so that
// several rewards of one decision add up instead of being averaged.
//   errors    RT_EINVAL the half-life is not positive
rt_err customer_learn(const customer_config *config, br_decayed *reward_of_option, double reward,
                      bool first, int64_t at_ms) RT_MUST_USE;

// customer_text writes the message to the customer (Spanish), or the note for the service team
// (call, case); empty for doing nothing.
void customer_text(const customer_case *what, customer_option option, customer_segment segment,
                   rt_str order, int64_t amount_cop, rt_text *out);

// customer_action_name is the action type of an option; "" for doing nothing.
const char *customer_action_name(customer_option option);
// customer_trigger_name, customer_segment_name and customer_detail_name are for reasons and keys.
const char *customer_trigger_name(customer_trigger trigger);
const char *customer_segment_name(customer_segment segment);
const char *customer_detail_name(customer_detail detail);
// customer_detail_of reads a reason or issue kind; CUSTOMER_DETAIL_NONE when unknown.
customer_detail customer_detail_of(rt_str text);
// customer_is_contact tells whether an action type reaches a customer.
bool customer_is_contact(rt_str action);

#endif
