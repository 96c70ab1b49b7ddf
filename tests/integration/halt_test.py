"""Halt on real processes, under load: how soon nothing leaves any more, and that it stays so.

What is promised is 100 ms; what is asserted is a second, because other processes share the machine. The
time measured is printed.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
import time

import harness
import mp
import receiver

PROMISED_S = 0.1
ASSERTED_S = 1.0
AFTER_S = 1.5  # how long it is watched
CALM_S = 0.6  # of load before
SUB_GREETING = b"\x00SP\x00\x00\x21\x00\x00"
PLAYBOOK = """kind: playbook
id: {0}
doc: Does something about every order.
owner: tests
mode: live
events: [order.created]
when: data.value >= 0
priority: 90
confidence: 1
do:
  - action: {1}
    target: ${{event.subject}}
    args: {2}
"""


class Load(threading.Thread):
    """Orders, each of which leads to a webhook and to a publication, until end()."""

    def __init__(self, brain, name):
        super().__init__(daemon=True)
        self.brain = brain
        self.name = name
        self.sent = 0
        self.error = None
        self.ending = False
        self.start()

    def run(self):
        try:
            client = self.brain.client(30)
            while not self.ending:
                batch = [harness.order("%s-%d" % (self.name, self.sent + i)) for i in range(16)]
                answer = client.ask(batch)
                self.sent += answer["ok"]
                if answer["errors"]:
                    raise AssertionError(answer)
                time.sleep(0.01)
            client.close()
        except Exception as error:  # end() hands it on
            self.error = error

    def end(self):
        """No more of it; how many orders there were."""
        self.ending = True
        self.join(40)
        if self.error is not None:
            raise self.error
        return self.sent


class Subscriber(threading.Thread):
    """Notes when publications of actions come."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(SUB_GREETING)
        self.socket.settimeout(None)
        self.actions = []  # times
        self.start()

    def run(self):
        data = b""
        try:
            while True:
                part = self.socket.recv(65536)
                if not part:
                    return
                now = time.monotonic()
                data += part
                while len(data) >= 8 and len(data) >= 8 + self.length(data):
                    if data[8:8 + 8] == b"actions.":
                        self.actions.append(now)
                    data = data[8 + self.length(data):]
                    if len(data) >= 8 and data[:8] == SUB_GREETING[:5] + b"\x20\x00\x00":
                        data = data[8:]
        except OSError:
            return

    @staticmethod
    def length(data):
        """Of the next message; the other side's greeting counts as an empty one."""
        return 0 if data[:3] == b"\x00SP" else struct.unpack(">Q", data[:8])[0]

    def close(self):
        """Hangs up."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self.socket.close()


class HaltTest(harness.Case):
    """A daemon that acts on every order, by webhook and by publication."""

    def setUp(self):
        self.wait_s = 0
        self.receiver = receiver.Receiver(lambda request: (200, self.wait_s))
        self.addCleanup(self.receiver.close)
        self.brain = harness.Brain(
            "tenants:\n  - {id: 1, name: demo}\n"
            "webhooks:\n  - {name: shop, url: '%s', timeout: 10s}\n" % self.receiver.url(),
            sets=["webhooks.allow_loopback=true", "limits.actions_per_minute=1000000",
                  "memory.subjects_max=100000"])
        root = self.brain.copy_files()
        harness.edit(os.path.join(root, "config/packs/logistics/actions.yaml"),
                     "  open_case:\n    doc: Open a case for the service team.\n    resource: order\n"
                     "    group: case\n    class: 1\n    executor: publish\n",
                     "  open_case:\n    doc: Open a case for the service team.\n    resource: order\n"
                     "    group: case\n    class: 1\n    executor: webhook\n    webhook: shop\n")
        self.brain.playbooks = os.path.join(self.brain.dir, "books")
        os.mkdir(self.brain.playbooks)
        for name, action, args in (("case", "open_case", "{kind: seen}"),
                                   ("hurry", "expedite_order", "{reason: seen}")):
            with open(os.path.join(self.brain.playbooks, name + ".yaml"), "w") as f:
                f.write(PLAYBOOK.format(name, action, args))
        self.brain.start()
        self.publish_port = int(self.brain.publish.rsplit(":", 1)[1])
        self.runs = 0

    def tearDown(self):
        if self.brain.process.poll() is None:
            self.brain.kill()

    def brainctl(self, *args):
        """Runs it against this daemon, as an operator would."""
        done = subprocess.run([harness.BRAINCTL] + list(args) + ["--socket", self.brain.control],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def leaving(self, subscriber, since):
        """When the last action left after that time, in seconds from it; 0 when none did."""
        times = [request.at for request in list(self.receiver.requests)] + list(subscriber.actions)
        return max([at - since for at in times] + [0])

    def under_load(self, what, halt):
        """Halts under load; everything must have left a moment after `halt` came back."""
        self.runs += 1
        load = Load(self.brain, "%s-%d" % (what, self.runs))
        subscriber = Subscriber(self.publish_port)
        time.sleep(CALM_S)
        webhooks, published = len(self.receiver.requests), len(subscriber.actions)
        self.assertGreater(webhooks, 10)
        self.assertGreater(published, 10)
        sent = load.sent
        asked = time.monotonic()
        halt()
        halted = time.monotonic()
        time.sleep(AFTER_S)
        self.assertGreater(load.sent, sent, "events are not taken any more")
        load.end()
        last, since_asked = self.leaving(subscriber, halted), self.leaving(subscriber, asked)
        subscriber.close()
        print("%s: %d webhooks and %d publications of actions before it; the last came %.1f ms after "
              "it was asked for, %.1f ms after it was done (promised: %d ms)"
              % (what, webhooks, published, since_asked * 1000, last * 1000, PROMISED_S * 1000))
        self.assertLess(last, ASSERTED_S)
        self.check_halted()

    def check_halted(self):
        """Events are decided, nothing leaves, and the refusal says why."""
        before = len(self.receiver.requests)
        subscriber = Subscriber(self.publish_port)
        self.runs += 1
        client = self.brain.client()
        seq = client.ask(harness.order("halted-%d" % self.runs))["results"][0][1]
        client.close()
        self.assertTrue(self.brain.command("status")[-1]["halted"])
        self.brain.settle()
        time.sleep(0.3)
        self.assertEqual(len(self.receiver.requests), before)
        self.assertEqual(subscriber.actions, [])
        subscriber.close()
        decision, = [r["decision"] for r in harness.decisions_of(self.brain.journal())
                     if r["decision"]["event_seq"] == seq]
        self.assertEqual({(c["verdict"], c["why"]) for c in decision["candidates"]},
                         {("refused", "halted by an operator")}, decision)

    def check_acting(self):
        """Actions leave again."""
        before = len(self.receiver.requests)
        self.runs += 1
        client = self.brain.client()
        client.ask(harness.order("acting-%d" % self.runs))
        client.close()
        harness.wait_for(lambda: len(self.receiver.requests) > before, 10, "a webhook")

    def test_halt_by_brainctl_stops_at_once_and_outlives_restarts(self):
        self.under_load("brainctl halt", lambda: self.brainctl("halt", "--reason", "a test"))
        self.brain.kill()
        self.brain.start()
        self.check_halted()
        self.assertEqual(self.brain.stop(), 0)
        self.brain.start()
        self.check_halted()
        self.brainctl("resume")
        self.check_acting()

    def test_halt_by_file_stops_at_once_and_outlives_the_file(self):
        path = os.path.join(self.brain.data, "HALT")

        def touch():
            with open(path, "w"):
                pass
        self.under_load("HALT file", touch)
        self.brain.kill()
        self.brain.start()
        self.check_halted()
        os.remove(path)
        self.check_halted()  # until somebody resumes
        self.brain.kill()
        self.brain.start()
        self.check_halted()
        self.brainctl("resume")
        self.check_acting()

    def test_what_waits_for_a_slow_receiver_does_not_leave_after_a_halt(self):
        self.wait_s = 0.4  # 64 at a time: most wait for their turn or for their next try
        self.under_load("brainctl halt, slow receiver", lambda: self.brainctl("halt"))

    def test_halt_again_and_again(self):
        for _ in range(3):
            self.under_load("brainctl halt, again", lambda: self.brainctl("halt"))
            self.brainctl("resume")
            self.check_acting()


if __name__ == "__main__":
    sys.exit(harness.main())
