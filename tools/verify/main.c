// brain-verify: checks a journal, replays it into a fresh state, and compares every decision and
// the saved state with what comes out.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brain/core/replay.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "runtime/wire/json.h"
#include "tools/braind/settings.h"

#define EXIT_DIFFERENT 1
#define EXIT_USAGE 2
#define EXIT_FAILED 3
#define SHOWN_MAX 3

static const char usage[] =
    "brain-verify - replays a journal and compares every decision and the saved state\n"
    "\n"
    "usage: brain-verify [--config FILE] [--set K=V]... [-o json]\n"
    "       brain-verify --scrub [--config FILE] [--set K=V]...\n"
    "\n"
    "The brain of that data directory must be stopped. Exit code 0: everything is equal; 1: "
    "something\n"
    "came out otherwise; 3: the journal cannot be replayed.\n"
    "\n"
    "  --scrub   only reads the journal, segment by segment, and names all damage; also beside a\n"
    "            running brain. Exit code 3 when there is any\n"
    "\n"
    "example: brain-verify --config config/brain.yaml --set data.dir=/tmp/brain\n";

typedef struct shown {
    int count;
    bool quiet;
} shown;

static void
print_decision(const char *label, rt_bytes payload)
{
    rt_text text;
    rt_mpw map;
    msg_decision decision;
    rt_arena *arena = rt_arena_new(16u * 1024 * 1024);
    rt_mp mp = rt_mp_init(payload);
    rt_text_init(&text, 1024 * 1024);
    rt_mpw_init(&map, 1024 * 1024);
    if (rt_msg_decode(&msg_decision_def, &mp, arena, &decision) == RT_OK) {
        rt_msg_to_map(&msg_decision_def, &decision, &map);
        if (rt_json_from_mp(rt_mpw_view(&map), &text) == RT_OK) {
            fprintf(stderr, "  %s %.*s\n", label, RT_STR_ARG(rt_text_view(&text)));
        }
    }
    rt_mpw_fini(&map);
    rt_text_fini(&text);
    rt_arena_free(arena);
}

static void
on_difference(void *user, uint64_t event_seq, rt_bytes recorded, rt_bytes again)
{
    shown *s = user;
    if (s->count++ < SHOWN_MAX && !s->quiet) {
        fprintf(stderr, "decision on event %llu differs\n", (unsigned long long)event_seq);
        print_decision("recorded:", recorded);
        print_decision("again:   ", again);
    }
}

// The state that the daemon saved when it stopped, loaded as it would be at the next start.
static rt_err
saved_hash(const settings *s, uint64_t *ret_hash, uint64_t *ret_seq)
{
    char dir[1024];
    rt_kv *kv;
    rt_store *store;
    br_state *state;
    br_state_config config = settings_state(s);
    snprintf(dir, sizeof(dir), "%s/state", s->data_dir);
    rt_err err = rt_kv_open(dir, (uint64_t)rt_config_i64(s->config, "data.store_max_bytes"), &kv);
    if (err != RT_OK) {
        return err;
    }
    err = rt_store_open(kv, &store);
    if (err == RT_OK) {
        err = br_state_new(store, &config, s->diag, &state);
        if (err == RT_OK) {
            *ret_seq = state->applied_seq;
            *ret_hash = br_state_hash(state);
            br_state_free(state);
        }
        rt_store_close(store);
    }
    rt_kv_close(kv);
    return err;
}

static size_t
all_agents(const settings *s, const br_agent_def **agents)
{
    size_t count = 0;
    for (size_t h = 0; h < s->host_count; h++) {
        for (size_t a = 0; a < s->hosts[h].agent_count; a++) {
            agents[count++] = s->hosts[h].agents[a];
        }
    }
    return count;
}

static int
report(const br_replay_result *r, uint64_t saved, uint64_t saved_seq, double seconds, bool json)
{
    bool same_state = saved_seq != r->last_seq || saved == r->state_hash;
    bool equal = r->differences == 0 && r->contexts == 0 && same_state;
    if (json) {
        printf("{\"records\":%llu,\"events\":%llu,\"decisions\":%llu,\"different_decisions\":%llu,"
               "\"different_contexts\":%llu,\"undecided\":%llu,\"last_seq\":%llu,"
               "\"state_hash\":\"%016llx\",\"agents_hash\":\"%016llx\",\"saved_seq\":%llu,"
               "\"saved_hash\":\"%016llx\",\"seconds\":%.3f,\"equal\":%s}\n",
               (unsigned long long)r->records, (unsigned long long)r->events,
               (unsigned long long)r->decisions, (unsigned long long)r->differences,
               (unsigned long long)r->contexts, (unsigned long long)r->undecided,
               (unsigned long long)r->last_seq, (unsigned long long)r->state_hash,
               (unsigned long long)r->agents_hash, (unsigned long long)saved_seq,
               (unsigned long long)saved, seconds, equal ? "true" : "false");
    } else {
        printf("journal     %llu records, checksums and hash chain are right\n",
               (unsigned long long)r->records);
        printf("decisions   %llu made again, %llu came out otherwise\n",
               (unsigned long long)r->decisions, (unsigned long long)r->differences);
        printf("contexts    %llu events, %llu came out otherwise\n", (unsigned long long)r->events,
               (unsigned long long)r->contexts);
        printf("state       replayed %016llx, saved %016llx at record %llu of %llu: %s\n",
               (unsigned long long)r->state_hash, (unsigned long long)saved,
               (unsigned long long)saved_seq, (unsigned long long)r->last_seq,
               saved_seq != r->last_seq ? "not comparable" : saved == r->state_hash ? "equal"
                                                                                   : "DIFFERENT");
        printf("agents      %016llx\n", (unsigned long long)r->agents_hash);
        printf("took        %.2f s, %.0f records/s\n", seconds, (double)r->records / seconds);
    }
    return equal ? 0 : EXIT_DIFFERENT;
}

