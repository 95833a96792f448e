# SPDX-License-Identifier: Apache-2.0
"""idempotency_*: who makes the call, what is kept, and that the hold decides over everything that died or is slow."""

import base64
import os
import threading

from support import Customer, request_id, usd
from test_concurrency import RETRY, run_threads
from dbclient import DbError

LEASE, KEEP = 30, 86400


class Key:
    """An Idempotency-Key of a customer, and the steps that a request makes with it."""

    def __init__(self, world, customer=None):
        self.world, self.db = world, world.db
        self.customer = customer or Customer(world)
        self.name, self.print = os.urandom(32), os.urandom(32)

    def begin(self, rid=None, lease=LEASE, fingerprint=None, db=None):
        rid = rid or request_id()
        row = (db or self.db).call("idempotency_begin", self.customer.key_hash, self.name, fingerprint or self.print, rid, lease, KEEP)
        row["rid"] = rid
        return row

    def end(self, rid, status=None, answer=None, db=None):
        return (db or self.db).call("idempotency_end", self.customer.key_id, self.name, rid, status, answer).outcome

    def dead(self, rid=None):
        """A request that has the key and says no more."""
        row = self.begin(rid, lease=0)
        assert row.outcome == "run" and row.request_id == row.rid, row
        return row.rid

    def row(self):
        return self.db.one(f"SELECT state, owner, request_id, http_status, answer IS NULL AS empty FROM idempotency "
                           f"WHERE key_id = {self.customer.key_id} AND name_hash = x'{self.name.hex()}'")

    def charges(self):
        return int(self.db.value(f"SELECT COUNT(*) FROM ledger WHERE kind = 'charge' AND account_id = {self.customer.account_id}"))


def test_the_ordinary_case(world):
    key = Key(world)
    first = key.begin()
    assert (first.outcome, first.request_id) == ("run", first.rid)
    assert key.begin(first.rid).outcome == "run", "the step can be repeated"
    second = key.begin()
    assert second.outcome == "in_flight" and second.retry_after_s == "1" and second.answer is None
    assert key.begin(fingerprint=os.urandom(32)).outcome == "mismatch"
    world.authorize(key.customer.key_hash, rid=first.rid)
    world.settle(first.rid)
    assert key.end(first.rid, 200, b"\x00\xff sealed") == "stored"
    assert key.end(first.rid, 200, b"\x00\xff sealed") == "lost", "a repeated step changes nothing"
    again = key.begin()
    assert (again.outcome, again.request_id, again.http_status, again.answer) == ("done", first.rid, "200", "AP8gc2VhbGVk")
    assert key.begin(fingerprint=os.urandom(32)).outcome == "mismatch"
    assert key.charges() == 1


def test_a_long_answer_comes_back_whole(world):
    key = Key(world)
    rid = key.dead()
    world.authorize(key.customer.key_hash, rid=rid)
    world.settle(rid)
    answer = os.urandom(100000)
    assert key.end(rid, 200, answer) == "stored"
    assert base64.b64decode(key.begin().answer) == answer


def test_when_to_come_back(world):
    """As long as the call has run already, but not beyond its lease."""
    key = Key(world)
    key.begin()
    for age, lease, expected in ((0, 20, 1), (5, 20, 5), (500, 20, 20), (500, 1, 1)):
        world.db.query(f"UPDATE idempotency SET created_at = UTC_TIMESTAMP(6) - INTERVAL {age}.5 SECOND, "
                       f"lease_until = UTC_TIMESTAMP(6) + INTERVAL {lease}.9 SECOND WHERE key_id = {key.customer.key_id}")
        assert int(key.begin().retry_after_s) == expected, (age, lease)


