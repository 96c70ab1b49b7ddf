"""Broken configuration, packs and playbooks: each gives file, line and column, what is wrong, and help."""

import os
import re
import subprocess
import sys

import harness

EXIT_CONFIG = 78
CATALOG = "config/packs/logistics/catalog.yaml"
ACTIONS = "config/packs/logistics/actions.yaml"
FEATURES = "config/packs/logistics/features.yaml"
ENTITIES = "config/packs/logistics/entities.yaml"
PLAYBOOK = "playbooks/logistics/delayed-order.yaml"
REMEDY = "playbooks/healing/high_latency.yaml"

# (text of brain.yaml, line:column, part of the message, part of the help or "")
BRAIN_YAML = [
    ("dta:\n  dir: x\n", "1:1", "no section 'dta'", "did you mean 'data'?"),
    ("data:\n  dri: x\n", "2:3", "no parameter 'data.dri'", "did you mean 'data.dir'?"),
    ("data:\n  cut_every: soon\n", "2:14", "must be a duration", ""),
    ("data:\n  cut_every: 1ms\n", "2:14", "from 10 to 600000 ms", ""),
    ("data:\n  sync: perhaps\n", "2:9", "data.sync", ""),
    ("limits:\n  inflight: 1.5\n", "2:13", "limits.inflight", ""),
    ("data:\n  dir: [a, b]\n", "2:8", "data.dir", ""),
    ("data: [1\n", "2:1", "flow sequence", "close the list"),
    ("data:\n\tdir: x\n", "2:1", "cannot start any token", "spaces, not tabs"),
    ("data:\n  dir: x\n  dir: y\n", "3:3", "twice", ""),
    ("data: &a\n  dir: x\n", "1:7", "anchors", "write the value out"),
    ("a: {b: {c: " + "{d: " * 60, "1:", "", ""),
    ("tenants:\n  - {id: 0, name: demo}\n", "2:10", "from 1 to 1023", ""),
    ("tenants:\n  - {id: 1, name: a}\n  - {id: 1, name: b}\n", "3:5", "stands twice", ""),
    ("tenants:\n  - {id: 1, name: demo, utc_offset: Bogota}\n", "2:37", "'Bogota'", "-05:00"),
    ("tenants:\n  - {id: 1, name: demo, utc_offset: '+-5:00'}\n", "2:37", "'+-5:00'", "-05:00"),
    ("tenants: demo\n", "1:10", "'tenants' must be a list", ""),
    # more of them than there are ids
    ("tenants:\n" + "  - {id: 1, name: a}\n" * 2000, "3:5", "stands twice", ""),
    ("tenants:\n  - {id: 1, nmae: demo}\n", "2:13", "unknown key 'nmae'", "did you mean 'name'?"),
    ("hosts:\n  - {name: inside, agents: [logistcs]}\n", "2:29", "no agent 'logistcs'",
     "did you mean 'logistics'?"),
    ("hosts:\n  - {name: inside, agents: [logistics, logistics]}\n", "2:40", "two hosts", ""),
    ("webhooks:\n  - {name: w, url: 'https://x.example/h', secret_file: /nonexistent}\n", "2:5",
     "secret file", ""),
    ("webhooks:\n  - {name: w, url: 'https://x.example/h', secret_env: NOT_SET_HERE}\n", "2:5",
     "'NOT_SET_HERE' is not set", ""),
    ("webhooks:\n  - {name: w, attempts: 99}\n", "2:25", "from 1 to 20", ""),
]

# (file, old text, new text, text on the line of the finding (the new text when ""), part of the
# message, part of the help or "")
FILES = [
    (CATALOG, "type: f64", "type: f46", "", "must be bool", "did you mean 'f64'?"),
    (CATALOG, "required: true", "requird: true", "", "unknown key 'requird'",
     "did you mean 'required'?"),
    (CATALOG, "cap: 64", "cap: many", "", "whole number", ""),
    (CATALOG, "kind: catalog", "kind: catalogue", "", "'catalogue'", "did you mean 'catalog'?"),
    (CATALOG, "  order.approved:", "  order.created:", "", "twice", ""),
    (CATALOG, "  order.approved:", "  Order Approved:", "", "", ""),
    (ACTIONS, "executor: publish", "executor: publsh", "assign_carrier:", "unknown executor 'publsh'",
     "log, publish, emit, webhook"),
    (ACTIONS, "cooldown: 12h", "cooldown: 12x", "", "duration", ""),
    (ACTIONS, "resource: order", "resource: ordr", "assign_carrier:", "unknown entity 'ordr'", ""),
    (ACTIONS, "emits: model.reset", "emits: model.rest", "reset_model:", "'model.rest'",
     "did you mean 'model.reset'?"),
    (FEATURES, "order.delivered", "order.deliverd", "", "unknown event type 'order.deliverd'",
     "did you mean 'order.delivered'?"),
    (FEATURES, "event.time > order.promised_at", "event.time > order.promised", "",
     "unknown field 'order.promised'", ""),
    (FEATURES, "half_life: 14d", "half_life: -14d", "", "", ""),
    (PLAYBOOK, "id:", "idd:", "", "unknown key 'idd'", "did you mean 'id'?"),
    (PLAYBOOK, "action: notify_customer", "acton: notify_customer", "", "unknown key 'acton'",
     "did you mean 'action'?"),
    (PLAYBOOK, "action: notify_customer", "action: notify_custmer", "", "'notify_custmer'",
     "did you mean 'notify_customer'?"),
    (PLAYBOOK, "delay.detected", "delay.detectd", "", "'delay.detectd'",
     "did you mean 'delay.detected'?"),
    (PLAYBOOK, "data.risk >= 0.8", "data.rsik >= 0.8", "", "'data.rsik'",
     "did you mean 'data.risk'?"),
    (PLAYBOOK, "data.risk >= 0.8", "data.risk >= ", "&& has(order.customer_id)", "", ""),
    (PLAYBOOK, "data.risk >= 0.8", 'data.risk >= "high"', "", "", ""),
    (PLAYBOOK, "confidence: 0.7", "confidence: 7", "", "", ""),
    (PLAYBOOK, "mode: live", "mode: alive", "", "'alive'", ""),
    (PLAYBOOK, "within: 72h", "within: soon", "", "", ""),
    (REMEDY, "action: shed_load", "action: shed_laod", "", "'shed_laod'",
     "did you mean 'shed_load'?"),
]