static void
on_segment(void *user, const rt_segment_report *report)
{
    uint32_t *damaged = user;
    bool is_damaged = report->err != RT_OK || report->is_beginning_missing;
    *damaged += is_damaged;
    printf("%016llx.seg  records %llu to %llu  %s%s%s%s\n", (unsigned long long)report->first_seq,
           (unsigned long long)report->first_seq, (unsigned long long)report->last_seq,
           is_damaged ? "DAMAGED" : "fine", report->detail[0] != '\0' ? ": " : "", report->detail,
           report->is_mark_damaged ? " (its note of what is durable cannot be read)" : "");
    if (report->is_beginning_missing) {
        puts("  segments before it are missing, and did not go by retention");
    }
}

static int
scrub(const settings *s)
{
    char dir[1024];
    uint32_t damaged = 0;
    snprintf(dir, sizeof(dir), "%s/journal", s->data_dir);
    rt_err err = rt_journal_scrub(dir, on_segment, &damaged);
    if (err != RT_OK) {
        fprintf(stderr, "brain-verify: %s: %s\n", rt_err_text(err), rt_err_detail());
        return EXIT_FAILED;
    }
    printf("%u segments are damaged\n", damaged);
    return damaged > 0 ? EXIT_FAILED : 0;
}

static int
fail(const settings *s, rt_err err)
{
    settings_print_findings(s);
    fprintf(stderr, "brain-verify: %s: %s\n", rt_err_text(err), rt_err_detail());
    return EXIT_FAILED;
}

static int
verify(settings *s, bool json)
{
    const br_agent_def *agents[SETTINGS_AGENTS_MAX];
    char dir[1024];
    rt_journal_info info;
    br_replay_result result;
    uint64_t hash = 0;
    uint64_t seq = 0;
    shown shown_differences = {0, json};
    snprintf(dir, sizeof(dir), "%s/journal", s->data_dir);
    br_replay_config config = {.journal_dir = dir,
                               .state = settings_state(s),
                               .runner = {.agents = agents,
                                          .agent_count = all_agents(s, agents),
                                          .catalog = br_pack_catalog(s->pack),
                                          .overrides = s->overrides,
                                          .diag = s->diag,
                                          .utc_offset_ms = s->utc_offset_ms,
                                          .tenant_count = RT_TENANT_MAX}};
    rt_err err = rt_journal_verify(dir, &info);
    if (err == RT_OK && info.is_beginning_missing) {
        err = rt_fail(RT_ECORRUPT,
                      "%s begins with record %llu: the segments before are missing, and did not go "
                      "by retention",
                      dir, (unsigned long long)info.first_seq);
    }
    int64_t from_us = rt_clock_mono_us();
    if (err == RT_OK) {
        err = br_replay(&config, s->diag, on_difference, &shown_differences, &result);
    }
    double seconds = (double)(rt_clock_mono_us() - from_us) / 1e6;
    if (err == RT_OK) {
        err = saved_hash(s, &hash, &seq);
    }
    return err != RT_OK ? fail(s, err) : report(&result, hash, seq, seconds, json);
}

int
main(int argc, char **argv)
{
    settings_flags flags = {.config_file = "config/brain.yaml"};
    static settings s;
    bool json = false;
    bool only_scrub = false;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            flags.config_file = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more && flags.set_count < 64) {
            flags.sets[flags.set_count++] = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0 && more && strcmp(argv[i + 1], "json") == 0) {
            json = true;
            i++;
        } else if (strcmp(argv[i], "--scrub") == 0) {
            only_scrub = true;
        } else {
            fprintf(stderr, "brain-verify: what is '%s'?\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
    }
    rt_log_set_level(RT_LOG_WARN);
    rt_err err = settings_load(&flags, &s);
    if (err != RT_OK) {
        return fail(&s, err);
    }
    return only_scrub ? scrub(&s) : verify(&s, json);
}
