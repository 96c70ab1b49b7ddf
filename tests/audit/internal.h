// audit/internal.h: what the files of the checker share.
//
// Layer: tests/audit only.   Threads: one.
#ifndef CEREBRO_TESTS_AUDIT_INTERNAL_H
#define CEREBRO_TESTS_AUDIT_INTERNAL_H

#include <string.h>

#include "tests/audit/audit.h"

#define AUDIT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define AUDIT_SHA_BYTES 32
#define AUDIT_ACTIONS_MAX 256
#define AUDIT_ARGS_MAX 32
#define AUDIT_CANDIDATES_MAX 256
#define AUDIT_CONSULTED_MAX 1024
#define AUDIT_INSTANCE_CAP 16
#define AUDIT_DEPTH_MAX 8

typedef enum audit__kind {
    KIND_EVENT = 1,
    KIND_DECISION = 2,
    KIND_PLAYBOOKS = 3,
    KIND_REJECT = 4,
    KIND_START = 5,
    KIND_COMMIT = 6,
} audit__kind;

#define FLAG_UNDECIDED 0x01u // of an event
#define FLAG_SAID 0x02u      // of a decision

typedef struct audit__str {
    const char *ptr;
    size_t len;
} audit__str;

#define STR_ARG(s) (int)(s).len, (s).ptr

// --- bytes.c: checksums, hashes, memory ---

typedef struct audit__key {
    uint64_t a;
    uint64_t b;
} audit__key;

// audit__alloc gives zeroed memory, audit__grow resizes; both end the program when there is none.
void *audit__alloc(size_t bytes);
void *audit__grow(void *old, size_t bytes);
void audit__free(void *ptr);
// audit__crc32c continues a CRC-32C (start with 0).
uint32_t audit__crc32c(uint32_t crc, const uint8_t *bytes, size_t len);
// audit__key_of hashes a number and texts to a key of 128 bits; where a text ends counts.
audit__key audit__key_of(uint64_t number, const audit__str *texts, size_t count);
// audit__hash hashes bytes.
audit__key audit__hash(const void *bytes, size_t len);
// audit__str_of views a C string; audit__same and audit__is compare.
audit__str audit__str_of(const char *text);
bool audit__same(audit__str a, audit__str b);
bool audit__is(audit__str a, const char *text);
bool audit__starts(audit__str a, const char *text);
// audit__u64_of reads decimal digits that are all of the text.
bool audit__u64_of(audit__str text, uint64_t *ret);

typedef struct audit__sha audit__sha;
audit__sha *audit__sha_new(void);
void audit__sha_free(audit__sha *sha);
// audit__sha_chain writes SHA-256(before || bytes).
void audit__sha_chain(audit__sha *sha, const uint8_t before[AUDIT_SHA_BYTES], const uint8_t *bytes,
                      size_t len, uint8_t ret[AUDIT_SHA_BYTES]);

// --- table.c: open addressing from keys to values of one size ---

typedef struct audit__table {
    uint8_t *slots; // key, then value; a key of zeros is an empty slot
    size_t value_bytes;
    size_t cap;
    size_t count;
} audit__table;

audit__table audit__table_of(size_t value_bytes);
void audit__table_fini(audit__table *t);
// audit__table_get gives the value or NULL; audit__table_put adds a zeroed one when there is none;
// both last until the next put or del.
void *audit__table_get(const audit__table *t, audit__key key);
void *audit__table_put(audit__table *t, audit__key key, bool *ret_created);
bool audit__table_del(audit__table *t, audit__key key);
// audit__table_next walks values from *cursor = 0; NULL at the end.
void *audit__table_next(const audit__table *t, size_t *cursor, audit__key *ret_key);

// --- mp.c: msgpack ---

typedef enum audit__type {
    MP_BAD,
    MP_NIL,
    MP_BOOL,
    MP_INT, // also in `u` when not negative
    MP_U64, // larger than any signed number
    MP_F64,
    MP_STR,
    MP_BIN,
    MP_ARRAY,
    MP_MAP,
    MP_EXT,
} audit__type;

