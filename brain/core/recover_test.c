// A start after any crash: a history is written, saved up to some record, and read back.
#include "brain/core/internal.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/harness/state_kit.h"

#define DATA_DIR "/brain"
#define MIB (1024u * 1024)
#define DEADLINE_MS 250

// What was written, folded by hand as it was written.
typedef struct fixture {
    br_pack *pack;
    rt_loop *loop;
    rt_journal *journal;
    rt_kv *kv;
    rt_store *store;
    br_state *state;
    br_situation *situation;
    rt_mpw wire;
    rt_event event;
    uint64_t hash; // of the state when the history ended
    br_meta meta;
    br_brain *brain;
    rt_diag *diag;
} fixture;

static void
open_history(fixture *f)
{
    rt_journal_config config = {DATA_DIR "/journal", MIB, 64 * MIB, true};

    CHECK_OK(rt_journal_open(&config, &f->journal));
    CHECK_OK(rt_kv_open(DATA_DIR "/state", 64 * MIB, &f->kv));
    CHECK_OK(rt_store_open(f->kv, &f->store));
    f->state = state_kit_open(f->store, f->pack);
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    sim_reset(1);
    sim_disk_reset();
    sim_set_wall_ms(STATE_KIT_NOON_MS);
    f->pack = pack_kit_real();
    f->loop = rt_loop_new();
    f->situation = rt_new(br_situation);
    rt_mpw_init(&f->wire, 65536);
    f->diag = rt_diag_new();
    open_history(f);
    *state = f;
    return 0;
}

// Ends as a crash does: what is committed and saved by now is all there is.
static void
end_history(fixture *f)
{
    if (f->state == NULL) {
        return;
    }
    f->hash = br_state_hash(f->state);
    f->meta = f->state->meta;
    br_state_free(f->state);
    rt_store_close(f->store);
    rt_kv_close(f->kv);
    rt_journal_close(f->journal);
    f->state = NULL;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    end_history(f);
    br_brain_free(f->brain);
    rt_loop_free(f->loop);
    rt_diag_free(f->diag);
    rt_mpw_fini(&f->wire);
    rt_free(f->situation);
    br_pack_free(f->pack);
    rt_free(f);
    sim_disk_reset();
    return 0;
}

// --- writing -------------------------------------------------------------------------------------

static void
save(fixture *f)
{
    br_state_settle(f->state);
    CHECK_OK(rt_store_cut_wait(f->store, f->state->applied_seq));
}

static rt_record
end_record(fixture *f)
{
    rt_record record;

    CHECK_OK(rt_journal_end(f->journal, &record));
    CHECK_OK(rt_journal_commit(f->journal));
    return record;
}

static rt_mpw *
begin_record(fixture *f, rt_record_kind kind, uint8_t flags)
{
    return rt_journal_begin(f->journal, kind, flags, STATE_KIT_NOON_MS);
}

static void
write_start(fixture *f)
{
    rt_mpw *w = begin_record(f, RT_RECORD_START, 0);

    rt_mpw_array(w, 3);
    rt_mpw_cstr(w, "aaaabbbb");
    rt_mpw_cstr(w, "test");
    rt_mpw_u64(w, 1);
    rt_record record = end_record(f);
    br_state_apply_start(f->state, &record);
}

static void
write_reject(fixture *f)
{
    (void)begin_record(f, RT_RECORD_REJECT, 0);
    rt_record record = end_record(f);
    br_state_apply_reject(f->state, &record);
}

static void
write_playbook(fixture *f, const char *text)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};

    br_state_encode_playbooks(1, &file, 1, NULL, begin_record(f, RT_RECORD_PLAYBOOKS, 0));
    rt_record record = end_record(f);
    br_state_apply_playbooks(f->state, &record, state_kit_playbook(f->pack, text, 1));
}

// An event of the wire, with what was known before it.
static uint64_t
write_event(fixture *f, const char *type, const char *subject, const char *data, uint8_t flags)
{
    static const uint8_t nothing[] = {0x80};
    char json[1024];
    rt_mpw context;

    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"%llu\",\"source\":\"/s\",\"type\":\"%s\",\"subject\":\"%s\","
                   "\"data\":%s}",
                   (unsigned long long)f->state->applied_seq, type, subject, data);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    f->event.seq = rt_journal_next_seq(f->journal);
    f->event.at_ms = STATE_KIT_NOON_MS;
    f->event.time_ms = STATE_KIT_NOON_MS;
    f->event.internal = (flags & RT_RECORD_UNDECIDED) == 0;
    rt_mpw_init(&context, 65536);
    br_state_situate(f->state, &f->event, f->event.at_ms, f->situation);
    br_situation_encode(f->situation, &context);
    f->event.context = rt_mpw_view(&context);
    rt_event_encode(&f->event, begin_record(f, RT_RECORD_EVENT, flags));
    rt_record record = end_record(f);
    CHECK_U64(record.seq, f->event.seq);
    br_state_apply_event(f->state, &f->event, f->situation);
    rt_mpw_fini(&context);
    f->event.context = (rt_bytes){nothing, 1}; // for further events of this kind
    return record.seq;
}

