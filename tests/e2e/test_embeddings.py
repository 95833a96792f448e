# SPDX-License-Identifier: Apache-2.0
"""POST /v1/embeddings: every model through its provider, both encodings, batches, exact charges; what goes wrong, and what may not be spent."""

import base64
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from client import Later
from fake import new_word, script
from money import check_charge, exact, tokens_of
from world import wait_until

PATH = "/v1/embeddings"
SMALL = "text-embedding-3-small"
GOOGLE = "gemini-embedding-2"
QWEN = "qwen3-embedding-8b"
PROVIDERS = {"text-embedding-3-large": "openai", SMALL: "openai", "text-embedding-ada-002": "openai", GOOGLE: "google", QWEN: "openrouter"}
SIZES = {"text-embedding-3-large": 3072, SMALL: 1536, "text-embedding-ada-002": 1536, GOOGLE: 3072, QWEN: 4096}


def embed(account, value, model=SMALL, **fields):
    return account.api.post(PATH, {"model": model, "input": value, **fields})


def vectors_of(answer):
    assert answer.status == 200, answer
    assert [d["index"] for d in answer.json["data"]] == list(range(len(answer.json["data"])))
    return [d["embedding"] for d in answer.json["data"]]


def floats_of(text):
    data = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def as_floats(numbers):
    return [struct.unpack("<f", struct.pack("<f", n))[0] for n in numbers]


def check_nothing_charged(account, status="upstream_error"):
    assert account.spent() == 0
    rows = account.db.rows("SELECT charge_usd, status FROM usage_log WHERE account_id = %s", account.id)
    assert rows and all(r["charge_usd"] == 0 and r["status"] == status for r in rows), rows
    account.check()


class TestEveryModel:
    @pytest.mark.parametrize("model", PROVIDERS)
    def test_answers_and_is_charged(self, account, world, model):
        before, word = account.balance(), new_word()
        answer = embed(account, [f"{word} one", "two"], model)
        first, second = vectors_of(answer)
        assert len(first) == len(second) == SIZES[model] and first != second and all(isinstance(n, float) for n in first)
        assert answer.json["object"] == "list" and answer.json["model"] == model
        assert answer.json["data"][0]["object"] == "embedding"
        assert answer.headers["x-aig-provider"] == PROVIDERS[model] == world.fake.one(word)["provider"]
        usage = account.usage(answer)
        charge = check_charge(usage)
        assert charge > 0 and Decimal(answer.headers["x-ai-credits-charged"]) == charge == exact(answer)["usage"]["cost"]
        assert answer.json["usage"]["prompt_tokens"] == answer.json["usage"]["total_tokens"] == tokens_of(usage)["input"]
        assert account.balance() == before - charge
        assert usage["model"] == model and usage["status"] == "ok" and usage["stream"] is False and usage["estimated"] is False

    @pytest.mark.parametrize("model", PROVIDERS)
    def test_both_encodings_are_the_same_vector(self, account, model):
        word = new_word()
        plain = vectors_of(embed(account, word, model, encoding_format="float"))
        packed = vectors_of(embed(account, word, model, encoding_format="base64"))
        assert isinstance(packed[0], str) and [floats_of(v) for v in packed] == [as_floats(v) for v in plain]

    @pytest.mark.parametrize("model", [SMALL, "text-embedding-3-large", GOOGLE, QWEN])
    def test_dimensions(self, account, world, model):
        word = new_word()
        assert len(vectors_of(embed(account, word, model, dimensions=256))[0]) == 256
        asked = json.dumps(world.fake.one(word)["json"])
        assert '"dimensions": 256' in asked or '"outputDimensionality": 256' in asked

    def test_dimensions_that_the_model_lacks(self, account):
        answer = embed(account, "x", "text-embedding-ada-002", dimensions=256)
        assert answer.status == 400 and "dimensions" in answer.error["message"]
        check_nothing_charged(account)

    def test_the_price_of_a_million_tokens(self, account, world):
        """The whole arithmetic once by hand: 1,000,000 tokens at 0.02, markup 0.4."""
        number = world.fake.lay({"usage": {"input": 1000000}}, api="embeddings", contains=(word := new_word()))
        answer = embed(account, [word + "x" * 1100000])
        world.fake.lift(number)
        usage = account.usage(answer)
        # one input: the bound is the model's context, so the rest is borne by the operator
        assert usage["arithmetic"]["hold_usd"] == Decimal("0.000229348")
        assert check_charge(usage) == Decimal("0.000229348")
        assert usage["arithmetic"]["absorbed_usd"] == Decimal("0.028") - Decimal("0.000229348")

    def test_openrouters_cost_is_what_is_charged(self, account):
        answer = embed(account, script(new_word(), {"usage": {"input": 10, "cost": "0.0000002"}}) + "x" * 5000, QWEN)
        usage = account.usage(answer)
        assert usage["arithmetic"]["upstream_cost_usd"] == Decimal("0.0000002") and check_charge(usage) == Decimal("0.00000028")

    def test_an_alias(self, account):
        assert embed(account, "x", "qwen/qwen3-embedding-8b").json["model"] == "qwen/qwen3-embedding-8b"


