#include "tools/brainctl/parse.h"

#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/wire/diag.h"

// Design notes.
// Flags may stand anywhere. They are read before the command is known, because they mean the same
// everywhere; then every flag that the command does not know is a mistake, never a silent nothing.

#define TIMEOUT_MS 10000
#define LIMIT_MAX 1000000

static const ctl_flag_def flags[] = {
#define FLAG(bit, name, letter, value, help) {name, letter, value, help},
#include "tools/brainctl/flags.def"
#undef FLAG
};

_Static_assert(RT_COUNT(flags) == CTL_FLAGS && CTL_FLAGS <= 64, "one bit a flag");

const ctl_flag_def *
ctl_flag_at(ctl_flag flag)
{
    return &flags[flag];
}

uint64_t
ctl_common_flags(void)
{
    return CTL_BIT(CTL_FLAG_OUTPUT) | CTL_BIT(CTL_FLAG_SOCKET) | CTL_BIT(CTL_FLAG_TIMEOUT) |
           CTL_BIT(CTL_FLAG_COLOR) | CTL_BIT(CTL_FLAG_QUIET) | CTL_BIT(CTL_FLAG_HELP);
}

static rt_err mistake(ctl_mistake *m, const char *fmt, ...) RT_PRINTF(2, 3);

static rt_err
mistake(ctl_mistake *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->text, sizeof(m->text), fmt, args); // cut at its size
    va_end(args);
    return RT_EINVAL;
}

static void
suggest(ctl_mistake *m, const char *given, const rt_str *names, size_t count)
{
    if (rt_diag_did_you_mean(rt_str_of(given), names, count, m->hint, sizeof(m->hint)) == NULL) {
        m->hint[0] = '\0';
    }
}

const ctl_command *
ctl_find_command(const char *noun, const char *verb)
{
    for (size_t i = 0; i < ctl_command_count(); i++) {
        const ctl_command *command = &ctl_commands()[i];
        if (strcmp(command->noun, noun) == 0 && strcmp(command->verb, verb) == 0) {
            return command;
        }
    }
    return NULL;
}

bool
ctl_is_noun(const char *noun)
{
    for (size_t i = 0; i < ctl_command_count(); i++) {
        if (strcmp(ctl_commands()[i].noun, noun) == 0) {
            return true;
        }
    }
    return false;
}

static rt_err
read_format(ctl_options *o, const char *value, ctl_mistake *m)
{
    static const rt_str names[] = {{"table", 5}, {"json", 4}, {"jsonl", 5}};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(names[i], value)) {
            o->format = (ctl_format)i;
            return RT_OK;
        }
    }
    suggest(m, value, names, RT_COUNT(names));
    return mistake(m, "output is table, json or jsonl, not '%s'", value);
}

static rt_err
read_color(ctl_options *o, const char *value, ctl_mistake *m)
{
    static const rt_str names[] = {{"auto", 4}, {"always", 6}, {"never", 5}};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(names[i], value)) {
            o->color = (ctl_color)i;
            return RT_OK;
        }
    }
    suggest(m, value, names, RT_COUNT(names));
    return mistake(m, "color is auto, always or never, not '%s'", value);
}

static rt_err
read_number(const char *name, const char *value, int64_t max, uint64_t *ret, ctl_mistake *m)
{
    int64_t number;
    if (rt_parse_i64(rt_str_of(value), &number) != RT_OK || number < 0 || number > max) {
        return mistake(m, "--%s wants a whole number, not '%s'", name, value);
    }
    *ret = (uint64_t)number;
    return RT_OK;
}

static rt_err
read_field(ctl_options *o, const char *value, ctl_mistake *m)
{
    RT_ASSERT(value != NULL);
    if (strchr(value, '=') == NULL || value[0] == '=') {
        return mistake(m, "a field is NAME=VALUE, not '%s'", value);
    }
    if (o->field_count == CTL_FIELDS_MAX) {
        return mistake(m, "at most %d fields", CTL_FIELDS_MAX);
    }
    o->fields[o->field_count++] = value;
    return RT_OK;
}

