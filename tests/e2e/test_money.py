# SPDX-License-Identifier: Apache-2.0
"""What a call costs, and that everyone is told the same."""

from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from money import check_charge, exact, tokens_of


def rule(**fields):
    return script(new_word(), fields)


def usage_chunk(stream):
    chunks, done = stream.chunks()
    assert done
    return chunks[-1]


class TestCharge:
    USAGES = [
        {"input": 10, "output": 5},
        {"input": 1000, "cached": 400, "output": 77, "reasoning": 33},
        {"input": 4012, "cache_write": 4012, "output": 1},
        {"input": 4012, "cached": 4012, "output": 1},
        {"input": 7, "cached": 3, "cache_write": 4, "output": 2},
        {"input": 1, "output": 1},
        {"input": 1, "output": 0},
    ]

    @pytest.mark.parametrize("counts", USAGES, ids=str)
    @pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-nano", "deepseek-v3.2"])
    def test_plain(self, account, model, counts):
        counts = dict(counts, cost=None) if model.startswith("deepseek") else counts
        before = account.balance()
        # the text makes the hold larger than any of the counts
        answer = account.api.post("/v1/chat/completions", chat_body(rule(usage=counts) + "x" * 5000, model=model))
        assert answer.status == 200, answer
        usage = account.usage(answer)
        charge = check_charge(usage)
        assert usage["arithmetic"]["absorbed_usd"] == 0
        assert Decimal(answer.headers["x-ai-credits-charged"]) == charge
        assert exact(answer)["usage"]["cost"] == charge
        assert account.balance() == before - charge
        tokens = tokens_of(usage)
        assert sum(tokens.get(k, 0) for k in ("input", "cached_input", "cache_write_5m")) == counts["input"]
        assert tokens.get("cached_input", 0) == counts.get("cached", 0)
        assert tokens.get("cache_write_5m", 0) == counts.get("cache_write", 0)
        assert tokens.get("output", 0) + tokens.get("reasoning", 0) == counts["output"]

    def test_the_lines_have_the_prices_of_the_price_row(self, account, world):
        answer = account.api.post("/v1/chat/completions", chat_body(
            rule(usage={"input": 1000, "cached": 400, "output": 77, "reasoning": 33}) + "x" * 5000, model="gpt-5"))
        usage = account.usage(answer)
        price = world.db.one("SELECT * FROM price WHERE id = %s", int(usage["arithmetic"]["price_id"]))
        names = {"input": "input_usd", "cached_input": "cached_input_usd", "output": "output_usd", "reasoning": "reasoning_usd"}
        for line in usage["arithmetic"]["lines"]:
            wanted = price[names[line["kind"]]]
            wanted = price["output_usd"] if wanted is None else wanted
            assert line["usd_per_million_tokens"] == wanted
            assert line["subtotal_usd"] == line["tokens"] * wanted / 1000000
        assert usage["arithmetic"]["markup"] == account.markup()

    def test_stream(self, account):
        before = account.balance()
        with account.api.chat_stream(rule(usage={"input": 100, "cached": 40, "output": 30}) + "x" * 3000,
                                     stream_options={"include_usage": True}) as stream:
            assert "x-ai-credits-charged" not in stream.headers
            last = exact(stream_last(stream))
        usage = account.usage(stream)
        charge = check_charge(usage)
        assert last["usage"]["cost"] == charge and last["choices"] == []
        assert account.balance() == before - charge

    def test_me_shows_the_charge_once_done_has_been_seen(self, account):
        for _ in range(10):
            before = exact(account.api.get("/v1/me"))
            with account.api.chat_stream("hello") as stream:
                for event in stream:
                    if event.data == "[DONE]":
                        break
                after = exact(account.api.get("/v1/me"))
            charge = check_charge(account.usage(stream))
            assert after["balance_usd"] == before["balance_usd"] - charge
            assert after["held_usd"] == 0

    def test_markup_of_the_tier(self, account, world):
        prices = {}
        for tier, markup in (("Starter", "0.4"), ("Growth", "0.3"), ("Strategic", "0.1")):
            account.set_tier(tier)
            answer = account.api.post("/v1/chat/completions", chat_body(rule(usage={"input": 1000, "output": 1000}) + "x" * 5000))
            usage = account.usage(answer)
            prices[tier] = check_charge(usage)
            assert usage["arithmetic"]["markup"] == Decimal(markup)
        assert prices["Starter"] / prices["Strategic"] == Decimal("1.4") / Decimal("1.1")

    def test_several_choices(self, account):
        answer = account.api.chat(rule(words=20), n=3)
        assert len(answer.json["choices"]) == 3
        assert tokens_of(account.usage(answer))["output"] == 60
        check_charge(account.usage(answer))


def stream_last(stream):
    """The text of the last event before [DONE]."""
    events = [e.data for e in stream]
    assert events[-1] == "[DONE]"
    return events[-2]


