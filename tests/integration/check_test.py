"""Checking playbooks with and without a brain, in every form; the schema and the file to begin with."""

import glob
import json
import os
import re
import subprocess
import sys

import harness

try:
    import jsonschema
    import yaml
except ImportError as e:
    harness.skip("%s; tools/setup installs it" % e)

PACK = os.path.join(harness.SOURCE, "config/packs/logistics")
BOOKS = os.path.join(harness.SOURCE, "playbooks")
FORMS = ("human", "gcc", "json", "sarif")
GCC = re.compile(r"^(\S+):(\d+):(\d+): (error|warning): (.*) \[(B\d{4})\]$")


class Loader(yaml.SafeLoader):
    """YAML as editors read it, 1.2: only true and false are truth values, no dates."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
        ("tag:yaml.org,2002:bool", r"true|false", "tf"),
        ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
        ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
         "-+.0123456789"),
        ("tag:yaml.org,2002:null", r"~|null|", ["~", "n", ""])]:
    Loader.add_implicit_resolver(tag, re.compile("^(?:%s)$" % pattern), list(first))


# (old text of delayed-order.yaml, new text): each breaks what a schema can know.
BROKEN = [
    ("kind: playbook", "kind: playbok"),
    ("id: delayed-order", "id: [delayed-order]"),
    ("id: delayed-order\n", ""),
    ("mode: live", "mode: on"),
    ("events: [delay.detected]", "events: delay.detected"),
    ("events: [delay.detected]", "events: []"),
    ("events: [delay.detected]", "events: [delay.detectd]"),
    ("events: [delay.detected]\n", ""),
    ("priority: 55", "priority: 101"),
    ("priority: 55", "priority: high"),
    ("priority: 55", "priority: 5.5"),
    ("priority: 55", "priorty: 55"),
    ("per: 24h", "per: 24"),
    ("per: 24h", "per: 24h, for: 3"),
    ("per: 24h", "for: 24h"),
    ("action: notify_customer", "action: notify_custmer"),
    ("action: notify_customer", "acton: notify_customer"),
    ("value: 0.3", "value: 3"),
    ("      text:", "      txt:"),
    ("within: 72h", "within: soon"),
    ("verify: {", "verify: [{}] #"),
]


def read(path):
    """A text file."""
    with open(path, encoding="utf-8") as f:
        return f.read()


def files():
    """All playbooks and remediations that are shipped."""
    return sorted(glob.glob(os.path.join(BOOKS, "*", "*.yaml")))


class CheckTest(harness.Case):
    """Here, with --pack, and by a running brain: the same answers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.brain = harness.Brain()
        cls.brain.start()
        cls.work = os.path.join(cls.brain.dir, "work")
        os.mkdir(cls.work)

    @classmethod
    def tearDownClass(cls):
        cls.brain.stop()
        super().tearDownClass()

    def ctl(self, *args, live=False):
        """brainctl in a directory of its own; (exit code, output, what it said beside it)."""
        env = dict(os.environ, CEREBRO_SOCKET=self.brain.control if live else "/nowhere")
        done = subprocess.run([harness.BRAINCTL, *args], capture_output=True, text=True, timeout=60,
                              env=env, cwd=self.work)
        return done.returncode, done.stdout, done.stderr

    def draft(self, old="", new="", name="draft.yaml"):
        """A copy of a shipped playbook with one change; its path."""
        text = read(os.path.join(BOOKS, "logistics/delayed-order.yaml"))
        self.assertIn(old, text, "the test does not fit the file any more")
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
        return path

    def schema(self, *args, live=False):
        code, text, said = self.ctl("playbooks", "schema", *args, live=live)
        self.assertEqual(code, 0, said)
        schema = json.loads(text)
        jsonschema.Draft7Validator.check_schema(schema)
        return jsonschema.Draft7Validator(schema)

    def test_schema_takes_every_shipped_file(self):
        for validator in self.schema(), self.schema("--pack", PACK):
            for path in files():
                errors = list(validator.iter_errors(yaml.load(read(path), Loader)))
                self.assertEqual(errors, [], path)

    def test_schema_refuses_what_the_loader_refuses(self):
        validator = self.schema("--pack", PACK)
        for old, new in BROKEN:
            with self.subTest(new=new):
                path = self.draft(old, new)
                self.assertFalse(validator.is_valid(yaml.load(read(path), Loader)))
                self.assertEqual(self.ctl("playbooks", "check", "--pack", PACK, path)[0], 1)

    def test_schema_of_a_brain_is_that_of_its_pack(self):
        self.assertEqual(self.schema(live=True).schema, self.schema("--pack", PACK).schema)
        code, _, said = self.ctl("playbooks", "schema")
        self.assertEqual(code, 0)
        self.assertIn("without names", said)

    def test_new_playbook_passes_and_says_what_comes_next(self):
        validator = self.schema("--pack", PACK)
        for args, live in (["--pack", PACK], False), ([], True):
            name = "live-one" if live else "here-one"
            code, out, said = self.ctl("playbooks", "new", name, *args, live=live)
            self.assertEqual(code, 0, said)
            self.assertIn(name + ".yaml", out)
            self.assertIn("brainctl playbooks check " + name + ".yaml", said)
            text = read(os.path.join(self.work, name + ".yaml"))
            self.assertTrue(text.startswith(
                "# yaml-language-server: $schema=playbook.schema.json\n"), text[:80])
            self.assertEqual(list(validator.iter_errors(yaml.load(text, Loader))), [])
            code, out, said = self.ctl("playbooks", "check", name + ".yaml", *args, live=live)
            self.assertEqual((code, out), (0, "1 playbook is fine\n"), said)
            code, _, said = self.ctl("playbooks", "new", name, *args, live=live)
            self.assertEqual(code, 6, said)
        self.assertTrue(os.path.exists(os.path.join(self.work, "playbook.schema.json")))
        self.assertEqual(self.ctl("playbooks", "new", "No Name", "--pack", PACK)[0], 3)
        code, _, said = self.ctl("playbooks", "new", "other")
        self.assertEqual(code, 7)
        self.assertIn("--pack", said)

    def test_forms_say_the_same_with_and_without_a_brain(self):
        path = self.draft("data.risk", "data.rsk")
        line = read(path).split("\n").index("  data.rsk >= 0.8") + 1
        for form in FORMS:
            here = self.ctl("playbooks", "check", "--pack", PACK, "--format", form, path)
            live = self.ctl("playbooks", "check", "--format", form, path, live=True)
            self.assertEqual(here, live)
            self.assertEqual(here[0], 1)
        gcc = self.ctl("playbooks", "check", "--pack", PACK, "--format", "gcc", path)[1]
        self.assertEqual(GCC.match(gcc.strip()).groups(),
                         (path, str(line), "3", "error", "unknown field 'data.rsk'", "B2107"))
        human = self.ctl("playbooks", "check", "--pack", PACK, path)[1]
        self.assertIn("       |   ^^^^^^^^\n", human)
        found = json.loads(self.ctl("playbooks", "check", "--pack", PACK, "-o", "json", path)[1])
        self.assertEqual((found["errors"], found["findings"][0]["code"]), (1, "B2107"))
        self.check_sarif(self.ctl("playbooks", "check", "--pack", PACK, "--format", "sarif",
                                  path)[1], path, line)

    def check_sarif(self, text, path, line):
        log = json.loads(text)
        run = log["runs"][0]
        result = run["results"][0]
        place = result["locations"][0]["physicalLocation"]
        self.assertEqual(log["version"], "2.1.0")
        self.assertEqual([r["id"] for r in run["tool"]["driver"]["rules"]], ["B2107"])
        self.assertEqual((result["ruleId"], result["level"]), ("B2107", "error"))
        self.assertIn("did you mean 'data.risk'?", result["message"]["text"])
        self.assertEqual(place["artifactLocation"]["uri"], path)
        self.assertEqual(place["region"], {"startLine": line, "startColumn": 3, "endColumn": 11})

    def test_nothing_found_is_said_in_every_form(self):
        path = self.draft()
        outs = [self.ctl("playbooks", "check", "--pack", PACK, "--format", f, path) for f in FORMS]
        self.assertEqual([o[0] for o in outs], [0] * 4)
        self.assertEqual([o[1] for o in outs[:3]], ["1 playbook is fine\n", "", "[]\n"])
        self.assertEqual(json.loads(outs[3][1])["runs"][0]["results"], [])

    def test_braind_check_writes_the_forms_too(self):
        brain = harness.Brain()
        root = brain.copy_files()
        path = os.path.join(root, "playbooks/logistics/delayed-order.yaml")
        for bad in False, True:
            if bad:
                text = read(path)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text.replace("data.risk", "data.rsk", 1))
            for form in "gcc", "json", "sarif":
                done = subprocess.run(brain.args() + ["--check", "--format", form], timeout=60,
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 78 if bad else 0)
                if form == "sarif":
                    found = len(json.loads(done.stdout)["runs"][0]["results"])
                elif form == "json":
                    found = len(json.loads(done.stdout))
                else:
                    found = len([x for x in done.stdout.split("\n") if GCC.match(x)])
                self.assertEqual(found, 1 if bad else 0, done.stdout)
        done = subprocess.run(brain.args() + ["--check", "--format", "xml"], timeout=60,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)

    def test_every_code_found_is_explained(self):
        codes = json.loads(self.ctl("errors", "list", "-o", "json")[1])
        self.assertGreater(len(codes), 80)
        for code in codes[::10]:
            text = self.ctl("errors", "explain", code["code"])[1]
            self.assertIn(code["title"], text)
        code, _, said = self.ctl("errors", "explain", "B2170")
        self.assertEqual(code, 5)
        self.assertIn("did you mean", said)

    def test_a_pack_that_is_not_there_is_named(self):
        code, _, said = self.ctl("playbooks", "check", "--pack", "/nowhere/x", self.draft())
        self.assertEqual(code, 5)
        self.assertIn("/nowhere/x", said)
        self.assertEqual(self.ctl("playbooks", "check", "--pack", PACK)[0], 2)
        self.assertEqual(self.ctl("playbooks", "check", "--format", "xml", self.draft())[0], 2)


if __name__ == "__main__":
    sys.exit(harness.main())
