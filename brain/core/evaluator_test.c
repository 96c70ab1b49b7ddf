// One evaluator: a hundred thousand events that a brain really decided are judged again in every
// other way there is, and each says the same.
#include "brain/core/backtest_internal.h"
#include "brain/playbook/trace.h"
#include "runtime/base/log.h"
#include "tests/harness/backtest_kit.h"

#define ORDERS 13000
#define EVENTS_MIN 100000
#define ARENA_BYTES ((size_t)64 << 20)

typedef struct fixture {
    backtest_kit kit;
    backtest_kit_set set;
    backtest_kit_log real;
} fixture;

typedef struct apart {
    stream inner;
    int64_t last_ms;
} apart;

// Events of one millisecond are taken together by a brain in a hurry: only the first of them.
static rt_err
next_apart(void *self, stream_event *ret_event)
{
    apart *a = self;
    rt_err err = stream_next(&a->inner, ret_event);

    while (err == RT_OK && ret_event->time_ms == a->last_ms) {
        err = stream_next(&a->inner, ret_event);
    }
    a->last_ms = err == RT_OK ? ret_event->time_ms : a->last_ms;
    return err;
}

static int
setup(void **state)
{
    static const char *const shipped[] = {
        "carrier-outage", "carrier-recovered",       "failed-delivery-attempt",
        "lost-parcel",    "last-delivery-attempt",   "out-for-delivery-notice",
        "repeat-issue",   "stuck-parcel",            "bad-rating",
        "angry-customer", "cancelled-order-follow-up"};
    fixture *f = rt_new(fixture);
    gen_config config = gen_defaults();
    gen *g = NULL;

    rt_log_set_level(RT_LOG_ERROR);
    sim_reset(1);
    sim_disk_reset();
    backtest_kit_init(&f->kit);
    f->kit.batch = 500;
    f->set.arena = rt_arena_new(16 << 20);
    for (size_t i = 0; i < RT_COUNT(shipped); i++) {
        backtest_kit_ship(&f->set, shipped[i]);
    }
    config.orders = ORDERS;
    config.days = 14;
    config.tail_days = 3;
    config.dup_share = 0;
    config.bad_share = 0;
    config.tenant = RT_STR("demo");
    CHECK_OK(gen_open(&config, &g));
    apart distinct = {.inner = gen_stream(g)};
    stream s = {.self = &distinct, .next = next_apart};
    CHECK_TRUE(backtest_kit_run(&f->kit, "/a", &f->set, &s) >= EVENTS_MIN);
    stream_close(&distinct.inner);
    gen_close(g);
    backtest_kit_journal("/a/journal", &f->real);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_text_fini(&f->real.text);
    rt_arena_free(f->set.arena);
    br_pack_free(f->kit.pack);
    rt_free(f);
    sim_disk_reset();
    return 0;
}

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    backtest_kit_note(user, pair->at_ms, pair->again);
}

static br_playbooks *
compile(const fixture *f)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;

    if (br_playbooks_compile(f->kit.pack, f->set.files, f->set.count, 1, diag, &set) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return set;
}

// Backtest: from the journal.
static void
test_backtest_says_what_the_brain_said(void **state)
{
    fixture *f = *state;
    backtest_kit_log again = {.decisions = 0};
    br_backtest_config config = {.journal_dir = "/a/journal",
                                 .state = backtest_kit_state(&f->kit),
                                 .files = f->set.files,
                                 .file_count = f->set.count,
                                 .version = 1,
                                 .clock_from_events = true,
                                 .on_pair = on_pair,
                                 .user = &again};
    br_backtest_result result;
    rt_diag *diag = rt_diag_new();

    rt_text_init(&again.text, BACKTEST_KIT_BYTES_MAX);
    CHECK_OK(br_backtest(&config, diag, &result));
    CHECK_U64(result.differences, 0);
    backtest_kit_same(&f->real, &again);
    rt_text_fini(&again.text);
    rt_diag_free(diag);
}

