// brainctl errors list and explain: what the codes of findings mean.
#include "brain/playbook/findings.h"
#include "runtime/wire/json.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/value.h"

#define CODES_MAX 512

static void
put_json(ctl_run *run, const br_code *code)
{
    ctl_map map = ctl_map_begin(16384);
    ctl_map_str(&map, "code", rt_str_of(code->code));
    ctl_map_str(&map, "title", rt_str_of(code->title));
    ctl_map_str(&map, "explanation", rt_str_of(code->explanation));
    if (run->command->args_max == 0) {
        ctl_list_item(run, ctl_map_end(&map));
    } else {
        ctl_put_json(run, ctl_map_end(&map));
    }
    ctl_map_fini(&map);
}

int
ctl_cmd_errors_list(ctl_run *run)
{
    static const ctl_column columns[] = {{"CODE", false, 0}, {"MEANS", false, 0}};
    ctl_grid grid;
    if (ctl_is_json(run)) {
        ctl_list_begin(run);
        for (size_t i = 0; i < br_code_count(); i++) {
            put_json(run, br_code_at(i));
        }
        ctl_list_end(run);
        return CTL_OK;
    }
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    for (size_t i = 0; i < br_code_count(); i++) {
        ctl_grid_cstr(&grid, CTL_BOLD, br_code_at(i)->code);
        ctl_grid_cstr(&grid, CTL_PLAIN, br_code_at(i)->title);
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
    return CTL_OK;
}

int
ctl_cmd_errors_explain(ctl_run *run)
{
    const br_code *code = br_code_find(rt_str_of(run->args[0]));
    rt_str names[CODES_MAX];
    char help[64];
    if (code == NULL) {
        size_t count = RT_MIN(br_code_count(), RT_COUNT(names));
        for (size_t i = 0; i < count; i++) {
            names[i] = rt_str_of(br_code_at(i)->code);
        }
        return ctl_refuse(run, RT_ENOTFOUND,
                          rt_diag_did_you_mean(rt_str_of(run->args[0]), names, count, help,
                                               sizeof(help)),
                          "no finding has the code '%s'", run->args[0]);
    }
    if (ctl_is_json(run)) {
        put_json(run, code);
    } else {
        ctl_say(run, "%s: %s\n%s\n", code->code, code->title, code->explanation);
    }
    return CTL_OK;
}
