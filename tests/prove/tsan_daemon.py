"""A daemon with its agents inside, under everything at once: `tsan_daemon.py SECONDS`, a part of `tools/prove tsan`.

Producers at both doors, subscribers, questions at the control door (each answered by a thread of its own or
by the loop), peers that hang up anywhere, a host of agents that comes and goes, reloads, cuts of the state
every 50 ms; a stop under load, another life, a stop at rest. The last line is what was done, as JSON.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402

ASKED = (("status", {}), ("agents.list", {}), ("playbooks.list", {}), ("actions.list", {}),
         ("records.scan", {"from": 1, "limit": 50}), ("sync.hash", {}), ("deadletter.list", {}))
DAY = "2026-11-20T00:00:00Z"  # of the generator: the brain's clock is that of the events
PUSH = b"\x00SP\x00\x00\x50\x00\x00"
SUB = b"\x00SP\x00\x00\x21\x00\x00"


def order(prefix, number):
    """A new event."""
    return harness.order("%s-%d" % (prefix % number, time.monotonic_ns()), time=DAY)


class Load:
    """Threads that work against a daemon until told to end, and what they did."""

    def __init__(self, brain):
        self.brain = brain
        self.ending = threading.Event()  # from here on, whoever is hung up on says nothing
        self.ended = threading.Event()  # the daemon is gone
        self.lock = threading.Lock()
        self.done = {}
        self.errors = []
        self.threads = []

    def count(self, what, by=1):
        """Notes what was done."""
        with self.lock:
            self.done[what] = self.done.get(what, 0) + by

    def begin(self, work, *args):
        """Repeats `work` on a thread until the end; while the daemon stops, it may be hung up on."""
        def body():
            while not self.ending.is_set():
                try:
                    work(*args)
                except (OSError, AssertionError) as error:
                    if not self.ending.is_set():
                        with self.lock:
                            self.errors.append("%s: %r" % (work.__name__, error))
                        return
        self.threads.append(threading.Thread(target=body))
        self.threads[-1].start()

    def end(self):
        """Waits for all of them."""
        for thread in self.threads:
            thread.join()

    def produce(self, number):
        """A producer at the acknowledged door: some days of the generator."""
        seed = 1 + self.done.get("days of events", 0) * 4 + number
        replay = harness.spawn([harness.REPLAY, "day", "--days", "1", "--orders", "60", "--window", "4",
                                "--timeout", "10m", "--seed", str(seed), "--url", self.brain.ingest, "--quiet"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while replay.poll() is None and not self.ended.wait(0.01):
            pass
        replay.kill()  # after the daemon's end nobody would answer it
        told = replay.communicate()[0]
        if replay.returncode != 0:
            raise OSError("brain-replay: %d %s" % (replay.returncode, told))
        self.count("days of events")

    def push(self):
        """A producer that wants no answer, and is slowed down by what the brain has not taken yet."""
        port = int(self.brain.pull.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), 300) as s:
            s.sendall(PUSH)
            s.recv(8)
            for number in range(500):
                body = json.dumps(order("push-%d", number)).encode()
                s.sendall(struct.pack(">Q", len(body)) + body)
        self.count("events pushed", 500)
        time.sleep(1)

    def subscribe(self):
        """Somebody who reads what is published, for a while."""
        port = int(self.brain.publish.rsplit(":", 1)[1])
        until = time.monotonic() + 0.5
        with socket.create_connection(("127.0.0.1", port), 20) as s:
            s.sendall(SUB)
            s.settimeout(0.1)
            while time.monotonic() < until:
                try:
                    heard = len(s.recv(65536))
                    self.count("bytes heard", heard)
                    if heard == 0:
                        return
                except TimeoutError:
                    continue

    def hang_up(self):
        """Peers that reset their connections, with requests under way or without."""
        for wait in (0, 0.001, 0.01):
            client = self.brain.client(20)
            for number in range(20):
                client.send(json.dumps(order("gone-%d", number)).encode())
            time.sleep(wait)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.count("peers that hung up")
        time.sleep(0.2)  # each holds a place until the brain has taken what it sent

    def ask(self):
        """Somebody at the control door."""
        for command, args in ASKED:
            self.brain.command(command, **args)
            self.count("questions answered")

    def reload(self):
        """The playbooks, again."""
        self.brain.reload()
        self.count("reloads")
        time.sleep(0.5)


def live(brain, seconds):
    """One life under load, with a stop in the middle of it; the load."""
    load = Load(brain)
    load.begin(load.produce, 0)
    load.begin(load.produce, 1)
    for work in (load.push, load.subscribe, load.hang_up, load.ask, load.ask, load.reload):
        load.begin(work)
    time.sleep(seconds)
    load.ending.set()
    code = brain.stop(60)
    load.ended.set()
    load.end()
    if code != 0:
        load.errors.append("braind ended with %d\n%s" % (code, brain.log()[-3000:]))
    return load


def main():
    """Two lives; 1 when anything went wrong that the sanitizer may not have seen."""
    seconds = float(sys.argv[1])
    brain = harness.Brain(sets=["data.cut_every=50ms", "clock.source=events"])
    brain.start()
    load = live(brain, seconds)
    brain.start()  # on what that one left
    code = brain.stop(60)
    if load.errors or code != 0:
        print("\n".join(load.errors) or "the second life ended with %d\n%s" % (code, brain.log()[-3000:]))
        return 1
    print(json.dumps(load.done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
