# SPDX-License-Identifier: Apache-2.0
"""Many at once: caps and balances hold, workers are admitted, nobody gets another's answer."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from client import Later, chat_body
from fake import new_word, script
from gate import Gate
from money import exact

CLIENTS = 64


def race(calls):
    """Runs the calls at the same time; their results."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(c) for c in calls]]


def worst_case(account, content, max_tokens):
    """What one such call holds, by asking for it with too small a cap."""
    other = account.new_key()
    other.set_cap("key", "0.000000001")
    answer = other.api.chat(content, model="gpt-4o", max_tokens=max_tokens)
    assert answer.status == 402
    probe = account.new_key()
    answer = probe.api.chat(content, model="gpt-4o", max_tokens=max_tokens)
    return probe.usage(answer)["arithmetic"]["hold_usd"]


@pytest.mark.parametrize("scope", ["key", "account", "balance"])
@pytest.mark.parametrize("stream", [False, True])
def test_64_clients_and_a_limit_that_fits_ten_calls(world, scope, stream):
    """The hold of a call is its whole cost here, so at most ten can ever succeed."""
    word = new_word()
    # the provider counts what the hold was made for: each call costs its hold, and the rest is absorbed
    content = script(word, {"usage": {"input": 100000, "output": 100}, "delay": 0.05})
    with world.account() as probe:
        hold = worst_case(probe, content, 100)
    usd = hold * 10 + hold / 2
    with world.account(usd=str(usd) if scope == "balance" else "10") as account:
        if scope != "balance":
            account.set_cap(scope, usd)
        body = chat_body(content, model="gpt-4o", max_tokens=100, stream=stream)
        answers = race([lambda: account.api.post("/v1/chat/completions", body)] * CLIENTS)
        good = [a for a in answers if a.status == 200]
        refused = [a for a in answers if a.status == 402]
        assert len(good) + len(refused) == CLIENTS, [a for a in answers if a.status not in (200, 402)]
        assert len(good) == 10
        code = {"key": "key_cap_exceeded", "account": "account_cap_exceeded", "balance": "insufficient_credits"}[scope]
        assert {a.error["code"] for a in refused} == {code}
        assert account.spent() == 10 * hold <= usd
        assert len([r for r in world.fake.requests(word) if r["status"] == 200]) - 1 == 10
        assert len({a.headers["x-request-id"] for a in answers}) == CLIENTS
    world.verify()


def test_the_limit_is_never_exceeded_while_they_run(world):
    """What is held and spent is looked at all the time while clients come and go."""
    with world.account() as account:
        account.set_cap("key", "0.02")
        running = Later(race, [lambda k=k: [account.api.chat(script(new_word(), {"words": 20}), model="gpt-4o", max_tokens=300 + k).status
                                            for _ in range(4)] for k in range(24)])
        seen = Decimal(0)
        while running.thread.is_alive():
            row = world.db.one("SELECT spent_usd, held_usd FROM api_key WHERE id = %s", account.key_id)
            seen = max(seen, row["spent_usd"] + row["held_usd"])
            assert row["spent_usd"] + row["held_usd"] <= Decimal("0.02"), row
        statuses = sum(running.result(), [])
        assert set(statuses) <= {200, 402} and 200 in statuses
        assert seen > 0


def test_nobody_gets_anothers_answer(world):
    with world.account() as account:
        def one(k):
            word = f"client{k:03d}x"
            answer = account.api.chat(f"{word} says something")
            assert answer.status == 200 and word in answer.json["choices"][0]["message"]["content"], answer
            with account.api.chat_stream(f"{word} streams") as stream:
                chunks, done = stream.chunks()
            assert done and word in "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
            return account.usage(answer)["charge_usd"] + account.usage(stream)["charge_usd"]
        before = account.balance()
        charges = race([lambda k=k: one(k) for k in range(48)])
        assert account.balance() == before - sum(charges)


@pytest.fixture(scope="module")
def gate():
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture(scope="module", params=["lighttpd", "apache-proxy"])
def front(request, world, gate):
    with world.front(request.param, openrouter_url=gate.url, threads="4", threads_reserved="2") as front:
        yield front


class TestAdmission:
    """threads = 4 and threads_reserved = 2: two model calls at a time, the others are told to come back."""

    def test_the_third_stream_waits_outside(self, world, gate, front):
        with world.account(front.api) as account:
            opening = [Later(account.api.chat_stream, "go", model="deepseek-v3") for _ in range(2)]
            calls = [gate.next(), gate.next()]
            for call in calls:
                call.begin_stream()
                call.text("running")
            streams = [o.result() for o in opening]
            for stream in (False, True):
                answer = account.api.chat("no room", stream=stream)
                assert answer.status == 503 and answer.headers["retry-after"] == "1", answer
                assert answer.error["code"] == "overloaded" and answer.error["type"] == "server_error"
            assert len(account.holds()) == 2, "the refused calls hold nothing"
            for path in ("/v1/me", "/v1/models", "/v1/health"):
                assert account.api.get(path).status == 200
            for call in calls:
                call.finish()
            for stream in streams:
                assert stream.chunks()[1]
                stream.close()
            assert account.api.chat("room again").status == 200

    def test_a_bad_key_is_told_so_even_then(self, world, gate, front):
        with world.account(front.api) as account:
            opening = [Later(account.api.chat_stream, "go", model="deepseek-v3") for _ in range(2)]
            calls = [gate.next(), gate.next()]
            answer = front.api.with_key("nonsense").chat()
            assert answer.status == 401, answer
            for call in calls:
                call.begin_stream()
                call.finish()
            for o in opening:
                assert o.result().chunks()[1]


def test_more_clients_than_threads_come_to_their_end(world):
    """Plain requests queue in the socket's backlog; none is lost."""
    with world.front("lighttpd", threads="4", threads_reserved="1") as front, world.account(front.api) as account:
        statuses = race([lambda: account.api.get("/v1/me").status] * 200)
        assert set(statuses) == {200}
        answers = race([lambda: account.api.chat("hello")] * 60)
        assert {a.status for a in answers} <= {200, 503}
        assert sum(a.status == 200 for a in answers) >= 3
        assert exact(account.api.get("/v1/me"))["held_usd"] == 0