// rt_parse_duration_ms is strict about units; a bare number means seconds to nobody.
static rt_err
read_timeout(ctl_options *o, const char *value, ctl_mistake *m)
{
    if (rt_parse_duration_ms(rt_str_of(value), &o->timeout_ms) != RT_OK || o->timeout_ms <= 0) {
        return mistake(m, "--timeout wants a time such as 500ms or 10s, not '%s'", value);
    }
    return RT_OK;
}

static rt_err
take_flag(ctl_options *o, ctl_flag flag, const char *value, ctl_mistake *m)
{
    o->given |= CTL_BIT(flag);
    o->values[flag] = value;
    if (flag == CTL_FLAG_OUTPUT) {
        return read_format(o, value, m);
    } else if (flag == CTL_FLAG_COLOR) {
        return read_color(o, value, m);
    } else if (flag == CTL_FLAG_TIMEOUT) {
        return read_timeout(o, value, m);
    } else if (flag == CTL_FLAG_FIELD) {
        return read_field(o, value, m);
    } else if (flag == CTL_FLAG_LIMIT) {
        return read_number("limit", value, LIMIT_MAX, &o->limit, m);
    } else if (flag == CTL_FLAG_FROM) {
        return read_number("from", value, INT64_MAX, &o->from, m);
    }
    return RT_OK;
}

static rt_err
unknown_flag(const char *given, ctl_mistake *m)
{
    rt_str names[CTL_FLAGS];
    char spelled[CTL_FLAGS][32];
    char name[64];
    char dashed[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, "="), given);
    (void)snprintf(dashed, sizeof(dashed), "--%.60s", name + strspn(name, "-"));
    for (size_t i = 0; i < CTL_FLAGS; i++) {
        (void)snprintf(spelled[i], sizeof(spelled[i]), "--%s", flags[i].name);
        names[i] = rt_str_of(spelled[i]);
    }
    suggest(m, dashed, names, CTL_FLAGS);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        (void)snprintf(m->hint, sizeof(m->hint), "brainctl version");
    }
    return mistake(m, "unknown flag '%s'", name);
}

static int
find_long(rt_str name)
{
    for (int i = 0; i < CTL_FLAGS; i++) {
        if (rt_str_is(name, flags[i].name)) {
            return i;
        }
    }
    return -1;
}

static int
find_letter(char letter)
{
    for (int i = 0; i < CTL_FLAGS; i++) {
        if (flags[i].letter == letter) {
            return i;
        }
    }
    return -1;
}

// Reads the flag at argv[*at]; a value may stand in the same argument or in the next.
static rt_err
read_flag(int argc, char *const *argv, int *at, ctl_options *o, ctl_mistake *m)
{
    const char *given = argv[*at];
    bool is_long = given[1] == '-';
    const char *equals = is_long ? strchr(given, '=') : NULL;
    const char *inside = NULL; // value in the same argument
    int flag = 0;
    if (is_long) {
        size_t len = equals != NULL ? (size_t)(equals - given) - 2 : strlen(given) - 2;
        flag = find_long((rt_str){given + 2, len});
        inside = equals != NULL ? equals + 1 : NULL;
    } else {
        flag = find_letter(given[1]);
        inside = given[2] != '\0' ? given + 2 : NULL;
    }
    if (flag < 0) {
        return unknown_flag(given, m);
    }
    if (flags[flag].value == NULL && inside != NULL) {
        return mistake(m, "--%s takes no value", flags[flag].name);
    }
    if (flags[flag].value != NULL && inside == NULL) {
        if (*at + 1 >= argc) {
            return mistake(m, "--%s wants %s", flags[flag].name, flags[flag].value);
        }
        inside = argv[++*at];
    }
    return take_flag(o, (ctl_flag)flag, inside, m);
}

static rt_err
unknown_noun(const char *given, ctl_mistake *m)
{
    rt_str names[128];
    size_t count = 0;
    for (size_t i = 0; i < ctl_command_count() && count < RT_COUNT(names); i++) {
        names[count++] = rt_str_of(ctl_commands()[i].noun);
    }
    suggest(m, given, names, count);
    return mistake(m, "unknown command '%s'", given);
}

