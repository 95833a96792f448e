# SPDX-License-Identifier: Apache-2.0
"""ledger_*: what is held, what is charged, what is refused; every step twice; windows, thresholds, rounding."""

import json
import random
from decimal import Decimal

from dbclient import DbError, literal
from support import Customer, Team, charge_of, request_id, rounded, usd

# Prices as they stand in the catalog, entered here once more by hand.
PRICES = {
    "gpt-4o": {"input": "2.5", "cached": "1.25", "output": "10"},
    "claude-haiku-5-5": {"input": "0.1", "cached": "0.01", "write_5m": "0.125", "write_1h": "0.2", "output": "0.5",
                         "above": (100000, {"input": "0.5", "cached": "0.05", "write_5m": "0.625", "write_1h": "1",
                                            "output": "2.5"})},
    "claude-sonnet-4-6": {"input": "3", "cached": "0.3", "write_5m": "3.75", "write_1h": "6", "output": "15"},
    "gpt-5.4": {"input": "2.5", "cached": "0.25", "output": "15",
                "above": (272000, {"input": "5", "cached": "0.5", "output": "22.5"})},
    "deepseek-v3": {"input": "0.2002", "output": "0.8001"},
    "text-embedding-3-small": {"input": "0.02"},
}


def at(world, moment):
    """Sets the clock of the connection (UTC); None: the real time again."""
    world.db.query("SET timestamp = " + (f"UNIX_TIMESTAMP('{moment}')" if moment else "DEFAULT"))


def test_outcomes_before_money(world):
    customer, db = Customer(world), world.db
    assert world.authorize(b"\0" * 32).outcome == "unknown_key"
    db.call("disable_key", customer.key_id)
    assert world.authorize(customer.key_hash).outcome == "key_disabled"
    db.call("enable_key", customer.key_id)
    db.query(f"UPDATE api_key SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND WHERE id = {customer.key_id}")
    assert world.authorize(customer.key_hash).outcome == "key_expired"
    db.query(f"UPDATE api_key SET expires_at = UTC_TIMESTAMP() + INTERVAL 1 DAY WHERE id = {customer.key_id}")
    db.call("disable_account", customer.email)
    assert world.authorize(customer.key_hash).outcome == "account_disabled"
    db.call("enable_account", customer.email)
    assert world.authorize(customer.key_hash, price_model="musicgen").outcome == "no_price"
    assert world.authorize(customer.key_hash, price_model="nano-banana").outcome == "no_price", "priced by the image"
    row = world.authorize(customer.key_hash)
    assert (row.outcome, row.scope, int(row.key_id), int(row.account_id)) == (
        "held", None, customer.key_id, customer.account_id)
    assert db.value(f"SELECT last_used_at IS NOT NULL FROM api_key WHERE id = {customer.key_id}") == "1"

    team = Team(world)
    row = world.authorize(team.key_hash)
    assert (row.outcome, int(row.account_id)) == ("held", team.payer.account_id)
    assert team.payer.held() == row.usd("hold_usd") and team.member.held() == 0
    for disable, enable, outcome in (
            ("CALL remove_member({m})", "CALL add_member({t}, '{e}', 'member')", "key_disabled"),
            ("UPDATE team SET enabled = 0 WHERE id = {t}", "UPDATE team SET enabled = 1 WHERE id = {t}",
             "account_disabled"),
            ("CALL disable_account('{e}')", "CALL enable_account('{e}')", "account_disabled"),
            ("CALL disable_account('{p}')", "CALL enable_account('{p}')", "account_disabled")):
        names = {"m": team.member_id, "t": team.team_id, "e": team.member.email, "p": team.payer.email}
        db.query(disable.format(**names))
        assert world.authorize(team.key_hash).outcome == outcome, disable
        db.query(enable.format(**names))
        assert world.authorize(team.key_hash).outcome == "held", enable


