# SPDX-License-Identifier: Apache-2.0
"""The basic cases behind every web server.

OpenAI's models are served by the fake upstream here, OpenRouter's by the gate, which sends an event when the test says so.
"""

import hashlib

import pytest
from client import Api, Later, chat_body
from fake import new_word, script
from gate import Gate
from world import ALL_FRONTS, PERSISTENT_FRONTS

GATED = "deepseek-v3"   # a model of OpenRouter's route


@pytest.fixture(scope="module")
def gate():
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture(scope="module", params=ALL_FRONTS)
def front(request, world, gate):
    with world.front(request.param, openrouter_url=gate.url) as front:
        yield front


@pytest.fixture
def account(world, front):
    with world.account(front.api) as account:
        yield account


@pytest.fixture
def api(account):
    return account.api


def test_plain(api, world, account):
    word = new_word()
    answer = api.chat(f"{word} hello")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-aig-provider"] == "openai"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    body = answer.json
    assert body["object"] == "chat.completion" and word in body["choices"][0]["message"]["content"]
    assert account.usage(answer)["charge_usd"] > 0
    assert world.fake.one(word)["status"] == 200


def test_session(account):
    """The cookie, the CSRF header and Set-Cookie pass through."""
    api = account.signed_in()
    assert api.get("/v1/auth/session").json["account"]["email"] == account.email
    weak = api.with_session(api.headers["Cookie"].removeprefix("aig_session="), csrf=None)
    assert weak.call("POST", "/v1/auth/logout").error["code"] == "csrf_failed"
    answer = api.call("POST", "/v1/auth/logout")
    assert answer.status == 204 and answer.headers["set-cookie"].startswith("aig_session=;")
    assert api.get("/v1/auth/session").status == 401


def test_stream(api, account):
    word = new_word()
    with api.chat_stream(f"{word} one two three", stream_options={"include_usage": True}) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        chunks, done = stream.chunks()
    assert done
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert word in text
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["cost"] > 0
    assert account.usage(stream)["stream"] is True


def test_stream_goes_event_by_event(api, gate, account):
    """The upstream sends its next event only when the client has the one before."""
    opening = Later(api.chat_stream, "go", model=GATED)
    call = gate.next()
    call.begin_stream()
    call.text("0")
    with opening.result() as stream:
        assert stream.status == 200
        for k in range(1, 30):
            assert stream.next_data().json["choices"][0]["delta"]["content"] == str(k - 1)
            call.text(str(k))
        assert stream.next_data().json["choices"][0]["delta"]["content"] == "29"
        call.finish()
        chunks, done = stream.chunks()
    assert done and chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert account.usage(stream)["charge_usd"] > 0


def test_errors_come_as_they_are(api, account):
    """Web servers like to put their own page in the place of an error."""
    cases = [
        (api.chat(model="no-such-model"), 404, "model_not_found"),
        (api.post("/v1/chat/completions", "{"), 400, None),
        (api.chat(script(new_word(), {"status": 429, "headers": {"retry-after": "3"}})), 429, "rate_limit_exceeded"),
        (api.chat(script(new_word(), {"status": 500})), 502, "upstream_error"),
        (api.chat(script(new_word(), {"status": 503})), 503, "upstream_overloaded"),
        (api.get("/v1/nothing"), 404, "not_found"),
        (api.get("/v1/chat/completions"), 405, "method_not_allowed"),
        (api.with_key("sk-aig-" + 48 * "0").chat(), 401, "invalid_api_key"),
        (api.with_key(None).chat(), 401, "missing_api_key"),
    ]
    for answer, status, code in cases:
        assert answer.status == status, answer
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"].startswith("req_")
        assert set(answer.error) == {"message", "type", "param", "code"} and answer.error["code"] == code, answer
    assert cases[2][0].headers["retry-after"] == "3"
    assert account.spent() == 0


def test_402_comes_as_it_is(api, account):
    account.set_cap("key", "0.000000001")
    answer = api.chat()
    assert answer.status == 402 and answer.error["code"] == "key_cap_exceeded", answer
    assert api.get("/v1/me").status == 200


def test_error_in_mid_stream(api, account):
    with api.chat_stream(script(new_word(), {"words": 5, "error_event": {"after": 3}})) as stream:
        assert stream.status == 200
        chunks, done = stream.chunks()
    assert not done and chunks[-1]["error"]["message"]
    assert account.spent() == 0


def test_big_body(api, world, account):
    """6 MiB in one message reach the upstream; a front that buffers to disk or has a small limit shows here."""
    word = new_word()
    image = "data:image/png;base64," + "QUJD" * (6 * 1024 * 1024 // 4)
    answer = api.post("/v1/chat/completions", chat_body([{"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": image}}],
                                                        max_tokens=5))
    assert answer.status == 200, answer
    sent = world.fake.one(word)["json"]["messages"][0]["content"][1]["image_url"]["url"]
    assert hashlib.sha256(sent.encode()).digest() == hashlib.sha256(image.encode()).digest()


def test_big_answer(api, account):
    size = 3 * 1024 * 1024
    answer = api.chat(script(new_word(), {"body_bytes": size}))
    assert answer.status == 200 and len(answer.body) >= size
    with api.chat_stream(script(new_word(), {"body_bytes": size})) as stream:
        chunks, done = stream.chunks()
    assert done and max(len(c["choices"][0]["delta"].get("content") or "") for c in chunks) > size * 9 // 10


def test_headers_do_not_buffer_or_cache(api, account):
    with api.chat_stream("hello") as stream:
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.headers["x-accel-buffering"] == "no"
        stream.read_rest()


def test_client_leaves_a_flowing_stream(api, gate, account, front):
    """The upstream goes on sending: the gateway notices at a write, closes its call and charges what it delivered."""
    opening = Later(api.chat_stream, "go", model=GATED)
    call = gate.next()
    call.begin_stream()
    call.text("first ")
    stream = opening.result()
    request_id = stream.headers["x-request-id"]
    assert stream.next_data()
    stream.close()
    call.flow_until_gone()
    usage = account.wait_usage(request_id)
    assert usage["status"] == "client_gone" and usage["estimated"] is True
    assert usage["charge_usd"] > 0


def test_many_requests_after_another(api, account, front):
    """No request is lost or mixed up, also where each one is a process."""
    for k in range(20):
        answer = api.chat(f"number {k} of them")
        assert answer.status == 200 and f"number {k} of them" in answer.json["choices"][0]["message"]["content"]


def test_the_dashboard_is_served(front):
    """With its policy and the right types, and nothing beside it."""
    site = Api(front.stack.url)
    types = {"": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "js/dom.js": "text/javascript; charset=utf-8",
             "app.css": "text/css; charset=utf-8", "brand/logo.svg": "image/svg+xml"}
    for name, kind in types.items():
        answer = site.get(f"/dashboard/{name}")
        assert answer.status == 200 and answer.headers["content-type"].lower() == kind, answer
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'") and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache" and answer.headers["etag"]
    moved = site.get("/dashboard")
    assert moved.status == 301 and moved.headers["location"].endswith("/dashboard/")
    assert site.get("/dashboard/nothing.js").status == 404
    assert site.get("/dashboard/../../ai-generate.conf.sample.in").status in (400, 404)


@pytest.mark.parametrize("front", PERSISTENT_FRONTS, indirect=True)
def test_the_process_stays(api, account, front):
    before = front.workers()
    for _ in range(3):
        assert api.chat().status == 200
    assert before and front.workers() == before
