# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on /v1/messages is told in Anthropic's shape; what would cost more than its hold is refused; counting is free."""

import json

import pytest
from client import Stream
from fake import new_word, script
from messages import Message, message_body, post, stream
from test_messages import ROUTES, TOOL

TYPES = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 404: "not_found_error", 405: "invalid_request_error",
         413: "request_too_large", 415: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 502: "api_error",
         503: "overloaded_error", 504: "timeout_error"}


def check_error(answer, status, code=None, param=None):
    assert answer.status == status, answer
    body = answer.json
    assert body["type"] == "error" and body["error"]["type"] == TYPES[status] and body["error"]["message"], answer
    assert body["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    assert code is None or body["error"]["code"] == code, answer
    assert param is None or body["error"]["param"] == param, answer
    return body["error"]["message"]


class TestKeys:
    def test_in_both_headers(self, account):
        for headers in ({"x-api-key": account.key, "Authorization": None}, {"x-api-key": account.key}, {"x-api-key": "sk-other"},
                        {"x-api-key": account.key, "Authorization": "Bearer sk-other"}):
            assert post(account.api, headers=headers).status == 200, headers
        for path in ("/v1/me", "/v1/models"):
            assert account.api.get(path, headers={"x-api-key": account.key, "Authorization": None}).status == 200
        answer = account.api.chat(headers={"x-api-key": account.key, "Authorization": None})
        assert answer.status == 200

    def test_wrong_and_missing(self, account):
        wrong = "sk-aig-" + "0" * 48
        for headers, code in (({"Authorization": None}, "missing_api_key"), ({"Authorization": None, "x-api-key": "sk-ant-x"}, "invalid_api_key"),
                              ({"Authorization": None, "x-api-key": wrong}, "invalid_api_key"), ({"Authorization": f"Bearer {wrong}"}, "invalid_api_key")):
            for path in ("/v1/messages", "/v1/messages/count_tokens"):
                check_error(account.api.post(path, message_body(), headers=headers), 401, code)
        # elsewhere the shape is OpenAI's
        assert "type" not in account.api.get("/v1/me", headers={"Authorization": None}).json


class TestFailures:
    def test_ours(self, account, world):
        api = account.api
        check_error(api.post("/v1/messages", "{"), 400)
        check_error(api.post("/v1/messages", "[]"), 400)
        check_error(api.post("/v1/messages", message_body(model="no-such-model")), 404, "model_not_found", "model")
        check_error(api.post("/v1/messages", message_body(model="text-embedding-3-small")), 400)
        check_error(api.post("/v1/messages/batches", {}), 404)
        check_error(api.get("/v1/messages"), 405)
        check_error(api.post("/v1/messages", "{}", headers={"Content-Type": "text/plain"}), 415)
        check_error(api.post("/v1/messages", b" " * (33 * 1024 * 1024)), 413)
        assert account.spent() == 0

    def test_money(self, world):
        with world.account(usd="0.000001") as poor:
            message = check_error(post(poor.api), 402, "insufficient_credits")
            assert "the credit left is" in message
            check_error(post(poor.api, stream=True), 402, "insufficient_credits")

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", *ROUTES.values()])
    def test_the_providers(self, account, model):
        for status, wanted in ((400, 400), (404, 404), (429, 429), (401, 502), (500, 502), (503, 503), (529, 503)):
            rule = {"status": status, "headers": {"retry-after": "7"}, "error": {"message": f"no good {status}"}}
            answer = post(account.api, script(new_word(), rule), model=model)
            check_error(answer, wanted)
            assert wanted != 429 or answer.headers["retry-after"] == "7"
        assert account.spent() == 0

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", *ROUTES.values()])
    def test_in_mid_stream(self, account, model):
        for rule in ({"words": 30, "error_event": {"after": 12}}, {"words": 30, "cut": {"after": 12, "how": "close"}},
                     {"words": 30, "cut": {"after": 12, "how": "clean"}}):
            message, headers = stream(account.api, script(new_word(), rule), model=model)
            assert message.error and message.error["message"] and not message.whole and message.blocks
            assert account.usage(headers["x-request-id"])["charge_usd"] == 0
        assert account.spent() == 0

    def test_before_the_first_content_it_is_an_answer(self, account):
        answer = post(account.api, script(new_word(), {"words": 9, "error_event": {"after": 1}}), stream=True)
        check_error(answer, 503)

    def test_hedged(self, account, world):
        word = new_word()
        rule = {"openai": {"status": 500}, "openrouter": {}}
        message, headers = stream(account.api, script(word, rule), model="test-hedged", tools=[TOOL], thinking={"type": "adaptive"})
        assert word in message.text() and headers["x-aig-hedged-from"] == "openai" and headers["x-aig-provider"] == "openrouter"
        sent = world.fake.requests(word)[-1]["json"]
        assert sent["provider"]["require_parameters"] is True and sent["tools"]


class TestRefusals:
    """What would be dearer than the hold."""

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", "gpt-4o"])
    def test_dear_fields(self, account, model):
        for field, value in (("service_tier", "priority"), ("speed", "fast"), ("inference_geo", "us"), ("container", "c_1"),
                             ("mcp_servers", [{"type": "url", "url": "https://x", "name": "x"}]), ("fallbacks", [{"model": "claude-opus-4-6"}]),
                             ("context_management", {"edits": [{"type": "compact_20260112"}]})):
            check_error(post(account.api, model=model, **{field: value}), 400, "unsupported_value", field)
        for kind in ("web_search_20250305", "code_execution_20250825", "web_fetch_20250910", "mcp_toolset", "tool_search_tool_regex_20251119"):
            check_error(post(account.api, model=model, tools=[{"type": kind, "name": "x"}]), 400, "unsupported_value", "tools[0].type")
        check_error(post(account.api, [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}], model=model), 400)
        for field, value in (("service_tier", "standard_only"), ("mcp_servers", []), ("container", None)):
            assert post(account.api, model=model, **{field: value}).status == 200, field
        assert all(u["charge_usd"] >= 0 for u in account.db.rows("SELECT charge_usd FROM usage_log WHERE account_id = %s", account.id))

    def test_what_a_provider_cannot_do(self, account):
        check_error(post(account.api, model="gpt-5.4", stop_sequences=["END"]), 400, param="stop_sequences")
        check_error(post(account.api, model="gpt-4o", top_k=4), 400, param="top_k")
        check_error(post(account.api, model="gpt-4o", tools=[{"type": "bash_20250124", "name": "bash"}]), 400, param="tools[0]")
        check_error(post(account.api, model="gpt-4o", output_config={"effort": "huge"}), 400, param="output_config.effort")
        block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        answer = account.api.post("/v1/messages", message_body(model="gpt-4o", system="s", messages=[
            {"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": [block]}, {"role": "user", "content": "b"}]))
        check_error(answer, 400, param="messages[1]")
        answer = account.api.post("/v1/messages", message_body(model="gpt-4o", messages=[
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "It is"}]))
        check_error(answer, 400, param="messages")


