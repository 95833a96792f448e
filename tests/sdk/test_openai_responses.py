# SPDX-License-Identifier: Apache-2.0
"""`responses` of the OpenAI SDK for Python, with nothing changed but base_url and api_key, through every provider."""

import asyncio

import openai
import pytest
from client import GUARD_S
from fake import new_word, script
from pydantic import BaseModel

PNG = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
WEATHER = {"type": "function", "name": "weather", "description": "Says the weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def client_of(account, **more):
    return openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0, **more)


@pytest.fixture
def client(account):
    with client_of(account) as client:
        yield client


@pytest.fixture(params=["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def model(request):
    return request.param


def test_create(client, account, model):
    answer = client.responses.create(model=model, input="hello there", instructions="be brief")
    assert "hello there" in answer.output_text and answer.status == "completed" and answer.model == model
    assert answer.usage.total_tokens > 0 and answer.usage.cost == float(account.spent()) > 0
    assert account.usage(answer._request_id)["charge_usd"] == account.spent()


def test_stream(client, model):
    text, last = "", None
    for event in client.responses.create(model=model, input="one two three", stream=True):
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    assert "one two three" in text and last.type == "response.completed" and last.response.output_text == text and last.response.usage.cost > 0


def test_stream_helper(client, model):
    with client.responses.stream(model=model, input="one two three") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "one two three" in final.output_text and kinds[0] == "response.created" and kinds[-1] == "response.completed"


def test_parse(client, model):
    answer = client.responses.parse(model=model, input="a person", text_format=Person)
    assert isinstance(answer.output_parsed, Person)
    with client.responses.stream(model=model, input="a person", text_format=Person) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Person)


def test_tools(client, model):
    items = [{"role": "user", "content": "use two tools"}]
    first = client.responses.create(model=model, input=items, tools=[WEATHER])
    calls = [item for item in first.output if item.type == "function_call"]
    assert len(calls) == 2 and all(c.name == "weather" for c in calls)
    items += [item.to_dict() for item in first.output]    # as the SDK's documentation does
    items += [{"type": "function_call_output", "call_id": c.call_id, "output": "sunny and 21 degrees"} for c in calls]
    assert "sunny and 21 degrees" in client.responses.create(model=model, input=items, tools=[WEATHER]).output_text


def test_previous_response(client, model, world):
    first = client.responses.create(model=model, input="use tool", tools=[WEATHER], store=True)
    call, = [item for item in first.output if item.type == "function_call"]
    second = client.responses.create(model=model, previous_response_id=first.id, store=True, tools=[WEATHER], input=[
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain tomorrow"}])
    assert "rain tomorrow" in second.output_text and second.previous_response_id == first.id
    assert client.responses.retrieve(second.id).output_text == second.output_text
    items = client.responses.input_items.list(second.id, order="asc", limit=2)
    kinds = [item.type for item in items]    # pages come by themselves
    assert kinds[0] == "message" and kinds[-1] == "function_call_output" and "function_call" in kinds
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_vision_and_reasoning(client, world):
    word = new_word()
    for model in ("gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash"):
        answer = client.responses.create(model=model, reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"], input=[
            {"role": "user", "content": [{"type": "input_text", "text": word}, {"type": "input_image", "image_url": PNG, "detail": "auto"}]}])
        assert word in answer.output_text and answer.output[0].type == "reasoning"


def replay(case):
    return script(new_word(), {"replay": f"openai/openai-responses.{case}"})


def test_web_search(client, account):
    answer = client.responses.with_raw_response.create(model="gpt-5.4", input=replay("web-search-tool-six-searches.0"), tools=[{"type": "web_search"}])
    assert answer.headers["x-aig-tool-call-limit"] == "8"
    answer = answer.parse()
    searches = [item for item in answer.output if item.type == "web_search_call"]
    assert len(searches) == 6 and all(item.action.type == "search" and item.action.query for item in searches) and answer.output_text
    tools = account.usage(answer._request_id)["arithmetic"]["tools"]
    assert [(tool["kind"], tool["count"]) for tool in tools] == [("web_search", 6)]
    assert answer.usage.cost == float(account.spent()) > 0.06 * 1.4


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # a kind of source that OpenAI sends and its SDK does not know
def test_web_search_streamed(client, account):
    ask = {"model": "gpt-5.4", "input": replay("web-search-tool-stream.0"), "tools": [{"type": "web_search"}]}
    kinds = [event.type for event in client.responses.create(stream=True, **ask)]
    assert "response.web_search_call.searching" in kinds and kinds[-1] == "response.completed"
    with client.responses.stream(**dict(ask, input=replay("web-search-tool-stream.0"))) as stream:
        assert "response.web_search_call.completed" in [event.type for event in stream]
        final = stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "web_search_call", "reasoning", "message"]
    assert final.usage.cost == float(account.spent()) / 2 > 0.014
    # The next turn sends all of it back.
    more = [*({k: v for k, v in item.model_dump(exclude_none=True, warnings=False).items() if k != "status"} for item in final.output), {"role": "user", "content": "and now?"}]
    assert "and now?" in client.responses.create(model="gpt-5.4", input=more).output_text
    assert "and now?" in client.responses.create(model="claude-sonnet-4-6", input=more).output_text


def test_other_tools_of_the_provider(client, account):
    with client.responses.stream(model="gpt-5.4", input=replay("thinking-with-code-execution-tool-stream.0"),
                                 tools=[{"type": "code_interpreter", "container": {"type": "auto"}}]) as stream:
        final = stream.get_final_response()
    assert [item.type for item in final.output].count("code_interpreter_call") == 3
    with client.responses.stream(model="gpt-4o", input=replay("file-search-tool-stream.3"),
                                 tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}], max_tool_calls=2) as stream:
        final = stream.get_final_response()
    assert final.output[0].type == "file_search_call" and final.output_text
    answer = client.responses.create(model="gpt-5.4", input=replay("mcp-server-tool.0"), tools=[
        {"type": "mcp", "server_label": "deepwiki", "server_url": "https://mcp.deepwiki.com/mcp", "require_approval": "never", "authorization": "secret"}])
    assert [item.type for item in answer.output] == ["mcp_list_tools", "reasoning", "mcp_call", "reasoning", "message"]
    assert "secret" not in answer.model_dump_json() and account.spent() > 0.03


def test_async(account):
    async def work():
        async with openai.AsyncOpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
            async with client.responses.stream(model="claude-sonnet-4-6", input="hello there") as stream:
                assert "hello there" in (await stream.get_final_response()).output_text
    asyncio.run(work())


def test_errors(client, account):
    for status, kind in ((400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)):
        for model in ("gpt-4o-mini", "claude-sonnet-4-6"):
            with pytest.raises(kind):
                client.responses.create(model=model, input=script(new_word(), {"status": status}))
    for model, tool in (("claude-sonnet-4-6", {"type": "web_search"}), ("gpt-5.4", {"type": "image_generation"})):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=model, input="x", tools=[tool])
        assert caught.value.param == "tools[0]"
    account.set_cap("key", "0.000001")
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model="gpt-4o-mini", input="x")
    assert caught.value.status_code == 402 and caught.value.code == "key_cap_exceeded"


@pytest.mark.parametrize("rule", [{"words": 30, "error_event": {"after": 12}}, {"words": 30, "cut": {"after": 12, "how": "hard"}}])
def test_error_in_mid_stream(client, account, model, rule):
    with pytest.raises(openai.APIError, match="You were not charged"):
        for _ in client.responses.create(model=model, input=script(new_word(), rule), stream=True):
            pass
    assert account.spent() == 0
