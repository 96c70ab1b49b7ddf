#include "runtime/wire/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <yaml.h>

#include "runtime/base/check.h"
#include "runtime/base/map.h"

// Design notes.
// Events come one by one from libyaml and are hung into the tree by a stack of at most
// RT_YAML_DEPTH_MAX open containers, so depth and node count are refused while the text is read.
// libyaml runs ahead of the events only while a simple key may still be open, which it gives up
// after 1024 characters: that bounds its quadratic scan of open flow levels before we see them.
//
// A syntax error ends the parse, since libyaml cannot go on after one. What we refuse ourselves
// (anchors, aliases, tags, duplicate keys) is only reported, so that one run shows all of it.
//
// Keys are unique per map; one hash map for the document holds (number of the map, key), which
// keeps a file of 50,000 keys in one map linear.
//
// Invariant: `frame.pending` is true exactly between a key and its value.

#define REFUSED_MAX 8
#define CODE_SYNTAX "B2008"
#define CODE_REFUSED "B2009"
#define CODE_DUPLICATE "B2005"
#define CODE_LIMIT "B2006"
#define CODE_ENCODING "B2007"
#define KEY_BYTES_MAX 256

typedef struct frame {
    rt_node *node;
    rt_node *last; // last child
    uint32_t number;
    bool pending; // a key waits for its value
    rt_str key;
    rt_mark key_mark;
} frame;

typedef struct builder {
    rt_arena *arena;
    rt_diag *diag;
    rt_str text; // our copy
    size_t char_at; // libyaml counts characters:
    size_t byte_at; // this pair walks along and turns them into bytes
    rt_node *root;
    rt_map *keys;
    uint32_t map_count;
    uint32_t node_count;
    size_t depth;
    frame frames[RT_YAML_DEPTH_MAX];
    bool is_over; // nothing more is read
    uint32_t nodes_max;
    unsigned refused; // anchors, aliases and tags met
    rt_err err; // RT_ENOMEM, otherwise findings stand in diag
} builder;

static rt_mark
mark_of(yaml_mark_t start, yaml_mark_t end)
{
    rt_mark mark = {
        .line = (uint32_t)start.line + 1,
        .column = (uint32_t)start.column + 1,
        .length = 0,
    };

    if (end.line == start.line && end.column > start.column) {
        mark.length = (uint32_t)(end.column - start.column);
    }
    return mark;
}

static rt_mark
event_mark(const yaml_event_t *event)
{
    return mark_of(event->start_mark, event->end_mark);
}

// Reports a finding that ends the parse.
static void
stop(builder *b, const char *code, rt_mark mark, const char *help, const char *why)
{
    rt_diag_add(b->diag, RT_SEVERITY_ERROR, code, mark, help, "%s", why);
    b->is_over = true;
}

static void
stop_no_memory(builder *b)
{
    b->err = RT_ENOMEM;
    b->is_over = true;
}

static size_t
character_bytes(char lead)
{
    uint8_t c = (uint8_t)lead;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

// Byte offset of libyaml's character index; indices asked for never fall.
static size_t
byte_of(builder *b, size_t index)
{
    while (b->char_at < index && b->byte_at < b->text.len) {
        b->byte_at += character_bytes(b->text.ptr[b->byte_at]);
        b->char_at++;
    }
    return RT_MIN(b->byte_at, b->text.len);
}

static rt_str
raw_of(builder *b, const yaml_event_t *event)
{
    size_t start = byte_of(b, event->start_mark.index);
    size_t end = byte_of(b, event->end_mark.index);

    return (rt_str){b->text.ptr + start, end - start};
}

// Whether (map, key) is new in the document.
static bool
is_new_key(builder *b, uint32_t map_number, rt_str key)
{
    uint8_t composite[sizeof(map_number) + KEY_BYTES_MAX];

    memcpy(composite, &map_number, sizeof(map_number));
    memcpy(composite + sizeof(map_number), key.ptr, key.len);
    return rt_map_put(b->keys, (rt_bytes){composite, sizeof(map_number) + key.len}, 1);
}

// Takes a scalar as the key of the value that follows.
static void
take_key(builder *b, frame *top, const yaml_event_t *event)
{
    rt_str key = {(const char *)event->data.scalar.value, event->data.scalar.length};
    rt_mark mark = event_mark(event);

    if (key.len == 0 || key.len > KEY_BYTES_MAX) {
        stop(b, CODE_REFUSED, mark, NULL, key.len == 0 ? "empty key" : "key is too long");
        return;
    }
    if (rt_str_is(key, "<<")) {
        rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_REFUSED, mark, "write the keys out",
                    "merge keys are not supported");
    }
    if (!is_new_key(b, top->number, key)) {
        rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_DUPLICATE, mark, NULL,
                    "key '%.*s' appears twice", RT_STR_ARG(key));
    }
    top->key = rt_arena_str(b->arena, key);
    if (top->key.ptr == NULL) {
        stop_no_memory(b);
        return;
    }
    top->key_mark = mark;
    top->pending = true;
}

