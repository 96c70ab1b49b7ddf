// Design notes.
//
// All rows stand in the names table beside the names they are numbered by, under upper-case letters
// (names use lower-case ones): S score, A its AUC histogram, R a model in an area, W an action's
// worth, I when an improvement was last proposed.

#include "agents/learning/scores.h"

static rt_key
row_key(rt_tenant tenant, char kind, uint16_t first, uint16_t second)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, (rt_str){&kind, 1});
    rt_key_u64(&key, first);
    if (second != 0) {
        rt_key_u64(&key, second);
    }
    return key;
}

static void
read_row(const rt_table *table, const rt_key *key, void *into, size_t size)
{
    rt_bytes row;

    memset(into, 0, size);
    if (rt_table_get(table, rt_key_bytes(key), &row) && row.len == size) {
        memcpy(into, row.ptr, size);
    }
}

static rt_err
note_area(const learning_memory *memory, const learning_tuning *tuning, rt_tenant tenant,
          uint16_t model, rt_str name, double loss, bool positive, int64_t at_ms)
{
    uint16_t area = learning_name_of(memory, tenant, 'r', name);
    rt_key key = row_key(tenant, 'R', model, area);
    learning_area *row;
    bool created;
    rt_err err;

    if (area == 0) {
        return RT_OK; // no name, or more areas than are told apart
    }
    row = rt_table_edit(memory->names, rt_key_bytes(&key), sizeof(*row), &created);
    err = br_decayed_add(&row->loss, at_ms, loss, 1.0, tuning->area_half_life_ms);
    if (err == RT_OK) {
        err = br_decayed_add(&row->positive, at_ms, positive ? 1.0 : 0.0, 1.0,
                             tuning->area_half_life_ms);
    }
    return err;
}

rt_err
learning_score_note(const learning_memory *memory, const learning_tuning *tuning, rt_tenant tenant,
                    uint16_t model, double probability, bool positive, const rt_str *areas,
                    size_t area_count, int64_t at_ms)
{
    rt_key score_key = row_key(tenant, 'S', model, 0);
    rt_key auc_key = row_key(tenant, 'A', model, 0);
    double loss = learning_log_loss(probability, positive);
    bool created;
    rt_err err = learning_score_add(
        rt_table_edit(memory->names, rt_key_bytes(&score_key), sizeof(learning_score), &created),
        probability, positive, tuning->decay);

    if (err == RT_OK) {
        err = br_auc_stream_add(
            rt_table_edit(memory->names, rt_key_bytes(&auc_key), sizeof(br_auc_stream), &created),
            probability, positive, tuning->decay);
    }
    for (size_t i = 0; err == RT_OK && i < area_count; i++) {
        if (areas[i].len > 0) {
            err = note_area(memory, tuning, tenant, model, areas[i], loss, positive, at_ms);
        }
    }
    return err;
}

learning_score
learning_score_read(const learning_memory *memory, rt_tenant tenant, uint16_t model)
{
    rt_key key = row_key(tenant, 'S', model, 0);
    learning_score score;

    read_row(memory->names, &key, &score, sizeof(score));
    return score;
}

void
learning_score_write(const learning_memory *memory, rt_tenant tenant, uint16_t model,
                     const learning_score *score)
{
    rt_key key = row_key(tenant, 'S', model, 0);

    rt_table_put(memory->names, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)score, sizeof(*score)});
}

bool
learning_score_auc(const learning_memory *memory, rt_tenant tenant, uint16_t model,
                   double *ret_auc)
{
    rt_key key = row_key(tenant, 'A', model, 0);
    br_auc_stream stream;

    read_row(memory->names, &key, &stream, sizeof(stream));
    return br_auc_stream_read(&stream, ret_auc) == RT_OK;
}

void
learning_score_reset(const learning_memory *memory, rt_tenant tenant, uint16_t model)
{
    rt_key score_key = row_key(tenant, 'S', model, 0);
    rt_key auc_key = row_key(tenant, 'A', model, 0);

    (void)rt_table_del(memory->names, rt_key_bytes(&score_key)); // their absence is the aim
    (void)rt_table_del(memory->names, rt_key_bytes(&auc_key));
}

learning_area
learning_area_read(const learning_memory *memory, rt_tenant tenant, uint16_t model, uint16_t area)
{
    rt_key key = row_key(tenant, 'R', model, area);
    learning_area row;

    read_row(memory->names, &key, &row, sizeof(row));
    return row;
}

rt_err
learning_worth_note(const learning_memory *memory, const learning_tuning *tuning, rt_tenant tenant,
                    uint16_t action, double reward, bool first, int64_t at_ms)
{
    rt_key key = row_key(tenant, 'W', action, 0);
    bool created;

    return learning_worth_add(
        rt_table_edit(memory->names, rt_key_bytes(&key), sizeof(learning_worth), &created), reward,
        first, at_ms, tuning->worth_half_life_ms);
}

learning_worth
learning_worth_read(const learning_memory *memory, rt_tenant tenant, uint16_t action)
{
    rt_key key = row_key(tenant, 'W', action, 0);
    learning_worth worth;

    read_row(memory->names, &key, &worth, sizeof(worth));
    return worth;
}

void
learning_worth_write(const learning_memory *memory, rt_tenant tenant, uint16_t action,
                     const learning_worth *worth)
{
    rt_key key = row_key(tenant, 'W', action, 0);

    rt_table_put(memory->names, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)worth, sizeof(*worth)});
}

bool
learning_once(const learning_memory *memory, rt_tenant tenant, rt_str what, int64_t at_ms,
              int64_t every_ms)
{
    rt_key key = rt_key_pair(tenant, RT_STR("I"), what);
    int64_t before = 0;

    read_row(memory->names, &key, &before, sizeof(before));
    if (before != 0 && at_ms - before < every_ms) {
        return false;
    }
    rt_table_put(memory->names, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)&at_ms, sizeof(at_ms)});
    return true;
}
