#include "tools/brainctl/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/wire/json.h"
#include "tools/brainctl/value.h"

#define ERROR_MAX 8192

// Whether a JSON list is open that an interruption has to close. The only thing that a signal
// handler shares with the rest.
static volatile sig_atomic_t list_is_open;

static void
on_interrupt(int signo)
{
    (void)signo;
    if (list_is_open) {
        RT_IGNORE(write(STDOUT_FILENO, "\n]\n", 3)); // nobody left to tell
    }
    _exit(CTL_INTERRUPTED);
}

static bool
wants_color(const ctl_run *run)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (run->opt.color != CTL_AUTO) {
        return run->opt.color == CTL_ALWAYS;
    }
    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

void
ctl_setup(ctl_run *run)
{
    struct winsize size = {0};
    struct sigaction action = {.sa_handler = on_interrupt};
    run->color = wants_color(run) && !ctl_is_json(run);
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        run->columns = size.ws_col;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void
ctl_flush(ctl_run *run)
{
    if (run->out.len > 0 && !ctl_given(run, CTL_FLAG_QUIET)) {
        (void)fwrite(run->out.ptr, 1, run->out.len, stdout); // checked by fflush
        if (fflush(stdout) != 0) {
            _exit(CTL_FAILED); // the reader is gone
        }
    }
    rt_text_clear(&run->out);
}

bool
ctl_is_json(const ctl_run *run)
{
    return run->opt.format != CTL_TABLE;
}

static void
put_value(ctl_run *run, rt_bytes value)
{
    rt_err err = run->opt.format == CTL_JSON ? rt_json_pretty(value, &run->out)
                                             : rt_json_from_mp(value, &run->out);
    if (err != RT_OK) {
        rt_text_cstr(&run->out, "null"); // valid JSON whatever comes
    }
}

void
ctl_put_json(ctl_run *run, rt_bytes value)
{
    ctl_map copy = ctl_map_begin(CTL_TEXT_MAX);
    ctl_list list = ctl_pairs(value);
    rt_str key;
    rt_bytes item;
    bool is_map = list.left > 0;
    while (ctl_next_pair(&list, &key, &item)) {
        if (!rt_str_is(key, "ok")) {
            rt_mpw_str(&copy.w, key);
            rt_mpw_raw(&copy.w, item);
            copy.pairs++;
        }
    }
    put_value(run, is_map ? ctl_map_end(&copy) : value);
    rt_text_cstr(&run->out, "\n");
    ctl_map_fini(&copy);
    ctl_flush(run);
}

void
ctl_list_begin(ctl_run *run)
{
    run->items = 0;
    if (run->opt.format == CTL_JSON) {
        rt_text_cstr(&run->out, "[");
        ctl_flush(run);
        list_is_open = !ctl_given(run, CTL_FLAG_QUIET);
    }
}

void
ctl_list_item(ctl_run *run, rt_bytes value)
{
    if (run->opt.format == CTL_JSON) {
        rt_text_cstr(&run->out, run->items > 0 ? ",\n" : "\n");
        put_value(run, value);
    } else {
        put_value(run, value);
        rt_text_cstr(&run->out, "\n");
    }
    run->items++;
    if (run->out.len > 65536) {
        ctl_flush(run);
    }
}

void
ctl_list_end(ctl_run *run)
{
    list_is_open = 0;
    if (run->opt.format == CTL_JSON) {
        rt_text_cstr(&run->out, run->items > 0 ? "\n]\n" : "]\n");
    }
    ctl_flush(run);
}

void
ctl_put_grid(ctl_run *run, const ctl_grid *grid, uint32_t indent)
{
    ctl_grid_write(grid, &run->out, !ctl_given(run, CTL_FLAG_NO_HEADERS), run->color, indent,
                   run->columns);
}

// Names say what a number is: a moment (_at) or a duration (_ms).
static void
show_named(rt_text *out, rt_str path, rt_bytes value)
{
    rt_mp at = rt_mp_init(value);
    int64_t number;
    char text[64];
    bool is_number = rt_mp_i64(&at, &number) == RT_OK;
    if (is_number && path.len > 3 && memcmp(path.ptr + path.len - 3, "_at", 3) == 0) {
        ctl_time(out, number);
    } else if (is_number && number >= 0 && path.len > 3 &&
               memcmp(path.ptr + path.len - 3, "_ms", 3) == 0) {
        rt_text_cstr(out, rt_format_duration(number, text, sizeof(text)));
    } else {
        ctl_show(out, value);
    }
}

static void
add_pair(void *user, rt_str path, rt_bytes value)
{
    ctl_grid *grid = user;
    rt_text text;
    if (rt_str_is(path, "seq") || rt_str_is(path, "kind") || rt_str_is(path, "at_ms")) {
        return;
    }
    rt_text_init(&text, CTL_TEXT_MAX);
    show_named(&text, path, value);
    ctl_grid_str(grid, CTL_DIM, path);
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    rt_text_fini(&text);
}

void
ctl_put_pairs(ctl_run *run, rt_bytes map, uint32_t indent)
{
    static const ctl_column columns[] = {{"", false, 40}, {"", false, 0}};
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    ctl_flatten(map, add_pair, &grid);
    ctl_grid_write(&grid, &run->out, false, run->color, indent, 0);
    ctl_grid_fini(&grid);
}

void
ctl_end_line(ctl_run *run)
{
    while (run->out.len > 0 && run->out.ptr[run->out.len - 1] == ' ') {
        run->out.ptr[--run->out.len] = '\0';
    }
    rt_text_cstr(&run->out, "\n");
}

void
ctl_heading(ctl_run *run, const char *text)
{
    ctl_styled(&run->out, run->color, CTL_BOLD, rt_str_of(text));
    rt_text_cstr(&run->out, "\n");
}

void
ctl_say(ctl_run *run, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); // short lines
    va_end(args);
    rt_text_cstr(&run->out, text);
}

