#include "tools/brainctl/help.h"

#include <stdio.h>

#include "tools/brainctl/commands.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/parse.h"

static int
name_of(const ctl_command *command, char *name, size_t cap)
{
    return snprintf(name, cap, "%s%s%s", command->noun, command->verb[0] != '\0' ? " " : "",
                    command->verb);
}

// One line for each command of a noun; NULL is all.
static void
command_lines(rt_text *out, const char *noun)
{
    char name[64];
    int width = 0;
    for (size_t i = 0; i < ctl_command_count(); i++) {
        width = RT_MAX(width, name_of(&ctl_commands()[i], name, sizeof(name)));
    }
    for (size_t i = 0; i < ctl_command_count(); i++) {
        const ctl_command *command = &ctl_commands()[i];
        if (noun == NULL || strcmp(command->noun, noun) == 0) {
            (void)name_of(command, name, sizeof(name));
            rt_text_printf(out, "  %-*s %s\n", width, name, command->summary);
        }
    }
}

static void
flag_lines(rt_text *out, uint64_t bits)
{
    for (unsigned i = 0; i < CTL_FLAGS; i++) {
        if ((bits >> i & 1) != 0) {
            const ctl_flag_def *flag = ctl_flag_at((ctl_flag)i);
            char name[48];
            char letter[8] = "   ";
            if (flag->letter != 0) {
                (void)snprintf(letter, sizeof(letter), "-%c,", flag->letter);
            }
            (void)snprintf(name, sizeof(name), "--%s%s%s", flag->name,
                           flag->value != NULL ? " " : "", flag->value != NULL ? flag->value : "");
            rt_text_printf(out, "  %s %-19s %s\n", letter, name, flag->help);
        }
    }
}

void
ctl_help_all(rt_text *out)
{
    rt_text_cstr(out, "brainctl - looks into a brain and controls it\n"
                      "\n"
                      "examples\n"
                      "  brainctl status\n"
                      "  brainctl decisions tail\n"
                      "  brainctl decisions explain 1234\n"
                      "  brainctl events publish carrier.status -s carrier/veloz -d status=down\n"
                      "\n"
                      "commands\n");
    command_lines(out, NULL);
    rt_text_cstr(out, "\nflags of every command\n");
    flag_lines(out, ctl_common_flags());
    rt_text_cstr(out, "\nbrainctl help COMMAND [VERB] tells more.\n");
}

void
ctl_help_noun(rt_text *out, const char *noun)
{
    rt_text_printf(out, "brainctl %s: commands\n", noun);
    command_lines(out, noun);
}

void
ctl_help_command(rt_text *out, const ctl_command *command)
{
    const char *space = command->verb[0] != '\0' ? " " : "";
    rt_text_printf(out, "%s\n\nusage: brainctl %s%s%s%s%s [flags]\n\nexamples\n%s",
                   command->summary, command->noun, space, command->verb,
                   command->arguments[0] != '\0' ? " " : "", command->arguments,
                   command->examples);
    if (command->flags != 0) {
        rt_text_cstr(out, "\nflags\n");
        flag_lines(out, command->flags);
    }
    rt_text_cstr(out, "\nflags of every command\n");
    flag_lines(out, ctl_common_flags());
}

void
ctl_help_exit_codes(rt_text *out)
{
    rt_text_cstr(out, "exit codes\n"
                      "    0  done, or: yes\n"
                      "    1  a negative answer: degraded, findings, nothing there\n"
                      "    2  the command line is wrong\n"
                      "    3  the brain could not do it\n"
                      "    4  not allowed\n"
                      "    5  not found\n"
                      "    6  in conflict with the state of things, e.g. halted\n"
                      "    7  no answer: unreachable or timed out\n"
                      "  130  interrupted\n");
}