static void
encode_decision(fixture *f, uint64_t event_seq, const char *action_id, msg_decision *decision,
                msg_candidate *candidate)
{
    *candidate = (msg_candidate){.verdict = RT_STR("won"),
                                 .action_id = rt_str_of(action_id),
                                 .proposal = {.agent = RT_STR("a"),
                                              .action = RT_STR("open_case"),
                                              .target = RT_STR("order/1")}};
    *decision = (msg_decision){.event_seq = event_seq,
                               .event_type = RT_STR("delay.detected"),
                               .tenant = PACK_KIT_TENANT.v,
                               .candidates = {candidate, action_id[0] != '\0'}};
    rt_msg_encode(&msg_decision_def, decision, begin_record(f, RT_RECORD_DECISION, 0));
}

static void
write_decision(fixture *f, uint64_t event_seq, const char *action_id)
{
    msg_decision decision;
    msg_candidate candidate;

    encode_decision(f, event_seq, action_id, &decision, &candidate);
    rt_record record = end_record(f);
    br_state_apply_decision(f->state, &record, &decision);
}

// A record whose payload nobody can read.
static void
write_nonsense(fixture *f, rt_record_kind kind)
{
    rt_mpw_cstr(begin_record(f, kind, 0), "nonsense");
    (void)end_record(f);
}

static uint64_t
write_order(fixture *f, const char *subject)
{
    return write_event(f, "order.approved", subject, "{}", RT_RECORD_UNDECIDED);
}

// --- starting ------------------------------------------------------------------------------------

static rt_err
start_with(fixture *f, const char *playbook_dir)
{
    br_brain_config config = {.pack = f->pack,
                              .data_dir = DATA_DIR,
                              .segment_bytes = MIB,
                              .journal_max_bytes = 64 * MIB,
                              .sync = true,
                              .store_map_bytes = 64 * MIB,
                              .cut_every_ms = 1000,
                              .state = state_kit_config(f->pack),
                              .deadline_ms = DEADLINE_MS,
                              .playbook_dir = playbook_dir,
                              .build = "test"};

    end_history(f);
    br_brain_free(f->brain);
    f->brain = NULL;
    return br_brain_new(f->loop, &config, f->diag, &f->brain);
}

static rt_err
start(fixture *f)
{
    return start_with(f, NULL);
}

// The start itself is a record; but for its time the state must be the one that was left.
static void
check_state_is_what_was_left(fixture *f)
{
    br_state *state = br_brain_state(f->brain);

    CHECK_INT(state->meta.clock_ms, f->meta.clock_ms);
    CHECK_U64(br_state_hash(state), f->hash);
}

static void
check_waiting(fixture *f, uint64_t seq, const char *subject)
{
    const br_undecided *head = br_pending_head(f->brain->pending);

    CHECK_TRUE(head != NULL);
    CHECK_U64(head->seq, seq);
    CHECK_STR(head->subject, subject);
    CHECK_INT(head->deadline_us, rt_clock_mono_us() + DEADLINE_MS * 1000);
}

static void
test_recover_of_nothing_is_a_fresh_start(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f));
    CHECK_U64(br_brain_state(f->brain)->applied_seq, 1); // the start
    CHECK_INT(br_pending_count(f->brain->pending), 0);
}

#define PLAYBOOK                                                                                   \
    "kind: playbook\nid: p\nevents: [delay.detected]\nthrottle: {key: event.subject, per: 2h}\n"   \
    "do:\n  - {action: open_case, target: \"${event.subject}\"}\n"

#define HISTORY 14 // records
#define FIRST_UNDECIDED 10

