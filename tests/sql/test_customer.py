# SPDX-License-Identifier: Apache-2.0
"""What customers do through the program: keys with a list of models, teams, payments through Stripe."""

import hashlib
import os
import random
import threading
from decimal import Decimal

from support import PROCESS, Customer, Team, refused, request_id, usd
from test_concurrency import Storm
from test_operator import spend


def new_hash():
    return hashlib.sha256(os.urandom(16)).digest()


def create_key(world, customer, team=None, name="k", cap=None, period="none", expires=None, models=None):
    key = new_hash()
    row = world.db.call("key_create", customer.account_id, team, key, "sk-aig-aaaa", "bbbb", name, cap, period, expires, models)
    row["hash"] = key
    return row


def test_list_of_models(world):
    db, customer = world.db, Customer(world)
    key = create_key(world, customer, models='["gpt-4o", "claude-haiku-4-5-20251001", "gpt-4o"]')
    assert key.outcome == "ok"
    rows = [r.name for r in db.query(f"SELECT m.name FROM api_key_model x JOIN model m ON m.id = x.model_id WHERE key_id = {key.id} "
                                     "ORDER BY m.name")]
    assert rows == ["claude-haiku-4-5", "gpt-4o"], "aliases mean their model"
    held = world.authorize(key.hash)
    assert held.outcome == "held"
    assert world.authorize(key.hash, model="gpt-4o-mini").outcome == "model_not_allowed"
    # Together with others, and for a hedge.
    rid, other = request_id(), request_id()
    steps = (f'[["{rid}","{key.hash.hex()}",{world.model("gpt-4o")},{world.model("gpt-4o")},1000,300,500,16384,1,600],'
             f'["{other}","{key.hash.hex()}",{world.model("gpt-4o-mini")},{world.model("gpt-4o-mini")},1000,300,500,16384,1,600]]')
    assert [r.request_id for r in db.query(f"CALL ledger_authorize_many('{steps}')")] == [rid]
    for model, outcome in (("gemini-3.5-flash", "model_not_allowed"), ("claude-haiku-4-5", "held")):
        assert db.call("ledger_extend", held.rid, world.model(model), 1000, 300, 500, 1).outcome == outcome
    for open_hold in (held.rid, rid):
        world.release(open_hold)
    # A key that is refused anyway says that first.
    db.call("disable_key", int(key.id))
    assert world.authorize(key.hash, model="gpt-4o-mini").outcome == "key_disabled"
    db.call("enable_key", int(key.id))
    assert db.call("set_key_models", int(key.id), " gpt-4o-mini , gpt-4.1-mini ").models == "gpt-4.1-mini, gpt-4o-mini"
    assert world.authorize(key.hash).outcome == "model_not_allowed"
    assert "no model gpt-9" in refused(db.call, "set_key_models", int(key.id), "gpt-4o,gpt-9")
    assert "NULL lets" in refused(db.call, "set_key_models", int(key.id), " ")
    assert "no key" in refused(db.call, "set_key_models", 99999999, "gpt-4o")
    assert db.one(f"SELECT models FROM v_key WHERE key_id = {key.id}").models == "gpt-4.1-mini, gpt-4o-mini"
    assert db.call("set_key_models", int(key.id), None).models == "every model"
    world.release(world.authorize(key.hash).rid)
    unknown = create_key(world, customer, models='["gpt-4o", "nonsense"]')
    assert (unknown.outcome, unknown.detail) == ("unknown_model", "nonsense")
    assert db.value(f"SELECT COUNT(*) FROM api_key WHERE key_hash = x'{unknown.hash.hex()}'") == "0"


