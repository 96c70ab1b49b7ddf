"""libFuzzer over every door that bytes come in by: tests/fuzz.

Each target runs in two builds. The bulk of the executions runs in build-fuzz/: optimised,
assertions on, undefined behaviour stops it, edges counted. Before it a share (SANITIZED_S) runs in
build-fuzz-asan/ under the address and undefined-behaviour sanitizers with leak detection, and
watches comparisons too; what it finds new, the bulk takes up. First of all the corpus in the tree
and all inputs of old bugs (tests/regress/fuzz) are replayed under the sanitizers, and at last all
inputs with gcc: none may take more than SLOW_MS. What breaks a target stays in build-fuzz/found.

--cycles is the number of executions of a target; those in MANY get so many times as much.
"""

import collections
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import time

import proof

SUMMARY = "libFuzzer over every parser, door and store"
OPTIONS = {"only": "", "cycles": 100000, "seed_start": 1, "merge": False}
OPTION_HELP = {
    "only": "only targets whose name matches this regular expression",
    "cycles": "executions of each target, envelope, journal and control five times as many",
    "seed_start": "another one makes another campaign: executions of several add up",
    "merge": "afterwards keep in tests/fuzz/corpus what reaches something, minimised",
}

FUZZ = os.path.join(proof.SOURCE, "tests", "fuzz")
REGRESS = os.path.join(proof.SOURCE, "tests", "regress", "fuzz")
SANITIZED_S = 3.0     # seconds under the sanitizers for each million executions of the bulk
SANITIZED_S_MIN = 5
CHUNK = 2000000       # executions of one process
SLOW_MS = 100         # of processor time, for one input without sanitizers
SEEDS_EACH = 100000   # seeds of processes that one --seed-start has to itself
FAILURES_MAX = 3      # of one target; then it is left alone
MANY = {"envelope": 5, "journal": 5, "control": 5}

Target = collections.namedtuple("Target", "name max_len flags")
# Short inputs run faster and say as much; where a lot of code runs, repetitions are not counted.
TARGETS = [
    Target("control", 160, ["-use_counters=0"]),
    Target("log", 96, ["-use_counters=0"]),
    Target("link_brain", 300, ["-use_counters=0"]),
    Target("link_host", 300, ["-use_counters=0"]),
    Target("playbook", 700, ["-use_counters=0"]),
    Target("course", 100, ["-use_counters=0"]),
    Target("catalog", 500, ["-use_counters=0"]),
    Target("config", 400, ["-use_counters=0"]),
    Target("envelope", 256, []),
    Target("journal", 256, []),
    Target("tables", 160, []),
    Target("expr", 160, []),
    Target("json", 256, []),
    Target("guard", 200, []),
]


class Tally:
    """What one target reached."""

    def __init__(self, target, wanted):
        self.target = target
        self.wanted = wanted
        self.executions = {"fast": 0, "sanitized": 0}
        self.cpu_s = {"fast": 0.0, "sanitized": 0.0}
        self.coverage = 0
        self.features = 0
        self.peak_mb = 0
        self.findings = 0


class Job:
    """One process: a target in one build, for so many executions."""

    def __init__(self, target, build, runs, number):
        self.target = target
        self.build = build
        self.runs = runs
        self.number = number


class Campaign:
    """Programs, folders and tallies of one run."""

    def __init__(self, p):
        self.p = p
        self.scratch = p.scratch()
        self.found = os.path.join(proof.SOURCE, "build-fuzz", "found")
        self.targets = [t for t in TARGETS if re.search(p.options.only, t.name)]
        if not self.targets:
            raise proof.Failure("no target matches '%s'" % p.options.only)
        self.tallies = {t.name: Tally(t, p.options.cycles * MANY.get(t.name, 1))
                        for t in self.targets}

    def program(self, name, build):
        """The libFuzzer of a target."""
        folder = "build-fuzz" if build == "fast" else "build-fuzz-asan"
        return os.path.join(proof.SOURCE, folder, "tests", "fuzz", name + "_fuzz")

    def corpora(self, name):
        """What stands in the tree, and the inputs of old bugs."""
        return [path for path in (os.path.join(FUZZ, "corpus", name), os.path.join(REGRESS, name))
                if os.path.isdir(path)]

    def fresh(self, name):
        """What this run finds."""
        path = os.path.join(self.scratch, "corpus", name)
        os.makedirs(path, exist_ok=True)
        return path

    def dictionary(self, name):
        """-dict of a target that has one."""
        path = os.path.join(self.scratch, "seeds", name + ".dict")
        return ["-dict=" + path] if os.path.exists(path) else []


def build(p, targets):
    """Both builds, and the programs that replay."""
    p.progress(0, 1, "builds")
    made = ["tests/fuzz/%s_fuzz" % t.name for t in targets]
    p.build("build-fuzz", "clang", ["-Dfuzz=fast", "-Db_lundef=false"], made)
    p.build("build-fuzz-asan", "clang",
            ["-Dfuzz=thorough", "-Db_sanitize=address,undefined", "-Db_lundef=false"], made)
    p.build("build", "gcc", [], made)


