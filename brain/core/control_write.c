// Design notes.
// What an operator does is an event like any other (system.halted, dead_letter.resolved ...): it is
// in the journal with who did it, and takes effect when it is folded, so a replay comes to the same
// state. The caller is answered when that record is durable.
#include "brain/core/control.h"
#include "brain/core/rehearse.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "runtime/wire/json.h"

#define REASON_MAX 512
#define DIAG_BYTES_MAX (256u * 1024)

struct br_promise {
    rt_ctl_call *call;
    uint64_t seq; // answered when this record is durable
    rt_mpw answer;
    br_promise *next;
};

void
br__promise(const br_ask *ask, br_map *answer)
{
    br_control *control = ask->control;
    br_promise *made = rt_new(br_promise);
    br__map_end(answer);
    made->call = ask->call;
    made->seq = rt_journal_next_seq(ask->brain->journal) - 1;
    rt_mpw_init(&made->answer, control->out.max);
    rt_mpw_raw(&made->answer, rt_mpw_view(&control->out));
    made->next = control->promises;
    control->promises = made;
    rt_wake_send(ask->brain->wake);
}

static void
free_promise(br_promise *made)
{
    rt_mpw_fini(&made->answer);
    rt_free(made);
}

void
br__promises_keep(br_control *control)
{
    uint64_t committed = rt_journal_committed(control->brain->journal);
    for (br_promise **at = &control->promises; *at != NULL;) {
        br_promise *made = *at;
        if (made->seq > committed) {
            at = &made->next;
            continue;
        }
        *at = made->next;
        rt_ctl_answer(made->call, rt_mpw_view(&made->answer), true);
        free_promise(made);
    }
}

void
br__promises_free(br_control *control)
{
    while (control->promises != NULL) {
        br_promise *made = control->promises;
        control->promises = made->next;
        br__refuse(control, made->call, RT_ECLOSED, NULL,
                   "the brain stopped before this was durable");
        free_promise(made);
    }
}

void
br__name_user(const br_ask *ask, char *buf, size_t cap)
{
    snprintf(buf, cap, "uid:%u", ask->uid);
}

void
br__map_by(br_map *map, const br_ask *ask, const char *by)
{
    br__map_cstr(map, "by", by);
    if (br__access_role(ask) != NULL) {
        br__map_cstr(map, "role", br__access_role(ask));
    }
}

bool
br__take_asked(const br_ask *ask, const char *type, rt_tenant tenant, rt_str subject,
               const rt_mpw *data)
{
    char id[96];
    rt_reject reject;
    br_brain *brain = ask->brain;
    if (brain->commit_stalled) {
        br__refuse(ask->control, ask->call, RT_ENOSPC, "free some space",
                   "the disk is full: nothing can be recorded");
        return false;
    }
    if (brain->stopping) {
        br__refuse(ask->control, ask->call, RT_ECLOSED, NULL, "the brain is stopping");
        return false;
    }
    snprintf(id, sizeof(id), "%s/%llu", type,
             (unsigned long long)rt_journal_next_seq(brain->journal));
    br_internal_event event = {.type = type,
                               .tenant = tenant,
                               .id = rt_str_of(id),
                               .source = RT_STR(BR_OPERATORS),
                               .subject = subject,
                               .time_ms = RT_TIME_NONE,
                               .data = rt_mpw_view(data)};
    rt_err err = br__take_internal(brain, &event, &reject);
    if (err != RT_OK) {
        br__refuse(ask->control, ask->call, err, NULL, "%s: %s", reject.path, reject.text);
    }
    return err == RT_OK;
}

// system.halted and system.resumed {by, reason}.
static bool
take_switch(const br_ask *ask, const char *type)
{
    char by[32];
    rt_str reason = br__arg_str(ask, "reason");
    rt_mpw data;
    if (reason.len > REASON_MAX) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL, "a reason has at most %d bytes",
                   REASON_MAX);
        return false;
    }
    br__name_user(ask, by, sizeof(by));
    rt_mpw_init(&data, 1024);
    br_map map = br__map_begin(&data);
    br__map_by(&map, ask, by);
    if (reason.len > 0) {
        br__map_str(&map, "reason", reason);
    }
    br__map_end(&map);
    bool taken = br__take_asked(ask, type, RT_TENANT_SYSTEM, RT_STR(""), &data);
    rt_mpw_fini(&data);
    return taken;
}

static void
say_switched(const br_ask *ask, bool halted, bool changed)
{
    br_map answer = br__answer_begin(ask);
    br__map_bool(&answer, "halted", halted);
    br__map_bool(&answer, "changed", changed);
    br__map_u64(&answer, "in_flight", br_outbox_count(ask->brain->state->outbox));
    if (changed) {
        br__map_u64(&answer, "seq", rt_journal_next_seq(ask->brain->journal) - 1);
        br__promise(ask, &answer);
    } else {
        br__answer_end(ask, &answer);
    }
}

