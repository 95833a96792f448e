# SPDX-License-Identifier: Apache-2.0
"""402: refused before the provider is asked, with all that a customer needs to know, and read-only routes stay free."""

import re
from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from money import exact
from world import Account

SCOPES = ("key", "account", "team", "member", "balance")
CODES = {"key": "key_cap_exceeded", "account": "account_cap_exceeded", "team": "team_cap_exceeded", "member": "account_cap_exceeded",
         "balance": "insufficient_credits"}
FREE_ROUTES = ("/v1/models", "/v1/models/gpt-4o", "/v1/me", "/v1/health")


class Team:
    """A team with one member's key; the payer's account pays."""

    def __init__(self, world, payer_usd="10"):
        self.payer = Account(world, world.api, payer_usd)
        self.member_account = Account(world, world.api, "1")
        db = world.db
        made = db.call("create_team", "Team of " + self.payer.email, self.payer.email)[0]
        self.id = made["team_id"]
        self.member_id = db.call("add_member", self.id, self.member_account.email, "member")[0]["member_id"]
        key = db.call("create_team_key", self.member_id, "team key")[0]
        self.account = Account(world, world.api, key=(self.payer.email, self.payer.id, key["api_key"], key["key_id"]))


def numbers_in(text):
    return [Decimal(n) for n in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))]


def limit_scope(world, scope, usd):
    """An account whose calls meet a limit of `usd` in this scope."""
    if scope in ("team", "member"):
        team = Team(world)
        world.db.call("set_cap", scope, team.id if scope == "team" else team.member_id, usd, "none")
        return team.account
    if scope == "balance":
        return Account(world, world.api, usd)
    account = Account(world, world.api)
    account.set_cap(scope, usd)
    return account


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
def test_402(world, scope, stream):
    account = limit_scope(world, scope, "0.001234")
    word = new_word()
    answer = account.api.post("/v1/chat/completions", chat_body(word, model="gpt-4o", max_tokens=5000, stream=stream))
    assert answer.status == 402, answer
    error = answer.error
    assert error["code"] == CODES[scope] and error["type"] == "insufficient_quota"
    numbers = numbers_in(error["message"])
    assert Decimal("0.001234") in numbers, "the limit"
    assert Decimal(0) in numbers, "what is spent and held"
    # price of gpt-4o: 10 US dollars a million output tokens, markup 0.4
    assert any(Decimal("0.07") <= n < Decimal("0.071") for n in numbers), "what the call may need"
    fit = [int(n) for n in numbers if n == int(n) and 0 < n < 5000]
    assert fit, "the largest max_tokens that would fit"
    assert world.fake.requests(word) == []
    assert account.spent() == 0 and account.holds() == []
    for path in FREE_ROUTES:
        assert account.api.get(path).status == 200, path
    # what it says would fit does fit, and no token more
    assert account.api.chat(word, model="gpt-4o", max_tokens=max(fit) + 1).status == 402
    answer = account.api.chat(word, model="gpt-4o", max_tokens=max(fit))
    assert answer.status == 200, (max(fit), error, answer)
    account.check()


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
def test_it_says_when_the_window_resets(world, account, period):
    account.set_cap("key", "0.000001", period)
    answer = account.api.chat("hello", model="gpt-4o", max_tokens=5000)
    assert answer.status == 402
    expected = {"daily": "SELECT UTC_DATE() + INTERVAL 1 DAY", "weekly": "SELECT UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY",
                "monthly": "SELECT LAST_DAY(UTC_DATE()) + INTERVAL 1 DAY"}[period]
    day = str(world.db.value(expected))
    assert day in answer.error["message"], answer
    me = account.me()
    assert me["key"]["period"] == period and me["key"]["resets_at"].startswith(day)
    assert me["key"]["cap_usd"] == Decimal("0.000001")


def test_without_a_window_nothing_resets(account):
    account.set_cap("key", "0.000001")
    assert not re.search(r"\d{4}-\d\d-\d\d", account.api.chat("hello", model="gpt-4o", max_tokens=5000).error["message"])
    assert account.me()["key"]["resets_at"] is None


def test_a_new_window_starts_again_from_zero(world, account):
    account.set_cap("key", "0.01", "daily")
    answer = account.api.chat(script(new_word(), {"usage": {"input": 100, "output": 400}}) + "x" * 500, model="gpt-4o", max_tokens=500)
    assert answer.status == 200, answer
    assert account.api.chat("hello", model="gpt-4o", max_tokens=500).status == 402
    world.db.rows("UPDATE api_key SET window_end = UTC_DATE() WHERE id = %s", account.key_id)  # yesterday's window
    assert account.api.chat("hello", model="gpt-4o", max_tokens=100).status == 200
    assert account.me()["key"]["spent_usd"] < Decimal("0.005")


