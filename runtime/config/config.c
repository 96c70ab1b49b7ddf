#include "runtime/config/config.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// One slot for each declared parameter, with its text, its typed value, where it came from and the
// rank of that source. A value is replaced only by a source of the same or a higher rank, so the
// precedence holds in whatever order sources are applied. Texts and the trees of extra keys live in
// one arena as long as the configuration: a reload makes a new configuration.
//
// Each source reports all its findings before it fails, so that an operator mends a file once and
// not once a line. After a failure the configuration may hold some of the source's values: the
// caller discards it.

#define CONFIG_MAGIC 0xc0f16001u
#define CONFIG_BYTES_MAX (16u * 1024 * 1024)
#define NAME_MAX 128
#define HELP_MAX 256
#define SUGGESTIONS_MAX 256
#define ENV_PREFIX "CEREBRO_"
#define CODE_UNKNOWN "B1001"
#define CODE_TYPE "B1002"
#define CODE_RANGE "B1003"
#define CODE_SHAPE "B1004"

typedef enum rank { RANK_DEFAULT, RANK_FILE, RANK_ENVIRONMENT, RANK_FLAG } rank;

typedef struct slot {
    rt_param_value value;
    const char *text;
    const char *origin;
    rank rank;
} slot;

typedef struct extra {
    const char *key;
    const rt_node *node;
} extra;

struct rt_config {
    uint32_t magic;
    const rt_param *params;
    slot *slots;
    size_t count;
    extra *extras;
    size_t extra_count;
    rt_arena *arena;
};

rt_config *
rt_config_new(const rt_param *params, size_t count, const char *const *extra_keys)
{
    rt_config *config = rt_new(rt_config);

    RT_ASSERT(params != NULL || count == 0);
    config->magic = CONFIG_MAGIC;
    config->params = params;
    config->count = count;
    config->arena = rt_arena_new(CONFIG_BYTES_MAX);
    config->slots = rt_new_array(slot, RT_MAX(count, (size_t)1));
    for (size_t i = 0; i < count; i++) {
        config->slots[i] = (slot){
            .value = rt_param_fallback(&params[i]),
            .text = params[i].fallback,
            .origin = "default",
            .rank = RANK_DEFAULT,
        };
    }
    while (extra_keys != NULL && extra_keys[config->extra_count] != NULL) {
        config->extra_count++;
    }
    config->extras = rt_new_array(extra, RT_MAX(config->extra_count, (size_t)1));
    for (size_t i = 0; i < config->extra_count; i++) {
        RT_ASSERT(extra_keys != NULL);
        config->extras[i].key = extra_keys[i];
    }
    return config;
}

void
rt_config_free(rt_config *config)
{
    if (config == NULL) {
        return;
    }
    RT_CHECK(config, CONFIG_MAGIC);
    rt_arena_free(config->arena);
    rt_free(config->slots);
    rt_free(config->extras);
    config->magic = 0;
    rt_free(config);
}

