"""Failing allocations: the n-th fails, for every n, in a simulated brain and in a real braind.

In the simulator (tests/faults/oom.c, with sanitizers) those fail that may: whoever asks for them has to cope,
and the life has to go on. In a real braind any allocation fails, those of the libraries included: it goes on,
or ends with a line that says that memory was missing; it never crashes otherwise, and what it left opens
again. tests/faults/README.md.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import proof  # noqa: E402
import scenario  # noqa: E402

SUMMARY = "failing allocations: every n of a life, simulated and real, once and for good"
OPTIONS = {"cycles": 600, "seeds": 1, "seed_start": 1, "only": ""}
SANITIZED = ("-Db_sanitize=address,undefined", "-Db_lundef=false")
PART = 50  # lives of one process
EVENTS = 300  # of a simulated life; oom.c wants no fewer
COUNTING_LIVES = 3
BEYOND = 1.02  # lives differ a little in how many allocations they make


def count(lives):
    """How many allocations a life without faults makes: the most of a few lives."""
    most = 0
    for _ in range(COUNTING_LIVES):
        outcome = lives.run(None)
        if outcome.wrong or outcome.ending != "went on":
            raise proof.Failure("a life without faults: %s %s\n%s" % (
                outcome.ending, outcome.wrong, proof.tail(outcome.log)))
        most = max(most, outcome.counts["memory"])
    return most


def all_faults(calls):
    """Every fault there is."""
    return [scenario.Fault("memory", nth, "ENOMEM", forever)
            for nth in range(1, int(calls * BEYOND) + 1) for forever in (False, True)]


def try_real(p, build):
    """A real braind."""
    lives = scenario.Scenario(p, build)
    endings = {}
    done = hits = 0
    try:
        if ":" in p.options.only:
            faults = [scenario.Fault.parse(p.options.only.split("/")[1])]
        else:
            faults = all_faults(count(lives))
            p.figure("real braind: faults there are", len(faults))
            if p.options.cycles:
                step = max(1, len(faults) / p.options.cycles)
                faults = [faults[int(i * step)] for i in range(min(p.options.cycles, len(faults)))]
        for fault, outcome in p.each(lives.run, faults):
            done += 1
            hits += outcome.hit
            ending = outcome.ending if outcome.hit else "the allocation was not made"
            endings[ending] = endings.get(ending, 0) + 1
            if outcome.wrong:
                p.failed("real/%s: %s" % (fault, "; ".join(outcome.wrong)), proof.tail(outcome.log, 6),
                         "tools/prove oom --only real/%s" % fault)
            else:
                p.passed()
            p.progress(done, len(faults), "real/%s" % fault)
    finally:
        lives.close()
    p.figure("real braind: allocations that failed", hits)
    for ending, number in sorted(endings.items()):
        p.figure("real braind: it ended: %s" % ending, number)


def write_events(build, path, seed):
    """The stream of a simulated life: an outage, and a day of orders."""
    done = subprocess.run([os.path.join(build, "tools/replay/brain-replay"), "day", "--orders", "200",
                           "--seed", str(seed), "--dup-share", "0", "--jsonl"], check=True,
                          capture_output=True, text=True)
    lines = done.stdout.splitlines(True)
    outages = [line for line in lines if '"carrier.status"' in line]
    with open(path, "w", encoding="utf-8") as out:
        out.write("".join(outages[:3] + [line for line in lines if line not in outages][:EVENTS]))


class Simulated:
    """Lives in the simulator, of one stream of events."""

    def __init__(self, p, program, events):
        self.p = p
        self.command = [program, "--source", proof.SOURCE, "--events", events]
        # a stack of a crash; and leaks count, also those of the process that did not fail
        self.env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1"}

    def run(self, options):
        """One process of lives: its failures, its figures."""
        done = subprocess.run(self.command + options, capture_output=True, text=True, env=self.env)
        lines = done.stdout.splitlines()
        if done.returncode not in (0, 1) or not lines or not lines[-1].startswith("{"):
            return ["oom ended with %d: %s" % (done.returncode, proof.tail(done.stdout + done.stderr))], {}
        return lines[:-1], json.loads(lines[-1])

    def parts(self, limit):
        """Every n, once and for good; with a limit evenly spread."""
        tries = self.run(["--only", "1000000000"])[1]["tries"]
        self.p.figure("simulated: allocations of a life", tries)
        step = max(1, -(-2 * tries // limit)) if limit else 1
        for forever in ([], ["--forever"]):
            for first in range(1, tries + 1, PART * step):
                count = min(PART, (tries - first) // step + 1)
                yield ["--first", str(first), "--count", str(count), "--step", str(step)] + forever


def sanitized(p):
    """The simulated program, with sanitizers; in the integration suite as it is built there."""
    if scenario.GIVEN_BUILD:
        return os.path.join(scenario.GIVEN_BUILD, "tests/faults/oom")
    return os.path.join(p.build("build-asan", "clang", SANITIZED, ["tests/faults/oom"]), "tests/faults/oom")


def try_simulated(p, build):
    """Brains in the simulator."""
    sums = {}
    root = p.scratch()
    program = sanitized(p)
    for seed in range(p.options.seed_start, p.options.seed_start + p.options.seeds):
        if p.out_of_time:
            break
        events = os.path.join(root, "events-%d" % seed)
        write_events(build, events, seed)
        lives = Simulated(p, program, events)
        if ":" in p.options.only:  # sim/memory:N:ENOMEM[:forever]
            fault = scenario.Fault.parse(p.options.only.split("/")[1])
            parts = [["--only", str(fault.nth)] + (["--forever"] if fault.forever else [])]
        else:
            parts = list(lives.parts(p.options.cycles))
        for options, (wrong, figures) in p.each(lives.run, parts):
            for name, value in figures.items():
                sums[name] = sums.get(name, 0) + value
            p.passed(figures.get("lives", 0) - figures.get("wrong", 0))
            for line in wrong:
                words = line.split()
                if not line.startswith(("ended ", "went_on ", "not_reached ")):
                    p.failed("sim, events %d: %s" % (seed, line), "",
                             "tools/prove oom --seed-start %d --only sim/memory:%s:ENOMEM%s" % (
                                 seed, words[1].rstrip(":") if len(words) > 1 else "?",
                                 ":forever" if "--forever" in options else ""))
            p.progress(sums.get("lives", 0), 0, "sim/%d" % seed)
    p.figure("simulated: lives with a failing allocation", sums.get("lives", 0) - sums.get("not_reached", 0))
    p.figure("simulated: went on", sums.get("went_on", 0))
    p.figure("simulated: ended, and said why", sums.get("ended", 0))


def prove(p):
    """Both halves."""
    build = scenario.GIVEN_BUILD or p.build(targets=scenario.TARGETS)
    if "real" not in p.options.only:
        try_simulated(p, build)
    if "sim" not in p.options.only:
        try_real(p, build)
