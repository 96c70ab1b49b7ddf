#include "tools/replay/olist.h"

#include <stdio.h>
#include <stdlib.h>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/civil.h"
#include "runtime/wire/mp.h"
#include "tests/harness/check.h"
#include "tools/replay/draft.h"

#define DAY_MS ((int64_t)86400 * 1000)

// A shop of three orders written by hand; the real tables are used when they are there.
static const char *const own_tables[][2] = {
    {"orders.csv",
     "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,"
     "order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n"
     "o1,c1,delivered,2017-05-01 10:00:00,2017-05-01 10:00:00,2017-05-01 09:00:00,"
     "2017-05-12 08:00:00,2017-05-10 00:00:00\n"
     "o2,c2,canceled,2017-05-02 10:00:00,2017-05-03 10:00:00,,,2017-05-20 00:00:00\n"
     "o3,c3,canceled,2017-05-02 10:00:00,,,2017-05-05 10:00:00,2017-05-20 00:00:00\n"},
    {"customers.csv", "customer_id,customer_unique_id,customer_city,customer_state\n"
                      "c1,p1,s\xc3\xa3o paulo,SP\nc2,p2,recife,PE\nc3,p1,\"rio, de janeiro\",RJ\n"},
    {"items.csv", "order_id,order_item_id,product_id,seller_id,price,freight_value\n"
                  "o1,1,x,s1,10.5,2\no1,2,y,s2,20,3\nnobody,1,x,s1,1,1\n"},
    {"products.csv", "product_id,product_category_name,product_weight_g,product_length_cm,"
                     "product_height_cm,product_width_cm\nx,livros,300,10,20,30\ny,,700,1,1,1\n"},
    {"sellers.csv", "seller_id,seller_state\ns1,MG\ns2,RJ\n"},
    {"product_category_name_translation.csv",
     "\xef\xbb\xbfproduct_category_name,product_category_name_english\nlivros,books\n"},
    {"reviews_part.csv",
     "order_id,review_score,review_comment_title,review_comment_message,review_answer_timestamp\n"
     "o1,2,Atrasou,\"Chegou\ntarde\",2017-05-13 00:00:00\no1,5,,,2017-05-14 00:00:00\n"
     "gone,5,,,2017-05-14 00:00:00\n"},
};

static void
write_tables(const char *dir)
{
    char path[256];

    for (size_t i = 0; i < RT_COUNT(own_tables); i++) {
        FILE *file = NULL;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, own_tables[i][0]);
        file = fopen(path, "wb");
        CHECK_TRUE(file != NULL);
        CHECK_TRUE(fputs(own_tables[i][1], file) >= 0);
        CHECK_INT(fclose(file), 0);
    }
}

static void
remove_tables(const char *dir)
{
    char path[256];

    for (size_t i = 0; i < RT_COUNT(own_tables); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, own_tables[i][0]);
        (void)unlink(path); // some tests remove one themselves
    }
    CHECK_INT(rmdir(dir), 0);
}

static rt_str
text_at(rt_bytes body, const char *path)
{
    rt_mp at = {0};
    rt_str text = {"(absent)", 8};

    if (rt_mp_find_path(body, rt_str_of(path), &at)) {
        CHECK_OK(rt_mp_str(&at, &text));
    }
    return text;
}

static double
number_at(rt_bytes body, const char *path)
{
    rt_mp at = {0};
    double value = -1;

    if (rt_mp_find_path(body, rt_str_of(path), &at)) {
        CHECK_OK(rt_mp_f64(&at, &value));
    }
    return value;
}

static void
expect(stream *s, const char *id, const char *type, const char *time, rt_bytes *ret_body)
{
    stream_event event = {0};

    CHECK_OK(stream_next(s, &event));
    CHECK_STR(text_at(event.body, "id"), id);
    CHECK_STR(text_at(event.body, "type"), type);
    CHECK_STR(text_at(event.body, "time"), time);
    *ret_body = event.body;
}