class TestUsageTold:
    """What the provider says about tokens, in all the ways in which it may say it."""

    @pytest.mark.parametrize("how", ["in_chunk", "early", "normal"])
    def test_usage_in_any_chunk(self, account, how):
        usage_of = {"input": 50, "cached": 20, "output": 10}
        words = rule(usage="in_chunk" if how == "in_chunk" else "early") if how != "normal" else rule(usage=usage_of)
        with account.api.chat_stream(words, stream_options={"include_usage": True}) as stream:
            last = exact(stream_last(stream))
        usage = account.usage(stream)
        assert usage["estimated"] is False
        charge = check_charge(usage)
        assert charge > 0 and last["usage"]["cost"] == charge

    def test_zero_is_zero(self, account):
        for fields in ({}, {"stream": True}):
            body = chat_body(rule(usage="zero"), **fields)
            answer = account.api.post("/v1/chat/completions", body)
            assert answer.status == 200
            usage = account.usage(answer)
            assert usage["estimated"] is False and usage["charge_usd"] == 0
        assert account.spent() == 0

    @pytest.mark.parametrize("stream", [False, True])
    def test_missing_is_estimated(self, account, stream):
        answer = account.api.post("/v1/chat/completions", chat_body(rule(usage="missing", words=40), stream=stream))
        assert answer.status == 200, answer
        usage = account.usage(answer)
        assert usage["estimated"] is True
        assert check_charge(usage) > 0
        tokens = tokens_of(usage)
        assert tokens["input"] > 0 and tokens["output"] > 0

    @pytest.mark.parametrize("stream", [False, True])
    def test_missing_and_asked_for(self, account, stream):
        fields = {"stream_options": {"include_usage": True}} if stream else {}
        answer = account.api.post("/v1/chat/completions", chat_body(rule(usage="missing"), stream=stream, **fields))
        text = answer.body.decode().split("data: ")[-2] if stream else answer.body
        cost = exact(text)["usage"]["cost"]
        assert cost == check_charge(account.usage(answer)) > 0

    @pytest.mark.parametrize("counts", [
        {"/usage": None}, {"/usage": "many"}, {"/usage/prompt_tokens": "12"}, {"/usage/prompt_tokens": -5},
        {"/usage/prompt_tokens": 1.5}, {"/usage/completion_tokens": None}, {"/usage/prompt_tokens_details": None},
        {"/usage/prompt_tokens_details/cached_tokens": 10 ** 9}, {"/usage/completion_tokens_details/reasoning_tokens": 10 ** 9},
        {"/usage/prompt_tokens": 10 ** 18}, {"/usage/completion_tokens": 2 ** 63 - 1}, {"/usage/prompt_tokens": 4294967296},
    ], ids=str)
    def test_nonsense_counts(self, account, counts):
        """Whatever the provider's counts are: the answer is delivered, the charge is at least 0 and at most the hold."""
        answer = account.api.chat(rule(set=counts, words=5))
        assert answer.status == 200, answer
        usage = account.usage(answer)
        assert 0 <= check_charge(usage) <= usage["arithmetic"]["hold_usd"]


class TestOpenRouterCost:
    @pytest.mark.parametrize("cost,told", [("0.0012", "0.0012"), ("0", "0"), ("0.00000000049", "0"), ("0.0000000005", "0.000000001"),
                                           ("1.5e-05", "0.000015"), ("1E-3", "0.001")])
    @pytest.mark.parametrize("stream", [False, True])
    def test_it_is_authoritative(self, account, cost, told, stream):
        counts = {"input": 999, "output": 999, "cost": 0.5}
        # the fake writes numbers as Python does; the text is put in as it is
        where = "/usage/cost"
        body = chat_body(rule(usage=counts, set={where: float(cost)}) + "x" * 5000, model="deepseek-v3.2", stream=stream,
                         **({"stream_options": {"include_usage": True}} if stream else {}))
        answer = account.api.post("/v1/chat/completions", body)
        usage = account.usage(answer)
        assert usage["arithmetic"]["upstream_cost_usd"] == Decimal(told)
        charge = check_charge(usage)
        assert charge == (Decimal(told) * (1 + account.markup())).quantize(Decimal("0.000000001"), "ROUND_HALF_UP")
        text = answer.body.decode().split("data: ")[-2] if stream else answer.body
        shown = exact(text)["usage"]
        assert shown["cost"] == charge, "ours, not OpenRouter's"
        assert "cost_details" not in shown and "is_byok" not in shown

    @pytest.mark.parametrize("cost", [None, "free", -1, True, {"usd": 1}, 1e300])
    def test_nonsense_cost_falls_back_to_tokens(self, account, cost):
        answer = account.api.chat(rule(usage={"input": 100, "output": 10}, set={"/usage/cost": cost}) + "x" * 1000, model="deepseek-v3.2")
        assert answer.status == 200, answer
        usage = account.usage(answer)
        assert usage["arithmetic"]["upstream_cost_usd"] is None
        assert check_charge(usage) > 0

    def test_more_than_the_hold_is_ours(self, account):
        answer = account.api.chat(rule(set={"/usage/cost": 3.0}), model="deepseek-v3.2", max_tokens=10)
        usage = account.usage(answer)
        charge = check_charge(usage)
        assert charge == usage["arithmetic"]["hold_usd"] < 1
        assert usage["arithmetic"]["absorbed_usd"] == Decimal(3) * (1 + account.markup()) - charge


