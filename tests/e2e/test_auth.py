# SPDX-License-Identifier: Apache-2.0
"""Sign-up, verification, sign-in, reset and sessions, with a real mail server at the other end."""

import base64
import contextlib
import hashlib
import json
import re
import secrets
from http.cookies import SimpleCookie

import pytest
from client import Later, csrf_of
from fastcgi import call, params_of
from sink import Sink

PASSWORD = "correct horse battery"
LINK = re.compile(r"/dashboard/#(verify|reset)=")


class Site:
    """A gateway that can send mails, and somebody in front of it."""

    def __init__(self, world, front, sink):
        self.world, self.db, self.front, self.api, self.sink = world, world.db, front, front.api, sink

    def calm(self):
        """Forgets all attempts: the tests come from one network."""
        self.db.rows("DELETE FROM throttle")

    def send(self):
        done = self.world.cron("send-mail", stack=self.front.stack)
        assert done.returncode == 0, done.stdout + done.stderr

    def signup(self, email, password=PASSWORD, **more):
        return self.api.post("/v1/auth/signup", dict({"email": email, "password": password}, **more))

    def link(self, email):
        """The newest link that an address was sent."""
        self.send()
        mail = self.sink.newest(email)
        return mail.token(LINK.search(mail.text)[1])

    def verify(self, token):
        return self.api.post("/v1/auth/verify", {"token": token})

    def open(self, email=None, **more):
        """A new account by the whole way; (address, answer of the verification)."""
        email = email or new_address()
        self.calm()
        assert self.signup(email, **more).status == 202
        answer = self.verify(self.link(email))
        assert answer.status == 200, answer
        return email, answer

    def person(self, password=PASSWORD):
        """Somebody who has signed up long ago; the password is hashed with parameters that are quick to check."""
        email = new_address()
        self.db.call("create_account", email, "Ann")
        self.db.rows("UPDATE account SET password_hash = %s, verified_at = UTC_TIMESTAMP() WHERE email = %s", quick_hash(password), email)
        return email

    def login(self, email, password=PASSWORD, **kw):
        return self.api.post("/v1/auth/login", {"email": email, "password": password}, **kw)

    def reset(self, email):
        return self.api.post("/v1/auth/reset", {"email": email})

    def account(self, email):
        return self.db.rows("SELECT * FROM account WHERE email = %s", email)


def new_address(domain="example.org"):
    return f"{secrets.token_hex(6)}@{domain}"


def quick_hash(password):
    salt = secrets.token_bytes(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)
    return "$scrypt$ln=10,r=8,p=1$" + "$".join(base64.b64encode(part).decode().rstrip("=") for part in (salt, key))


def cookie_of(answer):
    return SimpleCookie(answer.headers["set-cookie"])["aig_session"]


def token_of(answer):
    return cookie_of(answer).value


@pytest.fixture(scope="module")
def site(world):
    with Sink() as sink, world.front("lighttpd", mail_url=f"smtp://127.0.0.1:{sink.port}", mail_from="AI Generate <no-reply@aig.example>",
                                     public_url="https://aig.example") as front:
        yield Site(world, front, sink)


@pytest.fixture(autouse=True)
def calm(site):
    site.calm()


@pytest.fixture(scope="module")
def person(site):
    """Somebody with an account and PASSWORD, for tests that change neither."""
    return site.person()


@pytest.fixture
def member(world, site):
    """An account that is signed in, without the work of a password."""
    with world.account(site.api) as account:
        yield account


