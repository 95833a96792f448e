# SPDX-License-Identifier: Apache-2.0
"""An upstream that says nothing for a while, behind every web server. The fronts run side by side, since this takes seconds:
keep-alive comments come every five."""

import contextlib

import pytest
from client import Later
from gate import Gate
from world import ALL_FRONTS

GATED = "deepseek-v3"


@pytest.fixture(scope="module")
def fronts(world):
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in ALL_FRONTS:
            gate = Gate()
            stack.callback(gate.close)
            made[kind] = (stack.enter_context(world.front(kind, openrouter_url=gate.url)), gate)
        yield made


def on_all(fronts, check):
    """Runs check(front, gate) for all fronts at once; says which one failed."""
    running = {kind: Later(check, *pair) for kind, pair in fronts.items()}
    failed = {}
    for kind, one in running.items():
        try:
            one.result()
        except Exception as problem:  # noqa: BLE001 - all are reported together
            failed[kind] = repr(problem)
    assert failed == {}


def test_keep_alive_comments(world, fronts):
    """The client hears of a call whose upstream is silent, and what comes late arrives."""
    def check(front, gate):
        with world.account(front.api) as account:
            opening = Later(account.api.chat_stream, "go", model=GATED)
            call = gate.next()
            call.begin_stream()
            with opening.result() as stream:    # its head comes with the first comment
                event = stream.next()
                assert event.data is None and event.comment == "keep-alive"
                call.text("late")
                assert stream.next_data().json["choices"][0]["delta"]["content"] == "late"
                call.finish()
                assert stream.chunks()[1]
            assert account.usage(stream)["status"] == "ok"
    on_all(fronts, check)


def test_client_leaves_a_silent_stream(world, fronts):
    """lighttpd passes the client's leaving on at once; elsewhere a keep-alive comment cannot be written. The upstream's call is
    closed, and what was delivered is charged."""
    def check(front, gate):
        with world.account(front.api) as account:
            opening = Later(account.api.chat_stream, "go", model=GATED)
            call = gate.next()
            call.begin_stream()
            call.text("first ")
            stream = opening.result()
            assert stream.next_data()
            stream.close()
            call.wait_gone()
            usage = account.wait_usage(stream)
            assert usage["status"] == "client_gone" and usage["estimated"] is True and usage["charge_usd"] > 0
    on_all(fronts, check)


def test_client_leaves_before_the_answer(world, fronts):
    """Nothing was delivered, so nothing is charged. Where the server tells, the upstream's call is closed, too; a plain call cannot
    find out otherwise."""
    def check(front, gate):
        with world.account(front.api) as account:
            for stream in (True, False) if front.kind in ("lighttpd", "lighttpd-spawn") else (True,):
                sock = account.api.send_only("/v1/chat/completions", "go", model=GATED, stream=stream)
                call = gate.next()
                sock.close()
                call.wait_gone()
            account.check()
            assert account.spent() == 0
    on_all(fronts, check)
