// bench-peers: Cerebro beside what else could be picked for the nearest job. See README.md.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "tests/bench/case.h"
#include "tests/bench/peer.h"
#include "tests/bench/process.h"
#include "tests/bench/report.h"

// Design notes.
// A round runs every system once, one after the other, each time beginning with another one: what
// else the machine does meanwhile hits all of them alike, and a ratio is taken within a round.
//
// Every run is a process of its own, forked from this one, which has made the events and has no
// threads: what a client library leaves running cannot cost the next system anything, and a run
// that hangs can be killed. Its server dies with it.

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define RUNS_MAX 15
#define SYSTEMS_MAX 8
#define RUN_PATIENCE_S 240 // beyond what it measures: starting, warming up, settling, stopping
#define POLL_NS 20000000

#ifdef BENCH_NATS
#define NATS peer_nats
#else
#define NATS NULL
#endif
#ifdef BENCH_REDIS
#define REDIS_ALWAYS peer_redis_always
#define REDIS_EVERYSEC peer_redis_everysec
#else
#define REDIS_ALWAYS NULL
#define REDIS_EVERYSEC NULL
#endif

typedef struct peer_system {
    const char *name;
    uint32_t batch; // events in a message or pipeline
    rt_err (*run)(const peer_config *config, peer_result *ret_result); // NULL: no client library
    const char *server; // NULL: our own
    const char *packages;
} peer_system;

// Cerebro comes first: the ratios are its.
static const peer_system systems[] = {
    {"cerebro-flood-64", 64, peer_cerebro, NULL, NULL},
    {"nats-jetstream", 1, NATS, "/usr/sbin/nats-server", "nats-server and libnats-dev"},
    {"redis-streams-always", 64, REDIS_ALWAYS, "/usr/bin/redis-server",
     "redis-server and libhiredis-dev"},
    {"redis-streams-everysec", 64, REDIS_EVERYSEC, "/usr/bin/redis-server",
     "redis-server and libhiredis-dev"},
    {"asyncio-sqlite", 1, peer_asyncio, "/usr/bin/python3", "python3"},
};

_Static_assert(RT_COUNT(systems) <= SYSTEMS_MAX, "arrays of systems are large enough");

typedef struct options {
    peer_config run;
    const char *parent; // of the directory for data
    const char *only;   // beside Cerebro, or NULL
    bool keep;
    bool json;
    int64_t runs;
} options;

// What a run tells this process, in memory that both have.
typedef struct told {
    peer_result result;
    bool ok;
    char error[256];
} told;

typedef struct round_result {
    bool ok;
    peer_result result;
} round_result;

typedef struct series {
    round_result rounds[RUNS_MAX];
    bool absent;
} series;

static const char usage[] =
    "bench-peers - the nearest job done by Cerebro and by others, side by side\n"
    "\n"
    "usage: bench-peers --braind PROGRAM --config FILE --loop FILE [OPTION]...\n"
    "\n"
    "  --seconds N   length of one run (default 5)\n"
    "  --runs N      rounds; each runs every system once (default 5)\n"
    "  --peer NAME   Cerebro and this one only: nats-jetstream redis-streams-always\n"
    "                redis-streams-everysec asyncio-sqlite\n"
    "  --dir PATH    where data directories are made (default /tmp; a tmpfs measures no disk)\n"
    "  --keep        leave Cerebro's data directories\n"
    "  -o json       an array of objects instead of text\n";

static void
say(const char *text)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%s", text);
    }
}

// --- one run ---

RT_NORETURN static void
run_here(const peer_system *s, const options *opt, told *ret, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_FAILED); // it ended before the line above
    }
    prctl(PR_SET_TIMERSLACK, 1UL); // pauses are as long as they say
    rt_err err = s->run(&opt->run, &ret->result);
    if (err != RT_OK) {
        snprintf(ret->error, sizeof(ret->error), "%s: %s", rt_err_text(err), rt_err_detail());
    }
    ret->ok = err == RT_OK;
    fflush(NULL);
    _exit(0); // no tear-down: libraries can hang when sockets close
}