static bool
find_param(const rt_config *config, rt_str name, size_t *ret_index)
{
    for (size_t i = 0; i < config->count; i++) {
        if (rt_str_is(name, config->params[i].name)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

// The part of a parameter's name before the dot, empty when it has none.
static rt_str
section_of(const rt_param *param)
{
    const char *dot = strchr(param->name, '.');

    return dot != NULL ? (rt_str){param->name, (size_t)(dot - param->name)} : RT_STR("");
}

static bool
is_section(const rt_config *config, rt_str key)
{
    for (size_t i = 0; i < config->count; i++) {
        if (key.len > 0 && rt_str_equal(section_of(&config->params[i]), key)) {
            return true;
        }
    }
    return false;
}

// A suggestion for an unknown full name.
static const char *
suggest_name(const rt_config *config, rt_str name, char *buf, size_t cap)
{
    rt_str names[SUGGESTIONS_MAX];
    size_t count = 0;

    for (; count < config->count && count < SUGGESTIONS_MAX; count++) {
        names[count] = rt_str_of(config->params[count].name);
    }
    return rt_diag_did_you_mean(name, names, count, buf, cap);
}

// A suggestion for an unknown top-level key: a section, an extra key or a parameter without one.
static const char *
suggest_top(const rt_config *config, rt_str key, char *buf, size_t cap)
{
    rt_str names[SUGGESTIONS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < config->extra_count && count < SUGGESTIONS_MAX; i++) {
        names[count++] = rt_str_of(config->extras[i].key);
    }
    for (size_t i = 0; i < config->count && count < SUGGESTIONS_MAX; i++) {
        rt_str section = section_of(&config->params[i]);

        names[count++] = section.len > 0 ? section : rt_str_of(config->params[i].name);
    }
    return rt_diag_did_you_mean(key, names, count, buf, cap);
}

// Copies into the configuration's arena; NULL when it is full.
static const char *
keep(rt_config *config, rt_str text)
{
    return rt_arena_str(config->arena, text).ptr;
}

// Where a value stands and what it outranks.
typedef struct source {
    rank rank;
    const char *origin; // NULL: file and line of the mark
    const char *file;
    rt_diag *diag;
} source;

static rt_err
set_value(rt_config *config, size_t index, rt_str text, rt_mark mark, const source *from)
{
    slot *s = &config->slots[index];
    const char *name = config->params[index].name;
    const char *kept = keep(config, text);
    rt_param_value value;
    rt_err err = RT_OK;

    if (kept == NULL) {
        return rt_fail(RT_ENOMEM, "the configuration is larger than %u bytes", CONFIG_BYTES_MAX);
    }
    err = rt_param_parse(&config->params[index], (rt_str){kept, text.len}, &value);
    if (err != RT_OK) {
        rt_diag_add(from->diag, RT_SEVERITY_ERROR, err == RT_ERANGE ? CODE_RANGE : CODE_TYPE, mark,
                    config->params[index].help, "%s %s", name, rt_err_detail());
        return RT_OK;
    }
    if (from->rank < s->rank) {
        return RT_OK;
    }
    *s = (slot){.value = value, .text = kept, .origin = from->origin, .rank = from->rank};
    if (s->origin == NULL) {
        s->origin = rt_arena_printf(config->arena, "%s:%u", from->file, mark.line).ptr;
    }
    if (s->origin == NULL) {
        return rt_fail(RT_ENOMEM, "the configuration is larger than %u bytes", CONFIG_BYTES_MAX);
    }
    return RT_OK;
}

// Whether a plain scalar would mean nothing or null in YAML, which no parameter can be.
static bool
is_null(const rt_node *node)
{
    return node->style == RT_SCALAR_PLAIN &&
           (node->text.len == 0 || rt_str_is(node->text, "~") || rt_str_is(node->text, "null"));
}

// A quoted "5" is text: it does not pass for a number.
static bool
is_quoted_number(const rt_param *param, const rt_node *node)
{
    bool is_plain_type = param->type == RT_PARAM_BOOL || param->type == RT_PARAM_I64 ||
                         param->type == RT_PARAM_F64;

    return is_plain_type && node->style != RT_SCALAR_PLAIN;
}

static rt_err
set_node(rt_config *config, size_t index, const rt_node *node, const source *from)
{
    const rt_param *param = &config->params[index];

    if (node->kind != RT_NODE_SCALAR || is_null(node) || is_quoted_number(param, node)) {
        rt_diag_add(from->diag, RT_SEVERITY_ERROR, CODE_TYPE, node->mark, param->help,
                    "%s must be a %s%s", param->name, rt_param_type_name(param->type),
                    node->kind == RT_NODE_SCALAR && !is_null(node) ? " without quotes" : "");
        return RT_OK;
    }
    return set_value(config, index, node->text, node->mark, from);
}

static rt_err
load_section(rt_config *config, const rt_node *section, const source *from)
{
    char buf[NAME_MAX];
    char help[HELP_MAX];
    rt_err err = RT_OK;

    if (section->kind != RT_NODE_MAP) {
        rt_diag_add(from->diag, RT_SEVERITY_ERROR, CODE_SHAPE, section->mark, NULL,
                    "section %.*s must be a map", RT_STR_ARG(section->key));
        return RT_OK;
    }
    for (const rt_node *node = section->child; err == RT_OK && node != NULL; node = node->next) {
        size_t index = 0;
        int len = snprintf(buf, sizeof(buf), "%.*s.%.*s", RT_STR_ARG(section->key),
                           RT_STR_ARG(node->key));
        rt_str name = {buf, RT_MIN((size_t)len, sizeof(buf) - 1)};

        if (find_param(config, name, &index)) {
            err = set_node(config, index, node, from);
        } else {
            rt_diag_add(from->diag, RT_SEVERITY_ERROR, CODE_UNKNOWN, node->key_mark,
                        suggest_name(config, name, help, sizeof(help)),
                        "there is no parameter '%s'", buf);
        }
    }
    return err;
}

static extra *
find_extra(const rt_config *config, rt_str key)
{
    for (size_t i = 0; i < config->extra_count; i++) {
        if (rt_str_is(key, config->extras[i].key)) {
            return &config->extras[i];
        }
    }
    return NULL;
}

static rt_err
load_top(rt_config *config, const rt_node *node, const source *from)
{
    char help[HELP_MAX];
    extra *x = find_extra(config, node->key);
    size_t index = 0;

    if (x != NULL) {
        x->node = node;
        return RT_OK;
    }
    if (is_section(config, node->key)) {
        return load_section(config, node, from);
    }
    // Only a parameter without a section can be meant: the full name of another one is no key.
    if (memchr(node->key.ptr, '.', node->key.len) == NULL &&
        find_param(config, node->key, &index)) {
        return set_node(config, index, node, from);
    }
    rt_diag_add(from->diag, RT_SEVERITY_ERROR, CODE_UNKNOWN, node->key_mark,
                suggest_top(config, node->key, help, sizeof(help)), "there is no section '%.*s'",
                RT_STR_ARG(node->key));
    return RT_OK;
}

static rt_err
result_of(const rt_diag *diag, size_t errors_before, const char *what)
{
    if (rt_diag_errors(diag) > errors_before) {
        return rt_fail(RT_ECONFIG, "%s has errors", what);
    }
    return RT_OK;
}

rt_err
rt_config_load_yaml(rt_config *config, const char *file, rt_str text, rt_diag *diag)
{
    const source from = {.rank = RANK_FILE, .file = file, .diag = diag};
    size_t errors = 0;
    rt_node *root = NULL;
    rt_str kept = {NULL, 0};
    rt_err err = RT_OK;

    RT_CHECK(config, CONFIG_MAGIC);
    RT_ASSERT(file != NULL && diag != NULL);
    errors = rt_diag_errors(diag);
    kept = rt_arena_str(config->arena, text);
    if (kept.ptr == NULL) {
        return rt_fail(RT_ENOMEM, "the configuration is larger than %u bytes", CONFIG_BYTES_MAX);
    }
    err = rt_yaml_parse(file, kept, config->arena, diag, &root);
    if (err != RT_OK) {
        return err;
    }
    if (root->kind != RT_NODE_MAP) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_SHAPE, root->mark, NULL,
                    "a configuration is a map of sections");
    }
    for (const rt_node *node = root->kind == RT_NODE_MAP ? root->child : NULL;
         err == RT_OK && node != NULL; node = node->next) {
        err = load_top(config, node, &from);
    }
    return err == RT_OK ? result_of(diag, errors, file) : err;
}

// Turns CEREBRO_SECTION__KEY into section.key; false when the variable is no parameter of ours.
static bool
env_name(const char *variable, char name[NAME_MAX], size_t *ret_variable_len)
{
    const char *at = variable + sizeof(ENV_PREFIX) - 1;
    const char *equals = strchr(variable, '=');
    bool has_section = false;
    size_t len = 0;

    if (strncmp(variable, ENV_PREFIX, sizeof(ENV_PREFIX) - 1) != 0 || equals == NULL) {
        return false;
    }
    while (at < equals && len < NAME_MAX - 1) {
        if (!has_section && equals - at >= 2 && at[0] == '_' && at[1] == '_') {
            name[len++] = '.';
            has_section = true;
            at += 2;
        } else {
            name[len++] = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
            at++;
        }
    }
    name[len] = '\0';
    *ret_variable_len = (size_t)(equals - variable);
    return has_section;
}

static rt_err
load_variable(rt_config *config, const char *variable, rt_diag *diag)
{
    const source from = {.rank = RANK_ENVIRONMENT, .origin = "environment", .diag = diag};
    char name[NAME_MAX];
    char help[HELP_MAX];
    size_t name_len = 0;
    size_t index = 0;
    rt_mark mark = {.line = 1, .column = 1};

    if (!env_name(variable, name, &name_len)) {
        return RT_OK;
    }
    rt_diag_source(diag, "environment", rt_str_of(variable));
    if (!find_param(config, rt_str_of(name), &index)) {
        mark.length = (uint32_t)name_len;
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_UNKNOWN, mark,
                    suggest_name(config, rt_str_of(name), help, sizeof(help)),
                    "there is no parameter '%s'", name);
        return RT_OK;
    }
    mark.column = (uint32_t)name_len + 2;
    mark.length = (uint32_t)strlen(variable + name_len + 1);
    return set_value(config, index, rt_str_of(variable + name_len + 1), mark, &from);
}

