# SPDX-License-Identifier: Apache-2.0
"""Reasoning state in tool loops: clients drop it, the gateway keeps it by call id and puts it back where its provider wants it."""

import json
from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from test_providers import TOOL, choice_of, joined

# Model, how its state looks in the second turn's upstream request.
THINKERS = {"gemini-3-pro": "thoughtSignature", "claude-sonnet-4-6": "signature", "gpt-5.4": "encrypted_content", "deepseek-v3.2": "reasoning_details"}
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def first_turn(api, model, stream, word, **fields):
    """The assistant's message as a client of OpenAI's fields alone keeps it, and the state that it dropped."""
    rule = {"tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}, {"name": "look_up", "arguments": {"city": "Oslo"}}], "reasoning": "First Rome."}
    body = chat_body(script(word, [rule, {"text": "Sunny."}]), model=model, tools=[TOOL], reasoning_effort="low", max_tokens=9000, **fields)
    if not stream:
        message = choice_of(api.post("/v1/chat/completions", body))["message"]
        calls = [{k: c[k] for k in ("id", "type", "function")} for c in message["tool_calls"]]
        return body, calls, json.dumps([message.get("reasoning_details"), [c.get("extra_content") for c in message["tool_calls"]]])
    body = dict(body, stream=True)
    with api.chat_stream(**body) as answer:
        chunks, _ = answer.chunks()
    state = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    state = json.dumps([[d.get("reasoning_details"), [t.get("extra_content") for t in d.get("tool_calls") or []]] for d in state])
    return body, [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}} for c in joined(chunks)[1]], state


def second_turn(api, body, calls, **more):
    messages = body["messages"] + [{"role": "assistant", "content": None, "tool_calls": calls}]
    messages += [{"role": "tool", "tool_call_id": c["id"], "content": "20 degrees"} for c in calls]
    return api.post("/v1/chat/completions", dict(body, messages=messages, stream=False, **more))


def states(value, key):
    """Every value of this key anywhere below."""
    if isinstance(value, list):
        return [s for v in value for s in states(v, key)]
    if not isinstance(value, dict):
        return []
    return [s for k, v in value.items() for s in ([v] if k == key else states(v, key))]


def upstream_bodies(world, word):
    return [r["json"] for r in world.fake.requests(word)]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("model", THINKERS)
def test_state_comes_back(world, account, model, stream):
    word = new_word()
    body, calls, offered = first_turn(account.api, model, stream, word)
    assert len(calls) == 2
    assert choice_of(second_turn(account.api, body, calls))["message"]["content"] == "Sunny."
    first, second = upstream_bodies(world, word)
    assert states(first, THINKERS[model]) == []
    sent = states(second, THINKERS[model])
    assert len(sent) == 1 and sent[0] and DUMMY not in json.dumps(sent)
    # The very state that was offered, nothing made up.
    for piece in sent if isinstance(sent[0], str) else [sent[0][0]["text"]]:
        assert piece in offered
    rows = account.db.rows("SELECT provider, state FROM reasoning_carry WHERE account_id = %s", account.id)
    assert len(rows) == 1 and b"reasoning" not in rows[0]["state"] and b"google" not in rows[0]["state"]


def test_state_is_its_account_s_and_its_model_s(world, account):
    word = new_word()
    body, calls, _ = first_turn(account.api, "gemini-3-pro", False, word)
    with world.account() as other:
        assert choice_of(second_turn(other.api, body, calls))["message"]["content"] == "Sunny."
    assert choice_of(second_turn(account.api, body, calls, model="gemini-3.5-flash"))["message"]["content"] == "Sunny."
    _, strangers, other_models = upstream_bodies(world, word)
    assert set(states(strangers, "thoughtSignature")) == set(states(other_models, "thoughtSignature")) == {DUMMY}


