#!/usr/bin/env python3
"""Turns a messages.yaml into C structs with field tables, and guards their wire form by a lock.

    msggen.py --out-h X_msgs.h --out-c X_msgs.c messages.yaml
    msggen.py --lock tests/data/messages.lock [--update] messages.yaml ...

The notation is described in README.md beside this file. Mistakes end the run with one line
"file:line: message" each on stderr and exit status 1; nothing is written then.
"""

import argparse
import os
import re
import sys
import textwrap

import yaml

COLUMNS = 100
SCALARS = {
    "bool": ("bool", "RT_MSG_BOOL"),
    "u64": ("uint64_t", "RT_MSG_U64"),
    "i64": ("int64_t", "RT_MSG_I64"),
    "f64": ("double", "RT_MSG_F64"),
    "str": ("rt_str", "RT_MSG_STR"),
    "bin": ("rt_bytes", "RT_MSG_BIN"),
    "any": ("rt_bytes", "RT_MSG_ANY"),
}
LIST_SCALARS = ("str", "u64", "i64", "f64")
TYPES = tuple(SCALARS) + ("record", "list")
FILE_KEYS = ("owner", "messages")
MESSAGE_KEYS = ("version", "doc", "fields")
FIELD_KEYS = ("type", "of", "unit", "doc")
OWNER = re.compile(r"[a-z][a-z0-9_]*\Z")
MESSAGE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\Z")
FIELD = re.compile(r"[a-z][a-z0-9_]*\Z")
C_WORDS = frozenset(
    "auto bool break case char const continue default do double else enum extern false float for "
    "goto if inline int long register restrict return short signed sizeof static struct switch "
    "true typedef union unsigned void volatile while asm typeof".split()
)
NAME_MAX = 64
DEPTH_MAX = 6  # of records in lists in records; twice this must stay below RT_MP_DEPTH_MAX


class Mistake(Exception):
    """Something wrong in an input, with the place where it stands."""

    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


class Field:
    """One member of a message."""

    def __init__(self, name, kind, of, doc, record):
        self.name = name
        self.kind = kind
        self.of = of  # element type or message name of a list or record, else None
        self.doc = doc
        self.record = record  # the Message that `of` names, or None

    def c_type(self):
        if self.kind == "list":
            return "rt_msg_list"
        if self.kind == "record":
            return self.record.c_name
        return SCALARS[self.kind][0]

    def signature(self):
        return self.kind if self.of is None else f"{self.kind}<{self.of}>"

    def element_type(self):
        """The C type of a list's elements."""
        return self.record.c_name if self.record else SCALARS[self.of][0]


class Message:
    """One message with its fields in wire order."""

    def __init__(self, name, version, doc, fields):
        self.name = name
        self.version = version
        self.doc = doc
        self.fields = fields
        self.c_name = "msg_" + name.replace(".", "_")
        self.depth = 1 + max((f.record.depth for f in fields if f.record), default=0)

    def lock_line(self):
        fields = [f"{f.name}:{f.signature()}" for f in self.fields]
        return " ".join([self.name, str(self.version)] + fields)


def nearest(word, names):
    """A did-you-mean for `word`, or nothing."""
    best = sorted((distance(word, name), name) for name in names)
    return f"; did you mean '{best[0][1]}'?" if best and best[0][0] <= 2 else ""


def distance(a, b):
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


