# SPDX-License-Identifier: Apache-2.0
"""What a chat request may say, for each upstream format and each generation of models: what goes upstream, and what comes back."""

import json

import pytest
from client import chat_body
from fake import new_word, script
from money import check_charge, tokens_of
from test_providers import MODELS, PIXEL, TOOL, choice_of, joined, nothing_held

FORMATS = {"openai": "gpt-4o", "openai-responses": "gpt-5.4", "anthropic": "claude-sonnet-4-6", "google": "gemini-3.5-flash",
           "openrouter": "deepseek-v3.2"}
OTHER_TOOL = {"type": "function", "function": {"name": "add", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
FORCING_REFUSED = ("claude-sonnet-5-5", "claude-opus-5-5")


def ask(account, model, content, **fields):
    """A plain call."""
    return account.api.post("/v1/chat/completions", chat_body(content, **{"model": model, "max_tokens": 2000, **fields}))


def upstream_body(world, word):
    return world.fake.one(word)["json"]


def refused(world, account, answer, word, field, model):
    assert answer.status == 400 and answer.error["param"] == field and model in answer.error["message"], answer
    assert world.fake.requests(word) == [] and nothing_held(account)


@pytest.mark.parametrize("model", MODELS)
class TestEveryGeneration:
    @pytest.mark.parametrize("choice", ["required", "named"])
    def test_a_forced_call(self, account, world, model, choice):
        word = new_word()
        value = "required" if choice == "required" else {"type": "function", "function": {"name": "add"}}
        # where the model cannot be forced it is told so in words, which the fake does not follow
        answer = choice_of(ask(account, model, word + " use tool", tools=[TOOL, OTHER_TOOL], tool_choice=value))
        assert answer["finish_reason"] == "tool_calls"
        names = [c["function"]["name"] for c in answer["message"]["tool_calls"]]
        assert names == (["add"] if choice == "named" else ["look_up"])
        sent = upstream_body(world, word)
        if model in FORCING_REFUSED:
            assert sent["tool_choice"] == {"type": "auto"} and "must call" in json.dumps(sent["system"])
            assert len(sent["tools"]) == (1 if choice == "named" else 2)

    def test_one_call_at_a_time(self, account, model):
        answer = choice_of(ask(account, model, new_word() + " use two tools", tools=[TOOL], parallel_tool_calls=False))
        assert len(answer["message"]["tool_calls"]) == 1

    def test_roles_and_turns(self, account, world, model):
        word = new_word()
        texts = {role: role + "-" + new_word() for role in ("system", "developer", "first", "assistant")}
        answer = account.api.post("/v1/chat/completions", {"model": model, "max_tokens": 2000, "messages": [
            {"role": "system", "content": texts["system"]}, {"role": "developer", "content": [{"type": "text", "text": texts["developer"]}]},
            {"role": "user", "content": texts["first"]}, {"role": "assistant", "content": texts["assistant"]}, {"role": "user", "content": word}]})
        assert choice_of(answer)["message"]["content"].endswith(word)
        sent = json.dumps(upstream_body(world, word))
        assert all(sent.count(text) == 1 for text in texts.values())

    def test_several_results_of_calls(self, account, world, model):
        first = choice_of(ask(account, model, new_word() + " use two tools", tools=[TOOL]))["message"]
        words = [new_word(), new_word()]
        content = [words[1], [{"type": "text", "text": words[0]}]]
        answer = account.api.post("/v1/chat/completions", {"model": model, "max_tokens": 2000, "tools": [TOOL], "messages": [
            {"role": "user", "content": "look up"}, first,
            *({"role": "tool", "tool_call_id": c["id"], "content": content[i]} for i, c in enumerate(first["tool_calls"]))]})
        assert choice_of(answer)["finish_reason"] == "stop"
        assert all(json.dumps(upstream_body(world, words[0])).count(word) == 1 for word in words)

    def test_the_answers_limit(self, account, model):
        answer = ask(account, model, script(new_word(), {"words": 60}), max_tokens=None, max_completion_tokens=20)
        assert choice_of(answer)["finish_reason"] == "length" and answer.json["usage"]["completion_tokens"] == 20

    @pytest.mark.parametrize("effort", ["none", "minimal", "low", "high", "xhigh", "max"])
    def test_every_effort_is_taken(self, account, model, effort):
        """In the provider's words, or as the nearest that the model has."""
        if model == "gpt-4o":
            return      # OpenAI refuses it itself
        assert choice_of(ask(account, model, new_word(), reasoning_effort=effort, max_tokens=8000))["finish_reason"] == "stop"

    def test_forced_while_thinking(self, account, model):
        if model in ("gpt-4o", "gpt-5"):
            return
        answer = choice_of(ask(account, model, new_word() + " use tool", tools=[TOOL], tool_choice="required", reasoning_effort="max", max_tokens=8000))
        assert answer["finish_reason"] == "tool_calls"


class TestClaude:
    """The table of wire-formats section 3, row by row."""

    @pytest.mark.parametrize("model,thinking", [
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 6400}), ("claude-haiku-4-5", {"type": "enabled", "budget_tokens": 6400}),
        ("claude-sonnet-4-6", {"type": "adaptive"}), ("claude-opus-4-6", {"type": "adaptive"}),
        ("claude-sonnet-5-5", {"type": "adaptive", "display": "summarized"}), ("claude-haiku-5-5", {"type": "adaptive", "display": "summarized"}),
        ("claude-opus-5-5", {"type": "adaptive", "display": "summarized"})])
    def test_thinking(self, account, world, model, thinking):
        word = new_word()
        answer = choice_of(ask(account, model, word, reasoning_effort="high", max_tokens=8000))
        assert answer["message"]["reasoning_content"] and answer["message"]["reasoning_details"][0]["signature"]
        sent = upstream_body(world, word)
        assert sent["thinking"] == thinking
        assert sent.get("output_config") == ({"effort": "high"} if thinking["type"] == "adaptive" else None)

    @pytest.mark.parametrize("model,thinking,effort", [
        ("claude-sonnet-4-5", None, None), ("claude-sonnet-4-6", None, None), ("claude-sonnet-5-5", {"type": "between_tools"}, None),
        ("claude-haiku-5-5", {"type": "disabled"}, None), ("claude-opus-5-5", {"type": "adaptive", "display": "summarized"}, "low")])
    def test_thinking_off(self, account, world, model, thinking, effort):
        word = new_word()
        assert choice_of(ask(account, model, word, reasoning_effort="none"))["finish_reason"] == "stop"
        sent = upstream_body(world, word)
        assert sent.get("thinking") == thinking and sent.get("output_config", {}).get("effort") == effort

    @pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-6", "claude-haiku-4-5"])
    def test_sampling_of_old_generations(self, account, world, model):
        word = new_word()
        assert ask(account, model, word, temperature=1.7).status == 200
        assert upstream_body(world, word)["temperature"] == 1
        word = new_word()
        refused(world, account, ask(account, model, word, temperature=0.5, top_p=0.5), word, "top_p", model)
        word = new_word()
        refused(world, account, ask(account, model, word, temperature=0.5, reasoning_effort="low"), word, "temperature", model)

    @pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5"])
    def test_sampling_of_new_generations(self, account, world, model):
        for field, value in (("temperature", 0), ("top_p", 0.9), ("top_k", 5)):
            word = new_word()
            refused(world, account, ask(account, model, word, **{field: value}), word, field, model)
        assert ask(account, model, new_word(), temperature=1, top_p=1).status == 200

    @pytest.mark.parametrize("model", [m for m in MODELS if m.startswith("claude")])
    def test_prefill(self, account, world, model):
        word = new_word()
        answer = account.api.post("/v1/chat/completions", {"model": model, "messages": [
            {"role": "user", "content": word}, {"role": "assistant", "content": "It is "}]})
        if model == "claude-sonnet-4-5":
            assert choice_of(answer)["finish_reason"] == "stop"
            assert upstream_body(world, word)["messages"][-1]["content"][0]["text"] == "It is"
        else:
            refused(world, account, answer, word, "messages", model)

    def test_cache_marks(self, account, world):
        word, mark = new_word(), {"type": "ephemeral", "ttl": "1h"}
        counts = {"input": 3000, "cached": 1000, "cache_write": 1500, "cache_write_1h": 600, "output": 7, "reasoning": 0}
        answer = account.api.post("/v1/chat/completions", {"model": "claude-sonnet-4-6", "tools": [dict(TOOL, cache_control=mark)], "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief. " + "x" * 9000, "cache_control": mark}]},
            {"role": "user", "content": [{"type": "text", "text": script(word, {"usage": counts}), "cache_control": mark}]}]})
        assert answer.status == 200, answer
        sent = upstream_body(world, word)
        assert sent["tools"][0]["cache_control"] == sent["system"][0]["cache_control"] == sent["messages"][0]["content"][0]["cache_control"] == mark
        usage = account.usage(answer)
        check_charge(usage)
        assert tokens_of(usage) == {"input": 500, "cached_input": 1000, "cache_write_5m": 900, "cache_write_1h": 600, "output": 7}
        assert answer.json["usage"]["prompt_tokens_details"] == {"cached_tokens": 1000, "cache_write_tokens": 1500}


