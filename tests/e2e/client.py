# SPDX-License-Identifier: Apache-2.0
"""An HTTP client that hides nothing: whole answers, streams read one event at a time, raw sockets.

Timeouts here only keep a broken gateway from hanging the suite; no test measures time with them.
"""

import hashlib
import hmac
import http.client
import json
import socket
import struct
import threading
from urllib.parse import urlsplit

GUARD_S = 60


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {k.lower(): v for k, v in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


class Event:
    """One event of a stream. `data` is None for a comment."""

    def __init__(self, data, comment=None):
        self.data = data
        self.comment = comment

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"<event {self.data!r} comment {self.comment!r}>"


class Stream:
    """A streamed answer, read as it comes. Closing it early is a client that leaves."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next(self):
        """The next event or comment, None at the end."""
        data, comment, seen = [], [], False
        while True:
            line = self.response.readline()
            if line == b"":
                assert not seen, f"the stream ended within an event: {data} {comment}"
                return None
            line = line.rstrip(b"\r\n")
            if line == b"":
                if seen:
                    return Event(b"\n".join(data).decode() if data else None, b"\n".join(comment).decode() if comment else None)
                continue
            seen = True
            if line.startswith(b":"):
                comment.append(line[1:].strip())
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))

    def next_data(self):
        """The next event that is no comment."""
        while (event := self.next()) is not None and event.data is None:
            pass
        return event

    def __iter__(self):
        while (event := self.next_data()) is not None:
            yield event

    def chunks(self):
        """All remaining events but [DONE], parsed; and whether [DONE] came last."""
        events = [e.data for e in self]
        done = bool(events) and events[-1] == "[DONE]"
        assert "[DONE]" not in events[:-1]
        return [json.loads(e) for e in events[:len(events) - done]], done

    def read_rest(self):
        return self.response.read()

    def close(self):
        self.response.close()
        self.connection.close()

    def reset(self):
        """Leaves with a RST instead of a FIN."""
        self.connection.sock and self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Api:
    """The gateway at `url` (".../api"), called with `key`."""

    def __init__(self, url, key=None, timeout=GUARD_S, headers=None):
        self.url, self.key, self.timeout, self.headers = url.rstrip("/"), key, timeout, dict(headers or {})
        parts = urlsplit(self.url)
        self.host, self.port, self.mount = parts.hostname, parts.port, parts.path

    def with_key(self, key):
        return Api(self.url, key, self.timeout)

    def with_session(self, token, csrf=True):
        """Called in a browser's session; csrf: True sends the right token, a text that one, None none."""
        headers = {"Cookie": f"aig_session={token}"}
        if csrf is not None:
            headers["X-CSRF-Token"] = csrf_of(token) if csrf is True else csrf
        return Api(self.url, None, self.timeout, headers)

    def open(self, method, path, body=None, headers=None):
        sent = dict(self.headers)
        if self.key:
            sent["Authorization"] = f"Bearer {self.key}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, self.mount + path, body, {k: v for k, v in sent.items() if v is not None})
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def call(self, method, path, body=None, headers=None):
        connection, response = self.open(method, path, body, headers)
        try:
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body, **kw):
        return self.call("POST", path, body, **kw)

    def chat(self, content="hello", headers=None, **fields):
        return self.post("/v1/chat/completions", chat_body(content, **fields), headers=headers)

    def chat_stream(self, content="hello", headers=None, **fields):
        fields.setdefault("stream", True)
        return Stream(*self.open("POST", "/v1/chat/completions", chat_body(content, **fields), headers))

    def send_only(self, path, content, **fields):
        """Sends a chat request and reads nothing; the socket.

        lighttpd (1.4.69) does not watch a client whose request is there already when it accepts the connection: its leaving shows
        only once something is written to it. So the request comes after another connection, made later, has been served."""
        sock = self.connect()
        assert self.get("/v1/health").status == 200
        body = json.dumps(chat_body(content, **fields)).encode()
        sock.sendall(f"POST {self.mount}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return sock

    def raw(self, data, close_write=False):
        """Sends bytes as they are; everything that comes back until the server closes."""
        with self.connect() as sock:
            try:
                sock.sendall(data)
                if close_write:
                    sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before it was read whole: what was answered counts
            return read_all(sock)

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=self.timeout)


def csrf_of(token):
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def chat_body(content="hello", **fields):
    """A chat request: gpt-4o-mini and one user message unless the fields say otherwise; None leaves a field out."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}
    body.update(fields)
    return {k: v for k, v in body.items() if v is not None}


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def parse_raw(data):
    """The first HTTP answer in raw bytes."""
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    known = {k.lower(): v for k, v in headers}
    if known.get("transfer-encoding") == "chunked":
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            size = int(size, 16)
            body, rest = body + rest[:size], rest[size + 2:]
            if size == 0:
                break
    else:
        body = rest[:int(known["content-length"])] if "content-length" in known else rest
    return Answer(int(lines[0].split()[1]), headers, body)


class Later:
    """A call that runs in a thread of its own until its result is wanted."""

    def __init__(self, fn, *args, **kw):
        self.outcome = None
        self.thread = threading.Thread(target=self.run, args=(fn, args, kw), daemon=True)
        self.thread.start()

    def run(self, fn, args, kw):
        try:
            self.outcome = (fn(*args, **kw), None)
        except BaseException as problem:  # pylint: disable=broad-except
            self.outcome = (None, problem)

    def result(self):
        self.thread.join(2 * GUARD_S)
        assert not self.thread.is_alive(), "it does not end"
        if self.outcome[1] is not None:
            raise self.outcome[1]
        return self.outcome[0]
