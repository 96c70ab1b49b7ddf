// brain/playbook/playbook.h: the live set of playbooks: compiled, versioned, consulted per event.
//
// Layer: brain/playbook (may use runtime/**, brain/expr, brain/pack).   Threads: a set is immutable
// once compiled.
// A set is the whole directory of playbook files, compiled together or not at all. Rules are
// indexed by event type, and by the texts that their conditions compare a variable with (index.c),
// so that an event costs only the rules that it may set off. Every key stands in keys.c, and for
// operators in playbooks/README.md. What lasts longer than one event (patterns, holds, approvals,
// budgets, actions in order) goes on when an event is decided: course.h.
#ifndef CEREBRO_BRAIN_PLAYBOOK_PLAYBOOK_H
#define CEREBRO_BRAIN_PLAYBOOK_PLAYBOOK_H

#include "brain/core/core_msgs.h"
#include "brain/pack/situation.h"

#define BR_PLAYBOOKS_MAX 2048
#define BR_PLAYBOOK_BYTES_MAX 65536 // of one file
#define BR_PLAYBOOK_VALUES_MAX 4096 // of one file: texts, lists and maps
#define BR_PLAYBOOK_ID_MAX 48 // bytes: "playbook:<id>" owns timers, whose owner has at most 64
#define BR_PLAYBOOK_STEPS_MAX 8
#define BR_PLAYBOOK_EVENTS_MAX 16
#define BR_TESTS_MAX 32      // cases of one playbook
#define BR_TEST_STEPS_MAX 32 // of one case
#define BR_CONSULTED_MAX 64 // rules looked at for one event
#define BR_RULES_MAX 4096   // that hear one event type
#define BR_INDEX_SLOTS_MAX 8 // variables by which an event type's rules are found
#define BR_CONSULTATION_BYTES_MAX (512u * 1024) // of one event's playbooks; more is not looked at
#define BR_ELEMENTS_MAX 8   // parts of a pattern
#define BR_CAPTURES_MAX 8   // values kept of each
#define BR_COUNT_MAX 256    // `at_least` of a count
#define BR_WINDOWS_MAX 1000000 // `max_keys` of a pattern
#define BR_COLLECT_MAX 10000 // events that one throttle collects
#define BR_BUDGETS_MAX 8   // of a playbook
#define BR_BRANCHES_MAX 16 // of first_match
#define BR_POLICY_ACTIONS_MAX 8
#define BR_POLICY_FEATURES_MAX 15 // and the bias
#define BR_POLICY_OPEN_MAX 8      // choices about one key that wait for a reward
#define BR_ARMS_OF_EXPERIMENT_MAX 8
#define BR_PARAMS_MAX 8    // of an arm
#define BR_ROLES_MAX 8     // that may approve
#define BR_QUORUM_MAX 8    // who have to agree

typedef enum br_playbook_mode {
    BR_MODE_OFF,
    BR_MODE_SHADOW,
    BR_MODE_CANARY,
    BR_MODE_LIVE,
} br_playbook_mode;

typedef struct br_playbook_file {
    rt_str name; // as shown in findings and stored in the journal
    rt_str text;
} br_playbook_file;

typedef struct br_playbook_info {
    rt_str id;
    rt_str doc;
    rt_str owner;
    rt_str file;
    rt_str kind; // "playbook" or "remediation"
    br_playbook_mode mode;
    uint32_t events;
    int64_t throttle_ms;
} br_playbook_info;

typedef struct br_playbooks br_playbooks;

// The event that says, for each tenant, that a set with schedules is live; each gets its time then.
#define BR_SCHEDULES_LIVE "playbooks.scheduled"

// br_playbooks_compile checks and compiles a whole set; files and texts are copied.
//   errors    RT_ECONFIG findings in `diag` (codes B20xx, expressions B21xx, remediation B23xx)
rt_err br_playbooks_compile(const br_pack *pack, const br_playbook_file *files, size_t count,
                            uint64_t version, rt_diag *diag, br_playbooks **ret) RT_MUST_USE;
// br_playbooks_restore compiles a set that was live before: what checks of today refuse because it
// makes no sense (a condition that is never true) was accepted then, and only warns.
//   errors    as br_playbooks_compile
rt_err br_playbooks_restore(const br_pack *pack, const br_playbook_file *files, size_t count,
                            uint64_t version, rt_diag *diag, br_playbooks **ret) RT_MUST_USE;
// br_playbooks_act lets playbooks in shadow or canary act as if they were live, lets policies
// choose what is best without exploring, and looks at every rule, also at those that the index
// rules out: for their cases.
void br_playbooks_act(br_playbooks *set);
// br_playbooks_free releases a set; NULL is fine.
void br_playbooks_free(br_playbooks *set);
// br_playbooks_version is the number it was compiled with.
uint64_t br_playbooks_version(const br_playbooks *set);
// br_playbooks_scheduled is the number of playbooks that fire by the clock.
size_t br_playbooks_scheduled(const br_playbooks *set);
// br_playbooks_count and br_playbooks_info list the set.
size_t br_playbooks_count(const br_playbooks *set);
br_playbook_info br_playbooks_info(const br_playbooks *set, size_t index);
// br_playbooks_file_count and br_playbooks_file give back the texts.
size_t br_playbooks_file_count(const br_playbooks *set);
br_playbook_file br_playbooks_file(const br_playbooks *set, size_t index);
// br_playbooks_hash is a hash over names and texts of the files.
uint64_t br_playbooks_hash(const br_playbook_file *files, size_t count);
// br_playbooks_hears tells whether any rule names the event type (a timer.fired may be a
// verification and is always heard).
bool br_playbooks_hears(const br_playbooks *set, const rt_event_type *type);
// br_playbooks_consult evaluates the rules of the event's type that its index does not rule out:
// those are false. Everything returned lives in
// `arena`; a rule whose actions cannot be built (a missing field in a template) is reported as
// an error in `consulted`, never half done.
//   errors    RT_ENOMEM the arena's limit: the consultation is empty
rt_err br_playbooks_consult(const br_playbooks *set, const br_situation *situation, rt_arena *arena,
                            msg_consultation *ret) RT_MUST_USE;
// br_playbooks_approval tells who has to agree to what a playbook asks for.
//   returns   the number of roles, in ret_roles; 0 = everyone may
uint32_t br_playbooks_approval(const br_playbooks *set, rt_str id, rt_str ret_roles[BR_ROLES_MAX],
                               uint32_t *ret_quorum);
// br_playbooks_text_hash is a hash of what a playbook says, whatever its layout; 0 when unknown.
uint64_t br_playbooks_text_hash(const br_playbooks *set, rt_str id);
// br_playbooks_throttle_ms is the throttle period of a playbook; 0 without or when unknown.
int64_t br_playbooks_throttle_ms(const br_playbooks *set, rt_str id);

#endif