class TestSignup:
    def test_the_whole_way(self, site):
        email = new_address()
        answer = site.signup(email, name="Ann Émile")
        assert answer.status == 202 and answer.headers["cache-control"] == "no-store" and "set-cookie" not in answer.headers
        assert site.account(email) == []
        assert site.login(email).error["code"] == "invalid_credentials", "not before the address is verified"
        token = site.link(email)
        mail = site.sink.newest(email)
        assert mail.sender == "no-reply@aig.example" and mail.message["to"] == email
        assert f"https://aig.example/dashboard/#verify={token}" in mail.text and "127.0.0.0/24" in mail.text
        answer = site.verify(token)
        assert answer.status == 200 and answer.json["granted_usd"] == 10, answer
        row = site.account(email)[0]
        assert row["balance_usd"] == 10 and row["name"] == "Ann Émile" and row["verified_at"] and row["password_hash"].startswith("$scrypt$")
        assert answer.json["account"] == {"id": row["id"], "email": email, "name": "Ann Émile"}
        me = site.api.with_session(token_of(answer)).get("/v1/auth/session")
        assert me.status == 200 and me.json["account"] == answer.json["account"] and me.json["csrf_token"] == answer.json["csrf_token"]
        again = site.login(email.upper())
        assert again.status == 200 and again.json["account"] == answer.json["account"], "letter case does not matter"
        # What could open anything again is not kept.
        assert site.db.rows("SELECT * FROM signup_token WHERE email = %s AND password_hash IS NOT NULL", email) == []
        assert site.db.rows("SELECT * FROM outbox_mail WHERE recipient = %s AND (body IS NOT NULL OR state <> 'sent')", email) == []

    def test_what_is_stored_opens_nothing(self, site):
        email = new_address()
        site.signup(email)
        token = site.link(email)
        answer = site.verify(token)
        site.reset(email)
        reset = site.link(email)
        stored = [b"".join(bytes(str(v), "utf-8") if not isinstance(v, bytes) else v + v.hex().encode() for v in row.values())
                  for table in ("account", "signup_token", "session", "outbox_mail", "throttle") for row in site.db.rows(f"SELECT * FROM {table}")]
        assert stored
        for secret in (token, reset, token_of(answer), PASSWORD, csrf_of(token_of(answer))):
            assert not any(secret.encode() in row or secret.encode().hex().encode() in row for row in stored)
        assert not any(s in site.front.log() for s in (token, reset, token_of(answer), PASSWORD))

    def test_a_link_works_once(self, site):
        email = new_address()
        site.signup(email)
        token = site.link(email)
        first = site.verify(token)
        assert first.status == 200
        for _ in range(2):
            again = site.verify(token)
            assert again.status == 400 and again.error["code"] == "invalid_token" and "used" in again.error["message"]
            assert "set-cookie" not in again.headers
        assert site.account(email)[0]["balance_usd"] == 10

    def test_a_link_expires(self, site):
        email = new_address()
        site.signup(email)
        token = site.link(email)
        site.db.rows("UPDATE signup_token SET expires_at = UTC_TIMESTAMP(6) WHERE email = %s", email)
        answer = site.verify(token)
        assert answer.status == 400 and answer.error["code"] == "invalid_token" and "expired" in answer.error["message"]
        assert site.account(email) == []

    @pytest.mark.parametrize("token", ["", "x", "0" * 63, "0" * 64, "0" * 65, "G" * 64, "0" * 5000, "' OR 1=1 -- " + "0" * 52])
    def test_no_link(self, site, token):
        for answer in (site.verify(token), site.api.post("/v1/auth/reset", {"token": token, "password": PASSWORD})):
            assert answer.status == 400 and answer.error["code"] == "invalid_token", answer

    def test_links_of_one_kind_do_not_do_for_the_other(self, site, person):
        email = new_address()
        site.signup(email)
        token = site.link(email)
        assert site.api.post("/v1/auth/reset", {"token": token, "password": PASSWORD}).error["code"] == "invalid_token"
        assert site.verify(token).status == 200
        site.reset(person)
        assert site.verify(site.link(person)).error["code"] == "invalid_token"

    def test_the_same_link_at_once(self, site):
        email = new_address()
        site.signup(email)
        token = site.link(email)
        answers = [c.result() for c in [Later(site.verify, token) for _ in range(8)]]
        assert sorted(a.status for a in answers) == [200] + [400] * 7, answers
        assert len(site.account(email)) == 1 and site.account(email)[0]["balance_usd"] == 10
        assert site.db.value("SELECT COUNT(*) FROM ledger WHERE account_id = %s", site.account(email)[0]["id"]) == 1

    def test_two_signups_for_one_address(self, site):
        email = new_address()
        tokens = []
        for _ in range(2):
            site.signup(email)
            tokens.append(site.link(email))
        answers = [c.result() for c in [Later(site.verify, token) for token in tokens]]
        assert sorted(a.status for a in answers) == [200, 400], answers
        assert len(site.account(email)) == 1 and site.account(email)[0]["balance_usd"] == 10

    def test_one_grant_a_mailbox(self, site):
        """However the address is written, and however many come at once."""
        local = secrets.token_hex(5)
        forms = [f"{local}@gmail.com", f"{local[:3]}.{local[3:]}@gmail.com", f"{local}+b@googlemail.com", f"{local.upper()}+c@GMAIL.com"]
        tokens = []
        for form in forms:
            site.calm()
            assert site.signup(form).status == 202
            sent_to = form.split("@")[0] + "@" + form.split("@")[1].lower()
            tokens.append(site.link(sent_to))
        answers = [c.result() for c in [Later(site.verify, token) for token in tokens]]
        assert [a.status for a in answers] == [200] * len(forms), answers
        assert sorted(a.json["granted_usd"] for a in answers) == [0] * (len(forms) - 1) + [10]
        rows = site.db.rows("SELECT SUM(balance_usd) AS usd, COUNT(*) AS n FROM account WHERE REPLACE(LOWER(email), '.', '') REGEXP %s", f"^{local}[+@]")
        assert rows[0]["usd"] == 10 and rows[0]["n"] == len(forms)
        assert site.db.value("SELECT COUNT(*) FROM mailbox_grant WHERE mailbox = %s", f"{local}@gmail.com") == 1

    def test_a_tag_is_a_mailbox_of_its_own_elsewhere(self, site):
        local = secrets.token_hex(5)
        assert site.open(f"{local}+a@example.org")[1].json["granted_usd"] == 10
        assert site.open(f"{local}+b@example.org")[1].json["granted_usd"] == 10

    def test_an_address_that_is_known_gets_a_mail_that_says_so(self, site, person):
        before = dict(site.account(person)[0])
        assert site.signup(person, "another password").status == 202
        site.send()
        mail = site.sink.newest(person)
        assert "already" in mail.subject and not LINK.search(mail.text)
        assert site.account(person) == [before]
        assert site.login(person).status == 200

    def test_by_an_operator(self, site):
        """Where mails do not arrive."""
        email = new_address()
        site.signup(email)
        token = site.link(email)
        assert site.db.call("verify_account", email)[0]["granted_usd"] == 10
        assert site.login(email).status == 200
        assert site.verify(token).error["code"] == "invalid_token"
        with pytest.raises(Exception, match="already"):
            site.db.call("verify_account", email)
        with pytest.raises(Exception, match="Nobody has signed up"):
            site.db.call("verify_account", new_address())

    def test_without_mail(self, world):
        for path, body in (("signup", {"email": new_address(), "password": PASSWORD}), ("reset", {"email": new_address()})):
            answer = world.api.post(f"/v1/auth/{path}", body)
            assert answer.status == 503 and answer.error["code"] == "not_configured" and "mail_url" in answer.error["message"], answer


