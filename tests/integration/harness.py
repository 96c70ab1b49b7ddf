"""A daemon in a directory of its own, and clients of its doors, for the integration tests.

Plain Python: the protocols are spoken from scratch, as a foreign client would, so that the tests find
out when the daemon and its own tools agree on something that is not the documented format.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import mp

PATIENCE = float(os.environ.get("CEREBRO_PATIENCE") or 1)  # how much longer than usual to wait
SOURCE = os.environ.get("CEREBRO_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("CEREBRO_BUILD") or os.path.join(SOURCE, "build"))
PACKS = [os.path.join(SOURCE, "config/packs/core"), os.path.join(SOURCE, "config/packs/logistics")]
START_SECONDS = 30
EXIT_SKIPPED = 77


def program(path):
    """A built program; CEREBRO_BRAIND and the like replace one (a build that is made by hand)."""
    name = os.path.basename(path)
    return os.environ.get("CEREBRO_" + name.upper().replace("-", "_")) or os.path.join(BUILD, path)


BRAIND = program("tools/braind/braind")
REPLAY = program("tools/replay/brain-replay")
AGENT = program("tools/brain-agent/brain-agent")
BRAINCTL = program("tools/brainctl/brainctl")
VERIFY = program("tools/verify/brain-verify")
DUMP = program("tests/tools/journal_dump")
AUDIT = program("tests/audit/audit")


def skip(reason):
    """Ends the script as skipped, with the reason where a person reads it."""
    print("SKIP: " + reason)
    sys.exit(EXIT_SKIPPED)


def free_ports(count):
    """Ports nobody listens on now; all are held at once so that they differ."""
    held = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        held.append(s)
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def wait_for(condition, seconds, what):
    """Waits until `condition()` is true; fails loudly when it does not become so."""
    until = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited %s s in vain for %s" % (seconds, what))


_children = []


@atexit.register
def _end_children():
    for process in _children:
        if process.poll() is None:
            process.kill()
            process.wait()


def spawn(args, **kw):
    """A child process that does not outlive the script."""
    process = subprocess.Popen(args, **kw)
    _children.append(process)
    return process


class Brain:
    """One braind with its own directory, ports and configuration."""

    def __init__(self, config=None, sets=(), packs=None, playbooks=None):
        self.dir = tempfile.mkdtemp(prefix="cerebro-test-")
        self.kept = False
        atexit.register(self._remove)
        self.data = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "braind.log")
        self.config_path = os.path.join(self.dir, "brain.yaml")
        ports = free_ports(3)
        self.ingest, self.pull, self.publish = ("tcp://127.0.0.1:%d" % p for p in ports)
        self.port = ports[0]
        self.control = os.path.join(self.dir, "ctl", "ctl.sock")
        self.packs = packs or PACKS
        self.playbooks = playbooks or os.path.join(SOURCE, "playbooks")
        self.sets = list(sets)
        self.process = None
        self.agents = []  # processes of hosts outside
        self.log_at = 0
        with open(self.config_path, "w") as f:
            f.write(config or 'tenants:\n  - {id: 1, name: demo, utc_offset: "-05:00"}\n')

    def keep(self):
        """Leaves its directory behind, for somebody to look at."""
        self.kept = True

    def _remove(self):
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def settings(self):
        """Flags that every program reading this daemon's configuration takes."""
        sets = ["data.dir=" + self.data, "doors.ingest=" + self.ingest, "doors.pull=" + self.pull,
                "doors.publish=" + self.publish, "doors.control=" + self.control,
                "pack.core=" + self.packs[0], "pack.dir=" + self.packs[1],
                "playbooks.dir=" + self.playbooks, "data.segment_bytes=4MiB"] + self.sets
        args = ["--config", self.config_path]
        for item in sets:
            args += ["--set", item]
        return args

    def args(self):
        """The command line."""
        return [BRAIND] + self.settings()

    def log(self):
        """What it wrote to standard error since the last start."""
        with open(self.log_path, "rb") as f:
            f.seek(self.log_at)
            return f.read().decode(errors="replace")

    def launch(self):
        """Starts the process without waiting for its doors."""
        assert self.process is None or self.process.poll() is not None
        with open(self.log_path, "ab") as f:
            self.log_at = f.tell()
            self.process = spawn(self.args(), stdout=f, stderr=f, cwd=self.dir)

    def wait_ready(self):
        """Waits for the doors to open."""
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("braind ended with %d:\n%s" % (self.process.returncode,
                                                                    self.log()))
            return "ready " in self.log()
        try:
            wait_for(ready, START_SECONDS, "braind to open its doors")
        except AssertionError:
            print(self.log(), file=sys.stderr)
            raise

    def start(self):
        """Starts it and waits for its doors; returns itself."""
        self.launch()
        self.wait_ready()
        return self

    def start_with_agent(self, host):
        """Starts it with the process of a host outside; waits for its doors."""
        self.launch()
        self.start_agent(host)
        self.wait_ready()
        return self

    def start_agent(self, host):
        """Starts the process of a host outside; it dials until the daemon is there."""
        with open(self.log_path + "." + host, "ab") as f:
            self.agents.append(spawn([AGENT, "--host", host] + self.settings(), stdout=f, stderr=f))

    def end_agents(self):
        """Kills the processes of hosts outside."""
        for process in self.agents:
            process.kill()
            process.wait()
        self.agents = []

    def kill(self):
        """Kills it as a power cut would, for the process."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=10):
        """Asks it to stop; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("braind did not stop within %d s:\n%s" % (seconds, self.log()))

    def reload(self):
        """Asks it to read its playbooks again."""
        self.process.send_signal(signal.SIGHUP)

    def journal(self):
        """All records of its journal, oldest first; also while it runs."""
        done = subprocess.run([DUMP, os.path.join(self.data, "journal")] + self.packs,
                              capture_output=True, timeout=120 * PATIENCE)
        if done.returncode != 0:
            raise AssertionError("journal_dump: " + done.stderr.decode())
        return [json.loads(line) for line in done.stdout.splitlines()]

    def verify(self):
        """What brain-verify says about the stopped daemon's journal; its exit code is in `code`."""
        done = subprocess.run([VERIFY] + self.settings() + ["-o", "json"], capture_output=True,
                              text=True, timeout=170 * PATIENCE)
        if not done.stdout:
            raise AssertionError("brain-verify: %d %s" % (done.returncode, done.stderr))
        answer = json.loads(done.stdout)
        answer["code"] = done.returncode
        return answer

    def audit(self, *flags):
        """What the independent checker says about its journal; its exit code is in `code`."""
        command = [AUDIT, self.data] + self.settings()
        for pack in self.packs:
            command += ["--pack", pack]
        done = subprocess.run(command + list(flags) + ["-o", "json"], capture_output=True, text=True,
                              timeout=170 * PATIENCE)
        if not done.stdout:
            raise AssertionError("audit: %d %s" % (done.returncode, done.stderr))
        lines = done.stdout.splitlines()
        answer = json.loads(lines[-1])
        answer["records_listed"] = [json.loads(line) for line in lines[:-1]]
        answer["code"] = done.returncode
        return answer

    def copy_files(self):
        """Gives it its own copy of packs and playbooks to be changed; the directory."""
        root = os.path.join(self.dir, "tree")
        for part in ("config", "playbooks"):
            shutil.copytree(os.path.join(SOURCE, part), os.path.join(root, part))
        self.packs = [os.path.join(root, "config/packs/core"),
                      os.path.join(root, "config/packs/logistics")]
        self.playbooks = os.path.join(root, "playbooks")
        return root

    def undecided(self):
        """How many events and actions still wait."""
        waiting = self.command("status")[-1]["waiting"]
        return waiting["undecided"] + waiting["messages"] + waiting["actions"]

    def settle(self, seconds=60):
        """Waits until nothing waits any more."""
        wait_for(lambda: self.undecided() == 0, seconds, "everything to be decided and done")

    def client(self, timeout=10):
        """A connected client of the acknowledged door."""
        return Client(self.port, timeout)

    def command(self, cmd, **args):
        """One call of the control door; the frames of its answer, the last one being the outcome."""
        return control(self.control, cmd, args)

    def replay(self, *args, **kw):
        """Runs brain-replay to its end against this daemon; what it wrote."""
        return subprocess.run([REPLAY] + list(args) + ["--url", self.ingest, "--quiet"],
                              capture_output=True, text=True,
                              timeout=kw.pop("timeout", 120) * PATIENCE, **kw)


