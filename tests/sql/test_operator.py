# SPDX-License-Identifier: Apache-2.0
"""What an operator calls by hand: credit and refunds, keys, caps, prices; and what must be refused."""

import hashlib
import random
from decimal import Decimal

from support import Customer, Team, refused, request_id, usd


def spend(world, customer, amount):
    """Charges an exact sum: a call whose provider names its cost."""
    held = world.authorize(customer.key_hash, bound=100000000, likely=1, limit=1)
    assert held.outcome == "held", dict(held)
    end = world.settle(held.rid, cost=Decimal(amount) / Decimal("1.4"))
    assert end.usd("charge_usd") == usd(amount), dict(end)


def remaining(world, customer):
    rows = world.db.query(f"SELECT remaining_usd FROM purchase WHERE account_id = {customer.account_id} ORDER BY id")
    return [r.usd("remaining_usd") for r in rows]


def test_purchase_is_booked_once(world):
    db, customer = world.db, Customer(world, "0")
    first = db.call("credit_purchase", customer.email, Decimal("25.5"), "pi_77")
    assert (first.outcome, first.usd("balance_usd")) == ("credited", usd("25.5"))
    again = db.call("credit_purchase", customer.email.upper(), Decimal("25.5"), " pi_77 ")
    assert (again.outcome, again.purchase_id, again.usd("balance_usd")) == (
        "had been credited before", first.purchase_id, usd("25.5"))
    assert "taken by purchase" in refused(db.call, "credit_purchase", customer.email, 26, "pi_77")
    assert "taken by purchase" in refused(db.call, "credit_purchase", Customer(world, "0").email, Decimal("25.5"), "pi_77")
    assert db.value(f"SELECT COUNT(*) FROM ledger WHERE account_id = {customer.account_id}") == "1"
    for usd_amount in (0, -5, None, 1000001):
        assert "must be more than 0" in refused(db.call, "credit_purchase", customer.email, usd_amount, "pi_78")
        assert "must be more than 0" in refused(db.call, "grant_credit", customer.email, usd_amount, "x")
    for reference in ("", "  ", None):
        assert "needs a reference" in refused(db.call, "credit_purchase", customer.email, 5, reference)
    assert "no account" in refused(db.call, "credit_purchase", "nobody@example.com", 5, "pi_79")


def test_grants_are_spent_before_purchases(world):
    db, customer = world.db, Customer(world, "0")
    old = db.call("credit_purchase", customer.email, 10, f"a {customer.email}").purchase_id
    new = db.call("credit_purchase", customer.email, 10, f"b {customer.email}").purchase_id
    db.call("grant_credit", customer.email, 10, "welcome")
    spend(world, customer, "14")
    row = db.call("refund_purchase", int(old))
    assert (row.usd("refund_usd"), row.usd("balance_usd")) == (usd("6"), usd("10"))
    assert remaining(world, customer) == [usd("0"), usd("10"), usd("0")]
    assert "Nothing of purchase" in refused(db.call, "refund_purchase", int(old))
    spend(world, customer, "3")
    row = db.call("refund_purchase", int(new))
    assert (row.usd("refund_usd"), row.usd("balance_usd")) == (usd("7"), usd("0"))


def test_a_later_grant_did_not_pay_earlier_calls(world):
    db, customer = world.db, Customer(world, "0")
    bought = db.call("credit_purchase", customer.email, 10, f"a {customer.email}").purchase_id
    spend(world, customer, "8")
    db.call("grant_credit", customer.email, 10, "sorry")
    assert remaining(world, customer) == [usd("2"), usd("10")]
    row = db.call("refund_purchase", int(bought))
    assert (row.usd("refund_usd"), row.usd("balance_usd")) == (usd("2"), usd("10"))


def test_refund_leaves_what_is_held(world):
    db, customer = world.db, Customer(world, "0")
    bought = int(db.call("credit_purchase", customer.email, 10, f"a {customer.email}").purchase_id)
    held = world.authorize(customer.key_hash, bound=0, likely=0, limit=100000, maximum=200000)  # 1.4
    assert held.usd("hold_usd") == usd("1.4")
    row = db.call("refund_purchase", bought)
    assert (row.usd("refund_usd"), row.usd("balance_usd"), row.usd("still_held_usd")) == (
        usd("8.6"), usd("1.4"), usd("1.4"))
    assert "Nothing of purchase" in refused(db.call, "refund_purchase", bought)
    world.settle(held.rid, uncached=0, output=50000)  # 0.7
    row = db.call("refund_purchase", bought)
    assert (row.usd("refund_usd"), row.usd("balance_usd")) == (usd("0.7"), usd("0"))
    entries = db.query(f"SELECT reference, amount_usd FROM ledger WHERE kind = 'refund' AND account_id = "
                       f"{customer.account_id} ORDER BY id")
    assert [(r.reference, r.usd("amount_usd")) for r in entries] == [
        (f"{bought}/1", usd("-8.6")), (f"{bought}/2", usd("-0.7"))]


