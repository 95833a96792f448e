# SPDX-License-Identifier: Apache-2.0
"""LangChain's ChatOpenAI, with nothing changed but base_url and api_key."""

import asyncio

import openai
import pytest
from client import GUARD_S
from fake import new_word, script
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


@tool
def weather(city: str) -> str:
    """Says the weather of a city."""
    return f"sunny in {city}"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def chat_model(account, **more):
    return ChatOpenAI(model=more.pop("model", "gpt-4o-mini"), base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0, **more)


@pytest.fixture(params=["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "grok-4.3"])
def llm(request, account):
    return chat_model(account, model=request.param)


def test_invoke(llm, account):
    answer = llm.invoke([SystemMessage("be brief"), HumanMessage("hello there")])
    assert "hello there" in answer.content
    assert answer.usage_metadata["input_tokens"] > 0 and answer.usage_metadata["output_tokens"] > 0
    assert account.spent() > 0


def test_stream(llm):
    chunks = list(llm.stream("one two three"))
    assert "one two three" in "".join(c.content for c in chunks) and len(chunks) > 3


def test_stream_usage(account):
    total = None
    for chunk in chat_model(account, stream_usage=True).stream("hello"):
        total = chunk if total is None else total + chunk
    assert total.usage_metadata["total_tokens"] > 0


def test_async(account):
    async def work():    # in one event loop: LangChain keeps its client for all models of one address
        for model in ("gpt-4o-mini", "deepseek-v3.2"):
            llm = chat_model(account, model=model)
            answer = await llm.ainvoke("hello there")
            text = "".join([c.content async for c in llm.astream("one two three")])
            assert "hello there" in answer.content and "one two three" in text
    asyncio.run(work())


def test_batch(llm):
    answers = llm.batch([f"question {k}" for k in range(5)])
    assert all(f"question {k}" in a.content for k, a in enumerate(answers))


def test_tools(llm):
    bound = llm.bind_tools([weather])
    messages = [HumanMessage("use tool please")]
    answer = bound.invoke(messages)
    assert answer.tool_calls[0]["name"] == "weather"
    messages += [answer, ToolMessage(weather.invoke(answer.tool_calls[0]["args"]), tool_call_id=answer.tool_calls[0]["id"])]
    assert "sunny in" in bound.invoke(messages).content


def test_streamed_tools(llm):
    total = None
    for chunk in llm.bind_tools([weather]).stream("use two tools"):
        total = chunk if total is None else total + chunk
    assert [c["name"] for c in total.tool_calls] == ["weather", "weather"] and all("city" in c["args"] for c in total.tool_calls)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output(account, method):
    llm = chat_model(account).with_structured_output(Person, method=method)
    text = script(new_word(), {"text": '{"name": "Eve", "age": 41}'}) + " as json" if method == "json_mode" else "a person"
    assert isinstance(llm.invoke(text), Person)


def test_vision(account, world):
    word = new_word()
    chat_model(account, max_tokens=20).invoke([HumanMessage([
        {"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])])
    assert world.fake.one(word)["json"]["messages"][0]["content"][1]["image_url"]["url"] == "https://example.org/a.png"


def test_errors(account):
    with pytest.raises(openai.RateLimitError):
        chat_model(account).invoke(script(new_word(), {"status": 429}))
    account.set_cap("key", "0.000001")
    with pytest.raises(openai.APIStatusError) as caught:
        chat_model(account).invoke("hello")
    assert caught.value.status_code == 402 and caught.value.code == "key_cap_exceeded"
