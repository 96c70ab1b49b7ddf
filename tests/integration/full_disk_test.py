"""A full disk: nothing is acknowledged that is not stored, nothing is lost, and it goes on by itself."""

import os
import socket
import subprocess
import sys
import tempfile
import time

import harness
import mp
from harness import order

DISK_BYTES = 48 << 20
SEGMENT_BYTES = 1 << 20


def mount_small_disk():
    """A tmpfs of 48 MiB, or the end of the script with the reason."""
    path = tempfile.mkdtemp(prefix="cerebro-disk-")
    if os.geteuid() != 0:
        os.rmdir(path)
        harness.skip("mounting a small tmpfs needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK_BYTES, "cerebro", path],
                          capture_output=True, text=True)
    if done.returncode != 0:
        os.rmdir(path)
        harness.skip("no tmpfs can be mounted here: " + done.stderr.strip())
    return path


class FullDiskTest(harness.Case):
    """Each test has a daemon whose data directory is on a small disk."""

    def setUp(self):
        self.disk = mount_small_disk()
        self.addCleanup(self.unmount)
        self.ballast = os.path.join(self.disk, "ballast")
        self.brain = harness.Brain(sets=["data.segment_bytes=1MiB", "data.cut_every=100ms",
                                         "data.store_max_bytes=16MiB"])
        self.brain.data = os.path.join(self.disk, "data")
        self.brain.start()
        self.acked = {}
        self.number = 0

    def unmount(self):
        if self.brain.process is not None and self.brain.process.poll() is None:
            self.brain.kill()
        subprocess.run(["umount", "-l", self.disk], check=False)
        os.rmdir(self.disk)

    def fill(self):
        """Takes every byte that is left."""
        with open(self.ballast, "ab", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def batch(self):
        """Events with much text, so that segments fill soon."""
        self.number += 1
        data = {"customer_id": "c-1", "kind": "damaged", "text": "x" * 900}
        return [order("%d-%d" % (self.number, i), type="issue.reported", subject="order/%d" % i,
                      data=data) for i in range(20)]

    def send(self, client, batch):
        """Sends a batch and books what is acknowledged; false when nobody answers."""
        try:
            answer = mp.unpack(client.call(mp.pack(batch)))
        except (socket.timeout, OSError):
            return False
        self.assertEqual(answer["errors"], 0, answer["results"][0])
        for event, result in zip(batch, answer["results"]):
            self.acked[event["id"]] = result[1]
        return True

    def send_until_silent(self):
        """Sends until the daemon stops answering; the batch that was not answered."""
        client = self.brain.client(timeout=2)
        for _ in range(400):
            batch = self.batch()
            if not self.send(client, batch):
                client.close()
                return batch
        raise AssertionError("the disk never got full")

    def check_all_there(self):
        """Every acknowledged event is in the journal at its place, once."""
        records = self.brain.journal()
        books = harness.check_books(self, records)
        for event_id, seq in self.acked.items():
            self.assertEqual(books["external"].get(("1", "/test/shop", event_id)), seq)

    def test_daemon_waits_for_room_and_goes_on(self):
        self.fill()
        silent = self.send_until_silent()
        self.assertGreater(len(self.acked), 0)
        self.assertIn("disk-full", self.brain.log())
        self.assertIsNone(self.brain.process.poll(), self.brain.log())
        self.assertTrue(self.brain.command("status")[-1]["ok"])
        time.sleep(0.5)
        os.remove(self.ballast)
        client = self.brain.client(timeout=10)
        self.assertTrue(self.send(client, silent), "no answer although there is room again")
        self.assertTrue(self.send(client, self.batch()))
        client.close()
        self.assertIn("disk-usable", self.brain.log())
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        self.check_all_there()
        harness.check_verified(self, self.brain)

    def test_kill_while_the_disk_is_full_loses_nothing(self):
        self.fill()
        silent = self.send_until_silent()
        self.brain.kill()
        os.remove(self.ballast)
        self.brain.start()
        client = self.brain.client(timeout=10)
        self.assertTrue(self.send(client, silent))
        client.close()
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0, self.brain.log())
        self.check_all_there()
        harness.check_verified(self, self.brain)

    def test_stop_while_the_disk_is_full_ends_in_time(self):
        self.fill()
        self.send_until_silent()
        began = time.monotonic()
        self.brain.process.terminate()
        self.brain.process.wait(15)
        self.assertLess(time.monotonic() - began, 6)
        os.remove(self.ballast)
        self.brain.start()
        self.brain.settle()
        self.assertEqual(self.brain.stop(), 0)
        self.check_all_there()

    def test_start_on_a_full_disk_says_so(self):
        self.assertEqual(self.brain.stop(), 0)
        self.brain.data = os.path.join(self.disk, "other")
        self.fill()
        self.brain.launch()
        code = self.brain.process.wait(20)
        self.assertNotEqual(code, 0)
        self.assertLess(code, 128)
        self.assertGreater(code, 0, "it was killed by a signal")
        self.assertIn("no space", self.brain.log().lower())


if __name__ == "__main__":
    sys.exit(harness.main())