class Client:
    """A REQ socket of the Scalability Protocols over TCP, as RFC: sp-tcp-mapping-01 has it."""

    GREETING = b"\x00SP\x00\x00\x30\x00\x00"  # we are a REQ socket
    ANSWER = b"\x00SP\x00\x00\x31\x00\x00"  # the other side is a REP socket

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout * PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_id = 1
        self.socket.sendall(self.GREETING)
        try:
            answer = self._take(8)
        except OSError:
            self.socket.close()
            raise
        if answer != self.ANSWER:
            raise AssertionError("handshake: %r" % answer)

    def _take(self, count):
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("closed by the other side")
            parts += part
        return parts

    def send(self, body):
        """Sends a request; its id."""
        request = 0x80000000 | self.next_id
        self.next_id += 1
        message = struct.pack(">I", request) + body
        self.socket.sendall(struct.pack(">Q", len(message)) + message)
        return request

    def receive(self):
        """The next reply: (request id, body)."""
        length = struct.unpack(">Q", self._take(8))[0]
        message = self._take(length)
        return struct.unpack(">I", message[:4])[0], message[4:]

    def call(self, body):
        """One request and its reply, both bytes; like any REQ socket it drops replies to others."""
        request = self.send(body)
        while True:
            got, reply = self.receive()
            if got == request:
                return reply

    def ask(self, value):
        """Sends a value in msgpack; the answer as a value."""
        return mp.unpack(self.call(mp.pack(value)))

    def ask_json(self, value):
        """Sends a value in JSON; the answer as a value, which has to be JSON as well."""
        return json.loads(self.call(json.dumps(value).encode()))

    def close(self):
        """Hangs up."""
        self.socket.close()