class Reader:
    """Reads one messages.yaml, keeping line numbers."""

    def __init__(self, path, known):
        self.path = path
        self.known = dict(known)  # messages that may be named, by name
        self.owner = None
        self.messages = []

    def fail(self, node, text):
        raise Mistake(self.path, node.start_mark.line + 1, text)

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                root = yaml.compose(file, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Mistake(self.path, mark.line + 1 if mark else 1, error.problem) from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise Mistake(self.path, 1, str(error)) from error
        if root is None:
            raise Mistake(self.path, 1, "the file is empty")
        top = self.pairs(root, FILE_KEYS, "the file", ("owner", "messages"))
        self.owner = self.text(top["owner"][1], "owner")
        if not OWNER.match(self.owner):
            self.fail(top["owner"][1], f"owner '{self.owner}' is not a lower-case name")
        for key, body in self.map(top["messages"][1], "messages"):
            message = self.message(key, body)
            self.messages.append(message)
            self.known[message.name] = message
        return self

    def map(self, node, what):
        """The (key node, value node) pairs of a map; a key standing twice is a mistake."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} must be a map")
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, f"a key of {what} must be a name")
            if key.value in seen:
                self.fail(key, f"'{key.value}' stands twice in {what}")
            seen.add(key.value)
        return node.value

    def pairs(self, node, allowed, what, required):
        """The same as a dictionary, with only `allowed` keys and all `required` ones."""
        found = {}
        for key, value in self.map(node, what):
            if key.value not in allowed:
                hint = nearest(key.value, allowed)
                if isinstance(value, yaml.ScalarNode) and value.value == "":
                    hint = "; text with a comma needs quotes here"
                self.fail(key, f"unknown key '{key.value}' in {what}{hint}")
            found[key.value] = (key, value)
        for name in required:
            if name not in found:
                self.fail(node, f"{what} has no '{name}'")
        return found

    def text(self, node, what):
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.fail(node, f"{what} must be text")
        return " ".join(node.value.split())

    def message(self, key, node):
        name = key.value
        if not MESSAGE.match(name) or len(name) > NAME_MAX:
            self.fail(key, f"message name '{name}' is not of the form order_delayed or a.b")
        c_names = {m.c_name: m.name for m in self.known.values()}
        c_name = "msg_" + name.replace(".", "_")
        if c_name in c_names:
            self.fail(key, f"message '{name}' is declared already, as '{c_names[c_name]}'")
        what = f"message '{name}'"
        body = self.pairs(node, MESSAGE_KEYS, what, MESSAGE_KEYS)
        version = self.version(body["version"][1], what)
        doc = self.text(body["doc"][1], f"doc of {what}")
        pairs = self.map(body["fields"][1], f"fields of {what}")
        fields = [self.field(key, value, name) for key, value in pairs]
        if not fields:
            self.fail(key, f"{what} has no fields")
        message = Message(name, version, doc, fields)
        if message.depth > DEPTH_MAX:
            self.fail(key, f"{what} nests {message.depth} messages, at most {DEPTH_MAX} may")
        return message

    def version(self, node, what):
        value = self.text(node, f"version of {what}")
        if not re.match(r"[1-9][0-9]{0,8}\Z", value):
            self.fail(node, f"version of {what} must be a whole number from 1")
        return int(value)

    def field(self, key, node, message):
        name = key.value
        what = f"field '{message}.{name}'"
        if not FIELD.match(name) or len(name) > NAME_MAX or name in C_WORDS:
            self.fail(key, f"{what} needs a lower-case name that is no word of C")
        body = self.pairs(node, FIELD_KEYS, what, ("type", "doc"))
        kind = self.text(body["type"][1], f"type of {what}")
        if kind not in TYPES:
            hint = nearest(kind, TYPES) or f"; the types are {', '.join(TYPES)}"
            self.fail(body["type"][1], f"unknown type '{kind}' of {what}{hint}")
        of, record = self.element(key, body, kind, what)
        doc = self.text(body["doc"][1], f"doc of {what}")
        if "unit" in body:
            doc = f"[{self.text(body['unit'][1], f'unit of {what}')}] {doc}"
        return Field(name, kind, of, doc, record)

    def element(self, key, body, kind, what):
        """What a list or record is made of: its name, and the Message when it is one."""
        if kind not in ("list", "record"):
            if "of" in body:
                self.fail(body["of"][0], f"{what} is neither list nor record: 'of' means nothing")
            return None, None
        if "of" not in body:
            self.fail(key, f"{what} needs 'of': what the {kind} is made of")
        of = self.text(body["of"][1], f"'of' of {what}")
        if of in self.known:
            return of, self.known[of]
        if kind == "list" and of in LIST_SCALARS:
            return of, None
        choices = list(self.known) + (list(LIST_SCALARS) if kind == "list" else [])
        hint = nearest(of, choices)
        self.fail(body["of"][1], f"{what} is made of '{of}', which is not declared before it{hint}")
        return None, None


def wrapped(text, indent):
    """`text` as // lines of at most COLUMNS columns."""
    prefix = " " * indent + "// "
    return "\n".join(prefix + line for line in textwrap.wrap(text, COLUMNS - len(prefix)))


def c_string(text):
    """A C string literal; bytes outside ASCII as octal, which cannot run into a next digit."""
    out = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in '"\\' or (char == "?" and out[-1:] == ["?"]):
            out.append("\\" + char)
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def string_lines(text, indent):
    """The literal, broken over lines where it does not fit."""
    width = COLUMNS - indent - 3
    pieces = textwrap.wrap(text, width, drop_whitespace=False) or [""]
    return ("\n" + " " * indent).join(c_string(piece) for piece in pieces)


def member_lines(field):
    doc = field.doc
    if field.kind == "list":
        doc = f"Of {field.element_type()}. {doc}"
    elif field.kind == "any":
        doc = f"Raw msgpack. {doc}"
    line = f"    {field.c_type()} {field.name};"
    if len(line) + 4 + len(doc) <= COLUMNS:
        return f"{line} // {doc}"
    return wrapped(doc, 4) + "\n" + line


def emit_header(reader, source, header_path, include_headers):
    guard = "CEREBRO_" + re.sub(r"[^A-Z0-9]", "_", header_path.upper())
    out = [
        f"// {header_path}: the messages of '{reader.owner}'.",
        "//",
        f"// Generated by tools/msggen from {source}; change that file.   Threads: any.",
        "// Text and bytes in a decoded message view the buffer it was read from.",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
    ]
    out += [f'#include "{path}"' for path in sorted(include_headers + ["runtime/wire/msg.h"])]
    for message in reader.messages:
        title = f"{message.c_name} is the message '{message.name}', version {message.version}: "
        out += ["", wrapped(title + message.doc, 0), f"typedef struct {message.c_name} {{"]
        out += [member_lines(field) for field in message.fields]
        out += [f"}} {message.c_name};", "", f"extern const rt_msg_def {message.c_name}_def;"]
    return "\n".join(out + ["", "#endif", ""])


def field_entry(message, field):
    lines = [f'    {{\n        .name = "{field.name}",']
    kind = SCALARS[field.kind][1] if field.kind in SCALARS else f"RT_MSG_{field.kind.upper()}"
    lines.append(f"        .type = {kind},")
    if field.kind == "list":
        element = "RT_MSG_RECORD" if field.record else SCALARS[field.of][1]
        lines.append(f"        .element = {element},")
    if field.record:
        lines.append(f"        .record = &{field.record.c_name}_def,")
    lines.append(f"        .offset = offsetof({message.c_name}, {field.name}),")
    lines.append(f"        .doc = {string_lines(field.doc, 15)},")
    return "\n".join(lines + ["    },"])


ROOM = {"bool": "MSG_BOOL_BYTES_MAX", "u64": "MSG_NUMBER_BYTES_MAX", "i64": "MSG_NUMBER_BYTES_MAX",
        "f64": "MSG_NUMBER_BYTES_MAX", "str": "MSG_TEXT_BYTES_MAX", "bin": "MSG_TEXT_BYTES_MAX",
        "any": "MSG_BOOL_BYTES_MAX", "list": "MSG_TEXT_BYTES_MAX"}


def room(fields, head):
    """How many bytes the fields take at most, without what is in lists and records."""
    constants = ["MSG_HEAD_BYTES_MAX"] if head else []
    for name in sorted(set(ROOM.values())):
        count = sum(ROOM.get(f.kind) == name for f in fields)
        if count:
            constants.append(f"{count} * {name}" if count > 1 else name)
    lengths = [f"m->{f.name}.len" for f in fields if f.kind in ("str", "bin", "any")]
    text = " + ".join(constants + lengths) or "0"
    return "\n            ".join(textwrap.wrap(text, COLUMNS - 14, break_on_hyphens=False))


def encode_items(field, local):
    """Lines that write what stands in a list or record."""
    if field.kind == "record":
        return [f"    {encode_call(field.record, local)}(&m->{field.name}, w);"]
    element = field.element_type()
    item = f"(const {element} *)m->{field.name}.items + i"
    write = f"{encode_call(field.record, local)}({item}, w);" if field.record else \
        f"rt_mpw_{field.of}(w, *({item}));"
    return [f"    for (uint32_t i = 0; i < m->{field.name}.count; i++) {{",
            f"        {write}", "    }"]


def encode_call(message, local):
    """The function that writes a message of this file, or of another."""
    return f"encode_{message.c_name[4:]}" if message in local else f"{message.c_name}_def.encode"


def emit_encode(message, local):
    name = message.c_name[4:]
    out = ["static void", f"encode_{name}(const void *msg, rt_mpw *w)", "{",
           f"    const {message.c_name} *m = msg;",
           "    uint8_t *at = rt__msg_room(", f"        w, {room(message.fields, True)});", "",
           "    if (at == NULL) {",
           f"        rt__msg_encode_table(&{message.c_name}_def, msg, w);",
           "        return;", "    }",
           f"    at = rt__put_count(at, {len(message.fields) + 1}, MP_FIXARRAY, MP_ARRAY16);",
           f"    at = rt__put_u64(at, {message.version});"]
    for i, field in enumerate(message.fields):
        if field.kind not in ("list", "record"):
            out.append(f"    at = rt__put_{field.kind}(at, m->{field.name});")
            continue
        rest = message.fields[i + 1:]
        inner = ["    rt__msg_written(w, at);"] + encode_items(field, local)
        if rest:
            inner += ["    at = rt__msg_room(", f"        w, {room(rest, False)});",
                      "    if (at == NULL) {",
                      f"        rt__msg_write_fields(&{message.c_name}_def, {i + 1}, "
                      f"{len(message.fields)}, msg, w);", "        return;", "    }"]
        else:
            inner.append("    at = w->ptr + w->len;")
        if field.kind == "list":
            out += [f"    RT_ASSERT(m->{field.name}.count <= RT_MSG_LIST_MAX);",
                    f"    at = rt__put_count(at, m->{field.name}.count, MP_FIXARRAY, MP_ARRAY16);",
                    f"    if (m->{field.name}.count > 0) {{",
                    *["    " + line.replace("\n", "\n    ") for line in inner], "    }"]
        else:
            out += inner
    return "\n".join(out + ["    rt__msg_written(w, at);", "}"])


def decode_item(field, at, local):
    """The expression that reads one value to `at`."""
    if field.record:
        if field.record in local:
            return f"decode_{field.record.c_name[4:]}(mp, arena, {at})"
        return f"{field.record.c_name}_def.decode(mp, arena, {at})"
    kind = field.of if field.kind == "list" else field.kind
    return {"bool": f"rt_mp_bool(mp, {at})", "bin": f"rt_mp_bin(mp, {at})"}.get(
        kind, f"rt__get_{kind}(mp, {at})")


def emit_decode(message, local):
    name = message.c_name[4:]
    has_arena = any(f.kind in ("list", "record") for f in message.fields)
    out = ["static rt_err",
           f"decode_{name}(rt_mp *mp, rt_arena *arena, void *ret_msg)", "{",
           f"    {message.c_name} *m = ret_msg;", "    rt_err err = RT_OK;", "",
           f"    if (!rt__get_head(mp, {len(message.fields)}, {message.version})) {{",
           f"        return rt__msg_decode_table(&{message.c_name}_def, mp, arena, ret_msg);",
           "    }"]
    if not has_arena:
        out.append("    (void)arena; // only lists need it")
    for i, field in enumerate(message.fields):
        if field.kind == "list":
            item = decode_item(field, f"({field.element_type()} *)m->{field.name}.items + i", local)
            out += [f"    if (!rt__get_empty(mp, &m->{field.name})) {{",
                    f"        err = rt__msg_list(&{name}_fields[{i}], mp, arena, &m->{field.name});",
                    f"        for (uint32_t i = 0; err == RT_OK && i < m->{field.name}.count; i++) {{",
                    f"            err = {item};", "        }"]
            out += ["        if (err != RT_OK) {", "            return err;", "        }", "    }"]
        else:
            out += [f"    err = {decode_item(field, f'&m->{field.name}', local)};",
                    "    if (err != RT_OK) {", "        return err;", "    }"]
    return "\n".join(out + ["    return err;", "}"])


def emit_source(reader, source, header_path):
    out = [
        "// tidy: table",
        f"// Generated by tools/msggen from {source}; change that file.",
        f'#include "{header_path}"',
        "",
        "#include <stddef.h>",
        "",
        '#include "runtime/base/check.h"',
        '#include "runtime/wire/msg_codec.h"',
    ]
    local = set(reader.messages)
    for message in reader.messages:
        table = f"{message.c_name[4:]}_fields"
        out += ["", f"static const rt_msg_field {table}[] = {{"]
        out += [field_entry(message, field) for field in message.fields]
        out += [
            "};",
            "",
            emit_encode(message, local),
            "",
            emit_decode(message, local),
            "",
            f"const rt_msg_def {message.c_name}_def = {{",
            f'    .name = "{message.name}",',
            f"    .version = {message.version},",
            f"    .size = sizeof({message.c_name}),",
            f"    .fields = {table},",
            f"    .field_count = {len(message.fields)},",
            f"    .doc = {string_lines(message.doc, 11)},",
            f"    .encode = encode_{message.c_name[4:]},",
            f"    .decode = decode_{message.c_name[4:]},",
            "};",
        ]
    return "\n".join(out + [""])


def read_lock(path):
    """The locked messages: name -> (line number, version, [field:type, ...])."""
    locked = {}
    if not os.path.exists(path):
        return locked
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) < 2 or not words[1].isdigit() or words[0] in locked:
                raise Mistake(path, number, "not a line 'name version field:type ...', or a second")
            locked[words[0]] = (number, int(words[1]), words[2:])
    return locked


