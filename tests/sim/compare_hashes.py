#!/usr/bin/env python3
"""Runs the same seeds in several builds: the trace hash of every life must be the same.

usage: compare_hashes.py BUILD BUILD... [--seeds N] [--seed-start S]

Compilers, optimisation levels and sanitizers may change how fast a life is lived, nothing else.
"""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def start(build, first, count):
    """Begins the lives of one build."""
    program = os.path.join(os.path.abspath(build), "tests", "sim", "sim")
    return subprocess.Popen([program, "--hashes", "--seed", str(first), "--seeds", str(count),
                             "--source", ROOT], stdout=subprocess.PIPE, text=True, errors="replace")


def hashes(output):
    """Seed -> hash."""
    return dict(re.findall(r"^hash (\d+) ([0-9a-f]{16})$", output, re.M))


def main():
    """Compares every build with the first."""
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    top.add_argument("builds", nargs="+", metavar="BUILD", help="build directories")
    top.add_argument("--seeds", type=int, default=50)
    top.add_argument("--seed-start", type=int, default=1)
    o = top.parse_args()
    if len(o.builds) < 2:
        top.error("two builds at least")
    runs = [start(build, o.seed_start, o.seeds) for build in o.builds]
    outputs = [run.communicate()[0] for run in runs]
    wrong = 0
    for build, run, output in zip(o.builds, runs, outputs):
        if run.returncode != 0:
            wrong += 1
            print("%s: exit %d" % (build, run.returncode))
            print("\n".join(output.splitlines()[-40:]))
    first = hashes(outputs[0])
    if len(first) != o.seeds:
        wrong += 1
        print("%s: %d hashes of %d" % (o.builds[0], len(first), o.seeds))
    for build, output in zip(o.builds[1:], outputs[1:]):
        for seed, one in hashes(output).items():
            if first.get(seed) != one:
                wrong += 1
                print("seed %s: %s in %s, %s in %s" % (seed, first.get(seed), o.builds[0], one,
                                                       build))
        missing = set(first) - set(hashes(output))
        if missing:
            wrong += 1
            print("%s: no hash of %d seeds" % (build, len(missing)))
    print("%d seeds, %d builds, %d differences" % (o.seeds, len(o.builds), wrong))
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