def test_worst_case(world):
    customer = Customer(world, "1000")
    # (1000 x 2.5 + 500 x 10) / 1e6 x 1.4
    row = world.authorize(customer.key_hash, bound=1000, limit=500)
    assert (row.usd("hold_usd"), row.output_limit, row.markup) == (usd("0.0105"), "500", "0.4000")
    # The prompt once, the answer for each choice; no more than the model can.
    row = world.authorize(customer.key_hash, bound=1000, limit=500, choices=3)
    assert row.usd("hold_usd") == usd("0.0245")
    row = world.authorize(customer.key_hash, limit=1000000, maximum=16384)
    assert row.output_limit == "16384"
    # The dearest kind of input: a cache write for an hour, 6 a million tokens.
    row = world.authorize(customer.key_hash, model="claude-sonnet-4-6", bound=10000, limit=1, maximum=64000)
    assert row.usd("hold_usd") == rounded(Decimal("0.060015") * Decimal("1.4"))
    # A step that the bound can reach makes all of it dearer; the likely prompt may stay below it.
    for bound, worst in ((272000, Decimal(272000 * 25 + 100 * 150) / 10), (272001, Decimal(272001 * 50 + 100 * 225) / 10)):
        row = world.authorize(customer.key_hash, model="gpt-5.4", bound=bound, limit=100, maximum=128000)
        assert row.usd("hold_usd") == rounded(worst / 1000000 * Decimal("1.4")), bound
    # Embeddings have no output.
    row = world.authorize(customer.key_hash, model="text-embedding-3-small", bound=1001, limit=500, maximum=0)
    assert (row.usd("hold_usd"), row.output_limit) == (rounded(Decimal("0.02") * 1001 * Decimal("1.4") / 1000000), "0")
    # Half up at the ninth decimal: 0.2002 x 0.0000014 = 0.00000028028 and, with 25 %, 0.00000025025.
    row = world.authorize(customer.key_hash, model="deepseek-v3", bound=1, limit=1, maximum=0)
    assert row.usd("hold_usd") == usd("0.000000280")
    world.db.call("set_markup", customer.email, Decimal("0.2488"))  # 0.2002e-6 x 1.2488 = 0.00000025000976
    assert world.authorize(customer.key_hash, model="deepseek-v3", bound=1, maximum=0).usd("hold_usd") == usd("0.000000250")
    world.db.call("set_markup", customer.email, Decimal("0.25"))  # 10 x 0.02e-6 x 1.25 = 0.00000025
    row = world.authorize(customer.key_hash, model="text-embedding-3-small", bound=10, maximum=0)
    assert row.usd("hold_usd") == usd("0.000000250")
    row = world.authorize(customer.key_hash, model="text-embedding-3-small", bound=1, maximum=0)  # 0.000000025
    assert row.usd("hold_usd") == usd("0.000000025")
    world.db.call("set_markup", customer.email, Decimal("0.225"))  # 0.0000000245 -> half goes up
    row = world.authorize(customer.key_hash, model="text-embedding-3-small", bound=1, maximum=0)
    assert row.usd("hold_usd") == usd("0.000000025")
    assert customer.held() == Decimal(world.db.value(
        f"SELECT SUM(hold_usd) FROM hold WHERE account_id = {customer.account_id} AND state = 'open'"))


def test_output_limit_without_one_from_the_client(world):
    customer = Customer(world, "1.12")
    # An eighth of 1.12 pays 0.14 / (10e-6 x 1.4) = 10000 tokens.
    row = world.authorize(customer.key_hash, bound=1000, limit=0)
    assert (row.output_limit, row.usd("hold_usd")) == ("10000", usd("0.1435"))
    world.release(row.rid)
    # For five choices a fifth of it each; never more than the model can; never less than 256.
    assert world.authorize(customer.key_hash, limit=0, choices=5, rid=(rid := request_id())).output_limit == "2000"
    world.release(rid)
    assert world.authorize(customer.key_hash, limit=0, maximum=4096, rid=(rid := request_id())).output_limit == "4096"
    world.release(rid)
    poor = Customer(world, "0.01")
    row = world.authorize(poor.key_hash, bound=1000, limit=0)
    assert (row.outcome, row.output_limit, row.usd("hold_usd")) == ("held", "256", usd("0.007084"))
    # A model whose output costs nothing: its maximum.
    world.db.query("INSERT IGNORE INTO model (name, kind, owned_by, dialect) VALUES ('free-out', 'chat', 'x', 'x')")
    world.db.call("set_price", "free-out", 1, None, None, None, 0, None, None, None, None, None, None, None, None, None)
    row = world.authorize(customer.key_hash, model="free-out", limit=0, maximum=777)
    assert (row.outcome, row.output_limit, row.usd("hold_usd")) == ("held", "777", usd("0.0014"))


def test_likely_cost_holds_all_that_is_left(world):
    customer = Customer(world, "0.01")
    # Worst 0.0105 does not fit in 0.01; likely (300 x 2.5 + 500 x 10) x 1.4 = 0.00805 does.
    row = world.authorize(customer.key_hash, bound=1000, likely=300, limit=500)
    assert (row.outcome, row.usd("hold_usd"), row.need_usd) == ("held", usd("0.01"), None)
    # The bound came true: charged what was held, the rest is ours.
    end = world.settle(row.rid, uncached=1000, output=500)
    assert (end.usd("charge_usd"), end.usd("absorbed_usd"), end.usd("balance_usd"), end.usd("hold_usd")) == (
        usd("0.01"), usd("0.0005"), usd("0"), usd("0.01"))
    row = world.authorize(customer.key_hash, bound=1000, likely=300, limit=500)
    assert (row.outcome, row.scope, row.usd("limit_usd"), row.usd("held_usd"), row.fit_tokens) == (
        "insufficient_credits", "balance", usd("0"), usd("0"), "0")
    # Exactly enough is enough, one billionth less is not.
    world.db.call("grant_credit", customer.email, Decimal("0.00805"), "")
    row = world.authorize(customer.key_hash, bound=1000, likely=300, limit=500)
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.00805"))
    world.release(row.rid)
    world.db.call("grant_credit", other := Customer(world, "0").email, Decimal("0.008049999"), "")
    key = world.db.value(f"SELECT k.id FROM api_key k JOIN account a ON a.id = k.account_id WHERE email = '{other}'")
    world.db.call("set_cap", "key", int(key), 5, "none")
    hashed = bytes.fromhex(world.db.value(f"SELECT HEX(key_hash) FROM api_key WHERE id = {key}"))
    row = world.authorize(hashed, bound=1000, likely=300, limit=500)
    assert (row.outcome, row.usd("need_usd"), row.fit_tokens) == ("insufficient_credits", usd("0.00805"), "499")
    assert world.authorize(hashed, bound=1000, likely=300, limit=499).outcome == "held", "what fits must be let in"


