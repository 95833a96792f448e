# SPDX-License-Identifier: Apache-2.0
"""Keys as their owners manage them: in a session, seen by a key, used in calls."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from fake import new_word
from money import exact

KEY = re.compile(r"sk-aig-[0-9a-f]{48}")


@pytest.fixture
def web(account):
    return account.signed_in()


def make(web, **fields):
    answer = web.post("/v1/keys", {"name": "new", **fields})
    assert answer.status == 201, answer
    return answer.json


def soon(**span):
    return (datetime.now(timezone.utc) + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_shown_once(world, account, web):
    made = make(web, name="  laptop ü <b>  ")
    assert KEY.fullmatch(made["key"]) and made["name"] == "laptop ü <b>" and made["object"] == "key"
    assert made["prefix"] == made["key"][:11] and made["last4"] == made["key"][-4:]
    assert made["team"] is None and made["models"] is None and made["cap_usd"] is None and made["period"] == "none" and made["enabled"] is True
    assert made["owner"] == {"id": account.id, "email": account.email} and made["last_used_at"] is None
    listed = web.get("/v1/keys")
    assert made["key"] not in listed.body.decode() and account.key not in listed.body.decode()
    assert [k["id"] for k in listed.json["data"]] == [made["id"], account.key_id]
    assert account.api.with_key(made["key"]).chat().status == 200
    assert web.get("/v1/keys").json["data"][0]["last_used_at"]
    assert "no-store" in web.post("/v1/keys", {"name": "x"}).headers["cache-control"]
    assert world.db.value("SELECT COUNT(*) FROM api_key WHERE id = %s AND key_hash = UNHEX(SHA2(%s, 256))", made["id"], made["key"]) == 1


def test_everything_at_once(account, web):
    expires = soon(days=3)
    made = make(web, name="all", cap_usd="0.25", period="daily", expires_at=expires, models=["gpt-4o-mini", "claude-haiku-4-5"])
    assert (made["cap_usd"], made["period"], made["expires_at"], made["models"]) == (0.25, "daily", expires, ["claude-haiku-4-5", "gpt-4o-mini"])
    assert made["spent_usd"] == 0 and made["held_usd"] == 0 and made["resets_at"].endswith("T00:00:00Z")
    me = account.api.with_key(made["key"]).get("/v1/me").json
    assert me["key"]["cap_usd"] == 0.25 and me["key"]["expires_at"] == expires


@pytest.mark.parametrize("fields,param", [
    ({"name": ""}, "name"), ({"name": "   "}, "name"), ({"name": None}, "name"), ({"name": 7}, "name"), ({"name": "x" * 121}, "name"),
    ({"name": "a\nb"}, "name"), ({"name": "a\u0000b"}, "name"), ({"cap_usd": -1}, "cap_usd"), ({"cap_usd": "many"}, "cap_usd"), ({"cap_usd": True}, "cap_usd"),
    ({"cap_usd": 1e12}, "cap_usd"), ({"period": "yearly"}, "period"), ({"period": None}, "period"), ({"expires_at": "tomorrow"}, "expires_at"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"), ({"expires_at": "2099-02-30"}, "expires_at"), ({"expires_at": 99}, "expires_at"),
    ({"models": []}, "models"), ({"models": "gpt-4o"}, "models"), ({"models": [1]}, "models"), ({"models": ["no-such-model"]}, "models"),
    ({"models": ["x" * 200]}, "models"), ({"models": ["gpt-4o"] * 101}, "models"), ({"models": ["gpt\"-4o', '"]}, "models"),
    ({"cap": 5}, "cap"), ({"enabled": True}, "enabled"), ({"team_id": "1"}, "team_id"), ({"team_id": 0}, "team_id"),
])
def test_refused(world, account, web, fields, param):
    answer = web.post("/v1/keys", {"name": "fine", **fields})
    assert answer.status == 400 and answer.error["param"] == param, answer
    assert world.db.value("SELECT COUNT(*) FROM api_key WHERE account_id = %s", account.id) == 1


def test_names_of_120_characters(web):
    assert make(web, name="ü" * 120)["name"] == "ü" * 120
    assert web.post("/v1/keys", {"name": "ü" * 121}).status == 400


def test_change(account, web):
    made = make(web, cap_usd=5, period="daily")
    path = f"/v1/keys/{made['id']}"
    change = lambda **fields: web.call("PATCH", path, fields)  # noqa: E731
    assert change(name="other").json["name"] == "other"
    assert (change(period="weekly").json["cap_usd"], change(cap_usd=6).json["period"]) == (5, "weekly")
    assert change(cap_usd=None).json["cap_usd"] is None
    assert change(models=["gpt-4o"]).json["models"] == ["gpt-4o"] and change(models=None).json["models"] is None
    expires = soon(hours=1)
    assert change(expires_at=expires).json["expires_at"] == expires and change(expires_at=None).json["expires_at"] is None
    key = account.api.with_key(made["key"])
    assert change(enabled=False).json["enabled"] is False and key.get("/v1/me").error["code"] == "key_disabled"
    assert change(enabled=True).json["enabled"] is True and key.chat().status == 200
    same = change()
    assert same.status == 200 and same.json["name"] == "other" and "key" not in same.json
    for fields, param in (({"name": ""}, "name"), ({"team_id": 1}, "team_id"), ({"key": "x"}, "key"), ({"spent_usd": 0}, "spent_usd"),
                          ({"enabled": "no"}, "enabled"), ({"models": ["nope"]}, "models")):
        answer = change(**fields)
        assert answer.status == 400 and answer.error["param"] == param


def test_cap_of_a_key(account, web):
    made = make(web, cap_usd=0, period="monthly")
    answer = account.api.with_key(made["key"]).chat()
    assert answer.status == 402 and answer.error["code"] == "key_cap_exceeded" and "$0" in answer.error["message"]
    web.call("PATCH", f"/v1/keys/{made['id']}", {"cap_usd": 1})
    assert account.api.with_key(made["key"]).chat().status == 200
    key = exact(web.get("/v1/keys"))["data"][0]
    assert key["spent_usd"] == account.spent() > 0


def test_rotate(account, web):
    made = make(web, cap_usd=3, models=["gpt-4o-mini"])
    rotated = web.post(f"/v1/keys/{made['id']}/rotate", {})
    assert rotated.status == 200 and KEY.fullmatch(rotated.json["key"]) and rotated.json["key"] != made["key"]
    assert {k: v for k, v in rotated.json.items() if k not in ("key", "prefix", "last4")} == {
        k: v for k, v in made.items() if k not in ("key", "prefix", "last4")}
    assert account.api.with_key(made["key"]).get("/v1/me").status == 401
    assert account.api.with_key(rotated.json["key"]).chat().status == 200
    assert web.call("POST", f"/v1/keys/{made['id']}/rotate").status == 200, "no body is needed"


def test_delete(account, web):
    made = make(web)
    assert web.call("DELETE", f"/v1/keys/{made['id']}").status == 204
    assert account.api.with_key(made["key"]).chat().status == 401
    assert [k["id"] for k in web.get("/v1/keys").json["data"]] == [account.key_id]
    for method, path in (("DELETE", ""), ("PATCH", ""), ("POST", "/rotate")):
        assert web.call(method, f"/v1/keys/{made['id']}{path}", {} if method != "DELETE" else None).status == 404


def test_pages(account, web):
    made = [make(web, name=str(i))["id"] for i in range(5)]
    expected = [*reversed(made), account.key_id]
    seen, after = [], ""
    while True:
        page = web.get(f"/v1/keys?limit=4{after}").json
        seen += [k["id"] for k in page["data"]]
        assert page["has_more"] == (page["next"] is not None)
        if not page["has_more"]:
            break
        after = f"&after={page['next']}"
    assert seen == expected
    for query in ("limit=0", "limit=201", "limit=x", "limit=-1", "after=x", "limit=%zz", "limit=%00"):
        assert web.get(f"/v1/keys?{query}").status == 400, query
    assert len(web.get("/v1/keys?limit=&after=").json["data"]) == 6, "empty ones are absent"


def test_who_may(world, account, web):
    made = make(web)
    body = {"name": "x"}
    for method, path in (("POST", "/v1/keys"), ("PATCH", f"/v1/keys/{made['id']}"), ("POST", f"/v1/keys/{made['id']}/rotate")):
        assert account.api.call(method, path, body).status == 401, "a key makes no keys"
        assert account.signed_in(csrf=None).call(method, path, body).error["code"] == "csrf_failed"
        assert account.api.with_key(None).call(method, path, body).status == 401
    assert account.signed_in(csrf=None).call("DELETE", f"/v1/keys/{made['id']}").status == 403
    assert account.api.get("/v1/keys").status == 200, "reading is open to a key"
    with world.account() as other:
        theirs = other.signed_in()
        for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
            assert theirs.call(method, f"/v1/keys/{made['id']}{path}", {} if method != "DELETE" else None).status == 404
        assert made["id"] not in [k["id"] for k in theirs.get("/v1/keys").json["data"]]
    assert account.api.with_key(made["key"]).get("/v1/me").status == 200


class TestModels:
    """The list of models of a key, where it counts: in the admission."""

    def test_only_these(self, account, web):
        made = make(web, models=["gpt-4o-mini"])
        key = account.api.with_key(made["key"])
        assert key.chat(model="gpt-4o-mini").status == 200
        answer = key.chat(model="gpt-4o")
        assert answer.status == 403 and answer.error["code"] == "model_not_allowed" and answer.error["param"] == "model"
        assert "'gpt-4o'" in answer.error["message"] and "gpt-4o-mini" in answer.error["message"]
        with key.chat_stream(model="claude-haiku-4-5") as stream:
            assert stream.status == 403
        assert [m["id"] for m in key.get("/v1/models").json["data"]] == ["gpt-4o-mini"]
        assert key.get("/v1/models/gpt-4o-mini").status == 200 and key.get("/v1/models/gpt-4o").error["code"] == "model_not_allowed"
        assert key.get("/v1/models/no-such-model").status == 404
        assert len(account.api.get("/v1/models").json["data"]) > 40 and len(web.get("/v1/models").json["data"]) > 40

    def test_a_change_counts_at_once(self, account, web):
        made = make(web, models=["gpt-4o-mini"])
        key = account.api.with_key(made["key"])
        for models, status in ((["gpt-4o"], 403), (["gpt-4o", "gpt-4o-mini"], 200), (["claude-haiku-4-5"], 403), (None, 200)):
            web.call("PATCH", f"/v1/keys/{made['id']}", {"models": models})
            assert key.chat().status == status, models

    def test_a_disabled_key_says_that_first(self, account, web):
        made = make(web, models=["gpt-4o-mini"])
        web.call("PATCH", f"/v1/keys/{made['id']}", {"enabled": False})
        assert account.api.with_key(made["key"]).chat(model="gpt-4o").error["code"] == "key_disabled"

    def test_no_hedge_off_the_list(self, world, account, web):
        """A stand-in that is not on the list does not serve: the first failure is the answer."""
        made = make(web, models=["test-hedged"])
        key = account.api.with_key(made["key"])
        failing = f'[[fake:{{"openai":{{"status":500}},"openrouter":{{}}}}]] {new_word()}'
        world.db.rows("UPDATE route SET enabled = 1 WHERE model_id = (SELECT id FROM model WHERE name = 'test-hedged')")
        assert key.chat(failing, model="test-hedged").status == 502
        web.call("PATCH", f"/v1/keys/{made['id']}", {"models": ["test-hedged", "deepseek-v3.2"]})
        answer = key.chat(f'[[fake:{{"openai":{{"status":500}},"openrouter":{{}}}}]] {new_word()}', model="test-hedged")
        assert answer.status == 200 and answer.headers["x-aig-hedged-from"] == "openai"

    def test_many_at_once(self, account, web):
        from concurrent.futures import ThreadPoolExecutor
        made = make(web, models=["gpt-4o-mini"])
        key = account.api.with_key(made["key"])
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: (i % 2, key.chat(model="gpt-4o" if i % 2 else "gpt-4o-mini").status), range(48)))
        assert set(answers) == {(0, 200), (1, 403)}
