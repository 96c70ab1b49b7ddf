#include <stdio.h>

#include <yaml.h>

#include "tests/audit/internal.h"

struct audit__yaml {
    yaml_document_t document;
};

audit__yaml *
audit__yaml_new(const char *text, size_t len, char error[256])
{
    audit__yaml *yaml = audit__alloc(sizeof(*yaml));
    yaml_parser_t parser;

    if (yaml_parser_initialize(&parser) != 1) {
        (void)snprintf(error, 256, "libyaml does not start");
        audit__free(yaml);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (yaml_parser_load(&parser, &yaml->document) != 1) {
        (void)snprintf(error, 256, "line %zu: %s", parser.problem_mark.line + 1,
                       parser.problem != NULL ? parser.problem : "no YAML");
        yaml_parser_delete(&parser);
        audit__free(yaml);
        return NULL;
    }
    yaml_parser_delete(&parser);
    return yaml;
}

void
audit__yaml_free(audit__yaml *yaml)
{
    yaml_document_delete(&yaml->document);
    audit__free(yaml);
}

audit__node *
audit__yaml_root(audit__yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

audit__str
audit__yaml_text(const audit__node *node)
{
    if (node == NULL || node->type != YAML_SCALAR_NODE) {
        return (audit__str){"", 0};
    }
    return (audit__str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

bool
audit__yaml_pair(audit__yaml *yaml, audit__node *map, size_t index, audit__str *ret_key,
                 audit__node **ret_value)
{
    yaml_node_pair_t *pair = NULL;

    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return false;
    }
    pair = map->data.mapping.pairs.start + index;
    if (pair >= map->data.mapping.pairs.top) {
        return false;
    }
    *ret_key = audit__yaml_text(yaml_document_get_node(&yaml->document, pair->key));
    *ret_value = yaml_document_get_node(&yaml->document, pair->value);
    return true;
}

audit__node *
audit__yaml_get(audit__yaml *yaml, audit__node *map, const char *key)
{
    audit__str name = {"", 0};
    audit__node *value = NULL;

    for (size_t i = 0; audit__yaml_pair(yaml, map, i, &name, &value); i++) {
        if (audit__is(name, key)) {
            return value;
        }
    }
    return NULL;
}

bool
audit__yaml_item(audit__yaml *yaml, audit__node *list, size_t index, audit__node **ret_item)
{
    yaml_node_item_t *item = NULL;

    if (list == NULL || list->type != YAML_SEQUENCE_NODE) {
        return false;
    }
    item = list->data.sequence.items.start + index;
    if (item >= list->data.sequence.items.top) {
        return false;
    }
    *ret_item = yaml_document_get_node(&yaml->document, *item);
    return true;
}

bool
audit__duration_ms(audit__str text, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t total = 0;
    size_t at = 0;

    while (at < text.len) {
        int64_t count = 0;
        size_t from = at;
        size_t unit = sizeof(units) / sizeof(units[0]);

        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && at - from < 12;
             at++) {
            count = count * 10 + (text.ptr[at] - '0');
        }
        if (at == from) {
            return false;
        }
        from = at;
        for (; at < text.len && text.ptr[at] >= 'a' && text.ptr[at] <= 'z'; at++) {
        }
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            unit = audit__is((audit__str){text.ptr + from, at - from}, units[i].name) ? i : unit;
        }
        if (unit == sizeof(units) / sizeof(units[0])) {
            return false;
        }
        total += count * units[unit].ms;
    }
    *ret_ms = total;
    return text.len > 0;
}
