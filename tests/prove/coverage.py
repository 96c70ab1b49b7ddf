"""Which lines and branches the tests reach, of the code that everything else rests on.

Builds with gcc --coverage, without optimisation, in build-cov/; runs the unit tests, the corpora of
the fuzzers and the simulation; reads what gcov says. Parsers are measured by line, what decides and
remembers by branch as well: those lists, with what each file has to reach, are GOALS below.

What is not counted: assertions (they hold), RT_UNREACHABLE, what only programs with planted
mistakes have (RT_PLANTED), and the lines that coverage_exceptions.txt names with a reason. An
exception that is no longer needed is a failure.
"""

import collections
import concurrent.futures
import fnmatch
import json
import os
import re
import subprocess

import proof

SUMMARY = "line and branch coverage of parsers, gate, dedup, budgets, journal and recovery"
OPTIONS = {"only": "", "suites": "unit,fuzz,sim", "missing": False}
OPTION_HELP = {
    "only": "only files that match this pattern (brain/decide/*.c), with a goal or without",
    "suites": "what to run: suites of meson test, or nothing to look at the last run again",
    "missing": "show the lines and branches that are not reached",
}

EXCEPTIONS = os.path.join(os.path.dirname(__file__), "coverage_exceptions.txt")
BUILD = "build-cov"
TEST_SECONDS_FACTOR = "6"  # unoptimised and counting

Goal = collections.namedtuple("Goal", "pattern lines branches")
# Percent that a file must reach; 0 is "told, not demanded". The first pattern that matches counts.
GOALS = (
    Goal("brain/decide/gate.c", 95, 100),
    Goal("brain/decide/dedup.c", 95, 100),
    Goal("brain/core/recover.c", 95, 100),
    Goal("runtime/journal/*.c", 95, 100),
    Goal("runtime/wire/*.c", 95, 0),
    Goal("runtime/config/*.c", 95, 0),
    Goal("brain/expr/*.c", 95, 0),
    Goal("brain/pack/*.c", 95, 0),
    Goal("brain/playbook/load.c", 95, 0),
    Goal("brain/core/control.c", 95, 0),
    Goal("runtime/seam/http_guard.c", 95, 0),
)


class Line:
    """One line of a source file: how often it ran, and each branch of it that can be taken."""

    def __init__(self, function):
        self.function = function
        self.count = 0
        self.branches = []

    def add(self, count, branches):
        """Adds what another object file (or another copy of the function) says of the line."""
        self.count += count
        if len(branches) == len(self.branches):
            self.branches = [a + b for a, b in zip(self.branches, branches)]
        elif len(branches) > len(self.branches):
            self.branches = branches


class Source:
    """A source file's text: which lines are assertions or planted mistakes."""

    def __init__(self, path):
        with open(os.path.join(proof.SOURCE, path), encoding="utf-8") as text:
            self.lines = text.read().split("\n")
        self.asserted = set()
        depth = 0
        for number, line in enumerate(self.lines, 1):
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
            if depth == 0:
                at = re.search(r"\b(RT_ASSERT|RT_DASSERT|RT_CHECK|RT_UNREACHABLE)\(", code)
                if at is None:
                    continue
                code = code[at.start():]
            self.asserted.add(number)
            depth = max(0, depth + code.count("(") - code.count(")"))
        self._find_planted()

    def _find_planted(self):
        """Lines that ask for a planted mistake; where nothing else is asked, what depends on it."""
        end = None  # how the last line of that begins
        for number, line in enumerate(self.lines, 1):
            if end is None and "RT_PLANTED(" not in line:
                continue
            self.asserted.add(number)
            if end is not None:
                end = None if line.startswith(end) else end
            elif re.match(r" +if \(RT_PLANTED\(", line) and line.endswith("{"):
                end = line[:len(line) - len(line.lstrip())] + "}"

    def text(self, number):
        """A line without its indentation."""
        return self.lines[number - 1].strip()


class Exceptions:
    """coverage_exceptions.txt: `file:function: text of the line: reason`, one a line.

    The text `*` is every line of the function.
    """

    def __init__(self, path):
        self.entries = []
        self.used = set()
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                line = line.strip()
                if line == "" or line.startswith("#"):
                    continue
                match = re.match(r"([^: ]+):([A-Za-z0-9_]+): (.*)", line)
                if match is None:
                    raise proof.Failure("%s:%d: not `file:function: line: reason`" % (path, number))
                self.entries.append((number, *match.groups()))

    def covers(self, path, function, text):
        """Whether this line of this function is excepted; remembers that it was needed."""
        for number, file, name, rest in self.entries:
            if file == path and name == function and rest.startswith((text + ": ", "*: ")):
                self.used.add(number)
                return True
        return False

    def unused(self, paths):
        """The exceptions for these files that nothing needs."""
        return ["%s:%s: %s" % (file, name, rest) for number, file, name, rest in self.entries
                if file in paths and number not in self.used]


class Reached:
    """What one file reached."""

    def __init__(self, path):
        self.path = path
        self.lines = [0, 0]      # reached, of
        self.branches = [0, 0]
        self.excepted = 0
        self.missing = []        # (line number, text, what)


def percent(pair):
    """Of two counts; nothing to reach is everything."""
    return 100.0 * pair[0] / pair[1] if pair[1] else 100.0