def broken_promise(message, version, fields):
    """What of a locked message the present one breaks, or None."""
    now = [f"{f.name}:{f.signature()}" for f in message.fields]
    if message.version < version:
        return f"goes back from version {version} to {message.version}"
    if message.version > version or now[: len(fields)] == fields:
        return None
    types = dict(entry.split(":", 1) for entry in now)
    for entry in fields:
        name, kind = entry.split(":", 1)
        if name not in types:
            return f"lost field '{name}'"
        if types[name] != kind:
            return f"changed field '{name}' from {kind} to {types[name]}"
    return "changed the order of its fields"


def lock_mistakes(path, locked, messages):
    mistakes = []
    for name, (number, version, fields) in locked.items():
        if name not in messages:
            text = f"message '{name}' is gone; when nobody sends it any more, delete this line"
            mistakes.append(f"{path}:{number}: {text}")
            continue
        broken = broken_promise(messages[name], version, fields)
        if broken:
            text = f"message '{name}' {broken} without a new version"
            if broken.startswith("goes back"):
                text = f"message '{name}' {broken}"
            mistakes.append(f"{path}:{number}: {text}")
    return mistakes


def lock_text(messages):
    head = [
        "# The wire form of every message: name, version, fields in order. Written by",
        "# tools/msggen/msggen.py --lock FILE --update; a changed line without a new version",
        "# breaks processes and journals that still use the old form.",
    ]
    return "\n".join(head + [messages[name].lock_line() for name in sorted(messages)] + [""])


