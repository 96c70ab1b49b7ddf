#!/usr/bin/env python3
"""Makes the first inputs of every fuzz target, and its dictionary, from what stands in this tree.

seeds.py OUTPUT: a folder a target below OUTPUT, and TARGET.dict beside it. Packs, playbooks and
configuration as they are (cut up where they are long), events of the catalogue with fields filled,
messages by messages.yaml, requests as brainctl makes them, scripts of operations. tools/prove fuzz
--merge keeps what reaches something, of these and of what a campaign found, in tests/fuzz/corpus.
"""

import glob
import itertools
import json
import os
import re
import socket
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import mp  # noqa: E402

SEPARATOR = "%%%\n"
LONG = 1500  # bytes; a longer file is cut up
AT = "2026-11-20T05:00:00Z"


class Seeds:
    """Writes numbered files into a target's folder."""

    def __init__(self, output):
        self.output = output
        self.numbers = itertools.count()

    def add(self, target, data):
        """One input, text or bytes."""
        folder = os.path.join(self.output, target)
        os.makedirs(folder, exist_ok=True)
        if isinstance(data, str):
            data = data.encode()
        with open(os.path.join(folder, "seed%05d" % next(self.numbers)), "wb") as out:
            out.write(data)


def read(*parts):
    """A text of the tree."""
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as text:
        return text.read()


def paths(pattern):
    """Files of the tree, relative to its root."""
    found = glob.glob(os.path.join(SOURCE, pattern))
    return sorted(os.path.relpath(path, SOURCE) for path in found)


# --- events ---

def catalogs():
    """All event types: {name: {fields...}}."""
    types = {}
    for path in paths("config/packs/*/catalog.yaml"):
        types.update(yaml.safe_load(read(path))["events"])
    return types


def value_of(field):
    """A value that the field takes."""
    kind = field["type"]
    if kind == "str":
        return field["values"][0] if "values" in field else "Bogotá"
    if kind == "bool":
        return True
    if kind == "time":
        return AT
    low, high = field.get("min", 0), field.get("max", 10)
    if kind == "f64":
        return float(low) + 0.5 if float(low) + 0.5 <= float(high) else float(low)
    if kind == "duration":
        return 60000
    return int(low) if isinstance(low, (int, float)) and low > 3 else 3


def event(name, definition, full=True):
    """A wire event, with every field or the required ones."""
    fields = definition.get("fields") or {}
    data = {key: value_of(field) for key, field in fields.items()
            if full or field.get("required")}
    made = {"id": "e1", "source": "/shop", "type": name,
            "subject": "%s/7" % definition.get("entity", "carrier"), "data": data}
    if full:
        made.update(specversion="1.0", time=AT, tenant="alpha", priority="high", sequence="7",
                    correlationid="c", causationid="d", traceparent="00-0-0-0", extension="x")
    return made


# --- messages of messages.yaml ---

MESSAGES = yaml.safe_load(read("brain/core/messages.yaml"))["messages"]


def message(name, values):
    """A message in its wire form, fields left out as zeros."""
    definition = MESSAGES[name]
    row = [definition["version"]]
    for field, form in definition["fields"].items():
        row.append(field_value(form, values.get(field)))
    return row


def field_value(form, value):
    """One field in its wire form."""
    kind = form["type"]
    if kind == "record":
        return message(form["of"], value or {})
    if kind == "list":
        return [message(form["of"], item) if form["of"] in MESSAGES else item
                for item in value or []]
    if value is not None:
        return value
    return {"str": "", "bin": b"", "any": None, "f64": 0.0, "bool": False}.get(kind, 0)


PROPOSAL = {"agent": "logistics", "model": "m/1", "action": "pause_carrier", "target": "carrier/x",
            "args": {"city": "Cali", "hours": 6}, "priority": 70, "confidence": 0.9, "value": 0.5,
            "cost_cop": 50, "propensity": 1.0, "reason": "late",
            "factors": [{"name": "late", "value": 0.5, "contribution": 0.1}]}


