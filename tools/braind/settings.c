// Design notes.
// Paths of pack and playbooks are relative to brain.yaml, so that a configuration can be moved as a
// whole; the data directory is relative to the working directory, as for any program. Secrets never
// stand in YAML: a webhook names a file or an environment variable that holds its key.
#include "tools/braind/settings.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agents/registry.h"
#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"

#define SETTINGS_ARENA_MAX (64u * 1024 * 1024)
#define SECRET_MAX 256

static const rt_param params[] = {
#define P(name, type, fallback, min, max, unit, help) \
    {name, RT_PARAM_##type, fallback, min, max, unit, help},
#include "tools/braind/params.def"
#undef P
};

static const char *const extra_keys[] = {"tenants", "hosts", "webhooks", "roles", NULL};

extern char **environ;

static rt_err
read_file(settings *s, const char *path, rt_str *ret_text)
{
    return rt_file_read_all(path, RT_YAML_BYTES_MAX, s->arena, ret_text);
}

// Directory part of the configuration file, for relative paths in it.
static const char *
beside(settings *s, const char *config_file, const char *path)
{
    const char *slash = strrchr(config_file, '/');
    if (path[0] == '/' || slash == NULL) {
        return path;
    }
    return rt_arena_printf(s->arena, "%.*s/%s", (int)(slash - config_file), config_file, path).ptr;
}

// Reads exactly two digits ("07"); -1 for anything else, a sign too.
static int64_t
two_digits(const char *text)
{
    bool ok = text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9';

    return ok ? (text[0] - '0') * 10 + (text[1] - '0') : -1;
}

static void
load_tenant(settings *s, const rt_node *node)
{
    static const char *const allowed[] = {"id", "name", "utc_offset", "currency", NULL};
    RT_IGNORE(rt_node_only(node, allowed, "B1021", s->diag)); // findings are in diag
    int64_t id = rt_node_i64(node, "id", 0, 1, RT_TENANT_MAX - 1, s->diag);
    rt_str name = rt_node_str(node, "name", RT_STR(""), s->diag);
    rt_str offset = rt_node_str(node, "utc_offset", RT_STR("+00:00"), s->diag);
    bool form = offset.len == 6 && (offset.ptr[0] == '+' || offset.ptr[0] == '-') &&
                offset.ptr[3] == ':';
    int64_t hours = form ? two_digits(offset.ptr + 1) : -1;
    int64_t minutes = form ? two_digits(offset.ptr + 4) : -1;
    if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1022", rt_node_get(node, "utc_offset")->mark,
                    "for example utc_offset: \"-05:00\"", "not an offset from UTC: '%.*s'",
                    RT_STR_ARG(offset));
        return;
    }
    if (id == 0 || name.len == 0) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1023", node->mark,
                    "ids are part of every stored key: never reuse or change one",
                    "a tenant needs an id and a name");
        return;
    }
    for (size_t i = 0; i < s->tenant_count; i++) {
        if (s->tenants[i].number == id || rt_str_is(name, s->tenants[i].name)) {
            rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1024", node->mark, NULL,
                        "tenant id or name stands twice");
            return; // so there are never more tenants than ids
        }
    }
    int64_t ms = (hours * 60 + minutes) * 60000 * (offset.ptr[0] == '-' ? -1 : 1);
    s->tenants[s->tenant_count++] =
        (br_tenant_config){(uint16_t)id, rt_arena_str(s->arena, name).ptr, ms};
    s->utc_offset_ms[id] = ms;
}

static const br_agent_def *
find_agent(rt_str name)
{
    for (size_t i = 0; i < agents_registry_count; i++) {
        const br_agent_def *agent = agents_registry[i];
        if (rt_str_is(name, agent->name)) {
            return agent;
        }
    }
    return NULL;
}

static bool
is_placed(const settings *s, const br_agent_def *agent)
{
    for (size_t h = 0; h < s->host_count; h++) {
        for (size_t a = 0; a < s->hosts[h].agent_count; a++) {
            if (s->hosts[h].agents[a] == agent) {
                return true;
            }
        }
    }
    return false;
}

