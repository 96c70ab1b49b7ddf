"""Agents in processes of their own, by configuration alone: nothing is decided otherwise than inside."""

import os
import signal
import subprocess
import sys
import time

import harness

CONFIG = """tenants:
  - {{id: 1, name: demo, utc_offset: "-05:00"}}
hosts:
  - {{name: inside, agents: [customer, learning]}}
  - {{name: far, url: "tcp://127.0.0.1:{0}", agents: [logistics, healing]}}
  - {{name: farther, url: "tcp://127.0.0.1:{1}", agents: [anomaly]}}
"""


# Two runs decide the same only when their records have the same numbers: every event is decided and
# done before the next, and nothing is sampled by the machine's clock.
LOCKSTEP = ["clock.source=events", "agents.deadline=30s", "clock.lag_max=0ms",
            "metrics.sample_every=1d"]


class Agent:
    """A brain-agent process for one host of a daemon's configuration."""

    def __init__(self, brain, host):
        self.args = [harness.AGENT, "--host", host] + brain.settings()
        self.log_path = brain.log_path + "." + host
        self.process = None

    def start(self):
        """Starts it; it dials until the daemon is there."""
        with open(self.log_path, "ab") as f:
            self.process = harness.spawn(self.args, stdout=f, stderr=f)
        return self

    def end(self, signo=signal.SIGTERM):
        """Ends it; its exit code."""
        self.process.send_signal(signo)
        return self.process.wait(20)


def said(records):
    """What was decided on each producer's event, without what differs between two journals."""
    ids = {r["seq"]: r["event"]["id"] for r in harness.events_of(records) if not r["internal"]}
    result = {}
    for record in harness.decisions_of(records):
        decision = record["decision"]
        if decision["event_seq"] in ids:
            result[ids[decision["event_seq"]]] = {
                "missing": decision["missing"],
                "predictions": decision["predictions"],
                "candidates": [(c["proposal"], c["verdict"]) for c in decision["candidates"]],
            }
    return result


class OutsideAgentTest(harness.Case):
    """A daemon with two of its three hosts outside."""

    def setUp(self):
        ports = harness.free_ports(2)
        self.brain = harness.Brain(CONFIG.format(*ports),
                                   sets=LOCKSTEP)
        self.agents = [Agent(self.brain, "far").start(), Agent(self.brain, "farther").start()]

    def tearDown(self):
        for agent in self.agents:
            if agent.process.poll() is None:
                agent.end(signal.SIGKILL)

    def hosts(self):
        """Names of the hosts that are up."""
        answer = self.brain.command("agents.list")[-1]
        return sorted(h["name"] for h in answer["hosts"] if h["live"])

    def feed(self, brain):
        """Events one request at a time, each decided before the next."""
        done = brain.replay("day", "--orders", "150", "--days", "3", "--batch", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        brain.settle()

    def test_decisions_are_the_same_as_inside(self):
        self.brain.start()
        harness.wait_for(lambda: self.hosts() == ["far", "farther", "inside"], 20, "all hosts")
        self.feed(self.brain)
        for agent in self.agents:
            self.assertEqual(agent.end(), 0)
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        # the replay runs all agents together, inside
        harness.check_verified(self, self.brain)
        outside = said(self.brain.journal())
        brain = harness.Brain(sets=LOCKSTEP).start()
        self.feed(brain)
        self.assertEqual(brain.stop(), 0, brain.log())
        inside = said(brain.journal())
        self.assertEqual(sorted(outside), sorted(inside))
        self.assertGreater(len(inside), 500)
        self.assertGreater(sum(len(d["candidates"]) for d in inside.values()), 50)
        different = [i for i in inside if inside[i] != outside[i]]
        self.assertEqual(different[:3], [], "%d of %d decisions differ" % (len(different),
                                                                           len(inside)))

    def test_killed_agents_catch_up_and_are_recorded_as_missing(self):
        self.brain.sets += ["agents.deadline=200ms"]
        self.brain.start()
        stream = harness.spawn([harness.REPLAY, "day", "--orders", "6000", "--batch", "16", "--url",
                                self.brain.ingest, "--quiet"], stdout=subprocess.DEVNULL)
        for _ in range(4):
            time.sleep(0.3)
            for agent in self.agents:
                agent.end(signal.SIGKILL)
            time.sleep(0.4)
            for agent in self.agents:
                agent.start()
        stream.terminate()
        stream.wait()
        harness.wait_for(lambda: self.hosts() == ["far", "farther", "inside"], 30, "all hosts")
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        answer = harness.check_verified(self, self.brain)
        records = self.brain.journal()
        harness.check_books(self, records)
        missing = [r for r in harness.decisions_of(records) if r["decision"]["missing"]]
        self.assertGreater(len(missing), 0)
        self.assertLess(len(missing), answer["decisions"])
        names = {name for r in missing for name in r["decision"]["missing"]}
        self.assertLessEqual(names, {"logistics", "healing", "anomaly"})

    def test_daemon_restarts_under_its_agents(self):
        self.brain.start()
        for count in (500, 1000, 1500):
            done = self.brain.replay("day", "--orders", "300", "--limit", str(count))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.brain.kill()
            self.brain.start()
        harness.wait_for(lambda: self.hosts() == ["far", "farther", "inside"], 30, "all hosts")
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        harness.check_verified(self, self.brain)

    def test_a_host_name_that_is_not_there_is_refused(self):
        done = subprocess.run([harness.AGENT, "--host", "nobody"] + self.brain.settings(),
                              capture_output=True, text=True,
                              timeout=20 * harness.PATIENCE)
        self.assertEqual(done.returncode, 78)
        self.assertIn("nobody", done.stderr)

    def test_a_second_process_for_the_same_host_is_refused(self):
        lock = os.path.join(self.brain.data, "agents", "far", "LOCK")
        harness.wait_for(lambda: os.path.exists(lock) and os.path.getsize(lock) > 0, 20,
                         "the first process to take its lock")
        done = subprocess.run(self.agents[0].args, capture_output=True, text=True,
                              timeout=20 * harness.PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.agents[0].process.pid), done.stderr)
        self.assertIsNone(self.agents[0].process.poll())


if __name__ == "__main__":
    sys.exit(harness.main())
