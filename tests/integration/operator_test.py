"""The loop of those who write playbooks, by the command lines that they use: apply, trace, why-not."""

import json
import os
import subprocess
import sys
import time

import harness
from harness import order

BIG = """kind: playbook
id: big-order
doc: A case for every order above a limit.
owner: tests
mode: live
events: [order.created]
when: data.value > 100000 && data.customer_id.startsWith("c-")
priority: 99
throttle: {key: data.customer_id, per: 1h}
do:
  - action: open_case
    target: ${event.subject}
    args: {kind: seen, text: "seen"}
"""
ASKING = """kind: playbook
id: asking
doc: Somebody has to agree.
owner: tests
mode: live
events: [carrier.capacity]
priority: 40
approve: {ttl: 1h}
do:
  - action: alert_operator
    target: ${event.subject}
    args: {text: "seen"}
"""
ESCAPE = "\x1b"


class OperatorCase(harness.Case):
    """A daemon with playbooks of its own, and brainctl as a person would run it, in a directory."""

    def setUp(self):
        self.brain = harness.Brain()
        self.root = self.brain.copy_files()
        self.work = os.path.join(self.brain.dir, "work")
        os.mkdir(self.work)
        self.brain.start()

    def tearDown(self):
        if self.brain.process is not None and self.brain.process.poll() is None:
            self.brain.stop()

    def run_ctl(self, *args):
        """brainctl through a pipe; (exit code, output, what it said beside it)."""
        env = dict(os.environ, CEREBRO_SOCKET=self.brain.control)
        done = subprocess.run([harness.BRAINCTL, *args], capture_output=True, text=True,
                              timeout=60 * harness.PATIENCE, env=env, cwd=self.work)
        self.assertNotIn(ESCAPE, done.stdout + done.stderr, "colour in a pipe: %s" % (args,))
        return done.returncode, done.stdout, done.stderr

    def ctl(self, *args, code=0):
        """What brainctl writes, when it ends as it should."""
        got, out, said = self.run_ctl(*args)
        self.assertEqual(got, code, "brainctl %s: %s%s" % (" ".join(args), out, said))
        return out

    def ctl_json(self, *args, code=0):
        """The same as a value, which -o json promises to be one of."""
        return json.loads(self.ctl(*args, "-o", "json", code=code))

    def stopped(self):
        """Flags to look at the brain when it is not running, with the settings that it had."""
        path = os.path.join(self.brain.dir, "stopped.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("tenants:\n  - {id: 1, name: demo, utc_offset: \"-05:00\"}\n"
                    "data: {dir: %s}\npack: {core: %s, dir: %s}\nplaybooks: {dir: %s}\n"
                    % (self.brain.data, *self.brain.packs, self.brain.playbooks))
        return ["--config", path]

    def write(self, text, name="big-order.yaml"):
        """A draft; its name in the operator's directory."""
        with open(os.path.join(self.work, name), "w", encoding="utf-8") as f:
            f.write(text)
        return name

    def send(self, *events):
        """Events at the front door, all decided and done afterwards; numbers of their records."""
        client = self.brain.client()
        results = client.ask(list(events))["results"]
        client.close()
        self.assertEqual([r[0] for r in results], ["ok"] * len(events), results)
        self.brain.settle()
        return [r[1] for r in results]


def big(number, value, customer=None):
    """An order of a customer for so much."""
    event = order(number)
    event["data"] = dict(event["data"], value=value,
                         customer_id=customer or "c-%s" % number)
    return event


class TraceTest(OperatorCase):
    """What a playbook said of events, also where it did not act."""

    def test_trace_shows_every_part_of_what_was_and_was_not_done(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        low, high, again, other = self.send(big(1, 5), big(2, 900000), big(3, 900000, "c-2"),
                                            big(4, 900000, "x"))
        items = self.ctl_json("playbooks", "trace", "big-order")
        self.assertEqual([i["seq"] for i in items], [other, again, high, low], "newest first")
        self.assertEqual([i["answer"] for i in items], ["no", "throttled", "yes", "no"])
        self.assertEqual([i["stage"] for i in items],
                         ["condition", "throttle", "done", "condition"])
        self.assertTrue(all(i["agrees"] for i in items))
        self.assertEqual({i["version"] for i in items}, {2})
        parts = {p["text"]: p for p in items[3]["expressions"][0]["parts"]}
        self.assertEqual(parts["data.value"]["value"], 5)
        self.assertIs(parts["data.value > 100000"]["value"], False)
        self.assertFalse(parts['data.customer_id.startsWith("c-")']["looked_at"])
        self.assertEqual([e["block"] for e in items[1]["expressions"]], ["when", "throttle.key"])
        self.assertEqual(items[1]["expressions"][1]["value"], "c-2")

        text = self.ctl("playbooks", "trace", "big-order", "--last", "1")
        self.assertIn("data.value > 100000", text)
        self.assertIn("  no  ", text)
        self.assertEqual(len(self.ctl("playbooks", "trace", "big-order", "--brief")
                             .strip().split("\n")), 4)
        one = self.ctl_json("playbooks", "trace", "big-order", "--event", "order-2")
        self.assertEqual([i["seq"] for i in one], [high])
        self.assertEqual(self.ctl_json("playbooks", "trace", "big-order", "-s", "order/1")[0]["seq"],
                         low)
        self.check_stopped(items)

    def check_stopped(self, items):
        """A brain that is not running tells the same."""
        self.brain.stop()
        flags = self.stopped()
        self.assertEqual(self.ctl_json("playbooks", "trace", "big-order", *flags), items)
        why = self.ctl_json("decisions", "why-not", "big-order", str(items[1]["seq"]), "--data",
                            self.brain.data, *flags)
        self.assertEqual((why["verdict"], why["stage"]), ("throttled", "throttle"))
        self.assertEqual(why["expressions"], items[1]["expressions"])
        # without settings there is no pack to compile by: the verdict alone
        why = self.ctl_json("decisions", "why-not", "big-order", str(items[1]["seq"]), "--data",
                            self.brain.data)
        self.assertEqual(why["verdict"], "throttled")
        self.assertNotIn("expressions", why)

    def test_trace_judges_by_the_set_that_was_live_then(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        first, = self.send(big(1, 200000))
        self.ctl("playbooks", "apply", self.write(BIG.replace("100000", "300000")))
        second, = self.send(big(2, 200000))
        items = self.ctl_json("playbooks", "trace", "big-order")
        self.assertEqual([(i["seq"], i["version"], i["answer"]) for i in items],
                         [(second, 3, "no"), (first, 2, "yes")])
        self.assertIn("300000", items[0]["expressions"][0]["source"])
        self.assertIn("100000", items[1]["expressions"][0]["source"])

    def test_why_not_names_what_settled_it(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        weaker = BIG.replace("big-order", "weaker").replace("priority: 99", "priority: 98")
        self.ctl("playbooks", "apply", self.write(weaker, "weaker.yaml"))
        both, = self.send(big(1, 900000))
        why = self.ctl_json("decisions", "why-not", "weaker", str(both))
        self.assertEqual((why["answer"], why["stage"]), ("lost", "arbitration"))
        self.assertIn("lost to open_case of playbook:big-order", why["why"])
        text = self.ctl("decisions", "why-not", "weaker", str(both))
        self.assertIn("settled by: arbitration", text)

        self.ctl("playbooks", "promote", "big-order", "shadow")
        shadow, = self.send(big(2, 900000))
        why = self.ctl_json("decisions", "why-not", "big-order", str(shadow))
        self.assertEqual((why["answer"], why["stage"]), ("shadow", "mode"))
        self.ctl("playbooks", "promote", "big-order", "canary:0")
        outside, = self.send(big(3, 900000))
        why = self.ctl_json("decisions", "why-not", "big-order", str(outside))
        self.assertEqual((why["answer"], why["stage"]), ("canary", "canary"))
        self.ctl("playbooks", "promote", "big-order", "off")
        off, = self.send(big(4, 900000))
        why = self.ctl_json("decisions", "why-not", "big-order", str(off))
        self.assertEqual((why["answer"], why["stage"]), ("off", "mode"))

    def test_limits_of_the_playbook_stand_in_the_answer(self):
        limited = BIG.replace("throttle: {key: data.customer_id, per: 1h}",
                              "budget: [{what: actions, limit: 1, window: 1h}]")
        self.ctl("playbooks", "apply", self.write(limited), self.write(ASKING, "asking.yaml"))
        one, two, three = self.send(
            big(1, 900000), big(2, 900000),
            {"id": "full-1", "source": "/test/shop", "type": "carrier.capacity",
             "subject": "carrier/veloz", "tenant": "demo", "data": {"city": "Cali", "capacity": 10, "load": 1}})
        answers = {i["seq"]: i["answer"] for i in self.ctl_json("playbooks", "trace", "big-order")}
        self.assertEqual(answers, {one: "yes", two: "budget"})
        item, = self.ctl_json("playbooks", "trace", "asking", "--event", str(three))
        self.assertEqual((item["answer"], item["stage"]), ("asked", "approval"))

    def test_a_draft_is_traced_as_if_it_had_been_live(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        first, second = self.send(big(1, 200000, "c-1"), big(2, 400000, "c-1"))
        self.assertEqual([i["answer"] for i in self.ctl_json("playbooks", "trace", "big-order")],
                         ["throttled", "yes"])
        draft = self.write(BIG.replace("100000", "300000"), "draft.yaml")
        for flags in [], self.stopped():
            items = self.ctl_json("playbooks", "trace", "big-order", "--draft", draft, *flags)
            self.assertEqual([(i["seq"], i["answer"]) for i in items],
                             [(second, "yes"), (first, "no")])
            self.assertIn("300000", items[0]["expressions"][0]["source"])
            if not flags:
                self.brain.stop()
        broken = self.write(BIG.replace("data.value", "data.valeu"), "draft.yaml")
        code, _, said = self.run_ctl("playbooks", "trace", "big-order", "--draft", broken)
        self.assertEqual(code, 5)  # no brain answers here
        code, _, said = self.run_ctl("playbooks", "trace", "big-order", "--draft", broken,
                                     *self.stopped())
        self.assertEqual(code, 3)
        self.assertIn("did you mean 'data.value'?", said)

    def last_seq(self):
        """The number of the last record, once what follows from the last event is written too."""
        seen = None
        while True:
            last = self.brain.command("status")[-1]["journal"]["last_seq"]
            if last == seen:
                return last
            seen = last
            time.sleep(0.5)

    def test_events_out_of_a_file_are_judged_as_if_they_happened_now(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        self.send(big(1, 200000, "c-1"))
        before = self.last_seq()
        file = os.path.join(self.work, "events.json")
        with open(file, "w", encoding="utf-8") as f:
            for number, value, customer in (7, 200000, "c-1"), (8, 200000, "c-8"), (9, 5, "c-9"):
                event = big(number, value, customer)
                del event["id"], event["source"]
                f.write(json.dumps(event) + "\n")
        items = self.ctl_json("playbooks", "trace", "big-order", "--file", file)
        self.assertEqual([i["answer"] for i in items], ["throttled", "yes", "no"])
        self.assertNotIn("seq", items[0])
        draft = self.write(BIG.replace("100000", "1"), "draft.yaml")
        items = self.ctl_json("playbooks", "trace", "big-order", "--file", file, "--draft", draft)
        self.assertEqual([i["answer"] for i in items], ["throttled", "yes", "yes"])
        self.assertEqual(self.last_seq(), before, "nothing was written")
        with open(file, "w", encoding="utf-8") as f:
            f.write('{"type": "order.created", "subject": "order/1", "data": {"valeu": 1}}')
        code, _, said = self.run_ctl("playbooks", "trace", "big-order", "--file", file)
        self.assertEqual(code, 3)
        self.assertIn("did you mean 'value'?", said)

    def test_what_is_not_there_has_its_exit_code(self):
        self.send(big(1, 5))
        self.ctl("playbooks", "trace", "no-such-playbook", code=5)
        self.ctl("playbooks", "trace", "high-value-order", "--event", "99999", code=5)
        self.ctl("playbooks", "trace", "high-value-order", "--event", "no-such-id", code=5)
        self.ctl("playbooks", "trace", "high-value-order", "--last", "soon", code=2)
        self.ctl("playbooks", "trace", code=2)
        self.assertEqual(self.ctl_json("playbooks", "trace", "closed-address"), [])
        self.assertIn("example", self.ctl("playbooks", "trace", "--help"))


class CompareTest(OperatorCase):
    """What one in shadow would do, against what is done without it."""

    def setUp(self):
        super().setUp()
        weaker = BIG.replace("big-order", "weaker").replace("100000", "300000").replace(
            "priority: 99", "priority: 98").replace(
            "throttle: {key: data.customer_id, per: 1h}\n", "")
        shadow = BIG.replace("mode: live", "mode: shadow").replace(
            "throttle: {key: data.customer_id, per: 1h}",
            "canary:\n  percent: 50\n  guardrails: {errors: 0.1, min_sample: 3}\n"
            "budget: [{what: actions, limit: 2, window: 1h}]")
        self.ctl("playbooks", "apply", self.write(weaker, "weaker.yaml"), self.write(shadow))

    def test_agreement_counts_what_was_done_without_it(self):
        self.send(big(1, 5), big(2, 200000))
        found = self.ctl_json("playbooks", "compare", "big-order", code=1)
        self.assertEqual((found["recommendation"], found["only_it"]), ("wait", 1))
        self.send(big(3, 400000), big(4, 900000))
        found = self.ctl_json("playbooks", "compare", "big-order")
        self.assertEqual([found[k] for k in ("both", "only_it", "only_live", "neither", "acted")],
                         [2, 1, 0, 1, 0])
        self.assertEqual((found["agreement"]["hits"], found["agreement"]["of"]), (3, 4))
        self.assertAlmostEqual(found["agreement"]["low"], 0.3006, 4)  # Wilson, 3 of 4
        self.assertAlmostEqual(found["agreement"]["high"], 0.9544, 4)
        self.assertEqual((found["as_live"]["actions"], found["as_live"]["over_budget"],
                          found["as_live"]["conflicts_won"]), (2, 1, 1))
        self.assertEqual(found["as_live"]["budgets"],
                         [{"what": "actions", "used": 2, "limit": 2, "window_ms": 3600000}])
        self.assertEqual(found["recommendation"], "promote")
        text = self.ctl("playbooks", "compare", "big-order")
        self.assertIn("recommendation: promote", text)
        self.brain.stop()
        self.assertEqual(self.ctl_json("playbooks", "compare", "big-order", *self.stopped()), found)
        self.ctl("playbooks", "compare", "no-such-playbook", *self.stopped(), code=5)

    def test_guardrails_that_say_no_end_with_1(self):
        self.ctl("playbooks", "apply", self.write(BIG.replace("mode: live", "mode: shadow").replace(
            "data.value > 100000", 'data.city == "Cali"').replace(
            "throttle: {key: data.customer_id, per: 1h}",
            "canary:\n  percent: 50\n  guardrails: {errors: 0.1, min_sample: 3}")))
        self.send(*[big(n, 5) for n in range(4)])  # without a city
        found = self.ctl_json("playbooks", "compare", "big-order", code=1)
        self.assertEqual(found["recommendation"], "no")
        self.assertIn("errors: 4 of 4", found["why"])
        self.ctl("playbooks", "compare", "big-order", "--last", "soon", code=2)


class HistoryTest(OperatorCase):
    """What was live at a time, who made it so, and why."""

    def mode_at(self, at, *flags):
        """The version and the mode of big-order at an instant in milliseconds."""
        text = "%s.%03dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)), at % 1000)
        found = self.ctl_json("playbooks", "list", "--at", text, *flags)
        modes = [p["mode"] for p in found["playbooks"] if p["id"] == "big-order"]
        return found["version"], modes[0] if modes else None

    def test_sets_and_modes_are_known_with_who_and_why(self):
        self.ctl("playbooks", "apply", self.write(BIG), "--mode", "shadow", "--reason", "first look")
        self.send(big(1, 5))
        self.ctl("playbooks", "promote", "big-order", "canary:20", "--reason", "looks well")
        self.send(big(2, 5))
        self.ctl("playbooks", "apply", self.write(BIG), "--reason", "all of them")
        self.send(big(3, 5))
        self.ctl("playbooks", "rollback", "--to", "1", "--reason", "too many")
        self.send(big(4, 5))
        items = self.ctl_json("playbooks", "history")
        uid = "uid:%d" % os.geteuid()
        self.assertEqual([(i["kind"], i.get("version"), i.get("by"), i.get("how"), i.get("reason"))
                          for i in items],
                         [("set", 4, uid, "rollback to v1", "too many"),
                          ("set", 3, uid, "apply", "all of them"),
                          ("mode", None, uid, None, "looks well"),
                          ("set", 2, uid, "apply as shadow", "first look"),
                          ("set", 1, None, None, None)])
        at = [i["at_ms"] for i in items]
        wanted = [(4, None), (3, "live"), (2, "canary"), (2, "shadow"), (1, None)]
        self.assertEqual([self.mode_at(ms) for ms in at], wanted)
        text = self.ctl("playbooks", "history")
        self.assertIn("big-order is canary:20", text)
        self.assertIn("rollback to v1: too many", text)
        self.ctl("playbooks", "list", "--at", "2000-01-01T00:00:00Z", code=5)
        self.ctl("playbooks", "list", "--at", "noon", code=2)
        self.brain.stop()
        self.assertEqual([self.mode_at(ms, *self.stopped()) for ms in at], wanted)
        self.assertEqual(self.ctl_json("playbooks", "history", *self.stopped()), items)
        harness.check_verified(self, self.brain)

    def test_backtest_shows_what_an_edit_would_have_decided(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        self.send(big(1, 200000), big(2, 400000), big(3, 5))
        self.ctl("playbooks", "backtest", self.write(BIG, "same.yaml"))
        edit = self.write(BIG.replace("100000", "300000"), "edit.yaml")
        for flags in [], self.stopped():
            found = self.ctl_json("playbooks", "backtest", edit, *flags, code=1)
            book = [p for p in found["playbooks"] if p["playbook"] == "big-order"][0]
            self.assertEqual((book["fired_then"], book["fired_now"], book["lost"]), (2, 1, 1))
            self.assertEqual(found["actions_then"] - found["actions_now"], 1)
            if not flags:
                self.brain.stop()

    def test_a_broken_file_changes_nothing(self):
        self.ctl("playbooks", "apply", self.write(BIG))
        before = self.ctl_json("playbooks", "history")
        broken = self.write(BIG.replace("data.value", "data.valeu"), "broken.yaml")
        code, out, said = self.run_ctl("playbooks", "apply", broken)
        self.assertEqual(code, 1, out + said)
        self.assertEqual(self.ctl_json("playbooks", "history"), before)
        with open(os.path.join(self.brain.playbooks, "big-order.yaml"), encoding="utf-8") as f:
            self.assertEqual(f.read(), BIG)
        self.ctl("playbooks", "diff", code=1)
        self.ctl("playbooks", "diff", "2", "2")
        self.ctl("playbooks", "rollback", "--to", "99", code=5)


CANARY = """kind: playbook
id: local
doc: A canary that cannot judge an order without a city.
owner: tests
mode: canary
canary:
  percent: 100
  by: event.subject
  guardrails: {errors: 0.1, failed_actions: 0.5, min_sample: 5}
events: [order.created]
when: data.city == "Cali"
priority: 99
do:
  - action: open_case
    target: ${event.subject}
    args: {kind: seen, text: "seen"}
"""


class GuardrailTest(OperatorCase):
    """A canary that does badly is rolled back, whatever happens to the daemon meanwhile."""

    def orders(self, first, count, city=None):
        """New orders, with or without a city."""
        events = [big(n, 5) for n in range(first, first + count)]
        for event in events:
            if city is not None:
                event["data"]["city"] = city
        return self.send(*events)

    def crash(self):
        """Killed as by a power cut, and started again."""
        self.brain.kill()
        self.brain.start()

    def listed(self):
        """What the list says of the canary."""
        books = self.ctl_json("playbooks", "list")["playbooks"]
        return [b for b in books if b["id"] == "local"][0]

    def test_rollback_survives_kill_9_before_and_after_it(self):
        self.ctl("playbooks", "apply", self.write(CANARY))
        self.orders(0, 3, "Cali")
        self.crash()
        self.assertEqual(self.listed()["guardrails"]["errors"]["of"], 3)
        self.orders(10, 1)
        self.crash()
        self.assertEqual(self.listed()["mode"], "canary")
        bad = self.orders(20, 2)  # 3 of 6, with certainty more than a tenth
        self.brain.kill()
        self.brain.start()
        row = self.listed()
        self.assertEqual((row["mode"], row["set"]["by"]), ("shadow", "guardrails"))
        self.assertIn("errors: ", row["set"]["reason"])
        self.assertIn(row["set"]["seq"], bad)
        rolled = [r["event"] for r in harness.events_of(self.brain.journal())
                  if r["event"]["type"] == "playbook.rolled_back"]
        self.assertEqual(len(rolled), 1)
        self.assertEqual((rolled[0]["data"]["playbook"], rolled[0]["data"]["mode"],
                          rolled[0]["data"]["guardrail"]), ("local", "shadow", "errors"))
        after, = self.orders(30, 1, "Cali")
        why = self.ctl_json("decisions", "why-not", "local", str(after))
        self.assertEqual((why["answer"], why["stage"]), ("shadow", "mode"))
        self.assertIn("rolled back at record %d: errors" % row["set"]["seq"], why["why"])
        self.ctl("playbooks", "promote", "local", "canary:100", "--reason", "cities are back")
        self.assertEqual((self.listed()["set"]["reason"], self.listed()["guardrails"]["errors"]["of"]),
                         ("cities are back", 0))
        again, = self.orders(40, 1, "Cali")
        item, = self.ctl_json("playbooks", "trace", "local", "--event", str(again))
        self.assertEqual(item["answer"], "yes")
        self.brain.stop()
        harness.check_verified(self, self.brain)
        harness.check_audited(self, self.brain)


if __name__ == "__main__":
    sys.exit(harness.main())
