// Design notes.
// A host is either live (records go to it in the turn that makes them, before they are durable, so
// that thinking and syncing overlap) or behind (it is fed from the journal, one batch at a time,
// until it has caught up). Anything that goes wrong with a live host, a full queue or a lost peer,
// only turns it into one that is behind: the journal holds what it missed. Answers are kept in the
// parcels they came in until the decisions that use them are made.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/seam/clock.h"

#define ANSWERS_ARENA_MAX (64u * 1024 * 1024)
#define HELLO_ARENA_MAX (16u * 1024 * 1024)
#define HOST_AGENTS_MAX BR_HOST_AGENTS_MAX
#define PROTOCOL 1

// A host that has not said hello yet may hear anything; what it missed has to be on record.
static bool
hears(const br_host_link *host, const rt_event_type *type)
{
    return !host->known || (host->hears[type->index / 64] >> (type->index % 64) & 1) != 0;
}

static bool
agent_hears(const msg_agent_info *agent, rt_str type)
{
    const rt_str *types = agent->hears.items;
    for (uint32_t i = 0; i < agent->hears.count; i++) {
        if (rt_str_equal(types[i], type)) {
            return true;
        }
    }
    return false;
}

uint64_t
br__hosts_hear(const br_brain *brain, const rt_event_type *type)
{
    uint64_t bits = 0;
    for (unsigned h = 0; h < brain->host_count; h++) {
        if (hears(&brain->hosts[h], type)) {
            bits |= 1ull << h;
        }
    }
    return bits;
}

static void
fall_behind(br_host_link *host, uint64_t fed)
{
    host->live = false;
    host->fed = fed;
    host->batch_count = 0;
    rt_journal_reader_close(host->reader);
    host->reader = NULL;
}

// Takes out the failures whose dead letters are durable.
static uint32_t
take_settled(br_host_link *host, uint64_t committed, uint64_t *numbers)
{
    uint32_t left = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < host->settling_count; i++) {
        if (host->settling[i].seq <= committed) {
            numbers[count++] = host->settling[i].number;
        } else {
            host->settling[left++] = host->settling[i];
        }
    }
    host->settling_count = left;
    return count;
}

static void
send_records(br_host_link *host, uint64_t first_seq, uint64_t upto_seq)
{
    br_brain *brain = host->brain;
    uint64_t settled[BR_SETTLING_MAX];
    msg_records records = {.upto_seq = upto_seq,
                           .decided_seq = brain->decided_seq,
                           .records = {host->batch, host->batch_count},
                           .committed_seq = rt_journal_committed(brain->journal)};
    // should this message be lost, the host reports them again
    records.settled = (rt_msg_list){settled, take_settled(host, records.committed_seq, settled)};
    rt_mpw_clear(&brain->message);
    rt_msg_encode(&msg_records_def, &records, &brain->message);
    // Bounded by the group and the batch; without memory the turn comes to nothing.
    RT_ASSERT(!brain->message.failed || rt_alloc_refused() != brain->refused);
    rt_err err = brain->message.failed ? RT_ENOMEM
                                       : rt_link_send(host->link, rt_mpw_view(&brain->message));
    host->batch_count = 0;
    if (err != RT_OK) {
        fall_behind(host, first_seq - 1);
        return;
    }
    host->fed = upto_seq;
    host->awaiting = upto_seq;
    host->told_committed = records.committed_seq;
}

static void
add_record(br_host_link *host, const rt_record *record)
{
    if (host->batch_count == 0) {
        host->batch_first = record->seq;
    }
    host->batch[host->batch_count++] = (msg_fed){.seq = record->seq,
                                                    .at_ms = record->at_ms,
                                                    .kind = record->kind,
                                                    .flags = record->flags,
                                                    .payload = record->payload};
}

static bool
wants(const br_host_link *host, const rt_record *record, const rt_event_type *type, bool said)
{
    switch (record->kind) {
    case RT_RECORD_EVENT:
        return type != NULL && hears(host, type);
    case RT_RECORD_DECISION:
        return said && host->wants_decisions;
    case RT_RECORD_PLAYBOOKS:
        return true;
    case RT_RECORD_REJECT:
    case RT_RECORD_START:
    case RT_RECORD_COMMIT:
        return false;
    }
    return false;
}

