"""Power cuts: every write of a real daemon recorded, disks made of it as a cut may leave them, each opened.

A recording is a chain of lives of one data directory. In each life braind and a producer run with the
recorder in front of the C library, on one tape; the daemon is killed, and the next life begins with one of
the disks that a power cut at that moment may leave, so that recovery itself is recorded and cut as well.
What is legal, and what must hold: tests/faults/README.md.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import proof  # noqa: E402

SUMMARY = "power cuts: disks made of a daemon's recorded writes, opened and audited"
OPTIONS = {"seeds": 2000, "seed_start": 1, "only": ""}
TARGETS = ["tools/braind/braind", "tools/replay/brain-replay", "tests/faults/powercut",
           "tests/faults/librecord.so"]
PART = 100  # images of one process
RECORDING_EVERY = 2000  # images of one set of recordings
EVENTS = 6000
GIVEN_BUILD = os.environ.get("CEREBRO_BUILD")  # a build that is ready, as in the integration suite

# What is recorded: settings of the daemon, events and batches of each life.
# The first begins with nothing, so that making the files is cut as well; "long" fills several segments of
# the journal, "recycled" has so small a journal that its beginning is overwritten.
RECORDINGS = {
    "short": {"sets": ["data.cut_every=20ms"], "lives": [(12, 1), (60, 5), (40, 4), (60, 20)]},
    "long": {"sets": ["data.cut_every=100ms"], "lives": [(1500, 50), (700, 100), (400, 10)]},
    "recycled": {"sets": ["data.cut_every=30ms", "data.journal_max_bytes=4MiB"],
                 "lives": [(5000, 250), (900, 50)]},
}


class Life:
    """What one life of a recording left: its tape, the disk it began with, the promises before it."""

    def __init__(self, directory):
        self.tape = os.path.join(directory, "tape")
        self.base = os.path.join(directory, "base")
        self.before = os.path.join(directory, "before")
        self.list = os.path.join(directory, "list")
        os.mkdir(directory)
        os.mkdir(self.base)

    def options(self):
        """For powercut."""
        return ["--tape", self.tape, "--base", self.base, "--list", self.before]


class Recording:
    """A chain of lives."""

    def __init__(self, p, build, root, name, seed, events):
        import harness
        self.harness = harness
        self.p = p
        self.build = build
        self.name = name
        self.seed = seed
        self.root = os.path.join(root, "%s-%d" % (name, seed))
        os.mkdir(self.root)
        self.plan = RECORDINGS[name]
        self.events = events
        self.rng = random.Random("%s %d" % (name, seed))
        self.lives = []

    def settings(self, data):
        """Flags of powercut: the same configuration as the daemon's."""
        flags = ["--config", os.path.join(proof.SOURCE, "config/brain.yaml")]
        for item in ["data.dir=" + data, "data.segment_bytes=1MiB"] + self.plan["sets"]:
            flags += ["--set", item]
        return flags

    def record(self):
        """Runs all lives."""
        first = 0
        for number, (count, batch) in enumerate(self.plan["lives"]):
            life = Life(os.path.join(self.root, str(number)))
            if self.lives:
                self.begin_from_cut(life)
            else:
                open(life.before, "w").close()
            self.live(life, first, count, batch)
            self.lives.append(life)
            first += count

    def begin_from_cut(self, life):
        """The next life begins with a disk that a cut in the last fifth of the one before may leave."""
        last = self.lives[-1]
        command = [os.path.join(self.build, "tests/faults/powercut"), "images", *last.options(),
                   "--seed", str(self.seed), "--first", str(1000000 + len(self.lives)),
                   "--from", "80", "--keep", life.base, *self.settings(life.base)]
        with open(life.before, "wb") as out:
            subprocess.run(command, stdout=out, check=True)

    def live(self, life, first, count, batch):
        """One life: events of the stream, a stop or a kill."""
        brain = self.harness.Brain(sets=["data.segment_bytes=1MiB"] + self.plan["sets"])
        shutil.copytree(life.base, brain.data)
        recorded = {**os.environ, "CEREBRO_TAPE": life.tape, "CEREBRO_TAPE_DIR": brain.data,
                    "CEREBRO_TAPE_LIST": life.list,
                    "LD_PRELOAD": os.path.join(self.build, "tests/faults/librecord.so")}
        with open(brain.log_path, "ab") as log:
            brain.process = self.harness.spawn(brain.args(), stdout=log, stderr=log, cwd=brain.dir,
                                               env=recorded)
        brain.wait_ready()
        publish = brain.publish.rsplit(":", 1)[1]
        script = os.path.join(proof.SOURCE, "tests/faults/producer.py")
        producer = self.harness.spawn(
            [sys.executable, script, str(brain.port), publish, life.list, self.events, str(first),
             str(count), str(batch)], env=recorded, stderr=subprocess.PIPE)
        error = producer.communicate(timeout=120)[1]
        if producer.returncode != 0:
            raise proof.Failure("the producer ended with %d\n%s\n%s" % (
                producer.returncode, error.decode(), brain.log()))
        if self.rng.random() < 0.5:
            time.sleep(0.05 + self.rng.random() * 0.2)  # a state is saved meanwhile
            brain.kill()
        elif brain.stop() != 0:
            raise proof.Failure("braind did not stop well:\n" + brain.log())
        shutil.rmtree(brain.dir)