def answer(seq):
    """All that agents can say of one record."""
    return {"seq": seq, "proposals": [PROPOSAL, dict(PROPOSAL, veto=True, action="*")],
            "predictions": [{"agent": "logistics", "model": "delay", "version": 3, "value": 0.5}],
            "emissions": [{"agent": "logistics", "event": "delay.detected", "subject": "order/1",
                           "data": {"risk": 0.9}}],
            "timers": [{"owner": "logistics", "key": "k", "due_ms": 1795150860000,
                        "subject": "order/1"}]}


def decision():
    """A decision record with one winner and one refused."""
    return message("decision", {
        "event_seq": 3, "event_id": "e1", "event_type": "carrier.status", "subject": "carrier/x",
        "candidates": [{"proposal": PROPOSAL, "score": 63.0, "verdict": "won", "action_id": "a-1"},
                       {"proposal": PROPOSAL, "score": 1.0, "verdict": "refused", "why": "budget"}],
        "consulted": [{"playbook": "p", "version": 1, "verdict": "fired"}]})


# --- the targets ---

def seed_events(seeds):
    """envelope and json."""
    for name, definition in catalogs().items():
        for full in (True, False):
            made = event(name, definition, full)
            seeds.add("envelope", mp.pack(made))
            seeds.add("json", json.dumps(made, ensure_ascii=not full))
    batch = [event(name, definition, False) for name, definition in list(catalogs().items())[:3]]
    seeds.add("envelope", mp.pack(batch))
    seeds.add("json", json.dumps(batch, indent=1))
    for value in (0, -1, 2 ** 63, -2 ** 63, 2 ** 64 - 1, 1.5, "x" * 40, "x" * 300, b"x" * 300,
                  list(range(20)), {str(i): i for i in range(20)}, None, True, {"time": 1}):
        seeds.add("envelope", mp.pack(value))
        seeds.add("json", b"\x01" + mp.pack(value))
    seeds.add("envelope", b"\x81\xa4time\xd6\xff\x00\x00\x00\x01")  # a timestamp
    for text in ('[1,-2.5e-3,1e308,true,null,""]', '{"a":{"b":[{"c":"\\u00e9\\ud83d\\ude00\\n"}]}}',
                 "18446744073709551615", "-9223372036854775808", '"\\u0001"', " [ ] ", "5e-324"):
        seeds.add("json", text)


def pieces(text):
    """A long YAML file of `kind` and one map, as short files with a few of its entries."""
    if len(text) < LONG:
        return [text]
    head, found = [], []
    for line in text.splitlines(keepends=True):
        if re.match(r"  [\w.]+:", line):
            found.append("")
        if found:
            found[-1] += line
        elif not line.startswith("#"):
            head.append(line)
    return ["".join(head) + entry for entry in found]


SMALL_PACK = """\
kind: catalog
events:
  box.made:
    entity: box
    fields:
      weight: {type: f64, min: 0, max: 9}
      colour: {type: str, values: [red]}
      shop: {type: str}
      at: {type: time}
      wait: {type: duration, max: 2h}
      ok: {type: bool}
      n: {type: i64, required: true}
%%%
kind: entities
entities:
  box:
    keys: [shop]
    attributes:
      colour: {type: str}
      weight: {type: f64, from: [box.made]}
    sets:
      box.made: {colour: red}
%%%
kind: features
features:
  shop:
    key: shop
    made: {kind: count, half_life: 1d, on: [box.made]}
    heavy: {kind: mean, half_life: 7d, on: [box.made], value: data.weight * 2.0, weight: 3}
    last: {kind: last, on: [box.made], value: data.weight}
%%%
kind: actions
actions:
  paint:
    resource: box
    group: g
    class: 1
    executor: emit
    emits: box.made
    cooldown: 1h
    budget: {per_target_day: 3, per_tenant_hour: 5}
    args:
      colour: {type: str, required: true}
"""


def seed_catalog(seeds):
    """Packs: single entries, and whole small packs."""
    seeds.add("catalog", SMALL_PACK)
    small = SMALL_PACK.split(SEPARATOR)[0]
    for path in paths("config/packs/*/*.yaml"):
        for piece in pieces(read(path)):
            seeds.add("catalog", piece)
            if "catalog" not in path:
                seeds.add("catalog", small + SEPARATOR + piece)


