# SPDX-License-Identifier: Apache-2.0
"""POST /v1/responses, plain and streamed, for every model on every route: passed through to OpenAI, translated for the others."""

import json
from decimal import Decimal

import pytest
from client import Stream
from fake import new_word, script
from money import check_charge, exact
from responses import calls_of, check_response, check_stream, text_of
from test_providers import PIXEL, all_chat_models

MODELS = ["gpt-4o", "gpt-5.4", "gpt-5-codex", "claude-sonnet-4-5", "claude-sonnet-5-5", "gemini-3.5-flash", "deepseek-v3.2"]
PASSED = ["gpt-4o", "gpt-5", "gpt-5.4"]
TRANSLATED = ["claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"]
TOOL = {"type": "function", "name": "look_up", "description": "Looks a city up.", "strict": False, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


def post(api, said, **more):
    return api.post("/v1/responses", dict({"model": "gpt-5.4", "input": said, "max_output_tokens": 2000}, **more))


def good(api, said, **more):
    answer = post(api, said, **more)
    assert answer.status == 200, answer
    return check_response(answer.json, more.get("model"))


def stream(api, said, **more):
    return Stream(*api.open("POST", "/v1/responses", dict({"model": "gpt-5.4", "input": said, "max_output_tokens": 2000, "stream": True}, **more)))


def whole(api, said, **more):
    """The last response of a stream that ends well."""
    with stream(api, said, **more) as answer:
        assert answer.status == 200
        chunks, done = answer.chunks()
    assert not done
    return check_stream(chunks, more.get("model"))


def test_every_chat_model_answers_and_is_charged(account):
    models = all_chat_models(account)
    assert len(models) == 37
    for model in models:
        before = account.balance()
        word = new_word()
        answer = post(account.api, word, model=model)
        assert answer.status == 200, (model, answer)
        response = check_response(answer.json, model)
        assert text_of(response).endswith(word) and response["status"] == "completed" and response["store"] is False
        charge = check_charge(account.usage(answer))
        assert charge > 0 and Decimal(answer.headers["x-ai-credits-charged"]) == charge == exact(answer)["usage"]["cost"], model
        assert account.balance() == before - charge


def test_every_chat_model_streams(account):
    for model in all_chat_models(account):
        before = account.balance()
        word = new_word()
        response = whole(account.api, word, model=model)
        assert text_of(response).endswith(word) and response["status"] == "completed", model
        assert before - account.balance() == Decimal(str(response["usage"]["cost"])) > 0


@pytest.mark.parametrize("model", MODELS)
class TestTools:
    def test_a_call_and_its_result(self, account, model):
        items = [{"role": "user", "content": new_word() + " use tool"}]
        first = good(account.api, items, model=model, tools=[TOOL])
        call, = calls_of(first)
        assert call["name"] == "look_up" and isinstance(json.loads(call["arguments"])["city"], str)
        told = "sunny-" + new_word()
        items += first["output"] + [{"type": "function_call_output", "call_id": call["call_id"], "output": told}]
        assert told in text_of(good(account.api, items, model=model, tools=[TOOL]))
        assert told in text_of(whole(account.api, items, model=model, tools=[TOOL]))

    def test_parallel_calls_in_a_stream(self, account, model):
        first = whole(account.api, new_word() + " use two tools", model=model, tools=[TOOL])
        calls = calls_of(first)
        assert len(calls) == 2 and calls[0]["call_id"] != calls[1]["call_id"]
        assert all(isinstance(json.loads(c["arguments"])["city"], str) for c in calls)

    def test_choices(self, account, model):
        none = good(account.api, new_word() + " use tool", model=model, tools=[TOOL], tool_choice="none")
        assert calls_of(none) == []
        for choice in ("required", {"type": "function", "name": "look_up"}, {"type": "allowed_tools", "mode": "required", "tools": [
                {"type": "function", "name": "look_up"}]}):
            forced = good(account.api, new_word(), model=model, tools=[TOOL], tool_choice=choice, reasoning={"effort": "none"} if "claude" in model else None)
            assert len(calls_of(forced)) == 1 or model == "claude-sonnet-5-5", choice    # which cannot be forced, only told


@pytest.mark.parametrize("model", MODELS[:-1])
def test_images_in_messages_and_outputs(account, world, model):
    word = new_word()
    picture = {"type": "input_image", "image_url": PIXEL, "detail": "low"}
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": word}, picture]},
             {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "seen " + word}, picture]}]
    assert word in text_of(good(account.api, items[:1], model=model))
    good(account.api, items, model=model, tools=[TOOL])
    sent = json.dumps(world.fake.requests(word)[-1]["json"])
    assert sent.count(PIXEL.split(",")[1]) == 2


