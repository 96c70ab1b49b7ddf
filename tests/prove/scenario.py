"""One short life of a real braind under a fault, and what is left of it: shared by the proofs io and oom.

A life: start, four batches of events, a changed playbook reloaded in between, states saved, SIGTERM. Then the
data directory is opened again without faults by a process that stands by (tests/faults/powercut.c, serve),
which decides what is left, stops, and holds the journal against what the producer was promised.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import mp  # noqa: E402
import proof  # noqa: E402

GIVEN_BUILD = os.environ.get("CEREBRO_BUILD")  # a build that is ready, as in the integration suite
TARGETS = ["tools/braind/braind", "tools/replay/brain-replay", "tests/faults/powercut",
           "tests/faults/libfail.so"]
KINDS = ("open", "read", "write", "sync", "size", "map", "rename", "unlink", "mkdir", "close", "memory")
BATCHES = 4
START_SECONDS = 15
STOP_SECONDS = 15
ANSWER_SECONDS = 3
NAMED_EXITS = {74: "disk", 75: "not now", 78: "configuration"}
REQ_GREETING = b"\x00SP\x00\x00\x30\x00\x00"
SUB_GREETING = b"\x00SP\x00\x00\x21\x00\x00"
DECISION = 2  # kind of a record
SETTINGS = ["data.segment_bytes=1MiB", "data.cut_every=10ms", "log.level=info"]


class Fault:
    """Which call fails, and how: kind, n-th, EIO and the like, from there on or once."""

    def __init__(self, kind, nth, how="EIO", forever=False):
        self.kind, self.nth, self.how, self.forever = kind, nth, how, forever

    def __str__(self):
        return "%s:%d:%s%s" % (self.kind, self.nth, self.how, ":forever" if self.forever else "")

    @staticmethod
    def parse(text):
        """The fault that str() wrote."""
        parts = text.split(":")
        return Fault(parts[0], int(parts[1]), parts[2], len(parts) > 3)

    def environment(self):
        """For tests/faults/fail.c."""
        return {"CEREBRO_FAIL_KIND": self.kind, "CEREBRO_FAIL_NTH": str(self.nth),
                "CEREBRO_FAIL_HOW": self.how, "CEREBRO_FAIL_FOREVER": "1" if self.forever else "0"}


class Outcome:
    """What a life came to."""

    def __init__(self):
        self.wrong = []  # what must not be
        self.ending = ""  # in a word or two
        self.hit = False
        self.file = ""  # that the first failed call was about
        self.counts = {}
        self.acknowledged = 0
        self.log = ""


class Server:
    """A process that checks data directories; one for each thread."""

    def __init__(self, build, flags):
        self.process = subprocess.Popen([os.path.join(build, "tests/faults/powercut"), "serve"] + flags,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def check(self, data, known):
        """Whether the directory holds what the list promises: None, or what is wrong."""
        self.process.stdin.write("%s\t%s\n" % (data, known))
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return None if answer.startswith("held ") else answer or "the checking process is gone"

    def close(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()


def free_ports(count):
    """Ports nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def take(s, count):
    """So many bytes of a socket."""
    parts = b""
    while len(parts) < count:
        part = s.recv(count - len(parts))
        if not part:
            raise ConnectionError("closed by the other side")
        parts += part
    return parts


