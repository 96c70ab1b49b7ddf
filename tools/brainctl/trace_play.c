// What an edited playbook would say: of recorded events, or of events out of a file.
//
// Design notes.
// The events come out of a backtest, each with what the edited run knows before it, encoded as its
// record would be; so they are looked at like recorded ones.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/wire/json.h"
#include "tools/brainctl/meter.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/trace_internal.h"
#include "tools/brainctl/value.h"

#define EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

typedef struct playing {
    ctl_tracer *tracer;
    const ctl_play *play;
    const br_playbooks *rules;
    rt_mpw context;
    rt_mpw payload;
    ctl_meter meter;
    bool is_beyond; // the record has ended
    rt_bytes *events;
    uint32_t event_count;
    uint32_t next;
    bool failed;
} playing;

static void
on_known(void *user, const br_situation *known)
{
    playing *p = user;
    ctl_tracer *t = p->tracer;
    rt_event event = *known->event;
    bool only_beyond = p->play->file != NULL && !p->is_beyond;
    if (only_beyond || (t->query.seq != 0 && event.seq != t->query.seq) ||
        !br_playbooks_concerns(p->rules, rt_str_of(t->query.playbook), &event) ||
        !ctl__is_wanted(t, &event)) {
        return;
    }
    rt_mpw_clear(&p->context);
    rt_mpw_clear(&p->payload);
    br_situation_encode(known, &p->context);
    event.context = rt_mpw_view(&p->context);
    rt_event_encode(&event, &p->payload);
    ctl_kept *kept = ctl__kept_new(t);
    kept->seq = event.seq;
    kept->at_ms = event.at_ms;
    kept->flags = 0;
    kept->set = p->play->set;
    kept->decided_ms = 0;
    ctl__kept_bytes(kept, rt_mpw_view(&p->payload), (rt_bytes){NULL, 0});
    ctl__expect(t, kept);
}

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    playing *p = user;
    if (pair->again != NULL) {
        rt_mpw_clear(&p->payload);
        rt_msg_encode(&msg_decision_def, pair->again, &p->payload);
        ctl__decided(p->tracer, pair->again->event_seq, pair->at_ms, rt_mpw_view(&p->payload));
    }
}

static bool
on_progress(void *user, const br_backtest_progress *progress)
{
    playing *p = user;
    const ctl_sets *sets = p->tracer->sets;
    ctl_meter_move(&p->meter, progress->seq - sets->first_seq,
                   sets->last_seq - sets->first_seq + 1, progress->records, "records");
    return true;
}

// --- events out of a file ------------------------------------------------------------------------

static bool
find_tenant(const settings *s, rt_str name, rt_tenant *ret_tenant)
{
    for (size_t i = 0; i < s->tenant_count; i++) {
        if (name.len == 0 || rt_str_is(name, s->tenants[i].name)) {
            *ret_tenant = (rt_tenant){s->tenants[i].number};
            return true;
        }
    }
    return false;
}

