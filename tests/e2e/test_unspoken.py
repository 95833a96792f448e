# SPDX-License-Identifier: Apache-2.0
"""Models of providers that this version does not speak yet: 501, and nothing is held. A provider that is added leaves this list."""

import pytest
from fake import new_word

UNSPOKEN = {"anthropic": "claude-sonnet-4-6", "google": "gemini-3.5-flash", "openai-responses": "gpt-5.4"}


@pytest.mark.parametrize("provider", UNSPOKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_501(world, account, provider, stream):
    word = new_word()
    answer = account.api.chat(word, model=UNSPOKEN[provider], stream=stream)
    assert answer.status == 501, answer
    error = answer.error
    assert error["code"] == "not_implemented" and error["param"] == "model" and UNSPOKEN[provider] in error["message"]
    assert world.fake.requests(word) == []
    assert account.db.rows("SELECT id FROM hold WHERE account_id = %s", account.id) == []


def test_a_bad_key_is_still_401(world):
    answer = world.api.with_key("sk-aig-" + 48 * "0").chat(model="claude-sonnet-4-6")
    assert answer.status == 401
