#include "tools/report/entry.h"

#include "tools/report/report_fixture.h"

static void
test_what_the_brain_writes_is_read(void **state)
{
    kit k;
    report_entry entry;
    kit_field fields[] = {KIT_S("city", "Pasto"), KIT_T("promised_at", 77)};
    rt_record record;

    (void)state;
    kit_open(&k);
    record = kit_event(&k, "order.created", "order/1", 42, true, fields, 2);
    record.at_ms = 50;
    CHECK_OK(report_entry_read(&record, &entry));
    CHECK_U64(entry.seq, 1);
    CHECK_INT(entry.at_ms, 50);
    CHECK_INT(entry.time_ms, 42);
    CHECK_TRUE(entry.internal);
    CHECK_STR(entry.type, "order.created");
    CHECK_STR(entry.id, "e1");
    CHECK_STR(entry.source, "/shop");
    CHECK_STR(entry.subject, "order/1");
    CHECK_STR(report_entry_str(&entry, "city"), "Pasto");
    CHECK_INT(report_entry_i64(&entry, "promised_at", -1), 77);
    CHECK_INT(report_entry_i64(&entry, "city", -1), -1);
    CHECK_STR(report_entry_str(&entry, "state"), "");
    CHECK_FALSE(report_entry_bool(&entry, "city"));
    kit_close(&k);
}

static void
test_cut_records_are_refused_at_every_length(void **state)
{
    kit k;
    report_entry entry;
    kit_field fields[] = {KIT_S("city", "Pasto")};
    rt_record record;

    (void)state;
    kit_open(&k);
    record = kit_event(&k, "order.created", "order/1", 42, false, fields, 1);
    // behind the subject come correlation, causation and context, which are not read
    size_t unread = 3 + 1;
    for (size_t len = 0; len + unread < record.payload.len; len++) {
        rt_record cut = record;

        cut.payload.len = len;
        CHECK_TRUE(report_entry_read(&cut, &entry) != RT_OK);
    }
    CHECK_OK(report_entry_read(&record, &entry));
    kit_close(&k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_brain_writes_is_read),
        cmocka_unit_test(test_cut_records_are_refused_at_every_length),
    };

    return CHECK_RUN(tests);
}
