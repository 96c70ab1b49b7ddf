// customer/config.h: the customer agent's tunables.
//
// Layer: agents/customer.   Threads: any (constants).
#ifndef CEREBRO_AGENTS_CUSTOMER_CONFIG_H
#define CEREBRO_AGENTS_CUSTOMER_CONFIG_H

#include "agents/customer/policy.h"
#include "brain/agent/agent.h"

#define CUSTOMER_PARAM_COUNT 24

extern const rt_param customer_params[CUSTOMER_PARAM_COUNT];

// customer_config_read fills what the policy goes by.
//   errors    RT_ECONFIG the quiet hours are no times of day
rt_err customer_config_read(const br_agent *self, customer_config *ret_config) RT_MUST_USE;

#endif
