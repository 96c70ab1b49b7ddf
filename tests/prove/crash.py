"""kill -9 and SIGTERM at random moments on the real daemon: nothing acknowledged is lost or doubled.

Four producers (tests/tools/foreign_producer) keep lists of their own, synced to disk, of what was
acknowledged; a receiver keeps book of every webhook. An era is one data directory: some twenty-five
lives of the daemon, then the books are compared. Everything random comes from the seed, but where
exactly a kill hits is also up to the machine.
"""

import atexit
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import proof

sys.path.insert(0, os.path.join(proof.SOURCE, "tests", "integration"))

import harness  # noqa: E402
import mp  # noqa: E402
import receiver  # noqa: E402

SUMMARY = "kill -9 and SIGTERM at random moments while four producers send, on the real daemon"
OPTIONS = {"cycles": 1000, "seed_start": 0}
TARGETS = ("tools/braind/braind", "tools/brain-agent/brain-agent", "tools/replay/brain-replay",
           "tools/verify/brain-verify", "tests/tools/foreign_producer", "tests/tools/journal_dump",
           "tests/audit/audit")
PRODUCER = harness.program("tests/tools/foreign_producer")
AUDIT = harness.program("tests/audit/audit")
PRODUCERS = 4
DECK = ("kill",) * 17 + ("early",) * 3 + ("twice",) * 3 + ("term",) * 2
EVENTS_A_CYCLE = 5000  # at most; half of it on average
STREAM_EVENTS = 70000  # of each producer, for two decks
STOP_SECONDS = 2.0
ACK_SECONDS = 30
POLL = 0.002
WEBHOOKS = ("open_case", "reschedule_delivery")


# what the audit's findings count as
RULES = {"acked-lost": "lost", "acked-twice": "duplicated", "event-twice": "duplicated",
         "intent-twice": "effects duplicated", "outcome-second": "effects duplicated"}


class Broken(Exception):
    """Something did not hold; the era ends."""


def percentile(values, share):
    """The value below which that share lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def civil_date(at):
    """A day as brain-replay takes it."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


class Figures:
    """What is counted over all eras."""

    def __init__(self):
        self.count = collections.Counter()
        self.restarts = []  # seconds
        self.restart_records = []  # folded again at that restart, total in the journal
        self.stops = []  # seconds from SIGTERM to the end
        self.sending_s = 0.0

    def tell(self, p):
        """The figures of the report."""
        for name in ("cycles", "kills", "kills while starting", "kills within 5 ms of a state write",
                     "kills of agents outside", "SIGTERM under load", "books compared", "events acknowledged",
                     "lost", "duplicated", "effects duplicated", "records checked",
                     "decisions made again", "actions", "webhook requests",
                     "webhooks unknown after a kill", "requests sent again",
                     "calls of the control door answered at a stop",
                     "calls of the control door closed at a stop"):
            p.figure(name, self.count[name])
        if self.sending_s > 0:
            p.figure("events between kills", self.count["sent"] / self.sending_s, "1/s")
        for share, name in ((0.5, "p50"), (0.99, "p99"), (1, "max")):
            p.figure("restart " + name, 1000 * percentile(self.restarts, share), "ms")
            p.figure("records folded at a restart " + name,
                     percentile([r[0] for r in self.restart_records], share))
            p.figure("records in the journal at a restart " + name,
                     percentile([r[1] for r in self.restart_records], share))
            p.figure("SIGTERM to the end " + name, 1000 * percentile(self.stops, share), "ms")


class Streams:
    """Files of events for the producers, each made once."""

    def __init__(self, directory):
        self.directory = directory

    def file(self, args, tenant):
        """The path of one producer's events."""
        name = "-".join(args + [tenant]).replace("/", "_") + ".jsonl"
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            with open(path + ".new", "wb") as out:
                subprocess.run([harness.REPLAY] + args + ["--tenant", tenant, "--jsonl", "--limit",
                                                          str(STREAM_EVENTS)],
                               stdout=out, stderr=subprocess.DEVNULL, check=True)
            os.rename(path + ".new", path)
        return path


