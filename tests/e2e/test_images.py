# SPDX-License-Identifier: Apache-2.0
"""Images and files by URL: fetched for a provider that takes bytes only, untouched for the others."""

import base64
import contextlib
import http.server
import threading

import pytest
from fake import new_word

GOOGLE = "gemini-3.5-flash"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n%%EOF\n"
MIB = 1024 * 1024
HEAD_OF_PNG = PNG[:16]


class Pictures(http.server.BaseHTTPRequestHandler):
    """The customer's web server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.split("?")[0]
        if path == "/to-png":
            return self.send("", b"", status=302, location="/a.png")
        if path.startswith("/mib/"):
            size = int(path.rsplit("/", 1)[1]) * MIB
            return self.send("image/png", HEAD_OF_PNG + bytes(size - len(HEAD_OF_PNG)))
        files = {"/a.png": ("image/png", PNG), "/a.pdf": ("application/pdf", PDF), "/page": ("text/html", b"<html>not an image</html>"),
                 "/liar": ("image/png", b"<html>not an image</html>")}
        if path not in files:
            return self.send("text/plain", b"no such file", status=404)
        return self.send(*files[path])

    def send(self, kind, body, status=200, location=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Pictures)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        pass  # a client that leaves in the middle


@pytest.fixture
def pictures():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def open_front(world):
    """A gateway whose operator lets private addresses pass."""
    with world.front("lighttpd", allow_private_webhooks="yes") as front:
        yield front


@pytest.fixture
def customer(world, open_front):
    with world.account(open_front.api) as account:
        yield account


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def parts_of(fake, word):
    """What Google was sent of the first content."""
    return fake.one(word)["json"]["contents"][0]["parts"]


def refused(answer, path, words):
    assert answer.status == 400, answer
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == path
    assert words in answer.error["message"], answer
    return answer


def test_google_gets_bytes(world, customer, pictures):
    word = new_word()
    answer = customer.api.chat([{"type": "text", "text": word}, image(pictures.url + "/a.png"), image(pictures.url + "/to-png?x=1"),
                                {"type": "file", "file": {"file_data": pictures.url + "/a.pdf"}}], model=GOOGLE)
    assert answer.status == 200, answer
    data = base64.b64encode(PNG).decode()
    assert parts_of(world.fake, word) == [
        {"text": word}, {"inlineData": {"mimeType": "image/png", "data": data}}, {"inlineData": {"mimeType": "image/png", "data": data}},
        {"inlineData": {"mimeType": "application/pdf", "data": base64.b64encode(PDF).decode()}}]
    assert pictures.asked == ["/a.png", "/to-png?x=1", "/a.png", "/a.pdf"]


def test_stream(world, customer, pictures):
    word = new_word()
    with customer.api.chat_stream([{"type": "text", "text": word}, image(pictures.url + "/a.png")], model=GOOGLE) as stream:
        assert stream.status == 200
        assert stream.chunks()[1]
    assert "inlineData" in parts_of(world.fake, word)[1]


def test_openai_gets_the_url(world, customer, pictures):
    word = new_word()
    content = [{"type": "text", "text": word}, image(pictures.url + "/a.png")]
    assert customer.api.chat(content).status == 200
    assert world.fake.one(word)["json"]["messages"][0]["content"] == content
    assert pictures.asked == []


def test_private_addresses_are_refused(world, account, api, pictures):
    """By default, however the address is written; nothing is asked, held or charged."""
    port = pictures.server_port
    for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"):
        word = new_word()
        answer = api.chat([{"type": "text", "text": word}, image(f"http://{host}:{port}/a.png")], model=GOOGLE)
        refused(answer, "messages[0].content[1].image_url.url", "not public")
        assert world.fake.requests(word) == []
    assert pictures.asked == []
    assert account.spent() == 0
    assert account.db.value("SELECT COUNT(*) FROM hold WHERE account_id = %s", account.id) == 0


@pytest.mark.parametrize("path, words", [
    ("/none", "HTTP 404"), ("/page", "Content-Type"), ("/liar", "not what its Content-Type says"), ("/mib/21", "larger than 20971520 bytes"),
    ("/mib/50", "larger than 20971520 bytes")])
def test_bad_answers(world, customer, pictures, path, words):
    word = new_word()
    answer = customer.api.chat(messages=[{"role": "system", "content": word}, {"role": "user", "content": [
        {"type": "text", "text": "what"}, image(pictures.url + path)]}], model=GOOGLE)
    refused(answer, "messages[1].content[1].image_url.url", words)
    assert world.fake.requests(word) == []
    assert customer.db.value("SELECT COUNT(*) FROM hold WHERE account_id = %s", customer.id) == 0


def test_bad_urls(customer):
    for url, words in (("http://u:p@127.0.0.1/a.png", "user name"), ("http://", "must be an http(s) URL"), ("https://nothing.invalid/a.png", "resolved")):
        refused(customer.api.chat([image(url)], model=GOOGLE), "messages[0].content[0].image_url.url", words)


def test_sum_of_sizes(customer, pictures):
    answer = customer.api.chat([image(pictures.url + f"/mib/18?{i}") for i in range(3)], model=GOOGLE)
    refused(answer, "messages[0].content[2].image_url.url", "50 MiB together")


def test_count(world, customer, pictures):
    word = new_word()
    text = {"type": "text", "text": word}
    answer = customer.api.chat([text] + [image(pictures.url + "/a.png")] * 17, model=GOOGLE)
    refused(answer, "messages", "at most 16")
    assert pictures.asked == []
    assert customer.api.chat([text] + [image(pictures.url + "/a.png")] * 16, model=GOOGLE).status == 200
    assert len(parts_of(world.fake, word)) == 17


def test_strangers_make_nobody_fetch(open_front, pictures):
    """The key is looked at before any URL is."""
    answer = open_front.api.with_key("sk-aig-" + "0" * 48).chat([image(pictures.url + "/a.png")], model=GOOGLE)
    assert answer.status == 401, answer
    assert pictures.asked == []


def test_documents_of_anthropics_clients(world, customer, pictures):
    """OpenAI's chat completions take images by URL, but no files."""
    word = new_word()
    source = {"type": "url", "url": pictures.url + "/a.pdf"}
    content = [{"type": "document", "source": source}, {"type": "image", "source": dict(source, url=pictures.url + "/a.png")}, {"type": "text", "text": word}]
    answer = customer.api.post("/v1/messages", {"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": content}]})
    assert answer.status == 200, answer
    document, picture, _ = world.fake.one(word)["json"]["messages"][0]["content"]
    assert document["file"]["file_data"] == "data:application/pdf;base64," + base64.b64encode(PDF).decode()
    assert picture["image_url"]["url"] == pictures.url + "/a.png" and pictures.asked == ["/a.pdf"]
