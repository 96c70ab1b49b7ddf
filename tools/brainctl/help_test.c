#include "tools/brainctl/help.h"

#include <stdio.h>

#include "tests/harness/check.h"
#include "tools/brainctl/parse.h"
#include "tools/brainctl/render.h"

#define OUT_MAX 65536
#define LINE_MAX_COLUMNS 80

static void
check_lines(rt_str text)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        if (ctl_width((rt_str){text.ptr, len}) > LINE_MAX_COLUMNS) {
            fail_msg("longer than %d columns: %.*s", LINE_MAX_COLUMNS, (int)len, text.ptr);
        }
        len += end != NULL ? 1 : 0;
        text = (rt_str){text.ptr + len, text.len - len};
    }
}

static bool
contains(const rt_text *text, const char *part)
{
    return text->ptr != NULL && strstr(text->ptr, part) != NULL;
}

static void
test_help_every_command_has_an_example_within_80_columns(void **state)
{
    rt_text out;
    (void)state;
    rt_text_init(&out, OUT_MAX);
    for (size_t i = 0; i < ctl_command_count(); i++) {
        const ctl_command *command = &ctl_commands()[i];
        char call[64];
        (void)snprintf(call, sizeof(call), "brainctl %s%s%s", command->noun,
                       command->verb[0] != '\0' ? " " : "", command->verb);
        rt_text_clear(&out);
        ctl_help_command(&out, command);
        check_lines(rt_text_view(&out));
        CHECK_TRUE(contains(&out, "examples\n"));
        if (strstr(command->examples, call) == NULL) {
            fail_msg("no example of %s", call);
        }
        CHECK_TRUE(strlen(command->summary) > 0 && strlen(command->summary) <= 60);
        CHECK_TRUE(command->args_min <= command->args_max);
    }
    rt_text_fini(&out);
}

// An example that the parser refuses would teach a mistake.
static void
test_help_examples_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ctl_command_count(); i++) {
        const ctl_command *command = &ctl_commands()[i];
        const char *line = strstr(command->examples, "brainctl ");
        static char words[16][64];
        char *argv[16];
        int argc = 0;
        ctl_run run = {0};
        ctl_mistake mistake;
        line += strlen("brainctl ");
        while (*line != '\n' && strchr("|<>&)", *line) == NULL && argc < 16) {
            bool quoted = *line == '\'';
            size_t len = quoted ? strcspn(line + 1, "'") : strcspn(line, " \n)");
            memcpy(words[argc], line + quoted, len);
            words[argc][len] = '\0';
            argv[argc] = words[argc];
            argc++;
            line += len + (quoted ? 2u : 0u);
            line += strspn(line, " ");
        }
        if (ctl_parse(argc, argv, &run, &mistake) != RT_OK) {
            fail_msg("example of %s %s: %s", command->noun, command->verb, mistake.text);
        }
        CHECK_TRUE(run.command == command);
    }
}

static void
test_help_overview_names_every_command(void **state)
{
    rt_text out;
    (void)state;
    rt_text_init(&out, OUT_MAX);
    ctl_help_all(&out);
    check_lines(rt_text_view(&out));
    for (size_t i = 0; i < ctl_command_count(); i++) {
        CHECK_TRUE(contains(&out, ctl_commands()[i].summary));
    }
    rt_text_clear(&out);
    ctl_help_exit_codes(&out);
    check_lines(rt_text_view(&out));
    rt_text_fini(&out);
}

static void
test_completion_knows_nouns_verbs_and_flags(void **state)
{
    rt_text out;
    (void)state;
    rt_text_init(&out, OUT_MAX);
    ctl_completion_bash(&out);
    CHECK_TRUE(contains(&out, "events) words=\"publish tail list get\""));
    CHECK_TRUE(contains(&out, "\"decisions why-not\") words="));
    CHECK_TRUE(contains(&out, "--no-headers"));
    CHECK_TRUE(contains(&out, "complete -o default -F _brainctl brainctl"));
    rt_text_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_every_command_has_an_example_within_80_columns),
        cmocka_unit_test(test_help_examples_parse),
        cmocka_unit_test(test_help_overview_names_every_command),
        cmocka_unit_test(test_completion_knows_nouns_verbs_and_flags),
    };
    return CHECK_RUN(tests);
}
