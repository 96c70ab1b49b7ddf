// sim: whole-system simulation of brain and agents under faults. See README.md.
//
// usage: sim [--seed S] [--seeds N] [--first] [--trace] [--hashes] [--json] [--source DIR]
//        sim-planted ... [--plant NAME | --plants]
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/sim/files.h"
#include "tests/sim/internal.h"

#define TWICE_EVERY 16 // every so many seeds, one is run a second time
#define TWICE_EVERY_FIRST 3 // when the first mistake is searched for
#define ELSEWHERE_BLOCKS 4096u
#define ELSEWHERE_BYTES_MAX 2048u

// The packs, as the brain and as the audit read them.
typedef struct packs {
    br_pack *pack;
    audit_pack *rules;
} packs;

// The message of a failed assertion, made when its seed begins: a signal handler may not format.
static char last_words[160];
static size_t signo_at;

static void
on_signal(int signo)
{
    last_words[signo_at] = (char)('0' + signo / 10);
    last_words[signo_at + 1] = (char)('0' + signo % 10);
    if (write(STDERR_FILENO, last_words, strlen(last_words)) < 0) {
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

typedef struct options {
    uint64_t seed;
    uint64_t seeds;
    bool first; // none after the first that does not hold
    bool told;
    bool hashes; // a line per seed, to be compared with those of another build
    bool json;   // figures of all seeds as one line of JSON
    bool plants; // only a list of the mistakes that this program can make
    const char *source;
} options;

typedef struct sums {
    audit_figures audit;
    uint64_t failed;
    uint64_t paced;
    uint64_t recycled;
    uint64_t detected;
    uint64_t posts;
    uint64_t resent;
    uint64_t happenings;
    uint64_t faults[FAULTS];
    int64_t virtual_ms;
} sums;

static void
print_result(uint64_t seed, const world_result *r)
{
    const audit_figures *a = &r->audit;

    (void)printf("seed %llu: %s, %llu records, %llu events of producers, %llu own, %llu decisions "
                 "(%llu without an agent), %llu actions, %llu webhooks, %llu resent%s%s; "
                 "%llu happenings; %lld virtual ms; trace %016llx state %016llx\n",
                 (unsigned long long)seed, r->paced ? "paced" : "rushed",
                 (unsigned long long)a->records, (unsigned long long)a->external,
                 (unsigned long long)a->internal, (unsigned long long)a->decisions,
                 (unsigned long long)a->missing, (unsigned long long)a->intents,
                 (unsigned long long)r->posts, (unsigned long long)r->resent,
                 r->recycled ? ", journal recycled" : "", r->detected ? ", damage detected" : "",
                 (unsigned long long)r->happenings, (long long)r->virtual_ms,
                 (unsigned long long)r->trace_hash, (unsigned long long)r->state_hash);
    for (int i = 0; i < FAULTS; i++) {
        if (r->faults[i] > 0) {
            (void)printf("    %6llu %s\n", (unsigned long long)r->faults[i],
                         world_fault_name((world_fault)i));
        }
    }
}

// Runs one seed once more among blocks that the first run did not have, so that what it allocates
// lies elsewhere: nothing may depend on addresses.
static void
run_elsewhere(uint64_t seed, const packs *p, world_result *ret_result)
{
    void *blocks[ELSEWHERE_BLOCKS];
    rt_rng rng;

    rt_rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < ELSEWHERE_BLOCKS; i++) {
        blocks[i] = rt_alloc(16 + rt_rng_below(&rng, ELSEWHERE_BYTES_MAX));
    }
    world_run(seed, p->pack, p->rules, false, ret_result);
    for (size_t i = 0; i < ELSEWHERE_BLOCKS; i++) {
        rt_free(blocks[i]);
    }
}

// Runs one seed, now and then twice; true when everything held.
static bool
run_seed(uint64_t seed, const packs *p, bool told, bool twice, world_result *ret_result)
{
    world_result again;

    signo_at = (size_t)snprintf(last_words, sizeof(last_words), "sim: seed %llu died of signal ",
                                (unsigned long long)seed);
    (void)snprintf(last_words + signo_at, sizeof(last_words) - signo_at,
                   "00; again: tools/prove sim --seed %llu --trace\n", (unsigned long long)seed);
    world_run(seed, p->pack, p->rules, told, ret_result);
    if (ret_result->held && twice) {
        run_elsewhere(seed, p, &again);
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
add(sums *sum, const world_result *r)
{
    const audit_figures *one = &r->audit;

    sum->audit.records += one->records;
    sum->audit.external += one->external;
    sum->audit.decisions += one->decisions;
    sum->audit.intents += one->intents;
    sum->audit.missing += one->missing;
    sum->audit.timers_fired += one->timers_fired;
    sum->failed += r->held ? 0 : 1;
    sum->paced += r->paced;
    sum->recycled += r->recycled;
    sum->detected += r->detected;
    sum->posts += r->posts;
    sum->resent += r->resent;
    sum->happenings += r->happenings;
    sum->virtual_ms += r->virtual_ms;
    for (int i = 0; i < FAULTS; i++) {
        sum->faults[i] += r->faults[i];
    }
}

static void
print_json(const options *o, const sums *sum)
{
    const audit_figures *a = &sum->audit;

    (void)printf("{\"seeds\": %llu, \"failed\": %llu, \"paced\": %llu, \"recycled\": %llu, "
                 "\"detected\": %llu, \"records\": %llu, \"events\": %llu, \"decisions\": %llu, "
                 "\"missing\": %llu, \"actions\": %llu, \"webhooks\": %llu, \"timers\": %llu, "
                 "\"resent\": %llu, \"happenings\": %llu, \"virtual_ms\": %lld, \"faults\": {",
                 (unsigned long long)o->seeds, (unsigned long long)sum->failed,
                 (unsigned long long)sum->paced, (unsigned long long)sum->recycled,
                 (unsigned long long)sum->detected, (unsigned long long)a->records,
                 (unsigned long long)a->external, (unsigned long long)a->decisions,
                 (unsigned long long)a->missing, (unsigned long long)a->intents,
                 (unsigned long long)sum->posts, (unsigned long long)a->timers_fired,
                 (unsigned long long)sum->resent, (unsigned long long)sum->happenings,
                 (long long)sum->virtual_ms);
    for (int i = 0; i < FAULTS; i++) {
        (void)printf("%s\"%s\": %llu", i > 0 ? ", " : "", world_fault_name((world_fault)i),
                     (unsigned long long)sum->faults[i]);
    }
    (void)printf("}}\n");
}

static void
print_sums(const options *o, const sums *sum)
{
    const audit_figures *a = &sum->audit;
    uint64_t crashes = sum->faults[FAULT_POWER_CUT] + sum->faults[FAULT_KILL];

    (void)printf("%llu of %llu seeds held: %llu records, %llu decisions (%llu without an agent), "
                 "%llu actions, %llu webhooks, %llu timers, %llu crashes, %lld virtual hours\n",
                 (unsigned long long)(o->seeds - sum->failed), (unsigned long long)o->seeds,
                 (unsigned long long)a->records, (unsigned long long)a->decisions,
                 (unsigned long long)a->missing, (unsigned long long)a->intents,
                 (unsigned long long)sum->posts, (unsigned long long)a->timers_fired,
                 (unsigned long long)crashes, (long long)(sum->virtual_ms / 3600000));
}

static int
run_seeds(const options *o, const packs *p)
{
    world_result r;
    sums sum = {0};

    for (uint64_t seed = o->seed;
         seed < o->seed + o->seeds && (!o->first || sum.failed == 0); seed++) {
        bool twice = o->seeds == 1 || seed % (o->first ? TWICE_EVERY_FIRST : TWICE_EVERY) == 0;
        (void)run_seed(seed, p, o->told, twice, &r);
        if (o->hashes) {
            (void)printf("hash %llu %016llx\n", (unsigned long long)seed,
                         (unsigned long long)r.trace_hash);
        } else if (o->seeds == 1 || o->told) {
            print_result(seed, &r);
        }
        add(&sum, &r);
    }
    if (o->json) {
        print_json(o, &sum);
    } else {
        print_sums(o, &sum);
    }
    return sum.failed == 0 ? 0 : 1;
}

// Tells the mistakes that this program can make, a line each; none in a program as others are.
static void
print_plants(void)
{
    for (int i = 0; RT_PLANTED_BUILD && i < RT_PLANTS; i++) {
        (void)printf("%s\t%s\n", rt_plant_name((rt_plant)i), rt_plant_text((rt_plant)i));
    }
}

static bool
plant(const char *name)
{
    if (RT_PLANTED_BUILD && rt_plant_choose(name)) {
        return true;
    }
    (void)fprintf(stderr, "sim: no mistake '%s' in this build\n", name);
    return false;
}

static bool
read_number(const char *text, uint64_t *ret_value)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value >= 0;

    *ret_value = (uint64_t)value;
    return ok;
}

static bool
read_options(int argc, char **argv, options *o)
{
    bool ok = true;

    for (int i = 1; i < argc && ok; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--trace") == 0) {
            o->told = true;
        } else if (strcmp(argv[i], "--first") == 0) {
            o->first = true;
        } else if (strcmp(argv[i], "--hashes") == 0) {
            o->hashes = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            ok = read_number(argv[++i], &o->seed);
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            ok = read_number(argv[++i], &o->seeds) && o->seeds > 0;
        } else if (strcmp(argv[i], "--source") == 0 && more) {
            o->source = argv[++i];
        } else if (strcmp(argv[i], "--plant") == 0 && more) {
            ok = plant(argv[++i]);
        } else if (strcmp(argv[i], "--plants") == 0) {
            o->plants = true;
        } else {
            ok = false;
        }
    }
    return ok;
}

int
main(int argc, char **argv)
{
    options o = {.seed = 1, .seeds = 1, .source = "."};

    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: sim [--seed S] [--seeds N] [--first] [--trace] [--hashes] "
                              "[--json] [--source DIR] [--plant NAME | --plants]\n");
        return 2;
    }
    if (o.plants) {
        print_plants();
        return 0;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGABRT, on_signal);
    (void)signal(SIGSEGV, on_signal);
    (void)signal(SIGTERM, on_signal); // it takes too long: which seed it is
    rt_log_set_sink(o.told ? print_line : keep_line, NULL);
    files_load(o.source);
    sim_reset(1);
    sim_disk_reset();
    files_write();
    packs p = {load_pack(), books_pack()};
    int code = run_seeds(&o, &p);
    br_pack_free(p.pack);
    audit_pack_free(p.rules);
    return code;
}