void
br__hosts_note(br_brain *brain, const rt_record *record, const rt_event_type *type,
               bool decision_said)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_host_link *host = &brain->hosts[h];
        if (!host->live) {
            continue;
        }
        if (wants(host, record, type, decision_said)) {
            add_record(host, record);
            if (host->batch_count == BR_HOST_BATCH_MAX) {
                send_records(host, host->batch_first, record->seq);
            }
        } else if (host->batch_count == 0) {
            host->fed = record->seq;
        }
    }
}

// Reads what kind of record this is for routing: the type of an event, whether a decision says
// anything.
static void
classify(const br_brain *brain, const rt_record *record, const rt_event_type **ret_type,
         bool *ret_said)
{
    *ret_type = NULL;
    *ret_said = false;
    if (record->kind == RT_RECORD_EVENT) {
        rt_event event;
        if (rt_event_decode_record(br_pack_catalog(brain->config.pack), record->seq, record->at_ms,
                                   record->payload, &event) == RT_OK) {
            *ret_type = event.type;
        }
    } else if (record->kind == RT_RECORD_DECISION) {
        *ret_said = (record->flags & RT_RECORD_SAID) != 0;
    }
}

static rt_err
read_batch(br_host_link *host, rt_arena *arena, uint64_t *ret_upto)
{
    rt_record record;
    rt_err err = RT_OK;
    size_t bytes = 0;
    uint64_t upto = host->fed;
    while (host->batch_count < BR_FEED_RECORDS_MAX && bytes < RT_JOURNAL_PAYLOAD_MAX) {
        err = rt_journal_reader_next(host->reader, &record);
        if (err != RT_OK) {
            break;
        }
        const rt_event_type *type;
        bool said;
        classify(host->brain, &record, &type, &said);
        upto = record.seq;
        if (wants(host, &record, type, said)) {
            record.payload = rt_arena_copy(arena, record.payload);
            if (record.payload.ptr == NULL) {
                return RT_ENOMEM;
            }
            bytes += record.payload.len;
            add_record(host, &record);
        }
    }
    *ret_upto = upto;
    if (err == RT_ENOTFOUND) { // recycled: nothing holds what the host was fed once before
        rt_journal_reader_close(host->reader);
        host->reader = NULL;
        err = RT_OK;
    }
    return err == RT_EEND ? RT_OK : err;
}

// A host that is further behind than the journal reaches back starts with the oldest record kept.
static rt_err
open_reader(br_host_link *host)
{
    char dir[1024];
    uint64_t first_seq = rt_journal_info_get(host->brain->journal).first_seq;
    if (host->reader != NULL) {
        return RT_OK;
    }
    if (host->fed + 1 < first_seq) {
        host->brain->metrics.host_history_lost++;
        rt_log_warn("host-history-lost", "host=%s wants=%llu oldest=%llu", host->name,
                    (unsigned long long)host->fed + 1, (unsigned long long)first_seq);
        host->fed = first_seq - 1;
    }
    snprintf(dir, sizeof(dir), "%s/journal", host->brain->config.data_dir);
    return rt_journal_reader_open(dir, host->fed + 1, &host->reader);
}

static void
feed(br_host_link *host)
{
    br_brain *brain = host->brain;
    uint64_t committed = rt_journal_committed(brain->journal);
    if (host->awaiting > host->answered) {
        return; // one batch at a time
    }
    if (host->fed >= committed) {
        if (rt_journal_pending(brain->journal) == 0) {
            host->live = true; // nothing is in the making that it could miss
        }
        return;
    }
    RT_ASSERT(host->batch_count == 0);
    rt_arena *arena = rt_arena_new(HELLO_ARENA_MAX);
    rt_err err = RT_OK;
    uint64_t upto = host->fed;
    do {
        err = open_reader(host);
        if (err == RT_OK) {
            err = read_batch(host, arena, &upto);
        }
    } while (err == RT_OK && upto <= host->fed && host->reader == NULL);
    if (err != RT_OK) {
        fall_behind(host, host->fed); // half a batch stands in the arena
        br__fail(brain, err, "the journal could not be read back for an agents' host");
    } else if (upto > host->fed) {
        send_records(host, host->fed + 1, upto);
    }
    rt_arena_free(arena);
}

void
br__hosts_flush(br_brain *brain)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_host_link *host = &brain->hosts[h];
        if (!host->up) {
            continue;
        }
        if (!host->live) {
            feed(host);
        } else if (host->batch_count > 0) {
            send_records(host, host->batch_first,
                         host->batch[host->batch_count - 1].seq);
        }
    }
}

