# SPDX-License-Identifier: Apache-2.0
"""Teams over HTTP: invitations by mail, roles, caps, keys that a payer pays for. The matrix of permissions is in tests/sql."""

import re

import pytest
from money import exact


class Team:
    """An owner who pays, an admin, a member; `web` of each is its session."""

    def __init__(self, world, front):
        self.world, self.front = world, front
        self.owner, self.admin, self.member = (world.account(front.api, usd=usd) for usd in ("10", None, None))
        for who in (self.owner, self.admin, self.member):
            who.web = who.signed_in()
        made = self.owner.web.post("/v1/teams", {"name": "Lab"})
        assert made.status == 201, made
        self.id, self.path = made.json["id"], f"/v1/teams/{made.json['id']}"
        self.join(self.admin, "admin")
        self.join(self.member, "member")
        self.members = {m["email"]: int(m["id"]) for m in self.see(self.owner)["members"]}

    def see(self, who):
        answer = who.web.get(self.path)
        assert answer.status == 200, answer
        return exact(answer)

    def invite(self, email, role="member", by=None):
        answer = (by or self.owner).web.post(f"{self.path}/invitations", {"email": email, "role": role})
        assert answer.status == 201, answer
        return self.mail(email)

    def mail(self, email):
        """The token in the newest mail to this address."""
        mail = self.world.db.rows("SELECT * FROM outbox_mail WHERE recipient = %s AND kind = 'invite' ORDER BY id DESC LIMIT 1", email)[0]
        link = re.search(r"https://ai\.example\.org/dashboard/#invite=([0-9a-f]{64})", mail["body"])
        assert link and link[1] not in mail["subject"], mail
        return link[1]

    def join(self, who, role):
        answer = who.web.post("/v1/invitations/accept", {"token": self.invite(who.email, role)})
        assert answer.status == 200 and answer.json["id"] == self.id, answer

    def number(self, who):
        return self.members[who.email]

    def key(self, who, **fields):
        made = who.web.post("/v1/keys", {"name": "team key", "team_id": self.id, **fields})
        assert made.status == 201, made
        return made.json

    def call(self, who, method, path="", body=None):
        return who.web.call(method, self.path + path, body)


@pytest.fixture(scope="module")
def front(world):
    with world.front("lighttpd", public_url="https://ai.example.org") as front:
        yield front


@pytest.fixture
def team(world, front):
    team = Team(world, front)
    yield team
    for who in (team.owner, team.admin, team.member):
        who.check()


def test_a_team_of_three(world, team):
    seen = team.see(team.owner)
    assert seen["name"] == "Lab" and seen["role"] == "owner" and seen["payer"] == {"id": team.owner.id, "email": team.owner.email}
    assert [(m["email"], m["role"]) for m in seen["members"]] == [(team.owner.email, "owner"), (team.admin.email, "admin"), (team.member.email, "member")]
    made = team.key(team.member, cap_usd=2)
    assert made["team"] == {"id": team.id, "name": "Lab"} and made["owner"]["email"] == team.member.email
    key = team.front.api.with_key(made["key"])
    assert key.chat().status == 200
    charge = team.owner.spent()
    assert charge > 0 and team.member.spent() == 0, "the payer pays"
    me = exact(key.get("/v1/me"))
    assert me["team"]["id"] == team.id and me["team"]["member"]["spent_usd"] == charge == me["team"]["spent_usd"] and me["balance_usd"] == 10 - charge
    by_email = {m["email"]: m for m in team.see(team.owner)["members"]}
    assert by_email[team.member.email]["spent_usd"] == charge and by_email[team.admin.email]["spent_usd"] == 0
    # The owner and the admin see the key, another member's session does not, and nobody sees the payer's books by it.
    assert made["id"] in [k["id"] for k in team.owner.web.get("/v1/keys").json["data"]]
    assert made["id"] in [k["id"] for k in team.admin.web.get("/v1/keys").json["data"]]
    for path in ("/v1/credit", "/v1/statements", "/v1/statements/2026-11"):
        assert key.get(path).status == 403, path
    # A mere member sees who is there, and only its own figures.
    mine = team.see(team.member)
    assert {m["email"]: m["spent_usd"] for m in mine["members"]} == {team.owner.email: None, team.admin.email: None, team.member.email: charge}
    assert mine["invitations"] == []
    assert team.member.web.get("/v1/me").json["team"] is None


