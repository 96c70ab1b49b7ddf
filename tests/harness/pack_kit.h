// harness/pack_kit.h: real and small packs, and events of theirs, for tests of the brain.
//
// Layer: tests (links brain).   Threads: one.
// The built-in pack `core` is part of every pack made here, as in the daemon. Files are read with
// stdio, so that a test on the simulated disk has them too.
#ifndef CEREBRO_TESTS_HARNESS_PACK_KIT_H
#define CEREBRO_TESTS_HARNESS_PACK_KIT_H

#include "brain/pack/situation.h"
#include "runtime/base/alloc.h"
#include "runtime/wire/json.h"
#include "tests/harness/drive.h"

#define PACK_KIT_TENANT ((rt_tenant){1})

// pack_kit_load loads one file of the source tree.
static inline void
pack_kit_load(br_pack *pack, const char *file, rt_diag *diag)
{
    char *text = drive_read(file);

    if (br_pack_load(pack, file, rt_str_of(text), diag) != RT_OK) {
        drive_report(diag);
    }
    rt_free(text);
}

// pack_kit_of makes a finished pack of `core` and these texts; the caller frees it.
static inline br_pack *
pack_kit_of(const char *const *texts, size_t count)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    pack_kit_load(pack, "config/packs/core/catalog.yaml", diag);
    for (size_t i = 0; i < count; i++) {
        if (br_pack_load(pack, "pack.yaml", rt_str_of(texts[i]), diag) != RT_OK) {
            drive_report(diag);
        }
    }
    if (br_pack_finish(pack, diag) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return pack;
}

// pack_kit_real makes the pack of the source tree; the caller frees it.
static inline br_pack *
pack_kit_real(void)
{
    static const char *const files[] = {
        "config/packs/core/catalog.yaml",      "config/packs/logistics/actions.yaml",
        "config/packs/logistics/catalog.yaml", "config/packs/logistics/entities.yaml",
        "config/packs/logistics/features.yaml", "config/packs/logistics/calendars.yaml"};
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    for (size_t i = 0; i < RT_COUNT(files); i++) {
        pack_kit_load(pack, files[i], diag);
    }
    if (br_pack_finish(pack, diag) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return pack;
}

// pack_kit_event decodes an event from JSON; it views `w`.
static inline void
pack_kit_event(const br_pack *pack, const char *json, rt_mpw *w, rt_event *ret_event)
{
    rt_reject reject = {0};
    rt_mp mp;

    rt_mpw_clear(w);
    CHECK_OK(rt_json_to_mp(rt_str_of(json), w));
    mp = rt_mp_init(rt_mpw_view(w));
    if (rt_event_decode(br_pack_catalog(pack), &mp, ret_event, &reject) != RT_OK) {
        fail_msg("%s: %s", reject.path, reject.text);
    }
    ret_event->tenant = PACK_KIT_TENANT;
}

// pack_kit_finds wants a finding with this code at `place` ("line:column"); prints all when absent.
static inline void
pack_kit_finds(const rt_diag *diag, const char *place, const char *code)
{
    char head[96];
    char tail[32];
    rt_text report;
    bool found = false;

    rt_text_init(&report, 1 << 20);
    rt_diag_render_gcc(diag, &report);
    int head_len = snprintf(head, sizeof(head), "x.yaml:%s: ", place);
    (void)snprintf(tail, sizeof(tail), "[%s]", code);
    for (const char *line = report.ptr; line != NULL && *line != '\0' && !found;) {
        const char *end = strchr(line, '\n');
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);
        size_t tail_len = strlen(tail);

        found = strncmp(line, head, (size_t)head_len) == 0 && len > tail_len &&
                strncmp(line + len - tail_len, tail, tail_len) == 0;
        line = end != NULL ? end + 1 : NULL;
    }
    if (!found) {
        print_error("no %s at %s in:\n%s\n", code, place, report.ptr != NULL ? report.ptr : "");
    }
    rt_text_fini(&report);
    CHECK_TRUE(found);
}

#endif
