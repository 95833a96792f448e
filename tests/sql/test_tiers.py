# SPDX-License-Identifier: Apache-2.0
"""recompute_tiers: edges, the sliding window, one step down, history; statements that add up."""

import datetime
from decimal import Decimal

from support import Customer, Team, refused, usd
from test_operator import spend

START = datetime.datetime(2031, 3, 10, 12, 20)


def at(world, moment):
    """Lets the session of the tests believe that it is this time (UTC)."""
    world.db.query(f"SET timestamp = UNIX_TIMESTAMP('{moment:%Y-%m-%d %H:%M:%S}')")


def tier(world, customer):
    return world.db.value(f"SELECT t.name FROM account a JOIN tier t ON t.id = a.tier_id WHERE a.id = {customer.account_id}")


def recompute(world, customer, dry_run=0):
    """The one row of this account's change, or None."""
    return world.db.call("recompute_tiers", customer.account_id, customer.account_id, dry_run)


def history(world, customer):
    return [(r.from_tier, r.to_tier, r.changed_by) for r in world.db.query(
        f"SELECT * FROM v_tier_change WHERE email = '{customer.email}' ORDER BY changed_at")]


def test_edges(world):
    with world.fresh_database("tier_edges"):
        at(world, START)
        customer = Customer(world, "10000")
        assert recompute(world, customer) is None and tier(world, customer) == "Starter"
        spend(world, customer, "49.999999999")
        assert recompute(world, customer) is None and tier(world, customer) == "Starter"
        spend(world, customer, "0.000000001")
        change = recompute(world, customer, 1)
        assert (change.from_tier, change.to_tier, change.usd("spend_usd")) == ("Starter", "Growth", usd("50"))
        assert tier(world, customer) == "Starter" and history(world, customer) == [], "a dry run changes nothing"
        assert recompute(world, customer).to_tier == "Growth"
        assert recompute(world, customer) is None, "a second run has nothing to do"
        assert history(world, customer) == [("Starter", "Growth", "recompute")]
        spend_at(world, customer, "950")
        assert recompute(world, customer).to_tier == "Enterprise", "up at once, over a tier"
        spend_at(world, customer, "3999.999999999")
        assert recompute(world, customer) is None
        spend_at(world, customer, "0.000000001")
        assert recompute(world, customer).to_tier == "Strategic"


def spend_at(world, customer, amount):
    """As spend(), at whatever markup the customer has by now."""
    markup = Decimal(world.db.value(f"SELECT markup FROM v_account WHERE account_id = {customer.account_id}"))
    held = world.authorize(customer.key_hash, bound=2000000000, likely=1, limit=1)
    end = world.settle(held.rid, cost=Decimal(amount) / (1 + markup))
    assert end.usd("charge_usd") == usd(amount), dict(end)


def test_the_window_is_720_hours(world):
    """This hour and the 719 before it; every place that shows the figure agrees."""
    with world.fresh_database("tier_window"):
        customer = Customer(world, "1000")
        at(world, START)
        spend(world, customer, "60")
        last = START.replace(minute=59, second=59) + datetime.timedelta(hours=719)
        for moment, spent, name in ((START, "60", "Growth"), (last, "60", None),
                                    (last + datetime.timedelta(seconds=1), "0", "Starter")):
            at(world, moment)
            change = recompute(world, customer)
            assert (change.to_tier if change else None) == name, moment
            row = world.db.one(f"SELECT spent_30_days_usd FROM v_account WHERE account_id = {customer.account_id}")
            assert row.usd("spent_30_days_usd") == usd(spent), moment


def test_down_one_step_a_run(world):
    with world.fresh_database("tier_down"):
        at(world, START)
        customer = Customer(world, "10000")
        spend_at(world, customer, "5000")
        assert recompute(world, customer).to_tier == "Strategic"
        at(world, START + datetime.timedelta(days=31))
        spend_at(world, customer, "60")
        assert [recompute(world, customer).to_tier for _ in range(3)] == ["Enterprise", "Scale", "Growth"]
        assert recompute(world, customer) is None, "its spend of 60 keeps it there"
        at(world, START + datetime.timedelta(days=62))
        assert recompute(world, customer).to_tier == "Starter" and recompute(world, customer) is None
        rows = world.db.query(f"SELECT spend_usd FROM tier_change WHERE account_id = {customer.account_id} ORDER BY id")
        assert [r.usd("spend_usd") for r in rows] == [usd("5000"), usd("60"), usd("60"), usd("60"), usd("0")]


def test_what_does_not_count(world):
    """Failed calls, held money, credit, and for a team's call its member: the payer has the spend."""
    team, other = Team(world, "1000"), Customer(world, "1000")
    for _ in range(3):
        world.release(world.authorize(team.key_hash).rid)
    held = world.authorize(team.key_hash, bound=100000000, likely=1, limit=1)
    world.db.call("grant_credit", team.payer.email, 500, "gift")
    assert recompute(world, team.payer) is None
    assert world.settle(held.rid, cost=Decimal("50") / Decimal("1.4")).usd("charge_usd") == usd("50")
    assert recompute(world, team.payer).to_tier == "Growth" and recompute(world, team.member) is None
    # A refund of what is unspent takes nothing from the spend.
    spend(world, other, "50")
    bought = int(world.db.value(f"SELECT id FROM purchase WHERE account_id = {other.account_id}"))
    assert world.db.call("refund_purchase", bought).usd("refund_usd") == usd("950")
    assert recompute(world, other).to_tier == "Growth"


