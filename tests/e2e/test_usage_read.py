# SPDX-License-Identifier: Apache-2.0
"""Usage as the dashboard reads it: lists, sums, tiers, /v1/me in a session; and recompute-tiers."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from fake import new_word, script
from money import exact


@pytest.fixture
def busy(account):
    """Five calls: three of gpt-4o-mini, one of gpt-4o, one that failed; ids newest first."""
    answers = [account.api.chat(script(new_word(), {"words": 5}), model=m) for m in ("gpt-4o-mini", "gpt-4o", "gpt-4o-mini", "gpt-4o-mini")]
    assert {a.status for a in answers} == {200}
    failed = account.api.chat(script(new_word(), {"status": 500}))
    assert failed.status == 502
    account.calls = [a.headers["x-request-id"] for a in [failed, *reversed(answers)]]
    account.web = account.signed_in()
    return account


def ids(answer):
    assert answer.status == 200, answer
    return [c["id"] for c in answer.json["data"]]


class TestList:
    def test_a_call(self, busy):
        calls = exact(busy.web.get("/v1/usage"))
        assert calls["object"] == "list" and calls["has_more"] is False and calls["next"] is None
        assert [c["id"] for c in calls["data"]] == busy.calls
        call = calls["data"][1]
        one = busy.usage(call["id"])
        assert call["charge_usd"] == one["charge_usd"] and call["model"] == one["model"] == "gpt-4o-mini" and call["provider"] == "openai"
        assert call["status"] == "ok" and call["http_status"] == 200 and call["stream"] is False and call["estimated"] is False
        assert call["key"] == {"id": busy.key_id, "name": "test"} and call["team"] is None and call["member"] is None
        assert call["output_tokens"] > 0 and call["input_tokens"] > 0 and call["created_at"] == one["created_at"]
        failed = calls["data"][0]
        assert failed["status"] == "upstream_error" and failed["charge_usd"] == 0
        assert busy.web.get(f"/v1/usage/{call['id']}").status == 200, "the arithmetic in a session"

    def test_filters(self, busy):
        get = lambda query: ids(busy.web.get(f"/v1/usage?{query}"))  # noqa: E731
        assert get("model=gpt-4o") == [busy.calls[3]]
        assert get("status=upstream_error") == busy.calls[:1] and get("status=timeout") == []
        assert get(f"q={busy.calls[2]}") == [busy.calls[2]] and get("q=MINI") == [c for c in busy.calls if c != busy.calls[3]]
        assert get("q=%25") == [] and get("q=_") == busy.calls, "no pattern characters: every id has a _"
        assert get(f"key_id={busy.key_id}") == busy.calls and get("key_id=999999999") == []
        now = datetime.now(timezone.utc)
        later, before = ((now + timedelta(days=d)).strftime("%Y-%m-%dT%H:%M:%SZ") for d in (1, -1))
        assert get(f"from={before}") == busy.calls and get(f"from={before}&to={later}") == busy.calls and get(f"to={before}") == []
        assert get("model=gpt-4o-mini&status=ok&q=openai&limit=2") == busy.calls[1:3]

    def test_pages(self, busy):
        for query in ("", "&status=ok&q=gpt"):
            seen, after = [], ""
            while after is not None:
                page = busy.web.get(f"/v1/usage?limit=2{query}{after}").json
                seen += [c["id"] for c in page["data"]]
                after = f"&after={page['next']}" if page["has_more"] else None
            assert seen == (busy.calls if not query else busy.calls[1:])

    @pytest.mark.parametrize("query", ["from=yesterday", "to=2026-13-01", "limit=0", "limit=999", "model=nope", "status=fine", "key_id=x", "after=x", "q=" + "x" * 101, "from=2026-11-02&to=2026-11-01", "from=2026-11-01T10:00:00%2B01:00"])
    def test_refused(self, busy, query):
        answer = busy.web.get(f"/v1/usage?{query}")
        assert answer.status == 400 and answer.error["param"] == query.split("=")[0], answer

    @pytest.mark.parametrize("query", ["after=%00", "q=%ff", "q=%0a"])
    def test_no_text(self, busy, query):
        """The web server or the gateway refuses it."""
        assert busy.web.get(f"/v1/usage?{query}").status == 400

    def test_a_key_sees_its_own(self, world, busy):
        second = busy.new_key()
        mine = second.api.chat().headers["x-request-id"]
        assert ids(second.api.get("/v1/usage")) == [mine] and ids(busy.api.get("/v1/usage")) == busy.calls
        assert ids(second.api.get(f"/v1/usage?key_id={busy.key_id}")) == [mine], "whatever it asks for"
        assert second.api.get(f"/v1/usage/{busy.calls[0]}").status == 404
        assert ids(busy.web.get("/v1/usage")) == [mine, *busy.calls]
        with world.account() as other:
            assert ids(other.signed_in().get("/v1/usage")) == []
            assert ids(other.signed_in().get(f"/v1/usage?key_id={busy.key_id}")) == []
            assert other.signed_in().get(f"/v1/usage/{mine}").status == 404


class TestSummary:
    def sums(self, api, query):
        answer = api.get(f"/v1/usage/summary?{query}")
        assert answer.status == 200, answer
        return exact(answer)["data"]

    @pytest.mark.parametrize("group,labels", [("model", {"gpt-4o", "gpt-4o-mini"}), ("provider", {"openai"}), ("key", {"test"}), ("day", None), ("hour", None),
                                              ("member", None)])
    def test_it_adds_up(self, busy, group, labels):
        rows = self.sums(busy.web, f"group={group}")
        assert sum(r["charge_usd"] for r in rows) == busy.spent() and sum(r["calls"] for r in rows) == 4, "failed calls are not in it"
        assert labels is None or {r["label"] for r in rows} == labels
        assert group != "member" or rows[0]["label"] == busy.email
        assert self.sums(busy.api, f"group={group}") == rows
        second = busy.new_key()
        assert self.sums(second.api, f"group={group}") == [], "a key sums up its own calls"
        assert self.sums(busy.web, f"group={group}&key_id={second.key_id}") == []

    def test_span(self, busy):
        assert self.sums(busy.web, "group=day&from=2020-01-01&to=2020-12-31") == []
        for query in ("group=week", "from=2020-01-01", "group=hour&from=2026-01-01&to=2026-03-01", "from=x"):
            assert busy.web.get(f"/v1/usage/summary?{query}").status == 400, query

    def test_a_member_sees_its_part(self, world, account):
        """Calls that somebody else pays for are in the member's list and sums; the payer sees everybody's."""
        with world.account(usd=None) as member:
            team = world.db.call("create_team", "Lab", account.email)[0]["team_id"]
            number = world.db.call("add_member", team, member.email, "member")[0]["member_id"]
            key = account.api.with_key(world.db.call("create_team_key", number, "team key")[0]["api_key"])
            theirs, own = key.chat().headers["x-request-id"], account.api.chat().headers["x-request-id"]
            web, payer = member.signed_in(), account.signed_in()
            assert ids(web.get("/v1/usage")) == [theirs] and ids(payer.get("/v1/usage")) == [own, theirs]
            assert web.get(f"/v1/usage/{theirs}").status == 200 and web.get(f"/v1/usage/{own}").status == 404
            assert {(r["label"], int(r["calls"])) for r in self.sums(payer, "group=member")} == {(member.email, 1), (account.email, 1)}
            assert [(r["label"], int(r["calls"])) for r in self.sums(web, "group=member")] == [(member.email, 1)]
            assert [(r["label"], int(r["calls"])) for r in self.sums(key, "group=key")] == [("team key", 1)]


class TestTiers:
    def test_the_list(self, world):
        tiers = exact(world.api.get("/v1/tiers"))["data"]
        assert [(t["name"], t["min_spend_usd"], t["markup"]) for t in tiers] == [
            ("Starter", 0, Decimal("0.4")), ("Growth", 50, Decimal("0.3")), ("Scale", 200, Decimal("0.22")), ("Enterprise", 1000, Decimal("0.15")),
            ("Strategic", 5000, Decimal("0.1"))]

    def test_me_in_a_session(self, account):
        account.api.chat()
        by_key, me = account.me(), exact(account.signed_in().get("/v1/me"))
        assert me["key"] is None and me["team"] is None and me["email"] == account.email and me["id"] == account.id
        for name in ("tier", "markup", "next_tier", "next_tier_usd", "next_tier_missing_usd", "spend_30d_usd", "balance_usd", "held_usd", "available_usd", "account"):
            assert me[name] == by_key[name], name

    def test_recompute(self, world, account):
        """The program, its dry run, and what /v1/me shows before and after."""
        world.db.call("grant_credit", account.email, 200, "to spend")
        with_cost = script(new_word(), {"usage": {"cost": "40"}})
        assert account.api.chat(with_cost, model="grok-4.3", max_tokens=20000000).status in (200, 400)
        held, charge = account.holds(), account.spent()
        assert held == []
        missing = Decimal(50) - charge
        self.spend(world, account, missing - Decimal("0.000000001"))
        before = account.me()
        assert before["tier"] == "Starter" and before["next_tier_missing_usd"] == Decimal("0.000000001")
        assert f"account {account.id} " not in world.cron("recompute-tiers", "-v", "--dry-run").stdout
        self.spend(world, account, Decimal("0.000000001"))
        line = f"account {account.id} would move from Starter to Growth ($50 in 30 days)"
        assert line in world.cron("recompute-tiers", "-v", "--dry-run").stdout
        assert account.me()["tier"] == "Starter" and account.me()["next_tier_missing_usd"] == 0
        done = world.cron("recompute-tiers", "-v")
        assert done.returncode == 0 and f"account {account.id} moved from Starter to Growth" in done.stdout, done
        after = account.me()
        assert after["tier"] == "Growth" and after["markup"] == Decimal("0.3") and after["next_tier"] == "Scale" and after["next_tier_missing_usd"] == 150
        history = world.db.rows("SELECT from_tier, to_tier, spent_30_days_usd FROM v_tier_change WHERE email = %s", account.email)
        assert history == [{"from_tier": "Starter", "to_tier": "Growth", "spent_30_days_usd": Decimal(50)}]
        again = world.cron("recompute-tiers")
        assert again.returncode == 0 and again.stdout == "" and again.stderr == ""

    @staticmethod
    def spend(world, account, amount):
        """A charge of exactly that, by the ledger."""
        number = "req_" + new_word().rjust(26, "0")[-26:].upper().translate(str.maketrans("ILOU", "1100"))
        model = world.db.value("SELECT id FROM model WHERE name = 'grok-4.3'")
        held = world.db.rows("CALL ledger_authorize(%s, (SELECT key_hash FROM api_key WHERE id = %s), %s, %s, 30000000, 1, 1, 1, 1, 600)",
                             number, account.key_id, model, model)[0]
        assert held["outcome"] == "held", held
        settled = world.db.rows("CALL ledger_settle(%s, 1, 0, 0, 0, 1, 0, %s, 0, 'ok', 'openai', 'm', NULL, 0, 200, 1, 1)", number,
                                amount / (1 + held["markup"]))[0]
        assert settled["charge_usd"] == amount, settled
