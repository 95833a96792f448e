# SPDX-License-Identifier: Apache-2.0
"""Webhooks in SQL: enqueueing within a job's transaction, claims by many at once, the operator's procedures."""

import json
import random
import re
import threading

from dbclient import DbError, literal
from support import Customer, refused


def put(db, customer, task, url="https://example.com/hook", event="job.completed", body='{"a": 1}'):
    values = ", ".join(literal(v) for v in (customer.account_id, event, task, url, body))
    db.query(f"CALL webhook_enqueue_inner({values}, @id)")
    return db.value("SELECT @id")


def claim(db, limit=100, lease=60, hosts="", accounts=""):
    return db.query(f"CALL webhook_claim({limit}, {lease}, '{hosts}', '{accounts}')")


def finish(db, *results):
    db.call("webhook_finish", json.dumps(results))


def clear(world):
    world.db.query("DELETE FROM webhook_delivery; DELETE FROM webhook_secret")


def test_enqueue(world):
    clear(world)
    customer = Customer(world)
    db = world.db
    number = put(db, customer, "task_1")
    assert re.fullmatch(r"whd_[0-9A-V]{26}", number), number
    assert put(db, customer, "task_1", body="{}") == number, "once for a task and an event"
    assert put(db, customer, "task_1", event="job.progress") != number
    assert put(db, customer, "task_2") > number, "ids sort by time"
    assert put(db, customer, "task_3", url=None) is None and put(db, customer, "task_4", url="") is None
    row = db.one(f"SELECT * FROM webhook_delivery WHERE id = '{number}'")
    assert (row.state, row.claim, row.step, row.attempts, row.body) == ("pending", None, "0", "0", '{"a": 1}')
    assert row.due == row.created_at
    # It lives and dies with the transaction that ends the job.
    db.query("START TRANSACTION")
    rolled_back = put(db, customer, "task_5")
    db.query("ROLLBACK")
    assert db.value(f"SELECT COUNT(*) FROM webhook_delivery WHERE id = '{rolled_back}'") == "0"


def test_one_key_for_a_host(world):
    clear(world)
    customer = Customer(world)
    same = ("https://Example.com", "http://example.COM:8080/a?b=c", "https://example.com?x", "https://example.com#y",
            "https://user:pw@example.com/", "https://example.com/a@b.example")
    other = ("https://sub.example.com/", "https://[2001:db8::1]/", "https://[2001:db8::2]:443/", "https://example.com.evil.example/")
    for number, url in enumerate(same + other):
        put(world.db, customer, f"host_{number}", url)
    keys = [r.host_key for r in world.db.query("SELECT host_key FROM webhook_delivery ORDER BY CAST(SUBSTR(task_id, 6) AS INT)")]
    assert len(set(keys[:len(same)])) == 1 and len(set(keys[len(same):])) == len(other)
    assert not set(keys[:len(same)]) & set(keys[len(same):])


def test_claims_of_many(world):
    """Eight connections claim, finish, give back and die at random: no row is ever with two of them."""
    clear(world)
    customer = Customer(world)
    world.db.query("START TRANSACTION")
    rows = {put(world.db, customer, f"many_{i}", f"https://h{i % 5}.example/") for i in range(600)}
    world.db.query("COMMIT")
    hosts = [r.host_key for r in world.db.query("SELECT DISTINCT host_key FROM webhook_delivery ORDER BY host_key")]
    held, delivered, broken, lock = {}, [], [], threading.Lock()

    def work(seed):
        rng, db = random.Random(seed), world.connect()
        try:
            while len(delivered) < len(rows) and not broken:
                got = claim(db, rng.randrange(1, 20), 3600, rng.choice(["", hosts[seed % 5], ",".join(hosts[:2])]))
                with lock:
                    for row in got:
                        if row.id in held or row.id in delivered:
                            broken.append((row.id, "claimed twice"))
                        held[row.id] = seed
                results = []
                for row in got:
                    outcome = rng.choice(["delivered", "delivered", "back", "retry"])
                    results.append([row.id, row.claim, outcome, 200, None, "é", 0])
                with lock:
                    for row, result in zip(got, results, strict=True):
                        del held[row.id]
                        if result[2] == "delivered":
                            delivered.append(row.id)
                finish(db, *results)
        except DbError as error:
            broken.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken, broken[:3]
    assert sorted(delivered) == sorted(rows)
    assert world.db.query("SELECT state, COUNT(*) AS n FROM webhook_delivery GROUP BY state") == [{"state": "delivered", "n": "600"}]