// Records of every kind, saved once behind the record `saved`; two events wait at the end.
static void
write_history(fixture *f, uint64_t saved)
{
    for (uint64_t seq = 1; seq <= HISTORY; seq++) {
        switch (seq) {
        case 1:
            write_start(f);
            break;
        case 2:
            write_playbook(f, PLAYBOOK);
            break;
        case 3:
            (void)write_order(f, "order/1");
            break;
        case 4:
        case 8:
            (void)write_event(f, "timer.fired", "order/1", "{\"owner\":\"a\",\"key\":\"k\"}", 0);
            break;
        case 5:
            (void)write_event(f, "delay.detected", "order/1", "{}", RT_RECORD_UNDECIDED);
            break;
        case 6:
            write_decision(f, 3, "");
            break;
        case 7:
            write_reject(f);
            break;
        case 9:
            write_decision(f, 5, "x-5-0");
            break;
        case FIRST_UNDECIDED:
            (void)write_event(f, "delay.detected", "order/2", "{}", RT_RECORD_UNDECIDED);
            break;
        case 11:
            (void)write_order(f, "order/3");
            break;
        case 12:
            (void)write_event(f, "action.executed", "order/1",
                              "{\"action_id\":\"x-5-0\",\"action\":\"open_case\","
                              "\"decision_seq\":5,\"status\":\"failed\"}",
                              0);
            break;
        case 13:
            write_reject(f);
            break;
        default:
            write_start(f);
            break;
        }
        CHECK_U64(f->state->applied_seq, seq);
        if (seq == saved) {
            save(f);
        }
    }
}

static void
test_recover_comes_to_the_same_state_wherever_it_was_saved(void **state)
{
    fixture *f = *state;

    for (uint64_t saved = 0; saved <= HISTORY; saved++) {
        write_history(f, saved);
        CHECK_OK(start(f));

        check_state_is_what_was_left(f);
        CHECK_U64(br_brain_state(f->brain)->applied_seq, HISTORY + 1);
        CHECK_U64(br_brain_state(f->brain)->meta.decided_seq, 5);
        CHECK_INT(br_pending_count(f->brain->pending), 2);
        check_waiting(f, FIRST_UNDECIDED, "order/2");
        br_brain_free(f->brain);
        f->brain = NULL;
        sim_disk_reset();
        open_history(f);
    }
}

static void
test_recover_consults_playbooks_from_what_was_known_then(void **state)
{
    fixture *f = *state;

    for (uint64_t saved = 2; saved <= HISTORY; saved += HISTORY - 2) {
        write_history(f, saved);
        CHECK_OK(start(f));

        const br_undecided *head = br_pending_head(f->brain->pending);
        CHECK_HAS(rt_str_of_bytes(head->consultation), "open_case");
        CHECK_HAS(rt_str_of_bytes(head->consultation), "order/2");
        br_pending_pop(f->brain->pending);
        check_waiting(f, FIRST_UNDECIDED + 1, "order/3"); // which no playbook hears
        CHECK_INT(br_pending_head(f->brain->pending)->consultation.len, 0);
        br_brain_free(f->brain);
        f->brain = NULL;
        sim_disk_reset();
        open_history(f);
    }
}

static void
test_recover_twice_changes_nothing(void **state)
{
    fixture *f = *state;

    write_history(f, 9);
    CHECK_OK(start(f));
    CHECK_OK(start(f)); // the first one had committed nothing

    check_state_is_what_was_left(f);
    CHECK_INT(br_pending_count(f->brain->pending), 2);
}

static void
check_refused(fixture *f, rt_err want, const char *why)
{
    CHECK_ERR(start(f), want);
    CHECK_TRUE(f->brain == NULL);
    CHECK_HAS(rt_str_of(rt_err_detail()), why);
}

static void
test_recover_state_ahead_of_its_journal_is_refused(void **state)
{
    fixture *f = *state;

    write_start(f);
    f->state->applied_seq = 2;
    save(f);
    check_refused(f, RT_ECORRUPT, "the state reflects record 2 but the journal ends at 1");
}

static void
test_recover_state_without_a_journal_is_refused(void **state)
{
    fixture *f = *state;

    f->state->applied_seq = 1;
    save(f);
    check_refused(f, RT_ECORRUPT, "the state reflects record 1 but the journal ends at 0");
}

// Fills the journal until its oldest segment is gone; gives the first seq that is left.
static uint64_t
recycle(fixture *f)
{
    rt_journal_config config = {DATA_DIR "/journal", MIB, 2 * MIB, true};

    rt_journal_close(f->journal);
    CHECK_OK(rt_journal_open(&config, &f->journal));
    for (int i = 0; i < 60; i++) {
        rt_mpw *w = begin_record(f, RT_RECORD_REJECT, 0);

        CHECK_TRUE(rt_mpw_reserve(w, 60000) != NULL);
        w->len += 60000;
        rt_record record = end_record(f);
        br_state_apply_reject(f->state, &record);
        rt_journal_release(f->journal, record.seq);
    }
    return rt_journal_info_get(f->journal).first_seq;
}