SMALL_PLAYBOOK = """\
kind: playbook
id: p
events: [carrier.status]
mode: shadow
when: 'true'
throttle: {key: event.subject, per: 1h}
do:
  - action: alert_operator
    target: ${event.subject}
    args: {severity: warning, text: '="a" + data.status'}
"""


def seed_playbook(seeds):
    """Every playbook, alone and with another."""
    texts = [re.sub(r"(?m)^#.*\n", "", read(path)) for path in paths("playbooks/*/*.yaml")]
    for text in texts:
        seeds.add("playbook", text)
    seeds.add("playbook", min(texts, key=len) + SEPARATOR + sorted(texts, key=len)[1])
    seeds.add("playbook", SMALL_PLAYBOOK)


def seed_expr(seeds):
    """Conditions of the playbooks over the target's own variables, and the language's parts."""
    names = {"data.delay_min": "data.i", "data.risk": "data.f", "order.status": "order.id"}
    found = []
    for path in paths("playbooks/*/*.yaml") + paths("config/packs/*/features.yaml"):
        found += re.findall(r"(?:when|key|expect|value): (?:\|\n)?(.*)", read(path))
    found += re.findall(r'\{"((?:[^"\\]|\\.)+)", "B2\d\d\d"\}', read("brain/expr/expr_test.c"))
    for text in found:
        text = re.sub(r"\b(data|order|feature|memory|customer|carrier)(\.\w+)+",
                      lambda m: names.get(m.group(0), "data.i"), text.strip("'\""))
        for mode in (0, 2):
            seeds.add("expr", bytes([mode, 0]) + text.encode())
    for text in ('data.i > 3 && data.s.contains("a") || has(data.j) ? 1 + 2 : int("4")',
                 'data.s in ["a", \'b\'] && !(x.i == 7) && size(data.s) >= 2',
                 'timestamp("2026-11-20T05:00:00Z") + duration("1h30m") < now',
                 "now.getHours(\"-05:00\") + now.getDayOfWeek() * 2 % 3 - -1",
                 'string(data.f) + data.s.lowerAscii().upperAscii() + string(now)',
                 "double(data.i) / 0.5 == 2.0 || bool(\"true\") && dyn(x.i) > 1.5",
                 '"""a\nb""" + r"\\n" + "\\u00e9\\x41\\101"', "0x7f + 9223372036854775807",
                 "now - data.at > data.left && data.s.startsWith(\"f\") && data.s.endsWith(\"l\")",
                 "data.at.getFullYear() + data.at.getMonth() + data.at.getDate() + "
                 "data.at.getDayOfMonth() + data.at.getDayOfYear() + data.at.getMinutes() + "
                 "data.at.getSeconds() + data.at.getMilliseconds()"):
        for world in range(3):
            seeds.add("expr", bytes([0, world]) + text.encode())
            seeds.add("expr", bytes([1, world]) + b"=" + text.encode())
    for text in ("Tu pedido ${order.id} llega el ${data.at}", "$${ ${data.f * 2.0} $ ${", "==x",
                 "${data.s}${data.i}${data.ok}${data.left}", "${data.j}", "plain"):
        for world in range(3):
            seeds.add("expr", bytes([1, world]) + text.encode())


SMALL_CONFIG = """\
tenants:
  - {id: 1, name: a, utc_offset: "-05:00"}
  - {id: 2, name: b}
hosts:
  - {name: out, url: "tcp://127.0.0.1:7705", agents: [healing]}
  - {name: inside}
webhooks:
  - {name: w, url: "https://a/", secret_env: HOME, timeout: 3s, attempts: 2}
%%%
logistics:
  min_margin: 0.2
%%%
log.level=debug
gate.quiet_from=20:00
"""