class TestInputs:
    @pytest.mark.parametrize("tokens,count", [([9, 8, 7], 3), ([[1, 2], [3, 4, 5]], 5)])
    def test_token_ids(self, account, tokens, count):
        answer = embed(account, tokens)
        assert len(vectors_of(answer)) == (1 if isinstance(tokens[0], int) else 2)
        assert answer.json["usage"]["prompt_tokens"] == count
        assert check_charge(account.usage(answer)) > 0

    @pytest.mark.parametrize("model", [GOOGLE, QWEN])
    def test_token_ids_mean_nothing_to_others(self, account, model):
        answer = embed(account, [[1, 2]], model)
        assert answer.status == 400 and answer.error["param"] == "input" and "check_embedding_ctx_length" in answer.error["message"]
        check_nothing_charged(account, "error")

    def test_google_takes_a_hundred_at_a_time(self, account, world):
        word = new_word()
        texts = [f"{word} {k}" for k in range(250)]
        answer = embed(account, texts, GOOGLE, dimensions=8)
        found = world.fake.requests(word)
        assert [len(r["json"]["requests"]) for r in found] == [100, 100, 50]
        assert len({r["connection"] for r in found}) == 1, "one connection serves all parts"
        alone = vectors_of(embed(account, texts[249], GOOGLE, dimensions=8))[0]
        vectors = vectors_of(answer)
        assert len(vectors) == 250 and vectors[249] == alone
        usage = account.usage(answer)
        assert check_charge(usage) > 0 and answer.json["usage"]["prompt_tokens"] == sum(max(1, -(-len(t) // 4)) for t in texts)
        assert len(account.db.rows("SELECT id FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 2

    def test_as_many_as_are_allowed(self, account, world):
        word = new_word()
        answer = embed(account, [f"{word} {k}" for k in range(2048)], dimensions=4)
        assert len(vectors_of(answer)) == 2048 and len(world.fake.requests(word)) == 1

    @pytest.mark.parametrize("fields,param,word", [
        ({"input": ""}, "input", "empty"), ({"input": []}, "input", "empty"), ({"input": ["a", ""]}, "input[1]", "empty"),
        ({"input": [[]]}, "input[0]", "empty"), ({"input": [[1], "a"]}, "input[1]", "token ids"), ({"input": [1, -2]}, "input", "whole numbers"),
        ({"input": ["a", [1]]}, "input[1]", "string"), ({"input": {"text": "a"}}, "input", "string"), ({"input": 5}, "input", "string"),
        ({"input": None}, "input", "missing"), ({"input": ["a"] * 2049}, "input", "2048"), ({"model": None}, "model", "missing"),
        ({"encoding_format": "binary"}, "encoding_format", "base64"), ({"dimensions": 0}, "dimensions", ""), ({"dimensions": "8"}, "dimensions", "")])
    def test_refused(self, account, fields, param, word):
        answer = account.api.post(PATH, {"model": SMALL, "input": "a", **fields})
        assert answer.status == 400 and answer.error["param"] == param and word in answer.error["message"], answer
        assert account.db.rows("SELECT id FROM hold WHERE account_id = %s", account.id) == []

    def test_too_long_a_body(self, account):
        assert account.api.post(PATH, {"model": SMALL, "input": "x" * (33 * 1024 * 1024)}).status == 413

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"model":"text-embedding-3-small","input":"\xff"}'])
    def test_no_request(self, account, body):
        assert account.api.post(PATH, body, headers={"Content-Type": "application/json"}).status == 400

    @pytest.mark.parametrize("model,status", [("gpt-4o", 400), ("nano-banana", 400), ("nobody", 404)])
    def test_of_another_kind(self, account, model, status):
        answer = embed(account, "x", model)
        assert answer.status == status and answer.error["param"] == "model"

    def test_fields_pass_through(self, account, world):
        word = new_word()
        assert embed(account, word, user="u1", future_field=[1]).status == 200
        assert world.fake.one(word)["json"]["user"] == "u1" and world.fake.one(word)["json"]["future_field"] == [1]

    @pytest.mark.parametrize("field", ["models", "route", "plugins", "preset"])
    def test_what_would_cost_more(self, account, field):
        answer = embed(account, "x", QWEN, **{field: ["x"]})
        assert answer.status == 400 and answer.error["param"] == field
        check_nothing_charged(account, "error")


STATUSES = {400: 400, 404: 404, 422: 422, 429: 429, 401: 502, 402: 502, 500: 502, 503: 503, 504: 504, 301: 502}


class TestFaults:
    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("model", [SMALL, GOOGLE])
    def test_status(self, account, status, model):
        answer = embed(account, script(new_word(), {"status": status, "headers": {"retry-after": "3"}}), model)
        assert answer.status == STATUSES[status], answer
        assert answer.error["message"] and "fake-" not in answer.body.decode()
        check_nothing_charged(account)

    @pytest.mark.parametrize("rule", [
        {"body": "oops", "content_type": "text/html"}, {"body": "{}"}, {"body": {"data": [], "usage": {"prompt_tokens": 1}}}, {"body": {"error": {"message": "no"}}},
        {"set": {"/data/0/embedding": "!"}}, {"set": {"/data/0/embedding": []}}, {"set": {"/data/0/embedding": [1, "a"]}}, {"unset": ["/data/0"]},
        {"set": {"/data/0/index": 7}}, {"drop": "close"}, {"drop": "hard"}, {"cut": {"how": "hard"}}, {"cut": {"how": "close"}}])
    def test_nonsense(self, account, rule):
        answer = embed(account, [script(new_word(), rule)])
        assert answer.status == 502 and "not charged" in answer.error["message"], answer
        check_nothing_charged(account)

    def test_a_part_that_fails_fails_the_whole(self, account, world):
        word = new_word()
        number = world.fake.lay([{}, {"status": 500}], contains=word)
        answer = embed(account, [f"{word} {k}" for k in range(150)], GOOGLE)
        world.fake.lift(number)
        assert answer.status == 502 and len(world.fake.requests(word)) == 2
        check_nothing_charged(account)

    @pytest.mark.parametrize("model", [SMALL, GOOGLE])
    def test_counts_that_stay_away_are_estimated(self, account, model):
        answer = embed(account, script(new_word(), {"usage": "missing"}), model)
        usage = account.usage(answer)
        assert usage["estimated"] is True and check_charge(usage) > 0

    def test_a_reported_zero_is_a_zero(self, account):
        answer = embed(account, script(new_word(), {"usage": "zero"}))
        usage = account.usage(answer)
        assert usage["estimated"] is False and usage["charge_usd"] == 0 and answer.headers["x-ai-credits-charged"] == "0"

    def test_unreachable(self, world):
        with world.front("lighttpd", openai_url="http://127.0.0.1:1") as front, world.account(front.api) as account:
            answer = embed(account, "x")
            assert answer.status == 502 and answer.error["code"] == "upstream_error"
            check_nothing_charged(account)

    def test_silent(self, world):
        with world.front("lighttpd", first_byte_timeout="0.1", idle_timeout="0.4") as front, world.account(front.api) as account:
            for rule in ({"delay": 3600}, {"stall": {"after": 10, "seconds": 3600}}):
                answer = embed(account, script(new_word(), rule))
                assert answer.status == 504 and answer.error["code"] == "upstream_timeout"
            check_nothing_charged(account, "timeout")

    def test_the_client_leaves(self, account, world):
        """lighttpd tells at once: the provider's call is closed, nothing is charged."""
        word = new_word()
        sock = account.api.send_only(PATH, None, messages=None, model=SMALL, input=script(word, {"delay": 3600}))
        world.fake.started(word)
        sock.close()
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        account.check()
        check_nothing_charged(account, "client_gone")


class TestMoney:
    def test_402(self, account, world):
        word = new_word()
        account.set_cap("key", "0.0000000005")
        answer = embed(account, word)
        assert answer.status == 402 and answer.error["code"] == "key_cap_exceeded" and world.fake.requests(word) == []
        account.set_cap("key", None)
        with world.account(usd="0.000000001") as poor:
            assert embed(poor, word).error["code"] == "insufficient_credits"
        assert world.fake.requests(word) == []

    def test_a_bad_key(self, world):
        assert world.api.with_key("sk-aig-" + 48 * "0").post(PATH, {"model": SMALL, "input": "x"}).status == 401
        assert world.api.post(PATH, {"model": SMALL, "input": "x"}).status == 401

    @pytest.mark.parametrize("scope", ["key", "account", "balance"])
    def test_a_limit_that_fits_ten(self, world, scope):
        """The hold of a call is its whole cost here, so at most ten of many at once can ever succeed."""
        word = new_word()
        text = script(word, {"usage": {"input": 100000}, "delay": 0.05})
        with world.account() as probe:
            hold = probe.usage(embed(probe, text))["arithmetic"]["hold_usd"]
        usd = hold * 10 + hold / 5    # less than a call is likely to cost
        with world.account(usd=str(usd) if scope == "balance" else "10") as account:
            if scope != "balance":
                account.set_cap(scope, usd)
            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(lambda _: embed(account, text), range(40)))
            assert sorted({a.status for a in answers}) == [200, 402] and sum(a.status == 200 for a in answers) == 10
            assert account.spent() == 10 * hold
            assert len([r for r in world.fake.requests(word) if r["status"] == 200]) == 11

    def test_a_successor_serves(self, account, world):
        world.db.rows("UPDATE model SET retires_on = '2026-01-01', successor = %s WHERE name = 'text-embedding-ada-002'", SMALL)
        try:
            answers = []

            def served():
                answers.append(embed(account, "x", "text-embedding-ada-002"))
                return answers[-1].headers.get("x-aig-model-substituted")
            assert wait_until(served, "the catalog is read again") == "text-embedding-ada-002"
            assert account.usage(answers[-1])["model"] == SMALL
        finally:
            world.db.rows("UPDATE model SET retires_on = NULL, successor = NULL WHERE name = 'text-embedding-ada-002'")

    def test_what_is_held_shows_while_it_runs(self, account, world):
        word = new_word()
        calling = Later(embed, account, script(word, {"delay": 0.5}))
        world.fake.started(word)
        assert exact(account.api.get("/v1/me"))["held_usd"] > 0
        assert calling.result().status == 200 and exact(account.api.get("/v1/me"))["held_usd"] == 0


@pytest.mark.parametrize("front", ["apache-proxy", "apache-fcgid", "apache-cgi", "lighttpd-cgi"])
def test_other_fronts(world, front):
    with world.front(front) as other, world.account(other.api) as account:
        texts = [f"text {k}" for k in range(300)]
        answer = embed(account, texts, encoding_format="base64")
        assert len(vectors_of(answer)) == 300 and len(floats_of(answer.json["data"][299]["embedding"])) == 1536
        assert check_charge(account.usage(answer)) > 0
