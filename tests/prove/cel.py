"""Conditions mean what CEL says: the conformance tests of the language's definition.

The tests are not in the tree: they are the directory tests/simple/testdata of cel-expr/cel-spec,
named by --data, or
cel-spec in CEREBRO_DATA. Read here are the files of the language's core and of the extensions we
have; tests that are about protocol buffers are left out, for the reasons in `protobuf_reason`.
"""

import json
import math
import os
import re
import struct
import subprocess

import proof

SUMMARY = "conformance tests of CEL: score for each file"
OPTIONS = {"only": "", "data": ""}
OPTION_HELP = {"data": "directory of the textproto files"}

PHASES = {
    1: ("basic", "plumbing", "comparisons", "conversions", "fields", "fp_math", "integer_math",
        "lists", "logic", "macros", "string", "timestamps", "parse", "namespace"),
    2: ("macros2", "string_ext", "math_ext", "bindings_ext", "encoders_ext", "optionals",
        "type_deduction"),
}

# Refusals within these files, each with its reason: "file/section/test".
REFUSED = {
}

NO_DATA = "no conformance tests of CEL: neither --data, CEREBRO_DATA/cel-spec nor a data directory " \
    "beside the project has them"


# --- text format of protocol buffers, as far as the tests use it ---

TOKEN = re.compile(r"""\s+|\#[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
                   r"""|(?P<word>[A-Za-z_][\w./-]*|[-+]?(?:\d[\w.+-]*|\.\d[\w.+-]*)|-[A-Za-z]+)"""
                   r"""|(?P<sign>[{}\[\]<>:,;])""")
ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34,
           "?": 63, "`": 96}


class Message(list):
    """The fields of a message in their order: (name, value), where a value is a Message, bytes of a
    string, or a word."""

    def all(self, name):
        """Every value of a field."""
        return [value for key, value in self if key == name]

    def get(self, name, default=None):
        """The last value of a field."""
        found = self.all(name)
        return found[-1] if found else default

    def has(self, name):
        """Whether a field was written."""
        return any(key == name for key, _ in self)


def unquote(text):
    """The bytes of a quoted string."""
    out = bytearray()
    at = 1
    while at < len(text) - 1:
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
            continue
        kind = text[at + 1]
        if kind in "01234567":
            digits = re.match(r"[0-7]{1,3}", text[at + 1:]).group()
            out.append(int(digits, 8) & 255)
            at += 1 + len(digits)
        elif kind in "xX":
            digits = re.match(r"[0-9a-fA-F]{1,2}", text[at + 2:]).group()
            out.append(int(digits, 16))
            at += 2 + len(digits)
        elif kind in "uU":
            width = 4 if kind == "u" else 8
            out += chr(int(text[at + 2:at + 2 + width], 16)).encode("utf-8", "surrogatepass")
            at += 2 + width
        else:
            out.append(ESCAPES[kind])
            at += 2
    return bytes(out)


def tokens_of(text):
    """(kind, text) of every token."""
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise proof.Failure("not a text of protocol buffers: %r" % text[at:at + 40])
        if match.lastgroup:
            yield match.lastgroup, match.group()
        at = match.end()


class Reader:
    """Reads messages from tokens."""

    def __init__(self, text):
        self.tokens = list(tokens_of(text))
        self.at = 0

    def peek(self):
        """The token at the cursor; an empty one at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self):
        """Takes a token."""
        self.at += 1
        return self.tokens[self.at - 1]

    def name(self):
        """A field's name, or the type in brackets of what google.protobuf.Any holds."""
        kind, text = self.next()
        if text == "[":
            text = ""
            while self.peek()[1] != "]":
                text += self.next()[1]
            self.next()
            return "[%s]" % text
        return text

    def value(self):
        """A message, a string (several in a row are one), or a word."""
        kind, text = self.next()
        if text in "{<" and kind == "sign":
            return self.message("}" if text == "{" else ">")
        if kind == "string":
            out = unquote(text)
            while self.peek()[0] == "string":
                out += unquote(self.next()[1])
            return out
        return text

    def message(self, end):
        """Fields up to a sign, or to the end of the file."""
        fields = Message()
        while self.peek()[1] != end:
            name = self.name()
            if self.peek()[1] == ":":
                self.next()
            if self.peek()[1] == "[":
                self.next()
                while self.peek()[1] != "]":
                    fields.append((name, self.value()))
                    if self.peek()[1] == ",":
                        self.next()
                self.next()
            else:
                fields.append((name, self.value()))
            if self.peek()[1] in (",", ";") and self.peek()[0] == "sign":
                self.next()
        if end:
            self.next()
        return fields