rt_err
rt_config_load_env(rt_config *config, const char *const *env, rt_diag *diag)
{
    size_t errors = 0;
    rt_err err = RT_OK;

    RT_CHECK(config, CONFIG_MAGIC);
    RT_ASSERT(env != NULL && diag != NULL);
    errors = rt_diag_errors(diag);
    for (size_t i = 0; err == RT_OK && env[i] != NULL; i++) {
        err = load_variable(config, env[i], diag);
    }
    return err == RT_OK ? result_of(diag, errors, "the environment") : err;
}

rt_err
rt_config_set(rt_config *config, rt_str name, rt_str value, const char *origin, rt_diag *diag)
{
    source from = {.rank = RANK_FLAG, .diag = diag};
    char help[HELP_MAX];
    size_t errors = 0;
    size_t index = 0;
    rt_err err = RT_OK;

    RT_CHECK(config, CONFIG_MAGIC);
    RT_ASSERT(origin != NULL && diag != NULL);
    errors = rt_diag_errors(diag);
    from.origin = keep(config, rt_str_of(origin));
    if (from.origin == NULL) {
        return rt_fail(RT_ENOMEM, "the configuration is larger than %u bytes", CONFIG_BYTES_MAX);
    }
    rt_diag_source(diag, origin, value);
    if (find_param(config, name, &index)) {
        err = set_value(config, index, value, (rt_mark){1, 1, (uint32_t)value.len}, &from);
    } else {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_UNKNOWN, (rt_mark){0, 0, 0},
                    suggest_name(config, name, help, sizeof(help)), "there is no parameter '%.*s'",
                    RT_STR_ARG(name));
    }
    return err == RT_OK ? result_of(diag, errors, origin) : err;
}

