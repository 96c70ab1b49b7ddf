"""Every door of the real daemon under abuse: it stays alive, and the well-behaved barely notice.

One daemon with an agent outside, a well-behaved producer that sends all the time, and one kind of
abuse after the other at each door. After each: every door works, descriptors are back, memory is
within its bound.
"""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import proof

sys.path.insert(0, os.path.join(proof.SOURCE, "tests", "integration"))

import harness  # noqa: E402
import mp  # noqa: E402

SUMMARY = "connect-and-close, half handshakes, floods, silence, garbage … at every door of the daemon"
OPTIONS = {"only": "", "seed_start": 0}
TARGETS = ("tools/braind/braind", "tools/brain-agent/brain-agent", "tools/replay/brain-replay",
           "tests/tools/foreign_producer")
PRODUCER = harness.program("tests/tools/foreign_producer")

CONNECTIONS_MAX = 64
MESSAGE_BYTES = 256 * 1024
DESCRIPTORS_MAX = 1024  # of the daemon; more connections than that are tried
REQ, REP, PAIR, PUSH, PULL, PUB, SUB = 0x30, 0x31, 0x10, 0x50, 0x51, 0x20, 0x21
SPEAKS = {"ingest": REQ, "pull": PUSH, "publish": SUB, "link": PAIR}  # what a client of a door is
TCP_DOORS = tuple(SPEAKS)
EVERY_MS = 10
ALIVE_SECONDS = 30
BATCH = 4
CONFIG = """tenants:
  - {{id: 1, name: demo, utc_offset: "-05:00"}}
hosts:
  - {{name: inside, agents: [customer, learning, anomaly, logistics]}}
  - {{name: far, url: "tcp://127.0.0.1:{0}", agents: [healing]}}
"""
# Beyond what it has at rest: every connection of every door with a whole message in its hands; every
# request that may be worked on (256) with the largest answer there is, once as results, once on its
# way; publications waiting for subscribers and what the state grows by meanwhile.
ANSWER_BYTES = 320 * 1024
MEMORY_SLACK = 3 * CONNECTIONS_MAX * MESSAGE_BYTES + 2 * 256 * ANSWER_BYTES + (64 << 20)


class Broken(Exception):
    """Something did not hold."""


def greeting(protocol):
    """How a socket of that protocol begins."""
    return b"\x00SP\x00" + struct.pack(">H", protocol) + b"\x00\x00"