def test_key_changes(world):
    db, customer, stranger = world.db, Customer(world), Customer(world)
    key = create_key(world, customer, name="first", cap=Decimal("5"), period="daily")
    row = db.one(f"SELECT * FROM v_key WHERE key_id = {key.id}")
    assert (row.name, row.usd("cap_usd"), row.cap_period) == ("first", usd("5"), "daily")

    def change(actor, bits, name=None, cap=None, period=None, expires=None, models=None, enabled=None):
        return db.call("key_change", actor.account_id, int(key.id), bits, name, cap, period, expires, models, enabled).outcome

    assert change(stranger, 1, name="mine") == "no_key"
    assert change(customer, 4, period="weekly") == "ok"
    assert change(customer, 1, name="second") == "ok"
    assert change(customer, 8, expires="2020-01-01") == "past"
    assert change(customer, 8, expires="2090-01-01 10:00:00") == "ok"
    assert change(customer, 16, models='["gpt-4o"]') == "ok"
    row = db.one(f"SELECT * FROM v_key WHERE key_id = {key.id}")
    assert (row.name, row.usd("cap_usd"), row.cap_period, row.models, row.expires_at) == (
        "second", usd("5"), "weekly", "gpt-4o", "2090-01-01 10:00:00")
    assert change(customer, 32, enabled=0) == "ok"
    assert world.authorize(key.hash).outcome == "key_disabled"
    assert change(customer, 32 | 2, enabled=1, cap=None) == "ok"
    assert db.one(f"SELECT cap_usd FROM v_key WHERE key_id = {key.id}").cap_usd is None

    fresh = new_hash()
    assert db.call("key_rotate", stranger.account_id, int(key.id), fresh, "sk-aig-cccc", "dddd").outcome == "no_key"
    assert db.call("key_rotate", customer.account_id, int(key.id), fresh, "sk-aig-cccc", "dddd").outcome == "ok"
    assert world.authorize(key.hash).outcome == "unknown_key"
    world.release(world.authorize(fresh).rid)
    assert db.call("key_delete", stranger.account_id, int(key.id)).outcome == "no_key"
    assert db.call("key_delete", customer.account_id, int(key.id)).outcome == "ok"
    assert world.authorize(fresh).outcome == "key_disabled"
    assert change(customer, 32, enabled=1) == "no_key"
    assert "deleted by its owner" in refused(db.call, "enable_key", int(key.id))


class Staff:
    """A team with everybody in it that there can be."""

    def __init__(self, world):
        self.db = world.db
        self.owner, self.admin, self.admin2, self.member, self.member2, self.stranger = (Customer(world, "10") for _ in range(6))
        self.id = int(self.db.call("team_create", self.owner.account_id, "Staff").id)
        self.members = {self.owner: int(self.db.value(f"SELECT id FROM team_member WHERE team_id = {self.id}"))}
        for who, role in ((self.admin, "admin"), (self.admin2, "admin"), (self.member, "member"), (self.member2, "member")):
            self.members[who] = self.join(who, role)

    def join(self, who, role, by=None):
        token = new_hash()
        made = self.db.call("team_invite", (by or self.owner).account_id, self.id, who.email, role, token, 7, "Come", f"link {token.hex()}")
        assert made.outcome == "ok", dict(made)
        assert self.db.call("team_join", who.account_id, token).outcome == "ok"
        return int(self.db.value(f"SELECT id FROM team_member WHERE team_id = {self.id} AND account_id = {who.account_id}"))


