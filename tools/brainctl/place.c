#include "tools/brainctl/place.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define DEFAULT_CONFIG "config/brain.yaml"

// A path as the daemon meant it.
static void
put_path(char *out, rt_str work_dir, rt_str path)
{
    bool absolute = work_dir.len == 0 || (path.len > 0 && path.ptr[0] == '/');
    (void)snprintf(out, CTL_PATH_BYTES, "%.*s%s%.*s", absolute ? 0 : (int)work_dir.len,
                   absolute ? "" : work_dir.ptr, absolute ? "" : "/", RT_STR_ARG(path));
}

// Values of flags and environment, which the file does not say.
static void
add_sets(ctl_run *run, rt_bytes params, settings_flags *flags)
{
    ctl_list list = ctl_items(params);
    rt_bytes param;
    while (ctl_next_item(&list, &param) && flags->set_count < RT_COUNT(flags->sets)) {
        rt_str origin = ctl_str(param, "origin");
        if (rt_str_is(origin, "--set") || rt_str_is(origin, "environment")) {
            flags->sets[flags->set_count++] =
                rt_arena_printf(run->arena, "%.*s=%.*s", RT_STR_ARG(ctl_str(param, "name")),
                                RT_STR_ARG(ctl_str(param, "value")))
                    .ptr;
        }
    }
}

// Asks the brain, when one is there. A brain that cannot be reached is no error here.
static bool
ask_brain(ctl_run *run, settings_flags *flags, ctl_place *place)
{
    rt_bytes answer;
    char config[CTL_PATH_BYTES];
    if (ctl_given(run, CTL_FLAG_CONFIG) || !rt_file_exists(ctl_socket_path(run)) ||
        ctl_call(run, "config.show", NULL, NULL, NULL, &answer) != CTL_OK ||
        ctl_str(answer, "config_file").len == 0) {
        return false;
    }
    rt_str work_dir = ctl_str(answer, "work_dir");
    put_path(config, work_dir, ctl_str(answer, "config_file"));
    put_path(place->playbooks, work_dir, ctl_str(answer, "playbook_dir"));
    (void)snprintf(place->playbook_prefix, CTL_PATH_BYTES, "%.*s",
                   RT_STR_ARG(ctl_str(answer, "playbook_dir")));
    put_path(place->journal, work_dir, ctl_str(answer, "data_dir"));
    flags->config_file = rt_arena_printf(run->arena, "%s", config).ptr;
    add_sets(run, ctl_raw(answer, "config"), flags);
    return true;
}

static int
refuse_settings(ctl_run *run, rt_err err, const settings *s, const char *file)
{
    if (err == RT_ENOTFOUND && !ctl_given(run, CTL_FLAG_CONFIG)) {
        return ctl_refuse(run, RT_ENOTFOUND,
                          "start it, or name its settings: --config FILE [--data DIR]",
                          "no brain answers at %s, and there is no %s", ctl_socket_path(run), file);
    }
    if (s->diag != NULL && rt_diag_errors(s->diag) > 0) {
        settings_print_findings(s);
        return ctl_refuse(run, RT_ECONFIG, "brainctl config check", "the settings are wrong");
    }
    return ctl_fail(run, err, "brainctl config check");
}

static void
set_journal(ctl_run *run, ctl_place *place)
{
    const char *journal = run->opt.values[CTL_FLAG_JOURNAL];
    const char *data = run->opt.values[CTL_FLAG_DATA];
    char root[CTL_PATH_BYTES];
    if (journal != NULL) {
        (void)snprintf(place->journal, CTL_PATH_BYTES, "%s", journal); // too long: not found
        return;
    }
    (void)snprintf(root, sizeof(root), "%s",
                   data != NULL      ? data
                   : place->is_live ? place->journal
                                    : place->settings->data_dir);
    (void)snprintf(place->journal, CTL_PATH_BYTES, "%.*s/journal", CTL_PATH_BYTES - 16, root);
}

int
ctl_place_open(ctl_run *run, ctl_place *ret_place)
{
    ctl_place place = {.settings = rt_new(settings)};
    settings_flags flags = {.config_file = run->opt.values[CTL_FLAG_CONFIG]};
    const char *from_env = getenv("CEREBRO_CONFIG");
    place.is_live = ask_brain(run, &flags, &place);
    if (flags.config_file == NULL) {
        flags.config_file = from_env != NULL && from_env[0] != '\0' ? from_env : DEFAULT_CONFIG;
    }
    rt_err err = settings_load(&flags, place.settings);
    if (err != RT_OK) {
        int code = refuse_settings(run, err, place.settings, flags.config_file);
        ctl_place_close(&place);
        return code;
    }
    if (!place.is_live && place.settings->playbook_dir != NULL) {
        (void)snprintf(place.playbooks, sizeof(place.playbooks), "%s",
                       place.settings->playbook_dir);
    }
    set_journal(run, &place);
    *ret_place = place;
    return CTL_OK;
}

bool
ctl_place_known(const ctl_run *run)
{
    const char *from_env = getenv("CEREBRO_CONFIG");
    bool is_named = ctl_given(run, CTL_FLAG_CONFIG) || (from_env != NULL && from_env[0] != '\0');
    return is_named || rt_file_exists(ctl_socket_path(run)) || rt_file_exists(DEFAULT_CONFIG);
}

void
ctl_place_close(ctl_place *place)
{
    settings_free(place->settings);
    rt_free(place->settings);
    place->settings = NULL;
}

int
ctl_period_since(ctl_run *run, int64_t last_at_ms, int64_t *ret_since_ms)
{
    const char *since = run->opt.values[CTL_FLAG_SINCE];
    const char *last = run->opt.values[CTL_FLAG_LAST];
    const char *given = since != NULL ? since : last;
    int64_t span_ms;
    *ret_since_ms = 0;
    if (given == NULL) {
        return CTL_OK;
    }
    if (since != NULL && last != NULL) {
        return ctl_refuse(run, RT_EINVAL, NULL, "--since or --last, not both");
    }
    if (rt_parse_duration_ms(rt_str_of(given), &span_ms) == RT_OK) {
        *ret_since_ms = last_at_ms - span_ms;
        return CTL_OK;
    }
    if (since != NULL && rt_parse_rfc3339(rt_str_of(since), ret_since_ms) == RT_OK) {
        return CTL_OK;
    }
    return ctl_refuse(run, RT_EINVAL, "--last 7d, --since 36h or --since 2026-11-20T00:00:00-05:00",
                      "'%s' is no time", given);
}