// A quiet host still has to learn that what it was sent is durable, or it could never save its
// state.
void
br__hosts_tell_committed(br_brain *brain)
{
    uint64_t committed = rt_journal_committed(brain->journal);
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_host_link *host = &brain->hosts[h];
        bool news = host->told_committed < committed || host->settling_count > 0;
        if (host->up && host->live && host->batch_count == 0 && news) {
            send_records(host, host->fed + 1, host->fed);
        }
    }
}

bool
br__hosts_told(const br_brain *brain)
{
    uint64_t committed = rt_journal_committed(brain->journal);
    for (unsigned h = 0; h < brain->host_count; h++) {
        const br_host_link *host = &brain->hosts[h];
        if (host->up && (!host->live || host->told_committed < committed ||
                         host->settling_count > 0)) {
            return false;
        }
    }
    return true;
}

bool
br__hosts_caught_up(const br_brain *brain)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        if (!brain->hosts[h].up || !brain->hosts[h].live) {
            return false;
        }
    }
    return true;
}

uint64_t
br__hosts_keep(const br_brain *brain, uint64_t keep, bool for_restarts)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        const br_host_link *host = &brain->hosts[h];
        if (host->known && for_restarts) {
            keep = RT_MIN(keep, host->saved);
        }
        if (host->up) {
            keep = RT_MIN(keep, host->fed);
        }
    }
    return keep;
}

static br_answers *
push_answers(br_host_link *host, rt_parcel *parcel)
{
    if (host->queue_count == BR_ANSWER_PARCELS_MAX) {
        return NULL;
    }
    br_answers *answers =
        &host->queue[(host->queue_first + host->queue_count) % BR_ANSWER_PARCELS_MAX];
    if (answers->arena == NULL) {
        answers->arena = rt_arena_new(ANSWERS_ARENA_MAX);
    }
    rt_arena_reset(answers->arena);
    answers->parcel = parcel;
    answers->next = 0;
    host->queue_count++;
    return answers;
}

static void
pop_answers(br_host_link *host)
{
    br_answers *answers = &host->queue[host->queue_first];
    host->brain->metrics.answers_late += answers->msg.answers.count - answers->next;
    rt_parcel_free(answers->parcel);
    answers->parcel = NULL;
    host->queue_first = (host->queue_first + 1) % BR_ANSWER_PARCELS_MAX;
    host->queue_count--;
}

static rt_err
keep_agents(br_host_link *host, const msg_hello *hello)
{
    rt_arena_reset(host->agents_arena);
    memset(host->hears, 0, sizeof(host->hears));
    host->wants_decisions = false;
    host->agent_count = RT_MIN(hello->agents.count, HOST_AGENTS_MAX);
    const msg_agent_info *agents = hello->agents.items;
    for (uint32_t a = 0; a < host->agent_count; a++) {
        msg_agent_info *kept = &host->agents[a];
        const rt_str *types = agents[a].hears.items;
        rt_str *copies = rt_arena_array(host->agents_arena, rt_str, agents[a].hears.count + 1);
        if (copies == NULL) {
            return RT_ENOMEM;
        }
        *kept = agents[a];
        kept->name = rt_arena_str(host->agents_arena, agents[a].name);
        kept->doc = rt_arena_str(host->agents_arena, agents[a].doc);
        kept->hears.items = copies;
        host->wants_decisions = host->wants_decisions || agents[a].decisions;
        for (uint32_t t = 0; t < agents[a].hears.count; t++) {
            const rt_event_type *type =
                rt_catalog_find(br_pack_catalog(host->brain->config.pack), types[t]);
            copies[t] = rt_arena_str(host->agents_arena, types[t]);
            if (type != NULL) {
                host->hears[type->index / 64] |= 1ull << (type->index % 64);
            }
        }
    }
    return RT_OK;
}

