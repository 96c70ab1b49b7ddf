// braind: the daemon. The only place that knows everybody: settings, brain, agents, loops.
//
// Two loops on two threads: the brain's (this one) and the agents'. They speak over an inproc link,
// the same way the brain speaks to agents in processes of their own.
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brain/playbook/findings.h"
#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "tools/braind/settings.h"

#define EXIT_CONFIG 78
#define EXIT_IO 74
#define EXIT_NOT_NOW 75
#define STOP_PATIENCE_MS 1500

typedef struct inside_hosts {
    settings *settings;
    uint64_t journal_first_seq;
    rt_loop *loop;
    rt_wake *stop;
    br_host *hosts[BR_HOSTS_MAX];
    size_t count;
    // Why they are not there: stored by the agents' thread, loaded by the brain's, which may look
    // at any time, also while they start.
    _Atomic rt_err err;
    _Atomic bool running; // their loop; stored and loaded by the same as err
    rt_wake *brain_wake; // told when everything is stopped or could not start
} inside_hosts;

typedef struct daemon {
    settings settings;
    rt_loop *loop;
    br_brain *brain;
    inside_hosts inside;
    rt_thread *agents_thread;
    rt_lock *lock;
    bool stopping;
    const char *config_file;
    char work_dir[1024];
} daemon_state;

static const char usage[] =
    "braind - decides on events and acts, continuously\n"
    "\n"
    "usage: braind [--config FILE] [--set SECTION.KEY=VALUE]...\n"
    "       braind --check            read configuration, pack and playbooks, then exit\n"
    "\n"
    "  --config FILE   brain.yaml (default: config/brain.yaml, then /etc/cerebro/brain.yaml)\n"
    "  --set K=V       overrides one parameter, e.g. --set doors.ingest=tcp://127.0.0.1:7801\n"
    "  --check         exit code 0 when everything is fine, 78 when it is not\n"
    "  --format FORM   findings of --check for machines, on standard output: gcc, json or sarif\n"
    "  --version, --help\n"
    "\n"
    "exit codes: 0 stopped as asked; 2 usage; 74 disk, journal or state cannot be trusted; 75 not "
    "now:\n"
    "another brain has the data or the doors, the disk is full, no memory; 78 configuration; a "
    "failed\n"
    "check of its own and no memory end it by SIGABRT, with a line that says so\n"
    "\n"
    "example: braind --config config/brain.yaml --set data.dir=/tmp/brain\n"
    "see also: brainctl --help, brain-agent --help, brain-replay --help\n";

static void
on_hosts_stop(void *user)
{
    inside_hosts *inside = user;
    for (size_t i = 0; i < inside->count; i++) {
        if (br_host_stop(inside->hosts[i]) != RT_OK) {
            rt_log_error("host-stop-failed", "detail=\"%s\"", rt_err_detail());
        }
    }
    rt_loop_stop(inside->loop);
}

static void
on_host_failed(void *user, rt_err err)
{
    inside_hosts *inside = user;
    atomic_store(&inside->err, err);
    rt_wake_send(inside->brain_wake);
}

static rt_err
start_host(inside_hosts *inside, const settings_host *host)
{
    br_host_config config = settings_host_config(inside->settings, host);
    config.journal_first_seq = inside->journal_first_seq;
    config.on_failed = on_host_failed;
    config.failed_user = inside;
    return br_host_new(inside->loop, &config, &inside->hosts[inside->count]);
}

static void
agents_main(void *user)
{
    inside_hosts *inside = user;
    settings *s = inside->settings;
    rt_err err = RT_OK;
    for (size_t i = 0; i < s->host_count && err == RT_OK; i++) {
        if (!s->hosts[i].outside) {
            err = start_host(inside, &s->hosts[i]);
            inside->count += err == RT_OK;
        }
    }
    if (err != RT_OK) {
        rt_log_error("agents-not-started", "error=%s detail=\"%s\"", rt_err_name(err),
                     rt_err_detail());
        atomic_store(&inside->err, err);
        rt_wake_send(inside->brain_wake);
        return;
    }
    atomic_store(&inside->running, true);
    rt_loop_run(inside->loop);
}

static void
on_agents_news(void *user)
{
    daemon_state *d = user;
    if (atomic_load(&d->inside.err) != RT_OK) {
        rt_loop_stop(d->loop);
    }
}

static void
on_stopped(void *user)
{
    daemon_state *d = user;
    rt_loop_stop(d->loop);
}