def test_team_permissions(world):
    """Everybody tries everything; what is in the table is what happens."""
    team, db = Staff(world), world.db
    everybody = ("owner", "admin", "member", "stranger")

    def outcome(procedure, who, *arguments):
        return db.call(procedure, getattr(team, who).account_id, *arguments).outcome

    def invite(who, role):
        return outcome("team_invite", who, team.id, f"{os.urandom(6).hex()}@example.org", role, new_hash(), 7, "s", "b")

    def cap(who, whom):
        return outcome("member_change", who, team.id, team.members[getattr(team, whom)], 2 | 4, None, 5, "daily")

    expected = {
        "rename": ("ok", "ok", "admin_only", "no_team"),
        "team cap": ("ok", "owner_only", "owner_only", "no_team"),
        "invite member": ("ok", "ok", "admin_only", "no_team"),
        "invite admin": ("ok", "owner_only", "admin_only", "no_team"),
        "cap of member": ("ok", "ok", "admin_only", "no_team"),
        "cap of admin": ("ok", "owner_only", "admin_only", "no_team"),
        "cap of owner": ("ok", "owner_only", "admin_only", "no_team"),
        "role": ("ok", "owner_only", "admin_only", "no_team"),
        "role of owner": ("owner_role", "owner_only", "admin_only", "no_team"),
        "transfer": ("ok", "owner_only", "owner_only", "no_team"),
        "remove owner": ("owner_stays", "owner_only", "owner_only", "no_team"),
        "key of member": ("ok", "ok", "no_key", "no_key"),
        "own team key": ("ok", "ok", "ok", "no_team"),
    }
    key = create_key(world, team.member2, team.id)
    assert key.outcome == "ok"
    found = {
        "rename": [outcome("team_change", w, team.id, 1, "Name", None, None) for w in everybody],
        "team cap": [outcome("team_change", w, team.id, 6, None, 100, "monthly") for w in everybody],
        "invite member": [invite(w, "member") for w in everybody],
        "invite admin": [invite(w, "admin") for w in everybody],
        "cap of member": [cap(w, "member2") for w in everybody],
        "cap of admin": [cap(w, "admin2") for w in everybody],
        "cap of owner": [cap(w, "owner") for w in everybody],
        "role": [outcome("member_change", w, team.id, team.members[team.member2], 1, "member", None, None) for w in everybody],
        "role of owner": [outcome("member_change", w, team.id, team.members[team.owner], 1, "member", None, None) for w in everybody],
        "transfer": [outcome("team_transfer", w, team.id, team.members[team.admin2]) for w in everybody],
        "remove owner": [outcome("member_remove", w, team.id, team.members[team.owner]) for w in everybody],
        "key of member": [outcome("key_change", w, int(key.id), 1, "seen", None, None, None, None, None) for w in everybody],
        "own team key": [create_key(world, getattr(team, w), team.id).outcome for w in everybody],
    }
    for action, outcomes in expected.items():
        assert tuple(found[action]) == outcomes, f"{action}: {found[action]}"
    assert outcome("key_rotate", "owner", int(key.id), new_hash(), "sk-aig-cccc", "dddd") == "not_yours"
    removals = [outcome("member_remove", who, team.id, team.members[getattr(team, whom)]) for who, whom in (
        ("member", "member2"), ("admin", "admin2"), ("stranger", "member"), ("admin", "member2"), ("owner", "admin2"),
        ("member", "member"), ("admin", "admin"))]
    assert removals == ["admin_only", "owner_only", "no_team", "ok", "ok", "ok", "ok"], removals


def test_removing_a_member_stops_its_keys(world):
    team, db = Staff(world), world.db
    key = create_key(world, team.member, team.id)
    held = world.authorize(key.hash)
    assert held.outcome == "held"
    assert db.call("member_remove", team.admin.account_id, team.id, team.members[team.member]).outcome == "ok"
    assert world.authorize(key.hash).outcome == "key_disabled"
    assert world.settle(held.rid).outcome == "settled", "a running call ends as it began"
    assert db.call("key_change", team.member.account_id, int(key.id), 32, None, None, None, None, None, 1).outcome == "left_team"
    assert create_key(world, team.member, team.id).outcome == "no_team"
    assert team.join(team.member, "member") == team.members[team.member], "the same membership again"
    assert world.authorize(key.hash).outcome == "key_disabled", "old keys stay off"
    assert db.call("key_change", team.member.account_id, int(key.id), 32, None, None, None, None, None, 1).outcome == "ok"
    world.release(world.authorize(key.hash).rid)


