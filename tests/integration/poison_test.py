"""An agent that cannot take an event: a dead letter with its cause, and nobody else is held up."""

import sys
import time

import harness
from harness import order

POISON_AGENT = harness.program("tests/tools/poison_agent")
CONFIG = """tenants:
  - {{id: 1, name: demo}}
hosts:
  - {{name: inside, agents: [logistics, customer, learning, healing]}}
  - {{name: far, url: "tcp://127.0.0.1:{0}", agents: [anomaly]}}
"""


class PoisonTest(harness.Case):
    """A daemon with an agent in a process of its own that fails on certain orders."""

    def setUp(self):
        port, = harness.free_ports(1)
        self.brain = harness.Brain(CONFIG.format(port), sets=["agents.deadline=5s"])
        self.agent_log = self.brain.log_path + ".agent"
        with open(self.agent_log, "wb") as f:
            self.agent = harness.spawn([POISON_AGENT, "far", "tcp://127.0.0.1:%d" % port] +
                                       self.brain.packs, stdout=f, stderr=f)
        self.brain.start()
        self.client = self.brain.client()

    def tearDown(self):
        self.client.close()
        self.agent.kill()
        self.agent.wait()
        if self.brain.process.poll() is None:
            self.brain.kill()

    def send(self, number):
        """An order; its sequence number."""
        answer = self.client.ask(order(number))
        self.assertEqual(answer["ok"], 1, answer)
        return answer["results"][0][1]

    def decision(self, seq, seconds=10):
        """The decision on an event, once it is made."""
        def made():
            for record in harness.decisions_of(self.brain.journal()):
                if record["decision"]["event_seq"] == seq:
                    return record["decision"]
            return None
        return harness.wait_for(made, seconds, "the decision on %d" % seq)

    def proposers(self, decision):
        """Who had something to say."""
        return [c["proposal"]["agent"] for c in decision["candidates"]]

    def letters(self):
        """Dead letters."""
        return self.brain.command("dlq.list")[-1]["letters"]

    def agent_state(self):
        """What the daemon knows of the agent."""
        agents = self.brain.command("agents.list")[-1]["agents"]
        return [a for a in agents if a["name"] == "anomaly"][0]

    def test_poison_becomes_a_dead_letter_and_others_go_on(self):
        good = self.send("fine-1")
        self.assertIn("anomaly", self.proposers(self.decision(good)))
        began = time.monotonic()
        bad = self.send("poison-1")
        decision = self.decision(bad)
        self.assertNotIn("anomaly", self.proposers(decision))
        self.assertEqual(decision["missing"], ["anomaly"])
        after = self.send("fine-2")
        self.decision(after)
        self.assertLess(time.monotonic() - began, 3, "the poison held up what came after it")
        harness.wait_for(self.letters, 10, "the dead letter")
        letter, = self.letters()
        self.assertEqual((letter["owner"], letter["ref"]), ("anomaly", "anomaly/%d" % bad))
        self.assertEqual(letter["attempts"], 3)
        self.assertIn("does not agree with me", letter["cause"])
        self.assertFalse(letter["retryable"])
        third = self.send("fine-3")
        self.assertIn("anomaly", self.proposers(self.decision(third)))
        self.assertGreaterEqual(self.agent_state()["restarts"], 2)
        answer = self.brain.command("dlq.retry", ref=letter["ref"])[-1]
        self.assertFalse(answer["ok"])
        self.assertTrue(self.brain.command("dlq.discard", ref=letter["ref"])[-1]["ok"])
        self.assertEqual(self.letters(), [])

    def test_many_in_a_row_quarantine_the_agent_and_nobody_else(self):
        seqs = [self.send("poison-%d" % i) for i in range(12)]
        fine = [self.send("ok-%d" % i) for i in range(5)]
        self.brain.settle(20)
        harness.wait_for(lambda: self.agent_state()["state"] == "quarantined", 10, "quarantine")
        states = {a["name"]: a["state"] for a in self.brain.command("agents.list")[-1]["agents"]}
        self.assertEqual({s for name, s in states.items() if name != "anomaly"}, {"running"})
        decisions = {r["decision"]["event_seq"]: r["decision"]
                     for r in harness.decisions_of(self.brain.journal())}
        for seq in seqs + fine:
            self.assertIn(seq, decisions)
        self.assertTrue(all(decisions[s]["missing"] == ["anomaly"] for s in fine))
        self.assertIsNone(self.agent.poll(), "the process died of its agent")
        began = time.monotonic()
        self.decision(self.send("ok-last"))
        self.assertLess(time.monotonic() - began, 2, "a quarantined agent holds up decisions")

    def test_dead_letters_survive_a_kill(self):
        bad = self.send("poison-k")
        harness.wait_for(self.letters, 10, "the dead letter")
        self.client.close()
        self.brain.kill()
        self.brain.start()
        self.client = self.brain.client()
        self.assertEqual([l["ref"] for l in self.letters()], ["anomaly/%d" % bad])
        harness.check_books(self, [r for r in self.brain.journal()])
        harness.check_audited(self, self.brain, "--whole")


if __name__ == "__main__":
    sys.exit(harness.main())