class TestHold:
    def test_more_than_the_hold_is_absorbed(self, account):
        answer = account.api.chat(rule(usage={"input": 10 ** 6, "output": 10 ** 6}), max_tokens=10)
        usage = account.usage(answer)
        assert check_charge(usage) == usage["arithmetic"]["hold_usd"]
        assert usage["arithmetic"]["absorbed_usd"] > 0
        assert Decimal(answer.headers["x-ai-credits-charged"]) == usage["charge_usd"]

    def test_it_shows_while_the_call_runs(self, account, world):
        word = new_word()
        with account.api.chat_stream(script(word, {"words": 5, "stall": {"after": 3, "seconds": 3600}})) as stream:
            assert stream.next_data()
            me = exact(account.api.get("/v1/me"))
            assert me["held_usd"] > 0 and me["key"]["held_usd"] == me["held_usd"]
            assert me["available_usd"] == me["balance_usd"] - me["held_usd"]
            held = world.db.rows("SELECT * FROM v_hold_open WHERE request_id = %s", stream.headers["x-request-id"])
            assert len(held) == 1
        account.wait_usage(stream.headers["x-request-id"])
        assert exact(account.api.get("/v1/me"))["held_usd"] == 0

    def test_a_dearer_price_for_long_prompts(self, account):
        """Above the threshold the whole request has the dearer price."""
        below = account.usage(account.api.chat(rule(usage={"input": 1000, "output": 10}) + "x" * 5000, model="test-step"))
        above = account.usage(account.api.chat(rule(usage={"input": 1001, "output": 10}) + "x" * 5000, model="test-step"))
        assert below["arithmetic"]["long_prompt_price"] is False and above["arithmetic"]["long_prompt_price"] is True
        assert check_charge(below) == (1000 * Decimal("0.15") + 10 * Decimal("0.6")) / 1000000 * Decimal("1.4")
        assert check_charge(above) == Decimal(1001 * 1 + 10 * 2) / 1000000 * Decimal("1.4")

    def test_kinds_with_prices_of_their_own(self, account):
        counts = {"input": 1000, "cached": 300, "cache_write": 200, "output": 100, "reasoning": 60}
        usage = account.usage(account.api.chat(rule(usage=counts) + "x" * 5000, model="test-reasoning-price"))
        assert tokens_of(usage) == {"input": 500, "cached_input": 300, "cache_write_5m": 200, "output": 40, "reasoning": 60}
        assert check_charge(usage) == (500 * Decimal("0.15") + 300 * Decimal("0.05") + 200 * Decimal("0.2") + 40 * Decimal("0.6")
                                       + 60 * Decimal("1.2")) / 1000000 * Decimal("1.4")

    def test_a_model_without_a_price_cannot_be_called(self, account, world):
        word = new_word()
        answer = account.api.chat(word, model="test-free-of-price")
        assert answer.status == 404 and answer.error["message"], answer
        assert world.fake.requests(word) == []

    def test_a_new_price_applies_to_the_next_call(self, account, world):
        first = account.usage(account.api.chat(rule(usage={"input": 1000, "output": 0}) + "x" * 5000, model="test-new-price"))
        world.db.call("set_price", "test-new-price", 30, None, None, None, 60, *[None] * 9)
        second = account.usage(account.api.chat(rule(usage={"input": 1000, "output": 0}) + "x" * 5000, model="test-new-price"))
        assert check_charge(first) == Decimal("0.00021") and check_charge(second) == Decimal("0.042")
        assert first["arithmetic"]["price_id"] != second["arithmetic"]["price_id"]

    def test_a_running_call_keeps_its_price(self, account, world):
        """The price of the hold is the price of the charge."""
        with account.api.chat_stream(rule(words=5, stall={"after": 3, "seconds": 1}), model="test-new-price") as stream:
            assert stream.next_data()
            before = world.db.value("SELECT price_id FROM hold WHERE id = %s", stream.headers["x-request-id"])
            world.db.call("set_price", "test-new-price", 31, None, None, None, 61, *[None] * 9)
            assert stream.chunks()[1]
        assert account.usage(stream)["arithmetic"]["price_id"] == before