class TestFields:
    @pytest.mark.parametrize("email", [
        "", "x", "@", "a@b", "a@example", "a b@example.org", "a@exa mple.org", " a@example.org", "a@example.org ", "a@@example.org", "a@b@example.org",
        ".a@example.org", "a.@example.org", "a..b@example.org", "a@-example.org", "a@example-.org", "a@.example.org", "a@example..org", "a@example.org.",
        "a@1.2.3.4", "a@[127.0.0.1]", "\"a\"@example.org", "<a@example.org>", "a@example.org,b@example.org", "a@example.org\r\nBcc: b@example.org",
        "a\n@example.org", "a@example.org\nDATA", "ä@example.org", "a@exämple.org", "a" * 65 + "@example.org", "a@" + "b" * 250 + ".org", "a@" + "b." * 3000 + "org",
    ])
    def test_no_address(self, site, email):
        for answer in (site.signup(email), site.reset(email), site.login(email)):
            assert answer.status == 400 and answer.error["param"] == "email", answer
        assert site.db.value("SELECT COUNT(*) FROM throttle") == 0

    @pytest.mark.parametrize("password", ["", "123456789", "ü" * 4, "x" * 1025, "x" * 60000])
    def test_bad_passwords(self, site, password):
        answer = site.signup(new_address(), password)
        assert answer.status == 400 and answer.error["param"] == "password", answer
        answer = site.api.post("/v1/auth/reset", {"token": "0" * 64, "password": password})
        assert answer.status == 400 and answer.error["param"] == "password", answer

    @pytest.mark.parametrize("password", ["x" * 1024, "ü" * 5, "a\tb\nc\x01 \U0001F600 '\"\\<b>"])
    def test_good_passwords(self, site, password):
        email = site.open(password=password)[0]
        assert site.login(email, password).status == 200
        assert site.login(email, password[:-1]).status == 401

    @pytest.mark.parametrize("name", ["x" * 121, "a\nb", "a\x00b", "\x7f", "é" * 121, "x" * 60000])
    def test_bad_names(self, site, name):
        answer = site.signup(new_address(), name=name)
        assert answer.status == 400 and answer.error["param"] == "name", answer

    def test_a_long_name(self, site):
        name = "é\U0001F600" * 60
        assert site.open(name=name)[1].json["account"]["name"] == name

    @pytest.mark.parametrize("path", ["signup", "verify", "login", "reset"])
    def test_bodies(self, site, path):
        def post(body, **headers):
            return site.api.post(f"/v1/auth/{path}", body, headers=headers)
        assert post("{}").status == 400
        for body in ("", "nonsense", "[]", "null", "1", '{"email":', '{"email":1}', '{"token":{}}', '{"email":null,"password":null,"token":null}'):
            assert post(body).status == 400, body
        answer = post(json.dumps({"email": "a@example.org", "password": PASSWORD, "is_admin": True}))
        assert answer.status == 400 and answer.error["param"] in ("is_admin", "email"), answer
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
            assert post("{}", **{"Content-Type": kind}).status == 415, kind
        assert post(json.dumps({"email": "x" * 70000})).status == 413
        assert site.api.get(f"/v1/auth/{path}").status == 405

    def test_reset_is_one_step_or_the_other(self, site):
        for body in ({}, {"token": "0" * 64}, {"password": PASSWORD}, {"email": "a@example.org", "token": "0" * 64, "password": PASSWORD}):
            assert site.api.post("/v1/auth/reset", body).status == 400


