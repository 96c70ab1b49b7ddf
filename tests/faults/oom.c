// oom: the n-th rt_try_alloc of a simulated life fails; what is left is audited.
//
// usage: oom --events FILE --source DIR [--first N] [--count N] [--step N] [--forever] [--only N]
//
// A life: load the configuration, start brain and agents, take four batches of events, reload a
// changed playbook in between, save, stop. Without --count it is run once for every n until no
// allocation is left to fail. Output: one line a life that went wrong, then one line of figures.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brain/core/internal.h"
#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/sim_internal.h"
#include "runtime/wire/json.h"
#include "tests/sim/files.h"
#include "tools/braind/settings.h"

// Design notes.
// Each n is a process of its own, so that a crash, a named end and a leak (with the sanitizers) are
// told apart, and no life knows of another. The second life, without failures, begins on the disk
// that the first one left, as after a kill: the page cache is there, what was not written is not.
//
// Brain and agents share a thread here, and so one count of refusals: both give up when either has
// to. In braind they are threads of one process that ends as one, too.

#define INGEST_URL "tcp://127.0.0.1:7701"
#define CONFIG_PATH "/config/brain.yaml"
#define DATA_DIR "/data"
#define BATCHES 4
#define EVENTS 300
#define LINE_MAX 65536
#define BATCH_BYTES_MAX (1024u * 1024)
#define PATIENCE_MS 20000 // virtual, for each part of a life
#define SECONDS_MAX 120   // real, for each n
#define TEXT_MAX 512

typedef enum ending { WENT_ON, ENDED_NAMED, WENT_WRONG, NOT_REACHED, ENDINGS } ending;

typedef struct promise {
    uint64_t seq;
    size_t event; // index of the event
} promise;

typedef struct event {
    rt_mpw body;
    rt_str source;
    rt_str id;
} event;

typedef struct life {
    settings settings;
    br_host_entry hosts[BR_HOSTS_MAX];
    br_brain_config config;
    rt_loop *brain_loop;
    rt_loop *host_loop;
    br_brain *brain;
    br_host *host;
    bool host_failed;
    bool is_stopped;
    char text[TEXT_MAX]; // why it ended
} life;

// What a process reports.
typedef struct outcome {
    int ending;
    uint64_t tries;
    char text[TEXT_MAX];
} outcome;

// Each larger than all before, so that what was large enough has to grow.
static const size_t batch_ends[BATCHES + 1] = {0, 2, 15, 60, EVENTS};
static event events[EVENTS];
static promise promises[EVENTS];
// The request under way; an answer may come when its life is over.
static bool is_answered;
static size_t asked_batch;
static size_t promise_count;

static const char brain_yaml[] = "tenants:\n"
                                 "  - {id: 1, name: demo, utc_offset: \"-05:00\"}\n"
                                 "webhooks:\n"
                                 "  - {name: shop, url: https://shop.example/hook}\n";

// --- events ---

static rt_str
text_of(rt_bytes map, const char *name)
{
    rt_mp at;
    rt_str text = {"", 0};
    bool ok = rt_mp_find(map, rt_str_of(name), &at) && rt_mp_str(&at, &text) == RT_OK;

    RT_ASSERT(ok);
    return text;
}

static void
load_events(const char *path)
{
    static char line[LINE_MAX];
    FILE *file = fopen(path, "r");
    size_t count = 0;

    while (file != NULL && count < RT_COUNT(events) && fgets(line, sizeof(line), file) != NULL) {
        event *e = &events[count++];
        rt_err err = RT_OK;

        rt_mpw_init(&e->body, LINE_MAX);
        err = rt_json_to_mp(rt_str_of(line), &e->body);
        RT_ASSERT(err == RT_OK);
        e->source = text_of(rt_mpw_view(&e->body), "source");
        e->id = text_of(rt_mpw_view(&e->body), "id");
    }
    if (file == NULL || count < RT_COUNT(events)) {
        (void)fprintf(stderr, "oom: %s: %zu events, %zu are wanted\n", path, count,
                      RT_COUNT(events));
        exit(2);
    }
    (void)fclose(file);
}

// --- a life ---

static void
note_end(life *l, const char *what, rt_err err)
{
    if (l->text[0] == '\0') {
        (void)snprintf(l->text, sizeof(l->text), "%s: %s: %s", what, rt_err_name(err),
                       rt_err_detail());
    }
}

