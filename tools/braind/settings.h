// tools/braind/settings.h: the daemon's settings, read from brain.yaml, environment and flags;
// shared with brain-agent, which runs agents outside the daemon from the same files.
//
// Layer: tools.   Threads: main, before anything starts.
#ifndef CEREBRO_TOOLS_BRAIND_SETTINGS_H
#define CEREBRO_TOOLS_BRAIND_SETTINGS_H

#include "brain/agent/host.h"
#include "brain/core/brain.h"
#include "runtime/config/config.h"

#define SETTINGS_AGENTS_MAX BR_HOST_AGENTS_MAX

typedef struct settings_host {
    const char *name;
    const char *url;
    bool outside;    // runs as a process of its own
    bool takes_rest; // names no agents: runs all that no other host names
    const br_agent_def *agents[SETTINGS_AGENTS_MAX];
    size_t agent_count;
} settings_host;

typedef struct settings {
    rt_config *config;
    rt_diag *diag;
    rt_arena *arena;
    br_pack *pack;
    const rt_node *overrides; // agents.yaml, or NULL
    br_tenant_config tenants[RT_TENANT_MAX];
    size_t tenant_count;
    int64_t utc_offset_ms[RT_TENANT_MAX]; // by tenant number
    settings_host hosts[BR_HOSTS_MAX];
    size_t host_count;
    br_role roles[BR_ROLES_MAX];
    size_t role_count;
    br_webhook webhooks[BR_WEBHOOKS_MAX];
    size_t webhook_count;
    const char *data_dir;
    const char *control_path;
    uint32_t control_gid; // 0: none
    const char *halt_file;
    const char *playbook_dir;
} settings;

typedef struct settings_flags {
    const char *config_file;
    const char *sets[64]; // "section.key=value"
    size_t set_count;
} settings_flags;

// settings_load reads everything and loads the pack. Findings are in ret->diag, also on success
// (warnings).
//   errors    RT_ECONFIG · RT_ENOTFOUND a file is missing (its name in the detail)
rt_err settings_load(const settings_flags *flags, settings *ret) RT_MUST_USE;
// settings_free releases everything.
void settings_free(settings *settings);
// settings_state is the configuration of the brain's state. braind and brain-verify take it from
// here alike, or a replay would not compare like with like.
br_state_config settings_state(const settings *settings);
// settings_gate is the gate's configuration; minutes are -1 when the text is not hh:mm.
br_gate_config settings_gate(const settings *settings);
// settings_brain is what br_brain_new needs; `hosts` has room for BR_HOSTS_MAX, is filled, and must
// outlive the brain, as the settings must.
br_brain_config settings_brain(settings *settings, br_host_entry *hosts);
// settings_print_findings writes what is in diag to stderr.
void settings_print_findings(const settings *settings);
// settings_log sets up logging as configured.
void settings_log(const settings *settings);
// settings_host_config is what br_host_new needs to run a host's agents.
br_host_config settings_host_config(settings *settings, const settings_host *host);
// settings_host_dir is the directory of a host's own state, in the arena.
const char *settings_host_dir(settings *settings, const settings_host *host);

#endif