static void
load_host_agent(settings *s, settings_host *host, const rt_node *node)
{
    const br_agent_def *agent = find_agent(node->text);
    if (agent == NULL) {
        rt_str names[SETTINGS_AGENTS_MAX];
        char help[96];
        for (size_t i = 0; i < agents_registry_count; i++) {
            names[i] = rt_str_of(agents_registry[i]->name);
        }
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1031", node->mark,
                    rt_diag_did_you_mean(node->text, names, agents_registry_count, help,
                                         sizeof(help)),
                    "no agent '%.*s' in this build", RT_STR_ARG(node->text));
        return;
    }
    if (is_placed(s, agent)) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1032", node->mark, NULL,
                    "agent '%s' stands in two hosts", agent->name);
        return;
    }
    host->agents[host->agent_count++] = agent;
}

static void
load_host(settings *s, const rt_node *node)
{
    static const char *const allowed[] = {"name", "url", "agents", NULL};
    RT_IGNORE(rt_node_only(node, allowed, "B1021", s->diag)); // findings are in diag
    if (s->host_count == BR_HOSTS_MAX) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1033", node->mark, NULL, "at most %d hosts",
                    BR_HOSTS_MAX);
        return;
    }
    settings_host *host = &s->hosts[s->host_count++];
    rt_str name = rt_node_str(node, "name", RT_STR("inside"), s->diag);
    host->name = rt_arena_str(s->arena, name).ptr;
    rt_str fallback = rt_arena_printf(s->arena, "inproc://agents-%.*s", RT_STR_ARG(name));
    host->url = rt_arena_str(s->arena, rt_node_str(node, "url", fallback, s->diag)).ptr;
    host->outside = strncmp(host->url, "inproc://", 9) != 0;
    const rt_node *agents = rt_node_get(node, "agents");
    host->takes_rest = agents == NULL;
    for (const rt_node *a = agents != NULL ? agents->child : NULL; a != NULL; a = a->next) {
        load_host_agent(s, host, a);
    }
}

static const char *
read_secret(settings *s, const rt_node *node)
{
    rt_str file = rt_node_str(node, "secret_file", RT_STR(""), s->diag);
    rt_str variable = rt_node_str(node, "secret_env", RT_STR(""), s->diag);
    if (file.len > 0) {
        rt_str text;
        const char *path = rt_arena_str(s->arena, file).ptr;
        if (rt_file_read_all(path, SECRET_MAX, s->arena, &text) != RT_OK) {
            rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1041", node->mark, NULL,
                        "cannot read the secret file");
            return NULL;
        }
        while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
            text.len--;
        }
        return rt_arena_str(s->arena, text).ptr;
    }
    if (variable.len > 0) {
        const char *value = getenv(rt_arena_str(s->arena, variable).ptr);
        if (value == NULL) {
            rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1042", node->mark, NULL,
                        "environment variable '%.*s' is not set", RT_STR_ARG(variable));
        }
        return value;
    }
    return NULL;
}

static int
base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

// The bytes that sign: of "whsec_<base64>" those behind the base64, of any other text the text
// itself.
static bool
read_key(settings *s, rt_str secret, rt_bytes *ret_key)
{
    const rt_str prefix = RT_STR("whsec_");
    *ret_key = rt_bytes_of_str(secret);
    if (!rt_str_starts(secret, prefix)) {
        return true;
    }
    uint8_t *key = rt_arena_array(s->arena, uint8_t, secret.len);
    size_t end = secret.len;
    size_t len = 0;
    uint32_t bits = 0;
    uint32_t have = 0;
    while (end > prefix.len && secret.len - end < 2 && secret.ptr[end - 1] == '=') {
        end--;
    }
    for (size_t i = prefix.len; i < end; i++) {
        int value = base64_value(secret.ptr[i]);
        if (value < 0 || key == NULL) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            key[len++] = (uint8_t)(bits >> have);
        }
    }
    *ret_key = (rt_bytes){key, len};
    return len > 0;
}