def percentile(values, share):
    """The value below which that share lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


class Target:
    """The daemon, its agent, its well-behaved producer, and how to look at them."""

    def __init__(self, connections_max=CONNECTIONS_MAX, seconds=3600):
        self.rng = random.Random(1)
        ports = harness.free_ports(1)
        self.brain = harness.Brain(
            CONFIG.format(*ports),
            sets=["limits.message_bytes=%d" % MESSAGE_BYTES, "clock.age_max=3650d",
                  "limits.connections=%d" % connections_max, "data.segment_bytes=1MiB",
                  "agents.deadline=200ms"])
        self.ports = {"ingest": self.brain.port, "link": ports[0]}
        for door in ("pull", "publish"):
            self.ports[door] = int(getattr(self.brain, door).rsplit(":", 1)[1])
        self.connections_max = connections_max
        self.rss_peak = 0
        self.watching = True
        self.brain.start_with_agent("far")
        self.pid = self.brain.process.pid
        subprocess.run(["prlimit", "--pid", str(self.pid),
                        "--nofile=%d:%d" % (DESCRIPTORS_MAX, DESCRIPTORS_MAX)], check=True)
        self.start_producer(seconds)
        threading.Thread(target=self._watch, daemon=True).start()
        self.alive = 0

    def start_producer(self, seconds):
        """The well-behaved one: four events a request, a hundred requests a second."""
        events = os.path.join(self.brain.dir, "events.jsonl")
        count = seconds * 1000 // EVERY_MS * BATCH
        with open(events, "wb") as out:
            subprocess.run([harness.REPLAY, "day", "--jsonl", "--date",
                            time.strftime("%Y-%m-%d", time.gmtime(time.time() - 2 * 86400)),
                            "--orders", str(count // 8), "--limit", str(count)],
                           stdout=out, stderr=subprocess.DEVNULL, check=True)
        self.acked_path = os.path.join(self.brain.dir, "acked")
        self.latency_path = os.path.join(self.brain.dir, "latency")
        self.producer_log = os.path.join(self.brain.dir, "producer.log")
        with open(self.producer_log, "ab") as log:
            self.producer = harness.spawn(
                [PRODUCER, "--port", str(self.brain.port), "--events", events, "--acked",
                 self.acked_path, "--batch", str(BATCH), "--every", str(EVERY_MS), "--msgpack",
                 "--latency", self.latency_path], stdout=log, stderr=log)
        harness.wait_for(lambda: os.path.exists(self.latency_path) and
                         os.path.getsize(self.acked_path) > 0, 20, "the producer")

    # --- looking ---

    def _watch(self):
        while self.watching:
            self.rss_peak = max(self.rss_peak, self.rss())
            time.sleep(0.02)

    def rss(self):
        """Resident bytes of the daemon."""
        try:
            with open("/proc/%d/statm" % self.pid, encoding="ascii") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def threads(self):
        """How many it runs."""
        return len(os.listdir("/proc/%d/task" % self.pid))

    def status(self):
        """What it says of itself."""
        answer = self.brain.command("status")[-1]
        if not answer["ok"]:
            raise Broken("status: %s" % answer)
        return answer

    def latencies(self, since, until):
        """What the well-behaved producer waited for its answers, in ms, from then to then."""
        found = []
        with open(self.latency_path, encoding="ascii") as lines:
            for line in lines:
                if line.endswith("\n"):
                    sent, took = line.split()
                    if since <= int(sent) / 1e6 <= until:
                        found.append(int(took) / 1000)
        return found

    def check_alive(self):
        """New clients of every door are served, and the old producer still is."""
        self.alive += 1
        if self.brain.process.poll() is not None:
            raise Broken("braind ended with %d:\n%s" % (self.brain.process.returncode,
                                                        proof.tail(self.brain.log())))
        if self.producer.poll() is not None:
            with open(self.producer_log, encoding="utf-8", errors="replace") as log:
                raise Broken("the producer ended: " + log.read()[-1000:])
        # for a moment after the abuse the places for connections may still be taken
        for what in (self.ask, self.push, self.subscribe, self.status):
            harness.wait_for(lambda: quietly(what), ALIVE_SECONDS, "a new client (%s)" % what.__name__)
        harness.wait_for(self.agent_is_there, ALIVE_SECONDS, "the agent outside")

    def ask(self):
        """A new producer is answered."""
        client = harness.Client(self.ports["ingest"], 5)
        try:
            answer = client.ask(harness.order("alive-%d" % self.alive))
        finally:
            client.close()
        if answer["ok"] + answer["duplicates"] != 1:
            raise Broken("a good event was answered %s" % answer)

    def push(self):
        """A message pushed is taken."""
        before = self.status()["doors"]["pull"]["messages_in"]
        push = self.dial("pull", timeout=5)
        try:
            body = mp.pack(harness.order("pushed-%d" % self.alive))
            push.sendall(struct.pack(">Q", len(body)) + body)
            until = time.monotonic() + 5
            while self.status()["doors"]["pull"]["messages_in"] == before:
                if time.monotonic() > until:
                    raise ConnectionError("a message pushed is not taken")
                time.sleep(0.01)
        finally:
            push.close()

    def subscribe(self):
        """A new subscriber hears of a decision."""
        sub = self.dial("publish", timeout=5)
        try:
            if not sub.recv(12):
                raise ConnectionError("a subscriber was hung up on")
        finally:
            sub.close()

    def agent_is_there(self):
        """Whether every host is live."""
        agents = self.status()["agents"]
        return agents["hosts_live"] == agents["hosts"]

    # --- connections ---

    def connect(self, door, timeout=15):
        """A bare connection, from one of many loopback addresses: a port each would not last."""
        if door == "control":
            s = socket.socket(socket.AF_UNIX)  # blocking: it waits for a place in the backlog
            s.connect(self.brain.control)
            s.settimeout(timeout)
            return s
        s = socket.socket()
        s.settimeout(timeout)
        s.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind(("127.0.1.%d" % self.rng.randrange(1, 255), 0))
        try:
            s.connect(("127.0.0.1", self.ports[door]))
        except OSError:
            s.close()
            raise
        return s

    def dial(self, door, protocol=None, timeout=15):
        """A connection that has shaken hands."""
        s = self.connect(door, timeout)
        s.sendall(greeting(SPEAKS[door] if protocol is None else protocol))
        got = b""
        while len(got) < 8:
            part = s.recv(8 - len(got))
            if not part:
                s.close()
                raise ConnectionError("no handshake")
            got += part
        return s

    def end(self):
        """Ends everything."""
        self.watching = False
        if self.producer.poll() is None:
            self.producer.terminate()
        self.producer.wait(20)
        self.brain.end_agents()
        if self.brain.process.poll() is None:
            self.brain.kill()


def hang_up(s, reset):
    """Closes a connection, politely or with a reset."""
    if reset:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def quietly(action, *args):
    """Does what the other side may refuse; whether it did not."""
    try:
        action(*args)
        return True
    except OSError:
        return False


# --- abuse: each takes the target, a door and a size, and says how often it did it ---

def connect_and_close(target, door, size):
    """Connections that say nothing."""
    return sum(quietly(lambda i=i: hang_up(target.connect(door), i % 2 == 0)) for i in range(size))


def half_handshakes(target, door, size):
    """A part of the greeting, then the end."""
    def half(i):
        s = target.connect(door)
        s.sendall(greeting(SPEAKS[door])[:1 + i % 7])
        hang_up(s, i % 3 == 0)
    return sum(quietly(half, i) for i in range(size))


def wrong_protocols(target, door, size):
    """Greetings of others: another protocol, another version, no greeting at all."""
    others = [greeting(p) for p in (0x00, 0x10, 0x20, 0x21, 0x30, 0x31, 0x50, 0x51, 0x62, 0xFFFF)
              if p != SPEAKS[door]]
    others += [b"\x00SP\x01\x00\x30\x00\x00", b"GET / HT", b"\xff" * 8,
               b"\x16\x03\x01\x02\x00\x01\x00\x01"]
    def wrong(i):
        s = target.connect(door, 5)
        s.sendall(others[i % len(others)])
        if i % 4 == 0:
            s.recv(16)
        hang_up(s, i % 3 == 0)
    return sum(quietly(wrong, i) for i in range(size))


def random_bytes(target, door, size):
    """Noise, before the handshake, after it, or as the body of a message."""
    rng = target.rng
    def noise(i):
        data = rng.randbytes(rng.randrange(1, 2000))
        if door == "control":
            s = target.connect(door)
            data = struct.pack(">I", len(data)) + data if i % 2 else data
        elif i % 3 == 0:
            s = target.connect(door)
        else:
            s = target.dial(door)
            data = struct.pack(">Q", len(data)) + data if i % 3 == 1 else data
        s.sendall(data)
        hang_up(s, i % 2 == 0)
    return sum(quietly(noise, i) for i in range(size))


def reset_in_the_middle(target, door, size):
    """A message announced, half of it sent, and gone."""
    def half(i):
        length = target.rng.randrange(2, MESSAGE_BYTES)
        s = target.connect(door) if door == "control" else target.dial(door)
        head = struct.pack(">I" if door == "control" else ">Q", length)
        s.sendall(head + b"\x80" * target.rng.randrange(length))
        hang_up(s, i % 4 != 0)
    return sum(quietly(half, i) for i in range(size))


def announced_huge(target, door, size):
    """Messages announced larger than any may be."""
    lengths = (MESSAGE_BYTES + 1, 8 << 30, (1 << 63) - 1, (1 << 64) - 1)
    def huge(i):
        if door == "control":
            s = target.connect(door)
            s.sendall(struct.pack(">I", (1 << 32) - 1 - i % 3))
        else:
            s = target.dial(door)
            s.sendall(struct.pack(">Q", lengths[i % 4]) + b"x" * 1000)
        s.settimeout(0.5)
        quietly(s.recv, 64)
        hang_up(s, i % 2 == 0)
    return sum(quietly(huge, i) for i in range(size))


def trickle(target, door, seconds):
    """One byte a second, of greetings and of messages, on as many connections as there may be."""
    slow = []
    try:
        for i in range(target.connections_max):
            def begin():
                if door == "control":
                    s = target.connect(door)
                    s.sendall(struct.pack(">I", 100000))
                elif i % 2 == 0:
                    s = target.connect(door)
                    s.sendall(b"\x00")
                else:
                    s = target.dial(door, timeout=2)
                    s.sendall(struct.pack(">Q", MESSAGE_BYTES))
                slow.append(s)
            quietly(begin)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for s in slow:
                quietly(s.send, b"S")
            time.sleep(1)
    finally:
        for s in slow:
            hang_up(s, False)
    return len(slow)


def idle(target, door, size):
    """Thousands of connections that stay: with a handshake beyond the bound, then without."""
    held = []
    try:
        for i in range(size):
            def stay():
                shaken = door != "control" and i < target.connections_max * 2
                s = target.dial(door, timeout=1) if shaken else target.connect(door, timeout=1)
                held.append(s)
            if not quietly(stay) and len(held) > DESCRIPTORS_MAX:
                break
        time.sleep(0.5)
    finally:
        for s in held:
            hang_up(s, False)
    return len(held)


def flood(target, door, seconds):
    """Greedy producers with many requests outstanding, who read their answers."""
    events = [harness.order("flood-%d" % i) for i in range(8)]
    body = b"" if door == "pull" else b"\x80\x00\x00\x01"
    body += mp.pack(events)
    frame = struct.pack(">Q", len(body)) + body
    sent = [0]

    def greedy():
        s = target.dial(door)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            s.sendall(frame * 16)
            sent[0] += 16
            if door == "ingest":
                got = 0
                while got < 16 * 50:
                    part = s.recv(65536)
                    if not part:
                        return
                    got += len(part)
        hang_up(s, True)

    crowd = [threading.Thread(target=quietly, args=(greedy,)) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return sent[0]


def flood_unread(target, door, seconds):
    """Requests whose large answers nobody reads."""
    body = b"\x80\x00\x00\x01" + mp.pack([5] * 4000)
    frame = struct.pack(">Q", len(body)) + body
    until = time.monotonic() + seconds
    held = []
    sent = 0
    try:
        while time.monotonic() < until:
            def push():
                s = target.dial(door, timeout=2)
                held.append(s)
                s.settimeout(0.05)
                while time.monotonic() < until:
                    s.sendall(frame)
            if len(held) < 8:
                quietly(push)
                sent += 1
            else:
                for s in held:
                    quietly(s.send, frame)
                    sent += 1
                time.sleep(0.01)
    finally:
        for s in held:
            hang_up(s, True)
    return sent


def never_read(target, door, seconds):
    """Subscribers that never read, and some that read a byte at a time."""
    held = []
    try:
        for _ in range(target.connections_max - 2):
            def subscribe():
                s = target.connect(door)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.sendall(greeting(SPEAKS[door]))
                held.append(s)
            quietly(subscribe)
        burst = threading.Thread(target=flood_new, args=(target, seconds))
        burst.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for s in held[:8]:
                s.settimeout(0.001)
                quietly(s.recv, 1)
            time.sleep(0.05)
        burst.join()
    finally:
        for s in held:
            hang_up(s, False)
    return len(held)


def flood_new(target, seconds):
    """Events that are all new, so that there is much to publish, of few orders: what is remembered of
    each is meant to take memory, and there would be many."""
    client = harness.Client(target.ports["ingest"], 30)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        base = target.rng.randrange(1 << 60)
        client.ask([harness.order("new-%d" % i, id="new-%d-%d" % (base, i)) for i in range(64)])
    client.close()


def control_calls(target, _, size):
    """Calls and hang-ups: before the answer, in the middle of it, of tails and of long reads."""
    commands = [{"cmd": "status"}, {"cmd": "records.scan", "args": {"kind": "event"}},
                {"cmd": "records.follow", "args": {}}, {"cmd": "actions.list"}, {"cmd": "nonsense"},
                {"cmd": "explain", "args": {"seq": 5}}, {"cmd": "memory.show", "args": {"x": 1}},
                {"cmd": "config.show"}, {"nothing": 1}]
    def call(i):
        s = target.connect("control")
        body = mp.pack(commands[i % len(commands)])
        s.sendall(struct.pack(">I", len(body)) + body)
        if i % 3 == 1:
            s.recv(1 + i % 100)
        elif i % 3 == 2 and i % len(commands) != 2:
            s.recv(65536)
        hang_up(s, False)
    return sum(quietly(call, i) for i in range(size))


def control_unread(target, _, size):
    """Calls sent ahead, whose answers nobody reads."""
    body = mp.pack({"cmd": "records.scan", "args": {"kind": "event,decision"}})
    frame = struct.pack(">I", len(body)) + body
    held = []
    for _ in range(min(32, target.connections_max // 2)):
        s = target.connect("control")
        s.settimeout(0.05)
        quietly(s.sendall, frame * size)
        held.append(s)
    time.sleep(1)
    for s in held:
        hang_up(s, False)
    return len(held) * size


def rogue_agents(target, door, size):
    """Peers at an agents' link while the agent is away: garbage, a hello that lies, silence."""
    target.brain.agents[0].send_signal(signal.SIGKILL)
    target.brain.agents[0].wait()
    target.brain.agents.clear()
    hello = mp.pack([1, 1, "far", 1 << 60, 0, [], []])
    for i in range(size):
        def pretend():
            s = target.dial(door, timeout=2)
            body = (hello, mp.pack([9] * 50), b"\xc1", target.rng.randbytes(300))[i % 4]
            for _ in range(1 + i % 3):
                s.sendall(struct.pack(">Q", len(body)) + body)
            hang_up(s, i % 2 == 0)
        quietly(pretend)
    target.brain.start_agent("far")
    return size