def test_invitations(world):
    team, db, guest, other = Staff(world), world.db, Customer(world), Customer(world)
    token, again = new_hash(), new_hash()

    def invite(token, email=guest.email, days=7):
        return db.call("team_invite", team.owner.account_id, team.id, email, "member", token, days, "subject", "body").outcome

    mails = int(db.value("SELECT COUNT(*) FROM outbox_mail WHERE kind = 'invite'"))
    assert invite(token) == "ok" and invite(token) == "ok", "a repeated step has no second effect"
    assert int(db.value("SELECT COUNT(*) FROM outbox_mail WHERE kind = 'invite'")) == mails + 1
    row = db.call("team_join", other.account_id, token)
    assert (row.outcome, row.detail) == ("other_address", guest.email)
    assert invite(again) == "ok"
    assert db.call("team_join", guest.account_id, token).outcome == "invitation_void", "replaced by the newer one"
    assert db.call("team_join", guest.account_id, again).outcome == "ok"
    assert db.call("team_join", guest.account_id, again).outcome == "invitation_void", "once"
    assert invite(new_hash()) == "member_already"
    token = new_hash()
    assert invite(token, other.email) == "ok"
    number = int(db.value(f"SELECT invitation_id FROM v_invitation WHERE email = '{other.email}'"))
    assert db.call("team_uninvite", team.member.account_id, team.id, number).outcome == "admin_only"
    assert db.call("team_uninvite", team.admin.account_id, team.id, number).outcome == "ok"
    assert db.call("team_uninvite", team.admin.account_id, team.id, number).outcome == "no_invitation"
    assert db.call("team_join", other.account_id, token).outcome == "invitation_void", "withdrawn"
    token = new_hash()
    assert invite(token, other.email) == "ok"
    db.query(f"UPDATE team_invitation SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND WHERE token_hash = x'{token.hex()}'")
    assert db.call("team_join", other.account_id, token).outcome == "invitation_void", "expired"
    assert db.call("team_join", other.account_id, new_hash()).outcome == "invitation_void", "never made"
    outcomes = [invite(new_hash(), f"x{i}@example.org") for i in range(60)]
    assert set(outcomes) == {"ok", "too_many_mails"} and outcomes[-1] == "too_many_mails"


def test_a_team_is_full_also_for_who_was_invited_before(world):
    team, db, guest = Staff(world), world.db, Customer(world)
    token = new_hash()
    assert db.call("team_invite", team.owner.account_id, team.id, guest.email, "member", token, 7, "subject", "body").outcome == "ok"
    there = int(db.value(f"SELECT COUNT(*) FROM team_member WHERE team_id = {team.id} AND enabled"))
    db.query(f"INSERT INTO account (email, tier_id) SELECT CONCAT('full', seq, '-{team.id}@example.org'), 1 FROM seq_1_to_{500 - there}")
    db.query(f"INSERT INTO team_member (team_id, account_id) SELECT {team.id}, id FROM account WHERE email LIKE 'full%-{team.id}@example.org'")
    assert db.call("team_join", guest.account_id, token).outcome == "too_many_members"
    db.query(f"UPDATE team_member SET enabled = 0 WHERE team_id = {team.id} AND account_id = (SELECT id FROM account WHERE email = 'full1-{team.id}@example.org')")
    assert db.call("team_join", guest.account_id, token).outcome == "ok", "the invitation is as good as before"


def test_one_invitation_joins_once_at_any_concurrency(world):
    team, guest, token = Staff(world), Customer(world), new_hash()
    world.db.call("team_invite", team.owner.account_id, team.id, guest.email, "member", token, 7, "s", "b")
    outcomes = at_once(world, 8, lambda db, i: db.call("team_join", guest.account_id, token).outcome)
    assert sorted(outcomes) == ["invitation_void"] * 7 + ["ok"]