static void
test_recover_journal_that_begins_behind_the_state_is_refused(void **state)
{
    fixture *f = *state;

    uint64_t first_seq = recycle(f);
    CHECK_TRUE(first_seq > 2);
    f->state->applied_seq = first_seq - 2;
    save(f);
    check_refused(f, RT_ECORRUPT, "after the state's");
}

static void
test_recover_journal_that_begins_right_after_the_state_is_read(void **state)
{
    fixture *f = *state;

    uint64_t first_seq = recycle(f);
    uint64_t last_seq = rt_journal_committed(f->journal);
    f->state->applied_seq = first_seq - 1;
    save(f);
    CHECK_OK(start(f));
    CHECK_U64(br_brain_state(f->brain)->meta.rejects, f->meta.rejects + last_seq - first_seq + 1);
}

static void
test_recover_decision_on_another_event_than_the_next_is_refused(void **state)
{
    fixture *f = *state;
    msg_decision decision;
    msg_candidate candidate;

    (void)write_order(f, "order/1");
    (void)write_order(f, "order/2");
    encode_decision(f, 2, "", &decision, &candidate);
    (void)end_record(f);
    check_refused(f, RT_ECORRUPT, "record 3 decides on event 2, which is not the next");
}

static void
test_recover_decision_on_no_event_is_refused(void **state)
{
    fixture *f = *state;
    msg_decision decision;
    msg_candidate candidate;

    write_start(f);
    encode_decision(f, 1, "", &decision, &candidate);
    (void)end_record(f);
    check_refused(f, RT_ECORRUPT, "record 2 decides on event 1, which is not the next");
}

// An event of a type that the catalogue does not know (any more).
static void
write_stranger(fixture *f)
{
    rt_event_type type = {.name = RT_STR("never.heard")};
    rt_event event = f->event;

    event.type = &type;
    event.seq = rt_journal_next_seq(f->journal);
    rt_event_encode(&event, begin_record(f, RT_RECORD_EVENT, 0));
    (void)end_record(f);
}

static void
test_recover_event_of_an_unknown_type_is_refused(void **state)
{
    fixture *f = *state;

    (void)write_order(f, "order/1");
    save(f);
    write_stranger(f);
    check_refused(f, RT_EUNKNOWN, "never.heard");
}

static void
test_recover_event_of_a_type_that_is_gone_is_passed_over_when_folded(void **state)
{
    fixture *f = *state;

    (void)write_order(f, "order/1"); // undecided, so reading begins here
    write_stranger(f);
    f->state->applied_seq = 2;
    save(f);
    CHECK_OK(start(f));
    CHECK_INT(br_pending_count(f->brain->pending), 1);
    check_waiting(f, 1, "order/1");
}

static void
test_recover_record_that_cannot_be_read_is_refused(void **state)
{
    static const rt_record_kind kinds[] = {RT_RECORD_EVENT, RT_RECORD_DECISION,
                                           RT_RECORD_PLAYBOOKS};
    fixture *f = *state;

    for (size_t i = 0; i < RT_COUNT(kinds); i++) {
        write_start(f);
        write_nonsense(f, kinds[i]);
        rt_err err = start(f);
        CHECK_TRUE(err == RT_EPROTO || err == RT_ETYPE);
        CHECK_TRUE(f->brain == NULL);
        sim_disk_reset();
        open_history(f);
    }
}

static void
test_recover_playbooks_with_errors_are_refused(void **state)
{
    fixture *f = *state;
    br_playbook_file file = {RT_STR("x.yaml"), RT_STR("kind: playbook\nid: p\n")};

    br_state_encode_playbooks(1, &file, 1, NULL, begin_record(f, RT_RECORD_PLAYBOOKS, 0));
    (void)end_record(f);
    CHECK_ERR(start(f), RT_ECONFIG);
    CHECK_TRUE(rt_diag_errors(f->diag) > 0);
}