def test_what_is_kept(world):
    """By the state of the hold and what the owner says."""
    cases = [   # hold, status, answer -> outcome, the next request
        (None, None, None, "forgotten", "run"), (None, 400, b"x", "forgotten", "run"), (None, 200, b"x", "forgotten", "run"),
        ("released", None, None, "forgotten", "run"), ("released", 400, b"x", "stored", "done"), ("released", 200, b"x", "forgotten", "run"),
        ("settled", None, None, "gone", "gone"), ("settled", 200, b"x", "stored", "done"), ("settled", 200, None, "stored", "gone"),
        # not settled yet, from a spool file it may be
        ("open", None, None, "left", "run"), ("open", 200, b"x", "stored", "done"), ("open", 400, b"x", "stored", "done"),
        ("expired", None, None, "left", "run"), ("expired", 200, b"x", "stored", "done")]
    for hold, status, answer, outcome, following in cases:
        key = Key(world)
        rid = key.begin().rid
        if hold:
            assert world.authorize(key.customer.key_hash, rid=rid, ttl=0 if hold == "expired" else 600).outcome == "held"
        if hold == "released":
            world.release(rid)
        elif hold == "settled":
            world.settle(rid)
        elif hold == "expired":
            assert world.db.call("ledger_expire", rid).outcome == "expired"
        assert key.end(rid, status, answer) == outcome, (hold, status)
        assert key.begin().outcome == following, (hold, status)
        if outcome == "left":
            # the call that was left behind can no longer be charged
            world.settle(rid)
            assert key.charges() == 0
        assert key.customer.held() == usd("0") or hold == "open"
        if hold == "open" and outcome == "stored":
            world.release(rid)


def test_taking_over(world):
    """By the state of the dead one's hold."""
    # none: both have one hold
    key = Key(world)
    dead = key.dead()
    taker = key.begin()
    assert (taker.outcome, taker.request_id) == ("run", dead) and key.row().owner == taker.rid
    assert world.db.call("idempotency_beat", key.customer.key_id, key.name, dead, LEASE).outcome == "lost"
    assert world.db.call("idempotency_beat", key.customer.key_id, key.name, taker.rid, LEASE).outcome == "leased"
    assert key.end(dead, None) == "lost"
    holds = [world.authorize(key.customer.key_hash, rid=dead) for _ in range(2)]
    assert {h.outcome for h in holds} == {"held"} and key.customer.held() == holds[0].usd("hold_usd")
    assert [world.settle(dead).outcome for _ in range(2)] == ["settled", "replayed"] and key.charges() == 1
    assert key.end(taker.rid, 200, b"x") == "stored"

    # open, released, expired: it can never be charged
    for state in ("open", "released", "expired"):
        key = Key(world)
        dead = key.dead()
        world.authorize(key.customer.key_hash, rid=dead, ttl=0)
        if state == "released":
            world.release(dead)
        elif state == "expired":
            world.db.call("ledger_expire", dead)
        taker = key.begin()
        assert (taker.outcome, taker.request_id) == ("run", taker.rid), state
        assert key.customer.held() == usd("0")
        late = world.settle(dead)
        assert late.outcome == "released" and late.charge_usd == "0.000000000", (state, late)
        world.authorize(key.customer.key_hash, rid=taker.rid)
        world.settle(taker.rid)
        assert key.end(taker.rid, 200, b"x") == "stored" and key.charges() == 1
        assert key.begin().request_id == taker.rid

    # settled: nobody calls again
    key = Key(world)
    dead = key.dead()
    world.authorize(key.customer.key_hash, rid=dead)
    world.settle(dead)
    for _ in range(2):
        row = key.begin()
        assert (row.outcome, row.request_id) == ("gone", dead)
    # unless it lives after all and brings its answer
    assert key.end(dead, 200, b"x") == "stored" and key.begin().outcome == "done"
    assert key.charges() == 1


