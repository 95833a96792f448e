# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key through the OpenAI SDK for Python: extra_headers of a call."""

import openai
import pytest
from client import GUARD_S, Later
from fake import new_word, script

MODEL = "gpt-4o-mini"


@pytest.fixture
def client(account):
    with openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
        yield client


def user(text):
    return [{"role": "user", "content": text}]


def charges(account):
    return len(account.db.rows("SELECT id FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id))


def test_chat(client, account):
    headers = {"Idempotency-Key": new_word()}
    answers = [client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hello there"), extra_headers=headers) for _ in range(2)]
    first, again = [a.parse() for a in answers]
    assert first == again and first._request_id == again._request_id and "hello there" in again.choices[0].message.content
    assert [a.headers.get("x-aig-idempotent-replay") for a in answers] == [None, "true"]
    assert charges(account) == 1


def test_stream(client, account):
    headers = {"Idempotency-Key": new_word()}
    seen = [list(client.chat.completions.create(model=MODEL, messages=user("one two three"), stream=True, stream_options={"include_usage": True},
                                                extra_headers=headers)) for _ in range(2)]
    assert seen[0] == seen[1] and len(seen[0]) > 3 and seen[1][-1].usage.cost > 0
    assert charges(account) == 1


def test_embeddings(client, account):
    headers = {"Idempotency-Key": new_word()}
    first, again = [client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], extra_headers=headers) for _ in range(2)]
    assert first == again and len(first.data) == 2
    assert charges(account) == 1


def test_another_call(client):
    headers = {"Idempotency-Key": new_word()}
    client.chat.completions.create(model=MODEL, messages=user("one"), extra_headers=headers)
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("two"), extra_headers=headers)
    assert caught.value.code == "idempotency_key_reused"


def test_the_sdk_waits_for_the_other_request(account, world):
    """It repeats a 409 by itself, after the time that the gateway names, and then has the first one's answer."""
    word = new_word()
    with openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=5) as client:
        def ask():
            return client.chat.completions.create(model=MODEL, messages=user(script(word, {"delay": 0.7})), extra_headers={"Idempotency-Key": word})

        first = Later(ask)
        world.fake.started(word)
        assert ask() == first.result()
    assert len(world.fake.requests(word)) == 1 and charges(account) == 1
