// brainctl playbooks list and reload.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/install.h"
#include "tools/brainctl/local_pack.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/sets.h"

int
ctl_cmd_playbooks_list(ctl_run *run)
{
    static const ctl_column columns[] = {
        {"PLAYBOOK", false, 0}, {"MODE", false, 0},  {"KIND", false, 0}, {"EVENTS", true, 0},
        {"THROTTLE", true, 0},  {"OWNER", false, 0}, {"DOC", false, 0}};
    rt_bytes answer;
    rt_bytes playbook;
    ctl_grid grid;
    char throttle[64];
    if (ctl_given(run, CTL_FLAG_AT) || ctl_given(run, CTL_FLAG_DATA) ||
        ctl_given(run, CTL_FLAG_JOURNAL) || ctl_given(run, CTL_FLAG_CONFIG)) {
        return ctl_list_at(run);
    }
    int code = ctl_call(run, "playbooks.list", NULL, NULL, NULL, &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    ctl_list list = ctl_items(ctl_raw(answer, "playbooks"));
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&list, &playbook)) {
        rt_str mode = ctl_str(playbook, "mode");
        int64_t ms = ctl_i64(playbook, "throttle_ms");
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(playbook, "id"));
        bool guarded = rt_str_is(ctl_str(playbook, "set.by"), "guardrails");
        ctl_grid_printf(&grid, rt_str_is(mode, "live") ? CTL_GREEN : CTL_YELLOW, "%.*s%s",
                        RT_STR_ARG(mode), guarded ? " (guardrails)" : "");
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(playbook, "kind"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu",
                        (unsigned long long)ctl_u64(playbook, "events"));
        ctl_grid_cstr(&grid, CTL_PLAIN,
                      ms > 0 ? rt_format_duration(ms, throttle, sizeof(throttle)) : "-");
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(playbook, "owner"));
        ctl_grid_str(&grid, CTL_DIM, ctl_str(playbook, "doc"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
    return CTL_OK;
}

int
ctl_cmd_playbooks_reload(ctl_run *run)
{
    rt_bytes answer;
    char fine[128];
    int code = ctl_reload(run, "reload", &answer);
    if (code != CTL_OK) {
        return code;
    }
    unsigned long long version = ctl_u64(answer, "version");
    if (ctl_bool(answer, "changed")) {
        (void)snprintf(fine, sizeof(fine), "playbooks v%llu go live (was v%llu), %llu in the set\n",
                       version, (unsigned long long)ctl_u64(answer, "was"),
                       (unsigned long long)ctl_u64(answer, "playbooks"));
    } else {
        (void)snprintf(fine, sizeof(fine), "nothing changed, v%llu stays live\n", version);
    }
    return ctl_put_findings(run, answer, fine);
}