// What an operator leaves out of an event that only asks "what if".
static rt_bytes
complete(playing *p, rt_bytes event, uint32_t number)
{
    char id[32];
    rt_mpw w;
    ctl_list pairs = ctl_pairs(event);
    rt_str key;
    rt_bytes value;
    bool has_id = ctl_has(event, "id");
    bool has_source = ctl_has(event, "source");
    (void)snprintf(id, sizeof(id), "event-%u", number);
    rt_mpw_init(&w, EVENT_BYTES_MAX);
    rt_mpw_map(&w, pairs.left + !has_id + !has_source);
    if (!has_id) {
        rt_mpw_cstr(&w, "id");
        rt_mpw_cstr(&w, id);
    }
    if (!has_source) {
        rt_mpw_cstr(&w, "source");
        rt_mpw_cstr(&w, "/brainctl");
    }
    while (ctl_next_pair(&pairs, &key, &value)) {
        rt_mpw_str(&w, key);
        rt_mpw_raw(&w, value);
    }
    rt_bytes kept = rt_arena_copy(p->tracer->run->arena, rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return kept;
}

// Looks at an event as the doors would; what is wrong is reported.
static bool
check_event(const playing *p, uint32_t number, rt_event *ret_event)
{
    rt_reject reject;
    rt_mp mp = rt_mp_init(p->events[number]);
    ctl_run *run = p->tracer->run;
    if (rt_event_decode(br_pack_catalog(p->tracer->pack), &mp, ret_event, &reject) != RT_OK) {
        (void)ctl_refuse(run, reject.err, "brainctl playbooks trace --help",
                         "%s: event %u: %s: %s", p->play->file, number + 1, reject.path,
                         reject.text);
        return false;
    }
    if (!find_tenant(p->play->settings, ret_event->tenant_name, &ret_event->tenant)) {
        (void)ctl_refuse(run, RT_ENOTFOUND, NULL, "%s: event %u: no tenant '%.*s'", p->play->file,
                         number + 1, RT_STR_ARG(ret_event->tenant_name));
        return false;
    }
    return true;
}

static bool
next_event(void *user, rt_event *ret_event)
{
    playing *p = user;
    p->is_beyond = true;
    if (p->next == p->event_count) {
        return false;
    }
    return check_event(p, p->next++, ret_event); // it was fine before
}

static int
add_event(playing *p, rt_bytes event)
{
    rt_event decoded;
    if (p->event_count == CTL_TRACED_MAX) {
        return ctl_refuse(p->tracer->run, RT_ELIMIT, NULL, "%s holds more than %d events",
                          p->play->file, CTL_TRACED_MAX);
    }
    p->events[p->event_count] = complete(p, event, p->event_count + 1);
    p->event_count++;
    return check_event(p, p->event_count - 1, &decoded) ? CTL_OK : CTL_FAILED;
}

static int
add_text(playing *p, rt_str text)
{
    rt_mpw w;
    rt_bytes item;
    int code = CTL_OK;
    rt_mpw_init(&w, EVENT_BYTES_MAX);
    if (rt_json_to_mp(text, &w) != RT_OK) {
        code = ctl_fail(p->tracer->run, RT_EPROTO, "JSON: an event a line, or a list of events");
    } else {
        rt_bytes value = rt_mpw_view(&w);
        ctl_list list = ctl_items(value);
        if (list.left == 0) {
            code = add_event(p, value);
        }
        while (code == CTL_OK && ctl_next_item(&list, &item)) {
            code = add_event(p, item);
        }
    }
    rt_mpw_fini(&w);
    return code;
}

// A list, one event over several lines, or an event a line.
static int
read_events(playing *p)
{
    rt_str text = p->play->events;
    rt_mpw whole;
    int code = CTL_OK;
    rt_mpw_init(&whole, EVENT_BYTES_MAX);
    bool is_one = rt_json_to_mp(text, &whole) == RT_OK;
    rt_mpw_fini(&whole);
    if (is_one) {
        return add_text(p, text);
    }
    while (text.len > 0 && code == CTL_OK) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        size_t blank = 0;
        while (blank < len && strchr(" \t\r", text.ptr[blank]) != NULL) {
            blank++;
        }
        if (blank < len) {
            code = add_text(p, (rt_str){text.ptr, len});
        }
        len += end != NULL;
        text = (rt_str){text.ptr + len, text.len - len};
    }
    return code;
}

static int
play(playing *p)
{
    br_backtest_config config = *p->play->backtest;
    br_backtest_result result;
    rt_diag *diag = rt_diag_new();
    config.on_known = on_known;
    config.on_pair = on_pair;
    config.on_progress = on_progress;
    config.next_event = p->play->file != NULL ? next_event : NULL;
    config.user = p;
    p->meter = ctl_meter_begin(p->tracer->run);
    rt_err err = br_backtest(&config, diag, &result);
    (void)ctl_meter_end(&p->meter);
    rt_diag_free(diag);
    return err == RT_OK ? CTL_OK
                        : ctl_fail(p->tracer->run, err, "brain-verify checks the journal itself");
}

int
ctl_tracer_play(ctl_tracer *t, const ctl_trace_query *query, const ctl_play *what)
{
    playing p = {.tracer = t, .play = what};
    int code = CTL_OK;
    t->query = *query;
    t->query.last = RT_MIN(RT_MAX(query->last, 1u), (uint64_t)CTL_TRACED_MAX);
    p.rules = ctl__rules_in(t, what->set);
    if (p.rules == NULL) {
        return ctl_refuse(t->run, RT_ENOTFOUND, "brainctl playbooks list", "no playbook '%s'",
                          query->playbook);
    }
    rt_mpw_init(&p.context, EVENT_BYTES_MAX);
    rt_mpw_init(&p.payload, EVENT_BYTES_MAX * 2);
    if (what->file != NULL) {
        p.events = rt_new_array(rt_bytes, CTL_TRACED_MAX);
        t->query.last = CTL_TRACED_MAX;
        code = read_events(&p);
    }
    if (code == CTL_OK) {
        ctl__kept_forget(t);
        code = play(&p);
    }
    rt_free(p.events);
    rt_mpw_fini(&p.context);
    rt_mpw_fini(&p.payload);
    return code;
}
