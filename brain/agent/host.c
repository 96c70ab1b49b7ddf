#include "brain/agent/host.h"

#include <stdio.h>

#include "brain/agent/internal.h"
#include "brain/agent/letters.h"
#include "brain/agent/unconfirmed.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"

// Design notes.
// The host is the runner with a link on one side and a store on the other.
//
// Link: every records message is answered by exactly one answers message, in the same turn. What
// a late agent says goes into a further message as soon as it is said. When the link is full,
// messages wait in `outbox` in order; when it goes down they are thrown away, because hello repeats
// every answer that is not confirmed and the brain feeds again what the host has not applied.
//
// Applied: `applied` is the seq that everything fed so far reaches. Records at or below it are
// passed over, so feeding again is harmless. It survives a broken link in memory, a restart through
// the cut.
//
// Records arrive before they are durable, so that thinking and syncing overlap. A cut therefore
// waits until the brain says that everything applied is in the journal (`committed`): a state that
// knows more than the journal could never be brought back in line with it. For the same reason a
// host whose link breaks while it knows more than is known to be durable forgets all of it and
// goes back to its last cut: the brain may have died, and what comes back gives the same numbers
// to other records. A host that lived through that with its state in memory would pass over the
// new records and answer them with what it had said about the lost ones.
//
// Cuts: rows, positions, the playbook set and unconfirmed answers go into one cut of the store, so
// a host that was killed comes back with state and answers that belong together. A cut runs on the
// store's thread while the loop goes on; when one is still running the next is left out.
//
// A state that is damaged is set aside and begun anew, and hello says so until the first cut, so
// that the brain can refuse to feed a part of what it was made of.
//
// Memory that was refused while agents took records makes their state, or what they said, one that
// the journal would not make again: such a host says nothing more, saves nothing, and stops.
//
// A brain that refuses the hello says why in one msgpack string instead of records.

#define HOST_MAGIC 0x605702bfu
#define PROTOCOL_VERSION 1
#define MESSAGE_BYTES_MAX (64u * 1024 * 1024)
#define LINK_INFLIGHT_MAX 256
#define OUTBOX_MAX 1024
#define DECODE_BYTES_MAX (64u * 1024 * 1024)
#define HEALTH_EVERY_MS 1000
#define OUTBOX_RETRY_MS 2
#define CUT_REST                                                                                   \
    4 // times as long as a cut took there is none: saving takes a fifth of a core at most
#define REFUSAL_SHOWN_MAX 400
#define DETAIL_MAX 1200

typedef struct letter {
    struct letter *next;
    size_t len;
    uint8_t bytes[];
} letter;

struct br_host {
    uint32_t magic;
    rt_loop *loop;
    rt_str name;
    const rt_catalog *catalog;
    br_runner_config config; // for opening the state anew
    rt_kv *kv;               // NULL: memory only
    rt_store *store;
    br_runner *runner;
    br_unconfirmed *unconfirmed;
    br_letters *letters;
    rt_table *identity;
    rt_link *link;
    rt_timer *poll_timer;
    rt_timer *cut_timer;
    rt_timer *health_timer;
    rt_arena *arena; // one message
    rt_arena *lasting;
    rt_mpw out;
    letter *outbox_first;
    letter **outbox_last;
    uint32_t outbox_count;
    uint64_t applied;
    uint64_t decided;
    uint64_t committed; // durable in the brain's journal
    uint64_t answered; // upto_seq of the last answer
    bool is_up;
    bool is_stopped;
    bool is_cutting;
    bool is_cut_due;
    bool is_cut_armed; // cut_timer runs
    int64_t cut_every_ms;
    bool was_damaged; // a store was set aside here, not necessarily in this life
    uint64_t map_bytes;
    unsigned fill_step; // as last warned of
    bool is_doubtful; // its state may reflect records that are gone: no hello before the reload
    int64_t cut_began_us;
    int64_t cut_rest_us; // no cut before
    bool is_health_due;  // the next answer carries the agents' states
    bool is_health_news; // something happened since they were sent
    bool is_malformed_told;
    uint64_t refused; // rt_alloc_refused when it began
    void (*on_failed)(void *user, rt_err err);
    void *failed_user;
};

// Ends it for good; whoever made it is told.
static void
fail(br_host *host, rt_err err)
{
    host->is_stopped = true;
    rt_timer_stop(host->poll_timer);
    rt_timer_stop(host->health_timer);
    rt_timer_stop(host->cut_timer);
    if (host->on_failed != NULL) {
        host->on_failed(host->failed_user, err);
    }
}

