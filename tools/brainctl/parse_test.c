#include "tools/brainctl/parse.h"

#include "tests/harness/check.h"

#define WORDS_MAX 16

static ctl_run run;
static ctl_mistake mistake;

// Parses a command line given as one text, split at spaces.
static rt_err
parse(const char *line)
{
    static char words[WORDS_MAX][64];
    char *argv[WORDS_MAX];
    int argc = 0;
    while (*line != '\0' && argc < WORDS_MAX) {
        size_t len = strcspn(line, " ");
        memcpy(words[argc], line, len);
        words[argc][len] = '\0';
        argv[argc] = words[argc];
        argc++;
        line += len + (line[len] == ' ' ? 1 : 0);
    }
    memset(&run, 0, sizeof(run));
    return ctl_parse(argc, argv, &run, &mistake);
}

static void
test_parse_flags_anywhere(void **state)
{
    (void)state;
    CHECK_OK(parse("-o json events -n5 list --type=order.* --tenant demo"));
    CHECK_CSTR(run.command->noun, "events");
    CHECK_CSTR(run.command->verb, "list");
    CHECK_INT(run.opt.format, CTL_JSON);
    CHECK_INT(run.opt.limit, 5);
    CHECK_CSTR(run.opt.values[CTL_FLAG_TYPE], "order.*");
    CHECK_CSTR(run.opt.values[CTL_FLAG_TENANT], "demo");
    CHECK_INT(run.arg_count, 0);
}

static void
test_parse_arguments_and_fields(void **state)
{
    (void)state;
    CHECK_OK(parse("events publish order.delayed -s order/1 -d a=1 -d b=x=y --timeout 2s"));
    CHECK_INT(run.arg_count, 1);
    CHECK_CSTR(run.args[0], "order.delayed");
    CHECK_INT(run.opt.field_count, 2);
    CHECK_CSTR(run.opt.fields[1], "b=x=y");
    CHECK_INT(run.opt.timeout_ms, 2000);
    CHECK_OK(parse("events publish -"));
    CHECK_CSTR(run.args[0], "-");
    CHECK_OK(parse("playbooks check -- -odd-name"));
    CHECK_CSTR(run.args[0], "-odd-name");
}

static void
test_parse_mistakes_are_named_with_a_suggestion(void **state)
{
    static const struct {
        const char *line;
        const char *text;
        const char *hint;
    } cases[] = {
        {"evnts list", "unknown command 'evnts'", "did you mean 'events'?"},
        {"events lst", "unknown command 'events lst'", "did you mean 'list'?"},
        {"events list --tennant x", "unknown flag '--tennant'", "did you mean '--tenant'?"},
        {"status --colr=never", "unknown flag '--colr'", "did you mean '--color'?"},
        {"--version", "unknown flag '--version'", "brainctl version"},
        {"status -o jsn", "output is table, json or jsonl, not 'jsn'", "did you mean 'json'?"},
        {"status --tenant x", "status knows no --tenant", ""},
        {"events", "events what?", "there are publish, tail, list, get"},
        {"events get", "events get wants SEQ", "brainctl events get SEQ"},
        {"events get 1 2", "events get does not take '2'", "brainctl events get SEQ"},
        {"events list -n x", "--limit wants a whole number, not 'x'", ""},
        {"events list -n", "--limit wants N", ""},
        {"status --quiet=yes", "--quiet takes no value", ""},
        {"events publish t -d novalue", "a field is NAME=VALUE, not 'novalue'", ""},
        {"status --timeout 5", "--timeout wants a time such as 500ms or 10s, not '5'", ""},
    };
    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_ERR(parse(cases[i].line), RT_EINVAL);
        CHECK_CSTR(mistake.text, cases[i].text);
        CHECK_CSTR(mistake.hint, cases[i].hint);
    }
}

static void
test_parse_help_needs_no_arguments(void **state)
{
    (void)state;
    CHECK_OK(parse("events get -h"));
    CHECK_CSTR(run.command->verb, "get");
    CHECK_OK(parse("events -h"));
    CHECK_TRUE(run.command == NULL);
    CHECK_CSTR(run.args[0], "events");
    CHECK_OK(parse("--help"));
    CHECK_TRUE(run.command == NULL);
    CHECK_INT(run.arg_count, 0);
}

static void
test_parse_too_many_words_is_a_mistake(void **state)
{
    static char word[] = "x";
    static char noun[] = "playbooks";
    static char verb[] = "check";
    char *argv[CTL_ARGS_MAX + 2] = {noun, verb};
    (void)state;
    for (size_t i = 2; i < RT_COUNT(argv); i++) {
        argv[i] = word;
    }
    CHECK_ERR(ctl_parse(RT_COUNT(argv), argv, &run, &mistake), RT_EINVAL);
}

static void
test_flags_letters_are_unique(void **state)
{
    (void)state;
    for (unsigned a = 0; a < CTL_FLAGS; a++) {
        for (unsigned b = 0; b < a; b++) {
            char letter = ctl_flag_at((ctl_flag)a)->letter;
            CHECK_TRUE(letter == 0 || letter != ctl_flag_at((ctl_flag)b)->letter);
            CHECK_FALSE(strcmp(ctl_flag_at((ctl_flag)a)->name,
                               ctl_flag_at((ctl_flag)b)->name) == 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_flags_anywhere),
        cmocka_unit_test(test_parse_arguments_and_fields),
        cmocka_unit_test(test_parse_mistakes_are_named_with_a_suggestion),
        cmocka_unit_test(test_parse_help_needs_no_arguments),
        cmocka_unit_test(test_parse_too_many_words_is_a_mistake),
        cmocka_unit_test(test_flags_letters_are_unique),
    };
    return CHECK_RUN(tests);
}
