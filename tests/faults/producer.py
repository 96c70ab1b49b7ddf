"""A producer that keeps its own list: one line for every event acknowledged and every decision published.

usage: producer.py PORT PUBLISH_PORT LIST EVENTS FIRST COUNT BATCH

Sends COUNT of the events in EVENTS (JSON lines) from FIRST on. A line "A SEQ TENANT SOURCE ID" is written
to LIST when an event was acknowledged as record SEQ, a line "P SEQ" when the decision in record SEQ was
published. Run with the recorder in front, the lines stand on the same tape as the daemon's own writes:
the daemon had promised what stands before a cut. Ends by itself when the daemon is gone.
"""

import json
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import mp  # noqa: E402

SUB_GREETING = b"\x00SP\x00\x00\x21\x00\x00"
DECISION = 2  # kind of a record


class List:
    """The list; one write a call, so that no line is ever half there."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, lines):
        """Appends lines."""
        if lines:
            os.write(self.fd, "".join(line + "\n" for line in lines).encode())


class Subscriber(threading.Thread):
    """Notes every decision that the publishing door tells."""

    def __init__(self, port, known):
        super().__init__(daemon=True)
        self.known = known
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(SUB_GREETING)
        self.take(8)
        self.socket.settimeout(None)

    def take(self, count):
        """So many bytes."""
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("closed by the other side")
            parts += part
        return parts

    def run(self):
        try:
            while True:
                message = self.take(struct.unpack(">Q", self.take(8))[0])
                topic, body = message.split(b"\0", 1)
                if topic.startswith(b"decisions."):
                    items = mp.unpack(body)[4]
                    self.known.add("P %d" % item[1] for item in items if item[3] == DECISION)
        except OSError:
            pass  # the daemon is gone


def settle(batch, answer, known):
    """Notes what an answer promises."""
    lines = []
    for event, result in zip(batch, answer["results"]):
        if result[0] != "error":
            lines.append("A %d %d %s %s" % (result[1], 1, event["source"], event["id"]))
    known.add(lines)


def main(args):
    """producer.py."""
    port, publish_port, path, events_path = int(args[0]), int(args[1]), args[2], args[3]
    first, count, batch_size = int(args[4]), int(args[5]), int(args[6])
    with open(events_path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file.readlines()[first:first + count]]
    known = List(path)
    try:
        Subscriber(publish_port, known).start()
        client = harness.Client(port, 5)
        for at in range(0, len(events), batch_size):
            batch = events[at:at + batch_size]
            settle(batch, mp.unpack(client.call(mp.pack(batch))), known)
    except (OSError, ConnectionError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
