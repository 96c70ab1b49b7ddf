"""Mutants: small mistakes made on purpose, one at a time, in the code that must not be wrong. Each
must be noticed by a test. How it is done, and what to do with a survivor: tests/mutants/README.md."""

import json
import os
import random
import re
import selectors
import shlex
import subprocess
import sys
import threading
import time

from proof import SOURCE, Failure, tail

sys.path.insert(0, os.path.join(SOURCE, "tests", "mutants"))

import mutator  # noqa: E402

SUMMARY = "small mistakes in gate, budgets, dedup, journal, recovery ...: is each one noticed?"
OPTIONS = {"cycles": 250, "seeds": 100, "seed_start": 1, "only": ""}
OPTION_HELP = {
    "cycles": "how many mutants",
    "seeds": "how many lives of the simulator each has to get through",
    "seed_start": "what the lots are drawn by, and the first of those lives",
    "only": "parts whose name matches (gate|dedup), or mutants by name (brain/decide/gate.c:115)",
}
LISTED = os.path.join("tests", "mutants", "listed.txt")
SCORE_WANTED = 0.95
BUILD = "build-mutants"
BUILD_SANITIZED = "build-mutants-asan"
COMMON = ("-Doptimization=1", "-Ddebug=false", "-Dwerror=false")
SANITIZED = ("-Doptimization=1", "-Dwerror=false", "-Db_sanitize=address,undefined",
             "-Db_lundef=false")
MEMORY_MAX_KB = 6 * 1024 * 1024  # of a mutant that asks for memory for ever
PATIENCE_S = 10                  # on top of PATIENCE_TIMES what it takes without a mistake
PATIENCE_TIMES = 10
TEST_FAILED = b"[  FAILED  ]"    # how cmocka tells

DECIDE = "brain_decide_"
CORE = "brain_core_"
JOURNAL = "runtime_journal_"
BUDGETS = ("admitted_before|admit_target|window_count|admit_budgets|count_window|br_gate_consume|"
           "local_ms|target_key|hour_key")
THROTTLES = "apply_throttle|br_state_throttled"


class Part:
    """A promise of ours and where it is kept: (file, functions) pairs, and the tests that know it,
    the nearest first; the one that is run with sanitizers is the nearest, if no other is named."""

    def __init__(self, name, places, tests, sanitized=None):
        self.name = name
        self.places = places
        self.tests = [test + "_test" for test in tests]
        self.sanitized = sanitized + "_test" if sanitized else self.tests[0]

    def mutants(self):
        """All mutants of its places."""
        found = []
        for path, functions in self.places:
            with open(os.path.join(SOURCE, path), encoding="utf-8") as text:
                source = mutator.Source(path, text.read())
            found += [m for m in source.mutants() if re.fullmatch(functions, m.function)]
        return found


def all_but(functions):
    """A pattern for the other functions of a file."""
    return "(?!(%s)$).*" % functions


PARTS = (
    Part("gate", [("brain/decide/gate.c", all_but(BUDGETS))],
         [DECIDE + "gate", CORE + "decide", CORE + "state"]),
    Part("budgets", [("brain/decide/gate.c", BUDGETS), ("brain/core/state.c", THROTTLES),
                     ("brain/core/decide.c", "throttled"),
                     ("brain/playbook/consult.c", "throttle_key"),
                     ("brain/playbook/set.c", "br_playbooks_throttle_ms")],
         [DECIDE + "gate", CORE + "decide", CORE + "state", "brain_playbook_consult",
          "brain_playbook_set"]),
    Part("dedup", [("brain/decide/dedup.c", ".*")], [DECIDE + "dedup", CORE + "state"]),
    Part("outbox", [("brain/decide/outbox.c", ".*")],
         [DECIDE + "outbox", DECIDE + "gate", CORE + "state"]),
    Part("arbitration", [("brain/decide/arbitrate.c", ".*")],
         [DECIDE + "arbitrate", CORE + "decide"]),
    Part("state", [("brain/core/state.c", all_but(THROTTLES))],
         [CORE + "state", CORE + "decide", CORE + "recover"]),
    Part("recovery", [("brain/core/recover.c", ".*")], [CORE + "recover"]),
    Part("journal", [("runtime/journal/journal.c", ".*")],
         [JOURNAL + "mark", JOURNAL + "segment", JOURNAL + "reader", JOURNAL + "journal"],
         sanitized=JOURNAL + "reader"),
    Part("segment", [("runtime/journal/segment.c", ".*")],
         [JOURNAL + "segment", JOURNAL + "mark", JOURNAL + "reader", JOURNAL + "scrub",
          JOURNAL + "journal"]),
    Part("mark", [("runtime/journal/mark.c", ".*")],
         [JOURNAL + "mark", JOURNAL + "segment", JOURNAL + "scrub", JOURNAL + "reader",
          JOURNAL + "journal"]),
    Part("reader", [("runtime/journal/reader.c", ".*")],
         [JOURNAL + "reader", JOURNAL + "mark", JOURNAL + "segment", JOURNAL + "journal"]),
)


