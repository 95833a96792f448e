# SPDX-License-Identifier: Apache-2.0
"""Webhooks to customers: signed so that the reference libraries and kie.ai's recipe verify them, tried again when they fail, and
never lost, whatever the customer's server does and whoever is killed when."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import platform
import random
import re
import shutil
import signal
import subprocess

import pytest
from client import GUARD_S
from process import clean_environment
from receiver import Receiver
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from world import Account, Db, wait_until

ARCHES = {"x86_64": "x64", "aarch64": "arm64"}
TASKS = itertools.count(1)
DELAYS = (5, 60, 300, 1800, 7200, 18000, 36000, 86400)
WINDOW = 4  # how many go to a host at once before it is known (LANES_HOST_FIRST)
REPEATED_MAX = 2 * 64 + 32  # by a kill: results not yet written down (RESULTS_BATCH, twice) and what is on its way (LANES_HOST_MAX)


class Own:
    """An installation of its own: drain-webhooks takes every row that is due."""

    def __init__(self, world, front):
        self.world, self.front, self.stack, self.api = world, front, front.stack, front.api
        self.db = Db(front.stack.database)

    def account(self):
        return Account(self, self.api)

    def enqueue(self, account, url, body=None, task=None):
        task = task or f"task_{next(TASKS)}"
        body = json.dumps({"code": 200, "data": {"taskId": task}}) if body is None else body
        self.db.rows("CALL webhook_enqueue_inner(%s, 'job.completed', %s, %s, %s, @id)", account.id, task, url, body)
        return self.db.value("SELECT @id")

    def enqueue_many(self, account, url, count):
        with self.db.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            for _ in range(count):
                cursor.execute("CALL webhook_enqueue_inner(%s, 'job.completed', %s, %s, '{}', @id)",
                               (account.id, f"task_{next(TASKS)}", url))
            cursor.execute("COMMIT")
        return [r["id"] for r in self.db.rows("SELECT id FROM webhook_delivery WHERE url = %s", url)]

    def row(self, number):
        return self.db.one("SELECT *, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), due) / 1000000 AS in_s FROM webhook_delivery WHERE id = %s", number)

    def start(self, *arguments, **settings):
        env = clean_environment(AIG_CONFIG=str(self.stack.config_file), AIG_DB_USER="aigenerate_cron",
                                AIG_DB_PASSWORD=self.stack.secrets["cron_password"],
                                **{f"AIG_{key.upper()}": value for key, value in settings.items()})
        return subprocess.Popen([str(self.stack.builddir / "drain-webhooks"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=env)

    def drain(self, **settings):
        """One run; (delivered, failed, given up)."""
        process = self.start("--once", "-v", **settings)
        return self.end(process)

    @staticmethod
    def end(process):
        out, err = process.communicate(timeout=2 * GUARD_S)
        assert process.returncode == 0, out + err
        return tuple(int(n) for n in re.findall(r"\d+", out))

    @contextlib.contextmanager
    def watching(self, **settings):
        process = self.start("--watch", "-v", **settings)
        try:
            yield process
        finally:
            process.terminate()
            out, err = process.communicate(timeout=2 * GUARD_S)
        assert process.returncode == 0, out + err

    def due_again(self):
        """As if the pauses and the leases of all rows were over."""
        self.db.rows("UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6) WHERE state = 'pending'")


@pytest.fixture(scope="module")
def own(world):
    with world.front("lighttpd", own_database=True, allow_private_webhooks="yes") as front:
        yield Own(world, front)


@pytest.fixture
def account(own):
    own.db.rows("DELETE FROM webhook_delivery")
    with own.account() as account:
        yield account


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def rotate(account, **fields):
    answer = account.signed_in().post("/v1/webhooks/secret/rotate", fields)
    assert answer.status == 200, answer
    return answer.json


def verify(secret, delivery):
    """What the reference library for Python makes of it; None: not genuine."""
    try:
        return Webhook(secret).verify(delivery.body, delivery.headers)
    except WebhookVerificationError:
        return None


def verify_by_kie(secret, delivery):
    """The recipe of kie.ai's documentation."""
    task, stamp = json.loads(delivery.body)["data"]["taskId"], delivery.headers["x-webhook-timestamp"]
    expected = base64.b64encode(hmac.new(secret.encode(), f"{task}.{stamp}".encode(), hashlib.sha256).digest()).decode()
    return hmac.compare_digest(expected, delivery.headers["x-webhook-signature"])


