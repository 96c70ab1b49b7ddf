// brain-agent: runs the agents of one host in a process of its own, from the same configuration as
// braind. The brain listens at the host's address; this program dials it, again and again until it
// is there, and is fed what its agents missed.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brain/agent/host.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "tools/braind/settings.h"

#define EXIT_USAGE 2
#define EXIT_CONFIG 78
#define EXIT_FAILED 3

static const char usage[] =
    "brain-agent - runs agents outside braind\n"
    "\n"
    "usage: brain-agent --host NAME [--config FILE] [--set K=V]...\n"
    "\n"
    "  --host NAME     one of `hosts` in brain.yaml with a tcp:// url\n"
    "  --config FILE   the same file that braind reads (default: config/brain.yaml)\n"
    "\n"
    "example: brain-agent --host outside --config config/brain.yaml\n";

typedef struct program {
    rt_loop *loop;
    br_host *host;
    int code;
} program;

static void
on_signal(void *user, int signo)
{
    program *p = user;
    rt_log_info("agent-stopping", "signal=%d", signo);
    if (br_host_stop(p->host) != RT_OK) {
        rt_log_error("agent-not-saved", "detail=\"%s\"", rt_err_detail());
        p->code = EXIT_FAILED;
    }
    rt_loop_stop(p->loop);
}

static void
on_failed(void *user, rt_err err)
{
    program *p = user;
    (void)err; // the host has logged it
    p->code = EXIT_FAILED;
    rt_loop_stop(p->loop);
}

static const settings_host *
find_host(const settings *s, const char *name)
{
    for (size_t i = 0; i < s->host_count; i++) {
        if (strcmp(s->hosts[i].name, name) == 0 && s->hosts[i].outside) {
            return &s->hosts[i];
        }
    }
    return NULL;
}

static rt_err
refuse_host(settings *s, const char *name, const char *config_file)
{
    const char *list = "";
    for (size_t i = 0; i < s->host_count; i++) {
        if (s->hosts[i].outside) {
            list = rt_arena_printf(s->arena, "%s%s %s", list, list[0] != '\0' ? "," : "",
                                   s->hosts[i].name)
                       .ptr;
        }
    }
    return rt_fail(RT_ECONFIG, "no host '%s' with a tcp:// url among `hosts` in %s; there %s%s",
                   name, config_file, list[0] != '\0' ? "is" : "is none", list);
}

static rt_err
run(program *p, settings *s, const settings_host *host)
{
    char lock_path[1024];
    rt_lock *lock;
    const char *dir = settings_host_dir(s, host);
    rt_err err = rt_dir_make(dir);
    snprintf(lock_path, sizeof(lock_path), "%s/LOCK", dir);
    if (err == RT_OK) {
        err = rt_lock_take(lock_path, &lock);
    }
    if (err != RT_OK) {
        return err;
    }
    br_host_config config = settings_host_config(s, host);
    config.on_failed = on_failed;
    config.failed_user = p;
    p->loop = rt_loop_new();
    err = br_host_new(p->loop, &config, &p->host);
    if (err == RT_OK) {
        rt_loop_on_signal(p->loop, SIGTERM, on_signal, p);
        rt_loop_on_signal(p->loop, SIGINT, on_signal, p);
        rt_loop_run(p->loop);
    }
    return err;
}

static int
parse_flags(int argc, char **argv, settings_flags *flags, const char **ret_host)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        } else if (strcmp(argv[i], "--host") == 0 && more) {
            *ret_host = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            flags->config_file = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more &&
                   flags->set_count < RT_COUNT(flags->sets)) {
            flags->sets[flags->set_count++] = argv[++i];
        } else {
            fprintf(stderr, "brain-agent: what is '%s'?\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
    }
    if (*ret_host == NULL) {
        fprintf(stderr, "brain-agent: which host? --host NAME\n%s", usage);
        return EXIT_USAGE;
    }
    return -1;
}

int
main(int argc, char **argv)
{
    settings_flags flags = {.config_file = "config/brain.yaml"};
    static settings s;
    static program p;
    const char *name = NULL;
    int code = parse_flags(argc, argv, &flags, &name);
    if (code >= 0) {
        return code;
    }
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    rt_err err = settings_load(&flags, &s);
    const settings_host *host = err == RT_OK ? find_host(&s, name) : NULL;
    if (err == RT_OK && host == NULL) {
        err = refuse_host(&s, name, flags.config_file);
    }
    if (err == RT_OK) {
        settings_log(&s);
        err = run(&p, &s, host);
    }
    if (err != RT_OK) {
        settings_print_findings(&s);
        bool found = rt_diag_errors(s.diag) > 0; // then the findings say it all
        fprintf(stderr, "brain-agent: %s%s%s\n", rt_err_text(err), found ? "" : ": ",
                found ? "" : rt_err_detail());
        p.code = EXIT_CONFIG;
    }
    fflush(NULL);
    _exit(p.code); // see braind: nng is not torn down
}
