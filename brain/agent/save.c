#include "brain/agent/blob.h"
#include "brain/agent/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

// Design notes.
// Positions. A cut may be made while an agent is behind. It is made at the position of the one
// furthest behind, and the others' positions stand in the runner's own table; after a restart they
// pass over what they have already (skip_upto). PLAYBOOKS records they take again: the saved set
// is that of the one furthest behind, too.

#define PLAYSET_BLOB 0

static uint64_t
hash_table(const rt_table *table, uint64_t number)
{
    size_t cursor = 0;
    rt_bytes key = {NULL, 0};
    rt_bytes value = {NULL, 0};
    uint64_t sum = 0;

    // A sum, because the order of the rows is that of insertion.
    while (rt_table_next(table, &cursor, &key, &value)) {
        sum += rt_hash64(value, rt_hash64(key, number));
    }
    return sum;
}

uint64_t
br_runner_hash(const br_runner *runner)
{
    uint64_t sum = 0;

    RT_CHECK(runner, BR__RUNNER_MAGIC);
    for (size_t i = 0; i < runner->agent_count; i++) {
        const br_agent *agent = &runner->agents[i];

        for (unsigned t = 0; t < BR_AGENT_TABLES_MAX; t++) {
            if (agent->tables[t] != NULL) {
                sum += hash_table(agent->tables[t],
                                  (uint64_t)agent->def->id * BR_AGENT_TABLES_MAX + t);
            }
        }
    }
    return sum;
}

static uint64_t
position_of(const br_agent *agent, uint64_t applied_seq)
{
    const rt_record *front = rt_mailbox_peek(agent->mailbox);

    return front != NULL ? front->seq - 1 : RT_MAX(applied_seq, agent->skip_upto);
}

static void
save_playset(br_runner *runner, const br__playset *set)
{
    rt_bytes payload = br__playset_payload(set);
    uint64_t seq = br__playset_seq(set);
    uint8_t *bytes = NULL;

    if (set == NULL || seq == runner->saved_playset) {
        return;
    }
    bytes = rt_alloc(sizeof(seq) + payload.len);
    memcpy(bytes, &seq, sizeof(seq));
    memcpy(bytes + sizeof(seq), payload.ptr, payload.len);
    br_blob_put(runner->table, PLAYSET_BLOB, (rt_bytes){bytes, sizeof(seq) + payload.len});
    runner->saved_playset = seq;
    rt_free(bytes);
}

rt_err
br__runner_load_playset(br_runner *runner)
{
    rt_arena *arena = rt_arena_new(RT_JOURNAL_PAYLOAD_MAX + sizeof(uint64_t));
    rt_bytes bytes = {NULL, 0};
    uint64_t seq = 0;
    rt_err err = br_blob_get(runner->table, PLAYSET_BLOB, arena, &bytes);

    if (err == RT_OK && bytes.len < sizeof(seq)) {
        err = rt_fail(RT_ECORRUPT, "the saved playbook set is cut short");
    } else if (err == RT_OK) {
        memcpy(&seq, bytes.ptr, sizeof(seq));
        err = br__playset_new(seq, (rt_bytes){bytes.ptr + sizeof(seq), bytes.len - sizeof(seq)},
                              &runner->newest);
        err = err == RT_EPROTO ? RT_ECORRUPT : err;
        runner->saved_playset = seq;
    }
    rt_arena_free(arena);
    return err == RT_ENOTFOUND ? RT_OK : err;
}

static void
save_position(br_runner *runner, const br_agent *agent, uint64_t applied_seq, uint64_t cut_seq)
{
    rt_key key = rt_key_text(RT_TENANT_SYSTEM, agent->name);
    uint64_t position = position_of(agent, applied_seq);

    if (position > cut_seq) {
        rt_table_put(runner->table, rt_key_bytes(&key),
                     (rt_bytes){(const uint8_t *)&position, sizeof(position)});
    } else {
        (void)rt_table_del(runner->table, rt_key_bytes(&key));
    }
}

void
br__runner_load_position(br_runner *runner, br_agent *agent)
{
    rt_key key = rt_key_text(RT_TENANT_SYSTEM, agent->name);
    rt_bytes value = {NULL, 0};

    if (rt_table_get(runner->table, rt_key_bytes(&key), &value) &&
        value.len == sizeof(agent->skip_upto)) {
        memcpy(&agent->skip_upto, value.ptr, sizeof(agent->skip_upto));
    }
}

uint64_t
br_runner_save(br_runner *runner, uint64_t applied_seq)
{
    uint64_t cut_seq = applied_seq;
    const br__playset *set = NULL;

    RT_CHECK(runner, BR__RUNNER_MAGIC);
    set = runner->newest;
    for (size_t i = 0; i < runner->agent_count; i++) {
        const br_agent *agent = &runner->agents[i];

        if (position_of(agent, applied_seq) < cut_seq) {
            cut_seq = position_of(agent, applied_seq);
            set = agent->playset;
        }
    }
    for (size_t i = 0; i < runner->agent_count; i++) {
        save_position(runner, &runner->agents[i], applied_seq, cut_seq);
    }
    save_playset(runner, set);
    return cut_seq;
}
