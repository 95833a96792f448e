# SPDX-License-Identifier: Apache-2.0
"""Every chat model answers through its own provider's format: text, streams, tools, images, JSON, exact charges; and what goes wrong there."""

import json
from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from money import check_charge, exact, tokens_of

PIXEL = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
# One of each format and of each generation whose parameters differ.
MODELS = ["gpt-4o", "gpt-5", "gpt-5.4", "gpt-6.1-sol", "gpt-5-codex", "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-sonnet-5-5", "claude-opus-5-5",
          "claude-haiku-5-5", "gemini-3-pro", "gemini-3.5-flash", "deepseek-v3.2"]
TRANSLATED = {"openai-responses": "gpt-5.4", "anthropic": "claude-sonnet-4-6", "google": "gemini-3.5-flash"}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks a city up.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}


def choice_of(answer):
    assert answer.status == 200, answer
    return answer.json["choices"][0]


def joined(chunks):
    """The whole message that a client puts together of a stream, and its finish reason."""
    text, calls, finish = "", {}, None
    for chunk in chunks:
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            for part in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(part["index"], {"id": None, "name": None, "arguments": ""})
                call["id"] = part.get("id") or call["id"]
                call["name"] = part.get("function", {}).get("name") or call["name"]
                call["arguments"] += part.get("function", {}).get("arguments") or ""
            finish = choice["finish_reason"] or finish
    return text, [calls[i] for i in sorted(calls)], finish


def nothing_held(account):
    return account.db.rows("SELECT id FROM hold WHERE account_id = %s AND state = 'open'", account.id) == []


def all_chat_models(account):
    return [m["id"] for m in account.api.get("/v1/models").json["data"] if m["kind"] == "chat" and not m["id"].startswith("test-")]


def test_every_chat_model_answers_and_is_charged(account):
    models = all_chat_models(account)
    assert len(models) == 37
    for model in models:
        before = account.balance()
        word = new_word()
        answer = account.api.post("/v1/chat/completions", chat_body(word, model=model, max_tokens=400))
        assert choice_of(answer)["message"]["content"].endswith(word), model
        assert choice_of(answer)["finish_reason"] == "stop" and answer.json["object"] == "chat.completion"
        charge = check_charge(account.usage(answer))
        assert charge > 0 and Decimal(answer.headers["x-ai-credits-charged"]) == charge == exact(answer)["usage"]["cost"], model
        assert account.balance() == before - charge
    assert nothing_held(account)


def test_every_chat_model_streams(account):
    for model in all_chat_models(account):
        word = new_word()
        with account.api.chat_stream(word, model=model, max_tokens=400, stream_options={"include_usage": True}) as stream:
            assert stream.status == 200, model
            chunks, done = stream.chunks()
        text, calls, finish = joined(chunks)
        assert done and text.endswith(word) and calls == [] and finish == "stop", model
        assert len({c["id"] for c in chunks}) == 1 and all(c["object"] == "chat.completion.chunk" for c in chunks)
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["cost"] > 0 and all(c["usage"] is None for c in chunks[:-1]), model
    assert nothing_held(account)


@pytest.mark.parametrize("model", MODELS)
class TestTools:
    def test_a_call_and_its_result(self, account, model):
        question = {"role": "user", "content": new_word() + " use tool"}
        first = choice_of(account.api.post("/v1/chat/completions", {"model": model, "max_tokens": 2000, "messages": [question], "tools": [TOOL]}))
        assert first["finish_reason"] == "tool_calls"
        call, = first["message"]["tool_calls"]
        assert call["type"] == "function" and call["function"]["name"] == "look_up" and call["id"]
        assert isinstance(json.loads(call["function"]["arguments"])["city"], str)
        result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny-" + new_word()}
        # the message goes back as an OpenAI client sends it: without what it does not know
        told = {"role": "assistant", "content": first["message"]["content"], "tool_calls": [
            {k: call[k] for k in ("id", "type", "function")}]}
        second = choice_of(account.api.post("/v1/chat/completions", {
            "model": model, "max_tokens": 2000, "messages": [question, told, result], "tools": [TOOL]}))
        assert result["content"] in second["message"]["content"] and second["finish_reason"] == "stop"
        assert nothing_held(account)

    def test_parallel_calls_in_a_stream(self, account, model):
        with account.api.chat_stream(new_word() + " use two tools", model=model, max_tokens=2000, tools=[TOOL]) as stream:
            assert stream.status == 200
            chunks, done = stream.chunks()
        _, calls, finish = joined(chunks)
        assert done and finish == "tool_calls" and len(calls) == 2 and calls[0]["id"] != calls[1]["id"]
        assert all(c["name"] == "look_up" and isinstance(json.loads(c["arguments"])["city"], str) for c in calls)

    def test_choice_none(self, account, model):
        choice = choice_of(account.api.chat(new_word() + " use tool", model=model, max_tokens=2000, tools=[TOOL], tool_choice="none"))
        assert not choice["message"].get("tool_calls") and choice["finish_reason"] == "stop"