# --- which ---

def in_turn(mutants, seed):
    """The mutants in the order in which they are tried: by lot, all operators in turn, so that the
    most frequent kind of mistake does not crowd out the others."""
    lots = random.Random(seed)
    kinds = {}
    for mutant in mutants:
        kinds.setdefault(mutant.operator, []).append(mutant)
    for kind in sorted(kinds):
        lots.shuffle(kinds[kind])
    while any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind]:
                yield kinds[kind].pop()


class Supply:
    """Hands out (part, mutant): so many of each part, one more for each that does not compile."""

    def __init__(self, options):
        self._lock = threading.Lock()
        self._queues = []
        only = options.only
        by_name = "/" in only  # names of mutants: all that begin so, chosen or not
        parts = [p for p in PARTS if by_name or re.search(only, p.name)]
        for i, part in enumerate(parts):
            mutants = part.mutants()
            if by_name:
                mutants = [m for m in mutants if (m.name + ":").startswith(only.rstrip(":") + ":")]
            count = len(mutants) if by_name else \
                options.cycles // len(parts) + (i < options.cycles % len(parts))
            order = in_turn(mutants, "%d/%s" % (options.seed_start, part.name))
            self._queues.append([part, order, min(count, len(mutants))])
        self.total = sum(queue[2] for queue in self._queues)

    @property
    def parts(self):
        """The parts that are tried."""
        return [queue[0] for queue in self._queues if queue[2] > 0]

    def __iter__(self):
        return self

    def __next__(self):
        """From the part with the most left, so that a run cut short has seen some of each. May be
        asked again after the end: there is more when one was replaced."""
        with self._lock:
            for queue in sorted(self._queues, key=lambda q: -q[2]):
                mutant = next(queue[1], None) if queue[2] > 0 else None
                if mutant:
                    queue[2] -= 1
                    return queue[0], mutant
        raise StopIteration

    def replace(self, part):
        """One was no program at all: another one of its part."""
        with self._lock:
            for queue in self._queues:
                if queue[0] is part:
                    queue[2] += 1


def read_listed():
    """The mutants that are known to go unnoticed: (path, function, operator, before, after) ->
    (equivalent or accepted, reason)."""
    listed = {}
    with open(os.path.join(SOURCE, LISTED), encoding="utf-8") as text:
        blocks = re.split(r"\n\s*\n", re.sub(r"^#.*\n?", "", text.read(), flags=re.MULTILINE))
    for block in filter(str.strip, blocks):
        lines = block.strip().split("\n")
        match = re.fullmatch(r"(equivalent|accepted): (.+)", " ".join(
            line.strip() for line in lines[3:]))
        if len(lines) < 4 or not match or lines[1][:2] != "- " or lines[2][:2] != "+ ":
            raise Failure("%s: cannot read\n%s" % (LISTED, block))
        listed[(*lines[0].split(), lines[1][2:], lines[2][2:])] = match.groups()
    return listed


def key_of(mutant):
    """What a mutant is listed under: no line numbers, they change."""
    return (mutant.path, mutant.function, mutant.operator, mutant.before, mutant.after)


# --- how ---

