"""A receiver of webhooks that keeps book: which key came, from which life of the daemon, and what it was told.

One thread, no library but the standard one; fast enough that the daemon is what is tested.
"""

import selectors
import socket
import threading
import time

CUT = 0  # instead of a status: the work is done, the connection ends without an answer


class Request:
    """One request as it arrived."""

    def __init__(self, path, key, body, at):
        self.path = path
        self.key = key  # the idempotency key: webhook-id
        self.body = body
        self.at = at  # when it had arrived whole, on the monotonic clock
        self.status = None  # what it was answered, CUT, or None: not yet


class _Connection:
    def __init__(self, sock):
        self.sock = sock
        self.data = b""
        self.open = True


class Receiver(threading.Thread):
    """Listens on loopback until close(); `answer(request)` gives (status, seconds to wait)."""

    def __init__(self, answer=None):
        super().__init__(daemon=True)
        self.answer = answer or (lambda request: (200, 0))
        self.requests = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._later = []  # (due, connection, request)
        self._ending = False
        self.error = None
        self.start()

    def url(self, path="hook"):
        """Where the daemon sends to."""
        return "http://127.0.0.1:%d/%s" % (self.port, path)

    def close(self):
        """Ends it; what it could not do is raised here."""
        self._ending = True
        self.join(10)
        if self.error is not None:
            raise self.error

    def run(self):
        try:
            while not self._ending:
                for key, _ in self._selector.select(self._wait()):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read(key.data)
                self._answer_due()
        except Exception as error:  # close() hands it on
            self.error = error
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _wait(self):
        now = time.monotonic()
        return max(0, min([due - now for due, _, _ in self._later] + [0.05]))

    def _accept(self):
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, _Connection(sock))

    def _drop(self, connection):
        if connection.open:
            connection.open = False
            self._selector.unregister(connection.sock)
            connection.sock.close()

    def _read(self, connection):
        if not connection.open:
            return
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.data += data
        while self._take(connection):
            pass

    def _take(self, connection):
        """Takes one whole request out of what was read; false when there is none."""
        head, end, rest = connection.data.partition(b"\r\n\r\n")
        if not end:
            return False
        lines = head.decode().split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers["content-length"])
        if len(rest) < length:
            return False
        connection.data = rest[length:]
        request = Request(lines[0].split(" ")[1], headers.get("webhook-id"), rest[:length],
                          time.monotonic())
        self.requests.append(request)
        status, wait = self.answer(request)
        request.wanted = status
        if wait > 0:
            self._later.append((time.monotonic() + wait, connection, request))
        else:
            self._respond(connection, request)
        return connection.open

    def _answer_due(self):
        now = time.monotonic()
        due = [item for item in self._later if item[0] <= now]
        if due:
            self._later = [item for item in self._later if item[0] > now]
        for _, connection, request in due:
            self._respond(connection, request)

    def _respond(self, connection, request):
        """The work counts as done even when nobody is there any more to hear of it."""
        request.status = request.wanted
        if request.status == CUT:
            self._drop(connection)
        elif connection.open:
            try:
                connection.sock.send(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n"
                                     % request.status)
            except OSError:
                self._drop(connection)
