"""Memory: valgrind's memcheck over the unit tests and over some lives in the simulator.

It sees what the address sanitizer does not: values used before anybody set them, also by way of libraries.
Complaints about libraries that are not ours would be named in tests/valgrind.supp.
"""

import json
import os
import re
import shutil
import subprocess

import proof

SUMMARY = "valgrind's memcheck on the unit tests and on some seeds of the simulator"
OPTIONS = {"only": "", "seeds": 20, "all": False}
OPTION_HELP = {"all": "also the tests that take many minutes each"}
TOOL = ("valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
        "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--track-origins=yes",
        "--num-callers=20", "--suppressions=tests/valgrind.supp")
SECONDS = 3600
PATIENCE = 20  # of tests that wait for something or measure time
BUILD = "build"
# Left out unless --all is given: what a test runs again and again so often that memcheck, twenty times slower,
# takes a quarter of an hour and more. The same code is under memcheck in the tests named behind and in the
# simulator's lives, with disks that fail and tear.
SLOW = {
    "runtime/journal/journal": "every n-th call fails, 300 random lives; reader, segment, mark, scrub",
    "runtime/real/lmdb_check": "a walk through thousands of damaged files; kv_lmdb",
    "brain/core/recover": "a recovery from every record of a history; state, pending",
    "tests/audit/segment": "every byte and every cut of a segment; audit/audit",
    "agents/anomaly/anomaly": "weeks of counts, minute by minute; its policy, brain/detect",
    "agents/logistics/delay_model": "a model that learns from years of orders; brain/learn",
}


def unit_tests(build):
    """Name and command of each unit test that is a program of ours."""
    text = subprocess.run(["meson", "introspect", build, "--tests"], capture_output=True, text=True,
                          check=True).stdout
    for test in json.loads(text):
        command = test["cmd"]
        if "unit" in " ".join(test["suite"]) and len(command) == 1 and "/tests/" in command[0]:
            yield test["name"], command


def check(command):
    """Runs a program under memcheck: (exit code, what was said)."""
    try:
        done = subprocess.run([*TOOL, *command], cwd=proof.SOURCE, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
                              env={**os.environ, "CEREBRO_PATIENCE": str(PATIENCE)}, check=False)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return None, "not done in %d s" % SECONDS


def complaints(text):
    """What memcheck said, without what the program said."""
    lines = [line for line in text.splitlines() if re.match(r"==\d+==", line)]
    return "\n".join(lines[:40])


def prove(p):
    """Seed by seed, then test by test."""
    if shutil.which(TOOL[0]) is None:
        raise proof.Failure("there is no valgrind: apt install valgrind")
    build = p.build(BUILD)
    tests = list(unit_tests(build))
    for name in SLOW:
        if name not in (known for known, _ in tests):
            raise proof.Failure("%s is no test any more" % name)
    simulator = os.path.join(build, "tests", "sim", "sim")
    work = [("sim %d" % seed, [simulator, "--seed", str(seed), "--first"])
            for seed in range(1, p.options.seeds + 1)]
    work += [(name, command) for name, command in tests if p.options.all or name not in SLOW]
    work = [one for one in work if re.search(p.options.only, one[0])]
    done = {"sim": 0, "test": 0}
    for number, ((name, command), (code, said)) in enumerate(
            p.each(lambda one: check(one[1]), work)):
        p.progress(number + 1, len(work), name)
        done["sim" if name.startswith("sim ") else "test"] += 1
        # a test that leaves by _exit leaves with its own code, whatever memcheck said
        if code == 0 and not complaints(said):
            p.passed()
        else:
            p.failed("%s: exit %s" % (name, code), complaints(said) or proof.tail(said, 30),
                     "%s %s" % (" ".join(TOOL), " ".join(os.path.relpath(part, proof.SOURCE)
                                if os.path.isabs(part) else part for part in command)))
    p.figure("lives in the simulator", done["sim"])
    p.figure("test programs", done["test"])
    p.figure("test programs left out as too slow", 0 if p.options.all else len(SLOW))