typedef struct audit__token {
    audit__type type;
    bool b;
    int64_t i;
    uint64_t u;
    double f;
    audit__str s;   // of MP_STR, MP_BIN, MP_EXT
    uint32_t count; // of MP_ARRAY, MP_MAP
} audit__token;

// A place in a message; `bad` is set by the first thing that is not as asked for, and stays.
typedef struct audit__mp {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} audit__mp;

audit__mp audit__mp_of(const void *bytes, size_t len);
audit__token audit__mp_next(audit__mp *mp);
// What follow want one type and give its zero for any other.
uint32_t audit__mp_array(audit__mp *mp);
uint32_t audit__mp_map(audit__mp *mp);
uint64_t audit__mp_u64(audit__mp *mp);
int64_t audit__mp_i64(audit__mp *mp);
double audit__mp_f64(audit__mp *mp);
bool audit__mp_bool(audit__mp *mp);
audit__str audit__mp_str(audit__mp *mp);
audit__str audit__mp_bin(audit__mp *mp);
// audit__mp_skip passes over a value; audit__mp_raw views its bytes.
void audit__mp_skip(audit__mp *mp);
audit__str audit__mp_raw(audit__mp *mp);

// --- json.c ---

// A place in a text that a NUL ends; strings are unescaped into `room`, which is as long as the
// text.
typedef struct audit__json {
    const char *at;
    const char *end;
    char *room;
    bool bad;
} audit__json;

// audit__json_char takes a character that has to come next; audit__json_str a string.
bool audit__json_char(audit__json *j, char c);
audit__str audit__json_str(audit__json *j);
// audit__json_scalar takes any value; numbers are MP_F64, of arrays and objects only the type is
// told.
audit__token audit__json_scalar(audit__json *j);

// --- pack.c, limits.c, yaml.c ---

typedef enum audit__executor {
    EXECUTE_LOG,
    EXECUTE_PUBLISH,
    EXECUTE_EMIT,
    EXECUTE_WEBHOOK
} audit__executor;

typedef enum audit__arg_kind {
    ARG_BOOL,
    ARG_I64,
    ARG_F64,
    ARG_STR,
    ARG_TIME,
    ARG_DURATION
} audit__arg_kind;

typedef struct audit__arg {
    char name[AUDIT_NAME_CAP];
    audit__arg_kind kind;
    bool required;
} audit__arg;

typedef struct audit__action {
    uint16_t index;
    char name[AUDIT_NAME_CAP];
    char resource[AUDIT_NAME_CAP];
    char group[AUDIT_NAME_CAP];
    char emits[AUDIT_NAME_CAP];
    char webhook[AUDIT_NAME_CAP];
    audit__executor executor;
    bool contact;
    int64_t cooldown_ms;
    int64_t per_target_day;
    int64_t per_tenant_hour;
    audit__arg args[AUDIT_ARGS_MAX];
    size_t arg_count;
} audit__action;

struct audit_pack {
    audit__action actions[AUDIT_ACTIONS_MAX];
    size_t action_count;
    audit__table types; // event types: name -> nothing
    char error[256];
};

typedef struct audit__yaml audit__yaml;
typedef struct yaml_node_s audit__node;

// audit__yaml_new parses a document; NULL with a reason.
audit__yaml *audit__yaml_new(const char *text, size_t len, char error[256]);
void audit__yaml_free(audit__yaml *yaml);
audit__node *audit__yaml_root(audit__yaml *yaml);
// audit__yaml_get finds a key of a mapping; audit__yaml_text a scalar's text (empty for others).
audit__node *audit__yaml_get(audit__yaml *yaml, audit__node *map, const char *key);
audit__str audit__yaml_text(const audit__node *node);
// audit__yaml_pair and audit__yaml_item walk a mapping and a list; false at the end.
bool audit__yaml_pair(audit__yaml *yaml, audit__node *map, size_t index, audit__str *ret_key,
                      audit__node **ret_value);
bool audit__yaml_item(audit__yaml *yaml, audit__node *list, size_t index, audit__node **ret_item);
// audit__duration_ms reads 250ms, 30s, 5m, 24h, 7d and sums like 1h30m.
bool audit__duration_ms(audit__str text, int64_t *ret_ms);

