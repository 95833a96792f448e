# SPDX-License-Identifier: Apache-2.0
"""When OpenAI fails before the first content, OpenRouter serves; nothing of the failed attempt reaches the client or the bill."""

from decimal import Decimal

import pytest
from fake import new_word, script
from money import check_charge
from world import wait_until

MODEL = "test-hedged"


@pytest.fixture(autouse=True)
def healthy(world, account):
    """OpenAI counts as up, whatever the test before did to it."""
    def up():
        world.db.rows("DELETE FROM upstream_health")
        return account.api.chat(model=MODEL).headers["x-aig-provider"] == "openai"
    wait_until(up, "OpenAI counts as up")


def fail_openai(word, **rule):
    return script(word, {"openai": rule})


FAULTS = {
    "500": {"status": 500}, "502": {"status": 502}, "503": {"status": 503}, "529": {"status": 529}, "dropped": {"drop": "close"}, "reset": {"drop": "hard"},
    "nonsense": {"body": "<html>"},
}
STREAM_FAULTS = {
    "cut at once": {"cut": {"after": 0, "how": "close"}}, "cut before content": {"cut": {"after": 1, "how": "hard"}},
    "error before content": {"error_event": {"after": 1}}, "broken event": {"malformed": {"after": 1}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_plain(world, account, fault):
    word = new_word()
    before = account.balance()
    answer = account.api.chat(fail_openai(word, **FAULTS[fault]), model=MODEL)
    assert answer.status == 200, answer
    assert answer.headers["x-aig-provider"] == "openrouter" and answer.headers["x-aig-hedged-from"] == "openai"
    assert answer.json["model"] == MODEL and word in answer.json["choices"][0]["message"]["content"]
    asked = [r["provider"] for r in world.fake.requests(word)]
    # a kept connection that is dropped without an answer is taken for a stale one: a fresh one is tried before the hedge
    assert asked in (["openai", "openrouter"], ["openai", "openai", "openrouter"])
    usage = account.usage(answer)
    assert usage["hedged_from"] == "openai" and usage["provider"] == "openrouter"
    assert account.balance() == before - check_charge(usage)


@pytest.mark.parametrize("fault", {**FAULTS, **STREAM_FAULTS})
def test_stream(world, account, fault):
    word = new_word()
    rule = {**FAULTS, **STREAM_FAULTS}[fault]
    with account.api.chat_stream(fail_openai(word, **rule), model=MODEL) as stream:
        assert stream.headers["x-aig-provider"] == "openrouter" and stream.headers["x-aig-hedged-from"] == "openai"
        chunks, done = stream.chunks()
    assert done and len({c["id"] for c in chunks}) == 1 and chunks[0]["id"].startswith("gen-")
    assert word in "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
    assert check_charge(account.usage(stream)) > 0


def test_not_after_content(world, account):
    word = new_word()
    with account.api.chat_stream(fail_openai(word, words=8, cut={"after": 4, "how": "hard"}), model=MODEL) as stream:
        chunks, done = stream.chunks()
    assert not done and chunks[-1]["error"]["code"] == "upstream_error"
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"]
    assert account.usage(stream)["charge_usd"] == 0


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 422, 429])
def test_not_for_what_the_client_caused(world, account, status):
    word = new_word()
    answer = account.api.chat(fail_openai(word, status=status), model=MODEL)
    assert answer.status == (502 if status == 401 else status), answer
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"]


@pytest.mark.parametrize("field,value", [("n", 2), ("web_search_options", {}), ("functions", [{"name": "f", "parameters": {}}])])
def test_not_what_the_other_would_leave_out(world, account, field, value):
    word = new_word()
    answer = account.api.chat(fail_openai(word, status=500), model=MODEL, **{field: value})
    assert answer.status == 502, answer
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"]
    usage = account.usage(answer)
    assert usage["charge_usd"] == 0 and usage["provider"] == "openai" and usage["hedged_from"] is None


def test_the_other_gets_what_it_takes(world, account):
    """Written by the rules of the model that serves: Claude takes no temperature above 1 and no seed."""
    word = new_word()
    answer = account.api.chat(fail_openai(word, status=500), model="test-hedged-by-claude", temperature=1.6, seed=7, max_tokens=50)
    assert answer.status == 200 and answer.headers["x-aig-provider"] == "anthropic", answer
    assert word in answer.json["choices"][0]["message"]["content"] and answer.json["model"] == "test-hedged-by-claude"
    sent = world.fake.requests(word)[-1]["json"]
    assert sent["temperature"] == 1 and "seed" not in sent and sent["max_tokens"] == 50
    usage = account.usage(answer)
    price = world.db.one("SELECT p.* FROM price p JOIN model m ON m.id = p.model_id WHERE m.name = 'claude-sonnet-4-6'")
    check_charge(usage)
    assert int(usage["arithmetic"]["price_id"]) == price["id"]


