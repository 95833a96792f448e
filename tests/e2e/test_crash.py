# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment, and a database that is away: no money is lost, none is charged twice, no hold stays."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from client import Later, chat_body
from fake import new_word, script
from gate import Gate
from money import check_charge
from world import Account, Db, wait_until


GATED = "deepseek-v3"   # served by the gate: its answer comes when the test says so


class Own:
    """An installation of its own, for tests that kill its parts."""

    def __init__(self, world, front, gate):
        self.world, self.front, self.gate = world, front, gate
        self.stack, self.api, self.fake = front.stack, front.api, world.fake
        self.db = Db(front.stack.database)

    def account(self, usd="10"):
        return Account(self, self.api, usd)

    def cron(self, name, *arguments):
        done = self.stack.cron(name, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def verify(self):
        done = self.stack.cron("verify-ledger")
        assert done.returncode == 0, done.stdout + done.stderr

    def spool_files(self):
        return [p for p in (self.stack.dir / "spool").rglob("*") if p.is_file()]

    def stop_database(self, kill=False):
        self.db.forget()
        if kill:
            self.stack.database.kill()
        else:
            self.stack.database.stop()

    def start_database(self):
        self.stack.database.start()
        # the gateway's pool finds it again by itself
        wait_until(lambda: self.api.get("/v1/health").status == 200, "the gateway finds its database again")

    def answered_without_database(self, account, stream=False, kill=False, count=1):
        """Calls that are finished by their provider while the database is away; their answers."""
        fields = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        calling = [Later(account.api.post, "/v1/chat/completions", chat_body("hello", model=GATED, **fields)) for _ in range(count)]
        calls = [self.gate.next() for _ in range(count)]
        for call in calls:
            if stream:
                call.begin_stream()
                call.text("hello")
        self.stop_database(kill)
        for call in calls:
            if stream:
                call.finish()
            else:
                call.plain()
        answers = [c.result() for c in calling]
        assert [a.status for a in answers] == [200] * count, answers
        return answers

    def expire_holds(self):
        """As if the time of all open holds were over, then the sweeper."""
        self.db.rows("UPDATE hold SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE state = 'open'")
        self.cron("release-holds")


@pytest.fixture(scope="module")
def own(world):
    gate = Gate()
    with world.front("lighttpd", own_database=True, openrouter_url=gate.url) as front:
        own = Own(world, front, gate)
        yield own
        own.verify()
    gate.close()


@pytest.fixture
def account(own):
    with own.account() as account:
        yield account


@pytest.fixture(scope="module", params=["lighttpd", "lighttpd-spawn", "apache-proxy"])
def supervised(request, world):
    with world.front(request.param) as front:
        yield front


class TestGatewayKilled:
    def open_stream(self, account, word):
        stream = account.api.chat_stream(script(word, {"words": 5, "stall": {"after": 3, "seconds": 3600}}))
        assert stream.next_data()
        return stream

    def test_in_mid_stream(self, world, supervised):
        """The stream ends without [DONE], the program is up again, the hold stays until its time is over."""
        with world.account(supervised.api) as account:
            word = new_word()
            stream = self.open_stream(account, word)
            before = supervised.workers()
            assert supervised.stack.kill_gateway() == before != []
            rest = b""
            try:
                rest = stream.read_rest()
            except Exception:  # noqa: BLE001 - however the server tells that it was cut
                pass
            assert b"[DONE]" not in rest
            wait_until(lambda: supervised.api.get("/v1/health").status == 200, "the gateway is started again")
            assert set(supervised.workers()).isdisjoint(before)
            holds = account.holds()
            assert [h["id"] for h in holds] == [stream.headers["x-request-id"]]
            stream.close()
            # a sweeper that comes too early leaves it alone
            assert world.cron("release-holds").returncode == 0
            assert len(account.holds()) == 1
            world.db.rows("UPDATE hold SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE id = %s", holds[0]["id"])
            dry = world.cron("release-holds", "--dry-run")
            assert dry.returncode == 0 and len(account.holds()) == 1
            assert world.cron("release-holds").returncode == 0
            assert account.holds() == [] and account.spent() == 0
            assert account.usage(holds[0]["id"])["status"] == "expired"
            assert account.api.chat().status == 200
            assert world.fake.ended(word)[-1]["closed_by_peer"] is True
        world.verify()

    def test_under_load(self, world, supervised):
        """Killed three times while clients call: whoever got an answer has paid for it once, the others nothing."""
        with world.account(supervised.api) as account:
            stop = threading.Event()

            def client(_):
                charged = []
                while not stop.is_set():
                    try:
                        answer = account.api.chat(script(new_word(), {"words": 3}))
                    except Exception:  # noqa: BLE001 - the connection died with the program
                        continue
                    if answer.status == 200:
                        charged.append(answer)
                return charged

            with ThreadPoolExecutor(8) as pool:
                clients = [pool.submit(client, k) for k in range(8)]
                for _ in range(3):
                    seen = world.db.value("SELECT COUNT(*) FROM ledger WHERE account_id = %s", account.id)
                    wait_until(lambda: world.db.value("SELECT COUNT(*) FROM ledger WHERE account_id = %s", account.id) > seen + 8, "calls go through")
                    supervised.stack.kill_gateway()
                    wait_until(lambda: supervised.api.get("/v1/health").status == 200, "the gateway is started again")
                stop.set()
                answers = sum((c.result() for c in clients), [])
            world.db.rows("UPDATE hold SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE state = 'open' AND account_id = %s", account.id)
            assert world.cron("replay-spool", stack=supervised.stack).returncode == 0
            assert world.cron("release-holds").returncode == 0
            for answer in answers:
                assert check_charge(account.usage(answer)) > 0
            rows = world.db.rows("SELECT reference FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)
            assert len(rows) == len({r["reference"] for r in rows}) >= len(answers)
        world.verify()

    def test_terminated_gracefully(self, world, supervised):
        """SIGTERM: the running stream comes to its end, then the program ends."""
        with world.account(supervised.api) as account:
            word = new_word()
            number = world.fake.lay({"words": 30, "interval": 0.05}, contains=word)
            with account.api.chat_stream(word) as stream:
                assert stream.next_data()
                pids = supervised.stack.kill_gateway(15)
                assert stream.chunks()[1], "the stream came to its end"
            world.fake.lift(number)
            assert account.wait_usage(stream)["status"] == "ok"
            wait_until(lambda: set(supervised.workers()).isdisjoint(pids) and supervised.api.get("/v1/health").status == 200, "another one serves")


class TestDatabaseAway:
    def test_before_the_call(self, own, account):
        own.stop_database()
        try:
            word = new_word()
            answer = account.api.chat(word)
            assert answer.status == 503 and answer.error["code"] == "database_unavailable", answer
            assert int(answer.headers["retry-after"]) > 0
            assert own.fake.requests(word) == []
            health = own.api.get("/v1/health")
            assert health.status == 503 and health.error["code"] == "database_unavailable"
            assert account.api.get("/v1/me").status == 503
            assert own.api.get("/v1/nothing").status == 404
        finally:
            own.start_database()
        assert account.api.chat("hello").status == 200

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("kill", [False, True])
    def test_at_settle_time(self, own, account, stream, kill):
        """The answer is delivered all the same; the charge waits in a file and is made exactly once."""
        answer, = own.answered_without_database(account, stream, kill)
        if stream:
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b'"cost":null' in answer.body
        else:
            assert answer.json["usage"]["cost"] is None and "x-ai-credits-charged" not in answer.headers
        files = own.spool_files()
        assert len(files) == 1
        own.stack.cron("replay-spool")
        assert own.spool_files() == files, "while the database is away nothing leaves the spool"
        own.start_database()
        assert account.spent() == 0 and len(account.holds()) == 1
        assert own.cron("replay-spool", "--dry-run") and own.spool_files() == files
        own.cron("replay-spool")
        assert own.spool_files() == []
        usage = account.usage(answer)
        charge = check_charge(usage)
        assert charge > 0 and account.spent() == charge and usage["estimated"] is False
        own.cron("replay-spool")
        assert account.spent() == charge
        own.verify()

    def test_a_file_that_is_replayed_twice_charges_once(self, own, account):
        answer, = own.answered_without_database(account)
        path = own.spool_files()[0]
        content = path.read_bytes()
        facts = path.stat()
        own.start_database()
        own.cron("replay-spool")
        charge = account.spent()
        path.write_bytes(content)
        path.chmod(facts.st_mode)
        own.cron("replay-spool")
        assert own.spool_files() == []
        assert account.spent() == charge == account.usage(answer)["charge_usd"]
        assert len(own.db.rows("SELECT * FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 1

    def test_a_damaged_file_is_kept_and_the_others_are_replayed(self, own, account):
        own.answered_without_database(account)
        good = own.spool_files()[0]
        bad = good.with_name("req_01ARZ3NDEKTSV4RRFFQ69G5FAV" + good.suffix)
        bad.write_bytes(good.read_bytes()[:20])
        own.start_database()
        own.stack.cron("replay-spool")
        assert account.spent() > 0
        left = own.spool_files()
        assert good not in left and len(left) == 1, left
        left[0].unlink()

    def test_a_hold_that_expired_before_its_settlement_was_replayed(self, own, account):
        answer, = own.answered_without_database(account)
        own.start_database()
        own.expire_holds()
        assert account.holds() == [] and account.spent() == 0
        own.cron("replay-spool")
        assert account.spent() == account.usage(answer)["charge_usd"] > 0
        own.verify()

    def test_an_unfinished_call_is_not_charged(self, own, account):
        """The release fails, too: then the hold expires by itself."""
        calling = Later(account.api.chat, "hello", model=GATED)
        call = own.gate.next()
        own.stop_database()
        call.answer({"error": {"message": "no", "code": 500}}, 500)
        assert calling.result().status == 502
        own.start_database()
        assert own.spool_files() == []
        own.expire_holds()
        assert account.spent() == 0 and account.holds() == []

    def test_the_catalog_serves_on(self, own, account):
        """Retired paths, unknown models: what needs no database works without."""
        own.stop_database()
        try:
            assert own.api.post("/v1/completions", {}).status == 404
        finally:
            own.start_database()


class TestDatabaseKilledUnderLoad:
    def test_in_mid_settle(self, own):
        """kill -9 of MariaDB while clients call; then restart, replay, sweep: every answer is charged once, the books balance."""
        with own.account() as account:
            stop = threading.Event()
            answers, lock = [], threading.Lock()

            def client(k):
                while not stop.is_set():
                    answer = account.api.chat(script(new_word(), {"words": 3}), stream=k % 2 == 0)
                    if answer.status == 200:
                        with lock:
                            answers.append(answer)
                    else:
                        assert answer.status in (502, 503), answer
                        time.sleep(0.05)

            with ThreadPoolExecutor(16) as pool:
                clients = [pool.submit(client, k) for k in range(16)]
                for _ in range(3):
                    before = len(answers)
                    wait_until(lambda: len(answers) > before + 30, "calls go through")
                    own.stop_database(kill=True)
                    own.start_database()
                stop.set()
                for running in clients:
                    running.result()
            assert all(a.body.endswith(b"[DONE]\n\n") or "choices" in a.json for a in answers)
            own.cron("replay-spool")
            assert own.spool_files() == []
            own.expire_holds()
            charges = {r["reference"]: -r["amount_usd"] for r in own.db.rows(
                "SELECT reference, amount_usd FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)}
            for answer in answers:
                assert charges[answer.headers["x-request-id"]] > 0, "answered, so charged"
                told = answer.headers.get("x-ai-credits-charged")
                assert told is None or charges[answer.headers["x-request-id"]] == type(charges[answer.headers["x-request-id"]])(told)
            own.verify()


def test_cron_programs_twice_at_once(own, account):
    """Two hosts run the same program at the same time."""
    answers = own.answered_without_database(account, count=5)
    own.start_database()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(own.stack.cron, ["replay-spool"] * 4))
    own.cron("replay-spool")
    assert own.spool_files() == []
    assert account.spent() == sum(check_charge(account.usage(a)) for a in answers)
    assert len(own.db.rows("SELECT * FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 5
