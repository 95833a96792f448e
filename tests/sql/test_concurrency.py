# SPDX-License-Identifier: Apache-2.0
"""Many connections at once, and a server that is killed in the middle: the invariants of the ledger must hold."""

import json
import random
import threading
import time
from decimal import Decimal

from dbclient import DbError
from support import Customer, Team, request_id, usd

RETRY = (1213, 1205)
AWAY = (2002, 2003, 2006, 2013, 1053, 1317)


def run_threads(count, function):
    """Runs function(index) in threads and raises the first error of any."""
    errors = []

    def body(index):
        try:
            function(index)
        except BaseException as error:  # noqa: BLE001 -- carried to the test
            errors.append(error)

    threads = [threading.Thread(target=body, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_cap_for_ten_lets_ten_in(world):
    """Every scope in turn is the tight one; 12 connections try 30 calls each of 0.0105."""
    world.model_ids("gpt-4o")
    for tight in range(5):
        team = Team(world, "0.105" if tight == 4 else "100")
        if tight < 4:
            world.db.call("set_cap", team.scopes()[tight][0], team.scopes()[tight][1], Decimal("0.105"), "daily")
        # Two more keys of the team where the key is not the tight scope, so that rows are met in different mixes.
        keys = [team.key_hash] if tight == 0 else [team.key_hash, team.new_key()[1], team.new_key()[1]]
        outcomes = []

        def worker(index, keys=keys, outcomes=outcomes):
            db = world.connect()
            for attempt in range(30):
                row = world.authorize(keys[(index + attempt) % len(keys)], bound=1000, likely=1000, db=db)
                outcomes.append(row.outcome)
            db.close()

        run_threads(12, worker)
        assert outcomes.count("held") == 10, (tight, outcomes.count("held"))
        assert len(set(outcomes)) == 2, set(outcomes)
        assert team.payer.held() == usd("0.105")
        world.check_ledger()


def test_holding_all_that_is_left_races(world):
    """Likely costs that fit make each call take the whole room: one wins, the others see an empty room."""
    for _ in range(20):
        customer = Customer(world, "0.01")
        rows, barrier = [], threading.Barrier(8)

        def worker(_, customer=customer, rows=rows, barrier=barrier):
            db = world.connect()
            barrier.wait()
            rows.append(world.authorize(customer.key_hash, bound=1000, likely=300, limit=500, db=db))
            db.close()

        run_threads(8, worker)
        held = [r for r in rows if r.outcome == "held"]
        assert len(held) == 1 and held[0].usd("hold_usd") == usd("0.01"), [dict(r) for r in rows]
        assert {r.outcome for r in rows} == {"held", "insufficient_credits"}
        # The refused ones were refused on figures that add up.
        for row in rows:
            if row.outcome != "held":
                assert row.usd("need_usd") > row.usd("limit_usd") - row.usd("spent_usd") - row.usd("held_usd"), dict(row)
        assert customer.held() == usd("0.01")


def test_the_same_step_from_many_connections(world):
    """A client that lost its connection repeats a step while the first try may still run."""
    for _ in range(15):
        customer, rid = Customer(world), request_id()
        steps = {"authorize": lambda db, c=customer, r=rid: world.authorize(c.key_hash, rid=r, db=db).hold_usd,
                 "settle": lambda db, r=rid: world.settle(r, uncached=1000, output=500, db=db).charge_usd}
        for name, step in steps.items():
            results, barrier = [], threading.Barrier(6)

            def worker(_, step=step, results=results, barrier=barrier):
                db = world.connect()
                barrier.wait()
                results.append(retried(lambda: step(db), []))
                db.close()

            run_threads(6, worker)
            assert len(set(results)) == 1 and results[0] == "0.010500000", (name, results)
        assert (customer.balance(), customer.held()) == (usd("99.9895"), usd("0"))


def test_settle_against_release_and_expiry(world):
    """All ways to end a call at the same time: exactly one wins, and the money agrees with it."""
    charged = 0
    for _ in range(30):
        customer = Customer(world)
        held = world.authorize(customer.key_hash, ttl=0)
        results, barrier = {}, threading.Barrier(4)
        steps = (lambda db: world.settle(held.rid, uncached=1000, output=500, db=db).outcome,
                 lambda db: world.release(held.rid, db=db).outcome,
                 lambda db: db.call("ledger_expire", held.rid).outcome,
                 lambda db: db.call("ledger_renew", held.rid, 60).outcome)

        def worker(index, steps=steps, results=results, barrier=barrier):
            db = world.connect()
            barrier.wait()
            results[index] = retried(lambda: steps[index](db), [])
            db.close()

        run_threads(4, worker)
        paid = usd("100") - customer.balance()
        assert customer.held() == 0
        assert (results[0], paid) in (("settled", usd("0.0105")), ("released", usd("0"))), (results, paid)
        assert (results[0] == "settled") == (results[1] == "settled" or (results[2] == "expired" and paid > 0)), results
        charged += paid > 0
    return f"{charged} of 30 charged"


def retried(function, retries):
    while True:
        try:
            return function()
        except DbError as error:
            if error.number not in RETRY:
                raise
            retries.append(error.number)


class Storm:
    """Calls of all kinds over keys that share members, teams and payers, with what was acknowledged kept."""

    def __init__(self, world, prepare=None):
        self.world, self.prepare = world, prepare
        self.stop = threading.Event()
        self.retries, self.steps = [], 0
        self.charged, self.lock = {}, threading.Lock()
        world.model_ids("gpt-4o"), world.model_ids("claude-sonnet-4-6")
        payer = Customer(world, "50")
        self.accounts, self.keys = [payer.account_id], [payer.key_hash, payer.new_key()[1]]
        world.db.call("set_cap", "account", payer.account_id, 40, "daily")
        for _ in range(2):
            team_id = int(world.db.call("create_team", "Storm", payer.email).team_id)
            world.db.call("set_cap", "team", team_id, 12, "weekly")
            for _ in range(2):
                member = Customer(world, "1")
                member_id = int(world.db.call("add_member", team_id, member.email, "member").member_id)
                world.db.call("set_cap", "member", member_id, 8, "monthly")
                for _ in range(2):
                    row = world.db.call("create_team_key", member_id, "storm")
                    world.db.call("set_cap", "key", int(row.key_id), 5, "daily")
                    self.keys.append(bytes.fromhex(world.db.value(
                        f"SELECT HEX(key_hash) FROM api_key WHERE id = {row.key_id}")))
                # The same person's own key: another payer.
                self.accounts.append(member.account_id)
                self.keys.append(member.key_hash)

    def worker(self, index):
        chance = random.Random(index)
        db, pending = self.connect(), []
        while not self.stop.is_set():
            if len(pending) < 3 and chance.random() < 0.6:
                step = self.begin(chance)
            elif pending:
                step = self.end(chance, pending.pop(chance.randrange(len(pending))))
            else:
                continue
            while True:
                try:
                    rid = step(db)
                    break
                except DbError as error:
                    if error.number in RETRY:
                        with self.lock:
                            self.retries.append(error.number)
                    elif error.number in AWAY and not self.stop.is_set():
                        db.close()
                        db = self.connect()
                    elif self.stop.is_set():
                        return
                    else:
                        raise
            with self.lock:
                self.steps += 1
            if rid:
                pending.append(rid)
        db.close()

    def connect(self):
        while True:
            try:
                db = self.world.connect()
                if self.prepare:
                    db.query(self.prepare)
                return db
            except DbError:
                if self.stop.is_set():
                    raise
                time.sleep(0.05)

    def begin(self, chance):
        rid, key = request_id(), chance.choice(self.keys)
        bound, limit = chance.choice((100, 1000, 5000)), chance.choice((0, 200, 2000))
        ttl = chance.choice((0, 600, 600, 600))

        def step(db):
            row = self.world.authorize(key, bound=bound, likely=bound // 3, limit=limit, maximum=4096, ttl=ttl, rid=rid,
                                       db=db)
            return rid if row.outcome == "held" else None
        return step

    def end(self, chance, rid):
        kind, tokens = chance.random(), (chance.randrange(6000), chance.randrange(3000))

        def step(db):
            if kind < 0.15:
                db.call("ledger_renew", rid, 600)
                return rid
            if kind < 0.30:
                db.call("ledger_extend", rid, self.world.model_ids("claude-sonnet-4-6"), 1000, 300, 500, 1)
                return rid
            if kind < 0.45:
                db.call("ledger_expire", rid)
                return rid
            if kind < 0.60:
                self.world.release(rid, db=db)
                return None
            row = self.world.settle(rid, uncached=tokens[0], output=tokens[1], db=db)
            assert row.outcome in ("settled", "replayed"), dict(row)
            with self.lock:
                assert rid not in self.charged
                self.charged[rid] = row.usd("charge_usd")
            return None
        return step

    def credit(self, index):
        """An operator at work meanwhile."""
        chance, db = random.Random(index), self.connect()
        while not self.stop.is_set():
            try:
                account = chance.choice(self.accounts)
                email = db.value(f"SELECT email FROM account WHERE id = {account}")
                reference, row = request_id(), None
                retried(lambda: db.call("credit_purchase", email, 1, reference), self.retries)
                row = db.one(f"SELECT id FROM purchase WHERE reference = '{reference}'")
                if row and chance.random() < 0.5:
                    try:
                        retried(lambda: db.call("refund_purchase", int(row.id)), self.retries)
                    except DbError as error:
                        if error.number != 1644:
                            raise
                key = db.value(f"SELECT MAX(id) FROM api_key WHERE account_id = {account}")
                retried(lambda: db.call("set_cap", "key", int(key), chance.choice((2, 5, 9)), chance.choice(
                    ("daily", "monthly"))), self.retries)
                time.sleep(0.02)
            except DbError as error:
                if error.number not in AWAY:
                    raise
                db.close()
                if self.stop.is_set():
                    return
                db = self.connect()
        db.close()

    def run(self, seconds, threads=14, meanwhile=None, others=()):
        """So many workers, two operators and `others` at once."""
        bodies = [self.worker] * threads + [self.credit] * 2 + list(others)

        def body(index):
            try:
                bodies[index](index)
            except BaseException:
                self.stop.set()
                raise

        def clock():
            try:
                if meanwhile:
                    meanwhile()
                time.sleep(seconds)
            finally:
                self.stop.set()

        watch = threading.Thread(target=clock)
        watch.start()
        try:
            run_threads(len(bodies), body)
        finally:
            self.stop.set()
            watch.join()

    def check(self):
        """What was acknowledged is in the books, once, to the last digit."""
        db = self.world.db
        booked = {r.reference: -r.usd("amount_usd") for r in
                  db.query("SELECT reference, amount_usd FROM ledger WHERE kind = 'charge'")}
        for rid, charge in self.charged.items():
            assert booked.get(rid, usd(0)) == charge, (rid, charge, booked.get(rid))
        self.world.check_ledger()


def test_one_payment_from_many_connections(world):
    """A payment provider that calls twice, while the account spends."""
    for _ in range(10):
        customer, reference = Customer(world, "1"), request_id()
        results, barrier = [], threading.Barrier(6)

        def worker(index, customer=customer, reference=reference, results=results, barrier=barrier):
            db = world.connect()
            barrier.wait()
            if index < 4:
                results.append(retried(lambda: db.call("credit_purchase", customer.email, 5, reference), []).outcome)
            else:
                held = world.authorize(customer.key_hash, db=db)
                world.settle(held.rid, uncached=1000, output=500, db=db)
                retried(lambda: db.call("grant_credit", customer.email, 1, "x"), [])
            db.close()

        run_threads(6, worker)
        assert sorted(results) == ["credited"] + 3 * ["had been credited before"], results
        assert customer.balance() == usd("7.979")


def test_storm(world):
    storm = Storm(world)
    watched = []

    def watch():
        # The invariants hold at every moment, not only at the end.
        db = world.connect()
        for _ in range(12):
            rows = db.query("SELECT * FROM v_ledger_check WHERE since >= UTC_TIMESTAMP() - INTERVAL 1 DAY")
            watched.extend(rows)
            time.sleep(0.3)
        db.close()

    storm.run(4, meanwhile=watch)
    assert watched == [], [dict(r) for r in watched[:5]]
    storm.check()
    assert len(storm.charged) > 100
    # One order of locks: deadlocks may be retried, but there should be none.
    assert len(storm.retries) < storm.steps / 200, f"{len(storm.retries)} retries in {storm.steps} steps"
    return f"{storm.steps} steps, {len(storm.charged)} charges, {len(storm.retries)} retries"


def test_storm_of_inner_steps_in_repeatable_read(world):
    """Several steps in one transaction, with the isolation level that servers have by default. There may be deadlocks
    here (several keys of several transactions, gap locks); the money must be right all the same."""
    storm = Storm(world)

    def batch(index):
        chance, db = random.Random(1000 + index), world.connect()
        db.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        model = world.model_ids("gpt-4o")
        until = time.monotonic() + 3
        while time.monotonic() < until:
            rids, statements = [request_id() for _ in range(6)], []
            key = chance.choice(storm.keys)
            for rid in rids:
                statements.append(
                    f"CALL ledger_authorize_inner('{rid}', x'{key.hex()}', {model}, {model}, NULL, NULL, 1000, 300, 200, 4096, 1, 600, NULL, NULL, "
                    "@outcome, @scope, @k, @a, @hold, @o, @l, @s, @h, @n, @f, @r, @m, @p)")
            ends = [f"CALL ledger_settle_inner('{rid}', 10, 0, 0, 0, 20, 0, NULL, NULL, 0, 'ok', 'openai', 'm', NULL, 0, 200, 1, 1, "
                    "NULL, NULL, NULL, NULL, NULL, @outcome, @charge, @absorbed, @hold, @a)" for rid in rids[:4]]
            ends += [f"CALL ledger_release_inner('{rid}', 'timeout', 'openai', 504, NULL, 1, @outcome)" for rid in rids[4:]]
            for group in (statements, ends):
                while True:
                    try:
                        db.query("START TRANSACTION")
                        for statement in group:
                            db.query(statement)
                        db.query("COMMIT")
                        break
                    except DbError as error:
                        db.query("ROLLBACK")
                        if error.number not in RETRY:
                            raise
                        with storm.lock:
                            storm.retries.append(error.number)
            with storm.lock:
                storm.steps += len(statements) + len(ends)
        db.close()

    run_threads(8, batch)
    world.check_ledger()
    assert storm.steps > 500
    return f"{storm.steps} steps, {len(storm.retries)} retries"


def test_storm_of_shared_steps(world):
    """Two programs whose waiting calls share transactions, beside calls that run by themselves."""
    storm = Storm(world)
    model = world.model_ids("gpt-4o")

    def program(index):
        chance, db = random.Random(500 + index), world.connect()
        while not storm.stop.is_set():
            begins = [[request_id(), chance.choice(storm.keys).hex(), model, model, 1000, 300, chance.choice((0, 200)), 4096, 1,
                       600] for _ in range(chance.randrange(2, 20))]
            held = retried(lambda: db.query(f"CALL ledger_authorize_many('{json.dumps(begins)}')"), storm.retries)
            rids = [row.request_id for row in held]
            chance.shuffle(rids)
            ends = [[rid, chance.randrange(900), 0, 0, 0, chance.randrange(300), 0, None, 0, "ok", "openai", "m", None, 0, 200, 1,
                     1] for rid in rids]
            done = retried(lambda: db.query(f"CALL ledger_settle_many('{json.dumps(ends)}')"), storm.retries) if ends else []
            assert len(done) == len(ends)
            with storm.lock:
                storm.steps += len(held) + len(done)
                storm.charged.update((row.request_id, row.usd("charge_usd")) for row in done)
        db.close()

    storm.run(4, threads=6, others=[program] * 6)
    storm.check()
    assert len(storm.charged) > 200
    assert len(storm.retries) < storm.steps / 200, f"{len(storm.retries)} retries in {storm.steps} steps"
    return f"{storm.steps} steps, {len(storm.charged)} charges, {len(storm.retries)} retries"


def test_kill_in_mid_storm(world):
    """kill -9 of the server, three times, while everything runs; the clients go on with the same ids."""
    storm = Storm(world)

    def murder():
        for _ in range(3):
            time.sleep(1.2)
            world.server.kill()
            world.server.start()

    storm.run(1.5, meanwhile=murder)
    world.repair()
    storm.check()
    assert len(storm.charged) > 100
    # What is still open is what running calls hold; the sweeper ends it once its time is over.
    db = world.db
    db.query("SET timestamp = UNIX_TIMESTAMP() + 3600")
    for row in db.query("SELECT id FROM hold WHERE state = 'open'"):
        assert db.call("ledger_expire", row.id).outcome == "expired"
    db.query("SET timestamp = DEFAULT")
    for table in ("account", "team", "team_member", "api_key"):
        assert db.value(f"SELECT COALESCE(SUM(held_usd), 0) FROM {table}") == "0.000000000", table
    storm.check()
    return f"{storm.steps} steps, {len(storm.charged)} charges, {len(storm.retries)} retries"
