# SPDX-License-Identifier: Apache-2.0
"""The routes beside chat completions: models, me, usage, health, and the paths that OpenAI has retired."""

import re
from decimal import Decimal

import pytest
from fake import new_word, script
from money import exact

REQUEST_ID = re.compile(r"req_[0-9A-HJKMNP-TV-Z]{26}")
NOT_OFFERED = ("sora-2-pro", "runway", "gpt-4o-image")   # in the catalog without a price, so they cannot be called


class TestModels:
    def models(self, account):
        body = exact(account.api.get("/v1/models"))
        assert body["object"] == "list"
        return {m["id"]: m for m in body["data"] if not m["id"].startswith("test-")}

    def test_the_catalog(self, account):
        models = self.models(account)
        kinds = [m["kind"] for m in models.values()]
        assert kinds.count("chat") == 37 and kinds.count("embedding") == 5
        assert {"image", "video", "music"} <= set(kinds)
        for name, model in models.items():
            assert model["object"] == "model" and isinstance(model["owned_by"], str) and model["created"] > 1600000000, name
            assert isinstance(model["capabilities"], list)
            if name in NOT_OFFERED:
                assert model["pricing"] is None, name
            else:
                assert model["pricing"]["currency"] == "USD", name

    def test_like_openai(self, account):
        """What an SDK needs: id, object, created, owned_by."""
        for model in account.api.get("/v1/models").json["data"]:
            assert isinstance(model["id"], str) and model["object"] == "model"
            assert isinstance(model["created"], int) and isinstance(model["owned_by"], str)

    @pytest.mark.parametrize("tier,markup", [("Starter", "1.4"), ("Scale", "1.22"), ("Strategic", "1.1")])
    def test_prices_are_those_of_the_tier(self, account, tier, markup):
        account.set_tier(tier)
        models, markup = self.models(account), Decimal(markup)
        assert models["gpt-4o"]["pricing"]["input"] == Decimal("2.5") * markup
        assert models["gpt-4o"]["pricing"]["cached_input"] == Decimal("1.25") * markup
        assert models["gpt-4o"]["pricing"]["output"] == 10 * markup
        assert models["gpt-4o"]["pricing"]["per"] == "million_tokens"
        assert models["gpt-5.5"]["pricing"]["above_tokens"] == 272000
        assert models["gpt-5.5"]["pricing"]["above_input"] == 10 * markup
        assert models["gpt-5.5"]["pricing"]["above_output"] == 45 * markup
        assert models["gpt-6-luna"]["pricing"]["cache_write_5m"] == Decimal("0.125") * markup
        assert models["text-embedding-3-small"]["pricing"]["input"] == Decimal("0.02") * markup
        assert "output" not in models["text-embedding-3-small"]["pricing"]
        assert models["nano-banana"]["pricing"]["per"] == "image"

    def test_an_own_markup(self, world, account):
        world.db.call("set_markup", account.email, "0.25")
        assert self.models(account)["gpt-4o"]["pricing"]["output"] == Decimal("12.5")

    def test_limits_and_capabilities(self, account):
        model = self.models(account)["gpt-5"]
        assert model["context_length"] == 400000 and model["max_output_tokens"] == 128000
        assert set(model["capabilities"]) == {"tools", "vision", "json", "stream", "reasoning"}

    def test_one(self, account):
        every = self.models(account)
        for name in ("gpt-4o", "claude-sonnet-4-6", "deepseek-v3.2", "text-embedding-3-large", "nano-banana"):
            assert exact(account.api.get(f"/v1/models/{name}")) == every[name]

    def test_unknown(self, account):
        answer = account.api.get("/v1/models/no-such-model")
        assert answer.status == 404 and answer.error["code"] == "model_not_found"

    def test_disabled_ones_are_hidden(self, account):
        names = [m["id"] for m in account.api.get("/v1/models").json["data"]]
        assert "test-disabled" not in names
        assert account.api.get("/v1/models/test-disabled").status == 404

    def test_retirement(self, world, account):
        word = new_word()
        model = account.api.get("/v1/models/test-retires").json
        assert model["shutdown_date"] == "2099-12-31" and model["successor"] == "gpt-4o-mini"
        assert "x-aig-model-substituted" not in account.api.chat(model="test-retires").headers
        answer = account.api.chat(word, model="test-retired")
        assert answer.status == 200 and answer.headers["x-aig-model-substituted"] == "test-retired"
        assert account.usage(answer)["model"] == "gpt-4o-mini"
        with account.api.chat_stream(model="test-retired") as stream:
            assert stream.headers["x-aig-model-substituted"] == "test-retired"
            assert stream.chunks()[1]