@pytest.mark.parametrize("model", [m for m in MODELS if not m.startswith("deepseek")])
def test_an_image(account, world, model):
    word = new_word()
    answer = account.api.chat([{"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": PIXEL}}], model=model, max_tokens=2000)
    assert word in choice_of(answer)["message"]["content"]
    assert PIXEL.split(",")[1] in json.dumps(world.fake.one(word)["json"])


@pytest.mark.parametrize("model", MODELS)
def test_json_schema(account, model):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}, "required": ["city", "n"], "additionalProperties": False}
    answer = account.api.chat(new_word(), model=model, max_tokens=2000, response_format={
        "type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": schema}})
    value = json.loads(choice_of(answer)["message"]["content"])
    assert isinstance(value["city"], str) and isinstance(value["n"], int)


@pytest.mark.parametrize("model", MODELS)
def test_json_object(account, world, model):
    word = new_word()
    answer = account.api.chat(word + " as JSON", model=model, max_tokens=2000, response_format={"type": "json_object"})
    content = choice_of(answer)["message"]["content"]
    if model.startswith("claude"):      # has no such mode: it is told to, so the fake answers as ever
        assert "JSON" in json.dumps(world.fake.one(word)["json"]["system"])
    else:
        assert isinstance(json.loads(content), dict)


@pytest.mark.parametrize("provider,model", TRANSLATED.items())
class TestTranslated:
    def test_kinds_of_tokens(self, account, provider, model):
        counts = {"input": 1000, "cached": 400, "output": 77, "reasoning": 33}
        answer = account.api.chat(script(new_word(), {"usage": counts}) + "x" * 5000, model=model)
        usage = account.usage(answer)
        check_charge(usage)
        assert usage["provider"] == provider and usage["arithmetic"]["absorbed_usd"] == 0
        tokens = tokens_of(usage)
        assert tokens["input"] + tokens["cached_input"] == 1000 and tokens["cached_input"] == 400
        assert tokens.get("output", 0) + tokens.get("reasoning", 0) == 77
        told = answer.json["usage"]
        assert told["prompt_tokens"] == 1000 and told["completion_tokens"] == 77
        assert told["prompt_tokens_details"]["cached_tokens"] == 400 and told["completion_tokens_details"]["reasoning_tokens"] == 33

    def test_a_stream_that_is_cut_is_an_error_and_free(self, account, provider, model):
        before = account.balance()
        with account.api.chat_stream(script(new_word() + " one two three four five six", {"cut": {"after": 4, "how": "hard"}}), model=model) as stream:
            if stream.status == 200:
                chunks, done = stream.chunks()
                assert not done and "error" in chunks[-1]
            else:
                assert stream.status == 502
        assert account.balance() == before and nothing_held(account)

    def test_the_providers_400(self, account, provider, model):
        answer = account.api.chat(script(new_word(), {"status": 400}), model=model)
        assert answer.status == 400 and answer.error["message"]
        assert nothing_held(account)

    def test_what_it_cannot_do_is_a_400_that_names_the_field(self, account, world, provider, model):
        word = new_word()
        answer = account.api.chat(word, model=model, logprobs=True)
        assert answer.status == 400 and answer.error["param"] == "logprobs" and model in answer.error["message"]
        assert world.fake.requests(word) == [] and nothing_held(account)