// The live playbook set goes to every host that says hello, with sequence number 0: its record may
// be far below what the host has applied.
static void
send_playbooks(br_host_link *host)
{
    br_brain *brain = host->brain;
    const br_playbooks *set = brain->state->playbooks;
    size_t count = br_playbooks_file_count(set);
    br_playbook_file *files = rt_new_array(br_playbook_file, count + 1);
    for (size_t i = 0; i < count; i++) {
        files[i] = br_playbooks_file(set, i);
    }
    rt_mpw payload;
    rt_mpw_init(&payload, RT_JOURNAL_PAYLOAD_MAX);
    br_state_encode_playbooks(br_playbooks_version(set), files, count, NULL, &payload);
    msg_fed record = {.kind = RT_RECORD_PLAYBOOKS, .payload = rt_mpw_view(&payload)};
    msg_records records = {.decided_seq = brain->decided_seq, .records = {&record, 1}};
    rt_mpw_clear(&brain->message);
    rt_msg_encode(&msg_records_def, &records, &brain->message);
    // a queue that is full so soon means the link broke: the next hello tries again
    RT_IGNORE(rt_link_send(host->link, rt_mpw_view(&brain->message)));
    rt_mpw_fini(&payload);
    rt_free(files);
}

// What the host said before stands in its hello, or is said again when it is fed: kept, it would
// count twice.
static void
forget_answers(br_host_link *host)
{
    while (host->queue_count > 0 && !RT_PLANTED(answers_count_twice)) {
        br_answers *answers = &host->queue[host->queue_first];
        rt_parcel_free(answers->parcel);
        answers->parcel = NULL;
        host->queue_first = (host->queue_first + 1) % BR_ANSWER_PARCELS_MAX;
        host->queue_count--;
    }
    br_pending_expect(host->brain->pending, host->index);
}

// Whether the journal can bring the host's state up to date.
static rt_err
check_state(br_brain *brain, const msg_hello *hello)
{
    rt_journal_info info = rt_journal_info_get(brain->journal);
    if (hello->saved_seq > info.last_seq) {
        return rt_fail(RT_ECORRUPT,
                       "its state reflects record %llu but the journal ends at %llu: restore the "
                       "journal from a backup, or the host's state from the same one",
                       (unsigned long long)hello->saved_seq, (unsigned long long)info.last_seq);
    }
    if (hello->lost && info.first_seq > 1) {
        return rt_fail(RT_ECORRUPT,
                       "its state was damaged and cannot be rebuilt, because the journal begins "
                       "with record %llu: restore it from a backup, or remove what was set aside "
                       "to let its agents begin with what is left",
                       (unsigned long long)info.first_seq);
    }
    return RT_OK;
}

static uint64_t
last_answer_seq(const msg_hello *hello)
{
    const msg_answer *answers = hello->answers.items; // in order of seq
    return hello->answers.count > 0 ? answers[hello->answers.count - 1].seq : 0;
}

static void
on_hello(br_host_link *host, rt_parcel *parcel, rt_mp *mp)
{
    br_brain *brain = host->brain;
    msg_hello hello;
    forget_answers(host);
    br_answers *answers = push_answers(host, parcel);
    rt_err err = answers == NULL ? RT_EFULL
                                 : rt_msg_decode(&msg_hello_def, mp, answers->arena, &hello);
    if (err == RT_OK && hello.protocol != PROTOCOL) {
        err = rt_fail(RT_EVERSION, "it speaks protocol %llu, this brain %d",
                      (unsigned long long)hello.protocol, PROTOCOL);
    }
    uint64_t catalog_hash = rt_catalog_hash(br_pack_catalog(brain->config.pack));
    if (err == RT_OK && hello.catalog_hash != catalog_hash) {
        err = rt_fail(RT_ECONFIG, "its event catalogue differs from the brain's: same pack files?");
    }
    if (err == RT_OK) {
        err = check_state(brain, &hello);
    }
    if (err == RT_OK) {
        err = keep_agents(host, &hello);
    }
    if (err != RT_OK) {
        rt_log_error("host-refused", "host=%s error=%s detail=\"%s\"", host->name,
                     rt_err_name(err), rt_err_detail());
        rt_mpw_clear(&brain->message);
        rt_mpw_cstr(&brain->message, rt_err_detail());
        RT_IGNORE(rt_link_send(host->link, rt_mpw_view(&brain->message))); // only a courtesy
        if (answers != NULL) {
            host->queue_count--; // the place just taken
            answers->parcel = NULL;
        }
        rt_parcel_free(parcel);
        return;
    }
    // a host that lost its state, or was never seen, is fed from the oldest record kept
    fall_behind(host, hello.applied_seq);
    host->up = true;
    host->known = true;
    host->awaiting = 0;
    host->settling_count = 0;
    // beside an agent that is behind there may be others, whose answers lie above applied_seq
    answers->msg = (msg_answers){.upto_seq = RT_MAX(hello.applied_seq, last_answer_seq(&hello)),
                                 .answers = hello.answers,
                                 .late = hello.late};
    answers->from_seq = 0;
    host->answered = hello.applied_seq;
    host->saved = hello.saved_seq;
    if (hello.applied_seq == 0 && brain->decided_seq > 0) {
        brain->metrics.hosts_rebuilt++;
        rt_log_warn("host-begins-anew", "host=%s%s: it is fed from the journal's oldest record",
                    host->name, hello.lost ? " its state was damaged" : "");
    }
    brain->metrics.host_reconnects++;
    br_pending_answered(brain->pending, host->index, hello.applied_seq);
    rt_log_info("host-up", "host=%s agents=%u applied_seq=%llu", host->name, host->agent_count,
                (unsigned long long)hello.applied_seq);
    send_playbooks(host);
    rt_wake_send(brain->wake);
}