// Hangs a node below the innermost open container, or makes it the root.
static void
attach(builder *b, rt_node *node)
{
    frame *top = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;

    if (top == NULL) {
        b->root = node;
        return;
    }
    if (top->pending) {
        node->key = top->key;
        node->key_mark = top->key_mark;
        top->pending = false;
    }
    if (top->last != NULL) {
        top->last->next = node;
    } else {
        top->node->child = node;
    }
    top->last = node;
    top->node->child_count++;
}

static rt_node *
add_node(builder *b, rt_node_kind kind, const yaml_event_t *event)
{
    rt_node *node = NULL;

    if (b->node_count == b->nodes_max) {
        char why[64];

        (void)snprintf(why, sizeof(why), "more than %u values in one file", b->nodes_max);
        stop(b, CODE_LIMIT, event_mark(event), NULL, why);
        return NULL;
    }
    node = rt_arena_new_of(b->arena, rt_node);
    if (node == NULL) {
        stop_no_memory(b);
        return NULL;
    }
    b->node_count++;
    node->kind = kind;
    node->text = RT_STR(""); // whoever reads a list as a text gets an empty one, no NULL
    node->raw = RT_STR("");
    node->mark = event_mark(event);
    attach(b, node);
    return node;
}

static rt_scalar_style
style_of(yaml_scalar_style_t style)
{
    if (style == YAML_PLAIN_SCALAR_STYLE || style == YAML_ANY_SCALAR_STYLE) {
        return RT_SCALAR_PLAIN;
    }
    return style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE
               ? RT_SCALAR_BLOCK
               : RT_SCALAR_QUOTED;
}

static bool
is_at_key(const builder *b)
{
    const frame *top = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;

    return top != NULL && top->node->kind == RT_NODE_MAP && !top->pending;
}

static void
on_scalar(builder *b, const yaml_event_t *event)
{
    rt_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    rt_node *node = NULL;

    if (is_at_key(b)) {
        take_key(b, &b->frames[b->depth - 1], event);
        return;
    }
    node = add_node(b, RT_NODE_SCALAR, event);
    if (node == NULL) {
        return;
    }
    node->style = style_of(event->data.scalar.style);
    node->raw = raw_of(b, event);
    node->text = rt_arena_str(b->arena, text);
    if (node->text.ptr == NULL) {
        stop_no_memory(b);
    }
}

static void
on_start(builder *b, rt_node_kind kind, const yaml_event_t *event)
{
    rt_node *node = NULL;

    if (is_at_key(b)) {
        stop(b, CODE_REFUSED, event_mark(event), NULL, "a list or map cannot be a key");
        return;
    }
    if (b->depth == RT_YAML_DEPTH_MAX) {
        stop(b, CODE_LIMIT, event_mark(event), NULL, "nested more than 32 levels deep");
        return;
    }
    node = add_node(b, kind, event);
    if (node != NULL) {
        node->mark.length = 0;
        b->frames[b->depth++] = (frame){.node = node, .number = b->map_count++};
    }
}

static void
on_end(builder *b)
{
    RT_ASSERT(b->depth > 0);
    b->depth--;
}

// After so many anchors, aliases and tags there is nothing new to say: a file of nothing else is
// left at once.
static void
count_refused(builder *b)
{
    if (++b->refused == REFUSED_MAX) {
        b->is_over = true;
    }
}

// Reports an anchor or a tag of a node.
static void
refuse_properties(builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (anchor != NULL || tag != NULL) {
        count_refused(b);
    }
    if (anchor != NULL) {
        rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_REFUSED, event_mark(event),
                    "write the value out", "anchors (&%.40s) are not supported",
                    (const char *)anchor);
    }
    if (tag != NULL) {
        rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_REFUSED, event_mark(event),
                    "leave the tag out: types follow from the key", "tags are not supported");
    }
}

// An alias is reported and stands as an empty text, so that the tree stays whole.
static void
on_alias(builder *b, const yaml_event_t *event)
{
    count_refused(b);
    rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_REFUSED, event_mark(event), "write the value out",
                "aliases (*%.40s) are not supported", (const char *)event->data.alias.anchor);
    if (is_at_key(b)) {
        b->is_over = true;
        return;
    }
    (void)add_node(b, RT_NODE_SCALAR, event);
}

static void
on_document(builder *b, const yaml_event_t *event)
{
    if (b->root != NULL) {
        stop(b, CODE_REFUSED, event_mark(event), "put it in a file of its own",
             "a second document in one file");
        return;
    }
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end) {
        rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_REFUSED, event_mark(event), NULL,
                    "%%TAG directives are not supported");
    }
}

