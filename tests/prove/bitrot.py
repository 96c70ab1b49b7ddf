"""One fault in one file of a real data directory, then a start and a full read: is it noticed?

The directories are made by a real braind with agents inside and outside: one stopped well, one killed
under load, one whose journal no longer has its beginning. A case damages one file of a copy, by a
flipped bit, a sector of zeros or of something else, a block of an earlier time (a lost write), a cut,
garbage behind the end, a swap or a deletion. tests/tools/bitrot_probe then opens it in a child process with the code of the real start,
folds what has to be folded, reads every record, and writes to a store that was accepted. What comes out is compared with the directory
before the damage: the hash of the state, of every host's agents fed to the end, and of all records.

  detected    refused with a message, or mended with one in the log, and equal again
  harmless    nothing was said, and all hashes are equal
  legal text  a configuration file that is another valid configuration now: nobody can know
  FAILED      the hashes differ and nothing was said; or a signal, an assertion, a hang

Every so often the real braind and brain-agent are started on it as well.
"""

import collections
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import time

import proof

sys.path.insert(0, os.path.join(proof.SOURCE, "tests", "integration"))

import harness  # noqa: E402

SUMMARY = "flipped bits, lost sectors, cut and missing files: noticed, named, rebuilt or refused"
OPTIONS = {"cycles": 1000, "seed_start": 0, "asan": False}
TARGETS = ("tools/braind/braind", "tools/brain-agent/brain-agent", "tools/replay/brain-replay",
           "tools/verify/brain-verify", "tests/tools/bitrot_probe")
SECTOR = 512
PAGE = 4096
SPARE_ZEROS = 65536
MARK_SEQ_AT = 512 + 24  # runtime/journal/mark.c
BRAIND_EVERY = 50  # cases for each with the real programs
BRAIND_SECONDS = 30
ORDERS = 500
SEGMENTS_MIN = 3
BASES = ("stopped", "killed", "recycled")

CONFIG = """
data: {segment_bytes: 1MiB, cut_every: 100ms%s}
clock: {source: events}
tenants:
  - {id: 1, name: demo, utc_offset: "-05:00"}
hosts:
  - {name: inside}
  - {name: outside, url: "%s", agents: [learning, anomaly]}
"""

# How often what is struck; names of kinds as they stand in the report.
KINDS = {"journal": 36, "state": 22, "agents": 22, "configuration": 6, "pack": 5, "playbook": 5,
         "lock": 4}
FAULTS = {"flip": 46, "zero": 14, "copy": 9, "stale": 10, "cut": 10, "garbage": 4, "swap": 4,
          "delete": 3}
TEXT = ("configuration", "pack", "playbook")


