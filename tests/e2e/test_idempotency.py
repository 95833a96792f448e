# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: a repeat gets what was answered, at most one call is charged for a key, whatever is killed on the way."""

import hashlib
import hmac
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from client import Answer, Later, chat_body
from fake import new_word, script
from gate import Gate
from money import check_charge
from world import wait_until

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
REPLAY = "x-aig-idempotent-replay"
GATED = "deepseek-v3"   # served by the gate where a front has one


def new_key():
    return str(uuid.uuid4())


def call(api, key, content="hello", path=CHAT, **fields):
    """Streams are read whole."""
    body = chat_body(content, **fields) if path == CHAT else {"model": "text-embedding-3-small", "input": content, **fields}
    return api.post(path, body, headers={"Idempotency-Key": key})


def charges(account):
    return account.db.rows("SELECT reference, amount_usd FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)


def rows(account):
    return account.db.rows("SELECT i.* FROM idempotency i JOIN api_key k ON k.id = i.key_id WHERE k.account_id = %s", account.id)


def age(account, column):
    account.db.rows(f"UPDATE idempotency SET {column} = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE key_id = %s", account.key_id)


def check_replay(first, again):
    assert again.status == first.status and again.body == first.body, again
    assert again.headers[REPLAY] == "true" and REPLAY not in first.headers
    for name in ("x-request-id", "content-type", "x-aig-provider", "x-ai-credits-charged", "x-aig-output-limit", "cache-control"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert again.headers["openai-processing-ms"].isdigit()


def check_gone(answer):
    assert answer.status == 410 and answer.error["code"] == "idempotency_answer_gone" and answer.error["param"] == "Idempotency-Key", answer


@pytest.fixture(scope="module")
def gate():
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def other(world, gate):
    """Another gateway on the same database; deepseek-v3 is served by the gate."""
    with world.front("lighttpd", openrouter_url=gate.url) as front:
        yield front


class TestReplay:
    @pytest.mark.parametrize("path,fields", [
        (CHAT, {}), (CHAT, {"stream": True}), (CHAT, {"stream": True, "stream_options": {"include_usage": True}}), (CHAT, {"model": "claude-sonnet-4-6", "stream": True}),
        (EMBEDDINGS, {}), (EMBEDDINGS, {"encoding_format": "base64"}), (EMBEDDINGS, {"model": "gemini-embedding-2"})])
    def test_the_same_answer(self, account, world, other, path, fields):
        key, word = new_key(), new_word()
        first = call(account.api, key, word, path, **fields)
        assert first.status == 200, first
        assert not fields.get("stream") or first.body.endswith(b"data: [DONE]\n\n")
        elsewhere = other.api.with_key(account.key)
        for api in (account.api, elsewhere, account.api):
            check_replay(first, call(api, key, word, path, **fields))
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1
        assert check_charge(account.usage(first)) > 0

    def test_at_once_after_the_last_byte(self, account):
        """The answer is kept before its end is sent: whoever has seen the end gets it again, never a 409."""
        for k in range(10):
            key = new_key()
            first = call(account.api, key, f"text {k}", stream=k % 2 == 0)
            check_replay(first, call(account.api, key, f"text {k}", stream=k % 2 == 0))
        assert len(charges(account)) == 10

    def test_keys_are_the_api_keys_own(self, account, world):
        key, word = new_key(), new_word()
        colleague = account.new_key()
        with world.account() as stranger:
            for api in (account.api, colleague.api, stranger.api):
                assert REPLAY not in call(api, key, word).headers
        assert len(world.fake.requests(word)) == 3

    def test_without_the_header_nothing_is_kept(self, account):
        assert account.api.chat("hello").status == 200
        assert rows(account) == []

    def test_nothing_is_kept_in_clear(self, account):
        key, word = new_key(), new_word()
        answer = call(account.api, key, word)
        row, = rows(account)
        assert row["state"] == "done" and row["http_status"] == 200 and row["request_id"] == answer.headers["x-request-id"]
        for value in row.values():
            for secret in (key, word, account.key, "choices"):
                assert secret.encode() not in (value if isinstance(value, bytes) else str(value).encode())
        assert row["name_hash"] == hmac.new(hashlib.sha256(account.key.encode()).digest(), key.encode(), hashlib.sha256).digest()

    def test_an_answer_of_another_row_does_not_open(self, account):
        """Sealed to its place: moved to another key it is no answer."""
        for key in ("one", "two"):
            assert call(account.api, key, key).status == 200
        account.db.rows("SET @answer := (SELECT answer FROM idempotency WHERE key_id = %s LIMIT 1)", account.key_id)
        account.db.rows("UPDATE idempotency SET answer = @answer WHERE key_id = %s", account.key_id)
        assert sorted([call(account.api, key, key).status for key in ("one", "two")]) == [200, 410]
        assert len(charges(account)) == 2

    @pytest.mark.parametrize("front", ["lighttpd-spawn", "lighttpd-cgi", "apache-proxy", "apache-fcgid", "apache-cgi"])
    def test_other_fronts(self, world, front):
        with world.front(front) as one, world.account(one.api) as account:
            for path, fields in ((CHAT, {}), (CHAT, {"stream": True}), (EMBEDDINGS, {})):
                key = new_key()
                check_replay(call(account.api, key, "x", path, **fields), call(account.api, key, "x", path, **fields))
            assert len(charges(account)) == 3

    def test_after_the_key_was_disabled(self, account, world):
        key = new_key()
        assert call(account.api, key).status == 200
        world.db.call("disable_key", account.key_id)
        answer = call(account.api, key)
        assert answer.status == 401 and answer.error["code"] == "key_disabled"

    def test_a_stranger_leaves_no_row(self, world):
        before = world.db.value("SELECT COUNT(*) FROM idempotency")
        answer = call(world.api.with_key("sk-aig-" + 48 * "0"), new_key())
        assert answer.status == 401 and answer.error["code"] == "invalid_api_key"
        assert world.db.value("SELECT COUNT(*) FROM idempotency") == before


class TestWhatIsKept:
    @pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
    @pytest.mark.parametrize("path,stream", [(CHAT, False), (CHAT, True), (EMBEDDINGS, False)])
    def test_a_providers_refusal(self, account, world, status, path, stream):
        key, word = new_key(), new_word()
        content = script(word, [{"status": status}, {}])
        fields = {"stream": True} if stream else {}
        first = call(account.api, key, content, path, **fields)
        assert first.status == status
        check_replay(first, call(account.api, key, content, path, **fields))
        assert len(world.fake.requests(word)) == 1 and charges(account) == []

    def test_our_own_refusal_of_a_call_that_was_let_in(self, account):
        key = new_key()
        first = call(account.api, key, [[1, 2]], EMBEDDINGS, model="gemini-embedding-2")
        assert first.status == 400
        check_replay(first, call(account.api, key, [[1, 2]], EMBEDDINGS, model="gemini-embedding-2"))

    @pytest.mark.parametrize("rule,status", [
        ({"status": 401}, 502), ({"status": 408}, 408), ({"status": 409}, 409), ({"status": 429}, 429), ({"status": 500}, 502), ({"status": 503}, 503),
        ({"body": "oops"}, 502), ({"cut": {"how": "close"}}, 502)])
    @pytest.mark.parametrize("path", [CHAT, EMBEDDINGS])
    def test_a_failure_that_may_pass(self, account, world, rule, status, path):
        key, word = new_key(), new_word()
        content = script(word, [rule, {}])
        assert call(account.api, key, content, path).status == status
        again = call(account.api, key, content, path)
        assert again.status == 200 and REPLAY not in again.headers
        check_replay(again, call(account.api, key, content, path))
        assert len(world.fake.requests(word)) == 2 and len(charges(account)) == 1

    @pytest.mark.parametrize("rule", [{"words": 9, "error_event": {"after": 4}}, {"words": 9, "cut": {"after": 4, "how": "hard"}}])
    def test_a_stream_that_broke(self, account, world, rule):
        key, word = new_key(), new_word()
        content = script(word, [rule, {}])
        first = call(account.api, key, content, stream=True)
        assert first.status == 200 and b'"error"' in first.body and b"[DONE]" not in first.body
        again = call(account.api, key, content, stream=True)
        assert again.body.endswith(b"[DONE]\n\n") and REPLAY not in again.headers
        assert len(world.fake.requests(word)) == 2 and len(charges(account)) == 1

    def test_a_call_that_was_not_let_in(self, account, world):
        key, word = new_key(), new_word()
        account.set_cap("key", "0.000000001")
        assert call(account.api, key, word).status == 402
        assert rows(account) == []
        account.set_cap("key", None)
        assert call(account.api, key, word).status == 200
        for fields in ({"model": "nobody"}, {"model": "text-embedding-3-small"}, {"messages": 5}):
            assert call(account.api, new_key(), word, **fields).status in (400, 404)
        assert len(rows(account)) == 1

    @pytest.mark.parametrize("stream", [False, True])
    def test_an_answer_that_is_too_large(self, account, world, stream):
        key, word = new_key(), new_word()
        content = script(word, {"body_bytes": 4 * 1024 * 1024 + 1})
        first = call(account.api, key, content, stream=stream)
        assert first.status == 200 and len(first.body) > 4 * 1024 * 1024
        for _ in range(2):
            answer = call(account.api, key, content, stream=stream)
            check_gone(answer)
            assert first.headers["x-request-id"] in answer.error["message"]
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1

    def test_a_large_one_that_is_not(self, account):
        key, content = new_key(), script(new_word(), {"body_bytes": 4 * 1024 * 1024 - 4096})
        check_replay(call(account.api, key, content), call(account.api, key, content))

    def test_a_client_that_left_a_stream(self, account, world):
        """It has paid for what had been delivered: no second call is made for the same key."""
        key, word = new_key(), new_word()
        body = chat_body(script(word, {"words": 9, "stall": {"after": 5, "seconds": 3600}}), stream=True)
        with account.api.chat_stream(body["messages"][0]["content"], headers={"Idempotency-Key": key}) as stream:
            assert stream.next_data()
        assert account.wait_usage(stream)["status"] == "client_gone"
        wait_until(lambda: rows(account)[0]["state"] == "done", "the call's end is noted")
        check_gone(account.api.post(CHAT, body, headers={"Idempotency-Key": key}))
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1

    def test_a_client_that_left_before_the_answer(self, account, other, gate):
        """Nothing was charged, so the repeat makes the call."""
        api, key = other.api.with_key(account.key), new_key()
        body = json.dumps(chat_body("hello", model=GATED))
        sock = api.connect()
        assert api.get("/v1/health").status == 200     # see Api.send_only
        sock.sendall(f"POST {api.mount}{CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nIdempotency-Key: {key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        gate.next()
        sock.close()
        wait_until(lambda: rows(account) == [], "the key is free again")
        calling = Later(api.post, CHAT, body, headers={"Idempotency-Key": key, "Content-Type": "application/json"})
        gate.next().plain()
        assert calling.result().status == 200 and len(charges(account)) == 1


class TestAnotherCall:
    def test_another_body_or_path(self, account, world):
        key, word = new_key(), new_word()
        assert call(account.api, key, word).status == 200
        for answer in (call(account.api, key, word + " "), call(account.api, key, word, temperature=1), call(account.api, key, word, EMBEDDINGS),
                       call(account.api, key, word, stream=True)):
            assert answer.status == 422 and answer.error["code"] == "idempotency_key_reused", answer
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "caf\u00e9", "x" * 1000])
    def test_a_bad_key(self, account, key):
        answer = call(account.api, key)
        if answer.status == 200:    # a web server may drop an empty header
            assert key.strip() == "" and rows(account) == []
            return
        assert answer.status == 400 and answer.error["param"] == "Idempotency-Key", answer
        assert rows(account) == []

    @pytest.mark.parametrize("key", ["x" * 255, "a b", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "0"])
    def test_a_good_key(self, account, key):
        check_replay(call(account.api, key), call(account.api, key))

    def test_where_nothing_can_be_sealed(self, world):
        with world.front("lighttpd", secret_key=None) as front, world.account(front.api) as account:
            answer = call(account.api, new_key())
            assert answer.status == 501 and "secret_key" in answer.error["message"]
            assert account.api.chat("hello").status == 200


class TestAtTheSameTime:
    def test_in_flight(self, account, other, gate):
        api, key = other.api.with_key(account.key), new_key()
        calling = Later(call, api, key, model=GATED)
        under_way = gate.next()
        for repeated in (api, account.api):
            answer = call(repeated, key, model=GATED)
            assert answer.status == 409 and answer.error["code"] == "idempotency_in_flight", answer
            assert 1 <= int(answer.headers["retry-after"]) <= 30
            assert call(repeated, key, "another", model=GATED).status == 422
        under_way.plain()
        check_replay(calling.result(), call(account.api, key, model=GATED))
        assert len(charges(account)) == 1

    def test_a_running_stream_renews_its_lease(self, account, other, gate):
        """The lease is 30 s and renewed every 5 s of the call."""
        api, key = other.api.with_key(account.key), new_key()
        calling = Later(call, api, key, model=GATED, stream=True)
        under_way = gate.next()
        under_way.begin_stream()
        lease = rows(account)[0]["lease_until"]
        wait_until(lambda: rows(account)[0]["lease_until"] > lease, "the lease is renewed")
        under_way.finish()
        assert calling.result().body.endswith(b"[DONE]\n\n")

    @pytest.mark.parametrize("path,fields", [(CHAT, {}), (CHAT, {"stream": True}), (EMBEDDINGS, {})])
    def test_many_repeats_in_two_processes(self, account, world, other, path, fields):
        """One call is made; everybody gets its answer, at once or after some 409."""
        key, word = new_key(), new_word()
        content = script(word, {"delay": 0.2})
        apis = [account.api, other.api.with_key(account.key)]

        def repeat(k):
            seen = []
            while not seen or seen[-1].status == 409:
                seen.append(call(apis[k % 2], key, content, path, **fields))
                time.sleep(0.05)
            return seen

        with ThreadPoolExecutor(24) as pool:
            seen = list(pool.map(repeat, range(24)))
        last = [s[-1] for s in seen]
        assert {a.status for a in last} == {200} and len({a.body for a in last}) == 1
        assert sum(REPLAY not in a.headers for a in last) == 1
        assert any(len(s) > 1 for s in seen)
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1


class TestExpiry:
    def test_after_24_hours(self, account, world):
        key, word = new_key(), new_word()
        first = call(account.api, key, word)
        row, = rows(account)
        assert (row["expires_at"] - row["created_at"]).total_seconds() == 24 * 3600
        age(account, "expires_at")
        second = call(account.api, key, word)
        assert second.status == 200 and REPLAY not in second.headers and second.headers["x-request-id"] != first.headers["x-request-id"]
        check_replay(second, call(account.api, key, word))
        age(account, "expires_at")
        assert call(account.api, key, word + " another").status == 200, "the key is as new"
        assert len(charges(account)) == 3

    def test_housekeeping(self, account, world):
        for k in range(3):
            assert call(account.api, new_key()).status == 200
        assert world.cron("release-holds").returncode == 0 and len(rows(account)) == 3
        account.db.rows("UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6), lease_until = UTC_TIMESTAMP(6) WHERE key_id = %s LIMIT 2", account.key_id)
        assert world.cron("release-holds", "--dry-run").returncode == 0 and len(rows(account)) == 3
        done = world.cron("release-holds", "-v")
        assert done.returncode == 0 and "idempotency keys" in done.stdout and len(rows(account)) == 1


def hashes(account, key, path, body):
    """What the table calls a key and a request."""
    secret = hashlib.sha256(account.key.encode()).digest()
    inner = hashlib.sha256(path.encode()).digest() + hashlib.sha256(body).digest()
    return secret, hmac.new(secret, key.encode(), hashlib.sha256).digest(), hmac.new(secret, inner, hashlib.sha256).digest()


class TestCrash:
    """kill -9 at the points where it hurts."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_in_the_middle_of_a_call(self, world, gate, stream):
        with world.front("lighttpd", openrouter_url=gate.url) as front, world.account(front.api) as account:
            key = new_key()
            calling = Later(call, account.api, key, model=GATED, stream=stream)
            under_way = gate.next()
            if stream:
                under_way.begin_stream()
                under_way.text("hello")
            front.stack.kill_gateway()
            try:
                answer = calling.result()
                assert answer.status >= 500 or b"[DONE]" not in answer.body
            except Exception:  # noqa: BLE001 - however the web server tells it
                pass
            wait_until(lambda: front.api.get("/v1/health").status == 200, "the gateway is started again")
            row, = rows(account)
            answer = call(account.api, key, model=GATED, stream=stream)
            assert answer.status == 409 and 1 <= int(answer.headers["retry-after"]) <= 30, answer
            assert call(account.api, key, "another", model=GATED, stream=stream).status == 422
            age(account, "lease_until")
            calling = Later(call, account.api, key, model=GATED, stream=stream)
            under_way = gate.next()
            assert [h["id"] for h in account.holds()] != [row["request_id"]] and len(account.holds()) == 1, "the dead call holds nothing any more"
            if stream:
                under_way.begin_stream()
                under_way.text("hello")
                under_way.finish()
            else:
                under_way.plain()
            first = calling.result()
            assert first.headers["x-request-id"] != row["request_id"] and REPLAY not in first.headers
            check_replay(first, call(account.api, key, model=GATED, stream=stream))
            assert [c["reference"] for c in charges(account)] == [first.headers["x-request-id"]]
            assert account.usage(row["request_id"])["status"] == "expired"
        world.verify()

    def test_between_the_claim_and_the_hold(self, account, world):
        """The next one goes on under the dead one's id: should that one come to life, both have the same hold."""
        key, body = new_key(), json.dumps(chat_body(new_word())).encode()
        dead = "req_01ARZ3NDEKTSV4RRFFQ69G5F" + uuid.uuid4().hex[:2].upper().translate(str.maketrans("ILOU", "0000"))
        world.db.call("idempotency_begin", *hashes(account, key, CHAT, body), dead, 30, 86400)
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        assert account.api.post(CHAT, body, headers=headers).status == 409
        age(account, "lease_until")
        answer = account.api.post(CHAT, body, headers=headers)
        assert answer.status == 200 and answer.headers["x-request-id"] == dead and REPLAY not in answer.headers
        assert [c["reference"] for c in charges(account)] == [dead]
        # the dead one's end comes late: it changes nothing
        assert world.db.call("idempotency_end", account.key_id, hashes(account, key, CHAT, body)[1], dead, None, None) == [{"outcome": "lost"}]
        check_replay(answer, account.api.post(CHAT, body, headers=headers))

    def test_between_settle_and_the_answer_that_is_kept(self, account, world):
        """Charged, and the answer is lost: the repeat says so, makes no call and costs nothing."""
        key, word = new_key(), new_word()
        first = call(account.api, key, word)
        account.db.rows("UPDATE idempotency SET state = 'in_flight', answer = NULL, http_status = NULL, lease_until = UTC_TIMESTAMP(6) WHERE key_id = %s",
                        account.key_id)
        for _ in range(2):
            answer = call(account.api, key, word)
            check_gone(answer)
            assert first.headers["x-request-id"] in answer.error["message"]
        assert len(world.fake.requests(word)) == 1 and len(charges(account)) == 1

    def test_a_slow_call_that_was_taken_for_dead(self, account, other, gate):
        """Both calls are answered; only the one that took over is charged."""
        api, key = other.api.with_key(account.key), new_key()
        slow = Later(call, api, key, model=GATED)
        first = gate.next()
        age(account, "lease_until")
        quick = Later(call, api, key, model=GATED)
        gate.next().plain("second")
        answer = quick.result()
        first.plain("first")
        late = slow.result()
        assert answer.status == late.status == 200 and late.headers["x-ai-credits-charged"] == "0"
        assert [c["reference"] for c in charges(account)] == [answer.headers["x-request-id"]]
        check_replay(answer, call(api, key, model=GATED))

    def test_under_load(self, world):
        """Killed three times while clients repeat until they have an answer: no key is charged twice, none in vain."""
        with world.front("lighttpd") as front, world.account(front.api) as account:
            stop, done, lock = threading.Event(), [], threading.Lock()

            def client(k):
                while not stop.is_set():
                    key, content = new_key(), script(new_word(), {"words": 3})
                    answer = None
                    while answer is None or answer.status not in (200, 410):
                        try:
                            answer = call(account.api, key, content, stream=k % 2 == 0)
                            if answer.status == 200 and k % 2 == 0 and b"[DONE]" not in answer.body:
                                answer = None    # cut with the program
                        except Exception:  # noqa: BLE001 - the connection died with the program
                            time.sleep(0.05)
                        if answer is not None and answer.status not in (200, 410):
                            assert answer.status in (409, 500, 502, 503), answer
                            time.sleep(0.05)
                    with lock:
                        done.append((key, answer))

            with ThreadPoolExecutor(8) as pool:
                clients = [pool.submit(client, k) for k in range(8)]
                for _ in range(3):
                    before = len(done)
                    wait_until(lambda: len(done) > before + 16, "calls go through")
                    front.stack.kill_gateway()
                    wait_until(lambda: front.api.get("/v1/health").status == 200, "the gateway is started again")
                    # as if half a minute had gone; also of calls that are alive
                    account.db.rows("UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) WHERE key_id = %s AND state = 'in_flight'", account.key_id)
                stop.set()
                # what is killed in between is found dead half a minute later
                while any(c.running() for c in clients):
                    account.db.rows("UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) WHERE key_id = %s AND state = 'in_flight'"
                                    " AND created_at < UTC_TIMESTAMP(6) - INTERVAL 2 SECOND", account.key_id)
                    time.sleep(0.2)
                for running in clients:
                    running.result()
            world.cron("replay-spool", stack=front.stack)
            account.db.rows("UPDATE hold SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE state = 'open' AND account_id = %s", account.id)
            assert world.cron("release-holds").returncode == 0
            booked = {c["reference"] for c in charges(account)}
            kept = {r["request_id"] for r in rows(account)}
            assert len({key for key, _ in done}) == len(done) == len(rows(account)) == len(kept)
            assert booked == kept, "each key has its one charge"
            assert all(isinstance(a, Answer) for _, a in done) and sum(a.status == 200 for _, a in done) > 48
        world.verify()
