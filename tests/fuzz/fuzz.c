#include "tests/fuzz/fuzz.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>

#include "runtime/base/log.h"
#include "runtime/wire/json.h"

#define FILE_BYTES_MAX (1u << 20)
#define REPORT_BYTES_MAX (4u << 20)
#define MMAP_BYTES (1024 * 1024)
#define TRIM_BYTES (256 * 1024 * 1024)

rt_bytes
fuzz_take(fuzz_in *in, size_t len)
{
    rt_bytes taken = {in->at, RT_MIN(len, in->left)};

    in->at += taken.len;
    in->left -= taken.len;
    return taken;
}

rt_bytes
fuzz_rest(fuzz_in *in)
{
    return fuzz_take(in, in->left);
}

static uint64_t
number(fuzz_in *in, size_t bytes)
{
    rt_bytes taken = fuzz_take(in, bytes);
    uint64_t value = 0;

    for (size_t i = 0; i < taken.len; i++) {
        value = value << 8 | taken.ptr[i];
    }
    return value;
}

uint8_t
fuzz_u8(fuzz_in *in)
{
    return (uint8_t)number(in, 1);
}

uint16_t
fuzz_u16(fuzz_in *in)
{
    return (uint16_t)number(in, 2);
}

uint32_t
fuzz_u32(fuzz_in *in)
{
    return (uint32_t)number(in, 4);
}

uint64_t
fuzz_u64(fuzz_in *in)
{
    return number(in, 8);
}

bool
fuzz_until(fuzz_in *in, rt_str mark, rt_str *ret_text)
{
    const uint8_t *found = NULL;
    rt_bytes text = {NULL, 0};

    if (in->left == 0) {
        return false;
    }
    found = memmem(in->at, in->left, mark.ptr, mark.len);
    text = fuzz_take(in, found != NULL ? (size_t)(found - in->at) : in->left);
    if (found != NULL) {
        (void)fuzz_take(in, mark.len);
    }
    *ret_text = rt_str_of_bytes(text);
    return true;
}

static void
on_line(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

void
fuzz_begin(void)
{
    rt_log_set_sink(on_line, NULL);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

rt_str
fuzz_file(const char *path)
{
    char *text = rt_alloc(FILE_BYTES_MAX);
    size_t len = 0;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        (void)fprintf(stderr, "%s is not here; run it from the root of the source tree\n", path);
    }
    RT_ASSERT(file != NULL);
    len = fread(text, 1, FILE_BYTES_MAX - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    return (rt_str){rt_realloc(text, len + 1), len};
}

const br_pack *
fuzz_pack(void)
{
    static const char *const files[] = {
        "config/packs/core/catalog.yaml", "config/packs/logistics/actions.yaml",
        "config/packs/logistics/catalog.yaml", "config/packs/logistics/entities.yaml",
        "config/packs/logistics/features.yaml", "config/packs/logistics/calendars.yaml"};
    static br_pack *pack = NULL;
    rt_diag *diag = NULL;

    if (pack != NULL) {
        return pack;
    }
    diag = rt_diag_new();
    pack = br_pack_new();
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        rt_str text = fuzz_file(files[i]);

        RT_ASSERT(br_pack_load(pack, files[i], text, diag) == RT_OK);
        rt_free((char *)(uintptr_t)text.ptr);
    }
    RT_ASSERT(br_pack_finish(pack, diag) == RT_OK);
    rt_diag_free(diag);
    return pack;
}

const rt_catalog *
fuzz_catalog(void)
{
    return br_pack_catalog(fuzz_pack());
}

void
fuzz_diag_sound(const rt_diag *diag)
{
    rt_text report;
    rt_mpw mp;

    if (rt_diag_errors(diag) + rt_diag_warnings(diag) == 0) {
        return;
    }
    rt_text_init(&report, REPORT_BYTES_MAX);
    rt_diag_render(diag, &report);
    RT_ASSERT(report.truncated || rt_utf8_valid(rt_text_view(&report)));
    rt_text_clear(&report);
    rt_diag_render_gcc(diag, &report);
    RT_ASSERT(report.truncated || rt_utf8_valid(rt_text_view(&report)));
    rt_text_clear(&report);
    rt_diag_render_json(diag, &report);
    rt_mpw_init(&mp, REPORT_BYTES_MAX);
    RT_ASSERT(report.len > RT_JSON_BYTES_MAX || rt_json_to_mp(rt_text_view(&report), &mp) == RT_OK);
    rt_mpw_fini(&mp);
    rt_text_fini(&report);
}

bool
fuzz_same_value(rt_value a, rt_value b)
{
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case RT_KIND_NONE:
        return true;
    case RT_KIND_BOOL:
        return a.b == b.b;
    case RT_KIND_F64:
        return memcmp(&a.f, &b.f, sizeof(a.f)) == 0 || (isnan(a.f) && isnan(b.f));
    case RT_KIND_STR:
        return rt_str_equal(a.s, b.s);
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        return a.i == b.i;
    }
    return false;
}
