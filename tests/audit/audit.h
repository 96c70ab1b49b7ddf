// audit/audit.h: an independent checker of what a brain left on disk.
//
// Layer: tests/audit (nothing of runtime/, brain/ or agents/: what is checked must not check
// itself).   Threads: one owner an object.
// Order of use: a pack, once; an audit of it with limits and what is expected; what witnesses saw,
// before or while the brain runs; audit_run; then figures and violations.
#ifndef CEREBRO_TESTS_AUDIT_AUDIT_H
#define CEREBRO_TESTS_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_TENANTS_MAX 256
#define AUDIT_NAME_CAP 72
#define AUDIT_TEXT_CAP 400
#define AUDIT_KEPT_MAX 200 // violations kept with their text; all are counted

// What is expected of a journal beyond what always holds.
#define AUDIT_DRAINED 0x01u // everything is decided and every action has its outcome
#define AUDIT_WHOLE 0x02u   // it begins with record 1
#define AUDIT_NO_DEAD 0x04u // no agent failed

typedef struct audit_pack audit_pack;
typedef struct audit audit;

// How the journal's directory is read; false and negative numbers are failures.
typedef struct audit_files {
    bool (*list)(void *user, void (*on_name)(void *to, const char *name), void *to);
    int64_t (*size)(void *user, const char *name);
    int64_t (*read)(void *user, const char *name, uint64_t offset, void *buf, size_t len);
    void *user;
} audit_files;

typedef struct audit_tenant {
    uint16_t number;
    char name[AUDIT_NAME_CAP];
    int64_t utc_offset_ms;
} audit_tenant;

// What was configured. Without it (`known` false) the limits of the pack are checked alone.
typedef struct audit_limits {
    bool known;
    int64_t actions_per_minute;
    int32_t quiet_from_min; // local minute of the day
    int32_t quiet_until_min;
    uint64_t dedup_events;
    int64_t dedup_window_ms;
    int64_t webhook_attempts; // the largest of all webhooks; 0: not checked
    audit_tenant tenants[AUDIT_TENANTS_MAX];
    size_t tenant_count;
} audit_limits;

typedef struct audit_figures {
    uint64_t segments;
    uint64_t bytes; // of whole groups
    uint64_t groups;
    uint64_t torn_bytes; // behind the last whole group, to the last thing that looks like a record
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t external; // producers' events
    uint64_t internal;
    uint64_t undecided; // at the journal's end
    uint64_t decisions;
    uint64_t candidates;
    uint64_t intents;
    uint64_t outcomes;
    uint64_t executed;
    uint64_t failed;
    uint64_t unknown;
    uint64_t cancelled;
    uint64_t in_flight; // at the journal's end
    uint64_t missing;   // decisions without an agent that was late
    uint64_t timers_fired;
    uint64_t starts;
    uint64_t playbook_sets;
    uint64_t halts;
    uint64_t rejects;
    uint64_t dead_letters; // of agents and of the outbox
    uint64_t retries;      // of dead letters
    uint64_t acked;        // acknowledgements compared
    uint64_t published;    // decisions and actions compared
    uint64_t posted;       // webhooks compared
} audit_figures;

typedef struct audit_violation {
    uint64_t seq; // record; 0 when it concerns none
    char rule[32];
    char text[AUDIT_TEXT_CAP];
} audit_violation;

// What a reader of the records themselves is called with (audit_on_record).
typedef struct audit_record {
    uint64_t seq;
    int64_t at_ms;
    uint8_t kind;
    uint8_t flags;
    uint64_t group; // of how many, counted from the journal's beginning
    uint32_t crc;
    const uint8_t *payload;
    size_t payload_len;
    const uint8_t *chain; // hash after the record's group, 32 bytes
} audit_record;

// audit_pack_new makes a pack without actions; audit_pack_add reads one of its YAML files. False
// with the reason in audit_pack_error when it cannot be read.
audit_pack *audit_pack_new(void);
bool audit_pack_add(audit_pack *pack, const char *name, const char *text, size_t len);
// audit_pack_error is why audit_pack_add said false.
const char *audit_pack_error(const audit_pack *pack);
// audit_pack_free releases it.
void audit_pack_free(audit_pack *pack);

// audit_limits_defaults are those of a brain without configuration, `known` false.
audit_limits audit_limits_defaults(void);
// audit_limits_read takes over what a brain.yaml says; audit_limits_set one SECTION.KEY=VALUE, as
// on braind's command line. Keys that limit nothing are passed over. False with a reason in
// `error`.
bool audit_limits_read(audit_limits *limits, const char *text, size_t len, char error[256]);
bool audit_limits_set(audit_limits *limits, const char *setting, char error[256]);
// audit_tenant_find gives the number for a tenant's name or number; negative without.
int audit_tenant_find(const audit_limits *limits, const char *text);

// audit_new makes an audit; `pack` is borrowed, `limits` copied.
audit *audit_new(const audit_pack *pack, const audit_limits *limits, unsigned expected);
// audit_free releases it.
void audit_free(audit *a);

// audit_acked: a producer was told that this event stands at `seq` (0: only that it is known).
void audit_acked(audit *a, uint64_t seq, uint16_t tenant, const char *source, size_t source_len,
                 const char *id, size_t id_len);
// audit_published: this decision record was published.
void audit_published(audit *a, uint64_t seq, const uint8_t *payload, size_t len);
// audit_acted: this action was published, as the msgpack map behind its topic.
void audit_acted(audit *a, const uint8_t *map, size_t len);
// audit_posted: this webhook was received, with its webhook-id and its body.
void audit_posted(audit *a, const char *id, size_t id_len, const uint8_t *body, size_t len);
// audit_marker: these bytes belong to a tenant and must not stand in records of another.
void audit_marker(audit *a, uint16_t tenant, const char *text);
// audit_on_record asks for a call per record read.
void audit_on_record(audit *a, void (*call)(void *user, const audit_record *record), void *user);

// audit_run reads the journal and checks everything. False: it could not (audit_error says why),
// and nothing is known.
bool audit_run(audit *a, const audit_files *files);
const char *audit_error(const audit *a);
// audit_figures_of are the figures; audit_violation_count how many violations were found, of which
// audit_violation_at gives the first AUDIT_KEPT_MAX (NULL beyond).
const audit_figures *audit_figures_of(const audit *a);
uint64_t audit_violation_count(const audit *a);
const audit_violation *audit_violation_at(const audit *a, size_t index);

#endif
