# SPDX-License-Identifier: Apache-2.0
"""LangChain's own standard tests for chat models, through each provider's format. What they download is given to them here."""

import base64
import types

import httpx
import openai
import pytest
from client import GUARD_S
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n%%EOF\n"
# What a model would make of the tests' questions.
UNDERSTOOD = {
    "magic_function(3)": [{"tool_calls": [{"name": "magic_function", "arguments": {"input": 3}}]}],
    "magic_function_no_args()": [{"tool_calls": [{"name": "magic_function_no_args", "arguments": {}}]}],
    "weather in San Francisco": [{"tool_calls": [{"name": "get_weather", "arguments": {"location": "San Francisco"}}]}, {"text": "It is sunny."}],
    "(Hello Group)": [{"tool_calls": [{"name": "unicode_customer", "arguments": {"customer_name": "你好啊集团", "description": "Chinese"}}]}],
    "(Hello Corporation)": [{"tool_calls": [{"name": "unicode_customer", "arguments": {"customer_name": "こんにちは株式会社", "description": "Japanese"}}]}],
    "Return the result as a JSON": [{"text": '{"setup": "Why?", "punchline": "Because."}'}],
}


@pytest.fixture(autouse=True)
def provider(request, world, account, monkeypatch):
    """An account, the answers of a model that understands, and no downloads."""
    request.cls.account = account
    monkeypatch.setattr(httpx, "get", lambda url, **_: types.SimpleNamespace(content=PDF if url.endswith(".pdf") else PNG))
    rules = [world.fake.lay(rule, contains=words) for words, rule in UNDERSTOOD.items()]
    yield
    for rule in rules:
        world.fake.lift(rule)


class Standard(ChatModelIntegrationTests):
    model_name = ""
    account = None
    # Of a recording of the network; audio and files as ChatOpenAI does not send them; Anthropic's own content blocks.
    not_offered = ("test_stream_time", "test_audio_inputs", "test_pdf_tool_message", "test_anthropic_inputs")

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": self.model_name, "base_url": self.account.api.url + "/v1", "api_key": self.account.key, "timeout": GUARD_S, "max_retries": 0,
                "stream_usage": True, "use_responses_api": False}

    @property
    def model_override_value(self):
        return "gpt-4o-mini"

    @property
    def supports_image_inputs(self):
        return True

    @property
    def supports_image_urls(self):
        return False    # of the public net

    @property
    def supports_pdf_inputs(self):
        return True

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_image_tool_message(self):
        return True


class TestOpenAI(Standard):
    model_name = "gpt-4o-mini"


class TestOpenAIResponses(Standard):
    model_name = "gpt-5.4"

    @pytest.mark.xfail(reason="OpenAI's reasoning models take no stop sequences: a clear 400", raises=openai.BadRequestError, strict=True)
    def test_stop_sequence(self, model):
        super().test_stop_sequence(model)


class TestAnthropic(Standard):
    model_name = "claude-sonnet-4-6"


class TestAnthropicForcesNoTool(Standard):
    """A generation that refuses a forced tool_choice: the gateway asks it in words, which this model follows."""

    model_name = "claude-sonnet-5-5"

    @pytest.fixture(autouse=True)
    def obedient(self, world):
        calls = {"magic_function": {"input": 3}, "greeting_generator": {"answer_style": "pirate"}, "Joke": {"setup": "Why?", "punchline": "Because."}}
        rules = [world.fake.lay({"tool_calls": [{"name": name, "arguments": arguments}]}, contains=f'the tool \\"{name}\\"')
                 for name, arguments in calls.items()]
        rules.append(world.fake.lay({"tool_calls": [{"name": "greeting_generator", "arguments": calls["greeting_generator"]}]}, contains="generate a Pirate"))
        rules.append(world.fake.lay({"tool_calls": [{"name": "magic_function", "arguments": {"input": 3}}]}, contains="must call at least one of the tools"))
        yield
        for rule in rules:
            world.fake.lift(rule)


class TestGoogle(Standard):
    model_name = "gemini-3.5-flash"


class TestOpenRouter(Standard):
    model_name = "grok-4.3"


class OnResponses(Standard):
    """Once more on POST /v1/responses, which has no stop sequences (LangChain sends `stop` all the same)."""

    not_offered = (*Standard.not_offered, "test_stop_sequence")

    @property
    def chat_model_params(self):
        return dict(super().chat_model_params, use_responses_api=True)


class TestOpenAIOnResponses(OnResponses):
    model_name = "gpt-5.4"


class TestAnthropicOnResponses(OnResponses):
    model_name = "claude-sonnet-4-6"


class TestGoogleOnResponses(OnResponses):
    model_name = "gemini-3.5-flash"


class TestOpenRouterOnResponses(OnResponses):
    model_name = "grok-4.3"