// Waits for a run, killing it when it takes much too long.
static bool
await_run(pid_t pid, int64_t seconds)
{
    struct timespec pause = {.tv_nsec = POLL_NS};
    int64_t polls = (seconds + RUN_PATIENCE_S) * 1000000000 / POLL_NS;
    for (int64_t i = 0; i < polls; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return true;
        }
        (void)nanosleep(&pause, NULL); // a signal only makes it shorter
    }
    (void)kill(pid, SIGKILL); // its server dies with it
    (void)waitpid(pid, NULL, 0);
    return false;
}

static round_result
run_system(const peer_system *s, const options *opt, told *shared)
{
    pid_t parent = getpid();
    memset(shared, 0, sizeof(*shared));
    pid_t pid = fork();
    if (pid == 0) {
        run_here(s, opt, shared, parent);
    }
    bool ended = pid > 0 && await_run(pid, opt->run.seconds);
    if (!shared->ok) {
        say("");
        fprintf(stderr, "bench-peers: %s: no figure: %s\n", s->name,
                shared->error[0] != '\0' ? shared->error
                : ended                  ? "its run crashed"
                                         : "its run hung");
    }
    return (round_result){shared->ok, shared->result};
}

// --- all runs ---

static bool
wanted(const options *opt, size_t index)
{
    return index == 0 || opt->only == NULL || strcmp(opt->only, systems[index].name) == 0;
}

// Says what cannot be measured and how to change that.
static void
find_absent(const options *opt, series *all)
{
    for (size_t i = 0; i < RT_COUNT(systems); i++) {
        const peer_system *s = &systems[i];
        bool there = s->run != NULL && (s->server == NULL || access(s->server, X_OK) == 0);
        all[i].absent = !wanted(opt, i) || !there;
        if (wanted(opt, i) && !there) {
            fprintf(stderr, "bench-peers: %s is left out: it needs %s; tools/setup --bench "
                            "installs them\n", s->name, s->packages);
        }
    }
}

static rt_err
run_rounds(const options *opt, series *all)
{
    told *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return rt_fail(RT_EIO, "cannot map memory");
    }
    for (int64_t round = 0; round < opt->runs; round++) {
        for (size_t k = 0; k < RT_COUNT(systems); k++) {
            size_t i = (k + (size_t)round) % RT_COUNT(systems);
            if (!all[i].absent) {
                char text[128];
                snprintf(text, sizeof(text), "round %d of %d: %s", (int)round + 1,
                         (int)opt->runs, systems[i].name);
                say(text);
                all[i].rounds[round] = run_system(&systems[i], opt, shared);
            }
        }
    }
    say("");
    return munmap(shared, sizeof(*shared)) == 0 ? RT_OK : rt_fail(RT_EIO, "cannot unmap");
}

// --- figures ---

static double
rate(const peer_result *result)
{
    return result->per_s;
}

static double
p50(const peer_result *result)
{
    return (double)result->p50_us;
}

static double
p99(const peer_result *result)
{
    return (double)result->p99_us;
}

static double
cpu(const peer_result *result)
{
    return result->cpu_us_per_event;
}

static size_t
count_ok(const series *s)
{
    size_t count = 0;
    for (size_t i = 0; i < RUNS_MAX; i++) {
        count += s->rounds[i].ok;
    }
    return count;
}

static report_spread
spread(const series *s, double (*figure)(const peer_result *result))
{
    double values[RUNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < RUNS_MAX; i++) {
        if (s->rounds[i].ok) {
            values[count++] = figure(&s->rounds[i].result);
        }
    }
    return report_spread_of(values, count);
}

// Of the rounds in which both came to a figure; false when there is none.
static bool
ratio_of(const series *own, const series *other, report_spread *ret_times)
{
    double values[RUNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < RUNS_MAX; i++) {
        if (own->rounds[i].ok && other->rounds[i].ok) {
            values[count++] = own->rounds[i].result.per_s / other->rounds[i].result.per_s;
        }
    }
    if (count > 0) {
        *ret_times = report_spread_of(values, count);
    }
    return count > 0;
}