@pytest.mark.parametrize("model", MODELS)
def test_json_schema(account, model):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}, "required": ["city", "n"], "additionalProperties": False}
    for ask in (good, whole):
        response = ask(account.api, new_word(), model=model, text={"format": {"type": "json_schema", "name": "city", "schema": schema, "strict": True}})
        assert set(json.loads(text_of(response))) == {"city", "n"}


@pytest.mark.parametrize("model", PASSED + TRANSLATED)
class TestEnds:
    def test_a_limit_makes_it_incomplete(self, account, model):
        for ask in (good, whole):
            response = ask(account.api, script(new_word(), {"words": 200}), model=model, max_output_tokens=20, reasoning={"effort": "none"} if "gpt-5.4" in model else None)
            assert response["status"] == "incomplete" and response["incomplete_details"] == {"reason": "max_output_tokens"}
            assert response["max_output_tokens"] == 20 and response["usage"]["output_tokens"] <= 20

    def test_a_refusal_is_one(self, account, model):
        if model not in PASSED:
            return
        for ask in (good, whole):
            response = ask(account.api, script(new_word(), {"refusal": "I cannot do that."}), model=model)
            assert response["output"][-1]["content"] == [{"type": "refusal", "refusal": "I cannot do that."}]

    @pytest.mark.parametrize("rule", [{"words": 9, "cut": {"after": 8, "how": "hard"}}, {"words": 9, "error_event": {"after": 8}}])
    def test_a_failure_in_mid_stream(self, account, model, rule):
        before = account.balance()
        if model == "gpt-5":
            rule = json.loads(json.dumps(rule).replace("8", "9"))
        with stream(account.api, script(new_word(), rule), model=model) as answer:
            assert answer.status == 200
            events, done = answer.chunks()
        assert not done and [e["sequence_number"] for e in events] == list(range(len(events)))
        error, failed = events[-2:]
        assert error["type"] == "error" and "You were not charged" in error["message"] == error["error"]["message"]
        assert failed["type"] == "response.failed" and failed["response"]["status"] == "failed"
        assert failed["response"]["error"]["code"] == "server_error"
        assert not {"response.completed", "response.incomplete"} & {e["type"] for e in events}
        account.check()
        assert account.balance() == before


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def test_reasoning_travels_in_items(account, world, model):
    """What a provider wants back comes as a reasoning item, and goes back from one."""
    word = new_word()
    items = [{"role": "user", "content": word + " use tool"}]
    first = good(account.api, items, model=model, tools=[TOOL], reasoning={"effort": "high"}, include=["reasoning.encrypted_content"], store=False)
    state = [i for i in first["output"] if i["type"] == "reasoning" and i.get("encrypted_content")]
    assert len(state) == 1 and state[0]["encrypted_content"].startswith("aig1.")
    call, = calls_of(first)
    items += first["output"] + [{"type": "function_call_output", "call_id": call["call_id"], "output": "fine"}]
    # nothing is kept by call id for this account: it is the item alone that carries it
    account.db.rows("DELETE FROM reasoning_carry WHERE account_id = %s", account.id)
    good(account.api, items, model=model, tools=[TOOL], reasoning={"effort": "high"}, store=False)
    sent = json.dumps(world.fake.requests(word)[-1]["json"])
    assert {"claude-sonnet-4-6": '"signature"', "gemini-3.5-flash": '"thoughtSignature"', "deepseek-v3.2": '"reasoning_details"'}[model] in sent
    # another provider's state never reaches OpenAI
    good(account.api, items, model="gpt-5.4", tools=[TOOL])
    assert "aig1." not in world.fake.requests(word)[-1]["body"]


def test_openai_gets_its_own_reasoning_back(account, world):
    word = new_word()
    items = [{"role": "user", "content": word + " use tool"}]
    first = whole(account.api, items, model="gpt-5.4", tools=[TOOL])
    kept = first["output"][0]
    assert kept["type"] == "reasoning" and kept["encrypted_content"].startswith("gAAAA")
    items += first["output"] + [{"type": "function_call_output", "call_id": calls_of(first)[0]["call_id"], "output": "fine"}]
    good(account.api, items, model="gpt-5.4", tools=[TOOL])
    assert kept in world.fake.requests(word)[-1]["json"]["input"]
    good(account.api, items, model="claude-sonnet-4-6", tools=[TOOL])


def test_what_passes_through(account, world):
    word = new_word()
    body = {"model": "gpt-4o", "input": word, "instructions": "be brief", "metadata": {"a": "b"}, "truncation": "auto", "top_p": 0.5,
            "service_tier": "flex", "prompt_cache_key": "k", "a_new_field": {"x": [1]}, "include": ["message.output_text.logprobs"], "max_output_tokens": 50,
            "stream": True, "store": True, "top_logprobs": 2}
    answer = account.api.post("/v1/responses", dict(body, stream=False))
    assert answer.status == 200 and answer.headers["x-aig-provider"] == "openai-responses"
    sent = world.fake.one(word)["json"]
    assert sent == dict(body, stream=False, store=False, input=[{"type": "message", "role": "user", "content": word}])
    assert len(answer.json["output"][0]["content"][0]["logprobs"]) > 0 and answer.json["store"] is True