def seed_config(seeds):
    """brain.yaml, agents.yaml and flags."""
    whole = re.sub(r"(?m)^\s*#.*\n", "", read("config/brain.yaml"))
    seeds.add("config", whole)
    parameters = re.findall(r'^P\("([\w.]+)", \w+, "([^"]*)"', read("tools/braind/params.def"),
                            re.M)
    for name, fallback in parameters:
        section, key = name.split(".")
        seeds.add("config", "%s:\n  %s: \"%s\"\n" % (section, key, fallback))
        seeds.add("config", SEPARATOR * 2 + "%s=%s" % (name, fallback))
    seeds.add("config", SMALL_CONFIG)


ADDRESSES = ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "8.8.8.8",
             "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fc00::1", "fe80::1", "2001::1",
             "2002::1", "64:ff9b::1", "2a00:1450::1", "ff02::1")
URLS = ("https://shop.example/hook?a=b#c", "http://127.0.0.1:8080/x", "http://[::1]/",
        "https://a@b/", "http://127.0.0.1.evil/", "https://[fe80::1%25eth0]/", "https:///x",
        "HTTPS://x/", "https://x:99999/", "http://127.0.0.1@evil/", "https://x\\@y/", "ftp://x")


def seed_guard(seeds):
    """Addresses and URLs."""
    for address in ADDRESSES:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed_form = socket.inet_pton(family, address)
        for allowed in (4, 7):
            seeds.add("guard", bytes([allowed]) + packed_form)
        if family == socket.AF_INET:
            seeds.add("guard", b"\x04" + b"\0" * 10 + b"\xff\xff" + packed_form)
    for url in URLS:
        seeds.add("guard", b"\x01" + url.encode() + b"\nContent-Type: a/b\nX-A: \tb\nbad")


def control_arguments():
    """The names of arguments that the control door looks for."""
    return {name for path in paths("brain/core/control*.c")
            for name in re.findall(r'br__arg_\w+\(ask, "(\w+)"', read(path))}


def seed_control(seeds):
    """Every command, with each of its arguments."""
    made = event("carrier.status", catalogs()["carrier.status"], False)
    made["tenant"] = "alpha"
    requests = [
        ("status", {}), ("agents.list", {}), ("playbooks.list", {}), ("config.show", {}),
        ("sync.hash", {}), ("halt", {"reason": "x"}), ("resume", {"reason": "y"}),
        ("actions.list", {"pending": True}), ("playbooks.reload", {}), ("dlq.list", {"limit": 3}),
        ("dlq.show", {"id": 1}), ("dlq.retry", {"id": 1}), ("dlq.discard", {"id": 1}),
        ("explain", {"seq": 1}), ("explain", {"action": "x"}),
        ("memory.show", {"entity": "carrier/x", "tenant": "alpha"}),
        ("records.scan", {"from": 1, "limit": 3, "kinds": ["event", "decision"], "newest": True,
                          "tenant": "alpha", "type": "carrier.status", "subject": "carrier/x"}),
        ("records.follow", {"from": 1, "kinds": ["event"], "tenant": "system", "said": True}),
        ("playbooks.check", {"files": [{"name": "a", "text": "kind: playbook\nid: a\n"}]}),
        ("events.publish", {"event": made}), ("events.publish", {"event": {"type": "x"}}),
        ("none", {}),
    ]
    arguments = control_arguments()
    for cmd, args in requests:
        seeds.add("control", mp.pack({"cmd": cmd, "args": args}))
        for name in sorted(arguments - set(args)):
            seeds.add("control", mp.pack({"cmd": cmd, "args": dict(args, **{name: 1})}))
    publish = {"cmd": "events.publish", "args": {"event": made}}
    seeds.add("control", b"".join(mp.pack({"cmd": cmd, "args": args})
                                  for cmd, args in requests[:8]))
    for cmd, args in requests:
        seeds.add("control", mp.pack(publish) + mp.pack({"cmd": cmd, "args": args}))
    seeds.add("control", b"\xc1")


def record(kind, payload):
    """A record of the journal target's script; 5 ends the group."""
    if len(payload) < 256:
        return bytes([kind - 1, len(payload)]) + payload
    return bytes([0x80 + (kind - 1 - 0x80) % 6]) + len(payload).to_bytes(2, "big") + payload


