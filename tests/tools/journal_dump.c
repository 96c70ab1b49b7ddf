// journal_dump: prints the records of a journal as JSON lines, for tests that check what a daemon
// left.
//
// usage: journal_dump [--type TYPE] JOURNAL_DIR PACK_DIR...
// With --type only events of that type, and decisions on them. Works beside a running daemon and
// after a crash; reads only. Tenants are shown by number.
#include <stdio.h>

#include "brain/core/show.h"
#include "runtime/base/alloc.h"
#include "runtime/wire/json.h"

#define LINE_BYTES_MAX (16u * 1024 * 1024)

static br_pack *
load_packs(char **dirs, int count)
{
    rt_diag *diag = rt_diag_new();
    br_pack *pack = br_pack_new();
    rt_err err = RT_OK;

    for (int i = 0; i < count && err == RT_OK; i++) {
        err = br_pack_load_dir(pack, dirs[i], diag);
    }
    if (err == RT_OK) {
        err = br_pack_finish(pack, diag);
    }
    if (err != RT_OK) {
        (void)fprintf(stderr, "journal_dump: %s: %s\n", rt_err_name(err), rt_err_detail());
        br_pack_free(pack);
        pack = NULL;
    }
    rt_diag_free(diag);
    return pack;
}

// br__show_record wants a brain for its constants only: the pack and the names of tenants.
static br_brain *
brain_of_constants(const br_pack *pack)
{
    static br_tenant_config tenants[16];
    static char names[16][8];
    br_brain *brain = rt_new(br_brain);

    for (size_t i = 0; i < RT_COUNT(tenants); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%zu", i + 1);
        tenants[i] = (br_tenant_config){.number = (uint16_t)(i + 1), .name = names[i]};
    }
    brain->config.pack = pack;
    brain->config.tenants = tenants;
    brain->config.tenant_count = RT_COUNT(tenants);
    return brain;
}

static rt_err
print_record(const br_brain *brain, const br_filter *filter, const rt_record *record,
             rt_arena *arena, rt_text *line)
{
    rt_mpw item;
    rt_err err = RT_OK;

    rt_mpw_init(&item, LINE_BYTES_MAX);
    rt_text_clear(line);
    if (br__show_record(brain, filter, record, arena, &item)) {
        err = rt_json_from_mp(rt_mpw_view(&item), line);
    }
    if (err == RT_OK && line->len > 0) {
        (void)printf("%.*s\n", RT_STR_ARG(rt_text_view(line)));
    }
    rt_mpw_fini(&item);
    return err;
}

static rt_err
print_all(const br_brain *brain, const br_filter *filter, const char *dir)
{
    rt_journal_reader *reader = NULL;
    rt_arena *arena = rt_arena_new(LINE_BYTES_MAX);
    rt_record record;
    rt_text line;
    rt_err err = rt_journal_reader_open(dir, 1, &reader);

    rt_text_init(&line, LINE_BYTES_MAX);
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK) {
            err = print_record(brain, filter, &record, arena, &line);
        }
    }
    if (reader != NULL) {
        rt_journal_reader_close(reader);
    }
    rt_text_fini(&line);
    rt_arena_free(arena);
    return err == RT_EEND ? RT_OK : err;
}

int
main(int argc, char **argv)
{
    br_filter filter = {.kinds = UINT32_MAX};
    br_pack *pack = NULL;
    br_brain *brain = NULL;
    rt_err err = RT_OK;

    if (argc > 2 && strcmp(argv[1], "--type") == 0) {
        filter.type = rt_str_of(argv[2]);
        argv += 2;
        argc -= 2;
    }
    if (argc < 3) {
        (void)fprintf(stderr, "usage: journal_dump [--type TYPE] JOURNAL_DIR PACK_DIR...\n");
        return 2;
    }
    pack = load_packs(argv + 2, argc - 2);
    if (pack == NULL) {
        return 2;
    }
    brain = brain_of_constants(pack);
    err = print_all(brain, &filter, argv[1]);
    if (err != RT_OK) {
        (void)fprintf(stderr, "journal_dump: %s: %s\n", rt_err_name(err), rt_err_detail());
    }
    rt_free(brain);
    br_pack_free(pack);
    return err == RT_OK && fflush(stdout) == 0 ? 0 : 1;
}
