# SPDX-License-Identifier: Apache-2.0
"""The Anthropic SDK for Python, with nothing changed but base_url and api_key."""

import asyncio
import json

import anthropic
import pytest
from client import GUARD_S
from fake import new_word, script
from pydantic import BaseModel

# One of each route.
MODELS = {"anthropic": "claude-sonnet-4-6", "openai": "gpt-4o", "openai-responses": "gpt-5.4", "google": "gemini-3.5-flash",
          "openrouter": "deepseek-v3.2"}
WEATHER = {"name": "weather", "description": "Says the weather", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}
ARGUMENTS = {"tool_calls": [{"name": "weather", "arguments": {"city": "Rome"}}]}


@pytest.fixture
def client(account):
    with anthropic.Anthropic(base_url=account.api.url, api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
        yield client


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def user(text):
    return [{"role": "user", "content": text}]


def cost_of(account, message):
    return float(account.usage(message._request_id)["charge_usd"])


class TestMessages:
    def test_create(self, client, account, model):
        message = client.messages.create(model=model, max_tokens=300, messages=user("hello there"), system="be brief")
        assert message.content[0].type == "text" and "hello there" in message.content[-1].text and message.stop_reason == "end_turn"
        assert message.usage.output_tokens > 0 and message.model == model
        assert message.usage.cost == cost_of(account, message) > 0

    def test_bearer_token(self, account, model):
        with anthropic.Anthropic(base_url=account.api.url, auth_token=account.key, timeout=GUARD_S, max_retries=0) as client:
            assert client.messages.create(model=model, max_tokens=300, messages=user("hi")).content

    def test_stream_events(self, client, model):
        events = list(client.messages.create(model=model, max_tokens=300, messages=user("hello there"), stream=True))
        assert events[0].type == "message_start" and events[-1].type == "message_stop"
        assert "hello there" in "".join(e.delta.text for e in events if e.type == "content_block_delta" and e.delta.type == "text_delta")
        delta = next(e for e in events if e.type == "message_delta")
        assert delta.usage.output_tokens > 0 and delta.usage.cost > 0

    def test_stream_helper(self, client, account, model):
        with client.messages.stream(model=model, max_tokens=300, messages=user("hello there")) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert "hello there" in text and final.content[-1].text == text and final.stop_reason == "end_turn"
        assert final.usage.output_tokens > 0 and final.usage.input_tokens > 0
        assert account.usage(stream.request_id)["charge_usd"] > 0

    def test_tools_streamed(self, client, model):
        with client.messages.stream(model=model, max_tokens=2000, messages=user(script(new_word(), ARGUMENTS)), tools=[WEATHER]) as stream:
            final = stream.get_final_message()
        call = next(b for b in final.content if b.type == "tool_use")
        assert final.stop_reason == "tool_use" and call.input == {"city": "Rome"} and call.id

    def test_tool_loop(self, client, model):
        question = user(new_word() + " use two tools")
        first = client.messages.create(model=model, max_tokens=2000, messages=question, tools=[WEATHER], tool_choice={"type": "auto"})
        calls = [b for b in first.content if b.type == "tool_use"]
        assert len(calls) == 2
        results = [{"type": "tool_result", "tool_use_id": c.id, "content": [{"type": "text", "text": "rain-" + c.id}]} for c in calls]
        second = client.messages.create(model=model, max_tokens=2000, tools=[WEATHER], messages=[
            *question, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}])
        assert "rain-" in second.content[-1].text and second.stop_reason == "end_turn"

    def test_tool_runner(self, client, model):
        seen = []

        @anthropic.beta_tool
        def weather(city: str) -> str:
            """Says the weather.

            Args:
                city: where
            """
            seen.append(city)
            return "sunny"

        runner = client.beta.messages.tool_runner(model=model, max_tokens=2000, tools=[weather], messages=user(script(new_word(), [ARGUMENTS, {}])))
        last = runner.until_done()
        assert seen == ["Rome"] and last.stop_reason == "end_turn" and "sunny" in last.content[-1].text

    def test_structured_output(self, client, model):
        class City(BaseModel):
            name: str
            people: int

        message = client.messages.parse(model=model, max_tokens=2000, messages=user("a city"), output_format=City)
        assert isinstance(message.parsed_output, City)

    def test_async(self, account, model):
        async def run():
            async with anthropic.AsyncAnthropic(base_url=account.api.url, api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
                async with client.messages.stream(model=model, max_tokens=300, messages=user("hello there")) as stream:
                    return await stream.get_final_text()

        assert "hello there" in asyncio.run(run())


class TestThinking:
    def test_create(self, client, model):
        kind = {"type": "adaptive"} if model.startswith("claude") else {"type": "enabled", "budget_tokens": 1500}
        message = client.messages.create(model=model, max_tokens=3000, thinking=kind,
                                         messages=user(script(new_word(), {"reasoning": "let me see", "text": "done"})))
        thoughts = [b for b in message.content if b.type == "thinking"]
        assert message.content[-1].type in ("text", "redacted_thinking") and any(b.type == "text" and b.text == "done" for b in message.content)
        assert model == "gpt-4o" or thoughts[0].signature

    def test_stream_and_back(self, client, world, model):
        kind = {"type": "adaptive"} if model.startswith("claude") else {"type": "enabled", "budget_tokens": 1500}
        question = user(script(new_word(), [dict(ARGUMENTS, reasoning="let me see"), {}]))
        with client.messages.stream(model=model, max_tokens=3000, thinking=kind, tools=[WEATHER], messages=question) as stream:
            final = stream.get_final_message()
        call = next(b for b in final.content if b.type == "tool_use")
        word = new_word()
        answer = client.messages.create(model=model, max_tokens=3000, thinking=kind, tools=[WEATHER], messages=[
            *question, {"role": "assistant", "content": final.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": word}]}])
        assert any(b.type == "text" and word in b.text for b in answer.content)
        if model.startswith("claude"):
            sent = world.fake.requests(word)[-1]["json"]["messages"][1]["content"]
            assert sent[0]["type"] == "thinking" and sent[0]["signature"] == final.content[0].signature


class TestCountTokens:
    def test_counts(self, client, model):
        counted = client.messages.count_tokens(model=model, messages=user("hello " * 100), system="be brief", tools=[WEATHER])
        assert counted.input_tokens > 100
        assert model.startswith("claude") or counted.estimate is True


class TestErrors:
    def test_kinds(self, client, account, world):
        def fails(status, model="claude-sonnet-4-6", **fields):
            with pytest.raises(anthropic.APIStatusError) as caught:
                client.messages.create(model=model, max_tokens=100, messages=user("hi"), **fields)
            assert caught.value.status_code == status and caught.value.request_id.startswith("req_")
            return caught.value

        assert isinstance(fails(404, model="no-such-model"), anthropic.NotFoundError)
        assert isinstance(fails(400, service_tier="priority"), anthropic.BadRequestError)
        with world.account(usd="0.000001") as poor, anthropic.Anthropic(base_url=account.api.url, api_key=poor.key, max_retries=0) as broke:
            with pytest.raises(anthropic.APIStatusError) as caught:
                broke.messages.create(model="gpt-4o", max_tokens=100, messages=user("hi"))
        assert caught.value.status_code == 402 and caught.value.body["error"]["code"] == "insufficient_credits"
        with anthropic.Anthropic(base_url=account.api.url, api_key="sk-ant-nonsense", max_retries=0) as stranger:
            with pytest.raises(anthropic.AuthenticationError):
                stranger.messages.create(model="gpt-4o", max_tokens=100, messages=user("hi"))

    def test_the_provider(self, client, model):
        for status, kind in ((429, anthropic.RateLimitError), (500, anthropic.InternalServerError), (529, anthropic.InternalServerError)):
            with pytest.raises(kind):
                client.messages.create(model=model, max_tokens=100, messages=user(script(new_word(), {"status": status})))

    def test_retried(self, account, model):
        with anthropic.Anthropic(base_url=account.api.url, api_key=account.key, timeout=GUARD_S, max_retries=2) as client:
            rule = [{"status": 503}, {"text": "at last"}]
            message = client.messages.create(model=model, max_tokens=100, messages=user(script(new_word(), rule)))
        assert any(b.type == "text" and b.text == "at last" for b in message.content)

    def test_in_mid_stream(self, client, model):
        rule = {"words": 30, "error_event": {"after": 12}}
        with pytest.raises(anthropic.APIStatusError) as caught:
            with client.messages.stream(model=model, max_tokens=300, messages=user(script(new_word(), rule))) as stream:
                for _ in stream:
                    pass
        assert caught.value.body["error"]["type"] in ("api_error", "overloaded_error") and json.dumps(caught.value.body)