# --- values: ("int", 5), ("list", [...]), ("map", [(key, value), ...]) ---

TIME = "[type.googleapis.com/google.protobuf.Timestamp]"
DURATION = "[type.googleapis.com/google.protobuf.Duration]"


def number(text):
    """An integer as the text format writes it."""
    return int(text, 0)


def real(text):
    """A double as the text format writes it."""
    text = text.lower().rstrip("f") if not text.lower().endswith("inf") else text.lower()
    return float({"infinity": "inf", "-infinity": "-inf"}.get(text, text))


def value_of(message):
    """A cel.expr.Value."""
    kind, content = message[0]
    if kind == "null_value":
        return ("null", None)
    if kind == "bool_value":
        return ("bool", content == "true")
    if kind == "int64_value":
        return ("int", number(content))
    if kind == "uint64_value":
        return ("uint", number(content))
    if kind == "double_value":
        return ("double", real(content))
    if kind == "string_value":
        return ("string", content.decode("utf-8", "surrogateescape"))
    if kind == "bytes_value":
        return ("bytes", content)
    if kind == "type_value":
        return ("type", content.decode())
    if kind == "list_value":
        return ("list", [value_of(v) for v in content.all("values")])
    if kind == "map_value":
        return ("map", [(value_of(e.get("key")), value_of(e.get("value")))
                        for e in content.all("entries")])
    if kind == "object_value" and content[0][0] in (TIME, DURATION):
        fields = content[0][1]
        ns = number(fields.get("seconds", "0")) * 10**9 + number(fields.get("nanos", "0"))
        return ("time" if content[0][0] == TIME else "duration", ns)
    raise proof.Failure("a value of an unknown kind: %s" % kind)


def pack(value):
    """msgpack, with the extensions of cel_eval."""
    kind, content = value
    if kind == "null":
        return b"\xc0"
    if kind == "bool":
        return b"\xc3" if content else b"\xc2"
    if kind == "int":
        return b"\xd3" + struct.pack(">q", content)
    if kind == "uint":
        return b"\xd7\x01" + struct.pack(">Q", content)
    if kind == "double":
        return b"\xcb" + struct.pack(">d", content)
    if kind == "string":
        raw = content.encode("utf-8", "surrogateescape")
        return b"\xdb" + struct.pack(">I", len(raw)) + raw
    if kind == "bytes":
        return b"\xc6" + struct.pack(">I", len(content)) + content
    if kind == "type":
        return b"\xc9" + struct.pack(">IB", len(content), 4) + content.encode()
    if kind in ("time", "duration"):
        ms, ns = divmod(content, 10**6)
        return b"\xc7\x0c" + struct.pack(">BqI", 3 if kind == "time" else 2, ms, ns)
    if kind == "list":
        return b"\xdd" + struct.pack(">I", len(content)) + b"".join(pack(v) for v in content)
    return b"\xdf" + struct.pack(">I", len(content)) + b"".join(
        pack(k) + pack(v) for k, v in content)


def unpack(raw, at=0):
    """(value, place behind it) of what cel_eval answers."""
    head = raw[at]
    at += 1

    def read(form):
        nonlocal at
        size = struct.calcsize(form)
        found = struct.unpack_from(form, raw, at)[0]
        at += size
        return found

    def take(size):
        nonlocal at
        at += size
        return raw[at - size:at]

    def items(count):
        nonlocal at
        found = []
        for _ in range(count):
            one, at = unpack(raw, at)
            found.append(one)
        return found

    def a_map(count):
        both = items(2 * count)
        pairs = list(zip(both[::2], both[1::2]))
        if pairs and pairs[0][0] == ("string", "optional none"):
            return ("optional", None)
        if len(pairs) == 1 and pairs[0][0] == ("string", "optional"):
            return ("optional", pairs[0][1])
        return ("map", pairs)

    if head < 0x80:
        return ("int", head), at
    if head >= 0xe0:
        return ("int", head - 256), at
    if head < 0x90:
        return a_map(head & 15), at
    if head < 0xa0:
        return ("list", items(head & 15)), at
    if head < 0xc0:
        return ("string", take(head & 31).decode()), at
    plain = {0xc0: ("null", None), 0xc2: ("bool", False), 0xc3: ("bool", True)}
    if head in plain:
        return plain[head], at
    sizes = {0xc4: ">B", 0xc5: ">H", 0xc6: ">I", 0xd9: ">B", 0xda: ">H", 0xdb: ">I", 0xdc: ">H",
             0xdd: ">I", 0xde: ">H", 0xdf: ">I", 0xc9: ">I"}
    numbers = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i",
               0xd3: ">q"}
    if head in numbers:
        return ("int", read(numbers[head])), at
    if head in (0xca, 0xcb):
        return ("double", read(">f" if head == 0xca else ">d")), at
    size = read(sizes[head])
    if head <= 0xc6:
        return ("bytes", take(size)), at
    if head == 0xc9:
        kind = read(">B")
        body = take(size)
        if kind == 1:
            return ("uint", struct.unpack(">Q", body)[0]), at
        if kind == 4:
            return ("type", body.decode()), at
        ms, ns = struct.unpack(">qI", body)
        return ("time" if kind == 3 else "duration", ms * 10**6 + ns), at
    if head <= 0xdb:
        return ("string", take(size).decode()), at
    if head <= 0xdd:
        return ("list", items(size)), at
    return a_map(size), at


