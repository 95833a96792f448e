# SPDX-License-Identifier: Apache-2.0
"""The Anthropic SDK for JavaScript. Its cases are in anthropic_node.mjs; AIG_SDK_DIR is the directory that tests/env/node.sh has made."""

import json
import os
import subprocess

import pytest
from client import GUARD_S
from fake import new_word, script

MODELS = {"anthropic": "claude-sonnet-4-6", "openai": "gpt-4o", "openai-responses": "gpt-5.4", "google": "gemini-3.5-flash",
          "openrouter": "deepseek-v3.2"}


@pytest.fixture
def run(node, account):
    def run(case, **values):
        env = {"PATH": os.environ["PATH"], "ANTHROPIC_BASE_URL": account.api.url, "ANTHROPIC_API_KEY": values.pop("key", account.key)}
        done = subprocess.run([node[0], "anthropic_node.mjs", case, json.dumps(values)], cwd=node[1], env=env, capture_output=True, text=True,
                              timeout=2 * GUARD_S, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def test_create(run, account, model):
    seen = run("create", model=model)
    assert "hello there" in seen["message"]["content"][-1]["text"] and seen["message"]["stop_reason"] == "end_turn"
    assert seen["message"]["usage"]["cost"] == float(account.usage(seen["requestID"])["charge_usd"]) > 0


def test_events(run, model):
    events = run("events", model=model)["events"]
    assert events[0]["type"] == "message_start" and events[-1]["type"] == "message_stop" and events[-2]["usage"]["cost"] > 0


def test_stream_helper(run, account, model):
    seen = run("helper", model=model)
    assert "hello there" in seen["text"] and seen["message"]["usage"]["output_tokens"] > 0
    assert account.usage(seen["requestID"])["charge_usd"] > 0


def test_tools(run, model):
    seen = run("tools", model=model, content=new_word() + " use two tools")
    assert len(seen["calls"]) == 2 and seen["stop"] == "tool_use" and "sunny and 21 degrees" in seen["text"]
    assert all("city" in c["input"] for c in seen["calls"])


def test_thinking(run, model):
    kind = {"type": "adaptive"} if model.startswith("claude") else {"type": "enabled", "budget_tokens": 1500}
    rule = {"reasoning": "let me see", "tool_calls": [{"name": "weather", "arguments": {"city": "Rome"}}]}
    seen = run("tools", model=model, content=script(new_word(), [rule, {}]), more={"thinking": kind})
    assert seen["calls"][0]["input"] == {"city": "Rome"} and "sunny and 21 degrees" in seen["text"]
    assert model == "gpt-4o" or any(b["type"] == "thinking" and b["signature"] for b in seen["content"])


def test_count_tokens(run, model):
    assert run("count", model=model)["input_tokens"] > 10


def test_errors(run, account, world):
    for status, kind in ((400, "BadRequestError"), (404, "NotFoundError"), (429, "RateLimitError"), (500, "InternalServerError")):
        error = run("create", content=script(new_word(), {"status": status}))["error"]
        assert error["class"] == kind and error["requestID"].startswith("req_") and error["body"]["type"] == "error"
    error = run("create", key="sk-ant-nonsense")["error"]
    assert error["class"] == "AuthenticationError" and error["body"]["error"]["type"] == "authentication_error"
    account.set_cap("key", "0.000001")
    error = run("create", retries=2)["error"]
    assert error["status"] == 402 and error["body"]["error"]["code"] == "key_cap_exceeded"
    assert account.spent() == 0


def test_error_in_mid_stream(run, model):
    error = run("helper", model=model, content=script(new_word(), {"words": 30, "error_event": {"after": 12}}))["error"]
    assert error["isAPIError"] and error["body"]["error"]["message"]


def test_retry(run):
    seen = run("create", content=script(new_word(), [{"status": 529}, {"text": "at last"}]), retries=2)
    assert seen["message"]["content"][-1]["text"] == "at last"