void
ctl_put(ctl_run *run, ctl_style style, rt_str text)
{
    rt_text clean;
    rt_text_init(&clean, CTL_TEXT_MAX);
    ctl_clean(&clean, text);
    ctl_styled(&run->out, run->color, style, rt_text_view(&clean));
    rt_text_fini(&clean);
}

int
ctl_exit_code(rt_str code)
{
    static const struct {
        const char *name;
        int exit_code;
    } codes[] = {
        {"RT_EDENIED", CTL_DENIED},      {"RT_ENOTFOUND", CTL_NOT_FOUND},
        {"RT_EEXIST", CTL_CONFLICT},     {"RT_ESTALE", CTL_CONFLICT},
        {"RT_EHALTED", CTL_CONFLICT},    {"RT_EUNREACH", CTL_UNREACHABLE},
        {"RT_ETIMEOUT", CTL_UNREACHABLE}, {"RT_ECLOSED", CTL_UNREACHABLE},
        {"USAGE", CTL_USAGE},
    };
    for (size_t i = 0; i < RT_COUNT(codes); i++) {
        if (rt_str_is(code, codes[i].name)) {
            return codes[i].exit_code;
        }
    }
    return CTL_FAILED;
}

static bool
is_retryable(rt_str code)
{
    static const char *const names[] = {"RT_EFULL",    "RT_EAGAIN",  "RT_ETIMEOUT",
                                        "RT_EUNREACH", "RT_ECLOSED", "RT_EBUSY"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(code, names[i])) {
            return true;
        }
    }
    return false;
}

static void
error_json(rt_text *line, rt_str code, rt_str text, rt_str hint, int exit_code)
{
    rt_text_cstr(line, "{\"error\":");
    rt_json_string(line, text);
    rt_text_cstr(line, ",\"code\":");
    rt_json_string(line, code);
    if (hint.len > 0) {
        rt_text_cstr(line, ",\"hint\":");
        rt_json_string(line, hint);
    }
    rt_text_printf(line, ",\"retryable\":%s,\"exit_code\":%d}\n",
                   is_retryable(code) ? "true" : "false", exit_code);
}

static void
error_text(const ctl_run *run, rt_text *line, rt_str text, rt_str hint)
{
    bool color = run->color && isatty(STDERR_FILENO);
    ctl_styled(line, color, CTL_RED, RT_STR("error:"));
    rt_text_cstr(line, " ");
    ctl_clean(line, text);
    rt_text_cstr(line, "\n");
    if (hint.len > 0) {
        ctl_styled(line, color, CTL_CYAN, RT_STR("hint:"));
        rt_text_cstr(line, " ");
        ctl_clean(line, hint);
        rt_text_cstr(line, "\n");
    }
}

int
ctl_error(const ctl_run *run, rt_str code, rt_str text, rt_str hint)
{
    rt_text line;
    int exit_code = ctl_exit_code(code);
    rt_text_init(&line, ERROR_MAX);
    if (ctl_is_json(run)) {
        error_json(&line, code, text, hint, exit_code);
    } else {
        error_text(run, &line, text, hint);
    }
    RT_IGNORE(fwrite(line.ptr, 1, line.len, stderr)); // nowhere else to complain
    rt_text_fini(&line);
    return exit_code;
}

int
ctl_fail(const ctl_run *run, rt_err err, const char *hint)
{
    const char *detail = rt_err_detail();
    return ctl_error(run, rt_str_of(rt_err_name(err)),
                     rt_str_of(detail[0] != '\0' ? detail : rt_err_text(err)), rt_str_of(hint));
}

int
ctl_refuse(const ctl_run *run, rt_err err, const char *hint, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); // cut at its size
    va_end(args);
    return ctl_error(run, rt_str_of(err == RT_EINVAL ? "USAGE" : rt_err_name(err)),
                     rt_str_of(text), rt_str_of(hint));
}

void
ctl_note(const ctl_run *run, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (ctl_given(run, CTL_FLAG_QUIET) || ctl_is_json(run)) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); // cut at its size
    va_end(args);
    (void)fprintf(stderr, "%s\n", text); // only a remark
}
