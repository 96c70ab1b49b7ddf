// The host's side of a link: messages of a brain, to a host with all agents.
//
// The input is a row of msgpack values. An array is sent as it stands, as the brain's message; a
// map is an event, which goes out in a sound batch of its own; SAY_* are what else happens
// meanwhile. The host must live on, and every answer must be a sound message that stays within what
// it was given.
#include "agents/registry.h"
#include "brain/agent/host.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/fuzz/fuzz.h"

#define URL "inproc://agents-inside"
#define VALUES_MAX 256
#define SAY_CUT 1  // the link breaks
#define SAY_WAIT 2 // time passes
#define SAY_ASK 3  // for the hash of the state
#define SAY_COMMIT 4
#define AT_MS INT64_C(1795150800000)

static rt_loop *brain_loop;
static rt_loop *host_loop;
static rt_link *link_up;
static br_host *host;
static bool is_up;
static bool is_spent; // something was sent to the host
static uint64_t seq;  // of the last record sent in a sound batch
static uint64_t told; // highest upto_seq that was ever sent
static uint64_t catalog_hash;
static rt_arena *arena;
static rt_mpw writer;
static rt_mpw event_bytes;
static br_host_config config;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static int64_t zones[RT_TENANT_MAX];

    (void)argc;
    (void)argv;
    fuzz_begin();
    zones[1] = (int64_t)-5 * 3600 * 1000;
    config = (br_host_config){.name = "inside",
                              .url = URL,
                              .runner = {.agents = agents_registry,
                                         .agent_count = agents_registry_count,
                                         .catalog = fuzz_catalog(),
                                         .utc_offset_ms = zones,
                                         .tenant_count = RT_TENANT_MAX}};
    config.runner.diag = rt_diag_new(); // a host that loads its state again writes to it
    catalog_hash = rt_catalog_hash(fuzz_catalog());
    arena = rt_arena_new(4u << 20);
    rt_mpw_init(&writer, 1u << 20);
    rt_mpw_init(&event_bytes, 1u << 20);
    return 0;
}

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    msg_hello hello;
    msg_answers answers;
    rt_mp mp = rt_mp_init(body);
    rt_mp again = mp;

    (void)user;
    RT_ASSERT(rt_mp_check(body) == RT_OK);
    rt_arena_reset(arena);
    if (rt_msg_decode(&msg_answers_def, &mp, arena, &answers) == RT_OK) {
        RT_ASSERT(answers.upto_seq <= told);
    } else {
        RT_ASSERT(rt_msg_decode(&msg_hello_def, &again, arena, &hello) == RT_OK);
        RT_ASSERT(hello.catalog_hash == catalog_hash);
    }
    rt_parcel_free(parcel);
}

static void
on_up(void *user)
{
    (void)user;
    is_up = true;
}

static void
on_down(void *user)
{
    (void)user;
    is_up = false;
}

static void
begin(void)
{
    const rt_net_limits limits = {
        .message_bytes_max = 1u << 20, .connections_max = 1, .inflight_max = 64};
    const rt_link_events events = {.on_parcel = on_parcel, .on_up = on_up, .on_down = on_down};

    if (host != NULL && !is_spent) {
        return;
    }
    if (host != NULL) {
        br_host_free(host);
        rt_loop_free(host_loop);
        rt_loop_free(brain_loop);
    }
    sim_reset(1);
    sim_disk_reset();
    is_up = false;
    is_spent = false;
    seq = 0;
    told = 0;
    brain_loop = rt_loop_new();
    host_loop = rt_loop_new();
    RT_ASSERT(rt_link_listen(brain_loop, URL, limits, events, &link_up) == RT_OK);
    RT_ASSERT(br_host_new(host_loop, &config, &host) == RT_OK);
    sim_advance_ms(150);
    RT_ASSERT(is_up);
}

static void
send_message(rt_bytes body)
{
    msg_records records;
    rt_mp mp = rt_mp_init(body);

    rt_arena_reset(arena);
    if (rt_msg_decode(&msg_records_def, &mp, arena, &records) == RT_OK) {
        told = RT_MAX(told, records.upto_seq);
    }
    is_spent = true;
    if (is_up) {
        RT_IGNORE(rt_link_send(link_up, body)); // a full queue is an answer as well
        sim_advance_ms(2);
    }
}

static void
send_records(msg_fed *record, uint64_t upto_seq, uint64_t committed_seq)
{
    msg_records records = {.upto_seq = upto_seq,
                           .decided_seq = upto_seq,
                           .records = {record, record != NULL ? 1 : 0},
                           .committed_seq = committed_seq};

    rt_mpw_clear(&writer);
    rt_msg_encode(&msg_records_def, &records, &writer);
    send_message(rt_mpw_view(&writer));
}

// An event that the brain would take goes to the host as its next record.
static void
send_event(rt_bytes value)
{
    static rt_event event;
    rt_reject reject;
    rt_mp mp = rt_mp_init(value);
    msg_fed record = {.kind = RT_RECORD_EVENT, .flags = RT_RECORD_UNDECIDED};

    if (rt_event_decode(fuzz_catalog(), &mp, &event, &reject) != RT_OK) {
        return;
    }
    event.tenant = (rt_tenant){1};
    if (event.time_ms == INT64_MIN) {
        event.time_ms = AT_MS;
    }
    seq++;
    record.seq = seq;
    record.at_ms = AT_MS + (int64_t)seq * 1000;
    rt_mpw_clear(&event_bytes);
    rt_event_encode(&event, &event_bytes);
    record.payload = rt_mpw_view(&event_bytes);
    send_records(&record, seq, 0);
}

static void
say(int64_t what)
{
    is_spent = true;
    if (what == SAY_CUT) {
        sim_net_cut(URL);
        sim_advance_ms(150);
    } else if (what == SAY_WAIT) {
        sim_advance_ms(1100); // health, a restart of an agent that failed
    } else if (what == SAY_ASK) {
        send_records(NULL, seq, 0);
    } else if (what == SAY_COMMIT) {
        send_records(NULL, seq, seq);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rt_mp mp = rt_mp_init((rt_bytes){data, size});

    begin();
    for (int i = 0; i < VALUES_MAX && !rt_mp_done(&mp); i++) {
        rt_mp at = mp;
        rt_bytes value = {NULL, 0};
        int64_t what = 0;
        uint32_t count = 0;

        if (rt_mp_raw(&mp, &value) != RT_OK) {
            send_message((rt_bytes){at.at, (size_t)(at.end - at.at)});
            break;
        }
        if (rt_mp_i64(&at, &what) == RT_OK) {
            say(what);
        } else if (rt_mp_map(&at, &count) == RT_OK) {
            send_event(value);
        } else {
            send_message(value);
        }
        RT_ASSERT(br_host_applied(host) <= told);
    }
    return 0;
}
