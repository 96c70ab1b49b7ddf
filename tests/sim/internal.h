// sim/internal.h: the world's inside, shared by the files of tests/sim.
//
// Layer: tests/sim.   Threads: one.
#ifndef CEREBRO_TESTS_SIM_INTERNAL_H
#define CEREBRO_TESTS_SIM_INTERNAL_H

#include "brain/agent/host.h"
#include "brain/core/internal.h"
#include "runtime/sim/sim.h"
#include "tests/sim/brittle.h"
#include "tests/sim/producer.h"
#include "tests/sim/world.h"

#define DATA_DIR "/data"
#define JOURNAL_DIR "/data/journal"
#define PLAYBOOK_DIR "/playbooks"
#define INGEST_URL "tcp://127.0.0.1:7701"
#define PULL_URL "tcp://127.0.0.1:7702"
#define PUBLISH_URL "tcp://127.0.0.1:7703"
#define CONTROL_PATH "/run/ctl.sock"
#define HALT_FILE "/run/HALT"
#define TENANTS 4
#define HOSTS_MAX 2
#define HALT_GRACE_MS 400 // publications under way when it was halted may still arrive

// What a seed is like, drawn before it begins.
typedef struct world_draw {
    bool paced;         // a day at its own pace; else its events as fast as they are answered
    bool small_journal; // its beginning is recycled
    bool peaceful;      // nothing is struck
    bool ids_marked;
    bool rots; // bits on the disk change
    uint64_t poison_every; // of orders, for an agent that cannot take them; 0: no such agent
    bool has_pull; // the unacknowledged door is open
    double hostile;
    uint64_t orders; // of each tenant
    int64_t span_max_ms; // how long what is struck stays so
    uint64_t gap_max;    // happenings from one strike to the next
} world_draw;

typedef struct world_host {
    br_host_entry entry;
    br_host_config config;
    const br_agent_def *agents[BR_RUNNER_AGENTS_MAX];
    rt_loop *loop;
    br_host *host;
    rt_timer *back;   // starts it again when it was killed
    rt_err failed;    // it gave up
    bool is_outside; // a process of its own, which a brain that is killed leaves alone
} world_host;

typedef struct world_ask world_ask; // a call at the control door

// A request of a playbook that an operator has seen; no playbook, none.
typedef struct world_request {
    char playbook[64];
    char key[128];
    char tenant[32];
} world_request;

typedef struct world_archive world_archive; // a copy of a journal that is recycled

typedef struct world {
    uint64_t seed;
    rt_rng rng;
    bool told;
    const br_pack *pack;
    world_draw draw;
    br_brain_config config;
    const br_agent_def *agents[BR_RUNNER_AGENTS_MAX];
    size_t agent_count;
    br_runner_config replay; // all agents
    br_host_entry entries[HOSTS_MAX];
    int64_t zones[RT_TENANT_MAX];
    rt_loop *client_loop;
    rt_loop *brain_loop;
    br_brain *brain;
    rt_timer *back; // starts the brain again when it died
    world_host hosts[HOSTS_MAX];
    size_t host_count;
    producer *producers[TENANTS];
    audit *books;      // what was seen outside of the brain, and the journal's check
    rt_map *posted;    // action id of a webhook -> the life of the brain that sent it
    uint64_t life;     // counts starts
    int64_t halted_since_ms; // -1 when not
    rt_timer *mend;          // when block, full disk and halt end
    bool struck;             // one of them holds
    bool resuming;
    bool rotten; // the journal was damaged
    uint32_t starved; // steps of brain and hosts in which an allocation will fail
    bool was_starved; // one of them did: all that runs notices, as memory is the machine's
    bool calm;
    uint64_t next_strike; // at this many happenings
    bool was_trying;      // a webhook, at the last step
    bool was_halted;
    bool cuts_group; // the power goes with the next large group
    uint32_t strikes;
    uint64_t steps;
    world_ask *asks;
    world_request request; // answered last
    world_archive *archive; // NULL: the journal keeps its beginning
    uint64_t next_ask;     // at this many happenings somebody looks at the brain
    int64_t read_again_ms; // since when the subscriber reads
    bool unread;           // it does not
    bool history_lost; // a host that could not save for long needed records that were recycled
    rt_timer *drift;       // the wall clock goes back
    int64_t drift_until_ms;
    world_result *result;
} world;

