"""kill -9 at random moments while events stream in: what was acknowledged is there, once, and decided once.

Two producers feed the daemon all the time: one written here, which keeps its own list of what was
acknowledged, and brain-replay. Both go on after every restart, sending again what was not answered.
"""

import json
import os
import random
import socket
import sys
import threading
import time

import harness
import mp

CYCLES = int(os.environ.get("CEREBRO_CRASH_CYCLES", "24"))
SEED = int(os.environ.get("CEREBRO_CRASH_SEED", str(random.randrange(1 << 30))))
BATCH = 16
CONFIG = """tenants:
  - {id: 1, name: demo, utc_offset: "-05:00"}
  - {id: 2, name: other, utc_offset: "-05:00"}
"""


class Producer(threading.Thread):
    """Sends events in order, one request outstanding, and remembers every acknowledgement."""

    def __init__(self, brain, events):
        super().__init__(daemon=True)
        self.brain = brain
        self.events = events
        self.acked = {}  # (tenant, source, id) -> seq
        self.errors = []
        self.client = None
        self.resent = 0
        self.ending = False
        self.done = False

    def run(self):
        try:
            at = 0
            while at < len(self.events) and not self.ending:
                batch = self.events[at:at + BATCH]
                self.settle(batch, self.ask(mp.pack(batch)))
                at += BATCH
            self.done = not self.ending
        except Exception as error:  # the main thread fails the test with it
            self.errors.append(repr(error))
        self.hang_up()

    def hang_up(self):
        """Drops the connection; the next request makes a new one."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def ask(self, body):
        """The answer to a request, however often it has to be sent."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if self.client is None:
                    self.client = self.brain.client(timeout=5)
                return mp.unpack(self.client.call(body))
            except (OSError, socket.timeout):
                self.hang_up()
                self.resent += 1
                time.sleep(0.005)
        raise TimeoutError("nobody answered for a minute")

    def settle(self, batch, answer):
        """Books what the answer says about each event."""
        for event, result in zip(batch, answer["results"]):
            key = ("1", event["source"], event["id"])
            if result[0] == "error":
                self.errors.append("%s: %s" % (key, result))
            elif self.acked.setdefault(key, result[1]) != result[1]:
                self.errors.append("%s: acknowledged as %d and as %d" % (key, self.acked[key],
                                                                         result[1]))


def recorded(*args):
    """Events that brain-replay would send, without sending them."""
    done = harness.subprocess.run([harness.REPLAY] + list(args) + ["--jsonl"], check=True,
                                  stdout=harness.subprocess.PIPE, stderr=harness.subprocess.DEVNULL)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Tormentor:
    """Kills and restarts the daemon while the producers go on."""

    def __init__(self, brain, producer, replay_args, rng):
        self.brain = brain
        self.producer = producer
        self.replay_args = replay_args
        self.rng = rng
        self.replay = None
        self.periods = []  # acknowledgements between two kills
        self.kills_at_start = 0

    def keep_replaying(self):
        """brain-replay ends when nobody answers for long; then it begins again."""
        if self.replay is None or self.replay.poll() is not None:
            self.replay = harness.spawn(
                [harness.REPLAY] + self.replay_args + ["--url", self.brain.ingest, "--quiet",
                                                       "--timeout", "4s"],
                stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.DEVNULL)

    def cycle(self):
        """One life of the daemon."""
        self.keep_replaying()
        self.brain.launch()
        if self.rng.random() < 0.15:  # in the middle of recovery
            time.sleep(self.rng.random() * 0.06)
            self.brain.kill()
            self.kills_at_start += 1
            return
        self.brain.wait_ready()
        before = len(self.producer.acked)
        harness.wait_for(lambda: len(self.producer.acked) > before or self.producer.errors, 20,
                         "an acknowledgement after the restart")
        time.sleep(self.rng.random() ** 2 * 0.4)
        self.brain.kill()
        self.periods.append(len(self.producer.acked) - before)


class CrashTest(harness.Case):
    """One run each for the generated day and for the recorded orders."""

    def torment(self, name, events, replay_args, cycles):
        """The whole story for one source of events."""
        rng = random.Random(SEED)
        brain = harness.Brain(CONFIG, sets=["clock.source=events", "data.cut_every=50ms",
                                            "clock.age_max=3650d"])
        producer = Producer(brain, events)
        tormentor = Tormentor(brain, producer, replay_args, rng)
        producer.start()
        for _ in range(cycles):
            tormentor.cycle()
            self.assertEqual(producer.errors, [], "seed %d" % SEED)
            self.assertFalse(producer.done, "the stream is too short for %d kills" % cycles)
        self.finish(brain, producer, tormentor, name)

    def finish(self, brain, producer, tormentor, name):
        """Lets everything come to its end, then reads the books."""
        tormentor.keep_replaying()
        brain.start()
        harness.wait_for(lambda: len(producer.acked) > sum(tormentor.periods) or producer.errors, 30,
                         "the producer to go on")
        producer.ending = True
        producer.join(60)
        self.assertEqual(producer.errors, [], "seed %d" % SEED)
        tormentor.replay.terminate()
        tormentor.replay.wait()
        self.assertEqual(brain.stop(), 0, brain.log())
        brain.start()  # what was undecided when it stopped is decided now
        self.assertEqual(brain.stop(), 0, brain.log())
        harness.check_verified(self, brain)
        records = brain.journal()
        books = harness.check_books(self, records)
        missing = [key for key, seq in producer.acked.items() if books["external"].get(key) != seq]
        self.assertEqual(missing[:5], [], "acknowledged, but not in the journal at that place")
        self.assertEqual(len(books["intents"]), len(books["ended"]), "actions without an outcome")
        self.assertGreater(min(tormentor.periods), 0)
        self.assertEqual([r["seq"] for r in records], list(range(1, len(records) + 1)))
        starts = len([r for r in records if r["kind"] == "start"])
        print("%s: seed %d, %d kills (%d while starting), %d starts recorded, %d acknowledged "
              "(%d..%d between kills), %d requests sent again, %d events and %d actions in the journal"
              % (name, SEED, len(tormentor.periods) + tormentor.kills_at_start,
                 tormentor.kills_at_start, starts, len(producer.acked), min(tormentor.periods),
                 max(tormentor.periods), producer.resent, len(books["external"]),
                 len(books["intents"])))

    def test_generated_day_survives_kills(self):
        """Events of the generator, from two tenants."""
        events = recorded("day", "--orders", "9600", "--seed", "1")
        self.torment("day", events,
                     ["day", "--orders", "9600", "--seed", "2", "--tenant", "other"], CYCLES)

    def test_recorded_orders_survive_kills(self):
        """Events of the public Olist tables, where they are at hand."""
        data = os.environ.get("CEREBRO_DATA") or os.path.join(harness.SOURCE, "..", "shared", "data")
        olist = os.path.join(data, "olist")
        if not os.path.isdir(olist):
            self.skipTest("no Olist tables: neither CEREBRO_DATA nor a data directory beside the project")
        bounds = ["--from", "2016-09-01", "--until", "2018-06-01"]
        events = recorded("olist", olist, *bounds)
        self.torment("olist", events, ["olist", olist, "--tenant", "other"] + bounds, CYCLES)


if __name__ == "__main__":
    sys.exit(harness.main())
