#!/usr/bin/env python3
"""Instructions of an event on its way through brain and agents, against the figure on record.

usage: instructions.py BUILD [--update]

bench-path of BUILD runs under callgrind: one thread, virtual time, the same turns in every run, so
the count says what a change costs however busy the machine is. SHA-256 is left out, because
valgrind has not the CPU's own instructions for it. More than TOLERANCE to either side fails: what
became dearer has to be worth it, what became cheaper has to be kept. --update writes the new figure
to instructions.txt.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
RECORD = os.path.join(HERE, "instructions.txt")
EVENTS = 4000
TOLERANCE = 0.05
LEFT_OUT = "libcrypto"
SHOWN = 12


def has_avx2():
    """The C library takes other functions where it is missing, and other counts come of it."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return re.search(r"\bavx2\b", info.read()) is not None


def measure(build):
    """(instructions of an event, lines of the dearest functions)."""
    program = os.path.join(os.path.abspath(build), "tests", "bench", "bench-path")
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "path.callgrind")
        run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out,
                              "--toggle-collect=path_run*", program, "--events", str(EVENTS),
                              "--source", ROOT], capture_output=True, text=True, check=False)
        events = re.search(r"^events (\d+) own (\d+) ", run.stdout, re.M)
        if run.returncode != 0 or events is None:
            sys.exit("bench-path under callgrind: exit %d\n%s" % (run.returncode, run.stderr[-2000:]))
        told = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", out],
                              capture_output=True, text=True, check=True).stdout
    costs = re.findall(r"^ *([\d,]+) \([ \d.]+%\)  (.*)$", told, re.M)
    counted = [(int(cost.replace(",", "")), name) for cost, name in costs
               if name != "PROGRAM TOTALS" and LEFT_OUT not in name]
    taken = sum(map(int, events.groups()))
    shown = ["%8.0f  %s" % (cost / taken, re.sub(r" \[.*", "", name))
             for cost, name in counted[:SHOWN]]
    return sum(cost for cost, _ in counted) / taken, shown


def main():
    """Compares, or keeps what is measured."""
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    top.add_argument("build", metavar="BUILD", help="a build directory with tests/bench/bench-path")
    top.add_argument("--update", action="store_true", help="the count now is the figure on record")
    o = top.parse_args()
    if not has_avx2():
        print("SKIP: the figure on record is of a CPU with AVX2")
        return 77
    now, dearest = measure(o.build)
    if o.update:
        with open(RECORD, "w", encoding="utf-8") as record:
            record.write("%.0f\n" % now)
    with open(RECORD, encoding="utf-8") as record:
        before = float(record.read())
    change = now / before - 1
    print("\n".join(dearest))
    print("%.0f instructions an event, %+.1f %% of the %.0f on record" % (now, 100 * change, before))
    if abs(change) > TOLERANCE:
        print("more than %.0f %%. Is it worth it? Then tests/bench/instructions.py %s --update"
              % (100 * TOLERANCE, o.build))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