class TestLogin:
    def test_wrong_password(self, site, person):
        answer = site.login(person, "wrong password")
        assert answer.status == 401 and answer.error["code"] == "invalid_credentials" and "set-cookie" not in answer.headers

    def test_each_login_has_a_session_of_its_own(self, site, person):
        """Whatever cookie was there before: nobody can fix the token of another's session."""
        planted = secrets.token_hex(32)
        first = site.login(person, headers={"Cookie": f"aig_session={planted}"})
        second = site.login(person, headers={"Cookie": f"aig_session={token_of(first)}"})
        tokens = {planted, token_of(first), token_of(second)}
        assert len(tokens) == 3 and first.json["csrf_token"] != second.json["csrf_token"]
        assert site.api.with_session(planted).get("/v1/auth/session").status == 401
        for token in (token_of(first), token_of(second)):
            assert site.api.with_session(token).get("/v1/auth/session").status == 200

    def test_the_cookie(self, site, person):
        cookie = cookie_of(site.login(person))
        assert re.fullmatch("[0-9a-f]{64}", cookie.value)
        assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax" and cookie["path"] == "/" and cookie["domain"] == ""
        assert 0 < int(cookie["max-age"]) <= 30 * 24 * 3600

    def test_without_tls_the_cookie_is_not_secure(self, world, site, person):
        with world.front("lighttpd", public_url="http://aig.example") as front:
            answer = front.api.post("/v1/auth/login", {"email": person, "password": PASSWORD})
            assert answer.status == 200 and not cookie_of(answer)["secure"] and cookie_of(answer)["httponly"]

    def test_a_disabled_account(self, site):
        email = site.person()
        api = site.api.with_session(token_of(site.login(email)))
        site.db.call("disable_account", email)
        assert site.login(email).error["code"] == "account_disabled"
        assert site.login(email, "wrong password").error["code"] == "invalid_credentials"
        assert api.get("/v1/auth/session").error["code"] == "account_disabled"
        site.reset(email)
        site.send()
        assert site.sink.to(email) == []
        site.db.call("enable_account", email)
        assert api.get("/v1/auth/session").status == 200

    def test_an_account_of_the_operator_has_no_password_until_a_reset(self, site, member):
        for password in ("", "          ", PASSWORD):
            assert site.login(member.email, password).status == 401
        site.reset(member.email)
        assert site.api.post("/v1/auth/reset", {"token": site.link(member.email), "password": PASSWORD}).status == 200
        assert site.login(member.email).status == 200
        assert member.balance() == 10, "a reset grants nothing"

    def test_many_at_once(self, site, person):
        """Their number is bounded, and what needs no password goes on."""
        later = [Later(site.login, new_address(), f"password {i}") for i in range(16)]
        assert site.api.get("/v1/health").status == 200
        answers = [c.result() for c in later]
        assert {a.status for a in answers} <= {401, 503} and any(a.status == 401 for a in answers), answers
        assert all(a.headers["retry-after"] for a in answers if a.status == 503)
        assert site.login(person).status == 200


