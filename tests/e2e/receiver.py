# SPDX-License-Identifier: Apache-2.0
"""A customer's server for webhooks: the path says how it behaves.

    /ok            200, after whatever the test has asked for (hold)
    /status/N      answers N; /status/429/120 with Retry-After: 120
    /redirect      302 to /redirected on the same server
    /hang          reads the request and says nothing
    /slow          answers after a second
    /endless       200 and a body that never ends
    /cut           closes without an answer
    /text          200 with bytes that are no valid text
"""

import collections
import http.server
import threading

from client import GUARD_S

Delivery = collections.namedtuple("Delivery", "path headers body")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"ok", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # noqa: N802 - the base class names it
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.note(Delivery(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        parts = self.path.split("?")[0].strip("/").split("/")
        getattr(self, "do_" + parts[0], self.do_ok)(*parts[1:])

    do_GET = do_POST  # noqa: N815 - a redirect that was followed would come as one

    def do_ok(self, *_):
        self.server.receiver.hold()
        self.answer(200)

    def do_status(self, status, retry_after=None):
        self.answer(int(status), b"answer " + status.encode(), **({"Retry_After": retry_after} if retry_after else {}))

    def do_redirect(self):
        self.answer(302, Location=f"http://127.0.0.1:{self.server.server_address[1]}/redirected")

    def do_hang(self):
        self.server.receiver.closing.wait()
        self.close_connection = True

    def do_slow(self):
        self.server.receiver.closing.wait(1)
        self.answer(200)

    def do_endless(self):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.receiver.closing.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def do_cut(self):
        self.close_connection = True

    def do_text(self):
        self.answer(200, b"caf\xe9 \x00 <b>" + "é".encode() * 600)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that was killed


class Receiver:
    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.changed = threading.Condition()
        self.deliveries = []
        self.waiting = 0
        self.wanted = 0
        self.closing = threading.Event()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def note(self, delivery):
        with self.changed:
            self.deliveries.append(delivery)
            self.changed.notify_all()

    def hold_until(self, count):
        """From now on /ok answers nobody until so many wait there at once; then everybody."""
        with self.changed:
            self.wanted = count

    def release(self):
        with self.changed:
            self.wanted = 0
            self.changed.notify_all()

    def hold(self):
        with self.changed:
            self.waiting += 1
            if self.waiting >= self.wanted:
                self.wanted = 0
            self.changed.notify_all()
            held = self.changed.wait_for(lambda: self.wanted == 0, GUARD_S)
            self.waiting -= 1
        assert held, "not so many requests came at once"

    def wait_waiting(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: self.waiting >= count, GUARD_S), f"{self.waiting} requests wait, not {count}"

    def wait_count(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.deliveries) >= count, GUARD_S), f"{len(self.deliveries)} came, not {count}"

    def got(self, path=None):
        with self.changed:
            return [d for d in self.deliveries if path is None or d.path == path]

    def forget(self):
        with self.changed:
            self.deliveries.clear()

    def close(self):
        self.closing.set()
        self.release()
        self.server.shutdown()
        self.server.server_close()