def run(command, environment, log):
    """Runs to the end; (exit code, processor time)."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, cwd=proof.SOURCE,
                                 env={**os.environ, **environment})
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime


ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def stats(text):
    """Executions, coverage, features, peak memory of a libFuzzer's output."""
    def last(pattern):
        found = re.findall(pattern, text)
        return int(found[-1]) if found else 0
    return (last(r"stat::number_of_executed_units: (\d+)"), last(r"cov: (\d+)"), last(r"ft: (\d+)"),
            last(r"stat::peak_rss_mb: +(\d+)"))


def keep_finding(campaign, job, artifacts, history):
    """Moves what broke it to where it stays; the life before it, too."""
    kept = []
    folder = os.path.join(campaign.found, job.target.name)
    os.makedirs(folder, exist_ok=True)
    for path in glob.glob(artifacts + "*"):
        kept.append(os.path.join(folder, os.path.basename(path)[len(os.path.basename(artifacts)):]))
        shutil.move(path, kept[-1])
    if os.path.exists(history):
        with open(history, "rb") as whole:
            used, = struct.unpack("<I", whole.read(4))
            said = whole.read(used)
        if said:
            kept.append(os.path.join(folder, "life-" + hashlib.sha1(said).hexdigest()))
            with open(kept[-1], "wb") as out:
                out.write(said)
    return kept


def fuzz(campaign, job):
    """Runs one job; (job, exit code, log, kept findings)."""
    target = job.target
    mark = "%s-%s-%d" % (target.name, job.build, job.number)
    log = os.path.join(campaign.scratch, mark + ".log")
    artifacts = os.path.join(campaign.scratch, mark + "-artifact-")
    history = os.path.join(campaign.scratch, mark + ".history")
    command = [campaign.program(target.name, job.build), "-runs=%d" % job.runs,
               "-seed=%d" % (campaign.p.options.seed_start * SEEDS_EACH + job.number), "-max_len=%d" % target.max_len, "-timeout=1",
               "-rss_limit_mb=%d" % (512 if job.build == "fast" else 2048), "-malloc_limit_mb=256",
               "-print_final_stats=1", "-artifact_prefix=" + artifacts, *target.flags,
               *campaign.dictionary(target.name)]
    seconds = [] if campaign.p.options.seconds is None else [
        campaign.p.options.seconds - campaign.p.elapsed]
    if job.build == "sanitized":
        command[command.index("-timeout=1")] = "-timeout=10"
        seconds.append(max(SANITIZED_S_MIN, job.runs / 1e6 * SANITIZED_S))
    if seconds:
        command.append("-max_total_time=%d" % max(1, int(min(seconds))))
    command += [campaign.fresh(target.name), *campaign.corpora(target.name)]
    code, cpu_s = run(command, {**ENVIRONMENT, "FUZZ_HISTORY": history}, log)
    with open(log, encoding="utf-8", errors="replace") as text:
        said = text.read()
    tally = campaign.tallies[target.name]
    executed, coverage, features, peak_mb = stats(said)
    tally.executions[job.build] += executed
    tally.cpu_s[job.build] += cpu_s
    if job.build == "fast":
        tally.coverage = max(tally.coverage, coverage)
        tally.features = max(tally.features, features)
        tally.peak_mb = max(tally.peak_mb, peak_mb)
    kept = keep_finding(campaign, job, artifacts, history) if code != 0 else []
    return code, said, kept


def shown(said):
    """What of a failing libFuzzer's output says what happened."""
    telling = r"assertion failed|unreachable|ERROR|runtime error|SUMMARY|^ +#\d+ .* in (?!fuzzer)"
    lines = [line for line in said.splitlines() if re.search(telling, line)]
    return "\n".join(lines[:25]) or proof.tail(said)


def replay_regressions(campaign):
    """The corpus and the inputs of old bugs, under the sanitizers."""
    for number, target in enumerate(campaign.targets):
        campaign.p.progress(number, len(campaign.targets), "replays " + target.name)
        folders = campaign.corpora(target.name)
        log = os.path.join(campaign.scratch, "replay-%s.log" % target.name)
        command = [campaign.program(target.name, "sanitized"), "-runs=0", "-timeout=10",
                   "-rss_limit_mb=2048",
                   "-artifact_prefix=" + os.path.join(campaign.scratch, "replay-"), *folders]
        code, _ = run(command, ENVIRONMENT, log)
        if code == 0:
            campaign.p.passed(sum(len(os.listdir(folder)) for folder in folders))
        else:
            with open(log, encoding="utf-8", errors="replace") as text:
                campaign.p.failed("%s: an input of the tree fails" % target.name,
                                  shown(text.read()), " ".join(command))


def jobs_of(campaign):
    """The sanitized share first, so that the bulk starts from what it found."""
    jobs = []
    for target in campaign.targets:
        jobs.append(Job(target, "sanitized", campaign.tallies[target.name].wanted, 0))
    bulk = []
    for target in campaign.targets:
        left = campaign.tallies[target.name].wanted
        number = 1
        while left > 0:
            bulk.append(Job(target, "fast", min(CHUNK, left), number))
            left -= CHUNK
            number += 1
    # one chunk of each in turn: a run that is cut short has done something of all
    bulk.sort(key=lambda job: job.number)
    return jobs + bulk