// Whether it is over, because memory was refused since the start or for another reason: then
// nothing may be said or saved.
static bool
is_over(br_host *host)
{
    if (!host->is_stopped && rt_alloc_refused() != host->refused) {
        rt_log_error("host-starved", "host=%.*s err=RT_ENOMEM, memory was missing",
                     RT_STR_ARG(host->name));
        fail(host, RT_ENOMEM);
    }
    return host->is_stopped;
}

// --- sending ---

static void
queue_letter(br_host *host, rt_bytes bytes)
{
    letter *l = NULL;

    if (host->outbox_count >= OUTBOX_MAX) {
        rt_log_error("host-outbox-full", "host=%.*s: a message to the brain is lost",
                     RT_STR_ARG(host->name));
        return;
    }
    l = rt_alloc(sizeof(*l) + bytes.len);
    l->len = bytes.len;
    memcpy(l->bytes, bytes.ptr, bytes.len);
    *host->outbox_last = l;
    host->outbox_last = &l->next;
    host->outbox_count++;
}

static void
drop_first_letter(br_host *host)
{
    letter *l = host->outbox_first;

    host->outbox_first = l->next;
    host->outbox_count--;
    if (host->outbox_first == NULL) {
        host->outbox_last = &host->outbox_first;
    }
    rt_free(l);
}

static void
empty_outbox(br_host *host)
{
    while (host->outbox_first != NULL) {
        drop_first_letter(host);
    }
}

static void
flush_outbox(br_host *host)
{
    while (host->outbox_first != NULL) {
        rt_bytes bytes = {host->outbox_first->bytes, host->outbox_first->len};
        rt_err err = rt_link_send(host->link, bytes);

        if (err == RT_EFULL) {
            return;
        }
        drop_first_letter(host); // sent, or the peer is gone and hello will repeat it
    }
}

static void
send(br_host *host, const rt_msg_def *def, const void *msg)
{
    rt_err err = RT_EFULL;

    rt_mpw_clear(&host->out);
    rt_msg_encode(def, msg, &host->out);
    if (is_over(host)) {
        return;
    }
    if (host->out.failed) {
        rt_log_error("host-message-too-large", "host=%.*s message=%s", RT_STR_ARG(host->name),
                     def->name);
        return;
    }
    flush_outbox(host);
    if (host->outbox_first == NULL) { // else it would overtake what waits
        err = rt_link_send(host->link, rt_mpw_view(&host->out));
    }
    if (err == RT_EFULL) {
        queue_letter(host, rt_mpw_view(&host->out));
    } else if (err != RT_OK && err != RT_ECLOSED) { // closed: hello will repeat it
        rt_log_warn("host-send-failed", "host=%.*s message=%s err=%s", RT_STR_ARG(host->name),
                    def->name, rt_err_name(err));
    }
}

// Where a restart begins; the brain keeps the journal from there on. A host that saves nothing
// begins with what is there, and needs nothing kept.
static uint64_t
saved_seq(const br_host *host)
{
    return host->kv == NULL ? host->applied : rt_store_saved(host->store);
}

static void
send_hello(br_host *host)
{
    const msg_agent_info *infos = NULL;
    size_t count = br_runner_agents(host->runner, &infos);
    msg_hello hello = {
        .protocol = PROTOCOL_VERSION,
        .host = host->name,
        .applied_seq = host->applied,
        .lost = host->was_damaged && host->applied == 0,
        .catalog_hash = rt_catalog_hash(host->catalog),
        .agents = {(void *)(uintptr_t)infos, (uint32_t)count},
        .saved_seq = saved_seq(host),
        .late = br_runner_late(host->runner),
    };

    rt_arena_reset(host->arena);
    if (br_unconfirmed_list(host->unconfirmed, host->arena, &hello.answers) != RT_OK) {
        rt_log_error("host-hello-incomplete", "host=%.*s detail=\"%s\"", RT_STR_ARG(host->name),
                     rt_err_detail());
    }
    send(host, &msg_hello_def, &hello);
}

static void
say_hello(br_host *host)
{
    host->is_health_due = true;
    host->is_health_news = true;
    host->is_malformed_told = false;
    br_letters_again(host->letters);
    rt_log_info("host-up", "host=%.*s applied=%llu unconfirmed=%zu", RT_STR_ARG(host->name),
                (unsigned long long)host->applied, br_unconfirmed_count(host->unconfirmed));
    send_hello(host);
}

