"""Threads: clang's thread sanitizer on whatever shares memory between threads.

The unit tests of the seams, the actors, the host of agents and the log; then a real daemon with its agents
inside, under load, asked questions, reloaded and stopped (tsan_daemon.py); then scripts of the integration
suite. nng, libuv, LMDB and libcurl are Debian's and not instrumented: what they hide from the sanitizer would
be named in tests/tsan.supp.
"""

import glob
import json
import os
import re
import subprocess
import sys

import proof

SUMMARY = "the thread sanitizer on tests, a daemon under load and integration scripts"
OPTIONS = {"only": "", "load": 20}
OPTION_HELP = {"load": "seconds of load on the real daemon"}
BUILD = "build-tsan"
FLAGS = ("-Db_sanitize=thread", "-Db_lundef=false")
UNITS = ("runtime/real/*_test.c", "runtime/actor/*_test.c", "brain/agent/host_test.c",
         "runtime/base/log_test.c")
ONE_THREAD = ("runtime/real/lmdb_check",)  # walks thousands of files, all alone
PROGRAMS = ("tools/braind/braind", "tools/brain-agent/brain-agent", "tools/replay/brain-replay",
            "tools/brainctl/brainctl", "tools/verify/brain-verify", "tests/tools/journal_dump",
            "tests/tools/poison_agent", "tests/audit/audit")
SCRIPTS = ("reload", "webhook", "outside_agent", "stop")
UNIT_SECONDS = 600
SCRIPT_SECONDS = 1800
PATIENCE = 8  # how much longer than usual the scripts wait for anything
REPORT = re.compile(r"WARNING: ThreadSanitizer: ([^\n(]*).*?(?=\n={18}|\Z)", re.S)


def reports(log):
    """What the sanitizer wrote beside `log`: (kind and innermost frames, text), each of them once."""
    found = {}
    for path in sorted(glob.glob(log + ".*")):
        with open(path, encoding="utf-8", errors="replace") as text:
            for match in REPORT.finditer(text.read()):
                frames = re.findall(r"#\d+ (\S+)", match.group(0))[:3]
                found.setdefault((match.group(1).strip(), *frames), match.group(0))
    return list(found.items())


def shown(command):
    """A command as somebody would type it in the root."""
    parts = ["python3" if part == sys.executable else part for part in command]
    return " ".join(os.path.relpath(part, proof.SOURCE) if os.path.isabs(part) else part for part in parts)


def run_one(p, what, command, seconds):
    """Runs a program to its end and books its reports, or its failure; what it printed."""
    log = os.path.join(p.scratch(), "tsan")
    options = "suppressions=%s history_size=5 second_deadlock_stack=1 exitcode=66" % \
        os.path.join(proof.SOURCE, "tests", "tsan.supp")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TSAN_OPTIONS": options + " log_path=" + log,
           "CEREBRO_SOURCE": proof.SOURCE, "CEREBRO_BUILD": os.path.join(proof.SOURCE, BUILD),
           "CEREBRO_PATIENCE": str(PATIENCE)}
    try:
        done = subprocess.run(command, env=env, cwd=proof.SOURCE, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                              check=False)
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.output or b""
        code, output = "none after %d s" % seconds, output.decode(errors="replace")
    again = "CEREBRO_BUILD=%s CEREBRO_PATIENCE=%d TSAN_OPTIONS=suppressions=tests/tsan.supp %s" % (
        BUILD, PATIENCE, shown(command))
    found = reports(log)
    for (kind, *frames), text in found:
        p.failed("%s: %s in %s" % (what, kind, " < ".join(frames)),
                 "\n".join(text.splitlines()[:60]), again)
    if code != 0 and not found:
        p.failed("%s: exit %s" % (what, code), proof.tail(output, 30), again)
    elif not found:
        p.passed()
    return output


def unit_tests():
    """Name and program of the tests of what runs on several threads."""
    for pattern in UNITS:
        for source in sorted(glob.glob(os.path.join(proof.SOURCE, pattern))):
            name = os.path.relpath(source, proof.SOURCE)[:-len("_test.c")]
            if name not in ONE_THREAD:
                yield name, "tests/" + re.sub("[^a-z0-9]", "_", name) + "_test"


def prove(p):
    """The three parts."""
    units = list(unit_tests())
    build = p.build(BUILD, "clang", FLAGS, [*PROGRAMS, *(program for _, program in units)])
    steps = [(name, [os.path.join(build, program)], UNIT_SECONDS) for name, program in units]
    daemon = os.path.join(proof.SOURCE, "tests", "prove", "tsan_daemon.py")
    steps.append(("daemon under load", [sys.executable, daemon, str(p.options.load)],
                  SCRIPT_SECONDS + p.options.load))
    for name in SCRIPTS:
        script = os.path.join(proof.SOURCE, "tests", "integration", name + "_test.py")
        steps.append(("integration/" + name, [sys.executable, script], SCRIPT_SECONDS))
    steps = [step for step in steps if re.search(p.options.only, step[0])]
    for number, (name, command, seconds) in enumerate(steps):
        if p.out_of_time:
            break
        p.progress(number, len(steps), name)
        output = run_one(p, name, command, seconds)
        if name == "daemon under load" and output.strip().startswith("{"):
            for figure, value in json.loads(output.splitlines()[-1]).items():
                p.figure(figure + " under load", value)
    p.figure("programs and scripts under the sanitizer", len(steps))
