"""What the proofs share: options, counting, progress, builds, and the report at the end.

A proof is a module beside this one with SUMMARY (a line), OPTIONS (its options and their defaults),
OPTION_HELP (of options that are its alone, may be left out) and prove(p), where p is a Proof. It
counts with p.passed and p.failed, tells figures with p.figure, and looks at p.out_of_time between
its steps.
"""

import argparse
import concurrent.futures
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROOFS = ("sim", "crash", "powercut", "io", "oom", "bitrot", "fuzz", "doors", "coverage", "mutants",
          "planted", "cel", "cel_diff", "tsan", "valgrind", "analyze")
FAILURES_SHOWN_MAX = 20
PROGRESS_EVERY_S = 0.2
HELP = {
    "seeds": "how many seeds", "seed_start": "the first of them", "cycles": "how many cycles",
    "seconds": "stop after this long: 90, 90s, 30m or 2h", "jobs": "processes at a time",
    "trace": "tell what happens to one seed", "only": "only the parts whose name matches",
}
FLAGS = {"seconds": "--for"}


class Failure(Exception):
    """A proof that cannot go on: a build that fails, a program that is missing."""


def duration(text):
    """Seconds of '90', '90s', '30m', '2h'."""
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    if not match:
        raise argparse.ArgumentTypeError("a time like 90, 90s, 30m or 2h, not '%s'" % text)
    return int(match.group(1)) * {"": 1, "s": 1, "m": 60, "h": 3600}[match.group(2)]


def tail(text, lines=15):
    """The last lines of a program's output."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


class Proof:
    """One proof while it runs: its options, what it counted, its figures."""

    def __init__(self, name, options, terminal):
        self.name = name
        self.options = options
        self.counts = {"passed": 0, "failed": 0}
        self.failures = []
        self.figures = []
        self.skipped = ""
        self.started = time.monotonic()
        self._terminal = terminal
        self._told = 0.0
        self._dirs = []

    # --- counting ---

    def passed(self, count=1):
        """So many checks held."""
        self.counts["passed"] += count

    def failed(self, what, detail="", again=""):
        """One did not: what, how it shows, and the command that shows it again."""
        self.counts["failed"] += 1
        self.failures.append({"what": what, "detail": detail, "again": again})
        if self.counts["failed"] <= FAILURES_SHOWN_MAX:
            self.clear()
            print("FAILED  %s: %s" % (self.name, what), file=sys.stderr)
            for line in detail.splitlines():
                print("    " + line, file=sys.stderr)
            if again:
                print("    again: " + again, file=sys.stderr)

    def skip(self, why):
        """What it needs is not here: nothing is checked, and that is no failure."""
        self.skipped = why

    def figure(self, name, value, unit=""):
        """A figure of the report: what was measured, with its unit."""
        self.figures.append({"proof": self.name, "name": name, "value": value, "unit": unit})

    # --- time ---

    @property
    def elapsed(self):
        """Seconds since the proof began."""
        return time.monotonic() - self.started

    @property
    def out_of_time(self):
        """Whether --for is over."""
        return self.options.seconds is not None and self.elapsed >= self.options.seconds

    def progress(self, done, total, note=""):
        """Tells a terminal how far it is; says nothing in a pipe."""
        now = time.monotonic()
        if not self._terminal or (now - self._told < PROGRESS_EVERY_S and done != total):
            return
        self._told = now
        width = shutil.get_terminal_size().columns - 1
        line = "%s  %d of %d  %d failed  %.0f s  %s" % (
            self.name, done, total, self.counts["failed"], self.elapsed, note)
        sys.stderr.write("\r\033[K" + line[:width])
        sys.stderr.flush()

    def clear(self):
        """Ends the progress line."""
        if self._terminal:
            sys.stderr.write("\r\033[K")

    # --- work ---

    def scratch(self, in_memory=False):
        """A directory that is gone when the proof ends; in memory, if asked for and if there is such."""
        memory = "/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None
        path = tempfile.mkdtemp(prefix="cerebro-prove-", dir=memory)
        self._dirs.append(path)
        return path

    def clean(self):
        """Removes what scratch made."""
        for path in self._dirs:
            shutil.rmtree(path, ignore_errors=True)

    def build(self, directory="build", compiler="gcc", options=(), targets=()):
        """Builds (parts of) the tree in a directory below the root; returns its path."""
        path = os.path.join(SOURCE, directory)
        log = path + ".log"
        with open(log, "w", encoding="utf-8") as out:
            done = 0
            if not os.path.exists(os.path.join(path, "build.ninja")):
                done = subprocess.call(["meson", "setup", path, SOURCE, *options], stdout=out,
                                       stderr=out, env={**os.environ, "CC": compiler})
            if done == 0:
                done = subprocess.call(["ninja", "-C", path, "-j", str(os.cpu_count()), *targets],
                                       stdout=out, stderr=out)
        if done != 0:
            with open(log, encoding="utf-8") as text:
                raise Failure("%s does not build:\n%s" % (directory, tail(text.read(), 40)))
        os.remove(log)
        return path

    def each(self, work, items):
        """Runs work(item) for every item, --jobs at a time; yields (item, result) as they end.

        Stops handing out items when the time is over.
        """
        todo = iter(items)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            under_way = {}

            def hand_out():
                while len(under_way) < self.options.jobs and not self.out_of_time:
                    try:
                        item = next(todo)
                    except StopIteration:
                        return
                    under_way[pool.submit(work, item)] = item

            hand_out()
            while under_way:
                ended, _ = concurrent.futures.wait(
                    under_way, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in ended:
                    yield under_way.pop(future), future.result()
                hand_out()


# --- the command ---

def load(name):
    """The module of a proof, under a name of its own: `io` is one of Python's as well."""
    known_as = "proof_" + name
    if known_as not in sys.modules:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
        spec = importlib.util.spec_from_file_location(known_as, path)
        sys.modules[known_as] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known_as])
    return sys.modules[known_as]