// Cases of `tests:`: the events alone, played one after the other.
static void
test_cases_say_what_the_brain_said(void **state)
{
    fixture *f = *state;
    backtest_kit_log again = {.decisions = 0};
    br_backtest_config config = {
        .state = backtest_kit_state(&f->kit),
        .clock_from_events = true,
        .on_pair = on_pair,
        .user = &again};
    br_backtest_result result = {.records = 0};
    br__fork fork = {.config = &config, .result = &result};
    rt_diag *diag = rt_diag_new();
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_event event;

    rt_text_init(&again.text, BACKTEST_KIT_BYTES_MAX);
    CHECK_OK(br__fork_open(&fork, diag));
    CHECK_OK(br__fork_renew(&fork, compile(f)));
    CHECK_OK(rt_journal_reader_open("/a/journal", 1, &reader));
    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        if (record.kind != RT_RECORD_EVENT) {
            continue;
        }
        CHECK_OK(rt_event_decode_record(br_pack_catalog(f->kit.pack), record.seq, record.at_ms,
                                        record.payload, &event));
        if (!event.internal) {
            CHECK_OK(br__fork_happen(&fork, &event));
        }
    }
    backtest_kit_same(&f->real, &again);
    rt_journal_reader_close(reader);
    br__fork_close(&fork);
    rt_text_fini(&again.text);
    rt_diag_free(diag);
}

// Of an outcome that a policy learned from only the decision speaks.
static bool
is_rewarded(const msg_consulted *consulted)
{
    return rt_str_is(consulted->verdict, "rewarded");
}

static uint32_t
count_heard(const msg_decision *decision)
{
    const msg_consulted *list = decision->consulted.items;
    uint32_t count = 0;

    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        count += !is_rewarded(&list[i]);
    }
    return count;
}

// What a consultation says of one event, from what was recorded with it; what becomes of one that
// fired (throttled, waiting for the end of quiet hours) is settled at the decision.
static void
check_consulted(const msg_consultation *said, const msg_decision *decision)
{
    const msg_consulted *a = said->consulted.items;
    const msg_consulted *b = decision->consulted.items;

    CHECK_U64(said->consulted.count, count_heard(decision)); // those come last
    for (uint32_t i = 0; i < said->consulted.count; i++) {
        bool fired = rt_str_is(a[i].verdict, "fired");
        bool same = fired ? rt_str_is(b[i].verdict, "fired") || rt_str_is(b[i].verdict, "throttled")
                          : rt_str_equal(a[i].verdict, b[i].verdict) &&
                                rt_str_equal(a[i].detail, b[i].detail);
        if (!same || !rt_str_equal(a[i].playbook, b[i].playbook)) {
            fail_msg("event %llu: %.*s %.*s %.*s, decided %.*s %.*s %.*s",
                     (unsigned long long)decision->event_seq, RT_STR_ARG(a[i].playbook),
                     RT_STR_ARG(a[i].verdict), RT_STR_ARG(a[i].detail),
                     RT_STR_ARG(b[i].playbook), RT_STR_ARG(b[i].verdict),
                     RT_STR_ARG(b[i].detail));
        }
    }
}

typedef struct kept {
    uint64_t seq;
    rt_mpw live;
    rt_mpw shadow;
} kept;

static void
consult(const br_playbooks *set, const br_situation *situation, rt_arena *arena, rt_mpw *w)
{
    msg_consultation said;

    rt_arena_reset(arena);
    rt_mpw_clear(w);
    CHECK_OK(br_playbooks_consult(set, situation, arena, &said));
    rt_msg_encode(&msg_consultation_def, &said, w);
}

static void
check_kept(rt_mpw *w, const msg_decision *decision, rt_arena *arena)
{
    msg_consultation said;
    rt_mp mp = rt_mp_init(rt_mpw_view(w));

    rt_arena_reset(arena);
    CHECK_OK(rt_msg_decode(&msg_consultation_def, &mp, arena, &said));
    check_consulted(&said, decision);
}

