// sim: whole-system simulation of brain and agents under faults. See README.md.
//
// usage: sim [--seed S] [--seeds N] [--trace] [--source DIR]
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/sim/files.h"
#include "tests/sim/internal.h"

#define TWICE_EVERY 8 // every so many seeds, one is run a second time

static uint64_t current_seed; // for the message of a failed assertion

static void
on_abort(int signo)
{
    static char text[160];
    int len = snprintf(text, sizeof(text),
                       "sim: seed %llu died of signal %d; again: sim --seed %llu --trace\n",
                       (unsigned long long)current_seed, signo, (unsigned long long)current_seed);

    if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0) {
        _exit(3);
    }
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
}

static void
keep_line(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    ring_add(line);
}

static void
print_line(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    ring_add(line);
    (void)printf("%8lld ms    %s\n", (long long)sim_now_ms(), line);
}

static br_pack *
load_pack(void)
{
    rt_diag *diag = rt_diag_new();
    br_pack *pack = br_pack_new();
    rt_err err = br_pack_load_dir(pack, "/packs/core", diag);

    if (err == RT_OK) {
        err = br_pack_load_dir(pack, "/packs/logistics", diag);
    }
    if (err == RT_OK) {
        err = br_pack_finish(pack, diag);
    }
    rt_diag_free(diag);
    if (err != RT_OK) {
        (void)fprintf(stderr, "sim: the packs do not load: %s\n", rt_err_detail());
        exit(2);
    }
    return pack;
}

static void
print_result(uint64_t seed, const world_result *r)
{
    const audit_figures *a = &r->audit;

    (void)printf(
        "seed %llu: %llu records, %llu events of producers, %llu own, %llu decisions (%llu "
        "without an agent), %llu actions; %llu power cuts, %llu kills, %llu host kills, "
        "%llu link cuts, %llu full disks, %llu failed cuts, %llu halts, %llu reloads, "
        "%llu resent, %llu webhooks%s; %lld virtual ms; trace %016llx state %016llx\n",
        (unsigned long long)seed, (unsigned long long)a->records, (unsigned long long)a->external,
        (unsigned long long)a->internal, (unsigned long long)a->decisions,
        (unsigned long long)a->missing, (unsigned long long)a->intents,
        (unsigned long long)r->power_cuts, (unsigned long long)r->kills,
        (unsigned long long)r->host_kills, (unsigned long long)r->link_cuts,
        (unsigned long long)r->disk_full, (unsigned long long)r->failed_cuts,
        (unsigned long long)a->halts, (unsigned long long)r->reloads, (unsigned long long)r->resent,
                 (unsigned long long)r->posts, r->recycled ? ", journal recycled" : "",
        (long long)r->virtual_ms, (unsigned long long)r->trace_hash,
        (unsigned long long)r->state_hash);
}

// Runs one seed, now and then twice; true when everything held.
static bool
run_seed(uint64_t seed, const br_pack *pack, bool told, bool twice, world_result *ret_result)
{
    world_result again;

    current_seed = seed;
    world_run(seed, pack, told, ret_result);
    if (ret_result->held && twice) {
        world_run(seed, pack, false, &again);
        if (again.trace_hash != ret_result->trace_hash) {
            ret_result->held = false;
            (void)snprintf(ret_result->text, sizeof(ret_result->text),
                           "a second run went otherwise: trace %016llx, then %016llx",
                           (unsigned long long)ret_result->trace_hash,
                           (unsigned long long)again.trace_hash);
        }
    }
    if (!ret_result->held) {
        (void)printf("FAILED seed %llu at %lld virtual ms: %s\n", (unsigned long long)seed,
                     (long long)ret_result->violated_ms, ret_result->text);
        ring_print();
        (void)printf("again: tools/prove sim --seed %llu --trace\n", (unsigned long long)seed);
    }
    return ret_result->held;
}

static void
add(audit_figures *sum, const audit_figures *one)
{
    sum->records += one->records;
    sum->decisions += one->decisions;
    sum->intents += one->intents;
    sum->missing += one->missing;
    sum->halts += one->halts;
    sum->timers_fired += one->timers_fired;
}

static int
run_seeds(uint64_t first, uint64_t count, bool told, const br_pack *pack)
{
    world_result r;
    audit_figures sum = {0};
    uint64_t crashes = 0;
    uint64_t posts = 0;
    uint64_t failed = 0;
    int64_t virtual_ms = 0;

    for (uint64_t seed = first; seed < first + count; seed++) {
        failed += run_seed(seed, pack, told, count == 1 || seed % TWICE_EVERY == 0, &r) ? 0 : 1;
        if (count == 1 || told) {
            print_result(seed, &r);
        }
        add(&sum, &r.audit);
        crashes += r.power_cuts + r.kills;
        posts += r.posts;
        virtual_ms += r.virtual_ms;
    }
    (void)printf("%llu of %llu seeds held: %llu records, %llu decisions (%llu without an agent), "
                 "%llu actions, %llu webhooks, %llu timers, %llu halts, %llu crashes, "
                 "%lld virtual s\n",
                 (unsigned long long)(count - failed), (unsigned long long)count,
                 (unsigned long long)sum.records, (unsigned long long)sum.decisions,
                 (unsigned long long)sum.missing, (unsigned long long)sum.intents,
                 (unsigned long long)posts,
                 (unsigned long long)sum.timers_fired, (unsigned long long)sum.halts,
                 (unsigned long long)crashes, (long long)(virtual_ms / 1000));
    return failed == 0 ? 0 : 1;
}

static bool
read_number(const char *text, uint64_t *ret_value)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value >= 0;

    *ret_value = (uint64_t)value;
    return ok;
}

int
main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t seeds = 1;
    bool told = false;
    bool ok = true;
    const char *source = ".";

    for (int i = 1; i < argc && ok; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--trace") == 0) {
            told = true;
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            ok = read_number(argv[++i], &seed);
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            ok = read_number(argv[++i], &seeds) && seeds > 0;
        } else if (strcmp(argv[i], "--source") == 0 && more) {
            source = argv[++i];
        } else {
            ok = false;
        }
    }
    if (!ok) {
        (void)fprintf(stderr, "usage: sim [--seed S] [--seeds N] [--trace] [--source DIR]\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGSEGV, on_abort);
    rt_log_set_sink(told ? print_line : keep_line, NULL);
    files_load(source);
    sim_reset(1);
    sim_disk_reset();
    files_write();
    br_pack *pack = load_pack();
    int code = run_seeds(seed, seeds, told, pack);
    br_pack_free(pack);
    return code;
}
