#include "brain/agent/fifo.h"
#include "tests/harness/check.h"

static rt_store *store;
static rt_table *table;

static int
setup(void **state)
{
    (void)state;
    store = rt_store_open_memory();
    CHECK_OK(rt_store_table(store, 1, "rows", &table));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    rt_store_close(store);
    return 0;
}

static void
push(br_fifo fifo, int64_t at_ms, const char *value)
{
    br_fifo_push(fifo, at_ms, rt_bytes_of_str(rt_str_of(value)));
}

static void
check_head(br_fifo fifo, int64_t at_ms, const char *value)
{
    int64_t head_ms = 0;
    rt_bytes head;

    CHECK_TRUE(br_fifo_head(fifo, &head_ms, &head));
    CHECK_INT(head_ms, at_ms);
    CHECK_STR(rt_str_of_bytes(head), value);
}

static void
test_fifo_gives_back_in_order_and_leaves_no_rows(void **state)
{
    br_fifo fifo = {table, {1}, "orders"};
    int64_t at_ms;
    rt_bytes value;

    (void)state;
    CHECK_FALSE(br_fifo_head(fifo, &at_ms, &value));
    br_fifo_pop(fifo); // nothing happens
    push(fifo, 10, "a");
    push(fifo, 5, "");
    CHECK_U64(br_fifo_count(fifo), 2);
    check_head(fifo, 10, "a");
    br_fifo_pop(fifo);
    check_head(fifo, 5, "");
    push(fifo, 20, "c");
    br_fifo_pop(fifo);
    check_head(fifo, 20, "c");
    br_fifo_pop(fifo);
    CHECK_U64(br_fifo_count(fifo), 0);
    CHECK_FALSE(br_fifo_head(fifo, &at_ms, &value));
    CHECK_U64(rt_table_count(table), 1); // the bounds
}

static void
test_fifo_queues_and_tenants_are_apart(void **state)
{
    br_fifo orders = {table, {1}, "orders"};
    br_fifo others = {table, {1}, "others"};
    br_fifo second = {table, {2}, "orders"};

    (void)state;
    push(orders, 1, "a");
    push(others, 2, "b");
    push(second, 3, "c");
    br_fifo_pop(orders);
    CHECK_U64(br_fifo_count(orders), 0);
    check_head(others, 2, "b");
    check_head(second, 3, "c");
}

static void
test_fifo_is_undone_with_its_savepoint(void **state)
{
    br_fifo fifo = {table, {1}, "orders"};

    (void)state;
    push(fifo, 1, "a");
    rt_store_savepoint(store);
    br_fifo_pop(fifo);
    push(fifo, 2, "b");
    rt_store_rollback(store);
    CHECK_U64(br_fifo_count(fifo), 1);
    check_head(fifo, 1, "a");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fifo_gives_back_in_order_and_leaves_no_rows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_fifo_queues_and_tenants_are_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fifo_is_undone_with_its_savepoint, setup, teardown),
    };
    return CHECK_RUN(tests);
}