def note(campaign, job, code, said, kept):
    """Counts a job; a failing one is told with how to see it again."""
    p = campaign.p
    tally = campaign.tallies[job.target.name]
    if code == 0:
        p.passed()
        return
    tally.findings += 1
    again = " ".join([os.path.relpath(campaign.program(job.target.name, job.build), proof.SOURCE)] +
                     [os.path.relpath(path, proof.SOURCE) for path in kept])
    p.failed("%s (%s build)" % (job.target.name, job.build), shown(said), again)


def run_jobs(campaign):
    """All jobs, some at a time; a target that keeps failing is left alone."""
    p = campaign.p
    jobs = jobs_of(campaign)
    total = sum(t.wanted for t in campaign.tallies.values())

    def work(job):
        if campaign.tallies[job.target.name].findings >= FAILURES_MAX:
            return 0, "", []
        return fuzz(campaign, job)

    for job, (code, said, kept) in p.each(work, jobs):
        note(campaign, job, code, said, kept)
        done = sum(t.executions["fast"] for t in campaign.tallies.values())
        p.progress(min(done, total - 1), total, "executions, last: %s" % job.target.name)


def check_slow(campaign):
    """No input of tree or campaign may take long, without sanitizers."""
    for target in campaign.targets:
        program = os.path.join(proof.SOURCE, "build", "tests", "fuzz", target.name + "_fuzz")
        done = subprocess.run([program, "--slow-ms", str(SLOW_MS), campaign.fresh(target.name),
                               *campaign.corpora(target.name)],
                              cwd=proof.SOURCE, capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            campaign.p.passed()
        else:
            kept = os.path.join(campaign.found, target.name)
            os.makedirs(kept, exist_ok=True)
            for path in re.findall(r"^slow: (\S+)", done.stdout + done.stderr, re.M):
                shutil.copy(path, os.path.join(kept, "slow-" + os.path.basename(path)))
            campaign.p.failed("%s: replayed with gcc" % target.name,
                              proof.tail(done.stdout + done.stderr))


def merge(campaign):
    """Keeps of corpus, seeds and campaign the smallest inputs that reach something."""
    for number, target in enumerate(campaign.targets):
        campaign.p.progress(number, len(campaign.targets), "merges " + target.name)
        home = os.path.join(FUZZ, "corpus", target.name)
        new = home + ".new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        log = os.path.join(campaign.scratch, "merge-%s.log" % target.name)
        command = [campaign.program(target.name, "fast"), "-merge=1", "-use_counters=0",
                   "-max_len=4096", new, campaign.fresh(target.name),
                   *campaign.corpora(target.name)]
        code, _ = run(command, ENVIRONMENT, log)
        if code != 0 or not os.listdir(new):
            campaign.p.failed("%s does not merge" % target.name)
            continue
        shutil.rmtree(home, ignore_errors=True)
        os.rename(new, home)
        campaign.p.passed()


def tell(campaign):
    """The figures, a target a line."""
    p = campaign.p
    for tally in campaign.tallies.values():
        fast, slow = tally.executions["fast"], tally.executions["sanitized"]
        corpus = len(os.listdir(campaign.fresh(tally.target.name)))
        rates = (fast / max(tally.cpu_s["fast"], 0.001),
                 slow / max(tally.cpu_s["sanitized"], 0.001))
        p.figure(tally.target.name, "%11s executions  %7.0f/s  %9s sanitized  %6.0f/s" % (
            "{:,}".format(fast), rates[0], "{:,}".format(slow), rates[1]),
            "%5d edges  %6d features  %5d new inputs  %3d MiB  %d findings" % (
                tally.coverage, tally.features, corpus, tally.peak_mb, tally.findings))
        if not p.out_of_time and tally.findings == 0 and fast < tally.wanted:
            p.failed("%s: %d executions instead of %d" % (tally.target.name, fast, tally.wanted))
    p.figure("together, executions", sum(t.executions["fast"] for t in campaign.tallies.values()))
    p.figure("together, under sanitizers",
             sum(t.executions["sanitized"] for t in campaign.tallies.values()))
    p.figure("processor time", sum(sum(t.cpu_s.values()) for t in campaign.tallies.values()), "s")


def prove(p):
    """Builds, replays, fuzzes, tells."""
    campaign = Campaign(p)
    build(p, campaign.targets)
    subprocess.run([sys.executable, os.path.join(FUZZ, "seeds.py"),
                    os.path.join(campaign.scratch, "seeds")], check=True)
    if not p.options.merge or glob.glob(os.path.join(FUZZ, "corpus", "*")):
        replay_regressions(campaign)
    for target in campaign.targets:
        seeds = os.path.join(campaign.scratch, "seeds", target.name)
        for name in os.listdir(seeds):
            shutil.copy(os.path.join(seeds, name), campaign.fresh(target.name))
    run_jobs(campaign)
    check_slow(campaign)
    tell(campaign)
    if p.options.merge:
        merge(campaign)