OTHERS = {"anthropic": ("test-hedged-claude", 529), "google": ("test-hedged-gemini", 503)}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", OTHERS)
class TestOtherProviders:
    """Anthropic's 529 and Google's 503 hedge, too, where the catalog names one."""

    def call(self, account, provider, rule, stream):
        model, _ = OTHERS[provider]
        word = new_word()
        body = script(word, {provider: rule})
        if not stream:
            answer = account.api.chat(body, model=model)
            return word, answer, answer.body.decode()
        with account.api.chat_stream(body, model=model) as answer:
            return word, answer, answer.read_rest().decode()

    def test_overload(self, world, account, provider, stream):
        word, answer, text = self.call(account, provider, {"status": OTHERS[provider][1]}, stream)
        assert answer.status == 200 and answer.headers["x-aig-provider"] == "openrouter" and answer.headers["x-aig-hedged-from"] == provider
        assert word in text
        usage = account.usage(answer)
        assert check_charge(usage) > 0 and usage["hedged_from"] == provider

    def test_before_the_content_only(self, world, account, provider, stream):
        if not stream:
            return
        word, answer, text = self.call(account, provider, {"error_event": {"after": 0}}, stream)
        assert answer.headers["x-aig-provider"] == "openrouter" and word in text and text.endswith("data: [DONE]\n\n")
        word, answer, text = self.call(account, provider, {"words": 20, "error_event": {"after": 9}}, stream)
        assert answer.headers["x-aig-provider"] == provider and "[DONE]" not in text and '"error"' in text
        assert account.usage(answer)["charge_usd"] == 0

    @pytest.mark.parametrize("status", [400, 429])
    def test_no_4xx(self, world, account, provider, stream, status):
        word, answer, _ = self.call(account, provider, {"status": status}, stream)
        assert answer.status == status and [r["provider"] for r in world.fake.requests(word)] == [provider]


def test_when_both_fail_the_first_failure_is_told(world, account):
    answer = account.api.chat(script(new_word(), {"openai": {"status": 503}, "openrouter": {"status": 400}}), model=MODEL)
    assert answer.status == 503 and answer.error["code"] == "upstream_overloaded", answer
    assert account.usage(answer)["charge_usd"] == 0


def test_a_dearer_model_needs_room(world, account):
    """The hold is made larger first; where it cannot, the original failure is the answer."""
    word = new_word()
    other = account.new_key()
    other.set_cap("key", "0.0003")      # 0.2 for 100 tokens of gpt-4o-mini's output, 0.35 for those of the hedge
    answer = other.api.chat(fail_openai(word, status=500), model="test-hedged-dearly", max_tokens=100)
    assert answer.status == 502 and answer.error["code"] == "upstream_error", answer
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"]
    other.set_cap("key", "0.01")
    answer = other.api.chat(fail_openai(new_word(), status=500), model="test-hedged-dearly", max_tokens=100)
    assert answer.status == 200 and answer.headers["x-aig-provider"] == "openrouter", answer
    usage = other.usage(answer)
    price = world.db.one("SELECT p.* FROM price p JOIN model m ON m.id = p.model_id WHERE m.name = 'grok-4.3'")
    assert int(usage["arithmetic"]["price_id"]) == price["id"]
    assert usage["charge_usd"] <= usage["arithmetic"]["hold_usd"] <= Decimal("0.01")


def test_marked_down_and_found_again(world, account):
    """After three failures in a row calls go to the hedge at once; when the cool-down is over, one probe finds out."""
    for _ in range(3):
        assert account.api.chat(fail_openai(new_word(), status=500), model=MODEL).status == 200
    word = new_word()
    answer = account.api.chat(word, model=MODEL)
    assert answer.headers["x-aig-provider"] == "openrouter" and answer.headers["x-aig-hedged-from"] == "openai"
    assert [r["provider"] for r in world.fake.requests(word)] == ["openrouter"]
    # models that have no hedge are still tried
    assert account.api.chat().headers["x-aig-provider"] == "openai"
    world.db.rows("UPDATE upstream_health SET down_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    wait_until(lambda: account.api.chat(model=MODEL).headers["x-aig-provider"] == "openai", "the probe finds it up")
    assert world.db.rows("SELECT * FROM upstream_health WHERE failures > 0") == []


@pytest.fixture
def down(world, account):
    """OpenAI is marked down for as long as the test takes."""
    world.db.rows("INSERT INTO upstream_health (provider, failures, down_until) VALUES ('openai', 9, UTC_TIMESTAMP(6) + INTERVAL 1 HOUR)")
    wait_until(lambda: account.api.chat(model=MODEL).headers["x-aig-provider"] == "openrouter", "OpenAI counts as down")


def test_while_down_the_hold_is_the_hedges_at_once(world, account, down):
    word = new_word()
    answer = account.api.chat(word, model="test-hedged-dearly", max_tokens=100)
    assert answer.status == 200 and answer.headers["x-aig-hedged-from"] == "openai", answer
    usage = account.usage(answer)
    price = world.db.one("SELECT p.* FROM price p JOIN model m ON m.id = p.model_id WHERE m.name = 'grok-4.3'")
    assert int(usage["arithmetic"]["price_id"]) == price["id"] and usage["charge_usd"] <= usage["arithmetic"]["hold_usd"]
    assert [r["provider"] for r in world.fake.requests(word)] == ["openrouter"]


def test_while_down_who_cannot_pay_the_hedge_asks_the_provider(world, account, down):
    """OpenAI may be back, and its price is what the client reckoned with."""
    other, word = account.new_key(), new_word()
    other.set_cap("key", "0.0003")      # see test_a_dearer_model_needs_room
    answer = other.api.chat(word, model="test-hedged-dearly", max_tokens=100)
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"], answer
    assert answer.status == 200 and "x-aig-hedged-from" not in answer.headers


def test_while_down_a_hedge_off_the_list_does_not_serve(world, account, down):
    other, word = account.new_key(), new_word()
    world.db.call("set_key_models", other.key_id, f"{MODEL}, deepseek-v3.2")
    assert other.api.chat(model=MODEL).headers["x-aig-provider"] == "openrouter"
    world.db.call("set_key_models", other.key_id, MODEL)
    assert other.api.chat(word, model=MODEL).headers["x-aig-provider"] == "openai"
    assert [r["provider"] for r in world.fake.requests(word)] == ["openai"]