static void
on_host_failed(void *user, rt_err err)
{
    life *l = user;

    l->host_failed = true;
    note_end(l, "the host gave up", err);
}

static bool
is_over(life *l)
{
    if (l->brain != NULL && br_brain_failed(l->brain) != RT_OK) {
        note_end(l, "the brain gave up", br_brain_failed(l->brain));
        return true;
    }
    return l->host_failed;
}

// Runs the world until `done`; false when the life is over before.
static bool
run_until(life *l, bool (*done)(const life *l), const char *what)
{
    int64_t until_ms = sim_now_ms() + PATIENCE_MS;

    while (!done(l)) {
        if (is_over(l)) {
            return false;
        }
        if (sim_now_ms() > until_ms || !sim__step()) {
            (void)snprintf(l->text, sizeof(l->text), "stands still: %s", what);
            return false;
        }
    }
    return !is_over(l);
}

static bool
is_ready(const life *l)
{
    return br_brain_ready(l->brain);
}

static bool
has_answer(const life *l)
{
    (void)l;
    return is_answered;
}

static bool
has_stopped(const life *l)
{
    return l->is_stopped;
}

static bool
is_at_rest(const life *l)
{
    const br_brain *brain = l->brain;
    const br_host_link *link = &brain->hosts[0];

    return br_brain_ready(brain) && br_pending_count(brain->pending) == 0 &&
           br_outbox_count(brain->state->outbox) == 0 && br__execute_waiting(brain) == 0 &&
           rt_journal_pending(brain->journal) == 0 && !br__intake_waiting(brain) &&
           brain->next_playbooks == NULL && br__hosts_caught_up(brain) &&
           link->batch_count == 0 && link->answered >= link->awaiting;
}

static bool
start(life *l)
{
    static const char *const sets[] = {
        ("data.dir=" DATA_DIR),     "data.segment_bytes=1MiB", "data.cut_every=20ms",
        "data.store_max_bytes=64MiB", "pack.core=/packs/core",   "pack.dir=/packs/logistics",
        "playbooks.dir=/playbooks", ("doors.ingest=" INGEST_URL), "doors.pull=", "doors.publish="};
    settings_flags flags = {.config_file = CONFIG_PATH};
    br_host_config host;
    rt_err err = RT_OK;

    for (size_t i = 0; i < RT_COUNT(sets); i++) {
        flags.sets[flags.set_count++] = sets[i];
    }
    err = settings_load(&flags, &l->settings);
    if (err == RT_OK && rt_alloc_refused() > 0) {
        err = rt_fail(RT_ENOMEM, "memory was missing for the configuration");
    }
    if (err != RT_OK) {
        note_end(l, "configuration", err);
        return false;
    }
    l->config = settings_brain(&l->settings, l->hosts);
    l->config.control_path = NULL;
    l->brain_loop = rt_loop_new();
    err = br_brain_new(l->brain_loop, &l->config, l->settings.diag, &l->brain);
    if (err != RT_OK) {
        note_end(l, "brain", err);
        return false;
    }
    host = settings_host_config(&l->settings, &l->settings.hosts[0]);
    host.on_failed = on_host_failed;
    host.failed_user = l;
    l->host_loop = rt_loop_new();
    err = br_host_new(l->host_loop, &host, &l->host);
    if (err != RT_OK) {
        note_end(l, "host", err);
        return false;
    }
    return run_until(l, is_ready, "the doors do not open");
}

// An answer's results, in the order of the request.
static void
book_answer(size_t batch, rt_bytes reply)
{
    rt_mp mp;
    uint32_t count = 0;

    if (!rt_mp_find(reply, RT_STR("results"), &mp) || rt_mp_array(&mp, &count) != RT_OK) {
        return; // an answer that cannot be read promises nothing
    }
    for (uint32_t i = 0; batch_ends[batch] + i < batch_ends[batch + 1] && i < count; i++) {
        uint32_t fields = 0;
        rt_str word = {"", 0};
        uint64_t seq = 0;

        if (rt_mp_array(&mp, &fields) != RT_OK || fields != 2 || rt_mp_str(&mp, &word) != RT_OK ||
            rt_mp_u64(&mp, &seq) != RT_OK) {
            return; // refused
        }
        promises[promise_count++] = (promise){seq, batch_ends[batch] + i};
    }
}