def same(a, b):
    """Whether two values are one: a double by its bits except for NaN, a map in any order."""
    if a[0] != b[0]:
        return False
    if a[0] == "double":
        return (math.isnan(a[1]) and math.isnan(b[1])) or struct.pack(">d", a[1]) == \
            struct.pack(">d", b[1])
    if a[0] == "list":
        return len(a[1]) == len(b[1]) and all(same(x, y) for x, y in zip(a[1], b[1]))
    if a[0] == "map":
        return len(a[1]) == len(b[1]) and all(
            any(same(k, l) and same(v, w) for l, w in b[1]) for k, v in a[1])
    return a[1] == b[1]


# --- types in CEL's words ---

PRIMITIVES = {"BOOL": "bool", "INT64": "int", "UINT64": "uint", "DOUBLE": "double",
              "STRING": "string", "BYTES": "bytes"}


def type_of(message):
    """The words of a cel.expr.Type."""
    kind, content = message[0]
    if kind == "primitive":
        return PRIMITIVES[content]
    if kind == "well_known":
        return {"TIMESTAMP": "timestamp", "DURATION": "duration"}.get(content, "dyn")
    if kind == "null":
        return "null_type"
    if kind == "message_type":
        return {b"google.protobuf.Timestamp": "timestamp",
                b"google.protobuf.Duration": "duration"}.get(content, "dyn")
    if kind == "list_type":
        return "list(%s)" % type_of(content.get("elem_type"))
    if kind == "map_type":
        return "map(%s, %s)" % (type_of(content.get("key_type")), type_of(content.get("value_type")))
    if kind == "abstract_type" and content.get("name") == b"optional_type":
        return "optional_type(%s)" % type_of(content.get("parameter_types"))
    if kind == "type":
        return "type"
    return "dyn"


# --- tests ---

def words_in(message):
    """All names of fields and all words in a message, nested ones too."""
    for name, value in message:
        yield name
        if isinstance(value, Message):
            yield from words_in(value)
        elif isinstance(value, str):
            yield value


def message_types(message):
    """All names of types of messages."""
    for name, value in message:
        if name == "message_type":
            yield value
        if isinstance(value, Message):
            yield from message_types(value)


def protobuf_reason(test):
    """Why a test is about protocol buffers; '' when it is not."""
    expr = test.get("expr", b"").decode("utf-8", "surrogateescape")
    names = set(words_in(test)) - {TIME, DURATION}
    if any(n.startswith("[type.googleapis.com/") for n in names):
        return "a message as a value"
    if set(message_types(test)) - {b"google.protobuf.Timestamp", b"google.protobuf.Duration"} or \
            "wrapper" in names or "enum_value" in names:
        return "a message, wrapper or enumeration as a type"
    if "function" in names:
        return "a function that only the test declares"
    if re.search(r"\bTestAllTypes\b|\bGlobalEnum\b|\bNestedTestAllTypes\b", expr):
        return "a message in the expression"
    if re.search(r"google\.protobuf\.(?!Timestamp\b|Duration\b)\w+", expr) or \
            re.search(r"(?<!\bin)\b\s*\{", re.sub(r"'[^']*'|\"[^\"]*\"", "", expr)):
        return "a message in the expression"
    return ""


def tests_of(path):
    """(name, test) of a file."""
    with open(path, encoding="utf-8") as file:
        top = Reader(file.read()).message("")
    for section in top.all("section"):
        for test in section.all("test"):
            yield "%s/%s" % (section.get("name").decode(), test.get("name").decode()), test


