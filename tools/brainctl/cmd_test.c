// brainctl playbooks test: plays the cases that playbooks bring along, as every load does.
#include <stdio.h>

#include "brain/core/rehearse.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/drafts.h"
#include "tools/brainctl/local_pack.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"
#include "tools/brainctl/value.h"

#define ITEM_MAX ((size_t)64 * 1024)

typedef struct testing {
    ctl_run *run;
    uint64_t passed;
    uint64_t failed;
    uint64_t skipped;
} testing;

static void
put_lines(ctl_run *run, rt_str text)
{
    while (text.len > 0) { // cleaning makes one line of all
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        ctl_say(run, "        ");
        ctl_put(run, CTL_PLAIN, (rt_str){text.ptr, len});
        ctl_end_line(run);
        len += end != NULL;
        text = (rt_str){text.ptr + len, text.len - len};
    }
}

static void
put_case(ctl_run *run, const br_rehearsal *c)
{
    ctl_style style = c->skipped ? CTL_DIM : c->passed ? CTL_GREEN : CTL_RED;
    ctl_put(run, style, c->skipped ? RT_STR("skip  ") : c->passed ? RT_STR("pass  ")
                                                                  : RT_STR("FAIL  "));
    ctl_put(run, CTL_BOLD, c->playbook);
    ctl_say(run, ": ");
    ctl_put(run, CTL_PLAIN, c->name);
    if (!c->passed) {
        ctl_say(run, "  ");
        ctl_put(run, CTL_DIM, c->file);
        ctl_say(run, ":%u", c->line);
    }
    ctl_end_line(run);
    put_lines(run, c->text);
}

static void
on_case(void *user, const br_rehearsal *c)
{
    testing *t = user;
    t->passed += c->passed;
    t->skipped += c->skipped;
    t->failed += !c->passed && !c->skipped;
    if (!ctl_is_json(t->run)) {
        put_case(t->run, c);
        return;
    }
    ctl_map map = ctl_map_begin(ITEM_MAX);
    ctl_map_str(&map, "playbook", c->playbook);
    ctl_map_str(&map, "case", c->name);
    ctl_map_str(&map, "file", c->file);
    ctl_map_u64(&map, "line", c->line);
    ctl_map_str(&map, "result", c->skipped  ? RT_STR("skipped")
                                : c->passed ? RT_STR("passed")
                                            : RT_STR("failed"));
    ctl_map_str(&map, "text", c->text);
    ctl_list_item(t->run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
print_findings(const rt_diag *diag)
{
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    rt_diag_render(diag, &text);
    (void)fprintf(stderr, "%.*s", RT_STR_ARG(rt_text_view(&text)));
    rt_text_fini(&text);
}

// Mistakes that keep a file from being loaded come before its cases.
static int
play(testing *t, const br_pack *pack, const ctl_drafts *drafts)
{
    rt_diag *diag = rt_diag_new();
    rt_diag *failures = rt_diag_new(); // told case by case
    br_playbooks *set = NULL;
    rt_err err = br_playbooks_compile(pack, drafts->files, drafts->count, 1, diag, &set);
    br_playbooks_free(set);
    if (err == RT_OK) {
        if (ctl_is_json(t->run)) {
            ctl_list_begin(t->run);
        }
        err = br_rehearse(pack, drafts->files, drafts->count, failures, on_case, t);
        if (ctl_is_json(t->run)) {
            ctl_list_end(t->run);
        }
    }
    int code = err == RT_OK ? CTL_OK : CTL_NO;
    if (rt_diag_errors(diag) > 0) {
        print_findings(diag);
        code = ctl_refuse(t->run, RT_ECONFIG, "brainctl playbooks check FILE",
                          "the playbooks have mistakes, no case was played");
    } else if (err != RT_OK && err != RT_ECONFIG) {
        code = ctl_fail(t->run, err, NULL);
    } else if (rt_diag_errors(failures) > 0 && t->failed == 0) {
        print_findings(failures);
    }
    rt_diag_free(failures);
    rt_diag_free(diag);
    return code;
}

static void
put_sums(const testing *t)
{
    if (ctl_is_json(t->run)) {
        return;
    }
    if (t->passed + t->failed + t->skipped == 0) {
        ctl_say(t->run, "no playbook brings a case along: see `tests:` in playbooks/README.md\n");
        return;
    }
    ctl_say(t->run, "%llu passed, %llu failed", (unsigned long long)t->passed,
            (unsigned long long)t->failed);
    if (t->skipped > 0) {
        ctl_say(t->run, ", %llu skipped (mode: off)", (unsigned long long)t->skipped);
    }
    ctl_say(t->run, "\n");
}

static int
test_with(testing *t, const br_pack *pack, const char *live_dir)
{
    ctl_drafts drafts;
    ctl_run *run = t->run;
    if (run->arg_count == 0 && live_dir[0] == '\0') {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks test FILE",
                          "there is no directory of playbooks");
    }
    if (run->arg_count == 0) {
        run->args[run->arg_count++] = live_dir;
    }
    int code = ctl_drafts_read(run, 0, &drafts);
    if (code == CTL_OK) {
        code = play(t, pack, &drafts);
        put_sums(t);
        ctl_drafts_free(&drafts);
    }
    return code;
}

int
ctl_cmd_playbooks_test(ctl_run *run)
{
    testing t = {.run = run};
    ctl_place place;
    br_pack *pack = NULL;
    if (!ctl_given(run, CTL_FLAG_PACK)) {
        int code = ctl_place_open(run, &place);
        if (code == CTL_OK) {
            code = test_with(&t, place.settings->pack, place.playbooks);
            ctl_place_close(&place);
        }
        return code;
    }
    rt_diag *diag = rt_diag_new();
    rt_err err = ctl_load_pack(run, diag, &pack);
    if (err != RT_OK) {
        print_findings(diag);
    }
    int code = err == RT_OK ? test_with(&t, pack, "") : ctl_fail(run, err, NULL);
    br_pack_free(pack);
    rt_diag_free(diag);
    return code;
}
