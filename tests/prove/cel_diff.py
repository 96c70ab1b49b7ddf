"""Random expressions mean the same in brain/expr and in another implementation of CEL.

The other one is npm's @bufbuild/cel, with what it lacks and with its known faults mended: tests/cel. An
expression is evaluated with several values of its variables; each evaluation is a case. Every
expression has a number, which is its seed.
"""

import json
import os
import shutil
import subprocess
import sys
import threading

import proof

cel = proof.load("cel")

SUMMARY = "random expressions in brain/expr and in another implementation of CEL"
OPTIONS = {"cycles": 1000000, "seed_start": 1, "data": ""}
OPTION_HELP = {"cycles": "how many expressions", "data": "conformance tests to make mutants of"}

HOME = os.path.join(proof.SOURCE, "tests", "cel")
NODE_MAJOR_MIN = 18
FAILURES_MAX = 40  # of one worker, each made small


def missing():
    """Why it cannot run here, or ''."""
    if shutil.which("node") is None:
        return "no node: tools/setup --npm installs it"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < NODE_MAJOR_MIN:
        return "node is %s, wanted is %d or later" % (version.strip(), NODE_MAJOR_MIN)
    if not os.path.exists(os.path.join(HOME, "node_modules", "@bufbuild", "cel", "package.json")):
        return "no @bufbuild/cel in tests/cel/node_modules: tools/setup --npm installs it"
    return ""


def write_corpus(p):
    """The expressions of the conformance tests that are not about messages; '' when there are none."""
    directory = cel.data_directory(p.options.data)
    if directory is None:
        return ""
    corpus = []
    for files in cel.PHASES.values():
        for name in files:
            for _, test in cel.tests_of(os.path.join(directory, name + ".textproto")):
                if not cel.protobuf_reason(test):
                    question = cel.question_of(test)
                    question["expr"] = bytes.fromhex(question["expr"]).decode("utf-8", "replace")
                    corpus.append(question)
    path = os.path.join(p.scratch(), "corpus.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(corpus, file)
    return path


class Worker:
    """A node process that takes its share of the expressions."""

    def __init__(self, p, program, corpus, part):
        self.figures = {}
        self.mended = {}
        self.found = []
        options = {"eval": program, "first": p.options.seed_start, "count": p.options.cycles,
                   "part": part, "parts": p.options.jobs, "corpus": corpus,
                   "failures": FAILURES_MAX, "seconds": p.options.seconds}
        self.child = subprocess.Popen(
            ["node", os.path.join(HOME, "worker.mjs"), json.dumps(options)],
            stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC"})
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        """Takes what it says until it ends."""
        for line in self.child.stdout:
            said = json.loads(line)
            if "disagreement" in said:
                self.found.append(said["disagreement"])
            else:
                self.figures, self.mended = said["figures"], said["mended"]


def tell(p, found):
    """A disagreement, made small."""
    lines = [found["text"]]
    if found["theirText"]:
        lines.append("for the oracle: " + found["theirText"])
    if found["container"]:
        lines.append("in the container " + found["container"])
    lines += ["with " + binding for binding in found["bindings"]]
    lines += ["brain/expr: " + found["ours"], "the oracle: " + found["theirs"]]
    p.failed("%s, expression %d" % (found["kind"], found["seed"]), "\n".join(lines),
             "tools/prove cel_diff --seed-start %d --cycles 1" % found["seed"])


def watch(p, workers):
    """Tells what is found until all have ended."""
    told = [0] * len(workers)
    while True:
        alive = any(w.thread.is_alive() for w in workers)
        for i, worker in enumerate(workers):
            for found in worker.found[told[i]:]:
                told[i] += 1
                tell(p, found)
        p.progress(sum(w.figures.get("expressions", 0) for w in workers), p.options.cycles)
        if not alive:
            return
        for worker in workers:
            worker.thread.join(0.2)


def prove(p):
    """Compares."""
    why = missing()
    if why:
        p.skip(why)
        return
    program = cel.program(p)
    corpus = write_corpus(p)
    workers = [Worker(p, program, corpus, part) for part in range(p.options.jobs)]
    try:
        watch(p, workers)
    finally:
        for worker in workers:
            worker.child.terminate()
            worker.child.wait()
    for worker in workers:
        if worker.child.returncode != 0:
            p.failed("a worker ended with %d" % worker.child.returncode)
    report(p, workers, corpus)


def report(p, workers, corpus):
    """Counts and figures of all workers."""
    def total(name):
        return sum(w.figures.get(name, 0) for w in workers)

    p.passed(total("values") + total("errors"))
    p.figure("expressions", total("expressions"), "(%d of them mutants%s)" % (
        total("mutants"), "" if corpus else "; none of conformance tests, which are not here"))
    p.figure("cases", total("cases"), "(%.0f a second)" % (total("cases") / max(p.elapsed, 1)))
    p.figure("the same value", total("values"))
    p.figure("an error in both", total("errors"))
    p.figure("at a limit of brain/expr", total("limited"), "not compared")
    p.figure("beyond the oracle's syntax", total("alone"), "compared with and without static types")
    p.figure("other value, known by the text", total("excused"), "not compared")
    p.figure("disagreements", sum(len(w.found) for w in workers))
    for name in sorted({name for w in workers for name in w.mended}):
        p.figure("mended: " + name, sum(w.mended.get(name, 0) for w in workers), "times")


if __name__ == "__main__":
    sys.exit(proof.main(["cel_diff"] + sys.argv[1:]))