def test_402_says_which_cap(team):
    key = team.front.api.with_key(team.key(team.member)["key"])
    for path, code, words in ((f"/members/{team.number(team.member)}", "account_cap_exceeded", "as a member of the team"), ("", "team_cap_exceeded", "team's cap")):
        changed = team.call(team.owner, "PATCH", path, {"cap_usd": 0, "period": "monthly"})
        assert changed.status == 200, changed
        answer = key.chat()
        assert answer.status == 402 and answer.error["code"] == code and words in answer.error["message"]
        assert team.call(team.owner, "PATCH", path, {"cap_usd": None}).status == 200
    assert key.chat().status == 200
    seen = team.see(team.owner)
    assert seen["period"] == "monthly" and seen["spent_usd"] == team.owner.spent()


def test_invitations(world, team):
    with world.account(team.front.api, usd=None) as guest, world.account(team.front.api, usd=None) as other:
        guest.web, other.web = guest.signed_in(), other.signed_in()
        token = team.invite(guest.email.upper(), by=team.admin)
        listed = team.see(team.admin)["invitations"]
        assert [(i["email"].lower(), i["role"]) for i in listed] == [(guest.email, "member")] and token not in str(listed)
        answer = other.web.post("/v1/invitations/accept", {"token": token})
        assert answer.status == 403 and guest.email in answer.error["message"].lower()
        assert guest.web.post("/v1/invitations/accept", {"token": token}).status == 200
        assert guest.web.post("/v1/invitations/accept", {"token": token}).status == 404, "once"
        assert team.call(team.admin, "POST", "/invitations", {"email": guest.email, "role": "member"}).status == 400, "is in already"
        token = team.invite(other.email)
        number = team.see(team.owner)["invitations"][0]["id"]
        assert team.call(team.member, "DELETE", f"/invitations/{number}").status == 403
        assert team.call(team.admin, "DELETE", f"/invitations/{number}").status == 204
        assert other.web.post("/v1/invitations/accept", {"token": token}).status == 404
        for bad in ("", "x", "0" * 64, None, 5, ["x"]):
            assert other.web.post("/v1/invitations/accept", {"token": bad}).status in (400, 404)
        assert other.web.get("/v1/teams").json["data"] == [] and other.web.get(team.path).status == 404
        assert [t["role"] for t in guest.web.get("/v1/teams").json["data"]] == ["member"]


@pytest.mark.parametrize("body,param", [
    ({"email": "nobody", "role": "member"}, "email"), ({"email": "a@b.org\r\nBcc: c@d.org", "role": "member"}, "email"), ({"role": "member"}, "email"),
    ({"email": "x" * 250 + "@b.org"}, "email"), ({"email": "a@b.org", "role": "owner"}, "role"), ({"email": "a@b.org", "role": 1}, "role"),
    ({"email": "a@b.org", "team": 1}, "team")])
def test_bad_invitations(team, body, param):
    answer = team.call(team.owner, "POST", "/invitations", body)
    assert answer.status == 400 and answer.error["param"] == param, answer


def test_leaving_and_removing(team):
    first, second = team.key(team.member), team.key(team.admin)
    use = lambda made: team.front.api.with_key(made["key"]).chat().status  # noqa: E731
    assert use(first) == use(second) == 200
    assert team.call(team.owner, "DELETE", f"/members/{team.number(team.owner)}").status == 403, "the payer stays"
    assert team.call(team.member, "DELETE", f"/members/{team.number(team.admin)}").status == 403
    assert team.call(team.admin, "DELETE", f"/members/{team.number(team.member)}").status == 204
    assert use(first) == 401 and use(second) == 200, "the member's keys, at once"
    assert team.member.web.get(team.path).status == 404
    assert team.member.web.post("/v1/keys", {"name": "x", "team_id": team.id}).status == 404
    answer = team.member.web.call("PATCH", f"/v1/keys/{first['id']}", {"enabled": True})
    assert answer.status == 403 and "left the team" in answer.error["message"]
    assert team.call(team.admin, "DELETE", f"/members/{team.number(team.admin)}").status == 204, "leaves"
    assert use(second) == 401 and team.admin.web.get("/v1/teams").json["data"] == []
    assert [m["email"] for m in team.see(team.owner)["members"]] == [team.owner.email]