def at_once(world, count, step):
    """step(connection, index) in so many threads at once; what they returned."""
    results, barrier = [None] * count, threading.Barrier(count)

    def run(i):
        db = world.connect()
        try:
            barrier.wait()
            results[i] = step(db, i)
        except Exception as error:  # noqa: BLE001 -- shown by the assertion of the caller
            results[i] = repr(error)
        finally:
            db.close()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_transfer_needs_consent(world):
    team, db = Staff(world), world.db
    key = create_key(world, team.member, team.id)
    before = world.authorize(key.hash)
    admin = team.members[team.admin]

    def transfer(who, whom):
        return db.call("team_transfer", who.account_id, team.id, team.members[whom]).outcome

    assert transfer(team.admin, team.admin) == "no_offer"
    assert transfer(team.owner, team.admin) == "ok"
    assert db.value(f"SELECT account_id FROM team WHERE id = {team.id}") == str(team.owner.account_id), "not before it is accepted"
    assert transfer(team.member, team.member) == "no_offer"
    assert transfer(team.owner, team.owner) == "ok", "withdrawn"
    assert transfer(team.admin, team.admin) == "no_offer"
    assert transfer(team.owner, team.admin) == "ok" and transfer(team.admin, team.admin) == "ok"
    roles = {r.email: r.role for r in db.query(f"SELECT member AS email, role FROM v_team WHERE team_id = {team.id}")}
    assert (roles[team.owner.email], roles[team.admin.email]) == ("admin", "owner")
    after = world.authorize(key.hash)
    world.settle(before.rid)
    world.settle(after.rid)
    charges = [team.owner.balance(), team.admin.balance()]
    assert charges[0] < 10 and charges[1] < 10, "each pays the call that was held for it"
    # A cap of another period counts what both have paid.
    spent = db.call("set_cap", "team", team.id, 100, "weekly").usd("spent_usd")
    assert spent == 20 - sum(charges)
    assert db.call("member_remove", team.owner.account_id, team.id, team.members[team.owner]).outcome == "ok", "may leave now"
    assert db.call("transfer_team", team.id, team.member.email).payer == team.member.email
    assert "no member" in refused(db.call, "transfer_team", team.id, team.stranger.email)
    assert "no account" in refused(db.call, "transfer_team", team.id, "nobody@example.com")
    assert admin


def test_402_names_the_cap(world):
    team, db = Staff(world), world.db
    key = create_key(world, team.member, team.id)
    member = team.members[team.member]
    for scope, number, outcome in (("key", int(key.id), "key_cap_exceeded"), ("member", member, "account_cap_exceeded"),
                                   ("team", team.id, "team_cap_exceeded"), ("account", team.owner.account_id, "account_cap_exceeded")):
        db.call("set_cap", scope, number, 0, "daily")
        row = world.authorize(key.hash)
        assert (row.outcome, row.scope) == (outcome, scope)
        db.call("set_cap", scope, number, None, None)


# Stripe


def new_id(prefix="chk"):
    return f"{prefix}_{PROCESS[:2]}{os.urandom(12).hex()}"


def checkout(world, customer, amount="20"):
    number = new_id()
    row = world.db.call("checkout_open", customer.account_id, number, Decimal(amount))
    assert (row.outcome, row.email) == ("ok", customer.email), dict(row)
    return number, row.cents


def paid(db, number, payment, cents, event=None, currency="usd"):
    return db.call("stripe_paid", event or new_id("evt"), "checkout.session.completed", number, f"cs_{number}", payment, cents, currency).outcome


def test_checkout_amounts(world):
    customer = Customer(world, "0")
    assert checkout(world, customer, "19.99")[1] == "1999"
    for amount in ("0.99", "10000.01", "5.001", "-3"):
        assert world.db.call("checkout_open", customer.account_id, new_id(), Decimal(amount)).outcome == "bad_amount"


def test_a_payment_is_credited_once_at_any_concurrency(world):
    customer = Customer(world, "0")
    number, cents = checkout(world, customer)
    event = new_id("evt")
    outcomes = at_once(world, 8, lambda db, i: paid(db, number, f"pi_{number}", int(cents), event if i % 2 else None))
    assert sorted(outcomes) == ["credited"] + ["known"] * 7
    assert customer.balance() == 20
    assert world.db.call("stripe_unpaid", new_id("evt"), "checkout.session.expired", number, "expired").outcome == "ignored"
    assert world.db.value(f"SELECT state FROM checkout WHERE id = '{number}'") == "paid"


def test_payments_that_are_not_credited(world):
    db, customer = world.db, Customer(world, "0")
    assert paid(db, new_id(), "pi_x1", 2000) == "ignored", "another product's"
    for cents, currency in ((1999, "usd"), (2000, "eur")):
        number, _ = checkout(world, customer)
        assert paid(db, number, f"pi_{number}", cents, currency=currency) == "mismatch"
    number, _ = checkout(world, customer)
    assert db.call("stripe_unpaid", new_id("evt"), "checkout.session.async_payment_failed", number, "failed").outcome == "failed"
    assert customer.balance() == 0
    assert paid(db, number, f"pi_{number}", 2000) == "credited", "paid after all"
    assert customer.balance() == 20


