# SPDX-License-Identifier: Apache-2.0
"""What a client sends reaches the provider unchanged in meaning: only the model's name, the output limit and
stream_options.include_usage are the gateway's."""

import json

import pytest
from client import chat_body
from fake import new_word

TOOL = {"type": "function", "function": {"name": "weather", "description": "Says the weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

# Fields of a request; the fake takes all of them.
FIELDS = {
    "temperature": {"temperature": 0.1},
    "temperature as an integer": {"temperature": 1},
    "temperature with many digits": {"temperature": 0.30000000000000004},
    "top_p": {"top_p": 0.5},
    "penalties": {"frequency_penalty": -0.5, "presence_penalty": 1.5},
    "logit_bias": {"logit_bias": {"50256": -100, "1": 5}},
    "seed": {"seed": 9007199254740993},
    "negative seed": {"seed": -42},
    "stop": {"stop": "END"},
    "stop list": {"stop": ["END", "\n\n", "ß", "\u2028"]},
    "n": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 3},
    "tools": {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    "tool_choice required": {"tools": [TOOL], "tool_choice": "required"},
    "tool_choice named": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
    "tool_choice allowed_tools": {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]}}},
    "custom tool": {"tools": [TOOL, {"type": "custom", "custom": {"name": "code", "format": {"type": "text"}}}]},
    "old functions": {"functions": [TOOL["function"]], "function_call": {"name": "weather"}},
    "json_object": {"response_format": {"type": "json_object"}},
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": {
        "name": "out", "description": "d", "strict": True, "schema": TOOL["function"]["parameters"]}}},
    "response_format text": {"response_format": {"type": "text"}},
    "verbosity": {"verbosity": "low"},
    "modalities and audio": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    "prediction": {"prediction": {"type": "content", "content": [{"type": "text", "text": "predicted"}]}},
    "store and metadata": {"store": True, "metadata": {"a": "b", "": "empty name", "k": ""}},
    "service_tier default": {"service_tier": "default"},
    "service_tier flex": {"service_tier": "flex"},
    "user": {"user": "user-1234"},
    "prompt_cache_key": {"prompt_cache_key": "p-1"},
    "prompt_cache_options": {"prompt_cache_options": {"ttl": "24h"}},
    "web_search_options": {"web_search_options": {"search_context_size": "low", "user_location": None}},
    "unknown string": {"some_field_of_tomorrow": "kept"},
    "unknown nested": {"some_field_of_tomorrow": {
        "a": [1, -2, 3.5, 1e300, True, False, None, "", {"b": []}, {}], "ü": "\u0001\U0001f600"}},
    "large integers": {"some_field_of_tomorrow": [9223372036854775807, -9223372036854775808, 18446744073709551615]},
    "numbers as they were written": {"some_field_of_tomorrow": [0.1, 1.10, 100.0, -0.0, 1e-7, 123456789.123456789]},
    "many members": {"some_field_of_tomorrow": {f"k{i}": i for i in range(500)}},
    "nested 50 deep": {"some_field_of_tomorrow": json.loads("[" * 50 + "]" * 50)},
}