def test_claim_order_and_lease(world):
    clear(world)
    customer, db = Customer(world), world.db
    ids = [put(db, customer, f"order_{i}") for i in range(4)]
    db.query(f"UPDATE webhook_delivery SET due = due - INTERVAL 1 HOUR WHERE id = '{ids[2]}'")
    db.query(f"UPDATE webhook_delivery SET due = due + INTERVAL 1 HOUR WHERE id = '{ids[0]}'")
    got = claim(db, 2)
    assert {r.id for r in got} == {ids[2], ids[1]} and len({r.claim for r in got}) == 1
    assert [r.id for r in claim(db)] == [ids[3]]
    assert claim(db) == []
    # The lease is over: the same row again, under another claim, and the first one has no say any more.
    db.query(f"UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6) WHERE id = '{ids[2]}'")
    [again] = claim(db)
    first = next(r for r in got if r.id == ids[2])
    assert again.id == ids[2] and again.claim != first.claim
    finish(db, [first.id, first.claim, "dead", 500, "no", None, 0])
    assert db.value(f"SELECT claim FROM webhook_delivery WHERE id = '{ids[2]}'") == again.claim
    assert db.query(f"CALL webhook_claim_one('{ids[1]}', 60)") == []
    assert db.query("CALL webhook_claim_one('whd_none', 60)") == []
    # A locked row is passed over, not waited for.
    db.query("UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6)")
    other = world.connect()
    try:
        other.query(f"START TRANSACTION; SELECT id FROM webhook_delivery WHERE id = '{ids[1]}' FOR UPDATE")
        for hosts in ("", "7"):
            got = claim(db, hosts=hosts)
            assert {r.id for r in got} == set(ids) - {ids[1]}
            finish(db, *[[r.id, r.claim, "back", None, None, None, 0] for r in got])
    finally:
        other.close()


def test_operator(world):
    clear(world)
    customer, db = Customer(world), world.db
    ids = [put(db, customer, f"op_{i}", "https://down.example:8443/hook") for i in range(3)]
    assert "no such delivery" in refused(db.call, "redeliver_webhook", "whd_nonsense")
    assert "no account" in refused(db.call, "redeliver_dead_webhooks", "nobody@example.com", "2026-01-01")
    for since in (None, "2999-01-01"):
        assert "in the past" in refused(db.call, "redeliver_dead_webhooks", customer.email, since)
    for days in (0, None):
        assert "a day or more" in refused(db.call, "drop_dead_webhooks", days)
    assert "7 days" in refused(db.call, "webhook_purge", 30, 6)

    rows = {r.id: r for r in claim(db)}
    finish(db, *[[i, rows[i].claim, "dead", 500, "The answer was HTTP 500.", "oops", 0] for i in ids[:2]])
    [backlog] = db.query("SELECT * FROM v_webhook_backlog")
    assert (backlog.email, backlog.host, backlog.pending, backlog.due_now, backlog.under_way, backlog.dead) == (
        customer.email, "down.example:8443", "1", "0", "1", "2")
    row = db.call("redeliver_webhook", ids[2])
    assert (row.state, row.outcome) == ("pending", "under_way")
    row = db.call("redeliver_webhook", ids[0])
    assert (row.state, row.outcome, row.email) == ("pending", "queued", customer.email)
    db.query(f"UPDATE webhook_delivery SET due = due - INTERVAL 3 DAY WHERE id = '{ids[1]}'")
    assert db.call("redeliver_dead_webhooks", customer.email, str(db.value("SELECT UTC_TIMESTAMP() - INTERVAL 1 DAY"))).queued == "0"
    assert db.call("redeliver_dead_webhooks", customer.email, "2020-01-01").queued == "1"
    [again] = [r for r in claim(db) if r.id == ids[1]]
    finish(db, [ids[1], again.claim, "dead", 410, "gone", None, 0])
    assert db.call("drop_dead_webhooks", 1).deleted == "0"
    db.query(f"UPDATE webhook_delivery SET due = due - INTERVAL 2 DAY WHERE id = '{ids[1]}'")
    assert db.call("drop_dead_webhooks", 1).deleted == "1"
    assert db.value("SELECT COUNT(*) FROM webhook_delivery") == "2"


