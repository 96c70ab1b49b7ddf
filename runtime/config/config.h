// config/config.h: typed configuration with the origin of every value.
//
// Layer: runtime/config (may use runtime/base, runtime/wire, runtime/seam).   Threads: one owner
// while loading, then read-only.
// Precedence: flag > environment CEREBRO_SECTION__KEY > file (later files win) > default, in
// whatever order they are applied. Unknown keys are errors with a suggestion. Parameters are
// declared in rt_param tables named "section.key"; a file is a YAML map of sections. Other
// top-level keys of a file (lists such as `tenants`) are listed in `extra` and left for their
// owners through rt_config_node. A source reports all its findings; after an error discard the
// configuration.
#ifndef CEREBRO_RUNTIME_CONFIG_CONFIG_H
#define CEREBRO_RUNTIME_CONFIG_CONFIG_H

#include "runtime/config/param.h"
#include "runtime/wire/yaml.h"

typedef struct rt_config rt_config;

// rt_config_new makes a configuration holding every parameter's default. `extra` is a
// NULL-terminated list of further allowed top-level keys.
rt_config *rt_config_new(const rt_param *params, size_t count,
                         const char *const *extra) RT_MUST_USE;
// rt_config_free releases it; NULL is fine.
void rt_config_free(rt_config *config);
// rt_config_load_yaml applies one file's text.
//   errors    RT_ECONFIG findings in `diag` (codes B10xx: unknown key, wrong type, out of range)
rt_err rt_config_load_yaml(rt_config *config, const char *file, rt_str text,
                           rt_diag *diag) RT_MUST_USE;
// rt_config_load_env applies variables CEREBRO_SECTION__KEY=value from `environ`-like array.
rt_err rt_config_load_env(rt_config *config, const char *const *env, rt_diag *diag) RT_MUST_USE;
// rt_config_set applies one "section.key" = text with a named origin (e.g. "--set flag").
rt_err rt_config_set(rt_config *config, rt_str name, rt_str value, const char *origin,
                     rt_diag *diag) RT_MUST_USE;
// rt_config_i64, _f64, _bool, _str read a value; the parameter must be declared (asserted).
// Durations are ms, sizes bytes.
int64_t rt_config_i64(const rt_config *config, const char *name);
double rt_config_f64(const rt_config *config, const char *name);
bool rt_config_bool(const rt_config *config, const char *name);
const char *rt_config_str(const rt_config *config, const char *name);
// rt_config_origin tells where a value came from: "default", "brain.yaml:12", "environment",
// "--set".
const char *rt_config_origin(const rt_config *config, const char *name);
// rt_config_node is an extra top-level node of the last file that had it, or NULL.
const rt_node *rt_config_node(const rt_config *config, const char *key);
// rt_config_each visits every parameter in table order with its value as text.
void rt_config_each(const rt_config *config,
                    void (*on_param)(void *user, const rt_param *param, const char *value,
                                     const char *origin),
                    void *user);

#endif