def test_refunds_through_stripe(world):
    db, customer = world.db, Customer(world, "0")
    number, cents = checkout(world, customer)
    payment = f"pi_{number}"
    charge = lambda cents: db.call("stripe_refunded", new_id("evt"), "charge.refunded", number, payment, cents).outcome  # noqa: E731
    assert charge(500) == "early", "before it was credited: to be told again"
    paid(db, number, payment, int(cents))
    purchase = int(db.value(f"SELECT purchase_id FROM checkout WHERE id = '{number}'"))
    # In the dashboard of Stripe, told twice.
    assert [charge(500), charge(500)] == ["refunded", "known"] and customer.balance() == 15
    spend(world, customer, "3.333333333")
    first = db.call("refund_begin", customer.account_id, purchase, new_id("rfd"))
    assert (first.outcome, first.cents, first.payment_id) == ("ok", "1166", payment), "whole cents"
    assert customer.balance() == usd("0.006666667")
    again = db.call("refund_begin", customer.account_id, purchase, new_id("rfd"))
    assert again.refund_id == first.refund_id and again.cents == first.cents, "taken up again, not made anew"
    assert charge(1666) == "early", "our own refund or another one? That shows once ours has ended"
    # Stripe refuses: the credit is back, once.
    outcomes = at_once(world, 4, lambda c, i: c.call("refund_end", first.refund_id, 0, None, "no").outcome)
    assert outcomes == ["failed"] * 4 and customer.balance() == usd("11.666666667")
    second = db.call("refund_begin", customer.account_id, purchase, new_id("rfd"))
    assert (second.cents, second.refund_id != first.refund_id) == ("1166", True)
    assert db.call("refund_end", second.refund_id, 1, "re_1", None).outcome == "done"
    assert charge(1666) == "known", "our own refund"
    assert db.call("refund_begin", customer.account_id, purchase, new_id("rfd")).outcome == "nothing_left"
    row = db.one(f"SELECT * FROM v_checkout WHERE checkout_id = '{number}'")
    assert (row.state, row.usd("refunded_usd")) == ("paid", usd("11.66"))
    # More than is left goes back at Stripe: what is unspent is taken, the rest is seen.
    assert charge(2000) == "refunded_in_part" and customer.balance() == 0


def test_refunds_at_stripe_beside_ours(world):
    """Somebody refunds in Stripe's dashboard while a refund of the customer's is under way, which Stripe then refuses."""
    db, customer = world.db, Customer(world, "0")
    number, cents = checkout(world, customer)
    charge = lambda cents: db.call("stripe_refunded", new_id("evt"), "charge.refunded", number, f"pi_{number}", cents).outcome  # noqa: E731
    paid(db, number, f"pi_{number}", int(cents))
    purchase = int(db.value(f"SELECT purchase_id FROM checkout WHERE id = '{number}'"))
    ours = db.call("refund_begin", customer.account_id, purchase, new_id("rfd"))
    assert [charge(int(cents)), charge(500)] == ["early"] * 2 and customer.balance() == 0
    assert db.call("refund_end", ours.refund_id, 0, None, "has been refunded").outcome == "failed"
    assert customer.balance() == 20
    assert charge(int(cents)) == "refunded" and customer.balance() == 0, "money and credit would both be the customer's"


def test_refunds_at_stripe_wait_for_running_calls(world):
    db, customer = world.db, Customer(world, "0")
    number, cents = checkout(world, customer)
    charge = lambda cents: db.call("stripe_refunded", new_id("evt"), "charge.refunded", number, f"pi_{number}", cents).outcome  # noqa: E731
    paid(db, number, f"pi_{number}", int(cents))
    held = world.authorize(customer.key_hash, bound=100000000, likely=1, limit=1)
    assert charge(int(cents)) == "held" and customer.balance() == 20, "all of it is held"
    assert db.value(f"SELECT COUNT(*) FROM stripe_event WHERE subject = '{number}' AND type = 'charge.refunded'") == "0"
    world.release(held.rid)
    assert charge(int(cents)) == "refunded" and customer.balance() == 0
    number, cents = checkout(world, customer)
    assert paid(db, number, f"pi_{number}", 1) == "mismatch"
    assert charge(1) == "ignored", "never credited"


