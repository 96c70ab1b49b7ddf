"""Every door under abuse: the short form of `tools/prove doors`, which says what is done and checked."""

import os
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "prove"))

import doors  # noqa: E402

ANSWER_MAX_S = 10  # of the well-behaved producer; other tests may be running


class DoorsTest(harness.Case):
    """One daemon, all kinds of abuse at all doors, one after the other."""

    def test_doors_outlive_every_abuse_and_others_barely_notice(self):
        began = time.monotonic()
        target = doors.Target(seconds=300)
        self.addCleanup(target.end)
        judge = doors.Judge(target, calm_s=1.0)
        worst = {}
        counted = {}

        def tell(what, seen):
            worst[what] = max(seen["during"] + [0])
            for name, count in doors.grown(seen).items():
                counted[name] = counted.get(name, 0) + count

        try:
            doors.run(target, judge, "", lambda long, short: short, tell)
        except doors.Broken as broken:
            target.brain.keep()
            self.fail("%s\nkept: %s" % (broken, target.brain.dir))
        slowest = max(worst, key=worst.get)
        print("%d abuses in %.0f s; the well-behaved producer waited at most %.0f ms (%s), at rest %.0f "
              "ms; memory %d MiB, at rest %d; turned away: %s"
              % (len(worst), time.monotonic() - began, worst[slowest], slowest,
                 max(judge.calm + [0]), judge.rss_peak >> 20, judge.rss >> 20, counted))
        self.assertLess(worst[slowest] / 1000, ANSWER_MAX_S)
        for name in ("ingest.refused", "ingest.handshakes_failed", "ingest.oversize",
                     "pull.refused", "publish.malformed", "far.handshakes_failed", "far.refused",
                     "control.oversize", "control.refused"):
            self.assertGreater(counted.get(name, 0), 0, name + " is not counted")


if __name__ == "__main__":
    sys.exit(harness.main())