def test_refusal_names_the_tightest_scope(world):
    db = world.db
    at(world, "2026-11-25 10:00:00")  # a Wednesday
    for scope, outcome, period, resets_at in (
            ("key", "key_cap_exceeded", "daily", "2026-11-26 00:00:00"),
            ("member", "account_cap_exceeded", "weekly", "2026-11-30 00:00:00"),
            ("team", "team_cap_exceeded", "monthly", "2026-12-01 00:00:00"),
            ("account", "account_cap_exceeded", "none", None)):
        team = Team(world, "100")
        for other, number, _ in team.scopes():
            db.call("set_cap", other, number, Decimal("0.03") if other == scope else Decimal("0.05"),
                    period if other == scope else "none")
        first = world.authorize(team.key_hash)  # 0.0105
        spent = world.authorize(team.key_hash)
        world.settle(spent.rid, uncached=1000, output=500)
        row = world.authorize(team.key_hash, bound=4000, likely=4000, limit=500)  # 0.021
        assert (row.outcome, row.scope, row.usd("limit_usd"), row.usd("spent_usd"), row.usd("held_usd")) == (
            outcome, scope, usd("0.03"), usd("0.0105"), usd("0.0105")), dict(row)
        assert (row.usd("need_usd"), row.resets_at) == (usd("0.021"), resets_at), dict(row)
        assert row.hold_usd is None and row.fit_tokens == "0"
        # What is said to fit does fit, and one token more does not.
        row = world.authorize(team.key_hash, bound=2000, likely=1000, limit=5000)
        fits = int(row.fit_tokens)
        assert fits == (Decimal("0.009") - Decimal("0.0035")) // Decimal("0.000014"), dict(row)
        assert world.authorize(team.key_hash, bound=2000, likely=1000, limit=fits + 1).outcome == outcome
        last = world.authorize(team.key_hash, bound=2000, likely=1000, limit=fits)
        assert (last.outcome, last.usd("hold_usd")) == ("held", usd("0.009"))
        for row in (first, last):
            world.release(row.rid)
    team = Team(world, "100")
    db.call("set_cap", "key", team.key_id, 1000, "none")
    row = world.authorize(team.key_hash, bound=100000000, likely=100000000)
    assert (row.outcome, row.scope, row.usd("limit_usd"), row.resets_at) == (
        "insufficient_credits", "balance", team.payer.balance(), None)
    at(world, None)


def test_authorize_is_repeatable(world):
    customer = Customer(world, "0.0105")
    first = world.authorize(customer.key_hash)
    assert first.outcome == "held"
    # The hold fills the balance: a retry of the same call must find it, another call must not fit.
    again = world.authorize(customer.key_hash, rid=first.rid)
    assert dict(again) == dict(first)
    assert world.authorize(customer.key_hash).outcome == "insufficient_credits"
    assert customer.held() == usd("0.0105")
    rich = Customer(world)
    first = world.authorize(rich.key_hash)
    assert dict(world.authorize(rich.key_hash, rid=first.rid, limit=9)) == dict(first)
    assert rich.held() == first.usd("hold_usd")
    for key_hash, rid, text in ((customer.key_hash, first.rid, "belongs to another key"),
                                (rich.new_key()[1], first.rid, "belongs to another key")):
        try:
            world.authorize(key_hash, rid=rid)
        except DbError as error:
            assert text in error.text, error
        else:
            raise AssertionError("a foreign request id was accepted")
    world.settle(first.rid)
    try:
        world.authorize(rich.key_hash, rid=first.rid)
    except DbError as error:
        assert "resolved already" in error.text, error
    else:
        raise AssertionError("a settled request id was accepted")


def test_windows(world):
    cases = {"daily": (["2026-12-30 00:00:00", "2026-12-30 23:59:59.999999"], "2026-12-31 00:00:00"),
             "weekly": (["2026-12-28 00:00:00", "2027-01-03 23:59:59"], "2027-01-04 00:00:00"),
             "monthly": (["2026-12-01 00:00:00", "2026-12-31 23:59:59"], "2027-01-01 00:00:00"),
             "none": (["2026-12-01 00:00:00", "2029-12-31 23:59:59"], None)}
    for period, (inside, after) in cases.items():
        ends = {"daily": "2027-01-01", "weekly": "2027-01-11", "monthly": "2027-02-01"}.get(period)
        for index in range(4):
            team = Team(world)
            scope, number, table = team.scopes()[index]
            at(world, inside[0])
            world.db.call("set_cap", scope, number, Decimal("0.0105"), period)
            row = world.authorize(team.key_hash)
            assert row.outcome == "held", (period, scope, dict(row))
            world.settle(row.rid, uncached=1000, output=500)
            at(world, inside[1])
            row = world.authorize(team.key_hash, limit=1)
            assert (row.scope, row.usd("spent_usd")) == (scope, usd("0.0105")), (period, dict(row))
            assert row.resets_at == after, (period, scope, dict(row))
            if after:
                at(world, after)
                row = world.authorize(team.key_hash)
                assert row.outcome == "held", (period, scope, dict(row))
                # Held in the new window: nothing more fits, although nothing was charged in it yet.
                refusal = world.authorize(team.key_hash, limit=1)
                assert (refusal.scope, refusal.usd("spent_usd"), refusal.usd("held_usd")) == (
                    scope, usd("0"), usd("0.0105")), dict(refusal)
                world.settle(row.rid, uncached=1000, output=250)
                figures = world.db.one(f"SELECT spent_usd, held_usd, window_end FROM {table} "
                                       f"WHERE id = {number}")
                assert (figures.usd("spent_usd"), figures.usd("held_usd"), figures.window_end) == (
                    usd("0.007"), usd("0"), ends), (period, scope, dict(figures))
    at(world, None)