static void
on_signal(void *user, int signo)
{
    daemon_state *d = user;
    if (signo == SIGHUP) {
        rt_diag *diag = rt_diag_new();
        rt_err err = br_brain_reload_playbooks(d->brain, diag);
        br_brain_note_playbooks(d->brain, RT_STR("SIGHUP"), RT_STR("reload"), RT_STR(""));
        if (err != RT_OK) {
            rt_text text;
            rt_text_init(&text, 65536);
            rt_diag_render(diag, &text);
            rt_log_error("playbooks-refused", "the old set stays live, error=%s", rt_err_name(err));
            fprintf(stderr, "%.*s", RT_STR_ARG(rt_text_view(&text)));
            rt_text_fini(&text);
        }
        rt_diag_free(diag);
        return;
    }
    if (!d->stopping) {
        d->stopping = true;
        rt_log_info("stopping", "signal=%d", signo);
        br_brain_stop(d->brain, STOP_PATIENCE_MS, on_stopped, d);
    }
}

static void
write_param(void *user, const rt_param *param, const char *value, const char *origin)
{
    rt_mpw *w = user;
    rt_mpw_map(w, 5);
    rt_mpw_cstr(w, "name");
    rt_mpw_cstr(w, param->name);
    rt_mpw_cstr(w, "value");
    rt_mpw_cstr(w, value);
    rt_mpw_cstr(w, "origin");
    rt_mpw_cstr(w, origin);
    rt_mpw_cstr(w, "unit");
    rt_mpw_cstr(w, param->unit);
    rt_mpw_cstr(w, "help");
    rt_mpw_cstr(w, param->help);
}

static void
count_param(void *user, const rt_param *param, const char *value, const char *origin)
{
    uint32_t *count = user;
    (void)param;
    (void)value;
    (void)origin;
    ++*count;
}

static void
describe_config(void *user, rt_mpw *w)
{
    const settings *s = user;
    uint32_t count = 0;
    rt_config_each(s->config, count_param, &count);
    rt_mpw_array(w, count);
    rt_config_each(s->config, write_param, w);
}

static int
exit_code(rt_err err)
{
    if (err == RT_ENOMEM) {
        return EXIT_NOT_NOW; // of a single message a limit, of a whole start the machine
    }
    switch (rt_err_class_of(err)) {
    case RT_CLASS_ok:
        return 0;
    case RT_CLASS_reject:
        return EXIT_CONFIG;
    case RT_CLASS_retry:
        return EXIT_NOT_NOW;
    case RT_CLASS_fatal:
        return err == RT_ELOCKED ? EXIT_NOT_NOW : EXIT_IO;
    }
    return EXIT_IO;
}

static void
print_hint(rt_err err)
{
    if (err == RT_EBUSY) {
        fputs("hint: is a brain running already? other doors: --set doors.ingest=URL, doors.pull, "
              "doors.publish; doors.control=PATH\n", stderr);
    } else if (err == RT_ECORRUPT) {
        fputs("hint: what is damaged was left as it is; brain-verify --scrub names all damage of "
              "the journal; restore what is named from a backup\n", stderr);
    }
}

static rt_err
start(daemon_state *d, br_host_entry *hosts)
{
    settings *s = &d->settings;
    char lock_path[1024];
    rt_err err = rt_dir_make(s->data_dir);
    snprintf(lock_path, sizeof(lock_path), "%s/LOCK", s->data_dir);
    if (err == RT_OK) {
        // before any door: a second daemon must not even touch the first one's sockets
        err = rt_lock_take(lock_path, &d->lock);
    }
    if (err != RT_OK) {
        return err;
    }
    d->loop = rt_loop_new();
    br_brain_config config = settings_brain(s, hosts);
    config.describe_config = describe_config;
    config.describe_user = s;
    config.config_file = d->config_file;
    config.work_dir = getcwd(d->work_dir, sizeof(d->work_dir));
    if (config.state.gate.quiet_from_min < 0 || config.state.gate.quiet_until_min < 0) {
        return rt_fail(RT_ECONFIG, "gate.quiet_from and gate.quiet_until want hh:mm");
    }
    err = br_brain_new(d->loop, &config, s->diag, &d->brain);
    if (err != RT_OK) {
        return err;
    }
    d->inside = (inside_hosts){.settings = s,
                               .journal_first_seq = br_brain_journal(d->brain).first_seq,
                               .loop = rt_loop_new()};
    d->inside.stop = rt_wake_new(d->inside.loop, on_hosts_stop, &d->inside);
    d->inside.brain_wake = rt_wake_new(d->loop, on_agents_news, d);
    rt_loop_on_signal(d->loop, SIGTERM, on_signal, d);
    rt_loop_on_signal(d->loop, SIGINT, on_signal, d);
    rt_loop_on_signal(d->loop, SIGHUP, on_signal, d);
    d->agents_thread = rt_thread_start("agents", agents_main, &d->inside);
    return RT_OK;
}