static void
write_many(fixture *f, size_t count)
{
    rt_record record;

    (void)write_order(f, "order/1");
    for (size_t i = 1; i < count; i++) {
        f->event.seq = rt_journal_next_seq(f->journal);
        rt_event_encode(&f->event, begin_record(f, RT_RECORD_EVENT, RT_RECORD_UNDECIDED));
        CHECK_OK(rt_journal_end(f->journal, &record));
        if (i % 1000 == 0) {
            CHECK_OK(rt_journal_commit(f->journal));
        }
    }
    CHECK_OK(rt_journal_commit(f->journal));
}

static void
test_recover_as_many_undecided_events_as_there_may_be(void **state)
{
    fixture *f = *state;

    write_many(f, BR_PENDING_MAX);
    CHECK_OK(start(f));
    CHECK_INT(br_pending_count(f->brain->pending), BR_PENDING_MAX);
}

static void
test_recover_more_undecided_events_than_fit_are_refused(void **state)
{
    fixture *f = *state;

    write_many(f, BR_PENDING_MAX + 1);
    check_refused(f, RT_ELIMIT, "more undecided events than this brain can hold");
}

static void
test_recover_unreadable_disk_is_an_error(void **state)
{
    fixture *f = *state;
    rt_err err = RT_EIO;

    write_history(f, 9);
    end_history(f);
    // each read and each opening of the start fails once
    for (int op = SIM_DISK_OPEN; op <= SIM_DISK_READ; op++) {
        uint64_t nth = 0;

        for (err = RT_EIO; err == RT_EIO; nth++) {
            sim_disk_fail_next((sim_disk_op)op, nth + 1, RT_EIO);
            err = start(f);
        }
        sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
        CHECK_OK(err);
        CHECK_TRUE(nth > 4);
        check_state_is_what_was_left(f);
    }
}

// --- what the journal's opening found ------------------------------------------------------------

static void
test_recover_tells_what_was_cut_from_the_journal(void **state)
{
    fixture *f = *state;
    rt_record record;

    write_history(f, 9);
    rt_mpw *w = begin_record(f, RT_RECORD_REJECT, 0);
    CHECK_TRUE(rt_mpw_reserve(w, 60000) != NULL);
    w->len += 60000;
    CHECK_OK(rt_journal_end(f->journal, &record));
    sim_disk_fail_next(SIM_DISK_WRITE, 1, RT_ENOSPC);
    CHECK_ERR(rt_journal_commit(f->journal), RT_ENOSPC); // half of it stands there
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.journal_cut_bytes, 60032);
    CHECK_U64(f->brain->metrics.journal_damage, 0);
    check_state_is_what_was_left(f);

    CHECK_OK(start(f)); // once
    CHECK_U64(f->brain->metrics.journal_cut_bytes, 0);
}

static void
test_recover_tells_of_damaged_marks_and_missing_segments(void **state)
{
    fixture *f = *state;

    uint64_t first_seq = recycle(f);
    CHECK_TRUE(first_seq > 2);
    save(f);
    end_history(f);
    char path[128];
    (void)snprintf(path, sizeof(path), DATA_DIR "/journal/%016llx.seg",
                   (unsigned long long)first_seq);
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.journal_damage, 0);
    CHECK_TRUE(sim_disk_flip_bit(path, (512 + 20) * 8)); // the mark
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.journal_damage, 1);
    CHECK_TRUE(sim_disk_flip_bit(path, (1024 + 20) * 8)); // the note that it may be the first
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.journal_damage, 2);
}

// --- playbooks of a directory --------------------------------------------------------------------

#define BOOKS "/books"

static void
write_file(const char *path, const char *text)
{
    CHECK_OK(rt_file_replace(path, rt_bytes_of_str(rt_str_of(text))));
}

static void
write_book(const char *path, const char *id)
{
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "kind: playbook\nid: %s\nevents: [delay.detected]\n"
                   "do:\n  - {action: open_case, target: \"${event.subject}\"}\n",
                   id);
    write_file(path, text);
}

static size_t
books(const fixture *f)
{
    return f->brain->next_playbooks != NULL ? br_playbooks_count(f->brain->next_playbooks) : 0;
}

