#include <stdio.h>

#include "tests/audit/internal.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define DAY_MS ((int64_t)24 * 60 * MINUTE_MS)
#define WEBHOOK_ATTEMPTS_DEFAULT 4

audit_limits
audit_limits_defaults(void)
{
    return (audit_limits){.actions_per_minute = 10000,
                          .quiet_from_min = 21 * 60,
                          .quiet_until_min = 7 * 60,
                          .dedup_events = 262144,
                          .dedup_window_ms = 30 * DAY_MS};
}

int
audit_tenant_find(const audit_limits *limits, const char *text)
{
    uint64_t number = 0;

    for (size_t i = 0; i < limits->tenant_count; i++) {
        if (strcmp(limits->tenants[i].name, text) == 0) {
            return limits->tenants[i].number;
        }
    }
    if (audit__u64_of(audit__str_of(text), &number) && number <= UINT16_MAX) {
        return (int)number;
    }
    return -1;
}

static bool
two_digits(const char *at, int32_t *ret)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9') {
        return false;
    }
    *ret = (at[0] - '0') * 10 + (at[1] - '0');
    return true;
}

// "21:00" to the minute of the day.
static bool
read_minute(audit__str text, int32_t *ret)
{
    int32_t hour = 0;
    int32_t minute = 0;

    if (text.len != 5 || text.ptr[2] != ':' || !two_digits(text.ptr, &hour) ||
        !two_digits(text.ptr + 3, &minute)) {
        return false;
    }
    *ret = hour * 60 + minute;
    return true;
}

// "-05:00" to milliseconds.
static bool
read_offset(audit__str text, int64_t *ret_ms)
{
    int32_t minutes = 0;

    *ret_ms = 0;
    if (text.len == 0) {
        return true;
    }
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
        !read_minute((audit__str){text.ptr + 1, 5}, &minutes)) {
        return false;
    }
    *ret_ms = minutes * MINUTE_MS * (text.ptr[0] == '-' ? -1 : 1);
    return true;
}

static bool
refuse(char error[256], const char *what, audit__str value)
{
    (void)snprintf(error, 256, "%s: '%.*s'", what, (int)(value.len < 100 ? value.len : 100),
                   value.ptr);
    return false;
}

// One value of the configuration; what limits nothing is passed over.
static bool
apply(audit_limits *limits, audit__str key, audit__str value, char error[256])
{
    uint64_t number = 0;
    bool ok = true;

    if (audit__is(key, "limits.actions_per_minute")) {
        ok = audit__u64_of(value, &number);
        limits->actions_per_minute = (int64_t)number;
    } else if (audit__is(key, "gate.quiet_from")) {
        ok = read_minute(value, &limits->quiet_from_min);
    } else if (audit__is(key, "gate.quiet_until")) {
        ok = read_minute(value, &limits->quiet_until_min);
    } else if (audit__is(key, "dedup.events_max")) {
        ok = audit__u64_of(value, &limits->dedup_events);
    } else if (audit__is(key, "dedup.window")) {
        ok = audit__duration_ms(value, &limits->dedup_window_ms);
    }
    return ok || refuse(error, "a limit cannot be understood", value);
}

bool
audit_limits_set(audit_limits *limits, const char *setting, char error[256])
{
    const char *equals = strchr(setting, '=');

    if (equals == NULL) {
        return refuse(error, "no KEY=VALUE", audit__str_of(setting));
    }
    return apply(limits, (audit__str){setting, (size_t)(equals - setting)},
                 audit__str_of(equals + 1), error);
}

static bool
read_tenant(audit_limits *limits, audit__yaml *yaml, audit__node *node, char error[256])
{
    audit_tenant *tenant = &limits->tenants[limits->tenant_count];
    audit__str name = audit__yaml_text(audit__yaml_get(yaml, node, "name"));
    audit__str id = audit__yaml_text(audit__yaml_get(yaml, node, "id"));
    uint64_t number = 0;

    if (limits->tenant_count == AUDIT_TENANTS_MAX || name.len >= AUDIT_NAME_CAP ||
        !audit__u64_of(id, &number) || number > UINT16_MAX ||
        !read_offset(audit__yaml_text(audit__yaml_get(yaml, node, "utc_offset")),
                     &tenant->utc_offset_ms)) {
        return refuse(error, "a tenant cannot be understood", name);
    }
    tenant->number = (uint16_t)number;
    memcpy(tenant->name, name.ptr, name.len);
    tenant->name[name.len] = '\0';
    limits->tenant_count++;
    return true;
}

static bool
read_section(audit_limits *limits, audit__yaml *yaml, audit__str section, audit__node *map,
             char error[256])
{
    audit__str name = {"", 0};
    audit__node *value = NULL;
    bool ok = true;

    for (size_t i = 0; ok && audit__yaml_pair(yaml, map, i, &name, &value); i++) {
        char key[128];
        int len =
            snprintf(key, sizeof(key), "%.*s.%.*s", (int)(section.len < 60 ? section.len : 60),
                     section.ptr, (int)(name.len < 60 ? name.len : 60), name.ptr);

        ok = apply(limits, (audit__str){key, (size_t)len}, audit__yaml_text(value), error);
    }
    return ok;
}

static bool
read_webhook(audit_limits *limits, audit__yaml *yaml, audit__node *node, char error[256])
{
    audit__str text = audit__yaml_text(audit__yaml_get(yaml, node, "attempts"));
    uint64_t attempts = WEBHOOK_ATTEMPTS_DEFAULT;

    if (text.len > 0 && !audit__u64_of(text, &attempts)) {
        return refuse(error, "attempts of a webhook", text);
    }
    if ((int64_t)attempts > limits->webhook_attempts) {
        limits->webhook_attempts = (int64_t)attempts;
    }
    return true;
}

bool
audit_limits_read(audit_limits *limits, const char *text, size_t len, char error[256])
{
    audit__yaml *yaml = audit__yaml_new(text, len, error);
    audit__str name = {"", 0};
    audit__node *node = NULL;
    audit__node *item = NULL;
    bool ok = true;

    if (yaml == NULL) {
        return false;
    }
    for (size_t i = 0; ok && audit__yaml_pair(yaml, audit__yaml_root(yaml), i, &name, &node); i++) {
        ok = read_section(limits, yaml, name, node, error);
        for (size_t t = 0; ok && audit__yaml_item(yaml, node, t, &item); t++) {
            if (audit__is(name, "tenants")) {
                ok = read_tenant(limits, yaml, item, error);
            } else if (audit__is(name, "webhooks")) {
                ok = read_webhook(limits, yaml, item, error);
            }
        }
    }
    limits->known = ok;
    audit__yaml_free(yaml);
    return ok;
}