static void
load_webhook(settings *s, const rt_node *node)
{
    static const char *const allowed[] = {"name",        "url",     "secret_file",
                                          "secret_env", "timeout", "attempts",    NULL};
    RT_IGNORE(rt_node_only(node, allowed, "B1021", s->diag)); // findings are in diag
    if (s->webhook_count == BR_WEBHOOKS_MAX) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1043", node->mark, NULL, "at most %d webhooks",
                    BR_WEBHOOKS_MAX);
        return;
    }
    br_webhook *webhook = &s->webhooks[s->webhook_count++];
    webhook->name = rt_arena_str(s->arena, rt_node_str(node, "name", RT_STR(""), s->diag)).ptr;
    webhook->url = rt_arena_str(s->arena, rt_node_str(node, "url", RT_STR(""), s->diag)).ptr;
    const char *secret = read_secret(s, node);
    if (secret != NULL && !read_key(s, rt_str_of(secret), &webhook->key)) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1044", node->mark,
                    "whsec_ and base64, as Standard Webhooks has it, or any other text as it is",
                    "the secret begins with whsec_ but is not base64 after it");
    }
    webhook->timeout_ms = rt_node_duration_ms(node, "timeout", 10000, s->diag);
    webhook->attempts = (uint32_t)rt_node_i64(node, "attempts", 4, 1, 20, s->diag);
}

// A user by its name or number. An account that is not there lets nobody in, and is no reason not
// to start: it may have been removed since.
static void
load_role_user(settings *s, br_role *role, const rt_node *user)
{
    int64_t uid = -1;
    const struct passwd *entry = NULL;
    if (user->kind != RT_NODE_SCALAR || user->text.len == 0 ||
        role->uid_count == BR_ROLE_USERS_MAX) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1047", user->mark,
                    "a name, or the number that `id -u` prints", "not a user, or more than %d",
                    BR_ROLE_USERS_MAX);
        return;
    }
    if (rt_parse_i64(user->text, &uid) != RT_OK) {
        entry = getpwnam(rt_arena_str(s->arena, user->text).ptr);
        uid = entry != NULL ? (int64_t)entry->pw_uid : -1;
        if (entry == NULL) {
            rt_diag_add(s->diag, RT_SEVERITY_WARNING, "B1048", user->mark,
                        "`getent passwd` lists them", "this machine has no user '%.*s'",
                        RT_STR_ARG(user->text));
            return;
        }
    }
    if (uid < 0 || uid >= UINT32_MAX) { // the last one stands for none
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1047", user->mark,
                    "the number that `id -u` prints", "%" PRId64 " is no user id", uid);
        return;
    }
    role->uids[role->uid_count++] = (uint32_t)uid;
}

static void
load_control_group(settings *s)
{
    const char *name = rt_config_str(s->config, "doors.control_group");
    const struct group *entry = NULL;
    int64_t gid = 0;
    if (name[0] == '\0') {
        return;
    }
    if (rt_parse_i64(rt_str_of(name), &gid) != RT_OK) {
        entry = getgrnam(name);
        gid = entry != NULL ? (int64_t)entry->gr_gid : -1;
    }
    if (gid <= 0 || gid >= UINT32_MAX) {
        rt_diag_source(s->diag, rt_config_origin(s->config, "doors.control_group"), RT_STR(""));
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1049", (rt_mark){0},
                    "a name of `getent group`, or a number; not root's",
                    "doors.control_group: '%s' is no group of this machine", name);
        return;
    }
    s->control_gid = (uint32_t)gid;
}

static void
load_role(settings *s, const rt_node *node)
{
    static const char *const allowed[] = {"name", "users", NULL};
    RT_IGNORE(rt_node_only(node, allowed, "B1021", s->diag)); // findings are in diag
    const rt_node *users = rt_node_get(node, "users");
    rt_str name = rt_node_str(node, "name", RT_STR(""), s->diag);
    if (name.len == 0 || users == NULL || users->kind != RT_NODE_LIST ||
        s->role_count == BR_ROLES_MAX) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1046", node->mark,
                    "for example {name: supervisor, users: [1000]}",
                    "a role has a name and a list of user ids; there are at most %d roles",
                    BR_ROLES_MAX);
        return;
    }
    br_role *role = &s->roles[s->role_count++];
    role->name = rt_arena_str(s->arena, name).ptr;
    for (const rt_node *user = users->child; user != NULL; user = user->next) {
        load_role_user(s, role, user);
    }
}

static void
each_child(settings *s, const char *key, void (*load)(settings *s, const rt_node *node))
{
    const rt_node *list = rt_config_node(s->config, key);
    if (list != NULL && list->kind != RT_NODE_LIST) {
        rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1025", list->mark, NULL, "'%s' must be a list",
                    key);
    }
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        load(s, node);
    }
}