static void
completion_verbs(rt_text *out, const char *noun)
{
    bool any = false;
    for (size_t i = 0; i < ctl_command_count(); i++) {
        const ctl_command *command = &ctl_commands()[i];
        if (strcmp(command->noun, noun) == 0 && command->verb[0] != '\0') {
            if (!any) {
                rt_text_printf(out, "    %s) words=\"", noun);
            }
            rt_text_printf(out, "%s%s", any ? " " : "", command->verb);
            any = true;
        }
    }
    rt_text_cstr(out, any ? "\" ;;\n" : "");
}

static bool
first_of_noun(size_t i)
{
    return i == 0 || strcmp(ctl_commands()[i].noun, ctl_commands()[i - 1].noun) != 0;
}

static void
completion_flags(rt_text *out, const ctl_command *command)
{
    uint64_t bits = command->flags | ctl_common_flags();
    rt_text_printf(out, "    \"%s%s%s\") words=\"", command->noun,
                   command->verb[0] != '\0' ? " " : "", command->verb);
    for (unsigned f = 0, any = 0; f < CTL_FLAGS; f++) {
        if ((bits >> f & 1) != 0) {
            rt_text_printf(out, "%s--%s", any++ > 0 ? " " : "", ctl_flag_at((ctl_flag)f)->name);
        }
    }
    rt_text_cstr(out, "\" ;;\n");
}

void
ctl_completion_bash(rt_text *out)
{
    rt_text_cstr(out, "_brainctl() {\n"
                      "  local words=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                      "  local noun=\"${COMP_WORDS[1]}\" verb=\"${COMP_WORDS[2]}\"\n"
                      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
                      "    words=\"");
    for (size_t i = 0; i < ctl_command_count(); i++) {
        if (first_of_noun(i)) {
            rt_text_printf(out, "%s%s", i > 0 ? " " : "", ctl_commands()[i].noun);
        }
    }
    rt_text_cstr(out, "\"\n"
                      "  elif [[ $COMP_CWORD -eq 2 && $cur != -* ]]; then\n"
                      "    case \"$noun\" in\n");
    for (size_t i = 0; i < ctl_command_count(); i++) {
        if (first_of_noun(i)) {
            completion_verbs(out, ctl_commands()[i].noun);
        }
    }
    rt_text_cstr(out, "    esac\n"
                      "  elif [[ $cur == -* ]]; then\n"
                      "    [[ $verb == -* ]] && verb=\"\"\n"
                      "    case \"$noun${verb:+ $verb}\" in\n");
    for (size_t i = 0; i < ctl_command_count(); i++) {
        completion_flags(out, &ctl_commands()[i]);
    }
    rt_text_cstr(out, "    esac\n"
                      "  fi\n"
                      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                      "}\n"
                      "complete -o default -F _brainctl brainctl\n");
}

int
ctl_cmd_completion(ctl_run *run)
{
    if (strcmp(run->args[0], "bash") != 0) {
        return ctl_refuse(run, RT_EINVAL, NULL, "there is completion for bash only, not '%s'",
                          run->args[0]);
    }
    ctl_completion_bash(&run->out);
    return CTL_OK;
}

int
ctl_cmd_version(ctl_run *run)
{
    ctl_say(run, ctl_is_json(run) ? "{\"version\":\"%s\"}\n" : "brainctl %s\n", CEREBRO_VERSION);
    return CTL_OK;
}

int
ctl_cmd_help(ctl_run *run)
{
    const char *noun = run->arg_count > 0 ? run->args[0] : NULL;
    const char *verb = run->arg_count > 1 ? run->args[1] : "";
    const ctl_command *command = noun != NULL ? ctl_find_command(noun, verb) : NULL;
    if (noun == NULL) {
        ctl_help_all(&run->out);
    } else if (strcmp(noun, "exit-codes") == 0) {
        ctl_help_exit_codes(&run->out);
    } else if (command != NULL) {
        ctl_help_command(&run->out, command);
    } else if (ctl_is_noun(noun) && verb[0] == '\0') {
        ctl_help_noun(&run->out, noun);
    } else {
        return ctl_refuse(run, RT_EINVAL, "brainctl help lists all commands",
                          "no command '%s%s%s'", noun, verb[0] != '\0' ? " " : "", verb);
    }
    return CTL_OK;
}