// Each event by itself, from its record; shadow: the same by a set that may not
// act.
static void
test_records_say_what_the_brain_said_live_and_in_shadow(void **state)
{
    fixture *f = *state;
    backtest_kit_set shadowed = f->set;
    rt_arena *arena = rt_arena_new(ARENA_BYTES);
    rt_arena *of_decision = rt_arena_new(ARENA_BYTES);
    br_situation *situation = rt_new(br_situation);
    kept *waiting = rt_new_array(kept, BR_PENDING_MAX);
    uint64_t taken = 0;
    uint64_t judged = 0;
    rt_journal_reader *reader = NULL;
    rt_record record;
    br_playbooks *live = compile(f);

    for (size_t i = 0; i < shadowed.count; i++) {
        const char *text = shadowed.files[i].text.ptr;
        const char *at = strstr(text, "\nevents:");
        if (strstr(text, "\nmode:") == NULL) {
            shadowed.files[i].text = rt_arena_printf(f->set.arena, "%.*s\nmode: shadow%s",
                                                     (int)(at - text), text, at);
        }
    }
    const fixture other = {.kit = f->kit, .set = shadowed};
    br_playbooks *shadow = compile(&other);
    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_mpw_init(&waiting[i].live, 1 << 20);
        rt_mpw_init(&waiting[i].shadow, 1 << 20);
    }
    CHECK_OK(rt_journal_reader_open("/a/journal", 1, &reader));
    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        if (record.kind == RT_RECORD_EVENT && (record.flags & RT_RECORD_UNDECIDED) != 0) {
            kept *k = &waiting[taken++ % BR_PENDING_MAX];
            rt_event event;

            CHECK_OK(rt_event_decode_record(br_pack_catalog(f->kit.pack), record.seq,
                                            record.at_ms, record.payload, &event));
            memset(situation, 0, sizeof(*situation));
            situation->event = &event;
            situation->plan = br_pack_plan_of(f->kit.pack, &event);
            situation->now_ms = event.at_ms;
            br_situation_decode(situation, event.context);
            k->seq = record.seq;
            consult(live, situation, arena, &k->live);
            consult(shadow, situation, arena, &k->shadow);
        } else if (record.kind == RT_RECORD_DECISION) {
            kept *k = &waiting[judged++ % BR_PENDING_MAX];
            msg_decision decision;
            rt_mp mp = rt_mp_init(record.payload);

            rt_arena_reset(of_decision);
            CHECK_OK(rt_msg_decode(&msg_decision_def, &mp, of_decision, &decision));
            CHECK_U64(k->seq, decision.event_seq);
            if (!rt_str_is(decision.event_type, "timer.fired")) { // what waited goes on there
                check_kept(&k->live, &decision, arena);
                check_kept(&k->shadow, &decision, arena);
            }
        }
    }
    CHECK_TRUE(judged >= EVENTS_MIN);
    rt_journal_reader_close(reader);
    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_mpw_fini(&waiting[i].live);
        rt_mpw_fini(&waiting[i].shadow);
    }
    br_playbooks_free(live);
    br_playbooks_free(shadow);
    rt_free(waiting);
    rt_free(situation);
    rt_arena_free(arena);
    rt_arena_free(of_decision);
}

// --- traces ---

typedef struct traced {
    uint64_t seq;
    rt_text said; // a line for each playbook that hears it
} traced;

// What the parts of a condition come to is what the condition comes to.
static void
check_parts(const br_trace *trace)
{
    const br_trace_expr *when = trace->expr_count > 0 ? &trace->exprs[0] : NULL;
    bool all = true;
    bool any_fault = false;

    if (when == NULL || strcmp(when->block, "when") != 0) {
        return;
    }
    for (uint32_t i = 0; i < when->part_count; i++) {
        const br_trace_part *part = &when->parts[i];

        if (part->depth == 0 && part->is_seen) {
            any_fault = any_fault || part->fault != BR_FAULT_NONE;
            all = all && part->fault == BR_FAULT_NONE && part->value.b;
        }
    }
    bool fault = when->fault != BR_FAULT_NONE;
    CHECK_TRUE(all == (!fault && when->value.b));
    CHECK_TRUE(!fault || any_fault);
    CHECK_TRUE(rt_str_is(trace->verdict, fault ? "error" : all ? "fired" : "false") ||
               (all && rt_str_is(trace->verdict, "error"))); // its actions cannot be built
}

static void
trace_all(const br_playbooks *set, const br_situation *situation, rt_arena *arena, traced *ret)
{
    br_trace *trace = rt_new(br_trace);

    rt_text_clear(&ret->said);
    for (size_t i = 0; i < br_playbooks_count(set); i++) {
        rt_str id = br_playbooks_info(set, i).id;

        if (!br_playbooks_concerns(set, id, situation->event)) {
            continue;
        }
        rt_arena_reset(arena);
        CHECK_OK(br_playbooks_trace(set, id, situation, arena, trace));
        check_parts(trace);
        if (trace->verdict.len > 0) {
            // what became of one that fired is known at its decision
            bool fired = rt_str_is(trace->verdict, "fired");
            rt_text_printf(&ret->said, "%.*s %.*s %.*s\n", RT_STR_ARG(id),
                           RT_STR_ARG(trace->verdict),
                           RT_STR_ARG(fired ? RT_STR("") : trace->detail));
        }
    }
    rt_free(trace);
}

