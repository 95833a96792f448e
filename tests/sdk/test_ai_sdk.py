# SPDX-License-Identifier: Apache-2.0
"""The Vercel AI SDK through every provider's format: createOpenAI(...).chat and @ai-sdk/openai-compatible. Its cases are in ai_sdk.mjs."""

import json
import os
import subprocess

import pytest
from fake import new_word, script

MODELS = ["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "grok-4.3"]
EVERY = [(p, m) for p in ("openai", "compatible") for m in MODELS]


@pytest.fixture(scope="module")
def cases(node):
    with subprocess.Popen([node[0], "ai_sdk.mjs"], cwd=node[1], env={"PATH": os.environ["PATH"]}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run(account, cases):
    def run(case, provider="compatible", **values):
        asked = {"case": case, "provider": provider, "base_url": account.api.url + "/v1", "key": account.key, **values}
        print(json.dumps(asked), file=cases.stdin, flush=True)
        return json.loads(cases.stdout.readline())
    return run


every = pytest.mark.parametrize("provider,model", EVERY)


@every
def test_text(run, account, provider, model):
    seen = run("text", provider, model=model, text="hello there")
    assert "hello there" in seen["text"] and seen["finishReason"] == "stop" and seen["usage"]["totalTokens"] > 0
    assert account.usage(seen["requestID"])["charge_usd"] == account.spent() > 0


@every
def test_stream(run, provider, model):
    seen = run("stream", provider, model=model, text="one two three")
    assert "one two three" in seen["text"] and seen["pieces"] > 3 and seen["finishReason"] == "stop" and seen["usage"]["totalTokens"] > 0


@every
@pytest.mark.parametrize("case", ["tools", "streamedTools"])
def test_tools(run, provider, model, case):
    """Several steps: the SDK runs the tools and goes on by itself."""
    seen = run(case, provider, model=model, text="use two tools")
    assert len(seen["calls"]) == 2 and all(c["id"] and c["name"] == "weather" and c["input"]["city"] for c in seen["calls"]), seen
    assert "sunny in" in seen["text"]


@every
def test_object(run, provider, model):
    assert set(run("object", provider, model=model, text="a person")["output"]) == {"name", "age"}


@every
def test_json(run, provider, model):
    text = script(new_word(), {"anthropic": {"text": '```json\n{"a": 1}\n```'}}) + " as json"
    assert isinstance(run("json", provider, model=model, text=text)["output"], dict)


@every
def test_vision(run, provider, model):
    word = new_word()
    assert word in run("vision", provider, model=model, text=word)["text"]


@pytest.mark.parametrize("provider", ["openai", "compatible"])
def test_errors_and_retries(run, account, world, provider):
    for status in (400, 404, 429, 500):
        error = run("text", provider, model="claude-sonnet-4-6", text=script(new_word(), {"status": status}))["error"]
        assert error["isCallError"] and error["retryable"] == (status in (429, 500)) and error["message"]
    word = new_word()
    assert word in run("text", provider, model="claude-sonnet-4-6", retries=2, text=script(word, [{"status": 529}, {}]))["text"]
    seen = run("stream", provider, model="claude-sonnet-4-6", text=script(new_word(), {"words": 30, "error_event": {"after": 12}}))
    assert seen["text"] and "You were not charged" in seen["errors"][0]["message"]
    account.set_cap("key", "0.000001")
    error = run("text", provider, model="gpt-4o-mini", text="hello", retries=3)["error"]
    assert error["status"] == 402 and error["code"] == "key_cap_exceeded" and error["retryable"] is False


@pytest.mark.parametrize("provider", ["openai", "compatible"])
@pytest.mark.parametrize("model,size", [("text-embedding-3-small", 1536), ("gemini-embedding-2", 3072), ("qwen3-embedding-8b", 4096)])
def test_embeddings(run, account, provider, model, size):
    seen = run("embeddings", provider, model=model)
    assert seen["sizes"] == [size] * 3 and seen["tokens"] > 0
    assert account.spent() > 0