def journal_event(name, definition):
    """The journal form of an event."""
    data = event(name, definition)["data"]
    data = {key: 1795150800000 if value == AT else value for key, value in data.items()}
    context = mp.pack({"order": {"status": "x"}, "memory": {"events": 3}})
    return mp.pack([1, name, data, 1795150800000, 1, 1, 0, 0, 0, "e1", "/shop", "order/1", "", "",
                    context])


def seed_journal(seeds):
    """Events and decisions in groups, damaged and not, opened and not."""
    commit = bytes([5])
    events = [record(1, journal_event(name, definition))
              for name, definition in list(catalogs().items())[:12]]
    decided = record(2, mp.pack(decision()))
    others = record(3, mp.pack([1, [["a.yaml", "kind: playbook"]]])) + record(4, mp.pack(["x"])) + \
        record(5, mp.pack(["abcd1234", "build", 1]))
    for one in events + [decided, others]:
        seeds.add("journal", b"\x00" + one + commit)
    script = events[0] + commit + decided + commit + others + events[1] + commit
    for mode in (0, 2):
        seeds.add("journal", bytes([mode]) + script)
        seeds.add("journal", bytes([mode]) + script + events[2])  # torn
    for place in (0, 8, 20, 512, 2048, 2056, 2100, 2300, 2500):
        for mode in (1, 3):
            seeds.add("journal", bytes([mode, 1]) + place.to_bytes(2, "big") + b"\x40\0\0" + script)
    for cut in (1, 100, 300):
        for mode in (3, 11):
            seeds.add("journal", bytes([mode, 0]) + cut.to_bytes(2, "big") + script)
    seeds.add("journal", b"\x04" + b"\x10\0\0\0" * 20)


def seed_links(seeds):
    """Both sides: hellos, answers, records."""
    hello = message("hello", {"protocol": 1, "host": "inside", "applied_seq": 0, "catalog_hash": 1,
                              "agents": [{"name": "a", "doc": "d", "hears": ["order.created"],
                                          "decisions": True}], "answers": [answer(3)]})
    answers = [message("answers", {"upto_seq": seq, "answers": [answer(3)], "late": ["a"],
                                   "failures": [{"seq": 3, "agent": "a", "attempts": 3,
                                                 "cause": "x"}],
                                   "agents": [{"name": "a", "state": "running", "heard": 1}],
                                   "state_hash": 7}) for seq in (3, 4, 99)]
    seeds.add("link_brain", mp.pack(hello))
    seeds.add("link_brain", bytes([1, 2, 3, 2, 5, 4, 1, 3]))
    for row in answers:
        seeds.add("link_brain", bytes([1, 2]) + mp.pack(row) + bytes([2, 3]))
        seeds.add("link_brain", bytes([1, 2, 2]) + mp.pack(row) + bytes([4, 1]) + mp.pack(row))
    seeds.add("link_brain", bytes([1]) + mp.pack(hello) + bytes([2, 5]))
    fed = [name for name, form in MESSAGES["records"]["fields"].items()
           if form["type"] == "list"][0]
    for name, definition in catalogs().items():
        payload = mp.Raw(journal_event(name, definition))
        row = message("records", {"upto_seq": 2, "decided_seq": 1, "committed_seq": 1,
                                  fed: [{"seq": 1, "at_ms": 1795150800000, "kind": 1, "flags": 1,
                                         "payload": payload}]})
        seeds.add("link_host", mp.pack(row))
        seeds.add("link_host", mp.pack(event(name, definition)) + bytes([4]) +
                  mp.pack(event(name, definition, False)) + bytes([3]))
    row = message("records", {"upto_seq": 5, "decided_seq": 1, fed: [
        {"seq": 1, "at_ms": 1, "kind": 2, "flags": 2, "payload": mp.Raw(mp.pack(decision()))}]})
    seeds.add("link_host", mp.pack(row) + bytes([1, 2]) + mp.pack(row))