def gcov(counts):
    """What gcov says of one object file: {path: {line number: Line}}."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", counts],
                          capture_output=True, text=True, cwd=os.path.dirname(counts))
    found = {}
    for report in done.stdout.splitlines():
        if not report.startswith("{"):
            continue
        report = json.loads(report)
        for file in report["files"]:
            # the compiler was called in the build directory, with paths from there
            path = os.path.relpath(os.path.join(report["current_working_directory"], file["file"]),
                                   proof.SOURCE)
            if path.startswith("..") or path.startswith("build"):
                continue
            lines = found.setdefault(path, {})
            for line in file["lines"]:
                entry = lines.setdefault(line["line_number"], Line(line.get("function_name", "")))
                entry.add(line["count"], [b["count"] for b in line["branches"]])
    return found


def read_counts(build, wanted):
    """All files that `wanted(path)` takes: {path: {line number: Line}}."""
    objects = []
    for folder, _, names in os.walk(build):
        for name in names:
            if name.endswith(".gcno"):
                objects.append(os.path.join(folder, name))
    files = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(gcov, objects):
            for path, lines in found.items():
                if not wanted(path):
                    continue
                merged = files.setdefault(path, {})
                for number, line in lines.items():
                    if number in merged:
                        merged[number].add(line.count, line.branches)
                    else:
                        merged[number] = line
    return files


def forget_counts(build):
    """What earlier runs left."""
    for folder, _, names in os.walk(build):
        for name in names:
            if name.endswith(".gcda"):
                os.remove(os.path.join(folder, name))


def judge(path, lines, exceptions):
    """Counts what a file reached, exceptions aside."""
    source = Source(path)
    reached = Reached(path)
    for number, line in sorted(lines.items()):
        if number in source.asserted:
            continue
        text = source.text(number)
        taken = sum(1 for count in line.branches if count > 0)
        is_whole = line.count > 0 and taken == len(line.branches)
        if not is_whole and exceptions.covers(path, line.function, text):
            reached.excepted += 1
            continue
        reached.lines[0] += line.count > 0
        reached.lines[1] += 1
        reached.branches[0] += taken
        reached.branches[1] += len(line.branches)
        if line.count == 0:
            reached.missing.append((number, line.function, text, "not run"))
        elif not is_whole:
            left = [str(i + 1) for i, count in enumerate(line.branches) if count == 0]
            reached.missing.append((number, line.function, text,
                                    "branches %s not taken" % ", ".join(left)))
    return reached


def goal_of(path):
    """What a file has to reach; None when nobody asked."""
    for goal in GOALS:
        if fnmatch.fnmatch(path, goal.pattern):
            return goal
    return None


def wanted_by(only):
    """The files to look at."""
    def wanted(path):
        if not path.endswith(".c") or path.endswith("_test.c"):
            return False
        if only:
            return any(fnmatch.fnmatch(path, pattern) for pattern in only.split(","))
        return goal_of(path) is not None
    return wanted


def run_tests(p, build):
    """The suites, one after the other."""
    for suite in p.options.suites.split(","):
        p.progress(0, 1, "suite " + suite)
        listed = subprocess.run(["meson", "test", "-C", build, "--list", "--suite", suite],
                                capture_output=True, text=True)
        if not [line for line in listed.stdout.splitlines() if " / " in line]:
            continue  # a suite that this tree does not have
        done = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--suite", suite,
                               "--num-processes", str(p.options.jobs),
                               "--timeout-multiplier", TEST_SECONDS_FACTOR],
                              capture_output=True, text=True)
        if done.returncode != 0:
            p.failed("suite %s in %s" % (suite, BUILD), proof.tail(done.stdout, 20))


def tell(p, reached):
    """One file: its figures, whether it reached its goal, and what it did not."""
    p.figure(reached.path, "%5.1f %% of %4d lines  %5.1f %% of %4d branches" % (
        percent(reached.lines), reached.lines[1], percent(reached.branches), reached.branches[1]),
        "(%d lines excepted)" % reached.excepted if reached.excepted else "")
    if p.options.missing:
        p.clear()
        for number, function, text, what in reached.missing:
            print("%s:%d: %s: %s: %s" % (reached.path, number, function, what, text))
    goal = goal_of(reached.path)
    for name, pair, demanded in (("lines", reached.lines, goal.lines if goal else 0),
                                 ("branches", reached.branches, goal.branches if goal else 0)):
        if percent(pair) >= demanded:
            p.passed(1 if demanded else 0)
            continue
        shown = ["%s:%d: %s: %s" % (reached.path, number, what, text)
                 for number, _, text, what in reached.missing
                 if name == "branches" or what == "not run"]
        p.failed("%s: %.1f %% of %s, to reach: %d %%" % (
            reached.path, percent(pair), name, demanded), "\n".join(shown[:40]))


def prove(p):
    """Build, run, read, compare."""
    build = os.path.join(proof.SOURCE, BUILD)
    if p.options.suites:
        p.progress(0, 1, "builds")
        build = p.build(BUILD, "gcc", ["-Db_coverage=true", "-Doptimization=0"])
        forget_counts(build)
        run_tests(p, build)
    exceptions = Exceptions(EXCEPTIONS)
    files = read_counts(build, wanted_by(p.options.only))
    if not files:
        raise proof.Failure("no file matches '%s'" % p.options.only)
    total = [[0, 0], [0, 0]]
    for path in sorted(files):
        reached = judge(path, files[path], exceptions)
        tell(p, reached)
        for pair, more in zip(total, (reached.lines, reached.branches)):
            pair[0] += more[0]
            pair[1] += more[1]
    for text in exceptions.unused(files):
        p.failed("coverage_exceptions.txt: not needed or not there: " + text)
    p.figure("together", "%5.1f %% of %4d lines  %5.1f %% of %4d branches" % (
        percent(total[0]), total[0][1], percent(total[1]), total[1][1]))