// Keeps what was answered until the brain confirms it.
static void
keep_answers(br_host *host, const msg_answers *answers)
{
    const msg_answer *all = answers->answers.items;

    for (uint32_t i = 0; i < answers->answers.count; i++) {
        if (all[i].seq > host->decided) {
            br_unconfirmed_add(host->unconfirmed, &all[i]);
        }
    }
}

static void
keep_failures(br_host *host, const msg_answers *answers)
{
    const msg_failure *all = answers->failures.items;

    for (uint32_t i = 0; i < answers->failures.count; i++) {
        br_letters_add(host->letters, &all[i]);
    }
}

// The host's arena holds what is sent; the caller has cleared it.
static void
send_answers(br_host *host, msg_answers *answers)
{
    keep_failures(host, answers);
    answers->failures = host->is_up ? br_letters_take(host->letters, host->arena)
                                    : (rt_msg_list){NULL, 0};
    answers->upto_seq = host->answered;
    answers->saved_seq = saved_seq(host);
    if (host->is_health_due) {
        br_runner_states(host->runner, host->arena, &answers->agents);
        host->is_health_due = false;
        host->is_health_news = false;
    }
    keep_answers(host, answers);
    send(host, &msg_answers_def, answers);
}

// --- time ---

// Arms the poll timer for agents that are behind and for messages that wait for the link.
static void
arm_poll(br_host *host, int64_t next_us)
{
    int64_t delay_ms = -1;

    if (next_us >= 0) {
        delay_ms = (next_us - rt_clock_mono_us() + 999) / 1000;
        delay_ms = RT_MAX(delay_ms, 1);
    }
    if (host->outbox_first != NULL) {
        delay_ms = delay_ms < 0 ? OUTBOX_RETRY_MS : RT_MIN(delay_ms, OUTBOX_RETRY_MS);
    }
    if (delay_ms < 0) {
        rt_timer_stop(host->poll_timer);
    } else {
        rt_timer_start(host->poll_timer, delay_ms, 0);
    }
}

// Cuts are tried every cut_every_ms as long as there is something that is in none.
static void
arm_cut(br_host *host)
{
    if (host->kv != NULL && !host->is_cut_armed) {
        host->is_cut_armed = true;
        rt_timer_start(host->cut_timer, host->cut_every_ms, host->cut_every_ms);
    }
}

static void
on_poll(void *user)
{
    br_host *host = user;
    msg_answers answers;
    int64_t next_us = 0;

    RT_CHECK(host, HOST_MAGIC);
    if (is_over(host)) {
        return;
    }
    flush_outbox(host);
    next_us = br_runner_poll(host->runner, rt_clock_mono_us());
    br_runner_take(host->runner, &answers);
    if (answers.answers.count > 0 || answers.failures.count > 0) {
        rt_arena_reset(host->arena);
        host->is_health_due = true; // a state has changed
        send_answers(host, &answers);
    }
    arm_cut(host);
    arm_poll(host, next_us);
}

static void
on_health(void *user)
{
    br_host *host = user;
    msg_answers answers;

    RT_CHECK(host, HOST_MAGIC);
    if (br_letters_count(host->letters) > 0) {
        br_letters_again(host->letters); // the brain is silent about them
        host->is_health_news = true;
    }
    if (!host->is_health_due || !host->is_health_news || !host->is_up) {
        host->is_health_due = true; // goes with the next answer
        return;
    }
    rt_arena_reset(host->arena);
    br_runner_take(host->runner, &answers);
    send_answers(host, &answers);
}

// --- the state ---

static rt_key
identity_key(void)
{
    return rt_key_text(RT_TENANT_SYSTEM, RT_STR("host"));
}

// A state says whose it is, because every store of another host opens just as well, only without
// the tables of these agents.
static rt_err
check_identity(const br_host *host)
{
    rt_key key = identity_key();
    rt_bytes name;

    if (!rt_table_get(host->identity, rt_key_bytes(&key), &name)) {
        return rt_store_applied(host->store) == 0
                   ? RT_OK
                   : rt_fail(RT_ECORRUPT, "it is the state of no host");
    }
    if (rt_str_equal(rt_str_of_bytes(name), host->name)) {
        return RT_OK;
    }
    return rt_fail(RT_ECORRUPT, "it is the state of host %.*s, not of %.*s",
                   RT_STR_ARG(rt_str_of_bytes(name)), RT_STR_ARG(host->name));
}