class Producer:
    """One foreign producer and its list."""

    def __init__(self, era, number, events, seed):
        self.acked_path = os.path.join(era.brain.dir, "acked-%d" % number)
        self.events = events
        self.log_path = os.path.join(era.brain.dir, "producer-%d.log" % number)
        self.args = [PRODUCER, "--port", str(era.brain.port), "--events", events, "--acked",
                     self.acked_path, "--seed", str(seed)]
        if number % 2 == 0:
            self.args.append("--msgpack")
        self.process = None
        self.list = None
        self.acked = 0

    def first_time(self):
        """The time of its first event."""
        with open(self.events, encoding="utf-8") as lines:
            return json.loads(lines.readline())["time"]

    def start(self):
        """Starts it; it goes on after the last line of its list."""
        with open(self.log_path, "ab") as log:
            self.process = harness.spawn(self.args, stdout=log, stderr=log)
        if self.list is None:
            self.list = open(os.open(self.acked_path, os.O_RDONLY | os.O_CREAT, 0o600), "rb")

    def look(self):
        """How many events it has on its list."""
        self.acked += self.list.read().count(b"\n")
        return self.acked

    def check(self):
        """Whether it still believes the daemon; true while it has events left."""
        code = self.process.poll()
        if code not in (None, 0):
            raise Broken("a producer ended with %d: %s" % (code, self.log()))
        return code is None

    def log(self):
        """What it said."""
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()[-2000:]

    def end(self):
        """Ends it; requests it had to send again."""
        if self.process.poll() is None:
            self.process.terminate()
        if self.process.wait(20) != 0:
            raise Broken("a producer ended with %d: %s" % (self.process.returncode, self.log()))
        last = self.log().rstrip().splitlines()[-1]
        return int(last.split(", ")[1].split()[0])


class Publisher(threading.Thread):
    """Publishes through the control door until the daemon stops; every call has to end."""

    PATIENCE = 20  # of harness.control

    def __init__(self, era):
        super().__init__(daemon=True)
        self.era = era
        self.answered = 0
        self.closed = 0
        self.error = None
        self.ending = False

    def run(self):
        while not self.ending:
            number = self.era.published
            self.era.published += 1
            event = harness.order("ctl-%d" % number, tenant="t1", source="/control",
                                  time=self.era.first_time)
            try:
                frames = harness.control(self.era.brain.control, "events.publish",
                                         {"events": mp.pack([event])})
                self.book(event, frames[-1])
            except TimeoutError:
                self.error = "a call of the control door was neither answered nor closed"
                return
            except OSError:  # no door yet or any more, or hung up on
                self.closed += 1
                time.sleep(0.005)

    def book(self, event, answer):
        """Takes down what was acknowledged."""
        self.answered += 1
        if answer["ok"]:
            result = answer["reply"]["results"][0]
            if result[0] == "error" and result[1] != "RT_EFULL":
                self.error = "refused: %s" % result
            elif result[0] != "error":
                self.era.publish_list.write("%d\tt1\t/control\t%s\n" % (result[1], event["id"]))
                self.era.publish_list.flush()