static void
report(const options *opt, const series *all)
{
    report_line lines[SYSTEMS_MAX];
    report_ratio ratios[SYSTEMS_MAX];
    size_t line_count = 0;
    size_t ratio_count = 0;
    for (size_t i = 0; i < RT_COUNT(systems); i++) {
        if (count_ok(&all[i]) == 0) {
            continue;
        }
        lines[line_count++] = (report_line){.suite = "peers",
                                            .name = systems[i].name,
                                            .batch = systems[i].batch,
                                            .runs = (uint32_t)count_ok(&all[i]),
                                            .events_per_s = spread(&all[i], rate),
                                            .p50_us = spread(&all[i], p50).median,
                                            .p99_us = spread(&all[i], p99).median,
                                            .cpu_us_per_event = spread(&all[i], cpu).median};
        ratios[ratio_count].to = systems[i].name;
        ratio_count += i > 0 && ratio_of(&all[0], &all[i], &ratios[ratio_count].times);
    }
    if (count_ok(&all[0]) > 0) {
        lines[0].ratios = ratios;
        lines[0].ratio_count = ratio_count;
    }
    if (opt->json) {
        report_lines_json(lines, line_count);
    } else {
        report_lines_table(lines, line_count);
    }
}

static int
run_all(const options *opt)
{
    series all[SYSTEMS_MAX] = {0};
    size_t case_count;
    load_events events;
    options with_events = *opt;
    find_absent(opt, all);
    say("making events");
    uint64_t count = case_events(case_list(&case_count), opt->run.seconds);
    rt_err err = load_generate((uint32_t)count, CASE_SEED, &events);
    if (err == RT_OK) {
        with_events.run.events = &events;
        err = run_rounds(&with_events, all);
        load_events_free(&events);
    }
    if (err != RT_OK) {
        fprintf(stderr, "bench-peers: %s: %s\n", rt_err_text(err), rt_err_detail());
        return EXIT_FAILED;
    }
    report(opt, all);
    for (size_t i = 0; i < RT_COUNT(systems); i++) {
        if (!all[i].absent && count_ok(&all[i]) < (size_t)opt->runs) {
            return EXIT_FAILED;
        }
    }
    return 0;
}

// --- the command line ---

static bool
number(const char *text, int64_t most, int64_t *ret)
{
    return rt_parse_i64(rt_str_of(text), ret) == RT_OK && *ret >= 1 && *ret <= most;
}

static bool
known(const char *name)
{
    for (size_t i = 1; i < RT_COUNT(systems); i++) {
        if (strcmp(name, systems[i].name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
parse_value(options *opt, const char *name, const char *value)
{
    if (strcmp(name, "--braind") == 0) {
        opt->run.braind.braind = value;
    } else if (strcmp(name, "--config") == 0) {
        opt->run.braind.config = value;
    } else if (strcmp(name, "--loop") == 0) {
        opt->run.loop = value;
    } else if (strcmp(name, "--dir") == 0) {
        opt->parent = value;
    } else if (strcmp(name, "--peer") == 0) {
        opt->only = value;
        return known(value);
    } else if (strcmp(name, "--seconds") == 0) {
        return number(value, 600, &opt->run.seconds);
    } else if (strcmp(name, "--runs") == 0) {
        return number(value, RUNS_MAX, &opt->runs);
    } else if (strcmp(name, "-o") == 0) {
        opt->json = strcmp(value, "json") == 0;
        return opt->json || strcmp(value, "text") == 0;
    } else {
        return false;
    }
    return true;
}

static bool
parse(int argc, char **argv, options *opt)
{
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        if (strcmp(argv[i], "--keep") == 0) {
            opt->keep = true;
        } else {
            ok = i + 1 < argc && parse_value(opt, argv[i], argv[i + 1]);
            i++;
        }
    }
    return ok && opt->run.braind.braind != NULL && opt->run.braind.config != NULL &&
           opt->run.loop != NULL;
}

int
main(int argc, char **argv)
{
    options opt = {.run = {.seconds = 5}, .parent = "/tmp", .runs = 5};
    process_scratch scratch;
    if (!parse(argc, argv, &opt)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    rt_err err = process_scratch_open(opt.parent, opt.keep, &scratch);
    if (err != RT_OK) {
        fprintf(stderr, "bench-peers: %s\n", rt_err_detail());
        return EXIT_FAILED;
    }
    opt.run.dir = scratch.dir;
    opt.run.braind.parent = scratch.dir;
    opt.run.braind.keep = opt.keep;
    int code = run_all(&opt);
    process_scratch_close(&scratch);
    return code;
}
