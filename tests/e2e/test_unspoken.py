# SPDX-License-Identifier: Apache-2.0
"""Chat models of a provider whose chat interface this version does not speak: 501, and nothing is held."""

import pytest
from fake import new_word

MODEL = "test-unspoken"     # routed to a provider of media


@pytest.mark.parametrize("stream", [False, True])
def test_501(world, account, stream):
    word = new_word()
    answer = account.api.chat(word, model=MODEL, stream=stream)
    assert answer.status == 501, answer
    error = answer.error
    assert error["code"] == "not_implemented" and error["param"] == "model" and MODEL in error["message"]
    assert world.fake.requests(word) == []
    assert account.db.rows("SELECT id FROM hold WHERE account_id = %s", account.id) == []


def test_a_bad_key_is_still_401(world):
    assert world.api.with_key("sk-aig-" + 48 * "0").chat(model=MODEL).status == 401