#define FAILURE_SOURCE "/brain/agents"

// A host that comes back, or heard nothing of it, reports a failure again.
static bool
is_known_failure(br_brain *brain, rt_str ref)
{
    uint64_t seq;
    rt_event letter = {.tenant = RT_TENANT_SYSTEM,
                       .id = ref,
                       .source = RT_STR(FAILURE_SOURCE),
                       .time_ms = br__now_ms(brain, RT_TIME_NONE)};
    return br_dedup_seen(brain->state->dedup, &letter, &seq);
}

static void
settle_later(br_host_link *host, uint64_t number)
{
    if (number > 0 && host->settling_count < BR_SETTLING_MAX) {
        host->settling[host->settling_count++] =
            (br_settling){number, rt_journal_next_seq(host->brain->journal) - 1};
    }
}

static void
take_failure(br_host_link *host, const msg_failure *failure)
{
    br_brain *brain = host->brain;
    rt_mpw data;
    char ref[96];
    rt_reject reject;
    int len = snprintf(ref, sizeof(ref), "%.*s/%llu", RT_STR_ARG(failure->agent),
                       (unsigned long long)failure->seq);
    rt_str text = {ref, (size_t)RT_MIN(len, (int)sizeof(ref) - 1)};
    if (is_known_failure(brain, text)) {
        settle_later(host, failure->number);
        return;
    }
    rt_mpw_init(&data, 4096);
    rt_mpw_map(&data, 4);
    rt_mpw_cstr(&data, "owner");
    rt_mpw_str(&data, failure->agent);
    rt_mpw_cstr(&data, "ref");
    rt_mpw_str(&data, text);
    rt_mpw_cstr(&data, "cause");
    rt_str cause = {failure->cause.ptr, RT_MIN(failure->cause.len, 500)};
    rt_mpw_str(&data, rt_utf8_whole(cause));
    rt_mpw_cstr(&data, "attempts");
    rt_mpw_u64(&data, failure->attempts);
    br_internal_event event = {.type = "message.dead_lettered",
                               .tenant = RT_TENANT_SYSTEM,
                               .id = text,
                               .source = RT_STR(FAILURE_SOURCE),
                               .time_ms = RT_TIME_NONE,
                               .data = rt_mpw_view(&data)};
    if (br__take_internal(brain, &event, &reject) == RT_OK) {
        brain->metrics.dead_letters++;
        settle_later(host, failure->number);
    } else {
        rt_log_warn("dead-letter-refused", "ref=%s error=\"%s\", its host reports it again", ref,
                    reject.text);
    }
    rt_mpw_fini(&data);
}

static void
keep_states(br_host_link *host, const msg_answers *msg)
{
    const msg_agent_state *states = msg->agents.items;
    if (msg->agents.count == 0) {
        return;
    }
    rt_arena_reset(host->states_arena);
    host->state_count = RT_MIN(msg->agents.count, HOST_AGENTS_MAX);
    for (uint32_t i = 0; i < host->state_count; i++) {
        host->states[i] = states[i];
        host->states[i].name = rt_arena_str(host->states_arena, states[i].name);
        host->states[i].state = rt_arena_str(host->states_arena, states[i].state);
    }
}