static int
run(daemon_state *d)
{
    br_host_entry hosts[BR_HOSTS_MAX];
    rt_err err = start(d, hosts);
    if (err != RT_OK) {
        settings_print_findings(&d->settings);
        fprintf(stderr, "braind: %s: %s\n", rt_err_text(err), rt_err_detail());
        print_hint(err);
        return exit_code(err);
    }
    rt_loop_run(d->loop);
    // also after a door that could not be opened or an agent that did not start: no socket is left
    // behind, nobody waits for an answer that will not come
    br_brain_hang_up(d->brain);
    // a host that failed while it ran is not asked to save anything
    if (atomic_load(&d->inside.err) == RT_OK || !atomic_load(&d->inside.running)) {
        rt_wake_send(d->inside.stop);
        rt_thread_join(d->agents_thread);
    }
    err = atomic_load(&d->inside.err);
    if (err != RT_OK) {
        settings_print_findings(&d->settings);
    } else {
        err = br_brain_failed(d->brain);
    }
    print_hint(err);
    return exit_code(err);
}

static const char *
default_config(void)
{
    return rt_file_exists("config/brain.yaml") ? "config/brain.yaml" : "/etc/cerebro/brain.yaml";
}

static int
parse_flags(int argc, char **argv, settings_flags *flags, bool *check, br_findings_form *form)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("braind " CEREBRO_VERSION);
            return 0;
        } else if (strcmp(argv[i], "--check") == 0) {
            *check = true;
        } else if (strcmp(argv[i], "--format") == 0 && more &&
                   br_findings_form_of(rt_str_of(argv[i + 1]), form)) {
            i++;
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            flags->config_file = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more &&
                   flags->set_count < RT_COUNT(flags->sets)) {
            flags->sets[flags->set_count++] = argv[++i];
        } else {
            fprintf(stderr, "braind: what is '%s'?\n%s", argv[i], usage);
            return 2;
        }
    }
    return -1;
}

static rt_err
check_playbooks(settings *s)
{
    // compiled by the same code as at start, with a state in memory
    return br_check_playbooks(s->pack, s->playbook_dir, s->diag);
}

// What --check found, in a form for machines: also when that is nothing.
static void
print_findings(const settings *s, br_findings_form form)
{
    rt_text text;
    rt_text_init(&text, 4 * 1024 * 1024);
    br_findings_write(s->diag, form, &text);
    fwrite(text.ptr != NULL ? text.ptr : "", 1, text.len, stdout);
    rt_text_fini(&text);
}

// The mistake that a program built to make one is to make; see runtime/base/planted.h.
static bool
plant(void)
{
    const char *name = getenv("CEREBRO_PLANT");
    return name == NULL || rt_plant_choose(name);
}

int
main(int argc, char **argv)
{
    settings_flags flags = {.config_file = default_config()};
    daemon_state *d = rt_new(daemon_state);
    bool check = false;
    br_findings_form form = BR_FINDINGS_HUMAN;
    int code = parse_flags(argc, argv, &flags, &check, &form);
    if (code >= 0) {
        return code;
    }
    if (RT_PLANTED_BUILD && !plant()) {
        fputs("braind: no such mistake as CEREBRO_PLANT says\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    d->config_file = flags.config_file;
    rt_err err = settings_load(&flags, &d->settings);
    if (err == RT_OK && rt_alloc_refused() > 0) {
        err = rt_fail(RT_ENOMEM, "memory was missing for the configuration");
    }
    if (err == RT_OK && d->settings.playbook_dir != NULL &&
        !rt_file_exists(d->settings.playbook_dir)) {
        err = rt_fail(RT_ENOTFOUND, "playbooks.dir: there is no %s", d->settings.playbook_dir);
    }
    if (err == RT_OK && check) {
        err = check_playbooks(&d->settings);
    }
    bool for_machines = check && form != BR_FINDINGS_HUMAN;
    if (for_machines) {
        print_findings(&d->settings, form);
    } else if (err != RT_OK || rt_diag_warnings(d->settings.diag) > 0) {
        settings_print_findings(&d->settings);
    }
    if (err != RT_OK) {
        fprintf(stderr, "braind: %s%s%s\n", rt_err_text(err),
                rt_diag_errors(d->settings.diag) > 0 ? "" : ": ",
                rt_diag_errors(d->settings.diag) > 0 ? "" : rt_err_detail());
        return err == RT_ENOMEM ? EXIT_NOT_NOW : EXIT_CONFIG;
    }
    if (check) {
        if (!for_machines) {
            puts("configuration, pack and playbooks are fine");
        }
        return 0;
    }
    settings_log(&d->settings);
    code = run(d);
    // no orderly tear-down: nng 1.5.2 can hang when a receiving socket is closed, and everything
    // that matters is on disk
    fflush(NULL);
    _exit(code);
}