FLAGS = [
    ("data.dri=x", "no parameter 'data.dri'", "did you mean 'data.dir'?"),
    ("nodots", "section.key=value", ""),
    ("data.cut_every=soon", "must be a duration", ""),
    ("clock.source=moon", "'moon'", ""),
    ("log.level=inof", "'inof'", "did you mean 'info'?"),
    ("gate.quiet_from=25:00", "no time of day", "21:00"),
    ("gate.quiet_from=05:-1", "no time of day", "21:00"),
]


class ConfigTest(harness.Case):
    """braind --check and a real start say the same."""

    def check(self, brain, *more):
        """braind --check; (exit code, text with the directory left out)."""
        done = subprocess.run(brain.args() + list(more), capture_output=True, text=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).replace(brain.dir, "")

    def check_finding(self, brain, file, place, message, aid):
        """There is an error finding at this place of this file."""
        code, text = self.check(brain, "--check")
        self.assertEqual(code, EXIT_CONFIG, text)
        pattern = r"^\S*%s:%s\S*: error\[B\d{4}\]: .*%s" % (re.escape(file), re.escape(place),
                                                           re.escape(message))
        self.assertRegex(text, re.compile(pattern, re.M))
        self.assertIn(aid, text)

    def tree(self):
        """A daemon with its own copy of packs and playbooks."""
        brain = harness.Brain()
        return brain, brain.copy_files()

    def test_everything_as_shipped_is_fine(self):
        code, text = self.check(harness.Brain(), "--check")
        self.assertEqual(code, 0, text)
        self.assertNotIn("warning", text)

    def test_broken_brain_yaml_is_located(self):
        for text, place, message, aid in BRAIN_YAML:
            with self.subTest(text=text[:60]):
                self.check_finding(harness.Brain(text), "/brain.yaml", place, message, aid)

    def test_broken_packs_and_playbooks_are_located(self):
        brain, root = self.tree()
        for file, old, new, anchor, message, aid in FILES:
            path = os.path.join(root, file)
            with open(path) as f:
                good = f.read()
            with self.subTest(file=file, new=new):
                self.assertIn(old, good, "the test does not fit the file any more")
                bad = good.replace(old, new, 1)
                with open(path, "w") as f:
                    f.write(bad)
                at = bad.index(anchor) if anchor else good.index(old)
                line = bad.count("\n", 0, at) + 1
                self.check_finding(brain, file, "%d:" % line, message, aid)
            with open(path, "w") as f:
                f.write(good)
        code, text = self.check(brain, "--check")
        self.assertEqual(code, 0, text)

    def test_broken_flags_are_explained(self):
        for flag, message, aid in FLAGS:
            with self.subTest(flag=flag):
                code, text = self.check(harness.Brain(sets=[flag]), "--check")
                self.assertEqual(code, EXIT_CONFIG, text)
                self.assertIn(message, text)
                self.assertIn(aid, text)

    def test_start_refuses_what_check_refuses(self):
        brain = harness.Brain("data:\n  dri: x\n")
        code, text = self.check(brain)
        self.assertEqual(code, EXIT_CONFIG, text)
        self.assertIn("did you mean 'data.dir'?", text)
        self.assertFalse(os.path.exists(brain.data), "a refused start left something behind")
        brain, root = self.tree()
        with open(os.path.join(root, PLAYBOOK), "a") as f:
            f.write("]\n")
        code, text = self.check(brain)
        self.assertEqual(code, EXIT_CONFIG, text)
        self.assertRegex(text, r"delayed-order\.yaml:\d+:\d+: error\[B\d{4}\]")

    def test_missing_files_are_named(self):
        brain = harness.Brain()
        brain.playbooks = os.path.join(brain.dir, "nowhere")
        code, text = self.check(brain, "--check")
        self.assertEqual(code, EXIT_CONFIG, text)
        self.assertIn("nowhere", text)
        brain = harness.Brain()
        brain.config_path = os.path.join(brain.dir, "nofile.yaml")
        code, text = self.check(brain, "--check")
        self.assertEqual(code, EXIT_CONFIG, text)
        self.assertIn("nofile.yaml", text)

    def test_unknown_flag_shows_usage(self):
        code, text = self.check(harness.Brain(), "--chekc")
        self.assertEqual(code, 2)
        self.assertIn("--chekc", text)
        self.assertIn("usage:", text)


if __name__ == "__main__":
    sys.exit(harness.main())
