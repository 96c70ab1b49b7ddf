// Reads the block `guardrails` of a canary; its keys.
#include "brain/math/proportion.h"
#include "brain/playbook/guard.h"
#include "brain/playbook/internal.h"
#include "brain/playbook/keys.h"

static const char *const names[BR_GUARDS] = {"errors", "failed_actions", "failed_verifications"};
static const char *const modes[] = {"shadow", "off", NULL};

static const br_key keys[] = {
    {.name = "errors",
     .forms = BR_KEY_NUMBER,
     .min = 0,
     .max = 1,
     .doc = "largest share of times that it could not be judged, of those that it was to act",
     .example = "0.05"},
    {.name = "failed_actions",
     .forms = BR_KEY_NUMBER,
     .min = 0,
     .max = 1,
     .doc = "largest share of its actions that fail, of those that ended",
     .example = "0.1"},
    {.name = "failed_verifications",
     .forms = BR_KEY_NUMBER,
     .min = 0,
     .max = 1,
     .doc = "largest share of its verifications that do not hold",
     .example = "0.2"},
    {.name = "min_sample",
     .forms = BR_KEY_INT,
     .min = 1,
     .max = 1e6,
     .fallback = "20",
     .doc = "fewer than so many say nothing",
     .example = "50"},
    {.name = "certainty",
     .forms = BR_KEY_NUMBER,
     .min = 0.5,
     .max = 0.999,
     .fallback = "0.95",
     .doc = "how sure it has to be that the share is larger (Wilson's interval)",
     .example = "0.9"},
    {.name = "to",
     .forms = BR_KEY_ONE_OF,
     .fallback = "shadow",
     .choices = modes,
     .doc = "its mode then: shadow or off, until an operator sets another or the file changes",
     .example = "off"},
    {0},
};

const br_block br_block_guardrails = {
    .name = "guardrails",
    .doc = "a canary that does badly is rolled back by itself; one of the three shares at least",
    .keys = keys,
    .unknown = "B2001",
    .missing = "B2010",
    .shape = "B2024",
    .range = "B2004"};

void
br__load_guardrails(const br_loading *l, const rt_node *node)
{
    br_guardrails *g = &l->playbook->guardrails;
    for (uint32_t i = 0; i < BR_GUARDS; i++) {
        bool is_set = br_key_node(node, names[i]) != NULL;
        g->most[i] = is_set ? br_key_f64(&br_block_guardrails, node, names[i]) : -1;
        g->on = g->on || is_set;
    }
    g->min_sample = (uint64_t)br_key_i64(&br_block_guardrails, node, "min_sample");
    g->z = br_certainty_z(br_key_f64(&br_block_guardrails, node, "certainty"));
    g->to = br_key_choice(&br_block_guardrails, node, "to") == 1 ? BR_MODE_OFF : BR_MODE_SHADOW;
    l->set->is_guarded = l->set->is_guarded || g->on;
    if (!g->on) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2056", node->mark, "for example errors: 0.05",
                    "these guardrails watch nothing");
    }
}

void
br__check_guardrails(const br_loading *l, const rt_node *root)
{
    const rt_node *node = br_key_map(br_key_map(root, "canary"), "guardrails");
    const rt_node *share = br_key_node(node, names[BR_GUARD_VERIFY]);
    if (share != NULL && rt_node_get(root, "verify") == NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2057", share->mark,
                    "add verify: {within: 24h, expect: ...}",
                    "`failed_verifications` needs the block `verify`");
    }
}
