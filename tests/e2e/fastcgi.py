# SPDX-License-Identifier: Apache-2.0
"""A FastCGI client in a few lines (FastCGI specification 1.0): talks to the gateway's socket without a web server in between,
so that requests can be sent which web servers refuse or repair."""

import socket
import struct

from client import GUARD_S, Answer

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
RESPONDER = 1


def record(kind, content=b"", request_id=1):
    return struct.pack("!BBHHBx", 1, kind, request_id, len(content), 0) + content


def stream(kind, data):
    """A stream of records, its end included."""
    out = b"".join(record(kind, data[i:i + 65535]) for i in range(0, len(data), 65535))
    return out + record(kind)


def pair(name, value):
    def length(n):
        return struct.pack("!B", n) if n < 128 else struct.pack("!I", n | 0x80000000)
    name = name.encode() if isinstance(name, str) else name
    value = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return length(len(name)) + length(len(value)) + name + value


def params_of(method, uri, key=None, body=b"", headers=None, **more):
    params = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "test", "REQUEST_METHOD": method,
              "REQUEST_URI": uri, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    if key:
        params["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    if body:
        params["CONTENT_LENGTH"] = str(len(body))
        params["CONTENT_TYPE"] = "application/json"
    for name, value in (headers or {}).items():
        params["HTTP_" + name.upper().replace("-", "_")] = value
    params.update(more)
    return {k: v for k, v in params.items() if v is not None}


class Connection:
    """One request on one connection."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(GUARD_S)
        self.sock.connect(str(path))
        self.pending = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def begin(self, params, keep=0):
        pairs = params if isinstance(params, bytes) else b"".join(pair(k, v) for k, v in params.items())
        self.sock.sendall(record(BEGIN, struct.pack("!HB5x", RESPONDER, keep)) + stream(PARAMS, pairs))

    def send(self, data):
        self.sock.sendall(data)

    def send_stdin(self, body, end=True):
        self.sock.sendall(stream(STDIN, body) if end else record(STDIN, body))

    def abort(self):
        self.sock.sendall(record(ABORT))

    def read_record(self):
        """(kind, content); None when the peer closed."""
        while len(self.pending) < 8 or len(self.pending) < 8 + self.wanted():
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.pending += piece
        kind, size, padding = self.pending[1], *struct.unpack("!HB", self.pending[4:7])
        content = self.pending[8:8 + size]
        self.pending = self.pending[8 + size + padding:]
        self.ended = self.ended or kind == END
        return kind, content

    def wanted(self):
        size, padding = struct.unpack("!HB", self.pending[4:7])
        return size + padding

    def read_stdout(self):
        """Some bytes of the answer; b"" at its end."""
        while (found := self.read_record()) is not None:
            if found[0] == STDOUT and found[1]:
                return found[1]
            if found[0] == END:
                return b""
        return b""

    def answer(self):
        """The whole answer, parsed; None when the connection ended without one."""
        data = b""
        while piece := self.read_stdout():
            data += piece
        if b"\r\n\r\n" not in data:
            return None
        head, _, body = data.partition(b"\r\n\r\n")
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in head.decode("latin-1").split("\r\n")]
        status = dict((k.lower(), v) for k, v in headers).get("status", "200")
        return Answer(int(status.split()[0]), headers, body)


def call(path, params, body=b""):
    with Connection(path) as connection:
        connection.begin(params)
        connection.send_stdin(body)
        return connection.answer()
