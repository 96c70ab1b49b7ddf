// brain/playbook/remediation.h: a remediation playbook: what to try, in order, against an anomaly.
//
// Layer: brain/playbook (may use runtime/**, brain/expr).   Threads: immutable once parsed.
// The self-healing agent runs these: it proposes a step, waits on the brain's clock, looks whether
// the anomaly was cleared, goes on to the next step when it was not, and asks a human at the end.
// Form of a file:
//
//   kind: remediation
//   id: carrier-failure
//   doc: A carrier stopped delivering.
//   owner: operaciones
//   for: carrier_failure          # kind of anomaly
//   when: data.score > 0.7        # optional, over the fields of anomaly.detected
//   priority: 80                  # 0..100
//   steps:
//     - action: pause_carrier
//       target: ${data.scope}
//       args: {hours: 6, reason: "${data.metric} is ${data.value}"}
//       wait: 20m                 # verified after that long
//       note: Give it no new orders.
//   escalate: {text: "${data.scope} keeps failing", severity: critical}
//
// An unquoted number or true/false is a number or boolean argument, everything else is text.
// Placeholders: ${data.<field of anomaly.detected>}, ${event.subject}, ${scope.kind}, ${scope.key}.
#ifndef CEREBRO_BRAIN_PLAYBOOK_REMEDIATION_H
#define CEREBRO_BRAIN_PLAYBOOK_REMEDIATION_H

#include "brain/expr/expr.h"
#include "runtime/base/text.h"
#include "runtime/wire/diag.h"
#include "runtime/wire/value.h"
#include "runtime/wire/yaml.h"

#define BR_REMEDIATION_STEPS_MAX 16
#define BR_REMEDIATION_ARGS_MAX 16
#define BR_REMEDIATION_ID_MAX 64
#define BR_REMEDIATION_TEXT_MAX 512 // of a template and of what it becomes
#define BR_REMEDIATION_WAIT_DEFAULT_MS (20 * 60 * 1000)

typedef struct br_remediation_arg {
    rt_str name;
    rt_value value; // text may hold placeholders
} br_remediation_arg;

typedef struct br_remediation_step {
    rt_str action;
    rt_mark action_mark;
    rt_str target; // with placeholders; empty = the anomaly's scope
    rt_str note;
    int64_t wait_ms;
    br_remediation_arg args[BR_REMEDIATION_ARGS_MAX];
    uint32_t arg_count;
} br_remediation_step;

typedef struct br_remediation {
    rt_arena *arena; // holds all texts; NULL when they are another's
    rt_str id;
    rt_str doc;
    rt_str owner;
    rt_str anomaly; // `for`
    br_expr *when;  // NULL = always
    int64_t priority;
    br_remediation_step steps[BR_REMEDIATION_STEPS_MAX];
    uint32_t step_count;
    rt_str escalate_text; // with placeholders
    rt_str escalate_severity;
} br_remediation;

// br_remediation_lookup gives the text of a placeholder such as "data.scope"; false = absent.
typedef bool (*br_remediation_lookup)(void *user, rt_str path, rt_text *out);

// br_remediation_parse reads and checks one file.
//   ret       gives; free with br_remediation_free; untouched on failure
//   errors    RT_ECONFIG findings in `diag` (B2301 unknown key · B2302 missing · B2303 value ·
//             B2304 steps · B2305 argument · B2306 placeholder · B21xx condition) · RT_ENOMEM
rt_err br_remediation_parse(const char *file, rt_str text, rt_diag *diag,
                            br_remediation **ret) RT_MUST_USE;
// br_remediation_of does so for a document that was read already; its findings belong to the file
// that `diag` was last told of.
//   owns      nothing of `root`, which must outlive `ret`
//   errors    RT_ECONFIG as above · RT_ENOMEM
rt_err br_remediation_of(const char *file, const rt_node *root, rt_diag *diag,
                         br_remediation **ret) RT_MUST_USE;
// br_remediation_value reads an argument: an unquoted number or truth value is one, everything else
// is text.
rt_value br_remediation_value(const rt_node *node);
// br_remediation_free releases it; NULL is fine.
void br_remediation_free(br_remediation *remediation);
// br_remediation_applies evaluates `when`; a condition without a value (absent field) is false.
//   field     gives a field of anomaly.detected by name, NONE when it is absent
bool br_remediation_applies(const br_remediation *remediation,
                            rt_value (*field)(const void *user, const char *name),
                            const void *user);
// br_remediation_fill writes a template with its placeholders replaced.
//   errors    RT_EMISSING a placeholder has no value (named) · RT_ELIMIT longer than `out` allows
rt_err br_remediation_fill(rt_str source, br_remediation_lookup lookup, void *user,
                           rt_text *out) RT_MUST_USE;

#endif