static void
on_reply(void *user, rt_err err, rt_bytes reply)
{
    (void)user;
    is_answered = true;
    if (err == RT_OK) {
        book_answer(asked_batch, reply);
    }
}

static bool
send_batch(life *l, size_t batch)
{
    static uint8_t request[BATCH_BYTES_MAX];
    size_t len = 0;
    size_t first = batch_ends[batch];
    size_t count = batch_ends[batch + 1] - first;

    request[len++] = 0xdc; // an array of up to 65,535
    request[len++] = (uint8_t)(count >> 8);
    request[len++] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        rt_bytes body = rt_mpw_view(&events[first + i].body);

        RT_ASSERT(len + body.len <= sizeof(request));
        memcpy(request + len, body.ptr, body.len);
        len += body.len;
    }
    asked_batch = batch;
    is_answered = false;
    sim_request(INGEST_URL, (rt_bytes){request, len}, on_reply, NULL);
    return run_until(l, has_answer, "a request is not answered");
}

static void
reload(life *l)
{
    rt_diag *diag = rt_diag_new();

    files_write_playbook(7, false);
    // Refused for want of memory or not: the old set or the new one is live.
    RT_IGNORE(br_brain_reload_playbooks(l->brain, diag));
    rt_diag_free(diag);
}

static void
on_stopped(void *user)
{
    life *l = user;

    l->is_stopped = true;
}

static bool
stop(life *l)
{
    br_brain_stop(l->brain, 1500, on_stopped, l);
    if (!run_until(l, has_stopped, "it does not stop")) {
        return false;
    }
    RT_IGNORE(br_host_stop(l->host)); // what is not saved is fed again
    return !is_over(l);
}

static bool
live(life *l)
{
    bool ok = start(l);

    for (size_t batch = 0; ok && batch < BATCHES; batch++) {
        ok = send_batch(l, batch);
        if (ok && batch == 1) {
            reload(l);
        }
        for (int64_t until_ms = sim_now_ms() + 25; ok && sim_now_ms() < until_ms;) {
            ok = sim__step() && !is_over(l); // states are saved
        }
    }
    return ok && stop(l);
}

static void
end(life *l)
{
    br_host_free(l->host);
    if (l->host_loop != NULL) {
        rt_loop_free(l->host_loop);
    }
    br_brain_free(l->brain);
    if (l->brain_loop != NULL) {
        rt_loop_free(l->brain_loop);
    }
    settings_free(&l->settings);
    rt_free(l); // not on the stack: what it points to would never look lost to the leak check
}

// --- what is left ---

static bool
wrong(outcome *result, const char *what)
{
    result->ending = WENT_WRONG;
    (void)snprintf(result->text, sizeof(result->text), "%s", what);
    return false;
}

static bool
check_fold(life *l, outcome *result)
{
    const br_agent_def *agents[BR_HOST_AGENTS_MAX];
    const settings_host *host = &l->settings.hosts[0];
    br_replay_result again;
    br_replay_config config = {.journal_dir = DATA_DIR "/journal",
                               .state = settings_state(&l->settings),
                               .runner = {.agents = agents,
                                          .agent_count = host->agent_count,
                                          .catalog = br_pack_catalog(l->settings.pack),
                                          .diag = l->settings.diag,
                                          .utc_offset_ms = l->settings.utc_offset_ms,
                                          .tenant_count = RT_TENANT_MAX}};
    rt_err err = RT_OK;

    memcpy(agents, host->agents, sizeof(agents[0]) * host->agent_count);
    err = br_replay(&config, l->settings.diag, NULL, NULL, &again);
    if (err != RT_OK) {
        return wrong(result, rt_err_detail());
    }
    if (again.differences > 0 || again.contexts > 0) {
        return wrong(result, "decisions or contexts come out otherwise");
    }
    if (again.state_hash != br_state_hash(br_brain_state(l->brain))) {
        return wrong(result, "the state is not the fold of the journal");
    }
    if (again.agents_hash != br_host_hash(l->host)) {
        return wrong(result, "the agents' state is not the fold of the journal");
    }
    return again.undecided == 0 || wrong(result, "events stay undecided");
}

