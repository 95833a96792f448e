# SPDX-License-Identifier: Apache-2.0
"""Sign-up, sign-in, throttles and the outbox: what holds at any concurrency, and who may do what."""

import itertools
import os
import secrets

from dbclient import DbError
from support import Customer, refused, usd
from test_concurrency import RETRY, run_threads

HASH = "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$x"
_numbers = itertools.count(1)


def address():
    return f"s{os.getpid()}.{next(_numbers)}@example.com"


def start(db, email, mailbox=None, token=None, password=HASH):
    token = token or secrets.token_bytes(32)
    db.call("signup_start", token, email, mailbox or email, "Name", password, 3600, "new", "new body", "known", "known body")
    return token


def verify(db, token, session=None):
    return db.call("signup_verify", token, session or secrets.token_bytes(32), "agent", "10.0.0.0/24", 3600)


def again_if_in_conflict(function, *arguments):
    """As db/txn does it."""
    while True:
        try:
            return function(*arguments)
        except DbError as error:
            if error.number not in RETRY:
                raise


def test_replayed_steps_change_nothing(world):
    db, email, session = world.db, address(), secrets.token_bytes(32)
    token = start(db, email)
    start(db, email, token=token)
    assert db.value(f"SELECT COUNT(*) FROM outbox_mail WHERE recipient = '{email}'") == "1"
    first, second = verify(db, token, session), verify(db, token, session)
    assert dict(first) == dict(second) and (first.outcome, first.usd("granted_usd")) == ("opened", usd("10"))
    assert verify(db, token).outcome == "used"
    account = int(first.account_id)
    assert db.value(f"SELECT COUNT(*) FROM session WHERE account_id = {account}") == "1"
    assert db.value(f"SELECT COUNT(*) FROM ledger WHERE account_id = {account}") == "1"

    for _ in range(2):
        assert db.call("login_open", token, account, HASH, "agent", "net", 3600).outcome == "opened"
    assert db.value(f"SELECT COUNT(*) FROM session WHERE account_id = {account}") == "2"
    assert db.call("login_open", secrets.token_bytes(32), account, HASH + "y", "agent", "net", 3600).outcome == "changed"

    reset = secrets.token_bytes(32)
    for _ in range(2):
        db.call("reset_start", reset, email, 3600, "reset", "body")
    for _ in range(2):
        assert db.call("reset_finish", reset, HASH + "z", secrets.token_bytes(32), "changed", "body").outcome == "set"
    assert db.call("reset_finish", reset, HASH + "!", secrets.token_bytes(32), "changed", "body").outcome == "used"
    assert db.value(f"SELECT GROUP_CONCAT(kind ORDER BY id) FROM outbox_mail WHERE recipient = '{email}'") == "verify,reset,changed"
    assert db.value(f"SELECT password_hash FROM account WHERE id = {account}") == HASH + "z"
    assert db.value(f"SELECT COUNT(*) FROM session WHERE account_id = {account}") == "0"


def test_known_and_unknown_write_as_much(world):
    db, known, unknown = world.db, Customer(world, "0").email, address()
    for email in (known, unknown):
        start(db, email)
        db.call("reset_start", secrets.token_bytes(32), email, 3600, "reset", "body")
    assert [db.value(f"SELECT COUNT(*) FROM signup_token WHERE email = '{e}'") for e in (known, unknown)] == ["2", "2"]
    # The sign-up of a known address can never be used, and its password is not kept.
    rows = db.query(f"SELECT used_at, password_hash FROM signup_token WHERE email = '{known}' AND kind = 'verify'")
    assert rows[0].used_at and rows[0].password_hash is None
    assert db.value(f"SELECT COUNT(*) FROM outbox_mail WHERE recipient = '{unknown}' AND kind = 'reset'") == "0"