static void
on_answers(br_host_link *host, rt_parcel *parcel, rt_mp *mp)
{
    br_brain *brain = host->brain;
    br_answers *answers = push_answers(host, parcel);
    rt_err err = answers == NULL ? RT_EFULL
                                 : rt_msg_decode(&msg_answers_def, mp, answers->arena,
                                                 &answers->msg);
    if (err != RT_OK) {
        // what it said is lost for these decisions; they are made at their deadline without it
        rt_log_warn("host-answers-lost", "host=%s error=%s detail=\"%s\"", host->name,
                    rt_err_name(err), rt_err_detail());
        if (answers != NULL) {
            host->queue_count--;
            answers->parcel = NULL;
        }
        rt_parcel_free(parcel);
        return;
    }
    answers->from_seq = host->answered + 1;
    host->answered = RT_MAX(host->answered, answers->msg.upto_seq);
    host->saved = RT_MAX(host->saved, answers->msg.saved_seq);
    br_pending_answered(brain->pending, host->index, host->answered);
    keep_states(host, &answers->msg);
    if (answers->msg.state_hash != 0) {
        host->state_hash = answers->msg.state_hash;
        host->state_hash_seq = answers->msg.upto_seq;
    }
    const msg_failure *failures = answers->msg.failures.items;
    for (uint32_t i = 0; i < answers->msg.failures.count; i++) {
        take_failure(host, &failures[i]);
    }
    if (answers->msg.answers.count == 0 && answers->msg.late.count == 0) {
        host->queue_count--; // nothing to keep
        rt_parcel_free(parcel);
        answers->parcel = NULL;
    }
    rt_wake_send(brain->wake);
}

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    br_host_link *host = user;
    rt_mp mp = rt_mp_init(body);
    // the first message of a connection is hello, all others are answers
    if (host->up) {
        on_answers(host, parcel, &mp);
    } else {
        on_hello(host, parcel, &mp);
    }
}

static void
on_up(void *user)
{
    br_host_link *host = user;
    host->up = false;
}

static void
on_down(void *user)
{
    br_host_link *host = user;
    if (host->up) {
        rt_log_warn("host-down", "host=%s answered=%llu", host->name,
                    (unsigned long long)host->answered);
    }
    host->up = false;
    host->down_since_us = rt_clock_mono_us();
    fall_behind(host, host->answered);
    rt_wake_send(host->brain->wake);
}

rt_err
br__hosts_open(br_brain *brain)
{
    rt_net_limits limits = {.message_bytes_max = RT_JOURNAL_GROUP_BYTES_MAX * 2,
                            .connections_max = 1,
                            .inflight_max = BR_ANSWER_PARCELS_MAX};
    rt_err err = RT_OK;
    for (size_t i = 0; i < brain->config.host_count && err == RT_OK; i++) {
        br_host_link *host = &brain->hosts[brain->host_count];
        host->brain = brain;
        host->index = brain->host_count++;
        host->name = brain->config.hosts[i].name;
        host->agents = rt_new_array(msg_agent_info, HOST_AGENTS_MAX);
        host->agents_arena = rt_arena_new(HELLO_ARENA_MAX);
        host->states = rt_new_array(msg_agent_state, HOST_AGENTS_MAX);
        host->states_arena = rt_arena_new(HELLO_ARENA_MAX);
        host->batch = rt_new_array(msg_fed, BR_HOST_BATCH_MAX);
        host->queue = rt_new_array(br_answers, BR_ANSWER_PARCELS_MAX);
        host->settling = rt_new_array(br_settling, BR_SETTLING_MAX);
        host->down_since_us = rt_clock_mono_us();
        rt_link_events events = {
            .on_parcel = on_parcel, .on_up = on_up, .on_down = on_down, .user = host};
        err = rt_link_listen(brain->loop, brain->config.hosts[i].url, limits, events,
                             &host->link);
    }
    return err;
}

typedef struct collecting {
    br_hearing *hearing;
    rt_arena *arena;
    rt_str *missing; // made when the first is missing, which is rare
} collecting;

static void
add_missing(collecting *c, rt_str name)
{
    if (c->missing == NULL) {
        c->missing = rt_arena_array(c->arena, rt_str, BR_HOSTS_MAX * HOST_AGENTS_MAX);
        if (c->missing == NULL) {
            return; // the arena was just cleared: no memory, and the turn comes to nothing
        }
        c->hearing->missing = c->missing;
    }
    if (c->hearing->missing_count < BR_HOSTS_MAX * HOST_AGENTS_MAX) {
        c->missing[c->hearing->missing_count++] = name;
    }
}