def known():
    """The proofs that are here."""
    here = os.path.dirname(__file__)
    return [name for name in PROOFS if os.path.exists(os.path.join(here, name + ".py"))]


def parser():
    """The command line; each proof's options are its own."""
    top = argparse.ArgumentParser(
        prog="tools/prove", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Proves that nothing is lost: long runs under faults, with figures.",
        epilog="The last line is 'N passed, N failed'; the exit code is 0 only when nothing failed.\n"
               "example: tools/prove sim --seeds 2000        tools/prove crash --cycles 1000 -o json")
    subs = top.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name in known() + ["all"]:
        module = load(name) if name != "all" else None
        summary = module.SUMMARY if module else "everything above, one after the other"
        sub = subs.add_parser(name, help=summary, description=summary)
        helps = {**HELP, **getattr(module, "OPTION_HELP", {})}
        for option, default in (module.OPTIONS if module else {}).items():
            if isinstance(default, bool):
                sub.add_argument("--" + option.replace("_", "-"), action="store_true",
                                 help=helps.get(option))
            elif isinstance(default, int):
                sub.add_argument("--" + option.replace("_", "-"), type=int, default=default,
                                 metavar="N", help="%s (%d)" % (helps.get(option, option), default))
            else:
                sub.add_argument("--" + option.replace("_", "-"), default=default, metavar="TEXT",
                                 help=helps.get(option))
        sub.add_argument("--for", dest="seconds", type=duration, default=None, metavar="TIME",
                         help=HELP["seconds"] + ", for each proof")
        sub.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                         help="%s (%d)" % (HELP["jobs"], os.cpu_count()))
        sub.add_argument("-o", dest="output", choices=("text", "json"), default="text",
                         help="how the report is written")
    return top


def options_of(name, given):
    """A proof's own options when it runs as a part of `all`."""
    options = argparse.Namespace(**load(name).OPTIONS)
    for key in ("seconds", "jobs"):
        setattr(options, key, getattr(given, key))
    for key in load(name).OPTIONS:
        if hasattr(given, key):
            setattr(options, key, getattr(given, key))
    return options


def run(name, given):
    """One proof from beginning to end."""
    p = Proof(name, options_of(name, given), sys.stderr.isatty())
    try:
        load(name).prove(p)
        if sum(p.counts.values()) == 0 and not p.skipped:
            p.failed("nothing was checked")
    except Failure as failure:
        p.failed("cannot go on", str(failure))
    finally:
        p.clear()
        p.clean()
    return p


def report_text(proofs):
    """What a person reads."""
    for p in proofs:
        print("%s: %d passed, %d failed in %.0f s" % (p.name, p.counts["passed"],
                                                      p.counts["failed"], p.elapsed))
        if p.skipped:
            print("  skipped: " + p.skipped)
        for figure in p.figures:
            value = figure["value"]
            shown = "%.4g" % value if isinstance(value, float) else "{:,}".format(value) \
                if isinstance(value, int) else value
            print("  %-44s %s %s" % (figure["name"], shown, figure["unit"]))


def main(args):
    """tools/prove."""
    given = parser().parse_args(args)
    names = known() if given.what == "all" else [given.what]
    os.chdir(SOURCE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    proofs = []
    try:
        for name in names:
            proofs.append(run(name, given))
    except KeyboardInterrupt:
        print("prove: interrupted", file=sys.stderr)
        return 130
    passed = sum(p.counts["passed"] for p in proofs)
    failed = sum(p.counts["failed"] for p in proofs)
    if given.output == "json":
        print(json.dumps({"passed": passed, "failed": failed,
                          "figures": [f for p in proofs for f in p.figures],
                          "skipped": {p.name: p.skipped for p in proofs if p.skipped},
                          "failures": [f for p in proofs for f in p.failures]}, indent=1))
    else:
        report_text(proofs)
        print("%d passed, %d failed" % (passed, failed))
    return 0 if failed == 0 else 1