class TestFields:
    @pytest.mark.parametrize("provider,model", FORMATS.items())
    def test_stop(self, account, world, provider, model):
        word = new_word()
        answer = ask(account, model, "one two " + word + " stop-here never", stop=["stop-here", " "] if provider == "anthropic" else "stop-here")
        if provider == "openai-responses":
            return refused(world, account, answer, word, "stop", model)
        assert choice_of(answer)["message"]["content"].endswith(word) and choice_of(answer)["finish_reason"] == "stop"
        return None

    @pytest.mark.parametrize("provider,model", FORMATS.items())
    def test_n(self, account, world, provider, model):
        word = new_word()
        answer = ask(account, model, word, n=2)
        if provider in ("anthropic", "openai-responses"):
            return refused(world, account, answer, word, "n", model)
        assert answer.status == 200 and [c["index"] for c in answer.json["choices"]] == [0, 1], answer
        assert all(word in c["message"]["content"] for c in answer.json["choices"])
        with account.api.chat_stream(new_word(), model=model, n=2) as stream:
            chunks, done = stream.chunks()
        assert done and {c["choices"][0]["index"] for c in chunks if c["choices"]} == {0, 1}
        return None

    @pytest.mark.parametrize("provider,model", FORMATS.items())
    def test_a_file(self, account, world, provider, model):
        word = new_word()
        content = [{"type": "text", "text": word}, {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}]
        assert choice_of(ask(account, model, content))["finish_reason"] == "stop"
        assert PDF.split(",")[1] in json.dumps(upstream_body(world, word))

    @pytest.mark.parametrize("provider,model", {k: v for k, v in FORMATS.items() if k not in ("google", "openrouter")}.items())
    def test_an_image_by_url(self, account, world, provider, model):
        word = new_word()
        url = "https://example.org/cat.png"
        assert ask(account, model, [{"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": url}}]).status == 200
        assert url in json.dumps(upstream_body(world, word))

    @pytest.mark.parametrize("provider,model", {k: v for k, v in FORMATS.items() if k != "openrouter"}.items())
    def test_an_image_in_a_result(self, account, world, provider, model):
        word = new_word()
        call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"city":"x"}'}}
        answer = account.api.post("/v1/chat/completions", {"model": model, "tools": [TOOL], "messages": [
            {"role": "user", "content": word}, {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a picture"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]})
        assert choice_of(answer)["finish_reason"] == "stop"
        assert json.dumps(upstream_body(world, word)).count(PIXEL.split(",")[1]) == 1

    @pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
    @pytest.mark.parametrize("provider,model", FORMATS.items())
    def test_a_refusal(self, account, provider, model, stream):
        content = script(new_word(), {"refusal": "I will not.", "finish": "content_filter"})
        if stream:
            with account.api.chat_stream(content, model=model) as answer:
                chunks, done = answer.chunks()
            said, finish = json.dumps(chunks), joined(chunks)[2]
            assert done and ("I will not." in said or "not." in said)
        else:
            one = choice_of(ask(account, model, content))
            said, finish = one["message"], one["finish_reason"]
            assert "I will not." in (said["content"] or "") + (said["refusal"] or "")
        assert finish == "content_filter"

    def test_a_blocked_prompt(self, account):
        blocked = {"set": {"": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}}}
        answer = ask(account, "gemini-3.5-flash", script(new_word(), blocked))
        assert choice_of(answer)["finish_reason"] == "content_filter" and not choice_of(answer)["message"]["content"]
        assert tokens_of(account.usage(answer)) == {"input": 9}

    @pytest.mark.parametrize("model", ["gpt-4o", "deepseek-v3.2"])
    def test_logprobs(self, account, model):
        answer = choice_of(ask(account, model, new_word(), logprobs=True, top_logprobs=2))
        assert len(answer["logprobs"]["content"][0]["top_logprobs"]) == 2

    def test_logprobs_of_the_responses_api(self, account):
        """Only while the model does not reason."""
        fields = {"logprobs": True, "top_logprobs": 2, "reasoning_effort": "none"}
        plain = choice_of(ask(account, "gpt-5.4", new_word(), **fields))
        assert "".join(t["token"] for t in plain["logprobs"]["content"]) == plain["message"]["content"]
        assert len(plain["logprobs"]["content"][0]["top_logprobs"]) == 2
        with account.api.chat_stream(new_word(), model="gpt-5.4", **fields) as stream:
            chunks, done = stream.chunks()
        tokens = [t["token"] for c in chunks for t in (c["choices"][0]["logprobs"] or {}).get("content") or []]
        assert done and "".join(tokens) == joined(chunks)[0] != ""

    @pytest.mark.parametrize("provider,model", {k: v for k, v in FORMATS.items() if k not in ("openai", "openrouter")}.items())
    @pytest.mark.parametrize("field,value", [("audio", {"voice": "x"}), ("modalities", ["text", "audio"]), ("prediction", {"type": "content"}),
                                             ("web_search_options", {}), ("logit_bias", {"5": 1}), ("functions", [])])
    def test_what_only_chat_completions_has(self, account, world, provider, model, field, value):
        word = new_word()
        refused(world, account, ask(account, model, word, **{field: value}), word, field, model)

    @pytest.mark.parametrize("field,fields", [
        ("tools", {"tools": [TOOL]}), ("response_format", {"response_format": {"type": "json_object"}})])
    def test_what_a_model_lacks(self, account, world, field, fields):
        word = new_word()
        refused(world, account, ask(account, "llama-3.2-11b-vision", word, **fields), word, field, "llama-3.2-11b-vision")

    def test_no_images_for_the_blind(self, account, world):
        word = new_word()
        answer = ask(account, "qwen3-max", [{"type": "text", "text": word}, {"type": "image_url", "image_url": {"url": PIXEL}}])
        refused(world, account, answer, word, "messages", "qwen3-max")


class TestLongPlainAnswers:
    """What may take minutes is asked for as a stream, where the provider wants that; the client does not notice."""
    FIELDS = {"model": "claude-sonnet-4-6", "max_tokens": 30000}

    def test_the_answer_is_the_same(self, account, world):
        word = new_word()
        rule = {"usage": {"input": 900, "cached": 100, "output": 50, "reasoning": 0}, "reasoning": "hm"}
        answer = ask(account, content=script(word, rule) + " use two tools", tools=[TOOL], **self.FIELDS)
        short = ask(account, content=script(new_word(), rule) + " use two tools", tools=[TOOL], **dict(self.FIELDS, max_tokens=20000))
        assert world.fake.one(word)["stream"] is True
        for one in (answer, short):
            choice = choice_of(one)
            assert choice["finish_reason"] == "tool_calls" and choice["message"]["reasoning_content"] == "hm"
            assert all(isinstance(json.loads(c["function"]["arguments"])["city"], str) for c in choice["message"]["tool_calls"])
            assert len(choice["message"]["tool_calls"]) == 2
            usage = account.usage(one)
            check_charge(usage)
            assert tokens_of(usage) == {"input": 800, "cached_input": 100, "output": 50}
        assert answer.json["object"] == "chat.completion" and answer.headers["content-type"].startswith("application/json")

    @pytest.mark.parametrize("rule", [{"cut": {"after": 9, "how": "hard"}}, {"cut": {"after": 9, "how": "clean"}}, {"error_event": {"after": 9}},
                                      {"status": 529}, {"malformed": {"after": 1}}])
    def test_a_broken_one_is_an_error(self, account, rule):
        answer = ask(account, content=script(new_word(), {"words": 40, **rule}), **self.FIELDS)
        assert answer.status in (502, 503) and answer.error["message"], answer
        assert account.spent() == 0 and nothing_held(account)


@pytest.mark.parametrize("provider,model", FORMATS.items())
class TestBroken:
    FAULTS = {"cut": {"cut": {"after": 9, "how": "hard"}}, "closed": {"cut": {"after": 9, "how": "close"}}, "ended": {"cut": {"after": 9, "how": "clean"}},
              "error event": {"error_event": {"after": 9}}, "nonsense": {"malformed": {"after": 9}}}

    @pytest.mark.parametrize("fault", FAULTS)
    def test_in_mid_stream(self, account, provider, model, fault):
        with account.api.chat_stream(script(new_word(), {"words": 40, **self.FAULTS[fault]}), model=model) as stream:
            assert stream.status == 200 and stream.headers["x-aig-provider"] == provider
            chunks, done = stream.chunks()
        assert not done and chunks[-1]["error"]["message"] and joined(chunks[:-1])[0].startswith("w0")
        assert account.wait_usage(stream)["charge_usd"] == 0 and account.spent() == 0 and nothing_held(account)

    def test_the_client_leaves_a_stream(self, world, account, provider, model):
        word = new_word()
        with account.api.chat_stream(script(word, {"words": 40, "stall": {"after": 9, "seconds": 3600}}), model=model) as stream:
            while not joined([stream.next_data().json])[0]:
                pass
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        usage = account.wait_usage(stream)
        assert usage["status"] == "client_gone" and check_charge(usage) > 0 and tokens_of(usage)["output"] < 40

    def test_the_client_leaves_a_plain_call(self, world, account, provider, model):
        word = new_word()
        sock = account.api.send_only("/v1/chat/completions", script(word, {"delay": 3600}), model=model)
        world.fake.started(word)
        sock.close()
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        account.check()
        assert account.spent() == 0
