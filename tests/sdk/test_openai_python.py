# SPDX-License-Identifier: Apache-2.0
"""The OpenAI SDK for Python, with nothing changed but base_url and api_key."""

import asyncio
import base64
import json

import openai
import pytest
from client import GUARD_S
from fake import new_word, script
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
MODELS = {"openai": "gpt-4o-mini", "openai-responses": "gpt-5.4", "anthropic": "claude-sonnet-4-6", "google": "gemini-3.5-flash",
          "openrouter": "grok-4.3"}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says the weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()


@pytest.fixture
def client(account):
    with openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
        yield client


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def user(text):
    return [{"role": "user", "content": text}]


class TestPlain:
    def test_text(self, client, account, model):
        answer = client.chat.completions.create(model=model, messages=user("hello there"))
        assert "hello there" in answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
        assert answer.object == "chat.completion" and answer.usage.total_tokens > 0
        assert answer._request_id.startswith("req_")
        assert float(account.usage(answer._request_id)["charge_usd"]) == answer.usage.cost > 0

    def test_n_seed_and_logprobs(self, client, world):
        word = new_word()
        answer = client.chat.completions.create(model=MODEL, messages=user(word), n=3, seed=7, logprobs=True, top_logprobs=2, max_tokens=4)
        assert [c.index for c in answer.choices] == [0, 1, 2]
        assert all(c.logprobs.content[0].top_logprobs[1].logprob < 0 for c in answer.choices)
        assert world.fake.one(word)["json"]["seed"] == 7

    def test_length(self, client, model):
        """16 is the smallest limit that OpenAI's Responses API takes."""
        answer = client.chat.completions.create(model=model, messages=user(30 * "word "), max_completion_tokens=16,
                                                **({} if model == MODEL else {"reasoning_effort": "none"}))
        assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 16

    def test_json_mode(self, client, model):
        """Anthropic has no such mode: the gateway asks for it in words, and takes off the fence that the model likes to add."""
        text = script(new_word(), {"anthropic": {"text": '```json\n{"a": 1}\n```'}}) + " as json please"
        answer = client.chat.completions.create(model=model, messages=user(text), response_format={"type": "json_object"})
        assert isinstance(json.loads(answer.choices[0].message.content), dict)

    def test_parse_into_a_model(self, client, model):
        class Step(BaseModel):
            title: str
            numbers: list[int]

        class Plan(BaseModel):
            steps: list[Step]
            done: bool

        answer = client.chat.completions.parse(model=model, messages=user("plan"), response_format=Plan)
        assert isinstance(answer.choices[0].message.parsed, Plan)

    def test_refusal(self, client):
        answer = client.chat.completions.create(model=MODEL, messages=user(script(new_word(), {"refusal": "I cannot do that"})))
        assert answer.choices[0].message.refusal == "I cannot do that"

    @pytest.mark.parametrize("url", [f"data:image/png;base64,{PNG}", "https://example.org/picture.png?a=b&c=%20d"])
    def test_vision(self, client, world, url):
        word = new_word()
        answer = client.chat.completions.create(model=MODEL, max_tokens=20, messages=[{"role": "user", "content": [
            {"type": "text", "text": f"{word} what is this?"}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]}])
        assert answer.choices[0].message.content
        assert world.fake.one(word)["json"]["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": url, "detail": "low"}}

    def test_vision_everywhere(self, client, world, model):
        word = new_word()
        answer = client.chat.completions.create(model=model, max_completion_tokens=50, messages=[{"role": "user", "content": [
            {"type": "text", "text": f"{word} what is this?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}])
        assert word in answer.choices[0].message.content
        assert PNG in world.fake.one(word)["body"]


class TestTools:
    def turn(self, client, model, **more):
        messages = user("use tool please")
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], **more)
        return messages, answer

    def test_a_whole_round(self, client, model):
        messages, answer = self.turn(client, model)
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls" and len(message.tool_calls) == 1
        call = message.tool_calls[0]
        assert call.id and call.function.name == "weather" and "city" in json.loads(call.function.arguments)
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny and 21 degrees"}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        assert "sunny and 21 degrees" in answer.choices[0].message.content

    def test_parallel_calls(self, client, model):
        answer = client.chat.completions.create(model=model, messages=user("use two tools"), tools=[WEATHER])
        calls = answer.choices[0].message.tool_calls
        assert len(calls) == 2 and calls[0].id != calls[1].id
        answer = client.chat.completions.create(model=model, messages=user("use two tools"), tools=[WEATHER], parallel_tool_calls=False)
        assert len(answer.choices[0].message.tool_calls) == 1

    @pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
    def test_forced(self, client, choice, model):
        answer = client.chat.completions.create(model=model, messages=user("hello"), tools=[WEATHER], tool_choice=choice)
        assert answer.choices[0].message.tool_calls[0].function.name == "weather"

    @pytest.mark.parametrize("text,count", [("use tool", 1), ("use two tools", 2)])
    def test_streamed(self, client, model, text, count):
        calls, finish = {}, None
        for chunk in client.chat.completions.create(model=model, messages=user(text), tools=[WEATHER], stream=True):
            for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                call = calls.setdefault(part.index, {"id": None, "name": "", "arguments": ""})
                call["id"] = part.id or call["id"]
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
            finish = (chunk.choices[0].finish_reason if chunk.choices else None) or finish
        assert sorted(calls) == list(range(count)) and finish == "tool_calls"
        assert all(c["id"] and c["name"] == "weather" and "city" in json.loads(c["arguments"]) for c in calls.values())

    def test_stream_helper(self, client, model):
        """The SDK puts the calls together itself."""
        with client.chat.completions.stream(model=model, messages=user("use two tools"), tools=[WEATHER]) as stream:
            for _ in stream:
                pass
            message = stream.get_final_completion().choices[0].message
        assert len(message.tool_calls) == 2 and all("city" in json.loads(c.function.arguments) for c in message.tool_calls)

    def test_arguments_survive_as_they_are(self, client, model):
        arguments = {"city": "Zürich \"quoted\" \\ \n\t\u2028 😀", "n": 1.5, "deep": {"a": [None, True]}}
        rule = {"tool_calls": [{"name": "weather", "arguments": arguments}]}
        answer = client.chat.completions.create(model=model, messages=user(script(new_word(), rule)), tools=[WEATHER])
        assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == arguments
        with client.chat.completions.stream(model=model, messages=user(script(new_word(), rule)), tools=[WEATHER]) as stream:
            message = stream.get_final_completion().choices[0].message
        assert json.loads(message.tool_calls[0].function.arguments) == arguments


class TestStream:
    def test_text(self, client, account, model):
        stream = client.chat.completions.create(model=model, messages=user("one two three"), stream=True)
        chunks = list(stream)
        assert "one two three" in "".join(c.choices[0].delta.content or "" for c in chunks)
        assert chunks[0].choices[0].delta.role == "assistant"
        assert {c.id for c in chunks} == {chunks[0].id} and all(c.usage is None for c in chunks)
        assert stream.response.headers["x-request-id"].startswith("req_")
        assert account.usage(stream.response.headers["x-request-id"])["charge_usd"] > 0

    def test_usage(self, client, account, model):
        stream = client.chat.completions.create(model=model, messages=user("hello"), stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        assert chunks[-1].choices == [] and all(c.usage is None for c in chunks[:-1])
        assert chunks[-1].usage.cost == float(account.usage(stream.response.headers["x-request-id"])["charge_usd"])

    def test_several_choices(self, client):
        texts = {0: "", 1: ""}
        for chunk in client.chat.completions.create(model=MODEL, messages=user("one two three"), stream=True, n=2):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        assert all("one two three" in t for t in texts.values())

    def test_break_in_the_middle(self, client, world, account, model):
        """A client that breaks out of the loop closes the call; what it got is charged."""
        word = new_word()
        with client.chat.completions.create(model=model, messages=user(script(word, {"words": 30, "stall": {"after": 12, "seconds": 3600}})),
                                            stream=True) as stream:
            request_id = stream.response.headers["x-request-id"]
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        assert account.wait_usage(request_id)["status"] == "client_gone"

    def test_error_in_the_middle(self, client, account, model):
        stream = client.chat.completions.create(model=model, messages=user(script(new_word(), {"words": 30, "error_event": {"after": 12}})), stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
        assert "You were not charged" in caught.value.message
        assert account.spent() == 0

    def test_cut_in_the_middle(self, client, account, model):
        stream = client.chat.completions.create(model=model, messages=user(script(new_word(), {"words": 30, "cut": {"after": 12, "how": "hard"}})), stream=True)
        with pytest.raises(openai.APIError):
            list(stream)
        assert account.spent() == 0


class TestErrors:
    @pytest.mark.parametrize("status,kind", [
        (400, openai.BadRequestError), (403, openai.PermissionDeniedError), (404, openai.NotFoundError), (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError), (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)])
    @pytest.mark.parametrize("stream", [False, True])
    def test_of_the_provider(self, client, account, status, kind, stream, model):
        if status == 403 and model in (MODELS["anthropic"], MODELS["google"]):
            kind = openai.InternalServerError    # about the operator's account, not the client's request
        with pytest.raises(kind) as caught:
            client.chat.completions.create(model=model, messages=user(script(new_word(), {"status": status})), stream=stream)
        assert caught.value.request_id.startswith("req_") and caught.value.body["message"]
        assert account.spent() == 0

    def test_401(self, account):
        for key in ("wrong", "sk-aig-" + 48 * "0"):
            with pytest.raises(openai.AuthenticationError) as caught:
                openai.OpenAI(base_url=account.api.url + "/v1", api_key=key, max_retries=0).models.list()
            assert caught.value.code == "invalid_api_key" and caught.value.status_code == 401

    def test_404(self, client):
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="no-such-model", messages=user("hi"))
        assert caught.value.code == "model_not_found" and caught.value.param == "model"
        with pytest.raises(openai.NotFoundError) as caught:
            client.completions.create(model=MODEL, prompt="hi")
        assert caught.value.code == "unsupported_endpoint"

    def test_400_of_the_gateway(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=[])
        assert caught.value.param == "messages" and caught.value.type == "invalid_request_error"

    @pytest.mark.parametrize("stream", [False, True])
    def test_402(self, account, world, stream):
        """Not retried; the code says which limit it was."""
        account.set_cap("key", "0.000001")
        word = new_word()
        client = openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, max_retries=5)
        before = world.db.value("SELECT COUNT(*) FROM hold")
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model=MODEL, messages=user(word), stream=stream)
        assert type(caught.value) is openai.APIStatusError and caught.value.status_code == 402
        assert caught.value.code == "key_cap_exceeded" and "0.000001" in caught.value.message
        assert world.db.value("SELECT COUNT(*) FROM hold") == before
        assert [m.id for m in client.models.list()]

    def test_timeout(self, account, world):
        """The client gives up. The gateway may only notice when it answers (see Api.send_only), so the provider answers in the end."""
        word = new_word()
        client = openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, max_retries=0, timeout=0.5)
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=MODEL, messages=user(script(word, {"delay": 1.5})))
        world.fake.ended(word)
        account.check()
        assert account.db.one("SELECT status FROM usage_log WHERE account_id = %s", account.id)["status"] in ("client_gone", "ok")