def test_refund_refusals_of_customers(world):
    db, customer = world.db, Customer(world, "10")
    operators = int(db.value(f"SELECT id FROM purchase WHERE account_id = {customer.account_id}"))
    grant = int(db.call("grant_credit", customer.email, 5, "hi").purchase_id)
    number, cents = checkout(world, customer)
    paid(db, number, f"pi_{number}", int(cents))
    bought = int(db.value(f"SELECT purchase_id FROM checkout WHERE id = '{number}'"))
    begin = lambda who, purchase: db.call("refund_begin", who.account_id, purchase, new_id("rfd")).outcome  # noqa: E731
    assert [begin(customer, p) for p in (operators, grant, 99999999)] == ["by_operator", "free_credit", "no_purchase"]
    assert begin(Customer(world), bought) == "no_purchase"
    db.query(f"UPDATE purchase SET created_at = created_at - INTERVAL 31 DAY WHERE id = {bought}")
    assert begin(customer, bought) == "too_late"
    assert db.call("refund_end", new_id("rfd"), 1, "re_2", None).outcome == "ignored"


def test_purchases_show_what_is_left(world):
    db, customer = world.db, Customer(world, "0")
    db.call("credit_purchase", customer.email, 10, f"left {customer.email}")
    db.call("grant_credit", customer.email, 5, "gift")
    spend(world, customer, "7")
    rows = {r.kind: r.usd("left_usd") for r in db.query(f"SELECT * FROM v_purchase WHERE email = '{customer.email}'")}
    assert rows == {"grant": usd("0"), "purchase": usd("8")}, "grants first, before the next credit event assigns it"


# Lists of calls


def calls(world, actor, rows=51, key=None, to="2999-01-01", before="", model=None, status=None, text=None, since="2000-01-01"):
    found = world.db.query("CALL usage_list({}, {}, '{}', '{}', '{}', {}, {}, {}, {})".format(
        actor.account_id if actor else "NULL", key or "NULL", since, to, before, model or "NULL",
        f"'{status}'" if status else "NULL", f"'{text}'" if text else "NULL", rows))
    return found[0].place, found[1:]


def test_a_list_does_not_wait_for_a_call(world):
    customer, call = Customer(world), world.connect()
    world.settle(world.authorize(customer.key_hash).rid)
    call.query(f"START TRANSACTION; UPDATE api_key SET held_usd = held_usd + 1 WHERE id = {customer.key_id}")
    world.db.query("SET innodb_lock_wait_timeout = 1, tx_isolation = 'READ-COMMITTED'")  # the latter as the program
    try:
        assert len(calls(world, customer, key=customer.key_id)[1]) == 1
    finally:
        call.query("ROLLBACK")
        world.db.query("SET innodb_lock_wait_timeout = DEFAULT, tx_isolation = DEFAULT")


def test_calls_newest_first(world):
    customer, other = Customer(world), Customer(world)
    made = []
    for i in range(7):
        held = world.authorize(customer.key_hash, model="gpt-4o" if i % 2 else "gpt-4o-mini")
        world.settle(held.rid) if i % 3 else world.release(held.rid)
        made.insert(0, held.rid)
    world.settle(world.authorize(other.key_hash).rid)
    assert [r.request_id for r in calls(world, customer)[1]] == made
    pages, to, before = [], "2999-01-01", ""
    while True:
        _, page = calls(world, customer, 3, to=to, before=before)
        if not page:
            break
        pages.append([r.request_id for r in page])
        to, before = page[-1].place[:26], page[-1].place[27:]
    assert pages == [made[0:3], made[3:6], made[6:]]
    minis = calls(world, customer, model=world.model("gpt-4o-mini"))[1]
    assert [r.request_id for r in minis] == made[0::2] and {r.model for r in minis} == {"gpt-4o-mini"}
    assert len(calls(world, customer, status="upstream_error")[1]) == 3
    assert [r.request_id for r in calls(world, customer, text=made[2])[1]] == [made[2]]
    assert len(calls(world, customer, text="MINI")[1]) == 4
    assert len(calls(world, None, key=customer.key_id)[1]) == 7 and calls(world, other, key=customer.key_id)[1] == []
    assert calls(world, customer, since="2998-01-01")[1] == []