def test_held_counts_like_spent(account):
    """While a call runs, its hold takes room."""
    account.set_cap("key", "0.02")
    with account.api.chat_stream(script(new_word(), {"words": 3, "stall": {"after": 2, "seconds": 3600}}), model="gpt-4o",
                                 max_tokens=1000) as stream:
        assert stream.next_data()
        held = exact(account.api.get("/v1/me"))["key"]["held_usd"]
        assert held > Decimal("0.014")
        answer = account.api.chat("hello", model="gpt-4o", max_tokens=1000)
        assert answer.status == 402 and held in numbers_in(answer.error["message"]), answer
    account.wait_usage(stream)
    assert account.api.chat("hello", model="gpt-4o", max_tokens=1000).status == 200


def test_the_narrowest_scope_is_named(world):
    team = Team(world)
    world.db.call("set_cap", "team", team.id, "0.002", "none")
    world.db.call("set_cap", "member", team.member_id, "0.001", "none")
    account = team.account
    account.set_cap("key", "0.003")
    answer = account.api.chat("hello", model="gpt-4o", max_tokens=5000)
    assert answer.error["code"] == "account_cap_exceeded" and Decimal("0.001") in numbers_in(answer.error["message"])
    world.db.call("set_cap", "member", team.member_id, None, "none")
    assert account.api.chat("hello", model="gpt-4o", max_tokens=5000).error["code"] == "team_cap_exceeded"
    world.db.call("set_cap", "team", team.id, None, "none")
    assert account.api.chat("hello", model="gpt-4o", max_tokens=5000).error["code"] == "key_cap_exceeded"


def test_the_team_pays(world):
    team = Team(world)
    before = team.payer.balance(), team.member_account.balance()
    answer = team.account.api.chat("hello")
    charge = team.account.usage(answer)["charge_usd"]
    assert charge > 0
    assert (team.payer.balance(), team.member_account.balance()) == (before[0] - charge, before[1])
    me = exact(team.account.api.get("/v1/me"))
    assert me["team"]["id"] == team.id and me["team"]["spent_usd"] == me["team"]["member"]["spent_usd"] == charge
    assert me["balance_usd"] == team.payer.balance()


class TestOutputLimit:
    def test_an_eighth_of_the_room_without_a_limit(self, world):
        """No max_tokens: the smaller of the model's maximum and what an eighth of the room pays, at least 256."""
        with world.account(usd="0.112") as account:
            word = new_word()
            answer = account.api.chat(word, model="gpt-4o")
            assert answer.status == 200, answer
            # 0.112 / 8 = 0.014 = 1000 tokens at 10 US dollars a million and 40 %
            assert answer.headers["x-aig-output-limit"] == "1000"
            assert world.fake.one(word)["json"]["max_completion_tokens"] == 1000

    def test_at_least_256(self, world):
        with world.account(usd="0.006") as account:
            word = new_word()
            answer = account.api.chat(word, model="gpt-4o")
            assert answer.status == 200, answer
            assert answer.headers["x-aig-output-limit"] == "256"
            assert world.fake.one(word)["json"]["max_completion_tokens"] == 256

    def test_in_a_stream(self, world):
        with world.account(usd="0.112") as account:
            with account.api.chat_stream("hello", model="gpt-4o") as stream:
                assert stream.headers["x-aig-output-limit"] == "1000"
                assert stream.chunks()[1]

    def test_choices_share_it(self, world):
        with world.account(usd="0.224") as account:
            word = new_word()
            answer = account.api.chat(word, model="gpt-4o", n=2)
            assert answer.status == 200 and answer.headers["x-aig-output-limit"] == "1000"
            assert world.fake.one(word)["json"]["max_completion_tokens"] == 1000

    def test_less_than_256_is_402(self, world):
        with world.account(usd="0.003") as account:
            answer = account.api.chat("hello", model="gpt-4o")
            assert answer.status == 402 and answer.error["code"] == "insufficient_credits", answer

    def test_the_likely_cost_fits_where_the_bound_does_not(self, world):
        """All that is left is held, and the charge is at most that."""
        text = "word " * 4000   # bound 20,000 tokens, likely a third
        with world.account(usd="0.040") as account:
            answer = account.api.chat(script(new_word(), {"usage": {"input": 5000, "output": 10}}) + text, model="gpt-4o", max_tokens=100)
            assert answer.status == 200, answer
            usage = account.usage(answer)
            assert usage["arithmetic"]["hold_usd"] == Decimal("0.040")
            assert usage["charge_usd"] == (5000 * Decimal("2.5") + 10 * 10) / 1000000 * Decimal("1.4")
        with world.account(usd="0.040") as account:
            answer = account.api.chat(script(new_word(), {"usage": {"input": 20000, "output": 100}}) + text, model="gpt-4o", max_tokens=100)
            usage = account.usage(answer)
            assert usage["charge_usd"] == Decimal("0.040") and usage["arithmetic"]["absorbed_usd"] > 0
            assert account.balance() == 0
            assert account.api.chat("hello").status == 402