def question_of(test):
    """What cel_eval is asked."""
    values = {b.get("key").decode(): pack(value_of(b.get("value").get("value"))).hex()
              for b in test.all("bindings")}
    types = {}
    for declared in test.all("type_env"):
        if declared.has("ident"):
            types[declared.get("name").decode()] = type_of(declared.get("ident").get("type"))
    names = sorted(set(values) | set(types))
    return {"expr": test.get("expr").hex(), "check": test.get("disable_check") != "true",
            "container": test.get("container", b"").decode(),
            "vars": [dict({"name": n, "type": types.get(n, "dyn")},
                          **({"value": values[n]} if n in values else {})) for n in names]}


def verdict(test, answer):
    """('passed' or 'refused' or 'wrong', what was wanted)."""
    wants_error = test.has("eval_error") or test.has("any_eval_errors")
    typed = test.get("typed_result")
    refused = "not supported yet" in answer.get("text", "")
    if wants_error:
        return ("refused" if refused else "passed" if "error" in answer else "wrong"), "an error"
    if typed is not None:
        wanted = value_of(typed.get("result")) if typed.has("result") else None
        wanted_type = type_of(typed.get("deduced_type"))
        if "error" in answer:
            fits = test.get("check_only") == "true" and answer["error"] != "compile" and \
                answer["text"] == wanted_type
            return ("refused" if refused else "passed" if fits else "wrong"), \
                "%s %s" % (wanted_type, wanted)
        fits = answer["type"] == wanted_type and (
            wanted is None or same(unpack(bytes.fromhex(answer["value"]))[0], wanted))
        return ("passed" if fits else "wrong"), "%s %s" % (wanted_type, wanted)
    wanted = value_of(test.get("value")) if test.has("value") else ("bool", True)
    if "error" in answer:
        return ("refused" if refused else "wrong"), str(wanted)
    return ("passed" if same(unpack(bytes.fromhex(answer["value"]))[0], wanted) else "wrong"), \
        str(wanted)


def shown(answer):
    """An answer for people."""
    if "error" in answer:
        return "%s: %s" % (answer["error"], answer["text"].strip())
    return "%s %s" % (answer["type"], unpack(bytes.fromhex(answer["value"]))[0])


def data_directory(given):
    """Where the tests are, or None."""
    data = os.environ.get("CEREBRO_DATA") or os.path.join(proof.SOURCE, "..", "shared", "data")
    place = given or os.path.join(data, "cel-spec")
    return place if os.path.exists(os.path.join(place, "basic.textproto")) else None


def program(p):
    """cel_eval: of the build that a test runs in, or built now."""
    build = os.environ.get("CEREBRO_BUILD") or p.build(targets=["tests/tools/cel_eval"])
    return os.path.join(build, "tests", "tools", "cel_eval")


def ask(path, questions):
    """The answers, in order."""
    text = "".join(json.dumps(q) + "\n" for q in questions)
    done = subprocess.run([path], input=text.encode(), stdout=subprocess.PIPE, check=False)
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    if done.returncode != 0 or len(lines) != len(questions):
        raise proof.Failure("cel_eval ended with %d after %d of %d; at: %s" % (
            done.returncode, len(lines), len(questions), questions[min(len(lines), len(questions) - 1)]))
    return [json.loads(line) for line in lines]


def prove(p):
    """Scores every file."""
    directory = data_directory(p.options.data)
    if directory is None:
        p.skip(NO_DATA)
        return
    path = program(p)
    for phase, files in PHASES.items():
        for name in files:
            if p.options.only and not re.search(p.options.only, name):
                continue
            score_file(p, path, phase, name, os.path.join(directory, name + ".textproto"))


def score_file(p, program_path, phase, name, path):
    """Runs one file's tests."""
    tests = [(n, t) for n, t in tests_of(path) if not protobuf_reason(t)]
    left_out = sum(1 for _, t in tests_of(path) if protobuf_reason(t))
    counts = {"passed": 0, "refused": 0, "wrong": 0}
    for (test_name, test), answer in zip(tests, ask(program_path,
                                                    [question_of(t) for _, t in tests])):
        outcome, wanted = verdict(test, answer)
        counts[outcome] += 1
        full = "%s/%s" % (name, test_name)
        if outcome == "passed" or (outcome == "refused" and full in REFUSED):
            p.passed()
        else:
            p.failed("%s is %s: %s" % (full, outcome, test.get("expr").decode("utf-8", "replace")),
                     "wanted %s\ngot    %s" % (wanted, shown(answer)),
                     "tools/prove cel --only '^%s$'" % name)
    p.figure("phase %d %s" % (phase, name), "%d passed, %d refused, %d wrong" % (
        counts["passed"], counts["refused"], counts["wrong"]),
        "(%d about protocol buffers left out)" % left_out)