class TestReset:
    def test_two_steps(self, site):
        email = site.person()
        opened = site.login(email)
        assert site.reset(email).status == 202
        token = site.link(email)
        answer = site.api.post("/v1/auth/reset", {"token": token, "password": "another password"})
        assert answer.status == 200 and "set-cookie" not in answer.headers, answer
        site.send()
        assert "changed" in site.sink.newest(email).subject
        assert site.api.with_session(token_of(opened)).get("/v1/auth/session").status == 401, "signed out everywhere"
        assert site.login(email).status == 401
        assert site.login(email, "another password").status == 200
        again = site.api.post("/v1/auth/reset", {"token": token, "password": "a third password"})
        assert again.status == 400 and again.error["code"] == "invalid_token"
        assert site.login(email, "another password").status == 200

    def test_one_used_link_ends_the_others(self, site, person):
        email = site.person()
        tokens = []
        for _ in range(2):
            site.reset(email)
            tokens.append(site.link(email))
        assert site.api.post("/v1/auth/reset", {"token": tokens[0], "password": PASSWORD}).status == 200
        assert site.api.post("/v1/auth/reset", {"token": tokens[1], "password": PASSWORD}).error["code"] == "invalid_token"

    def test_it_expires(self, site, person):
        site.reset(person)
        token = site.link(person)
        site.db.rows("UPDATE signup_token SET expires_at = UTC_TIMESTAMP(6) WHERE email = %s AND kind = 'reset'", person)
        answer = site.api.post("/v1/auth/reset", {"token": token, "password": "another password"})
        assert answer.error["code"] == "invalid_token" and "expired" in answer.error["message"]
        assert site.login(person).status == 200

    def test_the_same_link_at_once(self, site):
        email = site.person()
        site.reset(email)
        token = site.link(email)
        answers = [c.result() for c in [Later(site.api.post, "/v1/auth/reset", {"token": token, "password": f"password number {i}"}) for i in range(3)]]
        assert sorted(a.status for a in answers) == [200, 400, 400], answers
        right = [f"password number {i}" for i, a in enumerate(answers) if a.status == 200]
        assert site.login(email, right[0]).status == 200


def same(first, second):
    """Two answers but for what differs from any answer to the next."""
    def essence(answer):
        left = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "request-id", "openai-processing-ms", "date")}
        return answer.status, left, answer.body
    return essence(first) == essence(second)