class Scenario:
    """Makes lives: prepared once, run from several threads."""

    def __init__(self, p, build, batch=25):
        self.build = build
        self.batch = batch
        self.root = p.scratch(in_memory=True)
        self.playbooks = [os.path.join(self.root, name) for name in ("playbooks-1", "playbooks-2")]
        for number, path in enumerate(self.playbooks):
            shutil.copytree(os.path.join(proof.SOURCE, "playbooks"), path)
            if number == 1:
                self.change(path)
        self.batches = self.read_events()
        self.local = threading.local()
        self.servers = []

    @staticmethod
    def change(path):
        """Another set of playbooks, as good as the first."""
        book = os.path.join(path, "logistics/carrier-outage.yaml")
        with open(book, encoding="utf-8") as file:
            text = file.read()
        with open(book, "w", encoding="utf-8") as file:
            file.write(text.replace("hours: 6", "hours: 8"))

    def read_events(self):
        """What the producer sends: the day of the outage, so that there is something to decide."""
        done = subprocess.run([os.path.join(self.build, "tools/replay/brain-replay"), "day", "--orders",
                               str(200 + 2 * self.batch), "--seed", "3", "--dup-share", "0", "--jsonl"], check=True,
                              capture_output=True)
        import json
        events = [json.loads(line) for line in done.stdout.splitlines()]
        outages = [e for e in events if e["type"] == "carrier.status"]
        first = outages[:3] + [e for e in events if e["type"] != "carrier.status"]
        return [first[at:at + self.batch] for at in range(0, BATCHES * self.batch, self.batch)]

    def flags(self, data, sets=()):
        """The configuration, as braind and powercut take it."""
        flags = ["--config", os.path.join(proof.SOURCE, "config/brain.yaml")]
        for item in ["data.dir=" + data] + SETTINGS + list(sets):
            flags += ["--set", item]
        return flags

    def server(self):
        """This thread's checking process."""
        if not hasattr(self.local, "server"):
            self.local.server = Server(self.build, self.flags("/nonexistent"))
            self.servers.append(self.local.server)
        return self.local.server

    def close(self):
        """Ends what stands by."""
        for server in self.servers:
            server.close()

    def run(self, fault):
        """A whole life under a fault (None: none, its calls are counted), and the check afterwards."""
        work = tempfile.mkdtemp(prefix="life-", dir=self.root)
        life = Life(self, work, fault)
        try:
            life.live()
            if not life.outcome.wrong or "hangs" not in life.outcome.wrong[0]:
                wrong = self.server().check(life.data, life.list)
                if wrong and self.is_short_header(life.outcome, fault, wrong):
                    life.outcome.ending = "exception: a short read in LMDB"
                elif wrong:
                    life.outcome.wrong.append("afterwards: " + wrong)
            return life.outcome
        finally:
            life.end()
            shutil.rmtree(work, ignore_errors=True)


    @staticmethod
    def is_short_header(outcome, fault, wrong):
        """Exception 3 of tests/faults/README.md: LMDB takes half a header for a file cut off."""
        return fault and (fault.kind, fault.how) == ("read", "short") and \
            outcome.file.endswith("/data.mdb") and "taken for damaged" in wrong


