# SPDX-License-Identifier: Apache-2.0
"""The gateway's FastCGI socket without a web server in between: what servers would refuse, repair or buffer."""

import json
import os
import socket
import stat

import pytest
from client import chat_body
from fake import new_word, script
from fastcgi import ABORT, BEGIN, END, PARAMS, STDIN, Connection, call, pair, params_of, record
from world import wait_until

COMPLETIONS = "/api/v1/chat/completions"


@pytest.fixture(scope="module")
def path(world):
    before = world.main.workers()
    yield world.stack.gateway_socket
    assert before and world.main.workers() == before
    assert world.db.rows("SELECT * FROM v_hold_open") == []


def chat(account, content="hello", **fields):
    return json.dumps(chat_body(content, **fields)).encode()


def test_the_socket_is_not_for_everyone(path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660


def test_plain(path, account):
    body = chat(account)
    answer = call(path, params_of("POST", COMPLETIONS, account.key, body), body)
    assert answer.status == 200 and answer.json["object"] == "chat.completion"


def test_the_body_is_refused_before_it_is_read(world, path, account):
    """33 MiB are announced, not a byte of them is sent: the 413 comes all the same."""
    with Connection(path) as connection:
        connection.begin(params_of("POST", COMPLETIONS, account.key, b"", CONTENT_LENGTH=str(33 * 1024 * 1024), CONTENT_TYPE="application/json"))
        answer = connection.answer()
    assert answer.status == 413 and answer.error["code"] == "request_too_large", answer


def test_a_body_without_a_length_is_refused_when_it_is_too_long(path, account):
    """Chunked at the web server: no CONTENT_LENGTH."""
    with Connection(path) as connection:
        connection.begin(params_of("POST", COMPLETIONS, account.key, CONTENT_TYPE="application/json"))
        try:
            for _ in range(40):
                connection.send(b"".join(record(STDIN, b" " * 65528) for _ in range(16)))
        except (BrokenPipeError, ConnectionResetError):
            pass    # it does not want to read the rest
        answer = connection.answer()
    assert answer is None or answer.status == 413, answer


@pytest.mark.parametrize("announced", [5, 10 ** 6])
def test_content_length_that_lies(world, path, account, announced):
    word = new_word()
    body = chat(account, word)
    params = params_of("POST", COMPLETIONS, account.key, body, CONTENT_LENGTH=str(announced))
    answer = call(path, params, body)
    if announced > len(body):
        assert answer.status == 400 and str(announced) in answer.error["message"], answer
        assert world.fake.requests(word) == []
    else:
        assert answer.status in (200, 400), answer


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", " 5", "5 ", "0x10", "99999999999999999999999", "+5", "5,5"])
def test_content_length_that_is_no_number(path, account, length):
    body = chat(account)
    answer = call(path, params_of("POST", COMPLETIONS, account.key, body, CONTENT_LENGTH=length), body)
    assert answer.status in (400, 413) or (length.strip(" +") == "5" and answer.status in (200, 400)), answer


@pytest.mark.parametrize("uri,status", [
    ("/api/v1/models%00", 400), ("/api/v1/models/%00", 400), ("/api/v1/%2e%2e/v1/models", 404), ("/api/v1/../v1/models", 404), ("/api/v1/models/..", 404),
    ("/api/v1/models/%2e", 404), ("/api/v1/models/%0d%0a", 400), ("/api/v1/models/%7f", 400), ("/api/v1/models/%", 400), ("/api/v1/models/%4", 400),
    ("/api/v1/models/%zz", 400), ("/api/v1/models/" + "x" * 3000, 400), ("", 404), ("*", 404), ("v1/models", 404), ("http://x/api/v1/models", 200),
    ("/api/v1/models#frag", 200), ("/x/y/api/v1/models", 200), ("/v1/models", 200), ("/api/v1/models/\xff", 404), ("/api/v1/models/a\nb", 400)])
def test_paths(path, account, uri, status):
    answer = call(path, params_of("GET", uri, account.key))
    assert answer.status == status, answer
    if status != 200:
        assert set(answer.error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("method,status", [("TRACE", 405), ("", 405), ("get", 405), ("x" * 60000, 405), ("GE T", 405), ("POST\r\nX: y", 405)])
def test_methods(path, account, method, status):
    answer = call(path, params_of(method, "/api/v1/models", account.key))
    assert answer.status == status, answer
    assert "x-y" not in answer.headers and len(answer.error["message"]) < 1024


def test_10000_headers(path, account):
    answer = call(path, params_of("GET", "/api/v1/models", account.key, headers={f"x-h{i}": "v" for i in range(10000)}))
    assert answer.status == 431 and answer.error["code"] == "headers_too_large", answer


def test_a_header_of_1_mib(path, account):
    answer = call(path, params_of("GET", "/api/v1/models", account.key, headers={"x-long": "v" * 1024 * 1024}))
    assert answer is None or answer.status == 431, answer


def test_the_last_headers_that_fit(path, account):
    answer = call(path, params_of("GET", "/api/v1/models", account.key, headers={f"x-h{i}": "v" for i in range(200)}))
    assert answer.status == 200


@pytest.mark.parametrize("value", ["Bearer sk-aig-\r\nx", "Bearer \x00", "Bearer " + "\xff" * 55, "Bearer sk-aig-" + "0" * 47 + "\n"], ids=lambda v: repr(v)[:40])
def test_authorization(path, value):
    answer = call(path, params_of("GET", "/api/v1/models", HTTP_AUTHORIZATION=value))
    assert answer.status == 401, answer


def test_no_parameters_at_all(path):
    answer = call(path, {})
    assert answer is None or 400 <= answer.status < 500


def test_error_texts_repeat_no_control_characters(path, account):
    body = json.dumps(chat_body(model="x\r\nSet-Cookie: a=b\x1b[31m")).encode()
    answer = call(path, params_of("POST", COMPLETIONS, account.key, body), body)
    assert answer.status == 404 and "set-cookie" not in answer.headers
    assert b"\x1b" not in answer.body and b"\r" not in answer.body


class TestProtocol:
    """Broken FastCGI: the peer is our own web server, so anything but a crash or a stuck worker will do."""

    @pytest.mark.parametrize("data", [
        b"", b"\x00", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 1000, record(END), record(STDIN, b"x"), record(PARAMS, b"x"), record(ABORT),
        record(BEGIN, b"\x00\x01\x00" + 5 * b"\x00")[:10], record(BEGIN, b"\x00\x07\x00" + 5 * b"\x00"), record(BEGIN, b""),
        record(BEGIN, b"\x00\x01\x00" + 5 * b"\x00") + record(PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff") + record(PARAMS),
        record(BEGIN, b"\x00\x01\x00" + 5 * b"\x00") + record(PARAMS, b"\x05\x05ab") + record(PARAMS),
        record(BEGIN, b"\x00\x01\x00" + 5 * b"\x00") + record(PARAMS, pair("REQUEST_METHOD", "GET"))], ids=lambda d: d[:20].hex() or "nothing")
    def test_broken(self, world, path, data):
        with Connection(path) as connection:
            try:
                connection.send(data)
                connection.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            connection.answer()
        assert world.api.get("/v1/health").status == 200

    def test_parameters_byte_by_byte(self, path, account):
        whole = b"".join(pair(k, v) for k, v in params_of("GET", "/api/v1/me", account.key).items())
        with Connection(path) as connection:
            connection.send(record(BEGIN, b"\x00\x01\x00" + 5 * b"\x00") + b"".join(record(PARAMS, whole[i:i + 1]) for i in range(len(whole))) + record(PARAMS))
            connection.send_stdin(b"")
            assert connection.answer().status == 200

    def test_silent_connections_stop_nobody(self, world, path, account):
        """Connections that never send anything hold no worker that others need."""
        idle = [Connection(path) for _ in range(30)]
        try:
            for _ in range(10):
                assert account.api.get("/v1/me").status == 200
                assert account.api.chat().status == 200
        finally:
            for connection in idle:
                connection.sock.close()


class TestLeaving:
    def stream(self, account, path, word, rule):
        body = chat(account, script(word, rule), stream=True)
        connection = Connection(path)
        connection.begin(params_of("POST", COMPLETIONS, account.key, body))
        connection.send_stdin(body)
        return connection

    def first(self, connection):
        head = b""
        while b"data: " not in head:
            piece = connection.read_stdout()
            assert piece, head
            head += piece
        return next(line.split(b": ")[1].decode() for line in head.split(b"\r\n") if line.lower().startswith(b"x-request-id"))

    @pytest.mark.parametrize("how", ["close", "abort", "shutdown"])
    def test_in_a_silent_stream(self, world, path, account, how):
        """The server closes the connection or sends FCGI_ABORT_REQUEST: the upstream's call is closed though it is silent."""
        word = new_word()
        connection = self.stream(account, path, word, {"words": 9, "stall": {"after": 4, "seconds": 3600}})
        request_id = self.first(connection)
        if how == "abort":
            connection.abort()
        elif how == "shutdown":
            connection.sock.shutdown(socket.SHUT_WR)
        else:
            connection.sock.close()
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        usage = account.wait_usage(request_id)
        assert usage["status"] == "client_gone" and usage["estimated"] is True and usage["charge_usd"] > 0
        connection.sock.close()

    def test_in_a_silent_plain_call(self, world, path, account):
        word = new_word()
        body = chat(account, script(word, {"delay": 3600}))
        with Connection(path) as connection:
            connection.begin(params_of("POST", COMPLETIONS, account.key, body))
            connection.send_stdin(body)
            world.fake.started(word)
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        wait_until(lambda: account.holds() == [], "the hold is released")
        assert account.spent() == 0
        assert account.db.one("SELECT status FROM usage_log WHERE account_id = %s", account.id)["status"] == "client_gone"

    def test_before_the_body_is_whole(self, world, path, account):
        word = new_word()
        body = chat(account, word)
        with Connection(path) as connection:
            connection.begin(params_of("POST", COMPLETIONS, account.key, body))
            connection.send_stdin(body[:10], end=False)
        wait_until(lambda: world.api.get("/v1/health").status == 200, "it serves on")
        assert world.fake.requests(word) == []

    def test_a_peer_that_does_not_read(self, world, path, account):
        """The answer is larger than all buffers and nobody reads it; then the peer leaves."""
        word = new_word()
        connection = self.stream(account, path, word, {"endless": True, "interval": 0, "text": "x" * 1000})
        request_id = self.first(connection)
        world.fake.wait_events(word, 100)
        connection.sock.close()
        assert account.wait_usage(request_id)["status"] == "client_gone"
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