static rt_err
unknown_verb(const char *noun, const char *given, ctl_mistake *m)
{
    rt_str names[32];
    size_t count = 0;
    size_t len = 0;
    char list[128] = "";
    for (size_t i = 0; i < ctl_command_count() && count < RT_COUNT(names); i++) {
        const ctl_command *command = &ctl_commands()[i];
        if (strcmp(command->noun, noun) == 0 && len < sizeof(list)) {
            names[count++] = rt_str_of(command->verb);
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len > 0 ? ", " : "",
                                    command->verb);
        }
    }
    if (given == NULL) {
        (void)snprintf(m->hint, sizeof(m->hint), "there are %s", list);
        return mistake(m, "%s what?", noun);
    }
    suggest(m, given, names, count);
    if (m->hint[0] == '\0') {
        (void)snprintf(m->hint, sizeof(m->hint), "there are %s", list);
    }
    return mistake(m, "unknown command '%s %s'", noun, given);
}

// Splits the words into the command and its arguments.
static rt_err
read_command(ctl_run *run, ctl_mistake *m)
{
    bool helped = ctl_given(run, CTL_FLAG_HELP);
    size_t used = 1;
    if (run->arg_count == 0) {
        return RT_OK;
    }
    if (!ctl_is_noun(run->args[0])) {
        return unknown_noun(run->args[0], m);
    }
    run->command = ctl_find_command(run->args[0], "");
    if (run->command == NULL && run->arg_count > 1) {
        run->command = ctl_find_command(run->args[0], run->args[1]);
        used = 2;
        if (run->command == NULL) {
            return unknown_verb(run->args[0], run->args[1], m);
        }
    }
    if (run->command == NULL) {
        return helped ? RT_OK : unknown_verb(run->args[0], NULL, m);
    }
    run->arg_count -= used;
    memmove(run->args, run->args + used, sizeof(run->args[0]) * run->arg_count);
    return RT_OK;
}

static rt_err
check_command(const ctl_run *run, ctl_mistake *m)
{
    const ctl_command *command = run->command;
    const char *space = command->verb[0] != '\0' ? " " : "";
    uint64_t unknown = run->opt.given & ~(command->flags | ctl_common_flags());
    for (unsigned i = 0; i < CTL_FLAGS; i++) {
        if ((unknown >> i & 1) != 0) {
            return mistake(m, "%s%s%s knows no --%s", command->noun, space, command->verb,
                           flags[i].name);
        }
    }
    if (run->arg_count < command->args_min || run->arg_count > command->args_max) {
        (void)snprintf(m->hint, sizeof(m->hint), "brainctl %s%s%s %s", command->noun, space,
                       command->verb, command->arguments);
        return run->arg_count < command->args_min
                   ? mistake(m, "%s%s%s wants %s", command->noun, space, command->verb,
                             command->arguments)
                   : mistake(m, "%s%s%s does not take '%s'", command->noun, space, command->verb,
                             run->args[command->args_max]);
    }
    return RT_OK;
}

rt_err
ctl_parse(int argc, char *const *argv, ctl_run *run, ctl_mistake *ret_mistake)
{
    bool only_words = false; // after "--"
    rt_err err = RT_OK;
    *ret_mistake = (ctl_mistake){.text = ""};
    run->opt = (ctl_options){.timeout_ms = TIMEOUT_MS};
    run->command = NULL;
    run->arg_count = 0;
    for (int at = 0; at < argc && err == RT_OK; at++) {
        if (!only_words && strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[at][0] == '-' && argv[at][1] != '\0') {
            err = read_flag(argc, argv, &at, &run->opt, ret_mistake);
        } else if (run->arg_count == CTL_ARGS_MAX) {
            err = mistake(ret_mistake, "at most %d arguments", CTL_ARGS_MAX);
        } else {
            run->args[run->arg_count++] = argv[at];
        }
    }
    if (err == RT_OK) {
        err = read_command(run, ret_mistake);
    }
    if (err == RT_OK && run->command != NULL && !ctl_given(run, CTL_FLAG_HELP)) {
        err = check_command(run, ret_mistake);
    }
    return err;
}
