# SPDX-License-Identifier: Apache-2.0
"""POST /v1/messages: every chat model answers in Anthropic's language, and where the provider is Anthropic nothing is lost."""

import base64
import json
from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from messages import message_body, post, stream, text_of
from money import check_charge, exact, tokens_of
from test_providers import MODELS, PIXEL, all_chat_models

TOOL = {"name": "look_up", "description": "Looks a city up.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.split(",")[1]}}
# One route of each kind that is not Anthropic's.
ROUTES = {"openai": "gpt-4o", "openai-responses": "gpt-5.4", "google": "gemini-3.5-flash", "openrouter": "deepseek-v3.2"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


@pytest.fixture(params=ROUTES)
def route(request):
    return ROUTES[request.param]


def check_cost(account, answer, usage):
    charge = check_charge(account.usage(answer))
    assert charge > 0 and Decimal(str(usage["cost"])) == charge
    return charge


class TestEveryModel:
    def test_plain(self, account):
        models = all_chat_models(account)
        assert len(models) == 37
        for model in models:
            word, before = new_word(), account.balance()
            answer = post(account.api, word, model=model)
            assert text_of(answer).endswith(word), model
            value = exact(answer)
            assert (value["type"], value["role"], value["model"], value["stop_reason"]) == ("message", "assistant", model, "end_turn")
            assert value["id"].startswith("msg_") and answer.headers["request-id"] == answer.headers["x-request-id"]
            charge = check_cost(account, answer, value["usage"])
            assert Decimal(answer.headers["x-ai-credits-charged"]) == charge and account.balance() == before - charge

    def test_streamed(self, account):
        for model in all_chat_models(account):
            word = new_word()
            message, headers = stream(account.api, word, model=model)
            assert message.text().endswith(word) and message.stop_reason == "end_turn", model
            assert message.start["model"] == model
            usage = account.usage(headers["x-request-id"])
            assert check_charge(usage) == Decimal(str(message.usage["cost"])), model
            assert message.usage["output_tokens"] > 0 and message.usage["input_tokens"] > 0


@pytest.mark.parametrize("model", MODELS)
class TestTools:
    def ask(self, account, model, messages, **fields):
        answer = account.api.post("/v1/messages", message_body(model=model, max_tokens=2000, messages=messages, tools=[TOOL], **fields))
        assert answer.status == 200, answer
        return answer.json

    def test_a_call_and_its_result(self, account, model):
        question = {"role": "user", "content": new_word() + " use tool"}
        first = self.ask(account, model, [question])
        assert first["stop_reason"] == "tool_use"
        call = next(b for b in first["content"] if b["type"] == "tool_use")
        assert call["name"] == "look_up" and isinstance(call["input"]["city"], str)
        # the message goes back unchanged, thoughts and all
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny-" + new_word()}
        second = self.ask(account, model, [question, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}])
        assert result["content"] in "".join(b.get("text", "") for b in second["content"])
        assert second["stop_reason"] == "end_turn"

    def test_streamed_calls(self, account, model):
        message, _ = stream(account.api, new_word() + " use two tools", model=model, max_tokens=2000, tools=[TOOL])
        calls = [b for b in message.blocks if b["type"] == "tool_use"]
        assert message.stop_reason == "tool_use" and len({c["id"] for c in calls}) == len(calls) == 2
        assert all(isinstance(c["input"]["city"], str) for c in calls)

    def test_one_call_at_a_time(self, account, model):
        first = self.ask(account, model, [{"role": "user", "content": new_word() + " use two tools"}],
                         tool_choice={"type": "auto", "disable_parallel_tool_use": True})
        assert sum(b["type"] == "tool_use" for b in first["content"]) == 1


class TestTranslated:
    """Providers of another language."""

    def upstream(self, account, word):
        return account.world.fake.one(word)["json"]

    def test_forced_calls(self, account, route):
        for choice in ({"type": "any"}, {"type": "tool", "name": "look_up"}):
            answer = post(account.api, new_word(), model=route, max_tokens=2000, tools=[TOOL], tool_choice=choice)
            assert answer.json["stop_reason"] == "tool_use", answer
        answer = post(account.api, new_word() + " use tool", model=route, tools=[TOOL], tool_choice={"type": "none"})
        assert answer.json["stop_reason"] == "end_turn", answer

    def test_system_and_parts(self, account, route):
        word = new_word()
        answer = post(account.api, [{"type": "text", "text": word, "cache_control": {"type": "ephemeral", "ttl": "1h"}}, IMAGE],
                      model=route if route != "deepseek-v3.2" else "grok-4.3",
                      system=[{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}])
        assert text_of(answer).endswith(word)
        sent = json.dumps(self.upstream(account, word))
        assert "be brief" in sent and "be kind" in sent and IMAGE["source"]["data"] in sent

    def test_documents(self, account):
        data = base64.b64encode(b"%PDF-1.4").decode()
        for route in ("gpt-4o", "gpt-5.4", "gemini-3.5-flash", "grok-4.3"):
            word = new_word()
            answer = post(account.api, [
                {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": data}},
                {"type": "document", "title": "Notes", "source": {"type": "text", "media_type": "text/plain", "data": "plain words"}},
                {"type": "text", "text": word}], model=route, max_tokens=30)
            assert text_of(answer).endswith(word)
            sent = json.dumps(self.upstream(account, word))
            assert data in sent and "Notes" in sent and "plain words" in sent

    def test_results_with_images_and_errors(self, account, route):
        word = new_word()
        call = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"city": "Rome"}}
        results = [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True,
                    "content": [{"type": "text", "text": "no such city"}, IMAGE]}, {"type": "text", "text": word}]
        answer = account.api.post("/v1/messages", message_body(
            model=route if route != "deepseek-v3.2" else "grok-4.3", tools=[TOOL], max_tokens=2000,
            messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": results}]))
        assert answer.status == 200, answer
        sent = json.dumps(self.upstream(account, word))
        assert "Error: no such city" in sent and IMAGE["source"]["data"] in sent

    def test_structured_output(self, account, route):
        answer = post(account.api, new_word(), model=route, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
        assert isinstance(json.loads(text_of(answer))["city"], str)

    def test_sampling_and_user(self, account):
        for model, names in {"gpt-4o": ("temperature", "top_p", "stop", "user"), "gemini-3.5-flash": ("temperature", "topK", "stopSequences"),
                             "deepseek-v3.2": ("temperature", "top_k", "stop", "user")}.items():
            word = new_word()
            fields = {} if model == "gpt-4o" else {"top_k": 5}
            answer = post(account.api, word, model=model, temperature=0.5, top_p=0.9, stop_sequences=["END"],
                          metadata={"user_id": "u" * 200}, **fields)
            assert answer.status == 200, answer
            sent = self.upstream(account, word)
            sent = dict(sent, **sent.get("generationConfig", {}))
            assert all(name in sent for name in names), sent
            assert len(sent.get("user", "")) <= 64

    def test_a_limit_above_the_models_is_its_maximum(self, account):
        word = new_word()
        answer = post(account.api, word, model="gpt-4o", max_tokens=64000)
        assert text_of(answer).endswith(word)
        assert self.upstream(account, word)["max_completion_tokens"] == 16384 and answer.headers["x-aig-output-limit"] == "16384"
        word = new_word()
        assert post(account.api, word, model="claude-haiku-4-5", max_tokens=64000).status == 200
        assert self.upstream(account, word)["max_tokens"] == 64000
        word = new_word()
        assert post(account.api, word, model="claude-haiku-4-5", max_tokens=200000).headers["x-aig-output-limit"] == "64000"

    def test_length(self, account, route):
        answer = post(account.api, script(new_word(), {"words": 300}), model=route, max_tokens=20)
        assert answer.json["stop_reason"] == "max_tokens" and answer.json["usage"]["output_tokens"] <= 20

    def test_refusal(self, account):
        answer = post(account.api, script(new_word(), {"refusal": "I cannot do that"}), model="gpt-4o")
        assert text_of(answer) == "I cannot do that" and answer.json["stop_reason"] == "refusal"

    def test_what_a_coding_agent_sends(self, account, route):
        word = new_word()
        fields = dict(system=[{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}],
                      thinking={"type": "adaptive"}, context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
                      tools=[dict(TOOL, name=f"tool_{i}", cache_control={"type": "ephemeral"}, defer_loading=False) for i in range(40)],
                      metadata={"user_id": "user_" + "0" * 64 + "_account__session_1"}, temperature=1, max_tokens=32000,
                      diagnostics={"previous_message_id": None}, output_config={"effort": "high"})
        headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219,context-management-2025-06-27",
                   "x-api-key": account.key, "Authorization": None, "X-Stainless-Lang": "js"}
        with_query = account.api.call("POST", "/v1/messages?beta=true", message_body(word, model=route, **fields), headers=headers)
        assert text_of(with_query).endswith(word)


class TestThinking:
    def test_budget_and_adaptive(self, account, world):
        for model, thinking in {"claude-sonnet-4-5": {"type": "enabled", "budget_tokens": 2000}, "claude-opus-5-5": {"type": "adaptive"}}.items():
            message, _ = stream(account.api, script(new_word(), {"reasoning": "let me see", "text": "done"}), model=model, max_tokens=4000,
                                thinking=thinking)
            assert message.blocks[0]["type"] == "thinking" and message.blocks[0]["signature"] and message.text() == "done"

    def test_shown_only_on_demand(self, account):
        rule = {"reasoning": "let me see", "text": "done"}
        for model in ("gpt-5.4", "gemini-3.5-flash", "deepseek-v3.2"):
            shown = post(account.api, script(new_word(), rule), model=model, max_tokens=4000, thinking={"type": "enabled", "budget_tokens": 2000})
            assert [b["type"] for b in shown.json["content"]][:2] == ["thinking", "text"], shown
            assert shown.json["content"][0]["thinking"] == "let me see"
            for thinking in (None, {"type": "disabled"}, {"type": "adaptive", "display": "omitted"}):
                hidden = post(account.api, script(new_word(), rule), model=model, max_tokens=4000, thinking=thinking)
                assert text_of(hidden) == "done" and all(b["type"] != "thinking" for b in hidden.json["content"]), hidden

    def test_what_cannot_think_answers(self, account, world):
        word = new_word()
        answer = post(account.api, word, model="gpt-4o", thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=4000)
        assert text_of(answer).endswith(word) and "reasoning_effort" not in world.fake.one(word)["json"]

    def conversation(self, account, model, rule):
        """A call whose state goes back with the next turn; the upstream's request of that turn."""
        question = {"role": "user", "content": script(new_word(), rule)}
        message, _ = stream(account.api, model=model, max_tokens=4000, tools=[TOOL], messages=[question])
        call = next(b for b in message.blocks if b["type"] == "tool_use")
        word = new_word()
        messages = [question, {"role": "assistant", "content": message.blocks},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": word}]}]
        answer = account.api.post("/v1/messages", message_body(model=model, max_tokens=4000, tools=[TOOL], messages=messages))
        assert answer.status == 200, answer
        return message, messages, account.world.fake.requests(word)[-1]["json"]

    def test_claudes_thoughts_go_back_unchanged(self, account):
        message, messages, sent = self.conversation(account, "claude-opus-5-5", {"tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}]})
        assert message.blocks[0]["type"] == "thinking" and sent["messages"] == messages

    def test_googles_signatures_go_back(self, account):
        rule = {"tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}],
                "set": {"/candidates/0/content/parts/0/thoughtSignature": "c2lnbmF0dXJl"}}
        message, _, sent = self.conversation(account, "gemini-3.5-flash", rule)
        assert [b["type"] for b in message.blocks] == ["redacted_thinking", "tool_use"]
        parts = [p for c in sent["contents"] for p in c["parts"] if "functionCall" in p]
        assert [p["thoughtSignature"] for p in parts] == ["c2lnbmF0dXJl"]

    def test_openais_reasoning_goes_back(self, account):
        message, _, sent = self.conversation(account, "gpt-5.4", {"reasoning": "hm", "tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}]})
        state = [b for b in message.blocks if b["type"] == "redacted_thinking"]
        items = [i for i in sent["input"] if i.get("type") == "reasoning"]
        assert len(state) == 1 and len(items) == 1 and items[0]["encrypted_content"]

    def test_foreign_thoughts_do_not_reach_anthropic(self, account, world):
        message, _, _ = self.conversation(account, "gpt-5.4", {"reasoning": "hm", "tool_calls": [{"name": "look_up", "arguments": {"city": "Rome"}}]})
        word = new_word()
        call = next(b for b in message.blocks if b["type"] == "tool_use")
        thought = {"type": "thinking", "thinking": "hm", "signature": "aig1."}
        answer = account.api.post("/v1/messages", message_body(tools=[TOOL], messages=[
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": [thought, *message.blocks]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": word}]}]))
        assert answer.status == 200, answer
        assert [b["type"] for b in world.fake.one(word)["json"]["messages"][1]["content"]] == ["tool_use"]


class TestSameCharge:
    """The same conversation costs the same, in whichever language it is had."""

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", *ROUTES.values()])
    def test_chat_completions_and_messages(self, account, model):
        counts = {"input": 1200, "cached": 100, "output": 70, "reasoning": 0}
        if model.startswith("claude"):
            counts.update(cache_write=300, cache_write_1h=100)
        charges, kinds = set(), []
        for _ in range(2):
            content = script(new_word(), {"usage": counts})
            chat = account.api.post("/v1/chat/completions", chat_body(content, model=model, max_tokens=400))
            plain = post(account.api, content, model=model)
            message, headers = stream(account.api, content, model=model)
            assert chat.status == plain.status == 200, (chat, plain)
            charges |= {Decimal(chat.headers["x-ai-credits-charged"]), Decimal(plain.headers["x-ai-credits-charged"]),
                        Decimal(str(message.usage["cost"]))}
            kinds += [tokens_of(account.usage(n)) for n in (chat, plain, headers["x-request-id"])]
        assert len(charges) == 1 and charges.pop() > 0
        assert all(k == kinds[0] for k in kinds)

    def test_usage_says_what_was_cached(self, account):
        counts = {"input": 1000, "cached": 200, "cache_write": 300, "cache_write_1h": 100, "output": 7}
        message, _ = stream(account.api, script(new_word(), {"usage": counts}))
        usage = message.usage
        assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"], usage["output_tokens"]) == (
            500, 200, 300, 7)
        translated = post(account.api, script(new_word(), {"usage": {"input": 1000, "cached": 200, "output": 7}}), model="gpt-4o").json["usage"]
        assert (translated["input_tokens"], translated["cache_read_input_tokens"], translated["output_tokens"]) == (800, 200, 7)