void
br__ask_halt(const br_ask *ask)
{
    if (br_gate_halted(ask->brain->state->gate)) {
        say_switched(ask, true, false);
    } else if (take_switch(ask, "system.halted")) {
        rt_log_warn("halted-by-operator", "uid=%u", ask->uid);
        say_switched(ask, true, true);
    }
}

void
br__ask_resume(const br_ask *ask)
{
    const char *file = ask->brain->config.halt_file;
    if (file != NULL && rt_file_exists(file)) {
        br__refuse(ask->control, ask->call, RT_EHALTED, "remove the file, then resume",
                   "the file %s halts this brain", file);
    } else if (!br_gate_halted(ask->brain->state->gate)) {
        say_switched(ask, false, false);
    } else if (take_switch(ask, "system.resumed")) {
        rt_log_warn("resumed-by-operator", "uid=%u", ask->uid);
        say_switched(ask, false, true);
    }
}

static bool
resolve(const br_ask *ask, rt_str ref, const char *how)
{
    char by[32];
    rt_mpw data;
    br__name_user(ask, by, sizeof(by));
    rt_mpw_init(&data, 1024);
    br_map map = br__map_begin(&data);
    br__map_str(&map, "ref", ref);
    br__map_cstr(&map, "how", how);
    br__map_cstr(&map, "by", by);
    br__map_end(&map);
    bool taken = br__take_asked(ask, "dead_letter.resolved", RT_TENANT_SYSTEM, RT_STR(""), &data);
    rt_mpw_fini(&data);
    return taken;
}

static bool
find_letter(const br_ask *ask, rt_str *ret_ref, br_dead_letter *ret_letter)
{
    *ret_ref = br__arg_str(ask, "ref");
    if (br_dead_get(ask->brain->state->dead, *ret_ref, ret_letter)) {
        return true;
    }
    br__refuse(ask->control, ask->call, RT_ENOTFOUND, "brainctl dlq list",
               "no dead letter '%.*s'", RT_STR_ARG(*ret_ref));
    return false;
}

static void
say_resolved(const br_ask *ask, rt_str ref, const char *how)
{
    br_map answer = br__answer_begin(ask);
    br__map_str(&answer, "ref", ref);
    br__map_cstr(&answer, "how", how);
    br__map_u64(&answer, "seq", rt_journal_next_seq(ask->brain->journal) - 1);
    br__promise(ask, &answer);
}

void
br__ask_dlq_retry(const br_ask *ask)
{
    rt_str ref; // of the request: it outlives the letter
    br_dead_letter letter;
    if (!find_letter(ask, &ref, &letter)) {
        return;
    }
    if (letter.intent.len == 0) {
        br__refuse(ask->control, ask->call, RT_EINVAL, "mend its cause, then brainctl dlq discard",
                   "a record that agent %.*s could not take is not given to it again",
                   RT_STR_ARG(letter.owner));
        return;
    }
    if (br_gate_halted(ask->brain->state->gate)) {
        br__refuse(ask->control, ask->call, RT_EHALTED, "brainctl resume",
                   "actions are halted, it would be cancelled at once");
        return;
    }
    rt_str rival = br_outbox_rival(ask->brain->state->outbox, letter.intent);
    if (rival.len > 0) {
        br__refuse(ask->control, ask->call, RT_EBUSY, "try again when it has ended",
                   "action %.*s is in flight on the same target", RT_STR_ARG(rival));
        return;
    }
    if (resolve(ask, ref, "retry")) {
        br__execute_add(ask->brain, ref); // it runs after the commit, under its old key
        say_resolved(ask, ref, "retry");
    }
}

void
br__ask_dlq_discard(const br_ask *ask)
{
    rt_str ref;
    br_dead_letter letter;
    if (find_letter(ask, &ref, &letter) && resolve(ask, ref, "discard")) {
        say_resolved(ask, ref, "discard");
    }
}

void
br__ask_publish(const br_ask *ask)
{
    rt_mp at;
    rt_bytes events;
    if (!rt_mp_find(ask->args, RT_STR("events"), &at) || rt_mp_bin(&at, &events) != RT_OK) {
        br__refuse(ask->control, ask->call, RT_EMISSING, NULL,
                   "events is missing: what a producer would send, as bin");
        return;
    }
    if (!ask->brain->doors_open || ask->brain->stopping) {
        br__refuse(ask->control, ask->call, RT_EAGAIN, "brainctl status tells why",
                   "the doors are closed");
        return;
    }
    br__intake_deliver(ask->brain, NULL, NULL, ask->call, events);
}

void
br__control_published(rt_ctl_call *call, rt_bytes reply)
{
    rt_mpw frame;
    rt_mpw_init(&frame, reply.len + 64);
    br_map answer = br__map_begin(&frame);
    br__map_bool(&answer, "ok", true);
    br__map_raw(&answer, "reply", reply);
    br__map_end(&answer);
    rt_ctl_answer(call, rt_mpw_view(&frame), true);
    rt_mpw_fini(&frame);
}