class TestCounting:
    def count(self, account, content="hello", **fields):
        fields.setdefault("max_tokens", None)
        return account.api.post("/v1/messages/count_tokens", message_body(content, **fields))

    def test_by_anthropic(self, account, world):
        word = new_word()
        answer = self.count(account, word, system="be brief", tools=[TOOL])
        assert answer.status == 200 and answer.headers["x-aig-token-count"] == "provider"
        assert set(answer.json) == {"input_tokens"} and answer.json["input_tokens"] > 0
        sent = world.fake.one(word)
        assert sent["api"] == "count" and sent["json"]["model"] == "claude-sonnet-4-6"

    def test_elsewhere_it_is_an_estimate(self, account, world):
        for model in ROUTES.values():
            word = new_word()
            answer = self.count(account, word * 30, model=model)
            assert answer.status == 200 and answer.headers["x-aig-token-count"] == "estimate"
            value = answer.json
            assert value["estimate"] is True and len(word) * 30 / 3 <= value["input_tokens"] <= value["input_tokens_max"]
            assert value["input_tokens_max"] >= len(word) * 30 and world.fake.requests(word) == []

    def test_when_anthropic_cannot(self, account, world):
        for rule, status in (({"status": 529}, 200), ({"status": 401}, 200), ({"drop": "close"}, 200), ({"body": "<html>"}, 200), ({"status": 400}, 400)):
            word = new_word()
            laid = world.fake.lay(rule, contains=word)
            answer = self.count(account, word)
            world.fake.lift(laid)
            assert answer.status == status, (rule, answer)
            assert answer.json.get("estimate", status == 400)

    def test_it_is_free_but_not_for_all(self, account, world):
        before = account.balance()
        assert self.count(account).status == 200 and account.balance() == before
        assert account.db.rows("SELECT id FROM hold WHERE account_id = %s", account.id) == []
        with world.account(usd="0.000001") as poor:
            assert poor.api.post("/v1/messages/count_tokens", message_body(max_tokens=None)).status == 200
        word = new_word()
        check_error(account.api.post("/v1/messages/count_tokens", message_body(word), headers={"Authorization": "Bearer sk-aig-" + "0" * 48}), 401)
        assert world.fake.requests(word) == []
        check_error(self.count(account, model="no-such-model"), 404)


def test_a_silent_stream_is_kept_alive(account):
    """A comment before the message has begun, a ping afterwards."""
    body = message_body(script(new_word(), {"words": 4, "first_delay": 6, "stall": {"after": 4, "seconds": 6}}), stream=True)
    with Stream(*account.api.open("POST", "/v1/messages", body)) as opened:
        text = opened.read_rest().decode()
    assert ": keep-alive" in text.split("event: message_start")[0]
    message = Message(text)
    kinds = [name for name, _ in message.events]
    assert "ping" in kinds[kinds.index("content_block_delta"):], kinds
    assert json.dumps(message.usage)
