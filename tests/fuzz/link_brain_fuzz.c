// The brain's side of a link: messages of a host of agents, to a live brain.
//
// The input is a row of msgpack values. An array is sent as it stands; SAY_* are what a sound host
// and a producer would do meanwhile. The brain must live on, and what it sends must be sound
// messages.
#include <stdio.h>

#include "brain/core/core_msgs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/life.h"

#define VALUES_MAX 4096
#define SAY_HELLO 1  // a sound hello
#define SAY_EVENT 2  // a producer sends an event
#define SAY_ANSWER 3 // nothing to say about all that came
#define SAY_CUT 4    // the link breaks
#define SAY_WAIT 5   // time passes: a deadline, a feed
#define EVENT_IDS 50

static br_brain *brain;
static rt_loop *peer;
static rt_link *link_up;
static bool is_up;
static uint64_t upto_seq; // of the last batch that came
static uint64_t batches;
static uint64_t catalog_hash;
static rt_arena *arena;
static rt_mpw writer;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    catalog_hash = rt_catalog_hash(fuzz_catalog());
    arena = rt_arena_new(4u << 20);
    rt_mpw_init(&writer, 1u << 20);
    return 0;
}

// What the brain says: records, or one text that refuses a hello.
static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    msg_records records;
    rt_mp mp = rt_mp_init(body);
    rt_str text = {NULL, 0};

    (void)user;
    RT_ASSERT(rt_mp_check(body) == RT_OK);
    if (rt_mp_str(&mp, &text) == RT_OK) {
        RT_ASSERT(text.len > 0);
    } else {
        rt_arena_reset(arena);
        RT_ASSERT(rt_msg_decode(&msg_records_def, &mp, arena, &records) == RT_OK);
        RT_ASSERT(records.committed_seq <= rt_journal_committed(brain->journal));
        upto_seq = records.upto_seq;
        batches++;
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
send_message(rt_bytes body)
{
    if (is_up) {
        RT_IGNORE(rt_link_send(link_up, body)); // a full queue is an answer as well
        sim_advance_ms(2);
    }
}

static void
say_hello(void)
{
    static const rt_str hears[] = {{"carrier.status", 14}, {"timer.fired", 11}};
    static msg_agent_info agents[] = {{.hears = {(void *)(uintptr_t)hears, RT_COUNT(hears)}}};
    msg_hello hello = {.protocol = 1,
                       .host = RT_STR(LIFE_HOST),
                       .catalog_hash = catalog_hash,
                       .agents = {agents, RT_COUNT(agents)}};

    agents[0].name = RT_STR("logistics");
    rt_mpw_clear(&writer);
    rt_msg_encode(&msg_hello_def, &hello, &writer);
    send_message(rt_mpw_view(&writer));
}

static void
say_answer(void)
{
    msg_answers answers = {.upto_seq = upto_seq};

    rt_mpw_clear(&writer);
    rt_msg_encode(&msg_answers_def, &answers, &writer);
    send_message(rt_mpw_view(&writer));
}

static void
say_event(uint64_t number)
{
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "{\"id\":\"%u\",\"source\":\"/f\",\"type\":\"carrier.status\",\"tenant\":"
                       "\"alpha\",\"subject\":\"carrier/x\",\"data\":{\"status\":\"down\"}}",
                       (unsigned)(number % EVENT_IDS));

    sim_request(LIFE_INGEST, (rt_bytes){(const uint8_t *)text, (size_t)len}, NULL, NULL);
    sim_advance_ms(2);
}

static void
say(int64_t what)
{
    if (what == SAY_HELLO) {
        say_hello();
    } else if (what == SAY_EVENT) {
        say_event(rt_journal_next_seq(brain->journal));
    } else if (what == SAY_ANSWER) {
        say_answer();
    } else if (what == SAY_CUT) {
        sim_net_cut(LIFE_HOST_URL);
        sim_advance_ms(150); // the time to dial again
    } else if (what == SAY_WAIT) {
        sim_advance_ms(80);
    }
}

// The life's own peer; a new life forgets the loops of the one before.
static void
begin(void)
{
    bool is_new = false;
    const rt_net_limits limits = {
        .message_bytes_max = 1u << 20, .connections_max = 1, .inflight_max = 64};
    const rt_link_events events = {.on_parcel = on_parcel, .on_up = on_up, .on_down = on_down};

    brain = life_next(true, &is_new);
    if (is_new) {
        is_up = false;
        upto_seq = 0;
        peer = rt_loop_new();
        RT_ASSERT(rt_link_dial(peer, LIFE_HOST_URL, limits, events, &link_up) == RT_OK);
        sim_advance_ms(150);
        RT_ASSERT(is_up);
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

        if (rt_mp_raw(&mp, &value) != RT_OK) {
            send_message((rt_bytes){at.at, (size_t)(at.end - at.at)});
            break;
        }
        life_note(value);
        if (rt_mp_i64(&at, &what) == RT_OK) {
            say(what);
        } else {
            send_message(value);
        }
        life_check(brain);
    }
    return 0;
}
