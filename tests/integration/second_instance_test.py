"""A second daemon started by mistake ends with a clear message and does the first one no harm."""

import os
import subprocess
import sys

import harness
from harness import order

EXIT_LOCKED = 75


class SecondInstanceTest(harness.Case):
    """Each test has a first daemon that must go on answering."""

    def setUp(self):
        self.first = harness.Brain().start()
        self.client = self.first.client()
        self.number = 0
        self.check_first()

    def tearDown(self):
        self.client.close()
        self.assertEqual(self.first.stop(), 0, self.first.log())

    def check_first(self):
        """The first daemon takes events from old and new connections, and its control door answers."""
        self.number += 1
        self.assertEqual(self.client.ask(order("old-%d" % self.number))["ok"], 1)
        fresh = self.first.client()
        self.assertEqual(fresh.ask(order("new-%d" % self.number))["ok"], 1)
        fresh.close()
        self.assertTrue(self.first.command("status")[-1]["ok"])

    def run_second(self, second):
        """Runs it to its end; (exit code, what it wrote)."""
        done = subprocess.run(second.args(), capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_same_data_directory_is_refused_and_names_the_holder(self):
        second = harness.Brain()
        second.data = self.first.data
        for _ in range(3):
            code, text = self.run_second(second)
            self.assertEqual(code, EXIT_LOCKED, text)
            self.assertIn(str(self.first.process.pid), text)
            self.check_first()

    def test_same_everything_does_not_touch_the_first_ones_sockets(self):
        for _ in range(3):
            code, text = self.run_second(self.first)
            self.assertEqual(code, EXIT_LOCKED, text)
            self.check_first()
        self.assertTrue(os.path.exists(self.first.control))

    def test_same_ports_with_other_data_are_refused(self):
        for taken in ("ingest", "pull", "publish", "control"):
            second = harness.Brain()
            setattr(second, taken, getattr(self.first, taken))
            with self.subTest(taken=taken):
                code, text = self.run_second(second)
                self.assertEqual(code, EXIT_LOCKED, text)
                self.check_first()

    def test_a_killed_daemon_leaves_nothing_in_the_way(self):
        self.client.close()
        self.first.kill()
        self.first.start()
        self.client = self.first.client()
        self.check_first()


if __name__ == "__main__":
    sys.exit(harness.main())