class Base:
    """A data directory with its configuration, and what it comes to when nothing is wrong."""

    def __init__(self, name, root):
        self.name = name
        self.root = root
        self.files = {}  # kind -> paths below the root
        self.stamps = {}  # path -> (mtime, size)
        self.contents = {}  # path -> what it holds
        self.blocks = {}  # path -> blocks that an earlier time had otherwise
        self.good = None
        self.durable_seq = 0  # what the last segment's mark says

    def config(self, root=None):
        """Its configuration file, in a copy."""
        return os.path.join(root or self.root, "config", "brain.yaml")

    def data(self, root=None):
        """Its data directory, in a copy."""
        return os.path.join(root or self.root, "data")

    def look(self):
        """Notes what files there are."""
        self.files = {kind: [] for kind in KINDS}
        for directory, _, names in os.walk(self.root):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(directory, name), self.root)
                info = os.stat(os.path.join(self.root, path))
                self.stamps[path] = (info.st_mtime_ns, info.st_size)
                kind = kind_of(path)
                if kind is not None:
                    self.files[kind].append(path)
        for kind, paths in self.files.items():
            paths.sort()
            if not paths:
                raise proof.Failure("%s has no file of kind %s" % (self.name, kind))
        with open(os.path.join(self.root, self.files["journal"][-1]), "rb") as segment:
            segment.seek(MARK_SEQ_AT)
            self.durable_seq = int.from_bytes(segment.read(8), "little")

    def content(self, path):
        """What a file holds, up to some zeros behind the last byte that is none."""
        if path not in self.contents:
            with open(os.path.join(self.root, path), "rb") as source:
                data = source.read()
            self.contents[path] = data[:used_end(data) + SPARE_ZEROS] if data else data
        return self.contents[path]

    def earlier(self, path):
        """Blocks of a file as they were in the middle of its life: (offset, bytes)."""
        if path not in self.blocks:
            now = self.content(path)
            before = b""
            if os.path.exists(os.path.join(self.root + "-earlier", path)):
                with open(os.path.join(self.root + "-earlier", path), "rb") as source:
                    before = source.read(len(now))
            self.blocks[path] = [(at, before[at:at + PAGE]) for at in range(0, len(before), PAGE)
                                 if before[at:at + PAGE] != now[at:at + PAGE]]
        return self.blocks[path]

    def copy(self, root):
        """A copy of all of it."""
        shutil.copytree(self.root, root, copy_function=copy_sparse)

    def mend(self, root):
        """Makes a copy what it was: what was changed is copied again, what came is removed."""
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.relpath(os.path.join(directory, name), root)
                if path not in self.stamps:
                    os.remove(os.path.join(root, path))
        for path, stamp in self.stamps.items():
            full = os.path.join(root, path)
            try:
                info = os.stat(full)
                now = (info.st_mtime_ns, info.st_size)
            except FileNotFoundError:
                now = None
            if now != stamp or kind_of(path) == "lock":
                os.makedirs(os.path.dirname(full), exist_ok=True)
                if os.path.exists(full):
                    os.remove(full)
                copy_sparse(os.path.join(self.root, path), full)