def test_hold_across_a_window(world):
    customer = Customer(world)
    at(world, "2026-12-30 23:59:50")
    world.db.call("set_cap", "key", customer.key_id, Decimal("0.0105"), "daily")
    row = world.authorize(customer.key_hash)
    at(world, "2026-12-31 00:00:05")
    # What is held carries over, so the old call and a new one cannot break the new day's cap together.
    assert world.authorize(customer.key_hash, limit=1).outcome == "key_cap_exceeded"
    world.settle(row.rid, uncached=1000, output=500)
    assert world.authorize(customer.key_hash, limit=1).usd("spent_usd") == usd("0.0105")
    at(world, None)


def test_set_cap_below_what_is_used(world):
    customer, db = Customer(world), world.db
    at(world, "2026-12-30 10:00:00")
    spent = world.authorize(customer.key_hash)
    world.settle(spent.rid, uncached=1000, output=500)
    held = world.authorize(customer.key_hash)
    db.call("set_cap", "key", customer.key_id, Decimal("0.01"), "daily")
    world.check_ledger()
    row = world.authorize(customer.key_hash, bound=1, likely=1, limit=1)
    assert (row.outcome, row.usd("limit_usd"), row.usd("spent_usd"), row.usd("held_usd"), row.fit_tokens) == (
        "key_cap_exceeded", usd("0.01"), usd("0.0105"), usd("0.0105"), "0")
    world.settle(held.rid, uncached=1000, output=500)
    world.check_ledger()
    # Another period: spent is summed up from the hours of that window.
    at(world, "2026-12-31 10:00:00")
    row = db.call("set_cap", "key", customer.key_id, Decimal("1"), "weekly")
    assert row.usd("spent_usd") == usd("0.021")
    row = db.call("set_cap", "key", customer.key_id, Decimal("1"), "daily")
    assert row.usd("spent_usd") == usd("0")
    row = db.call("set_cap", "account", customer.account_id, Decimal("1"), "monthly")
    assert row.usd("spent_usd") == usd("0.021")
    at(world, None)


def test_invoices(world):
    """Charges against Python's decimal: tokens x price x markup, by kind, tier and threshold."""
    random.seed(20261123)
    markups = {"Starter": "0.40", "Growth": "0.30", "Scale": "0.22", "Enterprise": "0.15", "Strategic": "0.10"}
    count = 0
    for tier, markup in markups.items():
        customer = Customer(world, "900000", tier)
        for model, price in PRICES.items():
            embedding = model.startswith("text-")
            edge = price["above"][0] if price.get("above") else 1000
            vectors = [{"uncached": 1}, {"uncached": 1, "output": 1}, {"cached": 1}, {"uncached": edge, "output": 7},
                       {"uncached": edge + 1, "output": 7}, {"uncached": edge - 2, "cached": 2, "output": 3},
                       {"uncached": edge - 2, "cached": 2, "write_1h": 1, "output": 3}, {}]
            for _ in range(6):
                vectors.append({"uncached": random.randrange(200000), "cached": random.randrange(100000),
                                "write_5m": random.randrange(50000), "write_1h": random.randrange(50000),
                                "output": (output := random.randrange(64000)), "reasoning": random.randrange(output + 1)})
            for tokens in vectors:
                if embedding:
                    tokens = {"uncached": tokens.get("uncached", 0)}
                expected = charge_of(price, markup, **tokens)
                held = world.authorize(customer.key_hash, model=model, bound=1000000, limit=128000,
                                       maximum=0 if embedding else 128000)
                assert held.outcome == "held", dict(held)
                before = customer.balance()
                end = world.settle(held.rid, **{"uncached": 0, "output": 0, **tokens})
                assert end.usd("charge_usd") == expected, (model, tier, tokens, dict(end), expected)
                assert end.usd("absorbed_usd") == 0
                assert end.usd("balance_usd") == before - expected == customer.balance()
                count += 1
    return f"{count} vectors"


def test_reasoning_price(world):
    db, customer = world.db, Customer(world)
    db.query("INSERT IGNORE INTO model (name, kind, owned_by, dialect) VALUES ('thinker', 'chat', 'x', 'x')")
    db.call("set_price", "thinker", 1, None, None, None, 2, 5, 1000, 2, None, None, None, 4, 10, None)
    price = {"input": "1", "output": "2", "reasoning": "5",
             "above": (1000, {"input": "2", "output": "4", "reasoning": "10"})}
    for tokens in ({"uncached": 10, "output": 100, "reasoning": 60}, {"uncached": 1001, "output": 100, "reasoning": 60},
                   {"uncached": 10, "output": 100, "reasoning": 100}):
        held = world.authorize(customer.key_hash, model="thinker", bound=2000, limit=100)
        assert held.usd("hold_usd") == rounded(Decimal(2000 * 2 + 100 * 10) / 1000000 * Decimal("1.4"))
        assert world.settle(held.rid, **tokens).usd("charge_usd") == charge_of(price, "0.4", **tokens)
    # More reasoning than output is nonsense of a provider: it counts as all of the output.
    held = world.authorize(customer.key_hash, model="thinker", bound=20, limit=100)
    assert world.settle(held.rid, uncached=10, output=50, reasoning=70).usd("charge_usd") == charge_of(
        price, "0.4", uncached=10, output=50, reasoning=50)