static void
test_load_reads_a_directory_and_those_directly_in_it(void **state)
{
    fixture *f = *state;

    CHECK_OK(rt_dir_make(BOOKS "/sub/deeper"));
    CHECK_OK(rt_dir_make(BOOKS "/off.d"));
    write_book(BOOKS "/a.yaml", "a");
    write_book(BOOKS "/sub/b.yaml", "b");
    write_book(BOOKS "/sub/deeper/c.yaml", "c");
    write_book(BOOKS "/off.d/d.yaml", "d");
    write_file(BOOKS "/.yaml", "not: one");
    write_file(BOOKS "/notes.txt", "not: one");
    write_file(BOOKS "/LICENSE", "not: one");
    CHECK_OK(start_with(f, BOOKS));

    CHECK_INT(books(f), 2);
    CHECK_U64(br_playbooks_version(f->brain->next_playbooks), 1);
    CHECK_STR(br_playbooks_file(f->brain->next_playbooks, 0).name, BOOKS "/a.yaml");
    CHECK_STR(br_playbooks_file(f->brain->next_playbooks, 1).name, BOOKS "/sub/b.yaml");
}

static void
test_load_of_no_directory_is_no_playbooks(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f));
    CHECK_TRUE(f->brain->next_playbooks == NULL);
    CHECK_OK(br_check_playbooks(f->pack, NULL, f->diag));
}

static void
test_load_missing_directory_is_not_found(void **state)
{
    fixture *f = *state;

    CHECK_ERR(start_with(f, "/nowhere"), RT_ENOTFOUND);
    CHECK_ERR(br_check_playbooks(f->pack, "/nowhere", f->diag), RT_ENOTFOUND);
}

static void
test_load_of_what_is_live_already_is_no_new_set(void **state)
{
    static const char *const paths[] = {BOOKS "/a.yaml", BOOKS "/b.yaml", BOOKS "/c.yaml"};
    br_playbook_file files[RT_COUNT(paths)];
    fixture *f = *state;
    br_playbooks *set = NULL;

    CHECK_OK(rt_dir_make(BOOKS));
    for (size_t i = 0; i < RT_COUNT(paths); i++) {
        write_book(paths[i], i == 0 ? "a" : i == 1 ? "b" : "c");
    }
    CHECK_OK(start_with(f, BOOKS));
    CHECK_INT(books(f), RT_COUNT(paths));
    for (size_t i = 0; i < RT_COUNT(paths); i++) {
        files[i] = br_playbooks_file(f->brain->next_playbooks, i);
    }
    f->brain->state->meta.playbooks_hash = br_playbooks_hash(files, RT_COUNT(paths));
    CHECK_OK(br__load_playbooks(f->brain, f->diag, &set));
    CHECK_TRUE(set == NULL);

    for (size_t i = 0; i < RT_COUNT(paths); i++) { // a change of any of them is one
        write_book(paths[i], "changed");
        CHECK_OK(br__load_playbooks(f->brain, f->diag, &set));
        CHECK_TRUE(set != NULL);
        br_playbooks_free(set);
        write_book(paths[i], i == 0 ? "a" : i == 1 ? "b" : "c");
    }
}

static void
test_load_playbook_with_an_error_is_a_finding(void **state)
{
    fixture *f = *state;

    CHECK_OK(rt_dir_make(BOOKS));
    write_book(BOOKS "/a.yaml", "a");
    CHECK_OK(br_check_playbooks(f->pack, BOOKS, f->diag));
    CHECK_INT(rt_diag_errors(f->diag), 0);
    write_file(BOOKS "/b.yaml", "kind: playbook\nid: p\n");
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ECONFIG);
    CHECK_TRUE(rt_diag_errors(f->diag) > 0);
    CHECK_ERR(start_with(f, BOOKS), RT_ECONFIG);
}

static void
write_large(const char *path, size_t len)
{
    char *text = rt_new_array(char, len + 1);

    memset(text, '#', len);
    write_file(path, text);
    rt_free(text);
}

static void
test_load_too_large_a_file_stops_there(void **state)
{
    fixture *f = *state;

    CHECK_OK(rt_dir_make(BOOKS "/sub"));
    write_large(BOOKS "/a.yaml", BR_PLAYBOOK_BYTES_MAX + 1);
    write_book(BOOKS "/b.yaml", "b");
    write_book(BOOKS "/sub/c.yaml", "c");
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ELIMIT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "a.yaml");
    CHECK_OK(rt_file_remove(BOOKS "/a.yaml"));
    write_large(BOOKS "/sub/d.yaml", BR_PLAYBOOK_BYTES_MAX + 1);
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ELIMIT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "d.yaml");
}

static void
test_load_more_files_than_there_may_be_is_a_limit(void **state)
{
    fixture *f = *state;
    char path[64];

    CHECK_OK(rt_dir_make(BOOKS));
    for (int i = 0; i <= BR_PLAYBOOKS_MAX; i++) {
        (void)snprintf(path, sizeof(path), BOOKS "/p%04d.yaml", i);
        write_file(path, "");
    }
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ELIMIT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "more than 2048 playbooks");
    CHECK_OK(rt_file_remove(path));
    CHECK_TRUE(br_check_playbooks(f->pack, BOOKS, f->diag) != RT_ELIMIT);
}