def copy_sparse(source, target):
    """Copies a file with its times; a store's file is mostly holes and stays so."""
    size = os.path.getsize(source)
    with open(source, "rb") as data, open(target, "wb") as out:
        at = 0
        while at < size:
            try:
                begin = os.lseek(data.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole to the end
                break
            at = os.lseek(data.fileno(), begin, os.SEEK_HOLE)
            while begin < at:
                begin += os.copy_file_range(data.fileno(), out.fileno(), at - begin, begin, begin)
        out.truncate(size)
    shutil.copystat(source, target)


def kind_of(path):
    """What a file is, by its place."""
    name = os.path.basename(path)
    if path.endswith(".seg"):
        return "journal"
    if name in ("LOCK", "owner.lock", "lock.mdb", "spare.tmp"):
        return "lock"
    if name == "data.mdb":
        return "agents" if "/agents/" in path else "state"
    if path.startswith("playbooks/") and name.endswith(".yaml"):
        return "playbook"
    if path.startswith("config/packs/") and name.endswith(".yaml"):
        return "pack"
    if path in ("config/brain.yaml", "config/agents.yaml"):
        return "configuration"
    return None


# --- the directories -----------------------------------------------------------------------------

class Maker:
    """A running brain with a host outside, in a directory of its own."""

    def __init__(self, root, extra=""):
        port = harness.free_ports(1)[0]
        os.makedirs(root)
        shutil.copytree(os.path.join(proof.SOURCE, "config"), os.path.join(root, "config"))
        shutil.copytree(os.path.join(proof.SOURCE, "playbooks"), os.path.join(root, "playbooks"))
        self.brain = harness.Brain()
        self.brain.sets = ["data.segment_bytes=1MiB"]
        self.brain.data = os.path.join(root, "data")
        self.brain.config_path = os.path.join(root, "config", "brain.yaml")
        self.brain.packs = [os.path.join(root, "config/packs", name) for name in ("core", "logistics")]
        self.brain.playbooks = os.path.join(root, "playbooks")
        with open(self.brain.config_path, "w", encoding="utf-8") as out:
            out.write(CONFIG % (extra, "tcp://127.0.0.1:%d" % port))
        self.agent = None

    def start(self):
        """Both of them, ready."""
        self.brain.launch()
        log = open(os.path.join(self.brain.dir, "agent.log"), "ab")
        self.agent = harness.spawn(
            [harness.AGENT, "--host", "outside"] + self.brain.settings(), stdout=log, stderr=log)
        log.close()
        self.brain.wait_ready()

    def send(self, *args):
        """A stretch of generated days."""
        done = self.brain.replay("day", *args)
        if done.returncode != 0:
            raise proof.Failure("brain-replay: %s" % done.stderr)

    def stop(self, kill=False):
        """Ends both."""
        if kill:
            self.brain.kill()
            self.agent.kill()
        else:
            self.brain.settle()
            time.sleep(0.5)  # for the agents' last cut
            if self.brain.stop() != 0:
                raise proof.Failure("braind: " + self.brain.log())
            self.agent.terminate()
        self.agent.wait()


def make_base(name, root, orders=ORDERS):
    """Lets a brain live for a while and leaves its directory."""
    maker = Maker(root, ", journal_max_bytes: 4MiB" if name == "recycled" else "")
    maker.start()
    maker.send("--orders", str(orders), "--limit", str(orders * 2))
    maker.brain.settle()
    time.sleep(0.5)
    shutil.copytree(os.path.join(root, "data"), os.path.join(root + "-earlier", "data"),
                    copy_function=copy_sparse)
    if name == "killed":
        slow = subprocess.Popen([harness.REPLAY, "day", "--orders", str(orders), "--url",
                                 maker.brain.ingest, "--quiet"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        journal = os.path.join(root, "data", "journal")
        harness.wait_for(lambda: len(os.listdir(journal)) > SEGMENTS_MIN + 1, 60,
                         "some segments")  # and a spare
        maker.stop(kill=True)
        slow.kill()
        slow.wait()
    else:
        maker.send("--orders", str(orders))
        maker.stop()
    base = Base(name, root)
    base.look()
    return base


# --- the probe -----------------------------------------------------------------------------------

class Prober:
    """A bitrot_probe that is asked again and again."""

    def __init__(self, program, scratch):
        self.errors = os.path.join(scratch, "probe-%d.err" % id(self))
        self.out = open(self.errors, "wb")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.out, text=True, cwd=scratch)

    def ask(self, config, data, store="-"):
        """What comes out of a start there; `store` is written to afterwards."""
        at = os.path.getsize(self.errors)
        self.process.stdin.write("%s %s %s\n" % (config, data, store))
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise proof.Failure("bitrot_probe ended")
        answer = json.loads(line)
        if "died" in answer:
            with open(self.errors, "rb") as text:
                text.seek(at)
                answer["stderr"] = proof.tail(text.read().decode(errors="replace"), 30)
        return answer

    def end(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.out.close()


def meaning(answer):
    """What must not change without a word."""
    return {key: answer[key] for key in ("state", "hosts", "journal", "records", "last_seq",
                                         "undecided")}


# --- faults --------------------------------------------------------------------------------------

class Fault:
    """What is done to one file; `text` says it."""

    def __init__(self, kind, path, how, text, act):
        self.kind = kind
        self.path = path
        self.how = how
        self.text = "%s: %s" % (path, text)
        self.act = act


def used_end(data):
    """Where a file's content ends, but for zeros."""
    return max(1, len(data.rstrip(b"\0")))


def draw_offset(rng, data, kind):
    """A place in the file: anywhere, or where something stands."""
    if rng.random() < 0.2:
        return rng.randrange(len(data))
    if kind in ("state", "agents"):
        used = [at for at in range(0, len(data), PAGE) if data[at:at + 16].strip(b"\0")]
        page = rng.choice(used)
        return min(len(data) - 1, page + rng.randrange(64 if rng.random() < 0.4 else PAGE))
    if kind == "journal" and rng.random() < 0.15:
        return rng.randrange(2048)  # header and notes
    if kind == "journal" and rng.random() < 0.2:
        return max(0, used_end(data) - 1 - rng.randrange(400))  # the last group
    return rng.randrange(used_end(data))


def weighted(rng, table):
    """A key, as often as its value says."""
    return rng.choices(list(table), list(table.values()))[0]


def draw(rng, base):
    """A random fault."""
    kind = weighted(rng, KINDS)
    path = rng.choice(base.files[kind])
    how = weighted(rng, FAULTS)
    data = base.content(path)
    others = [other for other in base.files[kind] if other != path]
    if kind == "state":
        others = base.files["agents"]
    if (how == "swap" and not others) or (how == "stale" and not base.earlier(path)):
        how = "flip"
    if how in ("flip", "zero", "copy", "cut") and not data:
        how = "garbage"
    return make_fault(rng, base, kind, path, how, data, others)


def make_fault(rng, base, kind, path, how, data, others):
    """One of a certain kind."""
    def change(at, new):
        def act(root):
            with open(os.path.join(root, path), "r+b") as out:
                out.seek(at)
                out.write(new)
        return act

    def cut(root):
        os.truncate(os.path.join(root, path), at)

    def garbage(root):
        with open(os.path.join(root, path), "ab") as out:
            out.write(rest)

    def swap(root):
        one, two = os.path.join(root, path), os.path.join(root, other)
        os.rename(one, one + ".swap")
        os.rename(two, one)
        os.rename(one + ".swap", two)

    if how == "flip":
        at, bit = draw_offset(rng, data, kind), rng.randrange(8)
        return Fault(kind, path, how, "bit %d of byte %d flipped" % (bit, at),
                     change(at, bytes([data[at] ^ 1 << bit])))
    if how == "zero":
        at = draw_offset(rng, data, kind) // SECTOR * SECTOR
        return Fault(kind, path, how, "sector at %d zeroed" % at,
                     change(at, bytes(min(SECTOR, base.stamps[path][1] - at))))
    if how == "copy":
        at = draw_offset(rng, data, kind) // SECTOR * SECTOR
        source = draw_offset(rng, data, kind) // SECTOR * SECTOR
        new = data[source:source + min(SECTOR, len(data) - at)]
        return Fault(kind, path, how, "sector at %d replaced by that at %d" % (at, source),
                     change(at, new))
    if how == "stale":
        at, new = rng.choice(base.earlier(path))
        return Fault(kind, path, how, "block at %d as it was before" % at, change(at, new))
    if how == "cut":
        at = 0 if rng.random() < 0.1 else draw_offset(rng, data, kind)
        return Fault(kind, path, how, "cut to %d of %d bytes" % (at, base.stamps[path][1]), cut)
    if how == "garbage":
        rest = rng.randbytes(rng.randrange(1, 3 * PAGE))
        return Fault(kind, path, how, "%d bytes of garbage behind it" % len(rest), garbage)
    if how == "swap":
        other = rng.choice(others)
        return Fault(kind, path, how, "swapped with %s" % other, swap)
    return Fault(kind, path, "delete", "deleted", lambda root: os.remove(os.path.join(root, path)))


# --- judging -------------------------------------------------------------------------------------

def names_place(base, fault, text):
    """Whether a message says where the damage is: the file, its directory, or what is in it."""
    if fault.kind in TEXT:
        return os.path.basename(fault.path) in text or ".yaml" in text or "playbooks" in text
    if fault.kind == "journal":
        return ".seg" in text or "journal" in text
    return os.path.dirname(fault.path).split("/")[-1] in text


def judge(base, fault, answer):
    """(class, what is wrong with it or None)."""
    if "died" in answer:
        return "FAILED", "died of %s\n%s" % (answer["died"], answer.get("stderr", ""))
    said = answer["detail"] + "\n" + answer["said"]
    if answer["where"] == "write":
        return "FAILED", "accepted, but does not bear writing: " + said
    if answer["where"]:
        if not answer["detail"] and not answer["said"]:
            return "FAILED", "refused without a word"
        if not names_place(base, fault, said):
            return "FAILED", "refused without a place: " + said
        return "detected: refused", None
    same = meaning(answer) == meaning(base.good)
    if fault.kind in TEXT:
        return "legal text", None
    spoke = answer["said"] != base.good["said"]
    if not same and not spoke:
        return "FAILED", "silently accepted: %s became %s" % (meaning(base.good), meaning(answer))
    if not spoke:
        return "harmless", None
    if not names_place(base, fault, said):
        return "FAILED", "told without a place: " + said
    # What is gone with the file, and nobody can bring back, need only be told.
    gone = fault.how == "delete" and ("beginning" in said or "begins-anew" in said)
    # A group behind the mark was never acknowledged: a kill came first.
    torn = "journal-tail-cut" in said and answer["last_seq"] >= base.durable_seq and \
        answer["state"] != base.good["state"]
    if not same and not gone and not torn:
        return "FAILED", "told, but not mended: %s became %s\n%s" % (
            meaning(base.good), meaning(answer), said)
    return ("detected: mended" if same else "detected: told"), None


def run_braind(base, fault, root, scratch):
    """The real programs on a damaged directory; what is wrong, or None."""
    brain = harness.Brain()
    brain.data = base.data(root)
    brain.config_path = base.config(root)
    brain.packs = [os.path.join(root, "config/packs", name) for name in ("core", "logistics")]
    brain.playbooks = os.path.join(root, "playbooks")
    brain.sets = ["data.segment_bytes=1MiB"]
    brain.launch()
    log = os.path.join(scratch, "agent-%s.log" % os.path.basename(root))
    with open(log, "wb") as out:
        agent = harness.spawn([harness.AGENT, "--host", "outside"] + brain.settings(), stdout=out,
                              stderr=out)
    try:
        until = time.monotonic() + BRAIND_SECONDS
        while (brain.process.poll() is None and " event=ready " not in brain.log() + " " and
               time.monotonic() < until):
            time.sleep(0.02)
        code = brain.process.poll()
        if code is not None:
            if code not in (74, 78, 75):
                return "braind ended with %d: %s" % (code, proof.tail(brain.log()))
            if not names_place(base, fault, brain.log()):
                return "braind does not say where: " + proof.tail(brain.log())
        elif " event=ready " not in brain.log():
            return "braind hangs: " + proof.tail(brain.log())
        else:
            brain.settle()
            if brain.stop() != 0:
                return "braind did not stop well: " + proof.tail(brain.log())
            if base.name != "recycled" and fault.kind not in TEXT:
                done = subprocess.run([harness.VERIFY] + brain.settings(), capture_output=True,
                                      text=True, timeout=120)
                if done.returncode != 0 and not names_place(base, fault, done.stderr + done.stdout):
                    return "brain-verify: %d %s %s" % (done.returncode, done.stdout, done.stderr)
        agent.terminate()
        code = agent.wait(BRAIND_SECONDS)
        with open(log, encoding="utf-8", errors="replace") as text:
            if code < 0 and code != -15:
                return "brain-agent died of %d: %s" % (-code, proof.tail(text.read()))
    finally:
        for process in (brain.process, agent):
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(brain.dir, ignore_errors=True)
    return None


# --- the campaign --------------------------------------------------------------------------------

class Campaign:
    """All cases over all bases."""

    def __init__(self, scratch, jobs, program, bases=BASES, orders=ORDERS):
        self.scratch = scratch
        self.counts = collections.Counter()  # (kind, class)
        self.hows = collections.Counter()  # (how, class)
        self.sizes = {}
        self.times = []
        self.bases = [make_base(name, os.path.join(scratch, name), orders) for name in bases]
        self.places = queue.Queue()
        self.probers = []
        for number in range(jobs):
            roots = {}
            for base in self.bases:
                roots[base.name] = os.path.join(scratch, "work-%d-%s" % (number, base.name))
                base.copy(roots[base.name])
            prober = Prober(program, scratch)
            self.probers.append(prober)
            self.places.put((prober, roots))
        for base in self.bases:
            self.take_measure(base)

    def take_measure(self, base):
        """What the undamaged directory comes to, twice."""
        prober, roots = self.places.get()
        root = roots[base.name]
        answers = []
        for _ in range(2):
            base.mend(root)
            answers.append(prober.ask(base.config(root), base.data(root)))
        base.mend(root)
        self.places.put((prober, roots))
        base.good = answers[0]
        if answers[0] != answers[1] or answers[0].get("where") != "" or answers[0]["rebuilt"]:
            raise proof.Failure("%s, not damaged: %s" % (base.name, answers))
        if answers[0]["last_seq"] < 1000 or answers[0]["damaged_segments"] or \
                len(base.files["journal"]) < SEGMENTS_MIN:
            raise proof.Failure("%s: %s" % (base.name, answers[0]))

    def case(self, seed, number, with_braind):
        """One; (fault, class, what is wrong or None, the damaged copy when it failed)."""
        rng = random.Random("%d/%d" % (seed, number))
        base = self.bases[number % len(self.bases)]
        fault = draw(rng, base)
        prober, roots = self.places.get()
        root = roots[base.name]
        began = time.monotonic()
        try:
            fault.act(root)
            kept = None
            store = "-" if fault.kind not in ("state", "agents") else \
                os.path.dirname(os.path.join(root, fault.path))
            answer = prober.ask(base.config(root), base.data(root), store)
            what, wrong = judge(base, fault, answer)
            self.times.append(time.monotonic() - began)
            if wrong is None and with_braind:
                base.mend(root)
                fault.act(root)
                wrong = run_braind(base, fault, root, self.scratch)
                what = "FAILED" if wrong else what
            if wrong is not None:
                kept = os.path.join("/tmp", "cerebro-bitrot-%d-%d" % (seed, number))
                shutil.rmtree(kept, ignore_errors=True)
                base.copy(kept)
                fault.act(kept)
            base.mend(root)
        finally:
            self.places.put((prober, roots))
        self.counts[fault.kind, what] += 1
        self.hows[fault.how, what] += 1
        return base, fault, what, wrong, kept

    def end(self):
        """Ends the probes."""
        for prober in self.probers:
            prober.end()


CLASSES = ("detected: refused", "detected: mended", "detected: told", "harmless", "legal text",
           "FAILED")


def tell(p, campaign):
    """The figures of the report."""
    for base in campaign.bases:
        size = sum(os.path.getsize(os.path.join(base.root, path))
                   for path in base.files["journal"])
        p.figure("journal of '%s'" % base.name, size / 2**20, "MiB in %d segments, %d records"
                 % (len(base.files["journal"]), base.good["records"]))
    for title, table, keys in (("", campaign.counts, KINDS), ("by ", campaign.hows, FAULTS)):
        for key in keys:
            for name in CLASSES:
                if table[key, name]:
                    p.figure("%s%s: %s" % (title, key, name), table[key, name])
    if campaign.times:
        times = sorted(campaign.times)
        p.figure("one case, median", 1000 * times[len(times) // 2], "ms")


def again(kept, base, program):
    """The command that shows it again, as often as one likes."""
    return ("rm -rf /tmp/again; cp -r %s /tmp/again; echo '%s %s -' | %s"
            % (kept, base.config("/tmp/again"), base.data("/tmp/again"), program))


def build(p):
    """The programs; the probe's path."""
    p.build(targets=TARGETS)
    if not p.options.asan:
        return harness.program("tests/tools/bitrot_probe")
    path = p.build("build-asan", "clang",
                   ("-Db_sanitize=address,undefined", "-Db_lundef=false"),
                   ("tests/tools/bitrot_probe",))
    return os.path.join(path, "tests/tools/bitrot_probe")


def prove(p):
    """The long one."""
    program = build(p)
    seed = p.options.seed_start or random.randrange(1, 1 << 30)
    p.figure("seed", str(seed))
    campaign = Campaign(p.scratch(), p.options.jobs, program)
    total = p.options.cycles

    def work(number):
        return campaign.case(seed, number, number % BRAIND_EVERY == BRAIND_EVERY - 1)

    done = 0
    for number, (base, fault, _, wrong, kept) in p.each(work, range(total)):
        done += 1
        if wrong is None:
            p.passed()
        else:
            p.failed("seed %d, case %d, '%s': %s" % (seed, number, base.name, fault.text), wrong,
                     again(kept, base, program))
        p.progress(done, total, "seed %d" % seed)
    campaign.end()
    tell(p, campaign)