// Whether the promised event stands at its place.
static bool
is_kept(const life *l, const promise *p, rt_journal_reader *reader)
{
    const event *e = &events[p->event];
    rt_record record;
    rt_event found;

    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        if (record.seq == p->seq) {
            return rt_event_decode_record(br_pack_catalog(l->settings.pack), record.seq,
                                          record.at_ms, record.payload, &found) == RT_OK &&
                   rt_str_equal(found.id, e->id) && rt_str_equal(found.source, e->source);
        }
    }
    return false;
}

static bool
check_promises(life *l, outcome *result)
{
    bool kept = true;

    for (size_t i = 0; i < promise_count && kept; i++) {
        rt_journal_reader *reader = NULL;

        kept = rt_journal_reader_open(DATA_DIR "/journal", promises[i].seq, &reader) == RT_OK &&
               is_kept(l, &promises[i], reader);
        rt_journal_reader_close(reader);
    }
    return kept || wrong(result, "acknowledged, and not in the journal at its place");
}

// The life after: everything that was promised is there, and comes to its end.
static void
live_again(outcome *result)
{
    life *l = rt_new(life);
    rt_journal_info info;

    if (!start(l) || !run_until(l, is_at_rest, "no rest")) {
        (void)wrong(result, l->text);
    } else if (rt_journal_verify(DATA_DIR "/journal", &info) != RT_OK) {
        (void)wrong(result, rt_err_detail());
    } else if (check_promises(l, result)) {
        (void)check_fold(l, result);
    }
    end(l);
}

static void
prepare(void)
{
    rt_file *file = NULL;
    rt_err err = RT_OK;

    sim_reset(1);
    sim_disk_reset();
    files_write();
    err = rt_dir_make("/config");
    if (err == RT_OK) {
        err = rt_file_open(CONFIG_PATH, RT_FILE_WRITE, &file);
    }
    if (err == RT_OK) {
        err = rt_file_pwrite(file, (rt_bytes){(const uint8_t *)brain_yaml, strlen(brain_yaml)}, 0);
    }
    RT_ASSERT(err == RT_OK);
    rt_file_close(file);
    sim_set_wall_ms(INT64_C(1795000000000)); // some days after the events
}

static outcome
try_one(uint64_t n, bool forever)
{
    outcome result = {.ending = WENT_ON};
    life *l = rt_new(life);
    char why[TEXT_MAX];
    bool lived = false;
    uint64_t refused = 0;

    prepare();
    if (forever) {
        rt_alloc_fail_from(n);
    } else {
        rt_alloc_fail_after(n);
    }
    lived = live(l);
    result.tries = rt_alloc_tries();
    rt_alloc_fail_after(0);
    refused = rt_alloc_refused();
    (void)snprintf(why, sizeof(why), "%s", l->text);
    end(l);
    rt_alloc_forgive(0);
    if (!lived) {
        result.ending = ENDED_NAMED;
        (void)snprintf(result.text, sizeof(result.text), "%s", why);
        if (strncmp(why, "stands still", 12) == 0 || refused == 0) {
            (void)wrong(&result, why);
        }
    } else if (n > result.tries) {
        result.ending = NOT_REACHED;
    }
    if (result.ending != WENT_WRONG) {
        live_again(&result);
    }
    return result;
}

// --- processes ---

static void
drop_line(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

// Its report goes through `out`; its stderr through `err_out`.
static void
be_child(uint64_t n, bool forever, int out, int err_out)
{
    outcome result;

    (void)dup2(err_out, STDERR_FILENO);
    (void)alarm(SECONDS_MAX);
    result = try_one(n, forever);
    if (write(out, &result, sizeof(result)) != (ssize_t)sizeof(result)) {
        _exit(4);
    }
    for (size_t i = 0; i < RT_COUNT(events); i++) {
        rt_mpw_fini(&events[i].body);
    }
    exit(0); // not _exit: the leak check of the sanitizers runs at exit
}

static void
judge_status(int status, const char *said, outcome *result)
{
    bool named = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                 strstr(said, "out of memory: ") != NULL;

    if (status == 0) {
        return;
    }
    result->ending = named ? ENDED_NAMED : WENT_WRONG;
    (void)snprintf(result->text, sizeof(result->text), "%s %d: %s",
                   WIFSIGNALED(status) ? "signal" : "exit",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), said);
}

