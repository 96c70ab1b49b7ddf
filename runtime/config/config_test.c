#include "runtime/config/config.h"

#include "tests/harness/check.h"

static const rt_param params[] = {
    {"journal.dir", RT_PARAM_STR, "/var/lib/cerebro/journal", 1, 255, "", "Directory."},
    {"journal.segment_bytes", RT_PARAM_SIZE_BYTES, "64MiB", 1 << 20, 1 << 30, "bytes", "Segment."},
    {"journal.sync", RT_PARAM_BOOL, "true", 0, 1, "", "Sync each group."},
    {"decide.deadline", RT_PARAM_DURATION_MS, "50ms", 1, 10000, "ms", "Wait for agents."},
    {"decide.threshold", RT_PARAM_F64, "0.5", 0, 1, "", "Least score."},
    {"limits.agents", RT_PARAM_I64, "15", 1, 15, "", "Agents."},
};
static const char *const extras[] = {"tenants", "sinks", NULL};

typedef struct fixture {
    rt_config *config;
    rt_diag *diag;
} fixture;

static int
setup(void **state)
{
    static fixture f;

    f.config = rt_config_new(params, RT_COUNT(params), extras);
    f.diag = rt_diag_new();
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_config_free(f->config);
    rt_diag_free(f->diag);
    return 0;
}

static rt_err
load(fixture *f, const char *file, const char *text)
{
    return rt_config_load_yaml(f->config, file, rt_str_of(text), f->diag);
}

static void
check_found(const fixture *f, size_t errors, const char *want)
{
    rt_text out;
    bool is_found = false;

    CHECK_INT(rt_diag_errors(f->diag), errors);
    rt_text_init(&out, 1 << 16);
    rt_diag_render(f->diag, &out);
    is_found = strstr(out.ptr, want) != NULL;
    if (!is_found) {
        print_error("%s\nlacks: %s\n", out.ptr, want);
    }
    rt_text_fini(&out);
    CHECK_TRUE(is_found);
}

static void
test_config_begins_with_defaults(void **state)
{
    fixture *f = *state;

    CHECK_CSTR(rt_config_str(f->config, "journal.dir"), "/var/lib/cerebro/journal");
    CHECK_INT(rt_config_i64(f->config, "journal.segment_bytes"), 64 << 20);
    CHECK_TRUE(rt_config_bool(f->config, "journal.sync"));
    CHECK_INT(rt_config_i64(f->config, "decide.deadline"), 50);
    CHECK_NEAR(rt_config_f64(f->config, "decide.threshold"), 0.5, 0);
    CHECK_CSTR(rt_config_origin(f->config, "limits.agents"), "default");
    CHECK_TRUE(rt_config_node(f->config, "tenants") == NULL);
}

static void
test_config_file_sets_values_with_their_line(void **state)
{
    fixture *f = *state;

    CHECK_OK(load(f, "brain.yaml",
                  "journal:\n  dir: /data\n  segment_bytes: 8MiB\n  sync: false\n"
                  "decide: {deadline: 2s, threshold: 1}\n"
                  "tenants:\n  - acme\n"));
    CHECK_CSTR(rt_config_str(f->config, "journal.dir"), "/data");
    CHECK_INT(rt_config_i64(f->config, "journal.segment_bytes"), 8 << 20);
    CHECK_FALSE(rt_config_bool(f->config, "journal.sync"));
    CHECK_INT(rt_config_i64(f->config, "decide.deadline"), 2000);
    CHECK_NEAR(rt_config_f64(f->config, "decide.threshold"), 1, 0);
    CHECK_CSTR(rt_config_origin(f->config, "journal.segment_bytes"), "brain.yaml:3");
    CHECK_CSTR(rt_config_origin(f->config, "limits.agents"), "default");
    CHECK_INT(rt_config_node(f->config, "tenants")->child_count, 1);
    CHECK_TRUE(rt_config_node(f->config, "sinks") == NULL);
}

static void
test_config_precedence_holds_in_any_order(void **state)
{
    fixture *f = *state;
    const char *const env[] = {
        "PATH=/bin", "CEREBRO_DECIDE__DEADLINE=300ms", "CEREBRO_LIMITS__AGENTS=7", NULL,
    };

    CHECK_OK(rt_config_set(f->config, RT_STR("limits.agents"), RT_STR("9"), "--set", f->diag));
    CHECK_OK(rt_config_load_env(f->config, env, f->diag));
    CHECK_OK(load(f, "a.yaml", "decide: {deadline: 1s, threshold: 0.1}\nlimits: {agents: 3}\n"));
    CHECK_OK(load(f, "b.yaml", "decide: {threshold: 0.2}\n"));
    CHECK_INT(rt_config_i64(f->config, "limits.agents"), 9);
    CHECK_CSTR(rt_config_origin(f->config, "limits.agents"), "--set");
    CHECK_INT(rt_config_i64(f->config, "decide.deadline"), 300);
    CHECK_CSTR(rt_config_origin(f->config, "decide.deadline"), "environment");
    CHECK_NEAR(rt_config_f64(f->config, "decide.threshold"), 0.2, 0);
    CHECK_CSTR(rt_config_origin(f->config, "decide.threshold"), "b.yaml:1");
}