def test_a_hold_settles_at_its_markup(world):
    customer = Customer(world, "1000")
    held = world.authorize(customer.key_hash, bound=0, likely=0, limit=100000, maximum=200000)
    assert held.markup == "0.4000"
    spend(world, customer, "250")
    assert recompute(world, customer).to_tier == "Scale"
    end = world.settle(held.rid, uncached=0, output=100000)
    assert end.usd("charge_usd") == usd("1.4"), "gpt-4o's $10 a million at 40 %"
    after = world.authorize(customer.key_hash, bound=0, likely=0, limit=100000, maximum=200000)
    assert (after.markup, after.usd("hold_usd")) == ("0.2200", usd("1.22"))
    world.release(after.rid)


def test_sponsored_and_operators(world):
    db, customer = world.db, Customer(world, "1000")
    spend(world, customer, "60")
    db.call("set_markup", customer.email, Decimal("0"))
    assert recompute(world, customer) is None and tier(world, customer) == "Starter"
    db.call("set_markup", customer.email, None)
    assert recompute(world, customer).to_tier == "Growth"
    db.call("set_tier", customer.email, "Scale")
    db.call("set_tier", customer.email, "Scale")
    assert recompute(world, customer).to_tier == "Growth", "an operator's tier stays until the next run, a step at a time"
    assert history(world, customer) == [("Starter", "Growth", "recompute"), ("Growth", "Scale", "operator"),
                                        ("Scale", "Growth", "recompute")]
    assert "first account" in refused(db.call, "recompute_tiers", 7, 3, 1)


def test_many_accounts(world):
    """More than a chunk and more than a transaction's worth of changes; gaps in the numbers; all accounts at once."""
    with world.fresh_database("tier_many"):
        db = world.db
        first = Customer(world, "1000")
        spend(world, first, "70")
        db.query(f"INSERT INTO account (id, email, tier_id) SELECT 1000 + 3 * seq, CONCAT(seq, '@x.org'), "
                 f"IF(seq % 4 = 0, 2, 1) FROM seq_1_to_5200")
        db.query("CALL recompute_tiers(NULL, NULL, 1)")
        would = db.query("CALL recompute_tiers(NULL, NULL, 1)")
        changed = db.query("CALL recompute_tiers(NULL, NULL, 0)")
        assert would == changed and len(changed) == 5200 // 4 + 1
        assert db.value("SELECT COUNT(*) FROM tier_change") == str(len(changed))
        assert db.value("SELECT COUNT(*) FROM account WHERE tier_id <> 1") == "1" and tier(world, first) == "Growth"
        assert db.query("CALL recompute_tiers(NULL, NULL, 0)") == []


# Statements


def statement(world, customer, month):
    return world.db.query(f"CALL statement('{customer.email}', '{month}')")


def adds_up(lines):
    assert [lines[0].kind, lines[-1].kind] == ["opening", "closing"]
    opening, closing = lines[0].usd("amount_usd"), lines[-1].usd("amount_usd")
    assert opening + sum(line.usd("amount_usd") for line in lines[1:-1]) == closing, [dict(line) for line in lines]
    return opening, closing


def test_statements_add_up(world):
    with world.fresh_database("statements"):
        db = world.db
        at(world, datetime.datetime(2031, 1, 31, 23, 59, 59))
        customer = Customer(world, "0")
        paid = int(db.call("credit_purchase", customer.email, 100, "pay-1").purchase_id)
        spend(world, customer, "10.000000001")
        at(world, datetime.datetime(2031, 2, 1, 0, 0, 0))
        spend(world, customer, "5")
        at(world, datetime.datetime(2031, 2, 10, 8, 0, 0))
        spend(world, customer, "2")
        spend(world, customer, "0.5")
        db.call("grant_credit", customer.email, 3, "=cmd|' /C calc'!A0")
        assert db.call("refund_purchase", paid).usd("refund_usd") == usd("82.499999999")
        at(world, datetime.datetime(2031, 3, 1, 0, 0, 0))
        spend(world, customer, "1")
        at(world, datetime.datetime(2031, 4, 2, 0, 0, 0))
        balances = [adds_up(statement(world, customer, f"2031-0{month}")) for month in (1, 2, 3, 4)]
        assert balances == [(usd("0"), usd("89.999999999")), (usd("89.999999999"), usd("3")), (usd("3"), usd("2")),
                            (usd("2"), usd("2"))]
        february = statement(world, customer, "2031-02")
        assert [(x.kind, x.usd("amount_usd")) for x in february[1:-1]] == [
            ("charge", usd("-5")), ("charge", usd("-2.5")), ("grant", usd("3")), ("refund", usd("-82.499999999"))]
        assert (february[2].calls, february[2].model) == ("2", "gpt-4o")
        assert "pay-1" in february[4].description
        assert adds_up(statement(world, customer, "2030-12")) == (usd("0"), usd("0"))
        for month in ("2031-13", "2031", "", None, "2031-1"):
            assert "written like" in refused(db.call, "statement", customer.email, month)
        assert "no account" in refused(db.call, "statement", "nobody@example.com", "2031-01")
        db.query("SET timestamp = DEFAULT")