// Puts what a restart needs besides the agents' rows into the store; returns the seq to cut at.
static uint64_t
prepare_cut(br_host *host)
{
    rt_key key = identity_key();

    br_unconfirmed_save(host->unconfirmed);
    if (host->applied > 0 && rt_table_count(host->identity) == 0) {
        rt_table_put(host->identity, rt_key_bytes(&key), rt_bytes_of_str(host->name));
    }
    return br_runner_save(host->runner, host->applied);
}

static rt_err
open_state(br_host *host)
{
    br_runner_config runner = host->config;
    rt_table *table = NULL;
    rt_err err = RT_OK;

    if (host->kv == NULL) {
        host->store = rt_store_open_memory();
    } else {
        err = rt_store_open(host->kv, &host->store);
    }
    if (err == RT_OK) {
        err = rt_store_table(host->store, BR__TABLE_HOST, "host", &table);
    }
    if (err == RT_OK) {
        err = br_unconfirmed_open(table, &host->unconfirmed);
    }
    if (err == RT_OK) {
        err = rt_store_table(host->store, BR__TABLE_LETTERS, "letters", &table);
    }
    if (err == RT_OK) {
        err = br_letters_open(table, &host->letters);
    }
    if (err == RT_OK) {
        err = rt_store_table(host->store, BR__TABLE_IDENTITY, "identity", &host->identity);
    }
    if (err == RT_OK) {
        err = check_identity(host);
    }
    if (err == RT_OK) {
        runner.store = host->store;
        err = br_runner_new(&runner, &host->runner);
    }
    if (err == RT_OK) {
        host->applied = rt_store_applied(host->store);
        host->answered = host->applied;
    }
    return err;
}

static void
close_state(br_host *host)
{
    br_runner_free(host->runner);
    host->runner = NULL;
    br_unconfirmed_free(host->unconfirmed);
    br_letters_free(host->letters);
    host->unconfirmed = NULL;
    host->letters = NULL;
    if (host->store != NULL) {
        rt_store_close(host->store);
    }
    host->store = NULL;
}

static rt_err
open_all(br_host *host, const br_host_config *config)
{
    rt_err err = config->dir == NULL ? RT_OK
                                     : rt_kv_open(config->dir, config->map_bytes, &host->kv);

    return err == RT_OK ? open_state(host) : err;
}

// Puts a damaged state out of the way and opens an empty one in its place.
static rt_err
begin_anew(br_host *host, const br_host_config *config)
{
    char damage[DETAIL_MAX / 2];
    char aside[DETAIL_MAX];
    rt_err err = RT_OK;

    (void)snprintf(damage, sizeof(damage), "%s: %s", config->dir, rt_err_detail());
    close_state(host);
    if (host->kv != NULL) {
        rt_kv_close(host->kv);
        host->kv = NULL;
    }
    if (config->journal_first_seq > 1) {
        return rt_fail(RT_ECORRUPT,
                       "%s; the agents' state cannot be rebuilt, because the journal begins with "
                       "record %llu: restore it from a backup, or remove it to let the agents "
                       "begin with what is left",
                       damage, (unsigned long long)config->journal_first_seq);
    }
    err = rt_kv_set_aside(config->dir, aside, sizeof(aside));
    if (err != RT_OK) {
        return err;
    }
    rt_log_error("host-state-damaged",
                 "host=%.*s detail=\"%s\" aside=%s, rebuilding it from the journal",
                 RT_STR_ARG(host->name), damage, aside);
    return open_all(host, config);
}

static void
watch_fill(br_host *host)
{
    uint64_t used = rt_kv_used_bytes(host->kv);
    unsigned step = rt_store_fill_step(used, host->map_bytes);

    if (step > host->fill_step) {
        rt_log_warn("host-state-fills-up",
                    "host=%.*s percent=%u bytes=%llu max_bytes=%llu: raise data.store_max_bytes",
                    RT_STR_ARG(host->name), step, (unsigned long long)used,
                    (unsigned long long)host->map_bytes);
    }
    host->fill_step = step;
}