def control(path, cmd, args):
    """One call of a control door: all frames of the answer."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20 * PATIENCE)
    try:
        s.connect(path)
        body = mp.pack({"cmd": cmd, "args": args})
        s.sendall(struct.pack(">I", len(body)) + body)
        frames = []
        while True:
            frame = mp.unpack(_frame(s))
            frames.append(frame)
            if "ok" in frame:
                return frames
    finally:
        s.close()


def _frame(s):
    head = _exactly(s, 4)
    return _exactly(s, struct.unpack(">I", head)[0])


def _exactly(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(count - len(data))
        if not part:
            raise ConnectionError("control door closed")
        data += part
    return data


def order(number, **attributes):
    """A valid order.created event."""
    event = {"id": "order-%s" % number, "source": "/test/shop", "type": "order.created",
             "subject": "order/%s" % number, "tenant": "demo",
             "data": {"customer_id": "c-%s" % number, "promised_at": "2030-01-01T00:00:00Z",
                      "value": 50000}}
    event.update(attributes)
    return {key: value for key, value in event.items() if value is not None}


def events_of(records):
    """Events in a journal, oldest first."""
    return [r for r in records if r["kind"] == "event"]


def decisions_of(records):
    """Decisions in a journal, oldest first."""
    return [r for r in records if r["kind"] == "decision"]


def check_books(test, records):
    """What holds of every journal: no event twice, one decision each, outcomes only after intents.

    Tenants stand there by number, as text.
    """
    seen, undecided, intents, ended = {}, {}, {}, {}
    for record in records:
        if record["kind"] == "event":
            event = record["event"]
            if not record["internal"]:
                key = (event["tenant"], event["source"], event["id"])
                if key in seen:
                    test.fail("%s stands in the journal twice, at %d and at %d"
                              % (key, seen[key], record["seq"]))
                seen[key] = record["seq"]
                test.assertTrue(record["undecided"], "an event from outside without a decision")
            if record["undecided"]:
                undecided[record["seq"]] = False
            if event["type"] == "action.executed":
                action = event["data"]["action_id"]
                if action not in intents or action in ended:
                    test.fail("%s: an outcome without an intent, or a second one, at %d"
                              % (action, record["seq"]))
                ended[action] = event["data"]["status"]
        elif record["kind"] == "decision":
            decision = record["decision"]
            if undecided.get(decision["event_seq"]) is not False:
                test.fail("the decision at %d is on nothing, or the second one" % record["seq"])
            undecided[decision["event_seq"]] = True
            for candidate in decision["candidates"]:
                action = candidate["action_id"]
                if action:
                    if action in intents:
                        test.fail("%s is intended twice" % action)
                    intents[action] = record["seq"]
    open_events = [seq for seq, decided in undecided.items() if not decided]
    test.assertEqual(open_events[:5], [], "events without a decision")
    return {"external": seen, "intents": intents, "ended": ended}


def check_audited(test, brain, *flags):
    """The independent checker finds nothing wrong with the journal; its figures."""
    answer = brain.audit(*flags)
    test.assertEqual(answer["found"][:5], [], "%d violations" % answer["violations"])
    test.assertEqual(answer["code"], 0)
    return answer


def check_verified(test, brain, saved=True):
    """The stopped daemon's journal holds what it must, and replayed it gives the same once more."""
    check_audited(test, brain, "--whole")
    answer = brain.verify()
    test.assertEqual((answer["different_decisions"], answer["different_contexts"]), (0, 0), answer)
    test.assertEqual(answer["undecided"], 0, answer)
    if saved:
        test.assertEqual(answer["saved_seq"], answer["last_seq"], answer)
        test.assertEqual(answer["saved_hash"], answer["state_hash"], answer)
    test.assertTrue(answer["equal"], answer)
    test.assertEqual(answer["code"], 0)
    return answer


def edit(path, old, new):
    """Replaces one place of a file, which has to be there."""
    with open(path) as f:
        text = f.read()
    if old not in text:
        raise AssertionError("%s has no %r any more" % (path, old))
    with open(path, "w") as f:
        f.write(text.replace(old, new, 1))


class Case(unittest.TestCase):
    """A test case whose failures show the whole difference."""

    maxDiff = None


def main():
    """Runs the test cases of the calling script."""
    unittest.main(verbosity=2)
