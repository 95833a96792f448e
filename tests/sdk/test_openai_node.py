# SPDX-License-Identifier: Apache-2.0
"""The OpenAI SDK for JavaScript. Its cases are in openai_node.mjs; AIG_SDK_DIR is the directory that tests/env/node.sh has made."""

import json
import os
import subprocess

import pytest
from client import GUARD_S
from fake import new_word, script


@pytest.fixture
def run(node, account):
    def run(case, **values):
        env = {"PATH": os.environ["PATH"], "OPENAI_BASE_URL": account.api.url + "/v1", "OPENAI_API_KEY": values.pop("key", account.key)}
        done = subprocess.run([node[0], "openai_node.mjs", case, json.dumps(values)], cwd=node[1], env=env, capture_output=True, text=True,
                              timeout=2 * GUARD_S, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


@pytest.fixture(params=["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "grok-4.3"])
def model(request):
    return request.param


def test_plain(run, account, model):
    seen = run("plain", model=model)
    assert "hello there" in seen["answer"]["choices"][0]["message"]["content"]
    assert seen["answer"]["usage"]["cost"] == float(account.usage(seen["requestID"])["charge_usd"]) > 0


def test_stream(run, account, model):
    seen = run("stream", model=model)
    assert "hello there" in seen["text"] and seen["finish"] == "stop" and seen["usage"] is None and seen["empty"] == 0
    assert account.usage(seen["requestID"])["charge_usd"] > 0


def test_stream_usage(run, account, model):
    seen = run("stream", model=model, more={"stream_options": {"include_usage": True}})
    assert seen["empty"] == 1 and seen["usage"]["cost"] == float(account.usage(seen["requestID"])["charge_usd"])


@pytest.mark.parametrize("text,count", [("use tool", 1), ("use two tools", 2)])
def test_tools(run, model, text, count):
    seen = run("tools", model=model, content=text)
    assert len(seen["calls"]) == count and seen["finish"] == "tool_calls" and "sunny and 21 degrees" in seen["text"]
    streamed = run("streamedTools", model=model, content=text)
    assert len(streamed["calls"]) == count and streamed["finish"] == "tool_calls"
    assert all(c["id"] and c["name"] == "weather" and "city" in json.loads(c["arguments"]) for c in streamed["calls"])


def test_stream_helper(run):
    seen = run("helper", content="use two tools")
    assert len(seen["calls"]) == 2 and all("city" in json.loads(c["function"]["arguments"]) for c in seen["calls"])


def test_json_and_vision(run, world):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    seen = run("plain", more={"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}})
    assert isinstance(json.loads(seen["answer"]["choices"][0]["message"]["content"])["a"], int)
    word = new_word()
    run("plain", content=[{"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])
    assert world.fake.one(word)["json"]["messages"][0]["content"][1]["image_url"]["url"] == "https://example.org/a.png"


def test_headers(run, account):
    seen = run("raw")
    assert seen["headers"]["x-request-id"] == seen["request_id"] and seen["headers"]["openai-processing-ms"].isdigit()
    assert seen["headers"]["x-ai-credits-charged"] == format(account.usage(seen["request_id"])["charge_usd"], "f")


def test_models(run):
    seen = run("models")
    assert "gpt-4o" in seen["names"] and seen["one"]["id"] == "gpt-4o" and seen["one"]["pricing"]["currency"] == "USD"


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_idempotency_key(run, account, more):
    first, again = run("idempotent", content="hello there", more=more, idempotency=new_word())["seen"]
    assert "hello there" in first["text"] and again["text"] == first["text"] and again["requestID"] == first["requestID"]
    assert first["replay"] is None and again["replay"] == "true"
    assert len(account.db.rows("SELECT id FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 1


@pytest.mark.parametrize("name,size", [("text-embedding-3-small", 1536), ("gemini-embedding-2", 3072), ("qwen3-embedding-8b", 4096)])
def test_embeddings(run, account, world, name, size):
    """The SDK asks for base64 unless told otherwise."""
    word = new_word()
    packed = run("embeddings", model=name, content=[word, "two"])
    assert packed["sizes"] == [size, size] and packed["usage"]["cost"] > 0
    plain = run("embeddings", model=name, content=[word, "two"], more={"encoding_format": "float"})
    assert plain["sizes"] == [size, size] and packed["first"] == pytest.approx(plain["first"], rel=1e-6)
    if name != "gemini-embedding-2":
        assert [r["json"]["encoding_format"] for r in world.fake.requests(word)] == ["base64", "float"]
    assert run("embeddings", model=name, content="x", more={"dimensions": 16})["sizes"] == [16]
    error = run("embeddings", model=name, content=script(word, {"status": 429}))["error"]
    assert error["class"] == "RateLimitError"
    assert len(account.db.rows("SELECT id FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 3


@pytest.mark.parametrize("status,kind", [(400, "BadRequestError"), (403, "PermissionDeniedError"), (404, "NotFoundError"), (409, "ConflictError"),
                                         (422, "UnprocessableEntityError"), (429, "RateLimitError"), (500, "InternalServerError")])
@pytest.mark.parametrize("case", ["plain", "stream"])
def test_errors(run, account, status, kind, case):
    error = run(case, content=script(new_word(), {"status": status}))["error"]
    assert error["class"] == kind and error["requestID"].startswith("req_") and error["message"]
    assert account.spent() == 0


def test_401_and_402(run, account, world):
    error = run("plain", key="sk-aig-" + 48 * "0")["error"]
    assert error["class"] == "AuthenticationError" and error["code"] == "invalid_api_key"
    account.set_cap("key", "0.000001")
    word = new_word()
    for case in ("plain", "stream"):
        error = run(case, content=word, retries=3)["error"]
        assert error["class"] == "APIError" and error["isAPIError"] and error["status"] == 402 and error["code"] == "key_cap_exceeded"
    assert world.fake.requests(word) == []


def test_error_in_mid_stream(run, account, model):
    for rule in ({"words": 30, "error_event": {"after": 12}}, {"words": 30, "cut": {"after": 12, "how": "hard"}}):
        error = run("stream", content=script(new_word(), rule), model=model)["error"]
        assert "You were not charged" in error["message"]
    assert account.spent() == 0


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("case", ["plain", "stream"])
def test_retry(run, account, world, status, case):
    word = new_word()
    seen = run(case, content=script(word, [{"status": status}, {}]), retries=2)
    assert word in (seen["text"] if case == "stream" else seen["answer"]["choices"][0]["message"]["content"])
    assert [r["status"] for r in world.fake.requests(word)] == [status, 200]
    assert len(world.db.rows("SELECT * FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 1


def test_timeout_and_abort(run, account, world):
    """The client gives up. The gateway may only notice when it answers (see Api.send_only), so the provider answers in the end."""
    for case, values, kind in (("plain", {"timeout": 300}, "APIConnectionTimeoutError"), ("abort", {}, "APIUserAbortError")):
        word = new_word()
        assert run(case, content=script(word, {"delay": 1.5}), **values)["error"]["class"] == kind
        world.fake.ended(word)
    account.check()
    assert len(world.db.rows("SELECT * FROM usage_log WHERE account_id = %s AND status IN ('ok', 'client_gone')", account.id)) == 2


def test_leaving_a_stream(run, account, world):
    word = new_word()
    seen = run("leave", content=script(word, {"words": 9, "stall": {"after": 5, "seconds": 3600}}))
    assert world.fake.ended(word)[-1]["closed_by_peer"] is True
    assert account.wait_usage(seen["requestID"])["status"] == "client_gone"


def test_many_streams_at_once(run):
    assert run("many")["right"] == 20


@pytest.fixture(params=["gpt-4o-mini", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def any_model(request):
    return request.param


def test_responses(run, account, any_model):
    seen = run("responses", model=any_model)
    assert "hello there" in seen["text"] and seen["answer"]["usage"]["cost"] == float(account.usage(seen["requestID"])["charge_usd"]) > 0
    streamed = run("responsesStream", model=any_model)
    assert "hello there" in streamed["text"] and streamed["kinds"][0] == "response.created" and streamed["kinds"][-1] == "response.completed"
    assert "hello there" in run("responsesHelper", model=any_model)["text"]


def test_responses_tools_and_parse(run, any_model):
    seen = run("responsesTools", model=any_model)
    assert len(seen["calls"]) == 2 and "sunny and 21 degrees" in seen["text"]
    assert set(run("responsesParse", model=any_model)["parsed"]) == {"name", "age"}


def test_responses_kept(run):
    seen = run("responsesKept")
    assert seen["same"] and seen["roles"] == ["user", "assistant", "user"] and seen["gone"]["status"] == 404


def test_responses_errors(run, account):
    for status, kind in ((400, "BadRequestError"), (429, "RateLimitError"), (500, "InternalServerError")):
        assert run("responses", content=script(new_word(), {"status": status}))["error"]["class"] == kind
    for model in ("gpt-4o-mini", "claude-sonnet-4-6"):
        error = run("responsesStream", model=model, content=script(new_word(), {"words": 30, "cut": {"after": 12, "how": "hard"}}))["error"]
        assert "You were not charged" in error["message"]
    account.set_cap("key", "0.000001")
    assert run("responses")["error"]["code"] == "key_cap_exceeded"
