// The daemon's configuration: brain.yaml and agents.yaml, on the simulated disk.
//
// The input is brain.yaml; behind SEPARATOR may stand agents.yaml, behind another one lines of
// --set. Whatever is accepted lies within the bounds of its parameter, and everything else is a
// finding.
#include "runtime/seam/file.h"
#include "runtime/sim/sim.h"
#include "tests/fuzz/fuzz.h"
#include "tools/braind/settings.h"

#define SEPARATOR "%%%\n"
#define FOLDER "/etc/cerebro/"
#define DAY_MS ((int64_t)24 * 3600 * 1000)

static const char pack[] = "kind: catalog\nevents:\n  timer.fired:\n    fields:\n"
                           "      owner: {type: str}\n";

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    sim_reset(1);
    RT_ASSERT(rt_dir_make(FOLDER "packs/core") == RT_OK);
    RT_ASSERT(rt_file_replace(FOLDER "packs/core/catalog.yaml", rt_bytes_of_str(rt_str_of(pack))) ==
              RT_OK);
    return 0;
}

static void
write(const char *path, rt_str text)
{
    RT_ASSERT(rt_file_replace(path, rt_bytes_of_str(text)) == RT_OK);
}

static void
on_param(void *user, const rt_param *param, const char *value, const char *origin)
{
    rt_param_value read;

    (void)user;
    RT_ASSERT(origin[0] != '\0');
    RT_ASSERT(rt_param_parse(param, rt_str_of(value), &read) == RT_OK);
}

static void
check_settings(settings *s)
{
    br_gate_config gate = settings_gate(s);

    rt_config_each(s->config, on_param, NULL);
    RT_ASSERT(s->tenant_count > 0 && s->tenant_count <= RT_TENANT_MAX && s->host_count > 0);
    RT_ASSERT(gate.quiet_from_min >= 0 && gate.quiet_from_min < 24 * 60);
    RT_ASSERT(gate.quiet_until_min >= 0 && gate.quiet_until_min < 24 * 60);
    for (size_t i = 0; i < s->tenant_count; i++) {
        RT_ASSERT(s->tenants[i].number > 0 && s->tenants[i].number < RT_TENANT_MAX);
        RT_ASSERT(s->tenants[i].utc_offset_ms > -DAY_MS && s->tenants[i].utc_offset_ms < DAY_MS);
        for (size_t j = 0; j < i; j++) {
            RT_ASSERT(s->tenants[i].number != s->tenants[j].number);
        }
    }
    for (size_t i = 0; i < s->webhook_count; i++) {
        RT_ASSERT(s->webhooks[i].attempts > 0 && s->webhooks[i].timeout_ms >= 0);
    }
    for (size_t i = 0; i < s->host_count; i++) {
        br_host_config host = settings_host_config(s, &s->hosts[i]);

        RT_ASSERT(host.name != NULL && host.url != NULL);
    }
    (void)settings_state(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static settings loaded;
    static char sets[8][256];
    settings_flags flags = {.config_file = FOLDER "brain.yaml"};
    fuzz_in in = {data, size};
    rt_str text = RT_STR("");
    rt_err err = RT_OK;

    (void)fuzz_until(&in, RT_STR(SEPARATOR), &text);
    write(FOLDER "brain.yaml", text);
    if (fuzz_until(&in, RT_STR(SEPARATOR), &text)) {
        write(FOLDER "agents.yaml", text);
    } else {
        RT_IGNORE(rt_file_remove(FOLDER "agents.yaml")); // the run before may have left none
    }
    while (flags.set_count < RT_COUNT(sets) && fuzz_until(&in, RT_STR("\n"), &text)) {
        size_t len = RT_MIN(text.len, sizeof(sets[0]) - 1);

        memcpy(sets[flags.set_count], text.ptr, len);
        sets[flags.set_count][len] = '\0';
        flags.sets[flags.set_count] = sets[flags.set_count];
        flags.set_count++;
    }
    err = settings_load(&flags, &loaded);
    if (err == RT_OK) {
        RT_ASSERT(rt_diag_errors(loaded.diag) == 0);
        check_settings(&loaded);
    } else {
        RT_ASSERT(rt_diag_errors(loaded.diag) > 0 || rt_err_detail()[0] != '\0');
    }
    fuzz_diag_sound(loaded.diag);
    settings_free(&loaded);
    return 0;
}