def test_secrets_of_many(world):
    """Whoever needs the first secret at the same time gets the same one; rotations at once leave one present."""
    clear(world)
    customer, answers, failed = Customer(world), [], []

    def work(seed):
        db = world.connect()
        try:
            row = db.call("webhook_secret_first", customer.account_id, bytes([seed]) * 60, f"{seed:04d}")
            answers.append(row.sealed)
            db.call("webhook_secret_rotate", customer.account_id, bytes([100 + seed]) * 60, f"{seed:04d}", 24)
        except DbError as error:
            failed.append(error)
        finally:
            db.close()

    barrier = threading.Barrier(8)

    def together(seed):
        barrier.wait()
        work(seed)

    threads = [threading.Thread(target=together, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    db = world.db
    assert db.value("SELECT COUNT(*) FROM webhook_secret WHERE expires_at IS NULL") == "1"
    assert db.value("SELECT COUNT(*) FROM webhook_secret WHERE expires_at > UTC_TIMESTAMP(6)") == "1"
    assert db.value("SELECT COUNT(*) FROM webhook_secret") == "9", "one first and eight rotations"
    assert db.call("webhook_secret_first", 999999999, b"x", "xxxx") is None


def test_purge(world):
    clear(world)
    customer, db = Customer(world), world.db
    ids = [put(db, customer, f"purge_{i}") for i in range(4)]
    rows = {r.id: r for r in claim(db, 3)}
    finish(db, *[[i, r.claim, outcome, 200, None, None, 0] for (i, r), outcome in zip(rows.items(), ("delivered", "dead", "dead"), strict=True)])
    db.query("UPDATE webhook_delivery SET due = due - INTERVAL 40 DAY, created_at = created_at - INTERVAL 40 DAY")
    row = db.call("webhook_purge", 30, 90)
    assert (row.delivered, row.dead) == ("1", "0")
    row = db.call("webhook_purge", 30, 30)
    assert (row.delivered, row.dead) == ("0", "2")
    left = db.query("SELECT id, state FROM webhook_delivery")
    assert [(r.id, r.state) for r in left] == [(next(i for i in ids if i not in rows), "pending")], "what waits is never dropped"


def test_grants_of_webhooks(world):
    clear(world)
    customer, db = Customer(world), world.db
    number = put(db, customer, "grants")
    with open(f"{world.sql}/grants.sql", encoding="utf-8") as file:
        db.query(file.read())
    for role in ("app", "admin", "reader"):
        db.query(f"CREATE USER hook_{role}@localhost IDENTIFIED BY 'x'; GRANT aig_{role} TO hook_{role}@localhost; "
                 f"SET DEFAULT ROLE aig_{role} FOR hook_{role}@localhost")
    app, admin, reader = (world.connect(user=f"hook_{r}", password="x") for r in ("app", "admin", "reader"))

    def denied(connection, sql):
        try:
            connection.query(sql)
        except DbError as error:
            assert error.number in (1142, 1143, 1370), error
            return
        raise AssertionError(f"was allowed: {sql}")

    for statement in ("UPDATE webhook_delivery SET state = 'delivered'", "DELETE FROM webhook_delivery", "DELETE FROM webhook_secret",
                      "CALL webhook_enqueue_inner(1, 'x', 'y', 'https://z', '', @id)"):
        for connection in (app, admin, reader):
            denied(connection, statement)
    denied(app, "CALL drop_dead_webhooks(1)")
    for statement in ("CALL webhook_claim(1, 60, '', '')", "SELECT sealed FROM webhook_secret", "SELECT body FROM webhook_delivery"):
        denied(reader, statement)
    [row] = claim(app)
    assert row.id == number
    finish(app, [number, row.claim, "dead", 410, "gone", None, 0])
    assert app.call("webhook_redeliver", number, customer.account_id).outcome == "queued"
    assert app.call("webhook_redeliver", number, customer.account_id + 1).outcome == "unknown"
    assert app.call("webhook_redeliver", number, None).outcome == "unknown"
    assert app.call("webhook_purge", 30, 90).dead == "0"
    assert admin.call("redeliver_webhook", number).outcome == "queued"
    assert admin.call("drop_dead_webhooks", 1).deleted == "0"
    assert len(reader.query("SELECT * FROM v_webhook_backlog")) == 1