class TestEnumeration:
    def test_signup(self, site, person):
        assert same(site.signup(person), site.signup(new_address()))
        rows = site.db.rows("SELECT kind, state FROM outbox_mail ORDER BY id DESC LIMIT 2")
        assert sorted(r["kind"] for r in rows) == ["exists", "verify"], "one mail each"
        assert site.db.value("SELECT COUNT(*) FROM signup_token WHERE email = %s AND kind = 'verify'", person) >= 2, "one row each"

    def test_reset(self, site, person):
        assert same(site.reset(person), site.reset(new_address()))

    def test_login(self, site, person, member):
        unknown = site.login(new_address(), "wrong password")
        assert unknown.status == 401 and same(site.login(person, "wrong password"), unknown)
        assert same(site.login(member.email, "wrong password"), unknown), "an account without a password"

    @pytest.mark.parametrize("path", ["signup", "reset", "login"])
    def test_throttled(self, site, person, path):
        """After as many attempts, and with the same words."""
        def attempts(email):
            site.calm()
            body = {"email": email} if path == "reset" else {"email": email, "password": "wrong password"}
            answers = [site.api.post(f"/v1/auth/{path}", body)]
            if path == "login":
                site.db.rows("UPDATE throttle SET attempts = 9")
            while answers[-1].status != 429 and len(answers) < 20:
                answers.append(site.api.post(f"/v1/auth/{path}", body))
            assert int(answers[-1].headers["retry-after"]) > 0
            return len(answers), re.sub(rb"\d+ seconds", b"N seconds", answers[-1].body)
        known = attempts(person)
        assert known == attempts(new_address()) and known[0] == {"signup": 4, "reset": 4, "login": 3}[path]


class TestThrottle:
    def wrong(self, site, email, count):
        return [site.login(email, "wrong password").status for _ in range(count)]

    def test_it_survives_a_restart(self, world, site, person):
        with world.front("lighttpd", public_url="https://aig.example") as front:
            other = Site(world, front, site.sink)
            assert self.wrong(other, person, 6) == [401] * 6
            front.stack.restart_gateway()
            assert self.wrong(other, person, 4) == [401] * 4
            answer = other.login(person)
            assert answer.status == 429 and 0 < int(answer.headers["retry-after"]) <= 901, "also with the right password"
            # Another process on the same database.
            assert site.login(person).status == 429
            # The window ends.
            site.db.rows("UPDATE throttle SET window_end = UTC_TIMESTAMP(6)")
            assert other.login(person).status == 200

    def test_what_goes_well_does_not_count(self, site, person):
        assert [site.login(person).status for _ in range(3)] == [200] * 3
        assert {r["attempts"] for r in site.db.rows("SELECT attempts FROM throttle")} == {0}

    def test_attempts_at_once_count(self, site, person):
        """More than the limit never get to have their password looked at."""
        answers = []
        while not any(a.status == 429 for a in answers):
            answers += [c.result() for c in [Later(site.login, person, "wrong password") for _ in range(5)]]
        assert sum(a.status == 401 for a in answers) <= 10

    def test_a_reset_by_mail_ends_it(self, site):
        email = site.person()
        site.db.rows("INSERT INTO throttle (subject, attempts, window_end) VALUES (%s, 11, UTC_TIMESTAMP(6) + INTERVAL 900 SECOND)",
                     hashlib.sha256(f"login {email}".encode()).digest())
        assert site.login(email).status == 429
        site.reset(email)
        assert site.api.post("/v1/auth/reset", {"token": site.link(email), "password": PASSWORD}).status == 200
        assert site.login(email).status == 200

    def ask(self, site, address, email):
        body = json.dumps({"email": email}).encode()
        return call(site.front.stack.gateway_socket, params_of("POST", "/api/v1/auth/reset", None, body, REMOTE_ADDR=address), body)

    @pytest.mark.parametrize("network, other", [("203.0.113.{}", "203.0.114.1"), ("2001:db8:7:{}::1", "2001:db8:8::1"), ("::ffff:198.51.100.{}", "198.51.101.7")])
    def test_a_network(self, site, network, other):
        statuses = [self.ask(site, network.format(i), new_address()).status for i in range(1, 33)]
        assert statuses == [202] * 30 + [429] * 2
        assert self.ask(site, other, new_address()).status == 202
        if network.startswith("::ffff"):
            assert self.ask(site, "198.51.100.200", new_address()).status == 429

    def test_an_address_from_many_networks(self, site):
        email = new_address()
        statuses = [self.ask(site, f"10.{i}.0.1", [email, email.upper().replace("EXAMPLE.ORG", "Example.org")][i % 2]).status for i in range(5)]
        assert statuses == [202] * 3 + [429] * 2

    def test_links(self, site):
        statuses = [site.verify(secrets.token_hex(32)).status for _ in range(52)]
        assert statuses == [400] * 50 + [429] * 2


