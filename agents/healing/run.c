// Design notes.
//
// A run keeps the texts and numbers of its anomaly, because the timers on which it goes on carry
// none. Rows of the runs table: "r" scope → run, "s" seq → scope (to find the run a decision or
// outcome is about), "e" scope → when it was left to people.

#include "agents/healing/run.h"

#include "runtime/wire/event.h"

void
healing_keep(healing_kept *into, rt_str text)
{
    memset(into, 0, sizeof(*into));
    into->len = (uint16_t)RT_MIN(text.len, sizeof(into->text));
    if (into->len > 0) {
        memcpy(into->text, text.ptr, into->len);
    }
}

rt_str
healing_view(const healing_kept *from)
{
    return (rt_str){from->text, RT_MIN(from->len, sizeof(from->text))};
}

static rt_key
run_key(rt_tenant tenant, rt_str scope)
{
    return rt_key_pair(tenant, RT_STR("r"), scope);
}

static rt_key
seq_key(rt_tenant tenant, uint64_t seq)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, RT_STR("s"));
    rt_key_u64(&key, seq);
    return key;
}

static rt_key
rest_key(rt_tenant tenant, rt_str scope)
{
    return rt_key_pair(tenant, RT_STR("e"), scope);
}

bool
healing_run_read(const healing_rows *rows, rt_tenant tenant, rt_str scope, healing_run *ret_run)
{
    rt_key key = run_key(tenant, scope);
    rt_bytes row;

    if (!rt_table_get(rows->runs, rt_key_bytes(&key), &row) || row.len != sizeof(*ret_run)) {
        return false;
    }
    memcpy(ret_run, row.ptr, sizeof(*ret_run));
    return true;
}

bool
healing_run_of_seq(const healing_rows *rows, rt_tenant tenant, uint64_t seq, healing_run *ret_run)
{
    rt_key key = seq_key(tenant, seq);
    rt_bytes scope;

    return rt_table_get(rows->runs, rt_key_bytes(&key), &scope) &&
           healing_run_read(rows, tenant, rt_str_of_bytes(scope), ret_run) && ret_run->seq == seq;
}

void
healing_run_write(const healing_rows *rows, rt_tenant tenant, const healing_run *run)
{
    rt_key key = run_key(tenant, healing_view(&run->scope));

    rt_table_put(rows->runs, rt_key_bytes(&key), (rt_bytes){(const uint8_t *)run, sizeof(*run)});
}

void
healing_run_moved(const healing_rows *rows, rt_tenant tenant, healing_run *run, uint64_t seq)
{
    rt_key before = seq_key(tenant, run->seq);
    rt_key now = seq_key(tenant, seq);

    (void)rt_table_del(rows->runs, rt_key_bytes(&before)); // a new run has none
    run->seq = seq;
    rt_table_put(rows->runs, rt_key_bytes(&now), rt_bytes_of_str(healing_view(&run->scope)));
    healing_run_write(rows, tenant, run);
}

void
healing_run_forget(const healing_rows *rows, rt_tenant tenant, const healing_run *run)
{
    rt_key by_seq = seq_key(tenant, run->seq);
    rt_key by_scope = run_key(tenant, healing_view(&run->scope));

    (void)rt_table_del(rows->runs, rt_key_bytes(&by_seq)); // their absence is the aim
    (void)rt_table_del(rows->runs, rt_key_bytes(&by_scope));
}

void
healing_run_note(healing_run *run, rt_str action, const char *result)
{
    rt_text tried;

    rt_text_init(&tried, HEALING_TRIED_MAX + 1);
    rt_text_put(&tried, run->tried, RT_MIN(run->tried_len, (uint32_t)HEALING_TRIED_MAX));
    healing_note(&tried, run->step, action, result, healing_view(&run->why));
    run->tried_len = (uint32_t)RT_MIN(tried.len, (size_t)HEALING_TRIED_MAX);
    if (run->tried_len > 0) {
        memcpy(run->tried, tried.ptr, run->tried_len);
    }
    rt_text_fini(&tried);
    healing_keep(&run->why, (rt_str){NULL, 0});
}

static bool
put_kept(rt_text *out, const healing_kept *text)
{
    rt_text_str(out, healing_view(text));
    return text->len > 0;
}

static bool
put_number(rt_text *out, double value)
{
    char digits[RT_F64_CAP];

    rt_text_put(out, digits, rt_format_f64(value, digits, sizeof(digits)));
    return true;
}

bool
healing_run_lookup(void *user, rt_str path, rt_text *out)
{
    const healing_run *run = user;
    rt_str kind = {NULL, 0};
    rt_str key = healing_view(&run->scope);
    const struct {
        const char *path;
        const healing_kept *text;
    } texts[] = {{"data.metric", &run->metric},       {"data.kind", &run->kind},
                 {"data.scope", &run->scope},         {"data.severity", &run->severity},
                 {"data.detectors", &run->detectors}, {"event.subject", &run->subject}};
    const struct {
        const char *path;
        double value;
    } numbers[] = {{"data.value", run->value},
                   {"data.expected_low", run->expected_low},
                   {"data.expected_high", run->expected_high},
                   {"data.score", run->score}};

    for (size_t i = 0; i < RT_COUNT(texts); i++) {
        if (rt_str_is(path, texts[i].path)) {
            return put_kept(out, texts[i].text);
        }
    }
    for (size_t i = 0; i < RT_COUNT(numbers); i++) {
        if (rt_str_is(path, numbers[i].path)) {
            return put_number(out, numbers[i].value);
        }
    }
    (void)rt_subject_split(healing_view(&run->scope), &kind, &key); // without a slash: all is key
    rt_text_str(out, rt_str_is(path, "scope.kind") ? kind : key);
    return rt_str_is(path, "scope.kind") ? kind.len > 0 : key.len > 0;
}

healing_tally *
healing_tally_edit(const healing_rows *rows, rt_tenant tenant, const healing_run *run)
{
    rt_key key = rt_key_of(tenant);
    bool created;

    rt_key_str(&key, healing_view(&run->playbook));
    rt_key_u64(&key, run->step);
    return rt_table_edit(rows->tallies, rt_key_bytes(&key), sizeof(healing_tally), &created);
}

void
healing_rest(const healing_rows *rows, rt_tenant tenant, rt_str scope, int64_t at_ms)
{
    rt_key key = rest_key(tenant, scope);

    rt_table_put(rows->runs, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)&at_ms, sizeof(at_ms)});
}

void
healing_rest_end(const healing_rows *rows, rt_tenant tenant, rt_str scope)
{
    rt_key key = rest_key(tenant, scope);

    (void)rt_table_del(rows->runs, rt_key_bytes(&key)); // its absence is the aim
}

bool
healing_is_resting(const healing_rows *rows, rt_tenant tenant, rt_str scope, int64_t now_ms,
                   int64_t for_ms)
{
    rt_key key = rest_key(tenant, scope);
    rt_bytes row;
    int64_t since_ms;

    if (!rt_table_get(rows->runs, rt_key_bytes(&key), &row) || row.len != sizeof(since_ms)) {
        return false;
    }
    memcpy(&since_ms, row.ptr, sizeof(since_ms));
    return now_ms - since_ms < for_ms;
}