static void
test_olist_rows_become_events_in_time_order(void **state)
{
    char dir[] = "/tmp/olist_test_XXXXXX";
    stream s = {0};
    stream_event event = {0};
    olist_counts counts = {0};
    rt_bytes body = {0};

    (void)state;
    CHECK_TRUE(mkdtemp(dir) != NULL);
    write_tables(dir);
    CHECK_OK(olist_open(dir, RT_STR("demo"), &s, &counts));

    expect(&s, "o1:created", "order.created", "2017-05-01T10:00:00Z", &body);
    CHECK_STR(text_at(body, "tenant"), "demo");
    CHECK_STR(text_at(body, "subject"), "order/o1");
    CHECK_STR(text_at(body, "data.customer_id"), "p1");
    CHECK_STR(text_at(body, "data.city"), "s\xc3\xa3o paulo");
    CHECK_STR(text_at(body, "data.category"), "books");
    CHECK_STR(text_at(body, "data.seller_id"), "s1");
    CHECK_STR(text_at(body, "data.seller_state"), "MG");
    CHECK_STR(text_at(body, "data.promised_at"), "2017-05-10T00:00:00Z");
    CHECK_NEAR(number_at(body, "data.value"), 30.5, 1e-9);
    CHECK_NEAR(number_at(body, "data.freight"), 5, 1e-9);
    CHECK_NEAR(number_at(body, "data.items"), 2, 0);
    CHECK_NEAR(number_at(body, "data.weight_g"), 1000, 0);
    CHECK_NEAR(number_at(body, "data.volume_cm3"), 6001, 0);
    expect(&s, "o1:approved", "order.approved", "2017-05-01T10:00:00Z", &body); // tie: life cycle
    expect(&s, "o1:shipped", "order.shipped", "2017-05-01T10:00:00Z", &body);   // was before it
    expect(&s, "o2:created", "order.created", "2017-05-02T10:00:00Z", &body);
    CHECK_STR(text_at(body, "data.seller_id"), "(absent)");
    CHECK_NEAR(number_at(body, "data.value"), -1, 0);
    expect(&s, "o3:created", "order.created", "2017-05-02T10:00:00Z", &body);
    expect(&s, "o2:approved", "order.approved", "2017-05-03T10:00:00Z", &body);
    expect(&s, "o2:cancelled", "order.cancelled", "2017-05-04T10:00:00Z", &body); // a day later
    expect(&s, "o3:delivered", "order.delivered", "2017-05-05T10:00:00Z", &body); // not cancelled
    expect(&s, "o1:delivered", "order.delivered", "2017-05-12T08:00:00Z", &body);
    expect(&s, "o1:feedback", "customer.feedback", "2017-05-13T00:00:00Z", &body);
    CHECK_STR(text_at(body, "subject"), "customer/p1");
    CHECK_STR(text_at(body, "data.text"), "Atrasou. Chegou\ntarde");
    CHECK_NEAR(number_at(body, "data.score"), 2, 0);
    expect(&s, "o1:feedback2", "customer.feedback", "2017-05-14T00:00:00Z", &body);
    CHECK_STR(text_at(body, "data.text"), "(absent)");
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    CHECK_U64(counts.orders, 3);
    CHECK_U64(counts.late, 1);
    CHECK_U64(counts.clamped, 1);
    CHECK_U64(counts.reviews_without_order, 1);
    CHECK_U64(s.total, 11);
    stream_close(&s);
    remove_tables(dir);
}

static void
test_olist_missing_table_or_bad_cell_says_which(void **state)
{
    char dir[] = "/tmp/olist_test_XXXXXX";
    char path[256];
    FILE *file = NULL;
    stream s = {0};

    (void)state;
    CHECK_TRUE(mkdtemp(dir) != NULL);
    CHECK_ERR(olist_open(dir, (rt_str){0}, &s, NULL), RT_ENOTFOUND);
    write_tables(dir);
    (void)snprintf(path, sizeof(path), "%s/items.csv", dir);
    file = fopen(path, "wb");
    CHECK_TRUE(file != NULL);
    CHECK_TRUE(fputs("order_id,product_id,seller_id,price,freight_value\no1,x,s1,ten,1\n", file)
               >= 0);
    CHECK_INT(fclose(file), 0);

    CHECK_ERR(olist_open(dir, (rt_str){0}, &s, NULL), RT_EPROTO);
    CHECK_TRUE(strstr(rt_err_detail(), "items.csv:2: \"ten\" is no number") != NULL);
    remove_tables(dir);
}