@pytest.fixture(scope="module")
def verify_in_node():
    directory = pathlib.Path(os.environ.get("AIG_SDK_DIR") or "/nonexistent")
    if not (directory / "node_modules/standardwebhooks").is_dir():
        pytest.skip("the JavaScript packages are not installed (tests/env/node.sh)")
    own_node = directory / f"node_modules/node-linux-{ARCHES.get(platform.machine())}/bin/node"
    program = str(own_node) if own_node.exists() else shutil.which("node")
    script = pathlib.Path(__file__).resolve().parents[1] / "sdk/webhooks_node.mjs"
    shutil.copy(script, directory)

    def verify_in_node(cases):
        given = [{"secret": secret, "headers": d.headers, "body": d.body.decode()} for secret, d in cases]
        done = subprocess.run([program, script.name], cwd=directory, input=json.dumps(given), capture_output=True, text=True,
                              timeout=2 * GUARD_S, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return verify_in_node


class TestSignatures:
    def test_reference_libraries(self, own, account, receiver, verify_in_node):
        secret = rotate(account)["secret"]
        body = json.dumps({"code": 200, "msg": "Größe ✓ \u0001", "data": {"taskId": "task_utf8", "url": "https://x/\"y\""}}, ensure_ascii=False)
        number = own.enqueue(account, receiver.url("/ok?a=1&b=2"), body, "task_utf8")
        assert own.drain() == (1, 0, 0)
        [delivery] = receiver.got()
        assert delivery.path == "/ok?a=1&b=2" and delivery.body == body.encode()
        assert delivery.headers["webhook-id"] == number and delivery.headers["content-type"] == "application/json"
        assert verify(secret, delivery) == json.loads(body)
        forged = delivery._replace(body=delivery.body.replace(b"200", b"201"))
        assert verify(secret, forged) is None
        assert verify("whsec_" + base64.b64encode(b"0" * 32).decode(), delivery) is None
        assert verify_in_node([(secret, delivery), (secret, forged)]) == [json.loads(body), None]
        assert verify_by_kie(secret, delivery)
        assert not verify_by_kie(secret + "x", delivery)

    def test_rotation(self, own, account, receiver, verify_in_node):
        """Both secrets verify for a time, then the new one alone."""
        old = rotate(account)["secret"]
        new = rotate(account, overlap_hours=2)["secret"]
        own.enqueue(account, receiver.url("/ok"))
        assert own.drain() == (1, 0, 0)
        [delivery] = receiver.got()
        assert verify(old, delivery) is not None and verify(new, delivery) is not None
        assert None not in verify_in_node([(old, delivery), (new, delivery)])
        assert verify_by_kie(new, delivery) and not verify_by_kie(old, delivery)
        own.db.rows("UPDATE webhook_secret SET expires_at = UTC_TIMESTAMP(6) WHERE expires_at IS NOT NULL")
        own.enqueue(account, receiver.url("/ok"))
        assert own.drain() == (1, 0, 0)
        delivery = receiver.got()[-1]
        assert verify(old, delivery) is None and verify(new, delivery) is not None
        last = rotate(account, overlap_hours=0)["secret"]
        own.enqueue(account, receiver.url("/ok"))
        assert own.drain() == (1, 0, 0)
        delivery = receiver.got()[-1]
        assert verify(new, delivery) is None and verify(last, delivery) is not None

    def test_first_secret_is_made(self, own, account, receiver):
        """Who has never asked for a secret gets signed webhooks all the same, all with the same secret."""
        own.enqueue_many(account, receiver.url("/ok"), 20)
        assert own.drain() == (20, 0, 0)
        assert {len(d.headers["webhook-signature"].split()) for d in receiver.got()} == {1}
        [listed] = account.api.get("/v1/webhooks/secret").json["data"]
        assert set(listed) == {"object", "id", "created_at", "expires_at", "last4"} and listed["expires_at"] is None
        secret = rotate(account)
        assert secret["last4"] == secret["secret"][-4:] and len(secret["secret"]) == 50
        assert [s["id"] for s in account.api.get("/v1/webhooks/secret").json["data"]] == [secret["id"], listed["id"]]
        # in the database it is sealed
        assert base64.b64decode(secret["secret"][6:]) not in own.db.value("SELECT sealed FROM webhook_secret WHERE id = %s", secret["id"])


class TestFaults:
    def test_every_kind(self, own, account, receiver):
        """What becomes of a row for each thing that a customer's server may do."""
        expected = {
            "/ok": ("delivered", 200, None, 0),
            "/status/204": ("delivered", 204, None, 0),
            "/slow": ("delivered", 200, None, 0),
            "/endless": ("delivered", 200, None, 0),
            "/text": ("delivered", 200, None, 0),
            "/status/500": ("pending", 500, "HTTP 500", 5),
            "/status/400": ("pending", 400, "HTTP 400", 5),
            "/status/410": ("dead", 410, "gone", 0),
            "/status/429/120": ("pending", 429, "HTTP 429", 120),
            "/status/503/1": ("pending", 503, "HTTP 503", 5),
            "/status/502/999999999": ("pending", 502, "HTTP 502", 86400),
            "/status/301": ("pending", 301, "Redirects", 5),
            "/redirect": ("pending", 302, "Redirects", 5),
            "/cut": ("pending", None, "broke off", 5),
            "/hang": ("pending", None, "in time", 5),
        }
        # each a host of its own, since one that asks for patience gets it for all of its rows
        hosts = [f"{net}.{rest}" for net in ("127", "0x7f", "0177") for rest in ("1", "0.1", "0.0.1", "0x1", "0.0x1")]
        assert len(hosts) >= len(expected)
        numbers = {path: own.enqueue(account, receiver.url(path, host)) for path, host in zip(expected, hosts, strict=False)}
        numbers["down"] = own.enqueue(account, "http://127.0.0.1:1/")
        expected["down"] = ("pending", None, "No connection", 5)
        numbers["unknown"] = own.enqueue(account, "http://no-such-host.invalid/")
        expected["unknown"] = ("pending", None, "resolved", 5)
        seen = {}
        with own.watching():
            def all_tried():
                for name, number in numbers.items():
                    row = own.row(number)
                    if row["attempts"] > 0:
                        seen.setdefault(name, row)
                return len(seen) == len(numbers)
            wait_until(all_tried, "every row has been tried", 4 * GUARD_S)
        for name, (state, status, error, delay) in expected.items():
            row = seen[name]
            assert (row["state"], row["last_status"]) == (state, status), (name, row)
            assert (error in row["last_error"]) if error else row["last_error"] is None, (name, row)
            assert (row["delivered_at"] is not None) == (state == "delivered")
            assert row["step"] == (row["attempts"] if state != "delivered" else 0)
            if state == "pending":
                delay = max(delay, DELAYS[row["step"] - 1])
                assert delay - GUARD_S < row["in_s"] <= delay * 1.2, (name, row)
            else:
                assert row["attempts"] == 1
        assert seen["/endless"]["response_excerpt"] == "x" * 1024
        assert seen["/status/500"]["response_excerpt"] == "answer 500"
        excerpt = seen["/text"]["response_excerpt"]
        assert excerpt.startswith("caf\ufffd \ufffd <b>é") and set(excerpt[10:]) == {"é"}
        assert receiver.got("/redirected") == []

    def test_schedule(self, own, account, receiver):
        """Nine attempts, further and further apart, the same id in each, then it is dead; and it can be sent once more."""
        number = own.enqueue(account, receiver.url("/status/500"))
        for attempt, delay in enumerate(DELAYS, 1):
            own.due_again()
            assert own.drain() == (0, 1, 0)
            row = own.row(number)
            assert (row["state"], row["attempts"], row["step"], row["claim"]) == ("pending", attempt, attempt, None)
            assert delay - GUARD_S < row["in_s"] <= delay * 1.2
            if attempt > 1:
                # not before its time
                assert own.drain() == (0, 0, 0)
        own.due_again()
        assert own.drain() == (0, 0, 1)
        assert own.row(number)["state"] == "dead"
        own.due_again()
        assert own.drain() == (0, 0, 0)
        assert {d.headers["webhook-id"] for d in receiver.got()} == {number} and len(receiver.got()) == 9
        own.db.call("redeliver_webhook", number)
        assert own.drain() == (0, 1, 0)
        row = own.row(number)
        assert (row["state"], row["attempts"], row["step"]) == ("pending", 10, 1)

    def test_private_addresses(self, own, account, receiver):
        """Names and numbers that lead to the machine itself: refused when it comes to connecting, nothing arrives."""
        hosts = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")
        numbers = [own.enqueue(account, receiver.url("/ok", host)) for host in hosts]
        assert own.drain(allow_private_webhooks="no") == (0, len(hosts), 0)
        for number in numbers:
            assert own.row(number)["last_error"] == "The URL leads to an address that is not public."
        assert receiver.got() == []
        own.due_again()
        assert own.drain()[0] >= 2

    def test_one_who_hangs_delays_nobody(self, own, account, receiver):
        """Hundreds of rows for a host that never answers lie before those of another one."""
        own.enqueue_many(account, receiver.url("/hang", "localhost"), 300)
        own.enqueue_many(account, receiver.url("/ok"), 50)
        with own.account() as other:
            own.enqueue_many(other, receiver.url("/ok?other"), 50)
            with own.watching() as process:
                receiver.wait_count(100 + WINDOW)
                wait_until(lambda: own.db.value("SELECT COUNT(*) FROM webhook_delivery WHERE state = 'delivered'") == 100, "all others arrive")
                assert len(receiver.got("/hang")) < 50, "they are tried a few at a time"
                process.kill()
                process.wait()
                process.returncode = 0

    def test_large_body(self, own, account, receiver):
        body = json.dumps({"data": {"taskId": "t"}, "x": "y" * 1000000})
        number = own.enqueue(account, receiver.url("/ok"), body)
        too_large = own.enqueue(account, receiver.url("/ok"), "x" * (1 << 20) + "x")
        assert own.drain() == (1, 1, 0)
        assert own.row(number)["state"] == "delivered" and receiver.got()[0].body == body.encode()
        assert "1 MiB" in own.row(too_large)["last_error"] and len(receiver.got()) == 1


class TestNeverLost:
    def test_killed_at_any_moment(self, own, account, receiver):
        """kill -9 again and again in the middle of deliveries: each arrives, and what arrives twice has the same id."""
        count, rng = 400, random.Random(4)
        rows = own.enqueue_many(account, receiver.url("/ok"), count)
        kills = 0
        while own.db.value("SELECT COUNT(*) FROM webhook_delivery WHERE state = 'pending'") > 0 and kills < 12:
            target = len(receiver.got()) + rng.randrange(1, 60)
            process = own.start("--once")
            wait_until(lambda: len(receiver.got()) >= target or process.poll() is not None, "deliveries come")  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            own.due_again()
        own.drain()
        assert kills >= 5
        states = {r["state"]: r["n"] for r in own.db.rows("SELECT state, COUNT(*) AS n FROM webhook_delivery GROUP BY state")}
        assert states == {"delivered": count}
        got = [d.headers["webhook-id"] for d in receiver.got()]
        assert set(got) == set(rows)
        assert len(got) <= count + kills * REPEATED_MAX

    def test_lease(self, own, account, receiver):
        """A row whose process has died stays with it until the lease is over, and not longer."""
        number = own.enqueue(account, receiver.url("/ok"))
        receiver.hold_until(2)
        process = own.start("--once")
        receiver.wait_waiting(1)
        process.kill()
        process.communicate()
        assert own.drain() == (0, 0, 0)
        row = own.row(number)
        assert row["claim"] is not None and 0 < row["in_s"] <= 60
        receiver.release()
        own.due_again()
        assert own.drain() == (1, 0, 0)
        assert [d.headers["webhook-id"] for d in receiver.got()] == [number] * 2

    def test_two_at_once(self, own, account, receiver):
        """Two runs work side by side (the receiver answers nobody before both have come) and never on the same row."""
        rows = own.enqueue_many(account, receiver.url("/ok"), 500)
        receiver.hold_until(2 * WINDOW)
        both = [own.start("--once", "-v") for _ in range(2)]
        done = [own.end(process) for process in both]
        assert sum(d[0] for d in done) == 500 and min(d[0] for d in done) >= WINDOW, done
        assert sorted(d.headers["webhook-id"] for d in receiver.got()) == sorted(rows)

    def test_terminated(self, own, account, receiver):
        """SIGTERM: what is on its way is finished and written down, what waits is due again at once."""
        own.enqueue_many(account, receiver.url("/ok"), 50)
        receiver.hold_until(1000)
        process = own.start("--watch", "-v")
        receiver.wait_waiting(WINDOW)
        process.terminate()
        wait_until(lambda: own.db.value("SELECT COUNT(*) FROM webhook_delivery WHERE claim IS NOT NULL") == WINDOW, "the others are given back")
        receiver.release()
        assert own.end(process) == (WINDOW, 0, 0)
        assert own.drain() == (50 - WINDOW, 0, 0)
        assert len(receiver.got()) == 50

    def test_database_restarts(self, own, account, receiver):
        """The database goes away while deliveries are under way: their results are written down when it is back, once."""
        own.enqueue_many(account, receiver.url("/ok"), WINDOW)
        receiver.hold_until(1000)
        with own.watching():
            receiver.wait_waiting(WINDOW)
            own.db.forget()
            own.stack.database.stop()
            receiver.release()
            own.stack.database.start()
            wait_until(lambda: own.db.value("SELECT COUNT(*) FROM webhook_delivery WHERE state = 'delivered'") == WINDOW, "results are written down")
        assert len(receiver.got()) == WINDOW
        assert own.db.value("SELECT SUM(attempts) FROM webhook_delivery") == WINDOW
        wait_until(lambda: own.api.get("/v1/health").status == 200, "the gateway finds its database again")


class TestApi:
    def test_deliveries(self, own, account, receiver):
        numbers = [own.enqueue(account, receiver.url("/status/500"), task=f"task_api_{i}") for i in range(3)]
        own.enqueue(account, receiver.url("/ok"), task="task_api_ok")
        assert own.drain() == (1, 3, 0)
        answer = account.api.get("/v1/webhooks")
        assert answer.status == 200
        body = answer.json
        assert body["object"] == "list" and body["has_more"] is False and body["next"] is None and len(body["data"]) == 4
        delivered = next(d for d in body["data"] if d["state"] == "delivered")
        assert delivered["task_id"] == "task_api_ok" and delivered["next_attempt_at"] is None and delivered["attempts"] == 1
        assert delivered["last_status"] == 200 and delivered["last_error"] is None and delivered["response_excerpt"] == "ok"
        failed = account.api.get(f"/v1/webhooks/{numbers[0]}").json
        assert failed == next(d for d in body["data"] if d["id"] == numbers[0])
        assert set(failed) == {"object", "id", "event", "task_id", "url", "state", "attempts", "next_attempt_at", "last_status", "last_error",
                               "response_excerpt", "created_at", "delivered_at"}
        assert failed["event"] == "job.completed" and failed["url"] == receiver.url("/status/500") and failed["delivered_at"] is None
        for stamp in (failed["created_at"], failed["next_attempt_at"], delivered["delivered_at"]):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
        # a session sees the same
        assert account.signed_in().get("/v1/webhooks").json == body

        seen, after = [], ""
        while True:
            page = account.api.get(f"/v1/webhooks?limit=1{after}").json
            seen += [d["id"] for d in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['next']}"
        assert seen == [d["id"] for d in body["data"]] == sorted(seen, reverse=True)
        assert [d["id"] for d in account.api.get("/v1/webhooks?state=delivered").json["data"]] == [delivered["id"]]
        assert account.api.get("/v1/webhooks?state=dead").json["data"] == []
        for bad in ("state=gone", "limit=0", "limit=201", "limit=x", "after=x"):
            answer = account.api.get(f"/v1/webhooks?{bad}")
            assert answer.status == 400 and answer.json["error"]["param"] == bad.split("=")[0], (bad, answer)

    def test_redeliver(self, own, account, receiver):
        """The gateway makes the attempt itself, after its answer; a key may ask for it."""
        number = own.enqueue(account, receiver.url("/ok"))
        assert own.drain() == (1, 0, 0)
        answer = account.api.post(f"/v1/webhooks/{number}/redeliver", None)
        assert answer.status == 202 and answer.json["id"] == number and answer.json["state"] == "pending", answer
        wait_until(lambda: own.row(number)["attempts"] == 2, "it has been sent again")
        assert account.signed_in().post(f"/v1/webhooks/{number}/redeliver", None).status == 202
        wait_until(lambda: own.row(number)["attempts"] == 3, "it has been sent again")
        assert own.row(number)["state"] == "delivered"
        assert [d.headers["webhook-id"] for d in receiver.got()] == [number] * 3

    def test_others_see_nothing(self, own, account, receiver):
        number = own.enqueue(account, receiver.url("/ok"))
        rotate(account)
        with own.account() as other:
            assert other.api.get("/v1/webhooks").json["data"] == []
            assert other.api.get("/v1/webhooks/secret").json["data"] == []
            assert other.api.get(f"/v1/webhooks/{number}").status == 404
            assert other.api.post(f"/v1/webhooks/{number}/redeliver", None).status == 404
            assert other.signed_in().get(f"/v1/webhooks/{number}").status == 404
        assert account.api.get("/v1/webhooks/whd_nonsense").status == 404
        for method, path in (("GET", "/v1/webhooks"), ("GET", f"/v1/webhooks/{number}"), ("POST", f"/v1/webhooks/{number}/redeliver"),
                             ("GET", "/v1/webhooks/secret"), ("POST", "/v1/webhooks/secret/rotate")):
            assert own.api.call(method, path).status == 401, path
        assert own.row(number)["state"] == "pending"

    def test_rotate_needs_a_session(self, own, account):
        before = own.db.value("SELECT COUNT(*) FROM webhook_secret")
        assert account.api.post("/v1/webhooks/secret/rotate", {}).status == 401
        session = account.signed_in()
        for fields in ({"overlap_hours": -1}, {"overlap_hours": 169}, {"overlap_hours": "2"}, {"hours": 2}):
            answer = session.post("/v1/webhooks/secret/rotate", fields)
            assert answer.status == 400 and answer.json["error"]["param"] == next(iter(fields)), answer
        session.headers.pop("X-CSRF-Token")
        assert session.post("/v1/webhooks/secret/rotate", {}).status == 403
        assert own.db.value("SELECT COUNT(*) FROM webhook_secret") == before
        assert rotate(account)["secret"].startswith("whsec_")

    def test_dry_run(self, own, account, receiver):
        number = own.enqueue(account, receiver.url("/ok"))
        process = own.start("--once", "--dry-run", "-v")
        out, _ = process.communicate(timeout=GUARD_S)
        assert process.returncode == 0
        assert out == f"drain-webhooks: would send {number} to {receiver.url('/ok')}\ndrain-webhooks: would send 1 webhooks\n"
        assert receiver.got() == [] and own.row(number)["attempts"] == 0