class TestMe:
    def test_figures(self, account):
        me = account.me()
        assert me["object"] == "account" and me["tier"] == "Starter" and me["markup"] == Decimal("0.4")
        assert me["next_tier"] == "Growth" and me["next_tier_usd"] == 50 and me["next_tier_missing_usd"] == 50
        assert me["spend_30d_usd"] == 0 and me["balance_usd"] == me["available_usd"] == 10 and me["held_usd"] == 0
        assert me["team"] is None
        assert me["key"]["id"] == account.key_id and me["key"]["prefix"] == account.key[:11] and me["key"]["last4"] == account.key[-4:]
        assert me["key"]["cap_usd"] is None and me["key"]["resets_at"] is None

    def test_after_calls(self, account):
        charge = sum(account.usage(account.api.chat(script(new_word(), {"words": 50})))["charge_usd"] for _ in range(3))
        account.set_cap("key", "1", "monthly")
        account.set_cap("account", "2", "weekly")
        me = account.me()
        assert me["balance_usd"] == 10 - charge and me["spend_30d_usd"] == charge
        assert me["key"]["spent_usd"] == me["account"]["spent_usd"] == charge
        assert me["key"]["cap_usd"] == 1 and me["key"]["period"] == "monthly" and me["key"]["resets_at"]
        assert me["account"]["cap_usd"] == 2 and me["account"]["period"] == "weekly"
        assert me["next_tier_missing_usd"] == 50 - charge

    def test_the_top_tier_has_no_next(self, account):
        account.set_tier("Strategic")
        me = account.me()
        assert me["next_tier"] is None and me["next_tier_usd"] is None

    def test_it_needs_a_key(self, world):
        assert world.api.get("/v1/me").status == 401


class TestUsage:
    def test_fields(self, account):
        answer = account.api.chat()
        usage = account.usage(answer)
        assert usage["object"] == "usage" and usage["id"] == answer.headers["x-request-id"] and REQUEST_ID.fullmatch(usage["id"])
        assert usage["model"] == "gpt-4o-mini" and usage["provider"] == "openai" and usage["status"] == "ok" and usage["http_status"] == 200
        assert usage["hedged_from"] is None and usage["stream"] is False and usage["estimated"] is False
        assert usage["first_byte_ms"] >= 0 and usage["duration_ms"] >= usage["first_byte_ms"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", usage["created_at"])
        assert "rounded half up" in usage["arithmetic"]["rule"]

    def test_of_another_account_is_404(self, world, account):
        number = account.api.chat().headers["x-request-id"]
        with world.account() as other:
            answer = other.api.get(f"/v1/usage/{number}")
            assert answer.status == 404 and answer.error["code"] == "not_found"

    def test_of_another_key_of_the_account(self, account):
        """A key sees its own calls only."""
        number = account.api.chat().headers["x-request-id"]
        assert account.new_key().api.get(f"/v1/usage/{number}").status == 404

    @pytest.mark.parametrize("number", ["req_01ARZ3NDEKTSV4RRFFQ69G5FAV", "req_", "x", "req_01ARZ3NDEKTSV4RRFFQ69G5FAVX", "req_01ARZ3NDEKTSV4RRFFQ69G5FA%20",
                                        "req_01arz3ndektsv4rrffq69g5fav", "1%20OR%201=1", "%27"])
    def test_unknown(self, account, number):
        answer = account.api.get(f"/v1/usage/{number}")
        assert answer.status == 404 and answer.error["message"]

    def test_of_a_failed_call(self, account):
        answer = account.api.chat(script(new_word(), {"status": 500}))
        usage = account.usage(answer)
        assert usage["status"] == "upstream_error" and usage["charge_usd"] == 0 and usage["arithmetic"]["hold_usd"] > 0

    def test_a_refused_call_has_none(self, account):
        account.set_cap("key", 0)
        number = account.api.chat().headers["x-request-id"]
        assert account.api.get(f"/v1/usage/{number}").status == 404


class TestHealth:
    def test_ok(self, world):
        answer = world.api.get("/v1/health")
        newest = world.db.value("SELECT MAX(version) FROM schema_version")
        assert answer.status == 200 and answer.json["status"] == "ok" and answer.json["schema_version"] == newest

    def test_needs_no_key_and_minds_none(self, world):
        assert world.api.with_key("nonsense").get("/v1/health").status == 200

    def test_an_older_schema_is_not_healthy(self, world):
        with world.front("lighttpd", own_database=True) as front:
            database = front.stack.database
            database.sql("UPDATE schema_version SET version = version + 1000 ORDER BY version DESC")
            assert front.api.get("/v1/health").status == 200, "a newer one is fine"
            database.sql("DELETE FROM schema_version")
            answer = front.api.get("/v1/health")
            assert answer.status == 503 and answer.error["message"], answer


class TestRetired:
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    @pytest.mark.parametrize("path", ["/v1/completions", "/v1/assistants", "/v1/assistants/asst_1", "/v1/assistants/asst_1/files", "/v1/threads", "/v1/threads/t/runs/r/steps"])
    def test_404(self, world, method, path):
        answer = world.api.call(method, path, {} if method == "POST" else None)
        assert answer.status == 404 and answer.error["code"] == "unsupported_endpoint", answer
        assert "/v1/chat/completions" in answer.error["message"]


def test_every_answer_has_the_common_headers(account):
    seen = set()
    for answer in (account.api.chat(), account.api.get("/v1/models"), account.api.get("/v1/me"), account.api.get("/v1/health"), account.api.get("/v1/none"),
                   account.api.post("/v1/completions", {}), account.api.chat(model="none"), account.api.with_key(None).chat()):
        assert REQUEST_ID.fullmatch(answer.headers["x-request-id"]) and answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers["content-type"] == "application/json" and int(answer.headers["content-length"]) == len(answer.body)
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 8


def test_odd_places_in_lists(account):
    for path, status in (("/v1/jobs?after=", 400), ("/v1/usage?after=", 400), ("/v1/webhooks?after=", 400), ("/v1/jobs/recordInfo?taskId=", 404)):
        assert account.api.get(path + "tsk_%C3%A4%F0%9F%98%80").status == status, path
