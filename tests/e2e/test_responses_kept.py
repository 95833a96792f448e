# SPDX-License-Identifier: Apache-2.0
"""Responses that are kept because their request says "store": true: previous_response_id, item_reference, GET, DELETE, input_items."""

import json

import pytest
from fake import new_word, script
from responses import calls_of, check_response, text_of
from test_responses import TOOL, good, post, stream, whole

MODELS = ["gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"]


def rows(account):
    return account.db.rows("SELECT * FROM stored_response WHERE owner_id = %s ORDER BY id", account.id)


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_goes_on(account, world, model):
    first_word, second_word, third_word = new_word(), new_word(), new_word()
    first = good(account.api, first_word, model=model, store=True)
    second = whole(account.api, second_word, model=model, store=True, previous_response_id=first["id"], instructions="only once")
    third = good(account.api, [{"role": "user", "content": third_word}], model=model, previous_response_id=second["id"])
    assert first["store"] is second["store"] is True and third["store"] is False
    assert first["previous_response_id"] is None and third["previous_response_id"] == second["id"]
    sent = world.fake.one(third_word)["body"]
    for text in (first_word, text_of(first), second_word, text_of(second), third_word):
        assert json.dumps(text)[1:-1] in sent
    assert "only once" not in sent and "previous_response_id" not in sent
    assert [r["id"] for r in rows(account)] == [first["id"], second["id"]]


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_loop_goes_on(account, world, model):
    word = new_word()
    first = good(account.api, word + " use tool", model=model, store=True, tools=[TOOL], reasoning={"effort": "low"})
    output = {"type": "function_call_output", "call_id": calls_of(first)[0]["call_id"], "output": "all-is-" + word}
    second = good(account.api, [output], model=model, previous_response_id=first["id"], tools=[TOOL], reasoning={"effort": "low"})
    assert "all-is-" + word in text_of(second)


def test_what_is_kept_can_be_read(account):
    first = good(account.api, new_word(), store=True, instructions="short", metadata={"a": "b"})
    assert account.api.get(f"/v1/responses/{first['id']}").json == first
    more = [{"role": "user", "content": [{"type": "input_text", "text": "more"}]}, {"role": "assistant", "content": "well"}, {"role": "user", "content": "so"}]
    second = good(account.api, more, store=True, previous_response_id=first["id"])
    check_response(account.api.get(f"/v1/responses/{second['id']}").json)
    items = account.api.get(f"/v1/responses/{second['id']}/input_items?order=asc").json
    assert items["object"] == "list" and items["has_more"] is False
    assert [(i["type"], i.get("role")) for i in items["data"]] == [("message", "user"), ("reasoning", None), ("message", "assistant"), ("message", "user"),
                                                                  ("message", "assistant"), ("message", "user")]
    assert items["data"][0]["content"][0]["type"] == "input_text" and items["data"][4]["content"][0]["type"] == "output_text"
    assert len({i["id"] for i in items["data"]}) == 6 and (items["first_id"], items["last_id"]) == (items["data"][0]["id"], items["data"][5]["id"])
    seen, after = [], ""
    while True:
        page = account.api.get(f"/v1/responses/{second['id']}/input_items?limit=4{after}").json
        seen += page["data"]
        if not page["has_more"]:
            break
        after = "&after=" + page["last_id"]
    assert seen == items["data"][::-1]
    for query in ("limit=0", "limit=101", "limit=x", "order=up"):
        assert account.api.get(f"/v1/responses/{second['id']}/input_items?{query}").status == 400


def test_deleting(account):
    first = good(account.api, new_word(), store=True)
    second = good(account.api, new_word(), store=True, previous_response_id=first["id"])
    answer = account.api.call("DELETE", f"/v1/responses/{first['id']}")
    assert answer.status == 200 and answer.json == {"id": first["id"], "object": "response", "deleted": True}
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items")):
        assert account.api.call(method, f"/v1/responses/{first['id']}{path}").status == 404
    assert account.api.get(f"/v1/responses/{second['id']}").json["id"] == second["id"]
    for previous in (first["id"], second["id"]):    # of which a part is gone
        gone = post(account.api, "go on", previous_response_id=previous)
        assert gone.status == 400 and gone.error["code"] == "previous_response_not_found" and gone.error["param"] == "previous_response_id"
    assert account.db.rows("SELECT * FROM stored_item WHERE response_id = %s", first["id"]) == []


def test_nothing_is_kept_unasked(account):
    for more in ({}, {"store": False}, {"store": None}):
        response = good(account.api, new_word() + " use tool", model="claude-sonnet-4-6", tools=[TOOL], reasoning={"effort": "high"}, **more)
        assert response["store"] is False and account.api.get(f"/v1/responses/{response['id']}").status == 404
        if more.get("store") is False:
            assert account.db.rows("SELECT * FROM reasoning_carry WHERE account_id = %s", account.id) == before
        before = account.db.rows("SELECT * FROM reasoning_carry WHERE account_id = %s", account.id)
    assert rows(account) == []


def test_what_fails_is_not_kept(account):
    assert post(account.api, script(new_word(), {"status": 400}), store=True).status == 400
    with stream(account.api, script(new_word(), {"words": 9, "cut": {"after": 8, "how": "hard"}}), store=True) as answer:
        events, _ = answer.chunks()
    assert events[-1]["type"] == "response.failed" and events[-1]["response"]["store"] is False
    assert rows(account) == []