class Life:
    """One life."""

    def __init__(self, scenario, work, fault):
        self.scenario, self.fault = scenario, fault
        self.data = os.path.join(work, "data")
        self.list = os.path.join(work, "list")
        self.playbooks = os.path.join(work, "playbooks")
        self.counts_path = os.path.join(work, "counts")
        self.log_path = os.path.join(work, "log")
        self.ports = free_ports(3)
        self.outcome = Outcome()
        self.promised = []
        self.process = None
        self.sub = None
        os.mkdir(self.data)
        os.symlink(scenario.playbooks[0], self.playbooks)

    def launch(self):
        """Starts braind with the failing library in front."""
        sets = ["doors.ingest=tcp://127.0.0.1:%d" % self.ports[0],
                "doors.pull=tcp://127.0.0.1:%d" % self.ports[1],
                "doors.publish=tcp://127.0.0.1:%d" % self.ports[2],
                "doors.control=" + os.path.join(os.path.dirname(self.data), "ctl"),
                "playbooks.dir=" + self.playbooks]
        env = {**os.environ, "LD_PRELOAD": os.path.join(self.scenario.build, "tests/faults/libfail.so"),
               "CEREBRO_FAIL_DIR": self.data, "CEREBRO_FAIL_COUNTS": self.counts_path,
               "CEREBRO_FAIL_TRACE": "1"}
        if self.fault:
            env.update(self.fault.environment())
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.scenario.build, "tools/braind/braind")] +
                self.scenario.flags(self.data, sets), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def read_log(self):
        """What it said so far."""
        with open(self.log_path, "rb") as file:
            return file.read().decode(errors="replace")

    def gone(self):
        """Whether the process ended."""
        return self.process.poll() is not None

    def wait_ready(self):
        """Waits for the doors; false when it ends, or hangs, before."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.gone():
                return False
            if "event=ready " in self.read_log():
                return True
            time.sleep(0.002)
        self.outcome.wrong.append("hangs at start")
        return False

    def connect(self, port, greeting):
        """A socket that speaks SP."""
        s = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(greeting)
        take(s, 8)
        return s

    def watch(self, s):
        """Notes published decisions until the daemon is gone."""
        try:
            while True:
                body = take(s, struct.unpack(">Q", take(s, 8))[0])
                topic, body = body.split(b"\0", 1)
                if topic.startswith(b"decisions."):
                    self.promised += ["P %d" % item[1] for item in mp.unpack(body)[4] if item[3] == DECISION]
        except OSError:
            pass

    def send(self, s, number, batch):
        """One batch; notes what is promised. False when there is no answer.

        When a sync of the journal failed nobody knows what is on the disk, and a later one says nothing
        about it: after that nothing may be acknowledged any more.
        """
        self.read_counts()
        lost = self.outcome.hit and self.outcome.file.endswith(".seg") and self.fault and \
            (self.fault.kind == "sync" or (self.fault.kind == "write" and self.fault.how == "EIO"))
        body = struct.pack(">I", 0x80000001 + number) + mp.pack(batch)
        try:
            s.sendall(struct.pack(">Q", len(body)) + body)
            answer = mp.unpack(take(s, struct.unpack(">Q", take(s, 8))[0])[4:])
        except OSError:
            return False
        if lost and any(result[0] == "ok" for result in answer["results"]):
            self.outcome.wrong.append("acknowledges after a failed sync or write of the journal")
        for event, result in zip(batch, answer["results"]):
            if result[0] != "error":
                self.promised.append("A %d 1 %s %s" % (result[1], event["source"], event["id"]))
                self.outcome.acknowledged += 1
        return True

    def feed(self):
        """All batches, with a reload in the middle; goes on for as long as it is answered."""
        try:
            self.sub = self.connect(self.ports[2], SUB_GREETING)
            self.sub.settimeout(None)
            threading.Thread(target=self.watch, args=(self.sub,), daemon=True).start()
            s = self.connect(self.ports[0], REQ_GREETING)
        except OSError:
            return
        with s:
            for number, batch in enumerate(self.scenario.batches):
                if not self.send(s, number, batch):
                    return
                if number == 1:
                    os.unlink(self.playbooks)
                    os.symlink(self.scenario.playbooks[1], self.playbooks)
                    if not self.gone():
                        self.process.send_signal(signal.SIGHUP)
                time.sleep(0.015)  # a state is saved meanwhile

    def stop(self):
        """SIGTERM, and an end within bounds."""
        if not self.gone():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.outcome.wrong.append("hangs at its end")
            self.end()

    def end(self):
        """Makes sure that the process is gone; it is ours and was not waited for yet."""
        if self.process is not None and not self.gone():
            self.process.kill()
            self.process.wait()
        if self.sub is not None:
            self.sub.close()

    def live(self):
        """Everything from start to stop, and what can be said of it."""
        self.launch()
        if self.wait_ready():
            self.feed()
        if not self.outcome.wrong:
            self.stop()
        else:
            self.end()
        self.outcome.log = self.read_log()
        with open(self.list, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in list(self.promised)))
        self.read_counts()
        self.judge()

    def read_counts(self):
        """How often each kind was called, and how often it failed."""
        with open(self.counts_path, "rb") as file:
            numbers = struct.unpack("<%dQ" % (len(KINDS) + 1), file.read(8 * (len(KINDS) + 1)))
            self.outcome.file = file.read().split(b"\0", 1)[0].decode()
        self.outcome.counts = dict(zip(KINDS, numbers))
        self.outcome.hit = numbers[-1] > 0

    def judge(self):
        """How it ended, and whether it may end so."""
        code, log = self.process.returncode, self.outcome.log
        if self.outcome.wrong and "hangs" in self.outcome.wrong[0]:
            self.outcome.ending = "hang"
            if self.dies_in_library(log) == "libnng" and "event=ready " not in log:
                self.outcome.ending = "exception: libnng hung in its own start"
                self.outcome.wrong = []
        elif code == 0:
            worried = "level=error" in log or "level=warn" in log
            self.outcome.ending = "went on, said so" if worried else "went on"
        elif code == -signal.SIGABRT and "out of memory: " in log and self.fault and \
                self.fault.kind == "memory":
            self.outcome.ending = "out of memory"
        elif code in NAMED_EXITS and self.names_error(log):
            self.outcome.ending = "exit %d" % code
        elif code in (-signal.SIGSEGV, -signal.SIGABRT) and self.dies_in_library(log):
            self.outcome.ending = "exception: %s died of it" % self.dies_in_library(log)
        else:
            self.outcome.ending = "exit %d" % code if code > 0 else "signal %d" % -code
            self.outcome.wrong.append("ends with %d: %s" % (code, proof.tail(log, 4)))

    def dies_in_library(self, log):
        """Exceptions 1 and 2 of tests/faults/README.md: nng and libuv that had no memory themselves."""
        if not self.fault or self.fault.kind != "memory" or "assertion failed" in log:
            return None
        for line in log.splitlines():
            if "[0x" not in line or any(own in line for own in ("libfail.so", "/libc.so", "/ld-linux")):
                continue
            for library in ("libnng.so", "libuv.so"):
                if library in line:
                    return library[:-3]
            return None  # the first that asked was somebody else
        return None

    @staticmethod
    def names_error(log):
        """Whether it said why it ended."""
        return any(word in log for word in ("braind: ", "event=brain-failed", "event=agents-not-started", "event=host-"))