class Era:
    """One data directory from its first start to its audit."""

    def __init__(self, figures, streams, rng, stop_seconds=STOP_SECONDS, olist=None):
        self.figures = figures
        self.rng = rng
        self.stop_seconds = stop_seconds
        self.life = 0
        self.published = 0
        self.counted = collections.Counter()
        self.kept = False
        self.outside = rng.random() < 0.25
        self.events_clock = olist is not None or rng.random() < 0.75
        self.receiver = receiver.Receiver(self.answer)
        self.trouble = random.Random(rng.random())  # drawn from on the receiver's thread
        self.brain = self.make_brain()
        self.agents = [self.agent(name) for name in ("far",) if self.outside]
        self.publish_list = open(os.path.join(self.brain.dir, "acked-control"), "a")
        self.producers = []
        for number in range(1, PRODUCERS + 1):
            if olist is not None:
                args = ["olist", olist, "--from", "2016-09-01", "--until", "2018-06-01"]
            else:
                # with the wall clock nothing may come from the future
                date = [] if self.events_clock else ["--date", civil_date(time.time() - 2 * 86400)]
                args = ["day", "--seed", str(rng.randrange(1, 7)), "--orders", "9600"] + date
            self.producers.append(Producer(self, number, streams.file(args, "t%d" % number),
                                           rng.randrange(1 << 30)))
        # without a time of its own a published event would set the clock of the whole era
        self.first_time = min(producer.first_time() for producer in self.producers)

    # --- the daemon ---

    def make_brain(self):
        """Its configuration is drawn; tenants, packs and webhooks are always the same."""
        ports = harness.free_ports(1)
        rng = self.rng
        sets = ["data.cut_every=%s" % rng.choice(("10ms", "50ms", "1s")),
                "data.segment_bytes=%s" % rng.choice(("1MiB", "4MiB", "64MiB")),
                "clock.age_max=3650d", "webhooks.allow_loopback=true",
                "agents.deadline=%s" % rng.choice(("200ms", "1s", "10s"))]
        if self.events_clock:
            sets += ["clock.source=events", "clock.lag_max=%s" % rng.choice(("1m", "6h"))]
        brain = harness.Brain("", sets=sets)
        root = brain.copy_files()
        actions = os.path.join(root, "config/packs/logistics/actions.yaml")
        for name in WEBHOOKS:
            with open(actions, encoding="utf-8") as text:
                before, mark, after = text.read().partition("  %s:\n" % name)
            with open(actions, "w", encoding="utf-8") as text:
                text.write(before + mark + after.replace(
                    "executor: publish", "executor: webhook\n    webhook: shop", 1))
        self.hosts = "hosts:\n  - {name: inside}\n"
        if self.outside:
            self.hosts = ("hosts:\n  - {name: inside, agents: [customer, learning, anomaly]}\n"
                          "  - {name: far, url: 'tcp://127.0.0.1:%d', agents: [logistics, healing]}\n"
                          % ports[0])
        return brain

    def configure(self):
        """The address of the webhook says which life of the daemon sent it."""
        self.life += 1
        with open(self.brain.config_path, "w", encoding="utf-8") as out:
            out.write("tenants:\n")
            for number in range(1, PRODUCERS + 1):
                out.write('  - {id: %d, name: t%d, utc_offset: "-05:00"}\n' % (number, number))
            out.write(self.hosts)
            out.write("webhooks:\n  - {name: shop, url: '%s', timeout: 30s, attempts: 4}\n"
                      % self.receiver.url(str(self.life)))

    def agent(self, host):
        """A process for agents outside; not started yet."""
        return {"args": [harness.AGENT, "--host", host] + self.brain.settings(), "process": None,
                "log": self.brain.log_path + "." + host}

    def answer(self, request):
        """How the receiver treats a webhook: mostly well, sometimes slowly, seldom badly."""
        draw = self.trouble.random()
        if draw < 0.80:
            return 200, 0
        if draw < 0.90:
            return 200, self.trouble.random() * 0.3
        return self.trouble.choice((500, 503, receiver.CUT, 400)), 0

    def launch(self):
        """Starts the daemon, and its agents where they are gone; waits for nothing."""
        self.configure()
        self.brain.launch()
        self.launched = time.monotonic()
        for agent in self.agents:
            if agent["process"] is None or agent["process"].poll() is not None:
                with open(agent["log"], "ab") as log:
                    agent["process"] = harness.spawn(agent["args"], stdout=log, stderr=log)

    def wait_ready(self):
        """Waits for the doors; notes how long it took and what was read back."""
        until = self.launched + harness.START_SECONDS
        while "event=ready " not in self.brain.log():
            if self.brain.process.poll() is not None:
                raise Broken("braind ended with %d:\n%s" % (self.brain.process.returncode,
                                                            proof.tail(self.brain.log())))
            if time.monotonic() > until:
                raise Broken("braind does not open its doors:\n" + proof.tail(self.brain.log()))
            time.sleep(POLL)
        for line in self.brain.log().splitlines():
            if "event=recovered " in line:
                words = dict(word.split("=", 1) for word in line.split() if "=" in word)
                self.figures.restarts.append(time.monotonic() - self.launched)
                self.figures.restart_records.append((int(words["records"]),
                                                     int(words["last_seq"])))

    def kill(self):
        """SIGKILL to the daemon, now and then to the agents as well."""
        state = os.path.join(self.brain.data, "state", "data.mdb")
        if self.agents and self.rng.random() < 0.4:
            for agent in self.agents:
                agent["process"].kill()
                agent["process"].wait()
            self.figures.count["kills of agents outside"] += 1
        at = time.time()
        self.brain.kill()
        self.figures.count["kills"] += 1
        if os.path.exists(state) and at - os.stat(state).st_mtime < 0.005:
            self.figures.count["kills within 5 ms of a state write"] += 1

    # --- a life ---

    def acked(self):
        """Events on all lists."""
        return sum(producer.look() for producer in self.producers)

    def sending(self):
        """Whether any producer has events left; all must be of good cheer."""
        return [producer.check() for producer in self.producers].count(True) > 0

    def send(self, count):
        """Lets so many more events be acknowledged, then a moment more."""
        before = self.acked()
        began = time.monotonic()
        while self.acked() < before + count and self.sending():
            if time.monotonic() > began + ACK_SECONDS:
                raise Broken("%d of %d events acknowledged within %d s:\n%s"
                             % (self.acked() - before, count, ACK_SECONDS,
                                proof.tail(self.brain.log())))
            if self.brain.process.poll() is not None:
                raise Broken("braind ended with %d:\n%s" % (self.brain.process.returncode,
                                                            proof.tail(self.brain.log())))
            time.sleep(POLL)
        time.sleep(self.rng.random() * 0.02)
        self.figures.sending_s += time.monotonic() - began
        self.figures.count["sent"] += self.acked() - before

    def cycle(self, kind):
        """One life of the daemon, or two."""
        self.launch()
        if kind == "early":
            self.kill_early()
            return
        self.wait_ready()
        count = self.rng.randrange(1, EVENTS_A_CYCLE)
        if kind == "term":
            self.stop_under_load(count)
            return
        self.send(count)
        self.kill()
        if kind == "twice":
            self.launch()
            self.kill_early()

    def kill_early(self):
        """A kill while it starts: opening, reading back, its agents catching up."""
        time.sleep(self.rng.random() * 0.25)
        if "event=ready " not in self.brain.log():
            self.figures.count["kills while starting"] += 1
        self.kill()

    def stop_under_load(self, count):
        """SIGTERM while events stream in, also through the control door."""
        publisher = Publisher(self)
        publisher.start()
        self.send(count)
        answered, closed = publisher.answered, publisher.closed
        self.stop()
        publisher.ending = True
        publisher.join(Publisher.PATIENCE + 5)
        if publisher.error is not None or publisher.is_alive():
            raise Broken(publisher.error or "a call of the control door never ended")
        self.figures.count["SIGTERM under load"] += 1
        count = self.figures.count
        count["calls of the control door answered at a stop"] += publisher.answered - answered
        count["calls of the control door closed at a stop"] += publisher.closed - closed

    def stop(self):
        """SIGTERM: it ends by itself, in time, with nothing to complain of."""
        began = time.monotonic()
        code = self.brain.stop(30)
        took = time.monotonic() - began
        self.figures.stops.append(took)
        if code != 0:
            raise Broken("SIGTERM ended it with %d:\n%s" % (code, proof.tail(self.brain.log())))
        if took > self.stop_seconds:
            raise Broken("SIGTERM took %.2f s:\n%s" % (took, proof.tail(self.brain.log())))
        if os.path.exists(self.brain.control):
            raise Broken("a clean stop left the control socket behind")

    # --- the books ---

    def settle(self):
        """A last life in which everything comes to its end, without producers."""
        self.launch()
        self.wait_ready()
        self.send(min(self.rng.randrange(1, 1000), EVENTS_A_CYCLE))
        for producer in self.producers:
            self.figures.count["requests sent again"] += producer.end()
        try:
            self.brain.settle()
        except AssertionError as error:
            raise Broken("%s: %s" % (error, self.brain.command("status")[-1]["waiting"]))
        self.stop()

    def count(self, totals):
        """Adds what is new in the totals of this directory since its books were last looked at."""
        for name, total in totals.items():
            self.figures.count[name] += total - self.counted[name]
            self.counted[name] = total

    def check(self):
        """Compares the books: lists, journal, receiver; then every decision is made again."""
        self.check_audit()
        self.check_verified()
        self.check_webhooks()
        self.figures.count["books compared"] += 1

    def audit_command(self):
        """What looks at the data directory again."""
        command = [AUDIT, self.brain.data]
        for pack in self.brain.packs:
            command += ["--pack", pack]
        for path in [producer.acked_path for producer in self.producers] + [self.publish_list.name]:
            command += ["--acked", path]
        # data.dir and the like limit nothing and are passed over
        return command + self.brain.settings() + ["--drained", "--whole", "--no-dead"]

    def check_audit(self):
        """The independent checker: every acknowledged event at its place, once, and all the rest."""
        done = subprocess.run(self.audit_command() + ["-o", "json"], capture_output=True, text=True,
                              timeout=300)
        if done.returncode not in (0, 1):
            raise Broken("the audit could not be made: " + done.stderr)
        answer = json.loads(done.stdout)
        for violation in answer["found"]:
            if violation["rule"] in RULES:
                self.figures.count[RULES[violation["rule"]]] += 1
        if answer["violations"] > 0 or done.returncode != 0:
            raise Broken("%d violations, first:\n%s" % (
                answer["violations"], "\n".join("%(rule)s at %(seq)s: %(text)s" % v
                                                for v in answer["found"][:10])))
        self.count({"events acknowledged": answer["acked"], "actions": answer["intents"]})

    def check_verified(self):
        """brain-verify: the same decisions, byte by byte, and the same state."""
        answer = self.brain.verify()
        self.count({"decisions made again": answer["decisions"],
                    "records checked": answer["last_seq"]})
        if not answer["equal"] or answer["undecided"] or answer["code"] != 0 or \
                answer["saved_seq"] != answer["last_seq"]:
            raise Broken("brain-verify: %s" % answer)

    def outcomes(self):
        """What the journal says became of the actions: id -> (action, [statuses])."""
        done = subprocess.run([harness.DUMP, "--type", "action.executed",
                               os.path.join(self.brain.data, "journal")] + self.brain.packs,
                              capture_output=True, timeout=300, check=True)
        found = {}
        for line in done.stdout.splitlines():
            record = json.loads(line)
            if record["kind"] == "event":
                data = record["event"]["data"]
                found.setdefault(data["action_id"], (data["action"], []))[1].append(data["status"])
        return found

    def check_webhooks(self):
        """No key from two lives, none again after its 2xx, none without an outcome."""
        outcomes = self.outcomes()
        requests = collections.defaultdict(list)
        for request in list(self.receiver.requests):
            requests[request.key].append(request)
        for key, sent in requests.items():
            lives = sorted({request.path for request in sent})
            done = [i for i, request in enumerate(sent) if request.status == 200]
            if len(lives) > 1 or (done and done[0] != len(sent) - 1):
                self.figures.count["effects duplicated"] += 1
                raise Broken("webhook %s left again: lives %s, answers %s"
                             % (key, lives, [request.status for request in sent]))
            if key not in outcomes:
                raise Broken("webhook %s left, the journal knows no outcome" % key)
        for key, (action, statuses) in outcomes.items():
            if len(statuses) > 1:
                raise Broken("action %s has outcomes %s" % (key, statuses))
            if action in WEBHOOKS and statuses[0] == "executed" and \
                    not any(request.status == 200 for request in requests[key]):
                raise Broken("webhook %s is recorded as executed, nobody said so" % key)
        unknown = sum(statuses == ["unknown"] for _, statuses in outcomes.values())
        self.count({"webhooks unknown after a kill": unknown,
                    "webhook requests": sum(len(sent) for sent in requests.values())})

    # --- the end ---

    def end(self):
        """Ends what was started; keeps the directory when something did not hold."""
        for process in [self.brain.process] + [p.process for p in self.producers] + \
                [a["process"] for a in self.agents]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.receiver.close()
        self.publish_list.close()
        for producer in self.producers:
            if producer.list is not None:
                producer.list.close()
        if self.kept:
            self.brain.keep()
        else:
            shutil.rmtree(self.brain.dir, ignore_errors=True)