def long_thoughts(account, model, word):
    """A tool loop whose first turn had long thoughts, with nothing else that is long: what comes next, and its calls."""
    rule = {"tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}], "reasoning": "Rome. " * 10000, "usage": {"output": 100}}
    body = chat_body(script(word, rule), model=model, tools=[TOOL], reasoning_effort="low", max_tokens=30000)
    message = choice_of(account.api.post("/v1/chat/completions", body))["message"]
    rule = {"text": "Sunny.", "usage": {"input": 15000, "output": 10}}
    return chat_body(script(word, rule), model=model, tools=[TOOL], reasoning_effort="low"), [{k: c[k] for k in ("id", "type", "function")} for c in message["tool_calls"]]


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "deepseek-v3.2"])
def test_the_hold_covers_what_comes_back(world, account, model):
    """Thoughts that are put back are input as the rest is: a short request with long ones must not be sold below its cost."""
    word = new_word()
    body, calls = long_thoughts(account, model, word)
    answer = second_turn(account.api, body, calls, max_tokens=1500)
    assert "Rome. Rome." in json.dumps(upstream_bodies(world, word)[1])
    sums = account.usage(answer)["arithmetic"]
    assert sums["absorbed_usd"] == 0 and sums["lines"][0]["tokens"] == 15000, sums
    assert sums["hold_usd"] > 60000 * sums["lines"][0]["usd_per_million_tokens"] / 1000000


@pytest.mark.parametrize("model,cap", [("claude-sonnet-4-6", "0.05"), ("deepseek-v3.2", "0.003")])
def test_thoughts_that_cannot_be_paid_stay_away(world, account, model, cap):
    """The model goes on without them, as where nothing was kept."""
    word = new_word()
    body, calls = long_thoughts(account, model, word)
    account.db.call("set_cap", "account", account.id, account.spent() + Decimal(cap), "none")
    answer = second_turn(account.api, body, calls, max_tokens=1500)
    assert choice_of(answer)["message"]["content"] == "Sunny."
    assert "Rome. Rome." not in json.dumps(upstream_bodies(world, word)[1])


def test_what_a_client_carries_is_not_replaced(world, account):
    word = new_word()
    body, calls, _ = first_turn(account.api, "gemini-3-pro", False, word)
    calls[0]["extra_content"] = {"google": {"thought_signature": "Q2xpZW50"}}
    assert choice_of(second_turn(account.api, body, calls))["message"]["content"] == "Sunny."
    assert states(upstream_bodies(world, word)[1], "thoughtSignature") == ["Q2xpZW50"]


def test_expired_changed_or_lost_state_is_none(world, account):
    for spoil in ("SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND", "SET state = REVERSE(state)"):
        word = new_word()
        body, calls, _ = first_turn(account.api, "gemini-3-pro", False, word)
        assert account.db.rows(f"UPDATE reasoning_carry {spoil} WHERE account_id = %s", account.id) == []
        assert choice_of(second_turn(account.api, body, calls))["message"]["content"] == "Sunny."
        assert states(upstream_bodies(world, word)[1], "thoughtSignature") == [DUMMY]


def test_a_new_question_needs_no_look_up(world, account):
    """Only calls after the last user message are part of a loop."""
    word = new_word()
    body, calls, _ = first_turn(account.api, "claude-sonnet-4-6", False, word)
    again = dict(body, messages=body["messages"] + [{"role": "assistant", "content": None, "tool_calls": calls}]
                 + [{"role": "tool", "tool_call_id": c["id"], "content": "20"} for c in calls] + [{"role": "user", "content": word + " thanks"}])
    choice_of(account.api.post("/v1/chat/completions", again))
    assert states(upstream_bodies(world, word)[1], "signature") == []


def test_housekeeping_deletes_expired_state(world, account):
    first_turn(account.api, "gemini-3-pro", False, new_word())
    count = "SELECT COUNT(*) FROM reasoning_carry WHERE account_id = %s"
    assert world.main.stack.cron("release-holds").returncode == 0
    assert account.db.value(count, account.id) == 1
    account.db.rows("UPDATE reasoning_carry SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND WHERE account_id = %s", account.id)
    assert world.main.stack.cron("release-holds").returncode == 0
    assert account.db.value(count, account.id) == 0