static void
test_load_more_directories_than_there_may_be_is_a_limit(void **state)
{
    fixture *f = *state;
    char path[64];

    for (int i = 0; i < 64; i++) {
        (void)snprintf(path, sizeof(path), BOOKS "/d%02d", i);
        CHECK_OK(rt_dir_make(path));
    }
    write_book(BOOKS "/d63/a.yaml", "a");
    CHECK_OK(start_with(f, BOOKS));
    CHECK_INT(books(f), 1);
    CHECK_OK(rt_dir_make(BOOKS "/one-more"));
    CHECK_OK(rt_dir_make(BOOKS "/two-more"));
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ELIMIT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "more than 64 directories of playbooks");
}

static void
test_load_more_text_than_memory_allows_is_refused(void **state)
{
    fixture *f = *state;
    char path[64];

    CHECK_OK(rt_dir_make(BOOKS));
    for (int i = 0; i < 1100; i++) {
        (void)snprintf(path, sizeof(path), BOOKS "/p%04d.yaml", i);
        write_large(path, BR_PLAYBOOK_BYTES_MAX);
    }
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ENOMEM);
}

static void
test_load_of_files_that_fill_the_memory_to_the_last_byte(void **state)
{
    const size_t path_bytes = 32; // that its name takes, and with its text each takes 64 KiB
    fixture *f = *state;
    char path[64];

    CHECK_OK(rt_dir_make(BOOKS));
    for (size_t i = 0; i < BR_TURN_ARENA_BYTES / 65536; i++) {
        (void)snprintf(path, sizeof(path), BOOKS "/p%04zu.yaml", i);
        write_large(path, 65536 - path_bytes - 1);
    }
    CHECK_TRUE(br_check_playbooks(f->pack, BOOKS, f->diag) != RT_ENOMEM);
    CHECK_OK(rt_dir_make(BOOKS "/sub")); // whose name has no room any more
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ENOMEM);
    CHECK_OK(rt_file_remove(BOOKS "/p0000.yaml"));
    CHECK_TRUE(br_check_playbooks(f->pack, BOOKS, f->diag) != RT_ENOMEM);
    write_large(BOOKS "/p0000.yaml", 65536 - path_bytes - 1);
    write_file(BOOKS "/p9999.yaml", ""); // nor has its
    CHECK_ERR(br_check_playbooks(f->pack, BOOKS, f->diag), RT_ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

// --- a state that is damaged or gone -------------------------------------------------------------

#define STATE_DIR DATA_DIR "/state"
#define FLIP_STEP 1499

static void
test_storage_damaged_state_is_rebuilt_whatever_bit_it_is(void **state)
{
    bool flipped = true;

    (void)state;
    for (uint64_t bit = 3; flipped; bit += FLIP_STEP) {
        fixture *f = NULL;

        CHECK_INT(setup((void **)&f), 0);
        write_history(f, 9);
        end_history(f);
        flipped = sim_kv_flip_bit(STATE_DIR, bit);
        CHECK_OK(start(f));
        CHECK_U64(f->brain->metrics.states_rebuilt, flipped ? 1 : 0);
        CHECK_U64(rt_kv_aside_count(STATE_DIR), flipped ? 1 : 0);
        check_state_is_what_was_left(f);
        CHECK_INT(br_pending_count(f->brain->pending), 2);
        CHECK_TRUE(flipped || bit > 8 * 1000);
        CHECK_INT(teardown((void **)&f), 0);
    }
}

static void
test_storage_missing_state_is_rebuilt_and_told(void **state)
{
    fixture *f = *state;
    char aside[256];

    write_history(f, 9);
    end_history(f);
    CHECK_OK(rt_kv_set_aside(STATE_DIR, aside, sizeof(aside)));
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.states_rebuilt, 1);
    check_state_is_what_was_left(f);
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.states_rebuilt, 0); // it is there again, if with nothing in it
    check_state_is_what_was_left(f);
}