static void
collect_host(br_host_link *host, const br_undecided *event, collecting *c)
{
    br_hearing *hearing = c->hearing;
    rt_str type = event->type->name;
    const br_host_entry *entry = &host->brain->config.hosts[host->index];
    bool waits = (event->waiting >> host->index & 1) != 0;
    for (size_t a = 0; waits && !host->known && a < entry->agent_count; a++) {
        add_missing(c, rt_str_of(entry->agents[a]));
    }
    for (uint32_t a = 0; waits && a < host->agent_count; a++) {
        if (agent_hears(&host->agents[a], type)) {
            add_missing(c, host->agents[a].name);
        }
    }
    for (uint32_t q = 0; q < host->queue_count; q++) {
        br_answers *answers = &host->queue[(host->queue_first + q) % BR_ANSWER_PARCELS_MAX];
        const msg_answer *list = answers->msg.answers.items;
        while (answers->next < answers->msg.answers.count && list[answers->next].seq < event->seq) {
            answers->next++;
            host->brain->metrics.answers_late++;
        }
        // a hello may hold several: of those in time, and of those that were late
        while (answers->next < answers->msg.answers.count &&
               list[answers->next].seq == event->seq && hearing->answer_count < BR_ANSWERS_MAX) {
            hearing->answers[hearing->answer_count++] = &list[answers->next++];
        }
        bool covers = answers->from_seq <= event->seq && event->seq <= answers->msg.upto_seq;
        const rt_str *late = answers->msg.late.items;
        for (uint32_t i = 0; covers && i < answers->msg.late.count; i++) {
            add_missing(c, late[i]);
        }
    }
}

#define SAID_BY(list, type, name, who)                                        \
    for (uint32_t i = 0; i < answer->list.count; i++) {                       \
        if (rt_str_equal(((const type *)answer->list.items)[i].name, who)) {  \
            return true;                                                      \
        }                                                                     \
    }

static bool
is_heard(const br_hearing *hearing, rt_str agent)
{
    for (uint32_t a = 0; a < hearing->answer_count; a++) {
        const msg_answer *answer = hearing->answers[a];
        SAID_BY(proposals, msg_proposal, agent, agent)
        SAID_BY(predictions, msg_prediction, agent, agent)
        SAID_BY(emissions, msg_emission, agent, agent)
        SAID_BY(timers, msg_timer, owner, agent)
    }
    return false;
}

// An agent that was late and then heard all the same is not missing: a replay leaves out what those
// said who are. What an agent says of a record it says as a whole.
static void
find_late_ones(collecting *c)
{
    br_hearing *hearing = c->hearing;
    uint32_t left = 0;
    if (c->missing == NULL) {
        return; // nobody is missing
    }
    for (uint32_t i = 0; i < hearing->missing_count; i++) {
        if (!is_heard(hearing, c->missing[i])) {
            c->missing[left++] = c->missing[i];
        }
    }
    hearing->missing_count = left;
}

void
br__hosts_collect(br_brain *brain, const br_undecided *event, br_hearing *hearing)
{
    collecting c = {.hearing = hearing, .arena = brain->decide_arena};
    for (unsigned h = 0; h < brain->host_count; h++) {
        if (brain->hosts[h].queue_count > 0 || (event->waiting >> h & 1) != 0) {
            collect_host(&brain->hosts[h], event, &c);
        }
    }
    find_late_ones(&c);
}

void
br__hosts_drop(br_brain *brain, uint64_t seq)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_host_link *host = &brain->hosts[h];
        while (host->queue_count > 0 && host->queue[host->queue_first].msg.upto_seq <= seq) {
            pop_answers(host);
        }
    }
}

void
br__hosts_free(br_brain *brain)
{
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_host_link *host = &brain->hosts[h];
        while (host->queue_count > 0) {
            pop_answers(host);
        }
        for (uint32_t i = 0; i < BR_ANSWER_PARCELS_MAX; i++) {
            rt_arena_free(host->queue[i].arena);
        }
        rt_journal_reader_close(host->reader);
        rt_free(host->queue);
        rt_free(host->settling);
        rt_free(host->batch);
        rt_free(host->states);
        rt_arena_free(host->states_arena);
        rt_free(host->agents);
        rt_arena_free(host->agents_arena);
    }
}