// A host that names no agents runs all that no other host names, so that a new agent needs no word
// in the configuration.
static void
place_the_rest(settings *s)
{
    if (s->host_count == 0) {
        s->hosts[s->host_count++] =
            (settings_host){.name = "inside", .url = "inproc://agents-inside", .takes_rest = true};
    }
    for (size_t h = 0; h < s->host_count; h++) {
        for (size_t i = 0; s->hosts[h].takes_rest && i < agents_registry_count; i++) {
            if (!is_placed(s, agents_registry[i])) {
                s->hosts[h].agents[s->hosts[h].agent_count++] = agents_registry[i];
            }
        }
    }
}

static rt_err
load_pack(settings *s, const char *config_file)
{
    s->pack = br_pack_new();
    const char *core = beside(s, config_file, rt_config_str(s->config, "pack.core"));
    const char *domain = beside(s, config_file, rt_config_str(s->config, "pack.dir"));
    rt_err err = br_pack_load_dir(s->pack, core, s->diag);
    if (err == RT_OK && domain[0] != '\0') {
        err = br_pack_load_dir(s->pack, domain, s->diag);
    }
    return err == RT_OK ? br_pack_finish(s->pack, s->diag) : err;
}

static rt_err
load_overrides(settings *s, const char *config_file)
{
    const char *path = beside(s, config_file, "agents.yaml");
    rt_str text;
    rt_node *root;
    if (!rt_file_exists(path)) {
        return RT_OK;
    }
    rt_err err = read_file(s, path, &text);
    if (err == RT_OK) {
        err = rt_yaml_parse(path, text, s->arena, s->diag, &root);
    }
    if (err == RT_OK) {
        s->overrides = root;
        br_check_overrides(agents_registry, agents_registry_count, root, s->arena, s->diag);
    }
    return err;
}

static void
resolve_paths(settings *s, const char *config_file)
{
    const char *control = rt_config_str(s->config, "doors.control");
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    s->data_dir = rt_config_str(s->config, "data.dir");
    s->control_path = control;
    if (control[0] == '\0') {
        s->control_path = rt_arena_printf(s->arena, "%s/cerebro/ctl.sock",
                                          runtime_dir != NULL ? runtime_dir : "/run")
                              .ptr;
    }
    s->halt_file = rt_config_str(s->config, "gate.halt_file");
    if (s->halt_file[0] == '\0') {
        s->halt_file = rt_arena_printf(s->arena, "%s/HALT", s->data_dir).ptr;
    }
    const char *playbooks = rt_config_str(s->config, "playbooks.dir");
    s->playbook_dir = playbooks[0] != '\0' ? beside(s, config_file, playbooks) : NULL;
}

static rt_err
load_config(settings *s, const settings_flags *flags)
{
    rt_str text;
    rt_err err = read_file(s, flags->config_file, &text);
    if (err != RT_OK) {
        return rt_fail(err, "cannot read %s", flags->config_file);
    }
    err = rt_config_load_yaml(s->config, flags->config_file, text, s->diag);
    if (err == RT_OK) {
        err = rt_config_load_env(s->config, (const char *const *)environ, s->diag);
    }
    for (size_t i = 0; i < flags->set_count && err == RT_OK; i++) {
        const char *equals = strchr(flags->sets[i], '=');
        rt_str name = {flags->sets[i], equals != NULL ? (size_t)(equals - flags->sets[i]) : 0};
        err = equals == NULL
                  ? rt_fail(RT_ECONFIG, "--set wants section.key=value, not %s", flags->sets[i])
                  : rt_config_set(s->config, name, rt_str_of(equals + 1), "--set", s->diag);
    }
    rt_diag_source(s->diag, flags->config_file, text); // what is found in its lists belongs there
    return err;
}

static int32_t
minute_of_day(const settings *s, const char *name)
{
    const char *text = rt_config_str(s->config, name);
    bool form = strlen(text) == 5 && text[2] == ':';
    int64_t hours = form ? two_digits(text) : -1;
    int64_t minutes = form ? two_digits(text + 3) : -1;
    bool ok = hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
    return ok ? (int32_t)(hours * 60 + minutes) : -1;
}