def test_keys_of_others(team):
    made = team.key(team.member)
    path = f"/v1/keys/{made['id']}"
    for who in (team.owner, team.admin):
        assert who.web.call("PATCH", path, {"cap_usd": 1, "period": "daily"}).status == 200
        answer = who.web.post(f"{path}/rotate", {})
        assert answer.status == 403 and "key" not in answer.json
    admins = team.key(team.admin)
    assert team.member.web.call("PATCH", f"/v1/keys/{admins['id']}", {"enabled": False}).status == 404
    assert team.owner.web.call("PATCH", path, {"enabled": False}).json["enabled"] is False
    assert team.front.api.with_key(made["key"]).chat().status == 401
    assert team.admin.web.call("DELETE", path).status == 204


def test_transfer(world, team):
    made = team.key(team.member)
    key = team.front.api.with_key(made["key"])
    key.chat()
    before = team.owner.spent()
    number = team.number(team.admin)
    assert team.call(team.admin, "POST", "/transfer", {"member_id": number}).status == 400, "nothing was offered"
    assert team.call(team.member, "POST", "/transfer", {"member_id": number}).status == 403
    offered = team.call(team.owner, "POST", "/transfer", {"member_id": number})
    assert offered.status == 200 and offered.json["transfer_offered_to"] == number and offered.json["role"] == "owner"
    world.db.call("grant_credit", team.admin.email, 5, "to pay with")
    taken = team.call(team.admin, "POST", "/transfer", {"member_id": number})
    assert taken.status == 200 and taken.json["role"] == "owner" and taken.json["payer"]["email"] == team.admin.email
    assert taken.json["transfer_offered_to"] is None
    assert key.chat().status == 200
    assert team.owner.spent() == before and team.admin.spent() > 0
    assert team.see(team.owner)["role"] == "admin"
    for body in ({}, {"member_id": None}, {"member_id": "1"}, {"member_id": 1, "to": 2}):
        assert team.call(team.admin, "POST", "/transfer", body).status == 400
    assert team.call(team.admin, "POST", "/transfer", {"member_id": 999999}).status == 404


def test_names_and_roles(team):
    assert team.call(team.admin, "PATCH", "", {"name": "<img src=x onerror=alert(1)>"}).json["name"] == "<img src=x onerror=alert(1)>"
    assert team.call(team.admin, "PATCH", "", {"cap_usd": 1}).status == 403, "the payer's"
    assert team.call(team.member, "PATCH", "", {"name": "mine"}).status == 403
    path = f"/members/{team.number(team.member)}"
    assert team.call(team.admin, "PATCH", path, {"role": "admin"}).status == 403
    assert {m["role"] for m in team.call(team.owner, "PATCH", path, {"role": "admin"}).json["members"][1:]} == {"admin"}
    assert team.call(team.owner, "PATCH", path, {"role": "owner"}).status == 400
    for fields in ({"name": ""}, {"name": "x" * 121}, {"cap_usd": -1}, {"period": "yearly"}, {"payer": 1}):
        assert team.call(team.owner, "PATCH", "", fields).status == 400, fields
    assert team.owner.web.post("/v1/teams", {}).status == 400


def test_who_may(world, team):
    for method, path, body in (("POST", "/v1/teams", {"name": "x"}), ("PATCH", team.path, {"name": "x"}), ("POST", "/v1/invitations/accept", {"token": "x"}),
                               ("POST", f"{team.path}/invitations", {"email": "a@b.org"}), ("DELETE", f"{team.path}/members/1", None),
                               ("POST", f"{team.path}/transfer", {"member_id": 1})):
        assert team.owner.api.call(method, path, body).status == 401, "not by key"
        assert team.owner.signed_in(csrf=None).call(method, path, body).status == 403
        assert team.owner.signed_in(csrf="0" * 64).call(method, path, body).status == 403
    assert team.owner.api.get(team.path).status == 200 and team.owner.api.get("/v1/teams").json["data"][0]["id"] == team.id
    with world.account(team.front.api, usd=None) as stranger:
        stranger.web = stranger.signed_in()
        assert stranger.web.get(team.path).status == 404
        for method, path, body in (("PATCH", "", {"name": "x"}), ("POST", "/invitations", {"email": "a@b.org"}), ("POST", "/transfer", {"member_id": 1}),
                                   ("PATCH", f"/members/{team.number(team.member)}", {"cap_usd": 1}), ("DELETE", f"/members/{team.number(team.member)}", None)):
            assert team.call(stranger, method, path, body).status == 404, (method, path)
    for path in ("/v1/teams/0x1", "/v1/teams/-1", "/v1/teams/99999999999", f"{team.path}/members/x"):
        assert team.owner.web.call("DELETE" if "members" in path else "GET", path).status == 404