class TestSessions:
    def test_csrf(self, site, member):
        api = member.signed_in()
        token = api.headers["Cookie"].removeprefix("aig_session=")
        other = member.signed_in()
        for csrf in (None, "", "x", "0" * 64, csrf_of(token)[:-1], csrf_of(token).upper() + "0", token, other.headers["X-CSRF-Token"]):
            weak = site.api.with_session(token, csrf)
            for method, path in (("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions/1")):
                answer = weak.call(method, path)
                assert answer.status == 403 and answer.error["code"] == "csrf_failed", answer
            assert weak.get("/v1/auth/session").status == 200, "reading needs none"
        assert api.post("/v1/auth/logout", {}).status == 204

    def test_logout(self, site, member):
        one, two = member.signed_in(), member.signed_in()
        answer = one.call("POST", "/v1/auth/logout")
        assert answer.status == 204 and answer.body == b"" and cookie_of(answer)["max-age"] == "0" and cookie_of(answer).value == ""
        assert one.get("/v1/auth/session").error["code"] == "not_signed_in" and two.get("/v1/auth/session").status == 200
        assert one.post("/v1/auth/logout", {}).status == 401

    def test_logout_everywhere(self, world, site, member):
        sessions = [member.signed_in() for _ in range(3)]
        with world.account(site.api) as stranger:
            theirs = stranger.signed_in()
            assert sessions[0].post("/v1/auth/logout", {"everywhere": True}).status == 204
            assert [s.get("/v1/auth/session").status for s in sessions] == [401] * 3
            assert theirs.get("/v1/auth/session").status == 200

    @pytest.mark.parametrize("body", [{"everywhere": 1}, {"everywhere": "yes"}, {"all": True}, []])
    def test_odd_logouts(self, member, body):
        api = member.signed_in()
        assert api.post("/v1/auth/logout", body).status == 400
        assert api.get("/v1/auth/session").status == 200

    def test_list_and_revoke(self, world, site, member):
        one, two = member.signed_in(), member.signed_in()
        listed = one.get("/v1/auth/sessions").json
        assert listed["object"] == "list" and listed["has_more"] is False and listed["next"] is None
        assert [s["current"] for s in listed["data"]] == [False, True], "the newest first"
        assert listed["data"][0]["network"] == "127.0.0.0/24" and listed["data"][0]["user_agent"] == "test"
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", s[k]) for s in listed["data"] for k in ("created_at", "last_used_at", "expires_at"))
        other = listed["data"][0]["id"]
        with world.account(site.api) as stranger:
            assert stranger.signed_in().call("DELETE", f"/v1/auth/sessions/{other}").status == 404, "not one's own"
        assert two.get("/v1/auth/session").status == 200
        assert one.call("DELETE", f"/v1/auth/sessions/{other}").status == 204
        assert two.get("/v1/auth/session").status == 401 and len(one.get("/v1/auth/sessions").json["data"]) == 1
        assert one.call("DELETE", f"/v1/auth/sessions/{other}").status == 404
        for number in ("0", "x", "-1", "9" * 40, "1%20OR%201=1"):
            assert one.call("DELETE", f"/v1/auth/sessions/{number}").status == 404
        own = one.call("DELETE", f"/v1/auth/sessions/{listed['data'][1]['id']}")
        assert own.status == 204 and cookie_of(own)["max-age"] == "0"

    def test_what_a_login_leaves_in_the_list(self, site, person):
        api = site.api.with_session(token_of(site.login(person, headers={"User-Agent": "Brows\xe9r <b>1</b> " + "x" * 300})))
        entry = next(s for s in api.get("/v1/auth/sessions").json["data"] if s["current"])
        assert entry["user_agent"].startswith("Brows?r <b>1</b> xxx") and len(entry["user_agent"]) == 200 and entry["network"] == "127.0.0.0/24"

    def test_they_end(self, site, member):
        for column, ago in (("expires_at", 0), ("last_used_at", 7 * 24 * 3600)):
            api = member.signed_in()
            number = api.get("/v1/auth/sessions").json["data"][0]["id"]
            site.db.rows(f"UPDATE session SET {column} = UTC_TIMESTAMP(6) - INTERVAL %s SECOND WHERE id = %s", ago, number)
            assert api.get("/v1/auth/session").status == 401 and api.post("/v1/auth/logout", {}).status == 401
            site.send()
            assert site.db.rows("SELECT * FROM session WHERE id = %s", number) == [], "and are deleted"

    def test_use_is_noted(self, site, member):
        api = member.signed_in()
        number = api.get("/v1/auth/sessions").json["data"][0]["id"]
        site.db.rows("UPDATE session SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL 6 DAY WHERE id = %s", number)
        assert api.get("/v1/auth/session").status == 200
        assert site.db.value("SELECT last_used_at > UTC_TIMESTAMP() - INTERVAL 1 HOUR FROM session WHERE id = %s", number) == 1

    def test_an_account_has_so_many_at_most(self, site, member):
        first = member.signed_in()
        later = [member.signed_in() for _ in range(50)]
        assert first.get("/v1/auth/session").status == 401 and later[0].get("/v1/auth/session").status == 200
        assert len(later[-1].get("/v1/auth/sessions").json["data"]) == 50

    def test_the_operator_can_end_all(self, site, member):
        api = member.signed_in()
        assert site.db.call("reset_sessions", member.email)[0]["sessions_ended"] == 1
        assert api.get("/v1/auth/session").status == 401

    @pytest.mark.parametrize("cookies", ["", "aig_session", "aig_session=", "aig_session=x", "x=aig_session", "aig_session={t}0", "aig_session={T}", "AIG_SESSION={t}",
                                         "aig_session={t}; aig_session={t}", "aig_session=planted; aig_session={t}", "xaig_session={t}", "aig_session=\"{t}\""])
    def test_odd_cookies(self, site, member, cookies):
        token = member.signed_in().headers["Cookie"].removeprefix("aig_session=")
        sent = cookies.replace("{t}", token).replace("{T}", token.upper())
        answer = site.api.get("/v1/auth/session", headers={"Cookie": sent})
        assert answer.status == 401 and answer.error["code"] == "not_signed_in", answer

    def test_among_other_cookies(self, site, member):
        cookie = member.signed_in().headers["Cookie"]
        for sent in (f"a=b; {cookie}", f"{cookie}; a=b", f"a=b;{cookie} ;c=d", f"{cookie};"):
            assert site.api.get("/v1/auth/session", headers={"Cookie": sent}).status == 200, sent


