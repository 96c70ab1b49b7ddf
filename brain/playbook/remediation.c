// Design notes.
//
// Everything that can be wrong is found when the file is loaded, because a remediation runs when
// things are already going badly: unknown keys, missing texts, placeholders that nothing fills.
// What only the pack knows (action types, argument names) is checked where a whole set is compiled.

#include "brain/playbook/remediation.h"

#include "brain/playbook/keys.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

#define ARENA_MAX (4u * 1024 * 1024)

// The fields of anomaly.detected; the built-in catalogue declares them.
static const struct {
    const char *name;
    rt_kind kind;
    bool required;
} data_fields[] = {
    {"metric", RT_KIND_STR, true},         {"kind", RT_KIND_STR, false},
    {"scope", RT_KIND_STR, false},         {"value", RT_KIND_F64, true},
    {"expected_low", RT_KIND_F64, false},  {"expected_high", RT_KIND_F64, false},
    {"score", RT_KIND_F64, false},         {"severity", RT_KIND_STR, true},
    {"detectors", RT_KIND_STR, false},
};

static void
report(rt_diag *diag, const char *code, rt_mark mark, const char *help, const char *text)
{
    rt_diag_add(diag, RT_SEVERITY_ERROR, code, mark, help, "%s", text);
}

// Finds the next ${path}; false when there is none. An unclosed one has a path with NULL.
static bool
next_placeholder(rt_str text, size_t from, size_t *ret_at, size_t *ret_after, rt_str *ret_path)
{
    for (size_t i = from; i + 1 < text.len; i++) {
        if (text.ptr[i] != '$' || text.ptr[i + 1] != '{') {
            continue;
        }
        const char *open = text.ptr + i + 2;
        const char *close = memchr(open, '}', text.len - i - 2);
        *ret_at = i;
        if (close == NULL) {
            *ret_path = (rt_str){NULL, 0};
            *ret_after = text.len;
            return true;
        }
        *ret_path = (rt_str){open, (size_t)(close - open)};
        *ret_after = (size_t)(close - text.ptr) + 1;
        return true;
    }
    return false;
}

static bool
is_known_path(rt_str path)
{
    if (rt_str_is(path, "event.subject") || rt_str_is(path, "scope.kind") ||
        rt_str_is(path, "scope.key")) {
        return true;
    }
    if (!rt_str_starts(path, RT_STR("data."))) {
        return false;
    }
    rt_str field = {path.ptr + 5, path.len - 5};
    for (size_t i = 0; i < RT_COUNT(data_fields); i++) {
        if (rt_str_is(field, data_fields[i].name)) {
            return true;
        }
    }
    return false;
}

static const char *
suggest_path(rt_str path, char *buf, size_t cap)
{
    static const char *const others[] = {"event.subject", "scope.kind", "scope.key"};
    rt_str names[RT_COUNT(data_fields) + RT_COUNT(others)];
    char texts[RT_COUNT(data_fields)][32];
    size_t n = 0;

    for (size_t i = 0; i < RT_COUNT(data_fields); i++) {
        size_t len = strlen(data_fields[i].name);
        memcpy(texts[i], "data.", 5);
        memcpy(texts[i] + 5, data_fields[i].name, len);
        names[n++] = (rt_str){texts[i], 5 + len};
    }
    for (size_t i = 0; i < RT_COUNT(others); i++) {
        names[n++] = rt_str_of(others[i]);
    }
    return rt_diag_did_you_mean(path, names, n, buf, cap);
}

static void
check_template(const rt_node *node, rt_diag *diag)
{
    size_t at = 0;
    size_t after = 0;
    rt_str path;
    char help[96];

    while (next_placeholder(node->text, after, &at, &after, &path)) {
        if (path.ptr == NULL) {
            report(diag, "B2306", rt_node_mark_at(node, at, 2), "close it with }",
                   "unclosed placeholder");
        } else if (!is_known_path(path)) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2306", rt_node_mark_at(node, at, after - at),
                        suggest_path(path, help, sizeof(help)), "unknown placeholder '%.*s'",
                        RT_STR_ARG(path));
        }
    }
}