def write_events(p, build, path):
    """The stream that every recording takes its events from: orders with long texts fill segments."""
    done = subprocess.run([os.path.join(build, "tools/replay/brain-replay"), "day", "--orders", "2400",
                           "--seed", "5", "--dup-share", "0", "--jsonl"], check=True, capture_output=True)
    with open(path, "wb") as out:
        out.write(b"".join(done.stdout.splitlines(True)[:EVENTS]))


class Part:
    """So many images of one life."""

    def __init__(self, recording, number, life, first, count):
        self.recording, self.number, self.life = recording, number, life
        self.first, self.count = first, count

    def command(self, data):
        """powercut's command line."""
        return [os.path.join(self.recording.build, "tests/faults/powercut"), "images",
                *self.life.options(), "--seed", str(self.recording.seed), "--first", str(self.first),
                "--count", str(self.count), *self.recording.settings(data)]


def run_part(part):
    """Makes and opens the images of a part; powercut's result."""
    work = os.path.join(part.recording.root, "work-%d-%d" % (part.number, part.first))
    os.mkdir(work)
    done = subprocess.run(part.command(os.path.join(work, "data")), capture_output=True, text=True)
    shutil.rmtree(work)
    return done


def parts_of(recordings, images):
    """Shares the images out among all lives."""
    lives = [(r, number, life) for r in recordings for number, life in enumerate(r.lives)]
    each, more = divmod(images, len(lives))
    for index, (recording, number, life) in enumerate(lives):
        left = each + (1 if index < more else 0)
        for first in range(0, left, PART):
            yield Part(recording, number, life, first, min(PART, left - first))


def keep(part, build):
    """Keeps what a failed image was made of; where. Recordings differ from run to run."""
    kept = os.path.join(build, "powercut-failed", "%s-%d-%d-%d" % (
        part.recording.name, part.recording.seed, os.getpid(), part.number))
    if not os.path.isdir(kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        subprocess.run(["cp", "-r", "--sparse=always", os.path.dirname(part.life.tape), kept], check=True)
    return kept


def settle(p, part, done, sums):
    """Books the result of a part."""
    lines = done.stdout.splitlines()
    if done.returncode not in (0, 1) or not lines or not lines[-1].startswith("{"):
        p.failed("%s, life %d: powercut ended with %d" % (part.recording.name, part.number, done.returncode),
                 proof.tail(done.stdout + done.stderr))
        return
    figures = json.loads(lines[-1])
    p.passed(figures["images"] - figures["failed"])
    for name, value in figures.items():
        sums[name] = sums.get(name, 0) + value
    for line in lines[:-1]:
        if line.startswith("failed "):
            number = line.split()[1]
            kept = keep(part, part.recording.build)
            again = Part(part.recording, part.number, part.life, int(number), 1).command(
                "/tmp/powercut-data")
            p.failed("%s, recording %d, life %d: image %s" % (
                part.recording.name, part.recording.seed, part.number, line[len("failed "):]),
                again=" ".join(again).replace(os.path.dirname(part.life.tape), kept))


def prove(p):
    """Records, cuts, opens."""
    build = GIVEN_BUILD or p.build(targets=TARGETS)
    os.environ["CEREBRO_BUILD"] = build
    root = p.scratch(in_memory=True)  # syncs cost nothing there
    events = os.path.join(root, "events")
    write_events(p, build, events)
    names = [name for name in RECORDINGS if p.options.only in name]
    sums = {}
    left, seed = p.options.seeds, p.options.seed_start
    while left > 0 and not p.out_of_time:
        recordings = [Recording(p, build, root, name, seed, events) for name in names]
        for recording in recordings:
            recording.record()
        now = min(left, RECORDING_EVERY)
        for part, done in p.each(run_part, parts_of(recordings, now)):
            settle(p, part, done, sums)
            p.progress(sums.get("images", 0), p.options.seeds)
        for recording in recordings:
            shutil.rmtree(recording.root)
        left -= now
        seed += 1
    tell(p, sums)


def tell(p, sums):
    """The figures."""
    p.figure("images opened", sums.get("images", 0))
    p.figure("of them decided to the end and stopped", sums.get("whole", 0))
    p.figure("images that lack something written", sums.get("lossy", 0))
    p.figure("unsynced calls in them", sums.get("pending_calls", 0))
    p.figure("sectors lost", sums.get("lost_sectors", 0))
    p.figure("names lost", sums.get("lost_names", 0))
    p.figure("images with a torn journal end", sums.get("torn", 0))
    p.figure("acknowledgements checked", sums.get("acknowledged", 0))
    p.figure("publications checked", sums.get("published", 0))
    if p.elapsed > 0:
        p.figure("images a minute", int(sums.get("images", 0) * 60 / p.elapsed))