static void
test_storage_state_of_somebody_else_is_rebuilt(void **state)
{
    fixture *f = *state;
    char aside[256];
    rt_kv *kv = NULL;
    rt_store *store = NULL;
    rt_table *table = NULL;

    write_history(f, 9);
    end_history(f);
    CHECK_OK(rt_kv_set_aside(STATE_DIR, aside, sizeof(aside)));
    CHECK_OK(rt_kv_open(STATE_DIR, 64 * MIB, &kv));
    CHECK_OK(rt_store_open(kv, &store));
    CHECK_OK(rt_store_table(store, 60, "theirs", &table));
    rt_table_put(table, rt_bytes_of_str(RT_STR("k")), rt_bytes_of_str(RT_STR("v")));
    CHECK_OK(rt_store_cut_wait(store, 9));
    rt_store_close(store);
    rt_kv_close(kv);
    CHECK_OK(start(f));
    CHECK_U64(f->brain->metrics.states_rebuilt, 1);
    check_state_is_what_was_left(f);
}

static void
test_storage_state_beyond_repair_is_refused_and_kept(void **state)
{
    fixture *f = *state;

    CHECK_TRUE(recycle(f) > 1);
    save(f);
    end_history(f);
    CHECK_TRUE(sim_kv_flip_bit(STATE_DIR, 80));
    check_refused(f, RT_ECORRUPT, "it cannot be rebuilt, because the journal begins with record");
    CHECK_U64(rt_kv_aside_count(STATE_DIR), 0);
}

static void
test_storage_tells_how_full_it_is(void **state)
{
    static const struct {
        unsigned percent;
        unsigned step;
    } fills[] = {{79, 0}, {81, 80}, {91, 90}, {96, 95}, {50, 0}};
    fixture *f = *state;

    write_history(f, 9);
    CHECK_OK(start(f));
    CHECK_TRUE(f->brain != NULL);
    for (size_t i = 0; i < RT_COUNT(fills); i++) {
        uint64_t used = rt_kv_used_bytes(f->brain->kv);

        f->brain->config.store_map_bytes = used * 100 / fills[i].percent;
        br__watch_fill(f->brain);
        CHECK_U64(f->brain->fill_step, fills[i].step);
        CHECK_U64(f->brain->metrics.store_bytes, used);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_recover_of_nothing_is_a_fresh_start),
        TEST(test_recover_comes_to_the_same_state_wherever_it_was_saved),
        TEST(test_recover_consults_playbooks_from_what_was_known_then),
        TEST(test_recover_twice_changes_nothing),
        TEST(test_recover_state_ahead_of_its_journal_is_refused),
        TEST(test_recover_state_without_a_journal_is_refused),
        TEST(test_recover_journal_that_begins_behind_the_state_is_refused),
        TEST(test_recover_journal_that_begins_right_after_the_state_is_read),
        TEST(test_recover_decision_on_another_event_than_the_next_is_refused),
        TEST(test_recover_decision_on_no_event_is_refused),
        TEST(test_recover_event_of_an_unknown_type_is_refused),
        TEST(test_recover_event_of_a_type_that_is_gone_is_passed_over_when_folded),
        TEST(test_recover_record_that_cannot_be_read_is_refused),
        TEST(test_recover_playbooks_with_errors_are_refused),
        TEST(test_recover_as_many_undecided_events_as_there_may_be),
        TEST(test_recover_more_undecided_events_than_fit_are_refused),
        TEST(test_recover_unreadable_disk_is_an_error),
        TEST(test_load_reads_a_directory_and_those_directly_in_it),
        TEST(test_load_of_no_directory_is_no_playbooks),
        TEST(test_load_missing_directory_is_not_found),
        TEST(test_load_of_what_is_live_already_is_no_new_set),
        TEST(test_load_playbook_with_an_error_is_a_finding),
        TEST(test_load_too_large_a_file_stops_there),
        TEST(test_load_more_files_than_there_may_be_is_a_limit),
        TEST(test_load_more_directories_than_there_may_be_is_a_limit),
        TEST(test_load_more_text_than_memory_allows_is_refused),
        TEST(test_load_of_files_that_fill_the_memory_to_the_last_byte),
        TEST(test_recover_tells_what_was_cut_from_the_journal),
        TEST(test_recover_tells_of_damaged_marks_and_missing_segments),
        cmocka_unit_test(test_storage_damaged_state_is_rebuilt_whatever_bit_it_is),
        TEST(test_storage_missing_state_is_rebuilt_and_told),
        TEST(test_storage_state_of_somebody_else_is_rebuilt),
        TEST(test_storage_state_beyond_repair_is_refused_and_kept),
        TEST(test_storage_tells_how_full_it_is),
    };

    return CHECK_RUN(tests);
}