// Goes back to the last cut, when no cut is being written any more.
static void
reload(br_host *host)
{
    uint64_t applied = host->applied;
    rt_err err = RT_OK;

    if (!host->is_doubtful || host->is_cutting || host->is_stopped) {
        return;
    }
    host->is_doubtful = false;
    rt_timer_stop(host->poll_timer);
    close_state(host);
    err = open_state(host);
    if (err != RT_OK) { // it was readable at the start: nothing here can mend that
        rt_log_error("host-not-reloaded", "host=%.*s err=%s detail=\"%s\", it gives up",
                     RT_STR_ARG(host->name), rt_err_name(err), rt_err_detail());
        fail(host, err);
        return;
    }
    if (is_over(host)) {
        return;
    }
    rt_log_info("host-reloaded", "host=%.*s applied=%llu was=%llu committed=%llu",
                RT_STR_ARG(host->name), (unsigned long long)host->applied,
                (unsigned long long)applied, (unsigned long long)host->committed);
    if (host->is_up) {
        say_hello(host);
    }
}

static void
on_cut_done(void *user, rt_err err)
{
    br_host *host = user;

    RT_CHECK(host, HOST_MAGIC);
    host->is_cutting = false;
    host->cut_rest_us = rt_clock_mono_us() + CUT_REST * (rt_clock_mono_us() - host->cut_began_us);
    watch_fill(host);
    if (err != RT_OK) {
        rt_log_error("host-cut-failed", "host=%.*s err=%s, its changes go with the next one",
                     RT_STR_ARG(host->name), rt_err_name(err));
        arm_cut(host);
    }
    reload(host);
}

static void
cut_when_durable(br_host *host)
{
    uint64_t cut_seq = 0;
    rt_err err = RT_OK;

    if (is_over(host) || !host->is_cut_due || host->is_cutting ||
        host->applied > host->committed || rt_clock_mono_us() < host->cut_rest_us) {
        return;
    }
    host->is_cut_due = false;
    host->cut_began_us = rt_clock_mono_us();
    cut_seq = prepare_cut(host);
    if (rt_store_dirty(host->store) == 0 && cut_seq == rt_store_saved(host->store)) {
        return;
    }
    host->is_cutting = true; // before, should the callback ever come at once
    err = rt_store_cut(host->store, cut_seq, host->loop, on_cut_done, host);
    if (err != RT_OK) {
        host->is_cutting = false;
    }
    if (err != RT_OK && err != RT_EBUSY) {
        rt_log_error("host-cut-refused", "host=%.*s err=%s", RT_STR_ARG(host->name),
                     rt_err_name(err));
    }
}

static void
on_cut(void *user)
{
    br_host *host = user;

    RT_CHECK(host, HOST_MAGIC);
    host->is_cut_due = true;
    cut_when_durable(host);
    if (!host->is_cut_due || host->applied > host->committed) {
        // done, or made when the brain says that all of it is durable
        host->is_cut_armed = false;
        rt_timer_stop(host->cut_timer);
    }
}

// --- receiving ---

static void
feed_all(br_host *host, const msg_records *records, int64_t now_us)
{
    const msg_fed *all = records->records.items;

    for (uint32_t i = 0; i < records->records.count; i++) {
        const rt_record record = {
            .seq = all[i].seq,
            .at_ms = all[i].at_ms,
            .kind = (rt_record_kind)all[i].kind,
            .flags = (uint8_t)all[i].flags,
            .payload = all[i].payload,
        };

        if (record.seq != 0 && record.seq <= host->applied) {
            continue; // fed again after a reconnection; 0 is the playbook set that is live now
        }
        // A record that cannot be read is counted and logged there, and is none the next time.
        (void)!br_runner_feed(host->runner, &record, now_us);
        host->applied = RT_MAX(host->applied, record.seq);
        host->is_health_news = true;
    }
    host->applied = RT_MAX(host->applied, records->upto_seq);
}

// A batch is in journal order and does not go beyond what it says of itself; one that did would
// make the host pass over what is still to come.
static rt_err
check_order(const msg_records *records)
{
    const msg_fed *all = records->records.items;
    uint64_t last = 0;

    for (uint32_t i = 0; i < records->records.count; i++) {
        uint64_t seq = all[i].seq;

        if (seq != 0 && (seq <= last || seq > records->upto_seq)) {
            return rt_fail(RT_EPROTO, "record %llu behind %llu in a batch up to %llu",
                           (unsigned long long)seq, (unsigned long long)last,
                           (unsigned long long)records->upto_seq);
        }
        last = RT_MAX(last, seq);
    }
    return RT_OK;
}

