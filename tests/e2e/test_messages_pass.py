# SPDX-License-Identifier: Apache-2.0
"""POST /v1/messages where the provider is Anthropic: every field passes; and recorded traffic of all providers in Anthropic's language."""

import csv
import json
import pathlib

import pytest
from fake import new_word, script
from messages import Message, message_body, named_events, post, stream

RECORDINGS = pathlib.Path(__file__).resolve().parent.parent / "upstream" / "recordings"
# Who replays the recordings of which API.
MODELS = {("anthropic", "messages"): "claude-sonnet-4-6", ("openai", "chat"): "gpt-4o", ("openai", "responses"): "gpt-5.4",
          ("google", "generate"): "gemini-3.5-flash", ("openrouter", "chat"): "deepseek-v3.2"}


def cases(provider, stream):
    with open(RECORDINGS / "index.tsv", encoding="utf-8") as index:
        rows = list(csv.DictReader((line for line in index if not line.startswith("#")), delimiter="\t"))
    return [pytest.param(row, id=f"{row['provider']}/{row['case']}") for row in rows
            if (row["provider"] == "anthropic") == (provider == "anthropic") and (row["provider"], row["api"]) in MODELS
            and row["stream"] == stream]


def fields_of(row):
    content = script(new_word(), {"replay": f"{row['provider']}/{row['case']}"})
    return {"content": content, "model": MODELS[row["provider"], row["api"]], "max_tokens": 2000}


def recorded(row, name):
    return (RECORDINGS / row["provider"] / row["case"] / name).read_text(encoding="utf-8")


class TestPassThrough:
    def test_the_request(self, account, world):
        word = new_word()
        body = message_body([{"type": "text", "text": word, "cache_control": {"type": "ephemeral", "ttl": "1h"}}], system="s",
                            model="claude-sonnet-4-5", temperature=0.50, top_k=7, stop_sequences=["END"], metadata={"user_id": "u"},
                            tools=[{"type": "bash_20250124", "name": "bash"}], tool_choice={"type": "auto"}, service_tier="auto",
                            context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
        assert account.api.post("/v1/messages", body).status == 200
        sent = world.fake.one(word)
        assert sent["json"] == dict(body, model="claude-sonnet-4-5") and '"temperature":0.5' in sent["body"]
        assert sent["headers"]["anthropic-version"] == "2023-06-01" and account.key not in json.dumps(sent)

    def test_unknown_fields_of_request_and_answer(self, account, world):
        word = new_word()
        rule = {"body": {"id": "msg_1", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "odd", "n": 1.50}],
                         "stop_reason": "odd", "more": {"a": None}, "usage": {"input_tokens": 3, "output_tokens": 4, "odd": 1}}}
        laid = world.fake.lay(rule, contains=word)
        answer = account.api.post("/v1/messages", message_body(word, odd_field={"x": [1]}))
        world.fake.lift(laid)
        assert answer.status == 200 and world.fake.one(word)["json"]["odd_field"] == {"x": [1]}
        want = dict(rule["body"], model="claude-sonnet-4-6")
        cost = answer.json["usage"]["cost"]
        assert answer.json == dict(want, usage=dict(want["usage"], cost=cost)) and cost == float(answer.headers["x-ai-credits-charged"])

    def test_beta_headers(self, account, world):
        word = new_word()
        given = "claude-code-20250219, context-1m-2025-08-07,interleaved-thinking-2025-05-14,fast-mode-2026-02-01,x\ty"
        assert post(account.api, word, headers={"anthropic-beta": given}).status == 200
        assert world.fake.one(word)["headers"]["anthropic-beta"] == "interleaved-thinking-2025-05-14"
        word = new_word()
        assert post(account.api, word, headers={"anthropic-beta": "mcp-client-2025-11-20"}).status == 200
        assert "anthropic-beta" not in world.fake.one(word)["headers"]

    @pytest.mark.parametrize("row", cases("anthropic", "0"))
    def test_recorded_answers(self, account, row):
        answer = post(account.api, **fields_of(row))
        want = json.loads(recorded(row, "response.json"))
        if int(row["status"]) != 200:
            assert answer.status == int(row["status"]) and answer.json["error"]["type"] == want["error"]["type"]
            assert answer.json["type"] == "error" and account.spent() == 0
            return
        want["model"] = "claude-sonnet-4-6"
        want["usage"]["cost"] = float(answer.headers["x-ai-credits-charged"])
        assert answer.json == want

    @pytest.mark.parametrize("row", cases("anthropic", "1"))
    def test_recorded_streams(self, account, row):
        message, headers = stream(account.api, **fields_of(row))
        want = list(named_events(recorded(row, "response.sse")))
        for name, event in want:
            if name == "message_start":
                event["message"]["model"] = "claude-sonnet-4-6"
            if name == "message_delta":
                event["usage"]["cost"] = message.usage["cost"]
        assert message.events == want
        assert message.usage["cost"] == float(account.usage(headers["x-request-id"])["charge_usd"])


class TestTranslatedRecordings:
    """What others have answered, in Anthropic's order of events."""

    @pytest.mark.parametrize("row", cases("other", "0"))
    def test_answers(self, account, row):
        answer = post(account.api, **fields_of(row))
        if int(row["status"]) != 200:
            assert answer.status == int(row["status"]) and answer.json["type"] == "error", answer
            assert account.spent() == 0
            return
        assert answer.status == 200, answer
        assert answer.json["stop_reason"] in ("end_turn", "max_tokens", "tool_use", "refusal")
        assert all(b["type"] in ("text", "tool_use", "redacted_thinking") for b in answer.json["content"])
        assert (answer.json["stop_reason"] == "tool_use") == any(b["type"] == "tool_use" for b in answer.json["content"])
        assert answer.json["usage"]["cost"] == float(account.usage(answer)["charge_usd"])

    @pytest.mark.parametrize("row", cases("other", "1"))
    def test_streams(self, account, row):
        message, headers = stream(account.api, **fields_of(row))
        if "error_in_200" in row["features"]:
            assert message.error["type"] == "invalid_request_error" and account.spent() == 0, "the provider's 400"
            return
        assert isinstance(message, Message) and message.whole
        assert all(isinstance(b["input"], dict) for b in message.blocks if b["type"] == "tool_use")
        assert message.usage["cost"] == float(account.usage(headers["x-request-id"])["charge_usd"])


def test_the_recordings_are_used():
    assert [len(cases(p, s)) for p in ("anthropic", "other") for s in "01"] == [13, 7, 47, 25]