def test_one_grant_a_mailbox_at_once(world):
    """Many connections, many addresses of the same few mailboxes."""
    mailboxes = [address() for _ in range(3)]
    tokens = [(start(world.db, address(), mailbox), mailbox) for mailbox in mailboxes for _ in range(8)]
    granted, pool = {mailbox: [] for mailbox in mailboxes}, list(tokens)

    def worker(_):
        db = world.connect()
        while pool:
            try:
                token, mailbox = pool.pop()
            except IndexError:
                break
            row = again_if_in_conflict(verify, db, token)
            assert row.outcome == "opened", dict(row)
            granted[mailbox].append(row.granted_usd)
        db.close()

    run_threads(8, worker)
    for mailbox, sums in granted.items():
        assert len(sums) == 8 and len([s for s in sums if s is not None]) == 1, (mailbox, sums)


def test_one_account_an_address_at_once(world):
    for _ in range(5):
        email, outcomes = address(), []
        tokens = [start(world.db, email) for _ in range(6)]

        def worker(index, tokens=tokens, outcomes=outcomes):
            db = world.connect()
            outcomes.append(again_if_in_conflict(verify, db, tokens[index // 2]).outcome)
            db.close()

        run_threads(12, worker)
        assert outcomes.count("opened") == 1 and set(outcomes) <= {"opened", "known", "used"}, outcomes
        assert world.db.value(f"SELECT balance_usd FROM account WHERE email = '{email}'") == "10.000000000"


def test_throttle_counts_all_at_once(world):
    subject, network, waits = secrets.token_bytes(32), secrets.token_bytes(32), []

    def worker(_):
        db = world.connect()
        for _ in range(10):
            waits.append(int(again_if_in_conflict(db.call, "throttle_take", subject, 25, network, 1000, 600).wait_s))
        db.close()

    run_threads(8, worker)
    assert waits.count(0) == 25 and all(0 < w <= 601 for w in waits if w)
    world.db.call("throttle_give", subject, network)
    # Those that were refused do not make it longer; the count stays at the limit and one.
    assert world.db.call("throttle_take", subject, 25, network, 1000, 600).wait_s != "0"
    world.db.query(f"UPDATE throttle SET window_end = UTC_TIMESTAMP(6) WHERE subject = x'{subject.hex()}'")
    assert world.db.call("throttle_take", subject, 25, network, 1000, 600).wait_s == "0"
    # No address: the network alone.
    assert world.db.call("throttle_take", None, 0, network, 1000, 600).wait_s == "0"
    # A network over its limit does not use up an address.
    other = secrets.token_bytes(32)
    assert world.db.call("throttle_take", other, 5, network, 1, 600).wait_s != "0"
    assert world.db.value(f"SELECT COUNT(*) FROM throttle WHERE subject = x'{other.hex()}'") == "0"


def test_a_mail_has_one_claim(world):
    db = world.db
    db.query("DELETE FROM outbox_mail")
    for _ in range(40):
        db.call("mail_enqueue_inner", address(), "test", "subject", "body")
    claims = []

    def worker(_):
        own = world.connect()
        while (rows := again_if_in_conflict(own.query, "CALL mail_claim(300)")):
            claims.append(rows[0].id)
        own.close()

    run_threads(6, worker)
    # SKIP LOCKED may find nothing while others hold the rest, so what is left is claimed here.
    while (rows := db.query("CALL mail_claim(300)")):
        claims.append(rows[0].id)
    assert len(claims) == len(set(claims)) == 40
    db.call("mail_done", int(claims[0]), 1, None)
    assert db.one(f"SELECT state, body FROM outbox_mail WHERE id = {claims[0]}").body is None


def test_purge(world):
    db, customer = world.db, Customer(world, "0")
    email = address()
    start(db, email)
    kept = start(db, address())
    for age in (6, 8, 31):
        db.call("session_open", secrets.token_bytes(32), customer.account_id, "", "", 30 * 86400)
        db.query(f"UPDATE session SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL {age} DAY ORDER BY id DESC LIMIT 1")
    db.query(f"UPDATE signup_token SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 8 DAY WHERE email = '{email}'")
    db.query("UPDATE outbox_mail SET state = 'sent', body = NULL, done_at = UTC_TIMESTAMP(6) - INTERVAL 31 DAY WHERE "
             f"recipient = '{email}'")
    db.query("CALL sign_in_purge()")
    assert db.value(f"SELECT COUNT(*) FROM session WHERE account_id = {customer.account_id}") == "1"
    assert db.value(f"SELECT COUNT(*) FROM signup_token WHERE email = '{email}'") == "0"
    assert db.value(f"SELECT COUNT(*) FROM signup_token WHERE token_hash = x'{kept.hex()}'") == "1"
    assert db.value(f"SELECT COUNT(*) FROM outbox_mail WHERE recipient = '{email}'") == "0"


def test_operator(world):
    db, email = world.db, address()
    old, new = start(db, email, password=HASH + "old"), start(db, email, password=HASH + "new")
    db.query(f"UPDATE signup_token SET created_at = created_at - INTERVAL 1 HOUR WHERE token_hash = x'{old.hex()}'")
    row = db.call("verify_account", f" {email} ")
    assert (row.email, row.usd("granted_usd")) == (email, usd("10"))
    assert db.value(f"SELECT password_hash FROM account WHERE email = '{email}'") == HASH + "new"
    assert [verify(db, t).outcome for t in (new, old)] == ["used", "known"]
    assert "already" in refused(db.call, "verify_account", email)
    assert "Nobody has signed up" in refused(db.call, "verify_account", address())
    assert "Nobody has signed up" in refused(db.call, "verify_account", None)
    db.call("session_open", secrets.token_bytes(32), int(row.account_id), "", "", 60)
    assert db.call("reset_sessions", email).sessions_ended == "1"
    assert db.call("reset_sessions", email).sessions_ended == "0"
    assert "no account" in refused(db.call, "reset_sessions", address())


def test_grants_of_sign_in(world):
    with open(os.path.join(world.sql, "grants.sql"), encoding="utf-8") as file:
        world.db.query(file.read())
    for role in ("app", "admin", "reader"):
        world.db.query(f"CREATE OR REPLACE USER sign_in_{role}@localhost IDENTIFIED BY 'x'; GRANT aig_{role} TO "
                       f"sign_in_{role}@localhost; SET DEFAULT ROLE aig_{role} FOR sign_in_{role}@localhost")
    app, admin, reader = (world.connect(user=f"sign_in_{r}", password="x") for r in ("app", "admin", "reader"))

    def denied(db, sql):
        try:
            db.query(sql)
        except DbError as error:
            assert error.number in (1142, 1143, 1370), error
            return
        raise AssertionError(f"was allowed: {sql}")

    for statement in ("UPDATE account SET password_hash = 'x'", "INSERT INTO mailbox_grant (mailbox, account_id) VALUES ('x', 1)",
                      "DELETE FROM mailbox_grant", "INSERT INTO signup_token VALUES ()", "UPDATE outbox_mail SET state = 'sent'",
                      "DELETE FROM throttle", "CALL signup_open_inner('x', @a, @b)", "CALL mail_enqueue_inner('a', 'b', 'c', 'd')",
                      "CALL verify_account('x')", "CALL reset_sessions('x')"):
        denied(app, statement)
        denied(reader, statement)
    for table in ("session", "signup_token", "outbox_mail", "throttle", "mailbox_grant"):
        denied(reader, f"SELECT * FROM {table}")
        denied(admin, f"DELETE FROM {table}")
    email = address()
    assert verify(app, start(app, email)).outcome == "opened"
    assert app.call("throttle_take", None, 0, secrets.token_bytes(32), 5, 60).wait_s == "0"
    app.query("CALL throttle_give(NULL, 'x'); CALL sign_in_purge(); CALL mail_claim(1); CALL mail_done(0, 1, NULL)")
    app.call("session_open", secrets.token_bytes(32), 1, "", "", 60)
    app.query("UPDATE session SET last_used_at = UTC_TIMESTAMP(6) WHERE id = 0; DELETE FROM session WHERE id = 0")
    assert admin.call("reset_sessions", email).sessions_ended == "1"