const audit__action *audit__pack_action(const audit_pack *pack, audit__str name);

// --- audit.c: the whole ---

// What is kept of a record, by its number.
typedef struct audit__note {
    uint64_t head;      // hash of an event's id, type and subject
    uint32_t playbooks; // version of the set that was live
    uint16_t tenant;
    uint8_t depth;
    uint8_t flags;
} audit__note;

#define NOTE_EVENT 0x01u
#define NOTE_UNDECIDED 0x02u // needs a decision
#define NOTE_DECIDED 0x04u
#define NOTE_FAILED 0x08u // an agent's dead letter names it

typedef enum audit__state {
    ACTION_IN_FLIGHT,
    ACTION_EXECUTED,
    ACTION_FAILED,
    ACTION_UNKNOWN,
    ACTION_CANCELLED,
} audit__state;

// An action between its decision and ever after.
typedef struct audit__intent {
    uint64_t seq; // of the decision's record
    uint64_t event_seq;
    uint64_t target;  // hash
    audit__key args;  // hash
    audit__key place; // tenant, target and group; zeros without a group
    uint64_t starts;  // of the brain when it was last put in flight, and one; 0: never
    int64_t at_ms;
    uint32_t number; // within the decision
    uint16_t tenant;
    uint16_t action; // index in the pack
    uint8_t depth;
    uint8_t state;
    bool emitted; // the event of an emitting action is there
    bool is_dead; // a dead letter waits for an operator
} audit__intent;

// One event record, decoded.
typedef struct audit__event {
    uint64_t seq;
    int64_t at_ms;
    uint8_t record_flags;
    audit__str type;
    audit__str data; // a map
    int64_t time_ms;
    uint16_t tenant;
    uint8_t depth;
    bool internal;
    bool has_sequence;
    uint64_t sequence;
    audit__str id;
    audit__str source;
    audit__str subject;
    audit__str correlation;
    audit__str causation;
    audit__str context; // what was known when it came
} audit__event;

typedef struct audit__candidate {
    audit__str agent;
    audit__str action;
    audit__str target;
    audit__str args;
    int64_t cost;
    int64_t priority;
    double confidence;
    bool veto;
    double score;
    audit__str verdict;
    audit__str why;
    audit__str action_id;
    const audit__action *def; // NULL: not in the pack
} audit__candidate;

typedef struct audit__consulted {
    audit__str playbook;
    audit__str verdict;
    audit__str throttle_key;
} audit__consulted;

typedef struct audit__decision {
    uint64_t seq;
    int64_t at_ms;
    uint8_t record_flags;
    uint64_t event_seq;
    audit__str event_id;
    audit__str event_type;
    uint16_t tenant;
    audit__str subject;
    uint64_t playbooks;
    audit__candidate candidates[AUDIT_CANDIDATES_MAX];
    uint32_t candidate_count;
    uint32_t prediction_count;
    audit__str predicted_by[AUDIT_CANDIDATES_MAX];
    audit__consulted consulted[AUDIT_CONSULTED_MAX];
    uint32_t consulted_count;
    audit__mp timers; // before the list
    uint32_t missing_count;
    uint64_t emissions;
    uint64_t depth;
    audit__mp writes; // before the list
} audit__decision;

// What an admitted action uses up (budget.c).
typedef struct audit__budget audit__budget;
// What playbooks may do (playbook.c).
typedef struct audit__rules audit__rules;
// What others saw (witness.c).
typedef struct audit__witness audit__witness;

struct audit {
    const audit_pack *pack;
    audit_limits limits;
    unsigned expected;
    audit_figures figures;
    audit_violation kept[AUDIT_KEPT_MAX];
    uint64_t violation_count;
    char error[256];
    void (*on_record)(void *user, const audit_record *record);
    void *on_record_user;
    audit__witness *witness;
    audit__budget *budget;
    audit__rules *rules;