def test_upstream_cost(world):
    customer = Customer(world)
    for cost, charge in (("0.0123456789", "0.017283950"), ("0", "0"), ("0.000000001", "0.000000001"),
                         ("0.000000005", "0.000000007"), ("0.0000000024", "0.000000003"),
                         ("0.000000002500000", "0.000000004")):
        held = world.authorize(customer.key_hash, model="deepseek-v3", bound=100000, limit=16000)
        end = world.settle(held.rid, uncached=999, output=99, cost=Decimal(cost), provider="openrouter")
        assert end.usd("charge_usd") == usd(charge), (cost, dict(end))
    # Reported and above the hold: clamped.
    held = world.authorize(customer.key_hash)
    end = world.settle(held.rid, cost=Decimal("1"))
    assert (end.usd("charge_usd"), end.usd("absorbed_usd")) == (held.usd("hold_usd"), usd("1.4") - held.usd("hold_usd"))
    margin = world.db.one("SELECT SUM(charge_usd) AS charge_usd, SUM(cost_usd) AS cost_usd FROM v_margin_daily "
                          "WHERE provider = 'openrouter' AND model = 'deepseek-v3'")
    assert margin.usd("cost_usd") == usd("0.012345679") + usd("0.000000001") + usd("0.000000005") + usd("0.000000002") + usd("0.000000003")


def test_settle_is_repeatable(world):
    customer, db = Customer(world), world.db
    held = world.authorize(customer.key_hash)
    end = world.settle(held.rid, uncached=200, cached=30, output=40, reasoning=10)
    assert end.outcome == "settled"
    again = world.settle(held.rid, uncached=999, output=999)
    assert again.outcome == "replayed"
    assert {k: v for k, v in again.items() if k != "outcome"} == {k: v for k, v in end.items() if k != "outcome"}
    assert world.release(held.rid).outcome == "settled"
    assert db.call("ledger_renew", held.rid, 600).outcome == "resolved"
    assert db.call("ledger_expire", held.rid).outcome == "resolved"
    assert db.call("ledger_extend", held.rid, world.model("gpt-4o"), 9, 9, 9, 1).outcome == "resolved"
    assert world.settle(request_id()).outcome == "unknown_hold"
    assert world.release(request_id()).outcome == "unknown_hold"
    usage = db.one(f"SELECT * FROM usage_log WHERE request_id = '{held.rid}'")
    assert (usage.status, usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens,
            usage.provider, usage.upstream_model, usage.stream, usage.http_status, usage.first_byte_ms,
            usage.duration_ms, usage.late, usage.estimated) == (
        "ok", "200", "30", "40", "10", "openai", "upstream-model", "1", "200", "12", "345", "0", "0")
    assert usage.usd("charge_usd") == end.usd("charge_usd")
    assert usage.created_at == db.value(f"SELECT created_at FROM hold WHERE id = '{held.rid}'")
    hour = db.one(f"SELECT * FROM spend_hourly WHERE account_id = {customer.account_id}")
    assert (hour.calls, hour.input_tokens, hour.output_tokens, hour.usd("charge_usd")) == (
        "1", "230", "40", end.usd("charge_usd"))
    # Free of charge: a usage row, no ledger row.
    held = world.authorize(customer.key_hash)
    end = world.settle(held.rid, uncached=0, output=0)
    assert (end.outcome, end.usd("charge_usd")) == ("settled", usd("0"))
    assert db.value(f"SELECT COUNT(*) FROM ledger WHERE reference = '{held.rid}'") == "0"
    assert customer.held() == 0


def test_client_gone_is_charged(world):
    customer = Customer(world)
    held = world.authorize(customer.key_hash)
    end = world.settle(held.rid, uncached=100, output=20, estimated=1, status="client_gone")
    assert end.usd("charge_usd") == charge_of(PRICES["gpt-4o"], "0.4", uncached=100, output=20)
    assert world.db.value(f"SELECT CONCAT(status, ' ', estimated) FROM usage_log WHERE request_id = '{held.rid}'") == (
        "client_gone 1")


def test_release(world):
    customer, db = Customer(world), world.db
    for status in ("error", "upstream_error", "timeout", "cancelled", "client_gone"):
        held = world.authorize(customer.key_hash)
        assert world.release(held.rid, status).outcome == "released"
        assert world.release(held.rid, status).outcome == "replayed"
        late = world.settle(held.rid)
        assert (late.outcome, late.usd("charge_usd"), late.usd("balance_usd")) == ("released", usd("0"), usd("100"))
        assert db.value(f"SELECT CONCAT(status, ' ', charge_usd, ' ', http_status) FROM usage_log "
                        f"WHERE request_id = '{held.rid}'") == f"{status} 0.000000000 502"
    assert (customer.balance(), customer.held()) == (usd("100"), usd("0"))