class TestRetries:
    @pytest.mark.parametrize("status", [429, 500, 503])
    @pytest.mark.parametrize("stream", [False, True])
    def test_the_second_one_succeeds(self, account, world, status, stream, model):
        """Two attempts reach the provider, one is charged."""
        word = new_word()
        client = openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S)
        rule = [{"status": status, "headers": {"retry-after-ms": "1", "retry-after": "1"}}, {}]
        answer = client.chat.completions.create(model=model, messages=user(script(word, rule)), stream=stream)
        if stream:
            assert word in "".join(c.choices[0].delta.content or "" for c in answer)
        else:
            assert word in answer.choices[0].message.content
        assert [r["status"] for r in world.fake.requests(word)] == [status, 200]
        rows = world.db.rows("SELECT status, charge_usd FROM usage_log WHERE account_id = %s ORDER BY created_at", account.id)
        assert [r["status"] for r in rows] == ["upstream_error", "ok"]
        assert rows[0]["charge_usd"] == 0 and account.spent() == rows[1]["charge_usd"] > 0

    def test_all_fail(self, account, world, model):
        word = new_word()
        client = openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=1)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model=model, messages=user(script(word, {"status": 500})))
        assert len(world.fake.requests(word)) == 2 and account.spent() == 0

    def test_400_is_not_retried(self, account, world, model):
        word = new_word()
        client = openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=3)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=model, messages=user(script(word, {"status": 400})))
        assert len(world.fake.requests(word)) == 1


