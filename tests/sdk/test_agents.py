# SPDX-License-Identifier: Apache-2.0
"""The OpenAI Agents SDK, whose default is POST /v1/responses, through every provider."""

import asyncio
import json

import agents
import openai
import pytest
from client import GUARD_S
from fake import new_word
from pydantic import BaseModel


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@agents.function_tool
def weather(city: str) -> str:
    """Says the weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(params=["gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def model(request):
    return request.param


@pytest.fixture
def run(account, model):
    """Runs an agent as the SDK's documentation does, in an event loop of its own."""
    agents.set_tracing_disabled(True)

    def run(text, streamed=False, **more):
        async def work():
            async with openai.AsyncOpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
                agents.set_default_openai_client(client, use_for_tracing=False)
                agent = agents.Agent(name="Helper", instructions="be brief", model=agents.OpenAIResponsesModel(model, client), **more)
                if not streamed:
                    return await agents.Runner.run(agent, text)
                result = agents.Runner.run_streamed(agent, text)
                async for _ in result.stream_events():
                    pass
                return result
        return asyncio.run(work())
    return run


@pytest.mark.parametrize("streamed", [False, True])
def test_text(run, account, streamed):
    result = run("hello there", streamed)
    assert "hello there" in result.final_output
    assert result.raw_responses[0].usage.total_tokens > 0 and account.spent() > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_tools(run, account, world, streamed):
    word = new_word()
    result = run(word + " use two tools", streamed, tools=[weather])
    assert "sunny in" in result.final_output
    calls = [i for i in result.new_items if i.type == "tool_call_item"]
    assert len(calls) == 2 and len([i for i in result.new_items if i.type == "tool_call_output_item"]) == 2
    assert len(world.fake.requests(word)) == 2


def test_a_second_turn(run, world):
    word = new_word()
    first = run(word + " use tool", tools=[weather])
    second = run([*first.to_input_list(), {"role": "user", "content": "and " + word}], tools=[weather])
    assert "and " + word in second.final_output
    assert json.dumps(first.final_output)[1:-1] in world.fake.requests(word)[-1]["body"]


def test_typed_output(run):
    assert isinstance(run("a person", output_type=Person).final_output, Person)


def test_handoff(run, model):
    other = agents.Agent(name="Other", instructions="answer", model=None, handoff_description="knows more")
    result = run(new_word(), handoffs=[other], model_settings=agents.ModelSettings(tool_choice="none"))
    assert result.final_output