def test_a_limit_is_always_sent(account, world):
    account.set_cap("key", "0.01")
    word = new_word()
    answer = account.api.post("/v1/responses", {"model": "gpt-4o", "input": word})
    limit = int(answer.headers["x-aig-output-limit"])
    assert 256 <= limit < 16384 and world.fake.one(word)["json"]["max_output_tokens"] == limit


@pytest.mark.parametrize("more,param", [
    ({"service_tier": "priority"}, "service_tier"), ({"background": True}, "background"), ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"), ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ({"tools": [{"type": "image_generation"}]}, "tools[0]"), ({"tools": [TOOL, {"type": "computer_use_preview"}]}, "tools[1]"),
    ({"input": 5}, "input"), ({"input": []}, "input"), ({"input": ["x"]}, "input[0]"), ({"input": [{"type": "message"}]}, "input[0].role"),
    ({"max_output_tokens": 0}, "max_output_tokens"), ({"stream": "yes"}, "stream"), ({"text": "x"}, "text"), ({"model": ""}, "model"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"), ({"previous_response_id": "resp_1"}, "previous_response_id")])
@pytest.mark.parametrize("model", ["gpt-5.4", "claude-sonnet-4-6"])
def test_refusals(account, world, more, param, model):
    word = new_word()
    answer = account.api.post("/v1/responses", dict({"model": model, "input": word}, **more))
    assert answer.status == 400 and answer.error["param"] == param and answer.error["type"] == "invalid_request_error", answer
    assert world.fake.requests(word) == [] and account.spent() == 0


@pytest.mark.parametrize("more,param", [
    ({"tools": [{"type": "custom", "name": "c"}]}, "tools[0]"), ({"input": [{"type": "custom_tool_call", "call_id": "1", "name": "c", "input": ""}]}, "input[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"), ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format"), ({"tool_choice": {"type": "custom", "name": "c"}}, "tool_choice"),
    ({"include": ["message.output_text.logprobs"]}, "logprobs"), ({"reasoning": {"effort": "boundless"}}, "reasoning_effort")])
def test_refusals_of_translated_routes(account, more, param):
    answer = account.api.post("/v1/responses", dict({"model": "claude-sonnet-4-6", "input": "x"}, **more))
    assert answer.status == 400 and answer.error["param"] == param, answer
    assert account.spent() == 0


def test_unknown_key_and_no_money(account, world):
    word = new_word()
    assert world.api.with_key("sk-aig-" + 48 * "0").post("/v1/responses", {"model": "gpt-4o", "input": word}).status == 401
    account.set_cap("key", "0.000001")
    answer = account.api.post("/v1/responses", {"model": "gpt-4o", "input": word})
    assert answer.status == 402 and answer.error["code"] == "key_cap_exceeded"
    assert world.fake.requests(word) == []


def test_the_same_conversation_costs_the_same_on_both_surfaces(account):
    for model in ("gpt-4o", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"):
        word = new_word()
        chat = account.api.chat(word, model=model, max_tokens=500)
        answer = post(account.api, word, model=model, max_output_tokens=500)
        assert exact(chat)["usage"]["cost"] == exact(answer)["usage"]["cost"], model


def test_hedged_to_another_model(account, world):
    for ask in (good, whole):
        word = new_word()
        response = ask(account.api, script(word, {"openai": {"status": 500}, "openrouter": {}}), model="test-hedged")
        assert word in text_of(response)
        assert [r["provider"] for r in world.fake.requests(word)] == ["openai", "openrouter"]
    # custom tools exist at OpenAI only: nobody can stand in
    answer = post(account.api, script(new_word(), {"openai": {"status": 500}}), model="test-hedged", tools=[{"type": "custom", "name": "c"}])
    assert answer.status == 502


@pytest.mark.parametrize("model", ["gpt-5.4", "claude-sonnet-4-6"])
def test_a_repeat_with_the_same_idempotency_key(account, world, model):
    word = new_word()
    body = {"model": model, "input": word, "store": True, "stream": True, "max_output_tokens": 500}
    answers = [account.api.post("/v1/responses", body, headers={"Idempotency-Key": word}) for _ in range(2)]
    assert answers[0].status == 200 and answers[0].body == answers[1].body and answers[1].headers["x-aig-idempotent-replay"] == "true"
    assert len(world.fake.requests(word)) == 1 and account.db.value("SELECT COUNT(*) FROM stored_response WHERE owner_id = %s", account.id) == 1