class TestRaw:
    def test_headers(self, client, account):
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"))
        assert raw.headers["x-request-id"] == raw.request_id and raw.headers["openai-processing-ms"].isdigit()
        assert raw.headers["x-ai-credits-charged"] == format(account.usage(raw.request_id)["charge_usd"], "f")
        assert raw.headers["x-aig-provider"] == "openai"
        assert raw.parse().choices[0].message.content

    def test_streaming_response(self, client):
        with client.chat.completions.with_streaming_response.create(model=MODEL, messages=user("hello"), stream=True) as response:
            assert response.headers["x-request-id"].startswith("req_")
            lines = [line for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"

    def test_extra_fields_and_headers(self, client, world):
        word = new_word()
        client.chat.completions.create(model=MODEL, messages=user(word), extra_body={"something_new": {"a": 1}}, extra_headers={"X-Mine": "1"},
                                       metadata={"a": "b"}, store=False, service_tier="default")
        got = world.fake.one(word)
        assert got["json"]["something_new"] == {"a": 1} and got["json"]["metadata"] == {"a": "b"} and "x-mine" not in got["headers"]


class TestOtherRoutes:
    def test_models(self, client):
        models = {m.id: m for m in client.models.list()}
        assert models["gpt-4o"].object == "model" and models["gpt-4o"].pricing["currency"] == "USD"
        assert client.models.retrieve("gpt-4o").id == "gpt-4o"


class TestAsync:
    """The asynchronous client."""

    def run(self, account, work):
        async def inside():
            async with openai.AsyncOpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
                return await work(client)
        return asyncio.run(inside())

    def test_plain(self, account):
        async def work(client):
            answer = await client.chat.completions.create(model=MODEL, messages=user("hello there"))
            return answer.choices[0].message.content
        assert "hello there" in self.run(account, work)

    def test_many_streams_at_once(self, account):
        async def one(client, k):
            stream = await client.chat.completions.create(model=MODEL, messages=user(f"stream {k} of many"), stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])

        async def work(client):
            return await asyncio.gather(*[one(client, k) for k in range(30)])
        assert all(f"stream {k} of many" in text for k, text in enumerate(self.run(account, work)))

    def test_tools(self, account):
        async def work(client):
            async with client.chat.completions.stream(model=MODEL, messages=user("use tool"), tools=[WEATHER]) as stream:
                return await stream.get_final_completion()
        assert self.run(account, work).choices[0].message.tool_calls[0].function.name == "weather"

    def test_cancelled(self, account, world):
        word = new_word()

        async def work(client):
            task = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=user(script(word, {"delay": 1.5}))))
            await asyncio.to_thread(world.fake.started, word)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        self.run(account, work)
        world.fake.ended(word)
        account.check()
        assert account.db.one("SELECT status FROM usage_log WHERE account_id = %s", account.id)["status"] in ("client_gone", "ok")

    def test_errors(self, account):
        async def work(client):
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model=MODEL, messages=user(script(new_word(), {"status": 429})))
        self.run(account, work)