def test_refund_refusals(world):
    db, customer = world.db, Customer(world, "0")
    grant = int(db.call("grant_credit", customer.email, 10, None).purchase_id)
    assert "free grant" in refused(db.call, "refund_purchase", grant)
    assert "no purchase" in refused(db.call, "refund_purchase", 99999999)
    bought = int(db.call("credit_purchase", customer.email, 10, f"a {customer.email}").purchase_id)
    db.query(f"UPDATE purchase SET created_at = UTC_TIMESTAMP() - INTERVAL 31 DAY WHERE id = {bought}")
    assert "30 days" in refused(db.call, "refund_purchase", bought)
    db.query(f"UPDATE purchase SET created_at = UTC_TIMESTAMP() - INTERVAL 29 DAY WHERE id = {bought}")
    assert db.call("refund_purchase", bought).usd("refund_usd") == usd("10")


def test_lots_against_a_model(world):
    """Random credit events and spending against a plain simulation that pays each charge when it happens."""
    random.seed(7)
    db = world.db
    for _ in range(8):
        customer, lots = Customer(world, "0"), []
        for _ in range(25):
            event = random.random()
            if event < 0.25 or not lots:
                kind = random.choice(("purchase", "grant"))
                amount = usd(random.randrange(1, 2000)) / 100
                arguments = ("credit_purchase", customer.email, amount, request_id()) if kind == "purchase" else (
                    "grant_credit", customer.email, amount, "")
                lots.append({"id": int(db.call(*arguments).purchase_id), "kind": kind, "left": amount})
            elif event < 0.75:
                amount = min(usd(random.randrange(1, 500)) / 100, sum(lot["left"] for lot in lots))
                if amount > 0:
                    spend(world, customer, amount)
                for lot in sorted(lots, key=lambda x: (x["kind"] != "grant", x["id"])):
                    part = min(amount, lot["left"])
                    lot["left"] -= part
                    amount -= part
            else:
                lot = random.choice(lots)
                if lot["kind"] == "purchase" and lot["left"] > 0:
                    assert db.call("refund_purchase", lot["id"]).usd("refund_usd") == lot["left"]
                    lot["left"] = usd(0)
                else:
                    refused(db.call, "refund_purchase", lot["id"])
            assert customer.balance() == sum(lot["left"] for lot in lots)
        db.call("grant_credit", customer.email, 1, "an event that assigns the rest")
        assert remaining(world, customer)[:-1] == [lot["left"] for lot in lots]


def test_accounts_and_keys(world):
    db, customer = world.db, Customer(world)
    row = db.call("create_key", customer.email, "name of it")
    assert row.api_key.startswith("sk-aig-") and len(row.api_key) == 55
    assert all(c in "0123456789abcdef" for c in row.api_key[7:])
    stored = db.one(f"SELECT HEX(key_hash) AS h, key_prefix, key_last4, name FROM api_key WHERE id = {row.key_id}")
    assert stored.h.lower() == hashlib.sha256(row.api_key.encode()).hexdigest()
    assert (stored.key_prefix, stored.key_last4, stored.name) == (row.api_key[:11], row.api_key[-4:], "name of it")
    shown = db.one(f"SELECT * FROM v_key WHERE key_id = {row.key_id}")
    assert shown.api_key == f"{row.api_key[:11]}...{row.api_key[-4:]}" and row.api_key not in str(dict(shown))
    # Neither the table nor the binary log has the key itself.
    for log in db.query("SHOW BINARY LOGS"):
        with open(f"{world.work}/data/{log.Log_name}", "rb") as file:
            assert row.api_key.encode() not in file.read()
    for email in ("", "nobody", "a b@c", None, "two@at@signs"):
        assert "not an e-mail address" in refused(db.call, "create_account", email, "x")
    assert "already" in refused(db.call, "create_account", customer.email.upper(), "x")
    assert "no account" in refused(db.call, "create_key", "nobody@example.com", "x")
    assert "no key" in refused(db.call, "disable_key", 99999999)
    assert "no key" in refused(db.call, "enable_key", None)
    assert "no tier Gold; there are Starter, Growth" in refused(db.call, "set_tier", customer.email, "Gold")
    assert "fraction" in refused(db.call, "set_markup", customer.email, 40)
    assert db.call("set_tier", customer.email, "Scale").markup == "0.2200"
    assert db.call("set_markup", customer.email, Decimal("0.05")).markup == "0.0500"
    assert world.authorize(customer.key_hash).markup == "0.0500"
    assert db.call("set_markup", customer.email, None).markup == "0.2200"
    assert "name" in refused(db.call, "create_team", " ", customer.email)
    assert "no team" in refused(db.call, "add_member", 99999999, customer.email, "member")
    assert "role" in refused(db.call, "add_member", Team(world).team_id, customer.email, "king")
    assert "membership" in refused(db.call, "create_team_key", 99999999, "x")
    assert "membership" in refused(db.call, "remove_member", 99999999)