def second_instances(target, _, size):
    """Daemons started by mistake on the same directory, ports or control socket."""
    for i in range(size):
        other = harness.Brain()
        what = ("all", "ingest", "pull", "publish", "control")[i % 5]
        if what == "all":
            args = target.brain.args()
        else:
            setattr(other, what, getattr(target.brain, what))
            args = other.args()
        done = subprocess.run(args, capture_output=True, timeout=60, check=False)
        if done.returncode != 75:
            raise Broken("a second daemon (%s) ended with %d" % (what, done.returncode))
    return size


# name, function, doors, size in the long form, size in the short one
ABUSE = (
    ("connect and close", connect_and_close, TCP_DOORS, 100000, 1000),
    ("connect and close", connect_and_close, ("control",), 100000, 1000),
    ("half handshakes", half_handshakes, TCP_DOORS, 3000, 100),
    ("wrong protocols", wrong_protocols, TCP_DOORS, 3000, 100),
    ("random bytes", random_bytes, ("ingest", "pull", "publish", "control"), 3000, 100),
    ("reset in the middle", reset_in_the_middle, ("ingest", "pull", "publish", "control"), 2000, 50),
    ("announced huge", announced_huge, ("ingest", "pull", "publish", "control"), 400, 20),
    ("trickle", trickle, TCP_DOORS + ("control",), 15, 1),
    ("idle", idle, TCP_DOORS + ("control",), 2000, 200),
    ("flood", flood, ("ingest", "pull"), 10, 1),
    ("flood, answers unread", flood_unread, ("ingest",), 15, 2),
    ("subscribers that never read", never_read, ("publish",), 15, 2),
    ("calls and hang-ups", control_calls, ("control",), 5000, 200),
    ("answers unread", control_unread, ("control",), 200, 50),
    ("rogue agents", rogue_agents, ("link",), 300, 12),
    ("second instances", second_instances, ("all",), 25, 5),
)


