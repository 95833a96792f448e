# SPDX-License-Identifier: Apache-2.0
"""An upstream that sends exactly what the test tells it to, when the test tells it to.

A test that lets the upstream send event k+1 only after the client has received event k proves that nothing on the way waits for
more: a buffering front would stop such a test for ever, whatever the speed of the machine.
"""

import json
import queue
import select
import socket
import threading

from client import GUARD_S


class Call:
    """One request that the gateway made."""

    def __init__(self, sock, head, body):
        self.sock, self.head, self.body = sock, head, body

    @property
    def json(self):
        return json.loads(self.body)

    def send(self, data):
        self.sock.sendall(data)

    def begin_stream(self):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")

    def event(self, value):
        data = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def text(self, text, **choice):
        self.event({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None, **choice}]})

    def finish(self, prompt=10, completion=5, cost=None):
        self.event({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        if cost is not None:
            usage["cost"] = cost
        self.event({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage})
        self.event(b"[DONE]")
        self.send(b"0\r\n\r\n")

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                  % (status, len(body)) + body)

    def plain(self, text="hello", prompt=10, completion=5):
        self.answer({"id": "gen-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}})

    def gone(self):
        """Whether the gateway has closed its side by now."""
        readable, _, _ = select.select([self.sock], [], [], 0)
        return bool(readable) and self.closed()

    def wait_gone(self):
        """Returns once the gateway has closed its side; fails if it never does."""
        self.sock.settimeout(GUARD_S)
        assert self.closed(), "the gateway sent something instead of closing"

    def flow_until_gone(self):
        """Sends one small event after another until the gateway closes its side."""
        self.sock.settimeout(GUARD_S)
        for _ in range(100000):
            try:
                self.text("more ")
            except OSError:
                return
            readable, _, _ = select.select([self.sock], [], [], 0.02)
            if readable and self.closed():
                return
        raise AssertionError("the gateway goes on reading")

    def closed(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


class Gate:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.calls = queue.Queue()
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.read, args=(sock,), daemon=True).start()

    def read(self, sock):
        """Reads one request; a connection is not used for a second one."""
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                piece = sock.recv(65536)
                if not piece:
                    return sock.close()
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            while len(body) < length:
                piece = sock.recv(65536)
                if not piece:
                    return sock.close()
                body += piece
        except OSError:
            return sock.close()
        self.open.append(sock)
        return self.calls.put(Call(sock, head.decode("latin-1"), body))

    def next(self):
        """The next request, in the order in which they were complete."""
        return self.calls.get(timeout=GUARD_S)

    def close(self):
        self.listener.close()
        for sock in self.open:
            sock.close()
