"""The simulator over many seeds: whole lives of the brain under faults, each checked to the end.

A process takes a chunk of seeds. One that dies or hangs names the seed it was at; the rest of its
chunk is run by another.
"""

import json
import os
import re
import subprocess

import proof

SUMMARY = "simulated days under faults: crashes, full disks, bad messages, clock jumps, ..."
OPTIONS = {"seeds": 1000, "seed_start": 1, "seed": "", "trace": False, "build": "build"}

proof.HELP["seed"] = "only this seed (as --seed-start S --seeds 1)"
proof.HELP["build"] = "build directory below the root; of gcc unless it is there already"
CHUNK = 50
SEED_S = 30  # at most, on a machine with a lot to do; a life takes a tenth of a second
TOLD = (("records", "journal records"), ("events", "events of producers"),
        ("decisions", "decisions"), ("actions", "actions"), ("webhooks", "webhook requests"),
        ("timers", "timers fired"))


def run(program, first, count):
    """Lives of some seeds: (exit code, output)."""
    command = [program, "--seed", str(first), "--seeds", str(count), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", cwd=proof.SOURCE)
    try:
        output, _ = child.communicate(timeout=60 + SEED_S * count)
    except subprocess.TimeoutExpired:
        child.terminate()  # it says at which seed it is
        output, _ = child.communicate()
    return child.returncode, output


def failures(output):
    """What it says of seeds that did not hold: (seed, what, lines around it)."""
    found = []
    for line in output.splitlines():
        match = re.match(r"FAILED seed (\d+) (.*)", line)
        if match:
            found.append((int(match.group(1)), match.group(2), []))
        elif found and line.startswith("    "):
            found[-1][2].append(line[4:])
    return found


def died_at(output):
    """The seed a process was at when it died, None when it ended by itself."""
    match = re.search(r"^sim: seed (\d+) died of signal (\d+)", output, re.M)
    return (int(match.group(1)), int(match.group(2))) if match else None


def again(seed):
    """The command that shows it again."""
    return "tools/prove sim --seed %d --trace" % seed


class Sums:
    """Figures over all chunks."""

    def __init__(self):
        self.seeds = 0
        self.virtual_ms = 0
        self.named = {}
        self.faults = {}

    def add(self, one):
        """Adds the figures of one process."""
        self.seeds += one["seeds"]
        self.virtual_ms += one["virtual_ms"]
        for name, value in one.items():
            if isinstance(value, int):
                self.named[name] = self.named.get(name, 0) + value
        for name, value in one["faults"].items():
            self.faults[name] = self.faults.get(name, 0) + value


def take(p, sums, chunk, result):
    """Books what a chunk came to; returns the chunk that is left when its process died."""
    first, count = chunk
    code, output = result
    for seed, what, lines in failures(output):
        p.failed("seed %d %s" % (seed, what), "\n".join(lines), again(seed))
    died = died_at(output)
    if died:
        seed, signo = died
        kind = "hangs" if signo == 15 else "died of signal %d" % signo
        p.failed("seed %d %s" % (seed, kind), proof.tail(output, 20), again(seed))
        p.passed(seed - first - len(failures(output)))
        left = first + count - seed - 1
        return (seed + 1, left) if left > 0 else None
    try:
        one = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        p.failed("seeds %d to %d: exit %d" % (first, first + count - 1, code),
                 proof.tail(output, 20), "tools/prove sim --seed-start %d --seeds %d" % chunk)
        return None
    sums.add(one)
    p.passed(one["seeds"] - one["failed"])
    return None


def report(p, sums, wall_s):
    """The figures."""
    hours = sums.virtual_ms / 3600000
    p.figure("seeds", sums.seeds)
    p.figure("days at their own pace", sums.named.get("paced", 0))
    p.figure("virtual days", round(hours / 24, 1), "d")
    for name, shown in TOLD:
        p.figure(shown, sums.named.get(name, 0))
    for name, value in sums.faults.items():
        p.figure(name, value)
    p.figure("lives ended by damage that was detected", sums.named.get("detected", 0))
    p.figure("virtual seconds per second, all processes together",
             round(sums.virtual_ms / 1000 / max(wall_s, 0.001)))
    p.figure("violations", p.counts["failed"])


def prove(p):
    """Runs the seeds in chunks, --jobs processes at a time."""
    o = p.options
    first, count = (int(o.seed), 1) if o.seed else (o.seed_start, o.seeds)
    program = os.path.join(p.build(o.build, targets=["tests/sim/sim"]), "tests", "sim", "sim")
    if o.trace:
        code = subprocess.call([program, "--seed", str(first), "--seeds", str(count), "--trace"],
                               cwd=proof.SOURCE)
        (p.passed if code == 0 else p.failed)(*([] if code == 0 else ["seed %d" % first]))
        return
    began = p.elapsed
    sums = Sums()
    todo = [(at, min(CHUNK, first + count - at)) for at in range(first, first + count, CHUNK)]
    while todo:
        left = []
        for chunk, result in p.each(lambda c: run(program, *c), todo):
            rest = take(p, sums, chunk, result)
            if rest:
                left.append(rest)
            p.progress(sum(p.counts.values()), count, "seeds")
        todo = left if not p.out_of_time else []
    report(p, sums, p.elapsed - began)