static void
on_event(builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(b, event);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, event);
        break;
    case YAML_SCALAR_EVENT:
        refuse_properties(b, event, event->data.scalar.anchor, event->data.scalar.tag);
        on_scalar(b, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(b, event, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        on_start(b, RT_NODE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_properties(b, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
        on_start(b, RT_NODE_MAP, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_end(b);
        break;
    case YAML_STREAM_END_EVENT:
        b->is_over = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

// The place of a byte of the text.
static rt_mark
mark_of_byte(rt_str text, size_t offset)
{
    rt_mark mark = {.line = 1, .column = 1, .length = 0};

    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((uint8_t)text.ptr[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

// What an operator most likely did when libyaml says so.
static const char *
help_for(const char *problem)
{
    static const struct {
        const char *problem;
        const char *help;
    } known[] = {
        {"mapping values are not allowed in this context",
         "a text with ': ' needs quotes or a block: 'when: |' and the text on the next line"},
        {"did not find expected comment or line break",
         "a text that begins with ! or > needs quotes or a block: 'when: |' and the text on the "
         "next line"},
        {"found character that cannot start any token",
         "indent with spaces, not tabs; put texts that begin with @, ` or % in quotes"},
        {"could not find expected ':'", "every line of a map needs 'key: value'"},
        {"did not find expected key", "check the indentation of this line and the one before"},
        {"did not find expected '-' indicator", "all entries of a list begin in one column"},
        {"did not find expected ',' or ']'", "close the list with ']'"},
        {"did not find expected ',' or '}'", "close the map with '}'"},
        {"found unexpected end of stream", "a quote or bracket was not closed"},
    };

    for (size_t i = 0; i < RT_COUNT(known); i++) {
        if (strcmp(problem, known[i].problem) == 0) {
            return known[i].help;
        }
    }
    return NULL;
}

static void
on_syntax_error(builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    const char *context = parser->context != NULL ? parser->context : "";
    rt_mark mark = {0};

    if (parser->error == YAML_MEMORY_ERROR) {
        stop_no_memory(b);
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_byte(b->text, parser->problem_offset);
    } else {
        mark = mark_of(parser->problem_mark, parser->problem_mark);
    }
    rt_diag_add(b->diag, RT_SEVERITY_ERROR, CODE_SYNTAX, mark, help_for(problem), "%s%s%s", problem,
                context[0] != '\0' ? " " : "", context);
    b->is_over = true;
}

static void
read_events(builder *b)
{
    yaml_parser_t parser;

    if (yaml_parser_initialize(&parser) == 0) {
        stop_no_memory(b);
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)b->text.ptr, b->text.len);
    while (!b->is_over) {
        yaml_event_t event;

        if (yaml_parser_parse(&parser, &event) == 0) {
            on_syntax_error(b, &parser);
            break;
        }
        on_event(b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

// Whether the text may be given to libyaml at all.
static bool
is_readable(rt_str text, rt_diag *diag)
{
    size_t at = 0;

    if (text.len > RT_YAML_BYTES_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_LIMIT, (rt_mark){0}, NULL,
                    "file of %zu bytes, at most %d are read", text.len, RT_YAML_BYTES_MAX);
        return false;
    }
    if (rt_utf8_valid(text)) {
        return true;
    }
    while (at < text.len) {
        size_t len = character_bytes(text.ptr[at]);

        if (len > text.len - at || !rt_utf8_valid((rt_str){text.ptr + at, len})) {
            break;
        }
        at += len;
    }
    rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_ENCODING, mark_of_byte(text, at),
                "save the file as UTF-8", "this is not UTF-8");
    return false;
}

rt_err
rt_yaml_parse(const char *file, rt_str text, rt_arena *arena, rt_diag *diag, rt_node **ret_root)
{
    return rt_yaml_parse_max(file, text, RT_YAML_NODES_MAX, arena, diag, ret_root);
}

rt_err
rt_yaml_parse_max(const char *file, rt_str text, uint32_t nodes_max, rt_arena *arena, rt_diag *diag,
                  rt_node **ret_root)
{
    builder b = {.arena = arena, .diag = diag, .nodes_max = RT_MIN(nodes_max, RT_YAML_NODES_MAX)};
    size_t errors = rt_diag_errors(diag);

    // Some editors put a byte order mark first; columns count without it.
    if (rt_str_starts(text, RT_STR("\xef\xbb\xbf"))) {
        text = (rt_str){text.ptr + 3, text.len - 3};
    }
    rt_diag_source(diag, file, RT_MIN(text.len, RT_YAML_BYTES_MAX) == text.len ? text : RT_STR(""));
    if (!is_readable(text, diag)) {
        return RT_ECONFIG;
    }
    b.text = rt_arena_str(arena, text);
    if (b.text.ptr == NULL) {
        return RT_ENOMEM;
    }
    b.keys = rt_map_new();
    read_events(&b);
    rt_map_free(b.keys);
    if (b.err != RT_OK) {
        return b.err;
    }
    if (b.root == NULL && rt_diag_errors(diag) == errors) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_SYNTAX, (rt_mark){1, 1, 0}, NULL,
                    "the file is empty");
    }
    if (rt_diag_errors(diag) != errors) {
        return RT_ECONFIG;
    }
    *ret_root = b.root;
    return RT_OK;
}