def check_lock(args):
    messages = {}
    for path in args.files:
        reader = Reader(path, messages).read()
        messages.update({m.name: m for m in reader.messages})
    mistakes = lock_mistakes(args.lock, read_lock(args.lock), messages)
    if mistakes:
        print("\n".join(mistakes), file=sys.stderr)
        return 1
    text = lock_text(messages)
    if args.update:
        write(args.lock, text)
        return 0
    try:
        with open(args.lock, encoding="utf-8") as file:
            is_current = file.read() == text
    except FileNotFoundError:
        is_current = False
    if not is_current:
        print(f"{args.lock}:1: does not hold the present messages; add --update", file=sys.stderr)
        return 1
    return 0


def write(path, text):
    """Writes `path` at once or not at all."""
    scratch = path + ".new"
    with open(scratch, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(scratch, path)


def generate(args):
    known = {}
    for path in args.include:
        known.update({m.name: m for m in Reader(path, known).read().messages})
    reader = Reader(args.files[0], known).read()
    header_path = args.header_path or os.path.basename(args.out_h)
    # Only the last two parts: an absolute path would make builds differ between machines.
    source = "/".join(os.path.abspath(args.files[0]).split(os.sep)[-2:])
    write(args.out_h, emit_header(reader, source, header_path, args.include_header))
    write(args.out_c, emit_source(reader, source, header_path))
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(description="messages.yaml to C, and its lock")
    parser.add_argument("--out-h", metavar="FILE", help="header to write")
    parser.add_argument("--out-c", metavar="FILE", help="source to write")
    parser.add_argument("--header-path", metavar="PATH", help="how the source includes the header")
    parser.add_argument("--include", metavar="YAML", action="append", default=[],
                        help="messages that this file may name; repeatable")
    parser.add_argument("--include-header", metavar="PATH", action="append", default=[],
                        help="header of the included messages; repeatable")
    parser.add_argument("--lock", metavar="FILE", help="check the lock instead of generating")
    parser.add_argument("--update", action="store_true", help="with --lock: write it")
    parser.add_argument("files", nargs="+", metavar="messages.yaml")
    args = parser.parse_args()
    if args.lock is None and (args.out_h is None or args.out_c is None or len(args.files) != 1):
        parser.error("give --out-h, --out-c and one messages.yaml, or --lock")
    if args.lock is None and args.update:
        parser.error("--update goes with --lock")
    if len(args.include) != len(args.include_header):
        parser.error("every --include needs its --include-header")
    return args


def main():
    args = parse_arguments()
    try:
        return check_lock(args) if args.lock else generate(args)
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