static outcome
in_child(uint64_t n, bool forever)
{
    outcome result = {.ending = WENT_WRONG};
    char said[4096] = {0};
    size_t said_len = 0;
    int report[2];
    int errors[2];
    int status = 0;
    pid_t child = -1;
    ssize_t got = 0;

    (void)fflush(NULL);
    if (pipe(report) != 0 || pipe(errors) != 0 || (child = fork()) < 0) {
        perror("oom");
        exit(2);
    }
    if (child == 0) {
        (void)close(report[0]);
        (void)close(errors[0]);
        be_child(n, forever, report[1], errors[1]);
    }
    (void)close(report[1]);
    (void)close(errors[1]);
    // What does not fit is of no interest, but must be read: a full pipe would hold it up.
    while ((got = read(errors[0], said + said_len, sizeof(said) - 1 - said_len)) > 0) {
        said_len = RT_MIN(said_len + (size_t)got, sizeof(said) / 2);
    }
    got = read(report[0], &result, sizeof(result));
    (void)close(report[0]);
    (void)close(errors[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)sizeof(result) && status == 0) {
        (void)snprintf(result.text, sizeof(result.text), "it said nothing");
        result.ending = WENT_WRONG;
    }
    judge_status(status, said, &result);
    return result;
}

// --- the command ---

typedef struct options {
    const char *events;
    const char *source;
    uint64_t first;
    uint64_t count; // 0: until nothing fails any more
    uint64_t step;
    bool forever;
    bool told;
} options;

static bool
read_number(const char *text, uint64_t *ret_value)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value > 0;

    *ret_value = (uint64_t)value;
    return ok;
}

static bool
read_options(int argc, char **argv, options *o)
{
    bool ok = true;

    for (int i = 1; i < argc && ok; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--forever") == 0) {
            o->forever = true;
        } else if (strcmp(argv[i], "--events") == 0 && more) {
            o->events = argv[++i];
        } else if (strcmp(argv[i], "--source") == 0 && more) {
            o->source = argv[++i];
        } else if (strcmp(argv[i], "--first") == 0 && more) {
            ok = read_number(argv[++i], &o->first);
        } else if (strcmp(argv[i], "--count") == 0 && more) {
            ok = read_number(argv[++i], &o->count);
        } else if (strcmp(argv[i], "--step") == 0 && more) {
            ok = read_number(argv[++i], &o->step);
        } else if (strcmp(argv[i], "--only") == 0 && more) {
            ok = read_number(argv[++i], &o->first);
            o->count = 1;
            o->told = true;
        } else {
            ok = false;
        }
    }
    return ok && o->events != NULL;
}

int
main(int argc, char **argv)
{
    static const char *const names[] = {"went_on", "ended", "wrong", "not_reached"};
    options o = {.source = ".", .first = 1, .step = 1};
    uint64_t endings[ENDINGS] = {0};
    uint64_t lives = 0;
    uint64_t tries = 0;

    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: oom --events FILE [--source DIR] [--first N] [--count N] "
                              "[--step N] [--forever] [--only N]\n");
        return 2;
    }
    rt_log_set_sink(drop_line, NULL);
    files_load(o.source);
    load_events(o.events);
    for (uint64_t n = o.first; o.count == 0 || lives < o.count; n += o.step) {
        outcome result = in_child(n, o.forever);

        lives++;
        endings[result.ending]++;
        tries = RT_MAX(tries, result.tries);
        if (result.ending == WENT_WRONG || o.told) {
            (void)printf("%s %llu: %s\n", names[result.ending], (unsigned long long)n,
                         result.text);
            (void)fflush(stdout);
        }
        if (result.ending == NOT_REACHED && o.count == 0) {
            break;
        }
    }
    (void)printf("{\"lives\":%llu,\"went_on\":%llu,\"ended\":%llu,\"wrong\":%llu,"
                 "\"not_reached\":%llu,\"tries\":%llu}\n",
                 (unsigned long long)lives, (unsigned long long)endings[WENT_ON],
                 (unsigned long long)endings[ENDED_NAMED],
                 (unsigned long long)endings[WENT_WRONG],
                 (unsigned long long)endings[NOT_REACHED], (unsigned long long)tries);
    return endings[WENT_WRONG] == 0 ? 0 : 1;
}
