#!/usr/bin/env python3
"""Our actors beside Erlang's and CAF's, in one run.

usage: actors.py --ours PROGRAM --build DIR [-o json] [--rounds N] [--seconds S] [--actors N]
                 [--case NAME] [--cores default|one]

Every case is run by every contender in turn, --rounds times; a contender that is not installed is
left out and named. The first round of a case only finds out how many messages take --seconds, and
is not counted. What the cases are and how to read the figures: tests/bench/README.md.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST_COUNT = 100000
COUNT_MAX = 100000000
TIMEOUT_S = 300

# name, arguments after the count, whether ours has a two-loop form
CASES = (
    ("ping-pong", (), True),
    ("ring", (), False),
    ("many-to-one-1", ("1",), True),
    ("many-to-one-8", ("8",), True),
    ("many-to-one-64", ("64",), True),
    ("spawn", (), False),
    ("idle", (), False),
)
UNITS = {"spawn": "actors/s", "idle": "actors/s"}


class Failure(Exception):
    """A contender that cannot be built or that does not answer."""


def run_program(command, cores):
    """Standard output of a program, on all cores or on the first one."""
    allowed = os.sched_getaffinity(0)
    if cores == "one":
        os.sched_setaffinity(0, {min(allowed)})
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        raise Failure("%s: no end after %d s" % (command[0], TIMEOUT_S)) from late
    finally:
        os.sched_setaffinity(0, allowed)
    if done.returncode != 0 or len(done.stdout.split()) != 3:
        raise Failure("%s: %s" % (" ".join(command), done.stderr.strip() or done.stdout.strip()))
    return done.stdout


class Contender:
    """A program that runs cases: how it is started, and on how many threads."""

    def __init__(self, name, version, threads):
        self.name = name
        self.version = version
        self.threads = threads  # cores -> what runs actors

    def command(self, case, count, extra, cores):
        raise NotImplementedError

    def takes(self, case, cores):
        """Whether this case is meant for it."""
        return True

    def measure(self, case, count, extra, cores):
        """(per second, bytes of memory for each) of one run."""
        plain = "many-to-one" if case.startswith("many-to-one") else case
        numbers = [int(n) for n in run_program(self.command(plain, count, extra, cores),
                                               cores).split()]
        if numbers[1] <= 0:
            raise Failure("%s: %s of %d took no time" % (self.name, case, count))
        return numbers[0] * 1e9 / numbers[1], numbers[2] / numbers[0]


class Ours(Contender):
    """Cerebro: one loop, or the two sides of a case on two."""

    def __init__(self, program, loops):
        super().__init__("cerebro" if loops == 1 else "cerebro-2-loops", "",
                         {"default": loops, "one": loops})
        self.program = program
        self.loops = loops

    def takes(self, case, cores):
        forms = {name: two for name, _, two in CASES}
        return self.loops == 1 or (forms[case] and cores == "default")

    def command(self, case, count, extra, cores):
        senders = ["--senders", extra[0]] if extra else []
        return [self.program, case, str(count)] + senders + ["--loops", str(self.loops)]


class Erlang(Contender):
    """Erlang/OTP's processes: a scheduler for each core, unless told otherwise."""

    def __init__(self, build):
        subprocess.run(["erlc", "-o", build, os.path.join(HERE, "bench_actors.erl")], check=True)
        told = subprocess.run(
            ["erl", "-noshell", "-eval",
             'io:format("OTP ~s ~p", [erlang:system_info(otp_release), '
             'erlang:system_info(schedulers_online)]), halt().'],
            capture_output=True, text=True, check=True).stdout.split()
        super().__init__("erlang", " ".join(told[:2]), {"default": int(told[2]), "one": 1})
        self.build = build

    def command(self, case, count, extra, cores):
        return (["erl", "-noshell", "+P", "4000000"] + (["+S", "1:1"] if cores == "one" else []) +
                ["-pa", self.build, "-run", "bench_actors", "main", case, str(count)] +
                list(extra))


class Caf(Contender):
    """CAF's event-based actors on its work-stealing scheduler."""

    def __init__(self, build):
        program = os.path.join(build, "bench-caf")
        source = os.path.join(HERE, "caf.cpp")
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
            subprocess.run(["g++", "-std=c++17", "-O3", "-DNDEBUG", source, "-o", program,
                            "-lcaf_core", "-lpthread"], check=True)
        # its default: a thread for each core, but at least four
        super().__init__("caf", "0.17", {"default": max(os.cpu_count() or 1, 4), "one": 1})
        self.program = program

    def command(self, case, count, extra, cores):
        threads = ["--caf#scheduler.max-threads=1"] if cores == "one" else []
        return [self.program] + threads + [case, str(count)] + list(extra)