class Judge:
    """Runs abuse and looks at what it did."""

    def __init__(self, target, calm_s=3.0, patience_s=40):
        self.target = target
        self.patience_s = patience_s
        time.sleep(1)
        target.check_alive()
        time.sleep(calm_s)
        self.descriptors = target.descriptors()
        self.threads = target.threads()
        self.rss = target.rss()
        self.rss_peak = self.rss
        now = time.monotonic()
        self.calm = target.latencies(now - calm_s, now)

    def torment(self, abuse, door, size):
        """One kind of abuse at one door; what was seen."""
        target = self.target
        before = target.status()
        target.rss_peak = 0
        began = time.monotonic()
        count = abuse(target, door, size)
        ended = time.monotonic()
        target.check_alive()
        reopened = time.monotonic() - ended
        during = target.latencies(began, ended)
        self.check_returned()
        after = target.status()
        self.rss_peak = max(self.rss_peak, target.rss_peak)
        return {"count": count, "seconds": ended - began, "during": during, "rss": target.rss_peak,
                "alive_after_s": reopened, "before": before, "after": after}

    def check_returned(self):
        """Descriptors and threads as at rest; memory within its bound."""
        target = self.target
        try:
            harness.wait_for(lambda: target.descriptors() <= self.descriptors + 2, self.patience_s,
                             "descriptors to come back")
        except AssertionError:
            raise Broken("%d descriptors are open, %d were at rest" % (target.descriptors(),
                                                                       self.descriptors))
        if target.threads() > self.threads:
            raise Broken("%d threads, %d at rest" % (target.threads(), self.threads))
        bound = self.rss + MEMORY_SLACK
        if target.rss_peak > bound:
            raise Broken("memory reached %d MiB, its bound is %d MiB" % (target.rss_peak >> 20,
                                                                         bound >> 20))


