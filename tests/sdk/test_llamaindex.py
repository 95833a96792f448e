# SPDX-License-Identifier: Apache-2.0
"""LlamaIndex's OpenAILike through every provider's format. Its cases are in llamaindex_cases.py; AIG_TEST_LLAMAINDEX is the python of its
environment."""

import json
import os
import pathlib
import subprocess

import pytest
from fake import new_word, script

CASES = pathlib.Path(__file__).with_name("llamaindex_cases.py")


@pytest.fixture(params=["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "grok-4.3"])
def model(request):
    return request.param


@pytest.fixture(scope="module")
def cases():
    python = os.environ.get("AIG_TEST_LLAMAINDEX") or pytest.skip("LlamaIndex is not installed (tests/env/venv.sh)")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with subprocess.Popen([python, "-B", CASES], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run(account, cases):
    def run(case, **values):
        print(json.dumps({"case": case, "base_url": account.api.url + "/v1", "key": account.key, **values}), file=cases.stdin, flush=True)
        return json.loads(cases.stdout.readline())
    return run


def test_chat(run, account, model):
    seen = run("chat", model=model, text="hello there")
    assert "hello there" in seen["text"] and seen["usage"]["total_tokens"] > 0
    assert float(account.spent()) == seen["usage"]["cost"] > 0


def test_stream(run, model):
    seen = run("stream", model=model, text="one two three")
    assert seen["text"] == seen["joined"] and "one two three" in seen["text"] and seen["pieces"] > 3


def test_complete_and_async(run):
    assert "hello there" in run("complete", model="gpt-4o-mini", text="hello there")["text"]
    seen = run("asynchronous", model="gpt-4o-mini", text="hello there")
    assert "hello there" in seen["text"] and "hello there" in seen["joined"]


def test_tools(run, model):
    seen = run("tools", model=model, text="use two tools")
    assert len(seen["calls"]) == 2 and all(c["name"] == "weather" and c["arguments"]["city"] for c in seen["calls"]) and "sunny in" in seen["text"]


def test_streamed_tools(run, model):
    calls = run("streamed_tools", model=model, text="use two tools")["calls"]
    assert len(calls) == 2 and all(c["id"] and c["name"] == "weather" and c["arguments"]["city"] for c in calls)


def test_structured_output(run, model):
    assert run("structured", model=model, text="use tool: a person") == {"by_tool": True, "by_schema": True}


def test_json_mode(run, model):
    text = script(new_word(), {"anthropic": {"text": '```json\n{"a": 1}\n```'}}) + " as json"
    assert isinstance(json.loads(run("json_mode", model=model, text=text)["text"]), dict)


def test_vision(run, model):
    word = new_word()
    assert word in run("vision", model=model, text=word)["text"]


def test_errors_and_retries(run, account, world):
    error = run("chat", model="claude-sonnet-4-6", text=script(new_word(), {"status": 429}))["error"]
    assert error["class"] == "RateLimitError" and error["status"] == 429
    word = new_word()
    assert word in run("chat", model="claude-sonnet-4-6", retries=3, text=script(word, [{"status": 529}, {}]))["text"]
    assert [r["status"] for r in world.fake.requests(word)] == [529, 200]
    account.set_cap("key", "0.000001")
    error = run("chat", model="gpt-4o-mini", text="hello", retries=3)["error"]
    assert error["status"] == 402 and error["code"] == "key_cap_exceeded"


@pytest.mark.parametrize("name,size", [("text-embedding-3-small", 1536), ("gemini-embedding-2", 3072), ("qwen3-embedding-8b", 4096)])
def test_embeddings(run, account, name, size):
    assert run("embeddings", model=name)["sizes"] == [size] * 3
    assert account.spent() > 0
