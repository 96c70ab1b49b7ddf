"""kill -9 and SIGTERM at random moments while events stream in: what was acknowledged is there, once.

The short form of `tools/prove crash`, which says what is done and checked (tests/prove/crash.py).
"""

import os
import random
import sys
import tempfile

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "prove"))

import crash  # noqa: E402

CYCLES = int(os.environ.get("CEREBRO_CRASH_CYCLES", "30"))
SEED = int(os.environ.get("CEREBRO_CRASH_SEED", str(random.randrange(1, 1 << 30))))
OLIST_CYCLES = 8
STOP_SECONDS = 10  # other tests may be running; tools/prove wants 2


class CrashTest(harness.Case):
    """One run each for the generated days and for the recorded orders."""

    def torment(self, cycles, **kw):
        """So many cycles; what they came to."""
        figures = crash.Figures()
        with tempfile.TemporaryDirectory(prefix="cerebro-test-") as directory:
            broken = crash.run(figures, crash.Streams(directory), SEED, cycles,
                               lambda one=True: None, stop_seconds=STOP_SECONDS, **kw)
        if broken is not None:
            self.fail("seed %d: %s\nkept: %s\nlook: %s" % ((SEED,) + broken))
        count = figures.count
        self.assertEqual(count["cycles"], cycles)
        self.assertGreater(count["events acknowledged"], 100 * cycles)
        print("seed %d, %d cycles, %d kills (%d while starting), %d SIGTERM, %d acknowledged, "
              "%d requests sent again, %d decisions made again, %d webhook requests, restart %d ms, "
              "at most %d ms"
              % (SEED, count["cycles"], count["kills"], count["kills while starting"],
                 count["SIGTERM under load"], count["events acknowledged"],
                 count["requests sent again"], count["decisions made again"],
                 count["webhook requests"], 1000 * crash.percentile(figures.restarts, 0.5),
                 1000 * crash.percentile(figures.restarts, 1)))

    def test_generated_days_survive_kills(self):
        """Events of the generator, of four tenants."""
        self.torment(CYCLES)

    def test_recorded_orders_survive_kills(self):
        """Events of the public Olist tables, where they are at hand."""
        data = os.environ.get("CEREBRO_DATA") or os.path.join(harness.SOURCE, "..", "shared", "data")
        olist = os.path.join(data, "olist")
        if not os.path.isdir(olist):
            self.skipTest("no Olist tables: neither CEREBRO_DATA nor a data directory beside the project")
        self.torment(OLIST_CYCLES, olist=olist)


if __name__ == "__main__":
    sys.exit(harness.main())