// An empty batch at the very place where the host stands asks for the hash of its state, unless it
// is there to say what is durable: that comes twice a second, and hashing reads the whole state.
static bool
is_sync_ping(const br_host *host, const msg_records *records)
{
    return records->records.count == 0 && records->upto_seq == host->applied &&
           records->committed_seq == 0;
}

static void
settle_failures(br_host *host, const msg_records *records)
{
    const uint64_t *numbers = records->settled.items;

    for (uint32_t i = 0; i < records->settled.count; i++) {
        br_letters_settle(host->letters, numbers[i]);
    }
}

static void
on_records(br_host *host, const msg_records *records)
{
    int64_t now_us = rt_clock_mono_us();
    msg_answers answers;
    int64_t next_us = 0;

    host->decided = RT_MAX(host->decided, records->decided_seq);
    host->committed = RT_MAX(host->committed, records->committed_seq);
    br_unconfirmed_confirm(host->unconfirmed, host->decided);
    settle_failures(host, records);
    cut_when_durable(host); // before this batch, which is not durable yet
    feed_all(host, records, now_us);
    next_us = br_runner_poll(host->runner, now_us);
    br_runner_take(host->runner, &answers);
    if (is_sync_ping(host, records) && answers.late.count == 0) {
        answers.state_hash = br_runner_hash(host->runner);
    }
    host->answered = records->upto_seq;
    send_answers(host, &answers);
    cut_when_durable(host);
    arm_cut(host);
    if (next_us >= 0 || host->outbox_first != NULL) {
        arm_poll(host, next_us);
    }
}

// Whether the brain says why it does not want this host; then it is logged.
static bool
is_refusal(br_host *host, rt_bytes body)
{
    rt_mp mp = rt_mp_init(body);
    rt_str reason = {NULL, 0};

    if (rt_mp_str(&mp, &reason) != RT_OK) {
        return false;
    }
    if (!rt_utf8_valid(reason)) {
        reason = RT_STR("(not readable)");
    }
    reason.len = RT_MIN(reason.len, (size_t)REFUSAL_SHOWN_MAX);
    rt_log_error("host-refused", "host=%.*s catalog_hash=%016llx reason=\"%.*s\"",
                 RT_STR_ARG(host->name), (unsigned long long)rt_catalog_hash(host->catalog),
                 RT_STR_ARG(reason));
    return true;
}

static void
read_message(br_host *host, rt_bytes body)
{
    rt_mp mp = rt_mp_init(body);
    msg_records records;
    rt_err err = RT_OK;

    if (is_refusal(host, body)) {
        return;
    }
    rt_arena_reset(host->arena);
    err = rt_msg_decode(&msg_records_def, &mp, host->arena, &records);
    if (err == RT_OK) {
        err = check_order(&records);
    }
    if (err == RT_OK) {
        on_records(host, &records);
    } else if (!host->is_malformed_told) {
        host->is_malformed_told = true;
        rt_log_error("host-records-malformed", "host=%.*s bytes=%zu err=%s detail=\"%s\"",
                     RT_STR_ARG(host->name), body.len, rt_err_name(err), rt_err_detail());
    }
}

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    br_host *host = user;

    RT_CHECK(host, HOST_MAGIC);
    if (!host->is_stopped) {
        read_message(host, body);
    }
    rt_parcel_free(parcel);
}

static void
on_up(void *user)
{
    br_host *host = user;

    RT_CHECK(host, HOST_MAGIC);
    if (host->is_stopped) {
        return;
    }
    host->is_up = true;
    if (!host->is_doubtful) { // else the reload says it
        say_hello(host);
    }
}

static void
on_down(void *user)
{
    br_host *host = user;

    RT_CHECK(host, HOST_MAGIC);
    host->is_up = false;
    empty_outbox(host);
    if (!host->is_stopped) {
        rt_log_warn("host-down", "host=%.*s applied=%llu, dialling again", RT_STR_ARG(host->name),
                    (unsigned long long)host->applied);
        host->is_doubtful = host->applied > host->committed;
        reload(host);
    }
}

// --- life ---

static rt_err
dial(br_host *host, const char *url)
{
    const rt_net_limits limits = {
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .connections_max = 1,
        .inflight_max = LINK_INFLIGHT_MAX,
    };
    const rt_link_events events = {
        .on_parcel = on_parcel,
        .on_up = on_up,
        .on_down = on_down,
        .user = host,
    };

    return rt_link_dial(host->loop, url, limits, events, &host->link);
}