static void
write_findings(rt_diag *diag, br_map *answer)
{
    rt_text text;
    rt_text_init(&text, DIAG_BYTES_MAX);
    rt_diag_render(diag, &text);
    br__map_u64(answer, "errors", rt_diag_errors(diag));
    br__map_u64(answer, "warnings", rt_diag_warnings(diag));
    br__map_str(answer, "text", rt_text_view(&text));
    rt_text_clear(&text);
    rt_diag_render_json(diag, &text);
    size_t before = answer->w->len;
    (void)br__map_key(answer, "findings"); // its value follows
    if (text.truncated || rt_json_to_mp(rt_text_view(&text), answer->w) != RT_OK) {
        answer->w->len = before;
        answer->pairs--;
    }
    rt_text_fini(&text);
}

// Files of the request: an array of [name, text].
static rt_err
read_files(rt_mp *at, br_playbook_file *files, uint32_t *ret_count)
{
    uint32_t two;
    uint32_t count;
    rt_err err = rt_mp_array(at, &count);
    if (err == RT_OK && count > BR_PLAYBOOKS_MAX) {
        err = rt_fail(RT_ELIMIT, "more than %d playbooks", BR_PLAYBOOKS_MAX);
    }
    for (uint32_t i = 0; err == RT_OK && i < count; i++) {
        err = rt_mp_array(at, &two);
        if (err == RT_OK) {
            err = rt_mp_str(at, &files[i].name);
        }
        if (err == RT_OK) {
            err = rt_mp_str(at, &files[i].text);
        }
        if (err == RT_OK && files[i].text.len > BR_PLAYBOOK_BYTES_MAX) {
            err = rt_fail(RT_ELIMIT, "%.*s is larger than %d bytes", RT_STR_ARG(files[i].name),
                          BR_PLAYBOOK_BYTES_MAX);
        }
    }
    *ret_count = err == RT_OK ? count : 0;
    return err;
}

static rt_err
check_files(const br_ask *ask, rt_mp *at, rt_diag *diag, br_playbooks **ret_set)
{
    br_playbook_file *files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX);
    uint32_t count;
    rt_err err = read_files(at, files, &count);
    if (err == RT_OK) {
        err = br_playbooks_compile(ask->brain->config.pack, files, count,
                                   ask->brain->state->meta.playbooks_version + 1, diag, ret_set);
    }
    if (err == RT_OK) { // the set is freed by the caller
        err = br_rehearse(ask->brain->config.pack, files, count, diag, NULL, NULL);
    }
    rt_free(files);
    return err;
}

void
br__ask_check(const br_ask *ask)
{
    rt_mp at;
    br_playbooks *set = NULL;
    rt_diag *diag = rt_diag_new();
    bool given = rt_mp_find(ask->args, RT_STR("files"), &at);
    rt_err err = given ? check_files(ask, &at, diag, &set)
                       : br__load_playbooks(ask->brain, diag, &set);
    if (err != RT_OK && rt_diag_errors(diag) == 0) {
        br__refuse(ask->control, ask->call, err, NULL, "%s", rt_err_detail());
    } else {
        br_map answer = br__answer_begin(ask);
        write_findings(diag, &answer);
        br__map_bool(&answer, "changed", set != NULL);
        br__map_u64(&answer, "playbooks",
                    br_playbooks_count(set != NULL ? set : ask->brain->state->playbooks));
        br__answer_end(ask, &answer);
    }
    br_playbooks_free(set);
    rt_diag_free(diag);
}

void
br__ask_reload(const br_ask *ask)
{
    rt_diag *diag = rt_diag_new();
    const br_brain *brain = ask->brain;
    if (brain->config.playbook_dir == NULL) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, NULL,
                   "this brain has no directory of playbooks");
        rt_diag_free(diag);
        return;
    }
    char by[64];
    rt_str how = br__arg_str(ask, "how");
    const br_playbooks *before = brain->next_playbooks;
    rt_err err = br_brain_reload_playbooks(ask->brain, diag);
    br__name_user(ask, by, sizeof(by));
    if (brain->next_playbooks != before) {
        br_brain_note_playbooks(ask->brain, rt_str_of(by), how.len > 0 ? how : RT_STR("reload"),
                                br__arg_str(ask, "reason"));
    }
    if (err != RT_OK && rt_diag_errors(diag) == 0) {
        br__refuse(ask->control, ask->call, err, NULL, "%s", rt_err_detail());
    } else {
        const br_playbooks *live = brain->state->playbooks;
        const br_playbooks *set = brain->next_playbooks != NULL ? brain->next_playbooks : live;
        br_map answer = br__answer_begin(ask);
        write_findings(diag, &answer);
        br__map_bool(&answer, "changed", err == RT_OK && set != live);
        br__map_u64(&answer, "version", br_playbooks_version(set));
        br__map_u64(&answer, "was", br_playbooks_version(live));
        br__map_u64(&answer, "playbooks", br_playbooks_count(set));
        br__answer_end(ask, &answer);
    }
    rt_diag_free(diag);
}