def test_caps(world):
    db, customer = world.db, Customer(world)
    for arguments, text in ((("wallet", 1, 1, "none"), "scope"), (("key", 1, -1, "none"), "negative"),
                            (("key", 1, 1, "yearly"), "period"), (("key", 99999999, 1, "none"), "There is no key"),
                            (("team", 99999999, 1, "none"), "There is no team"),
                            (("member", None, 1, "none"), "There is no member"),
                            (("account", 99999999, 1, "none"), "There is no account")):
        assert text in refused(db.call, "set_cap", *arguments), arguments
    db.call("set_cap", "key", customer.key_id, 0, "monthly")
    assert world.authorize(customer.key_hash).outcome == "key_cap_exceeded"
    db.call("set_cap", "key", customer.key_id, None, None)
    assert world.authorize(customer.key_hash).outcome == "held"
    shown = db.one(f"SELECT * FROM v_key WHERE key_id = {customer.key_id}")
    assert (shown.left_usd, shown.resets_on, shown.cap_period) == (None, None, "none")


def test_prices(world):
    db, none = world.db, (None,) * 8
    assert "no model" in refused(db.call, "set_price", "gpt-99", 1, None, None, None, 1, None, *none)
    assert "input and output" in refused(db.call, "set_price", "gpt-4o", 1, None, None, None, None, None, *none)
    assert "negative" in refused(db.call, "set_price", "gpt-4o", 1, None, None, -1, 1, None, *none)
    assert "past" in refused(db.call, "set_price", "gpt-4o", 1, None, None, None, 1, None, *none[1:], "2026-01-01")
    assert "p_above_input_usd" in refused(db.call, "set_price", "gpt-4o", 1, None, None, None, 1, None, 1000, *none[1:])
    assert "need p_above_tokens" in refused(db.call, "set_price", "gpt-4o", 1, None, None, None, 1, None, None, 2,
                                            *none[2:])
    assert "set_unit_price" in refused(db.call, "set_price", "nano-banana", 1, None, None, None, 1, None, *none)
    assert "set_price" in refused(db.call, "set_unit_price", "gpt-4o", "", "image", 1, None)
    assert "unit" in refused(db.call, "set_unit_price", "nano-banana", "", "byte", 1, None)
    assert "0 or more" in refused(db.call, "set_unit_price", "nano-banana", "", "image", None, None)
    row = db.call("set_unit_price", "nano-banana-pro", "resolution=4K", "image", Decimal("0.12"), None)
    assert (row.variant, row.usd("unit_usd")) == ("resolution=4K", usd("0.12"))
    # The old version stays as it was; the new one counts from now on.
    customer = Customer(world)
    before = world.authorize(customer.key_hash, model="llama-3.3-70b", bound=1000, limit=100)
    db.call("set_price", "llama-3.3-70b", 1, None, None, None, 2, None, *none)
    after = world.authorize(customer.key_hash, model="llama-3.3-70b", bound=1000, limit=100)
    assert after.price_id != before.price_id
    assert after.usd("hold_usd") == usd("0.00168") and before.usd("hold_usd") == usd("0.0001848")
    assert world.settle(before.rid, uncached=1000, output=100).usd("charge_usd") == usd("0.0001848")
    assert world.settle(after.rid, uncached=1000, output=100).usd("charge_usd") == usd("0.00168")


def test_views(world):
    db, team = world.db, Team(world)
    db.call("set_cap", "key", team.key_id, 5, "weekly")
    held = world.authorize(team.key_hash)
    done = world.authorize(team.key_hash)
    end = world.settle(done.rid)
    key = db.one(f"SELECT * FROM v_key WHERE key_id = {team.key_id}")
    assert (key.email, key.team, key.usd("held_usd"), key.usd("spent_usd")) == (
        team.member.email, "Team", held.usd("hold_usd"), end.usd("charge_usd"))
    assert key.usd("left_usd") == 5 - held.usd("hold_usd") - end.usd("charge_usd")
    assert key.resets_on == db.value("SELECT UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY")
    account = db.one(f"SELECT * FROM v_account WHERE account_id = {team.payer.account_id}")
    assert account.usd("available_usd") == 100 - held.usd("hold_usd") - end.usd("charge_usd")
    assert account.usd("spent_30_days_usd") == end.usd("charge_usd")
    row = db.one(f"SELECT * FROM v_team WHERE member_id = {team.member_id}")
    assert (row.payer, row.member, row.usd("team_held_usd"), row.usd("member_spent_usd")) == (
        team.payer.email, team.member.email, held.usd("hold_usd"), end.usd("charge_usd"))
    day = db.one(f"SELECT * FROM v_usage_daily WHERE email = '{team.payer.email}'")
    assert (day.model, day.provider, day.calls, day.usd("charge_usd")) == ("gpt-4o", "openai", "1", end.usd("charge_usd"))
    assert db.one(f"SELECT * FROM v_hold_open WHERE request_id = '{held.rid}'").model == "gpt-4o"
