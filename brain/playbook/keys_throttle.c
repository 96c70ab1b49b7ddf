// The keys of what keeps a playbook from acting too often: throttle, collect, until.
#include "brain/playbook/keys.h"

#include "brain/playbook/playbook.h"

#define DAYS_MS(n) ((n)*24.0 * 60 * 60 * 1000)

#define PLAYBOOK_CODES \
    .unknown = "B2001", .missing = "B2010", .shape = "B2024", .range = "B2004"

static const char *const forms[] = {"per", "collect", NULL};

static const br_key throttle_keys[] = {
    {.name = "key",
     .forms = BR_KEY_EXPRESSION,
     .required = true,
     .doc = "an expression with a text; the playbook fires at most once per key and period",
     .example = "event.subject"},
    {.name = "per",
     .forms = BR_KEY_DURATION,
     .min = 1,
     .max = DAYS_MS(366),
     .doc = "the period",
     .example = "6h"},
    {.name = "collect",
     .forms = BR_KEY_BLOCK,
     .block = &br_block_collect,
     .doc = "it acts once on all that come in a time, and not on each of them",
     .example = "{within: 30m}"},
    {.name = "until",
     .forms = BR_KEY_BLOCK,
     .block = &br_block_until,
     .doc = "the period ends early when this event comes",
     .example = "{event: issue.resolved}"},
    {0},
};

const br_block br_block_throttle = {.name = "throttle",
                                    .doc = "how often the playbook may fire; durable",
                                    .keys = throttle_keys,
                                    .any = forms,
                                    PLAYBOOK_CODES};

static const br_key collect_keys[] = {
    {.name = "within",
     .forms = BR_KEY_DURATION,
     .required = true,
     .min = 1000,
     .max = DAYS_MS(31),
     .doc = "how long it collects, from the first event; then it acts once",
     .example = "30m"},
    {.name = "up_to",
     .forms = BR_KEY_INT,
     .min = 2,
     .max = BR_COLLECT_MAX,
     .doc = "it acts at once when so many have come",
     .example = "50"},
    {.name = "at_least",
     .forms = BR_KEY_INT,
     .min = 1,
     .max = BR_COLLECT_MAX,
     .fallback = "1",
     .doc = "with fewer it does not act at all",
     .example = "3"},
    {.name = "max_keys",
     .forms = BR_KEY_INT,
     .min = 1,
     .max = BR_WINDOWS_MAX,
     .fallback = "10000",
     .doc = "for how many keys it collects at once; further ones are not begun, and it says so",
     .example = "50000"},
    {0},
};

const br_block br_block_collect = {
    .name = "collect",
    .doc = "events put together: collected.count, .first_at, .last_at and .subjects; durable",
    .keys = collect_keys,
    PLAYBOOK_CODES};

static const br_key until_keys[] = {
    {.name = "event",
     .forms = BR_KEY_EVENT,
     .required = true,
     .doc = "a type of the catalogue",
     .example = "issue.resolved"},
    {.name = "when",
     .forms = BR_KEY_EXPRESSION,
     .doc = "only then; without it, always",
     .example = "data.solved"},
    {.name = "key",
     .forms = BR_KEY_EXPRESSION,
     .doc = "the throttle's key where this event says it otherwise",
     .example = "event.subject"},
    {0},
};

const br_block br_block_until = {.name = "until",
                                 .doc = "what ends the period of a throttle",
                                 .keys = until_keys,
                                 PLAYBOOK_CODES};