def find_contenders(options):
    """(contenders that are there, names of those that are not)."""
    found, missing = [Ours(options.ours, 1), Ours(options.ours, 2)], []
    os.makedirs(options.build, exist_ok=True)
    if shutil.which("erl") and shutil.which("erlc"):
        found.append(Erlang(options.build))
    else:
        missing.append("Erlang (erlang-base)")
    if shutil.which("g++") and os.path.exists("/usr/include/caf/all.hpp"):
        found.append(Caf(options.build))
    else:
        missing.append("CAF (libcaf-dev, g++)")
    return found, missing


def count_for(contender, case, extra, cores, options):
    """How many messages take --seconds; the run that finds out is not counted."""
    if case == "idle":
        return options.actors
    count = FIRST_COUNT
    rate, _ = contender.measure(case, count, extra, cores)
    return int(max(count / 10, min(rate * options.seconds, COUNT_MAX)))


def spread(values):
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def run_case(case, extra, cores, contenders, options):
    """Rows of one case: every contender in turn, round after round."""
    taking = [c for c in contenders if c.takes(case, cores)]
    counts = {c.name: count_for(c, case, extra, cores, options) for c in taking}
    rates = {c.name: [] for c in taking}
    memory = {c.name: [] for c in taking}
    for _ in range(options.rounds):
        for c in taking:
            rate, size = c.measure(case, counts[c.name], extra, cores)
            rates[c.name].append(rate)
            memory[c.name].append(size)
    rows = []
    for c in taking:
        pace = spread(rates[c.name])
        row = {"suite": "actors", "name": case, "system": c.name, "cores": cores,
               "threads": c.threads[cores], "unit": UNITS.get(case, "messages/s"),
               "count": counts[c.name], "events_per_s": round(pace["median"]),
               "low_per_s": round(pace["low"]), "high_per_s": round(pace["high"])}
        if case == "idle":
            row["bytes_per_actor"] = round(statistics.median(memory[c.name]), 1)
        if c.name.startswith("cerebro"):
            row["ratio_to"] = ratios(c.name, rates, memory, case)
        rows.append(row)
    return rows


def ratios(name, rates, memory, case):
    """Ours over theirs, round by round; for memory theirs over ours, so that more is better."""
    against = {}
    for other in rates:
        if other.startswith("cerebro"):
            continue
        entry = spread([a / b for a, b in zip(rates[name], rates[other])])
        if case == "idle":
            entry["memory"] = statistics.median(b / max(a, 1) for a, b in
                                                zip(memory[name], memory[other]))
        against[other] = {key: round(value, 2) for key, value in entry.items()}
    return against


def print_row(row):
    text = "    %-16s %2d %s %12s %s (%s .. %s)" % (
        row["system"], row["threads"], "thread " if row["threads"] == 1 else "threads",
        "{:,}".format(row["events_per_s"]), row["unit"], "{:,}".format(row["low_per_s"]),
        "{:,}".format(row["high_per_s"]))
    if "bytes_per_actor" in row:
        text += ", %.0f B an actor" % row["bytes_per_actor"]
    print(text)
    for other, ratio in row.get("ratio_to", {}).items():
        text = "        %.2f times %s (%.2f .. %.2f)" % (ratio["median"], other, ratio["low"],
                                                         ratio["high"])
        if "memory" in ratio:
            text += ", in %.2f times less memory" % ratio["memory"]
        print(text)


def print_case(rows):
    cores = "as many threads as each has by default" if rows[0]["cores"] == "default" else \
        "all on one core"
    print("%s, %s" % (rows[0]["name"], cores))
    for row in rows:
        print_row(row)
    print(flush=True)


def read_options():
    parser = argparse.ArgumentParser(prog="tools/bench actors", description=__doc__.split("\n")[0])
    parser.add_argument("--ours", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run, about (1)")
    parser.add_argument("--actors", type=int, default=1000000, help="of the case idle (1,000,000)")
    parser.add_argument("--case", choices=[c[0] for c in CASES], help="this one only")
    parser.add_argument("--cores", choices=("default", "one"), help="this way only")
    return parser.parse_args()


def main():
    options = read_options()
    contenders, missing = find_contenders(options)
    rows = []
    if options.output == "table":
        for c in contenders:
            if c.version:
                print("%s %s" % (c.name, c.version))
        for name in missing:
            print("not installed, left out: %s" % name)
        print()
    for case, extra, _ in CASES:
        for cores in ("default", "one"):
            if options.case not in (None, case) or options.cores not in (None, cores):
                continue
            rows += run_case(case, extra, cores, contenders, options)
            if options.output == "table":
                print_case([row for row in rows if (row["name"], row["cores"]) == (case, cores)])
    if options.output == "json":
        print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as failure:
        print("bench: %s" % failure, file=sys.stderr)
        sys.exit(1)