static const slot *
slot_of(const rt_config *config, const char *name, rt_param_type *ret_type)
{
    size_t index = 0;
    bool is_found = false;

    RT_CHECK(config, CONFIG_MAGIC);
    is_found = find_param(config, rt_str_of(name), &index);
    RT_ASSERT(is_found);
    *ret_type = config->params[index].type;
    return &config->slots[index];
}

int64_t
rt_config_i64(const rt_config *config, const char *name)
{
    rt_param_type type = RT_PARAM_BOOL;
    const slot *s = slot_of(config, name, &type);

    RT_ASSERT(type == RT_PARAM_I64 || type == RT_PARAM_DURATION_MS || type == RT_PARAM_SIZE_BYTES);
    return s->value.i;
}

double
rt_config_f64(const rt_config *config, const char *name)
{
    rt_param_type type = RT_PARAM_BOOL;
    const slot *s = slot_of(config, name, &type);

    RT_ASSERT(type != RT_PARAM_BOOL && type != RT_PARAM_STR);
    return s->value.f;
}

bool
rt_config_bool(const rt_config *config, const char *name)
{
    rt_param_type type = RT_PARAM_I64;
    const slot *s = slot_of(config, name, &type);

    RT_ASSERT(type == RT_PARAM_BOOL);
    return s->value.b;
}

const char *
rt_config_str(const rt_config *config, const char *name)
{
    rt_param_type type = RT_PARAM_BOOL;
    const slot *s = slot_of(config, name, &type);

    RT_ASSERT(type == RT_PARAM_STR);
    return s->text;
}

const char *
rt_config_origin(const rt_config *config, const char *name)
{
    rt_param_type type = RT_PARAM_BOOL;

    return slot_of(config, name, &type)->origin;
}

const rt_node *
rt_config_node(const rt_config *config, const char *key)
{
    const extra *x = NULL;

    RT_CHECK(config, CONFIG_MAGIC);
    x = find_extra(config, rt_str_of(key));
    RT_ASSERT(x != NULL);
    return x->node;
}

void
rt_config_each(const rt_config *config,
               void (*on_param)(void *user, const rt_param *param, const char *value,
                                const char *origin),
               void *user)
{
    RT_CHECK(config, CONFIG_MAGIC);
    for (size_t i = 0; i < config->count; i++) {
        on_param(user, &config->params[i], config->slots[i].text, config->slots[i].origin);
    }
}