// One line, and whether it says "false".
static rt_str
next_line(rt_str *rest, bool *ret_false)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end != NULL ? (size_t)(end - rest->ptr) + 1 : rest->len;
    rt_str line = {rest->ptr, len};
    const char *verdict = memchr(line.ptr, ' ', line.len);

    *ret_false = verdict != NULL && rt_str_starts((rt_str){verdict, line.len - (size_t)(verdict -
                                                  line.ptr)}, RT_STR(" false "));
    *rest = (rt_str){rest->ptr + len, rest->len - len};
    return line;
}

// What the trace says stands in the decision too, or its index ruled the playbook out: it is false.
static void
check_traced(const traced *t, const msg_decision *decision, uint64_t *ruled_out)
{
    const msg_consulted *list = decision->consulted.items;
    rt_str rest = rt_text_view(&t->said);
    rt_text want;

    rt_text_init(&want, 1 << 20);
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        bool fired = !rt_str_is(list[i].verdict, "false") && !rt_str_is(list[i].verdict, "error");
        rt_str verdict = fired ? RT_STR("fired") : list[i].verdict;
        rt_str detail = fired ? RT_STR("") : list[i].detail;
        bool is_false;

        if (is_rewarded(&list[i])) {
            continue;
        }
        rt_text_clear(&want);
        rt_text_printf(&want, "%.*s %.*s %.*s\n", RT_STR_ARG(list[i].playbook),
                       RT_STR_ARG(verdict), RT_STR_ARG(detail));
        rt_str line = next_line(&rest, &is_false);
        for (; is_false && !rt_str_equal(line, rt_text_view(&want)); (*ruled_out)++) {
            line = next_line(&rest, &is_false);
        }
        CHECK_BYTES(rt_bytes_of_str(line), rt_bytes_of_str(rt_text_view(&want)));
    }
    for (bool is_false = true; rest.len > 0; (*ruled_out)++) {
        (void)next_line(&rest, &is_false);
        CHECK_TRUE(is_false);
    }
    rt_text_fini(&want);
}

// Trace and why-not: every playbook that hears an event, part by part, from its record.
static void
test_traces_say_what_the_brain_said(void **state)
{
    fixture *f = *state;
    rt_arena *arena = rt_arena_new(ARENA_BYTES);
    br_situation *situation = rt_new(br_situation);
    traced *waiting = rt_new_array(traced, BR_PENDING_MAX);
    br_playbooks *live = compile(f);
    rt_journal_reader *reader = NULL;
    rt_record record;
    uint64_t taken = 0;
    uint64_t judged = 0;
    uint64_t ruled_out = 0;

    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_text_init(&waiting[i].said, 1 << 20);
    }
    CHECK_OK(rt_journal_reader_open("/a/journal", 1, &reader));
    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        if (record.kind == RT_RECORD_EVENT && (record.flags & RT_RECORD_UNDECIDED) != 0) {
            traced *t = &waiting[taken++ % BR_PENDING_MAX];
            rt_event event;

            CHECK_OK(rt_event_decode_record(br_pack_catalog(f->kit.pack), record.seq,
                                            record.at_ms, record.payload, &event));
            memset(situation, 0, sizeof(*situation));
            situation->event = &event;
            situation->plan = br_pack_plan_of(f->kit.pack, &event);
            situation->now_ms = event.at_ms;
            br_situation_decode(situation, event.context);
            t->seq = record.seq;
            trace_all(live, situation, arena, t);
        } else if (record.kind == RT_RECORD_DECISION) {
            traced *t = &waiting[judged++ % BR_PENDING_MAX];
            msg_decision decision;
            rt_mp mp = rt_mp_init(record.payload);

            rt_arena_reset(arena);
            CHECK_OK(rt_msg_decode(&msg_decision_def, &mp, arena, &decision));
            CHECK_U64(t->seq, decision.event_seq);
            if (!rt_str_is(decision.event_type, "timer.fired")) { // what waited goes on there
                check_traced(t, &decision, &ruled_out);
            }
        }
    }
    CHECK_TRUE(judged >= EVENTS_MIN);
    CHECK_TRUE(ruled_out >= EVENTS_MIN / 10);
    rt_journal_reader_close(reader);
    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_text_fini(&waiting[i].said);
    }
    br_playbooks_free(live);
    rt_free(waiting);
    rt_free(situation);
    rt_arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backtest_says_what_the_brain_said),
        cmocka_unit_test(test_cases_say_what_the_brain_said),
        cmocka_unit_test(test_records_say_what_the_brain_said_live_and_in_shadow),
        cmocka_unit_test(test_traces_say_what_the_brain_said),
    };

    return cmocka_run_group_tests_name("evaluator", tests, setup, teardown);
}
