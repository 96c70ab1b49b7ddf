#include "tools/replay/olist_tables.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/base/map.h"
#include "runtime/base/text.h"
#include "tools/replay/csv.h"

// Design notes.
// Small tables (customers, products, sellers, categories) are maps from key to row; items are
// folded into their order as they are read. A missing number stays zero and is left out of the
// event later; a row that points nowhere is passed over, because the tables are samples.
// Timestamps carry no zone and are taken as UTC, as all published figures on this data do.

#define OLIST_PATH_MAX 1024
#define OLIST_ROWS_MAX ((size_t)8 << 20)

// A table being read: its file, where the wanted columns stand, and the current record.
typedef struct table {
    csv *file;
    const rt_str *fields;
    size_t at[8];
} table;

typedef struct product {
    rt_str category;
    double weight_g;
    double volume_cm3;
} product;

typedef struct customer {
    rt_str person;
    rt_str city;
    rt_str state;
} customer;

// Rows of one kind with an index by key.
typedef struct shelf {
    rt_map *index;
    void *rows;
    size_t row_bytes;
    size_t count;
    size_t cap;
} shelf;

typedef struct loader {
    const char *dir;
    olist_tables *tables;
    shelf orders;     // olist_order by order_id
    shelf reviews;    // olist_review, not indexed
    shelf customers;  // customer by customer_id
    shelf products;   // product by product_id
    shelf sellers;    // state (rt_str) by seller_id
    shelf categories; // English name (rt_str) by the Portuguese one
} loader;

static void
shelf_init(shelf *s, size_t row_bytes)
{
    *s = (shelf){.index = rt_map_new(), .row_bytes = row_bytes};
}

static void
shelf_fini(shelf *s)
{
    rt_map_free(s->index);
    rt_free(s->rows);
}

// Adds a zeroed row under a key (empty: not indexed); NULL when the key is there already.
static void *
shelf_add(shelf *s, rt_str key)
{
    uint8_t *row = NULL;

    if (key.len > 0 && rt_map_get(s->index, rt_bytes_of_str(key), &(uint64_t){0})) {
        return NULL;
    }
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 1024 : s->cap * 2;
        s->rows = rt_realloc(s->rows, s->cap * s->row_bytes);
    }
    if (key.len > 0) {
        (void)rt_map_put(s->index, rt_bytes_of_str(key), s->count); // new, asked above
    }
    row = (uint8_t *)s->rows + s->count * s->row_bytes;
    memset(row, 0, s->row_bytes);
    s->count++;
    return row;
}

static void *
shelf_find(const shelf *s, rt_str key)
{
    uint64_t row = 0;

    if (!rt_map_get(s->index, rt_bytes_of_str(key), &row)) {
        return NULL;
    }
    return (uint8_t *)s->rows + row * s->row_bytes;
}

static bool
find_file(const char *dir, const char *name, char path[OLIST_PATH_MAX])
{
    static const char *const forms[][2] = {
        {"", ""}, {"", "_part"}, {"olist_", "_dataset"}, {"olist_order_", "_dataset"}};

    for (size_t i = 0; i < RT_COUNT(forms); i++) {
        int len = snprintf(path, OLIST_PATH_MAX, "%s/%s%s%s.csv", dir, forms[i][0], name,
                           forms[i][1]);
        FILE *file = len > 0 && len < OLIST_PATH_MAX ? fopen(path, "rbe") : NULL;

        if (file != NULL) {
            (void)fclose(file); // only looked whether it opens
            return true;
        }
    }
    return false;
}

static rt_err
open_table(loader *l, const char *name, const char *const *columns, size_t count, table *ret_table)
{
    char path[OLIST_PATH_MAX];
    table t = {0};
    rt_err err = RT_OK;

    RT_ASSERT(count <= RT_COUNT(t.at));
    if (!find_file(l->dir, name, path)) {
        return rt_fail(RT_ENOTFOUND, "%s holds no table %s.csv", l->dir, name);
    }
    err = csv_open(path, &t.file);
    if (err != RT_OK) {
        return err;
    }
    RT_ASSERT(l->tables->file_count < RT_COUNT(l->tables->files));
    l->tables->files[l->tables->file_count++] = t.file;
    for (size_t i = 0; i < count && err == RT_OK; i++) {
        err = csv_column(t.file, columns[i], &t.at[i]);
    }
    if (err == RT_OK) {
        *ret_table = t;
    }
    return err;
}

static rt_err
next_row(table *t)
{
    return csv_next(t->file, &t->fields);
}

static rt_str
cell(const table *t, size_t column)
{
    return t->fields[t->at[column]];
}

static rt_err
bad_cell(const table *t, const char *expected, rt_str text)
{
    return rt_fail(RT_EPROTO, "%s:%llu: \"%.*s\" is no %s", csv_name(t->file),
                   (unsigned long long)csv_line(t->file), RT_STR_ARG(text), expected);
}