def grown(seen):
    """Counters of the daemon that say what happened: name -> how much it grew."""
    found = {}
    for door, after in seen["after"]["doors"].items():
        before = seen["before"]["doors"][door]
        for name in ("refused", "handshakes_failed", "oversize", "malformed", "slow",
                     "messages_dropped"):
            unheard = (door, name) == ("publish", "messages_dropped") and after["connections"] == 0
            if after[name] > before[name] and not unheard:
                found[door + "." + name] = after[name] - before[name]
    for name in ("messages_rejected", "events_rejected", "lanes_full", "host_reconnects"):
        count = seen["after"]["metrics"][name] - seen["before"]["metrics"][name]
        if count > 0:
            found[name] = count
    return found


def run(target, judge, only, size_of, tell):
    """All abuse; `tell` hears (what, seen) of each. Raises Broken, named by what it was."""
    for name, abuse, doors, long_size, short_size in ABUSE:
        for door in doors:
            what = "%s at %s" % (name, door)
            if only and only not in what:
                continue
            try:
                tell(what, judge.torment(abuse, door, size_of(long_size, short_size)))
            except (Broken, AssertionError, OSError) as error:
                raise Broken("%s: %s" % (what, error)) from error


def prove(p):
    """The long one."""
    p.build(targets=TARGETS)
    target = Target()
    seed = p.options.seed_start or random.randrange(1, 1 << 30)
    target.rng.seed(seed)
    p.figure("seed", str(seed))
    total = sum(len(entry[2]) for entry in ABUSE)
    seen_all = []

    def tell(what, seen):
        p.passed()
        seen_all.append(what)
        p.progress(len(seen_all), total, what)
        p.figure(what, seen["count"], "times in %.1f s; producer p50 %.1f p99 %.1f max %.0f ms; "
                 "new client after %.2f s; RSS %d MiB; %s" % (
                     seen["seconds"], percentile(seen["during"], 0.5),
                     percentile(seen["during"], 0.99), percentile(seen["during"], 1),
                     seen["alive_after_s"], seen["rss"] >> 20,
                     json.dumps(grown(seen)).strip("{}") or "nothing counted"))

    try:
        judge = Judge(target)
        p.figure("at rest", judge.rss >> 20, "MiB, %d descriptors, producer p50 %.1f p99 %.1f max "
                 "%.0f ms" % (judge.descriptors, percentile(judge.calm, 0.5),
                              percentile(judge.calm, 0.99), percentile(judge.calm, 1)))
        run(target, judge, p.options.only, lambda long, short: long, tell)
    except Broken as broken:
        target.brain.keep()
        p.failed("seed %d" % seed, "%s\nkept: %s" % (broken, target.brain.dir),
                 "tools/prove doors --seed-start %d" % seed)
    finally:
        target.end()