MESSAGES = {
    "roles": [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, {"role": "user", "content": "u", "name": "Eve"},
              {"role": "assistant", "content": "a", "refusal": None}, {"role": "user", "content": "u2"}],
    "text parts": [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}],
    "vision by data URL": [{"role": "user", "content": [{"type": "text", "text": "what"}, {
        "type": "image_url", "image_url": {"url": PNG, "detail": "low"}}]}],
    "vision by https URL": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png?b=c&d=%20"}},
                                                         {"type": "text", "text": "what"}]}],
    "audio": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}],
    "file": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
                                          {"type": "file", "file": {"file_id": "file-123"}}]}],
    "tool turn": [{"role": "user", "content": "weather?"},
                  {"role": "assistant", "content": None, "tool_calls": [
                      {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Zürich\"}"}},
                      {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "not json {"}}]},
                  {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
                  {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "rain"}]}],
    "assistant audio": [{"role": "user", "content": "hi"}, {"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "go on"}],
    "unknown part and member": [{"role": "user", "content": [{"type": "hologram", "x": {"y": 1}}, {"type": "text", "text": "t"}],
                                 "some_member": [1, None]}],
    "all of Unicode": [{"role": "user", "content": "\u00e9 e\u0301 \u200d \ufeff \u2028\u2029 \U0001f600 \U0010ffff \u007f \u0001\u001f \\ \" / </script>"}],
    "empty text": [{"role": "user", "content": ""}],
    "long text": [{"role": "user", "content": "x" * 300000}],
}


def expected(sent, upstream_model, got):
    """What the upstream must have been sent; the limit is taken from what it got."""
    want = dict(sent, model=upstream_model)
    limits = {"max_tokens", "max_completion_tokens"}
    for name in limits & set(got):
        want[name] = got[name]
    for name in limits - set(got):
        want.pop(name, None)
    if sent.get("stream"):
        want["stream_options"] = dict(sent.get("stream_options") or {}, include_usage=True)
    return want


def same(a, b):
    """Equal in meaning, and a number that was an integer is still one."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def check(world, account, sent, upstream_model, provider="openai"):
    word = new_word()
    sent = dict(sent, safety_identifier=word)
    answer = account.api.post("/v1/chat/completions", json.dumps(sent, ensure_ascii=False))
    record = world.fake.one(word)
    got = record["json"]
    assert same(got, expected(sent, upstream_model, got)), (got, sent)
    assert record["provider"] == provider
    assert len({"max_tokens", "max_completion_tokens"} & set(got)) == 1, "the limit always goes upstream"
    return answer, got, record


@pytest.mark.parametrize("name", FIELDS)
def test_fields(world, account, name):
    check(world, account, chat_body("json please", **FIELDS[name]), "gpt-4o-mini")


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "web_search_options"])     # refused: see below
def test_fields_openrouter(world, account, name):
    check(world, account, chat_body("json please", model="deepseek-v3.2", **FIELDS[name]), "deepseek/deepseek-v3.2", "openrouter")


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high"])
def test_reasoning(world, account, effort):
    check(world, account, chat_body("hello", model="gpt-5", reasoning_effort=effort, verbosity="low"), "gpt-5")
    check(world, account, chat_body("hello", model="deepseek-v3.2", reasoning_effort=effort, reasoning={"effort": effort, "exclude": True}),
          "deepseek/deepseek-v3.2", "openrouter")


def test_null_fields_stay(world, account):
    nulls = dict.fromkeys(("stop", "tools", "user", "n", "stream", "metadata", "temperature"))
    check(world, account, dict(chat_body("hello"), **nulls), "gpt-4o-mini")


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("stream", [False, True])
def test_messages(world, account, name, stream):
    body = {"model": "gpt-4o-mini", "messages": MESSAGES[name], "stream": stream}
    check(world, account, body, "gpt-4o-mini")


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}, {"include_obfuscation": False},
                                     {"include_usage": True, "something_new": 1}])
def test_stream_options(world, account, options):
    """Usage is always asked for; the client sees the usage chunk only if it asked."""
    word = new_word()
    asked = bool(options and options.get("include_usage"))
    fields = {"stream_options": options} if options is not None else {}
    with account.api.chat_stream("hello", safety_identifier=word, **fields) as stream:
        chunks, done = stream.chunks()
    assert done and world.fake.one(word)["json"]["stream_options"] == dict(options or {}, include_usage=True)
    assert any(c.get("usage") for c in chunks) == asked
    assert all(c["choices"] for c in chunks[:-1])
    assert bool(chunks[-1]["choices"]) == (not asked)
    assert all(("usage" in c) == asked for c in chunks)


class TestOutputLimit:
    """The limit always goes upstream, under the name that the model takes."""

    @pytest.mark.parametrize("model,provider_name,field,sent", [
        ("gpt-4o", "gpt-4o", {"max_tokens": 77}, {"max_tokens": 77}),
        ("gpt-4o", "gpt-4o", {"max_completion_tokens": 77}, {"max_completion_tokens": 77}),
        ("gpt-5", "gpt-5", {"max_tokens": 77}, {"max_completion_tokens": 77}),
        ("gpt-5", "gpt-5", {"max_completion_tokens": 77}, {"max_completion_tokens": 77}),
        ("deepseek-v3.2", "deepseek/deepseek-v3.2", {"max_tokens": 77}, {"max_tokens": 77}),
        ("deepseek-v3.2", "deepseek/deepseek-v3.2", {"max_completion_tokens": 77}, {"max_tokens": 77}),
    ])
    def test_asked(self, world, account, model, provider_name, field, sent):
        body = chat_body("hello", model=model, **field)
        answer, got, _ = check(world, account, body, provider_name, "openrouter" if "/" in provider_name else "openai")
        assert answer.status == 200, answer
        assert {k: v for k, v in got.items() if k.startswith("max_")} == sent
        assert "x-aig-output-limit" not in answer.headers

    def test_none_asked_and_room_for_the_models_maximum(self, world, account):
        answer, got, _ = check(world, account, chat_body("hello"), "gpt-4o-mini")
        assert got["max_completion_tokens"] == 16384
        assert "x-aig-output-limit" not in answer.headers


def test_provider_key_and_headers(world, account):
    """The provider gets our key and nothing of the client's headers."""
    word = new_word()
    answer = account.api.chat(word, headers={"OpenAI-Organization": "org-mine", "X-Secret": "s3cret", "Cookie": "a=b",
                                             "X-Stainless-Retry-Count": "0", "User-Agent": "curious/1.0"})
    assert answer.status == 200
    headers = world.fake.one(word)["headers"]
    assert headers["authorization"] == "Bearer fake-openai-key"
    assert set(headers) <= {"host", "accept", "content-type", "content-length", "authorization", "user-agent"}
    assert headers["user-agent"].startswith("ai-generate/")
    assert account.key not in json.dumps(world.fake.one(word))


def test_answer_shows_nothing_of_the_providers_account(world, account):
    answer = account.api.chat("hello")
    shown = {k: v for k, v in answer.headers.items()}
    assert "openai-organization" not in shown and "set-cookie" not in shown
    assert shown["x-request-id"] != "req_fakeupstream0001"
    assert "FAKEfake" not in str(shown)


@pytest.mark.parametrize("field", ["models", "route", "plugins", "preset", "web_search_options"])
def test_openrouter_fields_that_choose_another_model_or_service_are_refused(world, account, field):
    word = new_word()
    answer = account.api.chat(word, model="deepseek-v3.2", **{field: ["openai/gpt-5"]})
    assert answer.status == 400 and answer.error["param"] == field, answer
    assert world.fake.requests(word) == []
    assert account.spent() == 0


@pytest.mark.parametrize("tool", [{"type": "openrouter:web_search"}, {"type": "web_search"}, {}, 7])
def test_openrouters_own_tools_are_refused(world, account, tool):
    """They cost more than the hold covers."""
    word = new_word()
    answer = account.api.chat(word, model="deepseek-v3.2", tools=[TOOL, tool])
    assert answer.status == 400 and answer.error["param"] == "tools[1].type", answer
    assert world.fake.requests(word) == [] and account.spent() == 0


@pytest.mark.parametrize("tier", ["priority", "scale", 7])
def test_a_dearer_service_tier_is_refused(world, account, tier):
    word = new_word()
    answer = account.api.chat(word, service_tier=tier)
    assert answer.status == 400 and answer.error["param"] == "service_tier", answer
    assert world.fake.requests(word) == []
