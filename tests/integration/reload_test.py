"""SIGHUP with good and bad playbooks while events stream in: a bad set never goes live, no event is lost."""

import os
import subprocess
import sys
import time

import harness
from harness import order

NEW = """kind: playbook
id: every-order
doc: A case for every order, to see that this playbook is live.
owner: tests
events: [order.created]
when: data.value >= 0
priority: 90
confidence: 1
do:
  - action: open_case
    target: ${event.subject}
    args: {kind: seen, text: "seen"}
"""


class ReloadTest(harness.Case):
    """Each test has a daemon with its own copy of the playbooks."""

    def setUp(self):
        self.brain = harness.Brain()
        self.root = self.brain.copy_files()
        self.delayed = os.path.join(self.root, "playbooks/logistics/delayed-order.yaml")

    def tearDown(self):
        if self.brain.process is not None and self.brain.process.poll() is None:
            self.brain.kill()

    def write_new(self, text=NEW):
        """Adds a playbook to the directory."""
        with open(os.path.join(self.root, "playbooks/logistics/every-order.yaml"), "w") as f:
            f.write(text)

    def reload(self, expect):
        """SIGHUP, and the line of the log that it must lead to."""
        before = self.brain.log().count(expect)
        self.brain.reload()
        harness.wait_for(lambda: self.brain.log().count(expect) > before, 10, expect)

    def proposers(self, number):
        """Who proposed something for a new order."""
        client = self.brain.client()
        seq = client.ask(order(number))["results"][0][1]
        client.close()
        self.brain.settle()
        decision = [r["decision"] for r in harness.decisions_of(self.brain.journal())
                    if r["decision"]["event_seq"] == seq][0]
        return [c["proposal"]["agent"] for c in decision["candidates"]], decision["playbooks"]

    def test_new_playbook_goes_live_and_a_broken_one_does_not(self):
        self.brain.start()
        who, version = self.proposers(1)
        self.assertNotIn("playbook:every-order", who)
        self.write_new()
        self.reload("playbooks-live version=%d" % (version + 1))
        who, second = self.proposers(2)
        self.assertIn("playbook:every-order", who)
        self.assertEqual(second, version + 1)
        self.write_new(NEW.replace("data.value", "data.valeu"))
        self.reload("playbooks-refused")
        log = self.brain.log()
        self.assertIn("every-order.yaml:6:", log)
        self.assertIn("did you mean 'data.value'?", log)
        who, third = self.proposers(3)
        self.assertIn("playbook:every-order", who)
        self.assertEqual(third, second)
        os.remove(os.path.join(self.root, "playbooks/logistics/every-order.yaml"))
        self.reload("playbooks-live version=%d" % (second + 1))
        who, fourth = self.proposers(4)
        self.assertNotIn("playbook:every-order", who)
        self.assertEqual(fourth, second + 1)

    def test_unchanged_files_change_nothing(self):
        self.brain.start()
        first = self.proposers(1)[1]
        for _ in range(3):
            self.brain.reload()
        time.sleep(0.3)
        self.assertEqual(self.proposers(2)[1], first)
        records = self.brain.journal()
        self.assertEqual(len([r for r in records if r["kind"] == "playbooks"]), 1)

    def test_set_is_kept_over_a_restart_and_a_changed_one_is_taken_at_start(self):
        self.brain.start()
        first = self.proposers(1)[1]
        self.brain.kill()
        self.brain.start()
        self.assertEqual(self.proposers(2)[1], first)
        self.brain.kill()
        self.write_new()
        self.brain.start()
        who, second = self.proposers(3)
        self.assertEqual(second, first + 1)
        self.assertIn("playbook:every-order", who)
        self.assertEqual(self.brain.stop(), 0)
        harness.check_verified(self, self.brain)

    def test_reloads_under_load_lose_nothing(self):
        self.brain.sets += ["clock.source=events"]
        self.brain.start()
        stream = harness.spawn([harness.REPLAY, "day", "--orders", "4000", "--url",
                                self.brain.ingest, "--quiet", "-o", "json"],
                               stdout=subprocess.PIPE, text=True)
        rounds = 0
        while stream.poll() is None and rounds < 40:
            with open(self.delayed, "a") as f:
                f.write("# edited %d\n" % rounds if rounds % 3 else "]broken\n")
            self.brain.reload()
            time.sleep(0.03 * harness.PATIENCE)
            with open(self.delayed) as f:
                text = f.read().replace("]broken\n", "")
            with open(self.delayed, "w") as f:
                f.write(text)
            rounds += 1
        out = stream.communicate(timeout=60 * harness.PATIENCE)[0]
        self.assertEqual(stream.returncode, 0, out)
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        records = self.brain.journal()
        harness.check_books(self, records)
        sets = [r for r in records if r["kind"] == "playbooks"]
        self.assertGreater(len(sets), 3)
        self.assertIn("playbooks-refused", self.brain.log())
        self.check_versions(records)
        harness.check_verified(self, self.brain)

    def check_versions(self, records):
        """Every decision was made by the set that was live when its event was taken."""
        live, taken = 0, {}
        for record in records:
            if record["kind"] == "playbooks":
                self.assertEqual(record["version"], live + 1)
                live = record["version"]
            elif record["kind"] == "event" and record["undecided"]:
                taken[record["seq"]] = live
            elif record["kind"] == "decision":
                decision = record["decision"]
                self.assertEqual(decision["playbooks"], taken[decision["event_seq"]])


if __name__ == "__main__":
    sys.exit(harness.main())