def test_expire_and_renew(world):
    customer, db = Customer(world), world.db
    at(world, "2026-12-01 10:00:00")
    held = world.authorize(customer.key_hash, ttl=600)
    at(world, "2026-12-01 10:09:59")
    assert db.call("ledger_expire", held.rid).outcome == "live"
    assert db.call("ledger_renew", held.rid, 600).outcome == "renewed"
    at(world, "2026-12-01 10:19:58")
    assert db.call("ledger_expire", held.rid).outcome == "live"
    # Renewing never shortens.
    assert db.call("ledger_renew", held.rid, 0).outcome == "renewed"
    assert db.call("ledger_expire", held.rid).outcome == "live"
    assert int(db.value(f"SELECT COUNT(*) FROM v_hold_open WHERE request_id = '{held.rid}' AND overdue_s = 0")) == 1
    at(world, "2026-12-01 10:20:00.5")
    assert db.call("ledger_expire", held.rid).outcome == "expired"
    assert db.call("ledger_expire", held.rid).outcome == "resolved"
    assert customer.held() == 0
    assert db.value(f"SELECT status FROM usage_log WHERE request_id = '{held.rid}'") == "expired"
    # The process was not dead: its settlement arrives after all (spool), and is charged once.
    end = world.settle(held.rid, uncached=1000, output=500)
    assert (end.outcome, end.usd("charge_usd"), end.usd("absorbed_usd")) == ("settled", usd("0.0105"), usd("0"))
    assert world.settle(held.rid, uncached=1000, output=500).outcome == "replayed"
    assert customer.balance() == usd("99.9895")
    assert db.value(f"SELECT SUM(calls) FROM spend_hourly WHERE account_id = {customer.account_id}") == "1"
    assert db.value(f"SELECT CONCAT(status, ' ', late) FROM usage_log WHERE request_id = '{held.rid}'") == "ok 1"
    # A release after the expiry is final.
    held = world.authorize(customer.key_hash, ttl=1)
    at(world, "2026-12-01 10:30:00")
    assert db.call("ledger_expire", held.rid).outcome == "expired"
    assert world.release(held.rid, "timeout").outcome == "replayed"
    assert world.settle(held.rid).outcome == "released"
    assert db.value(f"SELECT status FROM usage_log WHERE request_id = '{held.rid}'") == "timeout"
    at(world, None)


def test_late_settlement_takes_only_what_is_left(world):
    customer, db = Customer(world, "0.02"), world.db
    first = world.authorize(customer.key_hash, ttl=0)
    db.query("DO SLEEP(0.01)")
    assert db.call("ledger_expire", first.rid).outcome == "expired"
    second = world.authorize(customer.key_hash)  # holds 0.0105 of 0.02
    end = world.settle(first.rid, uncached=1000, output=500)
    assert (end.usd("charge_usd"), end.usd("absorbed_usd")) == (usd("0.0095"), usd("0.001"))
    world.check_ledger()
    end = world.settle(second.rid, uncached=1000, output=500)
    assert (end.usd("charge_usd"), end.usd("balance_usd")) == (usd("0.0105"), usd("0"))
    # With a cap, too, on each scope of a team.
    team = Team(world)
    for scope, number, _ in team.scopes():
        first = world.authorize(team.key_hash, ttl=0)
        db.query("DO SLEEP(0.01)")
        assert db.call("ledger_expire", first.rid).outcome == "expired"
        spent = db.call("set_cap", scope, number, 50, "none").usd("spent_usd")
        db.call("set_cap", scope, number, spent + Decimal("0.002"), "none")
        end = world.settle(first.rid, uncached=1000, output=500)
        assert (end.usd("charge_usd"), end.usd("absorbed_usd")) == (usd("0.002"), usd("0.0085")), scope
        world.check_ledger()
        db.call("set_cap", scope, number, None, "none")
    assert db.value(f"SELECT SUM(calls) FROM spend_hourly WHERE account_id = {team.payer.account_id}") == "4"


def test_extend(world):
    customer, db = Customer(world), world.db
    sonnet = world.model("claude-sonnet-4-6")
    held = world.authorize(customer.key_hash)  # 0.0105
    row = db.call("ledger_extend", held.rid, sonnet, 1000, 300, 500, 1)  # (1000 x 6 + 500 x 15) x 1.4
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.0189"))
    assert customer.held() == usd("0.0189")
    assert db.call("ledger_extend", held.rid, sonnet, 1000, 300, 500, 1).usd("hold_usd") == usd("0.0189")
    end = world.settle(held.rid, uncached=100, output=50, provider="openrouter")
    assert end.usd("charge_usd") == charge_of(PRICES["claude-sonnet-4-6"], "0.4", uncached=100, output=50)
    assert customer.held() == 0

    # A cheaper model: the hold stays, the price changes.
    held = world.authorize(customer.key_hash)
    row = db.call("ledger_extend", held.rid, world.model("deepseek-v3"), 1000, 300, 500, 1)
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.0105"))
    end = world.settle(held.rid, uncached=100, output=50, provider="openrouter")
    assert end.usd("charge_usd") == charge_of(PRICES["deepseek-v3"], "0.4", uncached=100, output=50)

    # No room for the dearer one: nothing changes; likely fits: all that is left.
    poor = Customer(world, "0.0120")
    held = world.authorize(poor.key_hash)
    row = db.call("ledger_extend", held.rid, sonnet, 1000, 700, 500, 1)  # likely 0.01344
    assert (row.outcome, row.usd("hold_usd")) == ("insufficient_credits", usd("0.0105"))
    assert row.price_id == held.price_id
    row = db.call("ledger_extend", held.rid, sonnet, 1000, 300, 500, 1)  # likely 0.01176
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.012"))
    assert poor.held() == poor.balance() == usd("0.012")
    assert db.call("ledger_extend", held.rid, world.model("musicgen"), 1, 1, 1, 1).outcome == "no_price"
    assert db.call("ledger_extend", request_id(), sonnet, 1, 1, 1, 1).outcome == "unknown_hold"
    world.release(held.rid)

    team = Team(world)
    for scope, number, _ in team.scopes():
        outcome = f"{'account' if scope == 'member' else scope}_cap_exceeded"
        db.call("set_cap", scope, number, Decimal("0.0110"), "none")
        held = world.authorize(team.key_hash)
        assert db.call("ledger_extend", held.rid, sonnet, 1000, 700, 500, 1).outcome == outcome
        assert db.call("ledger_extend", held.rid, sonnet, 1000, 100, 500, 1).usd("hold_usd") == usd("0.011")
        world.check_ledger()
        world.release(held.rid)
        db.call("set_cap", scope, number, None, "none")
    assert team.payer.held() == 0