// A text with placeholders, checked.
static rt_str
read_template(const rt_node *map, const char *key, rt_diag *diag)
{
    const rt_node *node = br_key_node(map, key);

    if (node == NULL) {
        return RT_STR("");
    }
    check_template(node, diag);
    return node->text;
}

rt_value
br_remediation_value(const rt_node *node)
{
    rt_value value = RT_TEXT(node->text);

    if (node->style != RT_SCALAR_PLAIN) {
        return value;
    }
    if (rt_str_is(node->text, "true") || rt_str_is(node->text, "false")) {
        return RT_BOOL(rt_str_is(node->text, "true"));
    }
    if (rt_parse_i64(node->text, &value.i) == RT_OK) {
        value.kind = RT_KIND_I64;
    } else if (rt_parse_f64(node->text, &value.f) == RT_OK) {
        value.kind = RT_KIND_F64;
    } else {
        value = RT_TEXT(node->text);
    }
    return value;
}

static void
read_args(const rt_node *args, br_remediation_step *step, rt_diag *diag)
{
    for (const rt_node *node = args->child; node != NULL; node = node->next) {
        if (step->arg_count == BR_REMEDIATION_ARGS_MAX) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2305", node->key_mark, NULL,
                        "a step has at most %d arguments", BR_REMEDIATION_ARGS_MAX);
            return;
        }
        if (node->kind != RT_NODE_SCALAR) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2305", node->mark, NULL,
                        "argument '%.*s' is no single value", RT_STR_ARG(node->key));
            continue;
        }
        if (node->text.len > BR_REMEDIATION_TEXT_MAX) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2306", node->mark, NULL,
                        "a text has at most %d bytes", BR_REMEDIATION_TEXT_MAX);
            continue;
        }
        check_template(node, diag);
        step->args[step->arg_count++] = (br_remediation_arg){node->key, br_remediation_value(node)};
    }
}

static void
read_step(const rt_node *node, br_remediation_step *step, rt_diag *diag)
{
    const rt_node *args = br_key_map(node, "args");
    const rt_node *action = br_key_node(node, "action");

    if (action != NULL) {
        step->action = action->text;
        step->action_mark = action->mark;
    }
    step->target = read_template(node, "target", diag);
    step->note = br_key_str(&br_block_remediation_step, node, "note");
    step->wait_ms = br_key_duration_ms(&br_block_remediation_step, node, "wait");
    if (args != NULL) {
        read_args(args, step, diag);
    }
}

static void
read_steps(const rt_node *root, br_remediation *into, rt_diag *diag)
{
    const rt_node *steps = br_key_list(root, "steps");

    for (const rt_node *node = steps != NULL ? steps->child : NULL;
         node != NULL && into->step_count < BR_REMEDIATION_STEPS_MAX; node = node->next) {
        read_step(node, &into->steps[into->step_count++], diag);
    }
}

static void
read_escalate(const rt_node *root, br_remediation *into, rt_diag *diag)
{
    const rt_node *node = br_key_map(root, "escalate");

    into->escalate_text = read_template(node, "text", diag);
    into->escalate_severity = br_key_str(&br_block_remediation_end, node, "severity");
}

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    for (size_t i = 0; i < RT_COUNT(data_fields); i++) {
        if (rt_str_starts(path, RT_STR("data.")) &&
            rt_str_is((rt_str){path.ptr + 5, path.len - 5}, data_fields[i].name)) {
            *ret_var = (br_expr_var){.slot = (uint32_t)i,
                                     .kind = data_fields[i].kind,
                                     .maybe_absent = !data_fields[i].required};
            return true;
        }
    }
    return false;
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    static const char *const names[] = {
        "data.metric",       "data.kind",          "data.scope", "data.value",
        "data.expected_low", "data.expected_high", "data.score", "data.severity",
        "data.detectors",
    };
    size_t count = RT_MIN(max, RT_COUNT(names));

    (void)user;
    (void)path;
    for (size_t i = 0; i < count; i++) {
        ret_names[i] = rt_str_of(names[i]);
    }
    return count;
}