    bool stopped;  // damage: what follows cannot be judged
    bool recycled; // the beginning is gone
    audit__note *notes;
    size_t note_cap;
    audit__table events;    // tenant, source, id -> where
    audit__table sequences; // tenant, source -> last number of its producer
    audit__table actions;   // action id -> audit__intent
    audit__table places;    // place -> key of the action in flight there
    audit__table timers;    // tenant, owner, key -> due
    audit__table throttles; // tenant, playbook, key -> when
    audit__table periods;   // playbook -> period of its throttle, of the live set
    audit__table untils;    // playbook -> hash of the event type that ends it early
    audit__table failures;  // agent, record -> number of the dead letter
    audit__table letters;   // ref -> open dead letters
    audit__table named;     // tenant, a text that one of its events named -> nothing
    uint64_t remembered;    // events that deduplication counts
    int64_t last_at_ms;
    uint64_t decided_seq; // newest event decided
    uint64_t playbooks;   // version live; 0: not known
    bool halted;
    char instance[AUDIT_INSTANCE_CAP];
    uint64_t last_event_seq; // of the decision whose emissions may follow
    uint64_t last_emissions;
    uint64_t next_emission;
    audit__decision *decision; // room for one
};

// audit__say notes a violation of a rule by a record (0: by none).
void audit__say(audit *a, uint64_t seq, const char *rule, const char *fmt, ...) AUDIT_PRINTF(4, 5);
// audit__note_of gives the note of a record, NULL outside of what was read.
audit__note *audit__note_of(audit *a, uint64_t seq);
// audit__head hashes what a decision repeats of its event.
uint64_t audit__head(audit__str id, audit__str type, audit__str subject);

// --- segment.c ---

// audit__read_segments reads all records in order and calls audit__see_record; false when files
// cannot be read (a->error).
bool audit__read_segments(audit *a, const audit_files *files);
// audit__see_record checks one record (audit.c).
void audit__see_record(audit *a, const audit_record *record);

// --- event.c, decision.c ---

void audit__see_event(audit *a, const audit_record *record);
void audit__see_decision(audit *a, const audit_record *record);
// audit__see_own checks an event that the brain itself made.
void audit__see_own(audit *a, const audit__event *event);
// audit__field finds a field of an event's data.
audit__token audit__field(const audit__event *event, const char *name);
// audit__take_off puts an action in flight; false when its place is taken.
void audit__take_off(audit *a, uint64_t seq, audit__str id, audit__key key, audit__intent *intent);

// --- budget.c ---

audit__budget *audit__budget_new(void);
void audit__budget_free(audit__budget *b);
// audit__budget_admit checks an admitted action against every limit and counts it.
void audit__budget_admit(audit *a, const audit__decision *d, const audit__candidate *c);
// audit__budget_outcome counts an outcome for the circuit breaker of its receiver.
void audit__budget_outcome(audit *a, const audit__action *action, bool failed, int64_t at_ms);

// --- playbook.c ---

audit__rules *audit__rules_new(void);
void audit__rules_free(audit__rules *r);
// audit__rules_clear forgets the live set, audit__rules_read reads a playbook of the next.
void audit__rules_clear(audit *a);
void audit__rules_read(audit *a, audit__yaml *yaml, audit__node *root);
// audit__rules_event notes what an event of the brain's own says of playbooks.
void audit__rules_event(audit *a, const audit__event *event);
// audit__rules_decision checks what playbooks do with a decision.
void audit__rules_decision(audit *a, const audit__decision *d);

// --- witness.c ---

audit__witness *audit__witness_new(void);
void audit__witness_free(audit__witness *w);
// audit__witness_event, audit__witness_decision and audit__witness_intent compare what a record
// says with what was seen.
void audit__witness_event(audit *a, uint64_t seq, audit__key key);
void audit__witness_decision(audit *a, const audit_record *record);
void audit__witness_intent(audit *a, const audit__decision *d, const audit__candidate *c);
// audit__witness_markers looks for other tenants' bytes.
void
audit__witness_markers(audit *a, uint64_t seq, uint16_t tenant, const uint8_t *bytes, size_t len);
// audit__witness_has_posted tells whether a webhook was seen; true as well when none were reported.
bool audit__witness_has_posted(const audit *a, audit__key action);
// audit__witness_end reports what was seen and is not in the journal.
void audit__witness_end(audit *a);

#endif