// Parameters of type text that take only certain words.
static const struct {
    const char *name;
    const char *words[4];
} choices[] = {
    {"clock.source", {"wall", "events"}},
    {"log.level", {"error", "warn", "info", "debug"}},
};

static void
check_choice(settings *s, const char *name, const char *const words[4])
{
    rt_str given = rt_str_of(rt_config_str(s->config, name));
    rt_str known[4];
    size_t count = 0;
    char help[96];
    while (count < 4 && words[count] != NULL) {
        known[count] = rt_str_of(words[count]);
        if (rt_str_equal(given, known[count++])) {
            return;
        }
    }
    rt_diag_source(s->diag, rt_config_origin(s->config, name), RT_STR(""));
    rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1051", (rt_mark){0, 0, 0},
                rt_diag_did_you_mean(given, known, count, help, sizeof(help)),
                "%s does not know '%.*s'; one of its words is '%s'", name, RT_STR_ARG(given),
                words[0]);
}

// What only the daemon knows to be wrong with a text.
static void
check_texts(settings *s)
{
    static const char *const times[] = {"gate.quiet_from", "gate.quiet_until"};
    for (size_t i = 0; i < RT_COUNT(choices); i++) {
        check_choice(s, choices[i].name, choices[i].words);
    }
    for (size_t i = 0; i < RT_COUNT(times); i++) {
        if (minute_of_day(s, times[i]) < 0) {
            rt_diag_source(s->diag, rt_config_origin(s->config, times[i]), RT_STR(""));
            rt_diag_add(s->diag, RT_SEVERITY_ERROR, "B1052", (rt_mark){0, 0, 0},
                        "for example 21:00", "%s is no time of day: '%s'", times[i],
                        rt_config_str(s->config, times[i]));
        }
    }
}

rt_err
settings_load(const settings_flags *flags, settings *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->diag = rt_diag_new();
    ret->arena = rt_arena_new(SETTINGS_ARENA_MAX);
    ret->config = rt_config_new(params, RT_COUNT(params), extra_keys);
    rt_err err = load_config(ret, flags);
    if (err != RT_OK) {
        return err;
    }
    each_child(ret, "tenants", load_tenant);
    each_child(ret, "hosts", load_host);
    each_child(ret, "webhooks", load_webhook);
    each_child(ret, "roles", load_role);
    load_control_group(ret);
    check_texts(ret);
    if (ret->tenant_count == 0) {
        ret->tenants[ret->tenant_count++] = (br_tenant_config){1, "demo", 0};
    }
    place_the_rest(ret);
    resolve_paths(ret, flags->config_file);
    err = load_overrides(ret, flags->config_file);
    if (err == RT_OK) {
        err = load_pack(ret, flags->config_file);
    }
    if (err == RT_OK && rt_diag_errors(ret->diag) > 0) {
        err = RT_ECONFIG;
    }
    return err;
}

void
settings_free(settings *s)
{
    br_pack_free(s->pack);
    rt_config_free(s->config);
    rt_diag_free(s->diag);
    rt_arena_free(s->arena);
}

void
settings_print_findings(const settings *s)
{
    rt_text text;
    rt_text_init(&text, 1024 * 1024);
    rt_diag_render(s->diag, &text);
    fwrite(text.ptr != NULL ? text.ptr : "", 1, text.len, stderr);
    rt_text_fini(&text);
}

const char *
settings_host_dir(settings *s, const settings_host *host)
{
    return rt_arena_printf(s->arena, "%s/agents/%s", s->data_dir, host->name).ptr;
}

br_gate_config
settings_gate(const settings *s)
{
    return (br_gate_config){
        .actions_per_minute = rt_config_i64(s->config, "limits.actions_per_minute"),
        .quiet_from_min = minute_of_day(s, "gate.quiet_from"),
        .quiet_until_min = minute_of_day(s, "gate.quiet_until"),
        .utc_offset_ms = s->utc_offset_ms,
        .tenant_count = RT_TENANT_MAX};
}

void
settings_log(const settings *s)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *want = rt_config_str(s->config, "log.level");
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (strcmp(want, names[i]) == 0) {
            rt_log_set_level((rt_log_level)i);
        }
    }
    rt_log_set_json(rt_config_bool(s->config, "log.json"));
    rt_log_set_clock(rt_clock_wall_ms);
}

