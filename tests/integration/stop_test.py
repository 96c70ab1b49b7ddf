"""How a daemon ends: whoever waits for an answer gets one or is hung up on, and no socket stays behind."""

import os
import signal
import socket
import sys
import threading
import time

import harness
import mp
from harness import order

HOSTS = """tenants:
  - {{id: 1, name: demo}}
hosts:
  - {{name: inside, agents: [customer, learning]}}
  - {{name: far, url: "tcp://127.0.0.1:{0}"}}
"""


class Call(threading.Thread):
    """One call of the control door on a thread of its own; its frames, or how it broke off."""

    def __init__(self, brain, cmd, **args):
        super().__init__(daemon=True)
        self.brain = brain
        self.cmd = cmd
        self.args = args
        self.frames = None
        self.error = None
        self.start()

    def run(self):
        try:
            self.frames = self.brain.command(self.cmd, **self.args)
        except OSError as error:
            self.error = error


def at_hour(number, hour):
    """An order of that hour of a day."""
    return order(number, time="2026-01-05T%02d:00:00Z" % hour)


class StopTest(harness.Case):
    """A daemon that cannot finish what it has: the agents it waits for stand still."""

    def setUp(self):
        ports = harness.free_ports(1)
        self.brain = harness.Brain(HOSTS.format(*ports),
                                   sets=["clock.source=events", "clock.lag_max=0ms",
                                         "agents.deadline=1m"])
        self.brain.start_with_agent("far")

    def tearDown(self):
        self.brain.end_agents()
        if self.brain.process.poll() is None:
            self.brain.kill()

    def block(self):
        """An event that stays undecided, so that a later one has to wait."""
        self.brain.agents[0].send_signal(signal.SIGSTOP)
        client = self.brain.client()
        self.assertEqual(client.ask(at_hour("first", 8))["ok"], 1)
        client.close()
        harness.wait_for(lambda: self.brain.undecided() > 0, 10, "an undecided event")

    def test_event_published_by_an_operator_that_waits_at_the_end_is_refused(self):
        self.block()
        call = Call(self.brain, "events.publish", events=mp.pack([at_hour("later", 10)]))
        harness.wait_for(lambda: self.brain.undecided() > 1 or
                         self.brain.command("status")[-1]["metrics"]["messages_in"] > 1, 10,
                         "the second event to wait")
        began = time.monotonic()
        self.assertEqual(self.brain.stop(), 0)
        self.assertLess(time.monotonic() - began, 6 * harness.PATIENCE)
        call.join(10)
        self.assertIsNone(call.error, "hung up on without a word")
        self.assertFalse(call.frames[-1]["ok"])
        self.assertEqual(call.frames[-1]["error"]["code"], "RT_ECLOSED")
        ids = [r["event"]["id"] for r in harness.events_of(self.brain.journal())
               if not r["internal"]]
        self.assertEqual(ids, ["order-first"])

    def test_producer_that_waits_at_the_end_is_hung_up_on_and_may_send_again(self):
        self.block()
        client = self.brain.client()
        client.send(mp.pack([at_hour("later", 10)]))
        time.sleep(0.2)
        self.assertEqual(self.brain.stop(), 0)
        with self.assertRaises((ConnectionError, socket.timeout)):
            client.receive()
        client.close()
        self.brain.end_agents()
        self.brain.start_with_agent("far")
        client = self.brain.client()
        self.assertEqual(client.ask(at_hour("later", 10))["ok"], 1)
        self.assertEqual(client.ask(at_hour("first", 8))["duplicates"], 1)
        client.close()

    def test_follower_is_told_of_the_end(self):
        call = Call(self.brain, "records.follow")
        client = self.brain.client()
        self.assertEqual(client.ask(at_hour("seen", 8))["ok"], 1)
        client.close()
        time.sleep(0.2)
        self.assertEqual(self.brain.stop(), 0)
        call.join(10)
        self.assertIsNone(call.error, "hung up on without a word")
        self.assertEqual(call.frames[-1]["error"]["code"], "RT_ECLOSED")

    def test_clean_stop_leaves_no_socket(self):
        self.assertTrue(os.path.exists(self.brain.control))
        self.assertEqual(self.brain.stop(), 0)
        self.assertFalse(os.path.exists(self.brain.control))


class FailedStartTest(harness.Case):
    """A daemon that does not come up takes back what it had opened."""

    def test_taken_port_leaves_no_control_socket(self):
        for door in ("ingest", "pull", "publish"):
            with self.subTest(door=door), socket.create_server(("127.0.0.1", 0)) as taken:
                brain = harness.Brain()
                setattr(brain, door, "tcp://127.0.0.1:%d" % taken.getsockname()[1])
                brain.launch()
                self.assertEqual(brain.process.wait(20), 75, brain.log())
                self.assertIn("hint: is a brain running already?", brain.log())
                self.assertFalse(os.path.exists(brain.control))

    def test_agents_that_cannot_start_leave_no_control_socket(self):
        brain = harness.Brain()
        os.makedirs(os.path.join(brain.data, "agents"))
        with open(os.path.join(brain.data, "agents", "inside"), "w") as f:
            f.write("where a directory should be")
        brain.launch()
        self.assertNotEqual(brain.process.wait(20), 0, brain.log())
        self.assertIn("agents-not-started", brain.log())
        self.assertFalse(os.path.exists(brain.control))


if __name__ == "__main__":
    sys.exit(harness.main())