// Reads "2017-11-25 22:14:09"; an empty cell is OLIST_NEVER.
static rt_err
read_time(const table *t, size_t column, int64_t *ret_ms)
{
    rt_str text = cell(t, column);
    char rfc[RT_RFC3339_CAP];
    int len = 0;

    if (text.len == 0) {
        *ret_ms = OLIST_NEVER;
        return RT_OK;
    }
    len = snprintf(rfc, sizeof(rfc), "%.*sZ", (int)RT_MIN(text.len, sizeof(rfc)), text.ptr);
    if (len >= (int)sizeof(rfc)
        || rt_parse_rfc3339((rt_str){rfc, (size_t)len}, ret_ms) != RT_OK) {
        return bad_cell(t, "timestamp", text);
    }
    return RT_OK;
}

// Reads a number; an empty cell is 0.
static rt_err
read_number(const table *t, size_t column, double *ret_value)
{
    rt_str text = cell(t, column);

    if (text.len == 0) {
        *ret_value = 0;
        return RT_OK;
    }
    return rt_parse_f64(text, ret_value) == RT_OK ? RT_OK : bad_cell(t, "number", text);
}

static rt_err
load_categories(loader *l)
{
    static const char *const columns[] = {"product_category_name", "product_category_name_english"};
    char path[OLIST_PATH_MAX];
    table t = {0};
    rt_err err = RT_OK;

    if (!find_file(l->dir, "product_category_name_translation", path)) {
        return RT_OK; // then categories keep their Portuguese names
    }
    err = open_table(l, "product_category_name_translation", columns, RT_COUNT(columns), &t);
    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        rt_str *name = shelf_add(&l->categories, cell(&t, 0));

        if (name != NULL) {
            *name = cell(&t, 1);
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
load_products(loader *l)
{
    static const char *const columns[] = {"product_id",        "product_category_name",
                                          "product_weight_g",  "product_length_cm",
                                          "product_height_cm", "product_width_cm"};
    table t = {0};
    rt_err err = open_table(l, "products", columns, RT_COUNT(columns), &t);

    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        double side[3] = {0, 0, 0};
        product p = {.category = cell(&t, 1)};
        const rt_str *english = shelf_find(&l->categories, p.category);
        product *row = NULL;

        p.category = english != NULL ? *english : p.category;
        err = read_number(&t, 2, &p.weight_g);
        for (size_t i = 0; i < 3 && err == RT_OK; i++) {
            err = read_number(&t, 3 + i, &side[i]);
        }
        p.volume_cm3 = side[0] * side[1] * side[2];
        row = err == RT_OK ? shelf_add(&l->products, cell(&t, 0)) : NULL;
        if (row != NULL) {
            *row = p;
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
load_customers(loader *l)
{
    static const char *const columns[] = {"customer_id", "customer_unique_id", "customer_city",
                                          "customer_state"};
    table t = {0};
    rt_err err = open_table(l, "customers", columns, RT_COUNT(columns), &t);

    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        customer *row = shelf_add(&l->customers, cell(&t, 0));

        if (row != NULL) {
            *row = (customer){cell(&t, 1), cell(&t, 2), cell(&t, 3)};
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
load_sellers(loader *l)
{
    static const char *const columns[] = {"seller_id", "seller_state"};
    table t = {0};
    rt_err err = open_table(l, "sellers", columns, RT_COUNT(columns), &t);

    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        rt_str *state = shelf_add(&l->sellers, cell(&t, 0));

        if (state != NULL) {
            *state = cell(&t, 1);
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
read_order(const loader *l, const table *t, olist_order *ret_order)
{
    const customer *who = shelf_find(&l->customers, cell(t, 1));
    olist_order o = {.id = cell(t, 0), .status = cell(t, 2), .customer = cell(t, 1)};
    rt_err err = read_time(t, 3, &o.purchased_ms);

    if (who != NULL) {
        o.customer = who->person;
        o.city = who->city;
        o.state = who->state;
    }
    err = err == RT_OK ? read_time(t, 4, &o.approved_ms) : err;
    err = err == RT_OK ? read_time(t, 5, &o.shipped_ms) : err;
    err = err == RT_OK ? read_time(t, 6, &o.delivered_ms) : err;
    err = err == RT_OK ? read_time(t, 7, &o.promised_ms) : err;
    if (err == RT_OK && (o.purchased_ms == OLIST_NEVER || o.promised_ms == OLIST_NEVER)) {
        return bad_cell(t, "order with purchase and estimated date", o.id);
    }
    if (err == RT_OK) {
        *ret_order = o;
    }
    return err;
}

static rt_err
load_orders(loader *l)
{
    static const char *const columns[] = {"order_id",
                                          "customer_id",
                                          "order_status",
                                          "order_purchase_timestamp",
                                          "order_approved_at",
                                          "order_delivered_carrier_date",
                                          "order_delivered_customer_date",
                                          "order_estimated_delivery_date"};
    table t = {0};
    rt_err err = open_table(l, "orders", columns, RT_COUNT(columns), &t);

    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        olist_order order = {0};
        olist_order *row = NULL;

        err = read_order(l, &t, &order);
        if (err == RT_OK && l->orders.count == OLIST_ROWS_MAX) {
            err = rt_fail(RT_ELIMIT, "more than %zu orders", OLIST_ROWS_MAX);
        }
        row = err == RT_OK ? shelf_add(&l->orders, order.id) : NULL;
        if (row != NULL) {
            *row = order;
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static void
add_item(const loader *l, const table *t, olist_order *order)
{
    const product *p = shelf_find(&l->products, cell(t, 1));

    if (order->items == 0) { // items of an order stand together, the first one first
        const rt_str *state = shelf_find(&l->sellers, cell(t, 2));

        order->seller = cell(t, 2);
        order->seller_state = state != NULL ? *state : (rt_str){NULL, 0};
        order->category = p != NULL ? p->category : (rt_str){NULL, 0};
    }
    order->items++;
    if (p != NULL) {
        order->weight_g += p->weight_g;
        order->volume_cm3 += p->volume_cm3;
    }
}

static rt_err
load_items(loader *l)
{
    static const char *const columns[] = {"order_id", "product_id", "seller_id", "price",
                                          "freight_value"};
    table t = {0};
    rt_err err = open_table(l, "items", columns, RT_COUNT(columns), &t);

    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        olist_order *order = shelf_find(&l->orders, cell(&t, 0));
        double price = 0;
        double freight = 0;

        if (order == NULL) {
            continue;
        }
        err = read_number(&t, 3, &price);
        err = err == RT_OK ? read_number(&t, 4, &freight) : err;
        order->value += price;
        order->freight += freight;
        add_item(l, &t, order);
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
read_review(loader *l, const table *t)
{
    olist_order *order = shelf_find(&l->orders, cell(t, 0));
    int64_t answered_ms = 0;
    double score = 0;
    rt_err err = read_time(t, 4, &answered_ms);

    err = err == RT_OK ? read_number(t, 1, &score) : err;
    if (err != RT_OK) {
        return err;
    }
    if (answered_ms == OLIST_NEVER || score < 1 || score > 5) {
        return bad_cell(t, "review with answer time and a score from 1 to 5", cell(t, 1));
    }
    if (order == NULL) {
        l->tables->reviews_without_order++;
        return RT_OK;
    }
    order->reviews++;
    *(olist_review *)shelf_add(&l->reviews, (rt_str){NULL, 0}) =
        (olist_review){.order = (uint32_t)(order - (olist_order *)l->orders.rows),
                       .nth = order->reviews,
                       .answered_ms = answered_ms,
                       .score = (int64_t)score,
                       .title = cell(t, 2),
                       .text = cell(t, 3)};
    return RT_OK;
}

static rt_err
load_reviews(loader *l)
{
    static const char *const columns[] = {"order_id", "review_score", "review_comment_title",
                                          "review_comment_message", "review_answer_timestamp"};
    char path[OLIST_PATH_MAX];
    table t = {0};
    rt_err err = RT_OK;

    if (!find_file(l->dir, "reviews", path)) {
        return RT_OK; // then the stream has no feedback
    }
    err = open_table(l, "reviews", columns, RT_COUNT(columns), &t);
    while (err == RT_OK && (err = next_row(&t)) == RT_OK) {
        err = read_review(l, &t);
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
load_all(loader *l)
{
    rt_err (*const steps[])(loader *) = {load_categories, load_products, load_customers,
                                         load_sellers,    load_orders,   load_items,
                                         load_reviews};

    for (size_t i = 0; i < RT_COUNT(steps); i++) {
        rt_err err = steps[i](l);

        if (err != RT_OK) {
            return err;
        }
    }
    return RT_OK;
}

rt_err
olist_tables_load(const char *dir, olist_tables **ret_tables)
{
    olist_tables *tables = rt_new(olist_tables);
    loader l = {.dir = dir, .tables = tables};
    rt_err err = RT_OK;

    shelf_init(&l.orders, sizeof(olist_order));
    shelf_init(&l.reviews, sizeof(olist_review));
    shelf_init(&l.customers, sizeof(customer));
    shelf_init(&l.products, sizeof(product));
    shelf_init(&l.sellers, sizeof(rt_str));
    shelf_init(&l.categories, sizeof(rt_str));
    err = load_all(&l);
    tables->orders = l.orders.rows;
    tables->order_count = l.orders.count;
    tables->reviews = l.reviews.rows;
    tables->review_count = l.reviews.count;
    l.orders.rows = NULL; // now the tables' own
    l.reviews.rows = NULL;
    shelf_fini(&l.orders);
    shelf_fini(&l.reviews);
    shelf_fini(&l.customers);
    shelf_fini(&l.products);
    shelf_fini(&l.sellers);
    shelf_fini(&l.categories);
    if (err != RT_OK) {
        olist_tables_free(tables);
        return err;
    }
    *ret_tables = tables;
    return RT_OK;
}

void
olist_tables_free(olist_tables *tables)
{
    if (tables == NULL) {
        return;
    }
    for (size_t i = 0; i < tables->file_count; i++) {
        csv_close(tables->files[i]);
    }
    rt_free(tables->orders);
    rt_free(tables->reviews);
    rt_free(tables);
}