def test_price_versions(world):
    customer, db = Customer(world), world.db
    at(world, "2026-12-31 23:59:59")
    flash = {"bound": 1000, "limit": 100, "model": "gemini-3.8-flash"}
    before = world.authorize(customer.key_hash, **flash)
    assert before.usd("hold_usd") == rounded(Decimal(1000 * 75 + 100 * 375) / 100 / 1000000 * Decimal("1.4"))
    at(world, "2027-01-01 00:00:00")
    after = world.authorize(customer.key_hash, **flash)
    assert after.usd("hold_usd") == 2 * before.usd("hold_usd") and after.price_id != before.price_id
    # The running call keeps the price that it began with.
    assert world.settle(before.rid, uncached=1000, output=100).usd("charge_usd") == before.usd("hold_usd")
    assert world.settle(after.rid, uncached=1000, output=100).usd("charge_usd") == after.usd("hold_usd")
    at(world, None)


def many(db, procedure, steps):
    """ledger_authorize_many or ledger_settle_many: rows by request id."""
    text = json.dumps([[v.hex() if isinstance(v, bytes) else str(v) if isinstance(v, Decimal) else v for v in step]
                       for step in steps])
    return {row.request_id: row for row in db.query(f"CALL {procedure}({literal(text)})")}


def test_many_at_once_is_the_same(world):
    """The shared steps against the single ones: each call is made both ways, and the rows are compared."""
    random.seed(4)
    db, team, other = world.db, Team(world, "900"), Customer(world, "500")
    for scope, number, _ in team.scopes():
        db.call("set_cap", scope, number, 400, random.choice(("daily", "weekly", "monthly", "none")))
    keys = [team.key_hash, team.new_key()[1], other.key_hash, other.new_key()[1]]
    for _ in range(12):
        begins, ends = [], []
        for _ in range(9):
            model = random.choice(list(PRICES))
            output = random.randrange(200)
            begins.append([random.choice(keys), world.model_ids(model), world.model_ids(model),
                           random.choice((10, 5000, 100001, 272001)), 3, random.choice((1, 200, 99999)),
                           0 if model.startswith("text-") else 16384, random.randrange(1, 4), 600])
            ends.append([random.randrange(120000), random.randrange(9), random.randrange(9), random.randrange(9), output,
                         random.randrange(output + 5), random.choice((None, None, Decimal("0.000123456789123"))), 0,
                         random.choice(("ok", "client_gone")), random.choice(("openai", "openrouter")), "a-model",
                         random.choice((None, "openai")), 1, 200, 5, 6])
        shared, single = [request_id() for _ in begins], [request_id() for _ in begins]
        rows = many(db, "ledger_authorize_many", [[rid, *step] for rid, step in zip(shared, begins)])
        for rid, twin, step in zip(shared, single, begins):
            expected = db.call("ledger_authorize", twin, *step)
            assert expected.outcome == "held"
            assert {**rows[rid], "request_id": None} == {**expected, "request_id": None}, (dict(rows[rid]), dict(expected))
        world.check_ledger()
        rows = many(db, "ledger_settle_many", [[rid, *step] for rid, step in zip(shared, ends)])
        for rid, twin, step in zip(shared, single, ends):
            expected = db.call("ledger_settle", twin, *step)
            for column in ("outcome", "charge_usd", "absorbed_usd", "hold_usd"):
                assert rows[rid][column] == expected[column], (column, dict(rows[rid]), dict(expected))
            usage = [db.one(f"SELECT * FROM usage_log WHERE request_id = '{x}'") for x in (rid, twin)]
            for row in usage:
                for column in ("request_id", "created_at", "settled_at"):
                    del row[column]
            assert usage[0] == usage[1]
        world.check_ledger()
    assert team.payer.held() == other.held() == 0