class TestScopes:
    def test_a_session_reads_what_a_key_reads(self, member):
        api = member.signed_in()
        assert api.get("/v1/models").json == member.api.get("/v1/models").json
        assert api.get("/v1/models/gpt-4o").status == 200

    def test_a_key_is_no_session(self, member):
        for path in ("/v1/auth/session", "/v1/auth/sessions"):
            assert member.api.get(path).error["code"] == "not_signed_in"

    def test_a_session_is_no_key_for_models(self, member):
        answer = member.signed_in().chat()
        assert answer.status == 401 and answer.error["code"] == "missing_api_key"

    def test_a_key_that_is_sent_counts(self, member):
        api = member.signed_in()
        answer = api.get("/v1/models", headers={"Authorization": "Bearer sk-aig-" + "0" * 48})
        assert answer.status == 401 and answer.error["code"] == "invalid_api_key"

    def test_nothing_at_all(self, site):
        assert site.api.get("/v1/models").error["code"] == "missing_api_key"
        assert site.api.with_session(secrets.token_hex(32)).get("/v1/models").error["code"] == "not_signed_in"


def test_the_database_is_away(world):
    """Nothing is opened, nothing is said about who is known, and the sentence names the cause."""
    with world.front("lighttpd", own_database=True, mail_url="smtp://127.0.0.1:9", mail_from="a@aig.example", public_url="https://aig.example") as front:
        front.stack.database.kill()
        for path, body in (("signup", {"email": new_address(), "password": PASSWORD}), ("login", {"email": new_address(), "password": PASSWORD}),
                           ("reset", {"email": new_address()}), ("verify", {"token": "0" * 64})):
            answer = front.api.post(f"/v1/auth/{path}", body)
            assert answer.status == 503 and answer.error["code"] == "database_unavailable", answer
        with contextlib.suppress(OSError):
            assert front.api.with_session("0" * 64).get("/v1/auth/session").status == 503