def test_calls_of_a_team(world):
    team = Team(world)
    row = world.db.call("key_create", team.member.account_id, team.team_id, new_hash(), "sk-aig-aaaa", "bbbb", "k", None, "none", None, None)
    assert row.outcome == "ok"
    paid_for = world.authorize(team.key_hash).rid
    world.settle(paid_for)
    own = world.authorize(team.payer.key_hash).rid
    world.settle(own)
    assert [r.request_id for r in calls(world, team.payer)[1]] == [own, paid_for]
    seen = calls(world, team.member)[1]
    assert [(r.request_id, r.team, r.member) for r in seen] == [(paid_for, "Team", team.member.email)]
    assert len(calls(world, team.payer, key=team.key_id)[1]) == 1


def test_reading_stops_in_time(world):
    """A filter that matches nothing reads 5000 rows of a source and says where it stopped."""
    with world.fresh_database("much_usage"):
        customer = Customer(world)
        held = world.authorize(customer.key_hash)
        world.settle(held.rid)
        world.db.query("SET SESSION sql_log_bin = 0")
        world.db.query(
            "INSERT INTO usage_log (request_id, created_at, settled_at, account_id, key_id, model_id, price_id, markup, status, provider, hold_usd) "
            f"SELECT CONCAT('req_', LPAD(seq, 26, '0')), created_at - INTERVAL seq SECOND, settled_at, account_id, key_id, model_id, price_id, markup, 'error', "
            f"provider, 0 FROM usage_log, seq_1_to_6000 WHERE request_id = '{held.rid}'")
        cut, found = calls(world, customer, status="timeout")
        assert found == [] and cut
        cut, found = calls(world, customer, status="timeout", to=cut[:26], before=cut[27:])
        assert found == [] and cut is None


def test_storm_beside_tiers_and_teams(world):
    """Tiers are recomputed and keys, members and teams changed while calls run: the books are right, nothing waits in a circle."""
    storm, team = Storm(world), Staff(world)
    moved = []

    def tiers(_):
        db = world.connect()
        while not storm.stop.is_set():
            db.query("UPDATE account SET tier_id = 1 + id % 3 WHERE id % 5 = 0")
            moved.extend(db.query("CALL recompute_tiers(NULL, NULL, 0)"))
        db.close()

    def changes(index):
        db, chance = world.connect(), random.Random(index)
        owners = {int(r.id): int(r.account_id) for r in db.query("SELECT id, account_id FROM api_key ORDER BY id DESC LIMIT 20")}
        while not storm.stop.is_set():
            key = chance.choice(sorted(owners))
            db.call("key_change", owners[key], key, 2 | 4 | 16, None, chance.choice((5, None)), "daily", None, chance.choice(('["gpt-4o"]', None)), None)
            member = chance.choice((team.member, team.member2))
            db.call("member_change", team.owner.account_id, team.id, team.members[member], 6, None, 3, chance.choice(("daily", "weekly")))
            db.call("team_change", team.owner.account_id, team.id, 6, None, 50, chance.choice(("daily", "monthly")))
        db.close()

    storm.run(3, others=[tiers, changes])
    storm.check()
    world.db.query("UPDATE api_key SET models_limited = 0")
    assert moved and len(storm.charged) > 20
    assert len(storm.retries) < max(10, storm.steps / 200), f"{len(storm.retries)} retries in {storm.steps} steps"
    return f"{storm.steps} steps, {len(moved)} tiers moved, {len(storm.retries)} retries"