def test_items_are_referred_to(account, world):
    for model in MODELS:
        first = good(account.api, new_word(), model=model, store=True)
        message = first["output"][-1]
        word = new_word()
        items = [{"type": "item_reference", "id": i["id"]} for i in first["output"]] + [{"role": "user", "content": word}]
        good(account.api, items, model=model)
        sent = world.fake.one(word)["body"]
        assert json.dumps(text_of(first))[1:-1] in sent and "item_reference" not in sent
        account.api.call("DELETE", f"/v1/responses/{first['id']}")
        answer = post(account.api, items, model=model)
        assert answer.status == 400 and message["id"] in answer.error["message"] and answer.error["param"].endswith(".id")
    # reasoning that nobody has kept is left out
    word = new_word()
    good(account.api, [{"type": "item_reference", "id": "rs_1"}, {"role": "user", "content": word}])
    assert "rs_1" not in world.fake.one(word)["body"]


def test_nobody_else_sees_it(account, world):
    word = new_word()
    first = good(account.api, word, store=True)
    same_owner = account.new_key()
    assert same_owner.api.get(f"/v1/responses/{first['id']}").status == 200
    with world.account() as other:
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items")):
            assert other.api.call(method, f"/v1/responses/{first['id']}{path}").status == 404
        assert post(other.api, "x", previous_response_id=first["id"]).status == 400
        assert post(other.api, [{"type": "item_reference", "id": first["output"][-1]["id"]}, {"role": "user", "content": "x"}]).status == 400
    assert account.api.with_key(None).get(f"/v1/responses/{first['id']}").status == 401
    row, = rows(account)
    assert row["account_id"] == account.id and word.encode() not in row["sealed"] and b"output" not in row["sealed"]
    for path in ("resp_", "resp_" + 26 * "0", "x" * 200, "resp_%20", first["id"].lower()):
        assert account.api.get(f"/v1/responses/{path}").status == 404


def test_bounds(account, world):
    large = "x" * (4 * 1024 * 1024)
    answer = post(account.api, new_word() + large, store=True, model="gpt-5.4")
    assert answer.status == 400 and answer.error["param"] == "store" and account.spent() == 0
    first = good(account.api, new_word(), store=True)
    account.db.rows("UPDATE stored_response SET depth = 64 WHERE id = %s", first["id"])
    answer = post(account.api, "x", store=True, previous_response_id=first["id"])
    assert answer.status == 400 and answer.error["param"] == "previous_response_id" and "too long" in answer.error["message"]
    assert post(account.api, "x", previous_response_id=first["id"]).status == 200
    account.db.rows("UPDATE stored_response SET depth = 1, chain_bytes = 16777216 WHERE id = %s", first["id"])
    assert post(account.api, "x", store=True, previous_response_id=first["id"]).status == 400


def test_an_answer_that_is_too_large_says_that_it_is_not_kept(account):
    # the input alone fits
    response = good(account.api, script(new_word(), {"body_bytes": 2500000}) + "x" * 2000000, store=True, model="gpt-5.4")
    assert response["store"] is False and rows(account) == []


def test_a_large_one(world):
    with world.account(usd="100") as account:
        word = new_word()
        first = good(account.api, word + "x" * 3900000, store=True, model="gpt-5.4")
        assert first["store"] is True
        assert account.api.get(f"/v1/responses/{first['id']}/input_items").json["data"][0]["content"][0]["text"].startswith(word)
        assert good(account.api, "go on", previous_response_id=first["id"])["store"] is False


def test_time_is_over(account, world):
    first = good(account.api, new_word(), store=True)
    days = account.db.value("SELECT DATEDIFF(expires_at, created_at) FROM stored_response WHERE id = %s", first["id"])
    assert days == 30
    account.db.rows("UPDATE stored_response SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE id = %s", first["id"])
    assert account.api.get(f"/v1/responses/{first['id']}").status == 404
    assert post(account.api, "x", previous_response_id=first["id"]).status == 400
    assert world.cron("release-holds", "--once").returncode == 0
    assert rows(account) == []


def test_without_a_secret_key(world):
    with world.front("lighttpd", secret_key="") as front, world.account(front.api) as account:
        answer = post(account.api, "x", store=True)
        assert answer.status == 501 and answer.error["param"] == "store"
        assert post(account.api, "x").status == 200


def test_another_secret_key_opens_nothing(world):
    with world.account() as account:
        first = good(account.api, new_word(), store=True)
        with world.front("lighttpd", secret_key="k" * 64) as front:
            other = front.api.with_key(account.key)
            answer = other.get(f"/v1/responses/{first['id']}")
            assert answer.status == 404 and "no longer be read" in answer.error["message"]
        assert account.api.get(f"/v1/responses/{first['id']}").status == 200


def test_odd_references(account):
    """Ids that cannot be any, and more of them than can be looked for: the client's fault, not ours."""
    odd = "resp_" + "\u00e4" * 13    # as many bytes as an id has
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items")):
        assert account.api.call(method, f"/v1/responses/{odd.replace(chr(0xe4), '%C3%A4')}{path}").status == 404
    answer = post(account.api, "go on", previous_response_id=odd)
    assert answer.status == 400 and answer.error["code"] == "previous_response_not_found"
    for name in ("msg_\u00e4", "msg_" + "a" * 200, "", "msg_\U0001f600"):
        answer = post(account.api, [{"type": "item_reference", "id": name}, {"role": "user", "content": "hi"}])
        assert answer.status == 400 and answer.error["param"] == "input[0].id", answer
    many = [{"type": "item_reference", "id": f"msg_{i:090}"} for i in range(50000)]
    answer = post(account.api, many + [{"role": "user", "content": "hi"}])
    assert answer.status == 400, answer