def test_many_leaves_what_is_special_to_the_single_steps(world):
    db, rich, poor = world.db, Customer(world), Customer(world, "0.03")
    gpt = world.model_ids("gpt-4o")

    def begin(key_hash, rid=None, bound=1000):
        return [rid or request_id(), key_hash, gpt, gpt, bound, bound, 500, 16384, 1, 600]

    # Refused calls are left out, the others are held.
    steps = [begin(rich.key_hash), begin(b"\0" * 32), begin(poor.key_hash, bound=100000), begin(poor.key_hash)]
    assert set(many(db, "ledger_authorize_many", steps)) == {steps[0][0], steps[3][0]}
    assert (rich.held(), poor.held()) == (usd("0.0105"), usd("0.0105"))
    # Each fits, all together do not: none is done, one by one they find out.
    steps = [begin(rich.key_hash), begin(poor.key_hash), begin(poor.key_hash)]
    assert many(db, "ledger_authorize_many", steps) == {}
    assert (rich.held(), poor.held()) == (usd("0.0105"), usd("0.0105"))
    for scope, number, _ in (team := Team(world)).scopes():
        db.call("set_cap", scope, number, Decimal("0.03"), "daily")
        assert many(db, "ledger_authorize_many", [begin(team.key_hash) for _ in range(3)]) == {}, scope
        db.call("set_cap", scope, number, Decimal("0.0315"), "daily")
        held = many(db, "ledger_authorize_many", [begin(team.key_hash) for _ in range(3)])
        assert len(held) == 3, scope
        for rid in held:
            world.release(rid)
        db.call("set_cap", scope, number, None, "none")
    # A known request id undoes all, with an error.
    known = db.value(f"SELECT id FROM hold WHERE account_id = {poor.account_id}")
    try:
        many(db, "ledger_authorize_many", [begin(rich.key_hash), begin(poor.key_hash, rid=known)])
    except DbError as error:
        assert error.number == 1062, error
    else:
        raise AssertionError("the same request id was taken twice")
    assert (rich.held(), poor.held()) == (usd("0.0105"), usd("0.0105"))

    def end(rid):
        return [rid, 1000, 0, 0, 0, 500, 0, None, 0, "ok", "openai", "m", None, 0, 200, 1, 1]

    fresh = world.authorize(rich.key_hash)
    for special in (request_id(), known):
        if special == known:
            world.settle(known)
        assert many(db, "ledger_settle_many", [end(fresh.rid), end(special)]) == {}
        assert db.value(f"SELECT state FROM hold WHERE id = '{fresh.rid}'") == "open"
    assert many(db, "ledger_settle_many", [end(fresh.rid), end(fresh.rid)]) == {}
    row = many(db, "ledger_settle_many", [end(fresh.rid)])[fresh.rid]
    assert (row.outcome, row.usd("charge_usd"), row.usd("balance_usd")) == ("settled", usd("0.0105"), usd("99.9895"))


def test_check_finds_every_break(world):
    """v_ledger_check is only worth something if it sees damage: each invariant is broken once and rolled back."""
    team, db = Team(world), world.db
    charged = world.authorize(team.key_hash)
    world.settle(charged.rid)
    freed = world.authorize(team.key_hash)
    world.release(freed.rid)
    world.authorize(team.key_hash)
    payer, rid = team.payer.account_id, charged.rid
    for statement, names in (
            (f"UPDATE account SET balance_usd = balance_usd + 1 WHERE id = {payer}", {"balance", "lots"}),
            (f"UPDATE account SET balance_usd = balance_usd - 1 WHERE id = {payer}", {"balance"}),
            (f"INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at) VALUES "
             f"(99999999, 'grant', 1, 'stray', UTC_TIMESTAMP())", {"balance"}),
            (f"UPDATE api_key SET held_usd = held_usd + 1 WHERE id = {team.key_id}", {"held_key"}),
            (f"UPDATE team_member SET held_usd = held_usd + 1 WHERE id = {team.member_id}", {"held_member"}),
            (f"UPDATE team SET held_usd = held_usd + 1 WHERE id = {team.team_id}", {"held_team"}),
            (f"UPDATE account SET held_usd = held_usd + 1 WHERE id = {payer}", {"held_account"}),
            (f"SET check_constraint_checks = 0; UPDATE account SET held_usd = 1000 WHERE id = {payer}",
             {"held_account", "over_balance"}),
            (f"UPDATE api_key SET cap_usd = 0 WHERE id = {team.key_id}", {"over_cap_key"}),
            (f"UPDATE team_member SET cap_usd = 0 WHERE id = {team.member_id}", {"over_cap_member"}),
            (f"UPDATE team SET cap_usd = 0 WHERE id = {team.team_id}", {"over_cap_team"}),
            (f"UPDATE account SET cap_usd = 0 WHERE id = {payer}", {"over_cap_account"}),
            (f"UPDATE usage_log SET output_tokens = output_tokens + 1 WHERE request_id = '{rid}'", {"usage_charge"}),
            (f"UPDATE usage_log SET charge_usd = charge_usd + 1 WHERE request_id = '{rid}'",
             {"usage_charge", "usage_unbooked"}),
            (f"UPDATE usage_log SET price_id = 9999999 WHERE request_id = '{rid}'", {"usage_charge"}),
            (f"UPDATE usage_log SET status = 'error' WHERE request_id = '{rid}'", {"usage_charge"}),
            (f"DELETE FROM usage_log WHERE request_id = '{rid}'", {"charge_unknown", "hold_unlogged"}),
            (f"DELETE FROM usage_log WHERE request_id = '{freed.rid}'", {"hold_unlogged"}),
            (f"DELETE FROM ledger WHERE reference = '{rid}'", {"balance", "rollup", "usage_unbooked"}),
            (f"UPDATE spend_hourly SET charge_usd = 0 WHERE account_id = {payer}", {"rollup"}),
            (f"UPDATE hold SET state = 'open' WHERE id = '{rid}'",
             {"held_key", "held_member", "held_team", "held_account"})):
        db.query("START TRANSACTION")
        db.query(statement)
        found = {r.check_name for r in db.query("SELECT * FROM v_ledger_check")}
        recent = {r.check_name for r in
                  db.query("SELECT * FROM v_ledger_check WHERE since >= UTC_TIMESTAMP() - INTERVAL 1 HOUR")}
        db.query("ROLLBACK; SET check_constraint_checks = 1")
        assert found == recent == names, (statement, found, recent)