def test_time_is_over(world):
    key = Key(world)
    rid = key.begin().rid
    world.authorize(key.customer.key_hash, rid=rid)
    world.settle(rid)
    key.end(rid, 200, b"x")
    other = Key(world, key.customer)
    running = other.begin().rid
    world.db.query(f"UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6) WHERE key_id = {key.customer.key_id}")
    world.db.query(f"UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) WHERE request_id = '{rid}'")
    assert int(world.db.call("idempotency_purge").deleted) >= 1 and key.row() is None
    assert other.row().owner == running, "a running call keeps its row"
    assert other.begin().outcome == "in_flight"
    # another call may have the key then
    key = Key(world)
    rid = key.begin().rid
    world.authorize(key.customer.key_hash, rid=rid)
    world.settle(rid)
    key.end(rid, 200, b"x")
    world.db.query(f"UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6) WHERE key_id = {key.customer.key_id}")
    fresh = key.begin(fingerprint=os.urandom(32))
    assert (fresh.outcome, fresh.request_id) == ("run", fresh.rid) and key.row().state == "in_flight" and key.row().empty == "1"
    # also one whose owner died after it was charged, a day ago
    key = Key(world)
    rid = key.dead()
    world.authorize(key.customer.key_hash, rid=rid)
    world.settle(rid)
    world.db.query(f"UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6) WHERE key_id = {key.customer.key_id}")
    assert key.begin().outcome == "run"


def test_who_may(world):
    key = Key(world)
    count = world.db.value("SELECT COUNT(*) FROM idempotency")
    key.customer.key_hash, good = os.urandom(32), key.customer.key_hash
    assert key.begin().outcome == "no_key"
    key.customer.key_hash = good
    world.db.call("disable_key", key.customer.key_id)
    assert key.begin().outcome == "no_key"
    world.db.call("enable_key", key.customer.key_id)
    world.db.call("disable_account", key.customer.email)
    assert key.begin().outcome == "no_key"
    world.db.call("enable_account", key.customer.email)
    world.db.query(f"UPDATE api_key SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND WHERE id = {key.customer.key_id}")
    assert key.begin().outcome == "no_key"
    assert world.db.value("SELECT COUNT(*) FROM idempotency") == count
    world.db.query(f"UPDATE api_key SET expires_at = NULL WHERE id = {key.customer.key_id}")
    assert key.begin().outcome == "run"


def retried(step):
    while True:
        try:
            return step()
        except DbError as error:
            if error.number not in RETRY:
                raise


def test_one_of_many_makes_the_call(world):
    """Claims and take-overs race from twelve connections; each call is settled by whoever made it, and charged once."""
    for round_ in range(12):
        key = Key(world)
        if round_ % 2:
            dead = key.dead()
            if round_ % 4 == 3:
                world.authorize(key.customer.key_hash, rid=dead)
        barrier, outcomes = threading.Barrier(12), []

        def worker(_, key=key, barrier=barrier, outcomes=outcomes):
            db = world.connect()
            barrier.wait()
            row = retried(lambda: key.begin(db=db))
            if row.outcome == "run":
                assert retried(lambda: world.authorize(key.customer.key_hash, rid=row.request_id, db=db)).outcome == "held"
                retried(lambda: world.settle(row.request_id, db=db))
                outcomes.append(retried(lambda: key.end(row.rid, 200, row.rid.encode(), db=db)))
            else:
                outcomes.append(row.outcome)
            db.close()

        run_threads(12, worker)
        assert outcomes.count("stored") == 1 and set(outcomes) <= {"stored", "in_flight", "done"}, outcomes
        assert key.charges() == 1 and key.customer.held() == usd("0")


def test_takers_against_the_slow_owner(world):
    """The lease is always over: everybody takes over from everybody, and still one charge at most is booked for the key."""
    for _ in range(10):
        key, barrier = Key(world), threading.Barrier(8)

        def worker(_, key=key, barrier=barrier):
            db = world.connect()
            barrier.wait()
            row = retried(lambda: key.begin(lease=0, db=db))
            if row.outcome == "run":
                try:
                    retried(lambda: world.authorize(key.customer.key_hash, rid=row.request_id, db=db))
                    retried(lambda: world.settle(row.request_id, db=db))
                except DbError as error:
                    # its hold was ended by a taker before it had used it
                    assert error.number == 1644 and "resolved already" in error.text, error
                retried(lambda: key.end(row.rid, 200, b"x", db=db))
            db.close()

        run_threads(8, worker)
        row = key.begin(lease=0)
        assert key.charges() <= 1 and key.customer.held() == usd("0")
        assert row.outcome in ("done", "gone", "run") and (row.outcome != "run" or key.charges() == 0), row
