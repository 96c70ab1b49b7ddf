// The keys of what bounds a playbook: canary, budget, calendar, approve.
#include "brain/playbook/keys.h"

#include "brain/playbook/playbook.h"

#define DAYS_MS(n) ((n)*24.0 * 60 * 60 * 1000)

#define PLAYBOOK_CODES \
    .unknown = "B2001", .missing = "B2010", .shape = "B2024", .range = "B2004"

static const char *const kinds[] = {"actions", "contacts", "cost_cop", NULL};
static const char *const exceeds[] = {"drop", "hold", "ask", NULL};
static const char *const closings[] = {"drop", "hold", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const char *const endings[] = {"deny", "escalate", NULL};

static const br_key canary_keys[] = {
    {.name = "percent",
     .forms = BR_KEY_NUMBER,
     .required = true,
     .min = 0,
     .max = 100,
     .doc = "for so many of a hundred keys it acts, for the others it is in shadow",
     .example = "10"},
    {.name = "by",
     .forms = BR_KEY_EXPRESSION,
     .fallback = "event.subject",
     .doc = "an expression with a text: what falls to one side or the other",
     .example = "order.customer_id"},
    {.name = "guardrails",
     .forms = BR_KEY_BLOCK,
     .block = &br_block_guardrails,
     .doc = "what rolls it back by itself",
     .example = "{errors: 0.05, failed_verifications: 0.2}"},
    {0},
};

const br_block br_block_canary = {.name = "canary",
                                  .doc = "for which share it acts; the same keys every time",
                                  .keys = canary_keys,
                                  PLAYBOOK_CODES};

static const br_key budget_keys[] = {
    {.name = "what",
     .forms = BR_KEY_ONE_OF,
     .required = true,
     .choices = kinds,
     .doc = "what is counted: actions, those that reach a customer, or their cost_cop",
     .example = "contacts"},
    {.name = "per",
     .forms = BR_KEY_EXPRESSION,
     .doc = "an expression with a text: each has a budget of its own; without it one for all",
     .example = "order.customer_id"},
    {.name = "limit",
     .forms = BR_KEY_INT,
     .required = true,
     .min = 1,
     .max = 1e12,
     .doc = "so much within the window",
     .example = "2"},
    {.name = "window",
     .forms = BR_KEY_DURATION,
     .required = true,
     .min = 60e3,
     .max = DAYS_MS(366),
     .doc = "any time of this length, never more than the limit",
     .example = "7d"},
    {.name = "on_exceed",
     .forms = BR_KEY_ONE_OF,
     .fallback = "drop",
     .choices = exceeds,
     .doc = "drop: not done; hold: looked at again later; ask: somebody has to agree",
     .example = "ask"},
    {0},
};

const br_block br_block_budget = {.name = "budget",
                                  .doc = "how much a playbook may do in a time; durable",
                                  .keys = budget_keys,
                                  PLAYBOOK_CODES};

static const br_key calendar_keys[] = {
    {.name = "from",
     .forms = BR_KEY_TEXT,
     .doc = "hour from which it may act",
     .example = "08:00"},
    {.name = "until",
     .forms = BR_KEY_TEXT,
     .doc = "hour until which; before `from` means over midnight",
     .example = "18:00"},
    {.name = "days",
     .items = BR_KEY_ONE_OF,
     .min = 1,
     .max = 7,
     .choices = weekdays,
     .doc = "weekdays on which it may; without it all",
     .example = "[mon, tue, wed, thu, fri, sat]"},
    {.name = "holidays",
     .forms = BR_KEY_BOOL,
     .fallback = "true",
     .doc = "false: not on public holidays of Colombia",
     .example = "false"},
    {.name = "zone",
     .forms = BR_KEY_TEXT,
     .fallback = "America/Bogota",
     .doc = "time zone of the hours",
     .example = "America/Bogota"},
    {.name = "closed",
     .forms = BR_KEY_ONE_OF,
     .fallback = "hold",
     .choices = closings,
     .doc = "at other times: hold = looked at again when it opens; drop = not done",
     .example = "drop"},
    {.name = "quiet",
     .forms = BR_KEY_ONE_OF,
     .fallback = "drop",
     .choices = closings,
     .doc = "what reaches a customer in the quiet hours: hold or drop",
     .example = "hold"},
    {.name = "at_most",
     .forms = BR_KEY_DURATION,
     .min = 60e3,
     .max = DAYS_MS(31),
     .fallback = "3d",
     .doc = "what is held longer is dropped",
     .example = "24h"},
    {0},
};

const br_block br_block_calendar = {
    .name = "calendar",
    .doc = "when it may act; what is held is asked again, with what is known then",
    .keys = calendar_keys,
    PLAYBOOK_CODES};

static const br_key approve_keys[] = {
    {.name = "when",
     .forms = BR_KEY_EXPRESSION,
     .doc = "only then it asks; without it, always",
     .example = "data.value > 500000.0"},
    {.name = "roles",
     .items = BR_KEY_TEXT,
     .min = 1,
     .max = BR_ROLES_MAX,
     .doc = "who may agree, as roles of brain.yaml; without it every operator",
     .example = "[supervisor]"},
    {.name = "quorum",
     .forms = BR_KEY_INT,
     .min = 1,
     .max = BR_QUORUM_MAX,
     .fallback = "1",
     .doc = "so many different people have to agree",
     .example = "2"},
    {.name = "ttl",
     .forms = BR_KEY_DURATION,
     .required = true,
     .min = 60e3,
     .max = DAYS_MS(31),
     .doc = "how long it waits for an answer",
     .example = "2h"},
    {.name = "on_timeout",
     .forms = BR_KEY_ONE_OF,
     .fallback = "deny",
     .choices = endings,
     .doc = "without an answer: deny = nothing is done; escalate = the block `escalate`",
     .example = "escalate"},
    {0},
};

const br_block br_block_approve = {
    .name = "approve",
    .doc = "somebody has to agree to exactly these actions, arguments and version",
    .keys = approve_keys,
    PLAYBOOK_CODES};