static void
test_config_values_outlive_their_text(void **state)
{
    fixture *f = *state;
    char text[] = "journal: {dir: /srv/journal}\ntenants: [acme]\n";
    char value[] = "8";

    CHECK_OK(load(f, "brain.yaml", text));
    CHECK_OK(rt_config_set(f->config, RT_STR("limits.agents"), rt_str_of(value), "--set", f->diag));
    memset(text, '#', sizeof(text) - 1);
    memset(value, '#', sizeof(value) - 1);
    CHECK_CSTR(rt_config_str(f->config, "journal.dir"), "/srv/journal");
    CHECK_STR(rt_config_node(f->config, "tenants")->child->text, "acme");
    CHECK_INT(rt_config_i64(f->config, "limits.agents"), 8);
}

static void
test_config_all_findings_of_a_file_are_reported(void **state)
{
    fixture *f = *state;

    CHECK_ERR(load(f, "brain.yaml",
                   "journal:\n  segment_byte: 8MiB\n  sync: yes\n"
                   "limits:\n  agents: 16\n"
                   "decid: {}\n"),
              RT_ECONFIG);
    check_found(f, 4, "did you mean 'journal.segment_bytes'?");
    check_found(f, 4, "brain.yaml:3:9: error[B1002]: journal.sync must be a bool");
    check_found(f, 4, "error[B1003]: limits.agents must be from 1 to 15, is '16'");
    check_found(f, 4, "did you mean 'decide'?");
}

static void
test_config_wrong_shapes_are_reported(void **state)
{
    fixture *f = *state;

    CHECK_ERR(load(f, "a.yaml", "- journal\n"), RT_ECONFIG);
    check_found(f, 1, "a configuration is a map of sections");
    CHECK_ERR(load(f, "a.yaml", "journal: 5\n"), RT_ECONFIG);
    check_found(f, 2, "section journal must be a map");
    CHECK_ERR(load(f, "a.yaml", "limits: {agents: [1]}\n"), RT_ECONFIG);
    check_found(f, 3, "limits.agents must be a whole number");
    CHECK_ERR(load(f, "a.yaml", "limits: {agents: \"5\"}\n"), RT_ECONFIG);
    check_found(f, 4, "must be a whole number without quotes");
    CHECK_ERR(load(f, "a.yaml", "journal: {dir: }\n"), RT_ECONFIG);
    check_found(f, 5, "journal.dir must be a text");
    CHECK_ERR(load(f, "a.yaml", "journal.sync: true\n"), RT_ECONFIG);
    check_found(f, 6, "there is no section 'journal.sync'");
    CHECK_INT(rt_config_i64(f->config, "limits.agents"), 15);
}

static void
test_config_environment_errors_show_the_variable(void **state)
{
    fixture *f = *state;
    const char *const env[] = {
        "CEREBRO_DECIDE__DEADLNE=1s", "CEREBRO_DECIDE__DEADLINE=long", "CEREBRO_HOME=/x", NULL,
    };

    CHECK_ERR(rt_config_load_env(f->config, env, f->diag), RT_ECONFIG);
    check_found(f, 2, "did you mean 'decide.deadline'?");
    check_found(f, 2, "CEREBRO_DECIDE__DEADLINE=long");
    check_found(f, 2, "environment:1:26: error[B1002]");
}

static void
test_config_unknown_flag_name_is_error(void **state)
{
    fixture *f = *state;

    CHECK_ERR(rt_config_set(f->config, RT_STR("limits.agent"), RT_STR("1"), "--set", f->diag),
              RT_ECONFIG);
    check_found(f, 1, "did you mean 'limits.agents'?");
    CHECK_ERR(rt_config_set(f->config, RT_STR("limits.agents"), RT_STR("0"), "--set", f->diag),
              RT_ECONFIG);
    check_found(f, 2, "error[B1003]");
    CHECK_INT(rt_config_i64(f->config, "limits.agents"), 15);
}

static void
note_param(void *user, const rt_param *param, const char *value, const char *origin)
{
    rt_text_printf(user, "%s=%s (%s)\n", param->name, value, origin);
}

static void
test_config_each_visits_all_in_table_order(void **state)
{
    fixture *f = *state;
    rt_text out;

    CHECK_OK(load(f, "brain.yaml", "journal: {segment_bytes: 8MiB}\n"));
    rt_text_init(&out, 4096);
    rt_config_each(f->config, note_param, &out);
    CHECK_STR(rt_text_view(&out), "journal.dir=/var/lib/cerebro/journal (default)\n"
                                  "journal.segment_bytes=8MiB (brain.yaml:1)\n"
                                  "journal.sync=true (default)\n"
                                  "decide.deadline=50ms (default)\n"
                                  "decide.threshold=0.5 (default)\n"
                                  "limits.agents=15 (default)\n");
    rt_text_fini(&out);
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(test_config_begins_with_defaults),
        CONFIG_TEST(test_config_file_sets_values_with_their_line),
        CONFIG_TEST(test_config_precedence_holds_in_any_order),
        CONFIG_TEST(test_config_values_outlive_their_text),
        CONFIG_TEST(test_config_all_findings_of_a_file_are_reported),
        CONFIG_TEST(test_config_wrong_shapes_are_reported),
        CONFIG_TEST(test_config_environment_errors_show_the_variable),
        CONFIG_TEST(test_config_unknown_flag_name_is_error),
        CONFIG_TEST(test_config_each_visits_all_in_table_order),
    };

    return CHECK_RUN(tests);
}
