"""A journal replayed from its beginning gives the same decisions and the same state, byte by byte."""

import os
import sys

import harness


class ReplayTest(harness.Case):
    """brain-verify on what a daemon left behind."""

    def check_run(self, brain, count_min):
        """Stops the daemon and verifies."""
        brain.settle()
        self.assertEqual(brain.stop(), 0, brain.log())
        answer = harness.check_verified(self, brain)
        self.assertGreater(answer["decisions"], count_min)
        audited = harness.check_audited(self, brain, "--whole", "--drained", "--no-dead")
        self.assertEqual((audited["decisions"], audited["last_seq"]),
                         (answer["decisions"], answer["last_seq"]))
        return answer

    def test_generated_day_is_decided_the_same_again(self):
        brain = harness.Brain(sets=["clock.source=events"]).start()
        done = brain.replay("day", "--orders", "3000", "--bad-share", "0.01")
        self.assertEqual(done.returncode, 3, done.stderr)  # bad events are rejected
        first = self.check_run(brain, 20000)
        records = brain.journal()
        harness.check_books(self, records)
        self.assertGreater(len([r for r in records if r["kind"] == "reject"]), 0)
        # and once more: what is verified is not changed by it
        self.assertEqual(harness.check_verified(self, brain)["state_hash"], first["state_hash"])

    def test_restarts_do_not_change_what_a_replay_says(self):
        brain = harness.Brain(sets=["clock.source=events", "data.cut_every=50ms"])
        for days in (4, 6, 8):
            brain.start()
            done = brain.replay("day", "--orders", "1500", "--limit", str(days * 1000))
            self.assertEqual(done.returncode, 0, done.stderr)
            brain.kill()
        brain.start()
        self.check_run(brain, 8000)

    def test_wall_clock_run_is_decided_the_same_again(self):
        brain = harness.Brain(sets=["clock.age_max=3650d", "clock.future_max=3650d"]).start()
        done = brain.replay("day", "--orders", "400")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_run(brain, 2000)

    def test_recorded_orders_are_decided_the_same_again(self):
        data = os.environ.get("CEREBRO_DATA") or os.path.join(harness.SOURCE, "..", "shared", "data")
        olist = os.path.join(data, "olist")
        if not os.path.isdir(olist):
            self.skipTest("no Olist tables: neither CEREBRO_DATA nor a data directory beside the project")
        brain = harness.Brain(sets=["clock.source=events"]).start()
        done = brain.replay("olist", olist, "--from", "2017-11-20", "--until", "2017-12-01")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_run(brain, 5000)

    def test_the_audit_reads_what_the_journal_holds(self):
        """Two readers that share no code see the same records, and the figures are the same."""
        brain = harness.Brain(sets=["clock.source=events"]).start()
        self.assertEqual(brain.replay("day", "--orders", "300", "--bad-share", "0.01").returncode, 3)
        brain.settle()
        self.assertEqual(brain.stop(), 0)
        records = brain.journal()
        audited = harness.check_audited(self, brain, "--whole", "--drained", "--list")
        listed = audited["records_listed"]
        self.assertEqual([(r["seq"], r["at_ms"], r["kind"]) for r in listed],
                         [(r["seq"], r["at_ms"], r["kind"]) for r in records])
        self.assertEqual([r["flags"] for r in listed if r["kind"] == "event"],
                         [int(r["undecided"]) for r in harness.events_of(records)])
        intents = [c for r in harness.decisions_of(records) for c in r["decision"]["candidates"]
                   if c["action_id"]]
        self.assertEqual(audited["intents"], len(intents))
        self.assertEqual(audited["external"],
                         len([r for r in harness.events_of(records) if not r["internal"]]))
        self.assertEqual(audited["groups"], listed[-1]["group"] + 1)

    def test_a_damaged_journal_is_not_verified(self):
        brain = harness.Brain(sets=["clock.source=events"]).start()
        self.assertEqual(brain.replay("day", "--orders", "200").returncode, 0)
        brain.settle()
        self.assertEqual(brain.stop(), 0)
        segment = sorted(os.listdir(os.path.join(brain.data, "journal")))[0]
        path = os.path.join(brain.data, "journal", segment)
        with open(path, "r+b") as f:
            f.seek(4096 + 20000)
            byte = f.read(1)[0]
            f.seek(4096 + 20000)
            f.write(bytes([byte ^ 1]))
        done = harness.subprocess.run([harness.VERIFY] + brain.settings(), capture_output=True,
                                      text=True, timeout=60)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn(segment, done.stderr)
        audited = brain.audit()
        self.assertEqual(audited["code"], 1)
        self.assertIn(segment, audited["found"][0]["text"])
        brain.launch()
        self.assertEqual(brain.process.wait(30), 74, brain.log())
        self.assertIn(segment, brain.log())


if __name__ == "__main__":
    sys.exit(harness.main())