def seed_stores(seeds):
    """Operations on tables and on the journal."""
    for script in ([0, 1, 3, 97, 98, 99, 7, 0, 9, 3, 11, 1, 0, 2, 2, 1, 2, 8, 0, 11, 4],
                   [0, 1, 1, 5, 5, 0, 3, 1, 9, 2, 2, 1, 5, 0, 8, 0, 10, 1, 7, 0, 9, 9, 11, 1],
                   [16, 3, 4, 1, 2, 3, 4, 19, 3, 40, 7, 7, 0, 10, 0, 8, 0, 11, 3, 2, 3, 7, 0, 11]):
        seeds.add("tables", bytes(script))
    for script in ([0, 4, 0, 5, 3, 0, 8, 1, 0, 6, 4, 0, 5, 1, 6, 0, 0, 0, 3, 0],
                   [0, 9, 0, 9, 3, 0, 0, 9, 3, 0, 5, 9, 0, 8, 3, 0, 9, 0, 8, 2, 9, 0],
                   [0, 250, 0, 10, 6, 1, 0, 3, 4, 0, 3, 0, 8, 0, 7, 1, 0, 9, 3, 0, 8, 4]):
        seeds.add("log", bytes(script))


# --- dictionaries ---

def yaml_words():
    """Keys and names that packs, playbooks and configuration know."""
    words = {"|", "- ", "{", "}", "[", "]", ": ", "\"", "'", "\n  ", "%%%\n", "~", "1h", "1KiB",
             "&a", "*a", "!!str", "---", "# "}
    for path in paths("config/*.yaml") + paths("config/packs/*/*.yaml") + \
            paths("playbooks/*/*.yaml"):
        words |= set(re.findall(r"[\w.-]+:", read(path)))
    for path in paths("brain/*/*.c") + paths("runtime/wire/*.c"):
        words |= {word + ":" for word in re.findall(r'rt_node_\w+\(\w+, "(\w+)"', read(path))}
    return words


def event_words():
    """Attributes, types, fields and values of events."""
    words = {"specversion", "1.0", "traceparent"}
    for name, definition in catalogs().items():
        words |= set(event(name, definition))
        words.add(name)
        for key, field in (definition.get("fields") or {}).items():
            words.add(key)
            words |= {str(value) for value in field.get("values", [])}
    return words


def expr_words():
    """Variables of the target, operators and functions."""
    words = set(re.findall(r'\{"([\w.]+)", RT_KIND', read("tests/fuzz/expr_fuzz.c")))
    words |= set(re.findall(r'X\(\w+, "([^"]+)"\)', read("brain/expr/expr_internal.h")))
    return words | {"${", "has(", '"""', "r'", "\\\\u", "true", "null", "1e9", "0x", "-05:00",
                    "1h30m"}


def packed(words):
    """As msgpack strings."""
    return {mp.pack(word) for word in words}


def dictionaries():
    """The words of each target that has some."""
    commands = set(re.findall(r'\{"([\w.]+)", br__ask', read("brain/core/control.c")))
    return {
        "catalog": yaml_words(), "config": yaml_words(), "playbook": yaml_words() | expr_words(),
        "expr": expr_words(), "json": {'"%s"' % word for word in event_words()},
        "envelope": packed(event_words()), "journal": packed(event_words()),
        "link_brain": packed({"inside", "logistics", "carrier.status", "pause_carrier", "*"}),
        "link_host": packed(event_words()),
        "control": packed(commands | control_arguments() | {"cmd", "args", "event", "decision"}),
        "guard": {"https://", "http://", "127.0.0.1", "[::1]", "@", "\\\\", ":80", "%25"},
    }


def write_dictionary(path, words):
    """In libFuzzer's form."""
    with open(path, "w", encoding="ascii") as out:
        for word in sorted(word.encode() if isinstance(word, str) else word for word in words):
            out.write('"%s"\n' % "".join("\\x%02X" % byte for byte in word))


def main(output):
    """All of them."""
    seeds = Seeds(output)
    for seed in (seed_events, seed_catalog, seed_playbook, seed_expr, seed_config, seed_guard,
                 seed_control, seed_journal, seed_links, seed_stores):
        seed(seeds)
    for target, words in dictionaries().items():
        write_dictionary(os.path.join(output, target + ".dict"), words)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