static void
test_draft_cut_keeps_characters_whole(void **state)
{
    rt_str text = RT_STR("a\xc3\xb1\xe2\x82\xac"); // a ñ €

    (void)state;
    CHECK_STR(draft_cut(text, 6), "a\xc3\xb1\xe2\x82\xac");
    CHECK_STR(draft_cut(text, 5), "a\xc3\xb1");
    CHECK_STR(draft_cut(text, 4), "a\xc3\xb1");
    CHECK_STR(draft_cut(text, 2), "a");
    CHECK_STR(draft_cut(text, 0), "");
}

static void
test_draft_time_agrees_with_the_house_format(void **state)
{
    (void)state;
    for (int64_t at_ms = -3; at_ms < 1900; at_ms += 7) {
        int64_t when_ms = at_ms * 977 * 60001 + at_ms % 3 * 500;
        char want[RT_RFC3339_CAP];
        char got[32];
        size_t len = draft_format_time(when_ms, got);

        CHECK_STR(((rt_str){got, len}), rt_format_rfc3339(when_ms, want));
    }
}

static const char *
data_dir(char buf[512])
{
    const char *root = getenv("CEREBRO_DATA");
    struct stat info;
    const char *const tries[] = {root, "../shared/data", "../../shared/data"};

    for (size_t i = 0; i < RT_COUNT(tries); i++) {
        if (tries[i] != NULL) {
            (void)snprintf(buf, 512, "%s/olist", tries[i]);
            if (stat(buf, &info) == 0) {
                return buf;
            }
        }
    }
    return NULL;
}

static void
test_olist_real_tables_give_the_published_counts(void **state)
{
    char buf[512];
    const char *dir = data_dir(buf);
    stream s = {0};
    stream_event event = {0};
    olist_counts counts = {0};
    int64_t last_ms = 0;
    uint64_t total = 0;

    (void)state;
    if (dir == NULL) {
        print_message("SKIP: no olist tables (set CEREBRO_DATA)\n");
        skip();
    }
    CHECK_OK(olist_open(dir, RT_STR("demo"), &s, &counts));

    while (stream_next(&s, &event) == RT_OK) {
        CHECK_TRUE(event.time_ms >= last_ms);
        last_ms = event.time_ms;
        total++;
    }
    CHECK_U64(counts.orders, 17309);
    CHECK_U64(counts.events[OLIST_CREATED], 17309);
    CHECK_U64(counts.events[OLIST_APPROVED], 17309 - 149);
    CHECK_U64(counts.events[OLIST_SHIPPED], 17309 - 1782);
    CHECK_U64(counts.events[OLIST_DELIVERED], 14344);
    CHECK_U64(counts.late, 1044);
    CHECK_U64(total, s.total);
    print_message("olist: %llu events, %llu cancelled, %llu feedback, %llu reviews without order, "
                  "%llu steps moved\n",
                  (unsigned long long)total, (unsigned long long)counts.events[OLIST_CANCELLED],
                  (unsigned long long)counts.events[OLIST_FEEDBACK],
                  (unsigned long long)counts.reviews_without_order,
                  (unsigned long long)counts.clamped);
    stream_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_olist_rows_become_events_in_time_order),
        cmocka_unit_test(test_olist_missing_table_or_bad_cell_says_which),
        cmocka_unit_test(test_draft_cut_keeps_characters_whole),
        cmocka_unit_test(test_draft_time_agrees_with_the_house_format),
        cmocka_unit_test(test_olist_real_tables_give_the_published_counts),
    };

    return CHECK_RUN(tests);
}