class Bench:
    """A build, and how one file of it is compiled anew and linked into a program in the file's
    stead: the object goes before the archives, so the archived one is never looked at."""

    def __init__(self, p, directory, options, programs):
        self.path = p.build(directory, "gcc", options, programs)
        with open(os.path.join(self.path, "compile_commands.json"), encoding="utf-8") as text:
            # a file may be built twice, also for a program of its own below tests/
            self._compiles = {os.path.normpath(os.path.join(c["directory"], c["file"])): c
                              for c in json.load(text) if ".a.p/" in c["output"]}
        self._links = {}
        for program in programs:
            line = subprocess.run(["ninja", "-C", self.path, "-t", "commands", "-s", program],
                                  check=True, capture_output=True, text=True).stdout
            self._links[program] = shlex.split(line.strip().split("\n")[-1])

    def compile(self, path, source, out):
        """Compiles `source` as if it were the file `path`; False when it is no C."""
        command = shlex.split(self._compiles[os.path.join(SOURCE, path)]["command"])
        words = command[:command.index("-MD")] if "-MD" in command else command[:-2]
        # what a mistake leaves unset is the same nonsense each time
        words += ["-w", "-ftrivial-auto-var-init=pattern", "-o", out, "-c", source]
        return subprocess.run(words, cwd=self.path, capture_output=True, check=False
                              ).returncode == 0

    def link(self, program, objects, out):
        """Links a program with `objects` in place of what is in the archives."""
        words = list(self._links[program])
        at = words.index("-o")
        words[at:at + 2] = ["-o", out, *objects]
        done = subprocess.run(words, cwd=self.path, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure("%s does not link:\n%s" % (program, tail(done.stderr)))


class Trial:
    """One program to run with a mutant in it."""

    def __init__(self, bench, program, kind, args=()):
        self.bench = bench
        self.program = program
        self.kind = kind
        self.args = list(args)
        self.limit_s = None

    def run(self, program, timeout):
        """(whether it succeeded or None when it took too long, its output). Ends at the first test
        that fails, whatever else the program would try."""
        guard = "ulimit -c 0; "
        if not self.bench.path.endswith("asan"):
            guard += "ulimit -v %d; " % MEMORY_MAX_KB  # shadow memory needs more
        env = {**os.environ, "ASAN_OPTIONS": "hard_rss_limit_mb=4096"}
        process = subprocess.Popen(["sh", "-c", guard + 'exec "$@"', "sh", program, *self.args],
                                   cwd=SOURCE, env=env, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        until = time.monotonic() + timeout
        said = b""
        held = None
        with process, selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < until and held is None:
                if ready.select(until - time.monotonic()):
                    more = os.read(process.stdout.fileno(), 65536)
                    said += more
                    if not more:
                        held = self._ended(process, until)
                    elif TEST_FAILED in said[-len(more) - len(TEST_FAILED):]:
                        held = False
            process.kill()
        return held, said.decode("utf-8", "replace")

    @staticmethod
    def _ended(process, until):
        """Whether a program that says nothing more succeeded; None when it does not end."""
        try:
            return process.wait(max(0.1, until - time.monotonic())) == 0
        except subprocess.TimeoutExpired:
            return None


class Laboratory:
    """Builds once, then judges mutants."""

    def __init__(self, p, parts):
        self.p = p
        tests = sorted({test for part in parts for test in part.tests})
        sanitized = sorted({part.sanitized for part in parts})
        sim = "tests/sim/sim"
        self._plain = Bench(p, BUILD, COMMON, [*("tests/" + test for test in tests), sim])
        self._sanitized = Bench(p, BUILD_SANITIZED, SANITIZED,
                                ["tests/" + test for test in sanitized])
        self._trials = {test: Trial(self._plain, "tests/" + test, "unit") for test in tests}
        self._strict = {test: Trial(self._sanitized, "tests/" + test, "sanitized")
                        for test in sanitized}
        self._sim = Trial(self._plain, sim, "simulation",
                          ["--seed", str(p.options.seed_start), "--seeds", str(p.options.seeds)])
        self._scratch = p.scratch()
        self._numbers = iter(range(1 << 30))

    def measure(self):
        """How long everything takes without a mistake; all of it must succeed."""
        trials = [*self._trials.values(), *self._strict.values(), self._sim]
        for done, trial in enumerate(trials):
            self.p.progress(done, len(trials), "measuring " + trial.program)
            began = self.p.elapsed
            held, output = trial.run(os.path.join(trial.bench.path, trial.program), 600)
            if not held:
                raise Failure("%s fails without a mistake:\n%s" % (trial.program, tail(output)))
            trial.limit_s = PATIENCE_S + PATIENCE_TIMES * (self.p.elapsed - began)

    def _trials_of(self, part):
        """Unit tests; whole lives; a unit test with sanitizers."""
        return [*(self._trials[test] for test in part.tests), self._sim,
                self._strict[part.sanitized]]

    def judge(self, item):
        """What noticed a mutant: 'unit', 'sanitized' or 'simulation', with '(time)' behind it when
        by not ending; 'nothing'; or None when it is no program."""
        part, mutant = item
        place = os.path.join(self._scratch, str(next(self._numbers)))
        os.makedirs(place)
        source = os.path.join(place, os.path.basename(mutant.path))
        with open(source, "w", encoding="utf-8") as out:
            out.write('#line 1 "%s"\n' % mutant.path + mutant.apply())
        verdict = self._try(part, mutant, source)
        subprocess.run(["rm", "-rf", place], check=False)
        return verdict

    def _try(self, part, mutant, source):
        program = source + ".out"
        objects = {}
        for trial in self._trials_of(part):
            bench = trial.bench
            if bench not in objects:
                objects[bench] = "%s.%d.o" % (source, len(objects))
                if not bench.compile(mutant.path, source, objects[bench]):
                    return None
            bench.link(trial.program, [objects[bench]], program)
            held, _ = trial.run(program, trial.limit_s)
            if held is None:
                return trial.kind + " (time)"
            if not held:
                return trial.kind
        return "nothing"


def check_listed(p, listed):
    """Each listed mutant must be one that can be made: else its line has changed."""
    known = {key_of(m) for part in PARTS for m in part.mutants()}
    for key in listed:
        if key not in known:
            p.failed("%s lists a mutant that is none any more" % LISTED,
                     "%s %s %s\n- %s\n+ %s" % key)


def prove(p):
    """Judges so many mutants of each part."""
    listed = read_listed()
    check_listed(p, listed)
    supply = Supply(p.options)
    if supply.total == 0:
        raise Failure("no mutant of that name")
    laboratory = Laboratory(p, supply.parts)
    laboratory.measure()
    verdicts = {}
    judged = 0
    for (part, mutant), verdict in p.each(laboratory.judge, supply):
        if verdict is None:
            supply.replace(part)
            continue
        judged += 1
        note = "%s %s" % (mutant.name, verdict)
        kind, reason = listed.get(key_of(mutant), (None, None))
        if verdict == "nothing" and kind:
            verdict = kind
        verdicts.setdefault(part.name, []).append(verdict)
        if verdict == "nothing":
            p.failed("nobody notices " + mutant.name, mutant.diff,
                     "tools/prove mutants --only %s" % mutant.name)
        elif kind and verdict not in ("equivalent", "accepted"):
            p.failed("%s is listed and noticed" % mutant.name, mutant.diff + "\n" + reason)
        else:
            p.passed()
        p.progress(judged, supply.total, note)
    report(p, verdicts)


def report(p, verdicts):
    """The figures: of each part and of all."""
    every = [v for part in verdicts.values() for v in part]

    def count(kind, among=every):
        return sum(v.startswith(kind) for v in among)

    def score(among):
        killed = len(among) - sum(count(k, among) for k in ("nothing", "accepted", "equivalent"))
        return killed / max(1, len(among) - count("equivalent", among))

    p.figure("mutants", len(every))
    p.figure("killed by unit tests", count("unit"))
    p.figure("killed by sanitized unit tests", count("sanitized"))
    p.figure("killed by simulation", count("simulation"))
    p.figure("of them by not ending", sum(v.endswith("(time)") for v in every))
    p.figure("equivalent, explained", count("equivalent"))
    p.figure("survived, accepted with a reason", count("accepted"))
    p.figure("survived", count("nothing"))
    for name in sorted(verdicts):
        p.figure("killed of " + name, round(100 * score(verdicts[name]), 1),
                 "% of " + str(len(verdicts[name])))
    p.figure("killed of those not equivalent", round(100 * score(every), 1), "%")
    if every and score(every) < SCORE_WANTED:
        p.failed("less than %d %% are noticed" % round(100 * SCORE_WANTED))