static void
read_when(const rt_node *root, br_remediation *into, rt_diag *diag)
{
    static const br_expr_env env = {.resolve = resolve, .suggest = suggest};
    const rt_node *when = br_key_node(root, "when");
    rt_err err;

    if (when == NULL) {
        return;
    }
    err = br_expr_compile(when->text, when, &env, RT_KIND_BOOL, diag, &into->when);
    if (err != RT_OK && err != RT_ECONFIG) {
        report(diag, "B2303", when->mark, NULL, "`when` cannot be compiled");
    }
}

static void
read_root(const rt_node *root, br_remediation *into, rt_diag *diag)
{
    br_keys_check(&br_block_remediation, root, diag);
    if (!rt_str_is(br_key_str(&br_block_remediation, root, "kind"), "remediation")) {
        report(diag, "B2302", root->mark, NULL, "the first key is `kind: remediation`");
    }
    into->id = br_key_str(&br_block_remediation, root, "id");
    into->anomaly = br_key_str(&br_block_remediation, root, "for");
    into->doc = br_key_str(&br_block_remediation, root, "doc");
    into->owner = br_key_str(&br_block_remediation, root, "owner");
    into->priority = br_key_i64(&br_block_remediation, root, "priority");
    read_when(root, into, diag);
    read_steps(root, into, diag);
    read_escalate(root, into, diag);
}

rt_err
br_remediation_of(const char *file, const rt_node *root, rt_diag *diag, br_remediation **ret)
{
    br_remediation *into = rt_new(br_remediation);
    size_t before = rt_diag_errors(diag);

    RT_ASSERT(ret != NULL);
    read_root(root, into, diag);
    if (rt_diag_errors(diag) > before) {
        br_remediation_free(into);
        return rt_fail(RT_ECONFIG, "%s: not a valid remediation", file);
    }
    *ret = into;
    return RT_OK;
}

rt_err
br_remediation_parse(const char *file, rt_str text, rt_diag *diag, br_remediation **ret)
{
    rt_arena *arena = rt_arena_new(ARENA_MAX);
    rt_node *root = NULL;
    rt_err err;

    RT_ASSERT(diag != NULL);
    err = rt_yaml_parse(file, text, arena, diag, &root);
    if (err == RT_OK) {
        err = br_remediation_of(file, root, diag, ret);
    }
    if (err != RT_OK) {
        rt_arena_free(arena);
        return err;
    }
    (*ret)->arena = arena;
    return RT_OK;
}

void
br_remediation_free(br_remediation *remediation)
{
    if (remediation != NULL) {
        br_expr_free(remediation->when);
        rt_arena_free(remediation->arena);
        rt_free(remediation);
    }
}

typedef struct fields {
    rt_value (*field)(const void *user, const char *name);
    const void *user;
} fields;

static rt_value
load(const void *user, uint32_t slot)
{
    const fields *from = user;

    return from->field(from->user, data_fields[slot].name);
}

bool
br_remediation_applies(const br_remediation *remediation,
                       rt_value (*field)(const void *user, const char *name), const void *user)
{
    const fields from = {field, user};
    br_expr_result result;
    rt_arena *arena;
    bool holds;

    if (remediation->when == NULL) {
        return true;
    }
    arena = rt_arena_new(BR_REMEDIATION_TEXT_MAX * 64);
    br_expr_eval(remediation->when, load, &from, arena, &result);
    holds = br_expr_is_true(&result);
    rt_arena_free(arena);
    return holds;
}

rt_err
br_remediation_fill(rt_str source, br_remediation_lookup lookup, void *user, rt_text *out)
{
    size_t done = 0;
    size_t at;
    size_t after;
    rt_str path;

    while (next_placeholder(source, done, &at, &after, &path)) {
        rt_text_put(out, source.ptr + done, at - done);
        if (path.ptr == NULL || !lookup(user, path, out)) {
            return rt_fail(RT_EMISSING, "placeholder '%.*s' has no value", RT_STR_ARG(path));
        }
        done = after;
    }
    rt_text_put(out, source.ptr + done, source.len - done);
    return out->truncated ? rt_fail(RT_ELIMIT, "text longer than %zu bytes", out->max) : RT_OK;
}