extern const br_tenant_config world_tenants[TENANTS];

// --- world.c ---
// world_say tells what happens, with --trace; the last of it is kept for a failure.
void world_say(world *w, const char *fmt, ...) RT_PRINTF(2, 3);
// world_violated notes what did not hold; the first counts and ends the life.
void world_violated(world *w, const char *fmt, ...) RT_PRINTF(2, 3);
// world_detected ends the life as one whose damage was found and named in `detail` (NULL: in a log
// line); false when nothing was damaged.
bool world_detected(world *w, rt_err err, const char *detail);

// --- draw.c ---
// world_between draws from low..high; world_span how long something lasts, up to the life's span.
int64_t world_between(world *w, int64_t low, int64_t high);
int64_t world_span(world *w);
// world_configure draws what this life is like and how its brain and hosts are configured.
void world_configure(world *w);

// --- life.c ---
// world_start starts brain and hosts; what keeps them from it is mended, as an operator would.
void world_start(world *w);
// world_start_host starts a host; world_end_host and world_end_brain forget them, nothing saved.
void world_start_host(world *w, world_host *h);
void world_end_host(world_host *h);
void world_end_brain(world *w);
// world_note_loss notes that a host needed records that were recycled already.
void world_note_loss(world *w);
// world_die ends the brain's process, with the page cache, or all of them (a power cut) without it;
// they are started again, at once or later.
void world_die(world *w, bool power_cut);
// world_mend_disk ends what was asked of the disk and not met yet.
void world_mend_disk(void);

// --- strikes.c ---
// world_on_drift lets the wall clock go back; the user is the world.
void world_on_drift(void *user);
// world_strike does something bad, drawn from the seed.
void world_strike(world *w);
// world_mend ends what lasts: a blocked link, a full disk, a halt.
void world_mend(world *w);

// --- archive.c ---
// world_archive_begin makes a copy of the journal begin where it will be recycled,
// world_archive_more copies what became durable, world_archive_end frees it.
void world_archive_begin(world *w);
void world_archive_more(world *w);
void world_archive_end(world *w);
// world_journal_dir is where the whole journal can be read: the brain's own, or the copy.
const char *world_journal_dir(world *w);

// --- operator.c ---
// world_ask_door makes a call at the control door; world_hang_up leaves those that were meant to be
// left by now, or all; world_forget_asks frees them when the world is gone.
void world_ask_door(world *w);
void world_hang_up(world *w, bool all);
void world_forget_asks(world *w);

// --- rot.c ---
// world_rot changes a bit of journal or store, and the brain's process starts again.
void world_rot(world *w);
// world_rot_at_rest changes a bit of the journal of a life that is over, which must be noticed.
void world_rot_at_rest(world *w);

// --- watch.c ---
// world_watch looks at what must hold after every step.
void world_watch(world *w);
// world_command gives a command at the control door; false when nobody listens there.
bool world_command(world *w, const char *command,
                   void (*on_answer)(void *user, rt_err err, rt_bytes body, bool last));

// --- witness.c ---
// world_on_publication sees what is published; the user is the world.
void world_on_publication(void *user, rt_bytes message);
// world_on_post is the receiver of webhooks.
void world_on_post(void *user, const rt_http_request *request, sim_http_answer *ret_answer);
// world_tenant_of finds a tenant's number by its name; 0 for the brain's own.
uint16_t world_tenant_of(rt_str name);

// --- books.c ---
// books_pack reads the packs on the simulated disk as the audit understands them.
audit_pack *books_pack(void);
// books_open begins the books of this life; books_check compares them with the journal.
void books_open(world *w, const audit_pack *pack);
void books_check(world *w);
// books_on_acked notes what a producer was told; the user is the world.
void books_on_acked(void *user, uint16_t tenant, rt_str source, rt_str id, uint64_t seq);

// --- ring.c ---
// ring_clear forgets, ring_add keeps a line with the virtual time, ring_print prints what is kept.
void ring_clear(void);
void ring_add(const char *line);
void ring_print(void);

#endif