rt_err
br_host_new(rt_loop *loop, const br_host_config *config, br_host **ret_host)
{
    br_host *host = rt_new(br_host);
    rt_err err = RT_OK;

    host->refused = rt_alloc_refused();
    RT_ASSERT(loop != NULL);
    RT_ASSERT(config->name != NULL);
    RT_ASSERT(config->dir == NULL || config->cut_every_ms > 0);
    host->magic = HOST_MAGIC;
    host->loop = loop;
    host->catalog = config->runner.catalog;
    host->arena = rt_arena_new(DECODE_BYTES_MAX);
    host->lasting = rt_arena_new(4096);
    host->name = rt_arena_str(host->lasting, rt_str_of(config->name));
    host->outbox_last = &host->outbox_first;
    host->is_health_due = true;
    rt_mpw_init(&host->out, MESSAGE_BYTES_MAX);
    host->config = config->runner;
    host->map_bytes = config->map_bytes;
    err = open_all(host, config);
    if (err == RT_ECORRUPT && config->dir != NULL) {
        err = begin_anew(host, config);
    }
    host->was_damaged = config->dir != NULL && rt_kv_aside_count(config->dir) > 0;
    if (err == RT_OK) {
        host->poll_timer = rt_timer_new(loop, on_poll, host);
        host->health_timer = rt_timer_new(loop, on_health, host);
        host->cut_timer = rt_timer_new(loop, on_cut, host);
        err = config->url != NULL ? dial(host, config->url) : RT_OK;
    }
    if (err == RT_OK && rt_alloc_refused() != host->refused) {
        err = rt_fail(RT_ENOMEM, "memory was missing at the start");
    }
    if (err != RT_OK) {
        br_host_free(host);
        return err;
    }
    host->on_failed = config->on_failed;
    host->failed_user = config->failed_user;
    host->cut_every_ms = config->cut_every_ms;
    int64_t health_ms = config->health_every_ms > 0 ? config->health_every_ms : HEALTH_EVERY_MS;
    rt_timer_start(host->health_timer, health_ms, health_ms);
    *ret_host = host;
    return RT_OK;
}

rt_err
br_host_stop(br_host *host)
{
    RT_CHECK(host, HOST_MAGIC);
    if (is_over(host)) {
        return RT_OK;
    }
    host->is_stopped = true;
    rt_timer_stop(host->poll_timer);
    rt_timer_stop(host->health_timer);
    rt_timer_stop(host->cut_timer);
    empty_outbox(host);
    if (host->kv == NULL || host->applied > host->committed) {
        return RT_OK; // what is not saved is fed again
    }
    return rt_store_cut_wait(host->store, prepare_cut(host));
}

void
br_host_free(br_host *host)
{
    if (host == NULL) {
        return;
    }
    RT_CHECK(host, HOST_MAGIC);
    rt_timer_free(host->poll_timer);
    rt_timer_free(host->health_timer);
    rt_timer_free(host->cut_timer);
    empty_outbox(host);
    close_state(host);
    if (host->kv != NULL) {
        rt_kv_close(host->kv);
    }
    rt_mpw_fini(&host->out);
    rt_arena_free(host->arena);
    rt_arena_free(host->lasting);
    host->magic = 0;
    rt_free(host);
}

rt_err
br_host_feed(br_host *host, const rt_record *record)
{
    msg_answers answers;
    rt_err err = RT_OK;

    RT_CHECK(host, HOST_MAGIC);
    RT_ASSERT(host->link == NULL && record->seq > host->applied);
    err = br_runner_feed(host->runner, record, rt_clock_mono_us());
    br_runner_take(host->runner, &answers); // nobody listens
    host->applied = record->seq;
    return err;
}

uint64_t
br_host_hash(const br_host *host)
{
    RT_CHECK(host, HOST_MAGIC);
    return br_runner_hash(host->runner);
}

bool
br_host_is_behind(const br_host *host)
{
    RT_CHECK(host, HOST_MAGIC);
    return br_runner_is_behind(host->runner) || br_letters_count(host->letters) > 0;
}

uint64_t
br_host_applied(const br_host *host)
{
    RT_CHECK(host, HOST_MAGIC);
    return host->applied;
}