def deck(rng, count):
    """What the next lives are like."""
    cards = list(DECK)
    rng.shuffle(cards)
    return cards[:count]


def live(era, cards, after):
    """One stretch of an era: its lives, then the books."""
    for producer in era.producers:
        producer.start()
    for kind in cards:
        era.cycle(kind)
        era.figures.count["cycles"] += 1
        after()
    era.settle()
    era.check()


def run(figures, streams, seed, cycles, after, stop_seconds=STOP_SECONDS, olist=None):
    """So many cycles from one seed; `after` is told of each, and may end it by a true answer.

    Gives back None, or (what did not hold, the era's directory, how to look at it again).
    """
    rng = random.Random(seed)
    left = cycles
    while left > 0:
        era = Era(figures, streams, rng, stop_seconds, olist)
        try:
            for _ in range(2 if rng.random() < 0.25 else 1):  # sometimes the directory goes on
                cards = deck(rng, min(left, len(DECK)))
                if cards:
                    live(era, cards, after)
                left -= len(cards)
        except (Broken, AssertionError, OSError, subprocess.SubprocessError) as broken:
            era.kept = True
            return str(broken), era.brain.dir, " ".join(era.audit_command())
        finally:
            era.end()
        if after(False):
            break
    return None


def prove(p):
    """The long one."""
    p.build(targets=TARGETS)
    seed = p.options.seed_start or random.randrange(1, 1 << 30)
    p.figure("seed", str(seed))
    figures = Figures()
    total = p.options.cycles

    def after(one=True):
        if one:
            p.passed()
        p.progress(figures.count["cycles"], total, "seed %d, %d events acknowledged"
                   % (seed, figures.count["events acknowledged"]))
        return p.out_of_time

    broken = run(figures, Streams(p.scratch()), seed, total, after)
    p.passed(figures.count["books compared"])
    figures.tell(p)
    if broken is not None:
        what, kept, look = broken
        p.failed("seed %d, cycle %d" % (seed, figures.count["cycles"] + 1),
                 "%s\nkept: %s\nlook: %s" % (what, kept, look),
                 "tools/prove crash --cycles %d --seed-start %d" % (total, seed))
