# SPDX-License-Identifier: Apache-2.0
"""LangChain's ChatOpenAI on POST /v1/responses: asked to by use_responses_api, and by itself for the codex names."""

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


def chat_model(account, model="gpt-5.4", use_responses_api=True, **more):
    return ChatOpenAI(model=model, use_responses_api=use_responses_api, base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0,
                      **more)


@pytest.fixture(params=["gpt-4o-mini", "gpt-5.4", "gpt-5-codex", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def llm(request, account):
    return chat_model(account, request.param, None if "codex" in request.param else True)


def test_invoke(llm, account, world):
    word = new_word()
    answer = llm.invoke([SystemMessage("be brief"), HumanMessage(word)])
    assert word in answer.text and answer.usage_metadata["total_tokens"] > 0 and account.spent() > 0
    assert answer.response_metadata["id"].startswith("resp_")


def test_stream(llm):
    chunks = list(llm.stream("one two three"))
    assert "one two three" in "".join(c.text for c in chunks) and len(chunks) > 3


def test_tools(llm):
    bound = llm.bind_tools([weather])
    messages = [HumanMessage("use two tools")]
    total = None
    for chunk in bound.stream(messages):
        total = chunk if total is None else total + chunk
    assert [c["name"] for c in total.tool_calls] == ["weather", "weather"] and all("city" in c["args"] for c in total.tool_calls)
    answer = bound.invoke(messages)
    messages += [answer, *[ToolMessage(weather.invoke(c["args"]), tool_call_id=c["id"]) for c in answer.tool_calls]]
    assert "sunny in" in bound.invoke(messages).text


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(llm, method):
    assert isinstance(llm.with_structured_output(Person, method=method).invoke("a person"), Person)


def test_a_second_turn(account, world):
    for model in ("gpt-5.4", "claude-sonnet-4-6"):
        llm = chat_model(account, model, output_version="responses/v1", include=["reasoning.encrypted_content"], store=False)
        word = new_word()
        first = llm.invoke(word)
        assert "and more" in llm.invoke([HumanMessage(word), first, HumanMessage("and more")]).text
        kept = chat_model(account, model, use_previous_response_id=True, store=True)
        first = kept.invoke(word)
        assert "go on" in kept.invoke([HumanMessage(word), first, HumanMessage("go on")]).text


def test_errors(account):
    with pytest.raises(openai.RateLimitError):
        chat_model(account).invoke(script(new_word(), {"status": 429}))
    for model in ("gpt-5.4", "claude-sonnet-4-6"):
        with pytest.raises(openai.APIError, match="You were not charged"):
            list(chat_model(account, model).stream(script(new_word(), {"words": 30, "cut": {"after": 12, "how": "hard"}})))
    account.set_cap("key", "0.000001")
    with pytest.raises(openai.APIStatusError) as caught:
        chat_model(account).invoke("hello")
    assert caught.value.status_code == 402