br_host_config
settings_host_config(settings *s, const settings_host *host)
{
    return (br_host_config){
        .name = host->name,
        .url = host->url,
        .runner = {.agents = host->agents,
                   .agent_count = host->agent_count,
                   .catalog = br_pack_catalog(s->pack),
                   .overrides = s->overrides,
                   .diag = s->diag,
                   .utc_offset_ms = s->utc_offset_ms,
                   .tenant_count = RT_TENANT_MAX},
        .dir = settings_host_dir(s, host),
        .map_bytes = (uint64_t)rt_config_i64(s->config, "data.store_max_bytes"),
        .cut_every_ms = rt_config_i64(s->config, "data.cut_every")};
}

br_state_config
settings_state(const settings *s)
{
    const rt_config *c = s->config;
    return (br_state_config){
        .pack = s->pack,
        .gate = settings_gate(s),
        .subjects_max = (uint64_t)rt_config_i64(c, "memory.subjects_max"),
        .memories_max = (uint64_t)rt_config_i64(c, "memory.memories_max"),
        .dedup_events = (uint32_t)rt_config_i64(c, "dedup.events_max"),
        .dedup_window_ms = rt_config_i64(c, "dedup.window")};
}

static const char *
url_or_null(const settings *s, const char *name)
{
    const char *url = rt_config_str(s->config, name);
    return url[0] != '\0' ? url : NULL;
}

br_brain_config
settings_brain(settings *s, br_host_entry *hosts)
{
    rt_config *c = s->config;
    bool events_clock = strcmp(rt_config_str(c, "clock.source"), "events") == 0;
    for (size_t i = 0; i < s->host_count; i++) {
        const settings_host *host = &s->hosts[i];
        hosts[i] = (br_host_entry){.name = host->name, .url = host->url};
        for (size_t a = 0; a < host->agent_count; a++) {
            hosts[i].agents[hosts[i].agent_count++] = host->agents[a]->name;
        }
    }
    return (br_brain_config){
        .pack = s->pack,
        .data_dir = s->data_dir,
        .segment_bytes = (uint64_t)rt_config_i64(c, "data.segment_bytes"),
        .journal_max_bytes = (uint64_t)rt_config_i64(c, "data.journal_max_bytes"),
        .sync = rt_config_bool(c, "data.sync"),
        .store_map_bytes = (uint64_t)rt_config_i64(c, "data.store_max_bytes"),
        .cut_every_ms = rt_config_i64(c, "data.cut_every"),
        .state = settings_state(s),
        .tenants = s->tenants,
        .tenant_count = s->tenant_count,
        .clock_from_events = events_clock,
        .future_max_ms = rt_config_i64(c, events_clock ? "clock.step_max" : "clock.future_max"),
        .age_max_ms = rt_config_i64(c, "clock.age_max"),
        .clock_lag_max_ms = rt_config_i64(c, "clock.lag_max"),
        .deadline_ms = rt_config_i64(c, "agents.deadline"),
        .sample_every_ms = rt_config_i64(c, "metrics.sample_every"),
        .rate_per_source = rt_config_i64(c, "limits.rate_per_source"),
        .ingest_url = url_or_null(s, "doors.ingest"),
        .pull_url = url_or_null(s, "doors.pull"),
        .publish_url = url_or_null(s, "doors.publish"),
        .control_path = s->control_path,
        .control_gid = s->control_gid,
        .limits = {.message_bytes_max = (size_t)rt_config_i64(c, "limits.message_bytes"),
                   .connections_max = (uint32_t)rt_config_i64(c, "limits.connections"),
                   .inflight_max = (uint32_t)rt_config_i64(c, "limits.inflight")},
        .hosts = hosts,
        .host_count = s->host_count,
        .roles = s->roles,
        .role_count = s->role_count,
        .webhooks = s->webhooks,
        .webhook_count = s->webhook_count,
        .http = {.allow_loopback = rt_config_bool(c, "webhooks.allow_loopback"),
                 .allow_private = rt_config_bool(c, "webhooks.allow_private"),
                 .inflight_max = 64},
        .halt_file = s->halt_file,
        .playbook_dir = s->playbook_dir,
        .build = CEREBRO_VERSION};
}
